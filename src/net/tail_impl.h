/* net/tail_impl.h - what the parts of the tail share: tail.c is the loop and what others call, tail_follow.c the table of files and what is
 * told of them, tail_read.c a file's turn, tail_look.c what is there and what became of it. */
#ifndef VG_NET_TAIL_IMPL_H
#define VG_NET_TAIL_IMPL_H

#include "net/kick.h"
#include "net/tail.h"
#include "net/tail_twin.h"
#include "vault/record.h"

#define VG_TAIL_MARKS 8
#define VG_TAIL_BUFFER_BYTES (VG_TAIL_WINDOW + VG_RECORD_RAW_MAX + VG_TAIL_TURN_BYTES)

struct vg_tail_mark { /* when the gate has kept @taken records, all before @place is kept */
	uint64_t taken;
	struct vg_tail_place place;
};
struct vg_follow {
	char *path;      /* owned: that it had when it was found, or its rotated one had before */
	uint32_t source;
	int fd, wd;      /* wd: of its folder, -1 when that is not watched */
	uint64_t dev;    /* of now; that in the place may be of an earlier boot */
	struct vg_tail_place now, kept;
	struct vg_tail_mark mark[VG_TAIL_MARKS];
	unsigned nmark;
	uint64_t seen_size;
	int64_t seen_ctime_ns; /* which no program can set back */
	int64_t grown_ns;      /* when it was last seen to change */
	uint64_t zeros;        /* of a run that is not over yet */
	struct vg_follow *before; /* to be read to its end first */
	struct vg_follow *of;     /* a copy: the file that was truncated; until that is kept, the copy is found through it again */
	uint32_t of_cut;       /* its cut since then */
	bool utmp;
	bool rotated, copy, gone; /* gone: it has no name any more */
	bool matched;             /* a glob has found it in the last look around */
	bool ready;               /* there may be something to read */
	bool last;                /* its writer has another file, or none: what has no end is given as it is */
	bool drained;             /* it was read to its end */
};
struct vg_tail_saved { /* of an earlier run, and not found yet */
	char *path; /* owned */
	struct vg_tail_place place;
	bool done;
};
struct vg_tail {
	struct vg_loop *l;
	const struct vg_gate *g;
	const char *const *glob;
	char *tenant, *host; /* owned */
	uint64_t first_bytes;
	struct vg_follow *file[VG_TAIL_FILES_MAX]; /* owned; of one path: the oldest first */
	unsigned nfile, turn;                   /* turn: whose it is */
	struct vg_tail_saved *saved;                    /* owned */
	unsigned nsaved;
	struct vg_kick *kick;
	void (*followed)(void *ctx);
	void *followed_ctx;
	int inotify; /* -1: there is none */
	struct vg_watch *watch;
	int folder[VG_TAIL_FOLDERS_MAX]; /* watch descriptors */
	unsigned nfolder, polls;
	bool blind;   /* a folder could not be watched */
	bool full;    /* the gate does not take */
	bool dirty;   /* look around */
	bool told_limit;
	int64_t looked_ns;
	uint64_t kept; /* records that the gate has kept */
	struct vg_tail_search search;
	struct vg_tail_counts counts;
	struct vg_buf text;
	char buf[VG_TAIL_BUFFER_BYTES];
};

/* ---- tail_follow.c.  Where a function gives bool, false is: the gate is full, and all is as it was. ---- */

/* "file:DEVICE:INODE:BIRTH:OFFSET:" and @what. */
vg_str vg_tail_id(const struct vg_tail_place *p, const char *what, char out[200]);
/* That the file at @path is not what was read any more, with what the last search found.  @what: NULL, it is gone, which may be in order; @is: NULL,
 * there is none. */
bool vg_tail_tell_changed(struct vg_tail *t, const char *what, const char *path, const struct vg_tail_place *was, const struct vg_tail_stat *is);
bool vg_tail_tell_bytes(struct vg_tail *t, const char *kind, const char *path, const struct vg_tail_place *p, uint64_t from, uint64_t n);
void vg_tail_tell_limit(struct vg_tail *t, const char *path);

/* Follow @fd, which it takes over.  NULL: there is no room for it, which was told. */
struct vg_follow *vg_follow_add(struct vg_tail *t, const char *path, int fd, const struct vg_tail_stat *st, const struct vg_tail_place *p);
void vg_follow_drop(struct vg_tail *t, unsigned i);
void vg_follow_free(struct vg_follow *f);
void vg_follow_mark(struct vg_tail *t, struct vg_follow *f);       /* all before f->now was taken */
void vg_follow_keep(struct vg_follow *f, uint64_t taken);          /* the gate has kept what it took up to @taken */
bool vg_follow_is_saved(const struct vg_follow *f);                /* does it have a place of its own in the next run? */

bool vg_tail_is_utmp(const char *path);
bool vg_tail_is_known(void *ctx, const struct vg_tail_stat *s, bool by_bytes);
struct vg_follow *vg_tail_last_rotated(const struct vg_tail *t, const char *path); /* NULL: none was */
struct vg_follow *vg_tail_current(const struct vg_tail *t, const char *path);      /* NULL: nobody follows it */
int vg_tail_watch_folder(struct vg_tail *t, const char *path); /* that @path is in; its watch descriptor, -1 when it is not watched */
struct vg_tail_place vg_tail_place_of(const struct vg_tail_stat *st); /* its beginning */
vg_rc vg_tail_sum_again(int fd, struct vg_tail_place *p) VG_MUST;
bool vg_tail_pass_over(struct vg_tail *t, const char *path, int fd, const struct vg_tail_stat *st, struct vg_tail_place *p);
void vg_tail_look_for(struct vg_tail *t, const char *path, const struct vg_tail_place *p, unsigned want); /* into t->search */
uint32_t vg_tail_add_twins(struct vg_tail *t, const char *path, const struct vg_tail_place *was, bool copies, uint32_t first_cut);

/* ---- tail_read.c ---- */

enum vg_turn { VG_TURN_IDLE, VG_TURN_AGAIN, VG_TURN_FULL, VG_TURN_BROKEN };
enum vg_turn vg_tail_take_turn(struct vg_tail *t, struct vg_follow *f);

/* ---- tail_look.c ---- */

void vg_tail_look_around(struct vg_tail *t);   /* what is there, what is new, what has gone */
void vg_tail_look_at_files(struct vg_tail *t); /* those that are followed: did they change, are they over? */

#endif
