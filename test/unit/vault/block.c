#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "vault/block.h"

#define RECORDS 300
static const uint8_t key[VG_BLOCK_KEY] = "a key of the tenant, of that day", other[VG_BLOCK_KEY] = "another one";

static struct vg_record
record(uint32_t i, char text[100])
{
	int n = snprintf(text, 100, "record %u, and what it says%*s", i, (int)(i % 40), "");

	return (struct vg_record){ .seq = 1000 + 3 * (uint64_t)i, .recv_ns = (int64_t)(i * 7 % 100) * 1000, .source = i % 5, .flags = i % 7 == 0,
				   .id = vg_str_mem(text, i % 10), .raw = vg_str_mem(text, i % 50 ? (size_t)n : 0) };
}

/* Of RECORDS records. */
static void
make(const uint8_t *k, struct vg_buf *out)
{
	struct vg_block_writer w = { .head = { .count = 0 } };
	char text[100];

	vg_block_begin(&w);
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct vg_record r = record(i, text);

		assert_int_equal(vg_block_add(&w, &r), VG_OK);
		assert_int_equal(vg_block_add(&w, &r), VG_E_REFUSED);
	}
	assert_false(vg_block_is_full(&w));
	assert_int_equal(vg_block_finish(&w, k, k ? 9 : 0, out), VG_OK);
	vg_block_writer_fini(&w);
}

static vg_rc
same(void *ctx, uint32_t at, const struct vg_record *r)
{
	char text[100];
	struct vg_record want = record(at, text);

	assert_true(r->seq == want.seq && r->recv_ns == want.recv_ns && r->source == want.source && r->flags == want.flags && vg_str_eq(r->id, want.id) && vg_str_eq(r->raw, want.raw));
	++*(uint32_t *)ctx;
	return VG_OK;
}

/* All at once they are the same as one by one, and cut columns are told. */
static void
all_at_once(const struct vg_block_head *h, vg_str payload)
{
	struct vg_record *all = calloc(RECORDS, sizeof(*all));
	struct vg_block_reader r;
	uint32_t n = 0;

	assert_non_null(all);
	assert_int_equal(vg_block_reader_open(h, payload, &r), VG_OK);
	assert_int_equal(vg_block_all(&r, all), VG_OK);
	for (uint32_t i = 0; i < RECORDS; i++)
		assert_int_equal(same(&n, i, &all[i]), VG_OK);
	for (int c = 0; c < VG_COLUMNS; c++) {
		assert_int_equal(vg_block_reader_open(h, payload, &r), VG_OK);
		r.column[c].end--;
		assert_int_equal(vg_block_all(&r, all), VG_E_FORMAT);
	}
	assert_int_equal(vg_block_reader_open(h, payload, &r), VG_OK);
	r.raw.n--;
	assert_int_equal(vg_block_all(&r, all), VG_E_FORMAT);
	free(all);
}

static void
there_and_back(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		const uint8_t *k = turn ? key : NULL;
		struct vg_buf b = { 0 }, payload = { 0 };
		struct vg_block_head h;
		vg_str head, stored;
		uint32_t n = 0;

		make(k, &b);
		head = vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD);
		stored = vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD);
		assert_int_equal(vg_block_head_take(head, &h), VG_OK);
		assert_true(h.count == RECORDS && h.first_seq == 1000 && h.last_seq == 1000 + 3 * (RECORDS - 1) && h.first_ns == 0 && h.last_ns == 99000);
		assert_true(h.stored < h.payload && h.codec == VG_BLOCK_ZSTD);
		assert_true(vg_block_is_sound(&h, stored));
		assert_int_equal(vg_block_open(&h, head, stored, k, &payload), VG_OK);
		assert_int_equal(vg_block_each(&h, vg_buf_str(&payload), same, &n), VG_OK);
		assert_int_equal(n, RECORDS);
		all_at_once(&h, vg_buf_str(&payload));
		if (k) {
			assert_int_equal(vg_block_open(&h, head, stored, other, &payload), VG_E_REFUSED);
			assert_int_equal(vg_block_open(&h, head, stored, NULL, &payload), VG_E_REFUSED);
			assert_true(vg_block_is_sound(&h, stored)); /* nobody can read it, and it is still vouched for */
			assert_true(vg_str_find(stored, VG_STR("what it says")) == VG_NPOS);
		}
		vg_buf_fini(&b);
		vg_buf_fini(&payload);
	}
}

/* Two blocks of the same records have nothing in common that tells so. */
static void
nobody_can_guess(void **state)
{
	struct vg_buf a = { 0 }, b = { 0 };
	struct vg_block_head x, y;

	(void)state;
	make(key, &a);
	make(key, &b);
	assert_int_equal(vg_block_head_take(vg_str_cut(vg_buf_str(&a), VG_BLOCK_HEAD), &x), VG_OK);
	assert_int_equal(vg_block_head_take(vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), &y), VG_OK);
	assert_false(vg_hash_eq(&x.root, &y.root) || vg_hash_eq(&x.digest, &y.digest) || memcmp(x.nonce, y.nonce, sizeof(x.nonce)) == 0);
	vg_buf_fini(&a);
	vg_buf_fini(&b);
}

static void
every_record_is_proved(void **state)
{
	struct vg_buf b = { 0 }, payload = { 0 };
	struct vg_block_head h;

	(void)state;
	make(key, &b);
	assert_int_equal(vg_block_head_take(vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), &h), VG_OK);
	assert_int_equal(vg_block_open(&h, vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD), key, &payload), VG_OK);
	for (uint32_t i = 0; i < RECORDS; i++) {
		char text[100];
		struct vg_record r = record(i, text);
		struct vg_buf one = { 0 };
		struct vg_proof p;
		struct vg_hash leaf;

		vg_record_put(&one, &r);
		vg_leaf_hash(vg_buf_str(&one), &leaf);
		assert_int_equal(vg_block_prove(&h, vg_buf_str(&payload), i, &p), VG_OK);
		assert_true(vg_check_inclusion(&leaf, i + 1, RECORDS + 1, &p, &h.root));
		assert_false(vg_check_inclusion(&leaf, i + 2 > RECORDS ? 1 : i + 2, RECORDS + 1, &p, &h.root));
		vg_buf_fini(&one);
	}
	assert_int_equal(vg_block_prove(&h, vg_buf_str(&payload), RECORDS, &(struct vg_proof){ .n = 0 }), VG_E_NOTFOUND);
	vg_buf_fini(&b);
	vg_buf_fini(&payload);
}

/* Any bit of head or stored bytes: the leaf is another one, or the digest does not fit. */
static void
every_bit_counts(void **state)
{
	struct vg_buf b = { 0 };
	struct vg_hash leaf;

	(void)state;
	make(key, &b);
	vg_block_leaf(vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), &leaf);
	for (size_t i = 0; i < b.n; i++)
		for (int bit = 0; bit < 8; bit += i < VG_BLOCK_HEAD ? 1 : 3) {
			struct vg_block_head h;
			struct vg_hash now;
			bool seen;

			b.p[i] = (char)(b.p[i] ^ 1 << bit);
			vg_block_leaf(vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), &now);
			seen = !vg_hash_eq(&now, &leaf) || vg_block_head_take(vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), &h) != VG_OK ||
			       !vg_block_is_sound(&h, vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD));
			assert_true(seen);
			b.p[i] = (char)(b.p[i] ^ 1 << bit);
		}
	vg_buf_fini(&b);
}

/* A block whose maker lied: sound by its digest, and refused when opened. */
static void
a_liar_is_found(void **state)
{
	struct vg_buf b = { 0 }, payload = { 0 };
	struct vg_block_head h;
	vg_str head, stored;

	(void)state;
	make(NULL, &b);
	head = vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD);
	stored = vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD);
	for (size_t at = 8; at < 112; at++) { /* every number and the root of the head, with a digest that still fits */
		vg_rc rc;

		if (at >= 68 && at < 80) /* class and leaf: the tree vouches for them, and the encryption */
			continue;
		b.p[at] ^= 1;
		rc = vg_block_head_take(head, &h);
		if (rc == VG_OK)
			rc = vg_block_open(&h, head, stored, NULL, &payload);
		if (rc == VG_OK)
			rc = vg_block_check(&h, vg_buf_str(&payload));
		if (rc == VG_OK)
			fail_msg("byte %zu", at);
		b.p[at] ^= 1;
	}
	vg_buf_fini(&b);
	vg_buf_fini(&payload);
}

static void
limits(void **state)
{
	struct vg_block_writer w = { .head = { .count = 0 } };
	char *big = calloc(1, VG_RECORD_RAW_MAX + 1);
	struct vg_buf out = { 0 };
	struct vg_record r = { .seq = 1, .raw = vg_str_mem(big, VG_RECORD_RAW_MAX) };

	(void)state;
	vg_block_begin(&w);
	assert_int_equal(vg_block_finish(&w, NULL, 0, &out), VG_E_REFUSED); /* of nothing */
	assert_int_equal(vg_block_add(&w, &r), VG_OK);
	assert_true(vg_block_is_full(&w));
	assert_int_equal(vg_block_finish(&w, key, 0, &out), VG_E_REFUSED); /* a key has a number */
	assert_int_equal(vg_block_finish(&w, NULL, 3, &out), VG_E_REFUSED);
	while (r.seq++ < 100 && vg_block_add(&w, &r) == VG_OK)
		;
	assert_int_equal(r.seq, 16);
	r.raw.n++;
	assert_int_equal(vg_block_add(&w, &r), VG_E_LIMIT);
	assert_int_equal(vg_block_finish(&w, key, 1, &out), VG_OK);
	assert_int_equal(vg_block_head_take(VG_STR("VGBLOCK1"), &w.head), VG_E_FORMAT);
	vg_block_begin(&w); /* again */
	r.raw.n = 0;
	assert_int_equal(vg_block_add(&w, &r), VG_OK);
	vg_block_writer_fini(&w);
	vg_buf_fini(&out);
	free(big);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(nobody_can_guess), cmocka_unit_test(every_record_is_proved),
		cmocka_unit_test(every_bit_counts), cmocka_unit_test(a_liar_is_found), cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
