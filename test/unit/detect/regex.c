/* detect/regex.h: what matches, what is refused, what must be there; and that time stays linear. */
#include "detect/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/utf.h"
#include "detect/multi.h"

#define I VG_MULTI_RE_I
#define M VG_MULTI_RE_M
#define S VG_MULTI_RE_S

static bool
found(const char *re, unsigned flags, vg_str text)
{
	struct vg_regex *r = NULL;
	char why[160] = "";
	char *copy = malloc(text.n ? text.n : 1); /* exact: ASan sees one byte too far */
	bool yes;

	if (vg_regex_check(vg_str_of(re), flags, why) != VG_OK)
		fail_msg("%s: %s", re, why);
	assert_int_equal(vg_regex_new(vg_str_of(re), flags, &r), VG_OK);
	memcpy(copy, text.p, text.n);
	yes = vg_regex_search(r, (vg_str){ copy, text.n });
	assert_int_equal(vg_regex_search(r, (vg_str){ copy, text.n }), yes); /* from the cache */
	vg_regex_free(r);
	free(copy);
	return yes;
}

static void
texts_match_or_do_not(void **state)
{
	static const struct {
		const char *re;
		unsigned flags;
		const char *yes[6], *no[6];
	} row[] = {
		{ "abc", 0, { "abc", "xxabcxx", "ababc" }, { "ab", "", "ABC" } },
		{ "abc", I, { "aBC" }, { "ab" } },
		{ "", 0, { "", "x" }, { 0 } },
		{ "a|", 0, { "", "b" }, { 0 } },
		{ "^abc$", 0, { "abc", "abc\n" }, { "abc\n\n", "xabc", "x\nabc", "abcx" } },
		{ "^abc$", M, { "abc", "x\nabc\ny" }, { "xabc" } },
		{ "\\Aabc\\z", M, { "abc" }, { "abc\n", "x\nabc" } },
		{ "a.c", 0, { "abc", "a\xc3\xa9" "c", "a\xff" "c" }, { "a\nc", "ac", "a\xc3\xa9\xc3\xa9" "c" } },
		{ "a.c", S, { "a\nc" }, { "ac" } },
		{ "^.$", 0, { "x", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xff", "\xc3" }, { "\xff\xff", "xx", "", "\xe9\xc3" } },
		{ "^[^a]$", 0, { "\xff", "\xc3\xa9", "\n" }, { "a", "\xc3\xa9\xc3\xa9" } },
		{ "[a-c]{2,3}x", 0, { "abx", "abcx", "abcabcx" }, { "ax" } },
		{ "^a{2}$", 0, { "aa" }, { "a", "aaa" } },
		{ "^a{,2}$", 0, { "", "a", "aa" }, { "aaa" } },
		{ "a{x}", 0, { "a{x}" }, { "a" } },
		{ "a{", 0, { "a{" }, { "a" } },
		{ "{\\d}", 0, { "{1}" }, { "1" } },
		{ "(a|b)*c", 0, { "c", "abac" }, { "ab" } },
		{ "^(?:a*)*$", 0, { "", "aaa" }, { "b" } },
		{ "a+?b??c*?d", 0, { "ad", "aabd", "acccd" }, { "d" } },
		{ "\\bcat\\b", 0, { "cat", "a cat.", "-cat-" }, { "cats", "concat", "_cat" } },
		{ "\\Bcat", 0, { "concat" }, { "cat", " cat" } },
		{ "^\\b", 0, { "a" }, { "", " a" } },
		{ "a\\b", 0, { "a", "a b", "a\n", "a\xc3\xa9" }, { "ab" } },
		{ "\\d\\w\\s", 0, { "1a ", "1_\t" }, { "1a", "a1 " } },
		{ "^\\D\\W\\S$", 0, { "a-b" }, { "1-b", "aab", "a- " } },
		{ "\\x41\\x{e9}\\t", 0, { "A\xc3\xa9\t" }, { "A\xe9\t" } },
		{ "[[:alpha:]][[:^digit:]][[:xdigit:]]", 0, { "xyf" }, { "x1f", "1yf" } },
		{ "[]a]", 0, { "]", "a" }, { "b" } },
		{ "[^]a]", 0, { "b" }, { "]", "a" } },
		{ "[a\\]b-]", 0, { "]", "-" }, { "c" } },
		{ "[\\w-]+$", 0, { "a-b" }, { "+" } },
		{ "(?i)Ab(?-i)C", 0, { "aBC" }, { "aBc" } },
		{ "a(?i:b)c", 0, { "aBc", "abc" }, { "aBC" } },
		{ "(?i)a|b", 0, { "B" }, { "c" } },
		{ "x(?s).", 0, { "x\n" }, { "x" } },
		{ "(?m)^b", 0, { "a\nb" }, { "ab" } },
		{ "(?P<n>a)(?<o>b)(?#note)c", 0, { "abc" }, { "ab" } },
		{ "\\Qa.b*\\Ec", 0, { "a.b*c" }, { "axbc" } },
		{ "\xc3\x89t\xc3\xa9", I, { "\xc3\xa9T\xc3\x89" }, { "ete" } },
		{ "k", I, { "K", "\xe2\x84\xaa" }, { "j" } },
		{ "(?i)[^k]", 0, { "j" }, { "K", "\xe2\x84\xaa" } },
		{ "(?i)^[\\W]$", 0, { "-" }, { "K", "k" } },
		{ "[-/\xe2\x80\x93]e", 0, { "\xe2\x80\x93" "e", "-e" }, { "\xe2\x80\x94" "e" } },
		{ "a\\.b\\\\c\\-\\_", 0, { "a.b\\c-_" }, { "axb\\c-_" } },
		{ "\\0\\012", 0, { 0 }, { "0" } },
		{ "^$", 0, { "", "\n" }, { "a" } },
		{ "$.", S, { "\n" }, { "a" } },
		{ "a$\\n", 0, { "a\n" }, { "a", "a\n\n" } },
		{ "x*", 0, { "", "y" }, { 0 } },
		{ "(a{0}b){2}", 0, { "bb" }, { "b" } },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++)
		for (size_t k = 0; k < 6; k++) {
			if (row[i].yes[k] && !found(row[i].re, row[i].flags, vg_str_of(row[i].yes[k])))
				fail_msg("%s does not find \"%s\"", row[i].re, row[i].yes[k]);
			if (row[i].no[k] && found(row[i].re, row[i].flags, vg_str_of(row[i].no[k])))
				fail_msg("%s finds \"%s\"", row[i].re, row[i].no[k]);
		}
	assert_true(found("\\0\\012", 0, VG_STR("\0\n")));
}

static void
what_cannot_run_is_refused_in_words(void **state)
{
	static const struct {
		const char *re;
		vg_rc rc;
	} row[] = {
		{ "(?=a)", VG_E_UNSUP }, { "(?!a)", VG_E_UNSUP }, { "(?<=a)", VG_E_UNSUP }, { "(?<!a)", VG_E_UNSUP },
		{ "(a)\\1", VG_E_UNSUP }, { "(?P=n)", VG_E_UNSUP }, { "a++", VG_E_UNSUP }, { "a{2}+", VG_E_UNSUP },
		{ "(?>a)", VG_E_UNSUP }, { "\\p{L}", VG_E_UNSUP }, { "(?R)", VG_E_UNSUP }, { "(?x)a", VG_E_UNSUP },
		{ "\\K", VG_E_UNSUP }, { "(", VG_E_FORMAT }, { ")", VG_E_FORMAT }, { "a)", VG_E_FORMAT },
		{ "[a", VG_E_FORMAT }, { "[]", VG_E_FORMAT }, { "*a", VG_E_FORMAT }, { "a**", VG_E_FORMAT },
		{ "a|*", VG_E_FORMAT }, { "a\\", VG_E_FORMAT }, { "[b-a]", VG_E_FORMAT }, { "a{3,2}", VG_E_FORMAT },
		{ "a{1001}", VG_E_LIMIT }, { "(a{1000}){1000}", VG_E_LIMIT }, { "((){1000}){1000}", VG_E_LIMIT },
		{ "\xff", VG_E_FORMAT }, { "\\x{110000}", VG_E_FORMAT }, { "[[:nope:]]", VG_E_FORMAT },
		{ "(?", VG_E_FORMAT }, { "(?i", VG_E_FORMAT }, { "(?P<", VG_E_FORMAT }, { "[\\", VG_E_FORMAT },
		{ "[a-\\", VG_E_FORMAT }, { "(?#", VG_E_FORMAT }, { "a{99999999999999999999}", VG_E_LIMIT },
	};
	char *deep = malloc(10000);

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++) {
		struct vg_regex *r = NULL;
		char why[160] = "";

		if (vg_regex_check(vg_str_of(row[i].re), 0, why) != row[i].rc)
			fail_msg("%s: %s", row[i].re, why);
		assert_true(why[0]);
		assert_int_equal(vg_regex_new(vg_str_of(row[i].re), 0, &r), row[i].rc);
		assert_null(r);
	}
	for (size_t n = 100; n <= 4000; n *= 2) {
		char why[160];

		memset(deep, '(', n);
		memset(deep + n, ')', n);
		assert_int_equal(vg_regex_check((vg_str){ deep, 2 * n }, 0, why), n <= 200 ? VG_OK : VG_E_LIMIT);
	}
	memset(deep, 'a', 10000);
	assert_int_equal(vg_regex_check((vg_str){ deep, 10000 }, 0, (char[160]){ 0 }), VG_E_LIMIT);
	free(deep);
}

static void
a_literal_that_must_be_there_is_found(void **state)
{
	static const struct {
		const char *re;
		unsigned flags;
		const char *folded, *exact;
	} row[] = {
		{ "net\\s+stop SuperBackupMan", 0, "stop superbackupman", "stop SuperBackupMan" },
		{ "(?i)\\\\Temp\\\\[a-z]+\\.EXE", 0, "\\temp\\", "\\" },
		{ "foo|bar", 0, "", "" },
		{ "xfoo1|xfoo2", 0, "xfoo", "xfoo" },
		{ "(?:abc)?de", 0, "de", "de" },
		{ "(ab){3}c*", 0, "ababab", "ababab" },
		{ "(ab)+c", 0, "abc", "abc" },
		{ "a[Bb]c", 0, "abc", "a" },
		{ ".*", 0, "", "" },
		{ "a{0}b", 0, "b", "b" },
		{ "\xc3\x89t\xc3\xa9", 0, "\xc3\xa9t\xc3\xa9", "\xc3\x89t\xc3\xa9" },
		{ "\\bcat\\b", 0, "cat", "cat" },
	};
	struct vg_arena a;

	(void)state;
	vg_arena_init(&a, 1 << 20);
	for (size_t i = 0; i < VG_COUNT(row); i++) {
		vg_str f = vg_regex_required(vg_str_of(row[i].re), row[i].flags, &a);
		vg_str e = vg_regex_literal(vg_str_of(row[i].re), row[i].flags, &a);

		if (!vg_str_eq(f, vg_str_of(row[i].folded)) || !vg_str_eq(e, vg_str_of(row[i].exact)))
			fail_msg("%s: \"%.*s\" and \"%.*s\"", row[i].re, VG_STR_ARG(f), VG_STR_ARG(e));
	}
	vg_arena_fini(&a);
}

/* A full cache, flushed or given up, changes no answer. */
static void
a_cache_that_overflows_changes_nothing(void **state)
{
	static const char *re[] = { "a.{14}b[^a]{3}c", "(?:[ab]{2}){200}c", "(x+x+)+y", ".{1000,}", "a.{900}b" };
	size_t n = 60000;
	char *text = malloc(n);
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(re); i++) {
		struct vg_regex *r = NULL;
		bool want;

		for (size_t k = 0; k < n; k++) {
			seed = seed * 1664525 + 1013904223;
			text[k] = "aab\xc3x"[seed >> 24 & 3];
		}
		assert_int_equal(vg_regex_new(vg_str_of(re[i]), 0, &r), VG_OK);
		want = i >= 3;
		if (vg_regex_search(r, (vg_str){ text, n }) != want)
			fail_msg("%s", re[i]);
		if (i == 0) {
			memcpy(text + n - 20, "a12345678901234baxxc", 20);
			assert_false(vg_regex_search(r, (vg_str){ text, n }));
			memcpy(text + n - 20, "a12345678901234bxyzc", 20);
			assert_true(vg_regex_search(r, (vg_str){ text, n }));
		}
		vg_regex_free(r);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_match_or_do_not),
		cmocka_unit_test(what_cannot_run_is_refused_in_words),
		cmocka_unit_test(a_literal_that_must_be_there_is_found),
		cmocka_unit_test(a_cache_that_overflows_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
