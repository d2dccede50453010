/* Samples: what an author writes, and which records come of it; exceptions that keep a rule from its sample. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "drill/play.h"

static char told[400];
static uint32_t told_line;

static void
tell(void *ctx, vg_str file, uint32_t line, const char *text)
{
	(void)ctx;
	assert_true(vg_str_eq(file, VG_STR("x.yml")));
	told_line = line;
	snprintf(told, sizeof(told), "%s", text);
}

static void
read_yaml(struct vg_rule_samples *s, const char *yaml)
{
	told[0] = 0;
	vg_rule_samples_init(s, tell, NULL);
	assert_int_equal(vg_rule_samples_read(s, VG_STR("x.yml"), vg_str_of(yaml)), VG_OK);
}

static void
assert_raw(const struct vg_rule_sample *s, size_t at, const char *want)
{
	char got[600];

	assert_true(at < s->nrecord);
	snprintf(got, sizeof(got), "%.*s", VG_STR_ARG(s->record[at].raw));
	assert_string_equal(got, want);
}

static void
records_are_made_of_what_is_written(void **state)
{
	struct vg_rule_samples s;

	(void)state;
	read_yaml(&s, "id: r1\nvigie_tests:\n  match:\n    - - {time: '2026-04-03T08:01:00Z', program: sshd, pid: 7, hostname: gw, message: 'Failed password'}\n"
		      "      - {raw: '<1>as it is'}\n"
		      "      - {time: '2026-04-03T08:00:00Z', EventID: 4625, 'a\"b': [1, {c: ~}]}\n"
		      "  nomatch:\n    - - {program: su, message: x}\n");
	assert_int_equal(s.n, 2);
	assert_int_equal(s.bad, 0);
	assert_true(s.item[0].fires);
	assert_false(s.item[1].fires);
	assert_true(vg_str_eq(s.item[1].rule, VG_STR("r1")));
	assert_int_equal(s.item[0].nrecord, 3); /* in order of time */
	assert_raw(&s.item[0], 0, "{\"EventID\":\"4625\",\"a\\\"b\":[\"1\",{\"c\":null}]}");
	assert_raw(&s.item[0], 1, "<38>1 2026-04-03T08:01:00.000000Z gw sshd 7 - - Failed password");
	assert_raw(&s.item[0], 2, "<1>as it is");
	assert_int_equal(s.item[0].record[2].time_ns - s.item[0].record[1].time_ns, VG_SEC);
	vg_rule_samples_fini(&s);
}

static void
repetitions_are_numbered(void **state)
{
	struct vg_rule_samples s;

	(void)state;
	read_yaml(&s, "title: t\nvigie_tests:\n  match:\n    - - {time: 10m, repeat: 3, every: 2m, raw: 'u{n} {n}'}\n      - {raw: '{n}'}\n");
	assert_true(vg_str_eq(s.item[0].rule, VG_STR("t")));
	assert_int_equal(s.item[0].nrecord, 4);
	assert_raw(&s.item[0], 2, "u2 2");
	assert_raw(&s.item[0], 3, "{n}"); /* one alone has no number */
	assert_int_equal(s.item[0].record[1].time_ns - s.item[0].record[0].time_ns, 2 * VG_MIN);
	assert_int_equal(s.item[0].record[3].time_ns - s.item[0].record[2].time_ns, VG_SEC);
	vg_rule_samples_fini(&s);
}

static void
what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *yaml, *says;
		uint32_t line;
	} wrong[] = {
		{ "id: r\nvigie_tests:\n  match:\n    - - {time: never, raw: x}\n", "time must be", 4 },
		{ "id: r\nvigie_tests:\n  match:\n    - - {repeat: 0, raw: x}\n", "repeat must be", 4 },
		{ "id: r\nvigie_tests:\n  match:\n    - - {repeat: 99999999999999999999, raw: x}\n", "repeat must be", 4 },
		{ "id: r\nvigie_tests:\n  match:\n    - - {repeat: 6000, raw: x}\n      - {repeat: 6000, raw: x}\n", "more than 10000", 5 },
		{ "id: r\nvigie_tests:\n  match:\n    - - {every: soon, raw: x}\n", "every must be", 4 },
		{ "id: r\nvigie_tests:\n  match:\n    - {raw: x}\n", "must be a list", 4 },
		{ "id: r\nvigie_tests:\n  match:\n    - []\n", "must be a list", 4 },
		{ "id: r\nvigie_tests:\n  match:\n    - [x]\n", "must be a map", 4 },
		{ "id: r\nvigie_tests:\n  must: []\n", "holds match and nomatch", 3 },
		{ "id: r\nvigie_tests: {match: [\n", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(wrong); i++) {
		struct vg_rule_samples s;

		read_yaml(&s, wrong[i].yaml);
		assert_int_equal(s.n, 0);
		assert_int_equal(s.bad, 1);
		assert_non_null(strstr(told, wrong[i].says));
		if (wrong[i].line)
			assert_int_equal(told_line, wrong[i].line);
		vg_rule_samples_fini(&s);
	}
}

static void
regression_data_says_how_often(void **state)
{
	struct vg_arena a;
	vg_str rule;
	uint32_t times;

	(void)state;
	vg_arena_init(&a, 1 << 20);
	assert_int_equal(vg_rule_samples_info(VG_STR("rule_metadata:\n    - id: abc\n      title: x\nregression_tests_info:\n    - name: y\n      match_count: 3\n"), &a, &rule, &times), VG_OK);
	assert_true(vg_str_eq(rule, VG_STR("abc")));
	assert_int_equal(times, 3);
	assert_int_equal(vg_rule_samples_info(VG_STR("id: x\n"), &a, &rule, &times), VG_OK);
	assert_int_equal(rule.n, 0);
	assert_int_equal(times, 0);
	vg_arena_fini(&a);
}

static const char rules[] =
	"title: Failed\nid: f\nname: failed\nlogsource: {product: linux, service: sshd}\ndetection: {s: {event.action: sign-in-failed}, condition: s}\n---\n"
	"title: Many\nid: m\ncorrelation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 1m, condition: {gte: 3}}\n";
static const char exceptions[] =
	"title: Scanner\nauthor: A. Body\ndescription: ours\nexpires: 2199-12-31\nlogsource: {product: linux}\nfilter: {rules: [failed], s: {source.ip: 203.0.113.9}, condition: s}\n---\n"
	"title: Other\nauthor: A. Body\ndescription: ours\nexpires: 2199-12-31\nlogsource: {product: linux}\nfilter: {rules: [failed], s: {user.name: eve}, condition: s}\n";

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
each_is_a_world_and_exceptions_are_named(void **state)
{
	char dir[] = "/tmp/vigie-drill-XXXXXX", rule_path[64], exception_path[64], why[400];
	const char *r = rule_path, *x = exception_path;
	struct vg_knowledge_options o = { .rules = &r, .nrules = 1, .no_default_rules = true, .no_cache = true, .exceptions = &x, .nexceptions = 1 };
	struct vg_knowledge k;
	struct vg_rule_samples s;
	struct vg_player *p;
	struct vg_played out;
	uint32_t failed, many;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(rule_path, sizeof(rule_path), "%s/r.yml", dir);
	snprintf(exception_path, sizeof(exception_path), "%s/x.yml", dir);
	put(rule_path, rules);
	put(exception_path, exceptions);
	if (vg_knowledge_load(&o, &k, why) != VG_OK)
		fail_msg("%s", why);
	failed = vg_rule_find(&k.program, VG_STR("f"));
	many = vg_rule_find(&k.program, VG_STR("many"));
	assert_true(failed != UINT32_MAX && many != UINT32_MAX);
	assert_true(vg_rule_find(&k.program, VG_STR("none")) == UINT32_MAX);
	assert_true(vg_rule_stands_on(&k.program, many, failed));
	assert_false(vg_rule_stands_on(&k.program, failed, many));
	read_yaml(&s, "id: m\nvigie_tests:\n  match:\n"
		      "    - - {repeat: 2, program: sshd, message: 'Failed password for bob from 203.0.113.7 port 1 ssh2'}\n"
		      "    - - {repeat: 3, program: sshd, message: 'Failed password for bob from 203.0.113.7 port 1 ssh2'}\n"
		      "    - - {repeat: 3, program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}\n"
		      "    - - {raw: nonsense}\n");
	assert_non_null(p = vg_player_new(&k));
	assert_int_equal(vg_play(p, &s.item[0], &out), VG_OK);
	assert_int_equal(out.fired[failed], 2);
	assert_int_equal(out.fired[many], 0);
	assert_int_equal(vg_play(p, &s.item[0], &out), VG_OK); /* two and two are not three */
	assert_int_equal(out.fired[many], 0);
	assert_int_equal(vg_play(p, &s.item[1], &out), VG_OK);
	assert_true(out.fired[many] > 0);
	assert_int_equal(vg_play_suppressed(p, &s.item[1], failed).n, 0);
	assert_int_equal(vg_play(p, &s.item[2], &out), VG_OK);
	assert_int_equal(out.fired[failed], 0);
	assert_true(vg_str_eq(vg_play_suppressed(p, &s.item[2], failed), VG_STR("Scanner")));
	assert_int_equal(vg_play(p, &s.item[3], &out), VG_OK);
	assert_int_equal(out.unknown, 1);
	vg_player_free(p);
	vg_rule_samples_fini(&s);
	vg_knowledge_fini(&k);
	unlink(rule_path);
	unlink(exception_path);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_made_of_what_is_written),
		cmocka_unit_test(repetitions_are_numbered),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(regression_data_says_how_often),
		cmocka_unit_test(each_is_a_world_and_exceptions_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
