/* role/trace.c - all that remembers: it takes what detect found in the order of the vault's numbers, whatever order it came in, makes signals,
 * and feeds correlations.  Signals, stored hits and the place it has come to are one transaction, so that each signal is there once, whenever this
 * process or another one dies. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "detect/identity.h"
#include "event/wire.h"
#include "knowledge/knowledge.h"
#include "role/drill.h"
#include "role/found.h"
#include "role/messages.h"
#include "role/roles.h"
#include "role/seen.h"
#include "role/trace_out.h"
#include "state/drilled.h"
#include "state/hits.h"
#include "state/seen.h"
#include "state/signals.h"
#include "trace/live.h"
#include "vault/merkle.h"

#define AHEAD_MAX 4096           /* batches that came before their turn */
#define COMMIT_MS 200
#define HOLD_NS (150 * INT64_C(1000000))  /* what connections and processes may cross; below COMMIT_MS (trace/live.h) */
#define SAVE_NS (5 * VG_SEC)     /* the correlations' state; so often at most, and */
#define SAVE_BYTES_A_S (1 << 20) /* no more than that of it: what came since is taken from the vault again after a death */
#define QUIET_NS (2 * VG_SEC)    /* without a batch: the clock on the wall counts */
#define RESERVE ((size_t)40 << 20) /* memory that is taken at the start, and kept: what correlations hold of a busy company, twice (trace/live.h) */
#define LARGE ((int)4 << 20)     /* a block of its own, which is given back */
#define FIELDS_MAX 64            /* of one signal */
#define VALUE_MAX 2000           /* bytes of a value in a signal */
#define TITLE_VALUE_MAX 200      /* and of an indicator in a title */
#define FULL_MAX 1024            /* signals of indicators that take no more records, remembered */
#define WORLDS_MAX 4096          /* drills that are remembered at a time */
#define WORLD_NS (120 * VG_SEC)  /* so long behind a drill's last record */

struct ahead {
	uint64_t first, next;
	char *bytes; /* owned: the message behind its numbers */
	size_t n;
	int64_t newest_ns;
};
struct world {
	uint32_t id;
	int64_t heard_ns; /* monotonic */
};
struct trace {
	struct vg_role_env *env;
	struct vg_knowledge k;
	struct vg_identity id;
	sqlite3 *db;
	struct vg_hits *hits;
	struct vg_live *live;
	struct vg_regexes *regexes;
	struct vg_arena arena, scratch;
	struct vg_event event;
	struct vg_channel *vault;
	struct vg_trace_out *out; /* alarms */
	struct vg_channel *detect[VG_ROLE_INDEX_MAX], *look;
	uint64_t generation, next, sure; /* 0: none yet; next record; all before `sure` needs not come again */
	struct ahead *ahead;             /* owned; by first */
	size_t nahead;
	uint8_t level;
	bool open;                       /* a transaction */
	int64_t newest_ns, heard_ns, saved_ns;
	size_t saved_bytes;
	struct vg_found found;
	struct vg_buf fields, tags, wire, title;
	uint8_t full[FULL_MAX][VG_SIGNAL_ID]; /* by the first bytes of the id */
	uint8_t indicator_level;
	struct { /* how far look has come */
		uint64_t job, next;
		uint32_t tenant;
		bool unsaid; /* it is not told that this is on disk */
	} at;
	uint64_t signals, copies, withdrawn, records, backwards;
	struct world *world;             /* owned */
	size_t nworld;
	int64_t dropped_ns;              /* when what was said of drills was last dropped; monotonic */
	vg_rc rc; /* the first failure: the process then ends, and begins anew from what is on disk */
};

/* ---- signals ---- */

static void
put_pair(struct vg_buf *b, vg_str name, vg_str value)
{
	if (b->n > 1)
		vg_buf_putc(b, ',');
	vg_buf_json_str(b, name);
	vg_buf_putc(b, ':');
	vg_buf_json_str(b, vg_str_cut(value, VALUE_MAX));
}

static void
join_tags(struct trace *t, const struct vg_rule *r)
{
	const struct vg_program *p = &t->k.program;

	vg_buf_clear(&t->tags);
	for (uint32_t i = 0; i < r->ntag; i++) {
		if (i)
			vg_buf_putc(&t->tags, ',');
		vg_buf_put(&t->tags, vg_program_str(p, p->list[r->tag + i]));
	}
}

static vg_rc
put_signal(struct trace *t, struct vg_signal_row *s, uint32_t rule)
{
	const struct vg_rule *r = &t->k.program.rule[rule];
	bool new;
	vg_rc rc;

	s->rule = vg_program_str(&t->k.program, r->id.len ? r->id : r->file);
	if (vg_is_drill(s->tenant))
		return vg_drilled_put(t->db, &(struct vg_drilled){ s->tenant, s->rule, vg_clock_ns() }, s->id);
	s->title = vg_program_str(&t->k.program, r->title);
	s->level = r->level;
	s->made_ns = vg_clock_ns();
	join_tags(t, r);
	s->tags = vg_buf_str(&t->tags);
	s->fields = vg_buf_str(&t->fields);
	if (t->tags.rc != VG_OK || t->fields.rc != VG_OK)
		return VG_E_NOMEM;
	if ((rc = vg_signal_put(t->db, s, &new)) == VG_OK) {
		t->signals += new;
		t->copies += !new;
		if (new)
			rc = vg_trace_out_signal(t->out, s);
	}
	return rc;
}

static bool
is_reported(const struct trace *t, uint32_t tenant, uint32_t rule)
{
	const struct vg_rule *r = &t->k.program.rule[rule];

	return vg_is_drill(tenant) || ((r->flags & VG_RULE_REPORT) && r->level >= t->level);
}

/* One record and rule make one signal, however often the record comes. */
static void
name_signal(const struct trace *t, uint32_t rule, uint8_t out[VG_SIGNAL_ID])
{
	static const uint8_t none[16];
	const struct vg_found *f = &t->found;
	struct vg_buf b = { 0 };
	struct vg_hash h = { { 0 } };

	vg_buf_le32(&b, f->tenant);
	vg_buf_le64(&b, t->id.rule[rule]);
	if (memcmp(f->identity, none, sizeof(none)) != 0) {
		vg_buf_mem(&b, f->identity, sizeof(f->identity));
	} else {
		vg_buf_le64(&b, f->seq);
		vg_buf_le16(&b, f->place);
	}
	if (b.rc == VG_OK)
		vg_hash_of(vg_buf_str(&b), &h);
	memcpy(out, h.b, VG_SIGNAL_ID);
	vg_buf_fini(&b);
}

static vg_rc
base_signal(struct trace *t, uint32_t rule)
{
	const struct vg_found *f = &t->found;
	struct vg_signal_row s = { .tenant = f->tenant, .source = f->source, .host = t->event.host, .time_ns = f->time_ns, .first_ns = f->time_ns,
			       .recv_ns = f->recv_ns, .count = 1, .evidence = { f->seq }, .nevidence = 1 };
	uint32_t at[FIELDS_MAX];
	size_t n = vg_matched_fields(t->regexes, rule, &t->event, &t->scratch, at, FIELDS_MAX);

	s.flags = (f->flags & VG_FOUND_CLAIM ? VG_SIGNAL_CLAIM : 0) | (f->flags & VG_FOUND_RESENT ? VG_SIGNAL_RESENT : 0);
	name_signal(t, rule, s.id);
	vg_buf_clear(&t->fields);
	vg_buf_putc(&t->fields, '{');
	for (size_t i = 0; i < n; i++)
		put_pair(&t->fields, t->event.field[at[i]].name, t->event.field[at[i]].value);
	vg_buf_putc(&t->fields, '}');
	vg_arena_reset(&t->scratch);
	return put_signal(t, &s, rule);
}

/* ---- indicators ---- */

/* One signal an indicator, host and day (of the time that rules use): a beacon is one signal with many records. */
static void
name_met(const struct trace *t, const struct vg_met *m, uint8_t out[VG_SIGNAL_ID])
{
	const struct vg_found *f = &t->found;
	struct vg_buf b = { 0 };
	struct vg_hash h = { { 0 } };

	vg_buf_le_str(&b, VG_STR("indicator"));
	vg_buf_le32(&b, f->tenant);
	vg_buf_u8(&b, m->kind);
	vg_buf_le_str(&b, m->value);
	vg_buf_le32(&b, t->event.host.n ? 0 : f->source);
	vg_buf_le_str(&b, t->event.host);
	vg_buf_le64(&b, (uint64_t)(f->time_ns / VG_DAY));
	if (b.rc == VG_OK)
		vg_hash_of(vg_buf_str(&b), &h);
	memcpy(out, h.b, VG_SIGNAL_ID);
	vg_buf_fini(&b);
}

static void
put_proof(struct trace *t, const struct vg_met *m)
{
	const struct {
		const char *name;
		vg_str value;
	} of[] = { { "indicator", m->value }, { "kind", vg_str_of(vg_ioc_kind_name((enum vg_ioc_kind)m->kind)) }, { "found", m->found }, { "field", m->field },
		   { "file", m->file }, { "source", m->source }, { "note", m->note } };
	char time[VG_TIME_MAX];

	vg_buf_clear(&t->fields);
	vg_buf_putc(&t->fields, '{');
	for (size_t i = 0; i < VG_COUNT(of); i++)
		if (of[i].value.n)
			put_pair(&t->fields, vg_str_of(of[i].name), of[i].value);
	if (m->expires_ns != VG_TIME_NONE) {
		(void)vg_time_print(m->expires_ns, 0, time);
		put_pair(&t->fields, VG_STR("expires"), vg_str_of(time));
	}
	vg_buf_putc(&t->fields, '}');
}

static vg_rc
put_met(struct trace *t, struct vg_signal_row *s, const struct vg_met *m, bool *new)
{
	vg_str who = m->source.n ? m->source : m->file;
	bool network = m->kind == VG_IOC_IP || m->kind == VG_IOC_NET || m->kind == VG_IOC_DOMAIN || m->kind == VG_IOC_URL;
	char rule[32];
	vg_rc rc;

	snprintf(rule, sizeof(rule), "indicator.%s", vg_ioc_kind_name((enum vg_ioc_kind)m->kind));
	vg_buf_clear(&t->title);
	vg_buf_puts(&t->title, "Indicator met: ");
	vg_buf_put(&t->title, vg_str_cut(m->value, TITLE_VALUE_MAX));
	vg_buf_puts(&t->title, " (");
	vg_buf_put(&t->title, vg_str_cut(who, TITLE_VALUE_MAX));
	vg_buf_putc(&t->title, ')');
	put_proof(t, m);
	if (t->title.rc != VG_OK || t->fields.rc != VG_OK)
		return VG_E_NOMEM;
	s->rule = vg_str_of(rule);
	s->title = vg_buf_str(&t->title);
	s->level = t->indicator_level;
	s->tags = network ? VG_STR("vigie.indicator,attack.command-and-control") : VG_STR("vigie.indicator");
	s->fields = vg_buf_str(&t->fields);
	s->made_ns = vg_clock_ns();
	if ((rc = vg_signal_put(t->db, s, new)) == VG_OK && *new)
		rc = vg_trace_out_signal(t->out, s);
	return rc;
}

static vg_rc
met_signal(struct trace *t, const struct vg_met *m, bool backwards)
{
	const struct vg_found *f = &t->found;
	struct vg_signal_row s = { .tenant = f->tenant, .source = f->source, .host = t->event.host, .time_ns = f->time_ns, .first_ns = f->time_ns,
			       .recv_ns = f->recv_ns, .count = 1, .evidence = { f->seq }, .nevidence = 1 };
	uint8_t *known;
	bool new, full = false;
	vg_rc rc;

	s.flags = (uint8_t)(VG_SIGNAL_INDICATOR | (backwards ? VG_SIGNAL_BACKWARDS : 0) | (f->flags & VG_FOUND_CLAIM ? VG_SIGNAL_CLAIM : 0) |
			    (f->flags & VG_FOUND_RESENT ? VG_SIGNAL_RESENT : 0));
	name_met(t, m, s.id);
	known = t->full[(s.id[0] | (unsigned)s.id[1] << 8) % FULL_MAX];
	if (memcmp(known, s.id, VG_SIGNAL_ID) == 0)
		return VG_OK;
	if ((rc = put_met(t, &s, m, &new)) != VG_OK)
		return rc;
	t->signals += new;
	t->backwards += new && backwards;
	if (!new && (rc = vg_signal_add(t->db, s.id, f->seq, f->time_ns, &full)) != VG_OK)
		return rc;
	if (full)
		memcpy(known, s.id, VG_SIGNAL_ID);
	return VG_OK;
}

static vg_rc
on_correlation(void *ctx, const struct vg_live_signal *x)
{
	struct trace *t = ctx;
	const struct vg_corr_hit *h = &x->hit;
	struct vg_signal_row s = { .tenant = x->tenant, .flags = VG_SIGNAL_CORRELATION | (x->late ? VG_SIGNAL_LATE : 0), .time_ns = h->last_ns,
			       .first_ns = h->first_ns, .recv_ns = t->newest_ns, .count = h->count };

	if (!is_reported(t, x->tenant, h->rule))
		return VG_OK;
	memcpy(s.id, x->id, sizeof(s.id));
	for (uint32_t i = 0; i < h->nevidence && i < VG_SIGNAL_EVIDENCE_MAX; i++)
		s.evidence[s.nevidence++] = h->evidence[i];
	vg_buf_clear(&t->fields);
	vg_buf_putc(&t->fields, '{');
	for (uint32_t i = 0; i < h->nby; i++) {
		put_pair(&t->fields, h->by_name[i], h->by_value[i]);
		if (vg_str_ieq(h->by_name[i], VG_STR("host.name")) || vg_str_ieq(h->by_name[i], VG_STR("Computer")))
			s.host = h->by_value[i];
	}
	vg_buf_putc(&t->fields, '}');
	return put_signal(t, &s, h->rule);
}

static vg_rc
on_withdraw(void *ctx, uint32_t tenant, const uint8_t id[VG_LIVE_ID_BYTES])
{
	struct trace *t = ctx;

	if (vg_is_drill(tenant))
		return vg_drilled_withdraw(t->db, id);
	t->withdrawn++;
	return vg_signal_withdraw(t->db, id);
}

/* ---- drills ---- */

/* A world that something happens in.  false: there are too many, and this one is none. */
static bool
enter_world(struct trace *t, uint32_t id)
{
	size_t i = t->nworld;

	while (i && t->world[i - 1].id != id)
		i--;
	if (i == 0 && t->nworld == WORLDS_MAX)
		return false;
	if (i == 0)
		i = ++t->nworld;
	t->world[i - 1] = (struct world){ id, vg_monotonic_ns() };
	return true;
}

/* Worlds that are over are forgotten, and what was said of them after a while. */
static vg_rc
forget_worlds(struct trace *t, int64_t mono_ns)
{
	vg_rc rc = VG_OK;

	for (size_t i = t->nworld; i-- > 0 && rc == VG_OK;)
		if (mono_ns - t->world[i].heard_ns > WORLD_NS) {
			rc = vg_live_forget(t->live, t->world[i].id);
			t->world[i] = t->world[--t->nworld];
		}
	if (rc == VG_OK && mono_ns - t->dropped_ns > VG_DRILLED_KEEP_NS / 4) {
		t->dropped_ns = mono_ns;
		rc = vg_drilled_drop(t->db, vg_clock_ns() - VG_DRILLED_KEEP_NS);
	}
	return rc;
}

/* None outlives a start. */
static vg_rc
forget_all_worlds(struct trace *t)
{
	vg_rc rc = VG_OK;
	uint32_t id;

	for (size_t i = 0; rc == VG_OK && vg_live_tenant(t->live, i, &id); i += !vg_is_drill(id))
		if (vg_is_drill(id))
			rc = vg_live_forget(t->live, id);
	return rc;
}

/* ---- what was found ---- */

/* An event that came before in another record counts once. */
static vg_rc
is_copy(struct trace *t, bool *out)
{
	static const uint8_t none[16];
	const struct vg_found *f = &t->found;
	bool fed = false;

	*out = false;
	for (uint32_t i = 0; i < f->nrule && !fed; i++)
		fed = f->rule[i] < t->k.program.nrule && (t->k.program.rule[f->rule[i]].flags & VG_RULE_FED);
	if (!fed || memcmp(f->identity, none, sizeof(none)) == 0)
		return VG_OK;
	return vg_hits_known(t->hits, f->tenant, f->identity, f->time_ns, f->seq, out);
}

static vg_rc
one_found(struct trace *t)
{
	const struct vg_found *f = &t->found;
	struct vg_cur c = vg_cur_of(f->wire.p, f->wire.n);
	bool copy;
	vg_rc rc;

	vg_arena_reset(&t->arena);
	if (vg_is_drill(f->tenant) && !enter_world(t, f->tenant))
		return VG_OK;
	if ((rc = vg_wire_decode(&c, &t->event)) != VG_OK || (rc = is_copy(t, &copy)) != VG_OK)
		return rc;
	for (uint32_t i = 0; i < f->nmet && rc == VG_OK; i++)
		rc = met_signal(t, &f->met[i], false);
	for (uint32_t i = 0; i < f->nrule && rc == VG_OK; i++) {
		const struct vg_rule *r;

		if (f->rule[i] >= t->k.program.nrule)
			return VG_E_FORMAT;
		r = &t->k.program.rule[f->rule[i]];
		if (is_reported(t, f->tenant, f->rule[i]))
			rc = base_signal(t, f->rule[i]);
		if (rc == VG_OK && !copy && (r->flags & VG_RULE_FED)) {
			vg_buf_clear(&t->wire);
			vg_wire_encode(&t->wire, &t->event, t->k.program.need + r->need, r->nneed);
			rc = t->wire.rc != VG_OK ? t->wire.rc : vg_live_hit(t->live, f->tenant, f->rule[i], f->time_ns, f->seq, vg_buf_str(&t->wire));
		}
	}
	return rc;
}

static vg_rc
begin_transaction(struct trace *t)
{
	vg_rc rc = t->open ? VG_OK : vg_db_run(t->db, "BEGIN");

	t->open = rc == VG_OK;
	return rc;
}

static vg_rc
take_batch(struct trace *t, uint64_t next, int64_t newest_ns, struct vg_cur *c)
{
	vg_rc rc = begin_transaction(t);

	if (newest_ns > t->newest_ns)
		t->newest_ns = newest_ns;
	while (rc == VG_OK && vg_cur_left(c))
		if ((rc = vg_found_take(c, &t->found)) == VG_OK && t->found.seq >= t->next && t->found.seq < next)
			rc = one_found(t);
	t->records += next - t->next;
	t->next = next;
	t->heard_ns = vg_monotonic_ns();
	return rc;
}

static vg_rc
take_those_ahead(struct trace *t)
{
	vg_rc rc = VG_OK;

	while (rc == VG_OK && t->nahead && t->ahead[0].first <= t->next) {
		struct ahead a = t->ahead[0];
		struct vg_cur c = vg_cur_of(a.bytes, a.n);

		memmove(t->ahead, t->ahead + 1, --t->nahead * sizeof(a));
		if (a.next > t->next)
			rc = take_batch(t, a.next, a.newest_ns, &c);
		free(a.bytes);
	}
	return rc;
}

static vg_rc
keep_for_later(struct trace *t, uint64_t first, uint64_t next, int64_t newest_ns, struct vg_cur *c)
{
	struct ahead a = { first, next, malloc(vg_cur_left(c) + 1), vg_cur_left(c), newest_ns };
	size_t at = t->nahead;

	if (a.bytes == NULL || t->nahead == AHEAD_MAX) {
		free(a.bytes);
		return VG_E_LIMIT;
	}
	memcpy(a.bytes, c->p, a.n);
	while (at && t->ahead[at - 1].first > first)
		at--;
	if (at && t->ahead[at - 1].first == first) { /* given twice: the process that had it died behind telling us */
		free(a.bytes);
		return VG_OK;
	}
	memmove(t->ahead + at + 1, t->ahead + at, (t->nahead - at) * sizeof(a));
	t->ahead[at] = a;
	t->nahead++;
	return VG_OK;
}

static void
fail(struct trace *t, vg_rc rc)
{
	if (rc == VG_OK || t->rc != VG_OK)
		return;
	t->rc = rc;
	vg_role_say(t->env, VG_LOG_ERROR, "trace: %s%s%s: what was not written is taken from the vault again", vg_rc_name(rc), rc == VG_E_SYS ? ": " : "",
		    rc == VG_E_SYS ? sqlite3_errmsg(t->db) : "");
	vg_channel_flush(t->env->parent, 500);
	vg_loop_stop(t->env->loop);
}

static vg_rc
on_found(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct trace *t = ctx;
	uint64_t generation = vg_cur_le64(body), first = vg_cur_le64(body), next = vg_cur_le64(body);
	int64_t newest_ns = (int64_t)vg_cur_le64(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || next <= first || next - first > VG_RECORDS_COUNT_MAX) /* or one message would silence all that follows */
		return VG_E_FORMAT;
	if (t->rc != VG_OK || generation != t->generation || next <= t->next)
		return VG_OK; /* of an earlier generation, or known */
	if (first > t->next)
		return keep_for_later(t, first, next, newest_ns, body);
	fail(t, take_batch(t, next, newest_ns, body));
	fail(t, take_those_ahead(t));
	return VG_OK;
}

/* ---- what look found in older records ---- */

/* Its place is in the transaction with what it found. */
static vg_rc
keep_place(struct trace *t, uint64_t job, uint32_t tenant, uint64_t next)
{
	char text[80];
	vg_rc rc;

	snprintf(text, sizeof(text), "%llu %u %llu", (unsigned long long)job, tenant, (unsigned long long)next);
	if ((rc = vg_state_set(t->db, "look", vg_str_of(text))) == VG_OK) {
		t->at.job = job;
		t->at.tenant = tenant;
		t->at.next = next;
		t->at.unsaid = true;
	}
	return rc;
}

static vg_rc
read_place(struct trace *t)
{
	struct vg_buf b = { 0 };
	vg_str rest, word[3] = { VG_NIL, VG_NIL, VG_NIL };
	uint64_t tenant;
	vg_rc rc = vg_state_get(t->db, "look", &b);

	rest = vg_buf_str(&b);
	for (size_t i = 0; rc == VG_OK && i < VG_COUNT(word); i++)
		if (!vg_str_split(&rest, ' ', &word[i]))
			rc = VG_E_FORMAT;
	if (rc == VG_OK && (!vg_str_u64(word[0], &t->at.job) || !vg_str_u64(word[1], &tenant) || tenant > UINT32_MAX || !vg_str_u64(word[2], &t->at.next)))
		rc = VG_E_FORMAT;
	if (rc == VG_OK)
		t->at.tenant = (uint32_t)tenant;
	vg_buf_fini(&b);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

static void
tell_look(struct trace *t)
{
	struct vg_buf m = { 0 };

	vg_buf_le64(&m, t->at.job);
	vg_buf_le32(&m, t->at.tenant);
	vg_buf_le64(&m, t->at.next);
	if (t->look && m.rc == VG_OK)
		vg_channel_send(t->look, VG_MSG_LOOK_AT, vg_buf_str(&m));
	vg_buf_fini(&m);
	t->at.unsaid = false;
}

/* One hit of look's; VG_E_FORMAT ends its channel. */
static vg_rc
looked_at(struct trace *t, uint32_t tenant, struct vg_cur *c)
{
	struct vg_cur w;
	vg_rc rc = vg_found_take(c, &t->found);

	if (rc != VG_OK || t->found.tenant != tenant || t->found.nrule)
		return VG_E_FORMAT;
	vg_arena_reset(&t->arena);
	w = vg_cur_of(t->found.wire.p, t->found.wire.n);
	if (vg_wire_decode(&w, &t->event) != VG_OK)
		return VG_E_FORMAT;
	for (uint32_t i = 0; i < t->found.nmet && rc == VG_OK; i++)
		rc = met_signal(t, &t->found.met[i], true);
	return rc;
}

static vg_rc
on_looked(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct trace *t = ctx;
	uint64_t job = vg_cur_le64(body);
	uint32_t tenant = vg_cur_le32(body);
	uint64_t next = vg_cur_le64(body);
	vg_rc rc = VG_OK;

	(void)from;
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	fail(t, begin_transaction(t));
	while (t->rc == VG_OK && rc == VG_OK && vg_cur_left(body))
		rc = looked_at(t, tenant, body);
	if (rc == VG_E_FORMAT)
		return rc;
	fail(t, rc);
	if (t->rc == VG_OK)
		fail(t, keep_place(t, job, tenant, next));
	return VG_OK;
}

/* Which log sources who sends, and which fields they have. */
static vg_rc
on_seen(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	static struct vg_seen_row row;
	struct trace *t = ctx;
	vg_rc rc;

	(void)from;
	if (fd >= 0 || vg_seen_take(body, &row) != VG_OK)
		return VG_E_FORMAT;
	if (t->rc != VG_OK || t->generation == 0)
		return VG_OK;
	if ((rc = begin_transaction(t)) == VG_OK)
		rc = vg_seen_put(t->db, &row);
	fail(t, rc);
	return VG_OK;
}

/* ---- keeping ---- */

static void
tell_numbers(struct vg_channel *to, uint16_t type, uint64_t a, uint64_t b)
{
	struct vg_buf m = { 0 };

	vg_buf_le64(&m, a);
	vg_buf_le64(&m, b);
	if (to && m.rc == VG_OK)
		vg_channel_send(to, type, vg_buf_str(&m));
	vg_buf_fini(&m);
}

static void
tell_vault(struct trace *t, uint16_t type)
{
	tell_numbers(t->vault, type, t->next, t->sure);
}

static vg_rc
save(struct trace *t)
{
	struct vg_buf b = { 0 };
	char number[24];
	vg_rc rc = begin_transaction(t);

	snprintf(number, sizeof(number), "%llu", (unsigned long long)t->next);
	if (rc == VG_OK)
		rc = vg_live_save(t->live, &b);
	if (rc == VG_OK)
		rc = vg_state_set(t->db, "live", vg_buf_str(&b));
	if (rc == VG_OK)
		rc = vg_state_set(t->db, "next", vg_str_of(number));
	t->saved_bytes = b.n;
	t->saved_ns = vg_monotonic_ns();
	vg_buf_fini(&b);
	return rc;
}

static void
on_commit(void *ctx)
{
	struct trace *t = ctx;
	int64_t mono = vg_monotonic_ns(), now = mono - t->heard_ns > QUIET_NS ? vg_clock_ns() : t->newest_ns;
	bool saving = t->next != t->sure && mono - t->saved_ns >= SAVE_NS && (mono - t->saved_ns) / VG_SEC >= (int64_t)(t->saved_bytes / SAVE_BYTES_A_S);

	if (t->rc != VG_OK || t->generation == 0)
		return;
	if (now > t->newest_ns)
		t->newest_ns = now;
	fail(t, begin_transaction(t));
	if (t->rc == VG_OK && now > 0)
		fail(t, vg_live_tick(t->live, now, mono));
	if (t->rc == VG_OK)
		fail(t, forget_worlds(t, mono));
	if (t->rc == VG_OK && saving)
		fail(t, save(t));
	if (t->rc == VG_OK && t->open) {
		fail(t, vg_db_run(t->db, "COMMIT"));
		t->open = false;
	}
	if (t->rc != VG_OK)
		return;
	fail(t, vg_trace_out_turn(t->out));
	if (saving)
		t->sure = t->next;
	tell_vault(t, VG_MSG_CURSOR);
	if (t->at.unsaid)
		tell_look(t);
}

static vg_rc
load(struct trace *t)
{
	struct vg_live_out out = { t, on_correlation, on_withdraw };
	struct vg_live_options o = { .wait_ns = (int64_t)vg_role_number(t->env, "late-wait-ms", 15 * 60 * 1000) * 1000000,
				     .keep_ns = (int64_t)vg_role_number(t->env, "keep-hits-s", 0) * VG_SEC,
				     .hold_ns = HOLD_NS,
				     .drills = VG_DRILL_WORLDS };
	struct vg_live_store store;
	struct vg_buf b = { 0 };
	uint64_t seq;
	vg_rc rc;

	if ((rc = vg_hits_open(t->db, &t->hits)) != VG_OK || (rc = vg_drilled_begin(t->db, VG_DRILL_WORLDS)) != VG_OK ||
	    (rc = vg_seen_begin(t->db, vg_clock_ns())) != VG_OK)
		return rc;
	if ((rc = read_place(t)) != VG_OK)
		return rc;
	store = vg_hits_store(t->hits);
	if ((rc = vg_live_new(&t->k.program, t->k.keys, &o, &store, &out, &t->live)) != VG_OK)
		return rc;
	if ((rc = vg_state_get(t->db, "next", &b)) == VG_OK && !vg_str_u64(vg_buf_str(&b), &t->sure))
		rc = VG_E_FORMAT;
	vg_buf_clear(&b);
	if (rc == VG_OK && (rc = vg_state_get(t->db, "live", &b)) == VG_OK && (rc = vg_live_load(t->live, vg_buf_str(&b), &seq)) == VG_E_FORMAT) {
		vg_role_say(t->env, VG_LOG_WARNING, "trace: the correlations' state is damaged; it is made anew from stored hits");
		rc = VG_OK;
	}
	vg_buf_fini(&b);
	t->next = t->sure;
	return rc == VG_OK || rc == VG_E_NOTFOUND ? forget_all_worlds(t) : rc;
}

/* ---- the role ---- */

/* A machine that is short of memory is to say so when the watch begins, not when the second correlator fills at night: the memory that groups live in is
 * the process's from the start, and stays in one piece. */
static vg_rc
reserve(size_t limit_bytes)
{
	char *piece[RESERVE / LARGE] = { NULL };
	size_t n = limit_bytes / 4 < RESERVE ? limit_bytes / 4 / LARGE : RESERVE / LARGE;
	bool all = true;

	(void)mallopt(M_MMAP_THRESHOLD, 2 * LARGE);
	(void)mallopt(M_TRIM_THRESHOLD, (int)RESERVE * 2);
	for (size_t i = 0; i < n; i++) {
		all = all && (piece[i] = malloc(LARGE)) != NULL;
		if (piece[i])
			explicit_bzero(piece[i], LARGE); /* or it would be a promise only */
	}
	for (size_t i = 0; i < n; i++)
		free(piece[i]);
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
	return all ? VG_OK : VG_E_NOMEM;
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct trace the_trace;
	struct trace *t = &the_trace;
	char why[400];
	vg_rc rc;

	t->env = e;
	e->ctx = t;
	t->newest_ns = VG_TIME_NONE;
	t->level = (uint8_t)vg_role_number(e, "level", VG_LEVEL_INFO);
	t->indicator_level = (uint8_t)vg_role_number(e, "indicator-level", VG_LEVEL_HIGH);
	limits->may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_WRITE;
	limits->dir = vg_role_fd(e, "folder");
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)512 << 20);
	if ((rc = vg_knowledge_open(vg_role_fd(e, "knowledge"), &t->k, why)) != VG_OK) {
		vg_role_say(e, VG_LOG_ERROR, "trace: %s", why);
		return rc;
	}
	if ((rc = vg_identity_of(&t->k.program, &t->id)) != VG_OK)
		return rc;
	vg_arena_init(&t->arena, (size_t)64 << 20);
	vg_arena_init(&t->scratch, (size_t)64 << 20);
	vg_event_init(&t->event, &t->arena, t->k.keys);
	t->regexes = vg_regexes_new(&t->k.program);
	t->ahead = calloc(AHEAD_MAX + 1, sizeof(*t->ahead));
	t->world = calloc(WORLDS_MAX, sizeof(*t->world));
	return t->regexes && t->ahead && t->world ? reserve(limits->data_bytes) : VG_E_NOMEM;
}

static vg_rc
begin(struct vg_role_env *e)
{
	struct trace *t = e->ctx;
	char why[200];
	vg_rc rc;

	if ((rc = vg_signals_open("signals.db", false, why, &t->db)) != VG_OK) {
		vg_role_say(e, VG_LOG_ERROR, "trace: %s", why);
		return rc;
	}
	if ((rc = vg_trace_out_new(e, t->db, &t->out)) != VG_OK)
		return rc;
	if ((rc = load(t)) != VG_OK) {
		vg_role_say(e, VG_LOG_ERROR, "trace: the state cannot be loaded: %s",
			    rc == VG_E_UNSUP ? "it is of a later version of Vigie: install that one, or a later one; nothing was changed" : sqlite3_errmsg(t->db));
		return rc;
	}
	return vg_loop_every(e->loop, COMMIT_MS, on_commit, t);
}

static vg_rc
on_begin(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct trace *t = ctx;
	uint64_t generation = vg_cur_le64(body), next = vg_cur_le64(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || generation == 0)
		return VG_E_FORMAT;
	if (t->generation == 0 || next > t->next) /* else what is given again is passed over by its number */
		t->next = next;
	while (t->nahead)
		free(t->ahead[--t->nahead].bytes);
	t->generation = generation;
	for (int i = 0; i < VG_ROLE_INDEX_MAX; i++)
		tell_numbers(t->detect[i], VG_MSG_BEGIN, t->generation, t->next);
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct trace *t = ctx;

	if (t->vault == c)
		t->vault = NULL;
	if (t->look == c) {
		t->look = NULL;
		vg_role_lost(t->env, VG_ROLE_LOOK, 0);
	}
	for (int i = 0; i < VG_ROLE_INDEX_MAX; i++)
		if (t->detect[i] == c) {
			t->detect[i] = NULL;
			if (t->generation) /* what it had found and not sent, the vault may take for done */
				tell_vault(t, VG_MSG_AGAIN);
		}
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	static const struct vg_handler from_vault[] = { { VG_MSG_BEGIN, 16, on_begin }, { 0, 0, NULL } };
	static const struct vg_handler from_detect[] = { { VG_MSG_FOUND, VG_FOUND_BYTES_MAX, on_found }, { VG_MSG_SEEN, VG_SEEN_BYTES_MAX, on_seen }, { 0, 0, NULL } };
	struct trace *t = e->ctx;
	static const struct vg_handler from_look[] = { { VG_MSG_LOOKED, VG_FOUND_BYTES_MAX, on_looked }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { role == VG_ROLE_VAULT ? from_vault : role == VG_ROLE_LOOK ? from_look : from_detect, closed, t };
	struct vg_channel **place = role == VG_ROLE_VAULT ? &t->vault : role == VG_ROLE_LOOK ? &t->look : &t->detect[index];
	vg_rc rc;

	if (role == VG_ROLE_OUT)
		return vg_trace_out_peer(t->out, fd);
	if (role != VG_ROLE_VAULT && role != VG_ROLE_DETECT && role != VG_ROLE_LOOK)
		return VG_E_FORMAT;
	if (*place) {
		vg_channel_free(*place);
		*place = NULL;
	}
	if ((rc = vg_channel_new(e->loop, fd, &ops, place)) != VG_OK)
		return rc;
	if (role == VG_ROLE_VAULT)
		tell_vault(t, VG_MSG_CURSOR);
	else if (role == VG_ROLE_LOOK && !t->at.unsaid) /* else behind the next commit */
		tell_look(t);
	else if (role == VG_ROLE_DETECT && t->generation)
		tell_numbers(*place, VG_MSG_BEGIN, t->generation, t->next);
	return VG_OK;
}

static void
tick(struct vg_role_env *e)
{
	struct trace *t = e->ctx;
	struct vg_live_counts c;
	struct vg_buf b = { 0 };

	vg_live_counts(t->live, &c);
	vg_buf_printf(&b, "records %llu\nsignals %llu\ncopies %llu\nwithdrawn %llu\nhits %llu\nlate %llu\nrefused %llu\ndropped %llu\nexpired %llu\nbackwards %llu\nwaiting_batches %zu\n"
		      "disorder %llu\nreplayed %llu\nheld_bytes %zu\n",
		      (unsigned long long)t->records, (unsigned long long)t->signals, (unsigned long long)t->copies, (unsigned long long)t->withdrawn,
		      (unsigned long long)c.hits, (unsigned long long)c.late, (unsigned long long)c.refused, (unsigned long long)c.dropped,
		      (unsigned long long)c.expired, (unsigned long long)t->backwards, t->nahead, (unsigned long long)c.disorder, (unsigned long long)c.replayed,
		      c.bytes);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

static void
stop(struct vg_role_env *e)
{
	struct trace *t = e->ctx;

	if (t->rc == VG_OK && t->generation) {
		fail(t, save(t));
		if (t->rc == VG_OK && t->open)
			fail(t, vg_db_run(t->db, "COMMIT"));
	}
	vg_db_close(t->db);
	t->rc = VG_E_STOP; /* the timers of this turn have nothing to do */
	vg_role_done(e);
}

const struct vg_role_impl vg_trace_role = { VG_ROLE_TRACE, prepare, begin, peer, NULL, tick, stop };
