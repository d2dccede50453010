/* vault/redecode.h - the field cache of one segment, made with today's packs, in a process that only has descriptors; and what that changed against the
 * cache that was there: which records a pack understands that none did before, or the other way round, and which fields came and went.
 *
 * Groups of the older cache that today's packs made and that are full are copied, so that a segment that is still written to costs its new
 * blocks alone. */
#ifndef VG_VAULT_REDECODE_H
#define VG_VAULT_REDECODE_H

#include <signal.h>

#include "vault/fields.h"

#define VG_REDECODE_KEYS 16      /* groups that are made at once; a segment under more keys has smaller ones */
#define VG_REDECODE_CHANGES 256  /* kinds of change that are told apart; more are counted */
#define VG_REDECODE_TEXT 200

enum vg_redecode_what {
	VG_REDECODED_KNOWN,  /* no pack knew them, now @to does */
	VG_REDECODED_LOST,   /* @from knew them, now none does */
	VG_REDECODED_OTHER,  /* @from knew them, now @to does */
	VG_REDECODED_GAINED, /* records of @to have the field @from now */
	VG_REDECODED_GONE,   /* records of @to do not have the field @from any more */
};
struct vg_redecode_change {
	enum vg_redecode_what what;
	char from[VG_REDECODE_TEXT], to[VG_REDECODE_TEXT]; /* a pack and its log sources, "sshd linux//sshd, linux//auth"; a field; cut to fit */
	uint64_t records;
};
struct vg_redecoded { /* plain memory: a child fills it for its parent */
	uint64_t blocks, kept;            /* of the segment; of them in groups that were copied */
	uint64_t bad_blocks, no_key;      /* damaged, under a key that is gone: they are in no cache */
	uint64_t records, known;          /* decoded; of them a pack knew */
	uint64_t compared, known_before;  /* of them in the older cache; of these a pack had known */
	uint64_t raw_bytes, bytes;        /* decoded; of the new cache */
	bool current;                     /* the older cache is that of today's packs, and whole: nothing was written */
	uint64_t more_changes;            /* records of kinds over VG_REDECODE_CHANGES */
	uint32_t nchange;
	struct vg_redecode_change change[VG_REDECODE_CHANGES];
};
struct vg_redecode {
	int segment_fd, old_fd /* -1: none */, out_fd; /* out: empty, open for writing */
	const struct vg_packs *packs;
	const struct vg_keys *keys;
	int zone_s;
	const uint8_t *stamp; /* vg_fields_stamp() of these */
	vg_block_key_fn *key;
	void *key_ctx;
	uint64_t max_bytes; /* of raw log decoded; 0: no limit */
	const volatile sig_atomic_t *cancel; /* may be NULL */
	void (*progress)(void *ctx, const struct vg_redecoded *r); /* after each block; may be NULL */
	void *ctx;
};
/* Adds to @out, which is zeroed before the first of several.  VG_E_STOP: cancelled.  VG_E_LIMIT: over max_bytes.  VG_E_NOMEM, VG_E_SYS. */
vg_rc vg_redecode_run(const struct vg_redecode *o, struct vg_redecoded *out) VG_MUST;
/* Add what @one says to @all. */
void vg_redecoded_add(struct vg_redecoded *all, const struct vg_redecoded *one);

#endif
