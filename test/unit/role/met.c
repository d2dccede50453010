#include "role/met.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct vg_buf blob;
static struct vg_met_set set;
static struct vg_met_list list;
static struct vg_found found;
static struct vg_arena arena;
static struct vg_keys *keys;
static struct vg_event event;

static void
add(struct vg_indicator_build *b, const char *file, const char *source, const char *value, const char *note, int64_t expires_ns)
{
	char buf[VG_IOC_BUF];
	struct vg_ioc i = { .source = VG_NIL };

	assert_int_equal(vg_ioc_set(&i, VG_IOC_KINDS, vg_str_of(value), buf), VG_OK);
	i.source = vg_str_of(source);
	i.note = vg_str_of(note);
	i.expires_ns = expires_ns;
	assert_int_equal(vg_indicator_build_add(b, vg_str_of(file), &i), VG_OK);
}

static int
memory(vg_str bytes, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int
up(void **state)
{
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_indicator_made made;
	int fd;

	(void)state;
	add(b, "a.csv", "ANSSI", "203.0.113.9", "", 100 * VG_SEC);
	add(b, "b.csv", "CERT", "203.0.113.9", "bad host", VG_TIME_NONE);
	add(b, "b.csv", "CERT", "evil.example.org", "", VG_TIME_NONE);
	add(b, "c.csv", "", "old.example.org", "", 50 * VG_SEC);
	assert_int_equal(vg_indicator_build_finish(b, &blob, &made), VG_OK);
	vg_indicator_build_free(b);
	fd = memory(vg_buf_str(&blob), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	assert_int_equal(vg_met_open(&set, fd), VG_OK);
	close(fd);
	keys = vg_keys_new();
	vg_arena_init(&arena, 1 << 20);
	vg_event_init(&event, &arena, keys);
	return 0;
}

static int
down(void **state)
{
	(void)state;
	vg_met_fini(&list);
	vg_met_close(&set);
	vg_buf_fini(&blob);
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	return 0;
}

/* What trace takes of what the event meets. */
static void
meet(const char *text, int64_t now_ns)
{
	struct vg_buf b = { 0 };
	static char kept[65536];
	struct vg_cur c;

	vg_event_reset(&event);
	assert_int_equal(vg_event_add(&event, VG_STR("message"), VG_KIND_TEXT, vg_str_of(text)), VG_OK);
	assert_int_equal(vg_met_event(&list, &set.x, &event, now_ns), VG_OK);
	found = (struct vg_found){ .tenant = 1, .source = 2, .seq = 3, .nmet = list.n, .met_bytes = vg_buf_str(&list.b), .wire = VG_STR("wire") };
	vg_found_put(&b, &found);
	assert_in_range(b.n, 1, sizeof(kept));
	memcpy(kept, b.p, b.n);
	c = vg_cur_of(kept, b.n);
	memset(&found, 0xee, sizeof(found));
	assert_int_equal(vg_found_take(&c, &found), VG_OK);
	assert_int_equal(vg_cur_left(&c), 0);
	assert_true(vg_str_eq(found.wire, VG_STR("wire")));
	for (size_t n = 0; n < b.n; n++) { /* every truncation is refused */
		char *cut = malloc(n + 1);
		static struct vg_found f;

		assert_non_null(cut);
		memcpy(cut, b.p, n);
		c = vg_cur_of(cut, n);
		assert_int_equal(vg_found_take(&c, &f), VG_E_TRUNC);
		free(cut);
	}
	vg_buf_fini(&b);
}

static void
all_that_say_so_are_one_hit(void **state)
{
	const struct vg_met *m = found.met;

	(void)state;
	meet("GET evil.example.org from 203.0.113.9 and again 203.0.113.9", 10 * VG_SEC);
	assert_int_equal(found.nmet, 2);
	m = vg_str_eq(found.met[0].value, VG_STR("203.0.113.9")) ? &found.met[0] : &found.met[1];
	assert_true(vg_str_eq(m->value, VG_STR("203.0.113.9")) && m->kind == VG_IOC_IP);
	assert_true(vg_str_eq(m->file, VG_STR("b.csv, a.csv")) || vg_str_eq(m->file, VG_STR("a.csv, b.csv")));
	assert_true(vg_str_find(m->source, VG_STR("ANSSI")) != VG_NPOS && vg_str_find(m->source, VG_STR("CERT")) != VG_NPOS);
	assert_true(vg_str_eq(m->note, VG_STR("bad host")) && vg_str_eq(m->field, VG_STR("message")) && vg_str_eq(m->found, VG_STR("203.0.113.9")));
	assert_true(m->expires_ns == VG_TIME_NONE); /* one of them never does */
}

static void
what_expired_is_not_met(void **state)
{
	(void)state;
	meet("old.example.org 203.0.113.9", 49 * VG_SEC);
	assert_int_equal(found.nmet, 2);
	meet("old.example.org 203.0.113.9", 50 * VG_SEC);
	assert_int_equal(found.nmet, 1);
	assert_true(vg_str_find(found.met[0].file, VG_STR("a.csv")) != VG_NPOS);
	meet("old.example.org 203.0.113.9", 100 * VG_SEC);
	assert_int_equal(found.nmet, 1);
	assert_true(vg_str_eq(found.met[0].file, VG_STR("b.csv")));
	meet("nothing", 0);
	assert_int_equal(found.nmet, 0);
}

static void
memory_that_others_may_change_is_not_taken(void **state)
{
	struct vg_met_set other = { .bytes = 0 };
	int fd = memory(vg_buf_str(&blob), F_SEAL_SHRINK | F_SEAL_GROW);

	(void)state;
	assert_int_equal(vg_met_open(&other, fd), VG_E_REFUSED);
	close(fd);
	fd = memory(vg_str_cut(vg_buf_str(&blob), 100), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	assert_int_equal(vg_met_open(&set, fd), VG_E_TRUNC);
	close(fd);
	meet("203.0.113.9", 0); /* the one before works on */
	assert_int_equal(found.nmet, 1);
}

static void
a_kind_that_is_none_is_refused(void **state)
{
	struct vg_met m = { .kind = VG_IOC_KINDS };
	struct vg_buf b = { 0 };
	struct vg_cur c;

	(void)state;
	vg_met_put(&b, &m);
	c = vg_cur_of(b.p, b.n);
	assert_int_equal(vg_met_take(&c, &m), VG_E_FORMAT);
	vg_buf_fini(&b);
	found = (struct vg_found){ .nmet = VG_FOUND_MET_MAX + 1 };
	vg_found_put(&b, &found);
	c = vg_cur_of(b.p, b.n);
	assert_int_equal(vg_found_take(&c, &found), VG_E_LIMIT);
	vg_buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_say_so_are_one_hit),
		cmocka_unit_test(what_expired_is_not_met),
		cmocka_unit_test(memory_that_others_may_change_is_not_taken),
		cmocka_unit_test(a_kind_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, up, down);
}
