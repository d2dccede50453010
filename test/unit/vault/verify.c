/* What verify says of made folders: several days and segments, over 256 blocks, and every way to take them apart; with the tiles left, made to fit, or
 * gone. */
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

#include "base/io.h"
#include "base/time.h"
#include "vault/store.h"
#include "vault/verify.h"

#define DAY0 (INT64_C(1775203200) * VG_SEC) /* 2026-04-03 */
#define DAYS 3
#define BLOCKS_A_DAY 100
#define RECORDS_A_BLOCK 3

static char folder[64];
static struct vg_note_secret log_key, day_key[DAYS];
static struct vg_days days;
static struct vg_buf days_text;

static struct { /* what was told */
	unsigned n;
	char file[64], what[VG_VERIFY_TEXT_MAX];
	uint64_t at, until, seq, until_seq;
} first;
static struct vg_verified result;

/* ---- making ---- */

static void
make_keys(void)
{
	uint8_t seed[32] = { 1 };

	assert_int_equal(vg_note_key_of_seed(VG_STR("node.test"), seed, &log_key), VG_OK);
	for (uint32_t i = 0; i < DAYS; i++) {
		const struct vg_note_secret *by[2] = { &log_key, i ? &day_key[i - 1] : NULL };
		char name[VG_NOTE_NAME_MAX], date[VG_TIME_MAX];
		struct vg_buf text = { 0 };

		(void)vg_time_print(DAY0 + i * VG_DAY, 0, date);
		snprintf(name, sizeof(name), "node.test/day/%.10s", date);
		seed[0] = (uint8_t)(2 + i);
		assert_int_equal(vg_note_key_of_seed(vg_str_of(name), seed, &day_key[i]), VG_OK);
		vg_buf_printf(&text, "vigie day\nnode.test\nday %u\n", (unsigned)(DAY0 / VG_DAY) + i);
		vg_note_key_print(&day_key[i].key, &text);
		vg_buf_putc(&text, '\n');
		assert_int_equal(vg_note_sign(vg_buf_str(&text), by, i ? 2 : 1, &days_text), VG_OK);
		vg_buf_putc(&days_text, '\n');
		vg_buf_fini(&text);
	}
}

static void
put(const char *name, vg_str bytes)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(vg_write_all(fd, bytes), VG_OK);
	close(fd);
}

static void
publish(struct vg_store *s, unsigned day)
{
	const struct vg_note_secret *by[2] = { &log_key, &day_key[day] };
	struct vg_checkpoint c = { .time_ns = DAY0 + day * VG_DAY + VG_HOUR };
	struct vg_buf text = { 0 }, note = { 0 };

	assert_int_equal(vg_store_root(s, &c), VG_OK);
	vg_checkpoint_print(&c, &text);
	assert_int_equal(vg_note_sign(vg_buf_str(&text), by, 2, &note), VG_OK);
	assert_int_equal(vg_store_publish(s, vg_buf_str(&note)), VG_OK);
	vg_buf_fini(&text);
	vg_buf_fini(&note);
}

static struct vg_store *
open_store(struct vg_disk *d)
{
	static const uint8_t tenant[32] = { 9 };
	struct vg_store_damage damage;
	struct vg_store *s;

	assert_int_equal(vg_disk_open(d, folder), VG_OK);
	assert_int_equal(vg_store_open(d, "node.test/acme", tenant, &damage, &s), VG_OK);
	return s;
}

static void
fill(void)
{
	struct vg_disk d;
	struct vg_store *s = open_store(&d);
	static const uint8_t tenant[32] = { 9 };
	static const uint8_t recovery[32] = { 8 };
	uint8_t public[32], unused[32];
	struct vg_buf key = { 0 }, sealed = { 0 };
	struct vg_note_secret signer;
	uint64_t seq = 1;

	vg_note_key_print(&log_key.key, &key);
	vg_buf_putc(&key, '\n');
	put("log.pub", vg_buf_str(&key));
	assert_int_equal(vg_recovery_signer(recovery, &signer), VG_OK);
	vg_buf_clear(&key);
	vg_note_key_print(&signer.key, &key);
	vg_note_secret_fini(&signer);
	vg_buf_putc(&key, '\n');
	put("keys/" VG_KEY_RECOVERY, vg_buf_str(&key));
	assert_int_equal(vg_recovery_box(recovery, public, unused), VG_OK);
	assert_int_equal(vg_tenant_key_seal(tenant, public, &sealed), VG_OK);
	put("keys/" VG_KEY_SEALED, vg_buf_str(&sealed));
	vg_buf_fini(&key);
	vg_buf_fini(&sealed);
	for (unsigned day = 0; day < DAYS; day++) {
		for (unsigned b = 0; b < BLOCKS_A_DAY; b++, seq += 2) { /* gaps: other tenants' */
			for (unsigned i = 0; i < RECORDS_A_BLOCK; i++, seq++) {
				char text[64];
				int n = snprintf(text, sizeof(text), "record %llu of day %u", (unsigned long long)seq, day);

				assert_int_equal(vg_store_add(s, &(struct vg_record){ .seq = seq, .recv_ns = DAY0 + day * VG_DAY + (int64_t)seq, .raw = vg_str_mem(text, (size_t)n) }), VG_OK);
			}
			assert_int_equal(vg_store_cut(s), VG_OK);
		}
		publish(s, day);
	}
	vg_store_free(s);
	vg_disk_close(&d);
}

static int
make(void **state)
{
	char command[256];

	(void)state;
	strcpy(folder, "/tmp/verify-XXXXXX");
	assert_non_null(mkdtemp(folder));
	if (days_text.n == 0) {
		size_t bad;

		make_keys();
		assert_int_equal(vg_days_read(&days, vg_buf_str(&days_text), &log_key.key, &bad), VG_OK);
		assert_int_equal(days.n, DAYS);
	}
	fill();
	snprintf(command, sizeof(command), "cp -r %s %s.good", folder, folder);
	assert_int_equal(system(command), 0);
	return 0;
}

static int
clear(void **state)
{
	char command[256];

	(void)state;
	vg_verified_fini(&result);
	snprintf(command, sizeof(command), "rm -rf %s %s.good", folder, folder);
	return system(command);
}

static void
again(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s && cp -r %s.good %s", folder, folder, folder);
	assert_int_equal(system(command), 0);
}

/* ---- looking ---- */

static void
found(void *ctx, const struct vg_finding *f)
{
	(void)ctx;
	if (f->grade != VG_GRADE_DAMAGE || first.n++)
		return;
	snprintf(first.file, sizeof(first.file), "%s", f->file);
	snprintf(first.what, sizeof(first.what), "%s", f->what);
	first.at = f->at;
	first.until = f->until;
	first.seq = f->seq;
	first.until_seq = f->until_seq;
}

static uint64_t
look(bool watch, bool deep)
{
	static const uint8_t tenant[32] = { 9 };
	struct vg_verify_options o = { .log_key = &log_key.key, .days = &days, .watch = watch, .deep = deep, .tenant_key = tenant, .found = found };
	int dir = open(folder, O_RDONLY | O_DIRECTORY);

	vg_verified_fini(&result);
	memset(&first, 0, sizeof(first));
	assert_int_equal(vg_verify_tenant(dir, &o, &result), VG_OK);
	close(dir);
	return result.damages;
}

#define TOLD(f) \
	do { \
		if (strcmp(first.file, f) != 0) \
			fail_msg("told of %s, not of %s: %s", first.file, f, first.what); \
	} while (0)

static struct vg_buf
slurp(const char *name)
{
	struct vg_buf b = { 0 };
	struct vg_disk d;

	assert_int_equal(vg_disk_open(&d, folder), VG_OK);
	assert_int_equal(vg_disk_slurp(&d, name, (size_t)1 << 28, &b), VG_OK);
	vg_disk_close(&d);
	return b;
}

static void
rename_file(const char *from, const char *to)
{
	char a[200], b[200];

	snprintf(a, sizeof(a), "%s/%s", folder, from);
	snprintf(b, sizeof(b), "%s/%s", folder, to);
	assert_int_equal(rename(a, b), 0);
}

static void
remove_file(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "rm -r %s/%s", folder, name);
	assert_int_equal(system(path), 0);
}

static const char *const segment[DAYS] = { "2026-04-03.0000.vs", "2026-04-04.0000.vs", "2026-04-05.0000.vs" };

/* Where block @i of a segment begins. */
static size_t
block_at(vg_str s, unsigned i)
{
	size_t at = 0;

	while (i--) {
		struct vg_block_head h;

		assert_int_equal(vg_block_head_take(vg_str_mem(s.p + at, VG_BLOCK_HEAD), &h), VG_OK);
		at += VG_BLOCK_HEAD + h.stored;
	}
	return at;
}

/* As somebody would who has all the program's code and no key: the tiles follow from the blocks. */
static void
make_tiles_fit(void)
{
	struct vg_disk d;
	struct vg_tree *t;
	uint64_t size;

	remove_file("tile");
	assert_int_equal(vg_disk_open(&d, folder), VG_OK);
	assert_int_equal(vg_tree_open(&d, &size, &t), VG_OK);
	for (unsigned k = 0; k < DAYS; k++) {
		struct vg_buf b = slurp(segment[k]);

		for (size_t at = 0; at < b.n;) {
			struct vg_block_head h;
			struct vg_hash leaf;

			assert_int_equal(vg_block_head_take(vg_str_mem(b.p + at, VG_BLOCK_HEAD), &h), VG_OK);
			vg_block_leaf(vg_str_mem(b.p + at, VG_BLOCK_HEAD), &leaf);
			assert_int_equal(vg_tree_add(t, &leaf), VG_OK);
			at += VG_BLOCK_HEAD + h.stored;
		}
		vg_buf_fini(&b);
	}
	assert_int_equal(vg_tree_write_partial(t), VG_OK);
	vg_tree_free(t);
	vg_disk_close(&d);
}

/* ---- the tests ---- */

static void
what_was_not_touched_is_sound(void **state)
{
	(void)state;
	assert_int_equal(look(true, true), 0);
	assert_int_equal(result.warnings, 0);
	assert_int_equal(result.size, DAYS * BLOCKS_A_DAY);
	assert_int_equal(result.records, DAYS * BLOCKS_A_DAY * RECORDS_A_BLOCK);
	assert_int_equal(result.opened, DAYS * BLOCKS_A_DAY);
	assert_true(result.log_signed && result.day_signed && !result.torn && result.unsealed == 0);
	assert_int_equal(vg_verified_holds(&result, result.checkpoint.size, &result.checkpoint.root), VG_OK);
	assert_int_equal(vg_verified_holds(&result, result.checkpoint.size - 1, &result.checkpoint.root), VG_E_REFUSED);
	assert_int_equal(vg_verified_holds(&result, result.checkpoint.size + 1, &result.checkpoint.root), VG_E_NOTFOUND);
}

static void
every_bit_of_a_head_is_named(void **state)
{
	struct vg_buf b = slurp(segment[1]);
	size_t at = block_at(vg_buf_str(&b), 50);

	(void)state;
	for (size_t i = 0; i < VG_BLOCK_HEAD; i++) {
		b.p[at + i] = (char)(b.p[at + i] ^ 1 << i % 8);
		put(segment[1], vg_buf_str(&b));
		assert_int_not_equal(look(true, false), 0);
		TOLD(segment[1]);
		assert_int_equal(first.at, at + i);
		assert_int_equal(first.until, at + i + 1);
		b.p[at + i] = (char)(b.p[at + i] ^ 1 << i % 8);
	}
	vg_buf_fini(&b);
}

static void
every_bit_of_what_is_stored_is_named(void **state)
{
	struct vg_buf b = slurp(segment[2]);
	size_t at = block_at(vg_buf_str(&b), 99);

	(void)state;
	for (size_t i = at + VG_BLOCK_HEAD; i < b.n; i++) {
		b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
		put(segment[2], vg_buf_str(&b));
		assert_int_not_equal(look(true, false), 0);
		TOLD(segment[2]);
		assert_int_equal(first.at, i);
		assert_int_equal(first.seq, 1 + 299 * (RECORDS_A_BLOCK + 2));
		assert_int_equal(first.until_seq, first.seq + RECORDS_A_BLOCK);
		b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
	}
	vg_buf_fini(&b);
}

/* Take blocks [from, until) of a segment out, and put @in there. */
static void
put_blocks(const char *name, unsigned from, unsigned until, vg_str in)
{
	struct vg_buf b = slurp(name), out = { 0 };
	size_t x = block_at(vg_buf_str(&b), from), y = block_at(vg_buf_str(&b), until);

	vg_buf_mem(&out, b.p, x);
	vg_buf_put(&out, in);
	vg_buf_mem(&out, b.p + y, b.n - y);
	put(name, vg_buf_str(&out));
	vg_buf_fini(&b);
	vg_buf_fini(&out);
}

static void
a_block_that_is_gone_is_named(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BLOCKS_A_DAY; i += 33) {
		struct vg_buf b;
		uint64_t at, seq = 1 + (100 + i) * (RECORDS_A_BLOCK + 2);

		again(); /* blocks are of another size each time */
		b = slurp(segment[1]);
		at = block_at(vg_buf_str(&b), i);
		put_blocks(segment[1], i, i + 1, VG_NIL);
		assert_int_not_equal(look(true, false), 0);
		if (i < BLOCKS_A_DAY - 1) {
			TOLD(segment[1]);
			assert_int_equal(first.at, at);
		} else {
			TOLD(segment[2]); /* the next one, in which the hole is seen */
			assert_int_equal(first.at, 0);
		}
		assert_in_range(first.seq, seq - 2, seq);
		assert_int_equal(first.until_seq, seq + RECORDS_A_BLOCK + 2);
		make_tiles_fit(); /* then the blocks' own numbers are against it, and the signed one */
		assert_int_not_equal(look(true, false), 0);
		TOLD(i < BLOCKS_A_DAY - 1 ? segment[1] : segment[2]);
		vg_buf_fini(&b);
	}
}

static void
blocks_that_were_swapped_are_named(void **state)
{
	struct vg_buf b = slurp(segment[0]), swapped = { 0 };
	size_t x = block_at(vg_buf_str(&b), 10), y = block_at(vg_buf_str(&b), 11), z = block_at(vg_buf_str(&b), 12);

	(void)state;
	vg_buf_mem(&swapped, b.p + y, z - y);
	vg_buf_mem(&swapped, b.p + x, y - x);
	put_blocks(segment[0], 10, 12, vg_buf_str(&swapped));
	assert_int_not_equal(look(true, false), 0);
	TOLD(segment[0]);
	assert_int_equal(first.at, x);
	make_tiles_fit();
	assert_int_not_equal(look(true, false), 0);
	TOLD(segment[0]); /* their numbers are out of order */
	vg_buf_fini(&b);
	vg_buf_fini(&swapped);
}

/* Small blocks are compressed behind the first ones of their segment: when one of these is damaged, that is told, and once that others do not open for it. */
static void
a_damaged_beginning_is_told_once(void **state)
{
	struct vg_buf b = slurp(segment[1]);

	(void)state;
	assert_int_equal(look(true, true), 0);
	for (int i = 0; i < 2; i++) {
		size_t at = block_at(vg_buf_str(&b), i ? 30 : 0) + VG_BLOCK_HEAD + 5;

		b.p[at] ^= 1;
		put(segment[1], vg_buf_str(&b));
		assert_int_equal(look(true, false), 1);
		assert_int_equal(look(true, true), i ? 1 : 2);
		TOLD(segment[1]);
		assert_int_equal(first.at, at);
		assert_int_equal(result.stuck, i ? 0 : BLOCKS_A_DAY - 2);
		assert_int_equal(result.opened, i ? DAYS * BLOCKS_A_DAY - 1 : (DAYS - 1) * BLOCKS_A_DAY);
		b.p[at] ^= 1;
	}
	vg_buf_fini(&b);
}

/* A block written anew, without one of its records: all in it is sound. */
static void
a_record_that_was_taken_out_is_named(void **state)
{
	struct vg_block_writer w = { .head = { .count = 0 } };
	struct vg_buf out = { 0 }, b = slurp(segment[1]);
	uint64_t seq = 1 + 130 * (RECORDS_A_BLOCK + 2);
	size_t at = block_at(vg_buf_str(&b), 30);

	(void)state;
	vg_block_begin(&w);
	for (unsigned i = 0; i < RECORDS_A_BLOCK; i++)
		if (i != 1)
			assert_int_equal(vg_block_add(&w, &(struct vg_record){ .seq = seq + i, .recv_ns = DAY0 + VG_DAY + (int64_t)(seq + i), .raw = VG_STR("x") }), VG_OK);
	w.head.leaf = 130;
	assert_int_equal(vg_block_finish(&w, NULL, 0, &out), VG_OK);
	put_blocks(segment[1], 30, 31, vg_buf_str(&out));
	assert_int_not_equal(look(true, true), 0);
	TOLD(segment[1]);
	assert_int_equal(first.at, at);
	assert_in_range(seq, first.seq, first.until_seq - 1);
	make_tiles_fit();
	assert_int_not_equal(look(true, true), 0);
	TOLD(VG_CHECKPOINT_FILE);
	vg_block_writer_fini(&w);
	vg_buf_fini(&out);
	vg_buf_fini(&b);
}

static void
segments_that_were_swapped_are_named(void **state)
{
	(void)state;
	rename_file(segment[0], "aside");
	rename_file(segment[1], segment[0]);
	rename_file("aside", segment[1]);
	assert_int_not_equal(look(true, false), 0);
	assert_true(strcmp(first.file, segment[0]) == 0 || strcmp(first.file, segment[1]) == 0);
	assert_non_null(strstr(first.what, "another day"));
}

static void
a_segment_that_is_gone_is_named(void **state)
{
	(void)state;
	remove_file(segment[1]);
	assert_int_not_equal(look(true, false), 0);
	TOLD(segment[2]);
	assert_int_equal(first.at, 0);
	assert_int_equal(first.seq, 1 + 100 * (RECORDS_A_BLOCK + 2) - 2);
	assert_int_equal(first.until_seq, 1 + 200 * (RECORDS_A_BLOCK + 2));
	again();
	remove_file(segment[2]);
	assert_int_not_equal(look(true, false), 0);
	TOLD(segment[1]);
	again();
	remove_file(segment[0]);
	assert_int_not_equal(look(true, false), 0);
	TOLD(segment[1]);
}

static void
tiles_are_compared_to_the_byte(void **state)
{
	static const char *const tile[] = { "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1" };

	(void)state;
	for (size_t k = 0; k < VG_COUNT(tile); k++) {
		struct vg_buf b = slurp(tile[k]);
		size_t step = b.n / 16;

		for (size_t i = 0; i < b.n; i += step) {
			b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
			put(tile[k], vg_buf_str(&b));
			assert_int_equal(look(true, false), 1);
			TOLD(tile[k]);
			assert_int_equal(first.at, i);
			b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
		}
		put(tile[k], vg_str_cut(vg_buf_str(&b), b.n - 1));
		assert_int_equal(look(true, false), 1);
		TOLD(tile[k]);
		vg_buf_putc(&b, 'x');
		put(tile[k], vg_buf_str(&b));
		assert_int_equal(look(true, false), 1);
		TOLD(tile[k]);
		remove_file(tile[k]);
		assert_int_equal(look(true, false), 1);
		TOLD(tile[k]);
		assert_int_equal(look(false, false), 0); /* a witness keeps none */
		again();
		vg_buf_fini(&b);
	}
	put("tile/0/2", VG_STR(""));
	assert_int_equal(look(true, false), 1);
	TOLD("tile/0/2");
}

/* The store that is opened takes up where a kill left it; verify tells what is not sealed, and what is torn. */
static void
what_is_not_sealed_is_told(void **state)
{
	struct vg_disk d;
	struct vg_store *s = open_store(&d);
	struct vg_buf b;
	size_t whole;

	(void)state;
	for (uint64_t seq = 5000; seq < 5004; seq++) {
		assert_int_equal(vg_store_add(s, &(struct vg_record){ .seq = seq, .recv_ns = DAY0 + 2 * VG_DAY + (int64_t)seq, .raw = VG_STR("new") }), VG_OK);
		assert_int_equal(vg_store_cut(s), VG_OK);
	}
	vg_store_free(s);
	vg_disk_close(&d);
	assert_int_equal(look(true, true), 0);
	assert_int_equal(result.unsealed, 4);
	assert_int_equal(result.unsealed_records, 4);
	assert_int_equal(result.unsealed_ns, DAY0 + 2 * VG_DAY + 5000);
	assert_int_equal(result.next_seq, 5004);
	b = slurp(segment[2]);
	whole = block_at(vg_buf_str(&b), 103);
	for (size_t n = whole + 1; n < b.n; n++) {
		put(segment[2], vg_str_cut(vg_buf_str(&b), n));
		assert_int_equal(look(true, false), 0);
		assert_true(result.torn);
		assert_int_equal(result.torn_at, whole);
		assert_int_equal(result.unsealed, 3);
	}
	put(segment[2], vg_str_cut(vg_buf_str(&b), block_at(vg_buf_str(&b), 100) - 1)); /* a byte of what was sealed */
	assert_int_not_equal(look(true, false), 0);
	TOLD(segment[2]);
	vg_buf_fini(&b);
}

/* Key 2 goes, as the watch does it.  @erase: its blocks' bytes too. */
static void
destroy_key_2(int64_t notice_ns, bool erase)
{
	static const uint8_t tenant[32] = { 9 };
	const struct vg_note_secret *first_day[2] = { &log_key, &day_key[0] }, *third_day[2] = { &log_key, &day_key[2] };
	struct vg_destruction e = { .key = 2, .day = (uint32_t)(DAY0 / VG_DAY + 1), .class_name = "default", .why = "it was time" };
	struct vg_store_damage damage;
	struct vg_disk d, keys;
	struct vg_keyring *k;
	struct vg_store *s;
	struct vg_buf text = { 0 }, note = { 0 };
	char bad[VG_DISK_NAME_MAX];

	assert_int_equal(vg_disk_open(&d, folder), VG_OK);
	assert_int_equal(vg_disk_folder(&d, "keys", &keys), VG_OK);
	snprintf(e.origin, sizeof(e.origin), "node.test/acme");
	e.time_ns = DAY0 + VG_HOUR;
	e.after_ns = e.time_ns + notice_ns;
	if (notice_ns) {
		vg_destruction_print(&e, &text);
		assert_int_equal(vg_note_sign(vg_buf_str(&text), first_day, 2, &note), VG_OK);
		assert_int_equal(vg_disk_replace(&keys, "00000002.due", vg_buf_str(&note)), VG_OK);
	}
	assert_int_equal(vg_store_open(&d, "node.test/acme", tenant, &damage, &s), VG_OK);
	assert_int_equal(vg_store_under(s, 2, &e.of), VG_OK);
	assert_int_equal(e.of.blocks, BLOCKS_A_DAY);
	e.kind = VG_DESTRUCTION_DONE;
	e.time_ns += 2 * VG_DAY;
	vg_buf_clear(&text);
	vg_buf_clear(&note);
	vg_destruction_print(&e, &text);
	assert_int_equal(vg_note_sign(vg_buf_str(&text), third_day, 2, &note), VG_OK);
	assert_int_equal(vg_keyring_open(&keys, tenant, bad, &k), VG_OK);
	assert_int_equal(vg_keyring_destroy(k, 2, vg_buf_str(&note)), VG_OK);
	if (erase)
		assert_int_equal(vg_store_erase(s, 2, NULL, NULL), VG_OK);
	vg_store_free(s);
	vg_keyring_free(k);
	vg_buf_fini(&text);
	vg_buf_fini(&note);
	vg_disk_close(&keys);
	vg_disk_close(&d);
}

static void
a_destroyed_key_leaves_its_day_sound(void **state)
{
	struct vg_buf b;

	(void)state;
	remove_file("keys/00000002.key");
	assert_int_equal(look(true, true), 1);
	TOLD("keys/00000002.key");
	for (int erase = 0; erase < 2; erase++) {
		again();
		destroy_key_2(VG_DAY, erase);
		assert_int_equal(look(true, true), 0);
		assert_int_equal(result.opened, 2 * BLOCKS_A_DAY);
		assert_int_equal(result.gone, BLOCKS_A_DAY);
		assert_int_equal(result.keys_gone, 1);
	}
	b = slurp("keys/00000002.gone");
	for (size_t i = 0; i < b.n; i += 41) {
		b.p[i] ^= 1;
		put("keys/00000002.gone", vg_buf_str(&b));
		assert_int_equal(look(true, true), 1);
		TOLD("keys/00000002.gone");
		assert_true(first.at == i && first.until == i + 1);
		b.p[i] ^= 1;
	}
	put("keys/00000002.gone", vg_buf_str(&b));
	vg_buf_fini(&b);
	remove_file("keys/00000002.due"); /* nobody announced it */
	assert_int_equal(look(true, true), 1);
	TOLD("keys/00000002.gone");
	again();
	destroy_key_2(VG_HOUR, true); /* an hour before is no announcement */
	assert_int_equal(look(true, true), 1);
	TOLD("keys/00000002.gone");
	again();
	destroy_key_2(3 * VG_DAY, true); /* before the time */
	assert_int_equal(look(true, true), 1);
	TOLD("keys/00000002.gone");
}

/* Bytes that are zero though no certificate says so, or under another key than it says. */
static void
what_was_erased_without_a_certificate_is_named(void **state)
{
	struct vg_buf b = slurp(segment[0]);
	size_t x = block_at(vg_buf_str(&b), 10), y = block_at(vg_buf_str(&b), 11);

	(void)state;
	assert_int_equal(look(true, true), 0);
	destroy_key_2(VG_DAY, true);
	memset(b.p + x + VG_BLOCK_HEAD, 0, y - x - VG_BLOCK_HEAD);
	put(segment[0], vg_buf_str(&b));
	assert_int_equal(look(true, true), 1);
	TOLD(segment[0]);
	assert_int_equal(first.at, x + VG_BLOCK_HEAD);
	vg_buf_fini(&b);
}

static void
keys_say_whose_they_are(void **state)
{
	struct vg_buf a = slurp("keys/00000001.key");

	(void)state;
	for (size_t i = 0; i < a.n; i += 7) {
		a.p[i] = (char)(a.p[i] ^ 4);
		put("keys/00000001.key", vg_buf_str(&a));
		assert_int_not_equal(look(true, false), 0);
		TOLD("keys/00000001.key");
		assert_int_equal(first.at, i);
		a.p[i] = (char)(a.p[i] ^ 4);
	}
	put("keys/00000001.key", vg_buf_str(&a));
	rename_file("keys/00000001.key", "keys/aside");
	rename_file("keys/00000002.key", "keys/00000001.key");
	rename_file("keys/aside", "keys/00000002.key");
	assert_int_not_equal(look(true, false), 0);
	TOLD("keys/00000001.key");
	vg_buf_fini(&a);
}

static void
a_key_for_recovery_that_is_gone_is_named(void **state)
{
	static const char *const gone[] = { "keys/" VG_KEY_RECOVERY, "keys/" VG_KEY_SEALED };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(gone); i++) {
		again();
		remove_file(gone[i]);
		assert_int_equal(look(true, false), 1);
		TOLD(gone[i]);
		assert_int_equal(look(false, false), 0); /* a witness may not have pulled it yet */
	}
}

static void
days_are_a_chain(void **state)
{
	(void)state;
	for (size_t i = 0; i < days_text.n; i += 11) {
		struct vg_days d = { .n = 0 };
		uint64_t damages = 0;
		size_t bad;

		days_text.p[i] = (char)(days_text.p[i] ^ 1 << i % 7);
		memset(&first, 0, sizeof(first));
		assert_int_equal(vg_days_read(&d, vg_buf_str(&days_text), &log_key.key, &bad), VG_E_FORMAT);
		vg_days_free(&d);
		assert_int_equal(vg_verify_days(vg_buf_str(&days_text), "days.log", &log_key.key, found, NULL, &d, &damages), VG_OK);
		assert_int_equal(damages, 1);
		assert_int_equal(first.at, i); /* the flipped bit itself, and the chain is read on */
		assert_int_equal(d.n, DAYS);
		vg_days_free(&d);
		days_text.p[i] = (char)(days_text.p[i] ^ 1 << i % 7);
	}
	for (unsigned k = 0; k < DAYS; k++) { /* one taken out */
		struct vg_days d = { .n = 0 };
		struct vg_buf b = { 0 };
		size_t bad;
		vg_rc rc;

		vg_buf_mem(&b, days_text.p, days.day[k].at);
		vg_buf_put(&b, vg_str_skip(vg_buf_str(&days_text), days.day[k].at + days.day[k].bytes));
		rc = vg_days_read(&d, vg_buf_str(&b), &log_key.key, &bad);
		assert_int_equal(rc, k + 1 < DAYS ? VG_E_FORMAT : VG_OK); /* of the last one nobody here knows: the checkpoint does */
		vg_days_free(&d);
		vg_buf_fini(&b);
	}
}

/* The power went before the secret of a certified key was on disk: the next certificate is signed by the key before it. */
static void
a_day_may_be_certified_again(void **state)
{
	const struct vg_note_secret *by[2] = { &log_key, &day_key[0] };
	struct vg_buf b = { 0 }, text = { 0 };
	struct vg_days d = { .n = 0 };
	struct vg_note_secret fresh;
	uint8_t seed[32] = { 77 };
	size_t bad;

	(void)state;
	vg_buf_mem(&b, days_text.p, days.day[2].at); /* days 0 and 1 */
	assert_int_equal(vg_note_key_of_seed(vg_str_of(day_key[1].key.name), seed, &fresh), VG_OK);
	vg_buf_printf(&text, "vigie day\nnode.test\nday %u\n", days.day[1].day);
	vg_note_key_print(&fresh.key, &text);
	vg_buf_putc(&text, '\n');
	assert_int_equal(vg_note_sign(vg_buf_str(&text), by, 2, &b), VG_OK);
	vg_buf_putc(&b, '\n');
	assert_int_equal(vg_days_read(&d, vg_buf_str(&b), &log_key.key, &bad), VG_OK);
	assert_int_equal(d.n, 3);
	assert_memory_equal(d.day[2].key.public, fresh.key.public, 32);
	vg_days_free(&d);
	b.n = days.day[2].at;
	assert_int_equal(vg_note_sign(vg_buf_str(&text), by, 1, &b), VG_OK); /* by the log alone: that is only how a chain begins */
	vg_buf_putc(&b, '\n');
	assert_int_equal(vg_days_read(&d, vg_buf_str(&b), &log_key.key, &bad), VG_E_FORMAT);
	assert_int_equal(bad, days.day[2].at);
	vg_days_free(&d);
	vg_buf_fini(&b);
	vg_buf_fini(&text);
}

static void
a_checkpoint_is_signed_by_its_day(void **state)
{
	const struct vg_note_secret *by[2] = { &log_key, &day_key[0] };
	struct vg_days two = { days.day, 2, 2 };
	struct vg_verify_options o = { .log_key = &log_key.key, .days = &two, .found = found };
	struct vg_buf b = slurp(VG_CHECKPOINT_FILE), note = { 0 };
	int dir = open(folder, O_RDONLY | O_DIRECTORY);
	vg_str text;

	(void)state;
	vg_verified_fini(&result);
	assert_int_equal(vg_verify_tenant(dir, &o, &result), VG_OK);
	assert_int_equal(result.damages, 1);
	close(dir);
	assert_int_equal(vg_note_text(vg_buf_str(&b), &text), VG_OK);
	assert_int_equal(vg_note_sign(text, by, 2, &note), VG_OK); /* with the key of another day */
	put(VG_CHECKPOINT_FILE, vg_buf_str(&note));
	assert_int_equal(look(true, false), 0);
	assert_int_equal(result.warnings, 1);
	for (size_t i = 0; i < b.n; i += 5) {
		b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
		put(VG_CHECKPOINT_FILE, vg_buf_str(&b));
		assert_int_equal(look(true, false), 1);
		TOLD(VG_CHECKPOINT_FILE);
		assert_int_equal(first.at, i);
		b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
	}
	vg_buf_fini(&b);
	vg_buf_fini(&note);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_not_touched_is_sound, make, clear),
		cmocka_unit_test_setup_teardown(every_bit_of_a_head_is_named, make, clear),
		cmocka_unit_test_setup_teardown(every_bit_of_what_is_stored_is_named, make, clear),
		cmocka_unit_test_setup_teardown(a_block_that_is_gone_is_named, make, clear),
		cmocka_unit_test_setup_teardown(a_damaged_beginning_is_told_once, make, clear),
		cmocka_unit_test_setup_teardown(blocks_that_were_swapped_are_named, make, clear),
		cmocka_unit_test_setup_teardown(a_record_that_was_taken_out_is_named, make, clear),
		cmocka_unit_test_setup_teardown(segments_that_were_swapped_are_named, make, clear),
		cmocka_unit_test_setup_teardown(a_segment_that_is_gone_is_named, make, clear),
		cmocka_unit_test_setup_teardown(tiles_are_compared_to_the_byte, make, clear),
		cmocka_unit_test_setup_teardown(what_is_not_sealed_is_told, make, clear),
		cmocka_unit_test_setup_teardown(a_destroyed_key_leaves_its_day_sound, make, clear),
		cmocka_unit_test_setup_teardown(what_was_erased_without_a_certificate_is_named, make, clear),
		cmocka_unit_test_setup_teardown(keys_say_whose_they_are, make, clear),
		cmocka_unit_test_setup_teardown(a_key_for_recovery_that_is_gone_is_named, make, clear),
		cmocka_unit_test_setup_teardown(days_are_a_chain, make, clear),
		cmocka_unit_test_setup_teardown(a_day_may_be_certified_again, make, clear),
		cmocka_unit_test_setup_teardown(a_checkpoint_is_signed_by_its_day, make, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
