/* detect/corrwindow.c - what a group holds of its matches: no more than its condition can tell apart, so that a group that is hit a thousand times a
 * second is no larger than one that is hit a few times. */
#include <math.h>
#include <stdlib.h>

#include "detect/correlate_impl.h"

#define NIL VG_CORR_NIL
#define MALLOC_BYTES 16   /* what an allocation takes besides */
#define FEW 8             /* values that are found without a table */
#define VALUES_KEPT 4096  /* where a condition needs fewer: so far a count of values is told right */

/* ---- how much ---- */

uint32_t
vg_corr_kept(const struct vg_corr *k, bool *exact)
{
	uint32_t kept = k->type == VG_CORR_VALUE_COUNT ? VALUES_KEPT : VG_CORR_EVIDENCE_MAX;

	*exact = false;
	if (vg_corr_measured(k)) {
		*exact = true;
		return k->type == VG_CORR_VALUE_PERCENTILE || k->type == VG_CORR_VALUE_MEDIAN ? VG_CORR_SORTED_MAX : VG_CORR_WINDOW_MAX;
	}
	for (int i = 0; i < 2 && !vg_corr_temporal(k); i++) {
		double need = k->cmp[i] == VG_CMP_NONE ? 0 : ceil(k->limit[i]) + 2; /* more than that is more, whatever it is */

		if (!(need <= VG_CORR_WINDOW_MAX)) {
			*exact = true;
			return VG_CORR_WINDOW_MAX;
		}
		if (need > kept)
			kept = (uint32_t)need;
	}
	return kept;
}

static uint32_t
table_size(uint32_t cap)
{
	return cap <= FEW ? 0 : 2 * cap; /* cap is a power of two */
}

static size_t
window_bytes(uint32_t cap)
{
	return sizeof(struct vg_corr_window) + cap * sizeof(struct vg_corr_entry);
}

static size_t
values_bytes(uint32_t cap)
{
	return sizeof(struct vg_corr_values) + cap * sizeof(struct vg_corr_value) + table_size(cap) * sizeof(uint32_t);
}

size_t
vg_corr_held_bytes(const struct vg_corr *k, const struct vg_corr_group *x)
{
	if (x->held.any == NULL)
		return 0;
	if (vg_corr_temporal(k))
		return MALLOC_BYTES + k->nref * sizeof(*x->held.link);
	return MALLOC_BYTES + (k->type == VG_CORR_VALUE_COUNT ? values_bytes(x->held.values->cap) : window_bytes(x->held.window->cap));
}

/* ---- matches ---- */

static struct vg_corr_entry *
entry_at(const struct vg_corr_window *w, uint32_t i)
{
	return (struct vg_corr_entry *)(uintptr_t)&w->e[(w->first + i) % w->cap];
}

static struct vg_corr_window *
window_room(struct vg_corr_window *w)
{
	uint32_t cap = w ? 2 * w->cap : 1;
	struct vg_corr_window *n;

	if (w && w->n < w->cap)
		return w;
	if ((n = malloc(window_bytes(cap))) == NULL)
		return NULL;
	*n = w ? *w : (struct vg_corr_window){ 0 };
	n->cap = cap;
	n->first = 0;
	for (uint32_t i = 0; i < n->n; i++)
		n->e[i] = *entry_at(w, i);
	free(w);
	return n;
}

static void
take_oldest(const struct vg_corr *k, struct vg_corr_window *w)
{
	if (k->type == VG_CORR_VALUE_SUM || k->type == VG_CORR_VALUE_AVG)
		w->sum -= entry_at(w, 0)->v.number;
	w->first = (w->first + 1) % w->cap;
	if (--w->n == 0)
		w->sum = 0; /* no rest of rounding stays */
}

static bool
window_push(struct vg_correlator *c, const struct vg_corr_trait *t, const struct vg_corr *k, struct vg_corr_group *x, const struct vg_corr_entry *e)
{
	struct vg_corr_window *w = x->held.window;

	if (w && w->n == t->kept) {
		if (w->more == 0)
			w->more_ns = entry_at(w, 0)->time_ns;
		w->more += k->type == VG_CORR_EVENT_COUNT;
		c->dropped += t->exact;
		take_oldest(k, w);
	}
	if ((w = window_room(w)) == NULL)
		return false;
	x->held.window = w;
	w->n++;
	*entry_at(w, w->n - 1) = *e;
	if (k->type == VG_CORR_VALUE_SUM || k->type == VG_CORR_VALUE_AVG)
		w->sum += e->v.number;
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
percentile(const struct vg_corr_window *w, unsigned percent, bool median)
{
	double *v = malloc((w->n + 1) * sizeof(*v)), out = NAN;
	uint32_t rank;

	if (v == NULL || w->n == 0) {
		free(v);
		return out;
	}
	for (uint32_t i = 0; i < w->n; i++)
		v[i] = entry_at(w, i)->v.number;
	qsort(v, w->n, sizeof(*v), number_cmp);
	if (median) {
		out = w->n % 2 ? v[w->n / 2] : (v[w->n / 2 - 1] + v[w->n / 2]) / 2;
	} else {
		rank = (uint32_t)ceil((double)percent / 100 * w->n);
		out = v[rank ? rank - 1 : 0];
	}
	free(v);
	return out;
}

/* ---- values ---- */

static uint32_t *
table_of(const struct vg_corr_values *s)
{
	return (uint32_t *)(void *)(uintptr_t)(s->v + s->cap);
}

static uint32_t
home_of(const struct vg_corr_values *s, uint64_t hash)
{
	return (uint32_t)(hash >> 7) & (s->nslot - 1);
}

static void
table_add(struct vg_corr_values *s, uint32_t place)
{
	uint32_t *slot = table_of(s), i;

	if (s->nslot == 0)
		return;
	for (i = home_of(s, s->v[place].hash); slot[i]; i = (i + 1) & (s->nslot - 1))
		;
	slot[i] = place + 1;
}

static void
table_remove(struct vg_corr_values *s, uint32_t place)
{
	uint32_t *slot = table_of(s), mask = s->nslot - 1, i, j;

	if (s->nslot == 0)
		return;
	for (i = home_of(s, s->v[place].hash); slot[i] != place + 1; i = (i + 1) & mask)
		;
	for (j = (i + 1) & mask; slot[j]; j = (j + 1) & mask)
		if (((j - home_of(s, s->v[slot[j] - 1].hash)) & mask) >= ((j - i) & mask)) {
			slot[i] = slot[j];
			i = j;
		}
	slot[i] = 0;
}

static uint32_t
value_find(const struct vg_corr_values *s, uint64_t hash)
{
	if (s->nslot == 0) {
		uint32_t i = s->newest;

		while (i != NIL && s->v[i].hash != hash)
			i = s->v[i].older;
		return i;
	}
	for (uint32_t i = home_of(s, hash); table_of(s)[i]; i = (i + 1) & (s->nslot - 1))
		if (s->v[table_of(s)[i] - 1].hash == hash)
			return table_of(s)[i] - 1;
	return NIL;
}

static void
value_unlink(struct vg_corr_values *s, uint32_t i)
{
	struct vg_corr_value *v = &s->v[i];

	*(v->newer == NIL ? &s->newest : &s->v[v->newer].older) = v->older;
	*(v->older == NIL ? &s->oldest : &s->v[v->older].newer) = v->newer;
}

static void
value_link(struct vg_corr_values *s, uint32_t i)
{
	s->v[i].newer = NIL;
	s->v[i].older = s->newest;
	*(s->newest == NIL ? &s->oldest : &s->v[s->newest].newer) = i;
	s->newest = i;
}

static void
value_remove(struct vg_corr_values *s, uint32_t i)
{
	table_remove(s, i);
	value_unlink(s, i);
	s->v[i].newer = s->freed;
	s->freed = i + 1;
	s->n--;
}

/* The values of @s, with room for one more: in new places, oldest first. */
static struct vg_corr_values *
values_room(struct vg_corr_values *s)
{
	uint32_t cap = s ? 2 * s->cap : 2;
	struct vg_corr_values *n;

	if (s && s->n < s->cap)
		return s;
	if ((n = calloc(1, values_bytes(cap))) == NULL)
		return NULL;
	n->cap = cap;
	n->nslot = table_size(cap);
	n->newest = n->oldest = NIL;
	for (uint32_t i = s ? s->oldest : NIL; i != NIL; i = s->v[i].newer) {
		n->v[n->n] = s->v[i];
		value_link(n, n->n);
		table_add(n, n->n++);
	}
	for (uint32_t i = cap; i-- > n->n;) {
		n->v[i].newer = n->freed;
		n->freed = i + 1;
	}
	free(s);
	return n;
}

static bool
values_push(struct vg_correlator *c, const struct vg_corr_trait *t, struct vg_corr_group *x, const struct vg_corr_entry *e)
{
	struct vg_corr_values *s = x->held.values;
	uint32_t i = s ? value_find(s, e->v.hash) : NIL;

	if (i != NIL) {
		value_unlink(s, i);
	} else {
		if (s && s->n == t->kept) {
			c->dropped += t->exact;
			value_remove(s, s->oldest);
		}
		if ((s = values_room(s)) == NULL)
			return false;
		x->held.values = s;
		i = s->freed - 1;
		s->freed = s->v[i].newer;
		s->v[i].hash = e->v.hash;
		s->n++;
		table_add(s, i);
	}
	s->v[i].time_ns = e->time_ns;
	s->v[i].token = e->token;
	value_link(s, i);
	return true;
}

/* ---- either ---- */

bool
vg_corr_push(struct vg_correlator *c, uint32_t g, const struct vg_corr_entry *e)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	const struct vg_corr_trait *t = &c->trait[x->corr];
	size_t before = vg_corr_held_bytes(k, x);

	if (!(k->type == VG_CORR_VALUE_COUNT ? values_push(c, t, x, e) : window_push(c, t, k, x, e)))
		return false;
	c->used_bytes += vg_corr_held_bytes(k, x) - before;
	return true;
}

/* Exactly the span is inside. */
void
vg_corr_leave(const struct vg_corr *k, struct vg_corr_group *x, int64_t time_ns)
{
	struct vg_corr_window *w = x->held.window;
	struct vg_corr_values *s = x->held.values;

	if (x->held.any == NULL)
		return;
	if (k->type == VG_CORR_VALUE_COUNT) {
		while (s->n && time_ns - s->v[s->oldest].time_ns > k->span_ns)
			value_remove(s, s->oldest);
		return;
	}
	while (w->n && time_ns - entry_at(w, 0)->time_ns > k->span_ns) {
		take_oldest(k, w);
		w->more = 0;
	}
}

bool
vg_corr_holds(const struct vg_corr *k, const struct vg_corr_group *x)
{
	return x->held.any && (k->type == VG_CORR_VALUE_COUNT ? x->held.values->n : x->held.window->n) > 0;
}

double
vg_corr_measure(const struct vg_corr *k, const struct vg_corr_group *x)
{
	const struct vg_corr_window *w = x->held.window;

	switch ((enum vg_corr_type)k->type) {
	case VG_CORR_VALUE_COUNT:
		return x->held.values->n;
	case VG_CORR_VALUE_SUM:
		return w->sum;
	case VG_CORR_VALUE_AVG:
		return w->n ? w->sum / w->n : NAN;
	case VG_CORR_VALUE_PERCENTILE:
		return percentile(w, k->percentile, false);
	case VG_CORR_VALUE_MEDIAN:
		return percentile(w, 50, true);
	default:
		return (double)(w->n + w->more);
	}
}

bool
vg_corr_entry(const struct vg_corr *k, const struct vg_corr_group *x, uint32_t *place, struct vg_corr_entry *e)
{
	if (x->held.any == NULL)
		return false;
	if (k->type == VG_CORR_VALUE_COUNT) {
		const struct vg_corr_values *s = x->held.values;
		uint32_t i = *place == NIL ? s->oldest : s->v[*place].newer;

		if (i == NIL)
			return false;
		*e = (struct vg_corr_entry){ s->v[i].time_ns, s->v[i].token, { .hash = s->v[i].hash } };
		*place = i;
		return true;
	}
	if (++*place >= x->held.window->n) /* NIL is one before 0 */
		return false;
	*e = *entry_at(x->held.window, *place);
	return true;
}

void
vg_corr_tell_window(const struct vg_corr *k, const struct vg_corr_group *x, struct vg_corr_hit *h)
{
	const struct vg_corr_values *s = x->held.values;
	const struct vg_corr_window *w = x->held.window;

	*h = (struct vg_corr_hit){ 0 };
	if (k->type == VG_CORR_VALUE_COUNT) {
		uint32_t i = s->newest;

		h->count = s->n;
		h->first_ns = s->v[s->oldest].time_ns;
		h->last_ns = s->v[s->newest].time_ns;
		for (uint32_t n = 1; n < VG_CORR_EVIDENCE_MAX && s->v[i].older != NIL; n++)
			i = s->v[i].older;
		for (; i != NIL; i = s->v[i].newer)
			h->evidence[h->nevidence++] = s->v[i].token;
		return;
	}
	h->count = w->n + w->more;
	h->first_ns = w->more ? w->more_ns : entry_at(w, 0)->time_ns;
	h->last_ns = entry_at(w, w->n - 1)->time_ns;
	for (uint32_t i = w->n > VG_CORR_EVIDENCE_MAX ? w->n - VG_CORR_EVIDENCE_MAX : 0; i < w->n; i++)
		h->evidence[h->nevidence++] = entry_at(w, i)->token;
}

bool
vg_corr_held_copy(struct vg_correlator *c, const struct vg_corr_group *x, uint32_t g)
{
	const struct vg_corr *k = &c->p->corr[x->corr];
	size_t n = vg_corr_held_bytes(k, x), before = vg_corr_held_bytes(k, &c->group[g]);
	void *copy = n ? malloc(n - MALLOC_BYTES) : NULL;

	if (n && copy == NULL)
		return false;
	if (n)
		memcpy(copy, x->held.any, n - MALLOC_BYTES);
	free(c->group[g].held.any);
	c->group[g].held.any = copy;
	c->used_bytes += n - before;
	return true;
}

void
vg_corr_window_set(struct vg_corr_group *x, double sum, uint64_t more, int64_t more_ns)
{
	x->held.window->sum = sum;
	if (more) {
		x->held.window->more = more;
		x->held.window->more_ns = more_ns;
	}
}
