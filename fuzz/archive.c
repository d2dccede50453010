/* Any bytes as an archive: the walk ends, within its limits, and names cannot act on a terminal. */
#include "source/archive.h"

#include <stdlib.h>

#define BYTES_MAX ((uint64_t)4 << 20)

static vg_rc
on_member(void *ctx, vg_str name, struct vg_input *in, int64_t mtime_ns)
{
	uint64_t *total = ctx;
	size_t n;

	(void)mtime_ns;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ')
			abort();
	while ((n = vg_input_peek(in, 1)) != 0) {
		*total += n;
		vg_input_skip(in, n);
	}
	return VG_OK;
}

static void
on_refused(void *ctx, vg_str name, const char *why)
{
	(void)ctx;
	(void)name;
	if (*why == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vg_archive_limits limits = { .bytes = BYTES_MAX, .entries = 100 };
	uint64_t total = 0;

	if (!vg_archive_probe(vg_str_mem(data, size)))
		return 0;
	(void)!vg_archive_each(data, size, &limits, on_member, on_refused, &total);
	if (total > 2 * BYTES_MAX) /* what was unpacked, and holes of tar */
		abort();
	return 0;
}
