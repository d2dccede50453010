/* role/parent_spawn.c - roles begin, are looked after, begin again when they ended, and stop in order. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "role/alarm.h"
#include "role/parent_impl.h"
#include "rule/program.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000
#define HEALTHY_MS 60000    /* a role that ran so long begins again without a wait */
#define SILENT_MS 30000     /* a role that says nothing for so long is ended */
#define STOP_MS 20000       /* then what is left is killed */

void
parent_add_child(struct parent *p, unsigned role, unsigned index, bool silent_ok)
{
	p->child[p->n++] = (struct child){ .role = role, .index = index, .silent_ok = silent_ok };
}

static void
say_ended(struct parent *p, const struct child *c, int status)
{
	char why[120];

	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof(why), "ended with status %d", WEXITSTATUS(status));
	vg_log(VG_LOG_ERROR, "%s %u %s; it begins again", vg_role_name(c->role), c->index, why);
	if (c->role == VG_ROLE_LEARN)
		vg_feed_ended(&p->feed, why);
}

void
parent_reap(struct parent *p)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < p->n; i++) {
			struct child *c = &p->child[i];

			if (c->pid != pid)
				continue;
			c->pid = 0;
			vg_channel_free(c->channel);
			c->channel = NULL;
			if (p->stopping)
				continue;
			c->ready = false;
			if (c->role == VG_ROLE_LOOK && c->gone) { /* its work is done */
				c->resting = true;
				continue;
			}
			if (c->asked) {
				c->asked = false;
				c->next_ms = parent_now_ms();
				continue;
			}
			say_ended(p, c, status);
			if (vg_deaths_add(&c->deaths, vg_monotonic_ns()))
				vg_parent_alarm(&p->alarms, VG_ROLE_ALARM_ROLE, VG_LEVEL_HIGH, vg_role_name(c->role));
			c->restarts++;
			c->backoff_ms = parent_now_ms() - c->began_ms > HEALTHY_MS || c->backoff_ms == 0 ? BACKOFF_MIN_MS :
					c->backoff_ms * 2 > BACKOFF_MAX_MS	      ? BACKOFF_MAX_MS :
										c->backoff_ms * 2;
			c->next_ms = parent_now_ms() + c->backoff_ms;
		}
}

_Noreturn static void
become(struct parent *p, const struct child *c, int fd)
{
	char index[8];
	char *argv[] = { (char *)(uintptr_t)"vigie", (char *)(uintptr_t)"role", (char *)(uintptr_t)vg_role_name(c->role), index, NULL };
	sigset_t none;

	snprintf(index, sizeof(index), "%u", c->index);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd != 3) {
		if (dup2(fd, 3) < 0)
			_exit(99);
	} else if (fcntl(3, F_SETFD, 0) < 0) {
		_exit(99);
	}
	(void)execv(p->o->self, argv);
	_exit(98);
}

void
parent_spawn(struct parent *p, struct child *c)
{
	struct vg_channel_ops ops = { parent_handlers, parent_closed, p };
	int sv[2];

	c->next_ms = parent_now_ms() + c->backoff_ms;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return;
	fflush(NULL);
	if ((c->pid = fork()) == 0)
		become(p, c, sv[1]);
	close(sv[1]);
	if (c->pid < 0 || vg_channel_new(p->loop, sv[0], &ops, &c->channel) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s cannot be started: %s", vg_role_name(c->role), strerror(errno));
		c->pid = 0;
		return;
	}
	c->ready = c->gone = false;
	for (size_t i = 0; i < p->n; i++)
		c->lost[i] = p->child[i].lost[c - p->child] = false;
	c->began_ms = c->heard_ms = parent_now_ms();
	parent_give_all(p, c);
	parent_connect_all(p, c);
	vg_channel_send(c->channel, VG_MSG_GO, VG_NIL);
}

/* Look begins when every detect meets new records with the set that the job is of: so no record is between the two. */
static void
wake_look(struct parent *p)
{
	struct child *look = NULL;

	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->child[i];

		if (c->role == VG_ROLE_LOOK)
			look = c;
		else if (c->role == VG_ROLE_DETECT && c->pid && c->taken != p->feed.set_number)
			return;
	}
	if (look && look->resting && look->pid == 0 && p->feed.job >= 0) {
		look->resting = false;
		look->next_ms = 0;
		look->backoff_ms = 0;
	}
}

bool
parent_may_spawn(const struct parent *p, const struct child *c, int64_t now)
{
	if (c->role == VG_ROLE_LOOK && p->feed.job < 0)
		return false;
	return !c->resting && now >= c->next_ms && (c->role != VG_ROLE_DETECT || vg_feed_detect_may_begin(&p->feed, now));
}

void
parent_on_supervise(void *ctx)
{
	struct parent *p = ctx;
	int64_t now = parent_now_ms();

	parent_reap(p);
	if (!p->stopping) {
		parent_rejoin(p);
		wake_look(p);
	}
	for (size_t i = 0; i < p->n && !p->stopping; i++) {
		struct child *c = &p->child[i];

		if (c->pid == 0) {
			if (parent_may_spawn(p, c, now))
				parent_spawn(p, c);
		} else if (!c->silent_ok && now - c->heard_ms > SILENT_MS) {
			vg_log(VG_LOG_ERROR, "%s %u has not answered for %d seconds: it is ended", vg_role_name(c->role), c->index, SILENT_MS / 1000);
			(void)kill(c->pid, SIGKILL);
			c->heard_ms = now;
		}
	}
}

/* ---- stopping: those that bring, then the vault when all of it was examined, then those that read ---- */

static bool
stop_role(struct parent *p, unsigned role)
{
	bool over = true;

	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->child[i];

		if (c->role != role || c->pid == 0 || c->gone)
			continue;
		if (!c->stopping && c->channel)
			vg_channel_send(c->channel, VG_MSG_STOP, VG_NIL);
		c->stopping = true;
		over = false;
	}
	return over;
}

void
parent_on_stopping(void *ctx)
{
	static const unsigned order[][2] = { { VG_ROLE_COLLECT, VG_ROLE_LOCAL }, { VG_ROLE_LEARN, VG_ROLE_LOOK }, { VG_ROLE_VAULT, VG_ROLE_VAULT }, { VG_ROLE_TRACE, VG_ROLE_SEAL },
					     { VG_ROLE_DETECT, VG_ROLE_PUBLISH }, { VG_ROLE_OUT, VG_ROLE_RESPOND } };
	struct parent *p = ctx;

	if (!p->stopping)
		return;
	parent_reap(p);
	while (p->stage < (int)VG_COUNT(order)) {
		bool a = stop_role(p, order[p->stage][0]), b = stop_role(p, order[p->stage][1]);

		if (!a || !b)
			break;
		p->stage++;
	}
	if (p->stage == (int)VG_COUNT(order)) {
		vg_loop_stop(p->loop);
		return;
	}
	if (parent_now_ms() - p->stop_ms > STOP_MS) {
		vg_log(VG_LOG_WARNING, "not all stopped in %d seconds: the rest is killed; what was acknowledged is on disk", STOP_MS / 1000);
		for (size_t i = 0; i < p->n; i++)
			if (p->child[i].pid)
				(void)kill(p->child[i].pid, SIGKILL);
		vg_loop_stop(p->loop);
	}
}
