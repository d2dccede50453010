/* detect/detect.h - a program over events.  vg_index_build() prepares what makes it fast: a rare required
 * literal for each rule, hash tables for exact values, endings and beginnings, one multi-pattern database;
 * vg_detect() then evaluates, for each event, only the rules whose literal was seen. */
#ifndef VG_DETECT_DETECT_H
#define VG_DETECT_DETECT_H

#include "event/event.h"
#include "rule/program.h"

enum vg_index_flag {
	VG_INDEX_PORTABLE = 1, /* no Hyperscan: the portable matcher, with the same answers */
};
/* Append the index of @p to @out, as a blob for the cache. */
vg_rc vg_index_build(const struct vg_program *p, unsigned flags, struct vg_buf *out) VG_MUST;

struct vg_index; /* immutable, shared by all detectors */
/* @blob, aligned to 64, and @p outlive the index.  Checked, as any outside bytes.  VG_E_REFUSED: made for another
 * program, version or processor. */
vg_rc vg_index_load(vg_str blob, const struct vg_program *p, struct vg_index **out) VG_MUST;
void vg_index_free(struct vg_index *x);

struct vg_detector_options {
	size_t cache_bytes; /* for results of repeated values; 0: no cache */
	bool exhaustive;    /* evaluate every rule of the log source, without the index: what tests compare with */
};
struct vg_detector_stats {
	uint64_t events, routed /* some rule applied to */, evaluated /* rules */, hits;
	uint64_t cache_asked, cache_hit;
};
struct vg_detector;
struct vg_detector *vg_detector_new(const struct vg_program *p, const struct vg_index *x,
				    const struct vg_detector_options *o);
void vg_detector_free(struct vg_detector *d);
void vg_detector_stats(const struct vg_detector *d, struct vg_detector_stats *out);

/* Set the bit of each rule that could meet some event seen so far, by its log source and code; @bits: nrule of them. */
void vg_detector_applicable(const struct vg_detector *d, uint64_t *bits);

/* Run all base rules of @e's log sources; @hit gets each that matches, in ascending order of rule. */
typedef vg_rc vg_hit_fn(void *ctx, const struct vg_event *e, uint32_t rule);
vg_rc vg_detect(struct vg_detector *d, const struct vg_event *e, vg_hit_fn *hit, void *ctx) VG_MUST;

/* Does rule @rule's log source take this event?  A rule's part that is not empty must equal the same part of one of
 * the event's log sources (all parts the same one). */
bool vg_rule_applies(const struct vg_program *p, uint32_t rule, const struct vg_event *e);

/* The expressions of a program, each compiled when it is first needed.  They keep a state, so one for each thread; @p outlives
 * them. */
struct vg_regexes;
struct vg_regexes *vg_regexes_new(const struct vg_program *p); /* NULL: out of memory */
void vg_regexes_free(struct vg_regexes *r);

/* The plain evaluator: no index, no cache.  The authority that the fast path is tested against, and what explains.
 * @log, if given, is called for each node and each item on the way, in order, with depth and outcome. */
struct vg_eval_step {
	uint32_t rule, node, depth;
	uint32_t item;   /* UINT32_MAX when the step is no item */
	uint32_t value;  /* the value that matched, UINT32_MAX when none */
	const struct vg_field *field; /* where it matched; NULL when none, or the raw text */
	bool outcome;
};
typedef void vg_eval_log(void *ctx, const struct vg_eval_step *s);
bool vg_eval(struct vg_regexes *r, uint32_t rule, const struct vg_event *e, struct vg_arena *scratch, vg_eval_log *log, void *ctx);

/* The fields that made a rule match: positions in e->field, ascending, each once; at most @max.  Count. */
size_t vg_matched_fields(struct vg_regexes *r, uint32_t rule, const struct vg_event *e, struct vg_arena *scratch,
			 uint32_t *out, size_t max);

#endif
