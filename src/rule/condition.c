/* rule/condition.c - the condition's grammar: or < and < not < x of < ( ). */
#include "rule/build.h"

struct parser {
	struct vg_build *b;
	vg_str rest;
	uint32_t line;
	const struct vg_selection *sel;
	size_t nsel;
	unsigned depth;
};

static bool
is_name(char c)
{
	return c && c != '(' && c != ')' && c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '|';
}

static vg_str
peek(struct parser *p)
{
	size_t n = 0;

	p->rest = vg_str_trim(p->rest);
	if (p->rest.n && (p->rest.p[0] == '(' || p->rest.p[0] == ')'))
		return vg_str_cut(p->rest, 1);
	while (n < p->rest.n && is_name(p->rest.p[n]))
		n++;
	return vg_str_cut(p->rest, n);
}

static vg_str
next(struct parser *p)
{
	vg_str w = peek(p);

	p->rest = vg_str_skip(p->rest, w.n ? w.n : 1);
	return w;
}

static vg_rc
bad(struct parser *p, const char *what, vg_str at)
{
	return vg_build_refuse(p->b, VG_DIAG_CONDITION, p->line, "condition: %s '%.*s'", what, VG_STR_ARG(at));
}

/* A name against one with * in it, anywhere.  On a mismatch the last star takes one more character. */
static bool
name_like(vg_str name, vg_str like)
{
	size_t i = 0, k = 0, star = VG_NPOS, taken = 0;

	while (i < name.n) {
		if (k < like.n && like.p[k] == '*') {
			star = k++;
			taken = i;
		} else if (k < like.n && like.p[k] == name.p[i]) {
			k++;
			i++;
		} else if (star != VG_NPOS) {
			k = star + 1;
			i = ++taken;
		} else {
			return false;
		}
	}
	while (k < like.n && like.p[k] == '*')
		k++;
	return k == like.n;
}

/* Names that begin with _ are not for "them", nor for a pattern that does not begin with _ itself. */
static bool
selected(vg_str name, vg_str like, bool them)
{
	if (name.n && name.p[0] == '_' && (them || like.p[0] != '_'))
		return false;
	return them || name_like(name, like);
}

static vg_rc
of(struct parser *p, bool all, uint32_t *node)
{
	uint32_t found[VG_SELECTIONS_MAX], n = 0;
	vg_str like = next(p);
	bool them = vg_str_ieq(like, VG_STR("them"));

	if (like.n == 0 || like.n > 128)
		return bad(p, "a name is missing after 'of'", like);
	for (size_t i = 0; i < p->nsel; i++)
		if (selected(p->sel[i].name, like, them))
			found[n++] = p->sel[i].node;
	if (n == 0)
		return bad(p, "no selection is called", like);
	*node = n == 1 ? found[0] : vg_build_node(p->b, all ? VG_OP_AND : VG_OP_OR, found, n, VG_NIL);
	return VG_OK;
}

static vg_rc parse_or(struct parser *p, uint32_t *node);

static vg_rc
primary(struct parser *p, uint32_t *node)
{
	vg_str w = next(p), after;
	vg_rc rc;

	if (w.n == 0)
		return bad(p, "it ends where a selection should stand", w);
	if (vg_str_eq(w, VG_STR("("))) {
		if (++p->depth > VG_CONDITION_DEPTH)
			return bad(p, "too many parentheses", w);
		if ((rc = parse_or(p, node)) != VG_OK)
			return rc;
		p->depth--;
		w = next(p);
		return vg_str_eq(w, VG_STR(")")) ? VG_OK : bad(p, "a parenthesis is not closed before", w);
	}
	after = peek(p);
	if (vg_str_ieq(after, VG_STR("of"))) {
		bool all = vg_str_ieq(w, VG_STR("all"));

		if (!all && !vg_str_eq(w, VG_STR("1")) && !vg_str_ieq(w, VG_STR("any")))
			return bad(p, "only 1, any and all can stand before 'of', not", w);
		(void)next(p);
		return of(p, all, node);
	}
	for (size_t i = 0; i < p->nsel; i++)
		if (vg_str_eq(p->sel[i].name, w)) {
			*node = p->sel[i].node;
			return VG_OK;
		}
	return bad(p, "no selection is called", w);
}

static vg_rc
parse_not(struct parser *p, uint32_t *node)
{
	vg_rc rc;

	if (!vg_str_ieq(peek(p), VG_STR("not")))
		return primary(p, node);
	(void)next(p);
	if (++p->depth > VG_CONDITION_DEPTH)
		return bad(p, "too many nots", p->rest);
	if ((rc = parse_not(p, node)) != VG_OK)
		return rc;
	p->depth--;
	*node = vg_build_node(p->b, VG_OP_NOT, node, 1, VG_NIL);
	return VG_OK;
}

static vg_rc
chain(struct parser *p, bool and, uint32_t *node)
{
	uint32_t part[VG_SELECTIONS_MAX], n = 0;
	vg_rc rc;

	for (;;) {
		if (n == VG_SELECTIONS_MAX)
			return bad(p, "too long", VG_NIL);
		if ((rc = and ? parse_not(p, &part[n]) : chain(p, true, &part[n])) != VG_OK)
			return rc;
		n++;
		if (!vg_str_ieq(peek(p), and ? VG_STR("and") : VG_STR("or")))
			break;
		(void)next(p);
	}
	*node = n == 1 ? part[0] : vg_build_node(p->b, and ? VG_OP_AND : VG_OP_OR, part, n, VG_NIL);
	return VG_OK;
}

static vg_rc
parse_or(struct parser *p, uint32_t *node)
{
	return chain(p, false, node);
}

vg_rc
vg_build_condition(struct vg_build *b, vg_str text, uint32_t line, const struct vg_selection *sel, size_t nsel, uint32_t *root)
{
	struct parser p = { b, text, line, sel, nsel, 0 };
	vg_rc rc = parse_or(&p, root);

	if (rc == VG_OK && peek(&p).n)
		rc = bad(&p, "it should end before", peek(&p));
	return rc;
}
