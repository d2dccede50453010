/* role/alarm.h - something that people are to be told.  Trace, the vault and the parent bring alarms to out; each is named, so that it is told
 * once however often it is brought.  What it says in words, and in which language, is out's (role/alarm_text.h): here are only names and figures.
 *
 * On the wire: 16 bytes id, u8 kind, u8 level, i64 time, strings tenant, title, text. */
#ifndef VG_ROLE_ALARM_H
#define VG_ROLE_ALARM_H

#include "base/buf.h"
#include "base/cur.h"

#define VG_ALARM_ID 16
#define VG_ALARM_STRING_MAX 1024      /* bytes of each string */
#define VG_ALARMS_BYTES ((size_t)64 << 10) /* of one ALARMS, about */
#define VG_ALARMS_BYTES_MAX ((size_t)128 << 10)

enum vg_role_alarm_kind { /* kept on disk: only add to it */
	VG_ROLE_ALARM_SIGNAL,      /* title: the rule's; text: the host */
	VG_ROLE_ALARM_DISK,        /* text: what is to stay free */
	VG_ROLE_ALARM_DISK_OVER,
	VG_ROLE_ALARM_ROLE,        /* text: the role */
	VG_ROLE_ALARM_ASIDE,       /* text: the record.  Nobody brings it: a rule tells it; one may wait in a queue of before */
	VG_ROLE_ALARM_CHECKPOINT,  /* text: since when */
	VG_ROLE_ALARM_CHECKPOINT_OVER,
	VG_ROLE_ALARM_FLOOD,       /* text: who, how much */
	VG_ROLE_ALARM_WITNESS,     /* text: since when */
	VG_ROLE_ALARM_WITNESS_OVER,
	VG_ROLE_ALARM_STAMP,       /* text: why there is none */
	VG_ROLE_ALARM_TEST,
	VG_ROLE_ALARM_SHARE,       /* text: the source, its share */
	VG_ROLE_ALARM_SOURCE_FLOOD, /* text: the source, how much */
	VG_ROLE_ALARM_ANNOUNCED,   /* text: day, class, how much */
	VG_ROLE_ALARM_DESTROYED,   /* the same */
	VG_ROLE_ALARM_NOT_CERTIFIED, /* text: the key, why */
	VG_ROLE_ALARM_KINDS
};
struct vg_role_alarm {
	uint8_t id[VG_ALARM_ID];
	uint8_t kind, level; /* level: enum vg_level */
	int64_t time_ns;
	vg_str tenant, title, text; /* any bytes; borrowed.  No tenant: the watch itself */
};
static inline void
vg_role_alarm_put(struct vg_buf *b, const struct vg_role_alarm *a)
{
	vg_buf_mem(b, a->id, sizeof(a->id));
	vg_buf_u8(b, a->kind);
	vg_buf_u8(b, a->level);
	vg_buf_le64(b, (uint64_t)a->time_ns);
	vg_buf_le_str(b, vg_str_cut(a->tenant, VG_ALARM_STRING_MAX));
	vg_buf_le_str(b, vg_str_cut(a->title, VG_ALARM_STRING_MAX));
	vg_buf_le_str(b, vg_str_cut(a->text, VG_ALARM_STRING_MAX));
}
static inline vg_str
vg_role_alarm_string(struct vg_cur *c)
{
	uint32_t n = vg_cur_le32(c);

	if (n > VG_ALARM_STRING_MAX)
		(void)vg_cur_fail(c, VG_E_LIMIT);
	return vg_cur_bytes(c, n);
}
/* VG_E_TRUNC, VG_E_LIMIT, VG_E_FORMAT (a kind or level that is none). */
static inline vg_rc
vg_role_alarm_take(struct vg_cur *c, struct vg_role_alarm *out)
{
	vg_str id = vg_cur_bytes(c, VG_ALARM_ID);

	if (id.n == VG_ALARM_ID)
		memcpy(out->id, id.p, VG_ALARM_ID);
	out->kind = vg_cur_u8(c);
	out->level = vg_cur_u8(c);
	out->time_ns = (int64_t)vg_cur_le64(c);
	out->tenant = vg_role_alarm_string(c);
	out->title = vg_role_alarm_string(c);
	out->text = vg_role_alarm_string(c);
	if (c->rc == VG_OK && (out->kind >= VG_ROLE_ALARM_KINDS || out->level > 4))
		return vg_cur_fail(c, VG_E_FORMAT);
	return c->rc;
}

#endif
