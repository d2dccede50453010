/* rule/compile.c - documents to rows of the program. */
#include "rule/compile.h"

#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include "base/utf.h"
#include "rule/build.h"

#define TMP_BYTES ((size_t)256 << 20)
#define SCRATCH_BYTES ((size_t)64 << 20)

struct vg_slice
vg_build_text(struct vg_build *b, vg_str s)
{
	uint32_t at, next = (uint32_t)b->text.n;

	if (s.n == 0)
		return (struct vg_slice){ 0, 0 };
	at = vg_map_add(&b->strings, s, next, NULL);
	if (at == VG_MAP_NONE || b->text.n > UINT32_MAX / 2) {
		b->rc = VG_E_NOMEM;
		return (struct vg_slice){ 0, 0 };
	}
	if (at == next)
		vg_buf_put(&b->text, s);
	return (struct vg_slice){ at, (uint32_t)s.n };
}

vg_str
vg_build_str(const struct vg_build *b, struct vg_slice s)
{
	return vg_str_mem(b->text.p + s.off, s.len);
}

uint32_t
vg_build_node(struct vg_build *b, enum vg_op op, const uint32_t *child, uint32_t n, vg_str name)
{
	struct vg_node node = { .op = (uint8_t)op, .first = VG_ROWS(b->child, uint32_t), .n = n, .name = vg_build_text(b, name) };

	vg_buf_mem(&b->child, child, n * sizeof(*child));
	vg_buf_mem(&b->node, &node, sizeof(node));
	return VG_ROWS(b->node, struct vg_node) - 1;
}

uint32_t
vg_build_leaf(struct vg_build *b, enum vg_op op, uint32_t first)
{
	struct vg_node node = { .op = (uint8_t)op, .first = first };

	vg_buf_mem(&b->node, &node, sizeof(node));
	return VG_ROWS(b->node, struct vg_node) - 1;
}

static void VG_PRINTF(3, 0)
diag(struct vg_build *b, struct vg_diag d, const char *fmt, va_list ap)
{
	char text[400];

	vsnprintf(text, sizeof(text), fmt, ap);
	d.line = d.line ? d.line : b->line;
	d.origin = (uint8_t)b->origin;
	d.file = vg_build_text(b, b->file);
	d.id = vg_build_text(b, b->id);
	d.text = vg_build_text(b, vg_str_of(text));
	vg_buf_mem(&b->diag, &d, sizeof(d));
}

vg_rc
vg_build_refuse(struct vg_build *b, enum vg_diag_reason why, uint32_t line, const char *fmt, ...)
{
	va_list ap;

	if (!b->refused) {
		va_start(ap, fmt);
		diag(b, (struct vg_diag){ .reason = (uint8_t)why, .line = line, .fatal = 1 }, fmt, ap);
		va_end(ap);
	}
	b->refused = true;
	return VG_E_FORMAT;
}

void
vg_build_warn(struct vg_build *b, enum vg_diag_reason why, uint32_t line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag(b, (struct vg_diag){ .reason = (uint8_t)why, .line = line }, fmt, ap);
	va_end(ap);
}

void
vg_build_note(struct vg_build *b, enum vg_diag_reason why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag(b, (struct vg_diag){ .reason = (uint8_t)why, .note = 1 }, fmt, ap);
	va_end(ap);
}

/* ---- detection ---- */

/* A map: all its items; with a name it is a selection. */
static vg_rc
take_map(struct vg_build *b, const struct vg_yaml *m, vg_str name, uint32_t *node)
{
	uint32_t *part = vg_arena_array(&b->tmp, uint32_t, m->nchild + 1), n = 0;
	vg_rc rc;

	if (part == NULL)
		return VG_E_NOMEM;
	if (m->nchild == 0)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, m->line, "an empty selection");
	for (const struct vg_yaml *c = m->child; c; c = c->next)
		if ((rc = vg_build_item(b, c->key, c, &part[n++])) != VG_OK)
			return rc;
	*node = vg_build_node(b, VG_OP_AND, part, n, name);
	return VG_OK;
}

static vg_rc
take_selection(struct vg_build *b, const struct vg_yaml *s, uint32_t *node)
{
	uint32_t *part, n = 0;
	bool plain = true;
	vg_rc rc;

	if (s->kind == VG_YAML_MAP)
		return take_map(b, s, s->key, node);
	if (s->kind != VG_YAML_LIST) { /* one keyword */
		if ((rc = vg_build_item(b, VG_NIL, s, node)) != VG_OK)
			return rc;
		*node = vg_build_node(b, VG_OP_AND, node, 1, s->key);
		return VG_OK;
	}
	for (const struct vg_yaml *c = s->child; c; c = c->next)
		plain &= c->kind == VG_YAML_SCALAR || c->kind == VG_YAML_NULL;
	if (plain) {
		if ((rc = vg_build_item(b, VG_NIL, s, node)) != VG_OK)
			return rc;
		*node = vg_build_node(b, VG_OP_AND, node, 1, s->key);
		return VG_OK;
	}
	if ((part = vg_arena_array(&b->tmp, uint32_t, s->nchild + 1)) == NULL)
		return VG_E_NOMEM;
	for (const struct vg_yaml *c = s->child; c; c = c->next) {
		rc = c->kind == VG_YAML_MAP ? take_map(b, c, VG_NIL, &part[n++]) : vg_build_item(b, VG_NIL, c, &part[n++]);
		if (rc != VG_OK)
			return rc;
	}
	*node = vg_build_node(b, VG_OP_OR, part, n, s->key);
	return VG_OK;
}

vg_rc
vg_build_detection(struct vg_build *b, const struct vg_yaml *d, uint32_t *root, vg_str *aggregation)
{
	struct vg_selection sel[VG_SELECTIONS_MAX];
	const struct vg_yaml *cond = vg_yaml_get(d, VG_STR("condition"));
	uint32_t alt[64], nalt = 0;
	size_t nsel = 0;
	vg_rc rc;

	*aggregation = VG_NIL;
	if (d == NULL || d->kind != VG_YAML_MAP)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "no detection, or it is not a map");
	if (cond == NULL || cond->kind == VG_YAML_NULL || cond->kind == VG_YAML_MAP)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, d->line, "no condition");
	for (const struct vg_yaml *c = d->child; c; c = c->next) {
		if (vg_str_eq(c->key, VG_STR("condition")) || vg_str_eq(c->key, VG_STR("timeframe")))
			continue;
		if (nsel == VG_SELECTIONS_MAX)
			return vg_build_refuse(b, VG_DIAG_LIMIT, c->line, "more than %d selections", VG_SELECTIONS_MAX);
		sel[nsel].name = c->key;
		if ((rc = take_selection(b, c, &sel[nsel].node)) != VG_OK)
			return rc;
		nsel++;
	}
	for (const struct vg_yaml *c = cond->kind == VG_YAML_LIST ? cond->child : cond; c;
	     c = cond->kind == VG_YAML_LIST ? c->next : NULL) {
		size_t pipe = vg_str_chr(c->text, '|');
		vg_str text = vg_str_cut(c->text, pipe == VG_NPOS ? c->text.n : pipe);

		if (c->kind != VG_YAML_SCALAR || nalt == VG_COUNT(alt))
			return vg_build_refuse(b, VG_DIAG_CONDITION, c->line, "a condition must be text; at most %zu of them", VG_COUNT(alt));
		if (pipe != VG_NPOS) {
			if (cond->kind == VG_YAML_LIST)
				return vg_build_refuse(b, VG_DIAG_CONDITION, c->line, "an aggregation cannot stand in a list of conditions");
			*aggregation = vg_str_trim(vg_str_skip(c->text, pipe + 1));
		}
		if ((rc = vg_build_condition(b, text, c->line, sel, nsel, &alt[nalt++])) != VG_OK)
			return rc;
	}
	if (nalt == 0)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, d->line, "no condition");
	*root = nalt == 1 ? alt[0] : vg_build_node(b, VG_OP_OR, alt, nalt, VG_NIL);
	return VG_OK;
}

/* ---- heads ---- */

uint32_t
vg_build_list(struct vg_build *b, const struct vg_yaml *n, uint32_t *count)
{
	uint32_t first = VG_ROWS(b->list, struct vg_slice);

	*count = 0;
	for (const struct vg_yaml *c = n && n->kind == VG_YAML_LIST ? n->child : n && n->kind == VG_YAML_SCALAR ? n : NULL; c;
	     c = n->kind == VG_YAML_LIST ? c->next : NULL) {
		struct vg_slice s = vg_build_text(b, c->text);

		if (*count == 256)
			break;
		vg_buf_mem(&b->list, &s, sizeof(s));
		++*count;
	}
	return first;
}

static void
take_tags(struct vg_build *b, const struct vg_yaml *tags, struct vg_rule *r)
{
	bool impair = vg_tags_impair(tags);

	r->tag = VG_ROWS(b->list, struct vg_slice);
	for (const struct vg_yaml *c = tags && tags->kind == VG_YAML_LIST ? tags->child : NULL; c && r->ntag < 256; c = c->next) {
		struct vg_slice s = vg_build_tag(b, c->text, impair);

		vg_buf_mem(&b->list, &s, sizeof(s));
		r->ntag++;
	}
}

static vg_str
lower(struct vg_build *b, vg_str s)
{
	char *p = vg_arena_alloc(&b->tmp, VG_FOLD_MAX(s.n));

	return p ? vg_str_mem(p, vg_fold(s, p)) : s;
}

static const char *const statuses[] = { "", "stable", "test", "experimental", "deprecated", "unsupported" };

vg_rc
vg_build_head(struct vg_build *b, const struct vg_yaml *doc, struct vg_rule *r)
{
	const struct vg_yaml *ls = vg_yaml_get(doc, VG_STR("logsource"));
	vg_str level = vg_yaml_text(doc, "level"), status = vg_yaml_text(doc, "status"), license = vg_yaml_text(doc, "license");
	enum vg_level l = VG_LEVEL_MEDIUM;

	if (level.n && !vg_level_parse(level, &l))
		vg_build_warn(b, VG_DIAG_SCHEMA, 0, "level '%.*s' is not one; taken as medium", VG_STR_ARG(level));
	r->id = vg_build_text(b, vg_yaml_text(doc, "id"));
	r->title = vg_build_text(b, vg_yaml_text(doc, "title"));
	r->name = vg_build_text(b, vg_yaml_text(doc, "name"));
	r->author = vg_build_text(b, vg_yaml_text(doc, "author"));
	r->date = vg_build_text(b, vg_yaml_text(doc, "date"));
	r->description = vg_build_text(b, vg_yaml_text(doc, "description"));
	r->file = vg_build_text(b, b->file);
	r->line = b->line;
	if (license.n)
		r->license = vg_build_text(b, license);
	r->product = vg_build_text(b, lower(b, vg_yaml_text(ls, "product")));
	r->category = vg_build_text(b, lower(b, vg_yaml_text(ls, "category")));
	r->service = vg_build_text(b, lower(b, vg_yaml_text(ls, "service")));
	r->level = (uint8_t)l;
	for (size_t i = 0; i < VG_COUNT(statuses); i++)
		if (vg_str_eq(status, vg_str_of(statuses[i])))
			r->status = (uint8_t)i;
	take_tags(b, vg_yaml_get(doc, VG_STR("tags")), r);
	r->ref = vg_build_list(b, vg_yaml_get(doc, VG_STR("references")), &r->nref);
	r->fp = vg_build_list(b, vg_yaml_get(doc, VG_STR("falsepositives")), &r->nfp);
	r->corr = UINT32_MAX;
	if (r->title.len == 0)
		return vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "no title");
	return VG_OK;
}

const char *
vg_status_name(unsigned status)
{
	return status < VG_COUNT(statuses) ? statuses[status] : "";
}

/* Make @row findable by its id and its name.  false: the id is taken. */
static bool
publish(struct vg_build *b, uint32_t row)
{
	const struct vg_rule *r = vg_build_rule(b, row);

	if (r->id.len && vg_map_add(&b->byname, vg_build_str(b, r->id), row, NULL) != row)
		return false;
	if (r->name.len)
		(void)vg_map_add(&b->byname, vg_build_str(b, r->name), row, NULL);
	return true;
}

static void
take_base(struct vg_build *b, const struct vg_yaml *doc, vg_str license)
{
	const struct vg_yaml *d = vg_yaml_get(doc, VG_STR("detection"));
	struct vg_rule r = { .kind = VG_RULE_BASE, .flags = VG_RULE_REPORT };
	size_t mark_node = b->node.n, mark_child = b->child.n, mark_item = b->item.n, mark_value = b->value.n;
	vg_str aggregation;
	uint32_t row = VG_ROWS(b->rule, struct vg_rule);
	vg_rc rc;

	r.license = vg_build_text(b, license);
	rc = VG_OK;
	if (vg_yaml_get(doc, VG_STR("action")))
		rc = vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "'action:' (one head for several rules) is of Sigma before 1.0; write each rule in full");
	if (rc == VG_OK)
		rc = vg_build_head(b, doc, &r);
	if (rc == VG_OK && vg_yaml_get(doc, VG_STR("logsource")) == NULL)
		rc = vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "no logsource");
	if (rc == VG_OK)
		rc = vg_build_detection(b, d, &r.root, &aggregation);
	if (rc == VG_OK && r.id.len && vg_map_find(&b->byname, vg_build_str(b, r.id)) != VG_MAP_NONE)
		rc = vg_build_refuse(b, VG_DIAG_DUPLICATE, 0, "another rule has this id already; the first one is kept");
	if (rc == VG_OK && row >= VG_RULES_MAX)
		rc = vg_build_refuse(b, VG_DIAG_LIMIT, 0, "more than %d rules", VG_RULES_MAX);
	if (rc == VG_OK && aggregation.n) { /* the rule's matches only feed a correlation that carries its name */
		struct vg_rule base = r;

		base.id = base.name = (struct vg_slice){ 0, 0 };
		base.flags = VG_RULE_FED;
		vg_buf_mem(&b->rule, &base, sizeof(base));
		rc = vg_build_aggregation(b, aggregation, vg_yaml_text(d, "timeframe"), d->line, row, &r);
		if (rc == VG_OK)
			(void)publish(b, row + 1);
		else
			b->rule.n -= sizeof(base);
	} else if (rc == VG_OK) {
		vg_buf_mem(&b->rule, &r, sizeof(r));
		(void)publish(b, row);
	}
	if (rc != VG_OK) { /* take back what it left in the tables that are walked as a whole */
		if (rc == VG_E_NOMEM)
			(void)vg_build_refuse(b, VG_DIAG_LIMIT, 0, "it takes more memory than a rule may");
		b->node.n = mark_node;
		b->child.n = mark_child;
		b->item.n = mark_item;
		b->value.n = mark_value;
	}
}

/* ---- filters ---- */

/* One filter on one base rule. */
struct filtered {
	uint32_t row, node; /* node: what must not be true */
};

/* The base rule that row @row is, or is counted from; VG_MAP_NONE when it is a correlation of other rules. */
static uint32_t
base_of(struct vg_build *b, uint32_t row)
{
	if (row == VG_MAP_NONE || row >= VG_ROWS(b->rule, struct vg_rule))
		return VG_MAP_NONE;
	if (vg_build_rule(b, row)->kind == VG_RULE_BASE)
		return row;
	/* an old aggregation: its base stands before it, without a name of its own */
	return row && vg_build_rule(b, row - 1)->kind == VG_RULE_BASE && vg_build_rule(b, row - 1)->id.len == 0 &&
			       vg_build_rule(b, row - 1)->flags == VG_RULE_FED ? row - 1 : VG_MAP_NONE;
}

static bool
same_part(struct vg_build *b, struct vg_slice has, vg_str want)
{
	return want.n == 0 || has.len == 0 || vg_str_ieq(vg_build_str(b, has), want);
}

/* Rules that one filter meets. */
struct meeting {
	const struct vg_yaml *logsource;
	uint32_t node, hit;
	uint8_t *met; /* a bit a rule */
};

static void
filter_row(struct vg_build *b, struct meeting *m, uint32_t row)
{
	const struct vg_yaml *ls = m->logsource;
	const struct vg_rule *r = row == VG_MAP_NONE ? NULL : vg_build_rule(b, row);
	struct filtered f = { row, m->node };

	if (r == NULL || r->kind != VG_RULE_BASE || m->met[row / 8] >> (row % 8) & 1 || !same_part(b, r->product, vg_yaml_text(ls, "product")) ||
	    !same_part(b, r->category, vg_yaml_text(ls, "category")) || !same_part(b, r->service, vg_yaml_text(ls, "service")))
		return;
	if (VG_ROWS(b->filtered, struct filtered) >= VG_FILTERED_MAX)
		return;
	m->met[row / 8] |= (uint8_t)(1u << (row % 8));
	m->hit++;
	vg_buf_mem(&b->filtered, &f, sizeof(f));
}

/* Rules of one title follow each other. */
struct titled {
	uint32_t next; /* VG_MAP_NONE: the last */
	uint32_t last; /* of the first one: the last */
};

static void
learn_titles(struct vg_build *b)
{
	for (uint32_t i = 0; i < VG_ROWS(b->rule, struct vg_rule) && b->titled.rc == VG_OK; i++) {
		uint32_t first = vg_map_add(&b->bytitle, vg_build_str(b, vg_build_rule(b, i)->title), i, NULL);
		struct titled one = { VG_MAP_NONE, i }, *t;

		vg_buf_mem(&b->titled, &one, sizeof(one));
		t = (struct titled *)(void *)b->titled.p;
		if (first == VG_MAP_NONE) {
			b->rc = VG_E_NOMEM;
		} else if (first != i && b->titled.rc == VG_OK) {
			t[t[first].last].next = i;
			t[first].last = i;
		}
	}
	if (b->titled.rc != VG_OK)
		b->rc = b->titled.rc;
}

static void
filter_named(struct vg_build *b, struct meeting *m, vg_str name, uint32_t line)
{
	const struct titled *t = (const struct titled *)(const void *)b->titled.p;
	uint32_t row = vg_map_find(&b->byname, name);

	if (row != VG_MAP_NONE) {
		filter_row(b, m, base_of(b, row));
		return;
	}
	if ((row = vg_map_find(&b->bytitle, name)) == VG_MAP_NONE)
		vg_build_warn(b, VG_DIAG_REFERENCE, line, "no rule has the id, name or title '%.*s'", VG_STR_ARG(name));
	for (; row != VG_MAP_NONE && b->rc == VG_OK; row = t[row].next)
		filter_row(b, m, base_of(b, row));
}

static vg_rc
meet(struct vg_build *b, const struct vg_yaml *rules, struct meeting *m)
{
	if ((m->met = vg_arena_zalloc(&b->tmp, VG_ROWS(b->rule, struct vg_rule) / 8 + 1, 1)) == NULL)
		return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "it takes more memory than a filter may");
	if (rules->kind == VG_YAML_SCALAR && vg_str_ieq(rules->text, VG_STR("any"))) {
		for (uint32_t i = 0; i < VG_ROWS(b->rule, struct vg_rule); i++)
			filter_row(b, m, i);
	} else {
		for (const struct vg_yaml *c = rules->kind == VG_YAML_LIST ? rules->child : rules; c;
		     c = rules->kind == VG_YAML_LIST ? c->next : NULL)
			filter_named(b, m, c->text, c->line);
	}
	if (VG_ROWS(b->filtered, struct filtered) >= VG_FILTERED_MAX)
		return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "filters meet more than %d rules in all: some are left unfiltered", VG_FILTERED_MAX);
	if (m->hit == 0)
		vg_build_warn(b, VG_DIAG_REFERENCE, 0, "this filter meets none of the rules that are loaded");
	return VG_OK;
}

/* What a filter asks not to be true; the node bears the filter's title. */
static vg_rc
filter_root(struct vg_build *b, const struct vg_yaml *f, vg_str title, uint32_t *root)
{
	struct vg_yaml *detection = vg_arena_new(&b->tmp, struct vg_yaml), **tail;
	vg_str aggregation;
	vg_rc rc;

	if (detection == NULL)
		return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "it takes more memory than a filter may");
	*detection = *f; /* the same map without what is not a selection */
	detection->child = NULL;
	tail = &detection->child;
	for (const struct vg_yaml *c = f->child; c; c = c->next)
		if (!vg_str_eq(c->key, VG_STR("rules")) && (*tail = vg_arena_new(&b->tmp, struct vg_yaml)) != NULL) {
			**tail = *c;
			(*tail)->next = NULL;
			tail = &(*tail)->next;
		}
	rc = vg_build_detection(b, detection, root, &aggregation);
	if (rc == VG_E_NOMEM)
		return vg_build_refuse(b, VG_DIAG_LIMIT, 0, "it takes more memory than a filter may");
	if (rc == VG_OK && aggregation.n)
		return vg_build_refuse(b, VG_DIAG_CONDITION, 0, "a filter cannot count");
	if (rc == VG_OK)
		*root = vg_build_node(b, VG_OP_NOT, root, 1, title);
	return rc;
}

/* Who made it, why, and until when. */
static vg_rc
filter_head(struct vg_build *b, const struct vg_yaml *doc, struct vg_filter *f)
{
	vg_str author = vg_str_trim(vg_yaml_text(doc, "author")), reason = vg_str_trim(vg_yaml_text(doc, "description"));
	const struct vg_yaml *expires = vg_yaml_get(doc, VG_STR("expires"));

	f->id = vg_build_text(b, b->id);
	f->title = vg_build_text(b, vg_yaml_text(doc, "title"));
	f->author = vg_build_text(b, author);
	f->reason = vg_build_text(b, reason);
	f->date = vg_build_text(b, vg_yaml_text(doc, "date"));
	f->file = vg_build_text(b, b->file);
	f->line = b->line;
	f->expires_ns = INT64_MAX;
	if (b->origin == VG_ORIGIN_EXCEPTION && (author.n == 0 || reason.n == 0 || expires == NULL))
		return vg_build_refuse(b, VG_DIAG_EXCEPTION, 0, "an exception must say %s", author.n == 0 ? "who made it (author: NAME)" :
				       reason.n == 0 ? "why (description: REASON)" : "until when (expires: YYYY-MM-DD)");
	if (expires == NULL)
		return VG_OK;
	f->expires_ns = expires->kind == VG_YAML_SCALAR && expires->text.n == 10 ? vg_time_parse(expires->text, 0) : VG_TIME_NONE;
	if (f->expires_ns == VG_TIME_NONE || f->expires_ns > INT64_MAX - VG_DAY)
		return vg_build_refuse(b, VG_DIAG_EXCEPTION, expires->line, "expires must be a day, YYYY-MM-DD");
	f->expires_ns += VG_DAY; /* the day's end */
	return VG_OK;
}

/* It is a filter of the rules no more, or until its time. */
static bool
filter_lasts(struct vg_build *b, struct vg_filter *f)
{
	char day[VG_TIME_MAX];

	if (f->expires_ns == INT64_MAX)
		return true;
	f->expired = b->now_ns >= f->expires_ns;
	if (!f->expired) {
		b->valid_until_ns = f->expires_ns < b->valid_until_ns ? f->expires_ns : b->valid_until_ns;
		return true;
	}
	b->valid_from_ns = f->expires_ns > b->valid_from_ns ? f->expires_ns : b->valid_from_ns;
	vg_time_print(f->expires_ns - VG_DAY, 0, day);
	vg_build_warn(b, VG_DIAG_EXCEPTION, 0, "exception '%.*s' expired on %.10s and is not applied: remove it, or give it another day",
		      VG_STR_ARG(vg_build_str(b, f->title)), day);
	return false;
}

static void
take_filter(struct vg_build *b, const struct vg_yaml *doc)
{
	const struct vg_yaml *body = vg_yaml_get(doc, VG_STR("filter")), *rules = vg_yaml_get(body, VG_STR("rules"));
	struct meeting m = { .logsource = vg_yaml_get(doc, VG_STR("logsource")) };
	struct vg_filter f = { 0 };
	char day[VG_TIME_MAX];

	if (rules == NULL || rules->kind == VG_YAML_NULL || rules->kind == VG_YAML_MAP) {
		(void)vg_build_refuse(b, VG_DIAG_SCHEMA, 0, "a filter must name its rules, or say any");
		return;
	}
	if (filter_head(b, doc, &f) != VG_OK || filter_root(b, body, vg_yaml_text(doc, "title"), &m.node) != VG_OK)
		return;
	if (filter_lasts(b, &f)) {
		if (meet(b, rules, &m) != VG_OK)
			return;
		f.nrule = m.hit;
		vg_time_print(f.expires_ns == INT64_MAX ? 0 : f.expires_ns - VG_DAY, 0, day);
		if (b->origin == VG_ORIGIN_EXCEPTION && m.hit)
			vg_build_note(b, VG_DIAG_EXCEPTION, "exception '%.*s' of %.*s is applied to %u rule%s until %.10s: %.*s",
				      VG_STR_ARG(vg_build_str(b, f.title)), VG_STR_ARG(vg_build_str(b, f.author)), m.hit, m.hit == 1 ? "" : "s", day,
				      VG_STR_ARG(vg_build_str(b, f.reason)));
	}
	vg_buf_mem(&b->filter, &f, sizeof(f));
}

static int
filtered_cmp(const void *x, const void *y)
{
	const struct filtered *a = x, *b = y;

	return a->row != b->row ? (a->row > b->row) - (a->row < b->row) : (a->node > b->node) - (a->node < b->node);
}

/* Each rule and not its filters, all of them in one node. */
static void
put_filters(struct vg_build *b)
{
	struct filtered *f = (struct filtered *)(void *)b->filtered.p;
	uint32_t n = VG_ROWS(b->filtered, struct filtered);

	if (b->filtered.rc != VG_OK)
		b->rc = b->filtered.rc;
	if (n == 0 || b->rc != VG_OK)
		return;
	qsort(f, n, sizeof(*f), filtered_cmp);
	for (uint32_t i = 0, j; i < n; i = j) {
		struct vg_rule *r = vg_build_rule(b, f[i].row);
		struct vg_buf part = { 0 };

		vg_buf_mem(&part, &r->root, sizeof(r->root));
		for (j = i; j < n && f[j].row == f[i].row; j++)
			if (j == i || f[j].node != f[j - 1].node)
				vg_buf_mem(&part, &f[j].node, sizeof(f[j].node));
		r->nfilter = VG_ROWS(part, uint32_t) - 1;
		if (r->flags == VG_RULE_FED && f[i].row + 1 < VG_ROWS(b->rule, struct vg_rule) && base_of(b, f[i].row + 1) == f[i].row)
			r[1].nfilter = r->nfilter; /* the count that carries its name */
		if (part.rc == VG_OK)
			r->root = vg_build_node(b, VG_OP_AND, (const uint32_t *)(void *)part.p, VG_ROWS(part, uint32_t), VG_NIL);
		else
			b->rc = part.rc;
		vg_buf_fini(&part);
	}
}

/* ---- the whole ---- */

enum pass { PASS_BASE, PASS_FILTER, PASS_CORRELATION };

static void
take_document(struct vg_build *b, const struct vg_yaml *doc, vg_str license, enum pass pass, bool *later)
{
	const struct vg_yaml *corr, *filter;
	struct vg_rule head = { .kind = VG_RULE_CORRELATION };

	b->refused = false;
	b->nvalue = 0;
	b->line = doc->line;
	b->id = vg_yaml_text(doc, "id");
	if (doc->kind == VG_YAML_NULL)
		return;
	if (doc->kind != VG_YAML_MAP) {
		if (pass == PASS_BASE)
			(void)vg_build_refuse(b, VG_DIAG_SCHEMA, doc->line, "a rule must be a map");
		return;
	}
	corr = vg_yaml_get(doc, VG_STR("correlation"));
	filter = vg_yaml_get(doc, VG_STR("filter"));
	if (pass == PASS_BASE) {
		if (b->origin == VG_ORIGIN_EXCEPTION && filter == NULL)
			(void)vg_build_refuse(b, VG_DIAG_EXCEPTION, 0, "a folder of exceptions holds filters and nothing else");
		else if (corr || filter)
			*later = true;
		else
			take_base(b, doc, license);
	} else if (pass == PASS_FILTER && filter) {
		take_filter(b, doc);
	} else if (pass == PASS_CORRELATION && corr && b->origin != VG_ORIGIN_EXCEPTION) {
		size_t mark = b->diag.n;
		vg_str place = vg_arena_printf(&b->tmp, "\001%zu:%u", b->ntext, b->line); /* no id begins so */

		if (vg_map_find(&b->byname, place) != VG_MAP_NONE) /* loaded in a round before */
			return;
		if (b->id.n && vg_map_find(&b->byname, b->id) != VG_MAP_NONE) {
			(void)vg_build_refuse(b, VG_DIAG_DUPLICATE, 0, "another rule has this id already; the first one is kept");
			if (*later)
				b->diag.n = mark;
			return;
		}
		head.license = vg_build_text(b, license);
		if (vg_build_head(b, doc, &head) == VG_OK && vg_build_correlation(b, doc, &head, later) == VG_OK) {
			(void)publish(b, VG_ROWS(b->rule, struct vg_rule) - 1);
			(void)vg_map_add(&b->byname, place, VG_ROWS(b->rule, struct vg_rule) - 1, NULL);
		} else if (*later)
			b->diag.n = mark; /* told in the last round, if it does not load then */
	}
}

static void
take_text(struct vg_build *b, const struct vg_rule_text *t, enum pass pass, bool *later)
{
	struct vg_yaml *doc;
	struct vg_yaml_error err;

	vg_arena_reset(&b->tmp);
	b->file = t->path;
	b->id = VG_NIL;
	b->refused = false;
	if (vg_yaml_parse(t->yaml, &b->tmp, &doc, &err) != VG_OK) {
		b->line = err.line;
		if (pass == PASS_BASE)
			(void)vg_build_refuse(b, VG_DIAG_YAML, err.line, "not YAML that can be read: %s", err.text);
		return;
	}
	for (; doc; doc = doc->next)
		take_document(b, doc, t->license, pass, later);
}

static void
fini(struct vg_build *b)
{
	struct vg_buf *all[] = { &b->text, &b->key, &b->rule, &b->node, &b->child, &b->item, &b->value, &b->corr, &b->refs,
				 &b->groupby, &b->need, &b->list, &b->diag, &b->filtered, &b->filter, &b->titled };

	for (size_t i = 0; i < VG_COUNT(all); i++)
		vg_buf_fini(all[i]);
	vg_map_fini(&b->strings);
	vg_map_fini(&b->byname);
	vg_map_fini(&b->bytitle);
	vg_map_fini(&b->items);
	vg_arena_fini(&b->tmp);
	vg_arena_fini(&b->scratch);
	vg_keys_free(b->keys);
}

static void
open_text(struct vg_build *b, const struct vg_rules_options *o, size_t i)
{
	b->ntext = i;
	b->origin = o->origin ? (enum vg_origin)o->origin[i] : VG_ORIGIN_SHIPPED;
}

/* A correlation may stand on others: again while the round before made one more. */
static void
take_correlations(struct vg_build *b, const struct vg_rule_text *text, const struct vg_rules_options *o, const uint32_t *late, size_t nlate)
{
	bool later = true;

	for (unsigned round = 0; later && round <= VG_CHAIN_MAX + 1; round++) {
		size_t before = b->rule.n;

		later = round <= VG_CHAIN_MAX;
		for (size_t i = 0; i < nlate; i++) {
			open_text(b, o, late[i]);
			take_text(b, &text[late[i]], PASS_CORRELATION, &later);
		}
		if (b->rule.n != before || !later)
			continue;
		later = false; /* nothing new: what is left is told */
		for (size_t i = 0; i < nlate; i++) {
			open_text(b, o, late[i]);
			take_text(b, &text[late[i]], PASS_CORRELATION, &later);
		}
		break;
	}
}

vg_rc
vg_rules_compile_with(const struct vg_rule_text *text, size_t ntext, const struct vg_rules_options *o, struct vg_buf *out)
{
	struct vg_build b = { .keys = vg_keys_new(), .var = o->var, .nvar = o->nvar, .now_ns = o->now_ns, .valid_from_ns = INT64_MIN,
			      .valid_until_ns = INT64_MAX };
	uint32_t *late = NULL;
	size_t nlate = 0;
	bool later = true;
	vg_rc rc = VG_E_NOMEM;

	vg_map_init(&b.strings, (size_t)512 << 20);
	vg_map_init(&b.byname, (size_t)64 << 20);
	vg_map_init(&b.bytitle, (size_t)64 << 20);
	vg_map_init(&b.items, (size_t)256 << 20);
	vg_arena_init(&b.tmp, TMP_BYTES);
	vg_arena_init(&b.scratch, SCRATCH_BYTES);
	if (b.keys == NULL || (late = malloc((ntext + 1) * sizeof(*late))) == NULL)
		goto out;
	for (size_t i = 0; i < ntext; i++) {
		bool more = false;

		open_text(&b, o, i);
		take_text(&b, &text[i], PASS_BASE, &more);
		if (more)
			late[nlate++] = (uint32_t)i;
	}
	if (nlate)
		learn_titles(&b);
	for (size_t i = 0; i < nlate; i++) {
		open_text(&b, o, late[i]);
		take_text(&b, &text[late[i]], PASS_FILTER, &later);
	}
	put_filters(&b);
	take_correlations(&b, text, o, late, nlate);
	vg_build_finish_correlations(&b);
	rc = b.rc != VG_OK ? b.rc : vg_program_write(&b, out);
out:
	free(late);
	fini(&b);
	return rc;
}

vg_rc
vg_rules_compile(const struct vg_rule_text *text, size_t ntext, const struct vg_rule_var *var, size_t nvar, struct vg_buf *out)
{
	return vg_rules_compile_with(text, ntext, &(struct vg_rules_options){ .var = var, .nvar = nvar }, out);
}
