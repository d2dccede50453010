#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/role.h"
#include "role/request.h"

static char home[] = "/tmp/test-request-XXXXXX";

static void
lines(void **state)
{
	static const char *const bad[] = { "", "\n", " x", "a\tb", "a\nb", "a\x1b", "\xff", "a \xe2\x80\xae", "a\r\n" };
	struct vg_request r;
	char *longest = malloc(VG_REQUEST_LINE_MAX + 2);

	(void)state;
	assert_int_equal(vg_request_line(VG_STR("stamp acme\n"), &r), VG_OK);
	assert_true(vg_str_eq(r.verb, VG_STR("stamp")) && vg_str_eq(r.argument, VG_STR("acme")));
	assert_int_equal(vg_request_line(VG_STR("respond isolate host=é x"), &r), VG_OK);
	assert_true(vg_str_eq(r.argument, VG_STR("isolate host=é x")));
	assert_int_equal(vg_request_line(VG_STR("alarm-test"), &r), VG_OK);
	assert_true(r.argument.n == 0);
	for (size_t i = 0; i < VG_COUNT(bad); i++)
		assert_int_equal(vg_request_line(vg_str_of(bad[i]), &r), VG_E_FORMAT);
	memset(longest, 'a', VG_REQUEST_LINE_MAX + 1);
	assert_int_equal(vg_request_line(vg_str_mem(longest, VG_REQUEST_LINE_MAX + 1), &r), VG_E_FORMAT);
	assert_int_equal(vg_request_line(vg_str_mem(longest, VG_REQUEST_LINE_MAX), &r), VG_OK);
	free(longest);
}

static void
messages(void **state)
{
	struct vg_request r = { VG_STR("0123456789abcdef"), VG_STR("stamp"), VG_STR("acme"), 7 }, got;
	struct vg_buf b = { 0 };

	(void)state;
	vg_request_put(&b, &r);
	for (size_t n = 0; n < b.n; n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, b.p, n);
		assert_int_not_equal(vg_request_take(vg_str_mem(cut, n), &got), VG_OK);
		free(cut);
	}
	assert_int_equal(vg_request_take(vg_buf_str(&b), &got), VG_OK);
	assert_true(got.user == 7 && vg_str_eq(got.argument, r.argument) && vg_str_eq(got.id, r.id));
	vg_buf_putc(&b, 0);
	assert_int_equal(vg_request_take(vg_buf_str(&b), &got), VG_E_FORMAT);
	vg_buf_fini(&b);
}

static unsigned passed, last_role;

static bool
pass(void *ctx, unsigned role, const struct vg_request *r, char why[160])
{
	(void)ctx;
	passed++;
	last_role = role;
	if (vg_str_eq(r->argument, VG_STR("no"))) {
		snprintf(why, 160, "not now");
		return false;
	}
	return true;
}

static void
spill(const char *name, const char *text, unsigned mode)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/requests/%s", home, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static bool
is_answer(const char *id, const char *text)
{
	char path[200], got[400] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/requests/%s.answer", home, id);
	if ((f = fopen(path, "r")) == NULL)
		return false;
	(void)!fread(got, 1, sizeof(got) - 1, f);
	fclose(f);
	return strcmp(got, text) == 0;
}

#define ID(n) "000000000000000" n

static void
the_parents_side(void **state)
{
	struct vg_house h;
	struct vg_requests *r;
	char why[300];

	(void)state;
	assert_int_equal(vg_house_open(&h, home, true, why), VG_OK);
	assert_int_equal(vg_requests_new(&h, pass, NULL, &r), VG_OK);
	spill(ID("1") ".req", "stamp acme\n", 0600);
	spill(ID("2") ".req", "stamp acme\n", 0620); /* others may have written it */
	spill(ID("3") ".req", "what\n", 0600);
	spill(ID("4") ".req", "respond no\n", 0600);
	spill("x.req", "stamp\n", 0600);
	spill(ID("5") ".tmp", "stamp\n", 0600);
	vg_requests_turn(r);
	assert_true(passed == 2);
	assert_true(is_answer(ID("2"), "not done\nit is no request") && is_answer(ID("3"), "not done\nit is no request") && is_answer(ID("4"), "not done\nnot now"));
	assert_false(is_answer(ID("1"), ""));
	vg_requests_answer(r, VG_STR(ID("9")), true, VG_STR("x")); /* nobody asked */
	vg_requests_answer(r, VG_STR(ID("1")), true, VG_STR("it is stamped\n"));
	assert_true(is_answer(ID("1"), "done\nit is stamped\n") && !is_answer(ID("9"), "done\nx"));
	vg_requests_turn(r);
	assert_true(passed == 2); /* once */
	for (int i = 0; i < VG_REQUEST_OPEN_MAX + 1; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%016x.req", 256 + i);
		spill(name, "alarm-test\n", 0600);
	}
	vg_requests_turn(r);
	vg_requests_turn(r);
	assert_true(passed == 2 + VG_REQUEST_OPEN_MAX && last_role == VG_ROLE_OUT);
	free(r);
	vg_house_close(&h);
}

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(home) ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", home);
	return system(command);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(lines), cmocka_unit_test(messages), cmocka_unit_test(the_parents_side) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
