/* What is always true of detect/multi.h: any bytes are a blob or are refused; any bytes are an automaton that a scan ends in, or
 * are refused; and the portable engine finds just the literals that are there.
 * Input: lines, the last one the text, those before it literals. */
#include <assert.h>
#include <stdlib.h>

#include "detect/multi.h"
#include "detect/multi_impl.h"

#define LITERALS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
mark(void *ctx, uint32_t id)
{
	((bool *)ctx)[id] = true;
	return false;
}

static bool
ignore(void *ctx, uint32_t lit, bool re)
{
	(void)ctx;
	(void)lit;
	(void)re;
	return false;
}

static char *
aligned(vg_str s)
{
	char *p = aligned_alloc(64, (s.n + 64) & ~(size_t)63);

	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}

static void
any_bytes(vg_str in)
{
	char *p = aligned(in);
	struct vg_multi *m = NULL;
	struct vg_ac ac;
	uint32_t seen[16] = { 0 };

	if (vg_multi_load((vg_str){ p, in.n }, &m) == VG_OK)
		vg_multi_free(m);
	if (vg_ac_load((vg_str){ p, in.n }, VG_COUNT(seen), &ac) == VG_OK)
		vg_ac_scan(&ac, seen, 1, in, ignore, NULL);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vg_str rest = vg_str_mem(data, size), line, text = VG_NIL;
	struct vg_multi_pattern p[LITERALS_MAX];
	bool got[LITERALS_MAX] = { false };
	struct vg_buf b = { 0 };
	struct vg_multi *m = NULL;
	struct vg_multi_scratch *s;
	uint32_t n = 0;
	char *blob;

	any_bytes(rest);
	while (vg_str_split(&rest, '\n', &line) && n < LITERALS_MAX) {
		text = line;
		if (rest.p)
			p[n] = (struct vg_multi_pattern){ line, 0, n }, n++;
	}
	assert(vg_multi_build(p, n, VG_MULTI_PORTABLE, &b) == VG_OK);
	blob = aligned(vg_buf_str(&b));
	assert(vg_multi_load((vg_str){ blob, b.n }, &m) == VG_OK);
	s = vg_multi_scratch_new(m);
	assert(s && vg_multi_scan(m, s, text, mark, got) == VG_OK);
	for (uint32_t i = 0; i < n; i++)
		assert(got[i] == (p[i].text.n == 0 || vg_str_find(text, p[i].text) != VG_NPOS));
	vg_multi_scratch_free(s);
	vg_multi_free(m);
	free(blob);
	vg_buf_fini(&b);
	return 0;
}
