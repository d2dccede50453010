/* vault/record.h - what the vault keeps: raw bytes as they came, from whom and when.  Its own bytes, which its leaf in the tree is made
 * of, are u64 seq, i64 recv_ns, u32 source, u32 length, u16 flags, u16 length of the id, id, raw; little-endian
 * (doc/vault-format.md, "Record"). */
#ifndef VG_VAULT_RECORD_H
#define VG_VAULT_RECORD_H

#include "base/buf.h"
#include "base/cur.h"

#define VG_RECORD_HEAD 28
#define VG_RECORD_RAW_MAX ((size_t)1 << 20)
#define VG_RECORD_ID_MAX 255
#define VG_CLASSES_MAX 16 /* classes of retention, numbered from 0, the default one */

enum vg_record_flag {
	VG_RECORD_RESENT = 1, /* its sender could not know that it had come already */
	VG_RECORD_FLAGS = 1,  /* all of them */
};
struct vg_record {
	uint64_t seq;     /* of the node, ascending, each once */
	int64_t recv_ns;  /* arrival */
	uint32_t source;  /* row of the catalogue; 0: Vigie itself */
	uint16_t flags;   /* enum vg_record_flag */
	uint16_t class;   /* of retention.  It stands in the journal and in the head of the block, not in the record's own bytes: who reads a block leaves it 0 */
	vg_str id;        /* what names it at its sender: an _id, a journal cursor, file and offset; empty when nothing does; borrowed */
	vg_str raw;       /* borrowed */
};
static inline void
vg_record_put(struct vg_buf *b, const struct vg_record *r)
{
	vg_buf_le64(b, r->seq);
	vg_buf_le64(b, (uint64_t)r->recv_ns);
	vg_buf_le32(b, r->source);
	vg_buf_le32(b, (uint32_t)r->raw.n);
	vg_buf_le16(b, r->flags);
	vg_buf_le16(b, (uint16_t)r->id.n);
	vg_buf_put(b, r->id);
	vg_buf_put(b, r->raw);
}
/* VG_E_TRUNC, VG_E_LIMIT; VG_E_FORMAT: flags that nobody gives. */
static inline vg_rc
vg_record_take(struct vg_cur *c, struct vg_record *out)
{
	uint32_t n;
	uint16_t id;

	out->class = 0;
	out->seq = vg_cur_le64(c);
	out->recv_ns = (int64_t)vg_cur_le64(c);
	out->source = vg_cur_le32(c);
	n = vg_cur_le32(c);
	out->flags = vg_cur_le16(c);
	id = vg_cur_le16(c);
	if (n > VG_RECORD_RAW_MAX || id > VG_RECORD_ID_MAX)
		return vg_cur_fail(c, VG_E_LIMIT);
	if (out->flags & ~VG_RECORD_FLAGS)
		return vg_cur_fail(c, VG_E_FORMAT);
	out->id = vg_cur_bytes(c, id);
	out->raw = vg_cur_bytes(c, n);
	return c->rc;
}

#endif
