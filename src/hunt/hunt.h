/* hunt/hunt.h - files in, the story out: the whole run of `vigie hunt`.  The parent walks and hands out work; workers in a
 * sandbox read, decode and match; two more, side by side, sort and correlate what they found, and tell the story. */
#ifndef VG_HUNT_HUNT_H
#define VG_HUNT_HUNT_H

#include "case/report.h"
#include "detect/indicator.h"
#include "knowledge/knowledge.h"
#include "source/format.h"

#define VG_HUNT_FILES_MAX 1000000
#define VG_HUNT_UNIT_BYTES ((uint64_t)2 << 20) /* a file is cut into units of this size, whatever --jobs is */

struct vg_input_file {
	char *path;        /* owned */
	uint64_t size;
	int64_t mtime_ns;
	char *why_not;     /* owned; why it was not even opened, else NULL */
};
struct vg_file_list {
	struct vg_input_file *file; /* owned; sorted by path, each once */
	size_t n, cap;
};
/* Walk @path (a file, or a folder and all below it; links are followed only when given themselves).  VG_E_NOTFOUND. */
vg_rc vg_files_add(struct vg_file_list *l, const char *path) VG_MUST;
void vg_files_sort(struct vg_file_list *l);
void vg_files_fini(struct vg_file_list *l);

struct vg_hunt_options {
	int64_t from_ns, to_ns;    /* VG_TIME_NONE: open */
	enum vg_level level;       /* report from this level on */
	unsigned jobs;
	bool carve;
	int zone_s;
	size_t cache_bytes;        /* value cache of each worker */
	int rows_fd;               /* -1: no rows */
	enum vg_rows rows;
	int html_fd, navigator_fd, stix_fd, summary_fd; /* -1: not wanted */
	struct vg_report_options report;
	bool progress;
	const volatile int *stop;
	const struct vg_indicators *indicators; /* NULL: none */
	uint32_t indicator_rule;   /* row of the rule that an event which meets one is a match of */
};
#define VG_HUNT_INDICATOR_RULE "5c0d7a52-9a5e-5b53-9a0e-6a1f3f0c8d11" /* its id: rules/indicators/met.yml */
struct vg_hunt_result {
	uint64_t signals, level[VG_LEVELS];
	uint64_t files, files_bad, events;
};
/* VG_E_STOP: interrupted; VG_E_SYS and others with @why in words. */
vg_rc vg_hunt(const struct vg_file_list *l, const struct vg_knowledge *k, const struct vg_hunt_options *o,
	      struct vg_hunt_result *out, char why[400]) VG_MUST;

/* ---- between the files of hunt/ ---- */

struct vg_hunt_task { /* one unit; followed by the file's name */
	uint32_t file, unit;
	int32_t format;    /* index of vg_formats; -1: not known yet */
	uint32_t pad;
	uint64_t begin, end, size;
	int64_t mtime_ns;
};
#define VG_FORMAT_ARCHIVE (-2) /* in place of an index of vg_formats */
enum vg_hunt_answer { VG_ANSWER_DONE, VG_ANSWER_SPLIT };
struct vg_hunt_reply { /* a worker's answer; checked by the parent like any outside bytes */
	uint8_t answer, pad[3];
	int32_t format;    /* index of vg_formats, -1: unknown */
	uint64_t at, n;    /* DONE: entries in the worker's spool */
	uint64_t lines;    /* lines read: later units of the file count on from them */
	uint64_t events, signals, bad, no_time, unknown_source, carved;
	uint64_t note[VG_NOTE_KINDS];
	char why_not[160];
};
struct vg_worker;
struct vg_worker *vg_worker_new(const struct vg_knowledge *k, const struct vg_hunt_options *o, int spool_fd,
				uint64_t spool_at);
void vg_worker_task(struct vg_worker *w, int fd, vg_str task, struct vg_buf *reply);

struct vg_range { uint32_t worker, file, unit; uint64_t at, n, lines; };
struct vg_finish {
	const struct vg_knowledge *k;
	const struct vg_hunt_options *o;
	const struct vg_file_list *files;
	const struct vg_file_report *report; /* one a file */
	const bool *by_lines;                /* one a file: records are counted by lines */
	const struct vg_range *range; size_t nrange; /* by file, unit */
	const int *spool; unsigned nspool;
	int sort_fd, result_fd;
	uint64_t carved;
};
/* Two processes, side by side, with a pipe between them; both get the same struct vg_finish.  They end with all that they hold.
 * VG_E_TRUNC: the other one went away. */
vg_rc vg_order_run(void *finish, int to);
vg_rc vg_tell_run(void *finish, int from);

#endif
