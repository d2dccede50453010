/* event/event.h - one log record, decoded.  A source makes it, a pack adds what it knows, rules read it.
 * Everything in it is borrowed: from the input, from the event's arena, from the packs; it is good until
 * the sink returns. */
#ifndef VG_EVENT_EVENT_H
#define VG_EVENT_EVENT_H

#include "base/arena.h"
#include "base/time.h"
#include "event/keys.h"

#define VG_EVENT_FIELDS_MAX 4096

enum vg_kind {
	VG_KIND_TEXT, /* UTF-8 where the source could make it so; any bytes, NUL included */
	VG_KIND_INT,  /* value is its decimal text, or hexadecimal where the source wrote it so */
	VG_KIND_FLOAT,
	VG_KIND_BOOL, /* "true" or "false" */
	VG_KIND_NULL, /* the name is there, the value is not: value is empty */
	VG_KIND_BYTES, /* value is upper-case hexadecimal */
};

enum vg_field_flag {
	VG_FIELD_ADDED = 1, /* a pack added it (ECS names, aliases): keywords never search it */
};

struct vg_field {
	vg_str name;  /* as the source wrote it; nested names joined by dots */
	vg_str value; /* text, whatever the kind: Sigma compares text */
	uint32_t key; /* VG_KEY_NONE when nobody speaks of the name */
	uint8_t kind; /* enum vg_kind */
	uint8_t flags;
};

/* What Sigma calls a log source.  An empty part is one that the event does not have. */
struct vg_logsource {
	vg_str product, category, service;
};

enum vg_event_flag {
	VG_EVENT_CARVED = 1,        /* from slack or a damaged chunk, on demand only */
	VG_EVENT_PARTIAL = 2,       /* the record could not be read whole */
	VG_EVENT_YEAR_INFERRED = 4, /* the record has no year: the nearest that fits was taken */
	VG_EVENT_ZONE_INFERRED = 8, /* the record has no zone: UTC, or the one given, was taken */
	VG_EVENT_TIME_MISSING = 16, /* time_ns is that of the record before it, or VG_TIME_NONE */
};

struct vg_event {
	int64_t time_ns; /* as the source claims it; VG_TIME_NONE when it claims none */
	uint64_t record; /* the record's own number (EVTX), else its place in what is read: line, entry; from 1 */
	uint64_t offset; /* of its first byte in the file, or in the decompressed stream */
	vg_str raw;      /* the record's bytes as found; for a binary format may be empty */

	/* what every event has under one name; each also stands among the fields, natively */
	vg_str host;     /* the computer that the record names */
	vg_str channel;  /* Windows channel; for others the program or the log's name */
	vg_str provider;
	vg_str code;     /* EventID, message id: text */

	const struct vg_logsource *ls; /* all that apply; stable: the same pointer for the same kind of event */
	uint32_t nls;
	uint32_t flags;  /* enum vg_event_flag */
	const char *pack; /* the pack that knew it; NULL when none did */

	struct vg_field *field; /* in order; a name may repeat (several values) */
	uint32_t nfield, cap;
	uint32_t dropped; /* fields over VG_EVENT_FIELDS_MAX, counted */
	struct vg_arena *arena; /* reset by whoever made the event, before the next one */
	const struct vg_keys *keys;
};

/* An empty event; the arena stays, and is reset. */
void vg_event_reset(struct vg_event *e);
void vg_event_init(struct vg_event *e, struct vg_arena *a, const struct vg_keys *keys);

vg_rc vg_event_grow(struct vg_event *e) VG_MUST; /* room for one more field */
/* Append a field; @key as vg_keys_find() gives it.  VG_E_LIMIT: over VG_EVENT_FIELDS_MAX, counted in
 * dropped; the event goes on without it. */
static inline vg_rc
vg_event_add_key(struct vg_event *e, vg_str name, uint32_t key, enum vg_kind kind, uint8_t flags,
		 vg_str value)
{
	vg_rc rc;

	if (VG_UNLIKELY(e->nfield == e->cap) && (rc = vg_event_grow(e)) != VG_OK)
		return rc;
	e->field[e->nfield++] = (struct vg_field){ name, value, key, (uint8_t)kind, flags };
	return VG_OK;
}
/* The same, looking the key up. */
vg_rc vg_event_add(struct vg_event *e, vg_str name, enum vg_kind kind, vg_str value);
/* A name that a pack adds: not added when the event has it with a value already. */
vg_rc vg_event_add_known(struct vg_event *e, enum vg_known_key key, enum vg_kind kind, vg_str value);

/* The first field of that key or name; NULL when there is none. */
const struct vg_field *vg_event_find(const struct vg_event *e, uint32_t key);
const struct vg_field *vg_event_find_name(const struct vg_event *e, vg_str name);
/* Its value, { NULL, 0 } when there is none. */
vg_str vg_event_get(const struct vg_event *e, uint32_t key);

#endif
