#include "vault/tokens.h"

#include <sodium.h>
#include <stdlib.h>

#include "vault/disk.h"
#include "vault/tokens_impl.h"

/* ---- parts: encrypted and authenticated, or with a digest ---- */

void
vg_part_secret(const char *what, const uint8_t *key, uint8_t out[VG_BLOCK_KEY])
{
	memset(out, 0, VG_BLOCK_KEY);
	if (key) /* a key of its own: no nonce of a part can meet one of a block */
		(void)crypto_generichash(out, VG_BLOCK_KEY, (const unsigned char *)what, strlen(what), key, VG_BLOCK_KEY);
}

void
vg_tokens_secret(const uint8_t *key, uint8_t out[VG_BLOCK_KEY])
{
	vg_part_secret("vigie index", key, out);
}

static void
part_nonce(const uint8_t *preamble, uint32_t number, uint8_t out[24])
{
	memcpy(out, preamble + VG_PREAMBLE_NONCE, 24);
	for (int i = 0; i < 4; i++)
		out[i] ^= (uint8_t)(number >> 8 * i);
}

static void
digest(const uint8_t *preamble, uint32_t number, vg_str s, uint8_t out[VG_TOKENS_SEALED])
{
	crypto_generichash_state st;

	(void)crypto_generichash_init(&st, NULL, 0, VG_TOKENS_SEALED);
	(void)crypto_generichash_update(&st, preamble, VG_TOKENS_PREAMBLE);
	(void)crypto_generichash_update(&st, (const unsigned char *)&number, sizeof(number));
	(void)crypto_generichash_update(&st, (const unsigned char *)s.p, s.n);
	(void)crypto_generichash_final(&st, out, VG_TOKENS_SEALED);
}

vg_rc
vg_part_seal(const uint8_t *preamble, const uint8_t *secret, uint32_t number, vg_str part, struct vg_buf *out)
{
	unsigned char *to;
	unsigned long long n;
	uint8_t nonce[24];
	uint32_t key;

	if (!vg_buf_reserve(out, part.n + VG_TOKENS_SEALED))
		return out->rc;
	to = (unsigned char *)out->p + out->n;
	memcpy(&key, preamble + VG_PREAMBLE_KEY, sizeof(key));
	if (key) {
		part_nonce(preamble, number, nonce);
		(void)crypto_aead_xchacha20poly1305_ietf_encrypt(to, &n, (const unsigned char *)part.p, part.n, preamble, VG_TOKENS_PREAMBLE, NULL,
								 nonce, secret);
	} else {
		if (part.n)
			memcpy(to, part.p, part.n);
		digest(preamble, number, part, to + part.n);
	}
	out->n += part.n + VG_TOKENS_SEALED;
	return VG_OK;
}

bool
vg_part_open(const uint8_t *preamble, const uint8_t *secret, uint32_t number, char *p, vg_str *s)
{
	uint8_t nonce[24], d[VG_TOKENS_SEALED];
	unsigned long long n = 0;
	uint32_t key;

	if (s->n < VG_TOKENS_SEALED)
		return false;
	memcpy(&key, preamble + VG_PREAMBLE_KEY, sizeof(key));
	if (key) {
		part_nonce(preamble, number, nonce);
		if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)p, &n, NULL, (const unsigned char *)p, s->n, preamble,
							       VG_TOKENS_PREAMBLE, nonce, secret) != 0)
			return false;
	} else {
		s->n -= VG_TOKENS_SEALED;
		digest(preamble, number, *s, d);
		return memcmp(d, p + s->n, sizeof(d)) == 0;
	}
	s->n = (size_t)n;
	return true;
}

/* Part @number of group @g: @n bytes at @at of the file.  What it says is good until the next call. */
static vg_rc
read_part(struct vg_tokens *t, const struct vg_tokens_group *g, uint32_t number, uint64_t at, size_t n, vg_str *out)
{
	vg_rc rc;

	vg_buf_clear(&t->part);
	if (!vg_buf_reserve(&t->part, n + 1))
		return t->part.rc;
	if ((rc = vg_file_read(&(struct vg_file){ .fd = t->fd }, t->part.p, n, at)) != VG_OK)
		return rc == VG_E_TRUNC ? VG_E_FORMAT : rc;
	t->read_bytes += n;
	*out = vg_str_mem(t->part.p, n);
	return vg_part_open(g->preamble, g->secret, number, t->part.p, out) ? VG_OK : VG_E_FORMAT;
}

/* ---- the heads of groups ---- */

static void
group_fini(struct vg_tokens_group *g)
{
	free(g->row);
	free(g->page);
	sodium_memzero(g->secret, sizeof(g->secret));
}

void
vg_tokens_close(struct vg_tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->ngroup; i++)
		group_fini(&t->group[i]);
	free(t->group);
	vg_buf_fini(&t->part);
	vg_buf_fini(&t->words);
	free(t);
}

static void
take_row(struct vg_cur *c, struct vg_tokens_row *r)
{
	r->at = vg_cur_le64(c);
	r->stored = vg_cur_le64(c);
	r->first_seq = vg_cur_le64(c);
	r->last_seq = vg_cur_le64(c);
	r->first_ns = (int64_t)vg_cur_le64(c);
	r->last_ns = (int64_t)vg_cur_le64(c);
	r->flags = vg_cur_le16(c);
	r->more = vg_cur_le16(c);
}

/* @head: what was sealed. */
static vg_rc
take_head(struct vg_tokens_group *g, vg_str head, size_t head_stored)
{
	struct vg_cur c = vg_cur_of(head.p, head.n);
	uint64_t begin = VG_TOKENS_PREAMBLE + head_stored;
	uint32_t has;

	g->salt = vg_cur_le64(&c);
	g->hashes = vg_cur_le32(&c);
	g->npage = vg_cur_le32(&c);
	g->rice = vg_cur_le32(&c);
	has = vg_cur_le32(&c);
	g->has_dictionary = has & VG_GROUP_DICTIONARY;
	g->has_joints = has & VG_GROUP_JOINTS;
	g->dictionary_bytes = vg_cur_le32(&c);
	g->dictionary_stored = vg_cur_le32(&c);
	if (c.rc != VG_OK || g->hashes == 0 || g->hashes > VG_HASHES_MAX || g->npage == 0 || g->npage > g->hashes || g->rice > 24 ||
	    vg_cur_left(&c) != (size_t)g->nblock * VG_ROW_BYTES + ((size_t)g->npage + 1) * 4 || g->dictionary_bytes > VG_TOKENS_DICTIONARY_MAX)
		return VG_E_FORMAT;
	g->row = calloc(g->nblock, sizeof(*g->row));
	g->page = calloc((size_t)g->npage + 1, sizeof(*g->page));
	if (g->row == NULL || g->page == NULL)
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < g->nblock; i++)
		take_row(&c, &g->row[i]);
	for (uint32_t i = 0; i <= g->npage; i++) {
		g->page[i] = vg_cur_le32(&c);
		if (i ? g->page[i] < g->page[i - 1] : g->page[i] != begin + g->dictionary_stored)
			return VG_E_FORMAT;
	}
	return VG_OK;
}

/* The group at @at of @size bytes; @next: where another one may begin. */
static vg_rc
take_group(struct vg_tokens *t, uint64_t at, uint64_t size, vg_block_key_fn *key, void *ctx, uint64_t *next)
{
	struct vg_tokens_group g = { .at = at }, *more;
	const uint8_t *k = NULL;
	struct vg_cur c;
	uint32_t stored, bytes;
	vg_str head;
	vg_rc rc = vg_file_read(&(struct vg_file){ .fd = t->fd }, g.preamble, sizeof(g.preamble), at);

	if (rc != VG_OK)
		return rc;
	c = vg_cur_of(g.preamble, sizeof(g.preamble));
	if (!vg_str_eq(vg_cur_bytes(&c, 8), VG_STR(VG_TOKENS_MAGIC)))
		return VG_E_FORMAT;
	g.key = vg_cur_le32(&c);
	stored = vg_cur_le32(&c);
	g.nblock = vg_cur_le32(&c);
	bytes = vg_cur_le32(&c);
	memset(g.preamble + VG_PREAMBLE_SIZE, 0, VG_PREAMBLE_NONCE - VG_PREAMBLE_SIZE); /* as parts were sealed */
	if (g.nblock == 0 || g.nblock > VG_TOKENS_BLOCKS || stored > VG_HEAD_MAX)
		return VG_E_FORMAT;
	if (g.key && (k = key ? key(ctx, g.key) : NULL) == NULL) { /* destroyed, and its blocks with it; others' groups stand behind */
		if (bytes < VG_TOKENS_PREAMBLE || bytes > size - at)
			return VG_E_REFUSED;
		t->closed++;
		*next = at + bytes;
		return VG_OK;
	}
	vg_tokens_secret(k, g.secret);
	if ((rc = read_part(t, &g, VG_PART_HEAD, at + VG_TOKENS_PREAMBLE, stored, &head)) == VG_OK)
		rc = take_head(&g, head, stored);
	if (rc == VG_OK && g.page[g.npage] > size - at)
		rc = VG_E_TRUNC;
	if (rc == VG_OK && (more = realloc(t->group, (t->ngroup + 1) * sizeof(*more))) != NULL) {
		t->group = more;
		t->group[t->ngroup++] = g;
		*next = at + g.page[g.npage];
		return VG_OK;
	}
	group_fini(&g);
	return rc != VG_OK ? rc : VG_E_NOMEM;
}

vg_rc
vg_groups_check(int fd, const char *magic, uint64_t *bad)
{
	struct vg_file f = { .fd = fd };
	struct vg_buf b = { 0 };
	uint64_t size;
	vg_rc rc = vg_file_size(&f, &size);

	for (*bad = 0; rc == VG_OK && *bad < size;) {
		uint8_t preamble[VG_TOKENS_PREAMBLE];
		struct vg_hash h;
		uint32_t n;

		if ((rc = vg_file_read(&f, preamble, sizeof(preamble), *bad)) != VG_OK)
			break;
		memcpy(&n, preamble + VG_PREAMBLE_SIZE, sizeof(n));
		if (n < VG_TOKENS_PREAMBLE || n > VG_TOKENS_GROUP_MAX || n > size - *bad) {
			rc = VG_E_FORMAT;
			break;
		}
		vg_buf_clear(&b);
		if (!vg_buf_reserve(&b, n)) {
			rc = b.rc;
			break;
		}
		if ((rc = vg_file_read(&f, b.p, n, *bad)) != VG_OK)
			break;
		memset(b.p + VG_PREAMBLE_SIZE, 0, VG_PREAMBLE_NONCE - VG_PREAMBLE_SIZE);
		vg_hash_of(vg_str_mem(b.p, n), &h);
		if (memcmp(preamble, magic, 8) != 0 || memcmp(h.b, preamble + VG_PREAMBLE_SUM, VG_PREAMBLE_NONCE - VG_PREAMBLE_SUM) != 0)
			rc = VG_E_FORMAT;
		else
			*bad += n;
	}
	vg_buf_fini(&b);
	return rc;
}

vg_rc
vg_tokens_check(int fd, uint64_t *bad)
{
	return vg_groups_check(fd, VG_TOKENS_MAGIC, bad);
}

vg_rc
vg_tokens_open(int fd, vg_block_key_fn *key, void *ctx, struct vg_tokens **out)
{
	struct vg_tokens *t = calloc(1, sizeof(*t));
	uint64_t at = 0, size;
	vg_rc rc = VG_OK;

	if (t == NULL)
		return VG_E_NOMEM;
	t->fd = fd;
	t->words_of = SIZE_MAX;
	if (sodium_init() < 0 || vg_file_size(&(struct vg_file){ .fd = fd }, &size) != VG_OK) {
		vg_tokens_close(t);
		return VG_E_SYS;
	}
	while (rc == VG_OK && at < size)
		rc = take_group(t, at, size, key, ctx, &at);
	if (rc == VG_E_NOMEM || rc == VG_E_SYS) {
		vg_tokens_close(t);
		return rc;
	}
	t->damaged = rc != VG_OK;
	*out = t;
	return VG_OK;
}

/* ---- looking up ---- */

static void
set_all(const struct vg_tokens_group *g, struct vg_tokens_set *s)
{
	*s = (struct vg_tokens_set){ { 0 } };
	for (uint32_t i = 0; i < g->nblock; i++)
		s->bit[i / 64] |= UINT64_C(1) << i % 64;
}

/* Those with any of the flags. */
static void
set_flagged(const struct vg_tokens_group *g, unsigned flags, struct vg_tokens_set *s)
{
	for (uint32_t i = 0; i < g->nblock; i++)
		if (g->row[i].flags & flags)
			s->bit[i / 64] |= UINT64_C(1) << i % 64;
}

static void
set_and(struct vg_tokens_set *a, const struct vg_tokens_set *b)
{
	for (size_t i = 0; i < VG_COUNT(a->bit); i++)
		a->bit[i] &= b->bit[i];
}

struct bits {
	const uint8_t *p;
	size_t n, at; /* bytes; bits */
};

/* The next bits, the first one lowest: at least 57 of them where there are as many, zeros behind the end. */
static uint64_t
look(const struct bits *b)
{
	size_t byte = b->at / 8, left = byte < b->n ? b->n - byte : 0;
	uint64_t v = 0;

	if (left)
		memcpy(&v, b->p + byte, left < 8 ? left : 8);
	return v >> b->at % 8;
}

/* As many zeros as the upper part says, a one, and the lower part's bits. */
static uint64_t
take_rice(struct bits *b, unsigned rice)
{
	uint64_t v = 0, w;

	while ((w = look(b)) == 0 && b->at < 8 * b->n) {
		unsigned step = 64 - (unsigned)(b->at % 8);

		b->at += step;
		v += step;
	}
	if (w == 0)
		return v << rice;
	v += (unsigned)__builtin_ctzll(w);
	b->at += (unsigned)__builtin_ctzll(w) + 1;
	v = v << rice | (look(b) & ((UINT64_C(1) << rice) - 1));
	b->at += rice;
	return v;
}

/* The blocks of a word whose hash is @h32, added to @out. */
static vg_rc
page_find(const struct vg_tokens_group *g, vg_str page, uint32_t number, uint32_t h32, struct vg_tokens_set *out)
{
	struct vg_cur c = vg_cur_of(page.p, page.n);
	size_t bitmap = (g->nblock + 7) / 8;
	uint32_t ncommon = vg_cur_le32(&c), n = vg_cur_le32(&c);
	uint64_t h = (uint64_t)h32 * g->hashes >> 32, v = vg_page_first(g->npage, g->hashes, number) * g->nblock;
	struct bits b;

	for (uint32_t i = 0; i < ncommon && c.rc == VG_OK; i++) {
		bool mine = vg_cur_le32(&c) == h32;
		vg_str set = vg_cur_bytes(&c, bitmap);

		for (uint32_t j = 0; mine && set.n && j < g->nblock; j++)
			if ((uint8_t)set.p[j / 8] >> j % 8 & 1)
				out->bit[j / 64] |= UINT64_C(1) << j % 64;
	}
	b = (struct bits){ c.p, vg_cur_left(&c), 0 };
	for (uint32_t i = 0; i < n && b.at < 8 * b.n; i++) {
		v += take_rice(&b, g->rice) + (i ? 1 : 0);
		if (v / g->nblock > h)
			return VG_OK;
		if (v / g->nblock == h)
			out->bit[v % g->nblock / 64] |= UINT64_C(1) << v % g->nblock % 64;
	}
	return c.rc != VG_OK || b.at > 8 * b.n ? VG_E_FORMAT : VG_OK;
}

static vg_rc
word_find(struct vg_tokens *t, const struct vg_tokens_group *g, vg_str word, struct vg_tokens_set *out)
{
	uint32_t h32 = vg_word_hash(word, g->salt), number = vg_page_of(g->npage, g->hashes, h32);
	vg_str page;
	vg_rc rc = read_part(t, g, VG_PART_PAGE + number, g->at + g->page[number], g->page[number + 1] - g->page[number], &page);

	return rc == VG_OK ? page_find(g, page, number, h32, out) : rc;
}

/* Which words hold a part: it may go on at its begin, at its end. */
struct part {
	vg_str word;
	bool open_begin, open_end;
};

static vg_rc
need_words(struct vg_tokens *t, size_t at)
{
	const struct vg_tokens_group *g = &t->group[at];
	vg_str stored;
	vg_rc rc;

	if (t->words_of == at)
		return VG_OK;
	t->words_of = SIZE_MAX;
	vg_buf_clear(&t->words);
	if ((rc = read_part(t, g, VG_PART_WORDS, g->at + g->page[0] - g->dictionary_stored, g->dictionary_stored, &stored)) != VG_OK)
		return rc;
	if ((rc = vg_words_unpack(stored, g->dictionary_bytes, &t->words)) == VG_OK)
		t->words_of = at;
	return rc;
}

/* Each word of the dictionary that holds the part, looked up; VG_E_LIMIT: too many. */
static vg_rc
words_find(struct vg_tokens *t, const struct vg_tokens_group *g, const struct part *p, struct vg_tokens_set *out)
{
	vg_str all = vg_buf_str(&t->words);
	unsigned found = 0;
	size_t at = 0;
	vg_rc rc = VG_OK;

	while (rc == VG_OK && at < all.n) {
		size_t hit = vg_str_find(vg_str_skip(all, at), p->word), begin, end;
		const char *lf;

		if (hit == VG_NPOS)
			break;
		begin = end = at + hit;
		while (begin && all.p[begin - 1] != '\n')
			begin--;
		lf = memchr(all.p + end, '\n', all.n - end);
		end = lf ? (size_t)(lf - all.p) : all.n;
		if ((!p->open_begin && begin != at + hit) || (!p->open_end && at + hit + p->word.n != end)) {
			at += hit + 1;
			continue;
		}
		if (++found > VG_TOKENS_FOUND_MAX)
			return VG_E_LIMIT;
		rc = word_find(t, g, vg_str_mem(all.p + begin, end - begin), out);
		at = end + 1;
	}
	return rc;
}

static vg_rc
part_find(struct vg_tokens *t, size_t at, const struct part *p, struct vg_tokens_set *out)
{
	const struct vg_tokens_group *g = &t->group[at];
	vg_rc rc;

	*out = (struct vg_tokens_set){ { 0 } };
	if (!p->open_begin && !p->open_end)
		return word_find(t, g, p->word, out);
	if (!g->has_dictionary || vg_word_in_number(p->word) || p->word.n > VG_TOKENS_WORD_MAX) {
		set_all(g, out);
		return VG_OK;
	}
	if ((rc = need_words(t, at)) == VG_OK)
		rc = words_find(t, g, p, out);
	if (rc == VG_E_LIMIT) {
		set_all(g, out);
		return VG_OK;
	}
	set_flagged(g, VG_TOKENS_LONG, out);
	return rc;
}

/* The address that ends with the newest word, by as much of its last group as is surely there. */
static vg_rc
address_find(struct vg_tokens *t, const struct vg_tokens_group *g, const struct vg_words *w, struct vg_tokens_set *out)
{
	char text[VG_ADDRESS_MAX];
	size_t n = 0;

	for (unsigned k = 3; k && n == 0; k--)
		n = vg_words_address(w, k, text);
	*out = (struct vg_tokens_set){ { 0 } };
	if (n)
		return word_find(t, g, vg_str_mem(text, n), out);
	set_all(g, out);
	return VG_OK;
}

vg_rc
vg_tokens_find(struct vg_tokens *t, size_t at, vg_str piece, struct vg_tokens_set *out)
{
	const struct vg_tokens_group *g = &t->group[at];
	struct vg_words w = { .text = piece };
	struct vg_tokens_set one;
	char joint[VG_JOINT];
	vg_rc rc = VG_OK;
	struct part p;

	set_all(g, out);
	while (rc == VG_OK && vg_words_next(&w, &p.word)) {
		p.open_begin = w.begin[3] == 0;
		p.open_end = w.end[3] == piece.n;
		if ((rc = part_find(t, at, &p, &one)) != VG_OK)
			break;
		set_and(out, &one);
		if (w.chain >= 3 && (rc = address_find(t, g, &w, &one)) == VG_OK)
			set_and(out, &one);
		if (rc == VG_OK && g->has_joints && vg_words_joint(&w, joint)) {
			one = (struct vg_tokens_set){ { 0 } };
			rc = word_find(t, g, vg_str_mem(joint, VG_JOINT), &one);
			set_and(out, &one);
		}
	}
	set_flagged(g, VG_TOKENS_HIDES, out);
	return rc;
}
