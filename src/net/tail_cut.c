#include "net/tail_cut.h"

#include "vault/record.h"

static struct vg_tail_piece
piece(enum vg_tail_kind kind, vg_str in, size_t n, size_t used)
{
	return (struct vg_tail_piece){ kind, vg_str_cut(in, n), used };
}

static size_t
zeros_at(vg_str in, size_t at)
{
	size_t n = at;

	while (n < in.n && in.p[n] == 0)
		n++;
	return n - at;
}

/* Where a run of zeros begins in @in; its length when there is none. */
static size_t
find_zeros(vg_str in)
{
	size_t at = 0;

	while (at < in.n) {
		size_t skip = vg_str_chr(vg_str_skip(in, at), 0), n;

		if (skip == VG_NPOS)
			return in.n;
		at += skip;
		if ((n = zeros_at(in, at)) >= VG_TAIL_ZEROS_MIN)
			return at;
		at += n;
	}
	return in.n;
}

static struct vg_tail_piece
cut_utmp(vg_str in, bool last)
{
	if (in.n >= VG_TAIL_UTMP_BYTES)
		return piece(VG_TAIL_RECORD, in, VG_TAIL_UTMP_BYTES, VG_TAIL_UTMP_BYTES);
	return last ? piece(VG_TAIL_RECORD, in, in.n, in.n) : piece(VG_TAIL_NONE, in, 0, 0);
}

static struct vg_tail_piece
cut_line(vg_str in, bool last)
{
	size_t lf = vg_str_chr(in, '\n'), n = find_zeros(vg_str_cut(in, lf)); /* VG_NPOS cuts nothing */

	if (n > VG_RECORD_RAW_MAX)
		return piece(VG_TAIL_LONG, in, VG_RECORD_RAW_MAX, VG_RECORD_RAW_MAX);
	if (n < in.n && n != lf)
		return piece(VG_TAIL_RECORD, in, n, n);
	if (lf != VG_NPOS)
		return piece(n ? VG_TAIL_RECORD : VG_TAIL_EMPTY, in, n, n + 1);
	return last ? piece(VG_TAIL_RECORD, in, n, n) : piece(VG_TAIL_NONE, in, 0, 0);
}

/* Of a long line: up to its end, or to the zeros at the end of @in, which may be the beginning of a run. */
static struct vg_tail_piece
cut_rest(vg_str in, bool last)
{
	size_t lf = vg_str_chr(in, '\n'), n = find_zeros(vg_str_cut(in, lf));

	if (n == lf)
		return piece(VG_TAIL_EMPTY, in, 0, n + 1);
	if (n < in.n)
		return piece(VG_TAIL_EMPTY, in, 0, n);
	while (!last && n && in.p[n - 1] == 0)
		n--;
	return piece(n ? VG_TAIL_REST : VG_TAIL_NONE, in, 0, n);
}

struct vg_tail_piece
vg_tail_cut(vg_str in, struct vg_tail_state s)
{
	size_t n;

	if (in.n == 0)
		return piece(VG_TAIL_NONE, in, 0, 0);
	if (s.utmp)
		return cut_utmp(in, s.last);
	n = zeros_at(in, 0);
	if (n >= VG_TAIL_ZEROS_MIN || (n && s.zeros))
		return piece(VG_TAIL_ZEROS, in, 0, n);
	return s.inside ? cut_rest(in, s.last) : cut_line(in, s.last);
}
