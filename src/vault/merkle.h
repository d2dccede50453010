/* vault/merkle.h - the Merkle tree of RFC 6962, section 2.1: a leaf is SHA-256(0x00 || data), a node SHA-256(0x01 || left || right),
 * the root of no leaves SHA-256("").  What a proof is made from is asked for by a callback, so that it may lie on disk; what
 * checks a proof stands on nothing but the hashes it is given. */
#ifndef VG_VAULT_MERKLE_H
#define VG_VAULT_MERKLE_H

#include "base/rc.h"
#include "base/str.h"

#define VG_HASH_BYTES 32
#define VG_TREE_LEVELS 64 /* of a tree of 2^63 leaves */
#define VG_PROOF_MAX 128  /* hashes of the longest proof */

struct vg_hash {
	uint8_t b[VG_HASH_BYTES];
};
static inline bool
vg_hash_eq(const struct vg_hash *a, const struct vg_hash *b)
{
	return memcmp(a->b, b->b, VG_HASH_BYTES) == 0;
}
void vg_hash_of(vg_str data, struct vg_hash *out); /* SHA-256, nothing before it */
void vg_leaf_hash(vg_str data, struct vg_hash *out);
void vg_node_hash(const struct vg_hash *left, const struct vg_hash *right, struct vg_hash *out);

/* A tree that grows, as the roots of its full subtrees: all that its root is made from. */
struct vg_frontier {
	uint64_t n;                         /* leaves */
	struct vg_hash full[VG_TREE_LEVELS]; /* [l] counts when bit l of n is set */
};
void vg_frontier_add(struct vg_frontier *f, const struct vg_hash *leaf);
void vg_frontier_root(const struct vg_frontier *f, struct vg_hash *out);

/* The root of the full subtree @index of @level: leaves from index << level, 1 << level of them. */
typedef vg_rc vg_subtree_fn(void *ctx, unsigned level, uint64_t index, struct vg_hash *out);
struct vg_proof {
	size_t n;
	struct vg_hash h[VG_PROOF_MAX];
};
/* That leaf @index stands in the tree of @size.  VG_E_NOTFOUND: it does not.  Else what @get says. */
vg_rc vg_prove_inclusion(uint64_t index, uint64_t size, vg_subtree_fn *get, void *ctx, struct vg_proof *out) VG_MUST;
/* That the tree of @size only adds to that of @old.  VG_E_NOTFOUND: @old is larger. */
vg_rc vg_prove_consistency(uint64_t old, uint64_t size, vg_subtree_fn *get, void *ctx, struct vg_proof *out) VG_MUST;
/* The root of the first @size leaves. */
vg_rc vg_tree_root(uint64_t size, vg_subtree_fn *get, void *ctx, struct vg_hash *out) VG_MUST;

/* RFC 9162, 2.1.3.2 and 2.1.4.2.  A proof that is too long or too short proves nothing. */
bool vg_check_inclusion(const struct vg_hash *leaf, uint64_t index, uint64_t size, const struct vg_proof *p, const struct vg_hash *root);
bool vg_check_consistency(uint64_t old, const struct vg_hash *old_root, uint64_t size, const struct vg_hash *root, const struct vg_proof *p);

#endif
