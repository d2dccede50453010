/* role/parent_alarm.h - what the parent itself has to tell people: a role that ends again and again, a witness that comes no more.  Kept until
 * out has it on disk, also while it is out that ends. */
#ifndef VG_ROLE_PARENT_ALARM_H
#define VG_ROLE_PARENT_ALARM_H

#include "base/buf.h"

#define VG_PARENT_ALARMS_MAX 32
#define VG_DEATHS 3                                   /* of one role ... */
#define VG_DEATHS_NS (600 * INT64_C(1000000000))      /* ... within so long are told, and then so long not again */
#define VG_WITNESS_SILENT_S 600

struct vg_parent_alarms {
	struct vg_parent_alarm {
		char *bytes; /* owned: as role/alarm.h has them */
		size_t n;
	} waiting[VG_PARENT_ALARMS_MAX];
	size_t n, nsent; /* the first nsent are given */
	int64_t sent_ns;
	bool witness_silent;
};
/* Of one role: when it died last. */
struct vg_deaths {
	int64_t at_ns[VG_DEATHS], told_ns;
	unsigned next;
};

void vg_parent_alarm(struct vg_parent_alarms *a, unsigned kind, unsigned level, const char *text);
/* It died again.  true: so often that it is to be told. */
bool vg_deaths_add(struct vg_deaths *d, int64_t now_ns);
/* A witness was seen at @seen_s (0: not yet), and is expected since @since_s. */
void vg_parent_witness(struct vg_parent_alarms *a, int64_t seen_s, int64_t since_s, int64_t now_s);
/* What is to be given to out now, in @out; false: nothing. */
bool vg_parent_alarms_due(struct vg_parent_alarms *a, int64_t now_ns, struct vg_buf *out);
void vg_parent_alarms_took(struct vg_parent_alarms *a);
void vg_parent_alarms_lost(struct vg_parent_alarms *a); /* out ended: what was given is given again */

#endif
