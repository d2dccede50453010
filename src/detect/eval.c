/* detect/eval.c - the plain evaluator: the authority. */
#include "detect/match.h"

#define DEPTH_MAX 200

struct eval {
	struct vg_view v;
	uint32_t rule;
	vg_eval_log *log;
	void *ctx;
	uint8_t *field; /* for vg_matched_fields: a mark a field */
};

static bool
node_true(struct eval *x, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &x->v.p->node[at];
	struct vg_eval_step s = { .rule = x->rule, .node = at, .depth = depth, .item = UINT32_MAX, .value = UINT32_MAX };
	uint32_t field = UINT32_MAX;

	if (depth > DEPTH_MAX)
		return false;
	switch ((enum vg_op)n->op) {
	case VG_OP_FALSE:
	case VG_OP_REF:
		break;
	case VG_OP_TRUE:
		s.outcome = true;
		break;
	case VG_OP_NOT:
		s.outcome = !node_true(x, x->v.p->child[n->first], depth + 1);
		break;
	case VG_OP_AND:
	case VG_OP_OR:
		s.outcome = n->op == VG_OP_AND;
		for (uint32_t i = 0; i < n->n; i++) {
			bool one = node_true(x, x->v.p->child[n->first + i], depth + 1);

			if (one != (n->op == VG_OP_AND)) {
				s.outcome = one;
				if (x->log == NULL && x->field == NULL)
					break; /* else all is wanted */
			}
		}
		break;
	case VG_OP_ITEM:
		s.item = n->first;
		s.outcome = vg_match_item(&x->v, n->first, &s.value, &field);
		if (field != UINT32_MAX) {
			s.field = &x->v.e->field[field];
			if (x->field)
				x->field[field] = 1;
		}
		break;
	}
	if (x->log)
		x->log(x->ctx, &s);
	return s.outcome;
}

static bool
run(struct eval *x, struct vg_regexes *r, uint32_t rule, const struct vg_event *e, struct vg_arena *scratch)
{
	const struct vg_program *p = vg_regexes_program(r);
	uint32_t *first = vg_arena_array(scratch, uint32_t, p->nkey + 1);

	if (first == NULL || rule >= p->nrule || p->rule[rule].kind != VG_RULE_BASE ||
	    vg_view_init(&x->v, r, e, scratch, first) != VG_OK)
		return false;
	x->rule = rule;
	return node_true(x, p->rule[rule].root, 0);
}

bool
vg_eval(struct vg_regexes *r, uint32_t rule, const struct vg_event *e, struct vg_arena *scratch, vg_eval_log *log, void *ctx)
{
	struct eval x = { .log = log, .ctx = ctx };

	return run(&x, r, rule, e, scratch);
}

/* What lies under a NOT does not make a rule match, so only positive items are marked. */
static void
mark(struct eval *x, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &x->v.p->node[at];
	uint32_t value, field;

	if (depth > DEPTH_MAX)
		return;
	if (n->op == VG_OP_ITEM) {
		const struct vg_item *it = &x->v.p->item[n->first];

		if (!vg_match_item(&x->v, n->first, &value, &field))
			return;
		if (field != UINT32_MAX)
			x->field[field] = 1;
		if (it->kind == VG_ITEM_KEYWORDS)
			for (uint32_t i = 0; it->flags & VG_ITEM_ALL && i < it->nvalue; i++)
				for (uint32_t f = 0; f < x->v.e->nfield; f++)
					if (!(x->v.e->field[f].flags & VG_FIELD_ADDED) &&
					    vg_match_value(&x->v, it->value + i, x->v.e->field[f].value, vg_view_folded(&x->v, f)))
						x->field[f] = 1;
	} else if (n->op == VG_OP_AND || n->op == VG_OP_OR) {
		for (uint32_t i = 0; i < n->n; i++) {
			struct eval quiet = { .v = x->v, .rule = x->rule };

			if (node_true(&quiet, x->v.p->child[n->first + i], depth + 1))
				mark(x, x->v.p->child[n->first + i], depth + 1);
		}
	}
}

size_t
vg_matched_fields(struct vg_regexes *r, uint32_t rule, const struct vg_event *e, struct vg_arena *scratch, uint32_t *out,
		  size_t max)
{
	struct eval x = { 0 };
	size_t n = 0;

	if (!run(&x, r, rule, e, scratch) || (x.field = vg_arena_array(scratch, uint8_t, e->nfield + 1)) == NULL)
		return 0;
	mark(&x, x.v.p->rule[rule].root, 0);
	for (uint32_t i = 0; i < e->nfield && n < max; i++)
		if (x.field[i])
			out[n++] = i;
	return n;
}

bool
vg_rule_applies(const struct vg_program *p, uint32_t rule, const struct vg_event *e)
{
	const struct vg_rule *r = &p->rule[rule];
	vg_str product = vg_program_str(p, r->product), category = vg_program_str(p, r->category),
	       service = vg_program_str(p, r->service);

	for (uint32_t i = 0; i < e->nls; i++)
		if ((product.n == 0 || vg_str_ieq(product, e->ls[i].product)) &&
		    (category.n == 0 || vg_str_ieq(category, e->ls[i].category)) &&
		    (service.n == 0 || vg_str_ieq(service, e->ls[i].service)))
			return true;
	return false;
}
