/* role/alarm_text.h - what people read of alarms, in their language: one message of the groups that wait for a way (state/outbox.h), as
 * subject and text for a letter, and as one JSON object for programs:
 *
 *   {"vigie":NODE,"id":HEX,"time":T,"test":BOOL,"level":L,"count":N,"subject":S,"text":S,"alarms":[{"kind":K,"level":L,"tenant":T,"title":S,
 *    "text":S,"count":N,"first":T,"last":T}...],"more":N}
 *
 * alarms: the gravest VG_ALARM_SHOWN groups; more: alarms in the others.  "text" is what chat services show. */
#ifndef VG_ROLE_ALARM_TEXT_H
#define VG_ROLE_ALARM_TEXT_H

#include "case/report.h" /* enum vg_lang */
#include "role/alarm.h"
#include "state/outbox.h"

#define VG_ALARM_SHOWN 50

struct vg_alarm_message {
	enum vg_lang lang;
	const char *node;
	bool test;
	uint64_t count, groups, more; /* alarms; groups; alarms in groups that are not shown */
	uint8_t level;                /* the gravest */
	char id[33];                  /* the same for the same groups */
	struct vg_buf subject, text, json;
	struct vg_buf rows, list, name; /* while it is made */
};
/* In order: begin, each group (the gravest first), end.  VG_E_NOMEM. */
void vg_alarm_begin(struct vg_alarm_message *m, enum vg_lang lang, const char *node, bool test);
vg_rc vg_alarm_group(struct vg_alarm_message *m, const struct vg_outbox_group *g) VG_MUST;
vg_rc vg_alarm_end(struct vg_alarm_message *m, int64_t now_ns) VG_MUST;
void vg_alarm_fini(struct vg_alarm_message *m);

const char *vg_role_alarm_name(unsigned kind); /* "signal", "disk-full"... */
/* What a group says, in one line. */
void vg_alarm_title(enum vg_lang lang, const struct vg_outbox_group *g, struct vg_buf *out);

#endif
