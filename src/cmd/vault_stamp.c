/* cmd/vault_stamp.c - `vigie vault stamp`: have the newest checkpoint stamped now. */
#include "cmd/watch.h"

const struct vg_opt vg_vault_stamp_opts[] = {
	VG_STATE_OPTION,
	{ "--tenant", VG_OPT_TEXT, "NAME", "of one tenant (default: all)" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

int
vg_cmd_vault_stamp(const struct vg_args *a)
{
	const char *tenant = vg_arg(a, "--tenant");

	return vg_ask_watch(a, "stamp", tenant ? tenant : "");
}
