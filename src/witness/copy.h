/* witness/copy.h - a witness's own copy of one tenant's vault: segments under the last checkpoint that it accepted, that
 * checkpoint, and what belongs to it.  Nothing of it is written over or removed, but for what was destroyed (witness/destroy.h); what is under no
 * accepted checkpoint is not of it yet.
 *
 * What comes is first kept beside, in NAME.part files, and looked into: every block's stored bytes, and the tree over all heads.
 * Only if that gives the root that the log signed do the parts become the copy; they are synced before the checkpoint is.
 * Each block says which leaf it is. */
#ifndef VG_WITNESS_COPY_H
#define VG_WITNESS_COPY_H

#include "vault/checkpoint.h"
#include "vault/disk.h"
#include "vault/note.h"
#include "witness/names.h"

#define VG_COPY_WHY 256

struct vg_copy_segment {
	char name[VG_DISK_NAME_MAX];
	uint64_t bytes; /* of the copy */
	uint64_t part;  /* that came behind them, in NAME.part */
	bool exists;
};
struct vg_copy {
	struct vg_disk d; /* the tenant's folder, locked */
	char tenant[VG_TENANT_NAME_MAX];
	bool has_key, has_last;
	bool resumed; /* a part holds bytes of an earlier round */
	struct vg_note_key key; /* the log's */
	struct vg_checkpoint last;
	struct vg_buf note;      /* of it, as it stands on disk */
	struct vg_frontier tree; /* over all of last */
	struct vg_copy_segment *segment; /* owned */
	size_t n, cap;
	char seen_name[VG_DISK_NAME_MAX]; /* the file of checkpoints seen that was written to, and where its notes end */
	uint64_t seen_end;
};
/* The copy in the folder @tenant of @vault, which is made.  Bytes under no checkpoint are cut off.  VG_E_FORMAT: it is damaged.
 * VG_E_REFUSED: another process has it.  @why says it. */
vg_rc vg_copy_open(int vault, const char *tenant, struct vg_copy **out, char why[VG_COPY_WHY]) VG_MUST;
void vg_copy_free(struct vg_copy *c);
/* The row of a segment, which is added.  NULL: no memory. */
struct vg_copy_segment *vg_copy_segment(struct vg_copy *c, vg_str name);
vg_rc vg_copy_add_part(struct vg_copy *c, struct vg_copy_segment *s, vg_str bytes) VG_MUST;
void vg_copy_drop_parts(struct vg_copy *c);
/* Do the parts lead to @to?  Then they are of the copy.  VG_E_REFUSED: they do not (@why).  VG_E_SYS, VG_E_NOMEM: open the copy anew. */
vg_rc vg_copy_grow(struct vg_copy *c, const struct vg_checkpoint *to, char why[VG_COPY_WHY]) VG_MUST;
/* Keep @note, which is of @cp, as the last one; its tree is that of the copy.  @log: also behind those that were seen, under the day of
 * @now_ns. */
vg_rc vg_copy_accept(struct vg_copy *c, vg_str note, const struct vg_checkpoint *cp, bool log, int64_t now_ns) VG_MUST;
/* Keep a small file, once: VG_E_REFUSED: it is there with other bytes. */
vg_rc vg_copy_keep(struct vg_copy *c, const char *name, vg_str bytes) VG_MUST;
/* Write a small file anew, in one step: synced, and its name too. */
vg_rc vg_copy_write(struct vg_copy *c, const char *name, vg_str bytes) VG_MUST;
/* VG_E_NOTFOUND. */
vg_rc vg_copy_read(struct vg_copy *c, const char *name, struct vg_buf *out) VG_MUST;
vg_rc vg_copy_set_key(struct vg_copy *c, const struct vg_note_key *k) VG_MUST;

#endif
