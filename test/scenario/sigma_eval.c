/* sigma_eval - rules against events, for test/scenario/sigma_vectors.py.  On standard input, as often as wanted: a line
 * with two lengths in bytes, then that much of a rule and of an event (JSON, which is YAML too).  On standard output a
 * line each: "1" it matches, "0" it does not, or "refused: " and why. */
#include <stdio.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "detect/detect.h"
#include "rule/compile.h"

#define TEXT_MAX 1048576

static bool
add_fields(struct vg_event *e, vg_str name, const struct vg_yaml *n)
{
	bool plain;
	double number;

	switch (n->kind) {
	case VG_YAML_MAP:
	case VG_YAML_LIST:
		for (const struct vg_yaml *c = n->child; c; c = c->next) {
			vg_str path = n->kind == VG_YAML_LIST ? name :
				      name.n ? vg_arena_printf(e->arena, "%.*s.%.*s", VG_STR_ARG(name), VG_STR_ARG(c->key)) : c->key;

			if (!add_fields(e, path, c))
				return false;
		}
		return true;
	case VG_YAML_NULL:
		return vg_event_add(e, name, VG_KIND_NULL, VG_NIL) == VG_OK;
	case VG_YAML_SCALAR:
		return vg_event_add(e, name,
				    vg_yaml_bool(n, &plain)                         ? VG_KIND_BOOL :
				    !n->quoted && vg_str_f64(n->text, &number) ? VG_KIND_INT : VG_KIND_TEXT,
				    n->text) == VG_OK;
	}
	return false;
}

/* @p has one base rule at most. */
static int
run(const struct vg_program *p, const struct vg_keys *keys, vg_str event)
{
	struct vg_yaml *root = NULL;
	struct vg_yaml_error err;
	struct vg_arena a, tree;
	struct vg_event e;
	struct vg_regexes *re = vg_regexes_new(p);
	int out = -1;

	vg_arena_init(&a, (size_t)64 << 20);
	vg_arena_init(&tree, (size_t)64 << 20);
	vg_event_init(&e, &a, keys);
	if (re && vg_yaml_parse(event, &tree, &root, &err) == VG_OK && root && add_fields(&e, VG_NIL, root))
		for (uint32_t i = 0; i < p->nrule; i++)
			if (p->rule[i].kind == VG_RULE_BASE)
				out = vg_eval(re, i, &e, &a, NULL, NULL);
	vg_regexes_free(re);
	vg_arena_fini(&tree);
	vg_arena_fini(&a);
	return out;
}

static void
answer(vg_str rule, vg_str event)
{
	struct vg_rule_text text = { VG_STR("rule"), rule, VG_NIL };
	struct vg_keys *keys = vg_keys_new();
	struct vg_program p;
	struct vg_buf blob = { 0 };

	if (keys == NULL || vg_rules_compile(&text, 1, NULL, 0, &blob) != VG_OK || vg_program_load(vg_buf_str(&blob), keys, &p) != VG_OK)
		puts("failed");
	else if (p.nrule == 0)
		printf("refused: %.*s\n", VG_STR_ARG(vg_program_str(&p, p.ndiag ? p.diag[0].text : (struct vg_slice){ 0, 0 })));
	else
		printf("%d\n", run(&p, keys, event));
	fflush(stdout);
	vg_buf_fini(&blob);
	vg_keys_free(keys);
}

int
main(void)
{
	size_t nrule, nevent;
	char *p = malloc(2 * TEXT_MAX);

	if (p == NULL)
		return 1;
	while (scanf("%zu %zu", &nrule, &nevent) == 2 && getchar() == '\n' && nrule <= TEXT_MAX && nevent <= TEXT_MAX) {
		if (fread(p, 1, nrule + nevent, stdin) != nrule + nevent)
			break;
		answer(vg_str_mem(p, nrule), vg_str_mem(p + nrule, nevent));
	}
	free(p);
	return 0;
}
