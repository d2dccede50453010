/* role/roles.h - the roles that the program can be. */
#ifndef VG_ROLE_ROLES_H
#define VG_ROLE_ROLES_H

#include "proc/role.h"

extern const struct vg_role_impl vg_collect_role, vg_local_role, vg_vault_role, vg_detect_role, vg_trace_role, vg_seal_role, vg_publish_role,
	vg_learn_role, vg_look_role, vg_out_role, vg_respond_role;

/* What `vigie role NAME INDEX` runs; never by hand. */
int vg_role_main(const char *name, const char *index);

#endif
