/* role/local_see.h - what `local` may read of this machine: the folders that its patterns lead to, and the journal of systemd; of the folder that
 * the watch keeps its own state in, nothing by accident. */
#ifndef VG_ROLE_LOCAL_SEE_H
#define VG_ROLE_LOCAL_SEE_H

#include "base/rc.h"
#include "base/str.h"

#define VG_SEE_MAX 4096 /* paths of each list; what is behind them cannot be read, and `vigie status` counts it so */

struct vg_see_list {
	const char *path[VG_SEE_MAX + 1]; /* owned; ends with NULL */
	size_t n;
};
struct vg_see {
	struct vg_see_list read, names; /* files and folders that it may read; folders of which it may see the names */
};
/* Of each pattern (NULL ends them) the folder that it begins in, or the nearest above it that is there; of what it matches now the folders,
 * and of what is a link the file itself.  What @own, a folder of the watch, lies in is not read as a whole: its names are seen, and what is
 * matched now is read, file by file.  @journal: and systemd's. */
vg_rc vg_see_of(const char *const *glob, bool journal, int own, struct vg_see *out) VG_MUST;
void vg_see_fini(struct vg_see *s);

#endif
