#include "proc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proc/carry.h"

#define HEAD 8
#define READ_BYTES ((size_t)256 << 10)
#define FDS_MAX 64 /* that came and were not asked for yet */

struct waiting_fd { /* goes with the byte at this place of the queue */
	uint64_t at;
	int fd;
};
struct vg_channel {
	struct vg_loop *loop;
	int fd;
	struct vg_watch *watch;
	struct vg_channel_ops ops;
	struct vg_buf in, out;
	size_t out_at;     /* what was sent of out */
	uint64_t out_base; /* place of out's first byte in all that was ever queued */
	struct waiting_fd send[FDS_MAX];
	size_t nsend;
	int got[FDS_MAX];
	size_t ngot;
	bool paused, broken, in_handler;
	bool kick; /* what was read while it was paused waits */
};

static void
set_events(struct vg_channel *c)
{
	vg_watch_set(c->watch, (c->paused ? 0u : (uint32_t)EPOLLIN) | (c->out_at < c->out.n || c->kick ? (uint32_t)EPOLLOUT : 0u));
}

static void
end(struct vg_channel *c)
{
	c->broken = true;
	if (c->in_handler)
		return; /* the reader sees it */
	c->ops.closed(c->ops.ctx, c);
	vg_channel_free(c);
}

/* ---- sending ---- */

/* One piece; a descriptor goes with its first byte, and a piece ends before the next one's. */
static ssize_t
send_piece(struct vg_channel *c)
{
	struct iovec io = { c->out.p + c->out_at, c->out.n - c->out_at };
	union vg_carry room;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
	uint64_t at = c->out_base + c->out_at;
	bool with = c->nsend && c->send[0].at == at;
	size_t next = with ? 1 : 0;
	ssize_t k;

	if (with)
		vg_carry_fd(&m, &room, c->send[0].fd);
	if (next < c->nsend && c->send[next].at - at < io.iov_len)
		io.iov_len = (size_t)(c->send[next].at - at);
	k = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (k > 0 && with) {
		close(c->send[0].fd);
		memmove(c->send, c->send + 1, --c->nsend * sizeof(*c->send));
	}
	return k;
}

/* false: the peer is gone. */
static bool
push_out(struct vg_channel *c)
{
	while (c->out_at < c->out.n) {
		ssize_t k = send_piece(c);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		c->out_at += (size_t)k;
	}
	c->out_base += c->out.n;
	c->out_at = 0;
	vg_buf_clear(&c->out);
	return true;
}

void
vg_channel_send_fd(struct vg_channel *c, uint16_t type, vg_str body, int fd)
{
	if (c->broken)
		return;
	if (fd >= 0) {
		if (c->nsend == FDS_MAX || (c->send[c->nsend].fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0) {
			c->broken = true;
			return;
		}
		c->send[c->nsend++].at = c->out_base + c->out.n;
	}
	vg_buf_le32(&c->out, (uint32_t)body.n);
	vg_buf_le16(&c->out, type);
	vg_buf_le16(&c->out, fd >= 0);
	vg_buf_put(&c->out, body);
	if (c->out.rc != VG_OK || c->out.n - c->out_at > VG_CHANNEL_QUEUE_MAX || body.n > VG_MESSAGE_MAX || !push_out(c))
		c->broken = true; /* told by the loop's next turn: never from within the caller */
	if (c->broken)
		(void)shutdown(c->fd, SHUT_RDWR);
	set_events(c);
}

void
vg_channel_send(struct vg_channel *c, uint16_t type, vg_str body)
{
	vg_channel_send_fd(c, type, body, -1);
}

size_t
vg_channel_queued(const struct vg_channel *c)
{
	return c->out.n - c->out_at;
}

void
vg_channel_pause(struct vg_channel *c, bool pause)
{
	c->paused = pause;
	c->kick = !pause && c->in.n >= HEAD;
	set_events(c);
}

void
vg_channel_flush(struct vg_channel *c, int wait_ms)
{
	int64_t until = vg_monotonic_ns() + (int64_t)wait_ms * 1000000;

	while (!c->broken && c->out_at < c->out.n && vg_monotonic_ns() < until) {
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };

		if (!push_out(c))
			c->broken = true;
		else if (c->out_at < c->out.n)
			(void)poll(&p, 1, 20);
	}
}

/* ---- receiving ---- */

static void
keep_fds(struct vg_channel *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n = h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS ? (h->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (c->ngot < FDS_MAX)
				c->got[c->ngot++] = fd;
			else
				close(fd);
		}
	}
}

/* false: it is over. */
static bool
read_in(struct vg_channel *c)
{
	union {
		char buf[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec io;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
	ssize_t k;

	if (!vg_buf_reserve(&c->in, READ_BYTES))
		return false;
	io = (struct iovec){ c->in.p + c->in.n, c->in.cap - c->in.n };
	do
		k = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK;
	keep_fds(c, &m);
	c->in.n += (size_t)k;
	return k > 0;
}

static const struct vg_handler *
handler_of(const struct vg_channel *c, uint16_t type)
{
	for (const struct vg_handler *h = c->ops.handler; h->on; h++)
		if (h->type == type)
			return h;
	return NULL;
}

/* Serve what is whole.  false: the peer is to be ended. */
static bool
serve(struct vg_channel *c)
{
	size_t at = 0;
	bool ok = true;

	c->in_handler = true;
	while (ok && !c->broken && !c->paused && c->in.n - at >= HEAD) {
		struct vg_cur h = vg_cur_of(c->in.p + at, HEAD), body;
		uint32_t n = vg_cur_le32(&h);
		const struct vg_handler *x = handler_of(c, vg_cur_le16(&h));
		bool with = vg_cur_le16(&h) & 1;
		int fd = -1;

		if (x == NULL || n > x->max_bytes || (with && c->ngot == 0)) {
			ok = false;
			break;
		}
		if (c->in.n - at - HEAD < n)
			break;
		if (with) {
			fd = c->got[0];
			memmove(c->got, c->got + 1, --c->ngot * sizeof(*c->got));
		}
		body = vg_cur_of(c->in.p + at + HEAD, n);
		at += HEAD + n;
		ok = x->on(c->ops.ctx, c, &body, fd) == VG_OK;
		if (!ok && fd >= 0)
			close(fd);
	}
	c->in_handler = false;
	memmove(c->in.p, c->in.p + at, c->in.n - at);
	c->in.n -= at;
	if (c->in.n == 0 && c->ngot) /* no message claimed them; they could hold our own end open */
		return false;
	return ok && !c->broken;
}

static void
on_ready(void *ctx, uint32_t events)
{
	struct vg_channel *c = ctx;
	bool alive = !c->broken;

	if (events & EPOLLOUT)
		alive = alive && push_out(c);
	if (c->kick && alive) {
		c->kick = false;
		alive = serve(c);
	}
	if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		bool more = read_in(c);

		alive = alive && serve(c) && more; /* what came before the end counts */
	}
	if (!alive)
		end(c);
	else
		set_events(c);
}

vg_rc
vg_channel_new(struct vg_loop *l, int fd, const struct vg_channel_ops *ops, struct vg_channel **out)
{
	struct vg_channel *c = calloc(1, sizeof(*c));
	vg_rc rc;

	if (c == NULL) {
		close(fd);
		return VG_E_NOMEM;
	}
	c->loop = l;
	c->fd = fd;
	c->ops = *ops;
	if ((rc = vg_watch_new(l, fd, EPOLLIN, on_ready, c, &c->watch)) != VG_OK) {
		vg_channel_free(c);
		return rc;
	}
	*out = c;
	return VG_OK;
}

void
vg_channel_free(struct vg_channel *c)
{
	if (c == NULL)
		return;
	vg_watch_free(c->watch);
	close(c->fd);
	for (size_t i = 0; i < c->nsend; i++)
		close(c->send[i].fd);
	for (size_t i = 0; i < c->ngot; i++)
		close(c->got[i]);
	vg_buf_fini(&c->in);
	vg_buf_fini(&c->out);
	free(c);
}
