/* proc/sandbox.h - a process that can do nothing else: it reads and writes the descriptors it holds, and has
 * memory and time within limits.  No new privileges, Landlock without one allowed path, a seccomp list of
 * calls; opening, connecting, executing, tracing are refused. */
#ifndef VG_PROC_SANDBOX_H
#define VG_PROC_SANDBOX_H

#include "base/rc.h"
#include "base/str.h"

struct vg_sandbox_limits {
	size_t data_bytes;  /* private memory; 0: no limit.  Not applied under AddressSanitizer */
	unsigned cpu_s;     /* processor time; 0: no limit */
	size_t file_bytes;  /* largest file written; 0: no limit */
};
/* Enter it, for good.  VG_E_SYS when seccomp cannot be had; Landlock is used where the kernel has it. */
vg_rc vg_sandbox_enter(const struct vg_sandbox_limits *l) VG_MUST;

#endif
