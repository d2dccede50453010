/* Who sends a request: a key, a client certificate, or nobody that we know. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "net/http_in.h"

/* The CN of the peer's certificate, which a CA of ours signed for clients. */
static enum client_cert
cert_check(gnutls_session_t s, char *cn, size_t room)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned n = 0, status = 0;
	const gnutls_datum_t *der = gnutls_certificate_get_peers(s, &n);
	gnutls_x509_crt_t x;
	int rc;

	if (der == NULL || n == 0)
		return CERT_NONE;
	if (gnutls_certificate_verify_peers(s, &purpose, 1, &status) != 0 || status != 0 || gnutls_x509_crt_init(&x) != 0)
		return CERT_BAD;
	rc = gnutls_x509_crt_import(x, der, GNUTLS_X509_FMT_DER);
	if (rc == 0)
		rc = gnutls_x509_crt_get_dn_by_oid(x, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &room);
	gnutls_x509_crt_deinit(x);
	return rc == 0 && room != 0 && strlen(cn) == room ? CERT_GOOD : CERT_BAD;
}

static enum client_cert
cert_of(struct conn *c)
{
	const union MHD_ConnectionInfo *i;

	if (c->cert != CERT_UNKNOWN)
		return c->cert;
	i = c->h->o.client_ca.n ? MHD_get_connection_info(c->c, MHD_CONNECTION_INFO_GNUTLS_SESSION) : NULL;
	c->cert = i && i->tls_session ? cert_check(i->tls_session, c->cn, sizeof(c->cn)) : CERT_NONE;
	return c->cert;
}

static unsigned
refuse(struct request *r, unsigned status)
{
	const struct vg_gate *g = r->conn->h->gate;

	g->refused(g->ctx, VG_GATE_NONE, VG_REFUSED_KEY, 1);
	return status;
}

/* A certificate's name counts for the tenant of this listener only: its CA was named there. */
static struct vg_speaker
speaker_of(const struct conn *c, const struct vg_auth_key *key)
{
	const struct vg_http_options *o = &c->h->o;
	struct vg_speaker s = { .listener = VG_STR("https"), .address = vg_str_of(c->address), .tenant = key ? key->tenant : o->tenant };

	if (c->cert == CERT_GOOD && vg_str_eq(s.tenant, o->tenant)) {
		s.name = vg_str_of(c->cn);
		s.proof = VG_PROOF_CERTIFICATE;
	} else if (key) {
		s.name = key->source;
		s.proof = VG_PROOF_KEY;
	}
	return s;
}

unsigned
vg_http_who(struct request *r, bool source)
{
	struct vg_http *h = r->conn->h;
	enum client_cert cert = cert_of(r->conn);
	const struct vg_auth_key *key;
	struct vg_speaker s;

	if (cert == CERT_BAD)
		return refuse(r, 403);
	switch (vg_auth_check(h->o.auth, r->head.authorization, r->conn->ip, vg_monotonic_ns(), &key)) {
	case VG_AUTH_RIGHT:
		break;
	case VG_AUTH_NONE:
		if (cert == CERT_GOOD && h->o.tenant.n)
			break;
		return 401; /* not counted: some clients ask without a key first */
	case VG_AUTH_WAIT:
		return refuse(r, 429);
	default:
		return refuse(r, 401);
	}
	if (!source)
		return 0;
	s = speaker_of(r->conn, key);
	r->source = h->gate->source(h->gate->ctx, &s);
	if (r->source == VG_GATE_NONE)
		return 503;
	if (h->gate->over == NULL || !h->gate->over(h->gate->ctx, r->source))
		return 0;
	h->gate->refused(h->gate->ctx, r->source, VG_REFUSED_SHARE, 1);
	return 429;
}
