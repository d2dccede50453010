/* vault/lookback.h - all of one tenant's records from a number on, oldest first, a block at a time: for who looks through them once, slowly, and may be
 * stopped at any block.  When it is known what is looked for, blocks whose index says that they hold none of it are passed over; the other
 * ones' records are decoded, all of them. */
#ifndef VG_VAULT_LOOKBACK_H
#define VG_VAULT_LOOKBACK_H

#include "event/event.h"
#include "source/pack.h"
#include "vault/tokens.h"

#define VG_LOOKBACK_PIECES_MAX 256 /* for more, reading everything is less work */

struct vg_lookback_stats {
	uint64_t blocks, by_index; /* gone through; of those, passed over by the index */
	uint64_t records, events;  /* decoded */
	uint64_t bad_blocks, bad_segments, no_key, failed; /* failed: records that could not be decoded to their end */
	uint64_t bytes, all_bytes; /* of segments: gone through; all there are, as last looked at */
};
struct vg_lookback_options {
	struct vg_disk *dir; /* the tenant's folder, for reading; outlives it, as all that is pointed to here */
	vg_block_key_fn *key;
	const struct vg_packs *packs; /* may be NULL */
	const struct vg_keys *keys;   /* names of fields */
	const vg_str *piece;          /* vg_lookback_piece(); every record that is wanted has one of them in it */
	size_t npiece;                /* 0: anything may be wanted */
	uint64_t next;                /* the first number that is looked at */
	/* Each event; @place: which of its record.  Not VG_OK, nor VG_E_STOP, ends it. */
	vg_rc (*event)(void *ctx, const struct vg_record *r, const struct vg_event *e, uint16_t place);
	/* Before each record; false passes it over.  May be NULL. */
	bool (*wanted)(void *ctx, const struct vg_record *r);
	void *ctx; /* of key, event and wanted */
};
struct vg_lookback;
vg_rc vg_lookback_new(const struct vg_lookback_options *o, struct vg_lookback **out) VG_MUST;
void vg_lookback_free(struct vg_lookback *l); /* NULL is nothing */
/* Go through one block that must be read, or through some that must not.  VG_E_STOP: there are no more blocks now; a later call looks again.
 * VG_E_NOMEM, VG_E_SYS, or what event() returned: the block counts as not gone through. */
vg_rc vg_lookback_step(struct vg_lookback *l) VG_MUST;
/* The same for a record that is in no block yet. */
vg_rc vg_lookback_record(struct vg_lookback *l, const struct vg_record *r) VG_MUST;
uint64_t vg_lookback_next(const struct vg_lookback *l); /* all before it was gone through */
const struct vg_lookback_stats *vg_lookback_stats(const struct vg_lookback *l);

/* What the index can be asked of @keyword (source/ioc.h, vg_ioc_keyword): its longest run of safe bytes, in lower case; @buf has room for keyword.n.
 * false: it does not tell blocks apart: too short, or a number (a digest): everything must be read. */
bool vg_lookback_piece(vg_str keyword, char *buf, vg_str *out);

#endif
