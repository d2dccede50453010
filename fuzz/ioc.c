/* Indicators: 'f' a file of them, 'F' the same with all of MISP's attributes, 'p' a STIX pattern, 'v' one value of each kind.
 * What is always true: what is taken is as it would be written again, and everything taken or not is counted. */
#include "choose.h"

#include <assert.h>
#include <stdlib.h>

#include "source/ioc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct vg_ioc *i)
{
	char buf[VG_IOC_BUF], keyword[VG_IOC_BUF];
	struct vg_ioc again;
	vg_str k;

	assert(i->kind < VG_IOC_KINDS && i->value.n > 0 && i->value.n <= VG_IOC_BUF);
	assert(i->note.n <= VG_IOC_NOTE_MAX && i->source.n <= VG_IOC_NOTE_MAX);
	if (vg_ioc_keyword(i, keyword, &k))
		assert(k.n > 0);
	if (i->kind == VG_IOC_IP || i->kind == VG_IOC_NET) {
		assert(i->bits >= 16 && i->bits <= 128 && (i->bits == 128) == (i->kind == VG_IOC_IP));
		assert(vg_ioc_set(&again, i->kind, i->value, buf) == VG_OK && memcmp(again.addr, i->addr, 16) == 0 && again.bits == i->bits);
	} else if (i->kind >= VG_IOC_MD5 && i->kind <= VG_IOC_SHA512) {
		assert(vg_ioc_set(&again, i->kind, i->value, buf) == VG_OK && vg_str_eq(again.value, i->value));
	}
}

static vg_rc
on_entry(void *ctx, const struct vg_ioc *i)
{
	++*(uint64_t *)ctx;
	check(i);
	return VG_OK;
}

static void
read_file(vg_str s, bool all)
{
	uint64_t taken = 0;
	struct vg_ioc_reader r = { .text = s, .all = all, .expires_ns = VG_TIME_NONE, .ctx = &taken, .entry = on_entry };

	if (vg_ioc_read(&r) == VG_OK || r.n.taken)
		assert(r.n.taken == taken);
}

static void
some(vg_str s)
{
	read_file(s, false);
}

static void
every(vg_str s)
{
	read_file(s, true);
}

static void
pattern(vg_str s)
{
	static struct vg_stix_arm arm[VG_IOC_ARMS_MAX];
	struct vg_arena a;
	size_t n;

	vg_arena_init(&a, (size_t)64 << 20);
	if (vg_stix_pattern(s, &a, arm, &n) == VG_OK) {
		assert(n > 0 && n <= VG_IOC_ARMS_MAX);
		for (size_t i = 0; i < n; i++)
			assert(arm[i].path.n > 0 && arm[i].kind <= VG_IOC_KINDS && arm[i].value.n <= s.n);
	}
	vg_arena_fini(&a);
}

static void
values(vg_str s)
{
	static char buf[VG_IOC_BUF];
	struct vg_ioc i = { 0 };

	for (unsigned k = 0; k <= VG_IOC_KINDS; k++)
		if (vg_ioc_set(&i, (enum vg_ioc_kind)k, s, buf) == VG_OK)
			check(&i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_choice choices[] = { { 'f', some }, { 'F', every }, { 'p', pattern }, { 'v', values }, { 0, NULL } };

	return fuzz_choose(choices, data, size);
}
