#include "cmd/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/cmd.h"

#define PIPE_BYTES (1 << 20)
#define READ_BYTES 65536

static int terminal[3] = { -1, -1, -1 }; /* in the process apart: whether the command's are */

bool
vg_is_terminal(int fd)
{
	return terminal[fd] >= 0 ? terminal[fd] : isatty(fd);
}

static void
add(struct vg_apart_list *l, const char *folder, const char *path, const char *name)
{
	char whole[3 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s%s%s%s", folder, folder[0] ? "/" : "", path, name ? "/" : "", name ? name : "");
	if (l->n < VG_APART_SEE_MAX && (l->path[l->n] = strdup(whole)) != NULL)
		l->n++;
}

void
vg_apart_see(struct vg_apart *a, const char *path, const char *name)
{
	char real[PATH_MAX], here[PATH_MAX];

	if (realpath(path, real) == NULL || getcwd(here, sizeof(here)) == NULL)
		return; /* it is told where it is opened */
	add(&a->see, "", real, name);
	add(&a->see, path[0] == '/' ? "" : here, path, name); /* as it was named, which may lead there by links */
	if (name)
		add(&a->list, "", real, NULL);
}

void
vg_apart_connects(struct vg_apart *a, const char *ca)
{
	for (size_t i = 0; vg_sandbox_net_files[i]; i++)
		add(&a->see, "", vg_sandbox_net_files[i], NULL);
	if (ca)
		vg_apart_see(a, ca, NULL);
	a->limits.may |= VG_MAY_CONNECT;
}

/* ---- printing ---- */

struct stream {
	int from, to;
	bool safe;         /* a terminal: nothing that would command it */
	unsigned char before;
	char part[4];      /* of "\033[K", which is ours */
	size_t npart;
};

/* @n bytes at @p are to be printed.  The number of them in @out, which has room for three times as many. */
static size_t
make_safe(struct stream *s, const unsigned char *p, size_t n, char *out)
{
	static const char clear[] = "\033[K";
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = p[i];

		if (c == (unsigned char)clear[s->npart]) {
			if (++s->npart < 3)
				continue;
			memcpy(out + k, clear, 3);
			k += 3;
			s->npart = 0;
			continue;
		}
		if (s->npart) {
			out[k++] = '?';
			s->npart = 0;
		}
		/* controls of one byte, and those of two: U+0080 to U+009F */
		out[k++] = (c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f || (s->before == 0xc2 && c >= 0x80 && c <= 0x9f) ? '?' : (char)c;
		s->before = c;
	}
	return k;
}

/* false: it is over. */
static bool
pass_on(struct stream *s)
{
	static char in[READ_BYTES], out[3 * READ_BYTES];
	ssize_t n = read(s->from, in, sizeof(in));
	vg_str bytes = vg_str_mem(in, n > 0 ? (size_t)n : 0);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	if (s->safe)
		bytes = vg_str_mem(out, make_safe(s, (const unsigned char *)in, bytes.n, out));
	return vg_write_all(s->to, bytes) == VG_OK;
}

static void
print_all(struct stream s[2])
{
	while (s[0].from >= 0 || s[1].from >= 0) {
		struct pollfd p[2] = { { .fd = s[0].from, .events = POLLIN }, { .fd = s[1].from, .events = POLLIN } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++)
			if (s[i].from >= 0 && p[i].revents && !pass_on(&s[i])) {
				close(s[i].from); /* whoever writes more hears that nobody reads */
				s[i].from = -1;
			}
	}
}

/* ---- the process ---- */

static _Noreturn void
work_apart(struct vg_apart *a, int out, int error, int (*work)(void *ctx), void *ctx)
{
	int code;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	terminal[STDOUT_FILENO] = isatty(STDOUT_FILENO);
	terminal[STDERR_FILENO] = isatty(STDERR_FILENO);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0)
		_exit(VG_EXIT_FAILED);
	close(out);
	close(error);
	a->limits.others = true; /* a service has a user of its own, and root asks */
	a->limits.see = (const char *const *)a->see.path;
	a->limits.list = (const char *const *)a->list.path;
	if (vg_sandbox_enter(&a->limits) != VG_OK) {
		vg_log(VG_LOG_ERROR, "the sandbox could not be entered: %s", strerror(errno));
		_exit(VG_EXIT_FAILED);
	}
	code = work(ctx);
	fflush(NULL);
	_exit(code);
}

static int
ended(const struct vg_apart *a, int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGPIPE)
		return VG_EXIT_OK; /* who reads has enough */
	if (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM)
		return VG_EXIT_STOPPED;
	vg_log(VG_LOG_ERROR, "the process that did the %s was killed by signal %d (%s)", a->limits.name, WTERMSIG(status), strsignal(WTERMSIG(status)));
	return VG_EXIT_FAILED;
}

static void
forget(struct vg_apart_list *l)
{
	while (l->n)
		free(l->path[--l->n]);
}

int
vg_apart_run(struct vg_apart *a, int (*work)(void *ctx), void *ctx)
{
	int out[2], error[2], status = 0;
	struct stream s[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		vg_log(VG_LOG_ERROR, "no new process: %s", strerror(errno));
		return VG_EXIT_FAILED;
	}
	if (pid == 0) {
		close(out[0]);
		close(error[0]);
		work_apart(a, out[1], error[1], work, ctx);
	}
	close(out[1]);
	close(error[1]);
	(void)fcntl(out[0], F_SETPIPE_SZ, PIPE_BYTES);
	(void)signal(SIGINT, SIG_IGN); /* the other process's, which is asked too, and tells what it had */
	(void)signal(SIGPIPE, SIG_IGN);
	s[0] = (struct stream){ .from = out[0], .to = STDOUT_FILENO, .safe = isatty(STDOUT_FILENO) };
	s[1] = (struct stream){ .from = error[0], .to = STDERR_FILENO, .safe = isatty(STDERR_FILENO) };
	print_all(s);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	forget(&a->see);
	forget(&a->list);
	return ended(a, status);
}
