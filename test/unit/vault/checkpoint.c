#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vault/checkpoint.h"

#define ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define TEXT "vigie.example/acme\n0\n" ROOT "\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n"

static void
there_and_back(void **state)
{
	struct vg_checkpoint c;
	struct vg_hash empty;
	struct vg_buf b = { 0 };

	(void)state;
	assert_int_equal(vg_checkpoint_parse(VG_STR(TEXT), &c), VG_OK);
	assert_string_equal(c.origin, "vigie.example/acme");
	vg_hash_of(VG_STR(""), &empty);
	assert_true(vg_hash_eq(&c.root, &empty));
	assert_true(c.size == 0 && c.seq == 1 && c.epoch == 0 && c.time_ns % 1000 == 1);
	vg_checkpoint_print(&c, &b);
	assert_true(vg_str_eq(vg_buf_str(&b), VG_STR(TEXT)));
	c.size = c.seq = c.epoch = UINT64_MAX;
	vg_buf_clear(&b);
	vg_checkpoint_print(&c, &b);
	vg_buf_puts(&b, "a line of a later version\n");
	assert_int_equal(vg_checkpoint_parse(vg_buf_str(&b), &c), VG_OK);
	assert_true(c.size == UINT64_MAX && c.seq == UINT64_MAX && c.epoch == UINT64_MAX);
	vg_buf_fini(&b);
}

static void
what_is_none(void **state)
{
	static const char *const all[] = {
		"", "\n", "a\n", "a\n0\n", "a\n0\n" ROOT "\n", "\n0\n" ROOT "\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n",
		"a\n00\n" ROOT "\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n", "a\n-1\n" ROOT "\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n",
		"a\n18446744073709551616\n" ROOT "\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n",
		"a\n0\n" ROOT "=\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n", "a\n0\n48DEQpj8HBSa\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n",
		"a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n", /* bits that are not used */
		"a\n0\n" ROOT "\nepoch 0\nseq 1\ntime 2026-04-03T08:12:45.000000001Z\n", "a\n0\n" ROOT "\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45Z\n",
		"a\n0\n" ROOT "\nseq  1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z\n", "a\n0\n" ROOT "\nseq 1\nepoch 0\ntime 2026-04-03T08:12:45.000000001Z",
	};
	struct vg_checkpoint c;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(all); i++)
		assert_int_equal(vg_checkpoint_parse(vg_str_of(all[i]), &c), VG_E_FORMAT);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(there_and_back), cmocka_unit_test(what_is_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
