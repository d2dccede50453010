#include "witness/judge.h"

enum vg_verdict
vg_judge(const struct vg_checkpoint *held, const struct vg_checkpoint *came)
{
	if (held == NULL)
		return came->size ? VG_VERDICT_GROWN : VG_VERDICT_LATER;
	if (strcmp(held->origin, came->origin) != 0)
		return VG_VERDICT_ORIGIN;
	if (came->epoch > held->epoch)
		return VG_VERDICT_EPOCH;
	if (came->epoch < held->epoch || came->size < held->size)
		return VG_VERDICT_SMALLER;
	if (came->size == held->size && !vg_hash_eq(&came->root, &held->root))
		return VG_VERDICT_FORK;
	if (came->seq < held->seq)
		return came->size == held->size && came->time_ns < held->time_ns ? VG_VERDICT_STALE : VG_VERDICT_SMALLER;
	if (came->size > held->size)
		return VG_VERDICT_GROWN;
	if (came->seq > held->seq || came->time_ns > held->time_ns) /* order rests on seq: then the clock may have been set back */
		return VG_VERDICT_LATER;
	return came->time_ns == held->time_ns ? VG_VERDICT_SAME : VG_VERDICT_STALE;
}

const char *
vg_verdict_text(enum vg_verdict v)
{
	static const char *const text[VG_VERDICTS] = {
		[VG_VERDICT_SAME] = "nothing new", [VG_VERDICT_STALE] = "an older checkpoint of the same tree", [VG_VERDICT_LATER] = "the same tree, later",
		[VG_VERDICT_GROWN] = "the tree has grown", [VG_VERDICT_EPOCH] = "a new epoch begins, as after a restore; a person must accept it",
		[VG_VERDICT_ORIGIN] = "the checkpoint names another log",
		[VG_VERDICT_SMALLER] = "the log was rolled back: it has fewer blocks, an earlier record or an earlier epoch than it signed before",
		[VG_VERDICT_FORK] = "the log was forked: it signed another tree of the same size",
	};

	return text[v];
}
