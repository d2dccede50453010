/* cmd/self_backup.c - `vigie self-backup`: what cannot be made again from the evidence, in one file, without private keys; and `vigie self-backup check`.
 * The watch may run meanwhile: databases are copied as they are at one moment. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/yaml.h"
#include "cmd/common.h"
#include "cmd/self.h"
#include "net/loop.h"
#include "state/bundle_impl.h"
#include "state/migrate.h"
#include "state/outbox.h"
#include "state/signals.h"
#include "vault/checkpoint.h"
#include "vault/disk.h"

const struct vg_opt vg_self_backup_opts[] = {
	VG_STATE_OPTION,
	VG_FORMAT_OPTION,
	{ "--to", VG_OPT_TEXT, "FILE|DIR", "the file to write, or a folder that gets one named by node and time (needed)" },
	{ "--settings", VG_OPT_TEXT, "FILE", "the settings of the watch (default: vigie.yaml in the state folder, else /etc/vigie/vigie.yaml)" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};
const struct vg_opt vg_self_check_opts[] = {
	VG_FORMAT_OPTION,
	{ "--sha256", VG_OPT_TEXT, "HEX", "the file must be this one, as `vigie self-backup` said" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

#define STAGE ".vigie-self-backup."
#define SMALL_MAX ((uint64_t)64 << 20) /* bytes of a rule, an exception, a list of indicators */
#define DEPTH_MAX 16
#define PIECE ((size_t)128 << 10)

struct backup {
	struct vg_house h;
	struct vg_settings settings;
	struct vg_manifest m;
	char settings_path[PATH_MAX]; /* "": there is none */
	char folder[PATH_MAX], name[NAME_MAX + 1]; /* of the file */
	char stage_name[64];
	int dir, stage; /* the folder of the file, and the staging folder in it */
	uint64_t skipped;
};

static int
failed(const char *what)
{
	vg_log(VG_LOG_ERROR, "self-backup: %s: %s", what, strerror(errno));
	return VG_EXIT_FAILED;
}

/* ---- members ---- */

/* What is read of @from to @to, hashed. */
static vg_rc
copy_hashed(int from, int to, struct vg_member *m)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	char *piece = malloc(PIECE);
	vg_rc rc = sum && piece && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) ? VG_OK : VG_E_NOMEM;

	for (m->size = 0; rc == VG_OK;) {
		ssize_t k = read(from, piece, PIECE);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			rc = k < 0 ? VG_E_SYS : VG_OK;
			break;
		}
		m->size += (uint64_t)k;
		rc = !EVP_DigestUpdate(sum, piece, (size_t)k) ? VG_E_NOMEM : to < 0 ? VG_OK : vg_write_all(to, vg_str_mem(piece, (size_t)k));
	}
	if (rc == VG_OK && !EVP_DigestFinal_ex(sum, m->hash.b, NULL))
		rc = VG_E_NOMEM;
	EVP_MD_CTX_free(sum);
	free(piece);
	return rc;
}

/* The member @name as it is in the file @fd; @staged: it lies in the staging folder already. */
static vg_rc
add_file(struct backup *x, const char *name, int fd, bool staged)
{
	struct vg_member m = { .size = 0 };
	char file[48];
	int to = -1;
	vg_rc rc;

	snprintf(m.name, sizeof(m.name), "%s", name);
	vg_self_staged(name, file);
	if (!staged && (to = openat(x->stage, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return VG_E_SYS;
	rc = copy_hashed(fd, to, &m);
	if (to >= 0 && close(to) < 0 && rc == VG_OK)
		rc = VG_E_SYS;
	return rc == VG_OK ? vg_manifest_add(&x->m, &m) : rc;
}

static vg_rc
add_text(struct backup *x, const char *name, vg_str text)
{
	char file[48];
	vg_rc rc;
	int fd;

	vg_self_staged(name, file);
	if ((fd = openat(x->stage, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return VG_E_SYS;
	rc = vg_write_all(fd, text);
	if (rc == VG_OK && lseek(fd, 0, SEEK_SET) < 0)
		rc = VG_E_SYS;
	if (rc == VG_OK)
		rc = add_file(x, name, fd, true);
	if (close(fd) < 0 && rc == VG_OK)
		rc = VG_E_SYS;
	return rc;
}

/* Left out, which is told: nothing is dropped in silence. */
static void
skip(struct backup *x, const char *name, const char *why)
{
	vg_log(VG_LOG_WARNING, "self-backup: %s is left out: %s", name, why);
	x->skipped++;
}

/* Does a file that people put among others hold a private key?  PEM, RFC 7468. */
static bool
has_private_key(int fd)
{
	struct vg_buf b = { 0 };
	struct stat st;
	bool has = false;

	if (fstat(fd, &st) == 0 && vg_buf_reserve(&b, (size_t)st.st_size + 1)) {
		ssize_t k = pread(fd, b.p, (size_t)st.st_size, 0);

		b.n = k > 0 ? (size_t)k : 0;
		has = vg_str_find(vg_buf_str(&b), VG_STR("PRIVATE KEY-----")) != VG_NPOS;
	}
	vg_buf_fini(&b);
	return has;
}

static vg_rc
add_small(struct backup *x, int dir, const char *name, const char *member)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	vg_rc rc = VG_OK;
	char head[512];
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return VG_OK; /* it went meanwhile */
	if (fd < 0)
		skip(x, member, errno == ELOOP ? "it is a link" : strerror(errno));
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		skip(x, member, "it is no file");
	else if ((uint64_t)st.st_size > SMALL_MAX)
		skip(x, member, "it is larger than 64 MiB");
	else if (!vg_member_name_ok(vg_str_of(member)) || vg_tar_head(member, 0, head) != VG_OK)
		skip(x, member, "its name cannot be written");
	else if (has_private_key(fd))
		skip(x, member, "there is a private key in it");
	else
		rc = add_file(x, member, fd, false);
	if (fd >= 0)
		close(fd);
	return rc;
}

static vg_rc add_folder(struct backup *x, int dir, const char *member, unsigned depth);

static vg_rc
add_entry(struct backup *x, int dir, const char *name, const char *member, unsigned depth)
{
	int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	vg_rc rc = VG_OK;

	if (sub < 0)
		return add_small(x, dir, name, member);
	if (depth == DEPTH_MAX)
		skip(x, member, "it lies too deep");
	else
		rc = add_folder(x, sub, member, depth + 1);
	close(sub);
	return rc;
}

/* All below the folder @dir. */
static vg_rc
add_folder(struct backup *x, int dir, const char *member, unsigned depth)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	vg_rc rc = VG_OK;

	if (d == NULL) {
		skip(x, member, strerror(errno));
		if (fd >= 0)
			close(fd);
		return VG_OK;
	}
	while (rc == VG_OK && (e = readdir(d)) != NULL) {
		char below[VG_BUNDLE_NAME_MAX + NAME_MAX + 8];

		if (e->d_name[0] == '.') /* what editors and version control keep beside; and the folder itself */
			continue;
		snprintf(below, sizeof(below), "%s/%s", member, e->d_name);
		if (strlen(below) > VG_BUNDLE_NAME_MAX)
			skip(x, below, "its name is too long");
		else
			rc = add_entry(x, dir, e->d_name, below, depth);
	}
	closedir(d);
	return rc;
}

/* A folder, or one file, that the settings name, or @otherwise in the state folder. */
static vg_rc
add_named(struct backup *x, vg_str path, const char *otherwise, const char *member)
{
	char full[PATH_MAX], below[VG_BUNDLE_NAME_MAX + 1];
	const char *slash;
	vg_rc rc;
	int fd;

	if (path.n)
		snprintf(full, sizeof(full), "%.*s", VG_STR_ARG(path));
	else
		snprintf(full, sizeof(full), "%.4000s/%s", x->h.path, otherwise);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOTDIR) {
		slash = strrchr(full, '/');
		snprintf(below, sizeof(below), "%s/%.150s", member, slash ? slash + 1 : full);
		return add_small(x, AT_FDCWD, full, below);
	}
	if (fd < 0) {
		if (errno != ENOENT || path.n)
			skip(x, full, strerror(errno));
		return VG_OK;
	}
	rc = add_folder(x, fd, member, 0);
	close(fd);
	return rc;
}

static vg_rc
add_people(struct backup *x)
{
	const struct vg_texts *list[] = { &x->settings.rules.folders, &x->settings.packs.folders };
	static const char *const name[] = { "rules", "packs" };
	char member[32];
	vg_rc rc = add_named(x, x->settings.rules.exceptions, "exceptions", "exceptions");

	if (rc == VG_OK)
		rc = add_named(x, x->settings.rules.indicators, "indicators", "indicators");
	for (size_t k = 0; k < VG_COUNT(list); k++)
		for (size_t i = 0; rc == VG_OK && i < list[k]->n; i++) {
			snprintf(member, sizeof(member), "%s/%zu", name[k], i);
			rc = add_named(x, list[k]->item[i], "", member);
		}
	return rc;
}

/* ---- the settings, without what is secret in them ---- */

static vg_rc
on_left(void *ctx, vg_str key)
{
	struct backup *x = ctx;

	if (x->m.nleft == VG_BUNDLE_LEFT_MAX || key.n >= sizeof(x->m.left[0]))
		return VG_E_LIMIT;
	for (size_t i = 0; i < x->m.nleft; i++)
		if (vg_str_eq(vg_str_of(x->m.left[i]), key))
			return VG_OK;
	snprintf(x->m.left[x->m.nleft++], sizeof(x->m.left[0]), "%.*s", VG_STR_ARG(key));
	return VG_OK;
}

static vg_rc
add_settings(struct backup *x)
{
	struct vg_buf text = { 0 }, clean = { 0 };
	vg_rc rc;

	if (x->settings_path[0] == 0)
		return VG_OK;
	rc = vg_house_read(x->settings_path, &text);
	if (rc == VG_OK && (rc = vg_settings_without_secrets(vg_buf_str(&text), &clean, on_left, x)) == VG_E_UNSUP) {
		skip(x, x->settings_path, "a secret in it stands over several lines, or with escapes, and cannot be taken out");
		rc = VG_OK;
	} else if (rc == VG_OK) {
		rc = add_text(x, VG_SELF_SETTINGS, vg_buf_str(&clean));
	}
	explicit_bzero(text.p ? text.p : (char[1]){ 0 }, text.p ? text.cap : 1);
	vg_buf_fini(&text);
	vg_buf_fini(&clean);
	return rc;
}

static void
tell(void *ctx, const struct vg_settings_problem *p)
{
	(void)ctx;
	vg_log(VG_LOG_ERROR, "%s", p->text);
}

static vg_rc
read_settings(struct backup *x, const char *named)
{
	const char *try[] = { named ? named : x->settings_path, named ? NULL : "/etc/vigie/vigie.yaml" };
	vg_rc rc = VG_E_NOTFOUND;

	snprintf(x->settings_path, sizeof(x->settings_path), "%.4000s/" VG_SELF_SETTINGS, x->h.path);
	for (size_t i = 0; i < VG_COUNT(try) && try[i] && rc == VG_E_NOTFOUND; i++)
		if ((rc = vg_settings_read(try[i], tell, NULL, &x->settings)) != VG_E_NOTFOUND && try[i] != x->settings_path)
			snprintf(x->settings_path, sizeof(x->settings_path), "%s", try[i]);
	if (rc == VG_E_NOTFOUND && named)
		vg_log(VG_LOG_ERROR, "self-backup: --settings %s: there is no such file", named);
	if (rc == VG_E_NOTFOUND && named == NULL) {
		x->settings_path[0] = 0;
		rc = vg_settings_load(VG_STR(""), "defaults", NULL, tell, NULL, &x->settings);
	}
	return rc;
}

/* ---- databases ---- */

static vg_rc
add_database(struct backup *x, const char *member, vg_rc (*open_it)(const char *, bool, char *, sqlite3 **))
{
	char from[PATH_MAX], to[2 * PATH_MAX], file[48], why[VG_DB_WHY];
	sqlite3 *db;
	vg_rc rc;
	int fd;

	snprintf(from, sizeof(from), "%.4000s/%s", x->h.path, member);
	vg_self_staged(member, file);
	snprintf(to, sizeof(to), "%s/%s/%s", x->folder, x->stage_name, file);
	if ((rc = open_it(from, true, why, &db)) == VG_OK) { /* one that this program cannot read is none that it backs up */
		vg_db_close(db);
		rc = vg_db_snapshot(from, to, why);
	}
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: %s", why);
		return rc == VG_E_SYS ? VG_E_REFUSED : rc; /* errno is not SQLite's to say */
	}
	if ((fd = openat(x->stage, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return VG_E_SYS;
	rc = add_file(x, member, fd, true);
	close(fd);
	return rc;
}

/* One that is damaged hinders nothing: its role begins a new one, and what it held is in the signals. */
static vg_rc
add_outbox(struct backup *x)
{
	char path[PATH_MAX], why[VG_DB_WHY];
	sqlite3 *db;
	vg_rc rc;

	snprintf(path, sizeof(path), "%.4000s/" VG_SELF_OUTBOX, x->h.path);
	if ((rc = vg_outbox_open(path, true, why, &db)) == VG_E_FORMAT) {
		skip(x, VG_SELF_OUTBOX, why);
		return VG_OK;
	}
	if (rc == VG_OK)
		vg_db_close(db);
	return add_database(x, VG_SELF_OUTBOX, vg_outbox_open);
}

/* ---- what is public, of the log and its tenants ---- */

struct public {
	struct backup *x;
	int vault;
};

static vg_rc
on_tenant(void *ctx, const char *name)
{
	static const char *const files[] = { "checkpoint", "log.pub", "keys/tenant.sealed", "keys/recovery.pub" };
	struct public *p = ctx;
	char member[VG_BUNDLE_NAME_MAX + 1], file[128];
	vg_rc rc = VG_OK;
	int dir = openat(p->vault, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), stamps;

	if (dir < 0 || name[0] == '.' || strcmp(name, "intake") == 0 || strlen(name) > 64) {
		if (dir >= 0)
			close(dir);
		return VG_OK;
	}
	for (size_t i = 0; rc == VG_OK && i < VG_COUNT(files); i++) {
		snprintf(member, sizeof(member), "public/%s/%s", name, files[i]);
		snprintf(file, sizeof(file), "%s", files[i]);
		rc = add_small(p->x, dir, file, member);
	}
	snprintf(member, sizeof(member), "public/%s/stamps", name);
	if (rc == VG_OK && (stamps = openat(dir, "stamps", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) >= 0) {
		rc = add_folder(p->x, stamps, member, 0);
		close(stamps);
	}
	close(dir);
	return rc;
}

static vg_rc
add_public(struct backup *x)
{
	struct public p = { x, openat(x->h.dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) };
	struct vg_disk vault = { .dir = p.vault, .read_only = true };
	vg_rc rc = p.vault < 0 ? VG_E_SYS : vg_disk_each(&vault, "", on_tenant, &p);

	vg_disk_close(&vault);
	return rc == VG_OK ? add_small(x, x->h.dir, "seal/days.log", "public/days.log") : rc;
}

static void
take_node(struct backup *x)
{
	struct vg_disk d = { .dir = x->h.dir, .read_only = true };
	struct vg_buf b = { 0 };
	vg_str node = VG_STR("unknown");

	if (vg_disk_slurp(&d, "seal/node", sizeof(x->m.node) - 1, &b) == VG_OK && vg_str_trim(vg_buf_str(&b)).n)
		node = vg_str_trim(vg_buf_str(&b));
	snprintf(x->m.node, sizeof(x->m.node), "%.*s", VG_STR_ARG(node));
	for (char *c = x->m.node; *c; c++)
		if (*c <= ' ' || *c == 0x7f || *c == '/')
			*c = '-';
	vg_buf_fini(&b);
}

static vg_rc
gather(struct backup *x)
{
	vg_rc rc = vg_house_vault_next(&x->h, &x->m.next); /* first: who sent what came before has its row then */

	x->m.made_ns = vg_clock_ns() / VG_SEC * VG_SEC;
	snprintf(x->m.program, sizeof(x->m.program), "%s", VIGIE_VERSION);
	if (rc == VG_OK)
		rc = add_database(x, VG_SELF_CATALOGUE, vg_catalogue_open);
	if (rc == VG_OK && faccessat(x->h.dir, VG_SELF_SIGNALS, F_OK, 0) == 0)
		rc = add_database(x, VG_SELF_SIGNALS, vg_signals_open);
	if (rc == VG_OK && faccessat(x->h.dir, VG_SELF_OUTBOX, F_OK, 0) == 0) /* behind signals: an alarm that no longer waits there is here */
		rc = add_outbox(x);
	if (rc == VG_OK && (rc = add_settings(x)) == VG_OK && (rc = add_people(x)) == VG_OK)
		rc = add_public(x);
	return rc == VG_OK && !vg_manifest_sort(&x->m) ? VG_E_FORMAT : rc;
}

/* ---- the file ---- */

static vg_rc
on_open(void *ctx, size_t i, int *fd)
{
	struct backup *x = ctx;
	char file[48];

	vg_self_staged(x->m.member[i].name, file);
	*fd = openat(x->stage, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return *fd >= 0 ? VG_OK : VG_E_SYS;
}

/* Staging folders of runs that were killed: nobody holds their lock. */
static void
sweep(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		int stage = vg_str_starts(vg_str_of(e->d_name), VG_STR(STAGE)) ? openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;

		if (stage >= 0 && flock(stage, LOCK_EX | LOCK_NB) == 0)
			vg_self_remove(dir, e->d_name);
		if (stage >= 0)
			close(stage);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

/* --to: a folder, or a file in one. */
static int
open_target(struct backup *x, const char *to)
{
	const char *slash = strrchr(to, '/');
	char when[VG_TIME_MAX];
	struct stat st;

	if (stat(to, &st) == 0 && S_ISDIR(st.st_mode)) {
		struct vg_civil c;

		vg_time_civil(vg_clock_ns(), &c);
		snprintf(when, sizeof(when), "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.min, c.sec);
		snprintf(x->folder, sizeof(x->folder), "%s", to);
		snprintf(x->name, sizeof(x->name), "%s-%s.tar.zst", x->m.node, when);
	} else {
		snprintf(x->folder, sizeof(x->folder), "%.*s", slash ? (int)(slash == to ? 1 : slash - to) : 1, slash ? to : ".");
		snprintf(x->name, sizeof(x->name), "%.200s", slash ? slash + 1 : to);
	}
	if (x->name[0] == 0) {
		vg_log(VG_LOG_ERROR, "self-backup: --to %s: there is no such folder", to);
		return VG_EXIT_USAGE;
	}
	x->dir = open(x->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->dir < 0)
		return failed(x->folder);
	sweep(x->dir);
	snprintf(x->stage_name, sizeof(x->stage_name), STAGE "%ld", (long)getpid());
	if (mkdirat(x->dir, x->stage_name, 0700) < 0 || (x->stage = openat(x->dir, x->stage_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
	    flock(x->stage, LOCK_EX | LOCK_NB) < 0)
		return failed(x->folder);
	return VG_EXIT_OK;
}

/* Whole under its name, or not at all. */
static vg_rc
write_file(struct backup *x, struct vg_hash *sum, uint64_t *size)
{
	int fd = openat(x->stage, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	size_t at;
	vg_rc rc;

	if (fd < 0)
		return VG_E_SYS;
	rc = vg_bundle_write(fd, &x->m, on_open, x, &at, sum);
	if (rc == VG_OK && (fsync(fd) < 0 || fstat(fd, &st) < 0))
		rc = VG_E_SYS;
	if (close(fd) < 0 && rc == VG_OK)
		rc = VG_E_SYS;
	if (rc == VG_OK && (renameat(x->stage, "file", x->dir, x->name) < 0 || fsync(x->dir) < 0))
		rc = VG_E_SYS;
	if (rc == VG_OK)
		*size = (uint64_t)st.st_size;
	return rc;
}

/* For `vigie status`. */
static void
note_last(struct backup *x, vg_str hex)
{
	struct vg_disk d = { .dir = x->h.dir };
	struct vg_buf b = { 0 };
	char *full = realpath(x->folder, NULL);

	vg_buf_printf(&b, "time %lld\nfile ", (long long)x->m.made_ns);
	vg_buf_safe(&b, vg_str_of(full ? full : x->folder));
	vg_buf_putc(&b, '/');
	vg_buf_safe(&b, vg_str_of(x->name));
	vg_buf_printf(&b, "\nsha256 %.*s\n", VG_STR_ARG(hex));
	if (b.rc != VG_OK || vg_disk_replace(&d, VG_SELF_LAST, vg_buf_str(&b)) != VG_OK)
		vg_log(VG_LOG_WARNING, "self-backup: %s/" VG_SELF_LAST " cannot be written, so that `vigie status` does not know of it: %s", x->h.path, strerror(errno));
	free(full);
	vg_buf_fini(&b);
}

static int
print_it(struct vg_buf *b)
{
	int code = vg_print(b);

	vg_buf_fini(b);
	return code;
}

static int
print_done(struct backup *x, const char *hex, uint64_t size, bool jsonl)
{
	struct vg_buf b = { 0 };

	if (jsonl) {
		vg_buf_puts(&b, "{\"file\":");
		vg_buf_json_str(&b, vg_str_of(x->name));
		vg_buf_printf(&b, ",\"bytes\":%llu,\"members\":%zu,\"skipped\":%llu,\"sha256\":\"%s\",\"left_out\":[", (unsigned long long)size, x->m.n,
			      (unsigned long long)x->skipped, hex);
		for (size_t i = 0; i < x->m.nleft; i++) {
			vg_buf_puts(&b, i ? "," : "");
			vg_buf_json_str(&b, vg_str_of(x->m.left[i]));
		}
		vg_buf_puts(&b, "]}\n");
		return print_it(&b);
	}
	vg_buf_safe(&b, vg_str_of(x->folder));
	vg_buf_putc(&b, '/');
	vg_buf_safe(&b, vg_str_of(x->name));
	vg_buf_printf(&b, ": %zu members, %llu bytes; no private key is in it\n", x->m.n, (unsigned long long)size);
	for (size_t i = 0; i < x->m.nleft; i++)
		vg_buf_printf(&b, "%s%s%s", i ? ", " : "left out, to be set again after a restore: ", x->m.left[i], i + 1 == x->m.nleft ? "\n" : "");
	vg_buf_printf(&b, "sha256 %s\n", hex);
	return print_it(&b);
}

static int
run(struct backup *x, const struct vg_args *a, bool jsonl)
{
	struct vg_buf hex = { 0 };
	struct vg_hash sum;
	uint64_t size = 0;
	int code;
	vg_rc rc;

	if ((rc = read_settings(x, vg_arg(a, "--settings"))) != VG_OK)
		return rc == VG_E_FORMAT ? VG_EXIT_FOUND : VG_EXIT_INPUT;
	take_node(x);
	if ((code = open_target(x, vg_arg(a, "--to"))) != VG_EXIT_OK)
		return code;
	if ((rc = gather(x)) == VG_OK)
		rc = write_file(x, &sum, &size);
	if (rc == VG_E_SYS)
		return failed(x->folder);
	if (rc != VG_OK) {
		if (rc != VG_E_REFUSED && rc != VG_E_NOTFOUND && rc != VG_E_UNSUP)
			vg_log(VG_LOG_ERROR, "self-backup: %s", rc == VG_E_LIMIT ? "there is too much for it" : vg_rc_name(rc));
		return VG_EXIT_FAILED;
	}
	vg_buf_hex(&hex, sum.b, sizeof(sum.b), false);
	note_last(x, vg_buf_str(&hex));
	vg_buf_putc(&hex, 0);
	code = hex.rc == VG_OK ? print_done(x, hex.p, size, jsonl) : VG_EXIT_FAILED;
	vg_buf_fini(&hex);
	return code;
}

int
vg_cmd_self_backup(const struct vg_args *a)
{
	struct backup *x;
	bool jsonl;
	int code;

	if (!vg_take_format(a, &jsonl))
		return VG_EXIT_USAGE;
	if (vg_arg(a, "--to") == NULL || a->noperand) {
		vg_log(VG_LOG_ERROR, "self-backup: --to FILE or a folder: where shall it be written?");
		return VG_EXIT_USAGE;
	}
	if ((x = calloc(1, sizeof(*x))) == NULL)
		return VG_EXIT_FAILED;
	x->dir = x->stage = -1;
	if ((code = vg_state_open(a, &x->h)) == VG_EXIT_OK) {
		code = run(x, a, jsonl);
		vg_settings_fini(&x->settings);
		vg_house_close(&x->h);
	}
	if (x->stage >= 0) {
		vg_self_remove(x->dir, x->stage_name);
		close(x->stage);
	}
	if (x->dir >= 0)
		close(x->dir);
	vg_manifest_free(&x->m);
	free(x);
	return code;
}

/* ---- check ---- */

static vg_rc
any_begin(void *ctx, const struct vg_manifest *m, char why[VG_BUNDLE_WHY])
{
	(void)ctx;
	(void)m;
	(void)why;
	return VG_OK;
}

static vg_rc
any_bytes(void *ctx, size_t i, uint64_t at, vg_str bytes)
{
	(void)ctx;
	(void)i;
	(void)at;
	(void)bytes;
	return VG_OK;
}

static void
put_manifest(const struct vg_manifest *m, bool jsonl, struct vg_buf *b)
{
	char when[VG_TIME_MAX];

	(void)vg_time_print(m->made_ns, 0, when);
	if (!jsonl)
		vg_buf_printf(b, "made %s on %s by Vigie %s\n", when, m->node, m->program);
	for (size_t i = 0; i < m->nleft && !jsonl; i++)
		vg_buf_printf(b, "left out            %s\n", m->left[i]);
	for (size_t i = 0; i < m->n; i++) {
		if (jsonl) {
			vg_buf_puts(b, "{\"member\":");
			vg_buf_json_str(b, vg_str_of(m->member[i].name));
			vg_buf_printf(b, ",\"bytes\":%llu,\"sha256\":\"", (unsigned long long)m->member[i].size);
			vg_buf_hex(b, m->member[i].hash.b, VG_HASH_BYTES, false);
			vg_buf_puts(b, "\"}\n");
		} else {
			vg_buf_printf(b, "%12llu bytes  ", (unsigned long long)m->member[i].size);
			vg_buf_safe(b, vg_str_of(m->member[i].name));
			vg_buf_putc(b, '\n');
		}
	}
}

int
vg_cmd_self_check(const struct vg_args *a)
{
	static const struct vg_bundle_ops ops = { any_begin, any_bytes, NULL };
	const char *path = a->operand[0], *want = vg_arg(a, "--sha256");
	struct vg_buf hex = { 0 }, b = { 0 };
	struct vg_manifest m = { .n = 0 };
	char why[VG_BUNDLE_WHY];
	struct vg_hash sum;
	bool jsonl;
	int fd, code = VG_EXIT_FOUND;

	if (!vg_take_format(a, &jsonl))
		return VG_EXIT_USAGE;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
		vg_log(VG_LOG_ERROR, "self-backup: %s: %s", path, strerror(errno));
		return VG_EXIT_INPUT;
	}
	if (vg_bundle_read(fd, &ops, &m, &sum, why) != VG_OK) {
		vg_log(VG_LOG_ERROR, "self-backup: %s: %s", path, why);
	} else {
		vg_buf_hex(&hex, sum.b, sizeof(sum.b), false);
		if (want && !vg_str_ieq(vg_str_of(want), vg_buf_str(&hex))) {
			vg_log(VG_LOG_ERROR, "self-backup: %s: it is whole, but another one: sha256 %.*s", path, VG_STR_ARG(vg_buf_str(&hex)));
		} else {
			put_manifest(&m, jsonl, &b);
			if (!jsonl)
				vg_buf_printf(&b, "whole\nsha256 %.*s\n", VG_STR_ARG(vg_buf_str(&hex)));
			code = vg_print(&b);
		}
	}
	close(fd);
	vg_manifest_free(&m);
	vg_buf_fini(&hex);
	vg_buf_fini(&b);
	return code;
}
