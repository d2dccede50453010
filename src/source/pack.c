#include "source/pack.h"

#include <stdlib.h>

#include "base/map.h"
#include "source/format.h"
#include "source/pack_ir.h"

#define ANY 0xff /* in a key of the index: stands before the number of a pack, for its events of other channels */

/* What a pack says of one kind of event: those of a channel and code, or of a channel, or all its others. */
struct class {
	const struct vg_pk_pack *pack;
	const struct vg_pk_kind **kind;
	uint16_t nkind, npick;
	uint8_t *pick; /* for each kind its place among the conditional log sources, from 1; 0: none */
	struct vg_logsource **list; /* 2^npick of them */
	uint32_t *nlist;
	struct class *next; /* of another pack, for the same channel and code; asked when this one is not it */
};

struct vg_packs {
	struct vg_arena a;
	struct vg_pk_pack *pack;
	size_t npack;
	struct vg_map index; /* channel in lower case, newline, code -> class */
	struct class **class;
	uint32_t nclass, cap;
	uint16_t *scan; /* packs recognised by fields, fallbacks last */
	size_t nscan;
	struct vg_logsource *all;
	size_t nall, allcap;
	size_t work;
	struct vg_keys *keys;
};

/* ---- loading ---- */

static uint32_t
key_of(struct vg_packs *p, vg_str name, vg_rc *rc)
{
	uint32_t key = vg_keys_add(p->keys, name);

	if (key == VG_KEY_NONE)
		*rc = VG_E_NOMEM;
	return key;
}

/* A name under which something is added: with its key, and with text that lives as long as the keys do. */
static uint32_t
name_of(struct vg_packs *p, vg_str *name, vg_rc *rc)
{
	uint32_t key = key_of(p, *name, rc);

	if (key != VG_KEY_NONE)
		*name = vg_keys_name(p->keys, key);
	return key;
}

static void
all_keys(struct vg_packs *p, struct vg_pk_all *all, vg_rc *rc)
{
	for (uint16_t i = 0; i < all->ncond; i++) {
		struct vg_pk_cond *c = &all->cond[i];
		bool must = !c->negate;

		if (c->what != VG_PK_FIELD)
			continue;
		c->key = key_of(p, c->name, rc);
		for (uint16_t j = 0; j < c->nvalue; j++)
			must = must && c->value[j].n;
		if (must)
			all->need |= UINT64_C(1) << (c->key & 63);
	}
}

static void
set_keys(struct vg_packs *p, struct vg_pk_set *set, size_t n, vg_rc *rc)
{
	for (size_t i = 0; i < n; i++)
		set[i].key = name_of(p, &set[i].name, rc);
}

static void
expr_keys(struct vg_packs *p, struct vg_pk_expr *x, vg_rc *rc)
{
	for (uint16_t i = 0; i < x->npart; i++)
		if (x->part[i].field)
			x->part[i].key = key_of(p, x->part[i].text, rc);
}

static void
pattern_keys(struct vg_packs *p, struct vg_pk_pattern *t, vg_rc *rc)
{
	for (uint16_t i = 0; i < t->nop; i++) {
		struct vg_pk_op *o = &t->op[i];

		if (o->op == VG_PK_LIT || o->text.n == 0 || o->op > VG_PK_REST)
			continue;
		o->name = o->text;
		if (o->type == VG_PK_HOST) {
			o->name = vg_str_join(&p->a, o->text, VG_STR(".ip"));
			o->name2 = vg_str_join(&p->a, o->text, VG_STR(".domain"));
			if (o->name.p == NULL || o->name2.p == NULL) {
				*rc = VG_E_NOMEM;
				return;
			}
			o->key2 = name_of(p, &o->name2, rc);
		}
		o->key = name_of(p, &o->name, rc);
	}
	set_keys(p, t->set, t->nset, rc);
}

static vg_rc
pack_keys(struct vg_packs *p, struct vg_pk_pack *k)
{
	vg_rc rc = VG_OK;

	for (uint16_t i = 0; i < k->nrecognise; i++)
		all_keys(p, &k->recognise[i], &rc);
	for (uint16_t i = 0; i < k->nstep; i++) {
		struct vg_pk_step *s = &k->step[i];

		s->key = key_of(p, s->field, &rc);
		all_keys(p, &s->when, &rc);
		for (uint16_t j = 0; j < s->npattern; j++)
			pattern_keys(p, &s->pattern[j], &rc);
	}
	for (uint16_t i = 0; i < k->ntime; i++)
		expr_keys(p, &k->time[i].from, &rc);
	for (uint16_t i = 0; i < k->nkind; i++) {
		struct vg_pk_kind *d = &k->kind[i];

		all_keys(p, &d->when, &rc);
		set_keys(p, d->set, d->nset, &rc);
		for (uint16_t j = 0; j < d->nname; j++) {
			d->name[j].key = name_of(p, &d->name[j].name, &rc);
			all_keys(p, &d->name[j].when, &rc);
			for (uint16_t f = 0; f < d->name[j].nfrom; f++)
				expr_keys(p, &d->name[j].from[f], &rc);
		}
	}
	return rc;
}

/* "channel\ncode", the channel in lower case; false when it is too long for any that we know. */
static bool
index_key(vg_str channel, vg_str code, char buf[2 * VG_PK_NAME_MAX + 2], vg_str *out)
{
	size_t n = 0;

	if (channel.n > VG_PK_NAME_MAX || code.n > VG_PK_NAME_MAX)
		return false;
	for (; n < channel.n; n++) {
		char c = channel.p[n];

		buf[n] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	buf[n++] = '\n';
	if (code.n)
		memcpy(buf + n, code.p, code.n);
	*out = (vg_str){ buf, n + code.n };
	return true;
}

static void
any_channel(size_t pack, char buf[4], vg_str *out)
{
	buf[0] = (char)ANY;
	buf[1] = (char)(1 + (pack & 31)); /* no letters, which index_key() would fold */
	buf[2] = (char)(1 + (pack >> 5));
	buf[3] = 1;
	*out = (vg_str){ buf, 4 };
}

static bool
has(const vg_str *list, size_t n, vg_str s)
{
	for (size_t i = 0; i < n; i++)
		if (vg_str_ieq(list[i], s))
			return true;
	return false;
}

static bool
same_source(const struct vg_logsource *a, const struct vg_logsource *b)
{
	return vg_str_eq(a->product, b->product) && vg_str_eq(a->category, b->category) &&
	       vg_str_eq(a->service, b->service);
}

static uint32_t
add_sources(struct vg_logsource *to, uint32_t n, const struct vg_pk_kind *k)
{
	for (uint16_t i = 0; i < k->ntuple; i++) {
		uint32_t j = 0;

		while (j < n && !same_source(&to[j], &k->tuple[i]))
			j++;
		if (j == n)
			to[n++] = k->tuple[i];
	}
	return n;
}

/* Every combination of log sources that events of this class can have, so that each is one pointer. */
static vg_rc
class_lists(struct vg_packs *p, struct class *c)
{
	size_t total = 0, lists = (size_t)1 << c->npick;

	for (uint16_t i = 0; i < c->nkind; i++)
		total += c->kind[i]->ntuple;
	if (total > 64)
		return VG_E_LIMIT;
	c->list = vg_arena_zalloc(&p->a, lists, sizeof(*c->list));
	c->nlist = vg_arena_array(&p->a, uint32_t, lists);
	if (c->list == NULL || c->nlist == NULL)
		return VG_E_NOMEM;
	for (size_t mask = 0; total && mask < lists; mask++) {
		if ((c->list[mask] = vg_arena_array(&p->a, struct vg_logsource, total)) == NULL)
			return VG_E_NOMEM;
		for (uint16_t i = 0; i < c->nkind; i++)
			if (c->pick[i] == 0 || (mask >> (c->pick[i] - 1) & 1))
				c->nlist[mask] = add_sources(c->list[mask], c->nlist[mask], c->kind[i]);
	}
	return VG_OK;
}

/* The class of @pack for @channel (NULL: none of those it names) and @code (empty: none of those it names). */
static vg_rc
class_make(struct vg_packs *p, const struct vg_pk_pack *pack, const vg_str *channel, vg_str code, struct class **out)
{
	struct class *c = vg_arena_new(&p->a, struct class);

	if (c == NULL)
		return VG_E_NOMEM;
	c->pack = pack;
	c->kind = vg_arena_zalloc(&p->a, pack->nkind, sizeof(*c->kind));
	c->pick = vg_arena_zalloc(&p->a, pack->nkind, 1);
	if (pack->nkind && (c->kind == NULL || c->pick == NULL))
		return VG_E_NOMEM;
	for (uint16_t i = 0; i < pack->nkind; i++) {
		const struct vg_pk_kind *k = &pack->kind[i];

		p->work += 1u + k->nchannel + k->ncode;
		if (k->nchannel && (channel == NULL || !has(k->channel, k->nchannel, *channel)))
			continue;
		if (k->ncode && !has(k->code, k->ncode, code))
			continue;
		if (k->when.ncond && k->ntuple) {
			if (c->npick == VG_PK_PICKS_MAX)
				return VG_E_LIMIT;
			c->pick[c->nkind] = (uint8_t)++c->npick;
		}
		c->kind[c->nkind++] = k;
	}
	if (p->work > VG_PK_WORK_MAX)
		return VG_E_LIMIT;
	*out = c;
	return class_lists(p, c);
}

static vg_rc
class_add(struct vg_packs *p, size_t pack, const vg_str *channel, vg_str code)
{
	char buf[2 * VG_PK_NAME_MAX + 2], any[4];
	vg_str key, name;
	struct class *c, *last;
	uint32_t at;
	vg_rc rc;

	if (channel)
		name = *channel;
	else
		any_channel(pack, any, &name);
	if (!index_key(name, code, buf, &key))
		return VG_E_LIMIT;
	at = vg_map_find(&p->index, key);
	last = at == VG_MAP_NONE ? NULL : p->class[at];
	for (; last; last = last->next) {
		p->work++;
		if (last->pack == &p->pack[pack])
			return VG_OK;
		if (last->next == NULL)
			break;
	}
	if ((rc = class_make(p, &p->pack[pack], channel, code, &c)) != VG_OK)
		return rc;
	if (last) {
		last->next = c;
		return VG_OK;
	}
	if (p->nclass == VG_PK_CLASSES_MAX)
		return VG_E_LIMIT;
	if (p->nclass == p->cap) {
		uint32_t cap = p->cap ? p->cap * 2 : 256;
		struct class **q = realloc(p->class, cap * sizeof(*q));

		if (q == NULL)
			return VG_E_NOMEM;
		p->class = q;
		p->cap = cap;
	}
	if (vg_map_add(&p->index, key, p->nclass, NULL) == VG_MAP_NONE)
		return VG_E_NOMEM;
	p->class[p->nclass++] = c;
	return VG_OK;
}

/* The classes of one channel: its own, and one for each code that is spoken of. */
static vg_rc
channel_add(struct vg_packs *p, size_t pack, const vg_str *channel)
{
	const struct vg_pk_pack *k = &p->pack[pack];
	vg_rc rc = class_add(p, pack, channel, VG_NIL);

	for (uint16_t i = 0; rc == VG_OK && i < k->nkind; i++) {
		const struct vg_pk_kind *d = &k->kind[i];

		p->work += 1u + d->nchannel;
		if (d->nchannel && (channel == NULL || !has(d->channel, d->nchannel, *channel)))
			continue;
		for (uint16_t j = 0; rc == VG_OK && j < d->ncode; j++)
			rc = class_add(p, pack, channel, d->code[j]);
		if (p->work > VG_PK_WORK_MAX)
			rc = VG_E_LIMIT;
	}
	return rc;
}

/* The condition on the channel that names it whole, by which the group is found; NULL: there is none. */
static const struct vg_pk_cond *
exact_channel(const struct vg_pk_all *all)
{
	for (uint16_t i = 0; i < all->ncond; i++) {
		const struct vg_pk_cond *c = &all->cond[i];
		bool exact = c->what == VG_PK_CHANNEL && !c->negate && c->nvalue;

		for (uint16_t j = 0; exact && j < c->nvalue; j++)
			exact = c->value[j].n && vg_str_chr(c->value[j], '*') == VG_NPOS;
		if (exact)
			return c;
	}
	return NULL;
}

static vg_rc
pack_index(struct vg_packs *p, size_t pack, bool *scanned)
{
	const struct vg_pk_pack *k = &p->pack[pack];
	vg_rc rc = VG_OK;

	*scanned = false;
	for (uint16_t i = 0; rc == VG_OK && i < k->nrecognise; i++) {
		const struct vg_pk_cond *c = exact_channel(&k->recognise[i]);

		if (c == NULL)
			*scanned = true;
		for (uint16_t j = 0; c && rc == VG_OK && j < c->nvalue; j++)
			rc = channel_add(p, pack, &c->value[j]);
	}
	for (uint16_t i = 0; rc == VG_OK && i < k->nkind; i++)
		for (uint16_t j = 0; rc == VG_OK && j < k->kind[i].nchannel; j++)
			rc = channel_add(p, pack, &k->kind[i].channel[j]);
	if (rc == VG_OK && *scanned)
		rc = channel_add(p, pack, NULL);
	return rc;
}

static vg_rc
collect_sources(struct vg_packs *p)
{
	for (size_t i = 0; i < p->npack; i++)
		for (uint16_t j = 0; j < p->pack[i].nkind; j++)
			p->allcap += p->pack[i].kind[j].ntuple;
	if (p->allcap && (p->all = vg_arena_array(&p->a, struct vg_logsource, p->allcap)) == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < p->npack; i++)
		for (uint16_t j = 0; j < p->pack[i].nkind; j++) {
			const struct vg_pk_kind *k = &p->pack[i].kind[j];

			if ((p->work += (size_t)k->ntuple * (1 + p->nall)) > VG_PK_WORK_MAX)
				return VG_E_LIMIT;
			p->nall = add_sources(p->all, (uint32_t)p->nall, k);
		}
	return VG_OK;
}

static vg_rc
packs_build(struct vg_packs *p, vg_str blob)
{
	struct vg_cur in = vg_cur_of(blob.p, blob.n);
	bool *scanned;
	size_t n;
	vg_rc rc;

	if (vg_cur_le32(&in) != VG_PK_MAGIC || vg_cur_le32(&in) != VG_PK_VERSION)
		return in.rc == VG_OK ? VG_E_FORMAT : in.rc;
	n = vg_cur_le32(&in);
	if (in.rc != VG_OK)
		return in.rc;
	if (n > VG_PK_PACKS_MAX)
		return VG_E_FORMAT;
	if (n == 0)
		return vg_cur_left(&in) ? VG_E_FORMAT : VG_OK;
	p->pack = vg_arena_array(&p->a, struct vg_pk_pack, n);
	p->scan = vg_arena_array(&p->a, uint16_t, n);
	scanned = vg_arena_array(&p->a, bool, n);
	if (p->pack == NULL || p->scan == NULL || scanned == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if ((rc = vg_pk_decode(&in, &p->a, &p->pack[i])) != VG_OK)
			return rc;
		p->npack++;
		p->pack[i].name = vg_str_dup(&p->a, p->pack[i].name); /* with a NUL: e->pack is a C string */
		if (p->pack[i].name.p == NULL)
			return VG_E_NOMEM;
		if ((rc = pack_keys(p, &p->pack[i])) != VG_OK || (rc = pack_index(p, i, &scanned[i])) != VG_OK)
			return rc;
	}
	if (vg_cur_left(&in))
		return VG_E_FORMAT;
	for (uint8_t fallback = 0; fallback < 2; fallback++)
		for (size_t i = 0; i < n; i++)
			if (scanned[i] && p->pack[i].fallback == fallback)
				p->scan[p->nscan++] = (uint16_t)i;
	return collect_sources(p);
}

vg_rc
vg_packs_load(vg_str blob, struct vg_keys *keys, struct vg_packs **out)
{
	struct vg_packs *p = calloc(1, sizeof(*p));
	vg_rc rc;

	if (p == NULL)
		return VG_E_NOMEM;
	vg_arena_init(&p->a, VG_PK_MEMORY_MAX);
	vg_map_init(&p->index, VG_PK_MEMORY_MAX);
	p->keys = keys;
	if ((rc = packs_build(p, blob)) != VG_OK) {
		vg_packs_free(p);
		return rc == VG_E_LIMIT ? VG_E_FORMAT : rc;
	}
	*out = p;
	return VG_OK;
}

void
vg_packs_free(struct vg_packs *p)
{
	if (p == NULL)
		return;
	free(p->class);
	vg_map_fini(&p->index);
	vg_arena_fini(&p->a);
	free(p);
}

const struct vg_logsource *
vg_packs_logsources(const struct vg_packs *p, size_t *n)
{
	*n = p->nall;
	return p->all;
}

static bool
gives(const struct vg_pk_pack *p, const struct vg_logsource *want)
{
	for (uint16_t i = 0; i < p->nkind; i++)
		for (uint16_t j = 0; j < p->kind[i].ntuple; j++) {
			const struct vg_logsource *t = &p->kind[i].tuple[j];

			if ((want->product.n == 0 || vg_str_ieq(want->product, t->product)) && (want->category.n == 0 || vg_str_ieq(want->category, t->category)) &&
			    (want->service.n == 0 || vg_str_ieq(want->service, t->service)))
				return true;
		}
	return false;
}

size_t
vg_packs_givers(const struct vg_packs *p, const struct vg_logsource *want, vg_str *name, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < p->npack && n < max; i++)
		if (gives(&p->pack[i], want))
			name[n++] = p->pack[i].name;
	return n;
}

/* ---- applying ---- */

static bool
any_value(const struct vg_pk_cond *c, vg_str v)
{
	for (uint16_t i = 0; i < c->nvalue; i++)
		if (c->value[i].n && v.n && vg_pk_glob(c->value[i], v))
			return true;
	return false;
}

static bool
wants_none(const struct vg_pk_cond *c)
{
	for (uint16_t i = 0; i < c->nvalue; i++)
		if (c->value[i].n == 0)
			return true;
	return false;
}

/* A name may stand several times: one of its values is enough. */
static bool
cond_holds(const struct vg_pk_cond *c, const struct vg_event *e)
{
	vg_str v = VG_NIL;

	switch (c->what) {
	case VG_PK_CHANNEL: v = e->channel; break;
	case VG_PK_PROVIDER: v = e->provider; break;
	case VG_PK_CODE: v = e->code; break;
	default:
		for (uint32_t i = 0; i < e->nfield; i++)
			if (e->field[i].key == c->key && e->field[i].value.n) {
				v = e->field[i].value;
				if (any_value(c, v))
					return true;
			}
		return v.n == 0 && wants_none(c);
	}
	return any_value(c, v) || (v.n == 0 && wants_none(c));
}

static bool
holds(const struct vg_pk_all *all, const struct vg_event *e)
{
	for (uint16_t i = 0; i < all->ncond; i++) {
		const struct vg_pk_cond *c = &all->cond[i];

		if (cond_holds(c, e) == (bool)c->negate)
			return false;
	}
	return true;
}

static bool
recognised(const struct vg_pk_pack *k, const struct vg_event *e, uint64_t names)
{
	for (uint16_t i = 0; i < k->nrecognise; i++)
		if ((k->recognise[i].need & ~names) == 0 && holds(&k->recognise[i], e))
			return true;
	return false;
}

/* As vg_event_add_known(), for any name.  Too many fields is no failure: it is counted in the event. */
static vg_rc
add(struct vg_event *e, vg_str name, uint32_t key, vg_str value)
{
	const struct vg_field *f = vg_event_find(e, key);
	vg_rc rc;

	if (value.n == 0 || (f && f->value.n))
		return VG_OK;
	rc = vg_event_add_key(e, name, key, VG_KIND_TEXT, VG_FIELD_ADDED, value);
	return rc == VG_E_LIMIT ? VG_OK : rc;
}

/* A record may bring an event.action of its own (Winlogbeat's "logged-in"), which is not one of our words: ours
 * takes its place, so that it is found first, and the record's goes to the end, where keywords still search it. */
static vg_rc
set_action(struct vg_event *e, const struct vg_pk_set *set)
{
	for (uint32_t i = 0; i < e->nfield; i++) {
		struct vg_field f = e->field[i];
		vg_rc rc;

		if (f.key != set->key)
			continue;
		if ((f.flags & VG_FIELD_ADDED) || vg_str_eq(f.value, set->value))
			return VG_OK;
		rc = vg_event_add_key(e, f.name, f.key, (enum vg_kind)f.kind, f.flags, f.value);
		if (rc != VG_OK)
			return rc == VG_E_LIMIT ? VG_OK : rc;
		e->field[i].value = set->value;
		e->field[i].kind = VG_KIND_TEXT;
		e->field[i].flags = VG_FIELD_ADDED;
		return VG_OK;
	}
	return add(e, set->name, set->key, set->value);
}

static vg_rc
add_sets(struct vg_event *e, const struct vg_pk_set *set, size_t n)
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; rc == VG_OK && i < n; i++)
		rc = set[i].key == VG_K_EV_ACTION ? set_action(e, &set[i]) :
						    add(e, set[i].name, set[i].key, set[i].value);
	return rc;
}

static vg_rc
run_patterns(const struct vg_pk_step *s, vg_str text, struct vg_event *e)
{
	struct vg_pk_cap cap[VG_PK_CAPS_MAX];
	size_t n;
	vg_rc rc = VG_OK;

	text = vg_str_trim(text);
	for (uint16_t i = 0; i < s->npattern; i++) {
		const struct vg_pk_pattern *p = &s->pattern[i];

		if (!vg_pk_pattern_match(p, text, cap, &n))
			continue;
		for (size_t j = 0; rc == VG_OK && j < n; j++) {
			const struct vg_pk_op *o = &p->op[cap[j].op];
			vg_str v = cap[j].value;

			if (o->text.n == 0)
				continue;
			if (o->type == VG_PK_HOST && vg_pk_ip(v) != v.n)
				rc = add(e, o->name2, o->key2, v);
			else
				rc = add(e, o->name, o->key, v);
		}
		return rc == VG_OK ? add_sets(e, p->set, p->nset) : rc;
	}
	return VG_OK;
}

static vg_rc
run_step(const struct vg_pk_step *s, struct vg_event *e)
{
	vg_str text;
	vg_rc rc;

	if (!holds(&s->when, e))
		return VG_OK;
	text = vg_event_get(e, s->key);
	if (text.n == 0)
		return VG_OK;
	switch (s->mode) {
	case VG_PK_PATTERNS: return run_patterns(s, text, e);
	case VG_PK_KV: rc = vg_kv_fields(text, (char)s->sep, s->prefix, e); break;
	case VG_PK_CSV: rc = vg_pk_csv(text, s->sep ? (char)s->sep : ',', s->column, s->ncolumn, e); break;
	case VG_PK_JSON: rc = vg_json_event(text, e); break;
	case VG_PK_CEF: rc = vg_pk_cef(text, e); break;
	default: rc = vg_pk_leef(text, e); break;
	}
	return rc == VG_E_NOMEM ? rc : VG_OK; /* text that is not so stays text */
}

static vg_str
part_value(const struct vg_pk_part *t, const struct vg_event *e)
{
	if (t->field == 0)
		return t->text;
	if (t->field == 2)
		for (uint32_t i = e->nfield; i-- > 0;)
			if (e->field[i].key == t->key)
				return e->field[i].value;
	return vg_event_get(e, t->key);
}

/* What @x makes of @e; empty when a field that it needs has no value. */
static vg_str
value_of(const struct vg_pk_expr *x, const struct vg_event *e)
{
	size_t n = 0;
	vg_str v;
	char *p;

	if (x->npart == 1)
		return part_value(&x->part[0], e);
	for (uint16_t i = 0; i < x->npart; i++) {
		v = part_value(&x->part[i], e);
		if (v.n == 0)
			return VG_NIL;
		n += v.n;
	}
	if ((p = vg_arena_alloc(e->arena, n)) == NULL)
		return VG_NIL;
	v = (vg_str){ p, n };
	for (uint16_t i = 0; i < x->npart; i++) {
		vg_str s = part_value(&x->part[i], e);

		memcpy(p, s.p, s.n);
		p += s.n;
	}
	return v;
}

static vg_str
with_case(struct vg_arena *a, vg_str s, bool upper)
{
	char *p = vg_arena_alloc(a, s.n);

	if (p == NULL)
		return VG_NIL;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		p[i] = upper ? (c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c) : (c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
	}
	return (vg_str){ p, s.n };
}

/* \device\harddiskvolume3\x as C:\x: which letter it had the record does not say; rules ask for what follows. */
static vg_str
dos_path(struct vg_arena *a, vg_str s)
{
	vg_str device = VG_STR("\\device\\harddiskvolume");
	size_t i = device.n;

	if (!vg_str_istarts(s, device))
		return s;
	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return vg_str_join(a, VG_STR("C:"), vg_str_skip(s, i));
}

/* The kernel's name of a registry key as Sysmon writes it. */
static vg_str
registry(struct vg_arena *a, vg_str s)
{
	static const vg_str from[] = { VG_STR_INIT("\\REGISTRY\\MACHINE"), VG_STR_INIT("\\REGISTRY\\USER") };
	static const vg_str to[] = { VG_STR_INIT("HKLM"), VG_STR_INIT("HKU") };

	vg_str set = VG_STR("\\SYSTEM\\ControlSet001\\");

	for (size_t i = 0; i < VG_COUNT(from); i++) {
		if (!vg_str_istarts(s, from[i]))
			continue;
		s = vg_str_skip(s, from[i].n);
		if (i == 0 && vg_str_istarts(s, set)) /* the set in use nearly always, which Sysmon names so */
			return vg_str_join(a, VG_STR("HKLM\\SYSTEM\\CurrentControlSet\\"), vg_str_skip(s, set.n));
		return vg_str_join(a, to[i], s);
	}
	return s;
}

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Text that the audit daemon wrote in hexadecimal; NULs between arguments become blanks. */
static vg_str
hex_text(struct vg_arena *a, vg_str s)
{
	char *p;

	if (s.n < 2 || s.n % 2)
		return s;
	for (size_t i = 0; i < s.n; i++)
		if (nibble(s.p[i]) < 0)
			return s;
	if ((p = vg_arena_alloc(a, s.n / 2)) == NULL)
		return s;
	for (size_t i = 0; i < s.n / 2; i++) {
		p[i] = (char)(nibble(s.p[2 * i]) << 4 | nibble(s.p[2 * i + 1]));
		if (p[i] == 0)
			p[i] = ' ';
	}
	return (vg_str){ p, s.n / 2 };
}

static vg_str
as(enum vg_pk_as how, vg_str v, struct vg_arena *a)
{
	size_t at;
	uint64_t u;

	switch (how) {
	case VG_PK_AS_INT:
		return vg_str_istarts(v, VG_STR("0x")) && vg_str_u64(v, &u) ?
			       vg_arena_printf(a, "%llu", (unsigned long long)u) : v;
	case VG_PK_AS_LOWER: return with_case(a, v, false);
	case VG_PK_AS_UPPER: return with_case(a, v, true);
	case VG_PK_AS_DOSPATH: return dos_path(a, v);
	case VG_PK_AS_REGISTRY: return registry(a, v);
	case VG_PK_AS_IP:
		if (vg_str_istarts(v, VG_STR("::ffff:")) && vg_str_chr(v, '.') != VG_NPOS)
			v = vg_str_skip(v, 7);
		at = vg_pk_ip(v); /* a port or a zone may follow */
		return vg_str_cut(v, at);
	case VG_PK_AS_BASENAME:
		for (at = v.n; at > 0 && v.p[at - 1] != '\\' && v.p[at - 1] != '/'; at--)
			;
		return vg_str_skip(v, at);
	case VG_PK_AS_HEXTEXT: return hex_text(a, v);
	case VG_PK_AS_BEFORE_AT: return vg_str_cut(v, vg_str_chr(v, '@'));
	case VG_PK_AS_AFTER_AT: return (at = vg_str_chr(v, '@')) == VG_NPOS ? VG_NIL : vg_str_skip(v, at + 1);
	case VG_PK_AS_AFTER_BACKSLASH:
		return (at = vg_str_chr(v, '\\')) == VG_NPOS ? v : vg_str_skip(v, at + 1);
	case VG_PK_AS_BEFORE_BACKSLASH: return (at = vg_str_chr(v, '\\')) == VG_NPOS ? VG_NIL : vg_str_cut(v, at);
	case VG_PK_AS_DWORD: /* as Sysmon prints one */
		return vg_str_u64(v, &u) && u <= UINT32_MAX ? vg_arena_printf(a, "DWORD (0x%08x)", (unsigned)u) : v;
	default: return v;
	}
}

static vg_str
mapped(const struct vg_pk_map *m, vg_str v, bool strict)
{
	for (uint16_t i = 0; i < m->npair; i++)
		if (vg_str_ieq(m->pair[i].name, v))
			return m->pair[i].value;
	return strict ? VG_NIL : v;
}

static vg_rc
add_name(const struct vg_pk_pack *k, const struct vg_pk_name *n, struct vg_event *e)
{
	vg_str v = VG_NIL;

	if (n->when.ncond && !holds(&n->when, e))
		return VG_OK;
	for (uint16_t i = 0; v.n == 0 && i < n->nfrom; i++) {
		v = value_of(&n->from[i], e);
		if (v.n && n->nunless && has(n->unless, n->nunless, v))
			v = VG_NIL;
	}
	if (v.n == 0)
		return VG_OK;
	v = as((enum vg_pk_as)n->as, v, e->arena);
	if (v.n && n->map)
		v = mapped(&k->map[n->map - 1], v, n->strict);
	return add(e, n->name, n->key, v);
}

static void
set_time(const struct vg_pk_pack *k, struct vg_event *e)
{
	for (uint16_t i = 0; i < k->ntime; i++) {
		vg_str v = value_of(&k->time[i].from, e);
		bool zoned;
		int64_t t = v.n ? vg_pk_time_parse(v, k->time[i].format, &zoned) : VG_TIME_NONE;

		if (t == VG_TIME_NONE)
			continue;
		e->time_ns = t;
		e->flags &= ~(uint32_t)(VG_EVENT_TIME_MISSING | VG_EVENT_YEAR_INFERRED | VG_EVENT_ZONE_INFERRED);
		if (!zoned)
			e->flags |= VG_EVENT_ZONE_INFERRED;
		return;
	}
}

static vg_rc
apply(const struct class *c, struct vg_event *e)
{
	const struct vg_pk_pack *k = c->pack;
	size_t mask = 0;
	vg_rc rc = VG_OK;

	e->pack = k->name.p;
	for (uint16_t i = 0; rc == VG_OK && i < k->nstep; i++)
		rc = run_step(&k->step[i], e);
	set_time(k, e);
	for (uint16_t i = 0; rc == VG_OK && i < c->nkind; i++) {
		const struct vg_pk_kind *d = c->kind[i];

		if (d->when.ncond && !holds(&d->when, e))
			continue;
		if (c->pick[i])
			mask |= (size_t)1 << (c->pick[i] - 1);
		rc = add_sets(e, d->set, d->nset);
		for (uint16_t j = 0; rc == VG_OK && j < d->nname; j++)
			rc = add_name(k, &d->name[j], e);
	}
	e->ls = c->list[mask];
	e->nls = c->nlist[mask];
	return rc;
}

static const struct class *
find(const struct vg_packs *p, vg_str channel, vg_str code, const struct vg_event *e)
{
	char buf[2 * VG_PK_NAME_MAX + 2];
	vg_str key;
	uint32_t at;
	const struct class *c;

	for (int i = 0; i < 2; i++, code = VG_NIL) {
		if (!index_key(channel, code, buf, &key))
			continue;
		if ((at = vg_map_find(&p->index, key)) == VG_MAP_NONE)
			continue;
		for (c = p->class[at]; c; c = c->next)
			if (recognised(c->pack, e, UINT64_MAX))
				return c;
	}
	return NULL;
}

vg_rc
vg_packs_apply(const struct vg_packs *p, struct vg_event *e)
{
	const struct class *c = e->channel.n ? find(p, e->channel, e->code, e) : NULL;
	uint64_t names = 0; /* as vg_pk_all.need */

	for (uint32_t i = 0; c == NULL && i < e->nfield; i++)
		if (e->field[i].key != VG_KEY_NONE)
			names |= UINT64_C(1) << (e->field[i].key & 63);
	for (size_t i = 0; c == NULL && i < p->nscan; i++)
		if (recognised(&p->pack[p->scan[i]], e, names)) {
			char any[4];
			vg_str name;

			any_channel(p->scan[i], any, &name);
			c = find(p, name, e->code, e);
		}
	return c ? apply(c, e) : VG_OK;
}

/* ---- what is copied ---- */

#define ASKED_MAX 64

struct asked { /* keys on the way: a field that is made of itself is what else it is made of */
	uint32_t key[ASKED_MAX];
	size_t n;
};
static bool copies(const struct vg_packs *p, uint32_t key, struct asked *a);

static bool
sets_key(const struct vg_pk_set *set, size_t n, uint32_t key)
{
	for (size_t i = 0; i < n; i++)
		if (set[i].key == key)
			return true;
	return false;
}

static bool
pattern_gives(const struct vg_pk_pattern *t, uint32_t key)
{
	for (uint16_t i = 0; i < t->nop; i++)
		if (t->op[i].op != VG_PK_LIT && t->op[i].text.n && (t->op[i].key == key || (t->op[i].type == VG_PK_HOST && t->op[i].key2 == key)))
			return true;
	return false;
}

static bool
step_copies(const struct vg_packs *p, const struct vg_pk_step *s, uint32_t key, struct asked *a)
{
	bool gives = s->mode != VG_PK_PATTERNS && s->mode != VG_PK_CSV; /* names that stand in the text */

	for (uint16_t i = 0; i < s->npattern; i++) {
		if (sets_key(s->pattern[i].set, s->pattern[i].nset, key))
			return false;
		gives |= pattern_gives(&s->pattern[i], key);
	}
	gives |= sets_key(s->column, s->ncolumn, key);
	return !gives || copies(p, s->key, a);
}

static bool
name_copies(const struct vg_packs *p, const struct vg_pk_name *n, struct asked *a)
{
	static const bool cuts[VG_PK_AS_COUNT] = {
		[VG_PK_AS_IS] = true, [VG_PK_AS_LOWER] = true, [VG_PK_AS_UPPER] = true, [VG_PK_AS_IP] = true, [VG_PK_AS_BASENAME] = true,
		[VG_PK_AS_BEFORE_AT] = true, [VG_PK_AS_AFTER_AT] = true, [VG_PK_AS_AFTER_BACKSLASH] = true, [VG_PK_AS_BEFORE_BACKSLASH] = true,
	};

	if (n->as >= VG_PK_AS_COUNT || !cuts[n->as] || n->map)
		return false;
	for (uint16_t i = 0; i < n->nfrom; i++)
		if (n->from[i].npart != 1 || !n->from[i].part[0].field || !copies(p, n->from[i].part[0].key, a))
			return false;
	return true;
}

static bool
kind_copies(const struct vg_packs *p, const struct vg_pk_kind *d, uint32_t key, struct asked *a)
{
	if (sets_key(d->set, d->nset, key))
		return false;
	for (uint16_t i = 0; i < d->nname; i++)
		if (d->name[i].key == key && !name_copies(p, &d->name[i], a))
			return false;
	return true;
}

static bool
copies(const struct vg_packs *p, uint32_t key, struct asked *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->key[i] == key)
			return true;
	if (a->n == ASKED_MAX)
		return false;
	a->key[a->n++] = key;
	for (size_t i = 0; i < p->npack; i++) {
		for (uint16_t j = 0; j < p->pack[i].nstep; j++)
			if (!step_copies(p, &p->pack[i].step[j], key, a))
				return false;
		for (uint16_t j = 0; j < p->pack[i].nkind; j++)
			if (!kind_copies(p, &p->pack[i].kind[j], key, a))
				return false;
	}
	return true;
}

bool
vg_packs_copies(const struct vg_packs *p, uint32_t key)
{
	struct asked a = { .n = 0 };

	return copies(p, key, &a);
}
