/* vault/segment.h - a file of one tenant's blocks of one UTC day of arrival, one behind the other and nothing else, so that every byte of
 * it is under the tree.  Named "YYYY-MM-DD.NNNN.vs"; blocks are only added, each synced before the next.
 *
 * What is not a whole block at the end was never acknowledged here (its records still stand in the intake journal) and is cut off,
 * unless the caller knows that as many blocks were: then it is damage, and stays as it is. */
#ifndef VG_VAULT_SEGMENT_H
#define VG_VAULT_SEGMENT_H

#include "vault/block.h"
#include "vault/disk.h"

#define VG_SEGMENT_BLOCKS_MAX 65536
#define VG_SEGMENT_SUFFIX ".vs"

struct vg_segment_block {
	uint64_t at; /* offset of its head */
	struct vg_block_head head;
};
struct vg_segment;
struct vg_segment_damage {
	char name[VG_DISK_NAME_MAX];
	uint64_t at;    /* the first byte that is no whole block's */
	uint64_t block; /* which block should stand there, from 0 */
};
/* The name of part @part of the day that @time_ns lies in. */
void vg_segment_name(int64_t time_ns, unsigned part, char out[VG_DISK_NAME_MAX]);
/* Begin one; its name is sure when this returns. */
vg_rc vg_segment_create(struct vg_disk *d, const char *name, struct vg_segment **out) VG_MUST;
#define VG_SEGMENT_ALL UINT64_MAX
/* Open one and find its blocks, which are on disk then; @sure of them were acknowledged; VG_SEGMENT_ALL: every byte was.  VG_E_FORMAT: damage, told in @damage.  VG_E_NOTFOUND. */
vg_rc vg_segment_open(struct vg_disk *d, const char *name, uint64_t sure, struct vg_segment_damage *damage, struct vg_segment **out) VG_MUST;
void vg_segment_free(struct vg_segment *s);
/* Add what vg_block_finish() made.  VG_OK: it is on disk.  Else it is not there, and may be tried again (VG_E_SYS: errno).  VG_E_LIMIT: begin
 * another one.  VG_E_FORMAT: it is no block. */
vg_rc vg_segment_add(struct vg_segment *s, vg_str block) VG_MUST;
const struct vg_file *vg_segment_file(const struct vg_segment *s); /* for reading; owned by @s */
size_t vg_segment_count(const struct vg_segment *s);
const struct vg_segment_block *vg_segment_at(const struct vg_segment *s, size_t i); /* owned by @s, good until the next one is added */
/* Head and stored bytes of block @i.  VG_E_TRUNC, VG_E_FORMAT: they are not what they were when it was opened. */
vg_rc vg_segment_read(struct vg_segment *s, size_t i, struct vg_buf *out) VG_MUST;

#endif
