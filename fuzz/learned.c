/* What learn wrote, and what detect and look tell.  The first byte chooses: r, what was read of a file; j, a job; f, findings.  What is always true: what
 * can be taken can be put, and is then the same. */
#include "role/learned.h"

#include <assert.h>
#include <stdlib.h>

#include "choose.h"
#include "role/found.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
read_(vg_str s)
{
	struct vg_cur c = vg_cur_of(s.p, s.n);
	struct vg_buf b = { 0 };
	struct vg_learned l;
	struct vg_ioc i;
	char buf[VG_IOC_BUF];

	if (vg_learned_take(&c, &l) == VG_OK) {
		vg_learned_put(&b, &l);
		assert(b.rc == VG_OK && vg_str_eq(vg_buf_str(&b), vg_str_cut(s, vg_cur_at(&c))));
		for (uint64_t k = vg_cur_le64(&c); k && c.rc == VG_OK; k--)
			if (vg_learned_take_entry(&c, buf, &i) == VG_OK)
				assert(i.kind < VG_IOC_KINDS && i.value.n > 0 && i.value.n <= VG_IOC_BUF);
	}
	vg_buf_fini(&b);
}

static void
job(vg_str s)
{
	char *p = aligned_alloc(8, (s.n + 8) / 8 * 8);
	struct vg_job j;

	if (p == NULL)
		abort();
	if (s.n)
		memcpy(p, s.p, s.n);
	if (vg_job_take(vg_str_mem(p, s.n), &j) == VG_OK) {
		assert(j.set.p == NULL || ((uintptr_t)j.set.p % 8 == 0 && j.set.p + j.set.n == p + s.n));
		free(j.piece);
	}
	free(p);
}

static void
findings(vg_str s)
{
	static struct vg_found f;
	struct vg_cur c = vg_cur_of(s.p, s.n);

	while (vg_cur_left(&c)) {
		size_t at = vg_cur_at(&c);
		struct vg_buf b = { 0 }, met = { 0 };

		if (vg_found_take(&c, &f) != VG_OK)
			break;
		for (uint32_t i = 0; i < f.nmet; i++)
			vg_met_put(&met, &f.met[i]);
		f.met_bytes = vg_buf_str(&met);
		vg_found_put(&b, &f);
		assert(b.rc == VG_OK && vg_str_eq(vg_buf_str(&b), vg_str_mem(s.p + at, vg_cur_at(&c) - at)));
		vg_buf_fini(&b);
		vg_buf_fini(&met);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'r', read_ }, { 'j', job }, { 'f', findings }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
