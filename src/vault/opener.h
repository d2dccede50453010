/* vault/opener.h - opens blocks where they stand in a segment, in any order.  A small one is compressed behind a prefix: the raw bytes of the blocks
 * under the same key that stand before it in the segment, one behind the other, and of these the first as many as its head says.  (Of another key's
 * it may have none: keys are destroyed one by one.)  Whoever goes through a segment opens what the prefix comes from once, and keeps it. */
#ifndef VG_VAULT_OPENER_H
#define VG_VAULT_OPENER_H

#include "vault/block.h"
#include "vault/disk.h"

struct vg_opener_prefix { /* of the blocks of one key */
	bool used;
	uint32_t key;
	uint64_t next;     /* head of the first block of the segment that was not asked */
	unsigned blocks;   /* whose bytes are in it */
	bool broken;       /* the one at @next cannot be opened: there is no more of it */
	struct vg_buf raw; /* up to VG_BLOCK_PREFIX_MAX */
};
struct vg_opener { /* zeroed at first */
	struct vg_block_opener block;
	struct vg_opener_prefix prefix[VG_CLASSES_MAX]; /* a segment has no more keys, when all is well */
	unsigned evict;
	bool by_prefix;     /* the last block that could not be opened: perhaps its prefix is to blame, that is, a block before it is missing or another one */
	uint64_t broken_at; /* then: the one that cannot be opened itself; UINT64_MAX: none is known */
};
/* The payload of the block at @at of the segment @f.  Errors are those of vg_block_open(), and VG_E_FORMAT: a block that its prefix comes from cannot
 * be opened, or there are too few; @o->by_prefix.  Else those of reading. */
vg_rc vg_opener_open(struct vg_opener *o, const struct vg_file *f, uint64_t at, const struct vg_block_head *h, vg_str head, vg_str stored, const uint8_t *key,
		     struct vg_buf *payload) VG_MUST;
/* What a block at @at, behind all others, may have as its prefix: of no more than @blocks blocks.  Owned by @o, good until it is called again. */
vg_rc vg_opener_prefix(struct vg_opener *o, const struct vg_file *f, uint64_t at, uint32_t number, const uint8_t *key, unsigned blocks, vg_str *out) VG_MUST;
void vg_opener_forget(struct vg_opener *o); /* before a block of another segment */
void vg_opener_fini(struct vg_opener *o);

#endif
