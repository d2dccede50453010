/* net/tail_cut.h - the bytes of a growing file to records: lines, and the records of wtmp and btmp (utmp(5), 384 bytes).
 *
 * A line ends at LF, or where zeros begin: VG_TAIL_ZEROS_MIN or more of them are no text, but what a crash or a truncation under a
 * writer leaves.  A line is never cut because time passed: what has no end waits for it. */
#ifndef VG_NET_TAIL_CUT_H
#define VG_NET_TAIL_CUT_H

#include "base/rc.h"
#include "base/str.h"

#define VG_TAIL_ZEROS_MIN 64
#define VG_TAIL_UTMP_BYTES 384

struct vg_tail_state {
	bool utmp;  /* records of 384 bytes, not lines */
	bool inside; /* within a line whose beginning was given already, or is not wanted: up to its end nothing is given */
	bool zeros; /* within a run of zeros */
	bool last;  /* nothing comes behind these bytes: what has no end is given as it is */
};
struct vg_tail_piece {
	enum vg_tail_kind {
		VG_TAIL_NONE,   /* no whole record; wait for more */
		VG_TAIL_RECORD, /* @bytes */
		VG_TAIL_LONG,   /* @bytes, the first VG_RECORD_RAW_MAX of a longer line: from here on inside it */
		VG_TAIL_EMPTY,  /* a line with nothing in it, or the rest of a long one, with its end */
		VG_TAIL_REST,   /* more of a long line, its end not yet */
		VG_TAIL_ZEROS,  /* zeros, which end a long line too */
	} kind;
	vg_str bytes;
	size_t used; /* bytes of the input that this was; 0 for VG_TAIL_NONE alone */
};
/* The first piece of @in, which may be empty. */
struct vg_tail_piece vg_tail_cut(vg_str in, struct vg_tail_state s);

#endif
