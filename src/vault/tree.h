/* vault/tree.h - a tenant's tree on disk, as C2SP tlog-tiles lays it out: tile L/N holds the roots of 256 full subtrees of level 8 L, from
 * number 256 N on, 32 bytes each.  A full tile is "tile/L/NNN" and never changes; one with W hashes is "tile/L/NNN.p/W", made at a
 * checkpoint.  NNN is N in groups of three digits, all but the last with an x before: 1234067 is x001/x234/067.
 *
 * All of it follows from the heads of the blocks, in order.  So names are not synced: what a failure of power takes is made anew by
 * adding the leaves again; vg_tree_open() says from which on. */
#ifndef VG_VAULT_TREE_H
#define VG_VAULT_TREE_H

#include "vault/disk.h"
#include "vault/merkle.h"

#define VG_TILE_HASHES 256
#define VG_TILE_LEVELS 8
#define VG_TILE_PATH_MAX 96

/* "tile/0/x001/234", and with ".p/W" when @w is not 0. */
void vg_tile_path(unsigned level, uint64_t tile, uint32_t w, char out[VG_TILE_PATH_MAX]);

struct vg_tree;
#define VG_TREE_KEPT_MAX 4096 /* tiles of one that is read only: 2^20 leaves beyond what has tiles */
/* The tree in @d's folder, which "tile" stands in or is made in.  @size: what it then has: as many leaves as whole tiles can
 * vouch for; the caller adds those that follow.  @d outlives the tree; when it is read only, tiles that are not there yet are kept in memory
 * (VG_E_LIMIT: too many). */
vg_rc vg_tree_open(struct vg_disk *d, uint64_t *size, struct vg_tree **out) VG_MUST;
void vg_tree_free(struct vg_tree *t);
/* VG_E_SYS: a full tile could not be written (errno); the leaf is not added, and may be again. */
vg_rc vg_tree_add(struct vg_tree *t, const struct vg_hash *leaf) VG_MUST;
uint64_t vg_tree_size(const struct vg_tree *t);
/* Write what stands in tiles that are not full, for others to read beside a checkpoint of this size; those of earlier sizes go. */
vg_rc vg_tree_write_partial(struct vg_tree *t) VG_MUST;
/* Of this tree (vg_subtree_fn, for vg_prove_inclusion() and the others).  VG_E_NOTFOUND: it is not full yet. */
vg_rc vg_tree_subtree(void *tree, unsigned level, uint64_t index, struct vg_hash *out);

#endif
