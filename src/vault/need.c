#include "vault/need.h"

#include <math.h>

#include "base/utf.h"
#include "detect/regex.h"
#include "source/syslog.h"
#include "vault/words.h"

#define DEPTH_MAX 200
#define RE_FLAGS (VG_VALUE_RE_I | VG_VALUE_RE_M | VG_VALUE_RE_S)

struct builder {
	const struct vg_program *p;
	const struct vg_packs *packs;
	struct vg_arena *a;
	bool failed;
};

static struct vg_need *
leaf(struct builder *b, enum vg_need_op op, vg_str piece)
{
	struct vg_need *n = vg_arena_new(b->a, struct vg_need);

	if (n == NULL) {
		b->failed = true;
		return NULL;
	}
	n->op = op;
	n->piece = piece;
	return n;
}

static struct vg_need *
branch(struct builder *b, enum vg_need_op op, uint32_t room)
{
	struct vg_need *n = leaf(b, op, VG_NIL);

	if (n && (n->child = vg_arena_array(b->a, struct vg_need *, room + 1)) == NULL)
		b->failed = true;
	return b->failed ? NULL : n;
}

static void
add(struct builder *b, struct vg_need *n, struct vg_need *child)
{
	if (child)
		n->child[n->n++] = child;
	else
		b->failed = true;
}

/* Each longest run of safe bytes in @text, which is folded: all of them must be there. */
static struct vg_need *
pieces(struct builder *b, vg_str text)
{
	struct vg_need *n = branch(b, VG_NEED_AND, (uint32_t)(text.n / 2 + 1));

	for (size_t i = 0, j; n && i < text.n; i = j + 1) {
		for (j = i; j < text.n && vg_byte_is(text.p[j], VG_BYTE_SAFE); j++)
			;
		if (j > i)
			add(b, n, leaf(b, VG_NEED_PIECE, vg_str_mem(text.p + i, j - i)));
	}
	return b->failed ? NULL : n->n ? n : leaf(b, VG_NEED_UNKNOWN, VG_NIL);
}

/* May a decoder make it up?  Facility and severity are numbers in the raw bytes. */
static bool
is_made_up(const struct vg_need *n)
{
	vg_str made;

	for (size_t i = 0; (made = vg_syslog_made(i)).p; i++)
		if (vg_need_holds(n, made))
			return true;
	return false;
}

static bool
finds_made_up(vg_str source, unsigned flags)
{
	struct vg_regex *r;
	vg_str made;
	bool found = false;

	if (vg_regex_new(source, flags, &r) != VG_OK)
		return true;
	for (size_t i = 0; !found && (made = vg_syslog_made(i)).p; i++)
		found = vg_regex_search(r, made);
	vg_regex_free(r);
	return found;
}

/* "a-z", "0-9": both ends are of one kind. */
static bool
is_plain_range(char from, char to)
{
	return (vg_is_digit(from) && vg_is_digit(to)) || (from >= 'a' && to <= 'z' && from <= to) || (from >= 'A' && to <= 'Z' && from <= to);
}

/* Within [ ], which @i is behind; moved behind its end. */
static bool
class_is_safe(vg_str re, size_t *i)
{
	for (; *i < re.n && re.p[*i] != ']'; ++*i) {
		if (!vg_byte_is(re.p[*i], VG_BYTE_SAFE) || re.p[*i] == '^' || re.p[*i] == '[')
			return false;
		if (*i + 2 < re.n && re.p[*i + 1] == '-' && re.p[*i + 2] != ']') {
			if (!is_plain_range(re.p[*i], re.p[*i + 2]))
				return false;
			*i += 2;
		}
	}
	return *i < re.n;
}

/* Said only of what is plainly so: safe literals, classes of them, digits, groups and repeats. */
static bool
expression_is_safe(vg_str re)
{
	for (size_t i = 0; i < re.n; i++) {
		char c = re.p[i];

		if (c == '[') {
			i++;
			if (!class_is_safe(re, &i))
				return false;
		} else if (c == '\\') {
			c = ++i < re.n ? re.p[i] : 0;
			if (c != 'd' && c != 'b' && (!vg_byte_is(c, VG_BYTE_SAFE) || vg_byte_is(c, VG_BYTE_WORD)))
				return false;
		} else if (c == '.' || (c != '|' && !vg_byte_is(c, VG_BYTE_SAFE))) {
			return false;
		}
	}
	return true;
}

static struct vg_need *
expression(struct builder *b, vg_str source, unsigned flags)
{
	struct vg_buf wide = { 0 };
	struct vg_need *n;
	vg_str text = VG_NIL;

	if (vg_regex_widen(source, flags, &wide) == VG_OK)
		text = vg_str_dup(b->a, vg_buf_str(&wide));
	vg_buf_fini(&wide);
	n = leaf(b, text.n ? VG_NEED_RE : VG_NEED_UNKNOWN, text);
	if (n)
		n->safe = expression_is_safe(source);
	return n;
}

static struct vg_need *
of_text(struct builder *b, vg_str text, bool folded)
{
	char *p;

	if (folded)
		return pieces(b, text);
	if ((p = vg_arena_alloc(b->a, VG_FOLD_MAX(text.n))) == NULL) {
		b->failed = true;
		return NULL;
	}
	return pieces(b, vg_str_mem(p, vg_fold(text, p)));
}

static struct vg_need *
of_regex(struct builder *b, vg_str source, unsigned flags, bool keyword)
{
	vg_str literal = vg_regex_required(source, flags, b->a);
	struct vg_need *n = branch(b, VG_NEED_AND, 2);

	if (n == NULL || (keyword && finds_made_up(source, flags)))
		return leaf(b, VG_NEED_UNKNOWN, VG_NIL);
	if (literal.n)
		add(b, n, of_text(b, literal, true));
	add(b, n, expression(b, source, flags));
	return n;
}

static struct vg_need *
of_value(struct builder *b, const struct vg_value *v, bool keyword)
{
	vg_str text = vg_program_str(b->p, v->text);
	struct vg_need *n;

	switch ((enum vg_test)v->test) {
	case VG_TEST_EQ:
	case VG_TEST_PREFIX:
	case VG_TEST_SUFFIX:
	case VG_TEST_CONTAINS:
	case VG_TEST_GLOB: /* wildcards are no safe bytes */
		n = of_text(b, text, !(v->flags & VG_VALUE_CASED));
		break;
	case VG_TEST_RE:
		return of_regex(b, text, v->flags & RE_FLAGS, keyword);
	default:
		return leaf(b, VG_NEED_UNKNOWN, VG_NIL);
	}
	return n && keyword && is_made_up(n) ? leaf(b, VG_NEED_UNKNOWN, VG_NIL) : n;
}

static struct vg_need *
of_values(struct builder *b, const struct vg_item *it, bool keyword)
{
	struct vg_need *n = branch(b, it->flags & VG_ITEM_ALL ? VG_NEED_AND : VG_NEED_OR, it->nvalue);

	for (uint32_t i = 0; n && i < it->nvalue; i++)
		add(b, n, of_value(b, &b->p->value[it->value + i], keyword));
	return n;
}

static struct vg_need *
of_item(struct builder *b, const struct vg_item *it)
{
	bool keyword = it->kind == VG_ITEM_KEYWORDS;

	if (it->kind != VG_ITEM_VALUES && !keyword)
		return leaf(b, VG_NEED_UNKNOWN, VG_NIL);
	if (!keyword) {
		vg_str name = vg_program_str(b->p, b->p->key[it->key]);

		if (vg_str_eq(name, VG_STR("facility")) || vg_str_eq(name, VG_STR("severity")) || (b->packs && !vg_packs_copies(b->packs, it->key)))
			return leaf(b, VG_NEED_UNKNOWN, VG_NIL);
	}
	return of_values(b, it, keyword);
}

static struct vg_need *
of_node(struct builder *b, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &b->p->node[at];
	struct vg_need *out;

	if (depth > DEPTH_MAX)
		return leaf(b, VG_NEED_UNKNOWN, VG_NIL);
	switch ((enum vg_op)n->op) {
	case VG_OP_FALSE:
	case VG_OP_REF:
		return leaf(b, VG_NEED_NEVER, VG_NIL);
	case VG_OP_ITEM:
		return of_item(b, &b->p->item[n->first]);
	case VG_OP_AND:
	case VG_OP_OR:
		out = branch(b, n->op == VG_OP_AND ? VG_NEED_AND : VG_NEED_OR, n->n);
		for (uint32_t i = 0; out && i < n->n; i++)
			add(b, out, of_node(b, b->p->child[n->first + i], depth + 1));
		return out;
	case VG_OP_TRUE:
	case VG_OP_NOT:
		break;
	}
	return leaf(b, VG_NEED_UNKNOWN, VG_NIL);
}

vg_rc
vg_need_of(const struct vg_program *p, uint32_t rule, const struct vg_packs *packs, struct vg_arena *a, struct vg_need **out)
{
	struct builder b = { .p = p, .packs = packs, .a = a };

	*out = of_node(&b, p->rule[rule].root, 0);
	return b.failed || *out == NULL ? VG_E_NOMEM : VG_OK;
}

vg_rc
vg_need_of_item(const struct vg_program *p, uint32_t item, struct vg_arena *a, struct vg_need **out)
{
	struct builder b = { .p = p, .a = a };
	const struct vg_item *it = &p->item[item];

	*out = it->kind == VG_ITEM_VALUES ? of_values(&b, it, false) : leaf(&b, VG_NEED_UNKNOWN, VG_NIL);
	return b.failed || *out == NULL ? VG_E_NOMEM : VG_OK;
}

bool
vg_need_holds(const struct vg_need *n, vg_str raw)
{
	switch (n->op) {
	case VG_NEED_UNKNOWN:
	case VG_NEED_RE:
		return true;
	case VG_NEED_NEVER:
		return false;
	case VG_NEED_PIECE:
		return vg_str_find(raw, n->piece) != VG_NPOS;
	case VG_NEED_AND:
	case VG_NEED_OR:
		for (uint32_t i = 0; i < n->n; i++)
			if (vg_need_holds(n->child[i], raw) != (n->op == VG_NEED_AND))
				return n->op == VG_NEED_OR;
		return n->op == VG_NEED_AND;
	}
	return true;
}

/* ---- the cover ---- */

static double
piece_cost(vg_str s)
{
	return s.n == 1 ? 8000 : s.n == 2 ? 2000 : 1 + 1000 * pow(0.5, s.n > 24 ? 24 : (double)s.n);
}

/* How many records it lets through, as a guess. */
static double
cost(const struct vg_need *n, bool exact)
{
	double c;

	switch (n->op) {
	case VG_NEED_NEVER:
		return 0;
	case VG_NEED_PIECE:
		return piece_cost(n->piece);
	case VG_NEED_RE:
		return exact ? 0.5 : 1500;
	case VG_NEED_AND:
		c = INFINITY;
		for (uint32_t i = 0; i < n->n; i++)
			c = fmin(c, cost(n->child[i], exact));
		return c;
	case VG_NEED_OR:
		c = 0;
		for (uint32_t i = 0; i < n->n; i++)
			c += cost(n->child[i], exact);
		return c;
	case VG_NEED_UNKNOWN:
		break;
	}
	return INFINITY;
}

/* Returns false when there are too many. */
static bool
collect(const struct vg_need *n, bool exact, const struct vg_need **out, size_t max, size_t *count)
{
	const struct vg_need *best = NULL;

	switch (n->op) {
	case VG_NEED_PIECE:
	case VG_NEED_RE:
		if (*count == max)
			return false;
		out[(*count)++] = n;
		return true;
	case VG_NEED_AND:
		for (uint32_t i = 0; i < n->n; i++)
			if (best == NULL || cost(n->child[i], exact) < cost(best, exact))
				best = n->child[i];
		return best && collect(best, exact, out, max, count);
	case VG_NEED_OR:
		for (uint32_t i = 0; i < n->n; i++)
			if (!collect(n->child[i], exact, out, max, count))
				return false;
		return true;
	case VG_NEED_NEVER:
		return true;
	case VG_NEED_UNKNOWN:
		break;
	}
	return false;
}

size_t
vg_need_cover(const struct vg_need *n, bool exact, const struct vg_need **out, size_t max)
{
	size_t count = 0;

	return cost(n, exact) < 20000 && collect(n, exact, out, max, &count) ? count : 0;
}

/* May it be found in a part of a text, though not in the whole?  It asks for what stands around it. */
static bool
has_assertion(vg_str re)
{
	for (size_t i = 0; i < re.n; i++) {
		char c = re.p[i], next = i + 1 < re.n ? re.p[i + 1] : 0;

		if (c == '$' || (c == '^' && (i == 0 || re.p[i - 1] != '[')))
			return true;
		if (c == '\\' && memchr("bBAzZG", next, 6))
			return true;
		i += c == '\\';
	}
	return false;
}

static bool
is_of_keywords(const struct vg_program *p, uint32_t at, unsigned depth, bool *decides)
{
	const struct vg_node *n = &p->node[at];

	if (depth > DEPTH_MAX)
		return false;
	if (n->op == VG_OP_ITEM) {
		const struct vg_item *it = &p->item[n->first];

		for (uint32_t i = 0; i < it->nvalue; i++)
			if (p->value[it->value + i].test == VG_TEST_RE && has_assertion(vg_program_str(p, p->value[it->value + i].text)))
				*decides = false;
		return it->kind == VG_ITEM_KEYWORDS;
	}
	if (n->op != VG_OP_AND && n->op != VG_OP_OR)
		return false;
	for (uint32_t i = 0; i < n->n; i++)
		if (!is_of_keywords(p, p->child[n->first + i], depth + 1, decides))
			return false;
	return true;
}

/* Something in it may be met by what a decoder makes up. */
static bool
knows_not(const struct vg_need *n)
{
	for (uint32_t i = 0; i < n->n; i++)
		if (knows_not(n->child[i]))
			return true;
	return n->op == VG_NEED_UNKNOWN;
}

bool
vg_rule_is_of_keywords(const struct vg_program *p, uint32_t rule, const struct vg_need *need, bool *decides)
{
	*decides = !knows_not(need);
	return is_of_keywords(p, p->rule[rule].root, 0, decides);
}

bool
vg_rule_is_piece(const struct vg_program *p, uint32_t rule, vg_str piece)
{
	const struct vg_node *n = &p->node[p->rule[rule].root];
	const struct vg_item *it;

	while ((n->op == VG_OP_AND || n->op == VG_OP_OR) && n->n == 1)
		n = &p->node[p->child[n->first]];
	if (n->op != VG_OP_ITEM)
		return false;
	it = &p->item[n->first];
	return it->kind == VG_ITEM_KEYWORDS && it->nvalue == 1 && p->value[it->value].test == VG_TEST_CONTAINS && !(p->value[it->value].flags & VG_VALUE_CASED) &&
	       vg_str_eq(vg_program_str(p, p->value[it->value].text), piece);
}
