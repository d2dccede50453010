/* source/ioc_read.c - files of indicators.  JSON is walked as raw text to where the objects are, so that a file of any size takes
 * the memory of one object; the object is then read as any event is (vg_json_event). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cur.h"
#include "source/csv.h"
#include "source/ioc.h"
#include "source/json.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define COLUMNS_KEPT 64 /* whose meaning is remembered from row to row */

enum column { COL_NONE, COL_TYPE, COL_VALUE, COL_SOURCE, COL_EXPIRES, COL_COMMENT, COLUMNS };
static const struct {
	const char *name;
	enum column col;
} columns[] = {
	{ "value", COL_VALUE }, { "indicator", COL_VALUE }, { "ioc", COL_VALUE }, { "ioc_value", COL_VALUE }, { "observable", COL_VALUE },
	{ "type", COL_TYPE }, { "kind", COL_TYPE }, { "ioc_type", COL_TYPE }, { "indicator_type", COL_TYPE },
	{ "source", COL_SOURCE }, { "feed", COL_SOURCE }, { "reporter", COL_SOURCE },
	{ "expires", COL_EXPIRES }, { "expiry", COL_EXPIRES }, { "expiration", COL_EXPIRES }, { "valid_until", COL_EXPIRES },
	{ "comment", COL_COMMENT }, { "description", COL_COMMENT }, { "note", COL_COMMENT }, { "reason", COL_COMMENT },
};

struct state {
	struct vg_ioc_reader *r;
	struct vg_event event; /* the row or the object at hand */
	struct vg_arena arena;
	uint64_t at, told;
	vg_str id;
	char buf[VG_IOC_BUF];
	char info[VG_IOC_NOTE_MAX]; /* of the MISP event around */
	size_t ninfo;
	struct vg_stix_arm arm[VG_IOC_ARMS_MAX];
	const char *name[COLUMNS_KEPT]; /* where the text of a column's name lies, and what it means */
	enum column column[COLUMNS_KEPT];
};

static void VG_PRINTF(3, 4)
tell(struct state *s, uint64_t *count, const char *fmt, ...)
{
	struct vg_ioc_problem p = { .at = s->at, .id = s->id };
	va_list ap;

	if (count)
		++*count;
	if (s->r->problem == NULL || s->told++ >= VG_IOC_PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(p.text, sizeof(p.text), fmt, ap);
	va_end(ap);
	s->r->problem(s->r->ctx, &p);
}

/* The first line, cut where a character begins. */
static vg_str
first_line(vg_str text)
{
	size_t n;

	text = vg_str_trim(text);
	text = vg_str_trim(vg_str_cut(text, vg_str_chr(text, '\n')));
	if (text.n <= VG_IOC_NOTE_MAX)
		return text;
	for (n = VG_IOC_NOTE_MAX; n && ((unsigned char)text.p[n] & 0xc0) == 0x80; n--)
		;
	return vg_str_cut(text, n);
}

/* A day alone lasts until its end; a number counts seconds. */
static bool
expiry(vg_str text, int64_t *out)
{
	uint64_t n;

	text = vg_str_trim(text);
	if (vg_str_all_digits(text) && text.n == 10 && vg_str_u64(text, &n) && n < (uint64_t)(INT64_MAX / VG_SEC)) {
		*out = (int64_t)n * VG_SEC;
		return true;
	}
	*out = vg_time_parse(text, 0);
	if (*out != VG_TIME_NONE && text.n == 10 && *out <= INT64_MAX - VG_DAY)
		*out += VG_DAY;
	return *out != VG_TIME_NONE;
}

/* What stands beside a value. */
struct beside {
	vg_str source, expires, note;
};

static vg_rc
entry(struct state *s, enum vg_ioc_kind kind, vg_str value, const struct beside *b)
{
	struct vg_ioc i = { .expires_ns = s->r->expires_ns, .source = first_line(b->source), .note = first_line(b->note),
			    .id = s->id, .at = s->at };
	vg_rc rc = vg_ioc_set(&i, kind, value, s->buf);

	if (rc == VG_E_LIMIT) {
		tell(s, &s->r->n.bad, "'%.*s' is too long, too short or too wide to be used", (int)(value.n > 80 ? 80 : value.n), value.p);
		return VG_OK;
	}
	if (rc != VG_OK) {
		tell(s, &s->r->n.bad, "'%.*s' is no %s", (int)(value.n > 80 ? 80 : value.n), value.p ? value.p : "", vg_ioc_kind_name(kind));
		return VG_OK;
	}
	if (b->expires.n && !expiry(b->expires, &i.expires_ns)) {
		i.expires_ns = s->r->expires_ns;
		tell(s, NULL, "'%.*s' is no time: the entry is kept as if it named none", (int)(b->expires.n > 80 ? 80 : b->expires.n), b->expires.p);
	}
	s->r->n.taken++;
	return s->r->entry(s->r->ctx, &i);
}

/* --- one value a line --- */

static vg_rc
read_lines(struct state *s, vg_str text)
{
	const struct beside none = { 0 };
	vg_str line;
	vg_rc rc = VG_OK;

	for (s->at = 1; rc == VG_OK && vg_str_split(&text, '\n', &line); s->at++) {
		line = vg_str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (line.n > 2 && line.p[0] == '"' && line.p[line.n - 1] == '"')
			line = vg_str_mem(line.p + 1, line.n - 2);
		rc = entry(s, VG_IOC_KINDS, line, &none);
	}
	return rc;
}

/* --- CSV --- */

static enum column
column_of(vg_str name)
{
	for (size_t i = 0; i < VG_COUNT(columns); i++)
		if (vg_str_ieq(name, vg_str_of(columns[i].name)))
			return columns[i].col;
	return COL_NONE;
}

static enum column
known_column(struct state *s, uint32_t i, vg_str name)
{
	if (i >= COLUMNS_KEPT)
		return column_of(name);
	if (s->name[i] != name.p) {
		s->name[i] = name.p;
		s->column[i] = column_of(name);
	}
	return s->column[i];
}

static vg_rc
csv_row(void *ctx, struct vg_event *e)
{
	struct state *s = ctx;
	vg_str cell[COLUMNS] = { 0 };
	enum vg_ioc_kind kind;

	s->at = e->record; /* the row, from 1 behind the names */
	for (uint32_t i = 0; i < e->nfield; i++)
		if (!(e->field[i].flags & VG_FIELD_ADDED))
			cell[known_column(s, i, e->field[i].name)] = vg_str_trim(e->field[i].value);
	if (vg_str_starts(vg_str_trim(e->raw), VG_STR("#")))
		return VG_OK;
	if (cell[COL_VALUE].n == 0) {
		tell(s, &s->r->n.bad, "a row without a value");
		return VG_OK;
	}
	if (!vg_ioc_kind_parse(cell[COL_TYPE], &kind)) {
		tell(s, &s->r->n.unknown, "type '%.*s' is not one that is matched", (int)(cell[COL_TYPE].n > 80 ? 80 : cell[COL_TYPE].n), cell[COL_TYPE].p);
		return VG_OK;
	}
	return entry(s, kind, cell[COL_VALUE], &(struct beside){ cell[COL_SOURCE], cell[COL_EXPIRES], cell[COL_COMMENT] });
}

static void
csv_note(void *ctx, const struct vg_note *n)
{
	struct state *s = ctx;

	if (n->kind == VG_NOTE_RECORD_CUT) /* the row is given all the same, and judged by what is in it */
		return;
	tell(s, &s->r->n.bad, "%s", n->text);
}

static vg_rc
read_csv(struct state *s, vg_str text)
{
	const struct vg_sink sink = { s, csv_row, csv_note };
	struct vg_input in;
	struct vg_reader reader = { .in = &in, .sink = &sink, .event = &s->event, .first = true };

	vg_input_mem(&in, text.p, text.n);
	return vg_csv_read(&reader);
}

/* Do the names of columns stand in the line?  Then one of them says value. */
static bool
has_names(vg_str line)
{
	size_t from = 0;

	for (size_t i = 0; i <= line.n; i++) {
		vg_str cell;

		if (i < line.n && !strchr(",;\t|", line.p[i]))
			continue;
		cell = vg_str_trim(vg_str_mem(line.p + from, i - from));
		if (cell.n > 2 && cell.p[0] == '"')
			cell = vg_str_mem(cell.p + 1, cell.n - 2);
		if (column_of(cell) == COL_VALUE)
			return true;
		from = i + 1;
	}
	return false;
}

static vg_rc
read_table(struct state *s, vg_str text)
{
	vg_str rest = text, line, here = text;

	if (vg_str_starts(text, VG_STR("\xef\xbb\xbf")))
		rest = text = vg_str_skip(text, 3);
	while (here = rest, vg_str_split(&rest, '\n', &line)) {
		line = vg_str_trim(line);
		if (line.n && line.p[0] != '#' && !vg_str_istarts(line, VG_STR("sep=")))
			return has_names(line) ? read_csv(s, here) : read_lines(s, text);
	}
	return VG_OK; /* nothing in it */
}

/* --- JSON: walking raw text --- */

static int
peek(struct vg_cur *c)
{
	while (vg_cur_left(c) && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
		c->p++;
	return vg_cur_left(c) ? *c->p : -1;
}

/* The inside of a string, as it is written; the cursor stands at its quote. */
static vg_str
raw_string(struct vg_cur *c)
{
	const uint8_t *from, *q;

	vg_cur_take(c, 1);
	for (from = c->p; (q = vg_cur_left(c) ? memchr(c->p, '"', vg_cur_left(c)) : NULL) != NULL;) {
		const uint8_t *b = q;

		while (b > c->p && b[-1] == '\\')
			b--;
		c->p = q + 1;
		if ((q - b) % 2 == 0)
			return vg_str_mem(from, (size_t)(q - from));
	}
	vg_cur_fail(c, VG_E_TRUNC);
	return VG_NIL;
}

/* Past a value, whatever it is; the slice that it was. */
static vg_str
skip_value(struct vg_cur *c)
{
	size_t depth = 0;
	int ch = peek(c);
	const uint8_t *from = c->p;

	do {
		ch = peek(c);
		if (ch == -1) {
			vg_cur_fail(c, VG_E_TRUNC);
		} else if (ch == '"') {
			(void)raw_string(c);
		} else if (ch == '{' || ch == '[') {
			depth++;
			c->p++;
		} else if (ch == '}' || ch == ']') {
			if (depth == 0)
				vg_cur_fail(c, VG_E_FORMAT);
			else
				depth--, c->p++;
		} else if (depth) {
			c->p++;
		} else {
			while (vg_cur_left(c) && *c->p > ' ' && !strchr(",]}", *c->p))
				c->p++;
			if (c->p == from)
				vg_cur_fail(c, VG_E_FORMAT);
		}
	} while (depth && c->rc == VG_OK);
	return vg_str_mem(from, (size_t)(c->p - from));
}

/* The next member or item of what was entered, or its end, which is taken. */
static bool
more(struct vg_cur *c, char end)
{
	while (peek(c) == ',')
		c->p++;
	if (peek(c) == -1) {
		vg_cur_fail(c, VG_E_TRUNC);
		return false;
	}
	if (*c->p == (uint8_t)end) {
		c->p++;
		return false;
	}
	return true;
}

static vg_str
member_name(struct vg_cur *c)
{
	vg_str name = VG_NIL;

	if (peek(c) == '"')
		name = raw_string(c);
	else
		vg_cur_fail(c, VG_E_FORMAT);
	if (peek(c) == ':')
		c->p++;
	else
		vg_cur_fail(c, VG_E_FORMAT);
	return name;
}

/* --- JSON: its objects --- */

static vg_str
member(const struct vg_event *e, const char *name)
{
	const struct vg_field *f = vg_event_find_name(e, vg_str_of(name));

	return f ? f->value : VG_NIL;
}

static bool
truth(vg_str s)
{
	return vg_str_ieq(s, VG_STR("true")) || vg_str_eq(s, VG_STR("1"));
}

/* @text into s->event. */
static bool
take_object(struct state *s, vg_str text)
{
	vg_rc rc = VG_E_LIMIT;

	s->at++;
	s->id = VG_NIL;
	vg_event_reset(&s->event);
	if (text.n <= VG_IOC_OBJECT_MAX)
		rc = vg_json_event(text, &s->event);
	if (rc != VG_OK)
		tell(s, &s->r->n.bad, "an object that cannot be read: %s", vg_rc_name(rc));
	return rc == VG_OK;
}

/* A type and its value; "domain|ip" is two of each.  Of "filename|md5" the hash alone: the name by itself proves little. */
static vg_rc
misp_values(struct state *s, vg_str type, vg_str value, const struct beside *b)
{
	bool pair = vg_str_chr(type, '|') != VG_NPOS, known = false;
	vg_str all = vg_str_cut(type, 80), one, part;
	vg_rc rc = VG_OK;

	while (rc == VG_OK && vg_str_split(&type, '|', &one)) {
		enum vg_ioc_kind kind;

		if (!pair)
			part = value;
		else if (!vg_str_split(&value, '|', &part))
			break;
		if (!vg_ioc_kind_parse(one, &kind) || kind == VG_IOC_KINDS || (pair && kind == VG_IOC_FILE))
			continue;
		known = true;
		rc = entry(s, kind, part, b);
	}
	if (rc == VG_OK && !known)
		tell(s, &s->r->n.unknown, "type '%.*s' is not one that is matched", VG_STR_ARG(all));
	return rc;
}

static vg_rc
misp_attribute(struct state *s, vg_str text)
{
	struct beside b = { 0 };

	if (!take_object(s, text))
		return VG_OK;
	s->id = member(&s->event, "uuid");
	if ((!s->r->all && !truth(member(&s->event, "to_ids"))) || truth(member(&s->event, "deleted"))) {
		s->r->n.passed++;
		return VG_OK;
	}
	b.note = member(&s->event, "comment");
	if (vg_str_trim(b.note).n == 0)
		b.note = vg_str_mem(s->info, s->ninfo);
	return misp_values(s, member(&s->event, "type"), member(&s->event, "value"), &b);
}

static vg_rc
stix_arms(struct state *s, size_t n)
{
	const struct vg_event *e = &s->event;
	struct beside b = { VG_NIL, member(e, "valid_until"), member(e, "name") };
	vg_rc rc = VG_OK;

	if (vg_str_trim(b.note).n == 0)
		b.note = member(e, "description");
	for (size_t i = 0; i < n && rc == VG_OK; i++) {
		if (s->arm[i].kind == VG_IOC_KINDS)
			tell(s, &s->r->n.unknown, "'%.*s' is not matched", (int)(s->arm[i].path.n > 80 ? 80 : s->arm[i].path.n), s->arm[i].path.p);
		else
			rc = entry(s, s->arm[i].kind, s->arm[i].value, &b);
	}
	return rc;
}

static vg_rc
stix_object(struct state *s, vg_str text)
{
	const struct vg_event *e = &s->event;
	vg_str type;
	size_t n;
	vg_rc rc;

	if (!take_object(s, text))
		return VG_OK;
	s->id = member(e, "id");
	if (!vg_str_eq(member(e, "type"), VG_STR("indicator")) || truth(member(e, "revoked"))) {
		s->r->n.passed++;
		return VG_OK;
	}
	type = member(e, "pattern_type");
	if (type.n && !vg_str_eq(type, VG_STR("stix"))) {
		tell(s, &s->r->n.unknown, "a pattern of type '%.*s', not stix", (int)(type.n > 40 ? 40 : type.n), type.p);
		return VG_OK;
	}
	rc = vg_stix_pattern(member(e, "pattern"), &s->arena, s->arm, &n);
	if (rc == VG_E_NOMEM)
		return rc;
	if (rc == VG_E_UNSUP)
		tell(s, &s->r->n.unknown, "its pattern asks for more than values joined by OR");
	else if (rc != VG_OK)
		tell(s, &s->r->n.bad, "its pattern cannot be read: %s", vg_rc_name(rc));
	return rc == VG_OK ? stix_arms(s, n) : VG_OK;
}

/* What an event is about stands beside its attributes, before or behind them. */
static void
misp_info(struct state *s, struct vg_cur c)
{
	while (more(&c, '}')) {
		vg_str name = member_name(&c), value = skip_value(&c), text;

		if (c.rc != VG_OK)
			return;
		if (!vg_str_eq(name, VG_STR("info")) || value.n > VG_IOC_VALUE_MAX)
			continue;
		vg_event_reset(&s->event);
		text = vg_arena_printf(&s->arena, "{\"info\":%.*s}", VG_STR_ARG(value));
		if (text.p && vg_json_event(text, &s->event) == VG_OK) {
			text = first_line(member(&s->event, "info"));
			s->ninfo = text.n;
			if (text.n)
				memcpy(s->info, text.p, text.n);
		}
		return;
	}
}

enum where { WHERE_ANY, WHERE_ATTRIBUTES, WHERE_STIX };

static vg_rc walk(struct state *s, struct vg_cur *c, enum where where, unsigned depth);

/* An object that holds lists of others, or is one by itself. */
static vg_rc
walk_object(struct state *s, struct vg_cur *c, unsigned depth)
{
	static const struct {
		const char *name;
		enum where where;
	} inside[] = { { "Event", WHERE_ANY }, { "response", WHERE_ANY }, { "Object", WHERE_ANY }, { "Attribute", WHERE_ATTRIBUTES },
		       { "objects", WHERE_STIX } };
	const uint8_t *from = c->p;
	bool stix = false, attribute = false, info = false;
	vg_rc rc = VG_OK;

	c->p++;
	while (rc == VG_OK && more(c, '}')) {
		struct vg_cur before = *c;
		vg_str name = member_name(c);
		size_t i = 0;

		while (i < VG_COUNT(inside) && !vg_str_eq(name, vg_str_of(inside[i].name)))
			i++;
		if (i < VG_COUNT(inside) && c->rc == VG_OK) {
			if (!info && (info = inside[i].where == WHERE_ATTRIBUTES || vg_str_eq(name, VG_STR("Object"))))
				misp_info(s, vg_cur_of(from + 1, (size_t)(before.end - from - 1)));
			rc = walk(s, c, inside[i].where, depth + 1);
			continue;
		}
		stix |= vg_str_eq(name, VG_STR("pattern"));
		attribute |= vg_str_eq(name, VG_STR("to_ids"));
		(void)skip_value(c);
	}
	if (rc != VG_OK || c->rc != VG_OK || !(stix || attribute))
		return rc;
	return (stix ? stix_object : misp_attribute)(s, vg_str_mem(from, (size_t)(c->p - from)));
}

static vg_rc
walk(struct state *s, struct vg_cur *c, enum where where, unsigned depth)
{
	vg_rc rc = VG_OK;
	vg_str text;
	int ch = peek(c);

	if (depth > VG_JSON_DEPTH_MAX) {
		vg_cur_fail(c, VG_E_LIMIT);
	} else if (ch == '[') {
		c->p++;
		while (rc == VG_OK && more(c, ']'))
			rc = walk(s, c, where, depth + 1);
	} else if (ch == '{' && where == WHERE_ANY) {
		rc = walk_object(s, c, depth);
	} else {
		text = skip_value(c);
		if (ch == '{' && c->rc == VG_OK)
			rc = (where == WHERE_STIX ? stix_object : misp_attribute)(s, text);
	}
	return rc;
}

static vg_rc
read_json(struct state *s, vg_str text)
{
	struct vg_cur c = vg_cur_of(text.p, text.n);
	vg_rc rc = VG_OK;

	while (rc == VG_OK && c.rc == VG_OK && peek(&c) != -1)
		rc = walk(s, &c, WHERE_ANY, 0);
	if (rc == VG_OK && c.rc != VG_OK) {
		s->id = VG_NIL;
		tell(s, &s->r->n.bad, "no JSON that goes on from byte %zu: %s", vg_cur_at(&c), vg_rc_name(c.rc));
		rc = VG_E_FORMAT;
	}
	return rc;
}

/* --- the file --- */

static vg_rc
read_text(struct state *s, vg_str text)
{
	vg_str begin = vg_str_starts(text, VG_STR("\xef\xbb\xbf")) ? vg_str_skip(text, 3) : text;

	if (begin.n && memchr(begin.p, 0, begin.n < 4096 ? begin.n : 4096)) {
		tell(s, &s->r->n.bad, "this is no text");
		return VG_E_FORMAT;
	}
	begin = vg_str_trim(begin);
	if (begin.n && (begin.p[0] == '{' || (begin.p[0] == '[' && vg_str_chr(vg_str_cut(begin, 4096), '{') != VG_NPOS)))
		return read_json(s, begin);
	return read_table(s, text);
}

vg_rc
vg_ioc_read(struct vg_ioc_reader *r)
{
	struct state *s;
	struct vg_keys *keys = vg_keys_new();
	char *wide = NULL;
	vg_str text = r->text;
	vg_rc rc = VG_E_NOMEM;

	r->n = (struct vg_ioc_counts){ 0 };
	if (text.n > VG_IOC_FILE_MAX) {
		vg_keys_free(keys);
		return VG_E_LIMIT;
	}
	s = calloc(1, sizeof(*s));
	if (keys == NULL || s == NULL)
		goto out;
	s->r = r;
	vg_arena_init(&s->arena, ARENA_BYTES);
	vg_event_init(&s->event, &s->arena, keys);
	if (vg_str_starts(text, VG_STR("\xff\xfe"))) { /* UTF-16LE, as PowerShell writes it */
		if ((wide = malloc(VG_UTF16_MAX(text.n / 2) + 1)) == NULL)
			goto out;
		text = vg_str_mem(wide, vg_utf16le_to_utf8(text.p + 2, text.n / 2 - 1, wide));
	}
	rc = read_text(s, text);
out:
	free(wide);
	if (s)
		vg_arena_fini(&s->arena);
	free(s);
	vg_keys_free(keys);
	return rc;
}
