/* proc/sandbox.h - a process that can do nothing else: it reads and writes the descriptors it holds, and has memory and time within
 * limits.  No new privileges, no capability, an empty root folder or its own one, Landlock without one path but its own, and a list of
 * calls with what may be asked of them; opening, connecting, executing, tracing, signalling others are refused.
 *
 * Each of the three walls (root folder, Landlock, calls) stands by itself: older kernels know only the first file rules of Landlock, and
 * some have none. */
#ifndef VG_PROC_SANDBOX_H
#define VG_PROC_SANDBOX_H

#include "base/rc.h"
#include "base/str.h"

enum vg_sandbox_may {
	VG_MAY_LOOP = 1,    /* wait for many descriptors, accept on them, speak over them */
	VG_MAY_READ = 2,    /* open what lies in its folder, for reading */
	VG_MAY_WRITE = 4,   /* and change it */
	VG_MAY_CONNECT = 8, /* outward: sockets of the Internet, names; threads, which resolvers begin */
	VG_MAY_WATCH = 16,  /* inotify */
	VG_MAY_MEMORY = 32, /* make memory that has a descriptor, to be handed on */
};
struct vg_sandbox_limits {
	const char *name;   /* what ps(1) shows; NULL: it has one */
	size_t data_bytes;  /* private memory; 0: no limit.  Not applied under AddressSanitizer */
	unsigned cpu_s;     /* processor time; 0: no limit */
	size_t file_bytes;  /* largest file written; 0: no limit */
	unsigned may;       /* enum vg_sandbox_may, what it may do besides */
	bool others;        /* root keeps the power to read what is others': of what it sees, as below */
	int dir;            /* with VG_MAY_READ or VG_MAY_WRITE: the folder that becomes its root and its whole world; 0: none */
	/* Files and folders elsewhere that it may read too, ends with NULL; those that are not there are passed over.  Its root has these then, where
	 * they are (proc/view.h), and its folder by its descriptor alone.  NULL: none. */
	const char *const *see;
	const char *const *list;   /* with @see: folders of which it may read the names at and below, and no file; may be NULL */
};
enum vg_sandbox_weakness {
	VG_WEAK_LANDLOCK = 1, /* the kernel has no Landlock */
	VG_WEAK_ROOT = 2,     /* no other root folder could be entered: Landlock and the list of calls remain.  Without Landlock either, who may
				 read or write at all may do so wherever its user may */
};
/* What resolvers and TLS clients read: for @see of one that connects; ends with NULL. */
extern const char *const vg_sandbox_net_files[];
/* What the last vg_sandbox_enter() of this process could not do. */
unsigned vg_sandbox_weakness(void);
/* Enter it, for good; with a folder, that is the working folder then.  VG_E_SYS when seccomp cannot be had; Landlock is used as far as the
 * kernel has it. */
vg_rc vg_sandbox_enter(const struct vg_sandbox_limits *l) VG_MUST;
/* For a process that is in none and holds what those in one must not have: where Landlock does not keep them from it, no other process of its
 * user can look into its memory. */
void vg_sandbox_hide(void);

#endif
