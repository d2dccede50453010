#include "drill/sample.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "base/yaml.h"

#define YAML_BYTES ((size_t)64 << 20)
#define STEP_NS VG_SEC       /* between records that do not say when */
#define BASE_NS (20546 * VG_DAY) /* what a duration begins from: any day will do */

void
vg_rule_samples_init(struct vg_rule_samples *s, void (*tell)(void *ctx, vg_str file, uint32_t line, const char *text), void *ctx)
{
	*s = (struct vg_rule_samples){ .tell = tell, .ctx = ctx };
	vg_arena_init(&s->arena, VG_RULE_SAMPLE_BYTES_MAX);
}

void
vg_rule_samples_fini(struct vg_rule_samples *s)
{
	free(s->item);
	vg_arena_fini(&s->arena);
	*s = (struct vg_rule_samples){ .item = NULL };
}

static vg_rc
add(struct vg_rule_samples *s, const struct vg_rule_sample *x)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct vg_rule_sample *p = realloc(s->item, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		s->item = p;
		s->cap = cap;
	}
	s->item[s->n++] = *x;
	return VG_OK;
}

/* ---- a record ---- */

struct event { /* of a sequence, as it is written */
	const struct vg_yaml *map;
	uint64_t n; /* which of its repetitions */
	bool many;
};

static void
put_text(struct vg_buf *b, const struct event *e, vg_str text)
{
	size_t at;

	while (e->many && (at = vg_str_find(text, VG_STR("{n}"))) != VG_NPOS) {
		vg_buf_put(b, vg_str_cut(text, at));
		vg_buf_u64(b, e->n);
		text = vg_str_skip(text, at + 3);
	}
	vg_buf_put(b, text);
}

static bool
is_ours(vg_str key)
{
	return vg_str_eq(key, VG_STR("time")) || vg_str_eq(key, VG_STR("repeat")) || vg_str_eq(key, VG_STR("every"));
}

static void put_json(struct vg_buf *b, const struct event *e, const struct vg_yaml *y);
static void
put_children(struct vg_buf *b, const struct event *e, const struct vg_yaml *y)
{
	bool map = y->kind == VG_YAML_MAP, first = true;

	vg_buf_putc(b, map ? '{' : '[');
	for (const struct vg_yaml *c = y->child; c; c = c->next) {
		if (y == e->map && is_ours(c->key))
			continue;
		if (!first)
			vg_buf_putc(b, ',');
		first = false;
		if (map) {
			vg_buf_json_str(b, c->key);
			vg_buf_putc(b, ':');
		}
		put_json(b, e, c);
	}
	vg_buf_putc(b, map ? '}' : ']');
}

static void
put_json(struct vg_buf *b, const struct event *e, const struct vg_yaml *y)
{
	struct vg_buf text = { 0 };

	switch (y->kind) {
	case VG_YAML_NULL:
		vg_buf_puts(b, "null");
		return;
	case VG_YAML_LIST:
	case VG_YAML_MAP:
		put_children(b, e, y); /* as deep as base/yaml.h lets it be */
		return;
	case VG_YAML_SCALAR:
		put_text(&text, e, y->text);
		vg_buf_json_str(b, vg_buf_str(&text));
		if (text.rc != VG_OK)
			b->rc = text.rc;
		vg_buf_fini(&text);
		return;
	}
}

static void
put_or(struct vg_buf *b, const struct event *e, const char *key, const char *otherwise)
{
	vg_str text = vg_yaml_text(e->map, key);

	put_text(b, e, text.n ? text : vg_str_of(otherwise));
}

/* RFC 5424, 6. */
static void
put_syslog(struct vg_buf *b, const struct event *e, int64_t time_ns)
{
	char t[VG_TIME_MAX];

	(void)vg_time_print(time_ns, 6, t);
	vg_buf_printf(b, "<38>1 %s ", t);
	put_or(b, e, "hostname", "srv-files");
	vg_buf_putc(b, ' ');
	put_or(b, e, "program", "-");
	vg_buf_putc(b, ' ');
	put_or(b, e, "pid", "-");
	vg_buf_puts(b, " - - ");
	put_or(b, e, "message", "");
}

static vg_rc
make_raw(struct vg_rule_samples *s, const struct event *e, struct vg_rule_record *r)
{
	struct vg_buf b = { .limit_bytes = VG_RULE_SAMPLE_BYTES_MAX };
	vg_rc rc;

	if (vg_yaml_get(e->map, VG_STR("raw")))
		put_text(&b, e, vg_yaml_text(e->map, "raw"));
	else if (vg_yaml_text(e->map, "program").n && vg_yaml_get(e->map, VG_STR("message")))
		put_syslog(&b, e, r->time_ns);
	else
		put_json(&b, e, e->map);
	r->raw = vg_str_dup(&s->arena, vg_buf_str(&b));
	rc = b.rc != VG_OK ? b.rc : r->raw.p ? VG_OK : VG_E_NOMEM;
	vg_buf_fini(&b);
	return rc;
}

/* ---- a sequence ---- */

static void
refuse(struct vg_rule_samples *s, vg_str file, uint32_t line, const char *text)
{
	s->bad++;
	s->tell(s->ctx, file, line, text);
}

static int64_t
time_of(const struct vg_yaml *m, int64_t before_ns)
{
	vg_str text = vg_yaml_text(m, "time");
	int64_t t;

	if (text.n == 0)
		return before_ns + STEP_NS;
	if ((t = vg_duration_parse(text)) != VG_TIME_NONE)
		return BASE_NS + t;
	return vg_time_parse(text, 0);
}

/* How often, and how far apart.  NULL, or what is wrong. */
static const char *
take_repeat(const struct vg_yaml *m, uint64_t *n, int64_t *every_ns)
{
	const struct vg_yaml *repeat = vg_yaml_get(m, VG_STR("repeat")), *every = vg_yaml_get(m, VG_STR("every"));

	*n = 1;
	*every_ns = STEP_NS;
	if (repeat && (!vg_str_u64(repeat->text, n) || *n == 0 || *n > VG_RULE_SAMPLE_RECORDS_MAX))
		return "repeat must be a number, from 1 to 10000";
	if (every && (*every_ns = vg_duration_parse(every->text)) == VG_TIME_NONE)
		return "every must be a duration, such as 10s";
	return NULL;
}

static int
record_cmp(const void *a, const void *b)
{
	const struct vg_rule_record *x = a, *y = b;

	return x->time_ns != y->time_ns ? (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns) : (x > y) - (x < y);
}

/* The records of one entry of the list.  NULL, or what is wrong. */
static const char *
take_event(struct vg_rule_samples *s, struct vg_rule_sample *x, const struct vg_yaml *m, int64_t *before_ns, vg_rc *rc)
{
	uint64_t n;
	int64_t every_ns, time_ns = time_of(m, *before_ns);
	const char *why = take_repeat(m, &n, &every_ns);

	if (m->kind != VG_YAML_MAP)
		return "a record of a sample must be a map";
	if (time_ns == VG_TIME_NONE)
		return "time must be a date (2026-04-03T08:01:00Z) or a duration (10m)";
	if (why)
		return why;
	if (x->nrecord + n > VG_RULE_SAMPLE_RECORDS_MAX)
		return "a sample has more than 10000 records";
	for (uint64_t i = 0; i < n && *rc == VG_OK; i++) {
		struct event e = { m, i, n > 1 };
		struct vg_rule_record *r = &x->record[x->nrecord++];

		r->time_ns = time_ns + (int64_t)i * every_ns;
		*before_ns = r->time_ns;
		*rc = make_raw(s, &e, r);
	}
	return NULL;
}

static vg_rc
take_sequence(struct vg_rule_samples *s, struct vg_rule_sample *x, const struct vg_yaml *list)
{
	int64_t before_ns = BASE_NS - STEP_NS;
	vg_rc rc = VG_OK;
	size_t room = 0;

	x->line = list->line;
	x->nrecord = 0;
	for (const struct vg_yaml *m = list->child; m; m = m->next) {
		uint64_t n;
		int64_t every_ns;

		room += take_repeat(m, &n, &every_ns) ? 1 : n;
	}
	if (list->kind != VG_YAML_LIST || room == 0) {
		refuse(s, x->file, list->line, "a sample must be a list of records");
		return VG_OK;
	}
	if (room > VG_RULE_SAMPLE_RECORDS_MAX)
		room = VG_RULE_SAMPLE_RECORDS_MAX;
	if ((x->record = vg_arena_array(&s->arena, struct vg_rule_record, room)) == NULL)
		return VG_E_NOMEM;
	for (const struct vg_yaml *m = list->child; m && rc == VG_OK; m = m->next) {
		const char *why = take_event(s, x, m, &before_ns, &rc);

		if (why) {
			refuse(s, x->file, m->line, why);
			return VG_OK;
		}
	}
	if (rc != VG_OK)
		return rc;
	qsort(x->record, x->nrecord, sizeof(*x->record), record_cmp);
	return add(s, x);
}

static vg_rc
take_document(struct vg_rule_samples *s, vg_str file, const struct vg_yaml *doc)
{
	const struct vg_yaml *tests = vg_yaml_get(doc, VG_STR("vigie_tests"));
	vg_str rule = vg_yaml_text(doc, "id");
	vg_rc rc = VG_OK;

	if (tests == NULL)
		return VG_OK;
	if (rule.n == 0)
		rule = vg_yaml_text(doc, "title");
	rule = vg_str_dup(&s->arena, rule);
	for (const struct vg_yaml *k = tests->child; k && rc == VG_OK; k = k->next) {
		struct vg_rule_sample x = { .rule = rule, .file = file, .fires = vg_str_eq(k->key, VG_STR("match")) };

		if (k->kind != VG_YAML_LIST || (!x.fires && !vg_str_eq(k->key, VG_STR("nomatch")))) {
			refuse(s, file, k->line, "vigie_tests holds match and nomatch, each a list of samples");
			continue;
		}
		for (const struct vg_yaml *c = k->child; c && rc == VG_OK; c = c->next)
			rc = take_sequence(s, &x, c);
	}
	return rc;
}

vg_rc
vg_rule_samples_read(struct vg_rule_samples *s, vg_str file, vg_str yaml)
{
	struct vg_yaml_error err;
	struct vg_yaml *doc = NULL;
	struct vg_arena a;
	vg_rc rc = VG_OK;

	if (vg_str_find(yaml, VG_STR("vigie_tests")) == VG_NPOS) /* most have none */
		return VG_OK;
	if ((file = vg_str_dup(&s->arena, file)).p == NULL)
		return VG_E_NOMEM;
	vg_arena_init(&a, YAML_BYTES);
	if (vg_yaml_parse(yaml, &a, &doc, &err) != VG_OK)
		refuse(s, file, err.line, err.text);
	for (; doc && rc == VG_OK; doc = doc->next)
		rc = take_document(s, file, doc);
	vg_arena_fini(&a);
	return rc;
}

vg_rc
vg_rule_samples_add(struct vg_rule_samples *s, vg_str rule, vg_str file, vg_str raw, uint32_t times, int64_t time_ns)
{
	struct vg_rule_sample x = { .rule = vg_str_dup(&s->arena, rule), .file = vg_str_dup(&s->arena, file), .fires = true, .times = times, .nrecord = 1 };

	x.record = vg_arena_new(&s->arena, struct vg_rule_record);
	if (x.rule.p == NULL || x.file.p == NULL || x.record == NULL)
		return VG_E_NOMEM;
	*x.record = (struct vg_rule_record){ time_ns, vg_str_dup(&s->arena, raw) };
	return x.record->raw.p ? add(s, &x) : VG_E_NOMEM;
}

vg_rc
vg_rule_samples_info(vg_str info, struct vg_arena *a, vg_str *rule, uint32_t *times)
{
	struct vg_yaml_error err;
	struct vg_yaml *doc = NULL;
	const struct vg_yaml *rules, *tests;
	uint64_t n;

	*rule = VG_NIL;
	*times = 0;
	if (vg_yaml_parse(info, a, &doc, &err) != VG_OK || doc == NULL)
		return VG_E_FORMAT;
	rules = vg_yaml_get(doc, VG_STR("rule_metadata"));
	tests = vg_yaml_get(doc, VG_STR("regression_tests_info"));
	if (rules && rules->kind == VG_YAML_LIST && rules->child)
		*rule = vg_yaml_text(rules->child, "id");
	if (tests && tests->kind == VG_YAML_LIST && tests->child && vg_str_u64(vg_yaml_text(tests->child, "match_count"), &n) && n < UINT32_MAX)
		*times = (uint32_t)n;
	return VG_OK;
}
