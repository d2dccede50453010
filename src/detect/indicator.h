/* detect/indicator.h - indicators of compromise against events, by hashed sets.  A builder takes entries (source/ioc.h) and makes one
 * flat blob, which is checked when it is loaded and then shared, read only, by as many processes as want it.  Entries are kept as
 * 128-bit keyed hashes: their texts are not in the blob, and a false match is out of reach.  One million entries take less than
 * 64 MB with their sources, notes and expiry (bench/indicator.c).
 *
 * Looked at are all values of an event: addresses (also with a port) and networks they lie in, names of hosts with all domains
 * above them, URLs (with and without their query), mail addresses, digests ("MD5=...,SHA256=..."), names of files, all wherever they stand in a
 * value; user names and texts as whole values and behind the last slash or backslash.  Of an event without fields the raw text,
 * and its words as values. */
#ifndef VG_DETECT_INDICATOR_H
#define VG_DETECT_INDICATOR_H

#include "base/buf.h"
#include "event/event.h"
#include "source/ioc.h"

#define VG_INDICATORS_MAX 16000000        /* entries of one set */
#define VG_INDICATOR_SOURCES_MAX 65536    /* pairs of a file and who it names */
#define VG_INDICATOR_TEXT_MAX 24000000    /* bytes of notes and sources: what keeps a million under 64 MB */
#define VG_INDICATOR_HITS_MAX 64          /* of one event */

/* --- making a set --- */

struct vg_indicator_build;
struct vg_indicator_build *vg_indicator_build_new(void); /* NULL: memory, or no random bytes for the key */
void vg_indicator_build_free(struct vg_indicator_build *b);
/* Add @i, of file @file as shown to people.  The same value of the same source twice is one entry, with the later expiry.
 * VG_E_LIMIT: VG_INDICATORS_MAX; VG_E_NOMEM. */
vg_rc vg_indicator_build_add(struct vg_indicator_build *b, vg_str file, const struct vg_ioc *i) VG_MUST;
struct vg_indicator_made {
	uint32_t entries;    /* different values and sources */
	uint32_t merged;     /* that were there already */
	uint32_t unnoted;    /* whose note or source had no room (VG_INDICATOR_TEXT_MAX, VG_INDICATOR_SOURCES_MAX) */
};
/* Append the blob to @out; the builder is used up. */
vg_rc vg_indicator_build_finish(struct vg_indicator_build *b, struct vg_buf *out, struct vg_indicator_made *made) VG_MUST;

/* --- using it --- */

struct vg_indicators { /* immutable; borrows from the blob */
	const struct vg_indicator_head *head;
	const uint64_t *filter;
	const struct vg_indicator_slot *slot;
	const struct vg_indicator_meta *meta;
	const struct vg_indicator_net *net;
	const struct vg_indicator_source *source;
	const char *text;
	uint32_t count[VG_IOC_KINDS]; /* different values */
};
/* @blob, aligned to 8, outlives @out.  Checked, as any outside bytes.  VG_E_TRUNC, VG_E_FORMAT. */
vg_rc vg_indicators_load(vg_str blob, struct vg_indicators *out) VG_MUST;

struct vg_indicator_hit {
	enum vg_ioc_kind kind;
	vg_str value;                 /* the indicator's */
	vg_str file, source, note;
	int64_t expires_ns;           /* VG_TIME_NONE: never */
	const struct vg_field *field; /* where it was found; NULL: in the raw text */
	vg_str found;                 /* as it stands there */
};
typedef vg_rc vg_indicator_fn(void *ctx, const struct vg_event *e, const struct vg_indicator_hit *h);
/* Give each indicator that @e meets and that has not expired at @now_ns, once: where names that packs added tell it, there.
 * VG_E_LIMIT: more than VG_INDICATOR_HITS_MAX, of which the first were given; else what @hit returned that was not VG_OK. */
vg_rc vg_indicators_match(const struct vg_indicators *x, const struct vg_event *e, int64_t now_ns, vg_indicator_fn *hit,
			  void *ctx) VG_MUST;

#endif
