#include "state/signals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct vg_signal_row last;

static vg_rc
on_row(void *ctx, const struct vg_signal_row *s)
{
	(void)ctx;
	last = *s;
	return VG_OK;
}

/* A signal grows by records that say the same: each once, in order, up to what is kept; in whatever order and however often they come. */
static void
evidence_is_added_once(void **state)
{
	struct vg_signal_row s = { .id = { 1, 2, 3 }, .tenant = 1, .count = 1, .evidence = { 100 }, .nevidence = 1, .time_ns = 1000, .first_ns = 1000 };
	static const uint64_t seqs[] = { 50, 100, 200, 50, 150 }, want[] = { 50, 100, 150, 200 };
	struct vg_signal_query q = { .limit = 0 };
	char why[200];
	sqlite3 *db;
	bool new, full;

	(void)state;
	assert_int_equal(vg_signals_open(":memory:", false, why, &db), VG_OK);
	assert_int_equal(vg_signal_add(db, s.id, 1, 1, &full), VG_E_NOTFOUND);
	assert_int_equal(vg_signal_put(db, &s, &new), VG_OK);
	assert_true(new);
	for (size_t i = 0; i < VG_COUNT(seqs); i++) {
		assert_int_equal(vg_signal_add(db, s.id, seqs[i], (int64_t)seqs[i] * 10, &full), VG_OK);
		assert_false(full);
	}
	assert_int_equal(vg_signals_each(db, &q, on_row, NULL), VG_OK);
	assert_int_equal(last.nevidence, VG_COUNT(want));
	assert_memory_equal(last.evidence, want, sizeof(want));
	assert_int_equal(last.count, VG_COUNT(want));
	assert_int_equal(last.first_ns, 500);
	assert_int_equal(last.time_ns, 1000);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(vg_signal_add(db, s.id, 1000 + i, 5000, &full), VG_OK);
	assert_true(full);
	assert_int_equal(vg_signals_each(db, &q, on_row, NULL), VG_OK);
	assert_int_equal(last.nevidence, VG_SIGNAL_EVIDENCE_MAX);
	assert_int_equal(last.count, VG_SIGNAL_EVIDENCE_MAX);
	assert_int_equal(last.evidence[VG_SIGNAL_EVIDENCE_MAX - 1], 1000 + VG_SIGNAL_EVIDENCE_MAX - VG_COUNT(want) - 1);
	vg_db_close(db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(evidence_is_added_once) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
