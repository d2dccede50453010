/* The syslog listeners: connections that begin, speak in pieces and end, datagrams, and a gate that is full at times.  What is always true: what a connection
 * said is given as its frames are (net/frame.h), whole and in order, unless it was refused, which is counted; of a datagram all or nothing is given, in
 * order within its sender.
 *
 * An input is a row of steps: u8 what, u8 who, and for what is said u16 bytes and they. */
#include <arpa/inet.h>
#include <assert.h>

#include "base/cur.h"
#include "net/syslog_tcp.c"
#include "vault/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CONNS 4
#define SENDERS 2
#define STEPS 128
#define SAID_MAX ((size_t)64 << 10)

struct party { /* a connection, or a sender of datagrams; the gate's source is its place */
	int fd;
	bool open, refused;
	struct vg_buf said; /* by a connection: bytes; by a sender: u32 length and bytes each */
	struct vg_buf got;  /* the same of each record */
};
static struct fuzz {
	struct vg_loop *l;
	struct vg_gate gate;
	struct vg_syslogd *tcp, *tls, *udp;
	struct party conn[CONNS], sender[SENDERS], shaking;
	bool full;
	uint64_t taken;
} z;

static uint32_t
on_source(void *ctx, const struct vg_speaker *s)
{
	unsigned n = 0;

	(void)ctx;
	assert(s->address.n && s->proof <= VG_PROOF_NETWORK);
	for (size_t i = 0; i < s->address.n; i++) /* 10.0.0.N, 127.0.0.N */
		n = s->address.p[i] == '.' ? 0 : n * 10 + (unsigned)(s->address.p[i] - '0');
	assert(n < CONNS + SENDERS + 1);
	return n;
}

static struct party *
party_of(uint32_t source)
{
	return source < CONNS ? &z.conn[source] : source < CONNS + SENDERS ? &z.sender[source - CONNS] : &z.shaking;
}

static bool
on_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	(void)ctx;
	assert(recv_ns > 0 && id.n == 0 && raw.n && raw.n <= VG_RECORD_RAW_MAX);
	if (z.full)
		return false;
	z.taken++;
	vg_buf_le_str(&party_of(source)->got, raw);
	return true;
}

static uint64_t
on_taken(void *ctx)
{
	(void)ctx;
	return z.taken;
}

static void
on_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	(void)ctx;
	assert(n && why < VG_REFUSALS);
	if (source != VG_GATE_NONE && why != VG_REFUSED_LONG)
		party_of(source)->refused = true;
}

/* ---- what the frames of a connection are ---- */

static bool
on_expected(void *ctx, vg_str raw, bool cut)
{
	(void)cut;
	vg_buf_le_str(ctx, raw);
	return true;
}

static void
check_conn(const struct party *p)
{
	struct vg_buf expected = { 0 };
	struct vg_framer f;
	size_t used;
	vg_rc rc;

	vg_framer_init(&f, on_expected, &expected);
	if ((rc = vg_frame_feed(&f, vg_buf_str(&p->said), &used)) == VG_OK)
		rc = vg_frame_end(&f);
	vg_framer_fini(&f);
	assert(rc == VG_OK || p->refused || p->said.n == 0);
	assert(p->refused ? vg_str_starts(vg_buf_str(&expected), vg_buf_str(&p->got)) : vg_str_eq(vg_buf_str(&expected), vg_buf_str(&p->got)));
	vg_buf_fini(&expected);
}

static vg_str
next_of(struct vg_cur *c)
{
	uint32_t n = vg_cur_le32(c);

	return vg_cur_bytes(c, n);
}

/* Each that was given was said, in that order; the kernel may have lost others. */
static void
check_sender(const struct party *p)
{
	struct vg_cur said = vg_cur_of(p->said.p, p->said.n), got = vg_cur_of(p->got.p, p->got.n);

	while (vg_cur_left(&got)) {
		vg_str g = next_of(&got), s;

		do {
			assert(vg_cur_left(&said));
			s = next_of(&said);
			while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\0'))
				s.n--;
		} while (!vg_str_eq(s, g));
	}
}

/* ---- steps ---- */

/* The listener takes a connection, as accept4(2) would give it. */
static void
open_conn(struct vg_syslogd *l, struct party *p, unsigned place)
{
	struct sockaddr_storage from = { .ss_family = AF_INET };
	int sv[2];

	if (p->open)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		abort();
	((struct sockaddr_in *)&from)->sin_addr.s_addr = htonl(0x0a000000 + place);
	p->fd = sv[1];
	p->open = true;
	welcome((struct tcp *)l, sv[0], &from);
}

static void
close_party(struct party *p)
{
	if (p->open)
		close(p->fd);
	p->open = false;
}

static void
say(struct party *p, vg_str s)
{
	ssize_t k;

	if (!p->open || s.n == 0 || p->said.n + s.n > SAID_MAX)
		return;
	if ((k = send(p->fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		vg_buf_put(&p->said, vg_str_cut(s, (size_t)k));
	else if (k < 0 && errno == EPIPE)
		close_party(p);
}

static void
datagram(struct party *p, vg_str s)
{
	if (p->said.n + s.n <= SAID_MAX && send(p->fd, s.p, s.n, MSG_DONTWAIT) == (ssize_t)s.n)
		vg_buf_le_str(&p->said, s);
}

static void
turn(void)
{
	if (vg_loop_turn(z.l, 0) != VG_OK)
		abort();
}

static void
room(void)
{
	vg_syslogd_room(z.tcp);
	vg_syslogd_room(z.udp);
	vg_syslogd_room(z.tls);
}

static void
one_step(struct vg_cur *c)
{
	unsigned what = vg_cur_u8(c), who = vg_cur_u8(c);
	vg_str s = VG_NIL;
	uint16_t n;

	if (what % 8 < 3) {
		n = vg_cur_le16(c);
		s = vg_cur_bytes(c, n < vg_cur_left(c) ? n : vg_cur_left(c));
	}
	switch (what % 8) {
	case 0:
		if (z.conn[who % CONNS].said.n == 0) /* once: its frames are those of all that it said */
			open_conn(z.tcp, &z.conn[who % CONNS], who % CONNS);
		say(&z.conn[who % CONNS], s);
		break;
	case 1:
		datagram(&z.sender[who % SENDERS], s);
		break;
	case 2:
		open_conn(z.tls, &z.shaking, CONNS + SENDERS);
		say(&z.shaking, s);
		break;
	case 3:
		close_party(who % 8 == 7 ? &z.shaking : &z.conn[who % CONNS]);
		break;
	case 4:
		z.full = who & 1;
		if (!z.full)
			room();
		break;
	case 5:
		room();
		break;
	default:
		break;
	}
	if (what < 0x80)
		turn();
}

/* ---- all of it ---- */

static int
bound(int type, uint32_t address, struct sockaddr_in *out)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0 || (type == SOCK_STREAM && listen(fd, 1) < 0))
		abort();
	if (out)
		*out = a;
	return fd;
}

static struct vg_tls_creds *
creds(void)
{
	static struct vg_tls_creds *c;
	struct vg_tls_settings s = { .require_client = false };
	struct vg_buf cert = { 0 }, key = { 0 };
	char why[VG_TLS_WHY_MAX];

	if (c)
		return c;
	if (vg_tls_init() != VG_OK || vg_tls_selfsigned(VG_STR("h"), 30, &cert, &key) != VG_OK)
		abort();
	s.cert = vg_buf_str(&cert);
	s.key = vg_buf_str(&key);
	if (vg_tls_creds_new(&s, why, &c) != VG_OK)
		abort();
	vg_buf_fini(&cert);
	vg_buf_fini(&key);
	return c;
}

static void
begin(void)
{
	static int tcp = -1, tls;
	struct sockaddr_in to;
	int udp;

	if (tcp < 0) { /* nobody connects there */
		tcp = bound(SOCK_STREAM, INADDR_LOOPBACK, NULL);
		tls = bound(SOCK_STREAM, INADDR_LOOPBACK, NULL);
	}
	memset(&z, 0, sizeof(z));
	z.gate = (struct vg_gate){ NULL, on_source, on_take, on_taken, on_refused, NULL };
	udp = bound(SOCK_DGRAM, INADDR_LOOPBACK, &to);
	if (vg_loop_new(&z.l) != VG_OK || vg_syslogd_tcp_new(z.l, &z.gate, tcp, VG_STR("t"), VG_STR("syslog"), NULL, NULL, &z.tcp) != VG_OK ||
	    vg_syslogd_tcp_new(z.l, &z.gate, tls, VG_STR("t"), VG_STR("syslog-tls"), creds(), NULL, &z.tls) != VG_OK ||
	    vg_syslogd_udp_new(z.l, &z.gate, udp, VG_STR("t"), VG_STR("syslog"), &z.udp) != VG_OK)
		abort();
	for (unsigned i = 0; i < SENDERS; i++) {
		z.sender[i].fd = bound(SOCK_DGRAM, 0x7f000000 + CONNS + i, NULL);
		if (connect(z.sender[i].fd, (struct sockaddr *)&to, sizeof(to)) < 0)
			abort();
	}
}

static void
party_fini(struct party *p)
{
	close_party(p);
	vg_buf_fini(&p->said);
	vg_buf_fini(&p->got);
}

/* What is in the sockets is taken, and all of it was given. */
static void
end(void)
{
	struct vg_syslogd *const l[] = { z.tcp, z.tls, z.udp };
	int udp = z.udp->fd;

	z.full = false;
	for (size_t i = 0; i < VG_COUNT(l); i++)
		vg_syslogd_stop(l[i]);
	for (unsigned i = 0; i < 100 && !(vg_syslogd_done(z.tcp) && vg_syslogd_done(z.tls) && vg_syslogd_done(z.udp)); i++)
		room();
	assert(vg_syslogd_done(z.tcp) && vg_syslogd_done(z.tls) && vg_syslogd_done(z.udp));
	for (size_t i = 0; i < CONNS; i++)
		check_conn(&z.conn[i]);
	for (size_t i = 0; i < SENDERS; i++)
		check_sender(&z.sender[i]);
	assert(z.shaking.got.n == 0);
	for (size_t i = 0; i < VG_COUNT(l); i++)
		vg_syslogd_free(l[i]);
	vg_loop_free(z.l);
	close(udp);
	for (size_t i = 0; i < CONNS; i++)
		party_fini(&z.conn[i]);
	for (size_t i = 0; i < SENDERS; i++) {
		z.sender[i].open = true;
		party_fini(&z.sender[i]);
	}
	party_fini(&z.shaking);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vg_cur c = vg_cur_of(data, n);

	begin();
	for (unsigned i = 0; i < STEPS && vg_cur_left(&c); i++)
		one_step(&c);
	end();
	return 0;
}
