/* role/stamp_plan.h - when a time stamp is asked for: once a period; behind a failure again, later each time, and a period later at most.  Times
 * are of the clock on the wall: they count across restarts. */
#ifndef VG_ROLE_STAMP_PLAN_H
#define VG_ROLE_STAMP_PLAN_H

#include "base/time.h"

#define VG_STAMP_RETRY_NS (5 * VG_MIN)
#define VG_STAMP_LATE 3 /* periods without one */

/* @good_ns: of the last one, 0: none; @tried_ns: of the last of @failures since. */
static inline int64_t
vg_stamp_when(int64_t good_ns, int64_t tried_ns, uint32_t failures, int64_t every_ns)
{
	int64_t wait_ns = VG_STAMP_RETRY_NS;

	if (failures == 0)
		return good_ns ? good_ns + every_ns : 0;
	for (uint32_t i = 1; i < failures && wait_ns < every_ns; i++)
		wait_ns *= 2;
	return tried_ns + (wait_ns < every_ns ? wait_ns : every_ns);
}

/* @since_ns: the last one, or when it was begun to ask. */
static inline bool
vg_stamp_is_late(int64_t since_ns, int64_t now_ns, int64_t every_ns)
{
	return (now_ns - since_ns) / VG_STAMP_LATE > every_ns;
}

#endif
