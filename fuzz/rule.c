/* Sigma documents; a NUL begins the next text.  What is always true: what is compiled, loads. */
#include "rule/compile.h"

#include <assert.h>
#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct vg_rule_var var[] = { { VG_STR_INIT("a"), VG_STR_INIT("x*") }, { VG_STR_INIT("a"), VG_STR_INIT("%a%") } };
	struct vg_rule_text text[8];
	struct vg_keys *keys = vg_keys_new();
	vg_str rest = vg_str_mem(data, n), part;
	struct vg_buf blob = { 0 };
	struct vg_program p;
	size_t ntext = 0;

	while (keys && ntext < VG_COUNT(text) && vg_str_split(&rest, '\0', &part))
		text[ntext++] = (struct vg_rule_text){ VG_STR("a.yml"), part, VG_STR("DRL 1.1") };
	if (keys && vg_rules_compile(text, ntext, var, VG_COUNT(var), &blob) == VG_OK)
		assert(vg_program_load(vg_buf_str(&blob), keys, &p) == VG_OK);
	vg_buf_fini(&blob);
	vg_keys_free(keys);
	return 0;
}
