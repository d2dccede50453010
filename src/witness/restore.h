/* witness/restore.h - a vault made anew from what a witness kept: all of it is fetched into an empty folder and looked into, block by
 * block, against the checkpoint that the log signed and the witness cosigned.
 *
 * What is there then is DIR/vault/ as the watch had it, but for the tiles, which follow from the segments (vault/tree.h), and for
 * what no checkpoint vouched for.  The watch that goes on from it begins a new epoch. */
#ifndef VG_WITNESS_RESTORE_H
#define VG_WITNESS_RESTORE_H

#include "witness/sync.h"

#define VG_RESTORE_WHY 512

struct vg_restore_options {
	const char *url;
	struct vg_pull_options pull;
	int vault; /* DIR/vault, empty */
	const struct vg_note_key *witness; /* who must have signed; NULL: the key that it publishes, which is told */
	const struct vg_note_key *log_key; /* NULL, 0: the keys that it kept, which are told */
	size_t nlog_key;
	vg_report_fn *report; /* VG_REPORT_NOTE and VG_REPORT_GOOD: for a person who looks on */
	void *ctx;
};
/* VG_OK: every tenant that the witness has is there, sound and whole.  VG_E_REFUSED: the folder is not empty, or something does not fit
 * what was signed.  VG_E_NOTFOUND: the witness has nothing.  VG_E_SYS, ... @why says it; what was fetched stays, to be looked at. */
vg_rc vg_restore(const struct vg_restore_options *o, size_t *tenants, char why[VG_RESTORE_WHY]) VG_MUST;

#endif
