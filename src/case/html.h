/* case/html.h - what the parts of the HTML report share: a page being written, and the few ways to write to it. */
#ifndef VG_CASE_HTML_H
#define VG_CASE_HTML_H

#include "case/text.h"

struct vg_page {
	const struct vg_story_view *v;
	const struct vg_report_options *o;
	const struct vg_out *out;
	struct vg_buf b;
	vg_rc rc; /* the first failure */
	size_t prefix; /* bytes that the paths of all files begin with: their folder, not repeated in each row */
};

void vg_page_flush(struct vg_page *p, size_t over); /* give what is written to @out when it is more than @over bytes */
void vg_page_raw(struct vg_page *p, const char *html); /* markup of ours */
void vg_page_rawf(struct vg_page *p, const char *fmt, ...) VG_PRINTF(2, 3); /* markup of ours, numbers put in */
void vg_page_esc(struct vg_page *p, vg_str s);         /* text from outside */
void vg_page_text(struct vg_page *p, enum vg_text t);
void vg_page_number(struct vg_page *p, uint64_t n);
void vg_page_time(struct vg_page *p, int64_t time_ns); /* "2026-04-03 02:14:07" in <time>; "no time" */

/* The two drawings (svg.c). */
void vg_page_timeline(struct vg_page *p);
void vg_page_graph(struct vg_page *p);
/* A bar that shows first..last of an entity within the whole story. */
void vg_page_bar(struct vg_page *p, int64_t first_ns, int64_t last_ns, unsigned level);

#endif
