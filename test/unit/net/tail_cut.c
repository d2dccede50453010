#include "basket.h"

#include "net/tail_cut.h"
#include "vault/record.h"

static void
expect(vg_str in, struct vg_tail_state s, enum vg_tail_kind kind, vg_str bytes, size_t used)
{
	char *copy = malloc(in.n ? in.n : 1); /* exact: a byte too far is seen */
	struct vg_tail_piece p;

	memcpy(copy, in.n ? in.p : "", in.n);
	p = vg_tail_cut(vg_str_mem(copy, in.n), s);
	assert_int_equal(p.kind, kind);
	assert_int_equal(p.used, used);
	assert_true(kind != VG_TAIL_RECORD || vg_str_eq(p.bytes, bytes));
	free(copy);
}

static void
lines_end_at_lf_only(void **state)
{
	struct vg_tail_state s = { 0 }, last = { .last = true };

	(void)state;
	expect(VG_STR(""), s, VG_TAIL_NONE, VG_NIL, 0);
	expect(VG_STR(""), last, VG_TAIL_NONE, VG_NIL, 0);
	expect(VG_STR("one\ntwo"), s, VG_TAIL_RECORD, VG_STR("one"), 4);
	expect(VG_STR("one\r\n"), s, VG_TAIL_RECORD, VG_STR("one\r"), 5);
	expect(VG_STR("two"), s, VG_TAIL_NONE, VG_NIL, 0);
	expect(VG_STR("two"), last, VG_TAIL_RECORD, VG_STR("two"), 3);
	expect(VG_STR("\nx"), s, VG_TAIL_EMPTY, VG_NIL, 1);
	expect(VG_STR("a\0b\n"), s, VG_TAIL_RECORD, VG_STR("a\0b"), 4);
	expect(VG_STR("\0a\n"), s, VG_TAIL_RECORD, VG_STR("\0a"), 3);
}

static void
zeros_are_no_text(void **state)
{
	struct vg_tail_state s = { 0 }, in = { .zeros = true }, last = { .last = true };
	char b[200];

	(void)state;
	memset(b, 0, sizeof(b));
	memcpy(b, "half", 4);
	memcpy(b + 100, "new\n", 4);
	expect(vg_str_mem(b, 104), s, VG_TAIL_RECORD, VG_STR("half"), 4);
	expect(vg_str_mem(b + 4, 100), s, VG_TAIL_ZEROS, VG_NIL, 96);
	expect(vg_str_mem(b + 100 - VG_TAIL_ZEROS_MIN, 104), s, VG_TAIL_ZEROS, VG_NIL, VG_TAIL_ZEROS_MIN);
	expect(vg_str_mem(b + 101 - VG_TAIL_ZEROS_MIN, VG_TAIL_ZEROS_MIN + 3), s, VG_TAIL_RECORD,
	       vg_str_mem(b + 101 - VG_TAIL_ZEROS_MIN, VG_TAIL_ZEROS_MIN + 2), VG_TAIL_ZEROS_MIN + 3);
	expect(vg_str_mem(b + 90, 14), in, VG_TAIL_ZEROS, VG_NIL, 10);
	expect(vg_str_mem(b + 90, 10), s, VG_TAIL_NONE, VG_NIL, 0);
	expect(vg_str_mem(b + 90, 10), last, VG_TAIL_RECORD, vg_str_mem(b + 90, 10), 10);
}

static void
long_lines_are_cut(void **state)
{
	struct vg_tail_state s = { 0 }, in = { .inside = true };
	size_t n = VG_RECORD_RAW_MAX;
	char *b = malloc(n + 200);

	(void)state;
	memset(b, 'x', n + 200);
	b[n] = '\n';
	expect(vg_str_mem(b, n + 1), s, VG_TAIL_RECORD, vg_str_mem(b, n), n + 1);
	expect(vg_str_mem(b, n), s, VG_TAIL_NONE, VG_NIL, 0);
	b[n] = 'x';
	expect(vg_str_mem(b, n + 1), s, VG_TAIL_LONG, VG_NIL, n);
	b[n + 9] = '\n';
	expect(vg_str_mem(b + n, 10), in, VG_TAIL_EMPTY, VG_NIL, 10);
	expect(vg_str_mem(b + n, 9), in, VG_TAIL_REST, VG_NIL, 9);
	memset(b + n + 10, 0, 100);
	memcpy(b + n + 110, "after\n", 6);
	b[n + 9] = 'x';
	expect(vg_str_mem(b + n, 50), in, VG_TAIL_REST, VG_NIL, 10); /* the zeros may go on */
	expect(vg_str_mem(b + n, 116), in, VG_TAIL_EMPTY, VG_NIL, 10);
	expect(vg_str_mem(b + n + 10, 106), in, VG_TAIL_ZEROS, VG_NIL, 100);
	free(b);
}

static void
utmp_is_384_bytes(void **state)
{
	struct vg_tail_state s = { .utmp = true }, last = { .utmp = true, .last = true };
	char b[2 * VG_TAIL_UTMP_BYTES] = { 0 }; /* zeros are a record there, and a sign of something */

	(void)state;
	expect(vg_str_mem(b, sizeof(b)), s, VG_TAIL_RECORD, vg_str_mem(b, VG_TAIL_UTMP_BYTES), VG_TAIL_UTMP_BYTES);
	expect(vg_str_mem(b, 383), s, VG_TAIL_NONE, VG_NIL, 0);
	expect(vg_str_mem(b, 10), last, VG_TAIL_RECORD, vg_str_mem(b, 10), 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_at_lf_only),
		cmocka_unit_test(zeros_are_no_text),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(utmp_is_384_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
