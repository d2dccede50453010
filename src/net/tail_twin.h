/* net/tail_twin.h - what became of a file that is no longer where it was: the file beside it that has its inode, or is a copy of it;
 * files that took its place and were rotated in their turn; and the name of a compressed one.
 *
 * The names are those of logrotate and its kind: NAME.1, NAME-20260401, NAME.1.gz... (logrotate(8), "dateext"); the inode is looked
 * for under any name of the folder. */
#ifndef VG_NET_TAIL_TWIN_H
#define VG_NET_TAIL_TWIN_H

#include "net/tail_place.h"

#define VG_TAIL_TWINS_MAX 32
#define VG_TAIL_NAME_MAX 256

struct vg_tail_stat {
	uint64_t dev, ino, birth_ns, size;
	int64_t mtime_ns, ctime_ns;
	uint32_t links;
	bool regular;
};
/* statx(2).  VG_E_SYS: errno. */
vg_rc vg_tail_stat_fd(int fd, struct vg_tail_stat *out) VG_MUST;
vg_rc vg_tail_stat_at(int dir, const char *path, struct vg_tail_stat *out) VG_MUST; /* follows links */
/* The same file, as far as the inode and its birth can tell. */
static inline bool
vg_tail_is(const struct vg_tail_stat *s, const struct vg_tail_place *p)
{
	return s->ino == p->ino && (s->birth_ns == 0 || p->birth_ns == 0 || s->birth_ns == p->birth_ns);
}

enum { VG_TAIL_WANT_SAME = 1, VG_TAIL_WANT_COPY = 2, VG_TAIL_WANT_NEWER = 4 };
struct vg_tail_twin {
	char name[VG_TAIL_NAME_MAX];
	struct vg_tail_stat st;
	bool copy;
};
struct vg_tail_search {
	const char *path; /* absolute */
	const struct vg_tail_place *place;
	unsigned want;
	bool (*known)(void *ctx, const struct vg_tail_stat *s, bool by_bytes); /* these are read already, and not found; @by_bytes: is it a copy? */
	void *ctx;
	/* found */
	struct vg_tail_twin twin[VG_TAIL_TWINS_MAX]; /* in the order to be read; the file itself or its copy first */
	size_t n;
	bool found;                    /* twin[0] is the file itself or its copy */
	unsigned over;                 /* more than there is room for */
	char packed[VG_TAIL_NAME_MAX]; /* one that was compressed since the place was left; "" when there is none */
};
void vg_tail_search(struct vg_tail_search *s);
/* Open @name beside @path for reading; -1 when it cannot be. */
int vg_tail_open_beside(const char *path, const char *name);

#endif
