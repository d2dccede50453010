/* Indexes.  The input says what to change in a sound one: three bytes of place, one of value, again and again; or, with a first
 * byte of 255, is the index itself.  What is always true: an index that loads can be run over events. */
#include "detect/detect.h"
#include "rule/compile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char rules[] =
	"title: a\nlogsource: {product: x}\ndetection: {s: {f|contains: [abcdef, ghi]}, t: {g|startswith: 'c:\\'}, condition: s or t}\n---\n"
	"title: b\nlogsource: {product: x}\ndetection: {s: {f|endswith: ['\\cmd.exe', abc]}, condition: s}\n---\n"
	"title: c\nlogsource: {product: x}\ndetection: {s: [keyword, another], condition: s}\n---\n"
	"title: d\nlogsource: {product: x}\ndetection: {s: {f|re: 'ab+c[0-9]{2}', EventID: 1}, condition: s}\n";

static struct {
	struct vg_keys *keys;
	struct vg_program p;
	struct vg_buf index;
} sound;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct vg_buf blob; /* the program points into it */
	struct vg_rule_text text = { VG_STR("a.yml"), vg_str_of(rules), VG_STR("x") };

	(void)argc;
	(void)argv;
	sound.keys = vg_keys_new();
	assert(sound.keys && vg_rules_compile(&text, 1, NULL, 0, &blob) == VG_OK);
	assert(vg_program_load(vg_buf_str(&blob), sound.keys, &sound.p) == VG_OK && sound.p.nrule == 4);
	assert(vg_index_build(&sound.p, VG_INDEX_PORTABLE, &sound.index) == VG_OK);
	return 0;
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, uint32_t rule)
{
	(void)ctx;
	(void)e;
	assert(rule < sound.p.nrule);
	return VG_OK;
}

static void
run(const struct vg_index *x)
{
	static const struct vg_detector_options o = { .cache_bytes = 1 << 12 };
	static const struct vg_logsource ls = { VG_STR_INIT("x"), { NULL, 0 }, { NULL, 0 } };
	struct vg_detector *d = vg_detector_new(&sound.p, x, &o);
	struct vg_arena a;
	struct vg_event e;

	assert(d);
	vg_arena_init(&a, 1 << 20);
	vg_event_init(&e, &a, sound.keys);
	for (int i = 0; i < 2; i++) {
		vg_event_reset(&e);
		e.ls = &ls;
		e.nls = 1;
		e.raw = VG_STR("one keyword in it");
		(void)!vg_event_add(&e, VG_STR("EventID"), VG_KIND_TEXT, VG_STR("1"));
		(void)!vg_event_add(&e, VG_STR("f"), VG_KIND_TEXT, VG_STR("xabcdef abbbc12 keyword c:\\cmd.exe"));
		(void)!vg_event_add(&e, VG_STR("g"), VG_KIND_TEXT, VG_STR("c:\\users\\another"));
		(void)!vg_detect(d, &e, on_hit, NULL);
	}
	vg_detector_free(d);
	vg_arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	bool own = n && data[0] == 255;
	size_t size = own ? n - 1 : sound.index.n;
	char *blob = aligned_alloc(64, (size + 64) & ~(size_t)63);
	struct vg_index *x;

	assert(blob);
	if (size)
		memcpy(blob, own ? (const char *)data + 1 : sound.index.p, size);
	for (size_t i = 0; !own && i + 4 <= n; i += 4)
		blob[((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % size] = (char)data[i + 3];
	if (vg_index_load(vg_str_mem(blob, size), &sound.p, &x) == VG_OK) {
		run(x);
		vg_index_free(x);
	}
	free(blob);
	return 0;
}
