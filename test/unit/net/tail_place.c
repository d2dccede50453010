#include "basket.h"

#include "net/tail_place.h"

struct got {
	struct vg_buf again;
	unsigned n;
};

static vg_rc
on_place(void *ctx, vg_str path, const struct vg_tail_place *p)
{
	struct got *g = ctx;

	g->n++;
	vg_tail_places_put(&g->again, path, p);
	return VG_OK;
}

static vg_rc
take(vg_str bytes, struct got *g)
{
	char *exact = malloc(bytes.n ? bytes.n : 1);
	vg_rc rc;

	memcpy(exact, bytes.n ? bytes.p : "", bytes.n);
	g->n = 0;
	vg_tail_places_begin(&g->again);
	rc = vg_tail_places_take(vg_str_mem(exact, bytes.n), on_place, g);
	vg_tail_places_end(&g->again);
	free(exact);
	return rc;
}

static void
put(struct vg_buf *b, const char *path, uint64_t at, uint8_t flags)
{
	struct vg_tail_place p = { .ino = 2, .birth_ns = 3, .name = { 5, 6, 7 }, .cut = 4, .at = at, .mtime_ns = -5, .flags = flags };

	vg_tail_sum(path, strlen(path), p.sum);
	vg_tail_places_put(b, vg_str_of(path), &p);
}

static void
what_is_written_is_read(void **state)
{
	struct got g = { 0 };
	struct vg_buf b = { 0 };

	(void)state;
	vg_tail_places_begin(&b);
	vg_tail_places_end(&b);
	assert_int_equal(take(vg_buf_str(&b), &g), VG_OK);
	assert_int_equal(g.n, 0);
	vg_tail_places_begin(&b);
	put(&b, "/var/log/auth.log", 1234567890123, VG_TAIL_ROTATED | VG_TAIL_IN_LINE);
	put(&b, "/x", 0, 0);
	vg_tail_places_end(&b);
	assert_int_equal(take(vg_buf_str(&b), &g), VG_OK);
	assert_int_equal(g.n, 2);
	assert_true(vg_str_eq(vg_buf_str(&b), vg_buf_str(&g.again)));
	vg_buf_fini(&b);
	vg_buf_fini(&g.again);
}

static void
a_later_version_is_told_from_damage(void **state)
{
	struct got g = { 0 };
	struct vg_buf b = { 0 };

	(void)state;
	vg_tail_places_begin(&b);
	put(&b, "/var/log/a", 10, 0);
	vg_tail_places_end(&b);
	b.p[6] = '2'; /* "VGTAIL2\n" */
	assert_int_equal(take(vg_buf_str(&b), &g), VG_E_UNSUP);
	assert_int_equal(g.n, 0);
	b.p[6] = '0';
	assert_int_equal(take(vg_buf_str(&b), &g), VG_E_FORMAT);
	vg_buf_fini(&b);
	vg_buf_fini(&g.again);
}

static void
damage_is_refused(void **state)
{
	struct got g = { 0 };
	struct vg_buf b = { 0 };

	(void)state;
	vg_tail_places_begin(&b);
	put(&b, "/var/log/auth.log", 7, 0);
	put(&b, "/var/log/syslog", 7, VG_TAIL_COPY);
	vg_tail_places_end(&b);
	for (size_t n = 0; n < b.n; n++) {
		assert_int_not_equal(take(vg_str_mem(b.p, n), &g), VG_OK);
		assert_int_equal(g.n, 0);
	}
	for (size_t i = 0; i < b.n * 8; i++) {
		b.p[i / 8] ^= (char)(1 << i % 8);
		assert_int_not_equal(take(vg_buf_str(&b), &g), VG_OK);
		assert_int_equal(g.n, 0);
		b.p[i / 8] ^= (char)(1 << i % 8);
	}
	assert_int_equal(take(vg_buf_str(&b), &g), VG_OK);
	vg_buf_fini(&b);
	vg_buf_fini(&g.again);
}

static void
nonsense_is_refused(void **state)
{
	static const struct {
		const char *path;
		uint64_t at;
		uint8_t flags;
	} bad[] = { { "relative", 0, 0 }, { "", 0, 0 }, { "/x", UINT64_MAX, 0 }, { "/x", 0, 16 } };
	struct got g = { 0 };
	struct vg_buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		vg_tail_places_begin(&b);
		put(&b, "/good", 0, 0);
		put(&b, bad[i].path, bad[i].at, bad[i].flags);
		vg_tail_places_end(&b);
		assert_int_equal(take(vg_buf_str(&b), &g), VG_E_FORMAT);
		assert_int_equal(g.n, 0);
	}
	vg_tail_places_begin(&b);
	for (size_t i = 0; i <= VG_TAIL_FILES_MAX; i++)
		put(&b, "/x", 0, 0);
	vg_tail_places_end(&b);
	assert_int_equal(take(vg_buf_str(&b), &g), VG_E_LIMIT);
	vg_buf_fini(&b);
	vg_buf_fini(&g.again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_later_version_is_told_from_damage),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
