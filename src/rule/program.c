/* rule/program.c - the program's blob: a header, a table of sections, sections aligned to 8.  All is checked when it is
 * loaded: the blob comes from a cache on disk or from another process. */
#include "rule/program.h"

#include <stddef.h>
#include <stdlib.h>

#include "rule/build.h"

#define MAGIC "VGPROG01"

struct section {
	uint64_t at;
	uint32_t n, size; /* rows, and bytes of one */
};
enum { S_TEXT, S_KEY, S_RULE, S_NODE, S_CHILD, S_ITEM, S_VALUE, S_CORR, S_REFS, S_GROUPBY, S_NEED, S_LIST, S_DIAG, S_FILTER, SECTIONS };
struct head {
	char magic[8];
	uint32_t version, nsection;
	int64_t valid_from_ns, valid_until_ns;
	struct section s[SECTIONS];
};

/* Where the program's view keeps each section: pointer, and count. */
static const struct {
	size_t ptr, count;
	uint32_t size;
} rows[SECTIONS] = {
#define ROW(s, p, c, type) [s] = { offsetof(struct vg_program, p), offsetof(struct vg_program, c), sizeof(type) }
	[S_TEXT] = { offsetof(struct vg_program, text), 0, 1 },
	ROW(S_KEY, key, nkey, struct vg_slice), ROW(S_RULE, rule, nrule, struct vg_rule), ROW(S_NODE, node, nnode, struct vg_node),
	ROW(S_CHILD, child, nchild, uint32_t), ROW(S_ITEM, item, nitem, struct vg_item), ROW(S_VALUE, value, nvalue, struct vg_value),
	ROW(S_CORR, corr, ncorr, struct vg_corr), ROW(S_REFS, refs, nrefs, uint32_t), ROW(S_GROUPBY, groupby, ngroupby, uint32_t),
	ROW(S_NEED, need, nneed, uint32_t), ROW(S_LIST, list, nlist, struct vg_slice), ROW(S_DIAG, diag, ndiag, struct vg_diag),
	ROW(S_FILTER, filter, nfilter, struct vg_filter),
#undef ROW
};

vg_rc
vg_program_write(struct vg_build *b, struct vg_buf *out)
{
	struct vg_buf *sec[SECTIONS] = { &b->text, &b->key, &b->rule, &b->node, &b->child, &b->item, &b->value,
					 &b->corr, &b->refs, &b->groupby, &b->need, &b->list, &b->diag, &b->filter };
	struct head h = { .magic = MAGIC, .version = VG_PROGRAM_VERSION, .nsection = SECTIONS,
			  .valid_from_ns = b->valid_from_ns, .valid_until_ns = b->valid_until_ns };
	size_t base = out->n;

	for (uint32_t i = 0; i < vg_keys_count(b->keys); i++) {
		struct vg_slice s = vg_build_text(b, vg_keys_name(b->keys, i));

		vg_buf_mem(&b->key, &s, sizeof(s));
	}
	vg_buf_mem(out, &h, sizeof(h));
	for (int i = 0; i < SECTIONS; i++) {
		while ((out->n - base) % 8 && out->rc == VG_OK)
			vg_buf_u8(out, 0);
		if (sec[i]->rc != VG_OK)
			return sec[i]->rc;
		h.s[i] = (struct section){ out->n - base, (uint32_t)(sec[i]->n / rows[i].size), rows[i].size };
		vg_buf_put(out, vg_buf_str(sec[i]));
	}
	if (out->rc != VG_OK || b->rc != VG_OK)
		return out->rc != VG_OK ? out->rc : b->rc;
	memcpy(out->p + base, &h, sizeof(h));
	return VG_OK;
}

/* What lies below a node. */
struct sum {
	uint32_t depth;
	uint32_t ref; /* 1 + the largest place that a VG_OP_REF names; 0: none */
	bool item;
};

static bool
slice_ok(const struct vg_program *p, struct vg_slice s)
{
	return s.off <= p->ntext && s.len <= p->ntext - s.off;
}

static bool
range_ok(uint32_t first, uint32_t n, uint32_t count)
{
	return n == 0 || (first < count && n <= count - first);
}

static bool
rule_ok(const struct vg_program *p, const struct sum *sum, const struct vg_rule *r)
{
	const struct vg_slice s[] = { r->id, r->title, r->name, r->author, r->date, r->description, r->license, r->file,
				      r->product, r->category, r->service };

	for (size_t i = 0; i < VG_COUNT(s); i++)
		if (!slice_ok(p, s[i]))
			return false;
	if (r->kind == VG_RULE_BASE ? r->root >= p->nnode || sum[r->root].ref || r->corr != UINT32_MAX :
	    r->kind != VG_RULE_CORRELATION || r->corr >= p->ncorr || p->corr[r->corr].rule != (uint32_t)(r - p->rule))
		return false;
	if (r->level >= VG_LEVELS || !range_ok(r->tag, r->ntag, p->nlist) || !range_ok(r->ref, r->nref, p->nlist) ||
	    !range_ok(r->fp, r->nfp, p->nlist) || !range_ok(r->need, r->nneed, p->nneed))
		return false;
	for (uint32_t i = 0; i < r->nneed; i++)
		if (p->need[r->need + i] >= p->nkey || (i && p->need[r->need + i] <= p->need[r->need + i - 1]))
			return false;
	return true;
}

static bool
node_ok(const struct vg_program *p, struct sum *sum, uint32_t at)
{
	const struct vg_node *n = &p->node[at];
	struct sum s = { 0 };

	if (!slice_ok(p, n->name) || n->op > VG_OP_REF)
		return false;
	if (n->op == VG_OP_ITEM) {
		sum[at].item = true;
		return n->first < p->nitem;
	}
	if (n->op == VG_OP_REF) {
		sum[at].ref = n->first + 1;
		return n->first < VG_REFS_MAX;
	}
	if (n->op != VG_OP_AND && n->op != VG_OP_OR && n->op != VG_OP_NOT)
		return true;
	if (!range_ok(n->first, n->n, p->nchild) || (n->op == VG_OP_NOT && n->n != 1))
		return false;
	for (uint32_t i = 0; i < n->n; i++) {
		uint32_t c = p->child[n->first + i];

		if (c >= at)
			return false;
		s.item |= sum[c].item;
		s.ref = sum[c].ref > s.ref ? sum[c].ref : s.ref;
		s.depth = sum[c].depth >= s.depth ? sum[c].depth + 1 : s.depth;
	}
	sum[at] = s;
	return s.depth <= VG_NODE_DEPTH_MAX;
}

static bool
value_ok(const struct vg_program *p, const struct vg_value *v)
{
	if (v->test >= VG_TESTS || v->part > VG_PART_YEAR || !slice_ok(p, v->text))
		return false;
	if (v->test >= VG_TEST_FIELD_EQ && v->test <= VG_TEST_FIELD_CONTAINS && v->aux >= p->nkey)
		return false;
	return v->test != VG_TEST_CIDR || (v->text.len == 17 && (unsigned char)p->text[v->text.off + 16] <= 128);
}

static bool
corr_ok(const struct vg_program *p, const struct sum *sum, uint32_t at)
{
	const struct vg_corr *c = &p->corr[at];

	if (c->rule >= p->nrule || p->rule[c->rule].kind != VG_RULE_CORRELATION || p->rule[c->rule].corr != at)
		return false;
	if (c->type >= VG_CORR_TYPES || c->cmp[0] > VG_CMP_NEQ || c->cmp[1] > VG_CMP_NEQ || c->percentile > 100 || c->span_ns <= 0)
		return false;
	if (c->nref == 0 || c->nref > VG_REFS_MAX || !range_ok(c->ref, c->nref, p->nrefs) || c->nby > VG_BY_MAX ||
	    !range_ok(c->byname, c->nby, p->nlist) || !range_ok(c->by, c->nby * c->nref, p->ngroupby) ||
	    c->nfield > VG_FIELDS_MAX || !range_ok(c->field, c->nfield, p->nneed) || c->depth > VG_CHAIN_MAX)
		return false;
	if (c->root != UINT32_MAX && (c->root >= p->nnode || sum[c->root].item || sum[c->root].ref > c->nref))
		return false;
	if (at && p->corr[at - 1].depth > c->depth)
		return false;
	for (uint32_t i = 0; i < c->nref; i++) {
		uint32_t r = p->refs[c->ref + i];

		if (r >= p->nrule || (p->rule[r].kind == VG_RULE_CORRELATION && p->rule[r].corr >= at))
			return false; /* what it stands on comes before it: no circle */
	}
	for (uint32_t i = 0; i < c->nby * c->nref; i++)
		if (p->groupby[c->by + i] >= p->nkey)
			return false;
	return true;
}

static bool
told_ok(const struct vg_program *p)
{
	bool ok = true;

	for (uint32_t i = 0; i < p->ndiag && ok; i++)
		ok = slice_ok(p, p->diag[i].file) && slice_ok(p, p->diag[i].id) && slice_ok(p, p->diag[i].text) && p->diag[i].origin < VG_ORIGINS;
	for (uint32_t i = 0; i < p->nfilter && ok; i++) {
		const struct vg_filter *f = &p->filter[i];

		ok = slice_ok(p, f->id) && slice_ok(p, f->title) && slice_ok(p, f->author) && slice_ok(p, f->reason) && slice_ok(p, f->date) &&
		     slice_ok(p, f->file);
	}
	return ok;
}

static bool
check(const struct vg_program *p, struct sum *sum)
{
	bool ok = true;

	if (p->nrule > VG_RULES_MAX)
		return false;
	for (uint32_t i = 0; i < p->nkey; i++)
		ok &= slice_ok(p, p->key[i]);
	for (uint32_t i = 0; i < p->nlist; i++)
		ok &= slice_ok(p, p->list[i]);
	for (uint32_t i = 0; i < p->nvalue; i++)
		ok &= value_ok(p, &p->value[i]);
	for (uint32_t i = 0; i < p->nitem; i++)
		ok &= p->item[i].kind <= VG_ITEM_KEYWORDS && range_ok(p->item[i].value, p->item[i].nvalue, p->nvalue) &&
		      (p->item[i].kind == VG_ITEM_KEYWORDS || p->item[i].key < p->nkey);
	for (uint32_t i = 0; i < p->nneed; i++)
		ok &= p->need[i] < p->nkey;
	for (uint32_t i = 0; i < p->nnode && ok; i++)
		ok = node_ok(p, sum, i);
	for (uint32_t i = 0; i < p->nrule && ok; i++)
		ok = rule_ok(p, sum, &p->rule[i]);
	for (uint32_t i = 0; i < p->ncorr && ok; i++)
		ok = corr_ok(p, sum, i);
	return ok && told_ok(p);
}

vg_rc
vg_program_load(vg_str blob, struct vg_keys *keys, struct vg_program *out)
{
	struct vg_program p = { 0 };
	struct sum *sum;
	struct head h;
	bool ok;

	if (blob.n < sizeof(h))
		return VG_E_TRUNC;
	memcpy(&h, blob.p, sizeof(h));
	if (memcmp(h.magic, MAGIC, 8) != 0 || h.version != VG_PROGRAM_VERSION || h.nsection != SECTIONS || (uintptr_t)blob.p % 8)
		return VG_E_FORMAT;
	for (int i = 0; i < SECTIONS; i++) {
		const struct section *s = &h.s[i];
		const char *ptr;

		if (s->size != rows[i].size || s->at % 8 || s->at > blob.n || (uint64_t)s->n * s->size > blob.n - s->at)
			return VG_E_FORMAT;
		ptr = blob.p + s->at;
		memcpy((char *)&p + rows[i].ptr, &ptr, sizeof(ptr));
		if (i == S_TEXT)
			p.ntext = s->n;
		else
			memcpy((char *)&p + rows[i].count, &s->n, sizeof(s->n));
	}
	p.valid_from_ns = h.valid_from_ns;
	p.valid_until_ns = h.valid_until_ns;
	if ((sum = calloc((size_t)p.nnode + 1, sizeof(*sum))) == NULL)
		return VG_E_NOMEM;
	ok = check(&p, sum);
	free(sum);
	if (!ok)
		return VG_E_FORMAT;
	for (uint32_t i = 0; i < p.nkey; i++) {
		uint32_t key = vg_keys_add(keys, vg_program_str(&p, p.key[i]));

		if (key == VG_KEY_NONE)
			return VG_E_LIMIT;
		if (key != i)
			return VG_E_FORMAT;
	}
	*out = p;
	return VG_OK;
}

static const char *const levels[VG_LEVELS] = { "informational", "low", "medium", "high", "critical" };

const char *
vg_level_name(enum vg_level l)
{
	return (unsigned)l < VG_LEVELS ? levels[l] : "?";
}

bool
vg_level_parse(vg_str s, enum vg_level *out)
{
	for (unsigned i = 0; i < VG_LEVELS; i++)
		if (vg_str_ieq(s, vg_str_of(levels[i])) || (i == 0 && vg_str_ieq(s, VG_STR("info")))) {
			*out = (enum vg_level)i;
			return true;
		}
	return false;
}

const char *
vg_diag_reason_name(unsigned reason)
{
	static const char *const names[VG_DIAG_REASONS] = { "yaml", "schema", "modifier", "condition", "placeholder", "regex",
							    "reference", "duplicate", "limit", "exception" };

	return reason < VG_DIAG_REASONS ? names[reason] : "?";
}
