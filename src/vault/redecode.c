#include "vault/redecode.h"

#include <stdlib.h>

#include "base/io.h"
#include "base/map.h"
#include "vault/disk.h"
#include "vault/opener.h"

#define PAIR_BYTES ((size_t)8 << 20)

struct making { /* a group on its way */
	struct vg_fields_builder *b; /* owned; NULL: not begun */
	uint32_t key;
};
struct pair { /* records of a block that were of one class and are of another */
	uint32_t old, now, label, records;
};
struct run {
	const struct vg_redecode *o;
	struct vg_redecoded *out;
	struct making making[VG_REDECODE_KEYS];
	struct vg_fields *old; /* NULL: none */
	struct vg_buf kept;    /* u64 each: where blocks of copied groups begin, ascending */
	struct vg_buf stored, payload, group;
	struct vg_opener opener;
	struct vg_map pairs;   /* of the block at hand */
	struct vg_buf pair;    /* struct pair */
};

/* ---- what changed ---- */

static void
label_print(vg_str label, char out[VG_REDECODE_TEXT])
{
	size_t n = label.n < VG_REDECODE_TEXT - 1 ? label.n : VG_REDECODE_TEXT - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = label.p[i] ? label.p[i] : ' ';
	out[n] = 0;
}

/* Of a label: did a pack know it? */
static bool
is_known(vg_str label)
{
	return label.n && label.p[0];
}

static void
add_change(struct vg_redecoded *r, const struct vg_redecode_change *c)
{
	for (uint32_t i = 0; i < r->nchange; i++)
		if (r->change[i].what == c->what && strcmp(r->change[i].from, c->from) == 0 && strcmp(r->change[i].to, c->to) == 0) {
			r->change[i].records += c->records;
			return;
		}
	if (r->nchange < VG_REDECODE_CHANGES)
		r->change[r->nchange++] = *c;
	else
		r->more_changes += c->records;
}

/* The fields of @a that are not among @b. */
static void
put_fields(struct vg_redecoded *r, enum vg_redecode_what what, const vg_str *a, uint32_t na, const vg_str *b, uint32_t nb, const struct vg_redecode_change *of)
{
	for (uint32_t i = 0; i < na; i++) {
		struct vg_redecode_change c = *of;
		uint32_t k = 0;

		while (k < nb && !vg_str_eq(a[i], b[k]))
			k++;
		if (k < nb)
			continue;
		c.what = what;
		label_print(a[i], c.from);
		add_change(r, &c);
	}
}

static uint32_t
old_names(const struct vg_fields_group *g, uint32_t class, vg_str out[VG_FIELDS_CLASS_MAX])
{
	const struct vg_fields_class *c = &g->class[class];
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		if (i == 0 || c->el[i] >> 16 != c->el[i - 1] >> 16)
			out[n++] = g->name[c->el[i] >> 16].name;
	return n;
}

static void
put_pair(struct run *x, const struct vg_fields_group *g, const struct vg_fields_builder *b, const struct pair *p)
{
	static vg_str names[2][VG_FIELDS_CLASS_MAX];
	vg_str from = g->label[g->class[p->old].label], to = vg_fields_label_text(b, p->label);
	struct vg_redecode_change c = { .records = p->records };
	uint32_t n, m;

	x->out->compared += p->records;
	x->out->known_before += is_known(from) ? p->records : 0;
	label_print(to, c.to);
	if (!vg_str_eq(from, to)) {
		label_print(from, c.from);
		c.what = !is_known(from) ? VG_REDECODED_KNOWN : !is_known(to) ? VG_REDECODED_LOST : VG_REDECODED_OTHER;
		add_change(x->out, &c);
	} else if (p->now) {
		n = old_names(g, p->old, names[0]);
		m = vg_fields_class_names(b, p->now, names[1]);
		put_fields(x->out, VG_REDECODED_GAINED, names[1], m, names[0], n, &c);
		put_fields(x->out, VG_REDECODED_GONE, names[0], n, names[1], m, &c);
	}
}

static vg_rc
count_pair(struct run *x, const struct pair *p)
{
	vg_str key = vg_str_mem(p, offsetof(struct pair, records));
	uint32_t at = vg_map_add(&x->pairs, key, (uint32_t)(x->pair.n / sizeof(*p)), NULL);

	if (at == VG_MAP_NONE)
		return VG_E_NOMEM;
	if (at == x->pair.n / sizeof(*p))
		vg_buf_mem(&x->pair, p, sizeof(*p));
	if (x->pair.rc == VG_OK)
		((struct pair *)(void *)x->pair.p)[at].records++;
	return x->pair.rc;
}

/* The older cache's row of a block: its group, and which one there; false: it has none. */
static bool
find_old(const struct run *x, uint64_t at, const struct vg_block_head *h, size_t *group, uint32_t *block)
{
	for (size_t g = 0; x->old && g < x->old->ngroup; g++)
		for (uint32_t i = 0; i < x->old->group[g].nblock; i++) {
			const struct vg_fields_row *r = &x->old->group[g].row[i];

			if (r->at == at && r->stored == h->stored && r->first_seq == h->first_seq && r->last_seq == h->last_seq && r->records == h->count) {
				*group = g;
				*block = i;
				return true;
			}
		}
	return false;
}

/* The block that @b got last, against the older cache. */
static vg_rc
compare(struct run *x, const struct vg_fields_builder *b, uint64_t at, const struct vg_block_head *h)
{
	struct vg_fields_block old;
	uint32_t n, block;
	const uint32_t *label = vg_fields_labels(b, &n), *class = vg_fields_classes(b);
	vg_rc rc = VG_OK;
	size_t g;

	for (uint32_t i = 0; i < n; i++)
		x->out->known += is_known(vg_fields_label_text(b, label[i]));
	x->out->records += n;
	if (!find_old(x, at, h, &g, &block))
		return VG_OK;
	if ((rc = vg_fields_read(x->old, g, block, &old)) != VG_OK)
		return rc == VG_E_FORMAT ? VG_OK : rc; /* it is damaged: nothing can be told */
	vg_map_fini(&x->pairs);
	vg_map_init(&x->pairs, PAIR_BYTES);
	vg_buf_clear(&x->pair);
	for (uint32_t i = 0; i < n && i < old.records && rc == VG_OK; i++)
		if (vg_fields_class_of(&old, i) != VG_FIELDS_UNKNOWN)
			rc = count_pair(x, &(struct pair){ vg_fields_class_of(&old, i), class[i], label[i], 0 });
	for (size_t i = 0; i < x->pair.n / sizeof(struct pair) && rc == VG_OK; i++)
		put_pair(x, &x->old->group[g], b, (const struct pair *)(const void *)x->pair.p + i);
	return rc;
}

void
vg_redecoded_add(struct vg_redecoded *all, const struct vg_redecoded *one)
{
	all->blocks += one->blocks;
	all->kept += one->kept;
	all->bad_blocks += one->bad_blocks;
	all->no_key += one->no_key;
	all->records += one->records;
	all->known += one->known;
	all->compared += one->compared;
	all->known_before += one->known_before;
	all->raw_bytes += one->raw_bytes;
	all->bytes += one->bytes;
	all->more_changes += one->more_changes;
	for (uint32_t i = 0; i < one->nchange; i++)
		add_change(all, &one->change[i]);
}

/* ---- groups ---- */

static vg_rc
finish(struct run *x, struct making *m)
{
	const uint8_t *key;
	vg_rc rc;

	if (m->b == NULL || vg_fields_blocks(m->b) == 0)
		return VG_OK;
	key = m->key && x->o->key ? x->o->key(x->o->key_ctx, m->key) : NULL;
	vg_buf_clear(&x->group);
	if ((rc = vg_fields_finish(m->b, key, &x->group)) != VG_OK)
		return rc;
	x->out->bytes += x->group.n;
	return vg_write_all(x->o->out_fd, vg_buf_str(&x->group));
}

/* The group that blocks of @key go to. */
static vg_rc
group_of(struct run *x, uint32_t key, struct making **out)
{
	struct making *m = x->making, *fullest = m;
	vg_rc rc;

	for (; m < x->making + VG_REDECODE_KEYS && m->b; m++) {
		if (m->key == key || vg_fields_blocks(m->b) == 0) {
			m->key = key;
			*out = m;
			return VG_OK;
		}
		if (vg_fields_blocks(m->b) > vg_fields_blocks(fullest->b))
			fullest = m;
	}
	if (m == x->making + VG_REDECODE_KEYS) {
		if ((rc = finish(x, m = fullest)) != VG_OK)
			return rc;
	} else if ((m->b = vg_fields_builder_new(x->o->packs, x->o->keys, x->o->zone_s, x->o->stamp)) == NULL) {
		return VG_E_NOMEM;
	}
	m->key = key;
	*out = m;
	return VG_OK;
}

/* ---- what the older cache has ---- */

struct block_at {
	uint64_t at;
	struct vg_block_head head;
};

/* Can the block be read at all? */
static bool
has_key(const struct run *x, const struct vg_block_head *h)
{
	return h->key == 0 || (x->o->key && x->o->key(x->o->key_ctx, h->key));
}

static vg_rc
list_blocks(struct run *x, struct vg_buf *out)
{
	struct vg_file f = { .fd = x->o->segment_fd };
	char head[VG_BLOCK_HEAD];
	uint64_t size = 0;
	struct block_at b = { .at = 0 };
	vg_rc rc = vg_file_size(&f, &size);

	while (rc == VG_OK && size - b.at >= VG_BLOCK_HEAD) {
		if ((rc = vg_file_read(&f, head, sizeof(head), b.at)) != VG_OK)
			break;
		if (vg_block_head_take(vg_str_mem(head, sizeof(head)), &b.head) != VG_OK) {
			x->out->bad_blocks++;
			break;
		}
		if (b.head.stored > size - b.at - VG_BLOCK_HEAD)
			break; /* it is being written */
		vg_buf_mem(out, &b, sizeof(b));
		x->out->no_key += !has_key(x, &b.head);
		b.at += VG_BLOCK_HEAD + b.head.stored;
		rc = out->rc;
	}
	return rc == VG_E_TRUNC ? VG_OK : rc;
}

static const struct block_at *
block_find(const struct vg_buf *blocks, uint64_t at)
{
	const struct block_at *b = (const struct block_at *)(const void *)blocks->p;
	size_t lo = 0, hi = blocks->n / sizeof(*b);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b[mid].at == at)
			return &b[mid];
		if (b[mid].at < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Is the group one of today's packs, over blocks of this segment? */
static bool
is_current(const struct run *x, const struct vg_fields_group *g, const struct vg_buf *blocks)
{
	for (uint32_t i = 0; i < g->nblock; i++) {
		const struct block_at *b = block_find(blocks, g->row[i].at);

		if (b == NULL || b->head.stored != g->row[i].stored || b->head.first_seq != g->row[i].first_seq || b->head.last_seq != g->row[i].last_seq ||
		    b->head.count != g->row[i].records || b->head.key != g->key)
			return false;
	}
	return memcmp(g->stamp, x->o->stamp, VG_FIELDS_STAMP) == 0;
}

static int
by_at(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static bool
is_kept(const struct run *x, uint64_t at)
{
	return x->kept.n && bsearch(&at, x->kept.p, x->kept.n / sizeof(at), sizeof(at), by_at);
}

static vg_rc
copy_group(struct run *x, const struct vg_fields_group *g)
{
	vg_rc rc;

	vg_buf_clear(&x->group);
	if (!vg_buf_reserve(&x->group, g->bytes))
		return x->group.rc;
	if ((rc = vg_file_read(&(struct vg_file){ .fd = x->o->old_fd }, x->group.p, g->bytes, g->at)) != VG_OK)
		return rc;
	x->group.n = g->bytes;
	x->out->bytes += g->bytes;
	x->out->kept += g->nblock;
	return vg_write_all(x->o->out_fd, vg_buf_str(&x->group));
}

/* Which groups stand as they are: the current ones, all of them when nothing is missing, else those that are full. */
static vg_rc
keep_groups(struct run *x, const struct vg_buf *blocks)
{
	uint64_t bad, wanted = 0, have = 0;
	bool whole;
	vg_rc rc = VG_OK;

	if (x->old == NULL || x->old->damaged || vg_fields_check(x->o->old_fd, &bad) != VG_OK)
		return VG_OK;
	for (size_t i = 0; i < blocks->n / sizeof(struct block_at); i++)
		wanted += has_key(x, &((const struct block_at *)(const void *)blocks->p)[i].head);
	for (size_t g = 0; g < x->old->ngroup; g++)
		have += is_current(x, &x->old->group[g], blocks) ? x->old->group[g].nblock : 0;
	whole = have == wanted;
	x->out->current = whole;
	for (size_t g = 0; g < x->old->ngroup && rc == VG_OK; g++) {
		const struct vg_fields_group *group = &x->old->group[g];

		if (!is_current(x, group, blocks) || (!whole && group->nblock < VG_FIELDS_BLOCKS)) {
			x->out->current = false;
			continue;
		}
		for (uint32_t i = 0; i < group->nblock; i++)
			vg_buf_mem(&x->kept, &group->row[i].at, sizeof(group->row[i].at));
	}
	if (x->kept.n)
		qsort(x->kept.p, x->kept.n / sizeof(uint64_t), sizeof(uint64_t), by_at);
	for (size_t g = 0; g < x->old->ngroup && rc == VG_OK && !x->out->current; g++)
		if (is_kept(x, x->old->group[g].row[0].at))
			rc = copy_group(x, &x->old->group[g]);
	if (x->out->current)
		x->out->kept += have;
	return rc != VG_OK ? rc : x->kept.rc;
}

/* ---- blocks ---- */

/* Read and open it; false: not VG_OK in @rc, or it cannot be, which is counted. */
static bool
open_block(struct run *x, const struct block_at *b, vg_rc *rc)
{
	size_t n = (size_t)(VG_BLOCK_HEAD + b->head.stored);
	vg_str head, stored;

	if (!has_key(x, &b->head))
		return false;
	vg_buf_clear(&x->stored);
	if (!vg_buf_reserve(&x->stored, n)) {
		*rc = x->stored.rc;
		return false;
	}
	*rc = vg_file_read(&(struct vg_file){ .fd = x->o->segment_fd }, x->stored.p, n, b->at);
	head = vg_str_mem(x->stored.p, VG_BLOCK_HEAD);
	stored = vg_str_mem(x->stored.p + VG_BLOCK_HEAD, b->head.stored);
	if (*rc == VG_OK && !vg_block_is_sound(&b->head, stored))
		*rc = VG_E_FORMAT;
	if (*rc == VG_OK)
		*rc = vg_opener_open(&x->opener, &(struct vg_file){ .fd = x->o->segment_fd }, b->at, &b->head, head, stored,
				     b->head.key ? x->o->key(x->o->key_ctx, b->head.key) : NULL, &x->payload);
	if (*rc == VG_OK || *rc == VG_E_NOMEM || *rc == VG_E_SYS)
		return *rc == VG_OK;
	x->out->bad_blocks++;
	*rc = VG_OK;
	return false;
}

static vg_rc
take_block(struct run *x, const struct block_at *b)
{
	struct making *m;
	vg_rc rc = VG_OK;

	if (is_kept(x, b->at))
		return VG_OK;
	if (x->o->max_bytes && (b->head.payload > x->o->max_bytes || x->out->raw_bytes > x->o->max_bytes - b->head.payload))
		return VG_E_LIMIT;
	if (!open_block(x, b, &rc))
		return rc;
	if ((rc = group_of(x, b->head.key, &m)) != VG_OK)
		return rc;
	if ((rc = vg_fields_add(m->b, b->at, &b->head, vg_buf_str(&x->payload))) == VG_E_FORMAT) {
		x->out->bad_blocks++;
		return VG_OK;
	}
	x->out->raw_bytes += b->head.payload;
	if (rc == VG_OK)
		rc = compare(x, m->b, b->at, &b->head);
	if (rc == VG_OK && vg_fields_blocks(m->b) == VG_FIELDS_BLOCKS)
		rc = finish(x, m);
	return rc;
}

static vg_rc
take_blocks(struct run *x, const struct vg_buf *blocks)
{
	const struct block_at *b = (const struct block_at *)(const void *)blocks->p;
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < blocks->n / sizeof(*b) && rc == VG_OK; i++) {
		if (x->o->cancel && *x->o->cancel)
			return VG_E_STOP;
		rc = take_block(x, &b[i]);
		x->out->blocks++;
		if (x->o->progress)
			x->o->progress(x->o->ctx, x->out);
	}
	for (size_t i = 0; i < VG_REDECODE_KEYS && rc == VG_OK; i++)
		rc = finish(x, &x->making[i]);
	return rc;
}

vg_rc
vg_redecode_run(const struct vg_redecode *o, struct vg_redecoded *out)
{
	struct run *x = calloc(1, sizeof(*x));
	struct vg_buf blocks = { 0 };
	vg_rc rc;

	if (x == NULL)
		return VG_E_NOMEM;
	x->o = o;
	x->out = out;
	out->current = false;
	vg_map_init(&x->pairs, PAIR_BYTES);
	rc = list_blocks(x, &blocks);
	if (rc == VG_OK && o->old_fd >= 0)
		rc = vg_fields_open(o->old_fd, o->key, o->key_ctx, &x->old);
	if (rc == VG_OK)
		rc = keep_groups(x, &blocks);
	if (rc == VG_OK && !out->current)
		rc = take_blocks(x, &blocks);
	else if (rc == VG_OK)
		out->blocks += blocks.n / sizeof(struct block_at);
	for (size_t i = 0; i < VG_REDECODE_KEYS; i++)
		vg_fields_builder_free(x->making[i].b);
	vg_fields_close(x->old);
	vg_opener_fini(&x->opener);
	vg_map_fini(&x->pairs);
	vg_buf_fini(&x->pair);
	vg_buf_fini(&x->kept);
	vg_buf_fini(&x->stored);
	vg_buf_fini(&x->payload);
	vg_buf_fini(&x->group);
	vg_buf_fini(&blocks);
	free(x);
	return rc;
}
