/* trace/tunnel.h - who held which address inside a VPN: what ties a sign-in from 10.8.0.14 to the account and the address
 * outside that it came from. */
#ifndef VG_TRACE_TUNNEL_H
#define VG_TRACE_TUNNEL_H

#include "base/map.h"
#include "base/time.h"

#define VG_TUNNELS_MAX 65536          /* addresses; those beyond are not followed */
#define VG_TUNNEL_NS (7 * VG_DAY)     /* a session whose end was not seen holds its address no longer */

struct vg_tunnel {
	vg_str account, source; /* source: the address outside */
	uint64_t session;       /* a hash that names the session */
	int64_t begin_ns, end_ns; /* end: VG_TIME_NONE while it is open */
};
struct vg_tunnels {
	struct vg_map by_inner, by_session; /* -> row */
	struct vg_tunnel *row; /* owned */
	size_t n, cap;
};
void vg_tunnels_init(struct vg_tunnels *t, size_t limit_bytes);
void vg_tunnels_fini(struct vg_tunnels *t);
/* @inner is @w's from now on; the slices of @w must outlive @t. */
void vg_tunnels_given(struct vg_tunnels *t, vg_str inner, const struct vg_tunnel *w);
void vg_tunnels_ended(struct vg_tunnels *t, uint64_t session, int64_t time_ns);
/* Who held @inner then; NULL when nobody is known to.  Feed in order of time. */
const struct vg_tunnel *vg_tunnels_who(const struct vg_tunnels *t, vg_str inner, int64_t time_ns);

#endif
