#include "role/learned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct vg_learned now, back;
static struct vg_buf entries, texts, out;

static vg_rc
read_text(const char *text)
{
	vg_buf_clear(&entries);
	vg_buf_clear(&texts);
	now = (struct vg_learned){ .name = VG_STR("a.csv"), .version = { 7, 8, 9 }, .looked_ns = 10, .loaded_ns = 11 };
	return vg_learned_read(vg_str_of(text), &now, &entries, &texts);
}

static void
what_was_read_comes_back(void **state)
{
	struct vg_cur c;
	char buf[VG_IOC_BUF];
	struct vg_ioc i;

	(void)state;
	assert_int_equal(read_text("type,value,source,expires,comment\nip,203.0.113.9,ANSSI,2027-01-31T00:00:00Z,x\nfoo,1,,,\ndomain,Evil[.]example.org,,,\n"), VG_OK);
	assert_int_equal(now.refused.n, 0);
	vg_buf_clear(&out);
	vg_learned_put(&out, &now);
	vg_buf_le64(&out, now.n.taken);
	vg_buf_put(&out, vg_buf_str(&entries));
	c = vg_cur_of(out.p, out.n);
	assert_int_equal(vg_learned_take(&c, &back), VG_OK);
	assert_true(vg_str_eq(back.name, now.name) && vg_learned_version_eq(&back.version, &now.version) && back.looked_ns == 10 && back.loaded_ns == 11);
	assert_int_equal(back.n.taken, 2);
	assert_int_equal(back.n.unknown, 1);
	assert_int_equal(vg_learned_entries(&back), 2);
	assert_int_equal(back.kind[VG_IOC_DOMAIN], 1);
	assert_int_equal(back.first_expiry_ns, back.last_expiry_ns);
	assert_int_equal(back.nproblem, 1);
	assert_int_equal(back.problem[0].at, 2);
	assert_int_equal(vg_cur_le64(&c), 2);
	assert_int_equal(vg_learned_take_entry(&c, buf, &i), VG_OK);
	assert_true(i.kind == VG_IOC_IP && vg_str_eq(i.value, VG_STR("203.0.113.9")) && vg_str_eq(i.source, VG_STR("ANSSI")) && i.bits == 128 && i.expires_ns == back.first_expiry_ns);
	assert_int_equal(vg_learned_take_entry(&c, buf, &i), VG_OK);
	assert_true(i.kind == VG_IOC_DOMAIN && vg_str_eq(i.value, VG_STR("evil.example.org")) && i.expires_ns == VG_TIME_NONE);
	assert_int_equal(vg_cur_left(&c), 0);
}

static void
every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t n = 0; n < out.n; n++) {
		char *cut = malloc(n + 1), buf[VG_IOC_BUF];
		struct vg_cur c = vg_cur_of(cut, n);
		struct vg_ioc i;
		vg_rc rc;

		assert_non_null(cut);
		memcpy(cut, out.p, n);
		rc = vg_learned_take(&c, &back);
		for (uint64_t k = vg_cur_le64(&c); rc == VG_OK && k; k--)
			rc = vg_learned_take_entry(&c, buf, &i);
		assert_true(rc != VG_OK || c.rc != VG_OK);
		free(cut);
	}
}

static void
what_is_no_use_as_a_whole_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = { { "type,value\nip,nonsense\n", "'nonsense' is no ip" }, { "{\"Event\": {", "JSON" }, { "type,value\nfoo,1\n", "not one that is matched" } };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		assert_int_equal(read_text(bad[i].text), VG_OK);
		assert_true(vg_str_find(now.refused, vg_str_of(bad[i].why)) != VG_NPOS);
	}
	assert_int_equal(read_text(""), VG_OK); /* nothing in it is nothing bad */
	assert_int_equal(now.refused.n, 0);
	assert_int_equal(read_text("type,value\nip,nonsense\nip,203.0.113.9\n"), VG_OK);
	assert_int_equal(now.refused.n, 0);
	assert_int_equal(now.n.bad, 1);
}

/* Of many problems the first are told, and the last: it says why the reading ended. */
static void
many_problems(void **state)
{
	struct vg_buf b = { 0 };

	(void)state;
	vg_buf_puts(&b, "{\"type\":\"bundle\",\"objects\":[");
	for (int i = 0; i < 60; i++)
		vg_buf_puts(&b, "{\"type\":\"indicator\",\"pattern_type\":\"stix\",\"pattern\":\"[x\"},");
	vg_buf_puts(&b, "{\"type\":");
	vg_buf_putc(&b, 0);
	assert_int_equal(read_text(b.p), VG_OK);
	assert_int_equal(now.nproblem, VG_LEARNED_PROBLEMS_MAX);
	assert_int_equal(now.n.bad, 61);
	assert_true(vg_str_find(now.refused, VG_STR("JSON")) != VG_NPOS);
	vg_buf_fini(&b);
}

static void
a_job_says_its_pieces_and_where_its_set_is(void **state)
{
	vg_str piece[] = { VG_STR("203.0.113.9"), VG_STR("evil.example.org") };
	struct vg_job j;

	(void)state;
	vg_buf_clear(&out);
	vg_job_put_head(&out, 42, piece, VG_COUNT(piece));
	assert_int_equal(out.n % 8, 0);
	vg_buf_puts(&out, "the set");
	assert_int_equal(vg_job_take(vg_buf_str(&out), &j), VG_OK);
	assert_true(j.number == 42 && j.npiece == 2 && vg_str_eq(j.piece[1], piece[1]) && vg_str_eq(j.set, VG_STR("the set")));
	free(j.piece);
	for (size_t n = 0; n < out.n - 7; n++) {
		char *cut = malloc(n + 1);

		assert_non_null(cut);
		memcpy(cut, out.p, n);
		assert_int_not_equal(vg_job_take(vg_str_mem(cut, n), &j), VG_OK);
		free(cut);
	}
	out.p[16] = 8; /* the set would begin within the head */
	assert_int_equal(vg_job_take(vg_buf_str(&out), &j), VG_E_FORMAT);
}

static void
names_are_of_their_own(void **state)
{
	char a[VG_DISK_NAME_MAX], b[VG_DISK_NAME_MAX];

	(void)state;
	vg_learned_name(VG_STR("a.csv"), a);
	vg_learned_name(VG_STR("../../a.csv"), b);
	assert_string_not_equal(a, b);
	assert_null(strchr(b, '/'));
	assert_string_equal(a + 24, VG_LEARNED_SUFFIX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_comes_back),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_is_no_use_as_a_whole_is_refused_with_a_reason),
		cmocka_unit_test(many_problems),
		cmocka_unit_test(a_job_says_its_pieces_and_where_its_set_is),
		cmocka_unit_test(names_are_of_their_own),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);

	vg_buf_fini(&entries);
	vg_buf_fini(&texts);
	vg_buf_fini(&out);
	return bad;
}
