/* role/seen.h - what detect sees of sources, for trace to write down (state/seen.h): which log sources their events are, and which of the fields that
 * rules ask for they have.  A kind of event is told when it is new, when it has a field that was not told, and every ten minutes while it comes;
 * fields are told again each day.  VG_MSG_SEEN: u32 tenant, u32 source, i64 arrival, u16 log sources, strings product, category, service of each, then
 * names of fields until the end, a string each. */
#ifndef VG_ROLE_SEEN_H
#define VG_ROLE_SEEN_H

#include "proc/channel.h"
#include "state/seen.h"

#define VG_SEEN_KINDS_MAX 8192 /* of one detect process: a source and the log sources of an event */
#define VG_SEEN_BYTES_MAX ((size_t)256 << 10)
#define VG_SEEN_NAME_MAX 255   /* bytes of a part of a log source, or of a field's name */

struct vg_seen;
struct vg_seen *vg_seen_new(const struct vg_keys *k, uint32_t nkey /* fields that rules know */); /* NULL: no memory */
void vg_seen_free(struct vg_seen *s);
/* @e has log sources. */
void vg_seen_event(struct vg_seen *s, uint32_t tenant, uint32_t source, int64_t recv_ns, const struct vg_event *e);
/* Tell what is to be told, once a second at most. */
void vg_seen_tell(struct vg_seen *s, struct vg_channel *trace, int64_t mono_ns);
void vg_seen_again(struct vg_seen *s);             /* nothing of it was told */
uint64_t vg_seen_over(const struct vg_seen *s);    /* events of kinds that there was no room for */
/* The message; slices borrow from it.  VG_E_TRUNC, VG_E_LIMIT. */
vg_rc vg_seen_take(struct vg_cur *c, struct vg_seen_row *out) VG_MUST;

#endif
