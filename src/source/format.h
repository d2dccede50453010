/* source/format.h - bytes to events.  One row a format: how it is told from its first bytes, and how it is
 * read.  A reader gives each event to a sink, and each thing it could not read to the sink's note. */
#ifndef VG_SOURCE_FORMAT_H
#define VG_SOURCE_FORMAT_H

#include "event/event.h"
#include "source/input.h"

#define VG_LINE_MAX ((size_t)1 << 20) /* bytes of one line of a text format */
#define VG_PROBE_BYTES 65536          /* what a probe may look at */

/* Something that was not read, or read in doubt.  Counted a kind and file, and shown to the user. */
struct vg_note {
	enum vg_note_kind {
		VG_NOTE_RECORD_BAD,   /* a record that could not be decoded */
		VG_NOTE_RECORD_CUT,   /* decoded in part */
		VG_NOTE_CHUNK_BAD,    /* a chunk, page or block that could not be read */
		VG_NOTE_CHECKSUM,     /* bytes that do not match their checksum; read all the same */
		VG_NOTE_LINE_LONG,    /* a line over the limit, cut */
		VG_NOTE_DIRTY,        /* the file was not closed properly */
		VG_NOTE_TRUNCATED,    /* the file ends inside an object */
		VG_NOTE_UNKNOWN,      /* lines or objects of no known shape */
		VG_NOTE_GAP,          /* record numbers are missing inside one file */
		VG_NOTE_LIMIT,        /* a limit was met: what is beyond it was not read */
		VG_NOTE_ERASED,       /* zeroed or overwritten records where there should be some (wtmp, journal) */
		VG_NOTE_KINDS
	} kind;
	uint64_t offset;
	uint64_t count;   /* how many; 0 means 1 */
	char text[160];   /* what was wrong, for a person; English, one line */
};
const char *vg_note_name(enum vg_note_kind kind); /* "record-bad"...: for counters and JSON */

struct vg_sink {
	void *ctx;
	/* The event and all it points to are good until this returns.  Not VG_OK ends the reading. */
	vg_rc (*event)(void *ctx, struct vg_event *e);
	void (*note)(void *ctx, const struct vg_note *n);
};

struct vg_packs;
struct vg_reader {
	struct vg_input *in;
	const struct vg_sink *sink;
	struct vg_event *event; /* prepared with keys and an arena; a reader resets and fills it */
	const struct vg_packs *packs; /* may be NULL: then nothing is recognised */
	bool carve;             /* also read what was deleted or damaged, flagged */
	int64_t ref_ns;         /* when the file was last written: what a record without a year is near to */
	int zone_s;             /* offset of times without one, seconds east of UTC */
	vg_str name;            /* the file's name, for guesses ("btmp" against "wtmp") */
	bool first;             /* the unit begins at the input's first byte: header lines are here */
};

/* How a file may be cut into units that are read apart. */
enum vg_split {
	VG_SPLIT_NONE,
	VG_SPLIT_LINES,  /* at any line's begin */
	VG_SPLIT_CHUNKS, /* EVTX: at 4096 + n * 65536 */
};

struct vg_format {
	const char *name;
	/* How sure: 0 not this format, 100 certain (a magic number).  @head is the beginning of the input,
	 * at most VG_PROBE_BYTES; @whole: there is no more. */
	int (*probe)(vg_str head, bool whole, vg_str filename);
	/* Read the unit to its end.  Not VG_OK only when nothing more can be read: what was read before
	 * stands.  What is wrong with one record is a note, not a failure. */
	vg_rc (*read)(struct vg_reader *r);
	enum vg_split split;
	const char *spec; /* where the format is written down */
};

/* All formats, in the order that a tie is decided in; ends with a NULL name. */
extern const struct vg_format vg_formats[];
/* The surest; NULL when none is over 0. */
const struct vg_format *vg_format_probe(vg_str head, bool whole, vg_str filename);
const struct vg_format *vg_format_find(vg_str name);

/* For readers: give the event to the packs, then to the sink. */
vg_rc vg_reader_emit(struct vg_reader *r) VG_MUST;
/* For readers: note something. */
void vg_reader_note(struct vg_reader *r, enum vg_note_kind kind, uint64_t offset, const char *fmt, ...)
	VG_PRINTF(4, 5);

/* Decoders that several readers share.  Each appends fields to @e and sets what it learns of time, host... */
/* One JSON object: nested names joined by dots, arrays as repeated names, known shapes (evtx_dump,
 * Winlogbeat, NXLog, Wazuh...) brought to native names. */
vg_rc vg_json_event(vg_str text, struct vg_event *e) VG_MUST;
/* One Windows <Event> in XML. */
vg_rc vg_winxml_event(vg_str text, struct vg_event *e) VG_MUST;
/* key=value pairs: separated by blanks (or @sep when not 0), values bare or in " or ' quotes with
 * backslash escapes; @prefix goes before each name. */
vg_rc vg_kv_fields(vg_str text, char sep, vg_str prefix, struct vg_event *e) VG_MUST;

#endif
