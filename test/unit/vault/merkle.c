#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "vault/merkle.h"

#define MANY 70
static struct vg_hash leaf[MANY], root[MANY + 1];

static void
hex(const struct vg_hash *h, char out[65])
{
	for (size_t i = 0; i < VG_HASH_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", h->b[i]);
}

/* Of full subtrees, from the leaves alone: slow, and plainly the definition. */
static vg_rc
get(void *ctx, unsigned level, uint64_t index, struct vg_hash *out)
{
	struct vg_hash a, b;

	if ((index + 1) << level > *(uint64_t *)ctx)
		return VG_E_REFUSED; /* it is not full: nobody may ask for it */
	if (level == 0) {
		*out = leaf[index];
		return VG_OK;
	}
	assert_int_equal(get(ctx, level - 1, 2 * index, &a), VG_OK);
	assert_int_equal(get(ctx, level - 1, 2 * index + 1, &b), VG_OK);
	vg_node_hash(&a, &b, out);
	return VG_OK;
}

static int
grow(void **state)
{
	struct vg_frontier f = { 0 };

	(void)state;
	vg_frontier_root(&f, &root[0]);
	for (uint64_t i = 0; i < MANY; i++) {
		vg_leaf_hash(vg_str_mem(&i, sizeof(i)), &leaf[i]);
		vg_frontier_add(&f, &leaf[i]);
		vg_frontier_root(&f, &root[i + 1]);
	}
	return 0;
}

/* The leaves and roots that the tests of Certificate Transparency's reference implementation have. */
static void
roots_are_those_of_others(void **state)
{
	static const struct {
		vg_str data;
		const char *root;
	} all[] = {
		{ VG_STR_INIT(""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
		{ VG_STR_INIT("\x00"), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
		{ VG_STR_INIT("\x10"), "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
		{ VG_STR_INIT("\x20\x21"), "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
		{ VG_STR_INIT("\x30\x31"), "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
		{ VG_STR_INIT("\x40\x41\x42\x43"), "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
		{ VG_STR_INIT("\x50\x51\x52\x53\x54\x55\x56\x57"), "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
		{ VG_STR_INIT("\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"),
		  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
	};
	struct vg_frontier f = { 0 };
	struct vg_hash h;
	char text[65];

	(void)state;
	vg_frontier_root(&f, &h);
	hex(&h, text);
	assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < VG_COUNT(all); i++) {
		vg_leaf_hash(all[i].data, &h);
		vg_frontier_add(&f, &h);
		vg_frontier_root(&f, &h);
		hex(&h, text);
		assert_string_equal(text, all[i].root);
	}
}

static void
roots_from_subtrees_are_the_same(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= MANY; n++) {
		struct vg_hash h;

		assert_int_equal(vg_tree_root(n, get, &n, &h), VG_OK);
		assert_true(vg_hash_eq(&h, &root[n]));
	}
}

/* Every leaf of every tree; and no proof for another leaf, place, size or root, nor a changed, longer or shorter one. */
static void
inclusion(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= MANY; n++)
		for (uint64_t i = 0; i < n; i++) {
			struct vg_proof p, bad;

			assert_int_equal(vg_prove_inclusion(i, n, get, &n, &p), VG_OK);
			assert_true(vg_check_inclusion(&leaf[i], i, n, &p, &root[n]));
			assert_false(vg_check_inclusion(&leaf[(i + 1) % MANY], i, n, &p, &root[n]));
			assert_false(vg_check_inclusion(&leaf[i], i, n, &p, &root[n - 1]));
			assert_false(n > 1 && vg_check_inclusion(&leaf[i], (i + 1) % n, n, &p, &root[n]));
			for (size_t k = 0; k < p.n; k++) {
				bad = p;
				bad.h[k].b[i % VG_HASH_BYTES] ^= (uint8_t)(1 << n % 8);
				assert_false(vg_check_inclusion(&leaf[i], i, n, &bad, &root[n]));
			}
			bad = p;
			bad.h[bad.n++] = leaf[0];
			assert_false(vg_check_inclusion(&leaf[i], i, n, &bad, &root[n]));
			if ((bad = p).n) {
				bad.n--;
				assert_false(vg_check_inclusion(&leaf[i], i, n, &bad, &root[n]));
			}
		}
}

static void
consistency(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= MANY; n++)
		for (uint64_t m = 0; m <= n; m++) {
			struct vg_proof p, bad;

			assert_int_equal(vg_prove_consistency(m, n, get, &n, &p), VG_OK);
			assert_true(vg_check_consistency(m, &root[m], n, &root[n], &p));
			if (m && m < n) {
				assert_false(vg_check_consistency(m, &root[m - 1], n, &root[n], &p));
				assert_false(vg_check_consistency(m, &root[m], n, &root[n - 1], &p));
			}
			for (size_t k = 0; k < p.n; k++) {
				bad = p;
				bad.h[k].b[m % VG_HASH_BYTES] ^= 1;
				assert_false(vg_check_consistency(m, &root[m], n, &root[n], &bad));
			}
			bad = p;
			bad.h[bad.n++] = leaf[0];
			assert_false(vg_check_consistency(m, &root[m], n, &root[n], &bad));
			if ((bad = p).n) {
				bad.n--;
				assert_false(vg_check_consistency(m, &root[m], n, &root[n], &bad));
			}
		}
}

/* In one piece or in several: the same, on both sides of where that changes. */
static void
long_leaves(void **state)
{
	static char data[9000];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	data[0] = 0;
	for (size_t n = 4090; n < 4100; n++) {
		struct vg_hash a, b;

		vg_leaf_hash(vg_str_mem(data + 1, n), &a);
		vg_hash_of(vg_str_mem(data, n + 1), &b);
		assert_true(vg_hash_eq(&a, &b));
	}
}

static void
what_cannot_be_proved(void **state)
{
	uint64_t n = 5;
	struct vg_proof p;

	(void)state;
	assert_int_equal(vg_prove_inclusion(5, 5, get, &n, &p), VG_E_NOTFOUND);
	assert_int_equal(vg_prove_inclusion(0, 0, get, &n, &p), VG_E_NOTFOUND);
	assert_int_equal(vg_prove_inclusion(0, UINT64_MAX, get, &n, &p), VG_E_NOTFOUND);
	assert_int_equal(vg_prove_consistency(6, 5, get, &n, &p), VG_E_NOTFOUND);
	assert_int_equal(vg_prove_inclusion(0, 9, get, &n, &p), VG_E_REFUSED); /* the answer of who was asked */
	p.n = 0;
	assert_false(vg_check_inclusion(&leaf[0], 0, 0, &p, &root[0]));
	assert_false(vg_check_inclusion(&leaf[0], UINT64_MAX, UINT64_MAX, &p, &root[0]));
	assert_false(vg_check_consistency(6, &root[6], 5, &root[5], &p));
	assert_false(vg_check_consistency(0, &root[1], 5, &root[5], &p));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots_are_those_of_others), cmocka_unit_test(roots_from_subtrees_are_the_same),
		cmocka_unit_test(inclusion), cmocka_unit_test(consistency), cmocka_unit_test(long_leaves), cmocka_unit_test(what_cannot_be_proved),
	};

	return cmocka_run_group_tests(tests, grow, NULL);
}
