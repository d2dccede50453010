#include "trace/live.h"

#include <stdlib.h>

#include "base/cur.h"
#include "event/wire.h"
#include "trace/live_impl.h"

#define MAGIC "VGLV"
#define EVENT_BYTES ((size_t)8 << 20)
#define TENANT_NAMES_BYTES ((size_t)1 << 20)
#define DROP_EVERY_NS VG_HOUR

/* ---- groups to be made anew ---- */

void
vg_live_dirty_init(struct vg_live_dirty *d, size_t limit_bytes)
{
	*d = (struct vg_live_dirty){ 0 };
	vg_map_init(&d->keys, limit_bytes);
}

void
vg_live_dirty_fini(struct vg_live_dirty *d)
{
	vg_map_fini(&d->keys);
	free(d->first_ns);
	free(d->last_ns);
	d->first_ns = d->last_ns = NULL;
}

vg_rc
vg_live_dirty_reset(struct vg_live_dirty *d, uint32_t npart)
{
	if (d->first_ns == NULL)
		d->first_ns = malloc((npart + 1) * sizeof(*d->first_ns));
	if (d->last_ns == NULL)
		d->last_ns = malloc((npart + 1) * sizeof(*d->last_ns));
	if (d->first_ns == NULL || d->last_ns == NULL)
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < npart; i++) {
		d->first_ns[i] = INT64_MAX;
		d->last_ns[i] = INT64_MIN;
	}
	if (d->keys.cap) {
		size_t limit_bytes = d->keys.keys.limit_bytes;

		vg_map_fini(&d->keys);
		vg_map_init(&d->keys, limit_bytes);
	}
	d->all = d->any = false;
	return VG_OK;
}

void
vg_live_dirty_add(struct vg_live_dirty *d, vg_str key)
{
	d->any = true;
	if (!d->all && vg_map_add(&d->keys, key, 0, NULL) == VG_MAP_NONE)
		d->all = true;
}

/* ---- tenants ---- */

struct vg_correlator *
vg_live_correlator(const struct vg_live *l, vg_corr_fn *fn, void *ctx)
{
	return vg_correlator_new(l->p, l->o.tenant_bytes, fn, ctx);
}

void
vg_live_correlator_free(struct vg_live *l, struct vg_correlator *c)
{
	if (c)
		l->gone_dropped += vg_correlator_dropped(c);
	vg_correlator_free(c);
}

static void
free_tenant(struct vg_live_tenant *t)
{
	if (t == NULL)
		return;
	vg_live_correlator_free(t->l, t->settled);
	vg_live_correlator_free(t->l, t->eager);
	vg_live_dirty_fini(&t->pending);
	vg_live_dirty_fini(&t->late);
	free(t);
}

/* With @state, what was saved of it. */
static vg_rc
new_tenant(struct vg_live *l, uint32_t id, const vg_str *state, struct vg_live_tenant **out)
{
	struct vg_live_tenant *t = calloc(1, sizeof(*t));
	uint64_t lost = 0;
	vg_rc rc = VG_OK;

	if (t == NULL)
		return VG_E_NOMEM;
	t->l = l;
	t->id = id;
	t->settled_ns = t->loaded_ns = t->lost_ns = VG_TIME_NONE;
	vg_live_dirty_init(&t->pending, l->o.dirty_bytes);
	vg_live_dirty_init(&t->late, l->o.dirty_bytes);
	t->eager = vg_live_correlator(l, vg_live_on_eager, t);
	if (state)
		rc = vg_correlator_load(l->p, &l->id, l->o.tenant_bytes, vg_live_on_settled, t, *state, &lost, &t->settled);
	else
		t->settled = vg_live_correlator(l, vg_live_on_settled, t);
	if (rc == VG_OK && (!t->eager || !t->settled))
		rc = VG_E_NOMEM;
	if (rc == VG_OK)
		rc = vg_live_dirty_reset(&t->pending, l->npart);
	if (rc == VG_OK)
		rc = vg_live_dirty_reset(&t->late, l->npart);
	if (rc == VG_OK)
		rc = l->store.count(l->store.ctx, id, &t->nhit);
	if (rc != VG_OK) {
		free_tenant(t);
		return rc;
	}
	vg_correlator_eager(t->eager);
	t->pending.all = t->pending.any = t->nhit != 0; /* stored hits that the eager one has not seen */
	t->newest_ns = t->nhit ? INT64_MAX : INT64_MIN;
	l->n.forgotten += lost;
	*out = t;
	return VG_OK;
}

/* VG_E_LIMIT: there are too many. */
static vg_rc
add_tenant(struct vg_live *l, struct vg_live_tenant *t)
{
	if (l->ntenant == VG_LIVE_TENANTS_MAX)
		return VG_E_LIMIT;
	if (l->ntenant == l->captenant) {
		size_t cap = l->captenant ? 2 * l->captenant : 16;
		struct vg_live_tenant **n = realloc(l->tenant, cap * sizeof(*n));

		if (n == NULL)
			return VG_E_NOMEM;
		l->tenant = n;
		l->captenant = cap;
	}
	if (vg_map_add(&l->tenant_of, vg_str_mem(&t->id, sizeof(t->id)), (uint32_t)l->ntenant, NULL) != l->ntenant)
		return VG_E_NOMEM;
	l->tenant[l->ntenant++] = t;
	return VG_OK;
}

static vg_rc
tenant_of(struct vg_live *l, uint32_t id, struct vg_live_tenant **out)
{
	uint32_t at = vg_map_find(&l->tenant_of, vg_str_mem(&id, sizeof(id)));
	vg_rc rc;

	if (at != VG_MAP_NONE) {
		*out = l->tenant[at];
		return VG_OK;
	}
	if (l->ntenant == VG_LIVE_TENANTS_MAX)
		return VG_E_LIMIT;
	if ((rc = new_tenant(l, id, NULL, out)) != VG_OK)
		return rc;
	if ((rc = add_tenant(l, *out)) != VG_OK)
		free_tenant(*out);
	return rc;
}

/* ---- life ---- */

struct named {
	uint64_t name;
	uint32_t row;
};

static int
name_cmp(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return (x->name > y->name) - (x->name < y->name);
}

/* The rules whose hits are stored, by name. */
static vg_rc
name_rules(struct vg_live *l)
{
	struct named *n = calloc(l->p->nrule + 1, sizeof(*n));

	l->name = calloc(l->p->nrule + 1, sizeof(*l->name));
	l->row = calloc(l->p->nrule + 1, sizeof(*l->row));
	if (n == NULL || l->name == NULL || l->row == NULL) {
		free(n);
		return VG_E_NOMEM;
	}
	for (uint32_t i = 0; i < l->p->nrule; i++)
		if (l->p->rule[i].kind == VG_RULE_BASE && (l->p->rule[i].flags & VG_RULE_FED)) {
			n[l->nname].name = l->id.rule[i];
			n[l->nname++].row = i;
		}
	qsort(n, l->nname, sizeof(*n), name_cmp);
	for (size_t i = 0; i < l->nname; i++) {
		l->name[i] = n[i].name;
		l->row[i] = n[i].row;
	}
	free(n);
	return VG_OK;
}

static void
take_options(struct vg_live *l, const struct vg_live_options *o)
{
	if (o)
		l->o = *o;
	if (l->o.wait_ns == 0)
		l->o.wait_ns = VG_LIVE_WAIT_NS;
	if (l->o.keep_ns == 0)
		l->o.keep_ns = VG_LIVE_KEEP_NS;
	if (l->o.hits_max == 0)
		l->o.hits_max = VG_LIVE_HITS_MAX;
	if (l->o.tenant_bytes == 0)
		l->o.tenant_bytes = VG_LIVE_TENANT_BYTES;
	if (l->o.bytes == 0)
		l->o.bytes = VG_LIVE_BYTES;
	if (l->o.dirty_bytes == 0)
		l->o.dirty_bytes = VG_LIVE_DIRTY_BYTES;
}

vg_rc
vg_live_new(const struct vg_program *p, const struct vg_keys *k, const struct vg_live_options *o, const struct vg_live_store *s,
	    const struct vg_live_out *out, struct vg_live **live)
{
	struct vg_live *l = calloc(1, sizeof(*l));
	vg_rc rc;

	if (l == NULL)
		return VG_E_NOMEM;
	l->p = p;
	l->keys = k;
	l->store = *s;
	l->out = *out;
	l->now_ns = l->repair_mono_ns = l->drop_ns = INT64_MIN;
	take_options(l, o);
	vg_map_init(&l->tenant_of, TENANT_NAMES_BYTES);
	vg_arena_init(&l->arena, EVENT_BYTES);
	vg_event_init(&l->event, &l->arena, k);
	l->plain = vg_correlator_new(p, 0, NULL, NULL);
	l->npart = l->plain ? vg_correlator_parts(l->plain) : 0;
	l->skip = calloc(l->npart + 1, 1);
	rc = l->plain && l->skip ? vg_identity_of(p, &l->id) : VG_E_NOMEM;
	if (rc == VG_OK)
		rc = name_rules(l);
	if (rc != VG_OK) {
		vg_live_free(l);
		return rc;
	}
	*live = l;
	return VG_OK;
}

void
vg_live_free(struct vg_live *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->ntenant; i++)
		free_tenant(l->tenant[i]);
	free(l->tenant);
	free(l->held);
	vg_buf_fini(&l->fields);
	vg_buf_fini(&l->kept);
	vg_map_fini(&l->tenant_of);
	vg_correlator_free(l->plain);
	vg_identity_fini(&l->id);
	vg_route_fini(&l->route);
	vg_buf_fini(&l->key);
	vg_arena_fini(&l->arena);
	free(l->name);
	free(l->row);
	free(l->skip);
	free(l);
}

/* ---- hits ---- */

static bool
is_slow(const struct vg_live *l, size_t i)
{
	return vg_correlator_slow(l->plain, vg_route_at(&l->route, i)->corr);
}

static uint32_t
part_of(const struct vg_live *l, size_t i)
{
	return vg_correlator_part(l->plain, vg_route_at(&l->route, i)->corr);
}

static void
mark_late(struct vg_live_tenant *t, int64_t time_ns)
{
	struct vg_live *l = t->l;

	l->n.late++;
	for (size_t i = 0; i < vg_route_n(&l->route); i++) {
		uint32_t part = part_of(l, i);

		vg_live_dirty_add(&t->late, vg_route_key(&l->route, i));
		if (time_ns < t->late.first_ns[part])
			t->late.first_ns[part] = time_ns;
		if (time_ns > t->late.last_ns[part])
			t->late.last_ns[part] = time_ns;
	}
}

vg_rc
vg_live_seed(struct vg_live_tenant *t, struct vg_correlator *to)
{
	const struct vg_live *l = t->l;
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < vg_route_n(&l->route) && rc == VG_OK; i++) {
		vg_str key = vg_route_key(&l->route, i);

		if (!is_slow(l, i) && !l->skip[part_of(l, i)] && !vg_correlator_has(to, key))
			rc = vg_correlator_copy(to, t->settled, key);
	}
	return rc;
}

/* A hit of the time that is not settled yet. */
static vg_rc
feed_eager(struct vg_live_tenant *t, uint32_t rule, int64_t time_ns, uint64_t seq)
{
	struct vg_live *l = t->l;
	size_t n = vg_route_n(&l->route);
	bool out_of_order = false;
	vg_rc rc;

	for (size_t i = 0; i < n; i++)
		l->skip[part_of(l, i)] = 0;
	for (size_t i = 0; i < n; i++)
		if (!is_slow(l, i) && vg_live_dirty_has(&t->pending, vg_route_key(&l->route, i)))
			l->skip[part_of(l, i)] = 2;
	if ((rc = vg_live_seed(t, t->eager)) != VG_OK)
		return rc;
	if ((rc = vg_correlator_hit_eager(t->eager, rule, time_ns, &l->event, seq + 1, l->skip)) != VG_OK)
		return rc;
	for (size_t i = 0; i < n; i++) {
		uint8_t skip = l->skip[part_of(l, i)];

		out_of_order |= skip == 1;
		if (skip && !is_slow(l, i)) /* what hangs together with a group that is worth nothing is worth nothing */
			vg_live_dirty_add(&t->pending, vg_route_key(&l->route, i));
	}
	l->n.disorder += out_of_order;
	return VG_OK;
}

/* Store it.  VG_E_STOP: it was there, and has been seen. */
static vg_rc
store_hit(struct vg_live_tenant *t, const struct vg_live_hit *h, bool *was)
{
	struct vg_live *l = t->l;
	vg_rc rc;

	*was = false;
	if (t->nhit >= l->o.hits_max + l->o.hits_max / 4) {
		l->n.refused++;
		return VG_E_STOP;
	}
	if ((rc = l->store.put(l->store.ctx, h, was)) != VG_OK)
		return rc;
	l->n.again += *was;
	t->nhit += !*was;
	/* what lay in the store when it was loaded is seen from there; but the state as saved has not seen what came after it */
	return *was && (h->seq <= l->saved_seq || t->loaded_ns == VG_TIME_NONE || h->time_ns > t->loaded_ns) ? VG_E_STOP : VG_OK;
}

/* Decode it, and find its groups. */
static vg_rc
read_hit(struct vg_live *l, uint32_t rule, int64_t time_ns, vg_str wire)
{
	struct vg_cur in = vg_cur_of(wire.p, wire.n);
	vg_rc rc;

	if (time_ns <= -VG_LIVE_TIME_FAR_NS || time_ns >= VG_LIVE_TIME_FAR_NS || wire.n > VG_LIVE_WIRE_MAX)
		return VG_E_LIMIT;
	if ((rc = vg_wire_decode(&in, &l->event)) != VG_OK)
		return rc;
	return vg_correlator_route(l->plain, rule, &l->event, &l->route);
}

static vg_rc
hold(struct vg_live *l, uint32_t rule, const struct vg_live_hit *h)
{
	if (l->nheld == l->capheld) {
		size_t cap = l->capheld ? 2 * l->capheld : 256;
		struct vg_live_held *n = realloc(l->held, cap * sizeof(*n));

		if (n == NULL)
			return VG_E_NOMEM;
		l->held = n;
		l->capheld = cap;
	}
	l->held[l->nheld++] = (struct vg_live_held){ h->tenant, rule, h->time_ns, h->seq, l->tick, l->fields.n, h->wire.n };
	vg_buf_put(&l->fields, h->wire);
	return l->fields.rc;
}

vg_rc
vg_live_hit(struct vg_live *l, uint32_t tenant, uint32_t rule, int64_t time_ns, uint64_t seq, vg_str wire)
{
	struct vg_live_hit h = { tenant, time_ns, seq, 0, wire };
	struct vg_live_tenant *t;
	bool was;
	vg_rc rc;

	if (rule >= l->p->nrule || l->p->rule[rule].kind != VG_RULE_BASE)
		return VG_E_FORMAT;
	if (!(l->p->rule[rule].flags & VG_RULE_FED))
		return VG_OK;
	l->n.hits++;
	if (seq > l->newest_seq)
		l->newest_seq = seq;
	if ((rc = read_hit(l, rule, time_ns, wire)) == VG_OK && vg_route_n(&l->route) == 0)
		return VG_OK; /* no correlation takes it */
	if (rc == VG_OK)
		rc = tenant_of(l, tenant, &t);
	if (rc == VG_E_LIMIT || rc == VG_E_TRUNC || rc == VG_E_FORMAT) {
		l->n.refused++;
		return VG_OK;
	}
	if (rc != VG_OK)
		return rc;
	h.rule = l->id.rule[rule];
	if ((rc = store_hit(t, &h, &was)) != VG_OK)
		return rc == VG_E_STOP ? VG_OK : rc;
	if (t->newest_ns < time_ns)
		t->newest_ns = time_ns;
	if (t->settled_ns != VG_TIME_NONE && time_ns <= t->settled_ns)
		mark_late(t, time_ns);
	else if (l->o.hold_ns && l->nheld < VG_LIVE_HELD_MAX)
		return hold(l, rule, &h);
	else
		return feed_eager(t, rule, time_ns, seq);
	return VG_OK;
}

/* ---- hits that wait for older ones ---- */

static int
held_cmp(const void *a, const void *b)
{
	const struct vg_live_held *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
	if (x->seq != y->seq)
		return (x->seq > y->seq) - (x->seq < y->seq);
	return (x->rule > y->rule) - (x->rule < y->rule);
}

static vg_rc
feed_held(struct vg_live *l, const struct vg_live_held *x)
{
	uint32_t at = vg_map_find(&l->tenant_of, vg_str_mem(&x->tenant, sizeof(x->tenant)));
	struct vg_live_tenant *t = at == VG_MAP_NONE ? NULL : l->tenant[at];
	vg_rc rc;

	if (t == NULL || (t->settled_ns != VG_TIME_NONE && x->time_ns <= t->settled_ns)) /* it was settled meanwhile, from the store */
		return VG_OK;
	if ((rc = read_hit(l, x->rule, x->time_ns, vg_str_mem(l->fields.p + x->at, x->n))) != VG_OK)
		return rc;
	return feed_eager(t, x->rule, x->time_ns, x->seq);
}

/* Those that came before the last tick, and those that are older than what may still be on its way; @all: every one. */
static vg_rc
feed_due(struct vg_live *l, bool all)
{
	int64_t due_ns = l->now_ns > INT64_MIN + l->o.hold_ns ? l->now_ns - l->o.hold_ns : INT64_MIN;
	size_t n = 0;
	vg_rc rc = VG_OK;

	if (l->nheld > 1)
		qsort(l->held, l->nheld, sizeof(*l->held), held_cmp);
	vg_buf_clear(&l->kept);
	for (size_t i = 0; i < l->nheld && rc == VG_OK; i++) {
		struct vg_live_held x = l->held[i];

		if (all || x.tick < l->tick || x.time_ns <= due_ns) {
			rc = feed_held(l, &x);
			continue;
		}
		l->held[n] = x;
		l->held[n++].at = l->kept.n;
		vg_buf_put(&l->kept, vg_str_mem(l->fields.p + x.at, x.n));
		rc = l->kept.rc;
	}
	if (rc == VG_OK) { /* else all is made anew from what was saved */
		struct vg_buf b = l->fields;

		l->nheld = n;
		l->fields = l->kept;
		l->kept = b;
	}
	return rc;
}

/* ---- time ---- */

/* Remove stored hits before @before_ns, at most the settled ones. */
static vg_rc
drop_before(struct vg_live_tenant *t, int64_t before_ns, uint64_t *n)
{
	struct vg_live *l = t->l;
	vg_rc rc;

	*n = 0;
	if (t->settled_ns == VG_TIME_NONE)
		return VG_OK;
	if (before_ns > t->settled_ns)
		before_ns = t->settled_ns;
	rc = l->store.drop(l->store.ctx, t->id, before_ns, n);
	t->nhit -= *n < t->nhit ? *n : t->nhit;
	if (*n && before_ns > t->lost_ns)
		t->lost_ns = before_ns;
	return rc;
}

/* Too many: the oldest tenth goes. */
static vg_rc
drop_excess(struct vg_live_tenant *t)
{
	struct vg_live *l = t->l;
	uint64_t n;
	int64_t before_ns;
	vg_rc rc;

	if (t->nhit <= l->o.hits_max)
		return VG_OK;
	rc = l->store.nth(l->store.ctx, t->id, t->nhit - l->o.hits_max + l->o.hits_max / 10, &before_ns);
	if (rc == VG_OK)
		rc = drop_before(t, before_ns, &n);
	else if (rc == VG_E_NOTFOUND)
		return l->store.count(l->store.ctx, t->id, &t->nhit);
	l->n.expired += rc == VG_OK ? n : 0;
	return rc;
}

static vg_rc
drop_old(struct vg_live *l)
{
	vg_rc rc = VG_OK;
	uint64_t n;

	for (size_t i = 0; i < l->ntenant && rc == VG_OK; i++)
		rc = drop_excess(l->tenant[i]);
	if (rc != VG_OK || l->now_ns < l->drop_ns)
		return rc;
	l->drop_ns = l->now_ns + DROP_EVERY_NS;
	for (size_t i = 0; i < l->ntenant && rc == VG_OK; i++)
		rc = drop_before(l->tenant[i], l->now_ns - l->o.keep_ns, &n);
	return rc;
}

/* All correlators together hold too much: the largest gives. */
static void
shrink(struct vg_live *l)
{
	for (;;) {
		struct vg_correlator *most = NULL;
		size_t sum = 0;

		for (size_t i = 0; i < 2 * l->ntenant; i++) {
			struct vg_correlator *c = i % 2 ? l->tenant[i / 2]->eager : l->tenant[i / 2]->settled;

			sum += vg_correlator_bytes(c);
			if (most == NULL || vg_correlator_bytes(c) > vg_correlator_bytes(most))
				most = c;
		}
		if (sum <= l->o.bytes || vg_correlator_bytes(most) == 0)
			return;
		vg_correlator_shrink(most, vg_correlator_bytes(most) - vg_correlator_bytes(most) / 4 - 1);
	}
}

/* One tenant's time moves; @repair: groups may be made anew now. */
static vg_rc
tick_tenant(struct vg_live_tenant *t, bool repair)
{
	int64_t to_ns = t->l->now_ns - t->l->o.wait_ns;
	vg_rc rc = VG_OK;

	if (repair && t->late.any)
		rc = vg_live_late(t);
	if (rc == VG_OK && (t->settled_ns == VG_TIME_NONE || to_ns > t->settled_ns))
		rc = vg_live_settle(t, to_ns);
	if (rc == VG_OK && repair && t->pending.any)
		rc = vg_live_repair(t);
	return rc;
}

static bool
is_any_pending(const struct vg_live *l)
{
	for (size_t i = 0; i < l->ntenant; i++)
		if (l->tenant[i]->pending.any || l->tenant[i]->late.any)
			return true;
	return false;
}

vg_rc
vg_live_tick(struct vg_live *l, int64_t now_ns, int64_t mono_ns)
{
	bool repair = mono_ns >= l->repair_mono_ns;
	uint64_t before = l->n.replayed;
	vg_rc rc = VG_OK;

	if (now_ns <= -VG_LIVE_TIME_FAR_NS || now_ns >= VG_LIVE_TIME_FAR_NS)
		return VG_E_FORMAT;
	if (now_ns > l->now_ns)
		l->now_ns = now_ns;
	if (l->nheld)
		rc = feed_due(l, false);
	if (rc == VG_OK && l->nheld && repair && is_any_pending(l)) /* which takes all that is stored */
		rc = feed_due(l, true);
	l->tick++;
	for (size_t i = 0; i < l->ntenant && rc == VG_OK; i++)
		rc = tick_tenant(l->tenant[i], repair);
	if (repair) {
		int64_t rest_ns = (int64_t)(l->n.replayed - before) * VG_LIVE_HIT_COST_NS * 4;

		l->repair_mono_ns = mono_ns + (rest_ns > VG_LIVE_REPAIR_NS ? rest_ns : VG_LIVE_REPAIR_NS);
	}
	if (rc == VG_OK)
		rc = drop_old(l);
	shrink(l);
	return rc;
}

void
vg_live_counts(const struct vg_live *l, struct vg_live_counts *out)
{
	*out = l->n;
	out->dropped += l->gone_dropped;
	for (size_t i = 0; i < l->ntenant; i++) {
		const struct vg_live_tenant *t = l->tenant[i];

		out->dropped += vg_correlator_dropped(t->settled) + vg_correlator_dropped(t->eager);
		out->bytes += vg_correlator_bytes(t->settled) + vg_correlator_bytes(t->eager);
	}
}

bool
vg_live_tenant(const struct vg_live *l, size_t i, uint32_t *out)
{
	if (i >= l->ntenant)
		return false;
	*out = l->tenant[i]->id;
	return true;
}

vg_rc
vg_live_forget(struct vg_live *l, uint32_t tenant)
{
	uint32_t at = vg_map_find(&l->tenant_of, vg_str_mem(&tenant, sizeof(tenant)));
	uint64_t n;
	vg_rc rc = l->store.drop(l->store.ctx, tenant, INT64_MAX, &n);

	if (rc != VG_OK || at == VG_MAP_NONE)
		return rc;
	free_tenant(l->tenant[at]);
	l->tenant[at] = l->tenant[--l->ntenant];
	vg_map_fini(&l->tenant_of); /* a map gives nothing back */
	vg_map_init(&l->tenant_of, TENANT_NAMES_BYTES);
	for (size_t i = 0; i < l->ntenant; i++)
		if (vg_map_add(&l->tenant_of, vg_str_mem(&l->tenant[i]->id, sizeof(l->tenant[i]->id)), (uint32_t)i, NULL) != i)
			return VG_E_NOMEM;
	return VG_OK;
}

/* ---- kept over restarts ---- */

vg_rc
vg_live_save(struct vg_live *l, struct vg_buf *b)
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < l->ntenant && rc == VG_OK; i++)
		if (l->tenant[i]->late.any)
			rc = vg_live_late(l->tenant[i]);
	if (rc != VG_OK)
		return rc;
	vg_buf_puts(b, MAGIC);
	vg_buf_le32(b, VG_LIVE_VERSION);
	vg_buf_le64(b, l->newest_seq);
	vg_buf_le32(b, (uint32_t)l->ntenant);
	for (size_t i = 0; i < l->ntenant; i++) {
		const struct vg_live_tenant *t = l->tenant[i];
		uint32_t bytes;
		size_t at;

		vg_buf_le32(b, t->id);
		vg_buf_le64(b, (uint64_t)t->settled_ns);
		vg_buf_le64(b, (uint64_t)t->lost_ns);
		at = b->n;
		vg_buf_le32(b, 0);
		vg_correlator_save(t->settled, &l->id, b);
		if (b->rc != VG_OK)
			return b->rc;
		if (b->n - at - 4 > UINT32_MAX)
			return VG_E_LIMIT;
		bytes = (uint32_t)(b->n - at - 4);
		memcpy(b->p + at, &bytes, sizeof(bytes));
	}
	return b->rc;
}

static bool
is_time(int64_t t)
{
	return t == VG_TIME_NONE || (t > -VG_LIVE_TIME_FAR_NS && t < VG_LIVE_TIME_FAR_NS);
}

static vg_rc
take_tenant(struct vg_live *l, struct vg_cur *in)
{
	uint32_t id = vg_cur_le32(in);
	int64_t settled_ns = (int64_t)vg_cur_le64(in), lost_ns = (int64_t)vg_cur_le64(in);
	vg_str state = vg_cur_bytes(in, vg_cur_le32(in));
	struct vg_live_tenant *t;
	vg_rc rc;

	if (in->rc != VG_OK || !is_time(settled_ns) || !is_time(lost_ns) ||
	    vg_map_find(&l->tenant_of, vg_str_mem(&id, sizeof(id))) != VG_MAP_NONE)
		return VG_E_FORMAT;
	if ((rc = new_tenant(l, id, &state, &t)) != VG_OK)
		return rc;
	t->settled_ns = t->loaded_ns = settled_ns;
	t->lost_ns = lost_ns;
	if ((rc = add_tenant(l, t)) != VG_OK)
		free_tenant(t);
	return rc;
}

static void
forget_tenants(struct vg_live *l)
{
	for (size_t i = 0; i < l->ntenant; i++)
		free_tenant(l->tenant[i]);
	l->ntenant = 0;
	vg_map_fini(&l->tenant_of);
	vg_map_init(&l->tenant_of, TENANT_NAMES_BYTES);
	l->n.forgotten = 0;
}

vg_rc
vg_live_load(struct vg_live *l, vg_str blob, uint64_t *seq)
{
	struct vg_cur in = vg_cur_of(blob.p, blob.n);
	vg_str magic = vg_cur_bytes(&in, 4);
	uint32_t version = vg_cur_le32(&in), n;
	vg_rc rc = VG_OK;

	*seq = vg_cur_le64(&in);
	n = vg_cur_le32(&in);
	if (in.rc == VG_OK && vg_str_eq(magic, VG_STR(MAGIC)) && version > VG_LIVE_VERSION)
		return VG_E_UNSUP;
	if (in.rc != VG_OK || !vg_str_eq(magic, VG_STR(MAGIC)) || version != VG_LIVE_VERSION || n > VG_LIVE_TENANTS_MAX)
		return VG_E_FORMAT;
	for (; n && rc == VG_OK; n--)
		rc = take_tenant(l, &in);
	if (rc == VG_OK && vg_cur_left(&in))
		rc = VG_E_FORMAT;
	if (rc != VG_OK) {
		forget_tenants(l);
		return rc;
	}
	l->saved_seq = l->newest_seq = *seq;
	return VG_OK;
}
