/* role/vault_retain.c - how long records are kept.  A key whose time comes to an end is announced, days later it is destroyed, and with it all that
 * was kept under it; at once only where the recovery key orders it; and not while somebody holds the day.  The seal judges each of these
 * steps for itself (role/seal.c).  All state is in the files of the folder "keys", so that this goes on wherever it was ended. */
#include "role/vault_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "role/alarm.h"
#include "role/retention.h"
#include "rule/program.h"

#define EVERY_NS (10 * VG_SEC)
#define AGAIN_NS (10 * VG_MIN) /* until something that was refused is tried again, and told again */

/* ---- notes ---- */

static void
note_name(uint32_t key, enum vg_destruction_kind kind, char out[VG_DISK_NAME_MAX])
{
	snprintf(out, VG_DISK_NAME_MAX, "%08u%s", key, vg_destruction_suffix(kind));
}

/* That of @kind about the key.  VG_E_NOTFOUND; VG_E_FORMAT: it is none. */
static vg_rc
read_note(struct vault_tenant *t, uint32_t key, enum vg_destruction_kind kind, struct vg_buf *note, struct vg_destruction *out)
{
	char name[VG_DISK_NAME_MAX];
	vg_str text;
	vg_rc rc;

	vg_buf_clear(note);
	note_name(key, kind, name);
	if ((rc = vg_disk_slurp(&t->keys, name, VG_NOTE_BYTES_MAX, note)) != VG_OK)
		return rc;
	return vg_note_text(vg_buf_str(note), &text) == VG_OK && vg_destruction_parse(text, out) == VG_OK && out->kind == kind && out->key == key ? VG_OK : VG_E_FORMAT;
}

static void
fill(const struct vault *v, const struct vault_tenant *t, const struct vg_day_key *k, int64_t now, struct vg_destruction *e)
{
	*e = (struct vg_destruction){ .key = k->number, .day = k->day, .class = k->class, .time_ns = now };
	snprintf(e->origin, sizeof(e->origin), "%.*s/%s", VG_STR_ARG(vg_str_cut(vg_role_text(v->env, "node"), 60)), t->name);
	snprintf(e->class_name, sizeof(e->class_name), "%s", t->class[k->class].name[0] ? t->class[k->class].name : "default");
}

static vg_rc
ask(struct vault *v, struct vault_tenant *t, const struct vg_destruction *e, vg_str base)
{
	struct vg_buf text = { 0 };
	vg_rc rc;

	vg_destruction_print(e, &text);
	vg_buf_clear(&v->out);
	vg_buf_le_str(&v->out, vg_str_of(t->name));
	vg_buf_le_str(&v->out, vg_buf_str(&text));
	vg_buf_le_str(&v->out, base);
	rc = text.rc != VG_OK ? text.rc : v->out.rc;
	if (rc == VG_OK) {
		vg_channel_send(v->seal, VG_MSG_CERTIFY, vg_buf_str(&v->out));
		t->going = *e;
		t->certifying = true;
	}
	vg_buf_fini(&text);
	return rc;
}

/* ---- one key ---- */

static void
day_text(uint32_t day, char out[11])
{
	char text[VG_TIME_MAX];

	(void)vg_time_print((int64_t)day * VG_DAY, 0, text);
	snprintf(out, 11, "%.10s", text);
}

static void
say(struct vault *v, struct vault_tenant *t, const struct vg_destruction *e, const char *what)
{
	char day[11];
	struct vg_buf b = { 0 };

	day_text(e->day, day);
	vg_buf_printf(&b, "{\"vigie\":{\"event\":\"%s\",\"day\":\"%s\",\"class\":%u,\"key\":%u,\"blocks\":%llu,\"records\":%llu,\"why\":\"", what, day, e->class, e->key,
		      (unsigned long long)e->of.blocks, (unsigned long long)e->of.records);
	for (const char *p = e->why; *p; p++)
		vg_buf_putc(&b, (unsigned char)*p < 0x20 || *p == '"' || *p == '\\' ? ' ' : *p);
	vg_buf_puts(&b, "\"}}");
	if (b.rc == VG_OK)
		vault_own(v, t->id, vg_buf_str(&b));
	vg_buf_fini(&b);
}

static bool
is_held(struct vault *v, struct vault_tenant *t, uint32_t day)
{
	bool held = true; /* when nobody can tell */

	if (vg_catalogue_is_held(v->db, vg_str_of(t->name), day, &held) != VG_OK)
		return true;
	return held;
}

static vg_rc
announce(struct vault *v, struct vault_tenant *t, const struct vg_day_key *k, int64_t due_ns, int64_t now)
{
	struct vg_destruction e;
	vg_rc rc;

	fill(v, t, k, now, &e);
	e.after_ns = due_ns > now + v->notice_ns ? due_ns : now + v->notice_ns;
	snprintf(e.why, sizeof(e.why), "records of this class are kept for %lld days", (long long)(t->class[k->class].keep_ns / VG_DAY));
	if ((rc = vg_store_under(t->store, k->number, &e.of)) != VG_OK)
		return rc;
	return ask(v, t, &e, VG_NIL);
}

static vg_rc
destroy(struct vault *v, struct vault_tenant *t, const struct vg_day_key *k, const struct vg_destruction *base, vg_str note, int64_t now)
{
	struct vg_destruction e;
	vg_rc rc;

	fill(v, t, k, now, &e);
	e.kind = VG_DESTRUCTION_DONE;
	snprintf(e.why, sizeof(e.why), "%s", base->why);
	snprintf(e.class_name, sizeof(e.class_name), "%s", base->class_name);
	if ((rc = vg_store_under(t->store, k->number, &e.of)) != VG_OK)
		return rc;
	return ask(v, t, &e, note);
}

/* What is next for the key.  true: something is asked of the seal. */
static bool
step(struct vault *v, struct vault_tenant *t, const struct vg_day_key *k, int64_t now)
{
	int64_t due_ns = ((int64_t)k->day + 1) * VG_DAY + t->class[k->class].keep_ns;
	struct vg_buf note = { 0 };
	struct vg_destruction base;
	vg_rc rc = VG_OK, ordered;

	if (((int64_t)k->day + 1) * VG_DAY > now) /* the day is not over */
		return false;
	ordered = read_note(t, k->number, VG_DESTRUCTION_ORDERED, &note, &base);
	if ((ordered != VG_OK && now < due_ns - v->notice_ns) || is_held(v, t, k->day)) {
		vg_buf_fini(&note);
		return false;
	}
	if (ordered == VG_OK)
		rc = destroy(v, t, k, &base, vg_buf_str(&note), now);
	else if ((rc = read_note(t, k->number, VG_DESTRUCTION_ANNOUNCED, &note, &base)) == VG_E_NOTFOUND)
		rc = announce(v, t, k, due_ns, now);
	else if (rc == VG_OK && now >= base.after_ns && now >= due_ns)
		rc = destroy(v, t, k, &base, vg_buf_str(&note), now);
	vg_buf_fini(&note);
	if (rc != VG_OK && now - t->retain_said_ns > AGAIN_NS) {
		t->retain_said_ns = now;
		vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: key %u, whose time is over, cannot be dealt with: %s", t->name, k->number,
			    rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	}
	return t->certifying;
}

static void
retain(struct vault *v, struct vault_tenant *t, int64_t now)
{
	struct vg_keyring *ring = vg_store_keys(t->store);
	const struct vg_day_key *k;

	if (ring == NULL || v->seal == NULL || t->certifying || now < t->retain_not_before_ns)
		return;
	for (size_t i = 0; (k = vg_keyring_at(ring, i)) != NULL; i++)
		if (step(v, t, k, now))
			return;
}

/* ---- what was certified ---- */

static void
drop_index(void *ctx, const char *segment)
{
	struct vault_tenant *t = ctx;

	vault_index_drop(t, segment);
}

static vg_rc
go(struct vault *v, struct vault_tenant *t, const struct vg_destruction *e, vg_str note)
{
	char name[VG_DISK_NAME_MAX], day[11], text[120];
	vg_rc rc;

	day_text(e->day, day);
	snprintf(text, sizeof(text), "%s (class %.64s, %llu records)", day, e->class_name, (unsigned long long)e->of.records);
	if (e->kind == VG_DESTRUCTION_ANNOUNCED) {
		note_name(e->key, e->kind, name);
		if ((rc = vg_disk_replace(&t->keys, name, note)) != VG_OK)
			return rc;
		say(v, t, e, "destruction-announced");
		vg_role_say(v->env, VG_LOG_INFO, "vault: tenant %s: the %llu records of %s (class %s) will be destroyed, as the settings say: who wants them holds them "
						 "(`vigie hold set`)", t->name, (unsigned long long)e->of.records, day, e->class_name);
		vault_alarm(v, VG_ROLE_ALARM_ANNOUNCED, VG_LEVEL_MEDIUM, t->name, text);
		return VG_OK;
	}
	if (is_held(v, t, e->day)) /* meanwhile */
		return VG_OK;
	if ((rc = vg_keyring_destroy(vg_store_keys(t->store), e->key, note)) != VG_OK || (rc = vg_store_erase(t->store, e->key, drop_index, t)) != VG_OK)
		return rc;
	vault_share_freed(v, t, e->day, e->class);
	say(v, t, e, "destroyed");
	vg_role_say(v->env, VG_LOG_INFO, "vault: tenant %s: the %llu records of %s (class %s) are destroyed: keys/%08u" VG_KEY_GONE, t->name, (unsigned long long)e->of.records, day,
		    e->class_name, e->key);
	vault_alarm(v, VG_ROLE_ALARM_DESTROYED, VG_LEVEL_LOW, t->name, text);
	return VG_OK;
}

/* It is asked again and again: each key is told once. */
static void
tell_refused(struct vault *v, struct vault_tenant *t, uint32_t key, vg_str why)
{
	char text[200];

	if (t->refused_key == key)
		return;
	t->refused_key = key;
	snprintf(text, sizeof(text), "%u, %.*s", key, VG_STR_ARG(vg_str_cut(why, 150)));
	vault_alarm(v, VG_ROLE_ALARM_NOT_CERTIFIED, VG_LEVEL_HIGH, t->name, text);
}

vg_rc
vault_on_certified(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	vg_str name = vg_cur_bytes(body, vg_cur_le32(body));
	uint32_t key = vg_cur_le32(body);
	vg_str note = vg_cur_bytes(body, vg_cur_le32(body)), why = vg_cur_bytes(body, vg_cur_le32(body));
	int64_t now = vg_clock_ns();

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || vg_cur_left(body))
		return VG_E_FORMAT;
	for (size_t i = 0; i < v->ntenant; i++) {
		struct vault_tenant *t = &v->tenant[i];
		vg_rc rc;

		if (!vg_str_eq(vg_str_of(t->name), name) || !t->certifying || t->going.key != key)
			continue;
		t->certifying = false;
		if (note.n == 0) {
			vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: the seal does not certify that key %u goes: %.*s", t->name, key, VG_STR_ARG(why));
			tell_refused(v, t, key, why);
			t->retain_not_before_ns = now + AGAIN_NS;
		} else if ((rc = go(v, t, &t->going, note)) != VG_OK) {
			vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: key %u cannot be destroyed yet: %s", t->name, key, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
			t->retain_not_before_ns = now + AGAIN_NS;
		} else {
			retain(v, t, now);
		}
	}
	return VG_OK;
}

/* ---- beginning ---- */

struct classes {
	struct vault *v;
	struct vault_tenant *t;
};

static vg_rc
on_class(void *ctx, vg_str name, int64_t keep_ns)
{
	struct classes *c = ctx;
	uint32_t n;
	vg_rc rc = vg_catalogue_class(c->v->db, name, VG_CLASSES_MAX, &n);

	if (rc == VG_E_LIMIT) {
		vg_role_say(c->v->env, VG_LOG_ERROR, "vault: there are %d classes of sources already: %.*s is kept as \"default\"", VG_CLASSES_MAX, VG_STR_ARG(name));
		return VG_OK;
	}
	if (rc == VG_OK && n < VG_CLASSES_MAX) {
		snprintf(c->t->class[n].name, sizeof(c->t->class[n].name), "%.*s", VG_STR_ARG(name));
		c->t->class[n].keep_ns = keep_ns;
	}
	return rc;
}

/* A key was destroyed, and the power or a signal came before its blocks were erased. */
static vg_rc
on_gone(void *ctx, const char *name)
{
	struct vault_tenant *t = ctx;
	uint64_t n;

	if (!vg_str_u64(vg_str_cut(vg_str_of(name), 8), &n) || n == 0 || n > UINT32_MAX)
		return VG_OK;
	return vg_store_erase(t->store, (uint32_t)n, drop_index, t);
}

vg_rc
vault_retain_begin(struct vault *v, struct vault_tenant *t)
{
	vg_str retention = vg_role_text(v->env, "retention");
	struct classes c = { v, t };
	vg_rc rc;

	v->notice_ns = (int64_t)vg_role_number(v->env, "notice-s", 7 * 86400) * VG_SEC;
	if (v->notice_ns < VG_DESTRUCTION_NOTICE_MIN + VG_MIN)
		v->notice_ns = VG_DESTRUCTION_NOTICE_MIN + VG_MIN;
	if ((rc = vg_disk_folder(&t->dir, "keys", &t->keys)) != VG_OK || (rc = vg_retention_each(retention, vg_str_of(t->name), on_class, &c)) != VG_OK)
		return rc;
	for (unsigned i = 0; i < VG_CLASSES_MAX; i++) /* those that the settings name no more, too */
		if (t->class[i].keep_ns == 0)
			t->class[i].keep_ns = vg_retention_keep_ns(retention, vg_str_of(t->name), VG_STR("default"));
	return vg_disk_each(&t->keys, VG_KEY_GONE, on_gone, t);
}

void
vault_retain(struct vault *v)
{
	int64_t now = vg_clock_ns();

	if (now >= v->retained_ns && now - v->retained_ns < EVERY_NS)
		return;
	v->retained_ns = now;
	for (size_t i = 0; i < v->ntenant; i++)
		retain(v, &v->tenant[i], now);
}

unsigned
vault_class_of(const struct vault_tenant *t, vg_str name)
{
	for (unsigned i = 0; i < VG_CLASSES_MAX && name.n; i++)
		if (vg_str_eq(vg_str_of(t->class[i].name), name))
			return i;
	return 0;
}
