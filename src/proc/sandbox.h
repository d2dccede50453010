/* proc/sandbox.h - a process that can do nothing else: it reads and writes the descriptors it holds, and has
 * memory and time within limits.  No new privileges, Landlock without one allowed path, a seccomp list of
 * calls; opening, connecting, executing, tracing are refused. */
#ifndef VG_PROC_SANDBOX_H
#define VG_PROC_SANDBOX_H

#include "base/rc.h"
#include "base/str.h"

enum vg_sandbox_may {
	VG_MAY_LOOP = 1,    /* wait for many descriptors, accept on them, speak over them */
	VG_MAY_READ = 2,    /* open what lies in its folder */
	VG_MAY_WRITE = 4,   /* and change it */
	VG_MAY_CONNECT = 8, /* outward: sockets, names */
	VG_MAY_WATCH = 16,  /* inotify */
	VG_MAY_MEMORY = 32, /* make memory that has a descriptor, to be handed on */
};
struct vg_sandbox_limits {
	size_t data_bytes;  /* private memory; 0: no limit.  Not applied under AddressSanitizer */
	unsigned cpu_s;     /* processor time; 0: no limit */
	size_t file_bytes;  /* largest file written; 0: no limit */
	unsigned may;       /* enum vg_sandbox_may, what it may do besides */
	bool see_all;       /* with VG_MAY_READ: any file that its user may read, not only what lies in the folder */
	int dir;            /* with VG_MAY_READ or VG_MAY_WRITE: the folder that becomes its root and its whole world; 0: none */
};
enum vg_sandbox_weakness {
	VG_WEAK_LANDLOCK = 1, /* the kernel has no Landlock */
	VG_WEAK_ROOT = 2,     /* no other root folder could be entered: Landlock and the list of calls remain */
};
/* What the last vg_sandbox_enter() of this process could not do. */
unsigned vg_sandbox_weakness(void);
/* Enter it, for good; with a folder, that is the working folder then.  VG_E_SYS when seccomp cannot be had; Landlock is used where the kernel
 * has it. */
vg_rc vg_sandbox_enter(const struct vg_sandbox_limits *l) VG_MUST;

#endif
