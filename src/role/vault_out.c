/* role/vault_out.c - the vault's side of out and respond: alarms that the vault raises, time stamps, and records of respond's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/time.h"
#include "role/alarm.h"
#include "role/request.h"
#include "role/stamp_plan.h"
#include "role/vault_impl.h"
#include "rule/program.h"
#include "vault/stamp.h"

#define PENDING_MAX 64
#define AGAIN_NS (10 * VG_SEC)           /* what out did not say to have is brought again */
#define UNSIGNED_NS (60 * VG_SEC)        /* a checkpoint is late then */
#define STAMP_WAIT_NS (90 * VG_SEC)      /* out's answer */
#define FLOOD_NS VG_MIN
#define FLOOD_RECORDS 1000               /* lost in so long: it is told */
#define FLOOD_SILENCE_NS VG_HOUR
#define STAMPS_FOLDER "stamps"

struct pending { /* an alarm that out does not have yet */
	struct vg_role_alarm a;
	char tenant[65], text[200];
};
struct stamping { /* of one tenant */
	uint64_t number;      /* what was asked for; 0: nothing is */
	struct vg_buf note;
	int64_t asked_ns;     /* monotonic */
	int64_t good_ns, tried_ns, began_ns; /* on the wall; good: the newest that is kept */
	uint32_t failures;
	uint64_t size;        /* of that checkpoint */
	bool told;            /* that it is late */
	bool ordered;         /* by the request at work */
};
struct vault_out {
	struct vg_channel *out, *respond;
	uint64_t number;
	struct pending pending[PENDING_MAX];
	size_t npending, nsent;  /* nsent: the first so many are under way */
	uint64_t sent_number;
	int64_t sent_ns;
	uint64_t lost;           /* alarms that there was no room for */
	bool *late;              /* by tenant: its checkpoint is; owned */
	struct stamping *stamp;  /* by tenant; owned */
	int64_t began_ns, every_ns; /* every: 0: no stamps */
	char request[VG_REQUEST_ID + 1];
	size_t request_left;
	bool request_good;
	struct vg_buf request_text;
	uint64_t flood;
	int64_t flood_ns, flood_told_ns;
};

/* ---- alarms ---- */

void
vault_alarm(struct vault *v, unsigned kind, unsigned level, const char *tenant, const char *text)
{
	struct vault_out *o = v->o;
	struct pending *p = &o->pending[o->npending];
	struct vg_buf b = { 0 };
	struct vg_hash h = { { 0 } };

	if (o->npending == PENDING_MAX) {
		if (o->lost++ == 0)
			vg_role_say(v->env, VG_LOG_ERROR, "vault: alarms cannot be brought to out, and there is no room for more: one of kind %u is in this log alone: %s", kind, text);
		return;
	}
	*p = (struct pending){ .a = { .kind = (uint8_t)kind, .level = (uint8_t)level, .time_ns = vg_clock_ns() } };
	snprintf(p->tenant, sizeof(p->tenant), "%s", tenant);
	snprintf(p->text, sizeof(p->text), "%s", text);
	vg_buf_printf(&b, "vault %llu %u %s %s %lld", (unsigned long long)v->generation, kind, tenant, text, (long long)p->a.time_ns);
	if (b.rc == VG_OK)
		vg_hash_of(vg_buf_str(&b), &h);
	memcpy(p->a.id, h.b, sizeof(p->a.id));
	vg_buf_fini(&b);
	o->npending++;
}

static void
bring_alarms(struct vault *v)
{
	struct vault_out *o = v->o;
	int64_t now_ns = vg_monotonic_ns();

	if (o->out == NULL || o->npending == 0 || (o->nsent && now_ns - o->sent_ns < AGAIN_NS))
		return;
	vg_buf_clear(&v->out);
	vg_buf_le64(&v->out, o->sent_number = ++o->number);
	for (size_t i = 0; i < o->npending; i++) {
		struct vg_role_alarm a = o->pending[i].a;

		a.tenant = vg_str_of(o->pending[i].tenant);
		a.text = vg_str_of(o->pending[i].text);
		vg_role_alarm_put(&v->out, &a);
	}
	if (v->out.rc != VG_OK)
		return;
	o->nsent = o->npending;
	o->sent_ns = now_ns;
	vg_channel_send(o->out, VG_MSG_ALARMS, vg_buf_str(&v->out));
}

static vg_rc
on_alarms_kept(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	struct vault_out *o = v->o;
	uint64_t number = vg_cur_le64(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	if (number != o->sent_number || o->nsent == 0)
		return VG_OK; /* of an earlier try */
	o->npending -= o->nsent;
	memmove(o->pending, o->pending + o->nsent, o->npending * sizeof(*o->pending));
	o->nsent = 0;
	return VG_OK;
}

/* A tree that is not signed vouches for nothing. */
static void
look_at_checkpoints(struct vault *v)
{
	struct vault_out *o = v->o;
	int64_t now_ns = vg_clock_ns(), limit_ns = 3 * v->checkpoint_every_ns > UNSIGNED_NS ? 3 * v->checkpoint_every_ns : UNSIGNED_NS;

	for (size_t i = 0; i < v->ntenant; i++) {
		int64_t last_ns = vg_store_last(v->tenant[i].store)->time_ns, since_ns = last_ns > o->began_ns ? last_ns : o->began_ns;
		bool late = now_ns - since_ns > limit_ns;
		char when[VG_TIME_MAX];

		if (late == o->late[i])
			continue;
		o->late[i] = late;
		(void)vg_time_print(since_ns, 0, when);
		vault_alarm(v, late ? VG_ROLE_ALARM_CHECKPOINT : VG_ROLE_ALARM_CHECKPOINT_OVER, late ? VG_LEVEL_CRITICAL : VG_LEVEL_HIGH, v->tenant[i].name, late ? when : "");
	}
}

void
vault_lost(struct vault *v, uint64_t n)
{
	struct vault_out *o = v->o;
	int64_t now_ns = vg_monotonic_ns();
	char text[80];

	if (now_ns - o->flood_ns > FLOOD_NS) {
		o->flood_ns = now_ns;
		o->flood = 0;
	}
	o->flood += n;
	if (o->flood < FLOOD_RECORDS || (o->flood_told_ns && now_ns - o->flood_told_ns < FLOOD_SILENCE_NS))
		return;
	o->flood_told_ns = now_ns;
	snprintf(text, sizeof(text), "UDP, over %llu", (unsigned long long)o->flood);
	vault_alarm(v, VG_ROLE_ALARM_FLOOD, VG_LEVEL_HIGH, "", text);
}

/* ---- time stamps ---- */

struct newest {
	uint64_t size;
	int64_t time_ns;
	int dir;
};

static vg_rc
look_at_stamp(void *ctx, const char *name)
{
	struct newest *n = ctx;
	struct stat st;
	uint64_t size;

	if (vg_str_u64(vg_str_cut(vg_str_of(name), strlen(name) - strlen(VG_STAMP_SUFFIX)), &size) && size >= n->size &&
	    fstatat(n->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		n->size = size;
		n->time_ns = (int64_t)st.st_mtime * VG_SEC;
	}
	return VG_OK;
}

static vg_rc
find_newest(struct vault *v, size_t at)
{
	struct vg_disk d;
	struct newest n = { .size = 0 };
	vg_rc rc = vg_disk_folder(&v->tenant[at].dir, STAMPS_FOLDER, &d);

	if (rc != VG_OK)
		return rc;
	n.dir = d.dir;
	rc = vg_disk_each(&d, VG_STAMP_SUFFIX, look_at_stamp, &n);
	vg_disk_close(&d);
	v->o->stamp[at].size = n.size;
	v->o->stamp[at].good_ns = n.time_ns;
	v->o->stamp[at].began_ns = n.time_ns ? n.time_ns : vg_clock_ns();
	return rc;
}

static void
end_request(struct vault *v)
{
	struct vault_out *o = v->o;

	vg_role_answer(v->env, vg_str_of(o->request), o->request_good, vg_buf_str(&o->request_text));
	o->request[0] = 0;
}

/* What came of it, for whoever asked. */
static void
tell_request(struct vault *v, size_t at, bool good, const char *what, vg_str more)
{
	struct vault_out *o = v->o;

	if (!o->stamp[at].ordered)
		return;
	o->stamp[at].ordered = false;
	o->request_good = o->request_good && good;
	vg_buf_printf(&o->request_text, "%s: %s", v->tenant[at].name, what);
	vg_buf_safe(&o->request_text, more);
	vg_buf_putc(&o->request_text, '\n');
	if (--o->request_left == 0)
		end_request(v);
}

static void
stamp_failed(struct vault *v, size_t at, vg_str why)
{
	struct stamping *s = &v->o->stamp[at];

	s->number = 0;
	s->failures++;
	s->tried_ns = vg_clock_ns();
	tell_request(v, at, false, "no time stamp: ", why);
	if (!s->told && vg_stamp_is_late(s->good_ns ? s->good_ns : s->began_ns, s->tried_ns, v->o->every_ns)) {
		char text[200];

		s->told = true;
		snprintf(text, sizeof(text), "%.*s", VG_STR_ARG(vg_str_cut(why, 150)));
		vault_alarm(v, VG_ROLE_ALARM_STAMP, VG_LEVEL_HIGH, v->tenant[at].name, text);
	}
}

/* Ask for the newest checkpoint's.  @ordered: by a person, also when it is not due. */
static void
ask_stamp(struct vault *v, size_t at)
{
	struct vault_out *o = v->o;
	struct stamping *s = &o->stamp[at];
	uint64_t size = vg_store_last(v->tenant[at].store)->size;
	vg_rc rc;

	if (s->number)
		return; /* under way: who orders one gets it */
	if (size == 0 || size == s->size) {
		tell_request(v, at, size != 0, size ? "this tree has a time stamp already" : "there is no signed tree yet", VG_NIL);
		return;
	}
	vg_buf_clear(&s->note);
	if (o->out == NULL || (rc = vg_disk_slurp(&v->tenant[at].dir, VG_CHECKPOINT_FILE, VG_NOTE_BYTES_MAX, &s->note)) != VG_OK) {
		stamp_failed(v, at, o->out ? VG_STR("the checkpoint cannot be read") : VG_STR("the role out begins anew"));
		return;
	}
	vg_buf_clear(&v->out);
	vg_buf_le64(&v->out, s->number = ++o->number);
	vg_buf_le_str(&v->out, vg_str_of(v->tenant[at].name));
	vg_buf_le_str(&v->out, vg_buf_str(&s->note));
	s->asked_ns = vg_monotonic_ns();
	if (v->out.rc == VG_OK)
		vg_channel_send(o->out, VG_MSG_STAMP, vg_buf_str(&v->out));
}

static vg_rc
keep_stamp(struct vault *v, size_t at, vg_str response, uint64_t *size)
{
	struct vg_buf *note = &v->o->stamp[at].note;
	struct vg_buf file = { 0 };
	char name[VG_STAMP_NAME_MAX];
	struct vg_checkpoint c;
	struct vg_disk d;
	vg_str text;
	vg_rc rc;

	if ((rc = vg_note_text(vg_buf_str(note), &text)) != VG_OK || (rc = vg_checkpoint_parse(text, &c)) != VG_OK)
		return rc;
	vg_stamp_name(c.size, name);
	vg_stamp_put(vg_buf_str(note), response, &file);
	if ((rc = file.rc) == VG_OK && (rc = vg_disk_folder(&v->tenant[at].dir, STAMPS_FOLDER, &d)) == VG_OK) {
		rc = vg_disk_replace(&d, name, vg_buf_str(&file));
		vg_disk_close(&d);
	}
	*size = c.size;
	vg_buf_fini(&file);
	return rc;
}

static void
take_stamp(struct vault *v, size_t at, vg_str response, vg_str who)
{
	struct stamping *s = &v->o->stamp[at];
	char text[80];
	uint64_t size;
	vg_rc rc;

	if (response.n == 0) {
		stamp_failed(v, at, who);
		return;
	}
	if ((rc = keep_stamp(v, at, response, &size)) != VG_OK) {
		vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: the time stamp cannot be written: %s", v->tenant[at].name, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		stamp_failed(v, at, VG_STR("it cannot be written"));
		return;
	}
	s->number = 0;
	s->failures = 0;
	s->told = false;
	s->size = size;
	s->good_ns = vg_clock_ns();
	snprintf(text, sizeof(text), "%llu blocks have a time stamp of ", (unsigned long long)size);
	tell_request(v, at, true, text, who);
}

static vg_rc
on_stamped(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	uint64_t number = vg_cur_le64(body);
	uint32_t n = vg_cur_le32(body);
	vg_str response = vg_cur_bytes(body, n), who;

	(void)from;
	n = vg_cur_le32(body);
	who = vg_cur_bytes(body, n);
	if (fd >= 0 || body->rc != VG_OK || vg_cur_left(body) || response.n > VG_STAMP_RESPONSE_MAX || number == 0)
		return VG_E_FORMAT;
	for (size_t i = 0; i < v->ntenant; i++)
		if (v->o->stamp[i].number == number)
			take_stamp(v, i, response, who);
	return VG_OK;
}

static void
look_at_stamps(struct vault *v)
{
	struct vault_out *o = v->o;
	int64_t now_ns = vg_clock_ns();

	for (size_t i = 0; i < v->ntenant && o->every_ns && o->out; i++) {
		struct stamping *s = &o->stamp[i];
		uint64_t size = vg_store_last(v->tenant[i].store)->size;

		if (s->number && vg_monotonic_ns() - s->asked_ns > STAMP_WAIT_NS)
			stamp_failed(v, i, VG_STR("no answer in time"));
		else if (s->number == 0 && size && size != s->size && vg_stamp_when(s->good_ns, s->tried_ns, s->failures, o->every_ns) <= now_ns)
			ask_stamp(v, i);
	}
}

static void
on_request(struct vault *v, const struct vg_request *r)
{
	struct vault_out *o = v->o;

	if (o->every_ns == 0 || o->request[0]) {
		vg_role_answer(v->env, r->id, false, o->request[0] ? VG_STR("another request is at work\n") : VG_STR("no authority is set: give stamps.url in the settings\n"));
		return;
	}
	snprintf(o->request, sizeof(o->request), "%.*s", VG_STR_ARG(r->id));
	vg_buf_clear(&o->request_text);
	o->request_good = true;
	o->request_left = 1; /* so that it does not end before all were asked for */
	for (size_t i = 0; i < v->ntenant; i++)
		if (r->argument.n == 0 || vg_str_eq(r->argument, vg_str_of(v->tenant[i].name))) {
			o->stamp[i].ordered = true;
			o->request_left++;
			ask_stamp(v, i);
		}
	if (o->request_left == 1 && o->request_text.n == 0) {
		o->request_good = false;
		vg_buf_puts(&o->request_text, "there is no such tenant\n");
	}
	if (--o->request_left == 0)
		end_request(v);
}

void
vault_news(struct vg_role_env *e, const char *name)
{
	struct vg_request r;

	if (strcmp(name, "request") == 0 && vg_request_take(vg_role_text(e, name), &r) == VG_OK && vg_str_eq(r.verb, VG_STR("stamp")))
		on_request(e->ctx, &r);
}

/* ---- records of respond's ---- */

/* It is answered when it is on disk. */
static vg_rc
on_own(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	uint64_t number = vg_cur_le64(body), before = vg_intake_next(v->intake);
	uint32_t n = vg_cur_le32(body);
	vg_str tenant = vg_cur_bytes(body, n), json;
	size_t at = 0;

	n = vg_cur_le32(body);
	json = vg_cur_bytes(body, n);
	if (fd >= 0 || body->rc != VG_OK || vg_cur_left(body))
		return VG_E_FORMAT;
	while (at < v->ntenant && !vg_str_eq(vg_str_of(v->tenant[at].name), tenant))
		at++;
	if (at == v->ntenant)
		return VG_E_FORMAT;
	if (!v->full)
		vault_own(v, v->tenant[at].id, json);
	vault_sync(v);
	if (vg_intake_next(v->intake) == before || vg_intake_waiting(v->intake))
		return VG_OK; /* not kept: whoever waits is told nothing */
	vg_buf_clear(&v->out);
	vg_buf_le64(&v->out, number);
	if (v->out.rc == VG_OK)
		vg_channel_send(from, VG_MSG_OWN_KEPT, vg_buf_str(&v->out));
	return VG_OK;
}

/* ---- channels ---- */

static void
closed(void *ctx, struct vg_channel *c)
{
	struct vault *v = ctx;
	struct vault_out *o = v->o;

	if (o->respond == c) {
		o->respond = NULL;
		vg_role_lost(v->env, VG_ROLE_RESPOND, 0);
	} else if (o->out == c) {
		o->out = NULL;
		o->nsent = 0;
		vg_role_lost(v->env, VG_ROLE_OUT, 0);
		for (size_t i = 0; i < v->ntenant; i++)
			o->stamp[i].number = 0; /* asked again */
	}
}

vg_rc
vault_out_new(struct vault *v, unsigned role, int fd)
{
	static const struct vg_handler from_out[] = { { VG_MSG_ALARMS_KEPT, 8, on_alarms_kept }, { VG_MSG_STAMPED, VG_STAMP_RESPONSE_MAX + 1024, on_stamped }, { 0, 0, NULL } };
	static const struct vg_handler from_respond[] = { { VG_MSG_OWN, 16384, on_own }, { 0, 0, NULL } };
	struct vg_channel **place = role == VG_ROLE_OUT ? &v->o->out : &v->o->respond;
	struct vg_channel_ops ops = { role == VG_ROLE_OUT ? from_out : from_respond, closed, v };
	struct vg_channel *old = *place;
	vg_rc rc;

	*place = NULL;
	vg_channel_free(old);
	if ((rc = vg_channel_new(v->env->loop, fd, &ops, place)) != VG_OK || role != VG_ROLE_OUT)
		return rc;
	v->o->nsent = 0; /* brought again */
	for (size_t i = 0; i < v->ntenant; i++) {
		v->o->stamp[i].number = 0;
		if (v->o->stamp[i].ordered)
			ask_stamp(v, i);
	}
	return VG_OK;
}

vg_rc
vault_out_begin(struct vault *v)
{
	struct vault_out *o = calloc(1, sizeof(*o));
	vg_rc rc;

	if (o == NULL || (o->stamp = calloc(v->ntenant, sizeof(*o->stamp))) == NULL || (o->late = calloc(v->ntenant, sizeof(*o->late))) == NULL)
		return VG_E_NOMEM; /* and this process ends */
	v->o = o;
	o->began_ns = vg_clock_ns();
	o->number = (uint64_t)o->began_ns; /* an answer to the one before this is none to us */
	o->every_ns = (int64_t)vg_role_number(v->env, "stamp-every-s", 0) * VG_SEC;
	for (size_t i = 0; i < v->ntenant && o->every_ns; i++)
		if ((rc = find_newest(v, i)) != VG_OK)
			return rc;
	return VG_OK;
}

void
vault_out_turn(struct vault *v)
{
	look_at_checkpoints(v);
	look_at_stamps(v);
	bring_alarms(v);
}
