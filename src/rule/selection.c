#include "rule/selection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/utf.h"
#include "rule/compile.h"

#define TERMS_LINE 5 /* the first term's line in the document that is made */

struct parser {
	vg_str text;
	size_t at;
	struct vg_buf terms, condition; /* of the document */
	size_t where[VG_SELECTION_TERMS_MAX]; /* where each term begins */
	unsigned nterm, depth;
	struct vg_selection_error *err;
};

static vg_rc VG_PRINTF(4, 5)
bad(struct parser *p, vg_rc rc, size_t at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	p->err->at = at;
	vsnprintf(p->err->text, sizeof(p->err->text), fmt, ap);
	va_end(ap);
	return rc;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char
peek(struct parser *p)
{
	while (p->at < p->text.n && is_blank(p->text.p[p->at]))
		p->at++;
	return p->at < p->text.n ? p->text.p[p->at] : 0;
}

/* One word or one quoted text; @quoted tells which.  A word ends before a blank, a parenthesis that it did not open, and in a list also
 * before a comma. */
static vg_rc
take_text(struct parser *p, bool list, struct vg_arena *a, vg_str *out, bool *quoted)
{
	char quote = peek(p), *t;
	size_t begin = p->at, n = 0, open = 0;

	*quoted = quote == '"' || quote == '\'';
	if (!*quoted) {
		while (p->at < p->text.n && !is_blank(p->text.p[p->at]) && !(list && p->text.p[p->at] == ',')) {
			if (p->text.p[p->at] == ')' && open-- == 0)
				break;
			open += p->text.p[p->at++] == '(';
		}
		*out = vg_str_mem(p->text.p + begin, p->at - begin);
		return VG_OK;
	}
	if ((t = vg_arena_alloc(a, p->text.n - p->at)) == NULL)
		return VG_E_NOMEM;
	for (p->at++; p->at < p->text.n; t[n++] = p->text.p[p->at++])
		if (p->text.p[p->at] == quote) {
			p->at++;
			if (p->at == p->text.n || p->text.p[p->at] != quote) {
				*out = vg_str_mem(t, n);
				return VG_OK;
			}
		}
	return bad(p, VG_E_FORMAT, begin, "this quote is never closed");
}

/* @s within the double quotes of YAML. */
static vg_rc
put_yaml(struct parser *p, struct vg_buf *b, vg_str s, size_t at)
{
	if (!vg_utf8_valid(s))
		return bad(p, VG_E_FORMAT, at, "this is not UTF-8");
	vg_buf_putc(b, '"');
	for (size_t i = 0; i < s.n;) {
		uint32_t cp = 0;
		size_t n = vg_utf8_next(vg_str_skip(s, i), &cp);

		if (cp == '"' || cp == '\\')
			vg_buf_printf(b, "\\%c", (char)cp);
		else if (vg_cp_hostile(cp))
			vg_buf_printf(b, "\\U%08x", cp);
		else
			vg_buf_put(b, vg_str_mem(s.p + i, n));
		i += n;
	}
	vg_buf_putc(b, '"');
	return b->rc;
}

static vg_rc
put_value(struct parser *p, bool list, struct vg_arena *a)
{
	size_t at;
	bool quoted;
	vg_str s;
	vg_rc rc;

	(void)peek(p);
	at = p->at;
	if ((rc = take_text(p, list, a, &s, &quoted)) != VG_OK)
		return rc;
	if (!quoted && s.n == 0)
		return bad(p, VG_E_FORMAT, at, "a value should stand here; \"\" is the empty one");
	if (!quoted && (vg_str_eq(s, VG_STR("null")) || vg_str_eq(s, VG_STR("true")) || vg_str_eq(s, VG_STR("false")))) {
		vg_buf_put(&p->terms, s); /* what they mean is for the compiler to say */
		return p->terms.rc;
	}
	return put_yaml(p, &p->terms, s, at);
}

/* "(a, b, c)" behind a name. */
static vg_rc
put_list(struct parser *p, struct vg_arena *a)
{
	size_t open = p->at++;
	vg_rc rc;

	vg_buf_putc(&p->terms, '[');
	for (;;) {
		if ((rc = put_value(p, true, a)) != VG_OK)
			return rc;
		if (peek(p) == ')')
			break;
		if (peek(p) != ',')
			return bad(p, VG_E_FORMAT, p->at ? p->at : open, "a comma or a closing parenthesis should stand here");
		p->at++;
		vg_buf_putc(&p->terms, ',');
	}
	p->at++;
	vg_buf_putc(&p->terms, ']');
	return p->terms.rc;
}

static vg_rc
term(struct parser *p, struct vg_arena *a)
{
	size_t at = p->at;
	bool quoted;
	vg_str s;
	vg_rc rc;

	if ((rc = take_text(p, false, a, &s, &quoted)) != VG_OK)
		return rc;
	if (p->nterm == VG_SELECTION_TERMS_MAX)
		return bad(p, VG_E_LIMIT, at, "more than %d terms", VG_SELECTION_TERMS_MAX);
	if (s.n == 0)
		return bad(p, VG_E_FORMAT, at, quoted ? "an empty text is in every record" : "a word or a condition should stand here");
	p->where[p->nterm] = at;
	vg_buf_printf(&p->terms, "  t%u: ", p->nterm);
	vg_buf_printf(&p->condition, " t%u", p->nterm);
	p->nterm++;
	if (!quoted && s.n > 1 && s.p[s.n - 1] == ':') {
		vg_buf_putc(&p->terms, '{');
		if ((rc = put_yaml(p, &p->terms, vg_str_cut(s, s.n - 1), at)) != VG_OK)
			return rc;
		vg_buf_puts(&p->terms, ": ");
		if ((rc = peek(p) == '(' ? put_list(p, a) : put_value(p, false, a)) != VG_OK)
			return rc;
		vg_buf_puts(&p->terms, "}\n");
	} else {
		vg_buf_putc(&p->terms, '[');
		if ((rc = put_yaml(p, &p->terms, s, at)) != VG_OK)
			return rc;
		vg_buf_puts(&p->terms, "]\n");
	}
	return p->terms.rc;
}

/* The word @w stands here alone, in any case. */
static bool
stands(struct parser *p, vg_str w)
{
	vg_str rest;

	(void)peek(p);
	rest = vg_str_skip(p->text, p->at);
	return vg_str_istarts(rest, w) && (rest.n == w.n || is_blank(rest.p[w.n]) || rest.p[w.n] == '(' || rest.p[w.n] == ')');
}

static bool
take_word(struct parser *p, vg_str w)
{
	if (!stands(p, w))
		return false;
	p->at += w.n;
	return true;
}

static vg_rc any_of(struct parser *p, struct vg_arena *a);

static vg_rc
factor(struct parser *p, struct vg_arena *a)
{
	vg_rc rc;
	size_t open;

	if (++p->depth > VG_SELECTION_DEPTH_MAX)
		return bad(p, VG_E_LIMIT, p->at, "more than %d parentheses and nots in one another", VG_SELECTION_DEPTH_MAX);
	if (take_word(p, VG_STR("not"))) {
		vg_buf_puts(&p->condition, " not");
		rc = factor(p, a);
	} else if (stands(p, VG_STR("and")) || stands(p, VG_STR("or"))) {
		rc = bad(p, VG_E_FORMAT, p->at, "something should stand before this; the word itself is searched for in quotes");
	} else if (peek(p) == '(') {
		open = p->at++;
		vg_buf_puts(&p->condition, " (");
		if ((rc = any_of(p, a)) != VG_OK)
			return rc;
		if (peek(p) != ')')
			return bad(p, VG_E_FORMAT, open, "this parenthesis is never closed");
		p->at++;
		vg_buf_puts(&p->condition, " )");
	} else {
		rc = term(p, a);
	}
	p->depth--;
	return rc;
}

static vg_rc
all_of(struct parser *p, struct vg_arena *a)
{
	vg_rc rc;

	while ((rc = factor(p, a)) == VG_OK) {
		bool and = take_word(p, VG_STR("and"));

		if (!and && (peek(p) == 0 || peek(p) == ')' || stands(p, VG_STR("or"))))
			return VG_OK;
		vg_buf_puts(&p->condition, " and");
	}
	return rc;
}

static vg_rc
any_of(struct parser *p, struct vg_arena *a)
{
	vg_rc rc;

	while ((rc = all_of(p, a)) == VG_OK) {
		if (!take_word(p, VG_STR("or")))
			return VG_OK;
		vg_buf_puts(&p->condition, " or");
	}
	return rc;
}

/* The compiler's first complaint, at the term that it is about. */
static vg_rc
complaint(struct parser *p, const struct vg_program *g)
{
	for (uint32_t i = 0; i < g->ndiag; i++) {
		uint32_t line = g->diag[i].line, at = line >= TERMS_LINE && line < TERMS_LINE + p->nterm ? line - TERMS_LINE : 0;
		vg_str text = vg_program_str(g, g->diag[i].text);

		if (g->diag[i].fatal || g->nrule == 0)
			return bad(p, VG_E_FORMAT, p->nterm ? p->where[at] : 0, "%.*s", VG_STR_ARG(text));
	}
	return g->nrule == 1 ? VG_OK : bad(p, VG_E_FORMAT, 0, "this cannot be compiled");
}

static vg_rc
compile(struct parser *p, struct vg_buf *blob)
{
	struct vg_buf doc = { 0 };
	struct vg_rule_text text = { .path = VG_STR("selection") };
	struct vg_keys *keys = vg_keys_new();
	size_t begin = blob->n;
	struct vg_program g;
	vg_rc rc = keys ? VG_OK : VG_E_NOMEM;

	vg_buf_puts(&doc, "title: selection\nid: selection\nlogsource: {}\ndetection:\n");
	vg_buf_put(&doc, vg_buf_str(&p->terms));
	vg_buf_puts(&doc, "  condition:");
	vg_buf_put(&doc, vg_buf_str(&p->condition));
	vg_buf_putc(&doc, '\n');
	text.yaml = vg_buf_str(&doc);
	if (rc == VG_OK)
		rc = doc.rc != VG_OK ? doc.rc : p->condition.rc;
	if (rc == VG_OK)
		rc = vg_rules_compile(&text, 1, NULL, 0, blob);
	if (rc == VG_OK)
		rc = vg_program_load(vg_str_skip(vg_buf_str(blob), begin), keys, &g);
	if (rc == VG_OK)
		rc = complaint(p, &g);
	if (rc != VG_OK)
		blob->n = begin;
	vg_buf_fini(&doc);
	vg_keys_free(keys);
	return rc;
}

vg_rc
vg_selection_compile(vg_str text, struct vg_buf *blob, struct vg_selection_error *err)
{
	struct parser p = { .text = text, .err = err };
	struct vg_arena a;
	vg_rc rc;

	*err = (struct vg_selection_error){ .at = 0 };
	if (text.n > VG_SELECTION_BYTES_MAX)
		return bad(&p, VG_E_LIMIT, VG_SELECTION_BYTES_MAX, "a selection is at most %d bytes long", VG_SELECTION_BYTES_MAX);
	vg_arena_init(&a, (size_t)VG_SELECTION_BYTES_MAX * (VG_SELECTION_TERMS_MAX + 2));
	if (peek(&p) == 0)
		rc = bad(&p, VG_E_FORMAT, 0, "nothing to search for");
	else if ((rc = any_of(&p, &a)) == VG_OK && peek(&p) != 0)
		rc = bad(&p, VG_E_FORMAT, p.at, "nothing is open that this could close");
	if (rc == VG_OK)
		rc = compile(&p, blob);
	vg_buf_fini(&p.terms);
	vg_buf_fini(&p.condition);
	vg_arena_fini(&a);
	return rc;
}
