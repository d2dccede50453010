/* witness/destroy.h - what the watch destroyed, destroyed in the copy too: the key of the blocks, and their stored bytes.  Not because the watch
 * says so: whoever holds the watch's machine holds the log's key.  A certificate is obeyed when it rests on an order of the company's
 * recovery key; or when it was announced, the announcement has stood in this copy for a day, and the day is as old as this
 * witness's own settings ask.  Else the copy keeps what it has, and says so. */
#ifndef VG_WITNESS_DESTROY_H
#define VG_WITNESS_DESTROY_H

#include "witness/copy.h"

#define VG_WITNESS_KEEP_DAYS 180

struct vg_destroy_rule {
	int64_t now_ns;
	int64_t keep_ns; /* what is younger goes by the recovery key's order alone */
};
typedef void vg_destroy_fn(void *ctx, bool done, const char *text); /* done, or kept: for the log */
/* Go through the copy's certificates. */
vg_rc vg_copy_destroy(struct vg_copy *c, const struct vg_destroy_rule *r, vg_destroy_fn *tell, void *ctx) VG_MUST;
/* Is there a certificate for the key, signed by the log, that rests on something?  Then its blocks may come as zeros. */
bool vg_copy_is_destroyed(struct vg_copy *c, uint32_t key);

#endif
