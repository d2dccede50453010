#include "net/bulk.h"

#include <openssl/sha.h>

#include "base/cur.h"
#include "base/utf.h"
#include "vault/record.h"

/* What the next line is. */
enum { WANT_ACTION, WANT_DOCUMENT, SKIP_DOCUMENT, LOST };

/* A result is a byte, op | outcome << 2 | flags, then the names that the flags announce, each a byte of length and its bytes. */
#define HAS_ID 0x20
#define NEW_INDEX 0x40 /* differs from the one before */
#define OUTCOME_MASK 7u

static const vg_str op_names[] = { VG_STR_INIT("create"), VG_STR_INIT("index"), VG_STR_INIT("update"), VG_STR_INIT("delete") };
static const struct {
	unsigned status;
	const char *type, *reason; /* in the words of Elasticsearch where it has some */
} outcomes[VG_BULK_OUTCOMES] = {
	[VG_BULK_TAKEN] = { 201, NULL, NULL },
	[VG_BULK_FULL] = { 429, "es_rejected_execution_exception", "the queue is full, send it again later" },
	[VG_BULK_MALFORMED] = { 400, "illegal_argument_exception", "not an action" },
	[VG_BULK_UNSUPPORTED] = { 400, "illegal_argument_exception", "records can only be created" },
	[VG_BULK_MISSING] = { 400, "illegal_argument_exception", "the body ends before the document" },
	[VG_BULK_BROKEN] = { 400, "parse_exception", "the body cannot be decoded from here on" },
	[VG_BULK_LARGE] = { 413, "content_too_large_exception", "the request is over a limit from here on" },
};

void
vg_bulk_init(struct vg_bulk *b, enum vg_bulk_mode mode, vg_str default_index, vg_bulk_fn *fn, void *ctx)
{
	*b = (struct vg_bulk){ .mode = mode, .default_index = default_index, .fn = fn, .ctx = ctx };
}

void
vg_bulk_fini(struct vg_bulk *b)
{
	vg_buf_fini(&b->line);
	vg_buf_fini(&b->id);
	vg_buf_fini(&b->index);
	vg_buf_fini(&b->last_index);
	vg_buf_fini(&b->name);
	vg_buf_fini(&b->text);
	vg_buf_fini(&b->result);
}

size_t
vg_bulk_held(const struct vg_bulk *b)
{
	return b->answer_bytes + b->line.cap + b->id.cap + b->index.cap + b->last_index.cap + b->name.cap + b->text.cap + b->result.cap;
}

/* JSON (RFC 8259), as much as an action line needs. */

static int
peek(const struct vg_cur *c)
{
	return c->p < c->end ? *c->p : -1;
}

static bool
is_space(int ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static void
skip_space(struct vg_cur *c)
{
	while (is_space(peek(c)))
		(void)vg_cur_u8(c);
}

static void
expect(struct vg_cur *c, char ch)
{
	if (vg_cur_u8(c) != (uint8_t)ch)
		vg_cur_fail(c, VG_E_FORMAT);
}

static uint32_t
hex4(struct vg_cur *c)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		uint8_t ch = vg_cur_u8(c), low = ch | 0x20;

		if (vg_is_digit((char)ch))
			v = v << 4 | (uint32_t)(ch - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (uint32_t)(low - 'a' + 10);
		else
			vg_cur_fail(c, VG_E_FORMAT);
	}
	return v;
}

/* Behind "\u": a code point, of two escapes when it is a pair; what is half of one becomes U+FFFD. */
static uint32_t
escaped_point(struct vg_cur *c)
{
	uint32_t cp = hex4(c), low;
	struct vg_cur ahead = *c;

	if (cp < 0xD800 || cp > 0xDBFF || peek(&ahead) != '\\')
		return cp;
	(void)vg_cur_u8(&ahead);
	if (peek(&ahead) != 'u')
		return cp;
	(void)vg_cur_u8(&ahead);
	low = hex4(&ahead);
	if (ahead.rc != VG_OK || low < 0xDC00 || low > 0xDFFF)
		return cp;
	*c = ahead;
	return 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
}

static void
escape(struct vg_cur *c, struct vg_buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	uint8_t ch = vg_cur_u8(c);
	const char *at = ch ? strchr(from, ch) : NULL;
	char utf8[4];

	if (ch == 'u')
		vg_buf_mem(out, utf8, vg_utf8_put(escaped_point(c), utf8));
	else if (at)
		vg_buf_putc(out, to[at - from]);
	else
		vg_cur_fail(c, VG_E_FORMAT);
}

/* A string, its text to @out. */
static void
string(struct vg_cur *c, struct vg_buf *out)
{
	vg_buf_clear(out);
	expect(c, '"');
	while (c->rc == VG_OK) {
		uint8_t ch = vg_cur_u8(c);

		if (c->rc != VG_OK || ch == '"')
			return;
		if (ch < ' ')
			vg_cur_fail(c, VG_E_FORMAT);
		else if (ch == '\\')
			escape(c, out);
		else
			vg_buf_putc(out, (char)ch);
	}
}

/* A number, true, false or null, its text to @out; which of them is of no matter, nor whether the number is well-formed. */
static void
bare(struct vg_cur *c, struct vg_buf *out)
{
	const uint8_t *from = c->p;
	int ch;

	while ((ch = peek(c)) != -1 && (vg_is_digit((char)ch) || (ch >= 'a' && ch <= 'z') || (ch && strchr("+-.E", ch))))
		(void)vg_cur_u8(c);
	vg_buf_clear(out);
	vg_buf_put(out, vg_str_mem(from, (size_t)(c->p - from)));
	if (out->n == 0 || (!vg_is_digit(out->p[0]) && out->p[0] != '-' && !vg_str_eq(vg_buf_str(out), VG_STR("true")) &&
			    !vg_str_eq(vg_buf_str(out), VG_STR("false")) && !vg_str_eq(vg_buf_str(out), VG_STR("null"))))
		vg_cur_fail(c, VG_E_FORMAT);
}

/* Within an object, before a member or its end: read the next key to @key, and stop before its value.  false: there is none. */
static bool
next_member(struct vg_cur *c, bool first, struct vg_buf *key)
{
	skip_space(c);
	if (peek(c) == '}') {
		(void)vg_cur_u8(c);
		return false;
	}
	if (!first) {
		expect(c, ',');
		skip_space(c);
	}
	string(c, key);
	skip_space(c);
	expect(c, ':');
	skip_space(c);
	return c->rc == VG_OK;
}

static void value(struct vg_cur *c, unsigned depth, struct vg_buf *scratch);

static void
array(struct vg_cur *c, unsigned depth, struct vg_buf *scratch)
{
	expect(c, '[');
	skip_space(c);
	if (peek(c) == ']') {
		(void)vg_cur_u8(c);
		return;
	}
	for (;;) {
		value(c, depth, scratch);
		skip_space(c);
		if (c->rc != VG_OK || peek(c) != ',')
			break;
		(void)vg_cur_u8(c);
		skip_space(c);
	}
	expect(c, ']');
}

/* Skip a value. */
static void
value(struct vg_cur *c, unsigned depth, struct vg_buf *scratch)
{
	int ch = peek(c);

	if (depth == VG_BULK_DEPTH_MAX) {
		vg_cur_fail(c, VG_E_LIMIT);
	} else if (ch == '"') {
		string(c, scratch);
	} else if (ch == '[') {
		array(c, depth + 1, scratch);
	} else if (ch == '{') {
		(void)vg_cur_u8(c);
		for (bool first = true; next_member(c, first, scratch); first = false)
			value(c, depth + 1, scratch);
	} else {
		bare(c, scratch);
	}
}

/* A value that names something: a string or a number; null is none. */
static void
name_value(struct vg_cur *c, struct vg_buf *out)
{
	int ch = peek(c);

	if (ch == '"') {
		string(c, out);
	} else if (ch == '-' || (ch >= '0' && ch <= '9') || ch == 'n') {
		bare(c, out);
		if (out->n && out->p[0] == 'n')
			vg_buf_clear(out);
	} else {
		vg_cur_fail(c, VG_E_FORMAT);
	}
}

/* What an action says of its document, from "{" on. */
static void
action_members(struct vg_bulk *b, struct vg_cur *c)
{
	vg_buf_clear(&b->id);
	vg_buf_clear(&b->index);
	expect(c, '{');
	for (bool first = true; next_member(c, first, &b->text); first = false) {
		vg_str key = vg_buf_str(&b->text);

		if (vg_str_eq(key, VG_STR("_id")))
			name_value(c, &b->id);
		else if (vg_str_eq(key, VG_STR("_index")))
			name_value(c, &b->index);
		else
			value(c, 1, &b->text);
	}
}

static bool
op_of(vg_str name, uint8_t *out)
{
	for (size_t i = 0; i < VG_COUNT(op_names); i++)
		if (vg_str_eq(name, op_names[i])) {
			*out = (uint8_t)i;
			return true;
		}
	return false;
}

/* What is too long to be a name, by its SHA-256. */
static void
shorten(struct vg_buf *name)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	if (name->n <= VG_BULK_NAME_MAX)
		return;
	SHA256((const unsigned char *)name->p, name->n, digest);
	vg_buf_clear(name);
	vg_buf_hex(name, digest, sizeof(digest), false);
}

static vg_str
index_of(const struct vg_bulk *b)
{
	return b->index.n ? vg_buf_str(&b->index) : b->default_index;
}

/* What names the document at its sender, in b->name: an _id is one only within its index. */
static void
identify(struct vg_bulk *b)
{
	vg_str index = index_of(b);

	vg_buf_clear(&b->name);
	if (b->id.n == 0)
		return;
	if (index.n) {
		vg_buf_put(&b->name, index);
		vg_buf_putc(&b->name, '/');
	}
	vg_buf_put(&b->name, vg_buf_str(&b->id));
	shorten(&b->name);
}

/* @line as an action: b->op, b->id, b->index. */
static vg_rc
action_parse(struct vg_bulk *b, vg_str line)
{
	struct vg_cur c = vg_cur_of(line.p, line.n);

	if (line.n > VG_BULK_ACTION_MAX)
		return VG_E_LIMIT;
	skip_space(&c);
	expect(&c, '{');
	if (!next_member(&c, true, &b->text) || !op_of(vg_buf_str(&b->text), &b->op))
		return VG_E_FORMAT;
	action_members(b, &c);
	skip_space(&c);
	expect(&c, '}');
	skip_space(&c);
	if (c.rc == VG_OK && vg_cur_left(&c))
		vg_cur_fail(&c, VG_E_FORMAT);
	if (c.rc == VG_OK && b->index.n > VG_BULK_NAME_MAX)
		vg_cur_fail(&c, VG_E_LIMIT);
	identify(b);
	shorten(&b->id);
	if (c.rc != VG_OK)
		return c.rc;
	return b->text.rc == VG_OK && b->id.rc == VG_OK && b->index.rc == VG_OK && b->name.rc == VG_OK ? VG_OK : VG_E_NOMEM;
}

static void
put_name(struct vg_buf *out, const struct vg_buf *name)
{
	vg_buf_u8(out, (uint8_t)name->n);
	vg_buf_put(out, vg_buf_str(name));
}

/* Room for a result, so that what was taken can be said to be. */
static bool
may_add(struct vg_bulk *b)
{
	if (vg_buf_reserve(&b->result, 1 + 2 * (1 + VG_BULK_NAME_MAX)) && vg_buf_reserve(&b->last_index, VG_BULK_NAME_MAX))
		return true;
	b->rc = VG_E_NOMEM;
	b->ended = true;
	return false;
}

/* What an item takes in the answer, about: names that must be escaped take more. */
static size_t
answer_size(const struct vg_bulk *b, enum vg_bulk_outcome outcome)
{
	size_t n = sizeof("{\"create\":{\"_index\":\"\",\"_id\":\"\",\"status\":201}},") + index_of(b).n + b->id.n;

	if (outcomes[outcome].type)
		n += sizeof(",\"error\":{\"type\":\"\",\"reason\":\"\"}") + strlen(outcomes[outcome].type) + strlen(outcomes[outcome].reason);
	return n;
}

/* One more item.  There is room for it: may_add(). */
static void
add(struct vg_bulk *b, enum vg_bulk_outcome outcome)
{
	bool moved = !vg_str_eq(vg_buf_str(&b->index), vg_buf_str(&b->last_index));

	b->items++;
	b->count[outcome]++;
	b->answer_bytes += answer_size(b, outcome);
	vg_buf_u8(&b->result, (uint8_t)(b->op | outcome << 2 | (b->id.n ? HAS_ID : 0) | (moved ? NEW_INDEX : 0)));
	if (b->id.n)
		put_name(&b->result, &b->id);
	if (moved) {
		put_name(&b->result, &b->index);
		vg_buf_clear(&b->last_index);
		vg_buf_put(&b->last_index, vg_buf_str(&b->index));
	}
}

/* An item that is about no document that we know. */
static void
add_nameless(struct vg_bulk *b, enum vg_bulk_outcome outcome)
{
	vg_buf_clear(&b->id);
	vg_buf_clear(&b->index);
	b->op = VG_BULK_CREATE;
	if (may_add(b))
		add(b, outcome);
}

void
vg_bulk_break(struct vg_bulk *b, enum vg_bulk_outcome why)
{
	if (b->ended)
		return;
	vg_buf_clear(&b->line);
	b->cut = false;
	if (b->state != WANT_DOCUMENT)
		add_nameless(b, why);
	else if (may_add(b))
		add(b, why);
	b->ended = true;
}

static void
on_document(struct vg_bulk *b, vg_str line, bool cut)
{
	struct vg_bulk_doc d = { line, vg_buf_str(&b->name), cut };

	b->state = WANT_ACTION;
	if (!may_add(b))
		return;
	if (b->count[VG_BULK_FULL] == 0 && b->fn(b->ctx, &d))
		add(b, VG_BULK_TAKEN);
	else
		add(b, VG_BULK_FULL);
}

static void
on_action(struct vg_bulk *b, vg_str line)
{
	vg_rc rc = action_parse(b, line);

	if (rc == VG_E_NOMEM) {
		b->rc = rc;
		b->ended = true;
	} else if (rc != VG_OK) {
		if (b->state != LOST) /* else it is the document of the one before, which has its item */
			add_nameless(b, VG_BULK_MALFORMED);
		b->state = b->state == LOST ? WANT_ACTION : LOST;
	} else if (b->op == VG_BULK_CREATE || b->op == VG_BULK_INDEX) {
		b->state = WANT_DOCUMENT;
	} else {
		b->state = b->op == VG_BULK_UPDATE ? SKIP_DOCUMENT : WANT_ACTION;
		if (may_add(b))
			add(b, VG_BULK_UNSUPPORTED);
	}
}

static bool
is_blank(vg_str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (!is_space(line.p[i]))
			return false;
	return true;
}

static void
on_line(struct vg_bulk *b, vg_str line, bool cut)
{
	if (b->ended || is_blank(line))
		return;
	if (b->items == VG_BULK_ITEMS_MAX && b->state != SKIP_DOCUMENT) {
		vg_bulk_break(b, VG_BULK_LARGE);
	} else if (b->mode == VG_BULK_LINES || b->state == WANT_DOCUMENT) {
		on_document(b, line, cut);
	} else if (b->state == SKIP_DOCUMENT) {
		b->state = WANT_ACTION;
	} else {
		on_action(b, line);
	}
}

/* Keep the begin of a line, as much as may be a record. */
static void
keep(struct vg_bulk *b, vg_str part)
{
	size_t room = VG_RECORD_RAW_MAX - b->line.n;

	vg_buf_put(&b->line, vg_str_cut(part, room));
	b->cut |= part.n > room;
	if (b->line.rc != VG_OK) {
		b->rc = VG_E_NOMEM;
		b->ended = true;
	}
}

static void
kept_line(struct vg_bulk *b)
{
	bool cut = b->cut;

	b->cut = false;
	on_line(b, vg_buf_str(&b->line), cut);
	vg_buf_clear(&b->line);
}

void
vg_bulk_feed(struct vg_bulk *b, vg_str bytes)
{
	while (bytes.n && !b->ended) {
		size_t nl = vg_str_chr(bytes, '\n');
		vg_str part = vg_str_cut(bytes, nl);

		if (nl != VG_NPOS && b->line.n == 0) {
			on_line(b, vg_str_cut(part, VG_RECORD_RAW_MAX), part.n > VG_RECORD_RAW_MAX);
		} else {
			keep(b, part);
			if (nl != VG_NPOS)
				kept_line(b);
		}
		bytes = vg_str_skip(bytes, part.n + (nl != VG_NPOS));
	}
}

void
vg_bulk_end(struct vg_bulk *b)
{
	if (b->line.n)
		kept_line(b);
	if (b->state == WANT_DOCUMENT)
		vg_bulk_break(b, VG_BULK_MISSING);
	b->ended = true;
}

static void
answer_item(struct vg_buf *out, unsigned op, unsigned outcome, vg_str index, vg_str id)
{
	bool names = out->n < VG_BULK_ANSWER_NAMES;

	vg_buf_puts(out, "{\"");
	vg_buf_put(out, op_names[op]);
	vg_buf_puts(out, "\":{\"_index\":");
	vg_buf_json_str(out, names ? index : VG_NIL);
	if (id.n && names) {
		vg_buf_puts(out, ",\"_id\":");
		vg_buf_json_str(out, id);
	}
	vg_buf_printf(out, ",\"status\":%u", outcomes[outcome].status);
	if (outcomes[outcome].type)
		vg_buf_printf(out, ",\"error\":{\"type\":\"%s\",\"reason\":\"%s\"}", outcomes[outcome].type, outcomes[outcome].reason);
	vg_buf_puts(out, "}}");
}

void
vg_bulk_answer(const struct vg_bulk *b, uint64_t took_ms, struct vg_buf *out)
{
	struct vg_cur c = vg_cur_of(b->result.p, b->result.n);
	vg_str named = VG_NIL;

	vg_buf_printf(out, "{\"took\":%llu,\"errors\":%s,\"items\":[", (unsigned long long)took_ms,
		      b->items == b->count[VG_BULK_TAKEN] ? "false" : "true");
	for (uint32_t i = 0; i < b->items; i++) {
		uint8_t head = vg_cur_u8(&c);
		vg_str id = head & HAS_ID ? vg_cur_bytes(&c, vg_cur_u8(&c)) : VG_NIL;

		if (head & NEW_INDEX)
			named = vg_cur_bytes(&c, vg_cur_u8(&c));
		if (i)
			vg_buf_putc(out, ',');
		answer_item(out, head & 3u, head >> 2 & OUTCOME_MASK, named.n ? named : b->default_index, id);
	}
	vg_buf_puts(out, "]}");
}
