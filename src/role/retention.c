#include "role/retention.h"

#define CLASS_DEFAULT VG_STR("default")

/* Every class that the settings name, once; false: it stands before as well. */
static bool
class_at(const struct vg_settings *s, const struct vg_tenant *t, size_t i, vg_str *out)
{
	if (i < s->vault.retention.n)
		*out = s->vault.retention.item[i].name;
	else if ((i -= s->vault.retention.n) < t->retention.n)
		*out = t->retention.item[i].name;
	else if ((i -= t->retention.n) < s->sources.n)
		*out = s->sources.item[i].class.n ? s->sources.item[i].class : CLASS_DEFAULT;
	else
		*out = VG_NIL;
	return out->p != NULL;
}

void
vg_retention_print(const struct vg_settings *s, struct vg_buf *out)
{
	for (size_t k = 0; k < s->tenants.n; k++) {
		const struct vg_tenant *t = &s->tenants.item[k];
		vg_str class, other;

		for (size_t i = 0; class_at(s, t, i, &class); i++) {
			bool first = true;

			for (size_t j = 0; j < i && first; j++)
				first = !(class_at(s, t, j, &other) && vg_str_eq(class, other));
			if (first)
				vg_buf_printf(out, "%.*s %.*s %lld\n", VG_STR_ARG(t->name), VG_STR_ARG(class), (long long)(vg_settings_keep_ns(s, t, class) / VG_SEC));
		}
	}
}

vg_rc
vg_retention_each(vg_str retention, vg_str tenant, vg_rc (*each)(void *ctx, vg_str class, int64_t keep_ns), void *ctx)
{
	vg_str line, word, class;
	uint64_t seconds;
	vg_rc rc = VG_OK;

	while (rc == VG_OK && vg_str_split(&retention, '\n', &line))
		if (vg_str_split(&line, ' ', &word) && vg_str_eq(word, tenant) && vg_str_split(&line, ' ', &class) && vg_str_u64(line, &seconds) &&
		    seconds <= (uint64_t)(VG_RETENTION_MAX_NS / VG_SEC))
			rc = each(ctx, class, (int64_t)seconds * VG_SEC);
	return rc;
}

struct keep {
	vg_str class;
	int64_t of_class, standard;
};

static vg_rc
find(void *ctx, vg_str class, int64_t keep_ns)
{
	struct keep *k = ctx;

	if (vg_str_eq(class, k->class))
		k->of_class = keep_ns;
	if (vg_str_eq(class, CLASS_DEFAULT))
		k->standard = keep_ns;
	return VG_OK;
}

int64_t
vg_retention_keep_ns(vg_str retention, vg_str tenant, vg_str class)
{
	struct keep k = { class, -1, VG_RETENTION_MAX_NS };

	if (vg_retention_each(retention, tenant, find, &k) != VG_OK)
		return VG_RETENTION_MAX_NS;
	return k.of_class >= 0 ? k.of_class : k.standard;
}
