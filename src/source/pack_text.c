#include "source/pack_ir.h"

#define PREFIX_MAX 256 /* bytes before "CEF:", where a relay left its own header */

/* @s without its backslash escapes: \n and \r are line ends, any other escaped byte is itself. */
static vg_str
unescape(struct vg_arena *a, vg_str s)
{
	char *p;
	size_t n = 0;

	if (vg_str_chr(s, '\\') == VG_NPOS)
		return s;
	if ((p = vg_arena_alloc(a, s.n)) == NULL)
		return s; /* as it was written; better than nothing */
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.n) {
			c = s.p[++i];
			c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
		}
		p[n++] = c;
	}
	return (vg_str){ p, n };
}

/* The next of the header's parts, which end at a bar that has no backslash before it. */
static bool
header_part(vg_str *s, struct vg_arena *a, vg_str *out)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->p[i] == '\\')
			i++;
		else if (s->p[i] == '|') {
			*out = unescape(a, vg_str_cut(*s, i));
			*s = vg_str_skip(*s, i + 1);
			return true;
		}
	}
	return false;
}

/* A limit on fields is counted in the event, and is no failure. */
static vg_rc
add(struct vg_event *e, vg_str name, vg_str value)
{
	vg_rc rc = name.n ? vg_event_add(e, name, VG_KIND_TEXT, value) : VG_OK;

	return rc == VG_E_LIMIT ? VG_OK : rc;
}

static vg_rc
header(vg_str *s, const char *magic, const vg_str *name, size_t n, struct vg_event *e, vg_str *version)
{
	size_t at = vg_str_find(vg_str_cut(*s, PREFIX_MAX), vg_str_of(magic));
	vg_str part;
	vg_rc rc;

	if (at == VG_NPOS)
		return VG_E_FORMAT;
	*s = vg_str_skip(*s, at + strlen(magic));
	if (!header_part(s, e->arena, version))
		return VG_E_FORMAT;
	for (size_t i = 0; i < n; i++) {
		if (!header_part(s, e->arena, &part))
			return VG_E_FORMAT;
		if ((rc = add(e, name[i], part)) != VG_OK)
			return rc;
		if (i == 1 && e->provider.n == 0)
			e->provider = part;
		if (i == 3 && e->code.n == 0)
			e->code = part;
	}
	return VG_OK;
}

static bool
key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
	       c == '-' || c == '[' || c == ']' || c == ':';
}

/* ArcSight Common Event Format, version 0.1: a value goes on until the blank before the next name and '='. */
vg_rc
vg_pk_cef(vg_str s, struct vg_event *e)
{
	static const vg_str names[] = { VG_STR_INIT("deviceVendor"), VG_STR_INIT("deviceProduct"),
		VG_STR_INIT("deviceVersion"), VG_STR_INIT("deviceEventClassId"), VG_STR_INIT("name"),
		VG_STR_INIT("severity") };
	vg_str name = VG_NIL, version;
	size_t from = 0; /* the value of name begins here */
	size_t word = 0; /* the run of bytes that a name may have begins here */
	vg_rc rc = header(&s, "CEF:", names, VG_COUNT(names), e, &version);

	for (size_t i = 0; rc == VG_OK && i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n) {
			i++;
			word = i + 1;
		} else if (s.p[i] == '=') {
			if (i > word && (word == 0 || s.p[word - 1] == ' ')) {
				vg_str value = vg_str_cut(vg_str_skip(s, from), word > from ? word - from : 0);

				rc = add(e, name, unescape(e->arena, vg_str_trim(value)));
				name = (vg_str){ s.p + word, i - word };
				from = i + 1;
			}
			word = i + 1;
		} else if (!key_byte(s.p[i])) {
			word = i + 1;
		}
	}
	if (rc == VG_OK)
		rc = add(e, name, unescape(e->arena, vg_str_trim(vg_str_skip(s, from))));
	return rc;
}

/* IBM LEEF 1.0 and 2.0: attributes apart by tabs, or by what 2.0's header says. */
vg_rc
vg_pk_leef(vg_str s, struct vg_event *e)
{
	static const vg_str names[] = { VG_STR_INIT("deviceVendor"), VG_STR_INIT("deviceProduct"),
		VG_STR_INIT("deviceVersion"), VG_STR_INIT("deviceEventClassId") };
	char sep = '\t';
	vg_str version, part, name;
	size_t eq;
	vg_rc rc = header(&s, "LEEF:", names, VG_COUNT(names), e, &version);

	if (rc == VG_OK && vg_str_starts(version, VG_STR("2")) && (eq = vg_str_chr(vg_str_cut(s, 6), '|')) != VG_NPOS) {
		uint64_t v;

		part = vg_str_cut(s, eq);
		s = vg_str_skip(s, eq + 1);
		if (part.n == 1) {
			sep = part.p[0];
		} else if (part.n > 1) { /* x09 or 0x09 */
			char z[8] = "0x";
			size_t skip = vg_str_chr(part, 'x');

			part = vg_str_cut(vg_str_skip(part, skip == VG_NPOS ? part.n : skip + 1), 2);
			if (part.n)
				memcpy(z + 2, part.p, part.n);
			if (vg_str_u64(vg_str_of(z), &v) && v && v < 128)
				sep = (char)v;
		}
	}
	while (rc == VG_OK && vg_str_split(&s, sep, &part)) {
		part = vg_str_trim(part);
		if ((eq = vg_str_chr(part, '=')) == VG_NPOS)
			continue;
		name = vg_str_trim(vg_str_cut(part, eq));
		rc = add(e, name, unescape(e->arena, vg_str_skip(part, eq + 1)));
	}
	return rc;
}

/* RFC 4180, with any separator. */
vg_rc
vg_pk_csv(vg_str s, char sep, const struct vg_pk_set *column, size_t ncolumn, struct vg_event *e)
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; rc == VG_OK && i < ncolumn; i++) {
		vg_str cell;

		if (s.n && s.p[0] == '"') {
			char *p = vg_arena_alloc(e->arena, s.n);
			size_t at = 1, n = 0;

			if (p == NULL)
				return VG_E_NOMEM;
			while (at < s.n && (s.p[at] != '"' || (at + 1 < s.n && s.p[at + 1] == '"'))) {
				if (s.p[at] == '"')
					at++;
				p[n++] = s.p[at++];
			}
			vg_arena_shrink(e->arena, p, s.n, n);
			cell = (vg_str){ p, n };
			s = vg_str_skip(s, at);
			if ((at = vg_str_chr(s, sep)) == VG_NPOS)
				s = VG_NIL;
			else
				s = vg_str_skip(s, at + 1);
		} else if (!vg_str_split(&s, sep, &cell)) {
			break;
		}
		if (column[i].name.n && cell.n)
			rc = add(e, column[i].name, cell);
	}
	return rc;
}

/* Up to @max digits at the front of @s. */
static bool
digits(vg_str *s, size_t max, int *out)
{
	size_t n = 0;

	*out = 0;
	while (n < s->n && n < max && s->p[n] >= '0' && s->p[n] <= '9')
		*out = *out * 10 + (s->p[n++] - '0');
	*s = vg_str_skip(*s, n);
	return n > 0;
}

static bool
zone(vg_str *s, int *out)
{
	int sign, h, m = 0;

	if (s->n && (s->p[0] == 'Z' || s->p[0] == 'z')) {
		*s = vg_str_skip(*s, 1);
		return true;
	}
	if (s->n == 0 || (s->p[0] != '+' && s->p[0] != '-'))
		return false;
	sign = s->p[0] == '-' ? -1 : 1;
	*s = vg_str_skip(*s, 1);
	if (!digits(s, 2, &h))
		return false;
	if (s->n && s->p[0] == ':')
		*s = vg_str_skip(*s, 1);
	(void)digits(s, 2, &m);
	*out = sign * (h * 3600 + m * 60);
	return true;
}

static int64_t
epoch(vg_str s)
{
	uint64_t v, unit;
	size_t point = vg_str_chr(s, '.');
	int64_t t;
	int frac = 0;

	if (!vg_str_u64(vg_str_cut(s, point == VG_NPOS ? s.n : point), &v))
		return VG_TIME_NONE;
	/* 1e11 seconds is the year 5138: what is larger counts something smaller */
	unit = v < 100000000000u ? 1000000000u : v < 100000000000000u ? 1000000u : v < 100000000000000000u ? 1000u : 1u;
	if (v > (uint64_t)INT64_MAX / unit)
		return VG_TIME_NONE;
	t = (int64_t)(v * unit);
	if (point != VG_NPOS && unit == 1000000000u) {
		vg_str f = vg_str_skip(s, point + 1);
		size_t had = f.n < 9 ? f.n : 9;

		if (digits(&f, 9, &frac))
			for (; had < 9; had++)
				frac *= 10;
		t += frac;
	}
	return t;
}

int64_t
vg_pk_time_parse(vg_str s, vg_str format, bool *zoned)
{
	struct vg_civil c = { .year = 1970, .month = 1, .day = 1 };
	int offset = 0, pm = -1, v;

	*zoned = true;
	s = vg_str_trim(s);
	if (vg_str_eq(format, VG_STR("epoch")))
		return epoch(s);
	if (vg_str_eq(format, VG_STR("iso"))) {
		*zoned = s.n > 10 && (s.p[s.n - 1] == 'Z' || vg_str_chr(vg_str_skip(s, 11), '+') != VG_NPOS ||
				      vg_str_chr(vg_str_skip(s, 11), '-') != VG_NPOS);
		return vg_time_parse(s, 0);
	}
	*zoned = false;
	for (size_t i = 0; i < format.n; i++) {
		bool ok = true;
		size_t had;

		if (format.p[i] != '%' || i + 1 == format.n) {
			if (s.n == 0 || s.p[0] != format.p[i])
				return VG_TIME_NONE;
			s = vg_str_skip(s, 1);
			continue;
		}
		switch (format.p[++i]) {
		case 'Y': ok = digits(&s, 4, &c.year); break;
		case 'y':
			ok = digits(&s, 2, &c.year);
			c.year += 2000;
			break;
		case 'm': ok = digits(&s, 2, &c.month); break;
		case 'e': /* as %d, padded with a blank */
		case 'd':
			if (s.n && s.p[0] == ' ')
				s = vg_str_skip(s, 1);
			ok = digits(&s, 2, &c.day);
			break;
		case 'b':
			ok = (c.month = vg_month_of(vg_str_cut(s, 3))) != 0;
			s = vg_str_skip(s, 3);
			break;
		case 'a': s = vg_str_skip(s, 3); break;
		case 'H':
		case 'I': ok = digits(&s, 2, &c.hour); break;
		case 'M': ok = digits(&s, 2, &c.min); break;
		case 'S': ok = digits(&s, 2, &c.sec); break;
		case 'f':
			had = s.n;
			ok = digits(&s, 9, &v);
			for (had -= s.n; ok && had < 9; had++)
				v *= 10;
			c.ns = v;
			break;
		case 'p':
			ok = s.n >= 2;
			pm = ok && (s.p[0] == 'P' || s.p[0] == 'p');
			s = vg_str_skip(s, 2);
			break;
		case 'z': ok = *zoned = zone(&s, &offset); break;
		default: ok = false;
		}
		if (!ok)
			return VG_TIME_NONE;
	}
	if (pm >= 0)
		c.hour = c.hour % 12 + 12 * pm;
	return s.n ? VG_TIME_NONE : vg_time_of(&c, offset);
}
