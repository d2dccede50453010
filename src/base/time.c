#include "base/time.h"

#include <stdio.h>

int64_t
vg_days_of(int year, int month, int day)
{
	/* the era arithmetic of H. Hinnant, "chrono-Compatible Low-Level Date Algorithms" */
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

static int
month_days(int year, int month)
{
	static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] +
	       (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

int64_t
vg_time_of(const struct vg_civil *c, int offset_s)
{
	int64_t s;

	if (c->year < 1678 || c->year > 2261 || c->month < 1 || c->month > 12 || c->day < 1 ||
	    c->day > month_days(c->year, c->month) || c->hour < 0 || c->hour > 23 || c->min < 0 ||
	    c->min > 59 || c->sec < 0 || c->sec > 60 || c->ns < 0 || c->ns >= VG_SEC)
		return VG_TIME_NONE;
	s = vg_days_of(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->min * 60 + c->sec;
	return (s - offset_s) * VG_SEC + c->ns;
}

void
vg_time_civil(int64_t time_ns, struct vg_civil *out)
{
	int64_t s = time_ns / VG_SEC, ns = time_ns % VG_SEC, z, era, doe, yoe, doy, mp;

	if (ns < 0) {
		ns += VG_SEC;
		s--;
	}
	z = s / 86400;
	s %= 86400;
	if (s < 0) {
		s += 86400;
		z--;
	}
	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	out->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	out->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	out->year = (int)(yoe + era * 400 + (out->month <= 2));
	out->hour = (int)(s / 3600);
	out->min = (int)(s / 60 % 60);
	out->sec = (int)(s % 60);
	out->ns = (int32_t)ns;
}

int64_t
vg_time_filetime(uint64_t ft)
{
	const uint64_t epoch = UINT64_C(116444736000000000); /* 1970 in 100 ns since 1601 */
	int64_t t;

	if (ft > INT64_MAX || __builtin_mul_overflow((int64_t)ft - (int64_t)epoch, INT64_C(100), &t))
		return VG_TIME_NONE;
	return t;
}

/* Take @n decimal digits; false when they are not there. */
static bool
take_digits(vg_str *s, size_t n, int *out)
{
	int v = 0;

	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned d = (unsigned char)s->p[i] - (unsigned)'0';

		if (d > 9)
			return false;
		v = v * 10 + (int)d;
	}
	*s = vg_str_skip(*s, n);
	*out = v;
	return true;
}

static bool
take_char(vg_str *s, const char *any)
{
	if (s->n == 0 || s->p[0] == 0 || strchr(any, s->p[0]) == NULL)
		return false;
	*s = vg_str_skip(*s, 1);
	return true;
}

static bool
take_zone(vg_str *s, int *offset_s)
{
	int h, m = 0, sign;

	if (s->n == 0)
		return true;
	if (s->n > 1 && s->p[0] == ' ')
		*s = vg_str_skip(*s, 1);
	if (vg_str_ieq(*s, VG_STR("Z")) || vg_str_ieq(*s, VG_STR("UTC")) ||
	    vg_str_ieq(*s, VG_STR("GMT"))) {
		*offset_s = 0;
		*s = vg_str_skip(*s, s->n);
		return true;
	}
	sign = s->p[0] == '-' ? -1 : 1;
	if (!take_char(s, "+-") || !take_digits(s, 2, &h))
		return false;
	if (s->n && (!(take_char(s, ":"), 1) || !take_digits(s, 2, &m)))
		return false;
	*offset_s = sign * (h * 3600 + m * 60);
	return h < 24 && m < 60;
}

int64_t
vg_time_parse(vg_str s, int offset_s)
{
	struct vg_civil c = { 0 };

	if (!take_digits(&s, 4, &c.year) || !take_char(&s, "-/") || !take_digits(&s, 2, &c.month) ||
	    !take_char(&s, "-/") || !take_digits(&s, 2, &c.day))
		return VG_TIME_NONE;
	if (s.n == 0)
		return vg_time_of(&c, offset_s);
	if (!take_char(&s, "Tt ") || !take_digits(&s, 2, &c.hour) || !take_char(&s, ":") ||
	    !take_digits(&s, 2, &c.min))
		return VG_TIME_NONE;
	if (take_char(&s, ":") && !take_digits(&s, 2, &c.sec))
		return VG_TIME_NONE;
	if (take_char(&s, ".,")) {
		int32_t unit = 100000000;
		int d;

		if (s.n == 0 || (unsigned char)s.p[0] - (unsigned)'0' > 9)
			return VG_TIME_NONE;
		while (take_digits(&s, 1, &d)) {
			c.ns += d * unit;
			unit /= 10;
		}
	}
	if (!take_zone(&s, &offset_s) || s.n)
		return VG_TIME_NONE;
	return vg_time_of(&c, offset_s);
}

size_t
vg_time_print(int64_t time_ns, int digits, char out[VG_TIME_MAX])
{
	struct vg_civil c;
	int n;

	vg_time_civil(time_ns, &c);
	n = snprintf(out, VG_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day, c.hour,
		     c.min, c.sec);
	if (digits > 0) {
		char frac[16];

		snprintf(frac, sizeof(frac), "%09d", (int)c.ns);
		n += snprintf(out + n, VG_TIME_MAX - (size_t)n, ".%.*s", digits > 9 ? 9 : digits, frac);
	}
	out[n++] = 'Z';
	out[n] = 0;
	return (size_t)n;
}

int64_t
vg_duration_parse(vg_str s)
{
	static const struct {
		char unit;
		int64_t ns;
	} units[] = {
		{ 's', VG_SEC },     { 'm', VG_MIN },      { 'h', VG_HOUR },      { 'd', VG_DAY },
		{ 'w', 7 * VG_DAY }, { 'M', 30 * VG_DAY }, { 'y', 365 * VG_DAY },
	};
	int64_t total = 0;

	if (s.n == 0)
		return VG_TIME_NONE;
	while (s.n) {
		int64_t v = 0, unit = 0;
		int d;

		if ((unsigned char)s.p[0] - (unsigned)'0' > 9)
			return VG_TIME_NONE;
		while (take_digits(&s, 1, &d))
			if (__builtin_mul_overflow(v, INT64_C(10), &v) ||
			    __builtin_add_overflow(v, (int64_t)d, &v))
				return VG_TIME_NONE;
		if (s.n == 0)
			unit = VG_SEC;
		for (size_t i = 0; s.n && i < VG_COUNT(units); i++)
			if (units[i].unit == s.p[0])
				unit = units[i].ns;
		if (unit == 0 || __builtin_mul_overflow(v, unit, &v) ||
		    __builtin_add_overflow(total, v, &total))
			return VG_TIME_NONE;
		s = vg_str_skip(s, 1);
	}
	return total;
}

int
vg_month_of(vg_str s)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (s.n < 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (vg_str_ieq(vg_str_cut(s, 3), vg_str_mem(names + 3 * i, 3)))
			return i + 1;
	return 0;
}
