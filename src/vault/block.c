#include "vault/block.h"

#include <sodium.h>
#include <stdlib.h>
#include <zstd.h>

#define MAGIC "VGBLOCK1"
#define SALT 32
#define LEVEL 3 /* of zstd */
#define SIGNED_HEAD 112 /* what stands in the head before the digest: it is bound to the encryption */

static void
head_put(const struct vg_block_head *h, struct vg_buf *b)
{
	vg_buf_puts(b, MAGIC);
	vg_buf_le32(b, h->count);
	vg_buf_le32(b, h->codec);
	vg_buf_le64(b, h->first_seq);
	vg_buf_le64(b, h->last_seq);
	vg_buf_le64(b, (uint64_t)h->first_ns);
	vg_buf_le64(b, (uint64_t)h->last_ns);
	vg_buf_le64(b, h->payload);
	vg_buf_le64(b, h->stored);
	vg_buf_le32(b, h->key);
	vg_buf_le32(b, 0);
	vg_buf_le64(b, 0);
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

	if (bytes.n != VG_BLOCK_HEAD || !vg_str_eq(vg_cur_bytes(&c, 8), VG_STR(MAGIC)))
		return VG_E_FORMAT;
	h.count = vg_cur_le32(&c);
	h.codec = vg_cur_le32(&c);
	h.first_seq = vg_cur_le64(&c);
	h.last_seq = vg_cur_le64(&c);
	h.first_ns = (int64_t)vg_cur_le64(&c);
	h.last_ns = (int64_t)vg_cur_le64(&c);
	h.payload = vg_cur_le64(&c);
	h.stored = vg_cur_le64(&c);
	h.key = vg_cur_le32(&c);
	zero = vg_cur_le32(&c);
	zero |= vg_cur_le64(&c);
	take_hash(&c, h.root.b, VG_HASH_BYTES);
	take_hash(&c, h.digest.b, VG_HASH_BYTES);
	take_hash(&c, h.nonce, sizeof(h.nonce));
	zero |= vg_cur_le64(&c);
	if (c.rc != VG_OK || zero || h.count == 0 || h.first_seq > h.last_seq || h.last_seq - h.first_seq < h.count - 1)
		return VG_E_FORMAT;
	if (h.count > VG_BLOCK_RECORDS_MAX || h.payload > VG_BLOCK_PAYLOAD_MAX || h.stored > 2 * VG_BLOCK_PAYLOAD_MAX ||
	    h.payload < SALT + (uint64_t)h.count * VG_RECORD_HEAD)
		return VG_E_LIMIT;
	if (h.codec > VG_BLOCK_ZSTD)
		return VG_E_UNSUP;
	*out = h;
	return VG_OK;
}

void
vg_block_leaf(vg_str head, struct vg_hash *out)
{
	vg_leaf_hash(head, out);
}

/* ---- writing ---- */

void
vg_block_begin(struct vg_block_writer *w)
{
	uint8_t salt[SALT];
	struct vg_hash leaf;

	w->payload.limit_bytes = VG_BLOCK_PAYLOAD_MAX;
	vg_buf_clear(&w->payload);
	w->tree.n = 0;
	w->head = (struct vg_block_head){ .count = 0 };
	if (sodium_init() < 0) {
		w->payload.rc = VG_E_SYS;
		return;
	}
	randombytes_buf(salt, sizeof(salt));
	vg_buf_mem(&w->payload, salt, sizeof(salt));
	vg_leaf_hash(vg_str_mem(salt, sizeof(salt)), &leaf);
	vg_frontier_add(&w->tree, &leaf);
}

void
vg_block_writer_fini(struct vg_block_writer *w)
{
	vg_buf_fini(&w->payload);
}

vg_rc
vg_block_add(struct vg_block_writer *w, const struct vg_record *r)
{
	struct vg_block_head *h = &w->head;
	size_t at = w->payload.n;
	struct vg_hash leaf;

	if (h->count && r->seq <= h->last_seq)
		return VG_E_REFUSED;
	if (r->raw.n > VG_RECORD_RAW_MAX || h->count == VG_BLOCK_RECORDS_MAX || at + VG_RECORD_HEAD + r->raw.n > VG_BLOCK_PAYLOAD_MAX)
		return VG_E_LIMIT;
	vg_record_put(&w->payload, r);
	if (w->payload.rc != VG_OK)
		return w->payload.rc;
	vg_leaf_hash(vg_str_mem(w->payload.p + at, w->payload.n - at), &leaf);
	vg_frontier_add(&w->tree, &leaf);
	if (h->count++ == 0) {
		h->first_seq = r->seq;
		h->first_ns = h->last_ns = r->recv_ns;
	}
	h->last_seq = r->seq;
	h->first_ns = r->recv_ns < h->first_ns ? r->recv_ns : h->first_ns;
	h->last_ns = r->recv_ns > h->last_ns ? r->recv_ns : h->last_ns;
	return VG_OK;
}

/* Compress into @to when that makes it smaller. */
static vg_rc
pack(struct vg_block_head *h, vg_str payload, struct vg_buf *to)
{
	size_t room = ZSTD_compressBound(payload.n), n;

	if (!vg_buf_reserve(to, room))
		return to->rc;
	n = ZSTD_compress(to->p + to->n, room, payload.p, payload.n, LEVEL);
	if (!ZSTD_isError(n) && n < payload.n) {
		h->codec = VG_BLOCK_ZSTD;
		to->n += n;
		return VG_OK;
	}
	h->codec = VG_BLOCK_PLAIN;
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
	if (w->payload.rc != VG_OK)
		return w->payload.rc;
	vg_frontier_root(&w->tree, &h->root);
	h->payload = w->payload.n;
	h->key = number;
	if ((rc = pack(h, vg_buf_str(&w->payload), &small)) != VG_OK)
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
unpack(const struct vg_block_head *h, vg_str small, struct vg_buf *payload)
{
	size_t n;

	if (h->codec == VG_BLOCK_PLAIN) {
		vg_buf_put(payload, small);
	} else {
		if (!vg_buf_reserve(payload, (size_t)h->payload + 1))
			return payload->rc;
		n = ZSTD_decompress(payload->p + payload->n, (size_t)h->payload, small.p, small.n);
		if (ZSTD_isError(n))
			return VG_E_FORMAT;
		payload->n += n;
	}
	return payload->rc != VG_OK ? payload->rc : payload->n == h->payload ? VG_OK : VG_E_FORMAT;
}


/* The record's own bytes: what stands before its raw ones belongs to it. */
static vg_str
bytes_of(const struct vg_record *r)
{
	return vg_str_mem(r->raw.p - VG_RECORD_HEAD, VG_RECORD_HEAD + r->raw.n);
}

static vg_rc
add_leaf(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct vg_frontier *tree = ctx;
	struct vg_hash leaf;

	(void)at;
	vg_leaf_hash(bytes_of(r), &leaf);
	vg_frontier_add(tree, &leaf);
	return VG_OK;
}

static vg_rc
check_root(const struct vg_block_head *h, vg_str payload)
{
	struct vg_frontier tree = { .n = 0 };
	struct vg_hash root;
	vg_rc rc;

	vg_leaf_hash(vg_str_cut(payload, SALT), &root);
	vg_frontier_add(&tree, &root);
	if ((rc = vg_block_each(h, payload, add_leaf, &tree)) != VG_OK)
		return rc;
	vg_frontier_root(&tree, &root);
	return vg_hash_eq(&root, &h->root) ? VG_OK : VG_E_FORMAT;
}

vg_rc
vg_block_open(const struct vg_block_head *h, vg_str head, vg_str stored, const uint8_t *key, struct vg_buf *payload)
{
	struct vg_buf plain = { 0 };
	vg_str small = stored;
	unsigned long long n = 0;
	vg_rc rc = VG_OK;

	vg_buf_clear(payload);
	if (head.n != VG_BLOCK_HEAD || stored.n != h->stored)
		return VG_E_FORMAT;
	if (sodium_init() < 0)
		return VG_E_SYS;
	if (h->key) {
		if (key == NULL)
			return VG_E_REFUSED;
		if (stored.n < crypto_aead_xchacha20poly1305_ietf_ABYTES)
			return VG_E_FORMAT;
		if (!vg_buf_reserve(&plain, stored.n))
			return plain.rc;
		if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)plain.p, &n, NULL, (const unsigned char *)stored.p, stored.n,
							       (const unsigned char *)head.p, SIGNED_HEAD, h->nonce, key) != 0)
			rc = VG_E_REFUSED;
		small = vg_str_mem(plain.p, (size_t)n);
	}
	if (rc == VG_OK)
		rc = unpack(h, small, payload);
	if (rc == VG_OK)
		rc = check_root(h, vg_buf_str(payload));
	vg_buf_fini(&plain);
	return rc;
}

vg_rc
vg_block_each(const struct vg_block_head *h, vg_str payload, vg_rc (*each)(void *ctx, uint32_t at, const struct vg_record *r), void *ctx)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);
	int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
	uint64_t last = 0;
	vg_rc rc = VG_OK;

	(void)vg_cur_bytes(&c, SALT);
	for (uint32_t i = 0; i < h->count && rc == VG_OK; i++) {
		struct vg_record r;

		if (vg_record_take(&c, &r) != VG_OK || (i ? r.seq <= last : r.seq != h->first_seq))
			return VG_E_FORMAT;
		last = r.seq;
		first_ns = r.recv_ns < first_ns ? r.recv_ns : first_ns;
		last_ns = r.recv_ns > last_ns ? r.recv_ns : last_ns;
		rc = each(ctx, i, &r);
	}
	if (rc != VG_OK)
		return rc;
	return vg_cur_left(&c) == 0 && last == h->last_seq && first_ns == h->first_ns && last_ns == h->last_ns ? VG_OK : VG_E_FORMAT;
}

struct leaves { /* of a block's tree, all of them */
	struct vg_hash *h;
	uint64_t n;
};

static vg_rc
keep_leaf(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct leaves *l = ctx;

	vg_leaf_hash(bytes_of(r), &l->h[at + 1]);
	return VG_OK;
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
	struct leaves l = { .n = (uint64_t)h->count + 1 };
	vg_rc rc;

	if (at >= h->count)
		return VG_E_NOTFOUND;
	if ((l.h = calloc((size_t)l.n, sizeof(*l.h))) == NULL)
		return VG_E_NOMEM;
	vg_leaf_hash(vg_str_cut(payload, SALT), &l.h[0]);
	if ((rc = vg_block_each(h, payload, keep_leaf, &l)) == VG_OK)
		rc = vg_prove_inclusion((uint64_t)at + 1, l.n, subtree, &l, out);
	free(l.h);
	return rc;
}
