/* test/unit/source/collect.h - read text with a format, and keep the events as text to compare: one line a field,
 * "name=value", behind a line of what every event has. */
#ifndef VG_TEST_COLLECT_H
#define VG_TEST_COLLECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "source/format.h"

struct collect {
	struct vg_keys *keys;
	struct vg_arena arena;
	struct vg_event event;
	struct vg_buf out;
	unsigned events, notes;
	unsigned note[VG_NOTE_KINDS];
};

static inline void
collect_event(struct vg_buf *b, const struct vg_event *e)
{
	char t[VG_TIME_MAX] = "-";

	if (e->time_ns != VG_TIME_NONE)
		vg_time_print(e->time_ns, 3, t);
	vg_buf_printf(b, "[%s #%llu %.*s|%.*s|%.*s|%.*s]%s%s\n", t, (unsigned long long)e->record,
		      VG_STR_ARG(e->host), VG_STR_ARG(e->channel), VG_STR_ARG(e->provider), VG_STR_ARG(e->code),
		      e->flags & VG_EVENT_PARTIAL ? " partial" : "",
		      e->flags & VG_EVENT_ZONE_INFERRED ? " zone" : "");
	for (uint32_t i = 0; i < e->nfield; i++) {
		vg_buf_put(b, e->field[i].name);
		vg_buf_puts(b, e->field[i].flags & VG_FIELD_ADDED ? "+=" : "=");
		vg_buf_put(b, e->field[i].value);
		vg_buf_putc(b, '\n');
	}
}

static vg_rc
collect_on_event(void *ctx, struct vg_event *e)
{
	struct collect *c = ctx;

	c->events++;
	collect_event(&c->out, e);
	return VG_OK;
}

static void
collect_on_note(void *ctx, const struct vg_note *n)
{
	struct collect *c = ctx;

	c->notes++;
	c->note[n->kind]++;
}

static inline void
collect_init(struct collect *c)
{
	*c = (struct collect){ .keys = vg_keys_new() };
	assert_non_null(c->keys);
	vg_arena_init(&c->arena, (size_t)64 << 20);
	vg_event_init(&c->event, &c->arena, c->keys);
}

static inline void
collect_fini(struct collect *c)
{
	vg_arena_fini(&c->arena);
	vg_buf_fini(&c->out);
	vg_keys_free(c->keys);
}

/* A stream that gives its bytes in small steps, from a heap copy each time. */
struct drip {
	const char *p;
	size_t n, step;
	char *copy;
};

static inline vg_rc
drip_fill(struct vg_input *in, size_t want)
{
	struct drip *d = in->ctx;
	size_t have = (size_t)(in->end - in->p), at = (size_t)in->offset, n;
	char *copy;

	n = d->n - at;
	want += d->step;
	if (n > want && want > have)
		n = want;
	copy = malloc(n ? n : 1);
	assert_non_null(copy);
	memcpy(copy, d->p + at, n);
	free(d->copy);
	d->copy = copy;
	in->p = (const uint8_t *)copy;
	in->end = in->p + n;
	in->eof = at + n == d->n;
	return VG_OK;
}

/* All of @text by @format, from an exact heap copy; or with @step, in steps. */
static inline const char *
collect_read(struct collect *c, const char *format, vg_str text, const char *name, size_t step)
{
	const struct vg_format *f = vg_format_find(vg_str_of(format));
	struct vg_sink sink = { c, collect_on_event, collect_on_note };
	struct vg_input in;
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &c->event, .first = true,
			       .name = vg_str_of(name), .ref_ns = VG_TIME_NONE };
	struct drip d = { text.p, text.n, step, NULL };
	char *exact = malloc(text.n ? text.n : 1);

	assert_non_null(f);
	assert_non_null(exact);
	if (text.n)
		memcpy(exact, text.p, text.n);
	vg_input_mem(&in, exact, text.n);
	if (step)
		in = (struct vg_input){ .size = UINT64_MAX, .stop = UINT64_MAX, .fill = drip_fill, .ctx = &d };
	c->events = c->notes = 0;
	memset(c->note, 0, sizeof(c->note));
	vg_buf_clear(&c->out);
	assert_int_equal(f->read(&r), VG_OK);
	assert_ptr_equal(r.in, &in);
	free(exact);
	free(d.copy);
	vg_buf_putc(&c->out, 0);
	assert_int_equal(c->out.rc, VG_OK);
	return c->out.p;
}

/* The same result whole and in steps; every prefix is read without harm. */
static inline void
collect_check(struct collect *c, const char *format, const char *text, const char *want)
{
	vg_str s = vg_str_of(text);

	assert_string_equal(collect_read(c, format, s, "test", 0), want);
	assert_string_equal(collect_read(c, format, s, "test", 7), want);
	for (size_t n = 0; n < s.n; n++)
		(void)collect_read(c, format, vg_str_cut(s, n), "test", 0);
}

static inline const char *
probe_name(const char *text, size_t n, const char *file)
{
	const struct vg_format *f = vg_format_probe(vg_str_mem(text, n), true, vg_str_of(file));

	return f ? f->name : "none";
}

/* The one that the tests of a file share, made and unmade by cmocka around them. */
static struct collect c;

static inline int
collect_up(void **state)
{
	(void)state;
	collect_init(&c);
	return 0;
}

static inline int
collect_down(void **state)
{
	(void)state;
	collect_fini(&c);
	return 0;
}

#endif
