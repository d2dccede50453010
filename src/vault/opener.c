#include "vault/opener.h"

static struct vg_opener_prefix *
prefix_of(struct vg_opener *o, uint32_t key)
{
	struct vg_opener_prefix *p;

	for (size_t i = 0; i < VG_CLASSES_MAX; i++)
		if (o->prefix[i].used && o->prefix[i].key == key)
			return &o->prefix[i];
	p = &o->prefix[o->evict++ % VG_CLASSES_MAX];
	vg_buf_clear(&p->raw);
	*p = (struct vg_opener_prefix){ .used = true, .key = key, .raw = p->raw };
	return p;
}

/* Add the raw bytes of the block of @p's key at p->next, whose head was taken; what it needs itself is there already. */
static vg_rc
add_block(struct vg_opener *o, struct vg_opener_prefix *p, const struct vg_file *f, const struct vg_block_head *h, vg_str head, const uint8_t *key)
{
	struct vg_buf stored = { 0 }, payload = { 0 };
	struct vg_block_reader r;
	vg_rc rc = VG_E_NOMEM;

	if (!vg_buf_reserve(&stored, (size_t)h->stored + 1) || (rc = vg_file_read(f, stored.p, (size_t)h->stored, p->next + VG_BLOCK_HEAD)) != VG_OK)
		goto out;
	stored.n = (size_t)h->stored;
	if (!vg_block_is_sound(h, vg_buf_str(&stored))) {
		rc = VG_E_FORMAT;
		goto out;
	}
	o->block.prefix = vg_buf_str(&p->raw);
	if ((rc = vg_block_opener_open(&o->block, h, head, vg_buf_str(&stored), key, &payload)) == VG_OK && (rc = vg_block_reader_open(h, vg_buf_str(&payload), &r)) == VG_OK) {
		vg_buf_put(&p->raw, vg_str_cut(r.raw, VG_BLOCK_PREFIX_MAX - p->raw.n));
		rc = p->raw.rc;
		p->blocks++;
	}
out:
	vg_buf_fini(&stored);
	vg_buf_fini(&payload);
	return rc;
}

/* Gather @want bytes, from blocks before @at; fewer, when there are no more.  Each head is read once. */
static vg_rc
gather(struct vg_opener *o, struct vg_opener_prefix *p, const struct vg_file *f, uint64_t at, size_t want, const uint8_t *key, unsigned blocks)
{
	while (!p->broken && p->raw.n < want && p->next < at && p->blocks < blocks) {
		char head[VG_BLOCK_HEAD];
		struct vg_block_head h;
		vg_rc rc = vg_file_read(f, head, sizeof(head), p->next);

		if (rc == VG_OK && (rc = vg_block_head_take(vg_str_mem(head, sizeof(head)), &h)) == VG_OK && h.key == p->key)
			rc = add_block(o, p, f, &h, vg_str_mem(head, sizeof(head)), key);
		if (rc == VG_E_NOMEM || rc == VG_E_SYS)
			return rc;
		p->broken = rc != VG_OK;
		p->next += p->broken ? 0 : VG_BLOCK_HEAD + h.stored;
	}
	return VG_OK;
}

vg_rc
vg_opener_open(struct vg_opener *o, const struct vg_file *f, uint64_t at, const struct vg_block_head *h, vg_str head, vg_str stored, const uint8_t *key,
	       struct vg_buf *payload)
{
	struct vg_opener_prefix *p;
	vg_rc rc;

	o->by_prefix = false;
	o->broken_at = UINT64_MAX;
	o->block.prefix = VG_NIL;
	if (h->prefix) {
		p = prefix_of(o, h->key);
		if ((rc = gather(o, p, f, at, h->prefix, key, UINT32_MAX)) != VG_OK)
			return rc;
		if (p->raw.n < h->prefix) {
			o->by_prefix = true;
			o->broken_at = p->broken ? p->next : UINT64_MAX;
			vg_buf_clear(payload);
			return VG_E_FORMAT;
		}
		o->block.prefix = vg_buf_str(&p->raw);
	}
	rc = vg_block_opener_open(&o->block, h, head, stored, key, payload);
	o->by_prefix = h->prefix && rc == VG_E_FORMAT;
	return rc;
}

vg_rc
vg_opener_prefix(struct vg_opener *o, const struct vg_file *f, uint64_t at, uint32_t number, const uint8_t *key, unsigned blocks, vg_str *out)
{
	struct vg_opener_prefix *p = prefix_of(o, number);
	vg_rc rc = gather(o, p, f, at, VG_BLOCK_PREFIX_MAX, key, blocks);

	*out = vg_buf_str(&p->raw);
	return rc;
}

void
vg_opener_forget(struct vg_opener *o)
{
	for (size_t i = 0; i < VG_CLASSES_MAX; i++)
		o->prefix[i].used = false;
}

void
vg_opener_fini(struct vg_opener *o)
{
	vg_block_opener_fini(&o->block);
	for (size_t i = 0; i < VG_CLASSES_MAX; i++) {
		vg_buf_fini(&o->prefix[i].raw);
		o->prefix[i].used = false;
	}
}
