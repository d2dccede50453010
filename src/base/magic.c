#include "base/magic.h"

vg_rc
vg_magic_check(vg_str bytes, vg_str magic)
{
	vg_str have = vg_str_cut(bytes, magic.n);
	size_t from = 0, to;

	if (have.n < magic.n)
		return vg_str_starts(magic, have) ? VG_E_TRUNC : VG_E_FORMAT;
	if (vg_str_eq(have, magic))
		return VG_OK;
	while (from < magic.n && !vg_is_digit(magic.p[from]))
		from++;
	for (to = from; to < magic.n && vg_is_digit(magic.p[to]); to++)
		if (!vg_is_digit(have.p[to]))
			return VG_E_FORMAT;
	if (!vg_str_eq(vg_str_cut(have, from), vg_str_cut(magic, from)) || !vg_str_eq(vg_str_skip(have, to), vg_str_skip(magic, to)))
		return VG_E_FORMAT;
	return vg_str_cmp(have, magic) > 0 ? VG_E_UNSUP : VG_E_FORMAT; /* as many digits: the order of bytes is that of numbers */
}
