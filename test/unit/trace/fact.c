#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "trace/fact.h"

static struct vg_keys *keys;
static struct vg_arena arena;

static struct vg_event
event_of(const char *action)
{
	struct vg_event e;

	vg_arena_reset(&arena);
	vg_event_init(&e, &arena, keys);
	e.time_ns = 5 * VG_SEC;
	e.host = VG_STR("SRV01");
	e.channel = VG_STR("Security");
	assert_int_equal(vg_event_add(&e, VG_STR("event.action"), VG_KIND_TEXT, vg_str_of(action)), VG_OK);
	return e;
}

static void
every_word_is_read(void **state)
{
	(void)state;
	for (int k = VG_FACT_NONE + 1; k < VG_FACT_KINDS; k++) {
		struct vg_event e = event_of(vg_fact_name((enum vg_fact_kind)k));
		struct vg_fact f;

		vg_fact_of(&e, &f);
		assert_int_equal(f.kind, k);
	}
}

static void
other_words_say_nothing(void **state)
{
	static const char *const word[] = { "", "sign", "sign-inx", "SIGN-IN", "log cleared" };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(word); i++) {
		struct vg_event e = event_of(word[i]);
		struct vg_fact f;

		vg_fact_of(&e, &f);
		assert_int_equal(f.kind, VG_FACT_NONE);
	}
}

static void
a_sign_in_is_read(void **state)
{
	struct vg_event e = event_of("sign-in");
	struct vg_fact f;

	(void)state;
	assert_int_equal(vg_event_add(&e, VG_STR("user.name"), VG_KIND_TEXT, VG_STR("bob")), VG_OK);
	assert_int_equal(vg_event_add(&e, VG_STR("source.ip"), VG_KIND_TEXT, VG_STR("10.0.0.9")), VG_OK);
	assert_int_equal(vg_event_add(&e, VG_STR("source.domain"), VG_KIND_TEXT, VG_STR("-")), VG_OK);
	assert_int_equal(vg_event_add(&e, VG_STR("logon.type"), VG_KIND_INT, VG_STR("10")), VG_OK);
	assert_int_equal(vg_event_add(&e, VG_STR("event.outcome"), VG_KIND_TEXT, VG_STR("failure")), VG_OK);
	vg_fact_of(&e, &f);
	assert_int_equal(f.logon_type, 10);
	assert_true(f.failed);
	assert_true(vg_str_eq(f.user, VG_STR("bob")));
	assert_true(vg_str_eq(f.host, VG_STR("SRV01")));
	assert_true(vg_str_eq(f.source_ip, VG_STR("10.0.0.9")));
	assert_int_equal(f.source_host.n, 0);
}

static void
what_is_encoded_is_decoded(void **state)
{
	struct vg_fact f = { .kind = VG_FACT_GROUP_ADDED, .failed = true, .logon_type = 3, .time_ns = -7,
			     .host = VG_STR("h"), .channel = VG_STR("c"), .user = VG_STR("u"), .domain = VG_STR("d"),
			     .target = VG_STR("t"), .member = VG_STR("m"), .source_ip = VG_STR("1.2.3.4"),
			     .source_host = VG_STR("s"), .session = VG_STR("0x1"), .method = VG_STR("NTLM") };
	struct vg_fact g;
	struct vg_buf b = { 0 }, b2 = { 0 };
	struct vg_cur in;

	(void)state;
	vg_fact_encode(&b, &f);
	in = vg_cur_of(b.p, b.n);
	assert_int_equal(vg_fact_decode(&in, &g), VG_OK);
	assert_int_equal(vg_cur_left(&in), 0);
	vg_fact_encode(&b2, &g);
	assert_true(vg_str_eq(vg_buf_str(&b), vg_buf_str(&b2)));
	for (size_t n = 0; n < b.n; n++) { /* every truncation is refused */
		char *cut = malloc(n ? n : 1);

		memcpy(cut, b.p, n);
		in = vg_cur_of(cut, n);
		assert_int_equal(vg_fact_decode(&in, &g), VG_E_TRUNC);
		free(cut);
	}
	for (size_t at = 0; at < b.n; at++) { /* any byte may be any other: no crash, no overrun */
		char *bad = malloc(b.n);

		for (int v = 0; v < 256; v += 17) {
			memcpy(bad, b.p, b.n);
			bad[at] = (char)v;
			in = vg_cur_of(bad, b.n);
			if (vg_fact_decode(&in, &g) == VG_OK)
				assert_true(g.kind < VG_FACT_KINDS);
		}
		free(bad);
	}
	vg_buf_fini(&b);
	vg_buf_fini(&b2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_is_read),
		cmocka_unit_test(other_words_say_nothing),
		cmocka_unit_test(a_sign_in_is_read),
		cmocka_unit_test(what_is_encoded_is_decoded),
	};
	int rc;

	keys = vg_keys_new();
	vg_arena_init(&arena, 1 << 20);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	return rc;
}
