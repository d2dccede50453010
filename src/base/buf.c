#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "base/utf.h"

void
vg_buf_fini(struct vg_buf *b)
{
	free(b->p);
	*b = (struct vg_buf){ .limit_bytes = b->limit_bytes };
}

bool
vg_buf_reserve_slow(struct vg_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	char *p;

	if (b->rc != VG_OK)
		return false;
	if (n > SIZE_MAX / 4 - b->n || (b->limit_bytes && b->n + n > b->limit_bytes)) {
		b->rc = VG_E_LIMIT;
		return false;
	}
	while (cap < b->n + n)
		cap *= 2;
	if ((p = realloc(b->p, cap)) == NULL) {
		b->rc = VG_E_NOMEM;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void
vg_buf_u8(struct vg_buf *b, uint8_t v)
{
	vg_buf_putc(b, (char)v);
}

void
vg_buf_le16(struct vg_buf *b, uint16_t v)
{
	vg_buf_mem(b, &v, sizeof(v));
}

void
vg_buf_le32(struct vg_buf *b, uint32_t v)
{
	vg_buf_mem(b, &v, sizeof(v));
}

void
vg_buf_le64(struct vg_buf *b, uint64_t v)
{
	vg_buf_mem(b, &v, sizeof(v));
}

void
vg_buf_le_str(struct vg_buf *b, vg_str s)
{
	if (s.n > UINT32_MAX) {
		b->rc = VG_E_LIMIT;
		return;
	}
	vg_buf_le32(b, (uint32_t)s.n);
	vg_buf_put(b, s);
}

void
vg_buf_u64(struct vg_buf *b, uint64_t v)
{
	char t[20];
	size_t i = sizeof(t);

	do {
		t[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	vg_buf_mem(b, t + i, sizeof(t) - i);
}

void
vg_buf_time(struct vg_buf *b, int64_t time_ns, int digits)
{
	char t[VG_TIME_MAX];

	vg_buf_put(b, vg_str_mem(t, vg_time_print(time_ns, digits, t)));
}

void
vg_buf_hex(struct vg_buf *b, const void *p, size_t n, bool upper)
{
	const char *digit = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	const uint8_t *q = p;

	if (n > SIZE_MAX / 2 || !vg_buf_reserve(b, 2 * n))
		return;
	for (size_t i = 0; i < n; i++) {
		b->p[b->n++] = digit[q[i] >> 4];
		b->p[b->n++] = digit[q[i] & 15];
	}
}

void
vg_buf_printf(struct vg_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !vg_buf_reserve(b, (size_t)n + 1))
		return;
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

/* How one code point of outside text is written: NULL keeps it as it is. */
typedef const char *escape_fn(uint32_t cp, char tmp[16]);

static void
put_escaped(struct vg_buf *b, vg_str s, escape_fn *escape, bool show_bytes)
{
	size_t kept = 0; /* everything before it is written */

	for (size_t i = 0; i < s.n;) {
		char tmp[16];
		const char *e;
		uint32_t cp;
		size_t n = vg_utf8_next(vg_str_skip(s, i), &cp);

		if (n == 0) { /* not UTF-8: one byte */
			n = 1;
			if (show_bytes)
				snprintf(tmp, sizeof(tmp), "\\x%02x", (unsigned char)s.p[i]);
			e = show_bytes ? tmp : "\xef\xbf\xbd";
		} else {
			e = escape(cp, tmp);
		}
		if (e) {
			vg_buf_put(b, (vg_str){ s.p + kept, i - kept });
			vg_buf_puts(b, e);
			kept = i + n;
		}
		i += n;
	}
	vg_buf_put(b, vg_str_skip(s, kept));
}

static const char *
json_escape(uint32_t cp, char tmp[16])
{
	if (cp == '"')
		return "\\\"";
	if (cp == '\\')
		return "\\\\";
	if (!vg_cp_hostile(cp))
		return NULL;
	if (cp == '\n')
		return "\\n";
	if (cp == '\r')
		return "\\r";
	if (cp == '\t')
		return "\\t";
	if (cp < 0x10000)
		snprintf(tmp, 16, "\\u%04x", cp);
	else /* a pair of surrogates (RFC 8259, 7) */
		snprintf(tmp, 16, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10), 0xdc00 + (cp & 0x3ff));
	return tmp;
}

void
vg_buf_json(struct vg_buf *b, vg_str s)
{
	put_escaped(b, s, json_escape, false);
}

void
vg_buf_json_str(struct vg_buf *b, vg_str s)
{
	vg_buf_putc(b, '"');
	vg_buf_json(b, s);
	vg_buf_putc(b, '"');
}

static const char *
safe_escape(uint32_t cp, char tmp[16])
{
	if (!vg_cp_hostile(cp))
		return NULL;
	if (cp < 0x100)
		snprintf(tmp, 16, "\\x%02x", cp);
	else
		snprintf(tmp, 16, "\\u{%x}", cp);
	return tmp;
}

void
vg_buf_safe(struct vg_buf *b, vg_str s)
{
	put_escaped(b, s, safe_escape, true);
}

static const char *
html_escape(uint32_t cp, char tmp[16])
{
	switch (cp) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\n':
	case '\t':
		return NULL;
	default:
		return safe_escape(cp, tmp);
	}
}

void
vg_buf_html(struct vg_buf *b, vg_str s)
{
	put_escaped(b, s, html_escape, false);
}

static const char *
csv_escape(uint32_t cp, char tmp[16])
{
	return cp == '"' ? "\"\"" : safe_escape(cp, tmp);
}

void
vg_buf_csv(struct vg_buf *b, vg_str s)
{
	size_t at = 0;
	double number;

	vg_buf_putc(b, '"');
	while (at < s.n && (s.p[at] == ' ' || (unsigned char)s.p[at] == 0xa0))
		at++;
	if (at < s.n && memchr("=+-@\t\r\n|%", s.p[at], 9) && !vg_str_f64(s, &number))
		vg_buf_putc(b, '\'');
	/* full-width forms of the same signs are folded by some spreadsheets */
	else if (vg_str_starts(vg_str_skip(s, at), VG_STR("\xef\xbc\x9d")) ||
		 vg_str_starts(vg_str_skip(s, at), VG_STR("\xef\xbc\x8b")) ||
		 vg_str_starts(vg_str_skip(s, at), VG_STR("\xef\xbc\x8d")) ||
		 vg_str_starts(vg_str_skip(s, at), VG_STR("\xef\xbc\xa0")))
		vg_buf_putc(b, '\'');
	put_escaped(b, s, csv_escape, false);
	vg_buf_putc(b, '"');
}

void
vg_buf_wrap(struct vg_buf *b, vg_str text, size_t indent, size_t col, size_t columns)
{
	vg_str word;

	while (vg_str_split(&text, ' ', &word)) {
		bool begin = col <= indent;

		if (!begin && col + 1 + word.n > columns) {
			vg_buf_printf(b, "\n%*s", (int)indent, "");
			col = indent;
			begin = true;
		}
		if (!begin)
			vg_buf_putc(b, ' ');
		vg_buf_put(b, word);
		col += word.n + !begin;
	}
	vg_buf_putc(b, '\n');
}
