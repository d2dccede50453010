/* role/found.h - what detect tells trace of one batch: u64 generation, u64 first seq, u64 seq behind the last, i64 arrival of the newest record
 * (VG_TIME_NONE: none), then hits until the end, in order.  A hit is an event that some rule matched: u32 tenant, u32 source, u64 seq, i64 recv_ns,
 * i64 time_ns (that rules use), u16 place of the event in its record, u16 flags, 16 bytes identity, u16 rules, u32 row of each, u16 indicators
 * met, then of each u8 kind, i64 expiry (VG_TIME_NONE: never), strings value, found, field, file, source, note; string wire (event/wire.h).
 *
 * What look tells it of older records: u64 job, u32 tenant, u64 seq behind what was looked at, then such hits, without rules. */
#ifndef VG_ROLE_FOUND_H
#define VG_ROLE_FOUND_H

#include "base/buf.h"
#include "base/cur.h"
#include "source/ioc.h"

#define VG_FOUND_RULES_MAX 4096
#define VG_FOUND_MET_MAX 64 /* indicators that one event meets (VG_INDICATOR_HITS_MAX) */
#define VG_FOUND_BYTES_MAX ((size_t)4 << 20)

enum vg_found_flag {
	VG_FOUND_CLAIM = 1, /* the time that the record claims could not be believed: it is that of arrival */
	VG_FOUND_RESENT = 2, /* the record is marked so */
	VG_FOUND_FLAGS = 3,
};
struct vg_met { /* an indicator that an event meets; borrowed */
	uint8_t kind;       /* enum vg_ioc_kind */
	int64_t expires_ns; /* VG_TIME_NONE: never */
	vg_str value;
	vg_str found, field; /* as it stands in the event, and where; no field: in the raw text */
	vg_str file, source; /* who says so; of several, with ", " between */
	vg_str note;
};
static inline void
vg_met_put(struct vg_buf *b, const struct vg_met *m)
{
	vg_buf_u8(b, m->kind);
	vg_buf_le64(b, (uint64_t)m->expires_ns);
	vg_buf_le_str(b, m->value);
	vg_buf_le_str(b, m->found);
	vg_buf_le_str(b, m->field);
	vg_buf_le_str(b, m->file);
	vg_buf_le_str(b, m->source);
	vg_buf_le_str(b, m->note);
}
static inline vg_str
vg_met_take_str(struct vg_cur *c)
{
	uint32_t n = vg_cur_le32(c);

	return vg_cur_bytes(c, n);
}
static inline vg_rc
vg_met_take(struct vg_cur *c, struct vg_met *m)
{
	m->kind = vg_cur_u8(c);
	m->expires_ns = (int64_t)vg_cur_le64(c);
	m->value = vg_met_take_str(c);
	m->found = vg_met_take_str(c);
	m->field = vg_met_take_str(c);
	m->file = vg_met_take_str(c);
	m->source = vg_met_take_str(c);
	m->note = vg_met_take_str(c);
	return c->rc == VG_OK && m->kind >= VG_IOC_KINDS ? vg_cur_fail(c, VG_E_FORMAT) : c->rc;
}
struct vg_found {
	uint32_t tenant, source;
	uint64_t seq;
	int64_t recv_ns, time_ns;
	uint16_t place, flags;
	uint8_t identity[16]; /* equal in two records that are the same one; zeros: nothing tells */
	uint32_t nrule;
	uint32_t rule[VG_FOUND_RULES_MAX]; /* rows, ascending */
	uint32_t nmet;
	vg_str met_bytes; /* to put: nmet of them, encoded */
	struct vg_met met[VG_FOUND_MET_MAX]; /* taken */
	vg_str wire; /* borrowed */
};
static inline void
vg_found_put(struct vg_buf *b, const struct vg_found *f)
{
	vg_buf_le32(b, f->tenant);
	vg_buf_le32(b, f->source);
	vg_buf_le64(b, f->seq);
	vg_buf_le64(b, (uint64_t)f->recv_ns);
	vg_buf_le64(b, (uint64_t)f->time_ns);
	vg_buf_le16(b, f->place);
	vg_buf_le16(b, f->flags);
	vg_buf_mem(b, f->identity, sizeof(f->identity));
	vg_buf_le16(b, (uint16_t)f->nrule);
	for (uint32_t i = 0; i < f->nrule; i++)
		vg_buf_le32(b, f->rule[i]);
	vg_buf_le16(b, (uint16_t)f->nmet);
	vg_buf_put(b, f->met_bytes);
	vg_buf_le_str(b, f->wire);
}
/* VG_E_TRUNC, VG_E_LIMIT, VG_E_FORMAT (flags; rows of rules not ascending). */
static inline vg_rc
vg_found_take(struct vg_cur *c, struct vg_found *out)
{
	vg_str id;
	uint32_t n;

	out->tenant = vg_cur_le32(c);
	out->source = vg_cur_le32(c);
	out->seq = vg_cur_le64(c);
	out->recv_ns = (int64_t)vg_cur_le64(c);
	out->time_ns = (int64_t)vg_cur_le64(c);
	out->place = vg_cur_le16(c);
	out->flags = vg_cur_le16(c);
	id = vg_cur_bytes(c, sizeof(out->identity));
	if (id.n == sizeof(out->identity))
		memcpy(out->identity, id.p, id.n);
	out->nrule = vg_cur_le16(c);
	if (out->nrule > VG_FOUND_RULES_MAX)
		return vg_cur_fail(c, VG_E_LIMIT);
	for (uint32_t i = 0; i < out->nrule; i++) {
		out->rule[i] = vg_cur_le32(c);
		if (c->rc == VG_OK && i && out->rule[i] <= out->rule[i - 1])
			return vg_cur_fail(c, VG_E_FORMAT);
	}
	out->nmet = vg_cur_le16(c);
	if (out->nmet > VG_FOUND_MET_MAX)
		return vg_cur_fail(c, VG_E_LIMIT);
	for (uint32_t i = 0; i < out->nmet; i++)
		if (vg_met_take(c, &out->met[i]) != VG_OK)
			return c->rc;
	n = vg_cur_le32(c);
	out->wire = vg_cur_bytes(c, n);
	if (c->rc == VG_OK && (out->flags & ~VG_FOUND_FLAGS))
		return vg_cur_fail(c, VG_E_FORMAT);
	return c->rc;
}

#endif
