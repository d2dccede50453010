/* detect/correlate.h - correlations over matches that come in order of time: counts, distinct values, sums, averages,
 * percentiles, temporal and ordered, in sliding windows, grouped, chained.  Sigma specification 2.1.0, "Correlation". */
#ifndef VG_DETECT_CORRELATE_H
#define VG_DETECT_CORRELATE_H

#include "event/event.h"
#include "rule/program.h"

/* A group's state is bounded: over these limits the oldest is dropped, and counted. */
#define VG_CORR_GROUPS_MAX 200000
#define VG_CORR_WINDOW_MAX 100000 /* matches held in one group's window */

struct vg_correlator;

/* A correlation that came true.  Its own values (group-by names and values) are what chained ones see. */
struct vg_corr_hit {
	uint32_t rule;          /* row of the correlation */
	int64_t first_ns, last_ns; /* of the window that made it true; a signal's time is last_ns */
	uint64_t count;         /* matches in the window */
	double value;           /* what was compared: count, distinct values, sum... */
	uint32_t nby;
	vg_str by_name[16], by_value[16]; /* good until the callback returns */
	uint32_t nevidence;
	uint64_t evidence[32];  /* tokens of matches that made it true, oldest first; at most 32 */
};
typedef vg_rc vg_corr_fn(void *ctx, const struct vg_corr_hit *h);

struct vg_correlator *vg_correlator_new(const struct vg_program *p, size_t limit_bytes, vg_corr_fn *fn, void *ctx);
void vg_correlator_free(struct vg_correlator *c);
/* A match of base rule @rule at @time_ns (not before the one before it); @e has at least the fields that the rule's need
 * names.  @token is the caller's name for the match; it comes back as evidence. */
vg_rc vg_correlator_hit(struct vg_correlator *c, uint32_t rule, int64_t time_ns, const struct vg_event *e, uint64_t token) VG_MUST;
/* No more matches come: windows that wait for their end are judged. */
vg_rc vg_correlator_end(struct vg_correlator *c) VG_MUST;
/* Groups and matches dropped because a limit was met. */
uint64_t vg_correlator_dropped(const struct vg_correlator *c);

#endif
