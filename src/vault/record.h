/* vault/record.h - what the vault keeps: raw bytes as they came, from whom and when.  Its own bytes, which its leaf in the tree is made
 * of, are u64 seq, i64 recv_ns, u32 source, u32 length, raw; little-endian (doc/vault-format.md, "Record"). */
#ifndef VG_VAULT_RECORD_H
#define VG_VAULT_RECORD_H

#include "base/buf.h"
#include "base/cur.h"

#define VG_RECORD_HEAD 24
#define VG_RECORD_RAW_MAX ((size_t)1 << 20)

struct vg_record {
	uint64_t seq;     /* of the node, ascending, each once */
	int64_t recv_ns;  /* arrival */
	uint32_t source;  /* row of the catalogue */
	vg_str raw;       /* borrowed */
};
static inline void
vg_record_put(struct vg_buf *b, const struct vg_record *r)
{
	vg_buf_le64(b, r->seq);
	vg_buf_le64(b, (uint64_t)r->recv_ns);
	vg_buf_le32(b, r->source);
	vg_buf_le_str(b, r->raw);
}
/* VG_E_TRUNC, VG_E_LIMIT. */
static inline vg_rc
vg_record_take(struct vg_cur *c, struct vg_record *out)
{
	uint32_t n;

	out->seq = vg_cur_le64(c);
	out->recv_ns = (int64_t)vg_cur_le64(c);
	out->source = vg_cur_le32(c);
	n = vg_cur_le32(c);
	if (n > VG_RECORD_RAW_MAX)
		return vg_cur_fail(c, VG_E_LIMIT);
	out->raw = vg_cur_bytes(c, n);
	return c->rc;
}

#endif
