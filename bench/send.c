/* bench/send.c - many senders of syslog in one process, by TCP, TLS or UDP: varied lines of a company, made before it begins and stamped with the time
 * as they go, at a rate or as fast as they are taken.  To an address of loopback each sender has an address of its own (127.0.0.2, 127.0.0.3, ...).
 * It prints, as JSON, what went, how many of it have the word "DHCPACK", how long that took, and the processor time that it used itself.
 *
 *	send tcp|tls|udp ADDRESS PORT SENDERS EVENTS-A-SECOND SECONDS      (0 events a second: as fast as it goes)
 */
#define BENCH_NAME "send"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "sample/draw.h"
#include "tool.h"

#define LINES 1000000
#define SENDERS_MAX 64
#define PIECE 400 /* lines that go to one connection before the next one's turn */
#define STRIDE 11 /* pieces from one that a sender sent to its next; prime to their number, so that all of them come */
#define DATAGRAMS 64
#define STAMP 27 /* bytes: 2026-04-03T08:12:45.123456Z */

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t
draw(uint32_t below)
{
	return sample_draw(&state, below);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *const users[] = { "alice", "bob", "j.martin", "m.dupont", "svc_backup", "www-data", "root", "p.leroy", "c.moreau", "nagios" };
static const char *const paths[] = { "/", "/index.html", "/api/v1/items", "/login", "/static/app.js", "/img/logo.png", "/api/v1/orders?page=", "/health" };
static const char *const units[] = { "apt-daily.service", "logrotate.service", "man-db.service", "fstrim.service", "phpsessionclean.service" };

/* One line in the way of rsyslog's forward format. */
static void
put_line(struct vg_buf *b, const char *when)
{
	unsigned host = draw(120), r = draw(1000), pid = 300 + draw(60000);
	const char *user = users[draw(10)];
	unsigned a = 10 + draw(3), c = draw(255), d = 1 + draw(253);

	if (r < 330)
		vg_buf_printf(b, "<4>%s fw%u kernel: [%u.%06u] DROP IN=eth0 OUT= MAC=52:54:00:%02x:%02x:%02x SRC=%u.%u.%u.%u DST=192.168.%u.%u LEN=%u TOS=0x00 TTL=%u ID=%u DF PROTO=TCP SPT=%u DPT=%u WINDOW=%u SYN", when, host % 4, draw(9000000), draw(1000000), draw(256), draw(256), draw(256), 20 + draw(180), draw(256), draw(256), d, a, d, 40 + draw(1400), 40 + draw(24), draw(65536), 1024 + draw(60000), draw(1024), draw(65536));
	else if (r < 560)
		vg_buf_printf(b, "<190>%s web%u nginx[%u]: 192.168.%u.%u - - \"GET %s%u HTTP/1.1\" %u %u \"-\" \"Mozilla/5.0 (X11; Linux x86_64; rv:%u.0)\" %u.%03u", when, host % 12, pid, a, d, paths[draw(8)], draw(10000), draw(20) ? 200 : 404, draw(90000), 90 + draw(50), draw(2), draw(1000));
	else if (r < 660)
		vg_buf_printf(b, "<86>%s srv%u sshd[%u]: Accepted publickey for %s from 192.168.%u.%u port %u ssh2: ED25519 SHA256:%08x%08x%08x", when, host, pid, user, a, d, 1024 + draw(60000), draw(0xffffffffu), draw(0xffffffffu), draw(0xffffffffu));
	else if (r < 740)
		vg_buf_printf(b, "<78>%s srv%u CRON[%u]: (%s) CMD (/usr/local/bin/job%u --id %u > /dev/null 2>&1)", when, host, pid, user, draw(40), draw(100000));
	else if (r < 820)
		vg_buf_printf(b, "<30>%s srv%u systemd[1]: %s: Deactivated successfully after %u.%03us.", when, host, units[draw(5)], draw(90), draw(1000));
	else if (r < 900)
		vg_buf_printf(b, "<22>%s mx%u postfix/smtpd[%u]: %08X: client=host%u.example.net[%u.%u.%u.%u], sasl_username=%s", when, host % 3, pid, draw(0xffffffffu), draw(5000), 20 + draw(180), draw(256), c, d, user);
	else if (r < 960)
		vg_buf_printf(b, "<30>%s gw%u dhcpd[%u]: DHCPACK on 192.168.%u.%u to 52:54:00:%02x:%02x:%02x (pc%u) via eth1", when, host % 4, pid, a, d, draw(256), draw(256), draw(256), draw(120));
	else if (r < 995)
		vg_buf_printf(b, "<85>%s srv%u sudo: %s : TTY=pts/%u ; PWD=/home/%s ; USER=root ; COMMAND=/usr/bin/systemctl status unit%u", when, host, user, draw(9), user, draw(50));
	else
		vg_buf_printf(b, "<38>%s srv%u sshd[%u]: Failed password for %s from %u.%u.%u.%u port %u ssh2", when, host, pid, user, 20 + draw(180), draw(256), c, d, 1024 + draw(60000));
	vg_buf_putc(b, '\n');
}

enum how { TCP, TLS, UDP };
static const char *const hows[] = { "tcp", "tls", "udp" };

struct lines {
	struct vg_buf text;
	size_t *begin;   /* of each, and the end */
	uint32_t *marked; /* how many before it have the word */
	char when[VG_TIME_MAX];
};
struct sender {
	int fd;
	gnutls_session_t tls;
	size_t line, at; /* the next line; bytes of its piece that went */
	bool again;      /* TLS: the same bytes must be given once more */
};

static void
make_lines(struct lines *l)
{
	static const char word[] = " DHCPACK ";

	l->begin = calloc(LINES + 1, sizeof(*l->begin));
	l->marked = calloc(LINES + 1, sizeof(*l->marked));
	if (l->begin == NULL || l->marked == NULL)
		die("memory");
	(void)vg_time_print((int64_t)time(NULL) * VG_SEC, 6, l->when);
	for (size_t i = 0; i < LINES; i++) {
		l->begin[i] = l->text.n;
		put_line(&l->text, l->when);
		if (l->text.rc != VG_OK)
			die("memory");
		l->marked[i + 1] = l->marked[i] + (memmem(l->text.p + l->begin[i], l->text.n - l->begin[i], word, sizeof(word) - 1) != NULL);
	}
	l->begin[LINES] = l->text.n;
}

/* The lines of a piece are of now. */
static void
stamp(struct lines *l, size_t line)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	(void)vg_time_print((int64_t)t.tv_sec * VG_SEC + t.tv_nsec, 6, l->when);
	for (size_t i = line; i < line + PIECE; i++) {
		char *p = l->text.p + l->begin[i];

		memcpy((char *)memchr(p, '>', 8) + 1, l->when, STAMP);
	}
}

static void
shake_hands(struct sender *s)
{
	static gnutls_certificate_credentials_t none;
	int rc;

	if ((none == NULL && gnutls_certificate_allocate_credentials(&none) < 0) || gnutls_init(&s->tls, GNUTLS_CLIENT) < 0 || gnutls_set_default_priority(s->tls) < 0 ||
	    gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, none) < 0)
		die("TLS");
	gnutls_transport_set_int(s->tls, s->fd);
	while ((rc = gnutls_handshake(s->tls)) < 0)
		if (gnutls_error_is_fatal(rc))
			die(gnutls_strerror(rc));
}

static void
connect_to(struct sender *s, enum how how, const char *address, const char *port, unsigned number)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) }, from = { .sin_family = AF_INET };

	s->fd = socket(AF_INET, how == UDP ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (s->fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die("address");
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number);
	if (strncmp(address, "127.", 4) == 0 && bind(s->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		die("bind");
	if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	if (how == TLS)
		shake_hands(s);
	(void)fcntl(s->fd, F_SETFL, O_NONBLOCK);
}

/* As write(2): -1 and EAGAIN when nothing goes now. */
static ssize_t
put(struct sender *s, const char *p, size_t n)
{
	ssize_t k;

	if (s->tls == NULL)
		return send(s->fd, p, n, MSG_NOSIGNAL);
	k = gnutls_record_send(s->tls, s->again ? NULL : p, s->again ? 0 : n < 16384 ? n : 16384);
	s->again = k == GNUTLS_E_AGAIN || k == GNUTLS_E_INTERRUPTED;
	if (k >= 0)
		return k;
	errno = s->again ? EAGAIN : EIO;
	return -1;
}

/* Send one piece, as far as it goes; how many lines went wholly, which is all of them or none. */
static size_t
send_piece(struct sender *s, struct lines *l)
{
	size_t end = l->begin[s->line + PIECE];

	if (s->at == 0)
		stamp(l, s->line);
	for (size_t from; (from = l->begin[s->line] + s->at) < end;) {
		ssize_t k = put(s, l->text.p + from, end - from);

		if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (k < 0)
			die("send");
		s->at += (size_t)k;
	}
	s->at = 0;
	return PIECE;
}

/* A line a datagram, without its end. */
static size_t
send_datagrams(struct sender *s, struct lines *l)
{
	struct mmsghdr m[DATAGRAMS];
	struct iovec v[DATAGRAMS];
	int n;

	stamp(l, s->line);
	for (size_t i = 0; i < DATAGRAMS; i++) {
		size_t begin = l->begin[s->line + i];

		v[i] = (struct iovec){ l->text.p + begin, l->begin[s->line + i + 1] - begin - 1 };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
	}
	if ((n = sendmmsg(s->fd, m, DATAGRAMS, 0)) < 0 && errno != EAGAIN && errno != ENOBUFS)
		die("send");
	return n < 0 ? 0 : (size_t)n;
}

static double
processor_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct sums {
	uint64_t sent, bytes, marked;
};

/* What sender @s can send now; 0: nothing. */
static size_t
turn(struct sender *s, enum how how, struct lines *l, struct sums *sum)
{
	size_t n = how == UDP ? send_datagrams(s, l) : send_piece(s, l);

	sum->sent += n;
	sum->bytes += l->begin[s->line + n] - l->begin[s->line] - n;
	sum->marked += l->marked[s->line + n] - l->marked[s->line];
	if (n)
		s->line = (s->line + (size_t)PIECE * STRIDE) % (LINES - PIECE);
	return n;
}

static void
finish(struct sender *s, enum how how, struct lines *l, struct sums *sum)
{
	(void)fcntl(s->fd, F_SETFL, 0);
	while (how != UDP && s->at) /* whole lines alone */
		(void)turn(s, how, l, sum);
	if (s->tls) {
		(void)gnutls_bye(s->tls, GNUTLS_SHUT_WR);
		gnutls_deinit(s->tls);
	}
	close(s->fd);
}

static void
run(struct sender *s, unsigned n, enum how how, struct lines *l, double rate, double seconds)
{
	const struct timespec nap = { 0, 1000000 };
	double begin = now_s(), used = processor_s(), took;
	struct sums sum = { 0 };

	while (now_s() - begin < seconds) {
		size_t went = 0;

		for (unsigned i = 0; i < n; i++)
			if (rate <= 0 || (double)sum.sent < (now_s() - begin) * rate)
				went += turn(&s[i], how, l, &sum);
		if (went == 0)
			nanosleep(&nap, NULL);
	}
	for (unsigned i = 0; i < n; i++)
		finish(&s[i], how, l, &sum);
	took = now_s() - begin;
	printf("{\"sent\": %llu, \"bytes\": %llu, \"marked\": %llu, \"seconds\": %.3f, \"cpu_s\": %.3f}\n", (unsigned long long)sum.sent, (unsigned long long)sum.bytes,
	       (unsigned long long)sum.marked, took, processor_s() - used);
}

int
main(int argc, char **argv)
{
	static struct sender s[SENDERS_MAX];
	struct lines l = { .begin = NULL };
	unsigned n = argc == 7 ? (unsigned)atoi(argv[4]) : 0;
	double seconds = argc == 7 ? atof(argv[6]) : 0;
	int how = TCP;

	while (argc == 7 && how <= UDP && strcmp(argv[1], hows[how]) != 0)
		how++;
	if (n < 1 || n > SENDERS_MAX || seconds <= 0 || how > UDP) {
		fprintf(stderr, "usage: send tcp|tls|udp ADDRESS PORT SENDERS EVENTS-A-SECOND SECONDS\n");
		return 2;
	}
	make_lines(&l);
	for (unsigned i = 0; i < n; i++) {
		connect_to(&s[i], (enum how)how, argv[2], argv[3], i);
		s[i].line = (size_t)i * PIECE * 31 % (LINES - PIECE);
	}
	run(s, n, (enum how)how, &l, atof(argv[5]), seconds);
	return 0;
}
