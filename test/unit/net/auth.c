#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/time.h"
#include "net/auth.h"

static const uint8_t here[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 7 };

static struct vg_auth_key
key(const char *id, const char *secret, const char *tenant, const char *source, bool off)
{
	struct vg_auth_key k = { vg_str_of(id), { 0 }, vg_str_of(tenant), vg_str_of(source), off };

	SHA256((const unsigned char *)secret, strlen(secret), k.sha256);
	return k;
}

static struct vg_auth *
three_keys(void)
{
	struct vg_auth_key k[] = { key("k1", "s3cret:one", "acme", "dc1", false), key("k2", "dG9rOmVuMg==", "acme", "nas", false),
				   key("k3", "revoked", "acme", "old", true) };
	struct vg_auth *a = NULL;

	assert_int_equal(vg_auth_new(&a), VG_OK);
	assert_int_equal(vg_auth_set(a, k, VG_COUNT(k)), VG_OK);
	return a;
}

static enum vg_auth_verdict
check(struct vg_auth *a, const char *header, const char *source)
{
	const struct vg_auth_key *k = NULL;
	enum vg_auth_verdict v = vg_auth_check(a, vg_str_of(header), here, VG_HOUR, &k);

	assert_int_equal(k != NULL, v == VG_AUTH_RIGHT);
	if (k)
		assert_true(vg_str_eq(k->source, vg_str_of(source)));
	return v;
}

/* "SCHEME base64(TEXT)" */
static enum vg_auth_verdict
check64(struct vg_auth *a, const char *scheme, const char *plain, const char *source)
{
	char b64[256], header[300];

	assert_non_null(sodium_bin2base64(b64, sizeof(b64), (const unsigned char *)plain, strlen(plain), sodium_base64_VARIANT_ORIGINAL));
	snprintf(header, sizeof(header), "%s %s", scheme, b64);
	return check(a, header, source);
}

static void
each_way_to_give_a_key(void **state)
{
	struct vg_auth *a = three_keys();

	(void)state;
	assert_int_equal(check64(a, "Basic", "k1:s3cret:one", "dc1"), VG_AUTH_RIGHT);
	assert_int_equal(check64(a, "bAsIc", "dc1:s3cret:one", "dc1"), VG_AUTH_RIGHT);
	assert_int_equal(check64(a, "ApiKey", "k1:s3cret:one", "dc1"), VG_AUTH_RIGHT);
	assert_int_equal(check(a, "ApiKey s3cret:one", "dc1"), VG_AUTH_RIGHT);
	assert_int_equal(check(a, "Bearer  s3cret:one ", "dc1"), VG_AUTH_RIGHT);
	/* a secret that happens to be base64 of something with a colon */
	assert_int_equal(check(a, "ApiKey dG9rOmVuMg==", "nas"), VG_AUTH_RIGHT);
	assert_int_equal(check(a, "Bearer dG9rOmVuMg==", "nas"), VG_AUTH_RIGHT);
	vg_auth_free(a);
}

static void
whatever_else_is_refused(void **state)
{
	static const char *const bad[] = { "Basic", "Basic ", "Basic !!!", "Basic czNjcmV0Om9uZQ", "Bearer", "Bearer x", "Digest s3cret:one",
					   "s3cret:one", "ApiKey", " ", "Basic s3cret:one", "Bearers3cret:one" };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		struct vg_auth *a = three_keys();

		assert_int_equal(check(a, bad[i], NULL), VG_AUTH_WRONG);
		assert_int_equal(check64(a, "Basic", "k2:s3cret:one", NULL), VG_AUTH_WRONG); /* another's name */
		assert_int_equal(check64(a, "Basic", ":s3cret:one", NULL), VG_AUTH_WRONG);
		assert_int_equal(check64(a, "Basic", "k1", NULL), VG_AUTH_WRONG);
		assert_int_equal(check64(a, "Bearer", "k1:s3cret:one", NULL), VG_AUTH_WRONG);
		assert_int_equal(check(a, "Bearer revoked", NULL), VG_AUTH_WRONG);
		assert_int_equal(check64(a, "Basic", "k3:revoked", NULL), VG_AUTH_WRONG);
		assert_int_equal(check(a, "", NULL), VG_AUTH_NONE);
		vg_auth_free(a);
	}
}

static void
a_token_has_a_limit(void **state)
{
	struct vg_buf h = { 0 };
	char secret[VG_AUTH_TOKEN_MAX + 2];

	(void)state;
	for (size_t n = VG_AUTH_TOKEN_MAX; n <= VG_AUTH_TOKEN_MAX + 1; n++) {
		struct vg_auth *a = NULL;
		struct vg_auth_key k;

		memset(secret, 'q', n);
		secret[n] = 0;
		k = key("k", secret, "t", "s", false);
		assert_int_equal(vg_auth_new(&a), VG_OK);
		assert_int_equal(vg_auth_set(a, &k, 1), VG_OK);
		vg_buf_clear(&h);
		vg_buf_printf(&h, "Bearer %s", secret);
		vg_buf_putc(&h, 0);
		assert_int_equal(check(a, h.p, "s"), n == VG_AUTH_TOKEN_MAX ? VG_AUTH_RIGHT : VG_AUTH_WRONG);
		vg_auth_free(a);
	}
	vg_buf_fini(&h);
}

static void
keys_are_replaced_as_a_whole(void **state)
{
	struct vg_auth *a = three_keys();
	struct vg_auth_key k = key("k9", "new", "acme", "dc9", false), *many = calloc(VG_AUTH_KEYS_MAX + 1, sizeof(*many));

	(void)state;
	assert_non_null(many);
	assert_int_equal(vg_auth_set(a, many, VG_AUTH_KEYS_MAX + 1), VG_E_LIMIT); /* and the old ones stay */
	assert_int_equal(check(a, "Bearer s3cret:one", "dc1"), VG_AUTH_RIGHT);
	assert_int_equal(vg_auth_set(a, &k, 1), VG_OK);
	assert_int_equal(check(a, "Bearer s3cret:one", NULL), VG_AUTH_WRONG);
	assert_int_equal(check(a, "Bearer new", "dc9"), VG_AUTH_RIGHT);
	assert_int_equal(vg_auth_set(a, NULL, 0), VG_OK);
	assert_int_equal(check(a, "Bearer new", NULL), VG_AUTH_WRONG);
	vg_auth_free(a);
	free(many);
}

static void
guessing_is_slowed_down(void **state)
{
	struct vg_auth *a = three_keys();
	const struct vg_auth_key *k;
	uint8_t there[16] = { [0] = 0x20, 1, 0xd, 0xb8 }, same_net[16] = { [0] = 0x20, 1, 0xd, 0xb8, [15] = 9 };
	int64_t now = VG_DAY;

	(void)state;
	for (unsigned i = 0; i < VG_AUTH_FAILURES_MAX; i++)
		assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), there, now + i, &k), VG_AUTH_WRONG);
	assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), there, now + 100, &k), VG_AUTH_WAIT);
	assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), same_net, now + 100, &k), VG_AUTH_WAIT);
	assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), here, now + 100, &k), VG_AUTH_WRONG);
	assert_int_equal(vg_auth_check(a, VG_STR("Bearer s3cret:one"), there, now + 100, &k), VG_AUTH_RIGHT); /* others are behind it too */
	now += VG_AUTH_PAUSE_S * VG_SEC;
	assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), there, now + 99, &k), VG_AUTH_WAIT);
	assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), there, now + 101, &k), VG_AUTH_WRONG);
	/* few failures, long apart, are no guessing */
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), here, now + i * 30 * VG_SEC, &k), VG_AUTH_WRONG);
	vg_auth_free(a);
}

static void
more_addresses_than_are_remembered(void **state)
{
	struct vg_auth *a = three_keys();
	const struct vg_auth_key *k;
	uint8_t from[16] = { [10] = 0xff, [11] = 0xff, 10 };

	(void)state;
	for (unsigned i = 0; i < 3 * VG_AUTH_ADDRESSES; i++) {
		from[13] = (uint8_t)(i >> 8);
		from[14] = (uint8_t)i;
		assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), from, i, &k), VG_AUTH_WRONG);
	}
	for (unsigned i = 0; i < VG_AUTH_FAILURES_MAX; i++)
		assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), here, VG_SEC, &k), VG_AUTH_WRONG);
	assert_int_equal(vg_auth_check(a, VG_STR("Bearer guess"), here, VG_SEC, &k), VG_AUTH_WAIT);
	vg_auth_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_to_give_a_key),
		cmocka_unit_test(whatever_else_is_refused),
		cmocka_unit_test(a_token_has_a_limit),
		cmocka_unit_test(keys_are_replaced_as_a_whole),
		cmocka_unit_test(guessing_is_slowed_down),
		cmocka_unit_test(more_addresses_than_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
