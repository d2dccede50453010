/* fuzz/choose.h - one target for several parsers: the first byte chooses, the rest is the input. */
#ifndef VG_FUZZ_CHOOSE_H
#define VG_FUZZ_CHOOSE_H

#include "base/str.h"

struct fuzz_choice {
	char letter; /* 0: the last row, for all other letters when it has a function */
	void (*parse)(vg_str s);
};

static inline int
fuzz_choose(const struct fuzz_choice *c, const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	while (c->letter && c->letter != (char)data[0])
		c++;
	if (c->parse)
		c->parse(vg_str_mem(data + 1, n - 1));
	return 0;
}

#endif
