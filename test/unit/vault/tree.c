#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault/tree.h"

#define LEAVES 70000 /* over 256 * 256: three levels */
static struct vg_hash *leaf, *root;
static char path[64];
static int dir;
static struct vg_disk disk;

static void
folder(void)
{
	snprintf(path, sizeof(path), "%s/tree-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(path));
	assert_int_equal(vg_disk_open(&disk, path), VG_OK);
	dir = disk.dir;
}

static int
remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(name);
}

static void
no_folder(void)
{
	vg_disk_close(&disk);
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int
grow(void **state)
{
	struct vg_frontier f = { .n = 0 };

	(void)state;
	leaf = calloc(LEAVES, sizeof(*leaf));
	root = calloc(LEAVES + 1, sizeof(*root));
	vg_frontier_root(&f, &root[0]);
	for (uint64_t i = 0; i < LEAVES; i++) {
		vg_leaf_hash(vg_str_mem(&i, sizeof(i)), &leaf[i]);
		vg_frontier_add(&f, &leaf[i]);
		vg_frontier_root(&f, &root[i + 1]);
	}
	return 0;
}

static int
ungrow(void **state)
{
	(void)state;
	free(leaf);
	free(root);
	return 0;
}

static void
check_proofs(struct vg_tree *t, uint64_t size, uint64_t step)
{
	struct vg_hash h;
	struct vg_proof p;

	assert_int_equal(vg_tree_size(t), size);
	assert_int_equal(vg_tree_root(size, vg_tree_subtree, t, &h), VG_OK);
	assert_true(vg_hash_eq(&h, &root[size]));
	for (uint64_t i = 0; i < size; i += step) {
		assert_int_equal(vg_prove_inclusion(i, size, vg_tree_subtree, t, &p), VG_OK);
		assert_true(vg_check_inclusion(&leaf[i], i, size, &p, &root[size]));
		assert_int_equal(vg_prove_consistency(i, size, vg_tree_subtree, t, &p), VG_OK);
		assert_true(vg_check_consistency(i, &root[i], size, &root[size], &p));
	}
	assert_int_equal(vg_tree_subtree(t, 0, size, &h), VG_E_NOTFOUND);
	assert_int_equal(vg_tree_subtree(t, 63, 1, &h), VG_E_NOTFOUND);
}

static void
three_levels(void **state)
{
	struct vg_tree *t;
	uint64_t size;
	struct stat st;

	(void)state;
	folder();
	assert_int_equal(vg_tree_open(&disk, &size, &t), VG_OK);
	assert_int_equal(size, 0);
	check_proofs(t, 0, 1);
	for (uint64_t i = 0; i < LEAVES; i++) {
		assert_int_equal(vg_tree_add(t, &leaf[i]), VG_OK);
		if (i == 0 || i == 254 || i == 255 || i == 256 || i == 65535 || i == 65536)
			check_proofs(t, i + 1, i < 300 ? 1 : 6007);
	}
	check_proofs(t, LEAVES, 997);
	vg_tree_free(t);
	assert_int_equal(fstatat(dir, "tile/0/272", &st, 0), 0);
	assert_int_equal(st.st_size, 8192);
	assert_int_equal(fstatat(dir, "tile/1/000", &st, 0), 0);
	/* opened again: what whole tiles have, and the rest added again */
	assert_int_equal(vg_tree_open(&disk, &size, &t), VG_OK);
	assert_int_equal(size, LEAVES / VG_TILE_HASHES * VG_TILE_HASHES);
	for (uint64_t i = size; i < LEAVES; i++)
		assert_int_equal(vg_tree_add(t, &leaf[i]), VG_OK);
	check_proofs(t, LEAVES, 4999);
	vg_tree_free(t);
	/* a tile that is lost or cut costs the leaves from there on; those of other levels nothing */
	assert_int_equal(unlinkat(dir, "tile/1/000", 0), 0);
	assert_int_equal(truncate((snprintf(path + strlen(path), 20, "/tile/0/100"), path), 100), 0);
	*strstr(path, "/tile") = 0;
	assert_int_equal(vg_tree_open(&disk, &size, &t), VG_OK);
	assert_int_equal(size, 100 * VG_TILE_HASHES);
	check_proofs(t, size, 997);
	vg_tree_free(t);
	no_folder();
}

static void
partial_tiles(void **state)
{
	static const uint64_t stop[] = { 1, 2, 255, 256, 257, 700, 70000 };
	struct vg_tree *t;
	uint64_t size, i = 0;
	struct stat st;

	(void)state;
	folder();
	assert_int_equal(vg_tree_open(&disk, &size, &t), VG_OK);
	for (size_t k = 0; k < VG_COUNT(stop); k++) {
		char name[64];

		for (; i < stop[k]; i++)
			assert_int_equal(vg_tree_add(t, &leaf[i]), VG_OK);
		assert_int_equal(vg_tree_write_partial(t), VG_OK);
		assert_int_equal(vg_tree_write_partial(t), VG_OK); /* nothing new */
		if (i % VG_TILE_HASHES) {
			snprintf(name, sizeof(name), "tile/0/%03llu.p/%llu", (unsigned long long)(i / VG_TILE_HASHES), (unsigned long long)(i % VG_TILE_HASHES));
			assert_int_equal(fstatat(dir, name, &st, 0), 0);
			assert_int_equal(st.st_size, (off_t)(i % VG_TILE_HASHES) * VG_HASH_BYTES);
		}
		if (k) {
			snprintf(name, sizeof(name), "tile/0/%03llu.p/%llu", (unsigned long long)(stop[k - 1] / VG_TILE_HASHES), (unsigned long long)(stop[k - 1] % VG_TILE_HASHES));
			assert_int_equal(fstatat(dir, name, &st, 0), -1);
		}
	}
	assert_int_equal(fstatat(dir, "tile/1/001.p/17", &st, 0), 0);
	assert_int_equal(fstatat(dir, "tile/2/000.p/1", &st, 0), 0);
	vg_tree_free(t);
	no_folder();
}

static void
numbers_in_groups(void **state)
{
	struct vg_tree *t;
	uint64_t size;
	struct stat st;

	(void)state;
	folder();
	assert_int_equal(mkdirat(dir, "tile", 0700), 0);
	assert_int_equal(mkdirat(dir, "tile/0", 0700), 0);
	assert_int_equal(vg_tree_open(&disk, &size, &t), VG_OK);
	for (uint64_t i = 0; i < 1001 * VG_TILE_HASHES; i++)
		assert_int_equal(vg_tree_add(t, &leaf[i % LEAVES]), VG_OK);
	assert_int_equal(fstatat(dir, "tile/0/999", &st, 0), 0);
	assert_int_equal(fstatat(dir, "tile/0/x001/000", &st, 0), 0);
	vg_tree_free(t);
	assert_int_equal(vg_tree_open(&disk, &size, &t), VG_OK);
	assert_int_equal(size, 1001 * VG_TILE_HASHES);
	vg_tree_free(t);
	no_folder();
}

/* A tile that cannot be written: the leaf is not in, and can be added when it can. */
static void
a_failure_changes_nothing(void **state)
{
	struct vg_tree *t;
	uint64_t size;
	int fd;

	(void)state;
	folder();
	assert_int_equal(vg_tree_open(&disk, &size, &t), VG_OK);
	for (uint64_t i = 0; i < VG_TILE_HASHES - 1; i++)
		assert_int_equal(vg_tree_add(t, &leaf[i]), VG_OK);
	assert_true((fd = openat(dir, "tile", O_WRONLY | O_CREAT, 0600)) >= 0); /* a file where the folder should be */
	close(fd);
	assert_int_equal(vg_tree_add(t, &leaf[VG_TILE_HASHES - 1]), VG_E_SYS);
	check_proofs(t, VG_TILE_HASHES - 1, 50);
	assert_int_equal(unlinkat(dir, "tile", 0), 0);
	assert_int_equal(vg_tree_add(t, &leaf[VG_TILE_HASHES - 1]), VG_OK);
	check_proofs(t, VG_TILE_HASHES, 50);
	vg_tree_free(t);
	no_folder();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_levels), cmocka_unit_test(partial_tiles), cmocka_unit_test(numbers_in_groups),
		cmocka_unit_test(a_failure_changes_nothing),
	};

	return cmocka_run_group_tests(tests, grow, ungrow);
}
