/* detect/correlate_impl.h - what correlate.c (matches and what comes true), corrgroup.c (groups and the table of them), corrwindow.c (what a group holds)
 * and corrstate.c (groups as bytes) share. */
#ifndef VG_DETECT_CORRELATE_IMPL_H
#define VG_DETECT_CORRELATE_IMPL_H

#include "detect/correlate.h"

#define VG_CORR_NIL UINT32_MAX
#define VG_CORR_SORTED_MAX 10000 /* matches that a percentile or median is taken over; the newest ones */
#define VG_CORR_BY_MAX 16
#define VG_CORR_EVIDENCE_MAX 32

struct vg_corr_entry {
	int64_t time_ns;
	uint64_t token;
	union {
		uint64_t hash; /* value_count */
		double number; /* sums */
	} v;
};

/* event_count and sums: the matches in the window.  A count needs as many of them as its condition can tell apart (vg_corr_kept): those before
 * are only counted, until a match leaves the window, since they left it earlier. */
struct vg_corr_window {
	uint32_t cap, first, n; /* a ring */
	uint64_t more;          /* older ones, counted alone, since the last signal */
	int64_t more_ns;        /* the first of those */
	double sum;
	struct vg_corr_entry e[];
};

/* value_count: each value once, with its newest match; by that time. */
struct vg_corr_value {
	int64_t time_ns;
	uint64_t token, hash;
	uint32_t newer, older;
};
struct vg_corr_values {
	uint32_t cap, n, nslot; /* nslot: of a hash table behind v, open addressing, 1 + place; 0: they are few */
	uint32_t newest, oldest, freed;
	struct vg_corr_value v[];
};

/* temporal: one a ref, its newest match; ordered: where a chain that came so far began. */
struct vg_corr_link {
	int64_t time_ns; /* VG_TIME_NONE: none */
	uint64_t token;
};

struct vg_corr_group {
	uint32_t corr, hash;
	uint32_t newer, older;  /* of the same correlation, in order of use */
	int64_t used_ns;        /* of its newest match; of one judged at its window's end: when that opened */
	int64_t fired_ns;       /* newest match that the last signal counted */
	char *text;             /* owned: the key (corr, then the folded values), then of each value as first seen its length and bytes; NULL: free */
	uint32_t nkey;
	bool fired;
	bool bare;              /* eager: made by a match that no chain waited for; only its time counts */
	union {                 /* owned, one block; NULL: nothing yet */
		struct vg_corr_window *window;
		struct vg_corr_values *values;
		struct vg_corr_link *link;
		void *any;
	} held;
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
	uint32_t kept; /* matches, or values, that a group holds at most */
	bool exact;    /* more than those would change its answers: one that is left out is told as dropped */
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

static inline bool
vg_corr_measured(const struct vg_corr *k)
{
	return k->type != VG_CORR_EVENT_COUNT && k->type != VG_CORR_VALUE_COUNT && !vg_corr_temporal(k);
}

/* ---- corrgroup.c ---- */

/* The number of the group with that key; VG_CORR_NIL when there is none. */
uint32_t vg_corr_find(const struct vg_correlator *c, vg_str key);
/* A new, empty one, which is in no queue yet; makes room as the limits ask.  VG_CORR_NIL: no memory. */
uint32_t vg_corr_add(struct vg_correlator *c, uint32_t corr, vg_str key, const vg_str *by);
void vg_corr_drop(struct vg_correlator *c, uint32_t g);
/* Put it into its correlation's queue, by its used_ns: as the newest, but where the order must be right. */
void vg_corr_enqueue(struct vg_correlator *c, uint32_t g);
/* Into the queue as used at @time_ns; @again: it is there already. */
void vg_corr_touch(struct vg_correlator *c, uint32_t g, int64_t time_ns, bool again);
/* Drop the groups of @corr that hold nothing that a match at @time_ns could meet.  Those that wait for their window's end stay. */
void vg_corr_expire(struct vg_correlator *c, uint32_t corr, int64_t time_ns);
/* The group that was not used for longest goes, and is told as dropped; false: there is none. */
bool vg_corr_make_room(struct vg_correlator *c);
/* The key of correlation @corr's group with these values: le32 corr, then le32 length as written and the folded value, each. */
void vg_corr_key_put(struct vg_buf *b, const struct vg_program *p, uint32_t corr, const vg_str *by);
void vg_corr_group_free(struct vg_corr_group *x); /* what it owns */

static inline vg_str
vg_corr_group_key(const struct vg_corr_group *x)
{
	return vg_str_mem(x->text, x->nkey);
}
/* The values of its group-bys, as first seen. */
void vg_corr_group_by(const struct vg_correlator *c, const struct vg_corr_group *x, vg_str by[VG_CORR_BY_MAX]);

/* ---- corrwindow.c ---- */

/* How many matches, or values, a group of @k has to hold, so that its condition is judged right and its proof is whole; @exact: as in the trait. */
uint32_t vg_corr_kept(const struct vg_corr *k, bool *exact);
/* Bytes of what a group holds. */
size_t vg_corr_held_bytes(const struct vg_corr *k, const struct vg_corr_group *x);
/* A match goes in.  false: no memory. */
bool vg_corr_push(struct vg_correlator *c, uint32_t g, const struct vg_corr_entry *e);
/* Matches out of the window of one at @time_ns go. */
void vg_corr_leave(const struct vg_corr *k, struct vg_corr_group *x, int64_t time_ns);
/* Does it hold anything? */
bool vg_corr_holds(const struct vg_corr *k, const struct vg_corr_group *x);
/* What the condition is about; it holds something. */
double vg_corr_measure(const struct vg_corr *k, const struct vg_corr_group *x);
/* What is told of the window: times, count, value, evidence; it holds something. */
void vg_corr_tell_window(const struct vg_corr *k, const struct vg_corr_group *x, struct vg_corr_hit *h);
/* The next of its matches, or values by their newest match, oldest first; *@place begins as VG_CORR_NIL; false: it has no more. */
bool vg_corr_entry(const struct vg_corr *k, const struct vg_corr_group *x, uint32_t *place, struct vg_corr_entry *e);
/* What @x holds, in place of what group @g does.  false: no memory. */
bool vg_corr_held_copy(struct vg_correlator *c, const struct vg_corr_group *x, uint32_t g);
/* As it was saved: @sum as it was rounded; @more counted besides (0: what was counted while it was loaded). */
void vg_corr_window_set(struct vg_corr_group *x, double sum, uint64_t more, int64_t more_ns);

#endif
