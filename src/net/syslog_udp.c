#include "net/syslog_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/map.h"
#include "net/backlog.h"

#define BATCH 64
#define DATAGRAM_MAX 65536 /* more than UDP carries */
#define BATCHES_A_TURN 4   /* then others are served */
#define DRAIN_BATCHES 4096 /* of a stop: a sender that does not end must not hold it up */
#define SEEN_SETS 1024
#define SEEN_WAYS 4

struct seen { /* an address and its number */
	uint8_t ip[16];
	uint32_t source;
	bool is;
};
struct control {
	_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(uint32_t))];
};
struct udp {
	struct vg_syslogd l;
	char *bytes; /* of BATCH datagrams; owned */
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	struct control control[BATCH];
	unsigned n, at; /* datagrams in hand, and those of them that are done */
	int64_t recv_ns;
	uint32_t drops; /* the kernel's count, as last seen */
	bool paused;    /* no room for those in hand, not even in the backlog */
	struct vg_backlog backlog;
	struct seen seen[SEEN_SETS][SEEN_WAYS];
	unsigned turn; /* which way is given up next */
};

static uint32_t
source_of(struct udp *u, const uint8_t ip[16])
{
	struct seen *set = u->seen[vg_map_hash(vg_str_mem(ip, 16)) % SEEN_SETS], *s;
	uint32_t source;

	for (unsigned i = 0; i < SEEN_WAYS; i++)
		if (set[i].is && memcmp(set[i].ip, ip, 16) == 0)
			return set[i].source;
	if ((source = vg_syslogd_source(&u->l, ip, VG_PROOF_NONE, VG_NIL)) == VG_GATE_NONE)
		return source;
	s = &set[u->turn++ % SEEN_WAYS];
	*s = (struct seen){ .source = source, .is = true };
	memcpy(s->ip, ip, 16);
	return source;
}

/* Without what a sender of streams has left at its end. */
static vg_str
message(const struct udp *u, unsigned i)
{
	vg_str s = vg_str_mem(u->iov[i].iov_base, u->msg[i].msg_len);

	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\0'))
		s.n--;
	return s;
}

/* The gate is full, for this source at least: keep it.  false: there is no room. */
static bool
keep(struct udp *u, uint32_t source, vg_str s)
{
	const struct vg_gate *g = u->l.gate;
	vg_rc rc = vg_backlog_put(&u->backlog, source, u->recv_ns, s);

	if (rc == VG_E_LIMIT)
		g->refused(g->ctx, source, VG_REFUSED_LIMIT, 1);
	return rc != VG_E_NOMEM;
}

/* false: it must wait, and all behind it. */
static bool
take(struct udp *u, unsigned i)
{
	const struct vg_gate *g = u->l.gate;
	vg_str s = message(u, i);
	uint8_t ip[16];
	uint32_t source;

	if (s.n == 0)
		return true;
	source = vg_peer_of(&u->from[i], ip) ? source_of(u, ip) : VG_GATE_NONE;
	if (source == VG_GATE_NONE) {
		g->refused(g->ctx, VG_GATE_NONE, VG_REFUSED_LIMIT, 1);
		return true;
	}
	if (vg_backlog_has(&u->backlog, source) || !g->take(g->ctx, source, u->recv_ns, VG_NIL, s))
		return keep(u, source, s);
	u->l.counts.records++;
	return true;
}

static void
pause_udp(struct udp *u, bool paused)
{
	u->paused = paused;
	if (u->l.watch)
		vg_watch_set(u->l.watch, paused ? 0 : EPOLLIN);
}

/* Those in hand.  false: some must wait. */
static bool
take_all(struct udp *u)
{
	for (; u->at < u->n; u->at++)
		if (!take(u, u->at)) {
			pause_udp(u, true);
			return false;
		}
	return true;
}

/* The kernel tells how many it has dropped since the socket was made, with a datagram (socket(7), SO_RXQ_OVFL). */
static void
note_drops(struct udp *u, struct msghdr *h)
{
	const struct vg_gate *g = u->l.gate;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		uint32_t now, more;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL || c->cmsg_len != CMSG_LEN(sizeof(now)))
			continue;
		memcpy(&now, CMSG_DATA(c), sizeof(now));
		if ((more = now - u->drops) == 0)
			continue;
		u->drops = now;
		u->l.counts.kernel_drops += more;
		g->refused(g->ctx, VG_GATE_NONE, VG_REFUSED_KERNEL, more);
	}
}

/* A batch from the kernel; false: there was none. */
static bool
receive(struct udp *u)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++) { /* the last call has written its lengths here */
		u->msg[i].msg_hdr.msg_namelen = sizeof(u->from[i]);
		u->msg[i].msg_hdr.msg_controllen = sizeof(u->control[i]);
	}
	u->n = u->at = 0;
	if ((n = recvmmsg(u->l.fd, u->msg, BATCH, MSG_DONTWAIT, NULL)) <= 0)
		return false;
	u->recv_ns = vg_clock_ns();
	u->n = (unsigned)n;
	for (unsigned i = 0; i < u->n; i++) {
		u->l.counts.bytes += u->msg[i].msg_len;
		note_drops(u, &u->msg[i].msg_hdr);
	}
	return true;
}

static void
read_batches(struct udp *u, unsigned most)
{
	while (most-- && receive(u))
		if (!take_all(u))
			return;
}

static void
on_udp(void *ctx, uint32_t events)
{
	struct udp *u = ctx;

	(void)events;
	if (!u->paused)
		read_batches(u, BATCHES_A_TURN);
}

static void
udp_room(struct vg_syslogd *l)
{
	struct udp *u = (struct udp *)l;

	l->counts.records += vg_backlog_offer(&u->backlog, l->gate);
	if (!u->paused || !take_all(u))
		return;
	pause_udp(u, false);
	if (l->stopping)
		read_batches(u, DRAIN_BATCHES);
}

static void
udp_stop(struct vg_syslogd *l)
{
	struct udp *u = (struct udp *)l;

	vg_watch_free(l->watch);
	l->watch = NULL;
	if (!u->paused)
		read_batches(u, DRAIN_BATCHES);
}

static bool
udp_done(const struct vg_syslogd *l)
{
	const struct udp *u = (const struct udp *)l;

	return !u->paused && vg_backlog_empty(&u->backlog);
}

static void
udp_free(struct vg_syslogd *l)
{
	struct udp *u = (struct udp *)l;

	vg_watch_free(l->watch);
	vg_backlog_fini(&u->backlog);
	free(u->bytes);
	free(u);
}

static const struct vg_syslogd_kind kind = { udp_room, udp_stop, udp_done, udp_free };

static vg_rc
prepare(struct udp *u)
{
	int on = 1;

	if ((u->bytes = malloc((size_t)BATCH * DATAGRAM_MAX)) == NULL)
		return VG_E_NOMEM;
	for (unsigned i = 0; i < BATCH; i++) {
		u->iov[i] = (struct iovec){ u->bytes + (size_t)i * DATAGRAM_MAX, DATAGRAM_MAX };
		u->msg[i].msg_hdr = (struct msghdr){ .msg_name = &u->from[i], .msg_iov = &u->iov[i], .msg_iovlen = 1,
						     .msg_control = u->control[i].bytes };
	}
	if (setsockopt(u->l.fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)) < 0)
		return VG_E_SYS;
	return vg_watch_new(u->l.loop, u->l.fd, EPOLLIN, on_udp, u, &u->l.watch);
}

vg_rc
vg_syslogd_udp_new(struct vg_loop *loop, const struct vg_gate *gate, int fd, vg_str tenant, vg_str name, struct vg_syslogd **out)
{
	struct udp *u = calloc(1, sizeof(*u));
	vg_rc rc;

	if (u == NULL)
		return VG_E_NOMEM;
	vg_syslogd_init(&u->l, &kind, loop, gate, fd, tenant, name);
	if ((rc = prepare(u)) != VG_OK) {
		int keep = errno;

		udp_free(&u->l);
		errno = keep;
		return rc;
	}
	*out = &u->l;
	return VG_OK;
}
