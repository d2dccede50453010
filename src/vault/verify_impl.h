/* vault/verify_impl.h - verifying, in parts: which file is what (verify.c), the tree on disk (verify_tree.c), the blocks (verify_blocks.c),
 * and what is signed or has its digest with it (verify_small.c). */
#ifndef VG_VAULT_VERIFY_IMPL_H
#define VG_VAULT_VERIFY_IMPL_H

#include <sodium.h>

#include "base/map.h"
#include "vault/destruction.h"
#include "vault/disk.h"
#include "vault/keyring.h"
#include "vault/opener.h"
#include "vault/segment.h"
#include "vault/tree.h"
#include "vault/verify.h"

#define VG_KEYS_SEEN_MAX (VG_KEYRING_MAX + 1)

struct vg_verify_file {
	char *name; /* owned; below the folder */
	uint64_t size;
	bool plain; /* else a link, a socket... */
};
struct vg_verify_tile { /* what a tile's name says */
	unsigned level;
	uint64_t number;
	uint32_t width; /* VG_TILE_HASHES: a full one */
};
struct vg_verify_gone { /* a key that was destroyed, and what of its blocks is here */
	uint32_t key;
	struct vg_destroyed of;
	crypto_hash_sha256_state heads;
};
struct vg_verify {
	const struct vg_verify_options *o;
	struct vg_verified *out;
	struct vg_disk d, keys_dir;
	struct vg_verify_file *file; /* owned; by name */
	size_t nfile, cap;
	vg_rc rc;                    /* not VG_OK: it cannot go on */

	struct vg_buf note;          /* the checkpoint, as it was read first */
	struct vg_hash *want;        /* owned: leaves, as the tiles have them */
	uint64_t nwant, capwant;
	struct vg_map where;         /* each of them: its number */

	uint64_t nleaf, capleaf;     /* of out->leaf */
	bool differs;                /* some leaf is another one than the tiles have: */
	struct {                     /* the first of them */
		char file[VG_VERIFY_NAME_MAX];
		uint64_t at, leaf, seq, until_seq;
	} first;
	bool broken;                 /* a block was told to be damaged, missing or out of its place */
	bool undecided;              /* neither blocks nor tiles give the signed root: nothing can be told of single tiles */

	struct vg_keyring *ring;     /* NULL: nothing opens */
	uint8_t *key_seen;           /* by number: 1 a key is there, 2 it was destroyed; owned */
	struct vg_verify_gone *gone; /* owned; those of which there was a block, in the order they were met */
	size_t ngone;
	uint64_t leaf_shift;         /* what blocks' heads say of their place, less where they stand; 0 when all is well */
	uint64_t class_seq[VG_CLASSES_MAX]; /* behind the last record of each */
	uint32_t key_most;           /* the highest number seen in a name or a block */
	uint64_t done, all;          /* bytes, for progress */
	struct vg_buf bytes, payload; /* what is read */
	struct vg_opener opener;     /* of the segment at hand */
};

/* Tell, and count.  f->what is made of @fmt. */
void vg_verify_tell(struct vg_verify *v, const struct vg_finding *f, const char *fmt, ...) VG_PRINTF(3, 4);
bool vg_verify_damage(struct vg_verify *v, const char *file, uint64_t at, uint64_t until, const char *fmt, ...) VG_PRINTF(5, 6); /* false */
const struct vg_verify_file *vg_verify_find(const struct vg_verify *v, const char *name); /* NULL */
/* The whole of a small file into v->bytes.  false: told, or it went while a watch works. */
bool vg_verify_read(struct vg_verify *v, const char *name, size_t max);
void vg_verify_step(struct vg_verify *v, uint64_t bytes);

/* verify_tree.c */
bool vg_verify_tile_name(const char *name, struct vg_verify_tile *out); /* to the byte */
void vg_verify_wanted(struct vg_verify *v); /* the leaves that the tiles have */
void vg_verify_judge(struct vg_verify *v);  /* blocks, tiles and signed root, against each other */
void vg_verify_tiles(struct vg_verify *v);
/* verify_blocks.c */
void vg_verify_segments(struct vg_verify *v);
void vg_verify_segment(struct vg_verify *v, const struct vg_verify_file *f); /* its name; what is in it was looked at */
/* verify_gone.c */
struct vg_verify_gone *vg_verify_gone_of(struct vg_verify *v, uint32_t key); /* made when it is not there; NULL: no memory */
void vg_verify_gone(struct vg_verify *v, const struct vg_verify_file *f);
void vg_verify_recovery(struct vg_verify *v, const struct vg_verify_file *f);
void vg_verify_due(struct vg_verify *v, const struct vg_verify_file *f); /* an announcement or an order; and nothing was destroyed yet, perhaps */
/* verify_small.c */
void vg_verify_checkpoint(struct vg_verify *v);
void vg_verify_key(struct vg_verify *v, const struct vg_verify_file *f);
void vg_verify_sealed(struct vg_verify *v, const struct vg_verify_file *f);
void vg_verify_log_key(struct vg_verify *v, const struct vg_verify_file *f);
void vg_verify_stamp(struct vg_verify *v, const struct vg_verify_file *f);
void vg_verify_seen(struct vg_verify *v, const struct vg_verify_file *f);
void vg_verify_keys(struct vg_verify *v); /* all that blocks need is there */

#endif
