/* Programs that are run, and helpers that run them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/loop.h"
#include "proc/exec.h"
#include "proc/helper.h"

static vg_rc
shell(const char *script, vg_str input, unsigned seconds, char *why)
{
	char sh[] = "/bin/sh", c[] = "-c";
	char *argv[] = { sh, c, (char *)(uintptr_t)script, NULL };
	const struct vg_exec_env env = { "VIGIE_X", "y" };
	struct vg_exec_job j = { .argv = argv, .env = &env, .nenv = 1, .input = input, .quiet = true, .seconds = seconds };

	why[0] = 0;
	return vg_exec_run(&j, why);
}

static void
what_a_program_comes_to(void **state)
{
	char why[VG_EXEC_WHY], none[] = "/nowhere/at/all";
	char *argv[] = { none, NULL };
	struct vg_exec_job j = { .argv = argv, .seconds = 5 };

	(void)state;
	assert_int_equal(shell("test \"$(cat)\" = hello && test \"$VIGIE_X\" = y", VG_STR("hello"), 5, why), VG_OK);
	assert_int_equal(shell("exit 3", VG_NIL, 5, why), VG_E_SYS);
	assert_string_equal(why, "it ended with code 3");
	assert_int_equal(shell("kill -9 $$", VG_NIL, 5, why), VG_E_SYS);
	assert_string_equal(why, "it was ended by signal 9");
	assert_int_equal(vg_exec_run(&j, why), VG_E_SYS);
	assert_non_null(strstr(why, "No such file"));
}

static void
its_group_ends_when_time_is_over(void **state)
{
	char why[VG_EXEC_WHY], path[] = "/tmp/test-exec-XXXXXX", script[200];
	int64_t begin = vg_monotonic_ns();
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	snprintf(script, sizeof(script), "(sleep 3; echo late >>%s) & trap '' TERM; sleep 60", path);
	assert_int_equal(shell(script, VG_NIL, 1, why), VG_E_SYS);
	assert_non_null(strstr(why, "not done after 1 s"));
	assert_true(vg_monotonic_ns() - begin < 3000000000);
	sleep(3);
	assert_true(lseek(fd, 0, SEEK_END) == 0);
	close(fd);
	unlink(path);
}

static void
input_that_nobody_reads(void **state)
{
	char why[VG_EXEC_WHY];
	size_t n = (size_t)1 << 20; /* more than a pipe holds */
	char *much = malloc(n);

	(void)state;
	memset(much, 'x', n);
	assert_int_equal(shell("exit 0", vg_str_mem(much, n), 5, why), VG_OK);
	assert_int_equal(shell("test $(wc -c) = 1048576", vg_str_mem(much, n), 20, why), VG_OK);
	assert_int_equal(shell("exec <&-; sleep 0.3", vg_str_mem(much, n), 5, why), VG_OK);
	free(much);
}

/* ---- helpers ---- */

struct rig {
	struct vg_loop *l;
	struct vg_helper *h;
	char got[100];
	int answers, ends;
};

static void
work(void *ctx, vg_str ask, struct vg_buf *answer)
{
	(void)ctx;
	if (vg_str_eq(ask, VG_STR("die")))
		_exit(1);
	vg_buf_printf(answer, "%d:%.*s", getppid() == 1, VG_STR_ARG(ask));
}

static void
answered(void *ctx, vg_str answer)
{
	struct rig *r = ctx;

	snprintf(r->got, sizeof(r->got), "%.*s", VG_STR_ARG(answer));
	if (++r->answers == 1)
		vg_helper_ask(r->h, VG_STR("two")); /* from within */
	else
		vg_loop_stop(r->l);
}

static void
ended(void *ctx)
{
	struct rig *r = ctx;

	r->ends++;
	vg_loop_stop(r->l);
}

static void
a_helper_answers_until_it_ends(void **state)
{
	struct vg_sandbox_limits limits = { .may = VG_MAY_LOOP };
	struct rig r = { .answers = 0 };
	struct vg_helper_options o = { "test", NULL, work, &limits, answered, ended, &r };

	(void)state;
	assert_int_equal(vg_loop_new(&r.l), VG_OK);
	assert_int_equal(vg_helper_new(r.l, &o, &r.h), VG_OK);
	vg_helper_ask(r.h, VG_STR("one"));
	assert_true(vg_helper_is_busy(r.h));
	assert_int_equal(vg_loop_run(r.l), VG_OK);
	assert_string_equal(r.got, "0:two");
	assert_false(vg_helper_is_busy(r.h));
	vg_helper_ask(r.h, VG_STR("die"));
	assert_int_equal(vg_loop_run(r.l), VG_OK);
	assert_true(r.ends == 1 && r.answers == 2);
	vg_loop_free(r.l);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_program_comes_to), cmocka_unit_test(its_group_ends_when_time_is_over), cmocka_unit_test(input_that_nobody_reads),
		cmocka_unit_test(a_helper_answers_until_it_ends),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
