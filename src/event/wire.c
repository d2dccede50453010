#include "event/wire.h"

static bool
wanted(uint32_t key, const uint32_t *only, size_t nonly)
{
	size_t lo = 0, hi = nonly;

	if (only == NULL)
		return true;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (only[mid] < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < nonly && only[lo] == key;
}

void
vg_wire_encode(struct vg_buf *b, const struct vg_event *e, const uint32_t *only, size_t nonly)
{
	size_t at;
	uint16_t n = 0;

	vg_buf_u8(b, VG_WIRE_VERSION);
	vg_buf_le32(b, e->flags);
	vg_buf_le64(b, (uint64_t)e->time_ns);
	vg_buf_le64(b, e->record);
	vg_buf_le64(b, e->offset);
	vg_buf_le_str(b, e->host);
	vg_buf_le_str(b, e->channel);
	vg_buf_le_str(b, e->provider);
	vg_buf_le_str(b, e->code);
	at = b->n;
	vg_buf_le16(b, 0);
	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *f = &e->field[i];

		if (!wanted(f->key, only, nonly))
			continue;
		vg_buf_u8(b, f->kind);
		vg_buf_u8(b, f->flags);
		vg_buf_le_str(b, f->name);
		vg_buf_le_str(b, f->value);
		n++;
	}
	if (b->rc == VG_OK)
		memcpy(b->p + at, &n, sizeof(n));
	vg_buf_le_str(b, only ? VG_NIL : vg_str_cut(e->raw, VG_WIRE_RAW_MAX));
}

static vg_str
take_str(struct vg_cur *in)
{
	uint32_t n = vg_cur_le32(in);

	return vg_cur_bytes(in, n);
}

vg_rc
vg_wire_decode(struct vg_cur *in, struct vg_event *out)
{
	uint16_t n;

	vg_event_reset(out);
	if (vg_cur_u8(in) != VG_WIRE_VERSION && in->rc == VG_OK)
		return vg_cur_fail(in, VG_E_FORMAT);
	out->flags = vg_cur_le32(in);
	out->time_ns = (int64_t)vg_cur_le64(in);
	out->record = vg_cur_le64(in);
	out->offset = vg_cur_le64(in);
	out->host = take_str(in);
	out->channel = take_str(in);
	out->provider = take_str(in);
	out->code = take_str(in);
	n = vg_cur_le16(in);
	if (n > VG_EVENT_FIELDS_MAX)
		return vg_cur_fail(in, VG_E_LIMIT);
	for (uint16_t i = 0; i < n && in->rc == VG_OK; i++) {
		uint8_t kind = vg_cur_u8(in), flags = vg_cur_u8(in);
		vg_str name = take_str(in), value = take_str(in);
		vg_rc rc;

		if (kind > VG_KIND_BYTES)
			return vg_cur_fail(in, VG_E_FORMAT);
		if (in->rc != VG_OK)
			break;
		rc = vg_event_add_key(out, name, vg_keys_find(out->keys, name), kind, flags, value);
		if (rc != VG_OK)
			return vg_cur_fail(in, rc);
	}
	out->raw = take_str(in);
	return in->rc;
}
