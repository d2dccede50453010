/* vault/block.h - about a megabyte of one tenant's records, as it stands in a segment and under the tree: a head, then the stored
 * bytes, which are the records compressed and, under a key, encrypted (doc/vault-format.md, "Block").
 *
 * The head is the leaf's data in the tenant's tree.  It holds the root over the records and the digest of the stored bytes, so that
 * every byte is vouched for, also when the key is gone and nobody can read them any more.  The first leaf under that root is a
 * random salt: without the key nobody can try out what a record said. */
#ifndef VG_VAULT_BLOCK_H
#define VG_VAULT_BLOCK_H

#include "vault/merkle.h"
#include "vault/record.h"

#define VG_BLOCK_HEAD 176
#define VG_BLOCK_PAYLOAD_MAX ((size_t)16 << 20) /* bytes of salt and records, before compression */
#define VG_BLOCK_FULL ((size_t)1 << 20)         /* a writer is asked to finish over this */
#define VG_BLOCK_RECORDS_MAX 1000000
#define VG_BLOCK_KEY 32

/* PREFIXED: zstd behind a prefix, which is the first raw bytes of the blocks under the same key that stand before it in its segment (vault/opener.h). */
enum vg_block_codec { VG_BLOCK_PLAIN, VG_BLOCK_ZSTD, VG_BLOCK_PREFIXED };
#define VG_BLOCK_PREFIX_MAX ((size_t)128 << 10)
#define VG_BLOCK_SMALL ((size_t)512 << 10) /* payloads up to it are compressed behind a prefix: larger ones gain nothing (bench/verify.c) */

struct vg_block_head {
	uint32_t count;               /* records */
	uint64_t first_seq, last_seq; /* ascending, with gaps: other tenants' records lie between */
	int64_t first_ns, last_ns;    /* arrival, least and greatest */
	uint64_t payload, stored;     /* bytes */
	uint32_t codec;               /* enum vg_block_codec */
	uint32_t prefix;              /* bytes of it; 0 but for VG_BLOCK_PREFIXED */
	uint32_t key;                 /* number of the key; 0: not encrypted */
	uint32_t class;               /* of retention, of all its records */
	uint64_t leaf;                /* which leaf of the tenant's tree it is, from 0 */
	struct vg_hash root, digest;  /* over salt and records; of the stored bytes */
	uint8_t nonce[24];
};
/* The head of @bytes (VG_BLOCK_HEAD of them).  VG_E_FORMAT, VG_E_LIMIT, VG_E_UNSUP (a block, or a codec, of a later version). */
vg_rc vg_block_head_take(vg_str bytes, struct vg_block_head *out) VG_MUST;
/* The leaf's hash in the tenant's tree. */
void vg_block_leaf(vg_str head, struct vg_hash *out);

/* A payload is the salt, six u32 (bytes of each column), the columns, and all raw bytes one behind the other: text beside text, and
 * numbers that hardly change beside their like, so that both compress. */
enum vg_block_column { VG_COLUMN_SEQ, VG_COLUMN_RECV, VG_COLUMN_SOURCE, VG_COLUMN_LENGTH, VG_COLUMN_FLAGS, VG_COLUMN_ID, VG_COLUMNS };
struct vg_block_writer {
	struct vg_buf column[VG_COLUMNS], raw;
	struct vg_buf scratch; /* a record's own bytes */
	struct vg_buf payload; /* of the block that was finished last */
	int level;             /* of zstd, for vg_block_finish(); 0: 3.  The format does not say which one it was */
	vg_str prefix;         /* borrowed, for vg_block_finish(): what a small one is compressed behind; empty: nothing */
	uint8_t salt[32];
	size_t bytes;          /* of the payload so far */
	uint32_t last_source;
	int64_t last_recv_ns;
	struct vg_frontier tree;
	struct vg_block_head head;
};
void vg_block_begin(struct vg_block_writer *w); /* of a zeroed or a finished one */
void vg_block_writer_fini(struct vg_block_writer *w);
/* VG_E_REFUSED: @r's number is not above the last one's, or it is of another class.  VG_E_LIMIT: full; finish it. */
vg_rc vg_block_add(struct vg_block_writer *w, const struct vg_record *r) VG_MUST;
static inline bool
vg_block_is_full(const struct vg_block_writer *w)
{
	return w->bytes >= VG_BLOCK_FULL;
}
/* Append head and stored bytes to @out; w->head.leaf is the caller's to set.  @key (VG_BLOCK_KEY bytes) and its number, or NULL and 0. */
vg_rc vg_block_finish(struct vg_block_writer *w, const uint8_t *key, uint32_t number, struct vg_buf *out) VG_MUST;

/* Are these the stored bytes that @h vouches for?  Needs no key. */
bool vg_block_is_sound(const struct vg_block_head *h, vg_str stored);
/* The payload of a sound block that has no prefix.  VG_E_REFUSED: the key is another one.  VG_E_FORMAT: what is inside cannot be unpacked. */
vg_rc vg_block_open(const struct vg_block_head *h, vg_str head, vg_str stored, const uint8_t *key, struct vg_buf *payload) VG_MUST;
/* The same for who opens many: memory is kept from one to the next.  Zeroed at first.  VG_E_FORMAT: also, its prefix is longer than the one given, or another. */
struct vg_block_opener {
	struct ZSTD_DCtx_s *zstd;         /* owned */
	struct evp_cipher_ctx_st *cipher; /* owned */
	struct vg_buf plain;
	vg_str prefix;                    /* borrowed: at least h->prefix bytes, for a block that has one */
};
vg_rc vg_block_opener_open(struct vg_block_opener *o, const struct vg_block_head *h, vg_str head, vg_str stored, const uint8_t *key,
			   struct vg_buf *payload) VG_MUST;
void vg_block_opener_fini(struct vg_block_opener *o);
/* Do the records hash to the head's root?  VG_E_FORMAT: no.  The digest vouches for the same bytes, for much less work; this proves it. */
vg_rc vg_block_check(const struct vg_block_head *h, vg_str payload) VG_MUST;

/* Reads a payload's records one after the other; all of it borrows from the payload. */
struct vg_block_reader {
	struct vg_cur column[VG_COLUMNS];
	vg_str raw;       /* of all records, one behind the other */
	size_t at;        /* where the next record's raw bytes begin */
	uint32_t i, count;
	struct vg_record last;
};
/* VG_E_FORMAT, VG_E_TRUNC: it is none. */
vg_rc vg_block_reader_open(const struct vg_block_head *h, vg_str payload, struct vg_block_reader *out) VG_MUST;
/* The next record.  VG_E_STOP: there are no more.  VG_E_FORMAT: it is not what the head says. */
vg_rc vg_block_next(struct vg_block_reader *r, struct vg_record *out) VG_MUST;
/* All records, for a fresh reader, column by column: several times as fast.  @out has room for r->count; errors as of vg_block_next(). */
vg_rc vg_block_all(struct vg_block_reader *r, struct vg_record *out) VG_MUST;
/* The records of a payload, in order.  Not VG_OK of @each ends the walk.  VG_E_FORMAT, perhaps after some: they are not what the head
 * says. */
vg_rc vg_block_each(const struct vg_block_head *h, vg_str payload, vg_rc (*each)(void *ctx, uint32_t at, const struct vg_record *r), void *ctx) VG_MUST;
/* That record @at (from 0) stands under the head's root: check it with vg_check_inclusion(leaf of the record's bytes, at + 1,
 * count + 1, proof, root).  VG_E_NOTFOUND. */
vg_rc vg_block_prove(const struct vg_block_head *h, vg_str payload, uint32_t at, struct vg_proof *out) VG_MUST;

#endif
