#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "role/local_see.h"

static char root[] = "/tmp/test-see-XXXXXX";
static int own;

static void run(const char *fmt, ...) VG_PRINTF(1, 2);
static void
run(const char *fmt, ...)
{
	char command[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

/* root/log/app/a.log, root/log/link.log -> root/else/b.log, root/log/far -> root/else; root/state/local is the watch's. */
static int
setup(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_non_null(mkdtemp(root));
	run("cd %s && mkdir -p log/app else state/local state/seal && touch log/app/a.log else/b.log state/seal/secret state/c.log && ln -s ../else/b.log log/link.log && ln -s ../else log/far", root);
	snprintf(path, sizeof(path), "%s/state/local", root);
	own = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return own < 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(own);
	run("rm -rf %s", root);
	return 0;
}

/* The lists for one pattern, as paths below the root. */
static void
expect(const char *pattern, const char *read, const char *names)
{
	static struct vg_see s;
	char glob[PATH_MAX], got[2][PATH_MAX] = { "", "" };
	const char *const globs[] = { glob, NULL };

	snprintf(glob, sizeof(glob), "%s/%s", root, pattern);
	assert_int_equal(vg_see_of(globs, false, own, &s), VG_OK);
	for (int k = 0; k < 2; k++) {
		const struct vg_see_list *l = k ? &s.names : &s.read;

		for (size_t i = 0; i < l->n; i++) {
			size_t n = strlen(got[k]), skip = strncmp(l->path[i], root, strlen(root)) == 0 ? strlen(root) : 0;

			snprintf(got[k] + n, sizeof(got[k]) - n, "%s%s", n ? " " : "", l->path[i][skip] ? l->path[i] + skip : "itself");
		}
		assert_null(l->path[l->n]);
	}
	assert_string_equal(got[0], read);
	assert_string_equal(got[1], names);
	vg_see_fini(&s);
	assert_int_equal(s.read.n + s.names.n, 0);
}

static void
a_pattern_opens_the_folder_that_it_begins_in(void **state)
{
	(void)state;
	expect("log/app/*.log", "/log/app", "");
	expect("log/app/a.log", "/log/app", "");
	expect("log/later/*.log", "/log", ""); /* the nearest that is there */
}

static void
links_lead_elsewhere(void **state)
{
	(void)state;
	expect("log/*.log", "/log /log/link.log", ""); /* that file, and not what lies beside it */
	expect("log/*/*.log", "/log /log/app /log/far", "");
}

static void
the_state_of_the_watch_is_not_opened_by_accident(void **state)
{
	(void)state;
	expect("nowhere/deep/*.log", "", "itself"); /* names alone */
	expect("*/*.log", "/else /log /log/link.log /state/c.log", "itself"); /* of its own folder that file, and no folder of it */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_opens_the_folder_that_it_begins_in),
		cmocka_unit_test(links_lead_elsewhere),
		cmocka_unit_test(the_state_of_the_watch_is_not_opened_by_accident),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
