/* cmd/common.h - what several commands do. */
#ifndef VG_CMD_COMMON_H
#define VG_CMD_COMMON_H

#include "cmd/cmd.h"
#include "hunt/hunt.h"

/* Create or empty @path for writing; -1 when it cannot be, which was told. */
int vg_open_output(const char *path);
/* Walk all operands.  VG_EXIT_OK, or another exit code when it was told why not. */
int vg_gather_files(const struct vg_args *a, struct vg_file_list *out);
/* Rules and packs, by --rules, --only-rules, --var, --vars, --no-cache, --portable.  As above. */
int vg_load_knowledge(const struct vg_args *a, struct vg_knowledge *out);

#endif
