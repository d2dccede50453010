#include "net/tail_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "net/tail_cut.h"

/* ---- telling ---- */

static uint32_t
source_of(struct vg_tail *t, const char *what)
{
	char name[VG_TAIL_PATH_MAX + 256];
	int n = snprintf(name, sizeof(name), "%s:%s", t->host, what);
	struct vg_speaker s = { .tenant = vg_str_of(t->tenant), .listener = VG_STR("file"), .proof = VG_PROOF_LOCAL };

	s.name = vg_str_cut(vg_str_mem(name, n > 0 ? (size_t)n : 0), sizeof(name) - 1);
	return t->g->source(t->g->ctx, &s);
}

/* "file:DEVICE:INODE:BIRTH:OFFSET:" and @what. */
vg_str
vg_tail_id(const struct vg_tail_place *p, const char *what, char out[200])
{
	int n = snprintf(out, 200, "file:%llx:%llu:%llx:%llu:%s", (unsigned long long)p->name.dev, (unsigned long long)p->name.ino,
			 (unsigned long long)(p->name.birth_ns + p->cut), (unsigned long long)p->at, what);

	return vg_str_cut(vg_str_mem(out, n > 0 ? (size_t)n : 0), 199);
}

/* A record about @path; the pairs behind the first ones are in t->text already, from a comma on.  false: the gate is full. */
static bool
tell(struct vg_tail *t, const char *kind, const char *what, const char *path, const struct vg_tail_place *p)
{
	struct vg_buf b = { 0 };
	uint32_t source = source_of(t, "vigie-tail");
	char id[200];
	bool ok = true;

	vg_buf_printf(&b, "{\"vigie\":\"%s\",\"file\":", kind);
	vg_buf_json_str(&b, vg_str_of(path));
	if (what)
		vg_buf_printf(&b, ",\"what\":\"%s\"", what);
	vg_buf_put(&b, vg_buf_str(&t->text));
	vg_buf_putc(&b, '}');
	if (b.rc == VG_OK && t->text.rc == VG_OK && source != VG_GATE_NONE) /* without one the gate has counted it */
		ok = t->g->take(t->g->ctx, source, vg_clock_ns(), vg_tail_id(p, what ? what : kind, id), vg_buf_str(&b));
	vg_buf_fini(&b);
	t->full = !ok;
	return ok;
}

static void
text_name(struct vg_tail *t, const char *key, const char *name)
{
	if (name[0] == 0)
		return;
	vg_buf_printf(&t->text, ",\"%s\":", key);
	vg_buf_json_str(&t->text, vg_str_of(name));
}

bool
vg_tail_tell_changed(struct vg_tail *t, const char *what, const char *path, const struct vg_tail_place *was, const struct vg_tail_stat *is)
{
	const struct vg_tail_search *s = &t->search;
	bool ok;

	vg_buf_clear(&t->text);
	vg_buf_printf(&t->text, ",\"was\":{\"inode\":%llu,\"read\":%llu}", (unsigned long long)was->ino, (unsigned long long)was->at);
	if (is)
		vg_buf_printf(&t->text, ",\"is\":{\"inode\":%llu,\"size\":%llu}", (unsigned long long)is->ino,
			      (unsigned long long)is->size);
	text_name(t, "copy", s->found ? s->twin[0].name : s->packed);
	if (s->over)
		vg_buf_printf(&t->text, ",\"unread_files\":%u", s->over);
	ok = tell(t, what ? "file-changed" : "file-gone", what, path, was);
	t->counts.changed += ok && what;
	return ok;
}

bool
vg_tail_tell_bytes(struct vg_tail *t, const char *kind, const char *path, const struct vg_tail_place *p, uint64_t from, uint64_t n)
{
	vg_buf_clear(&t->text);
	vg_buf_printf(&t->text, ",\"offset\":%llu,\"bytes\":%llu", (unsigned long long)from, (unsigned long long)n);
	return tell(t, kind, NULL, path, p);
}

void
vg_tail_tell_limit(struct vg_tail *t, const char *path)
{
	struct vg_tail_place nowhere = { .at = (uint64_t)vg_clock_ns() }; /* an id that was not there before */

	t->counts.over++;
	if (t->told_limit)
		return;
	vg_buf_clear(&t->text);
	vg_buf_printf(&t->text, ",\"limit\":%u", VG_TAIL_FILES_MAX);
	t->told_limit = tell(t, "file-limit", NULL, path, &nowhere);
}

/* ---- files that are followed ---- */

/* The gate has kept what it took up to @taken. */
void
vg_follow_keep(struct vg_follow *f, uint64_t taken)
{
	unsigned n = 0;

	while (n < f->nmark && f->mark[n].taken <= taken)
		f->kept = f->mark[n++].place;
	f->nmark -= n;
	memmove(f->mark, f->mark + n, f->nmark * sizeof(*f->mark));
}

/* Is that it is followed itself known for good?  Else it would be left out when what was kept is read again. */
bool
vg_follow_is_saved(const struct vg_follow *f)
{
	return f->of == NULL || f->of->kept.cut >= f->of_cut;
}

void
vg_follow_mark(struct vg_tail *t, struct vg_follow *f)
{
	const struct vg_tail_place *last = f->nmark ? &f->mark[f->nmark - 1].place : &f->kept;

	if (last->at == f->now.at && last->cut == f->now.cut && last->flags == f->now.flags && last->mtime_ns == f->now.mtime_ns)
		return;
	if (f->nmark == VG_TAIL_MARKS)
		f->nmark--; /* the one before will do: it says less, and later */
	f->mark[f->nmark++] = (struct vg_tail_mark){ t->g->taken(t->g->ctx), f->now };
	vg_follow_keep(f, t->kept);
}

void
vg_follow_free(struct vg_follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

void
vg_follow_drop(struct vg_tail *t, unsigned i)
{
	struct vg_follow *f = t->file[i];

	for (unsigned k = 0; k < t->nfile; k++) {
		struct vg_follow *x = t->file[k];

		x->of = x->of == f ? NULL : x->of;
		if (x->before == f) {
			x->before = f->before;
			x->ready = true;
		}
	}
	vg_follow_free(f);
	t->nfile--;
	memmove(t->file + i, t->file + i + 1, (t->nfile - i) * sizeof(struct vg_follow *));
	if (t->turn > i)
		t->turn--;
}

bool
vg_tail_is_utmp(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	if (strncmp(name, "wtmp", 4) != 0 && strncmp(name, "btmp", 4) != 0)
		return false;
	return name[4] == 0 || ((name[4] == '.' || name[4] == '-') && vg_is_digit(name[5])); /* wtmp.db is another format */
}

/* The last one of @path that was rotated. */
struct vg_follow *
vg_tail_last_rotated(const struct vg_tail *t, const char *path)
{
	for (unsigned i = t->nfile; i > 0; i--)
		if (t->file[i - 1]->rotated && strcmp(t->file[i - 1]->path, path) == 0)
			return t->file[i - 1];
	return NULL;
}

struct vg_follow *
vg_tail_current(const struct vg_tail *t, const char *path)
{
	for (unsigned i = 0; i < t->nfile; i++)
		if (!t->file[i]->rotated && strcmp(t->file[i]->path, path) == 0)
			return t->file[i];
	return NULL;
}

/* A copy that was read is not looked at any more, and may have been written over by the next one: then the bytes tell. */
bool
vg_tail_is_known(void *ctx, const struct vg_tail_stat *s, bool by_bytes)
{
	const struct vg_tail *t = ctx;

	for (unsigned i = 0; i < t->nfile; i++) {
		const struct vg_follow *f = t->file[i];

		if (f->now.ino == s->ino && f->dev == s->dev && !(by_bytes && f->copy && f->drained))
			return true;
	}
	return false;
}

/* Watch the folder of @path; its descriptor, -1 when it is not watched. */
int
vg_tail_watch_folder(struct vg_tail *t, const char *path)
{
	char folder[VG_TAIL_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');
	int wd;

	if (t->inotify < 0)
		return -1;
	snprintf(folder, sizeof(folder), "%.*s", slash > path ? (int)(slash - path) : 1, path);
	wd = inotify_add_watch(t->inotify, folder, IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
	for (unsigned i = 0; wd >= 0 && i < t->nfolder; i++)
		if (t->folder[i] == wd)
			return wd;
	if (wd >= 0 && t->nfolder < VG_TAIL_FOLDERS_MAX) {
		t->folder[t->nfolder++] = wd;
		return wd;
	}
	if (wd >= 0)
		(void)inotify_rm_watch(t->inotify, wd);
	t->blind |= wd >= 0 || (errno != ENOENT && errno != ENOTDIR);
	return -1;
}

/* Follow @fd, which it takes over.  NULL: there is no room for it. */
struct vg_follow *
vg_follow_add(struct vg_tail *t, const char *path, int fd, const struct vg_tail_stat *st, const struct vg_tail_place *p)
{
	uint32_t source = t->nfile < VG_TAIL_FILES_MAX ? source_of(t, path) : VG_GATE_NONE;
	struct vg_follow *f = source == VG_GATE_NONE ? NULL : calloc(1, sizeof(*f)), *now;

	if (f == NULL || (f->path = strdup(path)) == NULL) {
		free(f);
		close(fd);
		vg_tail_tell_limit(t, path);
		return NULL;
	}
	f->fd = fd;
	f->source = source;
	f->dev = st->dev;
	f->now = f->kept = *p;
	f->rotated = p->flags & VG_TAIL_ROTATED;
	f->copy = f->last = p->flags & VG_TAIL_COPY;
	f->now.flags = f->kept.flags = p->flags & VG_TAIL_IN_LINE;
	f->utmp = vg_tail_is_utmp(path);
	f->ready = true;
	f->grown_ns = vg_monotonic_ns();
	f->wd = vg_tail_watch_folder(t, path);
	f->before = vg_tail_last_rotated(t, path);
	if (f->rotated && (now = vg_tail_current(t, path)) != NULL)
		now->before = f;
	t->file[t->nfile++] = f;
	if (t->followed)
		t->followed(t->followed_ctx);
	return f;
}

struct vg_tail_place
vg_tail_place_of(const struct vg_tail_stat *st)
{
	struct vg_tail_place p = { .ino = st->ino,
				   .birth_ns = st->birth_ns,
				   .name = { st->dev, st->ino, st->birth_ns },
				   .mtime_ns = st->mtime_ns };

	vg_tail_sum("", 0, p.sum);
	return p;
}

vg_rc
vg_tail_sum_again(int fd, struct vg_tail_place *p)
{
	uint8_t window[VG_TAIL_WINDOW];
	size_t n = vg_tail_window(p);

	if (pread(fd, window, n, (off_t)(p->at - n)) != (ssize_t)n)
		return VG_E_SYS;
	vg_tail_sum(window, n, p->sum);
	return VG_OK;
}

/* Of a file too large to be read from its beginning, only the end: @p moves there.  false: the gate is full. */
bool
vg_tail_pass_over(struct vg_tail *t, const char *path, int fd, const struct vg_tail_stat *st, struct vg_tail_place *p)
{
	uint64_t at;

	if (st->size <= t->first_bytes)
		return true;
	at = st->size - t->first_bytes;
	if (vg_tail_is_utmp(path))
		at -= at % VG_TAIL_UTMP_BYTES;
	if (!vg_tail_tell_bytes(t, "file-skipped", path, p, 0, at))
		return false;
	t->counts.skipped += at;
	p->at = at;
	p->flags |= vg_tail_is_utmp(path) ? 0 : VG_TAIL_IN_LINE; /* the rest of a line is no line */
	if (vg_tail_sum_again(fd, p) != VG_OK) {
		p->at = 0; /* it shrank since */
		p->flags = 0;
	}
	return true;
}

/* @p, in the file itself or in a copy of it, is where @was was. */
static void
go_on_in(struct vg_tail_place *p, const struct vg_tail_place *was)
{
	p->name = was->name;
	p->cut = was->cut;
	p->at = was->at;
	memcpy(p->sum, was->sum, sizeof(p->sum));
	p->flags = was->flags & VG_TAIL_IN_LINE;
}

/* What the search has found is read before what comes behind it.  @copies: they were copied, each before the file at @was was truncated, the
 * first time @cut; the cut that it has now. */
uint32_t
vg_tail_add_twins(struct vg_tail *t, const char *path, const struct vg_tail_place *was, bool copies, uint32_t first_cut)
{
	uint32_t cut = first_cut;

	t->counts.over += t->search.over;
	for (size_t i = 0; i < t->search.n; i++) {
		const struct vg_tail_twin *w = &t->search.twin[i];
		struct vg_tail_place p = vg_tail_place_of(&w->st);
		struct vg_tail_stat st;
		int fd = vg_tail_open_beside(path, w->name);

		if (fd < 0 || vg_tail_stat_fd(fd, &st) != VG_OK || st.ino != w->st.ino) {
			if (fd >= 0)
				close(fd);
			t->dirty = true;
			continue;
		}
		if (i == 0 && t->search.found)
			go_on_in(&p, was);
		else if (copies)
			p.cut = cut++;
		if (copies)
			p.name = was->name;
		p.flags |= VG_TAIL_ROTATED | (copies ? VG_TAIL_COPY : 0);
		(void)vg_follow_add(t, path, fd, &st, &p); /* without room it was told */
	}
	return cut;
}

void
vg_tail_look_for(struct vg_tail *t, const char *path, const struct vg_tail_place *p, unsigned want)
{
	t->search.path = path;
	t->search.place = p;
	t->search.want = want;
	t->search.known = vg_tail_is_known;
	t->search.ctx = t;
	vg_tail_search(&t->search);
}
