/* What drills and sources are told by.  The first byte chooses: y, samples in a rule; i, an info.yml; s, what detect saw of a source; p, sets of sources.
 * What is always true: samples are in order of time and within their limits; sets print to the bytes they were read from. */
#include <assert.h>
#include <stdlib.h>

#include "choose.h"
#include "drill/sample.h"
#include "role/seen.h"
#include "role/source_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
tell(void *ctx, vg_str file, uint32_t line, const char *text)
{
	(void)ctx;
	(void)file;
	(void)line;
	assert(text);
}

static void
samples(vg_str s)
{
	struct vg_rule_samples x;

	vg_rule_samples_init(&x, tell, NULL);
	(void)!vg_rule_samples_read(&x, VG_STR("x"), s);
	for (size_t i = 0; i < x.n; i++) {
		assert(x.item[i].nrecord > 0 && x.item[i].nrecord <= VG_RULE_SAMPLE_RECORDS_MAX);
		for (size_t j = 1; j < x.item[i].nrecord; j++)
			assert(x.item[i].record[j - 1].time_ns <= x.item[i].record[j].time_ns);
	}
	vg_rule_samples_fini(&x);
}

static void
info(vg_str s)
{
	struct vg_arena a;
	uint32_t times;
	vg_str rule;

	vg_arena_init(&a, (size_t)16 << 20);
	(void)!vg_rule_samples_info(s, &a, &rule, &times);
	vg_arena_fini(&a);
}

static void
seen(vg_str s)
{
	static struct vg_seen_row row;
	struct vg_cur c = vg_cur_of(s.p, s.n);

	if (vg_seen_take(&c, &row) == VG_OK)
		assert(row.nls <= VG_SEEN_LOGS_MAX && row.nfield <= VG_SEEN_FIELDS_MAX);
}

static void
sets(vg_str s)
{
	struct vg_source_sets x;
	struct vg_buf b = { 0 };

	if (vg_source_sets_read(&x, s) != VG_OK)
		return;
	vg_source_sets_print(&x.s, &b);
	assert(b.rc == VG_OK && vg_str_eq(vg_buf_str(&b), s));
	vg_source_sets_fini(&x);
	vg_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice c[] = { { 'y', samples }, { 'i', info }, { 's', seen }, { 'p', sets }, { 0, NULL } };

	return fuzz_choose(c, data, n);
}
