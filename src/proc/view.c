#include "proc/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LINKS_MAX 40 /* in one path, as the kernel has it */

struct view {
	const struct vg_sandbox_limits *l;
	const char *base; /* where it is made */
};

static bool
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Mounts of our own, which others' go on to come to.  In a user namespace we are whom we were, so that files can be made. */
static bool
own_mounts(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[40];

	if (uid == 0 && unshare(CLONE_NEWNS) == 0)
		return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!write_file("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", map) && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
}

static bool
is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && (path[n] == 0 || path[n] == '/');
}

static bool
path_of(int fd, char out[PATH_MAX])
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, PATH_MAX - 1);
	if (n <= 0 || out[0] != '/')
		return false;
	out[n] = 0;
	return true;
}

/* A folder of the system's that nothing of ours is below: what lies there is hidden from us. */
static const char *
find_base(const struct vg_sandbox_limits *l)
{
	static const char *const places[] = { "/mnt", "/media", "/srv", "/opt", "/home", "/tmp", "/var/tmp", "/boot" };
	char own[PATH_MAX], real[PATH_MAX];

	for (size_t i = 0; i < VG_COUNT(places); i++) {
		struct stat st;
		bool free_ = lstat(places[i], &st) == 0 && S_ISDIR(st.st_mode);

		for (size_t k = 0; free_ && l->see[k]; k++)
			free_ = !is_below(l->see[k], places[i]) && (realpath(l->see[k], real) == NULL || !is_below(real, places[i]));
		if (free_ && l->dir > 0)
			free_ = path_of(l->dir, own) && !is_below(own, places[i]);
		if (free_)
			return places[i];
	}
	return NULL;
}

/* ---- what is in it ---- */

/* The folders above @path, which begins with the base's. */
static bool
make_above(const char *path, size_t base)
{
	char part[PATH_MAX];

	for (const char *p = strchr(path + base + 1, '/'); p; p = strchr(p + 1, '/')) {
		memcpy(part, path, (size_t)(p - path));
		part[p - path] = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return false;
	}
	return true;
}

static bool
read_only(const char *path)
{
	static const struct {
		unsigned long seen, flag;
	} keep[] = { { ST_NOSUID, MS_NOSUID }, { ST_NODEV, MS_NODEV }, { ST_NOEXEC, MS_NOEXEC }, { ST_NOATIME, MS_NOATIME }, { ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME } };
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
	struct statvfs s;

	if (statvfs(path, &s) < 0)
		return false;
	for (size_t i = 0; i < VG_COUNT(keep); i++) /* what is set already may be locked */
		flags |= s.f_flag & keep[i].seen ? keep[i].flag : 0;
	return mount(NULL, path, NULL, flags, NULL) == 0;
}

/* What @from is, at @to. */
static bool
bind_at(const struct view *v, const char *from, const char *to, bool write)
{
	struct stat st;
	int fd;

	if (stat(from, &st) < 0 || !make_above(to, strlen(v->base)))
		return false;
	if (S_ISDIR(st.st_mode)) {
		if (mkdir(to, 0755) < 0 && errno != EEXIST)
			return false;
	} else if ((fd = open(to, O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0) {
		return false;
	} else {
		close(fd);
	}
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0 && (write || read_only(to));
}

/* Is it there already, since a folder above it is?  @at is without links. */
static bool
is_there(const struct view *v, const char *at)
{
	char path[2 * PATH_MAX];
	struct stat here, there;

	snprintf(path, sizeof(path), "%s%s", v->base, at);
	return lstat(path, &here) == 0 && lstat(at, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* The link at @at, which leads to @target, also in the view. */
static bool
make_link(const struct view *v, const char *at, const char *target)
{
	char path[2 * PATH_MAX];

	if (is_there(v, at))
		return true;
	snprintf(path, sizeof(path), "%s%s", v->base, at);
	return strlen(path) < PATH_MAX && make_above(path, strlen(v->base)) && (symlink(target, path) == 0 || errno == EEXIST);
}

/* One step: @todo loses its first part, @at gains it.  false: it is not there. */
static bool
step(const struct view *v, char at[PATH_MAX], char todo[PATH_MAX], unsigned *links)
{
	char part[PATH_MAX], target[PATH_MAX], rest[PATH_MAX];
	size_t n = strcspn(todo, "/"), was = strlen(at);
	struct stat st;
	ssize_t k;

	memcpy(part, todo, n);
	part[n] = 0;
	memmove(todo, todo + n + (todo[n] == '/'), strlen(todo + n + (todo[n] == '/')) + 1);
	if (n == 0 || strcmp(part, ".") == 0)
		return true;
	if (strcmp(part, "..") == 0) {
		char *slash = strrchr(at, '/');

		if (slash)
			*slash = 0;
		return true;
	}
	if (was + 1 + n >= PATH_MAX)
		return false;
	at[was] = '/';
	memcpy(at + was + 1, part, n + 1);
	if (lstat(at, &st) < 0)
		return false;
	if (!S_ISLNK(st.st_mode))
		return true;
	if (++*links > LINKS_MAX || (k = readlink(at, target, sizeof(target) - 1)) <= 0)
		return false;
	target[k] = 0;
	if (!make_link(v, at, target))
		return false;
	at[target[0] == '/' ? 0 : was] = 0;
	memcpy(rest, todo, strlen(todo) + 1);
	return (size_t)snprintf(todo, PATH_MAX, "%s/%s", target, rest) < PATH_MAX;
}

/* What is not there is passed over.  false: it is, and cannot be shown. */
static bool
show(const struct view *v, const char *path)
{
	char at[PATH_MAX] = "", todo[PATH_MAX], to[2 * PATH_MAX];
	unsigned links = 0;

	if (strlen(path) >= sizeof(todo))
		return true;
	memcpy(todo, path, strlen(path) + 1);
	while (todo[0])
		if (!step(v, at, todo, &links))
			return true;
	if (at[0] == 0)
		return false; /* the whole root: there is nothing to keep apart */
	if (is_there(v, at))
		return true;
	snprintf(to, sizeof(to), "%s%s", v->base, at);
	return strlen(to) < PATH_MAX && bind_at(v, at, to, false);
}

/* ---- entering ---- */

#define OWN "/.own"

static bool
show_own(const struct view *v)
{
	char from[PATH_MAX], to[64];
	struct stat a, b;

	if (v->l->dir <= 0)
		return true;
	snprintf(to, sizeof(to), "%s" OWN, v->base);
	return path_of(v->l->dir, from) && fstat(v->l->dir, &a) == 0 && stat(from, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino && bind_at(v, from, to, true);
}

/* The descriptor of our folder leads into the view now. */
static bool
turn_own(const struct view *v)
{
	int fd = v->l->dir > 0 ? open(OWN, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool ok = v->l->dir <= 0 || (fd >= 0 && dup3(fd, v->l->dir, O_CLOEXEC) >= 0);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The working folder's path is there, though nothing may be in it: paths may be relative. */
static bool
make_here(const struct view *v, const char *here)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s%s/.", v->base, here);
	return strlen(path) < PATH_MAX && make_above(path, strlen(v->base));
}

bool
vg_view_enter(const struct vg_sandbox_limits *l)
{
	struct view v = { l, find_base(l) };
	char here[PATH_MAX];
	bool home = getcwd(here, sizeof(here)) != NULL && here[0] == '/';

	if (v.base == NULL || !own_mounts() || mount("vigie", v.base, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=4m") < 0)
		return false;
	for (size_t i = 0; l->see[i]; i++)
		if (!show(&v, l->see[i]))
			return false;
	home = home && make_here(&v, here);
	return show_own(&v) && mount(NULL, v.base, NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 && chdir(v.base) == 0 && chroot(".") == 0 && chdir("/") == 0 &&
	       turn_own(&v) && (!home || chdir(here) == 0);
}
