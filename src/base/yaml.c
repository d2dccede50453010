#include "base/yaml.h"

#include <libfyaml.h>
#include <stdio.h>

/* An open list or map while events come. */
struct frame {
	struct vg_yaml *node, *last;
	bool want_key; /* of a map: the next scalar is a key */
	vg_str key;
	uint32_t key_line;
};

struct loader {
	struct vg_arena *a;
	struct vg_yaml_error *err;
	struct frame frame[VG_YAML_DEPTH_MAX];
	size_t depth;
	uint32_t nodes;
	struct vg_yaml *first, *tail; /* roots */
};

static vg_rc
fail(struct loader *l, vg_rc rc, const struct fy_mark *at, const char *what)
{
	l->err->line = at && at->line >= 0 ? (uint32_t)at->line + 1 : 0;
	l->err->column = at && at->column >= 0 ? (uint32_t)at->column + 1 : 0;
	snprintf(l->err->text, sizeof(l->err->text), "%s", what);
	return rc;
}

static bool
is_null(vg_str t)
{
	return t.n == 0 || vg_str_eq(t, VG_STR("~")) || vg_str_eq(t, VG_STR("null")) || vg_str_eq(t, VG_STR("Null")) ||
	       vg_str_eq(t, VG_STR("NULL"));
}

/* A new node in its place: child of the open list or map, or root. */
static vg_rc
place(struct loader *l, enum vg_yaml_kind kind, const struct fy_mark *at, struct vg_yaml **out)
{
	struct vg_yaml *n;

	if (++l->nodes > VG_YAML_NODES_MAX)
		return fail(l, VG_E_LIMIT, at, "too many values in one text");
	if ((n = vg_arena_new(l->a, struct vg_yaml)) == NULL)
		return fail(l, VG_E_NOMEM, at, "out of memory");
	n->kind = kind;
	n->line = at ? (uint32_t)at->line + 1 : 0;
	if (l->depth == 0) {
		if (l->tail)
			l->tail->next = n;
		else
			l->first = n;
		l->tail = n;
	} else {
		struct frame *f = &l->frame[l->depth - 1];

		if (f->node->kind == VG_YAML_MAP) {
			n->key = f->key;
			n->line = f->key_line;
			f->want_key = true;
		}
		if (f->last)
			f->last->next = n;
		else
			f->node->child = n;
		f->last = n;
		f->node->nchild++;
	}
	*out = n;
	return VG_OK;
}

static vg_rc
open_node(struct loader *l, enum vg_yaml_kind kind, const struct fy_mark *at)
{
	struct vg_yaml *n;
	vg_rc rc;

	if (l->depth && l->frame[l->depth - 1].want_key)
		return fail(l, VG_E_FORMAT, at, "a key must be plain text, not a list or a map");
	if (l->depth == VG_YAML_DEPTH_MAX)
		return fail(l, VG_E_LIMIT, at, "nested too deep");
	if ((rc = place(l, kind, at, &n)) != VG_OK)
		return rc;
	l->frame[l->depth++] = (struct frame){ .node = n, .want_key = kind == VG_YAML_MAP };
	return VG_OK;
}

static vg_rc
take_key(struct loader *l, struct frame *f, vg_str text, const struct fy_mark *at)
{
	unsigned seen = 0;

	for (const struct vg_yaml *c = f->node->child; c; c = c->next) {
		if (vg_str_eq(c->key, text))
			return fail(l, VG_E_FORMAT, at, "the same key stands twice in one map");
		if (++seen > 4096)
			return fail(l, VG_E_LIMIT, at, "too many keys in one map");
	}
	f->key = vg_str_dup(l->a, text);
	f->key_line = at ? (uint32_t)at->line + 1 : 0;
	f->want_key = false;
	return f->key.p ? VG_OK : fail(l, VG_E_NOMEM, at, "out of memory");
}

static vg_rc
scalar(struct loader *l, struct fy_token *tok)
{
	const struct fy_mark *at = tok ? fy_token_start_mark(tok) : NULL;
	enum fy_scalar_style style = tok ? fy_scalar_token_get_style(tok) : FYSS_PLAIN;
	size_t len = 0;
	const char *p = tok ? fy_token_get_text(tok, &len) : NULL;
	vg_str text = p ? vg_str_mem(p, len) : VG_NIL;
	struct frame *f = l->depth ? &l->frame[l->depth - 1] : NULL;
	struct vg_yaml *n;
	bool quoted = tok && style != FYSS_PLAIN && style != FYSS_ANY;
	vg_rc rc;

	if (f && f->node->kind == VG_YAML_MAP && f->want_key)
		return take_key(l, f, text, at);
	rc = place(l, !quoted && is_null(text) ? VG_YAML_NULL : VG_YAML_SCALAR, at, &n);
	if (rc != VG_OK)
		return rc;
	n->quoted = quoted;
	n->text = vg_str_dup(l->a, text);
	return n->text.p ? VG_OK : fail(l, VG_E_NOMEM, at, "out of memory");
}

static vg_rc
take(struct loader *l, struct fy_event *e)
{
	switch (e->type) {
	case FYET_SCALAR:
		return scalar(l, e->scalar.value);
	case FYET_SEQUENCE_START:
		return open_node(l, VG_YAML_LIST, e->sequence_start.sequence_start ?
				 fy_token_start_mark(e->sequence_start.sequence_start) : NULL);
	case FYET_MAPPING_START:
		return open_node(l, VG_YAML_MAP, e->mapping_start.mapping_start ?
				 fy_token_start_mark(e->mapping_start.mapping_start) : NULL);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		if (l->depth)
			l->depth--;
		return VG_OK;
	case FYET_ALIAS:
		/* no pack or rule needs them, and they make small texts large */
		return fail(l, VG_E_UNSUP, fy_token_start_mark(e->alias.anchor), "aliases (*name) are not supported");
	default:
		return VG_OK; /* begins and ends of stream and document */
	}
}

/* What libfyaml found, in its words. */
static vg_rc
parser_error(struct loader *l, struct fy_diag *diag)
{
	struct fy_diag_error *de;
	void *prev = NULL;

	while ((de = fy_diag_errors_iterate(diag, &prev)) != NULL) {
		l->err->line = de->line > 0 ? (uint32_t)de->line : 0;
		l->err->column = de->column > 0 ? (uint32_t)de->column : 0;
		snprintf(l->err->text, sizeof(l->err->text), "%s", de->msg ? de->msg : "not YAML");
		return VG_E_FORMAT;
	}
	return fail(l, VG_E_FORMAT, NULL, "not YAML");
}

vg_rc
vg_yaml_parse(vg_str text, struct vg_arena *a, struct vg_yaml **out, struct vg_yaml_error *err)
{
	struct fy_diag_cfg dc;
	struct fy_diag *diag;
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DISABLE_RECYCLING };
	struct loader l = { .a = a, .err = err };
	struct fy_parser *p;
	struct fy_event *e;
	vg_rc rc = VG_OK;

	*out = NULL;
	*err = (struct vg_yaml_error){ 0 };
	if (text.n > VG_YAML_BYTES_MAX)
		return fail(&l, VG_E_LIMIT, NULL, "the text is too long");
	if (vg_str_chr(text, 0) != VG_NPOS)
		return fail(&l, VG_E_FORMAT, NULL, "the text holds a NUL byte");
	if (text.n == 0)
		return VG_OK;
	fy_diag_cfg_default(&dc);
	dc.colorize = false;
	dc.fp = NULL;
	if ((diag = fy_diag_create(&dc)) == NULL)
		return fail(&l, VG_E_NOMEM, NULL, "out of memory");
	fy_diag_set_collect_errors(diag, true);
	cfg.diag = diag;
	p = fy_parser_create(&cfg);
	if (p == NULL || fy_parser_set_string(p, text.p, text.n) != 0) {
		rc = fail(&l, VG_E_NOMEM, NULL, "out of memory");
		goto out;
	}
	while (rc == VG_OK && (e = fy_parser_parse(p)) != NULL) {
		rc = take(&l, e);
		fy_parser_event_free(p, e);
	}
	if (rc == VG_OK && fy_parser_get_stream_error(p))
		rc = parser_error(&l, diag);
out:
	fy_parser_destroy(p);
	fy_diag_destroy(diag);
	if (rc == VG_OK)
		*out = l.first;
	return rc;
}

const struct vg_yaml *
vg_yaml_get(const struct vg_yaml *m, vg_str key)
{
	if (m == NULL || m->kind != VG_YAML_MAP)
		return NULL;
	for (const struct vg_yaml *c = m->child; c; c = c->next)
		if (vg_str_eq(c->key, key))
			return c;
	return NULL;
}

vg_str
vg_yaml_text(const struct vg_yaml *m, const char *key)
{
	const struct vg_yaml *n = vg_yaml_get(m, vg_str_of(key));

	return n && n->kind == VG_YAML_SCALAR ? n->text : VG_NIL;
}

bool
vg_yaml_bool(const struct vg_yaml *n, bool *out)
{
	static const struct { vg_str word; bool value; } words[] = {
		{ VG_STR_INIT("true"), true },   { VG_STR_INIT("yes"), true }, { VG_STR_INIT("on"), true },
		{ VG_STR_INIT("false"), false }, { VG_STR_INIT("no"), false }, { VG_STR_INIT("off"), false },
	};

	if (n == NULL || n->kind != VG_YAML_SCALAR || n->quoted)
		return false;
	for (size_t i = 0; i < VG_COUNT(words); i++)
		if (vg_str_ieq(n->text, words[i].word)) {
			*out = words[i].value;
			return true;
		}
	return false;
}
