#include "source/input.h"

void
vg_input_mem(struct vg_input *in, const void *p, size_t n)
{
	const uint8_t *b = p;

	*in = (struct vg_input){ .p = b, .end = b ? b + n : b, .size = n, .stop = UINT64_MAX, .eof = true };
}

/* Skip to behind the next LF, however far. */
static void
skip_rest(struct vg_input *in)
{
	for (;;) {
		size_t n = vg_input_peek(in, 1);
		const uint8_t *lf = n ? memchr(in->p, '\n', n) : NULL;

		if (n == 0)
			return;
		if (lf) {
			vg_input_skip(in, (size_t)(lf - in->p) + 1);
			return;
		}
		vg_input_skip(in, n);
	}
}

bool
vg_input_line(struct vg_input *in, size_t max, vg_str *line, uint64_t *at, bool *cut)
{
	size_t n, len, used;
	const uint8_t *lf;

	if (in->skip_line) {
		skip_rest(in);
		in->skip_line = false;
	}
	n = vg_input_peek(in, 1);
	if (n == 0 || in->offset >= in->stop)
		return false;
	*at = in->offset;
	in->lines++;
	*cut = false;
	lf = memchr(in->p, '\n', n < max ? n : max);
	while (lf == NULL && n < max && !in->eof && in->rc == VG_OK) {
		size_t had = n;

		n = vg_input_peek(in, n < 32768 ? 65536 : n * 2 < max ? n * 2 : max);
		if (n == had)
			break;
		lf = memchr(in->p + had, '\n', (n < max ? n : max) - had);
	}
	if (lf) {
		len = (size_t)(lf - in->p);
		used = len + 1;
	} else {
		len = n < max ? n : max;
		used = len;
		*cut = n > len || !in->eof;
	}
	*line = vg_str_mem(in->p, len);
	if (*cut) {
		/* the slice must stay where it is: a window that moves would take it away, so the rest is
		 * skipped by the next call only when it can be done within the window */
		const uint8_t *end = memchr(in->p + len, '\n', n - len);

		if (end == NULL && in->eof) {
			used = n;
		} else if (end) {
			used = (size_t)(end - in->p) + 1;
		}
	}
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	vg_input_skip(in, used);
	if (*cut && !(used > len || in->eof))
		in->skip_line = true;
	return true;
}
