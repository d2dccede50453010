/* state/bundle_impl.h - the archive's headers, for who writes and who reads. */
#ifndef VG_STATE_BUNDLE_IMPL_H
#define VG_STATE_BUNDLE_IMPL_H

#include "state/bundle.h"

#define VG_TAR_BLOCK 512

/* The header of a plain file, POSIX.1-2008 "ustar Interchange Format": mode 0600, of nobody, of 1970.  VG_E_LIMIT: the name cannot be split. */
vg_rc vg_tar_head(const char *name, uint64_t size, char out[VG_TAR_BLOCK]) VG_MUST;
static inline size_t
vg_tar_padding(uint64_t size)
{
	return (size_t)(-size & (VG_TAR_BLOCK - 1));
}

#endif
