/* state/seen.h - which log sources each source delivered, and which fields, of those that rules ask for, their events had: in signals.db, to the day.
 * `vigie rule coverage` reads it. */
#ifndef VG_STATE_SEEN_H
#define VG_STATE_SEEN_H

#include "event/event.h"
#include "state/db.h"

#define VG_SEEN_LOGS_MAX 64   /* log sources of one kind of event */
#define VG_SEEN_FIELDS_MAX 1000 /* told at a time */
#define VG_SEEN_KEEP_NS (90 * VG_DAY)

struct vg_seen_row { /* a kind of event of one source */
	uint32_t tenant, source;
	int64_t last_ns; /* its newest arrival */
	struct vg_logsource ls[VG_SEEN_LOGS_MAX];
	uint32_t nls;
	vg_str field[VG_SEEN_FIELDS_MAX];
	uint32_t nfield;
};
/* What was last seen too long before @now_ns goes. */
vg_rc vg_seen_begin(sqlite3 *db, int64_t now_ns) VG_MUST;
vg_rc vg_seen_put(sqlite3 *db, const struct vg_seen_row *r) VG_MUST;
/* Log sources seen since @since_ns, and how many sources gave them; fields of them, in the same order of log sources. */
vg_rc vg_seen_logs(sqlite3 *db, int64_t since_ns, vg_rc (*each)(void *ctx, const struct vg_logsource *ls, uint32_t sources), void *ctx) VG_MUST;
vg_rc vg_seen_fields(sqlite3 *db, int64_t since_ns, vg_rc (*each)(void *ctx, const struct vg_logsource *ls, vg_str field), void *ctx) VG_MUST;

#endif
