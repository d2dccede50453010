/* States that are loaded after a restart.  The first byte chooses: c, a correlator's; C, changes to a sound one, three bytes of place, one
 * of value, again and again; l and L, the same of trace/live.h.  What is always true: what loads can be gone on with, and what is saved
 * then loads. */
#include "trace/live.h"

#include <assert.h>

#include "choose.h"
#include "../test/unit/detect/stream.h"

#define LIMIT ((size_t)8 << 20)
#define HITS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct stream_rules rules;
static struct stream_hit *hits;
static struct vg_buf sound, sound_live;
static struct vg_arena arena;
static struct vg_event event;

static vg_rc
on_hit(void *ctx, const struct vg_corr_hit *h)
{
	(void)ctx;
	assert(h->nby <= VG_COUNT(h->by_name) && h->nevidence <= VG_COUNT(h->evidence));
	return VG_OK;
}

/* A store that keeps nothing. */
static vg_rc put(void *ctx, const struct vg_live_hit *h, bool *was) { (void)ctx, (void)h; *was = false; return VG_OK; }
static vg_rc
each(void *ctx, uint32_t tenant, int64_t from_ns, int64_t to_ns, const uint64_t *rule, size_t nrule, vg_live_hit_fn *fn, void *arg)
{
	(void)ctx, (void)tenant, (void)from_ns, (void)to_ns, (void)rule, (void)nrule, (void)fn, (void)arg;
	return VG_OK;
}
static vg_rc count(void *ctx, uint32_t tenant, uint64_t *out) { (void)ctx, (void)tenant; *out = 0; return VG_OK; }
static vg_rc nth(void *ctx, uint32_t tenant, uint64_t n, int64_t *out) { (void)ctx, (void)tenant, (void)n, (void)out; return VG_E_NOTFOUND; }
static vg_rc drop(void *ctx, uint32_t tenant, int64_t at, uint64_t *n) { (void)ctx, (void)tenant, (void)at; *n = 0; return VG_OK; }
static vg_rc tell(void *ctx, uint32_t tenant, const struct vg_live_told *t, bool *was) { (void)ctx, (void)tenant, (void)t; *was = false; return VG_OK; }
static vg_rc untell(void *ctx, uint32_t tenant, const struct vg_live_told *t) { (void)ctx, (void)tenant, (void)t; return VG_OK; }
static vg_rc
each_told(void *ctx, uint32_t tenant, int64_t from_ns, int64_t to_ns, vg_live_told_fn *fn, void *arg)
{
	(void)ctx, (void)tenant, (void)from_ns, (void)to_ns, (void)fn, (void)arg;
	return VG_OK;
}
static vg_rc on_signal(void *ctx, const struct vg_live_signal *s) { return on_hit(ctx, &s->hit); }
static vg_rc on_withdraw(void *ctx, uint32_t tenant, const uint8_t id[VG_LIVE_ID_BYTES]) { (void)ctx, (void)tenant, (void)id; return VG_OK; }

static struct vg_live *
new_live(void)
{
	static const struct vg_live_store store = { NULL, put, each, count, nth, drop, tell, untell, each_told };
	static const struct vg_live_out out = { NULL, on_signal, on_withdraw };
	struct vg_live *l = NULL;

	if (vg_live_new(&rules.p, rules.keys, NULL, &store, &out, &l) != VG_OK)
		abort();
	return l;
}

static void
feed(struct vg_correlator *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (stream_feed(c, &rules, &event, &hits[i], i + 1) != VG_OK)
			abort();
}

static void
feed_live(struct vg_live *l, size_t from, size_t to)
{
	struct vg_buf wire = { 0 };

	for (size_t i = from; i < to; i++) {
		stream_event(&event, &hits[i]);
		vg_buf_clear(&wire);
		vg_wire_encode(&wire, &event, NULL, 0);
		if (vg_live_hit(l, (uint32_t)i % 3, rules.base[hits[i].base], hits[i].time_ns, i + 1, vg_buf_str(&wire)) != VG_OK)
			abort();
	}
	vg_buf_fini(&wire);
}

static void
prepare(void)
{
	struct vg_correlator *c;
	struct vg_live *l;

	if (hits)
		return;
	stream_rules_init(&rules, stream_correlations);
	hits = stream_make(1, HITS, 8 * VG_SEC);
	vg_arena_init(&arena, 1 << 20);
	vg_event_init(&event, &arena, rules.keys);
	c = vg_correlator_new(&rules.p, LIMIT, on_hit, NULL);
	l = new_live();
	if (c == NULL)
		abort();
	feed(c, 0, HITS / 2);
	feed_live(l, 0, HITS / 2);
	vg_correlator_save(c, &rules.id, &sound);
	if (vg_live_tick(l, hits[0].time_ns, 0) != VG_OK || vg_live_save(l, &sound_live) != VG_OK)
		abort();
	vg_correlator_free(c);
	vg_live_free(l);
}

static void
correlator(vg_str s)
{
	struct vg_correlator *c = NULL, *again = NULL;
	struct vg_buf b = { 0 }, same = { 0 };

	if (vg_correlator_load(&rules.p, &rules.id, LIMIT, on_hit, NULL, s, NULL, &c) != VG_OK)
		return;
	vg_correlator_save(c, &rules.id, &b);
	assert(vg_correlator_load(&rules.p, &rules.id, LIMIT, on_hit, NULL, vg_buf_str(&b), NULL, &again) == VG_OK);
	vg_correlator_save(again, &rules.id, &same);
	assert(b.rc == VG_OK && vg_str_eq(vg_buf_str(&b), vg_buf_str(&same)));
	feed(c, HITS / 2, HITS);
	assert(vg_correlator_end(c) == VG_OK);
	vg_correlator_free(c);
	vg_correlator_free(again);
	vg_buf_fini(&b);
	vg_buf_fini(&same);
}

static void
live(vg_str s)
{
	struct vg_live *l = new_live();
	struct vg_buf b = { 0 };
	uint64_t seq;

	if (vg_live_load(l, s, &seq) == VG_OK) {
		struct vg_live *again = new_live();

		assert(vg_live_save(l, &b) == VG_OK && vg_live_load(again, vg_buf_str(&b), &seq) == VG_OK);
		vg_live_free(again);
		feed_live(l, HITS / 2, HITS);
		if (vg_live_tick(l, hits[HITS - 1].time_ns, 0) != VG_OK)
			abort();
	}
	vg_live_free(l);
	vg_buf_fini(&b);
}

/* @s says what to change in @what. */
static void
changed(vg_str s, vg_str what, void (*parse)(vg_str s))
{
	char *p = malloc(what.n);

	if (p == NULL)
		abort();
	memcpy(p, what.p, what.n);
	for (size_t i = 0; i + 4 <= s.n; i += 4)
		p[((size_t)(uint8_t)s.p[i] << 16 | (size_t)(uint8_t)s.p[i + 1] << 8 | (uint8_t)s.p[i + 2]) % what.n] = s.p[i + 3];
	parse(vg_str_mem(p, what.n));
	free(p);
}

static void
correlator_changed(vg_str s)
{
	changed(s, vg_buf_str(&sound), correlator);
}

static void
live_changed(vg_str s)
{
	changed(s, vg_buf_str(&sound_live), live);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'c', correlator }, { 'C', correlator_changed }, { 'l', live }, { 'L', live_changed },
						      { 0, NULL } };

	prepare();
	return fuzz_choose(choices, data, n);
}
