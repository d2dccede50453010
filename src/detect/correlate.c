/* detect/correlate.c - matches go to their groups, and what comes true there is told.
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
		vg_corr_expire(c, corr, in->time_ns);
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
		vg_corr_touch(c, g, in->time_ns, false);
	} else if (!c->trait[corr].upper) {
		vg_corr_touch(c, g, in->time_ns, true);
	}
	return g;
}

/* ---- windows ---- */

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
	vg_str by[VG_CORR_BY_MAX];
	char *copy = NULL;
	size_t bytes = 0, at = 0;
	vg_rc rc;

	h->rule = k->rule;
	h->nby = k->nby;
	vg_corr_group_by(c, x, by);
	for (uint32_t i = 0; i < k->nby; i++)
		bytes += by[i].n;
	if (bytes && (copy = malloc(bytes)) == NULL) /* the group may be dropped by what is above */
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < k->nby; i++) {
		h->by_name[i] = vg_program_str(c->p, c->p->list[k->byname + i]);
		if (by[i].n)
			memcpy(copy + at, by[i].p, by[i].n);
		h->by_value[i] = vg_str_mem(copy ? copy + at : NULL, by[i].n);
		at += by[i].n;
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

/* A window is over: judge it. */
static vg_rc
judge(struct vg_correlator *c, uint32_t g, int64_t at_ns)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct vg_corr_hit h;

	if (vg_corr_holds(k, x) && meets(k, vg_corr_measure(k, x))) {
		vg_corr_tell_window(k, x, &h);
		h.value = vg_corr_measure(k, x);
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
		if (!vg_corr_holds(k, x)) /* the window opens */
			vg_corr_touch(c, g, in->time_ns, true);
		return vg_corr_push(c, g, &e) ? VG_OK : VG_E_NOMEM;
	}
	vg_corr_leave(k, x, in->time_ns);
	if (!vg_corr_push(c, g, &e))
		return VG_E_NOMEM;
	v = vg_corr_measure(k, x);
	ok = meets(k, v);
	if (!ok || in->time_ns - x->fired_ns > k->span_ns)
		x->fired = false;
	/* what stands above follows the whole burst: a success at its end is one after failures */
	if (!ok || (x->fired && !c->use_of[k->rule]))
		return VG_OK;
	vg_corr_tell_window(k, x, &h);
	h.value = v;
	if (x->fired)
		return fire(c, g, &h, h.last_ns, AGAIN);
	x->fired = true;
	x->fired_ns = h.last_ns;
	if (k->type == VG_CORR_EVENT_COUNT)
		x->held.window->more = 0; /* counted from here on */
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
		return n->first < k->nref && x->held.link[n->first].time_ns != VG_TIME_NONE && x->held.link[n->first].time_ns >= from_ns;
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
		if (x->held.link[i].token && h.nevidence < VG_CORR_EVIDENCE_MAX)
			h.evidence[h.nevidence++] = x->held.link[i].token;
		h.count += x->held.link[i].token != 0;
		x->held.link[i] = (struct vg_corr_link){ VG_TIME_NONE, 0 }; /* used up */
	}
	h.value = (double)h.count;
	return fire(c, g, &h, h.last_ns, 0);
}

static vg_rc
temporal_hit(struct vg_correlator *c, uint32_t g, uint32_t ref, const struct input *in)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct vg_corr_link *link = x->held.link;
	int64_t from_ns = in->time_ns - k->span_ns, first_ns = in->time_ns;
	bool ok = true;

	link[ref] = (struct vg_corr_link){ in->time_ns, in->token ? in->token : 1 };
	for (uint32_t i = 0; i < k->nref; i++) {
		bool seen = link[i].time_ns != VG_TIME_NONE && link[i].time_ns >= from_ns;

		ok &= seen;
		if (seen && link[i].time_ns < first_ns)
			first_ns = link[i].time_ns;
		if (!seen)
			link[i].token = 0;
	}
	if (k->root != NIL)
		ok = expression(c->p, k, x, k->root, from_ns, 0);
	else if (k->cmp[0] != VG_CMP_NONE) { /* "3 of these rules" */
		double n = 0;

		for (uint32_t i = 0; i < k->nref; i++)
			n += link[i].token != 0;
		ok = meets(k, n);
	}
	return ok ? fire_temporal(c, g, first_ns, in) : VG_OK;
}

/* The time of a link: when the latest chain began that has come through refs 0..i in order. */
static vg_rc
ordered_hit(struct vg_correlator *c, uint32_t g, uint32_t ref, const struct input *in)
{
	struct vg_corr_group *x = &c->group[g];
	const struct vg_corr *k = &c->p->corr[x->corr];
	struct vg_corr_link *link = x->held.link;

	if (ref == 0) {
		link[0].time_ns = in->time_ns;
	} else {
		if (link[ref - 1].time_ns == VG_TIME_NONE || in->time_ns - link[ref - 1].time_ns > k->span_ns)
			return VG_OK;
		link[ref].time_ns = link[ref - 1].time_ns;
	}
	link[ref].token = in->token ? in->token : 1;
	return ref + 1 == k->nref ? fire_temporal(c, g, link[ref].time_ns, in) : VG_OK;
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

static bool
upper_only(const struct vg_corr *k)
{
	for (int i = 0; i < 2; i++)
		if (k->cmp[i] != VG_CMP_NONE && k->cmp[i] != VG_CMP_LT && k->cmp[i] != VG_CMP_LTE)
			return false;
	return !vg_corr_temporal(k);
}

/* What each correlation is, from those it stands on, which come before it. */
static void
take_traits(struct vg_correlator *c)
{
	const struct vg_program *p = c->p;

	for (uint32_t i = 0; i < p->ncorr; i++) {
		struct vg_corr_trait *t = &c->trait[i];

		t->part = i;
		t->kept = vg_corr_kept(&p->corr[i], &t->exact);
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
		vg_corr_group_free(&c->group[g]);
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
		vg_corr_expire(c, i, time_ns);
}

vg_rc
vg_correlator_end(struct vg_correlator *c)
{
	return judge_until(c, INT64_MAX);
}

void
vg_correlator_shrink(struct vg_correlator *c, size_t bytes)
{
	while (c->used_bytes > bytes && vg_corr_make_room(c))
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
