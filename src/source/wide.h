/* source/wide.h - text in UTF-16, as Windows writes it ("> file" of PowerShell, exports of the event viewer),
 * read as UTF-8.  Told by its byte order mark, or by ASCII beside zero bytes. */
#ifndef VG_SOURCE_WIDE_H
#define VG_SOURCE_WIDE_H

#include "source/input.h"

struct vg_wide {
	struct vg_input in;     /* the text in UTF-8; offsets are those in it */
	struct vg_input *below; /* borrowed; NULL: was not UTF-16 */
	char *p;                /* owned */
	size_t cap;
	bool big; /* big-endian */
};

/* @out is where to read from: @below itself, or @w when that is UTF-16.  VG_E_NOMEM. */
vg_rc vg_wide_open(struct vg_wide *w, struct vg_input *below, struct vg_input **out) VG_MUST;
void vg_wide_close(struct vg_wide *w);
/* For probes: the beginning of @head as UTF-8 when it is UTF-16, its length; 0 when it is not. */
size_t vg_wide_head(vg_str head, char *out, size_t cap);

#endif
