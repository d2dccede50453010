#include "vault/block.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/magic.h"

#define MAGIC "VGBLOCK1"
#define SALT 32
#define COLUMN_SIZES (4 * VG_COLUMNS)
#define COLUMNS_OF_ONE 40 /* bytes that one record takes in the columns, at most */
#define LEVEL 3 /* of zstd */
#define SIGNED_HEAD 112 /* what stands in the head before the digest: it is bound to the encryption */

static void
head_put(const struct vg_block_head *h, struct vg_buf *b)
{
	vg_buf_puts(b, MAGIC);
	vg_buf_le32(b, h->count);
	vg_buf_le32(b, h->codec | h->prefix << 8);
	vg_buf_le64(b, h->first_seq);
	vg_buf_le64(b, h->last_seq);
	vg_buf_le64(b, (uint64_t)h->first_ns);
	vg_buf_le64(b, (uint64_t)h->last_ns);
	vg_buf_le64(b, h->payload);
	vg_buf_le64(b, h->stored);
	vg_buf_le32(b, h->key);
	vg_buf_le32(b, h->class);
	vg_buf_le64(b, h->leaf);
	vg_buf_mem(b, h->root.b, VG_HASH_BYTES);
	vg_buf_mem(b, h->digest.b, VG_HASH_BYTES);
	vg_buf_mem(b, h->nonce, sizeof(h->nonce));
	vg_buf_le64(b, 0);
}

static void
take_hash(struct vg_cur *c, uint8_t *to, size_t n)
{
	vg_str s = vg_cur_bytes(c, n);

	if (s.n == n)
		memcpy(to, s.p, n);
}

vg_rc
vg_block_head_take(vg_str bytes, struct vg_block_head *out)
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	struct vg_block_head h = { .count = 0 };
	uint64_t zero;
	vg_rc rc = vg_magic_check(vg_cur_bytes(&c, 8), VG_STR(MAGIC));

	if (bytes.n != VG_BLOCK_HEAD || rc != VG_OK)
		return rc == VG_E_UNSUP ? rc : VG_E_FORMAT;
	h.count = vg_cur_le32(&c);
	h.codec = vg_cur_le32(&c);
	h.prefix = h.codec >> 8;
	h.codec &= 0xff;
	h.first_seq = vg_cur_le64(&c);
	h.last_seq = vg_cur_le64(&c);
	h.first_ns = (int64_t)vg_cur_le64(&c);
	h.last_ns = (int64_t)vg_cur_le64(&c);
	h.payload = vg_cur_le64(&c);
	h.stored = vg_cur_le64(&c);
	h.key = vg_cur_le32(&c);
	h.class = vg_cur_le32(&c);
	h.leaf = vg_cur_le64(&c);
	take_hash(&c, h.root.b, VG_HASH_BYTES);
	take_hash(&c, h.digest.b, VG_HASH_BYTES);
	take_hash(&c, h.nonce, sizeof(h.nonce));
	zero = vg_cur_le64(&c);
	if (c.rc != VG_OK || zero || h.count == 0 || h.first_seq > h.last_seq || h.last_seq - h.first_seq < h.count - 1)
		return VG_E_FORMAT;
	if (h.class >= VG_CLASSES_MAX || h.leaf == UINT64_MAX || h.count > VG_BLOCK_RECORDS_MAX || h.payload > VG_BLOCK_PAYLOAD_MAX || h.stored > 2 * VG_BLOCK_PAYLOAD_MAX ||
	    h.payload < SALT + COLUMN_SIZES + (uint64_t)h.count * (VG_COLUMNS - 1))
		return VG_E_LIMIT;
	if (h.codec > VG_BLOCK_PREFIXED || h.prefix > (h.codec == VG_BLOCK_PREFIXED ? VG_BLOCK_PREFIX_MAX : 0))
		return VG_E_UNSUP;
	if (h.codec == VG_BLOCK_PREFIXED && h.prefix == 0)
		return VG_E_FORMAT;
	*out = h;
	return VG_OK;
}

void
vg_block_leaf(vg_str head, struct vg_hash *out)
{
	vg_leaf_hash(head, out);
}

/* ---- writing ---- */

static void
put_varint(struct vg_buf *b, uint64_t v)
{
	char t[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		t[n++] = (char)(v | 0x80);
	t[n++] = (char)v;
	vg_buf_mem(b, t, n);
}

static uint64_t
take_long_varint(struct vg_cur *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t x = vg_cur_u8(c);

		v |= (uint64_t)(x & 0x7f) << shift;
		if (x < 0x80)
			return v;
	}
	(void)vg_cur_fail(c, VG_E_FORMAT);
	return 0;
}

static inline uint64_t
take_varint(struct vg_cur *c)
{
	if (c->end - c->p >= 2) {
		if (c->p[0] < 0x80)
			return *c->p++;
		if (c->p[1] < 0x80) {
			c->p += 2;
			return (uint64_t)(c->p[-2] & 0x7f) | (uint64_t)c->p[-1] << 7;
		}
	}
	return take_long_varint(c);
}

/* Small numbers of either sign as small ones. */
static uint64_t
zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

void
vg_block_begin(struct vg_block_writer *w)
{
	struct vg_hash leaf;

	for (int i = 0; i < VG_COLUMNS; i++)
		vg_buf_clear(&w->column[i]);
	vg_buf_clear(&w->raw);
	w->tree.n = 0;
	w->head = (struct vg_block_head){ .count = 0 };
	w->last_source = 0;
	w->last_recv_ns = 0;
	w->bytes = SALT + COLUMN_SIZES;
	if (sodium_init() < 0) {
		w->raw.rc = VG_E_SYS;
		return;
	}
	randombytes_buf(w->salt, sizeof(w->salt));
	vg_leaf_hash(vg_str_mem(w->salt, sizeof(w->salt)), &leaf);
	vg_frontier_add(&w->tree, &leaf);
}

void
vg_block_writer_fini(struct vg_block_writer *w)
{
	for (int i = 0; i < VG_COLUMNS; i++)
		vg_buf_fini(&w->column[i]);
	vg_buf_fini(&w->raw);
	vg_buf_fini(&w->scratch);
	vg_buf_fini(&w->payload);
}

static vg_rc
put_columns(struct vg_block_writer *w, const struct vg_record *r)
{
	struct vg_buf *c = w->column;
	vg_rc rc = VG_OK;

	put_varint(&c[VG_COLUMN_SEQ], w->head.count ? r->seq - w->head.last_seq - 1 : 0);
	put_varint(&c[VG_COLUMN_RECV], zigzag((int64_t)((uint64_t)r->recv_ns - (uint64_t)w->last_recv_ns)));
	put_varint(&c[VG_COLUMN_SOURCE], zigzag((int64_t)r->source - (int64_t)w->last_source));
	put_varint(&c[VG_COLUMN_LENGTH], r->raw.n);
	put_varint(&c[VG_COLUMN_FLAGS], (uint64_t)r->id.n << 1 | (r->flags & VG_RECORD_RESENT));
	vg_buf_put(&c[VG_COLUMN_ID], r->id);
	vg_buf_put(&w->raw, r->raw);
	w->bytes = SALT + COLUMN_SIZES + w->raw.n;
	for (int i = 0; i < VG_COLUMNS; i++) {
		w->bytes += c[i].n;
		rc = rc != VG_OK ? rc : c[i].rc;
	}
	return rc != VG_OK ? rc : w->raw.rc;
}

vg_rc
vg_block_add(struct vg_block_writer *w, const struct vg_record *r)
{
	struct vg_block_head *h = &w->head;
	struct vg_hash leaf;
	vg_rc rc;

	if (r->class >= VG_CLASSES_MAX || (h->count && (r->seq <= h->last_seq || r->class != h->class)))
		return VG_E_REFUSED;
	if (r->raw.n > VG_RECORD_RAW_MAX || r->id.n > VG_RECORD_ID_MAX || h->count == VG_BLOCK_RECORDS_MAX ||
	    w->bytes + COLUMNS_OF_ONE + r->id.n + r->raw.n > VG_BLOCK_PAYLOAD_MAX)
		return VG_E_LIMIT;
	if (w->raw.rc != VG_OK)
		return w->raw.rc;
	vg_buf_clear(&w->scratch);
	vg_record_put(&w->scratch, r);
	if (w->scratch.rc != VG_OK)
		return w->scratch.rc;
	if ((rc = put_columns(w, r)) != VG_OK) {
		w->raw.rc = rc; /* the columns may not belong together any more */
		return rc;
	}
	vg_leaf_hash(vg_buf_str(&w->scratch), &leaf);
	vg_frontier_add(&w->tree, &leaf);
	if (h->count++ == 0) {
		h->class = r->class;
		h->first_seq = r->seq;
		h->first_ns = h->last_ns = r->recv_ns;
	}
	h->last_seq = r->seq;
	h->first_ns = r->recv_ns < h->first_ns ? r->recv_ns : h->first_ns;
	h->last_ns = r->recv_ns > h->last_ns ? r->recv_ns : h->last_ns;
	w->last_source = r->source;
	w->last_recv_ns = r->recv_ns;
	return VG_OK;
}

static void
put_payload(struct vg_block_writer *w)
{
	struct vg_buf *b = &w->payload;

	vg_buf_clear(b);
	vg_buf_mem(b, w->salt, SALT);
	for (int i = 0; i < VG_COLUMNS; i++)
		vg_buf_le32(b, (uint32_t)w->column[i].n);
	for (int i = 0; i < VG_COLUMNS; i++)
		vg_buf_put(b, vg_buf_str(&w->column[i]));
	vg_buf_put(b, vg_buf_str(&w->raw));
}

/* Behind @prefix a wrong prefix would give wrong bytes, so such a frame has a checksum. */
static size_t
compress(vg_str payload, vg_str prefix, int level, char *to, size_t room)
{
	ZSTD_CCtx *c;
	size_t n;

	if (prefix.n == 0)
		return ZSTD_compress(to, room, payload.p, payload.n, level);
	if ((c = ZSTD_createCCtx()) == NULL)
		return SIZE_MAX; /* an error of zstd's */
	if (ZSTD_isError(n = ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level)) || ZSTD_isError(n = ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)) ||
	    ZSTD_isError(n = ZSTD_CCtx_refPrefix(c, prefix.p, prefix.n)))
		goto out;
	n = ZSTD_compress2(c, to, room, payload.p, payload.n);
out:
	ZSTD_freeCCtx(c);
	return n;
}

/* Compress into @to when that makes it smaller. */
static vg_rc
pack(struct vg_block_head *h, vg_str payload, vg_str prefix, int level, struct vg_buf *to)
{
	size_t room = ZSTD_compressBound(payload.n), n;

	if (!vg_buf_reserve(to, room))
		return to->rc;
	prefix = payload.n > VG_BLOCK_SMALL ? VG_NIL : vg_str_cut(prefix, VG_BLOCK_PREFIX_MAX);
	n = compress(payload, prefix, level ? level : LEVEL, to->p + to->n, room);
	if (!ZSTD_isError(n) && n < payload.n) {
		h->codec = prefix.n ? VG_BLOCK_PREFIXED : VG_BLOCK_ZSTD;
		h->prefix = (uint32_t)prefix.n;
		to->n += n;
		return VG_OK;
	}
	h->codec = VG_BLOCK_PLAIN;
	h->prefix = 0;
	vg_buf_put(to, payload);
	return to->rc;
}

vg_rc
vg_block_finish(struct vg_block_writer *w, const uint8_t *key, uint32_t number, struct vg_buf *out)
{
	struct vg_block_head *h = &w->head;
	struct vg_buf small = { 0 }, head = { 0 };
	unsigned long long n;
	vg_rc rc;

	if (h->count == 0 || (key != NULL) != (number != 0))
		return VG_E_REFUSED;
	if (w->raw.rc != VG_OK)
		return w->raw.rc;
	put_payload(w);
	if ((rc = w->payload.rc) != VG_OK)
		goto out;
	vg_frontier_root(&w->tree, &h->root);
	h->payload = w->payload.n;
	h->key = number;
	if ((rc = pack(h, vg_buf_str(&w->payload), w->prefix, w->level, &small)) != VG_OK)
		goto out;
	h->stored = small.n + (key ? crypto_aead_xchacha20poly1305_ietf_ABYTES : 0);
	if (key) {
		randombytes_buf(h->nonce, sizeof(h->nonce));
		head_put(h, &head);
		if (!vg_buf_reserve(&small, crypto_aead_xchacha20poly1305_ietf_ABYTES) || head.rc != VG_OK) {
			rc = VG_E_NOMEM;
			goto out;
		}
		(void)crypto_aead_xchacha20poly1305_ietf_encrypt((unsigned char *)small.p, &n, (const unsigned char *)small.p, small.n,
								 (const unsigned char *)head.p, SIGNED_HEAD, NULL, h->nonce, key);
		small.n = (size_t)n;
	}
	vg_hash_of(vg_buf_str(&small), &h->digest);
	head_put(h, out);
	vg_buf_put(out, vg_buf_str(&small));
	rc = out->rc;
out:
	vg_buf_fini(&head);
	vg_buf_fini(&small);
	return rc;
}

/* ---- reading ---- */

bool
vg_block_is_sound(const struct vg_block_head *h, vg_str stored)
{
	struct vg_hash d;

	if (stored.n != h->stored)
		return false;
	vg_hash_of(stored, &d);
	return vg_hash_eq(&d, &h->digest);
}

static vg_rc
unpack(struct vg_block_opener *o, const struct vg_block_head *h, vg_str small, struct vg_buf *payload)
{
	size_t n;

	if (h->codec == VG_BLOCK_PLAIN) {
		vg_buf_put(payload, small);
	} else {
		if (!vg_buf_reserve(payload, (size_t)h->payload + 1))
			return payload->rc;
		if (o->zstd == NULL && (o->zstd = ZSTD_createDCtx()) == NULL)
			return VG_E_NOMEM;
		if (h->prefix && (o->prefix.n < h->prefix || ZSTD_isError(ZSTD_DCtx_refPrefix(o->zstd, o->prefix.p, h->prefix))))
			return VG_E_FORMAT;
		n = ZSTD_decompressDCtx(o->zstd, payload->p + payload->n, (size_t)h->payload, small.p, small.n);
		if (ZSTD_isError(n))
			return VG_E_FORMAT;
		payload->n += n;
	}
	return payload->rc != VG_OK ? payload->rc : payload->n == h->payload ? VG_OK : VG_E_FORMAT;
}

/* What crypto_aead_xchacha20poly1305_ietf_decrypt() does, by libcrypto, which is more than twice as fast: HChaCha20 of key and the
 * nonce's first 16 bytes is the key, four zero bytes and the rest the nonce (draft-irtf-cfrg-xchacha-03, 2.3). */
static vg_rc
decipher(struct vg_block_opener *o, const uint8_t *key, const uint8_t nonce[24], vg_str signed_head, vg_str stored)
{
	size_t n = stored.n - crypto_aead_xchacha20poly1305_ietf_ABYTES;
	uint8_t sub[crypto_core_hchacha20_OUTPUTBYTES], rest[12] = { 0 };
	vg_rc rc = VG_E_REFUSED;
	int done = 0;

	if (!vg_buf_reserve(&o->plain, n + 1))
		return o->plain.rc;
	if (o->cipher == NULL && (o->cipher = EVP_CIPHER_CTX_new()) == NULL)
		return VG_E_NOMEM;
	(void)crypto_core_hchacha20(sub, nonce, key, NULL);
	memcpy(rest + 4, nonce + 16, 8);
	if (EVP_DecryptInit_ex(o->cipher, EVP_chacha20_poly1305(), NULL, sub, rest) == 1 &&
	    EVP_CIPHER_CTX_ctrl(o->cipher, EVP_CTRL_AEAD_SET_TAG, crypto_aead_xchacha20poly1305_ietf_ABYTES, (void *)(uintptr_t)(stored.p + n)) == 1 &&
	    EVP_DecryptUpdate(o->cipher, NULL, &done, (const unsigned char *)signed_head.p, (int)signed_head.n) == 1 &&
	    EVP_DecryptUpdate(o->cipher, (unsigned char *)o->plain.p, &done, (const unsigned char *)stored.p, (int)n) == 1 &&
	    EVP_DecryptFinal_ex(o->cipher, (unsigned char *)o->plain.p + done, &done) == 1)
		rc = VG_OK;
	sodium_memzero(sub, sizeof(sub));
	o->plain.n = n;
	return rc;
}

vg_rc
vg_block_opener_open(struct vg_block_opener *o, const struct vg_block_head *h, vg_str head, vg_str stored, const uint8_t *key, struct vg_buf *payload)
{
	struct vg_buf *plain = &o->plain;
	vg_str small = stored;
	vg_rc rc = VG_OK;

	vg_buf_clear(payload);
	vg_buf_clear(plain);
	if (head.n != VG_BLOCK_HEAD || stored.n != h->stored)
		return VG_E_FORMAT;
	if (sodium_init() < 0)
		return VG_E_SYS;
	if (h->key) {
		if (key == NULL)
			return VG_E_REFUSED;
		if (stored.n < crypto_aead_xchacha20poly1305_ietf_ABYTES)
			return VG_E_FORMAT;
		rc = decipher(o, key, h->nonce, vg_str_cut(head, SIGNED_HEAD), stored);
		small = vg_buf_str(plain);
	}
	return rc != VG_OK ? rc : unpack(o, h, small, payload);
}

void
vg_block_opener_fini(struct vg_block_opener *o)
{
	ZSTD_freeDCtx(o->zstd);
	EVP_CIPHER_CTX_free(o->cipher);
	o->zstd = NULL;
	o->cipher = NULL;
	vg_buf_fini(&o->plain);
}

vg_rc
vg_block_open(const struct vg_block_head *h, vg_str head, vg_str stored, const uint8_t *key, struct vg_buf *payload)
{
	struct vg_block_opener o = { .zstd = NULL };
	vg_rc rc = vg_block_opener_open(&o, h, head, stored, key, payload);

	vg_block_opener_fini(&o);
	return rc;
}

vg_rc
vg_block_reader_open(const struct vg_block_head *h, vg_str payload, struct vg_block_reader *out)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);
	uint32_t size[VG_COLUMNS];

	*out = (struct vg_block_reader){ .count = h->count };
	(void)vg_cur_bytes(&c, SALT);
	for (int i = 0; i < VG_COLUMNS; i++)
		size[i] = vg_cur_le32(&c);
	for (int i = 0; i < VG_COLUMNS; i++)
		out->column[i] = vg_cur_sub(&c, size[i]);
	out->raw = vg_cur_bytes(&c, vg_cur_left(&c));
	out->last.seq = h->first_seq - 1;
	return c.rc;
}

vg_rc
vg_block_next(struct vg_block_reader *r, struct vg_record *out)
{
	struct vg_cur *c = r->column;
	uint64_t gap, length, flags;
	vg_rc rc = VG_OK;

	if (r->i == r->count)
		return VG_E_STOP;
	gap = take_varint(&c[VG_COLUMN_SEQ]);
	r->last.recv_ns = (int64_t)((uint64_t)r->last.recv_ns + (uint64_t)unzigzag(take_varint(&c[VG_COLUMN_RECV])));
	r->last.source += (uint32_t)unzigzag(take_varint(&c[VG_COLUMN_SOURCE]));
	length = take_varint(&c[VG_COLUMN_LENGTH]);
	flags = take_varint(&c[VG_COLUMN_FLAGS]);
	if (flags >> 1 > VG_RECORD_ID_MAX || length > VG_RECORD_RAW_MAX || length > r->raw.n - r->at || gap >= UINT64_MAX - r->last.seq)
		return VG_E_FORMAT;
	r->last.seq += gap + 1;
	r->last.flags = flags & VG_RECORD_RESENT;
	r->last.id = vg_cur_bytes(&c[VG_COLUMN_ID], (size_t)(flags >> 1));
	r->last.raw = vg_str_mem(r->raw.p + r->at, (size_t)length);
	r->at += (size_t)length;
	r->i++;
	for (int i = 0; i < VG_COLUMNS; i++)
		rc = rc != VG_OK ? rc : c[i].rc;
	*out = r->last;
	return rc == VG_OK ? VG_OK : VG_E_FORMAT;
}

/* Columns one after the other: what each says of a record. */
static void
all_numbers(struct vg_block_reader *r, struct vg_record *out)
{
	struct vg_cur c = r->column[VG_COLUMN_SEQ];
	uint64_t seq = r->last.seq, at = (uint64_t)r->last.recv_ns;
	uint32_t source = r->last.source;

	for (uint32_t i = 0; i < r->count; i++)
		out[i].seq = seq += take_varint(&c) + 1;
	r->column[VG_COLUMN_SEQ] = c;
	c = r->column[VG_COLUMN_RECV];
	for (uint32_t i = 0; i < r->count; i++)
		out[i].recv_ns = (int64_t)(at += (uint64_t)unzigzag(take_varint(&c)));
	r->column[VG_COLUMN_RECV] = c;
	c = r->column[VG_COLUMN_SOURCE];
	for (uint32_t i = 0; i < r->count; i++)
		out[i].source = source += (uint32_t)unzigzag(take_varint(&c));
	r->column[VG_COLUMN_SOURCE] = c;
}

vg_rc
vg_block_all(struct vg_block_reader *r, struct vg_record *out)
{
	struct vg_cur length = r->column[VG_COLUMN_LENGTH], flags = r->column[VG_COLUMN_FLAGS];
	uint64_t before = r->last.seq;

	all_numbers(r, out);
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t n = take_varint(&length), f = take_varint(&flags);

		if (n > VG_RECORD_RAW_MAX || n > r->raw.n - r->at || f >> 1 > VG_RECORD_ID_MAX || (out[i].seq <= before && before != UINT64_MAX))
			return VG_E_FORMAT;
		before = out[i].seq;
		out[i].flags = f & VG_RECORD_RESENT;
		out[i].id = f >> 1 ? vg_cur_bytes(&r->column[VG_COLUMN_ID], (size_t)(f >> 1)) : VG_NIL;
		out[i].raw = vg_str_mem(r->raw.p + r->at, (size_t)n);
		out[i].class = 0;
		r->at += (size_t)n;
	}
	r->column[VG_COLUMN_LENGTH] = length;
	r->column[VG_COLUMN_FLAGS] = flags;
	r->i = r->count;
	for (int i = 0; i < VG_COLUMNS; i++)
		if (r->column[i].rc != VG_OK)
			return VG_E_FORMAT;
	return VG_OK;
}

/* Every byte of the payload was a record's. */
static bool
is_used_up(const struct vg_block_reader *r)
{
	for (int i = 0; i < VG_COLUMNS; i++)
		if (vg_cur_left(&r->column[i]))
			return false;
	return r->at == r->raw.n;
}

vg_rc
vg_block_each(const struct vg_block_head *h, vg_str payload, vg_rc (*each)(void *ctx, uint32_t at, const struct vg_record *r), void *ctx)
{
	int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
	struct vg_block_reader b;
	struct vg_record r;
	vg_rc rc = vg_block_reader_open(h, payload, &b);

	while (rc == VG_OK && (rc = vg_block_next(&b, &r)) == VG_OK) {
		if (b.i == 1 && r.seq != h->first_seq)
			return VG_E_FORMAT;
		first_ns = r.recv_ns < first_ns ? r.recv_ns : first_ns;
		last_ns = r.recv_ns > last_ns ? r.recv_ns : last_ns;
		rc = each(ctx, b.i - 1, &r);
	}
	if (rc != VG_E_STOP || b.i < h->count)
		return rc;
	return is_used_up(&b) && r.seq == h->last_seq && first_ns == h->first_ns && last_ns == h->last_ns ? VG_OK : VG_E_FORMAT;
}

struct leaves { /* of a block's tree, all of them */
	struct vg_hash *h;
	uint64_t n;
	struct vg_buf bytes; /* of a record */
};

static vg_rc
keep_leaf(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct leaves *l = ctx;

	vg_buf_clear(&l->bytes);
	vg_record_put(&l->bytes, r);
	vg_leaf_hash(vg_buf_str(&l->bytes), &l->h[at + 1]);
	return l->bytes.rc;
}

/* All leaves; l->h is the caller's to free. */
static vg_rc
leaves_of(const struct vg_block_head *h, vg_str payload, struct leaves *l)
{
	vg_rc rc;

	*l = (struct leaves){ .n = (uint64_t)h->count + 1 };
	if ((l->h = calloc((size_t)l->n, sizeof(*l->h))) == NULL)
		return VG_E_NOMEM;
	vg_leaf_hash(vg_str_cut(payload, SALT), &l->h[0]);
	rc = vg_block_each(h, payload, keep_leaf, l);
	vg_buf_fini(&l->bytes);
	return rc;
}

vg_rc
vg_block_check(const struct vg_block_head *h, vg_str payload)
{
	struct vg_frontier tree = { .n = 0 };
	struct vg_hash root;
	struct leaves l;
	vg_rc rc = leaves_of(h, payload, &l);

	for (uint64_t i = 0; rc == VG_OK && i < l.n; i++)
		vg_frontier_add(&tree, &l.h[i]);
	if (rc == VG_OK) {
		vg_frontier_root(&tree, &root);
		rc = vg_hash_eq(&root, &h->root) ? VG_OK : VG_E_FORMAT;
	}
	free(l.h);
	return rc;
}

static vg_rc
subtree(void *ctx, unsigned level, uint64_t index, struct vg_hash *out)
{
	const struct leaves *l = ctx;
	struct vg_frontier f = { .n = 0 };
	uint64_t begin = index << level, n = UINT64_C(1) << level;

	if (begin + n > l->n)
		return VG_E_NOTFOUND;
	for (uint64_t i = 0; i < n; i++)
		vg_frontier_add(&f, &l->h[begin + i]);
	vg_frontier_root(&f, out);
	return VG_OK;
}

vg_rc
vg_block_prove(const struct vg_block_head *h, vg_str payload, uint32_t at, struct vg_proof *out)
{
	struct leaves l;
	vg_rc rc;

	if (at >= h->count)
		return VG_E_NOTFOUND;
	if ((rc = leaves_of(h, payload, &l)) == VG_OK)
		rc = vg_prove_inclusion((uint64_t)at + 1, l.n, subtree, &l, out);
	free(l.h);
	return rc;
}
