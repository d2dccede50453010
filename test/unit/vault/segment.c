#include "power.h"

#include "base/time.h"
#include "vault/segment.h"

#define NAME "2026-04-03.0000" VG_SEGMENT_SUFFIX
#define BLOCKS 12
static struct vg_buf made[BLOCKS];

static int
make_blocks(void **state)
{
	(void)state;
	for (uint64_t b = 0; b < BLOCKS; b++) {
		struct vg_block_writer w = { .head = { .count = 0 } };
		char text[400];

		vg_block_begin(&w);
		for (uint64_t i = 0; i < 3 + b % 4; i++) {
			for (size_t k = 0; k < sizeof(text); k++) /* nothing that compresses well */
				text[k] = (char)((k * 7919 + b * 104729 + i * 1299709) >> 3 ^ k * k);
			assert_int_equal(vg_block_add(&w, &(struct vg_record){ .seq = 1 + b * 10 + i, .recv_ns = (int64_t)b, .raw = vg_str_mem(text, sizeof(text)) }), VG_OK);
		}
		assert_int_equal(vg_block_finish(&w, NULL, 0, &made[b]), VG_OK);
		vg_block_writer_fini(&w);
	}
	return 0;
}

static int
free_blocks(void **state)
{
	(void)state;
	for (size_t b = 0; b < BLOCKS; b++)
		vg_buf_fini(&made[b]);
	return 0;
}

static void
remove_folder(struct vg_disk *d, const char *path)
{
	assert_int_equal(vg_disk_each(d, VG_SEGMENT_SUFFIX, folder_remove_one, d), VG_OK);
	vg_disk_close(d);
	assert_int_equal(rmdir(path), 0);
}

static bool
has_blocks(struct vg_segment *s, size_t n)
{
	struct vg_buf b = { 0 };
	bool ok = vg_segment_count(s) == n && vg_segment_at(s, n) == NULL && vg_segment_read(s, n, &b) == VG_E_NOTFOUND;

	for (size_t i = 0; i < n && ok; i++)
		ok = vg_segment_at(s, i)->head.first_seq == 1 + i * 10 && vg_segment_read(s, i, &b) == VG_OK &&
		     vg_str_eq(vg_buf_str(&b), vg_buf_str(&made[i]));
	vg_buf_fini(&b);
	return ok;
}

static void
check_blocks(struct vg_segment *s, size_t n)
{
	assert_true(has_blocks(s, n));
}

static void
what_is_added_is_read(void **state)
{
	struct vg_segment_damage damage;
	struct vg_segment *s;
	struct vg_disk d;
	char path[64], name[VG_DISK_NAME_MAX];

	(void)state;
	vg_segment_name(INT64_C(1775203200) * VG_SEC, 0, name);
	assert_string_equal(name, NAME);
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_segment_open(&d, NAME, 0, &damage, &s), VG_E_NOTFOUND);
	assert_int_equal(vg_segment_create(&d, NAME, &s), VG_OK);
	for (size_t i = 0; i < BLOCKS; i++) {
		check_blocks(s, i);
		assert_int_equal(vg_segment_add(s, vg_buf_str(&made[i])), VG_OK);
		if (i % 5 == 4) {
			vg_segment_free(s);
			assert_int_equal(vg_segment_open(&d, NAME, i + 1, &damage, &s), VG_OK);
		}
	}
	check_blocks(s, BLOCKS);
	assert_int_equal(vg_segment_add(s, VG_STR("no block")), VG_E_FORMAT);
	assert_int_equal(vg_segment_add(s, vg_str_cut(vg_buf_str(&made[0]), made[0].n - 1)), VG_E_FORMAT);
	check_blocks(s, BLOCKS);
	vg_segment_free(s);
	assert_int_equal(vg_segment_create(&d, NAME, &s), VG_E_SYS); /* it is there */
	remove_folder(&d, path);
}

static struct power power;
static size_t sure[512]; /* by number of changes: blocks that were acknowledged */

static bool
survives(size_t n, int how)
{
	struct vg_segment_damage damage;
	struct vg_segment *s;
	struct vg_disk d;
	char path[64];
	size_t want = n ? sure[n - 1] : 0;
	bool whole = true;
	vg_rc rc;

	folder_new(path);
	power_build(&power, n, how, path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	rc = vg_segment_open(&d, NAME, want, &damage, &s);
	if (rc == VG_OK) {
		size_t has = vg_segment_count(s);

		whole = has_blocks(s, has);
		if (whole && has < BLOCKS) { /* and it goes on from there */
			assert_int_equal(vg_segment_add(s, vg_buf_str(&made[has])), VG_OK);
			vg_segment_free(s);
			assert_int_equal(vg_segment_open(&d, NAME, has + 1, &damage, &s), VG_OK);
			check_blocks(s, has + 1);
		}
		vg_segment_free(s);
	}
	remove_folder(&d, path);
	return (rc == VG_OK && whole) || (rc == VG_E_NOTFOUND && want == 0);
}

static void
nothing_acknowledged_is_lost(void **state)
{
	struct vg_segment *s;
	struct vg_disk d;
	char path[64];
	size_t known = 0;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	d.watch = power_watch;
	d.ctx = &power;
	power.random = 88172645463325252u;
	assert_int_equal(vg_segment_create(&d, NAME, &s), VG_OK);
	for (size_t i = 0; i <= BLOCKS; i++) {
		for (; known < power.n; known++)
			sure[known] = i ? i - 1 : 0;
		if (known)
			sure[known - 1] = i; /* with its last change it was acknowledged */
		if (i < BLOCKS)
			assert_int_equal(vg_segment_add(s, vg_buf_str(&made[i])), VG_OK);
	}
	vg_segment_free(s);
	remove_folder(&d, path);
	for (size_t n = 0; n <= power.n; n++)
		for (int turn = 0; turn < 12; turn++)
			if (!survives(n, turn < 2 ? turn : 2))
				fail_msg("after %zu of %zu changes, turn %d", n, power.n, turn);
	/* without the syncs of a kind the same finds something missing */
	for (int kind = 0; kind < 2; kind++) {
		bool lost = false;

		power.ignore = 1u << (kind ? VG_DISK_SYNC : VG_DISK_SYNC_DIR);
		for (size_t n = 0; n <= power.n && !lost; n++)
			lost = !survives(n, 0);
		assert_true(lost);
	}
	power_fini(&power);
}

/* A block that was acknowledged and is not whole any more is told, and nothing is cut. */
static void
damage_is_told(void **state)
{
	struct vg_segment_damage damage;
	struct vg_segment *s;
	struct vg_disk d;
	struct vg_file f;
	struct vg_buf b = { 0 };
	char path[64], x = 'x';
	uint64_t size;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_segment_create(&d, NAME, &s), VG_OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(vg_segment_add(s, vg_buf_str(&made[i])), VG_OK);
	assert_int_equal(vg_file_open(&d, NAME, &f), VG_OK);
	assert_int_equal(vg_file_write(&d, &f, vg_str_mem(&x, 1), made[0].n + VG_BLOCK_HEAD + 5), VG_OK); /* in the second's stored bytes */
	assert_int_equal(vg_segment_read(s, 1, &b), VG_E_FORMAT);
	assert_int_equal(vg_segment_read(s, 2, &b), VG_OK);
	vg_segment_free(s);
	assert_int_equal(vg_segment_open(&d, NAME, 3, &damage, &s), VG_OK); /* heads alone: the tree's check reads all */
	vg_segment_free(s);
	assert_int_equal(vg_file_write(&d, &f, vg_str_mem(&x, 1), made[0].n + 3), VG_OK); /* in its head */
	assert_int_equal(vg_file_size(&f, &size), VG_OK);
	assert_int_equal(vg_segment_open(&d, NAME, 3, &damage, &s), VG_E_FORMAT);
	assert_string_equal(damage.name, NAME);
	assert_true(damage.at == made[0].n && damage.block == 1);
	{
		uint64_t now;

		assert_int_equal(vg_file_size(&f, &now), VG_OK);
		assert_int_equal(now, size);
	}
	vg_file_close(&f);
	vg_buf_fini(&b);
	remove_folder(&d, path);
}

/* A block of a later program at the end is no write that the power ended. */
static void
a_later_version_is_left_alone(void **state)
{
	struct vg_segment_damage damage;
	struct vg_segment *s;
	struct vg_disk d;
	struct vg_file f;
	char path[64];
	uint64_t size;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_segment_create(&d, NAME, &s), VG_OK);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(vg_segment_add(s, vg_buf_str(&made[i])), VG_OK);
	vg_segment_free(s);
	assert_int_equal(vg_file_open(&d, NAME, &f), VG_OK);
	assert_int_equal(vg_file_write(&d, &f, VG_STR("VGBLOCK2"), made[0].n), VG_OK);
	assert_int_equal(vg_segment_open(&d, NAME, 0, &damage, &s), VG_E_UNSUP);
	assert_string_equal(damage.name, NAME);
	assert_true(damage.at == made[0].n && damage.block == 1);
	assert_int_equal(vg_file_size(&f, &size), VG_OK);
	assert_int_equal(size, made[0].n + made[1].n);
	vg_file_close(&f);
	remove_folder(&d, path);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_read), cmocka_unit_test(nothing_acknowledged_is_lost), cmocka_unit_test(damage_is_told),
		cmocka_unit_test(a_later_version_is_left_alone),
	};

	return cmocka_run_group_tests(tests, make_blocks, free_blocks);
}
