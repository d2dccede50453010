/* detect/correlate_impl.h - what correlate.c and corrstate.c share: groups, their windows, and the table of them. */
#ifndef VG_DETECT_CORRELATE_IMPL_H
#define VG_DETECT_CORRELATE_IMPL_H

#include "detect/correlate.h"

#define VG_CORR_NIL UINT32_MAX
#define VG_CORR_SORTED_MAX 10000 /* matches that a percentile or median is taken over; the newest ones */
#define VG_CORR_BY_MAX 16

struct vg_corr_entry {
	int64_t time_ns;
	uint64_t token;
	union {
		uint64_t hash; /* value_count */
		double number; /* sums */
	} v;
};

struct vg_corr_tally { /* distinct values in a window, counted: open addressing */
	uint64_t *key;         /* 0: free */
	uint32_t *n;
	uint32_t cap, used, live; /* live: with n > 0 */
};

struct vg_corr_group {
	uint32_t corr, hash;
	uint32_t newer, older;  /* of the same correlation, in order of use */
	int64_t used_ns;        /* of its newest match; of one judged at its window's end: when that opened */
	vg_str key;             /* owned: corr, then the folded values; NULL: free */
	vg_str by[VG_CORR_BY_MAX]; /* values as first seen; within the same block as key */
	struct vg_corr_entry *e; /* owned; a ring */
	uint32_t cap, first, n;
	struct vg_corr_tally tally;
	double sum;
	bool fired;
	bool bare;              /* eager: made by a match that no chain waited for; only its time counts */
	int64_t fired_ns;       /* newest match that the last signal counted */
	int64_t *last_ns;       /* temporal: one a ref; ordered: where a chain that came so far began; owned */
	uint64_t *last_token;   /* owned */
};

struct vg_corr_slot { /* of the hash table */
	uint32_t hash, group; /* group: 1 + its number; 0: free */
};

struct vg_corr_queue { /* the groups of one correlation, by used_ns */
	uint32_t newest, oldest;
};

struct vg_corr_use { /* a rule feeds this ref of this correlation */
	uint32_t corr, ref, next;
};

struct vg_corr_trait {
	uint32_t part; /* correlations that feed one another have the same; numbered from 0 */
	bool upper;    /* has an upper bound alone */
	bool slow;     /* is upper, or stands on one that is */
};

struct vg_correlator {
	const struct vg_program *p;
	size_t limit_bytes, used_bytes;
	vg_corr_fn *fn;
	void *ctx;
	uint32_t *use_of;        /* by rule: 1 + first use; owned */
	struct vg_corr_use *use; /* owned */
	uint32_t nuse;
	struct vg_corr_trait *trait; /* one a correlation; owned */
	uint32_t npart, nupper;
	struct vg_corr_group *group; /* owned */
	uint32_t ngroup, capgroup, nlive;
	struct vg_corr_slot *slot; /* owned */
	uint32_t nslot;
	struct vg_corr_queue *queue; /* one a correlation; owned */
	uint32_t freed;      /* a list through newer */
	struct vg_buf key;   /* scratch */
	uint64_t dropped;
	unsigned depth;
	uint32_t only;       /* this part alone; VG_CORR_NIL: all */
	bool eager;
	uint8_t *skip;       /* eager, during a match: parts that do not take it; borrowed */
};

static inline bool
vg_corr_temporal(const struct vg_corr *k)
{
	return k->type == VG_CORR_TEMPORAL || k->type == VG_CORR_TEMPORAL_ORDERED;
}

/* The number of the group with that key; VG_CORR_NIL when there is none. */
uint32_t vg_corr_find(const struct vg_correlator *c, vg_str key);
/* A new, empty one, which is in no queue yet; makes room as the limits ask.  VG_CORR_NIL: no memory. */
uint32_t vg_corr_add(struct vg_correlator *c, uint32_t corr, vg_str key, const vg_str *by);
void vg_corr_drop(struct vg_correlator *c, uint32_t g);
/* Put it into its correlation's queue, by its used_ns: as the newest, but where the order must be right. */
void vg_corr_enqueue(struct vg_correlator *c, uint32_t g);
/* Append an entry to its window, which has room. */
bool vg_corr_push(struct vg_correlator *c, uint32_t g, const struct vg_corr_entry *e);
/* The key of correlation @corr's group with these values: le32 corr, then le32 length as written and the folded value, each. */
void vg_corr_key_put(struct vg_buf *b, const struct vg_program *p, uint32_t corr, const vg_str *by);
size_t vg_corr_group_bytes(const struct vg_correlator *c, const struct vg_corr_group *x);

static inline struct vg_corr_entry *
vg_corr_entry_at(const struct vg_corr_group *x, uint32_t i)
{
	return &x->e[(x->first + i) % x->cap];
}

#endif
