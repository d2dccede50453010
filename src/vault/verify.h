/* vault/verify.h - one tenant's folder looked through, byte by byte, needing no server, no network and no secret: it is only read.
 *
 * Every file is accounted for by a row of one table (verify.c).  The blocks' heads give the leaves, the leaves the tree, and the log's key has
 * signed the tree's root; so what is wrong is told with file, bytes and record numbers.  Tiles hold the leaves a second time: which of both
 * was changed is what the signed root decides.
 *
 * A watch may append meanwhile: the checkpoint is read first, and what is behind it need not be whole yet. */
#ifndef VG_VAULT_VERIFY_H
#define VG_VAULT_VERIFY_H

#include "vault/opener.h"
#include "vault/checkpoint.h"
#include "vault/days.h"
#include "vault/merkle.h"
#include "vault/stamp.h"

#define VG_VERIFY_FILES_MAX 2000000 /* names in one tenant's folder */
#define VG_VERIFY_NAME_MAX 160
#define VG_VERIFY_TEXT_MAX 400

enum vg_grade {
	VG_GRADE_NOTE,    /* to be known */
	VG_GRADE_WARNING, /* no evidence is touched */
	VG_GRADE_DAMAGE,
};
struct vg_finding {
	enum vg_grade grade;
	const char *file;        /* below the folder */
	uint64_t at, until;      /* the first bad byte is one of these; until 0: no byte is meant, but the file */
	uint64_t seq, until_seq; /* records that it concerns, and the first that it does not; until_seq 0: none, or nobody knows */
	const char *what, *advice; /* advice: NULL when there is none */
};
typedef void vg_finding_fn(void *ctx, const struct vg_finding *f);

struct vg_verify_block {
	uint64_t index; /* in the tree */
	const struct vg_block_head *h;
	vg_str head, stored;
	const struct vg_file *file; /* its segment, and where it stands in it */
	uint64_t at;
	struct vg_opener *opener; /* of the blocks of that segment */
};
/* Called for every sound block, in order.  All of @b is good until it returns.  Not VG_OK ends the run, and is its answer. */
typedef vg_rc vg_verify_block_fn(void *ctx, const struct vg_verify_block *b);

struct vg_verify_options {
	const struct vg_note_key *log_key; /* NULL: not known; then no signature is looked at (result: not signed) */
	const struct vg_note_key *witness; /* NULL: nobody's cosignature is looked for */
	const struct vg_days *days;        /* NULL: not here; then the day's signature is not looked at */
	bool watch;                        /* the folder of a watch, not of a witness: tiles must be there */
	bool live;                         /* a watch writes to it now */
	bool deep;                         /* open the blocks */
	const uint8_t *tenant_key;         /* 32 bytes; NULL: not here.  It is tried on the day keys, and opens blocks when @deep */
	vg_str tsa_ca;                     /* PEM; empty: time stamps are read, and not believed */
	vg_finding_fn *found;
	void (*progress)(void *ctx, uint64_t done, uint64_t all); /* bytes; NULL */
	vg_verify_block_fn *block; /* NULL */
	void *ctx;
};
struct vg_verified {
	struct vg_checkpoint checkpoint;
	bool has_checkpoint;
	bool log_signed, day_signed;   /* it is, by the keys given */
	bool cosigned;                 /* and by the witness's */
	uint64_t size;                 /* leaves: blocks that are there, or that the tiles know */
	struct vg_hash *leaf;          /* owned */
	uint64_t records, stored_bytes, payload_bytes; /* of sound blocks */
	uint64_t opened, gone, closed; /* blocks: opened; whose key was destroyed; that nothing here could open */
	uint64_t stuck;                /* sound blocks that do not unpack for a damaged one before them, without the one a segment that is told */
	uint64_t gone_records, keys_gone, keys_due; /* records that were destroyed; keys: with a sound certificate; announced or ordered to go */
	uint64_t unsealed, unsealed_records; /* blocks and records behind the checkpoint */
	int64_t unsealed_ns;           /* arrival of the first of them */
	uint64_t next_seq;             /* behind the last record */
	bool key_refused;              /* the tenant's key does not open the day keys */
	bool torn;                     /* the last segment ends in what is no whole block yet; the intake journal must hold it */
	char torn_file[VG_VERIFY_NAME_MAX];
	uint64_t torn_at;
	uint64_t stamps, stamps_good;
	bool stamped;                  /* by an authority that @tsa_ca vouches for: */
	struct vg_stamp stamp;         /* the one over the largest tree */
	struct vg_checkpoint stamp_of;
	uint64_t damages, warnings;
};
/* Verify the folder @dir.  VG_OK: it was looked through, and @out and the findings say how it is.  VG_E_SYS, VG_E_NOMEM: it could not be. */
vg_rc vg_verify_tenant(int dir, const struct vg_verify_options *o, struct vg_verified *out) VG_MUST;
void vg_verified_fini(struct vg_verified *v);
/* Is @c of the past of what was verified?  VG_E_REFUSED: another tree.  VG_E_NOTFOUND: there are fewer blocks here. */
vg_rc vg_verified_holds(const struct vg_verified *v, uint64_t size, const struct vg_hash *root) VG_MUST;

/* The certificates of a seal, read as vg_days_read() does; what is bad is told (as of @file), and counted. */
vg_rc vg_verify_days(vg_str bytes, const char *file, const struct vg_note_key *log, vg_finding_fn *found, void *ctx, struct vg_days *out, uint64_t *damages) VG_MUST;

/* Was one bit of @bytes flipped?  @is_good is asked for every bit; the one that makes it good stays turned back.  For small things: it is asked
 * 8 @n times. */
bool vg_flipped_bit(char *bytes, size_t n, bool (*is_good)(void *ctx), void *ctx, size_t *at);

#endif
