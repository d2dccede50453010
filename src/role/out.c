/* role/out.c - the only role that connects outward: it takes alarms, has them on disk before it says so, and tells them by mail, webhooks and a
 * command; and it asks for time stamps.  It holds no evidence, no key of the vault's, and opens nothing but its own folder. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "role/out_impl.h"
#include "role/roles.h"

#define FILE_NAME "out.db"
#define TURN_MS 500

/* ---- alarms that come ---- */

static vg_rc
keep(struct out *o, const struct vg_role_alarm *a)
{
	struct vg_outbox_alarm x = { .kind = a->kind, .level = a->level, .tenant = a->tenant, .title = a->title, .text = a->text, .time_ns = a->time_ns };
	bool new;
	vg_rc rc;

	memcpy(x.id, a->id, sizeof(x.id));
	if ((rc = vg_outbox_add(o->db, &x, vg_clock_ns(), &new)) == VG_OK) {
		o->alarms += new;
		o->again += !new;
	}
	return rc;
}

/* VG_OK: all of them are on disk.  VG_E_SYS, VG_E_NOMEM: none, and it was told; else they are none. */
static vg_rc
keep_all(struct out *o, struct vg_cur *c)
{
	struct vg_role_alarm a = { .kind = 0 };
	vg_rc rc;

	if (o->db == NULL)
		return VG_E_SYS;
	if ((rc = vg_db_run(o->db, "BEGIN IMMEDIATE")) != VG_OK) {
		vg_role_say(o->env, VG_LOG_ERROR, "out: alarms cannot be kept: %s; they are brought again", sqlite3_errmsg(o->db));
		return VG_E_SYS;
	}
	while (rc == VG_OK && vg_cur_left(c))
		if ((rc = vg_role_alarm_take(c, &a)) == VG_OK && (rc = keep(o, &a)) != VG_OK && rc != VG_E_NOMEM)
			rc = VG_E_SYS;
	if (rc == VG_OK && (rc = vg_db_run(o->db, "COMMIT")) != VG_OK)
		rc = VG_E_SYS;
	if (rc == VG_E_SYS)
		vg_role_say(o->env, VG_LOG_ERROR, "out: alarms cannot be kept: %s; they are brought again", sqlite3_errmsg(o->db));
	if (rc != VG_OK)
		vg_db_rollback(o->db);
	return rc;
}

static vg_rc
on_alarms(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct out *o = ctx;
	uint64_t number = vg_cur_le64(body);
	struct vg_buf b = { 0 };
	vg_rc rc;

	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	if ((rc = keep_all(o, body)) != VG_OK)
		return rc == VG_E_SYS || rc == VG_E_NOMEM ? VG_OK : rc; /* not said to be kept: they come again */
	vg_buf_le64(&b, number);
	if (b.rc == VG_OK)
		vg_channel_send(from, VG_MSG_ALARMS_KEPT, vg_buf_str(&b));
	vg_buf_fini(&b);
	return VG_OK;
}

static void
on_request(struct out *o)
{
	struct vg_request r;

	if (o->db && vg_request_take(vg_role_text(o->env, "request"), &r) == VG_OK && vg_str_eq(r.verb, VG_STR("alarm-test")))
		out_ways_test(o, &r);
}

static void
news(struct vg_role_env *e, const char *name)
{
	struct out *o = e->ctx;

	if (strcmp(name, "alarms") == 0) {
		vg_str s = vg_role_text(e, name);
		struct vg_cur c = vg_cur_of(s.p, s.n);

		if (keep_all(o, &c) == VG_OK)
			vg_role_took(e, name);
	} else if (strcmp(name, "request") == 0) {
		on_request(o);
	}
}

/* ---- the role ---- */

static void
on_turn(void *ctx)
{
	struct out *o = ctx;

	if (o->db == NULL)
		return;
	out_ways_turn(o);
	out_errand_turn(o);
}

static vg_rc
prepare_proxy(struct out *o, struct vg_outward_options *x)
{
	vg_str proxy = vg_role_text(o->env, "proxy");

	o->proxy = -1;
	if (proxy.n == 0)
		return VG_OK;
	x->proxy = proxy.p;
	return (o->proxy = out_place_of(o, proxy.p)) >= 0 ? VG_OK : VG_E_FORMAT;
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct out the_out;
	struct out *o = &the_out;
	struct vg_outward_options x = { .ca = vg_role_text(e, "ca"), .agent = "vigie" };
	vg_rc rc;

	o->env = e;
	e->ctx = o;
	o->lang = vg_role_number(e, "language", VG_LANG_EN) == VG_LANG_FR ? VG_LANG_FR : VG_LANG_EN;
	o->pause_ns = (int64_t)vg_role_number(e, "pause-s", 60) * VG_SEC;
	snprintf(o->node, sizeof(o->node), "%.*s", VG_STR_ARG(vg_role_text(e, "node")));
	limits->may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_WRITE | VG_MAY_CONNECT;
	limits->dir = vg_role_fd(e, "folder");
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)256 << 20);
	if (limits->dir < 0)
		return VG_E_NOTFOUND;
	if ((rc = prepare_proxy(o, &x)) != VG_OK || (rc = out_ways_read(o)) != VG_OK || (rc = out_stamp_read(o)) != VG_OK ||
	    (rc = out_begin_helpers(o)) != VG_OK)
		return rc;
	return vg_outward_new(e->loop, &x, &o->outward);
}

/* A queue that is damaged is put aside: alarms are told again from then on. */
static vg_rc
open_queue(struct out *o)
{
	char why[200];
	vg_rc rc = vg_outbox_open(FILE_NAME, false, why, &o->db);

	if (rc == VG_E_FORMAT) {
		vg_role_say(o->env, VG_LOG_ERROR, "out: %s: it is put aside as " FILE_NAME ".damaged, and a new one begun; alarms that waited in it may be lost", why);
		(void)unlink(FILE_NAME "-wal");
		(void)unlink(FILE_NAME "-shm");
		if (rename(FILE_NAME, FILE_NAME ".damaged") == 0)
			rc = vg_outbox_open(FILE_NAME, false, why, &o->db);
	}
	if (rc != VG_OK)
		vg_role_say(o->env, VG_LOG_ERROR, "out: %s", why);
	return rc;
}

static vg_rc
begin(struct vg_role_env *e)
{
	struct out *o = e->ctx;
	const char *name[OUT_WAYS_MAX] = { "nobody" };
	vg_rc rc;

	for (size_t i = 0; i < o->nway; i++)
		name[i] = o->way[i].name;
	if ((rc = open_queue(o)) != VG_OK || (rc = vg_outbox_ways(o->db, name, o->nway ? o->nway : 1, vg_clock_ns())) != VG_OK)
		return rc;
	return vg_loop_every(e->loop, TURN_MS, on_turn, o);
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct out *o = ctx;

	if (o->vault == c) {
		o->vault = NULL;
		vg_role_lost(o->env, VG_ROLE_VAULT, 0);
	} else if (o->trace == c) {
		o->trace = NULL;
		vg_role_lost(o->env, VG_ROLE_TRACE, 0);
	}
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	static const struct vg_handler from_vault[] = { { VG_MSG_ALARMS, VG_ALARMS_BYTES_MAX, on_alarms }, { VG_MSG_STAMP, VG_NOTE_BYTES_MAX + 128, out_on_stamp }, { 0, 0, NULL } };
	static const struct vg_handler from_trace[] = { { VG_MSG_ALARMS, VG_ALARMS_BYTES_MAX, on_alarms }, { 0, 0, NULL } };
	struct out *o = e->ctx;
	struct vg_channel_ops ops = { role == VG_ROLE_VAULT ? from_vault : from_trace, closed, o };
	struct vg_channel **place = role == VG_ROLE_VAULT ? &o->vault : &o->trace;

	(void)index;
	if (role != VG_ROLE_VAULT && role != VG_ROLE_TRACE)
		return VG_E_FORMAT;
	if (*place) {
		vg_channel_free(*place);
		*place = NULL;
	}
	return vg_channel_new(e->loop, fd, &ops, place);
}

static vg_rc
count_way(void *ctx, const struct vg_outbox_way *w)
{
	uint64_t *n = ctx;

	n[0] += w->alarms;
	n[1] += w->sent;
	n[2] += w->failed;
	return VG_OK;
}

static void
tick(struct vg_role_env *e)
{
	struct out *o = e->ctx;
	struct vg_buf b = { 0 };
	uint64_t n[3] = { 0 };

	if (o->db == NULL)
		return;
	(void)!vg_outbox_each_way(o->db, count_way, n);
	vg_buf_printf(&b, "alarms %llu\nagain %llu\nwaiting %llu\ntold %llu\ngiven_up %llu\nfailures %llu\nstamps %llu\nstamps_failed %llu\n", (unsigned long long)o->alarms,
		      (unsigned long long)o->again, (unsigned long long)n[0], (unsigned long long)n[1], (unsigned long long)n[2], (unsigned long long)o->failures,
		      (unsigned long long)o->stamps, (unsigned long long)o->stamps_failed);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

/* What waits is on disk, and is told when the watch begins again. */
static void
stop(struct vg_role_env *e)
{
	struct out *o = e->ctx;

	vg_db_close(o->db);
	o->db = NULL; /* the rest of this turn has nothing to do */
	vg_role_done(e);
}

const struct vg_role_impl vg_out_role = { VG_ROLE_OUT, prepare, begin, peer, news, tick, stop };
