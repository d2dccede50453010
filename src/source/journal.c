#include "source/journal.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/cur.h"

#define MAGIC              "LPKSHHRH"
#define HEADER_BYTES       208 /* of the oldest header */
#define OBJECT_BYTES       16  /* type, flags, size */
#define DATA_BYTES         64
#define DATA_COMPACT_BYTES 72
#define ENTRY_BYTES        64

enum { OBJECT_DATA = 1, OBJECT_ENTRY = 3, OBJECT_TYPES = 8 };
enum { BY_XZ = 1, BY_LZ4 = 2, BY_ZSTD = 4 };
enum { INCOMPATIBLE_COMPACT = 16, INCOMPATIBLE_KNOWN = 31 };
enum { STATE_ONLINE = 1 };

struct counter {
	struct vg_note note;
	const char *text;
};

struct unit {
	struct vg_reader *r;
	const uint8_t *p; /* the whole file */
	size_t n;
	uint64_t header_bytes, tail, entries_said;
	bool compact;
	ZSTD_DCtx *zstd;
	uint64_t spent, budget; /* bytes of values */
	uint64_t entries, seqnum, missing;
	vg_rc rc;
	struct counter bad_value, bad_object, zeroed, over;
	/* of the entry at hand */
	vg_str hostname, identifier, comm, pid, message, message_id;
};

static void
count(struct counter *c, enum vg_note_kind kind, uint64_t offset, const char *text)
{
	if (c->note.count++ == 0)
		c->note.offset = offset;
	c->note.kind = kind;
	c->text = text;
}

static void
tell(struct vg_reader *r, struct counter *c)
{
	if (c->note.count == 0 || r->sink->note == NULL)
		return;
	snprintf(c->note.text, sizeof(c->note.text), "%s", c->text);
	r->sink->note(r->sink->ctx, &c->note);
}

int
vg_journal_probe(vg_str head, bool whole, vg_str filename)
{
	(void)whole;
	(void)filename;
	if (vg_str_starts(head, VG_STR(MAGIC)))
		return 100;
	return vg_str_starts(head, VG_STR("__CURSOR=")) ||
		       vg_str_starts(head, VG_STR("__REALTIME_TIMESTAMP="))
		   ? 95
		   : 0;
}

/* Names as journald takes them: upper-case letters, digits and '_'. */
static bool
is_name(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'A' && s.p[i] <= 'Z') && !(s.p[i] >= '0' && s.p[i] <= '9') &&
		    s.p[i] != '_')
			return false;
	return s.n && s.n <= VG_JOURNAL_NAME_MAX;
}

static enum vg_kind
kind_of(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return VG_KIND_TEXT;
	return s.n ? VG_KIND_INT : VG_KIND_TEXT;
}

static void
add_flagged(struct unit *u, vg_str name, vg_str value, uint8_t flags)
{
	struct vg_event *e = u->r->event;
	vg_rc rc =
	    vg_event_add_key(e, name, vg_keys_find(e->keys, name), kind_of(value), flags, value);

	if (rc != VG_OK && rc != VG_E_LIMIT && u->rc == VG_OK)
		u->rc = rc;
}

/* A field of the entry at hand; remembers those that events have under one name. */
static void
add(struct unit *u, vg_str name, vg_str value)
{
	const struct {
		vg_str name;
		vg_str *to;
	} known[] = {
		{ VG_STR("MESSAGE"), &u->message },
		{ VG_STR("_HOSTNAME"), &u->hostname },
		{ VG_STR("SYSLOG_IDENTIFIER"), &u->identifier },
		{ VG_STR("_COMM"), &u->comm },
		{ VG_STR("_PID"), &u->pid },
		{ VG_STR("MESSAGE_ID"), &u->message_id },
	};

	for (size_t i = 0; i < VG_COUNT(known); i++)
		if (vg_str_eq(name, known[i].name))
			*known[i].to = value;
	add_flagged(u, name, value, 0);
}

static void
begin_entry(struct unit *u)
{
	vg_event_reset(u->r->event);
	u->hostname = u->identifier = u->comm = u->pid = u->message = u->message_id = VG_NIL;
}

static vg_rc
end_entry(struct unit *u)
{
	struct vg_event *e = u->r->event;
	vg_str program = u->identifier.n ? u->identifier : u->comm;

	e->host = u->hostname;
	e->channel = program;
	e->code = u->message_id;
	if (u->hostname.n)
		add_flagged(u, VG_STR("hostname"), u->hostname, VG_FIELD_ADDED);
	if (program.n)
		add_flagged(u, VG_STR("program"), program, VG_FIELD_ADDED);
	if (u->pid.n)
		add_flagged(u, VG_STR("pid"), u->pid, VG_FIELD_ADDED);
	if (u->message.p)
		add_flagged(u, VG_STR("message"), u->message, VG_FIELD_ADDED);
	if (u->rc != VG_OK)
		return u->rc;
	u->entries++;
	return vg_reader_emit(u->r);
}

/* One block of LZ4 (LZ4 Block Format Description), as much of it as fits; its length. */
static size_t
unlz4(vg_str in, char *out, size_t cap)
{
	struct vg_cur c = vg_cur_of(in.p, in.n);
	size_t n = 0;

	while (c.rc == VG_OK && vg_cur_left(&c) && n < cap) {
		uint8_t token = vg_cur_u8(&c), more = 255;
		size_t lit = token >> 4, match = token & 15, back;
		vg_str s;

		for (more = lit == 15 ? 255 : 0; more == 255;)
			lit += (more = vg_cur_u8(&c));
		s = vg_cur_bytes(&c, lit);
		if (s.n > cap - n)
			s.n = cap - n;
		if (s.n)
			memcpy(out + n, s.p, s.n);
		n += s.n;
		if (vg_cur_left(&c) == 0)
			break;
		back = vg_cur_le16(&c);
		for (more = match == 15 ? 255 : 0; more == 255;)
			match += (more = vg_cur_u8(&c));
		match += 4;
		if (back == 0 || back > n)
			break;
		for (; match && n < cap; match--, n++) /* it may overlap */
			out[n] = out[n - back];
	}
	return n;
}

static size_t
unxz(vg_str in, char *out, size_t cap)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	la_ssize_t n = -1;

	if (a == NULL)
		return 0;
	archive_read_support_filter_xz(a);
	archive_read_support_format_raw(a);
	if (archive_read_open_memory(a, in.p, in.n) == ARCHIVE_OK &&
	    archive_read_next_header(a, &e) == ARCHIVE_OK)
		n = archive_read_data(a, out, cap);
	archive_read_free(a);
	return n < 0 ? 0 : (size_t)n;
}

static size_t
unzstd(struct unit *u, vg_str in, char *out, size_t cap)
{
	ZSTD_inBuffer from = { in.p, in.n, 0 };
	ZSTD_outBuffer to = { out, cap, 0 };

	if (u->zstd == NULL && (u->zstd = ZSTD_createDCtx()) == NULL)
		return 0;
	ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only);
	while (to.pos < to.size && from.pos < from.size) {
		size_t had = to.pos, used = from.pos,
		       rc = ZSTD_decompressStream(u->zstd, &to, &from);

		if (ZSTD_isError(rc) || rc == 0 || (to.pos == had && from.pos == used))
			break;
	}
	return to.pos;
}

/* Unpack a value into the event's arena; { NULL, 0 } when it cannot be. */
static vg_str
unpack(struct unit *u, unsigned flags, vg_str in)
{
	struct vg_arena *a = u->r->event->arena;
	uint64_t size = VG_JOURNAL_VALUE_MAX;
	size_t n;
	char *p;

	if (flags == BY_LZ4) { /* its size goes before */
		struct vg_cur c = vg_cur_of(in.p, in.n);

		size = vg_cur_le64(&c);
		in = vg_cur_bytes(&c, vg_cur_left(&c));
	} else if (flags == BY_ZSTD) {
		unsigned long long said = ZSTD_getFrameContentSize(in.p, in.n);

		if (said != ZSTD_CONTENTSIZE_UNKNOWN && said != ZSTD_CONTENTSIZE_ERROR)
			size = said;
	}
	if (size > VG_JOURNAL_VALUE_MAX)
		size = VG_JOURNAL_VALUE_MAX;
	if (size == 0 || in.n == 0 || (p = vg_arena_alloc(a, (size_t)size)) == NULL)
		return VG_NIL;
	n = flags == BY_LZ4  ? unlz4(in, p, (size_t)size)
	    : flags == BY_XZ ? unxz(in, p, (size_t)size)
			     : unzstd(u, in, p, (size_t)size);
	vg_arena_shrink(a, p, (size_t)size, n);
	return n ? vg_str_mem(p, n) : VG_NIL;
}

/* The object at @at: its type, and a cursor behind its header; 0 when there is none. */
static unsigned
object_at(const struct unit *u, uint64_t at, unsigned *flags, struct vg_cur *out)
{
	static const uint8_t nothing[6];
	struct vg_cur c;
	uint64_t size;
	unsigned type;

	if (at % 8 || at < u->header_bytes || at > u->n || u->n - at < OBJECT_BYTES)
		return 0;
	c = vg_cur_of(u->p + at, u->n - (size_t)at);
	type = vg_cur_u8(&c);
	*flags = vg_cur_u8(&c);
	if (type == 0 || type >= OBJECT_TYPES || memcmp(c.p, nothing, sizeof(nothing)) != 0 ||
	    *flags > 7)
		return 0;
	(void)vg_cur_bytes(&c, sizeof(nothing));
	size = vg_cur_le64(&c);
	if (size < OBJECT_BYTES || size - OBJECT_BYTES > vg_cur_left(&c))
		return 0;
	*out = vg_cur_sub(&c, (size_t)size - OBJECT_BYTES);
	return type;
}

/* The field that DATA object @at holds. */
static void
add_data(struct unit *u, uint64_t at)
{
	struct vg_cur c;
	unsigned flags;
	vg_str text;
	size_t eq;

	if (object_at(u, at, &flags, &c) != OBJECT_DATA) {
		count(&u->bad_value, VG_NOTE_RECORD_CUT, at,
		      "entries that point to a value that is not there");
		u->r->event->flags |= VG_EVENT_PARTIAL;
		return;
	}
	(void)vg_cur_bytes(&c, (u->compact ? DATA_COMPACT_BYTES : DATA_BYTES) - OBJECT_BYTES);
	text = vg_cur_bytes(&c, vg_cur_left(&c));
	if (u->spent >= u->budget) {
		count(&u->over, VG_NOTE_LIMIT, at,
		      "values are shared by too many entries; the rest was left out");
		u->r->event->flags |= VG_EVENT_PARTIAL;
		return;
	}
	if (flags) {
		u->spent += text.n; /* the work */
		text = unpack(u, flags, text);
	}
	text = vg_str_cut(text, VG_JOURNAL_VALUE_MAX);
	u->spent += text.n;
	eq = vg_str_chr(vg_str_cut(text, VG_JOURNAL_NAME_MAX + 1), '=');
	if (eq == VG_NPOS || !is_name(vg_str_cut(text, eq))) {
		count(&u->bad_value, VG_NOTE_RECORD_CUT, at, "values that could not be read");
		u->r->event->flags |= VG_EVENT_PARTIAL;
		return;
	}
	add(u, vg_str_cut(text, eq), vg_str_skip(text, eq + 1));
}

static vg_rc
read_entry(struct unit *u, uint64_t at, struct vg_cur c)
{
	struct vg_event *e = u->r->event;
	uint64_t seqnum = vg_cur_le64(&c), realtime_us = vg_cur_le64(&c);

	(void)vg_cur_bytes(&c, ENTRY_BYTES - OBJECT_BYTES - 16); /* monotonic, boot_id, xor_hash */
	if (c.rc != VG_OK) {
		count(&u->bad_object, VG_NOTE_RECORD_BAD, at, "objects that could not be read");
		return VG_OK;
	}
	if (u->seqnum && seqnum > u->seqnum + 1)
		u->missing += seqnum - u->seqnum - 1;
	u->seqnum = seqnum;
	begin_entry(u);
	e->record = seqnum;
	e->offset = at;
	if (realtime_us <= (uint64_t)(INT64_MAX / 1000)) {
		e->time_ns = (int64_t)realtime_us * 1000;
		add_flagged(u, VG_STR("__REALTIME_TIMESTAMP"),
			    vg_arena_printf(e->arena, "%llu", (unsigned long long)realtime_us), 0);
	} else {
		e->flags |= VG_EVENT_TIME_MISSING;
	}
	while (u->rc == VG_OK && vg_cur_left(&c) >= (u->compact ? 4 : 16) && e->dropped == 0) {
		uint64_t data = u->compact ? vg_cur_le32(&c) : vg_cur_le64(&c);

		if (!u->compact)
			(void)vg_cur_le64(&c); /* its hash */
		add_data(u, data);
	}
	return end_entry(u);
}

/* Object by object; where there is none, on to the next place that looks like one. */
static vg_rc
walk_objects(struct unit *u)
{
	uint64_t at = (u->header_bytes + 7) & ~UINT64_C(7);
	bool lost = false;
	vg_rc rc = VG_OK;

	while (rc == VG_OK && at < u->n && u->n - at >= OBJECT_BYTES) {
		struct vg_cur c;
		unsigned flags, type = object_at(u, at, &flags, &c);

		if (type == 0) {
			bool zero = u->p[at] == 0;

			if (zero && at > u->tail)
				break; /* what is set aside for more */
			if (!lost && zero)
				count(&u->zeroed, VG_NOTE_ERASED, at,
				      "zeros where an object should be");
			else if (!lost)
				count(&u->bad_object, VG_NOTE_RECORD_BAD, at,
				      "objects that could not be read");
			lost = true;
			at += 8;
			continue;
		}
		lost = false;
		if (type == OBJECT_ENTRY)
			rc = read_entry(u, at, c);
		at += (OBJECT_BYTES + vg_cur_left(&c) + 7) & ~UINT64_C(7);
	}
	return rc;
}

static vg_rc
read_file(struct unit *u)
{
	struct vg_reader *r = u->r;
	struct vg_cur c = vg_cur_of(u->p, u->n);
	uint32_t incompatible;
	uint8_t state;
	vg_rc rc;

	vg_cur_seek(&c, 12);
	incompatible = vg_cur_le32(&c);
	state = vg_cur_u8(&c);
	vg_cur_seek(&c, 88);
	u->header_bytes = vg_cur_le64(&c);
	vg_cur_seek(&c, 136);
	u->tail = vg_cur_le64(&c);
	vg_cur_seek(&c, 152);
	u->entries_said = vg_cur_le64(&c);
	if (c.rc != VG_OK || u->n < HEADER_BYTES) {
		vg_reader_note(r, VG_NOTE_TRUNCATED, 0, "the file ends inside its header");
		return VG_OK;
	}
	if (incompatible & ~(uint32_t)INCOMPATIBLE_KNOWN)
		vg_reader_note(r, VG_NOTE_UNKNOWN, 12, "unknown features 0x%x of the file format",
			       incompatible);
	if (u->header_bytes < HEADER_BYTES || u->header_bytes > 4096) {
		vg_reader_note(r, VG_NOTE_RECORD_BAD, 88, "the header's size is not possible");
		u->header_bytes = HEADER_BYTES;
	}
	u->compact = incompatible & INCOMPATIBLE_COMPACT;
	u->budget = (uint64_t)u->n * VG_JOURNAL_RATIO_MAX + VG_JOURNAL_GRACE_BYTES;
	if (state == STATE_ONLINE)
		vg_reader_note(r, VG_NOTE_DIRTY, 16, "the journal was open for writing");
	if (u->tail >= u->n)
		vg_reader_note(r, VG_NOTE_TRUNCATED, u->n, "the file ends before its last object");
	rc = walk_objects(u);
	if (u->missing) {
		struct counter gap = {
			.note = { .kind = VG_NOTE_GAP, .count = u->missing },
			.text =
			    "sequence numbers missing; other journals of the machine may have them"
		};

		tell(r, &gap);
	}
	if (rc == VG_OK && u->entries < u->entries_said)
		vg_reader_note(r, VG_NOTE_ERASED, 152,
			       "the header counts %llu entries, %llu were found",
			       (unsigned long long)u->entries_said, (unsigned long long)u->entries);
	return rc;
}

/* All of the file in one piece: the window when it holds it, else a copy in @all. */
static vg_rc
whole_file(struct unit *u, struct vg_buf *all)
{
	struct vg_input *in = u->r->in;
	size_t n = vg_input_peek(in, VG_INPUT_WINDOW_MAX);

	if (in->eof || in->rc != VG_OK) {
		u->p = in->p;
		u->n = n;
		return VG_OK;
	}
	all->limit_bytes = VG_JOURNAL_BYTES_MAX;
	if (in->size > n && in->size <= VG_JOURNAL_BYTES_MAX)
		(void)vg_buf_reserve(all, (size_t)in->size);
	while (all->rc == VG_OK && n) {
		if (n > VG_JOURNAL_BYTES_MAX - all->n)
			n = VG_JOURNAL_BYTES_MAX - all->n;
		vg_buf_put(all, vg_str_mem(in->p, n));
		vg_input_skip(in, n);
		if (all->n == VG_JOURNAL_BYTES_MAX) {
			if (vg_input_peek(in, 1))
				vg_reader_note(u->r, VG_NOTE_LIMIT, all->n,
					       "a journal over %zu MiB: the rest was not read",
					       VG_JOURNAL_BYTES_MAX >> 20);
			break;
		}
		n = vg_input_peek(in, 1);
	}
	u->p = (const uint8_t *)all->p;
	u->n = all->n;
	return all->rc;
}

/* The value behind the name of a binary field: u64 length, bytes, LF.  false: the input ends inside
 * it. */
static bool
take_binary(struct unit *u, vg_str *value)
{
	struct vg_input *in = u->r->in;
	uint64_t n, left;
	size_t have;

	if (vg_input_peek(in, 8) < 8)
		return false;
	memcpy(&n, in->p, 8);
	vg_input_skip(in, 8);
	have = vg_input_peek(in, n < VG_JOURNAL_VALUE_MAX ? (size_t)n : VG_JOURNAL_VALUE_MAX);
	if (have > n)
		have = (size_t)n;
	*value = vg_str_dup(
	    u->r->event->arena,
	    vg_str_mem(in->p, have < VG_JOURNAL_VALUE_MAX ? have : VG_JOURNAL_VALUE_MAX));
	for (left = n; left && (have = vg_input_peek(in, 1)) != 0; left -= have) {
		if (have > left)
			have = (size_t)left;
		vg_input_skip(in, have);
	}
	if (left)
		return false;
	if (vg_input_peek(in, 1) && *in->p == '\n')
		vg_input_skip(in, 1);
	return true;
}

static void
export_field(struct unit *u, vg_str name, vg_str value)
{
	struct vg_event *e = u->r->event;
	uint64_t us;

	if (vg_str_eq(name, VG_STR("__REALTIME_TIMESTAMP")) && vg_str_u64(value, &us) &&
	    us <= (uint64_t)(INT64_MAX / 1000))
		e->time_ns = (int64_t)us * 1000;
	if (vg_str_eq(name, VG_STR("__SEQNUM")) && vg_str_u64(value, &us))
		e->record = us;
	name = vg_str_dup(e->arena, name);
	if (name.p == NULL || value.p == NULL) {
		count(&u->over, VG_NOTE_LIMIT, u->r->in->offset,
		      "entries too large: fields were left out");
		e->flags |= VG_EVENT_PARTIAL;
		return;
	}
	add(u, name, value);
}

static vg_rc
read_export(struct unit *u)
{
	struct vg_reader *r = u->r;
	struct vg_event *e = r->event;
	bool open = false, cut, binary;
	uint64_t at, number = 0;
	vg_rc rc = VG_OK;
	vg_str line;

	while (rc == VG_OK && vg_input_line(r->in, VG_LINE_MAX, &line, &at, &cut)) {
		char name[VG_JOURNAL_NAME_MAX];
		size_t eq = vg_str_chr(line, '=');
		vg_str value = VG_NIL, key = vg_str_cut(line, eq);

		if (line.n == 0) {
			if (open) {
				if (e->time_ns == VG_TIME_NONE)
					e->flags |= VG_EVENT_TIME_MISSING;
				rc = end_entry(u);
			}
			open = false;
			continue;
		}
		if (!is_name(key)) {
			count(&u->bad_object, VG_NOTE_UNKNOWN, at,
			      "lines that are no fields of the journal");
			continue;
		}
		if (!open) {
			begin_entry(u);
			e->offset = at;
			e->record = ++number;
			open = true;
		}
		binary = eq == VG_NPOS;
		if (binary) {
			key = vg_str_mem(memcpy(name, key.p, key.n), key.n); /* the window moves */
			if (!take_binary(u, &value)) {
				vg_reader_note(r, VG_NOTE_TRUNCATED, at,
					       "the input ends inside a field");
				e->flags |= VG_EVENT_PARTIAL;
				break;
			}
		} else {
			value = vg_str_dup(e->arena, vg_str_skip(line, eq + 1));
		}
		if (cut)
			e->flags |= VG_EVENT_PARTIAL;
		export_field(u, key, value);
	}
	if (rc == VG_OK && open) {
		if (e->time_ns == VG_TIME_NONE)
			e->flags |= VG_EVENT_TIME_MISSING;
		rc = end_entry(u);
	}
	return rc;
}

vg_rc
vg_journal_read(struct vg_reader *r)
{
	struct unit u = { .r = r };
	struct vg_buf all = { 0 };
	size_t n = vg_input_peek(r->in, sizeof(MAGIC) - 1);
	vg_rc rc;

	if (vg_str_starts(vg_str_mem(r->in->p, n), VG_STR(MAGIC))) {
		if ((rc = whole_file(&u, &all)) == VG_OK)
			rc = read_file(&u);
	} else {
		rc = read_export(&u);
	}
	tell(r, &u.bad_value);
	tell(r, &u.bad_object);
	tell(r, &u.zeroed);
	tell(r, &u.over);
	vg_buf_fini(&all);
	ZSTD_freeDCtx(u.zstd);
	return rc != VG_OK ? rc : r->in->rc;
}
