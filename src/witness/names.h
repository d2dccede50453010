/* witness/names.h - which files of a tenant's folder travel between a watch, its witness and a new watch, and how they are listed.
 * One table; a name that no row has is neither served nor asked for, whatever stands in the folder. */
#ifndef VG_WITNESS_NAMES_H
#define VG_WITNESS_NAMES_H

#include "base/buf.h"

#define VG_TENANT_NAME_MAX 64 /* with NUL */
#define VG_SHARED_NAME_MAX 96 /* with NUL */
#define VG_LIST_FILES_MAX 200000
#define VG_LIST_BYTES_MAX ((size_t)16 << 20)
#define VG_TENANTS_MAX 1000
#define VG_CHECKPOINT_FILE "checkpoint"
#define VG_LOG_KEY_FILE "log.pub"
#define VG_WITNESS_KEY_FILE "witness.pub" /* beside the tenants' folders */

enum vg_shared {
	VG_SHARED_NOT,
	VG_SHARED_SEGMENT, /* grows; all others are written once */
	VG_SHARED_KEY,     /* wrapped keys of days */
	VG_SHARED_STAMP,
	VG_SHARED_LOG_KEY,
	VG_SHARED_TILE,    /* follows from the segments, so it is served and not listed */
	VG_SHARED_SEEN,    /* checkpoints that a witness saw, a file a day: served and not listed */
};
#define VG_SHARED_SMALL_MAX ((size_t)1 << 20) /* bytes of one that is no segment */

/* Letters, digits, '-', '_' and '.', the first a letter or digit. */
bool vg_is_tenant_name(vg_str s);
enum vg_shared vg_shared_of(vg_str name);

/* The list of a tenant's folder: "SIZE NAME\n" a file, names ascending.  VG_E_SYS, VG_E_LIMIT. */
vg_rc vg_list_print(int dir, struct vg_buf *out) VG_MUST;
/* VG_E_FORMAT: not such a list, to the byte.  VG_E_LIMIT.  Rows before it were told then; not VG_OK of @each ends it. */
typedef vg_rc vg_list_fn(void *ctx, vg_str name, enum vg_shared what, uint64_t size);
vg_rc vg_list_parse(vg_str text, vg_list_fn *each, void *ctx) VG_MUST;
/* The same for tenants: "NAME\n" a folder. */
vg_rc vg_tenants_print(int dir, struct vg_buf *out) VG_MUST;
vg_rc vg_tenants_parse(vg_str text, vg_rc (*each)(void *ctx, vg_str name), void *ctx) VG_MUST;

/* Open a file below @dir for reading, following no link.  VG_E_NOTFOUND: it is not there, or no plain file. */
vg_rc vg_shared_open(int dir, const char *name, int *fd, uint64_t *size) VG_MUST;

#endif
