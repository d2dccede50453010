/* proc/view.h - another root folder for one that may read in several places: a file system of its own that has nothing but these, read-only,
 * at the paths where they always were, links included.  Needs a mount namespace, and an ordinary user a user namespace for that. */
#ifndef VG_PROC_VIEW_H
#define VG_PROC_VIEW_H

#include "proc/sandbox.h"

/* @l->see becomes all that can be seen; @l->dir is the same folder as before, without a way up from it.  false: the root is the
 * old one. */
bool vg_view_enter(const struct vg_sandbox_limits *l);

#endif
