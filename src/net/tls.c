#include "net/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/ip.h"
#include "base/time.h"
#include "net/loop.h"

#define PRIORITIES "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"
#define WARNINGS_MAX 8 /* of a peer, within one call */
#define SERIAL_BYTES 16
#define PEM_MAX 16384

struct vg_tls_creds {
	gnutls_certificate_credentials_t cred;
	gnutls_priority_t priority;
	bool ask, require;
};
struct vg_tls {
	gnutls_session_t session;
	int64_t began_ns;
	bool ready; /* the handshake is over */
	char name[VG_TLS_NAME_MAX];
	size_t nname;
	char why[VG_TLS_WHY_MAX];
};

vg_rc
vg_tls_init(void)
{
	tzset(); /* the C library reads the zone's file when a time is first taken apart */
	return gnutls_global_init() < 0 ? VG_E_SYS : VG_OK;
}

/* ---- credentials ---- */

static gnutls_datum_t
datum(vg_str s)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)s.p, (unsigned)s.n };
}

static vg_rc
bad(char why[VG_TLS_WHY_MAX], const char *what, int e)
{
	snprintf(why, VG_TLS_WHY_MAX, "%s: %s", what, gnutls_strerror(e));
	return e == GNUTLS_E_MEMORY_ERROR ? VG_E_NOMEM : VG_E_FORMAT;
}

static int check_peer(gnutls_session_t session);

static vg_rc
creds_fill(struct vg_tls_creds *c, const struct vg_tls_settings *s, char why[VG_TLS_WHY_MAX])
{
	gnutls_datum_t cert = datum(s->cert), key = datum(s->key), ca = datum(s->client_ca);
	int e;

	if (s->cert.n > UINT32_MAX || s->key.n > UINT32_MAX || s->client_ca.n > UINT32_MAX)
		return bad(why, "certificate", GNUTLS_E_ASN1_DER_OVERFLOW);
	if ((e = gnutls_certificate_allocate_credentials(&c->cred)) < 0 || (e = gnutls_priority_init(&c->priority, PRIORITIES, NULL)) < 0)
		return bad(why, "TLS", e);
	if ((e = gnutls_certificate_set_x509_key_mem2(c->cred, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0)) < 0)
		return bad(why, "certificate and key", e);
	c->require = s->require_client;
	if (s->client_ca.n == 0)
		return s->require_client ? bad(why, "client CA", GNUTLS_E_NO_CERTIFICATE_FOUND) : VG_OK;
	if ((e = gnutls_certificate_set_x509_trust_mem(c->cred, &ca, GNUTLS_X509_FMT_PEM)) <= 0)
		return bad(why, "client CA", e < 0 ? e : GNUTLS_E_NO_CERTIFICATE_FOUND);
	gnutls_certificate_set_verify_function(c->cred, check_peer);
	c->ask = true;
	return VG_OK;
}

vg_rc
vg_tls_creds_new(const struct vg_tls_settings *s, char why[VG_TLS_WHY_MAX], struct vg_tls_creds **out)
{
	struct vg_tls_creds *c = calloc(1, sizeof(*c));
	vg_rc rc;

	if (c == NULL)
		return VG_E_NOMEM;
	if ((rc = creds_fill(c, s, why)) != VG_OK) {
		vg_tls_creds_free(c);
		return rc;
	}
	*out = c;
	return VG_OK;
}

void
vg_tls_creds_free(struct vg_tls_creds *c)
{
	if (c == NULL)
		return;
	if (c->priority)
		gnutls_priority_deinit(c->priority);
	if (c->cred)
		gnutls_certificate_free_credentials(c->cred);
	free(c);
}

/* ---- who the client is ---- */

static void
set_name(struct vg_tls *t, const char *p, size_t n)
{
	struct vg_buf safe = { 0 };

	vg_buf_safe(&safe, vg_str_mem(p, n));
	if (safe.rc == VG_OK) {
		t->nname = safe.n < sizeof(t->name) ? safe.n : sizeof(t->name);
		if (t->nname)
			memcpy(t->name, safe.p, t->nname);
	}
	vg_buf_fini(&safe);
}

/* The common name, else the first DNS name; a certificate that has neither is refused: who is it? */
static int
take_name(struct vg_tls *t, const gnutls_datum_t *der)
{
	char text[1024];
	size_t n = sizeof(text);
	gnutls_x509_crt_t crt;
	unsigned type = 0;
	int e = gnutls_x509_crt_init(&crt);

	if (e < 0)
		return e;
	if ((e = gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER)) == 0) {
		if ((e = gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &n)) == 0 && n)
			set_name(t, text, n);
		for (unsigned i = 0; t->nname == 0; i++) {
			n = sizeof(text);
			e = gnutls_x509_crt_get_subject_alt_name2(crt, i, text, &n, &type, NULL);
			if (e == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
				break;
			if (e >= 0 && type == GNUTLS_SAN_DNSNAME)
				set_name(t, text, n);
		}
	}
	gnutls_x509_crt_deinit(crt);
	return t->nname ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* Within the handshake, so that a client that is refused is told. */
static int
check_peer(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
	struct vg_tls *t = gnutls_session_get_ptr(session);
	unsigned n = 0, status = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	int e;

	if (chain == NULL || n == 0)
		return 0; /* GnuTLS itself refuses it where one is required */
	if ((e = gnutls_certificate_verify_peers(session, &purpose, 1, &status)) < 0)
		return e;
	if (status != 0) {
		gnutls_datum_t text;

		if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) == 0) {
			snprintf(t->why, sizeof(t->why), "client certificate: %s", (const char *)text.data);
			gnutls_free(text.data);
		}
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	return take_name(t, &chain[0]);
}

vg_str
vg_tls_peer(const struct vg_tls *t)
{
	return t->ready ? vg_str_mem(t->name, t->nname) : VG_NIL;
}

/* ---- sessions ---- */

vg_rc
vg_tls_new(const struct vg_tls_creds *c, int fd, struct vg_tls **out)
{
	struct vg_tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return VG_E_NOMEM;
	if (gnutls_init(&t->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
		free(t);
		return VG_E_NOMEM;
	}
	if (gnutls_priority_set(t->session, c->priority) < 0 || gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, c->cred) < 0) {
		vg_tls_free(t);
		return VG_E_NOMEM;
	}
	gnutls_session_set_ptr(t->session, t);
	gnutls_certificate_server_set_request(t->session, !c->ask ? GNUTLS_CERT_IGNORE : c->require ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
	gnutls_handshake_set_timeout(t->session, 0); /* the caller watches the clock: vg_tls_late() */
	gnutls_transport_set_int(t->session, fd);
	t->began_ns = vg_monotonic_ns();
	*out = t;
	return VG_OK;
}

void
vg_tls_free(struct vg_tls *t)
{
	if (t == NULL)
		return;
	gnutls_deinit(t->session);
	free(t);
}

static enum vg_tls_is
failed(struct vg_tls *t, int e)
{
	if (t->why[0] == '\0')
		snprintf(t->why, sizeof(t->why), "%s", gnutls_strerror(e));
	return VG_TLS_FAILED;
}

/* What a negative answer of the library means; DONE: nothing did go wrong, ask again. */
static enum vg_tls_is
meaning(struct vg_tls *t, int e, unsigned *warnings)
{
	if (e == GNUTLS_E_AGAIN)
		return gnutls_record_get_direction(t->session) ? VG_TLS_WANT_WRITE : VG_TLS_WANT_READ;
	if (e == GNUTLS_E_PREMATURE_TERMINATION)
		return VG_TLS_CLOSED;
	/* a second handshake (TLS 1.2) is nothing that a sender of logs needs */
	if (gnutls_error_is_fatal(e) || e == GNUTLS_E_REHANDSHAKE || ++*warnings > WARNINGS_MAX)
		return failed(t, e);
	return VG_TLS_DONE;
}

enum vg_tls_is
vg_tls_handshake(struct vg_tls *t)
{
	enum vg_tls_is is = VG_TLS_DONE;
	unsigned warnings = 0;
	int e = 0;

	while (is == VG_TLS_DONE && !t->ready) {
		if (vg_tls_late(t, vg_monotonic_ns()))
			return failed(t, GNUTLS_E_TIMEDOUT);
		if ((e = gnutls_handshake(t->session)) == 0)
			t->ready = true;
		else if ((is = meaning(t, e, &warnings)) == VG_TLS_CLOSED)
			is = failed(t, e);
	}
	if (is == VG_TLS_FAILED)
		(void)gnutls_alert_send_appropriate(t->session, e);
	return is;
}

bool
vg_tls_late(const struct vg_tls *t, int64_t monotonic_ns)
{
	return !t->ready && monotonic_ns - t->began_ns > VG_TLS_HANDSHAKE_MS * INT64_C(1000000);
}

enum vg_tls_is
vg_tls_read(struct vg_tls *t, void *p, size_t n, size_t *got)
{
	enum vg_tls_is is = VG_TLS_DONE;
	unsigned warnings = 0;

	*got = 0;
	while (is == VG_TLS_DONE) {
		ssize_t k = gnutls_record_recv(t->session, p, n);

		if (k > 0) {
			*got = (size_t)k;
			return VG_TLS_DONE;
		}
		is = k == 0 ? VG_TLS_CLOSED : meaning(t, (int)k, &warnings);
	}
	return is;
}

enum vg_tls_is
vg_tls_write(struct vg_tls *t, vg_str s, size_t *put)
{
	enum vg_tls_is is = VG_TLS_DONE;
	unsigned warnings = 0;

	*put = 0;
	while (is == VG_TLS_DONE && s.n) {
		ssize_t k = gnutls_record_send(t->session, s.p, s.n);

		if (k >= 0) {
			*put = (size_t)k;
			return VG_TLS_DONE;
		}
		is = meaning(t, (int)k, &warnings);
	}
	return is;
}

enum vg_tls_is
vg_tls_close(struct vg_tls *t)
{
	unsigned warnings = 0;
	int e = t->ready ? gnutls_bye(t->session, GNUTLS_SHUT_WR) : 0;

	return e < 0 ? meaning(t, e, &warnings) : VG_TLS_DONE;
}

const char *
vg_tls_why(const struct vg_tls *t)
{
	return t->why;
}

/* ---- a certificate of one's own ---- */

static int
set_san(gnutls_x509_crt_t crt, vg_str name)
{
	uint8_t ip[16];
	bool v4 = vg_str_chr(name, ':') == VG_NPOS;

	if (!vg_ip_parse(name, ip))
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name.p, (unsigned)name.n, GNUTLS_FSAN_SET);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, v4 ? ip + 12 : ip, v4 ? 4 : 16, GNUTLS_FSAN_SET);
}

static int
describe(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, vg_str name, unsigned days)
{
	unsigned char serial[SERIAL_BYTES];
	time_t now = time(NULL);
	int e = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	serial[0] &= 0x7f; /* positive (RFC 5280, 4.1.2.2) */
	if (e < 0 || (e = gnutls_x509_crt_set_version(crt, 3)) < 0 || (e = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial))) < 0 ||
	    (e = gnutls_x509_crt_set_activation_time(crt, now - 86400)) < 0 || /* clocks differ */
	    (e = gnutls_x509_crt_set_expiration_time(crt, now + (time_t)days * 86400)) < 0 ||
	    (e = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name.p, (unsigned)name.n)) < 0 ||
	    (e = set_san(crt, name)) < 0 || (e = gnutls_x509_crt_set_basic_constraints(crt, 0, -1)) < 0 ||
	    (e = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
	    (e = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 || (e = gnutls_x509_crt_set_key(crt, key)) < 0)
		return e;
	return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static int
export(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct vg_buf *cert_out, struct vg_buf *key_out)
{
	char pem[PEM_MAX];
	size_t n = sizeof(pem);
	int e = gnutls_x509_crt_export(crt, GNUTLS_X509_FMT_PEM, pem, &n);

	if (e < 0)
		return e;
	vg_buf_mem(cert_out, pem, n);
	n = sizeof(pem);
	if ((e = gnutls_x509_privkey_export_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, pem, &n)) == 0)
		vg_buf_mem(key_out, pem, n);
	gnutls_memset(pem, 0, sizeof(pem));
	return e < 0 ? e : cert_out->rc != VG_OK || key_out->rc != VG_OK ? GNUTLS_E_MEMORY_ERROR : 0;
}

vg_rc
vg_tls_selfsigned(vg_str name, unsigned days, struct vg_buf *cert, struct vg_buf *key)
{
	gnutls_x509_privkey_t k = NULL;
	gnutls_x509_crt_t c = NULL;
	int e;

	if (name.n == 0 || name.n > 64) /* ub-common-name (RFC 5280, appendix A) */
		return VG_E_LIMIT;
	if ((e = gnutls_x509_privkey_init(&k)) == 0 && (e = gnutls_x509_crt_init(&c)) == 0 &&
	    (e = gnutls_x509_privkey_generate(k, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0)) == 0 &&
	    (e = describe(c, k, name, days)) == 0)
		e = export(c, k, cert, key);
	if (c)
		gnutls_x509_crt_deinit(c);
	if (k)
		gnutls_x509_privkey_deinit(k);
	return e == 0 ? VG_OK : e == GNUTLS_E_MEMORY_ERROR ? VG_E_NOMEM : VG_E_SYS;
}
