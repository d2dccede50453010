/* Messages between processes, and what a role takes from its parent.  The first byte chooses: c, a stream of messages, with descriptors, which are the
 * same however the stream is cut, and of which none stays open; g, the parent's messages, one behind the other; p, what a worker of proc/pool.h answers. */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "choose.h"
#include "fds.h"
#include "proc/pool.c"
#include "proc/role.c"
#include "role/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* In its sandbox's place: a role that is told to go does so here. */
vg_rc
vg_sandbox_enter(const struct vg_sandbox_limits *l)
{
	(void)l;
	return VG_OK;
}

unsigned
vg_sandbox_weakness(void)
{
	return VG_WEAK_LANDLOCK;
}

/* ---- streams ---- */

struct got {
	struct vg_buf all; /* u16 type, u8 descriptor, u32 length, bytes: one after the other */
	bool closed;
	unsigned count;
};

static vg_rc
take(struct got *g, uint16_t type, struct vg_cur *body, int fd)
{
	vg_str s = vg_cur_bytes(body, vg_cur_left(body));

	vg_buf_le16(&g->all, type);
	vg_buf_u8(&g->all, fd >= 0);
	vg_buf_le_str(&g->all, s);
	g->count++;
	return s.n && s.p[0] == '!' ? VG_E_FORMAT : VG_OK;
}

static vg_rc
on_any(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	vg_rc rc = take(ctx, 1, body, fd);

	(void)from;
	if (fd >= 0 && rc == VG_OK)
		close(fd);
	return rc;
}

/* It takes no descriptor, and stops for a while. */
static vg_rc
on_plain(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	vg_rc rc = take(ctx, 2, body, fd);

	vg_channel_pause(from, true);
	return fd >= 0 ? VG_E_FORMAT : rc;
}

static void
on_closed(void *ctx, struct vg_channel *c)
{
	(void)c;
	((struct got *)ctx)->closed = true;
}

static void
send_some(int fd, vg_str s, int with)
{
	union vg_carry room;
	struct iovec io = { (void *)(uintptr_t)s.p, s.n };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	if (with >= 0)
		vg_carry_fd(&m, &room, with);
	(void)!sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* @step: bytes at a time; 0: all.  A descriptor comes with the first of them for each bit of @with. */
static void
stream(vg_str s, size_t piece, unsigned with, struct got *g)
{
	static const struct vg_handler handlers[] = { { 1, 4096, on_any }, { 2, 64, on_plain }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { handlers, on_closed, g };
	struct vg_channel *c;
	struct vg_loop *l;
	int sv[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (vg_loop_new(&l) != VG_OK || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 || vg_channel_new(l, sv[0], &ops, &c) != VG_OK)
		abort();
	for (; with && s.n; with >>= 1) /* before anything is read, so that the cuts make no difference */
		if (with & 1) {
			send_some(sv[1], vg_str_cut(s, 1), null);
			s = vg_str_skip(s, 1);
		}
	close(null);
	while (!g->closed) {
		vg_str now = piece ? vg_str_cut(s, piece) : s;

		if (now.n)
			send_some(sv[1], now, -1);
		s = vg_str_skip(s, now.n);
		if (now.n == 0)
			close(sv[1]);
		for (int i = 0; i < 3 && !g->closed; i++) {
			vg_channel_pause(c, false);
			if (vg_loop_turn(l, 0) != VG_OK)
				abort();
		}
		if (now.n == 0) {
			for (unsigned i = 0; i < 70000 && !g->closed; i++) {
				vg_channel_pause(c, false);
				(void)!vg_loop_turn(l, 0);
			}
			assert(g->closed);
			sv[1] = -1;
		}
	}
	if (sv[1] >= 0)
		close(sv[1]);
	vg_loop_free(l);
}

static void
streams(vg_str s)
{
	struct got whole = { .count = 0 }, cut = { .count = 0 };
	unsigned with, before = fuzz_count_fds();

	if (s.n < 2 || s.n > 32768)
		return;
	with = (uint8_t)s.p[0];
	stream(vg_str_skip(s, 2), 0, with, &whole);
	assert(fuzz_count_fds() == before); /* none stays open */
	stream(vg_str_skip(s, 2), 1 + (uint8_t)s.p[1], with, &cut);
	assert(fuzz_count_fds() == before);
	if (with == 0 || (with == 1 && s.n > 8 && (s.p[8] & 1))) /* else one that came too early ends it, sooner or later */
		assert(vg_str_eq(vg_buf_str(&whole.all), vg_buf_str(&cut.all)));
	vg_buf_fini(&whole.all);
	vg_buf_fini(&cut.all);
}

/* ---- from the parent ---- */

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	(void)limits;
	return vg_role_number(e, "fail", 0) == 1 ? VG_E_REFUSED : VG_OK;
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	(void)e;
	assert(role < VG_ROLES && index < VG_ROLE_INDEX_MAX && fd >= 0);
	close(fd);
	return VG_OK;
}

static void
news(struct vg_role_env *e, const char *name)
{
	assert(vg_role_given(e, name));
}

static vg_rc
discard(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	(void)ctx, (void)from, (void)body, (void)fd;
	return VG_OK;
}

static void
parent(vg_str s)
{
	static const struct vg_role_impl impl = { VG_ROLE_DETECT, prepare, NULL, peer, news, NULL, NULL };
	static const struct vg_handler none[] = { { 0, 0, discard }, { 0, 0, NULL } };
	static struct run r;
	struct got g = { .count = 0 };
	struct vg_channel_ops ops = { none, on_closed, &g };
	struct vg_cur c = vg_cur_of(s.p, s.n);
	unsigned before = fuzz_count_fds();
	int sv[2];
	bool on = true;

	r = (struct run){ .impl = &impl };
	if (vg_loop_new(&r.e.loop) != VG_OK || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 ||
	    vg_channel_new(r.e.loop, sv[0], &ops, &r.e.parent) != VG_OK)
		abort();
	while (vg_cur_left(&c) && on) {
		unsigned type = vg_cur_u8(&c);
		uint16_t n = vg_cur_le16(&c);
		struct vg_cur body = vg_cur_sub(&c, n < vg_cur_left(&c) ? n : vg_cur_left(&c));
		int fd = type & 0x80 ? fcntl(sv[1], F_DUPFD_CLOEXEC, 3) : -1;
		vg_rc rc = VG_E_FORMAT;

		switch (type & 7) {
		case VG_MSG_GIVE:
			rc = on_give(&r, r.e.parent, &body, fd);
			break;
		case VG_MSG_NEW:
			rc = on_new(&r, r.e.parent, &body, fd);
			break;
		case VG_MSG_PEER:
			rc = on_peer(&r, r.e.parent, &body, fd);
			break;
		case VG_MSG_GO:
			rc = on_go(&r, r.e.parent, &body, fd);
			break;
		default:
			break;
		}
		if (rc != VG_OK && fd >= 0) /* as the channel does */
			close(fd);
		on = rc == VG_OK && !r.failed;
		for (size_t i = 0; i < r.e.ngiven; i++)
			assert(r.e.given[i].name[0] && strlen(r.e.given[i].name) < sizeof(r.e.given[i].name) && r.e.given[i].text.p[r.e.given[i].text.n] == 0);
	}
	for (size_t i = 0; i < r.e.ngiven; i++) {
		free((void *)(uintptr_t)r.e.given[i].text.p);
		if (r.e.given[i].fd >= 0)
			close(r.e.given[i].fd);
	}
	for (size_t i = 0; i < r.npeer && !r.going; i++)
		close(r.peer[i].fd);
	vg_channel_free(r.e.parent);
	close(sv[1]);
	vg_loop_free(r.e.loop);
	assert(fuzz_count_fds() == before);
}

/* ---- workers ---- */

/* The worker is nobody: no process has this number. */
#define NOBODY INT_MAX

int
kill(pid_t pid, int sig)
{
	assert(pid == NOBODY && sig == SIGKILL);
	return 0;
}

struct heard {
	unsigned done, died;
	size_t bytes;
};

static void
on_done(void *ctx, unsigned worker, uint64_t token, vg_str reply)
{
	struct heard *h = ctx;

	(void)worker;
	assert(token == 7 && reply.n <= VG_POOL_MESSAGE_MAX);
	h->done++;
	h->bytes += reply.n;
}

static void
on_died(void *ctx, unsigned worker, uint64_t token, const char *why)
{
	struct heard *h = ctx;

	(void)worker;
	assert(token == 7 && why[0]);
	h->died++;
}

static void
worker(vg_str s)
{
	struct heard h = { .done = 0 };
	struct vg_pool_ops ops = { .ctx = &h, .done = on_done, .died = on_died };
	struct vg_buf reply = { .limit_bytes = VG_POOL_MESSAGE_MAX };
	unsigned before = fuzz_count_fds();
	int sv[2], null;

	if (s.n == 0 || s.n > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	send_some(sv[1], s, null);
	close(null);
	close(sv[1]);
	for (struct worker w = { .pid = NOBODY, .sock = sv[0], .token = 7 }; h.died == 0;)
		hear(&ops, &w, 0, &reply);
	assert(h.bytes + 4 * (size_t)h.done <= s.n && fuzz_count_fds() == before);
	vg_buf_fini(&reply);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'c', streams }, { 'g', parent }, { 'p', worker }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
