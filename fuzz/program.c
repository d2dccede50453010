/* Programs.  The input says what to change in a sound blob: three bytes of place, one of value, again and again; or, with
 * a first byte of 255, is the blob itself.  What is always true: a program that loads can be walked. */
#include "rule/compile.h"

#include <assert.h>
#include <stdlib.h>

#include "rule/build.h"

static const char sound[] =
	"title: a\nid: a\nname: a\nlogsource: {product: x}\ndetection: {s: [{f|contains: [a, b]}, {g|cidr: 10.0.0.0/8}], t: {h: ~}, "
	"k: [x, 'y*z'], condition: s and not (t or k)}\n---\ntitle: b\nid: b\nlogsource: {product: x}\ndetection: {s: {f|fieldref: g}, "
	"condition: s | count(u) by v > 3, timeframe: 5m}\n---\ntitle: c\nname: c\ncorrelation: {type: temporal, rules: [a, b], "
	"group-by: [u, w], timespan: 1h, condition: a and not b}\n---\ntitle: d\ncorrelation: {type: value_count, rules: [c], "
	"timespan: 1h, condition: {gte: 2, field: u}}\n---\ntitle: e\nlogsource: {product: x}\nfilter: {rules: any, s: {q: 1}, condition: s}\n";

static size_t
walk(const struct vg_program *p, uint32_t at, unsigned depth, uint32_t nref, size_t budget)
{
	const struct vg_node *n = &p->node[at];

	assert(depth <= VG_NODE_DEPTH_MAX);
	assert(n->name.off + (size_t)n->name.len <= p->ntext);
	if (n->op == VG_OP_ITEM) {
		const struct vg_item *it = &p->item[n->first];

		assert(it->kind == VG_ITEM_KEYWORDS || it->key < p->nkey);
		for (uint32_t i = 0; i < it->nvalue; i++)
			assert(p->value[it->value + i].text.off + (size_t)p->value[it->value + i].text.len <= p->ntext);
	} else if (n->op == VG_OP_REF) {
		assert(n->first < nref);
	} else if (n->op >= VG_OP_AND && n->op <= VG_OP_NOT) {
		for (uint32_t i = 0; i < n->n && budget; i++)
			budget = walk(p, p->child[n->first + i], depth + 1, nref, budget - 1);
	}
	return budget;
}

static void
walk_all(const struct vg_program *p)
{
	for (uint32_t i = 0; i < p->nrule; i++) {
		const struct vg_rule *r = &p->rule[i];

		if (r->kind == VG_RULE_BASE)
			walk(p, r->root, 0, 0, 10000);
		else
			assert(p->corr[r->corr].rule == i);
	}
	for (uint32_t i = 0; i < p->nfilter; i++)
		assert(p->filter[i].reason.off + (size_t)p->filter[i].reason.len <= p->ntext);
	for (uint32_t i = 0; i < p->ncorr; i++) {
		const struct vg_corr *c = &p->corr[i];

		for (uint32_t j = 0; j < c->nref; j++)
			assert(p->refs[c->ref + j] < p->nrule);
		for (uint32_t j = 0; j < c->nby * c->nref; j++)
			assert(p->groupby[c->by + j] < p->nkey);
		if (c->root != UINT32_MAX)
			walk(p, c->root, 0, c->nref, 10000);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct vg_buf whole;
	struct vg_rule_text text = { VG_STR("a.yml"), vg_str_of(sound), VG_STR("x") };
	bool own = n && data[0] == 255;
	struct vg_keys *keys = vg_keys_new();
	size_t size;
	struct vg_program p;
	char *blob;

	if (whole.n == 0 && vg_rules_compile(&text, 1, NULL, 0, &whole) != VG_OK)
		abort();
	size = own ? n - 1 : whole.n;
	blob = malloc(size + 1);
	if (blob && keys) {
		if (own && size)
			memcpy(blob, data + 1, size);
		else
			memcpy(blob, whole.p, size);
		for (size_t i = 0; !own && i + 4 <= n; i += 4)
			blob[((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % size] = (char)data[i + 3];
		if (vg_program_load(vg_str_mem(blob, size), keys, &p) == VG_OK)
			walk_all(&p);
	}
	free(blob);
	vg_keys_free(keys);
	return 0;
}
