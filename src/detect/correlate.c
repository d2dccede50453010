/* detect/correlate.c - windows over matches.
 *
 * When a correlation fires: at the match with which its condition becomes true.  While it stays true the same group is
 * silent, until the condition was false once or the window holds no match any more that the last signal counted: one signal a
 * burst; correlations that refer to it still see each match of it.  temporal and temporal_ordered use their matches up.  A condition
 * with an upper bound alone (lt, lte) can only be judged when a window is over: it is counted from the group's first match, and
 * judged at the first match behind it, or at the end.
 *
 * A group that was not touched for its span holds nothing that counts any more and is dropped, so that the table stays as small as
 * what is going on. */
#include "detect/correlate.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/utf.h"

#define NIL UINT32_MAX
#define SORTED_MAX 10000 /* matches that a percentile or median is taken over; the newest ones */
#define EVIDENCE_MAX 32
#define DEPTH_MAX 16

struct entry {
	int64_t time_ns;
	uint64_t token;
	union {
		uint64_t hash; /* value_count */
		double number; /* sums */
	} v;
};

struct tally { /* distinct values in a window, counted: open addressing */
	uint64_t *key; /* 0: free */
	uint32_t *n;
	uint32_t cap, used, live; /* live: with n > 0 */
};

struct group {
	uint32_t corr, hash;
	uint32_t newer, older;  /* of the same correlation, in order of use */
	int64_t used_ns;
	vg_str key;             /* owned: corr, then the folded values */
	vg_str by[16];          /* values as first seen; within the same block as key */
	struct entry *e;        /* owned; a ring */
	uint32_t cap, first, n;
	struct tally tally;
	double sum;
	int64_t open_ns;        /* of conditions judged at a window's end */
	bool fired;
	int64_t fired_ns;       /* newest match that the last signal counted */
	int64_t *last_ns;       /* temporal: one a ref; ordered: where a chain that came so far began; owned */
	uint64_t *last_token;   /* owned */
};

struct place { /* of the hash table */
	uint32_t hash, group; /* group: 1 + its number; 0: free */
};

struct queue { /* the groups of one correlation, by last use */
	uint32_t newest, oldest;
};

struct use { /* a rule feeds this ref of this correlation */
	uint32_t corr, ref, next;
};

struct vg_correlator {
	const struct vg_program *p;
	size_t limit_bytes, used_bytes;
	vg_corr_fn *fn;
	void *ctx;
	uint32_t *use_of; /* by rule: 1 + first use; owned */
	struct use *use;  /* owned */
	uint32_t nuse;
	struct group *group; /* owned */
	uint32_t ngroup, capgroup, nlive;
	struct place *slot;  /* owned */
	uint32_t nslot;
	struct queue *queue; /* one a correlation; owned */
	uint32_t freed;      /* a list through newer */
	struct vg_buf key;   /* scratch */
	uint64_t dropped;
	unsigned depth;
};

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
	struct group *x = &c->group[g];
	struct queue *q = &c->queue[x->corr];

	*(x->newer == NIL ? &q->newest : &c->group[x->newer].older) = x->older;
	*(x->older == NIL ? &q->oldest : &c->group[x->older].newer) = x->newer;
}

static void
touch(struct vg_correlator *c, uint32_t g, int64_t time_ns)
{
	struct group *x = &c->group[g];
	struct queue *q = &c->queue[x->corr];

	x->used_ns = time_ns;
	x->newer = NIL;
	x->older = q->newest;
	*(q->newest == NIL ? &q->oldest : &c->group[q->newest].newer) = g;
	q->newest = g;
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
	c->slot[i] = (struct place){ 0, 0 };
}

/* Keep half of the places free; false when memory is out. */
static bool
slots_room(struct vg_correlator *c)
{
	uint32_t n = c->nslot * 2;
	struct place *p;

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

static size_t
group_bytes(const struct vg_correlator *c, const struct group *x)
{
	return sizeof(*x) + 2 * x->key.n + x->cap * sizeof(struct entry) + x->tally.cap * 12u +
	       c->p->corr[x->corr].nref * 16u;
}

static void
release(struct group *x)
{
	free((void *)(uintptr_t)x->key.p);
	free(x->e);
	free(x->tally.key);
	free(x->tally.n);
	free(x->last_ns);
	free(x->last_token);
}

static void
drop_group(struct vg_correlator *c, uint32_t g)
{
	struct group *x = &c->group[g];

	c->used_bytes -= group_bytes(c, x);
	close_slot(c, slot_of(c, x->key, x->hash));
	unlink_group(c, g);
	release(x);
	*x = (struct group){ .newer = c->freed };
	c->freed = g + 1;
	c->nlive--;
}

static uint32_t
new_group(struct vg_correlator *c, uint32_t corr, vg_str key, uint32_t hash, const vg_str *by, uint32_t nby)
{
	const struct vg_corr *k = &c->p->corr[corr];
	struct group x = { .corr = corr, .hash = hash, .open_ns = VG_TIME_NONE };
	size_t bytes = key.n;
	char *p;
	uint32_t g;

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
	if (k->type == VG_CORR_TEMPORAL || k->type == VG_CORR_TEMPORAL_ORDERED) {
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
			struct group *n = realloc(c->group, cap * sizeof(*n));

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
	c->slot[slot_of(c, x.key, hash)] = (struct place){ hash, g + 1 };
	c->nlive++;
	c->used_bytes += group_bytes(c, &x);
	return g;
}

static bool
upper_only(const struct vg_corr *k)
{
	for (int i = 0; i < 2; i++)
		if (k->cmp[i] != VG_CMP_NONE && k->cmp[i] != VG_CMP_LT && k->cmp[i] != VG_CMP_LTE)
			return false;
	return k->type != VG_CORR_TEMPORAL && k->type != VG_CORR_TEMPORAL_ORDERED;
}

/* Drop the groups of @corr that hold nothing that a match at @time_ns could meet.  Those that wait for their window's end stay. */
static void
expire(struct vg_correlator *c, uint32_t corr, int64_t time_ns)
{
	const struct vg_corr *k = &c->p->corr[corr];
	const struct queue *q = &c->queue[corr];

	while (q->oldest != NIL && time_ns - c->group[q->oldest].used_ns > k->span_ns && !upper_only(k))
		drop_group(c, q->oldest);
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
	drop_group(c, least);
	return true;
}

/* The folded values of the group-bys; false when the match has no value for one: it then does not take part. */
static bool
key_of(struct vg_correlator *c, uint32_t corr, uint32_t ref, const struct input *in, vg_str *by)
{
	const struct vg_corr *k = &c->p->corr[corr];
	struct vg_buf *key = &c->key;

	vg_buf_clear(key);
	vg_buf_le32(key, corr);
	for (uint32_t i = 0; i < k->nby; i++) {
		if (!value_of(in, c->p->groupby[k->by + i * k->nref + ref], &by[i]))
			return false;
		vg_buf_le32(key, (uint32_t)by[i].n);
		if (!vg_buf_reserve(key, VG_FOLD_MAX(by[i].n)))
			return false;
		key->n += vg_fold(by[i], key->p + key->n);
	}
	return key->rc == VG_OK;
}

/* The group of this match; NIL when it has none. */
static uint32_t
group_of(struct vg_correlator *c, uint32_t corr, uint32_t ref, const struct input *in)
{
	const struct vg_corr *k = &c->p->corr[corr];
	vg_str by[16], key;
	uint32_t at, hash, g;

	expire(c, corr, in->time_ns);
	if (!key_of(c, corr, ref, in, by))
		return NIL;
	key = vg_buf_str(&c->key);
	hash = (uint32_t)vg_map_hash(key);
	at = c->slot[slot_of(c, key, hash)].group;
	if (at) {
		g = at - 1;
		unlink_group(c, g);
	} else {
		if (k->type == VG_CORR_TEMPORAL_ORDERED && ref > 0) /* no chain that it could go on */
			return NIL;
		while ((c->nlive >= VG_CORR_GROUPS_MAX || c->used_bytes > c->limit_bytes) && make_room(c))
			;
		g = new_group(c, corr, key, hash, by, k->nby);
	}
	if (g != NIL)
		touch(c, g, in->time_ns);
	return g;
}

/* ---- windows ---- */

static void
tally_change(struct tally *t, uint64_t key, int by)
{
	uint32_t i;

	key |= 1; /* 0 is a free place */
	if (by > 0 && t->used * 2 >= t->cap) { /* grow, without those that are gone */
		struct tally n = { .cap = t->live * 4 < 16 ? 16 : 0 };

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

static struct entry *
entry_at(const struct group *x, uint32_t i)
{
	return &x->e[(x->first + i) % x->cap];
}

static void
pop(const struct vg_corr *k, struct group *x)
{
	const struct entry *e = entry_at(x, 0);

	if (k->type == VG_CORR_VALUE_COUNT)
		tally_change(&x->tally, e->v.hash, -1);
	else if (k->type == VG_CORR_VALUE_SUM || k->type == VG_CORR_VALUE_AVG)
		x->sum -= e->v.number;
	x->first = (x->first + 1) % x->cap;
	if (--x->n == 0)
		x->sum = 0; /* no rest of rounding stays */
}

static bool
push(struct vg_correlator *c, const struct vg_corr *k, struct group *x, const struct entry *e)
{
	uint32_t max = k->type == VG_CORR_VALUE_PERCENTILE || k->type == VG_CORR_VALUE_MEDIAN ? SORTED_MAX : VG_CORR_WINDOW_MAX;

	if (x->n == max) {
		pop(k, x);
		c->dropped++;
	}
	if (x->n == x->cap) {
		uint32_t cap = x->cap ? 2 * x->cap : 8;
		struct entry *n = malloc(cap * sizeof(*n));

		if (n == NULL)
			return false;
		for (uint32_t i = 0; i < x->n; i++)
			n[i] = *entry_at(x, i);
		free(x->e);
		x->e = n;
		x->first = 0;
		x->cap = cap;
	}
	x->n++;
	*entry_at(x, x->n - 1) = *e;
	if (k->type == VG_CORR_VALUE_COUNT)
		tally_change(&x->tally, e->v.hash, 1);
	else if (k->type == VG_CORR_VALUE_SUM || k->type == VG_CORR_VALUE_AVG)
		x->sum += e->v.number;
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
percentile(const struct group *x, unsigned percent, bool median)
{
	double *v = malloc((x->n + 1) * sizeof(*v)), out = NAN;
	uint32_t rank;

	if (v == NULL || x->n == 0) {
		free(v);
		return out;
	}
	for (uint32_t i = 0; i < x->n; i++)
		v[i] = entry_at(x, i)->v.number;
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
measure(const struct vg_corr *k, const struct group *x)
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

/* Tell it (not when @again: the burst was told), and hand it to the correlations above.  The group may move in memory
 * meanwhile: @g is its number. */
static vg_rc
fire(struct vg_correlator *c, uint32_t g, struct vg_corr_hit *h, bool again)
{
	const struct group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct input in = { .p = c->p, .hit = h, .rule = k->rule, .time_ns = h->last_ns };
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
	rc = again ? VG_OK : c->fn(c->ctx, h);
	if (rc == VG_OK)
		rc = feed(c, &in);
	free(copy);
	return rc;
}

static vg_rc
fire_window(struct vg_correlator *c, uint32_t g, double value, bool again)
{
	struct group *x = &c->group[g];
	struct vg_corr_hit h = { .count = x->n, .value = value };
	uint32_t from = x->n > EVIDENCE_MAX ? x->n - EVIDENCE_MAX : 0;

	if (x->n) {
		h.first_ns = entry_at(x, 0)->time_ns;
		h.last_ns = entry_at(x, x->n - 1)->time_ns;
	}
	for (uint32_t i = from; i < x->n; i++)
		h.evidence[h.nevidence++] = entry_at(x, i)->token;
	if (!again) {
		x->fired = true;
		x->fired_ns = h.last_ns;
	}
	return fire(c, g, &h, again);
}

/* The value that a match brings to the count; false: it has none. */
static bool
take_value(const struct vg_program *p, const struct vg_corr *k, const struct input *in, struct entry *e)
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
	struct group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct entry e = { .time_ns = in->time_ns, .token = in->token };
	size_t before = group_bytes(c, x);
	vg_rc rc = VG_OK;
	double v;
	bool ok;

	if (!take_value(c->p, k, in, &e))
		return VG_OK;
	if (upper_only(k)) { /* judged when the window that the first match opened is over */
		if (x->open_ns != VG_TIME_NONE && in->time_ns - x->open_ns > k->span_ns) {
			v = measure(k, x);
			if (meets(k, v))
				rc = fire_window(c, g, v, false);
			x = &c->group[g];
			while (x->n)
				pop(k, x);
			x->open_ns = VG_TIME_NONE;
		}
		if (x->open_ns == VG_TIME_NONE)
			x->open_ns = in->time_ns;
		if (!push(c, k, x, &e))
			return VG_E_NOMEM;
		c->used_bytes += group_bytes(c, x) - before;
		return rc;
	}
	while (x->n && in->time_ns - entry_at(x, 0)->time_ns > k->span_ns) /* exactly the span is inside */
		pop(k, x);
	if (!push(c, k, x, &e))
		return VG_E_NOMEM;
	c->used_bytes += group_bytes(c, x) - before;
	v = measure(k, x);
	ok = meets(k, v);
	if (!ok || entry_at(x, 0)->time_ns > x->fired_ns)
		x->fired = false;
	/* what stands above follows the whole burst: a success at its end is one after failures */
	return ok && (!x->fired || c->use_of[k->rule]) ? fire_window(c, g, v, x->fired) : VG_OK;
}

static bool
expression(const struct vg_program *p, const struct vg_corr *k, const struct group *x, uint32_t at, int64_t from_ns, unsigned depth)
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
	struct group *x = &c->group[g];
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
	return fire(c, g, &h, false);
}

static vg_rc
temporal_hit(struct vg_correlator *c, uint32_t g, uint32_t ref, const struct input *in)
{
	struct group *x = &c->group[g];
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
	struct group *x = &c->group[g];
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

static vg_rc
feed(struct vg_correlator *c, const struct input *in)
{
	vg_rc rc = VG_OK;

	if (c->depth == DEPTH_MAX)
		return VG_OK;
	c->depth++;
	for (uint32_t u = c->use_of[in->rule]; u && rc == VG_OK; u = c->use[u - 1].next) {
		const struct use *s = &c->use[u - 1];
		uint32_t g = group_of(c, s->corr, s->ref, in);

		if (g == NIL)
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

/* ---- life ---- */

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
	*c = (struct vg_correlator){ .p = p, .limit_bytes = limit_bytes, .fn = fn, .ctx = ctx };
	c->nslot = 1u << 12; /* small, so that it stays in the processor's cache; it grows */
	c->slot = calloc(c->nslot, sizeof(*c->slot));
	c->use_of = calloc(p->nrule + 1, sizeof(*c->use_of));
	c->use = calloc(p->nrefs + 1, sizeof(*c->use));
	c->queue = malloc((p->ncorr + 1) * sizeof(*c->queue));
	for (uint32_t i = 0; c->queue && i < p->ncorr; i++)
		c->queue[i] = (struct queue){ NIL, NIL };
	if (!c->slot || !c->use_of || !c->use || !c->queue) {
		free(tail);
		vg_correlator_free(c);
		return NULL;
	}
	for (uint32_t i = 0; i < p->ncorr; i++)
		for (uint32_t j = p->corr[i].nref; j-- > 0;) { /* backwards: one match is no two links of a chain */
			uint32_t r = p->refs[p->corr[i].ref + j];

			if (c->nuse == p->nrefs)
				break;
			c->use[c->nuse++] = (struct use){ i, j, 0 };
			*(tail[r] ? &c->use[tail[r] - 1].next : &c->use_of[r]) = c->nuse;
			tail[r] = c->nuse;
		}
	free(tail);
	return c;
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

	return rule < c->p->nrule ? feed(c, &in) : VG_E_FORMAT;
}

vg_rc
vg_correlator_end(struct vg_correlator *c)
{
	vg_rc rc = VG_OK;

	for (uint32_t g = 0; g < c->ngroup && rc == VG_OK; g++) {
		const struct group *x = &c->group[g];
		const struct vg_corr *k = &c->p->corr[x->corr];
		double v;

		if (x->key.p == NULL || x->open_ns == VG_TIME_NONE || !upper_only(k) || x->n == 0)
			continue;
		v = measure(k, x);
		if (meets(k, v))
			rc = fire_window(c, g, v, false);
	}
	return rc;
}

uint64_t
vg_correlator_dropped(const struct vg_correlator *c)
{
	return c->dropped;
}
