/* cmd/indicator.h - what the commands of indicators share. */
#ifndef VG_CMD_INDICATOR_H
#define VG_CMD_INDICATOR_H

#include "cmd/watch.h"
#include "role/learned.h"

/* The folder of indicators, as the watch that ran last on this state used it; made when it is ours and not there.  -1: told why. */
int vg_indicator_folder(struct vg_house *h, char path[4400]);
/* What was learned of each file, sorted by name; @each may use it until it returns.  VG_E_NOTFOUND: no watch ran here yet. */
vg_rc vg_indicator_each(struct vg_house *h, vg_rc (*each)(void *ctx, const struct vg_learned *l), void *ctx) VG_MUST;
/* "12 (7 ip, 5 domain)" */
void vg_indicator_put_counts(struct vg_buf *b, const uint32_t kind[VG_IOC_KINDS]);
/* The name of the file that holds a value added by hand. */
void vg_indicator_file_of(const struct vg_ioc *i, char out[VG_LEARNED_NAME_MAX + 1]);
/* Is @text a value (of --type, or guessed)?  It lies in @buf then.  Else @why says why not. */
bool vg_indicator_value(const char *type, const char *text, char buf[VG_IOC_BUF], struct vg_ioc *out, const char **why);

#endif
