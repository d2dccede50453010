/* What people read of alarms, and when the parent and the vault have something to tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "net/mail.h"
#include "role/alarm_text.h"
#include "role/parent_alarm.h"
#include "role/stamp_plan.h"
#include "rule/program.h"

#define T0 (INT64_C(1800000000) * VG_SEC)

static struct vg_outbox_group
group(unsigned kind, unsigned level, const char *title, const char *text, uint64_t count)
{
	return (struct vg_outbox_group){ .kind = (uint8_t)kind, .level = (uint8_t)level, .title = vg_str_of(title), .text = vg_str_of(text), .tenant = VG_STR("acme"),
					 .count = count, .first_ns = T0, .last_ns = T0 + (int64_t)(count - 1) * VG_SEC };
}

static bool
has(const struct vg_buf *b, const char *part)
{
	return vg_str_find(vg_buf_str(b), vg_str_of(part)) != VG_NPOS;
}

static void
make(struct vg_alarm_message *m, enum vg_lang lang, const struct vg_outbox_group *g, size_t n)
{
	vg_alarm_begin(m, lang, "vigie.test", false);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(vg_alarm_group(m, &g[i]), VG_OK);
	assert_int_equal(vg_alarm_end(m, T0), VG_OK);
}

static void
a_message_in_both_languages(void **state)
{
	struct vg_outbox_group g[2] = { group(VG_ROLE_ALARM_SIGNAL, VG_LEVEL_CRITICAL, "Log erased", "pc1, pc2", 1000), group(VG_ROLE_ALARM_DISK, VG_LEVEL_HIGH, "", "1024 MiB", 1) };
	struct vg_alarm_message en, fr, again;

	(void)state;
	make(&en, VG_LANG_EN, g, 2);
	make(&fr, VG_LANG_FR, g, 2);
	make(&again, VG_LANG_EN, g, 2);
	assert_true(vg_str_eq(vg_buf_str(&en.subject), VG_STR("[vigie vigie.test] critical, 1001 alarms: Log erased on pc1, pc2")));
	assert_true(vg_str_eq(vg_buf_str(&fr.subject), VG_STR("[vigie vigie.test] critique, 1001 alarmes: Log erased sur pc1, pc2")));
	assert_true(has(&en.text, "[high] The watch's disk is nearly full (less than 1024 MiB are free)"));
	assert_true(has(&fr.text, "[élevé] Le disque de la veille est presque plein (moins de 1024 MiB libres)"));
	assert_true(has(&en.text, "Log erased (1000)") && has(&fr.text, "2027-01-15T08:00:00Z au 2027-01-15T08:16:39Z"));
	assert_true(has(&en.json, "\"count\":1001") && has(&en.json, "\"kind\":\"disk-full\"") && has(&en.json, "\"level\":\"critical\""));
	assert_true(strcmp(en.id, again.id) == 0 && strlen(en.id) == 32);
	vg_alarm_fini(&en);
	vg_alarm_fini(&fr);
	vg_alarm_fini(&again);
}

static void
every_kind_has_words(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind <= 255; kind++)
		for (int lang = 0; lang < VG_LANGS; lang++) {
			struct vg_outbox_group g = group(kind, VG_LEVEL_HIGH, "title", "text", 1);
			struct vg_buf b = { 0 };

			vg_alarm_title((enum vg_lang)lang, &g, &b);
			assert_true(b.n > 3 && !has(&b, "{}") && vg_utf8_valid(vg_buf_str(&b)));
			assert_non_null(vg_role_alarm_name(kind));
			vg_buf_fini(&b);
		}
}

static void
what_comes_from_outside_acts_on_nothing(void **state)
{
	struct vg_outbox_group g = group(VG_ROLE_ALARM_SIGNAL, VG_LEVEL_HIGH, "a\r\nBcc: x@y\n.\n\x1b[31m \xff \xe2\x80\xae", "h\r\nost\",\"x\":\"", 1);
	struct vg_alarm_message m;
	const char *to = "a@b.example";
	struct vg_letter l = { .from = "v@b.example", .to = &to, .nto = 1, .id = VG_STR("1"), .host = "h" };
	struct vg_buf letter = { 0 };

	(void)state;
	make(&m, VG_LANG_EN, &g, 1);
	assert_true(memchr(m.subject.p, '\n', m.subject.n) == NULL && memchr(m.subject.p, '\r', m.subject.n) == NULL && memchr(m.text.p, 0x1b, m.text.n) == NULL);
	assert_true(vg_utf8_valid(vg_buf_str(&m.text)) && vg_utf8_valid(vg_buf_str(&m.json)));
	assert_true(has(&m.json, "h\\r\\nost\\\",\\\"x\\\":\\\"") && memchr(m.json.p, '\n', m.json.n) == m.json.p + m.json.n - 1);
	l.subject = VG_STR("a\r\nBcc: x@y");
	l.text = vg_buf_str(&m.text);
	vg_letter_print(&l, &letter);
	assert_true(!has(&letter, "\nBcc") && has(&letter, "Subject: a  Bcc: x@y\n"));
	vg_buf_fini(&letter);
	vg_alarm_fini(&m);
}

static void
so_many_groups_are_shown(void **state)
{
	struct vg_outbox_group g = group(VG_ROLE_ALARM_SIGNAL, VG_LEVEL_HIGH, "x", "", 2);
	struct vg_alarm_message m;

	(void)state;
	vg_alarm_begin(&m, VG_LANG_EN, "n", false);
	for (int i = 0; i < VG_ALARM_SHOWN + 7; i++)
		assert_int_equal(vg_alarm_group(&m, &g), VG_OK);
	assert_int_equal(vg_alarm_end(&m, T0), VG_OK);
	assert_true(m.count == 2 * (VG_ALARM_SHOWN + 7) && m.more == 14 && has(&m.text, "alarms more: 14\n") && has(&m.json, "],\"more\":14}"));
	vg_alarm_fini(&m);
}

/* ---- letters ---- */

static void
a_long_subject_of_letters_with_accents(void **state)
{
	static const char subject[] = "[vigie n] élevé, 12 alarmes: Une partie de la veille s’arrête sans cesse : respond, et ceci est une très longue ligne à couper";
	const char *to[2] = { "a@b.example", "c@d.example" };
	struct vg_letter l = { .from = "v@b.example", .to = to, .nto = 2, .subject = vg_str_of(subject), .text = VG_STR("où\n"), .id = VG_STR("0a"), .host = "n", .now_ns = T0 };
	struct vg_buf b = { 0 };

	(void)state;
	vg_letter_print(&l, &b);
	for (size_t i = 0, line = 0; i < b.n; i++) {
		assert_true((unsigned char)b.p[i] < 0x7f);
		line = b.p[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 76 || i < 30);
	}
	assert_true(has(&b, "To: a@b.example,\n c@d.example\n") && has(&b, "Date: Fri, 15 Jan 2027 08:00:00 +0000\n") && has(&b, "Message-ID: <0a@n>\n") && has(&b, "\n\nb8O5Cg==\n"));
	vg_buf_fini(&b);
}

/* ---- messages between roles ---- */

static void
every_truncation_is_refused(void **state)
{
	struct vg_role_alarm a = { .kind = VG_ROLE_ALARM_FLOOD, .level = 4, .time_ns = T0, .tenant = VG_STR("t"), .title = VG_STR("x"), .text = VG_STR("yz") }, b;
	struct vg_buf w = { 0 };
	struct vg_cur c;

	(void)state;
	vg_role_alarm_put(&w, &a);
	for (size_t n = 0; n <= w.n; n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, w.p, n);
		c = vg_cur_of(cut, n);
		assert_int_equal(vg_role_alarm_take(&c, &b), n == w.n ? VG_OK : VG_E_TRUNC);
		free(cut);
	}
	w.p[VG_ALARM_ID] = VG_ROLE_ALARM_KINDS;
	c = vg_cur_of(w.p, w.n);
	assert_int_equal(vg_role_alarm_take(&c, &b), VG_E_FORMAT);
	w.p[VG_ALARM_ID] = 0;
	w.p[VG_ALARM_ID + 1] = 5;
	c = vg_cur_of(w.p, w.n);
	assert_int_equal(vg_role_alarm_take(&c, &b), VG_E_FORMAT);
	vg_buf_fini(&w);
}

/* ---- the parent's own ---- */

static void
deaths(void **state)
{
	struct vg_deaths d = { .next = 0 };

	(void)state;
	assert_false(vg_deaths_add(&d, 1 * VG_SEC));
	assert_false(vg_deaths_add(&d, 2 * VG_SEC));
	assert_true(vg_deaths_add(&d, 3 * VG_SEC));
	assert_false(vg_deaths_add(&d, 4 * VG_SEC)); /* it was told */
	assert_false(vg_deaths_add(&d, 5 * VG_SEC + VG_DEATHS_NS)); /* and those are too long ago */
	assert_false(vg_deaths_add(&d, 6 * VG_SEC + VG_DEATHS_NS));
	assert_true(vg_deaths_add(&d, 7 * VG_SEC + VG_DEATHS_NS));
}

static void
the_parents_alarms_are_kept_until_out_has_them(void **state)
{
	struct vg_parent_alarms a = { .n = 0 };
	struct vg_buf b = { 0 };
	struct vg_role_alarm x;
	struct vg_cur c;

	(void)state;
	assert_false(vg_parent_alarms_due(&a, 1, &b));
	vg_parent_alarm(&a, VG_ROLE_ALARM_ROLE, VG_LEVEL_HIGH, "detect");
	assert_true(vg_parent_alarms_due(&a, 1, &b));
	c = vg_cur_of(b.p, b.n);
	assert_int_equal(vg_role_alarm_take(&c, &x), VG_OK);
	assert_true(x.kind == VG_ROLE_ALARM_ROLE && vg_str_eq(x.text, VG_STR("detect")) && vg_cur_left(&c) == 0);
	vg_buf_clear(&b);
	assert_false(vg_parent_alarms_due(&a, 2, &b)); /* under way */
	vg_parent_alarms_lost(&a);
	assert_true(vg_parent_alarms_due(&a, 3, &b));
	vg_parent_alarm(&a, VG_ROLE_ALARM_ROLE, VG_LEVEL_HIGH, "trace"); /* meanwhile */
	vg_parent_alarms_took(&a);
	assert_true(a.n == 1);
	vg_buf_clear(&b);
	assert_true(vg_parent_alarms_due(&a, 4, &b) && has(&b, "trace") && !has(&b, "detect"));
	vg_parent_alarms_took(&a);
	for (int i = 0; i < VG_PARENT_ALARMS_MAX + 5; i++)
		vg_parent_alarm(&a, VG_ROLE_ALARM_ROLE, VG_LEVEL_HIGH, "x");
	assert_true(a.n == VG_PARENT_ALARMS_MAX);
	vg_buf_clear(&b);
	assert_true(vg_parent_alarms_due(&a, 5, &b));
	vg_parent_alarms_took(&a);
	vg_buf_fini(&b);
}

static void
a_witness_that_comes_no_more(void **state)
{
	struct vg_parent_alarms a = { .n = 0 };
	struct vg_buf b = { 0 };

	(void)state;
	vg_parent_witness(&a, 0, 1000, 1000 + VG_WITNESS_SILENT_S);
	assert_true(a.n == 0);
	vg_parent_witness(&a, 0, 1000, 1001 + VG_WITNESS_SILENT_S);
	vg_parent_witness(&a, 0, 1000, 1002 + VG_WITNESS_SILENT_S);
	assert_true(a.n == 1); /* once */
	vg_parent_witness(&a, 1003 + VG_WITNESS_SILENT_S, 1000, 1003 + VG_WITNESS_SILENT_S);
	assert_true(a.n == 2); /* it is over */
	assert_true(vg_parent_alarms_due(&a, 1, &b));
	vg_parent_alarms_took(&a);
	vg_buf_fini(&b);
}

/* ---- when a time stamp is asked for ---- */

static void
stamps_are_asked_for_once_a_period(void **state)
{
	(void)state;
	assert_true(vg_stamp_when(0, 0, 0, VG_DAY) == 0);
	assert_true(vg_stamp_when(T0, 0, 0, VG_DAY) == T0 + VG_DAY);
	assert_true(vg_stamp_when(T0, T0 + 5, 1, VG_DAY) == T0 + 5 + VG_STAMP_RETRY_NS);
	assert_true(vg_stamp_when(T0, T0 + 5, 3, VG_DAY) == T0 + 5 + 4 * VG_STAMP_RETRY_NS);
	assert_true(vg_stamp_when(T0, T0 + 5, 4000000000u, VG_DAY) == T0 + 5 + VG_DAY);
	assert_true(vg_stamp_when(T0, T0 + 5, 1, VG_MIN) == T0 + 5 + VG_MIN);
	assert_false(vg_stamp_is_late(T0, T0 + 3 * VG_DAY, VG_DAY));
	assert_true(vg_stamp_is_late(T0, T0 + 3 * VG_DAY + 3, VG_DAY));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_in_both_languages), cmocka_unit_test(every_kind_has_words), cmocka_unit_test(what_comes_from_outside_acts_on_nothing),
		cmocka_unit_test(so_many_groups_are_shown), cmocka_unit_test(a_long_subject_of_letters_with_accents), cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(deaths), cmocka_unit_test(the_parents_alarms_are_kept_until_out_has_them), cmocka_unit_test(a_witness_that_comes_no_more),
		cmocka_unit_test(stamps_are_asked_for_once_a_period),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
