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

bool
vg_pk_pattern_match(const struct vg_pk_pattern *p, vg_str text, struct vg_pk_cap cap[VG_PK_CAPS_MAX], size_t *ncap)
{
	struct {
		uint16_t op, ncap;
		size_t pos, start;
	} stack[VG_PK_OPS_MAX]; /* jumps go forward, so no operation is on it twice */
	struct tried tried[VG_PK_OPS_MAX];
	size_t pc = 0, pos = 0, nc = 0, sp = 0, start, q, budget = 256 + 8 * text.n;
	bool ready = false;

	if (p->op[0].op == VG_PK_LIT && !vg_str_starts(text, p->op[0].text))
		return false;
	for (;;) {
		const struct vg_pk_op *o = &p->op[pc];

		if (budget-- == 0) /* what is tried is remembered, so a pack of ours does not come here */
			return false;
		switch (o->op) {
		case VG_PK_LIT:
			if (!vg_str_starts(vg_str_skip(text, pos), o->text))
				goto back;
			pos += o->text.n;
			pc++;
			continue;
		case VG_PK_RUN:
			if ((q = run_length(o->type, vg_str_skip(text, pos))) == 0 || nc == VG_PK_CAPS_MAX)
				goto back;
			cap[nc++] = (struct vg_pk_cap){ (uint16_t)pc, { text.p + pos, q } };
			pos += q;
			pc++;
			continue;
		case VG_PK_LAZY:
			start = pos;
			q = pos + (o->text.n ? 1 : 0); /* a field with a name has a value */
			if (!ready) {
				memset(tried, 0, p->nop * sizeof(tried[0]));
				ready = true;
			}
			break;
		case VG_PK_REST:
			if (nc == VG_PK_CAPS_MAX)
				goto back;
			cap[nc++] = (struct vg_pk_cap){ (uint16_t)pc, vg_str_skip(text, pos) };
			pos = text.n;
			pc++;
			continue;
		case VG_PK_SPLIT:
			stack[sp].op = (uint16_t)pc;
			stack[sp].ncap = (uint16_t)nc;
			stack[sp++].pos = pos;
			pc++;
			continue;
		case VG_PK_JUMP:
			pc = o->to;
			continue;
		default: /* VG_PK_END */
			if (pos != text.n)
				goto back;
			*ncap = nc;
			return true;
		}
lazy:		/* the field p->op[pc] begun at start, with an end at q or after */
		o = &p->op[pc];
		if (q >= tried[pc].lo && q < tried[pc].hi)
			q = tried[pc].hi;
		else if (q != tried[pc].hi)
			tried[pc] = (struct tried){ q, q };
		budget -= budget < 1 ? 0 : 1;
		{
			size_t end = lazy_end(o, text, start, q);
			size_t cost = ((end == VG_NPOS ? text.n : end) - (q < text.n ? q : text.n)) / 32;

			budget = budget > cost ? budget - cost : 0;
			if (end == VG_NPOS || nc == VG_PK_CAPS_MAX || budget == 0) {
				if (o->type == VG_PK_TEXT)
					tried[pc].hi = text.n + 1; /* and nothing after q does either */
				goto back;
			}
			tried[pc].hi = end + 1;
			stack[sp].op = (uint16_t)pc;
			stack[sp].ncap = (uint16_t)nc;
			stack[sp].start = start;
			stack[sp++].pos = end + 1;
			cap[nc++] = (struct vg_pk_cap){ (uint16_t)pc, { text.p + start, end - start } };
			pos = end;
			pc++;
			continue;
		}
back:
		if (sp == 0 || budget == 0)
			return false;
		sp--;
		nc = stack[sp].ncap;
		pc = stack[sp].op;
		if (p->op[pc].op == VG_PK_SPLIT) {
			pos = stack[sp].pos;
			pc = p->op[pc].to;
			continue;
		}
		start = stack[sp].start;
		q = stack[sp].pos;
		goto lazy;
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
