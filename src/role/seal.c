/* role/seal.c - holds the private keys, and signs trees that grow.  What it signed last is on its own disk, so that neither the vault nor a
 * restart makes it sign a smaller one or another one of the same size.
 *
 * Two signatures: the log's, which is always the same key and which the witness knows; and the day's.  The key of a day is certified by
 * that of the day before and by the log's, in days.log, and then the secret of the day before is gone: who takes the machine today cannot
 * sign for yesterday. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "role/messages.h"
#include "role/retention.h"
#include "role/roles.h"
#include "vault/checkpoint.h"
#include "vault/destruction.h"
#include "vault/disk.h"
#include "vault/note.h"

#define TENANTS_MAX 1024
#define SECRET_BYTES 32
#define DAY_FILE "day.secret"
#define DAYS_FILE "days.log"
#define DAYS_BYTES_MAX ((size_t)32 << 20)

struct last { /* what was signed of a tenant's tree */
	char tenant[65];
	struct vg_checkpoint c;
};
struct seal {
	struct vg_role_env *env;
	struct vg_disk d;
	struct vg_note_secret log, day;
	uint32_t day_number; /* since 1970; 0: there is no key of a day yet */
	struct last *last;   /* owned */
	size_t n;
	struct vg_channel *vault;
	uint64_t signatures, refused;
	vg_str retention; /* role/retention.h */
};

/* ---- the keys ---- */

static vg_rc
key_from(struct seal *s, const char *file, const char *name, struct vg_note_secret *out)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_disk_slurp(&s->d, file, SECRET_BYTES + 4, &b);

	if (rc == VG_OK && b.n < SECRET_BYTES)
		rc = VG_E_TRUNC;
	if (rc == VG_OK)
		rc = vg_note_key_of_seed(vg_str_of(name), (const uint8_t *)b.p, out);
	if (rc == VG_OK && b.n == SECRET_BYTES + 4) {
		struct vg_cur c = vg_cur_of(b.p + SECRET_BYTES, 4);

		s->day_number = vg_cur_le32(&c);
	}
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_fini(&b);
	return rc;
}

static void
day_name(struct seal *s, uint32_t day, char out[VG_NOTE_NAME_MAX])
{
	char text[VG_TIME_MAX];

	(void)vg_time_print((int64_t)day * VG_DAY, 0, text);
	snprintf(out, VG_NOTE_NAME_MAX, "%.60s/day/%.10s", s->log.key.name, text);
}

/* "vigie day", the log's key, the day, and its key; signed by the log's and by the day before's. */
static vg_rc
certify(struct seal *s, const struct vg_note_secret *next, uint32_t day)
{
	const struct vg_note_secret *by[2] = { &s->log, &s->day };
	struct vg_buf text = { 0 }, all = { 0 };
	vg_rc rc = vg_disk_slurp(&s->d, DAYS_FILE, DAYS_BYTES_MAX, &all);

	if (rc == VG_E_NOTFOUND)
		rc = VG_OK;
	vg_buf_printf(&text, "vigie day\n%s\nday %u\n", s->log.key.name, day);
	vg_note_key_print(&next->key, &text);
	vg_buf_putc(&text, '\n');
	if (rc == VG_OK)
		rc = text.rc != VG_OK ? text.rc : vg_note_sign(vg_buf_str(&text), by, s->day_number ? 2 : 1, &all);
	vg_buf_putc(&all, '\n');
	if (rc == VG_OK)
		rc = all.rc != VG_OK ? all.rc : vg_disk_replace(&s->d, DAYS_FILE, vg_buf_str(&all));
	vg_buf_fini(&text);
	vg_buf_fini(&all);
	return rc;
}

/* The key of today, when it is not there yet. */
static vg_rc
turn_day(struct seal *s, int64_t now_ns)
{
	uint32_t today = (uint32_t)(now_ns / VG_DAY);
	struct vg_note_secret next;
	char name[VG_NOTE_NAME_MAX];
	uint8_t seed[SECRET_BYTES];
	struct vg_buf b = { 0 };
	vg_rc rc;

	if (today <= s->day_number) /* a clock that goes back turns nothing */
		return VG_OK;
	day_name(s, today, name);
	randombytes_buf(seed, sizeof(seed));
	rc = vg_note_key_of_seed(vg_str_of(name), seed, &next);
	vg_buf_mem(&b, seed, sizeof(seed));
	vg_buf_le32(&b, today);
	sodium_memzero(seed, sizeof(seed));
	if (rc == VG_OK)
		rc = b.rc;
	if (rc == VG_OK && (rc = certify(s, &next, today)) == VG_OK)
		rc = vg_disk_replace(&s->d, DAY_FILE, vg_buf_str(&b));
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_fini(&b);
	if (rc == VG_OK) {
		vg_note_secret_fini(&s->day);
		s->day = next;
		s->day_number = today;
	}
	return rc;
}

/* ---- what was signed ---- */

static void
last_file(const char *tenant, char out[VG_DISK_NAME_MAX])
{
	snprintf(out, VG_DISK_NAME_MAX, "%.50s.last", tenant);
}

static vg_rc
last_of(struct seal *s, vg_str tenant, struct last **out)
{
	char name[VG_DISK_NAME_MAX];
	struct vg_buf b = { 0 };
	struct last *l;
	vg_rc rc;

	for (size_t i = 0; i < s->n; i++)
		if (vg_str_eq(vg_str_of(s->last[i].tenant), tenant)) {
			*out = &s->last[i];
			return VG_OK;
		}
	if (s->n == TENANTS_MAX || tenant.n == 0 || tenant.n > 50 || memchr(tenant.p, '/', tenant.n) || tenant.p[0] == '.')
		return VG_E_LIMIT;
	l = &s->last[s->n];
	*l = (struct last){ .c = { .size = 0 } };
	memcpy(l->tenant, tenant.p, tenant.n);
	vg_frontier_root(&(struct vg_frontier){ .n = 0 }, &l->c.root);
	last_file(l->tenant, name);
	rc = vg_disk_slurp(&s->d, name, 4096, &b);
	if (rc == VG_OK)
		rc = vg_checkpoint_parse(vg_buf_str(&b), &l->c);
	vg_buf_fini(&b);
	if (rc != VG_OK && rc != VG_E_NOTFOUND)
		return rc;
	s->n++;
	*out = l;
	return VG_OK;
}

/* Does @c only add to what was signed before?  @old and @root: what the proof begins from. */
static bool
grows(const struct last *l, const struct vg_checkpoint *c, uint64_t old, const struct vg_hash *root, const struct vg_proof *p)
{
	if (l->c.origin[0] == 0) /* this seal never signed: a new log, or a new epoch of one that was restored */
		return true;
	if (c->epoch < l->c.epoch || c->size < l->c.size || c->seq < l->c.seq || strcmp(c->origin, l->c.origin) != 0)
		return false;
	if (c->size == l->c.size)
		return vg_hash_eq(&c->root, &l->c.root);
	return old == l->c.size && vg_hash_eq(root, &l->c.root) && vg_check_consistency(old, root, c->size, &c->root, p);
}

static vg_rc
take_proof(struct vg_cur *c, uint64_t *old, struct vg_hash *root, struct vg_proof *p)
{
	vg_str h;

	*old = vg_cur_le64(c);
	h = vg_cur_bytes(c, VG_HASH_BYTES);
	if (h.n == VG_HASH_BYTES)
		memcpy(root->b, h.p, h.n);
	p->n = vg_cur_le16(c);
	if (p->n > VG_PROOF_MAX)
		return VG_E_LIMIT;
	for (size_t i = 0; i < p->n; i++) {
		h = vg_cur_bytes(c, VG_HASH_BYTES);
		if (h.n == VG_HASH_BYTES)
			memcpy(p->h[i].b, h.p, h.n);
	}
	return c->rc != VG_OK ? c->rc : vg_cur_left(c) ? VG_E_FORMAT : VG_OK;
}

/* On disk before it is signed: a signature that is out is never contradicted. */
static vg_rc
sign(struct seal *s, struct last *l, const struct vg_checkpoint *c, vg_str text, struct vg_buf *note)
{
	const struct vg_note_secret *by[2] = { &s->log, &s->day };
	char name[VG_DISK_NAME_MAX];
	vg_rc rc;

	last_file(l->tenant, name);
	if ((rc = turn_day(s, vg_clock_ns())) != VG_OK)
		return rc;
	if ((c->size != l->c.size || c->seq != l->c.seq || c->epoch != l->c.epoch || l->c.origin[0] == 0) && (rc = vg_disk_replace(&s->d, name, text)) != VG_OK)
		return rc;
	l->c = *c;
	s->signatures++;
	return vg_note_sign(text, by, 2, note);
}

static vg_rc
on_sign(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct seal *s = ctx;
	uint32_t n = vg_cur_le32(body);
	vg_str tenant = vg_cur_bytes(body, n), text;
	struct vg_buf note = { 0 }, out = { 0 };
	struct vg_checkpoint c;
	struct vg_hash root = { { 0 } };
	struct vg_proof p;
	struct last *l;
	uint64_t old;
	vg_rc rc;

	n = vg_cur_le32(body);
	text = vg_cur_bytes(body, n);
	if (fd >= 0 || (rc = take_proof(body, &old, &root, &p)) != VG_OK || (rc = vg_checkpoint_parse(text, &c)) != VG_OK)
		return VG_E_FORMAT;
	if ((rc = last_of(s, tenant, &l)) == VG_OK && !grows(l, &c, old, &root, &p)) {
		s->refused++; /* the vault learns what was signed last, and tells when it cannot prove its tree from there */
	} else if (rc == VG_OK && (rc = sign(s, l, &c, text, &note)) != VG_OK) {
		vg_role_say(s->env, VG_LOG_ERROR, "seal: cannot sign: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		vg_buf_clear(&note);
		rc = VG_OK; /* what was signed before is known */
	}
	vg_buf_le_str(&out, tenant);
	vg_buf_le_str(&out, vg_buf_str(&note));
	vg_buf_le64(&out, rc == VG_OK ? l->c.size : 0);
	if (out.rc == VG_OK)
		vg_channel_send(from, VG_MSG_SIGNED, vg_buf_str(&out));
	rc = out.rc;
	vg_buf_fini(&note);
	vg_buf_fini(&out);
	return rc;
}

/* ---- what is destroyed ---- */

/* Is it what was agreed?  What a certificate rests on must be signed by the log's own key or by the company's recovery key; nothing goes before its
 * time, and none of this is the vault's to decide.  NULL: it is. */
static const char *
refuse(struct seal *s, vg_str tenant, const struct vg_destruction *e, vg_str base_note, int64_t now_ns)
{
	struct vg_destruction base = *e;
	struct vg_note_key recovery;
	char name[80];
	struct last *l;
	vg_str text;

	if (last_of(s, tenant, &l) != VG_OK || strcmp(l->c.origin, e->origin) != 0)
		return "it is of another log";
	if (e->time_ns > now_ns + VG_MIN || e->time_ns < now_ns - VG_MIN)
		return "it says another time";
	if (e->kind == VG_DESTRUCTION_ORDERED)
		return "orders are signed by the recovery key";
	if (e->kind == VG_DESTRUCTION_DONE) {
		snprintf(name, sizeof(name), "recovery:%.40s", l->tenant);
		if (vg_note_text(base_note, &text) != VG_OK || vg_destruction_parse(text, &base) != VG_OK)
			return "what it rests on is no such note";
		if (vg_destruction_wrong(e, &base))
			return vg_destruction_wrong(e, &base);
		if (base.kind == VG_DESTRUCTION_ORDERED)
			return vg_note_key_parse(vg_role_text(s->env, name), &recovery) == VG_OK && vg_note_is_signed(base_note, &recovery) ? NULL :
			       "the order is not signed by the recovery key";
		if (!vg_note_is_signed(base_note, &s->log.key))
			return "the announcement is not signed by this log";
	}
	if (base.after_ns - base.time_ns < VG_DESTRUCTION_NOTICE_MIN)
		return "a day at least lies between announcement and destruction";
	if (base.after_ns < ((int64_t)e->day + 1) * VG_DAY + vg_retention_keep_ns(s->retention, tenant, vg_str_of(e->class_name)))
		return "its time is not over";
	return NULL;
}

static vg_rc
on_certify(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct seal *s = ctx;
	const struct vg_note_secret *by[2] = { &s->log, &s->day };
	vg_str tenant = vg_cur_bytes(body, vg_cur_le32(body)), text = vg_cur_bytes(body, vg_cur_le32(body)), base = vg_cur_bytes(body, vg_cur_le32(body));
	struct vg_buf note = { 0 }, out = { 0 };
	struct vg_destruction e;
	const char *why;
	vg_rc rc;

	if (fd >= 0 || body->rc != VG_OK || vg_cur_left(body) || vg_destruction_parse(text, &e) != VG_OK)
		return VG_E_FORMAT;
	if ((why = refuse(s, tenant, &e, base, vg_clock_ns())) != NULL)
		s->refused++;
	else if ((rc = turn_day(s, vg_clock_ns())) != VG_OK || (rc = vg_note_sign(text, by, 2, &note)) != VG_OK)
		why = rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc);
	vg_buf_le_str(&out, tenant);
	vg_buf_le32(&out, e.key);
	vg_buf_le_str(&out, why ? VG_NIL : vg_buf_str(&note));
	vg_buf_le_str(&out, vg_str_of(why ? why : ""));
	if (out.rc == VG_OK)
		vg_channel_send(from, VG_MSG_CERTIFIED, vg_buf_str(&out));
	rc = out.rc;
	vg_buf_fini(&note);
	vg_buf_fini(&out);
	return rc;
}

/* ---- the role ---- */

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct seal the_seal;

	the_seal.env = e;
	e->ctx = &the_seal;
	limits->may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_WRITE;
	limits->dir = vg_role_fd(e, "folder");
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)128 << 20);
	return limits->dir >= 0 && sodium_init() >= 0 ? VG_OK : VG_E_NOTFOUND;
}

static vg_rc
begin(struct vg_role_env *e)
{
	struct seal *s = e->ctx;
	char name[VG_NOTE_NAME_MAX];
	vg_rc rc;

	snprintf(name, sizeof(name), "%.*s", VG_STR_ARG(vg_str_cut(vg_role_text(e, "node"), 60)));
	s->retention = vg_role_text(e, "retention");
	if ((s->last = calloc(TENANTS_MAX, sizeof(*s->last))) == NULL)
		return VG_E_NOMEM;
	if ((rc = vg_disk_open(&s->d, ".")) != VG_OK || (rc = key_from(s, "log.secret", name, &s->log)) != VG_OK) {
		vg_role_say(e, VG_LOG_ERROR, "seal: the log's key cannot be read: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		return rc;
	}
	rc = key_from(s, DAY_FILE, "day", &s->day); /* for its number first: the name has the day in it */
	if (rc == VG_OK) {
		day_name(s, s->day_number, name);
		rc = key_from(s, DAY_FILE, name, &s->day);
	}
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct seal *s = ctx;

	if (s->vault == c)
		s->vault = NULL;
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	static const struct vg_handler handlers[] = { { VG_MSG_SIGN, 8192, on_sign }, { VG_MSG_CERTIFY, 2 * VG_NOTE_BYTES_MAX, on_certify }, { 0, 0, NULL } };
	struct seal *s = e->ctx;
	struct vg_channel_ops ops = { handlers, closed, s };

	(void)index;
	if (role != VG_ROLE_VAULT)
		return VG_E_FORMAT;
	if (s->vault) {
		vg_channel_free(s->vault);
		s->vault = NULL;
	}
	return vg_channel_new(e->loop, fd, &ops, &s->vault);
}

static void
tick(struct vg_role_env *e)
{
	struct seal *s = e->ctx;
	struct vg_buf b = { 0 };

	vg_buf_printf(&b, "signatures %llu\nrefused %llu\n", (unsigned long long)s->signatures, (unsigned long long)s->refused);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

const struct vg_role_impl vg_seal_role = { VG_ROLE_SEAL, prepare, begin, peer, NULL, tick, NULL };
