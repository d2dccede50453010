#include "detect/match.h"

#include <stdlib.h>

#include "base/ip.h"
#include "base/utf.h"
#include "detect/regex.h"

struct vg_regexes {
	const struct vg_program *p;
	struct vg_regex **re; /* one a value, NULL until it is asked; owned */
};

struct vg_regexes *
vg_regexes_new(const struct vg_program *p)
{
	struct vg_regexes *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->re = calloc((size_t)p->nvalue + 1, sizeof(struct vg_regex *))) == NULL) {
		free(r);
		return NULL;
	}
	r->p = p;
	return r;
}

void
vg_regexes_free(struct vg_regexes *r)
{
	if (r == NULL)
		return;
	for (uint32_t i = 0; i < r->p->nvalue; i++)
		vg_regex_free(r->re[i]);
	free(r->re);
	free(r);
}

const struct vg_program *
vg_regexes_program(const struct vg_regexes *r)
{
	return r->p;
}

vg_rc
vg_view_init(struct vg_view *v, struct vg_regexes *re, const struct vg_event *e, struct vg_arena *scratch, uint32_t *first)
{
	*v = (struct vg_view){ .p = re->p, .re = re, .e = e, .scratch = scratch, .first = first };
	v->folded = vg_arena_array(scratch, vg_str, e->nfield + 1);
	v->next = vg_arena_alloc(scratch, (e->nfield + 1) * sizeof(*v->next));
	if (v->folded == NULL || v->next == NULL)
		return VG_E_NOMEM;
	for (uint32_t i = e->nfield; i-- > 0;) { /* backwards: the first one comes first */
		uint32_t key = e->field[i].key;

		if (key < v->p->nkey) {
			v->next[i] = first[key];
			first[key] = i + 1;
		}
	}
	return VG_OK;
}

void
vg_view_fini(struct vg_view *v)
{
	for (uint32_t i = 0; i < v->e->nfield; i++)
		if (v->e->field[i].key < v->p->nkey)
			v->first[v->e->field[i].key] = 0;
}

static vg_str
fold(struct vg_arena *a, vg_str s)
{
	char *p = vg_arena_alloc(a, VG_FOLD_MAX(s.n));
	size_t n;

	if (p == NULL)
		return s; /* out of memory: unfolded is better than nothing */
	n = vg_fold(s, p);
	vg_arena_shrink(a, p, VG_FOLD_MAX(s.n), n);
	return vg_str_mem(p, n);
}

vg_str
vg_view_folded(struct vg_view *v, uint32_t field)
{
	if (v->folded[field].p == NULL)
		v->folded[field] = fold(v->scratch, v->e->field[field].value);
	return v->folded[field];
}

vg_str
vg_view_raw(struct vg_view *v, bool folded)
{
	vg_str raw = v->e->raw;

	if (raw.n == 0 || memchr(raw.p, 0, raw.n < 64 ? raw.n : 64)) /* binary records hold NULs early */
		return VG_NIL;
	if (!folded)
		return raw;
	if (v->raw_folded.p == NULL)
		v->raw_folded = fold(v->scratch, raw);
	return v->raw_folded;
}

/* Glob over code points: on a mismatch go back to the last star, one code point further. */
static bool
glob(vg_str pat, vg_str s)
{
	size_t p = 0, i = 0, star = VG_NPOS, from = 0;

	while (i < s.n) {
		if (p < pat.n && pat.p[p] == VG_GLOB_ANY) {
			star = ++p;
			from = i;
		} else if (p < pat.n && pat.p[p] == VG_GLOB_ONE) {
			uint32_t cp;
			size_t n = vg_utf8_next(vg_str_skip(s, i), &cp);

			i += n ? n : 1;
			p++;
		} else if (p < pat.n && pat.p[p] == s.p[i]) {
			p++;
			i++;
		} else if (star != VG_NPOS) {
			uint32_t cp;
			size_t n = vg_utf8_next(vg_str_skip(s, from), &cp);

			p = star;
			i = from += n ? n : 1;
		} else {
			return false;
		}
	}
	while (p < pat.n && pat.p[p] == VG_GLOB_ANY)
		p++;
	return p == pat.n;
}

static bool
in_network(vg_str net, vg_str text)
{
	uint8_t a[16];

	return vg_ip_parse(text, a) && vg_ip_in(a, (const uint8_t *)net.p, (unsigned char)net.p[16]);
}

static bool
number(vg_str s, double *out)
{
	uint64_t u;

	s = vg_str_trim(s);
	if (s.n > 2 && s.p[0] == '0' && (s.p[1] | 32) == 'x') {
		if (!vg_str_u64(s, &u))
			return false;
		*out = (double)u;
		return true;
	}
	return vg_str_f64(s, out);
}

/* The part of a time value, as a number. */
static bool
time_part(enum vg_time_part part, vg_str text, double *out)
{
	struct vg_civil c;
	int64_t t = vg_time_parse(text, 0), days, jan1;
	double epoch;

	if (t == VG_TIME_NONE) {
		if (!vg_str_f64(text, &epoch) || epoch < 0 || epoch > 9e9)
			return false;
		t = (int64_t)epoch * VG_SEC;
	}
	vg_time_civil(t, &c);
	switch (part) {
	case VG_PART_MINUTE:
		*out = c.min;
		return true;
	case VG_PART_HOUR:
		*out = c.hour;
		return true;
	case VG_PART_DAY:
		*out = c.day;
		return true;
	case VG_PART_MONTH:
		*out = c.month;
		return true;
	case VG_PART_YEAR:
		*out = c.year;
		return true;
	case VG_PART_WEEK: /* ISO 8601: the week of its Thursday */
		days = vg_days_of(c.year, c.month, c.day);
		days += 3 - ((days + 3) % 7 + 7) % 7;
		vg_time_civil(days * VG_DAY, &c);
		jan1 = vg_days_of(c.year, 1, 1);
		*out = (double)((days - jan1) / 7 + 1);
		return true;
	case VG_PART_NONE:
		break;
	}
	return false;
}

static bool
compare(const struct vg_value *v, vg_str limit, vg_str text)
{
	double a, b;

	if (v->part != VG_PART_NONE ? !time_part((enum vg_time_part)v->part, text, &a) : !number(text, &a))
		return false;
	if (!number(limit, &b))
		return false;
	switch (v->test) {
	case VG_TEST_LT:
		return a < b;
	case VG_TEST_LTE:
		return a <= b;
	case VG_TEST_GT:
		return a > b;
	case VG_TEST_GTE:
		return a >= b;
	default:
		return a == b;
	}
}

static bool
other_field(struct vg_view *v, const struct vg_value *val, vg_str text, vg_str folded)
{
	bool cased = val->flags & VG_VALUE_CASED;
	vg_str mine = cased ? text : folded;

	for (uint32_t f = v->first[val->aux]; f; f = v->next[f - 1]) {
		vg_str other = cased ? v->e->field[f - 1].value : vg_view_folded(v, f - 1);

		if (val->test == VG_TEST_FIELD_EQ ? vg_str_eq(mine, other) :
		    val->test == VG_TEST_FIELD_PREFIX ? vg_str_starts(mine, other) :
		    val->test == VG_TEST_FIELD_SUFFIX ? vg_str_ends(mine, other) : vg_str_find(mine, other) != VG_NPOS)
			return true;
	}
	return false;
}

static bool
search(struct vg_view *v, uint32_t value, vg_str text)
{
	struct vg_regexes *r = v->re;
	const struct vg_value *val = &v->p->value[value];

	if (r->re[value] == NULL &&
	    vg_regex_new(vg_program_str(v->p, val->text),
			 (unsigned)(val->flags & (VG_VALUE_RE_I | VG_VALUE_RE_M | VG_VALUE_RE_S)), &r->re[value]) != VG_OK)
		return false;
	return vg_regex_search(r->re[value], text);
}

bool
vg_match_value(struct vg_view *v, uint32_t value, vg_str text, vg_str folded)
{
	const struct vg_value *val = &v->p->value[value];
	vg_str want = vg_program_str(v->p, val->text), have = val->flags & VG_VALUE_CASED ? text : folded;

	switch ((enum vg_test)val->test) {
	case VG_TEST_EQ:
		return vg_str_eq(have, want);
	case VG_TEST_PREFIX:
		return vg_str_starts(have, want);
	case VG_TEST_SUFFIX:
		return vg_str_ends(have, want);
	case VG_TEST_CONTAINS:
		return vg_str_find(have, want) != VG_NPOS;
	case VG_TEST_GLOB:
		return glob(want, have);
	case VG_TEST_RE:
		return search(v, value, text);
	case VG_TEST_CIDR:
		return in_network(want, text);
	case VG_TEST_LT:
	case VG_TEST_LTE:
	case VG_TEST_GT:
	case VG_TEST_GTE:
	case VG_TEST_TIME:
		return compare(val, want, text);
	case VG_TEST_FIELD_EQ:
	case VG_TEST_FIELD_PREFIX:
	case VG_TEST_FIELD_SUFFIX:
	case VG_TEST_FIELD_CONTAINS:
		return other_field(v, val, text, folded);
	case VG_TESTS:
		break;
	}
	return false;
}

/* Keywords: native values and the raw text, never names that a pack added. */
static bool
keyword(struct vg_view *v, uint32_t value, uint32_t *hit_field)
{
	vg_str raw;

	for (uint32_t i = 0; i < v->e->nfield; i++)
		if (!(v->e->field[i].flags & VG_FIELD_ADDED) &&
		    vg_match_value(v, value, v->e->field[i].value, vg_view_folded(v, i))) {
			*hit_field = i;
			return true;
		}
	raw = vg_view_raw(v, false);
	return raw.n && vg_match_value(v, value, raw, vg_view_raw(v, true));
}

static bool
some_field(struct vg_view *v, uint32_t key, uint32_t value, uint32_t *hit_field)
{
	for (uint32_t f = v->first[key]; f; f = v->next[f - 1])
		if (v->e->field[f - 1].kind != VG_KIND_NULL &&
		    vg_match_value(v, value, v->e->field[f - 1].value, vg_view_folded(v, f - 1))) {
			*hit_field = f - 1;
			return true;
		}
	return false;
}

bool
vg_match_item(struct vg_view *v, uint32_t item, uint32_t *hit_value, uint32_t *hit_field)
{
	const struct vg_item *it = &v->p->item[item];
	bool all = it->flags & VG_ITEM_ALL;

	*hit_value = *hit_field = UINT32_MAX;
	if (it->kind == VG_ITEM_EXISTS) {
		if (v->first[it->key])
			*hit_field = v->first[it->key] - 1;
		return v->first[it->key] != 0;
	}
	if (it->kind == VG_ITEM_NULL) {
		for (uint32_t f = v->first[it->key]; f; f = v->next[f - 1])
			if (v->e->field[f - 1].kind != VG_KIND_NULL)
				return false;
		return true;
	}
	if (it->kind == VG_ITEM_VALUES && v->first[it->key] == 0)
		return false;
	for (uint32_t i = 0; i < it->nvalue; i++) {
		uint32_t value = it->value + i, field = UINT32_MAX;
		bool hit = it->kind == VG_ITEM_KEYWORDS ? keyword(v, value, &field) : some_field(v, it->key, value, &field);

		if (hit) {
			*hit_value = value;
			*hit_field = field;
		}
		if (hit != all)
			return hit;
	}
	return all && it->nvalue;
}
