/* role/met.h - an event against the set of indicators, as detect and look do it: the hits become the part of a finding that role/found.h
 * tells, one a value, with all that say so. */
#ifndef VG_ROLE_MET_H
#define VG_ROLE_MET_H

#include "detect/indicator.h"
#include "role/found.h"

#define VG_MET_TEXT_MAX 400 /* bytes of what was found, of the names of files and of sources */

/* A set behind a descriptor that other processes hold too. */
struct vg_met_set {
	struct vg_indicators x;
	void *map;
	size_t bytes; /* 0: there is none */
};
/* Map what is behind @fd, which stays the caller's.  VG_E_REFUSED: others could change it (it is not sealed); VG_E_FORMAT, VG_E_TRUNC: it is no set; VG_E_SYS.
 * On failure @s is as it was; else what it held goes. */
vg_rc vg_met_open(struct vg_met_set *s, int fd) VG_MUST;
void vg_met_close(struct vg_met_set *s);
/* Sealed memory behind @fd, mapped for reading. */
vg_rc vg_sealed_map(int fd, void **map, size_t *bytes) VG_MUST;

struct vg_met_list {
	struct vg_buf b; /* entries, encoded */
	uint32_t n;
	/* the last one, which another source may say too */
	bool open;
	uint8_t kind;
	int64_t expires_ns;
	struct vg_buf value, found, field, file, source, note;
};
/* What @e meets of @x: in m->n and m->b, until the next call.  @now_ns: the record's arrival; what had expired then is not met.
 * VG_E_LIMIT: there was more; VG_E_NOMEM. */
vg_rc vg_met_event(struct vg_met_list *m, const struct vg_indicators *x, const struct vg_event *e, int64_t now_ns) VG_MUST;
void vg_met_fini(struct vg_met_list *m);

#endif
