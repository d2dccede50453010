#include "collect.h"

#include "source/utmp.h"

static void
put(struct vg_buf *b, uint16_t type, uint32_t pid, const char *line, const char *user, const char *host, uint32_t sec,
    const uint8_t addr[16])
{
	char r[VG_UTMP_RECORD] = { 0 };
	uint32_t usec = 250000;

	memcpy(r, &type, 2);
	memcpy(r + 4, &pid, 4);
	memcpy(r + 8, line, strlen(line));
	memcpy(r + 44, user, strlen(user));
	memcpy(r + 76, host, strlen(host));
	memcpy(r + 340, &sec, 4);
	memcpy(r + 344, &usec, 4);
	memcpy(r + 348, addr, 16);
	vg_buf_put(b, vg_str_mem(r, sizeof(r)));
}

static const uint8_t v4[16] = { 198, 51, 100, 7 };
static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
static const uint8_t mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9 };
static const uint8_t none[16];

static void
records_are_read(void **state)
{
	struct vg_buf b = { 0 };

	(void)state;
	put(&b, 2, 0, "~", "reboot", "6.1.0", 1600000000, none);
	put(&b, 7, 77, "pts/0", "alice", "198.51.100.7", 1600000100, v4);
	put(&b, 8, 77, "pts/0", "", "", 1600000200, v6);
	assert_string_equal(collect_read(&c, "utmp", vg_buf_str(&b), "/var/log/wtmp.1", 0),
		"[2020-09-13T12:26:40.250Z #1 |wtmp||]\nprogram=wtmp\nut_type=2\nut_type_name=BOOT_TIME\nut_pid=0\nut_line=~\nut_user=reboot\nut_host=6.1.0\n"
		"[2020-09-13T12:28:20.250Z #2 |wtmp||]\nprogram=wtmp\nut_type=7\nut_type_name=USER_PROCESS\nut_pid=77\nut_line=pts/0\nut_user=alice\nut_host=198.51.100.7\nut_addr=198.51.100.7\n"
		"[2020-09-13T12:30:00.250Z #3 |wtmp||]\nprogram=wtmp\nut_type=8\nut_type_name=DEAD_PROCESS\nut_pid=77\nut_line=pts/0\nut_addr=2001:db8::1\n");
	assert_int_equal(c.notes, 0);
	assert_string_equal(probe_name(b.p, b.n, "f"), "utmp");
	for (size_t n = 0; n < b.n; n++) {
		(void)collect_read(&c, "utmp", vg_str_mem(b.p, n), "wtmp", n % 9);
		assert_int_equal(c.note[VG_NOTE_TRUNCATED], n % VG_UTMP_RECORD != 0);
	}
	vg_buf_clear(&b);
	put(&b, 6, 1, "ssh:notty", "root", "x", 1600000000, mapped);
	assert_string_equal(collect_read(&c, "utmp", vg_buf_str(&b), "btmp", 0),
		"[2020-09-13T12:26:40.250Z #1 |btmp||]\nprogram=btmp\nut_type=6\nut_type_name=LOGIN_PROCESS\nut_pid=1\nut_line=ssh:notty\nut_user=root\nut_host=x\nut_addr=203.0.113.9\n");
	vg_buf_fini(&b);
}

static void
traces_of_editing_are_noted(void **state)
{
	struct vg_buf b = { 0 };
	char zero[2 * VG_UTMP_RECORD] = { 0 };

	(void)state;
	put(&b, 7, 1, "pts/0", "a", "", 1600000000, none);
	vg_buf_put(&b, vg_str_mem(zero, sizeof(zero)));
	put(&b, 7, 2, "pts/1", "b", "", 1600001000, none);
	put(&b, 7, 3, "pts/2", "c", "", 1600000500, none); /* before the one before */
	put(&b, 7, 4, "pts/3", "d", "", 1600000490, none); /* less than what is noted */
	vg_buf_put(&b, vg_str_mem(zero, VG_UTMP_RECORD));
	(void)collect_read(&c, "utmp", vg_buf_str(&b), "wtmp", 0);
	assert_int_equal(c.events, 4);
	assert_int_equal(c.note[VG_NOTE_ERASED], 3);
	assert_string_equal(probe_name(b.p, b.n, "f"), "utmp");
	(void)collect_read(&c, "utmp", vg_buf_str(&b), "utmp", 0);
	assert_int_equal(c.note[VG_NOTE_ERASED], 2);
	vg_buf_fini(&b);
}

static void
others_are_not_taken(void **state)
{
	char text[1024];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_string_not_equal(probe_name(text, sizeof(text), "f"), "utmp");
	memset(text, 0, sizeof(text));
	assert_string_not_equal(probe_name(text, sizeof(text), "f"), "utmp");
	assert_string_equal(probe_name(text, sizeof(text), "wtmp"), "utmp");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read),
		cmocka_unit_test(traces_of_editing_are_noted),
		cmocka_unit_test(others_are_not_taken),
	};

	return cmocka_run_group_tests(tests, collect_up, collect_down);
}
