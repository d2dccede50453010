/* state/outbox.h - out.db: alarms that wait to be told, by each way; those that were told, or given up; and the last time stamps.
 *
 * An alarm is taken once, however often it is brought, and waits for every way.  What waits is grouped: one row a way, tenant, kind and
 * title, with a count.  A way takes all that waits into one message; until that is told, what comes meanwhile waits beside it, and a
 * message that could not be told grows by it.  So each alarm is told at least once, and a flood is one message. */
#ifndef VG_STATE_OUTBOX_H
#define VG_STATE_OUTBOX_H

#include "base/buf.h"
#include "base/time.h"
#include "state/db.h"

#define VG_OUTBOX_ID 16
#define VG_OUTBOX_GROUPS_MAX 2000      /* that wait for one way; the others are counted together, as of kind VG_OUTBOX_OTHERS */
#define VG_OUTBOX_KNOWN_MAX 100000     /* alarms that are known again when they are brought again */
#define VG_OUTBOX_TOLD_MAX 20000       /* rows of what was told */
#define VG_OUTBOX_TEXT_MAX 300         /* bytes of a title or a text */
#define VG_OUTBOX_GATHER_NS (5 * VG_SEC) /* the first one waits so long for others */
#define VG_OUTBOX_RETRY_NS (10 * VG_SEC) /* after a failure; then twice that ... */
#define VG_OUTBOX_RETRY_MAX_NS (10 * VG_MIN)
#define VG_OUTBOX_GIVE_UP_NS (3 * VG_DAY)
#define VG_OUTBOX_OTHERS 255           /* kind */

vg_rc vg_outbox_open(const char *path, bool read_only, char why[200], sqlite3 **out) VG_MUST;
vg_rc vg_outbox_vet(const char *path, char why[200]) VG_MUST; /* vg_db_vet() of one that comes from elsewhere */
/* The ways from now on.  What waits for one that is no more is put among what was given up. */
vg_rc vg_outbox_ways(sqlite3 *db, const char *const *way, size_t n, int64_t now_ns) VG_MUST;

struct vg_outbox_alarm {
	uint8_t id[VG_OUTBOX_ID]; /* equal in those that are the same one */
	uint8_t kind, level;
	vg_str tenant, title, text; /* longer ones are cut; empty tenant: the watch itself.  The texts of a group are joined by ", ", some of them */
	int64_t time_ns;
};
/* @now_ns: of the clock on the wall, here as below.  Many in one transaction are the caller's.  @new: it was not known. */
vg_rc vg_outbox_add(sqlite3 *db, const struct vg_outbox_alarm *a, int64_t now_ns, bool *new) VG_MUST;

struct vg_outbox_way {
	char name[80];
	uint64_t alarms, groups; /* that wait */
	uint8_t level;           /* the gravest of them */
	int64_t since_ns;        /* the oldest waits */
	uint32_t tries;          /* that failed, for the message at hand */
	int64_t next_ns, sent_ns;
	uint8_t sent_level;
	uint64_t sent, failed;   /* alarms that were told; given up */
	char why[300];           /* of the last failure; empty: the last try was good */
};
vg_rc vg_outbox_way(sqlite3 *db, const char *way, struct vg_outbox_way *out) VG_MUST; /* VG_E_NOTFOUND */
vg_rc vg_outbox_each_way(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_outbox_way *w), void *ctx) VG_MUST;
/* When what waits is to be told; INT64_MAX: nothing waits.  @pause_ns: between two messages, unless an alarm is graver than all in the last one. */
int64_t vg_outbox_when(const struct vg_outbox_way *w, int64_t pause_ns, int64_t now_ns);

struct vg_outbox_group { /* strings are good until the callback returns */
	vg_str way, tenant, title, text;
	uint8_t kind, level;
	uint64_t count;
	int64_t first_ns, last_ns;
	/* of what was told */
	uint64_t n;
	bool failed;
	int64_t told_ns;
	uint32_t tries;
	vg_str why;
};
typedef vg_rc vg_outbox_fn(void *ctx, const struct vg_outbox_group *g);
/* All that waits for @way is one message now, the gravest group first. */
vg_rc vg_outbox_take(sqlite3 *db, const char *way, vg_outbox_fn *each, void *ctx) VG_MUST;
/* What became of that message. */
vg_rc vg_outbox_told(sqlite3 *db, const char *way, int64_t now_ns) VG_MUST;
vg_rc vg_outbox_failed(sqlite3 *db, const char *way, const char *why, int64_t now_ns) VG_MUST;

vg_rc vg_outbox_each_waiting(sqlite3 *db, vg_outbox_fn *each, void *ctx) VG_MUST;
/* What was told and given up, the newest @limit (0: all), the oldest first. */
vg_rc vg_outbox_each_told(sqlite3 *db, uint64_t limit, vg_outbox_fn *each, void *ctx) VG_MUST;

struct vg_outbox_stamp { /* of one tenant */
	vg_str tenant, what; /* the signer, or why there is none */
	int64_t asked_ns, good_ns; /* good_ns: the last one that was good; 0: none yet */
	uint32_t failures;   /* since */
};
vg_rc vg_outbox_stamp(sqlite3 *db, vg_str tenant, bool good, vg_str what, int64_t now_ns) VG_MUST;
vg_rc vg_outbox_each_stamp(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_outbox_stamp *s), void *ctx) VG_MUST;

#endif
