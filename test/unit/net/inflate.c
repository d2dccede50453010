#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "net/inflate.h"

#define LIMIT ((uint64_t)8 << 20)

static void
on_bytes(void *ctx, vg_str s)
{
	vg_buf_put(ctx, s);
}

static void
pack_zlib(vg_str s, int bits, struct vg_buf *out)
{
	z_stream z = { 0 };
	size_t room;

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	room = deflateBound(&z, s.n) + 64;
	assert_true(vg_buf_reserve(out, room));
	z.next_in = (Bytef *)(uintptr_t)s.p;
	z.avail_in = (uInt)s.n;
	z.next_out = (Bytef *)out->p + out->n;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += room - z.avail_out;
	(void)deflateEnd(&z);
}

static void
pack(enum vg_coding coding, vg_str s, struct vg_buf *out)
{
	if (coding == VG_CODING_ZSTD) {
		size_t room = ZSTD_compressBound(s.n), n;

		assert_true(vg_buf_reserve(out, room));
		n = ZSTD_compress(out->p + out->n, room, s.p, s.n, 3);
		assert_false(ZSTD_isError(n));
		out->n += n;
	} else if (coding == VG_CODING_IDENTITY) {
		vg_buf_put(out, s);
	} else {
		pack_zlib(s, coding == VG_CODING_GZIP ? 31 : 15, out);
	}
}

static vg_rc
unpack(enum vg_coding coding, vg_str s, size_t piece, uint64_t limit, struct vg_buf *out)
{
	struct vg_inflate *z = NULL;
	vg_rc rc = VG_OK;

	assert_int_equal(vg_inflate_new(coding, limit, &z), VG_OK);
	for (; s.n && rc == VG_OK; s = vg_str_skip(s, piece))
		rc = vg_inflate_feed(z, vg_str_cut(s, piece), on_bytes, out);
	if (rc == VG_OK)
		rc = vg_inflate_end(z);
	else
		assert_int_equal(vg_inflate_end(z), rc); /* it sticks */
	assert_true(vg_inflate_held(z) != 0);
	vg_inflate_free(z);
	return rc;
}

/* @n bytes that do not pack too well. */
static void
text(size_t n, struct vg_buf *out)
{
	uint64_t x = 88172645463325252u;

	while (out->n < n) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		vg_buf_printf(out, "%llu user logged in\n", (unsigned long long)(x % 100000));
	}
	out->n = n;
}

static void
what_was_packed_comes_out(void **state)
{
	static const size_t sizes[] = { 0, 1, 32767, 32768, 32769, 65536, 200000 };

	(void)state;
	for (int c = 0; c < VG_CODINGS; c++)
		for (size_t i = 0; i < VG_COUNT(sizes); i++)
			for (size_t piece = 1; piece < 400000; piece = piece * 30 + 1) {
				struct vg_buf plain = { 0 }, packed = { 0 }, out = { 0 };

				text(sizes[i], &plain);
				pack(c, vg_buf_str(&plain), &packed);
				assert_int_equal(unpack(c, vg_buf_str(&packed), piece, LIMIT, &out), VG_OK);
				assert_true(vg_str_eq(vg_buf_str(&plain), vg_buf_str(&out)));
				vg_buf_fini(&plain);
				vg_buf_fini(&packed);
				vg_buf_fini(&out);
			}
}

static void
members_and_frames_follow_each_other(void **state)
{
	(void)state;
	for (int c = VG_CODING_GZIP; c < VG_CODINGS; c++)
		for (size_t piece = 1; piece < 100; piece += 9) {
			struct vg_buf packed = { 0 }, out = { 0 };
			vg_rc want = c == VG_CODING_DEFLATE ? VG_E_FORMAT : VG_OK;

			pack(c, VG_STR("one "), &packed);
			pack(c, VG_STR("two"), &packed);
			assert_int_equal(unpack(c, vg_buf_str(&packed), piece, LIMIT, &out), want);
			if (want == VG_OK)
				assert_true(vg_str_eq(vg_buf_str(&out), VG_STR("one two")));
			vg_buf_fini(&packed);
			vg_buf_fini(&out);
		}
}

static void
every_truncation_is_told(void **state)
{
	(void)state;
	for (int c = VG_CODING_GZIP; c < VG_CODINGS; c++) {
		struct vg_buf packed = { 0 }, out = { 0 };

		pack(c, VG_STR("a line, and a line, and a line\n"), &packed);
		for (size_t n = 0; n < packed.n; n++)
			assert_int_equal(unpack(c, vg_str_cut(vg_buf_str(&packed), n), 7, LIMIT, &out), VG_E_TRUNC);
		vg_buf_putc(&packed, 'x'); /* and what is behind it */
		assert_int_not_equal(unpack(c, vg_buf_str(&packed), 7, LIMIT, &out), VG_OK);
		vg_buf_fini(&packed);
		vg_buf_fini(&out);
	}
}

static void
what_is_not_the_coding_is_refused(void **state)
{
	struct vg_buf out = { 0 };

	(void)state;
	for (int c = VG_CODING_GZIP; c < VG_CODINGS; c++)
		assert_int_equal(unpack(c, VG_STR("{\"create\":{}}\n{\"a\":1}\n"), 5, LIMIT, &out), VG_E_FORMAT);
	vg_buf_fini(&out);
}

static void
bombs_are_stopped(void **state)
{
	struct vg_buf zeros = { 0 };

	(void)state;
	assert_true(vg_buf_reserve(&zeros, (size_t)64 << 20));
	memset(zeros.p, 0, zeros.n = (size_t)64 << 20);
	for (int c = VG_CODING_GZIP; c < VG_CODINGS; c++) {
		struct vg_buf packed = { 0 }, out = { 0 };

		pack(c, vg_buf_str(&zeros), &packed);
		assert_int_equal(unpack(c, vg_buf_str(&packed), 4096, UINT64_MAX, &out), VG_E_LIMIT);
		assert_true(out.n <= VG_INFLATE_FREE_BYTES + VG_INFLATE_RATIO_MAX * packed.n);
		vg_buf_fini(&packed);
		vg_buf_fini(&out);
		/* a little one is no bomb */
		pack(c, vg_str_cut(vg_buf_str(&zeros), VG_INFLATE_FREE_BYTES), &packed);
		assert_int_equal(unpack(c, vg_buf_str(&packed), 4096, UINT64_MAX, &out), VG_OK);
		vg_buf_fini(&packed);
		vg_buf_fini(&out);
	}
	vg_buf_fini(&zeros);
}

static void
no_more_than_the_limit_comes_out(void **state)
{
	(void)state;
	for (int c = 0; c < VG_CODINGS; c++)
		for (size_t over = 0; over <= 1; over++) {
			struct vg_buf plain = { 0 }, packed = { 0 }, out = { 0 };

			text(100000 + over, &plain);
			pack(c, vg_buf_str(&plain), &packed);
			assert_int_equal(unpack(c, vg_buf_str(&packed), 10000, 100000, &out), over ? VG_E_LIMIT : VG_OK);
			assert_true(out.n <= 100000);
			vg_buf_fini(&plain);
			vg_buf_fini(&packed);
			vg_buf_fini(&out);
		}
}

static void
a_window_over_8_mib_is_refused(void **state)
{
	struct vg_buf out = { 0 };
	/* RFC 8878, 3.1.1.1: magic, a frame header without content size, a window of 2^(10+13) or 2^(10+14), an empty last raw block */
	static const char ok[] = "\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00", bad[] = "\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00";

	(void)state;
	assert_int_equal(unpack(VG_CODING_ZSTD, vg_str_mem(ok, sizeof(ok) - 1), 3, LIMIT, &out), VG_OK);
	assert_int_equal(unpack(VG_CODING_ZSTD, vg_str_mem(bad, sizeof(bad) - 1), 3, LIMIT, &out), VG_E_LIMIT);
	vg_buf_fini(&out);
}

static void
codings_have_names(void **state)
{
	enum vg_coding c = VG_CODING_GZIP;

	(void)state;
	assert_true(vg_coding_of(VG_NIL, &c));
	assert_int_equal(c, VG_CODING_IDENTITY);
	assert_true(vg_coding_of(VG_STR(" GZip "), &c));
	assert_int_equal(c, VG_CODING_GZIP);
	assert_true(vg_coding_of(VG_STR("x-gzip"), &c));
	assert_true(vg_coding_of(VG_STR("deflate"), &c));
	assert_int_equal(c, VG_CODING_DEFLATE);
	assert_true(vg_coding_of(VG_STR("zstd"), &c));
	assert_int_equal(c, VG_CODING_ZSTD);
	assert_false(vg_coding_of(VG_STR("br"), &c));
	assert_false(vg_coding_of(VG_STR("gzip, gzip"), &c));
	assert_false(vg_coding_of(VG_STR("gzipped"), &c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_packed_comes_out),
		cmocka_unit_test(members_and_frames_follow_each_other),
		cmocka_unit_test(every_truncation_is_told),
		cmocka_unit_test(what_is_not_the_coding_is_refused),
		cmocka_unit_test(bombs_are_stopped),
		cmocka_unit_test(no_more_than_the_limit_comes_out),
		cmocka_unit_test(a_window_over_8_mib_is_refused),
		cmocka_unit_test(codings_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
