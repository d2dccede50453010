#include "net/kick.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct vg_kick {
	int fd;
	struct vg_watch *watch;
	vg_timer_fn *fn;
	void *ctx;
};

static void
on_event(void *ctx, uint32_t events)
{
	struct vg_kick *k = ctx;
	uint64_t n;

	(void)events;
	(void)!read(k->fd, &n, sizeof(n)); /* to zero; that it was not is why we are here */
	k->fn(k->ctx);
}

vg_rc
vg_kick_new(struct vg_loop *l, vg_timer_fn *fn, void *ctx, struct vg_kick **out)
{
	struct vg_kick *k = calloc(1, sizeof(*k));
	vg_rc rc = VG_E_SYS;

	if (k == NULL)
		return VG_E_NOMEM;
	*k = (struct vg_kick){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .fn = fn, .ctx = ctx };
	if (k->fd < 0 || (rc = vg_watch_new(l, k->fd, EPOLLIN, on_event, k, &k->watch)) != VG_OK) {
		vg_kick_free(k);
		return rc;
	}
	*out = k;
	return VG_OK;
}

void
vg_kick(struct vg_kick *k)
{
	uint64_t one = 1;

	(void)!write(k->fd, &one, sizeof(one)); /* it fails only when it is about to be read */
}

void
vg_kick_free(struct vg_kick *k)
{
	int e = errno;

	if (k == NULL)
		return;
	vg_watch_free(k->watch);
	if (k->fd >= 0)
		close(k->fd);
	free(k);
	errno = e;
}
