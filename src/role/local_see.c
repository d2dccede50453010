#include "role/local_see.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64

static vg_rc
add(struct vg_see_list *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->path[i], path) == 0)
			return VG_OK;
	if (s->n == VG_SEE_MAX)
		return VG_OK; /* counted as unreadable where it is looked for */
	if ((s->path[s->n] = strdup(path)) == NULL)
		return VG_E_NOMEM;
	s->n++;
	return VG_OK;
}

/* Is @own the folder @path, or below it?  What cannot be looked at counts as such. */
static bool
is_around(const char *path, int own)
{
	struct stat want, at, above;
	int fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
	bool around = stat(path, &want) < 0 || fd < 0;

	for (int i = 0; !around && i < DEPTH_MAX; i++) {
		int up;

		if (fstat(fd, &at) < 0 || (at.st_dev == want.st_dev && at.st_ino == want.st_ino)) {
			around = true;
			break;
		}
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		if ((fd = up) < 0 || fstat(up, &above) < 0)
			around = true;
		else if (above.st_dev == at.st_dev && above.st_ino == at.st_ino)
			break; /* the root */
	}
	if (fd >= 0)
		close(fd);
	return around;
}

/* Where @pattern begins: up to the slash before its first wildcard, and from there up to what is there. */
static vg_rc
add_beginning(struct vg_see *s, const char *pattern, int own)
{
	char path[PATH_MAX];
	size_t n = strcspn(pattern, "*?[\\");
	char *slash;

	if (n >= sizeof(path))
		return VG_OK;
	memcpy(path, pattern, n);
	path[n] = 0;
	while ((slash = strrchr(path, '/')) != NULL) {
		slash[slash == path] = 0; /* "/" stays */
		if (access(path, F_OK) == 0)
			return add(is_around(path, own) ? &s->names : &s->read, path);
		if (slash == path)
			break;
	}
	return VG_OK;
}

/* A folder that is a link leads elsewhere, and so does a file that is one; the folder of the latter's file stays closed, since who may make
 * links among logs may not read all that we may. */
static vg_rc
add_match(struct vg_see *s, const char *path, int own)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	struct stat st;
	vg_rc rc = VG_OK;
	bool whole = false;

	if (slash && slash != path && (size_t)(slash - path) < sizeof(folder)) {
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = 0;
		if ((whole = !is_around(folder, own)))
			rc = add(&s->read, folder);
	}
	if (rc == VG_OK && lstat(path, &st) == 0 && (!whole || S_ISLNK(st.st_mode)))
		rc = add(&s->read, path);
	return rc;
}

vg_rc
vg_see_of(const char *const *pattern, bool journal, int own, struct vg_see *out)
{
	static const char *const systemd[] = { "/var/log/journal", "/run/log/journal", "/etc/machine-id", "/proc/sys/kernel/random/boot_id" };
	vg_rc rc = VG_OK;

	out->read.n = out->names.n = 0;
	for (size_t i = 0; rc == VG_OK && pattern[i]; i++) {
		glob_t found = { 0 };

		rc = add_beginning(out, pattern[i], own);
		if (rc == VG_OK && glob(pattern[i], 0, NULL, &found) == 0)
			for (size_t k = 0; rc == VG_OK && k < found.gl_pathc; k++)
				rc = add_match(out, found.gl_pathv[k], own);
		globfree(&found);
	}
	for (size_t i = 0; rc == VG_OK && journal && i < VG_COUNT(systemd); i++)
		rc = add(&out->read, systemd[i]);
	out->read.path[out->read.n] = out->names.path[out->names.n] = NULL;
	if (rc != VG_OK)
		vg_see_fini(out);
	return rc;
}

static void
list_fini(struct vg_see_list *s)
{
	while (s->n)
		free((void *)(uintptr_t)s->path[--s->n]);
	s->path[0] = NULL;
}

void
vg_see_fini(struct vg_see *s)
{
	list_fini(&s->read);
	list_fini(&s->names);
}
