/* cmd/hold.c - `vigie hold set|release|list`: days that nothing may be destroyed of; and `vigie vault destroy`, which orders that something goes
 * before its time, in every copy. */
#include <errno.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cmd/common.h"
#include "cmd/watch.h"
#include "net/loop.h"
#include "vault/destruction.h"
#include "vault/keyring.h"

#define ACCOUNT_RECOVERY "recovery key"

const struct vg_opt vg_hold_set_opts[] = {
	VG_STATE_OPTION,
	{ "--from", VG_OPT_TEXT, "DAY", "the first day, as 2026-04-03: of arrival, in UTC" },
	{ "--to", VG_OPT_TEXT, "DAY", "the last day (default: the first)" },
	{ "--tenant", VG_OPT_TEXT, "NAME", "of this tenant alone" },
	{ "--by", VG_OPT_TEXT, "NAME", "who wants it" },
	{ "--reason", VG_OPT_TEXT, "TEXT", "why, for those who read it in a year" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};
const struct vg_opt vg_hold_release_opts[] = {
	VG_STATE_OPTION,
	{ "--by", VG_OPT_TEXT, "NAME", "who releases it: two people, each by an account of their own" },
	{ "--recovery-key", VG_OPT_TEXT, "FILE", "instead of an own account: the company's recovery key" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};
const struct vg_opt vg_vault_destroy_opts[] = {
	VG_STATE_OPTION,
	{ "--tenant", VG_OPT_TEXT, "NAME", "whose records (default: of the only tenant)" },
	{ "--from", VG_OPT_TEXT, "DAY", "the first day, as 2026-04-03: of arrival, in UTC" },
	{ "--to", VG_OPT_TEXT, "DAY", "the last day (default: the first)" },
	{ "--reason", VG_OPT_TEXT, "TEXT", "why; it stands in the certificate" },
	{ "--recovery-key", VG_OPT_TEXT, "FILE", "the company's recovery key, 64 hexadecimal digits" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

/* ---- what they take ---- */

static bool
wrong(const char *option, const char *what)
{
	vg_log(VG_LOG_ERROR, "%s: %s", option, what);
	return false;
}

static bool
take_day(const char *option, const char *text, uint32_t *out)
{
	vg_str s = vg_str_of(text);
	int64_t ns = s.n == 10 ? vg_time_parse(s, 0) : VG_TIME_NONE;

	if (ns == VG_TIME_NONE || ns < 0) {
		vg_log(VG_LOG_ERROR, "%s %s: not a day: 2026-04-03", option, text ? text : "");
		return false;
	}
	*out = (uint32_t)(ns / VG_DAY);
	return true;
}

static bool
take_days(const struct vg_args *a, uint32_t *from, uint32_t *to)
{
	const char *last = vg_arg(a, "--to");

	if (!take_day("--from", vg_arg(a, "--from"), from) || !take_day("--to", last ? last : vg_arg(a, "--from"), to))
		return false;
	return *from <= *to || wrong("--to", "it is before --from");
}

static bool
take_words(const struct vg_args *a, const char *option, vg_str *out)
{
	*out = vg_str_trim(vg_str_of(vg_arg(a, option)));
	for (size_t i = 0; i < out->n; i++)
		if ((unsigned char)out->p[i] < 0x20 || out->p[i] == 0x7f)
			return wrong(option, "one line of text is wanted");
	return (out->n && out->n <= VG_HOLD_TEXT_MAX) || wrong(option, out->n ? "it is too long" : "it is wanted");
}

/* The account of whoever runs this: that behind sudo, where there is one. */
static void
account(char out[80])
{
	const char *sudo = getuid() == 0 ? getenv("SUDO_UID") : NULL;
	uint64_t uid = getuid();
	const struct passwd *p;

	if (sudo && !vg_str_u64(vg_str_of(sudo), &uid))
		uid = 0;
	p = getpwuid((uid_t)uid);
	snprintf(out, 80, "%llu %.60s", (unsigned long long)uid, p ? p->pw_name : "");
}

/* The recovery key of --recovery-key; it must be the one that the tenant's key is sealed for. */
static bool
take_recovery(struct vg_house *h, const struct vg_args *a, const char *tenant, struct vg_note_secret *out)
{
	struct vg_buf pub = { 0 };
	struct vg_note_key k;
	uint8_t secret[32];
	bool ok = vg_take_recovery_key(a, secret) && vg_recovery_signer(secret, out) == VG_OK;

	sodium_memzero(secret, sizeof(secret));
	if (ok && (vg_house_recovery(h, tenant, &pub) != VG_OK || vg_note_key_parse(vg_buf_str(&pub), &k) != VG_OK || memcmp(k.public, out->key.public, 32) != 0)) {
		vg_log(VG_LOG_ERROR, "this is not the recovery key of tenant %s (vault/%s/keys/" VG_KEY_RECOVERY ")", tenant, tenant);
		vg_note_secret_fini(out);
		ok = false;
	}
	vg_buf_fini(&pub);
	return ok;
}

/* ---- holds ---- */

static int
set_hold(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	struct vg_hold x = { .tenant = vg_str_of(vg_arg(a, "--tenant") ? vg_arg(a, "--tenant") : "") };
	struct vg_names names = { .ntenant = 0 };
	char who[80];
	int64_t id;

	(void)h;
	account(who);
	x.set.account = vg_str_of(who);
	x.set.ns = vg_clock_ns();
	if (!take_days(a, &x.from_day, &x.to_day) || !take_words(a, "--by", &x.set.who) || !take_words(a, "--reason", &x.reason))
		return VG_EXIT_USAGE;
	if (x.tenant.n && (vg_names_read(db, &names) != VG_OK || vg_names_tenant_named(&names, x.tenant.p) == NULL)) {
		vg_log(VG_LOG_ERROR, "--tenant %s: there is no such tenant", x.tenant.p);
		vg_names_free(&names);
		return VG_EXIT_INPUT;
	}
	vg_names_free(&names);
	if (vg_catalogue_add_hold(db, &x, &id) != VG_OK)
		return vg_catalogue_failed(db);
	printf("hold %lld: nothing that came from %s to %s is destroyed until two people release it\n", (long long)id, vg_arg(a, "--from"),
	       vg_arg(a, "--to") ? vg_arg(a, "--to") : vg_arg(a, "--from"));
	return VG_EXIT_OK;
}

struct find {
	int64_t id;
	char tenant[65];
	bool found;
};

static vg_rc
on_find(void *ctx, const struct vg_hold *h)
{
	struct find *f = ctx;

	if (h->id == f->id) {
		f->found = true;
		snprintf(f->tenant, sizeof(f->tenant), "%.*s", VG_STR_ARG(h->tenant));
	}
	return VG_OK;
}

/* The recovery key stands for an account: that of the hold's tenant, or of the first one. */
static bool
by_recovery_key(struct vg_house *h, sqlite3 *db, const struct vg_args *a, int64_t id)
{
	struct find f = { .id = id };
	struct vg_names names = { .ntenant = 0 };
	struct vg_note_secret key;
	bool ok = vg_catalogue_holds(db, on_find, &f) == VG_OK && vg_names_read(db, &names) == VG_OK && names.ntenant;

	ok = ok && take_recovery(h, a, f.tenant[0] ? f.tenant : names.tenant[0].name, &key);
	if (ok)
		vg_note_secret_fini(&key);
	vg_names_free(&names);
	return ok;
}

static int
release_hold(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	struct vg_hold_act by = { .ns = vg_clock_ns() };
	char who[80];
	uint64_t id;
	bool done;
	vg_rc rc;

	if (!vg_str_u64(vg_str_of(a->operand[0]), &id) || id > INT64_MAX) {
		vg_log(VG_LOG_ERROR, "%s: not the number of a hold (`vigie hold list`)", a->operand[0]);
		return VG_EXIT_USAGE;
	}
	account(who);
	by.account = vg_str_of(who);
	if (!take_words(a, "--by", &by.who))
		return VG_EXIT_USAGE;
	if (vg_arg(a, "--recovery-key")) {
		if (!by_recovery_key(h, db, a, (int64_t)id))
			return VG_EXIT_INPUT;
		by.account = VG_STR(ACCOUNT_RECOVERY);
	}
	if ((rc = vg_catalogue_release_hold(db, (int64_t)id, &by, &done)) == VG_E_NOTFOUND)
		vg_log(VG_LOG_ERROR, "hold %llu: there is none of that number", (unsigned long long)id);
	else if (rc == VG_E_STOP)
		vg_log(VG_LOG_ERROR, "hold %llu: it is released already", (unsigned long long)id);
	else if (rc == VG_E_REFUSED)
		vg_log(VG_LOG_ERROR, "hold %llu: a second person is needed, by another account of this machine or with --recovery-key", (unsigned long long)id);
	else if (rc != VG_OK)
		return vg_catalogue_failed(db);
	else
		printf(done ? "hold %llu is released: what its days' retention has ended is announced again, and destroyed after that\n" :
			      "hold %llu: a second person must release it too, by an account of their own\n", (unsigned long long)id);
	return rc == VG_OK ? VG_EXIT_OK : VG_EXIT_INPUT;
}

struct listing {
	struct vg_buf out;
	bool jsonl;
	uint64_t n;
};

static void
put_time(struct vg_buf *b, int64_t ns, size_t length)
{
	char t[VG_TIME_MAX];

	(void)vg_time_print(ns, 0, t);
	vg_buf_put(b, vg_str_cut(vg_str_of(t), length));
}

static void
act_json(struct vg_buf *b, const char *name, const struct vg_hold_act *a)
{
	if (a->ns == 0)
		return;
	vg_buf_printf(b, ",\"%s\":{\"by\":", name);
	vg_buf_json_str(b, a->who);
	vg_buf_puts(b, ",\"account\":");
	vg_buf_json_str(b, a->account);
	vg_buf_puts(b, ",\"time\":\"");
	put_time(b, a->ns, VG_TIME_MAX);
	vg_buf_puts(b, "\"}");
}

static vg_rc
on_hold(void *ctx, const struct vg_hold *h)
{
	struct listing *l = ctx;
	struct vg_buf *b = &l->out;

	if (l->jsonl) {
		vg_buf_printf(b, "{\"id\":%lld,\"tenant\":", (long long)h->id);
		vg_buf_json_str(b, h->tenant);
		vg_buf_puts(b, ",\"from\":\"");
		put_time(b, (int64_t)h->from_day * VG_DAY, 10);
		vg_buf_puts(b, "\",\"to\":\"");
		put_time(b, (int64_t)h->to_day * VG_DAY, 10);
		vg_buf_puts(b, "\",\"reason\":");
		vg_buf_json_str(b, h->reason);
		act_json(b, "set", &h->set);
		act_json(b, "release_asked", &h->asked);
		act_json(b, "released", &h->released);
		vg_buf_puts(b, "}\n");
		return b->rc;
	}
	if (l->n++ == 0)
		vg_buf_puts(b, "  ID  STATE     FROM        TO          BY                TENANT      REASON\n");
	vg_buf_printf(b, "%4lld  %-8s  ", (long long)h->id, h->released.ns ? "released" : h->asked.ns ? "one of 2" : "held");
	put_time(b, (int64_t)h->from_day * VG_DAY, 10);
	vg_buf_puts(b, "  ");
	put_time(b, (int64_t)h->to_day * VG_DAY, 10);
	vg_buf_puts(b, "  ");
	vg_buf_safe(b, vg_str_cut(h->set.who, 16));
	for (size_t i = h->set.who.n; i < 18; i++)
		vg_buf_putc(b, ' ');
	vg_buf_safe(b, h->tenant.n ? h->tenant : VG_STR("all"));
	vg_buf_puts(b, "  ");
	vg_buf_safe(b, h->reason);
	vg_buf_putc(b, '\n');
	return b->rc;
}

static int
list_holds(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	struct listing l = { .jsonl = false };
	int code;

	(void)h;
	if (!vg_take_format(a, &l.jsonl))
		return VG_EXIT_USAGE;
	if (vg_catalogue_holds(db, on_hold, &l) != VG_OK)
		code = vg_catalogue_failed(db);
	else if ((code = vg_print(&l.out)) == VG_EXIT_OK && l.n == 0 && !l.jsonl)
		puts("nothing is held: records go when their time is over");
	vg_buf_fini(&l.out);
	return code;
}

int
vg_cmd_hold_set(const struct vg_args *a)
{
	return vg_with_catalogue(a, false, set_hold);
}

int
vg_cmd_hold_release(const struct vg_args *a)
{
	return vg_with_catalogue(a, false, release_hold);
}

int
vg_cmd_hold_list(const struct vg_args *a)
{
	return vg_with_catalogue(a, true, list_holds);
}

/* ---- destroying before the time ---- */

struct order {
	struct vg_disk keys;
	struct vg_note_secret signer;
	struct vg_destruction e;
	uint32_t from, to, ordered;
};

static vg_rc
order_one(struct order *o, const struct vg_day_key *k)
{
	const struct vg_note_secret *by[1] = { &o->signer };
	struct vg_buf text = { 0 }, note = { 0 };
	char name[VG_DISK_NAME_MAX];
	vg_rc rc;

	o->e.key = k->number;
	o->e.day = k->day;
	o->e.class = k->class;
	vg_destruction_print(&o->e, &text);
	rc = text.rc != VG_OK ? text.rc : vg_note_sign(vg_buf_str(&text), by, 1, &note);
	snprintf(name, sizeof(name), "%08u" VG_DESTRUCTION_ORDER, k->number);
	if (rc == VG_OK)
		rc = vg_disk_replace(&o->keys, name, vg_buf_str(&note));
	o->ordered += rc == VG_OK;
	vg_buf_fini(&text);
	vg_buf_fini(&note);
	return rc;
}

static vg_rc
on_key(void *ctx, const char *name)
{
	struct order *o = ctx;
	struct vg_buf b = { 0 };
	struct vg_day_key k;
	vg_rc rc = vg_disk_slurp(&o->keys, name, 4096, &b);

	if (rc == VG_OK && vg_day_key_check(vg_buf_str(&b), &k) == VG_OK && k.day >= o->from && k.day <= o->to)
		rc = order_one(o, &k);
	vg_buf_fini(&b);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

static vg_rc
order(struct vg_house *h, const char *tenant, struct order *o)
{
	struct vg_disk d = { .dir = h->dir }, vault = { .dir = -1 }, t = { .dir = -1 };
	struct vg_buf note = { 0 };
	struct vg_checkpoint c;
	vg_str text;
	vg_rc rc;

	if ((rc = vg_disk_folder(&d, "vault", &vault)) == VG_OK && (rc = vg_disk_folder(&vault, tenant, &t)) == VG_OK && (rc = vg_disk_folder(&t, "keys", &o->keys)) == VG_OK &&
	    (rc = vg_disk_slurp(&t, "checkpoint", VG_NOTE_BYTES_MAX, &note)) == VG_OK && (rc = vg_note_text(vg_buf_str(&note), &text)) == VG_OK &&
	    (rc = vg_checkpoint_parse(text, &c)) == VG_OK) {
		snprintf(o->e.origin, sizeof(o->e.origin), "%s", c.origin);
		rc = vg_disk_each(&o->keys, VG_KEY_SUFFIX, on_key, o);
	}
	vg_buf_fini(&note);
	vg_disk_close(&o->keys);
	vg_disk_close(&t);
	vg_disk_close(&vault);
	return rc;
}

static int
destroy(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	struct order o = { .keys.dir = -1, .e = { .kind = VG_DESTRUCTION_ORDERED, .class_name = "any", .time_ns = vg_clock_ns() } };
	struct vg_names names = { .ntenant = 0 };
	const char *tenant = vg_arg(a, "--tenant");
	int code = VG_EXIT_USAGE;
	vg_str why;
	vg_rc rc;

	if (vg_names_read(db, &names) != VG_OK)
		return vg_catalogue_failed(db);
	if (tenant == NULL && names.ntenant == 1)
		tenant = names.tenant[0].name;
	if (tenant == NULL || vg_names_tenant_named(&names, tenant) == NULL)
		(void)wrong("--tenant", tenant ? "there is no such tenant" : "it is wanted: there are several");
	else if (!take_days(a, &o.from, &o.to) || !take_words(a, "--reason", &why))
		;
	else if (o.to >= (uint32_t)(o.e.time_ns / VG_DAY))
		(void)wrong("--to", "the day is not over (in UTC)");
	else if (!take_recovery(h, a, tenant, &o.signer))
		code = VG_EXIT_INPUT;
	else {
		snprintf(o.e.why, sizeof(o.e.why), "%.*s", VG_STR_ARG(why));
		rc = order(h, tenant, &o);
		vg_note_secret_fini(&o.signer);
		if (rc != VG_OK)
			vg_log(VG_LOG_ERROR, "%s/vault/%s: %s", h->path, tenant, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		else if (o.ordered == 0)
			vg_log(VG_LOG_ERROR, "nothing is kept of these days, or it is destroyed already");
		else
			printf("ordered: %u keys go within a minute while the watch runs, or when it starts; days that are held stay (`vigie hold list`).\n"
			       "Every copy loses them: a witness obeys the same order.\n", o.ordered);
		code = rc != VG_OK ? VG_EXIT_FAILED : o.ordered ? VG_EXIT_OK : VG_EXIT_INPUT;
	}
	vg_names_free(&names);
	return code;
}

int
vg_cmd_vault_destroy(const struct vg_args *a)
{
	if (vg_arg(a, "--recovery-key") == NULL) {
		vg_log(VG_LOG_ERROR, "--recovery-key FILE is wanted: what goes before its time goes by the company's own word");
		return VG_EXIT_USAGE;
	}
	return vg_with_catalogue(a, false, destroy);
}
