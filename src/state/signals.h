/* state/signals.h - signals.db, which trace's process writes: what rules and correlations said, and how far trace has come. */
#ifndef VG_STATE_SIGNALS_H
#define VG_STATE_SIGNALS_H

#include "base/buf.h"
#include "state/db.h"

#define VG_SIGNAL_ID 16
#define VG_SIGNAL_EVIDENCE_MAX 32

enum vg_signal_flag {
	VG_SIGNAL_CORRELATION = 1, /* else a base rule's */
	VG_SIGNAL_LATE = 2,        /* events came long after their time */
	VG_SIGNAL_CLAIM = 4,       /* the record's own time could not be believed: it is that of arrival */
	VG_SIGNAL_RESENT = 8,      /* its record may be one that came before */
	VG_SIGNAL_UNPROVED = 16,   /* nothing proves who sent it */
	VG_SIGNAL_INDICATOR = 32,  /* an indicator of compromise was met */
	VG_SIGNAL_BACKWARDS = 64,  /* in a record that was here before the indicator */
};
struct vg_signal_row {
	uint64_t n;  /* 1, 2...: the order they were made in */
	uint8_t id[VG_SIGNAL_ID];
	uint32_t tenant, source;
	uint8_t level, flags;
	vg_str rule, title, tags, host; /* the rule's id; tags joined by commas */
	vg_str fields;                  /* JSON object: what matched, or what the correlation grouped by */
	int64_t time_ns, first_ns, recv_ns, made_ns;
	uint64_t count;
	uint64_t evidence[VG_SIGNAL_EVIDENCE_MAX]; /* seqs in the vault, oldest first */
	uint32_t nevidence;
};
vg_rc vg_signals_open(const char *path, bool read_only, char why[200], sqlite3 **out) VG_MUST;
vg_rc vg_signals_vet(const char *path, char why[200]) VG_MUST; /* vg_db_vet() of one that comes from elsewhere */
/* The number after the highest that a signal, or the place in the vault, names. */
vg_rc vg_signals_next(sqlite3 *db, uint64_t *out) VG_MUST;
/* @new: it was not there (or was withdrawn).  s->n is not looked at. */
vg_rc vg_signal_put(sqlite3 *db, const struct vg_signal_row *s, bool *new) VG_MUST;
/* One more record, @seq of @time_ns, says what signal @id says: it is added to its evidence, once, and counted; @full: no more are, it has
 * VG_SIGNAL_EVIDENCE_MAX. */
vg_rc vg_signal_add(sqlite3 *db, const uint8_t id[VG_SIGNAL_ID], uint64_t seq, int64_t time_ns, bool *full) VG_MUST;
vg_rc vg_signal_withdraw(sqlite3 *db, const uint8_t id[VG_SIGNAL_ID]) VG_MUST;

struct vg_signal_query {
	uint64_t after;   /* only those made behind this one */
	uint64_t limit;   /* 0: all */
	uint8_t level;    /* at least */
	bool newest;      /* the newest first */
	uint32_t tenant;  /* 0: all */
	vg_str id;        /* hexadecimal, or its beginning (8 at least); empty: all */
};
vg_rc vg_signals_each(sqlite3 *db, const struct vg_signal_query *q, vg_rc (*each)(void *ctx, const struct vg_signal_row *s), void *ctx) VG_MUST;
/* Signals that people are to be told: an alarm waits until out has it. */
vg_rc vg_alarm_wait(sqlite3 *db, const uint8_t id[VG_SIGNAL_ID]) VG_MUST;
vg_rc vg_alarms_each(sqlite3 *db, uint64_t limit, vg_rc (*each)(void *ctx, const struct vg_signal_row *s), void *ctx) VG_MUST;
vg_rc vg_alarm_gone(sqlite3 *db, uint64_t n) VG_MUST;
/* A value kept by name; VG_E_NOTFOUND. */
vg_rc vg_state_get(sqlite3 *db, const char *name, struct vg_buf *out) VG_MUST;
vg_rc vg_state_set(sqlite3 *db, const char *name, vg_str value) VG_MUST;

#endif
