/* EVTX: the walk over chunks and records, and records as events. */
#include "source/evtx.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf.h"
#include "source/evtx_bin.h"

#define RECORD_HEADER 24
#define RECORD_MIN 28        /* header and the copy of the size */
#define CHUNK_HEADER 512
#define HIDDEN_MIN 32        /* bytes behind a record's XML that may hold another record */
#define CARVED_STEPS 8192    /* nodes of a carved record */
#define CHUNK_BAD_NOTES 64   /* records in doubt that are noted one by one in a chunk */

static const char file_magic[8] = "ElfFile";
static const char chunk_magic[8] = "ElfChnk";
static const char record_magic[4] = "**\0";

static uint32_t
le32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t
le64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int
vg_evtx_probe(vg_str head, bool whole, vg_str filename)
{
	(void)whole;
	if (head.n >= 8 && (memcmp(head.p, file_magic, 8) == 0 || memcmp(head.p, chunk_magic, 8) == 0))
		return 100;
	/* a header that was wiped, with chunks behind it */
	if (head.n >= VG_EVTX_HEADER + 8 && memcmp(head.p + VG_EVTX_HEADER, chunk_magic, 8) == 0)
		return 90;
	return head.n >= VG_EVTX_HEADER && vg_str_ends(filename, VG_STR(".evtx")) &&
			       memchr(head.p, 'E', head.n) != NULL ?
		       10 :
		       0;
}

/* --- the walk --- */

static void
note_bad(struct vg_evtx_walk *w, uint64_t offset, const char *what)
{
	if (w->noted++ < CHUNK_BAD_NOTES)
		vg_reader_note(w->r, VG_NOTE_RECORD_BAD, offset, "%s", what);
	w->have_last = false; /* numbers that are missing behind damage are no gap */
}

/* Numbers are missing between the record before and this one. */
static void
note_gap(struct vg_evtx_walk *w)
{
	struct vg_note n = { .kind = VG_NOTE_GAP, .offset = w->offset, .count = w->id - w->last_id - 1 };
	char from[VG_TIME_MAX] = "?", to[VG_TIME_MAX] = "?";
	int64_t a = vg_time_filetime(w->last_filetime), b = vg_time_filetime(w->filetime);

	if (a != VG_TIME_NONE)
		vg_time_print(a, 0, from);
	if (b != VG_TIME_NONE)
		vg_time_print(b, 0, to);
	snprintf(n.text, sizeof(n.text), "channel=%.*s; from=%llu at %s; to=%llu at %s",
		 VG_STR_ARG(vg_str_cut(w->channel, 56)), (unsigned long long)w->last_id, from,
		 (unsigned long long)w->id, to);
	if (w->r->sink->note)
		w->r->sink->note(w->r->sink->ctx, &n);
}

static uint32_t
id_slot(uint64_t id)
{
	return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 52); /* 4096 */
}

/* Was record @id of this chunk given already?  Remembers it. */
static bool
seen(struct vg_evtx_walk *w, uint64_t id)
{
	uint32_t i = id_slot(id);

	if (w->nseen >= VG_EVTX_SEEN / 2)
		return false;
	while (w->seen[i].gen == w->seen_gen) {
		if (w->seen[i].id == id)
			return true;
		i = (i + 1) & (VG_EVTX_SEEN - 1);
	}
	w->seen[i].id = id;
	w->seen[i].gen = w->seen_gen;
	w->nseen++;
	return false;
}

static bool
record_here(const uint8_t *p, size_t n)
{
	uint32_t size;

	if (n < RECORD_MIN || memcmp(p, record_magic, 4) != 0)
		return false;
	size = le32_at(p + 4);
	return size >= RECORD_MIN && size <= n && le32_at(p + size - 4) == size;
}

/* Where the next record with both its sizes alike begins in [@at, @end); @end when there is none. */
static size_t
next_record(const uint8_t *p, size_t at, size_t end)
{
	while (at + RECORD_MIN <= end) {
		const uint8_t *q = memchr(p + at, '*', end - at);

		if (q == NULL)
			break;
		at = (size_t)(q - p);
		if (record_here(q, end - at))
			return at;
		at++;
	}
	return end;
}

/* Decode the record of @size bytes at @at of the chunk and give it away. */
static vg_rc
one_record(struct vg_evtx_walk *w, const uint8_t *p, size_t at, size_t size, uint64_t base, bool carved)
{
	const struct vg_bx_node *tree;
	size_t used = 0;
	vg_rc rc;

	w->id = le64_at(p + at + 8);
	w->filetime = le64_at(p + at + 16);
	w->offset = base + at;
	w->raw = vg_str_mem(p + at, size);
	w->carved = carved;
	w->used = 0;
	vg_arena_reset(w->tmp);
	if (w->begin)
		w->begin(w);
	vg_bx_record(&w->bx, w->tmp);
	if (carved && w->bx.steps > CARVED_STEPS) { /* debris must not use up what the chunk may take */
		w->bx.chunk_steps += w->bx.steps - CARVED_STEPS;
		w->bx.steps = CARVED_STEPS;
	}
	tree = vg_bx_stream(&w->bx, at + RECORD_HEADER, size - RECORD_MIN, 0, &used);
	if (w->bx.rc != VG_OK)
		return w->bx.rc;
	if (tree == NULL || (tree->kind == BX_INST && tree->next == NULL && tree->inst->node == NULL)) {
		if (!carved)
			note_bad(w, w->offset, w->bx.limit ? "too deep or too large" :
					       tree	   ? "its template cannot be read" :
							     "no binary XML that can be read");
		return VG_OK;
	}
	if (w->r->carve && seen(w, w->id) && carved)
		return VG_OK;
	rc = w->record(w, tree);
	if (rc != VG_OK)
		return rc;
	if (w->bx.limit)
		vg_reader_note(w->r, VG_NOTE_LIMIT, w->offset, "record %llu: too deep or too large",
			       (unsigned long long)w->id);
	else if (w->bx.cut)
		vg_reader_note(w->r, VG_NOTE_RECORD_CUT, w->offset, "record %llu: read in part",
			       (unsigned long long)w->id);
	if (carved)
		return VG_OK;
	if (w->have_last && w->id > w->last_id + 1 && w->last_id + 1 != 0)
		note_gap(w);
	w->last_id = w->id;
	w->last_filetime = w->filetime;
	w->have_last = true;
	w->used = RECORD_HEADER + used;
	return VG_OK;
}

static vg_rc
carve(struct vg_evtx_walk *w, const uint8_t *p, size_t at, size_t end, uint64_t base)
{
	for (;;) {
		vg_rc rc;
		size_t size;

		if ((at = next_record(p, at, end)) >= end)
			return VG_OK;
		size = le32_at(p + at + 4);
		if ((rc = one_record(w, p, at, size, base, true)) != VG_OK)
			return rc;
		at += 8; /* what it covers may hold another one; its id tells them apart */
	}
}

/* A record may be hidden in the slack of the one before, which then is longer than its XML: this is how
 * eventlogedit of DanderSpritz deletes (Fox-IT, 2017). */
static vg_rc
look_behind(struct vg_evtx_walk *w, const uint8_t *p, size_t at, size_t size, uint64_t base)
{
	size_t from = at + w->used, end = at + size - 4, hidden;

	if (w->used == 0 || from + HIDDEN_MIN > end)
		return VG_OK;
	for (hidden = from; hidden + RECORD_HEADER <= end; hidden += 4) {
		const uint8_t *q = memchr(p + hidden, '*', end - hidden);

		if (q == NULL)
			return VG_OK;
		hidden = (size_t)(q - p);
		if (end - hidden < RECORD_HEADER)
			return VG_OK;
		if (memcmp(q, record_magic, 4) == 0 && le32_at(q + 4) <= end + 4 - hidden &&
		    le32_at(q + 4) >= RECORD_MIN)
			break;
		hidden -= 3;
	}
	if (hidden + RECORD_HEADER > end)
		return VG_OK;
	vg_reader_note(w->r, VG_NOTE_ERASED, base + hidden,
		       "record %llu lies hidden in the slack of record %llu, as a tool that deletes records leaves it",
		       (unsigned long long)le64_at(p + hidden + 8), (unsigned long long)w->last_id);
	if (!w->r->carve)
		return VG_OK;
	return one_record(w, p, hidden, le32_at(p + hidden + 4), base, true);
}

static vg_rc
one_chunk(struct vg_evtx_walk *w, const uint8_t *p, size_t n, uint64_t base)
{
	size_t at = CHUNK_HEADER, end, live;
	bool good;
	vg_rc rc;

	w->noted = 0;
	w->nseen = 0;
	w->seen_gen++;
	vg_bx_chunk(&w->bx, p, n);
	good = n >= CHUNK_HEADER && memcmp(p, chunk_magic, 8) == 0;
	if (!good) {
		static const uint8_t zero[64];
		bool empty = n >= 64 && memcmp(p, zero, 64) == 0;

		/* when the first bytes alone are damaged the records are still at their place */
		bool records = n > CHUNK_HEADER + RECORD_MIN &&
			       record_here(p + CHUNK_HEADER, n - CHUNK_HEADER);

		if (!empty || records)
			vg_reader_note(w->r, VG_NOTE_CHUNK_BAD, base, "no chunk header%s",
				       records	   ? "; its records are read all the same" :
				       w->r->carve ? "; records carved" :
						     "");
		w->have_last = w->have_last && empty && !records;
		if (!records)
			return w->r->carve ? carve(w, p, 0, n, base) : VG_OK;
	}
	end = le32_at(p + 48);
	if (end < CHUNK_HEADER || end > n || !good)
		end = n;
	if (good && !(le32_at(p + 120) & 4)) { /* EVTX_CHUNK_NO_CRC32, as evtx-rs names it */
		uint32_t crc = vg_evtx_crc(vg_evtx_crc(0, p, 120), p + 128, CHUNK_HEADER - 128);

		if (crc != le32_at(p + 124))
			vg_reader_note(w->r, VG_NOTE_CHECKSUM, base, "chunk header");
		else if (le32_at(p + 48) == end &&
			 vg_evtx_crc(0, p + CHUNK_HEADER, end - CHUNK_HEADER) != le32_at(p + 52))
			vg_reader_note(w->r, VG_NOTE_CHECKSUM, base, "records of the chunk");
	}
	live = CHUNK_HEADER;
	for (;;) {
		size_t size;

		/* a header that was not written again after its last records: the numbers go on */
		if (at == end && w->have_last && record_here(p + at, n - at) &&
		    le64_at(p + at + 8) == w->last_id + 1)
			end += le32_at(p + at + 4);
		if (at + RECORD_MIN > end)
			break;

		if (memcmp(p + at, record_magic, 4) != 0) {
			size_t next = next_record(p, at, end);

			if (le32_at(p + at) != 0) {
				note_bad(w, base + at, "no record where one should begin");
			} else if (next < end) {
				vg_reader_note(w->r, VG_NOTE_ERASED, base + at,
					       "%zu bytes of zero between records %llu and %llu", next - at,
					       (unsigned long long)w->last_id,
					       (unsigned long long)le64_at(p + next + 8));
				w->have_last = false;
			} else { /* the header says more than there is: exports are so */
				break;
			}
			at = next;
			continue;
		}
		size = le32_at(p + at + 4);
		if (size < RECORD_MIN || size > n - at) {
			note_bad(w, base + at, "its size is not possible");
			at = next_record(p, at + 4, end);
			continue;
		}
		if ((rc = one_record(w, p, at, size, base, false)) != VG_OK ||
		    (rc = look_behind(w, p, at, size, base)) != VG_OK)
			return rc;
		at += size;
		live = at;
	}
	if (w->noted > CHUNK_BAD_NOTES)
		vg_reader_note(w->r, VG_NOTE_LIMIT, base, "%u records of the chunk cannot be read",
			       (unsigned)w->noted);
	return w->r->carve ? carve(w, p, live, n, base) : VG_OK;
}

static void
file_header(struct vg_evtx_walk *w, const uint8_t *p, size_t n)
{
	uint32_t flags;

	if (n < 128)
		return;
	flags = le32_at(p + 120);
	if (flags & 1)
		vg_reader_note(w->r, VG_NOTE_DIRTY, 0, "the log was in use or not closed properly");
	if (!(flags & 4) && vg_evtx_crc(0, p, 120) != le32_at(p + 124))
		vg_reader_note(w->r, VG_NOTE_CHECKSUM, 0, "file header");
}

/* Where a chunk begins in the window, VG_NPOS when none does. */
static size_t
find_chunk(const uint8_t *p, size_t n)
{
	const uint8_t *q = memmem(p, n, chunk_magic, 8);

	return q ? (size_t)(q - p) : VG_NPOS;
}

vg_rc
vg_evtx_walk(struct vg_evtx_walk *w)
{
	struct vg_input *in = w->r->in;
	vg_rc rc = VG_OK;
	size_t n;

	vg_bx_init(&w->bx, w->r->event ? w->r->event->keys : NULL);
	if (w->r->first && (n = vg_input_peek(in, VG_EVTX_HEADER)) >= 8 && memcmp(in->p, chunk_magic, 8) != 0) {
		if (memcmp(in->p, file_magic, 8) == 0)
			file_header(w, in->p, n);
		else
			vg_reader_note(w->r, VG_NOTE_CHUNK_BAD, 0, "no file header");
		vg_input_skip(in, n < VG_EVTX_HEADER ? n : VG_EVTX_HEADER);
	}
	while (rc == VG_OK && in->offset < in->stop && (n = vg_input_peek(in, VG_EVTX_CHUNK)) > 0) {
		n = n < VG_EVTX_CHUNK ? n : VG_EVTX_CHUNK;
		if (w->r->carve && memcmp(in->p, chunk_magic, n < 8 ? n : 8) != 0) {
			size_t at = find_chunk(in->p, n);

			if (at != VG_NPOS) { /* chunks out of step: read up to it, then go on from it */
				rc = one_chunk(w, in->p, at, in->offset);
				vg_input_skip(in, at);
				continue;
			}
		}
		if (n < VG_EVTX_CHUNK && in->p[0] != 0)
			vg_reader_note(w->r, VG_NOTE_TRUNCATED, in->offset, "the last chunk has %zu bytes", n);
		rc = one_chunk(w, in->p, n, in->offset);
		vg_input_skip(in, n);
	}
	vg_bx_fini(&w->bx);
	return rc != VG_OK ? rc : in->rc;
}

/* --- records as events --- */

struct ev {
	struct vg_evtx_walk *w;
	struct vg_event *e;
	vg_rc rc;
	vg_str time_text; /* of TimeCreated, when it is text */
};

static void
ev_add(struct ev *v, vg_str name, uint32_t key, enum vg_kind kind, vg_str value)
{
	vg_rc rc = vg_event_add_key(v->e, name, key, kind, 0, value);

	if (rc == VG_E_NOMEM)
		v->rc = rc;
}

static vg_str
ev_text(struct ev *v, struct vg_bx_value x)
{
	size_t max = vg_bx_text_max(x.type, x.n), n;
	char *t = vg_arena_alloc(v->e->arena, max);

	if (t == NULL) {
		v->rc = VG_E_NOMEM;
		return VG_NIL;
	}
	n = vg_bx_text(x.type, x.p, x.n, t);
	vg_arena_shrink(v->e->arena, t, max, n);
	return vg_str_mem(t, n);
}

static void
ev_sys(struct ev *v, uint8_t what, struct vg_bx_value x, vg_str text)
{
	struct vg_event *e = v->e;
	uint64_t id;

	switch (what) {
	case BX_SYS_PROVIDER:
		if (e->provider.p == NULL)
			e->provider = text;
		break;
	case BX_SYS_CODE:
		if (e->code.p == NULL)
			e->code = text;
		break;
	case BX_SYS_CHANNEL:
		if (e->channel.p == NULL)
			e->channel = text;
		break;
	case BX_SYS_HOST:
		if (e->host.p == NULL)
			e->host = text;
		break;
	case BX_SYS_RECORD:
		if (vg_str_u64(text, &id))
			e->record = id;
		break;
	case BX_SYS_TIME:
		if (e->time_ns != VG_TIME_NONE)
			break;
		e->time_ns = x.type == BX_FILETIME && x.n == 8 ? vg_time_filetime(le64_at(x.p)) :
								vg_time_parse(text, 0);
		break;
	default:
		break;
	}
}

static void ev_nodes(struct ev *v, const struct vg_bx_node *k, const struct vg_bx_inst *in, int depth);

/* The stream that is the value @x. */
static void
ev_binxml(struct ev *v, struct vg_bx_value x, int depth)
{
	struct vg_bx *bx = &v->w->bx;
	size_t used;

	if (x.n == 0)
		return;
	if (depth > VG_BX_DEPTH_MAX) {
		bx->limit = bx->cut = true;
		return;
	}
	ev_nodes(v, vg_bx_stream(bx, (size_t)(x.p - bx->chunk), x.n, depth, &used), NULL, depth);
}

/* One value as one field, or an array as several. */
static void
ev_value(struct ev *v, vg_str name, uint32_t key, uint8_t what, bool keep_null, struct vg_bx_value x, int depth)
{
	struct vg_bx_value item;
	vg_str text;

	if (x.type == BX_BINXML) {
		ev_binxml(v, x, depth + 1);
	} else if (x.type & BX_ARRAY) {
		if (x.n == 0)
			ev_add(v, name, key, VG_KIND_TEXT, VG_STR(""));
		while (vg_bx_item(&x, &item) && vg_bx_step(&v->w->bx, 1))
			ev_add(v, name, key, vg_bx_kind(item.type), ev_text(v, item));
	} else if (x.type == BX_NULL) {
		if (keep_null)
			ev_add(v, name, key, VG_KIND_NULL, VG_STR(""));
	} else {
		text = ev_text(v, x);
		ev_add(v, name, key, vg_bx_kind(x.type), text);
		if (what)
			ev_sys(v, what, x, text);
	}
}

/* Several nodes as one text.  @any: was there something that is not NULL? */
static vg_str
ev_join(struct ev *v, const struct vg_bx_node *k, const struct vg_bx_inst *in, bool *any)
{
	struct vg_buf *b = &v->w->join;

	vg_buf_clear(b);
	*any = false;
	for (; k && vg_bx_step(&v->w->bx, 1); k = k->next) {
		if (k->kind == BX_LIT) {
			vg_buf_put(b, k->text);
			*any = true;
			(void)vg_bx_step(&v->w->bx, (uint32_t)(k->text.n / 64));
		} else if (k->kind == BX_SUB || k->kind == BX_OPT) {
			struct vg_bx_value x = vg_bx_value(in, k->sub), item = x;
			bool array = x.type & BX_ARRAY;

			if (x.type == BX_NULL || x.type == BX_BINXML)
				continue;
			*any = true;
			(void)vg_bx_step(&v->w->bx, x.n / 64u);
			for (bool first = true; array ? vg_bx_item(&x, &item) : first; first = false) {
				size_t max = vg_bx_text_max(item.type, item.n);

				if (array && !first)
					vg_buf_putc(b, ',');
				if (vg_buf_reserve(b, max))
					b->n += vg_bx_text(item.type, item.p, item.n, b->p + b->n);
			}
		}
	}
	if (b->rc != VG_OK)
		v->rc = VG_E_NOMEM;
	return vg_str_dup(v->e->arena, vg_buf_str(b));
}

static void
ev_attr(struct ev *v, const struct vg_bx_attr *a, const struct vg_bx_inst *in, int depth)
{
	const struct vg_bx_node *k = a->node;
	bool any;

	if (k == NULL)
		return;
	if (k->next == NULL && k->kind == BX_LIT) {
		ev_add(v, a->field, a->key, VG_KIND_TEXT, k->text);
		if (a->what)
			ev_sys(v, a->what, (struct vg_bx_value){ 0 }, k->text);
	} else if (k->next == NULL && (k->kind == BX_SUB || k->kind == BX_OPT)) {
		struct vg_bx_value x = vg_bx_value(in, k->sub);

		if (x.type != BX_BINXML)
			ev_value(v, a->field, a->key, a->what, false, x, depth);
	} else {
		vg_str text = ev_join(v, k, in, &any);

		if (any) {
			ev_add(v, a->field, a->key, VG_KIND_TEXT, text);
			if (a->what)
				ev_sys(v, a->what, (struct vg_bx_value){ 0 }, text);
		}
	}
}

/* The name of a Data whose Name is not a literal. */
static vg_str
ev_data_name(struct ev *v, const struct vg_bx_elem *el, const struct vg_bx_inst *in)
{
	const struct vg_bx_attr *a = el->attr;
	bool any;
	vg_str s;
	char *t;
	size_t n = 0;

	while (a && a->name->is != BX_IS_NAME)
		a = a->next;
	s = ev_join(v, a ? a->node : NULL, in, &any);
	if (s.n == 0)
		return el->name->text;
	t = (char *)(uintptr_t)s.p; /* our own copy */
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ')
			t[n++] = s.p[i];
	return vg_str_mem(t, n);
}

static void
ev_elem(struct ev *v, const struct vg_bx_elem *el, const struct vg_bx_inst *in, int depth)
{
	const struct vg_bx_node *k = el->node;
	vg_str name = el->field;
	uint32_t key = el->key;
	bool any;

	if (depth > VG_BX_DEPTH_MAX || !vg_bx_step(&v->w->bx, 1)) {
		v->w->bx.limit = v->w->bx.cut = true;
		return;
	}
	if (el->dep != VG_BX_NO_DEP && vg_bx_value(in, el->dep).type == BX_NULL)
		return; /* MS-EVEN6 2.2.12: left out when what it depends on is NULL */
	for (const struct vg_bx_attr *a = el->attr; a; a = a->next)
		if (a->name->is != BX_IS_XMLNS && !(el->is_data && a->name->is == BX_IS_NAME))
			ev_attr(v, a, in, depth);
	if (el->is_data && el->named && !el->named_text) {
		name = ev_data_name(v, el, in);
		key = vg_keys_find(v->e->keys, name);
	}
	if (k == NULL) {
		if (el->is_data && el->named)
			ev_add(v, name, key, VG_KIND_TEXT, VG_STR(""));
	} else if (el->has_elem) {
		ev_nodes(v, k, in, depth + 1);
	} else if (k->next == NULL && k->kind == BX_LIT) {
		ev_add(v, name, key, VG_KIND_TEXT, k->text);
		if (el->what)
			ev_sys(v, el->what, (struct vg_bx_value){ 0 }, k->text);
	} else if (k->next == NULL && (k->kind == BX_SUB || k->kind == BX_OPT)) {
		ev_value(v, name, key, el->what, el->is_data, vg_bx_value(in, k->sub), depth);
	} else {
		vg_str text = ev_join(v, k, in, &any);

		if (any) {
			ev_add(v, name, key, VG_KIND_TEXT, text);
			if (el->what)
				ev_sys(v, el->what, (struct vg_bx_value){ 0 }, text);
		}
		for (; k; k = k->next) /* streams among them */
			if ((k->kind == BX_SUB || k->kind == BX_OPT) &&
			    vg_bx_value(in, k->sub).type == BX_BINXML)
				ev_binxml(v, vg_bx_value(in, k->sub), depth + 1);
	}
}

static void
ev_nodes(struct ev *v, const struct vg_bx_node *k, const struct vg_bx_inst *in, int depth)
{
	for (; k && v->rc == VG_OK; k = k->next) {
		if (k->kind == BX_ELEM)
			ev_elem(v, k->elem, in, depth);
		else if (k->kind == BX_INST && depth <= VG_BX_DEPTH_MAX && vg_bx_step(&v->w->bx, 1))
			ev_nodes(v, k->inst->node, k->inst, depth + 1);
		else if (k->kind == BX_SUB || k->kind == BX_OPT) {
			struct vg_bx_value x = vg_bx_value(in, k->sub);

			if (x.type == BX_BINXML)
				ev_binxml(v, x, depth + 1);
		}
	}
}

static void
begin_event(struct vg_evtx_walk *w)
{
	vg_event_reset(w->r->event);
}

static vg_rc
emit_event(struct vg_evtx_walk *w, const struct vg_bx_node *tree)
{
	struct vg_event *e = w->r->event;
	struct ev v = { .w = w, .e = e };

	e->record = w->id;
	e->offset = w->offset;
	e->raw = w->raw;
	ev_nodes(&v, tree, NULL, 0);
	if (v.rc != VG_OK) {
		note_bad(w, w->offset, "too large for the memory of one event");
		w->bx.cut = w->bx.limit = false;
		return VG_OK;
	}
	if (e->time_ns == VG_TIME_NONE) {
		e->time_ns = vg_time_filetime(w->filetime);
		if (e->time_ns == VG_TIME_NONE)
			e->flags |= VG_EVENT_TIME_MISSING;
	}
	if (w->carved)
		e->flags |= VG_EVENT_CARVED;
	if (w->bx.cut || e->dropped)
		e->flags |= VG_EVENT_PARTIAL;
	w->channel = vg_str_mem(w->channel_text, e->channel.n < sizeof(w->channel_text) ?
							 e->channel.n : sizeof(w->channel_text));
	if (w->channel.n)
		memcpy(w->channel_text, e->channel.p, w->channel.n);
	return vg_reader_emit(w->r);
}

vg_rc
vg_evtx_read(struct vg_reader *r)
{
	struct vg_evtx_walk *w = calloc(1, sizeof(*w));
	vg_rc rc;

	if (w == NULL)
		return VG_E_NOMEM;
	w->r = r;
	w->tmp = r->event->arena;
	w->begin = begin_event;
	w->record = emit_event;
	rc = vg_evtx_walk(w);
	vg_buf_fini(&w->join);
	free(w);
	return rc;
}
