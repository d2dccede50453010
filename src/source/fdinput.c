#include "source/fdinput.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 << 10)

static vg_rc
fill(struct vg_input *in, size_t want)
{
	struct vg_fdinput *f = in->ctx;
	size_t have = (size_t)(in->end - in->p);

	if (want > VG_INPUT_WINDOW_MAX)
		want = VG_INPUT_WINDOW_MAX;
	if (f->buf && in->p != f->buf)
		memmove(f->buf, in->p, have);
	if (want < READ_BYTES)
		want = READ_BYTES;
	if (f->cap < want) {
		uint8_t *p = realloc(f->buf, want);

		if (p == NULL)
			return in->rc = VG_E_NOMEM;
		f->buf = p;
		f->cap = want;
	}
	while (have < want) {
		ssize_t n = pread(f->fd, f->buf + have, f->cap - have, (off_t)f->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			in->rc = VG_E_SYS;
		if (n <= 0) {
			in->eof = true;
			break;
		}
		have += (size_t)n;
		f->at += (uint64_t)n;
	}
	in->p = f->buf;
	in->end = f->buf + have;
	return in->rc;
}

void
vg_fdinput_open(struct vg_fdinput *f, int fd, uint64_t begin, uint64_t size)
{
	*f = (struct vg_fdinput){ .fd = fd, .at = begin };
	f->in = (struct vg_input){ .offset = begin, .size = size, .stop = UINT64_MAX, .fill = fill, .ctx = f };
}

void
vg_fdinput_close(struct vg_fdinput *f)
{
	free(f->buf);
	f->buf = NULL;
	f->in.p = f->in.end = NULL;
}

void
vg_fdinput_next_line(struct vg_fdinput *f)
{
	/* the byte before decides: a line that begins exactly here is ours */
	uint8_t before;

	if (f->in.offset == 0 || (pread(f->fd, &before, 1, (off_t)f->in.offset - 1) == 1 && before == '\n'))
		return;
	f->in.skip_line = true;
}
