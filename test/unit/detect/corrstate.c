/* A correlator's state: saved at any place and loaded, it goes on as if nothing had been; groups that are copied, and matches in order
 * within their groups alone. */
#include "detect/correlate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stream.h"

#define LIMIT ((size_t)64 << 20)

struct run {
	const struct stream_rules *r;
	struct stream_lines said;
	struct vg_arena arena;
	struct vg_event event;
};

static vg_rc
on_hit(void *ctx, const struct vg_corr_hit *h)
{
	struct run *x = ctx;

	stream_lines_add(&x->said, stream_line(&x->r->p, h, NULL, 1));
	return VG_OK;
}

static void
begin(struct run *x, const struct stream_rules *r)
{
	*x = (struct run){ .r = r };
	vg_arena_init(&x->arena, 1 << 20);
	vg_event_init(&x->event, &x->arena, r->keys);
}

static void
end(struct run *x)
{
	stream_lines_fini(&x->said);
	vg_arena_fini(&x->arena);
}

static void
take(struct run *x, struct vg_correlator *c, const struct stream_hit *h)
{
	assert_int_equal(stream_feed(c, x->r, &x->event, h, h->index + 1), VG_OK);
}

static void
uncut(struct run *x, const struct stream_hit *h, size_t n)
{
	struct vg_correlator *c = vg_correlator_new(&x->r->p, LIMIT, on_hit, x);

	for (size_t i = 0; i < n; i++)
		take(x, c, &h[i]);
	assert_int_equal(vg_correlator_end(c), VG_OK);
	vg_correlator_free(c);
}

/* Save, and load in its place. */
static struct vg_correlator *
cut(struct run *x, struct vg_correlator *c)
{
	struct vg_buf b = { 0 }, again = { 0 };
	uint64_t lost = 1;

	vg_correlator_save(c, &x->r->id, &b);
	vg_correlator_free(c);
	assert_int_equal(b.rc, VG_OK);
	assert_int_equal(vg_correlator_load(&x->r->p, &x->r->id, LIMIT, on_hit, x, vg_buf_str(&b), &lost, &c), VG_OK);
	assert_int_equal(lost, 0);
	vg_correlator_save(c, &x->r->id, &again);
	assert_true(vg_str_eq(vg_buf_str(&b), vg_buf_str(&again)));
	vg_buf_fini(&b);
	vg_buf_fini(&again);
	return c;
}

static void
a_saved_one_goes_on(void **state)
{
	struct stream_rules r;

	(void)state;
	stream_rules_init(&r, stream_correlations);
	for (uint64_t seed = 1; seed <= 12; seed++) {
		size_t n = 1200;
		struct stream_hit *h = stream_make(seed, n, 8 * VG_SEC);
		uint64_t rnd = seed;
		struct run whole, pieces;
		struct vg_correlator *c;

		begin(&whole, &r);
		begin(&pieces, &r);
		uncut(&whole, h, n);
		c = vg_correlator_new(&r.p, LIMIT, on_hit, &pieces);
		for (size_t i = 0; i < n; i++) {
			if (stream_random(&rnd) % 200 == 0)
				c = cut(&pieces, c);
			take(&pieces, c, &h[i]);
		}
		assert_int_equal(vg_correlator_end(c), VG_OK);
		vg_correlator_free(c);
		assert_true(whole.said.n > 300);
		assert_true(stream_lines_same(&pieces.said, &whole.said));
		end(&whole);
		end(&pieces);
		free(h);
	}
	stream_rules_fini(&r);
}

static void
every_kind_speaks(void **state) /* or the other tests would say nothing of it */
{
	struct stream_rules r;
	struct stream_hit *h = stream_make(1, 4000, 8 * VG_SEC);
	struct run x;

	(void)state;
	stream_rules_init(&r, stream_correlations);
	begin(&x, &r);
	uncut(&x, h, 4000);
	for (uint32_t i = 0; i < r.p.ncorr; i++) {
		vg_str title = vg_program_str(&r.p, r.p.rule[r.p.corr[i].rule].title);
		size_t n = 0;

		for (size_t j = 0; j < x.said.n; j++)
			n += vg_str_starts(vg_str_of(x.said.line[j]), title);
		if (n == 0)
			fail_msg("%.*s never speaks", VG_STR_ARG(title));
	}
	end(&x);
	free(h);
	stream_rules_fini(&r);
}

/* Of changed rules only what is unchanged is kept. */
static void
changed_correlations_are_forgotten(void **state)
{
	static const char now[] =
		"title: new\nid: 99\ncorrelation: {type: event_count, rules: [b], timespan: 1m, condition: {gte: 100}}\n"
		"---\ntitle: values\nid: 2\ncorrelation: {type: value_count, rules: [a, b], group-by: [u], timespan: 6m, condition: {field: v, gte: 3}}\n"
		"---\ntitle: renamed\nid: 1\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 1m, condition: {gte: 3}}\n";
	static const struct stream_hit hit[] = {
		{ .time_ns = STREAM_T0, .index = 0, .u = "bob", .v = "1" },
		{ .time_ns = STREAM_T0 + VG_SEC, .index = 1, .u = "bob", .v = "2" },
		{ .time_ns = STREAM_T0 + 2 * VG_SEC, .index = 2, .u = "bob", .v = "3" },
	};
	struct stream_rules r, other;
	struct vg_correlator *c;
	struct vg_buf b = { 0 };
	uint64_t lost = 0;
	struct run x;

	(void)state;
	stream_rules_init(&r, stream_correlations);
	stream_rules_init(&other, now);
	begin(&x, &r);
	c = vg_correlator_new(&r.p, LIMIT, on_hit, &x);
	take(&x, c, &hit[0]);
	take(&x, c, &hit[1]);
	assert_int_equal(x.said.n, 0);
	vg_correlator_save(c, &r.id, &b);
	vg_correlator_free(c);
	end(&x);
	begin(&x, &other);
	assert_int_equal(vg_correlator_load(&other.p, &other.id, LIMIT, on_hit, &x, vg_buf_str(&b), &lost, &c), VG_OK);
	assert_true(lost >= 5);
	take(&x, c, &hit[2]);
	assert_int_equal(x.said.n, 1);
	assert_string_equal(x.said.line[0], "renamed u=bob 0..2000000000 3 3 #0 #1 #2");
	vg_correlator_free(c);
	end(&x);
	vg_buf_fini(&b);
	stream_rules_fini(&r);
	stream_rules_fini(&other);
}

static void
damage_is_refused(void **state)
{
	struct stream_rules r;
	struct stream_hit *h = stream_make(3, 60, 8 * VG_SEC);
	struct vg_correlator *c, *out = NULL;
	struct vg_buf b = { 0 };
	struct run x;

	(void)state;
	stream_rules_init(&r, stream_correlations);
	begin(&x, &r);
	c = vg_correlator_new(&r.p, LIMIT, on_hit, &x);
	for (size_t i = 0; i < 60; i++)
		take(&x, c, &h[i]);
	vg_correlator_save(c, &r.id, &b);
	for (size_t n = 0; n < b.n; n++) {
		char *part = malloc(n + 1);

		memcpy(part, b.p, n);
		part = realloc(part, n ? n : 1);
		assert_int_equal(vg_correlator_load(&r.p, &r.id, LIMIT, on_hit, &x, (vg_str){ part, n }, NULL, &out), VG_E_FORMAT);
		free(part);
	}
	for (size_t i = 0; i < b.n; i++) { /* a flipped bit is refused, or is another state that can be gone on with */
		b.p[i] ^= (char)(1 << i % 8);
		if (vg_correlator_load(&r.p, &r.id, LIMIT, on_hit, &x, vg_buf_str(&b), NULL, &out) == VG_OK) {
			assert_int_equal(vg_correlator_end(out), VG_OK);
			vg_correlator_free(out);
		}
		b.p[i] ^= (char)(1 << i % 8);
	}
	vg_correlator_free(c);
	vg_buf_fini(&b);
	end(&x);
	free(h);
	stream_rules_fini(&r);
}

/* Matches of different groups in any order: the eager one says what one in order says, of all that needs no window's end. */
static void
order_within_groups_is_enough(void **state)
{
	static const char rules[] =
		"title: count\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 1m, condition: {gte: 3}}\n"
		"---\ntitle: order\ncorrelation: {type: temporal_ordered, rules: [a, b, c], group-by: [u], timespan: 5m}\n"
		"---\ntitle: few\ncorrelation: {type: event_count, rules: [c], group-by: [u], timespan: 3m, condition: {lt: 2}}\n";
	static const struct stream_hit hit[] = {
		{ .time_ns = STREAM_T0 + 100 * VG_SEC, .index = 0, .base = 0, .u = "x" },
		{ .time_ns = STREAM_T0 + 1, .index = 1, .base = 0, .u = "y" },
		{ .time_ns = STREAM_T0 + 101 * VG_SEC, .index = 2, .base = 0, .u = "x" },
		{ .time_ns = STREAM_T0 + 2, .index = 3, .base = 0, .u = "y" },
		{ .time_ns = STREAM_T0 + 9999 * VG_SEC, .index = 4, .base = 0, .u = "z" },
		{ .time_ns = STREAM_T0 + 3, .index = 5, .base = 0, .u = "y" },
		{ .time_ns = STREAM_T0 + 102 * VG_SEC, .index = 6, .base = 0, .u = "x" },
		{ .time_ns = STREAM_T0 + 8 * VG_SEC, .index = 7, .base = 1, .u = "w" },
		{ .time_ns = STREAM_T0 + 7 * VG_SEC, .index = 8, .base = 0, .u = "w" }, /* before that b, which no chain waited for */
	};
	struct stream_rules r;
	struct vg_correlator *c;
	uint8_t skip[8] = { 0 };
	struct run x;

	(void)state;
	stream_rules_init(&r, rules);
	begin(&x, &r);
	c = vg_correlator_new(&r.p, LIMIT, on_hit, &x);
	assert_int_equal(vg_correlator_parts(c), 3);
	vg_correlator_eager(c);
	for (size_t i = 0; i < VG_COUNT(hit); i++) {
		unsigned sum = 0;

		stream_event(&x.event, &hit[i]);
		assert_int_equal(vg_correlator_hit_eager(c, r.base[hit[i].base], hit[i].time_ns, &x.event, i + 1, skip), VG_OK);
		for (size_t j = 0; j < sizeof(skip); j++)
			sum += skip[j];
		assert_int_equal(sum, i == VG_COUNT(hit) - 1);
	}
	assert_int_equal(x.said.n, 2);
	assert_string_equal(x.said.line[0], "count u=y 1..3 3 3 #1 #3 #5");
	vg_correlator_expire(c, STREAM_T0 + 102 * VG_SEC);
	assert_true(vg_correlator_bytes(c) > 0);
	vg_correlator_expire(c, STREAM_T0 + 9999 * VG_SEC);
	assert_int_equal(vg_correlator_bytes(c), 0);
	vg_correlator_free(c);
	end(&x);
	stream_rules_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_speaks),
		cmocka_unit_test(a_saved_one_goes_on),
		cmocka_unit_test(changed_correlations_are_forgotten),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(order_within_groups_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
