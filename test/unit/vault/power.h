/* test/unit/vault/power.h - what a disk may hold when the power fails: every change is recorded as it is made (vault/disk.h), and
 * after any of them a folder is built from what was sure and some of what was not, sector by sector, name by name. */
#ifndef VG_TEST_POWER_H
#define VG_TEST_POWER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "vault/disk.h"

#define SECTOR 512
#define POWER_FILES 64

struct power_op {
	enum vg_disk_what what;
	char name[VG_DISK_NAME_MAX], to[VG_DISK_NAME_MAX];
	char *bytes; /* owned */
	size_t n;
	uint64_t at;
};
struct power {
	struct power_op *op; /* owned */
	size_t n, cap;
	size_t fail_at; /* the change with this number is refused with ENOSPC, and all from there until it is 0 again; 0: none */
	unsigned ignore; /* bits of enum vg_disk_what: syncs that are only said to be done */
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

static inline vg_rc
power_watch(void *ctx, const struct vg_disk_op *op)
{
	struct power *p = (struct power *)ctx;
	struct power_op *o;

	if (p->fail_at && p->n + 1 >= p->fail_at) {
		errno = ENOSPC;
		return VG_E_SYS;
	}
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 256;
		p->op = (struct power_op *)realloc(p->op, p->cap * sizeof(*p->op));
		assert_non_null(p->op);
	}
	o = &p->op[p->n++];
	*o = (struct power_op){ .what = op->what, .n = op->bytes.n, .at = op->at };
	snprintf(o->name, sizeof(o->name), "%s", op->name);
	snprintf(o->to, sizeof(o->to), "%s", op->to ? op->to : "");
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
	struct vg_buf sure;
	size_t pending[4096], npending; /* numbers of changes since its last sync */
};
struct power_disk {
	struct power_file file[POWER_FILES];
	size_t nfile;
	struct { char name[VG_DISK_NAME_MAX]; int file; } now[POWER_FILES], sure[POWER_FILES];
	size_t nnow, nsure;
	size_t pending[POWER_FILES], npending; /* of names */
	int of_op[1 << 16];                    /* which file a create made */
};

#define POWER_FIND(list, n, who, out)                                 \
	do {                                                          \
		(out) = -1;                                           \
		for (size_t i_ = 0; i_ < (n); i_++)                   \
			if (strcmp((list)[i_].name, (who)) == 0)      \
				(out) = (int)i_;                      \
	} while (0)

static inline void
power_names(const struct power *p, struct power_disk *d, size_t i, bool sure)
{
	const struct power_op *o = &p->op[i];
	int at;
	size_t *n = sure ? &d->nsure : &d->nnow;

#define LIST (sure ? d->sure : d->now)
	POWER_FIND(LIST, *n, o->name, at);
	if (o->what == VG_DISK_CREATE) {
		if (at < 0) {
			assert_true(*n < POWER_FILES);
			at = (int)(*n)++;
		}
		snprintf(LIST[at].name, VG_DISK_NAME_MAX, "%s", o->name);
		LIST[at].file = d->of_op[i];
	} else if (at >= 0 && o->what == VG_DISK_REMOVE) {
		LIST[at] = LIST[--*n];
	} else if (at >= 0) { /* RENAME */
		int file = LIST[at].file, to;

		LIST[at] = LIST[--*n];
		POWER_FIND(LIST, *n, o->to, to);
		if (to < 0)
			to = (int)(*n)++;
		snprintf(LIST[to].name, VG_DISK_NAME_MAX, "%s", o->to);
		LIST[to].file = file;
	}
#undef LIST
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

/* Build in the empty folder @path what may be there after the first @n changes.  @how: 0 nothing that was not sure, 1 all of it, 2 some. */
static inline void
power_build(struct power *p, size_t n, int how, const char *path)
{
	struct power_disk *d = (struct power_disk *)calloc(1, sizeof(*d));

	assert_non_null(d);
	for (size_t i = 0; i < n; i++) {
		const struct power_op *o = &p->op[i];
		int at;

		if (p->ignore >> o->what & 1)
			continue;
		POWER_FIND(d->now, d->nnow, o->name, at);
		switch (o->what) {
		case VG_DISK_CREATE:
			assert_true(d->nfile < POWER_FILES && i < VG_COUNT(d->of_op));
			d->of_op[i] = (int)d->nfile++;
			/* fall through */
		case VG_DISK_RENAME:
		case VG_DISK_REMOVE:
			power_names(p, d, i, false);
			assert_true(d->npending < POWER_FILES);
			d->pending[d->npending++] = i;
			break;
		case VG_DISK_WRITE:
		case VG_DISK_TRUNCATE: {
			struct power_file *f;

			assert_true(at >= 0);
			f = &d->file[d->now[at].file];
			assert_true(f->npending < VG_COUNT(f->pending));
			f->pending[f->npending++] = i;
			break;
		}
		case VG_DISK_SYNC: {
			struct power_file *f;

			assert_true(at >= 0);
			f = &d->file[d->now[at].file];
			for (size_t k = 0; k < f->npending; k++)
				power_apply(p, &p->op[f->pending[k]], &f->sure, 1);
			f->npending = 0;
			break;
		}
		case VG_DISK_SYNC_DIR:
			for (size_t k = 0; k < d->npending; k++)
				power_names(p, d, d->pending[k], true);
			d->npending = 0;
			break;
		}
	}
	for (size_t i = 0; i < d->nfile; i++)
		for (size_t k = 0; k < d->file[i].npending; k++)
			power_apply(p, &p->op[d->file[i].pending[k]], &d->file[i].sure, how);
	for (size_t k = 0; k < d->npending; k++)
		if (how == 1 || (how == 2 && power_draw(p, 2)))
			power_names(p, d, d->pending[k], true);
	for (size_t i = 0; i < d->nsure; i++) {
		char name[4096];
		struct vg_buf *b = &d->file[d->sure[i].file].sure;
		int fd;

		snprintf(name, sizeof(name), "%s/%s", path, d->sure[i].name);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_true(fd >= 0 && vg_write_all(fd, vg_buf_str(b)) == VG_OK);
		close(fd);
	}
	for (size_t i = 0; i < d->nfile; i++)
		vg_buf_fini(&d->file[i].sure);
	free(d);
}

/* Begin the record with what is in the folder @path, and sure: for a second failure after a first one. */
static inline vg_rc
power_seed_one(void *ctx, const char *name)
{
	struct power *p = (struct power *)((void **)ctx)[0];
	struct vg_disk *d = (struct vg_disk *)((void **)ctx)[1];
	struct vg_file f;
	struct vg_buf b = { 0 };
	uint64_t size;

	assert_int_equal(vg_file_open(d, name, &f), VG_OK);
	assert_int_equal(vg_file_size(&f, &size), VG_OK);
	assert_true(vg_buf_reserve(&b, (size_t)size + 1));
	assert_int_equal(vg_file_read(&f, b.p, (size_t)size, 0), VG_OK);
	b.n = (size_t)size;
	assert_int_equal(power_watch(p, &(struct vg_disk_op){ .what = VG_DISK_CREATE, .name = name }), VG_OK);
	assert_int_equal(power_watch(p, &(struct vg_disk_op){ .what = VG_DISK_WRITE, .name = name, .bytes = vg_buf_str(&b) }), VG_OK);
	assert_int_equal(power_watch(p, &(struct vg_disk_op){ .what = VG_DISK_SYNC, .name = name }), VG_OK);
	vg_buf_fini(&b);
	vg_file_close(&f);
	return VG_OK;
}

static inline void
power_seed(struct power *p, struct vg_disk *d, const char *suffix)
{
	void *both[2] = { p, d };

	assert_int_equal(vg_disk_each(d, suffix, power_seed_one, both), VG_OK);
	assert_int_equal(power_watch(p, &(struct vg_disk_op){ .what = VG_DISK_SYNC_DIR, .name = "" }), VG_OK);
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

#endif
