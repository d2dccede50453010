#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "state/outbox.h"

#define T0 (INT64_C(1800000000) * VG_SEC)

static sqlite3 *db;
static uint64_t next_id;

static int
open_new(void **state)
{
	static const char *const ways[] = { "mail", "command" };
	char why[200];

	(void)state;
	assert_int_equal(vg_outbox_open(":memory:", false, why, &db), VG_OK);
	assert_int_equal(vg_outbox_ways(db, ways, 2, T0), VG_OK);
	return 0;
}

static int
close_it(void **state)
{
	(void)state;
	vg_db_close(db);
	return 0;
}

static bool
add(const char *title, const char *text, uint8_t level, int64_t at_ns, uint64_t id)
{
	struct vg_outbox_alarm a = { .level = level, .tenant = VG_STR("acme"), .title = vg_str_of(title), .text = vg_str_of(text), .time_ns = at_ns };
	bool new;

	memcpy(a.id, &id, sizeof(id));
	assert_int_equal(vg_outbox_add(db, &a, at_ns, &new), VG_OK);
	return new;
}

struct seen {
	size_t n;
	uint64_t count, failed;
	char titles[4096], texts[1024], why[300];
	uint8_t level;
};

static vg_rc
look(void *ctx, const struct vg_outbox_group *g)
{
	struct seen *s = ctx;

	s->n++;
	s->count += g->count;
	s->failed += g->failed ? g->count : 0;
	if (s->n == 1)
		s->level = g->level;
	if (strlen(s->titles) + g->title.n + 2 < sizeof(s->titles))
		snprintf(s->titles + strlen(s->titles), sizeof(s->titles) - strlen(s->titles), "%.*s;", VG_STR_ARG(g->title));
	if (s->n == 1) {
		snprintf(s->texts, sizeof(s->texts), "%.*s", VG_STR_ARG(g->text));
		snprintf(s->why, sizeof(s->why), "%.*s", VG_STR_ARG(g->why));
	}
	return VG_OK;
}

static struct seen
take(const char *way)
{
	struct seen s = { .n = 0 };

	assert_int_equal(vg_outbox_take(db, way, look, &s), VG_OK);
	return s;
}

static struct vg_outbox_way
way(const char *name)
{
	struct vg_outbox_way w;

	assert_int_equal(vg_outbox_way(db, name, &w), VG_OK);
	return w;
}

static void
a_flood_is_one_message_with_counts(void **state)
{
	struct seen s;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(add("erased", i % 2 ? "pc1" : "pc2", 3, T0 + i, ++next_id));
	assert_true(add("account", "dc", 4, T0, ++next_id));
	s = take("mail");
	assert_true(s.n == 2 && s.count == 1001 && s.level == 4);
	assert_string_equal(s.titles, "account;erased;");
	assert_int_equal(vg_outbox_told(db, "mail", T0 + VG_SEC), VG_OK);
	assert_true(way("mail").alarms == 0 && way("mail").sent == 1001 && way("mail").sent_level == 4);
	assert_true(way("command").alarms == 1001); /* each way by itself */
}

static void
what_is_brought_again_counts_once(void **state)
{
	(void)state;
	assert_true(add("x", "a", 3, T0, 7));
	assert_false(add("x", "a", 3, T0, 7));
	assert_true(take("mail").count == 1);
	assert_int_equal(vg_outbox_told(db, "mail", T0), VG_OK);
	assert_false(add("x", "a", 3, T0, 7)); /* also when it was told */
	assert_true(way("mail").alarms == 0);
}

static void
what_comes_while_a_message_is_under_way_is_in_the_next(void **state)
{
	struct seen s;

	(void)state;
	assert_true(add("x", "a", 3, T0, ++next_id));
	assert_true(take("mail").count == 1);
	assert_true(add("x", "b", 3, T0 + 1, ++next_id));
	assert_int_equal(vg_outbox_told(db, "mail", T0 + 2), VG_OK);
	assert_true(way("mail").alarms == 1);
	s = take("mail");
	assert_true(s.count == 1);
	assert_string_equal(s.texts, "b");
	/* it fails, and grows */
	assert_int_equal(vg_outbox_failed(db, "mail", "nobody answers", T0 + 3), VG_OK);
	assert_string_equal(way("mail").why, "nobody answers");
	assert_true(add("x", "c", 3, T0 + 4, ++next_id));
	s = take("mail");
	assert_true(s.n == 1 && s.count == 2);
	assert_string_equal(s.texts, "b, c");
	assert_int_equal(vg_outbox_told(db, "mail", T0 + 5), VG_OK);
	assert_true(way("mail").why[0] == 0 && way("mail").tries == 0);
}

static void
when(void **state)
{
	struct vg_outbox_way w = { .alarms = 1, .level = 3, .since_ns = T0 };

	(void)state;
	assert_true(vg_outbox_when(&w, VG_MIN, T0) == T0 + VG_OUTBOX_GATHER_NS);
	w.sent_ns = T0 - 10 * VG_SEC;
	w.sent_level = 3;
	assert_true(vg_outbox_when(&w, VG_MIN, T0) == T0 + 50 * VG_SEC); /* it rests */
	w.level = 4;
	assert_true(vg_outbox_when(&w, VG_MIN, T0) == T0 + VG_OUTBOX_GATHER_NS); /* a graver one does not */
	w.tries = 1;
	w.next_ns = T0 + 10 * VG_SEC;
	assert_true(vg_outbox_when(&w, VG_MIN, T0) == T0 + 10 * VG_SEC);
	w.next_ns = T0 + 10 * VG_DAY; /* the clock was set back */
	assert_true(vg_outbox_when(&w, VG_MIN, T0) == T0);
	w.alarms = 0;
	assert_true(vg_outbox_when(&w, VG_MIN, T0) == INT64_MAX);
}

static void
failures_wait_longer_and_are_given_up_in_the_end(void **state)
{
	int64_t now = T0, wait[9];
	struct seen s = { .n = 0 };

	(void)state;
	assert_true(add("x", "a", 3, T0, ++next_id));
	for (int i = 0; i < 9; i++) {
		(void)take("mail");
		assert_int_equal(vg_outbox_failed(db, "mail", "no", now), VG_OK);
		wait[i] = way("mail").next_ns - now;
		now += wait[i];
	}
	assert_true(wait[0] == VG_OUTBOX_RETRY_NS && wait[1] == 2 * wait[0] && wait[8] == VG_OUTBOX_RETRY_MAX_NS);
	(void)take("mail");
	assert_int_equal(vg_outbox_failed(db, "mail", "still not", T0 + VG_OUTBOX_GIVE_UP_NS), VG_OK);
	assert_true(way("mail").alarms == 0 && way("mail").failed == 1 && way("command").alarms == 1);
	assert_int_equal(vg_outbox_each_told(db, 0, look, &s), VG_OK);
	assert_true(s.n == 1 && s.failed == 1);
	assert_string_equal(s.why, "still not");
}

static void
groups_have_a_limit_and_none_is_dropped(void **state)
{
	char title[32];
	struct seen s;

	(void)state;
	for (int i = 0; i < VG_OUTBOX_GROUPS_MAX + 100; i++) {
		snprintf(title, sizeof(title), "t%d", i);
		assert_true(add(title, "a", 3, T0, ++next_id));
	}
	assert_true(add("t5", "a", 3, T0, ++next_id)); /* one that has a group */
	s = take("mail");
	assert_true(s.n == VG_OUTBOX_GROUPS_MAX + 1 && s.count == VG_OUTBOX_GROUPS_MAX + 101);
}

static void
texts_are_cut_between_characters(void **state)
{
	char title[2000] = "";
	struct seen s;

	(void)state;
	while (strlen(title) < 1900)
		strcat(title, "é");
	assert_true(add(title, title, 3, T0, ++next_id));
	s = take("mail");
	assert_true(strlen(s.titles) == VG_OUTBOX_TEXT_MAX + 1 && (unsigned char)s.titles[0] == 0xc3);
	for (int i = 0; i < 100; i++) {
		char host[16];

		snprintf(host, sizeof(host), "pc%d", i);
		assert_true(add("many", host, 4, T0, ++next_id));
	}
	s = take("mail");
	assert_true(strlen(s.texts) < 210 && strncmp(s.texts, "pc0, pc1, pc2", 13) == 0);
}

static void
a_way_that_is_no_more(void **state)
{
	static const char *const left[] = { "command", "webhook x" };
	struct vg_outbox_way w;
	struct seen s = { .n = 0 };

	(void)state;
	assert_true(add("x", "a", 3, T0, ++next_id));
	assert_int_equal(vg_outbox_ways(db, left, 2, T0 + 1), VG_OK);
	assert_int_equal(vg_outbox_way(db, "mail", &w), VG_E_NOTFOUND);
	assert_true(way("command").alarms == 1 && way("webhook x").alarms == 0);
	assert_int_equal(vg_outbox_each_told(db, 0, look, &s), VG_OK);
	assert_true(s.failed == 1);
}

static vg_rc
look_stamp(void *ctx, const struct vg_outbox_stamp *s)
{
	*(struct vg_outbox_stamp *)ctx = *s;
	((struct vg_outbox_stamp *)ctx)->tenant = ((struct vg_outbox_stamp *)ctx)->what = VG_NIL;
	return VG_OK;
}

static void
stamps(void **state)
{
	struct vg_outbox_stamp s;

	(void)state;
	assert_int_equal(vg_outbox_stamp(db, VG_STR("acme"), false, VG_STR("no"), T0), VG_OK);
	assert_int_equal(vg_outbox_stamp(db, VG_STR("acme"), false, VG_STR("no"), T0 + 1), VG_OK);
	assert_int_equal(vg_outbox_each_stamp(db, look_stamp, &s), VG_OK);
	assert_true(s.failures == 2 && s.good_ns == 0 && s.asked_ns == T0 + 1);
	assert_int_equal(vg_outbox_stamp(db, VG_STR("acme"), true, VG_STR("CN=t"), T0 + 2), VG_OK);
	assert_int_equal(vg_outbox_stamp(db, VG_STR("acme"), false, VG_STR("no"), T0 + 3), VG_OK);
	assert_int_equal(vg_outbox_each_stamp(db, look_stamp, &s), VG_OK);
	assert_true(s.failures == 1 && s.good_ns == T0 + 2);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_new, close_it)
	static const struct CMUnitTest tests[] = {
		T(a_flood_is_one_message_with_counts), T(what_is_brought_again_counts_once), T(what_comes_while_a_message_is_under_way_is_in_the_next), T(when),
		T(failures_wait_longer_and_are_given_up_in_the_end), T(groups_have_a_limit_and_none_is_dropped), T(texts_are_cut_between_characters), T(a_way_that_is_no_more),
		T(stamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
