/* hunt/finish.c - in the sandbox: what all workers found, in order of time, without copies, correlated, told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/map.h"
#include "detect/correlate.h"
#include "event/wire.h"
#include "hunt/hunt.h"
#include "hunt/spool.h"

#define READ_BYTES ((size_t)1 << 20)
#define STORY_BYTES ((size_t)160 << 20)
#define CORRELATE_BYTES ((size_t)96 << 20)
#define SAME_TIME_MAX 200000 /* entries of one instant that are compared for copies; more are all kept */
#define MATCHED_MAX 64
#define GAPS_MAX 4096

struct gap {
	uint32_t file;
	uint64_t from, to;
	int64_t from_ns, to_ns;
	vg_str host, channel; /* owned by the arena */
};

struct finish {
	const struct vg_finish *in;
	struct vg_story *story;
	struct vg_correlator *correlator;
	struct vg_sorter *sorter;
	struct vg_regexes *re; /* for what matched */
	struct vg_arena arena, scratch, names; /* of the event at hand; of matching; of gaps */
	struct vg_event event;
	struct vg_buf rows;
	uint64_t *line_base; /* one a range: lines before it in its file */
	vg_rc rc;

	/* copies at one instant */
	int64_t instant;
	struct vg_map same;
	uint64_t duplicates;
	/* the event that the entries at hand speak of */
	bool event_ok;
	vg_str event_file;
	struct vg_map member; /* file and member -> place in member_name */
	vg_str *member_name;  /* owned; the slices stand in names */
	size_t nmember, member_cap;
	uint64_t token;

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
fail(struct finish *f, vg_rc rc)
{
	if (f->rc == VG_OK)
		f->rc = rc;
}

/* ---- what needs no order ---- */

static void
keep_gap(struct finish *f, uint32_t file, uint64_t from, uint64_t to, int64_t from_ns, int64_t to_ns, vg_str host,
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
on_gap(struct finish *f, const struct vg_entry *e, vg_str payload)
{
	struct vg_cur c = vg_cur_of(payload.p, payload.n);
	uint64_t from = vg_cur_le64(&c), to = vg_cur_le64(&c);
	int64_t from_ns = (int64_t)vg_cur_le64(&c), to_ns = (int64_t)vg_cur_le64(&c);
	vg_str host = vg_cur_bytes(&c, vg_cur_le32(&c)), channel = vg_cur_bytes(&c, vg_cur_le32(&c));

	if (c.rc == VG_OK)
		keep_gap(f, e->file, from, to, from_ns, to_ns, host, channel);
}

static void
on_seen(struct finish *f, const struct vg_entry *e, vg_str payload)
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
judge_gaps(struct finish *f)
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
on_note(struct finish *f, const struct vg_entry *e, vg_str payload, struct vg_file_report *report)
{
	struct vg_file_report *r = &report[e->file];

	if (e->rule < VG_COUNT(r->note_text) && r->note_text[e->rule].n == 0)
		r->note_text[e->rule] = vg_str_dup(&f->names, payload);
}

static void
on_member(struct finish *f, const struct vg_entry *e, vg_str payload)
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
on_applied(struct finish *f, vg_str payload)
{
	size_t n = f->in->k->program.nrule / 64 + 1;

	for (size_t i = 0; i < n && payload.n >= (i + 1) * 8; i++) {
		uint64_t bits;

		memcpy(&bits, payload.p + 8 * i, 8);
		f->applied[i] |= bits;
	}
}

/* ---- in order ---- */

/* Is it in an earlier file too?  The k-th of equal entries in one file is a copy of the k-th in another. */
static bool
is_copy(struct finish *f, const struct vg_entry *e)
{
	struct {
		uint64_t digest;
		uint32_t rule, type, file, k;
	} key = { e->digest, e->rule, e->type, e->file + 1, 0 };
	uint32_t k;

	if (e->time_ns != f->instant || f->same.n > SAME_TIME_MAX) {
		if (f->same.n) {
			vg_map_fini(&f->same);
			vg_map_init(&f->same, (size_t)32 << 20);
		}
		f->instant = e->time_ns;
	}
	/* which of the equal ones in this file: count up until the number is free */
	for (k = 1;; k++) {
		key.k = k;
		if (vg_map_find(&f->same, vg_str_mem(&key, sizeof(key))) == VG_MAP_NONE)
			break;
		if (k == 1000) /* a thousand equal records in one instant: kept all */
			return false;
	}
	if (vg_map_add(&f->same, vg_str_mem(&key, sizeof(key)), e->file, NULL) == VG_MAP_NONE)
		return false;
	key.file = 0; /* any file */
	return vg_map_add(&f->same, vg_str_mem(&key, sizeof(key)), e->file, NULL) != e->file;
}

static void
emit(struct finish *f, const struct vg_signal *s)
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
	if (f->rows.n >= READ_BYTES) {
		fail(f, vg_write_all(f->in->o->rows_fd, vg_buf_str(&f->rows)));
		vg_buf_clear(&f->rows);
	}
}

static vg_rc
on_correlation(void *ctx, const struct vg_corr_hit *h)
{
	struct finish *f = ctx;
	const struct vg_rule *r = &f->in->k->program.rule[h->rule];
	struct vg_signal s = { .rule = h->rule, .time_ns = h->last_ns, .first_ns = h->first_ns, .count = h->count,
			       .file = f->event_file, .event = f->event_ok ? &f->event : NULL, .nby = h->nby,
			       .by_name = h->by_name, .by_value = h->by_value };

	if ((r->flags & VG_RULE_REPORT) && r->level >= f->in->o->level)
		emit(f, &s);
	return f->rc;
}

static vg_str
file_name(struct finish *f, const struct vg_entry *e)
{
	vg_str path = f->in->report[e->file].path;
	uint32_t key[2] = { e->file, e->member }, at = e->member ? vg_map_find(&f->member, vg_str_mem(key, sizeof(key))) : VG_MAP_NONE;

	if (at == VG_MAP_NONE || f->member_name[at].n == 0)
		return path;
	return vg_arena_printf(&f->arena, "%.*s!%.*s", VG_STR_ARG(path), VG_STR_ARG(f->member_name[at]));
}

/* Lines of the file before this unit; the ranges are sorted by file and unit. */
static uint64_t
lines_before(const struct finish *f, uint32_t file, uint32_t unit)
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
on_hit(struct finish *f, const struct vg_entry *e, vg_str payload)
{
	const struct vg_program *p = &f->in->k->program;
	const struct vg_rule *r;

	if (e->rule >= p->nrule) {
		fail(f, VG_E_FORMAT);
		return;
	}
	if (payload.n) { /* the first rule of an event brings the event */
		struct vg_cur c = vg_cur_of(payload.p, payload.n);

		f->event_ok = vg_wire_decode(&c, &f->event) == VG_OK;
		if (!f->event_ok) {
			fail(f, VG_E_FORMAT);
			return;
		}
		/* the slices must live until the last rule of the event: the payload may move before it */
		for (uint32_t i = 0; !e->last && i < f->event.nfield; i++) {
			f->event.field[i].name = vg_str_dup(&f->arena, f->event.field[i].name);
			f->event.field[i].value = vg_str_dup(&f->arena, f->event.field[i].value);
		}
		if (!e->last) {
			f->event.host = vg_str_dup(&f->arena, f->event.host);
			f->event.channel = vg_str_dup(&f->arena, f->event.channel);
			f->event.provider = vg_str_dup(&f->arena, f->event.provider);
			f->event.code = vg_str_dup(&f->arena, f->event.code);
			f->event.raw = vg_str_dup(&f->arena, f->event.raw);
		}
		f->event_file = file_name(f, e);
		if (f->in->by_lines[e->file] && e->unit)
			f->event.record += lines_before(f, e->file, e->unit);
	}
	if (is_copy(f, e)) {
		f->duplicates++;
		return;
	}
	if (!f->event_ok)
		return;
	r = &p->rule[e->rule];
	f->token++;
	if ((r->flags & VG_RULE_REPORT) && r->level >= f->in->o->level) {
		struct vg_signal s = { .rule = e->rule, .time_ns = e->time_ns, .first_ns = e->time_ns, .count = 1,
				       .file = f->event_file, .event = &f->event };

		emit(f, &s);
	}
	if ((r->flags & VG_RULE_FED) && e->time_ns != VG_TIME_NONE)
		fail(f, vg_correlator_hit(f->correlator, e->rule, e->time_ns, &f->event, f->token));
}

static vg_rc
on_entry(void *ctx, const struct vg_entry *e, vg_str payload)
{
	struct finish *f = ctx;

	if (e->file >= f->in->files->n)
		return VG_E_FORMAT;
	if (e->type == VG_ENTRY_HIT) {
		on_hit(f, e, payload);
	} else if (e->type == VG_ENTRY_FACT) {
		struct vg_cur c = vg_cur_of(payload.p, payload.n);
		struct vg_fact fact;

		if (is_copy(f, e))
			return f->rc;
		if (vg_fact_decode(&c, &fact) != VG_OK)
			return VG_E_FORMAT;
		fail(f, vg_story_fact(f->story, &fact, f->in->report[e->file].path));
	}
	return f->rc;
}

/* ---- the whole ---- */

static vg_rc
read_range(struct finish *f, const struct vg_range *r, struct vg_file_report *report, struct vg_buf *b)
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
			k = pread(f->in->spool[r->worker], b->p + b->n, want, (off_t)at);
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
			if (e.type == VG_ENTRY_SEEN)
				on_seen(f, &e, payload);
			else if (e.type == VG_ENTRY_GAP)
				on_gap(f, &e, payload);
			else if (e.type == VG_ENTRY_APPLIED)
				on_applied(f, payload);
			else if (e.type == VG_ENTRY_MEMBER)
				on_member(f, &e, payload);
			else if (e.type == VG_ENTRY_NOTE)
				on_note(f, &e, payload, report);
			else
				fail(f, vg_sorter_add(f->sorter, &e, payload));
			if (f->rc != VG_OK)
				return f->rc;
		}
		memmove(b->p, b->p + used, b->n - used);
		b->n -= used;
		if (at == end && b->n)
			return VG_E_TRUNC;
	}
	return VG_OK;
}

struct fd_out { int fd; };

static vg_rc
fd_write(void *ctx, vg_str s)
{
	return vg_write_all(((struct fd_out *)ctx)->fd, s);
}

typedef vg_rc report_fn(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out);

static void
report_to(struct finish *f, int fd, report_fn *fn, const struct vg_story_view *v)
{
	struct fd_out ctx = { fd };
	struct vg_out out = { fd_write, &ctx };

	if (fd >= 0)
		fail(f, fn(v, &f->in->o->report, &out));
}

static void
fill_totals(struct finish *f, struct vg_story_totals *t)
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
	t->dropped_correlation = vg_correlator_dropped(f->correlator);
}

static vg_rc
tell(struct finish *f)
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
vg_finish_run(void *arg)
{
	const struct vg_finish *in = arg;
	struct finish *f = calloc(1, sizeof(*f));
	struct vg_file_report *report = (struct vg_file_report *)(uintptr_t)in->report; /* this process's own copy */
	struct vg_buf b = { 0 };

	if (f == NULL)
		return VG_E_NOMEM;
	f->in = in;
	f->instant = VG_TIME_NONE;
	f->seen_file = UINT32_MAX;
	vg_arena_init(&f->arena, (size_t)64 << 20);
	vg_arena_init(&f->scratch, (size_t)64 << 20);
	vg_arena_init(&f->names, (size_t)64 << 20);
	vg_map_init(&f->same, (size_t)32 << 20);
	vg_map_init(&f->last, (size_t)4 << 20);
	vg_map_init(&f->member, (size_t)8 << 20);
	vg_event_init(&f->event, &f->arena, in->k->keys);
	f->story = vg_story_new(&in->k->program, STORY_BYTES);
	f->correlator = vg_correlator_new(&in->k->program, CORRELATE_BYTES, on_correlation, f);
	f->sorter = vg_sorter_new(in->sort_fd);
	f->re = vg_regexes_new(&in->k->program);
	f->line_base = calloc(in->nrange + 1, sizeof(*f->line_base));
	f->applied = calloc(in->k->program.nrule / 64 + 1, sizeof(*f->applied));
	if (!f->story || !f->correlator || !f->sorter || !f->re || !f->line_base || !f->applied)
		return VG_E_NOMEM;
	for (size_t i = 1; i < in->nrange; i++)
		if (in->range[i].file == in->range[i - 1].file)
			f->line_base[i] = f->line_base[i - 1] + in->range[i - 1].lines;
	for (size_t i = 0; i < in->nrange && f->rc == VG_OK; i++)
		fail(f, read_range(f, &in->range[i], report, &b));
	vg_buf_fini(&b);
	if (f->rc != VG_OK)
		return f->rc;
	judge_gaps(f);
	if (in->o->rows_fd >= 0)
		vg_rows_begin(in->o->rows, &f->rows);
	fail(f, vg_sorter_run(f->sorter, on_entry, f));
	vg_sorter_free(f->sorter); /* its memory is the report's now */
	f->sorter = NULL;
	f->event_ok = false; /* what is judged at the end has no event at hand */
	if (f->rc == VG_OK)
		fail(f, vg_correlator_end(f->correlator));
	for (size_t i = 0; i < in->files->n && f->rc == VG_OK; i++)
		fail(f, vg_story_file(f->story, &report[i]));
	return f->rc != VG_OK ? f->rc : tell(f);
}
