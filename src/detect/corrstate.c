/* detect/corrstate.c - a correlator's groups: copied into another correlator, written as bytes, and read back. */
#include <math.h>
#include <stdlib.h>

#include "base/cur.h"
#include "detect/correlate_impl.h"

#define MAGIC "VGCS"
#define FIRED 1
#define MORE 2 /* matches before those that are held were counted */
#define TIME_FAR_NS (INT64_C(1) << 62) /* no time is further: differences fit */

/* ---- from one correlator to another ---- */

void
vg_correlator_key(const struct vg_program *p, uint32_t corr, const vg_str *by, struct vg_buf *b)
{
	vg_corr_key_put(b, p, corr, by);
}

bool
vg_correlator_has(const struct vg_correlator *c, vg_str key)
{
	return vg_corr_find(c, key) != VG_CORR_NIL;
}

vg_rc
vg_correlator_copy(struct vg_correlator *to, const struct vg_correlator *from, vg_str key)
{
	uint32_t g = vg_corr_find(to, key), s = vg_corr_find(from, key);
	const struct vg_corr_group *x = s == VG_CORR_NIL ? NULL : &from->group[s];
	struct vg_corr_group *y;
	vg_str by[VG_CORR_BY_MAX];

	if (g != VG_CORR_NIL)
		vg_corr_drop(to, g);
	if (x == NULL)
		return VG_OK;
	vg_corr_group_by(from, x, by);
	if ((g = vg_corr_add(to, x->corr, vg_corr_group_key(x), by)) == VG_CORR_NIL)
		return VG_E_NOMEM;
	vg_corr_touch(to, g, x->used_ns, false);
	y = &to->group[g];
	y->fired = x->fired;
	y->bare = x->bare;
	y->fired_ns = x->fired_ns;
	if (vg_corr_held_copy(to, x, g))
		return VG_OK;
	vg_corr_drop(to, g);
	return VG_E_NOMEM;
}

vg_rc
vg_correlator_copy_part(struct vg_correlator *to, const struct vg_correlator *from, uint32_t part)
{
	vg_rc rc = VG_OK;

	for (uint32_t i = 0; i < to->p->ncorr && rc == VG_OK; i++) {
		if (to->trait[i].part != part)
			continue;
		while (to->queue[i].oldest != VG_CORR_NIL)
			vg_corr_drop(to, to->queue[i].oldest);
		for (uint32_t g = from->queue[i].oldest; g != VG_CORR_NIL && rc == VG_OK; g = from->group[g].newer)
			rc = vg_correlator_copy(to, from, vg_corr_group_key(&from->group[g]));
	}
	return rc;
}

/* ---- to bytes ---- */

static void
put_double(struct vg_buf *b, double v)
{
	vg_buf_mem(b, &v, sizeof(v));
}

static void
put_links(struct vg_buf *b, const struct vg_corr *k, const struct vg_corr_group *x)
{
	for (uint32_t i = 0; i < k->nref; i++) {
		vg_buf_le64(b, (uint64_t)x->held.link[i].time_ns);
		vg_buf_le64(b, x->held.link[i].token);
	}
}

static void
put_entries(struct vg_buf *b, const struct vg_corr *k, const struct vg_corr_group *x)
{
	struct vg_corr_entry e;
	size_t at = b->n;
	uint32_t n = 0;

	vg_buf_le32(b, 0);
	for (uint32_t place = VG_CORR_NIL; vg_corr_entry(k, x, &place, &e); n++) {
		vg_buf_le64(b, (uint64_t)e.time_ns);
		vg_buf_le64(b, e.token);
		if (k->type != VG_CORR_EVENT_COUNT)
			vg_buf_le64(b, e.v.hash);
	}
	if (b->rc == VG_OK)
		memcpy(b->p + at, &n, sizeof(n));
}

static void
put_group(struct vg_buf *b, const struct vg_correlator *c, const struct vg_corr *k, const struct vg_corr_group *x)
{
	const struct vg_corr_window *w = k->type == VG_CORR_EVENT_COUNT || vg_corr_measured(k) ? x->held.window : NULL;
	vg_str by[VG_CORR_BY_MAX];

	vg_buf_le64(b, (uint64_t)x->used_ns);
	vg_buf_u8(b, (x->fired ? FIRED : 0) | (w && w->more ? MORE : 0));
	vg_buf_le64(b, (uint64_t)x->fired_ns);
	put_double(b, w ? w->sum : 0);
	if (w && w->more) {
		vg_buf_le64(b, w->more);
		vg_buf_le64(b, (uint64_t)w->more_ns);
	}
	vg_corr_group_by(c, x, by);
	for (uint32_t i = 0; i < k->nby; i++)
		vg_buf_le_str(b, by[i]);
	if (vg_corr_temporal(k))
		put_links(b, k, x);
	else
		put_entries(b, k, x);
}

void
vg_correlator_save(const struct vg_correlator *c, const struct vg_identity *id, struct vg_buf *b)
{
	vg_buf_puts(b, MAGIC);
	vg_buf_le32(b, VG_CORR_STATE_VERSION);
	vg_buf_le32(b, c->p->ncorr);
	for (uint32_t i = 0; i < c->p->ncorr && b->rc == VG_OK; i++) {
		size_t at;
		uint32_t n = 0, bytes;

		vg_buf_mem(b, id->corr[i], VG_CORR_ID_BYTES);
		at = b->n;
		vg_buf_le64(b, 0);
		for (uint32_t g = c->queue[i].oldest; g != VG_CORR_NIL; g = c->group[g].newer) {
			put_group(b, c, &c->p->corr[i], &c->group[g]);
			n++;
		}
		if (b->rc != VG_OK)
			break;
		if (b->n - at - 8 > UINT32_MAX) {
			b->rc = VG_E_LIMIT;
			break;
		}
		bytes = (uint32_t)(b->n - at - 8);
		memcpy(b->p + at, &bytes, sizeof(bytes));
		memcpy(b->p + at + 4, &n, sizeof(n));
	}
}

/* ---- from bytes ---- */

static int64_t
take_time(struct vg_cur *in)
{
	int64_t t = (int64_t)vg_cur_le64(in);

	if (t <= -TIME_FAR_NS || t >= TIME_FAR_NS)
		vg_cur_fail(in, VG_E_FORMAT);
	return in->rc == VG_OK ? t : 0;
}

static double
take_double(struct vg_cur *in)
{
	uint64_t bits = vg_cur_le64(in);
	double v;

	memcpy(&v, &bits, sizeof(v));
	if (!isfinite(v))
		vg_cur_fail(in, VG_E_FORMAT);
	return in->rc == VG_OK ? v : 0;
}

static vg_rc
take_links(struct vg_cur *in, const struct vg_corr *k, struct vg_corr_group *x)
{
	for (uint32_t i = 0; i < k->nref; i++) {
		int64_t t = (int64_t)vg_cur_le64(in);

		if (t != VG_TIME_NONE && (t <= -TIME_FAR_NS || t > x->used_ns))
			return vg_cur_fail(in, VG_E_FORMAT);
		x->held.link[i].time_ns = in->rc == VG_OK ? t : VG_TIME_NONE;
		x->held.link[i].token = vg_cur_le64(in);
	}
	return in->rc;
}

static vg_rc
take_entries(struct vg_correlator *c, struct vg_cur *in, uint32_t g)
{
	const struct vg_corr *k = &c->p->corr[c->group[g].corr];
	uint32_t n = vg_cur_le32(in);
	int64_t before = -TIME_FAR_NS;

	if (n > VG_CORR_WINDOW_MAX)
		return vg_cur_fail(in, VG_E_FORMAT);
	for (uint32_t i = 0; i < n && in->rc == VG_OK; i++) {
		struct vg_corr_entry e = { .time_ns = take_time(in) };

		e.token = vg_cur_le64(in);
		if (k->type == VG_CORR_VALUE_COUNT)
			e.v.hash = vg_cur_le64(in);
		else if (k->type != VG_CORR_EVENT_COUNT)
			e.v.number = take_double(in);
		if (in->rc == VG_OK && e.time_ns < before)
			return vg_cur_fail(in, VG_E_FORMAT);
		before = e.time_ns;
		if (in->rc == VG_OK && !vg_corr_push(c, g, &e))
			return VG_E_NOMEM;
	}
	return in->rc;
}

static vg_rc
take_group(struct vg_correlator *c, uint32_t corr, struct vg_cur *in, int64_t *used_ns)
{
	const struct vg_corr *k = &c->p->corr[corr];
	int64_t used = take_time(in);
	uint8_t flags = vg_cur_u8(in);
	int64_t fired = take_time(in);
	double sum = take_double(in);
	uint64_t more = flags & MORE ? vg_cur_le64(in) : 0;
	int64_t more_ns = flags & MORE ? take_time(in) : 0;
	vg_str by[VG_CORR_BY_MAX];
	vg_rc rc;
	uint32_t g;

	for (uint32_t i = 0; i < k->nby; i++)
		by[i] = vg_cur_bytes(in, vg_cur_le32(in));
	vg_buf_clear(&c->key);
	vg_corr_key_put(&c->key, c->p, corr, by);
	if (in->rc == VG_OK && (flags & ~(FIRED | MORE) || (flags & MORE && k->type != VG_CORR_EVENT_COUNT) || used < *used_ns || vg_corr_find(c, vg_buf_str(&c->key)) != VG_CORR_NIL))
		vg_cur_fail(in, VG_E_FORMAT);
	if (in->rc != VG_OK || c->key.rc != VG_OK)
		return in->rc != VG_OK ? in->rc : c->key.rc;
	if ((g = vg_corr_add(c, corr, vg_buf_str(&c->key), by)) == VG_CORR_NIL)
		return VG_E_NOMEM;
	c->group[g].used_ns = used;
	if (c->trait[corr].upper)
		*used_ns = used; /* the first to end is the oldest */
	vg_corr_enqueue(c, g);
	rc = vg_corr_temporal(k) ? take_links(in, k, &c->group[g]) : take_entries(c, in, g);
	c->group[g].fired = flags & FIRED;
	c->group[g].fired_ns = fired;
	if (rc == VG_OK && c->group[g].held.any && (k->type == VG_CORR_EVENT_COUNT || vg_corr_measured(k)))
		vg_corr_window_set(&c->group[g], sum, more, more_ns);
	return rc;
}

static uint32_t
corr_named(const struct vg_program *p, const struct vg_identity *id, vg_str name)
{
	for (uint32_t i = 0; i < p->ncorr && name.p; i++)
		if (memcmp(id->corr[i], name.p, VG_CORR_ID_BYTES) == 0)
			return i;
	return VG_CORR_NIL;
}

static vg_rc
take_state(struct vg_correlator *c, const struct vg_identity *id, struct vg_cur *in, uint64_t *lost)
{
	vg_str magic = vg_cur_bytes(in, 4);
	uint32_t version = vg_cur_le32(in), ncorr = vg_cur_le32(in);
	vg_rc rc = VG_OK;

	if (in->rc == VG_OK && vg_str_eq(magic, VG_STR(MAGIC)) && version > VG_CORR_STATE_VERSION)
		return vg_cur_fail(in, VG_E_UNSUP);
	if (in->rc == VG_OK && (!vg_str_eq(magic, VG_STR(MAGIC)) || version == 0 || ncorr > VG_RULES_MAX))
		return vg_cur_fail(in, VG_E_FORMAT);
	for (uint32_t i = 0; i < ncorr && in->rc == VG_OK && rc == VG_OK; i++) {
		uint32_t corr = corr_named(c->p, id, vg_cur_bytes(in, VG_CORR_ID_BYTES));
		uint32_t bytes = vg_cur_le32(in), n = vg_cur_le32(in);
		struct vg_cur groups = vg_cur_sub(in, bytes);
		int64_t used_ns = -TIME_FAR_NS;

		if (in->rc != VG_OK)
			break;
		if (corr == VG_CORR_NIL) {
			*lost += n;
			continue;
		}
		if (c->queue[corr].oldest != VG_CORR_NIL) /* named twice */
			return VG_E_FORMAT;
		for (; n && rc == VG_OK; n--)
			rc = take_group(c, corr, &groups, &used_ns);
		if (rc == VG_OK && vg_cur_left(&groups))
			rc = VG_E_FORMAT;
	}
	if (rc == VG_OK && in->rc == VG_OK && vg_cur_left(in))
		return VG_E_FORMAT;
	return rc != VG_OK ? rc : in->rc;
}

vg_rc
vg_correlator_load(const struct vg_program *p, const struct vg_identity *id, size_t limit_bytes, vg_corr_fn *fn, void *ctx, vg_str blob,
		   uint64_t *lost, struct vg_correlator **out)
{
	struct vg_correlator *c = vg_correlator_new(p, limit_bytes, fn, ctx);
	struct vg_cur in = vg_cur_of(blob.p, blob.n);
	uint64_t none = 0;
	vg_rc rc = c ? take_state(c, id, &in, &none) : VG_E_NOMEM;

	if (rc != VG_OK) {
		vg_correlator_free(c);
		return rc == VG_E_TRUNC ? VG_E_FORMAT : rc;
	}
	if (lost)
		*lost = none;
	*out = c;
	return VG_OK;
}
