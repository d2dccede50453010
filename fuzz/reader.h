/* fuzz/reader.h - any bytes through a reader: reading ends, all that an event holds can be read, its keys are those of its
 * names, it has no more fields than the limit, and no note is of an unknown kind. */
#ifndef VG_FUZZ_READER_H
#define VG_FUZZ_READER_H

#include <stdlib.h>

#include "source/format.h"

struct fuzz_reader {
	const char *name;  /* the file's */
	int64_t ref_ns;
	bool by_lines;     /* each event and each strange thing was a line of its own */
	bool in_order;     /* offsets ascend */
	/* filled */
	uint64_t events, strange, offset, sum;
};

static inline void
fuzz_touch(struct fuzz_reader *f, vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		f->sum += (uint8_t)s.p[i];
}

static inline vg_rc
fuzz_event(void *ctx, struct vg_event *e)
{
	struct fuzz_reader *f = (struct fuzz_reader *)ctx;

	if (f->in_order && f->events && e->offset <= f->offset)
		abort();
	f->events++;
	f->offset = e->offset;
	if (e->nfield > VG_EVENT_FIELDS_MAX)
		abort();
	for (uint32_t i = 0; i < e->nfield; i++) {
		if (e->field[i].name.n == 0 || e->field[i].key != vg_keys_find(e->keys, e->field[i].name))
			abort();
		fuzz_touch(f, e->field[i].name);
		fuzz_touch(f, e->field[i].value);
	}
	fuzz_touch(f, e->raw);
	fuzz_touch(f, e->host);
	fuzz_touch(f, e->channel);
	fuzz_touch(f, e->provider);
	fuzz_touch(f, e->code);
	return VG_OK;
}

static inline void
fuzz_note(void *ctx, const struct vg_note *n)
{
	struct fuzz_reader *f = (struct fuzz_reader *)ctx;

	if (n->kind >= VG_NOTE_KINDS)
		abort();
	if (n->kind == VG_NOTE_UNKNOWN)
		f->strange += n->count;
}

/* The row @format of vg_formats over @data. */
static inline void
fuzz_reader(struct fuzz_reader *f, const char *format, const uint8_t *data, size_t size)
{
	static struct vg_keys *keys;
	const struct vg_format *row = vg_format_find(vg_str_of(format));
	struct vg_sink sink = { f, fuzz_event, fuzz_note };
	struct vg_arena arena;
	struct vg_event e;
	struct vg_input in;
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &e, .ref_ns = f->ref_ns, .first = true,
			       .name = vg_str_of(f->name ? f->name : "x") };

	if (row == NULL || (keys == NULL && (keys = vg_keys_new()) == NULL))
		abort();
	vg_arena_init(&arena, (size_t)256 << 20);
	vg_event_init(&e, &arena, keys);
	vg_input_mem(&in, data, size);
	(void)row->probe(vg_str_mem(data, size), true, r.name);
	if (row->read(&r) == VG_OK && f->by_lines && f->events + f->strange > in.lines)
		abort();
	vg_arena_fini(&arena);
}

#endif
