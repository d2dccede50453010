/* witness/sync.h - one round over what an address publishes: every tenant's checkpoint is looked at, what it vouches for is fetched
 * into our copy (witness/copy.h), and only then the checkpoint is cosigned and kept.  A witness does this every few seconds; a new watch
 * that is made from a witness does it once. */
#ifndef VG_WITNESS_SYNC_H
#define VG_WITNESS_SYNC_H

#include "vault/note.h"
#include "witness/pull.h"

enum vg_report {
	VG_REPORT_SEEN,    /* @tenant signed a newer checkpoint; it is not accepted yet */
	VG_REPORT_GOOD,    /* accepted, with all that is under it */
	VG_REPORT_BAD,     /* an honest log does not say that; the proof is kept */
	VG_REPORT_EPOCH,   /* a new epoch waits for a person */
	VG_REPORT_COPY,    /* our copy cannot be kept */
	VG_REPORT_TROUBLE, /* nothing, or not all of it, could be fetched; @tenant may be NULL */
	VG_REPORT_NOTE,    /* for the log: a key that was met first */
	VG_REPORTS
};
typedef void vg_report_fn(void *ctx, enum vg_report what, const char *tenant, const char *text);

struct vg_sync_options {
	struct vg_pull *pull;  /* borrowed, as all of this */
	const char *url;
	int vault;             /* folder of the tenants' folders */
	int forks, epochs;     /* folders for proofs and for copies of earlier epochs; -1 in a restore, which then ends instead */
	const struct vg_note_secret *self; /* cosigns; NULL: notes are kept as they come */
	const struct vg_note_key *log_key; /* the logs' keys; none: the first one that is met is kept */
	size_t nlog_key;
	const struct vg_note_key *recovery; /* whose signature makes an epoch accepted; NULL: only a person's word does */
	const struct vg_note_key *witness;  /* must have signed too; NULL: need not */
	uint64_t free_bytes;   /* less than that, or 5 %, on the disk: nothing more is fetched */
	int64_t keep_ns;       /* of what the watch destroyed: witness/destroy.h; INT64_MAX in a restore */
	int64_t poll_ns;       /* while much is fetched: look for a newer checkpoint so often */
	vg_report_fn *report;
	void *ctx;
};
struct vg_sync;
vg_rc vg_sync_new(const struct vg_sync_options *o, struct vg_sync **out) VG_MUST;
void vg_sync_free(struct vg_sync *s);
/* One round.  @good: tenants whose checkpoint is held now, with all under it; @tenants: that were listed.  What goes wrong with one is
 * reported, and the others go on.  VG_E_SYS and others: there is no list; reported too. */
vg_rc vg_sync_round(struct vg_sync *s, size_t *tenants, size_t *good) VG_MUST;

/* Let the epoch that waits in the tenant's folder @tenant of @vault begin, with the next round.  VG_E_NOTFOUND: none waits. */
vg_rc vg_sync_accept(int vault, const char *tenant, uint64_t *epoch) VG_MUST;
/* Is a disk so full that nothing more should be fetched? */
vg_rc vg_disk_is_low(int dir, uint64_t free_bytes, bool *low, uint64_t *free) VG_MUST;

#endif
