/* Any bytes as a journal: every event has named fields, and nothing crashes or hangs. */
#include "source/journal.h"

#include <stdlib.h>

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	(void)ctx;
	for (uint32_t i = 0; i < e->nfield; i++)
		if (e->field[i].name.n == 0)
			abort();
	return VG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vg_sink sink = { NULL, on_event, NULL };
	struct vg_keys *keys = vg_keys_new();
	struct vg_arena arena;
	struct vg_event event;
	struct vg_input in;
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &event, .first = true };

	vg_arena_init(&arena, (size_t)16 << 20);
	vg_event_init(&event, &arena, keys);
	vg_input_mem(&in, data, size);
	(void)vg_journal_probe(vg_str_mem(data, size), true, VG_NIL);
	(void)!vg_journal_read(&r);
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	return 0;
}
