/* What is always true of detect/regex.h: an expression that passes the check can be made, gives the same answer again, and
 * where it is found, so is the literal that it must contain, and so does its widened form pass the check of ours.
 * Input: a byte of flags, the expression, a newline, the text. */
#include <assert.h>
#include <stdlib.h>

#include "base/utf.h"
#include "detect/multi.h"
#include "detect/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vg_str in = vg_str_mem(data, size), re;
	unsigned flags;
	char why[160] = "";
	struct vg_regex *r = NULL;
	struct vg_buf wide = { 0 };
	struct vg_arena a;
	bool yes;

	if (size < 2 || size > 4096)
		return 0;
	flags = (unsigned)data[0] & (VG_MULTI_RE_I | VG_MULTI_RE_M | VG_MULTI_RE_S);
	in = vg_str_skip(in, 1);
	vg_str_split(&in, '\n', &re);
	if (vg_regex_check(re, flags, why) != VG_OK) {
		assert(why[0]);
		assert(vg_regex_new(re, flags, &r) != VG_OK);
		return 0;
	}
	assert(vg_regex_new(re, flags, &r) == VG_OK);
	vg_arena_init(&a, 64 << 20);
	yes = vg_regex_search(r, in);
	assert(vg_regex_search(r, in) == yes);
	if (yes) {
		char *folded = vg_arena_alloc(&a, VG_FOLD_MAX(in.n));
		vg_str f = { folded, vg_fold(in, folded) };

		assert(vg_str_find(f, vg_regex_required(re, flags, &a)) != VG_NPOS);
		assert(vg_str_find(in, vg_regex_literal(re, flags, &a)) != VG_NPOS);
	}
	assert(vg_regex_widen(re, flags, &wide) == VG_OK);
	vg_buf_fini(&wide);
	vg_regex_free(r);
	vg_arena_fini(&a);
	return 0;
}
