/* A field cache from disk.  The first byte chooses: f, bytes as they are: what opens can be read to its end; t, the same of names, values and classes, sealed;
 * r, the rest are records, a NUL between: what the
 * cache says of each is what decoding says, and a flipped byte of it (the second byte says which) is noticed. */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zstd.h>

#include "vault/fields_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
memory(vg_str s)
{
	int fd = memfd_create("fields", MFD_CLOEXEC);

	if (fd < 0 || (s.n && write(fd, s.p, s.n) != (ssize_t)s.n))
		abort();
	return fd;
}

/* Everything it says is within itself. */
static void
read_all(struct vg_fields *f)
{
	struct vg_fields_block b;

	for (size_t g = 0; g < f->ngroup; g++)
		for (uint32_t i = 0; i < f->group[g].nblock; i++) {
			vg_rc rc = vg_fields_read(f, g, i, &b);

			assert(rc == VG_OK || rc == VG_E_FORMAT || rc == VG_E_NOMEM);
			for (uint32_t k = 0; rc == VG_OK && k < b.records; k++) {
				const struct vg_fields_class *c = &f->group[g].class[vg_fields_class_of(&b, k)];

				assert(c->label < f->group[g].nlabel);
				for (uint32_t e = 0; e < c->n; e++)
					assert(c->el[e] >> 16 < f->group[g].nname);
			}
		}
}

static void
any_bytes(vg_str s)
{
	struct vg_fields *f;
	uint64_t bad;
	int fd = memory(s);

	(void)!vg_fields_check(fd, &bad);
	if (vg_fields_open(fd, NULL, NULL, &f) == VG_OK) {
		read_all(f);
		vg_fields_close(f);
	}
	close(fd);
}

/* Append @plain, compressed and sealed; bytes of it. */
static uint32_t
put_part(const uint8_t *preamble, const uint8_t *secret, uint32_t number, vg_str plain, struct vg_buf *out)
{
	size_t room = ZSTD_compressBound(plain.n), before = out->n;
	char *p = malloc(room);

	if (p == NULL || vg_part_seal(preamble, secret, number, vg_str_mem(p, ZSTD_compress(p, room, plain.p, plain.n, 1)), out) != VG_OK)
		abort();
	free(p);
	return (uint32_t)(out->n - before);
}

/* A group of one block around @s: records, their class, then the tables. */
static void
tables(vg_str s)
{
	uint8_t preamble[VG_TOKENS_PREAMBLE] = VG_FIELDS_MAGIC, secret[VG_BLOCK_KEY] = { 0 };
	struct vg_buf head = { 0 }, body = { 0 }, file = { 0 };
	uint32_t records = 1 + (uint8_t)s.p[0] % 16, size = VG_FIELDS_HEAD_FIXED + VG_FIELDS_ROW_BYTES + VG_TOKENS_SEALED, one = 1;
	char block[2 * 16 + 4096] = { 0 };
	struct vg_fields *f;
	int fd;

	memset(block, s.p[1], records);
	memcpy(preamble + VG_PREAMBLE_HEAD, &size, 4);
	memcpy(preamble + VG_PREAMBLE_BLOCKS, &one, 4);
	for (uint32_t i = 0; i < VG_FIELDS_STAMP; i++)
		vg_buf_u8(&head, 7);
	vg_buf_le32(&head, (uint32_t)s.n - 2);
	vg_buf_le32(&head, put_part(preamble, secret, VG_FIELDS_PART_TABLES, vg_str_skip(s, 2), &body));
	for (int i = 0; i < 4; i++)
		vg_buf_le64(&head, 0);
	vg_buf_le32(&head, records);
	vg_buf_le32(&head, 0);
	vg_buf_le32(&head, put_part(preamble, secret, VG_FIELDS_PART_BLOCK, vg_str_mem(block, 2 * records + (uint8_t)s.p[1] / 16), &body));
	vg_buf_mem(&file, preamble, sizeof(preamble));
	if (vg_part_seal(preamble, secret, VG_FIELDS_PART_HEAD, vg_buf_str(&head), &file) != VG_OK)
		abort();
	vg_buf_put(&file, vg_buf_str(&body));
	vg_group_sum(file.p, (uint32_t)file.n);
	fd = memory(vg_buf_str(&file));
	if (vg_fields_open(fd, NULL, NULL, &f) != VG_OK)
		abort();
	assert(f->ngroup == 1 && !f->damaged);
	read_all(f);
	vg_fields_close(f);
	close(fd);
	vg_buf_fini(&head);
	vg_buf_fini(&body);
	vg_buf_fini(&file);
}

struct compared {
	const struct vg_fields_group *g;
	const struct vg_fields_class *c;
	vg_str raw;
	unsigned events;
};

static vg_rc
compare_event(void *ctx, struct vg_event *e)
{
	struct compared *x = ctx;

	x->events++;
	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *f = &e->field[i];
		bool found = false;

		for (uint32_t k = 0; k < x->c->n; k++) {
			const struct vg_fields_key *name = &x->g->name[x->c->el[k] >> 16];
			uint32_t v = x->c->el[k] & 0xffff;

			if (!vg_str_eq(name->name, f->name))
				continue;
			found |= f->kind == VG_KIND_NULL ? v == VG_FIELDS_NULL : v == VG_FIELDS_MADE || (v == VG_FIELDS_ANY && vg_str_find(x->raw, f->value) != VG_NPOS) ||
										 (v < name->nvalue && vg_str_eq(name->value[v], f->value));
		}
		assert(found);
	}
	return VG_OK;
}

/* The one block of the one group against what decoding says. */
static void
compare(struct vg_fields *f, const struct vg_keys *keys, vg_str rest)
{
	struct vg_fields_block b;
	struct vg_decoder d;
	vg_str raw;

	assert(!f->damaged && f->ngroup == 1 && vg_fields_read(f, 0, 0, &b) == VG_OK);
	vg_decoder_init(&d, NULL, keys, 0);
	for (uint32_t i = 0; vg_str_split(&rest, '\0', &raw); i++) {
		struct compared x = { &f->group[0], &f->group[0].class[vg_fields_class_of(&b, i)], raw, 0 };

		assert(i < b.records);
		if (vg_fields_class_of(&b, i) != VG_FIELDS_UNKNOWN)
			assert(vg_decoder_record(&d, raw, 0, compare_event, &x) == VG_OK && x.events == 1);
	}
	vg_decoder_fini(&d);
}

static void
records(vg_str s)
{
	static const uint8_t stamp[VG_FIELDS_STAMP] = { 1 };
	struct vg_keys *keys = vg_keys_new();
	struct vg_fields_builder *b = keys ? vg_fields_builder_new(NULL, keys, 0, stamp) : NULL;
	struct vg_buf block = { 0 }, payload = { 0 }, cache = { 0 };
	struct vg_block_writer w = { 0 };
	struct vg_block_head h;
	vg_str rest = vg_str_skip(s, 1), raw, head;
	struct vg_fields *f;
	uint64_t seq = 0, bad;

	if (b == NULL)
		abort();
	vg_block_begin(&w);
	while (vg_str_split(&rest, '\0', &raw))
		if (vg_block_add(&w, &(struct vg_record){ .seq = ++seq, .raw = raw }) != VG_OK)
			abort();
	if (vg_block_finish(&w, NULL, 0, &block) == VG_OK) {
		head = vg_str_cut(vg_buf_str(&block), VG_BLOCK_HEAD);
		if (vg_block_head_take(head, &h) != VG_OK || vg_block_open(&h, head, vg_str_skip(vg_buf_str(&block), VG_BLOCK_HEAD), NULL, &payload) != VG_OK ||
		    vg_fields_add(b, 0, &h, vg_buf_str(&payload)) != VG_OK || vg_fields_finish(b, NULL, &cache) != VG_OK)
			abort();
		for (int turn = 0; turn < 2; turn++) {
			int fd = memory(vg_buf_str(&cache));

			assert((vg_fields_check(fd, &bad) == VG_OK) == (turn == 0));
			if (vg_fields_open(fd, NULL, NULL, &f) != VG_OK)
				abort();
			read_all(f);
			if (turn == 0)
				compare(f, keys, vg_str_skip(s, 1));
			vg_fields_close(f);
			close(fd);
			cache.p[(size_t)(uint8_t)s.p[0] * cache.n / 256] ^= 0x10;
		}
	}
	vg_fields_builder_free(b);
	vg_keys_free(keys);
	vg_block_writer_fini(&w);
	vg_buf_fini(&block);
	vg_buf_fini(&payload);
	vg_buf_fini(&cache);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	vg_str s = vg_str_mem(data, n);

	if (n && data[0] == 'f')
		any_bytes(vg_str_skip(s, 1));
	else if (n > 2 && n < 1 << 20 && data[0] == 't')
		tables(vg_str_skip(s, 1));
	else if (n > 1 && data[0] == 'r')
		records(vg_str_skip(s, 1));
	return 0;
}
