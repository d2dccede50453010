/* role/trace_out.h - signals that people are to be told, from trace to out.  Which ones wait is a table of signals.db, written in the transaction
 * that makes the signal: each is brought until out says that it has it. */
#ifndef VG_ROLE_TRACE_OUT_H
#define VG_ROLE_TRACE_OUT_H

#include "role/messages.h"
#include "state/signals.h"

struct vg_trace_out; /* owns its channel */
/* @e: given "alarm-level", and "tenant-names", a line "ID NAME" each.  @db outlives it. */
vg_rc vg_trace_out_new(struct vg_role_env *e, sqlite3 *db, struct vg_trace_out **out) VG_MUST;
void vg_trace_out_free(struct vg_trace_out *o);
/* A new signal, within its transaction. */
vg_rc vg_trace_out_signal(struct vg_trace_out *o, const struct vg_signal_row *s) VG_MUST;
vg_rc vg_trace_out_peer(struct vg_trace_out *o, int fd) VG_MUST;
/* Bring what waits: outside of a transaction. */
vg_rc vg_trace_out_turn(struct vg_trace_out *o) VG_MUST;

#endif
