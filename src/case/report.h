/* case/report.h - the story for people and for other tools.  Each writer gets the whole story and writes to a buffer
 * that is flushed by @write; all that comes from evidence is escaped for where it goes. */
#ifndef VG_CASE_REPORT_H
#define VG_CASE_REPORT_H

#include "base/buf.h"
#include "trace/story.h"

enum vg_lang { VG_LANG_EN, VG_LANG_FR, VG_LANGS };
enum vg_lang vg_lang_of(const char *locale); /* "fr_FR.UTF-8" -> FR; NULL or others -> EN */

struct vg_out {
	vg_rc (*write)(void *ctx, vg_str bytes);
	void *ctx;
};

struct vg_report_options {
	enum vg_lang lang;
	unsigned columns;  /* of the terminal; at least 40 */
	unsigned rows;     /* the summary fits in them; at least 20 */
	bool colour;
	bool unicode;
	enum vg_level min_level;
	const char *version;
};

/* The summary for a terminal: headline in plain words, chapters strip, worst groups, paths, erased logs, what was not read.
 * "Honest zero" when there are no signals. */
vg_rc vg_report_summary(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out) VG_MUST;
/* One HTML file: no network, own content security policy. */
vg_rc vg_report_html(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out) VG_MUST;
vg_rc vg_report_navigator(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out) VG_MUST;
vg_rc vg_report_stix(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out) VG_MUST;

/* Formats of one row a signal, written as signals come, in order of time. */
enum vg_rows { VG_ROWS_TABLE, VG_ROWS_JSONL, VG_ROWS_CSV, VG_ROWS_TIMESKETCH };
struct vg_row_matched { vg_str name, value; };
void vg_rows_begin(enum vg_rows f, struct vg_buf *b);
void vg_rows_signal(enum vg_rows f, const struct vg_program *p, const struct vg_signal *s,
		    const struct vg_row_matched *m, size_t nm, struct vg_buf *b);

#endif
