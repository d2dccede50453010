#include "source/csv.h"

#include <stdlib.h>

#include "base/buf.h"
#include "source/shape.h"
#include "source/wide.h"

static const char seps[] = { ',', ';', '\t', '|' };

/* Bytes of the record that @s begins with, its line end included; VG_NPOS: it does not end in @s.  @at and
 * @quoted: how far it was looked at already. */
static size_t
record_end(vg_str s, size_t *at, bool *quoted)
{
	for (; *at < s.n; ++*at) {
		if (*quoted) {
			size_t q = vg_str_chr(vg_str_skip(s, *at), '"');

			if (q == VG_NPOS) {
				*at = s.n;
				return VG_NPOS;
			}
			*at += q;
			*quoted = false;
		} else if (s.p[*at] == '"') {
			*quoted = true; /* a doubled quote ends and begins: the same in the end */
		} else if (s.p[*at] == '\n') {
			return *at + 1;
		}
	}
	return VG_NPOS;
}

/* The next cell of a record.  @s: what is left, { NULL, 0 } after the last.  @raw: with its quotes and what is
 * doubled in it; @doubled says that there is something. */
static bool
next_cell(vg_str *s, char sep, vg_str *cell, bool *doubled)
{
	size_t i = 0;

	*doubled = false;
	if (s->p == NULL)
		return false;
	if (s->n && s->p[0] == '"') {
		for (i = 1; i < s->n; i++) {
			if (s->p[i] != '"')
				continue;
			if (i + 1 < s->n && s->p[i + 1] == '"') {
				*doubled = true;
				i++;
				continue;
			}
			break;
		}
		*cell = vg_str_mem(s->p + 1, (i < s->n ? i : s->n) - 1);
		for (; i < s->n && s->p[i] != sep; i++)
			; /* what stands between the quote and the separator says nothing */
	} else {
		i = vg_str_chr(*s, sep);
		if (i == VG_NPOS)
			i = s->n;
		*cell = vg_str_cut(*s, i);
	}
	*s = i < s->n ? vg_str_mem(s->p + i + 1, s->n - i - 1) : VG_NIL;
	return true;
}

static size_t
count_cells(vg_str s, char sep)
{
	size_t n = 0;
	vg_str cell;
	bool doubled;

	while (n <= VG_CSV_COLUMNS_MAX && next_cell(&s, sep, &cell, &doubled))
		n++;
	return n;
}

static vg_str
without_end(vg_str s)
{
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

/* Lines before the names: "#TYPE ..." of PowerShell, "sep=;" of Excel. */
static bool
is_preamble(vg_str line, char *sep)
{
	line = without_end(line);
	if (vg_str_istarts(line, VG_STR("sep=")) && line.n == 5) {
		*sep = line.p[4];
		return true;
	}
	return vg_str_starts(line, VG_STR("#TYPE ")) || line.n == 0;
}

static char
guess_sep(vg_str names)
{
	char best = 0;
	size_t most = 1;

	for (size_t i = 0; i < sizeof(seps); i++) {
		size_t n = count_cells(names, seps[i]);

		if (n > most) {
			most = n;
			best = seps[i];
		}
	}
	return best;
}

static bool
could_be_name(vg_str s)
{
	s = vg_str_trim(s);
	if (s.n == 0 || s.n > 128)
		return false;
	if (!((s.p[0] | 32) >= 'a' && (s.p[0] | 32) <= 'z') && s.p[0] != '_' && s.p[0] != '@' &&
	    !((unsigned char)s.p[0] & 0x80))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == '=' || s.p[i] == '{' || s.p[i] == '<')
			return false;
	return true;
}

static vg_str
without_bom(vg_str s)
{
	return vg_str_starts(s, VG_STR("\xef\xbb\xbf")) ? vg_str_skip(s, 3) : s;
}

static bool
named(vg_str filename, vg_str ext)
{
	return filename.n > ext.n && vg_str_ieq(vg_str_skip(filename, filename.n - ext.n), ext);
}

int
vg_csv_probe(vg_str head, bool whole, vg_str filename)
{
	char narrow[8192], sep = 0;
	size_t n = vg_wide_head(head, narrow, sizeof(narrow)), columns, rows = 0, at, end;
	bool quoted, doubled, known = false, csv_name;
	vg_str names, cell, s;

	if (n) {
		head = vg_str_mem(narrow, n);
		whole = false;
	}
	head = without_bom(head);
	if (head.n && memchr(head.p, 0, head.n))
		return 0;
	csv_name = named(filename, VG_STR(".csv")) || named(filename, VG_STR(".tsv"));
	for (unsigned i = 0;; i++) {
		at = 0;
		quoted = false;
		end = record_end(head, &at, &quoted);
		if (end == VG_NPOS || i > 3)
			return 0;
		names = vg_str_cut(head, end);
		head = vg_str_skip(head, end);
		if (!is_preamble(names, &sep))
			break;
	}
	names = without_end(names);
	if ((sep == 0 && (sep = guess_sep(names)) == 0) || (columns = count_cells(names, sep)) < 2 ||
	    columns > VG_CSV_COLUMNS_MAX)
		return 0;
	s = names;
	while (next_cell(&s, sep, &cell, &doubled)) {
		if (!could_be_name(cell))
			return 0;
		known = known || (columns >= 3 && vg_shape_row(vg_str_trim(cell)) % VG_SHAPE_SPACED != 0);
	}
	while (rows < 8 && head.n) {
		at = 0;
		quoted = false;
		end = record_end(head, &at, &quoted);
		if (end == VG_NPOS && !whole)
			break;
		s = without_end(vg_str_cut(head, end));
		if (s.n && count_cells(s, sep) != columns)
			return 0;
		rows += s.n > 0;
		head = vg_str_skip(head, end == VG_NPOS ? head.n : end);
	}
	if (rows == 0)
		return csv_name ? 40 : 0;
	if (known)
		return csv_name ? 85 : 75;
	if (csv_name)
		return 65;
	return columns >= 4 && rows >= 3 ? 35 : 0;
}

/* --- reading --- */

struct column {
	vg_str name; /* in table.text */
	uint32_t key;
	uint8_t row; /* of the table of shapes */
};

struct table {
	struct vg_reader *r;
	struct column *column; /* owned */
	size_t n;
	struct vg_buf text; /* of the names */
	char sep;
	unsigned open_quotes; /* records that were too long for a quote without its second */
};

#define OPEN_QUOTES_MAX 64

static vg_str
undouble(struct vg_event *e, vg_str s)
{
	char *t = vg_arena_alloc(e->arena, s.n);
	size_t n = 0;

	if (t == NULL)
		return VG_NIL;
	for (size_t i = 0; i < s.n; i++) {
		t[n++] = s.p[i];
		if (s.p[i] == '"' && i + 1 < s.n && s.p[i + 1] == '"')
			i++;
	}
	return vg_str_mem(t, n);
}

static vg_rc
take_names(struct table *t, vg_str line, const struct vg_keys *keys)
{
	vg_str s = line, cell;
	bool doubled;
	size_t n = 0, at = 0;

	if (t->sep == 0 && (t->sep = guess_sep(line)) == 0)
		t->sep = ',';
	t->n = count_cells(line, t->sep);
	if (t->n > VG_CSV_COLUMNS_MAX)
		t->n = VG_CSV_COLUMNS_MAX;
	vg_buf_clear(&t->text);
	vg_buf_put(&t->text, line);
	free(t->column);
	if ((t->column = calloc(t->n, sizeof(*t->column))) == NULL || t->text.rc != VG_OK)
		return VG_E_NOMEM;
	while (n < t->n && next_cell(&s, t->sep, &cell, &doubled)) {
		struct column *c = &t->column[n++];

		cell = vg_str_trim(cell);
		at = cell.n ? (size_t)(cell.p - line.p) : 0;
		c->name = vg_str_mem(t->text.p + at, cell.n);
		c->key = vg_keys_find(keys, c->name);
		c->row = vg_shape_row(c->name);
	}
	return VG_OK;
}

static vg_rc
one_row(struct table *t, vg_str record, uint64_t at, uint64_t number, bool cut)
{
	struct vg_event *e = t->r->event;
	struct vg_shape shape = { 0 };
	vg_str s = without_end(record), cell;
	bool doubled;
	size_t n = 0;
	vg_rc rc;

	vg_event_reset(e);
	e->offset = at;
	e->raw = s;
	for (; n < t->n && next_cell(&s, t->sep, &cell, &doubled); n++) {
		const struct column *c = &t->column[n];

		if (c->name.n == 0)
			continue;
		if (doubled && (cell = undouble(e, cell)).p == NULL)
			return VG_E_NOMEM;
		rc = vg_event_add_key(e, c->name, c->key, VG_KIND_TEXT, 0, cell);
		if (rc == VG_OK && c->row && cell.n)
			vg_shape_seen(&shape, c->row, e->nfield - 1);
		else if (rc == VG_E_NOMEM)
			return rc;
	}
	if (cut || n != t->n || s.p) {
		e->flags |= VG_EVENT_PARTIAL;
		vg_reader_note(t->r, VG_NOTE_RECORD_CUT, at, "%s",
			       cut ? "a quote that is not closed" : "not as many cells as names");
	}
	if ((rc = vg_shape_finish(&shape, e)) != VG_OK)
		return rc;
	if ((e->flags & VG_EVENT_ZONE_INFERRED) && e->time_ns != VG_TIME_NONE)
		e->time_ns -= (int64_t)t->r->zone_s * VG_SEC;
	if (e->record == 0)
		e->record = number;
	return vg_reader_emit(t->r);
}

/* The next record as a slice of the window; its length, 0 at the end. */
static size_t
next_record(struct table *t, bool *cut)
{
	struct vg_input *in = t->r->in;
	size_t want = 8192, n, end, at = 0;
	bool quoted = false;

	*cut = false;
	for (;;) {
		n = vg_input_peek(in, want);
		if (n == 0)
			return 0;
		if (n > VG_CSV_RECORD_MAX)
			n = VG_CSV_RECORD_MAX;
		if (t->open_quotes > OPEN_QUOTES_MAX) { /* quotes mean nothing in this file */
			end = vg_str_chr(vg_str_mem(in->p, n), '\n');
			end = end == VG_NPOS ? end : end + 1;
		} else {
			end = record_end(vg_str_mem(in->p, n), &at, &quoted);
		}
		if (end != VG_NPOS)
			return end;
		if (n >= VG_CSV_RECORD_MAX || n < want)
			break;
		want = n * 2;
	}
	if (quoted) { /* a quote without its second: its line alone */
		t->open_quotes++;
		*cut = true;
		end = vg_str_chr(vg_str_mem(in->p, n), '\n');
		return end == VG_NPOS ? n : end + 1;
	}
	*cut = n >= VG_CSV_RECORD_MAX;
	return n;
}

static vg_rc
read_table(struct table *t)
{
	struct vg_input *in = t->r->in;
	uint64_t number = 0;
	bool cut;
	size_t n;
	vg_rc rc = VG_OK;

	if (vg_input_peek(in, 3) >= 3 && memcmp(in->p, "\xef\xbb\xbf", 3) == 0)
		vg_input_skip(in, 3);
	while (rc == VG_OK && (n = next_record(t, &cut)) > 0) {
		vg_str s = vg_str_mem(in->p, n);

		if (t->column == NULL) {
			if (!is_preamble(s, &t->sep))
				rc = take_names(t, without_end(s), t->r->event->keys);
		} else if (without_end(s).n) {
			rc = one_row(t, s, in->offset, ++number, cut);
			if (rc == VG_E_NOMEM) {
				vg_reader_note(t->r, VG_NOTE_LIMIT, in->offset,
					       "a record is too large for the memory of one event");
				rc = VG_OK;
			}
		}
		vg_input_skip(in, n);
	}
	return rc != VG_OK ? rc : in->rc;
}

vg_rc
vg_csv_read(struct vg_reader *r)
{
	struct vg_wide wide;
	struct vg_input *plain = r->in;
	struct table t = { .r = r };
	vg_rc rc = vg_wide_open(&wide, plain, &r->in);

	if (rc == VG_OK)
		rc = read_table(&t);
	free(t.column);
	vg_buf_fini(&t.text);
	vg_wide_close(&wide);
	r->in = plain;
	return rc;
}
