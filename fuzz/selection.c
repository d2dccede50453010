/* What a person may type: what is compiled, loads and is one rule; what is not says where, within the text. */
#include "rule/selection.h"

#include <assert.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_selection_error err;
	struct vg_buf blob = { 0 };
	struct vg_program p;
	vg_rc rc = vg_selection_compile(vg_str_mem(data, n), &blob, &err);

	if (keys && rc == VG_OK) {
		assert(vg_program_load(vg_buf_str(&blob), keys, &p) == VG_OK);
		assert(p.nrule == 1 && p.rule[0].kind == VG_RULE_BASE);
	} else if (rc == VG_E_FORMAT || rc == VG_E_LIMIT) {
		assert(err.at <= n && err.text[0]);
	}
	vg_buf_fini(&blob);
	vg_keys_free(keys);
	return 0;
}
