/* vault/tokens_make.c - a group of the index, from its blocks. */
#include <sodium.h>
#include <stdlib.h>
#include <zstd.h>

#include "source/decode.h"
#include "vault/tokens_impl.h"

#define RECENT 8192          /* words as written, of the block at hand, that are known to be in */
#define SEEN_BITS 12         /* of the table of one block's words, at first */
#define PAGE_BYTES 4000      /* what a page is meant to have */
#define FALSE_BITS 6         /* one block in 2^6 without a word is taken for one with it */
#define COMMON 8             /* a word in more than one in so many blocks has a bitmap */
#define WORDS_LEVEL 3        /* of zstd */
#define DICTIONARY_ROOM (4 * VG_TOKENS_DICTIONARY_MAX)

struct recent { /* a word of at most 16 bytes; all zero: none */
	uint64_t a, b;
};
struct vg_tokens_builder {
	uint64_t salt;
	uint32_t key;
	unsigned nblock;
	struct vg_tokens_row row[VG_TOKENS_BLOCKS];
	size_t row_bytes, payload; /* of a row at most; of the one at hand */
	struct vg_buf hash[VG_TOKENS_BLOCKS]; /* of each row: u32 each, in no order, each once */
	struct vg_map words; /* the dictionary */
	size_t dictionary_bytes;
	bool overfull;
	/* of the row at hand, the last one or the next */
	unsigned hand;
	uint64_t *seen; /* open addressing, 0 is free; owned */
	size_t nseen, cap;
	struct recent recent[RECENT];
	uint32_t flags;
	vg_rc rc;
	/* audit records are decoded */
	struct vg_keys *keys;
	struct vg_decoder decoder;
};

static void
begin_group(struct vg_tokens_builder *b)
{
	randombytes_buf(&b->salt, sizeof(b->salt));
	b->nblock = 0;
	b->dictionary_bytes = 1;
	b->overfull = false;
	vg_map_fini(&b->words);
	vg_map_init(&b->words, DICTIONARY_ROOM);
}

struct vg_tokens_builder *
vg_tokens_builder_new(void)
{
	struct vg_tokens_builder *b = sodium_init() < 0 ? NULL : calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->cap = (size_t)1 << SEEN_BITS;
	b->row_bytes = VG_BLOCK_FULL;
	b->seen = calloc(b->cap, sizeof(*b->seen));
	if ((b->keys = vg_keys_new()) == NULL || b->seen == NULL) {
		free(b->seen);
		vg_keys_free(b->keys);
		free(b);
		return NULL;
	}
	vg_decoder_init(&b->decoder, NULL, b->keys, 0);
	begin_group(b);
	return b;
}

void
vg_tokens_builder_free(struct vg_tokens_builder *b)
{
	if (b == NULL)
		return;
	for (unsigned i = 0; i < VG_TOKENS_BLOCKS; i++)
		vg_buf_fini(&b->hash[i]);
	vg_map_fini(&b->words);
	vg_decoder_fini(&b->decoder);
	vg_keys_free(b->keys);
	free(b->seen);
	free(b);
}

unsigned
vg_tokens_blocks(const struct vg_tokens_builder *b)
{
	return b->nblock;
}

void
vg_tokens_set_row(struct vg_tokens_builder *b, size_t bytes)
{
	b->row_bytes = bytes;
}

/* ---- the words of one row ---- */

static bool
grow(struct vg_tokens_builder *b)
{
	size_t cap = 2 * b->cap;
	uint64_t *p = calloc(cap, sizeof(*p));

	if (p == NULL)
		return false;
	for (size_t i = 0; i < b->cap; i++) {
		size_t at = b->seen[i] & (cap - 1);

		while (b->seen[i] && p[at])
			at = (at + 1) & (cap - 1);
		if (b->seen[i])
			p[at] = b->seen[i];
	}
	free(b->seen);
	b->seen = p;
	b->cap = cap;
	return true;
}

/* Was the hash not seen in this row before?  Equal by all 64 bits: the salt is secret, so nobody makes two words fall together. */
static bool
is_new(struct vg_tokens_builder *b, uint64_t h)
{
	size_t at;

	h += h == 0;
	for (at = h & (b->cap - 1); b->seen[at]; at = (at + 1) & (b->cap - 1))
		if (b->seen[at] == h)
			return false;
	b->seen[at] = h;
	if (++b->nseen > b->cap / 2 && !grow(b))
		b->rc = VG_E_NOMEM;
	return true;
}

static void
to_dictionary(struct vg_tokens_builder *b, vg_str word)
{
	if (word.n > VG_TOKENS_WORD_MAX) {
		b->flags |= VG_TOKENS_LONG;
		return;
	}
	if (b->overfull || vg_word_is_number(word) || vg_map_find(&b->words, word) != VG_MAP_NONE)
		return;
	if (b->dictionary_bytes + word.n + 1 > VG_TOKENS_DICTIONARY_MAX || vg_map_add(&b->words, word, 0, NULL) == VG_MAP_NONE)
		b->overfull = true;
	else
		b->dictionary_bytes += word.n + 1;
}

/* A word in lower case. */
static void
add_word(struct vg_tokens_builder *b, vg_str word, bool dictionary)
{
	uint64_t h = vg_hash64(word, b->salt);

	if (!is_new(b, h))
		return;
	vg_buf_le32(&b->hash[b->hand], (uint32_t)(h >> 32));
	if (dictionary)
		to_dictionary(b, word);
}

/* Was it in lately, written the same?  It is, from now on. */
static bool
is_recent(struct vg_tokens_builder *b, vg_str word)
{
	struct recent w = { 0, 0 }, *at;

	memcpy(&w.a, word.p, word.n < 8 ? word.n : 8);
	if (word.n > 8)
		memcpy(&w.b, word.p + 8, word.n - 8);
	at = &b->recent[((w.a ^ w.b * 0x9e3779b97f4a7c15u) * 0xc2b2ae3d27d4eb4fu) >> 51];
	if (at->a == w.a && at->b == w.b)
		return true;
	*at = w;
	return false;
}

static void
add_text(struct vg_tokens_builder *b, vg_str text)
{
	struct vg_words w = { .text = text };
	char small[256], address[VG_ADDRESS_MAX], joint[VG_JOINT];
	vg_str word;
	size_t n;

	while (vg_words_next(&w, &word)) {
		if (word.n <= 16 && is_recent(b, word)) {
			;
		} else if (word.n <= sizeof(small)) {
			vg_lower(word, small);
			add_word(b, vg_str_mem(small, word.n), true);
		} else {
			char *p = malloc(word.n);

			if (p == NULL) {
				b->rc = VG_E_NOMEM;
				return;
			}
			vg_lower(word, p);
			add_word(b, vg_str_mem(p, word.n), true);
			free(p);
		}
		for (unsigned k = 1; w.chain >= 3 && k <= 3 && (n = vg_words_address(&w, k, address)) != 0; k++)
			add_word(b, vg_str_mem(address, n), false);
		if (vg_words_joint(&w, joint) && !is_recent(b, vg_str_mem(joint, VG_JOINT)))
			add_word(b, vg_str_mem(joint, VG_JOINT), false);
	}
}

static vg_rc
on_decoded(void *ctx, struct vg_event *e)
{
	struct vg_tokens_builder *b = ctx;

	for (uint32_t i = 0; i < e->nfield; i++)
		add_text(b, e->field[i].value);
	return b->rc;
}

static vg_rc
add_record(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct vg_tokens_builder *b = ctx;

	(void)at;
	add_text(b, r->raw);
	if (!(b->flags & VG_TOKENS_HIDES) && vg_record_hides(r->raw))
		b->flags |= VG_TOKENS_HIDES;
	if (vg_record_is_audit(r->raw)) {
		b->flags |= VG_TOKENS_AUDIT;
		if (b->rc == VG_OK)
			b->rc = vg_decoder_record(&b->decoder, r->raw, r->recv_ns, on_decoded, b);
	}
	return b->rc;
}

static bool
goes_on(const struct vg_tokens_builder *b, uint64_t at, const struct vg_block_head *h)
{
	const struct vg_tokens_row *r = b->nblock ? &b->row[b->nblock - 1] : NULL;

	return r && at == r->at + VG_BLOCK_HEAD + r->stored && b->payload + h->payload <= b->row_bytes && r->more + 1 < VG_TOKENS_ROW_BLOCKS;
}

static void
begin_row(struct vg_tokens_builder *b)
{
	b->hand = b->nblock;
	vg_buf_clear(&b->hash[b->hand]);
	memset(b->seen, 0, b->cap * sizeof(*b->seen));
	memset(b->recent, 0, sizeof(b->recent));
	b->nseen = 0;
	b->flags = 0;
	b->payload = 0;
}

/* The block at @at is in the words of the row at hand. */
static void
end_block(struct vg_tokens_builder *b, uint64_t at, const struct vg_block_head *h)
{
	struct vg_tokens_row *r = &b->row[b->hand];

	if (b->hand == b->nblock) {
		*r = (struct vg_tokens_row){ .at = at, .first_seq = h->first_seq, .first_ns = h->first_ns, .last_ns = h->last_ns };
		b->nblock++;
	} else {
		r->more++;
	}
	r->stored = at + h->stored - r->at;
	r->last_seq = h->last_seq;
	r->first_ns = h->first_ns < r->first_ns ? h->first_ns : r->first_ns;
	r->last_ns = h->last_ns > r->last_ns ? h->last_ns : r->last_ns;
	r->flags = b->flags;
	b->payload += h->payload;
	b->key = h->key;
}

vg_rc
vg_tokens_add(struct vg_tokens_builder *b, uint64_t at, const struct vg_block_head *h, vg_str payload)
{
	vg_rc rc;

	if (b->nblock && h->key != b->key)
		return VG_E_REFUSED;
	if (!goes_on(b, at, h)) {
		if (b->nblock == VG_TOKENS_BLOCKS)
			return VG_E_LIMIT;
		begin_row(b);
	}
	b->rc = VG_OK;
	rc = vg_block_each(h, payload, add_record, b);
	if (rc == VG_OK)
		rc = b->hash[b->hand].rc;
	if (rc == VG_OK)
		end_block(b, at, h);
	else
		b->payload = b->row_bytes; /* half of a block's words are in it: it takes no more */
	return rc;
}

/* ---- the group ---- */

struct group {
	struct vg_tokens_builder *b;
	size_t head_stored;
	uint8_t preamble[VG_TOKENS_PREAMBLE], secret[VG_BLOCK_KEY];
};

/* Ascending by the hash; equal ones stay in their order, which is that of the blocks. */
static void
sort_pairs(uint64_t *p, uint64_t *spare, size_t n)
{
	for (unsigned shift = 16; shift < 48; shift += 16) {
		uint64_t *to = shift == 16 ? spare : p, *from = shift == 16 ? p : spare;
		static uint32_t count[1 << 16];
		uint32_t at = 0;

		memset(count, 0, sizeof(count));
		for (size_t i = 0; i < n; i++)
			count[from[i] >> shift & 0xffff]++;
		for (size_t i = 0; i < VG_COUNT(count); i++) {
			uint32_t c = count[i];

			count[i] = at;
			at += c;
		}
		for (size_t i = 0; i < n; i++)
			to[count[from[i] >> shift & 0xffff]++] = from[i];
	}
}

/* All of the words, as hash and block, ascending. */
static uint64_t *
pairs(const struct vg_tokens_builder *b, size_t *n)
{
	size_t all = 0, at = 0;
	uint64_t *p;

	for (unsigned i = 0; i < b->nblock; i++)
		all += b->hash[i].n / 4;
	if (all > UINT32_MAX || (p = malloc((2 * all + 1) * sizeof(*p))) == NULL)
		return NULL;
	for (unsigned i = 0; i < b->nblock; i++)
		for (size_t j = 0; j < b->hash[i].n; j += 4) {
			uint32_t h;

			memcpy(&h, b->hash[i].p + j, 4);
			p[at++] = (uint64_t)h << 16 | i;
		}
	sort_pairs(p, p + all, all);
	*n = all;
	return p;
}

struct pages { /* on their way */
	struct vg_tokens_builder *b;
	uint32_t hashes, npage, rice;
	size_t common_at;            /* a word in more blocks has a bitmap */
	struct vg_buf common, rest;  /* of the page at hand */
	uint32_t ncommon, nrest, number;
	uint64_t last, bits;         /* of the numbers behind one another */
	unsigned nbit;
};

static void
put_bits(struct pages *p, uint64_t v, unsigned n)
{
	for (; n; v >>= 1, n--) {
		p->bits |= (v & 1) << p->nbit;
		if (++p->nbit == 8) {
			vg_buf_u8(&p->rest, (uint8_t)p->bits);
			p->bits = p->nbit = 0;
		}
	}
}

static void
put_number(struct pages *p, uint64_t v)
{
	uint64_t gap = v - p->last - (p->nrest ? 1 : 0);

	for (uint64_t zeros = gap >> p->rice; zeros; zeros--)
		put_bits(p, 0, 1);
	put_bits(p, 1, 1);
	put_bits(p, gap, p->rice);
	p->last = v;
	p->nrest++;
}

static void
put_bitmap(struct pages *p, const uint64_t *pair, size_t n)
{
	uint8_t set[VG_TOKENS_BLOCKS / 8] = { 0 };

	for (size_t i = 0; i < n; i++)
		set[(pair[i] & 0xffff) / 8] |= (uint8_t)(1 << pair[i] % 8);
	vg_buf_le32(&p->common, (uint32_t)(pair[0] >> 16));
	vg_buf_mem(&p->common, set, (p->b->nblock + 7) / 8);
	p->ncommon++;
}

static void
begin_page(struct pages *p, uint32_t number)
{
	p->number = number;
	p->last = vg_page_first(p->npage, p->hashes, number) * p->b->nblock;
	p->ncommon = p->nrest = 0;
	p->bits = p->nbit = 0;
	vg_buf_clear(&p->common);
	vg_buf_clear(&p->rest);
}

static vg_rc
end_page(struct pages *p, const struct group *g, struct vg_buf *out)
{
	struct vg_buf part = { 0 };
	vg_rc rc;

	if (p->nbit)
		put_bits(p, 0, 8 - p->nbit);
	vg_buf_le32(&part, p->ncommon);
	vg_buf_le32(&part, p->nrest);
	vg_buf_put(&part, vg_buf_str(&p->common));
	vg_buf_put(&part, vg_buf_str(&p->rest));
	rc = p->common.rc != VG_OK ? p->common.rc : p->rest.rc != VG_OK ? p->rest.rc : part.rc;
	if (rc == VG_OK)
		rc = vg_part_seal(g->preamble, g->secret, VG_PART_PAGE + p->number, vg_buf_str(&part), out);
	vg_buf_fini(&part);
	return rc;
}

/* How many words have bitmaps, and how many places the others have: what all else is sized by. */
static void
measure(struct pages *p, const uint64_t *pair, size_t n)
{
	unsigned nblock = p->b->nblock;
	size_t rest = 0, bitmaps = 0;
	uint64_t hashes;

	p->common_at = nblock / COMMON > 3 ? nblock / COMMON : 3;
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && pair[j] >> 16 == pair[i] >> 16; j++)
			;
		if (j - i > p->common_at)
			bitmaps++;
		else
			rest += j - i;
	}
	hashes = ((uint64_t)rest << FALSE_BITS) / nblock;
	p->hashes = hashes < 64 ? 64 : hashes > VG_HASHES_MAX ? VG_HASHES_MAX : (uint32_t)hashes;
	p->npage = (uint32_t)((rest + bitmaps * (4 + nblock / 8)) / PAGE_BYTES + 1);
	if (p->npage > p->hashes)
		p->npage = p->hashes;
	for (p->rice = 0; rest && (uint64_t)p->hashes * nblock / rest >> (p->rice + 1) && p->rice < 24;)
		p->rice++;
}

/* What has no bitmap, as numbers: scaled hash times blocks plus block, ascending, each once. */
static uint64_t *
numbers(const struct pages *p, const uint64_t *pair, size_t n, size_t *out)
{
	uint64_t *v = malloc((n + 1) * sizeof(*v));
	size_t to = 0, once = 0;

	for (size_t i = 0, j; v && i < n; i = j) {
		for (j = i + 1; j < n && pair[j] >> 16 == pair[i] >> 16; j++)
			;
		for (size_t k = i; j - i <= p->common_at && k < j; k++) {
			uint64_t x = ((pair[k] >> 16) * p->hashes >> 32) * p->b->nblock + (pair[k] & 0xffff);
			size_t at = to++;

			for (; at && v[at - 1] > x; at--) /* few share a scaled hash */
				v[at] = v[at - 1];
			v[at] = x;
		}
	}
	for (size_t i = 0; i < to; i++)
		if (i == 0 || v[i] != v[i - 1])
			v[once++] = v[i];
	*out = once;
	return v;
}

/* The pages behind one another in @out; @ends gets where each ends there. */
static vg_rc
put_pages(struct pages *p, const uint64_t *pair, size_t n, struct group *g, struct vg_buf *out, struct vg_buf *ends)
{
	size_t i = 0, j, m, k = 0;
	uint64_t *v = numbers(p, pair, n, &m);
	vg_rc rc = v ? VG_OK : VG_E_NOMEM;

	for (uint32_t number = 0; rc == VG_OK && number < p->npage; number++) {
		begin_page(p, number);
		for (; i < n && vg_page_of(p->npage, p->hashes, (uint32_t)(pair[i] >> 16)) == number; i = j) {
			for (j = i + 1; j < n && pair[j] >> 16 == pair[i] >> 16; j++)
				;
			if (j - i > p->common_at)
				put_bitmap(p, pair + i, j - i);
		}
		for (uint64_t end = vg_page_first(p->npage, p->hashes, number + 1) * p->b->nblock; k < m && v[k] < end; k++)
			put_number(p, v[k]);
		rc = end_page(p, g, out);
		vg_buf_le32(ends, (uint32_t)out->n);
	}
	free(v);
	return rc != VG_OK ? rc : ends->rc;
}

/* ---- the dictionary ---- */

static int
by_text(const void *a, const void *b)
{
	return vg_str_cmp(*(const vg_str *)a, *(const vg_str *)b);
}

/* All words, ascending, each between line ends; compressed. */
static vg_rc
put_words(struct vg_tokens_builder *b, struct vg_buf *out, uint32_t *bytes)
{
	vg_str *word = malloc((b->words.n + 1) * sizeof(*word));
	struct vg_buf text = { 0 };
	size_t n = 0, room;
	vg_rc rc = VG_E_NOMEM;

	for (size_t i = 0; word && i < b->words.cap; i++)
		if (b->words.slot[i].value != VG_MAP_NONE)
			word[n++] = b->words.slot[i].key;
	if (word)
		qsort(word, n, sizeof(*word), by_text);
	vg_buf_putc(&text, '\n');
	for (size_t i = 0; i < n; i++) {
		vg_buf_put(&text, word[i]);
		vg_buf_putc(&text, '\n');
	}
	room = ZSTD_compressBound(text.n);
	if (word && text.rc == VG_OK && vg_buf_reserve(out, room)) {
		size_t packed = ZSTD_compress(out->p + out->n, room, text.p, text.n, WORDS_LEVEL);

		rc = ZSTD_isError(packed) ? VG_E_NOMEM : VG_OK;
		out->n += rc == VG_OK ? packed : 0;
	}
	*bytes = (uint32_t)text.n;
	free(word);
	vg_buf_fini(&text);
	return rc;
}

vg_rc
vg_words_unpack(vg_str stored, size_t bytes, struct vg_buf *out)
{
	size_t n;

	if (!vg_buf_reserve(out, bytes + 1))
		return out->rc;
	n = ZSTD_decompress(out->p, bytes, stored.p, stored.n);
	if (ZSTD_isError(n) || n != bytes)
		return VG_E_FORMAT;
	out->n = n;
	return VG_OK;
}

/* ---- the whole ---- */

static void
put_row(struct vg_buf *b, const struct vg_tokens_row *r)
{
	vg_buf_le64(b, r->at);
	vg_buf_le64(b, r->stored);
	vg_buf_le64(b, r->first_seq);
	vg_buf_le64(b, r->last_seq);
	vg_buf_le64(b, (uint64_t)r->first_ns);
	vg_buf_le64(b, (uint64_t)r->last_ns);
	vg_buf_le16(b, (uint16_t)r->flags);
	vg_buf_le16(b, (uint16_t)r->more);
}

static void
put_preamble(struct group *g)
{
	struct vg_tokens_builder *b = g->b;
	uint32_t key = b->key, head = (uint32_t)g->head_stored, nblock = b->nblock;

	memcpy(g->preamble, VG_TOKENS_MAGIC, 8);
	memcpy(g->preamble + VG_PREAMBLE_KEY, &key, 4);
	memcpy(g->preamble + VG_PREAMBLE_HEAD, &head, 4);
	memcpy(g->preamble + VG_PREAMBLE_BLOCKS, &nblock, 4);
	randombytes_buf(g->preamble + VG_PREAMBLE_NONCE, VG_TOKENS_PREAMBLE - VG_PREAMBLE_NONCE);
}

/* @ends: where the pages end, counted from where the dictionary begins. */
static vg_rc
put_head(struct group *g, const struct pages *p, const struct vg_buf *ends, uint32_t words_bytes, uint32_t words_stored, struct vg_buf *out)
{
	struct vg_tokens_builder *b = g->b;
	uint32_t begin = (uint32_t)(VG_TOKENS_PREAMBLE + g->head_stored), end;
	struct vg_buf head = { 0 };
	vg_rc rc;

	vg_buf_le64(&head, b->salt);
	vg_buf_le32(&head, p->hashes);
	vg_buf_le32(&head, p->npage);
	vg_buf_le32(&head, p->rice);
	vg_buf_le32(&head, VG_GROUP_JOINTS | (b->overfull ? 0 : VG_GROUP_DICTIONARY));
	vg_buf_le32(&head, words_bytes);
	vg_buf_le32(&head, words_stored);
	for (unsigned i = 0; i < b->nblock; i++)
		put_row(&head, &b->row[i]);
	vg_buf_le32(&head, begin + words_stored);
	for (size_t i = 0; i < ends->n; i += 4) {
		memcpy(&end, ends->p + i, 4);
		vg_buf_le32(&head, begin + end);
	}
	vg_buf_mem(out, g->preamble, VG_TOKENS_PREAMBLE);
	rc = head.rc != VG_OK ? head.rc : vg_part_seal(g->preamble, g->secret, VG_PART_HEAD, vg_buf_str(&head), out);
	vg_buf_fini(&head);
	return rc;
}

void
vg_group_sum(char *group, uint32_t size)
{
	struct vg_hash h;

	vg_hash_of(vg_str_mem(group, size), &h);
	memcpy(group + VG_PREAMBLE_SIZE, &size, sizeof(size));
	memcpy(group + VG_PREAMBLE_SUM, h.b, VG_PREAMBLE_NONCE - VG_PREAMBLE_SUM);
}

vg_rc
vg_tokens_finish(struct vg_tokens_builder *b, const uint8_t *key, struct vg_buf *out)
{
	struct group g = { .b = b };
	struct pages p = { .b = b };
	struct vg_buf body = { 0 }, words = { 0 }, ends = { 0 };
	uint32_t words_bytes = 0, words_stored = 0;
	uint64_t *pair;
	size_t n, begin = out->n;
	vg_rc rc;

	if (b->nblock == 0 || (key != NULL) != (b->key != 0))
		return VG_E_REFUSED;
	if ((pair = pairs(b, &n)) == NULL)
		return VG_E_NOMEM;
	measure(&p, pair, n);
	g.head_stored = VG_HEAD_FIXED + (size_t)b->nblock * VG_ROW_BYTES + ((size_t)p.npage + 1) * 4 + VG_TOKENS_SEALED;
	vg_tokens_secret(key, g.secret);
	put_preamble(&g);
	if ((rc = put_words(b, &words, &words_bytes)) == VG_OK)
		rc = vg_part_seal(g.preamble, g.secret, VG_PART_WORDS, vg_buf_str(&words), &body);
	words_stored = (uint32_t)body.n;
	if (rc == VG_OK)
		rc = put_pages(&p, pair, n, &g, &body, &ends);
	if (rc == VG_OK && (rc = put_head(&g, &p, &ends, words_bytes, words_stored, out)) == VG_OK) {
		vg_buf_put(out, vg_buf_str(&body));
		if ((rc = out->rc) == VG_OK)
			vg_group_sum(out->p + begin, (uint32_t)(out->n - begin));
	}
	sodium_memzero(g.secret, sizeof(g.secret));
	free(pair);
	vg_buf_fini(&words);
	vg_buf_fini(&ends);
	vg_buf_fini(&body);
	vg_buf_fini(&p.common);
	vg_buf_fini(&p.rest);
	if (rc == VG_OK)
		begin_group(b);
	return rc;
}
