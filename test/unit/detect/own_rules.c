/* Our own rules do what their vectors say.  A document's vigie_tests holds under match and nomatch lists of sequences of
 * events; each is a map of fields, with "time" (a date, or seconds, or such as 3d) and, where the fields do not tell it,
 * "log" (product/category/service); without it every rule is asked. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "detect/correlate.h"
#include "detect/detect.h"
#include "rule/compile.h"

#define FILES_MAX 500

static struct vg_rule_text text[FILES_MAX];
static size_t ntext;
static struct vg_arena memory;
static struct vg_program program;
static struct vg_regexes *re;
static struct vg_keys *keys;
static char *blob;

static void
read_folder(const char *path, unsigned depth)
{
	DIR *d = opendir(path);
	struct dirent *f;

	assert_non_null(d);
	while ((f = readdir(d)) != NULL) {
		vg_str name = vg_str_of(f->d_name), full;
		struct vg_buf b = { 0 };
		FILE *in;
		int c;

		if (f->d_name[0] == '.')
			continue;
		full = vg_arena_printf(&memory, "%s/%s", path, f->d_name);
		if (f->d_type == DT_DIR && depth < 8)
			read_folder(full.p, depth + 1);
		if (!vg_str_ends(name, VG_STR(".yml")) && !vg_str_ends(name, VG_STR(".yaml")))
			continue;
		in = fopen(full.p, "rb");
		assert_non_null(in);
		while ((c = getc(in)) != EOF)
			vg_buf_putc(&b, (char)c);
		fclose(in);
		assert_true(ntext < FILES_MAX);
		text[ntext++] = (struct vg_rule_text){ full, vg_str_dup(&memory, vg_buf_str(&b)), VG_STR("Apache-2.0") };
		vg_buf_fini(&b);
	}
	closedir(d);
}

static int
setup(void **state)
{
	const char *folder = getenv("VIGIE_RULES");
	struct vg_buf b = { 0 };

	(void)state;
	vg_arena_init(&memory, 64 << 20);
	read_folder(folder ? folder : "rules", 0);
	assert_true(ntext > 5);
	assert_int_equal(vg_rules_compile(text, ntext, NULL, 0, &b), VG_OK);
	blob = aligned_alloc(64, (b.n + 63) & ~(size_t)63);
	memcpy(blob, b.p, b.n);
	keys = vg_keys_new();
	assert_int_equal(vg_program_load((vg_str){ blob, b.n }, keys, &program), VG_OK);
	assert_non_null(re = vg_regexes_new(&program));
	vg_buf_fini(&b);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	vg_regexes_free(re);
	vg_keys_free(keys);
	free(blob);
	vg_arena_fini(&memory);
	return 0;
}

static void
all_load_without_a_word(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < program.ndiag; i++) {
		vg_str t = vg_program_str(&program, program.diag[i].text), f = vg_program_str(&program, program.diag[i].file);

		print_error("%.*s:%u: %.*s\n", VG_STR_ARG(f), program.diag[i].line, VG_STR_ARG(t));
	}
	assert_int_equal(program.ndiag, 0);
}

static bool *seen; /* by rule */

static vg_rc
on_hit(void *ctx, const struct vg_corr_hit *h)
{
	(void)ctx;
	seen[h->rule] = true;
	return VG_OK;
}

/* Which rules a sequence of events makes true. */
static void
play(const struct vg_yaml *sequence)
{
	struct vg_correlator *c = vg_correlator_new(&program, 16 << 20, on_hit, NULL);
	struct vg_arena a, scratch;
	struct vg_event e;
	uint64_t token = 0;

	assert_non_null(c);
	memset(seen, 0, program.nrule);
	vg_arena_init(&a, 1 << 20);
	vg_arena_init(&scratch, 1 << 20);
	vg_event_init(&e, &a, keys);
	for (const struct vg_yaml *m = sequence->child; m; m = m->next) {
		vg_str log = vg_yaml_text(m, "log");
		struct vg_logsource ls = { 0 };

		vg_event_reset(&e);
		vg_str_split(&log, '/', &ls.product);
		vg_str_split(&log, '/', &ls.category);
		ls.service = log;
		e.ls = &ls;
		e.nls = 1;
		e.time_ns = vg_time_parse(vg_yaml_text(m, "time"), 0);
		if (e.time_ns == VG_TIME_NONE) {
			e.time_ns = vg_duration_parse(vg_yaml_text(m, "time"));
			assert_true(e.time_ns != VG_TIME_NONE);
			e.time_ns += 20000 * VG_DAY;
		}
		for (const struct vg_yaml *f = m->child; f; f = f->next)
			if (!vg_str_eq(f->key, VG_STR("log")) && !vg_str_eq(f->key, VG_STR("time")))
				assert_int_equal(vg_event_add(&e, f->key, VG_KIND_TEXT, f->text), VG_OK);
		token++;
		for (uint32_t r = 0; r < program.nrule; r++) {
			vg_arena_reset(&scratch);
			if (program.rule[r].kind != VG_RULE_BASE || (ls.product.n + ls.category.n && !vg_rule_applies(&program, r, &e)) ||
			    !vg_eval(re, r, &e, &scratch, NULL, NULL))
				continue;
			seen[r] = true;
			assert_int_equal(vg_correlator_hit(c, r, e.time_ns, &e, token), VG_OK);
		}
	}
	assert_int_equal(vg_correlator_end(c), VG_OK);
	vg_correlator_free(c);
	vg_arena_fini(&a);
	vg_arena_fini(&scratch);
}

static unsigned
check(const struct vg_yaml *doc, uint32_t rule, const char *key, bool want)
{
	const struct vg_yaml *list = vg_yaml_get(vg_yaml_get(doc, VG_STR("vigie_tests")), vg_str_of(key));
	vg_str title = vg_yaml_text(doc, "title");
	unsigned bad = 0, n = 0;

	for (const struct vg_yaml *s = list ? list->child : NULL; s; s = s->next) {
		n++;
		play(s);
		if (seen[rule] != want) {
			print_error("\"%.*s\": %s %u (line %u) is %s\n", VG_STR_ARG(title), key, n, s->line,
				    seen[rule] ? "found" : "not found");
			bad++;
		}
	}
	if (n == 0) {
		print_error("\"%.*s\" has no vector under %s\n", VG_STR_ARG(title), key);
		bad++;
	}
	return bad;
}

static void
each_finds_what_its_vectors_say(void **state)
{
	unsigned bad = 0, tested = 0, correlations = 0;

	(void)state;
	seen = calloc(program.nrule, sizeof(*seen));
	for (size_t i = 0; i < ntext; i++) {
		struct vg_yaml *doc = NULL;
		struct vg_yaml_error err;
		struct vg_arena a;

		vg_arena_init(&a, 64 << 20);
		assert_int_equal(vg_yaml_parse(text[i].yaml, &a, &doc, &err), VG_OK);
		for (; doc; doc = doc->next) {
			vg_str id = vg_yaml_text(doc, "id");
			uint32_t r = 0;

			while (r < program.nrule && !vg_str_eq(vg_program_str(&program, program.rule[r].id), id))
				r++;
			assert_true(r < program.nrule);
			if (!(program.rule[r].flags & VG_RULE_REPORT)) /* a brick */
				continue;
			tested++;
			correlations += program.rule[r].kind == VG_RULE_CORRELATION;
			bad += check(doc, r, "match", true) + check(doc, r, "nomatch", false);
		}
		vg_arena_fini(&a);
	}
	free(seen);
	print_message("%u rules tested, %u of them correlations\n", tested, correlations);
	assert_true(correlations >= 15);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_load_without_a_word),
		cmocka_unit_test(each_finds_what_its_vectors_say),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
