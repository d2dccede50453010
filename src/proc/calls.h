/* proc/calls.h - what a process in the sandbox may ask of the kernel: one table of calls, with what their arguments may be (seccomp(2)). */
#ifndef VG_PROC_CALLS_H
#define VG_PROC_CALLS_H

#include "proc/sandbox.h"

/* Of all threads of this process, for good.  VG_E_SYS: it could not be had. */
vg_rc vg_calls_enter(unsigned may) VG_MUST;

#endif
