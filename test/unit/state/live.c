/* trace/live.h over state/hits.h: whatever order hits come in, whatever restarts there are, what was told less what was withdrawn is what
 * one run over all hits in order tells. */
#include "trace/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../detect/stream.h"
#include "state/hits.h"
#include "state/signals.h"

#define TENANTS 2
#define LIMIT ((size_t)64 << 20)

struct told { /* a signal as the caller keeps it */
	uint32_t tenant;
	uint8_t id[VG_LIVE_ID_BYTES];
	bool late;
	uint32_t rule;
	char *line; /* owned */
};

struct record {
	struct told *t; /* owned */
	size_t n, cap;
	size_t nlate;
};

struct arrival {
	const struct stream_hit *h;
	uint32_t tenant;
};

struct world {
	struct stream_rules r;
	struct vg_live_options o;
	sqlite3 *db;
	struct vg_hits *hits;
	struct vg_live *live;
	struct record rec;
	struct stream_hit *hit[TENANTS]; /* owned */
	size_t n;                        /* of each */
	uint32_t ntenant;
	struct arrival *a;               /* owned: in order of arrival; its number and one is its seq */
	size_t na;
	uint32_t *index;                 /* of a seq's hit; owned */
	struct vg_arena arena;
	struct vg_event event;
	struct vg_buf wire;
	struct vg_live_counts counts;    /* of lives that are over */
	bool eager_only;                 /* compare what needs no window's end */
	int64_t until_ns;                /* compare what has arrived by then; 0: all */
	const char *but;                 /* not what begins so */
};

/* ---- what is told ---- */

static struct told *
find(struct record *r, uint32_t tenant, const uint8_t *id)
{
	for (size_t i = r->n; i-- > 0;)
		if (r->t[i].tenant == tenant && memcmp(r->t[i].id, id, VG_LIVE_ID_BYTES) == 0)
			return &r->t[i];
	return NULL;
}

static vg_rc
on_signal(void *ctx, const struct vg_live_signal *s)
{
	struct world *w = ctx;
	struct record *r = &w->rec;

	assert_null(find(r, s->tenant, s->id)); /* nothing is told twice */
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->t = realloc(r->t, r->cap * sizeof(*r->t));
		assert_non_null(r->t);
	}
	r->t[r->n] = (struct told){ .tenant = s->tenant, .late = s->late, .rule = s->hit.rule, .line = stream_line(&w->r.p, &s->hit, w->index, 0) };
	memcpy(r->t[r->n++].id, s->id, VG_LIVE_ID_BYTES);
	r->nlate += s->late;
	return VG_OK;
}

static vg_rc
on_withdraw(void *ctx, uint32_t tenant, const uint8_t id[VG_LIVE_ID_BYTES])
{
	struct world *w = ctx;
	struct told *t = find(&w->rec, tenant, id);

	assert_non_null(t);
	free(t->line);
	*t = w->rec.t[--w->rec.n];
	return VG_OK;
}

/* ---- the live side ---- */

static void
start(struct world *w)
{
	struct vg_live_out out = { w, on_signal, on_withdraw };
	struct vg_live_store store;

	assert_int_equal(vg_hits_open(w->db, &w->hits), VG_OK);
	store = vg_hits_store(w->hits);
	assert_int_equal(vg_live_new(&w->r.p, w->r.keys, &w->o, &store, &out, &w->live), VG_OK);
}

static void
stop(struct world *w)
{
	struct vg_live_counts n;

	vg_live_counts(w->live, &n);
	w->counts.late += n.late;
	w->counts.disorder += n.disorder;
	w->counts.withdrawn += n.withdrawn;
	w->counts.told += n.told;
	w->counts.again += n.again;
	w->counts.dropped += n.dropped;
	w->counts.refused += n.refused;
	w->counts.expired += n.expired;
	w->counts.replayed += n.replayed;
	w->counts.bytes = n.bytes;
	vg_live_free(w->live);
	vg_hits_free(w->hits);
}

static void
begin(struct world *w, uint64_t seed, size_t n, int64_t every_ns, uint32_t ntenant)
{
	char why[200];

	*w = (struct world){ .n = n, .ntenant = ntenant, .o.hold_ns = seed % 2 ? 0 : 20 * VG_SEC }; /* at the end it makes no difference */
	stream_rules_init(&w->r, stream_correlations);
	assert_int_equal(vg_signals_open(":memory:", false, why, &w->db), VG_OK);
	for (uint32_t t = 0; t < ntenant; t++)
		w->hit[t] = stream_make(seed + t, n, every_ns);
	vg_arena_init(&w->arena, 1 << 20);
	vg_event_init(&w->event, &w->arena, w->r.keys);
}

static int
arrival_cmp(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	if (x->h->arrives_ns != y->h->arrives_ns)
		return x->h->arrives_ns < y->h->arrives_ns ? -1 : 1;
	return x->tenant != y->tenant ? (x->tenant < y->tenant ? -1 : 1) : (x->h->index > y->h->index) - (x->h->index < y->h->index);
}

static void
line_up(struct world *w)
{
	w->na = w->n * w->ntenant;
	w->a = calloc(w->na, sizeof(*w->a));
	w->index = calloc(w->na + 1, sizeof(*w->index));
	for (size_t i = 0; i < w->na; i++)
		w->a[i] = (struct arrival){ &w->hit[i / w->n][i % w->n], (uint32_t)(i / w->n) };
	qsort(w->a, w->na, sizeof(*w->a), arrival_cmp);
	for (size_t i = 0; i < w->na; i++)
		w->index[i + 1] = w->a[i].h->index;
}

static void
arrive(struct world *w, size_t i)
{
	const struct stream_hit *h = w->a[i].h;

	stream_event(&w->event, h);
	vg_buf_clear(&w->wire);
	vg_wire_encode(&w->wire, &w->event, NULL, 0);
	for (uint8_t b = h->base; b <= h->end; b++)
		assert_int_equal(vg_live_hit(w->live, w->a[i].tenant, w->r.base[b], h->time_ns, i + 1, vg_buf_str(&w->wire)), VG_OK);
}

static void
tick(struct world *w, int64_t now_ns)
{
	assert_int_equal(vg_live_tick(w->live, now_ns, now_ns), VG_OK);
}

/* All time passes. */
static void
finish(struct world *w)
{
	int64_t now_ns = w->a[w->na - 1].h->arrives_ns;

	for (int i = 1; i < 5; i++)
		tick(w, now_ns + i * VG_DAY);
	stop(w);
}

/* What one run in order says, less what is not for people; and what was told. */

struct plain {
	struct world *w;
	const struct vg_correlator *c;
	struct stream_lines said;
};

static vg_rc
on_plain(void *ctx, const struct vg_corr_hit *h)
{
	struct plain *p = ctx;

	const struct vg_rule *r = &p->w->r.p.rule[h->rule];

	if (p->w->but && vg_str_starts(vg_program_str(&p->w->r.p, r->title), vg_str_of(p->w->but)))
		return VG_OK;
	if ((r->flags & VG_RULE_REPORT) && !(p->w->eager_only && vg_correlator_slow(p->c, r->corr)))
		stream_lines_add(&p->said, stream_line(&p->w->r.p, h, NULL, 1));
	return VG_OK;
}

static bool
is_as_in_order(struct world *w)
{
	bool ok = true;

	for (uint32_t t = 0; t < w->ntenant; t++) {
		struct plain p = { .w = w };
		struct stream_lines told = { 0 };
		struct vg_correlator *c = vg_correlator_new(&w->r.p, LIMIT, on_plain, &p);

		p.c = c;
		for (size_t i = 0; i < w->n; i++)
			if (w->until_ns == 0 || w->hit[t][i].arrives_ns <= w->until_ns)
				assert_int_equal(stream_feed(c, &w->r, &w->event, &w->hit[t][i], i + 1), VG_OK);
		assert_int_equal(vg_correlator_end(c), VG_OK);
		assert_int_equal(vg_correlator_dropped(c), 0);
		for (size_t i = 0; i < w->rec.n; i++) {
			const struct told *s = &w->rec.t[i];

			if (s->tenant == t && !(w->but && strncmp(s->line, w->but, strlen(w->but)) == 0) &&
			    !(w->eager_only && vg_correlator_slow(c, w->r.p.rule[s->rule].corr)))
				stream_lines_add(&told, strdup(s->line));
		}
		vg_correlator_free(c);
		assert_true(p.said.n > 100 || w->until_ns);
		ok &= stream_lines_same(&told, &p.said);
		stream_lines_fini(&told);
		stream_lines_fini(&p.said);
	}
	return ok && w->counts.dropped == 0 && w->counts.refused == 0;
}

static void
end(struct world *w)
{
	for (size_t i = 0; i < w->rec.n; i++)
		free(w->rec.t[i].line);
	free(w->rec.t);
	for (uint32_t t = 0; t < w->ntenant; t++)
		free(w->hit[t]);
	free(w->a);
	free(w->index);
	vg_buf_fini(&w->wire);
	vg_arena_fini(&w->arena);
	stream_rules_fini(&w->r);
	assert_int_equal(sqlite3_close(w->db), SQLITE_OK);
}

/* What was told by now is right already, but for what waits for a window's end. */
static void
check_now(struct world *w, int64_t now_ns)
{
	for (int i = 1; i < 3; i++)
		assert_int_equal(vg_live_tick(w->live, now_ns, now_ns + i * VG_DAY), VG_OK);
	w->eager_only = true;
	w->until_ns = now_ns;
	assert_true(is_as_in_order(w));
	w->eager_only = false;
	w->until_ns = 0;
}

/* Every hit arrives, and time passes beside; now and then what was told so far is compared (0: never). */
static void
play_and_check(struct world *w, uint64_t seed, size_t every)
{
	int64_t next_ns = INT64_MIN;

	for (size_t i = 0; i < w->na; i++) {
		int64_t now_ns = w->a[i].h->arrives_ns;

		if (now_ns >= next_ns) {
			tick(w, now_ns);
			next_ns = now_ns + (int64_t)(stream_random(&seed) % (uint64_t)(20 * VG_SEC));
		}
		arrive(w, i);
		if (every && i % every == every - 1)
			check_now(w, now_ns);
	}
}

static void
play(struct world *w, uint64_t seed)
{
	play_and_check(w, seed, 0);
}

static void
delay(struct world *w, uint64_t seed, int64_t up_to_ns)
{
	for (uint32_t t = 0; t < w->ntenant; t++)
		for (size_t i = 0; i < w->n; i++)
			w->hit[t][i].arrives_ns += (int64_t)(stream_random(&seed) % (uint64_t)(up_to_ns + 1));
}

static void
delay_user(struct world *w, const char *user, int64_t by_ns)
{
	for (uint32_t t = 0; t < w->ntenant; t++)
		for (size_t i = 0; i < w->n; i++)
			if (strcmp(w->hit[t][i].u, user) == 0)
				w->hit[t][i].arrives_ns += by_ns;
}

/* ---- what is true ---- */

static void
in_order_nothing_is_withdrawn(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct world w;

		begin(&w, seed, 1000, 8 * VG_SEC, 1);
		line_up(&w);
		start(&w);
		play(&w, seed);
		finish(&w);
		assert_true(is_as_in_order(&w));
		assert_int_equal(w.counts.withdrawn, 0);
		assert_int_equal(w.counts.late, 0);
		assert_int_equal(w.counts.disorder, 0);
		assert_int_equal(w.counts.bytes, 0); /* all is over */
		end(&w);
	}
}

static void
a_signal_comes_with_its_hit(void **state)
{
	struct world w;
	size_t eager = 0;

	(void)state;
	begin(&w, 7, 600, 8 * VG_SEC, 1);
	line_up(&w);
	start(&w);
	for (size_t i = 0; i < w.na; i++) { /* time stands still */
		arrive(&w, i);
		if (w.rec.n > eager)
			eager = w.rec.n;
	}
	assert_true(eager > 100);
	finish(&w);
	assert_true(is_as_in_order(&w));
	assert_true(w.rec.n > eager); /* what only a window's end tells */
	end(&w);
}

/* A little disorder on the way costs nothing when hits wait for the next tick, and what is told is right two ticks later. */
static void
what_crossed_on_its_way_is_put_in_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++)
		for (int held = 0; held < 2; held++) {
			struct world w;
			int64_t next_ns = INT64_MIN;

			begin(&w, seed, 1500, VG_SEC, 1);
			w.o.hold_ns = held ? 20 * VG_SEC : 0;
			delay(&w, seed, 15 * VG_SEC);
			line_up(&w);
			start(&w);
			for (size_t i = 0; i < w.na; i++) {
				if (w.a[i].h->arrives_ns >= next_ns) {
					tick(&w, w.a[i].h->arrives_ns);
					next_ns = w.a[i].h->arrives_ns + 20 * VG_SEC;
				}
				arrive(&w, i);
				if (i % 500 == 499)
					check_now(&w, w.a[i].h->arrives_ns);
			}
			finish(&w);
			assert_true(is_as_in_order(&w));
			assert_int_equal(w.counts.late, 0);
			if (!held)
				assert_true(w.counts.disorder > 100);
			else
				assert_true(w.counts.disorder < 20); /* about where this test looked before it was time */
			end(&w);
		}
}

static void
shuffled_within_ten_minutes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct world w;

		begin(&w, seed, 1000, 8 * VG_SEC, 1);
		delay(&w, seed, 10 * VG_MIN);
		line_up(&w);
		start(&w);
		play(&w, seed);
		check_now(&w, w.a[w.na - 1].h->arrives_ns);
		finish(&w);
		assert_true(is_as_in_order(&w));
		assert_int_equal(w.counts.late, 0);
		assert_int_equal(w.rec.nlate, 0);
		assert_true(w.counts.disorder > 50);
		end(&w);
	}
}

/* What is made anew is right by itself, and does not wait for the settled one to say so. */
static void
repaired_before_it_is_settled(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct world w;

		begin(&w, seed, 1000, 8 * VG_SEC, 1);
		w.o.hold_ns = 0;
		w.o.wait_ns = 100 * VG_DAY;
		w.eager_only = true;
		delay(&w, seed, seed % 2 ? 10 * VG_MIN : 5 * VG_SEC);
		line_up(&w);
		start(&w);
		play(&w, seed);
		finish(&w);
		assert_true(is_as_in_order(&w));
		assert_true(w.counts.disorder > 10);
		end(&w);
	}
}

/* Late by so little that what they change is going on. */
static void
a_little_late(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct world w;

		begin(&w, seed, 1000, 6 * VG_SEC, 1);
		w.o.dirty_bytes = seed > 3; /* no room for the names of groups: all are made anew */
		delay_user(&w, "h0", 16 * VG_MIN);
		delay_user(&w, "eve", 25 * VG_MIN);
		line_up(&w);
		start(&w);
		play_and_check(&w, seed, 90);
		finish(&w);
		assert_true(is_as_in_order(&w));
		assert_true(w.counts.late > 50);
		end(&w);
	}
}

static void
one_host_three_days_late(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct world w;

		begin(&w, seed, 1000, seed % 2 ? 8 * VG_SEC : 4 * VG_MIN, 1); /* over 3 hours, and over 4 days */
		if (seed > 3)
			delay(&w, seed, 8 * VG_MIN);
		delay_user(&w, "h0", 3 * VG_DAY);
		line_up(&w);
		start(&w);
		play(&w, seed);
		finish(&w);
		assert_true(is_as_in_order(&w));
		assert_true(w.counts.late > 50);
		assert_true(w.rec.nlate > 5);
		end(&w);
	}
}

/* A new one goes on from @saved. */
static uint64_t
restart(struct world *w, const struct vg_buf *saved)
{
	uint64_t seq = 0;

	stop(w);
	start(w);
	if (saved->n)
		assert_int_equal(vg_live_load(w->live, vg_buf_str(saved), &seq), VG_OK);
	return seq;
}

/* Saved at some places; at others it dies, and what came after the last saving comes again.  The store keeps what it had. */
static void
restarts_at_any_place(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		uint64_t rnd = seed, deaths = 0;
		struct vg_buf saved = { 0 };
		size_t last = 1190;
		struct world w;

		begin(&w, seed, 1200, seed % 2 ? 8 * VG_SEC : 4 * VG_MIN, 1);
		if (seed > 2)
			delay(&w, seed, 9 * VG_MIN);
		if (seed > 5)
			delay_user(&w, "h0", 3 * VG_DAY);
		line_up(&w);
		start(&w);
		for (size_t i = 0; i < w.na; i++) {
			uint64_t what = stream_random(&rnd);

			if (what % 3 == 0)
				tick(&w, w.a[i].h->arrives_ns);
			arrive(&w, i);
			if (what / 3 % 150 == 0) {
				vg_buf_clear(&saved);
				assert_int_equal(vg_live_save(w.live, &saved), VG_OK);
			}
			if ((what / 3 % 150 == 1 && deaths++ < 12) || i == last) {
				last = i == last ? 0 : last;
				i = (size_t)restart(&w, &saved) - 1; /* the hit of the saved seq was the last one */
			}
		}
		check_now(&w, w.a[w.na - 1].h->arrives_ns);
		finish(&w);
		assert_true(deaths > 2);
		assert_true(seed > 2 || w.counts.withdrawn == 0);
		assert_true(is_as_in_order(&w));
		vg_buf_fini(&saved);
		end(&w);
	}
}

static void
a_lost_state_is_made_from_the_store(void **state)
{
	struct vg_buf none = { 0 };
	struct world w;

	(void)state;
	begin(&w, 5, 1000, 8 * VG_SEC, 1);
	line_up(&w);
	start(&w);
	for (size_t i = 0; i < w.na; i++) {
		arrive(&w, i);
		if (i % 10 == 0)
			tick(&w, w.a[i].h->arrives_ns);
		if (i == 700)
			(void)restart(&w, &none);
	}
	finish(&w);
	assert_true(is_as_in_order(&w));
	end(&w);
}

/* Other rules in the middle: what stayed as it was, in whatever row, goes on. */
static void
reloaded_rules_go_on(void **state)
{
	static const char first[] = /* "count" has another span, and another row */
		"title: x\nid: x\ncorrelation: {type: event_count, rules: [c], group-by: [v], timespan: 1m, condition: {gte: 1000}}\n"
		"---\ntitle: count\nid: 1\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 90s, condition: {gte: 3}}\n";
	char *text = malloc(sizeof(first) + sizeof(stream_correlations));
	struct vg_live_counts n;
	struct vg_buf saved = { 0 };
	struct stream_rules old;
	struct world w;
	uint64_t seq;

	(void)state;
	sprintf(text, "%s%s", first, strstr(stream_correlations, "---\n"));
	begin(&w, 6, 1000, 8 * VG_SEC, 1);
	w.but = "count";
	delay(&w, 6, 9 * VG_MIN);
	line_up(&w);
	start(&w);
	for (size_t i = 0; i < w.na; i++) {
		tick(&w, w.a[i].h->arrives_ns);
		arrive(&w, i);
		if (i != 600)
			continue;
		assert_int_equal(vg_live_save(w.live, &saved), VG_OK);
		stop(&w);
		old = w.r;
		stream_rules_init(&w.r, text);
		vg_event_init(&w.event, &w.arena, w.r.keys);
		start(&w);
		assert_int_equal(vg_live_load(w.live, vg_buf_str(&saved), &seq), VG_OK);
		assert_int_equal(seq, 601);
		vg_live_counts(w.live, &n);
		assert_true(n.forgotten > 0);
		stream_rules_fini(&old);
	}
	finish(&w);
	assert_true(is_as_in_order(&w));
	vg_buf_fini(&saved);
	end(&w);
	free(text);
}

static void
two_tenants_know_nothing_of_each_other(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct world w;

		begin(&w, seed, 800, 8 * VG_SEC, TENANTS);
		delay(&w, seed, 10 * VG_MIN);
		delay_user(&w, "eve", 2 * VG_HOUR);
		line_up(&w);
		start(&w);
		play(&w, seed);
		finish(&w);
		assert_true(is_as_in_order(&w));
		end(&w);
	}
}

/* Equal hits at equal times in two tenants: equal signals under different ids. */
static void
equal_tenants_have_different_ids(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 9, 300, 8 * VG_SEC, TENANTS);
	memcpy(w.hit[1], w.hit[0], w.n * sizeof(*w.hit[0]));
	line_up(&w);
	start(&w);
	play(&w, 9);
	finish(&w);
	assert_true(is_as_in_order(&w));
	for (size_t i = 0; i < w.rec.n; i++)
		for (size_t j = 0; j < i; j++)
			assert_true(memcmp(w.rec.t[i].id, w.rec.t[j].id, VG_LIVE_ID_BYTES) != 0);
	end(&w);
}

static void
old_hits_are_dropped_and_excess_is_counted(void **state)
{
	struct world w;
	uint64_t n;

	(void)state;
	begin(&w, 2, 1500, 4 * VG_MIN, 1);
	w.o.keep_ns = VG_DAY;
	line_up(&w);
	start(&w);
	play(&w, 2);
	tick(&w, w.a[w.na - 1].h->arrives_ns + VG_HOUR);
	assert_int_equal(vg_hits_store(w.hits).count(w.hits, 0, &n), VG_OK);
	assert_true(n > 100 && n < 600); /* of about 4 days */
	finish(&w);
	assert_true(is_as_in_order(&w));
	assert_int_equal(w.counts.expired, 0);
	end(&w);

	begin(&w, 2, 1500, 4 * VG_MIN, 1);
	w.o.hits_max = 200;
	line_up(&w);
	start(&w);
	play(&w, 2);
	assert_int_equal(vg_hits_store(w.hits).count(w.hits, 0, &n), VG_OK);
	assert_true(n <= 250);
	finish(&w);
	assert_true(is_as_in_order(&w)); /* nothing came late: what is gone was settled */
	assert_true(w.counts.expired > 1000);
	end(&w);

	begin(&w, 2, 1500, VG_SEC, 1);
	w.o.hits_max = 200;
	line_up(&w);
	start(&w);
	play(&w, 2);
	finish(&w);
	assert_true(w.counts.refused > 100); /* none of them is settled */
	end(&w);
}

static void
memory_has_a_limit(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2, 1500, VG_SEC, 1);
	w.o.tenant_bytes = 20000;
	line_up(&w);
	start(&w);
	play(&w, 2);
	finish(&w);
	assert_true(w.counts.dropped > 100);
	end(&w);
	begin(&w, 2, 1500, VG_SEC, 1);
	w.o.bytes = 20000;
	line_up(&w);
	start(&w);
	play(&w, 2);
	finish(&w);
	assert_true(w.counts.dropped > 100);
	end(&w);
}

static void
damaged_state_is_refused(void **state)
{
	struct vg_buf saved = { 0 };
	struct world w;
	uint64_t seq;

	(void)state;
	begin(&w, 4, 100, 8 * VG_SEC, 1);
	line_up(&w);
	start(&w);
	play(&w, 4);
	tick(&w, w.a[w.na - 1].h->arrives_ns + 20 * VG_MIN);
	assert_int_equal(vg_live_save(w.live, &saved), VG_OK);
	for (size_t n = 0; n < saved.n; n++) {
		char *part = malloc(n + 1);

		memcpy(part, saved.p, n);
		assert_int_equal(vg_live_load(w.live, (vg_str){ part, n }, &seq), VG_E_FORMAT);
		free(part);
	}
	saved.p[4] = 2; /* a later version is no damage: nothing is made anew over it */
	assert_int_equal(vg_live_load(w.live, vg_buf_str(&saved), &seq), VG_E_UNSUP);
	saved.p[4] = 1;
	for (size_t at = 8; at + 8 < saved.n; at++)
		if (memcmp(saved.p + at, "VGCS", 4) == 0 && saved.p[at + 4] == VG_CORR_STATE_VERSION)
			saved.p[at + 4]++; /* within it, the correlator's own */
	assert_int_equal(vg_live_load(w.live, vg_buf_str(&saved), &seq), VG_E_UNSUP);
	finish(&w);
	vg_buf_fini(&saved);
	end(&w);
}

static uint64_t
stored(struct world *w, const char *table, uint32_t tenant)
{
	sqlite3_stmt *st;
	char sql[100];
	uint64_t n;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE tenant = %u", table, tenant);
	assert_int_equal(sqlite3_prepare_v2(w->db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void
a_forgotten_tenant_leaves_nothing(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	begin(&w, 7, 1000, 8 * VG_SEC, 2);
	line_up(&w);
	start(&w);
	for (size_t i = 0; i < w.na; i++) {
		if (i % 50 == 0)
			tick(&w, w.a[i].h->arrives_ns);
		if (i == w.na / 2) {
			assert_true(stored(&w, "live_hit", 1) > 0 && vg_live_tenant(w.live, 1, &id));
			assert_int_equal(vg_live_forget(w.live, 1), VG_OK);
			assert_true(vg_live_tenant(w.live, 0, &id) && id == 0 && !vg_live_tenant(w.live, 1, &id));
			assert_int_equal(stored(&w, "live_hit", 1) + stored(&w, "live_told", 1) + stored(&w, "live_known", 1), 0);
			assert_int_equal(vg_live_forget(w.live, 1), VG_OK); /* twice is nothing */
		}
		if (i < w.na / 2 || w.a[i].tenant == 0)
			arrive(&w, i);
	}
	finish(&w);
	w.ntenant = 1; /* the other is as if it had never been there */
	assert_true(is_as_in_order(&w));
	w.ntenant = 2;
	end(&w);
}

static void
of_drills_all_is_told(void **state)
{
	size_t with, without;
	struct world w;

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		begin(&w, 3, 500, 8 * VG_SEC, 2);
		w.o.drills = turn; /* 1: the second tenant is one */
		line_up(&w);
		start(&w);
		play(&w, 3);
		finish(&w);
		with = without = 0;
		for (size_t i = 0; i < w.rec.n; i++)
			*(w.r.p.rule[w.rec.t[i].rule].flags & VG_RULE_REPORT ? &with : &without) += w.rec.t[i].tenant == 1;
		assert_true(with > 0);
		assert_true(turn ? without > 0 : without == 0);
		end(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_nothing_is_withdrawn),
		cmocka_unit_test(a_signal_comes_with_its_hit),
		cmocka_unit_test(what_crossed_on_its_way_is_put_in_order),
		cmocka_unit_test(shuffled_within_ten_minutes),
		cmocka_unit_test(repaired_before_it_is_settled),
		cmocka_unit_test(a_little_late),
		cmocka_unit_test(one_host_three_days_late),
		cmocka_unit_test(restarts_at_any_place),
		cmocka_unit_test(a_lost_state_is_made_from_the_store),
		cmocka_unit_test(reloaded_rules_go_on),
		cmocka_unit_test(two_tenants_know_nothing_of_each_other),
		cmocka_unit_test(equal_tenants_have_different_ids),
		cmocka_unit_test(old_hits_are_dropped_and_excess_is_counted),
		cmocka_unit_test(memory_has_a_limit),
		cmocka_unit_test(damaged_state_is_refused),
		cmocka_unit_test(a_forgotten_tenant_leaves_nothing),
		cmocka_unit_test(of_drills_all_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
