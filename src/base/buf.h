/* base/buf.h - a growable run of bytes to write into.  An allocation that fails, or a limit, sticks
 * in rc, and later writes do nothing: check once, at the end. */
#ifndef VG_BASE_BUF_H
#define VG_BASE_BUF_H

#include <stdarg.h>

#include "base/rc.h"
#include "base/str.h"

struct vg_buf {
	char *p; /* owned */
	size_t n, cap;
	size_t limit_bytes; /* 0: none */
	vg_rc rc;
};

void vg_buf_fini(struct vg_buf *b); /* frees; the buffer is empty and usable again */

static inline vg_str
vg_buf_str(const struct vg_buf *b)
{
	return (vg_str){ b->p, b->n };
}

static inline void
vg_buf_clear(struct vg_buf *b)
{
	b->n = 0;
	b->rc = VG_OK;
}

/* Make room for @n more bytes.  false, and rc set, when there is none. */
bool vg_buf_reserve_slow(struct vg_buf *b, size_t n);
static inline bool
vg_buf_reserve(struct vg_buf *b, size_t n)
{
	return VG_LIKELY(n <= b->cap - b->n && b->rc == VG_OK) || vg_buf_reserve_slow(b, n);
}

static inline void
vg_buf_put(struct vg_buf *b, vg_str s)
{
	if (s.n && vg_buf_reserve(b, s.n)) {
		memcpy(b->p + b->n, s.p, s.n);
		b->n += s.n;
	}
}

static inline void
vg_buf_puts(struct vg_buf *b, const char *z)
{
	vg_buf_put(b, vg_str_of(z));
}

static inline void
vg_buf_putc(struct vg_buf *b, char c)
{
	if (vg_buf_reserve(b, 1))
		b->p[b->n++] = c;
}

/* Little-endian binary, for what our own processes read back. */
static inline void
vg_buf_mem(struct vg_buf *b, const void *p, size_t n)
{
	vg_buf_put(b, vg_str_mem(p, n));
}
void vg_buf_u8(struct vg_buf *b, uint8_t v);
void vg_buf_le16(struct vg_buf *b, uint16_t v);
void vg_buf_le32(struct vg_buf *b, uint32_t v);
void vg_buf_le64(struct vg_buf *b, uint64_t v);
/* u32 length, then the bytes. */
void vg_buf_le_str(struct vg_buf *b, vg_str s);

void vg_buf_u64(struct vg_buf *b, uint64_t v); /* decimal */
void vg_buf_hex(struct vg_buf *b, const void *p, size_t n, bool upper);
void vg_buf_time(struct vg_buf *b, int64_t time_ns, int digits); /* as vg_time_print() has it (base/time.h) */
void vg_buf_printf(struct vg_buf *b, const char *fmt, ...) VG_PRINTF(2, 3);
/* The inside of a JSON string: quotes, backslashes and all that vg_cp_hostile() names escaped (a reader gets the same text,
 * a terminal nothing that acts), bytes that are not UTF-8 as U+FFFD, so that what is written is always valid JSON. */
void vg_buf_json(struct vg_buf *b, vg_str s);
void vg_buf_json_str(struct vg_buf *b, vg_str s); /* the same within quotes */
/* For HTML text and double-quoted attributes: & < > " ' escaped, control bytes and bidi marks shown
 * as visible escapes, bad UTF-8 as U+FFFD. */
void vg_buf_html(struct vg_buf *b, vg_str s);
/* For a terminal or a log line: control bytes, bidi marks, zero-width and line separators, and bytes
 * that are not UTF-8 as \xNN or \u{N}; never a raw escape. */
void vg_buf_safe(struct vg_buf *b, vg_str s);
/* @text in lines of @columns, words kept whole, behind @indent columns; @col of the first line are taken already.  Ends with a line feed. */
void vg_buf_wrap(struct vg_buf *b, vg_str text, size_t indent, size_t col, size_t columns);
/* One CSV cell, always quoted.  A cell that a spreadsheet would run (it begins with = + - @ tab CR,
 * also behind white space, unless it is a plain number) gets an apostrophe first. */
void vg_buf_csv(struct vg_buf *b, vg_str s);

#endif
