/* vault/search.h - one search over segments, in one process that only reads: block after block in the order of the tree, or backwards: about that of arrival, for blocks of
 * several classes of retention are open at a time.  A block
 * is skipped by its times and by the index beside the segment; in the others the raw bytes are scanned, and only records that may match
 * are decoded and asked.  The answers are those of decoding every record.
 *
 * Whoever calls owns descriptors, keys, packs and program; descriptors are open for reading, so that the process needs no name of a file. */
#ifndef VG_VAULT_SEARCH_H
#define VG_VAULT_SEARCH_H

#include <signal.h>

#include "detect/detect.h"
#include "source/pack.h"
#include "vault/tokens.h"

#define VG_SEARCH_GIVEN_MAX 2000000 /* records whose repetitions are known; what comes after is given as often as it stands there */

struct vg_search_segment {
	int fd;
	int index_fd; /* of its index; -1: there is none */
	int fields_fd; /* of its field cache; below 1: there is none */
};
struct vg_search_match {
	const struct vg_record *record;
	const struct vg_event *event; /* the first that matched; NULL with raw_only, when the raw bytes were enough */
	size_t segment;               /* which of the list */
	uint64_t block_at;            /* offset of the block's head in it */
	uint32_t at;                  /* which record of the block, from 0: vg_block_prove() */
	int64_t time_ns;              /* as rules use it (vg_event_when); of arrival without an event */
	bool resent;                  /* its sender could not know that it had come already, and equal bytes of the source were given */
};
struct vg_search_stats {
	uint64_t segments, blocks;                   /* gone through */
	uint64_t by_time, by_index, by_fields, by_scan; /* blocks without a record to decode, told by that */
	uint64_t candidates, decoded, matches, repeated;
	uint64_t raw_bytes, read_bytes, index_bytes; /* scanned; read from segments, from indexes */
	uint64_t bad_blocks, bad_indexes, no_key, unindexed; /* damaged; blocks under a key that is gone, without an index */
	uint64_t bad_fields, old_fields, fields_bytes; /* parts of field caches that are damaged, groups that other packs made; read from them */
	uint64_t tail_bytes;                         /* at ends of segments, of no whole block: one that is being written, or damage */
	bool given_full;                             /* over VG_SEARCH_GIVEN_MAX */
};
enum vg_search_end { VG_SEARCH_ALL, VG_SEARCH_PAGE, VG_SEARCH_TIME, VG_SEARCH_BYTES, VG_SEARCH_CANCELLED };

struct vg_search {
	const struct vg_program *program;
	uint32_t rule;                 /* a base rule; its log source is not asked */
	const struct vg_packs *packs;  /* may be NULL */
	const uint8_t *fields_stamp;   /* of these packs (vg_fields_stamp()); NULL: field caches are not used */
	const struct vg_keys *keys;    /* of program and packs */
	int zone_s;                    /* of times without a zone */
	const struct vg_search_segment *segment; /* of one tenant, ascending */
	size_t nsegment;
	vg_block_key_fn *key;
	void *key_ctx;
	int64_t from_ns, to_ns;        /* both included; VG_TIME_NONE: open */
	bool by_arrival;               /* they are of arrival; else as rules use time */
	const uint32_t *source;        /* only these; none: all */
	size_t nsource;
	bool newest_first;
	bool raw_only;                 /* no event is wanted: where raw bytes are enough nothing is decoded */
	bool has_cursor;
	uint64_t cursor;               /* go on behind this place, in the direction of the search: as a result told it */
	uint64_t max_matches, max_bytes /* raw */, max_ms; /* 0: no limit */
	size_t max_given;              /* 0: VG_SEARCH_GIVEN_MAX */
	const volatile sig_atomic_t *cancel; /* may be NULL */
	bool exhaustive;               /* decode everything: what tests compare with */
	/* Not VG_OK ends the search and is returned. */
	vg_rc (*match)(void *ctx, const struct vg_search_match *m);
	void (*progress)(void *ctx, const struct vg_search_stats *s, size_t segment); /* after each block read; may be NULL */
	void *ctx;
};
struct vg_search_result {
	enum vg_search_end end;
	bool has_cursor; /* false: nothing was gone through yet */
	uint64_t cursor; /* where a next search goes on, when end is not VG_SEARCH_ALL */
	struct vg_search_stats stats;
};
/* VG_E_NOMEM, VG_E_SYS; or what match() returned.  Damage ends nothing: it is counted, and the rest is searched. */
vg_rc vg_search_run(const struct vg_search *s, struct vg_search_result *out) VG_MUST;

#endif
