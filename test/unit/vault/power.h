/* test/unit/vault/power.h - what a disk may hold when the power fails: every change is recorded as it is made (vault/disk.h), in one folder
 * or in several below it, and after any of them all of it is built from what was sure and some of what was not, sector by sector, name by
 * name. */
#ifndef VG_TEST_POWER_H
#define VG_TEST_POWER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "vault/disk.h"

#define SECTOR 512
#define POWER_NAMES 512  /* at one time */
#define POWER_FILES 8192 /* ever */
#define POWER_NAME_MAX (VG_DISK_PATH_MAX + VG_DISK_NAME_MAX)

struct power_op {
	enum vg_disk_what what;
	char name[POWER_NAME_MAX], to[POWER_NAME_MAX]; /* from the root; SYNC_DIR: the folder's */
	char *bytes; /* owned */
	size_t n;
	uint64_t at;
	char kind[96]; /* of a sync: what it is for, the same for each of one place in the code */
};
struct power {
	struct power_op *op; /* owned */
	size_t n, cap;
	size_t fail_at; /* the change with this number is refused with ENOSPC, and all from there until it is 0 again; 0: none */
	size_t fail_once; /* only this one */
	unsigned ignore; /* bits of enum vg_disk_what: syncs that are only said to be done */
	const char *lie; /* those of this kind are only said to be done */
	bool opening;    /* part of the kind of a sync */
	uint64_t random;
};

static inline uint32_t
power_draw(struct power *p, uint32_t below)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (uint32_t)((p->random >> 33) % below);
}

/* A name without its numbers: "t#/#-#-#.#.vs". */
static inline void
power_shape(const char *name, char out[64])
{
	const char *last = strrchr(name, '/');
	size_t n = 0;

	if (strstr(name, ".vj")) /* hexadecimal */
		name = last && last[1] ? "/N.vj" : "N.vj";
	for (; *name && n + 1 < 64; name++)
		if (!isdigit((unsigned char)*name))
			out[n++] = *name;
		else if (n == 0 || out[n - 1] != '#')
			out[n++] = '#';
	out[n] = 0;
}

/* Where in the code a sync stands, as far as what came before tells. */
static inline void
power_kind(const struct power *p, struct power_op *o)
{
	static const char *const what[] = { "create", "write", "truncate", "sync", "rename", "remove", "sync of a folder", "mkdir", "erase" };
	const struct power_op *before = p->n > 1 ? o - 1 : NULL;
	char shape[64], of[64];
	bool first = true;

	power_shape(o->name, shape);
	if (o->what == VG_DISK_SYNC) {
		for (const struct power_op *b = o; first && b-- > p->op && !(b->what == VG_DISK_CREATE && strcmp(b->name, o->name) == 0);)
			first = b->what != VG_DISK_SYNC || strcmp(b->name, o->name) != 0;
		snprintf(o->kind, sizeof(o->kind), "%s%s: %s sync", p->opening ? "open: " : "", shape, first ? "first" : "later");
	} else {
		power_shape(before ? before->name : "", of);
		snprintf(o->kind, sizeof(o->kind), "%sfolder %s behind %s %s", p->opening ? "open: " : "", shape[0] ? shape : ".", before && !p->opening ? what[before->what] : "",
			 p->opening ? "" : of);
	}
}

static inline vg_rc
power_watch(void *ctx, const struct vg_disk_op *op)
{
	struct power *p = (struct power *)ctx;
	const char *dir = op->dir ? op->dir : "";
	struct power_op *o;

	if ((p->fail_at && p->n + 1 >= p->fail_at) || (p->fail_once && p->n + 1 == p->fail_once)) {
		p->fail_once = 0;
		errno = ENOSPC;
		return VG_E_SYS;
	}
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 256;
		p->op = (struct power_op *)realloc(p->op, p->cap * sizeof(*p->op));
		assert_non_null(p->op);
	}
	o = &p->op[p->n++];
	*o = (struct power_op){ .what = op->what, .n = op->what == VG_DISK_ERASE ? (size_t)op->n : op->bytes.n, .at = op->at };
	snprintf(o->name, sizeof(o->name), "%s%s", dir, op->name);
	snprintf(o->to, sizeof(o->to), "%s%s", dir, op->to ? op->to : "");
	if (op->what == VG_DISK_SYNC_DIR && o->name[0] && o->name[strlen(o->name) - 1] == '/')
		o->name[strlen(o->name) - 1] = 0;
	if (op->what == VG_DISK_SYNC || op->what == VG_DISK_SYNC_DIR)
		power_kind(p, o);
	if (op->bytes.n) {
		assert_non_null(o->bytes = (char *)malloc(op->bytes.n));
		memcpy(o->bytes, op->bytes.p, op->bytes.n);
	}
	return VG_OK;
}

static inline void
power_fini(struct power *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->op[i].bytes);
	free(p->op);
}

/* ---- the disk ---- */

struct power_file {
	bool folder;
	struct vg_buf sure;
	struct vg_buf pending; /* numbers of changes since its last sync, as size_t */
};
struct power_names {
	struct { char name[POWER_NAME_MAX]; int file; } at[POWER_NAMES];
	size_t n;
};
struct power_disk {
	struct power_file *file;
	size_t nfile;
	struct power_names now, sure;
	struct { size_t op; int file; } pending[POWER_FILES]; /* of names */
	size_t npending;
};

static inline int
power_find(const struct power_names *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->at[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* Does @name lie in the folder @in ("": the root), and not deeper? */
static inline bool
power_is_in(const char *name, const char *in)
{
	const char *last = strrchr(name, '/');
	size_t n = last ? (size_t)(last - name) : 0;

	return n == strlen(in) && strncmp(name, in, n) == 0;
}

/* Is there something in the folder @name; is @name's own folder there? */
static inline bool
power_has(const struct power_names *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (power_is_in(l->at[i].name, name))
			return true;
	return false;
}

static inline bool
power_has_parent(const struct power_names *l, const char *name)
{
	const char *last = strrchr(name, '/');
	char parent[POWER_NAME_MAX];

	if (last == NULL)
		return true;
	snprintf(parent, sizeof(parent), "%.*s", (int)(last - name), name);
	return power_find(l, parent) >= 0;
}

static inline void
power_point(struct power_names *l, const char *name, int file)
{
	int at = power_find(l, name);

	if (at < 0) {
		assert_true(l->n < POWER_NAMES);
		at = (int)l->n++;
		snprintf(l->at[at].name, POWER_NAME_MAX, "%s", name);
	}
	l->at[at].file = file;
}

static inline void
power_unpoint(struct power_names *l, const char *name)
{
	int at = power_find(l, name);

	if (at >= 0)
		l->at[at] = l->at[--l->n];
}

static inline void
power_rename(struct power_names *l, const struct power_op *o, int file)
{
	if (o->what == VG_DISK_REMOVE || o->what == VG_DISK_RENAME)
		power_unpoint(l, o->name);
	if (o->what != VG_DISK_REMOVE)
		power_point(l, o->what == VG_DISK_RENAME ? o->to : o->name, file);
}

static inline void
power_size(struct vg_buf *b, size_t n)
{
	if (n <= b->n) {
		b->n = n;
		return;
	}
	assert_true(vg_buf_reserve(b, n - b->n));
	memset(b->p + b->n, 0, n - b->n);
	b->n = n;
}

/* A write or a truncation, whole, or only some of its sectors. */
static inline void
power_apply(struct power *p, const struct power_op *o, struct vg_buf *to, int how)
{
	if (o->what == VG_DISK_TRUNCATE) {
		if (how == 1 || (how == 2 && power_draw(p, 2)))
			power_size(to, (size_t)o->at);
		return;
	}
	if (how == 0)
		return;
	if (o->what == VG_DISK_ERASE) {
		for (size_t i = 0; i < o->n; i += SECTOR)
			if (how == 1 || power_draw(p, 2))
				memset(to->p + o->at + i, 0, o->n - i < SECTOR ? o->n - i : SECTOR);
		return;
	}
	if (o->at + o->n > to->n && (how == 1 || power_draw(p, 2)))
		power_size(to, (size_t)(o->at + o->n)); /* the size may be there without the bytes */
	for (size_t i = 0; i < o->n;) {
		uint64_t at = o->at + i;
		size_t k = SECTOR - (size_t)(at % SECTOR);

		k = k < o->n - i ? k : o->n - i;
		if (how == 1 || power_draw(p, 2)) {
			if (at + k > to->n)
				power_size(to, (size_t)(at + k));
			memcpy(to->p + at, o->bytes + i, k);
		}
		i += k;
	}
}

static inline void
power_apply_all(struct power *p, struct power_file *f, int how)
{
	for (size_t k = 0; k < f->pending.n; k += sizeof(size_t)) {
		size_t op;

		memcpy(&op, f->pending.p + k, sizeof(op));
		power_apply(p, &p->op[op], &f->sure, how);
	}
	vg_buf_clear(&f->pending);
}

/* A change of names, unless it failed: its file is there already, or not; its folder is not there, or not empty. */
static inline void
power_name_change(struct power_disk *d, const struct power_op *o, size_t i)
{
	int at = power_find(&d->now, o->name), file;

	if (o->what == VG_DISK_CREATE || o->what == VG_DISK_MKDIR) {
		if (at >= 0 || !power_has_parent(&d->now, o->name))
			return;
		assert_true(d->nfile < POWER_FILES);
		file = (int)d->nfile++;
		d->file[file].folder = o->what == VG_DISK_MKDIR;
	} else {
		if (at < 0 || (o->what == VG_DISK_REMOVE && power_has(&d->now, o->name)))
			return;
		file = d->now.at[at].file;
	}
	power_rename(&d->now, o, file);
	assert_true(d->npending < POWER_FILES);
	d->pending[d->npending].op = i;
	d->pending[d->npending++].file = file;
}

static inline void
power_sync_folder(struct power *p, struct power_disk *d, const char *folder)
{
	size_t n = 0;

	for (size_t k = 0; k < d->npending; k++) {
		const struct power_op *o = &p->op[d->pending[k].op];

		if (power_is_in(o->name, folder))
			power_rename(&d->sure, o, d->pending[k].file);
		else
			d->pending[n++] = d->pending[k];
	}
	d->npending = n;
}

/* All that was sure, below @path; folders before what they hold.  What stands in a folder that is lost is lost. */
static inline void
power_write(const struct power_disk *d, const char *path)
{
	for (size_t deep = 0, left = d->sure.n; left; deep++)
		for (size_t i = 0; i < d->sure.n; i++) {
			const struct power_file *f = &d->file[d->sure.at[i].file];
			char name[4096];
			size_t slashes = 0;
			int fd;

			for (const char *s = d->sure.at[i].name; *s; s++)
				slashes += *s == '/';
			if (slashes != deep)
				continue;
			left--;
			snprintf(name, sizeof(name), "%s/%s", path, d->sure.at[i].name);
			if (!power_has_parent(&d->sure, d->sure.at[i].name))
				continue;
			if (f->folder) {
				if (mkdir(name, 0700) < 0)
					assert_int_equal(errno, ENOENT);
				continue;
			}
			fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
			if (fd < 0 && errno == ENOENT)
				continue; /* a folder above its folder is lost */
			assert_true(fd >= 0 && vg_write_all(fd, vg_buf_str(&f->sure)) == VG_OK);
			close(fd);
		}
}

/* Build in the empty folder @path what may be there after the first @n changes.  @how: 0 nothing that was not sure, 1 all of it, 2 some. */
static inline void
power_build(struct power *p, size_t n, int how, const char *path)
{
	struct power_disk *d = (struct power_disk *)calloc(1, sizeof(*d));

	assert_non_null(d);
	assert_non_null(d->file = (struct power_file *)calloc(POWER_FILES, sizeof(*d->file)));
	for (size_t i = 0; i < n; i++) {
		const struct power_op *o = &p->op[i];
		int at;

		if (p->ignore >> o->what & 1 || (p->lie && strcmp(p->lie, o->kind) == 0))
			continue;
		switch (o->what) {
		case VG_DISK_CREATE:
		case VG_DISK_MKDIR:
		case VG_DISK_RENAME:
		case VG_DISK_REMOVE:
			power_name_change(d, o, i);
			break;
		case VG_DISK_WRITE:
		case VG_DISK_TRUNCATE:
		case VG_DISK_ERASE:
			assert_true((at = power_find(&d->now, o->name)) >= 0);
			vg_buf_mem(&d->file[d->now.at[at].file].pending, &i, sizeof(i));
			assert_int_equal(d->file[d->now.at[at].file].pending.rc, VG_OK);
			break;
		case VG_DISK_SYNC:
			assert_true((at = power_find(&d->now, o->name)) >= 0);
			power_apply_all(p, &d->file[d->now.at[at].file], 1);
			break;
		case VG_DISK_SYNC_DIR:
			power_sync_folder(p, d, o->name);
			break;
		}
	}
	for (size_t i = 0; i < d->nfile; i++)
		power_apply_all(p, &d->file[i], how);
	for (size_t k = 0; k < d->npending; k++)
		if (how == 1 || (how == 2 && power_draw(p, 2)))
			power_rename(&d->sure, &p->op[d->pending[k].op], d->pending[k].file);
	power_write(d, path);
	for (size_t i = 0; i < d->nfile; i++) {
		vg_buf_fini(&d->file[i].sure);
		vg_buf_fini(&d->file[i].pending);
	}
	free(d->file);
	free(d);
}

/* Begin the record with what is in the folder @d, and sure: for a second failure after a first one.  @suffix: of the files; "": all. */
static inline void
power_seed(struct power *p, struct vg_disk *d, const char *suffix)
{
	struct dirent *e;
	int fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *list = fdopendir(fd);
	struct vg_disk plain = { .dir = d->dir, .read_only = true };

	assert_non_null(list);
	while ((e = readdir(list)) != NULL) {
		struct vg_disk in = { .dir = -1 };
		struct vg_buf b = { 0 };
		size_t n = strlen(e->d_name), k = strlen(suffix);
		struct vg_disk_op op = { .name = e->d_name, .dir = d->path };

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || n < k || strcmp(e->d_name + n - k, suffix) != 0)
			continue;
		snprintf(plain.path, sizeof(plain.path), "%s", d->path);
		if (vg_disk_folder(&plain, e->d_name, &in) == VG_OK) {
			op.what = VG_DISK_MKDIR;
			assert_int_equal(power_watch(p, &op), VG_OK);
			power_seed(p, &in, suffix);
			vg_disk_close(&in);
			continue;
		}
		assert_int_equal(vg_disk_slurp(&plain, e->d_name, SIZE_MAX / 4, &b), VG_OK);
		op.what = VG_DISK_CREATE;
		assert_int_equal(power_watch(p, &op), VG_OK);
		op.what = VG_DISK_WRITE;
		op.bytes = vg_buf_str(&b);
		assert_int_equal(power_watch(p, &op), VG_OK);
		op.what = VG_DISK_SYNC;
		op.bytes = VG_NIL;
		assert_int_equal(power_watch(p, &op), VG_OK);
		vg_buf_fini(&b);
	}
	closedir(list);
	assert_int_equal(power_watch(p, &(struct vg_disk_op){ .what = VG_DISK_SYNC_DIR, .name = "", .dir = d->path }), VG_OK);
}

/* ---- folders ---- */

static inline void
folder_new(char path[64])
{
	/* memory will do: what a sync means is modelled here */
	snprintf(path, 64, "%s/vault-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(path));
}

static inline vg_rc
folder_remove_one(void *ctx, const char *name)
{
	return unlinkat(((struct vg_disk *)ctx)->dir, name, 0) == 0 ? VG_OK : VG_E_SYS;
}

static inline void
folder_free(const char *path)
{
	struct vg_disk d;

	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_disk_each(&d, ".vj", folder_remove_one, &d), VG_OK);
	vg_disk_close(&d);
	assert_int_equal(rmdir(path), 0);
}

static inline int
folder_burn_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(name);
}

/* With all that is in it. */
static inline void
folder_burn(const char *path)
{
	assert_int_equal(nftw(path, folder_burn_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
