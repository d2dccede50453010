/* A bulk body, whole and cut into pieces: the same records and the same answer, which is as many items as were counted. */
#include "net/bulk.h"

#include <stdlib.h>

#include "vault/record.h"

struct seen {
	struct vg_buf text;
	uint32_t n, room;
};

static bool
on_doc(void *ctx, const struct vg_bulk_doc *d)
{
	struct seen *s = ctx;

	if (d->raw.n == 0 || d->raw.n > VG_RECORD_RAW_MAX || d->id.n > VG_BULK_NAME_MAX)
		abort();
	if (s->n == s->room)
		return false;
	s->n++;
	vg_buf_le_str(&s->text, d->id);
	vg_buf_le_str(&s->text, d->raw);
	vg_buf_u8(&s->text, d->cut);
	return true;
}

static void
parse(enum vg_bulk_mode mode, vg_str body, const uint8_t *cuts, size_t ncut, uint32_t room, struct vg_buf *records, struct vg_buf *answer)
{
	struct seen s = { .room = room };
	struct vg_bulk b;
	uint32_t sum = 0;

	vg_bulk_init(&b, mode, VG_STR("index"), on_doc, &s);
	for (size_t i = 0; body.n; i++) {
		vg_str part = vg_str_cut(body, ncut ? 1u + cuts[i % ncut] : body.n);

		vg_bulk_feed(&b, part);
		body = vg_str_skip(body, part.n);
	}
	vg_bulk_end(&b);
	for (size_t i = 0; i < VG_BULK_OUTCOMES; i++)
		sum += b.count[i];
	if (b.rc != VG_OK || sum != b.items || s.n != b.count[VG_BULK_TAKEN])
		abort();
	vg_bulk_answer(&b, 0, answer);
	if (!vg_str_starts(vg_buf_str(answer), VG_STR("{\"took\":0,\"errors\":")) || !vg_str_ends(vg_buf_str(answer), VG_STR("]}")))
		abort();
	vg_bulk_fini(&b);
	*records = s.text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two bytes of mode and room, a byte that tells how many cuts follow, then the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vg_buf r[2] = { { 0 } }, a[2] = { { 0 } };
	size_t ncut = size < 3 ? 0 : data[2] % 16u + 1u;
	enum vg_bulk_mode mode;
	vg_str body;

	if (size < 3 + ncut)
		return 0;
	mode = data[0] % 2 ? VG_BULK_LINES : VG_BULK_PAIRS;
	body = vg_str_mem(data + 3 + ncut, size - 3 - ncut);
	parse(mode, body, NULL, 0, data[1], &r[0], &a[0]);
	parse(mode, body, data + 3, ncut, data[1], &r[1], &a[1]);
	if (!vg_str_eq(vg_buf_str(&r[0]), vg_buf_str(&r[1])) || !vg_str_eq(vg_buf_str(&a[0]), vg_buf_str(&a[1])))
		abort();
	for (int i = 0; i < 2; i++) {
		vg_buf_fini(&r[i]);
		vg_buf_fini(&a[i]);
	}
	return 0;
}
