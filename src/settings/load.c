#include "settings/settings.h"

#include <stdarg.h>

#include "base/yaml.h"
#include "settings/table.h"

#define ARENA_BYTES ((size_t)64 << 20) /* what the settings may hold */
#define TREE_BYTES ((size_t)128 << 20) /* of the file's tree, while it is read */
#define SHOWN_MAX 60                   /* bytes of a value in a problem */
#define SHOWN_KEY_MAX 120              /* bytes of a key there */

struct loader {
	struct vg_settings s;
	struct vg_setting_in in;
	struct vg_arena tmp; /* the tree, and paths */
	struct vg_map seen;  /* path -> line */
	const char *name;    /* of the file */
	vg_settings_tell_fn *tell;
	void *ctx;
	size_t problems;
	bool nomem;
};

/* Where the walk is: @base is the struct that rows under @pattern tell offsets of. */
struct place {
	vg_str pattern; /* "listen.*" */
	vg_str path;    /* "listen.lan" */
	char *base;
};

/* ---- problems ---- */

/* At most @max bytes of @s, not ending inside a letter. */
static vg_str
cut(vg_str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return vg_str_cut(s, max);
}

static void
problem(struct loader *l, uint32_t line, uint32_t column, vg_str key, vg_str what)
{
	struct vg_buf raw = { 0 }, text = { 0 }, shown = { 0 };

	if (l->problems++ < VG_SETTINGS_PROBLEMS_MAX) {
		vg_buf_puts(&raw, l->name);
		if (line)
			vg_buf_printf(&raw, ":%u", line);
		if (line && column)
			vg_buf_printf(&raw, ":%u", column);
		vg_buf_puts(&raw, ": ");
		vg_buf_safe(&shown, cut(key, SHOWN_KEY_MAX));
		if (key.n > SHOWN_KEY_MAX)
			vg_buf_puts(&shown, "...");
		vg_buf_put(&raw, cut(key, SHOWN_KEY_MAX));
		vg_buf_puts(&raw, key.n > SHOWN_KEY_MAX ? "...: " : key.n ? ": " : "");
		vg_buf_put(&raw, what);
		vg_buf_safe(&text, vg_buf_str(&raw));
		vg_buf_putc(&text, '\0');
		vg_buf_putc(&shown, '\0');
		if (raw.rc == VG_OK && text.rc == VG_OK && shown.rc == VG_OK)
			l->tell(l->ctx, &(struct vg_settings_problem){ shown.p, line, column, text.p });
		else
			l->nomem = true;
	}
	vg_buf_fini(&raw);
	vg_buf_fini(&text);
	vg_buf_fini(&shown);
}

static void VG_PRINTF(4, 5)
problemf(struct loader *l, uint32_t line, vg_str key, const char *fmt, ...)
{
	struct vg_arena a;
	va_list ap;

	vg_arena_init(&a, 1 << 20);
	va_start(ap, fmt);
	problem(l, line, 0, key, vg_arena_vprintf(&a, fmt, ap));
	va_end(ap);
	vg_arena_fini(&a);
}

/* More than the limit need not be put in words. */
static bool
enough(struct loader *l)
{
	if (l->problems < VG_SETTINGS_PROBLEMS_MAX)
		return false;
	l->problems++;
	return true;
}

/* @why of the value @text (nil: not to be shown), and what is allowed. */
static void
bad_value(struct loader *l, const struct vg_setting *r, uint32_t line, vg_str path, vg_str text, const char *why)
{
	struct vg_buf b = { 0 };
	size_t least = VG_NEAR_FAR;
	vg_str w, near = VG_NIL;

	if (enough(l))
		return;
	if (text.p && (r->type == VG_SET_SECRET || r->type == VG_SET_RECOVERY))
		vg_buf_puts(&b, "the value");
	else if (text.p)
		vg_buf_printf(&b, "\"%.*s%s\"", VG_STR_ARG(cut(text, SHOWN_MAX)), text.n > SHOWN_MAX ? "..." : "");
	vg_buf_printf(&b, "%s%s; allowed: ", b.n ? " " : "", why);
	vg_setting_allowed(r, VG_LANG_EN, &b);
	for (size_t i = 0; r->type == VG_SET_WORD && text.p && vg_setting_word(r->words, i, &w); i++)
		if (vg_near(w, text) < least) {
			least = vg_near(w, text);
			near = w;
		}
	if (near.n && vg_near_enough(least, text.n))
		vg_buf_printf(&b, "; did you mean %.*s?", VG_STR_ARG(near));
	problem(l, line, 0, path, vg_buf_str(&b));
	vg_buf_fini(&b);
}

/* ---- the struct ---- */

/* Room for one more; NULL when there is none. */
static char *
push(struct vg_vec *v, size_t size, struct vg_arena *a)
{
	bool full = v->n == 0 || (v->n >= 4 && (v->n & (v->n - 1)) == 0);

	if (v->n >= VG_SETTINGS_ELEMENTS_MAX)
		return NULL;
	if (full) {
		char *p = vg_arena_zalloc(a, v->n ? 2 * v->n : 4, size);

		if (p == NULL)
			return NULL;
		if (v->n)
			memcpy(p, v->item, v->n * size);
		v->item = p;
	}
	return memset(v->item + v->n++ * size, 0, size);
}

/* Items of a list, apart by a space, as a row's default says them. */
static bool
default_list(const struct vg_setting *r, struct vg_vec *v, const struct vg_setting_in *in)
{
	vg_str rest = vg_str_of(r->standard), item;

	while (vg_str_split(&rest, ' ', &item)) {
		char *p = item.n ? push(v, sizeof(vg_str), in->a) : NULL;

		if (item.n && (p == NULL || vg_setting_parse(r, item, in, p) != NULL))
			return false;
	}
	return true;
}

static bool set_defaults(vg_str prefix, char *base, const struct vg_setting_in *in);

/* Where the value of @map's element lies that is written as one value, and the row it goes by. */
static const struct vg_setting *
value_row(const struct vg_setting *map, char **element)
{
	const struct vg_setting *r = map->type == VG_SET_OBJECT ? vg_setting_short(map) : map;

	if (r)
		*element += map->type == VG_SET_OBJECT ? r->at : sizeof(vg_str);
	return r;
}

static bool
default_map(const struct vg_setting *r, char *base, const struct vg_setting_in *in)
{
	vg_str rest = vg_str_of(r->standard), item;

	while (vg_str_split(&rest, ' ', &item)) {
		size_t eq = vg_str_chr(item, '=');
		const struct vg_setting *value;
		char *p;

		if (item.n == 0)
			continue;
		if (eq == VG_NPOS || (p = vg_setting_element(r, base, vg_str_cut(item, eq), in)) == NULL || (value = value_row(r, &p)) == NULL ||
		    vg_setting_parse(value, vg_str_skip(item, eq + 1), in, p) != NULL)
			return false;
	}
	return true;
}

static bool
set_defaults(vg_str prefix, char *base, const struct vg_setting_in *in)
{
	for (size_t i = 0; i < vg_setting_nrow; i++) {
		const struct vg_setting *r = &vg_setting_rows[i];
		vg_str rest = vg_setting_under(r->key, prefix);
		size_t star = vg_str_chr(rest, '*');
		bool ok = true;

		if (rest.n == 0 || r->type == VG_SET_GROUP || r->standard == NULL)
			continue;
		if (star != VG_NPOS)
			ok = star + 1 != rest.n || default_map(r, base, in);
		else if (r->flags & VG_SET_LIST)
			ok = default_list(r, (struct vg_vec *)(void *)(base + r->at), in);
		else
			ok = vg_setting_parse(r, vg_str_of(r->standard), in, base + r->at) == NULL;
		if (!ok)
			return false;
	}
	return true;
}

void *
vg_setting_element(const struct vg_setting *r, void *base, vg_str name, const struct vg_setting_in *in)
{
	struct vg_vec *v = (struct vg_vec *)(void *)((char *)base + r->at);
	char *p;

	for (size_t i = 0; i < v->n; i++)
		if (vg_str_eq(*(vg_str *)(void *)(v->item + i * r->size), name))
			return v->item + i * r->size;
	if ((p = push(v, r->size, in->a)) == NULL)
		return NULL;
	*(vg_str *)(void *)p = vg_str_dup(in->a, name);
	if (((vg_str *)(void *)p)->p == NULL || (r->type == VG_SET_OBJECT && !set_defaults(vg_str_of(r->key), p, in)))
		return NULL;
	return p;
}

vg_rc
vg_settings_init(struct vg_settings *s)
{
	struct vg_setting_in in = { .a = &s->arena };

	*s = (struct vg_settings){ .language = 0 };
	vg_arena_init(&s->arena, ARENA_BYTES);
	return set_defaults(VG_STR(""), (char *)s, &in) ? VG_OK : VG_E_NOMEM;
}

void
vg_settings_fini(struct vg_settings *s)
{
	vg_arena_fini(&s->arena);
	*s = (struct vg_settings){ .language = 0 };
}

/* ---- the walk ---- */

vg_str
vg_setting_path(struct vg_arena *a, vg_str prefix, vg_str name)
{
	bool plain = name.n > 0;

	for (size_t i = 0; i < name.n; i++)
		plain &= name.p[i] != '.' && name.p[i] != ' ' && name.p[i] != '"' && name.p[i] != ':';
	if (prefix.n == 0)
		return name;
	return vg_arena_printf(a, plain ? "%.*s.%.*s" : "%.*s.\"%.*s\"", VG_STR_ARG(prefix), VG_STR_ARG(name));
}

/* Room for a path is out: the walk ends with the key it is at. */
static vg_str
path_of(struct loader *l, vg_str prefix, vg_str name)
{
	vg_str r = vg_setting_path(&l->tmp, prefix, name);

	l->nomem |= r.p == NULL;
	return r;
}

static vg_str
pattern_of(struct loader *l, vg_str prefix, vg_str key)
{
	vg_str r = prefix.n ? vg_arena_printf(&l->tmp, "%.*s.%.*s", VG_STR_ARG(prefix), VG_STR_ARG(key)) : key;

	l->nomem |= r.p == NULL;
	return r;
}

/* Remember where @path stands; 0, or the line where it stood already. */
static uint32_t
see(struct loader *l, vg_str path, uint32_t line)
{
	uint32_t was = vg_map_find(&l->seen, path);

	if (was != VG_MAP_NONE)
		return was;
	l->nomem |= vg_map_add(&l->seen, path, line, NULL) == VG_MAP_NONE;
	return 0;
}

static void
set_one(struct loader *l, const struct vg_setting *r, vg_str path, const struct vg_yaml *n, char *out)
{
	static const char *const other[] = { [VG_YAML_NULL] = "has no value", [VG_YAML_LIST] = "is a list, and one value is wanted",
					     [VG_YAML_MAP] = "is a map, and one value is wanted" };
	const char *why = n->kind == VG_YAML_SCALAR ? NULL : other[n->kind];

	if (n->kind == VG_YAML_SCALAR)
		why = vg_setting_parse(r, n->text, &l->in, out);
	if (why)
		bad_value(l, r, n->line, path, n->kind == VG_YAML_SCALAR ? n->text : VG_NIL, why);
}

static void
set_list(struct loader *l, const struct vg_setting *r, vg_str path, const struct vg_yaml *n, struct vg_vec *out)
{
	bool list = n->kind == VG_YAML_LIST;
	size_t count = list ? n->nchild : 1; /* one alone may be written without a list */
	char *item;

	if (n->kind == VG_YAML_NULL || n->kind == VG_YAML_MAP) {
		bad_value(l, r, n->line, path, VG_NIL, n->kind == VG_YAML_MAP ? "is a map" : "has no value ([] is an empty list)");
		return;
	}
	if (count > VG_SETTINGS_ITEMS_MAX) {
		problemf(l, n->line, path, "has %zu items; allowed: at most %d", count, VG_SETTINGS_ITEMS_MAX);
		return;
	}
	if ((item = vg_arena_zalloc(l->in.a, count ? count : 1, sizeof(vg_str))) == NULL) {
		l->nomem = true;
		return;
	}
	*out = (struct vg_vec){ item, count };
	for (const struct vg_yaml *c = list ? n->child : n; c; c = list ? c->next : NULL, item += sizeof(vg_str))
		set_one(l, r, path, c, item);
}

static void
set(struct loader *l, const struct vg_setting *r, vg_str path, const struct vg_yaml *n, char *out)
{
	uint32_t was = see(l, path, n->line);

	if (was)
		problemf(l, n->line, path, "stands twice: also in line %u", was);
	else if (r->flags & VG_SET_LIST)
		set_list(l, r, path, n, (struct vg_vec *)(void *)out);
	else
		set_one(l, r, path, n, out);
}

static void walk_map(struct loader *l, const struct place *at, const struct vg_yaml *map);

/* The element @key of the map @r. */
static void
walk_element(struct loader *l, const struct vg_setting *r, const struct place *at, vg_str key, const struct vg_yaml *n)
{
	struct vg_vec *v = (struct vg_vec *)(void *)(at->base + r->at);
	struct place in = { vg_str_of(r->key), path_of(l, at->path, key), NULL };
	const struct vg_setting *value;

	if (!vg_setting_name_ok(r, key)) {
		problemf(l, n->line, in.path, "is no name here; allowed: %s",
			 r->flags & VG_SET_FREE ? "1 to 255 bytes that print" : "at most 64 letters, digits, - and _, not beginning with -");
		return;
	}
	if ((r->flags & VG_SET_REPLACE) && see(l, in.pattern, n->line) == 0)
		v->n = 0;
	if (v->n >= VG_SETTINGS_ELEMENTS_MAX) {
		problemf(l, n->line, in.path, "is one too many; allowed: at most %d", VG_SETTINGS_ELEMENTS_MAX);
		return;
	}
	if ((in.base = vg_setting_element(r, at->base, key, &l->in)) == NULL) {
		l->nomem = true;
		return;
	}
	if (r->type == VG_SET_OBJECT && (n->kind == VG_YAML_MAP || n->kind == VG_YAML_NULL)) {
		(void)see(l, in.path, n->line);
		walk_map(l, &in, n);
		return;
	}
	value = value_row(r, &in.base);
	if (value != r) {
		(void)see(l, in.path, n->line);
		in.path = path_of(l, in.path, vg_setting_child(value->key, vg_str_of(r->key)));
	}
	set(l, value, in.path, n, in.base);
}

static void
walk_group(struct loader *l, const struct vg_setting *r, const struct place *at, vg_str path, const struct vg_yaml *n)
{
	struct place in = { vg_str_of(r->key), path, at->base };
	struct vg_buf b = { 0 };

	if (n->kind == VG_YAML_MAP) {
		walk_map(l, &in, n);
	} else if (n->kind != VG_YAML_NULL && !enough(l)) { /* nothing under it: all as by default */
		vg_buf_puts(&b, "is a group of settings, not a value; in it: ");
		vg_setting_siblings(in.pattern, &b);
		problem(l, n->line, 0, path, vg_buf_str(&b));
		vg_buf_fini(&b);
	}
}

static void
walk_key(struct loader *l, const struct place *at, vg_str key, const struct vg_yaml *n)
{
	const struct vg_setting *map = vg_setting_find(pattern_of(l, at->pattern, VG_STR("*"))), *r;
	size_t dot = map && (map->flags & VG_SET_FREE) ? VG_NPOS : vg_str_chr(key, '.');
	struct vg_buf b = { 0 };

	if (dot != VG_NPOS && dot > 0 && dot + 1 < key.n) { /* "vault.sync-every: 1 s" is "vault: {sync-every: 1 s}" */
		struct vg_yaml child = *n, parent = { .kind = VG_YAML_MAP, .line = n->line, .nchild = 1, .child = &child };

		child.key = vg_str_skip(key, dot + 1);
		child.next = NULL;
		walk_key(l, at, vg_str_cut(key, dot), &parent);
		return;
	}
	if (map) {
		walk_element(l, map, at, key, n);
		return;
	}
	r = vg_setting_find(pattern_of(l, at->pattern, key));
	if (r && r->type == VG_SET_GROUP) {
		walk_group(l, r, at, path_of(l, at->path, key), n);
	} else if (r) {
		set(l, r, path_of(l, at->path, key), n, at->base + r->at);
	} else if (!enough(l)) {
		vg_setting_unknown(&l->s, at->pattern, at->path, key, &b);
		problem(l, n->line, 0, path_of(l, at->path, key), vg_buf_str(&b));
		vg_buf_fini(&b);
	}
}

static void
walk_map(struct loader *l, const struct place *at, const struct vg_yaml *map)
{
	for (const struct vg_yaml *n = map->child; n && !l->nomem; n = n->next)
		walk_key(l, at, n->key, n);
}

/* ---- the file ---- */

/* The line of @key, or of what it stands under. */
static uint32_t
line_of(const struct loader *l, vg_str key)
{
	for (;;) {
		uint32_t line = vg_map_find(&l->seen, key);

		if (line != VG_MAP_NONE)
			return line;
		while (key.n && key.p[key.n - 1] != '.')
			key.n--;
		if (key.n == 0)
			return 0;
		key.n--;
	}
}

static void VG_PRINTF(3, 0)
vsay(struct loader *l, vg_str key, const char *fmt, va_list ap)
{
	vg_str text;

	if (enough(l))
		return;
	text = vg_arena_vprintf(&l->tmp, fmt, ap);
	l->nomem |= text.p == NULL;
	problem(l, line_of(l, key), 0, key, text);
}

static void VG_PRINTF(3, 4)
say(void *ctx, vg_str key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(ctx, key, fmt, ap);
	va_end(ap);
}

/* Of a listener, beside other problems; one whose kind was not understood was told already. */
static void VG_PRINTF(3, 4)
say_kind(void *ctx, vg_str key, const char *fmt, ...)
{
	struct loader *l = ctx;
	va_list ap;

	if (vg_map_find(&l->seen, path_of(l, key, VG_STR("kind"))) != VG_MAP_NONE)
		return;
	va_start(ap, fmt);
	vsay(l, key, fmt, ap);
	va_end(ap);
}

static void
load(struct loader *l, vg_str text)
{
	struct place top = { VG_STR(""), VG_STR(""), (char *)&l->s };
	struct vg_yaml *root;
	struct vg_yaml_error err;
	vg_rc rc = vg_yaml_parse(text, &l->tmp, &root, &err);

	if (rc == VG_E_NOMEM)
		l->nomem = true;
	else if (rc != VG_OK)
		problem(l, err.line, err.column, VG_NIL, vg_str_of(err.text));
	else if (root && root->next)
		problemf(l, root->next->line, VG_NIL, "a second document begins; allowed: one");
	else if (root && root->kind != VG_YAML_MAP && root->kind != VG_YAML_NULL)
		problemf(l, root->line, VG_NIL, "this is not a map of settings, as \"language: fr\"");
	else if (root)
		walk_map(l, &top, root);
	if (l->problems == 0 && !l->nomem)
		vg_settings_check(&l->s, say, l);
	else if (!l->nomem) /* what was not understood would seem to be missing */
		vg_settings_check_kinds(&l->s, say_kind, l);
}

static vg_rc
finish(struct loader *l, struct vg_settings *out)
{
	size_t more = l->problems > VG_SETTINGS_PROBLEMS_MAX ? l->problems - VG_SETTINGS_PROBLEMS_MAX : 0;

	if (l->nomem || more) {
		l->problems = 0; /* this one is told */
		if (l->nomem)
			problemf(l, 0, VG_NIL, "there is not enough memory for these settings");
		else
			problemf(l, 0, VG_NIL, "%zu more problems are not shown", more);
	}
	vg_map_fini(&l->seen);
	vg_arena_fini(&l->tmp);
	if (l->problems == 0) {
		*out = l->s;
		return VG_OK;
	}
	vg_settings_fini(&l->s);
	return l->nomem ? VG_E_NOMEM : VG_E_FORMAT;
}

vg_rc
vg_settings_load(vg_str text, const char *name, const char *folder, vg_settings_tell_fn *tell, void *ctx, struct vg_settings *out)
{
	struct loader l = { .name = name, .tell = tell, .ctx = ctx };

	vg_arena_init(&l.tmp, TREE_BYTES);
	vg_map_init(&l.seen, TREE_BYTES);
	l.nomem = vg_settings_init(&l.s) != VG_OK;
	l.in = (struct vg_setting_in){ .a = &l.s.arena, .folder = vg_str_of(folder) };
	if (!l.nomem)
		load(&l, text);
	return finish(&l, out);
}
