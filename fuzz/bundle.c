/* A self-backup that somebody made.  m: a manifest; what parses is written the same, and its names lead nowhere else.  a: an archive before it is
 * compressed; b: the whole file.  What is given are the members of the manifest, each whole and in order. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "base/io.h"
#include "choose.h"
#include "state/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
manifest(vg_str s)
{
	struct vg_manifest m;
	struct vg_buf again = { 0 };
	uint64_t version;

	if (vg_manifest_parse(s, &m, &version) != VG_OK)
		return;
	vg_manifest_print(&m, &again);
	assert(vg_str_eq(vg_buf_str(&again), s) && version == VG_BUNDLE_VERSION);
	for (size_t i = 0; i < m.n; i++)
		assert(vg_member_name_ok(vg_str_of(m.member[i].name)) && (i == 0 || strcmp(m.member[i - 1].name, m.member[i].name) < 0));
	vg_buf_fini(&again);
	vg_manifest_free(&m);
}

struct seen {
	const struct vg_manifest *m;
	size_t i;
	uint64_t at;
};

static vg_rc
on_begin(void *ctx, const struct vg_manifest *m, char why[VG_BUNDLE_WHY])
{
	(void)why;
	((struct seen *)ctx)->m = m;
	return VG_OK;
}

static vg_rc
on_bytes(void *ctx, size_t i, uint64_t at, vg_str bytes)
{
	struct seen *s = ctx;

	if (i != s->i) {
		assert(i == s->i + 1 && s->at == s->m->member[s->i].size);
		s->i = i;
		s->at = 0;
	}
	assert(at == s->at && bytes.n <= s->m->member[i].size - at);
	s->at += bytes.n;
	return VG_OK;
}

static void
file(vg_str s)
{
	struct seen seen = { .m = NULL };
	struct vg_bundle_ops ops = { on_begin, on_bytes, &seen };
	char why[VG_BUNDLE_WHY];
	struct vg_manifest m;
	struct vg_hash sum, want;
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	vg_rc rc;

	assert(fd >= 0 && vg_write_all(fd, s) == VG_OK && lseek(fd, 0, SEEK_SET) == 0);
	rc = vg_bundle_read(fd, &ops, &m, &sum, why);
	assert((rc == VG_OK) == (why[0] == 0));
	vg_hash_of(s, &want);
	if (rc == VG_OK)
		assert(vg_hash_eq(&sum, &want) && (m.n == 0 || seen.i + 1 == m.n));
	vg_manifest_free(&m);
	close(fd);
}

static void
archive(vg_str s)
{
	size_t cap = ZSTD_compressBound(s.n), n;
	char *z = malloc(cap);

	n = z ? ZSTD_compress(z, cap, s.n ? s.p : "", s.n, 1) : 0;
	if (z && !ZSTD_isError(n))
		file(vg_str_mem(z, n));
	free(z);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'm', manifest }, { 'a', archive }, { 'b', file }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
