/* Sets of sources: as the settings say them, over to the vault, and what a source begins as. */
#include "role/source_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net/gate.h"

static const char yaml[] = "tenants: {acme: A, bolt: B}\nlocal: {tenant: acme}\nlisten:\n  syslog: {address: off}\n  syslog-tls: {address: off}\n  https: {address: off}\nsources:\n  lab-*: {adopted: no}\n  theirs: {match: ['*'], tenant: bolt, adopted: no}\n"
			   "  office: {match: [10.1.0.0/16, 'fw?'], adopted: yes}\n";

static void
tell(void *ctx, const struct vg_settings_problem *p)
{
	(void)ctx;
	print_error("%s\n", p->text);
}

static void
load(struct vg_settings *s, struct vg_buf *b)
{
	assert_int_equal(vg_settings_load(vg_str_of(yaml), "x", NULL, tell, NULL, s), VG_OK);
	vg_source_sets_print(s, b);
	assert_int_equal(b->rc, VG_OK);
}

static unsigned
begins(const struct vg_source_sets *x, const char *tenant, const char *name, const char *address, unsigned proof)
{
	struct vg_source s = { .name = vg_str_of(name), .address = vg_str_of(address), .proof = (uint8_t)proof };

	return vg_source_sets_state(x, vg_str_of(tenant), &s);
}

static void
the_first_set_that_matches_counts(void **state)
{
	struct vg_source_sets x;
	struct vg_settings s;
	struct vg_buf b = { 0 };

	(void)state;
	load(&s, &b);
	assert_int_equal(vg_source_sets_read(&x, vg_buf_str(&b)), VG_OK);
	assert_int_equal(x.s.sources.n, 3);
	assert_int_equal(begins(&x, "acme", "lab-7", "10.1.2.3", VG_PROOF_CERTIFICATE), VG_SOURCE_NEW);
	assert_int_equal(begins(&x, "acme", "10.1.2.3", "10.1.2.3", VG_PROOF_NONE), VG_SOURCE_ADOPTED);
	assert_int_equal(begins(&x, "acme", "pc", "10.1.2.3", VG_PROOF_NETWORK), VG_SOURCE_ADOPTED);
	assert_int_equal(begins(&x, "acme", "FW1", "", VG_PROOF_NETWORK), VG_SOURCE_ADOPTED);
	assert_int_equal(begins(&x, "acme", "fw12", "", VG_PROOF_NETWORK), VG_SOURCE_NEW);
	assert_int_equal(begins(&x, "acme", "other", "10.2.0.1", VG_PROOF_NETWORK), VG_SOURCE_NEW);
	assert_int_equal(begins(&x, "acme", "other", "10.2.0.1", VG_PROOF_KEY), VG_SOURCE_ADOPTED);
	assert_int_equal(begins(&x, "bolt", "fw1", "10.1.2.3", VG_PROOF_KEY), VG_SOURCE_NEW); /* their set takes all */
	vg_source_sets_fini(&x);
	vg_buf_fini(&b);
	vg_settings_fini(&s);
}

static void
people_decide_over_settings(void **state)
{
	struct vg_source_sets none, x;
	struct vg_settings s;
	struct vg_buf b = { 0 }, empty = { 0 };
	struct vg_source new = { .name = VG_STR("fw1"), .proof = VG_PROOF_NETWORK };
	char why[200];
	uint32_t acme;
	sqlite3 *db;

	(void)state;
	load(&s, &b);
	vg_buf_le32(&empty, 0);
	assert_int_equal(vg_source_sets_read(&x, vg_buf_str(&b)), VG_OK);
	assert_int_equal(vg_source_sets_read(&none, vg_buf_str(&empty)), VG_OK);
	assert_int_equal(vg_catalogue_open(":memory:", false, why, &db), VG_OK);
	assert_int_equal(vg_catalogue_tenant(db, VG_STR("acme"), &acme), VG_OK);
	new.tenant = acme;
	new.state = vg_source_sets_state(&none, VG_STR("acme"), &new);
	assert_int_equal(vg_source_sets_row(&none, db, VG_STR("acme"), &new), VG_OK);
	assert_int_equal(new.state, VG_SOURCE_NEW);
	assert_int_equal(vg_source_sets_row(&x, db, VG_STR("acme"), &new), VG_OK); /* the settings name it now */
	assert_int_equal(new.state, VG_SOURCE_ADOPTED);
	assert_int_equal(vg_source_sets_row(&none, db, VG_STR("acme"), &new), VG_OK);
	assert_int_equal(new.state, VG_SOURCE_ADOPTED); /* and stays */
	assert_int_equal(vg_catalogue_set_state(db, new.id, VG_SOURCE_REFUSED), VG_OK);
	assert_int_equal(vg_source_sets_row(&x, db, VG_STR("acme"), &new), VG_OK);
	assert_int_equal(new.state, VG_SOURCE_REFUSED);
	vg_db_close(db);
	vg_source_sets_fini(&x);
	vg_source_sets_fini(&none);
	vg_buf_fini(&b);
	vg_buf_fini(&empty);
	vg_settings_fini(&s);
}

static void
every_truncation_is_refused(void **state)
{
	struct vg_source_sets x;
	struct vg_settings s;
	struct vg_buf b = { 0 };

	(void)state;
	load(&s, &b);
	for (size_t n = 0; n < b.n; n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, b.p, n);
		assert_int_equal(vg_source_sets_read(&x, vg_str_mem(cut, n)), VG_E_TRUNC);
		free(cut);
	}
	vg_buf_u8(&b, 0);
	assert_int_equal(vg_source_sets_read(&x, vg_buf_str(&b)), VG_E_FORMAT);
	assert_int_equal(vg_source_sets_read(&x, VG_STR("\xff\xff\xff\xff")), VG_E_LIMIT);
	vg_buf_fini(&b);
	vg_settings_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_set_that_matches_counts),
		cmocka_unit_test(people_decide_over_settings),
		cmocka_unit_test(every_truncation_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
