/* detect/siphash.h - SipHash-c-d with 128 bits of output (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012, and its
 * reference's doubled output): whoever does not know the key cannot choose where a text falls. */
#ifndef VG_DETECT_SIPHASH_H
#define VG_DETECT_SIPHASH_H

#include "base/str.h"

struct vg_sip {
	uint64_t lo, hi;
};

#define VG_SIP_ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))

static inline void
vg_sip_rounds(uint64_t v[4], int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = VG_SIP_ROTL(v[1], 13) ^ v[0];
		v[3] = VG_SIP_ROTL(v[3], 16) ^ v[2];
		v[0] = VG_SIP_ROTL(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = VG_SIP_ROTL(v[1], 17) ^ v[2];
		v[3] = VG_SIP_ROTL(v[3], 21) ^ v[0];
		v[2] = VG_SIP_ROTL(v[2], 32);
	}
}

static inline struct vg_sip
vg_sip128(vg_str s, const uint64_t key[2], int c, int d)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee, key[0] ^ 0x6c7967656e657261u,
			  key[1] ^ 0x7465646279746573u };
	uint64_t m, last = (uint64_t)s.n << 56;
	struct vg_sip out;
	size_t i = 0;

	for (; s.n - i >= 8; i += 8) {
		memcpy(&m, s.p + i, 8);
		v[3] ^= m;
		vg_sip_rounds(v, c);
		v[0] ^= m;
	}
	for (unsigned k = 0; i + k < s.n; k++)
		last |= (uint64_t)(uint8_t)s.p[i + k] << (8 * k);
	v[3] ^= last;
	vg_sip_rounds(v, c);
	v[0] ^= last;
	v[2] ^= 0xee;
	vg_sip_rounds(v, d);
	out.lo = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	vg_sip_rounds(v, d);
	out.hi = v[0] ^ v[1] ^ v[2] ^ v[3];
	return out;
}

#endif
