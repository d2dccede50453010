#include "case/report.h"

/* An ATT&CK Navigator layer, format 4.5: the techniques that signals spoke of, scored by how many. */
vg_rc
vg_report_navigator(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out)
{
	static const char *const colour[VG_LEVELS] = { "#c9d6e4", "#9fc5e8", "#f6d58b", "#f2a65a", "#d9534f" };
	struct vg_buf b = { 0 };
	uint64_t most = 1;
	bool first = true;
	vg_rc rc;

	for (size_t i = 0; i < v->ntechnique; i++)
		if (v->technique[i].worst >= o->min_level && v->technique[i].count > most)
			most = v->technique[i].count;
	vg_buf_puts(&b, "{\"name\":\"Vigie\",\"versions\":{\"attack\":\"19\",\"navigator\":\"5.1.0\",\"layer\":\"4.5\"},"
			"\"domain\":\"enterprise-attack\",\"description\":");
	vg_buf_json_str(&b, o->lang == VG_LANG_FR ? VG_STR("Techniques vues dans les traces, par Vigie ") :
						    VG_STR("Techniques seen in the evidence, by Vigie "));
	b.n--; /* the version goes inside the quotes */
	vg_buf_json(&b, vg_str_of(o->version));
	vg_buf_puts(&b, "\",\"sorting\":3,\"hideDisabled\":false,\"techniques\":[");
	for (size_t i = 0; i < v->ntechnique; i++) {
		const struct vg_technique *t = &v->technique[i];

		if (t->worst < o->min_level)
			continue;
		vg_buf_puts(&b, first ? "\n{\"techniqueID\":" : ",\n{\"techniqueID\":");
		first = false;
		vg_buf_json_str(&b, vg_str_of(t->id));
		vg_buf_printf(&b, ",\"score\":%llu,\"color\":\"%s\",\"comment\":\"", (unsigned long long)t->count,
			      colour[t->worst < VG_LEVELS ? t->worst : 0]);
		vg_buf_printf(&b, o->lang == VG_LANG_FR ? "%llu signaux, le pire : %s" : "%llu signals, worst: %s",
			      (unsigned long long)t->count, vg_level_name((enum vg_level)t->worst));
		vg_buf_puts(&b, "\",\"enabled\":true,\"showSubtechniques\":");
		vg_buf_puts(&b, strchr(t->id, '.') ? "true}" : "false}");
	}
	vg_buf_printf(&b, "],\"gradient\":{\"colors\":[\"#c9d6e4\",\"#d9534f\"],\"minValue\":0,\"maxValue\":%llu}}\n",
		      (unsigned long long)most);
	rc = b.rc != VG_OK ? b.rc : out->write(out->ctx, vg_buf_str(&b));
	vg_buf_fini(&b);
	return rc;
}
