#include "knowledge/knowledge.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RULE(id, title) "title: " title "\nid: " id "\nlogsource: {product: x}\ndetection: {s: {a: 1}, condition: s}\n"
#define BAD "title: bad\nid: bad\nlogsource: {product: x}\ndetection: {s: {a|nonsense: 1}, condition: s}\n"
#define EXCEPTION "title: f\nauthor: Ann\ndescription: d\nexpires: 2026-02-28\nlogsource: {product: x}\nfilter: {rules: [one], f: {u: me}, condition: f}\n"

static char root[] = "/tmp/vigie-knowledge-XXXXXX", given[64], exceptions[64];
static const char *given_list[] = { given }, *exceptions_list[] = { exceptions };
static char why[400];

static void
put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_non_null(f = fopen(path, "w"));
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

static void
take_away(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(unlink(path), 0);
}

static struct vg_knowledge_options
options(void)
{
	return (struct vg_knowledge_options){ .rules = given_list, .nrules = 1, .exceptions = exceptions_list, .nexceptions = 1,
					      .portable = true, .sealed = true };
}

static int
make(const struct vg_knowledge_options *o, struct vg_knowledge_summary *sum)
{
	int fd;

	assert_int_equal(vg_knowledge_make(o, &fd, sum, why), VG_OK);
	assert_true(fd >= 0);
	return fd;
}

static void
assert_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS), want = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

	assert_true(seals >= 0 && (seals & want) == want);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
}

static void
what_is_made_is_opened_elsewhere(void **state)
{
	struct vg_knowledge_options o = options();
	struct vg_knowledge_summary sum;
	struct vg_knowledge k;
	int fd;

	(void)state;
	for (int turn = 0; turn < 2; turn++) { /* made, and then found in the cache */
		fd = make(&o, &sum);
		assert_int_equal(sum.from_cache, turn);
		assert_sealed(fd);
		assert_int_equal(sum.rules, 2);
		assert_true(vg_knowledge_whole(&sum));
		assert_true(sum.valid_until_ns == INT64_MAX);
		assert_int_equal(vg_knowledge_open(fd, &k, why), VG_OK);
		close(fd);
		assert_int_equal(k.program.nrule, 2);
		assert_false(k.ours_only);
		vg_knowledge_fini(&k);
	}
	assert_int_equal(vg_knowledge_load(&o, &k, why), VG_OK);
	assert_true(k.from_cache);
	vg_knowledge_fini(&k);
	o.sealed = false;
	fd = make(&o, &sum); /* the file itself */
	assert_true(sum.from_cache);
	assert_int_equal(vg_knowledge_open(fd, &k, why), VG_OK);
	vg_knowledge_fini(&k);
	close(fd);
}

static unsigned ntold;
static void
on_diag(void *ctx, const struct vg_program *p, const struct vg_diag *d)
{
	(void)ctx;
	ntold++;
	if (d->origin == VG_ORIGIN_GIVEN) {
		assert_true(d->fatal);
		assert_int_equal(d->reason, VG_DIAG_MODIFIER);
		assert_true(vg_str_ends(vg_program_str(p, d->file), VG_STR("given/b.yml")));
		assert_true(vg_program_str(p, d->text).n > 0);
	}
}

static void
a_set_is_whole_when_nothing_given_is_refused(void **state)
{
	struct vg_knowledge_options o = options();
	struct vg_knowledge_summary sum;
	char path[128];
	int fd;

	(void)state;
	put("rules/shipped_bad.yml", BAD);
	fd = make(&o, &sum);
	close(fd);
	assert_int_equal(sum.refused, 1);
	assert_int_equal(sum.refused_given, 0);
	assert_true(vg_knowledge_whole(&sum));
	put("given/b.yml", BAD "---\n" RULE("three", "Three"));
	fd = make(&o, &sum);
	assert_int_equal(sum.refused_given, 1);
	assert_false(vg_knowledge_whole(&sum));
	ntold = 0;
	assert_int_equal(vg_knowledge_diags(fd, on_diag, NULL), VG_OK);
	assert_int_equal(ntold, 2);
	close(fd);
	take_away("given/b.yml");
	take_away("rules/shipped_bad.yml");

	snprintf(path, sizeof(path), "%s/given/c.yml", root);
	assert_int_equal(symlink("nowhere", path), 0);
	fd = make(&o, &sum);
	close(fd);
	assert_int_equal(sum.unread_given, 1);
	assert_false(vg_knowledge_whole(&sum));
	assert_non_null(strstr(why, "given/c.yml"));
	take_away("given/c.yml");
}

static void
exceptions_expire_also_in_the_cache(void **state)
{
	struct vg_knowledge_options o = options();
	struct vg_knowledge_summary sum;
	int64_t end = vg_time_parse(VG_STR("2026-03-01"), 0);

	(void)state;
	put("exceptions/x.yml", EXCEPTION);
	o.now_ns = end - 1;
	close(make(&o, &sum));
	assert_int_equal(sum.filters, 1);
	assert_int_equal(sum.notes, 1);
	assert_true(sum.valid_until_ns == end);
	o.now_ns = end - VG_DAY;
	close(make(&o, &sum));
	assert_true(sum.from_cache);
	o.now_ns = end;
	close(make(&o, &sum));
	assert_false(sum.from_cache);
	assert_int_equal(sum.filters, 0);
	assert_int_equal(sum.warnings, 1);
	assert_true(sum.valid_until_ns == INT64_MAX);
	o.now_ns = end - 1; /* and back */
	close(make(&o, &sum));
	assert_false(sum.from_cache);
	assert_int_equal(sum.filters, 1);
	put("exceptions/x.yml", "title: f\nlogsource: {product: x}\nfilter: {rules: any, f: {u: me}, condition: f}\n");
	close(make(&o, &sum));
	assert_int_equal(sum.refused_given, 1);
	assert_int_equal(sum.filters, 0);
	take_away("exceptions/x.yml");
}

static void
a_folder_that_is_not_there_is_told(void **state)
{
	struct vg_knowledge_options o = options();
	struct vg_knowledge_summary sum;
	const char *none[] = { "/nonexistent/exceptions" };
	int fd;

	(void)state;
	o.exceptions = none;
	assert_int_equal(vg_knowledge_make(&o, &fd, &sum, why), VG_E_NOTFOUND);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(why, "/nonexistent/exceptions"));
}

static void
other_bytes_are_refused(void **state)
{
	struct vg_knowledge_options o = options();
	struct vg_knowledge_summary sum;
	struct vg_knowledge k;
	struct stat st;
	int fd = make(&o, &sum), bad = memfd_create("bad", MFD_CLOEXEC);
	char *copy;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_non_null(copy = malloc((size_t)st.st_size));
	assert_int_equal(pread(fd, copy, (size_t)st.st_size, 0), st.st_size);
	for (off_t n = 0; n < st.st_size; n = n * 2 + 1) { /* cut */
		assert_int_equal(ftruncate(bad, 0), 0);
		assert_int_equal(pwrite(bad, copy, (size_t)n, 0), n);
		assert_int_not_equal(vg_knowledge_open(bad, &k, why), VG_OK);
		assert_true(why[0]);
		assert_int_not_equal(vg_knowledge_diags(bad, on_diag, NULL), VG_OK);
	}
	for (off_t at = 72; at < 160; at += 8) { /* the table of sections, and what they begin with */
		assert_int_equal(pwrite(bad, copy, (size_t)st.st_size, 0), st.st_size);
		assert_int_equal(pwrite(bad, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at), 8);
		if (vg_knowledge_open(bad, &k, why) == VG_OK)
			vg_knowledge_fini(&k); /* a place that says nothing of how it is read */
	}
	free(copy);
	close(bad);
	close(fd);
}

static int
setup(void **state)
{
	static const char *const dirs[] = { "", "/packs", "/rules", "/given", "/exceptions", "/cache" };
	char path[128];

	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	for (size_t i = 0; i < VG_COUNT(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -1;
	}
	snprintf(given, sizeof(given), "%s/given", root);
	snprintf(exceptions, sizeof(exceptions), "%s/exceptions", root);
	snprintf(path, sizeof(path), "%s/cache", root);
	setenv("XDG_CACHE_HOME", path, 1);
	setenv("HOME", path, 1); /* no rules of others from there */
	setenv("VIGIE_DATA", root, 1);
	unsetenv("VIGIE_SIGMA");
	put("rules/a.yml", RULE("one", "One"));
	put("given/a.yml", RULE("two", "Two"));
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_opened_elsewhere),
		cmocka_unit_test(a_set_is_whole_when_nothing_given_is_refused),
		cmocka_unit_test(exceptions_expire_also_in_the_cache),
		cmocka_unit_test(a_folder_that_is_not_there_is_told),
		cmocka_unit_test(other_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
