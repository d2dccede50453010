#include "source/wide.h"

#include <stdlib.h>

#include "base/utf.h"

/* 0 not UTF-16, 1 little-endian, 2 big-endian. */
static int
order_of(vg_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	if (s.n < 4)
		return 0;
	if (p[0] == 0xff && p[1] == 0xfe && (p[2] || p[3]))
		return 1;
	if (p[0] == 0xfe && p[1] == 0xff)
		return 2;
	if (p[0] && p[0] < 0x80 && p[1] == 0 && p[2] && p[2] < 0x80 && p[3] == 0)
		return 1;
	if (p[0] == 0 && p[1] && p[1] < 0x80 && p[2] == 0 && p[3] && p[3] < 0x80)
		return 2;
	return 0;
}

/* @n bytes, an even number, at @p; room for 3 * n / 2 at @out. */
static size_t
narrow(const uint8_t *p, size_t n, bool big, char *out)
{
	uint8_t swapped[512];
	size_t done = 0;

	if (!big)
		return vg_utf16le_to_utf8(p, n / 2, out);
	while (n) {
		size_t k = n < sizeof(swapped) ? n : sizeof(swapped);

		/* not between the halves of a surrogate pair */
		if (k < n && (p[k - 2] & 0xfc) == 0xd8)
			k -= 2;
		for (size_t i = 0; i + 1 < k; i += 2) {
			swapped[i] = p[i + 1];
			swapped[i + 1] = p[i];
		}
		done += vg_utf16le_to_utf8(swapped, k / 2, out + done);
		p += k;
		n -= k;
	}
	return done;
}

static vg_rc
wide_fill(struct vg_input *in, size_t want)
{
	struct vg_wide *w = in->ctx;
	size_t have = (size_t)(in->end - in->p);

	if (want > VG_INPUT_WINDOW_MAX)
		want = VG_INPUT_WINDOW_MAX;
	if (want + 65536 * 3 > w->cap) {
		size_t cap = want + (size_t)65536 * 4;
		char *p = malloc(cap);

		if (p == NULL)
			return in->rc = VG_E_NOMEM;
		if (have)
			memcpy(p, in->p, have);
		free(w->p);
		w->p = p;
		w->cap = cap;
	} else if (have) {
		memmove(w->p, in->p, have);
	}
	while (have < want && !in->eof) {
		size_t n = vg_input_peek(w->below, 65536);
		const uint8_t *p = w->below->p;

		in->rc = w->below->rc;
		if (n > 65536)
			n = 65536;
		in->eof = w->below->eof && n == (size_t)(w->below->end - w->below->p);
		if (in->rc != VG_OK)
			in->eof = true;
		n &= ~(size_t)1;
		if (!in->eof && n >= 4 && (p[n - (w->big ? 2 : 1)] & 0xfc) == 0xd8)
			n -= 2; /* a pair's first half: with its second half next time */
		have += narrow(p, n, w->big, w->p + have);
		vg_input_skip(w->below, n);
		if (n == 0)
			in->eof = true; /* an odd byte is left, or nothing */
	}
	in->p = (const uint8_t *)w->p;
	in->end = in->p + have;
	return in->rc;
}

vg_rc
vg_wide_open(struct vg_wide *w, struct vg_input *below, struct vg_input **out)
{
	size_t n = vg_input_peek(below, 4);
	int order = order_of(vg_str_mem(below->p, n));

	*w = (struct vg_wide){ .below = NULL };
	*out = below;
	if (order == 0)
		return VG_OK;
	if ((below->p[0] | below->p[1]) == 0xff)
		vg_input_skip(below, 2);
	w->below = below;
	w->big = order == 2;
	w->cap = 65536 * 4;
	if ((w->p = malloc(w->cap)) == NULL)
		return VG_E_NOMEM;
	w->in = (struct vg_input){ .p = (const uint8_t *)w->p, .end = (const uint8_t *)w->p, .size = UINT64_MAX,
				   .stop = UINT64_MAX, .fill = wide_fill, .ctx = w };
	*out = &w->in;
	return VG_OK;
}

void
vg_wide_close(struct vg_wide *w)
{
	free(w->p);
	w->p = NULL;
}

size_t
vg_wide_head(vg_str head, char *out, size_t cap)
{
	int order = order_of(head);
	size_t n;

	if (order == 0)
		return 0;
	if (((uint8_t)head.p[0] | (uint8_t)head.p[1]) == 0xff)
		head = vg_str_skip(head, 2);
	n = cap / 3 < head.n / 2 ? cap / 3 : head.n / 2;
	return narrow((const uint8_t *)head.p, n * 2, order == 2, out);
}
