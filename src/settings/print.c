#include "settings/table.h"

#define WIDTH 110 /* columns of a comment */
#define STEP 2    /* of indentation */

/* Words around what the rows say. */
static const struct words {
	const char *head, *allowed, *standard, *none, *needed, *hidden, *general;
} words[VG_LANGS] = {
	[VG_LANG_EN] = { "Settings of `vigie serve`; every line shows the default. `vigie serve --check` says what is wrong; vigie.yaml(5) has more.",
			 "Allowed: ", "Default: ", "none", "it must be given", "is set, and not shown", "General" },
	[VG_LANG_FR] = { "Réglages de `vigie serve` ; chaque ligne montre la valeur par défaut. `vigie serve --check` dit ce qui ne va pas ; voir "
			 "vigie.yaml(5).",
			 "Permis : ", "Par défaut : ", "rien", "à indiquer", "est défini, et n’est pas montré", "Général" },
};

struct printer {
	struct vg_buf *out;
	enum vg_lang l;
	bool comments, secrets;
	bool brief;       /* leave out what is as by default: within an element */
	size_t indent;
	bool marked;      /* every line is a comment, from column @mark on */
	size_t mark;
};

static void
spaces(struct vg_buf *b, size_t n)
{
	while (n-- > 0)
		vg_buf_putc(b, ' ');
}

static void
begin(struct printer *p)
{
	spaces(p->out, p->marked ? p->mark : p->indent);
	if (p->marked) {
		vg_buf_puts(p->out, "# ");
		spaces(p->out, p->indent - p->mark);
	}
}

/* ---- values as YAML ---- */

/* May @s stand without quotes, and be read as it stands? */
static bool
is_plain(vg_str s)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:%+@* ";

	if (s.n == 0 || !(vg_is_digit(s.p[0]) || s.p[0] == '/' || (s.p[0] | 0x20) >= 'a') || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == ':')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || strchr(ok, s.p[i]) == NULL || (s.p[i] == ':' && s.p[i + 1] == ' '))
			return false;
	return !vg_str_ieq(s, VG_STR("null"));
}

static void
put_scalar(struct vg_buf *b, vg_str s)
{
	if (is_plain(s))
		vg_buf_put(b, s);
	else
		vg_buf_json_str(b, s);
}

static void
put_value(struct vg_buf *b, const struct vg_setting *r, const void *value)
{
	struct vg_buf text = { 0 };

	vg_setting_print(r, value, &text);
	put_scalar(b, vg_buf_str(&text));
	if (text.rc != VG_OK)
		b->rc = text.rc;
	vg_buf_fini(&text);
}

/* The value of @r, or the list of them. */
static void
put_values(struct vg_buf *b, const struct vg_setting *r, const char *at)
{
	const struct vg_vec *v = (const struct vg_vec *)(const void *)at;

	if (!(r->flags & VG_SET_LIST)) {
		put_value(b, r, at);
		return;
	}
	vg_buf_putc(b, '[');
	for (size_t i = 0; i < v->n; i++) {
		vg_buf_puts(b, i ? ", " : "");
		put_value(b, r, v->item + i * sizeof(vg_str));
	}
	vg_buf_putc(b, ']');
}

static bool
is_default(const struct vg_setting *r, const char *at)
{
	struct vg_buf now = { 0 };
	bool same;

	if (r->standard == NULL)
		return false;
	if (r->flags & VG_SET_LIST) /* within an element every list is empty at first */
		return ((const struct vg_vec *)(const void *)at)->n == 0;
	vg_setting_print(r, at, &now);
	same = vg_str_eq(vg_buf_str(&now), vg_str_of(r->standard));
	vg_buf_fini(&now);
	return same;
}

static bool
is_hidden(const struct printer *p, const struct vg_setting *r, const char *at)
{
	return r->type == VG_SET_SECRET && !p->secrets && ((const vg_str *)(const void *)at)->n;
}

/* ---- comments ---- */

static void
comment(struct printer *p, vg_str text)
{
	size_t column = 0;
	vg_str word;

	while (vg_str_split(&text, ' ', &word)) {
		if (column && column + 1 + word.n > WIDTH) {
			vg_buf_putc(p->out, '\n');
			column = 0;
		}
		if (column == 0) {
			begin(p);
			vg_buf_putc(p->out, '#');
			column = p->indent + 1;
		}
		vg_buf_putc(p->out, ' ');
		vg_buf_put(p->out, word);
		column += 1 + word.n;
	}
	vg_buf_putc(p->out, '\n');
}

static void
explain(struct printer *p, const struct vg_setting *r)
{
	struct vg_buf b = { 0 };

	vg_buf_puts(&b, r->text[p->l]);
	if (r->type > VG_SET_OBJECT) {
		vg_buf_printf(&b, " %s", words[p->l].allowed);
		vg_setting_allowed(r, p->l, &b);
		vg_buf_putc(&b, '.');
	}
	comment(p, vg_buf_str(&b));
	vg_buf_fini(&b);
}

/* ---- the rows, with their values ---- */

static void print_level(struct printer *p, vg_str prefix, const char *base);

static void
print_one(struct printer *p, const struct vg_setting *r, vg_str key, const char *base)
{
	if (p->brief && is_default(r, base + r->at))
		return;
	begin(p);
	if (is_hidden(p, r, base + r->at)) {
		vg_buf_printf(p->out, "# %.*s %s\n", VG_STR_ARG(key), words[p->l].hidden);
		return;
	}
	put_scalar(p->out, key);
	vg_buf_puts(p->out, ": ");
	put_values(p->out, r, base + r->at);
	vg_buf_putc(p->out, '\n');
}

/* One value when that says all; else what is not as by default. */
static void
print_object(struct printer *p, const struct vg_setting *map, const char *element)
{
	const struct vg_setting *value = vg_setting_short(map);
	struct vg_buf rest = { 0 };
	struct printer in = { .out = &rest, .l = p->l, .secrets = p->secrets, .brief = true, .indent = p->indent + STEP };

	print_level(&in, vg_str_of(map->key), element);
	begin(p);
	put_scalar(p->out, *(const vg_str *)(const void *)element);
	vg_buf_puts(p->out, ":");
	if (rest.n == 0 || value == NULL) {
		vg_buf_puts(p->out, value ? " " : "\n");
	} else {
		vg_buf_putc(p->out, '\n');
		spaces(p->out, in.indent);
		vg_buf_put(p->out, vg_setting_child(value->key, vg_str_of(map->key)));
		vg_buf_puts(p->out, ": ");
	}
	if (value) {
		put_values(p->out, value, element + value->at);
		vg_buf_putc(p->out, '\n');
	}
	vg_buf_put(p->out, vg_buf_str(&rest));
	if (rest.rc != VG_OK)
		p->out->rc = rest.rc;
	vg_buf_fini(&rest);
}

static void
print_elements(struct printer *p, const struct vg_setting *map, const char *base)
{
	const struct vg_vec *v = (const struct vg_vec *)(const void *)(base + map->at);

	for (size_t i = 0; i < v->n; i++) {
		const char *element = v->item + i * map->size;

		if (map->type == VG_SET_OBJECT) {
			print_object(p, map, element);
			continue;
		}
		begin(p);
		put_scalar(p->out, *(const vg_str *)(const void *)element);
		vg_buf_puts(p->out, ": ");
		put_value(p->out, map, element + sizeof(vg_str));
		vg_buf_putc(p->out, '\n');
	}
}

/* What one of them may be told, as comments. */
static void
print_template(struct printer *p, const struct vg_setting *map)
{
	struct printer in = *p;
	struct vg_setting alone = *map;
	struct vg_vec v = { NULL, 0 };
	struct vg_setting_in how = { 0 };
	struct vg_arena a;
	char *element;

	explain(p, map);
	if (map->type != VG_SET_OBJECT)
		return;
	vg_arena_init(&a, 1 << 20);
	how.a = &a;
	alone.at = 0;
	if (!in.marked) {
		in.marked = true;
		in.mark = in.indent;
	}
	if ((element = vg_setting_element(&alone, &v, VG_STR("NAME"), &how)) == NULL) {
		p->out->rc = VG_E_NOMEM;
	} else {
		begin(&in);
		vg_buf_puts(in.out, "NAME:\n");
		in.indent += STEP;
		print_level(&in, vg_str_of(map->key), element);
	}
	vg_arena_fini(&a);
}

static void
print_group(struct printer *p, const struct vg_setting *r, vg_str key, const char *base)
{
	size_t start = p->out->n, inside;

	begin(p);
	vg_buf_put(p->out, key);
	vg_buf_puts(p->out, ":\n");
	inside = p->out->n;
	p->indent += STEP;
	print_level(p, vg_str_of(r->key), base);
	p->indent -= STEP;
	if (p->out->n == inside) /* nothing under it, and nothing it is */
		p->out->n = start;
}

/* Everything right under @prefix. */
static void
print_level(struct printer *p, vg_str prefix, const char *base)
{
	for (size_t i = 0; i < vg_setting_nrow; i++) {
		const struct vg_setting *r = &vg_setting_rows[i];
		vg_str key = vg_setting_child(r->key, prefix);

		if (key.n == 0 || (p->brief && (r->flags & VG_SET_SHORT)))
			continue;
		if (vg_setting_is_map(r)) {
			if (p->comments)
				print_template(p, r);
			print_elements(p, r, base);
			continue;
		}
		if (p->comments) {
			if (p->indent == 0)
				vg_buf_putc(p->out, '\n');
			explain(p, r);
		}
		if (r->type == VG_SET_GROUP)
			print_group(p, r, key, base);
		else
			print_one(p, r, key, base);
	}
}

void
vg_settings_print(const struct vg_settings *s, bool secrets, struct vg_buf *out)
{
	struct printer p = { .out = out, .l = s->language, .secrets = secrets };

	print_level(&p, VG_STR(""), (const char *)s);
}

void
vg_settings_print_defaults(enum vg_lang l, struct vg_buf *out)
{
	struct printer p = { .out = out, .l = l, .comments = true, .secrets = true };
	struct vg_settings s;

	if (vg_settings_init(&s) == VG_OK) {
		comment(&p, vg_str_of(words[l].head));
		print_level(&p, VG_STR(""), (const char *)&s);
	} else {
		out->rc = VG_E_NOMEM;
	}
	vg_settings_fini(&s);
}

/* ---- the manual ---- */

/* Text for roff; - is a minus, as one types it. */
static void
roff(struct vg_buf *b, const char *s)
{
	for (const char *line = s; *s; s++) {
		if (s == line && (*s == '.' || *s == '\''))
			vg_buf_puts(b, "\\&");
		if (*s == '-')
			vg_buf_puts(b, "\\-");
		else if (*s == '\\')
			vg_buf_puts(b, "\\e");
		else if (*s == '`')
			vg_buf_puts(b, "\\(ga");
		else if (*s == '\'')
			vg_buf_puts(b, "\\(aq");
		else
			vg_buf_putc(b, *s);
	}
}

static void
roff_buf(struct vg_buf *b, struct vg_buf *text)
{
	vg_buf_putc(text, '\0');
	if (text->rc == VG_OK)
		roff(b, text->p);
	else
		b->rc = text->rc;
	vg_buf_fini(text);
}

static void
man_key(struct vg_buf *b, const char *key)
{
	vg_buf_puts(b, ".TP\n\\fB");
	for (; *key; key++) {
		if (*key == '*')
			vg_buf_puts(b, "\\fINAME\\fB");
		else if (*key == '-')
			vg_buf_puts(b, "\\-");
		else
			vg_buf_putc(b, *key);
	}
	vg_buf_puts(b, "\\fR\n");
}

/* "Allowed: ... Default: ..." */
static void
man_value(struct vg_buf *b, const struct vg_setting *r, enum vg_lang l)
{
	const struct words *w = &words[l];
	struct vg_buf t = { 0 };
	vg_str rest = vg_str_of(r->standard), item;
	bool many = (r->flags & VG_SET_LIST) || vg_setting_is_map(r);

	if (r->type > VG_SET_OBJECT) {
		vg_buf_puts(&t, w->allowed);
		vg_setting_allowed(r, l, &t);
		vg_buf_puts(&t, ".\n");
	}
	vg_buf_puts(&t, w->standard);
	if (r->standard == NULL)
		vg_buf_puts(&t, w->needed);
	else if (r->standard[0] == '\0')
		vg_buf_puts(&t, w->none);
	for (size_t i = 0; many && rest.n && vg_str_split(&rest, ' ', &item); i++) { /* of a map, NAME=VALUE */
		vg_str name = vg_str_cut(item, vg_str_chr(item, '=')), value = vg_str_skip(item, name.n + 1);

		vg_buf_printf(&t, "%s%.*s%s%.*s", i ? ", " : "", VG_STR_ARG(name), value.n ? ": " : "", VG_STR_ARG(value));
	}
	if (!many)
		vg_buf_put(&t, rest);
	vg_buf_puts(&t, ".\n");
	roff_buf(b, &t);
}

void
vg_settings_man(enum vg_lang l, struct vg_buf *out)
{
	vg_buf_printf(out, ".SS %s\n", words[l].general);
	for (size_t i = 0; i < vg_setting_nrow; i++) {
		const struct vg_setting *r = &vg_setting_rows[i];
		bool section = r->type == VG_SET_GROUP && vg_str_chr(vg_str_of(r->key), '.') == VG_NPOS;

		if (section)
			vg_buf_printf(out, ".SS %s\n", r->key);
		else
			man_key(out, r->key);
		roff(out, r->text[l]);
		vg_buf_putc(out, '\n');
		if (r->type != VG_SET_GROUP)
			man_value(out, r, l);
	}
}
