/* hunt/order.c - in the sandbox: what all workers found, brought in order of time, without copies, correlated; and handed on
 * to tell.c through a pipe, which works beside it. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/map.h"
#include "detect/correlate.h"
#include "event/wire.h"
#include "hunt/hunt.h"
#include "hunt/spool.h"

#define READ_BYTES ((size_t)1 << 20)
#define SEND_BYTES ((size_t)64 << 10)
#define CORRELATE_BYTES ((size_t)96 << 20)
#define SAME_TIME_MAX 200000 /* entries of one instant that are compared for copies; more are all kept */
#define SAME_FEW 64          /* so many are compared one by one */

struct seen_entry { /* an entry of the instant at hand */
	uint64_t digest;
	uint32_t rule, file;
	uint8_t type;
};

struct order {
	const struct vg_finish *in;
	int fd; /* to tell.c */
	struct vg_buf out;
	struct vg_correlator *correlator;
	struct vg_sorter *sorter;
	struct vg_arena arena;
	vg_rc rc;

	/* copies at one instant */
	int64_t instant;
	struct seen_entry few[SAME_FEW];
	size_t nfew;
	struct vg_map same; /* when there are more */
	uint64_t duplicates;

	/* the event that the entries at hand speak of */
	struct vg_entry head; /* of its first */
	struct vg_buf wire;
	struct vg_event event;
	bool known, decoded, sent;
	uint64_t token;
};

static void
fail(struct order *o, vg_rc rc)
{
	if (o->rc == VG_OK)
		o->rc = rc;
}

static void
flush(struct order *o)
{
	vg_rc rc = o->out.rc != VG_OK ? o->out.rc : vg_write_all(o->fd, vg_buf_str(&o->out));

	fail(o, rc == VG_E_SYS && errno == EPIPE ? VG_E_TRUNC : rc); /* the other end went away, and says why */
	vg_buf_clear(&o->out);
}

static void
send(struct order *o, const struct vg_entry *e, vg_str payload)
{
	vg_entry_put(&o->out, e, payload);
	if (o->out.n >= SEND_BYTES || o->out.rc != VG_OK)
		flush(o);
}

/* ---- copies ---- */

static bool
is_same(const struct seen_entry *s, const struct vg_entry *e)
{
	return s->digest == e->digest && s->rule == e->rule && s->type == e->type;
}

/* The k-th of equal entries in one file is a copy of the k-th in another.  @file + 1, or 0 for any; answers whether it was new. */
static bool
mark(struct order *o, const struct seen_entry *s, uint32_t file, uint32_t k)
{
	struct {
		uint64_t digest;
		uint32_t rule, type, file, k;
	} key = { s->digest, s->rule, s->type, file, k };

	return vg_map_add(&o->same, vg_str_mem(&key, sizeof(key)), s->file, NULL) == s->file;
}

static bool
is_copy_of_many(struct order *o, const struct seen_entry *s)
{
	struct {
		uint64_t digest;
		uint32_t rule, type, file, k;
	} key = { s->digest, s->rule, s->type, s->file + 1, 0 };

	/* which of the equal ones in this file: count up until the number is free */
	for (key.k = 1; vg_map_find(&o->same, vg_str_mem(&key, sizeof(key))) != VG_MAP_NONE; key.k++)
		if (key.k == 1000) /* a thousand equal records in one instant: kept all */
			return false;
	return o->same.n > SAME_TIME_MAX || !mark(o, s, s->file + 1, key.k) ? false : !mark(o, s, 0, key.k);
}

/* Is it in an earlier file too? */
static bool
is_copy(struct order *o, const struct vg_entry *e)
{
	struct seen_entry s = { e->digest, e->rule, e->file, e->type };
	uint32_t here = 0, run = 0;
	bool copy = false;

	if (e->time_ns != o->instant) {
		if (o->same.n) {
			vg_map_fini(&o->same);
			vg_map_init(&o->same, (size_t)32 << 20);
		}
		o->nfew = 0;
		o->instant = e->time_ns;
	}
	if (o->nfew == SAME_FEW) {
		if (o->same.n == 0)
			for (size_t i = 0; i < o->nfew; i++)
				(void)is_copy_of_many(o, &o->few[i]);
		return is_copy_of_many(o, &s);
	}
	for (size_t i = 0; i < o->nfew; i++)
		here += is_same(&o->few[i], e) && o->few[i].file == e->file;
	for (size_t i = 0; i < o->nfew && !copy; i++) { /* the entries of a file stand together */
		if (i && o->few[i].file != o->few[i - 1].file)
			run = 0;
		run += is_same(&o->few[i], e);
		copy = o->few[i].file != e->file && run > here;
	}
	o->few[o->nfew++] = s;
	return copy;
}

/* ---- in order ---- */

/* The event at hand goes before the first signal that speaks of it. */
static void
send_event(struct order *o)
{
	struct vg_entry e = o->head;

	if (o->sent)
		return;
	e.type = VG_ENTRY_EVENT;
	send(o, &e, o->known ? vg_buf_str(&o->wire) : VG_NIL);
	o->sent = true;
}

static bool
is_reported(const struct order *o, uint32_t rule)
{
	const struct vg_rule *r = &o->in->k->program.rule[rule];

	return (r->flags & VG_RULE_REPORT) && r->level >= o->in->o->level;
}

static vg_rc
on_correlation(void *ctx, const struct vg_corr_hit *h)
{
	struct order *o = ctx;
	struct vg_entry e = { .type = VG_ENTRY_SIGNAL, .rule = h->rule, .time_ns = h->last_ns };
	struct vg_buf b = { 0 };

	if (!is_reported(o, h->rule))
		return o->rc;
	send_event(o);
	vg_buf_le64(&b, (uint64_t)h->first_ns);
	vg_buf_le64(&b, h->count);
	vg_buf_le32(&b, h->nby);
	for (uint32_t i = 0; i < h->nby; i++) {
		vg_buf_le_str(&b, h->by_name[i]);
		vg_buf_le_str(&b, h->by_value[i]);
	}
	fail(o, b.rc);
	send(o, &e, vg_buf_str(&b));
	vg_buf_fini(&b);
	return o->rc;
}

/* For the correlations: they alone look into events here. */
static bool
decode(struct order *o)
{
	struct vg_cur c = vg_cur_of(o->wire.p, o->wire.n);

	if (!o->decoded)
		fail(o, vg_wire_decode(&c, &o->event));
	o->decoded = true;
	return o->rc == VG_OK;
}

static void
on_hit(struct order *o, const struct vg_entry *e, vg_str payload)
{
	const struct vg_program *p = &o->in->k->program;

	if (e->rule >= p->nrule) {
		fail(o, VG_E_FORMAT);
		return;
	}
	if (payload.n) { /* the first rule of an event brings the event */
		o->known = o->sent = false; /* windows that are over by now are not about it */
		if (e->time_ns != VG_TIME_NONE)
			fail(o, vg_correlator_judge(o->correlator, e->time_ns));
		o->head = *e;
		vg_buf_clear(&o->wire);
		vg_buf_put(&o->wire, payload);
		fail(o, o->wire.rc);
		o->known = true;
		o->decoded = o->sent = false;
	}
	if (is_copy(o, e)) {
		o->duplicates++;
		return;
	}
	if (!o->known)
		return;
	o->token++;
	if (is_reported(o, e->rule)) {
		struct vg_entry s = { .type = VG_ENTRY_SIGNAL, .rule = e->rule, .time_ns = e->time_ns };

		send_event(o);
		send(o, &s, VG_NIL);
	}
	if ((p->rule[e->rule].flags & VG_RULE_FED) && e->time_ns != VG_TIME_NONE && decode(o))
		fail(o, vg_correlator_hit(o->correlator, e->rule, e->time_ns, &o->event, o->token));
}

static vg_rc
on_entry(void *ctx, const struct vg_entry *e, vg_str payload)
{
	struct order *o = ctx;

	if (e->type == VG_ENTRY_HIT)
		on_hit(o, e, payload);
	else if (e->type == VG_ENTRY_FACT && !is_copy(o, e))
		send(o, e, payload);
	return o->rc;
}

/* ---- the whole ---- */

static vg_rc
read_range(struct order *o, const struct vg_range *r, struct vg_buf *b)
{
	uint64_t at = r->at, end = r->at + r->n;

	vg_buf_clear(b);
	while (at < end || b->n) {
		struct vg_cur c;
		size_t used = 0;

		if (at < end) {
			size_t want = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;
			ssize_t k;

			if (!vg_buf_reserve(b, want))
				return b->rc;
			k = pread(o->in->spool[r->worker], b->p + b->n, want, (off_t)at);
			if (k < 0 && errno == EINTR)
				continue;
			if (k <= 0)
				return VG_E_SYS;
			b->n += (size_t)k;
			at += (uint64_t)k;
		}
		c = vg_cur_of(b->p, b->n);
		for (;;) {
			struct vg_entry e;
			vg_str payload;
			vg_rc rc = vg_entry_take(&c, &e, &payload);

			if (rc == VG_E_TRUNC && at < end)
				break; /* the rest comes with the next read */
			if (rc == VG_E_TRUNC && used == b->n)
				break;
			if (rc != VG_OK)
				return rc;
			if (e.file != r->file)
				return VG_E_FORMAT;
			used = vg_cur_at(&c);
			if (e.type == VG_ENTRY_HIT || e.type == VG_ENTRY_FACT)
				fail(o, vg_sorter_add(o->sorter, &e, payload));
			else
				send(o, &e, payload); /* what needs no order */
			if (o->rc != VG_OK)
				return o->rc;
		}
		memmove(b->p, b->p + used, b->n - used);
		b->n -= used;
		if (at == end && b->n)
			return VG_E_TRUNC;
	}
	return VG_OK;
}

vg_rc
vg_order_run(void *arg, int to)
{
	const struct vg_finish *in = arg;
	struct order *o = calloc(1, sizeof(*o));
	struct vg_entry end = { .type = VG_ENTRY_END };
	struct vg_buf b = { 0 };

	if (o == NULL)
		return VG_E_NOMEM;
	o->in = in;
	o->fd = to;
	o->instant = VG_TIME_NONE;
	vg_arena_init(&o->arena, (size_t)64 << 20);
	vg_map_init(&o->same, (size_t)32 << 20);
	vg_event_init(&o->event, &o->arena, in->k->keys);
	o->correlator = vg_correlator_new(&in->k->program, CORRELATE_BYTES, on_correlation, o);
	o->sorter = vg_sorter_new(in->sort_fd);
	if (!o->correlator || !o->sorter)
		return VG_E_NOMEM;
	for (size_t i = 0; i < in->nrange && o->rc == VG_OK; i++)
		fail(o, read_range(o, &in->range[i], &b));
	vg_buf_fini(&b);
	if (o->rc == VG_OK)
		fail(o, vg_sorter_run(o->sorter, on_entry, o));
	o->known = o->sent = false; /* what is judged at the end has no event at hand */
	if (o->rc == VG_OK)
		fail(o, vg_correlator_end(o->correlator));
	vg_buf_clear(&o->wire);
	vg_buf_le64(&o->wire, o->duplicates);
	vg_buf_le64(&o->wire, vg_correlator_dropped(o->correlator));
	if (o->rc == VG_OK)
		send(o, &end, vg_buf_str(&o->wire));
	if (o->rc == VG_OK)
		flush(o);
	return o->rc; /* the process ends: what it holds goes with it */
}
