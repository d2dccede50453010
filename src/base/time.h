/* base/time.h - time as signed nanoseconds since 1970-01-01T00:00:00Z.  No zone database: text says its
 * offset, or the caller gives one. */
#ifndef VG_BASE_TIME_H
#define VG_BASE_TIME_H

#include "base/arena.h"

#define VG_TIME_NONE INT64_MIN
#define VG_SEC INT64_C(1000000000)
#define VG_MIN (60 * VG_SEC)
#define VG_HOUR (60 * VG_MIN)
#define VG_DAY (24 * VG_HOUR)

struct vg_civil {
	int year, month, day; /* month and day from 1 */
	int hour, min, sec;   /* sec may be 60 */
	int32_t ns;
};

/* Days from 1970-01-01 of a proleptic Gregorian date, and back. */
int64_t vg_days_of(int year, int month, int day);
/* VG_TIME_NONE when a part is out of range or the year is not in 1678..2261. @offset_s: east of UTC. */
int64_t vg_time_of(const struct vg_civil *c, int offset_s);
void vg_time_civil(int64_t time_ns, struct vg_civil *out); /* in UTC */

/* FILETIME: 100 ns since 1601 (MS-DTYP 2.3.3).  VG_TIME_NONE when it does not fit. */
int64_t vg_time_filetime(uint64_t ft);

/* ISO 8601 / RFC 3339 and its relatives: "2026-04-03T08:12:45.123456789+02:00", a space for the T, a
 * comma for the point, no fraction, "Z", "+0200", "UTC", no zone (then @offset_s), or a date alone.  All of @s
 * must be used.  VG_TIME_NONE when it is not one. */
int64_t vg_time_parse(vg_str s, int offset_s);

/* "2026-04-03T08:12:45.123456789Z" in 31 bytes with NUL; @digits of fraction, 0 to 9.  Length. */
#define VG_TIME_MAX 40
size_t vg_time_print(int64_t time_ns, int digits, char out[VG_TIME_MAX]);

/* "15m", "2h30m", "7d", "90s", "1w", "3M" (30 days), "1y" (365 days); seconds when there is no unit.
 * VG_TIME_NONE when it is not one or does not fit. */
int64_t vg_duration_parse(vg_str s);
/* 1-12 for a month's English abbreviation ("Jan"), any case; 0 when it is none. */
int vg_month_of(vg_str s);

#endif
