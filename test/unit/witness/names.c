#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "witness/names.h"

static void
only_names_of_the_table(void **state)
{
	static const struct {
		const char *name;
		enum vg_shared what;
	} row[] = {
		{ "log.pub", VG_SHARED_LOG_KEY }, { "2026-04-03.0000.vs", VG_SHARED_SEGMENT }, { "keys/2026-04-03", VG_SHARED_KEY }, { "keys/a.b_c-d", VG_SHARED_KEY },
		{ "stamps/42.tsr", VG_SHARED_STAMP }, { "stamps/18446744073709551615.tsr", VG_SHARED_STAMP }, { "seen/2026-04-03.notes", VG_SHARED_SEEN },
		{ "tile/0/000", VG_SHARED_TILE }, { "tile/0/x001/234", VG_SHARED_TILE }, { "tile/3/x001/x234/067.p/255", VG_SHARED_TILE },
		{ "", VG_SHARED_NOT }, { "log.key", VG_SHARED_NOT }, { "log.pub ", VG_SHARED_NOT }, { "checkpoint", VG_SHARED_NOT }, { "2026-04-03.0000.vs.part", VG_SHARED_NOT },
		{ "2026-04-03.000.vs", VG_SHARED_NOT }, { "x2026-04-03.0000.vs", VG_SHARED_NOT }, { "keys/", VG_SHARED_NOT }, { "keys/..", VG_SHARED_NOT },
		{ "keys/.hidden", VG_SHARED_NOT }, { "keys/a/b", VG_SHARED_NOT }, { "keys/../log.key", VG_SHARED_NOT }, { "stamps/.tsr", VG_SHARED_NOT },
		{ "stamps/184467440737095516150.tsr", VG_SHARED_NOT }, { "stamps/4x.tsr", VG_SHARED_NOT }, { "tile/0/00", VG_SHARED_NOT },
		{ "tile/0/000.p/", VG_SHARED_NOT }, { "tile/0/../000", VG_SHARED_NOT }, { "/log.pub", VG_SHARED_NOT }, { "./log.pub", VG_SHARED_NOT },
	};
	char longest[VG_TENANT_NAME_MAX + 8];

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++)
		if (vg_shared_of(vg_str_of(row[i].name)) != row[i].what)
			fail_msg("%s is %d", row[i].name, (int)vg_shared_of(vg_str_of(row[i].name)));
	assert_int_equal(vg_shared_of(VG_STR("log.pub\0")), VG_SHARED_NOT);
	memset(longest, 'a', sizeof(longest));
	assert_true(vg_is_tenant_name(vg_str_mem(longest, VG_TENANT_NAME_MAX - 1)) && !vg_is_tenant_name(vg_str_mem(longest, VG_TENANT_NAME_MAX)));
	assert_true(vg_is_tenant_name(VG_STR("acme-2.fr_x")) && !vg_is_tenant_name(VG_STR("..")) && !vg_is_tenant_name(VG_STR("")) && !vg_is_tenant_name(VG_STR("a/b")));
}

static vg_rc
count(void *ctx, vg_str name, enum vg_shared what, uint64_t size)
{
	(void)name;
	assert_true(what != VG_SHARED_NOT);
	*(uint64_t *)ctx += size;
	return VG_OK;
}

static vg_rc
count_tenant(void *ctx, vg_str name)
{
	(void)name;
	*(uint64_t *)ctx += 1;
	return VG_OK;
}

static void
lists_to_the_byte(void **state)
{
	static const char *const wrong[] = {
		"1 log.pub", "1 log.pub\n\n", " 1 log.pub\n", "01 log.pub\n", "-1 log.pub\n", "0x1 log.pub\n", "1  log.pub\n", "1 log.key\n", "1 tile/0/000\n",
		"1 log.pub\n1 log.pub\n", "1 log.pub\n1 keys/a\n", "9223372036854775808 log.pub\n", "log.pub\n", "1 ../log.pub\n", "1 log.pub\r\n", "\n",
	};
	uint64_t sum = 0;

	(void)state;
	assert_int_equal(vg_list_parse(VG_NIL, count, &sum), VG_OK);
	assert_int_equal(vg_list_parse(VG_STR("10 2026-04-03.0000.vs\n0 keys/a\n5 log.pub\n"), count, &sum), VG_OK);
	assert_int_equal(sum, 15);
	for (size_t i = 0; i < VG_COUNT(wrong); i++)
		if (vg_list_parse(vg_str_of(wrong[i]), count, &sum) != VG_E_FORMAT)
			fail_msg("taken: %s", wrong[i]);
	sum = 0;
	assert_int_equal(vg_tenants_parse(VG_STR("acme\nbeta\n"), count_tenant, &sum), VG_OK);
	assert_int_equal(sum, 2);
	assert_int_equal(vg_tenants_parse(VG_STR("beta\nacme\n"), count_tenant, &sum), VG_E_FORMAT);
	assert_int_equal(vg_tenants_parse(VG_STR("a/b\n"), count_tenant, &sum), VG_E_FORMAT);
	assert_int_equal(vg_tenants_parse(VG_STR("acme"), count_tenant, &sum), VG_E_FORMAT);
}

static void
touch(int dir, const char *name, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0 && ftruncate(fd, (off_t)n) == 0);
	close(fd);
}

static void
a_folder_as_it_is_listed(void **state)
{
	char path[] = "/tmp/test-names-XXXXXX", command[64];
	struct vg_buf b = { 0 };
	uint64_t sum = 0, size;
	int dir, fd;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0 && mkdirat(dir, "keys", 0700) == 0 && mkdirat(dir, "2026-04-05.0000.vs", 0700) == 0 && mkdirat(dir, "seen", 0700) == 0);
	touch(dir, "2026-04-04.0000.vs", 7);
	touch(dir, "2026-04-03.0000.vs", 3);
	touch(dir, "log.key", 1);
	touch(dir, "log.pub", 2);
	touch(dir, "keys/k", 4);
	touch(dir, "seen/2026-04-03.notes", 9);
	assert_int_equal(symlinkat("log.key", dir, "2026-04-06.0000.vs"), 0);
	assert_int_equal(vg_list_print(dir, &b), VG_OK);
	assert_true(vg_str_eq(vg_buf_str(&b), VG_STR("3 2026-04-03.0000.vs\n7 2026-04-04.0000.vs\n4 keys/k\n2 log.pub\n")));
	assert_int_equal(vg_list_parse(vg_buf_str(&b), count, &sum), VG_OK);
	assert_int_equal(vg_shared_open(dir, "2026-04-06.0000.vs", &fd, &size), VG_E_NOTFOUND);
	assert_int_equal(vg_shared_open(dir, "2026-04-05.0000.vs", &fd, &size), VG_E_NOTFOUND);
	assert_int_equal(vg_shared_open(dir, "none/x", &fd, &size), VG_E_NOTFOUND);
	assert_int_equal(vg_shared_open(dir, "keys/k", &fd, &size), VG_OK);
	assert_int_equal(size, 4);
	close(fd);
	vg_buf_clear(&b);
	assert_int_equal(vg_tenants_print(dir, &b), VG_OK);
	assert_true(vg_str_eq(vg_buf_str(&b), VG_STR("2026-04-05.0000.vs\nkeys\nseen\n")));
	vg_buf_fini(&b);
	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_names_of_the_table), cmocka_unit_test(lists_to_the_byte), cmocka_unit_test(a_folder_as_it_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
