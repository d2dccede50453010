/* Any bytes as a journal: every event has named fields, and nothing crashes or hangs. */
#include "source/journal.h"

#include <stdlib.h>

struct seen {
	uint64_t events, strange;
};

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct seen *s = ctx;

	s->events++;
	for (uint32_t i = 0; i < e->nfield; i++)
		if (e->field[i].name.n == 0)
			abort();
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct seen *s = ctx;

	if (n->kind == VG_NOTE_UNKNOWN)
		s->strange += n->count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { 0 };
	struct vg_sink sink = { &seen, on_event, on_note };
	struct vg_keys *keys = vg_keys_new();
	struct vg_arena arena;
	struct vg_event event;
	struct vg_input in;
	struct vg_reader r = { .in = &in,
			       .sink = &sink,
			       .event = &event,
			       .first = true };

	vg_arena_init(&arena, (size_t)16 << 20);
	vg_event_init(&event, &arena, keys);
	vg_input_mem(&in, data, size);
	(void)vg_journal_probe(vg_str_mem(data, size), true, VG_NIL);
	if (vg_journal_read(&r) == VG_OK && seen.events + seen.strange > in.lines)
		abort();
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	return 0;
}
