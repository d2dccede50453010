/* detect/needle.h - a few literals and expressions looked for in large texts, with the places where they are found: what search goes
 * through blocks with.  Hyperscan where it is built in; without it literals only. */
#ifndef VG_DETECT_NEEDLE_H
#define VG_DETECT_NEEDLE_H

#include "base/rc.h"
#include "base/str.h"

#define VG_NEEDLE_PATTERNS_MAX 256

struct vg_needle_pattern {
	vg_str text;
	bool expression; /* as vg_regex_widen() made it; else a literal, of which ASCII letters match in any case */
};
struct vg_needle;
/* VG_E_UNSUP: an expression that cannot be used, or no engine for it.  VG_E_NOMEM; VG_E_LIMIT. */
vg_rc vg_needle_new(const struct vg_needle_pattern *p, size_t n, struct vg_needle **out) VG_MUST;
void vg_needle_free(struct vg_needle *n);
/* Call @found with the end (offset behind the last byte) of each place; in no order, a place perhaps twice.  Not VG_OK of it ends the scan and is
 * returned. */
typedef vg_rc vg_needle_found(void *ctx, size_t end);
vg_rc vg_needle_scan(struct vg_needle *n, vg_str text, vg_needle_found *found, void *ctx) VG_MUST;

#endif
