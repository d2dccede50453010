/* trace/live_run.c - runs over stored hits: what settles, what is made anew, what came late; and how what they say is compared with
 * what was told. */
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/cur.h"
#include "event/wire.h"
#include "trace/live_impl.h"

#define RUN_BYTES ((size_t)16 << 20) /* of the texts of a run's signals */
#define GROUPS_BYTES ((size_t)32 << 20)
#define LOOKBACK_MAX 8               /* a search for a group's beginning reads at most so many spans at once */

typedef vg_rc hit_fn(void *ctx, uint32_t row, int64_t time_ns, uint64_t seq);

struct said { /* a signal of a run */
	struct vg_live_signal s;
	uint8_t group[VG_LIVE_ID_BYTES];
};

struct vg_live_run {
	struct vg_live_tenant *t;
	struct vg_correlator *c;           /* that is fed */
	const struct vg_live_dirty *only;  /* groups that count; NULL: all */
	uint32_t part;                     /* late: the part at hand */
	bool late;
	struct vg_arena arena;
	struct said *said; /* owned */
	size_t nsaid, cap;
	bool over;         /* a limit was met: nothing is withdrawn for not being here */
	uint64_t nhit;
	int64_t last_ns;   /* of the hits taken */
	bool stopped;
	int64_t span_ns, begin_ns; /* late: how long a group remembers; where the run begins */
	int64_t counts_ns;         /* what is said before it does not count */
};

/* ---- stored hits, in order ---- */

struct waiting { /* of one time and seq */
	uint32_t row;
	size_t off, len;
};

struct reader {
	struct vg_live *l;
	hit_fn *fn;
	void *ctx;
	int64_t time_ns;
	uint64_t seq;
	struct vg_buf wires, waiting;
};

static int
waiting_cmp(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	return (x->row > y->row) - (x->row < y->row);
}

/* The store has rules by name; a run over files has them by row. */
static vg_rc
hand_on(struct reader *r)
{
	struct waiting *w = (struct waiting *)(void *)r->waiting.p;
	size_t n = r->waiting.n / sizeof(*w);
	vg_rc rc = r->wires.rc != VG_OK ? r->wires.rc : r->waiting.rc;

	if (n > 1)
		qsort(w, n, sizeof(*w), waiting_cmp);
	for (size_t i = 0; i < n && rc == VG_OK; i++) {
		struct vg_cur in = vg_cur_of(r->wires.p + w[i].off, w[i].len);

		rc = vg_wire_decode(&in, &r->l->event);
		if (rc == VG_OK)
			rc = r->fn(r->ctx, w[i].row, r->time_ns, r->seq);
		else if (rc != VG_E_NOMEM) { /* it was sound when it was stored */
			r->l->gone_dropped++;
			rc = VG_OK;
		}
	}
	vg_buf_clear(&r->wires);
	vg_buf_clear(&r->waiting);
	return rc;
}

static bool
row_of(const struct vg_live *l, uint64_t name, uint32_t *row)
{
	size_t lo = 0, hi = l->nname;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (l->name[mid] < name)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == l->nname || l->name[lo] != name)
		return false;
	*row = l->row[lo];
	return true;
}

static vg_rc
on_stored(void *ctx, const struct vg_live_hit *h)
{
	struct reader *r = ctx;
	struct waiting w = { .len = h->wire.n };
	vg_rc rc;

	if (!row_of(r->l, h->rule, &w.row))
		return VG_OK;
	if (r->waiting.n && (h->time_ns != r->time_ns || h->seq != r->seq) && (rc = hand_on(r)) != VG_OK)
		return rc;
	r->time_ns = h->time_ns;
	r->seq = h->seq;
	w.off = r->wires.n;
	vg_buf_put(&r->wires, h->wire);
	vg_buf_mem(&r->waiting, &w, sizeof(w));
	r->l->n.replayed++;
	return VG_OK;
}

/* @part: of the rules that feed it; UINT32_MAX: of all. */
static vg_rc
read_hits(struct vg_live_tenant *t, int64_t from_ns, int64_t to_ns, uint32_t part, hit_fn *fn, void *ctx)
{
	struct vg_live *l = t->l;
	struct reader r = { .l = l, .fn = fn, .ctx = ctx };
	uint64_t *name = calloc(l->nname + 1, sizeof(*name));
	bool *feeds = calloc(l->p->nrule + 1, 1);
	size_t n = 0;
	vg_rc rc = VG_OK;

	if (name == NULL || feeds == NULL) {
		free(name);
		free(feeds);
		return VG_E_NOMEM;
	}
	for (uint32_t i = 0; i < l->p->ncorr; i++)
		for (uint32_t j = 0; j < l->p->corr[i].nref; j++)
			feeds[l->p->refs[l->p->corr[i].ref + j]] |= part == UINT32_MAX || vg_correlator_part(l->plain, i) == part;
	for (size_t i = 0; i < l->nname; i++)
		if (feeds[l->row[i]])
			name[n++] = l->name[i];
	if (from_ns <= to_ns)
		rc = l->store.each(l->store.ctx, t->id, from_ns, to_ns, name, n, on_stored, &r);
	if (rc == VG_OK)
		rc = hand_on(&r);
	vg_buf_fini(&r.wires);
	vg_buf_fini(&r.waiting);
	free(name);
	free(feeds);
	return rc;
}

/* ---- what is said ---- */

/* SHA-256 over the bytes in l->key, cut. */
static void
id_of(const struct vg_live *l, uint8_t out[VG_LIVE_ID_BYTES])
{
	uint8_t h[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)l->key.p, l->key.n, h);
	memcpy(out, h, VG_LIVE_ID_BYTES);
}

/* @key without the correlation's number, which is its row's. */
static void
group_id(struct vg_live *l, uint32_t corr, vg_str key, uint8_t out[VG_LIVE_ID_BYTES])
{
	vg_buf_clear(&l->key);
	vg_buf_mem(&l->key, l->id.corr[corr], VG_CORR_ID_BYTES);
	vg_buf_put(&l->key, vg_str_skip(key, sizeof(uint32_t)));
	id_of(l, out);
}

/* Name the signal @h. */
static vg_rc
name_signal(struct vg_live_tenant *t, const struct vg_corr_hit *h, struct said *out)
{
	struct vg_live *l = t->l;
	uint32_t corr = l->p->rule[h->rule].corr;
	struct vg_buf key = { 0 };

	*out = (struct said){ .s = { .tenant = t->id, .hit = *h } };
	for (uint32_t i = 0; i < h->nevidence; i++)
		out->s.hit.evidence[i]--; /* tokens are seqs and one: 0 is no token */
	vg_correlator_key(l->p, corr, h->by_value, &key);
	if (key.rc == VG_OK)
		group_id(l, corr, vg_buf_str(&key), out->group);
	vg_buf_clear(&l->key);
	vg_buf_le32(&l->key, t->id);
	vg_buf_le64(&l->key, l->id.rule[h->rule]);
	vg_buf_le64(&l->key, (uint64_t)h->first_ns);
	vg_buf_le64(&l->key, (uint64_t)h->last_ns);
	vg_buf_le64(&l->key, h->count);
	vg_buf_le32(&l->key, h->nevidence);
	vg_buf_mem(&l->key, out->s.hit.evidence, h->nevidence * sizeof(h->evidence[0]));
	for (uint32_t i = 0; i < h->nby; i++) /* as written: what is shown is part of what is said */
		vg_buf_le_str(&l->key, h->by_value[i]);
	if (key.rc == VG_OK && l->key.rc == VG_OK)
		id_of(l, out->s.id);
	else
		key.rc = VG_E_NOMEM;
	vg_buf_fini(&key);
	return key.rc;
}

static vg_rc
tell(struct vg_live_tenant *t, struct said *s)
{
	struct vg_live *l = t->l;
	struct vg_live_told told = { .last_ns = s->s.hit.last_ns };
	bool was;
	vg_rc rc;

	memcpy(told.id, s->s.id, sizeof(told.id));
	memcpy(told.corr, l->id.corr[l->p->rule[s->s.hit.rule].corr], sizeof(told.corr));
	memcpy(told.group, s->group, sizeof(told.group));
	if ((rc = l->store.tell(l->store.ctx, t->id, &told, &was)) != VG_OK || was)
		return rc;
	l->n.told++;
	return l->out.signal(l->out.ctx, &s->s);
}

static bool
is_reported(const struct vg_live_tenant *t, const struct vg_corr_hit *h)
{
	const struct vg_live *l = t->l;

	return (l->p->rule[h->rule].flags & VG_RULE_REPORT) || (l->o.drills && t->id >= l->o.drills);
}

vg_rc
vg_live_on_eager(void *ctx, const struct vg_corr_hit *h)
{
	struct vg_live_tenant *t = ctx;
	struct said s;
	vg_rc rc;

	if (!is_reported(t, h))
		return VG_OK;
	rc = name_signal(t, h, &s);
	return rc == VG_OK ? tell(t, &s) : rc;
}

/* Is the group of @h one of those that the run is about? */
static bool
counts(struct vg_live_run *r, const struct vg_corr_hit *h)
{
	struct vg_live *l = r->t->l;
	uint32_t corr = l->p->rule[h->rule].corr;

	if (!is_reported(r->t, h))
		return false;
	if (r->only == NULL || r->only->all)
		return true;
	vg_buf_clear(&l->key);
	vg_correlator_key(l->p, corr, h->by_value, &l->key);
	return l->key.rc == VG_OK && vg_live_dirty_has(r->only, vg_buf_str(&l->key));
}

static vg_rc
on_said(void *ctx, const struct vg_corr_hit *h)
{
	struct vg_live_run *r = ctx;
	struct said *s;
	vg_rc rc;

	if (h->last_ns < r->counts_ns || !counts(r, h))
		return VG_OK;
	if (r->nsaid == VG_LIVE_TOLD_MAX) {
		r->over = true;
		r->t->l->gone_dropped++;
		return VG_OK;
	}
	if (r->nsaid == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;

		if ((s = realloc(r->said, cap * sizeof(*s))) == NULL)
			return VG_E_NOMEM;
		r->said = s;
		r->cap = cap;
	}
	s = &r->said[r->nsaid];
	if ((rc = name_signal(r->t, h, s)) != VG_OK)
		return rc;
	s->s.late = r->late;
	for (uint32_t i = 0; i < h->nby; i++) {
		s->s.hit.by_value[i] = vg_str_dup(&r->arena, h->by_value[i]);
		if (s->s.hit.by_value[i].p == NULL) {
			r->over = true;
			r->t->l->gone_dropped++;
			return VG_OK;
		}
	}
	r->nsaid++;
	return VG_OK;
}

vg_rc
vg_live_on_settled(void *ctx, const struct vg_corr_hit *h)
{
	struct vg_live_tenant *t = ctx;

	return on_said(t->run, h);
}

/* ---- and compared ---- */

struct compare {
	struct vg_live_run *r;
	struct vg_map said;  /* ids */
	struct vg_map group; /* that the run is about, when it is not about all */
	bool grouped, named;
	bool all_slow;       /* slow ones are compared too */
	struct vg_buf gone;  /* struct vg_live_told */
};

/* Only when something was told: it takes a hash a group. */
static vg_rc
name_groups(struct compare *m)
{
	const struct vg_live_dirty *d = m->r->only;

	m->named = true;
	for (size_t i = 0; i < d->keys.cap; i++) {
		const struct vg_map_slot *s = &d->keys.slot[i];
		uint8_t group[VG_LIVE_ID_BYTES];
		uint32_t corr;

		if (s->value == VG_MAP_NONE)
			continue;
		memcpy(&corr, s->key.p, sizeof(corr));
		group_id(m->r->t->l, corr, s->key, group);
		if (vg_map_add(&m->group, vg_str_mem(group, sizeof(group)), 0, NULL) == VG_MAP_NONE)
			return VG_E_NOMEM;
	}
	return VG_OK;
}

static vg_rc
on_told(void *ctx, const struct vg_live_told *told)
{
	struct compare *m = ctx;
	const struct vg_live *l = m->r->t->l;
	uint32_t corr = 0;
	vg_rc rc;

	while (corr < l->p->ncorr && memcmp(l->id.corr[corr], told->corr, sizeof(told->corr)) != 0)
		corr++;
	if (corr == l->p->ncorr) /* of other rules than today's: it stands */
		return VG_OK;
	if (vg_correlator_slow(l->plain, corr) && !m->all_slow)
		return VG_OK;
	if (m->r->part != UINT32_MAX && vg_correlator_part(l->plain, corr) != m->r->part)
		return VG_OK;
	if (m->grouped && !m->named && (rc = name_groups(m)) != VG_OK)
		return rc;
	if (m->grouped && vg_map_find(&m->group, vg_str_mem(told->group, sizeof(told->group))) == VG_MAP_NONE)
		return VG_OK;
	if (vg_map_find(&m->said, vg_str_mem(told->id, sizeof(told->id))) == VG_MAP_NONE)
		vg_buf_mem(&m->gone, told, sizeof(*told));
	return m->gone.rc;
}

static vg_rc
withdraw_gone(struct compare *m)
{
	struct vg_live *l = m->r->t->l;
	const struct vg_live_told *told = (const struct vg_live_told *)(const void *)m->gone.p;
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < m->gone.n / sizeof(*told) && rc == VG_OK; i++) {
		rc = l->store.untell(l->store.ctx, m->r->t->id, &told[i]);
		if (rc == VG_OK)
			rc = l->out.withdraw(l->out.ctx, m->r->t->id, told[i].id);
		l->n.withdrawn++;
	}
	return rc;
}

/* What was told of the run's groups between the two times, and is not said now, is withdrawn; what is said and was not told is told. */
static vg_rc
compare(struct vg_live_run *r, int64_t from_ns, int64_t to_ns, bool all_slow)
{
	struct vg_live *l = r->t->l;
	struct compare m = { .r = r, .all_slow = all_slow, .grouped = r->only && !r->only->all };
	vg_rc rc = VG_OK;

	vg_map_init(&m.said, GROUPS_BYTES);
	vg_map_init(&m.group, GROUPS_BYTES);
	for (size_t i = 0; i < r->nsaid && rc == VG_OK; i++)
		if (vg_map_add(&m.said, vg_str_mem(r->said[i].s.id, VG_LIVE_ID_BYTES), 0, NULL) == VG_MAP_NONE)
			rc = VG_E_NOMEM;
	if (rc == VG_OK && !r->over)
		rc = l->store.each_told(l->store.ctx, r->t->id, from_ns, to_ns, on_told, &m);
	if (rc == VG_OK)
		rc = withdraw_gone(&m);
	for (size_t i = 0; i < r->nsaid && rc == VG_OK; i++)
		rc = tell(r->t, &r->said[i]);
	vg_map_fini(&m.said);
	vg_map_fini(&m.group);
	vg_buf_fini(&m.gone);
	return rc;
}

static void
begin(struct vg_live_run *r, struct vg_live_tenant *t, const struct vg_live_dirty *only)
{
	*r = (struct vg_live_run){ .t = t, .only = only, .part = UINT32_MAX, .last_ns = VG_TIME_NONE, .counts_ns = VG_TIME_NONE };
	vg_arena_init(&r->arena, RUN_BYTES);
}

static void
end(struct vg_live_run *r)
{
	vg_arena_fini(&r->arena);
	free(r->said);
}

/* ---- what settles ---- */

static vg_rc
settle_hit(void *ctx, uint32_t row, int64_t time_ns, uint64_t seq)
{
	struct vg_live_run *r = ctx;

	if (r->nhit >= VG_LIVE_STEP_HITS && time_ns != r->last_ns) {
		r->stopped = true;
		return VG_E_STOP;
	}
	r->nhit++;
	r->last_ns = time_ns;
	return vg_correlator_hit(r->c, row, time_ns, &r->t->l->event, seq + 1);
}

static vg_rc
settle_step(struct vg_live_tenant *t, int64_t *to_ns)
{
	int64_t from_ns = t->settled_ns + 1; /* VG_TIME_NONE is the least of all */
	struct vg_live_run r;
	vg_rc rc = VG_OK;

	begin(&r, t, NULL);
	r.c = t->settled;
	t->run = &r;
	if (t->newest_ns >= from_ns)
		rc = read_hits(t, from_ns, *to_ns, UINT32_MAX, settle_hit, &r);
	if (rc == VG_E_STOP && r.stopped) {
		rc = VG_OK;
		*to_ns = r.last_ns;
	}
	if (rc == VG_OK)
		rc = vg_correlator_judge(t->settled, *to_ns);
	if (rc == VG_OK)
		rc = compare(&r, from_ns, *to_ns, false);
	t->run = NULL;
	end(&r);
	return rc;
}

vg_rc
vg_live_settle(struct vg_live_tenant *t, int64_t to_ns)
{
	vg_rc rc = VG_OK;

	while (rc == VG_OK && t->settled_ns < to_ns) {
		int64_t step_ns = to_ns;

		rc = settle_step(t, &step_ns);
		t->settled_ns = step_ns;
	}
	vg_correlator_expire(t->settled, t->settled_ns);
	vg_correlator_expire(t->eager, t->settled_ns);
	return rc;
}

/* ---- what is made anew ---- */

/* The parts of the hit at hand in which it goes through a group that the run is about; the others are skipped. */
static bool
choose_parts(struct vg_live_run *r)
{
	struct vg_live *l = r->t->l;
	bool any = false;

	for (size_t i = 0; i < vg_route_n(&l->route); i++)
		l->skip[vg_correlator_part(l->plain, vg_route_at(&l->route, i)->corr)] = 1;
	for (size_t i = 0; i < vg_route_n(&l->route); i++) {
		uint32_t corr = vg_route_at(&l->route, i)->corr, part = vg_correlator_part(l->plain, corr);

		if ((r->part != UINT32_MAX && part != r->part) || !vg_live_dirty_has(r->only, vg_route_key(&l->route, i)))
			continue;
		l->skip[part] = 0;
		any = true;
	}
	return any;
}

static vg_rc
repair_hit(void *ctx, uint32_t row, int64_t time_ns, uint64_t seq)
{
	struct vg_live_run *r = ctx;
	struct vg_live *l = r->t->l;
	vg_rc rc = vg_correlator_route(l->plain, row, &l->event, &l->route);

	r->last_ns = time_ns;
	if (rc != VG_OK || !choose_parts(r))
		return rc;
	if ((rc = vg_live_seed(r->t, r->c)) != VG_OK)
		return rc;
	return vg_correlator_hit_eager(r->c, row, time_ns, &l->event, seq + 1, l->skip);
}

/* The groups made anew, in the place of those that were worth nothing.  @anew is used up. */
static vg_rc
take_anew(struct vg_live_tenant *t, struct vg_correlator *anew, int64_t newest_ns)
{
	const struct vg_live_dirty *d = &t->pending;
	vg_rc rc = VG_OK;

	if (d->all) {
		vg_live_correlator_free(t->l, t->eager);
		t->eager = anew;
		vg_correlator_tell_to(anew, vg_live_on_eager, t);
		t->newest_ns = newest_ns; /* of all that is stored */
		return VG_OK;
	}
	for (size_t i = 0; i < d->keys.cap && rc == VG_OK; i++)
		if (d->keys.slot[i].value != VG_MAP_NONE)
			rc = vg_correlator_copy(t->eager, anew, d->keys.slot[i].key);
	vg_live_correlator_free(t->l, anew);
	return rc;
}

vg_rc
vg_live_repair(struct vg_live_tenant *t)
{
	int64_t from_ns = t->settled_ns + 1;
	struct vg_live_run r;
	vg_rc rc;

	begin(&r, t, &t->pending);
	if ((r.c = vg_live_correlator(t->l, on_said, &r)) == NULL)
		return VG_E_NOMEM;
	vg_correlator_eager(r.c);
	rc = read_hits(t, from_ns, INT64_MAX, UINT32_MAX, repair_hit, &r);
	if (rc == VG_OK)
		rc = compare(&r, from_ns, INT64_MAX, false);
	if (rc == VG_OK)
		rc = take_anew(t, r.c, r.last_ns);
	else
		vg_live_correlator_free(t->l, r.c);
	end(&r);
	return rc == VG_OK ? vg_live_dirty_reset(&t->pending, t->l->npart) : rc;
}

/* ---- what came late ---- */

struct lookback { /* for where a part's groups were last empty, within what is read */
	struct vg_live_run *r;
	int64_t from_ns, span_ns;
	int64_t before_ns; /* the hit before; VG_TIME_NONE */
	int64_t begin_ns;  /* VG_TIME_NONE: not found */
};

static vg_rc
look_at(void *ctx, uint32_t row, int64_t time_ns, uint64_t seq)
{
	struct lookback *b = ctx;
	struct vg_live *l = b->r->t->l;
	vg_rc rc = vg_correlator_route(l->plain, row, &l->event, &l->route);

	(void)seq;
	b->r->nhit++;
	if (rc != VG_OK || !choose_parts(b->r))
		return rc;
	if (b->before_ns == VG_TIME_NONE ? time_ns - b->from_ns >= b->span_ns : time_ns - b->before_ns > b->span_ns)
		b->begin_ns = time_ns;
	b->before_ns = time_ns;
	return VG_OK;
}

/* Groups hold nothing of what lies so far back: the spans of all that feed one another. */
static int64_t
span_of(const struct vg_live *l, uint32_t part)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < l->p->ncorr; i++)
		if (vg_correlator_part(l->plain, i) == part && (__builtin_add_overflow(sum, l->p->corr[i].span_ns + 1, &sum) || sum > VG_LIVE_TIME_FAR_NS))
			return VG_LIVE_TIME_FAR_NS;
	return sum;
}

/* Where to begin, so that the groups of r->only are empty before: at the newest such place not behind @first_ns.  Where the stored hits
 * do not reach back so far, or it would take too long, what is said in the span behind the beginning hangs on hits that are not seen,
 * and does not count. */
static vg_rc
find_begin(struct vg_live_run *r, int64_t span_ns, int64_t first_ns)
{
	struct vg_live_tenant *t = r->t;
	int64_t to_ns = first_ns, floor_ns = t->lost_ns;
	vg_rc rc = VG_OK;

	if (floor_ns == VG_TIME_NONE)
		rc = t->l->store.nth(t->l->store.ctx, t->id, 0, &floor_ns);
	if (rc == VG_E_NOTFOUND) {
		floor_ns = first_ns;
		rc = VG_OK;
	}
	for (int64_t spans = 1; rc == VG_OK; spans = spans < LOOKBACK_MAX ? 2 * spans : spans) {
		struct lookback b = { r, floor_ns, span_ns, VG_TIME_NONE, VG_TIME_NONE };

		if ((to_ns - floor_ns) / spans > span_ns)
			b.from_ns = to_ns - span_ns * spans;
		rc = read_hits(t, b.from_ns, to_ns - 1, r->part, look_at, &b);
		if (b.before_ns == VG_TIME_NONE ? to_ns - b.from_ns >= span_ns : to_ns - b.before_ns > span_ns)
			b.begin_ns = to_ns;
		r->begin_ns = b.begin_ns;
		if (rc != VG_OK || b.begin_ns != VG_TIME_NONE)
			return rc;
		to_ns = b.from_ns;
		if (to_ns <= floor_ns || r->nhit > VG_LIVE_LOOKBACK_HITS)
			break;
	}
	r->begin_ns = to_ns < first_ns ? to_ns : first_ns;
	if (rc == VG_OK && (t->lost_ns != VG_TIME_NONE || to_ns > floor_ns)) {
		r->counts_ns = to_ns + span_ns;
		t->l->n.unclean++;
	}
	return rc;
}

static vg_rc
late_hit(void *ctx, uint32_t row, int64_t time_ns, uint64_t seq)
{
	struct vg_live_run *r = ctx;
	struct vg_live *l = r->t->l;
	vg_rc rc = vg_correlator_route(l->plain, row, &l->event, &l->route);

	if (rc != VG_OK)
		return rc;
	if (time_ns > r->only->last_ns[r->part] && time_ns - r->last_ns > r->span_ns) {
		r->last_ns = time_ns; /* empty again: from here on all is as it was */
		r->stopped = true;
		return VG_E_STOP;
	}
	if (!choose_parts(r))
		return VG_OK;
	r->last_ns = time_ns;
	return vg_correlator_hit(r->c, row, time_ns, &l->event, seq + 1);
}

/* The groups were run up to the settled time: they are what is settled, and what is eager stands on them. */
static vg_rc
take_late(struct vg_live_run *r)
{
	struct vg_live_tenant *t = r->t;
	const struct vg_live_dirty *d = &t->late;
	vg_rc rc = VG_OK;

	if (d->all) {
		t->pending.all = t->pending.any = true;
		return vg_correlator_copy_part(t->settled, r->c, r->part);
	}
	for (size_t i = 0; i < d->keys.cap && rc == VG_OK; i++) {
		vg_str key = d->keys.slot[i].key;
		uint32_t corr;

		if (d->keys.slot[i].value == VG_MAP_NONE)
			continue;
		memcpy(&corr, key.p, sizeof(corr));
		if (vg_correlator_part(t->l->plain, corr) != r->part)
			continue;
		rc = vg_correlator_copy(t->settled, r->c, key);
		if (!vg_correlator_slow(t->l->plain, corr))
			vg_live_dirty_add(&t->pending, key);
	}
	return rc;
}

static vg_rc
late_part(struct vg_live_tenant *t, uint32_t part)
{
	struct vg_live_run r;
	int64_t to_ns = t->settled_ns;
	vg_rc rc;

	begin(&r, t, &t->late);
	r.part = part;
	r.late = true;
	r.span_ns = span_of(t->l, part);
	if ((r.c = vg_live_correlator(t->l, on_said, &r)) == NULL)
		return VG_E_NOMEM;
	vg_correlator_only(r.c, part);
	rc = find_begin(&r, r.span_ns, t->late.first_ns[part]);
	r.last_ns = r.begin_ns;
	if (rc == VG_OK)
		rc = read_hits(t, r.begin_ns, t->settled_ns, part, late_hit, &r);
	if (rc == VG_E_STOP && r.stopped) {
		rc = VG_OK;
		to_ns = r.last_ns;
	}
	if (rc == VG_OK)
		rc = vg_correlator_judge(r.c, to_ns);
	if (rc == VG_OK)
		rc = compare(&r, r.begin_ns > r.counts_ns ? r.begin_ns : r.counts_ns, r.stopped ? to_ns - 1 : to_ns, true);
	if (rc == VG_OK && !r.stopped)
		rc = take_late(&r);
	vg_live_correlator_free(t->l, r.c);
	end(&r);
	return rc;
}

vg_rc
vg_live_late(struct vg_live_tenant *t)
{
	vg_rc rc = VG_OK;

	for (uint32_t i = 0; i < t->l->npart && rc == VG_OK; i++)
		if (t->late.first_ns[i] != INT64_MAX)
			rc = late_part(t, i);
	return rc == VG_OK ? vg_live_dirty_reset(&t->late, t->l->npart) : rc;
}
