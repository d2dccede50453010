/* sample/draw.h - numbers as if drawn, the same ones on every run: G. Marsaglia, "Xorshift RNGs" (13, 7, 17). */
#ifndef VG_SAMPLE_DRAW_H
#define VG_SAMPLE_DRAW_H

#include <stdint.h>

/* From 0 up to @below, which is not 0; @state is not 0 either. */
static inline uint32_t
sample_draw(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)((*state >> 32) % below);
}

#endif
