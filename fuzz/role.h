/* fuzz/role.h - a role without its parent and its sandbox: it is given what its parent would give, and any bytes are said to it over the
 * channels to its neighbours.  Each input begins with a new one.
 *
 * An input is a row of steps, a byte each with what follows it:
 *   0x00-0x7f  a message: low 3 bits who speaks, the rest the type, from VG_MSG_HELLO on; then a byte (1: the target makes good what only chance
 *              would hit, 2: no turn of the loop behind it, 4: a descriptor comes along), u16 bytes, body
 *   0x80-0xbf  low 3 bits who: these bytes as they are; u16 bytes, bytes
 *   0xc0-0xdf  low 3 bits who: its channel ends; a new one comes when it speaks again
 *   0xe0-0xff  the target's own */
#ifndef VG_FUZZ_ROLE_H
#define VG_FUZZ_ROLE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fds.h"
#include "proc/carry.h"
#include "proc/role.h"
#include "role/messages.h"

#define FUZZ_PEERS 8
#define FUZZ_STEPS 64
enum { FUZZ_GOOD = 1, FUZZ_AHEAD = 2, FUZZ_FD = 4 };

struct fuzz_peer { /* a neighbour */
	unsigned role, index;
	int fd; /* our end; -1: none */
	struct vg_buf said; /* to us, not looked at yet */
};
struct fuzz_role {
	const struct vg_role_impl *impl;
	struct vg_role_env env;
	int parent; /* our end */
	struct fuzz_peer peer[FUZZ_PEERS];
	unsigned npeer;
	/* Make @body good; NULL: nothing is.  @p: who speaks. */
	void (*good)(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, struct vg_buf *body);
	/* What the role said to @p; NULL: nobody looks. */
	void (*heard)(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, vg_str body);
	void (*step)(struct fuzz_role *r, unsigned n); /* the target's own, 0 to 31 */
	bool dead; /* it wants to end */
	unsigned fds; /* open before it began: none of what we bring stays so */
};

static void
fuzz_parent_closed(void *ctx, struct vg_channel *c)
{
	struct fuzz_role *r = (struct fuzz_role *)ctx;

	(void)c;
	r->env.parent = NULL;
	abort(); /* we never end it */
}

static int
fuzz_pair(int sv[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv);
}

static inline void
fuzz_give(struct fuzz_role *r, const char *name, vg_str text, int fd)
{
	struct vg_given *g = &r->env.given[r->env.ngiven++];
	char *copy = (char *)malloc(text.n + 1);

	if (copy == NULL)
		abort();
	if (text.n)
		memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	*g = (struct vg_given){ .text = vg_str_mem(copy, text.n), .fd = fd };
	snprintf(g->name, sizeof(g->name), "%s", name);
}

/* Loop and parent; the target gives what it must, and calls fuzz_begin(). */
static void
fuzz_role_init(struct fuzz_role *r, const struct vg_role_impl *impl)
{
	static const struct vg_handler none[] = { { 0, 0, NULL } };
	struct vg_channel_ops ops = { none, fuzz_parent_closed, r };
	int sv[2];

	memset(r, 0, sizeof(*r));
	r->fds = fuzz_count_fds();
	r->impl = impl;
	r->env.role = impl->role;
	if (vg_loop_new(&r->env.loop) != VG_OK || fuzz_pair(sv) < 0 || vg_channel_new(r->env.loop, sv[0], &ops, &r->env.parent) != VG_OK)
		abort();
	r->parent = sv[1];
}

/* @dir: what its sandbox makes its root; -1: none.  Only while it begins: libFuzzer's paths are relative. */
static void
fuzz_begin(struct fuzz_role *r, int dir)
{
	struct vg_sandbox_limits limits = { .may = VG_MAY_LOOP };
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (home < 0 || (dir >= 0 && fchdir(dir) < 0))
		abort();
	if (r->impl->prepare(&r->env, &limits) != VG_OK || (r->impl->begin && r->impl->begin(&r->env) != VG_OK))
		abort();
	if (fchdir(home) < 0)
		abort();
	close(home);
}

static void
fuzz_add_peer(struct fuzz_role *r, unsigned role, unsigned index)
{
	r->peer[r->npeer++] = (struct fuzz_peer){ .role = role, .index = index, .fd = -1 };
}

static void
fuzz_end_peer(struct fuzz_peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	vg_buf_fini(&p->said);
}

/* Take what the role said to us. */
static void
fuzz_hear(struct fuzz_role *r)
{
	char bytes[65536];
	ssize_t k;

	while (read(r->parent, bytes, sizeof(bytes)) > 0)
		;
	for (unsigned i = 0; i < r->npeer; i++) {
		struct fuzz_peer *p = &r->peer[i];
		size_t at = 0;

		while (p->fd >= 0 && (k = read(p->fd, bytes, sizeof(bytes))) >= 0) {
			if (k == 0) {
				fuzz_end_peer(p);
				break;
			}
			vg_buf_put(&p->said, vg_str_mem(bytes, (size_t)k));
		}
		while (p->said.n - at >= 8) {
			struct vg_cur c = vg_cur_of(p->said.p + at, p->said.n - at);
			uint32_t n = vg_cur_le32(&c);
			uint16_t type = vg_cur_le16(&c);
			vg_str body;

			(void)vg_cur_le16(&c);
			body = vg_cur_bytes(&c, n);
			if (c.rc != VG_OK)
				break;
			at += 8 + n;
			if (r->heard)
				r->heard(r, p, type, body);
		}
		if (at) {
			memmove(p->said.p, p->said.p + at, p->said.n - at);
			p->said.n -= at;
		}
	}
}

static void
fuzz_turn(struct fuzz_role *r)
{
	if (vg_loop_turn(r->env.loop, 0) != VG_OK)
		abort();
	fuzz_hear(r);
}

/* Bytes to the role, over the channel of @p, which begins when there is none. */
static void
fuzz_send(struct fuzz_role *r, struct fuzz_peer *p, vg_str bytes, int fd)
{
	union vg_carry room;
	struct iovec io = { (void *)(uintptr_t)bytes.p, bytes.n };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
	int sv[2];

	if (p->fd < 0) {
		if (fuzz_pair(sv) < 0)
			abort();
		p->fd = sv[1];
		if (r->impl->peer(&r->env, p->role, p->index, sv[0]) != VG_OK)
			abort();
	}
	if (fd >= 0)
		vg_carry_fd(&m, &room, fd);
	if (bytes.n)
		(void)!sendmsg(p->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT); /* what does not fit is torn */
}

static void
fuzz_message(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, unsigned how, vg_str body)
{
	struct vg_buf b = { 0 }, m = { 0 };
	int fd = how & FUZZ_FD ? r->parent : -1;

	vg_buf_put(&b, body);
	if ((how & FUZZ_GOOD) && r->good)
		r->good(r, p, type, &b);
	vg_buf_le32(&m, (uint32_t)b.n);
	vg_buf_le16(&m, type);
	vg_buf_le16(&m, fd >= 0);
	vg_buf_put(&m, vg_buf_str(&b));
	if (m.rc != VG_OK)
		abort();
	fuzz_send(r, p, vg_buf_str(&m), fd);
	vg_buf_fini(&b);
	vg_buf_fini(&m);
}

static void
fuzz_steps(struct fuzz_role *r, const uint8_t *data, size_t n)
{
	struct vg_cur c = vg_cur_of(data, n);

	for (unsigned i = 0; i < FUZZ_STEPS && vg_cur_left(&c) && !r->dead; i++) {
		uint8_t what = vg_cur_u8(&c), how = what < 0x80 ? vg_cur_u8(&c) : 0;
		struct fuzz_peer *p = &r->peer[(what & 7) % r->npeer];

		if (what >= 0xe0) {
			if (r->step)
				r->step(r, what - 0xe0u);
		} else if (what >= 0xc0) {
			fuzz_end_peer(p);
		} else {
			uint16_t size = vg_cur_le16(&c);
			vg_str bytes = vg_cur_bytes(&c, size < vg_cur_left(&c) ? size : vg_cur_left(&c));

			if (what < 0x80)
				fuzz_message(r, p, (uint16_t)(VG_MSG_HELLO + (what >> 3)), how, bytes);
			else
				fuzz_send(r, p, bytes, -1);
		}
		if (!(how & FUZZ_AHEAD))
			fuzz_turn(r);
	}
	for (int i = 0; i < 3 && !r->dead; i++)
		fuzz_turn(r);
}

/* All that is ours; the target frees what is the role's, channels too, before it. */
static void
fuzz_role_fini(struct fuzz_role *r)
{
	for (unsigned i = 0; i < r->npeer; i++)
		fuzz_end_peer(&r->peer[i]);
	vg_channel_free(r->env.parent);
	close(r->parent);
	vg_loop_free(r->env.loop);
	for (size_t i = 0; i < r->env.ngiven; i++)
		free((void *)(uintptr_t)r->env.given[i].text.p);
	if (fuzz_count_fds() != r->fds)
		abort();
}

#endif
