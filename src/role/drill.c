#include "role/drill.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct conn {
	struct vg_drill *d;
	struct vg_channel *channel; /* NULL: free */
	char *rest;                 /* a record that there was no room for; owned */
	size_t nrest;
	int64_t recv_ns;            /* its */
	uint8_t id[VG_DRILL_ID_BYTES];
	uint64_t n, until;          /* records taken; what the gate had taken behind the last one */
	bool told;                  /* that all of them are kept */
};
struct vg_drill {
	struct vg_loop *loop;
	const struct vg_gate *gate;
	int fd;
	struct vg_watch *watch;
	uint32_t source, number;
	struct conn conn[VG_DRILL_CONNECTIONS];
};

/* ---- records ---- */

static bool
take(struct conn *c, vg_str raw)
{
	const struct vg_gate *g = c->d->gate;

	if (!g->take(g->ctx, c->d->source, c->recv_ns, vg_str_mem(c->id, sizeof(c->id)), raw))
		return false;
	c->n++;
	c->until = g->taken(g->ctx);
	c->told = false;
	return true;
}

static vg_rc
on_record(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct conn *c = ctx;
	uint32_t world = vg_cur_le32(body);
	int64_t recv_ns = (int64_t)vg_cur_le64(body);
	vg_str raw = vg_cur_bytes(body, vg_cur_left(body));

	if (fd >= 0)
		close(fd);
	if (fd >= 0 || body->rc != VG_OK || !vg_is_drill(world))
		return VG_E_FORMAT;
	c->recv_ns = recv_ns;
	c->d->number++;
	memcpy(c->id, &world, 4); /* little-endian machines alone, as base/cur.h says */
	memcpy(c->id + 4, &c->d->number, 4);
	if (take(c, raw))
		return VG_OK;
	if ((c->rest = malloc(raw.n + 1)) == NULL)
		return VG_E_NOMEM;
	memcpy(c->rest, raw.p, raw.n);
	c->nrest = raw.n;
	vg_channel_pause(from, true);
	return VG_OK;
}

void
vg_drill_room(struct vg_drill *d)
{
	for (size_t i = 0; i < VG_DRILL_CONNECTIONS; i++) {
		struct conn *c = &d->conn[i];

		if (c->rest == NULL || !take(c, vg_str_mem(c->rest, c->nrest)))
			continue;
		free(c->rest);
		c->rest = NULL;
		vg_channel_pause(c->channel, false);
	}
}

void
vg_drill_kept(struct vg_drill *d, uint64_t taken)
{
	struct vg_buf b = { 0 };

	for (size_t i = 0; i < VG_DRILL_CONNECTIONS; i++) {
		struct conn *c = &d->conn[i];

		if (c->channel == NULL || c->told || taken < c->until)
			continue;
		c->told = true;
		vg_buf_clear(&b);
		vg_buf_le64(&b, c->n);
		if (b.rc == VG_OK)
			vg_channel_send(c->channel, VG_MSG_DRILLED, vg_buf_str(&b));
	}
	vg_buf_fini(&b);
}

/* ---- connections ---- */

static void
closed(void *ctx, struct vg_channel *channel)
{
	struct conn *c = ctx;

	(void)channel;
	free(c->rest);
	*c = (struct conn){ .d = c->d };
}

static void
on_connection(void *ctx, uint32_t events)
{
	static const struct vg_handler handlers[] = { { VG_MSG_DRILL, 12 + VG_RECORD_RAW_MAX, on_record }, { 0, 0, NULL } };
	struct vg_drill *d = ctx;
	int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	for (size_t i = 0; i < VG_DRILL_CONNECTIONS; i++) {
		struct conn *c = &d->conn[i];
		struct vg_channel_ops ops = { handlers, closed, c };

		if (c->channel)
			continue;
		c->told = true;
		(void)!vg_channel_new(d->loop, fd, &ops, &c->channel); /* it closes it when it fails */
		return;
	}
	close(fd); /* others are at it */
}

vg_rc
vg_drill_new(struct vg_loop *l, const struct vg_gate *gate, int listen_fd, struct vg_drill **out)
{
	struct vg_speaker who = { VG_STR(VG_DRILL_TENANT), VG_STR("drill"), VG_NIL, VG_STR("drill"), VG_PROOF_LOCAL };
	struct vg_drill *d = calloc(1, sizeof(*d));
	vg_rc rc;

	if (d == NULL)
		return VG_E_NOMEM;
	*d = (struct vg_drill){ .loop = l, .gate = gate, .fd = listen_fd };
	for (size_t i = 0; i < VG_DRILL_CONNECTIONS; i++)
		d->conn[i].d = d;
	d->source = gate->source(gate->ctx, &who);
	rc = d->source == VG_GATE_NONE ? VG_E_NOMEM : vg_watch_new(l, listen_fd, EPOLLIN, on_connection, d, &d->watch);
	if (rc != VG_OK)
		free(d);
	else
		*out = d;
	return rc;
}

void
vg_drill_free(struct vg_drill *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < VG_DRILL_CONNECTIONS; i++) {
		vg_channel_free(d->conn[i].channel);
		free(d->conn[i].rest);
	}
	vg_watch_free(d->watch);
	free(d);
}

/* ---- the socket: a path of any length is reached by way of its folder ---- */

static int
reach(int dir, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/" VG_DRILL_SOCKET, dir);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int
closing(int fd)
{
	int keep = errno;

	close(fd);
	errno = keep;
	return -1;
}

int
vg_drill_listen(int dir)
{
	struct sockaddr_un a;
	int fd = reach(dir, &a);

	if (fd < 0)
		return -1;
	(void)unlinkat(dir, VG_DRILL_SOCKET, 0); /* of a watch that died: the lock is ours */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, VG_DRILL_CONNECTIONS) < 0)
		return closing(fd);
	return fd;
}

int
vg_drill_connect(int dir)
{
	struct sockaddr_un a;
	int fd = reach(dir, &a);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return closing(fd);
	return fd;
}
