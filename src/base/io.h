/* base/io.h - writing all of it, whatever a write takes at a time. */
#ifndef VG_BASE_IO_H
#define VG_BASE_IO_H

#include "base/rc.h"
#include "base/str.h"

/* VG_E_SYS: errno says why; what was written before it stands. */
vg_rc vg_write_all(int fd, vg_str bytes) VG_MUST;
vg_rc vg_pwrite_all(int fd, vg_str bytes, uint64_t at) VG_MUST;

#endif
