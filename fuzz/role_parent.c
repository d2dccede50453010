/* The parent of `vigie serve`, and any bytes from its roles.  What is always true: it goes on, and touches a role only by ending it; its status is lines
 * of printable text, and each figure that it hands on is one.
 *
 * The input: u8 who and what (0x80: the bytes are no message; 0x40: turn about, make channels anew, write the status), u8 type, u16 bytes, they. */
#include <assert.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "choose.h"
#include "folder.h"
#include "role/parent_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHILDREN 4

static unsigned killed;

/* Its children are nobody. */
int
kill(pid_t pid, int sig)
{
	assert(pid > 1000 && sig == SIGKILL);
	killed++;
	return 0;
}

static void
hear(int fd, struct vg_buf *said)
{
	char bytes[65536];
	ssize_t k;

	while (fd >= 0 && (k = read(fd, bytes, sizeof(bytes))) > 0)
		vg_buf_put(said, vg_str_mem(bytes, (size_t)k));
}

/* Outside of quotes nothing but names, then a blank and one number. */
static bool
is_one_figure(vg_str s)
{
	bool quoted = false, blank = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == ' ' && !blank)
			blank = true;
		else if (blank ? !vg_is_digit(c) && c != '-' : !vg_is_digit(c) && !(c >= 'a' && c <= 'z') && (c == 0 || strchr("_{}=,", c) == NULL))
			return false;
	}
	return blank && !quoted;
}

/* What it told the one that publishes: figures, each "NAME{...} VALUE". */
static void
check_metrics(vg_str said)
{
	struct vg_cur c = vg_cur_of(said.p, said.n);

	while (vg_cur_left(&c) >= 8) {
		uint32_t n = vg_cur_le32(&c), k;
		uint16_t type = vg_cur_le16(&c);
		struct vg_cur body;
		vg_str text, line;

		(void)vg_cur_le16(&c);
		body = vg_cur_sub(&c, n);
		if (body.rc != VG_OK || type != VG_MSG_NEW)
			continue;
		k = vg_cur_le32(&body);
		assert(vg_str_eq(vg_cur_bytes(&body, k), VG_STR("metrics")));
		k = vg_cur_le32(&body);
		text = vg_cur_bytes(&body, k);
		while (vg_str_split(&text, '\n', &line))
			assert(line.n == 0 || (vg_str_starts(line, VG_STR("vigie_")) && is_one_figure(line)));
	}
}

static void
begin(struct parent *p, const struct vg_serve_options *o, int fd[CHILDREN])
{
	static const unsigned role[CHILDREN] = { VG_ROLE_VAULT, VG_ROLE_DETECT, VG_ROLE_TRACE, VG_ROLE_PUBLISH };
	struct vg_channel_ops ops = { parent_handlers, parent_closed, p };
	int sv[2];

	p->o = o;
	p->valid_until_ns = INT64_MAX;
	p->told_ready = true; /* nobody waits for "ready" on our output */
	if (vg_loop_new(&p->loop) != VG_OK)
		abort();
	for (unsigned i = 0; i < CHILDREN; i++) {
		struct child *c = &p->child[i];

		parent_add_child(p, role[i], 0, false);
		c->pid = (pid_t)(1001 + i);
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 || vg_channel_new(p->loop, sv[0], &ops, &c->channel) != VG_OK)
			abort();
		fd[i] = sv[1];
	}
}

static void
say(int fd, unsigned what, uint8_t type, vg_str body)
{
	struct vg_buf b = { 0 };

	if (!(what & 0x80)) {
		vg_buf_le32(&b, (uint32_t)body.n);
		vg_buf_le16(&b, type);
		vg_buf_le16(&b, 0);
	}
	vg_buf_put(&b, body);
	if (fd >= 0 && b.n)
		(void)!send(fd, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	vg_buf_fini(&b);
}

static void
check_status(const struct parent *p)
{
	vg_str s = vg_buf_str(&p->status), line;

	while (vg_str_split(&s, '\n', &line))
		for (size_t i = 0; i < line.n; i++)
			assert((unsigned char)line.p[i] >= ' ' && line.p[i] != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct parent p;
	struct vg_house house = { .dir = fuzz_folder(), .lock = -1 };
	struct vg_serve_options o = { .house = &house };
	struct vg_cur c = vg_cur_of(data, n);
	struct vg_buf said[CHILDREN] = { { 0 } };
	int fd[CHILDREN];

	memset(&p, 0, sizeof(p));
	killed = 0;
	begin(&p, &o, fd);
	for (int i = 0; i < 64 && vg_cur_left(&c); i++) {
		unsigned what = vg_cur_u8(&c), who = what % CHILDREN;
		uint8_t type = vg_cur_u8(&c);
		uint16_t size = vg_cur_le16(&c);
		vg_str body = vg_cur_bytes(&c, size < vg_cur_left(&c) ? size : vg_cur_left(&c));

		say(fd[who], what, type, body);
		if (!(what & 0x40))
			continue;
		if (vg_loop_turn(p.loop, 0) != VG_OK)
			abort();
		parent_rejoin(&p);
		parent_write_status(&p);
		check_status(&p);
		for (unsigned k = 0; k < CHILDREN; k++)
			hear(fd[k], &said[k]);
	}
	(void)!vg_loop_turn(p.loop, 0);
	parent_write_status(&p);
	check_status(&p);
	hear(fd[CHILDREN - 1], &said[CHILDREN - 1]);
	check_metrics(vg_buf_str(&said[CHILDREN - 1]));
	for (unsigned i = 0; i < CHILDREN; i++) {
		assert(p.child[i].channel || killed);
		vg_channel_free(p.child[i].channel);
		vg_buf_fini(&p.child[i].stats);
		vg_buf_fini(&said[i]);
		close(fd[i]);
	}
	vg_buf_fini(&p.status);
	vg_loop_free(p.loop);
	return 0;
}
