/* vault/tokens.h - the index of one segment: which of its blocks may hold a piece of text (vault/words.h).  The file "NAME.vi" beside
 * the segment "NAME.vs": groups of up to VG_TOKENS_BLOCKS rows under one key, one group behind the other, each added when its blocks are there.  A row
 * is a block, or small ones that stand behind one another (checkpoints cut a quiet company's every few seconds) and are a full block's worth
 * together.  The index is a cache, made again from the segment whenever it is missing or damaged; blocks behind the last group are searched
 * without it.
 *
 * A group holds the dictionary of its words (but for numbers, of which there are too many), and for each word, by its hash, the
 * rows it is in.  Everything is encrypted and authenticated under the key of the blocks, in parts of about a page, or without one
 * has a digest; so that reading a part is enough to trust it, and that a destroyed key takes the index with it.
 * doc/vault-format.md, "Index". */
#ifndef VG_VAULT_TOKENS_H
#define VG_VAULT_TOKENS_H

#include "vault/block.h"

#define VG_TOKENS_SUFFIX ".vi"
#define VG_TOKENS_BLOCKS 256                    /* rows of a group */
#define VG_TOKENS_ROW_BLOCKS 65536               /* blocks of a row */
#define VG_TOKENS_PREAMBLE 64
#define VG_TOKENS_SEALED 16 /* bytes more of each part on disk */
#define VG_TOKENS_WORD_MAX 128                  /* a longer word is in no dictionary; its block is never skipped for a part of a word */
#define VG_TOKENS_DICTIONARY_MAX ((size_t)4 << 20) /* a group with more has none, and no block of it is skipped for a part of a word */
#define VG_TOKENS_FOUND_MAX 64                  /* words with a part in them; for more no block is skipped */

/* ---- making ---- */

struct vg_tokens_builder;
struct vg_tokens_builder *vg_tokens_builder_new(void); /* NULL: out of memory */
void vg_tokens_builder_free(struct vg_tokens_builder *b);
/* Blocks become one row while they have no more payload than that together; 0: each has its own.  Else VG_BLOCK_FULL. */
void vg_tokens_set_row(struct vg_tokens_builder *b, size_t bytes);
/* The next block of the segment, whose head is at @at.  VG_E_LIMIT: the group is full, finish it.  VG_E_REFUSED: it is under another key than the
 * group.  VG_E_FORMAT, VG_E_NOMEM: it is not in the group. */
vg_rc vg_tokens_add(struct vg_tokens_builder *b, uint64_t at, const struct vg_block_head *h, vg_str payload) VG_MUST;
unsigned vg_tokens_blocks(const struct vg_tokens_builder *b); /* rows so far */
/* Append the group to @out, and begin the next one.  @key: of its blocks; NULL when they have none. */
vg_rc vg_tokens_finish(struct vg_tokens_builder *b, const uint8_t *key, struct vg_buf *out) VG_MUST;

/* ---- asking ---- */

enum vg_tokens_flag {
	VG_TOKENS_HIDES = 1, /* some record hides something: never skipped */
	VG_TOKENS_AUDIT = 2, /* it has audit records */
	VG_TOKENS_LONG = 4,  /* a word over VG_TOKENS_WORD_MAX */
};
struct vg_tokens_row { /* what a search needs of blocks before it reads them */
	uint64_t at, stored; /* offset of the first one's head; bytes behind that head, to the last one's end */
	uint64_t first_seq, last_seq;
	int64_t first_ns, last_ns;
	uint32_t flags; /* enum vg_tokens_flag, of any of them */
	uint32_t more;  /* blocks behind the first one */
};
struct vg_tokens_set { /* of a group's rows */
	uint64_t bit[VG_TOKENS_BLOCKS / 64];
};
static inline bool
vg_tokens_has(const struct vg_tokens_set *s, unsigned block)
{
	return s->bit[block / 64] >> block % 64 & 1;
}
typedef const uint8_t *vg_block_key_fn(void *ctx, uint32_t number); /* VG_BLOCK_KEY bytes; NULL: there is none any more */

struct vg_tokens_group {
	uint64_t at; /* of the group in the file */
	uint32_t nblock /* rows */, key;
	struct vg_tokens_row *row; /* owned */
	/* for vg_tokens_find() */
	uint64_t salt;
	uint32_t hashes, npage, rice, dictionary_bytes, dictionary_stored;
	uint32_t *page; /* owned: where each begins, and the end of the last */
	uint8_t preamble[VG_TOKENS_PREAMBLE];
	uint8_t secret[VG_BLOCK_KEY];
	bool has_dictionary, has_joints;
};
struct vg_tokens {
	int fd;
	struct vg_tokens_group *group; /* owned */
	size_t ngroup;
	size_t closed; /* groups under a key that is gone: passed over */
	bool damaged; /* not all of the file is whole groups */
	uint64_t read_bytes;
	struct vg_buf part;  /* the part read last, as stored */
	struct vg_buf words; /* the dictionary of group words_of */
	size_t words_of;
};
#define VG_TOKENS_GROUP_MAX ((uint32_t)256 << 20) /* bytes of one group */
/* Is every byte what was written?  Needs no key.  VG_E_FORMAT, VG_E_TRUNC: the group at @bad is not. */
vg_rc vg_tokens_check(int fd, uint64_t *bad) VG_MUST;
/* Read the heads of all groups of @fd (not owned).  What is not a whole group ends them (damaged).  VG_E_NOMEM,
 * VG_E_SYS. */
vg_rc vg_tokens_open(int fd, vg_block_key_fn *key, void *ctx, struct vg_tokens **out) VG_MUST;
void vg_tokens_close(struct vg_tokens *t);
/* The rows of group @g that may hold @piece: safe bytes (VG_BYTE_SAFE) in lower case.  VG_E_FORMAT: the index is damaged. */
vg_rc vg_tokens_find(struct vg_tokens *t, size_t g, vg_str piece, struct vg_tokens_set *out) VG_MUST;

#endif
