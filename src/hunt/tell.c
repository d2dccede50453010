/* hunt/tell.c - in the sandbox: what order.c hands on becomes the story, rows and reports. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/map.h"
#include "event/wire.h"
#include "hunt/hunt.h"
#include "hunt/spool.h"

#define ROWS_BYTES ((size_t)1 << 20)
#define LISTEN_BYTES ((size_t)256 << 10)
#define STORY_BYTES ((size_t)160 << 20)
#define MATCHED_MAX 64
#define GAPS_MAX 4096

struct gap {
	uint32_t file;
	uint64_t from, to;
	int64_t from_ns, to_ns;
	vg_str host, channel; /* owned by the arena */
};

struct tell {
	const struct vg_finish *in;
	struct vg_file_report *report; /* this process's own copy */
	struct vg_story *story;
	struct vg_regexes *re; /* for what matched */
	struct vg_arena arena, scratch, names; /* of the event at hand; of matching; of gaps */
	struct vg_event event;
	struct vg_buf rows;
	uint64_t *line_base; /* one a range: lines before it in its file */
	vg_rc rc;

	uint64_t duplicates, dropped_correlation; /* as order.c says at its end */
	bool ended;

	/* the event that the signals at hand speak of */
	struct vg_buf wire;
	bool event_ok;
	vg_str event_file;

	struct vg_map member; /* file and member -> place in member_name */
	vg_str *member_name;  /* owned; the slices stand in names */
	size_t nmember, member_cap;

	struct gap gap[GAPS_MAX];
	size_t ngap;
	uint64_t gaps_dropped;
	uint32_t seen_file;   /* whose units are being joined */
	struct vg_map last;   /* host, channel -> index of last */
	struct { uint64_t record; int64_t time_ns; } last_of[4096];
	uint32_t nlast;
	uint64_t level[VG_LEVELS], signals;
	uint64_t *applied; /* a bit a rule that could meet some event; owned */
};

static void
fail(struct tell *f, vg_rc rc)
{
	if (f->rc == VG_OK)
		f->rc = rc;
}

/* ---- what needs no order ---- */

static void
keep_gap(struct tell *f, uint32_t file, uint64_t from, uint64_t to, int64_t from_ns, int64_t to_ns, vg_str host,
	 vg_str channel)
{
	if (to <= from + 1)
		return;
	if (f->ngap == GAPS_MAX) {
		f->gaps_dropped++;
		return;
	}
	f->gap[f->ngap++] = (struct gap){ file, from, to, from_ns, to_ns, vg_str_dup(&f->names, host),
					  vg_str_dup(&f->names, channel) };
}

static void
on_gap(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);
	uint64_t from = vg_cur_le64(&c), to = vg_cur_le64(&c);
	int64_t from_ns = (int64_t)vg_cur_le64(&c), to_ns = (int64_t)vg_cur_le64(&c);
	vg_str host = vg_cur_bytes(&c, vg_cur_le32(&c)), channel = vg_cur_bytes(&c, vg_cur_le32(&c));

	if (c.rc == VG_OK)
		keep_gap(f, e->file, from, to, from_ns, to_ns, host, channel);
}

static void
on_seen(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);
	bool covered = vg_cur_u8(&c);
	uint64_t events = vg_cur_le64(&c);
	int64_t first_ns = (int64_t)vg_cur_le64(&c), last_ns = (int64_t)vg_cur_le64(&c);
	uint64_t first = vg_cur_le64(&c), last = vg_cur_le64(&c);
	int64_t first_rec_ns = (int64_t)vg_cur_le64(&c), last_rec_ns = (int64_t)vg_cur_le64(&c);
	vg_str host = vg_cur_bytes(&c, vg_cur_le32(&c)), channel = vg_cur_bytes(&c, vg_cur_le32(&c));
	vg_str key;
	uint32_t at;

	if (c.rc != VG_OK) {
		fail(f, c.rc);
		return;
	}
	fail(f, vg_story_seen(f->story, host, channel, events, first_ns, last_ns, covered));
	if (first == 0)
		return;
	/* units of one file follow each other: a gap may lie between two */
	if (f->seen_file != e->file || e->member) {
		vg_map_fini(&f->last);
		vg_map_init(&f->last, (size_t)4 << 20);
		f->nlast = 0;
		f->seen_file = e->file;
	}
	vg_arena_reset(&f->scratch);
	key = vg_arena_printf(&f->scratch, "%.*s%c%.*s", VG_STR_ARG(host), 1, VG_STR_ARG(channel));
	at = vg_map_find(&f->last, key);
	if (at != VG_MAP_NONE) {
		keep_gap(f, e->file, f->last_of[at].record, first, f->last_of[at].time_ns, first_rec_ns, host, channel);
	} else if (f->nlast < VG_COUNT(f->last_of)) {
		at = vg_map_add(&f->last, key, f->nlast, NULL);
		if (at != VG_MAP_NONE)
			f->nlast++;
	}
	if (at != VG_MAP_NONE) {
		f->last_of[at].record = last;
		f->last_of[at].time_ns = last_rec_ns;
	}
}

/* A live log misses numbers only where somebody cut it; an export or a filter misses many, and a log of forwarded events
 * holds several computers. */
static void
judge_gaps(struct tell *f)
{
	for (size_t i = 0; i < f->ngap;) {
		size_t j = i, n;
		uint32_t file = f->gap[i].file;
		const struct vg_file_report *r = &f->in->report[file];
		bool live;

		while (j < f->ngap && f->gap[j].file == file)
			j++;
		n = j - i;
		live = n <= 3 && r->events >= 50 * n &&
		       vg_str_ifind(f->gap[i].channel, VG_STR("forwarded")) == VG_NPOS;
		for (size_t k = i; k < j && live; k++)
			live = vg_str_eq(f->gap[k].host, f->gap[i].host) && vg_str_eq(f->gap[k].channel, f->gap[i].channel);
		for (; i < j; i++) {
			const struct gap *g = &f->gap[i];
			struct vg_erasure e = { .kind = live ? VG_ERASE_GAP : VG_ERASE_GAP_NOTED, .host = g->host,
						.log = g->channel, .file = r->path, .time_ns = g->from_ns,
						.until_ns = g->to_ns, .missing = g->to - g->from - 1 };

			fail(f, vg_story_gap(f->story, &e));
		}
	}
}

static void
on_note(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	struct vg_file_report *r = &f->report[e->file];

	if (e->rule < VG_COUNT(r->note_text) && r->note_text[e->rule].n == 0)
		r->note_text[e->rule] = vg_str_dup(&f->names, payload);
}

static void
on_member(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	uint32_t key[2] = { e->file, e->member };

	if (f->nmember == f->member_cap) {
		size_t cap = f->member_cap ? 2 * f->member_cap : 64;
		vg_str *p = realloc(f->member_name, cap * sizeof(*p));

		if (p == NULL) {
			fail(f, VG_E_NOMEM);
			return;
		}
		f->member_name = p;
		f->member_cap = cap;
	}
	f->member_name[f->nmember] = vg_str_dup(&f->names, payload);
	if (vg_map_add(&f->member, vg_str_mem(key, sizeof(key)), (uint32_t)f->nmember, NULL) != VG_MAP_NONE)
		f->nmember++;
}

static void
on_applied(struct tell *f, vg_str payload)
{
	size_t n = f->in->k->program.nrule / 64 + 1;

	for (size_t i = 0; i < n && payload.n >= (i + 1) * 8; i++) {
		uint64_t bits;

		memcpy(&bits, payload.p + 8 * i, 8);
		f->applied[i] |= bits;
	}
}

/* ---- in order ---- */

static void
emit(struct tell *f, const struct vg_signal *s)
{
	const struct vg_program *p = &f->in->k->program;
	struct vg_row_matched m[MATCHED_MAX];
	uint32_t at[MATCHED_MAX];
	size_t n = 0;

	f->signals++;
	f->level[p->rule[s->rule].level]++;
	fail(f, vg_story_signal(f->story, s));
	if (f->in->o->rows_fd < 0)
		return;
	if (s->nby) {
		for (; n < s->nby && n < MATCHED_MAX; n++)
			m[n] = (struct vg_row_matched){ s->by_name[n], s->by_value[n] };
	} else if (s->event) {
		vg_arena_reset(&f->scratch);
		n = vg_matched_fields(f->re, s->rule, s->event, &f->scratch, at, MATCHED_MAX);
		for (size_t i = 0; i < n; i++)
			m[i] = (struct vg_row_matched){ s->event->field[at[i]].name, s->event->field[at[i]].value };
	}
	vg_rows_signal(f->in->o->rows, p, s, m, n, &f->rows);
	if (f->rows.n >= ROWS_BYTES) {
		fail(f, vg_write_all(f->in->o->rows_fd, vg_buf_str(&f->rows)));
		vg_buf_clear(&f->rows);
	}
}

static vg_str
file_name(struct tell *f, const struct vg_entry *e)
{
	vg_str path = f->in->report[e->file].path;
	uint32_t key[2] = { e->file, e->member }, at = e->member ? vg_map_find(&f->member, vg_str_mem(key, sizeof(key))) : VG_MAP_NONE;

	if (at == VG_MAP_NONE || f->member_name[at].n == 0)
		return path;
	return vg_arena_printf(&f->arena, "%.*s!%.*s", VG_STR_ARG(path), VG_STR_ARG(f->member_name[at]));
}

/* Lines of the file before this unit; the ranges are sorted by file and unit. */
static uint64_t
lines_before(const struct tell *f, uint32_t file, uint32_t unit)
{
	size_t lo = 0, hi = f->in->nrange;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct vg_range *r = &f->in->range[mid];

		if (r->file < file || (r->file == file && r->unit < unit))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->in->nrange ? f->line_base[lo] : 0;
}

static void
on_event(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	struct vg_cur c;

	vg_arena_reset(&f->arena);
	vg_buf_clear(&f->wire);
	vg_buf_put(&f->wire, payload); /* the event lives until the next one */
	c = vg_cur_of(f->wire.p, f->wire.n);
	f->event_ok = payload.n != 0;
	f->event_file = VG_NIL;
	if (!f->event_ok)
		return;
	fail(f, f->wire.rc != VG_OK ? f->wire.rc : vg_wire_decode(&c, &f->event));
	f->event_file = file_name(f, e);
	if (f->in->by_lines[e->file] && e->unit)
		f->event.record += lines_before(f, e->file, e->unit);
}

static void
on_signal(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);
	struct vg_signal s = { .rule = e->rule, .time_ns = e->time_ns, .first_ns = e->time_ns, .count = 1,
			       .file = f->event_file, .event = f->event_ok ? &f->event : NULL };
	vg_str name[16], value[16];

	if (e->rule >= f->in->k->program.nrule) {
		fail(f, VG_E_FORMAT);
		return;
	}
	if (payload.n) { /* a correlation */
		s.first_ns = (int64_t)vg_cur_le64(&c);
		s.count = vg_cur_le64(&c);
		s.nby = vg_cur_le32(&c);
		if (s.nby > VG_COUNT(name)) {
			fail(f, VG_E_FORMAT);
			return;
		}
		for (uint32_t i = 0; i < s.nby; i++) {
			name[i] = vg_cur_bytes(&c, vg_cur_le32(&c));
			value[i] = vg_cur_bytes(&c, vg_cur_le32(&c));
		}
		s.by_name = name;
		s.by_value = value;
		fail(f, c.rc);
	}
	if (f->rc == VG_OK)
		emit(f, &s);
}

static void
on_fact(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);
	struct vg_fact fact;

	fail(f, vg_fact_decode(&c, &fact));
	if (f->rc == VG_OK)
		fail(f, vg_story_fact(f->story, &fact, f->in->report[e->file].path));
}

static void
on_end(struct tell *f, vg_str payload)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);

	f->duplicates = vg_cur_le64(&c);
	f->dropped_correlation = vg_cur_le64(&c);
	f->ended = true;
	fail(f, c.rc);
}

static void
on_entry(struct tell *f, const struct vg_entry *e, vg_str payload)
{
	if (e->file >= f->in->files->n) {
		fail(f, VG_E_FORMAT);
		return;
	}
	switch ((enum vg_entry_type)e->type) {
	case VG_ENTRY_SEEN: on_seen(f, e, payload); break;
	case VG_ENTRY_GAP: on_gap(f, e, payload); break;
	case VG_ENTRY_APPLIED: on_applied(f, payload); break;
	case VG_ENTRY_MEMBER: on_member(f, e, payload); break;
	case VG_ENTRY_NOTE: on_note(f, e, payload); break;
	case VG_ENTRY_FACT: on_fact(f, e, payload); break;
	case VG_ENTRY_EVENT: on_event(f, e, payload); break;
	case VG_ENTRY_SIGNAL: on_signal(f, e, payload); break;
	case VG_ENTRY_END: on_end(f, payload); break;
	case VG_ENTRY_HIT:
	case VG_ENTRY_TYPES:
		fail(f, VG_E_FORMAT);
	}
}

/* ---- the whole ---- */

/* All that comes through the pipe.  VG_E_TRUNC: the other end went away before its end. */
static vg_rc
listen(struct tell *f, int from)
{
	struct vg_buf b = { 0 };
	size_t used = 0;

	while (f->rc == VG_OK && !f->ended) {
		struct vg_cur c = vg_cur_of(b.p ? b.p + used : NULL, b.n - used);
		struct vg_entry e;
		vg_str payload;
		vg_rc rc = vg_entry_take(&c, &e, &payload);
		ssize_t k;

		if (rc == VG_OK) {
			used += vg_cur_at(&c);
			on_entry(f, &e, payload);
			continue;
		}
		if (rc != VG_E_TRUNC) {
			fail(f, rc);
			break;
		}
		if (used)
			memmove(b.p, b.p + used, b.n - used);
		b.n -= used;
		used = 0;
		if (!vg_buf_reserve(&b, LISTEN_BYTES)) {
			fail(f, b.rc);
			break;
		}
		k = read(from, b.p + b.n, LISTEN_BYTES);
		if (k > 0)
			b.n += (size_t)k;
		else if (k == 0 || errno != EINTR)
			fail(f, k == 0 ? VG_E_TRUNC : VG_E_SYS);
	}
	vg_buf_fini(&b);
	return f->rc;
}

struct fd_out { int fd; };

static vg_rc
fd_write(void *ctx, vg_str s)
{
	return vg_write_all(((struct fd_out *)ctx)->fd, s);
}

typedef vg_rc report_fn(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out);

static void
report_to(struct tell *f, int fd, report_fn *fn, const struct vg_story_view *v)
{
	struct fd_out ctx = { fd };
	struct vg_out out = { fd_write, &ctx };

	if (fd >= 0)
		fail(f, fn(v, &f->in->o->report, &out));
}

static void
fill_totals(struct tell *f, struct vg_story_totals *t)
{
	const struct vg_program *p = &f->in->k->program;

	for (size_t i = 0; i < f->in->files->n; i++) {
		const struct vg_file_report *r = &f->in->report[i];

		t->files++;
		t->files_bad += r->why_not.n != 0;
		t->bytes += r->bytes;
		t->events += r->events;
	}
	t->duplicates = f->duplicates;
	t->carved = f->in->carved;
	t->signals = f->signals;
	memcpy(t->level, f->level, sizeof(t->level));
	t->rules_loaded = p->nrule;
	for (uint32_t i = 0; i < p->ndiag; i++)
		t->rules_refused += p->diag[i].fatal;
	for (uint32_t i = 0; i < p->nrule; i++)
		t->rules_applicable += p->rule[i].kind == VG_RULE_BASE && (f->applied[i / 64] >> (i % 64) & 1);
	t->dropped_entities += f->gaps_dropped;
	t->dropped_correlation = f->dropped_correlation;
}

static vg_rc
tell(struct tell *f)
{
	const struct vg_story_view *v;
	struct vg_hunt_result res = { .signals = f->signals };

	fill_totals(f, vg_story_totals(f->story));
	if ((v = vg_story_finish(f->story)) == NULL)
		return VG_E_NOMEM;
	if (f->in->o->rows_fd >= 0)
		fail(f, vg_write_all(f->in->o->rows_fd, vg_buf_str(&f->rows)));
	report_to(f, f->in->o->navigator_fd, vg_report_navigator, v);
	report_to(f, f->in->o->stix_fd, vg_report_stix, v);
	report_to(f, f->in->o->html_fd, vg_report_html, v);
	report_to(f, f->in->o->summary_fd, vg_report_summary, v);
	res.files = v->total.files;
	res.files_bad = v->total.files_bad;
	res.events = v->total.events;
	memcpy(res.level, f->level, sizeof(res.level));
	if (pwrite(f->in->result_fd, &res, sizeof(res), 0) != (ssize_t)sizeof(res))
		fail(f, VG_E_SYS);
	return f->rc;
}

vg_rc
vg_tell_run(void *arg, int from)
{
	const struct vg_finish *in = arg;
	struct tell *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return VG_E_NOMEM;
	f->in = in;
	f->report = (struct vg_file_report *)(uintptr_t)in->report;
	f->seen_file = UINT32_MAX;
	vg_arena_init(&f->arena, (size_t)64 << 20);
	vg_arena_init(&f->scratch, (size_t)64 << 20);
	vg_arena_init(&f->names, (size_t)64 << 20);
	vg_map_init(&f->last, (size_t)4 << 20);
	vg_map_init(&f->member, (size_t)8 << 20);
	vg_event_init(&f->event, &f->arena, in->k->keys);
	f->story = vg_story_new(&in->k->program, STORY_BYTES);
	f->re = vg_regexes_new(&in->k->program);
	f->line_base = calloc(in->nrange + 1, sizeof(*f->line_base));
	f->applied = calloc(in->k->program.nrule / 64 + 1, sizeof(*f->applied));
	if (!f->story || !f->re || !f->line_base || !f->applied)
		return VG_E_NOMEM;
	for (size_t i = 1; i < in->nrange; i++)
		if (in->range[i].file == in->range[i - 1].file)
			f->line_base[i] = f->line_base[i - 1] + in->range[i - 1].lines;
	if (in->o->rows_fd >= 0)
		vg_rows_begin(in->o->rows, &f->rows);
	if (listen(f, from) != VG_OK)
		return f->rc;
	judge_gaps(f);
	for (size_t i = 0; i < in->files->n && f->rc == VG_OK; i++)
		fail(f, vg_story_file(f->story, &f->report[i]));
	return f->rc != VG_OK ? f->rc : tell(f);
}
