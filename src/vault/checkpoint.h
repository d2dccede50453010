/* vault/checkpoint.h - what a tree was at one time, as the text of a note (C2SP tlog-checkpoint): origin, size in decimal, root in base64,
 * then lines of ours: "seq N" the first record number that is not in it, "epoch N", "time RFC 3339".  All of them, in this order,
 * each once. */
#ifndef VG_VAULT_CHECKPOINT_H
#define VG_VAULT_CHECKPOINT_H

#include "base/buf.h"
#include "vault/merkle.h"

#define VG_ORIGIN_MAX 128

struct vg_checkpoint {
	char origin[VG_ORIGIN_MAX];
	uint64_t size; /* leaves: blocks */
	struct vg_hash root;
	uint64_t seq, epoch;
	int64_t time_ns;
};
void vg_checkpoint_print(const struct vg_checkpoint *c, struct vg_buf *b);
/* VG_E_FORMAT: not one, or written in another way than print does.  More lines behind ours are taken, and passed over. */
vg_rc vg_checkpoint_parse(vg_str text, struct vg_checkpoint *out) VG_MUST;

#endif
