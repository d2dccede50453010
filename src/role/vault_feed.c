#include "role/vault_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "role/alarm.h"
#include "rule/program.h"

static bool
is_aside(const struct vault *v, uint64_t seq)
{
	for (size_t i = 0; i < v->naside; i++)
		if (v->aside[i] == seq)
			return true;
	return false;
}

/* ---- giving ---- */

struct batch {
	struct vault *v;
	uint64_t next;
};

static vg_rc
put_event(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	struct batch *b = ctx;
	struct vg_buf *out = &b->v->out;

	if (out->n >= VG_RECORDS_BYTES)
		return VG_E_STOP;
	if (!is_aside(b->v, r->seq)) {
		vg_buf_le32(out, tenant);
		vg_record_put(out, r);
	}
	b->next = r->seq + 1;
	return out->rc;
}

/* Give @d what comes next.  false: there is nothing. */
static bool
give(struct vault *v, struct vault_detect *d)
{
	struct batch b = { v, v->feed.seq };
	uint64_t first = v->feed.seq;
	vg_rc rc;

	vg_buf_clear(&v->out);
	vg_buf_le64(&v->out, v->generation);
	vg_buf_le64(&v->out, first);
	vg_buf_le64(&v->out, 0);
	rc = vg_intake_walk(v->intake, &v->feed, 2 * VG_RECORDS_BYTES, put_event, &b);
	if (rc != VG_OK || b.next == first) {
		if (rc != VG_OK)
			vg_role_say(v->env, VG_LOG_ERROR, "vault: record %llu cannot be read back: %s", (unsigned long long)first, vg_rc_name(rc));
		return false;
	}
	memcpy(v->out.p + 16, &b.next, sizeof(b.next)); /* little-endian machines alone, as base/cur.h says */
	d->at_work[d->n++] = (struct vault_range){ first, b.next };
	vg_channel_send(d->channel, VG_MSG_EVENTS, vg_buf_str(&v->out));
	return true;
}

void
vault_feed(struct vault *v)
{
	bool gave = true;

	if (!v->trace_known)
		return;
	for (unsigned round = 0; round < VAULT_IN_FLIGHT && gave; round++) {
		gave = false;
		for (int i = 0; i < VAULT_DETECT_MAX; i++) {
			struct vault_detect *d = &v->detect[i];

			if (d->channel && d->n <= round && v->feed.seq < vg_intake_next(v->intake) && v->feed.seq - v->trace_next < VAULT_AHEAD_MAX)
				gave |= give(v, d);
		}
	}
}

/* A new generation: what trace does not have is given (again). */
static void
begin_generation(struct vault *v)
{
	v->generation++;
	v->feed = (struct vg_intake_cursor){ .seq = v->trace_next };
	vg_buf_clear(&v->out);
	vg_buf_le64(&v->out, v->generation);
	vg_buf_le64(&v->out, v->trace_next);
	vg_channel_send(v->trace, VG_MSG_BEGIN, vg_buf_str(&v->out));
	vault_feed(v);
}

bool
vault_is_idle(const struct vault *v)
{
	return v->trace_known && v->trace_next == vg_intake_next(v->intake);
}

/* ---- who died over what ---- */

static void
set_aside(struct vault *v, uint64_t seq)
{
	char text[200];

	if (v->naside == VAULT_ASIDE_MAX || is_aside(v, seq))
		return;
	v->aside[v->naside++] = seq;
	snprintf(text, sizeof(text), "{\"vigie\":{\"event\":\"record-set-aside\",\"record\":%llu,\"role\":\"detect\",\"deaths\":2}}", (unsigned long long)seq);
	if (vg_db_do(v->db, "INSERT OR IGNORE INTO aside (seq, time_ns) VALUES (?, ?)", "ii", (int64_t)seq, vg_clock_ns()) != VG_OK)
		vg_role_say(v->env, VG_LOG_WARNING, "vault: catalogue.db cannot be written: %s", sqlite3_errmsg(v->db));
	vault_own(v, v->tenant[0].id, vg_str_of(text)); /* which a rule tells people of: rules/vigie/watch.yml */
	vg_role_say(v->env, VG_LOG_ERROR, "vault: record %llu ended two processes that decoded it: it is kept, and no rule sees it", (unsigned long long)seq);
}

static void
suspect(struct vault *v, uint64_t seq)
{
	for (size_t i = 0; i < VAULT_SUSPECTS; i++)
		if (v->suspect[i].seq == seq) {
			if (++v->suspect[i].deaths >= 2)
				set_aside(v, seq);
			return;
		}
	v->suspect[v->next_suspect].seq = seq;
	v->suspect[v->next_suspect].deaths = 1;
	v->next_suspect = (v->next_suspect + 1) % VAULT_SUSPECTS;
}

/* The record that it died over is a suspect; what it had is given again. */
static void
forget_detect(struct vault *v, struct vault_detect *d)
{
	uint64_t seq = d->progress ? *d->progress : 0;
	bool had = d->n > 0;

	for (unsigned k = 0; k < d->n; k++)
		if (seq >= d->at_work[k].first && seq < d->at_work[k].next) {
			suspect(v, seq);
			break; /* two generations may hold it */
		}
	if (d->progress)
		*d->progress = 0; /* charged once: the next channel may end before a process works on it */
	d->channel = NULL;
	d->n = 0;
	if (had && v->trace_known)
		begin_generation(v);
}

static void
detect_closed(void *ctx, struct vg_channel *c)
{
	struct vault *v = ctx;

	for (int i = 0; i < VAULT_DETECT_MAX; i++)
		if (v->detect[i].channel == c) {
			forget_detect(v, &v->detect[i]);
			vg_role_lost(v->env, VG_ROLE_DETECT, (unsigned)i);
		}
}

/* What could not be read of a source. */
static void
note_source(struct vault *v, struct vg_cur *c)
{
	uint32_t id = vg_cur_le32(c), unparsed = vg_cur_le32(c), unknown = vg_cur_le32(c);
	int64_t skew_ns = (int64_t)vg_cur_le64(c);

	for (uint32_t i = 0; i < v->nsource && c->rc == VG_OK; i++)
		if (v->source[i].s.id == id) {
			v->source[i].s.unparsed += unparsed;
			v->source[i].s.unknown += unknown;
			v->source[i].s.skew_ns = skew_ns;
			v->source[i].changed = true;
			return;
		}
}

static vg_rc
on_done(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	uint64_t first = vg_cur_le64(body);

	while (vg_cur_left(body))
		note_source(v, body);
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	for (int i = 0; i < VAULT_DETECT_MAX; i++) {
		struct vault_detect *d = &v->detect[i];

		for (unsigned k = 0; d->channel == from && k < d->n; k++)
			if (d->at_work[k].first == first) {
				d->n--;
				memmove(&d->at_work[k], &d->at_work[k + 1], (d->n - k) * sizeof(*d->at_work));
				vault_feed(v);
				return VG_OK;
			}
	}
	return VG_E_FORMAT;
}

vg_rc
vault_detect_new(struct vault *v, unsigned index, int fd)
{
	static const struct vg_handler handlers[] = { { VG_MSG_DONE, 8192, on_done }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { handlers, detect_closed, v };
	struct vault_detect *d = &v->detect[index];
	vg_rc rc;

	if (index >= VAULT_DETECT_MAX)
		return VG_E_FORMAT;
	if (d->channel) { /* the one before was told dead to the parent first */
		struct vg_channel *old = d->channel;

		forget_detect(v, d);
		vg_channel_free(old);
	}
	if (d->progress)
		*d->progress = 0;
	if ((rc = vg_channel_new(v->env->loop, fd, &ops, &d->channel)) == VG_OK)
		vault_feed(v);
	return rc;
}

/* ---- trace ---- */

/* The first of its life tells where all that follows it begins. */
static void
first_cursor(struct vault *v, uint64_t seq, uint64_t sure)
{
	uint64_t first = vg_intake_first(v->intake);

	if (seq == 0)
		seq = first;
	if (seq < first) { /* a journal that was dropped, or a state that is older than it */
		v->unexamined += first - seq;
		vg_role_say(v->env, VG_LOG_WARNING, "vault: records %llu to %llu left the intake journal before rules saw them; they are kept in segments",
			    (unsigned long long)seq, (unsigned long long)first - 1);
		seq = first;
	}
	if (seq > vg_intake_next(v->intake))
		seq = vg_intake_next(v->intake);
	v->trace_sure = sure < seq ? sure : seq;
	v->trace_known = true;
	v->trace_next = seq;
	begin_generation(v);
}

/* What trace has. */
static vg_rc
take_cursor(struct vault *v, struct vg_cur *body, int fd, bool again)
{
	uint64_t seq = vg_cur_le64(body), sure = vg_cur_le64(body);

	if (fd >= 0 || body->rc != VG_OK || sure > seq)
		return VG_E_FORMAT;
	if (!v->trace_known) {
		first_cursor(v, seq, sure);
		return VG_OK;
	}
	if (seq < v->trace_next || seq > vg_intake_next(v->intake))
		return VG_E_FORMAT;
	v->trace_next = seq;
	if (sure > v->trace_sure)
		v->trace_sure = sure;
	if (again)
		begin_generation(v);
	else if (seq > v->feed.seq) /* it took more of the generation before than it had said when this one began */
		v->feed = (struct vg_intake_cursor){ .seq = seq };
	vault_feed(v);
	return VG_OK;
}

static vg_rc
on_cursor(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	(void)from;
	return take_cursor(ctx, body, fd, false);
}

static vg_rc
on_again(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	(void)from;
	return take_cursor(ctx, body, fd, true);
}

static void
trace_closed(void *ctx, struct vg_channel *c)
{
	struct vault *v = ctx;

	if (v->trace == c) {
		v->trace = NULL;
		v->trace_known = false;
		vg_role_lost(v->env, VG_ROLE_TRACE, 0);
	}
}

vg_rc
vault_trace_new(struct vault *v, int fd)
{
	static const struct vg_handler handlers[] = { { VG_MSG_CURSOR, 16, on_cursor }, { VG_MSG_AGAIN, 16, on_again }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { handlers, trace_closed, v };
	struct vg_channel *c;
	vg_rc rc;

	if (v->trace) {
		vg_channel_free(v->trace);
		v->trace = NULL;
		v->trace_known = false;
	}
	if ((rc = vg_channel_new(v->env->loop, fd, &ops, &c)) == VG_OK)
		v->trace = c;
	return rc;
}
