#include "vault/verify_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault/fields.h"
#include "vault/store.h"
#include "vault/tokens.h"

#define DEPTH_MAX 8 /* of folders: tile/0/x000/x000/000.p */

/* ---- telling ---- */

static void VG_PRINTF(3, 0)
tell(struct vg_verify *v, const struct vg_finding *f, const char *fmt, va_list ap)
{
	char what[VG_VERIFY_TEXT_MAX];
	struct vg_finding told = *f;

	vsnprintf(what, sizeof(what), fmt, ap);
	told.what = what;
	v->out->damages += f->grade == VG_GRADE_DAMAGE;
	v->out->warnings += f->grade == VG_GRADE_WARNING;
	if (v->o->found)
		v->o->found(v->o->ctx, &told);
}

void
vg_verify_tell(struct vg_verify *v, const struct vg_finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(v, f, fmt, ap);
	va_end(ap);
}

bool
vg_verify_damage(struct vg_verify *v, const char *file, uint64_t at, uint64_t until, const char *fmt, ...)
{
	struct vg_finding f = { .grade = VG_GRADE_DAMAGE, .file = file, .at = at, .until = until };
	va_list ap;

	va_start(ap, fmt);
	tell(v, &f, fmt, ap);
	va_end(ap);
	return false;
}

void
vg_verify_step(struct vg_verify *v, uint64_t bytes)
{
	v->done += bytes;
	if (v->o->progress)
		v->o->progress(v->o->ctx, v->done, v->all);
}

bool
vg_flipped_bit(char *bytes, size_t n, bool (*is_good)(void *ctx), void *ctx, size_t *at)
{
	for (size_t i = 0; i < 8 * n; i++) {
		bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
		*at = i / 8;
		if (is_good(ctx))
			return true;
		bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
	}
	return false;
}

/* ---- the files ---- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct vg_verify_file *)a)->name, ((const struct vg_verify_file *)b)->name);
}

const struct vg_verify_file *
vg_verify_find(const struct vg_verify *v, const char *name)
{
	struct vg_verify_file key = { .name = (char *)(uintptr_t)name };

	return v->nfile ? bsearch(&key, v->file, v->nfile, sizeof(key), by_name) : NULL;
}

bool
vg_verify_read(struct vg_verify *v, const char *name, size_t max)
{
	vg_rc rc;

	vg_buf_clear(&v->bytes);
	if ((rc = vg_disk_slurp(&v->d, name, max, &v->bytes)) == VG_OK)
		return true;
	if (rc == VG_E_NOTFOUND && v->o->live) /* a watch takes away what it has made anew */
		return false;
	if (rc == VG_E_NOMEM)
		v->rc = rc;
	return vg_verify_damage(v, name, 0, 0, "cannot be read: %s", rc == VG_E_LIMIT ? "it is larger than such a file ever is" : rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
}

static vg_rc
add_file(struct vg_verify *v, const char *name, const struct stat *st)
{
	size_t cap = v->cap ? 2 * v->cap : 256;
	struct vg_verify_file *p;

	if (v->nfile == VG_VERIFY_FILES_MAX)
		return VG_E_LIMIT;
	if (v->nfile == v->cap) {
		if ((p = realloc(v->file, cap * sizeof(*p))) == NULL)
			return VG_E_NOMEM;
		v->file = p;
		v->cap = cap;
	}
	v->file[v->nfile] = (struct vg_verify_file){ strdup(name), (uint64_t)st->st_size, S_ISREG(st->st_mode) };
	if (v->file[v->nfile].name == NULL)
		return VG_E_NOMEM;
	v->nfile++;
	return VG_OK;
}

static vg_rc list(struct vg_verify *v, const char *folder, unsigned depth);

static vg_rc
list_one(struct vg_verify *v, const char *folder, const char *entry, unsigned depth)
{
	char name[VG_VERIFY_NAME_MAX];
	struct stat st;

	if (strcmp(entry, ".") == 0 || strcmp(entry, "..") == 0)
		return VG_OK;
	if ((size_t)snprintf(name, sizeof(name), "%s%s%s", folder, *folder ? "/" : "", entry) >= sizeof(name) || (depth == DEPTH_MAX)) {
		vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_WARNING, .file = folder }, "something in it has so long a name that Vigie never gave it");
		return VG_OK;
	}
	if (fstatat(v->d.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? VG_OK : VG_E_SYS;
	return S_ISDIR(st.st_mode) ? list(v, name, depth + 1) : add_file(v, name, &st);
}

static vg_rc
list(struct vg_verify *v, const char *folder, unsigned depth)
{
	int fd = openat(v->d.dir, *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	vg_rc rc = VG_OK;

	if (dir == NULL) {
		bool went = fd < 0 && errno == ENOENT && depth;

		if (fd >= 0)
			close(fd);
		return went ? VG_OK : VG_E_SYS;
	}
	while (rc == VG_OK && (e = readdir(dir)) != NULL)
		rc = list_one(v, folder, e->d_name, depth);
	closedir(dir);
	return rc;
}

/* ---- which file is what ---- */

/* '#' is a digit, '+' one or more, '*' anything up to the end. */
static bool
is_like(const char *name, const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*')
			return true;
		if (*pattern == '+') {
			size_t n = strspn(name, "0123456789");

			if (n == 0)
				return false;
			name += n;
		} else if (*pattern == '#' ? !vg_is_digit(*name) : *name != *pattern) {
			return false;
		} else {
			name++;
		}
	}
	return *name == 0;
}

/* What stands beside a segment is a cache, and yet no byte of it may change unseen: it says where a search does not look. */
static void
check_beside(struct vg_verify *v, const struct vg_verify_file *f, const char *what, bool live, vg_rc (*check)(int fd, uint64_t *bad))
{
	char segment[VG_VERIFY_NAME_MAX];
	struct vg_file file;
	uint64_t bad = 0;
	vg_rc rc;

	snprintf(segment, sizeof(segment), "%.*s" VG_SEGMENT_SUFFIX, (int)(strlen(f->name) - strlen(strrchr(f->name, '.'))), f->name);
	if (vg_verify_find(v, segment) == NULL) {
		vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_WARNING, .file = f->name, .advice = "it is no evidence: remove it" },
			       "is the %s of a segment that is not here", what);
		return;
	}
	if ((live && v->o->live) || vg_file_open(&v->d, f->name, &file) != VG_OK)
		return; /* it is being written; or it went */
	rc = check(file.fd, &bad);
	vg_file_close(&file);
	if (rc == VG_E_FORMAT || rc == VG_E_TRUNC)
		(void)vg_verify_damage(v, f->name, bad, 0, "the %s is not what was written from here on; it is no evidence: remove it, and it is made again", what);
}

static void
check_index(struct vg_verify *v, const struct vg_verify_file *f)
{
	check_beside(v, f, "index", true, vg_tokens_check);
}

static void
check_fields(struct vg_verify *v, const struct vg_verify_file *f)
{
	check_beside(v, f, "field cache", false, vg_fields_check); /* it is written beside, and takes its name when it is whole */
}

static void
left_over(struct vg_verify *v, const struct vg_verify_file *f)
{
	if (!v->o->live)
		vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_NOTE, .file = f->name }, "was begun and never finished; it is written over or removed");
}

static const struct {
	const char *pattern;
	void (*check)(struct vg_verify *v, const struct vg_verify_file *f); /* NULL: looked at before, with others */
} kinds[] = {
	{ VG_CHECKPOINT_FILE, NULL },
	{ "####-##-##.####" VG_SEGMENT_SUFFIX, vg_verify_segment },
	{ "tile/*", NULL },
	{ "keys/########" VG_KEY_SUFFIX, vg_verify_key },
	{ "keys/########" VG_KEY_GONE, vg_verify_gone },
	{ "keys/########" VG_DESTRUCTION_DUE, vg_verify_due },
	{ "keys/########" VG_DESTRUCTION_ORDER, vg_verify_due },
	{ "keys/" VG_KEY_RECOVERY, vg_verify_recovery },
	{ "keys/" VG_KEY_SEALED, vg_verify_sealed },
	{ "log.pub", vg_verify_log_key },
	{ "stamps/+" VG_STAMP_SUFFIX, vg_verify_stamp },
	{ "seen/####-##-##.notes", vg_verify_seen },
	{ "####-##-##.####" VG_TOKENS_SUFFIX, check_index },
	{ "####-##-##.####" VG_FIELDS_SUFFIX, check_fields },
};
static const char *const unfinished[] = { ".tmp", ".part", ".new" };

static void
check_other(struct vg_verify *v, const struct vg_verify_file *f)
{
	vg_str name = vg_str_of(f->name);

	for (size_t i = 0; i < VG_COUNT(unfinished); i++)
		if (vg_str_ends(name, vg_str_of(unfinished[i]))) {
			left_over(v, f);
			return;
		}
	if (vg_str_ends(name, VG_STR(VG_SEGMENT_SUFFIX)) || (vg_str_starts(name, VG_STR("keys/")) && vg_str_ends(name, VG_STR(VG_KEY_SUFFIX))))
		(void)vg_verify_damage(v, f->name, 0, 0, "stands where evidence stands, under a name that Vigie never gave");
	else
		vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_WARNING, .file = f->name }, "is none of the vault's files: nothing vouches for it");
}

static void
check_files(struct vg_verify *v)
{
	for (size_t i = 0; i < v->nfile && v->rc == VG_OK; i++) {
		const struct vg_verify_file *f = &v->file[i];
		size_t k = 0;

		if (!f->plain) {
			(void)vg_verify_damage(v, f->name, 0, 0, "is no plain file");
			continue;
		}
		while (k < VG_COUNT(kinds) && !is_like(f->name, kinds[k].pattern))
			k++;
		if (k == VG_COUNT(kinds))
			check_other(v, f);
		else if (kinds[k].check)
			kinds[k].check(v, f);
	}
}

/* ---- the whole ---- */

/* Which day keys are there, and which were destroyed; and those that the tenant's key opens. */
static vg_rc
gather_keys(struct vg_verify *v)
{
	char bad[VG_DISK_NAME_MAX];
	vg_rc rc;

	if ((v->key_seen = calloc(VG_KEYS_SEEN_MAX, 1)) == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < v->nfile; i++) {
		bool key = is_like(v->file[i].name, "keys/########" VG_KEY_SUFFIX), gone = is_like(v->file[i].name, "keys/########" VG_KEY_GONE);
		unsigned long n = key || gone ? strtoul(v->file[i].name + 5, NULL, 10) : 0;

		if (n == 0 || n >= VG_KEYS_SEEN_MAX)
			continue;
		v->key_seen[n] = key ? 1 : v->key_seen[n] ? v->key_seen[n] : 2;
		v->key_most = n > v->key_most ? (uint32_t)n : v->key_most;
	}
	if (v->o->tenant_key == NULL || v->key_most == 0 || vg_disk_folder(&v->d, "keys", &v->keys_dir) != VG_OK)
		return VG_OK;
	rc = vg_keyring_open(&v->keys_dir, v->o->tenant_key, bad, &v->ring);
	v->out->key_refused = rc == VG_E_REFUSED;
	return rc == VG_E_NOMEM ? rc : VG_OK; /* a damaged one is told by its own digest */
}

static vg_rc
run(struct vg_verify *v)
{
	vg_rc rc;

	vg_verify_checkpoint(v);
	if ((rc = list(v, "", 0)) != VG_OK)
		return rc;
	if (v->nfile)
		qsort(v->file, v->nfile, sizeof(*v->file), by_name);
	for (size_t i = 0; i < v->nfile; i++)
		v->all += v->file[i].size;
	if ((rc = gather_keys(v)) != VG_OK)
		return rc;
	vg_verify_wanted(v);
	if (v->rc == VG_OK)
		vg_verify_segments(v);
	if (v->rc == VG_OK)
		vg_verify_judge(v);
	v->out->size = v->nleaf;
	if (v->rc == VG_OK)
		vg_verify_tiles(v);
	if (v->rc == VG_OK)
		check_files(v);
	if (v->rc == VG_OK)
		vg_verify_keys(v);
	return v->rc;
}

vg_rc
vg_verify_tenant(int dir, const struct vg_verify_options *o, struct vg_verified *out)
{
	struct vg_verify v = { .o = o, .out = out, .d = { .dir = dir, .read_only = true }, .keys_dir = { .dir = -1 } };
	vg_rc rc;

	*out = (struct vg_verified){ .next_seq = 1 };
	vg_frontier_root(&(struct vg_frontier){ .n = 0 }, &out->checkpoint.root);
	vg_map_init(&v.where, SIZE_MAX);
	rc = run(&v);
	vg_keyring_free(v.ring);
	vg_disk_close(&v.keys_dir);
	vg_map_fini(&v.where);
	for (size_t i = 0; i < v.nfile; i++)
		free(v.file[i].name);
	free(v.file);
	free(v.want);
	free(v.key_seen);
	free(v.gone);
	vg_buf_fini(&v.note);
	vg_buf_fini(&v.bytes);
	vg_buf_fini(&v.payload);
	vg_opener_fini(&v.opener);
	if (rc != VG_OK)
		vg_verified_fini(out);
	return rc;
}

void
vg_verified_fini(struct vg_verified *v)
{
	free(v->leaf);
	v->leaf = NULL;
	v->size = 0;
}

vg_rc
vg_verified_holds(const struct vg_verified *v, uint64_t size, const struct vg_hash *root)
{
	struct vg_frontier f = { .n = 0 };
	struct vg_hash ours;

	if (size > v->size)
		return VG_E_NOTFOUND;
	for (uint64_t i = 0; i < size; i++)
		vg_frontier_add(&f, &v->leaf[i]);
	vg_frontier_root(&f, &ours);
	return vg_hash_eq(&ours, root) ? VG_OK : VG_E_REFUSED;
}
