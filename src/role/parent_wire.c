/* role/parent_wire.c - the channels between roles. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "role/parent_impl.h"

#define SOCKET_BYTES (1 << 20)
#define REJOIN_MS 100

/* Who speaks to whom. */
static const struct edge {
	unsigned a, b;
} edges[] = {
	{ VG_ROLE_COLLECT, VG_ROLE_VAULT }, { VG_ROLE_LOCAL, VG_ROLE_VAULT }, { VG_ROLE_VAULT, VG_ROLE_SEAL }, { VG_ROLE_VAULT, VG_ROLE_TRACE },
	{ VG_ROLE_DETECT, VG_ROLE_TRACE }, { VG_ROLE_VAULT, VG_ROLE_DETECT }, { VG_ROLE_LOOK, VG_ROLE_TRACE }, { VG_ROLE_TRACE, VG_ROLE_OUT },
	{ VG_ROLE_VAULT, VG_ROLE_OUT }, { VG_ROLE_RESPOND, VG_ROLE_VAULT },
};

static void
connect_pair(struct child *a, struct child *b)
{
	struct child *x[2] = { a, b };
	int sv[2], size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0) {
		vg_log(VG_LOG_ERROR, "no channel between %s and %s: %s", vg_role_name(a->role), vg_role_name(b->role), strerror(errno));
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct vg_buf m = { 0 };

		(void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		vg_buf_le16(&m, (uint16_t)x[1 - i]->role);
		vg_buf_le16(&m, (uint16_t)x[1 - i]->index);
		if (m.rc == VG_OK && x[i]->channel)
			vg_channel_send_fd(x[i]->channel, VG_MSG_PEER, vg_buf_str(&m), sv[i]);
		vg_buf_fini(&m);
		close(sv[i]);
	}
}

/* Looked at behind parent_reap(), which ends channels, and so is not for a handler of theirs. */
vg_rc
parent_on_lost(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = parent_child_of(p, from);
	unsigned role = vg_cur_le16(body), index = vg_cur_le16(body);

	if (fd >= 0 || body->rc != VG_OK || c == NULL)
		return VG_E_FORMAT;
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].role == role && p->child[i].index == index && &p->child[i] != c)
			c->lost[i] = true;
	return VG_OK;
}

/* Both ends tell it, and again when the first one has the new channel: one will do.  One that died gets its channels when it begins again. */
void
parent_rejoin(struct parent *p)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->n; k++) {
			struct child *a = &p->child[i], *b = &p->child[k];
			int64_t *last = i < k ? &a->joined_ms[k] : &b->joined_ms[i];

			if (!a->lost[k])
				continue;
			a->lost[k] = b->lost[i] = false;
			if (parent_now_ms() - *last < REJOIN_MS || !a->pid || !a->channel || !b->pid || !b->channel)
				continue;
			*last = parent_now_ms();
			connect_pair(a, b);
		}
}

void
parent_connect_all(struct parent *p, struct child *c)
{
	for (size_t e = 0; e < VG_COUNT(edges); e++)
		for (size_t i = 0; i < p->n; i++) {
			struct child *x = &p->child[i];

			if (x != c && x->pid && x->channel && ((edges[e].a == c->role && edges[e].b == x->role) || (edges[e].b == c->role && edges[e].a == x->role)))
				connect_pair(c, x);
		}
}
