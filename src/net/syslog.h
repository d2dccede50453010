/* net/syslog.h - the syslog listeners: UDP (RFC 5426), TCP (RFC 6587), TLS (RFC 5425).  They bring to a gate what came, and interpret
 * nothing.  One thread, one loop; sockets are given bound, listening where they are of TCP, and not blocking; the caller keeps
 * them, and closes them after vg_syslogd_free().
 *
 * Nothing that TCP brought is lost or changes its order: a connection whose record the gate does not take keeps what it has read and
 * is not read from until vg_syslogd_room().  Datagrams that are refused wait in a backlog (net/backlog.h), where a source over its share
 * loses its own; when it is full the socket is not read from, and what the kernel then drops is counted. */
#ifndef VG_NET_SYSLOG_H
#define VG_NET_SYSLOG_H

#include "net/gate.h"
#include "net/loop.h"
#include "net/peer.h"
#include "net/tls.h"

#define VG_SYSLOGD_CONNS 4096
#define VG_SYSLOGD_CONNS_PER_ADDRESS 256
#define VG_SYSLOGD_HELD_MAX ((size_t)32 << 20) /* bytes read and not taken; over it no connection is read from */
#define VG_SYSLOGD_PARTS_MAX ((size_t)64 << 20) /* bytes of frames that are not whole; over it the largest one's connection is closed */

struct vg_syslogd_limits { /* 0: as above */
	unsigned conns;
	unsigned conns_per_address;
	unsigned handshake_ms; /* VG_TLS_HANDSHAKE_MS */
};
struct vg_syslogd_counts {
	uint64_t conns_now, conns_ever;
	uint64_t conns_refused; /* over a limit */
	uint64_t bytes;         /* as they came out of sockets, or TLS */
	uint64_t records;       /* taken */
	uint64_t kernel_drops;  /* of UDP (SO_RXQ_OVFL) */
	uint64_t handshakes_failed;
	char handshake_why[VG_PEER_MAX + VG_TLS_WHY_MAX]; /* of the last one: address, reason; empty before there was one */
};
struct vg_syslogd;

/* @gate outlives the listener; @tenant and @name ("syslog", "syslog-tls") are copied. */
vg_rc vg_syslogd_udp_new(struct vg_loop *loop, const struct vg_gate *gate, int fd, vg_str tenant, vg_str name, struct vg_syslogd **out)
	VG_MUST;
/* @tls: NULL for none, else it outlives the listener.  @limits may be NULL.  Takes one of the loop's timers. */
vg_rc vg_syslogd_tcp_new(struct vg_loop *loop, const struct vg_gate *gate, int fd, vg_str tenant, vg_str name,
			const struct vg_tls_creds *tls, const struct vg_syslogd_limits *limits, struct vg_syslogd **out) VG_MUST;
/* The gate takes again: what was kept is offered anew, in order. */
void vg_syslogd_room(struct vg_syslogd *l);
/* Take nothing new, but what is in the sockets by now.  While vg_syslogd_done() is false the gate has refused some of it: turn to
 * vg_syslogd_room() until it is true. */
void vg_syslogd_stop(struct vg_syslogd *l);
bool vg_syslogd_done(const struct vg_syslogd *l);
const struct vg_syslogd_counts *vg_syslogd_counts(const struct vg_syslogd *l);
/* Not from within its own callbacks.  The loop must not turn after it, or the listener be one of UDP. */
void vg_syslogd_free(struct vg_syslogd *l);

#endif
