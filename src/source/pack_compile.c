#include "source/pack.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf.h"
#include "base/yaml.h"
#include "source/pack_ir.h"

struct comp {
	struct vg_arena a;
	vg_str path;
	const struct vg_yaml *root;
	struct vg_pk_pack pack;
	vg_str product;               /* of log sources that name none */
	const struct vg_yaml *empty;  /* values that say nothing */
	void (*problem)(void *ctx, const struct vg_pack_problem *p);
	void *ctx;
	bool bad;
};

static void wrong(struct comp *c, uint32_t line, const char *fmt, ...) VG_PRINTF(3, 4);
static void
wrong(struct comp *c, uint32_t line, const char *fmt, ...)
{
	struct vg_pack_problem p = { .path = c->path, .line = line };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p.text, sizeof(p.text), fmt, ap);
	va_end(ap);
	c->bad = true;
	if (c->problem)
		c->problem(c->ctx, &p);
}

/* Room for @n entries, of which there is at least one so that it is never NULL but when memory is out. */
static void *
room(struct comp *c, const struct vg_yaml *at, size_t n, size_t size)
{
	void *p = n > VG_PK_LIST_MAX ? NULL : vg_arena_zalloc(&c->a, n ? n : 1, size);

	if (p == NULL)
		wrong(c, at ? at->line : 0, n > VG_PK_LIST_MAX ? "the list is too long" : "out of memory");
	return p;
}

static void
known_keys(struct comp *c, const struct vg_yaml *m, const char *const *keys)
{
	if (m->kind != VG_YAML_MAP) {
		wrong(c, m->line, "a map is wanted here");
		return;
	}
	for (const struct vg_yaml *v = m->child; v; v = v->next) {
		const char *const *k = keys;

		while (*k && !vg_str_eq(v->key, vg_str_of(*k)))
			k++;
		if (*k == NULL)
			wrong(c, v->line, "no such key: %.*s", VG_STR_ARG(v->key));
	}
}

/* A scalar, or a list of them. */
static uint16_t
strs(struct comp *c, const struct vg_yaml *n, vg_str **out)
{
	uint32_t count = n == NULL ? 0 : n->kind == VG_YAML_LIST ? n->nchild : 1;
	vg_str *list;

	*out = NULL;
	if (count == 0 || (list = room(c, n, count, sizeof(*list))) == NULL)
		return 0;
	if (n->kind == VG_YAML_LIST)
		n = n->child;
	for (uint32_t i = 0; i < count; i++) {
		const struct vg_yaml *v = n;

		n = n->next;
		if (v->kind == VG_YAML_SCALAR)
			list[i] = v->text;
		else if (v->kind != VG_YAML_NULL)
			wrong(c, v->line, "text is wanted here");
	}
	*out = list;
	return (uint16_t)count;
}

static void
all_of(struct comp *c, const struct vg_yaml *m, struct vg_pk_all *out)
{
	static const struct {
		vg_str name;
		uint8_t what;
	} special[] = {
		{ VG_STR_INIT("program"), VG_PK_CHANNEL }, { VG_STR_INIT("channel"), VG_PK_CHANNEL },
		{ VG_STR_INIT("provider"), VG_PK_PROVIDER }, { VG_STR_INIT("code"), VG_PK_CODE },
	};

	*out = (struct vg_pk_all){ 0 };
	if (m == NULL)
		return;
	if (m->kind != VG_YAML_MAP) {
		wrong(c, m->line, "conditions are a map: name: value");
		return;
	}
	if ((out->cond = room(c, m, m->nchild, sizeof(*out->cond))) == NULL)
		return;
	for (const struct vg_yaml *v = m->child; v; v = v->next) {
		struct vg_pk_cond *d = &out->cond[out->ncond++];
		vg_str name = v->key, not = VG_STR("|not");

		if (vg_str_ends(name, not)) {
			d->negate = 1;
			name = vg_str_cut(name, name.n - not.n);
		}
		d->name = name;
		for (size_t s = 0; s < VG_COUNT(special); s++)
			if (vg_str_eq(name, special[s].name))
				d->what = special[s].what;
		if (vg_str_chr(name, '|') != VG_NPOS)
			wrong(c, v->line, "only |not can follow a name");
		d->nvalue = strs(c, v, &d->value);
		if (d->nvalue == 0)
			wrong(c, v->line, "a condition needs a value; ~ stands for none");
	}
}

static uint16_t
sets(struct comp *c, const struct vg_yaml *m, struct vg_pk_set **out)
{
	struct vg_pk_set *list;
	uint16_t n = 0;

	*out = NULL;
	if (m == NULL)
		return 0;
	if (m->kind != VG_YAML_MAP) {
		wrong(c, m->line, "constants are a map: name: value");
		return 0;
	}
	if ((list = room(c, m, m->nchild, sizeof(*list))) == NULL)
		return 0;
	for (const struct vg_yaml *v = m->child; v; v = v->next) {
		if (v->kind != VG_YAML_SCALAR)
			wrong(c, v->line, "text is wanted here");
		list[n].name = v->key;
		list[n++].value = v->text;
	}
	*out = list;
	return n;
}

/* "name", or "name[last]". */
static struct vg_pk_part
field_part(vg_str s)
{
	vg_str last = VG_STR("[last]");

	if (vg_str_ends(s, last))
		return (struct vg_pk_part){ .field = 2, .text = vg_str_cut(s, s.n - last.n) };
	return (struct vg_pk_part){ .field = 1, .text = s };
}

/* "field", or a template: "{a}/{b}". */
static void
expr(struct comp *c, const struct vg_yaml *at, vg_str s, struct vg_pk_expr *out)
{
	size_t n = 1;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '{' ? 2 : 0;
	if ((out->part = room(c, at, n, sizeof(*out->part))) == NULL)
		return;
	if (s.n == 0)
		wrong(c, at->line, "the name of a field is wanted here");
	if (n == 1) {
		out->part[out->npart++] = field_part(s);
		return;
	}
	while (s.n) {
		size_t open = vg_str_chr(s, '{'), close;

		if (open) {
			out->part[out->npart++].text = vg_str_cut(s, open);
			s = vg_str_skip(s, open);
			continue;
		}
		if ((close = vg_str_chr(s, '}')) == VG_NPOS || close == 1) {
			wrong(c, at->line, "{ without a name and }");
			return;
		}
		out->part[out->npart++] = field_part(vg_str_cut(vg_str_skip(s, 1), close - 1));
		s = vg_str_skip(s, close + 1);
	}
}

static uint16_t
exprs(struct comp *c, const struct vg_yaml *n, struct vg_pk_expr **out)
{
	vg_str *text;
	uint16_t count = strs(c, n, &text);

	if ((*out = room(c, n, count, sizeof(**out))) == NULL)
		return 0;
	for (uint16_t i = 0; i < count; i++)
		expr(c, n, text[i], &(*out)[i]);
	return count;
}

static const struct {
	vg_str name;
	uint8_t as;
} ways[] = {
	{ VG_STR_INIT("int"), VG_PK_AS_INT }, { VG_STR_INIT("lower"), VG_PK_AS_LOWER },
	{ VG_STR_INIT("upper"), VG_PK_AS_UPPER }, { VG_STR_INIT("dos-path"), VG_PK_AS_DOSPATH },
	{ VG_STR_INIT("registry"), VG_PK_AS_REGISTRY }, { VG_STR_INIT("ip"), VG_PK_AS_IP },
	{ VG_STR_INIT("basename"), VG_PK_AS_BASENAME }, { VG_STR_INIT("hex-text"), VG_PK_AS_HEXTEXT },
	{ VG_STR_INIT("before-at"), VG_PK_AS_BEFORE_AT }, { VG_STR_INIT("after-at"), VG_PK_AS_AFTER_AT },
	{ VG_STR_INIT("after-backslash"), VG_PK_AS_AFTER_BACKSLASH },
	{ VG_STR_INIT("before-backslash"), VG_PK_AS_BEFORE_BACKSLASH }, { VG_STR_INIT("dword"), VG_PK_AS_DWORD },
};

static void
one_name(struct comp *c, const struct vg_yaml *n, struct vg_pk_name *out)
{
	static const char *const keys[] = { "from", "as", "map", "strict", "unless", "when", NULL };
	const struct vg_yaml *from = n, *unless = c->empty, *v;
	vg_str text;
	bool strict = false;

	out->name = n->key;
	if (n->kind == VG_YAML_MAP) {
		known_keys(c, n, keys);
		from = vg_yaml_get(n, VG_STR("from"));
		if ((v = vg_yaml_get(n, VG_STR("unless"))))
			unless = v;
		if ((text = vg_yaml_text(n, "as")).n) {
			for (size_t i = 0; i < VG_COUNT(ways); i++)
				if (vg_str_eq(text, ways[i].name))
					out->as = ways[i].as;
			if (out->as == VG_PK_AS_IS)
				wrong(c, n->line, "as: no such way: %.*s", VG_STR_ARG(text));
		}
		if ((text = vg_yaml_text(n, "map")).n) {
			for (uint16_t i = 0; i < c->pack.nmap; i++)
				if (vg_str_eq(text, c->pack.map[i].name))
					out->map = (uint16_t)(i + 1);
			if (out->map == 0)
				wrong(c, n->line, "map: the pack has none named %.*s", VG_STR_ARG(text));
		}
		if ((v = vg_yaml_get(n, VG_STR("strict"))) && !vg_yaml_bool(v, &strict))
			wrong(c, v->line, "strict is true or false");
		out->strict = strict;
		all_of(c, vg_yaml_get(n, VG_STR("when")), &out->when);
	}
	if (from == NULL) {
		wrong(c, n->line, "from: is missing");
		return;
	}
	out->nfrom = exprs(c, from, &out->from);
	out->nunless = strs(c, unless, &out->unless);
}

static uint16_t
names(struct comp *c, const struct vg_yaml *m, struct vg_pk_name **out)
{
	struct vg_pk_name *list;
	uint16_t n = 0;

	*out = NULL;
	if (m == NULL)
		return 0;
	if (m->kind != VG_YAML_MAP) {
		wrong(c, m->line, "names are a map: ECS name: field");
		return 0;
	}
	if ((list = room(c, m, m->nchild, sizeof(*list))) == NULL)
		return 0;
	for (const struct vg_yaml *v = m->child; v; v = v->next)
		one_name(c, v, &list[n++]);
	*out = list;
	return n;
}

/* { category: c, service: s }, or a list; category may be a list: one log source each. */
static uint16_t
logsources(struct comp *c, const struct vg_yaml *n, struct vg_logsource **out)
{
	static const char *const keys[] = { "product", "category", "service", NULL };
	uint32_t count = n == NULL ? 0 : n->kind == VG_YAML_LIST ? n->nchild : 1;
	uint16_t total = 0;
	struct vg_logsource *list;

	*out = NULL;
	if (count == 0 || (list = room(c, n, (size_t)count * 8, sizeof(*list))) == NULL)
		return 0;
	if (n->kind == VG_YAML_LIST)
		n = n->child;
	for (uint32_t i = 0; i < count; i++, n = n->next) {
		const struct vg_yaml *m = n, *product;
		vg_str *category;
		uint16_t ncat;

		known_keys(c, m, keys);
		ncat = strs(c, vg_yaml_get(m, VG_STR("category")), &category);
		if (ncat > 8) {
			wrong(c, m->line, "too many categories");
			ncat = 8;
		}
		product = vg_yaml_get(m, VG_STR("product"));
		for (uint16_t j = 0; j < (ncat ? ncat : 1); j++)
			list[total++] = (struct vg_logsource){
				.product = product ? product->text : c->product,
				.category = ncat ? category[j] : VG_NIL,
				.service = vg_yaml_text(m, "service"),
			};
	}
	*out = list;
	return total;
}

static void
one_pattern(struct comp *c, const struct vg_yaml *n, struct vg_pk_pattern *out)
{
	static const char *const keys[] = { "text", "set", NULL };
	const char *why;
	vg_str text = n->text;

	if (n->kind != VG_YAML_SCALAR) {
		known_keys(c, n, keys);
		text = vg_yaml_text(n, "text");
		out->nset = sets(c, vg_yaml_get(n, VG_STR("set")), &out->set);
	}
	if (text.n == 0)
		wrong(c, n->line, "a pattern needs a text");
	else if (vg_pk_pattern_parse(text, &c->a, out, &why) != VG_OK)
		wrong(c, n->line, "pattern: %s", why);
}

static void
columns(struct comp *c, const struct vg_yaml *n, struct vg_pk_step *out)
{
	vg_str *name;
	uint16_t count = strs(c, n, &name);

	if ((out->column = room(c, n, count, sizeof(*out->column))) == NULL)
		return;
	for (uint16_t i = 0; i < count; i++)
		out->column[i].name = name[i];
	out->ncolumn = count;
	if (count == 0)
		wrong(c, n ? n->line : 0, "csv needs columns");
}

static void
one_step(struct comp *c, const struct vg_yaml *n, struct vg_pk_step *out)
{
	static const char *const keys[] = { "mode", "field", "separator", "prefix", "columns", "patterns", "when", NULL };
	static const vg_str modes[] = { VG_STR_INIT("patterns"), VG_STR_INIT("kv"), VG_STR_INIT("csv"),
		VG_STR_INIT("json"), VG_STR_INIT("cef"), VG_STR_INIT("leef") };
	const struct vg_yaml *list;
	vg_str text;

	known_keys(c, n, keys);
	text = vg_yaml_text(n, "mode");
	if (text.n == 0)
		text = modes[VG_PK_PATTERNS];
	out->mode = VG_PK_MODES;
	for (uint8_t i = 0; i < VG_PK_MODES; i++)
		if (vg_str_eq(text, modes[i]))
			out->mode = i;
	if (out->mode == VG_PK_MODES) {
		wrong(c, n->line, "mode: patterns, kv, csv, json, cef, leef");
		return;
	}
	out->field = vg_yaml_text(n, "field");
	if (out->field.n == 0)
		out->field = VG_STR("message");
	out->prefix = vg_yaml_text(n, "prefix");
	text = vg_yaml_text(n, "separator");
	if (text.n > 1 || (text.n && (uint8_t)text.p[0] > 127))
		wrong(c, n->line, "separator: one ASCII character");
	else if (text.n)
		out->sep = (uint8_t)text.p[0];
	all_of(c, vg_yaml_get(n, VG_STR("when")), &out->when);
	if (out->mode == VG_PK_CSV)
		columns(c, vg_yaml_get(n, VG_STR("columns")), out);
	if (out->mode != VG_PK_PATTERNS)
		return;
	list = vg_yaml_get(n, VG_STR("patterns"));
	if (list == NULL || list->kind != VG_YAML_LIST) {
		wrong(c, n->line, "patterns: a list is wanted");
		return;
	}
	if ((out->pattern = room(c, list, list->nchild, sizeof(*out->pattern))) == NULL)
		return;
	for (const struct vg_yaml *v = list->child; v; v = v->next)
		one_pattern(c, v, &out->pattern[out->npattern++]);
}

static void
one_time(struct comp *c, const struct vg_yaml *n, struct vg_pk_time *out)
{
	static const char *const keys[] = { "field", "format", NULL };
	vg_str field;

	known_keys(c, n, keys);
	field = vg_yaml_text(n, "field");
	expr(c, n, field, &out->from);
	out->format = vg_yaml_text(n, "format");
	if (out->format.n == 0)
		out->format = VG_STR("iso");
}

static void
one_kind(struct comp *c, const struct vg_yaml *n, struct vg_pk_kind *out)
{
	static const char *const keys[] = { "channel", "code", "when", "logsource", "set", "names", NULL };

	known_keys(c, n, keys);
	out->nchannel = strs(c, vg_yaml_get(n, VG_STR("channel")), &out->channel);
	out->ncode = strs(c, vg_yaml_get(n, VG_STR("code")), &out->code);
	for (uint16_t i = 0; i < out->nchannel; i++)
		if (out->channel[i].n > VG_PK_NAME_MAX || vg_str_chr(out->channel[i], '*') != VG_NPOS)
			wrong(c, n->line, "channel: a whole name, at most 255 bytes");
	for (uint16_t i = 0; i < out->ncode; i++)
		if (out->code[i].n > VG_PK_NAME_MAX || vg_str_chr(out->code[i], '*') != VG_NPOS)
			wrong(c, n->line, "code: a whole one, at most 255 bytes");
	all_of(c, vg_yaml_get(n, VG_STR("when")), &out->when);
	out->ntuple = logsources(c, vg_yaml_get(n, VG_STR("logsource")), &out->tuple);
	out->nset = sets(c, vg_yaml_get(n, VG_STR("set")), &out->set);
	out->nname = names(c, vg_yaml_get(n, VG_STR("names")), &out->name);
}

static void
maps(struct comp *c, const struct vg_yaml *m)
{
	if (m == NULL)
		return;
	if (m->kind != VG_YAML_MAP) {
		wrong(c, m->line, "maps: name: { value: what it means }");
		return;
	}
	if ((c->pack.map = room(c, m, m->nchild, sizeof(*c->pack.map))) == NULL)
		return;
	for (const struct vg_yaml *v = m->child; v; v = v->next) {
		struct vg_pk_map *map = &c->pack.map[c->pack.nmap++];

		map->name = v->key;
		map->npair = sets(c, v, &map->pair);
	}
}

/* The list of @key, each entry through its own function. */
#define EACH(c, key, member, count, one)                                                              \
	do {                                                                                          \
		const struct vg_yaml *list_ = vg_yaml_get((c)->root, VG_STR(key));                    \
		if (list_ == NULL)                                                                    \
			break;                                                                        \
		if (list_->kind != VG_YAML_LIST) {                                                    \
			wrong((c), list_->line, key ": a list is wanted");                            \
			break;                                                                        \
		}                                                                                     \
		(c)->pack.member = room((c), list_, (size_t)list_->nchild + 1, sizeof(*(c)->pack.member)); \
		for (const struct vg_yaml *v_ = list_->child; (c)->pack.member && v_; v_ = v_->next)  \
			one((c), v_, &(c)->pack.member[(c)->pack.count++]);                           \
	} while (0)

static void
compile(struct comp *c)
{
	static const char *const keys[] = { "name", "title", "references", "product", "fallback", "empty", "recognise",
		"maps", "parse", "time", "logsource", "set", "names", "kinds", "samples", NULL };
	const struct vg_yaml *v;
	struct vg_pk_kind common = { 0 };
	bool fallback = false;

	known_keys(c, c->root, keys);
	c->pack.name = vg_yaml_text(c->root, "name");
	c->pack.title = vg_yaml_text(c->root, "title");
	c->product = vg_yaml_text(c->root, "product");
	c->empty = vg_yaml_get(c->root, VG_STR("empty"));
	if (c->pack.name.n == 0)
		wrong(c, c->root->line, "a pack needs a name");
	if ((v = vg_yaml_get(c->root, VG_STR("fallback"))) && !vg_yaml_bool(v, &fallback))
		wrong(c, v->line, "fallback is true or false");
	c->pack.fallback = fallback;
	EACH(c, "recognise", recognise, nrecognise, all_of);
	if (c->pack.nrecognise == 0)
		wrong(c, c->root->line, "a pack needs recognise: a list of conditions");
	maps(c, vg_yaml_get(c->root, VG_STR("maps")));
	EACH(c, "parse", step, nstep, one_step);
	EACH(c, "time", time, ntime, one_time);
	EACH(c, "kinds", kind, nkind, one_kind);
	common.ntuple = logsources(c, vg_yaml_get(c->root, VG_STR("logsource")), &common.tuple);
	common.nset = sets(c, vg_yaml_get(c->root, VG_STR("set")), &common.set);
	common.nname = names(c, vg_yaml_get(c->root, VG_STR("names")), &common.name);
	if (common.ntuple || common.nset || common.nname) { /* after the kinds, which know more */
		if (c->pack.kind == NULL && (c->pack.kind = room(c, c->root, 1, sizeof(*c->pack.kind))) == NULL)
			return;
		c->pack.kind[c->pack.nkind++] = common;
	}
}

/* Does a blob of this pack alone load?  Limits that no one line is to blame for show here. */
static vg_rc
trial(const struct vg_pk_pack *pack)
{
	struct vg_buf b = { 0 };
	struct vg_keys *keys = vg_keys_new();
	struct vg_packs *p = NULL;
	vg_rc rc = VG_E_NOMEM;

	vg_buf_le32(&b, VG_PK_MAGIC);
	vg_buf_le32(&b, VG_PK_VERSION);
	vg_buf_le32(&b, 1);
	vg_pk_encode(pack, &b);
	if (keys && b.rc == VG_OK)
		rc = vg_packs_load(vg_buf_str(&b), keys, &p);
	vg_packs_free(p);
	vg_keys_free(keys);
	vg_buf_fini(&b);
	return rc;
}

/* Compile one text and write it to @out; false when it is left out. */
static bool
compile_one(const struct vg_pack_text *text, struct vg_buf *out,
	    void (*problem)(void *ctx, const struct vg_pack_problem *p), void *ctx)
{
	struct comp *c = calloc(1, sizeof(*c));
	struct vg_yaml_error err = { 0 };
	struct vg_yaml *root = NULL;
	bool ok;
	vg_rc rc;

	if (c == NULL) {
		out->rc = VG_E_NOMEM;
		return false;
	}
	c->path = text->path;
	c->problem = problem;
	c->ctx = ctx;
	vg_arena_init(&c->a, VG_PK_MEMORY_MAX);
	if (!vg_utf8_valid(text->yaml)) /* libfyaml 0.7.12 does not come back from "%a \xff" */
		wrong(c, 1, "a pack is UTF-8");
	else if (vg_yaml_parse(text->yaml, &c->a, &root, &err) != VG_OK)
		wrong(c, err.line, "%s", err.text);
	else if (root == NULL || root->kind != VG_YAML_MAP)
		wrong(c, 1, "a pack is a YAML map");
	if (!c->bad) {
		c->root = root;
		compile(c);
	}
	if (!c->bad && (rc = trial(&c->pack)) != VG_OK)
		wrong(c, root->line, "the pack is over a limit (%s): too many kinds, channels or conditional log sources",
		      vg_rc_name(rc));
	ok = !c->bad;
	if (ok)
		vg_pk_encode(&c->pack, out);
	vg_arena_fini(&c->a);
	free(c);
	return ok;
}

vg_rc
vg_packs_compile(const struct vg_pack_text *text, size_t n, struct vg_buf *out,
		 void (*problem)(void *ctx, const struct vg_pack_problem *p), void *ctx)
{
	struct vg_buf body = { 0 };
	uint32_t count = 0;
	vg_rc rc;

	if (n > VG_PK_PACKS_MAX)
		return VG_E_LIMIT;
	for (size_t i = 0; i < n && body.rc == VG_OK; i++)
		count += compile_one(&text[i], &body, problem, ctx);
	vg_buf_le32(out, VG_PK_MAGIC);
	vg_buf_le32(out, VG_PK_VERSION);
	vg_buf_le32(out, count);
	vg_buf_put(out, vg_buf_str(&body));
	rc = body.rc != VG_OK ? body.rc : out->rc;
	vg_buf_fini(&body);
	return rc;
}
