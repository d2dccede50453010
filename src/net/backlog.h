/* net/backlog.h - records that the gate has refused, of a socket that many sources share: in order within a source, and none of
 * them has more than a share, so that a flood displaces its own records and not those of others. */
#ifndef VG_NET_BACKLOG_H
#define VG_NET_BACKLOG_H

#include "base/buf.h"
#include "net/gate.h"

#define VG_BACKLOG_BYTES ((size_t)16 << 20)
#define VG_BACKLOG_SHARE (VG_BACKLOG_BYTES / 2) /* of one source */
#define VG_BACKLOG_SOURCES 256

struct vg_backlog { /* all zero: empty */
	struct vg_buf bytes; /* entries: source, length, recv_ns, raw; owned */
	size_t at;           /* where the first one begins */
	struct {
		uint32_t source;
		bool full; /* the gate has just refused it */
		size_t bytes;
	} waits[VG_BACKLOG_SOURCES];
	unsigned n;
};

void vg_backlog_fini(struct vg_backlog *b);
static inline bool
vg_backlog_empty(const struct vg_backlog *b)
{
	return b->n == 0;
}
/* Has it records of @source?  Then those that follow must wait behind them. */
bool vg_backlog_has(const struct vg_backlog *b, uint32_t source);
/* Keep a record.  VG_E_LIMIT: @source has its share.  VG_E_NOMEM: there is no room at all. */
vg_rc vg_backlog_put(struct vg_backlog *b, uint32_t source, int64_t recv_ns, vg_str raw) VG_MUST;
/* Offer to @g what is kept.  How many it took. */
uint64_t vg_backlog_offer(struct vg_backlog *b, const struct vg_gate *g);

#endif
