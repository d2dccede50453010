#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vault/block.h"
#include "witness/copy.h"

#define BLOCKS 6

static char home[] = "/tmp/test-copy-XXXXXX";
static int vault;
static struct vg_buf block[BLOCKS];
static struct vg_checkpoint point[BLOCKS + 1];
static struct vg_note_secret log_secret;

static void
note_of(const struct vg_checkpoint *c, struct vg_buf *out)
{
	const struct vg_note_secret *s = &log_secret;
	struct vg_buf text = { 0 };

	vg_checkpoint_print(c, &text);
	vg_buf_clear(out);
	assert_int_equal(vg_note_sign(vg_buf_str(&text), &s, 1, out), VG_OK);
	vg_buf_fini(&text);
}

/* Six blocks, and the checkpoint after each. */
static int
setup(void **state)
{
	static const uint8_t seed[32] = { 9 };
	struct vg_block_writer w = { .head = { .count = 0 } };
	struct vg_frontier tree = { .n = 0 };

	(void)state;
	assert_non_null(mkdtemp(home));
	vault = open(home, O_RDONLY | O_DIRECTORY);
	assert_int_equal(vg_note_key_of_seed(VG_STR("log"), seed, &log_secret), VG_OK);
	for (uint64_t i = 0; i <= BLOCKS; i++) {
		struct vg_record r = { .seq = 10 * i + 1, .raw = VG_STR("text") };
		struct vg_hash leaf;

		point[i] = (struct vg_checkpoint){ .origin = "log", .size = i, .seq = 10 * i + 1, .time_ns = (int64_t)i };
		vg_frontier_root(&tree, &point[i].root);
		if (i == BLOCKS)
			break;
		vg_block_begin(&w);
		assert_int_equal(vg_block_add(&w, &r), VG_OK);
		w.head.leaf = i;
		assert_int_equal(vg_block_finish(&w, NULL, 0, &block[i]), VG_OK);
		vg_block_leaf(vg_str_cut(vg_buf_str(&block[i]), VG_BLOCK_HEAD), &leaf);
		vg_frontier_add(&tree, &leaf);
	}
	vg_block_writer_fini(&w);
	return vault < 0;
}

static int
teardown(void **state)
{
	char command[64];

	(void)state;
	for (int i = 0; i < BLOCKS; i++)
		vg_buf_fini(&block[i]);
	close(vault);
	snprintf(command, sizeof(command), "rm -rf %s", home);
	return system(command);
}

static struct vg_copy *
open_copy(const char *tenant)
{
	char why[VG_COPY_WHY];
	struct vg_copy *c;

	if (vg_copy_open(vault, tenant, &c, why) != VG_OK)
		fail_msg("%s", why);
	return c;
}

static void
part(struct vg_copy *c, const char *name, int i)
{
	assert_int_equal(vg_copy_add_part(c, vg_copy_segment(c, vg_str_of(name)), vg_buf_str(&block[i])), VG_OK);
}

static void
accept_point(struct vg_copy *c, int i)
{
	struct vg_buf note = { 0 };

	note_of(&point[i], &note);
	assert_int_equal(vg_copy_accept(c, vg_buf_str(&note), &point[i], true, 0), VG_OK);
	vg_buf_fini(&note);
}

#define A "2026-04-03.0000.vs"
#define B "2026-04-04.0000.vs"

/* The clock stepped back over midnight: the leaves follow the records' numbers, not the files' names. */
static void
it_grows_across_segments(void **state)
{
	struct vg_copy *c = open_copy("acme"), *second;
	char why[VG_COPY_WHY];
	uint64_t size;
	int fd;

	(void)state;
	assert_int_equal(vg_copy_set_key(c, &log_secret.key), VG_OK);
	part(c, B, 0);
	part(c, A, 1);
	part(c, B, 2);
	part(c, B, 3); /* behind the checkpoint */
	assert_int_equal(vg_copy_grow(c, &point[3], why), VG_OK);
	accept_point(c, 3);
	assert_int_equal(vg_copy_segment(c, VG_STR(B))->bytes, block[0].n + block[2].n);
	assert_int_equal(vg_copy_open(vault, "acme", &second, why), VG_E_REFUSED); /* one process at a time */
	vg_copy_free(c);
	c = open_copy("acme");
	assert_true(c->has_last && c->last.size == 3 && c->tree.n == 3);
	part(c, A, 3);
	part(c, A, 4);
	assert_int_equal(vg_copy_grow(c, &point[5], why), VG_OK); /* and the process dies before it keeps the checkpoint */
	vg_copy_free(c);
	c = open_copy("acme");
	assert_true(c->last.size == 3 && vg_copy_segment(c, VG_STR(A))->bytes == block[1].n);
	assert_int_equal(vg_shared_open(c->d.dir, A, &fd, &size), VG_OK);
	close(fd);
	assert_int_equal(size, block[1].n); /* what was under no checkpoint is gone */
	part(c, A, 3);
	assert_int_equal(vg_copy_grow(c, &point[4], why), VG_OK);
	accept_point(c, 4);
	vg_copy_free(c);
	c = open_copy("acme");
	assert_int_equal(c->last.size, 4);
	vg_copy_free(c);
}

static void
what_does_not_fit_changes_nothing(void **state)
{
	struct vg_copy *c = open_copy("beta");
	struct vg_checkpoint other = point[2];
	char why[VG_COPY_WHY];

	(void)state;
	assert_int_equal(vg_copy_set_key(c, &log_secret.key), VG_OK);
	part(c, A, 0);
	assert_int_equal(vg_copy_grow(c, &point[2], why), VG_E_REFUSED); /* one too few */
	assert_non_null(strstr(why, "only 1"));
	part(c, A, 2);
	assert_int_equal(vg_copy_grow(c, &point[2], why), VG_E_REFUSED); /* another one */
	vg_copy_drop_parts(c);
	part(c, A, 1);
	part(c, A, 0); /* the other way round */
	assert_int_equal(vg_copy_grow(c, &point[2], why), VG_E_REFUSED);
	vg_copy_drop_parts(c);
	part(c, A, 0);
	part(c, B, 0); /* twice */
	assert_int_equal(vg_copy_grow(c, &point[2], why), VG_E_REFUSED);
	vg_copy_drop_parts(c);
	block[1].p[block[1].n - 1] ^= 1; /* its stored bytes are others */
	part(c, A, 0);
	part(c, A, 1);
	block[1].p[block[1].n - 1] ^= 1;
	assert_int_equal(vg_copy_grow(c, &point[2], why), VG_E_REFUSED);
	vg_copy_drop_parts(c);
	part(c, A, 0);
	part(c, A, 1);
	other.root.b[0] ^= 1;
	assert_int_equal(vg_copy_grow(c, &other, why), VG_E_REFUSED);
	assert_true(c->tree.n == 0 && vg_copy_segment(c, VG_STR(A))->bytes == 0 && faccessat(c->d.dir, A, F_OK, 0) < 0);
	assert_int_equal(vg_copy_grow(c, &point[2], why), VG_OK);
	vg_copy_free(c);
}

static void
a_copy_that_is_damaged_is_not_opened(void **state)
{
	struct vg_copy *c = open_copy("gamma");
	char why[VG_COPY_WHY];
	int fd;

	(void)state;
	assert_int_equal(vg_copy_set_key(c, &log_secret.key), VG_OK);
	part(c, A, 0);
	part(c, A, 1);
	assert_int_equal(vg_copy_grow(c, &point[2], why), VG_OK);
	accept_point(c, 2);
	fd = openat(c->d.dir, A, O_RDWR);
	vg_copy_free(c);
	assert_int_equal(pwrite(fd, "\xff", 1, 100), 1); /* in the first head: its root */
	assert_int_equal(vg_copy_open(vault, "gamma", &c, why), VG_E_FORMAT);
	assert_int_equal(pwrite(fd, block[0].p + 100, 1, 100), 1);
	c = open_copy("gamma");
	vg_copy_free(c);
	assert_int_equal(ftruncate(fd, (off_t)block[0].n + 50), 0);
	assert_int_equal(vg_copy_open(vault, "gamma", &c, why), VG_E_FORMAT);
	assert_non_null(strstr(why, "only 1"));
	close(fd);
}

static void
what_is_written_once(void **state)
{
	struct vg_copy *c = open_copy("delta");
	struct vg_note_secret other;
	struct vg_buf b = { 0 };

	(void)state;
	assert_int_equal(vg_copy_keep(c, "keys/k", VG_STR("one")), VG_OK);
	assert_int_equal(vg_copy_keep(c, "keys/k", VG_STR("one")), VG_OK);
	assert_int_equal(vg_copy_keep(c, "keys/k", VG_STR("two")), VG_E_REFUSED);
	assert_int_equal(vg_copy_read(c, "keys/k", &b), VG_OK);
	assert_true(vg_str_eq(vg_buf_str(&b), VG_STR("one")));
	assert_int_equal(vg_copy_set_key(c, &log_secret.key), VG_OK);
	assert_int_equal(vg_note_key_new(VG_STR("log"), &other), VG_OK);
	assert_int_equal(vg_copy_set_key(c, &other.key), VG_E_REFUSED);
	vg_buf_fini(&b);
	vg_copy_free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_grows_across_segments), cmocka_unit_test(what_does_not_fit_changes_nothing),
		cmocka_unit_test(a_copy_that_is_damaged_is_not_opened), cmocka_unit_test(what_is_written_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
