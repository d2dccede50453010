/* detect/correlate.h: each type, at the borders of its window; groups, chains, aliases, bursts.  The rules are real ones, compiled. */
#include "detect/correlate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rule/compile.h"

#define HITS_MAX 64
#define T0 (20000 * VG_DAY)

static struct vg_corr_hit got[HITS_MAX];
static char got_by[HITS_MAX][64];
static size_t ngot;

struct bench {
	char *blob;
	struct vg_keys *keys;
	struct vg_program p;
	struct vg_correlator *c;
	struct vg_arena a;
	struct vg_event e;
	uint64_t token;
};

static vg_rc
on_hit(void *ctx, const struct vg_corr_hit *h)
{
	(void)ctx;
	assert_true(ngot < HITS_MAX);
	got[ngot] = *h;
	got_by[ngot][0] = '\0';
	if (h->nby)
		snprintf(got_by[ngot], sizeof(got_by[0]), "%.*s=%.*s", VG_STR_ARG(h->by_name[0]), VG_STR_ARG(h->by_value[0]));
	ngot++;
	return VG_OK;
}

/* Base rules a, b and c, and then @correlations. */
static void
begin(struct bench *t, const char *correlations, size_t limit_bytes)
{
	struct vg_buf yaml = { 0 }, b = { 0 };
	struct vg_rule_text text = { VG_STR("test.yml"), VG_NIL, VG_NIL };

	for (const char *n = "abc"; *n; n++)
		vg_buf_printf(&yaml, "title: %c\nname: %c\nlogsource: {product: test}\n"
				     "detection: {s: {f: %c}, condition: s}\n---\n", *n, *n, *n);
	vg_buf_puts(&yaml, correlations);
	text.yaml = vg_buf_str(&yaml);
	*t = (struct bench){ .keys = vg_keys_new() };
	assert_int_equal(vg_rules_compile(&text, 1, NULL, 0, &b), VG_OK);
	t->blob = aligned_alloc(64, (b.n + 63) & ~(size_t)63);
	memcpy(t->blob, b.p, b.n);
	assert_int_equal(vg_program_load((vg_str){ t->blob, b.n }, t->keys, &t->p), VG_OK);
	for (uint32_t i = 0; i < t->p.ndiag; i++)
		print_error("%.*s\n", VG_STR_ARG(vg_program_str(&t->p, t->p.diag[i].text)));
	assert_int_equal(t->p.ndiag, 0);
	t->c = vg_correlator_new(&t->p, limit_bytes, on_hit, NULL);
	assert_non_null(t->c);
	vg_arena_init(&t->a, 1 << 20);
	vg_event_init(&t->e, &t->a, t->keys);
	ngot = 0;
	vg_buf_fini(&yaml);
	vg_buf_fini(&b);
}

static void
end(struct bench *t)
{
	vg_correlator_free(t->c);
	vg_arena_fini(&t->a);
	vg_keys_free(t->keys);
	free(t->blob);
}

static uint32_t
rule_named(const struct bench *t, const char *title)
{
	for (uint32_t r = 0; r < t->p.nrule; r++)
		if (vg_str_eq(vg_program_str(&t->p, t->p.rule[r].title), vg_str_of(title)))
			return r;
	fail_msg("no rule %s", title);
	return 0;
}

/* A match of base rule @rule at second @at; @u and @v are its fields, NULL when absent. */
static void
hit(struct bench *t, const char *rule, double at, const char *u, const char *v)
{
	vg_event_reset(&t->e);
	if (u)
		assert_int_equal(vg_event_add(&t->e, VG_STR("u"), VG_KIND_TEXT, vg_str_of(u)), VG_OK);
	if (v)
		assert_int_equal(vg_event_add(&t->e, VG_STR("v"), VG_KIND_TEXT, vg_str_of(v)), VG_OK);
	assert_int_equal(vg_correlator_hit(t->c, rule_named(t, rule), T0 + (int64_t)(at * 1e9), &t->e, ++t->token), VG_OK);
}

static void
a_count_is_told_once_a_burst(void **state)
{
	struct bench t;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {gte: 3}}\n", 1 << 20);
	hit(&t, "a", 0, "Bob", NULL);
	hit(&t, "a", 1, NULL, NULL); /* without a value it does not take part */
	hit(&t, "a", 5, "bob", NULL);
	assert_int_equal(ngot, 0);
	hit(&t, "a", 10, "BOB", NULL); /* exactly the span is inside */
	assert_int_equal(ngot, 1);
	assert_string_equal(got_by[0], "u=Bob");
	assert_int_equal(got[0].count, 3);
	assert_int_equal(got[0].nevidence, 3);
	assert_int_equal(got[0].evidence[0], 1);
	assert_int_equal(got[0].evidence[2], 4);
	assert_true(got[0].first_ns == T0 && got[0].last_ns == T0 + 10 * VG_SEC);
	hit(&t, "a", 10, "bob", NULL); /* the same burst */
	hit(&t, "a", 12, "bob", NULL);
	assert_int_equal(ngot, 1);
	hit(&t, "a", 100, "bob", NULL);
	hit(&t, "a", 101, "bob", NULL);
	hit(&t, "a", 110.5, "bob", NULL); /* the first is out by half a second */
	assert_int_equal(ngot, 1);
	hit(&t, "a", 111, "bob", NULL);
	assert_int_equal(ngot, 2);
	hit(&t, "b", 111, "bob", NULL); /* nobody asks for it */
	assert_int_equal(ngot, 2);
	end(&t);
}

static void
values_are_counted_once_each(void **state)
{
	struct bench t;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: value_count, rules: [a, b], group-by: [u], timespan: 1m, condition: {field: v, gte: 3}}\n", 1 << 20);
	hit(&t, "a", 0, "x", "1");
	hit(&t, "a", 1, "x", "2");
	hit(&t, "b", 2, "x", "2");
	hit(&t, "a", 3, "x", NULL);
	hit(&t, "a", 4, "y", "3");
	assert_int_equal(ngot, 0);
	hit(&t, "b", 60.5, "x", "3"); /* value 1 is out */
	assert_int_equal(ngot, 0);
	hit(&t, "b", 61, "x", "4");
	assert_int_equal(ngot, 1);
	assert_true(got[0].value > 2.9 && got[0].value < 3.1);
	end(&t);
}

static void
a_long_burst_is_counted_and_takes_no_room(void **state)
{
	struct bench t;
	size_t bytes;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {gte: 3}}\n", 1 << 20);
	for (int i = 0; i < 100; i++)
		hit(&t, "a", i * 0.01, "x", NULL);
	assert_int_equal(ngot, 1);
	assert_int_equal(got[0].count, 3);
	bytes = vg_correlator_bytes(t.c);
	for (int i = 100; i < 5000; i++)
		hit(&t, "a", i * 0.01, "x", NULL);
	assert_int_equal(ngot, 5); /* at 0.02 s, and whenever the window holds nothing of the last signal any more */
	assert_int_equal(vg_correlator_bytes(t.c), bytes);
	assert_int_equal(got[1].count, 1001 + 3); /* those since the last signal, and what was held then */
	assert_int_equal(got[2].count, 1001 + 32);
	assert_int_equal(got[1].nevidence, 32);
	assert_int_equal(got[1].evidence[31], 1004);
	assert_true(got[1].first_ns < got[1].last_ns - 9 * VG_SEC);
	hit(&t, "a", 70, "x", NULL);
	hit(&t, "a", 71, "x", NULL);
	hit(&t, "a", 72, "x", NULL);
	assert_int_equal(ngot, 6);
	assert_int_equal(got[5].count, 3); /* the burst is over: nothing of it counts */
	end(&t);
}

static void
values_have_their_newest_match_as_proof(void **state)
{
	struct bench t;
	size_t bytes;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: value_count, rules: [a], group-by: [u], timespan: 1h, condition: {field: v, gte: 3}}\n", 1 << 20);
	hit(&t, "a", 0, "x", "one");
	hit(&t, "a", 1, "x", "two");
	bytes = vg_correlator_bytes(t.c);
	for (int i = 0; i < 1000; i++)
		hit(&t, "a", 2 + i, "x", i % 2 ? "ONE" : "Two");
	assert_int_equal(vg_correlator_bytes(t.c), bytes);
	hit(&t, "a", 1100, "x", "three");
	assert_int_equal(ngot, 1);
	assert_int_equal(got[0].count, 3);
	assert_int_equal(got[0].nevidence, 3);
	assert_int_equal(got[0].evidence[0], 1001);
	assert_int_equal(got[0].evidence[1], 1002);
	assert_int_equal(got[0].evidence[2], 1003);
	end(&t);
}

/* The same said by a window that holds every match: what the two fire at is the same. */
static size_t
fires_naively(const double *at, const int *value, size_t n, double span, size_t want, bool distinct, double *out)
{
	double fired_at = 0;
	bool fired = false;
	size_t nout = 0, first = 0;

	for (size_t i = 0; i < n; i++) {
		size_t count = 0;

		while (at[i] - at[first] > span)
			first++;
		for (size_t j = first; j <= i; j++) {
			bool seen = false;

			for (size_t k = first; distinct && k < j && !seen; k++)
				seen = value[k] == value[j];
			count += !seen;
		}
		if (count < want || at[first] > fired_at)
			fired = false;
		if (count < want || fired)
			continue;
		fired = true;
		fired_at = at[i];
		out[nout++] = at[i];
	}
	return nout;
}

static void
what_is_left_out_changes_no_answer(void **state)
{
	static const struct {
		const char *type;
		int want, values;
	} row[] = { { "event_count", 3, 9 }, { "event_count", 40, 9 }, { "event_count", 1, 9 }, { "value_count", 3, 5 }, { "value_count", 20, 40 }, { "value_count", 4, 400 } };
	uint64_t rnd = 88172645463325252u;

	(void)state;
	for (size_t r = 0; r < VG_COUNT(row); r++)
		for (int round = 0; round < 4; round++) {
			double at[400], said[400], now = 1;
			char yaml[300], v[16];
			int value[400];
			size_t n;
			struct bench t;

			snprintf(yaml, sizeof(yaml), "title: X\ncorrelation: {type: %s, rules: [a], group-by: [u], timespan: 60s, condition: {%sgte: %d}}\n",
				 row[r].type, row[r].type[0] == 'v' ? "field: v, " : "", row[r].want);
			begin(&t, yaml, 1 << 20);
			for (size_t i = 0; i < VG_COUNT(at); i++) {
				rnd ^= rnd << 13;
				rnd ^= rnd >> 7;
				rnd ^= rnd << 17;
				now += rnd % 40 == 0 ? 50 : (double)(rnd >> 8 & 7) / 4; /* bursts, and holes of about a window */
				at[i] = now;
				value[i] = (int)(rnd >> 20 & 0xffff) % row[r].values;
			}
			n = fires_naively(at, value, VG_COUNT(at), 60, (size_t)row[r].want, row[r].type[0] == 'v', said);
			assert_true(n > 0 && n <= HITS_MAX);
			for (size_t i = 0; i < VG_COUNT(at); i++) {
				snprintf(v, sizeof(v), "%d", value[i]);
				hit(&t, "a", at[i], "x", v);
			}
			assert_int_equal(ngot, n);
			for (size_t i = 0; i < n; i++)
				assert_true(got[i].last_ns == T0 + (int64_t)(said[i] * 1e9));
			end(&t);
		}
}

static void
numbers_are_measured(void **state)
{
	static const struct {
		const char *type, *cond;
		double value; /* of 10 20 30 40; 0: silent */
	} row[] = {
		{ "value_sum", "gt: 99", 100 }, { "value_sum", "gt: 100", 0 }, { "value_avg", "gte: 25", 25 },
		{ "value_median", "gte: 25", 25 }, { "value_percentile", "percentile: 75, gte: 30", 30 },
		{ "value_percentile", "percentile: 76, gte: 40", 40 }, { "value_sum", "gte: 60, lt: 100", 60 },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++) {
		char yaml[300];
		struct bench t;

		snprintf(yaml, sizeof(yaml), "title: X\ncorrelation: {type: %s, rules: [a], timespan: 1m, condition: {field: v, %s}}\n",
			 row[i].type, row[i].cond);
		begin(&t, yaml, 1 << 20);
		hit(&t, "a", 0, NULL, "10");
		hit(&t, "a", 1, NULL, "no number");
		hit(&t, "a", 2, NULL, "20");
		hit(&t, "a", 3, NULL, "30");
		hit(&t, "a", 4, NULL, "40");
		if (ngot != (row[i].value > 0) || (ngot && fabs(got[0].value - row[i].value) > 1e-9))
			fail_msg("%s {%s}: %zu hits, %g", row[i].type, row[i].cond, ngot, ngot ? got[0].value : 0.0);
		end(&t);
	}
}

static void
temporal_wants_all_in_any_order(void **state)
{
	struct bench t;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: temporal, rules: [a, b], group-by: [u], timespan: 10s}\n", 1 << 20);
	hit(&t, "b", 0, "x", NULL);
	hit(&t, "a", 5, "y", NULL);
	hit(&t, "a", 10.1, "x", NULL);
	assert_int_equal(ngot, 0);
	hit(&t, "b", 20.1, "x", NULL);
	assert_int_equal(ngot, 1);
	hit(&t, "b", 20.2, "x", NULL); /* the match of a is used up */
	assert_int_equal(ngot, 1);
	end(&t);
}

static void
ordered_wants_the_order_within_the_span(void **state)
{
	struct bench t;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: temporal_ordered, rules: [a, b, c], group-by: [u], timespan: 10s}\n", 1 << 20);
	hit(&t, "b", 0, "x", NULL);
	hit(&t, "a", 1, "x", NULL);
	hit(&t, "c", 2, "x", NULL);
	assert_int_equal(ngot, 0);
	hit(&t, "b", 3, "x", NULL);
	hit(&t, "c", 11.5, "x", NULL); /* a is too far */
	assert_int_equal(ngot, 0);
	hit(&t, "a", 20, "x", NULL);
	hit(&t, "b", 20, "x", NULL); /* ties: in the order given */
	hit(&t, "c", 30, "x", NULL);
	assert_int_equal(ngot, 1);
	assert_int_equal(got[0].nevidence, 3);
	end(&t);
}

static void
a_chain_follows_a_burst_to_its_end(void **state)
{
	struct bench t;

	(void)state;
	begin(&t,
	      "title: burst\nname: burst\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {gte: 3}}\n"
	      "---\n"
	      "title: X\ncorrelation: {type: temporal_ordered, rules: [burst, b], group-by: [who], timespan: 5s,\n"
	      "  aliases: {who: {burst: u, b: v}}}\n",
	      1 << 20);
	for (int i = 0; i < 30; i++)
		hit(&t, "a", i * 2, "bob", NULL);
	assert_int_equal(ngot, 5); /* at 4 s, and again whenever the matches it told of are all out of the window */
	assert_true(got[4].last_ns == T0 + 52 * VG_SEC);
	hit(&t, "b", 60, NULL, "eve");
	assert_int_equal(ngot, 5);
	hit(&t, "b", 61, NULL, "Bob"); /* 9 s behind the last signal, 3 s behind the last match */
	assert_int_equal(ngot, 6);
	assert_int_equal(got[5].rule, rule_named(&t, "X"));
	end(&t);
}

static void
too_few_is_judged_when_the_window_is_over(void **state)
{
	struct bench t;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {lt: 3}}\n", 1 << 20);
	for (int i = 0; i < 3; i++)
		hit(&t, "a", i, "x", NULL);
	hit(&t, "a", 20, "x", NULL); /* three were there: no signal */
	assert_int_equal(ngot, 0);
	hit(&t, "a", 40, "x", NULL); /* one was there */
	assert_int_equal(ngot, 1);
	assert_int_equal(vg_correlator_end(t.c), VG_OK);
	assert_int_equal(ngot, 2);
	end(&t);
}

static void
memory_is_bounded_and_what_is_dropped_is_counted(void **state)
{
	struct bench t;

	(void)state;
	begin(&t, "title: X\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 1h, condition: {gte: 2}}\n", 64 << 10);
	hit(&t, "a", 0, "first", NULL);
	for (int i = 0; i < 1000; i++) {
		char u[16];

		snprintf(u, sizeof(u), "u%d", i);
		hit(&t, "a", 1, u, NULL);
	}
	hit(&t, "a", 2, "first", NULL); /* its first match is gone */
	assert_int_equal(ngot, 0);
	hit(&t, "a", 2, "u999", NULL); /* the newest are kept */
	assert_int_equal(ngot, 1);
	assert_true(vg_correlator_dropped(t.c) > 500);
	end(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_is_told_once_a_burst),
		cmocka_unit_test(values_are_counted_once_each),
		cmocka_unit_test(a_long_burst_is_counted_and_takes_no_room),
		cmocka_unit_test(values_have_their_newest_match_as_proof),
		cmocka_unit_test(what_is_left_out_changes_no_answer),
		cmocka_unit_test(numbers_are_measured),
		cmocka_unit_test(temporal_wants_all_in_any_order),
		cmocka_unit_test(ordered_wants_the_order_within_the_span),
		cmocka_unit_test(a_chain_follows_a_burst_to_its_end),
		cmocka_unit_test(too_few_is_judged_when_the_window_is_over),
		cmocka_unit_test(memory_is_bounded_and_what_is_dropped_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
