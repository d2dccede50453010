/* What the vault reads back.  The first byte chooses: n, a note; k, a key; c, a checkpoint; j, a journal's only file.  What is
 * always true: a key and a checkpoint that parse are written the same; a journal that opens is sound from then on.  b: a block;
 * what opens can be proved.  d: a day key, and t: a tenant's sealed key, each also with its last hash made good; what opens is what was
 * closed.  s: a store's only segment; a store that opens goes on and opens again, and so does what it wrote last; blocks before are opened in any order.  J, B, S: the same as j, b and s with every digest made good; what B's
 * two readers say is the same. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "choose.h"
#include "folder.h"
#include "vault/block.h"
#include "vault/checkpoint.h"
#include "vault/intake.h"
#include "vault/keyring.h"
#include "vault/note.h"
#include "vault/opener.h"
#include "vault/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
note(vg_str s)
{
	static struct vg_note_secret secret;
	static const uint8_t seed[32] = { 1 };
	struct vg_buf b = { 0 };
	vg_str text;

	if (secret.key.name[0] == 0 && vg_note_key_of_seed(VG_STR("log"), seed, &secret) != VG_OK)
		abort();
	assert(!vg_note_is_signed(s, &secret.key)); /* whose signature nobody guesses */
	if (vg_note_text(s, &text) == VG_OK && s.n + 200 < VG_NOTE_BYTES_MAX && vg_note_cosign(s, &secret, &b) == VG_OK) {
		vg_str again;
		vg_rc rc = vg_note_text(vg_buf_str(&b), &again);

		assert(rc == VG_E_LIMIT || (rc == VG_OK && vg_str_eq(text, again) && vg_note_is_signed(vg_buf_str(&b), &secret.key)));
	}
	vg_buf_fini(&b);
}

static void
key(vg_str s)
{
	struct vg_note_key k;
	struct vg_buf b = { 0 };

	if (vg_note_key_parse(s, &k) == VG_OK) {
		vg_note_key_print(&k, &b);
		assert(vg_str_eq(vg_buf_str(&b), s));
	}
	vg_buf_fini(&b);
}

static void
checkpoint(vg_str s)
{
	struct vg_checkpoint c;
	struct vg_buf b = { 0 };

	if (vg_checkpoint_parse(s, &c) == VG_OK) {
		vg_checkpoint_print(&c, &b);
		assert(vg_str_starts(s, vg_buf_str(&b)));
	}
	vg_buf_fini(&b);
}

static vg_rc
on_record(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	(void)tenant;
	assert(r->seq == (*(uint64_t *)ctx)++);
	return VG_OK;
}

/* A folder with one file. */
static void
folder_with(struct vg_disk *d, const char *name, vg_str s)
{
	static unsigned made;
	char path[sizeof(fuzz_folder_path) + 16];
	struct vg_file f;

	if (d->dir < 0) {
		(void)fuzz_folder();
		snprintf(path, sizeof(path), "%s/%u", fuzz_folder_path, made++);
		if (mkdir(path, 0700) < 0 || vg_disk_open(d, path) != VG_OK)
			abort();
	}
	if (vg_file_create(d, name, &f) != VG_OK || vg_file_write(d, &f, s, 0) != VG_OK)
		abort();
	vg_file_close(&f);
}

static void
journal(vg_str s)
{
	static struct vg_disk d = { .dir = -1 };
	static const struct vg_intake_options o = { .first = 1 };
	struct vg_intake_damage damage;
	struct vg_intake *j;

	folder_with(&d, "0000000000000001.vj", s);
	if (vg_intake_open(&d, &o, &damage, &j) == VG_OK) {
		uint64_t next = vg_intake_next(j), seq = 1, got;

		assert(vg_intake_read(j, 1, on_record, &seq) == VG_OK && seq == next);
		assert(vg_intake_add(j, 0, &(struct vg_record){ .raw = VG_STR("x") }, &got) == VG_OK && got == next && vg_intake_sync(j) == VG_OK);
		vg_intake_free(j);
		assert(vg_intake_open(&d, &o, &damage, &j) == VG_OK && vg_intake_next(j) == next + 1);
		vg_intake_free(j);
	}
	(void)!vg_disk_remove(&d, "0000000000000001.vj");
}

static void
put32(char *to, uint32_t n)
{
	memcpy(to, &n, sizeof(n));
}

static void
put64(char *to, uint64_t n)
{
	memcpy(to, &n, sizeof(n));
}

static uint32_t
crc(const char *p, size_t n)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)p, n);
}

/* Counts, numbers, marks and records are as they come, all else of the heads is made good; the last batch is as long as the rest. */
static void
journal_good(vg_str s)
{
	struct vg_buf b = { 0 };

	vg_buf_puts(&b, "VGJRNL1\n");
	vg_buf_le64(&b, 1);
	vg_buf_le64(&b, 7);
	vg_buf_le32(&b, 0);
	vg_buf_le32(&b, crc(b.p, 28));
	while (s.n >= 60) { /* doc/vault-format.md, "Intake journal" */
		size_t at = b.n, left = s.n - 60;
		uint32_t bytes;

		vg_buf_put(&b, vg_str_cut(s, 60));
		memcpy(&bytes, b.p + at + 32, sizeof(bytes));
		if (bytes > left)
			bytes = (uint32_t)left;
		memcpy(b.p + at, "VGJB", 4);
		put64(b.p + at + 8, 7);
		put64(b.p + at + 16, at);
		put32(b.p + at + 32, bytes);
		put32(b.p + at + 36, crc(s.p + 60, bytes));
		put32(b.p + at + 56, crc(b.p + at, 56));
		vg_buf_put(&b, vg_str_cut(vg_str_skip(s, 60), bytes));
		s = vg_str_skip(s, 60 + bytes);
	}
	journal(vg_buf_str(&b));
	vg_buf_fini(&b);
}

/* A head of 176 bytes as it comes but for what must fit @stored, which is packed when @zstd, behind @prefix. */
static void
put_block(struct vg_buf *b, vg_str head, vg_str payload, bool zstd, vg_str prefix)
{
	static ZSTD_CCtx *packer;
	char packed[1 << 16];
	vg_str stored = payload;
	size_t at = b->n, n;
	struct vg_hash h;

	if (zstd && packer == NULL && (packer = ZSTD_createCCtx()) == NULL)
		abort();
	if (zstd && !ZSTD_isError(ZSTD_CCtx_refPrefix(packer, prefix.p, prefix.n)) && !ZSTD_isError(n = ZSTD_compress2(packer, packed, sizeof(packed), payload.p, payload.n)))
		stored = vg_str_mem(packed, n);
	else
		prefix = VG_NIL;
	vg_hash_of(stored, &h);
	vg_buf_put(b, head);
	memcpy(b->p + at, "VGBLOCK1", 8);
	put32(b->p + at + 12, stored.p == payload.p ? VG_BLOCK_PLAIN : prefix.n ? VG_BLOCK_PREFIXED | (uint32_t)prefix.n << 8 : VG_BLOCK_ZSTD);
	put64(b->p + at + 48, payload.n);
	put64(b->p + at + 56, stored.n);
	memset(b->p + at + 64, 0, 16);
	memcpy(b->p + at + 112, h.b, VG_HASH_BYTES);
	memset(b->p + at + 168, 0, 8);
	vg_buf_put(b, stored);
}

static void
same_records(const struct vg_block_head *h, vg_str payload)
{
	static struct vg_record all[1000];
	struct vg_block_reader r, q;
	struct vg_record x;
	vg_rc rc = VG_OK, whole;
	uint32_t n = 0;

	if (h->count > VG_COUNT(all) || vg_block_reader_open(h, payload, &r) != VG_OK || vg_block_reader_open(h, payload, &q) != VG_OK)
		return;
	whole = vg_block_all(&q, all);
	while ((rc = vg_block_next(&r, &x)) == VG_OK) {
		assert(n < h->count && x.raw.n <= payload.n && x.id.n <= VG_RECORD_ID_MAX);
		if (whole == VG_OK)
			assert(x.seq == all[n].seq && x.recv_ns == all[n].recv_ns && x.source == all[n].source && x.flags == all[n].flags && vg_str_eq(x.id, all[n].id) &&
			       vg_str_eq(x.raw, all[n].raw));
		n++;
	}
	assert((rc == VG_E_STOP) == (whole == VG_OK) && (whole != VG_OK || n == h->count));
}

static vg_rc
each(void *ctx, uint32_t at, const struct vg_record *r)
{
	(void)at;
	*(uint64_t *)ctx += r->raw.n;
	return VG_OK;
}

static void
block(vg_str s, vg_str prefix)
{
	struct vg_block_opener o = { .prefix = prefix };
	struct vg_buf payload = { 0 };
	struct vg_block_head h;
	vg_str head = vg_str_cut(s, VG_BLOCK_HEAD), stored = vg_str_skip(s, VG_BLOCK_HEAD);
	uint64_t n = 0;

	if (vg_block_head_take(head, &h) == VG_OK) {
		(void)vg_block_is_sound(&h, stored);
		if (vg_block_opener_open(&o, &h, head, stored, NULL, &payload) == VG_OK) {
			struct vg_proof p;

			if (vg_block_check(&h, vg_buf_str(&payload)) == VG_OK) {
				assert(vg_block_each(&h, vg_buf_str(&payload), each, &n) == VG_OK && n <= payload.n);
				assert(vg_block_prove(&h, vg_buf_str(&payload), h.count - 1, &p) == VG_OK);
			}
		}
	}
	vg_block_opener_fini(&o);
	vg_buf_fini(&payload);
}

static void
block_bad(vg_str s)
{
	block(s, s);
}

static void
block_good(vg_str s)
{
	struct vg_buf b = { 0 }, payload = { 0 };
	struct vg_block_opener o = { .zstd = NULL };
	struct vg_block_head h;
	bool zstd = s.n && s.p[0] & 1, prefixed = s.n && s.p[0] & 2;

	if (s.n < 1 + VG_BLOCK_HEAD || s.n > 40000)
		return;
	s = vg_str_skip(s, 1);
	o.prefix = prefixed ? s : VG_NIL;
	put_block(&b, vg_str_cut(s, VG_BLOCK_HEAD), vg_str_skip(s, VG_BLOCK_HEAD), zstd, o.prefix);
	block(vg_buf_str(&b), o.prefix);
	if (vg_block_head_take(vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), &h) == VG_OK) {
		vg_str head = vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), stored = vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD);

		assert(vg_block_is_sound(&h, stored));
		if (vg_block_opener_open(&o, &h, head, stored, NULL, &payload) == VG_OK)
			same_records(&h, vg_buf_str(&payload));
	}
	vg_block_opener_fini(&o);
	vg_buf_fini(&b);
	vg_buf_fini(&payload);
}

/* @s with the hash at its end made good. */
static vg_str
finished(vg_str s, char *to, size_t size)
{
	struct vg_hash h;

	if (s.n != size)
		return s;
	vg_hash_of(vg_str_cut(s, size - VG_HASH_BYTES), &h);
	memcpy(to, s.p, size - VG_HASH_BYTES);
	memcpy(to + size - VG_HASH_BYTES, h.b, VG_HASH_BYTES);
	return vg_str_mem(to, size);
}

static void
day_key_of(vg_str s)
{
	static struct vg_disk d = { .dir = -1 };
	static const uint8_t tenant[32] = { 7, 1 };
	char name[VG_DISK_NAME_MAX] = "00000001.key", bad[VG_DISK_NAME_MAX];
	struct vg_keyring *ring;
	struct vg_day_key is = { .number = 0 };
	uint32_t number;
	vg_rc rc;

	rc = vg_day_key_check(s, &is);
	number = is.number;
	assert(rc != VG_OK || number);
	if (rc == VG_OK)
		snprintf(name, sizeof(name), "%08u" VG_KEY_SUFFIX, number);
	folder_with(&d, name, s);
	if (vg_keyring_open(&d, tenant, bad, &ring) == VG_OK) {
		const struct vg_day_key *k;

		assert(rc == VG_OK && vg_keyring_find(ring, number) && vg_keyring_find(ring, number)->day == is.day);
		assert(vg_keyring_of_day(ring, is.day, is.class, &k) == VG_OK && k->number == number);
		vg_keyring_free(ring);
	} else {
		assert(bad[0]);
	}
	(void)!vg_disk_remove(&d, name);
}

static void
day_key(vg_str s)
{
	char good[VG_DAY_KEY_BYTES];

	day_key_of(s);
	day_key_of(finished(s, good, sizeof(good)));
}

static void
sealed_of(vg_str s)
{
	static const uint8_t secret[32] = { 7, 3 };
	struct vg_buf b = { 0 };
	uint8_t key[32], again[32];
	vg_rc rc = vg_tenant_key_open(s, secret, key);

	assert((rc == VG_E_FORMAT) == (vg_tenant_sealed_check(s) == VG_E_FORMAT));
	if (rc == VG_OK) {
		assert(vg_tenant_key_seal(key, (const uint8_t *)s.p + 8, &b) == VG_OK);
		assert(vg_tenant_key_open(vg_buf_str(&b), secret, again) == VG_OK && memcmp(key, again, sizeof(key)) == 0);
	}
	vg_buf_fini(&b);
}

static void
sealed(vg_str s)
{
	char good[VG_TENANT_SEALED_BYTES];

	sealed_of(s);
	sealed_of(finished(s, good, sizeof(good)));
}

/* Each block of the segment, forwards and back; the one whose first record is @own is the program's, and opens. */
static void
open_blocks(struct vg_disk *d, const char *name, uint64_t own)
{
	struct vg_disk reader = { .dir = d->dir, .read_only = true };
	struct vg_opener o = { .evict = 0 }, back = { .evict = 0 };
	struct vg_buf b = { 0 }, payload = { 0 };
	struct vg_segment_damage bad;
	struct vg_segment *g;

	if (vg_segment_open(&reader, name, 0, &bad, &g) != VG_OK)
		return;
	for (size_t n = vg_segment_count(g), i = 0; i < 2 * n; i++) {
		size_t k = i < n ? i : 2 * n - 1 - i;
		const struct vg_segment_block *x = vg_segment_at(g, k);
		vg_rc rc;

		if (vg_segment_read(g, k, &b) != VG_OK)
			continue;
		rc = vg_opener_open(i < n ? &o : &back, vg_segment_file(g), x->at, &x->head, vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD), NULL,
				    &payload);
		assert(own == 0 || x->head.first_seq != own || k != n - 1 || rc == VG_OK);
	}
	vg_opener_fini(&o);
	vg_opener_fini(&back);
	vg_buf_fini(&b);
	vg_buf_fini(&payload);
	vg_segment_free(g);
}

static void
store(vg_str s)
{
	static const char name[] = "2026-04-03.0000" VG_SEGMENT_SUFFIX;
	static struct vg_disk d = { .dir = -1 };
	struct vg_store_damage damage;
	struct vg_checkpoint was, is;
	struct vg_store *x;

	folder_with(&d, name, s);
	open_blocks(&d, name, 0);
	if (vg_store_open(&d, "o", NULL, &damage, &x) == VG_OK) {
		struct vg_record r = { .seq = vg_store_next(x), .recv_ns = INT64_C(1775203200000000000), .raw = VG_STR("x") };

		assert(r.seq && vg_store_root(x, &was) == VG_OK && vg_store_add(x, &r) == VG_OK && vg_store_cut(x) == VG_OK);
		vg_store_free(x);
		assert(vg_store_open(&d, "o", NULL, &damage, &x) == VG_OK && vg_store_root(x, &is) == VG_OK && is.size == was.size + 1);
		assert(vg_store_is_grown(x, was.size, &was.root) == VG_OK);
		vg_store_free(x);
		open_blocks(&d, name, r.seq);
		(void)!vg_disk_remove(&d, "2026-04-03.0001" VG_SEGMENT_SUFFIX);
	}
	(void)!vg_disk_remove(&d, name);
}

/* Blocks: u16 bytes of the payload, head, payload.  Where the head says so they are compressed, behind what those before hold. */
static void
store_good(vg_str s)
{
	struct vg_cur c = vg_cur_of(s.p, s.n);
	struct vg_buf b = { 0 }, prefix = { 0 };

	while (vg_cur_left(&c) >= 2 + VG_BLOCK_HEAD) {
		uint16_t n = vg_cur_le16(&c);
		vg_str head = vg_cur_bytes(&c, VG_BLOCK_HEAD);

		vg_str payload = vg_cur_bytes(&c, n < vg_cur_left(&c) ? n : vg_cur_left(&c));
		struct vg_block_reader r;

		put_block(&b, head, payload, head.p[12] & 2, vg_str_cut(vg_buf_str(&prefix), (uint8_t)head.p[13] | (size_t)(uint8_t)head.p[14] << 8));
		if (vg_block_reader_open(&(struct vg_block_head){ .count = 1 }, payload, &r) == VG_OK)
			vg_buf_put(&prefix, r.raw);
	}
	vg_buf_fini(&prefix);
	store(vg_buf_str(&b));
	vg_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'n', note }, { 'k', key }, { 'c', checkpoint }, { 'j', journal }, { 'b', block_bad },
						       { 'd', day_key }, { 't', sealed }, { 's', store }, { 'J', journal_good },
						       { 'B', block_good }, { 'S', store_good }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
