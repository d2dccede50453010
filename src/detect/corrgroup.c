/* detect/corrgroup.c - a correlator's groups: a hash table by key, a queue a correlation in order of use, and the limits of memory. */
#include <stdlib.h>

#include "base/map.h"
#include "base/utf.h"
#include "detect/correlate_impl.h"

#define NIL VG_CORR_NIL
#define MALLOC_BYTES 16 /* what an allocation takes besides */

/* ---- order of use ---- */

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

void
vg_corr_touch(struct vg_correlator *c, uint32_t g, int64_t time_ns, bool again)
{
	if (again)
		unlink_group(c, g);
	c->group[g].used_ns = time_ns;
	vg_corr_enqueue(c, g);
}

void
vg_corr_expire(struct vg_correlator *c, uint32_t corr, int64_t time_ns)
{
	const struct vg_corr_queue *q = &c->queue[corr];
	int64_t span_ns = c->eager ? -1 : c->p->corr[corr].span_ns; /* eager: what was used by then is settled, and kept elsewhere */

	while (q->oldest != NIL && time_ns - c->group[q->oldest].used_ns > span_ns && !c->trait[corr].upper)
		vg_corr_drop(c, q->oldest);
}

bool
vg_corr_make_room(struct vg_correlator *c)
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

/* ---- by key ---- */

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

static uint32_t
slot_of(const struct vg_correlator *c, vg_str key, uint32_t hash)
{
	uint32_t i = hash & (c->nslot - 1);

	while (c->slot[i].group && (c->slot[i].hash != hash || !vg_str_eq(vg_corr_group_key(&c->group[c->slot[i].group - 1]), key)))
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

uint32_t
vg_corr_find(const struct vg_correlator *c, vg_str key)
{
	uint32_t at = c->slot[slot_of(c, key, (uint32_t)vg_map_hash(key))].group;

	return at ? at - 1 : NIL;
}

/* ---- one group ---- */

static size_t
text_bytes(vg_str key, const vg_str *by, uint32_t nby)
{
	size_t n = key.n + nby * sizeof(uint32_t);

	for (uint32_t i = 0; i < nby; i++)
		n += by[i].n;
	return n;
}

static char *
text_of(vg_str key, const vg_str *by, uint32_t nby)
{
	char *text = malloc(text_bytes(key, by, nby) + 1), *p = text;

	if (text == NULL)
		return NULL;
	memcpy(p, key.p, key.n);
	p += key.n;
	for (uint32_t i = 0; i < nby; i++) {
		uint32_t n = (uint32_t)by[i].n;

		memcpy(p, &n, sizeof(n));
		p += sizeof(n);
		if (n)
			memcpy(p, by[i].p, n);
		p += n;
	}
	return text;
}

void
vg_corr_group_by(const struct vg_correlator *c, const struct vg_corr_group *x, vg_str by[VG_CORR_BY_MAX])
{
	const char *p = x->text + x->nkey;

	for (uint32_t i = 0; i < c->p->corr[x->corr].nby; i++) {
		uint32_t n;

		memcpy(&n, p, sizeof(n));
		by[i] = vg_str_mem(p + sizeof(n), n);
		p += sizeof(n) + n;
	}
}

static size_t
group_bytes(const struct vg_correlator *c, const struct vg_corr_group *x)
{
	vg_str by[VG_CORR_BY_MAX];

	vg_corr_group_by(c, x, by);
	return sizeof(*x) + 2 * sizeof(struct vg_corr_slot) + text_bytes(vg_corr_group_key(x), by, c->p->corr[x->corr].nby) + 2 * MALLOC_BYTES +
	       vg_corr_held_bytes(&c->p->corr[x->corr], x);
}

void
vg_corr_group_free(struct vg_corr_group *x)
{
	free(x->text);
	free(x->held.any);
}

void
vg_corr_drop(struct vg_correlator *c, uint32_t g)
{
	struct vg_corr_group *x = &c->group[g];

	c->used_bytes -= group_bytes(c, x);
	close_slot(c, slot_of(c, vg_corr_group_key(x), x->hash));
	unlink_group(c, g);
	vg_corr_group_free(x);
	*x = (struct vg_corr_group){ .newer = c->freed };
	c->freed = g + 1;
	c->nlive--;
}

/* A place in the array; NIL: no memory. */
static uint32_t
new_place(struct vg_correlator *c)
{
	uint32_t g = c->freed - 1;

	if (c->freed) {
		c->freed = c->group[g].newer;
		return g;
	}
	if (c->ngroup == c->capgroup) {
		uint32_t cap = c->capgroup ? 2 * c->capgroup : 1024;
		struct vg_corr_group *n = realloc(c->group, cap * sizeof(*n));

		if (n == NULL)
			return NIL;
		c->group = n;
		c->capgroup = cap;
	}
	return c->ngroup++;
}

uint32_t
vg_corr_add(struct vg_correlator *c, uint32_t corr, vg_str key, const vg_str *by)
{
	const struct vg_corr *k = &c->p->corr[corr];
	struct vg_corr_group x = { .corr = corr, .hash = (uint32_t)vg_map_hash(key), .nkey = (uint32_t)key.n };
	uint32_t g;

	while ((c->nlive >= VG_CORR_GROUPS_MAX || c->used_bytes > c->limit_bytes) && vg_corr_make_room(c))
		;
	if (!slots_room(c) || (x.text = text_of(key, by, k->nby)) == NULL)
		return NIL;
	if (vg_corr_temporal(k)) {
		if ((x.held.link = malloc(k->nref * sizeof(*x.held.link))) == NULL) {
			free(x.text);
			return NIL;
		}
		for (uint32_t i = 0; i < k->nref; i++)
			x.held.link[i] = (struct vg_corr_link){ VG_TIME_NONE, 0 };
	}
	if ((g = new_place(c)) == NIL) {
		vg_corr_group_free(&x);
		return NIL;
	}
	c->group[g] = x;
	c->slot[slot_of(c, vg_corr_group_key(&x), x.hash)] = (struct vg_corr_slot){ x.hash, g + 1 };
	c->nlive++;
	c->used_bytes += group_bytes(c, &x);
	return g;
}
