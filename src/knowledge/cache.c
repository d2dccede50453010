#include "knowledge/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

bool
vg_cache_path(const unsigned char key[32], char path[PATH_MAX])
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char dir[PATH_MAX - 80];
	struct stat st;
	size_t n;

	if (xdg && *xdg == '/')
		snprintf(dir, sizeof(dir), "%s", xdg);
	else if (home && *home == '/')
		snprintf(dir, sizeof(dir), "%s/.cache", home);
	else
		return false;
	(void)mkdir(dir, 0700);
	n = strlen(dir);
	snprintf(dir + n, sizeof(dir) - n, "/vigie");
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return false;
	/* a folder that others can write is not ours to trust */
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return false;
	n = (size_t)snprintf(path, PATH_MAX, "%s/rules-", dir);
	for (int i = 0; i < 12; i++)
		n += (size_t)snprintf(path + n, PATH_MAX - n, "%02x", key[i]);
	snprintf(path + n, PATH_MAX - n, ".bin");
	return true;
}

int
vg_cache_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		close(fd);
		return -1;
	}
	(void)futimens(fd, NULL); /* it is in use: others go before it */
	return fd;
}

static bool
is_cached(const char *name)
{
	size_t n = strlen(name);

	return strncmp(name, "rules-", 6) == 0 && n > 10 && strcmp(name + n - 4, ".bin") == 0;
}

/* Remove what was not used for longest, until VG_CACHE_KEPT are left. */
static void
prune(const char *path)
{
	char dir[PATH_MAX], oldest[256];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	if ((slash = strrchr(dir, '/')) == NULL)
		return;
	*slash = 0;
	for (int turn = 0; turn < 64; turn++) {
		DIR *d = opendir(dir);
		struct timespec least = { 0, 0 };
		struct dirent *e;
		size_t n = 0;

		if (d == NULL)
			return;
		while ((e = readdir(d)) != NULL) {
			struct stat st;

			if (!is_cached(e->d_name) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
			if (n++ == 0 || st.st_mtim.tv_sec < least.tv_sec ||
			    (st.st_mtim.tv_sec == least.tv_sec && st.st_mtim.tv_nsec < least.tv_nsec)) {
				least = st.st_mtim;
				snprintf(oldest, sizeof(oldest), "%s", e->d_name);
			}
		}
		if (n > VG_CACHE_KEPT)
			(void)unlinkat(dirfd(d), oldest, 0);
		closedir(d);
		if (n <= VG_CACHE_KEPT)
			return;
	}
}

void
vg_cache_write(const char *path, vg_str blob)
{
	char tmp[PATH_MAX + 32];
	int fd;
	bool ok;

	snprintf(tmp, sizeof(tmp), "%s.%ld", path, (long)getpid());
	if ((fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return;
	ok = vg_write_all(fd, blob) == VG_OK;
	close(fd);
	if (!ok || rename(tmp, path) < 0)
		(void)unlink(tmp);
	else
		prune(path);
}
