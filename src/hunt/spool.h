/* hunt/spool.h - entries that workers leave on disk, and their external sort.  Memory is bounded whatever the input:
 * runs of VG_SORT_RUN_BYTES are sorted in memory, written to an unlinked file, and merged. */
#ifndef VG_HUNT_SPOOL_H
#define VG_HUNT_SPOOL_H

#include "base/buf.h"
#include "base/cur.h"

#define VG_SORT_RUN_BYTES ((size_t)24 << 20)
#define VG_SPOOL_ENTRY_MAX ((size_t)8 << 20)

enum vg_entry_type { VG_ENTRY_FACT, VG_ENTRY_HIT, VG_ENTRY_SEEN, VG_ENTRY_NOTE, VG_ENTRY_GAP, VG_ENTRY_APPLIED, VG_ENTRY_MEMBER,
		     /* from order.c to tell.c alone */ VG_ENTRY_EVENT, VG_ENTRY_SIGNAL, VG_ENTRY_END, VG_ENTRY_TYPES };

/* What leads each entry.  Order: time, file, member, unit, offset, type, rule: the order inside a file is kept, and
 * it does not depend on which worker read what. */
struct vg_entry {
	int64_t time_ns;
	uint32_t file;    /* rank of the path among all inputs */
	uint32_t member;  /* of an archive; 0: the file itself */
	uint32_t unit;    /* which slice of the file */
	uint32_t rule;    /* HIT; else 0 */
	uint64_t offset;  /* in the file or member */
	uint64_t digest;  /* of what the record says: equal in copies of a log */
	uint8_t type;     /* enum vg_entry_type */
	uint8_t last;     /* 1: no more entries of this event follow */
	uint8_t pad[2];
	uint32_t size;    /* of the payload that follows */
};

/* Append an entry. */
void vg_entry_put(struct vg_buf *b, const struct vg_entry *e, vg_str payload);
/* Take one; the payload borrows from @in.  VG_E_TRUNC, VG_E_FORMAT, VG_E_LIMIT. */
vg_rc vg_entry_take(struct vg_cur *in, struct vg_entry *e, vg_str *payload) VG_MUST;

/* A file without a name in $TMPDIR or /tmp, close-on-exec; -1 with errno. */
int vg_spool_open(void);

struct vg_sorter;
/* @fd: where sorted runs go (vg_spool_open); not owned. */
struct vg_sorter *vg_sorter_new(int fd);
void vg_sorter_free(struct vg_sorter *s);
vg_rc vg_sorter_add(struct vg_sorter *s, const struct vg_entry *e, vg_str payload) VG_MUST;
/* All entries in order. @each's slices are good until it returns.  Once only. */
vg_rc vg_sorter_run(struct vg_sorter *s, vg_rc (*each)(void *ctx, const struct vg_entry *e, vg_str payload),
		    void *ctx) VG_MUST;

#endif
