#include "net/tail_impl.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "net/tail_cut.h"

/* What was read is not there any more: tell it, and begin anew. */
static enum vg_turn
begin_anew(struct vg_tail *t, struct vg_follow *f)
{
	struct vg_tail_place p = f->now, was = f->now;
	unsigned had = t->nfile;
	struct vg_tail_stat st;
	const char *what;

	if (vg_tail_stat_fd(f->fd, &st) != VG_OK)
		return VG_TURN_BROKEN;
	what = st.size < was.at ? "truncated" : "edited";
	vg_tail_look_for(t, f->path, &was, f->rotated ? 0 : VG_TAIL_WANT_COPY | VG_TAIL_WANT_NEWER);
	if (t->search.found)
		what = "truncated"; /* and it has grown past the place since */
	p.at = 0;
	p.flags = 0;
	p.mtime_ns = st.mtime_ns;
	vg_tail_sum("", 0, p.sum);
	if (!vg_tail_tell_changed(t, what, f->path, &was, &st))
		return VG_TURN_FULL;
	if (what[0] == 'e' && !vg_tail_pass_over(t, f->path, f->fd, &st, &p))
		return VG_TURN_FULL;
	p.cut = vg_tail_add_twins(t, f->path, &was, true, was.cut + 1);
	for (; had < t->nfile; had++) {
		t->file[had]->of = f;
		t->file[had]->of_cut = p.cut;
	}
	f->now = p;
	f->zeros = 0;
	f->drained = false;
	vg_follow_mark(t, f);
	return VG_TURN_AGAIN;
}

static bool
give(struct vg_tail *t, struct vg_follow *f, int64_t recv_ns, vg_str raw)
{
	char id[200], crc[16];

	snprintf(crc, sizeof(crc), "%08lx", crc32_z(0, (const unsigned char *)raw.p, raw.n));
	t->full = !t->g->take(t->g->ctx, f->source, recv_ns, vg_tail_id(&f->now, crc, id), raw);
	return !t->full;
}

static bool
end_zeros(struct vg_tail *t, struct vg_follow *f)
{
	struct vg_tail_place p = f->now;

	if (f->zeros == 0)
		return true;
	p.at -= f->zeros; /* the id is that of its beginning */
	if (!vg_tail_tell_bytes(t, "file-zeros", f->path, &p, p.at, f->zeros))
		return false;
	t->counts.zeros += f->zeros;
	f->zeros = 0;
	return true;
}

/* Give what is whole in @in, and move f->now behind it.  @end: the file ends there. */
static enum vg_turn
cut(struct vg_tail *t, struct vg_follow *f, vg_str in, bool end)
{
	int64_t recv_ns = vg_clock_ns();

	for (;;) {
		struct vg_tail_state s = { f->utmp, f->now.flags & VG_TAIL_IN_LINE, f->zeros != 0, f->last && end };
		struct vg_tail_piece p = vg_tail_cut(in, s);

		if (p.kind != VG_TAIL_ZEROS && (in.n || end) && !end_zeros(t, f))
			return VG_TURN_FULL;
		if (p.kind == VG_TAIL_NONE)
			return end ? VG_TURN_IDLE : VG_TURN_AGAIN;
		if ((p.kind == VG_TAIL_RECORD || p.kind == VG_TAIL_LONG) && !give(t, f, recv_ns, p.bytes))
			return VG_TURN_FULL;
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
leap(struct vg_follow *f, const struct vg_tail_stat *st)
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
is_first(struct vg_follow *f, const struct vg_tail_stat *st)
{
	if (f->before == NULL)
		return true;
	if (st->size == 0 && f->now.at == 0 && !f->rotated)
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
fetch(struct vg_tail *t, struct vg_follow *f, const struct vg_tail_stat *st, size_t *n, bool *end)
{
	size_t window = vg_tail_window(&f->now), want = window + VG_TAIL_TURN_BYTES;
	uint8_t sum[VG_TAIL_SUM_BYTES];

	for (;; want = VG_TAIL_BUFFER_BYTES) {
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
		if (*end || want == VG_TAIL_BUFFER_BYTES || vg_tail_cut(vg_str_mem(t->buf + window, *n), s).kind != VG_TAIL_NONE)
			return VG_OK;
	}
}

/* The sum before the place, which was @from when the buffer was filled, with @window bytes before it. */
static vg_rc
sum_up(struct vg_tail *t, struct vg_follow *f, uint64_t from, size_t window, size_t n)
{
	size_t keep = vg_tail_window(&f->now), moved = (size_t)(f->now.at - from);

	if (f->now.at - from > n) /* leapt */
		return vg_tail_sum_again(f->fd, &f->now);
	vg_tail_sum(t->buf + window + moved - keep, keep, f->now.sum);
	return VG_OK;
}

enum vg_turn
vg_tail_take_turn(struct vg_tail *t, struct vg_follow *f)
{
	size_t window = vg_tail_window(&f->now), n;
	uint64_t from = f->now.at;
	struct vg_tail_stat st;
	enum vg_turn r;
	bool end;
	vg_rc rc;

	if (vg_tail_stat_fd(f->fd, &st) != VG_OK)
		return VG_TURN_BROKEN;
	if (!is_first(f, &st))
		return st.size || f->now.at || f->rotated ? VG_TURN_AGAIN : VG_TURN_IDLE;
	if (st.ctime_ns != f->seen_ctime_ns || st.size != f->seen_size)
		f->grown_ns = vg_monotonic_ns();
	f->seen_size = st.size;
	f->seen_ctime_ns = st.ctime_ns;
	rc = st.size < f->now.at ? VG_E_FORMAT : fetch(t, f, &st, &n, &end);
	if (rc == VG_E_FORMAT)
		return begin_anew(t, f);
	if (rc != VG_OK)
		return VG_TURN_BROKEN;
	r = cut(t, f, vg_str_mem(t->buf + window, n), end);
	if (r == VG_TURN_AGAIN && f->zeros && f->now.at == from + n)
		leap(f, &st);
	if (sum_up(t, f, from, window, n) != VG_OK)
		return VG_TURN_AGAIN; /* truncated just now: the size tells */
	f->now.mtime_ns = st.mtime_ns;
	if (f->zeros == 0) /* within a run: it is to be told from its beginning */
		vg_follow_mark(t, f);
	f->drained = r == VG_TURN_IDLE;
	return r;
}
