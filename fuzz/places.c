/* Bytes of a watched machine's files.  p: places (net/tail_place.h), their CRC made right: what parses is written the same.  l: a file, cut to
 * records in pieces as it may grow; what is given, what is passed over and what waits are all of it, and how it grew makes no difference.
 * u: the same of wtmp. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "choose.h"
#include "net/tail_cut.h"
#include "net/tail_place.h"
#include "vault/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static vg_rc
on_place(void *ctx, vg_str path, const struct vg_tail_place *p)
{
	assert(path.n && path.p[0] == '/');
	vg_tail_places_put(ctx, path, p);
	return VG_OK;
}

static void
places(vg_str s)
{
	struct vg_buf b = { 0 }, again = { 0 };

	vg_buf_put(&b, s);
	vg_buf_le32(&b, (uint32_t)crc32_z(0, (const unsigned char *)s.p, s.n));
	vg_tail_places_begin(&again);
	if (vg_tail_places_take(vg_buf_str(&b), on_place, &again) == VG_OK) {
		vg_tail_places_end(&again);
		assert(vg_str_eq(vg_buf_str(&b), vg_buf_str(&again)));
	}
	vg_buf_fini(&b);
	vg_buf_fini(&again);
}

/* Cut @s, of which the first @known bytes are there at first: records to @out, each with its length. */
static void
cut(vg_str s, size_t known, bool utmp, struct vg_buf *out)
{
	struct vg_tail_state st = { .utmp = utmp };
	size_t at = 0;

	vg_buf_clear(out);
	for (;;) {
		struct vg_tail_piece p;

		st.last = known == s.n;
		p = vg_tail_cut(vg_str_skip(vg_str_cut(s, known), at), st);
		if (p.kind == VG_TAIL_NONE && known == s.n)
			break;
		if (p.kind == VG_TAIL_NONE) {
			known = s.n;
			continue;
		}
		assert(p.used && p.used <= known - at && p.bytes.n <= p.used && p.bytes.n <= VG_RECORD_RAW_MAX);
		if (p.kind == VG_TAIL_RECORD || p.kind == VG_TAIL_LONG)
			vg_buf_le_str(out, p.bytes);
		st.inside = p.kind == VG_TAIL_LONG || p.kind == VG_TAIL_REST;
		st.zeros = p.kind == VG_TAIL_ZEROS;
		at += p.used;
	}
	assert(at == s.n);
}

static void
cut_twice(vg_str s, bool utmp)
{
	struct vg_buf whole = { 0 }, grown = { 0 };
	size_t first = s.n ? (uint8_t)s.p[0] : 0;

	cut(s, s.n, utmp, &whole);
	cut(s, first < s.n ? first : s.n, utmp, &grown);
	assert(vg_str_eq(vg_buf_str(&whole), vg_buf_str(&grown)));
	vg_buf_fini(&whole);
	vg_buf_fini(&grown);
}

static void
lines(vg_str s)
{
	cut_twice(s, false);
}

static void
utmp(vg_str s)
{
	cut_twice(s, true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'p', places }, { 'l', lines }, { 'u', utmp }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
