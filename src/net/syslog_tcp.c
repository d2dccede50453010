#include "net/syslog_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/map.h"
#include "net/frame.h"

#define READ_BYTES 65536
#define ACCEPTS_A_TURN 64
#define TICK_MS 500
#define DRAIN_BYTES ((size_t)16 << 20) /* more than a socket holds: a sender that does not end must not hold up a stop */
#define BUCKETS 1024
#define KEEPALIVE_IDLE_S 300 /* a peer that lost its power gives its place back */

struct link { /* in a ring */
	struct link *prev, *next;
};
struct conn {
	struct tcp *t;
	int fd;
	struct vg_watch *watch; /* NULL: paused, and the peer is gone */
	struct vg_tls *tls;     /* owned; NULL in the clear */
	struct vg_framer framer;
	struct link all, same, waits; /* of the listener, of its bucket of addresses, of the paused */
	uint8_t ip[16];
	uint32_t source;  /* VG_GATE_NONE before its first byte */
	int64_t began_ns; /* monotonic */
	int64_t recv_ns;  /* of what is in hand */
	char *rest;       /* what was read and not taken; owned */
	size_t nrest, at;
	size_t drained;   /* bytes read since the stop */
	bool shaking;     /* its handshake is not over */
	bool paused;
	bool over;        /* nothing more will come */
};
struct tcp {
	struct vg_syslogd l;
	const struct vg_tls_creds *tls;
	struct vg_syslogd_limits limits;
	struct link all, waits, bucket[BUCKETS];
	size_t held, parts; /* bytes of all rests, of all parts */
	bool tired;         /* no descriptors or memory for more connections: until the next tick */
	char in[READ_BYTES];
};
enum state { OPEN, PAUSED, CLOSED };

/* ---- rings ---- */

static void
link_init(struct link *r)
{
	r->prev = r->next = r;
}

static void
link_add(struct link *ring, struct link *x)
{
	x->prev = ring->prev;
	x->next = ring;
	x->prev->next = ring->prev = x;
}

static void
link_remove(struct link *x)
{
	x->prev->next = x->next;
	x->next->prev = x->prev;
	link_init(x);
}

#define CONN_OF(link, member) ((struct conn *)((char *)(link) - offsetof(struct conn, member)))

/* ---- the end of a connection ---- */

static void
drop_rest(struct conn *c)
{
	c->t->held -= c->nrest;
	free(c->rest);
	c->rest = NULL;
	c->nrest = c->at = 0;
}

static enum state
conn_close(struct conn *c)
{
	struct tcp *t = c->t;

	drop_rest(c);
	t->parts -= c->framer.part.cap;
	vg_framer_fini(&c->framer);
	link_remove(&c->all);
	link_remove(&c->same);
	link_remove(&c->waits);
	vg_watch_free(c->watch);
	if (c->tls)
		(void)vg_tls_close(c->tls); /* whoever waits for it is served, nobody is waited for */
	vg_tls_free(c->tls);
	close(c->fd);
	free(c);
	t->l.counts.conns_now--;
	return CLOSED;
}

static enum state
conn_refuse(struct conn *c, enum vg_refusal why)
{
	const struct vg_gate *g = c->t->l.gate;

	g->refused(g->ctx, c->source, why, 1);
	return conn_close(c);
}

/* ---- records ---- */

static enum state
conn_pause(struct conn *c)
{
	c->paused = true;
	link_add(&c->t->waits, &c->waits);
	if (c->watch)
		vg_watch_set(c->watch, 0);
	return PAUSED;
}

static bool
on_frame(void *ctx, vg_str raw, bool cut)
{
	struct conn *c = ctx;
	const struct vg_gate *g = c->t->l.gate;

	if (!g->take(g->ctx, c->source, c->recv_ns, VG_NIL, raw))
		return false;
	c->t->l.counts.records++;
	if (cut)
		g->refused(g->ctx, c->source, VG_REFUSED_LONG, 1);
	return true;
}

/* The stream has ended, and all before its end was taken. */
static enum state
conn_finish(struct conn *c)
{
	size_t cap = c->framer.part.cap;
	vg_rc rc = vg_frame_end(&c->framer);

	c->t->parts += c->framer.part.cap - cap;
	c->over = true;
	if (rc == VG_E_STOP)
		return conn_pause(c);
	return rc == VG_OK ? conn_close(c) : conn_refuse(c, VG_REFUSED_FRAME);
}

/* Who speaks is told to the gate when it has said something. */
static bool
conn_name(struct conn *c)
{
	vg_str name = c->tls ? vg_tls_peer(c->tls) : VG_NIL;

	if (c->source == VG_GATE_NONE)
		c->source = vg_syslogd_source(&c->t->l, c->ip, name.n ? VG_PROOF_CERTIFICATE : VG_PROOF_NETWORK, name);
	return c->source != VG_GATE_NONE;
}

/* The gate is full: keep @left for later; it may lie in c->rest. */
static enum state
conn_keep(struct conn *c, vg_str left)
{
	if (c->rest) {
		c->at = c->nrest - left.n;
		return conn_pause(c);
	}
	if (left.n && (c->rest = malloc(left.n)) == NULL)
		return conn_refuse(c, VG_REFUSED_LIMIT);
	if (left.n)
		memcpy(c->rest, left.p, left.n);
	c->nrest = left.n;
	c->t->held += left.n;
	return conn_pause(c);
}

static enum state
conn_take(struct conn *c, vg_str in)
{
	size_t cap = c->framer.part.cap, used;
	vg_rc rc = vg_frame_feed(&c->framer, in, &used);

	c->t->parts += c->framer.part.cap - cap;
	if (rc == VG_OK)
		return OPEN;
	if (rc == VG_E_STOP)
		return conn_keep(c, vg_str_skip(in, used));
	return conn_refuse(c, rc == VG_E_FORMAT ? VG_REFUSED_FRAME : VG_REFUSED_LIMIT);
}

/* ---- reading ---- */

/* What there is, at most READ_BYTES, to t->in; c->over is set at the end. */
static size_t
read_clear(struct conn *c)
{
	ssize_t n = recv(c->fd, c->t->in, READ_BYTES, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		c->over = true;
	return n > 0 ? (size_t)n : 0;
}

static size_t
read_tls(struct conn *c)
{
	enum vg_tls_is is = VG_TLS_DONE;
	size_t n = 0;

	while (is == VG_TLS_DONE && READ_BYTES - n >= VG_TLS_RECORD_MAX) {
		size_t got;

		is = vg_tls_read(c->tls, c->t->in + n, READ_BYTES - n, &got);
		n += got;
	}
	c->over = is == VG_TLS_CLOSED || is == VG_TLS_FAILED;
	if (c->watch)
		vg_watch_set(c->watch, is == VG_TLS_WANT_WRITE ? EPOLLOUT : EPOLLIN);
	return n;
}

/* One read, and what it brought. @n: how much that was. */
static enum state
serve_once(struct conn *c, size_t *n)
{
	enum state s;

	*n = 0;
	if (c->t->held + READ_BYTES > VG_SYSLOGD_HELD_MAX)
		return conn_pause(c);
	*n = c->tls ? read_tls(c) : read_clear(c);
	if (*n) {
		c->t->l.counts.bytes += *n;
		c->recv_ns = vg_clock_ns();
		if (!conn_name(c))
			return conn_refuse(c, VG_REFUSED_LIMIT);
		if ((s = conn_take(c, vg_str_mem(c->t->in, *n))) != OPEN)
			return s;
	}
	return c->over ? conn_finish(c) : OPEN;
}

/* One read a turn, so that others have theirs; after a stop until nothing is there. */
static enum state
serve(struct conn *c)
{
	size_t n;
	enum state s = serve_once(c, &n);

	while (s == OPEN && c->t->l.stopping) {
		c->drained += n;
		s = n && c->drained < DRAIN_BYTES ? serve_once(c, &n) : conn_finish(c);
	}
	return s;
}

/* Too many bytes of frames that do not end: whoever sent most of them goes. */
static void
check_parts(struct tcp *t)
{
	while (t->parts > VG_SYSLOGD_PARTS_MAX) {
		struct conn *most = NULL;
		size_t most_bytes = READ_BYTES;

		for (struct link *x = t->all.next; x != &t->all; x = x->next) {
			struct conn *c = CONN_OF(x, all);

			if (!c->paused && c->framer.part.cap > most_bytes) {
				most = c;
				most_bytes = c->framer.part.cap;
			}
		}
		if (most == NULL)
			return; /* what is paused does not grow */
		(void)conn_refuse(most, VG_REFUSED_LIMIT);
	}
}

/* ---- handshakes ---- */

static enum state
shake_failed(struct conn *c, const char *why)
{
	struct vg_syslogd_counts *n = &c->t->l.counts;
	char text[VG_PEER_MAX];

	(void)vg_peer_print(c->ip, text);
	n->handshakes_failed++;
	snprintf(n->handshake_why, sizeof(n->handshake_why), "%s: %.*s", text, VG_TLS_WHY_MAX - 3, why);
	return conn_close(c);
}

static enum state
shake(struct conn *c)
{
	switch (vg_tls_handshake(c->tls)) {
	case VG_TLS_DONE:
		c->shaking = false;
		vg_watch_set(c->watch, EPOLLIN);
		return serve(c);
	case VG_TLS_WANT_READ:
		vg_watch_set(c->watch, EPOLLIN);
		return OPEN;
	case VG_TLS_WANT_WRITE:
		vg_watch_set(c->watch, EPOLLOUT);
		return OPEN;
	default:
		return shake_failed(c, vg_tls_why(c->tls));
	}
}

static void
on_conn(void *ctx, uint32_t events)
{
	struct conn *c = ctx;
	struct tcp *t = c->t;

	(void)events;
	if (c->paused) { /* it has gone, which epoll tells again and again; what it sent is read later */
		vg_watch_free(c->watch);
		c->watch = NULL;
		return;
	}
	(void)(c->shaking ? shake(c) : serve(c));
	check_parts(t);
}

/* ---- accepting ---- */

/* How many connections an address has; the number of its source, if one has. */
static unsigned
count_same(const struct link *bucket, const uint8_t ip[16], uint32_t *source)
{
	unsigned n = 0;

	*source = VG_GATE_NONE;
	for (const struct link *x = bucket->next; x != bucket; x = x->next) {
		const struct conn *c = CONN_OF(x, same);

		if (memcmp(c->ip, ip, 16) != 0)
			continue;
		n++;
		if (c->source != VG_GATE_NONE)
			*source = c->source;
	}
	return n;
}

static struct conn *
conn_new(struct tcp *t, int fd, const uint8_t ip[16], struct link *bucket)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->t = t;
	c->fd = fd;
	c->source = VG_GATE_NONE;
	c->began_ns = vg_monotonic_ns();
	memcpy(c->ip, ip, 16);
	vg_framer_init(&c->framer, on_frame, c);
	link_init(&c->waits);
	link_add(&t->all, &c->all);
	link_add(bucket, &c->same);
	t->l.counts.conns_now++;
	t->l.counts.conns_ever++;
	return c;
}

static void
refuse_fd(struct tcp *t, int fd, uint32_t source)
{
	const struct vg_gate *g = t->l.gate;

	close(fd);
	t->l.counts.conns_refused++;
	g->refused(g->ctx, source, VG_REFUSED_LIMIT, 1);
}

static void
welcome(struct tcp *t, int fd, const struct sockaddr_storage *from)
{
	struct link *bucket;
	struct conn *c;
	uint8_t ip[16];
	uint32_t source = VG_GATE_NONE;

	if (!vg_peer_of(from, ip)) {
		refuse_fd(t, fd, source);
		return;
	}
	bucket = &t->bucket[vg_map_hash(vg_str_mem(ip, 16)) % BUCKETS];
	if (t->l.counts.conns_now >= t->limits.conns || count_same(bucket, ip, &source) >= t->limits.conns_per_address ||
	    (c = conn_new(t, fd, ip, bucket)) == NULL) {
		refuse_fd(t, fd, source);
		return;
	}
	if (t->tls && vg_tls_new(t->tls, fd, &c->tls) != VG_OK) {
		(void)conn_refuse(c, VG_REFUSED_LIMIT);
		return;
	}
	c->shaking = t->tls != NULL;
	if (vg_watch_new(t->l.loop, fd, EPOLLIN, on_conn, c, &c->watch) != VG_OK)
		(void)conn_refuse(c, VG_REFUSED_LIMIT);
}

static void
accept_some(struct tcp *t, unsigned most)
{
	while (most--) {
		struct sockaddr_storage from;
		socklen_t n = sizeof(from);
		int fd = accept4(t->l.fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(t, fd, &from);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			t->tired = true;
			if (t->l.watch)
				vg_watch_set(t->l.watch, 0);
			return;
		} else if (errno == EAGAIN) {
			return;
		} /* else that connection had an error before it was taken: the next one (accept(2)) */
	}
}

static void
on_accept(void *ctx, uint32_t events)
{
	(void)events;
	accept_some(ctx, ACCEPTS_A_TURN);
}

static void
on_tick(void *ctx)
{
	struct tcp *t = ctx;
	int64_t late_ns = vg_monotonic_ns() - (int64_t)t->limits.handshake_ms * 1000000;
	struct link *next;

	for (struct link *x = t->all.next; x != &t->all; x = next) {
		struct conn *c = CONN_OF(x, all);

		next = x->next;
		if (c->shaking && c->began_ns < late_ns)
			(void)shake_failed(c, "too slow");
	}
	if (t->tired && t->l.watch) {
		t->tired = false;
		vg_watch_set(t->l.watch, EPOLLIN);
	}
}

/* ---- room, stop, free ---- */

static enum state
conn_resume(struct conn *c)
{
	enum state s;

	c->paused = false;
	link_remove(&c->waits);
	if ((s = conn_take(c, vg_str_mem(c->rest ? c->rest + c->at : NULL, c->nrest - c->at))) != OPEN)
		return s;
	drop_rest(c);
	if (c->over)
		return conn_finish(c);
	if (c->t->l.stopping)
		return serve(c);
	if (c->watch)
		vg_watch_set(c->watch, EPOLLIN);
	else if (vg_watch_new(c->t->l.loop, c->fd, EPOLLIN, on_conn, c, &c->watch) != VG_OK)
		return conn_refuse(c, VG_REFUSED_LIMIT);
	return OPEN;
}

static void
tcp_room(struct vg_syslogd *l)
{
	struct tcp *t = (struct tcp *)l;
	struct link now;

	if (t->waits.next == &t->waits)
		return;
	now = t->waits; /* those who wait now; whoever is refused again waits behind them */
	now.next->prev = now.prev->next = &now;
	link_init(&t->waits);
	while (now.next != &now)
		(void)conn_resume(CONN_OF(now.next, waits));
	check_parts(t);
}

static void
tcp_stop(struct vg_syslogd *l)
{
	struct tcp *t = (struct tcp *)l;
	struct link *next;

	accept_some(t, t->limits.conns); /* they were told that they are connected */
	vg_watch_free(l->watch);
	l->watch = NULL;
	for (struct link *x = t->all.next; x != &t->all; x = next) {
		struct conn *c = CONN_OF(x, all);

		next = x->next;
		if (c->shaking)
			(void)conn_close(c);
		else if (!c->paused)
			(void)serve(c);
	}
}

static bool
tcp_done(const struct vg_syslogd *l)
{
	return l->counts.conns_now == 0;
}

static void
tcp_free(struct vg_syslogd *l)
{
	struct tcp *t = (struct tcp *)l;

	while (t->all.next != &t->all)
		(void)conn_close(CONN_OF(t->all.next, all));
	vg_watch_free(l->watch);
	free(t);
}

static const struct vg_syslogd_kind kind = { tcp_room, tcp_stop, tcp_done, tcp_free };

/* Accepted connections have these from the socket that listens (tcp(7)). */
static vg_rc
set_keepalive(int fd)
{
	int on = 1, idle_s = KEEPALIVE_IDLE_S;

	return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0 &&
			       setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s)) == 0 ?
		       VG_OK :
		       VG_E_SYS;
}

static vg_rc
prepare(struct tcp *t, const struct vg_syslogd_limits *limits)
{
	static const struct vg_syslogd_limits none;
	const struct vg_syslogd_limits *o = limits ? limits : &none;
	vg_rc rc;

	t->limits.conns = o->conns ? o->conns : VG_SYSLOGD_CONNS;
	t->limits.conns_per_address = o->conns_per_address ? o->conns_per_address : VG_SYSLOGD_CONNS_PER_ADDRESS;
	t->limits.handshake_ms = o->handshake_ms ? o->handshake_ms : VG_TLS_HANDSHAKE_MS;
	link_init(&t->all);
	link_init(&t->waits);
	for (unsigned i = 0; i < BUCKETS; i++)
		link_init(&t->bucket[i]);
	if ((rc = set_keepalive(t->l.fd)) != VG_OK ||
	    (rc = vg_watch_new(t->l.loop, t->l.fd, EPOLLIN, on_accept, t, &t->l.watch)) != VG_OK)
		return rc;
	return vg_loop_every(t->l.loop, TICK_MS, on_tick, t);
}

vg_rc
vg_syslogd_tcp_new(struct vg_loop *loop, const struct vg_gate *gate, int fd, vg_str tenant, vg_str name, const struct vg_tls_creds *tls,
		  const struct vg_syslogd_limits *limits, struct vg_syslogd **out)
{
	struct tcp *t = calloc(1, sizeof(*t));
	vg_rc rc;

	if (t == NULL)
		return VG_E_NOMEM;
	vg_syslogd_init(&t->l, &kind, loop, gate, fd, tenant, name);
	t->tls = tls;
	if ((rc = prepare(t, limits)) != VG_OK) {
		int keep = errno;

		tcp_free(&t->l);
		errno = keep;
		return rc;
	}
	*out = &t->l;
	return VG_OK;
}
