/* proc/landlock.h - Landlock by system call (linux/landlock.h), as far as the kernel has it.  What newer ones know and our headers do not
 * stands here: landlock(7). */
#ifndef VG_PROC_LANDLOCK_H
#define VG_PROC_LANDLOCK_H

#include "proc/sandbox.h"

/* 0: there is none. */
int vg_landlock_abi(void);
/* This process may reach what @l says, from now on.  false: it was not restricted. */
bool vg_landlock_enter(const struct vg_sandbox_limits *l);

#endif
