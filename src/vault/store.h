/* vault/store.h - one tenant's evidence: its segments, the tree over their blocks, its keys, and what the last checkpoint said.  All of it
 * lies in one folder:
 *   YYYY-MM-DD.NNNN.vs   segments (vault/segment.h), in the order of their first record's number
 *   tile/...             the tree (vault/tree.h)
 *   keys/...             day keys, wrapped (vault/keyring.h)
 *   checkpoint           the last signed note
 *
 * A block holds records of one class of retention, so blocks of several are open at a time; a day has a key a class.  Records are added in order of seq; they are in the vault's custody from the intake journal until the block that holds them is cut. */
#ifndef VG_VAULT_STORE_H
#define VG_VAULT_STORE_H

#include "vault/checkpoint.h"
#include "vault/destruction.h"
#include "vault/keyring.h"
#include "vault/note.h"
#include "vault/segment.h"
#include "vault/tree.h"

#define VG_CHECKPOINT_FILE "checkpoint"
#define VG_SEGMENT_BYTES ((uint64_t)256 << 20) /* another one is begun over this */
#define VG_STORE_SEGMENTS_MAX 100000

struct vg_store_damage { /* the first thing that is wrong, for a person */
	char name[VG_DISK_NAME_MAX];
	uint64_t at;
	char what[160];
};
struct vg_store_segment {
	char name[VG_DISK_NAME_MAX];
	uint64_t first_leaf, leaves;
	uint64_t first_seq, last_seq;
	int64_t first_ns, last_ns; /* arrival */
	uint64_t bytes;
};
struct vg_store;
/* Open the store in @d's folder; a new one is made in an empty folder.  @tenant_key: NULL to keep it unencrypted (tests).  What power
 * ended is made sound.  VG_E_FORMAT: damage, told in @damage.  @d outlives the store. */
vg_rc vg_store_open(struct vg_disk *d, const char *origin, const uint8_t *tenant_key, struct vg_store_damage *damage, struct vg_store **out) VG_MUST;
/* Another segment is begun over @bytes instead of VG_SEGMENT_BYTES. */
void vg_store_set_segment_bytes(struct vg_store *s, uint64_t bytes);
void vg_store_free(struct vg_store *s); /* what was not cut is gone: it stands in the intake journal */

/* Take a record whose number is above all others'; ones that are here already are passed over (VG_OK).  A full block, and one of another
 * day, is cut first: then the errors of vg_store_cut(), and the record was not taken. */
vg_rc vg_store_add(struct vg_store *s, const struct vg_record *r) VG_MUST;
/* Put what was taken on disk, and under the tree.  VG_E_SYS (errno): nothing changed; try again. */
vg_rc vg_store_cut(struct vg_store *s) VG_MUST;
/* The number after the last record that is on disk. */
uint64_t vg_store_next(const struct vg_store *s);
/* Bytes and records taken and not cut. */
size_t vg_store_waiting(const struct vg_store *s);

/* What a checkpoint says of the tree as it is; epoch and time are the caller's. */
vg_rc vg_store_root(struct vg_store *s, struct vg_checkpoint *out) VG_MUST;
/* That the tree of @old leaves, whose root was @root, only grew since.  VG_E_REFUSED: it did not. */
vg_rc vg_store_is_grown(struct vg_store *s, uint64_t old, const struct vg_hash *root) VG_MUST;
/* That the tree as it is only adds to that of @old leaves, whose root was @root.  VG_E_NOTFOUND: it has fewer. */
vg_rc vg_store_prove(struct vg_store *s, uint64_t old, struct vg_hash *root, struct vg_proof *out) VG_MUST;
/* Keep a signed checkpoint, for others to read; and the tiles that it needs.  VG_E_FORMAT: it is none, or not of this tree, and would be refused when
 * the store is next opened; who signed is not looked at. */
vg_rc vg_store_publish(struct vg_store *s, vg_str note) VG_MUST;
/* The last one that was kept; size 0 and the root of nothing when there is none. */
const struct vg_checkpoint *vg_store_last(const struct vg_store *s);

size_t vg_store_segments(const struct vg_store *s);
const struct vg_store_segment *vg_store_segment(const struct vg_store *s, size_t i); /* in order; NULL behind the last */
struct vg_keyring *vg_store_keys(struct vg_store *s); /* NULL: unencrypted */

/* All blocks under key @number, for its certificate. */
vg_rc vg_store_under(struct vg_store *s, uint32_t number, struct vg_destroyed *out) VG_MUST;
/* The key is destroyed: make the stored bytes of its blocks zero, and give their place back.  Their heads stay, and so does the tree.  May be done
 * again, when something ended it.  @last_of: called with each segment of which no block can be read any more; NULL. */
vg_rc vg_store_erase(struct vg_store *s, uint32_t number, void (*last_of)(void *ctx, const char *segment), void *ctx) VG_MUST;

/* What the last checkpoint in @d, a tenant's folder, says: below that number every record of the tenant stands in segments.  1: nobody says. */
uint64_t vg_store_outside(struct vg_disk *d);

/* How hard blocks are compressed: zstd's level; 0 is the writer's own choice. */
void vg_store_set_level(struct vg_store *s, int level);
/* Called behind each block that is on disk: what indexes it.  @key: NULL when it is not encrypted. */
typedef void vg_store_block_fn(void *ctx, const struct vg_store_segment *g, const struct vg_segment_block *b, vg_str payload, const uint8_t *key);
void vg_store_on_block(struct vg_store *s, vg_store_block_fn *fn, void *ctx);

#endif
