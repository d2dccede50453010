#include "net/tail_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GONE_NS INT64_C(1000000000) /* what was deleted and did not grow for so long has no writer that is within a line */

/* @f does not have its path any more, which @is may have.  false: the gate is full. */
static bool
lose(struct vg_tail *t, struct vg_follow *f, const struct vg_tail_stat *is)
{
	struct vg_tail_stat st;

	if (vg_tail_stat_fd(f->fd, &st) == VG_OK && st.links == 0) {
		vg_tail_look_for(t, f->path, &f->now, 0);
		if (t->search.packed[0] == 0 && !vg_tail_tell_changed(t, is ? "replaced" : "deleted", f->path, &f->now, is))
			return false;
		f->gone = true;
	}
	f->rotated = f->ready = true;
	f->grown_ns = vg_monotonic_ns();
	return true;
}

static bool
is_no_log(const char *path)
{
	static const char *const end[] = { ".gz",      ".xz",	   ".zst", ".bz2",     ".lz4",	   ".lzma",    ".Z",
					   ".journal", ".journal~", ".db",  "/lastlog", "/faillog", "/tallylog" };

	for (size_t i = 0; i < VG_COUNT(end); i++)
		if (vg_str_ends(vg_str_of(path), vg_str_of(end[i])))
			return true;
	return false;
}

/* Was there a file at @path before? */
static bool
is_known_path(const struct vg_tail *t, const char *path)
{
	for (unsigned i = 0; i < t->nsaved; i++)
		if (strcmp(t->saved[i].path, path) == 0)
			return true;
	return vg_tail_last_rotated(t, path) != NULL;
}

static int
open_path(const char *path, struct vg_tail_stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && (vg_tail_stat_fd(fd, st) != VG_OK || !st->regular)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

/* Files that came after the last one we know of, and were rotated before we looked. */
static void
add_between(struct vg_tail *t, const char *path)
{
	const struct vg_follow *f = vg_tail_last_rotated(t, path);

	if (f == NULL)
		return;
	vg_tail_look_for(t, path, &f->now, VG_TAIL_WANT_NEWER);
	(void)vg_tail_add_twins(t, path, &f->now, false, 0);
}

/* A file that a glob found and nobody follows.  false: the gate is full. */
static bool
find_new(struct vg_tail *t, const char *path)
{
	struct vg_tail_stat st;
	int fd = open_path(path, &st);
	struct vg_tail_place p;
	struct vg_follow *f;

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM) {
			t->counts.unreadable++;
			snprintf(t->counts.denied, sizeof(t->counts.denied), "%s", path);
		}
		if (errno == EMFILE || errno == ENFILE)
			vg_tail_tell_limit(t, path);
		return true;
	}
	if (vg_tail_is_known(t, &st, false)) { /* it was renamed just now */
		close(fd);
		t->dirty = true;
		return true;
	}
	p = vg_tail_place_of(&st);
	if (!is_known_path(t, path) && !vg_tail_pass_over(t, path, fd, &st, &p)) {
		close(fd);
		return false;
	}
	add_between(t, path);
	if ((f = vg_follow_add(t, path, fd, &st, &p)) != NULL)
		f->matched = true;
	return true;
}

/* It was renamed, and has its name again. */
static void
come_back(struct vg_tail *t, struct vg_follow *f)
{
	f->rotated = f->gone = f->last = false;
	for (unsigned i = 0; i < t->nfile; i++)
		if (t->file[i]->before == f)
			t->file[i]->before = f->before;
}

/* false: the gate is full. */
static bool
look_at_path(struct vg_tail *t, const char *path)
{
	struct vg_tail_stat st;
	struct vg_follow *f;

	if (strlen(path) > VG_TAIL_PATH_MAX || is_no_log(path) || vg_tail_stat_at(AT_FDCWD, path, &st) != VG_OK || !st.regular)
		return true;
	for (unsigned i = 0; i < t->nfile; i++) {
		f = t->file[i];
		if (f->now.ino != st.ino || f->dev != st.dev)
			continue;
		f->matched = true;
		if (f->rotated && !f->copy && strcmp(f->path, path) == 0 && vg_tail_current(t, path) == NULL)
			come_back(t, f);
		return true;
	}
	if ((f = vg_tail_current(t, path)) != NULL && !lose(t, f, &st))
		return false;
	return find_new(t, path);
}

static bool
is_wanted(const struct vg_tail *t, const char *path)
{
	for (size_t i = 0; t->glob[i]; i++)
		if (fnmatch(t->glob[i], path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return true;
	return false;
}

/* An empty file has nothing that would show that it grew and was copied and truncated meanwhile, but the copy does. */
static void
add_missed(struct vg_tail *t, struct vg_tail_saved *s)
{
	struct vg_tail_place p = s->place;

	if (p.at)
		return;
	p.mtime_ns++; /* those that were there when it was emptied do not count */
	vg_tail_look_for(t, s->path, &p, VG_TAIL_WANT_NEWER);
	s->place.cut = vg_tail_add_twins(t, s->path, &p, true, p.cut);
}

/* Go on with a file of the last run.  false: the gate is full. */
static bool
resume(struct vg_tail *t, struct vg_tail_saved *s)
{
	bool rotated = s->place.flags & VG_TAIL_ROTATED;
	struct vg_tail_stat st;
	vg_rc rc = vg_tail_stat_at(AT_FDCWD, s->path, &st);
	int fd;

	if (rc != VG_OK && errno != ENOENT && errno != ENOTDIR)
		return true; /* later, perhaps */
	if (!rotated && rc == VG_OK && vg_tail_is(&st, &s->place) && !vg_tail_is_known(t, &st, false)) {
		if ((fd = open_path(s->path, &st)) < 0)
			return true;
		add_missed(t, s);
		(void)vg_follow_add(t, s->path, fd, &st, &s->place);
		s->done = true;
		return true;
	}
	vg_tail_look_for(t, s->path, &s->place, VG_TAIL_WANT_SAME | (rotated ? 0 : VG_TAIL_WANT_COPY | VG_TAIL_WANT_NEWER));
	if (!t->search.found && !(rotated && s->place.flags & VG_TAIL_DONE)) {
		const char *what = rotated || t->search.packed[0] ? NULL : rc == VG_OK ? "replaced" : "deleted";

		if (!vg_tail_tell_changed(t, what, s->path, &s->place, rc == VG_OK ? &st : NULL))
			return false;
	}
	(void)vg_tail_add_twins(t, s->path, &s->place, t->search.found && t->search.twin[0].copy, s->place.cut + 1);
	s->done = true;
	return true;
}

/* Those that were rotated come before those that took their place.  false: the gate is full. */
static bool
resume_all(struct vg_tail *t)
{
	for (unsigned i = 0; i < 2 * t->nsaved; i++) {
		struct vg_tail_saved *s = &t->saved[i % t->nsaved];

		if (s->done || (i < t->nsaved && !(s->place.flags & VG_TAIL_ROTATED)))
			continue;
		if (!is_wanted(t, s->path))
			s->done = true; /* the settings name it no more */
		else if (!resume(t, s))
			return false;
	}
	return true;
}

static void
forget_saved(struct vg_tail *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->nsaved; i++)
		if (t->saved[i].done)
			free(t->saved[i].path);
		else
			t->saved[n++] = t->saved[i];
	t->nsaved = n;
}

/* The folder that a glob names, as far as it has no wildcards. */
static void
watch_glob(struct vg_tail *t, const char *pattern)
{
	char path[VG_TAIL_PATH_MAX + 1];

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(pattern, "*?["), pattern);
	if (strrchr(path, '/'))
		(void)vg_tail_watch_folder(t, path);
}

/* false: the gate is full. */
static bool
look_at_globs(struct vg_tail *t)
{
	bool ok = true;

	for (size_t i = 0; ok && t->glob[i]; i++) {
		glob_t found = { 0 };

		watch_glob(t, t->glob[i]);
		if (glob(t->glob[i], 0, NULL, &found) == 0)
			for (size_t k = 0; ok && k < found.gl_pathc; k++)
				ok = look_at_path(t, found.gl_pathv[k]);
		globfree(&found);
	}
	for (unsigned i = 0; ok && i < t->nfile; i++)
		if (!t->file[i]->matched && !t->file[i]->rotated)
			ok = lose(t, t->file[i], NULL);
	return ok;
}

/* What is there, what is new, what has gone. */
void
vg_tail_look_around(struct vg_tail *t)
{
	t->dirty = false;
	t->blind = t->inotify < 0;
	t->counts.unreadable = t->counts.over = 0;
	for (unsigned i = 0; i < t->nfile; i++)
		t->file[i]->matched = false;
	if (!resume_all(t) || !look_at_globs(t))
		t->dirty = true; /* again when there is room */
	else
		forget_saved(t);
	t->looked_ns = vg_monotonic_ns();
}

/* Is it read, kept, and left by its writer? */
static bool
is_over(struct vg_follow *f, int64_t now_ns)
{
	bool idle = now_ns - f->grown_ns > VG_TAIL_ROTATED_IDLE_S * INT64_C(1000000000);

	if (!f->rotated || f->matched || !(f->copy || idle))
		return false;
	if (!f->last) { /* its last line too */
		f->last = f->ready = true;
		f->drained = false;
	}
	return f->drained && f->nmark == 0 && !f->ready;
}

void
vg_tail_look_at_files(struct vg_tail *t)
{
	int64_t now_ns = vg_monotonic_ns();

	for (unsigned i = t->nfile; i > 0; i--) {
		struct vg_follow *f = t->file[i - 1];
		struct vg_tail_stat st;

		if (is_over(f, now_ns)) {
			vg_follow_drop(t, i - 1);
			continue;
		}
		if ((f->copy && f->drained) || vg_tail_stat_fd(f->fd, &st) != VG_OK)
			continue;
		f->ready |= st.size != f->seen_size || st.ctime_ns != f->seen_ctime_ns;
		f->gone = st.links == 0;
		if (f->gone && f->rotated && !f->last && !f->ready && now_ns - f->grown_ns > GONE_NS) {
			f->last = f->ready = true; /* it may be lost with us: no waiting for the end of its line */
			f->drained = false;
		}
	}
}
