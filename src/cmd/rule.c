/* cmd/rule.c - `vigie rule check` and `list`. */
#include "cmd/common.h"

const struct vg_opt vg_rule_opts[] = {
	VG_RULE_OPTIONS,
	{ "--format", VG_OPT_TEXT, "NAME", "text or jsonl (default: text)" },
	{ "--no-cache", VG_OPT_FLAG, NULL, "compile the rules anew, and keep nothing on disk" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

static bool
jsonl(const struct vg_args *a)
{
	const char *f = vg_arg(a, "--format");

	return f && strcmp(f, "jsonl") == 0;
}

static void
json_member(struct vg_buf *b, const char *name, vg_str text, bool first)
{
	vg_buf_puts(b, first ? "{\"" : ",\"");
	vg_buf_puts(b, name);
	vg_buf_puts(b, "\":");
	vg_buf_json_str(b, text);
}

int
vg_cmd_rule_check(const struct vg_args *a)
{
	struct vg_knowledge k;
	const struct vg_program *p = &k.program;
	struct vg_buf b = { 0 };
	uint32_t refused = 0, base = 0, corr = 0;
	int code = vg_load_rules(a, &k);

	if (code != VG_EXIT_OK)
		return code;
	for (uint32_t i = 0; i < p->ndiag; i++) {
		const struct vg_diag *d = &p->diag[i];

		refused += d->fatal;
		if (jsonl(a)) {
			json_member(&b, "file", vg_program_str(p, d->file), true);
			vg_buf_printf(&b, ",\"line\":%u,\"refused\":%s", d->line, d->fatal ? "true" : "false");
			vg_buf_printf(&b, ",\"note\":%s", d->note ? "true" : "false");
			json_member(&b, "id", vg_program_str(p, d->id), false);
			json_member(&b, "reason", vg_str_of(vg_diag_reason_name(d->reason)), false);
			json_member(&b, "text", vg_program_str(p, d->text), false);
			vg_buf_puts(&b, "}\n");
			continue;
		}
		vg_buf_safe(&b, vg_program_str(p, d->file));
		vg_buf_printf(&b, ":%u: %s: %s: ", d->line, d->fatal ? "refused" : d->note ? "note" : "warning", vg_diag_reason_name(d->reason));
		vg_buf_safe(&b, vg_program_str(p, d->text));
		vg_buf_putc(&b, '\n');
	}
	for (uint32_t i = 0; i < p->nrule; i++)
		*(p->rule[i].kind == VG_RULE_CORRELATION ? &corr : &base) += 1;
	if (!jsonl(a))
		vg_buf_printf(&b, "%u rules and %u correlations loaded, %u refused\n", base, corr, refused);
	code = vg_print(&b);
	vg_buf_fini(&b);
	vg_knowledge_fini(&k);
	return code != VG_EXIT_OK ? code : refused ? VG_EXIT_FOUND : VG_EXIT_OK;
}

int
vg_cmd_rule_list(const struct vg_args *a)
{
	struct vg_knowledge k;
	const struct vg_program *p = &k.program;
	struct vg_buf b = { 0 };
	int code = vg_load_rules(a, &k);

	if (code != VG_EXIT_OK)
		return code;
	for (uint32_t i = 0; i < p->nrule && code == VG_EXIT_OK; i++) {
		const struct vg_rule *r = &p->rule[i];

		if (jsonl(a)) {
			json_member(&b, "id", vg_program_str(p, r->id), true);
			json_member(&b, "title", vg_program_str(p, r->title), false);
			json_member(&b, "level", vg_str_of(vg_level_name((enum vg_level)r->level)), false);
			json_member(&b, "status", vg_str_of(vg_status_name(r->status)), false);
			json_member(&b, "kind", r->kind == VG_RULE_CORRELATION ? VG_STR("correlation") : VG_STR("rule"), false);
			json_member(&b, "author", vg_program_str(p, r->author), false);
			json_member(&b, "license", vg_program_str(p, r->license), false);
			json_member(&b, "product", vg_program_str(p, r->product), false);
			json_member(&b, "category", vg_program_str(p, r->category), false);
			json_member(&b, "service", vg_program_str(p, r->service), false);
			json_member(&b, "file", vg_program_str(p, r->file), false);
			vg_buf_puts(&b, "}\n");
		} else {
			vg_buf_printf(&b, "%-13s ", vg_level_name((enum vg_level)r->level));
			vg_buf_safe(&b, vg_program_str(p, r->title));
			vg_buf_puts(&b, "  [");
			vg_buf_safe(&b, vg_program_str(p, r->id));
			vg_buf_puts(&b, "]\n");
		}
		if (b.n > 65536)
			code = vg_print(&b);
	}
	if (code == VG_EXIT_OK)
		code = vg_print(&b);
	vg_buf_fini(&b);
	vg_knowledge_fini(&k);
	return code;
}
