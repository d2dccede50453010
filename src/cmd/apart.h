/* cmd/apart.h - a command that reads evidence, which others may have made, does so in a process of its own: one that can read the watch's state and
 * nothing else, and write to a pipe.  This process prints what comes out of it. */
#ifndef VG_CMD_APART_H
#define VG_CMD_APART_H

#include "proc/sandbox.h"

#define VG_APART_SEE_MAX 24
struct vg_apart_list {
	char *path[VG_APART_SEE_MAX + 1]; /* owned; ends with NULL */
	size_t n;
};
struct vg_apart { /* begins as zeros but for the limits, of which see and list are set from the others */
	struct vg_sandbox_limits limits;
	struct vg_apart_list see, list;
};
/* It may read @path, a file or folder; when @name is given, only what is called so in it. */
void vg_apart_see(struct vg_apart *a, const char *path, const char *name);
/* It connects outward; @ca, which may be NULL, says who signs for servers. */
void vg_apart_connects(struct vg_apart *a, const char *ca);
/* Run @work there, to its end.  What it returns is the exit code; VG_EXIT_FAILED when it died, which was told. */
int vg_apart_run(struct vg_apart *a, int (*work)(void *ctx), void *ctx);
/* Is standard output or error of the command a terminal? */
bool vg_is_terminal(int fd);

#endif
