/* hunt/worker.c - in the sandbox: a unit of a file to entries in the spool. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/map.h"
#include "event/wire.h"
#include "hunt/hunt.h"
#include "hunt/spool.h"
#include "source/archive.h"
#include "source/evidence.h"
#include "source/fdinput.h"
#include "trace/fact.h"

#define HITS_MAX 4096        /* rules that may match one event */
#define SEEN_MAX 4096        /* (host, channel) pairs told apart in one unit */
#define SEEN_BYTES ((size_t)8 << 20) /* their names */
#define ARENA_BYTES ((size_t)96 << 20)
#define FLUSH_BYTES ((size_t)1 << 20)

struct seen {
	vg_str key; /* host, NUL, channel */
	uint64_t events;
	int64_t first_ns, last_ns;
	uint64_t first_record, last_record;
	int64_t first_record_ns, last_record_ns;
	bool covered;
};

struct vg_worker {
	const struct vg_knowledge *k;
	const struct vg_hunt_options *o;
	int spool_fd;
	uint64_t spool_at;   /* where the unit's entries begin */
	uint64_t spool_next; /* where the next flush goes */
	struct vg_detector *detector;
	struct vg_arena arena, scratch;
	struct vg_event event;
	struct vg_buf out, wire;

	/* of the unit at hand */
	struct vg_hunt_task task;
	struct vg_hunt_reply reply;
	uint32_t member;
	bool evtx;
	struct vg_map seen_map;
	struct seen seen[SEEN_MAX];
	uint32_t nseen, last_seen;
	uint32_t hit[HITS_MAX];
	uint32_t nhit;
	uint64_t routed_before;
	uint64_t *applied; /* rules that could meet some event; owned */
	struct vg_reader reader;
};

struct vg_worker *
vg_worker_new(const struct vg_knowledge *k, const struct vg_hunt_options *o, int spool_fd, uint64_t spool_at)
{
	struct vg_worker *w = calloc(1, sizeof(*w));
	struct vg_detector_options d = { .cache_bytes = o->cache_bytes };

	if (w == NULL)
		return NULL;
	vg_archive_init(); /* reads what the sandbox then hides */
	w->k = k;
	w->o = o;
	w->spool_fd = spool_fd;
	w->spool_at = w->spool_next = spool_at;
	vg_arena_init(&w->arena, ARENA_BYTES);
	vg_arena_init(&w->scratch, ARENA_BYTES);
	vg_event_init(&w->event, &w->arena, k->keys);
	vg_map_init(&w->seen_map, SEEN_BYTES);
	w->applied = calloc(k->program.nrule / 64 + 1, sizeof(*w->applied));
	w->detector = vg_detector_new(&k->program, k->index, &d);
	if (w->detector == NULL || w->applied == NULL) {
		vg_detector_free(w->detector);
		free(w->applied);
		free(w);
		return NULL;
	}
	return w;
}

static vg_rc
flush(struct vg_worker *w)
{
	vg_rc rc = vg_pwrite_all(w->spool_fd, vg_buf_str(&w->out), w->spool_next);

	if (rc != VG_OK)
		return rc;
	w->spool_next += w->out.n;
	vg_buf_clear(&w->out);
	return VG_OK;
}

static vg_rc
put(struct vg_worker *w, struct vg_entry *e, vg_str payload)
{
	e->file = w->task.file;
	e->member = w->member;
	e->unit = w->task.unit;
	vg_entry_put(&w->out, e, payload);
	return w->out.rc != VG_OK ? w->out.rc : w->out.n >= FLUSH_BYTES ? flush(w) : VG_OK;
}

/* What the record says, whatever file it lies in: equal in two copies of a log, also when one was exported. */
static uint64_t
digest(const struct vg_worker *w, const struct vg_event *e)
{
	uint64_t h = w->evtx ? e->record : 0;

	h = vg_hash64(e->host, h);
	h = vg_hash64(e->channel, h);
	if (!w->evtx && e->raw.n)
		return vg_hash64(e->raw, h);
	for (uint32_t i = 0; i < e->nfield; i++)
		if (!(e->field[i].flags & VG_FIELD_ADDED)) {
			h = vg_hash64(e->field[i].name, h);
			h = vg_hash64(e->field[i].value, h);
		}
	return h;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct vg_worker *w = ctx;
	struct vg_entry h = { .offset = n->offset, .type = VG_ENTRY_NOTE, .rule = n->kind };

	if ((unsigned)n->kind >= VG_NOTE_KINDS)
		return;
	/* counted all, but only the first few of a kind are kept in words */
	if (w->reply.note[n->kind] < 3)
		(void)put(w, &h, vg_str_mem(n->text, strnlen(n->text, sizeof(n->text))));
	w->reply.note[n->kind] += n->count ? n->count : 1;
	if (n->kind == VG_NOTE_RECORD_BAD)
		w->reply.bad += n->count ? n->count : 1;
}

static void
limit_note(struct vg_worker *w, uint64_t offset, const char *text)
{
	struct vg_note n = { .kind = VG_NOTE_LIMIT, .offset = offset, .count = 1 };

	snprintf(n.text, sizeof(n.text), "%s", text);
	on_note(w, &n);
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, uint32_t rule)
{
	struct vg_worker *w = ctx;

	if (w->nhit < HITS_MAX)
		w->hit[w->nhit++] = rule;
	else
		limit_note(w, e->offset, "more than 4,096 rules match one event: the others are left out");
	return VG_OK;
}

/* Indicators that one event meets, as texts in its arena. */
struct met {
	vg_str text[VG_INDICATOR_HITS_MAX];
	size_t n;
};

static vg_rc
on_met(void *ctx, const struct vg_event *e, const struct vg_indicator_hit *h)
{
	struct met *m = ctx;
	vg_str who = h->source.n ? h->source : h->file;
	vg_str t = vg_arena_printf(e->arena, "%.*s (%.*s%s%.*s)", VG_STR_ARG(h->value), VG_STR_ARG(who), h->note.n ? ": " : "", VG_STR_ARG(h->note));

	if (t.p == NULL || m->n == VG_COUNT(m->text))
		return VG_E_NOMEM;
	m->text[m->n++] = t;
	return VG_OK;
}

/* What the event meets becomes fields of it, and a match of the rule that looks for them; so its row, its place in the story and what filters it
 * are those of a rule.  What had expired at the event's time is not met. */
static vg_rc
meet_indicators(struct vg_worker *w, struct vg_event *e)
{
	int64_t now_ns = e->time_ns != VG_TIME_NONE ? e->time_ns : 0;
	struct met m = { .n = 0 };
	uint32_t at;
	vg_rc rc;

	if (w->o->indicators == NULL)
		return VG_OK;
	if ((rc = vg_indicators_match(w->o->indicators, e, now_ns, on_met, &m)) == VG_E_LIMIT)
		limit_note(w, e->offset, "more than 64 indicators meet one event: the others are left out");
	else if (rc != VG_OK)
		return rc;
	for (size_t i = 0; i < m.n; i++) {
		if ((rc = vg_event_add(e, VG_STR("vigie.indicator"), VG_KIND_TEXT, m.text[i])) != VG_OK)
			return rc == VG_E_LIMIT ? VG_OK : rc;
		e->field[e->nfield - 1].flags |= VG_FIELD_ADDED;
	}
	if (m.n == 0 || w->nhit == HITS_MAX)
		return VG_OK;
	for (at = w->nhit; at && w->hit[at - 1] > w->o->indicator_rule; at--)
		w->hit[at] = w->hit[at - 1];
	w->hit[at] = w->o->indicator_rule;
	w->nhit++;
	return VG_OK;
}

static bool
reported(const struct vg_worker *w, uint32_t rule)
{
	const struct vg_rule *r = &w->k->program.rule[rule];

	return (r->flags & VG_RULE_REPORT) && r->level >= w->o->level;
}

/* All rules that matched one event: the first entry carries the event, the others refer to it. */
static vg_rc
put_hits(struct vg_worker *w, const struct vg_event *e)
{
	const struct vg_program *p = &w->k->program;
	struct vg_entry h = { .time_ns = e->time_ns, .offset = e->offset, .type = VG_ENTRY_HIT };
	bool any = false, full = false, first = true;
	uint32_t last = 0;
	vg_rc rc;

	for (uint32_t i = 0; i < w->nhit; i++) {
		bool rep = reported(w, w->hit[i]);

		if (rep || (p->rule[w->hit[i]].flags & VG_RULE_FED)) {
			any = true;
			last = i;
		}
		full |= rep;
		w->reply.signals += rep;
	}
	if (!any)
		return VG_OK;
	h.digest = digest(w, e);
	vg_buf_clear(&w->wire);
	if (full) {
		vg_wire_encode(&w->wire, e, NULL, 0);
	} else {
		/* only correlations read it: the fields they ask for */
		uint32_t keys[256];
		size_t n = 0;

		for (uint32_t i = 0; i < w->nhit; i++)
			for (uint32_t j = 0; j < p->rule[w->hit[i]].nneed && n < VG_COUNT(keys); j++) {
				uint32_t key = p->need[p->rule[w->hit[i]].need + j];
				size_t at = n;

				while (at && keys[at - 1] > key)
					at--;
				if (at && keys[at - 1] == key)
					continue;
				memmove(keys + at + 1, keys + at, (n - at) * sizeof(*keys));
				keys[at] = key;
				n++;
			}
		vg_wire_encode(&w->wire, e, keys, n);
	}
	if (w->wire.rc != VG_OK || w->wire.n > VG_SPOOL_ENTRY_MAX)
		return VG_E_LIMIT;
	for (uint32_t i = 0; i < w->nhit; i++) {
		if (!reported(w, w->hit[i]) && !(p->rule[w->hit[i]].flags & VG_RULE_FED))
			continue;
		h.rule = w->hit[i];
		h.last = i == last;
		if ((rc = put(w, &h, first ? vg_buf_str(&w->wire) : VG_NIL)) != VG_OK)
			return rc;
		first = false;
	}
	return VG_OK;
}

static vg_rc
put_fact(struct vg_worker *w, const struct vg_event *e)
{
	struct vg_entry h = { .time_ns = e->time_ns, .offset = e->offset, .type = VG_ENTRY_FACT, .last = 1 };
	struct vg_fact f;

	vg_fact_of(e, &f);
	if (f.kind == VG_FACT_NONE)
		return VG_OK;
	h.digest = digest(w, e);
	vg_buf_clear(&w->wire);
	vg_fact_encode(&w->wire, &f);
	return w->wire.rc != VG_OK ? w->wire.rc : put(w, &h, vg_buf_str(&w->wire));
}

static struct seen *
seen_of(struct vg_worker *w, const struct vg_event *e)
{
	char key[1024];
	size_t h = e->host.n < 500 ? e->host.n : 500, c = e->channel.n < 500 ? e->channel.n : 500;
	struct seen *s = &w->seen[w->last_seen];
	vg_str kept;
	uint32_t at;

	if (w->nseen && s->key.n == h + 1 + c && memcmp(s->key.p, e->host.p ? e->host.p : "", h) == 0 &&
	    memcmp(s->key.p + h + 1, e->channel.p ? e->channel.p : "", c) == 0)
		return s;
	if (h)
		memcpy(key, e->host.p, h);
	key[h] = 0;
	if (c)
		memcpy(key + h + 1, e->channel.p, c);
	at = vg_map_find(&w->seen_map, vg_str_mem(key, h + 1 + c));
	if (at == VG_MAP_NONE) {
		if (w->nseen == SEEN_MAX)
			return NULL;
		at = vg_map_add(&w->seen_map, vg_str_mem(key, h + 1 + c), w->nseen, &kept);
		if (at == VG_MAP_NONE)
			return NULL;
		w->seen[w->nseen++] = (struct seen){ .key = kept, .first_ns = INT64_MAX, .last_ns = INT64_MIN };
	}
	w->last_seen = at;
	return &w->seen[at];
}

static void
put_gap(struct vg_worker *w, const struct seen *s, const struct vg_event *e)
{
	struct vg_entry h = { .time_ns = e->time_ns, .offset = e->offset, .type = VG_ENTRY_GAP };

	vg_buf_clear(&w->wire);
	vg_buf_le64(&w->wire, s->last_record);
	vg_buf_le64(&w->wire, e->record);
	vg_buf_le64(&w->wire, (uint64_t)s->last_record_ns);
	vg_buf_le64(&w->wire, (uint64_t)e->time_ns);
	vg_buf_le_str(&w->wire, e->host);
	vg_buf_le_str(&w->wire, e->channel);
	(void)put(w, &h, vg_buf_str(&w->wire)); /* an error shows at the next entry */
}

static void
see(struct vg_worker *w, const struct vg_event *e, bool covered)
{
	struct seen *s = seen_of(w, e);

	if (s == NULL) {
		limit_note(w, e->offset, "more than 4,096 hosts and channels in one part of a file: the others are not counted");
		return;
	}
	s->events++;
	s->covered |= covered;
	if (e->time_ns != VG_TIME_NONE) {
		if (e->time_ns < s->first_ns)
			s->first_ns = e->time_ns;
		if (e->time_ns > s->last_ns)
			s->last_ns = e->time_ns;
	}
	if (w->evtx && !(e->flags & VG_EVENT_CARVED)) {
		if (s->events == 1 || s->first_record == 0) {
			s->first_record = e->record;
			s->first_record_ns = e->time_ns;
		} else if (e->record > s->last_record + 1) {
			put_gap(w, s, e);
		}
		s->last_record = e->record;
		s->last_record_ns = e->time_ns;
	}
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct vg_worker *w = ctx;
	struct vg_detector_stats d;
	vg_rc rc;

	w->reply.events++;
	w->reply.carved += (e->flags & VG_EVENT_CARVED) != 0;
	w->reply.unknown_source += e->nls == 0;
	if (e->time_ns == VG_TIME_NONE)
		w->reply.no_time++;
	else if ((w->o->from_ns != VG_TIME_NONE && e->time_ns < w->o->from_ns) ||
		 (w->o->to_ns != VG_TIME_NONE && e->time_ns > w->o->to_ns))
		return VG_OK;
	w->nhit = 0;
	if (e->nls && ((rc = vg_detect(w->detector, e, on_hit, w)) != VG_OK || (rc = put_fact(w, e)) != VG_OK))
		return rc;
	if ((rc = meet_indicators(w, e)) != VG_OK || (w->nhit && (rc = put_hits(w, e)) != VG_OK))
		return rc;
	vg_detector_stats(w->detector, &d);
	see(w, e, d.routed != w->routed_before);
	w->routed_before = d.routed;
	return VG_OK;
}

static void
put_seen(struct vg_worker *w)
{
	for (uint32_t i = 0; i < w->nseen; i++) {
		const struct seen *s = &w->seen[i];
		size_t nul = strnlen(s->key.p, s->key.n);
		struct vg_entry h = { .type = VG_ENTRY_SEEN };

		vg_buf_clear(&w->wire);
		vg_buf_u8(&w->wire, s->covered);
		vg_buf_le64(&w->wire, s->events);
		vg_buf_le64(&w->wire, (uint64_t)s->first_ns);
		vg_buf_le64(&w->wire, (uint64_t)s->last_ns);
		vg_buf_le64(&w->wire, s->first_record);
		vg_buf_le64(&w->wire, s->last_record);
		vg_buf_le64(&w->wire, (uint64_t)s->first_record_ns);
		vg_buf_le64(&w->wire, (uint64_t)s->last_record_ns);
		vg_buf_le_str(&w->wire, vg_str_cut(s->key, nul));
		vg_buf_le_str(&w->wire, vg_str_skip(s->key, nul + 1));
		(void)put(w, &h, vg_buf_str(&w->wire));
	}
	vg_detector_applicable(w->detector, w->applied);
	(void)put(w, &(struct vg_entry){ .type = VG_ENTRY_APPLIED },
		  vg_str_mem(w->applied, (w->k->program.nrule / 64 + 1) * sizeof(*w->applied)));
	vg_map_fini(&w->seen_map);
	vg_map_init(&w->seen_map, SEEN_BYTES);
	w->nseen = w->last_seen = 0;
}

/* Read one stream; what is wrong with it goes to the reply. */
static void
read_stream(struct vg_worker *w, const struct vg_format *f, struct vg_input *in, vg_str name, int64_t mtime_ns, bool first)
{
	struct vg_sink sink = { w, on_event, on_note };
	vg_rc rc;

	w->evtx = strcmp(f->name, "evtx") == 0;
	w->reader = (struct vg_reader){ .in = in, .sink = &sink, .event = &w->event, .packs = w->k->packs,
					.carve = w->o->carve, .ref_ns = mtime_ns, .zone_s = w->o->zone_s,
					.name = name, .first = first };
	rc = f->read(&w->reader);
	if (rc == VG_OK)
		rc = in->rc;
	if (rc != VG_OK && w->reply.why_not[0] == 0)
		snprintf(w->reply.why_not, sizeof(w->reply.why_not), "%s: reading stopped: %s", f->name, vg_rc_name(rc));
}

static void
on_refused(void *ctx, vg_str name, const char *why)
{
	struct vg_worker *w = ctx;
	struct vg_note note = { .kind = VG_NOTE_LIMIT, .count = 1 };

	snprintf(note.text, sizeof(note.text), "%.*s: %s", VG_STR_ARG(vg_str_cut(name, 100)), why);
	on_note(w, &note);
}

/* A whole file, or a member of an archive.  A large file that can be cut is handed back, to be read in units. */
static vg_rc
on_stream(void *ctx, const struct vg_stream *s)
{
	struct vg_worker *w = ctx;

	w->member = s->member;
	if (s->inside.n) {
		struct vg_entry h = { .type = VG_ENTRY_MEMBER };
		vg_rc rc = put(w, &h, s->inside);

		if (rc != VG_OK)
			return rc;
	}
	if (s->member == 0) {
		w->reply.format = (int32_t)(s->format - vg_formats);
		if (s->format->split != VG_SPLIT_NONE && w->task.size > VG_HUNT_UNIT_BYTES + VG_HUNT_UNIT_BYTES / 2) {
			w->reply.answer = VG_ANSWER_SPLIT;
			return VG_OK;
		}
	}
	read_stream(w, s->format, s->in, s->name, s->mtime_ns, true);
	w->reply.lines = s->in->lines;
	return VG_OK;
}

static void
read_file(struct vg_worker *w, int fd, vg_str name)
{
	struct vg_evidence e = { .fd = fd, .size = w->task.size, .name = name, .mtime_ns = w->task.mtime_ns, .ctx = w,
				 .stream = on_stream, .refused = on_refused };
	vg_rc rc = vg_evidence_each(&e);

	if (e.archive)
		w->reply.format = VG_FORMAT_ARCHIVE;
	if (rc != VG_OK && w->reply.why_not[0] == 0)
		snprintf(w->reply.why_not, sizeof(w->reply.why_not), "%s%s", e.archive ? "archive: reading stopped: " : "",
			 rc == VG_E_UNSUP ? "no known format" : vg_rc_name(rc));
}

/* A slice of a file whose format is known. */
static void
read_unit(struct vg_worker *w, int fd, vg_str name)
{
	const struct vg_format *f = &vg_formats[w->task.format];
	struct vg_fdinput in;

	vg_fdinput_open(&in, fd, w->task.begin, w->task.size);
	in.in.stop = w->task.end;
	if (w->task.begin && f->split == VG_SPLIT_LINES)
		vg_fdinput_next_line(&in);
	read_stream(w, f, &in.in, name, w->task.mtime_ns, w->task.begin == 0);
	w->reply.lines = in.in.lines;
	vg_fdinput_close(&in);
}

void
vg_worker_task(struct vg_worker *w, int fd, vg_str task, struct vg_buf *reply)
{
	struct vg_cur c = vg_cur_of(task.p, task.n);
	const uint8_t *p = vg_cur_take(&c, sizeof(w->task));

	memset(&w->reply, 0, sizeof(w->reply));
	w->member = 0;
	if (p == NULL) {
		vg_buf_mem(reply, &w->reply, sizeof(w->reply));
		return;
	}
	memcpy(&w->task, p, sizeof(w->task));
	w->reply.format = w->task.format;
	vg_buf_clear(&w->out);
	w->spool_next = w->spool_at;
	(w->task.format >= 0 ? read_unit : read_file)(w, fd, vg_str_mem(c.p, vg_cur_left(&c)));
	if (w->reply.answer == VG_ANSWER_DONE) {
		put_seen(w);
		if (flush(w) != VG_OK)
			snprintf(w->reply.why_not, sizeof(w->reply.why_not), "the spool cannot be written: %s", strerror(errno));
		w->reply.at = w->spool_at;
		w->reply.n = w->spool_next - w->spool_at;
		w->spool_at = w->spool_next;
	}
	vg_buf_mem(reply, &w->reply, sizeof(w->reply));
}
