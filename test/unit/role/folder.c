#include "role/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/loop.h"

static char path[] = "/tmp/folder-XXXXXX";
static struct vg_folder f;
static struct vg_folder_item item;

static void
put(const char *name, const char *text)
{
	char full[300];
	FILE *out;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	assert_non_null(out = fopen(full, "w"));
	fputs(text, out);
	fclose(out);
}

static void
drop(const char *name)
{
	char full[300];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	assert_int_equal(unlink(full), 0);
}

/* Long behind all changes. */
static void
look(void)
{
	vg_folder_look(&f, vg_clock_ns() + 3600 * VG_SEC);
}

static void
expect(enum vg_folder_what what, const char *name)
{
	vg_folder_next(&f, &item);
	assert_int_equal(item.what, what);
	if (name)
		assert_string_equal(item.name, name);
	assert_int_equal(item.fd >= 0, what == VG_FOLDER_FILE);
	if (item.fd >= 0)
		close(item.fd);
	if (what == VG_FOLDER_FILE) {
		struct vg_folder_item more;

		vg_folder_next(&f, &more);
		assert_int_equal(more.what, VG_FOLDER_NOTHING); /* one at a time */
	}
}

static int
up(void **state)
{
	(void)state;
	strcpy(path, "/tmp/folder-XXXXXX");
	assert_non_null(mkdtemp(path));
	vg_folder_init(&f, path);
	return 0;
}

static int
down(void **state)
{
	char command[100];

	(void)state;
	vg_folder_fini(&f);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command);
}

static void
files_are_given_once_and_again_when_they_change(void **state)
{
	(void)state;
	look();
	expect(VG_FOLDER_LISTED, NULL);
	expect(VG_FOLDER_NOTHING, NULL);
	put("a.csv", "x");
	look();
	expect(VG_FOLDER_FILE, "a.csv");
	vg_folder_done(&f);
	expect(VG_FOLDER_LISTED, NULL);
	look();
	expect(VG_FOLDER_NOTHING, NULL);
	put("a.csv", "xy");
	look();
	expect(VG_FOLDER_FILE, "a.csv");
	assert_int_equal(item.v.size, 2);
	vg_folder_done(&f);
	expect(VG_FOLDER_LISTED, NULL);
	drop("a.csv");
	look();
	expect(VG_FOLDER_GONE, "a.csv");
	expect(VG_FOLDER_LISTED, NULL);
	expect(VG_FOLDER_NOTHING, NULL);
}

static void
one_that_is_still_written_waits(void **state)
{
	(void)state;
	put("a.csv", "x");
	vg_folder_look(&f, vg_clock_ns());
	expect(VG_FOLDER_LISTED, NULL);
	put("a.csv", "xx");
	vg_folder_look(&f, vg_clock_ns());
	expect(VG_FOLDER_NOTHING, NULL);
	vg_folder_look(&f, vg_clock_ns());
	expect(VG_FOLDER_FILE, "a.csv");
}

static void
what_is_no_file_is_told_and_not_opened(void **state)
{
	char full[300];

	(void)state;
	put(".hidden", "x");
	put("b.csv.tmp", "x");
	put("c.csv~", "x");
	snprintf(full, sizeof(full), "%s/link", path);
	assert_int_equal(symlink("/etc/passwd", full), 0);
	look();
	expect(VG_FOLDER_BAD, "link");
	assert_non_null(strstr(item.why, "a link"));
	snprintf(full, sizeof(full), "%s/pipe", path);
	assert_int_equal(mkfifo(full, 0600), 0); /* opening one would wait for ever */
	look();
	expect(VG_FOLDER_BAD, "pipe");
	snprintf(full, sizeof(full), "%s/sub", path);
	assert_int_equal(mkdir(full, 0700), 0);
	look();
	expect(VG_FOLDER_BAD, "sub");
	expect(VG_FOLDER_LISTED, NULL);
	expect(VG_FOLDER_NOTHING, NULL);
}

static void
a_file_over_which_readers_end_is_left_until_it_changes(void **state)
{
	(void)state;
	put("a.csv", "x");
	look();
	expect(VG_FOLDER_FILE, "a.csv");
	vg_folder_died(&f, "was killed");
	expect(VG_FOLDER_FILE, "a.csv"); /* it may have been no fault of its */
	vg_folder_died(&f, "was killed again");
	expect(VG_FOLDER_BAD, "a.csv");
	assert_non_null(strstr(item.why, "was killed again"));
	expect(VG_FOLDER_LISTED, NULL);
	look();
	expect(VG_FOLDER_NOTHING, NULL);
	put("a.csv", "better");
	look();
	expect(VG_FOLDER_FILE, "a.csv");
	vg_folder_done(&f);
	expect(VG_FOLDER_LISTED, NULL);
	vg_folder_died(&f, "was killed"); /* while it read none */
	expect(VG_FOLDER_FILE, "a.csv");
	vg_folder_done(&f);
	expect(VG_FOLDER_LISTED, NULL);
}

static void
a_folder_that_is_away_is_no_order_to_forget(void **state)
{
	char other[100];

	(void)state;
	put("a.csv", "x");
	look();
	expect(VG_FOLDER_FILE, "a.csv");
	vg_folder_done(&f);
	expect(VG_FOLDER_LISTED, NULL);
	snprintf(other, sizeof(other), "%s-away", path);
	assert_int_equal(rename(path, other), 0);
	look();
	assert_true(f.missing);
	expect(VG_FOLDER_NOTHING, NULL);
	vg_folder_died(&f, "ended"); /* a new reader hears that nothing is known */
	expect(VG_FOLDER_MISSING, NULL);
	expect(VG_FOLDER_NOTHING, NULL);
	assert_int_equal(rename(other, path), 0);
	look();
	expect(VG_FOLDER_FILE, "a.csv");
	vg_folder_done(&f);
	expect(VG_FOLDER_LISTED, NULL);
}

static void
so_many_files_and_no_more(void **state)
{
	char name[20];

	(void)state;
	for (int i = 0; i < VG_LEARNED_FILES_MAX + 3; i++) {
		snprintf(name, sizeof(name), "%d", i);
		put(name, "x");
	}
	look();
	assert_int_equal(f.n, VG_LEARNED_FILES_MAX);
	assert_int_equal(f.over, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_are_given_once_and_again_when_they_change, up, down),
		cmocka_unit_test_setup_teardown(one_that_is_still_written_waits, up, down),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_told_and_not_opened, up, down),
		cmocka_unit_test_setup_teardown(a_file_over_which_readers_end_is_left_until_it_changes, up, down),
		cmocka_unit_test_setup_teardown(a_folder_that_is_away_is_no_order_to_forget, up, down),
		cmocka_unit_test_setup_teardown(so_many_files_and_no_more, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
