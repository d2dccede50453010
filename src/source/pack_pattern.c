#include "source/pack_ir.h"

#include <arpa/inet.h>

#define DEPTH_MAX 8 /* brackets in brackets */

/* ---- from text to operations ---- */

struct parse {
	vg_str s;
	size_t at;
	struct vg_pk_op *op;
	size_t nop, ncap;
	struct vg_arena *a;
	const char *why;
	vg_rc rc;
};

static const struct {
	vg_str name;
	uint8_t op, type;
} types[] = {
	{ VG_STR_INIT(""), VG_PK_LAZY, VG_PK_TEXT },     { VG_STR_INIT("text"), VG_PK_LAZY, VG_PK_TEXT },
	{ VG_STR_INIT("word"), VG_PK_LAZY, VG_PK_WORD }, { VG_STR_INIT("host"), VG_PK_LAZY, VG_PK_HOST },
	{ VG_STR_INIT("int"), VG_PK_RUN, VG_PK_INT },    { VG_STR_INIT("hex"), VG_PK_RUN, VG_PK_HEX },
	{ VG_STR_INIT("ip"), VG_PK_RUN, VG_PK_IP },      { VG_STR_INIT("rest"), VG_PK_REST, VG_PK_TEXT },
};

static bool
bad(struct parse *p, vg_rc rc, const char *why)
{
	if (p->rc == VG_OK) {
		p->rc = rc;
		p->why = why;
	}
	return false;
}

static struct vg_pk_op *
emit(struct parse *p, uint8_t op, uint8_t type, vg_str text)
{
	static struct vg_pk_op spare; /* written to after a failure, never read */

	if (p->nop >= VG_PK_OPS_MAX) {
		bad(p, VG_E_LIMIT, "the pattern has too many parts");
		return &spare;
	}
	p->op[p->nop] = (struct vg_pk_op){ .op = op, .type = type, .text = text };
	return &p->op[p->nop++];
}

static bool
parse_field(struct parse *p)
{
	vg_str in = vg_str_skip(p->s, p->at + 1), type = VG_NIL;
	size_t end = vg_str_chr(in, '}'), colon;

	if (end == VG_NPOS)
		return bad(p, VG_E_FORMAT, "{ without }");
	p->at += end + 2;
	in = vg_str_cut(in, end);
	if ((colon = vg_str_chr(in, ':')) != VG_NPOS) {
		type = vg_str_skip(in, colon + 1);
		in = vg_str_cut(in, colon);
	}
	if (++p->ncap > VG_PK_CAPS_MAX)
		return bad(p, VG_E_LIMIT, "the pattern has too many fields");
	if (p->nop && p->op[p->nop - 1].op == VG_PK_LAZY && p->s.p[p->at - end - 3] == '}')
		return bad(p, VG_E_FORMAT, "two fields with nothing between them");
	for (size_t i = 0; i < VG_COUNT(types); i++)
		if (vg_str_eq(type, types[i].name)) {
			emit(p, types[i].op, types[i].type, in);
			return p->rc == VG_OK;
		}
	return bad(p, VG_E_FORMAT, "no such type: text, word, int, hex, ip, host, rest");
}

static bool parse_seq(struct parse *p, unsigned depth, char close);

/* (a|b|c) or, with @close ], [a]. */
static bool
parse_group(struct parse *p, unsigned depth, char close)
{
	size_t jump[VG_PK_OPS_MAX], njump = 0, split;

	if (depth > DEPTH_MAX)
		return bad(p, VG_E_LIMIT, "brackets too deep");
	p->at++;
	for (;;) {
		split = p->nop;
		emit(p, VG_PK_SPLIT, 0, VG_NIL);
		if (!parse_seq(p, depth + 1, close))
			return false;
		if (p->at >= p->s.n)
			return bad(p, VG_E_FORMAT, "a bracket is not closed");
		if (p->s.p[p->at] == close || njump == VG_PK_OPS_MAX)
			break;
		jump[njump++] = p->nop;
		emit(p, VG_PK_JUMP, 0, VG_NIL);
		if (p->rc != VG_OK)
			return false;
		p->op[split].to = (uint16_t)p->nop;
		p->at++;
	}
	p->at++;
	if (p->rc != VG_OK)
		return false;
	if (close == ']') {
		p->op[split].to = (uint16_t)p->nop; /* the last one may be left out */
	} else { /* the last alternative is not a choice */
		memmove(&p->op[split], &p->op[split + 1], (p->nop - split - 1) * sizeof(*p->op));
		p->nop--;
		for (size_t i = split; i < p->nop; i++)
			if (p->op[i].op == VG_PK_SPLIT || p->op[i].op == VG_PK_JUMP)
				p->op[i].to--;
	}
	for (size_t i = 0; i < njump; i++)
		p->op[jump[i]].to = (uint16_t)p->nop;
	return true;
}

static bool
parse_seq(struct parse *p, unsigned depth, char close)
{
	while (p->at < p->s.n && p->rc == VG_OK) {
		char c = p->s.p[p->at];

		if (c == '{') {
			if (!parse_field(p))
				return false;
		} else if (c == '[' || c == '(') {
			if (!parse_group(p, depth, c == '[' ? ']' : ')'))
				return false;
		} else if (close && (c == close || c == '|')) {
			return true;
		} else if (c == ']' || c == ')' || c == '}') {
			return bad(p, VG_E_FORMAT, "a bracket closes what is not open; \\ makes it text");
		} else {
			vg_str run = { p->s.p + p->at, 0 };
			char *copy = vg_arena_alloc(p->a, p->s.n - p->at);

			if (copy == NULL)
				return bad(p, VG_E_NOMEM, "out of memory");
			while (p->at < p->s.n && (c = p->s.p[p->at]) != '{' && c != '[' && c != '(' &&
			       c != ']' && c != ')' && c != '}' && !(c == '|' && close)) {
				if (c == '\\' && p->at + 1 < p->s.n)
					c = p->s.p[++p->at];
				copy[run.n++] = c;
				p->at++;
			}
			run.p = copy;
			emit(p, VG_PK_LIT, 0, run);
		}
	}
	return p->rc == VG_OK;
}

vg_rc
vg_pk_pattern_parse(vg_str text, struct vg_arena *a, struct vg_pk_pattern *out, const char **why)
{
	struct parse p = { .s = text, .a = a, .op = vg_arena_array(a, struct vg_pk_op, VG_PK_OPS_MAX) };

	*why = "out of memory";
	if (p.op == NULL)
		return VG_E_NOMEM;
	if (parse_seq(&p, 0, 0))
		emit(&p, VG_PK_END, 0, VG_NIL);
	*why = p.why;
	if (p.rc == VG_OK) {
		out->op = p.op;
		out->nop = (uint16_t)p.nop;
	}
	return p.rc;
}

/* ---- matching ---- */

static bool
ip_is(vg_str s)
{
	char z[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (s.n == 0 || s.n >= sizeof(z))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = 0;
	return strlen(z) == s.n && (inet_pton(AF_INET, z, &addr) == 1 || inet_pton(AF_INET6, z, &addr) == 1);
}

size_t
vg_pk_ip(vg_str s)
{
	size_t v4 = 0, n = 0;

	while (v4 < s.n && v4 < 15 && ((s.p[v4] >= '0' && s.p[v4] <= '9') || s.p[v4] == '.'))
		v4++;
	if (v4 >= 7 && ip_is(vg_str_cut(s, v4)))
		return v4;
	while (n < s.n && n < INET6_ADDRSTRLEN && s.p[n] && strchr("0123456789abcdefABCDEF:.", s.p[n]))
		n++;
	/* what follows an address is often a colon or a full stop */
	for (size_t i = 0; i < 3 && n; i++, n--)
		if (ip_is(vg_str_cut(s, n)))
			return n;
	while (v4 && s.p[v4 - 1] == '.')
		v4--;
	return ip_is(vg_str_cut(s, v4)) ? v4 : 0;
}

static size_t
run_length(uint8_t type, vg_str s)
{
	size_t n = 0;

	if (type == VG_PK_IP)
		return vg_pk_ip(s);
	if (type == VG_PK_INT) {
		while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
			n++;
		return n;
	}
	while (n < s.n && s.p[n] && strchr("0123456789abcdefABCDEFxX", s.p[n]))
		n++;
	return n;
}

struct tried {
	size_t lo, hi; /* ends of a lazy field in [lo, hi) after which the rest does not match */
};

/* The first end at or after @q that the lazy field at @op, begun at @start, can have; VG_NPOS: none. */
static size_t
lazy_end(const struct vg_pk_op *op, vg_str text, size_t start, size_t q)
{
	size_t limit = text.n, at;

	if (q > text.n)
		return VG_NPOS;
	if (op->type != VG_PK_TEXT) { /* a word ends at a blank */
		vg_str from = vg_str_skip(text, start);

		for (limit = start; limit < text.n && from.p[limit - start] != ' ' &&
		     from.p[limit - start] != '\t'; limit++)
			if (limit > q + 1024) /* no word is longer than that */
				break;
		if (q > limit)
			return VG_NPOS;
	}
	switch (op[1].op) {
	case VG_PK_LIT:
		at = vg_str_find(vg_str_skip(text, q), op[1].text);
		return at == VG_NPOS || q + at > limit ? VG_NPOS : q + at;
	case VG_PK_END:
		return limit == text.n ? limit : VG_NPOS;
	default:
		return q;
	}
}

/* A match under way. */
struct match {
	const struct vg_pk_pattern *p;
	vg_str text;
	struct vg_pk_cap *cap;
	size_t pc, pos, nc, sp, budget;
	bool ready; /* tried is */
	struct {
		uint16_t op, ncap;
		size_t pos, start;
	} stack[VG_PK_OPS_MAX]; /* jumps go forward, so no operation is on it twice */
	struct tried tried[VG_PK_OPS_MAX];
};

/* The field of operation @pc, begun at @start, with an end at @q or after: take the first that may do, or say that there is none. */
static bool
take_lazy(struct match *m, size_t pc, size_t start, size_t q)
{
	const struct vg_pk_op *o = &m->p->op[pc];
	struct tried *t = &m->tried[pc];
	size_t end, cost;

	if (q >= t->lo && q < t->hi)
		q = t->hi;
	else if (q != t->hi)
		*t = (struct tried){ q, q };
	end = lazy_end(o, m->text, start, q);
	cost = 1 + ((end == VG_NPOS ? m->text.n : end) - (q < m->text.n ? q : m->text.n)) / 32;
	m->budget = m->budget > cost ? m->budget - cost : 0;
	if (end == VG_NPOS || m->nc == VG_PK_CAPS_MAX || m->budget == 0) {
		if (o->type == VG_PK_TEXT)
			t->hi = m->text.n + 1; /* and nothing after q does either */
		return false;
	}
	t->hi = end + 1;
	m->stack[m->sp].op = (uint16_t)pc;
	m->stack[m->sp].ncap = (uint16_t)m->nc;
	m->stack[m->sp].start = start;
	m->stack[m->sp++].pos = end + 1;
	m->cap[m->nc++] = (struct vg_pk_cap){ (uint16_t)pc, { m->text.p + start, end - start } };
	m->pos = end;
	m->pc = pc + 1;
	return true;
}

/* To the last choice that has another way; false when none has. */
static bool
go_back(struct match *m)
{
	while (m->sp && m->budget) {
		size_t pc = m->stack[--m->sp].op;

		m->nc = m->stack[m->sp].ncap;
		if (m->p->op[pc].op == VG_PK_SPLIT) {
			m->pos = m->stack[m->sp].pos;
			m->pc = m->p->op[pc].to;
			return true;
		}
		if (take_lazy(m, pc, m->stack[m->sp].start, m->stack[m->sp].pos))
			return true;
	}
	return false;
}

/* One operation; false when it does not match here. */
static bool
step(struct match *m)
{
	const struct vg_pk_op *o = &m->p->op[m->pc];
	vg_str rest = vg_str_skip(m->text, m->pos);
	size_t n;

	switch (o->op) {
	case VG_PK_LIT:
		if (!vg_str_starts(rest, o->text))
			return false;
		m->pos += o->text.n;
		m->pc++;
		return true;
	case VG_PK_RUN:
	case VG_PK_REST:
		n = o->op == VG_PK_RUN ? run_length(o->type, rest) : rest.n;
		if ((n == 0 && o->op == VG_PK_RUN) || m->nc == VG_PK_CAPS_MAX)
			return false;
		m->cap[m->nc++] = (struct vg_pk_cap){ (uint16_t)m->pc, { rest.p, n } };
		m->pos += n;
		m->pc++;
		return true;
	case VG_PK_LAZY:
		if (!m->ready) {
			memset(m->tried, 0, m->p->nop * sizeof(m->tried[0]));
			m->ready = true;
		}
		return take_lazy(m, m->pc, m->pos, m->pos + (o->text.n ? 1 : 0)); /* a field with a name has a value */
	case VG_PK_SPLIT:
		m->stack[m->sp].op = (uint16_t)m->pc;
		m->stack[m->sp].ncap = (uint16_t)m->nc;
		m->stack[m->sp++].pos = m->pos;
		m->pc++;
		return true;
	case VG_PK_JUMP:
		m->pc = o->to;
		return true;
	default: /* VG_PK_END */
		return m->pos == m->text.n;
	}
}

bool
vg_pk_pattern_match(const struct vg_pk_pattern *p, vg_str text, struct vg_pk_cap cap[VG_PK_CAPS_MAX], size_t *ncap)
{
	struct match m;

	if (p->op[0].op == VG_PK_LIT && !vg_str_starts(text, p->op[0].text))
		return false;
	m.p = p;
	m.text = text;
	m.cap = cap;
	m.pc = m.pos = m.nc = m.sp = 0;
	m.budget = 256 + 8 * text.n; /* what is tried is remembered, so a pack of ours does not use it up */
	m.ready = false;
	for (;;) {
		bool end = p->op[m.pc].op == VG_PK_END;

		if (m.budget == 0)
			return false;
		m.budget--;
		if (!step(&m)) {
			if (!go_back(&m))
				return false;
		} else if (end) {
			*ncap = m.nc;
			return true;
		}
	}
}

bool
vg_pk_glob(vg_str glob, vg_str s)
{
	size_t star = vg_str_chr(glob, '*'), at;
	vg_str part;

	if (star == VG_NPOS)
		return vg_str_ieq(glob, s);
	if (!vg_str_istarts(s, vg_str_cut(glob, star)))
		return false;
	s = vg_str_skip(s, star);
	glob = vg_str_skip(glob, star + 1);
	while ((star = vg_str_chr(glob, '*')) != VG_NPOS) {
		part = vg_str_cut(glob, star);
		if ((at = vg_str_ifind(s, part)) == VG_NPOS)
			return false;
		s = vg_str_skip(s, at + part.n);
		glob = vg_str_skip(glob, star + 1);
	}
	return glob.n <= s.n && vg_str_ieq(glob, vg_str_skip(s, s.n - glob.n));
}
