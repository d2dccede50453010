/* knowledge/cache.h - compiled rules on disk, one file a key, in $XDG_CACHE_HOME/vigie or ~/.cache/vigie.  Failing costs only time. */
#ifndef VG_KNOWLEDGE_CACHE_H
#define VG_KNOWLEDGE_CACHE_H

#include <limits.h>

#include "base/str.h"

#define VG_CACHE_KEPT 8 /* files; some nine megabytes each with all SigmaHQ rules */

/* Where @key's file is.  false: there is no folder that only this user can write. */
bool vg_cache_path(const unsigned char key[32], char path[PATH_MAX]);
/* Open it for reading; -1 when it is not there, or another user could have written it. */
int vg_cache_open(const char *path);
/* Written beside and renamed, so that a reader never sees half of it; then those not used for longest go. */
void vg_cache_write(const char *path, vg_str blob);

#endif
