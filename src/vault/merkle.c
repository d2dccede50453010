#include "vault/merkle.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* SHA-256 of @first and @second, one behind the other.  One context for all, and the algorithm looked up once: OpenSSL 3's SHA256() does so each
 * time, which takes longer than hashing a line of a log (65 B: 334 ns, and 122 ns so). */
static void
digest(vg_str first, vg_str second, struct vg_hash *out)
{
	static EVP_MD_CTX *c;

	if (c == NULL && ((c = EVP_MD_CTX_new()) == NULL || !EVP_DigestInit_ex(c, EVP_MD_fetch(NULL, "SHA256", NULL), NULL)))
		abort(); /* no memory for two hundred bytes: a wrong hash would be worse */
	if (!EVP_DigestInit_ex(c, NULL, NULL) || !EVP_DigestUpdate(c, first.p, first.n) || !EVP_DigestUpdate(c, second.p, second.n) || !EVP_DigestFinal_ex(c, out->b, NULL))
		abort();
}

void
vg_hash_of(vg_str data, struct vg_hash *out)
{
	digest(data, VG_NIL, out);
}

void
vg_leaf_hash(vg_str data, struct vg_hash *out)
{
	digest(vg_str_mem("\0", 1), data, out);
}

void
vg_node_hash(const struct vg_hash *left, const struct vg_hash *right, struct vg_hash *out)
{
	char both[1 + 2 * VG_HASH_BYTES] = { 1 };

	memcpy(both + 1, left->b, VG_HASH_BYTES);
	memcpy(both + 1 + VG_HASH_BYTES, right->b, VG_HASH_BYTES);
	digest(vg_str_mem(both, sizeof(both)), VG_NIL, out);
}

void
vg_frontier_add(struct vg_frontier *f, const struct vg_hash *leaf)
{
	struct vg_hash h = *leaf;
	unsigned l = 0;

	for (; f->n >> l & 1; l++)
		vg_node_hash(&f->full[l], &h, &h);
	f->full[l] = h;
	f->n++;
}

void
vg_frontier_root(const struct vg_frontier *f, struct vg_hash *out)
{
	bool any = false;

	for (unsigned l = 0; l < VG_TREE_LEVELS; l++) { /* the smallest subtree stands rightmost */
		if (!(f->n >> l & 1))
			continue;
		if (any)
			vg_node_hash(&f->full[l], out, out);
		else
			*out = f->full[l];
		any = true;
	}
	if (!any)
		vg_hash_of(VG_STR(""), out);
}

/* ---- proofs ---- */

/* The largest power of two below @n, as its exponent; n is at least 2. */
static unsigned
split_of(uint64_t n)
{
	return 63 - (unsigned)__builtin_clzll(n - 1);
}

/* The root of the @n leaves from @begin on; @begin is a multiple of the power of two that covers n. */
static vg_rc
root_of(uint64_t begin, uint64_t n, vg_subtree_fn *get, void *ctx, struct vg_hash *out)
{
	bool any = false;
	vg_rc rc = VG_OK;

	for (unsigned l = 0; l < VG_TREE_LEVELS && rc == VG_OK; l++) {
		struct vg_hash h;

		if (!(n >> l & 1))
			continue;
		/* the subtree of this bit begins behind those of the higher ones */
		rc = get(ctx, l, (begin + (n >> (l + 1) << (l + 1))) >> l, &h);
		if (any)
			vg_node_hash(&h, out, out);
		else
			*out = h;
		any = true;
	}
	return rc;
}

vg_rc
vg_tree_root(uint64_t size, vg_subtree_fn *get, void *ctx, struct vg_hash *out)
{
	if (size == 0)
		vg_hash_of(VG_STR(""), out);
	return size ? root_of(0, size, get, ctx, out) : VG_OK;
}

/* What stands beside the way from the root down, deepest last; then turned round, as proofs are written. */
static void
turn_round(struct vg_proof *p)
{
	for (size_t i = 0; i < p->n / 2; i++) {
		struct vg_hash h = p->h[i];

		p->h[i] = p->h[p->n - 1 - i];
		p->h[p->n - 1 - i] = h;
	}
}

struct span {
	uint64_t begin, n;
};

/* Down to one half of @s, of which the left one has @k leaves: the root of the other half belongs to the proof. */
static vg_rc
step_down(struct span *s, uint64_t k, bool left, vg_subtree_fn *get, void *ctx, struct vg_proof *out)
{
	struct span a = { s->begin, k }, b = { s->begin + k, s->n - k };

	*s = left ? a : b;
	return root_of(left ? b.begin : a.begin, left ? b.n : a.n, get, ctx, &out->h[out->n++]);
}

vg_rc
vg_prove_inclusion(uint64_t index, uint64_t size, vg_subtree_fn *get, void *ctx, struct vg_proof *out)
{
	struct span s = { 0, size };
	vg_rc rc = VG_OK;

	out->n = 0;
	if (index >= size || size >> 63)
		return VG_E_NOTFOUND;
	while (s.n > 1 && rc == VG_OK) {
		uint64_t k = UINT64_C(1) << split_of(s.n);

		rc = step_down(&s, k, index - s.begin < k, get, ctx, out);
	}
	turn_round(out);
	return rc;
}

vg_rc
vg_prove_consistency(uint64_t old, uint64_t size, vg_subtree_fn *get, void *ctx, struct vg_proof *out)
{
	struct span s = { 0, size };
	uint64_t m = old;
	bool whole = true; /* the old tree is one subtree of the new one, so that its root need not be given */
	vg_rc rc = VG_OK;

	out->n = 0;
	if (old > size || size >> 63)
		return VG_E_NOTFOUND;
	if (old == 0 || old == size)
		return VG_OK;
	while (m != s.n && rc == VG_OK) {
		uint64_t k = UINT64_C(1) << split_of(s.n);
		bool left = m <= k;

		rc = step_down(&s, k, left, get, ctx, out);
		if (!left) {
			m -= k;
			whole = false;
		}
	}
	if (rc == VG_OK && !whole)
		rc = root_of(s.begin, s.n, get, ctx, &out->h[out->n++]);
	turn_round(out);
	return rc;
}

/* ---- what checks them ---- */

/* From hash @i of the proof on, up to the root of a tree whose last leaf is @sn: @r with all of them, and @old, if given, with those
 * that stand to the left alone.  false: the proof does not end there. */
static bool
climb(const struct vg_proof *p, size_t i, uint64_t fn, uint64_t sn, struct vg_hash *r, struct vg_hash *old)
{
	for (; i < p->n; i++) {
		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn) {
			vg_node_hash(&p->h[i], r, r);
			if (old)
				vg_node_hash(&p->h[i], old, old);
			while (!(fn & 1) && fn) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			vg_node_hash(r, &p->h[i], r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0;
}

bool
vg_check_inclusion(const struct vg_hash *leaf, uint64_t index, uint64_t size, const struct vg_proof *p, const struct vg_hash *root)
{
	struct vg_hash r = *leaf;

	return index < size && climb(p, 0, index, size - 1, &r, NULL) && vg_hash_eq(&r, root);
}

bool
vg_check_consistency(uint64_t old, const struct vg_hash *old_root, uint64_t size, const struct vg_hash *root, const struct vg_proof *p)
{
	uint64_t fn = old - 1, sn = size - 1;
	struct vg_hash fr, sr;
	size_t i = 0;

	if (old > size)
		return false;
	if (old == size)
		return p->n == 0 && vg_hash_eq(old_root, root);
	if (old == 0) {
		vg_hash_of(VG_STR(""), &fr);
		return p->n == 0 && vg_hash_eq(old_root, &fr);
	}
	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	if (fn == 0) { /* a power of two: the old root itself is the first */
		fr = sr = *old_root;
	} else {
		if (p->n == 0)
			return false;
		fr = sr = p->h[i++];
	}
	return climb(p, i, fn, sn, &sr, &fr) && vg_hash_eq(&fr, old_root) && vg_hash_eq(&sr, root);
}
