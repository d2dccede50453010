/* What `vault verify` reads of an export, and of the seal's days.log.  The first byte chooses: r, a row of a record; b, of a block; g, of a tree that grew; d, days.log.
 * What is always true: a row that is taken is written the same; nobody guesses a day's signature. */
#include <assert.h>
#include <stdlib.h>

#include "choose.h"
#include "vault/export.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
same(vg_str line, struct vg_buf *b)
{
	assert(b->rc != VG_OK || (b->n == line.n + 1 && vg_str_eq(vg_str_cut(vg_buf_str(b), line.n), line)));
	vg_buf_fini(b);
}

static void
row(vg_str s)
{
	static struct vg_export_row x;
	struct vg_buf b = { 0 };

	if (vg_export_row_take(s, &x) == VG_OK) {
		assert(x.bytes <= VG_RECORD_RAW_MAX && x.proof.n <= VG_PROOF_MAX && x.r.id.n <= VG_RECORD_ID_MAX);
		vg_export_row_print(&x, &b);
		same(s, &b);
	}
}

static void
block(vg_str s)
{
	static struct vg_export_block x;
	struct vg_buf b = { 0 };

	if (vg_export_block_take(s, &x) == VG_OK) {
		vg_export_block_print(&x, &b);
		same(s, &b);
	}
}

static void
grown(vg_str s)
{
	static struct vg_export_grown x;
	struct vg_buf b = { 0 };

	if (vg_export_grown_take(s, &x) == VG_OK) {
		vg_export_grown_print(&x, &b);
		same(s, &b);
	}
}

static void
days(vg_str s)
{
	static struct vg_note_secret log;
	static const uint8_t seed[32] = { 1 };
	struct vg_days d = { .n = 0 };
	size_t bad;

	if (log.key.name[0] == 0 && vg_note_key_of_seed(VG_STR("vigie.test"), seed, &log) != VG_OK)
		abort();
	(void)!vg_days_read(&d, s, &log.key, &bad);
	assert(bad <= s.n && (d.n == 0 || d.day[d.n - 1].at + d.day[d.n - 1].bytes == bad));
	for (size_t i = 1; i < d.n; i++)
		assert(d.day[i].day >= d.day[i - 1].day && d.day[i].at == d.day[i - 1].at + d.day[i - 1].bytes);
	vg_days_free(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'r', row }, { 'b', block }, { 'g', grown }, { 'd', days }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
