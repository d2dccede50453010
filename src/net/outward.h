/* net/outward.h - what Vigie sends to others: a POST by HTTP or HTTPS, a letter by SMTP.  It stands on libcurl and runs in the caller's
 * loop; nothing blocks.
 *
 * What answers is hostile: so many bytes, so long, no redirect, no cookie, no other protocol.  No proxy but one that is given: the environment is not
 * asked.  Certificates and names are verified, against the CA that is given or those of the system.  A letter alone may go
 * without: to smtp:// without a password it is encrypted where the server can, which keeps out who only listens; a password is never
 * sent where the server's certificate is not good. */
#ifndef VG_NET_OUTWARD_H
#define VG_NET_OUTWARD_H

#include "base/buf.h"
#include "net/loop.h"

#define VG_OUTWARD_WHY 256
#define VG_OUTWARD_HOST_MAX 256

struct vg_outward_options {
	vg_str ca;         /* certificates, PEM, copied; empty: the system's, which are read when they are needed */
	const char *proxy; /* of http and https; borrowed; NULL: none */
	const char *agent; /* what we call ourselves */
};
struct vg_outward;
vg_rc vg_outward_new(struct vg_loop *l, const struct vg_outward_options *o, struct vg_outward **out) VG_MUST;
void vg_outward_free(struct vg_outward *o); /* what is under way is cut, and not told; the loop does not turn any more */

struct vg_outward_job {
	const char *url;     /* http, https: POST; smtp, smtps: a letter */
	const char *resolve; /* "HOST:PORT:ADDRESS,ADDRESS", where names cannot be asked; NULL: libcurl asks */
	vg_str body;         /* borrowed until done */
	const char *type;    /* POST: its Content-Type */
	size_t answer_bytes; /* POST: at most */
	const char *from;    /* a letter's */
	const char *const *to;
	size_t nto;
	const char *user, *password; /* NULL: none */
	unsigned seconds;    /* for all of it */
	/* VG_OK: it was taken, and this is the answer.  VG_E_SYS: @why says in one line what was not so. */
	void (*done)(void *ctx, vg_rc rc, vg_str answer, const char *why);
	void *ctx;
};
/* What @j points to stays until it is done, which is never told from within this.  Not VG_OK: it was not begun, and is not told. */
vg_rc vg_outward_start(struct vg_outward *o, const struct vg_outward_job *j) VG_MUST;

/* Host and port that @url names, the port as its protocol has it when none stands there.  false: it is no URL of these protocols. */
bool vg_outward_place(const char *url, char host[VG_OUTWARD_HOST_MAX], char port[8]);

#endif
