#include "vault/levels.h"

#include <stdlib.h>

vg_rc
vg_levels_make(struct vg_levels *t, const struct vg_hash *leaf, uint64_t n)
{
	const struct vg_hash *below = leaf;

	*t = (struct vg_levels){ .leaf = leaf, .n = n };
	for (unsigned l = 1; l < VG_TREE_LEVELS && n >> l; l++) {
		if ((t->full[l] = calloc(n >> l, sizeof(*t->full[l]))) == NULL) {
			vg_levels_fini(t);
			return VG_E_NOMEM;
		}
		for (uint64_t i = 0; i < n >> l; i++)
			vg_node_hash(&below[2 * i], &below[2 * i + 1], &t->full[l][i]);
		below = t->full[l];
	}
	return VG_OK;
}

void
vg_levels_fini(struct vg_levels *t)
{
	for (unsigned l = 1; l < VG_TREE_LEVELS; l++)
		free(t->full[l]);
	*t = (struct vg_levels){ .leaf = NULL };
}

vg_rc
vg_levels_subtree(void *levels, unsigned level, uint64_t index, struct vg_hash *out)
{
	const struct vg_levels *t = levels;

	if (level >= VG_TREE_LEVELS || index >= t->n >> level)
		return VG_E_NOTFOUND;
	*out = level ? t->full[level][index] : t->leaf[index];
	return VG_OK;
}
