/* role/folder.h - a folder that people put files into, as the parent of the watch looks at it every few seconds: by name, size and time, never into
 * a file.  What changed is given to a reader one after the other; a file over which the reader ended twice is not given again until it changes. */
#ifndef VG_ROLE_FOLDER_H
#define VG_ROLE_FOLDER_H

#include "role/learned.h"

#define VG_FOLDER_SETTLE_NS (2 * VG_SEC) /* a file that changed within it may still be written: it waits for the next look */

struct vg_folder_file {
	char *name; /* owned */
	struct vg_learned_version v, given;
	bool there, settled, was_given;
	unsigned deaths; /* of the reader, over version v */
	bool bad;        /* version v is not to be read: why */
	char why[VG_LEARNED_WHY_MAX];
};
struct vg_folder {
	char path[4096];
	struct vg_folder_file *file; /* owned */
	size_t n;
	uint64_t over;    /* files over VG_LEARNED_FILES_MAX, which are not read */
	size_t under_way; /* SIZE_MAX: none */
	bool listed;      /* since the last change, the reader was told that it has all */
	bool missing, listed_missing; /* the folder cannot be read; and that was told */
};
enum vg_folder_what {
	VG_FOLDER_NOTHING,
	VG_FOLDER_FILE,  /* to be read, or it has the same version as what is known */
	VG_FOLDER_BAD,   /* cannot be: why */
	VG_FOLDER_GONE,
	VG_FOLDER_LISTED, /* that is all: what was not given is not there */
	VG_FOLDER_MISSING /* the folder cannot be read, and nothing is known of it */
};
struct vg_folder_item {
	enum vg_folder_what what;
	const char *name;
	struct vg_learned_version v;
	int fd; /* FILE: for reading, the caller's to close; else -1 */
	const char *why;
};
/* What editors and copying programs leave while they write: never read. */
bool vg_folder_is_passing(const char *name);
void vg_folder_init(struct vg_folder *f, const char *path);
void vg_folder_fini(struct vg_folder *f);
/* Look at it; @now_ns: the clock on the wall. */
void vg_folder_look(struct vg_folder *f, int64_t now_ns);
/* What comes next.  Behind FILE nothing comes until vg_folder_done(), or vg_folder_died(). */
void vg_folder_next(struct vg_folder *f, struct vg_folder_item *out);
void vg_folder_done(struct vg_folder *f);
/* The reader ended; @why in words.  A new one is given everything. */
void vg_folder_died(struct vg_folder *f, const char *why);

#endif
