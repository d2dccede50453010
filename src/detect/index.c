/* detect/index.c - for each rule the cheapest set of literals of which one must be there. */
#include "detect/index.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/utf.h"
#include "detect/regex.h"

#define MAGIC "VGINDX02"
#define NEVER INFINITY /* no literal can stand for this */
#define DEPTH_MAX 200
#define SEED 0x5649474945u

const uint8_t vg_windows[VG_WINDOWS] = { 3, 4, 6, 8 };

unsigned
vg_window_of(size_t n)
{
	unsigned w = VG_WINDOWS;

	for (unsigned i = 0; i < VG_WINDOWS; i++)
		if (n >= vg_windows[i])
			w = i;
	return w;
}

uint64_t
vg_atom_hash(uint32_t key, enum vg_shape shape, const char *p, size_t n)
{
	return vg_hash64(vg_str_mem(p, n), SEED + key * 4u + (unsigned)shape);
}

/* ---- how often a literal is seen, guessed from its text ---- */

/* What most Windows events hold: looked for, they would let nearly every event through. */
static const char *const common[] = {
	".exe", ".dll", "\\windows\\", "c:\\windows\\", "c:\\", "\\system32\\", "system32", "windows", "\\appdata\\", "\\users\\",
	"c:\\users\\", "\\temp\\", "true", "false", "system", "microsoft", "hklm\\", "hkcu\\", "hkey_", "\\software\\", "http",
	"\\microsoft\\", "program files", "c:\\program files", "\\currentversion\\", "\\device\\", "svchost.exe", "\\svchost.exe",
	"\\syswow64\\", "software\\microsoft\\windows", "powershell", "\\registry\\machine", "success", "failure", "message",
	"explorer.exe", "\\explorer.exe", "services.exe", "\\services.exe", "nt authority", "dword (0x0000000",
	"\\program files\\", "\\program files (x86)\\", "c:\\program files\\", "c:\\program files (x86)\\", "c:\\programdata\\",
	"\\programdata\\", "c:\\windows\\system32\\", "windows\\system32", "microsoft\\windows",
};
static const char *const frequent[] = {
	"\\cmd.exe", "cmd.exe", "\\powershell.exe", "powershell.exe", "\\pwsh.exe", "\\rundll32.exe", "\\lsass.exe", "\\conhost.exe",
	"\\wmiprvse.exe", "\\msiexec.exe", "\\reg.exe", "\\net.exe", "\\mmc.exe", "\\taskhostw.exe", "\\wscript.exe", "\\regsvr32.exe",
	"\\start menu\\programs\\startup", "currentversion\\run", "\\currentversion\\", "\\services\\", "\\control\\", "/c ", " -c ",
	"invoke", "get-", "set-", "new-", "add-", "-enc", "system.", "www.", ".com", "root", "/bin/", "/usr/bin/", "sudo",
};

static bool
listed(const char *const *list, size_t n, vg_str s)
{
	for (size_t i = 0; i < n; i++)
		if (vg_str_eq(vg_str_of(list[i]), s))
			return true;
	return false;
}

static double
literal_cost(enum vg_shape shape, vg_str s)
{
	if (s.n < 3 && shape != VG_SHAPE_EXACT)
		return NEVER;
	if (listed(common, VG_COUNT(common), s))
		return 1000;
	if (listed(frequent, VG_COUNT(frequent), s))
		return shape == VG_SHAPE_LITERAL ? 120 : 60;
	if (shape == VG_SHAPE_EXACT)
		return s.n >= 5 ? 1 : s.n >= 3 ? 10 : 200; /* "0", "1", "-" */
	if (shape == VG_SHAPE_LITERAL) /* scanning costs something too */
		return s.n >= 10 ? 3 : s.n >= 7 ? 6 : s.n >= 5 ? 15 : s.n == 4 ? 40 : 120;
	return s.n >= 8 ? 2 : s.n >= 5 ? 5 : s.n >= 4 ? 20 : 80;
}

/* ---- covers ---- */

struct builder {
	const struct vg_program *p;
	struct vg_arena a;      /* memos and required literals */
	double *node_cost;      /* one a node; negative: not known yet */
	vg_str *required;       /* one a value: of globs and expressions; p is NULL until it is known */
	struct vg_buf atom, text;
	struct vg_map literals[VG_FAMILIES]; /* literal text -> id */
	uint32_t nliteral;
	struct vg_buf literal_of; /* u32 an atom: literal id, or UINT32_MAX */
	uint32_t rule;
};

/* The literal that stands for a value, and its shape; n is 0 when there is none. */
static vg_str
literal_of(struct builder *b, uint32_t value, enum vg_shape *shape)
{
	const struct vg_value *v = &b->p->value[value];
	vg_str text = vg_program_str(b->p, v->text), best = VG_NIL;

	*shape = VG_SHAPE_LITERAL;
	switch ((enum vg_test)v->test) {
	case VG_TEST_EQ:
		*shape = VG_SHAPE_EXACT;
		break;
	case VG_TEST_PREFIX:
		*shape = VG_SHAPE_PREFIX;
		break;
	case VG_TEST_SUFFIX:
		*shape = VG_SHAPE_SUFFIX;
		break;
	case VG_TEST_CONTAINS:
		break;
	case VG_TEST_GLOB:
	case VG_TEST_RE:
		if (b->required[value].p == NULL) {
			if (v->test == VG_TEST_RE) {
				best = vg_regex_required(text, (unsigned)(v->flags & (VG_VALUE_RE_I | VG_VALUE_RE_M | VG_VALUE_RE_S)), &b->a);
			} else {
				for (size_t i = 0, j; i < text.n; i = j + 1) {
					for (j = i; j < text.n && text.p[j] != VG_GLOB_ANY && text.p[j] != VG_GLOB_ONE; j++)
						;
					if (j - i > best.n)
						best = vg_str_mem(text.p + i, j - i);
				}
			}
			b->required[value] = best.n ? best : VG_STR("");
		}
		text = b->required[value];
		break;
	default:
		return VG_NIL;
	}
	if (v->flags & VG_VALUE_CASED && v->test != VG_TEST_RE && text.n) { /* the index is folded */
		char *p = vg_arena_alloc(&b->a, VG_FOLD_MAX(text.n));

		text = p ? vg_str_mem(p, vg_fold(text, p)) : VG_NIL;
	}
	return text;
}

static double
value_cost(struct builder *b, const struct vg_item *it, uint32_t value)
{
	enum vg_shape shape;
	vg_str text = literal_of(b, value, &shape);
	double c;

	if (it->kind == VG_ITEM_KEYWORDS)
		shape = VG_SHAPE_LITERAL;
	if (text.n == 0)
		return NEVER;
	c = literal_cost(shape, text);
	if (c < NEVER && it->key == VG_K_EVENT_ID && it->kind == VG_ITEM_VALUES)
		c = 2000; /* the class of an event decides those already */
	return it->kind == VG_ITEM_KEYWORDS ? 4 * c : c;
}

/* Of an item: the sum over its values, or with ALL its cheapest one, which is @best. */
static double
item_cost(struct builder *b, uint32_t item, uint32_t *best)
{
	const struct vg_item *it = &b->p->item[item];
	double sum = 0, least = NEVER;

	if (it->kind != VG_ITEM_VALUES && it->kind != VG_ITEM_KEYWORDS)
		return NEVER;
	for (uint32_t i = 0; i < it->nvalue; i++) {
		double c = value_cost(b, it, it->value + i);

		sum += c;
		if (c < least) {
			least = c;
			*best = it->value + i;
		}
	}
	return it->nvalue == 0 ? 0 : it->flags & VG_ITEM_ALL ? least : sum;
}

static double
node_cost(struct builder *b, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &b->p->node[at];
	double c = NEVER;
	uint32_t best;

	if (depth > DEPTH_MAX)
		return NEVER;
	if (b->node_cost[at] >= 0)
		return b->node_cost[at];
	switch ((enum vg_op)n->op) {
	case VG_OP_FALSE:
		c = 0;
		break;
	case VG_OP_ITEM:
		c = item_cost(b, n->first, &best);
		break;
	case VG_OP_AND:
		for (uint32_t i = 0; i < n->n; i++) {
			double one = node_cost(b, b->p->child[n->first + i], depth + 1);

			c = one < c ? one : c;
		}
		break;
	case VG_OP_OR:
		c = 0;
		for (uint32_t i = 0; i < n->n; i++)
			c += node_cost(b, b->p->child[n->first + i], depth + 1);
		break;
	case VG_OP_TRUE:
	case VG_OP_NOT:
	case VG_OP_REF:
		break;
	}
	return b->node_cost[at] = c;
}

static void
put_atom(struct builder *b, const struct vg_item *it, uint32_t value)
{
	struct vg_atom a = { .rule = b->rule, .key = it->kind == VG_ITEM_KEYWORDS ? VG_KEY_ANY : it->key };
	enum vg_shape shape;
	vg_str text = literal_of(b, value, &shape);
	uint32_t id = UINT32_MAX;

	if (it->kind == VG_ITEM_KEYWORDS)
		shape = VG_SHAPE_LITERAL;
	if (shape == VG_SHAPE_LITERAL) {
		id = vg_map_add(&b->literals[a.key == VG_KEY_ANY ? VG_FAMILY_ANY : VG_FAMILY_KEYED], text, b->nliteral, NULL);
		if (id == b->nliteral)
			b->nliteral++;
	}
	a.shape = (uint8_t)shape;
	a.text = (struct vg_slice){ (uint32_t)b->text.n, (uint32_t)text.n };
	vg_buf_put(&b->text, text);
	vg_buf_mem(&b->atom, &a, sizeof(a));
	vg_buf_le32(&b->literal_of, id);
}

static void
collect(struct builder *b, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &b->p->node[at];

	if (depth > DEPTH_MAX || n->op == VG_OP_FALSE)
		return;
	if (n->op == VG_OP_ITEM) {
		const struct vg_item *it = &b->p->item[n->first];
		uint32_t best = it->value;

		(void)item_cost(b, n->first, &best);
		for (uint32_t i = 0; i < it->nvalue; i++)
			if (!(it->flags & VG_ITEM_ALL) || it->value + i == best)
				put_atom(b, it, it->value + i);
	} else if (n->op == VG_OP_AND) {
		uint32_t least = 0;

		for (uint32_t i = 1; i < n->n; i++)
			if (node_cost(b, b->p->child[n->first + i], depth + 1) < node_cost(b, b->p->child[n->first + least], depth + 1))
				least = i;
		collect(b, b->p->child[n->first + least], depth + 1);
	} else if (n->op == VG_OP_OR) {
		for (uint32_t i = 0; i < n->n; i++)
			collect(b, b->p->child[n->first + i], depth + 1);
	}
}

/* ---- the blob: header, atoms, text, literal ranges, multi-pattern databases ---- */

struct head {
	char magic[8];
	uint64_t program[4]; /* counts that must be those of the program it was made for */
	uint64_t at[6], n[6];
};
enum { H_ATOM, H_TEXT, H_FIRST, H_OWNER, H_MULTI, H_SECTIONS = H_MULTI + VG_FAMILIES };
_Static_assert(H_SECTIONS == VG_COUNT(((struct head *)NULL)->at), "a section a place");

static void
identify(const struct vg_program *p, uint64_t out[4])
{
	out[0] = (uint64_t)p->nrule << 32 | p->nvalue;
	out[1] = (uint64_t)p->nnode << 32 | p->nitem;
	out[2] = (uint64_t)p->ntext;
	out[3] = vg_hash64(vg_str_mem(p->text, p->ntext), SEED);
}

static void
section(struct vg_buf *out, size_t base, struct head *h, int which, const struct vg_buf *bytes, size_t align)
{
	while ((out->n - base) % align && out->rc == VG_OK)
		vg_buf_u8(out, 0);
	h->at[which] = out->n - base;
	h->n[which] = bytes->n;
	vg_buf_put(out, vg_buf_str(bytes));
	if (bytes->rc != VG_OK && out->rc == VG_OK)
		out->rc = bytes->rc;
}

static vg_rc
build_multi(const struct vg_multi_pattern *pat, size_t n, unsigned flags, struct vg_buf *out)
{
	vg_rc rc = VG_E_UNSUP;

	if (n == 0)
		return VG_OK;
	if (!(flags & VG_INDEX_PORTABLE))
		rc = vg_multi_build(pat, n, VG_MULTI_HYPERSCAN, out);
	if (rc == VG_E_UNSUP) /* not built in: the portable one gives the same answers */
		rc = vg_multi_build(pat, n, VG_MULTI_PORTABLE, out);
	return rc;
}

static vg_rc
write_blob(struct builder *b, unsigned flags, struct vg_buf *out)
{
	struct head h = { .magic = MAGIC };
	struct vg_buf first = { 0 }, owner = { 0 }, multi[VG_FAMILIES] = { 0 };
	struct vg_multi_pattern *pat = calloc(b->nliteral + 1, sizeof(*pat)), *some = calloc(b->nliteral + 1, sizeof(*some));
	uint8_t *family = calloc(b->nliteral + 1, 1); /* one a literal */
	uint32_t *count = calloc(b->nliteral + 2, sizeof(*count)), natom = (uint32_t)(b->atom.n / sizeof(struct vg_atom));
	const uint32_t *lit = (const uint32_t *)(void *)b->literal_of.p;
	const struct vg_atom *atom = (const struct vg_atom *)(void *)b->atom.p;
	size_t base = out->n;
	vg_rc rc = VG_E_NOMEM;

	if (pat == NULL || some == NULL || family == NULL || count == NULL)
		goto out;
	for (uint32_t i = 0; i < natom; i++)
		if (lit[i] != UINT32_MAX) {
			count[lit[i] + 1]++;
			family[lit[i]] = atom[i].key == VG_KEY_ANY ? VG_FAMILY_ANY : VG_FAMILY_KEYED;
			pat[lit[i]] = (struct vg_multi_pattern){ vg_str_mem(b->text.p + atom[i].text.off, atom[i].text.len), 0, lit[i] };
		}
	for (uint32_t i = 0; i < b->nliteral; i++)
		count[i + 1] += count[i];
	vg_buf_mem(&first, count, (b->nliteral + 1) * sizeof(*count));
	vg_buf_reserve(&owner, (size_t)count[b->nliteral] * 4 + 4);
	owner.n = (size_t)count[b->nliteral] * 4;
	for (uint32_t i = 0; i < natom && owner.rc == VG_OK; i++)
		if (lit[i] != UINT32_MAX)
			((uint32_t *)(void *)owner.p)[count[lit[i]]++] = i;
	for (int f = 0; f < VG_FAMILIES; f++) {
		size_t n = 0;

		for (uint32_t i = 0; i < b->nliteral; i++)
			if (family[i] == f)
				some[n++] = pat[i];
		if ((rc = build_multi(some, n, flags, &multi[f])) != VG_OK)
			goto out;
	}
	identify(b->p, h.program);
	vg_buf_mem(out, &h, sizeof(h));
	section(out, base, &h, H_ATOM, &b->atom, 8);
	section(out, base, &h, H_TEXT, &b->text, 8);
	section(out, base, &h, H_FIRST, &first, 8);
	section(out, base, &h, H_OWNER, &owner, 8);
	for (int f = 0; f < VG_FAMILIES; f++)
		section(out, base, &h, H_MULTI + f, &multi[f], 64);
	if ((rc = out->rc) == VG_OK)
		memcpy(out->p + base, &h, sizeof(h));
out:
	free(pat);
	free(some);
	free(family);
	free(count);
	vg_buf_fini(&first);
	vg_buf_fini(&owner);
	for (int f = 0; f < VG_FAMILIES; f++)
		vg_buf_fini(&multi[f]);
	return rc;
}

vg_rc
vg_index_build(const struct vg_program *p, unsigned flags, struct vg_buf *out)
{
	struct builder b = { .p = p };
	vg_rc rc = VG_E_NOMEM;

	vg_arena_init(&b.a, (size_t)256 << 20);
	for (int f = 0; f < VG_FAMILIES; f++)
		vg_map_init(&b.literals[f], (size_t)64 << 20);
	b.node_cost = vg_arena_array(&b.a, double, p->nnode + 1);
	b.required = vg_arena_array(&b.a, vg_str, p->nvalue + 1);
	if (b.node_cost && b.required) {
		for (uint32_t i = 0; i < p->nnode; i++)
			b.node_cost[i] = -1;
		for (b.rule = 0; b.rule < p->nrule; b.rule++)
			if (p->rule[b.rule].kind == VG_RULE_BASE && node_cost(&b, p->rule[b.rule].root, 0) < NEVER)
				collect(&b, p->rule[b.rule].root, 0);
		rc = write_blob(&b, flags, out);
	}
	vg_buf_fini(&b.atom);
	vg_buf_fini(&b.text);
	vg_buf_fini(&b.literal_of);
	for (int f = 0; f < VG_FAMILIES; f++)
		vg_map_fini(&b.literals[f]);
	vg_arena_fini(&b.a);
	return rc;
}

static void
mark_use(struct vg_index *x, const struct vg_atom *a)
{
	struct vg_key_use *u = a->key == VG_KEY_ANY ? &x->any : &x->use[a->key];
	unsigned w = vg_window_of(a->text.len);

	if (a->shape == VG_SHAPE_EXACT)
		u->exact = 1;
	else if (a->shape == VG_SHAPE_LITERAL)
		u->literal = 1;
	else if (a->shape == VG_SHAPE_PREFIX)
		u->prefix |= (uint8_t)(1u << w);
	else
		u->suffix |= (uint8_t)(1u << w);
}

/* Exact values by their whole text; beginnings and endings by a window of it. */
static vg_rc
make_table(struct vg_index *x)
{
	uint32_t size = 64;

	while (size < 2 * x->natom)
		size *= 2;
	x->table.mask = size - 1;
	x->table.head = calloc(size, sizeof(uint32_t));
	x->table.next = calloc(x->natom + 1, sizeof(uint32_t));
	x->use = calloc(x->p->nkey + 1, sizeof(*x->use));
	x->rule_atom = calloc((size_t)x->p->nrule + 2, sizeof(uint32_t));
	if (!x->table.head || !x->table.next || !x->use || !x->rule_atom)
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < x->natom; i++)
		x->rule_atom[x->atom[i].rule + 1]++;
	for (uint32_t i = 0; i < x->p->nrule; i++)
		x->rule_atom[i + 1] += x->rule_atom[i];
	for (uint32_t i = 0; i < x->natom; i++) {
		const struct vg_atom *a = &x->atom[i];
		vg_str t = vg_atom_text(x, a);
		unsigned w = vg_window_of(t.n);
		uint64_t h;

		mark_use(x, a);
		if (a->shape == VG_SHAPE_LITERAL)
			continue;
		if (a->shape == VG_SHAPE_PREFIX)
			t = vg_str_cut(t, vg_windows[w]);
		else if (a->shape == VG_SHAPE_SUFFIX)
			t = vg_str_skip(t, t.n - vg_windows[w]);
		h = vg_atom_hash(a->key, (enum vg_shape)a->shape, t.p, t.n) & x->table.mask;
		x->table.next[i] = x->table.head[h];
		x->table.head[h] = i + 1;
	}
	return VG_OK;
}

static bool
check(const struct vg_index *x)
{
	for (uint32_t i = 0; i < x->natom; i++) {
		const struct vg_atom *a = &x->atom[i];

		if (a->rule >= x->p->nrule || (a->key != VG_KEY_ANY && a->key >= x->p->nkey) || a->shape >= VG_SHAPES ||
		    a->text.off > x->ntext || a->text.len > x->ntext - a->text.off ||
		    (a->key == VG_KEY_ANY && a->shape != VG_SHAPE_LITERAL) || (i && a->rule < x->atom[i - 1].rule) ||
		    (a->shape != VG_SHAPE_EXACT && vg_window_of(a->text.len) == VG_WINDOWS))
			return false;
	}
	for (uint32_t i = 0; i < x->nliteral; i++)
		if (x->literal_first[i] > x->literal_first[i + 1])
			return false;
	if (x->nliteral && x->literal_first[x->nliteral] > x->nliteral_atom)
		return false;
	for (uint32_t i = 0; i < x->nliteral_atom; i++)
		if (x->literal_atom[i] >= x->natom)
			return false;
	return true;
}

vg_rc
vg_index_load(vg_str blob, const struct vg_program *p, struct vg_index **out)
{
	struct vg_index *x;
	struct head h;
	uint64_t id[4];
	vg_rc rc = VG_E_FORMAT;

	if (blob.n < sizeof(h))
		return VG_E_TRUNC;
	memcpy(&h, blob.p, sizeof(h));
	identify(p, id);
	if (memcmp(h.magic, MAGIC, 8) != 0 || (uintptr_t)blob.p % 64)
		return VG_E_FORMAT;
	if (memcmp(id, h.program, sizeof(id)) != 0)
		return VG_E_REFUSED;
	for (int i = 0; i < H_SECTIONS; i++)
		if (h.at[i] > blob.n || h.n[i] > blob.n - h.at[i] || h.at[i] % 8)
			return VG_E_FORMAT;
	if ((x = calloc(1, sizeof(*x))) == NULL)
		return VG_E_NOMEM;
	x->p = p;
	x->atom = (const struct vg_atom *)(const void *)(blob.p + h.at[H_ATOM]);
	x->natom = (uint32_t)(h.n[H_ATOM] / sizeof(struct vg_atom));
	x->text = blob.p + h.at[H_TEXT];
	x->ntext = (uint32_t)h.n[H_TEXT];
	x->literal_first = (const uint32_t *)(const void *)(blob.p + h.at[H_FIRST]);
	x->nliteral = h.n[H_FIRST] >= 4 ? (uint32_t)(h.n[H_FIRST] / 4 - 1) : 0;
	x->literal_atom = (const uint32_t *)(const void *)(blob.p + h.at[H_OWNER]);
	x->nliteral_atom = (uint32_t)(h.n[H_OWNER] / 4);
	if (!check(x) || (rc = make_table(x)) != VG_OK)
		goto fail;
	for (int f = 0; f < VG_FAMILIES; f++)
		if (h.n[H_MULTI + f] &&
		    (rc = vg_multi_load(vg_str_mem(blob.p + h.at[H_MULTI + f], h.n[H_MULTI + f]), &x->multi[f])) != VG_OK)
			goto fail;
	rc = VG_E_FORMAT; /* literals of a family without its database would never be found */
	for (uint32_t i = 0; i < x->natom; i++)
		if (x->atom[i].shape == VG_SHAPE_LITERAL &&
		    x->multi[x->atom[i].key == VG_KEY_ANY ? VG_FAMILY_ANY : VG_FAMILY_KEYED] == NULL)
			goto fail;
	*out = x;
	return VG_OK;
fail:
	vg_index_free(x);
	return rc;
}

void
vg_index_free(struct vg_index *x)
{
	if (x == NULL)
		return;
	for (int f = 0; f < VG_FAMILIES; f++)
		vg_multi_free(x->multi[f]);
	free(x->table.head);
	free(x->table.next);
	free(x->use);
	free(x->rule_atom);
	free(x);
}
