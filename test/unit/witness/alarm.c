#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "witness/alarm.h"

#define HOUR INT64_C(3600000000000)

static char said[4096];

static void
say(void *ctx, const struct vg_alarm *a)
{
	size_t n = strlen(said);

	(void)ctx;
	snprintf(said + n, sizeof(said) - n, "%s %s %s: %s\n", vg_alarm_kind_name(a->kind), vg_alarm_state_name(a->state), a->subject, a->text);
}

static void
told(const char *what)
{
	assert_string_equal(said, what);
	said[0] = 0;
}

static void
once_each_hour_and_when_it_is_over(void **state)
{
	struct vg_alarms *a;

	(void)state;
	assert_int_equal(vg_alarms_new(HOUR, say, NULL, &a), VG_OK);
	vg_alarm_clear(a, VG_ALARM_SILENCE, "acme", "was not on");
	told("");
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_SILENCE, "acme", "60 s", 10), VG_OK);
	told("silence begins acme: 60 s\n");
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_SILENCE, "acme", "61 s", 20), VG_OK);
	vg_alarms_turn(a, HOUR);
	told("");
	vg_alarms_turn(a, 10 + HOUR);
	told("silence lasts acme: 61 s\n");
	vg_alarms_turn(a, 11 + HOUR);
	told("");
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_SILENCE, "other", "x", 30), VG_OK);
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_CONSISTENCY, "acme", "fork", 30), VG_OK);
	told("silence begins other: x\nconsistency begins acme: fork\n");
	vg_alarm_clear(a, VG_ALARM_SILENCE, "acme", "again");
	told("silence over acme: again\n");
	assert_true(!vg_alarm_is_on(a, VG_ALARM_SILENCE, "acme") && vg_alarm_is_on(a, VG_ALARM_CONSISTENCY, "acme") && vg_alarm_is_on(a, VG_ALARM_SILENCE, "other"));
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_SILENCE, "acme", "once more", 40), VG_OK);
	told("silence begins acme: once more\n");
	vg_alarms_free(a);
}

static void
so_many_and_no_more(void **state)
{
	struct vg_alarms *a;
	char name[32];

	(void)state;
	assert_int_equal(vg_alarms_new(HOUR, say, NULL, &a), VG_OK);
	for (int i = 0; i < VG_ALARMS_MAX; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		assert_int_equal(vg_alarm_raise(a, VG_ALARM_DISK, name, "", 0), VG_OK);
		said[0] = 0;
	}
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_DISK, "one more", "", 0), VG_E_LIMIT);
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_DISK, "t7", "new text", 0), VG_OK);
	told("");
	vg_alarm_clear(a, VG_ALARM_DISK, "t7", "");
	said[0] = 0;
	assert_int_equal(vg_alarm_raise(a, VG_ALARM_DISK, "one more", "", 0), VG_OK);
	vg_alarms_free(a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(once_each_hour_and_when_it_is_over), cmocka_unit_test(so_many_and_no_more) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
