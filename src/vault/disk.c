#include "vault/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

static vg_rc
asked(struct vg_disk *d, enum vg_disk_what what, const char *name, const char *to, vg_str bytes, uint64_t at)
{
	struct vg_disk_op op = { what, name, to, bytes, at, 0, d->path };

	return d->watch ? d->watch(d->ctx, &op) : VG_OK;
}

static vg_rc
named(struct vg_file *f, const char *name)
{
	int n = snprintf(f->name, sizeof(f->name), "%s", name);

	f->fd = -1;
	return n > 0 && (size_t)n < sizeof(f->name) ? VG_OK : VG_E_LIMIT;
}

vg_rc
vg_disk_open(struct vg_disk *d, const char *path)
{
	*d = (struct vg_disk){ .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	return d->dir >= 0 ? VG_OK : errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS;
}

void
vg_disk_close(struct vg_disk *d)
{
	if (d->dir >= 0)
		close(d->dir);
	d->dir = -1;
}

vg_rc
vg_file_create(struct vg_disk *d, const char *name, struct vg_file *out)
{
	vg_rc rc = named(out, name);

	if (rc != VG_OK || (rc = asked(d, VG_DISK_CREATE, name, NULL, VG_NIL, 0)) != VG_OK)
		return rc;
	out->fd = openat(d->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return out->fd >= 0 ? VG_OK : VG_E_SYS;
}

vg_rc
vg_file_open(struct vg_disk *d, const char *name, struct vg_file *out)
{
	vg_rc rc = named(out, name);

	if (rc != VG_OK)
		return rc;
	out->fd = openat(d->dir, name, (d->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
	return out->fd >= 0 ? VG_OK : errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS;
}

void
vg_file_close(struct vg_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

vg_rc
vg_file_size(const struct vg_file *f, uint64_t *out)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return VG_E_SYS;
	*out = (uint64_t)st.st_size;
	return VG_OK;
}

vg_rc
vg_file_write(struct vg_disk *d, struct vg_file *f, vg_str bytes, uint64_t at)
{
	vg_rc rc = asked(d, VG_DISK_WRITE, f->name, NULL, bytes, at);

	return rc != VG_OK ? rc : vg_pwrite_all(f->fd, bytes, at);
}

static vg_rc
write_zeros(struct vg_file *f, uint64_t at, uint64_t n)
{
	static const char zeros[65536];
	vg_rc rc = VG_OK;

	for (uint64_t k; rc == VG_OK && n; at += k, n -= k) {
		k = n < sizeof(zeros) ? n : sizeof(zeros);
		rc = vg_pwrite_all(f->fd, vg_str_mem(zeros, (size_t)k), at);
	}
	return rc;
}

vg_rc
vg_file_erase(struct vg_disk *d, struct vg_file *f, uint64_t at, uint64_t n)
{
	struct vg_disk_op op = { VG_DISK_ERASE, f->name, NULL, VG_NIL, at, n, d->path };
	vg_rc rc = d->watch ? d->watch(d->ctx, &op) : VG_OK;

	if (rc != VG_OK || n == 0)
		return rc;
	if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n) == 0)
		return VG_OK;
	return errno == EOPNOTSUPP || errno == ENOSYS ? write_zeros(f, at, n) : VG_E_SYS;
}

vg_rc
vg_file_truncate(struct vg_disk *d, struct vg_file *f, uint64_t size)
{
	vg_rc rc = asked(d, VG_DISK_TRUNCATE, f->name, NULL, VG_NIL, size);

	return rc != VG_OK ? rc : ftruncate(f->fd, (off_t)size) == 0 ? VG_OK : VG_E_SYS;
}

vg_rc
vg_file_sync(struct vg_disk *d, struct vg_file *f)
{
	vg_rc rc = asked(d, VG_DISK_SYNC, f->name, NULL, VG_NIL, 0);

	return rc != VG_OK ? rc : fdatasync(f->fd) == 0 ? VG_OK : VG_E_SYS;
}

vg_rc
vg_file_read(const struct vg_file *f, void *to, size_t n, uint64_t at)
{
	char *p = to;

	while (n) {
		ssize_t k = pread(f->fd, p, n, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k == 0 ? VG_E_TRUNC : VG_E_SYS;
		p += k;
		n -= (size_t)k;
		at += (uint64_t)k;
	}
	return VG_OK;
}

vg_rc
vg_disk_rename(struct vg_disk *d, const char *from, const char *to)
{
	vg_rc rc = asked(d, VG_DISK_RENAME, from, to, VG_NIL, 0);

	return rc != VG_OK ? rc : renameat(d->dir, from, d->dir, to) == 0 ? VG_OK : VG_E_SYS;
}

static vg_rc
removed(struct vg_disk *d, const char *name, int flags)
{
	vg_rc rc = asked(d, VG_DISK_REMOVE, name, NULL, VG_NIL, 0);

	if (rc != VG_OK)
		return rc;
	return unlinkat(d->dir, name, flags) == 0 ? VG_OK : errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS;
}

vg_rc
vg_disk_remove(struct vg_disk *d, const char *name)
{
	return removed(d, name, 0);
}

vg_rc
vg_disk_remove_folder(struct vg_disk *d, const char *name)
{
	return removed(d, name, AT_REMOVEDIR);
}

vg_rc
vg_disk_make_folder(struct vg_disk *d, const char *name)
{
	vg_rc rc = asked(d, VG_DISK_MKDIR, name, NULL, VG_NIL, 0);

	return rc != VG_OK ? rc : mkdirat(d->dir, name, 0700) == 0 || errno == EEXIST ? VG_OK : VG_E_SYS;
}

vg_rc
vg_disk_sync(struct vg_disk *d)
{
	vg_rc rc = asked(d, VG_DISK_SYNC_DIR, "", NULL, VG_NIL, 0);

	return rc != VG_OK ? rc : fsync(d->dir) == 0 ? VG_OK : VG_E_SYS;
}

vg_rc
vg_disk_each(struct vg_disk *d, const char *suffix, vg_rc (*each)(void *ctx, const char *name), void *ctx)
{
	int fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	vg_rc rc = VG_OK;

	if (list == NULL) {
		if (fd >= 0)
			close(fd);
		return VG_E_SYS;
	}
	while (rc == VG_OK && (e = readdir(list)) != NULL) {
		size_t n = strlen(e->d_name), k = strlen(suffix);

		if (n > k && strcmp(e->d_name + n - k, suffix) == 0)
			rc = each(ctx, e->d_name);
	}
	closedir(list);
	return rc;
}

static vg_rc
replace(struct vg_disk *d, const char *name, vg_str bytes, bool sync, bool sync_name)
{
	char tmp[VG_DISK_NAME_MAX];
	struct vg_file f;
	int keep;
	vg_rc rc;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.tmp", name) >= sizeof(tmp))
		return VG_E_LIMIT;
	if ((rc = vg_disk_remove(d, tmp)) != VG_OK && rc != VG_E_NOTFOUND) /* of a failure before */
		return rc;
	if ((rc = vg_file_create(d, tmp, &f)) != VG_OK)
		return rc;
	if ((rc = vg_file_write(d, &f, bytes, 0)) == VG_OK && sync)
		rc = vg_file_sync(d, &f);
	vg_file_close(&f);
	if (rc == VG_OK)
		rc = vg_disk_rename(d, tmp, name);
	if (rc != VG_OK) { /* a full disk has no room for it */
		keep = errno;
		(void)!vg_disk_remove(d, tmp);
		errno = keep;
		return rc;
	}
	return sync_name ? vg_disk_sync(d) : VG_OK;
}

vg_rc
vg_disk_replace(struct vg_disk *d, const char *name, vg_str bytes)
{
	return replace(d, name, bytes, true, true);
}

vg_rc
vg_disk_swap(struct vg_disk *d, const char *name, vg_str bytes)
{
	return replace(d, name, bytes, false, false);
}

vg_rc
vg_disk_put(struct vg_disk *d, const char *name, vg_str bytes)
{
	return replace(d, name, bytes, true, false);
}

vg_rc
vg_disk_slurp(struct vg_disk *d, const char *name, size_t max, struct vg_buf *out)
{
	struct vg_file f;
	uint64_t size;
	vg_rc rc = vg_file_open(d, name, &f);

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_file_size(&f, &size)) == VG_OK && size > max)
		rc = VG_E_LIMIT;
	if (rc == VG_OK && !vg_buf_reserve(out, (size_t)size + 1))
		rc = out->rc;
	if (rc == VG_OK && (rc = vg_file_read(&f, out->p + out->n, (size_t)size, 0)) == VG_OK)
		out->n += (size_t)size;
	vg_file_close(&f);
	return rc;
}

static int
open_folder(const struct vg_disk *d, const char *name)
{
	return openat(d->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

vg_rc
vg_disk_folder(struct vg_disk *d, const char *name, struct vg_disk *out)
{
	vg_rc rc = VG_OK;

	*out = (struct vg_disk){ .dir = -1, .read_only = d->read_only, .watch = d->watch, .ctx = d->ctx };
	if ((size_t)snprintf(out->path, sizeof(out->path), "%s%s/", d->path, name) >= sizeof(out->path))
		return VG_E_LIMIT;
	if ((out->dir = open_folder(d, name)) < 0 && errno == ENOENT && !d->read_only && (rc = vg_disk_make_folder(d, name)) == VG_OK)
		out->dir = open_folder(d, name);
	if (rc == VG_OK && out->dir < 0)
		rc = errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS;
	if (rc == VG_OK && !d->read_only) /* also when it was there: who made it may have ended before this */
		rc = vg_disk_sync(d);
	if (rc != VG_OK) {
		int keep = errno;

		vg_disk_close(out);
		errno = keep;
	}
	return rc;
}
