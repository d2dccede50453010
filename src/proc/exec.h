/* proc/exec.h - run one program and wait for it: no shell, bytes on its standard input, in a process group of its own that is ended when
 * the time is over.  It blocks, so whoever has a loop calls it in a process apart (proc/helper.h). */
#ifndef VG_PROC_EXEC_H
#define VG_PROC_EXEC_H

#include "base/rc.h"
#include "base/str.h"

#define VG_EXEC_WHY 256

struct vg_exec_env {
	const char *name, *value;
};
struct vg_exec_job {
	char *const *argv; /* the first one an absolute path; ends with NULL */
	const struct vg_exec_env *env; /* besides this process's own */
	size_t nenv;
	vg_str input; /* whoever does not read it misses it */
	bool quiet;   /* what it prints goes nowhere */
	unsigned seconds;
};
/* VG_E_SYS: it was not there, did not end with 0, or was ended; @why says which. */
vg_rc vg_exec_run(const struct vg_exec_job *j, char why[VG_EXEC_WHY]) VG_MUST;

#endif
