#include "proc/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cur.h"
#include "proc/carry.h"

#define HEAR_S 10 /* for an answer that was begun, which is written at once */

struct worker {
	pid_t pid;   /* 0: none */
	int sock;
	bool busy;
	uint64_t token;
	int64_t since_s;
};

static int64_t
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* One message: u32 length, bytes; the descriptor rides with the length. */
static bool
send_all(int sock, vg_str bytes, int fd)
{
	uint32_t n = (uint32_t)bytes.n;
	struct iovec io = { &n, sizeof(n) };
	union vg_carry room;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	if (fd >= 0)
		vg_carry_fd(&m, &room, fd);
	if (sendmsg(sock, &m, MSG_NOSIGNAL) != (ssize_t)sizeof(n))
		return false;
	while (bytes.n) {
		struct iovec rest = { (void *)(uintptr_t)bytes.p, bytes.n };
		struct msghdr mm = { .msg_iov = &rest, .msg_iovlen = 1 };
		ssize_t k = sendmsg(sock, &mm, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		bytes = vg_str_skip(bytes, (size_t)k);
	}
	return true;
}

/* @until_s: of now_s(); 0: as long as it takes. */
static bool
read_exact(int sock, char *p, size_t n, int64_t until_s)
{
	while (n) {
		ssize_t k = read(sock, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0 || (until_s && now_s() > until_s))
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* @fd: NULL: descriptors that come along are not let in. */
static bool
recv_all(int sock, struct vg_buf *out, int *fd, int64_t until_s)
{
	uint32_t n = 0;
	struct iovec io = { &n, sizeof(n) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = fd ? u.buf : NULL, .msg_controllen = fd ? sizeof(u.buf) : 0 };
	struct cmsghdr *c;
	ssize_t k;

	do
		k = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (k < 0 && errno == EINTR);
	if (fd)
		*fd = -1;
	if (k != (ssize_t)sizeof(n) || n > VG_POOL_MESSAGE_MAX)
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (fd && c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	vg_buf_clear(out);
	if (!vg_buf_reserve(out, n) || !read_exact(sock, out->p, n, until_s))
		return false;
	out->n = n;
	return true;
}

_Noreturn static void
worker_main(const struct vg_pool_ops *ops, unsigned id, int sock, const struct vg_sandbox_limits *limits)
{
	struct vg_buf task = { .limit_bytes = VG_POOL_MESSAGE_MAX }, reply = { .limit_bytes = VG_POOL_MESSAGE_MAX };
	int fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGINT, SIG_IGN);
	if ((ops->start && ops->start(ops->ctx, id) != VG_OK) || vg_sandbox_enter(limits) != VG_OK)
		_exit(99);
	while (recv_all(sock, &task, &fd, 0)) {
		vg_buf_clear(&reply);
		ops->work(ops->ctx, fd, vg_buf_str(&task), &reply);
		if (fd >= 0)
			close(fd);
		if (reply.rc != VG_OK)
			_exit(98);
		if (!send_all(sock, vg_buf_str(&reply), -1))
			break;
	}
	_exit(0);
}

static bool
spawn(const struct vg_pool_ops *ops, struct worker *w, unsigned id, const struct worker *all, unsigned n,
      const struct vg_sandbox_limits *limits)
{
	static const struct timeval patience = { .tv_sec = HEAR_S };
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return false;
	fflush(NULL);
	w->pid = fork();
	if (w->pid < 0) {
		close(sv[0]);
		close(sv[1]);
		w->pid = 0;
		return false;
	}
	if (w->pid == 0) {
		for (unsigned i = 0; i < n; i++) /* a worker cannot speak to another */
			if (i != id && all[i].pid)
				close(all[i].sock);
		close(sv[0]);
		worker_main(ops, id, sv[1], limits);
	}
	close(sv[1]);
	(void)setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	w->sock = sv[0];
	w->busy = false;
	return true;
}

static void
say_why(int status, bool late, char why[160])
{
	if (late)
		snprintf(why, 160, "took too long, and was stopped");
	else if (WIFSIGNALED(status))
		snprintf(why, 160, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 99)
		snprintf(why, 160, "the sandbox could not be entered");
	else
		snprintf(why, 160, "ended with status %d", WEXITSTATUS(status));
}

static int
reap(struct worker *w, bool kill_it)
{
	int status = 0;

	if (kill_it)
		kill(w->pid, SIGKILL);
	close(w->sock);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	w->busy = false;
	return status;
}

/* Give every free worker a task.  The number of busy ones. */
static unsigned
feed(const struct vg_pool_ops *ops, struct worker *w, unsigned n, const struct vg_sandbox_limits *limits,
     struct vg_buf *task, bool *failed)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < n; i++) {
		int fd = -1;

		if (!w[i].busy) {
			vg_buf_clear(task);
			if (!ops->next(ops->ctx, i, task, &fd, &w[i].token))
				continue;
			if (w[i].pid == 0 && !spawn(ops, &w[i], i, w, n, limits)) {
				*failed = true;
				if (fd >= 0)
					close(fd);
				return busy;
			}
			w[i].busy = true;
			w[i].since_s = now_s();
			(void)send_all(w[i].sock, vg_buf_str(task), fd); /* a dead worker shows in poll */
			if (fd >= 0)
				close(fd);
		}
		busy++;
	}
	return busy;
}

/* It has begun to answer; one that does not go on is ended, so that it holds up nobody else. */
static void
hear(const struct vg_pool_ops *ops, struct worker *w, unsigned id, struct vg_buf *reply)
{
	char why[160];

	if (recv_all(w->sock, reply, NULL, now_s() + HEAR_S)) {
		w->busy = false;
		ops->done(ops->ctx, id, w->token, vg_buf_str(reply));
		return;
	}
	say_why(reap(w, true), false, why);
	ops->died(ops->ctx, id, w->token, why);
}

vg_rc
vg_pool_run(const struct vg_pool_ops *ops, unsigned workers, const struct vg_sandbox_limits *limits,
	    unsigned task_timeout_s)
{
	struct worker w[VG_POOL_WORKERS_MAX] = { 0 };
	struct vg_buf task = { .limit_bytes = VG_POOL_MESSAGE_MAX }, reply = { .limit_bytes = VG_POOL_MESSAGE_MAX };
	bool failed = false;
	vg_rc rc = VG_OK;

	if (workers == 0)
		workers = 1;
	if (workers > VG_POOL_WORKERS_MAX)
		workers = VG_POOL_WORKERS_MAX;
	while (feed(ops, w, workers, limits, &task, &failed) && !failed) {
		struct pollfd p[VG_POOL_WORKERS_MAX];
		int n;

		for (unsigned i = 0; i < workers; i++)
			p[i] = (struct pollfd){ .fd = w[i].busy ? w[i].sock : -1, .events = POLLIN };
		n = poll(p, workers, 200);
		if (ops->stop && *ops->stop) {
			rc = VG_E_STOP;
			break;
		}
		for (unsigned i = 0; i < workers && n > 0; i++)
			if (p[i].fd >= 0 && p[i].revents)
				hear(ops, &w[i], i, &reply);
		for (unsigned i = 0; i < workers; i++)
			if (w[i].busy && task_timeout_s && now_s() - w[i].since_s > task_timeout_s) {
				char why[160];

				say_why(reap(&w[i], true), true, why);
				ops->died(ops->ctx, i, w[i].token, why);
			}
		if (ops->tick)
			ops->tick(ops->ctx);
	}
	for (unsigned i = 0; i < workers; i++)
		if (w[i].pid)
			(void)reap(&w[i], true);
	vg_buf_fini(&task);
	vg_buf_fini(&reply);
	return failed ? VG_E_SYS : rc;
}

static vg_rc
wait_for(pid_t pid, char why[160])
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) < VG_E_MAX)
		return (vg_rc)WEXITSTATUS(status);
	say_why(status, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM, why);
	return VG_E_SYS;
}

vg_rc
vg_sandbox_run(vg_rc (*work)(void *ctx), void *ctx, const struct vg_sandbox_limits *limits, unsigned timeout_s,
	       char why[160])
{
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) < 0) {
		snprintf(why, 160, "no new process: %s", strerror(errno));
		return VG_E_SYS;
	}
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (timeout_s)
			alarm(timeout_s);
		if (vg_sandbox_enter(limits) != VG_OK)
			_exit(99);
		_exit((int)work(ctx)); /* vg_rc is small */
	}
	return wait_for(pid, why);
}

vg_rc
vg_sandbox_pair(vg_rc (*first)(void *ctx, int to), vg_rc (*second)(void *ctx, int from), void *ctx,
		const struct vg_sandbox_limits *limits, char why[160])
{
	vg_rc rc[2] = { VG_E_SYS, VG_E_SYS };
	pid_t pid[2] = { -1, -1 };
	int fd[2]; /* read, write */

	fflush(NULL);
	if (pipe2(fd, O_CLOEXEC) < 0) {
		snprintf(why, 160, "no pipe: %s", strerror(errno));
		return VG_E_SYS;
	}
	(void)fcntl(fd[1], F_SETPIPE_SZ, 1 << 20); /* fewer turns; less will do */
	for (int i = 0; i < 2; i++) {
		if ((pid[i] = fork()) < 0) {
			snprintf(why, 160, "no new process: %s", strerror(errno));
			break;
		}
		if (pid[i])
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGPIPE, SIG_IGN);
		close(fd[i]); /* the other one's end */
		if (vg_sandbox_enter(limits) != VG_OK)
			_exit(99);
		_exit((int)(i == 0 ? first(ctx, fd[1]) : second(ctx, fd[0])));
	}
	close(fd[0]);
	close(fd[1]);
	for (int i = 0; i < 2; i++)
		if (pid[i] > 0)
			rc[i] = wait_for(pid[i], why);
	return rc[0] == VG_OK || rc[0] == VG_E_TRUNC ? (rc[1] != VG_OK && rc[1] != VG_E_TRUNC ? rc[1] : rc[0] != VG_OK ? rc[0] : rc[1]) : rc[0];
}
