/* Sets of indicators.  The input: a byte for how many changes, changes of a sound blob (three bytes of place, one of value), then
 * the text of an event.  What is always true: whatever blob loads can be asked, and a sound one gives only what is in it. */
#include "detect/indicator.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vg_buf sound;

static void
make(void)
{
	static const struct {
		enum vg_ioc_kind kind;
		const char *text;
	} all[] = { { VG_IOC_IP, "192.0.2.1" }, { VG_IOC_IP, "2001:db8::1" }, { VG_IOC_NET, "10.0.0.0/8" }, { VG_IOC_NET, "10.1.0.0/16" },
		    { VG_IOC_DOMAIN, "evil.example" }, { VG_IOC_URL, "http://evil.example/x?y" }, { VG_IOC_EMAIL, "a@evil.example" },
		    { VG_IOC_MD5, "d41d8cd98f00b204e9800998ecf8427e" }, { VG_IOC_FILE, "evil.exe" }, { VG_IOC_FILE, "c:\\\xc3\xa9.exe" },
		    { VG_IOC_USER, "backdoor" }, { VG_IOC_TEXT, "global\\mutex" } };
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_indicator_made made;
	char buf[VG_IOC_BUF];

	for (size_t k = 0; k < VG_COUNT(all); k++) {
		struct vg_ioc i = { .expires_ns = VG_TIME_NONE, .note = VG_STR("n") };

		assert(vg_ioc_set(&i, all[k].kind, vg_str_of(all[k].text), buf) == VG_OK);
		assert(b && vg_indicator_build_add(b, VG_STR("f"), &i) == VG_OK);
		assert(vg_indicator_build_add(b, VG_STR("g"), &i) == VG_OK);
	}
	assert(vg_indicator_build_finish(b, &sound, &made) == VG_OK && made.entries == 2 * VG_COUNT(all));
	vg_indicator_build_free(b);
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, const struct vg_indicator_hit *h)
{
	size_t *sum = ctx;

	(void)e;
	assert(h->kind < VG_IOC_KINDS);
	for (size_t i = 0; i < h->file.n + h->note.n + h->source.n; i++)
		*sum += (uint8_t)(i < h->file.n ? h->file.p[i] : i - h->file.n < h->note.n ? h->note.p[i - h->file.n] :
				  h->source.p[i - h->file.n - h->note.n]);
	assert(h->found.n == 0 || (h->field ? h->found.p >= h->field->value.p : h->found.p >= e->raw.p));
	return VG_OK;
}

static void
match(const struct vg_indicators *x, const uint8_t *text, size_t n)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_arena a;
	struct vg_event e;
	size_t sum = 0;
	vg_rc rc;

	vg_arena_init(&a, (size_t)16 << 20);
	vg_event_init(&e, &a, keys);
	e.raw = vg_str_mem(text, n);
	rc = vg_indicators_match(x, &e, 0, on_hit, &sum);
	assert(rc == VG_OK || rc == VG_E_LIMIT);
	assert(vg_event_add(&e, VG_STR("x"), VG_KIND_TEXT, e.raw) == VG_OK);
	rc = vg_indicators_match(x, &e, INT64_MAX, on_hit, &sum);
	assert(rc == VG_OK || rc == VG_E_LIMIT);
	vg_arena_fini(&a);
	vg_keys_free(keys);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vg_indicators x;
	size_t changes;
	char *blob;

	if (sound.n == 0)
		make();
	if (n == 0 || (blob = malloc(sound.n)) == NULL)
		return 0;
	changes = data[0] < (n - 1) / 4 ? data[0] : (n - 1) / 4;
	memcpy(blob, sound.p, sound.n);
	for (size_t i = 0; i < changes; i++)
		blob[((size_t)data[4 * i + 1] << 16 | (size_t)data[4 * i + 2] << 8 | data[4 * i + 3]) % sound.n] = (char)data[4 * i + 4];
	if (vg_indicators_load(vg_str_mem(blob, sound.n), &x) == VG_OK)
		match(&x, data + 1 + 4 * changes, n - 1 - 4 * changes);
	free(blob);
	return 0;
}
