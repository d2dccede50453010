/* Any bytes as Windows events in XML: reading ends, what events hold can be read, and an event has no more fields than the limit. */
#include "source/winxml.h"

#include <stdlib.h>

static uint64_t sum;

static void
touch(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		sum += (uint8_t)s.p[i];
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	(void)ctx;
	if (e->nfield > VG_EVENT_FIELDS_MAX)
		abort();
	for (uint32_t i = 0; i < e->nfield; i++) {
		if (e->field[i].name.n == 0 || e->field[i].key != vg_keys_find(e->keys, e->field[i].name))
			abort();
		touch(e->field[i].name);
		touch(e->field[i].value);
	}
	touch(e->raw);
	touch(e->host);
	touch(e->channel);
	touch(e->provider);
	touch(e->code);
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	(void)ctx;
	if (n->kind >= VG_NOTE_KINDS)
		abort();
}

static void
read_all(struct vg_event *e, const uint8_t *data, size_t size, vg_rc (*read)(struct vg_reader *r))
{
	struct vg_sink sink = { NULL, on_event, on_note };
	struct vg_input in;
	struct vg_reader r = { .in = &in, .sink = &sink, .event = e, .first = true, .name = VG_STR("x") };

	vg_input_mem(&in, data, size);
	if (read(&r) != VG_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vg_keys *keys;
	struct vg_arena arena;
	struct vg_event e;

	if (keys == NULL && (keys = vg_keys_new()) == NULL)
		abort();
	vg_arena_init(&arena, (size_t)256 << 20);
	vg_event_init(&e, &arena, keys);
	(void)vg_winxml_probe(vg_str_mem(data, size), true, VG_NIL);
	read_all(&e, data, size, vg_winxml_read);
	vg_arena_fini(&arena);
	return 0;
}
