/* base/str.h - vg_str, a borrowed slice of bytes: pointer and length, no NUL to count on.  An empty
 * slice may have a NULL pointer. */
#ifndef VG_BASE_STR_H
#define VG_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
	const char *p;
	size_t n;
} vg_str;

#define VG_STR(lit) ((vg_str){ "" lit, sizeof(lit) - 1 })
#define VG_STR_INIT(lit) { "" lit, sizeof(lit) - 1 } /* for static tables */
#define VG_NIL ((vg_str){ NULL, 0 })
#define VG_STR_ARG(s) (int)((s).n > 65535 ? 65535 : (s).n), ((s).p ? (s).p : "") /* for "%.*s" */

static inline vg_str
vg_str_of(const char *z)
{
	return z ? (vg_str){ z, strlen(z) } : VG_NIL;
}

static inline vg_str
vg_str_mem(const void *p, size_t n)
{
	return (vg_str){ (const char *)p, n };
}

static inline bool
vg_str_eq(vg_str a, vg_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
vg_str_starts(vg_str s, vg_str prefix)
{
	return prefix.n <= s.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool
vg_str_ends(vg_str s, vg_str suffix)
{
	return suffix.n <= s.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* @s from @from on; empty when @from is past its end. */
static inline vg_str
vg_str_skip(vg_str s, size_t from)
{
	return from >= s.n ? (vg_str){ s.p ? s.p + s.n : NULL, 0 } :
			     (vg_str){ s.p + from, s.n - from };
}

static inline vg_str
vg_str_cut(vg_str s, size_t n)
{
	return (vg_str){ s.p, n < s.n ? n : s.n };
}

#define VG_NPOS ((size_t)-1)

/* Where @c, or @needle, begins in @s; VG_NPOS when it does not. */
static inline size_t
vg_str_chr(vg_str s, char c)
{
	const char *q = s.n ? memchr(s.p, c, s.n) : NULL;

	return q ? (size_t)(q - s.p) : VG_NPOS;
}
size_t vg_str_find(vg_str s, vg_str needle);

/* What is behind the last @c; all of @s when there is none. */
static inline vg_str
vg_str_behind_last(vg_str s, char c)
{
	size_t n = s.n;

	while (n && s.p[n - 1] != c)
		n--;
	return vg_str_skip(s, n);
}

/* Byte order; a prefix sorts first. */
int vg_str_cmp(vg_str a, vg_str b);
/* ASCII letters alike, all other bytes as they are. */
bool vg_str_ieq(vg_str a, vg_str b);
bool vg_str_istarts(vg_str s, vg_str prefix);
size_t vg_str_ifind(vg_str s, vg_str needle);
/* Without white space (space, tab, CR, LF) at both ends. */
vg_str vg_str_trim(vg_str s);
/* Take from @s what comes before @sep, and move @s past it.  Without @sep: all of @s, and @s becomes
 * { NULL, 0 }.  false when @s was { NULL, 0 }. */
bool vg_str_split(vg_str *s, char sep, vg_str *out);

/* The whole of @s as a number; false when it is not one or does not fit.  u64 takes decimal, or
 * hexadecimal after 0x; i64 a sign; f64 what strtod takes, of at most 63 bytes. */
bool vg_str_u64(vg_str s, uint64_t *out);
bool vg_str_i64(vg_str s, int64_t *out);
bool vg_str_f64(vg_str s, double *out);

static inline bool
vg_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Nothing but digits, and at least one. */
static inline bool
vg_str_all_digits(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!vg_is_digit(s.p[i]))
			return false;
	return s.n != 0;
}

#endif
