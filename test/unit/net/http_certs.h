/* test/unit/net/http_certs.h - a CA and certificates by it, made in memory, as PEM. */
#ifndef VG_TEST_HTTP_CERTS_H
#define VG_TEST_HTTP_CERTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

struct cert {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	struct vg_buf key_pem, crt_pem;
};

/* Of @cn for @purpose, signed by @ca or, when it is NULL, a CA itself; good from @from_s to @until_s, seconds from now. */
static inline void
cert_make(struct cert *c, const char *cn, const char *purpose, const struct cert *ca, int from_s, int until_s)
{
	static uint8_t serial;
	static const unsigned char loopback[4] = { 127, 0, 0, 1 };
	gnutls_datum_t d;

	*c = (struct cert){ 0 };
	serial++;
	assert_int_equal(gnutls_x509_privkey_init(&c->key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(c->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
	assert_int_equal(gnutls_x509_crt_init(&c->crt), 0);
	assert_int_equal(gnutls_x509_crt_set_version(c->crt, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(c->crt, &serial, 1), 0);
	assert_int_equal(gnutls_x509_crt_set_dn_by_oid(c->crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned)strlen(cn)), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(c->crt, time(NULL) + from_s), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(c->crt, time(NULL) + until_s), 0);
	assert_int_equal(gnutls_x509_crt_set_key(c->crt, c->key), 0);
	assert_int_equal(gnutls_x509_crt_set_basic_constraints(c->crt, ca == NULL, -1), 0);
	if (ca == NULL)
		assert_int_equal(gnutls_x509_crt_set_key_usage(c->crt, GNUTLS_KEY_KEY_CERT_SIGN), 0);
	if (purpose)
		assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(c->crt, purpose, 0), 0);
	assert_int_equal(gnutls_x509_crt_set_subject_alt_name(c->crt, GNUTLS_SAN_IPADDRESS, loopback, 4, GNUTLS_FSAN_SET), 0);
	assert_int_equal(gnutls_x509_crt_sign2(c->crt, ca ? ca->crt : c->crt, ca ? ca->key : c->key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(c->crt, GNUTLS_X509_FMT_PEM, &d), 0);
	vg_buf_mem(&c->crt_pem, d.data, d.size);
	gnutls_free(d.data);
	assert_int_equal(gnutls_x509_privkey_export2_pkcs8(c->key, GNUTLS_X509_FMT_PEM, NULL, 0, &d), 0);
	vg_buf_mem(&c->key_pem, d.data, d.size);
	gnutls_free(d.data);
}

static inline void
cert_free(struct cert *c)
{
	gnutls_x509_crt_deinit(c->crt);
	gnutls_x509_privkey_deinit(c->key);
	vg_buf_fini(&c->crt_pem);
	vg_buf_fini(&c->key_pem);
}

#endif
