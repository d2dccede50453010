#include "source/winxml.h"

#include <stdlib.h>

#include "base/utf.h"
#include "source/wide.h"

struct xml {
	const char *p, *end;
	struct vg_event *e;
	vg_rc rc;
	char *out; /* where the next text with entities goes; NULL: no room was taken yet */
};

/* What an element is for those within it. */
enum place {
	IN_NOTHING,
	IN_EVENT,
	IN_SYSTEM,
	IN_RENDER,
	IN_DATA, /* EventData, UserData, and below */
};

struct open_elem {
	vg_str name;
	uint8_t place; /* that it is itself: what its children are in */
	bool has_elem;
	bool named;   /* a Data with a Name */
	vg_str field; /* the name of its text */
};

static void
fail(struct xml *x, vg_rc rc)
{
	if (x->rc == VG_OK)
		x->rc = rc;
	x->p = x->end;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
blank(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_space(s.p[i]))
			return false;
	return true;
}

/* The character that an entity stands for ("amp", "#x41"): its length at @out, 0 when it is not known. */
static size_t
entity(vg_str s, char *out)
{
	static const struct {
		vg_str name;
		char c;
	} known[] = {
		{ VG_STR_INIT("lt"), '<' },   { VG_STR_INIT("gt"), '>' },    { VG_STR_INIT("amp"), '&' },
		{ VG_STR_INIT("quot"), '"' }, { VG_STR_INIT("apos"), '\'' },
	};
	uint32_t cp = 0;
	size_t i;

	for (i = 0; i < VG_COUNT(known); i++)
		if (vg_str_eq(s, known[i].name)) {
			*out = known[i].c;
			return 1;
		}
	if (s.n < 2 || s.n > 9 || s.p[0] != '#')
		return 0;
	if ((s.p[1] | 32) == 'x') {
		for (i = 2; i < s.n; i++) {
			char c = s.p[i];

			if (c >= '0' && c <= '9')
				cp = cp << 4 | (uint32_t)(c - '0');
			else if ((c | 32) >= 'a' && (c | 32) <= 'f')
				cp = cp << 4 | (uint32_t)((c | 32) - 'a' + 10);
			else
				return 0;
		}
		if (s.n == 2)
			return 0;
	} else {
		for (i = 1; i < s.n; i++) {
			if (s.p[i] < '0' || s.p[i] > '9')
				return 0;
			cp = cp * 10 + (uint32_t)(s.p[i] - '0');
		}
	}
	return vg_utf8_put(cp, out);
}

static char *
room(struct xml *x, const char *from)
{
	if (x->out == NULL && (x->out = vg_arena_alloc(x->e->arena, (size_t)(x->end - from) + 16)) == NULL)
		fail(x, VG_E_NOMEM);
	return x->out;
}

/* @s with its entities resolved; what they stand for is never longer than they are. */
static vg_str
resolve(struct xml *x, vg_str s)
{
	size_t amp = vg_str_chr(s, '&');
	char *begin, *o;

	if (amp == VG_NPOS)
		return s;
	if ((begin = o = room(x, s.p)) == NULL)
		return VG_NIL;
	while (s.n) {
		vg_str head = vg_str_cut(s, amp == VG_NPOS ? s.n : amp);
		size_t semi, n = 0;

		if (head.n)
			memcpy(o, head.p, head.n);
		o += head.n;
		s = vg_str_skip(s, head.n);
		if (s.n == 0)
			break;
		semi = vg_str_chr(vg_str_cut(s, 12), ';');
		if (semi != VG_NPOS && (n = entity(vg_str_mem(s.p + 1, semi - 1), o)) > 0) {
			o += n;
			s = vg_str_skip(s, semi + 1);
		} else {
			*o++ = '&';
			s = vg_str_skip(s, 1);
		}
		amp = vg_str_chr(s, '&');
	}
	x->out = o;
	return vg_str_mem(begin, (size_t)(o - begin));
}

/* Text and CDATA up to the next tag, which x->p is at then. */
static vg_str
text(struct xml *x)
{
	const char *from = x->p;
	vg_str all = VG_NIL;

	while (x->p < x->end) {
		const char *lt = memchr(x->p, '<', (size_t)(x->end - x->p));
		vg_str piece, left;
		size_t close;

		piece = vg_str_mem(x->p, (size_t)((lt ? lt : x->end) - x->p));
		x->p = lt ? lt : x->end;
		left = vg_str_mem(x->p, (size_t)(x->end - x->p));
		if (all.p == NULL && !vg_str_starts(left, VG_STR("<![CDATA[")) &&
		    !vg_str_starts(left, VG_STR("<!--")))
			return resolve(x, piece); /* nearly always */
		if (room(x, from) == NULL)
			return VG_NIL;
		if (all.p == NULL)
			all = vg_str_mem(x->out, 0);
		piece = resolve(x, piece); /* leaves x->out behind what it made, or alone */
		if (piece.n && piece.p != x->out - piece.n) {
			memmove(x->out, piece.p, piece.n);
			x->out += piece.n;
		}
		if (vg_str_starts(left, VG_STR("<![CDATA["))) {
			left = vg_str_skip(left, 9);
			close = vg_str_find(left, VG_STR("]]>"));
			piece = vg_str_cut(left, close);
			if (piece.n)
				memcpy(x->out, piece.p, piece.n);
			x->out += piece.n;
			x->p = close == VG_NPOS ? x->end : left.p + close + 3;
		} else if (vg_str_starts(left, VG_STR("<!--"))) {
			close = vg_str_find(vg_str_skip(left, 4), VG_STR("-->"));
			x->p = close == VG_NPOS ? x->end : left.p + 4 + close + 3;
		} else {
			break;
		}
	}
	if (all.p == NULL)
		return VG_NIL;
	return vg_str_mem(all.p, (size_t)(x->out - all.p));
}

static bool
name_ends(char c)
{
	return is_space(c) || c == '>' || c == '/' || c == '=' || c == '<';
}

/* A name without its prefix. */
static vg_str
xml_name(struct xml *x, bool *prefixed)
{
	const char *from = x->p;
	vg_str s;
	size_t colon;

	while (x->p < x->end && !name_ends(*x->p))
		x->p++;
	s = vg_str_mem(from, (size_t)(x->p - from));
	colon = vg_str_chr(s, ':');
	*prefixed = colon != VG_NPOS;
	return colon == VG_NPOS ? s : vg_str_skip(s, colon + 1);
}

static void
skip_space(struct xml *x)
{
	while (x->p < x->end && is_space(*x->p))
		x->p++;
}

static vg_str
join(struct xml *x, vg_str a, vg_str b, vg_str c)
{
	vg_str t = vg_str_join3(x->e->arena, a, b, c);

	if (t.p == NULL)
		fail(x, VG_E_NOMEM);
	return t;
}

static vg_str
without_spaces(struct xml *x, vg_str s)
{
	vg_str t = vg_str_without(x->e->arena, s, ' ');

	if (t.p || s.n == 0)
		return t;
	fail(x, VG_E_NOMEM);
	return s;
}

static enum vg_kind
system_kind(vg_str s)
{
	if (s.n == 0 || s.n > 20)
		return VG_KIND_TEXT;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return VG_KIND_TEXT;
	return VG_KIND_INT;
}

static void
add(struct xml *x, vg_str name, enum vg_kind kind, vg_str value)
{
	vg_rc rc;

	if (name.n == 0)
		return;
	rc = vg_event_add(x->e, name, kind, value);
	if (rc != VG_OK && rc != VG_E_LIMIT)
		fail(x, rc);
}

static void
system_attr(struct vg_event *e, vg_str elem, vg_str attr, vg_str v)
{
	if (vg_str_eq(elem, VG_STR("Provider")) && vg_str_eq(attr, VG_STR("Name"))) {
		e->provider = v;
	} else if (vg_str_eq(elem, VG_STR("TimeCreated")) && vg_str_eq(attr, VG_STR("SystemTime"))) {
		int64_t t = vg_time_parse(v, 0);

		if (t != VG_TIME_NONE)
			e->time_ns = t;
	}
}

static void
system_elem(struct vg_event *e, vg_str elem, vg_str v)
{
	uint64_t id;

	if (vg_str_eq(elem, VG_STR("EventID")))
		e->code = v;
	else if (vg_str_eq(elem, VG_STR("Channel")))
		e->channel = v;
	else if (vg_str_eq(elem, VG_STR("Computer")))
		e->host = v;
	else if (vg_str_eq(elem, VG_STR("EventRecordID")) && vg_str_u64(v, &id))
		e->record = id;
}

static void
attributes(struct xml *x, struct open_elem *o, enum place in)
{
	for (;;) {
		bool prefixed;
		vg_str name, v;
		const char *from, *q;
		char quote;

		skip_space(x);
		if (x->p == x->end || *x->p == '>' || *x->p == '/' || *x->p == '<')
			return;
		from = x->p;
		name = xml_name(x, &prefixed);
		if (x->p == from) { /* a lone "=" */
			x->p++;
			continue;
		}
		prefixed = prefixed || vg_str_eq(name, VG_STR("xmlns"));
		skip_space(x);
		if (x->p == x->end || *x->p != '=')
			continue; /* a name without a value */
		x->p++;
		skip_space(x);
		if (x->p == x->end || ((quote = *x->p) != '"' && quote != '\''))
			continue;
		x->p++;
		if ((q = memchr(x->p, quote, (size_t)(x->end - x->p))) == NULL) {
			fail(x, VG_E_TRUNC);
			return;
		}
		v = vg_str_mem(x->p, (size_t)(q - x->p));
		x->p = q + 1;
		if (prefixed)
			continue;
		v = resolve(x, v);
		if (vg_str_eq(o->name, VG_STR("Data")) && vg_str_eq(name, VG_STR("Name"))) {
			o->named = v.n > 0;
			if (o->named)
				o->field = without_spaces(x, v);
			continue;
		}
		if (in == IN_RENDER)
			add(x, join(x, VG_STR("RenderingInfo_"), o->name, join(x, VG_STR("_"), name, VG_NIL)),
			    VG_KIND_TEXT, v);
		else
			add(x, join(x, o->name, VG_STR("_"), name), in == IN_SYSTEM ? system_kind(v) : VG_KIND_TEXT,
			    v);
		if (in == IN_SYSTEM)
			system_attr(x->e, o->name, name, v);
	}
}

static enum place
place_of(vg_str name, enum place in)
{
	if (in == IN_NOTHING && vg_str_eq(name, VG_STR("Event")))
		return IN_EVENT;
	if (in <= IN_EVENT) {
		if (vg_str_eq(name, VG_STR("System")))
			return IN_SYSTEM;
		if (vg_str_eq(name, VG_STR("RenderingInfo")))
			return IN_RENDER;
		return in == IN_EVENT || vg_str_eq(name, VG_STR("EventData")) ||
				       vg_str_eq(name, VG_STR("UserData")) ?
			       IN_DATA :
			       IN_NOTHING;
	}
	return IN_DATA;
}

/* The element @o has ended with @v as its text. */
static void
ended(struct xml *x, const struct open_elem *o, enum place in, vg_str v)
{
	if (o->has_elem && blank(v))
		return;
	if (in == IN_SYSTEM) {
		v = vg_str_trim(v);
		if (v.n) {
			add(x, o->field, system_kind(v), v);
			system_elem(x->e, o->name, v);
		}
	} else if (v.n || o->named) {
		add(x, o->field, VG_KIND_TEXT, v);
	}
}

static enum place
parent(const struct open_elem *stack, int depth)
{
	return depth > 0 ? stack[depth - 1].place : IN_NOTHING;
}

/* A start tag; x->p behind its "<".  Its element is stack[depth]; true: it stays open. */
static bool
start_tag(struct xml *x, struct open_elem *stack, int depth)
{
	enum place in = parent(stack, depth);
	struct open_elem *o = &stack[depth];
	bool prefixed;

	*o = (struct open_elem){ 0 };
	o->name = o->field = xml_name(x, &prefixed);
	if (depth > 0)
		stack[depth - 1].has_elem = true;
	o->place = (uint8_t)place_of(o->name, in);
	if (in == IN_RENDER && !vg_str_eq(o->name, VG_STR("Message")))
		o->field = join(x, VG_STR("RenderingInfo_"), o->name, VG_NIL);
	attributes(x, o, in);
	if (x->rc != VG_OK)
		return false;
	if (x->p < x->end && *x->p == '/') {
		x->p++;
		if (x->p < x->end && *x->p == '>')
			x->p++;
		ended(x, o, in, VG_NIL);
		return false;
	}
	if (x->p < x->end && *x->p == '>')
		x->p++;
	else if (x->p == x->end)
		fail(x, VG_E_TRUNC);
	return true;
}

/* <?...?>, <!...>: skipped. */
static bool
other_tag(struct xml *x)
{
	vg_str left = vg_str_mem(x->p, (size_t)(x->end - x->p));
	size_t close;

	if (vg_str_starts(left, VG_STR("<?")))
		close = vg_str_find(left, VG_STR("?>"));
	else if (vg_str_starts(left, VG_STR("<!--")))
		close = vg_str_find(left, VG_STR("-->"));
	else if (vg_str_starts(left, VG_STR("<!")))
		close = vg_str_chr(left, '>');
	else
		return false;
	if (close == VG_NPOS) {
		fail(x, VG_E_TRUNC);
		return true;
	}
	x->p += close;
	while (x->p < x->end && *x->p++ != '>')
		;
	return true;
}

vg_rc
vg_winxml_event(vg_str all, struct vg_event *e)
{
	struct xml x = { .p = all.p, .end = all.p ? all.p + all.n : all.p, .e = e, .rc = VG_OK };
	struct open_elem stack[VG_WINXML_DEPTH_MAX];
	int depth = 0;
	bool any = false, prefixed;
	vg_str last = VG_NIL; /* text since the last tag */

	if (e->raw.p == NULL)
		e->raw = all;
	while (x.p < x.end && x.rc == VG_OK) {
		if (*x.p != '<') {
			last = text(&x);
			continue;
		}
		if (vg_str_starts(vg_str_mem(x.p, (size_t)(x.end - x.p)), VG_STR("<![CDATA["))) {
			last = text(&x);
			continue;
		}
		if (other_tag(&x))
			continue;
		x.p++;
		if (x.p < x.end && *x.p == '/') {
			vg_str name;
			int k = depth - 1;

			x.p++;
			name = xml_name(&x, &prefixed);
			while (x.p < x.end && *x.p++ != '>')
				;
			while (k >= 0 && !vg_str_eq(stack[k].name, name))
				k--;
			if (k < 0)
				continue; /* closes nothing */
			for (; depth > k; depth--) { /* those within it that were not closed end with it */
				ended(&x, &stack[depth - 1], parent(stack, depth - 1), last);
				last = VG_NIL;
			}
			if (depth == 0 && any)
				break;
			continue;
		}
		if (x.p == x.end || name_ends(*x.p)) { /* a lone "<" */
			continue;
		}
		if (depth == VG_WINXML_DEPTH_MAX) {
			fail(&x, VG_E_LIMIT);
			break;
		}
		if (start_tag(&x, stack, depth)) {
			any = any || stack[depth].place != IN_NOTHING;
			depth++;
		} else {
			any = any || stack[depth].place != IN_NOTHING;
		}
		last = VG_NIL;
	}
	if (x.rc == VG_OK && depth > 0)
		x.rc = VG_E_TRUNC;
	if (x.rc != VG_OK && x.rc != VG_E_NOMEM && last.n && depth > 0) /* what there is of the last value */
		ended(&x, &stack[depth - 1], parent(stack, depth - 1), last);
	if (x.rc == VG_OK && !any)
		x.rc = VG_E_FORMAT;
	if (x.rc != VG_OK || e->dropped)
		e->flags |= VG_EVENT_PARTIAL;
	return x.rc;
}

/* --- reading --- */

/* Where the next "<Event" begins from @at on, or "</Event" with @close, whichever comes first; CDATA apart;
 * VG_NPOS.  What may be one, cut by the end, is none. */
static size_t
event_tag(vg_str s, size_t at, bool *close)
{
	while (at < s.n) {
		const char *lt = memchr(s.p + at, '<', s.n - at);
		vg_str left;
		size_t n;

		if (lt == NULL)
			break;
		at = (size_t)(lt - s.p);
		left = vg_str_skip(s, at);
		if (vg_str_starts(left, VG_STR("<![CDATA["))) {
			size_t end = vg_str_find(left, VG_STR("]]>"));

			if (end == VG_NPOS)
				break;
			at += end;
			continue;
		}
		n = close && left.n > 1 && left.p[1] == '/' ? 2 : 1;
		if (vg_str_starts(vg_str_skip(left, n), VG_STR("Event")) && left.n > n + 5 &&
		    (is_space(left.p[n + 5]) || left.p[n + 5] == '>' || left.p[n + 5] == '/')) {
			if (close)
				*close = n == 2;
			return at;
		}
		at++;
	}
	return VG_NPOS;
}

static vg_rc
give(struct vg_reader *r, vg_str text, uint64_t at, uint64_t number)
{
	struct vg_event *e = r->event;
	vg_rc rc;

	vg_event_reset(e);
	e->offset = at;
	e->raw = text;
	rc = vg_winxml_event(text, e);
	if (rc == VG_E_NOMEM) {
		vg_reader_note(r, VG_NOTE_LIMIT, at, "an event is too large for the memory of one");
		return VG_OK;
	}
	if (rc != VG_OK && e->nfield == 0) {
		vg_reader_note(r, VG_NOTE_RECORD_BAD, at, "an event that cannot be read (%s)", vg_rc_name(rc));
		return VG_OK;
	}
	if (rc != VG_OK)
		vg_reader_note(r, VG_NOTE_RECORD_CUT, at, "an event is read in part (%s)", vg_rc_name(rc));
	if (e->dropped)
		vg_reader_note(r, VG_NOTE_LIMIT, at, "%u fields over %d are left out", (unsigned)e->dropped,
			       VG_EVENT_FIELDS_MAX);
	if (e->time_ns == VG_TIME_NONE)
		e->flags |= VG_EVENT_TIME_MISSING;
	if (e->record == 0)
		e->record = number;
	return vg_reader_emit(r);
}

/* The event that the window begins with. */
static vg_rc
one_event(struct vg_reader *r, uint64_t number)
{
	struct vg_input *in = r->in;
	size_t want = 65536, n, end;
	uint64_t at = in->offset;
	bool close = false;
	vg_str s;
	vg_rc rc;

	for (;;) {
		n = vg_input_peek(in, want);
		s = vg_str_mem(in->p, n < VG_WINXML_EVENT_MAX ? n : VG_WINXML_EVENT_MAX);
		end = event_tag(s, 1, &close);
		if (end != VG_NPOS || n < want || want >= VG_WINXML_EVENT_MAX)
			break;
		want = n * 2 < VG_WINXML_EVENT_MAX ? n * 2 : VG_WINXML_EVENT_MAX;
	}
	if (end == VG_NPOS) {
		end = s.n;
		vg_reader_note(r, n > s.n ? VG_NOTE_LIMIT : VG_NOTE_TRUNCATED, at, "an event has no end");
	} else if (close) {
		size_t gt = vg_str_chr(vg_str_skip(s, end), '>');

		end = gt == VG_NPOS ? s.n : end + gt + 1;
	} /* else another begins before this one ends */
	rc = give(r, vg_str_trim(vg_str_cut(s, end)), at, number);
	vg_input_skip(in, end);
	return rc;
}

vg_rc
vg_winxml_read(struct vg_reader *r)
{
	struct vg_wide wide;
	struct vg_input *plain = r->in;
	uint64_t number = 0;
	vg_rc rc;

	if ((rc = vg_wide_open(&wide, plain, &r->in)) != VG_OK) {
		vg_wide_close(&wide);
		r->in = plain;
		return rc;
	}
	while (rc == VG_OK) {
		size_t n = vg_input_peek(r->in, 65536), at;

		if (n == 0)
			break;
		at = event_tag(vg_str_mem(r->in->p, n), 0, NULL);
		if (at == VG_NPOS) { /* none here: go on, but keep what may be the beginning of one */
			size_t keep = r->in->eof || r->in->rc != VG_OK || n < 16 ? 0 : 15;

			vg_input_skip(r->in, n - keep);
			if (keep && vg_input_peek(r->in, 65536) <= keep)
				break;
			continue;
		}
		vg_input_skip(r->in, at);
		rc = one_event(r, ++number);
	}
	if (rc == VG_OK)
		rc = r->in->rc;
	vg_wide_close(&wide);
	r->in = plain;
	return rc;
}

int
vg_winxml_probe(vg_str head, bool whole, vg_str filename)
{
	char narrow[8192];
	size_t n = vg_wide_head(head, narrow, sizeof(narrow)), at;

	(void)whole;
	(void)filename;
	if (n)
		head = vg_str_mem(narrow, n);
	if (vg_str_starts(head, VG_STR("\xef\xbb\xbf")))
		head = vg_str_skip(head, 3);
	while (head.n && (is_space(head.p[0]) || head.p[0] == '-'))
		head = vg_str_skip(head, 1); /* "- <Event": copied from a browser's view */
	if (head.n < 2 || head.p[0] != '<' || (head.p[1] >= '0' && head.p[1] <= '9'))
		return 0; /* "<13>" is syslog's */
	at = event_tag(vg_str_cut(head, 4096), 0, NULL);
	if (at == VG_NPOS)
		return 0;
	head = vg_str_skip(head, at);
	if (vg_str_find(vg_str_cut(head, 512), VG_STR("schemas.microsoft.com/win/2004/08/events")) != VG_NPOS)
		return 95;
	return vg_str_find(vg_str_cut(head, 512), VG_STR("<System>")) != VG_NPOS ? 85 : 0;
}
