/* trace/live.h - correlations while events come: in any order, for months, over restarts, for many companies.
 *
 * A tenant has two correlators.  "Settled" stands wait_ns behind, has seen every hit up to its time in order of (time, seq, row of the
 * rule), and is what is saved.  "Eager" holds the groups with hits since: a copy of the settled one's and those hits, so that a signal
 * comes as soon as its condition is met.  A hit only has to be in order within its own groups (detect/correlate.h, "part"); when it is
 * not, those groups are made anew from the settled ones and the stored hits, a little later, and what they then say is compared with
 * what was told: the difference is told.  A hit from before the settled time is late: its groups are run again over stored hits, from
 * where they last were empty, and what changes is told, marked late.  So at the end what was told, less what was withdrawn, is what one
 * run over all hits in order would tell, but for limits that were met (vg_live_dropped).
 *
 * Hits that crossed on their way to us would each cost such a making anew: with hold_ns they wait, stored, for the next tick, and go in order then.
 *
 * A condition that only a window's end can judge is told when the window is settled.
 *
 * After an error of the store, a callback or memory its state is unknown: free it, roll back, load what was saved last.
 *
 * `now` is the arrival time of what was taken in: while a backlog is worked off, that of its newest record, not the wall clock. */
#ifndef VG_TRACE_LIVE_H
#define VG_TRACE_LIVE_H

#include "detect/correlate.h"

#define VG_LIVE_WAIT_NS (15 * VG_MIN)       /* a window waits so long for its hits */
#define VG_LIVE_KEEP_NS (37 * VG_DAY)       /* hits are stored so long: the latest hit is 30 days late */
#define VG_LIVE_TENANTS_MAX 10000
#define VG_LIVE_WIRE_MAX ((size_t)256 << 10)/* bytes of one hit's fields */
#define VG_LIVE_HITS_MAX 20000000           /* stored hits of a tenant; over it settled ones go, oldest first, then new ones are refused */
#define VG_LIVE_TENANT_BYTES ((size_t)48 << 20) /* of one correlator */
#define VG_LIVE_BYTES ((size_t)160 << 20)   /* of all of them */
#define VG_LIVE_DIRTY_BYTES ((size_t)16 << 20)  /* names of a tenant's groups to be made anew; over it: all of them */
#define VG_LIVE_TOLD_MAX 30000              /* signals of one run over stored hits */
#define VG_LIVE_STEP_HITS 20000             /* settled at a time */
#define VG_LIVE_HELD_MAX 50000              /* hits that wait for older ones; over it none does */
#define VG_LIVE_LOOKBACK_HITS 500000        /* stored hits that are searched for where a late hit's groups were empty */
#define VG_LIVE_REPAIR_NS VG_SEC            /* between two repairs, at least; and they take at most a fifth of the time: */
#define VG_LIVE_HIT_COST_NS INT64_C(3000)   /* so long takes a stored hit, about (measured: bench/live.c) */
#define VG_LIVE_ID_BYTES 16

struct vg_live_hit { /* as it is stored: (tenant, time, seq, rule) is its name */
	uint32_t tenant;
	int64_t time_ns;
	uint64_t seq;  /* the vault's */
	uint64_t rule; /* its name (detect/identity.h) */
	vg_str wire;   /* event/wire.h */
};
struct vg_live_told { /* a signal that was told, as it is remembered */
	int64_t last_ns;
	uint8_t id[VG_LIVE_ID_BYTES];
	uint8_t corr[16];  /* which correlation (detect/identity.h) */
	uint8_t group[VG_LIVE_ID_BYTES];
};
typedef vg_rc vg_live_hit_fn(void *ctx, const struct vg_live_hit *h);
typedef vg_rc vg_live_told_fn(void *ctx, const struct vg_live_told *t);

/* Where hits are kept (state/hits.h).  Times are inclusive.  While `each` runs nothing is written. */
struct vg_live_store {
	void *ctx;
	/* @was: it is there already; then nothing changes. */
	vg_rc (*put)(void *ctx, const struct vg_live_hit *h, bool *was);
	/* Hits of @tenant in order of (time, seq); of @rule (@nrule names, ascending) alone.  Not VG_OK from @fn ends it and is passed on. */
	vg_rc (*each)(void *ctx, uint32_t tenant, int64_t from_ns, int64_t to_ns, const uint64_t *rule, size_t nrule, vg_live_hit_fn *fn,
		      void *arg);
	vg_rc (*count)(void *ctx, uint32_t tenant, uint64_t *out);
	/* The time of the hit that has @n before it; VG_E_NOTFOUND. */
	vg_rc (*nth)(void *ctx, uint32_t tenant, uint64_t n, int64_t *time_ns);
	/* Remove what lies before @before_ns, hits and what was told; @n: hits. */
	vg_rc (*drop)(void *ctx, uint32_t tenant, int64_t before_ns, uint64_t *n);
	vg_rc (*tell)(void *ctx, uint32_t tenant, const struct vg_live_told *t, bool *was);
	vg_rc (*untell)(void *ctx, uint32_t tenant, const struct vg_live_told *t);
	vg_rc (*each_told)(void *ctx, uint32_t tenant, int64_t from_ns, int64_t to_ns, vg_live_told_fn *fn, void *arg);
};

/* A correlation that came true.  Slices are good until the callback returns. */
struct vg_live_signal {
	uint32_t tenant;
	uint8_t id[VG_LIVE_ID_BYTES]; /* the same whenever the same hits say the same, in whatever order and after whatever restart */
	bool late;
	struct vg_corr_hit hit;       /* evidence: seqs */
};
struct vg_live_out {
	void *ctx;
	vg_rc (*signal)(void *ctx, const struct vg_live_signal *s); /* may come again for an id that was withdrawn */
	vg_rc (*withdraw)(void *ctx, uint32_t tenant, const uint8_t id[VG_LIVE_ID_BYTES]); /* what was told is not so: older hits came */
};

struct vg_live_options { /* 0: the named default */
	int64_t wait_ns, keep_ns;
	int64_t hold_ns;         /* hits wait for the next tick, so that what crossed on its way is in order; no longer than between two ticks.  0: they do not */
	uint64_t hits_max;       /* of a tenant */
	size_t tenant_bytes, bytes, dirty_bytes;
	uint32_t drills;         /* tenants from this number on are drills: all correlations are told, those too that only feed others; 0: none */
};
struct vg_live_counts { /* since it was made; nothing is lost that is not counted here */
	uint64_t hits, again;     /* taken; and that were stored already */
	uint64_t disorder, late;  /* hits that came behind a newer one of their groups; that came behind the settled time */
	uint64_t told, withdrawn;
	uint64_t unclean;         /* runs over late hits that began where groups were not empty: over VG_LIVE_LOOKBACK_HITS, or hits are gone */
	uint64_t replayed;        /* hits read again from the store */
	uint64_t refused;         /* hits: too large, no fields, too many tenants, too many stored */
	uint64_t expired;         /* stored hits dropped because there were too many (not by age) */
	uint64_t dropped;         /* groups, matches, signals over a limit of memory */
	size_t bytes;             /* held now, by groups */
	uint64_t forgotten;       /* groups left out at load: their correlations changed, or are gone */
};

struct vg_live;
/* @p, @k and @s outlive it.  VG_E_NOMEM. */
vg_rc vg_live_new(const struct vg_program *p, const struct vg_keys *k, const struct vg_live_options *o, const struct vg_live_store *s,
		  const struct vg_live_out *out, struct vg_live **live) VG_MUST;
void vg_live_free(struct vg_live *l);

/* A match of base rule @rule (its row): @time_ns is the event's (within bounds) or its arrival; @wire has the fields that the rule's need
 * names.  Seqs ascend, but those behind the saved one may come again; of one seq rules ascend.  A rule that feeds no correlation is
 * nothing.  What is refused for what it is, is counted, and VG_OK; errors are those of the store, the callbacks and memory. */
vg_rc vg_live_hit(struct vg_live *l, uint32_t tenant, uint32_t rule, int64_t time_ns, uint64_t seq, vg_str wire) VG_MUST;
/* Time passes: call it a few times a second.  @now_ns as above; @mono_ns: a clock that only paces repairs. */
vg_rc vg_live_tick(struct vg_live *l, int64_t now_ns, int64_t mono_ns) VG_MUST;
void vg_live_counts(const struct vg_live *l, struct vg_live_counts *out);
/* Nothing of @tenant stays, here or in the store. */
vg_rc vg_live_forget(struct vg_live *l, uint32_t tenant) VG_MUST;
/* The tenants that something is remembered of: number @i, from 0; false: there are not so many. */
bool vg_live_tenant(const struct vg_live *l, size_t i, uint32_t *out);

/* All that is not in the store, as bytes: "VGLV", u32 version (1), u64 newest seq, u32 tenants, then a tenant: u32 tenant, i64 settled
 * time, i64 time before which stored hits were dropped (both VG_TIME_NONE: none), u32 length and bytes of the correlator's state.
 * Save it between records, in the transaction that commits the hits up to the newest seq, or a later one.  Late hits are worked off
 * first. */
#define VG_LIVE_VERSION 1
vg_rc vg_live_save(struct vg_live *l, struct vg_buf *b) VG_MUST;
/* Into a new one, as the first call.  Then hits with a seq over @seq come (again).  VG_E_FORMAT: no state, or damaged; it is then as
 * new, and makes its state from the stored hits. */
vg_rc vg_live_load(struct vg_live *l, vg_str blob, uint64_t *seq) VG_MUST;

#endif
