/* The fast path against the plain evaluator: random rules over a small alphabet, so that matches are frequent; with each
 * engine, with and without the value cache, and exhaustively. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "detect/detect.h"
#include "rule/compile.h"

#define RULES 60
#define EVENTS 400

static uint64_t seed = 88172645463325252u;

static unsigned
rnd(unsigned n) /* xorshift: the same on every run */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static const char *const word[] = { "abc", "abcd", "bcd", "cmd.exe", "\\\\cmd.exe", "Power", "aBcabc", "xyz", "zz", "a", "", "abcabcabc",
				    "/c abc", "10.1.2.3", "2001:db8::7", "42", "0x2a", "\xc3\x89t\xc3\xa9", "\xc3\xa9T\xc3\x89", "-enc" };
static const char *const field[] = { "Image", "CommandLine", "EventID", "User", "Hashes" };
static const char *const modifier[] = { "", "|contains", "|endswith", "|startswith", "|contains|all", "|re", "|re|i", "|cidr", "|gte", "|cased",
					"|contains|cased", "|fieldref", "|windash|contains" };

static void
put_value(struct vg_buf *b, const char *mod)
{
	if (strcmp(mod, "|cidr") == 0)
		vg_buf_puts(b, rnd(2) ? "'10.0.0.0/8'" : "'2001:db8::/32'");
	else if (strcmp(mod, "|gte") == 0)
		vg_buf_printf(b, "%u", rnd(60));
	else if (strcmp(mod, "|fieldref") == 0)
		vg_buf_puts(b, field[rnd(VG_COUNT(field))]);
	else if (strncmp(mod, "|re", 3) == 0)
		vg_buf_puts(b, rnd(2) ? "'ab+c'" : "'(abc|cmd)[.a-z]*'");
	else
		vg_buf_printf(b, "'%s%s%s'", rnd(8) ? "" : "*", word[rnd(VG_COUNT(word))], rnd(8) ? "" : rnd(2) ? "*" : "?bc");
}

static void
put_selection(struct vg_buf *b, int n)
{
	vg_buf_printf(b, "  s%d:\n", n);
	if (rnd(8) == 0) { /* keywords */
		vg_buf_puts(b, "    - ");
		put_value(b, "");
		vg_buf_puts(b, "\n    - 'abcab'\n");
		return;
	}
	for (unsigned i = 0, m = 1 + rnd(2); i < m; i++) {
		const char *mod = modifier[rnd(VG_COUNT(modifier))];

		vg_buf_printf(b, "    %s%s:", field[(rnd(2) + 2 * i) % VG_COUNT(field)], mod);
		if (rnd(12) == 0 && mod[0] == 0) {
			vg_buf_puts(b, " null\n");
			continue;
		}
		for (unsigned k = 0, v = 1 + rnd(3); k < v; k++) {
			vg_buf_puts(b, "\n      - ");
			put_value(b, mod);
		}
		vg_buf_putc(b, '\n');
	}
}

static void
put_rule(struct vg_buf *b, int n)
{
	static const char *const condition[] = { "s1", "s1 and s2", "s1 or s2", "s1 and not s2", "not s1", "1 of s*", "all of s*",
						 "s1 and not 1 of s2*", "(s1 or not s2) and s2" };

	vg_buf_printf(b, "---\ntitle: r%d\nid: r%d\nlogsource:\n  product: %s\n%sdetection:\n", n, n,
		      rnd(4) ? "windows" : "linux", rnd(3) ? "" : "  service: sysmon\n");
	put_selection(b, 1);
	put_selection(b, 2);
	vg_buf_printf(b, "  condition: %s\n", condition[rnd(VG_COUNT(condition))]);
}

struct got {
	uint32_t rule[RULES];
	size_t n;
};

static vg_rc
on_hit(void *ctx, const struct vg_event *e, uint32_t rule)
{
	struct got *g = ctx;

	(void)e;
	assert_true(g->n == 0 || g->rule[g->n - 1] < rule);
	g->rule[g->n++] = rule;
	return VG_OK;
}

static void
make_event(struct vg_event *e, char *room)
{
	static const struct vg_logsource ls[2][2] = {
		{ { VG_STR_INIT("windows"), VG_STR_INIT(""), VG_STR_INIT("sysmon") }, { VG_STR_INIT("windows"), VG_STR_INIT(""), VG_STR_INIT("") } },
		{ { VG_STR_INIT("windows"), VG_STR_INIT(""), VG_STR_INIT("") }, { VG_STR_INIT("linux"), VG_STR_INIT(""), VG_STR_INIT("") } },
	};

	vg_event_reset(e);
	e->ls = ls[rnd(2)];
	e->nls = 2;
	for (unsigned i = 0, n = rnd(7); i < n; i++) {
		int len = snprintf(room, 128, "%s%s%s", word[rnd(VG_COUNT(word))], rnd(2) ? "" : " ", word[rnd(VG_COUNT(word))]);

		assert_int_equal(vg_event_add(e, vg_str_of(field[rnd(VG_COUNT(field))]), rnd(20) ? VG_KIND_TEXT : VG_KIND_NULL,
					      vg_str_dup(e->arena, vg_str_mem(room, (size_t)len))), VG_OK);
	}
}

static char *
aligned_copy(const struct vg_buf *b)
{
	char *p = NULL;

	assert_int_equal(posix_memalign((void **)&p, 64, b->n + 64), 0);
	memcpy(p, b->p, b->n);
	return p;
}

/* A set of rules, ready in each way: without the value cache, with it, and exhaustively. */
struct bench {
	struct vg_buf blob, iblob;
	struct vg_keys *keys;
	struct vg_program p;
	struct vg_index *x;
	struct vg_detector *d[3];
	struct vg_regexes *re;
	struct vg_arena a, scratch;
	struct vg_event e;
	char *b1, *b2;
};

static void
bench_open(struct bench *b, vg_str yaml, unsigned flags)
{
	static const struct vg_detector_options o[3] = { { .cache_bytes = 0 }, { .cache_bytes = 1 << 16 }, { .exhaustive = true } };

	*b = (struct bench){ .keys = vg_keys_new() };
	assert_int_equal(vg_rules_compile(&(struct vg_rule_text){ VG_STR("t"), yaml, VG_NIL }, 1, NULL, 0, &b->blob), VG_OK);
	b->b1 = aligned_copy(&b->blob);
	assert_int_equal(vg_program_load(vg_str_mem(b->b1, b->blob.n), b->keys, &b->p), VG_OK);
	assert_in_range(b->p.nrule, 1, RULES);
	assert_int_equal(vg_index_build(&b->p, flags, &b->iblob), VG_OK);
	b->b2 = aligned_copy(&b->iblob);
	assert_int_equal(vg_index_load(vg_str_mem(b->b2, b->iblob.n), &b->p, &b->x), VG_OK);
	for (int i = 0; i < 3; i++)
		assert_non_null(b->d[i] = vg_detector_new(&b->p, b->x, &o[i]));
	assert_non_null(b->re = vg_regexes_new(&b->p));
	vg_arena_init(&b->a, 1 << 20);
	vg_arena_init(&b->scratch, (size_t)64 << 20);
	vg_event_init(&b->e, &b->a, b->keys);
}

static void
bench_close(struct bench *b)
{
	for (int i = 0; i < 3; i++)
		vg_detector_free(b->d[i]);
	vg_index_free(b->x);
	vg_regexes_free(b->re);
	vg_arena_fini(&b->a);
	vg_arena_fini(&b->scratch);
	vg_keys_free(b->keys);
	vg_buf_fini(&b->blob);
	vg_buf_fini(&b->iblob);
	free(b->b1);
	free(b->b2);
}

static void
round_of(unsigned flags)
{
	struct vg_buf yaml = { 0 };
	struct bench b;
	char room[128];
	size_t hits = 0;

	for (int i = 0; i < RULES; i++)
		put_rule(&yaml, i);
	bench_open(&b, vg_buf_str(&yaml), flags);
	assert_true(b.p.nrule > RULES / 2);
	for (int n = 0; n < EVENTS; n++) {
		struct got want = { 0 };

		make_event(&b.e, room);
		for (uint32_t r = 0; r < b.p.nrule; r++) {
			vg_arena_reset(&b.scratch);
			if (vg_rule_applies(&b.p, r, &b.e) && vg_eval(b.re, r, &b.e, &b.scratch, NULL, NULL))
				want.rule[want.n++] = r;
		}
		hits += want.n;
		for (int i = 0; i < 3; i++) {
			struct got got = { 0 };

			assert_int_equal(vg_detect(b.d[i], &b.e, on_hit, &got), VG_OK);
			assert_int_equal(got.n, want.n);
			assert_memory_equal(got.rule, want.rule, want.n * sizeof(uint32_t));
		}
	}
	assert_true(hits > EVENTS);
	bench_close(&b);
	vg_buf_fini(&yaml);
}

static void
fast_and_plain_agree(void **state)
{
	(void)state;
	for (int i = 0; i < 12; i++)
		round_of(i % 2 ? VG_INDEX_PORTABLE : 0);
}

/* An index of another program, or cut short. */
static void
foreign_index_is_refused(void **state)
{
	struct vg_buf blob = { 0 }, iblob = { 0 }, other = { 0 };
	static const char one[] = "title: a\nlogsource: { product: windows }\ndetection:\n  s:\n    Image|contains: abcdef\n  condition: s\n";
	static const char two[] = "title: b\nlogsource: { product: windows }\ndetection:\n  s:\n    Image|contains: ghijkl\n  condition: s\n";
	struct vg_keys *k1 = vg_keys_new(), *k2 = vg_keys_new();
	struct vg_program p, q;
	struct vg_index *x;
	char *b1, *b2, *b3;

	(void)state;
	assert_int_equal(vg_rules_compile(&(struct vg_rule_text){ VG_STR("t"), vg_str_of(one), VG_NIL }, 1, NULL, 0, &blob), VG_OK);
	assert_int_equal(vg_rules_compile(&(struct vg_rule_text){ VG_STR("t"), vg_str_of(two), VG_NIL }, 1, NULL, 0, &other), VG_OK);
	b1 = aligned_copy(&blob);
	b2 = aligned_copy(&other);
	assert_int_equal(vg_program_load(vg_str_mem(b1, blob.n), k1, &p), VG_OK);
	assert_int_equal(vg_program_load(vg_str_mem(b2, other.n), k2, &q), VG_OK);
	assert_int_equal(vg_index_build(&p, VG_INDEX_PORTABLE, &iblob), VG_OK);
	b3 = aligned_copy(&iblob);
	assert_int_equal(vg_index_load(vg_str_mem(b3, iblob.n), &q, &x), VG_E_REFUSED);
	for (size_t n = 0; n < iblob.n; n += 3)
		if (vg_index_load(vg_str_mem(b3, n), &p, &x) == VG_OK)
			vg_index_free(x);
	vg_keys_free(k1);
	vg_keys_free(k2);
	vg_buf_fini(&blob);
	vg_buf_fini(&iblob);
	vg_buf_fini(&other);
	free(b1);
	free(b2);
	free(b3);
}

/* ---- corners: one rule or a few, events by hand ---- */

static const struct vg_logsource windows[2] = { { VG_STR_INIT("windows"), VG_STR_INIT(""), VG_STR_INIT("") },
						{ VG_STR_INIT("linux"), VG_STR_INIT(""), VG_STR_INIT("") } };

static void
begin(struct bench *b)
{
	vg_event_reset(&b->e);
	b->e.ls = windows;
	b->e.nls = 1;
}

static void
with(struct bench *b, const char *name, const char *value)
{
	assert_int_equal(vg_event_add(&b->e, vg_str_of(name), VG_KIND_TEXT, vg_str_of(value)), VG_OK);
}

/* The rules that the event meets, as bits: the plain evaluator's answer, which the three detectors must share. */
static unsigned
answer(struct bench *b)
{
	unsigned want = 0;

	for (uint32_t r = 0; r < b->p.nrule; r++) {
		vg_arena_reset(&b->scratch);
		if (vg_rule_applies(&b->p, r, &b->e) && vg_eval(b->re, r, &b->e, &b->scratch, NULL, NULL))
			want |= 1u << r;
	}
	for (int i = 0; i < 3; i++) {
		struct got got = { 0 };
		unsigned have = 0;

		assert_int_equal(vg_detect(b->d[i], &b->e, on_hit, &got), VG_OK);
		for (size_t k = 0; k < got.n; k++)
			have |= 1u << got.rule[k];
		assert_int_equal(have, want);
	}
	return want;
}

#define RULE(id, detection) "---\ntitle: " id "\nid: " id "\nlogsource: { product: windows }\ndetection:\n" detection

/* An event's code decides which rules are tried: none, an empty one and two of them are three different things. */
static void
codes_absent_empty_and_twice(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, vg_str_of(RULE("a", "  s: { EventID: 4688 }\n  condition: s\n")
			       RULE("b", "  s: { EventID: '' }\n  t: { User: x }\n  condition: t and not s\n")), 0);
	begin(&b);
	with(&b, "EventID", "");
	with(&b, "User", "x");
	assert_int_equal(answer(&b), 0);
	begin(&b); /* no code, right behind an empty one */
	with(&b, "User", "x");
	assert_int_equal(answer(&b), 2);
	begin(&b);
	with(&b, "EventID", "");
	assert_int_equal(answer(&b), 0);
	begin(&b); /* two codes */
	with(&b, "EventID", "1");
	with(&b, "EventID", "4688");
	assert_int_equal(answer(&b), 1);
	bench_close(&b);
}

/* Not all codes are numbers. */
static void
codes_of_either_case(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, vg_str_of(RULE("a", "  s: { EventID: ConsoleLogin }\n  t: { User: x }\n  condition: s and t\n")
			       RULE("b", "  s: { EventID|cased: ConsoleLogin }\n  t: { User: x }\n  condition: s and t\n")
				       RULE("c", "  s: { EventID: ConsoleLogin }\n  t: { User: x }\n  condition: t and not s\n")), 0);
	begin(&b);
	with(&b, "EventID", "ConsoleLogin");
	with(&b, "User", "x");
	assert_int_equal(answer(&b), 3);
	begin(&b);
	with(&b, "EventID", "CONSOLElogin");
	with(&b, "User", "x");
	assert_int_equal(answer(&b), 1);
	begin(&b);
	with(&b, "EventID", "other");
	with(&b, "User", "x");
	assert_int_equal(answer(&b), 4);
	bench_close(&b);
}

/* The same first log source, with another behind it or not. */
static void
log_sources_are_counted(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, vg_str_of(RULE("a", "  s: { User: x }\n  condition: s\n")
			       "---\ntitle: b\nid: b\nlogsource: { product: linux }\ndetection:\n  s: { User: x }\n  condition: s\n"), 0);
	begin(&b);
	with(&b, "User", "x");
	assert_int_equal(answer(&b), 1);
	begin(&b);
	b.e.nls = 2;
	with(&b, "User", "x");
	assert_int_equal(answer(&b), 3);
	bench_close(&b);
}

/* A question mark is one character, also after a star has moved on. */
static void
globs_count_characters(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, vg_str_of(RULE("a", "  s: { User: '*??rest' }\n  condition: s\n")), 0);
	for (int n = 0; n < 4; n++) {
		static const char *const user[] = { "\xe2\x82\xacrest", "\xe2\x82\xac\xe2\x82\xacrest", "xrest", "x\xffrest" };

		begin(&b);
		with(&b, "User", user[n]);
		assert_int_equal(answer(&b), n % 2);
	}
	bench_close(&b);
}

/* Codes that no rule names are one class: a log of made-up codes costs no memory and no pass over all rules each. */
static void
strange_codes_cost_nothing(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, vg_str_of(RULE("a", "  s: { EventID: 4688 }\n  condition: s\n") RULE("b", "  s: { User: x }\n  condition: s\n")), 0);
	for (int n = 0; n < 20000; n++) {
		char code[16];

		snprintf(code, sizeof(code), "z%d", n);
		begin(&b);
		with(&b, "EventID", n % 100 ? code : "4688");
		with(&b, "User", n % 3 ? "y" : "x");
		assert_int_equal(answer(&b), (n % 100 ? 0 : 1) | (n % 3 ? 0 : 2));
	}
	bench_close(&b);
}

/* Any byte of an index changed: it is refused, or gives wrong answers; it does not crash. */
static void
damaged_index_is_harmless(void **state)
{
	static const struct vg_detector_options o = { .cache_bytes = 1 << 12 };
	struct bench b;
	struct vg_buf blob = { 0 };
	size_t loaded = 0;
	char *copy;

	(void)state;
	bench_open(&b, vg_str_of(RULE("a", "  s: { User|contains: abcdef, EventID: 1 }\n  condition: s\n")
			       RULE("b", "  s: { User|endswith: [ '\\cmd.exe', abc ] }\n  condition: s\n")
				       RULE("c", "  s: [ keyword, another ]\n  condition: s\n")), 0);
	assert_int_equal(vg_index_build(&b.p, VG_INDEX_PORTABLE, &blob), VG_OK);
	copy = aligned_copy(&blob);
	begin(&b);
	with(&b, "EventID", "1");
	with(&b, "User", "xabcdef keyword c:\\cmd.exe");
	assert_int_equal(answer(&b), 7);
	for (size_t i = 0; i < blob.n; i++)
		for (int k = 0; k < 3; k++) {
			struct got got = { 0 };
			struct vg_detector *d;
			struct vg_index *x;

			copy[i] = (char)(blob.p[i] ^ (k == 0 ? 1 : k == 1 ? 0x80 : 0xff));
			if (vg_index_load(vg_str_mem(copy, blob.n), &b.p, &x) == VG_OK) {
				loaded++;
				assert_non_null(d = vg_detector_new(&b.p, x, &o));
				(void)!vg_detect(d, &b.e, on_hit, &got);
				vg_detector_free(d);
				vg_index_free(x);
			}
			copy[i] = blob.p[i];
		}
	assert_true(loaded > 0);
	free(copy);
	vg_buf_fini(&blob);
	bench_close(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fast_and_plain_agree),
		cmocka_unit_test(foreign_index_is_refused),
		cmocka_unit_test(codes_absent_empty_and_twice),
		cmocka_unit_test(codes_of_either_case),
		cmocka_unit_test(log_sources_are_counted),
		cmocka_unit_test(globs_count_characters),
		cmocka_unit_test(strange_codes_cost_nothing),
		cmocka_unit_test(damaged_index_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
