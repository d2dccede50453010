/* role/indicators.h - what the parent of the watch does for indicators: it looks at their folder, gives files that changed to `learn`, keeps the sealed set
 * that comes back for detect, and the sealed job for look.  It looks into none of them. */
#ifndef VG_ROLE_INDICATORS_H
#define VG_ROLE_INDICATORS_H

#include "base/cur.h"
#include "role/folder.h"

#define VG_FEED_EVERY_MS 2000
#define VG_FEED_PATIENCE_MS 60000 /* detect waits so long for the first set; rules are not to wait for a folder */
#define VG_FEED_DEATHS_MAX 4      /* and for so many deaths of who reads it */

struct vg_feed {
	struct vg_folder folder;
	/* Something new for the running processes of @role. */
	void (*give)(void *ctx, unsigned role, const char *name, vg_str text, int fd);
	void *ctx;
	bool ready;           /* learn takes files */
	unsigned deaths;
	int64_t begun_ms, looked_ms;
	int set, job;         /* descriptors, owned; -1: none */
	uint64_t set_number;  /* of ours: one more with each */
	uint64_t job_number, done_number;
	uint64_t files_over;  /* told */
};
void vg_feed_init(struct vg_feed *f, const char *path, int64_t now_ms);
/* Time passes. */
void vg_feed_tick(struct vg_feed *f, int64_t now_ms);
/* Learn began: it is given everything.  It ended: @why in words. */
void vg_feed_began(struct vg_feed *f);
void vg_feed_ended(struct vg_feed *f, const char *why);
/* What learn says; @fd is taken.  VG_E_FORMAT: it is none of what it may say. */
vg_rc vg_feed_learned(struct vg_feed *f, struct vg_cur *body, int fd) VG_MUST;
void vg_feed_job_done(struct vg_feed *f, uint64_t number);
/* May detect begin?  Records that come before the first set would not meet it. */
bool vg_feed_detect_may_begin(const struct vg_feed *f, int64_t now_ms);

#endif
