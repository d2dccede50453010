/* base/utf.h - UTF-8, UTF-16 and folding of case.  Nothing here fails: what is not valid becomes
 * U+FFFD. */
#ifndef VG_BASE_UTF_H
#define VG_BASE_UTF_H

#include "base/str.h"

/* Decode the code point that @s begins with: its length in bytes and @cp; 0 when @s is empty or does
 * not begin with valid UTF-8 (RFC 3629: no overlong forms, no surrogates). */
size_t vg_utf8_next(vg_str s, uint32_t *cp);
/* Encode @cp at @out (room for 4); its length. A surrogate or > U+10FFFF is written as U+FFFD. */
size_t vg_utf8_put(uint32_t cp, char *out);
bool vg_utf8_valid(vg_str s);
bool vg_ascii(vg_str s); /* no byte over 0x7f */

/* UTF-16LE of @units units at @p (any alignment) to UTF-8 at @out, which has room for
 * VG_UTF16_MAX(units); bytes written.  Lone surrogates become U+FFFD. */
#define VG_UTF16_MAX(units) ((units) * 3)
size_t vg_utf16le_to_utf8(const void *p, size_t units, char *out);

/* Lower case, code point by code point (simple folding, no locale), bytes that are not UTF-8 as they
 * are.  @out has room for VG_FOLD_MAX(s.n); bytes written. */
#define VG_FOLD_MAX(n) ((n) + (n) / 2 + 1)
size_t vg_fold(vg_str s, char *out);
uint32_t vg_fold_cp(uint32_t cp);

/* Would this code point act on a terminal, reorder a line or hide in it? C0 (tab and newline too), DEL,
 * C1, bidi controls, zero-width, line and paragraph separators, tags, private use, unassigned planes. */
bool vg_cp_hostile(uint32_t cp);
/* Columns of a terminal that @s takes, wide East Asian characters as two; hostile ones as none. */
size_t vg_utf8_columns(vg_str s);

#endif
