/* What the vault reads back.  The first byte chooses: n, a note; k, a key; c, a checkpoint; j, a journal's only file.  What is
 * always true: a key and a checkpoint that parse are written the same; a journal that opens is sound from then on.  b: a block;
 * what opens can be proved. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choose.h"
#include "vault/block.h"
#include "vault/checkpoint.h"
#include "vault/intake.h"
#include "vault/note.h"

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

static void
journal(vg_str s)
{
	static struct vg_disk d = { .dir = -1 };
	static const struct vg_intake_options o = { .first = 1 };
	static char path[] = "/dev/shm/fuzz-vault-XXXXXX";
	struct vg_intake_damage damage;
	struct vg_intake *j;
	struct vg_file f;

	if (d.dir < 0 && (mkdtemp(path) == NULL || vg_disk_open(&d, path) != VG_OK))
		abort();
	if (vg_file_create(&d, "0000000000000001.vj", &f) != VG_OK || vg_file_write(&d, &f, s, 0) != VG_OK)
		abort();
	vg_file_close(&f);
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

static vg_rc
each(void *ctx, uint32_t at, const struct vg_record *r)
{
	(void)at;
	*(uint64_t *)ctx += r->raw.n;
	return VG_OK;
}

static void
block(vg_str s)
{
	struct vg_buf payload = { 0 };
	struct vg_block_head h;
	vg_str head = vg_str_cut(s, VG_BLOCK_HEAD), stored = vg_str_skip(s, VG_BLOCK_HEAD);
	uint64_t n = 0;

	if (vg_block_head_take(head, &h) == VG_OK) {
		(void)vg_block_is_sound(&h, stored);
		if (vg_block_open(&h, head, stored, NULL, &payload) == VG_OK) {
			struct vg_proof p;

			if (vg_block_check(&h, vg_buf_str(&payload)) == VG_OK) {
				assert(vg_block_each(&h, vg_buf_str(&payload), each, &n) == VG_OK && n <= payload.n);
				assert(vg_block_prove(&h, vg_buf_str(&payload), h.count - 1, &p) == VG_OK);
			}
		}
	}
	vg_buf_fini(&payload);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'n', note }, { 'k', key }, { 'c', checkpoint }, { 'j', journal }, { 'b', block }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
