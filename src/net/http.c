#include "net/http_in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

#define POOL_BYTES ((size_t)65536) /* of a connection, for libmicrohttpd: head, and what it reads at once */
#define SPARE 32                   /* connections that may be there until those which make room are gone */
#define TURN_MS 25
#define SWEEP_TURNS 10             /* between two looks at who is late */
#define IDLE_RUNS_MAX 100          /* runs in which nothing came of what libmicrohttpd wants to run for */
#define HOLD_MS 1000               /* before we hang up on who would come back at once */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* libmicrohttpd wants to run again at once for as long as a connection's buffer is full of what is no whole piece: an extension of a chunk
 * without an end.  When nothing comes of that, it runs by the timer, and when something happens. */
static void
run(struct vg_http *h)
{
	unsigned long long wait_ms;
	uint64_t steps = h->steps;

	(void)MHD_run(h->d);
	h->wants = MHD_get_timeout(h->d, &wait_ms) == MHD_YES && wait_ms == 0;
	h->idle_runs = h->wants && h->steps == steps ? h->idle_runs + 1 : 0;
	vg_watch_set(h->again, h->wants && h->idle_runs < IDLE_RUNS_MAX ? EPOLLOUT : 0);
}

static void
on_ready(void *ctx, uint32_t events)
{
	(void)events;
	run(ctx);
}

void
vg_http_phase(struct conn *c, enum phase p)
{
	const struct vg_http_options *o = &c->h->o;
	unsigned ms = p == PHASE_BEGIN || p == PHASE_HEAD ? o->head_ms : p == PHASE_IDLE ? o->idle_ms : p == PHASE_HOLD ? HOLD_MS : o->request_ms;

	if (p == PHASE_HEAD && c->phase == PHASE_BEGIN) /* its time is running already */
		return;
	c->phase = p;
	c->deadline_ns = vg_monotonic_ns() + (int64_t)ms * 1000000;
}

void
vg_http_cut(struct conn *c)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c->c, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (i && !c->cut)
		(void)shutdown(i->connect_fd, SHUT_RDWR); /* libmicrohttpd sees its end and closes it */
	c->cut = true;
}

/* Connections. */

static void
address_of(const struct sockaddr *a, uint8_t ip[16], char text[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(ip, 0, 16);
	if (a->sa_family == AF_INET) {
		memcpy(ip, mapped, sizeof(mapped));
		memcpy(ip + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	} else if (a->sa_family == AF_INET6) {
		memcpy(ip, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	}
	if (memcmp(ip, mapped, sizeof(mapped)) == 0)
		(void)inet_ntop(AF_INET, ip + 12, text, INET6_ADDRSTRLEN);
	else
		(void)inet_ntop(AF_INET6, ip, text, INET6_ADDRSTRLEN);
}

/* Close the connection that asks for nothing for the longest time.  false: each is at work. */
static bool
evict(struct vg_http *h)
{
	struct conn *idlest = NULL;

	for (struct conn *c = h->conns; c; c = c->next)
		if (!c->cut && c->phase <= PHASE_HEAD && (idlest == NULL || c->deadline_ns < idlest->deadline_ns))
			idlest = c;
	if (idlest == NULL)
		return false;
	h->n.evicted++;
	h->gate->refused(h->gate->ctx, VG_GATE_NONE, VG_REFUSED_LIMIT, 1);
	vg_http_cut(idlest);
	return true;
}

static enum MHD_Result
on_accept(void *ctx, const struct sockaddr *a, socklen_t n)
{
	struct vg_http *h = ctx;
	unsigned same = 0, open = 0;
	uint8_t ip[16];
	char text[INET6_ADDRSTRLEN];

	(void)n;
	address_of(a, ip, text);
	for (const struct conn *c = h->conns; c; c = c->next) {
		open += !c->cut;
		same += !c->cut && memcmp(c->ip, ip, sizeof(ip)) == 0;
	}
	if (same < h->o.per_address && (open < h->o.connections || evict(h)))
		return MHD_YES;
	h->gate->refused(h->gate->ctx, VG_GATE_NONE, VG_REFUSED_LIMIT, 1);
	return MHD_NO;
}

static struct conn *
conn_new(struct vg_http *h, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->h = h;
	c->c = mhd;
	if (i)
		address_of(i->client_addr, c->ip, c->address);
	if ((c->next = h->conns) != NULL)
		c->next->prev = c;
	h->conns = c;
	h->n.connections++;
	vg_http_phase(c, PHASE_BEGIN);
	return c;
}

static void
conn_free(struct conn *c)
{
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->h->conns = c->next;
	c->h->n.connections--;
	free(c);
}

static void
on_connection(void *ctx, struct MHD_Connection *mhd, void **own, enum MHD_ConnectionNotificationCode what)
{
	((struct vg_http *)ctx)->steps++;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*own = conn_new(ctx, mhd);
	} else if (*own) {
		conn_free(*own);
		*own = NULL;
	}
}

/* The request line was read. */
static void *
on_uri(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *c = i ? i->socket_context : NULL;

	(void)ctx;
	if (c == NULL || uri == NULL)
		return NULL;
	vg_http_phase(c, PHASE_HEAD);
	return vg_http_request_new(c, uri);
}

static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method, const char *version, const char *data,
	   size_t *n, void **own)
{
	struct vg_http *h = ctx;

	(void)mhd;
	(void)url;
	h->steps++;
	return *own ? vg_http_request_step(*own, method, version, data, n) : MHD_NO;
}

static void
on_completed(void *ctx, struct MHD_Connection *mhd, void **own, enum MHD_RequestTerminationCode how)
{
	struct request *r = *own;

	(void)ctx;
	(void)mhd;
	(void)how;
	*own = NULL;
	if (r == NULL)
		return;
	vg_http_phase(r->conn, PHASE_IDLE);
	vg_http_request_free(r);
}

static void
late(struct vg_http *h, struct conn *c)
{
	if (c->phase == PHASE_HOLD || c->phase == PHASE_KEPT) {
		c->r->lost = c->phase == PHASE_KEPT; /* perhaps it is kept after all: it will be sent again */
		h->n.timeouts += c->phase == PHASE_KEPT;
		vg_http_request_resume(c->r);
		return;
	}
	h->n.timeouts += c->phase != PHASE_IDLE;
	if (c->phase != PHASE_IDLE)
		h->gate->refused(h->gate->ctx, c->r ? c->r->source : VG_GATE_NONE, VG_REFUSED_LIMIT, 1);
	vg_http_cut(c);
}

/* Also of those whose peer has gone: libmicrohttpd does not see an end that comes together with the last bytes. */
static void
sweep(struct vg_http *h)
{
	int64_t now = vg_monotonic_ns();

	for (struct conn *c = h->conns, *next; c; c = next) {
		next = c->next;
		if (!c->cut && c->deadline_ns <= now)
			late(h, c);
	}
}

static void
on_turn(void *ctx)
{
	struct vg_http *h = ctx;
	bool now = ++h->turns % SWEEP_TURNS == 0;

	if (now)
		sweep(h);
	if (now || h->wants)
		run(h);
}

/* The server. */

/* Copy the strings of @o, each with a NUL behind it. */
static vg_rc
options_copy(struct vg_http *h, const struct vg_http_options *o)
{
	vg_str *s[] = { &h->o.certificate, &h->o.key, &h->o.client_ca, &h->o.tenant, &h->o.version };
	size_t n = 0;
	char *p;

	h->o = *o;
	if (h->o.version.n == 0)
		h->o.version = VG_STR("8.19.0");
	for (size_t i = 0; i < VG_COUNT(s); i++)
		n += s[i]->n + 1;
	if ((p = h->strings = calloc(1, n)) == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < VG_COUNT(s); i++) {
		if (s[i]->n)
			memcpy(p, s[i]->p, s[i]->n);
		s[i]->p = p;
		p += s[i]->n + 1;
	}
	return VG_OK;
}

static void
options_default(struct vg_http_options *o)
{
	if (o->body_bytes == 0)
		o->body_bytes = (uint64_t)64 << 20;
	if (o->coded_bytes == 0)
		o->coded_bytes = (uint64_t)64 << 20;
	if (o->memory_bytes == 0)
		o->memory_bytes = (size_t)96 << 20;
	if (o->connections == 0)
		o->connections = 1024;
	if (o->per_address == 0)
		o->per_address = 128;
	if (o->head_ms == 0)
		o->head_ms = 10000;
	if (o->request_ms == 0)
		o->request_ms = 120000;
	if (o->idle_ms == 0)
		o->idle_ms = 120000;
}

/* Are there certificates in it?  (libmicrohttpd takes any text.) */
static bool
holds_certificates(vg_str pem)
{
	gnutls_datum_t d = { (unsigned char *)(uintptr_t)pem.p, (unsigned)pem.n };
	gnutls_x509_crt_t *crt = NULL;
	unsigned n = 0;

	if (pem.n > UINT_MAX || gnutls_x509_crt_list_import2(&crt, &n, &d, GNUTLS_X509_FMT_PEM, 0) < 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(crt[i]);
	gnutls_free(crt);
	return n != 0;
}

static vg_rc
daemon_start(struct vg_http *h)
{
	bool tls = h->o.certificate.n != 0;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (tls ? MHD_USE_TLS : 0);
	struct MHD_OptionItem secure[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)h->o.certificate.p },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)h->o.key.p },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES },
		{ h->o.client_ca.n ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)(uintptr_t)h->o.client_ca.p },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };

	int fd;

	if (h->o.client_ca.n && !holds_certificates(h->o.client_ca))
		return VG_E_FORMAT;
	if ((fd = fcntl(h->o.listen_fd, F_DUPFD_CLOEXEC, 0)) < 0) /* libmicrohttpd closes what it was given when it fails */
		return VG_E_SYS;
	h->d = MHD_start_daemon(flags, 0, on_accept, h, on_request, h, MHD_OPTION_ARRAY, tls ? secure : plain, MHD_OPTION_LISTEN_SOCKET,
				fd, MHD_OPTION_CONNECTION_LIMIT, h->o.connections + SPARE,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_BYTES, MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
				MHD_OPTION_END);
	return h->d ? VG_OK : tls ? VG_E_FORMAT : VG_E_SYS;
}

static vg_rc
watches_new(struct vg_http *h)
{
	const union MHD_DaemonInfo *i = MHD_get_daemon_info(h->d, MHD_DAEMON_INFO_EPOLL_FD);
	vg_rc rc;

	if (i == NULL || (h->again_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return VG_E_SYS;
	if ((rc = vg_watch_new(h->l, i->epoll_fd, EPOLLIN, on_ready, h, &h->watch)) != VG_OK)
		return rc;
	return vg_watch_new(h->l, h->again_fd, EPOLLOUT, on_ready, h, &h->again); /* a first run: it begins to listen */
}

vg_rc
vg_http_new(struct vg_loop *l, const struct vg_gate *gate, const struct vg_http_options *o, struct vg_http **out)
{
	struct vg_http *h = calloc(1, sizeof(*h));
	vg_rc rc;

	if (h == NULL)
		return VG_E_NOMEM;
	h->l = l;
	h->gate = gate;
	h->again_fd = -1;
	if ((rc = options_copy(h, o)) != VG_OK)
		goto fail;
	options_default(&h->o);
	tzset(); /* now, while files may be opened: gmtime_r(3) reads the zone once */
	if ((rc = daemon_start(h)) != VG_OK || (rc = watches_new(h)) != VG_OK || (rc = vg_loop_every(l, TURN_MS, on_turn, h)) != VG_OK)
		goto fail;
	*out = h;
	return VG_OK;
fail:
	vg_http_free(h);
	return rc;
}

void
vg_http_free(struct vg_http *h)
{
	int saved = errno;

	if (h == NULL)
		return;
	vg_watch_free(h->watch);
	if (h->d) {
		vg_http_lost(h);
		for (struct conn *c = h->conns; c; c = c->next)
			if (c->phase == PHASE_HOLD) /* none may be suspended */
				vg_http_request_resume(c->r);
		(void)MHD_run(h->d);
		close(MHD_quiesce_daemon(h->d)); /* or it would shut down what others may still listen on */
		MHD_stop_daemon(h->d);
	}
	vg_watch_free(h->again);
	if (h->again_fd >= 0)
		close(h->again_fd);
	free(h->strings);
	free(h);
	errno = saved;
}

void
vg_http_kept(struct vg_http *h, uint64_t n)
{
	if (n > h->kept)
		h->kept = n;
	while (h->wait_head && h->wait_head->need <= h->kept)
		vg_http_request_resume(h->wait_head);
}

void
vg_http_lost(struct vg_http *h)
{
	h->lost++;
	while (h->wait_head) {
		h->wait_head->lost = true;
		vg_http_request_resume(h->wait_head);
	}
}

void
vg_http_count(const struct vg_http *h, struct vg_http_counts *out)
{
	*out = h->n;
}
