#include "role/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEATHS 2 /* of the reader, over one version of a file */

void
vg_folder_init(struct vg_folder *f, const char *path)
{
	*f = (struct vg_folder){ .under_way = SIZE_MAX };
	snprintf(f->path, sizeof(f->path), "%s", path);
}

void
vg_folder_fini(struct vg_folder *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->file[i].name);
	free(f->file);
	f->file = NULL;
	f->n = 0;
}

bool
vg_folder_is_passing(const char *name)
{
	static const char *const ends[] = { "~", ".tmp", ".part", ".swp", ".filepart", ".crdownload" };
	size_t n = strlen(name);

	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < VG_COUNT(ends); i++)
		if (n > strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

static struct vg_folder_file *
find(struct vg_folder *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->file[i].name && strcmp(f->file[i].name, name) == 0)
			return &f->file[i];
	return NULL;
}

static struct vg_folder_file *
add(struct vg_folder *f, const char *name)
{
	struct vg_folder_file *x = NULL;
	void *p;

	for (size_t i = 0; i < f->n && x == NULL; i++)
		if (f->file[i].name == NULL) /* of one that is gone */
			x = &f->file[i];
	if (x == NULL) {
		if (f->n == VG_LEARNED_FILES_MAX || (p = realloc(f->file, (f->n + 1) * sizeof(*f->file))) == NULL)
			return NULL;
		f->file = p;
		x = &f->file[f->n++];
	}
	*x = (struct vg_folder_file){ .name = strdup(name) };
	return x->name ? x : NULL;
}

static void
look_at(struct vg_folder *f, int dir, const char *name, int64_t now_ns)
{
	struct vg_folder_file *x = find(f, name);
	struct vg_learned_version v;
	struct stat st;
	bool new = x == NULL;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* it is gone */
	if (new && (x = add(f, name)) == NULL) {
		f->over++;
		return;
	}
	v = (struct vg_learned_version){ (uint64_t)st.st_size, (uint64_t)st.st_ino, (int64_t)st.st_ctim.tv_sec * VG_SEC + st.st_ctim.tv_nsec };
	x->settled = (!new && vg_learned_version_eq(&v, &x->v)) || now_ns - v.changed_ns > VG_FOLDER_SETTLE_NS;
	if (!vg_learned_version_eq(&v, &x->v)) {
		x->bad = false;
		x->deaths = 0;
	}
	x->v = v;
	x->there = true;
	if (!S_ISREG(st.st_mode)) {
		x->bad = true;
		snprintf(x->why, sizeof(x->why), "it is %s; only files are read", S_ISDIR(st.st_mode) ? "a folder" : S_ISLNK(st.st_mode) ? "a link" : "no file");
	} else if ((uint64_t)st.st_size > VG_LEARNED_FILE_MAX) {
		x->bad = true;
		snprintf(x->why, sizeof(x->why), "it is larger than %zu MiB", VG_LEARNED_FILE_MAX >> 20);
	}
}

void
vg_folder_look(struct vg_folder *f, int64_t now_ns)
{
	int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	f->missing = d == NULL;
	if (d == NULL) { /* what it held goes on: a folder that is not mounted is no order to forget */
		if (fd >= 0)
			close(fd);
		return;
	}
	f->over = 0;
	for (size_t i = 0; i < f->n; i++)
		f->file[i].there = false;
	while ((e = readdir(d)) != NULL)
		if (!vg_folder_is_passing(e->d_name))
			look_at(f, fd, e->d_name, now_ns);
	closedir(d);
}

static int
open_file(const struct vg_folder *f, struct vg_folder_file *x)
{
	char path[sizeof(f->path) + VG_LEARNED_NAME_MAX + 2];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->path, x->name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	snprintf(x->why, sizeof(x->why), "it cannot be opened: %s", fd < 0 ? strerror(errno) : "no file");
	x->bad = true;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
give(struct vg_folder *f, struct vg_folder_file *x, struct vg_folder_item *out)
{
	*out = (struct vg_folder_item){ .name = x->name, .v = x->v, .fd = -1 };
	if (!x->bad)
		out->fd = open_file(f, x);
	out->what = x->bad ? VG_FOLDER_BAD : VG_FOLDER_FILE;
	out->why = x->bad ? x->why : "";
	x->given = x->v;
	x->was_given = true;
	f->listed = false;
	if (!x->bad)
		f->under_way = (size_t)(x - f->file);
}

void
vg_folder_next(struct vg_folder *f, struct vg_folder_item *out)
{
	*out = (struct vg_folder_item){ .what = VG_FOLDER_NOTHING, .fd = -1 };
	if (f->under_way != SIZE_MAX)
		return;
	for (size_t i = 0; i < f->n && !f->missing; i++) {
		struct vg_folder_file *x = &f->file[i];

		if (x->name && x->there && x->settled && (!x->was_given || !vg_learned_version_eq(&x->v, &x->given))) {
			give(f, x, out);
			return;
		}
		if (x->name && !x->there && x->was_given) {
			*out = (struct vg_folder_item){ .what = VG_FOLDER_GONE, .name = x->name, .fd = -1 };
			x->was_given = f->listed = false;
			return;
		}
		if (x->name && !x->there) { /* told, or never known */
			free(x->name);
			x->name = NULL;
		}
	}
	if (!f->listed || (f->listed_missing && !f->missing)) {
		f->listed = true;
		f->listed_missing = f->missing;
		out->what = f->missing ? VG_FOLDER_MISSING : VG_FOLDER_LISTED;
	}
}

void
vg_folder_done(struct vg_folder *f)
{
	f->under_way = SIZE_MAX;
}

void
vg_folder_died(struct vg_folder *f, const char *why)
{
	if (f->under_way != SIZE_MAX) {
		struct vg_folder_file *x = &f->file[f->under_way];

		if (++x->deaths == DEATHS) {
			x->bad = true;
			snprintf(x->why, sizeof(x->why), "its reader %.200s", why);
		}
	}
	f->under_way = SIZE_MAX;
	f->listed = false;
	for (size_t i = 0; i < f->n; i++)
		f->file[i].was_given = false;
}
