/* vault/sieve.h - a rule asked of the field cache (vault/fields.h): which blocks, and which of their records, it cannot match.  It never says no where the
 * rule says yes. */
#ifndef VG_VAULT_SIEVE_H
#define VG_VAULT_SIEVE_H

#include "detect/detect.h"
#include "vault/fields.h"
#include "vault/need.h"

/* A text that values stand in as they are, if the record or the block at hand has them: can @n be met by it?  @item: from 0 on, below vg_sieve_items(). */
struct vg_sieve_text {
	bool (*holds)(void *ctx, uint32_t item, const struct vg_need *n);
	void *ctx;
	vg_str raw; /* a record's bytes; empty: of a block */
};
struct vg_sieve;
/* @stamp: of the packs and the decoder that records are decoded with (vg_fields_stamp()); a group with another one is not asked.  @p, @re and @key stay the
 * caller's.  VG_OK and @out NULL: the rule asks for no field.  VG_E_NOMEM. */
vg_rc vg_sieve_new(const struct vg_program *p, uint32_t rule, struct vg_regexes *re, const uint8_t stamp[VG_FIELDS_STAMP], vg_block_key_fn *key, void *key_ctx,
		   struct vg_sieve **out) VG_MUST;
void vg_sieve_free(struct vg_sieve *s);
/* Another segment; @fd of its cache (not owned), below 1: there is none.  VG_E_NOMEM, VG_E_SYS. */
vg_rc vg_sieve_segment(struct vg_sieve *s, int fd) VG_MUST;
uint32_t vg_sieve_items(const struct vg_sieve *s);
/* The block whose head is at @at; @text: what the index says of it.  @skip: none of its records can match.  VG_E_NOMEM, VG_E_SYS. */
vg_rc vg_sieve_block(struct vg_sieve *s, uint64_t at, uint64_t stored, uint64_t first_seq, uint64_t last_seq, const struct vg_sieve_text *text,
		     bool *skip) VG_MUST;
/* Of the @n records of that block, take the marks of those that cannot match; how many of them had one. */
uint32_t vg_sieve_unmark(struct vg_sieve *s, uint8_t *mark, uint32_t n);
/* Can record @i of that block match, whose bytes are @text? */
bool vg_sieve_record(const struct vg_sieve *s, uint32_t i, const struct vg_sieve_text *text);
/* So far: groups and parts that are damaged; groups of another stamp; bytes read. */
void vg_sieve_stats(const struct vg_sieve *s, uint64_t *bad, uint64_t *old, uint64_t *read_bytes);

#endif
