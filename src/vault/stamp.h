/* vault/stamp.h - time stamps of others (RFC 3161), by OpenSSL's libcrypto: what a checkpoint's note was is then vouched for by an
 * authority that nobody here can bend.
 *
 * A token counts only if all of this holds; one that does not pass is never stored: the authority granted it; it is over our
 * digest, with our nonce and policy; it is signed with SHA-256 or better, by exactly one certificate, which the signed attributes name
 * (ESSCertID, RFC 3161 2.4.2), whose extended key usage is timeStamping, critical and nothing else (2.3), and from which a chain
 * leads to a pinned CA; what the system trusts is not asked.  Chain and validity are looked at for the token's own time,
 * so that it counts as long as the pinned CA's key is not forged, also when the certificates have ended. */
#ifndef VG_VAULT_STAMP_H
#define VG_VAULT_STAMP_H

#include "base/buf.h"
#include "vault/merkle.h"

#define VG_STAMP_NONCE 16
#define VG_STAMP_RESPONSE_MAX ((size_t)64 << 10) /* bytes: a token with its chain has 2 to 8 KB */
#define VG_STAMP_CAS_MAX 16                       /* pinned certificates */
#define VG_STAMP_SKEW_S 600                       /* a fresh token's time and ours may lie so far apart */
#define VG_STAMP_SUFFIX ".tsr"
#define VG_STAMP_NAME_MAX 32

/* Append a request (TimeStampReq, DER) for @digest: a random nonce, and the certificate asked for.  @policy: an OID in dots,
 * or NULL: the authority's own.  VG_E_FORMAT: @policy is none.  It is sent by POST as application/timestamp-query. */
vg_rc vg_stamp_request(const struct vg_hash *digest, const char *policy, struct vg_buf *der, uint8_t nonce[VG_STAMP_NONCE]) VG_MUST;

struct vg_stamp { /* what a token says */
	int64_t time_ns;
	char serial[65];  /* hexadecimal */
	char policy[128]; /* OID in dots */
	char signer[256]; /* subject, as RFC 2253 writes it: nothing but ASCII; cut when it is longer */
};
struct vg_stamp_want {
	struct vg_hash digest;
	const uint8_t *nonce; /* VG_STAMP_NONCE bytes; NULL: not looked at */
	const char *policy;   /* NULL: any */
	vg_str ca;            /* the pinned certificates, PEM */
};
#define VG_STAMP_WHY 200
/* Is @response (TimeStampResp, DER) a good answer to what was just asked?  VG_E_FORMAT: it is none.  VG_E_REFUSED: it does not pass.
 * VG_E_LIMIT.  VG_E_UNSUP: @ca holds no certificate.  Then @why says it in one line. */
vg_rc vg_stamp_check(vg_str response, const struct vg_stamp_want *want, int64_t now_ns, struct vg_stamp *out, char why[VG_STAMP_WHY]) VG_MUST;

/* How one is kept, as "stamps/SIZE.tsr", SIZE being the checkpoint's: "VGSTAMP1", u32 bytes of the note, u32 bytes of the response
 * (little-endian), the note, the response. */
void vg_stamp_name(uint64_t size, char out[VG_STAMP_NAME_MAX]); /* "SIZE.tsr" */
void vg_stamp_put(vg_str note, vg_str response, struct vg_buf *out);
vg_rc vg_stamp_take(vg_str file, vg_str *note, vg_str *response) VG_MUST; /* they borrow from @file.  VG_E_FORMAT, VG_E_LIMIT, VG_E_TRUNC */
/* As vg_stamp_check(), of a kept one: without a nonce, at any later time. */
vg_rc vg_stamp_verify(vg_str note, vg_str response, const char *policy, vg_str ca, struct vg_stamp *out, char why[VG_STAMP_WHY]) VG_MUST;

#endif
