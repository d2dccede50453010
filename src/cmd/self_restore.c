/* cmd/self_restore.c - `vigie self-backup restore`: what a self-backup holds, put into the state folder of a watch that is to be, behind
 * `vigie vault restore`, which brings the evidence.
 *
 * All of the file is unpacked into "restoring/new" and checked there; only then "restoring/sha256" says which file it is, and members take their places.
 * While "restoring" is there no watch starts on the folder, and a restore of the same file goes on from wherever it was ended. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/common.h"
#include "cmd/self.h"
#include "net/loop.h"
#include "state/migrate.h"
#include "state/outbox.h"
#include "state/signals.h"
#include "vault/disk.h"
#include "vault/intake.h"

const struct vg_opt vg_self_restore_opts[] = {
	{ "--state", VG_OPT_TEXT, "DIR", "the folder that `vigie vault restore` made, or an empty one (needed)" },
	{ "--sha256", VG_OPT_TEXT, "HEX", "the file must be this one, as `vigie self-backup` said" },
	{ "--without-vault", VG_OPT_FLAG, NULL, "although no evidence is there, nor will be: records that signals name are gone" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

#define NEW "new"
#define BEGUN "sha256"
#define SPARE_BYTES ((uint64_t)16 << 20) /* stay free on the disk */

struct restore {
	struct vg_house h;
	struct vg_manifest m;
	struct vg_hash sum;
	int top;    /* the folder "restoring" */
	int stage;  /* "restoring/new" */
	int file;   /* the member that is being unpacked; -1 */
	bool again; /* an earlier one was ended in the middle */
	struct vg_buf begun; /* the file whose members may be in place; empty: none */
	uint64_t vault_next;
	struct vg_self_lost lost;
};

/* ---- is there room for it? ---- */

/* What a watch has, and a vault that was just restored has not. */
static int
is_untouched(struct restore *r)
{
	static const char *const files[] = { VG_SELF_CATALOGUE, VG_SELF_SIGNALS, VG_SELF_OUTBOX, VG_SELF_SETTINGS, "seal/log.secret", "status", "exceptions", "indicators", "vault/intake",
					     VG_SELF_RESTORED, VG_SELF_LAST };

	r->again = faccessat(r->h.dir, VG_SELF_RESTORING, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	for (size_t i = 0; !r->again && i < VG_COUNT(files); i++)
		if (faccessat(r->h.dir, files[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			vg_log(VG_LOG_ERROR, "self-backup: %s has %s already: a restore goes into an empty folder, or into one that `vigie vault restore` made, and writes over "
					     "nothing", r->h.path, files[i]);
			return VG_EXIT_INPUT;
		}
	return VG_EXIT_OK;
}

static int
check_vault(struct restore *r, bool without)
{
	vg_rc rc = vg_house_vault_next(&r->h, &r->vault_next);

	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: the vault's checkpoint cannot be read: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		return VG_EXIT_FAILED;
	}
	if (r->vault_next > 1 || without)
		return VG_EXIT_OK;
	vg_log(VG_LOG_ERROR, "self-backup: no evidence is in %s.  `vigie vault restore --from WITNESS` comes first: afterwards it could not be put in any more.  If there is none, "
			     "--without-vault restores the rest alone", r->h.path);
	return VG_EXIT_INPUT;
}

/* ---- unpacking ---- */

static vg_rc
on_begin(void *ctx, const struct vg_manifest *m, char why[VG_BUNDLE_WHY])
{
	struct restore *r = ctx;
	char place[VG_BUNDLE_NAME_MAX + 16];
	struct statvfs s;
	uint64_t all = SPARE_BYTES;
	bool catalogue = false;

	for (size_t i = 0; i < m->n; i++) {
		all += m->member[i].size;
		catalogue = catalogue || strcmp(m->member[i].name, VG_SELF_CATALOGUE) == 0;
		if (!vg_self_place(m->member[i].name, place)) {
			snprintf(why, VG_BUNDLE_WHY, "no place is known for %s", m->member[i].name);
			return VG_E_REFUSED;
		}
	}
	if (!catalogue) {
		snprintf(why, VG_BUNDLE_WHY, VG_SELF_CATALOGUE " is not in it, and every self-backup has it");
		return VG_E_REFUSED;
	}
	if (fstatvfs(r->stage, &s) < 0 || (uint64_t)s.f_bavail * s.f_frsize < all) {
		snprintf(why, VG_BUNDLE_WHY, "it takes %llu MiB, and the disk has not so much", (unsigned long long)(all >> 20));
		return VG_E_REFUSED;
	}
	return VG_OK;
}

static vg_rc
on_bytes(void *ctx, size_t i, uint64_t at, vg_str bytes)
{
	struct restore *r = ctx;
	vg_rc rc;

	if (at == 0) {
		char file[48];

		if (r->file >= 0 && close(r->file) < 0)
			return VG_E_SYS;
		vg_self_staged(r->m.member[i].name, file);
		if ((r->file = openat(r->stage, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
			return VG_E_SYS;
	}
	if ((rc = vg_write_all(r->file, bytes)) == VG_OK && at + bytes.n == r->m.member[i].size && fsync(r->file) < 0)
		rc = VG_E_SYS;
	return rc;
}

static int
unpack(struct restore *r, const char *path, const char *want)
{
	struct vg_bundle_ops ops = { on_begin, on_bytes, r };
	struct vg_buf hex = { 0 };
	char why[VG_BUNDLE_WHY];
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = VG_EXIT_OK;

	if (fd < 0) {
		vg_log(VG_LOG_ERROR, "self-backup: %s: %s", path, strerror(errno));
		return VG_EXIT_INPUT;
	}
	if (vg_bundle_read(fd, &ops, &r->m, &r->sum, why) != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: %s: %s; nothing of it was put in place", path, why);
		code = VG_EXIT_FAILED;
	}
	if (r->file >= 0)
		close(r->file);
	r->file = -1;
	close(fd);
	vg_buf_hex(&hex, r->sum.b, sizeof(r->sum.b), false);
	if (code == VG_EXIT_OK && want && !vg_str_ieq(vg_str_of(want), vg_buf_str(&hex))) {
		vg_log(VG_LOG_ERROR, "self-backup: %s: it is another one than --sha256 says: %.*s", path, VG_STR_ARG(vg_buf_str(&hex)));
		code = VG_EXIT_FAILED;
	}
	if (code == VG_EXIT_OK && r->begun.n && !vg_str_eq(vg_buf_str(&r->begun), vg_buf_str(&hex))) {
		vg_log(VG_LOG_ERROR, "self-backup: %s: the restore of another file was ended in the middle, and is to be done first: sha256 %.*s", path,
		       VG_STR_ARG(vg_buf_str(&r->begun)));
		code = VG_EXIT_FAILED;
	}
	vg_buf_clear(&r->begun);
	vg_buf_put(&r->begun, vg_buf_str(&hex));
	vg_buf_fini(&hex);
	return code;
}

/* ---- what is in it ---- */

static void
staged_path(const struct restore *r, const char *member, char out[2 * PATH_MAX])
{
	char file[48];

	vg_self_staged(member, file);
	snprintf(out, 2 * PATH_MAX, "%s/" VG_SELF_RESTORING "/" NEW "/%s", r->h.path, file);
}

static bool
has(const struct restore *r, const char *member)
{
	for (size_t i = 0; i < r->m.n; i++)
		if (strcmp(r->m.member[i].name, member) == 0)
			return true;
	return false;
}

/* Open a staged database, once it was looked at; brought up to date. */
static sqlite3 *
open_staged(struct restore *r, const char *member, vg_rc (*vet)(const char *, char *), vg_rc (*open_it)(const char *, bool, char *, sqlite3 **))
{
	char path[2 * PATH_MAX], why[VG_DB_WHY];
	sqlite3 *db;

	staged_path(r, member, path);
	if (vet(path, why) != VG_OK || open_it(path, false, why, &db) != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: %s; nothing of it was put in place", why);
		return NULL;
	}
	if (why[0])
		vg_log(VG_LOG_INFO, "self-backup: %s", why);
	return db;
}

static vg_rc
first_tenant(void *ctx, uint32_t id, vg_str name)
{
	*(uint32_t *)ctx = id;
	(void)name;
	return VG_E_STOP;
}

/* A database whose journal is done with, so that one file is all of it. */
static bool
close_staged(sqlite3 *db)
{
	bool ok = vg_db_run(db, "PRAGMA wal_checkpoint(TRUNCATE)") == VG_OK;

	vg_db_close(db);
	return ok;
}

/* @next: the first record's number that nothing here knows. */
static int
look_into(struct restore *r, uint64_t *next, uint32_t *tenant)
{
	sqlite3 *db = open_staged(r, VG_SELF_CATALOGUE, vg_catalogue_vet, vg_catalogue_open);
	uint64_t named = 1;
	vg_rc rc;

	if (db == NULL)
		return VG_EXIT_FAILED;
	*tenant = 0;
	rc = vg_catalogue_tenants(db, first_tenant, tenant);
	if (rc == VG_OK || rc == VG_E_STOP)
		rc = vg_self_find_lost(&r->h, db, r->m.next, &r->lost);
	if (!close_staged(db) || rc != VG_OK) {
		if (rc != VG_E_REFUSED)
			vg_log(VG_LOG_ERROR, "self-backup: the catalogue cannot be completed: %s", vg_rc_name(rc));
		return VG_EXIT_FAILED;
	}
	if (has(r, VG_SELF_SIGNALS)) {
		if ((db = open_staged(r, VG_SELF_SIGNALS, vg_signals_vet, vg_signals_open)) == NULL)
			return VG_EXIT_FAILED;
		rc = vg_signals_next(db, &named);
		if (!close_staged(db) || rc != VG_OK) {
			vg_log(VG_LOG_ERROR, "self-backup: signals.db: %s", vg_rc_name(rc));
			return VG_EXIT_FAILED;
		}
	}
	if (has(r, VG_SELF_OUTBOX) && ((db = open_staged(r, VG_SELF_OUTBOX, vg_outbox_vet, vg_outbox_open)) == NULL || !close_staged(db)))
		return VG_EXIT_FAILED;
	*next = r->vault_next > r->m.next ? r->vault_next : r->m.next;
	*next = named > *next ? named : *next;
	return VG_EXIT_OK;
}

/* ---- taking its place ---- */

/* The folder that @path lies in, below the state folder, made; -1.  @name: the rest. */
static int
folder_of(struct restore *r, const char *path, const char **name)
{
	int dir = fcntl(r->h.dir, F_DUPFD_CLOEXEC, 0), sub;
	const char *slash;

	while (dir >= 0 && (slash = strchr(path, '/')) != NULL) {
		char part[VG_BUNDLE_NAME_MAX + 16];

		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		sub = mkdirat(dir, part, 0700) < 0 && errno != EEXIST ? -1 : openat(dir, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0 && fsync(dir) < 0) {
			close(sub);
			sub = -1;
		}
		close(dir);
		dir = sub;
		path = slash + 1;
	}
	*name = path;
	return dir;
}

static vg_rc
place(struct restore *r, const char *member)
{
	char to[VG_BUNDLE_NAME_MAX + 16], file[48];
	const char *name;
	struct stat st;
	int dir;
	vg_rc rc = VG_OK;

	if (!vg_self_place(member, to))
		return VG_E_FORMAT;
	vg_self_staged(member, file);
	if ((dir = folder_of(r, to, &name)) < 0)
		return VG_E_SYS;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		errno = EISDIR, rc = VG_E_SYS;
	else if (renameat(r->stage, file, dir, name) < 0 || fsync(dir) < 0)
		rc = VG_E_SYS;
	close(dir);
	return rc;
}

/* The evidence says itself that it was put back, and from where numbers go on: none that a signal names is ever given to another record. */
static vg_rc
begin_journal(struct restore *r, uint64_t next, uint32_t tenant)
{
	struct vg_disk vault = { .dir = vg_house_folder(&r->h, "vault") }, d = { .dir = -1 };
	struct vg_intake_options o = { .first = next };
	struct vg_intake_damage bad;
	struct vg_intake *j = NULL;
	struct vg_buf text = { 0 };
	struct vg_record record = { .recv_ns = vg_clock_ns() };
	char when[VG_TIME_MAX];
	uint64_t seq;
	vg_rc rc = vault.dir < 0 ? VG_E_SYS : vg_disk_folder(&vault, "intake", &d);

	if (rc == VG_OK && (rc = vg_intake_open(&d, &o, &bad, &j)) == VG_OK && vg_intake_next(j) <= next && tenant) {
		(void)vg_time_print(r->m.made_ns, 0, when);
		vg_buf_printf(&text, "{\"vigie\":{\"event\":\"state-restored\",\"backup\":\"");
		vg_buf_hex(&text, r->sum.b, sizeof(r->sum.b), false);
		vg_buf_printf(&text, "\",\"made\":\"%s\",\"records_before\":%llu,\"unknown_sources\":%llu}}", when, (unsigned long long)r->vault_next,
			      (unsigned long long)r->lost.sources);
		record.raw = vg_buf_str(&text);
		if ((rc = text.rc) == VG_OK && (rc = vg_intake_add(j, tenant, &record, &seq)) == VG_OK)
			rc = vg_intake_sync(j);
	}
	vg_intake_free(j);
	vg_buf_fini(&text);
	vg_disk_close(&d);
	vg_disk_close(&vault);
	return rc;
}

/* What a person should have at hand, and what tells that it was done. */
static vg_rc
keep_manifest(struct restore *r)
{
	struct vg_disk d = { .dir = vg_house_folder(&r->h, VG_SELF_RESTORED) };
	struct vg_buf b = { 0 };
	vg_rc rc;

	vg_manifest_print(&r->m, &b);
	rc = d.dir < 0 ? VG_E_SYS : b.rc != VG_OK ? b.rc : vg_disk_replace(&d, VG_BUNDLE_MANIFEST, vg_buf_str(&b));
	vg_disk_close(&d);
	vg_buf_fini(&b);
	return rc;
}

static vg_rc
place_all(struct restore *r, uint64_t next, uint32_t tenant)
{
	struct vg_disk top = { .dir = r->top };
	vg_rc rc = fsync(r->stage) < 0 || fsync(r->h.dir) < 0 ? VG_E_SYS : r->begun.rc;

	if (rc == VG_OK)
		rc = vg_disk_replace(&top, BEGUN, vg_buf_str(&r->begun));
	for (size_t i = 0; rc == VG_OK && i < r->m.n; i++)
		rc = place(r, r->m.member[i].name);
	if (rc == VG_OK)
		rc = begin_journal(r, next, tenant);
	if (rc == VG_OK)
		rc = keep_manifest(r);
	return rc;
}

static int
say_done(const struct restore *r)
{
	struct vg_buf b = { 0 };
	char when[VG_TIME_MAX];
	bool folders = false;
	int code;

	(void)vg_time_print(r->m.made_ns, 0, when);
	vg_buf_printf(&b, "restored from %s of %s: names and states of sources, keys, signals, alarms that were not told yet, settings, and what people wrote\n", when, r->m.node);
	if (r->lost.sources)
		vg_buf_printf(&b, "%llu sources sent %llu records after that; their names are lost (`vigie source list` shows them as unknown-NUMBER)\n",
			      (unsigned long long)r->lost.sources, (unsigned long long)r->lost.records);
	if (r->lost.erased_blocks)
		vg_buf_printf(&b, "%llu blocks since then have no key any more: who sent them is not known\n", (unsigned long long)r->lost.erased_blocks);
	if (r->vault_next < r->m.next)
		vg_buf_printf(&b, "the evidence ends before record %llu, and the watch had it up to %llu: what is between is lost\n", (unsigned long long)r->vault_next,
			      (unsigned long long)r->m.next);
	for (size_t i = 0; i < r->m.nleft; i++)
		vg_buf_printf(&b, "set again in %s/" VG_SELF_SETTINGS ": %s\n", r->h.path, r->m.left[i]);
	for (size_t i = 0; i < r->m.n && !folders; i++)
		folders = vg_str_starts(vg_str_of(r->m.member[i].name), VG_STR("rules/")) || vg_str_starts(vg_str_of(r->m.member[i].name), VG_STR("packs/"));
	if (folders)
		vg_buf_printf(&b, "the folders of rules and packs that the settings name are in %s/" VG_SELF_RESTORED ", numbered in their order: put them where the settings say\n", r->h.path);
	vg_buf_printf(&b, "`vigie serve --state %s` goes on from here; its TLS key and its log's key are new\n", r->h.path);
	code = vg_print(&b);
	vg_buf_fini(&b);
	return code;
}

/* ---- the command ---- */

static vg_rc
open_stage(struct restore *r)
{
	struct vg_disk top = { .dir = -1 };
	vg_rc rc;

	top.dir = r->top = vg_house_folder(&r->h, VG_SELF_RESTORING);
	if (r->top < 0)
		return VG_E_SYS;
	if ((rc = vg_disk_slurp(&top, BEGUN, 64, &r->begun)) != VG_OK && rc != VG_E_NOTFOUND)
		return rc;
	vg_self_remove(r->top, NEW);
	if (mkdirat(r->top, NEW, 0700) < 0)
		return VG_E_SYS;
	r->stage = openat(r->top, NEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return r->stage < 0 ? VG_E_SYS : VG_OK;
}

static int
run(struct restore *r, const struct vg_args *a)
{
	uint64_t next = 1;
	uint32_t tenant = 0;
	vg_rc rc;
	int code;

	if ((code = is_untouched(r)) != VG_EXIT_OK || (code = check_vault(r, vg_arg_set(a, "--without-vault"))) != VG_EXIT_OK)
		return code;
	if ((rc = open_stage(r)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: %s/" VG_SELF_RESTORING ": %s", r->h.path, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		return VG_EXIT_FAILED;
	}
	if ((code = unpack(r, a->operand[0], vg_arg(a, "--sha256"))) == VG_EXIT_OK)
		code = look_into(r, &next, &tenant);
	if (code != VG_EXIT_OK) {
		if (faccessat(r->top, BEGUN, F_OK, AT_SYMLINK_NOFOLLOW) < 0) /* else a part of an earlier one is in place: no watch may begin with it */
			vg_self_remove(r->h.dir, VG_SELF_RESTORING);
		return code;
	}
	if ((rc = place_all(r, next, tenant)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: not all of it could take its place: %s; give the same command again", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		return VG_EXIT_FAILED;
	}
	vg_self_remove(r->h.dir, VG_SELF_RESTORING);
	return fsync(r->h.dir) == 0 ? say_done(r) : VG_EXIT_FAILED;
}

int
vg_cmd_self_restore(const struct vg_args *a)
{
	struct restore *r = calloc(1, sizeof(*r));
	char why[300];
	bool fresh;
	int code = VG_EXIT_FAILED;

	if (r == NULL)
		return VG_EXIT_FAILED;
	r->top = r->stage = r->file = -1;
	if (a->noperand != 1 || vg_arg(a, "--state") == NULL) {
		vg_log(VG_LOG_ERROR, "self-backup restore: one FILE, and --state DIR: what shall be restored, and where to?");
		code = VG_EXIT_USAGE;
	} else if (vg_house_open(&r->h, vg_state_path(a), true, why) != VG_OK || vg_house_lock(&r->h, why) != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: %s", why);
	} else {
		fresh = r->h.fresh;
		code = run(r, a);
		if (code != VG_EXIT_OK && fresh && faccessat(r->h.dir, VG_SELF_RESTORING, F_OK, AT_SYMLINK_NOFOLLOW) < 0) { /* as it was: not there */
			(void)unlinkat(r->h.dir, "lock", 0);
			(void)unlinkat(r->h.dir, "format", 0);
			(void)rmdir(r->h.path);
		}
	}
	if (r->stage >= 0)
		close(r->stage);
	if (r->top >= 0)
		close(r->top);
	vg_buf_fini(&r->begun);
	vg_house_close(&r->h);
	vg_manifest_free(&r->m);
	free(r);
	return code;
}
