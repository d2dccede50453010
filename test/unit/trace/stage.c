#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "made.h"
#include "trace/stage.c" /* its table is looked at */

static enum vg_chapter
chapter(const char *tags)
{
	struct made_rule r = { .id = "1", .title = "t", .tags = tags };
	struct made *m = made_new(&r, 1);
	enum vg_chapter c = vg_chapter_of(&m->p, 0);

	made_free(m);
	return c;
}

static void
the_technique_decides(void **state)
{
	(void)state;
	assert_int_equal(chapter("attack.initial-access attack.t1133"), VG_CH_ENTRY);
	assert_int_equal(chapter("attack.persistence attack.t1136.001"), VG_CH_ACCOUNTS);
	assert_int_equal(chapter("attack.stealth attack.t1070.001"), VG_CH_ERASED);
	assert_int_equal(chapter("attack.defense-impairment attack.t1685.005"), VG_CH_ERASED);
	assert_int_equal(chapter("attack.impact attack.t1490"), VG_CH_BACKUPS);
	assert_int_equal(chapter("attack.impact attack.t1486"), VG_CH_RANSOM);
	assert_int_equal(chapter("attack.impact attack.t1496"), VG_CH_NONE);
	assert_int_equal(chapter("attack.t1078 attack.t1098.003"), VG_CH_ACCOUNTS);
	assert_int_equal(chapter("attack.t1098.004"), VG_CH_BACKDOORS);
	assert_int_equal(chapter("attack.t1562.004"), VG_CH_BACKDOORS);
	assert_int_equal(chapter("attack.t1562.002"), VG_CH_ERASED);
}

static void
the_tactic_decides_where_no_technique_does(void **state)
{
	(void)state;
	assert_int_equal(chapter("attack.discovery"), VG_CH_MAPPING);
	assert_int_equal(chapter("attack.lateral_movement attack.s0029"), VG_CH_MAPPING);
	assert_int_equal(chapter("attack.impact attack.t9999"), VG_CH_RANSOM);
	assert_int_equal(chapter("attack.defense_evasion"), VG_CH_BACKDOORS);
	assert_int_equal(chapter("cve.2021-44228"), VG_CH_NONE);
	assert_int_equal(chapter(""), VG_CH_NONE);
}

static void
a_tag_is_a_technique_or_not(void **state)
{
	char id[16];

	(void)state;
	assert_true(vg_tag_technique(VG_STR("attack.t1059.001"), id));
	assert_string_equal(id, "T1059.001");
	assert_true(vg_tag_technique(VG_STR("attack.t1059"), id));
	assert_string_equal(id, "T1059");
	assert_false(vg_tag_technique(VG_STR("attack.t105"), id));
	assert_false(vg_tag_technique(VG_STR("attack.t1059.01"), id));
	assert_false(vg_tag_technique(VG_STR("attack.t1059.0011"), id));
	assert_false(vg_tag_technique(VG_STR("attack.s0002"), id));
	assert_false(vg_tag_technique(VG_STR("t1059"), id));
}

/* The table is searched: every row must be found where it stands. */
static void
the_table_is_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < VG_COUNT(stages); i++) {
		if (i)
			assert_true(row_cmp(&stages[i - 1], stages[i].technique, stages[i].sub) < 0);
		assert_ptr_equal(row_find(stages[i].technique, stages[i].sub), &stages[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_technique_decides),
		cmocka_unit_test(the_tactic_decides_where_no_technique_does),
		cmocka_unit_test(a_tag_is_a_technique_or_not),
		cmocka_unit_test(the_table_is_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
