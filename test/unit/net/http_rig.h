/* test/unit/net/http_rig.h - a server on loopback, a gate that remembers, and a client of raw bytes, all in one thread. */
#ifndef VG_TEST_HTTP_RIG_H
#define VG_TEST_HTTP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "net/http.h"

#define KEY "Authorization: Bearer s3cret\r\n"
#define HOST "Host: h\r\nUser-Agent: test\r\n"

struct rig {
	struct vg_loop *l;
	struct vg_auth *auth;
	struct vg_http *h;
	struct vg_gate gate;
	int listen_fd, port;
	/* the gate */
	uint64_t taken, room;      /* it takes as long as taken < room */
	bool keeps;                /* what is taken is kept at once */
	bool full_of_sources;
	struct vg_buf records;     /* "NAME/TENANT/PROOF id|raw\n" */
	char source[300];
	char address[64];
	uint64_t refused[VG_REFUSALS];
};

static uint32_t
rig_source(void *ctx, const struct vg_speaker *s)
{
	struct rig *r = ctx;

	assert_true(vg_str_eq(s->listener, VG_STR("https")));
	snprintf(r->source, sizeof(r->source), "%.*s/%.*s/%s", VG_STR_ARG(s->name), VG_STR_ARG(s->tenant), vg_proof_name(s->proof));
	snprintf(r->address, sizeof(r->address), "%.*s", VG_STR_ARG(s->address));
	return r->full_of_sources ? VG_GATE_NONE : 5;
}

static bool
rig_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	struct rig *r = ctx;

	assert_int_equal(source, 5);
	assert_true(recv_ns > 0);
	if (r->taken >= r->room)
		return false;
	r->taken++;
	vg_buf_puts(&r->records, r->source);
	vg_buf_putc(&r->records, ' ');
	vg_buf_put(&r->records, id);
	vg_buf_putc(&r->records, '|');
	vg_buf_put(&r->records, raw);
	vg_buf_putc(&r->records, '\n');
	return true;
}

static uint64_t
rig_taken(void *ctx)
{
	return ((struct rig *)ctx)->taken;
}

static void
rig_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	struct rig *r = ctx;

	assert_true(source == 5 || source == VG_GATE_NONE);
	assert_true(n != 0);
	r->refused[why] += n;
}

static inline void
rig_start(struct rig *r, const struct vg_http_options *from)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	struct vg_http_options o = { 0 };
	struct vg_auth_key k[] = { { VG_STR("k1"), { 0 }, VG_STR("acme"), VG_STR("dc1"), false },
				   { VG_STR("k2"), { 0 }, VG_STR("other"), VG_STR("nas"), false } };

	*r = (struct rig){ .room = UINT64_MAX, .keeps = true };
	if (from)
		o = *from;
	SHA256((const unsigned char *)"s3cret", 6, k[0].sha256);
	SHA256((const unsigned char *)"s4cret", 6, k[1].sha256);
	r->gate = (struct vg_gate){ r, rig_source, rig_take, rig_taken, rig_refused, NULL };
	r->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(r->listen_fd >= 0);
	assert_int_equal(bind(r->listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(r->listen_fd, 128), 0);
	assert_int_equal(getsockname(r->listen_fd, (struct sockaddr *)&a, &n), 0);
	r->port = ntohs(a.sin_port);
	assert_int_equal(vg_auth_new(&r->auth), VG_OK);
	assert_int_equal(vg_auth_set(r->auth, k, VG_COUNT(k)), VG_OK);
	assert_int_equal(vg_loop_new(&r->l), VG_OK);
	o.listen_fd = r->listen_fd;
	o.auth = r->auth;
	assert_int_equal(vg_http_new(r->l, &r->gate, &o, &r->h), VG_OK);
}

static inline void
rig_stop(struct rig *r)
{
	vg_http_free(r->h);
	vg_auth_free(r->auth);
	vg_loop_free(r->l);
	assert_int_equal(close(r->listen_fd), 0); /* it is still ours */
	vg_buf_fini(&r->records);
}

static inline void
rig_turn_wait(struct rig *r, int wait_ms)
{
	assert_int_equal(vg_loop_turn(r->l, wait_ms), VG_OK);
	if (r->keeps)
		vg_http_kept(r->h, r->taken);
}

static inline void
rig_turn(struct rig *r)
{
	rig_turn_wait(r, 1);
}

/* A client. */
struct client {
	struct rig *r;
	int fd;
	struct vg_buf got;
	bool closed;
};

static inline void
client_open(struct client *c, struct rig *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)r->port) };

	*c = (struct client){ .r = r };
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

static inline void
client_close(struct client *c)
{
	close(c->fd);
	vg_buf_fini(&c->got);
	for (int i = 0; i < 3; i++)
		rig_turn(c->r);
}

/* Turn once, and read what has come. */
static inline void
client_turn_wait(struct client *c, int wait_ms)
{
	char b[65536];
	ssize_t n;

	rig_turn_wait(c->r, wait_ms);
	while (!c->closed && (n = recv(c->fd, b, sizeof(b), MSG_DONTWAIT)) != -1) {
		c->closed = n == 0;
		vg_buf_mem(&c->got, b, (size_t)n);
	}
	if (!c->closed && errno != EAGAIN)
		c->closed = true; /* reset */
}

static inline void
client_turn(struct client *c)
{
	client_turn_wait(c, 1);
}

/* Send, in pieces of @piece bytes with a turn between. */
static inline void
client_say(struct client *c, vg_str s, size_t piece)
{
	while (s.n && !c->closed) {
		ssize_t n = send(c->fd, s.p, s.n < piece ? s.n : piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			s = vg_str_skip(s, (size_t)n);
		else if (errno != EAGAIN)
			return;
		client_turn_wait(c, 0);
	}
}

/* The length of the first answer in c->got; 0 when it is not whole. */
static inline size_t
answer_length(vg_str got, bool head)
{
	size_t end = vg_str_find(got, VG_STR("\r\n\r\n")), at;
	vg_str rest;

	if (end == VG_NPOS)
		return 0;
	end += 4;
	at = vg_str_ifind(vg_str_cut(got, end), VG_STR("Content-Length: "));
	if (head || at == VG_NPOS)
		return end;
	rest = vg_str_skip(got, at + 16);
	return end + (size_t)strtoul(rest.p, NULL, 10) <= got.n ? end + (size_t)strtoul(rest.p, NULL, 10) : 0;
}

static inline int
status_of_text(vg_str got)
{
	return vg_str_starts(got, VG_STR("HTTP/1.1 ")) ? atoi(got.p + 9) : 0;
}

/* Wait for an answer: its status, its text moved to @text; 0: the connection ended without one.  -1: nothing comes. */
static inline int
client_hear(struct client *c, bool head, struct vg_buf *text)
{
	int64_t until = vg_monotonic_ns() + 5 * VG_SEC;
	size_t n;
	int status;

	while ((n = answer_length(vg_buf_str(&c->got), head)) == 0 && !c->closed && vg_monotonic_ns() < until)
		client_turn(c);
	if (n == 0)
		return c->closed ? 0 : -1;
	status = status_of_text(vg_buf_str(&c->got));
	vg_buf_clear(text);
	vg_buf_mem(text, c->got.p, n);
	vg_buf_putc(text, 0);
	text->n--;
	memmove(c->got.p, c->got.p + n, c->got.n - n);
	c->got.n -= n;
	return status;
}

/* Nothing comes for some turns. */
static inline bool
client_hears_nothing(struct client *c)
{
	for (int i = 0; i < 30; i++)
		client_turn(c);
	return c->got.n == 0 && !c->closed;
}

static inline bool
client_is_closed(struct client *c)
{
	int64_t until = vg_monotonic_ns() + 3 * VG_SEC;

	while (!c->closed && vg_monotonic_ns() < until)
		client_turn(c);
	return c->closed;
}

/* One request on a connection of its own. */
static inline int
ask(struct rig *r, vg_str request, size_t piece, struct vg_buf *text)
{
	struct client c;
	int status;

	client_open(&c, r);
	client_say(&c, request, piece);
	status = client_hear(&c, vg_str_starts(request, VG_STR("HEAD")), text);
	client_close(&c);
	return status;
}

static inline bool
has(const struct vg_buf *text, const char *what)
{
	return vg_str_find(vg_buf_str(text), vg_str_of(what)) != VG_NPOS;
}

static inline void
request(struct vg_buf *out, const char *method, const char *path, const char *headers, vg_str body)
{
	vg_buf_clear(out);
	vg_buf_printf(out, "%s %s HTTP/1.1\r\n" HOST KEY "%sContent-Length: %zu\r\n\r\n", method, path, headers, body.n);
	vg_buf_put(out, body);
}

#endif
