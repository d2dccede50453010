/* vault/levels.h - a whole Merkle tree in memory, so that proofs of many leaves cost little each (vault/merkle.h). */
#ifndef VG_VAULT_LEVELS_H
#define VG_VAULT_LEVELS_H

#include "vault/merkle.h"

struct vg_levels {
	const struct vg_hash *leaf; /* borrowed */
	struct vg_hash *full[VG_TREE_LEVELS]; /* owned, from 1 on: the roots of the full subtrees */
	uint64_t n;
};
vg_rc vg_levels_make(struct vg_levels *t, const struct vg_hash *leaf, uint64_t n) VG_MUST; /* VG_E_NOMEM */
void vg_levels_fini(struct vg_levels *t);
vg_rc vg_levels_subtree(void *levels, unsigned level, uint64_t index, struct vg_hash *out); /* vg_subtree_fn */

#endif
