/* state/catalogue.h: how fast evidence comes, from which a status reckons the days left.  What sources, keys and holds do is seen in the scenarios. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/time.h"
#include "state/catalogue.h"

#define DAY 20000 /* since 1970 */
#define AT(day, hour) ((day) * VG_DAY + (hour) * VG_HOUR)

static sqlite3 *db;

static int
open_new(void **state)
{
	char why[200];

	(void)state;
	assert_int_equal(vg_catalogue_open(":memory:", false, why, &db), VG_OK);
	return 0;
}

static int
close_it(void **state)
{
	(void)state;
	vg_db_close(db);
	return 0;
}

static uint32_t
source_since(int64_t first_ns)
{
	struct vg_source s = { .name = VG_STR("fw1"), .address = VG_STR("192.0.2.1"), .listener = VG_STR("syslog"), .first_ns = first_ns, .last_ns = first_ns };

	assert_int_equal(vg_catalogue_tenant(db, VG_STR("acme"), &s.tenant), VG_OK);
	assert_int_equal(vg_catalogue_source(db, &s), VG_OK);
	return s.id;
}

static uint64_t
pace(int64_t now_ns)
{
	uint64_t n;

	assert_int_equal(vg_catalogue_pace(db, now_ns, &n), VG_OK);
	return n;
}

static void
nothing_is_known_at_first(void **state)
{
	(void)state;
	assert_int_equal(pace(AT(DAY, 5)), 0);
	assert_int_equal(vg_catalogue_use(db, source_since(AT(DAY, 5)), DAY, 0, 1000), VG_OK);
	assert_int_equal(pace(AT(DAY, 5) + VG_HOUR - 1), 0); /* not an hour */
}

static void
the_first_day_counts_from_the_first_source(void **state)
{
	(void)state;
	assert_int_equal(vg_catalogue_use(db, source_since(AT(DAY, 5)), DAY, 0, 1000), VG_OK);
	assert_int_equal(pace(AT(DAY, 7)), 12000);
	assert_int_equal(vg_catalogue_use(db, 1, DAY, 3, 1000), VG_OK); /* of another class */
	assert_int_equal(pace(AT(DAY, 7)), 24000);
}

static void
then_whole_days_do(void **state)
{
	uint32_t id;

	(void)state;
	id = source_since(AT(DAY, 12));
	assert_int_equal(vg_catalogue_use(db, id, DAY, 0, 500), VG_OK); /* of half a day */
	assert_int_equal(vg_catalogue_use(db, id, DAY + 1, 0, 9999999), VG_OK);
	assert_int_equal(pace(AT(DAY + 1, 1)), 1000);
}

static void
and_a_week_of_them_at_most(void **state)
{
	uint32_t id;

	(void)state;
	id = source_since(AT(DAY, 0));
	assert_int_equal(vg_catalogue_use(db, id, DAY, 0, 1000000000), VG_OK);
	for (uint32_t day = DAY + 23; day < DAY + 30; day++)
		assert_int_equal(vg_catalogue_use(db, id, day, 0, 100), VG_OK);
	assert_int_equal(vg_catalogue_use(db, id, DAY + 30, 0, 5000), VG_OK); /* today */
	assert_int_equal(pace(AT(DAY + 30, 20)), 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_known_at_first, open_new, close_it),
		cmocka_unit_test_setup_teardown(the_first_day_counts_from_the_first_source, open_new, close_it),
		cmocka_unit_test_setup_teardown(then_whole_days_do, open_new, close_it),
		cmocka_unit_test_setup_teardown(and_a_week_of_them_at_most, open_new, close_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
