/* rule/value.c - a field with modifiers, and its values.  Sigma specification 2.1.0, appendix "Modifiers". */
#include <stdio.h>

#include "base/ip.h"
#include "base/utf.h"
#include "rule/build.h"

#define CHAIN_MAX 12

/* A value on its way through the modifiers. */
struct val {
	vg_str text; /* with VG_GLOB_* where there are wildcards; bytes after an encoding; an expression's source */
	uint8_t test, flags, part;
	uint32_t aux;
	bool null, re, bytes; /* bytes: no wildcards any more */
};
struct vals {
	struct val *v;
	size_t n, cap;
	uint32_t *group; /* which written value each came from */
};

enum mod {
	M_NONE, M_CONTAINS, M_STARTS, M_ENDS, M_ALL, M_RE, M_I, M_M, M_S, M_BASE64, M_OFFSET, M_WIDE, M_UTF16BE, M_UTF16, M_WINDASH,
	M_CIDR, M_LT, M_LTE, M_GT, M_GTE, M_NEQ, M_CASED, M_EXISTS, M_EXPAND, M_FIELDREF,
	M_MINUTE, M_HOUR, M_DAY, M_WEEK, M_MONTH, M_YEAR,
};
static const struct {
	const char *name;
	enum mod mod;
} mods[] = {
	{ "contains", M_CONTAINS }, { "startswith", M_STARTS }, { "endswith", M_ENDS }, { "all", M_ALL }, { "re", M_RE },
	{ "i", M_I }, { "ignorecase", M_I }, { "m", M_M }, { "multiline", M_M }, { "s", M_S }, { "dotall", M_S },
	{ "base64", M_BASE64 }, { "base64offset", M_OFFSET }, { "wide", M_WIDE }, { "utf16le", M_WIDE },
	{ "utf16be", M_UTF16BE }, { "utf16", M_UTF16 }, { "windash", M_WINDASH }, { "cidr", M_CIDR }, { "lt", M_LT },
	{ "lte", M_LTE }, { "gt", M_GT }, { "gte", M_GTE }, { "neq", M_NEQ }, { "cased", M_CASED }, { "exists", M_EXISTS },
	{ "expand", M_EXPAND }, { "fieldref", M_FIELDREF }, { "minute", M_MINUTE }, { "hour", M_HOUR }, { "day", M_DAY },
	{ "week", M_WEEK }, { "month", M_MONTH }, { "year", M_YEAR },
};

static enum mod
mod_of(vg_str name)
{
	for (size_t i = 0; i < VG_COUNT(mods); i++)
		if (vg_str_eq(vg_str_of(mods[i].name), name))
			return mods[i].mod;
	return M_NONE;
}

/* Wildcards and escapes of a Sigma string: \* \? \\ are literal, another backslash is itself. */
static vg_str
unescape(struct vg_arena *a, vg_str s)
{
	char *p = vg_arena_alloc(a, s.n + 1);
	size_t n = 0;

	if (p == NULL)
		return VG_NIL;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.n && (s.p[i + 1] == '*' || s.p[i + 1] == '?' || s.p[i + 1] == '\\'))
			p[n++] = s.p[++i];
		else
			p[n++] = c == '*' ? VG_GLOB_ANY : c == '?' ? VG_GLOB_ONE : c;
	}
	return vg_str_mem(p, n);
}

static bool
has_wildcard(vg_str s)
{
	return s.n && (memchr(s.p, (unsigned char)VG_GLOB_ANY, s.n) || memchr(s.p, (unsigned char)VG_GLOB_ONE, s.n));
}

/* vg_str_join, but what has no text (memory is out) stays so: half a pattern would match too much. */
static vg_str
join(struct vg_arena *arena, vg_str a, vg_str b)
{
	return a.p && b.p ? vg_str_join(arena, a, b) : VG_NIL;
}

static vg_str
around(struct vg_arena *a, vg_str s, bool before, bool after)
{
	char any = VG_GLOB_ANY;
	vg_str star = { &any, 1 };

	if (before && !(s.n && s.p[0] == VG_GLOB_ANY))
		s = join(a, star, s);
	if (after && !(s.n && s.p[s.n - 1] == VG_GLOB_ANY))
		s = join(a, s, star);
	return s;
}

static vg_str
to_utf16(struct vg_arena *a, vg_str s, enum mod how)
{
	char *p = vg_arena_alloc(a, s.n * 2 + 4);
	size_t n = 0;
	bool be = how == M_UTF16BE;

	if (p == NULL || s.p == NULL)
		return VG_NIL;
	if (how == M_UTF16) {
		p[n++] = (char)0xff;
		p[n++] = (char)0xfe;
	}
	while (s.n) {
		uint32_t cp = 0, unit[2];
		size_t k = vg_utf8_next(s, &cp), units = 1;

		if (k == 0) {
			k = 1;
			cp = (unsigned char)s.p[0];
		}
		unit[0] = cp;
		unit[1] = 0;
		if (cp >= 0x10000) {
			unit[0] = 0xd800 + ((cp - 0x10000) >> 10);
			unit[1] = 0xdc00 + ((cp - 0x10000) & 0x3ff);
			units = 2;
		}
		for (size_t i = 0; i < units; i++) {
			p[n++] = (char)(be ? unit[i] >> 8 : unit[i] & 0xff);
			p[n++] = (char)(be ? unit[i] & 0xff : unit[i] >> 8);
		}
		s = vg_str_skip(s, k);
	}
	return vg_str_mem(p, n);
}

static vg_str
base64(struct vg_arena *a, vg_str s, bool pad)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *p = vg_arena_alloc(a, s.n / 3 * 4 + 8);
	size_t n = 0;

	if (p == NULL || s.p == NULL)
		return VG_NIL;
	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;

		if (left > 1)
			v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)s.p[i + 2];
		p[n++] = digit[v >> 18];
		p[n++] = digit[v >> 12 & 63];
		if (left > 1)
			p[n++] = digit[v >> 6 & 63];
		else if (pad)
			p[n++] = '=';
		if (left > 2)
			p[n++] = digit[v & 63];
		else if (pad)
			p[n++] = '=';
	}
	return vg_str_mem(p, n);
}

/* The encoding of @s where it begins @shift bytes after a multiple of three, without what its neighbours decide. */
static vg_str
base64_shifted(struct vg_arena *a, vg_str s, size_t shift)
{
	static const size_t skip[] = { 0, 2, 3 };
	vg_str e = base64(a, join(a, vg_str_mem("\0\0", shift), s), false);
	size_t rest = (s.n + shift) % 3;

	if (e.p == NULL)
		return e;
	if (e.n && rest) /* the last digit holds bits of what follows */
		e.n--;
	return vg_str_skip(e, skip[shift]);
}

static bool
is_word(unsigned char c)
{
	return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static const vg_str dashes[] = { VG_STR_INIT("-"), VG_STR_INIT("/"), VG_STR_INIT("\xe2\x80\x93"),
				 VG_STR_INIT("\xe2\x80\x94"), VG_STR_INIT("\xe2\x80\x95") };

/* Where a dash that begins an option stands from @from on: nothing of a word before it, a word behind it. */
static size_t
find_dash(vg_str s, size_t from, size_t *len)
{
	for (size_t i = from; i < s.n; i++)
		for (size_t d = 0; d < VG_COUNT(dashes); d++) {
			size_t n = dashes[d].n;
			bool before, after;

			if (!vg_str_starts(vg_str_skip(s, i), dashes[d]))
				continue;
			before = i == 0 || s.p[i - 1] == VG_GLOB_ANY || s.p[i - 1] == VG_GLOB_ONE ||
				 !is_word((unsigned char)s.p[i - 1]);
			if (i >= 3)
				for (size_t k = 2; k < VG_COUNT(dashes); k++)
					before |= vg_str_ends(vg_str_cut(s, i), dashes[k]);
			after = i + n < s.n && s.p[i + n] != VG_GLOB_ANY && s.p[i + n] != VG_GLOB_ONE &&
				is_word((unsigned char)s.p[i + n]);
			for (size_t k = 2; k < VG_COUNT(dashes) && after; k++)
				after = !vg_str_starts(vg_str_skip(s, i + n), dashes[k]);
			if (before && after) {
				*len = n;
				return i;
			}
		}
	return VG_NPOS;
}

/* false: too many values, or memory is out. */
static bool
add(struct vg_build *b, struct vals *o, struct val v, uint32_t group)
{
	if (o->n == VG_VALUES_MAX || (v.text.p == NULL && !v.null))
		return false;
	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 16;
		struct val *nv = vg_arena_alloc(&b->scratch, cap * sizeof(*nv));
		uint32_t *ng = vg_arena_alloc(&b->scratch, cap * sizeof(*ng));

		if (nv == NULL || ng == NULL)
			return false;
		if (o->n) {
			memcpy(nv, o->v, o->n * sizeof(*nv));
			memcpy(ng, o->group, o->n * sizeof(*ng));
		}
		o->v = nv;
		o->group = ng;
		o->cap = cap;
	}
	o->v[o->n] = v;
	o->group[o->n++] = group;
	return true;
}

/* All combinations of dashes. */
static bool
windash(struct vg_build *b, struct vals *o, struct val v, uint32_t group, size_t from, size_t *made)
{
	size_t len = 0, at = find_dash(v.text, from, &len);

	if (at == VG_NPOS)
		return ++*made <= VG_VARIANTS_MAX && add(b, o, v, group);
	for (size_t d = 0; d < VG_COUNT(dashes); d++) {
		struct val w = v;

		w.text = join(&b->scratch, vg_str_cut(v.text, at),
				     join(&b->scratch, dashes[d], vg_str_skip(v.text, at + len)));
		if (w.text.p == NULL || !windash(b, o, w, group, at + dashes[d].n, made))
			return false;
	}
	return true;
}

static bool
cidr(struct vg_arena *a, vg_str s, vg_str *out)
{
	uint8_t *p = vg_arena_alloc(a, 17);
	unsigned bits;

	if (p == NULL || !vg_ip_network(s, p, &bits))
		return false;
	p[16] = (uint8_t)bits;
	*out = vg_str_mem(p, 17);
	return true;
}

/* Refused: what no linear-time matcher can do.  The full check is made where the expression is compiled. */
static const char *
regex_trouble(vg_str s)
{
	long depth = 0;
	bool in_class = false;
	size_t brace = VG_NPOS; /* where a bounded repeat may have begun */

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], d = i + 1 < s.n ? s.p[i + 1] : 0, e = i + 2 < s.n ? s.p[i + 2] : 0;

		if (c == '\\') {
			if (!in_class && d >= '1' && d <= '9')
				return "back-references need time without bound";
			if (d == 0)
				return "it ends with a lone backslash";
			i++;
			continue;
		}
		if (in_class) {
			in_class = c != ']';
			continue;
		}
		if (c == '[') {
			in_class = true;
			if (d == '^')
				i++;
			if (i + 1 < s.n && s.p[i + 1] == ']')
				i++;
		} else if (c == '(') {
			depth++;
			if (d == '?' && (e == '=' || e == '!' || e == '>' ||
					 (e == '<' && i + 3 < s.n && (s.p[i + 3] == '=' || s.p[i + 3] == '!'))))
				return "look-around and atomic groups need time without bound";
			if (d == '?' && (e == '(' || e == '|' || e == 'R' || e == '&' || (e == 'P' && i + 3 < s.n && s.p[i + 3] != '<')))
				return "conditional and recursive groups are not supported";
		} else if (c == ')') {
			if (--depth < 0)
				return "a parenthesis is closed that was not opened";
		} else if (c == '{') {
			brace = i;
			continue;
		} else if (d == '+' && (c == '*' || c == '+' || c == '?' || (c == '}' && brace != VG_NPOS && i > brace + 1))) {
			return "possessive repeats are not supported";
		}
		if (c != ',' && (c < '0' || c > '9'))
			brace = VG_NPOS;
	}
	return depth ? "a parenthesis is not closed" : in_class ? "a class is not closed" : NULL;
}

/* Replace each %name% from @from on by each of its values; the rule is refused when one has none. */
static vg_rc
expand(struct vg_build *b, struct vals *o, struct val v, uint32_t group, size_t from, uint32_t line, unsigned depth)
{
	vg_str rest = vg_str_skip(v.text, from), name;
	size_t open = vg_str_chr(rest, '%'), len = open == VG_NPOS ? VG_NPOS : vg_str_chr(vg_str_skip(rest, open + 1), '%');
	bool any = false;

	if (len == VG_NPOS)
		return add(b, o, v, group) ? VG_OK : vg_build_refuse(b, VG_DIAG_LIMIT, line, "too many values");
	if (depth == 8)
		return vg_build_refuse(b, VG_DIAG_LIMIT, line, "more than 8 placeholders in one value");
	open += from;
	name = vg_str_cut(vg_str_skip(v.text, open + 1), len);
	for (size_t i = 0; i < b->nvar; i++) {
		vg_str value = b->var[i].value;
		struct val w = v;
		vg_rc rc;

		if (!vg_str_eq(b->var[i].name, name))
			continue;
		any = true;
		if (!v.re)
			value = unescape(&b->scratch, value);
		w.text = join(&b->scratch, vg_str_cut(v.text, open),
				     join(&b->scratch, value, vg_str_skip(v.text, open + len + 2)));
		if ((rc = expand(b, o, w, group, open + value.n, line, depth + 1)) != VG_OK)
			return rc;
	}
	if (any)
		return VG_OK;
	return vg_build_refuse(b, VG_DIAG_PLACEHOLDER, line, "no value for %%%.*s%%: give one with --var '%.*s=VALUE'",
			       VG_STR_ARG(name), VG_STR_ARG(name));
}

/* The values as written. */
static vg_rc
take_written(struct vg_build *b, const struct vg_yaml *v, bool raw, struct vals *o)
{
	const struct vg_yaml *c = v->kind == VG_YAML_LIST ? v->child : v;
	uint32_t group = 0;

	for (; c; c = v->kind == VG_YAML_LIST ? c->next : NULL) {
		struct val w = { .null = c->kind == VG_YAML_NULL, .re = raw };

		if (c->kind == VG_YAML_LIST || c->kind == VG_YAML_MAP)
			return vg_build_refuse(b, VG_DIAG_SCHEMA, c->line, "a value must be text, a number or null, not a list or a map");
		if (!vg_utf8_valid(c->text))
			return vg_build_refuse(b, VG_DIAG_SCHEMA, c->line, "a value is not UTF-8");
		if (!w.null)
			w.text = raw ? c->text : unescape(&b->scratch, c->text);
		if (!add(b, o, w, group++))
			return vg_build_refuse(b, VG_DIAG_LIMIT, c->line, "more than %d values", VG_VALUES_MAX);
	}
	return VG_OK;
}

static vg_rc
encode(struct vg_build *b, struct vals *o, struct val v, uint32_t group, enum mod m, uint32_t line)
{
	if (v.test != VG_TEST_EQ || v.re || (has_wildcard(v.text) && !v.bytes))
		return vg_build_refuse(b, VG_DIAG_MODIFIER, line, "only text without wildcards can be encoded");
	v.bytes = true;
	if (m == M_OFFSET) {
		struct val w = v;

		w.bytes = false;
		for (size_t shift = 0; shift < 3; shift++) {
			w.text = base64_shifted(&b->scratch, v.text, shift);
			if ((w.text.n || !w.text.p) && !add(b, o, w, group))
				return vg_build_refuse(b, VG_DIAG_LIMIT, line, "too many values");
		}
		return VG_OK;
	}
	v.text = m == M_BASE64 ? base64(&b->scratch, v.text, true) : to_utf16(&b->scratch, v.text, m);
	if (m == M_BASE64)
		v.bytes = false; /* plain ASCII again */
	return add(b, o, v, group) ? VG_OK : vg_build_refuse(b, VG_DIAG_LIMIT, line, "too many values");
}

static vg_rc
wrong(struct vg_build *b, uint32_t line, const char *why)
{
	return vg_build_refuse(b, VG_DIAG_MODIFIER, line, "%s", why);
}

/* contains, startswith, endswith. */
static vg_rc
affix(struct vg_build *b, enum mod m, struct val *v, uint32_t line)
{
	if (v->test >= VG_TEST_FIELD_EQ && v->test <= VG_TEST_FIELD_CONTAINS)
		v->test = m == M_CONTAINS ? VG_TEST_FIELD_CONTAINS : m == M_STARTS ? VG_TEST_FIELD_PREFIX : VG_TEST_FIELD_SUFFIX;
	else if (v->test == VG_TEST_RE)
		return VG_OK; /* an expression is found anywhere as it is */
	else if (v->test != VG_TEST_EQ || v->re)
		return wrong(b, line, "contains, startswith and endswith need text");
	else if (v->bytes) /* whose bytes may be those of wildcards */
		v->test = m == M_CONTAINS ? VG_TEST_CONTAINS : m == M_STARTS ? VG_TEST_PREFIX : VG_TEST_SUFFIX;
	else
		v->text = around(&b->scratch, v->text, m != M_STARTS, m != M_ENDS);
	return VG_OK;
}

static vg_rc
network(struct vg_build *b, struct val *v, uint32_t line)
{
	vg_str text = v->text;

	if (v->test != VG_TEST_EQ || v->bytes)
		return wrong(b, line, "cidr takes no other modifier");
	v->test = VG_TEST_CIDR;
	if (!cidr(&b->scratch, text, &v->text))
		return vg_build_refuse(b, VG_DIAG_MODIFIER, line, "cidr: not a network: %.*s", VG_STR_ARG(text));
	return VG_OK;
}

static vg_rc
number(struct vg_build *b, enum mod m, struct val *v, uint32_t line)
{
	double n;

	if ((v->test != VG_TEST_EQ && v->test != VG_TEST_TIME) || v->bytes)
		return wrong(b, line, "lt, lte, gt and gte need a number");
	if (!vg_str_f64(v->text, &n))
		return vg_build_refuse(b, VG_DIAG_MODIFIER, line, "lt, lte, gt and gte need a number, not '%.*s'", VG_STR_ARG(v->text));
	v->test = (uint8_t)(VG_TEST_LT + (m - M_LT));
	return VG_OK;
}

static vg_rc
reference(struct vg_build *b, struct val *v, uint32_t line)
{
	if (v->test != VG_TEST_EQ || v->bytes || v->text.n == 0 || has_wildcard(v->text))
		return wrong(b, line, "fieldref needs the name of a field, without wildcards, before other modifiers");
	v->test = VG_TEST_FIELD_EQ;
	if ((v->aux = vg_keys_add(b->keys, v->text)) == VG_KEY_NONE)
		return vg_build_refuse(b, VG_DIAG_LIMIT, line, "too many field names in the rule set");
	v->text = VG_STR("");
	return VG_OK;
}

static vg_rc
time_part(struct vg_build *b, enum mod m, struct val *v, uint32_t line)
{
	uint64_t part;

	if ((v->test != VG_TEST_EQ && (v->test < VG_TEST_LT || v->test > VG_TEST_GTE)) || v->bytes)
		return wrong(b, line, "a part of a time is compared with a number");
	if (v->test == VG_TEST_EQ && !vg_str_u64(v->text, &part))
		return vg_build_refuse(b, VG_DIAG_MODIFIER, line, "a part of a time is a number, not '%.*s'", VG_STR_ARG(v->text));
	v->part = (uint8_t)(VG_PART_MINUTE + (m - M_MINUTE));
	if (v->test == VG_TEST_EQ)
		v->test = VG_TEST_TIME;
	return VG_OK;
}

/* A modifier that leaves one value one value. */
static vg_rc
change(struct vg_build *b, enum mod m, struct val *v, uint32_t line)
{
	switch (m) {
	case M_CONTAINS:
	case M_STARTS:
	case M_ENDS:
		return affix(b, m, v, line);
	case M_RE:
		if (v->test != VG_TEST_EQ || v->bytes)
			return wrong(b, line, "re must stand before other modifiers");
		v->test = VG_TEST_RE;
		v->flags |= VG_VALUE_CASED;
		return VG_OK;
	case M_I:
	case M_M:
	case M_S:
		if (v->test != VG_TEST_RE)
			return wrong(b, line, "i, m and s stand behind re");
		v->flags |= m == M_I ? VG_VALUE_RE_I : m == M_M ? VG_VALUE_RE_M : VG_VALUE_RE_S;
		return VG_OK;
	case M_CIDR:
		return network(b, v, line);
	case M_LT:
	case M_LTE:
	case M_GT:
	case M_GTE:
		return number(b, m, v, line);
	case M_CASED:
		v->flags |= VG_VALUE_CASED;
		return VG_OK;
	case M_FIELDREF:
		return reference(b, v, line);
	case M_MINUTE:
	case M_HOUR:
	case M_DAY:
	case M_WEEK:
	case M_MONTH:
	case M_YEAR:
		return time_part(b, m, v, line);
	default:
		return VG_OK;
	}
}

/* One modifier over all values, in the order written. */
static vg_rc
apply(struct vg_build *b, enum mod m, struct vals *in, struct vals *o, uint32_t line)
{
	o->n = 0;
	for (size_t i = 0; i < in->n; i++) {
		struct val v = in->v[i];
		uint32_t g = in->group[i];
		size_t made = 0;
		vg_rc rc;

		switch (m) { /* those that make several of one */
		case M_BASE64:
		case M_OFFSET:
		case M_WIDE:
		case M_UTF16BE:
		case M_UTF16:
			rc = encode(b, o, v, g, m, line);
			break;
		case M_WINDASH:
			rc = windash(b, o, v, g, 0, &made) ? VG_OK :
				vg_build_refuse(b, VG_DIAG_LIMIT, line, "windash makes more than %d variants of one value", VG_VARIANTS_MAX);
			break;
		case M_EXPAND:
			rc = expand(b, o, v, g, 0, line, 0);
			break;
		default:
			rc = change(b, m, &v, line);
			if (rc == VG_OK && !add(b, o, v, g))
				rc = vg_build_refuse(b, VG_DIAG_LIMIT, line, "too many values");
		}
		if (rc != VG_OK)
			return rc;
	}
	return VG_OK;
}

/* What a pattern really is: a lone run of literal text with stars around it is no glob. */
static void
settle(struct val *v)
{
	vg_str inner = v->text;
	bool before, after;

	if (v->test != VG_TEST_EQ || v->bytes || !has_wildcard(v->text))
		return;
	before = inner.p[0] == VG_GLOB_ANY;
	while (inner.n && inner.p[0] == VG_GLOB_ANY)
		inner = vg_str_skip(inner, 1);
	after = inner.n && inner.p[inner.n - 1] == VG_GLOB_ANY;
	while (inner.n && inner.p[inner.n - 1] == VG_GLOB_ANY)
		inner.n--;
	if (inner.n == 0 || has_wildcard(inner)) {
		v->test = VG_TEST_GLOB;
		return;
	}
	v->test = before && after ? VG_TEST_CONTAINS : before ? VG_TEST_SUFFIX : VG_TEST_PREFIX;
	v->text = inner;
}

static bool
put_value(struct vg_build *b, const struct val *v, bool keyword)
{
	struct vg_value out = { .test = v->test, .flags = v->flags, .part = v->part, .aux = v->aux };
	vg_str t = v->text;

	if (keyword && v->test == VG_TEST_EQ)
		out.test = VG_TEST_CONTAINS;
	if (keyword && (v->test == VG_TEST_PREFIX || v->test == VG_TEST_SUFFIX))
		out.test = VG_TEST_CONTAINS; /* a keyword is looked for anywhere: its stars say nothing */
	if (keyword && v->test == VG_TEST_GLOB)
		t = around(&b->scratch, t, true, true);
	if (!(v->flags & VG_VALUE_CASED) && out.test != VG_TEST_CIDR && out.test != VG_TEST_RE && t.n) {
		/* wildcard bytes are no UTF-8 and stay as they are */
		char *p = vg_arena_alloc(&b->scratch, VG_FOLD_MAX(t.n));

		if (p == NULL)
			return false;
		t = vg_str_mem(p, vg_fold(t, p));
	}
	if (t.p == NULL || b->nvalue == VG_VALUES_MAX)
		return false;
	b->nvalue++;
	out.text = vg_build_text(b, t);
	vg_buf_mem(&b->value, &out, sizeof(out));
	return true;
}

/* The item with the values from @first on; one row for equal items. */
static uint32_t
put_item(struct vg_build *b, uint32_t key, enum vg_item_kind kind, uint8_t flags, uint32_t first)
{
	struct vg_item it = { .key = key, .kind = (uint8_t)kind, .flags = flags, .value = first,
			      .nvalue = VG_ROWS(b->value, struct vg_value) - first };
	uint32_t at = VG_ROWS(b->item, struct vg_item), same;
	size_t nbytes = it.nvalue * sizeof(struct vg_value);
	const char *values = nbytes ? b->value.p + first * sizeof(struct vg_value) : NULL;
	struct { uint32_t key, kind, flags, n; uint64_t hash; } id = { key, kind, flags, it.nvalue, 0 };
	const struct vg_item *o;

	id.hash = vg_hash64(vg_str_mem(values, nbytes), 0);
	same = vg_map_add(&b->items, vg_str_mem(&id, sizeof(id)), at, NULL);
	if (same < at) { /* a refused document may have taken its rows back: compare */
		o = (const struct vg_item *)(void *)b->item.p + same;
		if (o->key == key && o->kind == it.kind && o->flags == flags && o->nvalue == it.nvalue &&
		    (nbytes == 0 || memcmp(b->value.p + o->value * sizeof(struct vg_value), values, nbytes) == 0)) {
			b->value.n -= nbytes;
			return vg_build_leaf(b, VG_OP_ITEM, same);
		}
	}
	vg_buf_mem(&b->item, &it, sizeof(it));
	return vg_build_leaf(b, VG_OP_ITEM, at);
}

/* An item for all values: with @all each written value must match, by any of its variants. */
static vg_rc
put_values(struct vg_build *b, uint32_t key, bool keyword, const struct vals *v, bool all, uint32_t *node)
{
	enum vg_item_kind kind = keyword ? VG_ITEM_KEYWORDS : VG_ITEM_VALUES;
	uint32_t *part = vg_arena_array(&b->scratch, uint32_t, v->n + 2), n = 0, first = VG_ROWS(b->value, struct vg_value);
	bool variants = false, has_null = false;

	if (part == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < v->n; i++) {
		if (v->v[i].text.p == NULL && !v->v[i].null)
			return VG_E_NOMEM;
		has_null |= v->v[i].null;
		variants |= i && v->group[i] == v->group[i - 1];
	}
	if (!has_null && !(all && variants)) {
		for (size_t i = 0; i < v->n; i++)
			if (!put_value(b, &v->v[i], keyword))
				return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "more than %d values in one rule", VG_VALUES_MAX);
		*node = put_item(b, key, kind, all && v->n > 1 ? VG_ITEM_ALL : 0, first);
		return VG_OK;
	}
	for (size_t i = 0; i < v->n;) {
		size_t j = i;

		first = VG_ROWS(b->value, struct vg_value);
		if (v->v[i].null) {
			part[n++] = put_item(b, key, VG_ITEM_NULL, 0, first);
			i++;
			continue;
		}
		for (; j < v->n && v->group[j] == v->group[i]; j++)
			if (!put_value(b, &v->v[j], keyword))
				return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "more than %d values in one rule", VG_VALUES_MAX);
		part[n++] = put_item(b, key, kind, 0, first);
		i = j;
	}
	*node = n == 1 ? part[0] : vg_build_node(b, all ? VG_OP_AND : VG_OP_OR, part, n, VG_NIL);
	return VG_OK;
}

static vg_rc
take_chain(struct vg_build *b, vg_str *key, uint32_t line, enum mod chain[CHAIN_MAX], size_t *n)
{
	vg_str rest = *key, word;

	*n = 0;
	if (!vg_str_split(&rest, '|', key))
		return VG_OK;
	while (vg_str_split(&rest, '|', &word)) {
		enum mod m = mod_of(word);

		if (m == M_NONE)
			return vg_build_refuse(b, VG_DIAG_MODIFIER, line, "no such modifier: %.*s", VG_STR_ARG(word));
		if (*n == CHAIN_MAX)
			return vg_build_refuse(b, VG_DIAG_LIMIT, line, "more than %d modifiers", CHAIN_MAX);
		chain[(*n)++] = m;
	}
	return VG_OK;
}

static vg_rc
take_exists(struct vg_build *b, uint32_t key, const struct vg_yaml *v, uint32_t *node)
{
	bool yes;

	if (!vg_yaml_bool(v, &yes))
		return vg_build_refuse(b, VG_DIAG_MODIFIER, v->line, "exists needs true or false");
	*node = put_item(b, key, VG_ITEM_EXISTS, 0, VG_ROWS(b->value, struct vg_value));
	if (!yes)
		*node = vg_build_node(b, VG_OP_NOT, node, 1, VG_NIL);
	return VG_OK;
}

vg_rc
vg_build_item(struct vg_build *b, vg_str name, const struct vg_yaml *v, uint32_t *node)
{
	enum mod chain[CHAIN_MAX];
	struct vals a = { 0 }, o = { 0 };
	size_t n;
	bool all = false, neq = false, raw = false;
	uint32_t key = VG_KEY_NONE;
	vg_rc rc;

	vg_arena_reset(&b->scratch);
	if ((rc = take_chain(b, &name, v->line, chain, &n)) != VG_OK)
		return rc;
	if (name.n && (key = vg_keys_add(b->keys, name)) == VG_KEY_NONE)
		return vg_build_refuse(b, VG_DIAG_LIMIT, v->line, "too many field names in the rule set");
	for (size_t i = 0; i < n; i++) {
		all |= chain[i] == M_ALL;
		neq |= chain[i] == M_NEQ;
		raw |= chain[i] == M_RE;
		if (chain[i] == M_EXISTS)
			return name.n ? take_exists(b, key, v, node) :
					vg_build_refuse(b, VG_DIAG_MODIFIER, v->line, "exists needs a field");
	}
	if ((rc = take_written(b, v, raw, &a)) != VG_OK)
		return rc;
	if (a.n == 0)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, v->line, "an empty list of values");
	for (size_t i = 0; i < n; i++) {
		struct vals t;

		if (chain[i] == M_ALL || chain[i] == M_NEQ)
			continue;
		for (size_t j = 0; j < a.n; j++)
			if (a.v[j].null)
				return vg_build_refuse(b, VG_DIAG_MODIFIER, v->line, "null takes no modifier");
		if ((rc = apply(b, chain[i], &a, &o, v->line)) != VG_OK)
			return rc;
		t = a;
		a = o;
		o = t;
	}
	for (size_t i = 0; i < a.n; i++) {
		const char *why = a.v[i].test == VG_TEST_RE ? regex_trouble(a.v[i].text) : NULL;

		if (why)
			return vg_build_refuse(b, VG_DIAG_REGEX, v->line, "the expression cannot be used: %s", why);
		if (name.n == 0 && (a.v[i].null || a.v[i].test > VG_TEST_RE))
			return vg_build_refuse(b, VG_DIAG_SCHEMA, v->line, "a keyword must be text or an expression");
		settle(&a.v[i]);
	}
	if ((rc = put_values(b, key, name.n == 0, &a, all, node)) != VG_OK)
		return rc;
	if (neq)
		*node = vg_build_node(b, VG_OP_NOT, node, 1, VG_NIL);
	return VG_OK;
}
