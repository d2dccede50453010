/* An index from disk.  The first byte chooses: i, bytes as they are: what opens can be asked, and answers are of its blocks; I, the parts of one group, each
 * with its digest made good; r, the rest are
 * records, a NUL between: what is in one is found, and a flipped byte of the index (the second byte says which) is noticed or changes no answer. */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vault/merkle.h"
#include "vault/tokens_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
memory(vg_str s)
{
	int fd = memfd_create("index", MFD_CLOEXEC);

	if (fd < 0 || (s.n && write(fd, s.p, s.n) != (ssize_t)s.n))
		abort();
	return fd;
}

static void
ask(struct vg_tokens *t, vg_str piece, bool must)
{
	struct vg_tokens_set set;

	for (size_t g = 0; g < t->ngroup; g++) {
		vg_rc rc = vg_tokens_find(t, g, piece, &set);

		assert(rc == VG_OK || rc == VG_E_FORMAT || rc == VG_E_NOMEM);
		for (unsigned i = t->group[g].nblock; rc == VG_OK && i < VG_TOKENS_BLOCKS; i++)
			assert(!vg_tokens_has(&set, i));
		assert(!must || rc != VG_OK || vg_tokens_has(&set, 0));
	}
}

static void
any_bytes(vg_str s)
{
	struct vg_tokens *t;
	int fd = memory(s);
	uint64_t bad;

	(void)!vg_tokens_check(fd, &bad);
	assert(bad <= s.n);

	if (vg_tokens_open(fd, NULL, NULL, &t) == VG_OK) {
		ask(t, VG_STR("needle42"), false);
		ask(t, VG_STR(" a b "), false);
		ask(t, VG_STR("10.0.3.77"), false);
		vg_tokens_close(t);
	}
	close(fd);
}

static vg_str
take_part(struct vg_cur *c)
{
	uint16_t n = vg_cur_le16(c);

	return vg_cur_bytes(c, n < vg_cur_left(c) ? n : vg_cur_left(c));
}

/* u8 blocks, u8 pages, 28 bytes of the head, the dictionary, the pages, and the rest are rows. */
static void
parts(vg_str s)
{
	uint8_t preamble[VG_TOKENS_PREAMBLE] = VG_TOKENS_MAGIC, secret[VG_BLOCK_KEY] = { 0 };
	struct vg_cur c = vg_cur_of(s.p, s.n);
	uint32_t nblock = vg_cur_u8(&c) + 1u, npage = vg_cur_u8(&c) % 8u + 1, words, begin, n;
	vg_str fixed = vg_cur_bytes(&c, 28), dictionary = take_part(&c);
	struct vg_buf head = { 0 }, body = { 0 }, all = { 0 };
	uint32_t end[8];
	struct vg_hash h;

	if (fixed.n < 28)
		return;
	n = VG_HEAD_FIXED + nblock * VG_ROW_BYTES + (npage + 1) * 4 + VG_TOKENS_SEALED;
	memcpy(preamble + VG_PREAMBLE_HEAD, &n, 4);
	memcpy(preamble + VG_PREAMBLE_BLOCKS, &nblock, 4);
	if (vg_part_seal(preamble, secret, VG_PART_WORDS, dictionary, &body) != VG_OK)
		abort();
	words = (uint32_t)body.n;
	for (uint32_t i = 0; i < npage; i++) {
		if (vg_part_seal(preamble, secret, VG_PART_PAGE + i, take_part(&c), &body) != VG_OK)
			abort();
		end[i] = (uint32_t)body.n;
	}
	begin = VG_TOKENS_PREAMBLE + n;
	vg_buf_put(&head, vg_str_cut(fixed, 12));
	vg_buf_le32(&head, npage);
	vg_buf_put(&head, vg_str_cut(vg_str_skip(fixed, 16), 12));
	vg_buf_le32(&head, words);
	while (head.n < VG_HEAD_FIXED + (size_t)nblock * VG_ROW_BYTES)
		vg_buf_u8(&head, vg_cur_u8(&c));
	vg_buf_le32(&head, begin + words);
	for (uint32_t i = 0; i < npage; i++)
		vg_buf_le32(&head, begin + end[i]);
	vg_buf_mem(&all, preamble, sizeof(preamble));
	if (vg_part_seal(preamble, secret, VG_PART_HEAD, vg_buf_str(&head), &all) != VG_OK)
		abort();
	vg_buf_put(&all, vg_buf_str(&body));
	vg_hash_of(vg_buf_str(&all), &h);
	n = (uint32_t)all.n;
	memcpy(all.p + VG_PREAMBLE_SIZE, &n, 4);
	memcpy(all.p + VG_PREAMBLE_SUM, h.b, VG_PREAMBLE_NONCE - VG_PREAMBLE_SUM);
	any_bytes(vg_buf_str(&all));
	vg_buf_fini(&head);
	vg_buf_fini(&body);
	vg_buf_fini(&all);
}

/* Each run of safe bytes in @s is asked for. */
static void
ask_pieces(struct vg_tokens *t, vg_str s)
{
	char low[256];

	for (size_t i = 0, j; i < s.n; i = j + 1) {
		for (j = i; j < s.n && j - i < sizeof(low) && vg_byte_is(s.p[j], VG_BYTE_SAFE); j++)
			;
		vg_lower(vg_str_mem(s.p + i, j - i), low);
		if (j > i)
			ask(t, vg_str_mem(low, j - i), true);
	}
}

static void
records(vg_str s)
{
	struct vg_block_writer w = { 0 };
	struct vg_tokens_builder *b = vg_tokens_builder_new();
	struct vg_buf block = { 0 }, payload = { 0 }, index = { 0 };
	struct vg_block_head h;
	struct vg_tokens *t;
	vg_str rest = vg_str_skip(s, 1), raw, head;
	uint64_t seq = 0;

	vg_block_begin(&w);
	while (vg_str_split(&rest, '\0', &raw))
		if (vg_block_add(&w, &(struct vg_record){ .seq = ++seq, .raw = raw }) != VG_OK)
			abort();
	if (b == NULL || vg_block_finish(&w, NULL, 0, &block) != VG_OK)
		goto out;
	head = vg_str_cut(vg_buf_str(&block), VG_BLOCK_HEAD);
	if (vg_block_head_take(head, &h) != VG_OK || vg_block_open(&h, head, vg_str_skip(vg_buf_str(&block), VG_BLOCK_HEAD), NULL, &payload) != VG_OK ||
	    vg_tokens_add(b, 0, &h, vg_buf_str(&payload)) != VG_OK || vg_tokens_finish(b, NULL, &index) != VG_OK)
		abort();
	for (int turn = 0; turn < 2; turn++) {
		int fd = memory(vg_buf_str(&index));

		if (vg_tokens_open(fd, NULL, NULL, &t) != VG_OK || (turn == 0 && (t->damaged || t->ngroup != 1)))
			abort();
		rest = vg_str_skip(s, 1);
		while (vg_str_split(&rest, '\0', &raw))
			ask_pieces(t, raw);
		vg_tokens_close(t);
		close(fd);
		index.p[(size_t)(uint8_t)s.p[0] * index.n / 256] ^= 0x10;
	}
out:
	vg_tokens_builder_free(b);
	vg_block_writer_fini(&w);
	vg_buf_fini(&block);
	vg_buf_fini(&payload);
	vg_buf_fini(&index);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	vg_str s = vg_str_mem(data, n);

	if (n && data[0] == 'i')
		any_bytes(vg_str_skip(s, 1));
	else if (n && data[0] == 'I')
		parts(vg_str_skip(s, 1));
	else if (n > 1 && data[0] == 'r')
		records(vg_str_skip(s, 1));
	return 0;
}
