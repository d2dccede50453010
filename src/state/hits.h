/* state/hits.h - the store of trace/live.h in SQLite: hits, and which signals were told.
 *
 *   live_hit (tenant, time_ns, seq, rule, wire)         in order of these; rule: the 64 bits of its name
 *   live_told (tenant, last_ns, id, corr, grp)          in order of the first three
 *   live_known (tenant, identity, time_ns, seq)         by the first two: which record an event that has an identity came in first
 *
 * The tables are a step of signals.db (state/signals.c).  The caller has the database, and its transactions: what is written here is on disk when the caller's COMMIT says so. */
#ifndef VG_STATE_HITS_H
#define VG_STATE_HITS_H

#include <sqlite3.h>

#include "trace/live.h"

#define VG_HITS_IDENTITY 16 /* bytes */
struct vg_hits;
/* @db: vg_signals_open() made it; it outlives this.  VG_E_SYS: sqlite3_errmsg() says why, here as below. */
vg_rc vg_hits_open(sqlite3 *db, struct vg_hits **out) VG_MUST;
void vg_hits_free(struct vg_hits *h);
/* Is the event of @identity, in record @seq, one that came before in another record?  The first record that says it counts, whenever it is
 * asked again.  Forgotten with the hits of its time. */
vg_rc vg_hits_known(struct vg_hits *h, uint32_t tenant, const uint8_t identity[VG_HITS_IDENTITY], int64_t time_ns, uint64_t seq, bool *copy) VG_MUST;
/* For vg_live_new(). */
struct vg_live_store vg_hits_store(struct vg_hits *h);

#endif
