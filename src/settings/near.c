#include "settings/table.h"

static char
folded(char c)
{
	return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The distance of Damerau and Levenshtein, of strings aligned once: three rows of its table are enough. */
size_t
vg_near(vg_str a, vg_str b)
{
	size_t rows[3][VG_NEAR_FAR], *before = rows[0], *last = rows[1], *now = rows[2];

	if (a.n >= VG_NEAR_FAR || b.n >= VG_NEAR_FAR)
		return VG_NEAR_FAR;
	for (size_t j = 0; j <= b.n; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *swap = before;

		now[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			bool same = folded(a.p[i - 1]) == folded(b.p[j - 1]);
			size_t least = last[j - 1] + !same;

			if (last[j] + 1 < least)
				least = last[j] + 1;
			if (now[j - 1] + 1 < least)
				least = now[j - 1] + 1;
			if (i > 1 && j > 1 && folded(a.p[i - 1]) == folded(b.p[j - 2]) && folded(a.p[i - 2]) == folded(b.p[j - 1]) &&
			    before[j - 2] + 1 < least)
				least = before[j - 2] + 1;
			now[j] = least;
		}
		before = last;
		last = now;
		now = swap;
	}
	return last[b.n];
}

bool
vg_near_enough(size_t d, size_t n)
{
	return d == 0 || (n > 2 && d <= (n < 6 ? 1u : n < 10 ? 2u : 3u));
}
