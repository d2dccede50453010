#include "proc/helper.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "proc/channel.h"

#define HEAD 8 /* proc/channel.h */
#define MESSAGE 1

struct vg_helper {
	struct vg_channel *channel;
	struct vg_helper_options o;
	bool busy;
};

/* ---- in the helper ---- */

static bool
read_all(int fd, char *p, size_t n)
{
	while (n) {
		ssize_t k = read(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool
serve(int fd, const struct vg_helper_options *o, struct vg_buf *ask, struct vg_buf *answer)
{
	struct vg_buf head = { 0 };
	char h[HEAD];
	struct vg_cur c = vg_cur_of(h, sizeof(h));
	uint32_t n;
	bool ok;

	if (!read_all(fd, h, sizeof(h)))
		return false;
	n = vg_cur_le32(&c);
	vg_buf_clear(ask);
	vg_buf_clear(answer);
	if (vg_cur_le16(&c) != MESSAGE || vg_cur_le16(&c) != 0 || n > VG_HELPER_BYTES_MAX || !vg_buf_reserve(ask, n + 1) || !read_all(fd, ask->p, n))
		return false;
	o->work(o->ctx, vg_str_mem(ask->p, n), answer);
	vg_buf_le32(&head, (uint32_t)answer->n);
	vg_buf_le16(&head, MESSAGE);
	vg_buf_le16(&head, 0);
	ok = answer->rc == VG_OK && head.rc == VG_OK && answer->n <= VG_HELPER_BYTES_MAX && vg_write_all(fd, vg_buf_str(&head)) == VG_OK &&
	     vg_write_all(fd, vg_buf_str(answer)) == VG_OK;
	vg_buf_fini(&head);
	return ok;
}

static _Noreturn void
be(const struct vg_helper_options *o, int fd, pid_t maker)
{
	struct vg_buf ask = { 0 }, answer = { 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, o->name);
	if (getppid() != maker || dup2(fd, 3) < 0 || close_range(4, ~0U, 0) < 0)
		_exit(1);
	if (o->first)
		o->first(o->ctx);
	if (o->limits && vg_sandbox_enter(o->limits) != VG_OK)
		_exit(1);
	while (serve(3, o, &ask, &answer))
		;
	_exit(0);
}

/* ---- here ---- */

static vg_rc
on_answer(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vg_helper *h = ctx;

	(void)from;
	if (fd >= 0 || !h->busy)
		return VG_E_FORMAT;
	h->busy = false;
	h->o.answered(h->o.ctx, vg_cur_bytes(body, vg_cur_left(body)));
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct vg_helper *h = ctx;

	(void)c;
	h->o.ended(h->o.ctx);
	free(h);
}

vg_rc
vg_helper_new(struct vg_loop *l, const struct vg_helper_options *o, struct vg_helper **out)
{
	static const struct vg_handler handlers[] = { { MESSAGE, VG_HELPER_BYTES_MAX, on_answer }, { 0, 0, NULL } };
	struct vg_helper *h = calloc(1, sizeof(*h));
	struct vg_channel_ops ops = { handlers, closed, h };
	pid_t maker = getpid(), pid;
	int sv[2];
	vg_rc rc;

	if (h == NULL)
		return VG_E_NOMEM;
	h->o = *o;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
		free(h);
		return VG_E_SYS;
	}
	if ((pid = fork()) == 0)
		be(o, sv[1], maker);
	close(sv[1]);
	if (pid < 0) {
		close(sv[0]);
		free(h);
		return VG_E_SYS;
	}
	if ((rc = vg_channel_new(l, sv[0], &ops, &h->channel)) != VG_OK) {
		free(h);
		return rc;
	}
	*out = h;
	return VG_OK;
}

void
vg_helper_ask(struct vg_helper *h, vg_str ask)
{
	assert(!h->busy && ask.n <= VG_HELPER_BYTES_MAX);
	h->busy = true;
	vg_channel_send(h->channel, MESSAGE, ask);
}

bool
vg_helper_is_busy(const struct vg_helper *h)
{
	return h->busy;
}
