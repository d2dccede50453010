#include "base/ip.h"

static bool
take_v4(vg_str s, uint8_t out[4])
{
	vg_str part;
	uint64_t n;
	size_t i = 0;

	while (vg_str_split(&s, '.', &part)) {
		if (i == 4 || part.n == 0 || part.n > 3 || !vg_str_u64(part, &n) || n > 255)
			return false;
		out[i++] = (uint8_t)n;
	}
	return i == 4;
}

static bool
take_v6(vg_str s, uint8_t out[16])
{
	uint8_t head[16], tail[16];
	size_t nh = 0, nt = 0;
	bool gap = false;

	if (vg_str_starts(s, VG_STR("::"))) {
		gap = true;
		s = vg_str_skip(s, 2);
	}
	while (s.n) {
		size_t colon = vg_str_chr(s, ':');
		vg_str part = vg_str_cut(s, colon == VG_NPOS ? s.n : colon);
		uint8_t *to = gap ? tail : head;
		size_t *n = gap ? &nt : &nh;

		if (part.n == 0 || *n > 14)
			return false;
		if (colon == VG_NPOS && vg_str_chr(part, '.') != VG_NPOS) {
			if (*n > 12 || !take_v4(part, to + *n))
				return false;
			*n += 4;
			break;
		}
		if (part.n > 4)
			return false;
		to[*n] = to[*n + 1] = 0;
		for (size_t i = 0; i < part.n; i++) {
			unsigned c = (unsigned char)part.p[i] | 32u, d = c >= 'a' ? c - 'a' + 10 : c - '0';

			if (d > 15 || (c > '9' && c < 'a'))
				return false;
			to[*n] = (uint8_t)(to[*n] << 4 | to[*n + 1] >> 4);
			to[*n + 1] = (uint8_t)(to[*n + 1] << 4 | d);
		}
		*n += 2;
		if (colon == VG_NPOS)
			break;
		s = vg_str_skip(s, colon + 1);
		if (s.n && s.p[0] == ':') {
			if (gap)
				return false;
			gap = true;
			s = vg_str_skip(s, 1);
		} else if (s.n == 0) {
			return false;
		}
	}
	if (nh + nt > 16 || (!gap && nh != 16))
		return false;
	memset(out, 0, 16);
	memcpy(out, head, nh);
	memcpy(out + 16 - nt, tail, nt);
	return true;
}

bool
vg_ip_parse(vg_str s, uint8_t out[16])
{
	if (vg_str_chr(s, ':') != VG_NPOS)
		return take_v6(s, out);
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	return take_v4(s, out + 12);
}

bool
vg_ip_network(vg_str s, uint8_t out[16], unsigned *bits)
{
	size_t slash = vg_str_chr(s, '/');
	vg_str net = vg_str_cut(s, slash == VG_NPOS ? s.n : slash);
	bool v4 = vg_str_chr(net, ':') == VG_NPOS;
	uint64_t n = v4 ? 32 : 128;

	if (!vg_ip_parse(net, out))
		return false;
	if (slash != VG_NPOS && (!vg_str_u64(vg_str_skip(s, slash + 1), &n) || n > (v4 ? 32 : 128)))
		return false;
	*bits = (unsigned)n + (v4 ? 96 : 0);
	for (unsigned i = 0; i < 16; i++) /* host bits do not count */
		out[i] = (uint8_t)(out[i] & (*bits >= 8 * (i + 1) ? 0xff : *bits <= 8 * i ? 0 : 0xff << (8 * (i + 1) - *bits)));
	return true;
}

bool
vg_ip_in(const uint8_t a[16], const uint8_t net[16], unsigned bits)
{
	if (bits > 128 || memcmp(a, net, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ net[bits / 8]) >> (8 - bits % 8) == 0;
}
