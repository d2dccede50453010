#include "vault/fields.h"

#include <sodium.h>
#include <stdlib.h>
#include <zstd.h>

#include "vault/disk.h"
#include "vault/fields_impl.h"

#define ARENA_BYTES ((size_t)256 << 20)

void
vg_fields_stamp(vg_str packs, int zone_s, uint8_t out[VG_FIELDS_STAMP])
{
	uint32_t number[2] = { VG_DECODE_FORMAT, (uint32_t)zone_s };
	struct vg_hash h;

	vg_hash_of(packs, &h);
	memcpy(out, h.b, VG_FIELDS_STAMP);
	for (size_t i = 0; i < VG_COUNT(number); i++) { /* a hash of a hash and a number */
		uint8_t both[VG_FIELDS_STAMP + 4];

		memcpy(both, out, VG_FIELDS_STAMP);
		memcpy(both + VG_FIELDS_STAMP, &number[i], 4);
		vg_hash_of(vg_str_mem(both, sizeof(both)), &h);
		memcpy(out, h.b, VG_FIELDS_STAMP);
	}
}

vg_rc
vg_fields_check(int fd, uint64_t *bad)
{
	return vg_groups_check(fd, VG_FIELDS_MAGIC, bad);
}

/* ---- parts ---- */

/* Part @number of @g: @n bytes at @at of the group.  What it says is good until the next call. */
static vg_rc
read_part(struct vg_fields *f, const struct vg_fields_group *g, uint32_t number, uint32_t at, size_t n, vg_str *out)
{
	vg_rc rc;

	vg_buf_clear(&f->part);
	if (!vg_buf_reserve(&f->part, n + 1))
		return f->part.rc;
	if ((rc = vg_file_read(&(struct vg_file){ .fd = f->fd }, f->part.p, n, g->at + at)) != VG_OK)
		return rc == VG_E_TRUNC ? VG_E_FORMAT : rc;
	f->read_bytes += n;
	*out = vg_str_mem(f->part.p, n);
	return vg_part_open(g->preamble, g->secret, number, f->part.p, out) ? VG_OK : VG_E_FORMAT;
}

/* The same of a compressed one, @bytes long. */
static vg_rc
unpack_part(struct vg_fields *f, const struct vg_fields_group *g, uint32_t number, uint32_t at, size_t n, size_t bytes)
{
	vg_str stored;
	vg_rc rc = read_part(f, g, number, at, n, &stored);
	size_t got;

	vg_buf_clear(&f->plain);
	if (rc != VG_OK)
		return rc;
	if (!vg_buf_reserve(&f->plain, bytes + 1))
		return f->plain.rc;
	got = ZSTD_decompressDCtx(f->zstd, f->plain.p, bytes, stored.p, stored.n);
	if (ZSTD_isError(got) || got != bytes)
		return VG_E_FORMAT;
	f->plain.n = got;
	return VG_OK;
}

/* ---- the heads of groups ---- */

static void
group_fini(struct vg_fields_group *g)
{
	free(g->row);
	vg_arena_fini(&g->arena);
	sodium_memzero(g->secret, sizeof(g->secret));
}

void
vg_fields_close(struct vg_fields *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->ngroup; i++)
		group_fini(&f->group[i]);
	free(f->group);
	ZSTD_freeDCtx(f->zstd);
	vg_buf_fini(&f->part);
	vg_buf_fini(&f->plain);
	free(f);
}

static vg_rc
take_head(struct vg_fields_group *g, vg_str head, uint32_t head_stored)
{
	struct vg_cur c = vg_cur_of(head.p, head.n);
	const uint8_t *stamp = vg_cur_take(&c, VG_FIELDS_STAMP);
	uint64_t at;

	g->tables_bytes = vg_cur_le32(&c);
	g->tables_stored = vg_cur_le32(&c);
	g->tables_at = VG_TOKENS_PREAMBLE + head_stored;
	if (c.rc != VG_OK || vg_cur_left(&c) != (size_t)g->nblock * VG_FIELDS_ROW_BYTES || g->tables_bytes > VG_FIELDS_TABLES_MAX)
		return VG_E_FORMAT;
	memcpy(g->stamp, stamp, sizeof(g->stamp));
	if ((g->row = calloc(g->nblock, sizeof(*g->row))) == NULL)
		return VG_E_NOMEM;
	at = (uint64_t)g->tables_at + g->tables_stored;
	for (uint32_t i = 0; i < g->nblock; i++) {
		struct vg_fields_row *r = &g->row[i];

		r->at = vg_cur_le64(&c);
		r->stored = vg_cur_le64(&c);
		r->first_seq = vg_cur_le64(&c);
		r->last_seq = vg_cur_le64(&c);
		r->records = vg_cur_le32(&c);
		r->unknown = vg_cur_le32(&c);
		r->part = vg_cur_le32(&c);
		r->part_at = (uint32_t)at;
		at += r->part;
		if (at > g->bytes || r->records == 0 || r->records > VG_BLOCK_RECORDS_MAX || r->unknown > r->records)
			return VG_E_FORMAT;
	}
	return at == g->bytes ? VG_OK : VG_E_FORMAT;
}

/* The group at @at of @size bytes; @next: where another one may begin. */
static vg_rc
take_group(struct vg_fields *f, uint64_t at, uint64_t size, vg_block_key_fn *key, void *ctx, uint64_t *next)
{
	struct vg_fields_group g = { .at = at }, *more;
	const uint8_t *k = NULL;
	struct vg_cur c;
	uint32_t stored;
	vg_str head;
	vg_rc rc = vg_file_read(&(struct vg_file){ .fd = f->fd }, g.preamble, sizeof(g.preamble), at);

	if (rc != VG_OK)
		return rc;
	c = vg_cur_of(g.preamble, sizeof(g.preamble));
	if (!vg_str_eq(vg_cur_bytes(&c, 8), VG_STR(VG_FIELDS_MAGIC)))
		return VG_E_FORMAT;
	g.key = vg_cur_le32(&c);
	stored = vg_cur_le32(&c);
	g.nblock = vg_cur_le32(&c);
	g.bytes = vg_cur_le32(&c);
	memset(g.preamble + VG_PREAMBLE_SIZE, 0, VG_PREAMBLE_NONCE - VG_PREAMBLE_SIZE); /* as parts were sealed */
	if (g.nblock == 0 || g.nblock > VG_FIELDS_BLOCKS || stored > VG_HEAD_MAX || g.bytes < VG_TOKENS_PREAMBLE || g.bytes > VG_TOKENS_GROUP_MAX ||
	    g.bytes > size - at)
		return VG_E_FORMAT;
	*next = at + g.bytes;
	if (g.key && (k = key ? key(ctx, g.key) : NULL) == NULL)
		return VG_OK; /* its blocks cannot be read either */
	vg_part_secret(VG_FIELDS_SECRET, k, g.secret);
	vg_arena_init(&g.arena, ARENA_BYTES);
	if ((rc = read_part(f, &g, VG_FIELDS_PART_HEAD, VG_TOKENS_PREAMBLE, stored, &head)) == VG_OK)
		rc = take_head(&g, head, stored);
	if (rc == VG_OK && (more = realloc(f->group, (f->ngroup + 1) * sizeof(*more))) != NULL) {
		f->group = more;
		f->group[f->ngroup++] = g;
		return VG_OK;
	}
	group_fini(&g);
	return rc != VG_OK ? rc : VG_E_NOMEM;
}

vg_rc
vg_fields_open(int fd, vg_block_key_fn *key, void *ctx, struct vg_fields **out)
{
	struct vg_fields *f = calloc(1, sizeof(*f));
	uint64_t at = 0, size;
	vg_rc rc = VG_OK;

	if (f == NULL || (f->zstd = ZSTD_createDCtx()) == NULL) {
		free(f);
		return VG_E_NOMEM;
	}
	f->fd = fd;
	if (sodium_init() < 0 || vg_file_size(&(struct vg_file){ .fd = fd }, &size) != VG_OK) {
		vg_fields_close(f);
		return VG_E_SYS;
	}
	while (rc == VG_OK && at < size)
		rc = take_group(f, at, size, key, ctx, &at);
	if (rc == VG_E_NOMEM || rc == VG_E_SYS) {
		vg_fields_close(f);
		return rc;
	}
	f->damaged = rc != VG_OK;
	*out = f;
	return VG_OK;
}

/* ---- names, values, classes ---- */

static vg_str
take_str(struct vg_cur *c, struct vg_arena *a, size_t n, size_t max)
{
	vg_str s = vg_cur_bytes(c, n), copy;

	if (n > max)
		vg_cur_fail(c, VG_E_LIMIT);
	if (c->rc != VG_OK)
		return VG_NIL;
	if ((copy = vg_str_dup(a, s)).p == NULL)
		vg_cur_fail(c, VG_E_NOMEM);
	return copy;
}

static void
take_name(struct vg_cur *c, struct vg_fields_group *g, struct vg_fields_key *k)
{
	uint8_t state;

	k->name = take_str(c, &g->arena, vg_cur_le16(c), VG_FIELDS_NAME_MAX);
	state = vg_cur_u8(c);
	k->nvalue = vg_cur_le16(c);
	k->listed = state == VG_FIELDS_LISTED;
	if (state >= VG_FIELDS_STATES || k->nvalue > VG_FIELDS_VALUES)
		vg_cur_fail(c, VG_E_FORMAT);
	if (c->rc == VG_OK && ((k->value = vg_arena_array(&g->arena, vg_str, k->nvalue + 1)) == NULL ||
			       (k->made = vg_arena_array(&g->arena, bool, k->nvalue + 1)) == NULL))
		vg_cur_fail(c, VG_E_NOMEM);
	for (uint32_t i = 0; c->rc == VG_OK && i < k->nvalue; i++) {
		uint8_t n = vg_cur_u8(c);

		k->made[i] = n & VG_FIELDS_MADE_BIT;
		k->value[i] = take_str(c, &g->arena, n & ~VG_FIELDS_MADE_BIT, VG_FIELDS_VALUE_MAX);
	}
	k->bitmap_at = g->bitmaps;
	g->bitmaps += k->listed ? (k->nvalue + 7) / 8 : 0;
}

static void
take_class(struct vg_cur *c, struct vg_fields_group *g, struct vg_fields_class *k)
{
	k->label = vg_cur_le16(c);
	k->n = vg_cur_le16(c);
	if (k->label >= g->nlabel || k->n > VG_FIELDS_CLASS_MAX || vg_cur_left(c) < (size_t)k->n * 4)
		vg_cur_fail(c, VG_E_FORMAT);
	if (c->rc == VG_OK && (k->el = vg_arena_alloc(&g->arena, (k->n + 1) * sizeof(*k->el))) == NULL)
		vg_cur_fail(c, VG_E_NOMEM);
	for (uint32_t i = 0; c->rc == VG_OK && i < k->n; i++) {
		uint32_t el = vg_cur_le32(c), name = el >> 16, v = el & 0xffff;

		if (name >= g->nname || (v < VG_FIELDS_NULL && v >= g->name[name].nvalue) || (i && el <= k->el[i - 1])) {
			vg_cur_fail(c, VG_E_FORMAT);
			return;
		}
		k->el[i] = el;
	}
}

static vg_rc
take_tables(struct vg_fields_group *g, vg_str plain)
{
	struct vg_cur c = vg_cur_of(plain.p, plain.n);

	g->nlabel = vg_cur_le32(&c);
	g->nname = vg_cur_le32(&c);
	g->nclass = vg_cur_le32(&c);
	g->bitmaps = 0;
	if (c.rc != VG_OK || g->nlabel == 0 || g->nlabel > VG_FIELDS_LABELS || g->nname > VG_FIELDS_KEYS || g->nclass == 0 || g->nclass > VG_FIELDS_CLASSES)
		return VG_E_FORMAT;
	g->label = vg_arena_array(&g->arena, vg_str, g->nlabel);
	g->name = vg_arena_array(&g->arena, struct vg_fields_key, g->nname + 1);
	g->class = vg_arena_array(&g->arena, struct vg_fields_class, g->nclass);
	if (g->label == NULL || g->name == NULL || g->class == NULL)
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < g->nlabel && c.rc == VG_OK; i++)
		g->label[i] = take_str(&c, &g->arena, vg_cur_le32(&c), VG_FIELDS_TABLES_MAX);
	for (uint32_t i = 0; i < g->nname && c.rc == VG_OK; i++)
		take_name(&c, g, &g->name[i]);
	for (uint32_t i = 1; i < g->nclass && c.rc == VG_OK; i++)
		take_class(&c, g, &g->class[i]);
	if (c.rc == VG_OK && vg_cur_left(&c) != 0)
		return VG_E_FORMAT;
	return c.rc == VG_OK || c.rc == VG_E_NOMEM ? c.rc : VG_E_FORMAT;
}

vg_rc
vg_fields_need(struct vg_fields *f, size_t at)
{
	struct vg_fields_group *g = &f->group[at];
	vg_rc rc;

	if (g->loaded)
		return VG_OK;
	vg_arena_reset(&g->arena);
	if ((rc = unpack_part(f, g, VG_FIELDS_PART_TABLES, g->tables_at, g->tables_stored, g->tables_bytes)) == VG_OK)
		rc = take_tables(g, vg_buf_str(&f->plain));
	g->loaded = rc == VG_OK;
	return rc;
}

vg_rc
vg_fields_read(struct vg_fields *f, size_t at, uint32_t i, struct vg_fields_block *out)
{
	struct vg_fields_group *g = &f->group[at];
	const struct vg_fields_row *r = &g->row[i];
	vg_rc rc = vg_fields_need(f, at);

	if (rc == VG_OK)
		rc = unpack_part(f, g, VG_FIELDS_PART_BLOCK + i, r->part_at, r->part, 2 * (size_t)r->records + g->bitmaps);
	if (rc != VG_OK)
		return rc;
	out->records = r->records;
	out->low = (const uint8_t *)f->plain.p;
	out->high = out->low + r->records;
	out->bitmaps = out->high + r->records;
	for (uint32_t k = 0; k < r->records; k++)
		if (vg_fields_class_of(out, k) >= g->nclass)
			return VG_E_FORMAT;
	return VG_OK;
}
