#include "trace/tunnel.h"

#include <stdlib.h>

void
vg_tunnels_init(struct vg_tunnels *t, size_t limit_bytes)
{
	*t = (struct vg_tunnels){ .row = NULL };
	vg_map_init(&t->by_inner, limit_bytes / 2);
	vg_map_init(&t->by_session, limit_bytes / 2);
}

void
vg_tunnels_fini(struct vg_tunnels *t)
{
	vg_map_fini(&t->by_inner);
	vg_map_fini(&t->by_session);
	free(t->row);
}

void
vg_tunnels_given(struct vg_tunnels *t, vg_str inner, const struct vg_tunnel *w)
{
	uint32_t at = vg_map_find(&t->by_inner, inner);
	vg_str session = vg_str_mem(&w->session, sizeof(w->session));

	if (at == VG_MAP_NONE) {
		if (t->n == VG_TUNNELS_MAX)
			return;
		if (t->n == t->cap) {
			size_t cap = t->cap ? 2 * t->cap : 64;
			struct vg_tunnel *row = realloc(t->row, cap * sizeof(*row));

			if (row == NULL)
				return;
			t->row = row;
			t->cap = cap;
		}
		if (vg_map_add(&t->by_inner, inner, (uint32_t)t->n, NULL) == VG_MAP_NONE)
			return;
		at = (uint32_t)t->n++;
	}
	t->row[at] = *w;
	(void)vg_map_add(&t->by_session, session, at, NULL); /* without it the end is only not seen */
}

void
vg_tunnels_ended(struct vg_tunnels *t, uint64_t session, int64_t time_ns)
{
	uint32_t at = vg_map_find(&t->by_session, vg_str_mem(&session, sizeof(session)));

	if (at != VG_MAP_NONE && t->row[at].session == session)
		t->row[at].end_ns = time_ns;
}

const struct vg_tunnel *
vg_tunnels_who(const struct vg_tunnels *t, vg_str inner, int64_t time_ns)
{
	uint32_t at = inner.n ? vg_map_find(&t->by_inner, inner) : VG_MAP_NONE;
	const struct vg_tunnel *w = at == VG_MAP_NONE ? NULL : &t->row[at];

	if (w == NULL || time_ns == VG_TIME_NONE || w->begin_ns == VG_TIME_NONE || time_ns < w->begin_ns ||
	    time_ns - w->begin_ns > VG_TUNNEL_NS || (w->end_ns != VG_TIME_NONE && time_ns > w->end_ns))
		return NULL;
	return w;
}
