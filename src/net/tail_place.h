/* net/tail_place.h - how far a file was read, kept from one run to the next, and what proves that what was read is still there.
 *
 * The bytes, little-endian: "VGTAIL1\n", u32 files, and for each: u8 flags, u64 inode, u64 birth_ns, then of
 * the name u64 device, u64 inode, u64 birth_ns; u32 cut, u64 at, i64 mtime_ns, 16 bytes of sum, u32 length, the path;
 * then the CRC-32 (zlib) of all before it. */
#ifndef VG_NET_TAIL_PLACE_H
#define VG_NET_TAIL_PLACE_H

#include "base/buf.h"
#include "base/cur.h"

#define VG_TAIL_FILES_MAX 1024
#define VG_TAIL_PATH_MAX 4095
#define VG_TAIL_WINDOW 4096 /* bytes before the place whose sum is kept */
#define VG_TAIL_SUM_BYTES 16

enum {
	VG_TAIL_IN_LINE = 1, /* at a place within a long line, of which no more is wanted */
	VG_TAIL_ROTATED = 2, /* no longer the file that has the path */
	VG_TAIL_COPY = 4,    /* a copy of it, made before it was truncated: it does not grow */
	VG_TAIL_DONE = 8,    /* read to its end */
	VG_TAIL_FLAGS = 15
};
struct vg_tail_place {
	uint64_t ino;
	uint64_t birth_ns; /* tells it from an earlier file with its inode; 0: not known */
	struct {           /* what its records are named by: the same, but of a copy those of the file that was copied */
		uint64_t dev, ino, birth_ns;
	} name;
	uint32_t cut;      /* how often it began anew: truncated, or edited */
	uint64_t at;       /* the first byte not read */
	int64_t mtime_ns;  /* its last change that we know of */
	uint8_t sum[VG_TAIL_SUM_BYTES]; /* of the last VG_TAIL_WINDOW bytes before @at, or of all when they are less */
	uint8_t flags;
};
void vg_tail_sum(const void *p, size_t n, uint8_t out[VG_TAIL_SUM_BYTES]); /* BLAKE2b */
static inline size_t
vg_tail_window(const struct vg_tail_place *p)
{
	return p->at < VG_TAIL_WINDOW ? (size_t)p->at : VG_TAIL_WINDOW;
}

/* The bytes before the place in @fd, are they those that were read? */
bool vg_tail_place_holds(int fd, const struct vg_tail_place *p);

/* Writing: _begin, then _put a file, at most VG_TAIL_FILES_MAX, then _end.  @b is cleared first. */
void vg_tail_places_begin(struct vg_buf *b);
void vg_tail_places_put(struct vg_buf *b, vg_str path, const struct vg_tail_place *p);
void vg_tail_places_end(struct vg_buf *b);
/* Each place in @bytes, in order.  VG_E_FORMAT, VG_E_TRUNC, VG_E_LIMIT: they are none, and @each was not called; VG_E_UNSUP: of a later version. */
typedef vg_rc vg_tail_place_fn(void *ctx, vg_str path, const struct vg_tail_place *p);
vg_rc vg_tail_places_take(vg_str bytes, vg_tail_place_fn *each, void *ctx) VG_MUST;

#endif
