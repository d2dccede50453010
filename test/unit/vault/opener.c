/* Blocks that are compressed behind the beginning of their segment, as the store writes them: opened in any order, after a restart, with one of them damaged
 * or missing, and with the key of another class destroyed. */
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
#include "vault/opener.h"
#include "vault/store.h"

#define DAY0 (INT64_C(1775203200) * VG_SEC) /* 2026-04-03 */
#define NAME "2026-04-03.0000" VG_SEGMENT_SUFFIX
#define CUTS 20
#define LARGE 12 /* this cut's block is too large for a prefix */
#define LINES 40

static const uint8_t tenant_key[32] = { 7 };
static char folder[64];
static struct vg_keyring *ring;
static struct vg_disk dir, keys_dir;
static struct vg_file file;
static struct at { uint64_t at; struct vg_block_head h; } at[3 * CUTS];
static size_t nat;

static int
line(uint64_t seq, char text[200])
{
	uint32_t r = (uint32_t)(seq * 2654435761u);

	return snprintf(text, 200, "<38>Apr  3 08:12:%02u srv%u sshd[%u]: Failed password for user%u from 10.0.%u.%u port %u ssh2", (unsigned)(seq % 60), r >> 4 & 15, r & 32767, r >> 8 & 127,
			r >> 12 & 255, r >> 20 & 255, 1024 + (r >> 3 & 32767));
}

static uint16_t
class_of(uint64_t seq)
{
	return seq % 5 == 0;
}

static struct vg_store *
store_open(struct vg_disk *d, const uint8_t *key)
{
	struct vg_store_damage damage;
	struct vg_store *s;

	assert_int_equal(vg_disk_open(d, folder), VG_OK);
	assert_int_equal(vg_store_open(d, "node.test/acme", key, &damage, &s), VG_OK);
	return s;
}

/* A day of small blocks of two classes, with a large one among them; the process ends in its middle. */
static void
fill(const uint8_t *key)
{
	struct vg_disk d;
	struct vg_store *s = store_open(&d, key);
	uint64_t seq = 1;

	for (int cut = 0; cut < CUTS; cut++) {
		for (int i = 0; i < (cut == LARGE ? 200 * LINES : LINES); i++, seq++) {
			char text[200];
			int n = line(seq, text);

			assert_int_equal(vg_store_add(s, &(struct vg_record){ .seq = seq, .recv_ns = DAY0 + (int64_t)seq * 1000, .source = 1, .class = class_of(seq), .raw = vg_str_mem(text, (size_t)n) }), VG_OK);
		}
		assert_int_equal(vg_store_cut(s), VG_OK);
		if (cut == 3 || cut == CUTS / 2) {
			vg_store_free(s);
			vg_disk_close(&d);
			s = store_open(&d, key);
		}
	}
	vg_store_free(s);
	vg_disk_close(&d);
}

static void
find_blocks(void)
{
	uint64_t size, x = 0;
	char bad[VG_DISK_NAME_MAX];

	assert_int_equal(vg_disk_open(&dir, folder), VG_OK);
	dir.read_only = true;
	if (vg_disk_folder(&dir, "keys", &keys_dir) == VG_OK)
		assert_int_equal(vg_keyring_open(&keys_dir, tenant_key, bad, &ring), VG_OK);
	dir.read_only = false; /* some tests write to the segment */
	assert_int_equal(vg_file_open(&dir, NAME, &file), VG_OK);
	assert_int_equal(vg_file_size(&file, &size), VG_OK);
	for (nat = 0; x < size; nat++) {
		char head[VG_BLOCK_HEAD];

		assert_true(nat < VG_COUNT(at));
		at[nat].at = x;
		assert_int_equal(vg_file_read(&file, head, sizeof(head), x), VG_OK);
		assert_int_equal(vg_block_head_take(vg_str_mem(head, sizeof(head)), &at[nat].h), VG_OK);
		x += VG_BLOCK_HEAD + at[nat].h.stored;
	}
}

static int
make_of(const uint8_t *key)
{
	strcpy(folder, "/tmp/opener-XXXXXX");
	assert_non_null(mkdtemp(folder));
	fill(key);
	find_blocks();
	return 0;
}

static int
make(void **state)
{
	(void)state;
	return make_of(tenant_key);
}

static int
make_plain(void **state)
{
	(void)state;
	return make_of(NULL);
}

static int
clear(void **state)
{
	char command[128];

	(void)state;
	vg_file_close(&file);
	vg_keyring_free(ring);
	ring = NULL;
	vg_disk_close(&keys_dir);
	vg_disk_close(&dir);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static vg_rc
is_right(void *ctx, uint32_t i, const struct vg_record *r)
{
	char text[200];
	int n = line(r->seq, text);

	(void)i;
	assert_true(vg_str_eq(r->raw, vg_str_mem(text, (size_t)n)) && r->recv_ns == DAY0 + (int64_t)r->seq * 1000);
	assert_int_equal(class_of(r->seq), *(const uint32_t *)ctx);
	return VG_OK;
}

/* Open block @i where it stands, and look at its records. */
static vg_rc
open_one(struct vg_opener *o, size_t i)
{
	struct vg_buf b = { 0 }, payload = { 0 };
	const struct vg_block_head *h = &at[i].h;
	const struct vg_day_key *key = h->key && ring ? vg_keyring_find(ring, h->key) : NULL;
	vg_rc rc;

	assert_true(vg_buf_reserve(&b, VG_BLOCK_HEAD + h->stored));
	assert_int_equal(vg_file_read(&file, b.p, VG_BLOCK_HEAD + h->stored, at[i].at), VG_OK);
	b.n = VG_BLOCK_HEAD + h->stored;
	rc = vg_opener_open(o, &file, at[i].at, h, vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD), key ? key->key : NULL, &payload);
	if (rc == VG_OK) {
		uint32_t class = h->class;

		assert_int_equal(vg_block_check(h, vg_buf_str(&payload)), VG_OK);
		assert_int_equal(vg_block_each(h, vg_buf_str(&payload), is_right, &class), VG_OK);
	}
	vg_buf_fini(&b);
	vg_buf_fini(&payload);
	return rc;
}

static void
they_open_in_any_order(void **state)
{
	struct vg_opener o = { .evict = 0 }, forward = { .evict = 0 };
	uint64_t small = 0, payload = 0;
	unsigned prefixed = 0;
	uint32_t most = 0;

	(void)state;
	assert_true(nat >= 2 * CUTS);
	for (size_t i = 0; i < nat; i++) {
		struct vg_opener alone = { .evict = 0 };
		const struct vg_block_head *h = &at[i].h;

		assert_int_equal(open_one(&forward, i), VG_OK);
		assert_int_equal(open_one(&o, nat - 1 - i), VG_OK);
		assert_int_equal(open_one(&o, i * 7 % nat), VG_OK);
		assert_int_equal(open_one(&alone, i), VG_OK);
		vg_opener_fini(&alone);
		prefixed += h->codec == VG_BLOCK_PREFIXED;
		assert_true(h->codec == (h->prefix ? VG_BLOCK_PREFIXED : VG_BLOCK_ZSTD));
		assert_true(h->payload <= VG_BLOCK_SMALL || h->codec == VG_BLOCK_ZSTD);
		small += h->prefix ? h->stored : 0;
		payload += h->prefix ? h->payload : 0;
		most = h->prefix > most ? h->prefix : most;
	}
	assert_int_equal(prefixed, nat - (at[0].h.key ? 2 : 1) - 1); /* all but the first of a key, and the large one */
	assert_true(small * 3 < payload && most > 10000 && most <= VG_BLOCK_PREFIX_MAX);
	vg_opener_fini(&o);
	vg_opener_fini(&forward);
}

static void
flip(uint64_t where)
{
	char c;

	assert_int_equal(vg_file_read(&file, &c, 1, where), VG_OK);
	c ^= 16;
	assert_int_equal(vg_file_write(&dir, &file, vg_str_mem(&c, 1), where), VG_OK);
}

/* The first block of a class: those behind it say which one is to blame, and those of another key open as ever. */
static void
a_damaged_beginning_is_named(void **state)
{
	(void)state;
	for (size_t bad = 0; bad < 4; bad++)
		for (int head = 0; head < 2; head++) {
			struct vg_opener o = { .evict = 0 };
			uint64_t where = at[bad].at + (head ? 100 : VG_BLOCK_HEAD + 20);

			flip(where);
			for (size_t i = 0; i < nat; i++) {
				const struct vg_block_head *h = &at[i].h;
				vg_rc rc;

				if (i == bad)
					continue;
				rc = open_one(&o, i);
				if (h->key != at[bad].h.key || i < bad || h->prefix == 0) {
					assert_int_equal(rc, VG_OK);
				} else {
					assert_int_equal(rc, VG_E_FORMAT);
					assert_true(o.by_prefix && o.broken_at == at[bad].at);
				}
			}
			flip(where);
			vg_opener_fini(&o);
		}
}

/* Without the block at the beginning, or with another one there, what is behind it has another prefix than it should: told, not taken for text. */
static void
another_beginning_is_told(void **state)
{
	struct vg_buf all = { 0 };
	struct vg_opener o = { .evict = 0 };
	uint64_t size, cut = at[1].at;

	(void)state;
	assert_int_equal(vg_file_size(&file, &size), VG_OK);
	assert_true(vg_buf_reserve(&all, size));
	assert_int_equal(vg_file_read(&file, all.p, size, 0), VG_OK);
	assert_int_equal(vg_file_write(&dir, &file, vg_str_mem(all.p + cut, size - cut), 0), VG_OK);
	assert_int_equal(vg_file_truncate(&dir, &file, size - cut), VG_OK);
	for (size_t i = 1; i < nat; i++)
		at[i].at -= cut;
	for (size_t i = 1; i < nat; i++) {
		vg_rc rc = open_one(&o, i);

		if (at[i].h.key != at[0].h.key || at[i].h.prefix == 0) {
			assert_int_equal(rc, VG_OK);
		} else {
			assert_int_equal(rc, VG_E_FORMAT);
			assert_true(o.by_prefix);
		}
	}
	vg_opener_fini(&o);
	vg_buf_fini(&all);
}

/* Zero are the bytes of the first class, as when its key is destroyed: the other's blocks need nothing of it. */
static void
a_class_goes_alone(void **state)
{
	struct vg_opener o = { .evict = 0 };
	static const char zero[1 << 20];

	(void)state;
	for (size_t i = 0; i < nat; i++)
		if (at[i].h.class == 0)
			assert_int_equal(vg_file_write(&dir, &file, vg_str_mem(zero, at[i].h.stored), at[i].at + VG_BLOCK_HEAD), VG_OK);
	for (size_t i = 0; i < nat; i++)
		if (at[i].h.class == 1)
			assert_int_equal(open_one(&o, i), VG_OK);
	vg_opener_fini(&o);
}

static vg_rc
take(const char head[VG_BLOCK_HEAD], uint32_t codec, uint32_t prefix, struct vg_block_head *out)
{
	char b[VG_BLOCK_HEAD];

	memcpy(b, head, sizeof(b));
	b[12] = (char)codec;
	for (int i = 0; i < 3; i++)
		b[13 + i] = (char)(prefix >> 8 * i);
	return vg_block_head_take(vg_str_mem(b, sizeof(b)), out);
}

/* What a head may say, and what it claims. */
static void
a_liar_is_refused(void **state)
{
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	size_t last = nat - 1;
	uint32_t real = at[last].h.prefix;

	(void)state;
	assert_int_equal(vg_file_read(&file, head, sizeof(head), at[last].at), VG_OK);
	assert_int_equal(take(head, VG_BLOCK_PREFIXED, 0, &h), VG_E_FORMAT);
	assert_int_equal(take(head, VG_BLOCK_PREFIXED, VG_BLOCK_PREFIX_MAX, &h), VG_OK);
	assert_int_equal(take(head, VG_BLOCK_PREFIXED, VG_BLOCK_PREFIX_MAX + 1, &h), VG_E_UNSUP); /* perhaps a later program's */
	assert_int_equal(take(head, VG_BLOCK_ZSTD, 0, &h), VG_OK);
	assert_int_equal(take(head, VG_BLOCK_ZSTD, 1, &h), VG_E_UNSUP);
	assert_int_equal(take(head, VG_BLOCK_PLAIN, 1 << 23, &h), VG_E_UNSUP);
	assert_int_equal(take(head, VG_BLOCK_PREFIXED + 1, 0, &h), VG_E_UNSUP);
	if (at[last].h.key) /* bound to the encryption */
		return;
	for (uint32_t n = 1; n < 2 * real; n += real / 7) {
		struct vg_opener o = { .evict = 0 };

		at[last].h.prefix = n;
		if (n != real) {
			assert_int_equal(open_one(&o, last), VG_E_FORMAT);
			assert_true(o.by_prefix);
		}
		vg_opener_fini(&o);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_open_in_any_order, make, clear), cmocka_unit_test_setup_teardown(they_open_in_any_order, make_plain, clear),
		cmocka_unit_test_setup_teardown(a_damaged_beginning_is_named, make, clear), cmocka_unit_test_setup_teardown(another_beginning_is_told, make, clear),
		cmocka_unit_test_setup_teardown(another_beginning_is_told, make_plain, clear), cmocka_unit_test_setup_teardown(a_class_goes_alone, make, clear),
		cmocka_unit_test_setup_teardown(a_liar_is_refused, make, clear), cmocka_unit_test_setup_teardown(a_liar_is_refused, make_plain, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
