/* bench/frame.c - how fast a stream is cut into records: frame [MEGABYTES].  The stream is made of lines, or counted frames, of 200
 * bytes, and comes in reads of 64 KiB. */
#include <stdio.h>
#include <stdlib.h>

#include "net/frame.h"
#include "net/loop.h"

#define READ_BYTES 65536
#define RECORD_BYTES 200

static bool
take(void *ctx, vg_str raw, bool cut)
{
	uint64_t *sum = ctx;

	(void)cut;
	sum[0]++;
	sum[1] += raw.n;
	return true;
}

static void
fill(struct vg_buf *b, bool counted, bool nul)
{
	char body[RECORD_BYTES + 1];

	for (size_t i = 0; i < RECORD_BYTES; i++)
		body[i] = (char)('a' + i % 26);
	memcpy(body, "<34>", 4);
	body[RECORD_BYTES] = counted || nul ? '\0' : '\n';
	while (b->n < ((size_t)16 << 20) && b->rc == VG_OK)
		if (counted)
			vg_buf_printf(b, "%d %s", RECORD_BYTES, body);
		else
			vg_buf_mem(b, body, RECORD_BYTES + 1);
}

static void
measure(const char *name, vg_str s, uint64_t want_bytes)
{
	uint64_t sum[2] = { 0 }, fed = 0;
	int64_t began = vg_monotonic_ns();
	struct vg_framer f;
	double took_s;

	vg_framer_init(&f, take, sum);
	while (fed < want_bytes)
		for (vg_str in = s; in.n; in = vg_str_skip(in, READ_BYTES)) {
			vg_str piece = vg_str_cut(in, READ_BYTES);
			size_t used;

			if (vg_frame_feed(&f, piece, &used) != VG_OK)
				abort();
			fed += piece.n;
		}
	took_s = (double)(vg_monotonic_ns() - began) / 1e9;
	vg_framer_fini(&f);
	printf("%-8s %6.2f M frames/s %8.0f MB/s\n", name, (double)sum[0] / took_s / 1e6, (double)fed / took_s / 1e6);
}

int
main(int argc, char **argv)
{
	static const char *const name[] = { "LF", "counted", "NUL" };
	uint64_t megabytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000;

	for (unsigned i = 0; i < VG_COUNT(name); i++) {
		struct vg_buf b = { 0 };

		fill(&b, i == 1, i == 2);
		if (b.rc != VG_OK)
			return 1;
		measure(name[i], vg_buf_str(&b), megabytes * 1000000);
		vg_buf_fini(&b);
	}
	return 0;
}
