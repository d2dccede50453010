#include "source/format.h"

#include <stdarg.h>
#include <stdio.h>

#include "source/formats.h"
#include "source/pack.h"

const char *
vg_note_name(enum vg_note_kind kind)
{
	static const char *const names[VG_NOTE_KINDS] = {
		[VG_NOTE_RECORD_BAD] = "record-bad", [VG_NOTE_RECORD_CUT] = "record-cut",
		[VG_NOTE_CHUNK_BAD] = "chunk-bad",   [VG_NOTE_CHECKSUM] = "checksum",
		[VG_NOTE_LINE_LONG] = "line-long",   [VG_NOTE_DIRTY] = "dirty",
		[VG_NOTE_TRUNCATED] = "truncated",   [VG_NOTE_UNKNOWN] = "unknown",
		[VG_NOTE_GAP] = "gap",               [VG_NOTE_LIMIT] = "limit",
		[VG_NOTE_ERASED] = "erased",
	};

	return (unsigned)kind < VG_NOTE_KINDS ? names[kind] : "note";
}

const struct vg_format *
vg_format_probe(vg_str head, bool whole, vg_str filename)
{
	const struct vg_format *best = NULL;
	int most = 0;

	for (const struct vg_format *f = vg_formats; f->name; f++) {
		int sure = f->probe(head, whole, filename);

		if (sure > most) {
			most = sure;
			best = f;
		}
	}
	return best;
}

const struct vg_format *
vg_format_find(vg_str name)
{
	for (const struct vg_format *f = vg_formats; f->name; f++)
		if (vg_str_eq(vg_str_of(f->name), name))
			return f;
	return NULL;
}

vg_rc
vg_reader_emit(struct vg_reader *r)
{
	vg_rc rc;

	if (r->packs) {
		if ((rc = vg_packs_apply(r->packs, r->event)) != VG_OK && rc != VG_E_LIMIT)
			return rc;
		/* correlations group by it, whatever made the event */
		if (r->event->host.n)
			(void)vg_event_add_known(r->event, VG_K_HOST_NAME, VG_KIND_TEXT, r->event->host);
	}
	return r->sink->event(r->sink->ctx, r->event);
}

void
vg_reader_note(struct vg_reader *r, enum vg_note_kind kind, uint64_t offset, const char *fmt, ...)
{
	struct vg_note n = { .kind = kind, .offset = offset, .count = 1 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(n.text, sizeof(n.text), fmt, ap);
	va_end(ap);
	if (r->sink->note)
		r->sink->note(r->sink->ctx, &n);
}
