/* bench/send.c - many senders of syslog over TCP in one process: varied lines of a company, made before it begins, at a rate or as fast as
 * they are taken.  It prints what it sent, how long that took, and the processor time that it used itself.
 *
 *	send ADDRESS PORT CONNECTIONS EVENTS-A-SECOND SECONDS      (0 events a second: as fast as it goes)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"

#define LINES 1000000
#define CONNS_MAX 64
#define PIECE 400 /* lines that go to one connection before the next one's turn */

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t
draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) % below);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "send: %s: %s\n", what, strerror(errno));
	exit(1);
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

static int
connect_to(const char *address, const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &in.sin_addr) != 1 || connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("connect");
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

struct conn {
	int fd;
	size_t line, at; /* the next line; bytes of its piece that went */
};

/* Send one piece, as far as it goes; the lines that went wholly. */
static size_t
send_piece(struct conn *c, const struct vg_buf *b, const size_t *begin)
{
	size_t end = begin[c->line + PIECE], from = begin[c->line] + c->at;
	ssize_t k = send(c->fd, b->p + from, end - from, MSG_NOSIGNAL);

	if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (k < 0)
		die("send");
	c->at += (size_t)k;
	if (from + (size_t)k < end)
		return 0;
	c->at = 0;
	c->line = (c->line + PIECE * 7) % (LINES - PIECE);
	return PIECE;
}

int
main(int argc, char **argv)
{
	struct conn c[CONNS_MAX];
	struct vg_buf b = { 0 };
	size_t *begin = calloc(LINES + 1, sizeof(*begin));
	int n = argc == 6 ? atoi(argv[3]) : 0;
	double rate = argc == 6 ? atof(argv[4]) : 0, seconds = argc == 6 ? atof(argv[5]) : 0, t0;
	uint64_t sent = 0, pieces = 0;
	char when[VG_TIME_MAX];
	struct rusage u0, u;

	if (n < 1 || n > CONNS_MAX || seconds <= 0 || begin == NULL) {
		fprintf(stderr, "usage: send ADDRESS PORT CONNECTIONS EVENTS-A-SECOND SECONDS\n");
		return 2;
	}
	(void)vg_time_print((int64_t)time(NULL) * VG_SEC, 6, when);
	for (size_t i = 0; i < LINES; i++) {
		begin[i] = b.n;
		put_line(&b, when);
	}
	begin[LINES] = b.n;
	if (b.rc != VG_OK)
		die("memory");
	for (int i = 0; i < n; i++)
		c[i] = (struct conn){ connect_to(argv[1], argv[2]), (size_t)i * PIECE * 31 % (LINES - PIECE), 0 };
	getrusage(RUSAGE_SELF, &u0);
	t0 = now_s();
	while (now_s() - t0 < seconds) {
		size_t went = 0;

		for (int i = 0; i < n; i++)
			if (rate <= 0 || (double)sent < (now_s() - t0) * rate)
				went += send_piece(&c[i], &b, begin);
		sent += went;
		pieces++;
		if (went == 0) {
			struct timespec nap = { 0, 1000000 };

			nanosleep(&nap, NULL);
		}
	}
	for (int i = 0; i < n; i++) { /* whole lines alone */
		(void)fcntl(c[i].fd, F_SETFL, 0);
		while (c[i].at)
			sent += send_piece(&c[i], &b, begin);
		close(c[i].fd);
	}
	getrusage(RUSAGE_SELF, &u);
	printf("sent %llu events of %.0f B in %.2f s: %.0f/s; sender's processor time %.2f s\n", (unsigned long long)sent, (double)b.n / LINES, now_s() - t0,
	       (double)sent / (now_s() - t0),
	       (double)(u.ru_utime.tv_sec - u0.ru_utime.tv_sec + u.ru_stime.tv_sec - u0.ru_stime.tv_sec) +
		       (double)(u.ru_utime.tv_usec - u0.ru_utime.tv_usec + u.ru_stime.tv_usec - u0.ru_stime.tv_usec) / 1e6);
	return 0;
}
