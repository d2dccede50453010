/* vault/fields_make.c - a group of the field cache, from its blocks. */
#include <sodium.h>
#include <stdlib.h>
#include <zstd.h>

#include "vault/fields_impl.h"

#define MAP_BYTES ((size_t)16 << 20)   /* names and values of a group */
#define CLASS_BYTES ((size_t)64 << 20) /* what classes are made of */
#define CLASS_IDS_MAX 65536u           /* that ever were in a group; later new ones are class 0 */
#define SLOTS 16384u
#define PER_SHAPE 4                    /* classes that records with the same names get, as a mean, and CLASSES_LEAST more: bench/fields.py */
#define CLASSES_LEAST 64u
#define EXACT 128                      /* values of a name that may tell classes apart */
#define PAIRS_MAX 1000000
#define LABEL_MAX 1024                 /* bytes */
#define PART_LEVEL 6                   /* of zstd */
#define TABLES_LEVEL 9
#define LIVE UINT32_MAX

struct name {
	vg_str text;
	enum vg_fields_state state;
	uint32_t nvalue, cap;
	vg_str *value;  /* owned */
	uint32_t *seen; /* owned; twice the turn that the value was last seen in, and 1 when it was made once */
};
struct class {
	uint32_t label, n;
	uint32_t *el;
	uint64_t hash;
	uint32_t forward; /* LIVE, or the class that it became */
	uint32_t number;  /* in the file, once it has one */
};
struct known { /* a label that was looked up: packs and log sources stand still */
	const char *pack;
	const struct vg_logsource *ls;
	uint32_t nls, label;
	bool used;
};
struct vg_fields_builder {
	uint8_t stamp[VG_FIELDS_STAMP];
	uint64_t salt;
	uint32_t key;
	unsigned nblock;
	struct vg_fields_row row[VG_FIELDS_BLOCKS];
	struct vg_buf of[VG_FIELDS_BLOCKS];   /* u32 each: the records' classes */
	struct vg_buf seen[VG_FIELDS_BLOCKS]; /* u32 each: name << 16 | value, each once */

	struct vg_map names, values, labels;
	struct name name[VG_FIELDS_KEYS];
	uint32_t nname;
	uint32_t *name_of; /* owned; by key of @keys: 1 + name */
	const struct vg_keys *keys;
	size_t nkeys;
	vg_str label[VG_FIELDS_LABELS];
	uint32_t nlabel;
	struct known known[64];

	struct vg_arena arena; /* of classes */
	struct class *class;   /* owned; 0 is no class */
	uint32_t nclass, cap, live;
	uint32_t slot[SLOTS];  /* 1 + class */
	uint64_t shape[SLOTS]; /* hashes; 0 is free */
	uint32_t nshape;
	bool helpless; /* there is no way to have fewer classes */

	/* of the record at hand */
	vg_str raw;
	uint32_t el[VG_FIELDS_CLASS_MAX], n, events, at_label;
	bool over;
	/* of the block at hand */
	uint32_t turn; /* another number for another block */
	struct vg_buf labelled; /* u32 each */
	struct vg_decoder decoder;
};

/* ---- the begin and the end ---- */

static void
begin_group(struct vg_fields_builder *b)
{
	randombytes_buf(&b->salt, sizeof(b->salt));
	for (uint32_t i = 0; i < b->nname; i++) {
		free(b->name[i].value);
		free(b->name[i].seen);
	}
	memset(b->name, 0, b->nname * sizeof(b->name[0]));
	memset(b->name_of, 0, b->nkeys * sizeof(*b->name_of));
	memset(b->known, 0, sizeof(b->known));
	memset(b->slot, 0, sizeof(b->slot));
	memset(b->shape, 0, sizeof(b->shape));
	b->nname = b->nshape = b->live = 0;
	b->nblock = 0;
	b->helpless = false;
	b->nclass = b->nlabel = 1;
	b->label[0] = VG_NIL;
	vg_map_fini(&b->names);
	vg_map_fini(&b->values);
	vg_map_fini(&b->labels);
	vg_map_init(&b->names, MAP_BYTES);
	vg_map_init(&b->values, MAP_BYTES);
	vg_map_init(&b->labels, MAP_BYTES);
	vg_arena_reset(&b->arena);
}

struct vg_fields_builder *
vg_fields_builder_new(const struct vg_packs *packs, const struct vg_keys *keys, int zone_s, const uint8_t stamp[VG_FIELDS_STAMP])
{
	struct vg_fields_builder *b = sodium_init() < 0 ? NULL : calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->keys = keys;
	b->nkeys = vg_keys_count(keys);
	b->cap = 1024;
	b->name_of = calloc(b->nkeys + 1, sizeof(*b->name_of));
	b->class = calloc(b->cap, sizeof(*b->class));
	vg_arena_init(&b->arena, CLASS_BYTES);
	vg_decoder_init(&b->decoder, packs, keys, zone_s);
	memcpy(b->stamp, stamp, sizeof(b->stamp));
	if (b->name_of == NULL || b->class == NULL) {
		vg_fields_builder_free(b);
		return NULL;
	}
	begin_group(b);
	return b;
}

void
vg_fields_builder_free(struct vg_fields_builder *b)
{
	if (b == NULL)
		return;
	for (unsigned i = 0; i < VG_FIELDS_BLOCKS; i++) {
		vg_buf_fini(&b->of[i]);
		vg_buf_fini(&b->seen[i]);
	}
	for (uint32_t i = 0; i < b->nname; i++) {
		free(b->name[i].value);
		free(b->name[i].seen);
	}
	vg_map_fini(&b->names);
	vg_map_fini(&b->values);
	vg_map_fini(&b->labels);
	vg_arena_fini(&b->arena);
	vg_decoder_fini(&b->decoder);
	vg_buf_fini(&b->labelled);
	free(b->name_of);
	free(b->class);
	free(b);
}

unsigned
vg_fields_blocks(const struct vg_fields_builder *b)
{
	return b->nblock;
}

const uint32_t *
vg_fields_labels(const struct vg_fields_builder *b, uint32_t *n)
{
	*n = (uint32_t)(b->labelled.n / sizeof(uint32_t));
	return (const uint32_t *)(const void *)b->labelled.p;
}

const uint32_t *
vg_fields_classes(const struct vg_fields_builder *b)
{
	return b->nblock ? (const uint32_t *)(const void *)b->of[b->nblock - 1].p : NULL;
}

uint32_t
vg_fields_class_names(const struct vg_fields_builder *b, uint32_t class, vg_str out[VG_FIELDS_CLASS_MAX])
{
	const struct class *c = &b->class[class];
	uint32_t n = 0;

	for (uint32_t i = 0; class && i < c->n; i++)
		if (i == 0 || c->el[i] >> 16 != c->el[i - 1] >> 16)
			out[n++] = b->name[c->el[i] >> 16].text;
	return n;
}

vg_str
vg_fields_label_text(const struct vg_fields_builder *b, uint32_t label)
{
	return label < b->nlabel ? b->label[label] : VG_NIL;
}

/* ---- classes ---- */

static uint64_t
mix(const struct vg_fields_builder *b, uint64_t x)
{
	x ^= b->salt;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* A sum, so that what a class becomes without one of its names is soon told. */
static uint64_t
class_hash(const struct vg_fields_builder *b, uint32_t label, const uint32_t *el, uint32_t n)
{
	uint64_t h = mix(b, (uint64_t)label << 32 | UINT32_MAX);

	for (uint32_t i = 0; i < n; i++)
		h += mix(b, el[i]);
	return h;
}

/* Where the class stands in the table, or could. */
static uint32_t *
class_slot(struct vg_fields_builder *b, const struct class *c)
{
	uint32_t at = (uint32_t)(c->hash >> 40) & (SLOTS - 1);

	for (; b->slot[at]; at = (at + 1) & (SLOTS - 1)) {
		const struct class *o = &b->class[b->slot[at] - 1];

		if (o->hash == c->hash && o->label == c->label && o->n == c->n && (c->n == 0 || memcmp(o->el, c->el, c->n * sizeof(*c->el)) == 0))
			break;
	}
	return &b->slot[at];
}

static bool
is_value(uint32_t el)
{
	return (el & 0xffff) < VG_FIELDS_VALUES;
}

/* Put elements in order, each once, as names stand now: what tells no value any more says whether it stands in the bytes.  How many there are. */
static uint32_t
put_in_order(const struct vg_fields_builder *b, uint32_t *el, uint32_t n)
{
	uint32_t to = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct name *name = &b->name[el[i] >> 16];
		uint32_t e = el[i], at = to;

		if (is_value(e) && name->state != VG_FIELDS_TELLS)
			e = (e & 0xffff0000u) | (name->seen[e & 0xffff] & 1 ? VG_FIELDS_MADE : VG_FIELDS_ANY);
		while (at && el[at - 1] > e)
			at--;
		if (at && el[at - 1] == e)
			continue;
		memmove(el + at + 1, el + at, (to - at) * sizeof(*el));
		el[at] = e;
		to++;
	}
	return to;
}

/* Classes do not tell the values of name @k any more. */
static void
widen(struct vg_fields_builder *b, uint32_t k)
{
	if (b->name[k].state == VG_FIELDS_TELLS)
		b->name[k].state = VG_FIELDS_LISTED;
	memset(b->slot, 0, sizeof(b->slot));
	b->live = 0;
	for (uint32_t i = 1; i < b->nclass; i++) {
		struct class *c = &b->class[i];
		uint32_t *slot;

		if (c->forward != LIVE)
			continue;
		c->n = put_in_order(b, c->el, c->n);
		c->hash = class_hash(b, c->label, c->el, c->n);
		slot = class_slot(b, c);
		if (*slot) {
			c->forward = *slot - 1;
		} else {
			*slot = i + 1;
			b->live++;
		}
	}
}

/* The names, whatever their values, and the label. */
static uint64_t
shape_hash(const struct vg_fields_builder *b, const struct class *c)
{
	uint64_t h = mix(b, c->label);

	for (uint32_t i = 0; i < c->n; i++)
		if (i == 0 || c->el[i] >> 16 != c->el[i - 1] >> 16)
			h += mix(b, (c->el[i] | 0xffff) + UINT64_C(1));
	return h | 1;
}

struct pair { /* classes of a shape that tell a name's value */
	uint64_t shape;
	uint32_t el;
};

static int
by_name(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->el >> 16 != y->el >> 16)
		return (x->el > y->el) - (x->el < y->el);
	return x->shape != y->shape ? (x->shape > y->shape) - (x->shape < y->shape) : (x->el > y->el) - (x->el < y->el);
}

/* The name with the most values among records that have the same names: of those, one with two values splits few classes, and names that say the
 * same thing twice go one after the other.  UINT32_MAX: there is none with more than one. */
static uint32_t
worst_name(struct vg_fields_builder *b)
{
	struct vg_buf buf = { 0 };
	struct pair *p;
	uint32_t best = 0, found = UINT32_MAX;
	size_t n;

	for (uint32_t i = 1; i < b->nclass && buf.n < PAIRS_MAX * sizeof(*p); i++) {
		const struct class *c = &b->class[i];
		struct pair one = { .shape = shape_hash(b, c) };

		for (uint32_t k = 0; c->forward == LIVE && k < c->n; k++)
			if (is_value(one.el = c->el[k]))
				vg_buf_mem(&buf, &one, sizeof(one));
	}
	n = buf.rc == VG_OK ? buf.n / sizeof(*p) : 0;
	p = (struct pair *)(void *)buf.p;
	if (n)
		qsort(p, n, sizeof(*p), by_name);
	for (size_t i = 0, j; i < n; i = j) {
		uint32_t more = 0;

		for (j = i + 1; j < n && p[j].el >> 16 == p[i].el >> 16; j++)
			more += p[j].shape == p[j - 1].shape && p[j].el != p[j - 1].el;
		if (more > best) {
			best = more;
			found = p[i].el >> 16;
		}
	}
	vg_buf_fini(&buf);
	return found;
}

static uint32_t
classes_wanted(const struct vg_fields_builder *b)
{
	uint32_t n = CLASSES_LEAST + PER_SHAPE * b->nshape;

	return n < VG_FIELDS_CLASSES - 1 ? n : VG_FIELDS_CLASSES - 1;
}

static void
fewer_classes(struct vg_fields_builder *b)
{
	if (b->live <= classes_wanted(b) || b->helpless)
		return;
	while (b->live > classes_wanted(b) * 3 / 4 && !b->helpless) {
		uint32_t k = worst_name(b);

		if (k != UINT32_MAX)
			widen(b, k);
		else
			b->helpless = true;
	}
}

/* How many ways of having names there are. */
static void
count_shape(struct vg_fields_builder *b, const struct class *c)
{
	uint64_t h = shape_hash(b, c);
	uint32_t at;

	for (at = (uint32_t)(h >> 40) & (SLOTS - 1); b->shape[at]; at = (at + 1) & (SLOTS - 1))
		if (b->shape[at] == h)
			return;
	if (b->nshape < SLOTS / 2) {
		b->shape[at] = h;
		b->nshape++;
	}
}

/* The class of the record at hand. */
static uint32_t
class_of_record(struct vg_fields_builder *b)
{
	struct class c = { .label = b->at_label, .n = b->n, .el = b->el, .hash = class_hash(b, b->at_label, b->el, b->n), .forward = LIVE };
	uint32_t *slot = class_slot(b, &c), id;

	if (*slot)
		return *slot - 1;
	if (b->nclass == CLASS_IDS_MAX || b->live == VG_FIELDS_CLASSES - 1)
		return VG_FIELDS_UNKNOWN;
	if (b->nclass == b->cap) {
		struct class *more = realloc(b->class, 2 * b->cap * sizeof(*more));

		if (more == NULL)
			return VG_FIELDS_UNKNOWN;
		b->class = more;
		b->cap *= 2;
	}
	if ((c.el = vg_arena_alloc(&b->arena, (c.n + 1) * sizeof(*c.el))) == NULL)
		return VG_FIELDS_UNKNOWN;
	memcpy(c.el, b->el, c.n * sizeof(*c.el));
	id = b->nclass++;
	b->class[id] = c;
	*slot = id + 1;
	b->live++;
	count_shape(b, &c);
	fewer_classes(b);
	return id;
}

/* ---- names and values ---- */

/* UINT32_MAX: there is no room for it. */
static uint32_t
name_of(struct vg_fields_builder *b, const struct vg_field *f)
{
	vg_str text = f->name;
	uint32_t k;

	if (f->key < b->nkeys) {
		if (b->name_of[f->key])
			return b->name_of[f->key] - 1;
		text = vg_keys_name(b->keys, f->key);
	}
	if (text.n > VG_FIELDS_NAME_MAX)
		return UINT32_MAX;
	if ((k = vg_map_find(&b->names, text)) == VG_MAP_NONE) {
		if (b->nname == VG_FIELDS_KEYS || (k = vg_map_add(&b->names, text, b->nname, &b->name[b->nname].text)) == VG_MAP_NONE)
			return UINT32_MAX;
		b->nname++;
	}
	if (f->key < b->nkeys)
		b->name_of[f->key] = k + 1;
	return k;
}

/* Nothing is said of its values. */
static void
unlist(struct vg_fields_builder *b, uint32_t k)
{
	bool told = b->name[k].state == VG_FIELDS_TELLS;

	b->name[k].state = VG_FIELDS_UNLISTED;
	if (told)
		widen(b, k);
}

static bool
grow_values(struct name *n)
{
	uint32_t cap = n->cap ? 2 * n->cap : 4;
	vg_str *v = realloc(n->value, cap * sizeof(*v));
	uint32_t *s;

	if (v == NULL)
		return false;
	n->value = v;
	if ((s = realloc(n->seen, cap * sizeof(*s))) == NULL)
		return false;
	n->seen = s;
	n->cap = cap;
	return true;
}

/* What stands for a value of name @k: its number, or how little is said of it.  @made: the record does not have its bytes. */
static uint32_t
value_of(struct vg_fields_builder *b, uint32_t k, vg_str value, bool made)
{
	struct name *n = &b->name[k];
	char text[2 + VG_FIELDS_VALUE_MAX];
	vg_str key = vg_str_mem(text, 2 + value.n);
	uint32_t v, some = made ? VG_FIELDS_MADE : VG_FIELDS_ANY;

	if (n->state == VG_FIELDS_UNLISTED)
		return some;
	if (value.n > VG_FIELDS_VALUE_MAX) {
		unlist(b, k);
		return some;
	}
	memcpy(text, &(uint16_t){ (uint16_t)k }, 2);
	if (value.n)
		memcpy(text + 2, value.p, value.n);
	if ((v = vg_map_find(&b->values, key)) == VG_MAP_NONE) {
		vg_str kept;

		if (n->nvalue == VG_FIELDS_VALUES || (n->nvalue == n->cap && !grow_values(n)) ||
		    (v = vg_map_add(&b->values, key, n->nvalue, &kept)) == VG_MAP_NONE) {
			unlist(b, k);
			return some;
		}
		n->value[n->nvalue] = vg_str_skip(kept, 2);
		n->seen[n->nvalue++] = 0;
		if (n->state == VG_FIELDS_TELLS && n->nvalue > EXACT)
			widen(b, k);
	}
	n->seen[v] |= made;
	if (n->seen[v] >> 1 != b->turn) {
		uint32_t el = k << 16 | v;

		n->seen[v] = b->turn << 1 | (n->seen[v] & 1);
		vg_buf_mem(&b->seen[b->nblock], &el, sizeof(el));
	}
	return n->state == VG_FIELDS_TELLS ? v : some;
}

/* ---- labels ---- */

static uint32_t
make_label(struct vg_fields_builder *b, const struct vg_event *e)
{
	struct vg_buf text = { .limit_bytes = LABEL_MAX };
	uint32_t l = VG_MAP_NONE;

	if (e->pack)
		vg_buf_puts(&text, e->pack);
	if (e->pack || e->nls)
		vg_buf_putc(&text, 0);
	for (uint32_t i = 0; i < e->nls; i++) {
		const struct vg_logsource *s = &e->ls[i];

		vg_buf_puts(&text, i ? ", " : "");
		vg_buf_put(&text, s->product);
		vg_buf_putc(&text, '/');
		vg_buf_put(&text, s->category);
		vg_buf_putc(&text, '/');
		vg_buf_put(&text, s->service);
	}
	if (text.n == 0)
		l = 0;
	else if (text.rc == VG_OK && (l = vg_map_find(&b->labels, vg_buf_str(&text))) == VG_MAP_NONE && b->nlabel < VG_FIELDS_LABELS &&
		 (l = vg_map_add(&b->labels, vg_buf_str(&text), b->nlabel, &b->label[b->nlabel])) != VG_MAP_NONE)
		b->nlabel++;
	vg_buf_fini(&text);
	return l;
}

/* VG_MAP_NONE: there is no room for it. */
static uint32_t
label_of(struct vg_fields_builder *b, const struct vg_event *e)
{
	struct known *k = &b->known[mix(b, (uint64_t)(uintptr_t)e->pack ^ (uint64_t)(uintptr_t)e->ls << 1) % VG_COUNT(b->known)];

	if (!k->used || k->pack != e->pack || k->ls != e->ls || k->nls != e->nls)
		*k = (struct known){ e->pack, e->ls, e->nls, make_label(b, e), true };
	return k->label;
}

/* ---- one record ---- */

/* Does the value stand in the record's bytes as it is? */
static bool
is_in(vg_str raw, vg_str value)
{
	return value.n == 0 || (value.p >= raw.p && value.p + value.n <= raw.p + raw.n) || vg_str_find(raw, value) != VG_NPOS;
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct vg_fields_builder *b = ctx;

	if (b->events++ || e->dropped || (b->at_label = label_of(b, e)) == VG_MAP_NONE) {
		b->over = true;
		return VG_OK;
	}
	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *f = &e->field[i];
		uint32_t k = name_of(b, f);

		if (k == UINT32_MAX || b->n == VG_FIELDS_CLASS_MAX) {
			b->over = true;
			return VG_OK;
		}
		b->el[b->n++] = k << 16 | (f->kind == VG_KIND_NULL ? VG_FIELDS_NULL : value_of(b, k, f->value, !is_in(b->raw, f->value)));
	}
	return VG_OK;
}

static vg_rc
add_record(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct vg_fields_builder *b = ctx;
	uint32_t class = VG_FIELDS_UNKNOWN;
	vg_rc rc;

	(void)at;
	b->n = b->events = b->at_label = 0;
	b->over = false;
	b->raw = r->raw;
	rc = vg_decoder_record(&b->decoder, r->raw, r->recv_ns, on_event, b);
	if (rc == VG_OK && b->events == 1 && !b->over) {
		b->n = put_in_order(b, b->el, b->n);
		class = class_of_record(b);
	}
	if (b->at_label == VG_MAP_NONE)
		b->at_label = 0;
	vg_buf_mem(&b->of[b->nblock], &class, sizeof(class));
	vg_buf_mem(&b->labelled, &b->at_label, sizeof(b->at_label));
	return b->of[b->nblock].rc != VG_OK ? b->of[b->nblock].rc : b->labelled.rc;
}

vg_rc
vg_fields_add(struct vg_fields_builder *b, uint64_t at, const struct vg_block_head *h, vg_str payload)
{
	vg_rc rc;

	if (b->nblock == VG_FIELDS_BLOCKS)
		return VG_E_LIMIT;
	if (b->nblock && h->key != b->key)
		return VG_E_REFUSED;
	vg_buf_clear(&b->of[b->nblock]);
	vg_buf_clear(&b->seen[b->nblock]);
	vg_buf_clear(&b->labelled);
	b->turn++;
	if ((rc = vg_block_each(h, payload, add_record, b)) != VG_OK)
		return rc;
	if (b->seen[b->nblock].rc != VG_OK)
		return b->seen[b->nblock].rc;
	b->row[b->nblock++] = (struct vg_fields_row){ at, h->stored, h->first_seq, h->last_seq, h->count, 0, 0, 0 };
	b->key = h->key;
	return VG_OK;
}

/* ---- the group ---- */

static uint32_t
now_class(struct vg_fields_builder *b, uint32_t id)
{
	while (id && b->class[id].forward != LIVE)
		id = b->class[id].forward;
	return id;
}

/* Classes get their numbers, in the order in which they are used. */
static uint32_t
number_classes(struct vg_fields_builder *b, uint32_t *order)
{
	uint32_t n = 1;

	for (uint32_t i = 0; i < b->nclass; i++)
		b->class[i].number = 0;
	for (unsigned i = 0; i < b->nblock; i++) {
		uint32_t *of = (uint32_t *)(void *)b->of[i].p;

		for (size_t k = 0; k < b->of[i].n / sizeof(*of); k++) {
			struct class *c = &b->class[of[k] = now_class(b, of[k])];

			if (of[k] && c->number == 0) {
				order[n] = of[k];
				c->number = n++;
			}
		}
	}
	return n;
}

static void
put_name(struct vg_buf *out, const struct name *n)
{
	vg_buf_le16(out, (uint16_t)n->text.n);
	vg_buf_put(out, n->text);
	vg_buf_u8(out, (uint8_t)n->state);
	vg_buf_le16(out, n->state == VG_FIELDS_UNLISTED ? 0 : (uint16_t)n->nvalue);
	for (uint32_t i = 0; n->state != VG_FIELDS_UNLISTED && i < n->nvalue; i++) {
		vg_buf_u8(out, (uint8_t)(n->value[i].n | (n->seen[i] & 1 ? VG_FIELDS_MADE_BIT : 0)));
		vg_buf_put(out, n->value[i]);
	}
}

static void
put_tables(struct vg_fields_builder *b, const uint32_t *order, uint32_t nclass, struct vg_buf *out)
{
	vg_buf_le32(out, b->nlabel);
	vg_buf_le32(out, b->nname);
	vg_buf_le32(out, nclass);
	for (uint32_t i = 0; i < b->nlabel; i++)
		vg_buf_le_str(out, b->label[i]);
	for (uint32_t i = 0; i < b->nname; i++)
		put_name(out, &b->name[i]);
	for (uint32_t i = 1; i < nclass; i++) {
		const struct class *c = &b->class[order[i]];

		vg_buf_le16(out, (uint16_t)c->label);
		vg_buf_le16(out, (uint16_t)c->n);
		for (uint32_t k = 0; k < c->n; k++)
			vg_buf_le32(out, c->el[k]);
	}
}

/* Where each listed name's bitmap begins; bytes of all. */
static uint32_t
place_bitmaps(const struct vg_fields_builder *b, uint32_t *place)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < b->nname; i++) {
		place[i] = b->name[i].state == VG_FIELDS_LISTED ? at : UINT32_MAX;
		at += b->name[i].state == VG_FIELDS_LISTED ? (b->name[i].nvalue + 7) / 8 : 0;
	}
	return at;
}

static vg_rc
put_block(struct vg_fields_builder *b, unsigned i, const uint32_t *place, uint32_t bitmaps, struct vg_buf *out)
{
	const uint32_t *of = (const uint32_t *)(const void *)b->of[i].p, *seen = (const uint32_t *)(const void *)b->seen[i].p;
	size_t n = b->of[i].n / sizeof(*of);
	uint8_t *p;

	vg_buf_clear(out);
	if (!vg_buf_reserve(out, 2 * n + bitmaps + 1))
		return out->rc;
	p = (uint8_t *)out->p;
	memset(p, 0, 2 * n + bitmaps);
	for (size_t k = 0; k < n; k++) {
		p[k] = (uint8_t)b->class[of[k]].number;
		p[n + k] = (uint8_t)(b->class[of[k]].number >> 8);
		b->row[i].unknown += of[k] == VG_FIELDS_UNKNOWN;
	}
	for (size_t k = 0; k < b->seen[i].n / sizeof(*seen); k++) {
		uint32_t at = place[seen[k] >> 16], v = seen[k] & 0xffff;

		if (at != UINT32_MAX)
			p[2 * n + at + v / 8] |= (uint8_t)(1 << v % 8);
	}
	out->n = 2 * n + bitmaps;
	return VG_OK;
}

struct making {
	struct vg_fields_builder *b;
	uint8_t preamble[VG_TOKENS_PREAMBLE], secret[VG_BLOCK_KEY];
	struct vg_buf plain, packed, body;
	uint32_t *order, *place; /* owned */
	ZSTD_CCtx *zstd;         /* owned */
};

/* What is in plain, compressed and sealed, behind the body. */
static vg_rc
put_part(struct making *m, uint32_t number, int level, uint32_t *stored)
{
	size_t room = ZSTD_compressBound(m->plain.n), n, before = m->body.n;
	vg_rc rc;

	vg_buf_clear(&m->packed);
	if (m->plain.rc != VG_OK)
		return m->plain.rc;
	if (!vg_buf_reserve(&m->packed, room))
		return m->packed.rc;
	n = ZSTD_compressCCtx(m->zstd, m->packed.p, room, m->plain.p, m->plain.n, level);
	if (ZSTD_isError(n))
		return VG_E_NOMEM;
	m->packed.n = n;
	rc = vg_part_seal(m->preamble, m->secret, number, vg_buf_str(&m->packed), &m->body);
	*stored = (uint32_t)(m->body.n - before);
	return rc;
}

static void
put_preamble(struct making *m)
{
	struct vg_fields_builder *b = m->b;
	uint32_t head = VG_FIELDS_HEAD_FIXED + b->nblock * VG_FIELDS_ROW_BYTES + VG_TOKENS_SEALED, nblock = b->nblock;

	memcpy(m->preamble, VG_FIELDS_MAGIC, 8);
	memcpy(m->preamble + VG_PREAMBLE_KEY, &b->key, 4);
	memcpy(m->preamble + VG_PREAMBLE_HEAD, &head, 4);
	memcpy(m->preamble + VG_PREAMBLE_BLOCKS, &nblock, 4);
	randombytes_buf(m->preamble + VG_PREAMBLE_NONCE, VG_TOKENS_PREAMBLE - VG_PREAMBLE_NONCE);
}

static vg_rc
put_body(struct making *m, uint32_t *bytes, uint32_t *stored)
{
	struct vg_fields_builder *b = m->b;
	uint32_t bitmaps = place_bitmaps(b, m->place), nclass = number_classes(b, m->order);
	vg_rc rc;

	put_tables(b, m->order, nclass, &m->plain);
	*bytes = (uint32_t)m->plain.n;
	if (m->plain.n > VG_FIELDS_TABLES_MAX)
		return VG_E_LIMIT;
	rc = put_part(m, VG_FIELDS_PART_TABLES, TABLES_LEVEL, stored);
	for (unsigned i = 0; rc == VG_OK && i < b->nblock; i++)
		if ((rc = put_block(b, i, m->place, bitmaps, &m->plain)) == VG_OK)
			rc = put_part(m, VG_FIELDS_PART_BLOCK + i, PART_LEVEL, &b->row[i].part);
	return rc;
}

static vg_rc
put_head(struct making *m, uint32_t bytes, uint32_t stored, struct vg_buf *out)
{
	struct vg_fields_builder *b = m->b;

	vg_buf_clear(&m->plain);
	vg_buf_mem(&m->plain, b->stamp, sizeof(b->stamp));
	vg_buf_le32(&m->plain, bytes);
	vg_buf_le32(&m->plain, stored);
	for (unsigned i = 0; i < b->nblock; i++) {
		vg_buf_le64(&m->plain, b->row[i].at);
		vg_buf_le64(&m->plain, b->row[i].stored);
		vg_buf_le64(&m->plain, b->row[i].first_seq);
		vg_buf_le64(&m->plain, b->row[i].last_seq);
		vg_buf_le32(&m->plain, b->row[i].records);
		vg_buf_le32(&m->plain, b->row[i].unknown);
		vg_buf_le32(&m->plain, b->row[i].part);
	}
	vg_buf_mem(out, m->preamble, sizeof(m->preamble));
	return m->plain.rc != VG_OK ? m->plain.rc : vg_part_seal(m->preamble, m->secret, VG_FIELDS_PART_HEAD, vg_buf_str(&m->plain), out);
}

vg_rc
vg_fields_finish(struct vg_fields_builder *b, const uint8_t *key, struct vg_buf *out)
{
	struct making m = { .b = b };
	uint32_t bytes = 0, stored = 0;
	size_t begin = out->n;
	vg_rc rc = VG_E_NOMEM;

	if (b->nblock == 0 || (key != NULL) != (b->key != 0))
		return VG_E_REFUSED;
	m.order = calloc((size_t)b->nclass + 1, sizeof(*m.order));
	m.place = calloc((size_t)b->nname + 1, sizeof(*m.place));
	m.zstd = ZSTD_createCCtx();
	vg_part_secret(VG_FIELDS_SECRET, key, m.secret);
	put_preamble(&m);
	if (m.order && m.place && m.zstd && (rc = put_body(&m, &bytes, &stored)) == VG_OK && (rc = put_head(&m, bytes, stored, out)) == VG_OK) {
		vg_buf_put(out, vg_buf_str(&m.body));
		rc = out->rc != VG_OK ? out->rc : out->n - begin > VG_TOKENS_GROUP_MAX ? VG_E_LIMIT : VG_OK;
	}
	if (rc == VG_OK)
		vg_group_sum(out->p + begin, (uint32_t)(out->n - begin));
	else
		out->n = begin;
	sodium_memzero(m.secret, sizeof(m.secret));
	free(m.order);
	free(m.place);
	ZSTD_freeCCtx(m.zstd);
	vg_buf_fini(&m.plain);
	vg_buf_fini(&m.packed);
	vg_buf_fini(&m.body);
	if (rc == VG_OK)
		begin_group(b);
	return rc;
}
