/* witness/tell.h - telling people about an alarm, by channels that are the witness's own: a command, a webhook, mail.  Each call
 * takes as long as it takes (at most a minute): it is made in a process of its own. */
#ifndef VG_WITNESS_TELL_H
#define VG_WITNESS_TELL_H

#include "witness/alarm.h"

enum vg_channel { VG_CHANNEL_COMMAND, VG_CHANNEL_WEBHOOK, VG_CHANNEL_MAIL, VG_CHANNELS };
const char *vg_channel_name(enum vg_channel c);
struct vg_tell_options {
	const char *to[VG_CHANNELS]; /* a shell command; an address of http(s); a mail address.  NULL: not that way */
	const char *mail_from;       /* NULL: the recipient itself */
	const char *smtp;            /* "smtp://HOST:PORT", "smtps://...": NULL: /usr/sbin/sendmail */
	const char *name;            /* the witness's */
};
#define VG_TELL_WHY 256
/* The command gets VIGIE_ALARM_KIND, _STATE, _SUBJECT, _TEXT, _TIME and _WITNESS in its environment, and the text that mail has on standard
 * input.  The webhook gets the same as a JSON object by POST.  VG_E_SYS: it did not work, and @why says how. */
vg_rc vg_tell(const struct vg_tell_options *o, enum vg_channel c, const struct vg_alarm *a, int64_t now_ns, char why[VG_TELL_WHY]) VG_MUST;
/* Is that a program of others, which is run? */
bool vg_tell_runs(const struct vg_tell_options *o, enum vg_channel c);
bool vg_is_mail_address(const char *s);
bool vg_is_smtp_url(const char *s);
bool vg_tell_can_mail(const struct vg_tell_options *o); /* is there a way? */

#endif
