/* detect/correlate.h - correlations over matches that come in order of time: counts, distinct values, sums, averages,
 * percentiles, temporal and ordered, in sliding windows, grouped, chained.  Sigma specification 2.1.0, "Correlation". */
#ifndef VG_DETECT_CORRELATE_H
#define VG_DETECT_CORRELATE_H

#include "detect/identity.h"
#include "event/event.h"

/* A group's state is bounded: over these limits the oldest is dropped, and counted. */
#define VG_CORR_GROUPS_MAX 400000
#define VG_CORR_WINDOW_MAX 100000 /* matches, or values, held in one group's window; most hold fewer (detect/corrwindow.c) */

struct vg_correlator;

/* A correlation that came true.  Its own values (group-by names and values) are what chained ones see. */
struct vg_corr_hit {
	uint32_t rule;          /* row of the correlation */
	int64_t first_ns, last_ns; /* of the window that made it true; a signal's time is last_ns */
	uint64_t count;         /* matches in the window; of a long burst those since its last signal; of value_count the values */
	double value;           /* what was compared: count, distinct values, sum... */
	uint32_t nby;
	vg_str by_name[16], by_value[16]; /* good until the callback returns */
	uint32_t nevidence;
	uint64_t evidence[32];  /* tokens of matches that made it true, oldest first; at most 32; of value_count the newest of each value */
};
typedef vg_rc vg_corr_fn(void *ctx, const struct vg_corr_hit *h);

struct vg_correlator *vg_correlator_new(const struct vg_program *p, size_t limit_bytes, vg_corr_fn *fn, void *ctx);
void vg_correlator_free(struct vg_correlator *c);
void vg_correlator_tell_to(struct vg_correlator *c, vg_corr_fn *fn, void *ctx); /* from now on */
/* A match of base rule @rule at @time_ns (not before the one before it); @e has at least the fields that the rule's need
 * names.  @token is the caller's name for the match; it comes back as evidence.  Windows that are over by then are judged first. */
vg_rc vg_correlator_hit(struct vg_correlator *c, uint32_t rule, int64_t time_ns, const struct vg_event *e, uint64_t token) VG_MUST;
/* No more matches come: windows that wait for their end are judged. */
vg_rc vg_correlator_end(struct vg_correlator *c) VG_MUST;
/* No match before @time_ns comes any more: windows that ended before it are judged. */
vg_rc vg_correlator_judge(struct vg_correlator *c, int64_t time_ns) VG_MUST;
/* Groups that @time_ns leaves behind go (a match drops those of its own correlation by itself). */
void vg_correlator_expire(struct vg_correlator *c, int64_t time_ns);
/* Groups and matches dropped because a limit was met. */
uint64_t vg_correlator_dropped(const struct vg_correlator *c);
size_t vg_correlator_bytes(const struct vg_correlator *c);
/* Drop (and count) what was not used for longest, until at most @bytes are held. */
void vg_correlator_shrink(struct vg_correlator *c, size_t bytes);

/* ---- where a match goes ----
 * Groups have keys: bytes that are the same in every correlator of one program, good for no other program.  Correlations that feed one
 * another are a part; a match in one part changes nothing in another. */
#define VG_ROUTE_MAX 4096
struct vg_route_place {
	uint32_t corr;
	size_t off, len; /* of the key, in bytes */
};
struct vg_route { /* zeroed, then used again and again */
	struct vg_buf bytes, place; /* owned */
};
void vg_route_fini(struct vg_route *r);
static inline size_t
vg_route_n(const struct vg_route *r)
{
	return r->place.n / sizeof(struct vg_route_place);
}
static inline const struct vg_route_place *
vg_route_at(const struct vg_route *r, size_t i)
{
	return (const struct vg_route_place *)(const void *)r->place.p + i;
}
static inline vg_str
vg_route_key(const struct vg_route *r, size_t i)
{
	return vg_str_mem(r->bytes.p + vg_route_at(r, i)->off, vg_route_at(r, i)->len);
}
/* Each group that a match can change: those it falls into, and those above that hear of them when they come true.  VG_E_LIMIT: over
 * VG_ROUTE_MAX.  VG_E_NOMEM. */
vg_rc vg_correlator_route(const struct vg_correlator *c, uint32_t rule, const struct vg_event *e, struct vg_route *r) VG_MUST;
/* The key of the group of @corr that has these values of its group-bys, at the end of @b. */
void vg_correlator_key(const struct vg_program *p, uint32_t corr, const vg_str *by, struct vg_buf *b);
bool vg_correlator_has(const struct vg_correlator *c, vg_str key);
/* Make @to's group what it is in @from, another correlator of the same program; away with it when there is none.  VG_E_NOMEM. */
vg_rc vg_correlator_copy(struct vg_correlator *to, const struct vg_correlator *from, vg_str key) VG_MUST;
void vg_correlator_only(struct vg_correlator *c, uint32_t part); /* before its first match: it takes no other part */
vg_rc vg_correlator_copy_part(struct vg_correlator *to, const struct vg_correlator *from, uint32_t part) VG_MUST; /* all groups */
uint32_t vg_correlator_parts(const struct vg_correlator *c);
uint32_t vg_correlator_part(const struct vg_correlator *c, uint32_t corr); /* below vg_correlator_parts() */
/* Only the end of a window can judge this correlation, or one that it stands on. */
bool vg_correlator_slow(const struct vg_correlator *c, uint32_t corr);

/* ---- ahead of time: matches that come in order only within each group ---- */

/* Before its first match: @c leaves out what is slow, and takes matches by vg_correlator_hit_eager() alone.  vg_correlator_expire() drops
 * groups that no match behind its time touched. */
void vg_correlator_eager(struct vg_correlator *c);
/* @skip, one a part: a part that is not 0 does not take the match; one in which some group has seen a newer match already becomes 1,
 * and its groups on the match's route are then worth nothing. */
vg_rc vg_correlator_hit_eager(struct vg_correlator *c, uint32_t rule, int64_t time_ns, const struct vg_event *e, uint64_t token,
			      uint8_t *skip) VG_MUST;

/* ---- kept over restarts ----
 * The state as bytes, little-endian: "VGCS", u32 version (2; 1, which has all matches in the window and no flag 2, is read too), u32 correlations,
 * then a correlation: 16 bytes of its key (detect/identity.h), u32 bytes and u32 groups that follow, then a group, oldest first: i64 used, u8 flags
 * (1: fired; 2: more were counted), i64 fired, f64 sum, with flag 2 u64 more and the i64 time of their first, the group-by values (u32 length and
 * bytes each), then of temporal ones each ref's i64 time and u64 token, of others u32 entries, each i64 time, u64 token, and of all but event_count
 * u64 value. */
#define VG_CORR_STATE_VERSION 2

/* Append the state; @id is that of its program.  Check b->rc. */
void vg_correlator_save(const struct vg_correlator *c, const struct vg_identity *id, struct vg_buf *b);
/* A correlator of @p that goes on from @blob.  What belongs to correlations that @p has not, or has otherwise, is left out: @lost
 * groups (may be NULL).  VG_E_FORMAT: no state, or damaged.  VG_E_NOMEM. */
vg_rc vg_correlator_load(const struct vg_program *p, const struct vg_identity *id, size_t limit_bytes, vg_corr_fn *fn, void *ctx, vg_str blob,
			 uint64_t *lost, struct vg_correlator **out) VG_MUST;

#endif
