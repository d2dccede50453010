#include "detect/needle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct places {
	size_t end[16], n, most;
};

static vg_rc
on_found(void *ctx, size_t end)
{
	struct places *p = ctx;

	assert_true(p->n < 16);
	p->end[p->n++] = end;
	return p->n == p->most ? VG_E_STOP : VG_OK;
}

static void
literals_are_found_in_any_case(void **state)
{
	const struct vg_needle_pattern p[] = { { VG_STR("bob"), false }, { VG_STR("a.c"), false } };
	struct places at = { .n = 0 };
	struct vg_needle *n;

	(void)state;
	assert_int_equal(vg_needle_new(p, 2, &n), VG_OK);
	assert_int_equal(vg_needle_scan(n, VG_STR("xBoBob abc A.C"), on_found, &at), VG_OK);
	assert_int_equal(at.n, 3);
	assert_int_equal(at.end[0] + at.end[1] + at.end[2], 4 + 6 + 14);
	at = (struct places){ .most = 1 };
	assert_int_equal(vg_needle_scan(n, VG_STR("bob bob"), on_found, &at), VG_E_STOP);
	assert_int_equal(at.n, 1);
	at.n = 0;
	assert_int_equal(vg_needle_scan(n, VG_NIL, on_found, &at), VG_OK);
	assert_int_equal(at.n, 0);
	vg_needle_free(n);
}

static void
expressions_are_found_or_refused(void **state)
{
	const struct vg_needle_pattern good = { VG_STR("b[0-9]+c"), true }, bad = { VG_STR("b("), true }, empty = { VG_STR("b*"), true };
	struct places at = { .n = 0 };
	struct vg_needle *n;
	vg_rc rc;

	(void)state;
	assert_int_equal(vg_needle_new(&bad, 1, &n), VG_E_UNSUP);
	assert_int_equal(vg_needle_new(&empty, 1, &n), VG_E_UNSUP);
	if ((rc = vg_needle_new(&good, 1, &n)) == VG_E_UNSUP)
		return; /* built without the engine */
	assert_int_equal(rc, VG_OK);
	assert_int_equal(vg_needle_scan(n, VG_STR("abc b12c"), on_found, &at), VG_OK);
	assert_int_equal(at.n, 1);
	assert_int_equal(at.end[0], 8);
	vg_needle_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_found_in_any_case),
		cmocka_unit_test(expressions_are_found_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
