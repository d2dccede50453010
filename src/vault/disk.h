/* vault/disk.h - every change that the vault makes on disk goes through here: writes, syncs, names.  A test watches them all, and
 * rebuilds what a disk may hold when the power fails between any two; another answers "no space" to any of them.
 *
 * What counts after a failure: bytes of a file are sure once it was synced behind them; a name (made, changed, removed) is sure
 * once its folder was synced behind that.  Nothing else is. */
#ifndef VG_VAULT_DISK_H
#define VG_VAULT_DISK_H

#include "base/buf.h"

enum vg_disk_what {
	VG_DISK_CREATE, VG_DISK_WRITE, VG_DISK_TRUNCATE, VG_DISK_SYNC, VG_DISK_RENAME, VG_DISK_REMOVE, VG_DISK_SYNC_DIR,
	VG_DISK_MKDIR, /* REMOVE undoes it */
	VG_DISK_ERASE, /* bytes become zero; what was there may come back with the power */
};
struct vg_disk_op {
	enum vg_disk_what what;
	const char *name, *to; /* the file; to: its new name */
	vg_str bytes;          /* WRITE */
	uint64_t at, n;        /* WRITE, TRUNCATE: offset, size; ERASE: offset, and how many bytes */
	const char *dir;       /* the names' folder, from the first one that is watched: "", "acme/", "acme/keys/" */
};
/* Asked before each.  Not VG_OK: it is not done, and that is its answer (VG_E_SYS with errno). */
typedef vg_rc vg_disk_watch_fn(void *ctx, const struct vg_disk_op *op);

#define VG_DISK_NAME_MAX 64
#define VG_DISK_PATH_MAX 192
/* One folder. */
struct vg_disk {
	int dir;
	bool read_only; /* files are opened for reading alone */
	vg_disk_watch_fn *watch; /* NULL: nobody watches */
	void *ctx;
	char path[VG_DISK_PATH_MAX]; /* from the first one that is watched, with '/' behind */
};
struct vg_file {
	int fd;
	char name[VG_DISK_NAME_MAX];
};

vg_rc vg_disk_open(struct vg_disk *d, const char *path) VG_MUST;
void vg_disk_close(struct vg_disk *d);
/* Each VG_E_SYS with errno; VG_E_NOTFOUND, VG_E_LIMIT (name too long). */
vg_rc vg_file_create(struct vg_disk *d, const char *name, struct vg_file *out) VG_MUST; /* it must not be there */
vg_rc vg_file_open(struct vg_disk *d, const char *name, struct vg_file *out) VG_MUST;
void vg_file_close(struct vg_file *f);
vg_rc vg_file_size(const struct vg_file *f, uint64_t *out) VG_MUST;
vg_rc vg_file_write(struct vg_disk *d, struct vg_file *f, vg_str bytes, uint64_t at) VG_MUST;
/* Make bytes zero that nobody will read any more, and give their place on the disk back where the file system can. */
vg_rc vg_file_erase(struct vg_disk *d, struct vg_file *f, uint64_t at, uint64_t n) VG_MUST;
vg_rc vg_file_truncate(struct vg_disk *d, struct vg_file *f, uint64_t size) VG_MUST;
vg_rc vg_file_sync(struct vg_disk *d, struct vg_file *f) VG_MUST;
/* All of @n bytes, or VG_E_TRUNC. */
vg_rc vg_file_read(const struct vg_file *f, void *to, size_t n, uint64_t at) VG_MUST;
vg_rc vg_disk_rename(struct vg_disk *d, const char *from, const char *to) VG_MUST;
vg_rc vg_disk_remove(struct vg_disk *d, const char *name) VG_MUST;
vg_rc vg_disk_sync(struct vg_disk *d) VG_MUST;
/* The whole file @name becomes @bytes, or stays what it was: written as @name.tmp, synced, renamed, the name synced. */
vg_rc vg_disk_replace(struct vg_disk *d, const char *name, vg_str bytes) VG_MUST;
/* The same for what may be lost with the power: not synced. */
vg_rc vg_disk_swap(struct vg_disk *d, const char *name, vg_str bytes) VG_MUST;
/* Between the two: it may be lost, but when its name is there so are its bytes. */
vg_rc vg_disk_put(struct vg_disk *d, const char *name, vg_str bytes) VG_MUST;
/* Append all of a file, at most @max bytes (VG_E_LIMIT). */
vg_rc vg_disk_slurp(struct vg_disk *d, const char *name, size_t max, struct vg_buf *out) VG_MUST;
/* The folder @name in @d's, made when it is not there; its name, and all others in @d, are sure when this returns (not when read only). */
vg_rc vg_disk_folder(struct vg_disk *d, const char *name, struct vg_disk *out) VG_MUST;
/* A folder may be there already; to be removed it must be empty. */
vg_rc vg_disk_make_folder(struct vg_disk *d, const char *name) VG_MUST;
vg_rc vg_disk_remove_folder(struct vg_disk *d, const char *name) VG_MUST;
/* Each name that ends in @suffix, in no order. */
vg_rc vg_disk_each(struct vg_disk *d, const char *suffix, vg_rc (*each)(void *ctx, const char *name), void *ctx) VG_MUST;

#endif
