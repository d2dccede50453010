/* cmd/vault_verify.c - `vigie vault verify`: is the evidence what it was, and who outside says so? */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/apart.h"
#include "cmd/common.h"
#include "cmd/vault.h"
#include "net/loop.h"
#include "state/format.h"
#include "vault/export.h"
#include "witness/names.h"

#define CA_BYTES_MAX ((size_t)1 << 20)
#define PROGRESS_NS (VG_SEC / 4)

const struct vg_opt vg_vault_verify_opts[] = {
	VG_STATE_OPTION,
	{ "--tenant", VG_OPT_TEXT, "NAME", "only this tenant's evidence" },
	{ "--deep", VG_OPT_FLAG, NULL, "open every block with its key and compute the tree over its records" },
	{ "--witness", VG_OPT_TEXT, "URL", "compare with what this witness saw (default: those of witness.urls)" },
	VG_SETTINGS_OPTION,
	{ "--witness-key", VG_OPT_TEXT, "KEY", "the witness's key (default: the one that it publishes, which is told)" },
	{ "--token-file", VG_OPT_TEXT, "FILE", "the token that the witness asks for" },
	{ "--tls-ca", VG_OPT_TEXT, "FILE", "the CA of the witness's certificate (default: those of the system)" },
	{ "--pin", VG_OPT_TEXT, "SHA256", "the witness's public key, as SHA-256 in hexadecimal; then no CA is asked" },
	{ "--stamps", VG_OPT_FLAG, NULL, "believe time stamps; needs --tsa-ca" },
	{ "--tsa-ca", VG_OPT_TEXT, "FILE", "the certificates of the time-stamping authority's CA (PEM)" },
	{ "--export", VG_OPT_TEXT, "FOLDER", "check what `vigie vault export` wrote, instead of a vault" },
	{ "--log-key", VG_OPT_TEXT, "KEY", "the log's key, as the watch prints it (default: the one that is found, which is told)" },
	VG_FORMAT_OPTION,
	{ "--quiet", VG_OPT_FLAG, NULL, "no progress" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

/* ---- what is printed ---- */

static void
clear_progress(struct vg_check *c)
{
	if (c->progress)
		fputs("\r\033[K", stderr);
}

static const char *
grade_name(enum vg_grade g)
{
	static const char *const name[] = { [VG_GRADE_NOTE] = "note", [VG_GRADE_WARNING] = "warning", [VG_GRADE_DAMAGE] = "DAMAGE" };

	return name[g];
}

static void
print_text(struct vg_check *c, const struct vg_finding *f)
{
	vg_buf_printf(&c->out, "%s: ", grade_name(f->grade));
	vg_buf_safe(&c->out, vg_str_of(c->prefix));
	vg_buf_safe(&c->out, vg_str_of(f->file));
	if (f->until > f->at + 1)
		vg_buf_printf(&c->out, ", in bytes %llu to %llu", (unsigned long long)f->at, (unsigned long long)f->until - 1);
	else if (f->until)
		vg_buf_printf(&c->out, ", byte %llu", (unsigned long long)f->at);
	vg_buf_puts(&c->out, ": ");
	vg_buf_safe(&c->out, vg_str_of(f->what));
	if (f->until_seq > f->seq + 1)
		vg_buf_printf(&c->out, "; records %llu to %llu", (unsigned long long)f->seq, (unsigned long long)f->until_seq - 1);
	else if (f->until_seq)
		vg_buf_printf(&c->out, "; record %llu", (unsigned long long)f->seq);
	if (f->advice)
		vg_buf_printf(&c->out, " (%s)", f->advice);
	vg_buf_putc(&c->out, '\n');
}

static void
print_row(struct vg_check *c, const struct vg_finding *f)
{
	char file[VG_VERIFY_NAME_MAX + sizeof(c->prefix)];

	snprintf(file, sizeof(file), "%s%s", c->prefix, f->file);
	vg_buf_printf(&c->out, "{\"kind\":\"%s\",\"file\":", f->grade == VG_GRADE_DAMAGE ? "damage" : grade_name(f->grade));
	vg_buf_json_str(&c->out, vg_str_of(file));
	if (f->until)
		vg_buf_printf(&c->out, ",\"at\":%llu,\"until\":%llu", (unsigned long long)f->at, (unsigned long long)f->until);
	if (f->until_seq)
		vg_buf_printf(&c->out, ",\"seq\":%llu,\"until_seq\":%llu", (unsigned long long)f->seq, (unsigned long long)f->until_seq);
	vg_buf_puts(&c->out, ",\"text\":");
	vg_buf_json_str(&c->out, vg_str_of(f->what));
	if (f->advice) {
		vg_buf_puts(&c->out, ",\"advice\":");
		vg_buf_json_str(&c->out, vg_str_of(f->advice));
	}
	vg_buf_puts(&c->out, "}\n");
}

void
vg_check_found(void *ctx, const struct vg_finding *f)
{
	struct vg_check *c = ctx;

	c->damages += f->grade == VG_GRADE_DAMAGE;
	c->warnings += f->grade == VG_GRADE_WARNING;
	clear_progress(c);
	(c->jsonl ? print_row : print_text)(c, f);
	(void)vg_print(&c->out);
}

void
vg_check_damage(struct vg_check *c, const char *file, uint64_t at, uint64_t until, const char *fmt, ...)
{
	char what[VG_VERIFY_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	vg_check_found(c, &(struct vg_finding){ .grade = VG_GRADE_DAMAGE, .file = file, .at = at, .until = until, .what = what });
}

void
vg_check_warn(struct vg_check *c, const char *file, const char *fmt, ...)
{
	char what[VG_VERIFY_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	vg_check_found(c, &(struct vg_finding){ .grade = VG_GRADE_WARNING, .file = file, .what = what });
}

void
vg_check_say(struct vg_check *c, const char *kind, const char *fmt, ...)
{
	char what[2 * VG_VERIFY_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (c->silent)
		return;
	clear_progress(c);
	if (c->jsonl) {
		vg_buf_printf(&c->out, "{\"kind\":\"%s\",\"text\":", kind);
		vg_buf_json_str(&c->out, vg_str_of(what));
		vg_buf_puts(&c->out, "}\n");
	} else {
		vg_buf_safe(&c->out, vg_str_of(what));
		vg_buf_putc(&c->out, '\n');
	}
	(void)vg_print(&c->out);
}

static void
progress(void *ctx, uint64_t done, uint64_t all)
{
	struct vg_check *c = ctx;
	static int64_t said_ns;
	int64_t now = vg_monotonic_ns();

	if (!c->progress || now - said_ns < PROGRESS_NS)
		return;
	said_ns = now;
	fprintf(stderr, "\r%s%llu of %llu MB\033[K", c->prefix, (unsigned long long)done / 1000000, (unsigned long long)all / 1000000);
}

/* ---- a tenant ---- */

static void
print_tenant(struct vg_check *c, const char *tenant, const struct vg_verified *v)
{
	char when[VG_TIME_MAX] = "", since[VG_TIME_MAX] = "";

	if (v->has_checkpoint)
		(void)vg_time_print(v->checkpoint.time_ns, 0, when);
	if (v->unsealed)
		(void)vg_time_print(v->unsealed_ns, 0, since);
	if (c->jsonl) {
		vg_buf_puts(&c->out, "{\"kind\":\"tenant\",\"tenant\":");
		vg_buf_json_str(&c->out, vg_str_of(tenant));
		vg_buf_printf(&c->out, ",\"blocks\":%llu,\"records\":%llu,\"stored_bytes\":%llu,\"raw_bytes\":%llu,\"sealed\":%llu,\"checkpoint\":\"%s\",\"opened\":%llu,\"gone\":%llu,"
				       "\"closed\":%llu,\"stuck\":%llu,\"unsealed\":%llu,\"stamps\":%llu,\"damages\":%llu,\"warnings\":%llu}\n",
			      (unsigned long long)v->size, (unsigned long long)v->records, (unsigned long long)v->stored_bytes, (unsigned long long)v->payload_bytes,
			      (unsigned long long)v->checkpoint.size, when, (unsigned long long)v->opened, (unsigned long long)v->gone, (unsigned long long)v->closed, (unsigned long long)v->stuck,
			      (unsigned long long)v->unsealed, (unsigned long long)v->stamps, (unsigned long long)v->damages, (unsigned long long)v->warnings);
		(void)vg_print(&c->out);
		return;
	}
	vg_check_say(c, "tenant", "%s: %llu blocks, %llu records, %.1f MB kept of %.1f MB; %s%s", tenant, (unsigned long long)v->size, (unsigned long long)v->records,
		     (double)v->stored_bytes / 1e6, (double)v->payload_bytes / 1e6, v->has_checkpoint ? "signed on " : "no checkpoint yet", when);
	if (c->deep)
		vg_check_say(c, "note", "%s: %llu blocks were opened, %llu have a key that was destroyed, %llu a key that is not here", tenant, (unsigned long long)v->opened,
			     (unsigned long long)v->gone, (unsigned long long)v->closed);
	if (v->stuck)
		vg_check_say(c, "note", "%s: %llu more blocks cannot be unpacked for the damaged ones: a copy of these gives them back (`vigie vault restore --from WITNESS`)", tenant,
			     (unsigned long long)v->stuck);
	if (v->unsealed)
		vg_check_say(c, "note", "%s: %llu blocks with %llu records, from %s on, are not sealed yet", tenant, (unsigned long long)v->unsealed,
			     (unsigned long long)v->unsealed_records, since);
	if (v->stamps && c->tsa_ca.n == 0)
		vg_check_say(c, "note", "%s: %llu time stamps were not believed: --stamps --tsa-ca FILE", tenant, (unsigned long long)v->stamps);
}

static bool
is_live(const struct vg_check *c, int dir)
{
	bool busy = flock(dir, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK; /* a witness holds its copy so */

	(void)flock(dir, LOCK_UN);
	return c->live || busy;
}

static void
keep_torn(struct vg_check *c, const struct vg_verified *v)
{
	if (v->torn && (c->torn_seq == 0 || v->next_seq < c->torn_seq)) {
		c->torn_seq = v->next_seq;
		c->torn_at = v->torn_at;
		snprintf(c->torn, sizeof(c->torn), "%s%s", c->prefix, v->torn_file);
	}
	c->next_seq = v->next_seq > c->next_seq ? v->next_seq : c->next_seq;
}

/* The key in the tenant's own folder counts before the seal's, which is compared with it. */
static bool
own_log_key(struct vg_check *c, int dir, struct vg_note_key *out)
{
	struct vg_disk d = { .dir = dir, .read_only = true };
	struct vg_buf b = { 0 };
	bool ok = vg_disk_slurp(&d, VG_LOG_KEY_FILE, 4096, &b) == VG_OK && vg_note_key_parse(vg_str_trim(vg_buf_str(&b)), out) == VG_OK;

	vg_buf_fini(&b);
	if (ok && c->has_log && memcmp(out, &c->log, sizeof(*out)) != 0)
		ok = false; /* told where the file is looked at */
	return ok;
}

static void
forget(struct vg_anchor w[VG_ASKED_MAX])
{
	for (size_t i = 0; i < VG_ASKED_MAX; i++)
		vg_buf_fini(&w[i].note);
}

static vg_rc
check_tenant(struct vg_check *c, const char *tenant, int dir)
{
	struct vg_verify_options o = { .days = c->has_days ? &c->days : NULL, .watch = c->watch, .live = is_live(c, dir), .deep = c->deep, .tsa_ca = vg_buf_str(&c->tsa_ca),
				       .found = vg_check_found, .progress = progress, .ctx = c };
	struct vg_anchor w[VG_ASKED_MAX] = { { .by = NULL } };
	struct vg_node_last last;
	struct vg_note_key own;
	struct vg_verified v;
	uint8_t key[32];
	vg_rc rc;

	vg_anchor_ask(c, tenant, w); /* first: what it saw is of the past then */
	snprintf(c->prefix, sizeof(c->prefix), "vault/%s/", tenant);
	if (c->witness_given)
		o.witness = &c->witness;
	if (c->has_log)
		o.log_key = &c->log;
	else if (own_log_key(c, dir, &own))
		o.log_key = &own;
	if (vg_node_tenant_key(c, tenant, key))
		o.tenant_key = key;
	vg_node_last(c, tenant, &last);
	rc = vg_verify_tenant(dir, &o, &v);
	sodium_memzero(key, sizeof(key));
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault verify: %s%s: %s", c->prefix, tenant, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		c->unseen = true;
		vg_buf_fini(&last.text);
		forget(w);
		return rc;
	}
	print_tenant(c, tenant, &v);
	if (o.log_key && !c->has_log)
		vg_check_say(c, "note", "%s: verified by the key in its own folder: compare it with the one that the watch printed", tenant);
	if (o.log_key == NULL && v.has_checkpoint) {
		vg_check_warn(c, VG_CHECKPOINT_FILE, "no signature could be looked at: the log's key is not here, give --log-key");
		c->unseen = true;
	} else if (v.has_checkpoint && o.days == NULL) {
		vg_check_say(c, "note", "%s: the signature of the day's key was not looked at: days.log is not here", tenant);
	}
	keep_torn(c, &v);
	vg_node_tenant(c, tenant, &last, &v);
	if (!c->has_log && o.log_key) { /* for the witness's note */
		c->log = own;
		c->has_log = true;
	}
	vg_anchor_judge(c, tenant, w, &v);
	if (o.log_key == &own)
		c->has_log = false;
	vg_verified_fini(&v);
	vg_buf_fini(&last.text);
	forget(w);
	return VG_OK;
}

struct names {
	char (*name)[VG_TENANT_NAME_MAX];
	size_t n;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static vg_rc
tenants_of(int vault, struct names *out)
{
	int fd = openat(vault, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (dir == NULL || (out->name = calloc(VG_TENANTS_MAX, sizeof(*out->name))) == NULL) {
		if (dir)
			closedir(dir);
		return dir ? VG_E_NOMEM : VG_E_SYS;
	}
	while ((e = readdir(dir)) != NULL && out->n < VG_TENANTS_MAX) {
		struct stat st;

		if (vg_is_tenant_name(vg_str_of(e->d_name)) && strcmp(e->d_name, "intake") != 0 && fstatat(vault, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			snprintf(out->name[out->n++], VG_TENANT_NAME_MAX, "%s", e->d_name);
	}
	closedir(dir);
	qsort(out->name, out->n, sizeof(*out->name), by_name);
	return VG_OK;
}

/* All tenants of a watch are in logs of one key. */
static void
published_key(struct vg_check *c, int vault, const struct names *t)
{
	for (size_t i = 0; i < t->n && !c->has_log; i++) {
		int dir = openat(vault, t->name[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		c->has_log = dir >= 0 && own_log_key(c, dir, &c->log);
		c->log_from = "a tenant's own folder; compare it with the one that the watch printed";
		if (dir >= 0)
			close(dir);
	}
}

static vg_rc
check_tenants(struct vg_check *c, const char *only)
{
	int vault = openat(c->house.dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct names t = { NULL, 0 };
	vg_rc rc = vault < 0 ? VG_E_SYS : tenants_of(vault, &t);
	bool any = false;

	vg_node_key(c);
	if (rc == VG_OK && c->watch && !c->has_log)
		published_key(c, vault, &t);
	if (rc == VG_OK)
		rc = vg_node_days(c);

	for (size_t i = 0; rc == VG_OK && i < t.n; i++) {
		int dir;

		if (only && strcmp(only, t.name[i]) != 0)
			continue;
		any = true;
		if ((dir = openat(vault, t.name[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
			rc = VG_E_SYS;
		else
			rc = check_tenant(c, t.name[i], dir);
		if (dir >= 0)
			close(dir);
	}
	if (rc == VG_OK && !any) {
		vg_log(VG_LOG_ERROR, "vault verify: %s/vault: there is no tenant%s%s", c->house.path, only ? " " : "", only ? only : "");
		rc = VG_E_NOTFOUND;
	}
	free(t.name);
	if (vault >= 0)
		close(vault);
	return rc;
}

/* ---- the command ---- */

void
vg_check_open(struct vg_check *c)
{
	int fd = openat(c->house.dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	c->live = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	if (fd >= 0)
		close(fd);
	c->watch = faccessat(c->house.dir, "seal", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

vg_rc
vg_check_log_key(struct vg_check *c, int tenant_dir)
{
	vg_node_key(c);
	c->has_log = c->has_log || own_log_key(c, tenant_dir, &c->log);
	return c->has_log ? VG_OK : VG_E_NOTFOUND;
}

static bool
take_options(struct vg_check *c)
{
	const char *key = vg_arg(c->a, "--log-key"), *ca = vg_arg(c->a, "--tsa-ca");

	if (!vg_take_format(c->a, &c->jsonl))
		return false;
	c->progress = !vg_arg_set(c->a, "--quiet") && vg_is_terminal(STDERR_FILENO);
	c->deep = vg_arg_set(c->a, "--deep");
	if (vg_arg_set(c->a, "--stamps") && ca == NULL) {
		vg_log(VG_LOG_ERROR, "vault verify: --stamps needs --tsa-ca FILE: whom should be believed?");
		return false;
	}
	if (ca && vg_house_read(ca, &c->tsa_ca) != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault verify: --tsa-ca %s: %s", ca, strerror(errno));
		return false;
	}
	if (key && vg_note_key_parse(vg_str_of(key), &c->log) != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault verify: --log-key %s: not a key: NAME+ID+BASE64", key);
		return false;
	}
	c->has_log = c->log_given = key != NULL;
	c->log_from = "--log-key";
	return vg_anchor_open(c) == VG_OK;
}

static int
verdict(struct vg_check *c)
{
	char when[VG_TIME_MAX] = "the beginning";

	if (c->damages) {
		vg_check_say(c, "result", "DAMAGED: %llu places are named above, the first one first", (unsigned long long)c->damages);
		return VG_VERIFY_DAMAGED;
	}
	if (c->unseen) {
		vg_check_say(c, "result", "not verified: something could not be looked at, as told above");
		return VG_VERIFY_UNSEEN;
	}
	if (!c->alone) {
		vg_check_say(c, "result", "sound, and vouched for outside this machine");
		return VG_VERIFY_VOUCHED;
	}
	if (c->vouched_ns)
		(void)vg_time_print(c->vouched_ns, 0, when);
	vg_check_say(c, "result", "sound; nothing outside this machine vouches for what came after %s", when);
	return VG_VERIFY_ALONE;
}

static int
run(struct vg_check *c)
{
	char why[300];
	vg_rc rc = vg_house_open(&c->house, vg_state_path(c->a), false, why);

	if (rc == VG_E_FORMAT) {
		vg_check_damage(c, VG_FORMAT_FILE, 0, 0, "is damaged: which version the files are of is not known, and they are not looked at");
		return VG_VERIFY_DAMAGED;
	}
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault verify: %s", why);
		return VG_VERIFY_UNSEEN;
	}
	vg_check_open(c);
	if ((rc = check_tenants(c, vg_arg(c->a, "--tenant"))) == VG_OK)
		vg_node_rest(c);
	vg_house_close(&c->house);
	if (rc == VG_E_SYS)
		vg_log(VG_LOG_ERROR, "vault verify: %s: %s", c->house.path, strerror(errno));
	return rc == VG_OK ? verdict(c) : c->damages ? VG_VERIFY_DAMAGED : VG_VERIFY_UNSEEN;
}

/* ---- an export ---- */

static void
say_export(struct vg_check *c, const struct vg_export_checked *x)
{
	struct vg_buf key = { 0 }, hash = { 0 };
	char when[VG_TIME_MAX];

	vg_note_key_print(&x->log_key, &key);
	vg_buf_putc(&key, 0);
	vg_buf_hex(&hash, x->manifest.b, sizeof(x->manifest.b), false);
	vg_buf_putc(&hash, 0);
	(void)vg_time_print(x->checkpoint.time_ns, 0, when);
	if (x->log_key.name[0] && key.rc == VG_OK)
		vg_check_say(c, "key", "the log's key, of %s: %s", c->log_given ? "--log-key" : "the export itself; compare it with the one that the watch printed", key.p);
	if (hash.rc == VG_OK)
		vg_check_say(c, "manifest", "SHA-256 of " VG_EXPORT_MANIFEST ", to be compared with the sheet: %s", hash.p);
	vg_check_say(c, "export", "%llu records, %llu bytes, of %llu blocks; %s, %llu blocks signed on %s", (unsigned long long)x->records, (unsigned long long)x->bytes,
		     (unsigned long long)x->blocks, x->checkpoint.origin, (unsigned long long)x->checkpoint.size, when);
	if (!x->day_signed && x->damages == 0)
		vg_check_say(c, "note", "the signature of the day's key was not looked at: " VG_DAYS_FILE " is not here");
	if (x->cosigned)
		vg_check_say(c, "vouched", "the checkpoint is cosigned by %s", c->witness.name);
	if (x->stamped) {
		(void)vg_time_print(x->stamp.time_ns, 0, when);
		vg_check_say(c, "vouched", "a time stamp of %s vouches for the records on %s", x->stamp.signer, when);
	}
	vg_buf_fini(&key);
	vg_buf_fini(&hash);
}

static int
run_export(struct vg_check *c, const char *folder)
{
	struct vg_export_check o = { .log_key = c->log_given ? &c->log : NULL, .witness = c->witness_given ? &c->witness : NULL, .tsa_ca = vg_buf_str(&c->tsa_ca),
				     .found = vg_check_found, .ctx = c };
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct vg_export_checked x;
	vg_rc rc = dir < 0 ? VG_E_SYS : vg_export_verify(dir, &o, &x);

	if (dir >= 0)
		close(dir);
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault verify: %s: %s", folder, rc == VG_E_SYS ? strerror(errno) : rc == VG_E_NOTFOUND ? "there is no " VG_EXPORT_MANIFEST ": it is no export" : vg_rc_name(rc));
		return VG_VERIFY_UNSEEN;
	}
	say_export(c, &x);
	c->alone = !x.cosigned && !x.stamped;
	return verdict(c);
}

/* In the process apart: all that is looked at is read there, and the witness asked. */
static int
verify_apart(void *ctx)
{
	struct vg_check *c = ctx;
	const char *export = c->a->noperand ? c->a->operand[0] : vg_arg(c->a, "--export");

	vg_anchor_begin(c);
	return export ? run_export(c, export) : run(c);
}

static int
verify(struct vg_check *c)
{
	struct vg_apart apart = { .limits = { .name = "verify", .may = VG_MAY_READ } };
	const char *export = c->a->noperand ? c->a->operand[0] : vg_arg(c->a, "--export");

	vg_apart_see(&apart, export ? export : vg_state_path(c->a), NULL);
	if (c->pull)
		vg_apart_connects(&apart, c->tls_ca);
	return vg_apart_run(&apart, verify_apart, c);
}

int
vg_cmd_vault_verify(const struct vg_args *a)
{
	struct vg_check *c = calloc(1, sizeof(*c));
	int code = VG_EXIT_USAGE;

	if (c == NULL || sodium_init() < 0) {
		free(c);
		return VG_VERIFY_UNSEEN;
	}
	c->a = a;
	if (a->noperand > 1 || (a->noperand && vg_arg(a, "--export")))
		vg_log(VG_LOG_ERROR, "vault verify: takes one folder of an export, or options only");
	else if (take_options(c))
		code = verify(c);
	vg_days_free(&c->days);
	vg_buf_fini(&c->tsa_ca);
	vg_buf_fini(&c->out);
	vg_anchor_close(c);
	free(c);
	return code;
}
