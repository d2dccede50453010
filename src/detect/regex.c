#include "detect/regex.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/utf.h"
#include "detect/multi.h"

/* Text is read as symbols: a code point stands for its class (code points that no set of the expression tells apart), a
 * byte that begins no valid UTF-8 is the pseudo code point INVALID, and two symbols more are "a newline that ends
 * the text" and "the end". */
#define INVALID   0x110000u
#define NONE      UINT32_MAX
#define DEPTH_MAX 200              /* groups within groups */
#define CELLS_MAX 4000000u         /* sets times symbols */
#define PARSE_BYTES_MAX (48u << 20) /* memory for the tree of one expression */
#define CACHE_WORDS_MAX 750000u    /* of one expression's state cache: 3 MB */
#define LITERAL_MAX 256            /* bytes of a required literal */
#define WIDE_REPEAT_MAX 64         /* counts over it are cut when an expression is widened */

enum node_kind { N_EMPTY, N_SET, N_CAT, N_ALT, N_REPEAT, N_ASSERT };
enum assertion { A_TEXT_START, A_LINE_START, A_TEXT_END, A_LAST_LINE_END, A_LINE_END, A_WORD, A_NOT_WORD };

struct node {
	uint8_t kind, what; /* what: enum assertion */
	uint32_t set;
	uint32_t min, max;  /* of a repeat; max NONE: no end */
	uint32_t size;      /* NFA states it takes, at most */
	uint32_t nkid;
	struct node **kid;
};

struct set { /* ascending ranges lo, hi that do not touch */
	uint32_t *r;
	uint32_t n; /* ranges */
};

struct build { /* a set on its way */
	uint32_t *r;
	size_t n, cap; /* ranges */
};

struct parser {
	vg_str s;
	size_t i;
	struct vg_arena a;
	struct vg_map known; /* ranges of a set -> its index */
	struct set *set;
	uint32_t nset, capset;
	uint32_t asserts; /* bit a: enum assertion a occurs */
	vg_rc rc;
	char why[160];
};

/* ---- sets ---- */

/* Code points that fold to another one, by themselves and by what they fold to. */
struct fold_pair {
	uint32_t from, to;
};
static struct fold_pair fold_by_from[4096], fold_by_to[4096];
static size_t nfold;

static int
fold_cmp_to(const void *a, const void *b)
{
	const struct fold_pair *x = a, *y = b;

	return x->to != y->to ? (x->to < y->to ? -1 : 1) : x->from < y->from ? -1 : x->from > y->from;
}

static void
fold_tables(void)
{
	size_t n = 0;

	if (nfold)
		return;
	for (uint32_t cp = 'A'; cp < 0x20000 && n < VG_COUNT(fold_by_from); cp++) {
		uint32_t f = vg_fold_cp(cp);

		if (f != cp)
			fold_by_from[n++] = (struct fold_pair){ cp, f };
	}
	memcpy(fold_by_to, fold_by_from, n * sizeof(fold_by_from[0]));
	qsort(fold_by_to, n, sizeof(fold_by_to[0]), fold_cmp_to);
	nfold = n;
}

static vg_rc
fail(struct parser *p, vg_rc rc, const char *why)
{
	if (p->rc == VG_OK) {
		p->rc = rc;
		snprintf(p->why, sizeof(p->why), "%s (at character %zu of the expression)", why, p->i + 1);
	}
	return p->rc;
}

static void
add_range(struct parser *p, struct build *b, uint32_t lo, uint32_t hi)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 8;
		uint32_t *r = vg_arena_zalloc(&p->a, cap, 2 * sizeof(*r));

		if (r == NULL) {
			fail(p, VG_E_NOMEM, "out of memory");
			return;
		}
		if (b->n)
			memcpy(r, b->r, b->n * 2 * sizeof(*r));
		b->r = r;
		b->cap = cap;
	}
	b->r[2 * b->n] = lo;
	b->r[2 * b->n + 1] = hi;
	b->n++;
}

static int
range_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
normalise(struct build *b)
{
	size_t n = 0;

	if (b->n == 0)
		return;
	qsort(b->r, b->n, 2 * sizeof(*b->r), range_cmp);
	for (size_t i = 1; i < b->n; i++) {
		if (b->r[2 * i] <= b->r[2 * n + 1] + 1) {
			if (b->r[2 * i + 1] > b->r[2 * n + 1])
				b->r[2 * n + 1] = b->r[2 * i + 1];
		} else {
			n++;
			b->r[2 * n] = b->r[2 * i];
			b->r[2 * n + 1] = b->r[2 * i + 1];
		}
	}
	b->n = n + 1;
}

static bool
ranges_have(const uint32_t *r, size_t n, uint32_t cp)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (cp < r[2 * mid])
			hi = mid;
		else if (cp > r[2 * mid + 1])
			lo = mid + 1;
		else
			return true;
	}
	return false;
}

/* All code points that fold alike go in together. */
static void
close_case(struct parser *p, struct build *b)
{
	fold_tables();
	normalise(b);
	if (b->n == 1 && b->r[0] == b->r[1]) { /* the usual case, without a walk over the whole table */
		uint32_t f = b->r[0] == INVALID ? INVALID : vg_fold_cp(b->r[0]);
		size_t lo = 0, hi = nfold;

		while (lo < hi) {
			size_t mid = (lo + hi) / 2;

			if (fold_by_to[mid].to < f)
				lo = mid + 1;
			else
				hi = mid;
		}
		add_range(p, b, f, f);
		for (; lo < nfold && fold_by_to[lo].to == f; lo++)
			add_range(p, b, fold_by_to[lo].from, fold_by_to[lo].from);
		normalise(b);
		return;
	}
	for (int pass = 0; pass < 2 && p->rc == VG_OK; pass++) {
		size_t had = b->n;
		struct build more = { 0 };

		for (size_t i = 0; i < nfold; i++) {
			const struct fold_pair *f = &fold_by_from[i];

			if (ranges_have(b->r, had, f->from) && !ranges_have(b->r, had, f->to))
				add_range(p, &more, f->to, f->to);
			if (ranges_have(b->r, had, f->to) && !ranges_have(b->r, had, f->from))
				add_range(p, &more, f->from, f->from);
		}
		for (size_t i = 0; i < more.n; i++)
			add_range(p, b, more.r[2 * i], more.r[2 * i + 1]);
		normalise(b);
	}
}

static void
negate(struct parser *p, struct build *b)
{
	struct build out = { 0 };
	uint32_t at = 0;

	normalise(b);
	for (size_t i = 0; i < b->n; i++) {
		if (b->r[2 * i] > at)
			add_range(p, &out, at, b->r[2 * i] - 1);
		at = b->r[2 * i + 1] + 1;
	}
	if (at <= INVALID)
		add_range(p, &out, at, INVALID);
	*b = out;
}

static void
add_ranges(struct parser *p, struct build *b, const uint32_t (*r)[2], size_t n, bool not)
{
	struct build t = { 0 };

	for (size_t i = 0; i < n; i++)
		add_range(p, &t, r[i][0], r[i][1]);
	if (not)
		negate(p, &t);
	for (size_t i = 0; i < t.n; i++)
		add_range(p, b, t.r[2 * i], t.r[2 * i + 1]);
}

static const uint32_t word_ranges[][2] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
static const uint32_t digit_ranges[][2] = { { '0', '9' } };
static const uint32_t space_ranges[][2] = { { '\t', '\r' }, { ' ', ' ' } };
static const uint32_t blank_ranges[][2] = { { '\t', '\t' }, { ' ', ' ' }, { 0xa0, 0xa0 },
	{ 0x1680, 0x1680 }, { 0x180e, 0x180e }, { 0x2000, 0x200a }, { 0x202f, 0x202f },
	{ 0x205f, 0x205f }, { 0x3000, 0x3000 } };
static const uint32_t newline_ranges[][2] = { { '\n', '\n' } };

/* \d \w \s \h and their opposites; false when @c is none. */
static bool
add_escape_class(struct parser *p, struct build *b, char c)
{
	switch (c) {
	case 'd': case 'D':
		add_ranges(p, b, digit_ranges, VG_COUNT(digit_ranges), c == 'D');
		return true;
	case 'w': case 'W':
		add_ranges(p, b, word_ranges, VG_COUNT(word_ranges), c == 'W');
		return true;
	case 's': case 'S':
		add_ranges(p, b, space_ranges, VG_COUNT(space_ranges), c == 'S');
		return true;
	case 'h': case 'H':
		add_ranges(p, b, blank_ranges, VG_COUNT(blank_ranges), c == 'H');
		return true;
	default:
		return false;
	}
}

/* The index of the set, which is new or known. */
static uint32_t
keep_set(struct parser *p, struct build *b)
{
	uint32_t i;

	normalise(b);
	if (p->rc != VG_OK)
		return 0;
	i = vg_map_add(&p->known, vg_str_mem(b->r ? (const void *)b->r : "", b->n * 2 * sizeof(*b->r)),
		       p->nset, NULL);
	if (i == VG_MAP_NONE) {
		fail(p, VG_E_NOMEM, "out of memory");
		return 0;
	}
	if (i < p->nset)
		return i;
	if (p->nset == p->capset) {
		uint32_t cap = p->capset ? 2 * p->capset : 32;
		struct set *s = vg_arena_array(&p->a, struct set, cap);

		if (s == NULL) {
			fail(p, VG_E_NOMEM, "out of memory");
			return 0;
		}
		if (p->nset)
			memcpy(s, p->set, p->nset * sizeof(*s));
		p->set = s;
		p->capset = cap;
	}
	p->set[p->nset] = (struct set){ b->r, (uint32_t)b->n };
	return p->nset++;
}

/* ---- parser ---- */

static struct node *
new_node(struct parser *p, enum node_kind kind)
{
	struct node *n = vg_arena_new(&p->a, struct node);

	if (n == NULL) {
		fail(p, VG_E_NOMEM, "out of memory");
		return NULL;
	}
	n->kind = (uint8_t)kind;
	n->size = 1;
	return n;
}

static struct node *
set_node(struct parser *p, struct build *b)
{
	uint32_t set = keep_set(p, b);
	struct node *n = p->rc == VG_OK ? new_node(p, N_SET) : NULL;

	if (n)
		n->set = set;
	return n;
}

static struct node *
char_node(struct parser *p, uint32_t cp, unsigned flags)
{
	struct build b = { 0 };

	add_range(p, &b, cp, cp);
	if (flags & VG_MULTI_RE_I && p->rc == VG_OK)
		close_case(p, &b);
	return set_node(p, &b);
}

static struct node *
assert_node(struct parser *p, enum assertion what)
{
	struct node *n = new_node(p, N_ASSERT);

	p->asserts |= 1u << what;
	if (n)
		n->what = (uint8_t)what;
	return n;
}

static bool
more(const struct parser *p)
{
	return p->rc == VG_OK && p->i < p->s.n;
}

static char
peek(const struct parser *p, size_t ahead)
{
	return p->s.n - p->i > ahead ? p->s.p[p->i + ahead] : '\0';
}

static bool
take(struct parser *p, const char *z)
{
	if (!vg_str_starts(vg_str_skip(p->s, p->i), vg_str_of(z)))
		return false;
	p->i += strlen(z);
	return true;
}

static uint32_t
take_cp(struct parser *p)
{
	uint32_t cp = 0;
	size_t n = vg_utf8_next(vg_str_skip(p->s, p->i), &cp);

	if (n == 0)
		fail(p, VG_E_FORMAT, "not UTF-8");
	p->i += n ? n : 1;
	return cp;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to @max hexadecimal digits, at least @min. */
static uint32_t
take_hex(struct parser *p, int min, int max)
{
	uint32_t v = 0;
	int n = 0;

	for (; n < max && p->i < p->s.n && hex_digit(p->s.p[p->i]) >= 0; n++)
		v = v << 4 | (uint32_t)hex_digit(p->s.p[p->i++]);
	if (n < min)
		fail(p, VG_E_FORMAT, "a hexadecimal digit is missing");
	return v;
}

/* The code point that an escape stands for, behind its backslash: what means the same within brackets and without. */
static uint32_t
take_escape(struct parser *p)
{
	uint32_t cp = take_cp(p);

	switch (cp) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	case 'f': return '\f';
	case 'v': return '\v';
	case 'a': return '\a';
	case 'e': return 0x1b;
	case '0':
		cp = 0;
		for (int n = 0; n < 2 && peek(p, 0) >= '0' && peek(p, 0) <= '7'; n++)
			cp = cp * 8 + (uint32_t)(p->s.p[p->i++] - '0');
		return cp;
	case 'x':
		if (take(p, "{")) {
			cp = take_hex(p, 1, 6);
			if (!take(p, "}"))
				fail(p, VG_E_FORMAT, "\\x{ is not closed");
			if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
				fail(p, VG_E_FORMAT, "\\x{} is no character");
			return cp;
		}
		return take_hex(p, 1, 2);
	case 'u':
		cp = take_hex(p, 4, 4);
		if (cp >= 0xd800 && cp < 0xe000)
			fail(p, VG_E_FORMAT, "\\u is no character");
		return cp;
	case 'p': case 'P': case 'X':
		fail(p, VG_E_UNSUP, "Unicode properties are not supported");
		return 0;
	default:
		if (cp >= '1' && cp <= '9')
			fail(p, VG_E_UNSUP, "back-references are not supported: they cannot be matched in linear time");
		else if ((cp | 0x20) >= 'a' && (cp | 0x20) <= 'z')
			fail(p, VG_E_UNSUP, "an escape that we do not know");
		return cp;
	}
}

static const struct {
	const char *name;
	uint32_t r[4][2];
	size_t n;
} posix[] = {
	{ "alnum", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } }, 3 },
	{ "alpha", { { 'A', 'Z' }, { 'a', 'z' } }, 2 },
	{ "ascii", { { 0, 0x7f } }, 1 },
	{ "blank", { { '\t', '\t' }, { ' ', ' ' } }, 2 },
	{ "cntrl", { { 0, 0x1f }, { 0x7f, 0x7f } }, 2 },
	{ "digit", { { '0', '9' } }, 1 },
	{ "graph", { { 0x21, 0x7e } }, 1 },
	{ "lower", { { 'a', 'z' } }, 1 },
	{ "print", { { 0x20, 0x7e } }, 1 },
	{ "punct", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } }, 4 },
	{ "space", { { '\t', '\r' }, { ' ', ' ' } }, 2 },
	{ "upper", { { 'A', 'Z' } }, 1 },
	{ "word", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
	{ "xdigit", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } }, 3 },
};

/* [:name:], when one stands here. */
static bool
take_posix(struct parser *p, struct build *lit, struct build *esc)
{
	vg_str rest = vg_str_skip(p->s, p->i);
	size_t end;
	bool not;

	if (!vg_str_starts(rest, VG_STR("[:")))
		return false;
	end = vg_str_find(vg_str_cut(rest, 16), VG_STR(":]"));
	if (end == VG_NPOS)
		return false;
	rest = (vg_str){ rest.p + 2, end - 2 };
	not = vg_str_starts(rest, VG_STR("^"));
	rest = vg_str_skip(rest, not);
	for (size_t i = 0; i < VG_COUNT(posix); i++)
		if (vg_str_eq(rest, vg_str_of(posix[i].name))) {
			add_ranges(p, not ? esc : lit, posix[i].r, posix[i].n, not);
			p->i += end + 2;
			return true;
		}
	fail(p, VG_E_FORMAT, "a [:class:] that we do not know");
	return true;
}

/* What stands in brackets, behind the first one. */
static struct node *
parse_class(struct parser *p, unsigned flags)
{
	struct build lit = { 0 }, esc = { 0 }; /* lit is closed over case, escapes such as \W are not */
	bool not = take(p, "^"), first = true;

	for (; more(p) && (first || peek(p, 0) != ']'); first = false) {
		uint32_t lo, hi;

		if (take_posix(p, &lit, &esc))
			continue;
		if (peek(p, 0) == '\\') {
			p->i++;
			if (p->i == p->s.n)
				break;
			if (add_escape_class(p, &esc, peek(p, 0))) {
				p->i++;
				continue;
			}
			lo = peek(p, 0) == 'b' ? (p->i++, '\b') : take_escape(p);
		} else {
			lo = take_cp(p);
		}
		hi = lo;
		if (peek(p, 0) == '-' && p->s.n - p->i > 1 && peek(p, 1) != ']') {
			size_t back = p->i++;

			if (peek(p, 0) == '\\') {
				p->i++;
				if (p->i == p->s.n)
					break;
				if (strchr("dDwWsShH", peek(p, 0))) { /* [a-\d]: the hyphen is one */
					p->i = back;
					add_range(p, &lit, '-', '-');
					p->i++;
				} else {
					hi = peek(p, 0) == 'b' ? (p->i++, '\b') : take_escape(p);
				}
			} else if (peek(p, 0) == '[' && peek(p, 1) == ':') {
				add_range(p, &lit, '-', '-');
			} else {
				hi = take_cp(p);
			}
			if (hi < lo)
				fail(p, VG_E_FORMAT, "a range that runs backwards");
		}
		add_range(p, &lit, lo, hi);
	}
	if (!take(p, "]"))
		fail(p, VG_E_FORMAT, "a [ that is not closed");
	if (p->rc != VG_OK)
		return NULL;
	if (flags & VG_MULTI_RE_I && lit.n)
		close_case(p, &lit);
	for (size_t i = 0; i < esc.n; i++)
		add_range(p, &lit, esc.r[2 * i], esc.r[2 * i + 1]);
	if (not && p->rc == VG_OK)
		negate(p, &lit);
	return set_node(p, &lit);
}

static struct node *parse_alt(struct parser *p, unsigned flags, unsigned depth);

/* (?ims-ims) or (?ims-ims: behind "(?"; the flags that hold from here. */
static unsigned
parse_flags(struct parser *p, unsigned flags)
{
	bool off = false;

	for (; more(p) && peek(p, 0) != ')' && peek(p, 0) != ':'; p->i++) {
		unsigned f = 0;

		switch (peek(p, 0)) {
		case '-':
			if (off)
				fail(p, VG_E_FORMAT, "flags that we cannot read");
			off = true;
			continue;
		case 'i': f = VG_MULTI_RE_I; break;
		case 'm': f = VG_MULTI_RE_M; break;
		case 's': f = VG_MULTI_RE_S; break;
		case 'a': case 'u': continue; /* Python's: text is UTF-8, and \w is ASCII, always */
		default:
			fail(p, VG_E_UNSUP, "a group or flag that is not supported");
		}
		flags = off ? flags & ~f : flags | f;
	}
	if (p->rc == VG_OK && p->i == p->s.n)
		fail(p, VG_E_FORMAT, "a ( that is not closed");
	return flags;
}

static struct node *
parse_group(struct parser *p, unsigned *flags, unsigned depth)
{
	static const struct {
		const char *open, *why;
	} refused[] = {
		{ "?=", "look-ahead is not supported: it cannot be matched in linear time" },
		{ "?!", "look-ahead is not supported: it cannot be matched in linear time" },
		{ "?<=", "look-behind is not supported: it cannot be matched in linear time" },
		{ "?<!", "look-behind is not supported: it cannot be matched in linear time" },
		{ "?>", "atomic groups are not supported" },
		{ "?|", "branch-reset groups are not supported" },
		{ "?P=", "back-references are not supported: they cannot be matched in linear time" },
		{ "?P>", "recursion is not supported" },
		{ "?&", "recursion is not supported" },
		{ "?(", "conditional groups are not supported" },
		{ "*", "verbs and (* are not supported" },
	};
	unsigned inner = *flags;
	struct node *n;

	for (size_t i = 0; i < VG_COUNT(refused); i++)
		if (vg_str_starts(vg_str_skip(p->s, p->i), vg_str_of(refused[i].open))) {
			fail(p, VG_E_UNSUP, refused[i].why);
			return NULL;
		}
	if (take(p, "?#")) {
		while (more(p) && peek(p, 0) != ')')
			p->i++;
		if (!take(p, ")"))
			fail(p, VG_E_FORMAT, "a (?# that is not closed");
		return new_node(p, N_EMPTY);
	}
	if (take(p, "?P<") || take(p, "?<") || take(p, "?'")) { /* a name: nothing is captured */
		char end = p->s.p[p->i - 1] == '<' ? '>' : '\'';
		size_t from = p->i;

		while (more(p) && (peek(p, 0) == '_' || ((peek(p, 0) | 0x20) >= 'a' && (peek(p, 0) | 0x20) <= 'z') ||
				   (peek(p, 0) >= '0' && peek(p, 0) <= '9')))
			p->i++;
		if (p->i == from || peek(p, 0) != end) {
			fail(p, VG_E_FORMAT, "a group's name that we cannot read");
			return NULL;
		}
		p->i++;
	} else if (take(p, "?")) {
		inner = parse_flags(p, inner);
		if (p->rc != VG_OK)
			return NULL;
		if (take(p, ")")) { /* for the rest of the group that it stands in */
			*flags = inner;
			return new_node(p, N_EMPTY);
		}
		take(p, ":");
	}
	if (depth >= DEPTH_MAX) {
		fail(p, VG_E_LIMIT, "groups are nested too deep");
		return NULL;
	}
	n = parse_alt(p, inner, depth + 1);
	if (!take(p, ")"))
		fail(p, VG_E_FORMAT, "a ( that is not closed");
	return p->rc == VG_OK ? n : NULL;
}

static struct node *
parse_atom(struct parser *p, unsigned *flags, unsigned depth)
{
	struct build b = { 0 };
	char c = peek(p, 0);

	switch (c) {
	case '(':
		p->i++;
		return parse_group(p, flags, depth);
	case '[':
		p->i++;
		return parse_class(p, *flags);
	case '.':
		p->i++;
		if (*flags & VG_MULTI_RE_S)
			add_range(p, &b, 0, INVALID);
		else
			add_ranges(p, &b, newline_ranges, 1, true);
		return set_node(p, &b);
	case '^':
		p->i++;
		return assert_node(p, *flags & VG_MULTI_RE_M ? A_LINE_START : A_TEXT_START);
	case '$':
		p->i++;
		return assert_node(p, *flags & VG_MULTI_RE_M ? A_LINE_END : A_LAST_LINE_END);
	case '*': case '+': case '?':
		fail(p, VG_E_FORMAT, "a repeat with nothing before it");
		return NULL;
	case '\\':
		break;
	default:
		return char_node(p, take_cp(p), *flags);
	}
	p->i++;
	if (p->i == p->s.n) {
		fail(p, VG_E_FORMAT, "a backslash at the end");
		return NULL;
	}
	c = peek(p, 0);
	p->i++;
	switch (c) {
	case 'A': return assert_node(p, A_TEXT_START);
	case 'z': return assert_node(p, A_TEXT_END);
	case 'Z': return assert_node(p, A_LAST_LINE_END);
	case 'b': return assert_node(p, A_WORD);
	case 'B': return assert_node(p, A_NOT_WORD);
	case 'E': return new_node(p, N_EMPTY);
	default:
		if (add_escape_class(p, &b, c))
			return set_node(p, &b);
		p->i--;
		return char_node(p, take_escape(p), *flags);
	}
}

/* {n} {n,} {n,m} {,m} when one stands here; else the brace is a character. */
static bool
take_count(struct parser *p, uint32_t *min, uint32_t *max)
{
	size_t i = p->i + 1;
	uint64_t v[2] = { 0, 0 };
	bool have[2] = { false, false }, comma = false;

	if (peek(p, 0) != '{')
		return false;
	for (; i < p->s.n && p->s.p[i] != '}'; i++) {
		char c = p->s.p[i];

		if (c == ',' && !comma) {
			comma = true;
		} else if (c >= '0' && c <= '9') {
			have[comma] = true;
			v[comma] = v[comma] > UINT32_MAX ? v[comma] : v[comma] * 10 + (uint64_t)(c - '0');
		} else {
			return false;
		}
	}
	if (i == p->s.n || (!have[0] && !have[1]))
		return false;
	if (v[0] > VG_REGEX_REPEAT_MAX || v[1] > VG_REGEX_REPEAT_MAX)
		fail(p, VG_E_LIMIT, "a repeat of more than 1000");
	if (comma && have[1] && v[1] < v[0])
		fail(p, VG_E_FORMAT, "a repeat whose most is less than its least");
	p->i = i + 1;
	*min = (uint32_t)v[0];
	*max = !comma ? *min : have[1] ? (uint32_t)v[1] : NONE;
	return true;
}

static struct node *
parse_repeat(struct parser *p, struct node *atom)
{
	uint64_t size;
	struct node *n;
	uint32_t min = 0, max = NONE;

	if (take(p, "*"))
		;
	else if (take(p, "+"))
		min = 1;
	else if (take(p, "?"))
		max = 1;
	else if (!take_count(p, &min, &max))
		return atom;
	if (!take(p, "?") && peek(p, 0) == '+') /* lazy or greedy: the same texts match */
		fail(p, VG_E_UNSUP, "possessive repeats are not supported");
	if (peek(p, 0) == '*' || peek(p, 0) == '+' || peek(p, 0) == '?')
		fail(p, VG_E_FORMAT, "a repeat of a repeat");
	if (p->rc != VG_OK || (n = new_node(p, N_REPEAT)) == NULL ||
	    (n->kid = vg_arena_array(&p->a, struct node *, 1)) == NULL) {
		fail(p, VG_E_NOMEM, "out of memory");
		return NULL;
	}
	n->kid[0] = atom;
	n->nkid = 1;
	n->min = min;
	n->max = max;
	size = max == NONE ? (uint64_t)atom->size * (min ? min : 1) + 1 : (uint64_t)atom->size * max + (max - min);
	if (size > VG_REGEX_STATES_MAX) {
		fail(p, VG_E_LIMIT, "repeats that need too many states");
		return NULL;
	}
	n->size = size ? (uint32_t)size : 1;
	return n;
}

/* @kids linked while they are counted. */
struct link {
	struct node *node;
	struct link *next;
};

static struct node *
gather(struct parser *p, enum node_kind kind, const struct link *first, uint32_t n)
{
	struct node *out;
	uint64_t size = kind == N_ALT ? n : 1;

	if (n == 1)
		return first->node;
	if ((out = new_node(p, n ? kind : N_EMPTY)) == NULL || n == 0)
		return out;
	if ((out->kid = vg_arena_array(&p->a, struct node *, n)) == NULL) {
		fail(p, VG_E_NOMEM, "out of memory");
		return NULL;
	}
	for (; first; first = first->next) {
		out->kid[out->nkid++] = first->node;
		size += first->node->size;
	}
	if (size > VG_REGEX_STATES_MAX) {
		fail(p, VG_E_LIMIT, "it needs too many states");
		return NULL;
	}
	out->size = (uint32_t)size;
	return out;
}

static bool
chain(struct parser *p, struct link ***tail, struct node *node)
{
	struct link *l;

	if (node == NULL || p->rc != VG_OK)
		return false;
	if ((l = vg_arena_new(&p->a, struct link)) == NULL) {
		fail(p, VG_E_NOMEM, "out of memory");
		return false;
	}
	l->node = node;
	**tail = l;
	*tail = &l->next;
	return true;
}

static struct node *
parse_alt(struct parser *p, unsigned flags, unsigned depth)
{
	struct link *alts = NULL, **alt_tail = &alts;
	uint32_t nalt = 0;

	do {
		struct link *cats = NULL, **tail = &cats;
		uint32_t ncat = 0;

		while (more(p) && peek(p, 0) != '|' && peek(p, 0) != ')') {
			struct node *n;

			if (take(p, "\\Q")) {
				while (more(p) && !take(p, "\\E")) {
					if (!chain(p, &tail, char_node(p, take_cp(p), flags)))
						return NULL;
					ncat++;
				}
				continue;
			}
			n = parse_atom(p, &flags, depth);
			if (n == NULL || p->rc != VG_OK)
				return NULL;
			if (!chain(p, &tail, parse_repeat(p, n)))
				return NULL;
			ncat++;
		}
		if (!chain(p, &alt_tail, gather(p, N_CAT, cats, ncat)))
			return NULL;
		nalt++;
	} while (more(p) && take(p, "|"));
	return p->rc == VG_OK ? gather(p, N_ALT, alts, nalt) : NULL;
}

/* The tree of @source, in p->a; NULL and p->rc when there is none.  parser_fini() in any case. */
static struct node *
parse(struct parser *p, vg_str source, unsigned flags)
{
	struct node *n;

	*p = (struct parser){ .s = source };
	vg_arena_init(&p->a, PARSE_BYTES_MAX);
	vg_map_init(&p->known, PARSE_BYTES_MAX);
	if (source.n > VG_REGEX_SOURCE_MAX) {
		fail(p, VG_E_LIMIT, "it is too long");
		return NULL;
	}
	n = parse_alt(p, flags, 0);
	if (p->rc == VG_OK && p->i < p->s.n)
		fail(p, VG_E_FORMAT, "a ) that closes nothing");
	return p->rc == VG_OK ? n : NULL;
}

static void
parser_fini(struct parser *p)
{
	vg_map_fini(&p->known);
	vg_arena_fini(&p->a);
}

/* ---- NFA ---- */

enum op { OP_SET, OP_SPLIT, OP_ASSERT, OP_MATCH };
struct inst {
	uint8_t op, what;
	uint32_t set;
	uint32_t a, b; /* where it goes on; b of a split */
};

/* What is known of the character before (PREV_) and of the symbol to come (NEXT_). */
enum { PREV_START = 1, PREV_NEWLINE = 2, PREV_WORD = 4 };
enum { NEXT_END = 1, NEXT_NEWLINE = 2, NEXT_WORD = 4, NEXT_LAST = 8 /* the newline that ends the text */ };

enum { ST_UNKNOWN, ST_MATCH, ST_DEAD, ST_FIRST }; /* states of the DFA; those from ST_FIRST on have a row */

struct state {
	uint32_t core, ncore; /* NFA states, sorted: cache[core..] */
	uint32_t prev;
};

struct list { /* a sparse set of NFA states */
	uint32_t *dense, *sparse, n;
};

struct vg_regex {
	struct inst *inst; /* owned, as all below */
	uint32_t ninst, start;
	uint32_t nsym, last, end; /* symbols: classes, then the newline that ends the text, then the end */
	uint16_t ascii[128];
	uint32_t *cut; /* first code point of each interval, ascending */
	uint16_t *cut_sym;
	uint32_t ncut;
	uint8_t *in;   /* [set * nsym + sym] */
	uint8_t *kind; /* of each symbol: NEXT_* */
	uint32_t prev_mask; /* what the expression can ask of the character before */
	bool anchored, ends; /* only from the start of the text; asks for its end */

	struct list closure, out;
	uint32_t *stack, *now;

	struct state *state; /* the DFA, made as it is needed */
	uint32_t nstate, capstate;
	uint32_t *row; /* [state * nsym + sym] */
	size_t caprow;
	uint32_t *core;
	size_t ncore, capcore;
	uint32_t *slot; /* hash table of states */
	uint32_t nslot;
};

struct compiler {
	struct inst *inst;
	uint32_t n, cap;
};

static uint32_t
emit(struct compiler *c, struct inst i)
{
	if (c->n == c->cap) /* node sizes are upper bounds: not reached */
		abort();
	c->inst[c->n] = i;
	return c->n++;
}

/* The state that @n begins with, when it goes on to @next.  Depth: bounded by that of groups. */
static uint32_t
compile(struct compiler *c, const struct node *n, uint32_t next)
{
	uint32_t at, body;

	switch ((enum node_kind)n->kind) {
	case N_EMPTY:
		return next;
	case N_SET:
		return emit(c, (struct inst){ .op = OP_SET, .set = n->set, .a = next });
	case N_ASSERT:
		return emit(c, (struct inst){ .op = OP_ASSERT, .what = n->what, .a = next });
	case N_CAT:
		for (uint32_t i = n->nkid; i-- > 0;)
			next = compile(c, n->kid[i], next);
		return next;
	case N_ALT:
		at = compile(c, n->kid[n->nkid - 1], next);
		for (uint32_t i = n->nkid - 1; i-- > 0;) {
			body = compile(c, n->kid[i], next);
			at = emit(c, (struct inst){ .op = OP_SPLIT, .a = body, .b = at });
		}
		return at;
	case N_REPEAT:
		if (n->max == NONE) {
			at = emit(c, (struct inst){ .op = OP_SPLIT, .b = next });
			body = compile(c, n->kid[0], at);
			c->inst[at].a = body;
			if (n->min)
				at = body;
			for (uint32_t i = 1; i < n->min; i++)
				at = compile(c, n->kid[0], at);
			return at;
		}
		at = next;
		for (uint32_t i = n->min; i < n->max; i++) {
			body = compile(c, n->kid[0], at);
			at = emit(c, (struct inst){ .op = OP_SPLIT, .a = body, .b = next });
		}
		for (uint32_t i = 0; i < n->min; i++)
			at = compile(c, n->kid[0], at);
		return at;
	}
	return next;
}

/* Can it match only at the start of the text? */
static bool
is_anchored(const struct node *n)
{
	switch ((enum node_kind)n->kind) {
	case N_ASSERT:
		return n->what == A_TEXT_START;
	case N_CAT:
		for (uint32_t i = 0; i < n->nkid; i++) {
			if (is_anchored(n->kid[i]))
				return true;
			if (n->kid[i]->kind != N_ASSERT && n->kid[i]->kind != N_EMPTY)
				return false;
		}
		return false;
	case N_ALT:
		for (uint32_t i = 0; i < n->nkid; i++)
			if (!is_anchored(n->kid[i]))
				return false;
		return true;
	case N_REPEAT:
		return n->min > 0 && is_anchored(n->kid[0]);
	default:
		return false;
	}
}

static int
u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

#define DIGIT_BITS 11 /* two digits hold a code point */

/* A few are inserted; many, as the ranges of \w, are dealt out by digit: both are several times as fast as qsort here. */
static void
sort_u32(uint32_t *v, size_t n)
{
	uint32_t *room;

	if (n <= 48) {
		for (size_t i = 1; i < n; i++) {
			uint32_t x = v[i];
			size_t j = i;

			for (; j && v[j - 1] > x; j--)
				v[j] = v[j - 1];
			v[j] = x;
		}
		return;
	}
	if (n < 512 || (room = malloc(n * sizeof(*room))) == NULL) {
		qsort(v, n, sizeof(*v), u32_cmp);
		return;
	}
	for (unsigned shift = 0; shift <= DIGIT_BITS; shift += DIGIT_BITS) {
		uint32_t at[1 << DIGIT_BITS] = { 0 }, sum = 0;
		const uint32_t mask = (1 << DIGIT_BITS) - 1;

		for (size_t i = 0; i < n; i++)
			at[v[i] >> shift & mask]++;
		for (uint32_t d = 0; d <= mask; d++) {
			uint32_t count = at[d];

			at[d] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			room[at[v[i] >> shift & mask]++] = v[i];
		memcpy(v, room, n * sizeof(*v));
	}
	free(room);
}

/* Split the classes of the intervals by whether a set has them; @map is room for twice the intervals. */
static uint32_t
refine(uint32_t *class, uint32_t *map, const uint32_t *cut, uint32_t ncut, uint32_t nclass, const uint32_t *r, size_t n)
{
	uint32_t fresh = 0;

	for (uint32_t i = 0; i < 2 * nclass; i++)
		map[i] = NONE;
	for (uint32_t i = 0; i < ncut; i++) {
		uint32_t *m = &map[2 * class[i] + ranges_have(r, n, cut[i])];

		if (*m == NONE)
			*m = fresh++;
		class[i] = *m;
	}
	return fresh;
}

static void
cut_ranges(uint32_t *cut, uint32_t *n, const uint32_t *r, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		cut[(*n)++] = r[2 * i];
		cut[(*n)++] = r[2 * i + 1] + 1;
	}
}

static uint16_t
symbol_of(const struct vg_regex *r, uint32_t cp)
{
	uint32_t lo = 0, hi = r->ncut;

	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;

		if (r->cut[mid] <= cp)
			lo = mid;
		else
			hi = mid;
	}
	return r->cut_sym[lo];
}

/* Find the classes of code points, and which set has which. */
static vg_rc
alphabet(struct vg_regex *r, struct parser *p)
{
	static const uint32_t newline[2] = { '\n', '\n' };
	const uint32_t *word = &word_ranges[0][0];
	bool words = p->asserts & (1u << A_WORD | 1u << A_NOT_WORD);
	bool lines = p->asserts & (1u << A_LINE_START | 1u << A_LINE_END | 1u << A_LAST_LINE_END);
	size_t room = 2 + 2 * (VG_COUNT(word_ranges) + 1);
	uint32_t *class, *map, nclass = 1, n = 0;

	for (uint32_t i = 0; i < p->nset; i++)
		room += 2 * (size_t)p->set[i].n;
	r->cut = calloc(room, sizeof(*r->cut));
	class = vg_arena_array(&p->a, uint32_t, room);
	map = vg_arena_array(&p->a, uint32_t, 2 * room);
	if (r->cut == NULL || class == NULL || map == NULL)
		return VG_E_NOMEM;
	r->cut[n++] = 0;
	for (uint32_t i = 0; i < p->nset; i++)
		cut_ranges(r->cut, &n, p->set[i].r, p->set[i].n);
	if (words)
		cut_ranges(r->cut, &n, word, VG_COUNT(word_ranges));
	if (lines)
		cut_ranges(r->cut, &n, newline, 1);
	sort_u32(r->cut, n);
	for (uint32_t i = 0; i < n; i++)
		if (r->cut[i] <= INVALID && (r->ncut == 0 || r->cut[i] != r->cut[r->ncut - 1]))
			r->cut[r->ncut++] = r->cut[i];
	if ((uint64_t)r->ncut * (p->nset + 3) > CELLS_MAX || r->ncut > 60000)
		return fail(p, VG_E_LIMIT, "too many different character classes");
	for (uint32_t i = 0; i < p->nset; i++)
		nclass = refine(class, map, r->cut, r->ncut, nclass, p->set[i].r, p->set[i].n);
	if (words)
		nclass = refine(class, map, r->cut, r->ncut, nclass, word, VG_COUNT(word_ranges));
	if (lines)
		nclass = refine(class, map, r->cut, r->ncut, nclass, newline, 1);
	r->last = nclass;
	r->end = nclass + 1;
	r->nsym = nclass + 2;
	r->cut_sym = calloc(r->ncut, sizeof(*r->cut_sym));
	r->in = calloc((size_t)p->nset + 1, r->nsym);
	r->kind = calloc(r->nsym, 1);
	if (r->cut_sym == NULL || r->in == NULL || r->kind == NULL)
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < r->ncut; i++) {
		r->cut_sym[i] = (uint16_t)class[i];
		for (uint32_t s = 0; s < p->nset; s++)
			if (ranges_have(p->set[s].r, p->set[s].n, r->cut[i]))
				r->in[(size_t)s * r->nsym + class[i]] = 1;
		if (words && ranges_have(word, VG_COUNT(word_ranges), r->cut[i]))
			r->kind[class[i]] |= NEXT_WORD;
		if (lines && r->cut[i] == '\n')
			r->kind[class[i]] |= NEXT_NEWLINE;
	}
	for (uint32_t c = 0; c < 128; c++)
		r->ascii[c] = symbol_of(r, c);
	for (uint32_t s = 0; s < p->nset; s++) /* the last newline is a newline to every set */
		r->in[(size_t)s * r->nsym + r->last] = r->in[(size_t)s * r->nsym + r->ascii['\n']];
	r->kind[r->last] = NEXT_NEWLINE | NEXT_LAST;
	r->kind[r->end] = NEXT_END;
	r->ends = p->asserts & 1u << A_LAST_LINE_END;
	if (p->asserts & (1u << A_TEXT_START | 1u << A_LINE_START))
		r->prev_mask |= PREV_START;
	if (p->asserts & 1u << A_LINE_START)
		r->prev_mask |= PREV_NEWLINE;
	if (words)
		r->prev_mask |= PREV_WORD;
	return VG_OK;
}

static vg_rc
build(struct vg_regex *r, struct parser *p, const struct node *n)
{
	struct compiler c = { .cap = n->size + 1 };
	uint32_t match;
	vg_rc rc = alphabet(r, p);

	if (rc != VG_OK)
		return rc;
	if ((c.inst = calloc(c.cap, sizeof(*c.inst))) == NULL)
		return VG_E_NOMEM;
	r->inst = c.inst;
	match = emit(&c, (struct inst){ .op = OP_MATCH });
	r->start = compile(&c, n, match);
	r->ninst = c.n;
	r->anchored = is_anchored(n);
	r->closure.dense = calloc(r->ninst, sizeof(uint32_t));
	r->closure.sparse = calloc(r->ninst, sizeof(uint32_t));
	r->out.dense = calloc(r->ninst, sizeof(uint32_t));
	r->out.sparse = calloc(r->ninst, sizeof(uint32_t));
	r->stack = calloc(r->ninst, sizeof(uint32_t));
	r->now = calloc(r->ninst, sizeof(uint32_t));
	if (!r->closure.dense || !r->closure.sparse || !r->out.dense || !r->out.sparse || !r->stack || !r->now)
		return VG_E_NOMEM;
	return VG_OK;
}

/* @why: what is wrong, for people; NULL: nobody asks. */
static vg_rc
make(vg_str source, unsigned flags, char why[160], struct vg_regex **out)
{
	struct vg_regex *r = calloc(1, sizeof(*r));
	struct parser p;
	struct node *n = parse(&p, source, flags);
	vg_rc rc = p.rc;

	if (rc == VG_OK)
		rc = r ? build(r, &p, n) : VG_E_NOMEM;
	if (rc != VG_OK && why)
		snprintf(why, 160, "%s", p.why[0] ? p.why : vg_rc_name(rc));
	parser_fini(&p);
	if (rc != VG_OK) {
		vg_regex_free(r);
		return rc;
	}
	*out = r;
	return VG_OK;
}

vg_rc
vg_regex_new(vg_str source, unsigned flags, struct vg_regex **out)
{
	return make(source, flags, NULL, out);
}

vg_rc
vg_regex_check(vg_str source, unsigned flags, char why[160])
{
	struct vg_regex *r = NULL;
	vg_rc rc = make(source, flags, why, &r);

	vg_regex_free(r);
	return rc;
}

void
vg_regex_free(struct vg_regex *r)
{
	if (r == NULL)
		return;
	free(r->inst);
	free(r->cut);
	free(r->cut_sym);
	free(r->in);
	free(r->kind);
	free(r->closure.dense);
	free(r->closure.sparse);
	free(r->out.dense);
	free(r->out.sparse);
	free(r->stack);
	free(r->now);
	free(r->state);
	free(r->row);
	free(r->core);
	free(r->slot);
	free(r);
}

/* ---- search ---- */

static inline bool
list_add(struct list *l, uint32_t v)
{
	uint32_t i = l->sparse[v];

	if (i < l->n && l->dense[i] == v)
		return false;
	l->sparse[v] = l->n;
	l->dense[l->n++] = v;
	return true;
}

static bool
holds(enum assertion what, uint32_t prev, uint32_t next)
{
	switch (what) {
	case A_TEXT_START: return prev & PREV_START;
	case A_LINE_START: return prev & (PREV_START | PREV_NEWLINE);
	case A_TEXT_END: return next & NEXT_END;
	case A_LAST_LINE_END: return next & (NEXT_END | NEXT_LAST);
	case A_LINE_END: return next & (NEXT_END | NEXT_NEWLINE);
	case A_WORD: return !(prev & PREV_WORD) != !(next & NEXT_WORD);
	case A_NOT_WORD: return !(prev & PREV_WORD) == !(next & NEXT_WORD);
	}
	return false;
}

/* From NFA states @core, with @prev before and symbol @sym to come: is it a match already, before @sym?  Else the states
 * behind @sym are in r->out. */
static bool
step(struct vg_regex *r, const uint32_t *core, uint32_t ncore, uint32_t prev, uint32_t sym)
{
	uint32_t next = r->kind[sym], top = 0;
	const uint8_t *in = r->in + sym;

	r->closure.n = r->out.n = 0;
	for (uint32_t i = 0; i < ncore; i++) {
		if (list_add(&r->closure, core[i]))
			r->stack[top++] = core[i];
		while (top) {
			const struct inst *x = &r->inst[r->stack[--top]];

			switch ((enum op)x->op) {
			case OP_MATCH:
				return true;
			case OP_SET:
				if (in[(size_t)x->set * r->nsym])
					list_add(&r->out, x->a);
				break;
			case OP_SPLIT:
				if (list_add(&r->closure, x->a))
					r->stack[top++] = x->a;
				if (list_add(&r->closure, x->b))
					r->stack[top++] = x->b;
				break;
			case OP_ASSERT:
				if (holds(x->what, prev, next) && list_add(&r->closure, x->a))
					r->stack[top++] = x->a;
				break;
			}
		}
	}
	if (!r->anchored && sym != r->end)
		list_add(&r->out, r->start);
	return false;
}

static uint32_t
prev_after(const struct vg_regex *r, uint32_t sym)
{
	uint32_t k = r->kind[sym];

	return r->prev_mask & ((k & NEXT_NEWLINE ? PREV_NEWLINE : 0u) | (k & NEXT_WORD ? PREV_WORD : 0u));
}

static uint64_t
core_hash(const uint32_t *core, uint32_t n, uint32_t prev)
{
	return vg_hash64(vg_str_mem(core, n * sizeof(*core)), prev);
}

static bool
grow(void **p, size_t *cap, size_t want, size_t size)
{
	size_t n = *cap ? *cap : 64;
	void *q;

	while (n < want)
		n *= 2;
	if (n <= *cap)
		return true;
	if ((q = realloc(*p, n * size)) == NULL)
		return false;
	*p = q;
	*cap = n;
	return true;
}

static void
cache_clear(struct vg_regex *r)
{
	r->nstate = ST_FIRST;
	r->ncore = 0;
	if (r->slot)
		memset(r->slot, 0, r->nslot * sizeof(*r->slot));
}

/* The state of these NFA states; ST_UNKNOWN when the cache is full or memory out. */
static uint32_t
state_of(struct vg_regex *r, uint32_t *core, uint32_t n, uint32_t prev)
{
	uint64_t h;
	uint32_t i, s;

	if (n == 0)
		return ST_DEAD;
	sort_u32(core, n);
	h = core_hash(core, n, prev);
	if (r->nslot == 0 || r->nstate * 2 >= r->nslot) {
		uint32_t cap = r->nslot ? 2 * r->nslot : 64;
		uint32_t *slot = calloc(cap, sizeof(*slot));

		if (slot == NULL)
			return ST_UNKNOWN;
		free(r->slot);
		r->slot = slot;
		r->nslot = cap;
		if (r->nstate < ST_FIRST)
			r->nstate = ST_FIRST;
		for (s = ST_FIRST; s < r->nstate; s++) {
			const struct state *t = &r->state[s];

			i = (uint32_t)core_hash(r->core + t->core, t->ncore, t->prev) & (cap - 1);
			while (slot[i])
				i = (i + 1) & (cap - 1);
			slot[i] = s;
		}
	}
	for (i = (uint32_t)h & (r->nslot - 1); (s = r->slot[i]) != 0; i = (i + 1) & (r->nslot - 1)) {
		const struct state *t = &r->state[s];

		if (t->ncore == n && t->prev == prev && memcmp(r->core + t->core, core, n * sizeof(*core)) == 0)
			return s;
	}
	if (((size_t)r->nstate + 1) * (r->nsym + 4) + r->ncore + n > CACHE_WORDS_MAX)
		return ST_UNKNOWN;
	if (r->nstate >= r->capstate) {
		size_t cap = r->capstate;

		if (!grow((void **)&r->state, &cap, (size_t)r->nstate + 1, sizeof(*r->state)))
			return ST_UNKNOWN;
		r->capstate = (uint32_t)cap;
	}
	if (!grow((void **)&r->row, &r->caprow, ((size_t)r->nstate + 1) * r->nsym, sizeof(*r->row)) ||
	    !grow((void **)&r->core, &r->capcore, r->ncore + n, sizeof(*r->core)))
		return ST_UNKNOWN;
	s = r->nstate++;
	r->state[s] = (struct state){ (uint32_t)r->ncore, n, prev };
	memcpy(r->core + r->ncore, core, n * sizeof(*core));
	r->ncore += n;
	memset(r->row + (size_t)s * r->nsym, 0, r->nsym * sizeof(*r->row));
	r->slot[i] = s;
	return s;
}

/* The symbol at @p, and its length. */
static inline uint32_t
symbol_at(const struct vg_regex *r, const unsigned char *p, const unsigned char *end, size_t *n)
{
	uint32_t cp;

	*n = 1;
	if (*p < 0x80) {
		if (VG_UNLIKELY(r->ends && *p == '\n' && p + 1 == end))
			return r->last;
		return r->ascii[*p];
	}
	*n = vg_utf8_next(vg_str_mem(p, (size_t)(end - p)), &cp);
	if (*n == 0) {
		*n = 1;
		cp = INVALID;
	}
	return symbol_of(r, cp);
}

/* Go on from the states in r->out without a cache. */
static bool
simulate(struct vg_regex *r, uint32_t prev, const unsigned char *p, const unsigned char *end)
{
	for (;;) {
		size_t n = 0;
		uint32_t sym = p < end ? symbol_at(r, p, end, &n) : r->end, ncore = r->out.n;

		memcpy(r->now, r->out.dense, ncore * sizeof(*r->now));
		if (step(r, r->now, ncore, prev, sym))
			return true;
		if (p == end || r->out.n == 0)
			return false;
		prev = prev_after(r, sym);
		p += n;
	}
}

bool
vg_regex_search(struct vg_regex *r, vg_str text)
{
	const unsigned char *p = (const unsigned char *)(text.p ? text.p : ""), *end = p + text.n, *flush = p;
	const uint32_t nsym = r->nsym;
	bool flushed = false;
	uint32_t s;

	r->now[0] = r->start;
	s = state_of(r, r->now, 1, r->prev_mask & PREV_START);
	if (s == ST_UNKNOWN) {
		cache_clear(r);
		s = state_of(r, r->now, 1, r->prev_mask & PREV_START);
	}
	if (s == ST_UNKNOWN) {
		r->out.dense[0] = r->start;
		r->out.n = 1;
		return simulate(r, r->prev_mask & PREV_START, p, end);
	}
	for (;;) {
		size_t n = 0;
		uint32_t sym = VG_LIKELY(p < end) ? symbol_at(r, p, end, &n) : r->end;
		uint32_t t = r->row[(size_t)s * nsym + sym];

		if (VG_UNLIKELY(t == ST_UNKNOWN)) {
			const struct state *from = &r->state[s];
			uint32_t prev = prev_after(r, sym);

			if (step(r, r->core + from->core, from->ncore, from->prev, sym))
				t = ST_MATCH;
			else if ((t = state_of(r, r->out.dense, r->out.n, prev)) == ST_UNKNOWN) {
				/* full: begin again, unless that gains too little */
				if (!flushed || (size_t)(p - flush) > 8 * (size_t)r->nstate) {
					flushed = true;
					flush = p;
					cache_clear(r);
					t = state_of(r, r->out.dense, r->out.n, prev);
				}
				if (t == ST_UNKNOWN)
					return simulate(r, prev, p + n, end);
				s = ST_UNKNOWN; /* its row is gone */
			}
			if (s != ST_UNKNOWN)
				r->row[(size_t)s * nsym + sym] = t;
		}
		if (VG_UNLIKELY(t < ST_FIRST))
			return t == ST_MATCH;
		if (VG_UNLIKELY(p == end))
			return false;
		s = t;
		p += n;
	}
}

/* ---- what must be there ---- */

struct must {
	bool exact; /* it matches nothing but @pre */
	vg_str pre, suf, best;
};

static vg_str
longest(vg_str a, vg_str b)
{
	return b.n > a.n ? b : a;
}

static vg_str
tail(vg_str s, size_t n)
{
	return s.n > n ? vg_str_skip(s, s.n - n) : s;
}

static struct must
must_cat(struct parser *p, struct must a, struct must b)
{
	struct must out = { .exact = a.exact && b.exact };
	vg_str mid = vg_str_join(&p->a, a.suf, b.pre);

	if (mid.p == NULL && a.suf.n + b.pre.n)
		fail(p, VG_E_NOMEM, "out of memory");
	out.pre = a.exact ? mid : a.pre;
	out.suf = b.exact ? mid : b.suf;
	out.best = longest(longest(a.best, b.best), mid);
	if (out.pre.n > LITERAL_MAX || out.suf.n > LITERAL_MAX)
		out.exact = false;
	out.pre = vg_str_cut(out.pre, LITERAL_MAX);
	out.suf = tail(out.suf, LITERAL_MAX);
	out.best = vg_str_cut(out.best, LITERAL_MAX);
	return out;
}

static struct must
must_alt(struct must a, struct must b)
{
	struct must out = { .exact = a.exact && b.exact && vg_str_eq(a.pre, b.pre) };
	size_t n = 0;

	while (n < a.pre.n && n < b.pre.n && a.pre.p[n] == b.pre.p[n])
		n++;
	out.pre = vg_str_cut(a.pre, n);
	for (n = 0; n < a.suf.n && n < b.suf.n && a.suf.p[a.suf.n - n - 1] == b.suf.p[b.suf.n - n - 1];)
		n++;
	out.suf = tail(a.suf, n);
	out.best = longest(out.pre, out.suf);
	if (a.best.n > out.best.n && (vg_str_eq(a.best, b.best) || vg_str_find(b.best, a.best) != VG_NPOS))
		out.best = a.best;
	else if (b.best.n > out.best.n && vg_str_find(a.best, b.best) != VG_NPOS)
		out.best = b.best;
	return out;
}

/* The one character that a set stands for (folded, when all of it folds to one). */
static bool
set_char(const struct set *s, bool folded, uint32_t *out)
{
	uint32_t seen = 0, cp = NONE;

	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t c = s->r[2 * i]; c <= s->r[2 * i + 1]; c++) {
			uint32_t f = folded && c < INVALID ? vg_fold_cp(c) : c;

			if (++seen > 8 || (cp != NONE && f != cp))
				return false;
			cp = f;
		}
	*out = cp;
	return cp < INVALID;
}

static struct must
must_of(struct parser *p, const struct node *n, bool folded)
{
	struct must out = { 0 }, one;
	char enc[4];
	uint32_t cp;

	switch ((enum node_kind)n->kind) {
	case N_EMPTY:
	case N_ASSERT:
		out.exact = true;
		break;
	case N_SET:
		if (!set_char(&p->set[n->set], folded, &cp))
			break;
		out.pre = vg_str_dup(&p->a, vg_str_mem(enc, vg_utf8_put(cp, enc)));
		out.exact = out.pre.n > 0;
		out.suf = out.best = out.pre;
		break;
	case N_CAT:
		out.exact = true;
		for (uint32_t i = 0; i < n->nkid && p->rc == VG_OK; i++)
			out = must_cat(p, out, must_of(p, n->kid[i], folded));
		break;
	case N_ALT:
		out = must_of(p, n->kid[0], folded);
		for (uint32_t i = 1; i < n->nkid && p->rc == VG_OK; i++)
			out = must_alt(out, must_of(p, n->kid[i], folded));
		break;
	case N_REPEAT:
		if (n->max == 0)
			out.exact = true;
		if (n->min == 0)
			break;
		out = one = must_of(p, n->kid[0], folded);
		for (uint32_t i = 1; i < n->min && out.exact && out.pre.n && p->rc == VG_OK; i++)
			out = must_cat(p, out, one);
		if (n->max != n->min || (n->min > 1 && !one.exact))
			out.exact = false;
		break;
	}
	return out;
}

static vg_str
must_have(vg_str source, unsigned flags, bool folded, struct vg_arena *a)
{
	struct parser p;
	struct node *n = parse(&p, source, flags);
	vg_str best = VG_NIL;

	if (n) {
		best = must_of(&p, n, folded).best;
		best = p.rc == VG_OK && best.n ? vg_str_dup(a, best) : VG_NIL;
	}
	parser_fini(&p);
	return best;
}

vg_str
vg_regex_required(vg_str source, unsigned flags, struct vg_arena *a)
{
	return must_have(source, flags, true, a);
}

vg_str
vg_regex_literal(vg_str source, unsigned flags, struct vg_arena *a)
{
	return must_have(source, flags, false, a);
}

/* ---- the same for engines of bytes ---- */

/* A set as a class of bytes; whether it has more than ASCII, and then one character of it is up to four bytes. */
static bool
put_class(struct vg_buf *b, const struct set *s)
{
	bool wide = false;

	vg_buf_putc(b, '[');
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t lo = s->r[2 * i], hi = s->r[2 * i + 1];

		wide |= hi >= 0x80;
		if (lo < 0x80)
			vg_buf_printf(b, "\\x%02x-\\x%02x", (unsigned)lo, (unsigned)(hi < 0x7f ? hi : 0x7f));
	}
	vg_buf_puts(b, wide ? "\\x80-\\xff]" : "]");
	return wide;
}

static void
put_count(struct vg_buf *b, uint32_t min, uint32_t max)
{
	if (min == 1 && max == 1)
		return;
	vg_buf_printf(b, "{%u,", (unsigned)(min < WIDE_REPEAT_MAX ? min : WIDE_REPEAT_MAX));
	if (max < WIDE_REPEAT_MAX)
		vg_buf_printf(b, "%u", (unsigned)max);
	vg_buf_putc(b, '}');
}

static void
widen(struct parser *p, const struct node *n, struct vg_buf *b)
{
	const struct set *s;
	char enc[4];
	uint32_t cp;

	switch ((enum node_kind)n->kind) {
	case N_EMPTY:
	case N_ASSERT:
		vg_buf_puts(b, "(?:)");
		break;
	case N_SET:
		s = &p->set[n->set];
		if (s->n == 0) { /* nothing: so is what needs it; "anything" is wider */
			vg_buf_puts(b, "(?:)");
		} else if (set_char(s, false, &cp)) {
			for (size_t i = 0, len = vg_utf8_put(cp, enc); i < len; i++)
				vg_buf_printf(b, "\\x%02x", (unsigned char)enc[i]);
		} else if (put_class(b, s)) {
			put_count(b, 1, 4);
		}
		break;
	case N_CAT:
		for (uint32_t i = 0; i < n->nkid; i++)
			widen(p, n->kid[i], b);
		break;
	case N_ALT:
		vg_buf_puts(b, "(?:");
		for (uint32_t i = 0; i < n->nkid; i++) {
			if (i)
				vg_buf_putc(b, '|');
			widen(p, n->kid[i], b);
		}
		vg_buf_putc(b, ')');
		break;
	case N_REPEAT:
		if (n->kid[0]->kind == N_SET && p->set[n->kid[0]->set].n &&
		    !set_char(&p->set[n->kid[0]->set], false, &cp)) {
			bool wide = put_class(b, &p->set[n->kid[0]->set]);

			put_count(b, n->min, n->max == NONE || !wide ? n->max : 4 * n->max);
			break;
		}
		vg_buf_puts(b, "(?:");
		widen(p, n->kid[0], b);
		vg_buf_putc(b, ')');
		put_count(b, n->min, n->max);
		break;
	}
}

vg_rc
vg_regex_widen(vg_str source, unsigned flags, struct vg_buf *out)
{
	struct parser p;
	struct node *n = parse(&p, source, flags);
	vg_rc rc = p.rc;

	if (n) {
		widen(&p, n, out);
		rc = out->rc;
	}
	parser_fini(&p);
	return rc;
}
