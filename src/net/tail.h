/* net/tail.h - follows the files that other programs write their logs to, and brings their records to the gate.
 *
 * A record is a line without its LF, or a record of wtmp or btmp (net/tail_cut.h).  Its id is "file:DEVICE:INODE:BIRTH:OFFSET:CRC", of its
 * first byte; BIRTH tells the file from an earlier one with its inode, and one more each time it begins anew; CRC is that of the bytes,
 * so that an id never names two records.  What is read again after a crash has the same ids, also when it is read in a copy (copy and
 * truncation): there they are those of the file that was copied.
 *
 * Rotation: a file that was renamed is read to its end before the one that took its place is begun, also when that happened while nobody
 * was looking, several times over, or by copy and truncation, as long as what was rotated is there uncompressed.
 *
 * A file whose bytes are not those that were read any more is told by a record of its own, from the speaker "HOST:vigie-tail", and
 * then read from its beginning under new ids.  These records are JSON with "vigie":
 *   file-changed  what: "truncated", "edited" (in place), "replaced" (by a file that is no rotation), "deleted"
 *   file-gone     it was rotated and compressed, or removed, before it was known to be read to its end
 *   file-skipped  bytes that were not read: the file was too large when first seen
 *   file-zeros    a run of zeros, which is no text
 *   file-limit    there are more files than can be followed
 * An edit is seen when it reaches into the last VG_TAIL_WINDOW bytes before the place, or moves them.
 *
 * Needs, in a sandbox: openat, statx, getdents64, pread64, lseek, close, inotify_init1, inotify_add_watch, read, eventfd2, write, fstat
 * and newfstatat (glob, opendir), and reading the folders (links are followed as far as that goes); a file is one descriptor. */
#ifndef VG_NET_TAIL_H
#define VG_NET_TAIL_H

#include "base/buf.h"
#include "net/gate.h"
#include "net/loop.h"
#include "net/tail_place.h"

#define VG_TAIL_TURN_BYTES ((size_t)256 << 10)     /* of a file, before the next one has its turn */
#define VG_TAIL_ROUND_BYTES ((size_t)1 << 20)      /* before the rest of the loop has its turn */
#define VG_TAIL_FIRST_BYTES ((uint64_t)64 << 20)   /* of a file never seen before, its last */
#define VG_TAIL_FOLDERS_MAX 64                     /* watched by inotify; in others changes are seen by looking, each second */
#define VG_TAIL_GLOBS_MAX 256
#define VG_TAIL_ROTATED_IDLE_S 3600                /* a rotated file that did not grow for so long is left */

extern const char *const vg_tail_globs[]; /* what there is on most machines; ends with NULL */

struct vg_tail_options {
	const char *const *glob; /* absolute patterns of glob(7), ends with NULL; borrowed as long as the tail lives.  NULL: vg_tail_globs */
	vg_str tenant, host;     /* copied */
	uint64_t first_bytes;    /* 0: VG_TAIL_FIRST_BYTES */
	void (*followed)(void *ctx); /* one more file is followed: its place should be kept soon, for it may be renamed while nobody looks.  NULL: nobody asks */
	void *ctx;
};
struct vg_tail_counts {
	unsigned files;      /* followed now, rotated ones included */
	unsigned unreadable; /* matched in the last look around, and not allowed */
	char denied[200];    /* one of those; cut when it is longer */
	unsigned over;       /* not followed: over a limit of files, sources or memory */
	uint64_t failed;     /* readings that the system refused; tried again when the file changes */
	uint64_t changed;    /* found truncated, edited, replaced, deleted */
	uint64_t zeros;      /* bytes of zeros passed over */
	uint64_t skipped;    /* bytes not read: see file-skipped */
};
struct vg_tail;
/* @places: of vg_tail_places() in an earlier run; empty: there was none.  It begins in the loop's next turn.  The loop has a timer of it for
 * good: it is not run any more after vg_tail_free().  VG_E_FORMAT, VG_E_TRUNC, VG_E_LIMIT: @places are none.  VG_E_LIMIT: too many globs;
 * VG_E_FORMAT: one that is not absolute.  VG_E_NOMEM, VG_E_SYS. */
vg_rc vg_tail_new(struct vg_loop *l, const struct vg_gate *g, const struct vg_tail_options *o, vg_str places, struct vg_tail **out) VG_MUST;
void vg_tail_free(struct vg_tail *t); /* NULL is nothing */
void vg_tail_room(struct vg_tail *t); /* the gate takes again */
/* The gate has kept the first @taken records that it took. */
void vg_tail_kept(struct vg_tail *t, uint64_t taken);
/* Where the next run goes on: behind what was kept.  @out is cleared first. */
void vg_tail_places(const struct vg_tail *t, struct vg_buf *out);
void vg_tail_count(const struct vg_tail *t, struct vg_tail_counts *out);

#endif
