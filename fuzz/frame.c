/* Any bytes as a stream of syslog: its frames, and how it ends, do not depend on how it is cut into reads, nor on records being
 * refused for a while; none is empty or longer than a record may be, and together they are no longer than the stream.  The first byte
 * seeds the cuts. */
#include <assert.h>
#include <stdlib.h>

#include "net/frame.h"
#include "vault/record.h"

#define PIECES_MAX 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct got {
	struct vg_buf all; /* u8 cut, u32 length, bytes: one after the other */
	size_t bytes;
	uint32_t dice;
	bool moody;
};

static uint32_t
throw(uint32_t *dice)
{
	*dice = *dice * 1664525u + 1013904223u;
	return *dice >> 16;
}

static bool
take(void *ctx, vg_str raw, bool cut)
{
	struct got *g = ctx;

	assert(raw.n != 0 && raw.n <= VG_RECORD_RAW_MAX);
	if (g->moody && throw(&g->dice) % 3 == 0)
		return false;
	vg_buf_u8(&g->all, cut);
	vg_buf_le_str(&g->all, raw);
	g->bytes += raw.n;
	return true;
}

/* How it ends: the result of the feed that failed, or of the end. */
static vg_rc
run(struct got *g, vg_str in, size_t step_max)
{
	struct vg_framer f;
	vg_rc rc = VG_OK;

	vg_framer_init(&f, take, g);
	while (in.n && rc == VG_OK) {
		vg_str piece = vg_str_cut(in, step_max ? 1 + throw(&g->dice) % step_max : in.n);
		char *copy = malloc(piece.n); /* a read past it is seen */
		size_t at = 0, used;

		assert(copy);
		memcpy(copy, piece.p, piece.n);
		do {
			rc = vg_frame_feed(&f, vg_str_mem(copy + at, piece.n - at), &used);
			at += used;
		} while (rc == VG_E_STOP);
		assert(rc != VG_OK || at == piece.n);
		free(copy);
		in = vg_str_skip(in, piece.n);
	}
	if (rc == VG_OK)
		while ((rc = vg_frame_end(&f)) == VG_E_STOP)
			;
	vg_framer_fini(&f);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const size_t steps[] = { 1, 3, 40, 5000 };
	struct got whole = { .dice = 1 }, cut = { 0 };
	vg_str in = n ? vg_str_mem(data + 1, n - 1) : VG_NIL;
	vg_rc rc = run(&whole, in, 0);

	assert(whole.bytes <= in.n);
	for (size_t i = in.n > PIECES_MAX ? 2 : 0; i < VG_COUNT(steps); i++) {
		vg_buf_clear(&cut.all);
		cut.dice = n ? data[0] : 0;
		cut.moody = i % 2;
		assert(run(&cut, in, steps[i]) == rc);
		assert(vg_str_eq(vg_buf_str(&whole.all), vg_buf_str(&cut.all)));
	}
	vg_buf_fini(&whole.all);
	vg_buf_fini(&cut.all);
	return 0;
}
