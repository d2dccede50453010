/* fuzz/fds.h - how many descriptors are open: what comes with a message must not stay so. */
#ifndef VG_FUZZ_FDS_H
#define VG_FUZZ_FDS_H

#include <dirent.h>
#include <stdlib.h>

static inline unsigned
fuzz_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (d == NULL)
		abort();
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
