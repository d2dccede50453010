/* detect/detect.c - an event against all rules of its log sources, by way of the index. */
#include "detect/detect.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/map.h"
#include "base/utf.h"
#include "detect/index.h"

#define SOURCES_MAX 4096 /* log sources of packs are a table; over it all are learnt anew */
#define CODE_MAX 48      /* bytes of a code that is looked up */
#define CACHE_VALUE_MAX 200 /* bytes of a value that is remembered */
#define CACHE_RULES_MAX 24  /* atoms that it may have met */
#define SCRATCH_BYTES ((size_t)256 << 20)
#define DEPTH_MAX 200

/* Events of the same log sources and code: the same rules apply to all of them. */
struct class {
	uint64_t *rule;  /* a bit a rule that applies, and that this code does not rule out; owned */
	uint32_t *always; /* rules without a literal; owned */
	uint32_t nalways;
	uint8_t *key;    /* a bit a key that some atom of those rules reads; owned */
	bool any;        /* some rule looks in all values */
	bool empty;
};

/* What an event's code can be, beside the codes that rules name: those are numbered from CODE_NAMED on. */
enum { CODE_UNSURE, /* none, several, too long: nothing is known */ CODE_OTHER, /* one that no rule names */ CODE_NAMED };

/* Events of the same log sources. */
struct source {
	uint32_t *rule; /* that apply, ascending; owned */
	uint32_t nrule;
	struct class **class; /* one a code, NULL until one is met; owned */
};

/* A value seen before, and the atoms it met. */
struct cached { /* what most lookups read stands in its first cache line */
	uint64_t hash;
	uint32_t key;
	uint16_t n, nrule;
	char text[CACHE_VALUE_MAX];
	uint32_t atom[CACHE_RULES_MAX];
} __attribute__((aligned(64)));

struct asked { /* a value that is to be looked up */
	uint64_t hash;
	uint32_t key, field;
	const struct vg_key_use *use;
	struct cached *c; /* NULL: not remembered */
};
#define ASKED_MAX 32 /* looked up together, so that memory is asked for all of them at one time */

struct vg_detector {
	const struct vg_program *p;
	const struct vg_index *x;
	struct vg_detector_options o;
	struct vg_detector_stats stats;
	struct vg_multi_scratch *multi[VG_FAMILIES];
	struct vg_regexes *re; /* owned */
	struct vg_arena scratch;
	uint32_t *first; /* for views */
	uint32_t *group;      /* one a rule: those of one group ask for the same log source; owned */
	uint32_t *group_rule; /* one a group: a rule of it; owned */
	uint32_t ngroup;
	struct vg_map codes;   /* folded code that some rule names -> CODE_NAMED and up */
	uint32_t ncode;
	struct vg_map sources; /* log sources -> place in source */
	struct source *source; /* owned */
	uint32_t nsource;
	const struct vg_logsource *last_ls; /* of the event before, and its source */
	uint32_t last_nls, last_source;
	struct cached *cache; /* owned */
	uint64_t cache_mask;

	/* of the event at hand */
	struct vg_view view;
	uint64_t *marked; /* a bit a rule */
	uint64_t *applied; /* a bit a rule that applied to some event; owned */
	uint32_t *found;  /* rules marked, in any order */
	uint32_t nfound;
	const struct class *now;
	uint32_t key;     /* whose value is scanned */
	uint32_t met[CACHE_RULES_MAX];
	uint32_t nmet;
};

/* Number the log sources that rules ask for, and the codes that they name. */
static bool
learn_rules(struct vg_detector *d)
{
	const struct vg_program *p = d->p;
	struct vg_map groups;
	bool ok = true;

	vg_map_init(&groups, (size_t)64 << 20);
	for (uint32_t r = 0; r < p->nrule && ok; r++) {
		const struct vg_slice key[3] = { p->rule[r].product, p->rule[r].category, p->rule[r].service };

		d->group[r] = vg_map_add(&groups, vg_str_mem(key, sizeof(key)), d->ngroup, NULL);
		ok = d->group[r] != VG_MAP_NONE;
		if (d->group[r] == d->ngroup)
			d->group_rule[d->ngroup++] = r;
	}
	vg_map_fini(&groups);
	d->ncode = CODE_NAMED;
	for (uint32_t i = 0; i < p->nitem && ok; i++) {
		const struct vg_item *it = &p->item[i];

		if (it->key != VG_K_EVENT_ID || it->kind != VG_ITEM_VALUES)
			continue;
		for (uint32_t j = 0; j < it->nvalue && ok; j++) {
			const struct vg_value *v = &p->value[it->value + j];
			uint32_t id;

			if (v->test != VG_TEST_EQ || v->flags & VG_VALUE_CASED)
				continue;
			id = vg_map_add(&d->codes, vg_program_str(p, v->text), d->ncode, NULL);
			ok = id != VG_MAP_NONE;
			d->ncode += id == d->ncode;
		}
	}
	return ok;
}

struct vg_detector *
vg_detector_new(const struct vg_program *p, const struct vg_index *x, const struct vg_detector_options *o)
{
	struct vg_detector *d = calloc(1, sizeof(*d));
	size_t n = 1;

	if (d == NULL)
		return NULL;
	d->p = p;
	d->x = x;
	d->o = *o;
	vg_arena_init(&d->scratch, SCRATCH_BYTES);
	vg_map_init(&d->codes, (size_t)64 << 20);
	vg_map_init(&d->sources, (size_t)1 << 20);
	d->re = vg_regexes_new(p);
	d->first = calloc(p->nkey + 1, sizeof(*d->first));
	d->group = calloc(p->nrule + 1, sizeof(*d->group));
	d->group_rule = calloc(p->nrule + 1, sizeof(*d->group_rule));
	d->source = calloc(SOURCES_MAX, sizeof(*d->source));
	d->marked = calloc(p->nrule / 64 + 1, sizeof(*d->marked));
	d->found = calloc(p->nrule + 1, sizeof(*d->found));
	d->applied = calloc(p->nrule / 64 + 1, sizeof(*d->applied));
	for (int f = 0; f < VG_FAMILIES; f++)
		if (x->multi[f] && (d->multi[f] = vg_multi_scratch_new(x->multi[f])) == NULL)
			goto fail;
	if (o->cache_bytes) {
		while (2 * n * sizeof(struct cached) <= o->cache_bytes)
			n *= 2;
		d->cache = mmap(NULL, n * sizeof(*d->cache), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		d->cache = d->cache == MAP_FAILED ? NULL : d->cache; /* of whole cache lines, as calloc would not give it */
		if (d->cache)
			(void)madvise(d->cache, n * sizeof(*d->cache), MADV_HUGEPAGE); /* looked up all over: fewer faults, fewer misses */
		d->cache_mask = n - 1;
	}
	if (d->re && d->first && d->group && d->group_rule && d->source && d->marked && d->found && d->applied && (d->cache || !o->cache_bytes) &&
	    learn_rules(d))
		return d;
fail:
	vg_detector_free(d);
	return NULL;
}

static void
free_class(struct class *c)
{
	if (c == NULL)
		return;
	free(c->rule);
	free(c->always);
	free(c->key);
	free(c);
}

static void
forget_sources(struct vg_detector *d)
{
	for (uint32_t i = 0; i < d->nsource; i++) {
		for (uint32_t k = 0; d->source[i].class && k < d->ncode; k++)
			free_class(d->source[i].class[k]);
		free(d->source[i].class);
		free(d->source[i].rule);
	}
	d->nsource = 0;
	d->last_ls = NULL;
	vg_map_fini(&d->sources);
	vg_map_init(&d->sources, (size_t)1 << 20);
}

void
vg_detector_free(struct vg_detector *d)
{
	if (d == NULL)
		return;
	if (d->source)
		forget_sources(d);
	vg_map_fini(&d->sources);
	vg_map_fini(&d->codes);
	for (int f = 0; f < VG_FAMILIES; f++)
		vg_multi_scratch_free(d->multi[f]);
	vg_regexes_free(d->re);
	vg_arena_fini(&d->scratch);
	free(d->first);
	free(d->group);
	free(d->group_rule);
	free(d->source);
	free(d->marked);
	free(d->found);
	free(d->applied);
	if (d->cache)
		(void)munmap(d->cache, (d->cache_mask + 1) * sizeof(*d->cache));
	free(d);
}

void
vg_detector_stats(const struct vg_detector *d, struct vg_detector_stats *out)
{
	*out = d->stats;
}

void
vg_detector_applicable(const struct vg_detector *d, uint64_t *bits)
{
	for (uint32_t i = 0; i < d->p->nrule / 64 + 1; i++)
		bits[i] |= d->applied[i];
}

/* ---- classes ---- */

enum truth { NO, MAYBE, YES };

/* What is known of a condition when only the event's code is: @code, one that some rule names, or NULL: one that none does. */
static enum truth
with_code(const struct vg_program *p, uint32_t at, const vg_str *code, unsigned depth)
{
	const struct vg_node *n = &p->node[at];
	enum truth t;

	if (depth > DEPTH_MAX)
		return MAYBE;
	switch ((enum vg_op)n->op) {
	case VG_OP_FALSE:
		return NO;
	case VG_OP_TRUE:
		return YES;
	case VG_OP_REF:
		return MAYBE;
	case VG_OP_NOT:
		return (enum truth)(YES - with_code(p, p->child[n->first], code, depth + 1));
	case VG_OP_AND:
	case VG_OP_OR:
		t = n->op == VG_OP_AND ? YES : NO;
		for (uint32_t i = 0; i < n->n; i++) {
			enum truth one = with_code(p, p->child[n->first + i], code, depth + 1);

			if (n->op == VG_OP_AND ? one < t : one > t)
				t = one;
		}
		return t;
	case VG_OP_ITEM: {
		const struct vg_item *it = &p->item[n->first];

		if (it->key != VG_K_EVENT_ID || it->kind != VG_ITEM_VALUES || it->flags & VG_ITEM_ALL)
			return MAYBE;
		for (uint32_t i = 0; i < it->nvalue; i++) {
			const struct vg_value *v = &p->value[it->value + i];

			if (v->test != VG_TEST_EQ || v->flags & VG_VALUE_CASED)
				return MAYBE;
			if (code && vg_str_eq(vg_program_str(p, v->text), *code))
				return YES;
		}
		return NO;
	}
	}
	return MAYBE;
}

static struct class *
new_class(struct vg_detector *d, const struct source *src, uint32_t id, vg_str code)
{
	const struct vg_program *p = d->p;
	const struct vg_index *x = d->x;
	struct class *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->rule = calloc(p->nrule / 64 + 1, sizeof(*c->rule));
	c->always = calloc(src->nrule + 1, sizeof(*c->always));
	c->key = calloc(p->nkey / 8 + 1, 1);
	if (!c->rule || !c->always || !c->key) {
		free_class(c);
		return NULL;
	}
	c->empty = true;
	for (uint32_t i = 0; i < src->nrule; i++) {
		uint32_t r = src->rule[i];

		if (id != CODE_UNSURE && with_code(p, p->rule[r].root, id == CODE_OTHER ? NULL : &code, 0) == NO)
			continue;
		c->rule[r / 64] |= UINT64_C(1) << (r % 64);
		d->applied[r / 64] |= UINT64_C(1) << (r % 64);
		c->empty = false;
		if (x->rule_atom[r] == x->rule_atom[r + 1])
			c->always[c->nalways++] = r;
		for (uint32_t k = x->rule_atom[r]; k < x->rule_atom[r + 1]; k++) {
			uint32_t key = x->atom[k].key;

			if (key == VG_KEY_ANY)
				c->any = true;
			else
				c->key[key / 8] |= (uint8_t)(1u << (key % 8));
		}
	}
	return c;
}

static bool
fill_source(struct vg_detector *d, struct source *src, const struct vg_event *e)
{
	const struct vg_program *p = d->p;
	uint8_t *takes = calloc(d->ngroup + 1, 1);

	*src = (struct source){ .rule = calloc(p->nrule + 1, sizeof(*src->rule)), .class = calloc(d->ncode, sizeof(struct class *)) };
	if (!takes || !src->rule || !src->class) {
		free(takes);
		free(src->rule);
		free(src->class);
		return false;
	}
	for (uint32_t g = 0; g < d->ngroup; g++)
		takes[g] = vg_rule_applies(p, d->group_rule[g], e);
	for (uint32_t r = 0; r < p->nrule; r++)
		if (takes[d->group[r]] && p->rule[r].kind == VG_RULE_BASE)
			src->rule[src->nrule++] = r;
	free(takes);
	return true;
}

static struct source *
source_of(struct vg_detector *d, const struct vg_event *e)
{
	char key[sizeof(e->ls) + sizeof(e->nls)];
	uint32_t at;

	if (d->last_ls == e->ls && d->last_nls == e->nls && d->nsource)
		return &d->source[d->last_source];
	memcpy(key, &e->ls, sizeof(e->ls));
	memcpy(key + sizeof(e->ls), &e->nls, sizeof(e->nls));
	at = vg_map_find(&d->sources, vg_str_mem(key, sizeof(key)));
	if (at == VG_MAP_NONE) {
		if (d->nsource == SOURCES_MAX)
			forget_sources(d);
		at = d->nsource;
		if (!fill_source(d, &d->source[at], e))
			return NULL;
		d->nsource++;
		if (vg_map_add(&d->sources, vg_str_mem(key, sizeof(key)), at, NULL) == VG_MAP_NONE)
			return NULL;
	}
	d->last_ls = e->ls;
	d->last_nls = e->nls;
	d->last_source = at;
	return &d->source[at];
}

static const struct class *
class_of(struct vg_detector *d, const struct vg_event *e)
{
	struct source *src = source_of(d, e);
	uint32_t f = d->first[VG_K_EVENT_ID], id = CODE_UNSURE;
	char room[VG_FOLD_MAX(CODE_MAX)];
	vg_str code = VG_NIL;

	if (src == NULL)
		return NULL;
	/* the code is the EventID field, where it stands exactly once */
	if (f && d->view.next[f - 1] == 0 && e->field[f - 1].value.n <= CODE_MAX && e->field[f - 1].kind != VG_KIND_NULL) {
		code = vg_str_mem(room, vg_fold(e->field[f - 1].value, room));
		id = vg_map_find(&d->codes, code);
		if (id == VG_MAP_NONE)
			id = CODE_OTHER;
	}
	if (src->class[id] == NULL)
		src->class[id] = new_class(d, src, id, code);
	return src->class[id];
}

/* ---- atoms ---- */

static void
meet(struct vg_detector *d, uint32_t atom)
{
	uint32_t r = d->x->atom[atom].rule;

	if (d->nmet < CACHE_RULES_MAX)
		d->met[d->nmet] = atom;
	d->nmet++;
	if ((d->now->rule[r / 64] >> (r % 64) & 1) && !(d->marked[r / 64] >> (r % 64) & 1)) {
		d->marked[r / 64] |= UINT64_C(1) << (r % 64);
		d->found[d->nfound++] = r;
	}
}

static void
look_up(struct vg_detector *d, uint32_t key, enum vg_shape shape, vg_str window, vg_str whole)
{
	const struct vg_index *x = d->x;
	uint64_t h = vg_atom_hash(key, shape, window.p, window.n) & x->table.mask;

	for (uint32_t i = x->table.head[h]; i; i = x->table.next[i - 1]) {
		const struct vg_atom *a = &x->atom[i - 1];
		vg_str t = vg_atom_text(x, a);

		if (a->key == key && a->shape == (uint8_t)shape &&
		    (shape == VG_SHAPE_EXACT ? vg_str_eq(whole, t) :
		     shape == VG_SHAPE_PREFIX ? vg_str_starts(whole, t) : vg_str_ends(whole, t)))
			meet(d, i - 1);
	}
}

static bool
on_literal(void *ctx, uint32_t id)
{
	struct vg_detector *d = ctx;
	const struct vg_index *x = d->x;

	if (id < x->nliteral)
		for (uint32_t i = x->literal_first[id]; i < x->literal_first[id + 1]; i++)
			if (x->atom[x->literal_atom[i]].key == d->key)
				meet(d, x->literal_atom[i]);
	return false;
}

static vg_rc
dispatch(struct vg_detector *d, uint32_t key, const struct vg_key_use *u, vg_str folded)
{
	enum vg_family f = key == VG_KEY_ANY ? VG_FAMILY_ANY : VG_FAMILY_KEYED;

	if (u->exact)
		look_up(d, key, VG_SHAPE_EXACT, folded, folded);
	for (unsigned w = 0; w < VG_WINDOWS && vg_windows[w] <= folded.n; w++) {
		if (u->prefix >> w & 1)
			look_up(d, key, VG_SHAPE_PREFIX, vg_str_cut(folded, vg_windows[w]), folded);
		if (u->suffix >> w & 1)
			look_up(d, key, VG_SHAPE_SUFFIX, vg_str_skip(folded, folded.n - vg_windows[w]), folded);
	}
	if (!u->literal || folded.n < 3)
		return VG_OK;
	d->key = key;
	return vg_multi_scan(d->x->multi[f], d->multi[f], folded, on_literal, d);
}

static struct asked
ask(struct vg_detector *d, uint32_t key, const struct vg_key_use *u, uint32_t field)
{
	vg_str v = d->view.e->field[field].value;
	struct asked a = { .key = key, .field = field, .use = u };

	if (d->cache && v.n <= CACHE_VALUE_MAX) {
		a.hash = vg_hash64(v, key);
		a.c = &d->cache[a.hash & d->cache_mask];
		__builtin_prefetch(a.c);
		if (v.n > 64 - offsetof(struct cached, text))
			__builtin_prefetch((const char *)a.c + 64);
	}
	return a;
}

/* One value: what it met before, or what it meets now. */
static vg_rc
take_value(struct vg_detector *d, const struct asked *a)
{
	vg_str v = d->view.e->field[a->field].value;
	struct cached *c = a->c;
	vg_rc rc;

	if (c) {
		d->stats.cache_asked++;
		if (c->hash == a->hash && c->key == a->key + 1 && c->n == v.n && memcmp(c->text, v.p ? v.p : "", v.n) == 0) {
			d->stats.cache_hit++;
			for (uint32_t i = 0; i < c->nrule; i++)
				meet(d, c->atom[i]);
			return VG_OK;
		}
	}
	d->nmet = 0;
	if ((rc = dispatch(d, a->key, a->use, vg_view_folded(&d->view, a->field))) != VG_OK)
		return rc;
	if (c && d->nmet <= CACHE_RULES_MAX) {
		c->hash = a->hash;
		c->key = a->key + 1; /* 0: never used */
		c->n = (uint16_t)v.n;
		c->nrule = (uint16_t)d->nmet;
		if (v.n)
			memcpy(c->text, v.p, v.n);
		memcpy(c->atom, d->met, d->nmet * sizeof(*c->atom));
	}
	return VG_OK;
}

static vg_rc
take_values(struct vg_detector *d, const struct asked *a, size_t n)
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < n && rc == VG_OK; i++)
		rc = take_value(d, &a[i]);
	return rc;
}

static vg_rc
find_rules(struct vg_detector *d, const struct vg_event *e)
{
	const struct class *c = d->now;
	struct asked a[ASKED_MAX];
	size_t n = 0;
	vg_rc rc;

	for (uint32_t i = 0; i < c->nalways; i++) {
		d->marked[c->always[i] / 64] |= UINT64_C(1) << (c->always[i] % 64);
		d->found[d->nfound++] = c->always[i];
	}
	for (uint32_t i = 0; i < e->nfield; i++) {
		uint32_t key = e->field[i].key;

		if (n + 2 > ASKED_MAX) {
			if ((rc = take_values(d, a, n)) != VG_OK)
				return rc;
			n = 0;
		}
		if (key < d->p->nkey && (c->key[key / 8] >> (key % 8) & 1))
			a[n++] = ask(d, key, &d->x->use[key], i);
		if (c->any && !(e->field[i].flags & VG_FIELD_ADDED) && e->field[i].value.n >= 3)
			a[n++] = ask(d, VG_KEY_ANY, &d->x->any, i);
	}
	if ((rc = take_values(d, a, n)) != VG_OK)
		return rc;
	if (c->any && vg_view_raw(&d->view, false).n) {
		d->nmet = 0;
		return dispatch(d, VG_KEY_ANY, &d->x->any, vg_view_raw(&d->view, true));
	}
	return VG_OK;
}

/* ---- conditions ---- */

static bool
node_true(struct vg_view *v, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &v->p->node[at];
	uint32_t value, field;

	if (depth > DEPTH_MAX)
		return false;
	switch ((enum vg_op)n->op) {
	case VG_OP_ITEM:
		return vg_match_item(v, n->first, &value, &field);
	case VG_OP_AND:
		for (uint32_t i = 0; i < n->n; i++)
			if (!node_true(v, v->p->child[n->first + i], depth + 1))
				return false;
		return true;
	case VG_OP_OR:
		for (uint32_t i = 0; i < n->n; i++)
			if (node_true(v, v->p->child[n->first + i], depth + 1))
				return true;
		return false;
	case VG_OP_NOT:
		return !node_true(v, v->p->child[n->first], depth + 1);
	case VG_OP_TRUE:
		return true;
	case VG_OP_FALSE:
	case VG_OP_REF:
		break;
	}
	return false;
}

static int
rule_cmp(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

/* Ascending; most events have a few. */
static void
sort_rules(uint32_t *rule, uint32_t n)
{
	if (n > 32) {
		qsort(rule, n, sizeof(*rule), rule_cmp);
		return;
	}
	for (uint32_t i = 1; i < n; i++) {
		uint32_t x = rule[i], j = i;

		for (; j && rule[j - 1] > x; j--)
			rule[j] = rule[j - 1];
		rule[j] = x;
	}
}

static void
every_rule(struct vg_detector *d)
{
	for (uint32_t r = 0; r < d->p->nrule; r++)
		if (d->now->rule[r / 64] >> (r % 64) & 1)
			d->found[d->nfound++] = r;
}

vg_rc
vg_detect(struct vg_detector *d, const struct vg_event *e, vg_hit_fn *hit, void *ctx)
{
	vg_rc rc;

	d->stats.events++;
	if (e->nls == 0)
		return VG_OK;
	vg_arena_reset(&d->scratch);
	if ((rc = vg_view_init(&d->view, d->re, e, &d->scratch, d->first)) != VG_OK)
		return rc;
	d->nfound = 0;
	if ((d->now = class_of(d, e)) == NULL) {
		rc = VG_E_NOMEM;
	} else if (!d->now->empty) {
		d->stats.routed++;
		if (d->o.exhaustive)
			every_rule(d);
		else
			rc = find_rules(d, e);
	}
	if (d->nfound > 1)
		sort_rules(d->found, d->nfound);
	for (uint32_t i = 0; i < d->nfound; i++) {
		uint32_t r = d->found[i];

		d->marked[r / 64] &= ~(UINT64_C(1) << (r % 64));
		d->stats.evaluated++;
		if (rc == VG_OK && node_true(&d->view, d->p->rule[r].root, 0)) {
			d->stats.hits++;
			rc = hit(ctx, e, r);
		}
	}
	vg_view_fini(&d->view);
	return rc;
}
