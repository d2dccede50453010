/* net/syslog_impl.h - what the listeners of net/syslog.h have in common. */
#ifndef VG_NET_SYSLOG_IMPL_H
#define VG_NET_SYSLOG_IMPL_H

#include "net/syslog.h"

struct vg_syslogd_kind {
	void (*room)(struct vg_syslogd *l);
	void (*stop)(struct vg_syslogd *l);
	bool (*done)(const struct vg_syslogd *l);
	void (*free)(struct vg_syslogd *l);
};
struct vg_syslogd { /* the first member of each kind's own */
	const struct vg_syslogd_kind *kind;
	struct vg_loop *loop;
	const struct vg_gate *gate;
	int fd;
	struct vg_watch *watch; /* owned; NULL after stop */
	char tenant[VG_SPEAKER_NAME_MAX], name[VG_SPEAKER_NAME_MAX];
	size_t ntenant, nname;
	bool stopping;
	struct vg_syslogd_counts counts;
};

void vg_syslogd_init(struct vg_syslogd *l, const struct vg_syslogd_kind *kind, struct vg_loop *loop, const struct vg_gate *gate, int fd,
		    vg_str tenant, vg_str name);
/* The gate's number for who sends from @ip; @certificate: the name it proved, or empty. */
uint32_t vg_syslogd_source(const struct vg_syslogd *l, const uint8_t ip[16], uint8_t proof, vg_str certificate);

#endif
