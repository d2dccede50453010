/* source/input.h - the bytes a format reads: a window that moves forward over a mapped file or over a
 * decompressed stream.  A format peeks at as much as it needs and skips what it used; nothing is copied
 * when the file is mapped. */
#ifndef VG_SOURCE_INPUT_H
#define VG_SOURCE_INPUT_H

#include "base/rc.h"
#include "base/str.h"

#define VG_INPUT_WINDOW_MAX ((size_t)64 << 20) /* the most that a stream can be peeked at in one piece */

struct vg_input {
	const uint8_t *p, *end; /* the window: what can be read now */
	uint64_t offset;        /* of p, in the whole (decompressed) input */
	uint64_t size;          /* of the whole input; UINT64_MAX while unknown */
	uint64_t stop;          /* first byte that the next unit reads: a reader of lines or chunks that is
	                         * about to begin at or after it ends here.  UINT64_MAX: read to the end */
	uint64_t lines;         /* that vg_input_line() gave so far */
	bool eof;               /* nothing comes after the window */
	bool skip_line;         /* the line before was cut: its rest is to be skipped first */
	vg_rc rc;               /* the first error of what is below; the window then ends early */

	/* Make the window at least @want bytes, or set eof.  NULL: the window is all there is. */
	vg_rc (*fill)(struct vg_input *in, size_t want);
	void *ctx;
};

/* All of @p, borrowed. */
void vg_input_mem(struct vg_input *in, const void *p, size_t n);

/* Bytes in the window, at least @want unless the input ends before (or rc is set). */
static inline size_t
vg_input_peek(struct vg_input *in, size_t want)
{
	if ((size_t)(in->end - in->p) < want && !in->eof && in->fill)
		(void)in->fill(in, want); /* its error stays in in->rc */
	return (size_t)(in->end - in->p);
}

/* @n must not be more than the window holds. */
static inline void
vg_input_skip(struct vg_input *in, size_t n)
{
	in->p += n;
	in->offset += n;
}

/* The next line, a slice of the window that is good until the next call, without its end (LF or CRLF), and move past it; false at the end of the input or of the
 * unit (stop).  A line over @max bytes is given cut to @max, with @cut set, and its rest is skipped.  @at is
 * the offset it begins at. */
bool vg_input_line(struct vg_input *in, size_t max, vg_str *line, uint64_t *at, bool *cut);

#endif
