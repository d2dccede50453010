/* source/evidence.h - one file of evidence, whatever it is: one stream of a known format, or an archive of streams. */
#ifndef VG_SOURCE_EVIDENCE_H
#define VG_SOURCE_EVIDENCE_H

#include "source/format.h"

#define VG_ARCHIVE_DEPTH_MAX 3
#define VG_ARCHIVE_RATIO_MAX 200
#define VG_ARCHIVE_BYTES_MAX ((uint64_t)64 << 30) /* unpacked */

struct vg_stream {
	const struct vg_format *format;
	struct vg_input *in;  /* good until the callback returns */
	vg_str name;
	int64_t mtime_ns;     /* of the member where the archive says it, else of the file */
	uint32_t member;      /* from 1; 0: the file itself */
	vg_str inside;        /* the member's name, safe to show as ARCHIVE!NAME; empty for the file itself and for one that is only compressed */
};
struct vg_evidence {
	int fd;               /* not owned */
	uint64_t size;
	vg_str name;
	int64_t mtime_ns;
	void *ctx;
	/* Each stream of a known format.  Not VG_OK ends the walk, and is what vg_evidence_each() gives. */
	vg_rc (*stream)(void *ctx, const struct vg_stream *s);
	/* A member, or a part of it, that is not read: no known format, encrypted, over a limit...  The name is safe to show. */
	void (*refused)(void *ctx, vg_str name, const char *why);
	bool archive;         /* out: it is one */
};
/* An empty file is VG_OK without a stream.  VG_E_UNSUP: no known format.  For archives also what vg_archive_each() gives, VG_E_SYS
 * when it cannot be mapped.  Call vg_archive_init() before a sandbox closes. */
vg_rc vg_evidence_each(struct vg_evidence *e) VG_MUST;

#endif
