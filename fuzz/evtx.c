/* What is always true: whatever the bytes, reading and dumping them ends, every event is whole, and every line
 * of JSON is one object.  Seeds: fuzz/corpus/evtx, made by test/sample/evtx_write.c, one chunk each. */
#include <assert.h>
#include <stdlib.h>

#include "base/utf.h"
#include "source/evtx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	(void)ctx;
	for (uint32_t i = 0; i < e->nfield; i++)
		assert(e->field[i].value.n == 0 || vg_utf8_valid(e->field[i].value));
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	(void)ctx;
	assert(n->kind < VG_NOTE_KINDS);
}

static vg_rc
on_flush(void *ctx, struct vg_buf *b)
{
	(void)ctx;
	assert(b->n && b->p[b->n - 1] == '\n');
	vg_buf_clear(b);
	return VG_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct vg_keys *keys;
	struct vg_sink sink = { NULL, on_event, on_note };
	struct vg_arena a;
	struct vg_event e;
	struct vg_input in;
	struct vg_buf out = { 0 };
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &e, .first = true };

	if (keys == NULL && (keys = vg_keys_new()) == NULL)
		abort();
	vg_arena_init(&a, (size_t)16 << 20);
	vg_event_init(&e, &a, keys);
	for (int carve = 0; carve < 2; carve++) {
		r.carve = carve;
		vg_input_mem(&in, data, n);
		(void)!vg_evtx_read(&r);
		vg_input_mem(&in, data, n);
		(void)!vg_evtx_dump_json(&r, &out, on_flush, NULL);
		vg_input_mem(&in, data, n);
		(void)!vg_evtx_dump_xml(&r, &out, on_flush, NULL);
	}
	vg_buf_fini(&out);
	vg_arena_fini(&a);
	return 0;
}
