#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "witness/judge.h"

static struct vg_checkpoint
point(const char *origin, uint64_t size, uint8_t root, uint64_t seq, uint64_t epoch, int64_t time_ns)
{
	struct vg_checkpoint c = { .size = size, .root = { { root } }, .seq = seq, .epoch = epoch, .time_ns = time_ns };

	snprintf(c.origin, sizeof(c.origin), "%s", origin);
	return c;
}

static void
each_case(void **state)
{
	static const struct {
		uint64_t size;
		uint8_t root;
		uint64_t seq, epoch;
		int64_t time_ns;
		enum vg_verdict v;
	} row[] = { /* held: size 10, root 1, seq 100, epoch 2, time 1000 */
		{ 10, 1, 100, 2, 1000, VG_VERDICT_SAME },
		{ 10, 1, 100, 2, 1001, VG_VERDICT_LATER },
		{ 10, 1, 101, 2, 1001, VG_VERDICT_LATER },
		{ 10, 1, 101, 2, 900, VG_VERDICT_LATER }, /* the clock was set back; records go on */
		{ 10, 1, 100, 2, 999, VG_VERDICT_STALE },
		{ 10, 1, 99, 2, 999, VG_VERDICT_STALE },
		{ 10, 1, 99, 2, 1001, VG_VERDICT_SMALLER }, /* later, but with fewer records */
		{ 10, 1, 99, 2, 1000, VG_VERDICT_SMALLER },
		{ 10, 2, 100, 2, 1000, VG_VERDICT_FORK },
		{ 10, 2, 200, 2, 2000, VG_VERDICT_FORK },
		{ 10, 2, 90, 2, 500, VG_VERDICT_FORK },
		{ 9, 1, 100, 2, 2000, VG_VERDICT_SMALLER },
		{ 0, 0, 200, 2, 2000, VG_VERDICT_SMALLER },
		{ 11, 1, 101, 2, 1001, VG_VERDICT_GROWN },
		{ 11, 1, 101, 2, 500, VG_VERDICT_GROWN },
		{ 11, 1, 99, 2, 1001, VG_VERDICT_SMALLER },
		{ 20, 1, 200, 1, 2000, VG_VERDICT_SMALLER },
		{ 5, 3, 50, 3, 1001, VG_VERDICT_EPOCH },
		{ 10, 1, 100, 3, 1001, VG_VERDICT_EPOCH },
	};
	struct vg_checkpoint held = point("log", 10, 1, 100, 2, 1000), c;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++) {
		c = point("log", row[i].size, row[i].root, row[i].seq, row[i].epoch, row[i].time_ns);
		if (vg_judge(&held, &c) != row[i].v)
			fail_msg("row %zu: %d", i, (int)vg_judge(&held, &c));
		c = point("other", row[i].size, row[i].root, row[i].seq, row[i].epoch, row[i].time_ns);
		assert_int_equal(vg_judge(&held, &c), VG_VERDICT_ORIGIN);
	}
}

static void
the_first_one(void **state)
{
	struct vg_checkpoint c = point("log", 10, 1, 100, 2, 1000);

	(void)state;
	assert_int_equal(vg_judge(NULL, &c), VG_VERDICT_GROWN);
	c.size = 0;
	assert_int_equal(vg_judge(NULL, &c), VG_VERDICT_LATER);
	for (unsigned v = 0; v < VG_VERDICTS; v++)
		assert_true(vg_verdict_text((enum vg_verdict)v)[0] && vg_verdict_is_proof((enum vg_verdict)v) == (v >= VG_VERDICT_ORIGIN));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(each_case), cmocka_unit_test(the_first_one) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
