#include "net/http_route.h"

#include "base/rc.h"

#define SEGMENTS_MAX 16

/* What a first segment stands for, with whatever comes below it. */
static const vg_str empties[] = {
	VG_STR_INIT("_ilm"), VG_STR_INIT("_index_template"), VG_STR_INIT("_component_template"), VG_STR_INIT("_template"),
	VG_STR_INIT("_data_stream"), VG_STR_INIT("_ingest"), VG_STR_INIT("_nodes"), VG_STR_INIT("_xpack"), VG_STR_INIT("_logstash"),
	VG_STR_INIT("_cat"),
};
static const char *const methods[VG_ROUTES] = {
	[VG_ROUTE_NONE] = "",
	[VG_ROUTE_ROOT] = "GET, HEAD",
	[VG_ROUTE_LICENSE] = "GET, HEAD",
	[VG_ROUTE_HEALTH] = "GET, HEAD",
	[VG_ROUTE_EMPTY] = "GET, HEAD, PUT, POST",
	[VG_ROUTE_BULK] = "POST, PUT",
	[VG_ROUTE_LINES] = "POST, PUT",
};

static int
hex(char c)
{
	char low = (char)(c | 0x20);

	return vg_is_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* @s with its %XX decoded.  false: no room, a % that is none, or a byte that no name has. */
static bool
unescape(vg_str s, char out[VG_ROUTE_INDEX_MAX], size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = high < 0 ? -1 : hex(s.p[i + 2]);

			if (low < 0)
				return false;
			c = (unsigned char)(high << 4 | low);
			i += 2;
		}
		if (c < ' ' || c == 0x7f || *n == VG_ROUTE_INDEX_MAX)
			return false;
		out[(*n)++] = (char)c;
	}
	return *n != 0;
}

/* The segments between slashes; how many, or 0 when there are too many, or one is empty. */
static size_t
segments_of(vg_str path, vg_str seg[SEGMENTS_MAX])
{
	size_t n = 0;
	vg_str rest = vg_str_skip(path, 1), one;

	while (vg_str_split(&rest, '/', &one)) {
		if (n == SEGMENTS_MAX || (one.n == 0 && rest.p != NULL))
			return 0;
		if (one.n)
			seg[n++] = one;
	}
	return n;
}

static enum vg_route
route_of_segments(const vg_str *seg, size_t n, char index[VG_ROUTE_INDEX_MAX], size_t *index_n)
{
	if (n <= 3 && vg_str_eq(seg[n - 1], VG_STR("_bulk")))
		return n == 1 || unescape(seg[0], index, index_n) ? VG_ROUTE_BULK : VG_ROUTE_NONE;
	if (n == 2 && vg_str_eq(seg[0], VG_STR("v1")) && vg_str_eq(seg[1], VG_STR("lines")))
		return VG_ROUTE_LINES;
	if (n == 1 && vg_str_eq(seg[0], VG_STR("_license")))
		return VG_ROUTE_LICENSE;
	if (n >= 2 && vg_str_eq(seg[0], VG_STR("_cluster")) && vg_str_eq(seg[1], VG_STR("health")))
		return VG_ROUTE_HEALTH;
	for (size_t i = 0; i < VG_COUNT(empties); i++)
		if (vg_str_eq(seg[0], empties[i]))
			return VG_ROUTE_EMPTY;
	return VG_ROUTE_NONE;
}

enum vg_route
vg_route_of(vg_str path, char index[VG_ROUTE_INDEX_MAX], size_t *index_n)
{
	vg_str seg[SEGMENTS_MAX], *first = seg;
	size_t n;

	*index_n = 0;
	if (!vg_str_starts(path, VG_STR("/")) || path.n > VG_ROUTE_PATH_MAX)
		return VG_ROUTE_NONE;
	if (path.n == 1)
		return VG_ROUTE_ROOT;
	if ((n = segments_of(path, seg)) == 0)
		return VG_ROUTE_NONE;
	if (n >= 2 && vg_str_eq(seg[0], VG_STR("s"))) { /* for the reader's eyes only: who sends is said by the key */
		first += 2;
		n -= 2;
	}
	return n ? route_of_segments(first, n, index, index_n) : VG_ROUTE_ROOT;
}

const char *
vg_route_methods(enum vg_route r)
{
	return methods[r];
}

bool
vg_route_allows(enum vg_route r, vg_str method)
{
	vg_str rest = vg_str_of(methods[r]), one;

	while (vg_str_split(&rest, ',', &one))
		if (one.n && vg_str_eq(vg_str_trim(one), method))
			return true;
	return false;
}
