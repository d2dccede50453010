/* net/http.h - records over HTTPS: the Elasticsearch bulk API as its clients use it, and JSON lines.
 *
 *   POST /_bulk, /INDEX/_bulk     net/bulk.h; answered 200 with a status an item when the records are kept.  429: nothing was taken.
 *   POST /v1/lines                a record a line; answered {"taken":N} when they are kept.  Another status than 200 means that
 *                                 the lines after the N-th were not taken
 *   GET /, /_license, /_cluster/health, and {} for policies, templates, pipelines: what clients ask before they send
 * all with a key (net/auth.h) or, where a CA for clients is given, a client certificate; under /s/NAME/ too.  Bodies may be gzip,
 * deflate or zstd (net/inflate.h).
 *
 * An answer waits until its records are kept: the request notes vg_gate.taken() behind its last record, and vg_http_kept() answers it.
 * Where the gate has no room, what was not taken is answered 429, item by item.  A sender without a User-Agent (rsyslog) gets no answer
 * where others are told to send again: we hang up, or it would drop its records.
 *
 * libmicrohttpd runs in our loop, without threads, files or names; vg_http_new() reads the zone (tzset(3)), or the first Date header
 * would.  Calls it and GnuTLS make beyond read, write, close, epoll_ctl and
 * epoll_wait: accept4, recvfrom, sendto, sendmsg, setsockopt, shutdown, mmap, munmap, brk, madvise, clock_gettime, getrandom, futex;
 * vg_http_new() also makes an epoll descriptor and two eventfds. */
#ifndef VG_NET_HTTP_H
#define VG_NET_HTTP_H

#include "net/auth.h"
#include "net/gate.h"
#include "net/loop.h"

struct vg_http_options {     /* 0 and empty: the default */
	int listen_fd;           /* listening, non-blocking; the caller's; a copy of it is used */
	struct vg_auth *auth;    /* the caller's; outlives the server */
	vg_str certificate, key; /* PEM; without them it is plain HTTP, for tests and loopback */
	vg_str client_ca;        /* PEM: certificates that prove a name (their CN) */
	vg_str tenant;           /* of the listener: of a client certificate without a key; empty: such a one does not suffice */
	vg_str version;          /* that clients are told; "8.19.0" */
	uint64_t body_bytes;     /* of a body, decoded; 64 MiB */
	uint64_t coded_bytes;    /* of a body, as it came; 64 MiB */
	size_t memory_bytes;     /* of all requests together; 96 MiB.  Over it, requests are answered 429 */
	unsigned connections;    /* 1024; the idlest one makes room for a new one */
	unsigned per_address;    /* 128 */
	unsigned head_ms;        /* for a connection's beginning, and for each head; 10 s */
	unsigned request_ms;     /* for a body, then for its records to be kept, then for the answer to be read; 120 s */
	unsigned idle_ms;        /* between two requests; 120 s */
};
struct vg_http;
/* VG_E_FORMAT: certificate, key or CA are none, or do not belong together.  VG_E_SYS, VG_E_NOMEM, VG_E_LIMIT: the loop has no timer left. */
vg_rc vg_http_new(struct vg_loop *l, const struct vg_gate *gate, const struct vg_http_options *o, struct vg_http **out) VG_MUST;
/* When the loop has made its last turn.  Requests that wait are answered 503, as far as that can be written at once. */
void vg_http_free(struct vg_http *h);
/* @n records are kept, counted as vg_gate.taken() counts. */
void vg_http_kept(struct vg_http *h, uint64_t n);
/* What was taken and not kept is lost: its requests are answered 503, and their clients send them again. */
void vg_http_lost(struct vg_http *h);

struct vg_http_counts {
	unsigned connections, waiting; /* now: open; whose records are not kept yet */
	size_t held_bytes;             /* now, of requests */
	uint64_t requests, timeouts, evicted;
};
void vg_http_count(const struct vg_http *h, struct vg_http_counts *out);

#endif
