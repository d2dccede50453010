#include "source/format.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What stands in quotes; @s at the first of them, moved behind the last.  Without a last quote: all the rest. */
static vg_rc
quoted(vg_str *s, struct vg_event *e, vg_str *out)
{
	char quote = s->p[0], *t;
	size_t i, n = 0, escapes = 0;

	for (i = 1; i < s->n && s->p[i] != quote; i++)
		if (s->p[i] == '\\' && i + 1 < s->n) {
			escapes++;
			i++;
		}
	if (i > s->n)
		i = s->n;
	*out = vg_str_mem(s->p + 1, i - 1);
	*s = vg_str_skip(*s, i + 1);
	if (escapes == 0)
		return VG_OK;
	if ((t = vg_arena_alloc(e->arena, out->n)) == NULL)
		return VG_E_NOMEM;
	for (i = 0; i < out->n; i++) {
		/* only what needs it: "C:\new" has no line end in it */
		if (out->p[i] == '\\' && i + 1 < out->n &&
		    (out->p[i + 1] == '\\' || out->p[i + 1] == '"' || out->p[i + 1] == '\''))
			i++;
		t[n++] = out->p[i];
	}
	*out = vg_str_mem(t, n);
	return VG_OK;
}

/* Where the name that @s begins with ends; VG_NPOS when it begins with none. */
static size_t
name_end(vg_str s, char sep)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '=')
			return i ? i : VG_NPOS;
		if (c == '"' || c == '\'' || (sep ? c == sep : is_blank(c)))
			return VG_NPOS;
	}
	return VG_NPOS;
}

vg_rc
vg_kv_fields(vg_str text, char sep, vg_str prefix, struct vg_event *e)
{
	vg_str s = text;

	for (;;) {
		vg_str name, value;
		size_t eq, end = 0;
		vg_rc rc;

		while (s.n && (is_blank(s.p[0]) || (sep && s.p[0] == sep)))
			s = vg_str_skip(s, 1);
		if (s.n == 0)
			return VG_OK;
		if ((eq = name_end(s, sep)) == VG_NPOS) { /* a word, not a pair */
			if (s.p[0] == '"' || s.p[0] == '\'') {
				s = vg_str_skip(s, 1);
				continue;
			}
			while (end < s.n && (sep ? s.p[end] != sep : !is_blank(s.p[end])) && s.p[end] != '"' &&
			       s.p[end] != '\'')
				end++;
			s = vg_str_skip(s, end ? end : 1);
			continue;
		}
		name = vg_str_trim(vg_str_cut(s, eq));
		s = vg_str_skip(s, eq + 1);
		if (sep)
			while (s.n && is_blank(s.p[0]))
				s = vg_str_skip(s, 1);
		if (s.n && (s.p[0] == '"' || s.p[0] == '\'')) {
			if ((rc = quoted(&s, e, &value)) != VG_OK)
				return rc;
		} else {
			while (end < s.n && (sep ? s.p[end] != sep : !is_blank(s.p[end])))
				end++;
			value = vg_str_trim(vg_str_cut(s, end));
			s = vg_str_skip(s, end);
		}
		if (name.n == 0)
			continue;
		if (prefix.n && (name = vg_str_join(e->arena, prefix, name)).p == NULL)
			return VG_E_NOMEM;
		if ((rc = vg_event_add(e, name, VG_KIND_TEXT, value)) != VG_OK)
			return rc == VG_E_LIMIT ? VG_OK : rc;
	}
}
