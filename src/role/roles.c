#include "role/roles.h"

#include <stdlib.h>
#include <string.h>

static const struct vg_role_impl *const impls[] = {
	&vg_collect_role, &vg_local_role, &vg_vault_role, &vg_detect_role, &vg_trace_role, &vg_seal_role, &vg_publish_role,
	&vg_learn_role, &vg_look_role, &vg_out_role, &vg_respond_role,
};

int
vg_role_main(const char *name, const char *index)
{
	uint64_t n;

	if (!vg_str_u64(vg_str_of(index), &n) || n >= VG_ROLE_INDEX_MAX)
		return 2;
	for (size_t i = 0; i < VG_COUNT(impls); i++)
		if (strcmp(vg_role_name(impls[i]->role), name) == 0)
			return vg_role_run(impls[i], (unsigned)n, 3);
	return 2;
}
