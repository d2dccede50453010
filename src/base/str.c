#include "base/str.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifdef __SSE2__
/* Sixteen places at one time where its first and its last byte stand; the rest is compared there.  For long needles in long
 * texts memmem never looks at a byte twice, which this could be made to. */
static size_t
find_pairs(vg_str s, vg_str needle)
{
	const __m128i first = _mm_set1_epi8(needle.p[0]), last = _mm_set1_epi8(needle.p[needle.n - 1]);
	size_t end = s.n - needle.n + 1, i = 0;

	for (; i + 16 <= end; i += 16) {
		__m128i a = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
		__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i + needle.n - 1));
		unsigned m = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(a, first), _mm_cmpeq_epi8(b, last)));

		for (; m; m &= m - 1) {
			size_t at = i + (size_t)__builtin_ctz(m);

			if (needle.n <= 2 || memcmp(s.p + at + 1, needle.p + 1, needle.n - 2) == 0)
				return at;
		}
	}
	for (; i < end; i++)
		if (s.p[i] == needle.p[0] && memcmp(s.p + i, needle.p, needle.n) == 0)
			return i;
	return VG_NPOS;
}
#define PAIRS_MAX ((size_t)64 << 10) /* bytes of text times needle over which memmem is the safe choice */
#endif

size_t
vg_str_find(vg_str s, vg_str needle)
{
	const char *q;

	if (needle.n == 0)
		return 0;
	if (needle.n > s.n)
		return VG_NPOS;
#ifdef __SSE2__
	if (s.n * needle.n <= PAIRS_MAX)
		return find_pairs(s, needle);
#endif
	q = memmem(s.p, s.n, needle.p, needle.n);
	return q ? (size_t)(q - s.p) : VG_NPOS;
}

int
vg_str_cmp(vg_str a, vg_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static unsigned char
lower(unsigned char c)
{
	return (unsigned char)(c - 'A') < 26 ? c | 0x20 : c;
}

bool
vg_str_istarts(vg_str s, vg_str prefix)
{
	if (prefix.n > s.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (lower((unsigned char)s.p[i]) != lower((unsigned char)prefix.p[i]))
			return false;
	return true;
}

bool
vg_str_ieq(vg_str a, vg_str b)
{
	return a.n == b.n && vg_str_istarts(a, b);
}

#ifdef __SSE2__
/* Which of the sixteen bytes at @p are @c, a small letter or no letter, in either case. */
static inline __m128i
either_case(const char *p, unsigned char c)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	char upper = (char)((unsigned char)(c - 'a') < 26 ? c & ~0x20 : c);

	return _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)c)), _mm_cmpeq_epi8(v, _mm_set1_epi8(upper)));
}
#endif

size_t
vg_str_ifind(vg_str s, vg_str needle)
{
	size_t i = 0;

	if (needle.n == 0 || needle.n > s.n)
		return needle.n ? VG_NPOS : 0;
#ifdef __SSE2__
	/* sixteen places at a time, by the first and the last byte: packs look for pieces of text in nearly every message */
	for (unsigned char first = lower((unsigned char)needle.p[0]), last = lower((unsigned char)needle.p[needle.n - 1]); s.n - i >= needle.n + 15; i += 16) {
		int may = _mm_movemask_epi8(_mm_and_si128(either_case(s.p + i, first), either_case(s.p + i + needle.n - 1, last)));

		for (; may; may &= may - 1) {
			size_t at = i + (size_t)__builtin_ctz((unsigned)may);

			if (vg_str_istarts(vg_str_skip(s, at), needle))
				return at;
		}
	}
#endif
	for (; s.n - i >= needle.n; i++)
		if (vg_str_istarts(vg_str_skip(s, i), needle))
			return i;
	return VG_NPOS;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

vg_str
vg_str_trim(vg_str s)
{
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

bool
vg_str_split(vg_str *s, char sep, vg_str *out)
{
	size_t at;

	if (s->p == NULL)
		return false;
	at = vg_str_chr(*s, sep);
	if (at == VG_NPOS) {
		*out = *s;
		*s = VG_NIL;
		return true;
	}
	*out = vg_str_cut(*s, at);
	s->p += at + 1;
	s->n -= at + 1;
	return true;
}

static bool
digits(vg_str s, unsigned base, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = lower((unsigned char)s.p[i]);
		unsigned d = c >= 'a' ? c - 'a' + 10u : c - (unsigned)'0';

		if (d >= base || (c > '9' && c < 'a'))
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}
	*out = v;
	return true;
}

bool
vg_str_u64(vg_str s, uint64_t *out)
{
	if (s.n > 2 && s.p[0] == '0' && lower((unsigned char)s.p[1]) == 'x')
		return digits(vg_str_skip(s, 2), 16, out);
	return digits(s, 10, out);
}

bool
vg_str_i64(vg_str s, int64_t *out)
{
	bool neg = s.n && s.p[0] == '-';
	uint64_t v;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = vg_str_skip(s, 1);
	if (!vg_str_u64(s, &v) || v > (uint64_t)INT64_MAX + (neg ? 1 : 0))
		return false;
	*out = neg ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool
vg_str_f64(vg_str s, double *out)
{
	char buf[64], *end;

	if (s.n == 0 || s.n >= sizeof(buf) || is_blank(s.p[0]))
		return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = 0;
	*out = strtod(buf, &end);
	return end == buf + s.n;
}
