#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"

static uint32_t state = 1;

static uint32_t
draw(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % below;
}

/* On the heap, and not a byte longer. */
static vg_str
text(size_t n)
{
	static const char few[] = "aAbB@`[{\xe1";
	char *p = malloc(n);

	assert_true(p || n == 0);
	for (size_t i = 0; i < n; i++)
		p[i] = few[draw(sizeof(few) - 1)];
	return vg_str_mem(p, n);
}

static size_t
place_by_place(vg_str s, vg_str needle)
{
	for (size_t i = 0; i + needle.n <= s.n; i++)
		if (vg_str_istarts(vg_str_skip(s, i), needle))
			return i;
	return VG_NPOS;
}

static void
text_is_found_in_any_case(void **st)
{
	(void)st;
	assert_int_equal(vg_str_ifind(VG_STR("a message with ceF:0|x in its midst, and more"), VG_STR("CEF:0|")), 15);
	assert_int_equal(vg_str_ifind(VG_STR("anything"), VG_NIL), 0);
	assert_int_equal(vg_str_ifind(VG_NIL, VG_STR("x")), VG_NPOS);
	assert_int_equal(vg_str_ifind(VG_STR("@@@@@@@@@@@@@@@@@@@@"), VG_STR("`")), VG_NPOS); /* 0x20 apart, and no letters */
}

static void
it_is_found_where_it_first_stands(void **st)
{
	(void)st;
	for (int i = 0; i < 200000; i++) {
		vg_str s = text(draw(70)), needle = text(draw(5));

		assert_int_equal(vg_str_ifind(s, needle), place_by_place(s, needle));
		free((void *)(uintptr_t)s.p);
		free((void *)(uintptr_t)needle.p);
	}
}

static void
pieces_become_one_text(void **ctx)
{
	struct vg_arena a;
	vg_str whole = VG_STR("abc");

	(void)ctx;
	vg_arena_init(&a, 65536);
	assert_true(vg_str_eq(vg_str_join3(&a, VG_STR("ab"), VG_NIL, VG_STR("c")), VG_STR("abc")));
	assert_true(vg_str_eq(vg_str_join3(&a, VG_NIL, VG_STR("d"), VG_NIL), VG_STR("d")));
	assert_true(vg_str_eq(vg_str_without(&a, VG_STR(" a b  c "), ' '), VG_STR("abc")));
	assert_int_equal(vg_str_without(&a, VG_STR("  "), ' ').n, 0);
	assert_ptr_equal(vg_str_without(&a, whole, ' ').p, whole.p); /* nothing to leave out: no copy */
	vg_arena_fini(&a);
	vg_arena_init(&a, 1);
	assert_null(vg_str_join3(&a, VG_STR("a"), VG_STR("b"), VG_STR("c")).p);
	assert_null(vg_str_without(&a, VG_STR("a b"), ' ').p);
	vg_arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_found_in_any_case),
		cmocka_unit_test(it_is_found_where_it_first_stands),
		cmocka_unit_test(pieces_become_one_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
