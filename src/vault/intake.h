/* vault/intake.h - the intake journal of a node: records of all tenants in order of arrival, synced before they are acknowledged.
 *
 * Files "SEQ.vj", SEQ being the first record's number in 16 hexadecimal digits.  A file is a head, then batches; a batch is what
 * was written at one time, and the next one is written only when it was synced: a batch that is whole proves that all before it was
 * on disk.  Little-endian:
 *   head   "VGJRNL1\n", u64 first seq, u64 id (random), u32 0, u32 CRC-32 of the 28 bytes before
 *   batch  "VGJB", u32 records, u64 id of the file, u64 offset of this batch, u64 first seq, u32 bytes of records,
 *          u32 CRC-32 of the records, u64 sender, u64 number (a mark), u32 CRC-32 of the 56 bytes before, then the records: u32 tenant, u16 class and vault/record.h's bytes
 * CRC-32 is that of zlib.  It tells a torn write from a whole one; against people there is the tree.
 *
 * A batch that is not whole at the end of the last file was never acknowledged, and is cut off.  One with a whole batch behind
 * it was: that is damage, which is told and never cut. */
#ifndef VG_VAULT_INTAKE_H
#define VG_VAULT_INTAKE_H

#include "vault/disk.h"
#include "vault/record.h"

#define VG_INTAKE_FILE_BYTES ((uint64_t)64 << 20)
#define VG_INTAKE_BATCH_BYTES ((size_t)8 << 20)   /* of one batch, at most */

struct vg_intake_damage {   /* what is wrong, and where */
	char name[VG_DISK_NAME_MAX];
	uint64_t at, until;      /* bytes that hold no whole batch */
	uint64_t seq, until_seq; /* records that are gone: from, and the first that is there again */
};
struct vg_intake_options {
	uint64_t first;      /* the number of the very first record, when the journal is new */
	uint64_t file_bytes; /* a new file is begun over this; 0: VG_INTAKE_FILE_BYTES */
};
/* Where a sender stands, kept with the records: after a failure it knows what it must send again, and nothing comes twice. */
struct vg_intake_mark {
	uint64_t sender; /* random; of one life of the process that collects */
	uint64_t number; /* of its last batch that is here */
};
struct vg_intake;
/* Open the journal in @d's folder, and make it sound after a failure of power.  VG_E_FORMAT: damage, told in @damage; VG_E_UNSUP: it, or a file of a
 * later version.  VG_E_SYS.
 * @d outlives the journal.  A read-only folder stays as it is: what would be cut off is passed over, and
 * told in @damage with VG_OK. */
vg_rc vg_intake_open(struct vg_disk *d, const struct vg_intake_options *o, struct vg_intake_damage *damage, struct vg_intake **out) VG_MUST;
void vg_intake_free(struct vg_intake *j); /* what was not synced is gone */

/* Take a record; it gets the next number, which @seq tells (@r's own is not looked at).  Nothing is promised until it was synced.  VG_E_LIMIT: too large, or the
 * batch is full: sync, and come again.  VG_E_NOMEM. */
vg_rc vg_intake_add(struct vg_intake *j, uint32_t tenant, const struct vg_record *r, uint64_t *seq) VG_MUST;
/* The mark of what was taken so far; and that of what is synced. */
void vg_intake_set_mark(struct vg_intake *j, struct vg_intake_mark m);
struct vg_intake_mark vg_intake_mark(const struct vg_intake *j);
/* Write what was taken, and sync it.  VG_OK: all of it may be acknowledged.  Else nothing of it may, and it is still there for
 * another try (VG_E_SYS: errno, as ENOSPC). */
vg_rc vg_intake_sync(struct vg_intake *j) VG_MUST;
/* Begin another file now, so that the one before can be dropped: when the disk is full.  Nothing is done while records wait, or when the last file is empty. */
vg_rc vg_intake_roll(struct vg_intake *j) VG_MUST;
uint64_t vg_intake_next(const struct vg_intake *j);   /* the number of the record after the last one that is synced */
size_t vg_intake_waiting(const struct vg_intake *j);  /* bytes taken and not synced */

/* Every synced record from @seq on, in order.  @each's slices are good until it returns; not VG_OK ends the walk.  VG_E_NOTFOUND: @seq was dropped
 * already. */
typedef vg_rc vg_intake_fn(void *ctx, uint32_t tenant, const struct vg_record *r);
vg_rc vg_intake_read(struct vg_intake *j, uint64_t seq, vg_intake_fn *each, void *ctx) VG_MUST;
/* A reader that comes back: where it stands.  Begin with { .seq = the first record that it wants }. */
struct vg_intake_cursor {
	uint64_t seq;
	uint64_t file, at; /* first record's number of the file, and offset of the batch; file 0: not looked up yet */
};
/* Synced records from the cursor on, about @max_bytes of batches; it moves behind each that @each took.  VG_E_STOP of @each ends the walk
 * in front of that record, and is VG_OK.  VG_E_NOTFOUND: what it wants was dropped already: vg_intake_first() is what there is. */
vg_rc vg_intake_walk(struct vg_intake *j, struct vg_intake_cursor *c, size_t max_bytes, vg_intake_fn *each, void *ctx) VG_MUST;
uint64_t vg_intake_first(const struct vg_intake *j); /* the number of the first record that is still there */
uint64_t vg_intake_bytes(const struct vg_intake *j); /* on disk */
/* Records before @seq are kept elsewhere: files that hold none from it on are removed. */
vg_rc vg_intake_drop(struct vg_intake *j, uint64_t seq) VG_MUST;

#endif
