#include "certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "net/syslog.h"
#include "vault/record.h"

/* ---- a gate ---- */

#define SOURCES 600

struct told { /* what one speaker has brought */
	char who[300]; /* tenant listener proof name address */
	struct vg_buf text; /* records, an LF behind each */
	uint64_t n;
	int64_t first_ns, last_ns;
};
struct fake {
	struct told told[SOURCES];
	unsigned n;
	uint64_t taken, offers, refused[VG_REFUSALS], refused_of_none;
	bool full, moody; /* takes nothing; takes two of three, at random */
	const char *shut; /* takes nothing of whom this names */
	uint32_t dice;
	size_t longest;
};

static uint32_t
fake_source(void *ctx, const struct vg_speaker *s)
{
	struct fake *f = ctx;
	char who[300];

	snprintf(who, sizeof(who), "%.*s %.*s %s %.*s %.*s", VG_STR_ARG(s->tenant), VG_STR_ARG(s->listener), vg_proof_name(s->proof),
		 VG_STR_ARG(s->name), VG_STR_ARG(s->address));
	for (unsigned i = 0; i < f->n; i++)
		if (strcmp(f->told[i].who, who) == 0)
			return i;
	if (f->n == SOURCES)
		return VG_GATE_NONE;
	strcpy(f->told[f->n].who, who);
	return f->n++;
}

static bool
fake_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	struct fake *f = ctx;
	struct told *t = &f->told[source];

	assert_in_range(source, 0, f->n - 1);
	assert_int_equal(id.n, 0);
	assert_in_range(raw.n, 1, VG_RECORD_RAW_MAX);
	f->offers++;
	f->dice = f->dice * 1664525u + 1013904223u;
	if (f->full || (f->shut && strstr(t->who, f->shut)) || (f->moody && (f->dice >> 16) % 3 == 0))
		return false;
	if (t->n++ == 0)
		t->first_ns = recv_ns;
	assert_true(recv_ns >= t->last_ns);
	t->last_ns = recv_ns;
	vg_buf_put(&t->text, raw);
	vg_buf_putc(&t->text, '\n');
	if (raw.n > f->longest)
		f->longest = raw.n;
	f->taken++;
	return true;
}

static uint64_t
fake_taken(void *ctx)
{
	return ((struct fake *)ctx)->taken;
}

static void
fake_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	struct fake *f = ctx;

	f->refused[why] += n;
	if (source == VG_GATE_NONE)
		f->refused_of_none += n;
	else
		assert_in_range(source, 0, f->n - 1);
}

/* ---- a watch of one listener ---- */

struct bed {
	struct fake fake;
	struct vg_gate gate;
	struct vg_loop *loop;
	struct vg_syslogd *l;
	int fd;
	struct sockaddr_storage at;
	socklen_t nat;
};

static struct bed *
bed_new(int family, int type)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 }; /* any: v4 comes mapped */

	assert_non_null(b);
	b->gate = (struct vg_gate){ &b->fake, fake_source, fake_take, fake_taken, fake_refused, NULL };
	b->fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(b->fd >= 0);
	assert_int_equal(bind(b->fd, family == AF_INET ? (void *)&v4 : (void *)&v6, family == AF_INET ? sizeof(v4) : sizeof(v6)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(b->fd, 1000), 0);
	b->nat = sizeof(b->at);
	assert_int_equal(getsockname(b->fd, (struct sockaddr *)&b->at, &b->nat), 0);
	assert_int_equal(vg_loop_new(&b->loop), VG_OK);
	return b;
}

static struct bed *
udp_bed(void)
{
	struct bed *b = bed_new(AF_INET, SOCK_DGRAM);

	assert_int_equal(vg_syslogd_udp_new(b->loop, &b->gate, b->fd, VG_STR("acme"), VG_STR("syslog"), &b->l), VG_OK);
	return b;
}

static struct bed *
tcp_bed(const struct vg_syslogd_limits *limits)
{
	struct bed *b = bed_new(AF_INET, SOCK_STREAM);

	assert_int_equal(vg_syslogd_tcp_new(b->loop, &b->gate, b->fd, VG_STR("acme"), VG_STR("syslog"), NULL, limits, &b->l), VG_OK);
	return b;
}

static void
bed_free(struct bed *b)
{
	vg_syslogd_free(b->l);
	vg_loop_free(b->loop);
	close(b->fd);
	for (unsigned i = 0; i < b->fake.n; i++)
		vg_buf_fini(&b->fake.told[i].text);
	free(b);
}

static void
turn(struct bed *b, unsigned times)
{
	while (times--)
		assert_int_equal(vg_loop_turn(b->loop, 1), VG_OK);
}

/* Turn until @n records were taken; the end of that: 10 s. */
static void
turn_until(struct bed *b, uint64_t n)
{
	int64_t end = vg_monotonic_ns() + 10 * VG_SEC;

	while (b->fake.taken < n && vg_monotonic_ns() < end) {
		turn(b, 1);
		vg_syslogd_room(b->l);
	}
	assert_int_equal(b->fake.taken, n);
	assert_int_equal(vg_syslogd_counts(b->l)->records, n);
}

static void
turn_until_conns(struct bed *b, uint64_t n)
{
	int64_t end = vg_monotonic_ns() + 10 * VG_SEC;

	while (vg_syslogd_counts(b->l)->conns_now != n && vg_monotonic_ns() < end)
		turn(b, 1);
	assert_int_equal(vg_syslogd_counts(b->l)->conns_now, n);
}

/* A client at 127.0.0.@host, connected. */
static int
client(const struct bed *b, unsigned host)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + host) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = ((const struct sockaddr_in *)&b->at)->sin_port,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int type, fd;
	socklen_t n = sizeof(type);

	assert_int_equal(getsockopt(b->fd, SOL_SOCKET, SO_TYPE, &type, &n), 0);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void
say(int fd, vg_str s)
{
	assert_int_equal(send(fd, s.p, s.n, MSG_NOSIGNAL), (ssize_t)s.n);
}

static void
told(const struct bed *b, unsigned i, const char *who, vg_str text)
{
	const struct told *t = &b->fake.told[i];

	assert_string_equal(t->who, who);
	assert_true(vg_str_eq(vg_buf_str(&t->text), text));
}

/* Has the other side closed it? */
static bool
closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* ---- UDP ---- */

static void
a_datagram_is_a_record(void **state)
{
	struct bed *b = udp_bed();
	int one = client(b, 2), two = client(b, 3);
	int64_t before = vg_clock_ns();
	static char big[65507];

	(void)state;
	memset(big, 'x', sizeof(big));
	say(one, VG_STR("<34>one"));
	say(two, VG_STR("<34>two\r\n\0"));
	say(one, VG_STR("<34>a\nb\n"));
	say(one, VG_STR("\n"));
	say(one, VG_STR(""));
	say(two, vg_str_mem(big, sizeof(big)));
	turn_until(b, 4);
	turn(b, 1);
	assert_int_equal(b->fake.n, 2);
	told(b, 0, "acme syslog none 127.0.0.2 127.0.0.2", VG_STR("<34>one\n<34>a\nb\n"));
	assert_string_equal(b->fake.told[1].who, "acme syslog none 127.0.0.3 127.0.0.3");
	assert_int_equal(b->fake.longest, sizeof(big));
	assert_true(b->fake.told[0].first_ns >= before && b->fake.told[0].last_ns <= vg_clock_ns());
	close(one);
	close(two);
	bed_free(b);
}

static void
datagrams_in_hand_wait_for_room(void **state)
{
	struct bed *b = udp_bed();
	int fd = client(b, 2);
	struct vg_buf want = { 0 };
	uint64_t offers;

	(void)state;
	b->fake.full = true;
	for (unsigned i = 0; i < 100; i++) {
		char text[32];
		size_t n = (size_t)snprintf(text, sizeof(text), "<34>%u", i);

		say(fd, vg_str_mem(text, n));
		vg_buf_printf(&want, "%s\n", text);
	}
	turn(b, 5);
	offers = b->fake.offers;
	assert_int_equal(offers, 1); /* not offered again and again */
	vg_syslogd_room(b->l);
	turn(b, 5);
	assert_int_equal(b->fake.offers, 2);
	b->fake.full = false;
	b->fake.moody = true;
	turn_until(b, 100);
	told(b, 0, "acme syslog none 127.0.0.2 127.0.0.2", vg_buf_str(&want));
	assert_int_equal(b->fake.refused[VG_REFUSED_KERNEL], 0);
	vg_buf_fini(&want);
	close(fd);
	bed_free(b);
}

/* Nor does a sender that is refused for a while hold the others back. */
static void
a_flood_displaces_its_own(void **state)
{
	struct bed *b = udp_bed();
	int flood = client(b, 2), good = client(b, 3);
	static char big[60000];
	uint64_t sent = 0, lost;

	(void)state;
	memset(big, 'x', sizeof(big));
	b->fake.shut = "127.0.0.2";
	for (unsigned i = 0; i < 160; i++) { /* more than its share */
		say(flood, vg_str_mem(big, 59800 + i));
		sent++;
		say(good, VG_STR("<34>good"));
		turn(b, 1);
		vg_syslogd_room(b->l);
	}
	turn_until(b, 160);
	lost = b->fake.refused[VG_REFUSED_LIMIT];
	assert_true(lost > 0 && lost < 40);
	assert_int_equal(b->fake.refused_of_none, 0);
	b->fake.shut = NULL;
	turn_until(b, 160 + sent - lost);
	for (unsigned i = 0, at = 0; i < b->fake.n; i++, at = 0)
		if (strstr(b->fake.told[i].who, "127.0.0.2"))
			for (unsigned k = 0; k < sent - lost; k++, at++) { /* in order: each is longer than the last */
				at += 59800 + k;
				assert_int_equal(b->fake.told[i].text.p[at], '\n');
			}
	close(flood);
	close(good);
	bed_free(b);
}

/* Records wait in order within their source, whoever is refused when. */
static void
a_backlog_keeps_order(void **state)
{
	struct bed *b = udp_bed();
	int fd[5];
	unsigned sent = 0;

	(void)state;
	b->fake.moody = true;
	for (unsigned s = 0; s < 5; s++)
		fd[s] = client(b, 2 + s);
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned s = 0; s < 5; s++, sent++) {
			char text[64];
			size_t n = (size_t)snprintf(text, sizeof(text), "%04u%.*s", round, (int)((round + s) % 40), "........................................");

			say(fd[s], vg_str_mem(text, n));
		}
		turn(b, 1);
		if (round % 3 == 0)
			vg_syslogd_room(b->l);
	}
	turn_until(b, sent);
	for (unsigned i = 0; i < b->fake.n; i++) {
		vg_str all = vg_buf_str(&b->fake.told[i].text), line;
		unsigned round = 0;

		while (vg_str_split(&all, '\n', &line) && line.n)
			assert_int_equal(strtoul(line.p, NULL, 10), round++);
		assert_int_equal(round, 200);
	}
	assert_int_equal(b->fake.n, 5);
	for (unsigned s = 0; s < 5; s++)
		close(fd[s]);
	bed_free(b);
}

/* No room for one more datagram of one more source: the socket waits, and nothing is lost. */
static void
a_backlog_of_many_sources_is_bounded(void **state)
{
	struct bed *b = udp_bed();

	(void)state;
	b->fake.full = true;
	for (unsigned i = 2; i < 402; i++) {
		int fd = client(b, i);

		say(fd, VG_STR("<34>one"));
		close(fd);
		turn(b, 1);
	}
	turn(b, 5);
	assert_in_range(b->fake.n, 256, 258);
	b->fake.full = false;
	turn_until(b, 400);
	assert_int_equal(b->fake.n, 400);
	bed_free(b);
}

static void
what_the_kernel_drops_is_counted(void **state)
{
	struct bed *b = udp_bed();
	int fd = client(b, 2), small = 1;
	uint64_t sent = 0;

	(void)state;
	assert_int_equal(setsockopt(b->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	b->fake.full = true;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 500; i++, sent++)
			say(fd, VG_STR("<34>flood"));
		turn(b, 2);
	}
	b->fake.full = false;
	for (unsigned i = 0; i < 20; i++) {
		turn(b, 1);
		vg_syslogd_room(b->l);
	}
	say(fd, VG_STR("<34>after"));
	sent++;
	turn(b, 3);
	assert_true(b->fake.refused[VG_REFUSED_KERNEL] > 0);
	assert_int_equal(b->fake.refused[VG_REFUSED_KERNEL] + b->fake.taken, sent);
	assert_int_equal(vg_syslogd_counts(b->l)->kernel_drops, b->fake.refused[VG_REFUSED_KERNEL]);
	close(fd);
	bed_free(b);
}

static void
a_stop_reads_the_datagrams_that_came(void **state)
{
	struct bed *b = udp_bed();
	int fd = client(b, 2);

	(void)state;
	for (unsigned i = 0; i < 150; i++)
		say(fd, VG_STR("<34>one"));
	b->fake.moody = true;
	assert_false(vg_syslogd_done(b->l));
	vg_syslogd_stop(b->l);
	for (unsigned i = 0; i < 1000 && !vg_syslogd_done(b->l); i++)
		vg_syslogd_room(b->l);
	assert_true(vg_syslogd_done(b->l));
	assert_int_equal(b->fake.taken, 150);
	close(fd);
	bed_free(b);
}

/* Many addresses: the memory of them is bounded, and whoever fell out of it is asked for again. */
static void
many_senders_keep_their_names(void **state)
{
	struct bed *b = udp_bed();

	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 2; i < 502; i++) {
			int fd = client(b, i);
			char text[32];
			size_t n = (size_t)snprintf(text, sizeof(text), "<34>%u", i);

			say(fd, vg_str_mem(text, n));
			close(fd);
			turn(b, 1);
		}
	turn_until(b, 1000);
	assert_int_equal(b->fake.n, 500);
	for (unsigned i = 0; i < 500; i++) {
		char want[32];
		size_t n = (size_t)snprintf(want, sizeof(want), "<34>%u\n<34>%u\n", i + 2, i + 2);

		assert_true(vg_str_eq(vg_buf_str(&b->fake.told[i].text), vg_str_mem(want, n)));
	}
	bed_free(b);
}

/* ---- TCP ---- */

static void
streams_are_cut_into_records(void **state)
{
	struct bed *b = tcp_bed(NULL);
	int lf = client(b, 2), counted = client(b, 3), quiet = client(b, 4);

	(void)state;
	turn_until_conns(b, 3);
	say(lf, VG_STR("<34>one\n<34>tw"));
	say(counted, VG_STR("9 <34>a\nb\nc7 <3"));
	turn_until(b, 2);
	say(lf, VG_STR("o\n"));
	say(counted, VG_STR("4>end"));
	turn_until(b, 4);
	assert_int_equal(b->fake.n, 2); /* who said nothing is no source */
	told(b, 0, "acme syslog network 127.0.0.2 127.0.0.2", VG_STR("<34>one\n<34>two\n"));
	told(b, 1, "acme syslog network 127.0.0.3 127.0.0.3", VG_STR("<34>a\nb\nc\n<34>end\n"));
	assert_int_equal(vg_syslogd_counts(b->l)->bytes, 16 + 20);
	close(lf);
	close(counted);
	close(quiet);
	turn_until_conns(b, 0);
	assert_int_equal(vg_syslogd_counts(b->l)->conns_ever, 3);
	bed_free(b);
}

static void
what_was_sent_before_an_end_is_taken(void **state)
{
	struct bed *b = tcp_bed(NULL);
	int one = client(b, 2), two = client(b, 3), three = client(b, 4);
	struct linger hard = { .l_onoff = 1 };

	(void)state;
	say(one, VG_STR("<34>one\n<34>last"));
	assert_int_equal(shutdown(one, SHUT_WR), 0);
	say(two, VG_STR("7 <34>one9 <34>cu"));
	close(two);
	say(three, VG_STR("<34>one\n<34>two\n"));
	assert_int_equal(setsockopt(three, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	turn(b, 1); /* accepted; and read, or not yet */
	close(three); /* by a reset */
	turn_until_conns(b, 0);
	assert_true(closed(one));
	close(one);
	for (unsigned i = 0; i < b->fake.n; i++)
		if (strstr(b->fake.told[i].who, "127.0.0.2"))
			told(b, i, "acme syslog network 127.0.0.2 127.0.0.2", VG_STR("<34>one\n<34>last\n"));
		else if (strstr(b->fake.told[i].who, "127.0.0.3"))
			told(b, i, "acme syslog network 127.0.0.3 127.0.0.3", VG_STR("<34>one\n<34>cu\n"));
	assert_true(b->fake.n >= 2);
	assert_int_equal(b->fake.refused[VG_REFUSED_FRAME], 1);
	bed_free(b);
}

static void
mapped_addresses_are_folded(void **state)
{
	struct bed *b = bed_new(AF_INET6, SOCK_STREAM);
	struct sockaddr_in6 to = *(struct sockaddr_in6 *)&b->at;
	int four, six = socket(AF_INET6, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(vg_syslogd_tcp_new(b->loop, &b->gate, b->fd, VG_STR("acme"), VG_STR("syslog"), NULL, NULL, &b->l), VG_OK);
	to.sin6_addr = in6addr_loopback;
	four = client(b, 2);
	say(four, VG_STR("<34>four\n"));
	turn_until(b, 1);
	if (connect(six, (struct sockaddr *)&to, sizeof(to)) == 0) { /* a machine may have no ::1 */
		say(six, VG_STR("<34>six\n"));
		turn_until(b, 2);
		told(b, 1, "acme syslog network ::1 ::1", VG_STR("<34>six\n"));
	}
	told(b, 0, "acme syslog network 127.0.0.2 127.0.0.2", VG_STR("<34>four\n"));
	close(four);
	close(six);
	bed_free(b);
}

static void
nonsense_ends_its_connection(void **state)
{
	struct bed *b = tcp_bed(NULL);
	int bad = client(b, 2), good = client(b, 3);

	(void)state;
	say(bad, VG_STR("7 <34>one99999999999 <34>two"));
	say(good, VG_STR("7 <34>one"));
	turn_until(b, 2);
	turn_until_conns(b, 1);
	assert_true(closed(bad));
	assert_false(closed(good));
	assert_int_equal(b->fake.refused[VG_REFUSED_FRAME], 1);
	assert_int_equal(b->fake.refused_of_none, 0);
	close(bad);
	close(good);
	bed_free(b);
}

static void
limits_of_connections(void **state)
{
	static const struct vg_syslogd_limits limits = { .conns = 5, .conns_per_address = 3 };
	struct bed *b = tcp_bed(&limits);
	int fd[8];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		fd[i] = client(b, 2);
	turn_until_conns(b, 3);
	turn(b, 2);
	assert_true(closed(fd[3]));
	assert_int_equal(vg_syslogd_counts(b->l)->conns_refused, 1);
	for (unsigned i = 4; i < 8; i++)
		fd[i] = client(b, i);
	turn_until_conns(b, 5);
	turn(b, 2);
	assert_true(closed(fd[6]) && closed(fd[7]) && !closed(fd[5]));
	assert_int_equal(vg_syslogd_counts(b->l)->conns_refused, 3);
	assert_int_equal(b->fake.refused[VG_REFUSED_LIMIT], 3);
	close(fd[0]); /* its place is free again */
	turn_until_conns(b, 4);
	close(fd[3]);
	fd[3] = client(b, 2);
	say(fd[3], VG_STR("<34>one\n"));
	turn_until(b, 1);
	for (unsigned i = 1; i < 8; i++)
		close(fd[i]);
	bed_free(b);
}

static void
longer_records_are_cut(void **state)
{
	struct bed *b = tcp_bed(NULL);
	int fd = client(b, 2);
	static char x[65536];

	(void)state;
	memset(x, 'x', sizeof(x));
	for (unsigned i = 0; i < 20; i++) {
		say(fd, vg_str_mem(x, sizeof(x)));
		turn(b, 3);
	}
	say(fd, VG_STR("\n<34>next\n"));
	turn_until(b, 2);
	assert_int_equal(b->fake.longest, VG_RECORD_RAW_MAX);
	assert_int_equal(b->fake.refused[VG_REFUSED_LONG], 1);
	close(fd);
	bed_free(b);
}

/* ---- a gate that is full ---- */

#define SENDERS 12
#define RECORDS 2500

/* Record @i of sender @s, of a length of its own; now and then it is longer than a read. */
static vg_str
record(unsigned s, unsigned i, char out[100000])
{
	size_t n = (size_t)snprintf(out, 100, "<34>%u/%u ", s, i), want = n + (i * 37u + s) % 300;

	if (i % 997 == 500)
		want = 70000 + s;
	for (; n < want; n++)
		out[n] = (char)('a' + (n + i) % 26);
	return vg_str_mem(out, n);
}

struct sender {
	int fd;
	struct vg_buf stream, want;
	size_t sent;
};

static void
sender_open(struct sender *x, const struct bed *b, unsigned s)
{
	static char text[100000];

	*x = (struct sender){ .fd = client(b, 2 + s) };
	for (unsigned i = 0; i < RECORDS; i++) {
		vg_str r = record(s, i, text);

		if (s % 3 == 1 || (s % 3 == 2 && i % 2))
			vg_buf_printf(&x->stream, "%zu ", r.n);
		vg_buf_put(&x->stream, r);
		if (s % 3 == 0 || (s % 3 == 2 && i % 2 == 0))
			vg_buf_putc(&x->stream, '\n');
		vg_buf_put(&x->want, r);
		vg_buf_putc(&x->want, '\n');
	}
	assert_int_equal(x->stream.rc, VG_OK);
}

/* A piece of what is left; false: all of it was sent. */
static bool
sender_push(struct sender *x, size_t most)
{
	vg_str s = vg_str_cut(vg_str_skip(vg_buf_str(&x->stream), x->sent), most);
	ssize_t n;

	if (s.n == 0)
		return false;
	if ((n = send(x->fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		x->sent += (size_t)n;
	if (x->sent == x->stream.n)
		assert_int_equal(shutdown(x->fd, SHUT_WR), 0);
	return true;
}

static void
nothing_is_lost_when_the_gate_refuses(void **state)
{
	static struct sender x[SENDERS];
	struct bed *b = tcp_bed(NULL);
	bool more = true;

	(void)state;
	b->fake.moody = true;
	for (unsigned s = 0; s < SENDERS; s++)
		sender_open(&x[s], b, s);
	for (unsigned round = 0; more; round++) {
		more = false;
		for (unsigned s = 0; s < SENDERS; s++)
			more |= sender_push(&x[s], 1 + (round * 7919u + s * 104729u) % 100000);
		b->fake.full = round % 7 == 3;
		turn(b, 1);
		vg_syslogd_room(b->l);
	}
	b->fake.full = false;
	turn_until(b, SENDERS * RECORDS);
	while (vg_syslogd_counts(b->l)->conns_now) {
		turn(b, 1);
		vg_syslogd_room(b->l);
	}
	for (unsigned s = 0; s < SENDERS; s++) {
		char who[100];

		snprintf(who, sizeof(who), "acme syslog network 127.0.0.%u 127.0.0.%u", 2 + s, 2 + s);
		for (unsigned i = 0; i < b->fake.n; i++)
			if (strcmp(b->fake.told[i].who, who) == 0)
				told(b, i, who, vg_buf_str(&x[s].want));
		assert_true(closed(x[s].fd));
		close(x[s].fd);
		vg_buf_fini(&x[s].stream);
		vg_buf_fini(&x[s].want);
	}
	assert_int_equal(b->fake.n, SENDERS);
	for (unsigned i = 0; i < VG_REFUSALS; i++)
		assert_int_equal(b->fake.refused[i], 0);
	bed_free(b);
}

/* One sender that is held back does not hold the others back, nor is the loop kept busy by it. */
static void
a_paused_connection_costs_nothing(void **state)
{
	struct bed *b = tcp_bed(NULL);
	int gone = client(b, 2), other;
	struct linger hard = { .l_onoff = 1 };
	int64_t began;

	(void)state;
	b->fake.full = true;
	say(gone, VG_STR("<34>one\n<34>two\n<34>three"));
	for (unsigned i = 0; i < 100 && b->fake.offers == 0; i++)
		turn(b, 1);
	assert_int_equal(b->fake.offers, 1);
	assert_int_equal(setsockopt(gone, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(gone);
	turn(b, 3);
	began = vg_monotonic_ns();
	assert_int_equal(vg_loop_turn(b->loop, 60), VG_OK);
	assert_true(vg_monotonic_ns() - began > 40 * 1000000);
	b->fake.full = false;
	other = client(b, 3);
	say(other, VG_STR("<34>other\n"));
	for (unsigned i = 0; i < 100 && b->fake.taken == 0; i++)
		turn(b, 1);
	assert_int_equal(b->fake.taken, 1);
	assert_int_equal(b->fake.n, 2);
	turn_until(b, 4);
	told(b, 0, "acme syslog network 127.0.0.2 127.0.0.2", VG_STR("<34>one\n<34>two\n<34>three\n"));
	turn_until_conns(b, 1);
	close(other);
	bed_free(b);
}

static void
a_stop_takes_what_is_in_the_sockets(void **state)
{
	static struct sender x[SENDERS];
	struct bed *b = tcp_bed(NULL);
	int late;

	(void)state;
	b->fake.moody = true;
	for (unsigned s = 0; s < SENDERS; s++) {
		sender_open(&x[s], b, s);
		while (x[s].stream.n - x[s].sent > 100000) { /* until the kernel's buffers are full */
			size_t before = x[s].sent;

			(void)sender_push(&x[s], 30000);
			if (before == x[s].sent)
				break;
		}
	}
	turn(b, 3);
	late = client(b, 99); /* not accepted yet */
	say(late, VG_STR("<34>late"));
	vg_syslogd_stop(b->l);
	for (unsigned i = 0; i < 1000000 && !vg_syslogd_done(b->l); i++)
		vg_syslogd_room(b->l);
	assert_true(vg_syslogd_done(b->l));
	assert_int_equal(b->fake.n, SENDERS + 1);
	for (unsigned i = 0; i < b->fake.n; i++) {
		unsigned host;

		assert_int_equal(sscanf(b->fake.told[i].who, "acme syslog network 127.0.0.%u", &host), 1);
		if (host == 99) {
			told(b, i, b->fake.told[i].who, VG_STR("<34>late\n"));
		} else { /* all that was sent, but for the framing; the last one is cut somewhere */
			struct sender *s = &x[host - 2];
			vg_str got = vg_buf_str(&b->fake.told[i].text);
			const char *last = memrchr(got.p, '\n', got.n - 1);

			assert_non_null(last);
			assert_true(vg_str_starts(vg_buf_str(&s->want), vg_str_cut(got, (size_t)(last - got.p))));
			assert_true(got.n + 5 * b->fake.told[i].n + 8 >= s->sent);
		}
	}
	for (unsigned s = 0; s < SENDERS; s++) {
		close(x[s].fd);
		vg_buf_fini(&x[s].stream);
		vg_buf_fini(&x[s].want);
	}
	close(late);
	bed_free(b);
}

/* ---- memory ---- */

#define FLOOD 560

/* @n connections that send @bytes each of what @fill is, as far as it is read. */
static void
flood(struct bed *b, int fd[], unsigned n, size_t bytes)
{
	static char x[1 << 17];

	memset(x, 'x', sizeof(x));
	for (size_t i = 99; i < sizeof(x); i += 100)
		x[i] = b->fake.full ? '\n' : 'x';
	for (unsigned i = 0; i < n; i++) {
		fd[i] = client(b, 2 + i % 200);
		for (size_t sent = 0; sent < bytes;) {
			size_t most = bytes - sent < sizeof(x) ? bytes - sent : sizeof(x);
			ssize_t k = send(fd[i], x, most, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (k <= 0 && (errno == EPIPE || errno == ECONNRESET || b->fake.full))
				break;
			sent += k > 0 ? (size_t)k : 0;
			turn(b, 1);
		}
	}
}

static void
frames_that_do_not_end_are_bounded(void **state)
{
	struct bed *b = tcp_bed(NULL);
	int fd[40];
	const struct vg_syslogd_counts *n = vg_syslogd_counts(b->l);

	(void)state;
	flood(b, fd, 40, VG_RECORD_RAW_MAX + 1); /* a buffer of 2 MiB each */
	turn(b, 10);
	assert_true(n->conns_now < 40 && n->conns_now > 20);
	assert_int_equal(b->fake.refused[VG_REFUSED_LIMIT], 40 - n->conns_now);
	for (unsigned i = 0; i < 40; i++)
		close(fd[i]);
	turn_until_conns(b, 0);
	bed_free(b);
}

static void
what_is_held_is_bounded(void **state)
{
	static int fd[FLOOD];
	struct rlimit r;
	struct bed *b;
	uint64_t bytes;

	(void)state;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max < 2 * FLOOD + 100)
		skip();
	r.rlim_cur = r.rlim_max < 4096 ? r.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
	b = tcp_bed(NULL);
	b->fake.full = true;
	flood(b, fd, FLOOD, 80000);
	turn(b, 20);
	bytes = vg_syslogd_counts(b->l)->bytes;
	assert_true(bytes <= VG_SYSLOGD_HELD_MAX && bytes > VG_SYSLOGD_HELD_MAX / 2);
	b->fake.full = false;
	for (unsigned i = 0; i < FLOOD; i++)
		close(fd[i]);
	for (unsigned i = 0; i < 20000 && vg_syslogd_counts(b->l)->conns_now; i++) {
		vg_syslogd_room(b->l);
		turn(b, 1);
	}
	assert_int_equal(vg_syslogd_counts(b->l)->conns_now, 0);
	assert_int_equal(b->fake.taken, FLOOD * 800);
	bed_free(b);
}

/* ---- TLS ---- */

static struct test_cert ca, server, firewall;

static struct bed *
tls_bed(struct vg_tls_creds **creds, const struct vg_syslogd_limits *limits)
{
	struct bed *b = bed_new(AF_INET, SOCK_STREAM);
	struct vg_tls_settings s = { .cert = vg_str_of(server.pem), .key = vg_str_of(server.key_pem), .client_ca = vg_str_of(ca.pem) };
	char why[VG_TLS_WHY_MAX];

	assert_int_equal(vg_tls_creds_new(&s, why, creds), VG_OK);
	assert_int_equal(vg_syslogd_tcp_new(b->loop, &b->gate, b->fd, VG_STR("acme"), VG_STR("syslog-tls"), *creds, limits, &b->l), VG_OK);
	return b;
}

static void
connect_tls(struct bed *b, struct test_client *c, int fd, const struct test_cert *own)
{
	int e = GNUTLS_E_AGAIN;

	test_client_open(c, fd, own, "NORMAL");
	for (unsigned i = 0; i < 100 && e == GNUTLS_E_AGAIN; i++) {
		e = gnutls_handshake(c->session);
		turn(b, 1);
	}
	assert_int_equal(e, 0);
}

static void
tls_senders_are_known(void **state)
{
	struct vg_tls_creds *creds;
	struct bed *b = tls_bed(&creds, NULL);
	int one = client(b, 2), two = client(b, 3), plain = client(b, 4);
	struct test_client a, c;

	(void)state;
	say(plain, VG_STR("<34>in the clear\n<34>in the clear\n"));
	connect_tls(b, &a, one, &firewall);
	connect_tls(b, &c, two, NULL);
	assert_true(gnutls_record_send(a.session, "7 <34>one7 <34>two", 18) == 18);
	assert_true(gnutls_record_send(c.session, "<34>line\n<34>last", 17) == 17);
	turn_until(b, 3);
	assert_int_equal(gnutls_bye(c.session, GNUTLS_SHUT_WR), 0);
	turn_until(b, 4);
	turn_until_conns(b, 1);
	for (unsigned i = 0; i < 2; i++)
		if (strstr(b->fake.told[i].who, "127.0.0.2"))
			told(b, i, "acme syslog-tls certificate fw1 127.0.0.2", VG_STR("<34>one\n<34>two\n"));
		else
			told(b, i, "acme syslog-tls network 127.0.0.3 127.0.0.3", VG_STR("<34>line\n<34>last\n"));
	assert_int_equal(b->fake.n, 2);
	assert_int_equal(vg_syslogd_counts(b->l)->handshakes_failed, 1);
	assert_non_null(strstr(vg_syslogd_counts(b->l)->handshake_why, "127.0.0.4: "));
	test_client_close(&a);
	test_client_close(&c);
	close(one);
	close(two);
	close(plain);
	turn_until_conns(b, 0);
	bed_free(b);
	vg_tls_creds_free(creds);
}

/* More than one read, and records that straddle those of TLS; a gate that refuses. */
static void
nothing_of_tls_is_lost(void **state)
{
	struct vg_tls_creds *creds;
	struct bed *b = tls_bed(&creds, NULL);
	struct test_client c;
	struct sender x;
	ssize_t n;

	(void)state;
	b->fake.moody = true;
	sender_open(&x, b, 1);
	connect_tls(b, &c, x.fd, &firewall);
	while (x.sent < x.stream.n) {
		if ((n = gnutls_record_send(c.session, x.stream.p + x.sent, x.stream.n - x.sent)) > 0)
			x.sent += (size_t)n;
		else
			assert_int_equal(n, GNUTLS_E_AGAIN);
		turn(b, 1);
		vg_syslogd_room(b->l);
	}
	turn_until(b, RECORDS);
	told(b, 0, "acme syslog-tls certificate fw1 127.0.0.3", vg_buf_str(&x.want));
	test_client_close(&c);
	close(x.fd);
	vg_buf_fini(&x.stream);
	vg_buf_fini(&x.want);
	bed_free(b);
	vg_tls_creds_free(creds);
}

static void
slow_handshakes_end(void **state)
{
	static const struct vg_syslogd_limits limits = { .handshake_ms = 100 };
	struct vg_tls_creds *creds;
	struct bed *b = tls_bed(&creds, &limits);
	int good = client(b, 2), slow = client(b, 3);
	struct test_client c;

	(void)state;
	connect_tls(b, &c, good, NULL);
	say(slow, VG_STR("\x16\x03\x01")); /* a hello that does not go on */
	turn_until_conns(b, 1);
	assert_true(closed(slow));
	assert_int_equal(vg_syslogd_counts(b->l)->handshakes_failed, 1);
	assert_string_equal(vg_syslogd_counts(b->l)->handshake_why, "127.0.0.3: too slow");
	assert_true(gnutls_record_send(c.session, "7 <34>one", 9) == 9); /* idle is fine */
	turn_until(b, 1);
	test_client_close(&c);
	close(good);
	close(slow);
	bed_free(b);
	vg_tls_creds_free(creds);
}

static int
set_up(void **state)
{
	(void)state;
	assert_int_equal(vg_tls_init(), VG_OK);
	test_cert_make(&ca, "The CA", NULL, NULL);
	test_cert_make(&server, "vigie.example", NULL, &ca);
	test_cert_make(&firewall, "fw1", NULL, &ca);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	test_cert_free(&ca);
	test_cert_free(&server);
	test_cert_free(&firewall);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_is_a_record),
		cmocka_unit_test(datagrams_in_hand_wait_for_room),
		cmocka_unit_test(a_flood_displaces_its_own),
		cmocka_unit_test(a_backlog_keeps_order),
		cmocka_unit_test(a_backlog_of_many_sources_is_bounded),
		cmocka_unit_test(what_the_kernel_drops_is_counted),
		cmocka_unit_test(a_stop_reads_the_datagrams_that_came),
		cmocka_unit_test(many_senders_keep_their_names),
		cmocka_unit_test(streams_are_cut_into_records),
		cmocka_unit_test(what_was_sent_before_an_end_is_taken),
		cmocka_unit_test(mapped_addresses_are_folded),
		cmocka_unit_test(nonsense_ends_its_connection),
		cmocka_unit_test(limits_of_connections),
		cmocka_unit_test(longer_records_are_cut),
		cmocka_unit_test(nothing_is_lost_when_the_gate_refuses),
		cmocka_unit_test(a_paused_connection_costs_nothing),
		cmocka_unit_test(a_stop_takes_what_is_in_the_sockets),
		cmocka_unit_test(frames_that_do_not_end_are_bounded),
		cmocka_unit_test(what_is_held_is_bounded),
		cmocka_unit_test(tls_senders_are_known),
		cmocka_unit_test(nothing_of_tls_is_lost),
		cmocka_unit_test(slow_handshakes_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
