#include "net/tail_twin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int64_t
nanoseconds(struct statx_timestamp t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static vg_rc
look(int dir, const char *path, int flags, struct vg_tail_stat *out)
{
	struct statx x;

	if (statx(dir, path, flags, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
		return VG_E_SYS;
	*out = (struct vg_tail_stat){ .dev = makedev(x.stx_dev_major, x.stx_dev_minor),
				      .ino = x.stx_ino,
				      .birth_ns = x.stx_mask & STATX_BTIME ? (uint64_t)nanoseconds(x.stx_btime) : 0,
				      .size = x.stx_size,
				      .mtime_ns = nanoseconds(x.stx_mtime),
				      .ctime_ns = nanoseconds(x.stx_ctime),
				      .links = x.stx_nlink,
				      .regular = S_ISREG(x.stx_mode) };
	return VG_OK;
}

vg_rc
vg_tail_stat_fd(int fd, struct vg_tail_stat *out)
{
	return look(fd, "", AT_EMPTY_PATH, out);
}

vg_rc
vg_tail_stat_at(int dir, const char *path, struct vg_tail_stat *out)
{
	return look(dir, path, 0, out);
}

static int
open_folder(const char *path)
{
	char folder[VG_TAIL_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');

	snprintf(folder, sizeof(folder), "%.*s", slash > path ? (int)(slash - path) : 1, path);
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
open_file(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

int
vg_tail_open_beside(const char *path, const char *name)
{
	int dir = open_folder(path), fd = dir < 0 ? -1 : open_file(dir, name);

	if (dir >= 0)
		close(dir);
	return fd;
}

enum suffix { OTHER, NUMBERED, PACKED };

/* What logrotate would call a file that was @base. */
static enum suffix
suffix_of(const char *name, const char *base)
{
	static const char *const packed[] = { ".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".Z" };
	size_t n = strlen(base);
	vg_str s = vg_str_of(name), rest = vg_str_skip(s, n + 1);

	if (strncmp(name, base, n) != 0 || (name[n] != '.' && name[n] != '-') || rest.n == 0)
		return OTHER;
	for (size_t i = 0; i < VG_COUNT(packed); i++)
		if (vg_str_ends(s, vg_str_of(packed[i])))
			return PACKED;
	for (size_t i = 0; i < rest.n; i++)
		if (!vg_is_digit(rest.p[i]) && rest.p[i] != '-' && rest.p[i] != '_')
			return OTHER;
	return NUMBERED;
}

static bool
is_copy(int dir, const char *name, const struct vg_tail_stat *st, const struct vg_tail_place *p)
{
	int fd;
	bool holds;

	if (p->at == 0 || st->size < p->at || (fd = open_file(dir, name)) < 0)
		return false;
	holds = vg_tail_place_holds(fd, p);
	close(fd);
	return holds;
}

static void
add(struct vg_tail_search *s, const char *name, const struct vg_tail_stat *st, bool copy)
{
	struct vg_tail_twin *t;

	if (s->n == VG_TAIL_TWINS_MAX) {
		s->over++;
		return;
	}
	t = &s->twin[s->n++];
	*t = (struct vg_tail_twin){ .st = *st, .copy = copy };
	snprintf(t->name, sizeof(t->name), "%s", name);
}

/* The file itself, or else its newest copy, goes to the first place. */
static void
consider_twin(struct vg_tail_search *s, const char *name, const struct vg_tail_stat *st, bool copy)
{
	if (s->found && (!s->twin[0].copy || (copy && st->mtime_ns <= s->twin[0].st.mtime_ns)))
		return;
	s->n = 0;
	s->found = true;
	add(s, name, st, copy);
}

static void
find_twin(struct vg_tail_search *s, int dir, const struct dirent *e, const char *base)
{
	enum suffix x = suffix_of(e->d_name, base);
	struct vg_tail_stat st;
	bool same = s->want & VG_TAIL_WANT_SAME && (x == NUMBERED || e->d_ino == s->place->ino); /* overlays have others in d_ino */

	if ((x == OTHER && !same) || vg_tail_stat_at(dir, e->d_name, &st) != VG_OK || !st.regular)
		return;
	if (x == PACKED && st.mtime_ns / 1000000000 >= s->place->mtime_ns / 1000000000)
		snprintf(s->packed, sizeof(s->packed), "%s", e->d_name); /* it keeps the time of what was compressed */
	if (same && vg_tail_is(&st, s->place)) {
		if (!s->known(s->ctx, &st, false))
			consider_twin(s, e->d_name, &st, false);
	} else if (x == NUMBERED && s->want & VG_TAIL_WANT_COPY && !s->known(s->ctx, &st, true) && is_copy(dir, e->d_name, &st, s->place)) {
		consider_twin(s, e->d_name, &st, true);
	}
}

/* Those that were written to after it. */
static void
find_newer(struct vg_tail_search *s, int dir, const struct dirent *e, const char *base)
{
	int64_t since_ns = s->found ? s->twin[0].st.mtime_ns : s->place->mtime_ns;
	struct vg_tail_stat st;

	if (suffix_of(e->d_name, base) != NUMBERED || vg_tail_stat_at(dir, e->d_name, &st) != VG_OK || !st.regular)
		return;
	if (st.mtime_ns < since_ns || s->known(s->ctx, &st, false) || (s->found && st.ino == s->twin[0].st.ino))
		return;
	add(s, e->d_name, &st, false);
}

static void
each_name(struct vg_tail_search *s, int dir,
	  void (*fn)(struct vg_tail_search *s, int dir, const struct dirent *e, const char *base))
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		fn(s, dir, e, strrchr(s->path, '/') + 1);
	closedir(d);
}

/* In the order they were made; where that is not known, in the order they were left, which a late writer may upset. */
static int
by_time(const void *a, const void *b)
{
	const struct vg_tail_stat *x = &((const struct vg_tail_twin *)a)->st, *y = &((const struct vg_tail_twin *)b)->st;
	bool born = x->birth_ns && y->birth_ns && x->birth_ns != y->birth_ns;

	if (born)
		return x->birth_ns < y->birth_ns ? -1 : 1;
	return (x->mtime_ns > y->mtime_ns) - (x->mtime_ns < y->mtime_ns);
}

void
vg_tail_search(struct vg_tail_search *s)
{
	int dir = open_folder(s->path);

	s->n = 0;
	s->found = false;
	s->over = 0;
	s->packed[0] = 0;
	if (dir < 0)
		return;
	each_name(s, dir, find_twin);
	if (s->want & VG_TAIL_WANT_NEWER)
		each_name(s, dir, find_newer);
	if (s->n > s->found)
		qsort(s->twin + s->found, s->n - s->found, sizeof(*s->twin), by_time);
	close(dir);
}
