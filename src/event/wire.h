/* event/wire.h - an event as it travels between our own processes and into spools.  Little-endian:
 * u8 version (1), u32 flags, i64 time_ns, u64 record, u64 offset, four strings (host, channel, provider,
 * code), u16 field count, then a field: u8 kind, u8 flags, string name, string value; then string raw.
 * A string is u32 length and its bytes.  A message from another of our processes is hostile too. */
#ifndef VG_EVENT_WIRE_H
#define VG_EVENT_WIRE_H

#include "base/buf.h"
#include "base/cur.h"
#include "event/event.h"

#define VG_WIRE_VERSION 1
#define VG_WIRE_RAW_MAX 65536 /* a longer raw record is cut there on the wire */

/* Append @e.  With @only (@nonly keys, ascending), just the fields of those keys, and no raw bytes. */
void vg_wire_encode(struct vg_buf *b, const struct vg_event *e, const uint32_t *only, size_t nonly);
/* Decode into @out, which vg_event_init() prepared; slices borrow from the input; keys are looked up.
 * VG_E_TRUNC, VG_E_FORMAT (version, kind), VG_E_LIMIT (fields), VG_E_NOMEM. */
vg_rc vg_wire_decode(struct vg_cur *in, struct vg_event *out) VG_MUST;

#endif
