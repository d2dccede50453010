/* cmd/weaker.h - what about a machine or its settings makes a watch weaker than it could be, and what to do about it. */
#ifndef VG_CMD_WEAKER_H
#define VG_CMD_WEAKER_H

#include "role/house.h"

/* As a section of `vigie status`: nothing when there is nothing.  @status: what the watch wrote last (cmd/watch.h). */
void vg_put_weaker(struct vg_buf *b, vg_str status, const struct vg_house *h, int64_t now_ns);
/* Their names, as an array of JSON. */
void vg_put_weaker_json(struct vg_buf *b, vg_str status, const struct vg_house *h, int64_t now_ns);

#endif
