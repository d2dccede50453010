#include "net/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <zlib.h>

#include "net/kick.h"
#include "net/tail_cut.h"
#include "net/tail_twin.h"
#include "vault/record.h"

#define MARKS 8
#define BUFFER_BYTES (VG_TAIL_WINDOW + VG_RECORD_RAW_MAX + VG_TAIL_TURN_BYTES)
#define POLL_MS 1000
#define LOOK_EVERY 10 /* polls, when inotify tells what happens in every folder */
#define LOOK_APART_NS INT64_C(100000000)
#define GONE_NS INT64_C(1000000000) /* what was deleted and did not grow for so long has no writer that is within a line */

const char *const vg_tail_globs[] = {
	"/var/log/syslog",	 "/var/log/messages",	 "/var/log/auth.log",	  "/var/log/secure",
	"/var/log/kern.log",	 "/var/log/daemon.log",	 "/var/log/user.log",	  "/var/log/cron",
	"/var/log/cron.log",	 "/var/log/maillog",	 "/var/log/mail.log",	  "/var/log/mail.err",
	"/var/log/ufw.log",	 "/var/log/fail2ban.log", "/var/log/sudo.log",	  "/var/log/audit/audit.log",
	"/var/log/dpkg.log",	 "/var/log/apt/history.log", "/var/log/alternatives.log", "/var/log/dnf.rpm.log",
	"/var/log/yum.log",	 "/var/log/pacman.log",	 "/var/log/nginx/*.log",  "/var/log/apache2/*.log",
	"/var/log/httpd/*_log",	 "/var/log/openvpn/*.log", "/var/log/openvpn*.log", "/var/log/samba/log.*",
	"/var/log/mysql/*.log",	 "/var/log/postgresql/*.log", "/var/log/wtmp",	  "/var/log/btmp",
	NULL,
};

struct mark { /* when the gate has kept @taken records, all before @place is kept */
	uint64_t taken;
	struct vg_tail_place place;
};
struct follow {
	char *path;      /* owned: that it had when it was found, or its rotated one had before */
	uint32_t source;
	int fd, wd;      /* wd: of its folder, -1 when that is not watched */
	uint64_t dev;    /* of now; that in the place may be of an earlier boot */
	struct vg_tail_place now, kept;
	struct mark mark[MARKS];
	unsigned nmark;
	uint64_t seen_size;
	int64_t seen_ctime_ns; /* which no program can set back */
	int64_t grown_ns;      /* when it was last seen to change */
	uint64_t zeros;        /* of a run that is not over yet */
	struct follow *before; /* to be read to its end first */
	struct follow *of;     /* a copy: the file that was truncated; until that is kept, the copy is found through it again */
	uint32_t of_cut;       /* its cut since then */
	bool utmp;
	bool rotated, copy, gone; /* gone: it has no name any more */
	bool matched;             /* a glob has found it in the last look around */
	bool ready;               /* there may be something to read */
	bool last;                /* its writer has another file, or none: what has no end is given as it is */
	bool drained;             /* it was read to its end */
};
struct saved { /* of an earlier run, and not found yet */
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
	struct follow *file[VG_TAIL_FILES_MAX]; /* owned; of one path: the oldest first */
	unsigned nfile, turn;                   /* turn: whose it is */
	struct saved *saved;                    /* owned */
	unsigned nsaved;
	struct vg_kick *kick;
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
	char buf[BUFFER_BYTES];
};

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
static vg_str
id_of(const struct vg_tail_place *p, const char *what, char out[200])
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
		ok = t->g->take(t->g->ctx, source, vg_clock_ns(), id_of(p, what ? what : kind, id), vg_buf_str(&b));
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

static bool
tell_changed(struct vg_tail *t, const char *what, const char *path, const struct vg_tail_place *was, const struct vg_tail_stat *is)
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

static bool
tell_bytes(struct vg_tail *t, const char *kind, const char *path, const struct vg_tail_place *p, uint64_t from, uint64_t n)
{
	vg_buf_clear(&t->text);
	vg_buf_printf(&t->text, ",\"offset\":%llu,\"bytes\":%llu", (unsigned long long)from, (unsigned long long)n);
	return tell(t, kind, NULL, path, p);
}

static void
tell_limit(struct vg_tail *t, const char *path)
{
	static const struct vg_tail_place nowhere;

	t->counts.over++;
	if (t->told_limit)
		return;
	vg_buf_clear(&t->text);
	vg_buf_printf(&t->text, ",\"limit\":%u", VG_TAIL_FILES_MAX);
	t->told_limit = tell(t, "file-limit", NULL, path, &nowhere);
}

/* ---- files that are followed ---- */

/* The gate has kept what it took up to @taken. */
static void
keep(struct follow *f, uint64_t taken)
{
	unsigned n = 0;

	while (n < f->nmark && f->mark[n].taken <= taken)
		f->kept = f->mark[n++].place;
	f->nmark -= n;
	memmove(f->mark, f->mark + n, f->nmark * sizeof(*f->mark));
}

/* Is that it is followed itself known for good?  Else it would be left out when what was kept is read again. */
static bool
is_saved(const struct follow *f)
{
	return f->of == NULL || f->of->kept.cut >= f->of_cut;
}

static void
mark(struct vg_tail *t, struct follow *f)
{
	const struct vg_tail_place *last = f->nmark ? &f->mark[f->nmark - 1].place : &f->kept;

	if (last->at == f->now.at && last->cut == f->now.cut && last->flags == f->now.flags && last->mtime_ns == f->now.mtime_ns)
		return;
	if (f->nmark == MARKS)
		f->nmark--; /* the one before will do: it says less, and later */
	f->mark[f->nmark++] = (struct mark){ t->g->taken(t->g->ctx), f->now };
	keep(f, t->kept);
}

static void
follow_free(struct follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

static void
drop(struct vg_tail *t, unsigned i)
{
	struct follow *f = t->file[i];

	for (unsigned k = 0; k < t->nfile; k++) {
		struct follow *x = t->file[k];

		x->of = x->of == f ? NULL : x->of;
		if (x->before == f) {
			x->before = f->before;
			x->ready = true;
		}
	}
	follow_free(f);
	t->nfile--;
	memmove(t->file + i, t->file + i + 1, (t->nfile - i) * sizeof(struct follow *));
	if (t->turn > i)
		t->turn--;
}

static bool
is_utmp(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	if (strncmp(name, "wtmp", 4) != 0 && strncmp(name, "btmp", 4) != 0)
		return false;
	return name[4] == 0 || ((name[4] == '.' || name[4] == '-') && vg_is_digit(name[5])); /* wtmp.db is another format */
}

/* The last one of @path that was rotated. */
static struct follow *
last_rotated(const struct vg_tail *t, const char *path)
{
	for (unsigned i = t->nfile; i > 0; i--)
		if (t->file[i - 1]->rotated && strcmp(t->file[i - 1]->path, path) == 0)
			return t->file[i - 1];
	return NULL;
}

static struct follow *
current(const struct vg_tail *t, const char *path)
{
	for (unsigned i = 0; i < t->nfile; i++)
		if (!t->file[i]->rotated && strcmp(t->file[i]->path, path) == 0)
			return t->file[i];
	return NULL;
}

/* A copy that was read is not looked at any more, and may have been written over by the next one: then the bytes tell. */
static bool
is_known(void *ctx, const struct vg_tail_stat *s, bool by_bytes)
{
	const struct vg_tail *t = ctx;

	for (unsigned i = 0; i < t->nfile; i++) {
		const struct follow *f = t->file[i];

		if (f->now.ino == s->ino && f->dev == s->dev && !(by_bytes && f->copy && f->drained))
			return true;
	}
	return false;
}

/* Watch the folder of @path; its descriptor, -1 when it is not watched. */
static int
watch_folder(struct vg_tail *t, const char *path)
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
static struct follow *
add_follow(struct vg_tail *t, const char *path, int fd, const struct vg_tail_stat *st, const struct vg_tail_place *p)
{
	uint32_t source = t->nfile < VG_TAIL_FILES_MAX ? source_of(t, path) : VG_GATE_NONE;
	struct follow *f = source == VG_GATE_NONE ? NULL : calloc(1, sizeof(*f)), *now;

	if (f == NULL || (f->path = strdup(path)) == NULL) {
		free(f);
		close(fd);
		tell_limit(t, path);
		return NULL;
	}
	f->fd = fd;
	f->source = source;
	f->dev = st->dev;
	f->now = f->kept = *p;
	f->rotated = p->flags & VG_TAIL_ROTATED;
	f->copy = f->last = p->flags & VG_TAIL_COPY;
	f->now.flags = f->kept.flags = p->flags & VG_TAIL_IN_LINE;
	f->utmp = is_utmp(path);
	f->ready = true;
	f->grown_ns = vg_monotonic_ns();
	f->wd = watch_folder(t, path);
	f->before = last_rotated(t, path);
	if (f->rotated && (now = current(t, path)) != NULL)
		now->before = f;
	t->file[t->nfile++] = f;
	return f;
}

static struct vg_tail_place
place_of(const struct vg_tail_stat *st)
{
	struct vg_tail_place p = { .ino = st->ino,
				   .birth_ns = st->birth_ns,
				   .name = { st->dev, st->ino, st->birth_ns },
				   .mtime_ns = st->mtime_ns };

	vg_tail_sum("", 0, p.sum);
	return p;
}

static vg_rc
sum_again(int fd, struct vg_tail_place *p)
{
	uint8_t window[VG_TAIL_WINDOW];
	size_t n = vg_tail_window(p);

	if (pread(fd, window, n, (off_t)(p->at - n)) != (ssize_t)n)
		return VG_E_SYS;
	vg_tail_sum(window, n, p->sum);
	return VG_OK;
}

/* Of a file too large to be read from its beginning, only the end: @p moves there.  false: the gate is full. */
static bool
pass_over(struct vg_tail *t, const char *path, int fd, const struct vg_tail_stat *st, struct vg_tail_place *p)
{
	uint64_t at;

	if (st->size <= t->first_bytes)
		return true;
	at = st->size - t->first_bytes;
	if (is_utmp(path))
		at -= at % VG_TAIL_UTMP_BYTES;
	if (!tell_bytes(t, "file-skipped", path, p, 0, at))
		return false;
	t->counts.skipped += at;
	p->at = at;
	p->flags |= is_utmp(path) ? 0 : VG_TAIL_IN_LINE; /* the rest of a line is no line */
	if (sum_again(fd, p) != VG_OK) {
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
static uint32_t
add_twins(struct vg_tail *t, const char *path, const struct vg_tail_place *was, bool copies, uint32_t first_cut)
{
	uint32_t cut = first_cut;

	t->counts.over += t->search.over;
	for (size_t i = 0; i < t->search.n; i++) {
		const struct vg_tail_twin *w = &t->search.twin[i];
		struct vg_tail_place p = place_of(&w->st);
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
		(void)add_follow(t, path, fd, &st, &p); /* without room it was told */
	}
	return cut;
}

static void
search(struct vg_tail *t, const char *path, const struct vg_tail_place *p, unsigned want)
{
	t->search.path = path;
	t->search.place = p;
	t->search.want = want;
	t->search.known = is_known;
	t->search.ctx = t;
	vg_tail_search(&t->search);
}

/* ---- reading ---- */

enum turn { IDLE, AGAIN, FULL, BROKEN };

/* What was read is not there any more: tell it, and begin anew. */
static enum turn
begin_anew(struct vg_tail *t, struct follow *f)
{
	struct vg_tail_place p = f->now, was = f->now;
	unsigned had = t->nfile;
	struct vg_tail_stat st;
	const char *what;

	if (vg_tail_stat_fd(f->fd, &st) != VG_OK)
		return BROKEN;
	what = st.size < was.at ? "truncated" : "edited";
	search(t, f->path, &was, f->rotated ? 0 : VG_TAIL_WANT_COPY | VG_TAIL_WANT_NEWER);
	if (t->search.found)
		what = "truncated"; /* and it has grown past the place since */
	p.at = 0;
	p.flags = 0;
	p.mtime_ns = st.mtime_ns;
	vg_tail_sum("", 0, p.sum);
	if (!tell_changed(t, what, f->path, &was, &st))
		return FULL;
	if (what[0] == 'e' && !pass_over(t, f->path, f->fd, &st, &p))
		return FULL;
	p.cut = add_twins(t, f->path, &was, true, was.cut + 1);
	for (; had < t->nfile; had++) {
		t->file[had]->of = f;
		t->file[had]->of_cut = p.cut;
	}
	f->now = p;
	f->zeros = 0;
	f->drained = false;
	mark(t, f);
	return AGAIN;
}

static bool
give(struct vg_tail *t, struct follow *f, int64_t recv_ns, vg_str raw)
{
	char id[200], crc[16];

	snprintf(crc, sizeof(crc), "%08lx", crc32_z(0, (const unsigned char *)raw.p, raw.n));
	t->full = !t->g->take(t->g->ctx, f->source, recv_ns, id_of(&f->now, crc, id), raw);
	return !t->full;
}

static bool
end_zeros(struct vg_tail *t, struct follow *f)
{
	struct vg_tail_place p = f->now;

	if (f->zeros == 0)
		return true;
	p.at -= f->zeros; /* the id is that of its beginning */
	if (!tell_bytes(t, "file-zeros", f->path, &p, p.at, f->zeros))
		return false;
	t->counts.zeros += f->zeros;
	f->zeros = 0;
	return true;
}

/* Give what is whole in @in, and move f->now behind it.  @end: the file ends there. */
static enum turn
cut(struct vg_tail *t, struct follow *f, vg_str in, bool end)
{
	int64_t recv_ns = vg_clock_ns();

	for (;;) {
		struct vg_tail_state s = { f->utmp, f->now.flags & VG_TAIL_IN_LINE, f->zeros != 0, f->last && end };
		struct vg_tail_piece p = vg_tail_cut(in, s);

		if (p.kind != VG_TAIL_ZEROS && (in.n || end) && !end_zeros(t, f))
			return FULL;
		if (p.kind == VG_TAIL_NONE)
			return end ? IDLE : AGAIN;
		if ((p.kind == VG_TAIL_RECORD || p.kind == VG_TAIL_LONG) && !give(t, f, recv_ns, p.bytes))
			return FULL;
		if (p.kind == VG_TAIL_LONG)
			t->g->refused(t->g->ctx, f->source, VG_REFUSED_LONG, 1);
		if (p.kind == VG_TAIL_ZEROS)
			f->zeros += p.used;
		if (p.kind == VG_TAIL_LONG)
			f->now.flags |= VG_TAIL_IN_LINE;
		else if (p.kind != VG_TAIL_REST)
			f->now.flags &= (uint8_t)~VG_TAIL_IN_LINE;
		f->now.at += p.used;
		in = vg_str_skip(in, p.used);
	}
}

/* As much as there is of @want bytes from @at on. */
static ssize_t
read_at(int fd, char *p, size_t want, uint64_t at)
{
	size_t n = 0;

	while (n < want) {
		ssize_t k = pread(fd, p + n, want - n, (off_t)(at + n));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		n += (size_t)k;
	}
	return (ssize_t)n;
}

/* Holes are zeros that need not be read. */
static void
leap(struct follow *f, const struct vg_tail_stat *st)
{
	off_t to = lseek(f->fd, (off_t)f->now.at, SEEK_DATA);

	if (to < 0 && errno == ENXIO)
		to = (off_t)st->size;
	if (to < 0 || (uint64_t)to <= f->now.at)
		return;
	f->zeros += (uint64_t)to - f->now.at;
	f->now.at = (uint64_t)to;
}

/* The one before has its turns first, and now its writer has another file.  false: it is not at its end yet. */
static bool
is_first(struct follow *f, const struct vg_tail_stat *st)
{
	if (f->before == NULL)
		return true;
	if (st->size == 0 && !f->rotated)
		return false; /* as yet nobody writes to it */
	if (!f->before->last) {
		f->before->last = f->before->ready = true;
		f->before->drained = false;
	}
	if (!f->before->drained)
		return false;
	f->before = NULL;
	return true;
}

/* The bytes from f->now on, in t->buf behind the window before them: @n of them, and do they reach the @end of the file?  When no record is whole in
 * the first, there are more.  VG_E_FORMAT: what is in the window is not what was read. */
static vg_rc
fetch(struct vg_tail *t, struct follow *f, const struct vg_tail_stat *st, size_t *n, bool *end)
{
	size_t window = vg_tail_window(&f->now), want = window + VG_TAIL_TURN_BYTES;
	uint8_t sum[VG_TAIL_SUM_BYTES];

	for (;; want = BUFFER_BYTES) {
		ssize_t got = read_at(f->fd, t->buf, want, f->now.at - window);
		struct vg_tail_state s = { f->utmp, f->now.flags & VG_TAIL_IN_LINE, f->zeros != 0, false };

		if (got < 0)
			return VG_E_SYS;
		if ((size_t)got < window)
			return VG_E_FORMAT;
		*n = (size_t)got - window;
		*end = (size_t)got < want || f->now.at + *n >= st->size;
		vg_tail_sum(t->buf, window, sum);
		if (memcmp(sum, f->now.sum, sizeof(sum)) != 0)
			return VG_E_FORMAT;
		if (*end || want == BUFFER_BYTES || vg_tail_cut(vg_str_mem(t->buf + window, *n), s).kind != VG_TAIL_NONE)
			return VG_OK;
	}
}

/* The sum before the place, which was @from when the buffer was filled, with @window bytes before it. */
static vg_rc
sum_up(struct vg_tail *t, struct follow *f, uint64_t from, size_t window, size_t n)
{
	size_t keep = vg_tail_window(&f->now), moved = (size_t)(f->now.at - from);

	if (f->now.at - from > n) /* leapt */
		return sum_again(f->fd, &f->now);
	vg_tail_sum(t->buf + window + moved - keep, keep, f->now.sum);
	return VG_OK;
}

static enum turn
take_turn(struct vg_tail *t, struct follow *f)
{
	size_t window = vg_tail_window(&f->now), n;
	uint64_t from = f->now.at;
	struct vg_tail_stat st;
	enum turn r;
	bool end;
	vg_rc rc;

	if (vg_tail_stat_fd(f->fd, &st) != VG_OK)
		return BROKEN;
	if (!is_first(f, &st))
		return st.size || f->rotated ? AGAIN : IDLE;
	if (st.ctime_ns != f->seen_ctime_ns || st.size != f->seen_size)
		f->grown_ns = vg_monotonic_ns();
	f->seen_size = st.size;
	f->seen_ctime_ns = st.ctime_ns;
	rc = st.size < f->now.at ? VG_E_FORMAT : fetch(t, f, &st, &n, &end);
	if (rc == VG_E_FORMAT)
		return begin_anew(t, f);
	if (rc != VG_OK)
		return BROKEN;
	r = cut(t, f, vg_str_mem(t->buf + window, n), end);
	if (r == AGAIN && f->zeros && f->now.at == from + n)
		leap(f, &st);
	if (sum_up(t, f, from, window, n) != VG_OK)
		return AGAIN; /* truncated just now: the size tells */
	f->now.mtime_ns = st.mtime_ns;
	if (f->zeros == 0) /* within a run: it is to be told from its beginning */
		mark(t, f);
	f->drained = r == IDLE;
	return r;
}

/* Turns, until the round is over. */
static void
go_round(struct vg_tail *t)
{
	size_t bytes = 0;
	unsigned idle = 0;

	while (!t->full && idle < t->nfile && bytes < VG_TAIL_ROUND_BYTES) {
		unsigned i = t->turn < t->nfile ? t->turn : 0;
		struct follow *f = t->file[i];
		uint64_t at = f->now.at;
		enum turn r;

		t->turn = i + 1;
		if (!f->ready) {
			idle++;
			continue;
		}
		r = take_turn(t, f);
		idle = f->now.at == at && r != AGAIN ? idle + 1 : 0;
		bytes += f->now.at > at ? f->now.at - at : VG_TAIL_WINDOW;
		if (r == BROKEN)
			f->drained = true; /* nobody need wait for it; it is looked at again when it changes */
		f->ready = r == AGAIN || r == FULL;
	}
	for (unsigned i = 0; i < t->nfile && !t->full; i++)
		if (t->file[i]->ready) {
			vg_kick(t->kick);
			return;
		}
}

/* ---- looking around ---- */

/* @f does not have its path any more, which @is may have.  false: the gate is full. */
static bool
lose(struct vg_tail *t, struct follow *f, const struct vg_tail_stat *is)
{
	struct vg_tail_stat st;

	if (vg_tail_stat_fd(f->fd, &st) == VG_OK && st.links == 0) {
		search(t, f->path, &f->now, 0);
		if (t->search.packed[0] == 0 && !tell_changed(t, is ? "replaced" : "deleted", f->path, &f->now, is))
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
	return last_rotated(t, path) != NULL;
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
	const struct follow *f = last_rotated(t, path);

	if (f == NULL)
		return;
	search(t, path, &f->now, VG_TAIL_WANT_NEWER);
	(void)add_twins(t, path, &f->now, false, 0);
}

/* A file that a glob found and nobody follows.  false: the gate is full. */
static bool
find_new(struct vg_tail *t, const char *path)
{
	struct vg_tail_stat st;
	int fd = open_path(path, &st);
	struct vg_tail_place p;
	struct follow *f;

	if (fd < 0) {
		t->counts.unreadable += errno == EACCES || errno == EPERM;
		if (errno == EMFILE || errno == ENFILE)
			tell_limit(t, path);
		return true;
	}
	if (is_known(t, &st, false)) { /* it was renamed just now */
		close(fd);
		t->dirty = true;
		return true;
	}
	p = place_of(&st);
	if (!is_known_path(t, path) && !pass_over(t, path, fd, &st, &p)) {
		close(fd);
		return false;
	}
	add_between(t, path);
	if ((f = add_follow(t, path, fd, &st, &p)) != NULL)
		f->matched = true;
	return true;
}

/* It was renamed, and has its name again. */
static void
come_back(struct vg_tail *t, struct follow *f)
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
	struct follow *f;

	if (strlen(path) > VG_TAIL_PATH_MAX || is_no_log(path) || vg_tail_stat_at(AT_FDCWD, path, &st) != VG_OK || !st.regular)
		return true;
	for (unsigned i = 0; i < t->nfile; i++) {
		f = t->file[i];
		if (f->now.ino != st.ino || f->dev != st.dev)
			continue;
		f->matched = true;
		if (f->rotated && !f->copy && strcmp(f->path, path) == 0 && current(t, path) == NULL)
			come_back(t, f);
		return true;
	}
	if ((f = current(t, path)) != NULL && !lose(t, f, &st))
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
add_missed(struct vg_tail *t, struct saved *s)
{
	struct vg_tail_place p = s->place;

	if (p.at)
		return;
	p.mtime_ns++; /* those that were there when it was emptied do not count */
	search(t, s->path, &p, VG_TAIL_WANT_NEWER);
	s->place.cut = add_twins(t, s->path, &p, true, p.cut);
}

/* Go on with a file of the last run.  false: the gate is full. */
static bool
resume(struct vg_tail *t, struct saved *s)
{
	bool rotated = s->place.flags & VG_TAIL_ROTATED;
	struct vg_tail_stat st;
	vg_rc rc = vg_tail_stat_at(AT_FDCWD, s->path, &st);
	int fd;

	if (rc != VG_OK && errno != ENOENT && errno != ENOTDIR)
		return true; /* later, perhaps */
	if (!rotated && rc == VG_OK && vg_tail_is(&st, &s->place) && !is_known(t, &st, false)) {
		if ((fd = open_path(s->path, &st)) < 0)
			return true;
		add_missed(t, s);
		(void)add_follow(t, s->path, fd, &st, &s->place);
		s->done = true;
		return true;
	}
	search(t, s->path, &s->place, VG_TAIL_WANT_SAME | (rotated ? 0 : VG_TAIL_WANT_COPY | VG_TAIL_WANT_NEWER));
	if (!t->search.found && !(rotated && s->place.flags & VG_TAIL_DONE)) {
		const char *what = rotated || t->search.packed[0] ? NULL : rc == VG_OK ? "replaced" : "deleted";

		if (!tell_changed(t, what, s->path, &s->place, rc == VG_OK ? &st : NULL))
			return false;
	}
	(void)add_twins(t, s->path, &s->place, t->search.found && t->search.twin[0].copy, s->place.cut + 1);
	s->done = true;
	return true;
}

/* Those that were rotated come before those that took their place.  false: the gate is full. */
static bool
resume_all(struct vg_tail *t)
{
	for (unsigned i = 0; i < 2 * t->nsaved; i++) {
		struct saved *s = &t->saved[i % t->nsaved];

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
		(void)watch_folder(t, path);
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
static void
look_around(struct vg_tail *t)
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
is_over(struct follow *f, int64_t now_ns)
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

static void
look_at_files(struct vg_tail *t)
{
	int64_t now_ns = vg_monotonic_ns();

	for (unsigned i = t->nfile; i > 0; i--) {
		struct follow *f = t->file[i - 1];
		struct vg_tail_stat st;

		if (is_over(f, now_ns)) {
			drop(t, i - 1);
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

/* ---- the loop ---- */

static void
go_on(void *ctx)
{
	struct vg_tail *t = ctx;

	if (t->full)
		return;
	if (t->dirty && vg_monotonic_ns() - t->looked_ns >= LOOK_APART_NS)
		look_around(t);
	go_round(t);
}

static void
on_poll(void *ctx)
{
	struct vg_tail *t = ctx;

	if (t->full)
		return;
	if (++t->polls % LOOK_EVERY == 0 || t->blind || t->counts.over)
		t->dirty = true;
	look_at_files(t);
	if (t->dirty)
		look_around(t);
	go_round(t);
}

static void
on_name(struct vg_tail *t, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		for (unsigned i = 0; i < t->nfile; i++)
			t->file[i]->ready = true;
	if (e->mask & IN_IGNORED)
		for (unsigned i = 0; i < t->nfolder; i++)
			if (t->folder[i] == e->wd) {
				t->folder[i] = t->folder[--t->nfolder];
				break;
			}
	t->dirty |= (e->mask & ~(uint32_t)IN_MODIFY) != 0;
	for (unsigned i = 0; e->len && i < t->nfile; i++)
		if (!t->file[i]->rotated && t->file[i]->wd == e->wd && strcmp(strrchr(t->file[i]->path, '/') + 1, e->name) == 0)
			t->file[i]->ready = true;
}

static void
on_inotify(void *ctx, uint32_t events)
{
	struct vg_tail *t = ctx;
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(t->inotify, buf, sizeof(buf));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(const void *)(buf + at);

		on_name(t, e);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	go_on(t);
}

/* ---- beginning and end ---- */

static vg_rc
on_saved(void *ctx, vg_str path, const struct vg_tail_place *p)
{
	struct vg_tail *t = ctx;
	struct saved *s = realloc(t->saved, (t->nsaved + 1) * sizeof(*s));

	if (s == NULL)
		return VG_E_NOMEM;
	t->saved = s;
	s = &t->saved[t->nsaved];
	*s = (struct saved){ .path = strndup(path.p, path.n), .place = *p };
	if (s->path == NULL)
		return VG_E_NOMEM;
	t->nsaved++;
	return VG_OK;
}

static vg_rc
check_globs(const char *const *glob)
{
	size_t n = 0;

	for (; glob[n]; n++)
		if (glob[n][0] != '/' || strlen(glob[n]) > VG_TAIL_PATH_MAX)
			return VG_E_FORMAT;
	return n > VG_TAIL_GLOBS_MAX ? VG_E_LIMIT : VG_OK;
}

static vg_rc
start(struct vg_tail *t)
{
	vg_rc rc;

	if ((rc = vg_kick_new(t->l, go_on, t, &t->kick)) != VG_OK || (rc = vg_loop_every(t->l, POLL_MS, on_poll, t)) != VG_OK)
		return rc;
	t->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); /* without it we look each second */
	if (t->inotify >= 0 && (rc = vg_watch_new(t->l, t->inotify, EPOLLIN, on_inotify, t, &t->watch)) != VG_OK)
		return rc;
	t->dirty = true;
	t->looked_ns = vg_monotonic_ns() - LOOK_APART_NS;
	vg_kick(t->kick);
	return VG_OK;
}

vg_rc
vg_tail_new(struct vg_loop *l, const struct vg_gate *g, const struct vg_tail_options *o, vg_str places, struct vg_tail **out)
{
	struct vg_tail *t;
	const char *const *globs = o->glob ? o->glob : vg_tail_globs;
	vg_rc rc = check_globs(globs);

	if (rc != VG_OK)
		return rc;
	if (sodium_init() < 0)
		return VG_E_SYS;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return VG_E_NOMEM;
	t->l = l;
	t->g = g;
	t->glob = globs;
	t->inotify = -1;
	t->first_bytes = o->first_bytes ? o->first_bytes : VG_TAIL_FIRST_BYTES;
	t->tenant = strndup(o->tenant.n ? o->tenant.p : "", o->tenant.n);
	t->host = strndup(o->host.n ? o->host.p : "", o->host.n);
	if (t->tenant == NULL || t->host == NULL)
		rc = VG_E_NOMEM;
	else if (places.n)
		rc = vg_tail_places_take(places, on_saved, t);
	if (rc == VG_OK)
		rc = start(t);
	if (rc != VG_OK) {
		vg_tail_free(t);
		return rc;
	}
	*out = t;
	return VG_OK;
}

void
vg_tail_free(struct vg_tail *t)
{
	int e = errno;

	if (t == NULL)
		return;
	for (unsigned i = 0; i < t->nfile; i++)
		follow_free(t->file[i]);
	for (unsigned i = 0; i < t->nsaved; i++)
		free(t->saved[i].path);
	free(t->saved);
	vg_watch_free(t->watch);
	vg_kick_free(t->kick);
	if (t->inotify >= 0)
		close(t->inotify);
	vg_buf_fini(&t->text);
	free(t->tenant);
	free(t->host);
	free(t);
	errno = e;
}

void
vg_tail_room(struct vg_tail *t)
{
	if (!t->full)
		return;
	t->full = false;
	vg_kick(t->kick);
}

void
vg_tail_kept(struct vg_tail *t, uint64_t taken)
{
	t->kept = taken;
	for (unsigned i = 0; i < t->nfile; i++)
		keep(t->file[i], taken);
}

void
vg_tail_places(const struct vg_tail *t, struct vg_buf *out)
{
	unsigned n = 0;

	vg_tail_places_begin(out);
	for (unsigned i = 0; i < t->nfile; i++) {
		const struct follow *f = t->file[i];
		struct vg_tail_place p = f->kept;

		if (!is_saved(f))
			continue;
		p.flags |= (uint8_t)((f->rotated ? VG_TAIL_ROTATED : 0) | (f->copy ? VG_TAIL_COPY : 0) |
				     (f->drained && f->nmark == 0 ? VG_TAIL_DONE : 0));
		vg_tail_places_put(out, vg_str_of(f->path), &p);
		n++;
	}
	for (unsigned i = 0; i < t->nsaved && n < VG_TAIL_FILES_MAX; i++)
		if (!t->saved[i].done) {
			vg_tail_places_put(out, vg_str_of(t->saved[i].path), &t->saved[i].place);
			n++;
		}
	vg_tail_places_end(out);
}

void
vg_tail_count(const struct vg_tail *t, struct vg_tail_counts *out)
{
	*out = t->counts;
	out->files = t->nfile;
}
