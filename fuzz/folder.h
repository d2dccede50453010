/* fuzz/folder.h - a folder in memory for targets that need files; it goes with the process. */
#ifndef VG_FUZZ_FOLDER_H
#define VG_FUZZ_FOLDER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

static char fuzz_folder_path[64];

/* Remove what stands in @dir, which stays. */
static void
fuzz_empty(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL)
		abort();
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dir, e->d_name, 0) == 0)
			continue;
		fd = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			abort();
		fuzz_empty(fd);
		close(fd);
		if (unlinkat(dir, e->d_name, AT_REMOVEDIR) < 0)
			abort();
	}
	closedir(d);
}

static void
fuzz_folder_end(void)
{
	int fd = open(fuzz_folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fuzz_empty(fd);
	close(fd);
	(void)rmdir(fuzz_folder_path);
}

/* The folder, made at the first call. */
static int
fuzz_folder(void)
{
	static int dir = -1;

	if (dir >= 0)
		return dir;
	strcpy(fuzz_folder_path, "/dev/shm/vigie-fuzz-XXXXXX");
	if (mkdtemp(fuzz_folder_path) == NULL || (dir = open(fuzz_folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	atexit(fuzz_folder_end);
	return dir;
}

/* A file in @dir with these bytes; folders of its path must be there. */
static inline void
fuzz_file(int dir, const char *name, vg_str bytes)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || (bytes.n && write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n))
		abort();
	close(fd);
}

#endif
