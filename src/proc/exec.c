#include "proc/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS 20
#define NOT_RUN 127 /* as a shell says it */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void
become(const struct vg_exec_job *j, int input)
{
	static const int normal[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	sigset_t none;
	int null = j->quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < VG_COUNT(normal); i++)
		(void)signal(normal[i], SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < j->nenv; i++)
		(void)setenv(j->env[i].name, j->env[i].value, 1);
	if (null >= 0 && (dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0))
		_exit(NOT_RUN);
	if (dup2(input, STDIN_FILENO) >= 0 && close_range(3, ~0U, 0) == 0)
		(void)execv(j->argv[0], j->argv);
	_exit(NOT_RUN);
}

static vg_rc
judge(int status, const struct vg_exec_job *j, char *why)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return VG_OK;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_RUN && access(j->argv[0], X_OK) < 0)
		snprintf(why, VG_EXEC_WHY, "%.150s: %s", j->argv[0], strerror(errno));
	else if (WIFEXITED(status))
		snprintf(why, VG_EXEC_WHY, "it ended with code %d", WEXITSTATUS(status));
	else
		snprintf(why, VG_EXEC_WHY, "it was ended by signal %d", WTERMSIG(status));
	return VG_E_SYS;
}

/* Give it what it will take, until it ends or its time is over. */
static vg_rc
attend(const struct vg_exec_job *j, pid_t pid, int fd, char *why)
{
	int64_t until = now_ms() + (int64_t)j->seconds * 1000;
	vg_str left = j->input;
	int status = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		ssize_t k = -1;

		if (left.n == 0 && fd >= 0) {
			close(fd); /* its end of file */
			fd = -1;
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		if (now_ms() >= until) {
			(void)kill(-pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			snprintf(why, VG_EXEC_WHY, "it was not done after %u s, and was ended", j->seconds);
			status = -1;
			break;
		}
		if (fd < 0 || poll(&p, 1, TURN_MS) <= 0 || (k = write(fd, left.p, left.n)) <= 0) {
			if (k < 0 && fd >= 0 && (p.revents & (POLLERR | POLLHUP)))
				left.n = 0; /* it reads no more */
			(void)nanosleep(&(struct timespec){ .tv_nsec = TURN_MS * 1000000L }, NULL);
			continue;
		}
		left = vg_str_skip(left, (size_t)k);
	}
	if (fd >= 0)
		close(fd);
	return status == -1 ? VG_E_SYS : judge(status, j, why);
}

vg_rc
vg_exec_run(const struct vg_exec_job *j, char why[VG_EXEC_WHY])
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0) {
		snprintf(why, VG_EXEC_WHY, "no pipe: %s", strerror(errno));
		return VG_E_SYS;
	}
	if ((pid = fork()) == 0)
		become(j, fd[0]);
	close(fd[0]);
	if (pid < 0) {
		snprintf(why, VG_EXEC_WHY, "no process: %s", strerror(errno));
		close(fd[1]);
		return VG_E_SYS;
	}
	(void)setpgid(pid, pid);
	(void)fcntl(fd[1], F_SETFL, O_NONBLOCK);
	return attend(j, pid, fd[1], why);
}
