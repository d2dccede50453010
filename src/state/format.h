/* state/format.h - "format" in a state folder: which version the folder's files are of, as a whole.  One line, "vigie WHAT N SUM\n", SUM being the
 * first 8 hexadecimal digits of SHA-256 over what stands before it; a folder without the file is of version 1.  Files that say no version of their own (keys, the seal's state, cursors) go by it, and so does everything that an older
 * program would take for a write that the power ended and cut off.  Whoever changes one of these raises it. */
#ifndef VG_STATE_FORMAT_H
#define VG_STATE_FORMAT_H

#include "vault/disk.h"

#define VG_FORMAT_FILE "format"
#define VG_STATE_VERSION 1   /* of a watch's folder, "state" */
#define VG_WITNESS_VERSION 1 /* of a witness's, "witness" */

/* May this program use the folder?  VG_E_UNSUP: a later version wrote it.  VG_E_REFUSED: it is another kind's.  VG_E_FORMAT: damaged.  Each told in
 * @why, for a person.  @path is how the person calls the folder. */
vg_rc vg_format_check(struct vg_disk *d, const char *path, const char *what, unsigned known, char why[300]) VG_MUST;
/* Write it down, where it is not yet. */
vg_rc vg_format_write(struct vg_disk *d, const char *what, unsigned version) VG_MUST;

#endif
