/* cmd/event_json.h - one event of any format as a JSON object: what Vigie knows of it, and its fields under their native
 * names (several values: an array), added names apart. */
#ifndef VG_CMD_EVENT_JSON_H
#define VG_CMD_EVENT_JSON_H

#include "base/buf.h"
#include "event/event.h"

void vg_event_json(struct vg_buf *b, const struct vg_event *e, vg_str file);

#endif
