/* detect/multi.h: both engines give the answers that looking for one pattern after the other gives. */
#include "detect/multi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "detect/regex.h"

#define IDS 256

static uint32_t seed = 12345;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)seed >> 8) * n >> 24);
}

/* The blob at an address that is a multiple of 64, exactly as long as it is. */
static vg_str
aligned(const struct vg_buf *b)
{
	size_t n = (b->n + 63) & ~(size_t)63;
	char *p = aligned_alloc(64, n);

	assert_non_null(p);
	memcpy(p, b->p, b->n);
	return (vg_str){ p, b->n };
}

struct loaded {
	vg_str blob;
	struct vg_multi *m;
	struct vg_multi_scratch *s;
};

static void
load(struct loaded *l, const struct vg_multi_pattern *p, size_t n, enum vg_multi_engine e)
{
	struct vg_buf b = { 0 };

	assert_int_equal(vg_multi_build(p, n, e, &b), VG_OK);
	l->blob = aligned(&b);
	vg_buf_fini(&b);
	assert_int_equal(vg_multi_load(l->blob, &l->m), VG_OK);
	l->s = vg_multi_scratch_new(l->m);
	assert_non_null(l->s);
}

static void
unload(struct loaded *l)
{
	vg_multi_scratch_free(l->s);
	vg_multi_free(l->m);
	free((void *)(uintptr_t)l->blob.p);
}

static bool
mark(void *ctx, uint32_t id)
{
	bool *seen = ctx;

	assert_true(id < IDS);
	seen[id] = true;
	return false;
}

static void
compare(struct loaded *l, size_t nengine, const struct vg_multi_pattern *p, size_t n, vg_str text)
{
	bool want[IDS] = { false };

	for (size_t i = 0; i < n; i++) {
		if (p[i].flags & VG_MULTI_RE) {
			struct vg_regex *r = NULL;

			assert_int_equal(vg_regex_new(p[i].text, p[i].flags, &r), VG_OK);
			want[p[i].id] |= vg_regex_search(r, text);
			vg_regex_free(r);
		} else {
			want[p[i].id] |= p[i].text.n == 0 || vg_str_find(text, p[i].text) != VG_NPOS;
		}
	}
	for (size_t e = 0; e < nengine; e++) {
		bool got[IDS] = { false };

		assert_int_equal(vg_multi_scan(l[e].m, l[e].s, text, mark, got), VG_OK);
		for (size_t i = 0; i < n; i++)
			if (got[p[i].id] != want[p[i].id])
				fail_msg("engine %zu, pattern \"%.*s\" in \"%.*s\": %d", e, VG_STR_ARG(p[i].text),
					 VG_STR_ARG(text), got[p[i].id]);
	}
}

#ifdef VG_HAVE_HYPERSCAN
enum { ENGINES = 2 };
#else
enum { ENGINES = 1 };
#endif

static void
both_engines_agree_on_random_cases(void **state)
{
	static const char *const expr[] = { "a+b", "^ab", "b$", "\\bab\\b", "[^a]c", "(?i)ABC", "a.c", "a.{2,4}c", "(ab|bc)+c",
		"\xc3\xa9+", "[\xc3\xa0-\xc3\xbf]b", "^.{5}$", "x*", ".{70,}", "\\W\\w", "(a|b){3}c", "[^a-c]{2}", "(?i)\xc3\x89" };
	static const char *const piece[] = { "a", "b", "c", "A", "\xc3\xa9", "\xc3", "\xff", "\n", " ", "ab", "\xc3\x89" };
	struct vg_arena a;

	(void)state;
	vg_arena_init(&a, 64 << 20);
	for (int round = 0; round < 60; round++) {
		struct vg_multi_pattern p[60];
		struct loaded l[ENGINES];
		size_t n = 1 + rnd(60);

		for (size_t i = 0; i < n; i++) {
			char t[16] = "";

			p[i] = (struct vg_multi_pattern){ .id = rnd(IDS) };
			if (rnd(4) == 0) {
				p[i].text = vg_str_of(expr[rnd(VG_COUNT(expr))]);
				p[i].flags = VG_MULTI_RE | (rnd(8) << 1 & (VG_MULTI_RE_I | VG_MULTI_RE_M | VG_MULTI_RE_S));
				continue;
			}
			for (uint32_t k = rnd(8); k-- > 0;)
				strcat(t, piece[rnd(k % 2 ? 3 : VG_COUNT(piece))]);
			p[i].text = vg_str_dup(&a, vg_str_of(t));
		}
		for (int e = 0; e < ENGINES; e++)
			load(&l[e], p, n, (enum vg_multi_engine)e);
		for (int k = 0; k < 60; k++) {
			struct vg_buf text = { 0 };

			for (uint32_t i = rnd(k % 10 ? 20 : 120); i-- > 0;)
				vg_buf_puts(&text, piece[rnd(VG_COUNT(piece))]);
			compare(l, ENGINES, p, n, vg_buf_str(&text));
			vg_buf_fini(&text);
		}
		for (int e = 0; e < ENGINES; e++)
			unload(&l[e]);
	}
	vg_arena_fini(&a);
}

static void
literals_may_be_empty_long_and_hold_nul(void **state)
{
	char *big = malloc(5000);
	struct vg_multi_pattern p[] = {
		{ VG_STR("a\0b"), 0, 0 }, { VG_STR(""), 0, 1 }, { { big, 5000 }, 0, 2 }, { { big, 4000 }, 0, 3 },
		{ VG_STR("\xff"), 0, 4 }, { VG_STR("same"), 0, 5 }, { VG_STR("same"), 0, 6 },
	};
	struct loaded l[ENGINES];

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		big[i] = (char)('a' + i * i % 23);
	for (int e = 0; e < ENGINES; e++)
		load(&l[e], p, VG_COUNT(p), (enum vg_multi_engine)e);
	compare(l, ENGINES, p, VG_COUNT(p), VG_STR("xa\0by"));
	compare(l, ENGINES, p, VG_COUNT(p), VG_STR("\xff" "same"));
	compare(l, ENGINES, p, VG_COUNT(p), (vg_str){ big, 5000 });
	compare(l, ENGINES, p, VG_COUNT(p), (vg_str){ big, 4500 });
	compare(l, ENGINES, p, VG_COUNT(p), VG_NIL);
	for (int e = 0; e < ENGINES; e++)
		unload(&l[e]);
	for (int e = 0; e < ENGINES; e++) { /* nothing to look for */
		bool got[IDS] = { false };

		load(&l[e], p, 0, (enum vg_multi_engine)e);
		assert_int_equal(vg_multi_scan(l[e].m, l[e].s, VG_STR("abc"), mark, got), VG_OK);
		unload(&l[e]);
	}
	free(big);
}

static void
a_blob_that_is_not_ours_is_refused(void **state)
{
	static const struct vg_multi_pattern p[] = { { VG_STR_INIT("abc"), 0, 7 }, { VG_STR_INIT("a+b"), VG_MULTI_RE, 8 } };

	(void)state;
	for (int e = 0; e < ENGINES; e++) {
		struct vg_buf b = { 0 };
		struct vg_multi *m = NULL;

		assert_int_equal(vg_multi_build(p, 2, (enum vg_multi_engine)e, &b), VG_OK);
		for (size_t n = 0; n < b.n; n += 1 + n / 64) {
			struct vg_buf cut = { .p = b.p, .n = n };
			vg_str s = aligned(&cut);

			assert_int_not_equal(vg_multi_load(s, &m), VG_OK);
			free((void *)(uintptr_t)s.p);
		}
		for (size_t i = 0; i < b.n; i += 1 + i / 64) {
			vg_str s;

			b.p[i] ^= 0x55;
			s = aligned(&b);
			b.p[i] ^= 0x55;
			if (vg_multi_load(s, &m) == VG_OK) /* a byte of padding in the head */
				vg_multi_free(m);
			free((void *)(uintptr_t)s.p);
		}
		b.p[8] ^= 0x55; /* another version */
		{
			vg_str s = aligned(&b);

			assert_int_equal(vg_multi_load(s, &m), VG_E_REFUSED);
			free((void *)(uintptr_t)s.p);
		}
		vg_buf_fini(&b);
	}
}

static bool
stop_at_once(void *ctx, uint32_t id)
{
	(void)id;
	++*(int *)ctx;
	return true;
}

static void
the_caller_can_stop(void **state)
{
	static const struct vg_multi_pattern p[] = { { VG_STR_INIT("a"), 0, 1 }, { VG_STR_INIT("b"), 0, 2 },
		{ VG_STR_INIT("c+"), VG_MULTI_RE, 3 } };

	(void)state;
	for (int e = 0; e < ENGINES; e++) {
		struct loaded l;
		int calls = 0;

		load(&l, p, VG_COUNT(p), (enum vg_multi_engine)e);
		assert_int_equal(vg_multi_scan(l.m, l.s, VG_STR("abcabc"), stop_at_once, &calls), VG_OK);
		assert_int_equal(calls, 1);
		unload(&l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_engines_agree_on_random_cases),
		cmocka_unit_test(literals_may_be_empty_long_and_hold_nul),
		cmocka_unit_test(a_blob_that_is_not_ours_is_refused),
		cmocka_unit_test(the_caller_can_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
