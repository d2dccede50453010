/* bench/tool.h - how a program of bench/ says what failed, and ends.  Defined before it: BENCH_NAME, who says it. */
#ifndef VG_BENCH_TOOL_H
#define VG_BENCH_TOOL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rc.h"

/* As errno has it. */
static inline void
die(const char *what)
{
	fprintf(stderr, BENCH_NAME ": %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void
must(vg_rc rc, const char *what)
{
	if (rc == VG_E_SYS)
		die(what);
	if (rc != VG_OK) {
		fprintf(stderr, BENCH_NAME ": %s: %s\n", what, vg_rc_name(rc));
		exit(1);
	}
}

#endif
