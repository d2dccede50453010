/* trace/live_impl.h - what live.c (hits, time, tenants) and live_run.c (runs over stored hits) share. */
#ifndef VG_TRACE_LIVE_IMPL_H
#define VG_TRACE_LIVE_IMPL_H

#include "base/map.h"
#include "trace/live.h"

#define VG_LIVE_TIME_FAR_NS (INT64_C(1) << 62) /* no hit is further from 1970: differences fit */

struct vg_live_dirty { /* groups to be made anew */
	struct vg_map keys;  /* of them */
	bool all;            /* there were too many to name: all */
	bool any;
	int64_t *first_ns;   /* one a part: the oldest of its hits, INT64_MAX when it has none; owned */
	int64_t *last_ns;    /* the newest */
};

struct vg_live_run;
struct vg_live_tenant {
	struct vg_live *l;
	uint32_t id;
	int64_t settled_ns; /* every hit up to it has been seen; VG_TIME_NONE: none */
	int64_t loaded_ns;  /* what it was when it was loaded */
	int64_t lost_ns;    /* stored hits before it were dropped; VG_TIME_NONE: none */
	int64_t newest_ns;  /* of the stored hits, at most */
	uint64_t nhit;      /* stored */
	struct vg_correlator *settled, *eager; /* owned */
	struct vg_live_dirty pending; /* groups whose eager copy is worth nothing */
	struct vg_live_dirty late;    /* groups with hits that the settled one has not seen */
	struct vg_live_run *run;      /* that takes what the settled one tells */
};

struct vg_live_held { /* a hit that is stored, and waits for others that are older */
	uint32_t tenant, rule;
	int64_t time_ns;
	uint64_t seq, tick; /* in which it came */
	size_t at, n;       /* of its fields, in the buffer */
};

struct vg_live {
	const struct vg_program *p;
	const struct vg_keys *keys;
	struct vg_live_options o;
	struct vg_live_store store;
	struct vg_live_out out;
	struct vg_identity id;
	uint64_t *name;      /* of the base rules that feed correlations, ascending; owned */
	uint32_t *row;       /* of each; owned */
	size_t nname;
	struct vg_correlator *plain; /* asked for routes and parts alone */
	uint32_t npart;
	uint8_t *skip;       /* one a part; owned */
	struct vg_live_tenant **tenant; /* owned */
	size_t ntenant, captenant;
	struct vg_map tenant_of;
	struct vg_arena arena;
	struct vg_event event; /* of the hit at hand */
	struct vg_route route; /* of it */
	struct vg_buf key;     /* scratch */
	struct vg_live_held *held; /* owned */
	size_t nheld, capheld;
	struct vg_buf fields, kept; /* of the held; and of those that stay, while they move */
	uint64_t tick;
	uint64_t saved_seq, newest_seq;
	int64_t now_ns, repair_mono_ns, drop_ns;
	uint64_t gone_dropped; /* by correlators that are gone */
	struct vg_live_counts n;
};

void vg_live_dirty_init(struct vg_live_dirty *d, size_t limit_bytes);
void vg_live_dirty_fini(struct vg_live_dirty *d);
vg_rc vg_live_dirty_reset(struct vg_live_dirty *d, uint32_t npart) VG_MUST;
void vg_live_dirty_add(struct vg_live_dirty *d, vg_str key);
static inline bool
vg_live_dirty_has(const struct vg_live_dirty *d, vg_str key)
{
	return d->all || (d->keys.n && vg_map_find(&d->keys, key) != VG_MAP_NONE);
}

/* A new correlator of @t's; NULL: no memory. */
struct vg_correlator *vg_live_correlator(const struct vg_live *l, vg_corr_fn *fn, void *ctx);
void vg_live_correlator_free(struct vg_live *l, struct vg_correlator *c); /* what it dropped stays counted */
/* Tell what an eager correlator says, unless it was told.  @ctx: the tenant. */
vg_rc vg_live_on_eager(void *ctx, const struct vg_corr_hit *h);
vg_rc vg_live_on_settled(void *ctx, const struct vg_corr_hit *h);
/* Copy the groups on the route of the hit at hand, those that @to has not, from the settled correlator; not in parts to skip. */
vg_rc vg_live_seed(struct vg_live_tenant *t, struct vg_correlator *to) VG_MUST;
/* The settled correlator takes the stored hits up to @to_ns. */
vg_rc vg_live_settle(struct vg_live_tenant *t, int64_t to_ns) VG_MUST;
/* Make the pending groups anew. */
vg_rc vg_live_repair(struct vg_live_tenant *t) VG_MUST;
/* Run the groups with late hits again. */
vg_rc vg_live_late(struct vg_live_tenant *t) VG_MUST;

#endif
