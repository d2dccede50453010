#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cur.h"
#include "base/io.h"
#include "proc/pool.h"

static const struct vg_sandbox_limits limits = { .data_bytes = (size_t)256 << 20, .cpu_s = 60 };

/* ---- the pool ---- */

#define TASKS 40
struct tasks {
	int next, ndone, ndied;
	bool done[TASKS], died[TASKS];
	char why[160];
};

static bool
next(void *ctx, unsigned worker, struct vg_buf *task, int *fd, uint64_t *token)
{
	struct tasks *t = ctx;

	(void)worker;
	if (t->next == TASKS)
		return false;
	*fd = -1;
	*token = (uint64_t)t->next;
	vg_buf_le32(task, (uint32_t)t->next++);
	return true;
}

/* The 7th and the 23rd kill their worker, the 30th never ends. */
static void
work(void *ctx, int fd, vg_str task, struct vg_buf *reply)
{
	struct vg_cur c = vg_cur_of(task.p, task.n);
	uint32_t n = vg_cur_le32(&c);

	(void)ctx;
	(void)fd;
	if (n == 7 || n == 23)
		(void)raise(SIGKILL);
	while (n == 30)
		;
	vg_buf_le32(reply, n * n);
}

static void
done(void *ctx, unsigned worker, uint64_t token, vg_str reply)
{
	struct tasks *t = ctx;
	struct vg_cur c = vg_cur_of(reply.p, reply.n);

	(void)worker;
	assert_true(token < TASKS && !t->done[token]);
	assert_int_equal(vg_cur_le32(&c), token * token);
	t->done[token] = true;
	t->ndone++;
}

static void
died(void *ctx, unsigned worker, uint64_t token, const char *why)
{
	struct tasks *t = ctx;

	(void)worker;
	assert_true(token < TASKS && !t->died[token]);
	t->died[token] = true;
	t->ndied++;
	snprintf(t->why, sizeof(t->why), "%s", why);
}

static void
a_worker_that_dies_costs_its_task_alone(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 3; workers++) {
		struct tasks t = { 0 };
		struct vg_pool_ops ops = { .ctx = &t, .next = next, .work = work, .done = done, .died = died };

		assert_int_equal(vg_pool_run(&ops, workers, &limits, 1), VG_OK);
		assert_int_equal(t.ndone, TASKS - 3);
		assert_int_equal(t.ndied, 3);
		assert_true(t.died[7] && t.died[23] && t.died[30]);
	}
}

/* ---- the sandbox ---- */

/* Bits of what could be done in there. */
static vg_rc
try_all(void *ctx)
{
	int could = 0;

	(void)ctx;
	could |= open("/etc/passwd", O_RDONLY) >= 0;
	could |= open("/tmp", O_TMPFILE | O_RDWR, 0600) >= 0;
	could |= fork() > 0 ? 2 : 0;
	could |= unlink("/tmp/none") == 0 || rename("/tmp/none", "/tmp/none2") == 0 ? 4 : 0;
	return could ? VG_E_REFUSED : VG_OK;
}

static vg_rc
try_socket(void *ctx)
{
	(void)ctx;
	(void)socket(AF_INET, SOCK_STREAM, 0);
	return VG_OK;
}

static vg_rc
try_exec(void *ctx)
{
	(void)ctx;
	(void)execl("/bin/true", "true", (char *)NULL);
	return VG_OK;
}

static void
the_sandbox_can_do_nothing_else(void **state)
{
	char why[160];

	(void)state;
	assert_int_equal(vg_sandbox_run(try_all, NULL, &limits, 10, why), VG_OK);
	assert_int_equal(vg_sandbox_run(try_socket, NULL, &limits, 10, why), VG_E_SYS); /* killed for it */
	assert_non_null(strstr(why, "signal 31"));
	assert_int_equal(vg_sandbox_run(try_exec, NULL, &limits, 10, why), VG_E_SYS);
}

/* ---- the pair ---- */

enum part { WELL, FIRST_DIES, SECOND_DIES, FIRST_FAILS, SECOND_FAILS };

static vg_rc
first(void *ctx, int to)
{
	enum part part = *(enum part *)ctx;

	for (uint32_t i = 0; i < 100000; i++) { /* more than a pipe holds */
		if (i == 50000 && part == FIRST_DIES)
			(void)raise(SIGKILL);
		if (i == 50000 && part == FIRST_FAILS)
			return VG_E_LIMIT;
		if (vg_write_all(to, vg_str_mem(&i, sizeof(i))) != VG_OK)
			return VG_E_TRUNC;
	}
	return VG_OK;
}

static vg_rc
second(void *ctx, int from)
{
	enum part part = *(enum part *)ctx;
	uint32_t want = 0, got;
	ssize_t n;

	while ((n = read(from, &got, sizeof(got))) == (ssize_t)sizeof(got)) {
		if (got != want++)
			return VG_E_FORMAT;
		if (want == 1000 && part == SECOND_DIES)
			(void)raise(SIGKILL);
		if (want == 1000 && part == SECOND_FAILS)
			return VG_E_NOMEM;
	}
	return want == 100000 ? VG_OK : VG_E_TRUNC;
}

static void
a_pair_says_the_reason_not_its_consequence(void **state)
{
	static const vg_rc want[] = { VG_OK, VG_E_SYS, VG_E_SYS, VG_E_LIMIT, VG_E_NOMEM };

	(void)state;
	for (enum part part = WELL; part <= SECOND_FAILS; part++) {
		char why[160] = "";

		assert_int_equal(vg_sandbox_pair(first, second, &part, &limits, why), want[part]);
		assert_true((strstr(why, "signal 9") != NULL) == (want[part] == VG_E_SYS));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_dies_costs_its_task_alone),
		cmocka_unit_test(the_sandbox_can_do_nothing_else),
		cmocka_unit_test(a_pair_says_the_reason_not_its_consequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
