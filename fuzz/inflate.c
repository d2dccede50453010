/* Any bytes as a coded body, whole and cut into pieces: the same end, the same bytes where all went well, and never more than the
 * limit, nor than the ratio. */
#include "net/inflate.h"

#include <stdlib.h>

#include "base/buf.h"

#define LIMIT ((uint64_t)4 << 20)

static void
on_bytes(void *ctx, vg_str s)
{
	if (s.n == 0)
		abort();
	vg_buf_put(ctx, s);
}

static vg_rc
unpack(enum vg_coding coding, vg_str in, size_t piece, struct vg_buf *out)
{
	struct vg_inflate *z;
	vg_rc rc = VG_OK;
	size_t n = in.n;

	if (vg_inflate_new(coding, LIMIT, &z) != VG_OK)
		abort();
	for (; in.n && rc == VG_OK; in = vg_str_skip(in, piece))
		rc = vg_inflate_feed(z, vg_str_cut(in, piece), on_bytes, out);
	if (rc == VG_OK)
		rc = vg_inflate_end(z);
	vg_inflate_free(z);
	if (out->n > LIMIT || (out->n > VG_INFLATE_FREE_BYTES && out->n / VG_INFLATE_RATIO_MAX > n))
		abort();
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A byte for the coding, one for the pieces, then the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vg_buf a = { 0 }, b = { 0 };
	vg_rc whole, cut;
	vg_str in;

	if (size < 2)
		return 0;
	in = vg_str_mem(data + 2, size - 2);
	whole = unpack(data[0] % VG_CODINGS, in, SIZE_MAX, &a);
	cut = unpack(data[0] % VG_CODINGS, in, 1u + data[1], &b);
	if ((whole == VG_OK) != (cut == VG_OK) || (whole == VG_OK && !vg_str_eq(vg_buf_str(&a), vg_buf_str(&b))))
		abort();
	vg_buf_fini(&a);
	vg_buf_fini(&b);
	return 0;
}
