/* state/drilled.h - what rules said of drills (role/drill.h), beside signals in signals.db, and for an hour: trace writes it, `vigie rule test` reads. */
#ifndef VG_STATE_DRILLED_H
#define VG_STATE_DRILLED_H

#include "state/db.h"

#define VG_DRILLED_KEEP_NS (INT64_C(3600) * 1000000000)
#define VG_DRILLED_ID 16

struct vg_drilled {
	uint32_t world;
	vg_str rule; /* its id; the file where it has none */
	int64_t made_ns;
};
/* What drills left, here and among stored hits, is over: they do not outlive a start.  @from: numbers of their worlds. */
vg_rc vg_drilled_begin(sqlite3 *db, uint32_t from) VG_MUST;
/* Once an id. */
vg_rc vg_drilled_put(sqlite3 *db, const struct vg_drilled *d, const uint8_t id[VG_DRILLED_ID]) VG_MUST;
vg_rc vg_drilled_withdraw(sqlite3 *db, const uint8_t id[VG_DRILLED_ID]) VG_MUST;
vg_rc vg_drilled_drop(sqlite3 *db, int64_t before_ns) VG_MUST;
/* Those of worlds @from to @to. */
vg_rc vg_drilled_each(sqlite3 *db, uint32_t from, uint32_t to, vg_rc (*each)(void *ctx, const struct vg_drilled *d), void *ctx) VG_MUST;

#endif
