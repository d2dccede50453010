/* source/utmp.h - wtmp, btmp and utmp of Linux on 64-bit x86 and its kind: records of 384 bytes (utmp(5), glibc
 * bits/utmp.h with 32-bit times).  Fields have the names of the structure: ut_type, ut_pid, ut_line, ut_id,
 * ut_user, ut_host, ut_addr...; channel is wtmp, btmp or utmp by the file's name.  Records that were zeroed, a
 * size that is no multiple, and time that goes back are noted: editors of these files leave them. */
#ifndef VG_SOURCE_UTMP_H
#define VG_SOURCE_UTMP_H

#include "source/format.h"

#define VG_UTMP_RECORD 384
#define VG_UTMP_BACK_S 60 /* writers do not wait for each other: less is no sign of anything */

int vg_utmp_probe(vg_str head, bool whole, vg_str filename);
vg_rc vg_utmp_read(struct vg_reader *r) VG_MUST;

#endif
