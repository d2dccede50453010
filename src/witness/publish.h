/* witness/publish.h - a vault over HTTP or HTTPS, to be read and nothing else (doc/witness.md): for a witness that pulls from a watch,
 * and for a new watch that is made from a witness.
 *
 * What is asked for must match a row of witness/names.h before it is used as a name; private keys match none.  It stands on
 * libmicrohttpd and is served from the caller's loop; nothing blocks but reading a file. */
#ifndef VG_WITNESS_PUBLISH_H
#define VG_WITNESS_PUBLISH_H

#include "base/rc.h"
#include "net/loop.h"

#define VG_PUBLISH_TOKEN_MIN 16 /* bytes */

struct vg_publish_options {
	int dir;           /* the folder of the tenants' folders; borrowed, outlives the server */
	int listen;        /* a socket that listens; the server closes it */
	const char *token; /* who asks must bring it (Bearer); NULL: anybody may read */
	const char *cert, *key; /* PEM with NUL, borrowed while it starts; NULL: no TLS */
};
struct vg_publish;
/* VG_E_FORMAT: certificate and key are none, or no pair.  VG_E_LIMIT: the token is too short.  VG_E_NOMEM, VG_E_SYS. */
vg_rc vg_publish_new(struct vg_loop *l, const struct vg_publish_options *o, struct vg_publish **out) VG_MUST;
int64_t vg_publish_asked_ns(const struct vg_publish *p); /* when somebody who may last asked for something; 0: not yet */
void vg_publish_free(struct vg_publish *p); /* connections are cut; before the loop is freed */

#endif
