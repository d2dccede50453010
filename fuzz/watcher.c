/* What the processes that pull say to the one that tells: any bytes down their pipes.  What is always true: it goes on, ends who says what none of ours says,
 * and no line is told as an alarm of more than a line.  The input: u8 who, and 0x40 when that one is gone by now, u8 bytes, they. */
#include <assert.h>

#include "base/cur.h"
#include "witness/watcher.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define SOURCES 2

/* They are nobody. */
int
kill(pid_t pid, int sig)
{
	assert(pid > 1000 && sig == SIGKILL);
	return 0;
}

static void
on_told(void *ctx, const struct vg_alarm *a)
{
	(void)ctx;
	assert(a->subject[0] && strchr(a->subject, '\n') == NULL && strchr(a->text, '\n') == NULL && a->kind < VG_ALARM_KINDS);
}

static void
begin_watching(struct watcher *w, int to[SOURCES])
{
	static const char *const url[SOURCES] = { "http://a", "http://b" };
	int fd[2];

	if (vg_loop_new(&w->loop) != VG_OK || vg_alarms_new(REPEAT_NS, on_told, w, &w->alarms) != VG_OK)
		abort();
	for (int i = 0; i < SOURCES; i++) {
		struct source *s = &w->source[i];

		if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
			abort();
		*s = (struct source){ .part = { .pid = 1001 + i }, .url = url[i], .fd = fd[0], .w = w };
		if (vg_watch_new(w->loop, s->fd, EPOLLIN, on_lines, s, &s->watch) != VG_OK)
			abort();
		to[i] = fd[1];
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct vg_witness_options o = { .nfrom = SOURCES };
	static struct watcher w;
	struct vg_cur c = vg_cur_of(data, n);
	int to[SOURCES];

	memset(&w, 0, sizeof(w));
	w.o = &o;
	begin_watching(&w, to);
	(void)signal(SIGPIPE, SIG_IGN);
	while (vg_cur_left(&c)) {
		uint8_t who = vg_cur_u8(&c), size = vg_cur_u8(&c);
		vg_str s = vg_cur_bytes(&c, size < vg_cur_left(&c) ? size : vg_cur_left(&c));

		for (int k = who & 0x80 ? 20 : 1; k > 0; k--)
			(void)!write(to[who % SOURCES], s.p, s.n);
		if (who & 0x40)
			part_ended(&w.source[who % SOURCES].part);
		if (vg_loop_turn(w.loop, 0) != VG_OK)
			abort();
		assert(w.ntenant <= VG_TENANTS_MAX && (w.source[who % SOURCES].fd < 0 || w.source[who % SOURCES].n < LINE_MAX_BYTES));
	}
	for (int i = 0; i < SOURCES; i++) {
		if (w.source[i].fd >= 0)
			close_lines(&w.source[i]);
		close(to[i]);
	}
	vg_alarms_free(w.alarms);
	free(w.tenant);
	vg_loop_free(w.loop);
	return 0;
}
