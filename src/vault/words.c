#include "vault/words.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define W VG_BYTE_WORD
#define S VG_BYTE_SAFE
#define D (VG_BYTE_WORD | VG_BYTE_DIGIT | VG_BYTE_HEX | VG_BYTE_SAFE)
#define X (VG_BYTE_WORD | VG_BYTE_HEX | VG_BYTE_SAFE)
#define L (VG_BYTE_WORD | VG_BYTE_SAFE)
#define Q VG_BYTE_HIDES

/* Not safe: quotes, \ / < > & = | ] and `, which some format escapes; control bytes; all over 0x7e. */
const uint8_t vg_byte_class[256] = {
	[0] = Q, ['\\'] = Q, ['&'] = Q, ['<'] = Q, [0xc4] = Q, [0xe2] = Q,
	['0'] = D, D, D, D, D, D, D, D, D, D,
	['A'] = X, X, X, X, X, X, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	['a'] = X, X, X, X, X, X, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	['_'] = S, [' '] = S, ['-'] = S, ['.'] = S, [','] = S, [':'] = S, [';'] = S, ['@'] = S, ['#'] = S, ['%'] = S, ['+'] = S, ['*'] = S,
	['('] = S, [')'] = S, ['['] = S, ['{'] = S, ['}'] = S, ['~'] = S, ['!'] = S, ['?'] = S, ['$'] = S, ['^'] = S,
};

/* Would this code point, decoded, be a byte of a piece?  Two outside ASCII fold to a letter. */
static bool
is_safe(uint32_t cp)
{
	return cp < 0x80 ? vg_byte_is((char)cp, VG_BYTE_SAFE) : cp == 0x130 || cp == 0x212a;
}

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Digits of base @base at @i, at most @max; @i moves behind them. */
static uint32_t
number(vg_str s, size_t *i, unsigned base, unsigned max)
{
	uint32_t v = 0;

	for (; max && *i < s.n; max--, ++*i) {
		int d = nibble(s.p[*i]);

		if (d < 0 || (unsigned)d >= base)
			break;
		v = v * base + (uint32_t)d;
	}
	return v;
}

static bool
entity_hides(vg_str s, size_t i)
{
	unsigned base = 10;

	if (i + 1 >= s.n || s.p[i + 1] != '#')
		return false;
	i += 2;
	while (i < s.n && (s.p[i] == 'x' || s.p[i] == 'X')) {
		base = 16;
		i++;
	}
	while (i < s.n && s.p[i] == '0')
		i++;
	return is_safe(number(s, &i, base, 8));
}

/* Behind a run of backslashes; @cut: a backslash may have been taken away before a safe byte, as CEF does. */
static bool
escape_hides(vg_str s, size_t i, bool *cut)
{
	char c = i < s.n ? s.p[i] : 0;
	size_t from = i + 1;
	uint32_t cp;

	*cut |= vg_byte_is(c, VG_BYTE_SAFE) && c != 'n' && c != 'r';
	if (c != 'u')
		return false;
	cp = number(s, &from, 16, 4);
	return from == i + 5 && is_safe(cp);
}

static bool
byte_hides(vg_str s, size_t i)
{
	vg_str rest = vg_str_skip(s, i);

	switch ((unsigned char)s.p[i]) {
	case '&':
		return entity_hides(s, i);
	case '<': /* what splits a text of XML in two */
		return vg_str_starts(rest, VG_STR("<!")) || (i && vg_str_starts(rest, VG_STR("<?")));
	case 0xc4:
		return vg_str_starts(rest, VG_STR("\xc4\xb0"));
	case 0xe2:
		return vg_str_starts(rest, VG_STR("\xe2\x84\xaa"));
	default:
		return true; /* a zero byte: UTF-16, or something binary */
	}
}

/* The next byte of VG_BYTE_HIDES from @i on; s.n: there is none. */
static size_t
next_hiding(vg_str s, size_t i)
{
#ifdef __SSE2__
	const __m128i a = _mm_set1_epi8('\\'), b = _mm_set1_epi8('&'), c = _mm_set1_epi8('<'), d = _mm_set1_epi8((char)0xc4), e = _mm_set1_epi8((char)0xe2),
		      zero = _mm_setzero_si128();

	for (; i + 16 <= s.n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
		__m128i x = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, a), _mm_cmpeq_epi8(v, b)), _mm_or_si128(_mm_cmpeq_epi8(v, c), _mm_cmpeq_epi8(v, d)));
		int m = _mm_movemask_epi8(_mm_or_si128(x, _mm_or_si128(_mm_cmpeq_epi8(v, e), _mm_cmpeq_epi8(v, zero))));

		if (m)
			return i + (size_t)__builtin_ctz((unsigned)m);
	}
#endif
	while (i < s.n && !vg_byte_is(s.p[i], VG_BYTE_HIDES))
		i++;
	return i;
}

bool
vg_record_hides(vg_str s)
{
	bool cut = false;

	for (size_t i = 0; (i = next_hiding(s, i)) < s.n; i++) {
		if (s.p[i] == '\\') {
			while (i + 1 < s.n && s.p[i + 1] == '\\')
				i++;
			if (escape_hides(s, i + 1, &cut))
				return true;
		} else if (byte_hides(s, i)) {
			return true;
		}
	}
	return cut && (vg_str_find(s, VG_STR("CEF:")) != VG_NPOS || vg_str_find(s, VG_STR("LEEF:")) != VG_NPOS);
}

size_t
vg_text_escape(vg_str s, size_t i)
{
#ifdef __SSE2__
	const __m128i back = _mm_set1_epi8('\\'), amp = _mm_set1_epi8('&'), quote = _mm_set1_epi8('"');

	for (; i + 17 <= s.n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i)), w = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i + 1));
		__m128i two = _mm_and_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(w, quote));
		int m = _mm_movemask_epi8(_mm_or_si128(two, _mm_or_si128(_mm_cmpeq_epi8(v, back), _mm_cmpeq_epi8(v, amp))));

		if (m)
			return i + (size_t)__builtin_ctz((unsigned)m);
	}
#endif
	for (; i < s.n; i++)
		if (s.p[i] == '\\' || s.p[i] == '&' || (s.p[i] == '"' && i + 1 < s.n && s.p[i + 1] == '"'))
			return i;
	return VG_NPOS;
}

bool
vg_record_is_audit(vg_str raw)
{
	return vg_str_find(raw, VG_STR("msg=audit(")) != VG_NPOS;
}

static bool
all_hex(vg_str w)
{
	for (size_t i = 0; i < w.n; i++)
		if (!vg_byte_is(w.p[i], VG_BYTE_HEX))
			return false;
	return true;
}

bool
vg_word_is_number(vg_str w)
{
	bool digit = false;

	if (w.n && vg_is_digit(w.p[0])) {
		if (w.n > 2 && w.p[0] == '0' && (w.p[1] | 32) == 'x' && all_hex(vg_str_skip(w, 2)))
			return true;
		if (w.n > 1 && (w.p[w.n - 1] | 32) == 'z' && vg_str_all_digits(vg_str_cut(w, w.n - 1)))
			return true;
	}
	for (size_t i = 0; i < w.n; i++) {
		if (!vg_byte_is(w.p[i], VG_BYTE_HEX))
			return false;
		digit |= vg_is_digit(w.p[i]);
	}
	return digit;
}

bool
vg_word_in_number(vg_str part)
{
	vg_str x = part;

	if (part.n && (part.p[part.n - 1] | 32) == 'z')
		return part.n == 1 || vg_str_all_digits(vg_str_cut(part, part.n - 1));
	if (vg_str_starts(x, VG_STR("0x")) || vg_str_starts(x, VG_STR("0X")))
		x = vg_str_skip(x, 2);
	else if (x.n && (x.p[0] | 32) == 'x')
		x = vg_str_skip(x, 1);
	return all_hex(x);
}

bool
vg_words_next(struct vg_words *w, vg_str *out)
{
	const char *p = w->text.p;
	size_t i = w->at, n = w->text.n, begin;

	while (i < n && !vg_byte_is(p[i], VG_BYTE_WORD))
		i++;
	if (i == n)
		return false;
	begin = i;
	while (i < n && vg_byte_is(p[i], VG_BYTE_WORD))
		i++;
	w->chain = w->end[3] && begin == w->end[3] + 1 && p[begin - 1] == '.' ? w->chain + 1 : 0;
	for (int k = 0; k < 3; k++) {
		w->begin[k] = w->begin[k + 1];
		w->end[k] = w->end[k + 1];
	}
	w->begin[3] = begin;
	w->end[3] = w->at = i;
	*out = vg_str_mem(p + begin, i - begin);
	return true;
}

size_t
vg_words_address(const struct vg_words *w, unsigned digits, char *out)
{
	const char *p = w->text.p;
	size_t n = 0, middle = w->end[2] - w->begin[1];

	if (w->chain < 3 || w->end[3] - w->begin[3] < digits || !vg_is_digit(p[w->end[0] - 1]) || middle > VG_ADDRESS_MAX - 8 ||
	    !vg_str_all_digits(vg_str_mem(p + w->begin[1], w->end[1] - w->begin[1])) ||
	    !vg_str_all_digits(vg_str_mem(p + w->begin[2], w->end[2] - w->begin[2])) ||
	    !vg_str_all_digits(vg_str_mem(p + w->begin[3], digits)))
		return 0;
	out[n++] = p[w->end[0] - 1];
	out[n++] = '.';
	memcpy(out + n, p + w->begin[1], middle);
	n += middle;
	out[n++] = '.';
	memcpy(out + n, p + w->begin[3], digits);
	return n + digits;
}

bool
vg_words_joint(const struct vg_words *w, char out[VG_JOINT])
{
	size_t at = w->begin[3];

	if (w->end[2] == 0 || at != w->end[2] + 1 || w->end[2] - w->begin[2] < 3 || w->end[3] - at < 3 || memchr("._-@", w->text.p[at - 1], 4) == NULL)
		return false;
	vg_lower(vg_str_mem(w->text.p + at - 4, VG_JOINT), out);
	for (size_t i = 0; i < VG_JOINT; i++)
		if (i != 3 && (out[i] < 'a' || out[i] > 'z'))
			return false;
	return true;
}

void
vg_lower(vg_str s, char *out)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; i + 16 <= s.n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
		__m128i up = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1)));

		_mm_storeu_si128((__m128i *)(void *)(out + i), _mm_or_si128(v, _mm_and_si128(up, _mm_set1_epi8(0x20))));
	}
#endif
	for (; i < s.n; i++)
		out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 32 : s.p[i]);
}
