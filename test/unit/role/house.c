/* Keys of tenants in a state folder: made once, sealed for the recovery key that the settings name, or for the watch's own. */
#include "role/house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vault/destruction.h"
#include "vault/disk.h"
#include "vault/keyring.h"

static char path[64];
static struct vg_house h;
static char why[300];
static const uint8_t company[32] = { 7 }, stranger[32] = { 8 };

static int
make(void **state)
{
	(void)state;
	strcpy(path, "/tmp/house-XXXXXX");
	assert_non_null(mkdtemp(path));
	assert_int_equal(vg_house_open(&h, path, true, why), VG_OK);
	return 0;
}

static int
clear(void **state)
{
	char command[100];

	(void)state;
	vg_house_close(&h);
	snprintf(command, sizeof(command), "rm -r %s", path);
	return system(command);
}

static bool
there(const char *name)
{
	return faccessat(h.dir, name, F_OK, 0) == 0;
}

/* The public half, as one writes it in the settings. */
static struct vg_buf
public_of(const uint8_t secret[32])
{
	struct vg_note_secret s;
	struct vg_buf b = { 0 };

	assert_int_equal(vg_recovery_signer(secret, &s), VG_OK);
	vg_note_key_print(&s.key, &b);
	vg_note_secret_fini(&s);
	return b;
}

/* Does @secret open what is beside the evidence of @tenant, and is it the key @hex? */
static vg_rc
opens(const char *tenant, const uint8_t secret[32], vg_str hex)
{
	struct vg_disk d = { .dir = h.dir, .read_only = true };
	struct vg_buf sealed = { 0 }, again = { 0 };
	char name[100];
	uint8_t key[32];
	vg_rc rc;

	snprintf(name, sizeof(name), "vault/%s/keys/" VG_KEY_SEALED, tenant);
	assert_int_equal(vg_disk_slurp(&d, name, 4096, &sealed), VG_OK);
	if ((rc = vg_tenant_key_open(vg_buf_str(&sealed), secret, key)) == VG_OK) {
		vg_buf_hex(&again, key, sizeof(key), false);
		assert_true(vg_str_eq(vg_buf_str(&again), hex));
	}
	vg_buf_fini(&sealed);
	vg_buf_fini(&again);
	return rc;
}

static void
a_company_has_its_own_recovery_key(void **state)
{
	struct vg_buf named = public_of(company), other = public_of(stranger), hex = { 0 }, again = { 0 }, told = { 0 };
	struct vg_tenant t = { .name = VG_STR("acme"), .recovery_key = vg_buf_str(&named) };
	struct vg_settings s = { .tenants = { &t, 1 } };

	(void)state;
	assert_int_equal(vg_house_check_recovery(&h, &s, why), VG_OK); /* nothing is sealed yet */
	assert_int_equal(vg_house_tenant_key(&h, &t, &hex, why), VG_OK);
	assert_false(there("keys/recovery.secret")); /* nothing on this machine opens it */
	assert_int_equal(opens("acme", company, vg_buf_str(&hex)), VG_OK);
	assert_int_equal(opens("acme", stranger, vg_buf_str(&hex)), VG_E_REFUSED);
	assert_int_equal(vg_house_recovery(&h, "acme", &told), VG_OK);
	assert_true(vg_str_eq(vg_buf_str(&told), vg_buf_str(&named)));
	assert_int_equal(vg_house_check_recovery(&h, &s, why), VG_OK);
	t.recovery_key = vg_buf_str(&other);
	assert_int_equal(vg_house_check_recovery(&h, &s, why), VG_E_REFUSED);
	assert_non_null(strstr(why, "tenants.acme.recovery-key: its records are sealed for another key already"));
	assert_int_equal(vg_house_tenant_key(&h, &t, &again, why), VG_OK); /* the key is what it was, and sealed as it was */
	assert_true(vg_str_eq(vg_buf_str(&hex), vg_buf_str(&again)));
	assert_int_equal(opens("acme", company, vg_buf_str(&hex)), VG_OK);
	t.recovery_key = VG_NIL;
	assert_int_equal(vg_house_check_recovery(&h, &s, why), VG_OK);
	vg_buf_fini(&named);
	vg_buf_fini(&other);
	vg_buf_fini(&hex);
	vg_buf_fini(&again);
	vg_buf_fini(&told);
}

static void
without_one_it_is_the_watchs(void **state)
{
	struct vg_buf named = public_of(company), hex = { 0 }, secret = { 0 };
	struct vg_tenant t = { .name = VG_STR("acme") };
	struct vg_settings s = { .tenants = { &t, 1 } };
	struct vg_disk d = { .dir = h.dir, .read_only = true };

	(void)state;
	assert_int_equal(vg_house_tenant_key(&h, &t, &hex, why), VG_OK);
	assert_int_equal(vg_disk_slurp(&d, "keys/recovery.secret", 32, &secret), VG_OK);
	assert_int_equal(secret.n, 32);
	assert_int_equal(opens("acme", (const uint8_t *)secret.p, vg_buf_str(&hex)), VG_OK);
	t.recovery_key = vg_buf_str(&named); /* too late */
	assert_int_equal(vg_house_check_recovery(&h, &s, why), VG_E_REFUSED);
	vg_buf_fini(&named);
	vg_buf_fini(&hex);
	vg_buf_fini(&secret);
}

static void
a_damaged_seal_is_told(void **state)
{
	struct vg_buf named = public_of(company), hex = { 0 };
	struct vg_tenant t = { .name = VG_STR("acme"), .recovery_key = vg_buf_str(&named) };
	struct vg_settings s = { .tenants = { &t, 1 } };
	struct vg_disk d = { .dir = h.dir };

	(void)state;
	assert_int_equal(vg_house_tenant_key(&h, &t, &hex, why), VG_OK);
	assert_int_equal(vg_disk_replace(&d, "vault/acme/keys/" VG_KEY_SEALED, VG_STR("x")), VG_OK);
	assert_int_equal(vg_house_check_recovery(&h, &s, why), VG_E_FORMAT);
	assert_non_null(strstr(why, "vault/acme/keys/tenant.sealed: it is damaged"));
	vg_buf_fini(&named);
	vg_buf_fini(&hex);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_company_has_its_own_recovery_key, make, clear),
		cmocka_unit_test_setup_teardown(without_one_it_is_the_watchs, make, clear),
		cmocka_unit_test_setup_teardown(a_damaged_seal_is_told, make, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
