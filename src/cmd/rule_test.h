/* cmd/rule_test.h - what `vigie rule test` is made of: samples, what became of them (rule_test.c), and the way through a watch (rule_live.c). */
#ifndef VG_CMD_RULE_TEST_H
#define VG_CMD_RULE_TEST_H

#include "cmd/watch.h"
#include "drill/play.h"

struct vg_tried { /* a sample */
	const struct vg_rule_sample *s;
	uint32_t rule;
	uint32_t played;   /* how often it fired without a watch */
	bool unknown;      /* no pack knows its records */
	vg_str exception;  /* that keeps the rule from it; empty: none */
	uint32_t fired;    /* in the watch: how often */
	int64_t sent_ns, first_ns; /* the last of its records; what came of it first */
};
struct vg_trial {
	struct vg_knowledge k;
	struct vg_rule_samples samples;
	struct vg_tried *tried; /* owned */
	size_t n;
	struct vg_house house;  /* of the watch */
	struct vg_buf status;   /* the watch's */
};
/* Send all samples through the watch, and wait for what it says of them.  VG_EXIT_OK, or another exit code: it was told why. */
int vg_trial_live(struct vg_trial *t);

#endif
