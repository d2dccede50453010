/* The rules we ship: each fires on the events that its vigie_tests say it must, and on none that it must not. */
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/yaml.h"
#include "detect/correlate.h"
#include "detect/detect.h"
#include "rule/compile.h"

#define TEXTS_MAX 256

static struct vg_rule_text text[TEXTS_MAX];
static size_t ntext;
static struct vg_program program;
static char *program_blob;
static struct vg_keys *keys;

struct run {
	uint32_t rule;
	bool fired;
};

static void
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *p = malloc(1 << 20);
	size_t n;

	assert_non_null(f);
	assert_non_null(p);
	n = fread(p, 1, 1 << 20, f);
	fclose(f);
	assert_true(ntext < TEXTS_MAX);
	text[ntext++] = (struct vg_rule_text){ vg_str_of(strdup(path)), vg_str_mem(p, n), VG_STR("Apache-2.0") };
}

static void
read_tree(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char path[PATH_MAX];
		size_t n = strlen(e->d_name);

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.')
			continue;
		if (n > 4 && strcmp(e->d_name + n - 4, ".yml") == 0)
			read_file(path);
		else if (e->d_type == DT_DIR)
			read_tree(path);
	}
	closedir(d);
}

static int
load(void **state)
{
	static struct vg_buf blob;
	(void)state;
	read_tree(VIGIE_SOURCE "/rules");
	assert_int_equal(vg_rules_compile(text, ntext, NULL, 0, &blob), VG_OK);
	assert_int_equal(posix_memalign((void **)&program_blob, 64, blob.n), 0);
	memcpy(program_blob, blob.p, blob.n);
	keys = vg_keys_new();
	assert_int_equal(vg_program_load(vg_str_mem(program_blob, blob.n), keys, &program), VG_OK);
	vg_buf_fini(&blob);
	return 0;
}

static int
unload(void **state)
{
	(void)state;
	for (size_t i = 0; i < ntext; i++) {
		free((void *)(uintptr_t)text[i].path.p);
		free((void *)(uintptr_t)text[i].yaml.p);
	}
	vg_regexes_forget();
	free(program_blob);
	vg_keys_free(keys);
	return 0;
}

static vg_rc
on_correlation(void *ctx, const struct vg_corr_hit *h)
{
	struct run *r = ctx;

	r->fired |= h->rule == r->rule;
	return VG_OK;
}

/* Does the rule fire on this sequence of events? */
static bool
fires(uint32_t rule, const struct vg_yaml *seq)
{
	struct run r = { .rule = rule };
	struct vg_correlator *c = vg_correlator_new(&program, (size_t)64 << 20, on_correlation, &r);
	struct vg_arena a, scratch;
	struct vg_event e;
	uint64_t token = 0;

	vg_arena_init(&a, (size_t)16 << 20);
	vg_arena_init(&scratch, (size_t)64 << 20);
	vg_event_init(&e, &a, keys);
	assert_int_equal(seq->kind, VG_YAML_LIST);
	for (const struct vg_yaml *m = seq->child; m; m = m->next) {
		vg_event_reset(&e);
		for (const struct vg_yaml *f = m->child; f; f = f->next) {
			if (vg_str_eq(f->key, VG_STR("time"))) {
				e.time_ns = vg_time_parse(f->text, 0);
				continue;
			}
			assert_int_equal(vg_event_add(&e, f->key, VG_KIND_TEXT, f->text), VG_OK);
		}
		assert_true(e.time_ns != VG_TIME_NONE);
		token++;
		for (uint32_t i = 0; i < program.nrule; i++) {
			if (program.rule[i].kind != VG_RULE_BASE)
				continue;
			vg_arena_reset(&scratch);
			if (!vg_eval(&program, i, &e, &scratch, NULL, NULL))
				continue;
			r.fired |= i == rule;
			if (program.rule[i].flags & VG_RULE_FED)
				assert_int_equal(vg_correlator_hit(c, i, e.time_ns, &e, token), VG_OK);
		}
	}
	assert_int_equal(vg_correlator_end(c), VG_OK);
	vg_correlator_free(c);
	vg_arena_fini(&a);
	vg_arena_fini(&scratch);
	return r.fired;
}

static uint32_t
row_of(vg_str id)
{
	for (uint32_t i = 0; i < program.nrule; i++)
		if (vg_str_eq(vg_program_str(&program, program.rule[i].id), id))
			return i;
	return UINT32_MAX;
}

static unsigned
check_all(const struct vg_yaml *doc, uint32_t rule, const char *which, bool want)
{
	const struct vg_yaml *list = vg_yaml_get(vg_yaml_get(doc, VG_STR("vigie_tests")), vg_str_of(which));
	unsigned n = 0;

	for (const struct vg_yaml *s = list ? list->child : NULL; s; s = s->next, n++)
		if (fires(rule, s) != want)
			fail_msg("%.*s: sequence %u of %s at line %u", VG_STR_ARG(vg_yaml_text(doc, "name")), n + 1, which, s->line);
	return n;
}

static void
all_load(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < program.ndiag; i++)
		fail_msg("%.*s: %.*s", VG_STR_ARG(vg_program_str(&program, program.diag[i].file)),
			 VG_STR_ARG(vg_program_str(&program, program.diag[i].text)));
	assert_true(program.ncorr >= 15);
}

static void
each_fires_where_it_must(void **state)
{
	struct vg_arena a;

	(void)state;
	vg_arena_init(&a, (size_t)64 << 20);
	for (size_t i = 0; i < ntext; i++) {
		struct vg_yaml *doc;
		struct vg_yaml_error err;

		vg_arena_reset(&a);
		assert_int_equal(vg_yaml_parse(text[i].yaml, &a, &doc, &err), VG_OK);
		for (; doc; doc = doc->next) {
			uint32_t rule = row_of(vg_yaml_text(doc, "id"));

			assert_true(rule != UINT32_MAX);
			assert_true(check_all(doc, rule, "match", true) > 0);
			assert_true(check_all(doc, rule, "nomatch", false) > 0);
		}
	}
	vg_arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_load), cmocka_unit_test(each_fires_where_it_must) };

	return cmocka_run_group_tests(tests, load, unload);
}
