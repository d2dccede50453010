#include "role/trace_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "role/alarm.h"

#define BATCH_MAX 256
#define AGAIN_NS (10 * VG_SEC) /* what out did not say to have is brought again */

struct name { /* of a tenant */
	uint32_t id;
	vg_str name; /* of what was given */
};
struct vg_trace_out {
	struct vg_role_env *env;
	sqlite3 *db;
	struct vg_channel *channel;
	uint8_t level;
	struct name *name; /* owned */
	size_t nname;
	uint64_t number;
	uint64_t sent[BATCH_MAX]; /* numbers of signals that are under way */
	size_t nsent;
	int64_t sent_ns;
	struct vg_buf b;
};

static vg_rc
read_names(struct vg_trace_out *o)
{
	vg_str text = vg_role_text(o->env, "tenant-names"), line;
	size_t lines = 1;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	if ((o->name = calloc(lines, sizeof(*o->name))) == NULL)
		return VG_E_NOMEM;
	while (vg_str_split(&text, '\n', &line)) {
		size_t sp = vg_str_chr(line, ' ');
		uint64_t id;

		if (sp != VG_NPOS && vg_str_u64(vg_str_cut(line, sp), &id))
			o->name[o->nname++] = (struct name){ (uint32_t)id, vg_str_skip(line, sp + 1) };
	}
	return VG_OK;
}

void
vg_trace_out_free(struct vg_trace_out *o)
{
	if (o == NULL)
		return;
	vg_channel_free(o->channel);
	vg_buf_fini(&o->b);
	free(o->name);
	free(o);
}

vg_rc
vg_trace_out_new(struct vg_role_env *e, sqlite3 *db, struct vg_trace_out **out)
{
	struct vg_trace_out *o = calloc(1, sizeof(*o));
	vg_rc rc;

	if (o == NULL)
		return VG_E_NOMEM;
	o->env = e;
	o->db = db;
	o->level = (uint8_t)vg_role_number(e, "alarm-level", 3);
	if ((rc = read_names(o)) != VG_OK) {
		vg_trace_out_free(o);
		return rc;
	}
	*out = o;
	return VG_OK;
}

vg_rc
vg_trace_out_signal(struct vg_trace_out *o, const struct vg_signal_row *s)
{
	return s->level >= o->level ? vg_alarm_wait(o->db, s->id) : VG_OK;
}

static vg_str
name_of(const struct vg_trace_out *o, uint32_t tenant)
{
	for (size_t i = 0; i < o->nname; i++)
		if (o->name[i].id == tenant)
			return o->name[i].name;
	return VG_NIL;
}

static vg_rc
put_signal(void *ctx, const struct vg_signal_row *s)
{
	struct vg_trace_out *o = ctx;
	struct vg_role_alarm a = { .kind = VG_ROLE_ALARM_SIGNAL, .level = s->level, .time_ns = s->time_ns, .tenant = name_of(o, s->tenant), .title = s->title, .text = s->host };

	if (o->b.n >= VG_ALARMS_BYTES)
		return VG_E_STOP;
	memcpy(a.id, s->id, sizeof(a.id));
	vg_role_alarm_put(&o->b, &a);
	o->sent[o->nsent++] = s->n;
	return o->b.rc;
}

vg_rc
vg_trace_out_turn(struct vg_trace_out *o)
{
	int64_t now_ns = vg_monotonic_ns();
	vg_rc rc;

	if (o->channel == NULL || (o->nsent && now_ns - o->sent_ns < AGAIN_NS))
		return VG_OK;
	o->nsent = 0;
	vg_buf_clear(&o->b);
	vg_buf_le64(&o->b, ++o->number);
	if ((rc = vg_alarms_each(o->db, BATCH_MAX, put_signal, o)) != VG_OK || o->nsent == 0)
		return rc;
	o->sent_ns = now_ns;
	vg_channel_send(o->channel, VG_MSG_ALARMS, vg_buf_str(&o->b));
	return VG_OK;
}

static vg_rc
on_kept(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vg_trace_out *o = ctx;
	uint64_t number = vg_cur_le64(body);
	bool own = sqlite3_get_autocommit(o->db) != 0; /* else it is in the transaction at hand */
	vg_rc rc = VG_OK;

	(void)from;
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	if (number != o->number)
		return VG_OK; /* of an earlier try */
	if (own && vg_db_run(o->db, "BEGIN") != VG_OK)
		return VG_OK;
	for (size_t i = 0; i < o->nsent && rc == VG_OK; i++)
		rc = vg_alarm_gone(o->db, o->sent[i]);
	if (own && (rc != VG_OK || vg_db_run(o->db, "COMMIT") != VG_OK))
		vg_db_rollback(o->db);
	o->nsent = 0;
	return own ? vg_trace_out_turn(o) : VG_OK; /* one that could not be removed is brought again */
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct vg_trace_out *o = ctx;

	if (o->channel != c)
		return;
	o->channel = NULL;
	o->nsent = 0;
	vg_role_lost(o->env, VG_ROLE_OUT, 0);
}

vg_rc
vg_trace_out_peer(struct vg_trace_out *o, int fd)
{
	static const struct vg_handler handlers[] = { { VG_MSG_ALARMS_KEPT, 8, on_kept }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { handlers, closed, o };
	struct vg_channel *old = o->channel;

	o->channel = NULL;
	o->nsent = 0;
	vg_channel_free(old);
	return vg_channel_new(o->env->loop, fd, &ops, &o->channel);
}
