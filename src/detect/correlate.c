/* detect/correlate.c - windows over matches.
 *
 * When a correlation fires: at the match with which its condition becomes true.  While it stays true the same group is
 * silent, until the condition was false once or the window holds no match any more that the last signal counted: one signal a
 * burst; correlations that refer to it still see each match of it.  temporal and temporal_ordered use their matches up.  A condition
 * with an upper bound alone (lt, lte) can only be judged when a window is over: it is counted from the group's first match, and
 * judged when time passes its end, in order with all else that happens: the answer hangs on no later match.
 *
 * A group that was not touched for its span holds nothing that counts any more and is dropped, so that the table stays as small as
 * what is going on.  What a group says hangs on its own matches and their order alone, never on what else is in the table (as long as
 * no limit is met): trace/live.c stands on this. */
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/utf.h"
#include "detect/correlate_impl.h"

#define NIL VG_CORR_NIL
#define EVIDENCE_MAX 32
#define DEPTH_MAX 16

/* Where values come from: a match's event, or a correlation that came true below. */
struct input {
	const struct vg_program *p;
	const struct vg_event *e;
	const struct vg_corr_hit *hit;
	uint32_t rule;
	int64_t time_ns;
	uint64_t token;
};

static bool
value_of(const struct input *in, uint32_t key, vg_str *out)
{
	if (in->e) {
		for (uint32_t i = 0; i < in->e->nfield; i++)
			if (in->e->field[i].key == key && in->e->field[i].kind != VG_KIND_NULL) {
				*out = in->e->field[i].value;
				return true;
			}
		return false;
	}
	for (uint32_t i = 0; i < in->hit->nby; i++)
		if (vg_str_eq(in->hit->by_name[i], vg_program_str(in->p, in->p->key[key]))) {
			*out = in->hit->by_value[i];
			return true;
		}
	return false;
}

/* ---- groups ---- */

static void
unlink_group(struct vg_correlator *c, uint32_t g)
{
	struct vg_corr_group *x = &c->group[g];
	struct vg_corr_queue *q = &c->queue[x->corr];

	*(x->newer == NIL ? &q->newest : &c->group[x->newer].older) = x->older;
	*(x->older == NIL ? &q->oldest : &c->group[x->older].newer) = x->newer;
}

/* In a queue of windows that wait for their end the oldest must be the first to end. */
void
vg_corr_enqueue(struct vg_correlator *c, uint32_t g)
{
	struct vg_corr_group *x = &c->group[g];
	struct vg_corr_queue *q = &c->queue[x->corr];

	x->newer = NIL;
	x->older = q->newest;
	while (c->trait[x->corr].upper && x->older != NIL && c->group[x->older].used_ns > x->used_ns) {
		x->newer = x->older;
		x->older = c->group[x->older].older;
	}
	*(x->older == NIL ? &q->oldest : &c->group[x->older].newer) = g;
	*(x->newer == NIL ? &q->newest : &c->group[x->newer].older) = g;
}

static void
touch(struct vg_correlator *c, uint32_t g, int64_t time_ns)
{
	c->group[g].used_ns = time_ns;
	vg_corr_enqueue(c, g);
}

static uint32_t
slot_of(const struct vg_correlator *c, vg_str key, uint32_t hash)
{
	uint32_t i = hash & (c->nslot - 1);

	while (c->slot[i].group && (c->slot[i].hash != hash || !vg_str_eq(c->group[c->slot[i].group - 1].key, key)))
		i = (i + 1) & (c->nslot - 1);
	return i;
}

/* Close the hole at @i of an open-addressing table. */
static void
close_slot(struct vg_correlator *c, uint32_t i)
{
	uint32_t mask = c->nslot - 1, j = i;

	for (;;) {
		uint32_t home;

		j = (j + 1) & mask;
		if (c->slot[j].group == 0)
			break;
		home = c->slot[j].hash & mask;
		if (((j - home) & mask) >= ((j - i) & mask)) {
			c->slot[i] = c->slot[j];
			i = j;
		}
	}
	c->slot[i] = (struct vg_corr_slot){ 0, 0 };
}

/* Keep half of the places free; false when memory is out. */
static bool
slots_room(struct vg_correlator *c)
{
	uint32_t n = c->nslot * 2;
	struct vg_corr_slot *p;

	if (c->nlive * 2 < c->nslot)
		return true;
	if ((p = calloc(n, sizeof(*p))) == NULL)
		return c->nlive + 1 < c->nslot;
	for (uint32_t i = 0; i < c->nslot; i++)
		if (c->slot[i].group) {
			uint32_t j = c->slot[i].hash & (n - 1);

			while (p[j].group)
				j = (j + 1) & (n - 1);
			p[j] = c->slot[i];
		}
	free(c->slot);
	c->slot = p;
	c->nslot = n;
	return true;
}

size_t
vg_corr_group_bytes(const struct vg_correlator *c, const struct vg_corr_group *x)
{
	return sizeof(*x) + 2 * x->key.n + x->cap * sizeof(struct vg_corr_entry) + x->tally.cap * 12u +
	       c->p->corr[x->corr].nref * 16u;
}

static void
release(struct vg_corr_group *x)
{
	free((void *)(uintptr_t)x->key.p);
	free(x->e);
	free(x->tally.key);
	free(x->tally.n);
	free(x->last_ns);
	free(x->last_token);
}

void
vg_corr_drop(struct vg_correlator *c, uint32_t g)
{
	struct vg_corr_group *x = &c->group[g];

	c->used_bytes -= vg_corr_group_bytes(c, x);
	close_slot(c, slot_of(c, x->key, x->hash));
	unlink_group(c, g);
	release(x);
	*x = (struct vg_corr_group){ .newer = c->freed };
	c->freed = g + 1;
	c->nlive--;
}

uint32_t
vg_corr_find(const struct vg_correlator *c, vg_str key)
{
	uint32_t at = c->slot[slot_of(c, key, (uint32_t)vg_map_hash(key))].group;

	return at ? at - 1 : NIL;
}

static bool make_room(struct vg_correlator *c);

uint32_t
vg_corr_add(struct vg_correlator *c, uint32_t corr, vg_str key, const vg_str *by)
{
	const struct vg_corr *k = &c->p->corr[corr];
	uint32_t hash = (uint32_t)vg_map_hash(key), nby = k->nby;
	struct vg_corr_group x = { .corr = corr, .hash = hash };
	size_t bytes = key.n;
	char *p;
	uint32_t g;

	while ((c->nlive >= VG_CORR_GROUPS_MAX || c->used_bytes > c->limit_bytes) && make_room(c))
		;
	for (uint32_t i = 0; i < nby; i++)
		bytes += by[i].n;
	if (!slots_room(c) || (p = malloc(bytes + 1)) == NULL)
		return NIL;
	memcpy(p, key.p, key.n);
	x.key = vg_str_mem(p, key.n);
	p += key.n;
	for (uint32_t i = 0; i < nby; i++) {
		if (by[i].n)
			memcpy(p, by[i].p, by[i].n);
		x.by[i] = vg_str_mem(p, by[i].n);
		p += by[i].n;
	}
	if (vg_corr_temporal(k)) {
		x.last_ns = malloc(k->nref * sizeof(*x.last_ns));
		x.last_token = calloc(k->nref, sizeof(*x.last_token));
		for (uint32_t i = 0; x.last_ns && i < k->nref; i++)
			x.last_ns[i] = VG_TIME_NONE;
	}
	if (c->freed) {
		g = c->freed - 1;
		c->freed = c->group[g].newer;
	} else {
		if (c->ngroup == c->capgroup) {
			uint32_t cap = c->capgroup ? 2 * c->capgroup : 1024;
			struct vg_corr_group *n = realloc(c->group, cap * sizeof(*n));

			if (n == NULL) {
				release(&x);
				return NIL;
			}
			c->group = n;
			c->capgroup = cap;
		}
		g = c->ngroup++;
	}
	c->group[g] = x;
	c->slot[slot_of(c, x.key, hash)] = (struct vg_corr_slot){ hash, g + 1 };
	c->nlive++;
	c->used_bytes += vg_corr_group_bytes(c, &x);
	return g;
}

static bool
upper_only(const struct vg_corr *k)
{
	for (int i = 0; i < 2; i++)
		if (k->cmp[i] != VG_CMP_NONE && k->cmp[i] != VG_CMP_LT && k->cmp[i] != VG_CMP_LTE)
			return false;
	return !vg_corr_temporal(k);
}

/* Drop the groups of @corr that hold nothing that a match at @time_ns could meet.  Those that wait for their window's end stay. */
static void
expire(struct vg_correlator *c, uint32_t corr, int64_t time_ns)
{
	const struct vg_corr_queue *q = &c->queue[corr];
	int64_t span_ns = c->eager ? -1 : c->p->corr[corr].span_ns; /* eager: what was used by then is settled, and kept elsewhere */

	while (q->oldest != NIL && time_ns - c->group[q->oldest].used_ns > span_ns && !c->trait[corr].upper)
		vg_corr_drop(c, q->oldest);
}

/* Over the limits: the group that was not used for longest goes. */
static bool
make_room(struct vg_correlator *c)
{
	uint32_t least = NIL;

	for (uint32_t i = 0; i < c->p->ncorr; i++) {
		uint32_t g = c->queue[i].oldest;

		if (g != NIL && (least == NIL || c->group[g].used_ns < c->group[least].used_ns))
			least = g;
	}
	if (least == NIL)
		return false;
	c->dropped++;
	vg_corr_drop(c, least);
	return true;
}

void
vg_corr_key_put(struct vg_buf *b, const struct vg_program *p, uint32_t corr, const vg_str *by)
{
	vg_buf_le32(b, corr);
	for (uint32_t i = 0; i < p->corr[corr].nby; i++) {
		vg_buf_le32(b, (uint32_t)by[i].n);
		if (!vg_buf_reserve(b, VG_FOLD_MAX(by[i].n)))
			return;
		b->n += vg_fold(by[i], b->p + b->n);
	}
}

/* The values of the group-bys; false when the match has none for one: it then does not take part. */
static bool
values_of(const struct input *in, uint32_t corr, uint32_t ref, vg_str *by)
{
	const struct vg_corr *k = &in->p->corr[corr];

	for (uint32_t i = 0; i < k->nby; i++)
		if (!value_of(in, in->p->groupby[k->by + i * k->nref + ref], &by[i]))
			return false;
	return true;
}

/* Is all that the group holds without weight for this match? */
static bool
is_over(const struct vg_correlator *c, const struct vg_corr_group *x, uint32_t ref, int64_t time_ns)
{
	if (x->bare)
		return ref == 0;
	return !c->trait[x->corr].upper && time_ns - x->used_ns > c->p->corr[x->corr].span_ns;
}

/* The group of this match; NIL when it has none. */
static uint32_t
group_of(struct vg_correlator *c, uint32_t corr, uint32_t ref, const struct input *in)
{
	const struct vg_corr *k = &c->p->corr[corr];
	bool bare = k->type == VG_CORR_TEMPORAL_ORDERED && ref > 0; /* no chain that it could go on */
	vg_str by[VG_CORR_BY_MAX], key;
	uint32_t g;

	if (!c->eager)
		expire(c, corr, in->time_ns);
	if (!values_of(in, corr, ref, by))
		return NIL;
	vg_buf_clear(&c->key);
	vg_corr_key_put(&c->key, c->p, corr, by);
	if (c->key.rc != VG_OK)
		return NIL;
	key = vg_buf_str(&c->key);
	g = vg_corr_find(c, key);
	if (g != NIL && c->eager && c->group[g].used_ns > in->time_ns) {
		c->skip[c->trait[corr].part] = 1;
		return NIL;
	}
	if (g != NIL && is_over(c, &c->group[g], ref, in->time_ns)) {
		vg_corr_drop(c, g);
		g = NIL;
	}
	if (g == NIL) {
		if (bare && !c->eager)
			return NIL;
		if ((g = vg_corr_add(c, corr, key, by)) == NIL)
			return NIL;
		c->group[g].bare = bare;
		touch(c, g, in->time_ns);
	} else if (!c->trait[corr].upper) {
		unlink_group(c, g);
		touch(c, g, in->time_ns);
	}
	return g;
}

/* ---- windows ---- */

static void
tally_change(struct vg_corr_tally *t, uint64_t key, int by)
{
	uint32_t i;

	key |= 1; /* 0 is a free place */
	if (by > 0 && t->used * 2 >= t->cap) { /* grow, without those that are gone */
		struct vg_corr_tally n = { .cap = t->live * 4 < 16 ? 16 : 0 };

		if (n.cap == 0)
			for (n.cap = 16; n.cap < t->live * 4; n.cap *= 2)
				;
		n.key = calloc(n.cap, sizeof(*n.key));
		n.n = calloc(n.cap, sizeof(*n.n));
		if (n.key == NULL || n.n == NULL) {
			free(n.key);
			free(n.n);
			if (t->used == t->cap)
				return;
		} else {
			for (uint32_t j = 0; j < t->cap; j++)
				if (t->n[j]) {
					for (i = (uint32_t)(t->key[j] >> 1) & (n.cap - 1); n.key[i]; i = (i + 1) & (n.cap - 1))
						;
					n.key[i] = t->key[j];
					n.n[i] = t->n[j];
				}
			n.used = n.live = t->live;
			free(t->key);
			free(t->n);
			*t = n;
		}
	}
	if (t->cap == 0)
		return;
	for (i = (uint32_t)(key >> 1) & (t->cap - 1); t->key[i] && t->key[i] != key; i = (i + 1) & (t->cap - 1))
		;
	if (by > 0) {
		t->used += t->key[i] == 0;
		t->key[i] = key;
		t->live += t->n[i]++ == 0;
	} else if (t->key[i] && t->n[i]) {
		t->live -= --t->n[i] == 0;
	}
}

static void
pop(const struct vg_corr *k, struct vg_corr_group *x)
{
	const struct vg_corr_entry *e = vg_corr_entry_at(x, 0);

	if (k->type == VG_CORR_VALUE_COUNT)
		tally_change(&x->tally, e->v.hash, -1);
	else if (k->type == VG_CORR_VALUE_SUM || k->type == VG_CORR_VALUE_AVG)
		x->sum -= e->v.number;
	x->first = (x->first + 1) % x->cap;
	if (--x->n == 0)
		x->sum = 0; /* no rest of rounding stays */
}

bool
vg_corr_push(struct vg_correlator *c, uint32_t g, const struct vg_corr_entry *e)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	size_t before = vg_corr_group_bytes(c, x);
	uint32_t max = k->type == VG_CORR_VALUE_PERCENTILE || k->type == VG_CORR_VALUE_MEDIAN ? VG_CORR_SORTED_MAX : VG_CORR_WINDOW_MAX;

	if (x->n == max) {
		pop(k, x);
		c->dropped++;
	}
	if (x->n == x->cap) {
		uint32_t cap = x->cap ? 2 * x->cap : 8;
		struct vg_corr_entry *n = malloc(cap * sizeof(*n));

		if (n == NULL)
			return false;
		for (uint32_t i = 0; i < x->n; i++)
			n[i] = *vg_corr_entry_at(x, i);
		free(x->e);
		x->e = n;
		x->first = 0;
		x->cap = cap;
	}
	x->n++;
	*vg_corr_entry_at(x, x->n - 1) = *e;
	if (k->type == VG_CORR_VALUE_COUNT)
		tally_change(&x->tally, e->v.hash, 1);
	else if (k->type == VG_CORR_VALUE_SUM || k->type == VG_CORR_VALUE_AVG)
		x->sum += e->v.number;
	c->used_bytes += vg_corr_group_bytes(c, x) - before;
	return true;
}

static int
number_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nearest rank: the smallest value with at least @percent of all at or below it. */
static double
percentile(const struct vg_corr_group *x, unsigned percent, bool median)
{
	double *v = malloc((x->n + 1) * sizeof(*v)), out = NAN;
	uint32_t rank;

	if (v == NULL || x->n == 0) {
		free(v);
		return out;
	}
	for (uint32_t i = 0; i < x->n; i++)
		v[i] = vg_corr_entry_at(x, i)->v.number;
	qsort(v, x->n, sizeof(*v), number_cmp);
	if (median) {
		out = x->n % 2 ? v[x->n / 2] : (v[x->n / 2 - 1] + v[x->n / 2]) / 2;
	} else {
		rank = (uint32_t)ceil((double)percent / 100 * x->n);
		out = v[rank ? rank - 1 : 0];
	}
	free(v);
	return out;
}

static double
measure(const struct vg_corr *k, const struct vg_corr_group *x)
{
	switch ((enum vg_corr_type)k->type) {
	case VG_CORR_VALUE_COUNT:
		return x->tally.live;
	case VG_CORR_VALUE_SUM:
		return x->sum;
	case VG_CORR_VALUE_AVG:
		return x->n ? x->sum / x->n : NAN;
	case VG_CORR_VALUE_PERCENTILE:
		return percentile(x, k->percentile, false);
	case VG_CORR_VALUE_MEDIAN:
		return percentile(x, 50, true);
	default:
		return x->n;
	}
}

static bool
meets(const struct vg_corr *k, double v)
{
	bool ok = k->cmp[0] != VG_CMP_NONE;

	for (int i = 0; i < 2; i++)
		switch ((enum vg_cmp)k->cmp[i]) {
		case VG_CMP_NONE:
			break;
		case VG_CMP_GT:
			ok &= v > k->limit[i];
			break;
		case VG_CMP_GTE:
			ok &= v >= k->limit[i];
			break;
		case VG_CMP_LT:
			ok &= v < k->limit[i];
			break;
		case VG_CMP_LTE:
			ok &= v <= k->limit[i];
			break;
		case VG_CMP_EQ:
			ok &= fabs(v - k->limit[i]) < 1e-9;
			break;
		case VG_CMP_NEQ:
			ok &= fabs(v - k->limit[i]) >= 1e-9;
			break;
		}
	return ok;
}

/* ---- firing ---- */

static vg_rc feed(struct vg_correlator *c, const struct input *in);

enum {
	AGAIN = 1, /* the burst was told: only those above see it */
	OVER = 2,  /* the group's window is over: it goes */
};

/* Tell it, and hand it at @at_ns to the correlations above.  The group may move or go meanwhile: @g is its number. */
static vg_rc
fire(struct vg_correlator *c, uint32_t g, struct vg_corr_hit *h, int64_t at_ns, unsigned how)
{
	const struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct input in = { .p = c->p, .hit = h, .rule = k->rule, .time_ns = at_ns };
	char *copy = NULL;
	size_t bytes = 0, at = 0;
	vg_rc rc;

	h->rule = k->rule;
	h->nby = k->nby;
	for (uint32_t i = 0; i < k->nby; i++)
		bytes += x->by[i].n;
	if (bytes && (copy = malloc(bytes)) == NULL) /* the group may be dropped by what is above */
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < k->nby; i++) {
		h->by_name[i] = vg_program_str(c->p, c->p->list[k->byname + i]);
		if (x->by[i].n)
			memcpy(copy + at, x->by[i].p, x->by[i].n);
		h->by_value[i] = vg_str_mem(copy ? copy + at : NULL, x->by[i].n);
		at += x->by[i].n;
	}
	in.token = h->nevidence ? h->evidence[h->nevidence - 1] : 0;
	if (how & OVER)
		vg_corr_drop(c, g);
	rc = how & AGAIN ? VG_OK : c->fn(c->ctx, h);
	if (rc == VG_OK)
		rc = feed(c, &in);
	free(copy);
	return rc;
}

static void
window_of(const struct vg_corr_group *x, double value, struct vg_corr_hit *h)
{
	uint32_t from = x->n > EVIDENCE_MAX ? x->n - EVIDENCE_MAX : 0;

	*h = (struct vg_corr_hit){ .count = x->n, .value = value };
	h->first_ns = vg_corr_entry_at(x, 0)->time_ns;
	h->last_ns = vg_corr_entry_at(x, x->n - 1)->time_ns;
	for (uint32_t i = from; i < x->n; i++)
		h->evidence[h->nevidence++] = vg_corr_entry_at(x, i)->token;
}

/* A window is over: judge it. */
static vg_rc
judge(struct vg_correlator *c, uint32_t g, int64_t at_ns)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	double v = x->n ? measure(k, x) : 0;
	struct vg_corr_hit h;

	if (x->n && meets(k, v)) {
		window_of(x, v, &h);
		return fire(c, g, &h, at_ns, OVER);
	}
	vg_corr_drop(c, g);
	return VG_OK;
}

static int64_t
end_of(const struct vg_correlator *c, uint32_t g)
{
	int64_t t;

	return __builtin_add_overflow(c->group[g].used_ns, c->p->corr[c->group[g].corr].span_ns, &t) ? INT64_MAX - 1 : t;
}

/* Judge the windows that end before @time_ns, in order.  Of those that end at one time the ones above go first: what comes true
 * below does so just behind it. */
static vg_rc
judge_until(struct vg_correlator *c, int64_t time_ns)
{
	vg_rc rc = VG_OK;

	while (rc == VG_OK) {
		int64_t end = time_ns;
		uint32_t g = NIL;

		for (uint32_t i = c->nupper ? c->p->ncorr : 0; i-- > 0;) {
			uint32_t o = c->trait[i].upper ? c->queue[i].oldest : NIL;

			if (o != NIL && end_of(c, o) < end) {
				end = end_of(c, o);
				g = o;
			}
		}
		if (g == NIL)
			break;
		rc = judge(c, g, end + 1);
	}
	return rc;
}

/* The value that a match brings to the count; false: it has none. */
static bool
take_value(const struct vg_program *p, const struct vg_corr *k, const struct input *in, struct vg_corr_entry *e)
{
	vg_str v;

	if (k->type == VG_CORR_EVENT_COUNT)
		return true;
	e->v.hash = 14695981039346656037u;
	for (uint32_t i = 0; i < k->nfield; i++) {
		char room[1024], *folded = room;
		size_t n;

		if (!value_of(in, p->need[k->field + i], &v))
			return false;
		if (k->type != VG_CORR_VALUE_COUNT)
			return vg_str_f64(vg_str_trim(v), &e->v.number) && isfinite(e->v.number);
		if (VG_FOLD_MAX(v.n) > sizeof(room) && (folded = malloc(VG_FOLD_MAX(v.n))) == NULL)
			return false;
		n = vg_fold(v, folded);
		e->v.hash = vg_hash64(vg_str_mem(folded, n), e->v.hash);
		if (folded != room)
			free(folded);
	}
	return true;
}

static vg_rc
window_hit(struct vg_correlator *c, uint32_t g, const struct input *in)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct vg_corr_entry e = { .time_ns = in->time_ns, .token = in->token };
	struct vg_corr_hit h;
	double v;
	bool ok;

	if (!take_value(c->p, k, in, &e))
		return VG_OK;
	if (c->trait[x->corr].upper) {
		if (x->n == 0) { /* the window opens */
			unlink_group(c, g);
			touch(c, g, in->time_ns);
		}
		return vg_corr_push(c, g, &e) ? VG_OK : VG_E_NOMEM;
	}
	while (x->n && in->time_ns - vg_corr_entry_at(x, 0)->time_ns > k->span_ns) /* exactly the span is inside */
		pop(k, x);
	if (!vg_corr_push(c, g, &e))
		return VG_E_NOMEM;
	v = measure(k, x);
	ok = meets(k, v);
	if (!ok || vg_corr_entry_at(x, 0)->time_ns > x->fired_ns)
		x->fired = false;
	/* what stands above follows the whole burst: a success at its end is one after failures */
	if (!ok || (x->fired && !c->use_of[k->rule]))
		return VG_OK;
	window_of(x, v, &h);
	if (x->fired)
		return fire(c, g, &h, h.last_ns, AGAIN);
	x->fired = true;
	x->fired_ns = h.last_ns;
	return fire(c, g, &h, h.last_ns, 0);
}

static bool
expression(const struct vg_program *p, const struct vg_corr *k, const struct vg_corr_group *x, uint32_t at, int64_t from_ns, unsigned depth)
{
	const struct vg_node *n = &p->node[at];

	if (depth > 100)
		return false;
	switch ((enum vg_op)n->op) {
	case VG_OP_REF:
		return n->first < k->nref && x->last_ns[n->first] != VG_TIME_NONE && x->last_ns[n->first] >= from_ns;
	case VG_OP_NOT:
		return !expression(p, k, x, p->child[n->first], from_ns, depth + 1);
	case VG_OP_AND:
	case VG_OP_OR:
		for (uint32_t i = 0; i < n->n; i++)
			if (expression(p, k, x, p->child[n->first + i], from_ns, depth + 1) != (n->op == VG_OP_AND))
				return n->op == VG_OP_OR;
		return n->op == VG_OP_AND;
	case VG_OP_TRUE:
		return true;
	default:
		return false;
	}
}

static vg_rc
fire_temporal(struct vg_correlator *c, uint32_t g, int64_t first_ns, const struct input *in)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct vg_corr_hit h = { .first_ns = first_ns, .last_ns = in->time_ns };

	for (uint32_t i = 0; i < k->nref; i++) {
		if (x->last_token[i] && h.nevidence < EVIDENCE_MAX)
			h.evidence[h.nevidence++] = x->last_token[i];
		h.count += x->last_token[i] != 0;
		x->last_ns[i] = VG_TIME_NONE; /* used up */
		x->last_token[i] = 0;
	}
	h.value = (double)h.count;
	return fire(c, g, &h, h.last_ns, 0);
}

static vg_rc
temporal_hit(struct vg_correlator *c, uint32_t g, uint32_t ref, const struct input *in)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	int64_t from_ns = in->time_ns - k->span_ns, first_ns = in->time_ns;
	bool ok = true;

	if (x->last_ns == NULL || x->last_token == NULL)
		return VG_E_NOMEM;
	x->last_ns[ref] = in->time_ns;
	x->last_token[ref] = in->token ? in->token : 1;
	for (uint32_t i = 0; i < k->nref; i++) {
		bool seen = x->last_ns[i] != VG_TIME_NONE && x->last_ns[i] >= from_ns;

		ok &= seen;
		if (seen && x->last_ns[i] < first_ns)
			first_ns = x->last_ns[i];
		if (!seen)
			x->last_token[i] = 0;
	}
	if (k->root != NIL)
		ok = expression(c->p, k, x, k->root, from_ns, 0);
	else if (k->cmp[0] != VG_CMP_NONE) { /* "3 of these rules" */
		double n = 0;

		for (uint32_t i = 0; i < k->nref; i++)
			n += x->last_token[i] != 0;
		ok = meets(k, n);
	}
	return ok ? fire_temporal(c, g, first_ns, in) : VG_OK;
}

/* last_ns[i]: when the latest chain began that has come through refs 0..i in order. */
static vg_rc
ordered_hit(struct vg_correlator *c, uint32_t g, uint32_t ref, const struct input *in)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];

	if (x->last_ns == NULL || x->last_token == NULL)
		return VG_E_NOMEM;
	if (ref == 0) {
		x->last_ns[0] = in->time_ns;
	} else {
		if (x->last_ns[ref - 1] == VG_TIME_NONE || in->time_ns - x->last_ns[ref - 1] > k->span_ns)
			return VG_OK;
		x->last_ns[ref] = x->last_ns[ref - 1];
	}
	x->last_token[ref] = in->token ? in->token : 1;
	return ref + 1 == k->nref ? fire_temporal(c, g, x->last_ns[ref], in) : VG_OK;
}

static bool
takes(const struct vg_correlator *c, const struct vg_corr_trait *t)
{
	if (c->eager)
		return !t->slow && !c->skip[t->part];
	return c->only == NIL || c->only == t->part;
}

static vg_rc
feed(struct vg_correlator *c, const struct input *in)
{
	vg_rc rc = VG_OK;

	if (c->depth == DEPTH_MAX)
		return VG_OK;
	c->depth++;
	for (uint32_t u = c->use_of[in->rule]; u && rc == VG_OK; u = c->use[u - 1].next) {
		const struct vg_corr_use *s = &c->use[u - 1];
		uint32_t g;

		if (!takes(c, &c->trait[s->corr]))
			continue;
		if ((g = group_of(c, s->corr, s->ref, in)) == NIL)
			continue;
		switch ((enum vg_corr_type)c->p->corr[s->corr].type) {
		case VG_CORR_TEMPORAL:
			rc = temporal_hit(c, g, s->ref, in);
			break;
		case VG_CORR_TEMPORAL_ORDERED:
			rc = ordered_hit(c, g, s->ref, in);
			break;
		default:
			rc = window_hit(c, g, in);
			break;
		}
	}
	c->depth--;
	return rc;
}

/* ---- where a match goes ---- */

static bool
has_place(const struct vg_route *r, vg_str key)
{
	for (size_t i = 0; i < vg_route_n(r); i++)
		if (vg_str_eq(vg_route_key(r, i), key))
			return true;
	return false;
}

/* Follow @in to its groups, and what would come true there to the groups above, though nothing is known to come true. */
static vg_rc
follow(const struct vg_correlator *c, const struct input *in, struct vg_route *r, unsigned depth)
{
	vg_rc rc = VG_OK;

	for (uint32_t u = depth < DEPTH_MAX ? c->use_of[in->rule] : 0; u && rc == VG_OK; u = c->use[u - 1].next) {
		const struct vg_corr_use *s = &c->use[u - 1];
		const struct vg_corr *k = &c->p->corr[s->corr];
		struct vg_corr_hit h = { .rule = k->rule, .nby = k->nby };
		struct input above = { .p = c->p, .hit = &h, .rule = k->rule };
		struct vg_route_place at = { .corr = s->corr, .off = r->bytes.n };

		if (!values_of(in, s->corr, s->ref, h.by_value))
			continue;
		vg_corr_key_put(&r->bytes, c->p, s->corr, h.by_value);
		at.len = r->bytes.n - at.off;
		if (r->bytes.rc != VG_OK)
			return r->bytes.rc;
		if (has_place(r, vg_str_skip(vg_buf_str(&r->bytes), at.off))) {
			r->bytes.n = at.off;
			continue;
		}
		if (vg_route_n(r) == VG_ROUTE_MAX)
			return VG_E_LIMIT;
		vg_buf_mem(&r->place, &at, sizeof(at));
		for (uint32_t i = 0; i < k->nby; i++)
			h.by_name[i] = vg_program_str(c->p, c->p->list[k->byname + i]);
		rc = r->place.rc != VG_OK ? r->place.rc : follow(c, &above, r, depth + 1);
	}
	return rc;
}

vg_rc
vg_correlator_route(const struct vg_correlator *c, uint32_t rule, const struct vg_event *e, struct vg_route *r)
{
	struct input in = { .p = c->p, .e = e, .rule = rule };

	vg_buf_clear(&r->bytes);
	vg_buf_clear(&r->place);
	return rule < c->p->nrule ? follow(c, &in, r, 0) : VG_E_FORMAT;
}

void
vg_route_fini(struct vg_route *r)
{
	vg_buf_fini(&r->bytes);
	vg_buf_fini(&r->place);
}

/* ---- life ---- */

/* What each correlation is, from those it stands on, which come before it. */
static void
take_traits(struct vg_correlator *c)
{
	const struct vg_program *p = c->p;

	for (uint32_t i = 0; i < p->ncorr; i++) {
		struct vg_corr_trait *t = &c->trait[i];

		t->part = i;
		t->upper = t->slow = upper_only(&p->corr[i]);
		c->nupper += t->upper;
		for (uint32_t j = 0; j < p->corr[i].nref; j++) {
			const struct vg_rule *r = &p->rule[p->refs[p->corr[i].ref + j]];
			uint32_t old, to;

			if (r->kind != VG_RULE_CORRELATION)
				continue;
			t->slow |= c->trait[r->corr].slow;
			old = c->trait[r->corr].part > t->part ? c->trait[r->corr].part : t->part;
			to = c->trait[r->corr].part + t->part - old;
			for (uint32_t n = 0; n <= i; n++)
				if (c->trait[n].part == old)
					c->trait[n].part = to;
		}
	}
	for (uint32_t i = 0; i < p->ncorr; i++) { /* numbered without holes: a part has the number of its first one so far */
		struct vg_corr_trait *t = &c->trait[i];

		t->part = t->part == i ? c->npart++ : c->trait[t->part].part;
	}
}

struct vg_correlator *
vg_correlator_new(const struct vg_program *p, size_t limit_bytes, vg_corr_fn *fn, void *ctx)
{
	struct vg_correlator *c = calloc(1, sizeof(*c));
	uint32_t *tail = calloc(p->nrule + 1, sizeof(*tail));

	if (c == NULL || tail == NULL) {
		free(c);
		free(tail);
		return NULL;
	}
	*c = (struct vg_correlator){ .p = p, .limit_bytes = limit_bytes, .fn = fn, .ctx = ctx, .only = NIL };
	c->nslot = 1u << 12; /* small, so that it stays in the processor's cache; it grows */
	c->slot = calloc(c->nslot, sizeof(*c->slot));
	c->use_of = calloc(p->nrule + 1, sizeof(*c->use_of));
	c->use = calloc(p->nrefs + 1, sizeof(*c->use));
	c->queue = malloc((p->ncorr + 1) * sizeof(*c->queue));
	c->trait = calloc(p->ncorr + 1, sizeof(*c->trait));
	for (uint32_t i = 0; c->queue && i < p->ncorr; i++)
		c->queue[i] = (struct vg_corr_queue){ NIL, NIL };
	if (!c->slot || !c->use_of || !c->use || !c->queue || !c->trait) {
		free(tail);
		vg_correlator_free(c);
		return NULL;
	}
	for (uint32_t i = 0; i < p->ncorr; i++)
		for (uint32_t j = p->corr[i].nref; j-- > 0;) { /* backwards: one match is no two links of a chain */
			uint32_t r = p->refs[p->corr[i].ref + j];

			if (c->nuse == p->nrefs)
				break;
			c->use[c->nuse++] = (struct vg_corr_use){ i, j, 0 };
			*(tail[r] ? &c->use[tail[r] - 1].next : &c->use_of[r]) = c->nuse;
			tail[r] = c->nuse;
		}
	free(tail);
	take_traits(c);
	return c;
}

void
vg_correlator_tell_to(struct vg_correlator *c, vg_corr_fn *fn, void *ctx)
{
	c->fn = fn;
	c->ctx = ctx;
}

void
vg_correlator_only(struct vg_correlator *c, uint32_t part)
{
	c->only = part;
}

void
vg_correlator_eager(struct vg_correlator *c)
{
	c->eager = true;
}

void
vg_correlator_free(struct vg_correlator *c)
{
	if (c == NULL)
		return;
	for (uint32_t g = 0; g < c->ngroup; g++)
		release(&c->group[g]);
	vg_buf_fini(&c->key);
	free(c->queue);
	free(c->trait);
	free(c->group);
	free(c->slot);
	free(c->use_of);
	free(c->use);
	free(c);
}

vg_rc
vg_correlator_hit(struct vg_correlator *c, uint32_t rule, int64_t time_ns, const struct vg_event *e, uint64_t token)
{
	struct input in = { .p = c->p, .e = e, .rule = rule, .time_ns = time_ns, .token = token };
	vg_rc rc = judge_until(c, time_ns);

	if (rc != VG_OK)
		return rc;
	return rule < c->p->nrule ? feed(c, &in) : VG_E_FORMAT;
}

vg_rc
vg_correlator_hit_eager(struct vg_correlator *c, uint32_t rule, int64_t time_ns, const struct vg_event *e, uint64_t token, uint8_t *skip)
{
	struct input in = { .p = c->p, .e = e, .rule = rule, .time_ns = time_ns, .token = token };
	vg_rc rc;

	c->skip = skip;
	rc = rule < c->p->nrule ? feed(c, &in) : VG_E_FORMAT;
	c->skip = NULL;
	return rc;
}

vg_rc
vg_correlator_judge(struct vg_correlator *c, int64_t time_ns)
{
	return judge_until(c, time_ns);
}

void
vg_correlator_expire(struct vg_correlator *c, int64_t time_ns)
{
	for (uint32_t i = 0; i < c->p->ncorr; i++)
		expire(c, i, time_ns);
}

vg_rc
vg_correlator_end(struct vg_correlator *c)
{
	return judge_until(c, INT64_MAX);
}

void
vg_correlator_shrink(struct vg_correlator *c, size_t bytes)
{
	while (c->used_bytes > bytes && make_room(c))
		;
}

size_t
vg_correlator_bytes(const struct vg_correlator *c)
{
	return c->used_bytes;
}

uint64_t
vg_correlator_dropped(const struct vg_correlator *c)
{
	return c->dropped;
}

uint32_t
vg_correlator_parts(const struct vg_correlator *c)
{
	return c->npart;
}

uint32_t
vg_correlator_part(const struct vg_correlator *c, uint32_t corr)
{
	return c->trait[corr].part;
}

bool
vg_correlator_slow(const struct vg_correlator *c, uint32_t corr)
{
	return c->trait[corr].slow;
}
