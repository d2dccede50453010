#include "proc/role.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

#define GIVE_MAX ((size_t)4 << 20)

struct waiting_peer {
	unsigned role, index;
	int fd;
};
struct run {
	struct vg_role_env e;
	const struct vg_role_impl *impl;
	struct waiting_peer peer[VG_ROLE_INDEX_MAX]; /* that came before the role had begun */
	size_t npeer;
	bool going, stopped, failed;
};

const char *
vg_role_name(unsigned role)
{
	static const char *const name[VG_ROLES] = { "parent", "collect", "local", "vault", "detect", "trace", "seal", "publish", "out", "respond", "query", "learn", "look" };

	return role < VG_ROLES ? name[role] : "unknown";
}

const struct vg_given *
vg_role_given(const struct vg_role_env *e, const char *name)
{
	for (size_t i = 0; i < e->ngiven; i++)
		if (strcmp(e->given[i].name, name) == 0)
			return &e->given[i];
	return NULL;
}

vg_str
vg_role_text(const struct vg_role_env *e, const char *name)
{
	const struct vg_given *g = vg_role_given(e, name);

	return g ? g->text : VG_NIL;
}

int
vg_role_fd(const struct vg_role_env *e, const char *name)
{
	const struct vg_given *g = vg_role_given(e, name);

	return g ? g->fd : -1;
}

uint64_t
vg_role_number(const struct vg_role_env *e, const char *name, uint64_t otherwise)
{
	uint64_t n;

	return vg_str_u64(vg_role_text(e, name), &n) ? n : otherwise;
}

void
vg_role_say(struct vg_role_env *e, int level, const char *fmt, ...)
{
	struct vg_buf b = { 0 };
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vg_buf_u8(&b, (uint8_t)level);
	vg_buf_le_str(&b, vg_str_of(text));
	if (b.rc == VG_OK)
		vg_channel_send(e->parent, VG_MSG_SAY, vg_buf_str(&b));
	vg_buf_fini(&b);
}

void
vg_role_lost(struct vg_role_env *e, unsigned role, unsigned index)
{
	struct vg_buf b = { 0 };

	vg_buf_le16(&b, (uint16_t)role);
	vg_buf_le16(&b, (uint16_t)index);
	if (b.rc == VG_OK)
		vg_channel_send(e->parent, VG_MSG_LOST, vg_buf_str(&b));
	vg_buf_fini(&b);
}

void
vg_role_took(struct vg_role_env *e, const char *name)
{
	struct vg_buf b = { 0 };

	vg_buf_le_str(&b, vg_str_of(name));
	if (b.rc == VG_OK)
		vg_channel_send(e->parent, VG_MSG_TOOK, vg_buf_str(&b));
	vg_buf_fini(&b);
}

void
vg_role_answer(struct vg_role_env *e, vg_str id, bool done, vg_str text)
{
	struct vg_buf b = { 0 };

	vg_buf_le_str(&b, id);
	vg_buf_u8(&b, done);
	vg_buf_le_str(&b, text);
	if (b.rc == VG_OK)
		vg_channel_send(e->parent, VG_MSG_ANSWER, vg_buf_str(&b));
	vg_buf_fini(&b);
}

void
vg_role_stats(struct vg_role_env *e, struct vg_buf *b)
{
	if (vg_sandbox_weakness())
		vg_buf_printf(b, "weakness %u\n", vg_sandbox_weakness()); /* enum vg_sandbox_weakness */
	if (b->rc == VG_OK)
		vg_channel_send(e->parent, VG_MSG_STATS, vg_buf_str(b));
}

void
vg_role_stat_labelled(struct vg_buf *b, const char *name, const char *label, const char *text)
{
	vg_buf_printf(b, "%s{%s=\"", name, label);
	for (const char *p = text; *p; p++)
		vg_buf_putc(b, (unsigned char)*p < ' ' || *p == '"' || *p == '\\' ? '?' : *p);
	vg_buf_puts(b, "\"} 1\n");
}

void
vg_role_done(struct vg_role_env *e)
{
	((struct run *)e)->stopped = true;
	vg_channel_send(e->parent, VG_MSG_GONE, VG_NIL);
	vg_channel_flush(e->parent, 1000);
	vg_loop_stop(e->loop);
}

static vg_rc
keep_given(struct run *r, struct vg_cur *body, int fd, char name[64])
{
	uint32_t n = vg_cur_le32(body);
	vg_str k = vg_cur_bytes(body, n), text;
	struct vg_given *g = NULL;
	char *copy;

	n = vg_cur_le32(body);
	text = vg_cur_bytes(body, n);
	if (body->rc != VG_OK || vg_cur_left(body) || k.n == 0 || k.n >= 64 || memchr(k.p, 0, k.n))
		return VG_E_FORMAT;
	memcpy(name, k.p, k.n);
	name[k.n] = 0;
	for (size_t i = 0; i < r->e.ngiven; i++)
		if (strcmp(r->e.given[i].name, name) == 0)
			g = &r->e.given[i];
	if (g == NULL) {
		if (r->e.ngiven == VG_GIVEN_MAX)
			return VG_E_LIMIT;
		g = &r->e.given[r->e.ngiven++];
		*g = (struct vg_given){ .fd = -1 };
		memcpy(g->name, name, k.n + 1);
	}
	if ((copy = malloc(text.n + 1)) == NULL)
		return VG_E_NOMEM;
	if (text.n)
		memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	free((void *)(uintptr_t)g->text.p);
	g->text = vg_str_mem(copy, text.n);
	if (g->fd >= 0)
		close(g->fd);
	g->fd = fd;
	return VG_OK;
}

static vg_rc
on_give(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	char name[64];

	(void)from;
	return keep_given(ctx, body, fd, name);
}

static vg_rc
on_new(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct run *r = ctx;
	char name[64];
	vg_rc rc = keep_given(r, body, fd, name);

	(void)from;
	if (rc == VG_OK && r->going && r->impl->news)
		r->impl->news(&r->e, name);
	return rc;
}

static vg_rc
on_peer(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct run *r = ctx;
	unsigned role = vg_cur_le16(body), index = vg_cur_le16(body);

	(void)from;
	if (body->rc != VG_OK || fd < 0 || role >= VG_ROLES || index >= VG_ROLE_INDEX_MAX || r->impl->peer == NULL)
		return VG_E_FORMAT;
	if (r->going)
		return r->impl->peer(&r->e, role, index, fd); /* when it fails the process ends */
	if (r->npeer == VG_COUNT(r->peer))
		return VG_E_LIMIT;
	r->peer[r->npeer++] = (struct waiting_peer){ role, index, fd };
	return VG_OK;
}

static vg_rc
begin(struct run *r)
{
	struct vg_sandbox_limits limits = { .may = VG_MAY_LOOP };
	vg_rc rc;

	if ((rc = r->impl->prepare(&r->e, &limits)) != VG_OK)
		return rc;
	if ((rc = vg_sandbox_enter(&limits)) != VG_OK) {
		vg_role_say(&r->e, VG_LOG_ERROR, "%s: the sandbox could not be entered: %s", vg_role_name(r->e.role), strerror(errno));
		return rc;
	}
	if (vg_sandbox_weakness())
		vg_role_say(&r->e, VG_LOG_WARNING, "%s: weaker than it should be:%s%s", vg_role_name(r->e.role),
			    vg_sandbox_weakness() & VG_WEAK_LANDLOCK ? " no Landlock" : "", vg_sandbox_weakness() & VG_WEAK_ROOT ? " no root folder of its own" : "");
	if (r->impl->begin && (rc = r->impl->begin(&r->e)) != VG_OK)
		return rc;
	r->going = true;
	for (size_t i = 0; i < r->npeer && rc == VG_OK; i++)
		rc = r->impl->peer(&r->e, r->peer[i].role, r->peer[i].index, r->peer[i].fd);
	return rc;
}

static vg_rc
on_go(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct run *r = ctx;
	vg_rc rc;

	(void)body;
	if (fd >= 0 || r->going)
		return VG_E_FORMAT;
	if ((rc = begin(r)) != VG_OK) {
		r->failed = true;
		vg_role_say(&r->e, VG_LOG_ERROR, "%s: could not begin: %s", vg_role_name(r->e.role), vg_rc_name(rc));
		vg_channel_flush(from, 1000);
		vg_loop_stop(r->e.loop);
		return VG_OK;
	}
	vg_channel_send(from, VG_MSG_READY, VG_NIL);
	return VG_OK;
}

static vg_rc
on_stop(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct run *r = ctx;

	(void)from;
	(void)body;
	if (fd >= 0)
		return VG_E_FORMAT;
	if (r->going && r->impl->stop)
		r->impl->stop(&r->e);
	else
		vg_role_done(&r->e);
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	(void)ctx;
	(void)c;
	_exit(0); /* without its parent a role is nothing */
}

static void
tick(void *ctx)
{
	struct run *r = ctx;

	if (r->going && r->impl->tick)
		r->impl->tick(&r->e);
}

int
vg_role_run(const struct vg_role_impl *impl, unsigned index, int parent_fd)
{
	static const struct vg_handler handlers[] = {
		{ VG_MSG_GIVE, GIVE_MAX, on_give }, { VG_MSG_NEW, GIVE_MAX, on_new }, { VG_MSG_PEER, 4, on_peer },
		{ VG_MSG_GO, 0, on_go }, { VG_MSG_STOP, 0, on_stop }, { 0, 0, NULL },
	};
	static struct run run; /* one a process */
	struct vg_channel_ops ops = { handlers, closed, &run };

	run.impl = impl;
	run.e.role = impl->role;
	run.e.index = index;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, vg_role_name(impl->role));
	(void)signal(SIGINT, SIG_IGN); /* the terminal's; the parent says when */
	(void)signal(SIGPIPE, SIG_IGN);
	if (fcntl(parent_fd, F_SETFD, FD_CLOEXEC) < 0 || vg_loop_new(&run.e.loop) != VG_OK || vg_channel_new(run.e.loop, parent_fd, &ops, &run.e.parent) != VG_OK ||
	    vg_loop_every(run.e.loop, 1000, tick, &run) != VG_OK)
		return 4;
	if (vg_loop_run(run.e.loop) != VG_OK)
		return 4;
	return run.failed ? 4 : 0;
}
