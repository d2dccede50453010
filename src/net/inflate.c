#include "net/inflate.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define PIECE 32768
#define ZLIB_HELD 44032 /* bytes that zlib has for inflating: its window and state (zlib.h, zconf.h) */

struct vg_inflate {
	enum vg_coding coding;
	vg_rc rc;
	bool open; /* inside a member or frame */
	uint64_t in, out, limit;
	z_stream zlib;
	ZSTD_DCtx *zstd;
};

bool
vg_coding_of(vg_str value, enum vg_coding *out)
{
	static const struct {
		vg_str name;
		enum vg_coding coding;
	} names[] = {
		{ VG_STR_INIT(""), VG_CODING_IDENTITY }, { VG_STR_INIT("identity"), VG_CODING_IDENTITY },
		{ VG_STR_INIT("gzip"), VG_CODING_GZIP }, { VG_STR_INIT("x-gzip"), VG_CODING_GZIP },
		{ VG_STR_INIT("deflate"), VG_CODING_DEFLATE }, { VG_STR_INIT("zstd"), VG_CODING_ZSTD },
	};

	for (size_t i = 0; i < VG_COUNT(names); i++)
		if (vg_str_ieq(vg_str_trim(value), names[i].name)) {
			*out = names[i].coding;
			return true;
		}
	return false;
}

static bool
is_zlib(const struct vg_inflate *z)
{
	return z->coding == VG_CODING_GZIP || z->coding == VG_CODING_DEFLATE;
}

vg_rc
vg_inflate_new(enum vg_coding coding, uint64_t limit_bytes, struct vg_inflate **out)
{
	struct vg_inflate *z = calloc(1, sizeof(*z));

	if (z == NULL)
		return VG_E_NOMEM;
	z->coding = coding;
	z->limit = limit_bytes;
	z->open = coding != VG_CODING_IDENTITY;
	if ((is_zlib(z) && inflateInit2(&z->zlib, coding == VG_CODING_GZIP ? 15 + 16 : 15) != Z_OK) ||
	    (coding == VG_CODING_ZSTD && ((z->zstd = ZSTD_createDCtx()) == NULL ||
					  ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, VG_INFLATE_WINDOW_LOG))))) {
		ZSTD_freeDCtx(z->zstd);
		free(z);
		return VG_E_NOMEM;
	}
	*out = z;
	return VG_OK;
}

void
vg_inflate_free(struct vg_inflate *z)
{
	if (z == NULL)
		return;
	if (is_zlib(z))
		(void)inflateEnd(&z->zlib);
	ZSTD_freeDCtx(z->zstd);
	free(z);
}

size_t
vg_inflate_held(const struct vg_inflate *z)
{
	return sizeof(*z) + (is_zlib(z) ? ZLIB_HELD : 0) + (z->zstd ? ZSTD_sizeof_DCtx(z->zstd) : 0);
}

/* Decode from @in, which moves on, to @piece; bytes written.  z->rc tells when it went wrong. */
static size_t
step_zlib(struct vg_inflate *z, vg_str *in, char *piece)
{
	int zrc;

	if (!z->open && z->coding == VG_CODING_DEFLATE) { /* only gzip has members */
		z->rc = VG_E_FORMAT;
		return 0;
	}
	if (!z->open) {
		(void)inflateReset(&z->zlib);
		z->open = true;
	}
	z->zlib.next_in = (Bytef *)(uintptr_t)in->p;
	z->zlib.avail_in = (uInt)in->n;
	z->zlib.next_out = (Bytef *)piece;
	z->zlib.avail_out = PIECE;
	zrc = inflate(&z->zlib, Z_NO_FLUSH);
	*in = vg_str_skip(*in, in->n - z->zlib.avail_in);
	if (zrc == Z_STREAM_END)
		z->open = false;
	else if (zrc == Z_MEM_ERROR)
		z->rc = VG_E_NOMEM;
	else if (zrc != Z_OK && zrc != Z_BUF_ERROR)
		z->rc = VG_E_FORMAT;
	return PIECE - z->zlib.avail_out;
}

static size_t
step_zstd(struct vg_inflate *z, vg_str *in, char *piece)
{
	ZSTD_inBuffer from = { in->p, in->n, 0 };
	ZSTD_outBuffer to = { piece, PIECE, 0 };
	size_t left = ZSTD_decompressStream(z->zstd, &to, &from);

	*in = vg_str_skip(*in, from.pos);
	if (!ZSTD_isError(left)) {
		z->open = left != 0;
	} else {
		ZSTD_ErrorCode code = ZSTD_getErrorCode(left);

		z->rc = code == ZSTD_error_memory_allocation ? VG_E_NOMEM :
			code == ZSTD_error_frameParameter_windowTooLarge ? VG_E_LIMIT : VG_E_FORMAT;
	}
	return to.pos;
}

static size_t
step_identity(vg_str *in, char *piece)
{
	size_t n = in->n < PIECE ? in->n : PIECE;

	memcpy(piece, in->p, n);
	*in = vg_str_skip(*in, n);
	return n;
}

static size_t
step(struct vg_inflate *z, vg_str *in, char *piece)
{
	return z->coding == VG_CODING_IDENTITY ? step_identity(in, piece) :
	       z->coding == VG_CODING_ZSTD ? step_zstd(z, in, piece) : step_zlib(z, in, piece);
}

static bool
is_bomb(const struct vg_inflate *z)
{
	return z->out > VG_INFLATE_FREE_BYTES && z->out / VG_INFLATE_RATIO_MAX > z->in;
}

vg_rc
vg_inflate_feed(struct vg_inflate *z, vg_str in, vg_inflate_fn *fn, void *ctx)
{
	char piece[PIECE];
	size_t n = 0, left;

	while (z->rc == VG_OK && (in.n || (n == PIECE && z->open))) { /* a full piece: there may be more of it inside */
		left = in.n;
		n = step(z, &in, piece);
		z->in += left - in.n;
		z->out += n;
		if (z->rc == VG_OK && (z->out > z->limit || is_bomb(z)))
			z->rc = VG_E_LIMIT;
		if (z->rc == VG_OK && n == 0 && left && left == in.n)
			z->rc = VG_E_FORMAT; /* no way on */
		if (z->rc == VG_OK && n)
			fn(ctx, vg_str_mem(piece, n));
	}
	return z->rc;
}

vg_rc
vg_inflate_end(struct vg_inflate *z)
{
	if (z->rc == VG_OK && z->open)
		z->rc = VG_E_TRUNC;
	return z->rc;
}
