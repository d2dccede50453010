/* source/archive.h - evidence that came compressed or packed: gz, xz, zst, bz2, lz4 as one stream; zip, 7z and tar
 * (itself compressed or not) as members, and archives inside archives.  libarchive unpacks, into memory and
 * forward only: nothing is written, and a member's name is a text, never a path. */
#ifndef VG_SOURCE_ARCHIVE_H
#define VG_SOURCE_ARCHIVE_H

#include "source/input.h"

#define VG_ARCHIVE_ENTRIES_MAX 10000                  /* members, those of inner archives too */
#define VG_ARCHIVE_GRACE_BYTES ((uint64_t)1 << 20)    /* unpacked before the ratio counts */
#define VG_ARCHIVE_INNER_BYTES_MAX ((size_t)256 << 20) /* a zip or 7z inside: it is read whole */

struct vg_archive_limits {
	uint64_t bytes;   /* unpacked in all, skipped members that had to be unpacked too; 0: by ratio alone */
	uint32_t ratio;   /* unpacked bytes a packed one, over the grace; 0: 200 */
	uint32_t entries; /* 0: VG_ARCHIVE_ENTRIES_MAX */
	uint32_t depth;   /* archives in one another, the outermost counted; 0: 3 */
	vg_str name;      /* of the archive itself: "auth.log.1.gz" gives its stream the name "auth.log.1" */
};

/* A member: its name, without bytes that act on a terminal ("outer.tar/inner.log"), and its bytes, good until this
 * returns.  @mtime_ns: 0 when the archive does not say.  Not VG_OK ends the walk.  What need not be read
 * need not be peeked at. */
typedef vg_rc vg_archive_entry(void *ctx, vg_str name, struct vg_input *in, int64_t mtime_ns);
/* A member, or a part of it, that is not read: encrypted, a link, damaged, over a limit... */
typedef void vg_archive_refused(void *ctx, vg_str name, const char *why);

/* Once, before the process shuts itself in: libarchive converts the names of zip and 7z to the locale's encoding, and
 * reads that from files.  Without it names beyond ASCII are given as "?". */
void vg_archive_init(void);
/* Do the bytes begin like one of these?  512 bytes are enough. */
bool vg_archive_probe(vg_str head);

/* Give each member of the archive of @n bytes at @map.  VG_E_LIMIT: a limit of @limits ended the walk.
 * VG_E_FORMAT: it, or a member, is damaged, and what follows the damage in it was not read.  VG_E_NOMEM, or what @entry returned.
 * @refused was told in each case but the last two. */
vg_rc vg_archive_each(const void *map, size_t n, const struct vg_archive_limits *limits, vg_archive_entry *entry,
		      vg_archive_refused *refused, void *ctx) VG_MUST;

#endif
