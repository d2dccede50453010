/* Values of binary XML as text, written as Windows writes them (MS-EVEN6 2.2.12 ff.). */
#include "source/evtx_bin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static uint64_t
le_up_to(const uint8_t *p, size_t n, size_t width)
{
	uint64_t v = 0;

	memcpy(&v, p, n < width ? n : width);
	return v;
}

static const char two_digits[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				 "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				 "8081828384858687888990919293949596979899";

static size_t
put_u64(uint64_t v, char *out)
{
	char t[20];
	size_t i = sizeof(t);

	if (v < 10) {
		*out = (char)('0' + v);
		return 1;
	}
	for (; v >= 100; v /= 100)
		memcpy(t + (i -= 2), two_digits + 2 * (v % 100), 2);
	if (v >= 10)
		memcpy(t + (i -= 2), two_digits + 2 * v, 2);
	else
		t[--i] = (char)('0' + v);
	memcpy(out, t + i, sizeof(t) - i);
	return sizeof(t) - i;
}

static size_t
put_i64(int64_t v, char *out)
{
	if (v >= 0)
		return put_u64((uint64_t)v, out);
	*out = '-';
	return 1 + put_u64(0 - (uint64_t)v, out + 1);
}

static size_t
put_hex64(uint64_t v, char *out)
{
	int digits = v ? (67 - __builtin_clzll(v)) / 4 : 1;

	out[0] = '0';
	out[1] = 'x';
	for (int i = 0; i < digits; i++)
		out[2 + i] = "0123456789abcdef"[v >> (4 * (digits - 1 - i)) & 15];
	return 2 + (size_t)digits;
}

static void
put_two(char *out, uint32_t v)
{
	memcpy(out, two_digits + 2 * v, 2);
}

/* Every part is in its range: year < 10000, the others < 100, ticks < 10^7. */
static size_t
put_time(const struct vg_civil *c, uint32_t ticks, char *out)
{
	memcpy(out, "0000-00-00T00:00:00.0000000Z", 28);
	put_two(out, (uint32_t)c->year / 100);
	put_two(out + 2, (uint32_t)c->year % 100);
	put_two(out + 5, (uint32_t)c->month);
	put_two(out + 8, (uint32_t)c->day);
	put_two(out + 11, (uint32_t)c->hour);
	put_two(out + 14, (uint32_t)c->min);
	put_two(out + 17, (uint32_t)c->sec);
	put_two(out + 20, ticks / 100000);
	put_two(out + 22, ticks / 1000 % 100);
	put_two(out + 24, ticks / 10 % 100);
	out[26] = (char)('0' + ticks % 10);
	return 28;
}

/* All of FILETIME's range, which vg_time_filetime has not: the year keeps its last four digits. */
static size_t
put_filetime(uint64_t ft, char *out)
{
	struct vg_civil c = { 0 };
	uint64_t s = ft / 10000000, day = s / 86400, cycles;
	int64_t since_1970;
	bool later;

	if (ft > INT64_MAX)
		return put_time(&c, 0, out);
	cycles = day / 146097; /* of 400 years, which are all alike */
	since_1970 = (int64_t)(day % 146097) - 134774;
	later = since_1970 < -100000; /* before 1696: nanoseconds of 64 bits begin in 1677 */
	vg_time_civil((since_1970 + (later ? 146097 : 0)) * VG_DAY, &c);
	c.year -= later ? 400 : 0;
	c.year = (int)(((uint64_t)c.year + cycles * 400) % 10000);
	s %= 86400;
	c.hour = (int)(s / 3600);
	c.min = (int)(s / 60 % 60);
	c.sec = (int)(s % 60);
	return put_time(&c, (uint32_t)(ft % 10000000), out);
}

static size_t
put_systemtime(const uint8_t *p, char *out)
{
	uint16_t f[8];
	struct vg_civil c;

	memcpy(f, p, sizeof(f));
	c = (struct vg_civil){ f[0] % 10000, f[1] % 100, f[3] % 100, f[4] % 100, f[5] % 100, f[6] % 100, 0 };
	return put_time(&c, f[7] % 1000 * 10000u, out);
}

static size_t
put_guid(const uint8_t *p, char *out)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	static const uint8_t place[16] = { 1, 3, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 29, 31, 33, 35 };

	memcpy(out, "{00000000-0000-0000-0000-000000000000}", 38);
	for (int i = 0; i < 16; i++) {
		uint8_t v = p[order[i]];

		out[place[i]] = "0123456789abcdef"[v >> 4];
		out[place[i] + 1] = "0123456789abcdef"[v & 15];
	}
	return 38;
}

static size_t
put_sid(const uint8_t *p, size_t n, char *out)
{
	char *o = out;
	uint64_t authority = 0;

	if (n < 8) {
		memcpy(out, "S-?", 3);
		return 3;
	}
	for (int i = 2; i < 8; i++)
		authority = authority << 8 | p[i];
	*o++ = 'S';
	*o++ = '-';
	o += put_u64(p[0], o);
	*o++ = '-';
	o += put_u64(authority, o);
	for (size_t i = 0; i < p[1] && 8 + 4 * i + 4 <= n; i++) {
		*o++ = '-';
		o += put_u64(le_up_to(p + 8 + 4 * i, 4, 4), o);
	}
	return (size_t)(o - out);
}

/* The shortest that reads back the same; whole numbers with ".0". */
static size_t
put_float(double v, bool single, char *out)
{
	char t[40];
	int n = 0;

	if (isinf(v))
		n = snprintf(t, sizeof(t), "%s", v < 0 ? "-1.#INF" : "1.#INF");
	else if (isnan(v))
		n = snprintf(t, sizeof(t), "%s", signbit(v) ? "-1.#IND" : "1.#QNAN");
	else {
		for (int digits = single ? 6 : 15; digits <= 17; digits++) {
			n = snprintf(t, sizeof(t), "%.*g", digits, v);
			if (single ? strtof(t, NULL) == (float)v : strtod(t, NULL) == v)
				break;
		}
		if (strpbrk(t, ".en") == NULL)
			n = snprintf(t + n, sizeof(t) - (size_t)n, ".0") + n;
	}
	memcpy(out, t, (size_t)n);
	return (size_t)n;
}

/* Code page 1252, 0x80 to 0x9f. */
static const uint16_t cp1252[32] = {
	0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
	0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
};

static size_t
put_ansi(const uint8_t *p, size_t n, char *out)
{
	char *o = out;

	for (size_t i = 0; i < n; i++)
		if (p[i])
			o += vg_utf8_put(p[i] - 0x80u < 32 ? cp1252[p[i] - 0x80] : p[i], o);
	return (size_t)(o - out);
}

/* As many units as are ASCII and not NUL, from the first on. */
static size_t
put_ascii(const uint8_t *p, size_t units, char *out)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; i < units; i += 8) {
		__m128i v, good;

		if (units - i < 8) {
			if (units < 8)
				break;
			i = units - 8; /* some of them once more */
		}
		v = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i));
		good = _mm_cmpeq_epi16(_mm_and_si128(v, _mm_set1_epi16((short)0xff80)), _mm_setzero_si128());
		good = _mm_andnot_si128(_mm_cmpeq_epi16(v, _mm_setzero_si128()), good);
		if (_mm_movemask_epi8(good) != 0xffff)
			break;
		_mm_storel_epi64((__m128i *)(void *)(out + i), _mm_packus_epi16(v, v));
	}
	if (i >= units)
		return units;
#endif
	for (; i < units && p[2 * i + 1] == 0 && p[2 * i] && p[2 * i] < 0x80; i++)
		out[i] = (char)p[2 * i];
	return i;
}

/* NULs are left out wherever they stand; what is behind one stays. */
static size_t
put_utf16(const uint8_t *p, size_t n, char *out)
{
	size_t units = n / 2, len, keep;

	while (units && p[2 * units - 2] == 0 && p[2 * units - 1] == 0)
		units--;
	if ((keep = put_ascii(p, units, out)) == units)
		return units;
	len = keep + vg_utf16le_to_utf8(p + 2 * keep, units - keep, out + keep);
	if (VG_UNLIKELY(memchr(out + keep, 0, len - keep) != NULL)) {
		for (size_t i = keep; i < len; i++)
			if (out[i])
				out[keep++] = out[i];
		len = keep;
	}
	return len;
}

size_t
vg_bx_text_max(uint8_t type, size_t n)
{
	switch (type) {
	case BX_STRING:
	case BX_EVTXML:
		return VG_UTF16_MAX(n / 2) + 1;
	case BX_ANSI:
		return 3 * n + 1;
	case BX_SID:
		return 3 * n + 40;
	default:
		return 2 * n + 48;
	}
}

static size_t
put_bytes(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789ABCDEF"[p[i] >> 4];
		out[2 * i + 1] = "0123456789ABCDEF"[p[i] & 15];
	}
	return 2 * n;
}

size_t
vg_bx_text(uint8_t type, const uint8_t *p, size_t n, char *out)
{
	float f;
	double d;

	if (n == 0)
		return 0;
	switch (type) {
	case BX_STRING:
	case BX_EVTXML:
		return put_utf16(p, n, out);
	case BX_ANSI:
		return put_ansi(p, n, out);
	case BX_INT8:
		return put_i64((int8_t)p[0], out);
	case BX_UINT8:
		return put_u64(p[0], out);
	case BX_INT16:
		return put_i64((int16_t)le_up_to(p, n, 2), out);
	case BX_UINT16:
		return put_u64(le_up_to(p, n, 2), out);
	case BX_INT32:
		return put_i64((int32_t)le_up_to(p, n, 4), out);
	case BX_UINT32:
		return put_u64(le_up_to(p, n, 4), out);
	case BX_INT64:
		return put_i64((int64_t)le_up_to(p, n, 8), out);
	case BX_UINT64:
		return put_u64(le_up_to(p, n, 8), out);
	case BX_REAL32:
		if (n < 4)
			break;
		memcpy(&f, p, 4);
		return put_float((double)f, true, out);
	case BX_REAL64:
		if (n < 8)
			break;
		memcpy(&d, p, 8);
		return put_float(d, false, out);
	case BX_BOOL: {
		int32_t v = (int32_t)le_up_to(p, n, 4);

		if (v != 0 && v != 1) /* seen in the wild: kept as the number it is */
			return put_i64(v, out);
		memcpy(out, v ? "true" : "false", v ? 4 : 5);
		return v ? 4 : 5;
	}
	case BX_GUID:
		if (n < 16)
			break;
		return put_guid(p, out);
	case BX_SIZE:
	case BX_HANDLE:
	case BX_HEX64:
		return put_hex64(le_up_to(p, n, 8), out);
	case BX_HEX32:
		return put_hex64(le_up_to(p, n, 4), out);
	case BX_FILETIME:
		if (n < 8)
			break;
		return put_filetime(le_up_to(p, 8, 8), out);
	case BX_SYSTEMTIME:
		if (n < 16)
			break;
		return put_systemtime(p, out);
	case BX_SID:
		return put_sid(p, n, out);
	case BX_NULL:
		return 0;
	default:
		break;
	}
	return put_bytes(p, n, out); /* binary, and what is too short for its type or of no known one */
}

enum vg_kind
vg_bx_kind(uint8_t type)
{
	switch (type) {
	case BX_NULL:
		return VG_KIND_NULL;
	case BX_INT8: case BX_UINT8: case BX_INT16: case BX_UINT16: case BX_INT32: case BX_UINT32:
	case BX_INT64: case BX_UINT64: case BX_SIZE: case BX_HEX32: case BX_HEX64: case BX_HANDLE:
		return VG_KIND_INT;
	case BX_REAL32: case BX_REAL64:
		return VG_KIND_FLOAT;
	case BX_BOOL:
		return VG_KIND_BOOL;
	case BX_BINARY:
		return VG_KIND_BYTES;
	default:
		return VG_KIND_TEXT;
	}
}

bool
vg_bx_item(struct vg_bx_value *v, struct vg_bx_value *item)
{
	static const uint8_t width[] = { 1, 0, 0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 4, 1, 16, 8, 8, 16, 0, 4, 8 };
	uint8_t type = v->type & 0x7f;
	size_t n = v->n, used;

	if (n == 0)
		return false;
	if (type == BX_STRING || type == BX_EVTXML) {
		for (n = 0; n + 2 <= v->n && (v->p[n] || v->p[n + 1]);)
			n += 2;
		used = n + 2 <= v->n ? n + 2 : v->n;
	} else if (type == BX_ANSI) {
		n = strnlen((const char *)v->p, v->n);
		used = n < v->n ? n + 1 : n;
	} else if (type == BX_SID) {
		n = v->n < 8 ? v->n : 8 + 4 * (size_t)v->p[1];
		used = n = n < v->n ? n : v->n;
	} else {
		n = type < sizeof(width) && width[type] ? width[type] : v->n;
		used = n = n < v->n ? n : v->n;
	}
	*item = (struct vg_bx_value){ v->p, (uint16_t)n, type };
	v->p += used;
	v->n = (uint16_t)(v->n - used);
	return true;
}
