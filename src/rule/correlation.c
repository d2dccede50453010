/* rule/correlation.c - correlation documents, and the old aggregations as what they are today. */
#include <stdio.h>
#include <stdlib.h>

#include "rule/build.h"

#define GENERATED 0x80 /* in vg_rule.flags, until the end: some correlation lets its matches be signals */

static const char *const types[VG_CORR_TYPES] = { "event_count", "value_count", "temporal", "temporal_ordered", "value_sum",
						  "value_avg", "value_percentile", "value_median" };
static const struct {
	const char *word;
	enum vg_cmp cmp;
} cmps[] = { { "gt", VG_CMP_GT }, { "gte", VG_CMP_GTE }, { "lt", VG_CMP_LT }, { "lte", VG_CMP_LTE }, { "eq", VG_CMP_EQ },
	     { "neq", VG_CMP_NEQ } };

struct corr {
	struct vg_corr c;
	uint32_t ref[VG_REFS_MAX];
	vg_str refname[VG_REFS_MAX]; /* as written */
	vg_str by[VG_BY_MAX];
	vg_str field[VG_FIELDS_MAX];
	const struct vg_yaml *aliases;
};

static vg_rc
take_refs(struct vg_build *b, const struct vg_yaml *rules, struct corr *c, bool defer)
{
	if (rules == NULL || rules->kind == VG_YAML_NULL || rules->kind == VG_YAML_MAP || (rules->kind == VG_YAML_LIST && !rules->nchild))
		return vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "a correlation must name its rules");
	for (const struct vg_yaml *r = rules->kind == VG_YAML_LIST ? rules->child : rules; r;
	     r = rules->kind == VG_YAML_LIST ? r->next : NULL) {
		uint32_t row = vg_map_find(&b->byname, r->text);

		if (row == VG_MAP_NONE && defer)
			return VG_E_NOTFOUND;
		if (row == VG_MAP_NONE || row >= VG_ROWS(b->rule, struct vg_rule))
			return vg_build_refuse(b, VG_DIAG_REFERENCE, r->line,
					       "no rule '%.*s' is loaded (or it refers to this one in a circle)", VG_STR_ARG(r->text));
		if (c->c.nref == VG_REFS_MAX)
			return vg_build_refuse(b, VG_DIAG_LIMIT, r->line, "more than %d rules", VG_REFS_MAX);
		c->refname[c->c.nref] = r->text;
		c->ref[c->c.nref++] = row;
	}
	return VG_OK;
}

static vg_rc
take_names(struct vg_build *b, const struct vg_yaml *n, vg_str *out, uint32_t max, uint32_t *count)
{
	for (const struct vg_yaml *c = n && n->kind == VG_YAML_LIST ? n->child : n; c; c = n->kind == VG_YAML_LIST ? c->next : NULL) {
		if (c->kind != VG_YAML_SCALAR)
			return vg_build_refuse(b, VG_DIAG_SCHEMA, c->line, "a field name must be text");
		if (*count == max)
			return vg_build_refuse(b, VG_DIAG_LIMIT, c->line, "more than %u fields", max);
		out[(*count)++] = c->text;
	}
	return VG_OK;
}

static vg_rc
take_condition(struct vg_build *b, const struct vg_yaml *cond, struct corr *c)
{
	unsigned n = 0;

	for (const struct vg_yaml *k = cond->child; k; k = k->next) {
		bool known = false;
		double limit;

		if (vg_str_eq(k->key, VG_STR("field"))) {
			vg_rc rc = take_names(b, k, c->field, VG_FIELDS_MAX, &c->c.nfield);

			if (rc != VG_OK)
				return rc;
			continue;
		}
		if (vg_str_eq(k->key, VG_STR("percentile"))) {
			uint64_t p;

			if (!vg_str_u64(k->text, &p) || p > 100)
				return vg_build_refuse(b, VG_DIAG_CONDITION, k->line, "percentile must be a number from 0 to 100");
			c->c.percentile = (uint8_t)p;
			continue;
		}
		for (size_t i = 0; i < VG_COUNT(cmps); i++)
			if (vg_str_eq(k->key, vg_str_of(cmps[i].word))) {
				known = true;
				if (n == 2)
					return vg_build_refuse(b, VG_DIAG_CONDITION, k->line, "at most two comparisons (a range)");
				if (!vg_str_f64(k->text, &limit))
					return vg_build_refuse(b, VG_DIAG_CONDITION, k->line, "'%.*s' is not a number", VG_STR_ARG(k->text));
				c->c.cmp[n] = (uint8_t)cmps[i].cmp;
				c->c.limit[n++] = limit;
			}
		if (!known)
			return vg_build_refuse(b, VG_DIAG_CONDITION, k->line, "no such comparison: %.*s", VG_STR_ARG(k->key));
	}
	return VG_OK;
}

/* "a and not b" over the rules' names. */
static vg_rc
take_expression(struct vg_build *b, const struct vg_yaml *cond, struct corr *c)
{
	struct vg_selection sel[VG_REFS_MAX];

	for (uint32_t i = 0; i < c->c.nref; i++)
		sel[i] = (struct vg_selection){ c->refname[i], vg_build_leaf(b, VG_OP_REF, i) };
	return vg_build_condition(b, cond->text, cond->line, sel, c->c.nref, &c->c.root);
}

/* What the matches of ref @r call the group-by name @name: an alias may name the rule otherwise than `rules` does. */
static vg_str
aliased(const struct vg_build *b, const struct corr *c, vg_str name, uint32_t r)
{
	const struct vg_yaml *a = vg_yaml_get(c->aliases, name), *f = vg_yaml_get(a, c->refname[r]);

	if (f == NULL && a && a->kind == VG_YAML_MAP)
		for (f = a->child; f && vg_map_find(&b->byname, f->key) != c->ref[r]; f = f->next)
			;
	return f && f->kind == VG_YAML_SCALAR ? f->text : name;
}

static vg_rc
check(struct vg_build *b, const struct corr *c)
{
	bool counts = c->c.type >= VG_CORR_VALUE_SUM || c->c.type == VG_CORR_VALUE_COUNT;
	bool temporal = c->c.type == VG_CORR_TEMPORAL || c->c.type == VG_CORR_TEMPORAL_ORDERED;

	if (c->c.span_ns <= 0)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "timespan must be a time such as 30s, 15m, 2h or 7d");
	if (!temporal && c->c.cmp[0] == VG_CMP_NONE)
		return vg_build_refuse(b, VG_DIAG_CONDITION, 0, "%s needs a condition such as gte: 10", types[c->c.type]);
	if (counts && c->c.nfield == 0)
		return vg_build_refuse(b, VG_DIAG_CONDITION, 0, "%s needs a field in its condition", types[c->c.type]);
	for (uint32_t i = 0; i < c->c.nref; i++) {
		const struct vg_rule *ref = vg_build_rule(b, c->ref[i]);

		if (ref->kind == VG_RULE_CORRELATION &&
		    ((const struct vg_corr *)(void *)b->corr.p)[ref->corr].depth + 1 > VG_CHAIN_MAX)
			return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "more than %d correlations that stand on one another", VG_CHAIN_MAX);
	}
	for (uint32_t i = 0; i < c->c.nby; i++)
		for (uint32_t j = 0; j < c->c.nref; j++)
			if (vg_keys_add(b->keys, aliased(b, c, c->by[i], j)) == VG_KEY_NONE)
				return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "too many field names in the rule set");
	for (uint32_t i = 0; i < c->c.nfield; i++)
		if (vg_keys_add(b->keys, c->field[i]) == VG_KEY_NONE)
			return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "too many field names in the rule set");
	return VG_OK;
}

/* A correlation's own match has the values it groups by, and no others. */
static void
warn_unseen(struct vg_build *b, const struct corr *c, uint32_t r, vg_str name)
{
	const struct vg_rule *ref = vg_build_rule(b, c->ref[r]);
	const struct vg_corr *low;

	if (ref->kind != VG_RULE_CORRELATION)
		return;
	low = (const struct vg_corr *)(void *)b->corr.p + ref->corr;
	for (uint32_t i = 0; i < low->nby; i++)
		if (vg_str_eq(vg_build_str(b, ((const struct vg_slice *)(void *)b->list.p)[low->byname + i]), name))
			return;
	vg_build_warn(b, VG_DIAG_REFERENCE, 0, "'%.*s' is no field of the correlation '%.*s': add it to the group-by of that one",
		      VG_STR_ARG(name), VG_STR_ARG(c->refname[r]));
}

/* Write the rows of a correlation that is sound. */
static void
put(struct vg_build *b, struct corr *c, const struct vg_rule *head)
{
	struct vg_rule r = *head;

	c->c.rule = VG_ROWS(b->rule, struct vg_rule);
	c->c.ref = VG_ROWS(b->refs, uint32_t);
	vg_buf_mem(&b->refs, c->ref, c->c.nref * sizeof(*c->ref));
	c->c.by = VG_ROWS(b->groupby, uint32_t);
	c->c.byname = VG_ROWS(b->list, struct vg_slice);
	for (uint32_t i = 0; i < c->c.nby; i++) {
		struct vg_slice s = vg_build_text(b, c->by[i]);

		vg_buf_mem(&b->list, &s, sizeof(s));
		for (uint32_t j = 0; j < c->c.nref; j++) {
			vg_str name = aliased(b, c, c->by[i], j);

			vg_buf_le32(&b->groupby, vg_keys_add(b->keys, name));
			warn_unseen(b, c, j, name);
		}
	}
	c->c.field = VG_ROWS(b->need, uint32_t);
	for (uint32_t i = 0; i < c->c.nfield; i++) {
		vg_buf_le32(&b->need, vg_keys_add(b->keys, c->field[i]));
		for (uint32_t j = 0; j < c->c.nref; j++)
			warn_unseen(b, c, j, c->field[i]);
	}
	for (uint32_t i = 0; i < c->c.nref; i++) {
		const struct vg_rule *ref = vg_build_rule(b, c->ref[i]);

		if (ref->kind == VG_RULE_CORRELATION) {
			uint8_t depth = ((const struct vg_corr *)(void *)b->corr.p)[ref->corr].depth;

			if (depth >= c->c.depth)
				c->c.depth = (uint8_t)(depth + 1);
		}
	}
	r.kind = VG_RULE_CORRELATION;
	r.flags = VG_RULE_REPORT;
	r.corr = VG_ROWS(b->corr, struct vg_corr);
	vg_buf_mem(&b->corr, &c->c, sizeof(c->c));
	vg_buf_mem(&b->rule, &r, sizeof(r));
}

/* What it refers to feeds it, and is no signal of its own unless it says generate. */
static void
feed(struct vg_build *b, const struct corr *c, bool generate)
{
	for (uint32_t i = 0; i < c->c.nref; i++) {
		struct vg_rule *ref = vg_build_rule(b, c->ref[i]);

		ref->flags |= VG_RULE_FED;
		if (generate)
			ref->flags |= GENERATED;
	}
}

vg_rc
vg_build_correlation(struct vg_build *b, const struct vg_yaml *doc, const struct vg_rule *head, bool *later)
{
	const struct vg_yaml *k = vg_yaml_get(doc, VG_STR("correlation")), *cond = vg_yaml_get(k, VG_STR("condition"));
	const struct vg_yaml *gen = vg_yaml_get(doc, VG_STR("generate"));
	struct corr *c = vg_arena_new(&b->tmp, struct corr);
	vg_str type = vg_yaml_text(k, "type");
	bool generate = false;
	vg_rc rc;

	if (c == NULL)
		return VG_E_NOMEM;
	c->c = (struct vg_corr){ .type = VG_CORR_TYPES, .root = UINT32_MAX, .percentile = 50 };
	c->aliases = vg_yaml_get(k, VG_STR("aliases"));
	for (uint8_t i = 0; i < VG_CORR_TYPES; i++)
		if (vg_str_eq(type, vg_str_of(types[i])))
			c->c.type = i;
	if (c->c.type == VG_CORR_TYPES)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "no such type of correlation: '%.*s'", VG_STR_ARG(type));
	c->c.span_ns = vg_duration_parse(vg_yaml_text(k, "timespan"));
	if (gen == NULL)
		gen = vg_yaml_get(k, VG_STR("generate"));
	(void)vg_yaml_bool(gen, &generate);
	if ((rc = take_names(b, vg_yaml_get(k, VG_STR("group-by")), c->by, VG_BY_MAX, &c->c.nby)) != VG_OK)
		return rc;
	if (cond && cond->kind == VG_YAML_MAP && (rc = take_condition(b, cond, c)) != VG_OK)
		return rc;
	if ((rc = take_refs(b, vg_yaml_get(k, VG_STR("rules")), c, *later)) != VG_OK)
		return rc;
	if (cond && cond->kind == VG_YAML_SCALAR && (rc = take_expression(b, cond, c)) != VG_OK)
		return rc;
	if ((rc = check(b, c)) != VG_OK)
		return rc;
	put(b, c, head);
	feed(b, c, generate);
	return VG_OK;
}

/* "count(field) by a, b > 5" and its like, of rules before correlations existed. */
vg_rc
vg_build_aggregation(struct vg_build *b, vg_str text, vg_str timeframe, uint32_t line, uint32_t base, const struct vg_rule *head)
{
	static const struct {
		const char *word;
		enum vg_corr_type plain, field;
	} fn[] = { { "count", VG_CORR_EVENT_COUNT, VG_CORR_VALUE_COUNT }, { "sum", VG_CORR_TYPES, VG_CORR_VALUE_SUM },
		   { "avg", VG_CORR_TYPES, VG_CORR_VALUE_AVG } };
	static const struct {
		const char *sign;
		enum vg_cmp cmp;
	} sign[] = { { ">=", VG_CMP_GTE }, { "<=", VG_CMP_LTE }, { "!=", VG_CMP_NEQ }, { ">", VG_CMP_GT }, { "<", VG_CMP_LT },
		     { "==", VG_CMP_EQ }, { "=", VG_CMP_EQ } };
	struct corr *c = vg_arena_new(&b->tmp, struct corr);
	size_t open = vg_str_chr(text, '('), close = vg_str_chr(text, ')'), at = VG_NPOS, len = 0;
	vg_str name, field, by, part;

	if (c == NULL)
		return VG_E_NOMEM;
	if (vg_str_istarts(text, VG_STR("near")))
		return vg_build_refuse(b, VG_DIAG_CONDITION, line, "'near' was never defined; write a temporal correlation");
	if (vg_str_istarts(text, VG_STR("min(")) || vg_str_istarts(text, VG_STR("max(")))
		return vg_build_refuse(b, VG_DIAG_CONDITION, line, "min and max are no types of correlation; compare the field itself, with lt or gt");
	if (open == VG_NPOS || close == VG_NPOS || close < open)
		return vg_build_refuse(b, VG_DIAG_CONDITION, line, "this aggregation is not understood: %.*s", VG_STR_ARG(text));
	name = vg_str_trim(vg_str_cut(text, open));
	field = vg_str_trim(vg_str_cut(vg_str_skip(text, open + 1), close - open - 1));
	text = vg_str_trim(vg_str_skip(text, close + 1));
	c->c = (struct vg_corr){ .type = VG_CORR_TYPES, .root = UINT32_MAX, .nref = 1, .percentile = 50 };
	for (size_t i = 0; i < VG_COUNT(fn); i++)
		if (vg_str_ieq(name, vg_str_of(fn[i].word)))
			c->c.type = (uint8_t)(field.n ? fn[i].field : fn[i].plain);
	for (size_t i = 0; i < VG_COUNT(sign) && at == VG_NPOS; i++) {
		at = vg_str_find(text, vg_str_of(sign[i].sign));
		if (at != VG_NPOS) {
			c->c.cmp[0] = (uint8_t)sign[i].cmp;
			len = strlen(sign[i].sign);
		}
	}
	if (c->c.type == VG_CORR_TYPES || at == VG_NPOS || !vg_str_f64(vg_str_trim(vg_str_skip(text, at + len)), &c->c.limit[0]))
		return vg_build_refuse(b, VG_DIAG_CONDITION, line, "this aggregation is not understood: %.*s", VG_STR_ARG(name));
	by = vg_str_trim(vg_str_cut(text, at));
	if (vg_str_istarts(by, VG_STR("by"))) {
		by = vg_str_skip(by, 2);
		while (vg_str_split(&by, ',', &part) && c->c.nby < VG_BY_MAX)
			if (vg_str_trim(part).n)
				c->by[c->c.nby++] = vg_str_trim(part);
	}
	if (field.n) {
		c->field[0] = field;
		c->c.nfield = 1;
	}
	c->c.span_ns = timeframe.n ? vg_duration_parse(timeframe) : 365 * VG_DAY; /* none given: over all */
	c->ref[0] = base;
	c->refname[0] = vg_build_str(b, head->title);
	if (check(b, c) != VG_OK)
		return VG_E_FORMAT;
	put(b, c, head);
	return VG_OK;
}

static int
u64_cmp(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return (a > b) - (a < b);
}

/* For each rule that feeds correlations: the keys they read from its matches, ascending. */
static void
put_needs(struct vg_build *b)
{
	uint32_t ncorr = VG_ROWS(b->corr, struct vg_corr);
	const struct vg_corr *corr = (const struct vg_corr *)(void *)b->corr.p;
	const uint32_t *refs = (const uint32_t *)(void *)b->refs.p, *by = (const uint32_t *)(void *)b->groupby.p;
	struct vg_buf pairs = { 0 }; /* rule, key */
	uint64_t *pair;
	size_t n;

	for (uint32_t i = 0; i < ncorr; i++)
		for (uint32_t j = 0; j < corr[i].nref; j++) {
			uint64_t rule = (uint64_t)refs[corr[i].ref + j] << 32;

			for (uint32_t k = 0; k < corr[i].nby; k++)
				vg_buf_le64(&pairs, rule | by[corr[i].by + k * corr[i].nref + j]);
			for (uint32_t k = 0; k < corr[i].nfield; k++)
				vg_buf_le64(&pairs, rule | ((const uint32_t *)(void *)b->need.p)[corr[i].field + k]);
		}
	if (pairs.rc != VG_OK)
		b->rc = pairs.rc;
	pair = (uint64_t *)(void *)pairs.p;
	n = pairs.rc == VG_OK ? pairs.n / sizeof(*pair) : 0;
	if (n)
		qsort(pair, n, sizeof(*pair), u64_cmp);
	for (size_t i = 0; i < n; i++) {
		struct vg_rule *r = vg_build_rule(b, (uint32_t)(pair[i] >> 32));

		if (i && pair[i] == pair[i - 1])
			continue;
		if (r->nneed++ == 0)
			r->need = VG_ROWS(b->need, uint32_t);
		vg_buf_le32(&b->need, (uint32_t)pair[i]);
	}
	vg_buf_fini(&pairs);
}

/* What one stands on comes before it already; a stable sort by depth keeps that. */
static vg_rc
sort_by_depth(struct vg_build *b)
{
	uint32_t n = VG_ROWS(b->corr, struct vg_corr), at = 0;
	struct vg_corr *from = (struct vg_corr *)(void *)b->corr.p, *to;

	if (n < 2)
		return VG_OK;
	if ((to = malloc(n * sizeof(*to))) == NULL)
		return VG_E_NOMEM;
	for (uint32_t depth = 0; depth <= VG_CHAIN_MAX; depth++)
		for (uint32_t i = 0; i < n; i++)
			if (from[i].depth == depth) {
				vg_build_rule(b, from[i].rule)->corr = at;
				to[at++] = from[i];
			}
	memcpy(from, to, n * sizeof(*to));
	free(to);
	return VG_OK;
}

void
vg_build_finish_correlations(struct vg_build *b)
{
	if (b->corr.rc != VG_OK || b->rule.rc != VG_OK || b->refs.rc != VG_OK || b->groupby.rc != VG_OK || b->need.rc != VG_OK) {
		b->rc = VG_E_NOMEM;
		return;
	}
	for (uint32_t i = 0; i < VG_ROWS(b->rule, struct vg_rule); i++) {
		struct vg_rule *r = vg_build_rule(b, i);

		if ((r->flags & VG_RULE_FED) && !(r->flags & GENERATED))
			r->flags &= (uint8_t)~VG_RULE_REPORT;
		r->flags &= VG_RULE_FED | VG_RULE_REPORT;
	}
	put_needs(b);
	if (sort_by_depth(b) != VG_OK)
		b->rc = VG_E_NOMEM;
}
