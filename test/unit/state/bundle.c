/* The file of a self-backup: what was put in comes out, and whatever else is in a file refuses all of it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/io.h"
#include "state/bundle_impl.h"

#define NONE ((size_t)-1)

static const struct {
	const char *name;
	size_t size;
} made[] = {
	{ "vigie.yaml", 700 }, { "exceptions/a rule.yml", 512 }, { "exceptions/empty.yml", 0 }, { "trace/signals.db", 900000 }, { "vault/catalogue.db", 65536 },
	{ "rules/0/linux/process_creation/proc_creation_lnx_a_very_long_name_that_a_rule_may_well_have_when_it_says_all_that_it_does.yml", 1 },
};

static int
file_of(vg_str bytes)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(vg_write_all(fd, bytes), VG_OK);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void
content(const char *name, size_t size, struct vg_buf *out)
{
	vg_buf_clear(out);
	for (size_t i = 0; i < size; i++)
		vg_buf_putc(out, (char)(i * 31 + (i >> 8) * 7 + (size_t)name[i % strlen(name)]));
}

static void
manifest_make(struct vg_manifest *m)
{
	struct vg_buf b = { 0 };

	*m = (struct vg_manifest){ .program = "0.1.0", .node = "vigie.host", .made_ns = INT64_C(1767225600000000000), .next = 1234, .nleft = 1 };
	snprintf(m->left[0], sizeof(m->left[0]), "witness.token");
	for (size_t i = 0; i < VG_COUNT(made); i++) {
		struct vg_member x = { .size = made[i].size };

		snprintf(x.name, sizeof(x.name), "%s", made[i].name);
		content(made[i].name, made[i].size, &b);
		vg_hash_of(vg_buf_str(&b), &x.hash);
		assert_int_equal(vg_manifest_add(m, &x), VG_OK);
	}
	assert_true(vg_manifest_sort(m));
	vg_buf_fini(&b);
}

struct source {
	const struct vg_manifest *m;
	size_t longer, missing; /* which */
};

static vg_rc
on_open(void *ctx, size_t i, int *fd)
{
	struct source *s = ctx;
	struct vg_buf b = { 0 };

	if (i == s->missing)
		return VG_E_NOTFOUND;
	content(s->m->member[i].name, s->m->member[i].size + (i == s->longer), &b);
	*fd = file_of(vg_buf_str(&b));
	vg_buf_fini(&b);
	return VG_OK;
}

/* As the program writes it, and all of its bytes. */
static void
bundle_make(struct vg_buf *out)
{
	struct vg_manifest m;
	struct source s = { &m, NONE, NONE };
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	struct vg_hash file, again;
	size_t at;
	off_t n;

	manifest_make(&m);
	assert_int_equal(vg_bundle_write(fd, &m, on_open, &s, &at, &file), VG_OK);
	n = lseek(fd, 0, SEEK_END);
	assert_true(vg_buf_reserve(out, (size_t)n));
	assert_int_equal(pread(fd, out->p, (size_t)n, 0), n);
	out->n = (size_t)n;
	vg_hash_of(vg_buf_str(out), &again);
	assert_true(vg_hash_eq(&file, &again));
	close(fd);
	vg_manifest_free(&m);
}

struct sink {
	const struct vg_manifest *m;
	struct vg_buf b;
	uint64_t given;
	size_t whole;
	vg_rc answer;
};

static vg_rc
on_begin(void *ctx, const struct vg_manifest *m, char why[VG_BUNDLE_WHY])
{
	struct sink *s = ctx;

	s->m = m;
	if (s->answer != VG_OK)
		snprintf(why, VG_BUNDLE_WHY, "not wanted");
	return s->answer;
}

static vg_rc
on_bytes(void *ctx, size_t i, uint64_t at, vg_str bytes)
{
	struct sink *s = ctx;
	struct vg_buf want = { 0 };

	assert_true(at + bytes.n <= s->m->member[i].size);
	if (at == 0)
		vg_buf_clear(&s->b);
	assert_int_equal(s->b.n, at);
	vg_buf_put(&s->b, bytes);
	s->given += bytes.n;
	if (s->b.n == s->m->member[i].size) {
		content(s->m->member[i].name, (size_t)s->m->member[i].size, &want);
		s->whole += vg_str_eq(vg_buf_str(&s->b), vg_buf_str(&want));
	}
	vg_buf_fini(&want);
	return VG_OK;
}

static vg_rc
read_with(vg_str bytes, struct sink *s, struct vg_hash *file, char why[VG_BUNDLE_WHY])
{
	struct vg_bundle_ops ops = { on_begin, on_bytes, s };
	struct vg_manifest m;
	int fd = file_of(bytes);
	vg_rc rc = vg_bundle_read(fd, &ops, &m, file, why);

	assert_true((rc == VG_OK) == (why[0] == 0));
	vg_manifest_free(&m);
	vg_buf_fini(&s->b);
	close(fd);
	return rc;
}

static void
what_is_put_in_comes_out(void **state)
{
	struct vg_buf b = { 0 };
	struct sink s = { .answer = VG_OK };
	struct vg_hash file, want;
	char why[VG_BUNDLE_WHY];

	(void)state;
	bundle_make(&b);
	vg_hash_of(vg_buf_str(&b), &want);
	assert_int_equal(read_with(vg_buf_str(&b), &s, &file, why), VG_OK);
	assert_int_equal(s.whole, VG_COUNT(made));
	assert_true(vg_hash_eq(&file, &want));
	s = (struct sink){ .answer = VG_E_REFUSED };
	assert_int_equal(read_with(vg_buf_str(&b), &s, &file, why), VG_E_REFUSED);
	assert_string_equal(why, "not wanted");
	assert_int_equal(s.given, 0);
	vg_buf_fini(&b);
}

static void
what_changes_meanwhile_is_told(void **state)
{
	struct vg_manifest m;
	struct vg_hash file;
	size_t at;
	int fd = memfd_create("bundle", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	manifest_make(&m);
	assert_int_equal(vg_bundle_write(fd, &m, on_open, &(struct source){ &m, 2, NONE }, &at, &file), VG_E_TRUNC);
	assert_int_equal(at, 2);
	assert_int_equal(vg_bundle_write(fd, &m, on_open, &(struct source){ &m, NONE, 4 }, &at, &file), VG_E_NOTFOUND);
	assert_int_equal(at, 4);
	m.member[1].hash.b[0] ^= 1;
	assert_int_equal(vg_bundle_write(fd, &m, on_open, &(struct source){ &m, NONE, NONE }, &at, &file), VG_E_TRUNC);
	assert_int_equal(at, 1);
	m.member[1].hash.b[0] ^= 1;
	assert_int_equal(vg_bundle_write(full, &m, on_open, &(struct source){ &m, NONE, NONE }, &at, &file), VG_E_SYS);
	assert_int_equal(errno, ENOSPC);
	close(fd);
	close(full);
	vg_manifest_free(&m);
}

static void
every_truncation_and_change_is_refused(void **state)
{
	struct vg_buf b = { 0 };
	struct vg_hash file;
	char why[VG_BUNDLE_WHY];

	(void)state;
	bundle_make(&b);
	for (size_t n = 0; n < b.n; n += 1 + n / 150) {
		struct sink s = { .answer = VG_OK };

		assert_int_not_equal(read_with(vg_str_cut(vg_buf_str(&b), n), &s, &file, why), VG_OK);
	}
	for (size_t at = 0; at < b.n; at += 1 + at / 150) {
		struct sink s = { .answer = VG_OK };
		vg_rc rc;

		b.p[at] ^= (char)(1 << at % 8);
		rc = read_with(vg_buf_str(&b), &s, &file, why);
		if (rc == VG_OK) /* a bit of zstd's that means nothing: then all of it came out as it was */
			assert_int_equal(s.whole, VG_COUNT(made));
		b.p[at] ^= (char)(1 << at % 8);
	}
	vg_buf_putc(&b, 0);
	{
		struct sink s = { .answer = VG_OK };

		assert_int_equal(read_with(vg_buf_str(&b), &s, &file, why), VG_E_FORMAT);
		assert_non_null(strstr(why, "behind its end"));
	}
	vg_buf_fini(&b);
}

/* ---- files that somebody made ---- */

struct tar {
	struct vg_buf b;
};

static void
tar_put(struct tar *t, const char *name, vg_str bytes, char type)
{
	char head[VG_TAR_BLOCK];
	unsigned sum = 0;

	assert_int_equal(vg_tar_head(name, bytes.n, head), VG_OK);
	head[156] = type;
	if (type == '1' || type == '2')
		memcpy(head + 157, "/etc/passwd", 11);
	memset(head + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += (unsigned char)head[i];
	snprintf(head + 148, 7, "%06o", sum);
	vg_buf_mem(&t->b, head, sizeof(head));
	vg_buf_put(&t->b, bytes);
	for (size_t n = vg_tar_padding(bytes.n); n; n--)
		vg_buf_putc(&t->b, 0);
}

/* @says must be in what is said of it; nothing is given to who did not want it. */
static void
made_by_hand(struct tar *t, vg_rc as, const char *says)
{
	size_t cap = ZSTD_compressBound(t->b.n + 1024), n;
	char *z = malloc(cap), why[VG_BUNDLE_WHY];
	struct sink s = { .answer = VG_OK };
	struct vg_hash file;

	for (int i = 0; i < 1024; i++)
		vg_buf_putc(&t->b, 0);
	n = ZSTD_compress(z, cap, t->b.p, t->b.n, 3);
	assert_int_equal(read_with(vg_str_mem(z, n), &s, &file, why), as);
	if (strstr(why, says) == NULL)
		fail_msg("%s: \"%s\" is not in it", why, says);
	free(z);
	vg_buf_fini(&t->b);
}

#define HEAD "vigie self-backup 1\nprogram 0.1.0\nnode n\nmade 2026-01-01T00:00:00Z\nnext 1\n"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define A_SUM "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" /* of "a" */

static void
manifest_alone(const char *text, vg_rc as, const char *says)
{
	struct tar t = { { 0 } };

	tar_put(&t, "manifest", vg_str_of(text), '0');
	made_by_hand(&t, as, says);
}

static void
hostile_manifests_are_refused(void **state)
{
	(void)state;
	manifest_alone("vigie self-backup 2\nwhatever a later one says\n", VG_E_UNSUP, "of version 2, of a later Vigie; this one (" VIGIE_VERSION ") knows up to 1");
	manifest_alone("vigie self-backup 0\n", VG_E_FORMAT, "manifest");
	manifest_alone("", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 ../x\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 a/../../x\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 /etc/passwd\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 a//b\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 a/\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 ./a\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 a\x1b[2J\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 manifest\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 b\nmember " EMPTY " 0 a\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 a\nmember " EMPTY " 0 a\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 00 a\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " -1 a\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 0 a", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "link " EMPTY " 0 a\n", VG_E_FORMAT, "manifest");
	manifest_alone(HEAD "member " EMPTY " 1099511627777 a\n", VG_E_LIMIT, "too large");
	manifest_alone(HEAD "member " EMPTY " 1099511627776 a\nmember " EMPTY " 1 b\n", VG_E_LIMIT, "too large");
	manifest_alone(HEAD "member " EMPTY " 18446744073709551615 a\nmember " EMPTY " 2 b\n", VG_E_LIMIT, "too large");
	manifest_alone(HEAD "member " EMPTY " 107374182400 a\n", VG_E_LIMIT, "bomb");
	manifest_alone(HEAD "member " EMPTY " 0 a\n", VG_E_FORMAT, "does not follow: a");
}

static void
hostile_members_are_refused(void **state)
{
	static const char types[] = "123456xgLK";
	const char *one = HEAD "member " A_SUM " 1 a\n";

	(void)state;
	for (const char *type = types; *type; type++) { /* links, devices, folders, pipes, and headers that say other names */
		struct tar t = { { 0 } };

		tar_put(&t, "manifest", vg_str_of(one), '0');
		tar_put(&t, "a", VG_STR("a"), *type);
		made_by_hand(&t, VG_E_FORMAT, "does not follow: a");
	}
	for (int which = 0; which < 5; which++) {
		static const struct {
			const char *name, *bytes, *says;
			vg_rc rc;
		} row[] = {
			{ "b", "a", "does not follow: a", VG_E_FORMAT },
			{ "../a", "a", "does not follow: a", VG_E_FORMAT },
			{ "a", "aa", "does not follow: a", VG_E_FORMAT },
			{ "a", "b", "is not what the manifest says: a", VG_E_FORMAT },
			{ "a", "a", "", VG_E_FORMAT }, /* and another one behind it */
		};
		struct tar t = { { 0 } };

		tar_put(&t, "manifest", vg_str_of(one), '0');
		tar_put(&t, row[which].name, vg_str_of(row[which].bytes), '0');
		if (which == 4)
			tar_put(&t, "b", VG_STR("b"), '0');
		made_by_hand(&t, row[which].rc, which == 4 ? "something stands between" : row[which].says);
	}
	{
		struct tar t = { { 0 } };

		tar_put(&t, "a", VG_STR("a"), '0');
		made_by_hand(&t, VG_E_FORMAT, "does not begin with a manifest");
	}
}

static void
a_bomb_is_not_unpacked(void **state)
{
	struct tar t = { { 0 } };
	struct vg_buf zeros = { 0 };

	(void)state;
	assert_true(vg_buf_reserve(&zeros, (size_t)200 << 20));
	memset(zeros.p, 0, (size_t)200 << 20);
	zeros.n = (size_t)200 << 20;
	tar_put(&t, "manifest", VG_STR(HEAD "member " EMPTY " 209715200 a\n"), '0');
	tar_put(&t, "a", vg_buf_str(&zeros), '0');
	made_by_hand(&t, VG_E_LIMIT, "a bomb");
	vg_buf_fini(&zeros);
}

static void
names_are_checked(void **state)
{
	static const char *const good[] = { "a", "a/b", ".a", "a..b", "...", "a b/\xc3\xa9" };
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/.", "../a", "a/../b", "a\nb", "a\\b", "\xff", "manifest", "\x7f" };
	struct vg_manifest m = { .n = 0 };
	struct vg_member x = { .size = 0 };
	char head[VG_TAR_BLOCK];

	(void)state;
	for (size_t i = 0; i < VG_COUNT(good); i++)
		assert_true(vg_member_name_ok(vg_str_of(good[i])));
	for (size_t i = 0; i < VG_COUNT(bad); i++)
		assert_false(vg_member_name_ok(vg_str_of(bad[i])));
	memset(x.name, 'n', 101);
	assert_int_equal(vg_tar_head(x.name, 0, head), VG_E_LIMIT); /* nowhere to split it */
	x.name[50] = '/';
	assert_int_equal(vg_tar_head(x.name, 0, head), VG_OK);
	assert_int_equal(vg_tar_head(x.name, (uint64_t)1 << 33, head), VG_OK);
	assert_int_equal((unsigned char)head[124], 0x80);
	x.name[0] = '/';
	assert_int_equal(vg_manifest_add(&m, &x), VG_E_FORMAT);
	vg_manifest_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_in_comes_out),
		cmocka_unit_test(what_changes_meanwhile_is_told),
		cmocka_unit_test(every_truncation_and_change_is_refused),
		cmocka_unit_test(hostile_manifests_are_refused),
		cmocka_unit_test(hostile_members_are_refused),
		cmocka_unit_test(a_bomb_is_not_unpacked),
		cmocka_unit_test(names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
