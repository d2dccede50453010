#include <stdarg.h>
#include <stdio.h>

#include "settings/table.h"

/* The first problem, into a text of its own. */
static void VG_PRINTF(3, 4)
say(void *ctx, vg_str key, const char *fmt, ...)
{
	char *why = ctx, text[VG_SETTINGS_WHY_MAX - 100];
	va_list ap;

	if (why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(why, VG_SETTINGS_WHY_MAX, "%.*s: %s", VG_STR_ARG(vg_str_cut(key, VG_SETTINGS_NAME_MAX + 16)), text);
}

/* What is wrong with @text as a whole or with its value; printable. */
static vg_rc
refuse(vg_str text, const char *what, char why[VG_SETTINGS_WHY_MAX])
{
	struct vg_buf b = { 0 };
	vg_rc rc;

	vg_buf_safe(&b, vg_str_cut(text, 100));
	rc = b.rc;
	snprintf(why, VG_SETTINGS_WHY_MAX, "--listen %.*s: %s", (int)b.n, b.p ? b.p : "", what);
	vg_buf_fini(&b);
	return rc == VG_OK ? VG_E_FORMAT : rc;
}

static struct vg_listener *
find(struct vg_settings *s, vg_str name)
{
	for (size_t i = 0; i < s->listen.n; i++)
		if (vg_str_eq(s->listen.item[i].name, name))
			return &s->listen.item[i];
	return NULL;
}

vg_rc
vg_settings_listen(struct vg_settings *s, vg_str text, char why[VG_SETTINGS_WHY_MAX])
{
	const struct vg_setting *map = vg_setting_find(VG_STR("listen.*")), *address = vg_setting_find(VG_STR("listen.*.address"));
	struct vg_setting_in in = { .a = &s->arena, .any_port = true };
	size_t eq = vg_str_chr(text, '='), had = s->listen.n;
	struct vg_listener was = { .kind = 0 }, *l;
	struct vg_address to = { .off = false };
	vg_str name = vg_str_cut(text, eq);
	char what[300];
	const char *bad;

	why[0] = '\0';
	if (eq == VG_NPOS || !vg_setting_name_ok(map, name))
		return refuse(text, "allowed: NAME=ADDRESS:PORT, or NAME=off", why);
	if ((bad = vg_setting_parse(address, vg_str_skip(text, eq + 1), &in, &to)) != NULL) {
		snprintf(what, sizeof(what), "the address %s; allowed: ADDRESS:PORT (IPv6 in brackets; port 0 is any), or off", bad);
		return refuse(text, what, why);
	}
	if ((l = find(s, name)) != NULL)
		was = *l;
	else if ((l = vg_setting_element(map, s, name, &in)) == NULL)
		return refuse(text, "no room for one more listener", why);
	l->address = to;
	vg_settings_check(s, say, why);
	if (why[0] == '\0')
		return VG_OK;
	s->listen.n = had;
	if (was.name.n)
		*l = was;
	return VG_E_FORMAT;
}
