/* role/retention.h - how long records are kept, as the parent tells the vault and the seal: for each tenant and each class of sources that the settings
 * name a line "TENANT CLASS SECONDS".  The seal has it from the parent and not from the vault, so that a vault that was taken over destroys nothing
 * before its time. */
#ifndef VG_ROLE_RETENTION_H
#define VG_ROLE_RETENTION_H

#include "base/buf.h"
#include "base/time.h"
#include "settings/settings.h"

#define VG_RETENTION_MAX_NS (3650 * VG_DAY)

void vg_retention_print(const struct vg_settings *s, struct vg_buf *out);
/* As the class's line says; a class without one as "default".  No line at all: VG_RETENTION_MAX_NS. */
int64_t vg_retention_keep_ns(vg_str retention, vg_str tenant, vg_str class);
/* Each class that is named.  Not VG_OK ends it. */
vg_rc vg_retention_each(vg_str retention, vg_str tenant, vg_rc (*each)(void *ctx, vg_str class, int64_t keep_ns), void *ctx) VG_MUST;

#endif
