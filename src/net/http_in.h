/* net/http_in.h - the inside of net/http.c and net/http_request.c: connections, and the request that each may have. */
#ifndef VG_NET_HTTP_IN_H
#define VG_NET_HTTP_IN_H

#include <netinet/in.h>

#include "net/bulk.h"
#include "net/http.h"
#include "net/http_head.h"
#include "net/http_route.h"
#include "net/inflate.h"

enum phase { /* what a connection is waiting for; each has its time */
	PHASE_BEGIN, /* TLS, and the first head */
	PHASE_IDLE,  /* another request */
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_KEPT,  /* the vault */
	PHASE_HOLD,  /* time to pass before we hang up */
	PHASE_ANSWER,
};
enum client_cert { CERT_UNKNOWN, CERT_NONE, CERT_GOOD, CERT_BAD };
struct request;
struct conn {
	struct vg_http *h;
	struct MHD_Connection *c;
	struct conn *prev, *next;
	struct request *r; /* NULL: none */
	enum phase phase;
	int64_t deadline_ns;
	bool cut;          /* shut down; it will be closed */
	uint8_t ip[16];    /* v4 mapped */
	char address[INET6_ADDRSTRLEN];
	enum client_cert cert;
	char cn[VG_SPEAKER_NAME_MAX + 1]; /* of a good one */
};
struct request {
	struct conn *conn;
	struct vg_http_line line;
	char path[VG_ROUTE_PATH_MAX];
	size_t path_n; /* over VG_ROUTE_PATH_MAX: it did not fit */
	struct vg_http_head head;
	enum vg_route route;
	char index[VG_ROUTE_INDEX_MAX];
	size_t index_n;
	bool began, ended;   /* its head was read; its body is over */
	bool hangs_up;       /* it ends without an answer */
	unsigned status;     /* refused with, before its body; 0: not */
	uint32_t source;
	int64_t recv_ns, begin_ns;
	uint64_t in;         /* bytes of body */
	size_t held;         /* bytes of memory */
	/* of a bulk or of lines */
	bool records;
	struct vg_bulk bulk;
	struct vg_inflate *inflate;
	unsigned broken;     /* the status of what ended it early; 0: nothing did */
	/* whose records wait */
	uint64_t need;       /* so many must be kept */
	uint32_t epoch;      /* of http.lost, when the first one was taken */
	bool lost;
	struct request *wait_prev, *wait_next;
};
struct vg_http {
	struct MHD_Daemon *d;
	struct vg_loop *l;
	const struct vg_gate *gate;
	struct vg_http_options o; /* its strings are copies, owned, each with a NUL behind it */
	char *strings;
	struct vg_watch *watch, *again;
	int again_fd;             /* always writable: watched when libmicrohttpd wants to run again at once */
	uint64_t steps;           /* of anything that libmicrohttpd told us of */
	unsigned idle_runs, turns;
	bool wants;               /* libmicrohttpd, to run again at once */
	struct conn *conns;       /* newest first */
	struct request *wait_head, *wait_tail; /* in order of need */
	uint64_t kept;
	uint32_t lost;            /* how often */
	struct vg_http_counts n;
};

void vg_http_phase(struct conn *c, enum phase p);
/* Close a connection: what it has said or not read is dropped. */
void vg_http_cut(struct conn *c);
/* Who sends @r: 0, r->source being set when @source asks for it, or the status to refuse it with. */
unsigned vg_http_who(struct request *r, bool source);
/* Start and end of a request; the rest of its life is MHD's access handler. */
struct request *vg_http_request_new(struct conn *c, const char *uri);
void vg_http_request_free(struct request *r);
enum MHD_Result vg_http_request_step(struct request *r, const char *method, const char *version, const char *data, size_t *n);
/* One of PHASE_KEPT or PHASE_HOLD goes on in the next turn. */
void vg_http_request_resume(struct request *r);

#endif
