/* vault/tokens_impl.h - what the index's maker and its reader share. */
#ifndef VG_VAULT_TOKENS_IMPL_H
#define VG_VAULT_TOKENS_IMPL_H

#include "base/map.h"
#include "vault/tokens.h"
#include "vault/words.h"

/* The preamble: magic, u32 key, u32 bytes of the head as stored, u32 blocks, u32 bytes of the group, 16 bytes of SHA-256 over the group with
 * these 20 bytes 0, nonce.  Parts are sealed with them 0. */
#define VG_TOKENS_MAGIC "VGTOKEN1"
#define VG_PREAMBLE_KEY 8
#define VG_PREAMBLE_HEAD 12
#define VG_PREAMBLE_BLOCKS 16
#define VG_PREAMBLE_SIZE 20
#define VG_PREAMBLE_SUM 24
#define VG_PREAMBLE_NONCE 40
#define VG_HEAD_MAX ((size_t)1 << 20)
#define VG_HEAD_FIXED 32
#define VG_ROW_BYTES 52
#define VG_HASHES_MAX (UINT32_C(1) << 23)
/* What a group has, in its head. */
enum { VG_GROUP_DICTIONARY = 1, VG_GROUP_JOINTS = 2 };
/* Numbers of the parts. */
enum { VG_PART_HEAD, VG_PART_WORDS, VG_PART_PAGE };

/* The key of parts, from that of the blocks; @what: whose parts. */
void vg_part_secret(const char *what, const uint8_t *key, uint8_t out[VG_BLOCK_KEY]);
void vg_tokens_secret(const uint8_t *key, uint8_t out[VG_BLOCK_KEY]);
/* Append @part, sealed. */
vg_rc vg_part_seal(const uint8_t *preamble, const uint8_t *secret, uint32_t number, vg_str part, struct vg_buf *out) VG_MUST;
/* In place, @p being the bytes of @s; @s becomes what was sealed.  false: it is not that. */
bool vg_part_open(const uint8_t *preamble, const uint8_t *secret, uint32_t number, char *p, vg_str *s);
/* vg_tokens_check() of groups with another magic. */
vg_rc vg_groups_check(int fd, const char *magic, uint64_t *bad) VG_MUST;
/* Write the size and the sum of a group into its preamble: what tells a flipped bit without the key. */
void vg_group_sum(char *group, uint32_t size);
vg_rc vg_words_unpack(vg_str stored, size_t bytes, struct vg_buf *out) VG_MUST;

/* A word's hash is 32 bits; scaled to 0..hashes-1 it is what pages are sorted by. */
static inline uint32_t
vg_word_hash(vg_str word, uint64_t salt)
{
	return (uint32_t)(vg_hash64(word, salt) >> 32);
}
static inline uint32_t
vg_page_of(uint32_t npage, uint32_t hashes, uint32_t h32)
{
	uint64_t h = (uint64_t)h32 * hashes >> 32;

	return (uint32_t)(h * npage / hashes);
}
/* The first scaled hash of a page. */
static inline uint64_t
vg_page_first(uint32_t npage, uint32_t hashes, uint32_t number)
{
	return ((uint64_t)number * hashes + npage - 1) / npage;
}

#endif
