/* cmd/rule_live.c - samples through the running watch (role/drill.h): each in a world of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cmd/common.h"
#include "cmd/rule_test.h"
#include "detect/correlate.h"
#include "net/loop.h"
#include "role/drill.h"
#include "state/drilled.h"
#include "state/signals.h"

#define QUEUE_BYTES ((size_t)1 << 20) /* that wait to be sent */
#define KEPT_NS (60 * VG_SEC)         /* for all to be kept */
#define EXAMINED_NS (60 * VG_SEC)     /* and examined */
#define STATUS_NS (5 * VG_SEC / 2)    /* what a status says is that old, at most */
#define AFTER_NS (6 * VG_SEC)         /* what came out of order is gone over once a second: so long is waited for those that have not fired */
#define QUIET_NS (5 * VG_SEC / 2)     /* and so long for those that must not */
#define SLOW_NS (25 * VG_HOUR)        /* what only a window's end can judge lies so far back: behind any trace.late-wait */

struct live {
	struct vg_trial *t;
	struct vg_loop *loop;
	struct vg_channel *channel; /* NULL: it ended */
	struct vg_correlator *plain; /* asked which correlations are slow */
	struct vg_buf message;
	uint32_t first;             /* world of the first sample; the others follow */
	uint64_t sent, kept;
};

static vg_rc
on_kept(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct live *l = ctx;

	(void)from;
	l->kept = vg_cur_le64(body);
	return fd < 0 ? body->rc : VG_E_FORMAT;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	(void)c;
	((struct live *)ctx)->channel = NULL;
}

static int
failed(const char *what)
{
	vg_log(VG_LOG_ERROR, "rule test: %s", what);
	return VG_EXIT_FAILED;
}

static int
begin(struct live *l)
{
	static const struct vg_handler handlers[] = { { VG_MSG_DRILLED, 8, on_kept }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { handlers, closed, l };
	int fd = vg_drill_connect(l->t->house.dir);

	if (fd < 0) {
		vg_log(VG_LOG_ERROR, "rule test: %s/" VG_DRILL_SOCKET ": %s (does the watch run as another user?)", l->t->house.path, strerror(errno));
		return VG_EXIT_INPUT;
	}
	if (getrandom(&l->first, sizeof(l->first), 0) != sizeof(l->first) || vg_loop_new(&l->loop) != VG_OK ||
	    vg_channel_new(l->loop, fd, &ops, &l->channel) != VG_OK || (l->plain = vg_correlator_new(&l->t->k.program, 0, NULL, NULL)) == NULL)
		return failed("out of memory");
	l->first = VG_DRILL_WORLDS | (l->first % (VG_DRILL_WORLDS - (uint32_t)l->t->n));
	return VG_EXIT_OK;
}

/* ---- sending ---- */

/* The sample's own time to that of the watch: its last record arrives now, or, where only a window's end can judge, so long ago that it is over. */
static int64_t
shift_of(const struct live *l, const struct vg_tried *x)
{
	const struct vg_program *p = &l->t->k.program;
	const struct vg_rule *r = &p->rule[x->rule];
	int64_t end_ns = vg_clock_ns();

	if (r->kind == VG_RULE_CORRELATION && vg_correlator_slow(l->plain, r->corr))
		end_ns -= SLOW_NS + p->corr[r->corr].span_ns;
	return end_ns - x->s->record[x->s->nrecord - 1].time_ns;
}

static bool
send_sample(struct live *l, size_t at)
{
	struct vg_tried *x = &l->t->tried[at];
	int64_t shift_ns = shift_of(l, x);

	for (size_t i = 0; i < x->s->nrecord && l->channel; i++) {
		vg_buf_clear(&l->message);
		vg_buf_le32(&l->message, l->first + (uint32_t)at);
		vg_buf_le64(&l->message, (uint64_t)(x->s->record[i].time_ns + shift_ns));
		vg_buf_put(&l->message, x->s->record[i].raw);
		if (l->message.rc != VG_OK)
			return false;
		vg_channel_send(l->channel, VG_MSG_DRILL, vg_buf_str(&l->message));
		l->sent++;
		while (l->channel && vg_channel_queued(l->channel) > QUEUE_BYTES)
			if (vg_loop_turn(l->loop, 100) != VG_OK)
				return false;
	}
	x->sent_ns = vg_clock_ns();
	return l->channel != NULL;
}

static int
send_all(struct live *l)
{
	int64_t until_ns;

	for (size_t i = 0; i < l->t->n; i++)
		if (!send_sample(l, i))
			return failed("the watch ended the connection");
	until_ns = vg_monotonic_ns() + KEPT_NS;
	while (l->channel && l->kept < l->sent && vg_monotonic_ns() < until_ns)
		if (vg_loop_turn(l->loop, 100) != VG_OK)
			return failed("epoll failed");
	return l->kept >= l->sent ? VG_EXIT_OK : failed(l->channel ? "the watch did not keep the samples within a minute (`vigie status` says what it is at)" :
							       "the watch ended the connection");
}

/* ---- what came of it ---- */

static vg_rc
on_drilled(void *ctx, const struct vg_drilled *d)
{
	struct live *l = ctx;
	struct vg_tried *x = &l->t->tried[d->world - l->first];
	const struct vg_rule *r = &l->t->k.program.rule[x->rule];

	if (!vg_str_eq(d->rule, vg_program_str(&l->t->k.program, r->id.len ? r->id : r->file)))
		return VG_OK;
	if (x->fired++ == 0)
		x->first_ns = d->made_ns;
	return VG_OK;
}

/* false: it cannot be read.  @waits: samples whose rule has not fired, and does without a watch. */
static bool
look(struct live *l, sqlite3 *db, size_t *waits)
{
	*waits = 0;
	for (size_t i = 0; i < l->t->n; i++)
		l->t->tried[i].fired = 0;
	if (vg_drilled_each(db, l->first, l->first + (uint32_t)l->t->n - 1, on_drilled, l) != VG_OK)
		return false;
	for (size_t i = 0; i < l->t->n; i++)
		*waits += l->t->tried[i].s->fires && l->t->tried[i].played && l->t->tried[i].fired < (l->t->tried[i].s->times ? l->t->tried[i].s->times : 1);
	return true;
}

/* Until rules saw all that was kept before @kept_ns. */
static bool
wait_examined(struct live *l, int64_t kept_ns)
{
	int64_t until_ns = vg_monotonic_ns() + EXAMINED_NS, pid, time_ns, next = 0;

	while (vg_monotonic_ns() < until_ns) {
		vg_buf_clear(&l->t->status);
		if (!vg_status_read(&l->t->house, &l->t->status, &pid))
			return false;
		if (next == 0 && vg_str_i64(vg_status_value(vg_buf_str(&l->t->status), "time"), &time_ns) && time_ns > kept_ns + STATUS_NS)
			next = vg_status_number(vg_buf_str(&l->t->status), "vault", 0, "next", 0);
		if (next && vg_status_number(vg_buf_str(&l->t->status), "vault", 0, "examined", 0) >= next)
			return true;
		if (vg_loop_turn(l->loop, 100) != VG_OK)
			return false;
	}
	return false;
}

static int
wait_for(struct live *l)
{
	int64_t began_ns;
	size_t waits;
	sqlite3 *db;
	int code;

	if (!wait_examined(l, vg_clock_ns()))
		return failed("the watch did not come to the samples within a minute (`vigie status` says what it is at)");
	if ((code = vg_state_signals(&l->t->house, &db)) != VG_EXIT_OK)
		return code;
	began_ns = vg_monotonic_ns();
	do {
		if (!look(l, db, &waits)) {
			code = failed("what came of the samples cannot be read");
			break;
		}
	} while (vg_loop_turn(l->loop, 100) == VG_OK && vg_monotonic_ns() - began_ns < (waits ? AFTER_NS : QUIET_NS));
	vg_db_close(db);
	return code;
}

int
vg_trial_live(struct vg_trial *t)
{
	struct live l = { .t = t };
	int code = VG_EXIT_OK;

	if (t->n == 0)
		return code;
	if ((code = begin(&l)) == VG_EXIT_OK && (code = send_all(&l)) == VG_EXIT_OK)
		code = wait_for(&l);
	vg_channel_free(l.channel);
	vg_loop_free(l.loop);
	vg_correlator_free(l.plain);
	vg_buf_fini(&l.message);
	return code;
}
