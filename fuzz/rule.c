/* Sigma documents; a NUL begins the next text.  As rules, and as exceptions when it is 2026.  What is always true: what is compiled,
 * loads; and an exception that is applied says who, why and until when. */
#include "rule/compile.h"

#include <assert.h>
#include <stdlib.h>

#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compile(const struct vg_rule_text *text, size_t n, const struct vg_rules_options *o)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_buf blob = { 0 };
	struct vg_program p;

	if (keys && vg_rules_compile_with(text, n, o, &blob) == VG_OK) {
		assert(vg_program_load(vg_buf_str(&blob), keys, &p) == VG_OK);
		assert(p.valid_from_ns <= o->now_ns && o->now_ns < p.valid_until_ns);
		for (uint32_t i = 0; o->origin && i < p.nfilter; i++)
			assert(p.filter[i].author.len && p.filter[i].reason.len && p.filter[i].expires_ns < INT64_MAX &&
			       (!p.filter[i].expired || p.filter[i].nrule == 0));
	}
	vg_buf_fini(&blob);
	vg_keys_free(keys);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vg_rule_var var[] = { { VG_STR_INIT("a"), VG_STR_INIT("x*") }, { VG_STR_INIT("a"), VG_STR_INIT("%a%") } };
	static const uint8_t origin[9] = { VG_ORIGIN_SHIPPED, VG_ORIGIN_EXCEPTION, VG_ORIGIN_EXCEPTION, VG_ORIGIN_EXCEPTION, VG_ORIGIN_EXCEPTION,
					   VG_ORIGIN_EXCEPTION, VG_ORIGIN_EXCEPTION, VG_ORIGIN_EXCEPTION, VG_ORIGIN_EXCEPTION };
	struct vg_rule_text text[9] = { { VG_STR("b.yml"), VG_STR("title: A\nid: b\nlogsource: {}\ndetection: {s: {a: 1}, condition: s}\n"), VG_NIL } };
	vg_str rest = vg_str_mem(data, size), part;
	size_t n = 1;

	while (n < VG_COUNT(text) && vg_str_split(&rest, '\0', &part))
		text[n++] = (struct vg_rule_text){ VG_STR("a.yml"), part, VG_STR("DRL 1.1") };
	compile(text + 1, n - 1, &(struct vg_rules_options){ var, VG_COUNT(var), NULL, 0 });
	compile(text, n, &(struct vg_rules_options){ var, VG_COUNT(var), origin, INT64_C(1780000000) * VG_SEC });
	return 0;
}
