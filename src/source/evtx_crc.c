/* CRC-32 (IEEE 802.3, reflected), eight bytes a step by tables, or by carry-less multiplication where the
 * processor has it: the checksum of a chunk must cost less than reading its records. */
#include "source/evtx_bin.h"

static uint32_t table[8][256];

__attribute__((constructor)) static void
fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
}

static uint32_t
by_table(uint32_t c, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		uint32_t a, b;

		memcpy(&a, p, 4);
		memcpy(&b, p + 4, 4);
		a ^= c;
		c = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^
		    table[4][a >> 24] ^ table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^
		    table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
	}
	for (; n; p++, n--)
		c = c >> 8 ^ table[0][(c ^ *p) & 0xff];
	return c;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Folding as in Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ" (Intel, 2009);
 * the constants are x^n mod P for this polynomial, reflected.  @n >= 64 and a multiple of 16. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t
by_clmul(uint32_t crc, const uint8_t *p, size_t n)
{
	const __m128i k1k2 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
	const __m128i k3k4 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
	const __m128i k5 = _mm_set_epi64x(0, 0x0163cd6124);
	const __m128i poly = _mm_set_epi64x(0x01f7011641, 0x01db710641);
	const __m128i low32 = _mm_set_epi32(0, 0, 0, -1), mask = _mm_set_epi32(0, -1, 0, -1);
	__m128i x0, x1, x2, x3, y;

#define LOAD(i) _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * (i)))
#define FOLD(x, k, with)                                                                            \
	_mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11)), with)
	x0 = _mm_xor_si128(LOAD(0), _mm_cvtsi32_si128((int)crc));
	x1 = LOAD(1);
	x2 = LOAD(2);
	x3 = LOAD(3);
	for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
		x0 = FOLD(x0, k1k2, LOAD(0));
		x1 = FOLD(x1, k1k2, LOAD(1));
		x2 = FOLD(x2, k1k2, LOAD(2));
		x3 = FOLD(x3, k1k2, LOAD(3));
	}
	x0 = FOLD(x0, k3k4, x1);
	x0 = FOLD(x0, k3k4, x2);
	x0 = FOLD(x0, k3k4, x3);
	for (; n >= 16; p += 16, n -= 16)
		x0 = FOLD(x0, k3k4, LOAD(0));
#undef LOAD
#undef FOLD
	/* 128 bits to 64, to 32 (Barrett) */
	y = _mm_clmulepi64_si128(x0, k3k4, 0x10);
	x0 = _mm_xor_si128(_mm_srli_si128(x0, 8), y);
	y = _mm_srli_si128(x0, 4);
	x0 = _mm_clmulepi64_si128(_mm_and_si128(x0, mask), k5, 0x00);
	x0 = _mm_xor_si128(x0, y);
	y = _mm_and_si128(x0, low32);
	y = _mm_clmulepi64_si128(y, poly, 0x10);
	y = _mm_and_si128(y, low32);
	y = _mm_clmulepi64_si128(y, poly, 0x00);
	x0 = _mm_xor_si128(x0, y);
	return (uint32_t)_mm_extract_epi32(x0, 1);
}
#endif

uint32_t
vg_evtx_crc(uint32_t crc, const void *mem, size_t n)
{
	const uint8_t *p = mem;

	crc = ~crc;
#if defined(__x86_64__)
	if (n >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
		size_t whole = n & ~(size_t)15;

		crc = by_clmul(crc, p, whole);
		p += whole;
		n -= whole;
	}
#endif
	return ~by_table(crc, p, n);
}
