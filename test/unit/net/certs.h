/* test/unit/net/certs.h - certificates made for a test, and the client's side of TLS. */
#ifndef VG_TEST_CERTS_H
#define VG_TEST_CERTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <time.h>

#include "net/tls.h"

struct test_cert {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	char pem[8192], key_pem[8192];
};

/* @cn or @dns may be NULL; @ca: who signs it, NULL: it is a CA itself. */
static inline void
test_cert_make(struct test_cert *t, const char *cn, const char *dns, const struct test_cert *ca)
{
	static unsigned char serial;
	time_t now = time(NULL);
	size_t n = sizeof(t->pem);

	serial++;
	assert_int_equal(gnutls_x509_privkey_init(&t->key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(t->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
	assert_int_equal(gnutls_x509_crt_init(&t->crt), 0);
	assert_int_equal(gnutls_x509_crt_set_version(t->crt, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(t->crt, &serial, 1), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(t->crt, now - 60), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(t->crt, now + 3600), 0);
	if (cn)
		assert_int_equal(gnutls_x509_crt_set_dn_by_oid(t->crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned)strlen(cn)), 0);
	if (dns)
		assert_int_equal(gnutls_x509_crt_set_subject_alt_name(t->crt, GNUTLS_SAN_DNSNAME, dns, (unsigned)strlen(dns), GNUTLS_FSAN_SET), 0);
	assert_int_equal(gnutls_x509_crt_set_basic_constraints(t->crt, ca == NULL, -1), 0);
	assert_int_equal(gnutls_x509_crt_set_key_usage(t->crt, ca ? GNUTLS_KEY_DIGITAL_SIGNATURE : GNUTLS_KEY_KEY_CERT_SIGN), 0);
	assert_int_equal(gnutls_x509_crt_set_key(t->crt, t->key), 0);
	assert_int_equal(gnutls_x509_crt_sign2(t->crt, ca ? ca->crt : t->crt, ca ? ca->key : t->key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export(t->crt, GNUTLS_X509_FMT_PEM, t->pem, &n), 0);
	n = sizeof(t->key_pem);
	assert_int_equal(gnutls_x509_privkey_export(t->key, GNUTLS_X509_FMT_PEM, t->key_pem, &n), 0);
}

static inline void
test_cert_free(struct test_cert *t)
{
	gnutls_x509_crt_deinit(t->crt);
	gnutls_x509_privkey_deinit(t->key);
}

struct test_client {
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
};

static inline void
test_client_open(struct test_client *c, int fd, const struct test_cert *own, const char *priorities)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&c->cred), 0);
	if (own) {
		gnutls_datum_t crt = { (unsigned char *)(uintptr_t)own->pem, (unsigned)strlen(own->pem) };
		gnutls_datum_t key = { (unsigned char *)(uintptr_t)own->key_pem, (unsigned)strlen(own->key_pem) };

		assert_int_equal(gnutls_certificate_set_x509_key_mem(c->cred, &crt, &key, GNUTLS_X509_FMT_PEM), 0);
	}
	/* forced: it shows its certificate though the server has not named who signed it */
	assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT), 0);
	assert_int_equal(gnutls_priority_set_direct(c->session, priorities, NULL), 0);
	assert_int_equal(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->cred), 0);
	gnutls_transport_set_int(c->session, fd);
}

static inline void
test_client_close(struct test_client *c)
{
	gnutls_deinit(c->session);
	gnutls_certificate_free_credentials(c->cred);
}

#endif
