#include "vault/sieve.h"

#include <stdlib.h>

#include "base/utf.h"
#include "detect/match.h"

#define DEPTH_MAX 200 /* as of detect/eval.c: below it nothing is said */
#define ARENA_BYTES ((size_t)64 << 20)
#define FOUND_MAX 16 /* values that are looked for in a record */
#define WORDS (VG_FIELDS_VALUES / 64)

/* What an item, or a node, can be of some event. */
struct may {
	bool be, not_be;
};
struct set { /* of a name's values */
	uint64_t bit[WORDS];
};

struct asked { /* an item, of one group */
	uint32_t name;   /* UINT32_MAX: no class has it */
	struct set *hit; /* one a value of the item: which of the name's values match */
	bool refers;     /* it compares with another field */
};
enum verdict { UNASKED, MATCHES_PERHAPS, MATCHES_NOT };
struct group {
	bool ready, dead, any; /* dead: it is not rested on; any: some class may match */
	struct asked *asked;   /* one an item of the rule */
	uint8_t *upper;        /* enum verdict, one a class: whatever values the block has */
};
struct place {
	uint64_t at;
	uint32_t group, block;
};
struct vg_sieve {
	const struct vg_program *p;
	uint32_t rule;
	struct vg_regexes *re;
	uint8_t stamp[VG_FIELDS_STAMP];
	vg_block_key_fn *key;
	void *key_ctx;
	uint32_t *item; /* owned: those of the rule */
	uint32_t nitem;
	struct vg_need **need;       /* one an item, of values that stand in the bytes */
	struct vg_arena need_arena;

	/* of the segment at hand */
	struct vg_fields *f;  /* NULL: none */
	struct group *group;  /* owned */
	struct place *place;  /* owned; ascending */
	size_t nplace;
	struct vg_arena arena; /* of groups */
	uint64_t bad, old, read_bytes;

	/* of the block at hand */
	bool active;
	uint32_t at_group;
	struct vg_fields_block block;
	uint8_t verdict[VG_FIELDS_CLASSES]; /* enum verdict */
};

/* ---- a rule over one class ---- */

struct class_at {
	const struct vg_sieve *s;
	const struct vg_fields_group *g;
	const struct group *group;
	const struct vg_fields_class *c;
	const uint8_t *bitmaps; /* NULL: of no block, which may have any value */
	const struct vg_sieve_text *text; /* NULL: none */
};

/* Add the values of a name that the block has, or could have.  false: nobody knows them. */
static bool
add_listed(const struct class_at *x, uint32_t name, struct set *set)
{
	const struct vg_fields_key *k = &x->g->name[name];

	for (uint32_t v = 0; k->listed && v < k->nvalue; v++)
		if (x->bitmaps == NULL || x->bitmaps[k->bitmap_at + v / 8] >> v % 8 & 1)
			set->bit[v / 64] |= UINT64_C(1) << v % 64;
	return k->listed;
}

static bool
set_meets(const struct set *a, const struct set *b)
{
	uint64_t any = 0;

	for (int i = 0; i < WORDS; i++)
		any |= a->bit[i] & b->bit[i];
	return any != 0;
}

/* Would an event whose name has these values match?  As vg_match_item() says it. */
static bool
values_match(const struct vg_item *it, const struct asked *a, const struct set *values)
{
	bool all = it->flags & VG_ITEM_ALL;

	for (uint32_t i = 0; i < it->nvalue; i++)
		if (set_meets(&a->hit[i], values) != all)
			return !all;
	return all && it->nvalue;
}

static struct may
surely(bool outcome)
{
	return (struct may){ outcome, !outcome };
}

/* Does a record have one of the listed values that match?  Yes when there are too many. */
static bool
some_is_found(const struct class_at *x, const struct vg_item *it, const struct asked *a, const struct set *listed)
{
	const struct vg_fields_key *k = &x->g->name[a->name];
	unsigned n = 0;

	for (uint32_t v = 0; v < k->nvalue; v++) {
		bool hit = false;

		for (uint32_t i = 0; listed->bit[v / 64] >> v % 64 & 1 && i < it->nvalue; i++)
			hit |= a->hit[i].bit[v / 64] >> v % 64 & 1;
		if (hit && (++n > FOUND_MAX || vg_str_find(x->text->raw, k->value[v]) != VG_NPOS))
			return true;
	}
	return false;
}

/* Can values that stand in the text as they are match? */
static bool
text_may(const struct class_at *x, uint32_t i, const struct vg_item *it, const struct asked *a, const struct set *listed)
{
	if (x->text == NULL)
		return true;
	if (x->text->raw.n && listed && !(it->flags & VG_ITEM_ALL) && !some_is_found(x, it, a, listed))
		return false;
	return x->text->holds(x->text->ctx, i, x->s->need[i]);
}

/* What a class has of a name. */
struct had {
	struct set values; /* those that it tells */
	bool there, told, any, made;
};

static struct had
had_of(const struct class_at *x, uint32_t name)
{
	struct had h = { .there = false };

	for (uint32_t i = 0; name != UINT32_MAX && i < x->c->n; i++) {
		uint32_t v = x->c->el[i] & 0xffff;

		if (x->c->el[i] >> 16 != name)
			continue;
		h.there = true;
		h.any |= v == VG_FIELDS_ANY;
		h.made |= v == VG_FIELDS_MADE;
		if (v < VG_FIELDS_VALUES) {
			h.told = true;
			h.values.bit[v / 64] |= UINT64_C(1) << v % 64;
		}
	}
	return h;
}

/* Of an item of values, when the class has some that it does not tell. */
static struct may
untold_may(const struct class_at *x, uint32_t i, const struct vg_item *it, const struct had *h)
{
	const struct asked *a = &x->group->asked[i];
	struct may m = { true, true };
	struct set listed = { { 0 } }, all = h->values;
	bool known = add_listed(x, a->name, &listed);

	if (a->refers)
		return m;
	for (int k = 0; k < WORDS; k++)
		all.bit[k] |= listed.bit[k];
	if (known && !values_match(it, a, &all))
		m.be = false;
	else if (!h->made && (!(it->flags & VG_ITEM_ALL) || !h->told) && !values_match(it, a, &h->values))
		m.be = text_may(x, i, it, a, known ? &listed : NULL);
	return m;
}

static struct may
item_may(const struct class_at *x, uint32_t i)
{
	const struct vg_item *it = &x->s->p->item[x->s->item[i]];
	const struct asked *a = &x->group->asked[i];
	struct had h;

	if (it->kind == VG_ITEM_KEYWORDS)
		return (struct may){ true, true };
	h = had_of(x, a->name);
	if (it->kind == VG_ITEM_EXISTS)
		return surely(h.there);
	if (it->kind == VG_ITEM_NULL)
		return surely(!h.told && !h.any && !h.made);
	if (h.any || h.made)
		return untold_may(x, i, it, &h);
	if (h.told && a->refers)
		return (struct may){ true, true };
	return surely(h.told && values_match(it, a, &h.values));
}

static uint32_t
item_number(const struct vg_sieve *s, uint32_t item)
{
	uint32_t i = 0;

	while (i < s->nitem && s->item[i] != item)
		i++;
	return i;
}

static struct may
node_may(const struct class_at *x, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &x->s->p->node[at];
	struct may m, one;

	if (depth > DEPTH_MAX)
		return (struct may){ true, true };
	switch ((enum vg_op)n->op) {
	case VG_OP_FALSE:
	case VG_OP_REF:
		return surely(false);
	case VG_OP_TRUE:
		return surely(true);
	case VG_OP_ITEM:
		return item_may(x, item_number(x->s, n->first));
	case VG_OP_NOT:
		m = node_may(x, x->s->p->child[n->first], depth + 1);
		return (struct may){ m.not_be, m.be };
	case VG_OP_AND:
	case VG_OP_OR:
		m = surely(n->op == VG_OP_AND);
		for (uint32_t i = 0; i < n->n; i++) {
			one = node_may(x, x->s->p->child[n->first + i], depth + 1);
			m.be = n->op == VG_OP_AND ? m.be && one.be : m.be || one.be;
			m.not_be = n->op == VG_OP_AND ? m.not_be || one.not_be : m.not_be && one.not_be;
		}
		return m;
	}
	return (struct may){ true, true };
}

/* ---- one group ---- */

static bool
is_reference(uint8_t test)
{
	return test == VG_TEST_FIELD_EQ || test == VG_TEST_FIELD_PREFIX || test == VG_TEST_FIELD_SUFFIX || test == VG_TEST_FIELD_CONTAINS;
}

/* Which values of the name each of the item's values matches. */
static vg_rc
ask_values(struct vg_sieve *s, const struct vg_fields_key *k, const struct vg_item *it, struct asked *a)
{
	struct vg_view view = { .p = s->p, .re = s->re };
	char folded[VG_FOLD_MAX(VG_FIELDS_VALUE_MAX)];

	for (uint32_t v = 0; v < k->nvalue; v++) {
		vg_str text = k->value[v], low = vg_str_mem(folded, vg_fold(text, folded));

		for (uint32_t i = 0; i < it->nvalue; i++)
			if (vg_match_value(&view, it->value + i, text, low))
				a->hit[i].bit[v / 64] |= UINT64_C(1) << v % 64;
	}
	return VG_OK;
}

static vg_rc
ask_item(struct vg_sieve *s, const struct vg_fields_group *g, uint32_t item, struct asked *a)
{
	const struct vg_item *it = &s->p->item[item];
	vg_str name;

	a->name = UINT32_MAX;
	if (it->kind == VG_ITEM_KEYWORDS)
		return VG_OK;
	name = vg_program_str(s->p, s->p->key[it->key]);
	for (uint32_t i = 0; i < g->nname && a->name == UINT32_MAX; i++)
		if (vg_str_eq(g->name[i].name, name))
			a->name = i;
	if (it->kind != VG_ITEM_VALUES)
		return VG_OK;
	for (uint32_t i = 0; i < it->nvalue; i++)
		a->refers |= is_reference(s->p->value[it->value + i].test);
	if ((a->hit = vg_arena_array(&s->arena, struct set, it->nvalue + 1)) == NULL)
		return VG_E_NOMEM;
	return a->name == UINT32_MAX || a->refers ? VG_OK : ask_values(s, &g->name[a->name], it, a);
}

static vg_rc
make_ready(struct vg_sieve *s, uint32_t at)
{
	struct group *group = &s->group[at];
	struct vg_fields_group *g = &s->f->group[at];
	vg_rc rc = vg_fields_need(s->f, at);

	if (rc != VG_OK)
		return rc;
	group->asked = vg_arena_array(&s->arena, struct asked, s->nitem + 1);
	group->upper = vg_arena_array(&s->arena, uint8_t, g->nclass);
	if (group->asked == NULL || group->upper == NULL)
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < s->nitem; i++)
		if ((rc = ask_item(s, g, s->item[i], &group->asked[i])) != VG_OK)
			return rc;
	for (uint32_t i = 0; i < g->nclass; i++) {
		struct class_at x = { s, g, group, &g->class[i], NULL, NULL };

		group->upper[i] = i == VG_FIELDS_UNKNOWN || node_may(&x, s->p->rule[s->rule].root, 0).be ? MATCHES_PERHAPS : MATCHES_NOT;
		group->any |= group->upper[i] == MATCHES_PERHAPS && i != VG_FIELDS_UNKNOWN;
	}
	group->ready = true;
	return VG_OK;
}

/* ---- segments and blocks ---- */

static void
close_segment(struct vg_sieve *s)
{
	if (s->f)
		s->read_bytes += s->f->read_bytes;
	vg_fields_close(s->f);
	s->f = NULL;
	free(s->group);
	free(s->place);
	s->group = NULL;
	s->place = NULL;
	s->nplace = 0;
	s->active = false;
	vg_arena_reset(&s->arena);
}

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

vg_rc
vg_sieve_segment(struct vg_sieve *s, int fd)
{
	size_t n = 0;
	vg_rc rc;

	close_segment(s);
	if (fd < 1)
		return VG_OK;
	if ((rc = vg_fields_open(fd, s->key, s->key_ctx, &s->f)) != VG_OK)
		return rc;
	s->bad += s->f->damaged;
	for (size_t i = 0; i < s->f->ngroup; i++)
		n += s->f->group[i].nblock;
	s->group = calloc(s->f->ngroup + 1, sizeof(*s->group));
	s->place = calloc(n + 1, sizeof(*s->place));
	if (s->group == NULL || s->place == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < s->f->ngroup; i++) {
		s->group[i].dead = memcmp(s->f->group[i].stamp, s->stamp, VG_FIELDS_STAMP) != 0;
		s->old += s->group[i].dead;
		for (uint32_t k = 0; !s->group[i].dead && k < s->f->group[i].nblock; k++)
			s->place[s->nplace++] = (struct place){ s->f->group[i].row[k].at, (uint32_t)i, k };
	}
	if (s->nplace)
		qsort(s->place, s->nplace, sizeof(*s->place), by_place);
	return VG_OK;
}

/* May a record of the class match, in the block at hand? */
static bool
class_may(const struct vg_sieve *s, uint32_t class, const struct vg_sieve_text *text)
{
	const struct vg_fields_group *g = &s->f->group[s->at_group];
	struct class_at x = { s, g, &s->group[s->at_group], &g->class[class], s->block.bitmaps, text };

	return class == VG_FIELDS_UNKNOWN || node_may(&x, s->p->rule[s->rule].root, 0).be;
}

static enum verdict
class_verdict(struct vg_sieve *s, uint32_t class, const struct vg_sieve_text *text)
{
	if (s->verdict[class] == UNASKED) {
		s->verdict[class] = s->group[s->at_group].upper[class];
		if (s->verdict[class] == MATCHES_PERHAPS && !class_may(s, class, text))
			s->verdict[class] = MATCHES_NOT;
	}
	return (enum verdict)s->verdict[class];
}

/* Its part, and does any record's class match? */
static vg_rc
ask_block(struct vg_sieve *s, uint32_t block, const struct vg_sieve_text *text, bool *skip)
{
	vg_rc rc = vg_fields_read(s->f, s->at_group, block, &s->block);

	if (rc != VG_OK)
		return rc;
	memset(s->verdict, UNASKED, s->f->group[s->at_group].nclass);
	*skip = true;
	for (uint32_t i = 0; i < s->block.records; i++)
		if (class_verdict(s, vg_fields_class_of(&s->block, i), text) == MATCHES_PERHAPS)
			*skip = false;
	s->active = true;
	return VG_OK;
}

vg_rc
vg_sieve_block(struct vg_sieve *s, uint64_t at, uint64_t stored, uint64_t first_seq, uint64_t last_seq, const struct vg_sieve_text *text,
	       bool *skip)
{
	const struct place *p = s->nplace ? bsearch(&(struct place){ .at = at }, s->place, s->nplace, sizeof(*s->place), by_place) : NULL;
	const struct vg_fields_row *r = p ? &s->f->group[p->group].row[p->block] : NULL;
	vg_rc rc = VG_OK;

	*skip = s->active = false;
	if (r == NULL || s->group[p->group].dead || r->stored != stored || r->first_seq != first_seq || r->last_seq != last_seq)
		return VG_OK;
	s->at_group = p->group;
	if (!s->group[p->group].ready)
		rc = make_ready(s, p->group);
	if (rc == VG_E_FORMAT)
		s->group[p->group].dead = true;
	if (rc == VG_OK && !s->group[p->group].any && r->unknown == 0)
		*skip = true;
	else if (rc == VG_OK)
		rc = ask_block(s, p->block, text, skip);
	if (rc != VG_E_FORMAT)
		return rc;
	s->bad++; /* it is damaged: the block is searched without it */
	*skip = s->active = false;
	return VG_OK;
}

uint32_t
vg_sieve_unmark(struct vg_sieve *s, uint8_t *mark, uint32_t n)
{
	uint32_t left = 0;

	s->active = s->active && n == s->block.records;
	for (uint32_t i = 0; i < n; i++) {
		if (s->active && s->verdict[vg_fields_class_of(&s->block, i)] == MATCHES_NOT)
			mark[i] = 0;
		left += mark[i] != 0;
	}
	return left;
}

bool
vg_sieve_record(const struct vg_sieve *s, uint32_t i, const struct vg_sieve_text *text)
{
	return !s->active || i >= s->block.records || class_may(s, vg_fields_class_of(&s->block, i), text);
}

uint32_t
vg_sieve_items(const struct vg_sieve *s)
{
	return s->nitem;
}

void
vg_sieve_stats(const struct vg_sieve *s, uint64_t *bad, uint64_t *old, uint64_t *read_bytes)
{
	*bad = s->bad;
	*old = s->old;
	*read_bytes = s->read_bytes + (s->f ? s->f->read_bytes : 0);
}

/* ---- the begin and the end ---- */

/* The items below a node, each once; are fields asked for? */
static bool
gather(const struct vg_program *p, uint32_t at, unsigned depth, struct vg_buf *out)
{
	const struct vg_node *n = &p->node[at];
	bool any = false, known = false;

	if (depth > DEPTH_MAX)
		return false;
	if (n->op == VG_OP_ITEM) {
		for (size_t i = 0; i < out->n && !known; i += sizeof(n->first))
			known = memcmp(out->p + i, &n->first, sizeof(n->first)) == 0;
		if (!known)
			vg_buf_mem(out, &n->first, sizeof(n->first));
		return p->item[n->first].kind != VG_ITEM_KEYWORDS;
	}
	if (n->op == VG_OP_AND || n->op == VG_OP_OR || n->op == VG_OP_NOT)
		for (uint32_t i = 0; i < (n->op == VG_OP_NOT ? 1 : n->n); i++)
			any |= gather(p, p->child[n->first + i], depth + 1, out);
	return any;
}

static vg_rc
make_needs(struct vg_sieve *s)
{
	vg_rc rc = VG_OK;

	if ((s->need = vg_arena_array(&s->need_arena, struct vg_need *, s->nitem + 1)) == NULL)
		return VG_E_NOMEM;
	for (uint32_t i = 0; i < s->nitem && rc == VG_OK; i++)
		rc = vg_need_of_item(s->p, s->item[i], &s->need_arena, &s->need[i]);
	return rc;
}

vg_rc
vg_sieve_new(const struct vg_program *p, uint32_t rule, struct vg_regexes *re, const uint8_t stamp[VG_FIELDS_STAMP], vg_block_key_fn *key, void *key_ctx,
	     struct vg_sieve **out)
{
	struct vg_buf items = { 0 };
	bool asks = gather(p, p->rule[rule].root, 0, &items);
	struct vg_sieve *s = NULL;
	vg_rc rc = items.rc;

	*out = NULL;
	if (rc == VG_OK && asks)
		rc = (s = calloc(1, sizeof(*s))) ? VG_OK : VG_E_NOMEM;
	if (s == NULL) {
		vg_buf_fini(&items);
		return rc;
	}
	s->p = p;
	s->rule = rule;
	s->re = re;
	memcpy(s->stamp, stamp, sizeof(s->stamp));
	s->key = key;
	s->key_ctx = key_ctx;
	s->item = (uint32_t *)(void *)items.p;
	s->nitem = (uint32_t)(items.n / sizeof(uint32_t));
	vg_arena_init(&s->arena, ARENA_BYTES);
	vg_arena_init(&s->need_arena, ARENA_BYTES);
	if ((rc = make_needs(s)) == VG_OK)
		*out = s;
	else
		vg_sieve_free(s);
	return rc;
}

void
vg_sieve_free(struct vg_sieve *s)
{
	if (s == NULL)
		return;
	close_segment(s);
	vg_arena_fini(&s->arena);
	vg_arena_fini(&s->need_arena);
	free(s->item);
	free(s);
}
