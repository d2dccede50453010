#include "vault/checkpoint.h"

#include <sodium.h>
#include <stdio.h>

#include "base/time.h"

#define ROOT_TEXT 44 /* 32 bytes in base64 */

void
vg_checkpoint_print(const struct vg_checkpoint *c, struct vg_buf *b)
{
	char root[ROOT_TEXT + 1], when[VG_TIME_MAX];
	size_t n = vg_time_print(c->time_ns, 9, when);

	(void)sodium_bin2base64(root, sizeof(root), c->root.b, VG_HASH_BYTES, sodium_base64_VARIANT_ORIGINAL);
	vg_buf_printf(b, "%s\n%llu\n%s\nseq %llu\nepoch %llu\ntime %.*s\n", c->origin, (unsigned long long)c->size, root,
		      (unsigned long long)c->seq, (unsigned long long)c->epoch, (int)n, when);
}

/* The next line is @word and then a number. */
static bool
take_number(vg_str *rest, const char *word, uint64_t *out)
{
	vg_str line, w = vg_str_of(word);

	return vg_str_split(rest, '\n', &line) && vg_str_starts(line, w) && vg_str_u64(vg_str_skip(line, w.n), out);
}

vg_rc
vg_checkpoint_parse(vg_str text, struct vg_checkpoint *out)
{
	vg_str rest = text, line;
	struct vg_checkpoint c = { .origin = "" };
	struct vg_buf again = { 0 };
	size_t got = 0;
	bool same;

	if (!vg_str_split(&rest, '\n', &line) || line.n == 0 || line.n >= VG_ORIGIN_MAX || memchr(line.p, 0, line.n))
		return VG_E_FORMAT;
	memcpy(c.origin, line.p, line.n);
	if (!take_number(&rest, "", &c.size))
		return VG_E_FORMAT;
	if (!vg_str_split(&rest, '\n', &line) || line.n != ROOT_TEXT ||
	    sodium_base642bin(c.root.b, VG_HASH_BYTES, line.p, line.n, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 || got != VG_HASH_BYTES)
		return VG_E_FORMAT;
	if (!take_number(&rest, "seq ", &c.seq) || !take_number(&rest, "epoch ", &c.epoch) || !vg_str_split(&rest, '\n', &line) ||
	    !vg_str_starts(line, VG_STR("time ")) || (c.time_ns = vg_time_parse(vg_str_skip(line, 5), 0)) == VG_TIME_NONE)
		return VG_E_FORMAT;
	vg_checkpoint_print(&c, &again); /* there is one way to write it */
	same = again.rc == VG_OK && vg_str_starts(text, vg_buf_str(&again));
	vg_buf_fini(&again);
	if (same)
		*out = c;
	return same ? VG_OK : VG_E_FORMAT;
}
