#include "source/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <glob.h>

#include "source/pack_ir.h"

#ifndef VG_PACKS_DIR
#define VG_PACKS_DIR "packs"
#endif

static struct vg_pack_text texts[VG_PK_PACKS_MAX];
static size_t ntext;

static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *p = malloc(1 << 20);

	assert_non_null(f);
	assert_non_null(p);
	*n = fread(p, 1, 1 << 20, f);
	fclose(f);
	return p;
}

static int
read_packs(void **state)
{
	glob_t g;

	(void)state;
	if (glob(VG_PACKS_DIR "/*.yaml", 0, NULL, &g) != 0)
		return -1;
	for (size_t i = 0; i < g.gl_pathc && ntext < VG_COUNT(texts); i++, ntext++) {
		size_t n;
		char *p = slurp(g.gl_pathv[i], &n);

		texts[ntext].yaml = (vg_str){ p, n };
		texts[ntext].path = vg_str_of(strdup(g.gl_pathv[i]));
	}
	globfree(&g);
	return 0;
}

static int
free_packs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ntext; i++) {
		free((void *)(uintptr_t)texts[i].yaml.p);
		free((void *)(uintptr_t)texts[i].path.p);
	}
	return 0;
}

static void
tell(void *ctx, const struct vg_pack_problem *p)
{
	(*(size_t *)ctx)++;
	print_message("%.*s:%u: %s\n", VG_STR_ARG(p->path), p->line, p->text);
}

static void
every_sample_gives_what_it_says(void **state)
{
	size_t failures = 0, n = vg_packs_selftest(texts, ntext, tell, &failures);

	(void)state;
	print_message("%zu packs, %zu samples\n", ntext, n);
	assert_true(n > ntext);
	assert_int_equal(failures, 0);
}

static bool
matches(const char *pattern, const char *text, struct vg_pk_cap *cap, size_t *n)
{
	struct vg_arena a;
	struct vg_pk_pattern p = { 0 };
	const char *why = NULL;
	bool yes;

	vg_arena_init(&a, 1 << 20);
	assert_int_equal(vg_pk_pattern_parse(vg_str_of(pattern), &a, &p, &why), VG_OK);
	yes = vg_pk_pattern_match(&p, vg_str_of(text), cap, n);
	vg_arena_fini(&a);
	return yes;
}

static void
patterns_take_the_whole_text(void **state)
{
	static const struct {
		const char *pattern, *text, *first; /* first: what the first field takes; NULL: no match */
	} rows[] = {
		{ "a {x} b", "a 1 b", "1" },
		{ "a {x} b", "a 1 b 2 b", "1 b 2" },
		{ "a {x} b", "a 1 b c", NULL },
		{ "a {x} b", "a  b", NULL },
		{ "a {x}[ b]", "a 1 b", "1" },
		{ "[invalid user ]{x} from {y:ip}", "invalid user joe from 1.2.3.4", "joe" },
		{ "[invalid user ]{x} from {y:ip}", "joe from 1.2.3.4", "joe" },
		{ "(one|two|three) {x:int}", "three 33", "33" },
		{ "(one|two[ and a half]|three) {x:int}", "two and a half 5", "5" },
		{ "(one|two|three) {x:int}", "four 33", NULL },
		{ "[a|b]{x:int}", "b7", "7" },
		{ "[a|b]{x:int}", "7", "7" },
		{ "{x:word} {y:rest}", "ab cd ef", "ab" },
		{ "{x:word}{y:rest}", "ab cd", NULL },
		{ "{x:ip}:{y:int}", "10.0.0.1:443", "10.0.0.1" },
		{ "{x:ip}: z", "2001:db8::1: z", "2001:db8::1" },
		{ "{x:ip}", "999.1.1.1", NULL },
		{ "\\{{x}\\}", "{q}", "q" },
		{ "{}: {x:rest}", ": tail", "tail" },
	};
	struct vg_pk_cap cap[VG_PK_CAPS_MAX];
	size_t n;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		bool yes, bad = vg_str_eq(vg_str_of(rows[i].pattern), VG_STR("{x:word}{y:rest}"));

		if (bad)
			continue; /* refused, see below */
		yes = matches(rows[i].pattern, rows[i].text, cap, &n);
		if (yes != (rows[i].first != NULL))
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
		if (yes) {
			size_t at = cap[0].value.n == 0 && n > 1 ? 1 : 0;

			assert_int_equal(cap[at].value.n, strlen(rows[i].first));
			assert_memory_equal(cap[at].value.p, rows[i].first, cap[at].value.n);
		}
	}
}

static void
bad_patterns_are_refused(void **state)
{
	static const char *const bad[] = { "{a", "a]", "[a", "(a|b", "{a:nope}", "{a}{b}", "}",
		"[[[[[[[[[[a]]]]]]]]]]" };
	struct vg_arena a;
	struct vg_pk_pattern p;
	const char *why;

	(void)state;
	vg_arena_init(&a, 1 << 20);
	for (size_t i = 0; i < VG_COUNT(bad); i++)
		assert_int_not_equal(vg_pk_pattern_parse(vg_str_of(bad[i]), &a, &p, &why), VG_OK);
	vg_arena_fini(&a);
}

/* Text made to be tried again and again: a pattern of five lazy fields would take n^5 without memory. */
static void
matching_is_linear(void **state)
{
	size_t n = 400000, ncap;
	char *text = malloc(n + 1);
	struct vg_pk_cap cap[VG_PK_CAPS_MAX];

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		text[i] = i % 2 ? ' ' : 'a';
	text[n] = 0;
	assert_false(matches("{a} {b} {c} {d} {e} z", text, cap, &ncap));
	assert_false(matches("{a:word} {b} a[ a[ a]]{c} (a|a |a a){d} z", text, cap, &ncap));
	free(text);
}

static void
apply_some(struct vg_packs *packs, struct vg_keys *keys)
{
	static const char *const rows[][4] = {
		{ "Security", "4624", "TargetUserName", "bob" },
		{ "Microsoft-Windows-Sysmon/Operational", "12", "EventType", "DeleteKey" },
		{ "sshd", "", "message", "Failed password for root from 192.0.2.4 port 22 ssh2" },
		{ "fw", "", "message", "CEF:0|a|b|c|d|e|5|src=1.2.3.4 msg=x y" },
	};
	struct vg_arena a;
	struct vg_event e;

	vg_arena_init(&a, 1 << 20);
	vg_event_init(&e, &a, keys);
	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		vg_event_reset(&e);
		e.channel = vg_str_of(rows[i][0]);
		e.code = vg_str_of(rows[i][1]);
		if (vg_event_add(&e, VG_STR("Channel"), VG_KIND_TEXT, e.channel) == VG_OK &&
		    vg_event_add(&e, VG_STR("EventID"), VG_KIND_INT, e.code) == VG_OK &&
		    vg_event_add(&e, vg_str_of(rows[i][2]), VG_KIND_TEXT, vg_str_of(rows[i][3])) == VG_OK)
			assert_true(vg_packs_apply(packs, &e) <= VG_E_MAX);
	}
	vg_arena_fini(&a);
}

static bool
load(const char *blob, size_t n)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_packs *packs = NULL;
	bool ok;

	assert_non_null(keys);
	ok = vg_packs_load((vg_str){ blob, n }, keys, &packs) == VG_OK;
	if (ok)
		apply_some(packs, keys);
	vg_packs_free(packs);
	vg_keys_free(keys);
	return ok;
}

static const char small[] =
	"name: t\nrecognise: [{program: [sshd, cisco]}, {message: 'CEF:*'}]\nmaps: {m: {a: b}}\n"
	"parse:\n"
	"- {mode: cef, when: {message: 'CEF:*'}}\n"
	"- patterns:\n  - {text: 'Failed [x ]{auth.method} for (a|{user.name}) from {source:host} port {p:int} ssh2', set: {event.action: f}}\n"
	"time: [{field: '{a} {b}', format: '%Y'}]\n"
	"kinds:\n- {channel: Security, code: [4624, 4625], logsource: {product: windows, service: security}, names: {user.name: {from: [TargetUserName, '{a}-{b}'], map: m, unless: ['-']}}}\n"
	"- {code: 12, when: {EventType: DeleteKey}, logsource: {category: c}}\n";

static void
hostile_blobs_are_survived(void **state)
{
	struct vg_pack_text t = { VG_STR("small"), { small, sizeof(small) - 1 } };
	struct vg_buf b = { 0 };
	size_t problems = 0;
	char *copy;

	(void)state;
	assert_int_equal(vg_packs_compile(&t, 1, &b, tell, &problems), VG_OK);
	assert_int_equal(problems, 0);
	assert_true(load(b.p, b.n));
	for (size_t n = 0; n < b.n; n++) {
		copy = malloc(n ? n : 1); /* exact, so that ASan sees one byte too far */
		assert_non_null(copy);
		memcpy(copy, b.p, n);
		assert_false(load(copy, n));
		free(copy);
	}
	copy = malloc(b.n);
	assert_non_null(copy);
	for (size_t i = 0; i < b.n * 3; i++) {
		memcpy(copy, b.p, b.n);
		copy[i / 3] ^= (char)(i % 3 == 0 ? 1 : i % 3 == 1 ? 0x80 : 0xff);
		(void)load(copy, b.n);
	}
	free(copy);
	vg_buf_fini(&b);
}

static void
bad_packs_are_left_out_with_line_and_reason(void **state)
{
	static const char *const bad[] = {
		"", "[]", "name: x\n", "name: x\nrecognise: [{program: a}]\nnope: 1\n",
		"name: x\nrecognise: [{program: a}]\nparse: [{patterns: ['{a']}]\n",
		"name: x\nrecognise: [{program: a}]\nparse: [{mode: magic}]\n",
		"name: x\nrecognise: [{program: a}]\nnames: {a: {from: b, as: nothing}}\n",
		"name: x\nrecognise: [{program: a}]\nnames: {a: {from: b, map: nothing}}\n",
		"name: x\nrecognise: [{'a|re': a}]\n", "name: x\nrecognise: [{program: []}]\n",
		"name: x\nrecognise: [{program: a}]\nkinds: [{channel: 'a*'}]\n",
		"name: x\nrecognise: [{program: a}]\nkinds: 5\n", "name: \xff\n",
	};
	struct vg_pack_text t[2] = { { VG_STR("bad"), { NULL, 0 } }, { VG_STR("small"), { small, sizeof(small) - 1 } } };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		struct vg_buf b = { 0 };
		struct vg_keys *keys = vg_keys_new();
		struct vg_packs *packs = NULL;
		size_t problems = 0;

		t[0].yaml = vg_str_of(bad[i]);
		assert_int_equal(vg_packs_compile(t, 2, &b, tell, &problems), VG_OK);
		assert_true(problems > 0);
		assert_int_equal(vg_packs_load(vg_buf_str(&b), keys, &packs), VG_OK);
		vg_packs_free(packs);
		vg_keys_free(keys);
		vg_buf_fini(&b);
	}
}

static void
the_same_kind_has_the_same_pointer(void **state)
{
	struct vg_buf b = { 0 };
	struct vg_keys *keys = vg_keys_new();
	struct vg_packs *packs = NULL;
	struct vg_arena a;
	struct vg_event e;
	const struct vg_logsource *seen[2] = { NULL, NULL };
	size_t problems = 0, n;

	(void)state;
	assert_int_equal(vg_packs_compile(texts, ntext, &b, tell, &problems), VG_OK);
	assert_int_equal(vg_packs_load(vg_buf_str(&b), keys, &packs), VG_OK);
	vg_arena_init(&a, 1 << 20);
	vg_event_init(&e, &a, keys);
	for (int i = 0; i < 4; i++) {
		vg_event_reset(&e);
		e.channel = VG_STR("Microsoft-Windows-Sysmon/Operational");
		e.code = i % 2 ? VG_STR("1") : VG_STR("3");
		assert_int_equal(vg_event_add(&e, VG_STR("Channel"), VG_KIND_TEXT, e.channel), VG_OK);
		assert_int_equal(vg_event_add(&e, VG_STR("EventID"), VG_KIND_TEXT, e.code), VG_OK);
		assert_int_equal(vg_packs_apply(packs, &e), VG_OK);
		assert_true(e.nls > 1);
		assert_true(seen[i % 2] == NULL || seen[i % 2] == e.ls);
		seen[i % 2] = e.ls;
	}
	assert_ptr_not_equal(seen[0], seen[1]);
	assert_non_null(vg_packs_logsources(packs, &n));
	assert_true(n > 50);
	assert_string_equal(e.pack, "windows");
	vg_arena_fini(&a);
	vg_packs_free(packs);
	vg_keys_free(keys);
	vg_buf_fini(&b);
}

static void
cef_leef_csv_and_times(void **state)
{
	static const struct {
		const char *text, *format, *is;
	} times[] = {
		{ "2026-04-03T08:12:45Z", "iso", "2026-04-03T08:12:45Z" },
		{ "1775203965", "epoch", "2026-04-03T08:12:45Z" },
		{ "1775203965123", "epoch", "2026-04-03T08:12:45.123Z" },
		{ "1775203965.5", "epoch", "2026-04-03T08:12:45.5Z" },
		{ "03/Apr/2026 10:12:45 +0200", "%d/%b/%Y %H:%M:%S %z", "2026-04-03T08:12:45Z" },
		{ "04/03/26 8:12:45 PM", "%m/%d/%y %I:%M:%S %p", "2026-04-03T20:12:45Z" },
		{ "nonsense", "%Y", NULL },
	};
	static const struct vg_pk_set columns[] = { { VG_STR_INIT("a"), { NULL, 0 }, 0 }, { { NULL, 0 }, { NULL, 0 }, 0 },
		{ VG_STR_INIT("c"), { NULL, 0 }, 0 } };
	struct vg_keys *keys = vg_keys_new();
	struct vg_arena a;
	struct vg_event e;
	bool zoned;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(times); i++)
		assert_int_equal(vg_pk_time_parse(vg_str_of(times[i].text), vg_str_of(times[i].format), &zoned),
				 times[i].is ? vg_time_parse(vg_str_of(times[i].is), 0) : VG_TIME_NONE);
	vg_arena_init(&a, 1 << 20);
	vg_event_init(&e, &a, keys);
#define IS(name, want) assert_true(vg_str_eq(vg_event_find_name(&e, VG_STR(name))->value, VG_STR(want)))
	assert_int_equal(vg_pk_cef(VG_STR("CEF:0|Acme|Wall\\|X|1|100|login ok|3|src=10.0.0.1 msg=a \\= b and more cs1=C:\\\\x y"), &e), VG_OK);
	IS("deviceProduct", "Wall|X");
	IS("src", "10.0.0.1");
	IS("msg", "a = b and more");
	IS("cs1", "C:\\x y");
	vg_event_reset(&e);
	assert_int_equal(vg_pk_leef(VG_STR("LEEF:2.0|Acme|Wall|1|login|^|usrName=bob^src=10.0.0.2"), &e), VG_OK);
	IS("usrName", "bob");
	IS("src", "10.0.0.2");
	vg_event_reset(&e);
	assert_int_equal(vg_pk_leef(VG_STR("LEEF:1.0|Acme|Wall|1|login|usrName=bob x\tsrc=10.0.0.2"), &e), VG_OK);
	IS("usrName", "bob x");
	vg_event_reset(&e);
	assert_int_equal(vg_pk_csv(VG_STR("\"x, \"\"y\"\"\",skipped,3"), ',', columns, 3, &e), VG_OK);
	IS("a", "x, \"y\"");
	IS("c", "3");
	assert_int_equal(vg_pk_cef(VG_STR("CEF:0|cut"), &e), VG_E_FORMAT);
#undef IS
	vg_arena_fini(&a);
	vg_keys_free(keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_take_the_whole_text),
		cmocka_unit_test(bad_patterns_are_refused),
		cmocka_unit_test(matching_is_linear),
		cmocka_unit_test(cef_leef_csv_and_times),
		cmocka_unit_test(hostile_blobs_are_survived),
		cmocka_unit_test(bad_packs_are_left_out_with_line_and_reason),
		cmocka_unit_test(the_same_kind_has_the_same_pointer),
		cmocka_unit_test(every_sample_gives_what_it_says),
	};

	return cmocka_run_group_tests(tests, read_packs, free_packs);
}
