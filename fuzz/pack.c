/* Packs: the first byte chooses a blob (b), a pattern and a text apart by a NUL (p), or text for CEF, LEEF, CSV and
 * times.  What is always true: what a pattern's field takes stands inside the text.  YAML has a target of its own. */
#include "source/pack.h"

#include <assert.h>
#include <stdlib.h>

#include "choose.h"
#include "source/pack_ir.h"

static void
apply(const struct vg_packs *p, const struct vg_keys *keys, vg_str text)
{
	static const char *const channels[] = { "Security", "sshd", "", "x" };
	struct vg_arena a;
	struct vg_event e;

	vg_arena_init(&a, 4 << 20);
	vg_event_init(&e, &a, keys);
	for (size_t i = 0; i < VG_COUNT(channels); i++) {
		vg_event_reset(&e);
		e.channel = vg_str_of(channels[i]);
		e.code = VG_STR("4624");
		if (vg_event_add(&e, VG_STR("message"), VG_KIND_TEXT, text) == VG_OK &&
		    vg_event_add(&e, VG_STR("EventID"), VG_KIND_TEXT, e.code) == VG_OK &&
		    vg_event_add(&e, VG_STR("Channel"), VG_KIND_TEXT, VG_STR("c")) == VG_OK &&
		    vg_packs_apply(p, &e) == VG_OK)
			for (uint32_t j = 0; j < e.nls; j++)
				assert(e.ls[j].product.n < 1 << 24);
	}
	vg_arena_fini(&a);
}

static vg_rc
load(vg_str blob, vg_str text)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_packs *p = NULL;
	vg_rc rc;

	if (keys == NULL)
		return VG_E_NOMEM;
	if ((rc = vg_packs_load(blob, keys, &p)) == VG_OK)
		apply(p, keys, text);
	vg_packs_free(p);
	vg_keys_free(keys);
	return rc;
}

static void
pattern(vg_str s)
{
	struct vg_pk_cap cap[VG_PK_CAPS_MAX];
	struct vg_pk_pattern p = { 0 };
	size_t cut = vg_str_chr(s, 0), n = 0;
	vg_str text = cut == VG_NPOS ? VG_STR("") : vg_str_skip(s, cut + 1);
	struct vg_arena a;
	const char *why;

	vg_arena_init(&a, 1 << 20);
	if (vg_pk_pattern_parse(vg_str_cut(s, cut), &a, &p, &why) == VG_OK &&
	    vg_pk_pattern_match(&p, text, cap, &n))
		for (size_t i = 0; i < n; i++)
			assert(cap[i].value.n <= text.n && cap[i].op < p.nop);
	vg_arena_fini(&a);
}

static void
texts(vg_str s)
{
	static const struct vg_pk_set column[] = { { VG_STR_INIT("a"), { NULL, 0 }, 0 }, { VG_STR_INIT("b"), { NULL, 0 }, 0 } };
	struct vg_keys *keys = vg_keys_new();
	struct vg_arena a;
	struct vg_event e;
	bool zoned;

	if (keys == NULL)
		return;
	vg_arena_init(&a, 4 << 20);
	vg_event_init(&e, &a, keys);
	if (vg_pk_cef(s, &e) == VG_OK || vg_pk_leef(s, &e) == VG_OK || vg_pk_csv(s, ',', column, 2, &e) == VG_OK)
		assert(e.nfield <= VG_EVENT_FIELDS_MAX);
	(void)vg_pk_time_parse(s, VG_STR("%Y-%m-%d %b %e %I:%M:%S.%f %p %z"), &zoned);
	(void)vg_pk_time_parse(s, VG_STR("epoch"), &zoned);
	(void)vg_pk_time_parse(s, VG_STR("iso"), &zoned);
	vg_arena_fini(&a);
	vg_keys_free(keys);
}

static void
blob(vg_str s)
{
	if (load(s, s) == VG_E_LIMIT)
		abort(); /* a blob over a limit is VG_E_FORMAT */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'b', blob }, { 'p', pattern }, { 0, texts } };

	return fuzz_choose(choices, data, n);
}
