#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "net/frame.h"
#include "vault/record.h"

struct got {
	struct vg_buf text; /* records, each behind a '|'; one that was cut behind a '!' */
	size_t n, last;     /* records; bytes of the last one */
	unsigned refuse;    /* every so many offers one is refused; 0: none */
	unsigned offers;
};

static bool
take(void *ctx, vg_str raw, bool cut)
{
	struct got *g = ctx;

	if (g->refuse && ++g->offers % g->refuse)
		return false;
	vg_buf_putc(&g->text, cut ? '!' : '|');
	vg_buf_put(&g->text, vg_str_cut(raw, 100));
	g->n++;
	g->last = raw.n;
	return true;
}

/* @in through a framer, @step bytes at a time. */
static vg_rc
run(struct got *g, vg_str in, size_t step)
{
	struct vg_framer f;
	vg_rc rc = VG_OK;

	vg_framer_init(&f, take, g);
	while (in.n && rc == VG_OK) {
		vg_str piece = vg_str_cut(in, step);
		char *copy = malloc(piece.n); /* of exactly that size: ASan sees one byte too far */
		size_t at = 0, used;

		assert_non_null(copy);
		memcpy(copy, piece.p, piece.n);
		do {
			rc = vg_frame_feed(&f, vg_str_mem(copy + at, piece.n - at), &used);
			at += used;
		} while (rc == VG_E_STOP);
		free(copy);
		in = vg_str_skip(in, piece.n);
	}
	if (rc == VG_OK)
		while ((rc = vg_frame_end(&f)) == VG_E_STOP)
			;
	vg_framer_fini(&f);
	return rc;
}

/* However it is cut, and whatever is refused for a while, @in gives @want and ends as @end says. */
static void
gives(vg_str in, const char *want, vg_rc end)
{
	for (size_t step = 1; step <= in.n; step++)
		for (unsigned refuse = 0; refuse < 4; refuse++) {
			struct got g = { .refuse = refuse };

			assert_int_equal(run(&g, in, step), end);
			vg_buf_putc(&g.text, '\0');
			assert_string_equal(g.text.p, want);
			vg_buf_fini(&g.text);
		}
}

static void
lines_end_with_lf_crlf_or_nul(void **state)
{
	(void)state;
	gives(VG_STR("<34>one\n<34>two\r\n<34>three\n"), "|<34>one|<34>two|<34>three", VG_OK);
	gives(VG_STR("<34>one\0<34>two\0"), "|<34>one|<34>two", VG_OK);
	gives(VG_STR("one\0\ntwo\0\n"), "|one|two", VG_OK);
	gives(VG_STR("one\ntwo\0\nthree\r\0\n"), "|one|two|three", VG_OK);
	gives(VG_STR("one\r\0two\r\0"), "|one|two", VG_OK);
	gives(VG_STR("\n\none\n\n\r\n\n two \n"), "|one| two ", VG_OK);
	gives(VG_STR("no priority\n12 Oct: 3 <b>\n2026 x\n"), "|no priority|12 Oct: 3 <b>|2026 x", VG_OK);
}

/* A byte of a message that would end one for a sender of another kind. */
static void
a_nul_within_a_line_stays(void **state)
{
	struct got g = { 0 };

	(void)state;
	assert_int_equal(run(&g, VG_STR("one\na\0b\n"), 3), VG_OK);
	assert_true(vg_str_eq(vg_buf_str(&g.text), VG_STR("|one|a\0b")));
	vg_buf_fini(&g.text);
}

static void
an_unended_last_line_is_a_record(void **state)
{
	(void)state;
	gives(VG_STR("<34>one\n<34>tw"), "|<34>one|<34>tw", VG_OK);
	gives(VG_STR("<34>one\n12"), "|<34>one|12", VG_OK);
	gives(VG_STR("<34>one\n12 "), "|<34>one|12 ", VG_OK);
	gives(VG_STR("<34>one\n12 <34>"), "|<34>one|12 <34>", VG_OK);
	gives(VG_STR("<34>one\r"), "|<34>one", VG_OK);
	gives(VG_STR("5"), "|5", VG_OK);
}

static void
counted_frames_hold_any_byte(void **state)
{
	(void)state;
	gives(VG_STR("7 <34>one7 <34>two"), "|<34>one|<34>two", VG_OK);
	gives(VG_STR("9 <34>a\nb\nc5 <34>\n1 x"), "|<34>a\nb\nc|<34>\n|x", VG_OK);
	gives(VG_STR("8 <34>one\n7 <34>two"), "|<34>one\n|<34>two", VG_OK);
	gives(VG_STR("7 <34>one\n7 <34>two\r\n\n7 <34>end"), "|<34>one|<34>two|<34>end", VG_OK);
	gives(VG_STR("7 <34>one5 hello"), "|<34>one|hello", VG_OK);
}

static void
a_counted_frame_that_is_not_whole_is_told(void **state)
{
	(void)state;
	gives(VG_STR("7 <34>one9 <34>tw"), "|<34>one|<34>tw", VG_E_TRUNC);
	gives(VG_STR("7 <34>one9 "), "|<34>one", VG_E_TRUNC);
	gives(VG_STR("7 <34>one9"), "|<34>one", VG_E_TRUNC);
}

static void
both_framings_on_one_connection(void **state)
{
	(void)state;
	gives(VG_STR("7 <34>one<34>line\n7 <34>two"), "|<34>one|<34>line|<34>two", VG_OK);
	gives(VG_STR("<34>line\n7 <34>one7 <34>two<34>line\n"), "|<34>line|<34>one|<34>two|<34>line", VG_OK);
	gives(VG_STR("<34>line\n8 <34>one\n<34>line\n"), "|<34>line|<34>one\n|<34>line", VG_OK);
}

/* Who can write a line feed and a length to a log must not hide what the others say. */
static void
a_length_between_lines_hides_nothing(void **state)
{
	(void)state;
	gives(VG_STR("<34>user x\n40 <34>\n<34>login failed\n<34>login ok\n"), "|<34>user x|40 <34>|<34>login failed|<34>login ok", VG_OK);
	gives(VG_STR("<34>x\n99999999999999 <34>y\n<34>z\n"), "|<34>x|99999999999999 <34>y|<34>z", VG_OK);
}

static void
a_sender_that_counts_wrongly_is_found_again(void **state)
{
	(void)state;
	/* characters were counted, not bytes */
	gives(VG_STR("8 <34>\xc3\xa9t\xc3\xa9s7 <34>two7 <34>end"), "|<34>\xc3\xa9t\xc3|\xa9s|<34>two|<34>end", VG_OK);
	gives(VG_STR("8 <34>one a < b 1<2 c> d7 <34>two"), "|<34>one |a < b 1<2 c> d|<34>two", VG_OK);
	gives(VG_STR("7 <34>onerest\n7 <34>two"), "|<34>one|rest|<34>two", VG_OK);
}

static void
an_absurd_length_ends_it(void **state)
{
	(void)state;
	gives(VG_STR("99999999999 <34>one"), "", VG_E_FORMAT);
	gives(VG_STR("7 <34>one99999999 <34>one"), "|<34>one", VG_E_FORMAT);
	gives(VG_STR("7 <34>one0 x"), "|<34>one", VG_E_FORMAT);
	gives(VG_STR("7 <34>one007 <34>two"), "|<34>one", VG_E_FORMAT);
}

/* A record of @n bytes, framed, and a short one behind it. */
static struct vg_buf
long_one(size_t n, bool counted, const char *end)
{
	struct vg_buf b = { 0 };

	if (counted)
		vg_buf_printf(&b, "%zu ", n);
	vg_buf_puts(&b, "<34>");
	for (size_t i = 4; i < n; i++)
		vg_buf_putc(&b, 'x');
	vg_buf_puts(&b, counted ? "7 <34>two" : end);
	if (!counted)
		vg_buf_puts(&b, "<34>two\n");
	assert_int_equal(b.rc, VG_OK);
	return b;
}

static void
longer_records_are_cut_and_told(void **state)
{
	static const size_t steps[] = { 4099, 65536, (size_t)4 << 20 };
	static const char *const ends[] = { "\n", "\r\n", "\0" };

	(void)state;
	for (int more = -3; more <= 5; more++)
		for (unsigned i = 0; i < 12; i++) {
			size_t n = (size_t)((int)VG_RECORD_RAW_MAX + more);
			struct vg_buf b = long_one(n, i % 4 == 3, ends[i % 4 % 2]);
			struct got g = { .refuse = i % 2 ? 3 : 0 };

			assert_int_equal(run(&g, vg_buf_str(&b), steps[i % 3]), VG_OK);
			assert_int_equal(g.n, 2);
			assert_int_equal(g.text.p[0], more > 0 ? '!' : '|');
			assert_memory_equal(g.text.p + g.text.n - 8, "|<34>two", 8);
			vg_buf_fini(&b);
			vg_buf_fini(&g.text);
		}
}

static void
what_is_far_too_long_costs_no_memory(void **state)
{
	static char x[65536];
	struct got g = { 0 };
	struct vg_framer f;
	size_t used;

	(void)state;
	memset(x, 'x', sizeof(x));
	vg_framer_init(&f, take, &g);
	for (unsigned i = 0; i < 160; i++) {
		assert_int_equal(vg_frame_feed(&f, vg_str_mem(x, sizeof(x)), &used), VG_OK);
		assert_true(f.part.cap <= 2 * VG_RECORD_RAW_MAX);
	}
	assert_int_equal(g.n, 1);
	assert_int_equal(g.last, VG_RECORD_RAW_MAX);
	assert_int_equal(vg_frame_feed(&f, VG_STR("\nnext\n"), &used), VG_OK);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.last, 4);
	assert_true(f.part.cap <= 4096); /* given back */
	vg_framer_fini(&f);
	vg_buf_fini(&g.text);
}

static void
a_frame_within_a_read_is_not_copied(void **state)
{
	struct got g = { 0 };
	struct vg_framer f;
	size_t used;

	(void)state;
	vg_framer_init(&f, take, &g);
	assert_int_equal(vg_frame_feed(&f, VG_STR("<34>one\n<34>two\n7 <34>one"), &used), VG_OK);
	assert_int_equal(g.n, 3);
	assert_int_equal(f.part.cap, 0);
	vg_framer_fini(&f);
	vg_buf_fini(&g.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_with_lf_crlf_or_nul),
		cmocka_unit_test(a_nul_within_a_line_stays),
		cmocka_unit_test(an_unended_last_line_is_a_record),
		cmocka_unit_test(counted_frames_hold_any_byte),
		cmocka_unit_test(a_counted_frame_that_is_not_whole_is_told),
		cmocka_unit_test(both_framings_on_one_connection),
		cmocka_unit_test(a_length_between_lines_hides_nothing),
		cmocka_unit_test(a_sender_that_counts_wrongly_is_found_again),
		cmocka_unit_test(an_absurd_length_ends_it),
		cmocka_unit_test(longer_records_are_cut_and_told),
		cmocka_unit_test(what_is_far_too_long_costs_no_memory),
		cmocka_unit_test(a_frame_within_a_read_is_not_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
