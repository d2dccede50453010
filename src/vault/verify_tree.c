/* vault/verify_tree.c - the tree as its tiles have it, against the one that the blocks give, against the root that was signed. */
#include "vault/verify_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "vault/store.h"

#define TILE_BYTES (VG_TILE_HASHES * VG_HASH_BYTES)

bool
vg_verify_tile_name(const char *name, struct vg_verify_tile *out)
{
	const char *p = name;
	char again[VG_TILE_PATH_MAX];

	*out = (struct vg_verify_tile){ .width = VG_TILE_HASHES };
	if (strncmp(p, "tile/", 5) != 0 || p[5] < '0' || p[5] >= '0' + VG_TILE_LEVELS)
		return false;
	out->level = (unsigned)(p[5] - '0');
	for (p += 6; p[0] == '/'; p += 4) {
		p += p[1] == 'x';
		if (!vg_is_digit(p[1]) || !vg_is_digit(p[2]) || !vg_is_digit(p[3]) || out->number > UINT64_MAX / 100000)
			return false;
		out->number = out->number * 1000 + (uint64_t)((p[1] - '0') * 100 + (p[2] - '0') * 10 + p[3] - '0');
	}
	if (strncmp(p, ".p/", 3) == 0) {
		unsigned long w = strtoul(p + 3, NULL, 10);

		if (w == 0 || w >= VG_TILE_HASHES)
			return false;
		out->width = (uint32_t)w;
	}
	vg_tile_path(out->level, out->number, out->width == VG_TILE_HASHES ? 0 : out->width, again);
	return strcmp(again, name) == 0;
}

/* ---- the leaves that the tiles have ---- */

static bool
want_tile(struct vg_verify *v, const struct vg_verify_file *f, uint32_t width)
{
	struct vg_hash *p;

	if (f->size != (uint64_t)width * VG_HASH_BYTES || !f->plain)
		return false; /* told where tiles are compared */
	vg_buf_clear(&v->bytes);
	if (vg_disk_slurp(&v->d, f->name, TILE_BYTES, &v->bytes) != VG_OK || v->bytes.n != f->size)
		return false;
	if (v->nwant + width > v->capwant) {
		v->capwant = 2 * (v->capwant + width);
		if ((p = realloc(v->want, v->capwant * sizeof(*p))) == NULL) {
			v->rc = VG_E_NOMEM;
			return false;
		}
		v->want = p;
	}
	memcpy(v->want + v->nwant, v->bytes.p, v->bytes.n);
	v->nwant += width;
	return true;
}

void
vg_verify_wanted(struct vg_verify *v)
{
	char path[VG_TILE_PATH_MAX];

	for (uint64_t tile = 0;; tile++) {
		const struct vg_verify_file *f;

		vg_tile_path(0, tile, 0, path);
		if ((f = vg_verify_find(v, path)) != NULL && want_tile(v, f, VG_TILE_HASHES))
			continue;
		for (uint32_t w = VG_TILE_HASHES - 1; w; w--) { /* the widest, which has all that the others have */
			vg_tile_path(0, tile, w, path);
			if ((f = vg_verify_find(v, path)) != NULL && want_tile(v, f, w))
				break;
		}
		break;
	}
	for (uint64_t i = 0; i < v->nwant && v->rc == VG_OK && i < VG_MAP_NONE; i++)
		if (vg_map_add(&v->where, vg_str_mem(v->want[i].b, VG_HASH_BYTES), (uint32_t)i, NULL) == VG_MAP_NONE)
			v->rc = VG_E_NOMEM;
}

/* ---- who is right ---- */

static void
root_of(const struct vg_hash *leaf, uint64_t n, struct vg_hash *out)
{
	struct vg_frontier f = { .n = 0 };

	for (uint64_t i = 0; i < n; i++)
		vg_frontier_add(&f, &leaf[i]);
	vg_frontier_root(&f, out);
}

/* Blocks that must be there and are not, behind all that are. */
static void
missing_at_end(struct vg_verify *v, uint64_t size)
{
	const char *last = VG_CHECKPOINT_FILE;
	uint64_t at = 0;
	struct vg_finding f = { .grade = VG_GRADE_DAMAGE, .seq = v->out->next_seq, .until_seq = v->out->checkpoint.seq,
				.advice = "the records may stand in a copy: `vigie vault restore --from WITNESS`" };

	for (size_t i = v->nfile; i-- > 0;)
		if (vg_str_ends(vg_str_of(v->file[i].name), VG_STR(VG_SEGMENT_SUFFIX))) {
			last = v->file[i].name;
			at = v->file[i].size;
			break;
		}
	if (v->broken) /* the hole was told */
		return;
	f.file = last;
	f.at = at;
	f.until = at + 1;
	if (f.until_seq < f.seq)
		f.until_seq = 0;
	vg_verify_tell(v, &f, "%llu of the %llu blocks that were signed are missing: %s", (unsigned long long)(size - v->nleaf), (unsigned long long)size,
		       v->nwant > v->nleaf ? "bytes were cut off here, or the segments behind were removed" :
					     "cut off here or taken out before, with the tiles made to fit, or whole segments were removed");
	v->broken = true;
}

/* Leaves that are only in the tiles stand in for those that are missing: what comes behind can then be compared. */
static void
fill(struct vg_verify *v, uint64_t from)
{
	struct vg_hash *p;

	if (v->nwant > v->capleaf) {
		if ((p = realloc(v->out->leaf, v->nwant * sizeof(*p))) == NULL) {
			v->rc = VG_E_NOMEM;
			return;
		}
		v->out->leaf = p;
		v->capleaf = v->nwant;
	}
	for (uint64_t i = from; i < v->nwant; i++)
		v->out->leaf[i] = v->want[i];
	if (v->nwant > v->nleaf)
		v->nleaf = v->nwant;
}

static void
tell_replaced(struct vg_verify *v, const char *why)
{
	struct vg_finding f = { .grade = VG_GRADE_DAMAGE, .file = v->first.file, .at = v->first.at, .until = v->first.at + VG_BLOCK_HEAD, .seq = v->first.seq,
				.until_seq = v->first.until_seq, .advice = "the true block may stand in a copy: `vigie vault restore --from WITNESS`" };

	vg_verify_tell(v, &f, "block %llu was replaced: %s", (unsigned long long)v->first.leaf, why);
	v->broken = true;
}

void
vg_verify_judge(struct vg_verify *v)
{
	const struct vg_checkpoint *c = &v->out->checkpoint;
	uint64_t known = c->size > v->nwant || v->o->live ? c->size : v->nwant;
	struct vg_hash blocks, tiles;

	if (v->nleaf < known)
		missing_at_end(v, known);
	if (v->nleaf < v->nwant && !(v->o->live && v->nleaf >= c->size))
		fill(v, v->nleaf);
	if (v->nleaf < c->size || v->rc != VG_OK) {
		v->undecided = true;
		return;
	}
	root_of(v->out->leaf, c->size, &blocks);
	if (vg_hash_eq(&blocks, &c->root)) {
		if (!v->broken && v->out->next_seq < c->seq)
			(void)vg_verify_damage(v, VG_CHECKPOINT_FILE, 0, v->note.n, "it counts records up to %llu, the blocks end before %llu", (unsigned long long)c->seq,
					       (unsigned long long)v->out->next_seq);
		return;
	}
	if (v->nwant >= c->size)
		root_of(v->want, c->size, &tiles);
	if (v->differs && v->nwant >= c->size && vg_hash_eq(&tiles, &c->root)) {
		tell_replaced(v, "its head is another one than the tree, whose root was signed, holds");
		fill(v, v->first.leaf);
		return;
	}
	if (v->differs)
		tell_replaced(v, "the tiles hold another one; and neither gives the root that was signed");
	else
		(void)vg_verify_damage(v, VG_CHECKPOINT_FILE, 0, v->note.n,
				       "the %llu blocks are not those that were signed on %.*s: their tree has another root%s", (unsigned long long)c->size, 10,
				       v->note.n ? strstr(v->note.p, "\ntime ") ? strstr(v->note.p, "\ntime ") + 6 : "" : "",
				       v->nwant ? ", and the tiles were made to fit them" : "");
	v->undecided = true;
}

/* ---- the tiles ---- */

static void
compare(struct vg_verify *v, const struct vg_verify_file *f, const struct vg_verify_tile *t, const struct vg_hash *have, uint64_t n)
{
	uint64_t first = t->number * VG_TILE_HASHES, bytes = (uint64_t)t->width * VG_HASH_BYTES, there;
	struct vg_finding bad = { .grade = VG_GRADE_DAMAGE, .file = f->name, .advice = "tiles follow from the blocks: remove it, and the watch makes it again when it starts" };
	size_t i = 0;

	if (!vg_verify_read(v, f->name, 2 * TILE_BYTES))
		return;
	there = first >= n ? 0 : (n - first) * VG_HASH_BYTES;
	there = there < bytes ? there : bytes;
	while (i < v->bytes.n && i < there && v->bytes.p[i] == ((const char *)&have[first])[i])
		i++;
	bad.at = i;
	bad.until = i + 1;
	if (i < v->bytes.n && i < there)
		vg_verify_tell(v, &bad, "is 0x%02x here, and the blocks give 0x%02x", (uint8_t)v->bytes.p[i], ((const uint8_t *)&have[first])[i]);
	else if (v->bytes.n < bytes)
		vg_verify_tell(v, &bad, "is cut off: %zu bytes of %llu", v->bytes.n, (unsigned long long)bytes);
	else if (v->bytes.n > bytes)
		vg_verify_tell(v, &bad, "has %zu bytes, and such a tile has %llu", v->bytes.n, (unsigned long long)bytes);
	else if (there < bytes && !v->o->live && !v->broken)
		vg_verify_tell(v, &bad, "holds more hashes than there are blocks");
}

/* A tile from which the hashes [.., +width) of @tile can be read. */
static bool
is_there(const struct vg_verify *v, unsigned level, uint64_t tile, uint32_t width)
{
	char path[VG_TILE_PATH_MAX];

	vg_tile_path(level, tile, 0, path);
	if (vg_verify_find(v, path))
		return true;
	for (uint32_t w = width; w < VG_TILE_HASHES; w++) {
		vg_tile_path(level, tile, w, path);
		if (vg_verify_find(v, path))
			return true;
	}
	return false;
}

static void
require(struct vg_verify *v, unsigned level, uint64_t n)
{
	char path[VG_TILE_PATH_MAX];

	for (uint64_t tile = 0; tile * VG_TILE_HASHES < n; tile++) {
		uint64_t left = n - tile * VG_TILE_HASHES;
		uint32_t w = left < VG_TILE_HASHES ? (uint32_t)left : VG_TILE_HASHES;

		if (is_there(v, level, tile, w) || v->o->live) /* a watch makes new ones, and takes away the old */
			continue;
		vg_tile_path(level, tile, w == VG_TILE_HASHES ? 0 : w, path);
		vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_DAMAGE, .file = path, .advice = "tiles follow from the blocks: the watch makes it again when it starts" },
			       "is missing");
	}
}

/* The hashes of the level above; NULL when there are none, or no memory is. */
static struct vg_hash *
above(struct vg_verify *v, const struct vg_hash *h, uint64_t n)
{
	struct vg_hash *up = n >= VG_TILE_HASHES ? calloc(n / VG_TILE_HASHES, sizeof(*up)) : NULL;

	if (n >= VG_TILE_HASHES && up == NULL)
		v->rc = VG_E_NOMEM;
	for (uint64_t i = 0; up && i < n / VG_TILE_HASHES; i++)
		root_of(&h[i * VG_TILE_HASHES], VG_TILE_HASHES, &up[i]);
	return up;
}

void
vg_verify_tiles(struct vg_verify *v)
{
	const struct vg_hash *have = v->out->leaf;
	struct vg_hash *owned = NULL;
	uint64_t n = v->nleaf, sealed = v->out->checkpoint.size;

	for (unsigned level = 0; level < VG_TILE_LEVELS && v->rc == VG_OK; level++) {
		struct vg_hash *up;

		for (size_t i = 0; i < v->nfile; i++) {
			struct vg_verify_tile t;

			if (v->file[i].plain && !v->undecided && vg_verify_tile_name(v->file[i].name, &t) && t.level == level)
				compare(v, &v->file[i], &t, have, n);
		}
		if (v->o->watch)
			require(v, level, sealed);
		up = above(v, have, n);
		free(owned);
		have = owned = up;
		n /= VG_TILE_HASHES;
		sealed /= VG_TILE_HASHES;
	}
	free(owned);
	for (size_t i = 0; i < v->nfile; i++) {
		struct vg_verify_tile t;
		vg_str name = vg_str_of(v->file[i].name);

		if (vg_str_starts(name, VG_STR("tile/")) && !vg_verify_tile_name(v->file[i].name, &t) && !vg_str_ends(name, VG_STR(".tmp")))
			(void)vg_verify_damage(v, v->file[i].name, 0, 0, "stands among the tiles, and is none");
	}
}
