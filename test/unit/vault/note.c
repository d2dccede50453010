#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "vault/note.h"

/* The example of Go's package golang.org/x/mod/sumdb/note. */
#define GO_KEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define GO_TEXT "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
#define GO_NOTE GO_TEXT "\n\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

static void
another_programs_note_is_read(void **state)
{
	struct vg_note_key k;
	struct vg_buf b = { 0 };
	vg_str text;

	(void)state;
	assert_int_equal(vg_note_key_parse(VG_STR(GO_KEY), &k), VG_OK);
	assert_string_equal(k.name, "PeterNeumann");
	vg_note_key_print(&k, &b);
	assert_true(vg_str_eq(vg_buf_str(&b), VG_STR(GO_KEY)));
	assert_int_equal(vg_note_text(VG_STR(GO_NOTE), &text), VG_OK);
	assert_true(vg_str_eq(text, VG_STR(GO_TEXT)));
	assert_true(vg_note_is_signed(VG_STR(GO_NOTE), &k));
	vg_buf_fini(&b);
}

static void
secret_of(const char *name, uint8_t first, struct vg_note_secret *out)
{
	uint8_t seed[32] = { first };

	assert_int_equal(vg_note_key_of_seed(vg_str_of(name), seed, out), VG_OK);
}

static void
two_sign_and_a_third(void **state)
{
	static const char text[] = "vigie.example/acme\n42\nAAAA\n\nand an empty line\n";
	struct vg_note_secret log, day, witness, other;
	const struct vg_note_secret *both[] = { &log, &day };
	struct vg_buf note = { 0 }, more = { 0 };
	vg_str got;

	(void)state;
	secret_of("log", 1, &log);
	secret_of("day", 2, &day);
	secret_of("witness", 3, &witness);
	secret_of("log", 4, &other); /* the same name, another key */
	assert_int_equal(vg_note_sign(vg_str_of(text), both, 2, &note), VG_OK);
	assert_int_equal(vg_note_cosign(vg_buf_str(&note), &witness, &more), VG_OK);
	assert_int_equal(vg_note_text(vg_buf_str(&more), &got), VG_OK);
	assert_true(vg_str_eq(got, vg_str_of(text)));
	assert_true(vg_note_is_signed(vg_buf_str(&more), &log.key));
	assert_true(vg_note_is_signed(vg_buf_str(&more), &day.key));
	assert_true(vg_note_is_signed(vg_buf_str(&more), &witness.key));
	assert_false(vg_note_is_signed(vg_buf_str(&note), &witness.key));
	assert_false(vg_note_is_signed(vg_buf_str(&more), &other.key));
	for (size_t i = 0; i < more.n; i++) { /* no bit of it can be another one */
		more.p[i] ^= 1;
		assert_false(vg_note_is_signed(vg_buf_str(&more), &log.key) && vg_note_is_signed(vg_buf_str(&more), &day.key) &&
			     vg_note_is_signed(vg_buf_str(&more), &witness.key));
		more.p[i] ^= 1;
	}
	vg_note_secret_fini(&log);
	for (size_t i = 0; i < sizeof(log.secret); i++)
		assert_int_equal(log.secret[i], 0);
	vg_buf_fini(&note);
	vg_buf_fini(&more);
}

static void
what_is_none(void **state)
{
	static const char *const notes[] = {
		"", "\n", "a\n", "a\n\n", "\n\n", GO_TEXT, GO_TEXT "\n", GO_TEXT "\nPeterNeumann x08g=\n", GO_TEXT "\n\xe2\x80\x94 \n",
		GO_TEXT "\n\xe2\x80\x94 Peter\n", "a\tb" GO_NOTE, "a\rb" GO_NOTE, "\xff" GO_NOTE, GO_NOTE "x", GO_NOTE "\n",
	};
	static const char *const keys[] = {
		"", "+", "a+b", "a+c74f20a3+", "Peter+Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
	};
	static const char *const names[] = { "", "a b", "a+b", "a\nb", "\x7f", "\xff", "a\xc2\xa0" };
	struct vg_note_secret s;
	struct vg_note_key k;
	struct vg_buf b = { 0 };
	uint8_t seed[32] = { 1 };
	char *big = calloc(1, VG_NOTE_BYTES_MAX + 2);
	vg_str text;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(notes); i++)
		assert_int_equal(vg_note_text(vg_str_of(notes[i]), &text), VG_E_FORMAT);
	for (size_t i = 0; i < VG_COUNT(keys); i++)
		assert_int_not_equal(vg_note_key_parse(vg_str_of(keys[i]), &k), VG_OK);
	for (size_t i = 0; i < VG_COUNT(names); i++)
		assert_int_equal(vg_note_key_of_seed(vg_str_of(names[i]), seed, &s), VG_E_FORMAT);
	assert_int_equal(vg_note_text(vg_str_mem(big, VG_NOTE_BYTES_MAX + 1), &text), VG_E_LIMIT);
	secret_of("log", 1, &s);
	assert_int_equal(vg_note_sign(VG_STR("no new line"), (const struct vg_note_secret *[]){ &s }, 1, &b), VG_E_FORMAT);
	assert_int_equal(vg_note_sign(VG_STR("a\n"), NULL, 0, &b), VG_E_FORMAT);
	assert_int_equal(vg_note_sign(VG_STR("a\n"), (const struct vg_note_secret *[]){ &s }, 1, &b), VG_OK);
	for (int i = 1; i < VG_NOTE_SIGNATURES_MAX; i++) {
		struct vg_buf c = { 0 };

		assert_int_equal(vg_note_cosign(vg_buf_str(&b), &s, &c), VG_OK);
		vg_buf_fini(&b);
		b = c;
	}
	assert_true(vg_note_is_signed(vg_buf_str(&b), &s.key));
	vg_buf_puts(&b, "\xe2\x80\x94 one-more eA==\n"); /* of a kind that is not ours, and one too many */
	assert_int_equal(vg_note_text(vg_buf_str(&b), &text), VG_E_LIMIT);
	free(big);
	vg_buf_fini(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_programs_note_is_read), cmocka_unit_test(two_sign_and_a_third), cmocka_unit_test(what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
