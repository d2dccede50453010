#include <archive.h>
#include <archive_entry.h>

#include "source/archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BIG ((size_t)64 << 20)

/* What a walk told: "name:bytes:hash" and "!name:why", a line each. */
struct told {
	char text[65536];
	size_t n, peak; /* peak: the largest window */
	uint64_t out;
	uint32_t members, refused;
	vg_rc answer; /* of the entry callback */
	size_t want;  /* bytes of each member that are read; 0: all */
};

static vg_rc
on_member(void *ctx, vg_str name, struct vg_input *in, int64_t mtime_ns)
{
	struct told *t = ctx;
	uint64_t total = 0;
	unsigned sum = 0;
	size_t n;

	while ((n = vg_input_peek(in, 1)) != 0 && (t->want == 0 || total < t->want)) {
		if (n > t->peak)
			t->peak = n;
		for (size_t i = 0; i < n; i += 61)
			sum = sum * 31 + in->p[i];
		total += n;
		vg_input_skip(in, n);
	}
	t->members++;
	t->out += total;
	if (t->n < sizeof(t->text) - 2048)
		t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%.*s:%llu:%lld\n",
					 VG_STR_ARG(name), (unsigned long long)total,
					 (long long)(mtime_ns / 1000000000));
	return t->answer;
}

static void
on_refused(void *ctx, vg_str name, const char *why)
{
	struct told *t = ctx;

	t->refused++;
	if (t->n < sizeof(t->text) - 2048)
		t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "!%.*s:%s\n",
					 VG_STR_ARG(name), why);
}

static struct told told;

static vg_rc
walk(const void *p, size_t n, struct vg_archive_limits limits)
{
	uint8_t *exact = malloc(n ? n : 1);
	vg_rc rc;

	assert_non_null(exact);
	memcpy(exact, p, n);
	told.n = told.peak = 0;
	told.out = 0;
	told.members = told.refused = 0;
	told.text[0] = 0;
	rc = vg_archive_each(exact, n, &limits, on_member, on_refused, &told);
	free(exact);
	return rc;
}

static bool
says(const char *what)
{
	return strstr(told.text, what) != NULL;
}

/* Write archives with libarchive, in memory. */
struct pen {
	struct archive *a;
	char *p;
	size_t cap, used;
};

static struct pen
pen_new(const char *format, const char *filter, size_t cap)
{
	struct pen w = { archive_write_new(), malloc(cap), cap, 0 };

	assert_int_equal(archive_write_set_format_by_name(w.a, format), ARCHIVE_OK);
	if (filter)
		assert_int_equal(archive_write_add_filter_by_name(w.a, filter), ARCHIVE_OK);
	return w;
}

static void
pen_open(struct pen *w)
{
	assert_int_equal(archive_write_open_memory(w->a, w->p, w->cap, &w->used), ARCHIVE_OK);
}

static void
pen_entry(struct pen *w, const char *name, unsigned type, const char *link, const void *p, size_t n)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)n);
	archive_entry_set_mtime(e, 1775203965, 0);
	if (link && type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	assert_int_equal(archive_write_header(w->a, e), ARCHIVE_OK);
	if (n)
		assert_int_equal(archive_write_data(w->a, p, n), n);
	archive_entry_free(e);
}

static void
pen_close(struct pen *w)
{
	assert_int_equal(archive_write_close(w->a), ARCHIVE_OK);
	archive_write_free(w->a);
}

static const char log_text[] =
    "Apr  3 08:12:45 gw sshd[1]: Accepted password for root from 10.0.0.1 port 5 ssh2\n";

static struct pen
packed(const char *format, const char *filter)
{
	struct pen w = pen_new(format, filter, 1 << 20);

	pen_open(&w);
	if (strcmp(format, "raw") != 0) {
		pen_entry(&w, "dir", AE_IFDIR, NULL, NULL, 0);
		pen_entry(&w, "dir/auth.log", AE_IFREG, NULL, log_text, sizeof(log_text) - 1);
		pen_entry(&w, "../../etc/empty", AE_IFREG, NULL, NULL, 0);
	}
	pen_entry(&w, "b.log", AE_IFREG, NULL, log_text, 10);
	pen_close(&w);
	return w;
}

static const char *const formats[][2] = {
	{ "zip", NULL },     { "7zip", NULL },  { "pax", NULL }, { "gnutar", NULL },
	{ "ustar", "gzip" }, { "pax", "zstd" }, { "pax", "xz" }, { "gnutar", "bzip2" },
	{ "raw", "gzip" },   { "raw", "zstd" }, { "raw", "xz" }, { "raw", "bzip2" },
	{ "raw", "lz4" },
};

static void
members_and_streams_are_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < VG_COUNT(formats); i++) {
		struct pen w = packed(formats[i][0], formats[i][1]);
		bool raw = strcmp(formats[i][0], "raw") == 0;

		assert_true(vg_archive_probe(vg_str_mem(w.p, w.used)));
		assert_int_equal(
		    walk(w.p, w.used, (struct vg_archive_limits){ .name = VG_STR("b.log.gz") }),
		    VG_OK);
		assert_int_equal(told.refused, 0);
		if (raw) {
			assert_string_equal(told.text, "b.log:10:0\n");
		} else {
			assert_int_equal(told.members, 3);
			assert_true(says("dir/auth.log:81:1775203965\n"));
			assert_true(says("../../etc/empty:0:1775203965\n"));
			assert_true(says("b.log:10:1775203965\n"));
		}
		free(w.p);
	}
	assert_false(vg_archive_probe(VG_STR("Apr  3 08:12:45 gw sshd[1]: x")));
	assert_false(vg_archive_probe(VG_NIL));
}

static void
every_truncation_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < VG_COUNT(formats); i++) {
		struct pen w = packed(formats[i][0], formats[i][1]);
		size_t step = w.used / 97 + 1;

		for (size_t n = 0; n < w.used; n += step)
			(void)walk(w.p, n, (struct vg_archive_limits){ .name = VG_STR("x.gz") });
		free(w.p);
	}
	{
		struct pen w = pen_new("raw", "gzip", 1 << 20);
		char *noise = malloc(200000);
		unsigned x = 1;

		for (size_t i = 0; i < 200000; i++)
			noise[i] = (char)((x = x * 1103515245u + 12345u) >> 16);
		pen_open(&w);
		pen_entry(&w, "x", AE_IFREG, NULL, noise, 200000);
		pen_close(&w);
		assert_int_equal(
		    walk(w.p, w.used / 2, (struct vg_archive_limits){ .name = VG_STR("x.gz") }),
		    VG_E_FORMAT);
		assert_int_equal(told.members, 1); /* what was there was read */
		assert_true(told.out > 50000);
		assert_true(told.refused >= 1);
		free(noise);
		free(w.p);
	}
}

static void
links_and_devices_are_told(void **state)
{
	struct pen w = pen_new("pax", NULL, 1 << 20);

	(void)state;
	pen_open(&w);
	pen_entry(&w, "s", AE_IFLNK, "/etc/shadow", NULL, 0);
	pen_entry(&w, "a\x1b[2J", AE_IFREG, NULL, "x", 1);
	pen_entry(&w, "h", AE_IFREG, "a", NULL, 0);
	pen_entry(&w, "c", AE_IFCHR, NULL, NULL, 0);
	pen_entry(&w, "f", AE_IFIFO, NULL, NULL, 0);
	pen_close(&w);
	assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_OK);
	assert_int_equal(told.members, 1);
	assert_int_equal(told.refused, 4);
	assert_true(says("!s:a symbolic link"));
	assert_true(says("!h:a hard link"));
	assert_false(says("\x1b"));
	free(w.p);
}

static void
bombs_are_refused(void **state)
{
	static const char *const bombs[][2] = { { "zip", NULL },
						{ "7zip", NULL },
						{ "raw", "zstd" },
						{ "raw", "gzip" },
						{ "pax", "xz" } };
	char *zeros = calloc(1, BIG);

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bombs); i++) {
		struct pen w = pen_new(bombs[i][0], bombs[i][1], 8 << 20);

		pen_open(&w);
		pen_entry(&w, "zeros", AE_IFREG, NULL, zeros, BIG);
		pen_close(&w);
		assert_true(w.used * 200 + VG_ARCHIVE_GRACE_BYTES < BIG);
		assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_E_LIMIT);
		assert_true(told.out <= w.used * 200 + VG_ARCHIVE_GRACE_BYTES);
		assert_true(told.out >= w.used * 200);
		assert_true(says("over the limit"));
		assert_true(told.peak <= 1 << 20);
		/* not read by the caller, but unpacked to get behind it */
		told.want = 1;
		if (i != 0)
			assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }),
					 VG_E_LIMIT);
		told.want = 0;
		assert_int_equal(
		    walk(w.p, w.used,
			 (struct vg_archive_limits){ .ratio = 2000000, .bytes = 4096 }),
		    VG_E_LIMIT);
		assert_true(told.out <= 4096);
		assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ .ratio = 2000000 }),
				 VG_OK);
		assert_int_equal(told.out, BIG);
		free(w.p);
	}
	free(zeros);
}

static void
archives_inside_are_walked(void **state)
{
	static const char *const shells[][2] = { { "zip", NULL },
						 { "pax", "gzip" },
						 { "raw", "zstd" },
						 { "7zip", NULL },
						 { "pax", NULL } };
	struct pen w = packed("zip", NULL);

	(void)state;
	/* each shell holds the one before */
	for (size_t i = 0; i < VG_COUNT(shells); i++) {
		struct pen outer = pen_new(shells[i][0], shells[i][1], 1 << 20);
		char name[32];

		snprintf(name, sizeof(name), "shell%zu", i);
		pen_open(&outer);
		pen_entry(&outer, name, AE_IFREG, NULL, w.p, w.used);
		if (strcmp(shells[i][0], "raw") != 0)
			pen_entry(&outer, "beside", AE_IFREG, NULL, "y", 1);
		pen_close(&outer);
		free(w.p);
		w = outer;
		if (i == 1) {
			assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_OK);
			assert_int_equal(told.members, 5);
			assert_true(says("shell1/shell0/dir/auth.log:81:"));
			assert_true(says("\nbeside:1:"));
			assert_true(says("shell1/beside:1:"));
		}
	}
	assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_OK);
	assert_true(says("too deep"));
	assert_true(says("\nbeside:1:"));
	assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ .depth = 9 }), VG_OK);
	assert_int_equal(told.members, 3 + 4);
	assert_int_equal(told.refused, 0);
	free(w.p);
}

static void
members_are_counted(void **state)
{
	struct pen w = pen_new("zip", NULL, 4 << 20);

	(void)state;
	pen_open(&w);
	for (int i = 0; i < VG_ARCHIVE_ENTRIES_MAX + 5; i++)
		pen_entry(&w, "a", AE_IFREG, NULL, "x", 1);
	pen_close(&w);
	assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_E_LIMIT);
	assert_int_equal(told.members, VG_ARCHIVE_ENTRIES_MAX);
	assert_int_equal(told.refused, 1);
	told.answer = VG_E_STOP;
	assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_E_STOP);
	assert_int_equal(told.members, 1);
	told.answer = VG_OK;
	free(w.p);
}

static void
names_are_utf8(void **state)
{
	static const char *const kinds[] = { "zip", "7zip", "pax", "gnutar" };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(kinds); i++) {
		struct pen w = pen_new(kinds[i], NULL, 1 << 20);

		pen_open(&w);
		pen_entry(&w, "d\xc3\xa9j\xc3\xa0.log", AE_IFREG, NULL, "x", 1);
		pen_close(&w);
		assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_OK);
		assert_true(says("d\xc3\xa9j\xc3\xa0.log:1:"));
		free(w.p);
	}
}

static void
encrypted_members_are_told(void **state)
{
	struct pen w = pen_new("zip", NULL, 1 << 20);

	(void)state;
	assert_int_equal(archive_write_set_options(w.a, "zip:encryption=aes256"), ARCHIVE_OK);
	assert_int_equal(archive_write_set_passphrase(w.a, "secret"), ARCHIVE_OK);
	pen_open(&w);
	pen_entry(&w, "locked", AE_IFREG, NULL, log_text, sizeof(log_text) - 1);
	pen_close(&w);
	assert_int_equal(walk(w.p, w.used, (struct vg_archive_limits){ 0 }), VG_OK);
	assert_int_equal(told.members, 0);
	assert_string_equal(told.text, "!locked:encrypted: not read\n");
	free(w.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_streams_are_given),
		cmocka_unit_test(every_truncation_ends),
		cmocka_unit_test(links_and_devices_are_told),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(archives_inside_are_walked),
		cmocka_unit_test(members_are_counted),
		cmocka_unit_test(encrypted_members_are_told),
		cmocka_unit_test(names_are_utf8),
	};

	vg_archive_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
