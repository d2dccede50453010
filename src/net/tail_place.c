#include "net/tail_place.h"

#include <sodium.h>
#include <unistd.h>
#include <zlib.h>

#include "base/magic.h"

#define MAGIC "VGTAIL1\n"
#define COUNT_AT 8

void
vg_tail_sum(const void *p, size_t n, uint8_t out[VG_TAIL_SUM_BYTES])
{
	(void)crypto_generichash(out, VG_TAIL_SUM_BYTES, p, n, NULL, 0); /* it fails for lengths out of range only */
}

bool
vg_tail_place_holds(int fd, const struct vg_tail_place *p)
{
	uint8_t window[VG_TAIL_WINDOW], sum[VG_TAIL_SUM_BYTES];
	size_t n = vg_tail_window(p);

	if (pread(fd, window, n, (off_t)(p->at - n)) != (ssize_t)n)
		return false;
	vg_tail_sum(window, n, sum);
	return memcmp(sum, p->sum, sizeof(sum)) == 0;
}

static uint32_t
crc(vg_str s)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)s.p, s.n);
}

void
vg_tail_places_begin(struct vg_buf *b)
{
	vg_buf_clear(b);
	vg_buf_puts(b, MAGIC);
	vg_buf_le32(b, 0);
}

void
vg_tail_places_put(struct vg_buf *b, vg_str path, const struct vg_tail_place *p)
{
	uint32_t count;

	vg_buf_u8(b, p->flags);
	vg_buf_le64(b, p->ino);
	vg_buf_le64(b, p->birth_ns);
	vg_buf_le64(b, p->name.dev);
	vg_buf_le64(b, p->name.ino);
	vg_buf_le64(b, p->name.birth_ns);
	vg_buf_le32(b, p->cut);
	vg_buf_le64(b, p->at);
	vg_buf_le64(b, (uint64_t)p->mtime_ns);
	vg_buf_mem(b, p->sum, sizeof(p->sum));
	vg_buf_le_str(b, path);
	if (b->rc != VG_OK)
		return;
	memcpy(&count, b->p + COUNT_AT, sizeof(count));
	count++;
	memcpy(b->p + COUNT_AT, &count, sizeof(count));
}

void
vg_tail_places_end(struct vg_buf *b)
{
	vg_buf_le32(b, crc(vg_buf_str(b)));
}

static vg_rc
take_place(struct vg_cur *c, vg_str *path, struct vg_tail_place *p)
{
	vg_str sum;
	uint32_t n;

	p->flags = vg_cur_u8(c);
	p->ino = vg_cur_le64(c);
	p->birth_ns = vg_cur_le64(c);
	p->name.dev = vg_cur_le64(c);
	p->name.ino = vg_cur_le64(c);
	p->name.birth_ns = vg_cur_le64(c);
	p->cut = vg_cur_le32(c);
	p->at = vg_cur_le64(c);
	p->mtime_ns = (int64_t)vg_cur_le64(c);
	sum = vg_cur_bytes(c, sizeof(p->sum));
	n = vg_cur_le32(c);
	*path = vg_cur_bytes(c, n);
	if (c->rc != VG_OK)
		return c->rc;
	memcpy(p->sum, sum.p, sizeof(p->sum));
	if (path->n > VG_TAIL_PATH_MAX)
		return vg_cur_fail(c, VG_E_LIMIT);
	if (path->n == 0 || *path->p != '/' || vg_str_chr(*path, 0) != VG_NPOS || p->flags & ~VG_TAIL_FLAGS || p->at > INT64_MAX)
		return vg_cur_fail(c, VG_E_FORMAT);
	return VG_OK;
}

static vg_rc
each_place(vg_str body, uint32_t count, vg_tail_place_fn *each, void *ctx)
{
	struct vg_cur c = vg_cur_of(body.p, body.n);
	vg_rc rc = VG_OK;

	for (uint32_t i = 0; i < count && rc == VG_OK; i++) {
		struct vg_tail_place p;
		vg_str path;

		if ((rc = take_place(&c, &path, &p)) == VG_OK && each)
			rc = each(ctx, path, &p);
	}
	return rc == VG_OK && vg_cur_left(&c) ? VG_E_FORMAT : rc;
}

vg_rc
vg_tail_places_take(vg_str bytes, vg_tail_place_fn *each, void *ctx)
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	vg_str magic = vg_cur_bytes(&c, sizeof(MAGIC) - 1), body;
	uint32_t count = vg_cur_le32(&c);
	vg_rc rc;

	if (c.rc == VG_OK && (rc = vg_magic_check(magic, VG_STR(MAGIC))) != VG_OK)
		return rc;
	if (vg_cur_left(&c) < 4)
		vg_cur_fail(&c, VG_E_TRUNC);
	if (count > VG_TAIL_FILES_MAX)
		vg_cur_fail(&c, VG_E_LIMIT);
	if (c.rc != VG_OK)
		return c.rc;
	body = vg_cur_bytes(&c, vg_cur_left(&c) - 4);
	if (vg_cur_le32(&c) != crc(vg_str_cut(bytes, bytes.n - 4)))
		return VG_E_FORMAT;
	rc = each_place(body, count, NULL, NULL); /* all of it is sound, or none is used */
	return rc == VG_OK ? each_place(body, count, each, ctx) : rc;
}
