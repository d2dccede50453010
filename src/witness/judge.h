/* witness/judge.h - what a checkpoint that comes says about the one that is held.  No file, no clock, no network. */
#ifndef VG_WITNESS_JUDGE_H
#define VG_WITNESS_JUDGE_H

#include "vault/checkpoint.h"

enum vg_verdict {
	VG_VERDICT_SAME,  /* the one that is held */
	VG_VERDICT_STALE, /* an older one of the same tree */
	VG_VERDICT_LATER, /* the same tree, and later: accepted */
	VG_VERDICT_GROWN, /* a larger tree: accepted once the blocks show that it begins with ours */
	VG_VERDICT_EPOCH, /* a new epoch, which a person must accept */
	/* what an honest log never says: refused, and kept as proof */
	VG_VERDICT_ORIGIN,  /* another log */
	VG_VERDICT_SMALLER, /* fewer leaves, an earlier record, or an earlier epoch */
	VG_VERDICT_FORK,    /* as many leaves, another root */
	VG_VERDICTS
};
/* @held: NULL when there is none yet. */
enum vg_verdict vg_judge(const struct vg_checkpoint *held, const struct vg_checkpoint *came);
static inline bool
vg_verdict_is_proof(enum vg_verdict v)
{
	return v >= VG_VERDICT_ORIGIN;
}
const char *vg_verdict_text(enum vg_verdict v); /* for a person */

#endif
