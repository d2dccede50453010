#include "vault/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#define TILE_BYTES (VG_TILE_HASHES * VG_HASH_BYTES)
#define PATH_BYTES VG_TILE_PATH_MAX

struct level { /* the tile at the right edge */
	uint64_t n;     /* hashes of this level, in all its tiles */
	uint32_t shown; /* hashes of the partial tile on disk; 0: none */
	uint64_t shown_tile;
	struct vg_hash edge[VG_TILE_HASHES]; /* n % VG_TILE_HASHES of them */
};
struct vg_tree {
	int dir;
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
make_folders(int dir, const char *path)
{
	char part[PATH_BYTES];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdirat(dir, part, 0700) < 0 && errno != EEXIST)
			return VG_E_SYS;
	}
	return VG_OK;
}

/* Written beside and renamed: a tile that has its name is whole. */
static vg_rc
write_tile(struct vg_tree *t, unsigned level, uint64_t tile, uint32_t w, const struct vg_hash *h, size_t n)
{
	char path[PATH_BYTES], tmp[PATH_BYTES + 8];
	vg_rc rc;
	int fd;

	vg_tile_path(level, tile, w, path);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	if ((rc = make_folders(t->dir, path)) != VG_OK)
		return rc;
	if ((fd = openat(t->dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return VG_E_SYS;
	rc = vg_write_all(fd, vg_str_mem(h, n * sizeof(*h)));
	if (rc == VG_OK && w == 0 && fdatasync(fd) < 0) /* else a name without its bytes could be there after a failure of power */
		rc = VG_E_SYS;
	if (close(fd) < 0 && rc == VG_OK)
		rc = VG_E_SYS;
	if (rc == VG_OK && renameat(t->dir, tmp, t->dir, path) < 0)
		rc = VG_E_SYS;
	if (rc != VG_OK) {
		int keep = errno;

		(void)unlinkat(t->dir, tmp, 0);
		errno = keep;
	}
	return rc;
}

/* A full tile.  VG_E_NOTFOUND: it is not there, or not whole. */
static vg_rc
read_tile(struct vg_tree *t, unsigned level, uint64_t tile)
{
	char path[PATH_BYTES];
	size_t n = 0;
	ssize_t k;
	int fd;

	if (t->read && t->read_level == level && t->read_tile == tile)
		return VG_OK;
	t->read = false;
	vg_tile_path(level, tile, 0, path);
	if ((fd = openat(t->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS;
	while (n < TILE_BYTES && (k = read(fd, (char *)t->tile + n, TILE_BYTES - n)) != 0) {
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			break;
		n += (size_t)k;
	}
	close(fd);
	if (n != TILE_BYTES)
		return VG_E_NOTFOUND;
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
vg_tree_open(int dir, uint64_t *size, struct vg_tree **out)
{
	struct vg_tree *t = calloc(1, sizeof(*t));
	vg_rc rc = VG_OK;

	if (t == NULL)
		return VG_E_NOMEM;
	t->dir = dir;
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
	(void)unlinkat(t->dir, path, 0);
	*strrchr(path, '/') = 0;
	(void)unlinkat(t->dir, path, AT_REMOVEDIR);
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
