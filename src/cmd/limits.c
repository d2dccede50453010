#include "cmd/limits.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "cmd/watch.h"
#include "settings/table.h"

static const struct row {
	const char *option, *key, *met;
} rows[VG_QUERY_LIMITS] = {
	[VG_QUERY_TIME] = { "--max-time", "limits.query.time", "it took longer than" },
	[VG_QUERY_MEMORY] = { "--max-memory", "limits.query.memory", "it needed more memory than" },
	[VG_QUERY_READ] = { "--max-bytes", "limits.query.read", "it would read more of the raw log than" },
};

bool
vg_query_limits_of(const struct vg_args *a, const struct vg_settings *s, struct vg_query_limits *out)
{
	out->is[VG_QUERY_TIME] = (uint64_t)s->limits.query.time_ns;
	out->is[VG_QUERY_MEMORY] = s->limits.query.memory_bytes;
	out->is[VG_QUERY_READ] = s->limits.query.read_bytes;
	for (size_t i = 0; i < VG_QUERY_LIMITS; i++) {
		const struct vg_setting *r = vg_setting_find(vg_str_of(rows[i].key));
		const char *text = vg_arg(a, rows[i].option), *why;
		struct vg_setting_in in = { .a = NULL };
		struct vg_buf allowed = { 0 };

		if (text == NULL || (why = vg_setting_parse(r, vg_str_of(text), &in, &out->is[i])) == NULL)
			continue;
		vg_setting_allowed(r, VG_LANG_EN, &allowed);
		vg_log(VG_LOG_ERROR, "%s %s: %s; allowed: %.*s", rows[i].option, text, why, VG_STR_ARG(vg_buf_str(&allowed)));
		vg_buf_fini(&allowed);
		return false;
	}
	return true;
}

bool
vg_take_query_limits(const struct vg_args *a, const char *state, struct vg_query_limits *out)
{
	struct vg_settings s;
	vg_rc rc = vg_settings_find(a, state, NULL, &s);
	bool good;

	if (rc != VG_OK && vg_arg(a, "--settings"))
		return false;
	if (rc != VG_OK) {
		vg_log(VG_LOG_WARNING, "limits.query: the defaults hold, as the settings cannot be used");
		if (vg_settings_load(VG_STR(""), "defaults", NULL, NULL, NULL, &s) != VG_OK)
			return false;
	}
	good = vg_query_limits_of(a, &s, out);
	vg_settings_fini(&s);
	return good;
}

void
vg_query_limit_met(const struct vg_query_limits *l, enum vg_query_limit which, char out[VG_QUERY_WHY])
{
	struct vg_buf b = { 0 };

	vg_setting_print(vg_setting_find(vg_str_of(rows[which].key)), &l->is[which], &b);
	snprintf(out, VG_QUERY_WHY, "%s %.*s (%s or %s allows more)", rows[which].met, VG_STR_ARG(vg_buf_str(&b)), rows[which].option, rows[which].key);
	vg_buf_fini(&b);
}

unsigned
vg_query_seconds(const struct vg_query_limits *l)
{
	return (unsigned)((l->is[VG_QUERY_TIME] + VG_SEC - 1) / VG_SEC);
}
