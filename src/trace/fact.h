/* trace/fact.h - what one event says of the story, in a form small enough to keep for millions: a sign-in, a new
 * account, an erased log...  Read from the ECS names that packs add, never from a product's own. */
#ifndef VG_TRACE_FACT_H
#define VG_TRACE_FACT_H

#include "base/buf.h"
#include "base/cur.h"
#include "event/event.h"

/* event.action as packs write it -> kind.  One table in fact.c; doc/packs.md lists the words. */
enum vg_fact_kind {
	VG_FACT_NONE,
	VG_FACT_SIGN_IN,        /* "sign-in": 4624, sshd Accepted, su/sudo session... */
	VG_FACT_SIGN_IN_FAILED, /* "sign-in-failed" */
	VG_FACT_SIGN_OUT,       /* "sign-out" */
	VG_FACT_EXPLICIT,       /* "explicit-credentials": 4648 */
	VG_FACT_TICKET,         /* "kerberos-ticket": 4768, 4769 */
	VG_FACT_VALIDATION,     /* "credential-validation": 4776 */
	VG_FACT_VPN_START,      /* "vpn-start" */
	VG_FACT_VPN_FAILED,     /* "vpn-failed" */
	VG_FACT_VPN_END,        /* "vpn-end" */
	VG_FACT_VPN_ADDRESS,    /* "vpn-address": a session was given an address inside, where vpn-start does not say it */
	VG_FACT_PRIVILEGE,      /* "privilege": 4672, sudo, su */
	VG_FACT_ACCOUNT_CREATED, VG_FACT_ACCOUNT_CHANGED, VG_FACT_ACCOUNT_DELETED, /* "account-created"... */
	VG_FACT_GROUP_ADDED,    /* "group-member-added" */
	VG_FACT_LOG_CLEARED,    /* "log-cleared": 1102, 104... log.name says which */
	VG_FACT_LOGGING_STOPPED,/* "logging-stopped": 1100, auditd stop, rsyslog stop */
	VG_FACT_AUDIT_CHANGED,  /* "audit-policy-changed": 4719, auditctl */
	VG_FACT_SERVICE,        /* "service-installed" */
	VG_FACT_TASK,           /* "task-created": scheduled task, cron */
	VG_FACT_KINDS
};
const char *vg_fact_name(enum vg_fact_kind k); /* the word */

#define VG_FACT_TEXT_MAX 512 /* bytes of one text as encoded; a longer one is cut there */

struct vg_fact {
	uint8_t kind;
	bool failed;             /* event.outcome is failure */
	uint16_t logon_type;     /* Windows number, 0 unknown */
	int64_t time_ns;
	vg_str host;             /* where it was seen */
	vg_str channel;          /* Windows channel or program */
	vg_str user, domain;     /* who did it */
	vg_str target;           /* account, service, task, log or group acted on; VPN_START, VPN_ADDRESS: the address inside */
	vg_str member;           /* GROUP_ADDED: who came into the group */
	vg_str source_ip, source_host;
	vg_str session;          /* session.id */
	vg_str method;           /* auth.method */
};

/* What @e says; kind VG_FACT_NONE when nothing.  Slices borrow from @e. */
void vg_fact_of(const struct vg_event *e, struct vg_fact *out);
/* u8 kind, u8 failed, u16 logon type, i64 time, u16 mask of the texts that follow: u16 length and bytes each. */
void vg_fact_encode(struct vg_buf *b, const struct vg_fact *f);
/* Slices borrow from @in, which moves behind the fact.  VG_E_TRUNC; VG_E_FORMAT: a kind or mask that is none. */
vg_rc vg_fact_decode(struct vg_cur *in, struct vg_fact *out) VG_MUST;

#endif
