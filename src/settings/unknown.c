#include "settings/table.h"

/* What stands for "*" in a key that is told to a person. */
#define NAME_SHOWN "NAME"

struct guess {
	size_t d;   /* how far from what was written */
	vg_str key; /* of a row, up to the word that is near */
};

static void
closer(struct guess *g, vg_str word, vg_str written, vg_str key)
{
	size_t d = vg_near(word, written);

	if (vg_near_enough(d, written.n) && d < g->d)
		*g = (struct guess){ d, key };
}

/* A row's key for a person: @pattern at its begin is @path, other stars are NAME. */
static void
put_key(struct vg_buf *out, vg_str key, vg_str pattern, vg_str path)
{
	if (pattern.n && vg_str_starts(key, pattern) && (key.n == pattern.n || key.p[pattern.n] == '.')) {
		vg_buf_put(out, path);
		key = vg_str_skip(key, pattern.n);
	}
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] == '*')
			vg_buf_puts(out, NAME_SHOWN);
		else
			vg_buf_putc(out, key.p[i]);
	}
}

/* The word @key up to its @n-th byte ends at: the key of the row that stands for it. */
static vg_str
up_to(const char *key, vg_str word)
{
	return vg_str_mem(key, (size_t)(word.p + word.n - key));
}

/* Right under @pattern. */
static struct guess
among_siblings(vg_str pattern, vg_str key)
{
	struct guess g = { VG_NEAR_FAR, VG_NIL };

	for (size_t i = 0; i < vg_setting_nrow; i++) {
		vg_str rest = vg_setting_child(vg_setting_rows[i].key, pattern);

		if (rest.n && !vg_str_eq(rest, VG_STR("*")))
			closer(&g, rest, key, vg_str_of(vg_setting_rows[i].key));
	}
	return g;
}

/* The same word on another level: exactly, in a key without a name if there is one, and only then what is near. */
static struct guess
elsewhere(vg_str key)
{
	struct guess g[3] = { { VG_NEAR_FAR, VG_NIL }, { VG_NEAR_FAR, VG_NIL }, { VG_NEAR_FAR, VG_NIL } };

	for (size_t i = 0; i < vg_setting_nrow; i++) {
		const char *row = vg_setting_rows[i].key;
		vg_str rest = vg_str_of(row), word;

		while (vg_str_split(&rest, '.', &word)) {
			bool named = vg_str_chr(up_to(row, word), '*') != VG_NPOS;

			if (vg_str_eq(word, VG_STR("*")))
				continue;
			closer(&g[vg_near(word, key) ? 2 : named ? 1 : 0], word, key, up_to(row, word));
		}
	}
	return g[0].key.n ? g[0] : g[1].key.n ? g[1] : g[2];
}

/* Is @key a name that one of the maps has already, as "syslog" of listen?  The map's row. */
static const struct vg_setting *
named_in(const struct vg_settings *s, vg_str key)
{
	for (size_t i = 0; i < vg_setting_nrow; i++) {
		const struct vg_setting *r = &vg_setting_rows[i];
		const struct vg_vec *v = (const struct vg_vec *)(const void *)((const char *)s + r->at);

		if (r->type != VG_SET_OBJECT || vg_str_chr(vg_str_of(r->key), '*') != strlen(r->key) - 1)
			continue;
		for (size_t j = 0; j < v->n; j++)
			if (vg_str_eq(*(const vg_str *)(const void *)(v->item + j * r->size), key))
				return r;
	}
	return NULL;
}

void
vg_setting_siblings(vg_str pattern, struct vg_buf *out)
{
	const char *sep = "";

	for (size_t i = 0; i < vg_setting_nrow; i++) {
		vg_str rest = vg_setting_child(vg_setting_rows[i].key, pattern);

		if (rest.n == 0)
			continue;
		vg_buf_puts(out, sep);
		vg_buf_put(out, vg_str_eq(rest, VG_STR("*")) ? VG_STR("names of your choice") : rest);
		sep = ", ";
	}
}

void
vg_setting_unknown(const struct vg_settings *s, vg_str pattern, vg_str path, vg_str key, struct vg_buf *out)
{
	struct guess g = among_siblings(pattern, key);
	const struct vg_setting *map = g.key.n ? NULL : named_in(s, key);

	vg_buf_puts(out, "no such setting");
	if (map) {
		vg_buf_puts(out, "; did you mean ");
		vg_buf_put(out, vg_str_cut(vg_str_of(map->key), strlen(map->key) - 1));
		vg_buf_put(out, key);
		vg_buf_putc(out, '?');
		return;
	}
	if (g.key.n == 0)
		g = elsewhere(key);
	if (g.key.n) {
		vg_buf_puts(out, "; did you mean ");
		put_key(out, g.key, pattern, path);
		vg_buf_putc(out, '?');
		return;
	}
	vg_buf_puts(out, "; allowed here: ");
	vg_setting_siblings(pattern, out);
}
