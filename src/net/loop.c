#include "net/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define TIMERS_MAX 16
#define EVENTS_MAX 64

struct vg_watch {
	struct vg_loop *l;
	int fd; /* -1: removed, and freed when the turn is over */
	uint32_t events;
	vg_watch_fn *fn;
	void *ctx;
	struct vg_watch *next_dead;
};
struct timer {
	int64_t every_ns, next_ns;
	vg_timer_fn *fn;
	void *ctx;
};
struct vg_loop {
	int fd;
	bool stop, in_turn;
	struct timer timer[TIMERS_MAX];
	unsigned ntimer;
	struct vg_watch *dead; /* removed during a turn: events may still name them */
};

static int64_t
clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t
vg_clock_ns(void)
{
	int64_t ahead_ns = 0;

#ifdef VIGIE_TEST_HOOKS /* months pass in a test */
	const char *ahead = getenv("TEST_CLOCK_AHEAD_S");

	ahead_ns = ahead ? atoll(ahead) * INT64_C(1000000000) : 0;
#endif
	return clock_ns(CLOCK_REALTIME) + ahead_ns;
}

int64_t
vg_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

vg_rc
vg_loop_new(struct vg_loop **out)
{
	struct vg_loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return VG_E_NOMEM;
	if ((l->fd = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		free(l);
		return VG_E_SYS;
	}
	*out = l;
	return VG_OK;
}

static void
bury(struct vg_loop *l)
{
	while (l->dead) {
		struct vg_watch *w = l->dead;

		l->dead = w->next_dead;
		free(w);
	}
}

void
vg_loop_free(struct vg_loop *l)
{
	if (l == NULL)
		return;
	bury(l);
	close(l->fd);
	free(l);
}

vg_rc
vg_watch_new(struct vg_loop *l, int fd, uint32_t events, vg_watch_fn *fn, void *ctx, struct vg_watch **out)
{
	struct vg_watch *w = calloc(1, sizeof(*w));
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (w == NULL)
		return VG_E_NOMEM;
	*w = (struct vg_watch){ .l = l, .fd = fd, .events = events, .fn = fn, .ctx = ctx };
	if (epoll_ctl(l->fd, EPOLL_CTL_ADD, fd, &e) < 0) {
		free(w);
		return VG_E_SYS;
	}
	*out = w;
	return VG_OK;
}

void
vg_watch_set(struct vg_watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (w->fd < 0 || w->events == events)
		return;
	w->events = events;
	(void)epoll_ctl(w->l->fd, EPOLL_CTL_MOD, w->fd, &e); /* of one that is there it cannot fail */
}

void
vg_watch_free(struct vg_watch *w)
{
	if (w == NULL || w->fd < 0)
		return;
	(void)epoll_ctl(w->l->fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	if (!w->l->in_turn) {
		free(w);
		return;
	}
	w->next_dead = w->l->dead;
	w->l->dead = w;
}

vg_rc
vg_loop_every(struct vg_loop *l, unsigned every_ms, vg_timer_fn *fn, void *ctx)
{
	int64_t every_ns = (int64_t)every_ms * 1000000;

	if (l->ntimer == TIMERS_MAX)
		return VG_E_LIMIT;
	l->timer[l->ntimer++] = (struct timer){ every_ns, vg_monotonic_ns() + every_ns, fn, ctx };
	return VG_OK;
}

/* Milliseconds until the next timer, at most @wait_ms (-1: any). */
static int
until_timer(const struct vg_loop *l, int wait_ms)
{
	int64_t now = l->ntimer ? vg_monotonic_ns() : 0;

	for (unsigned i = 0; i < l->ntimer; i++) {
		int64_t left = l->timer[i].next_ns - now, ms = left <= 0 ? 0 : (left + 999999) / 1000000;

		if (wait_ms < 0 || ms < wait_ms)
			wait_ms = (int)(ms > 60000 ? 60000 : ms);
	}
	return wait_ms;
}

vg_rc
vg_loop_turn(struct vg_loop *l, int wait_ms)
{
	struct epoll_event e[EVENTS_MAX];
	int n = epoll_wait(l->fd, e, EVENTS_MAX, until_timer(l, wait_ms));
	int64_t now;

	if (n < 0 && errno != EINTR)
		return VG_E_SYS;
	l->in_turn = true;
	for (int i = 0; i < n; i++) {
		struct vg_watch *w = e[i].data.ptr;

		if (w->fd >= 0)
			w->fn(w->ctx, e[i].events);
	}
	now = l->ntimer ? vg_monotonic_ns() : 0;
	for (unsigned i = 0; i < l->ntimer; i++)
		if (l->timer[i].next_ns <= now) {
			l->timer[i].next_ns = now + l->timer[i].every_ns;
			l->timer[i].fn(l->timer[i].ctx);
		}
	l->in_turn = false;
	bury(l);
	return VG_OK;
}

vg_rc
vg_loop_run(struct vg_loop *l)
{
	vg_rc rc = VG_OK;

	l->stop = false;
	while (!l->stop && rc == VG_OK)
		rc = vg_loop_turn(l, -1);
	return rc;
}

void
vg_loop_stop(struct vg_loop *l)
{
	l->stop = true;
}
