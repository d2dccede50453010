/* net/http_head.h - a request's line and headers, read strictly (RFC 9112).  What could be read in two ways is refused, so that no proxy
 * in front of us can be made to see other requests than we do.
 *
 * libmicrohttpd 0.9.75 is lax (read in its source, and tried by test/unit/net/http.c): it takes bare LF as a line's end, spaces before
 * the colon and in the URI, runs of spaces in the request line, Content-Length beside Transfer-Encoding, either of them twice, other
 * codings than chunked (then the body ends with the connection), and joins a folded line to the header's *name*.  It hands out
 * names and values where they lie in its read buffer, NUL in place of what separated them; so all of it can be checked: each name must
 * begin right behind the CRLF of the value before it, and the last one must end where the head ends.  What fails that is refused, also
 * if a later libmicrohttpd lays it out otherwise; the tests would tell.
 *
 * What cannot be seen is a NUL that stands for the CR before a LF.
 *
 * How it reads chunks cannot be seen; it takes bare LF there too.  So the connection is closed behind every chunked request: nothing
 * behind it is ever read as another request. */
#ifndef VG_NET_HTTP_HEAD_H
#define VG_NET_HTTP_HEAD_H

#include <microhttpd.h>

#include "base/str.h"

#define VG_HTTP_HEAD_MAX ((size_t)32768) /* bytes of request line and headers */
#define VG_HTTP_HEADERS_MAX 100
#define VG_HTTP_URI_MAX ((size_t)8192)

struct vg_http_line { /* where libmicrohttpd has the parts of the request line, each with a NUL behind it */
	const char *method, *uri, *version;
	size_t uri_n;
	bool uri_good; /* vg_http_uri_good() of it, as it came: it is decoded in place afterwards */
};
/* An absolute path with its query, and no control byte or space in it. */
bool vg_http_uri_good(vg_str uri);
struct vg_http_head { /* values borrow from the connection, until the request is over */
	vg_str authorization, coding;
	uint64_t length; /* Content-Length; 0 when there is none */
	bool chunked, expect, agent; /* agent: there is a User-Agent */
};
/* 0, or the status to refuse the request with: 400, 414, 417, 431, 501. */
unsigned vg_http_head_read(struct MHD_Connection *c, const struct vg_http_line *line, struct vg_http_head *out);

#endif
