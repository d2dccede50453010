/* vault/fields.h - the cache of decoded fields of one segment: what a search by field needs to know of a record without decoding it.  The
 * file "NAME.vf" beside the segment "NAME.vs".  It is no evidence: it is made again from the segment (vault/redecode.h) whenever it is
 * missing, damaged, or made by other packs or another decoder, which its stamp says; then nobody rests on it.
 *
 * Fields whole would take as much as the vault itself (measured: bench/fields.py).  So records that look alike are one class: the same pack
 * and log source, the same names, and the same values of those names that have few of them.  Names with more values stand in a class as
 * "some value"; up to VG_FIELDS_VALUES of these are listed, with which of them each block has.  A record costs its class's number.  A
 * group holds up to VG_FIELDS_BLOCKS blocks of one key, in any order; everything is sealed as the index is (vault/tokens.h), under a key
 * derived from that of the blocks, so that a destroyed key takes it along.  doc/vault-format.md, "Field cache". */
#ifndef VG_VAULT_FIELDS_H
#define VG_VAULT_FIELDS_H

#include "source/decode.h"
#include "vault/block.h"
#include "vault/tokens.h"

#define VG_FIELDS_SUFFIX ".vf"
#define VG_FIELDS_STAMP 32
#define VG_FIELDS_BLOCKS 256
#define VG_FIELDS_KEYS 4096        /* names in a group; a record with another one is of class 0 */
#define VG_FIELDS_NAME_MAX 256     /* bytes of a name; a record with a longer one is of class 0 */
#define VG_FIELDS_VALUES 256       /* listed values of a name */
#define VG_FIELDS_VALUE_MAX 127    /* bytes of a listed value; a name with a longer one has none */
#define VG_FIELDS_CLASSES 4096     /* in a group, with class 0 */
#define VG_FIELDS_CLASS_MAX 1024   /* names and values of one class; a record with more is of class 0 */
#define VG_FIELDS_LABELS 1024      /* packs and log sources in a group */
#define VG_FIELDS_TABLES_MAX ((size_t)16 << 20)
#define VG_FIELDS_UNKNOWN 0        /* the class of records of which nothing is said: they gave several events, or were over a limit */
/* Values of a class besides listed ones. */
#define VG_FIELDS_ANY 0xffff       /* some value, not null, which stands in the record's bytes as it is */
#define VG_FIELDS_MADE 0xfffe      /* some value, not null */
#define VG_FIELDS_NULL 0xfffd

/* What decoded: packs (their compiled blob), decoder (VG_DECODE_FORMAT) and the zone of times without one. */
void vg_fields_stamp(vg_str packs, int zone_s, uint8_t out[VG_FIELDS_STAMP]);

/* ---- making ---- */

struct vg_fields_builder;
/* @packs, @keys, @zone_s: as of vg_decoder_init().  NULL: out of memory. */
struct vg_fields_builder *vg_fields_builder_new(const struct vg_packs *packs, const struct vg_keys *keys, int zone_s, const uint8_t stamp[VG_FIELDS_STAMP]);
void vg_fields_builder_free(struct vg_fields_builder *b);
/* Another block, whose head is at @at.  VG_E_LIMIT: the group is full, finish it.  VG_E_REFUSED: it is under another key than the group.  VG_E_FORMAT,
 * VG_E_NOMEM: it is not in the group. */
vg_rc vg_fields_add(struct vg_fields_builder *b, uint64_t at, const struct vg_block_head *h, vg_str payload) VG_MUST;
unsigned vg_fields_blocks(const struct vg_fields_builder *b);
/* Of the block added last, a record each: its label, and its class as it is now, of which the names never change.  @n: records. */
const uint32_t *vg_fields_labels(const struct vg_fields_builder *b, uint32_t *n);
const uint32_t *vg_fields_classes(const struct vg_fields_builder *b);
vg_str vg_fields_label_text(const struct vg_fields_builder *b, uint32_t label);
/* The names of a class, each once, into @out; how many. */
uint32_t vg_fields_class_names(const struct vg_fields_builder *b, uint32_t class, vg_str out[VG_FIELDS_CLASS_MAX]);
/* Append the group to @out, and begin the next one.  @key: of its blocks; NULL when they have none. */
vg_rc vg_fields_finish(struct vg_fields_builder *b, const uint8_t *key, struct vg_buf *out) VG_MUST;

/* ---- reading ---- */

struct vg_fields_row { /* a block */
	uint64_t at, stored, first_seq, last_seq;
	uint32_t records, unknown; /* of class 0 */
	uint32_t part_at, part; /* its part: where in the group, and bytes as stored */
};
struct vg_fields_key {
	vg_str name;
	bool listed;
	uint32_t nvalue;
	vg_str *value;
	bool *made;         /* of each: does some record have it and not its bytes? */
	uint32_t bitmap_at; /* listed: where in a block's bitmaps its own begins */
};
struct vg_fields_class {
	uint32_t label, n;
	uint32_t *el; /* ascending, each once: key << 16 | value of its list, VG_FIELDS_ANY, _MADE or _NULL */
};
struct vg_fields_group {
	uint64_t at; /* in the file */
	uint32_t bytes, nblock, key;
	uint8_t stamp[VG_FIELDS_STAMP];
	struct vg_fields_row *row; /* owned */
	/* after vg_fields_need() */
	bool loaded;
	struct vg_fields_key *name;
	uint32_t nname;
	struct vg_fields_class *class;
	uint32_t nclass;
	vg_str *label; /* "PACK" NUL "product/category/service", several of them with ", " between; empty: no pack knew it */
	uint32_t nlabel, bitmaps /* bytes */;
	struct vg_arena arena;
	uint32_t tables_bytes, tables_stored, tables_at;
	uint8_t preamble[VG_TOKENS_PREAMBLE], secret[VG_BLOCK_KEY];
};
struct vg_fields {
	int fd;
	struct vg_fields_group *group; /* owned */
	size_t ngroup;
	bool damaged; /* not all of the file is whole groups */
	uint64_t read_bytes;
	struct vg_buf part, plain;
	struct ZSTD_DCtx_s *zstd; /* owned */
};
/* Read the heads of all groups of @fd (not owned).  What is not a whole group ends them (damaged); one whose key is gone is passed over.  VG_E_NOMEM, VG_E_SYS. */
vg_rc vg_fields_open(int fd, vg_block_key_fn *key, void *ctx, struct vg_fields **out) VG_MUST;
void vg_fields_close(struct vg_fields *f);
/* Names, values and classes of group @g.  VG_E_FORMAT: the cache is damaged.  VG_E_NOMEM, VG_E_SYS. */
vg_rc vg_fields_need(struct vg_fields *f, size_t g) VG_MUST;
struct vg_fields_block { /* good until the next one is read */
	const uint8_t *low, *high; /* bytes of each record's class, which is one of the group's */
	const uint8_t *bitmaps;
	uint32_t records;
};
static inline uint32_t
vg_fields_class_of(const struct vg_fields_block *b, uint32_t record)
{
	return b->low[record] | (uint32_t)b->high[record] << 8;
}
/* Block @i of group @g.  Errors as of vg_fields_need(). */
vg_rc vg_fields_read(struct vg_fields *f, size_t g, uint32_t i, struct vg_fields_block *out) VG_MUST;
/* Is every byte what was written?  As vg_tokens_check(). */
vg_rc vg_fields_check(int fd, uint64_t *bad) VG_MUST;

#endif
