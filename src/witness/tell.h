/* witness/tell.h - telling people about an alarm, by channels that are the witness's own: a command, a webhook, mail.  Each call
 * takes as long as it takes (at most a minute): it is made in a process of its own.  How it is sent is net/outward.h and proc/exec.h. */
#ifndef VG_WITNESS_TELL_H
#define VG_WITNESS_TELL_H

#include "witness/alarm.h"

enum vg_tell_way { VG_TELL_COMMAND, VG_TELL_WEBHOOK, VG_TELL_MAIL, VG_TELL_WAYS };
const char *vg_tell_way_name(enum vg_tell_way c);
struct vg_tell_options {
	const char *to[VG_TELL_WAYS]; /* a shell command; an address of http(s); a mail address.  NULL: not that way */
	const char *mail_from;       /* NULL: the recipient itself */
	const char *smtp;            /* "smtp://HOST:PORT", "smtps://...": NULL: /usr/sbin/sendmail */
	const char *name;            /* the witness's */
};
#define VG_TELL_WHY 256
/* The command gets VIGIE_ALARM_KIND, _STATE, _SUBJECT, _TEXT, _TIME and _WITNESS in its environment, and the text that mail has on standard
 * input.  The webhook gets the same as a JSON object by POST.  VG_E_SYS: it did not work, and @why says how. */
vg_rc vg_tell(const struct vg_tell_options *o, enum vg_tell_way c, const struct vg_alarm *a, int64_t now_ns, char why[VG_TELL_WHY]) VG_MUST;
/* Is that a program of others, which is run? */
bool vg_tell_runs(const struct vg_tell_options *o, enum vg_tell_way c);
bool vg_is_smtp_url(const char *s);
bool vg_tell_can_mail(const struct vg_tell_options *o); /* is there a way? */

#endif
