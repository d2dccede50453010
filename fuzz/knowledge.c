/* What a parent hands to its processes behind a descriptor: rules, index and packs, compiled.  The input says what to change in a sound one: three bytes
 * of place, one of value, again and again; or, with a first byte of 255, is all of it.  What is always true: what loads can be run. */
#include <assert.h>
#include <sys/mman.h>

#include "knowledge.h"
#include "source/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static vg_rc
on_hit(void *ctx, const struct vg_event *e, uint32_t rule)
{
	const struct vg_knowledge *k = ctx;

	(void)e;
	assert(rule < k->program.nrule);
	return VG_OK;
}

struct run {
	struct vg_knowledge *k;
	struct vg_detector *d;
};

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct run *r = ctx;

	return e->nls ? vg_detect(r->d, e, on_hit, r->k) : VG_OK;
}

static void
use(struct vg_knowledge *k)
{
	static const char *const line[] = { "<34>Oct 11 22:14:15 h su: FAILED su for root by eve", "<34>Oct 11 22:14:15 h su: (to root) mallory on pts/1",
					    "{\"winlog\":{\"event_id\":4625,\"channel\":\"Security\"},\"u\":\"bob1\",\"p\":\"10.1.2.3\"}", "plain" };
	struct vg_detector_options o = { .cache_bytes = 1 << 12 };
	struct vg_decoder decoder;
	struct run r = { k, vg_detector_new(&k->program, k->index, &o) };

	assert(r.d);
	vg_decoder_init(&decoder, k->packs, k->keys, 0);
	for (size_t i = 0; i < VG_COUNT(line); i++)
		(void)!vg_decoder_record(&decoder, vg_str_of(line[i]), INT64_C(1790000000000000000), on_event, &r);
	vg_decoder_fini(&decoder);
	vg_detector_free(r.d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char sound[1 << 20];
	static size_t nsound;
	static int mem = -1;
	bool own = n && data[0] == 255;
	struct vg_knowledge k;
	char why[400];
	ssize_t got;

	if (mem < 0) {
		if ((got = pread(fuzz_knowledge(), sound, sizeof(sound), 0)) <= 0 || got == sizeof(sound) || (mem = memfd_create("fuzz", MFD_CLOEXEC)) < 0)
			abort();
		nsound = (size_t)got;
	}
	if (ftruncate(mem, 0) < 0 || pwrite(mem, own ? (const char *)data + 1 : sound, own ? n - 1 : nsound, 0) < 0)
		abort();
	for (size_t i = 0; !own && i + 4 <= n; i += 4)
		if (pwrite(mem, data + i + 3, 1, (off_t)(((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % nsound)) != 1)
			abort();
	if (vg_knowledge_open(mem, &k, why) == VG_OK) {
		use(&k);
		vg_knowledge_fini(&k);
	} else {
		assert(why[0]);
	}
	return 0;
}
