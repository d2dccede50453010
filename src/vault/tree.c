#include "vault/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TILE_BYTES (VG_TILE_HASHES * VG_HASH_BYTES)
#define PATH_BYTES VG_TILE_PATH_MAX

struct level { /* the tile at the right edge */
	uint64_t n;     /* hashes of this level, in all its tiles */
	uint32_t shown; /* hashes of the partial tile on disk; 0: none */
	uint64_t shown_tile;
	struct vg_hash edge[VG_TILE_HASHES]; /* n % VG_TILE_HASHES of them */
};
struct kept { /* a full tile that may not be written */
	unsigned level;
	uint64_t tile;
	struct vg_hash h[VG_TILE_HASHES];
};
struct vg_tree {
	struct vg_disk *d;
	struct kept **kept; /* owned */
	size_t nkept;
	struct level level[VG_TILE_LEVELS];
	/* a tile that was read for a proof */
	unsigned read_level;
	uint64_t read_tile;
	bool read;
	struct vg_hash tile[VG_TILE_HASHES];
};

void
vg_tile_path(unsigned level, uint64_t tile, uint32_t w, char out[PATH_BYTES])
{
	unsigned group[7];
	size_t n = 0, at;

	do {
		group[n++] = (unsigned)(tile % 1000);
		tile /= 1000;
	} while (tile);
	at = (size_t)snprintf(out, PATH_BYTES, "tile/%u", level);
	while (n--)
		at += (size_t)snprintf(out + at, PATH_BYTES - at, n ? "/x%03u" : "/%03u", group[n]);
	if (w)
		snprintf(out + at, PATH_BYTES - at, ".p/%u", w);
}

/* The folders before @path's last name. */
static vg_rc
make_folders(struct vg_disk *d, const char *path)
{
	char part[PATH_BYTES];
	vg_rc rc;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if ((rc = vg_disk_make_folder(d, part)) != VG_OK)
			return rc;
	}
	return VG_OK;
}

static vg_rc
keep_tile(struct vg_tree *t, unsigned level, uint64_t tile, const struct vg_hash *h)
{
	struct kept *k;

	if (t->nkept == VG_TREE_KEPT_MAX)
		return VG_E_LIMIT;
	if ((t->kept == NULL && (t->kept = calloc(VG_TREE_KEPT_MAX, sizeof(*t->kept))) == NULL) || (k = malloc(sizeof(*k))) == NULL)
		return VG_E_NOMEM;
	k->level = level;
	k->tile = tile;
	memcpy(k->h, h, sizeof(k->h));
	t->kept[t->nkept++] = k;
	return VG_OK;
}

/* Written beside and renamed.  A full tile that has its name is whole; one that is not full is made anew anyway. */
static vg_rc
write_tile(struct vg_tree *t, unsigned level, uint64_t tile, uint32_t w, const struct vg_hash *h, size_t n)
{
	vg_rc (*write)(struct vg_disk *, const char *, vg_str) = w ? vg_disk_swap : vg_disk_put;
	vg_str bytes = vg_str_mem(h, n * sizeof(*h));
	char path[PATH_BYTES];
	vg_rc rc;

	if (t->d->read_only)
		return keep_tile(t, level, tile, h);
	vg_tile_path(level, tile, w, path);
	if ((rc = write(t->d, path, bytes)) == VG_E_SYS && errno == ENOENT && (rc = make_folders(t->d, path)) == VG_OK)
		rc = write(t->d, path, bytes);
	return rc;
}

/* A full tile.  VG_E_NOTFOUND: it is not there, or not whole. */
static vg_rc
read_tile(struct vg_tree *t, unsigned level, uint64_t tile)
{
	char path[PATH_BYTES];
	struct vg_file f;
	vg_rc rc;

	if (t->read && t->read_level == level && t->read_tile == tile)
		return VG_OK;
	t->read = false;
	for (size_t i = t->nkept; i-- > 0;)
		if (t->kept[i]->level == level && t->kept[i]->tile == tile) {
			memcpy(t->tile, t->kept[i]->h, sizeof(t->tile));
			return VG_OK;
		}
	vg_tile_path(level, tile, 0, path);
	if ((rc = vg_file_open(t->d, path, &f)) != VG_OK)
		return rc;
	rc = vg_file_read(&f, t->tile, TILE_BYTES, 0);
	vg_file_close(&f);
	if (rc != VG_OK)
		return rc == VG_E_TRUNC ? VG_E_NOTFOUND : rc;
	t->read = true;
	t->read_level = level;
	t->read_tile = tile;
	return VG_OK;
}

static void
root_of_hashes(const struct vg_hash *h, size_t n, struct vg_hash *out)
{
	struct vg_frontier f = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		vg_frontier_add(&f, &h[i]);
	vg_frontier_root(&f, out);
}

/* Add a hash to a level's edge; a tile that is full with it is written first, so that a failure changes nothing. */
static vg_rc
add_to(struct vg_tree *t, unsigned level, const struct vg_hash *h)
{
	struct level *l = &t->level[level];
	uint32_t at = (uint32_t)(l->n % VG_TILE_HASHES);
	struct vg_hash root;
	vg_rc rc;

	l->edge[at] = *h;
	if (at + 1 == VG_TILE_HASHES) {
		if ((rc = write_tile(t, level, l->n / VG_TILE_HASHES, 0, l->edge, VG_TILE_HASHES)) != VG_OK)
			return rc;
		if (level + 1 < VG_TILE_LEVELS) {
			root_of_hashes(l->edge, VG_TILE_HASHES, &root);
			if ((rc = add_to(t, level + 1, &root)) != VG_OK)
				return rc;
		}
	}
	l->n++;
	return VG_OK;
}

vg_rc
vg_tree_open(struct vg_disk *d, uint64_t *size, struct vg_tree **out)
{
	struct vg_tree *t = calloc(1, sizeof(*t));
	vg_rc rc = VG_OK;

	if (t == NULL)
		return VG_E_NOMEM;
	t->d = d;
	/* leaf tiles one by one: the levels above are made from them, and what a failure left of those is written over */
	for (uint64_t tile = 0; rc == VG_OK; tile++) {
		struct vg_hash root;

		if ((rc = read_tile(t, 0, tile)) != VG_OK)
			break;
		root_of_hashes(t->tile, VG_TILE_HASHES, &root);
		t->read = false;
		rc = add_to(t, 1, &root);
		t->level[0].n += VG_TILE_HASHES;
	}
	if (rc != VG_E_NOTFOUND) {
		vg_tree_free(t);
		return rc;
	}
	*size = t->level[0].n;
	*out = t;
	return VG_OK;
}

void
vg_tree_free(struct vg_tree *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->nkept; i++)
		free(t->kept[i]);
	free(t->kept);
	free(t);
}

vg_rc
vg_tree_add(struct vg_tree *t, const struct vg_hash *leaf)
{
	return add_to(t, 0, leaf);
}

uint64_t
vg_tree_size(const struct vg_tree *t)
{
	return t->level[0].n;
}

/* Remove a partial tile, and its folder when it was the last one. */
static void
remove_partial(struct vg_tree *t, unsigned level, uint64_t tile, uint32_t w)
{
	char path[PATH_BYTES];

	vg_tile_path(level, tile, w, path);
	(void)!vg_disk_remove(t->d, path);
	*strrchr(path, '/') = 0;
	(void)!vg_disk_remove_folder(t->d, path);
}

vg_rc
vg_tree_write_partial(struct vg_tree *t)
{
	for (unsigned level = 0; level < VG_TILE_LEVELS; level++) {
		struct level *l = &t->level[level];
		uint32_t w = (uint32_t)(l->n % VG_TILE_HASHES);
		uint64_t tile = l->n / VG_TILE_HASHES;
		vg_rc rc;

		if (l->shown == w && l->shown_tile == tile)
			continue;
		if (w && (rc = write_tile(t, level, tile, w, l->edge, w)) != VG_OK)
			return rc;
		if (l->shown)
			remove_partial(t, level, l->shown_tile, l->shown);
		l->shown = w;
		l->shown_tile = tile;
	}
	return VG_OK;
}

/* One hash of a tile level. */
static vg_rc
hash_at(struct vg_tree *t, unsigned level, uint64_t index, struct vg_hash *out)
{
	const struct level *l = &t->level[level];
	uint64_t tile = index / VG_TILE_HASHES;
	vg_rc rc;

	if (index >= l->n)
		return VG_E_NOTFOUND;
	if (tile == l->n / VG_TILE_HASHES) {
		*out = l->edge[index % VG_TILE_HASHES];
		return VG_OK;
	}
	if ((rc = read_tile(t, level, tile)) == VG_OK)
		*out = t->tile[index % VG_TILE_HASHES];
	return rc;
}

vg_rc
vg_tree_subtree(void *tree, unsigned level, uint64_t index, struct vg_hash *out)
{
	struct vg_tree *t = tree;
	unsigned base = level / 8, up = level % 8;
	struct vg_frontier f = { .n = 0 };

	if (base >= VG_TILE_LEVELS)
		return VG_E_NOTFOUND;
	for (uint64_t i = index << up; i < (index + 1) << up; i++) {
		struct vg_hash h;
		vg_rc rc = hash_at(t, base, i, &h);

		if (rc != VG_OK)
			return rc;
		vg_frontier_add(&f, &h);
	}
	vg_frontier_root(&f, out);
	return VG_OK;
}
