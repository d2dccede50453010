/* detect/match.h - one value against one value: what the plain evaluator and the fast path share. */
#ifndef VG_DETECT_MATCH_H
#define VG_DETECT_MATCH_H

#include "detect/detect.h"

/* Where an event's fields are, by key, and their folded values, made when asked for. */
struct vg_view {
	const struct vg_program *p;
	struct vg_regexes *re;
	const struct vg_event *e;
	struct vg_arena *scratch;
	vg_str *folded;      /* one a field; p is NULL until it is made */
	uint32_t *first;     /* one a key of the program: 1 + its first field, or 0 */
	uint32_t *next;      /* one a field: 1 + the next of the same key */
	vg_str raw_folded;
};
/* VG_E_NOMEM.  @first: cleared by the caller for this event, nkey long. */
vg_rc vg_view_init(struct vg_view *v, struct vg_regexes *re, const struct vg_event *e, struct vg_arena *scratch,
		   uint32_t *first) VG_MUST;
const struct vg_program *vg_regexes_program(const struct vg_regexes *r);
/* Take back what init put into @first. */
void vg_view_fini(struct vg_view *v);
vg_str vg_view_folded(struct vg_view *v, uint32_t field);
/* The raw text that keywords search: that of line formats; empty where the fields hold all (EVTX). */
vg_str vg_view_raw(struct vg_view *v, bool folded);

bool vg_match_value(struct vg_view *v, uint32_t value, vg_str text, vg_str folded);
/* @hit_value, @hit_field: what matched, UINT32_MAX when nothing (or nothing in particular) did. */
bool vg_match_item(struct vg_view *v, uint32_t item, uint32_t *hit_value, uint32_t *hit_field);

#endif
