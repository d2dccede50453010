#include "base/utf.h"

#include <locale.h>
#include <wchar.h>
#include <wctype.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

size_t
vg_utf8_next(vg_str s, uint32_t *cp)
{
	const unsigned char *p = (const unsigned char *)s.p;
	uint32_t c;
	size_t n;

	if (s.n == 0)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (s.n < n)
		return 0;
	c = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	*cp = c;
	return n;
}

size_t
vg_utf8_put(uint32_t cp, char *out)
{
	if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		cp = 0xfffd;
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

bool
vg_ascii(vg_str s)
{
	size_t i = 0;
	unsigned char acc = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t v;

		memcpy(&v, s.p + i, 8);
		if (v & 0x8080808080808080u)
			return false;
	}
	for (; i < s.n; i++)
		acc |= (unsigned char)s.p[i];
	return acc < 0x80;
}

bool
vg_utf8_valid(vg_str s)
{
	while (s.n) {
		uint32_t cp;
		size_t n = vg_utf8_next(s, &cp);

		if (n == 0)
			return false;
		s = vg_str_skip(s, n);
	}
	return true;
}

static uint32_t
unit_at(const unsigned char *p, size_t i)
{
	return (uint32_t)(p[2 * i] | p[2 * i + 1] << 8);
}

size_t
vg_utf16le_to_utf8(const void *src, size_t units, char *out)
{
	const unsigned char *p = src;
	char *o = out;
	size_t i = 0;

	while (i < units) {
		uint32_t c;

#ifdef __SSE2__
		/* eight ASCII units at a time; room: out has three bytes a unit */
		while (i + 8 <= units) {
			__m128i v = _mm_loadu_si128((const __m128i *)(p + 2 * i));
			__m128i high = _mm_and_si128(v, _mm_set1_epi16((short)0xff80));

			if (_mm_movemask_epi8(_mm_cmpeq_epi16(high, _mm_setzero_si128())) != 0xffff)
				break;
			_mm_storel_epi64((__m128i *)o, _mm_packus_epi16(v, v));
			o += 8;
			i += 8;
		}
		if (i == units)
			break;
#endif
		c = unit_at(p, i++);
		if (c >= 0xd800 && c < 0xdc00 && i < units) {
			uint32_t low = unit_at(p, i);

			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i++;
			}
		}
		o += vg_utf8_put(c, o); /* lone surrogates become U+FFFD there */
	}
	return (size_t)(o - out);
}

static locale_t
c_utf8(void)
{
	static locale_t loc;

	if (loc == (locale_t)0)
		loc = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return loc;
}

/* Before a sandbox closes: the locale's file is read at the first use. */
__attribute__((constructor)) static void
load_locale(void)
{
	(void)c_utf8();
}

uint32_t
vg_fold_cp(uint32_t cp)
{
	locale_t loc;

	if (cp < 0x80)
		return cp - 'A' < 26 ? cp | 0x20 : cp;
	if (cp == 0x130) /* dotted capital I: its simple folding would be two code points */
		return 'i';
	loc = c_utf8();
	return loc ? (uint32_t)towlower_l((wint_t)cp, loc) : cp;
}

size_t
vg_fold(vg_str s, char *out)
{
	char *o = out;
	size_t i = 0;

	while (i < s.n) {
		uint32_t cp;
		size_t n;

#ifdef __SSE2__
		while (i + 16 <= s.n) {
			__m128i v = _mm_loadu_si128((const __m128i *)(s.p + i));
			__m128i up;

			if (_mm_movemask_epi8(v))
				break;
			up = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)),
					   _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1)));
			_mm_storeu_si128((__m128i *)o,
					 _mm_or_si128(v, _mm_and_si128(up, _mm_set1_epi8(0x20))));
			o += 16;
			i += 16;
		}
		if (i == s.n)
			break;
#endif
		if ((unsigned char)s.p[i] < 0x80) {
			unsigned char c = (unsigned char)s.p[i++];

			*o++ = (char)((unsigned char)(c - 'A') < 26 ? c | 0x20 : c);
			continue;
		}
		n = vg_utf8_next((vg_str){ s.p + i, s.n - i }, &cp);
		if (n == 0) {
			*o++ = s.p[i++];
			continue;
		}
		o += vg_utf8_put(vg_fold_cp(cp), o);
		i += n;
	}
	return (size_t)(o - out);
}

bool
vg_cp_hostile(uint32_t cp)
{
	static const uint32_t range[][2] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0xad, 0xad },     { 0x61c, 0x61c },
		{ 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xd800, 0xdfff },
		{ 0xe000, 0xf8ff }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
		{ 0xe0000, 0x10ffff },
	};

	if (cp >= 0x20 && cp < 0x7f)
		return false;
	for (size_t i = 0; i < sizeof(range) / sizeof(range[0]); i++)
		if (cp <= range[i][1])
			return cp >= range[i][0];
	return true;
}

size_t
vg_utf8_columns(vg_str s)
{
	size_t col = 0;

	while (s.n) {
		uint32_t cp;
		size_t n = vg_utf8_next(s, &cp);

		if (n == 0) {
			n = 1;
			col++;
		} else if (cp >= 0x300 && cp < 0x370) {
			; /* combining marks */
		} else if ((cp >= 0x1100 && cp < 0x1160) || (cp >= 0x2e80 && cp < 0xa4d0) ||
			   (cp >= 0xac00 && cp < 0xd7a4) || (cp >= 0xf900 && cp < 0xfb00) ||
			   (cp >= 0xfe30 && cp < 0xfe70) || (cp >= 0xff00 && cp < 0xff61) ||
			   (cp >= 0x1f300 && cp < 0x1f650) || (cp >= 0x1f900 && cp < 0x1fa00) ||
			   (cp >= 0x20000 && cp < 0x40000)) {
			col += 2;
		} else if (!vg_cp_hostile(cp)) {
			col++;
		}
		s = vg_str_skip(s, n);
	}
	return col;
}
