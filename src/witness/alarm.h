/* witness/alarm.h - which alarms are on, and when they are to be told: when one begins, each hour while it lasts, and when it is over.
 * Times are monotonic.  No channel is known here. */
#ifndef VG_WITNESS_ALARM_H
#define VG_WITNESS_ALARM_H

#include "base/rc.h"
#include "base/str.h"

#define VG_ALARMS_MAX 2048
#define VG_ALARM_SUBJECT_MAX 512
#define VG_ALARM_TEXT_MAX 512

enum vg_alarm_kind {
	VG_ALARM_SILENCE,     /* no newer checkpoint */
	VG_ALARM_CONSISTENCY, /* one that an honest log would not sign */
	VG_ALARM_EPOCH,       /* one that a person must accept */
	VG_ALARM_DISK,        /* the witness's own */
	VG_ALARM_COPY,        /* the copy cannot be kept: own damage, an error of the disk, a part that died */
	VG_ALARM_KINDS
};
const char *vg_alarm_kind_name(enum vg_alarm_kind k);
enum vg_alarm_state { VG_ALARM_BEGINS, VG_ALARM_LASTS, VG_ALARM_OVER, VG_ALARM_TEST };
const char *vg_alarm_state_name(enum vg_alarm_state s);
struct vg_alarm {
	enum vg_alarm_kind kind;
	enum vg_alarm_state state;
	const char *subject; /* a tenant, an address, or the witness's name */
	const char *text;
};
typedef void vg_alarm_fn(void *ctx, const struct vg_alarm *a);

struct vg_alarms;
vg_rc vg_alarms_new(int64_t repeat_ns, vg_alarm_fn *tell, void *ctx, struct vg_alarms **out) VG_MUST;
void vg_alarms_free(struct vg_alarms *a);
/* It is so.  Told when it was not so before; the newest text is what a repetition says.  VG_E_LIMIT: too many are on. */
vg_rc vg_alarm_raise(struct vg_alarms *a, enum vg_alarm_kind kind, const char *subject, const char *text, int64_t now_ns) VG_MUST;
/* It is so no more; told when it was. */
void vg_alarm_clear(struct vg_alarms *a, enum vg_alarm_kind kind, const char *subject, const char *text);
bool vg_alarm_is_on(const struct vg_alarms *a, enum vg_alarm_kind kind, const char *subject);
void vg_alarms_turn(struct vg_alarms *a, int64_t now_ns); /* tell those again that last */

#endif
