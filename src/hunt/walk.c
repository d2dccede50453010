/* hunt/walk.c - the files to read: names, sizes, times; nothing is opened. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hunt/hunt.h"

#define DEPTH_MAX 64

static vg_rc
add(struct vg_file_list *l, const char *path, const struct stat *st, const char *why_not)
{
	struct vg_input_file *f;

	if (l->n == VG_HUNT_FILES_MAX)
		return VG_E_LIMIT;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;

		if ((f = realloc(l->file, cap * sizeof(*f))) == NULL)
			return VG_E_NOMEM;
		l->file = f;
		l->cap = cap;
	}
	f = &l->file[l->n];
	*f = (struct vg_input_file){ .path = strdup(path), .why_not = why_not ? strdup(why_not) : NULL };
	if (f->path == NULL)
		return VG_E_NOMEM;
	if (st) {
		f->size = (uint64_t)st->st_size;
		f->mtime_ns = st->st_mtim.tv_sec * VG_SEC + st->st_mtim.tv_nsec;
	}
	l->n++;
	return VG_OK;
}

static vg_rc
walk(struct vg_file_list *l, const char *path, int depth)
{
	DIR *d = opendir(path);
	struct dirent *e;
	vg_rc rc = VG_OK;

	if (d == NULL)
		return add(l, path, NULL, strerror(errno));
	while (rc == VG_OK && (e = readdir(d)) != NULL) {
		char sub[PATH_MAX];
		struct stat st;
		int n = snprintf(sub, sizeof(sub), "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", e->d_name);

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (n < 0 || (size_t)n >= sizeof(sub))
			rc = add(l, path, NULL, "a name below it is too long");
		else if (lstat(sub, &st) < 0)
			rc = add(l, sub, NULL, strerror(errno));
		else if (S_ISDIR(st.st_mode))
			rc = depth < DEPTH_MAX ? walk(l, sub, depth + 1) : add(l, sub, NULL, "too many folders inside each other");
		else if (S_ISREG(st.st_mode))
			rc = add(l, sub, &st, NULL);
		else if (S_ISLNK(st.st_mode))
			rc = add(l, sub, NULL, "a symbolic link: not followed; name it to have it read");
		/* devices, pipes and sockets hold no evidence */
	}
	closedir(d);
	return rc;
}

vg_rc
vg_files_add(struct vg_file_list *l, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return VG_E_NOTFOUND;
	if (S_ISDIR(st.st_mode))
		return walk(l, path, 0);
	return add(l, path, &st, S_ISREG(st.st_mode) ? NULL : "not a regular file");
}

static int
path_cmp(const void *a, const void *b)
{
	return strcmp(((const struct vg_input_file *)a)->path, ((const struct vg_input_file *)b)->path);
}

void
vg_files_sort(struct vg_file_list *l)
{
	size_t keep = 0;

	if (l->n)
		qsort(l->file, l->n, sizeof(*l->file), path_cmp);
	for (size_t i = 0; i < l->n; i++) {
		if (keep && strcmp(l->file[keep - 1].path, l->file[i].path) == 0) { /* named twice */
			free(l->file[i].path);
			free(l->file[i].why_not);
			continue;
		}
		l->file[keep++] = l->file[i];
	}
	l->n = keep;
}

void
vg_files_fini(struct vg_file_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->file[i].path);
		free(l->file[i].why_not);
	}
	free(l->file);
	*l = (struct vg_file_list){ 0 };
}
