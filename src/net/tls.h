/* net/tls.h - the server's side of TLS on descriptors that do not block, by GnuTLS.  Keys and certificates come as PEM in memory:
 * nothing here opens a file.  TLS 1.2 and later. */
#ifndef VG_NET_TLS_H
#define VG_NET_TLS_H

#include "base/buf.h"

#include <stdint.h>

#define VG_TLS_HANDSHAKE_MS 10000 /* one that takes longer has failed */
#define VG_TLS_RECORD_MAX 16384   /* vg_tls_read() into so much room leaves nothing behind that a poll would not see */
#define VG_TLS_NAME_MAX 255       /* bytes of a certificate's name; longer ones are cut */
#define VG_TLS_WHY_MAX 160

/* Make the library ready: before a sandbox closes. */
vg_rc vg_tls_init(void) VG_MUST;

struct vg_tls_settings {
	vg_str cert;         /* PEM: ours, then those that vouch for it */
	vg_str key;          /* PEM, without a passphrase */
	vg_str client_ca;    /* PEM: who may vouch for clients; empty: they are not asked */
	bool require_client; /* a client without a certificate is refused */
};
struct vg_tls_creds; /* outlives its sessions */
/* VG_E_FORMAT: @why says which part is bad, and how.  VG_E_NOMEM. */
vg_rc vg_tls_creds_new(const struct vg_tls_settings *s, char why[VG_TLS_WHY_MAX], struct vg_tls_creds **out) VG_MUST;
void vg_tls_creds_free(struct vg_tls_creds *c);

/* What a call on a session came to. */
enum vg_tls_is {
	VG_TLS_DONE,
	VG_TLS_WANT_READ,  /* come again when the descriptor can be read */
	VG_TLS_WANT_WRITE, /* ... written */
	VG_TLS_CLOSED,     /* the peer has ended it, with a word or without */
	VG_TLS_FAILED      /* vg_tls_why() says how */
};
struct vg_tls; /* a session; the caller keeps the descriptor */
vg_rc vg_tls_new(const struct vg_tls_creds *c, int fd, struct vg_tls **out) VG_MUST;
void vg_tls_free(struct vg_tls *t);
/* Never VG_TLS_CLOSED.  Who waits asks vg_tls_late() too: it is true when VG_TLS_HANDSHAKE_MS have passed without an end. */
enum vg_tls_is vg_tls_handshake(struct vg_tls *t) VG_MUST;
bool vg_tls_late(const struct vg_tls *t, int64_t monotonic_ns);
/* At least one byte to @p, or another answer than VG_TLS_DONE. */
enum vg_tls_is vg_tls_read(struct vg_tls *t, void *p, size_t n, size_t *got) VG_MUST;
/* Some of @s; @put bytes.  After VG_TLS_WANT_* the same bytes must come again. */
enum vg_tls_is vg_tls_write(struct vg_tls *t, vg_str s, size_t *put) VG_MUST;
enum vg_tls_is vg_tls_close(struct vg_tls *t); /* say that nothing more comes */
/* After the handshake: the name in the client's certificate, which a CA of the settings signed: the subject's common name, else
 * the first DNS name; printable.  Empty: it showed none. */
vg_str vg_tls_peer(const struct vg_tls *t);
const char *vg_tls_why(const struct vg_tls *t);

/* A new key (P-256) and a certificate for @name, a host name or an address, that vouches for itself; PEM.  For a first start. */
vg_rc vg_tls_selfsigned(vg_str name, unsigned days, struct vg_buf *cert, struct vg_buf *key) VG_MUST;

#endif
