/* settings/redact.c - a settings file without the secrets in it, all else as it was written, comments too. */
#include <stdio.h>

#include "base/yaml.h"
#include "settings/table.h"

#define TREE_BYTES ((size_t)64 << 20)
#define ROUNDS_MAX 256 /* secrets in one file */
#define TELLING 6      /* bytes of a secret that stand nowhere else by chance */

struct find {
	struct vg_arena *a;
	vg_str path;             /* of the first one: "witness.token" */
	vg_str word;             /* its last key */
	const struct vg_yaml *n; /* NULL: there is none */
};

/* "smtps://user:password@host" */
static bool
names_user(vg_str url)
{
	size_t at = vg_str_find(url, VG_STR("://"));
	vg_str host = at == VG_NPOS ? VG_NIL : vg_str_skip(url, at + 3);

	return vg_str_chr(vg_str_cut(host, vg_str_chr(host, '/')), '@') != VG_NPOS;
}

static void
look_at(struct find *f, const struct vg_setting *r, vg_str path, vg_str word, const struct vg_yaml *n)
{
	if (n->kind == VG_YAML_LIST) {
		for (const struct vg_yaml *c = n->child; c && f->n == NULL; c = c->next)
			look_at(f, r, path, word, c);
	} else if (n->kind == VG_YAML_SCALAR && n->text.n && (r->type == VG_SET_SECRET || (r->type == VG_SET_URL && names_user(n->text)))) {
		*f = (struct find){ f->a, path, word, n };
	}
}

static void walk(struct find *f, vg_str pattern, vg_str path, const struct vg_yaml *map);

static vg_str
under(struct find *f, vg_str prefix, vg_str key)
{
	return prefix.n ? vg_arena_printf(f->a, "%.*s.%.*s", VG_STR_ARG(prefix), VG_STR_ARG(key)) : key;
}

/* @key of @n, which may have dots; a name of a map's counts as "*". */
static void
walk_key(struct find *f, vg_str pattern, vg_str path, vg_str key, const struct vg_yaml *n)
{
	const struct vg_setting *map = vg_setting_find(under(f, pattern, VG_STR("*"))), *r;
	size_t dot = map && (map->flags & VG_SET_FREE) ? VG_NPOS : vg_str_chr(key, '.');

	if (dot != VG_NPOS && dot + 1 < key.n) {
		walk_key(f, under(f, pattern, map ? VG_STR("*") : vg_str_cut(key, dot)), under(f, path, vg_str_cut(key, dot)), vg_str_skip(key, dot + 1), n);
		return;
	}
	pattern = under(f, pattern, map ? VG_STR("*") : key);
	path = under(f, path, key);
	if (n->kind == VG_YAML_MAP)
		walk(f, pattern, path, n);
	else if ((r = vg_setting_find(pattern)) != NULL)
		look_at(f, r, path, key, n);
}

static void
walk(struct find *f, vg_str pattern, vg_str path, const struct vg_yaml *map)
{
	for (const struct vg_yaml *n = map->child; n && f->n == NULL; n = n->next)
		walk_key(f, pattern, path, n->key, n);
}

/* @text with its line @line (from 1) changed: @value, behind @word where that stands in it, is "".  false: it does not stand there. */
static bool
blank(vg_str text, uint32_t line, vg_str word, vg_str value, struct vg_buf *out)
{
	vg_str rest = text, l = VG_NIL;
	size_t from, at;
	bool quoted;

	for (uint32_t i = 0; i < line; i++)
		if (!vg_str_split(&rest, '\n', &l))
			return false;
	from = vg_str_find(l, word);
	from = from == VG_NPOS ? 0 : from + word.n;
	if ((at = vg_str_find(vg_str_skip(l, from), value)) == VG_NPOS)
		return false;
	at += from;
	quoted = at > 0 && at + value.n < l.n && (l.p[at - 1] == '"' || l.p[at - 1] == '\'') && l.p[at + value.n] == l.p[at - 1];
	at += (size_t)(l.p - text.p);
	vg_buf_put(out, vg_str_cut(text, at));
	vg_buf_puts(out, quoted ? "" : "\"\"");
	vg_buf_put(out, vg_str_skip(text, at + value.n));
	return true;
}

/* It may stand in a comment, too, or be the same as another one. */
static void
strike(struct vg_buf *text, vg_str secret)
{
	size_t from = 0, at;

	while (secret.n >= TELLING && (at = vg_str_find(vg_str_skip(vg_buf_str(text), from), secret)) != VG_NPOS) {
		memset(text->p + from + at, '-', secret.n);
		from += at + secret.n;
	}
}

vg_rc
vg_settings_without_secrets(vg_str text, struct vg_buf *out, vg_rc (*left)(void *ctx, vg_str key), void *ctx)
{
	struct vg_buf now = { 0 };
	vg_rc rc = VG_OK;

	vg_buf_put(&now, text);
	for (unsigned round = 0; rc == VG_OK; round++) {
		struct vg_arena a;
		struct find f = { .a = &a };
		struct vg_yaml *root;
		struct vg_yaml_error err;
		struct vg_buf next = { 0 };

		vg_arena_init(&a, TREE_BYTES);
		if ((rc = vg_yaml_parse(vg_buf_str(&now), &a, &root, &err)) == VG_OK && root && root->kind == VG_YAML_MAP)
			walk(&f, VG_STR(""), VG_STR(""), root);
		if (rc != VG_OK || f.n == NULL) {
			vg_arena_fini(&a);
			break;
		}
		if (round == ROUNDS_MAX || !blank(vg_buf_str(&now), f.n->line, f.word, f.n->text, &next))
			rc = VG_E_UNSUP;
		else if ((rc = next.rc) == VG_OK) {
			strike(&next, f.n->text);
			rc = left(ctx, f.path);
		}
		vg_arena_fini(&a);
		vg_buf_fini(&now);
		now = next;
	}
	if (rc == VG_OK && (rc = now.rc) == VG_OK) {
		vg_buf_put(out, vg_buf_str(&now));
		rc = out->rc;
	}
	vg_buf_fini(&now);
	return rc;
}
