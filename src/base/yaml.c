#include "base/yaml.h"

#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf.h"

#define ANCHORS_MAX 256   /* in one document */
#define MAP_LINEAR_MAX 12 /* keys of a map that are compared one with each; more are sorted first */

/* One open list or map. */
struct frame {
	struct vg_yaml *node;
	struct vg_yaml **tail; /* where the next child goes */
	vg_str key;            /* of the child to come */
	uint32_t key_line;
	bool have_key;
};

struct anchor {
	vg_str name;
	struct vg_yaml *node; /* NULL while it is open: an alias within itself has no end */
	size_t depth;         /* of the frame that ends it */
};

struct reader {
	struct vg_arena *a;
	struct vg_yaml_error *err;
	struct vg_yaml **root_tail;
	size_t nnode, nframe, nanchor;
	uint32_t line, column;
	vg_rc rc;
	struct frame frame[VG_YAML_DEPTH_MAX];
	struct anchor anchor[ANCHORS_MAX];
};

static vg_rc VG_PRINTF(3, 4)
fail(struct reader *r, vg_rc rc, const char *fmt, ...)
{
	va_list ap;

	if (r->rc != VG_OK)
		return r->rc;
	r->rc = rc;
	r->err->line = r->line;
	r->err->column = r->column;
	va_start(ap, fmt);
	vsnprintf(r->err->text, sizeof(r->err->text), fmt, ap);
	va_end(ap);
	return rc;
}

static vg_str
token_text(struct fy_token *t)
{
	size_t n = 0;
	const char *p = t ? fy_token_get_text(t, &n) : NULL;

	return p ? (vg_str){ p, n } : VG_NIL;
}

static int
by_key(const void *a, const void *b)
{
	return vg_str_cmp((*(struct vg_yaml *const *)a)->key, (*(struct vg_yaml *const *)b)->key);
}

static vg_rc
refuse_twice(struct reader *r, const struct vg_yaml *n)
{
	r->line = n->line;
	r->column = 0;
	return fail(r, VG_E_FORMAT, "the key \"%.*s\" stands twice in the same map",
		    n->key.n > 60 ? 60 : (int)n->key.n, n->key.p ? n->key.p : "");
}

/* Every key of @m once. */
static vg_rc
check_keys(struct reader *r, struct vg_yaml *m)
{
	struct vg_yaml **v, *n;
	size_t i = 0;

	if (m->nchild <= MAP_LINEAR_MAX) {
		for (n = m->child; n; n = n->next)
			for (struct vg_yaml *o = m->child; o != n; o = o->next)
				if (vg_str_eq(o->key, n->key))
					return refuse_twice(r, n);
		return VG_OK;
	}
	if ((v = calloc(m->nchild, sizeof(*v))) == NULL)
		return fail(r, VG_E_NOMEM, "out of memory");
	for (n = m->child; n; n = n->next)
		v[i++] = n;
	qsort(v, i, sizeof(*v), by_key);
	while (--i > 0)
		if (vg_str_eq(v[i]->key, v[i - 1]->key)) {
			refuse_twice(r, v[i]->line > v[i - 1]->line ? v[i] : v[i - 1]);
			break;
		}
	free(v);
	return r->rc;
}

static struct vg_yaml *
new_node(struct reader *r, enum vg_yaml_kind kind)
{
	struct vg_yaml *n;

	if (++r->nnode > VG_YAML_NODES_MAX) {
		fail(r, VG_E_LIMIT, "more than %d nodes in one text", VG_YAML_NODES_MAX);
		return NULL;
	}
	if ((n = vg_arena_new(r->a, struct vg_yaml)) == NULL) {
		fail(r, VG_E_NOMEM, "out of memory");
		return NULL;
	}
	n->kind = kind;
	n->line = r->line;
	return n;
}

/* Hang @n where the open list, map or document wants its next child. */
static vg_rc
add(struct reader *r, struct vg_yaml *n)
{
	struct frame *f;

	if (r->nframe == 0) {
		*r->root_tail = n;
		r->root_tail = &n->next;
		return VG_OK;
	}
	f = &r->frame[r->nframe - 1];
	if (f->node->kind == VG_YAML_MAP) {
		if (!f->have_key)
			return fail(r, VG_E_UNSUP, "a list or a map cannot be a key here");
		n->key = f->key;
		n->line = f->key_line;
		f->have_key = false;
	}
	f->node->nchild++;
	*f->tail = n;
	f->tail = &n->next;
	return VG_OK;
}

static vg_rc
open_node(struct reader *r, enum vg_yaml_kind kind)
{
	struct vg_yaml *n;

	if (r->nframe == VG_YAML_DEPTH_MAX)
		return fail(r, VG_E_LIMIT, "nested deeper than %d", VG_YAML_DEPTH_MAX);
	if ((n = new_node(r, kind)) == NULL || add(r, n) != VG_OK)
		return r->rc;
	r->frame[r->nframe++] = (struct frame){ .node = n, .tail = &n->child };
	return VG_OK;
}

/* Remember the anchor @t. @n: the node it names; NULL when it ends with the frame opened next. */
static vg_rc
add_anchor(struct reader *r, struct fy_token *t, struct vg_yaml *n)
{
	struct anchor *k;

	if (t == NULL)
		return VG_OK;
	if (r->nanchor == ANCHORS_MAX)
		return fail(r, VG_E_LIMIT, "more than %d anchors in one document", ANCHORS_MAX);
	k = &r->anchor[r->nanchor++];
	k->name = vg_str_dup(r->a, token_text(t));
	if (k->name.p == NULL)
		return fail(r, VG_E_NOMEM, "out of memory");
	k->node = n;
	k->depth = r->nframe;
	return VG_OK;
}

static vg_rc
close_node(struct reader *r)
{
	struct vg_yaml *n = r->frame[--r->nframe].node;

	for (size_t i = r->nanchor; i-- > 0;)
		if (r->anchor[i].node == NULL && r->anchor[i].depth == r->nframe + 1) {
			r->anchor[i].node = n;
			break;
		}
	return n->kind == VG_YAML_MAP ? check_keys(r, n) : VG_OK;
}

/* A copy of @from, everything under it counted; @depth: of the copy. */
static struct vg_yaml *
copy(struct reader *r, const struct vg_yaml *from, size_t depth)
{
	struct vg_yaml *n = NULL, **tail;

	if (depth > VG_YAML_DEPTH_MAX)
		fail(r, VG_E_LIMIT, "nested deeper than %d", VG_YAML_DEPTH_MAX);
	else if ((n = new_node(r, from->kind)) != NULL) {
		*n = *from;
		n->next = n->child = NULL;
		tail = &n->child;
		for (const struct vg_yaml *c = from->child; c; c = c->next) {
			if ((*tail = copy(r, c, depth + 1)) == NULL)
				return NULL;
			tail = &(*tail)->next;
		}
	}
	return n;
}

static vg_rc
on_alias(struct reader *r, vg_str name)
{
	struct vg_yaml *n;

	if (r->nframe && r->frame[r->nframe - 1].node->kind == VG_YAML_MAP && !r->frame[r->nframe - 1].have_key)
		return fail(r, VG_E_UNSUP, "an alias cannot be a key here");
	for (size_t i = r->nanchor; i-- > 0;) {
		if (!vg_str_eq(r->anchor[i].name, name))
			continue;
		if (r->anchor[i].node == NULL)
			return fail(r, VG_E_FORMAT, "the alias *%.*s stands within what it names",
				    name.n > 60 ? 60 : (int)name.n, name.p);
		if ((n = copy(r, r->anchor[i].node, r->nframe + 1)) == NULL)
			return r->rc;
		n->key = VG_NIL;
		return add(r, n);
	}
	return fail(r, VG_E_FORMAT, "the alias *%.*s names nothing before it", name.n > 60 ? 60 : (int)name.n,
		    name.p ? name.p : "");
}

static bool
is_null(vg_str s)
{
	return s.n == 0 || vg_str_eq(s, VG_STR("~")) || vg_str_eq(s, VG_STR("null")) ||
	       vg_str_eq(s, VG_STR("Null")) || vg_str_eq(s, VG_STR("NULL"));
}

static vg_rc
on_scalar(struct reader *r, const struct fy_event_scalar_data *d)
{
	struct frame *f = r->nframe ? &r->frame[r->nframe - 1] : NULL;
	vg_str text = token_text(d->value);
	enum fy_scalar_style style = d->value ? fy_scalar_token_get_style(d->value) : FYSS_PLAIN;
	bool plain = (style == FYSS_PLAIN || style == FYSS_ANY) && d->tag == NULL;
	struct vg_yaml *n;

	if (f && f->node->kind == VG_YAML_MAP && !f->have_key) {
		if (d->anchor)
			return fail(r, VG_E_UNSUP, "an anchor cannot name a key here");
		f->key = vg_str_dup(r->a, text);
		if (f->key.p == NULL)
			return fail(r, VG_E_NOMEM, "out of memory");
		f->key_line = r->line;
		f->have_key = true;
		return VG_OK;
	}
	if ((n = new_node(r, plain && is_null(text) ? VG_YAML_NULL : VG_YAML_SCALAR)) == NULL)
		return r->rc;
	n->quoted = !plain;
	n->text = vg_str_dup(r->a, text);
	if (n->text.p == NULL)
		return fail(r, VG_E_NOMEM, "out of memory");
	if (add(r, n) != VG_OK)
		return r->rc;
	return add_anchor(r, d->anchor, n);
}

static vg_rc
on_event(struct reader *r, struct fy_event *e)
{
	const struct fy_mark *mark = fy_event_start_mark(e);
	vg_rc rc;

	if (mark) {
		r->line = (uint32_t)mark->line + 1;
		r->column = (uint32_t)mark->column + 1;
	}
	switch (e->type) {
	case FYET_DOCUMENT_START:
		r->nanchor = 0;
		return VG_OK;
	case FYET_MAPPING_START:
		rc = open_node(r, VG_YAML_MAP);
		return rc != VG_OK ? rc : add_anchor(r, e->mapping_start.anchor, NULL);
	case FYET_SEQUENCE_START:
		rc = open_node(r, VG_YAML_LIST);
		return rc != VG_OK ? rc : add_anchor(r, e->sequence_start.anchor, NULL);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return close_node(r);
	case FYET_SCALAR:
		return on_scalar(r, &e->scalar);
	case FYET_ALIAS:
		return on_alias(r, token_text(e->alias.anchor));
	default: /* begin and end of the stream and of a document */
		return VG_OK;
	}
}

/* Refuse what libfyaml 0.7.12 must not see: it runs without end in a directive that is not UTF-8 (found by fuzz/yaml.c),
 * and no rule or pack has directives. */
static vg_rc
check_text(struct reader *r, vg_str text)
{
	vg_str line, rest = text;

	if (text.n > VG_YAML_BYTES_MAX)
		return fail(r, VG_E_LIMIT, "more than %d bytes in one text", VG_YAML_BYTES_MAX);
	while (vg_str_split(&rest, '\n', &line)) {
		r->line++;
		if (!vg_utf8_valid(line) || vg_str_chr(line, '\0') != VG_NPOS)
			return fail(r, VG_E_FORMAT, "the text is not UTF-8");
		/* a line may end in CR alone, and begin behind a byte order mark */
		for (vg_str part; vg_str_split(&line, '\r', &part);)
			if (vg_str_starts(part, VG_STR("%")) || vg_str_starts(part, VG_STR("\xef\xbb\xbf%")))
				return fail(r, VG_E_UNSUP, "directives (%% at the begin of a line) are not supported");
	}
	r->line = 0;
	return VG_OK;
}

/* The first error that libfyaml collected, as one line. */
static vg_rc
fail_parser(struct reader *r, struct fy_diag *diag)
{
	void *prev = NULL;
	struct fy_diag_error *e = fy_diag_errors_iterate(diag, &prev);

	if (e == NULL)
		return fail(r, VG_E_FORMAT, "not YAML");
	r->line = e->line > 0 ? (uint32_t)e->line : 0;
	r->column = e->column > 0 ? (uint32_t)e->column : 0;
	fail(r, VG_E_FORMAT, "%s", e->msg ? e->msg : "not YAML");
	for (char *p = r->err->text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return r->rc;
}

vg_rc
vg_yaml_parse(vg_str text, struct vg_arena *a, struct vg_yaml **out, struct vg_yaml_error *err)
{
	struct fy_diag_cfg dcfg = { .fp = NULL, .level = FYET_ERROR, .module_mask = ~0u };
	struct fy_parse_cfg cfg = { .search_path = "", .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG };
	struct vg_yaml *root = NULL;
	struct reader r = { .rc = VG_OK };
	struct fy_parser *p = NULL;
	struct fy_event *e;

	r.a = a;
	r.err = err;
	r.root_tail = &root;
	*err = (struct vg_yaml_error){ 0 };
	*out = NULL;
	if (check_text(&r, text) != VG_OK)
		return r.rc;
	if (text.n == 0)
		return VG_OK;
	cfg.diag = fy_diag_create(&dcfg);
	if (cfg.diag)
		fy_diag_set_collect_errors(cfg.diag, true);
	if (cfg.diag == NULL || (p = fy_parser_create(&cfg)) == NULL || fy_parser_set_string(p, text.p, text.n) != 0) {
		fail(&r, VG_E_NOMEM, "out of memory");
		goto done;
	}
	while (r.rc == VG_OK && (e = fy_parser_parse(p)) != NULL) {
		if (e->type != FYET_NONE)
			on_event(&r, e);
		fy_parser_event_free(p, e);
	}
	if (r.rc == VG_OK && fy_parser_get_stream_error(p))
		fail_parser(&r, cfg.diag);
	if (r.rc == VG_OK)
		*out = root;
done:
	fy_parser_destroy(p);
	fy_diag_destroy(cfg.diag);
	return r.rc;
}

const struct vg_yaml *
vg_yaml_get(const struct vg_yaml *m, vg_str key)
{
	if (m == NULL || m->kind != VG_YAML_MAP)
		return NULL;
	for (const struct vg_yaml *n = m->child; n; n = n->next)
		if (vg_str_eq(n->key, key))
			return n;
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
	static const char *const yes[] = { "true", "yes", "on", "y" }, *const no[] = { "false", "no", "off", "n" };

	if (n == NULL || n->kind != VG_YAML_SCALAR || n->quoted)
		return false;
	for (size_t i = 0; i < VG_COUNT(yes); i++)
		if (vg_str_ieq(n->text, vg_str_of(yes[i])) || vg_str_ieq(n->text, vg_str_of(no[i]))) {
			*out = vg_str_ieq(n->text, vg_str_of(yes[i]));
			return true;
		}
	return false;
}
