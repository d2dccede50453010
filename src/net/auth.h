/* net/auth.h - keys of sources: who sends, by the Authorization header.
 *
 * A secret is a random token that we made (128 bits at least), so its SHA-256 is all that is kept and no slow hash is needed.  Accepted:
 *   Basic base64(name:secret)      name: the key's id, or the source's name
 *   ApiKey base64(id:secret), ApiKey secret, Bearer secret
 * An address that fails often is answered "wait" for a while.  A right key is accepted even then: many sources stand behind one
 * address, and one with a wrong key must not silence the others; a random token is not guessed at any speed. */
#ifndef VG_NET_AUTH_H
#define VG_NET_AUTH_H

#include "base/rc.h"
#include "base/str.h"

#define VG_AUTH_KEYS_MAX 65536u
#define VG_AUTH_TOKEN_MAX ((size_t)1024) /* bytes of what stands behind the scheme */
#define VG_AUTH_FAILURES_MAX 10u         /* of one address within a window: more, and it is paused */
#define VG_AUTH_WINDOW_S 60
#define VG_AUTH_PAUSE_S 60
#define VG_AUTH_ADDRESSES 4096u          /* remembered; of IPv6 the first 64 bits count */

struct vg_auth_key {
	vg_str id;
	uint8_t sha256[32]; /* of the secret */
	vg_str tenant, source;
	bool off;           /* revoked, or disabled */
};
struct vg_auth;
vg_rc vg_auth_new(struct vg_auth **out) VG_MUST;
void vg_auth_free(struct vg_auth *a); /* NULL is nothing */
/* These keys, copied, in place of those before; all or none.  VG_E_LIMIT: too many.  VG_E_NOMEM. */
vg_rc vg_auth_set(struct vg_auth *a, const struct vg_auth_key *key, size_t n) VG_MUST;

enum vg_auth_verdict {
	VG_AUTH_RIGHT,
	VG_AUTH_NONE,   /* there is no Authorization */
	VG_AUTH_WRONG,  /* no key of ours, one that is off, or nothing that we know how to read */
	VG_AUTH_WAIT,   /* wrong, and too often from there */
};
/* @address: 128 bits, v4 mapped.  @key: the key when it is right, good until the next vg_auth_set(); else NULL. */
enum vg_auth_verdict vg_auth_check(struct vg_auth *a, vg_str authorization, const uint8_t address[16], int64_t now_ns,
				   const struct vg_auth_key **key);

#endif
