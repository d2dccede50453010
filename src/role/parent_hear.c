/* role/parent_hear.c - what a role says to its parent, which believes it no more than any outside byte. */
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "role/parent_impl.h"

#define STATS_MAX ((size_t)64 << 10)

struct child *
parent_child_of(struct parent *p, const struct vg_channel *c)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].channel == c)
			return &p->child[i];
	return NULL;
}

static void
say_ready(struct parent *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->child[i].ready && !p->child[i].resting)
			return;
	if (p->told_ready)
		return;
	p->told_ready = true;
	parent_write_status(p); /* whoever waits for the next line may ask */
	printf("ready\n");
	fflush(stdout);
	(void)sd_notify(0, "READY=1");
}

static vg_rc
on_ready(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = parent_child_of(p, from);

	(void)body;
	if (fd >= 0 || c == NULL)
		return VG_E_FORMAT;
	c->ready = true;
	c->heard_ms = parent_now_ms();
	if (c->role == VG_ROLE_LEARN)
		vg_feed_began(&p->feed);
	say_ready(p);
	return VG_OK;
}

static size_t
word_of(vg_str s)
{
	size_t n = 0;

	while (n < s.n && ((s.p[n] >= 'a' && s.p[n] <= 'z') || s.p[n] == '_' || (n && vg_is_digit(s.p[n]))))
		n++;
	return n;
}

/* A row "NAME VALUE" or "NAME{LABEL="TEXT",...} VALUE": it becomes a row for Prometheus, which must not say more than one figure. */
static bool
is_figure(vg_str s)
{
	size_t n = word_of(s), end;
	char next = n < s.n ? s.p[n] : 0;

	if (n == 0)
		return false;
	s = vg_str_skip(s, n);
	while (next == '{' || next == ',') {
		s = vg_str_skip(s, 1);
		n = word_of(s);
		if (n == 0 || !vg_str_starts(vg_str_skip(s, n), VG_STR("=\"")))
			return false;
		s = vg_str_skip(s, n + 2);
		for (end = 0; end < s.n && (unsigned char)s.p[end] >= ' ' && s.p[end] != '"' && s.p[end] != '\\'; end++)
			;
		s = vg_str_skip(s, end);
		next = s.n > 1 && s.p[0] == '"' ? s.p[1] : 0;
		s = vg_str_skip(s, next == '}' ? 2 : 1);
	}
	s = next == ' ' || next == '}' ? vg_str_starts(s, VG_STR(" ")) ? vg_str_skip(s, 1) : VG_NIL : VG_NIL;
	if (s.n > 1 && s.p[0] == '-')
		s = vg_str_skip(s, 1);
	return s.n && s.n <= 20 && vg_str_all_digits(s);
}

static bool
are_figures(vg_str s)
{
	vg_str line;

	while (vg_str_split(&s, '\n', &line))
		if (line.n && !is_figure(line))
			return false;
	return true;
}

static vg_rc
on_learned(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = parent_child_of(p, from);

	if (c && c->role == VG_ROLE_LEARN)
		return vg_feed_learned(&p->feed, body, fd);
	if (fd >= 0)
		close(fd);
	return VG_E_FORMAT;
}

static vg_rc
on_taken(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct child *c = parent_child_of(ctx, from);
	uint64_t number = vg_cur_le64(body);

	if (fd >= 0 || body->rc != VG_OK || c == NULL || c->role != VG_ROLE_DETECT)
		return VG_E_FORMAT;
	c->taken = number;
	return VG_OK;
}

static vg_rc
on_job_done(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = parent_child_of(p, from);
	uint64_t number = vg_cur_le64(body);

	if (fd >= 0 || body->rc != VG_OK || c == NULL || c->role != VG_ROLE_LOOK)
		return VG_E_FORMAT;
	vg_feed_job_done(&p->feed, number);
	return VG_OK;
}

static vg_rc
on_stats(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct child *c = parent_child_of(ctx, from);

	if (fd >= 0 || c == NULL || !are_figures(vg_str_mem(body->p, vg_cur_left(body))))
		return VG_E_FORMAT;
	vg_buf_clear(&c->stats);
	vg_buf_put(&c->stats, vg_cur_bytes(body, vg_cur_left(body)));
	c->heard_ms = parent_now_ms();
	return c->stats.rc;
}

static vg_rc
on_say(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	unsigned level = vg_cur_u8(body);
	uint32_t n = vg_cur_le32(body);
	vg_str text = vg_cur_bytes(body, n);

	(void)ctx;
	(void)from;
	if (fd >= 0 || body->rc != VG_OK || level > VG_LOG_INFO)
		return VG_E_FORMAT;
	vg_log((enum vg_log_level)level, "%.*s", VG_STR_ARG(text));
	return VG_OK;
}

static vg_rc
on_gone(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct child *c = parent_child_of(ctx, from);

	(void)body;
	if (fd >= 0 || c == NULL)
		return VG_E_FORMAT;
	c->gone = true;
	return VG_OK;
}

static vg_rc
on_took(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = parent_child_of(p, from);
	uint32_t n = vg_cur_le32(body);
	vg_str name = vg_cur_bytes(body, n);

	if (fd >= 0 || body->rc != VG_OK || c == NULL || c->role != VG_ROLE_OUT || !vg_str_eq(name, VG_STR("alarms")))
		return VG_E_FORMAT;
	vg_parent_alarms_took(&p->alarms);
	return VG_OK;
}

static vg_rc
on_answer(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	uint32_t n = vg_cur_le32(body);
	vg_str id = vg_cur_bytes(body, n), text;
	bool done = vg_cur_u8(body) != 0;

	(void)from;
	n = vg_cur_le32(body);
	text = vg_cur_bytes(body, n);
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	vg_requests_answer(p->requests, id, done, text);
	return VG_OK;
}

void
parent_closed(void *ctx, struct vg_channel *c)
{
	struct child *x = parent_child_of(ctx, c);

	if (x) {
		x->channel = NULL;
		if (x->pid)
			(void)kill(x->pid, SIGKILL); /* one that cannot be spoken to */
	}
}

/* What any role may say to its parent. */
const struct vg_handler parent_handlers[] = {
	{ VG_MSG_READY, 0, on_ready }, { VG_MSG_STATS, STATS_MAX, on_stats }, { VG_MSG_SAY, 4096, on_say }, { VG_MSG_GONE, 0, on_gone },
	{ VG_MSG_LOST, 4, parent_on_lost }, { VG_MSG_LEARNED, 9, on_learned }, { VG_MSG_TAKEN, 8, on_taken }, { VG_MSG_JOB_DONE, 8, on_job_done },
	{ VG_MSG_TOOK, 64, on_took }, { VG_MSG_ANSWER, VG_REQUEST_ANSWER_MAX + 256, on_answer }, { 0, 0, NULL },
};
