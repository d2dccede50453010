/* An index from disk.  The first byte chooses: i, bytes as they are: what opens can be asked, and answers are of its blocks; r, the rest are
 * records, a NUL between: what is in one is found, and a flipped byte of the index (the second byte says which) is noticed or changes no answer. */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vault/tokens.h"
#include "vault/words.h"

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

	if (vg_tokens_open(fd, NULL, NULL, &t) == VG_OK) {
		ask(t, VG_STR("needle42"), false);
		ask(t, VG_STR(" a b "), false);
		ask(t, VG_STR("10.0.3.77"), false);
		vg_tokens_close(t);
	}
	close(fd);
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
	else if (n > 1 && data[0] == 'r')
		records(vg_str_skip(s, 1));
	return 0;
}
