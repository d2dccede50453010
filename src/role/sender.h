/* role/sender.h - the way from listeners to the vault: a gate (net/gate.h) that makes batches, keeps each until the vault has it on disk, and
 * gives those again that a vault which died did not keep.  The vault knows by their numbers which it has: nothing is lost, and
 * nothing comes twice. */
#ifndef VG_ROLE_SENDER_H
#define VG_ROLE_SENDER_H

#include "net/gate.h"
#include "role/messages.h"

#define VG_SENDER_SOURCES_MAX 100000
#define VG_SENDER_QUEUE_MAX ((size_t)24 << 20) /* bytes taken and not kept; over it nothing is taken */
#define VG_SENDER_FLUSH_MS 4                   /* a batch that is not full waits so long */

struct vg_sender;
struct vg_sender_ops {
	void *ctx;
	void (*room)(void *ctx);               /* the gate takes again */
	void (*kept)(void *ctx, uint64_t taken); /* so many of those taken are on disk */
};
/* @has_ids: every record has an id, so that none needs a number.  Takes one of the loop's timers. */
vg_rc vg_sender_new(struct vg_role_env *e, bool has_ids, const struct vg_sender_ops *ops, struct vg_sender **out) VG_MUST;
const struct vg_gate *vg_sender_gate(const struct vg_sender *s);
/* The channel to a vault: the first, or that of a new one. */
vg_rc vg_sender_vault(struct vg_sender *s, int fd) VG_MUST;
/* What was taken and not kept. */
uint64_t vg_sender_waiting(const struct vg_sender *s);
struct vg_sender_counts {
	uint64_t taken, kept, bytes, full; /* full: how often nothing was taken */
	uint64_t refused[VG_REFUSALS];
	uint32_t sources;
};
void vg_sender_count(const struct vg_sender *s, struct vg_sender_counts *out);

#endif
