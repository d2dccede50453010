#include "vault/lookback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "detect/indicator.h"
#include "vault/disk.h"

#define RECORDS 2400
#define PER_BLOCK 20
#define BASE_NS (INT64_C(1775203965) * VG_SEC)

static const uint8_t the_key[VG_BLOCK_KEY] = { 9, 8, 7 };
static const char *const values[] = { "203.0.113.9", "evil.example.org", "hxxp://bad[.]example.com/drop", "evil-tool.exe", "mallory@mail.example" };
static char folder[] = "/tmp/lookback-XXXXXX";
static struct vg_disk dir;
static struct vg_buf blob;
static struct vg_indicators set;
static vg_str piece[VG_COUNT(values)];
static char piece_text[VG_COUNT(values)][VG_IOC_BUF];
static bool hit[RECORDS]; /* record i is to be met */

/* One in a hundred meets something, each in another way of writing; record i's number is 10 + 2 i. */
static size_t
a_record(unsigned i, char *out, size_t room)
{
	hit[i] = i % 101 == 50;
	if (!hit[i])
		return (size_t)snprintf(out, room, "<13>1 2026-04-03T08:12:45Z host%u app - - - nothing of note 203.0.113.%u n=%u evil.example.net", i % 7, 10 + i % 70, i);
	switch (i / 101 % 8) {
	case 0:
		return (size_t)snprintf(out, room, "<13>1 2026-04-03T08:12:45Z h app - - - to 203.0.113.9:443");
	case 1:
		return (size_t)snprintf(out, room, "{\"host\":\"h\",\"query\":\"WWW.Evil.Example.ORG\"}");
	case 2:
		return (size_t)snprintf(out, room, "{\"host\":\"h\",\"url\":\"http:\\/\\/bad.example.com:80\\/drop\"}");
	case 3:
		return (size_t)snprintf(out, room, "<Event><System><EventID>1</EventID></System><EventData><Data Name=\"Image\">C:\\Temp\\EVIL-tool.exe</Data></EventData></Event>");
	case 4:
		return (size_t)snprintf(out, room, "type=EXECVE msg=audit(1775203965.100:%u): argc=2 a0=\"curl\" a1=6576696C2E6578616D706C652E6F7267202D76", i); /* evil.example.org -v */
	case 5:
		return (size_t)snprintf(out, room, "{\"host\":\"h\",\"query\":\"\\u0065vil.example.org\"}");
	case 6:
		return (size_t)snprintf(out, room, "from Mallory@mail.example to bob");
	default:
		return (size_t)snprintf(out, room, "<13>1 2026-04-03T08:12:45Z h app - - - ::ffff:203.0.113.9 came");
	}
}

/* Blocks of records @from to @to behind what file @name has; its index when @indexed. */
static void
put_segment(const char *name, unsigned from, unsigned to, const uint8_t *key, bool indexed)
{
	struct vg_tokens_builder *t = vg_tokens_builder_new();
	struct vg_buf file = { 0 }, index = { 0 }, payload = { 0 }, prefix = { 0 };
	struct vg_block_opener opener = { .zstd = NULL };
	char text[1000], path[200];
	bool fresh;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.vs", folder, name);
	fresh = access(path, F_OK) != 0; /* else its beginning is not at hand */
	vg_tokens_set_row(t, 0); /* a row each */
	for (unsigned i = from; i < to; i += PER_BLOCK) {
		struct vg_block_writer w = { 0 };
		struct vg_block_head h;
		size_t at = file.n;

		vg_block_begin(&w);
		for (unsigned k = i; k < i + PER_BLOCK && k < to; k++) {
			size_t n = a_record(k, text, sizeof(text));

			assert_int_equal(vg_block_add(&w, &(struct vg_record){ .seq = 10 + 2 * k, .recv_ns = BASE_NS + k * VG_SEC, .source = 1, .raw = vg_str_mem(text, n) }), VG_OK);
		}
		w.head.leaf = i / PER_BLOCK;
		w.prefix = opener.prefix = vg_str_cut(vg_buf_str(&prefix), fresh ? VG_BLOCK_PREFIX_MAX : 0);
		assert_int_equal(vg_block_finish(&w, key, key ? 3 : 0, &file), VG_OK);
		assert_int_equal(vg_block_head_take(vg_str_cut(vg_str_skip(vg_buf_str(&file), at), VG_BLOCK_HEAD), &h), VG_OK);
		assert_int_equal(vg_block_opener_open(&opener, &h, vg_str_cut(vg_str_skip(vg_buf_str(&file), at), VG_BLOCK_HEAD), vg_str_skip(vg_buf_str(&file), at + VG_BLOCK_HEAD), key, &payload),
				 VG_OK);
		vg_buf_put(&prefix, vg_buf_str(&w.raw));
		vg_block_writer_fini(&w);
		assert_int_equal(vg_tokens_add(t, at, &h, vg_buf_str(&payload)), VG_OK);
	}
	assert_int_equal(vg_tokens_finish(t, key, &index), VG_OK);
	vg_tokens_builder_free(t);
	vg_block_opener_fini(&opener);
	vg_buf_fini(&prefix);
	assert_non_null(f = fopen(path, "ab"));
	assert_int_equal(fwrite(file.p, 1, file.n, f), file.n);
	fclose(f);
	if (indexed) {
		snprintf(path, sizeof(path), "%s/%s.vi", folder, name);
		assert_non_null(f = fopen(path, "wb"));
		assert_int_equal(fwrite(index.p, 1, index.n, f), index.n);
		fclose(f);
	}
	vg_buf_fini(&file);
	vg_buf_fini(&index);
	vg_buf_fini(&payload);
}

static int
up(void **state)
{
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_indicator_made made;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(vg_disk_open(&dir, folder), VG_OK);
	dir.read_only = true;
	for (size_t i = 0; i < VG_COUNT(values); i++) {
		char buf[VG_IOC_BUF], word[VG_IOC_BUF];
		struct vg_ioc x = { .expires_ns = VG_TIME_NONE };
		vg_str keyword;

		assert_int_equal(vg_ioc_set(&x, VG_IOC_KINDS, vg_str_of(values[i]), buf), VG_OK);
		assert_int_equal(vg_indicator_build_add(b, VG_STR("f"), &x), VG_OK);
		assert_true(vg_ioc_keyword(&x, word, &keyword));
		assert_true(vg_lookback_piece(keyword, piece_text[i], &piece[i]));
	}
	assert_int_equal(vg_indicator_build_finish(b, &blob, &made), VG_OK);
	vg_indicator_build_free(b);
	assert_int_equal(vg_indicators_load(vg_buf_str(&blob), &set), VG_OK);
	put_segment("2026-04-03.0000", 0, 1000, NULL, true);
	put_segment("2026-04-03.0001", 1000, 1800, the_key, true);
	put_segment("2026-04-04.0000", 1800, 2000, the_key, false);
	return 0;
}

static int
down(void **state)
{
	static const char *const names[] = { "2026-04-03.0000.vs", "2026-04-03.0001.vs", "2026-04-04.0000.vs", "2026-04-03.0000.vi", "2026-04-03.0001.vi" };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(names); i++)
		(void)unlinkat(dir.dir, names[i], 0);
	vg_disk_close(&dir);
	(void)rmdir(folder);
	vg_buf_fini(&blob);
	return 0;
}

struct seen {
	struct vg_keys *keys;
	bool no_key;
	uint64_t seq[RECORDS];
	size_t n;
	unsigned fail_at; /* event() fails the n-th time; 0: never */
	unsigned events;
};

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	return number == 3 && !((struct seen *)ctx)->no_key ? the_key : NULL;
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, const struct vg_indicator_hit *h)
{
	(void)e;
	(void)h;
	*(bool *)ctx = true;
	return VG_OK;
}

static vg_rc
on_event(void *ctx, const struct vg_record *r, const struct vg_event *e, uint16_t place)
{
	struct seen *s = ctx;
	bool any = false;

	assert_int_equal(place, 0);
	if (s->fail_at && ++s->events == s->fail_at)
		return VG_E_NOMEM;
	assert_int_equal(vg_indicators_match(&set, e, 0, on_hit, &any), VG_OK);
	if (any)
		s->seq[s->n++] = r->seq;
	return VG_OK;
}

static struct vg_lookback *
begin(struct seen *s, bool pieces, uint64_t next)
{
	struct vg_lookback_options o = { .dir = &dir, .key = key_of, .keys = s->keys, .piece = piece, .npiece = pieces ? VG_COUNT(piece) : 0, .next = next,
					 .event = on_event, .ctx = s };
	struct vg_lookback *l;

	assert_int_equal(vg_lookback_new(&o, &l), VG_OK);
	return l;
}

static void
check_found(const struct seen *s, unsigned records)
{
	size_t k = 0;

	for (unsigned i = 0; i < records; i++)
		if (hit[i] && (k == s->n || s->seq[k++] != 10 + 2 * i))
			fail_msg("record %u (case %u) was not found, or not in its turn", i, i / 101 % 8);
	assert_int_equal(k, s->n);
}

static void
the_index_passes_over_blocks_and_loses_nothing(void **state)
{
	(void)state;
	for (int pieces = 0; pieces < 2; pieces++) {
		struct seen s = { .keys = vg_keys_new() };
		struct vg_lookback *l = begin(&s, pieces, 0);
		const struct vg_lookback_stats *n = vg_lookback_stats(l);
		vg_rc rc;

		while ((rc = vg_lookback_step(l)) == VG_OK)
			;
		assert_int_equal(rc, VG_E_STOP);
		check_found(&s, 2000);
		assert_int_equal(n->blocks, 2000 / PER_BLOCK);
		assert_int_equal(vg_lookback_next(l), 10 + 2 * 1999 + 1);
		assert_int_equal(n->bytes, n->all_bytes);
		if (pieces) /* 90 blocks have an index, 18 hold something */
			assert_in_range(n->by_index, 65, 72);
		else
			assert_int_equal(n->by_index, 0);
		assert_int_equal(n->records, 2000 - PER_BLOCK * n->by_index);
		vg_lookback_free(l);
		vg_keys_free(s.keys);
	}
}

static void
it_goes_on_where_it_was(void **state)
{
	(void)state;
	for (unsigned every = 1; every < 40; every += 6) {
		struct seen s = { .keys = vg_keys_new() };
		uint64_t next = 0;
		vg_rc rc = VG_OK;

		while (rc == VG_OK) { /* another process each time */
			struct vg_lookback *l = begin(&s, every % 4 == 1, next);

			for (unsigned i = 0; i < every && rc == VG_OK; i++)
				rc = vg_lookback_step(l);
			next = vg_lookback_next(l);
			vg_lookback_free(l);
		}
		assert_int_equal(rc, VG_E_STOP);
		check_found(&s, 2000);
		vg_keys_free(s.keys);
	}
}

static void
a_number_in_a_block_is_enough_to_begin_at(void **state)
{
	struct seen s = { .keys = vg_keys_new() };
	struct vg_lookback *l = begin(&s, false, 10 + 2 * 1213);
	bool first = false;

	(void)state;
	while (vg_lookback_step(l) == VG_OK)
		;
	/* from the last few blocks before it on: one of another class of retention may lie there */
	assert_in_range(vg_lookback_stats(l)->records, 2000 - 1213, 2000 - 1213 + 2 * (VG_CLASSES_MAX + 1) * PER_BLOCK);
	assert_int_equal(vg_lookback_next(l), 10 + 2 * 1999 + 1);
	for (size_t i = 0; i < s.n; i++)
		first |= s.seq[i] == 10 + 2 * 1262;
	assert_true(first);
	vg_lookback_free(l);
	vg_keys_free(s.keys);
}

static void
a_failure_leaves_its_block_to_be_done(void **state)
{
	struct seen s = { .keys = vg_keys_new(), .fail_at = 205 };
	struct vg_lookback *l = begin(&s, false, 0);
	vg_rc rc;

	(void)state;
	while ((rc = vg_lookback_step(l)) == VG_OK)
		;
	assert_int_equal(rc, VG_E_NOMEM);
	assert_int_equal(vg_lookback_next(l), 10 + 2 * 199 + 1);
	vg_lookback_free(l);
	vg_keys_free(s.keys);
}

static void
a_key_that_is_gone_costs_its_blocks_alone(void **state)
{
	struct seen s = { .keys = vg_keys_new(), .no_key = true };
	struct vg_lookback *l = begin(&s, false, 0);

	(void)state;
	while (vg_lookback_step(l) == VG_OK)
		;
	check_found(&s, 1000);
	assert_int_equal(vg_lookback_stats(l)->no_key, 1000 / PER_BLOCK);
	vg_lookback_free(l);
	vg_keys_free(s.keys);
}

/* The last test: the folder is another one behind it. */
static void
what_is_added_is_seen_by_a_later_step(void **state)
{
	struct seen s = { .keys = vg_keys_new() };
	struct vg_lookback *l = begin(&s, true, 0);

	(void)state;
	while (vg_lookback_step(l) == VG_OK)
		;
	put_segment("2026-04-04.0000", 2000, 2400, the_key, false);
	while (vg_lookback_step(l) == VG_OK)
		;
	check_found(&s, 2400);
	vg_lookback_free(l);
	vg_keys_free(s.keys);
}

static void
a_piece_is_the_longest_run_that_every_format_writes_as_it_is(void **state)
{
	static const struct {
		const char *keyword, *piece;
	} of[] = { { "Evil.Example.org", "evil.example.org" }, { "c:\\windows\\system32\\x.exe", "system32" }, { "a\xc3\xa9longer", "longer" }, { "x\\y", NULL },
		{ "00112233445566778899aabbccddeeff", NULL }, { "203.0.113.9", "203.0.113.9" } };
	char buf[100];
	vg_str p;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(of); i++) {
		bool any = vg_lookback_piece(vg_str_of(of[i].keyword), buf, &p);

		assert_int_equal(any, of[i].piece != NULL);
		if (any)
			assert_true(vg_str_eq(p, vg_str_of(of[i].piece)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_index_passes_over_blocks_and_loses_nothing),
		cmocka_unit_test(it_goes_on_where_it_was),
		cmocka_unit_test(a_number_in_a_block_is_enough_to_begin_at),
		cmocka_unit_test(a_failure_leaves_its_block_to_be_done),
		cmocka_unit_test(a_key_that_is_gone_costs_its_blocks_alone),
		cmocka_unit_test(a_piece_is_the_longest_run_that_every_format_writes_as_it_is),
		cmocka_unit_test(what_is_added_is_seen_by_a_later_step),
	};

	return cmocka_run_group_tests(tests, up, down);
}
