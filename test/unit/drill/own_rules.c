/* Our own rules do what their samples say (drill/sample.h): every rule has some, and its records go through decoding, packs and all rules. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drill/play.h"

static struct vg_knowledge k;
static struct vg_rule_samples samples;
static const char *folder;

static void
tell(void *ctx, vg_str file, uint32_t line, const char *text)
{
	(void)ctx;
	print_error("%.*s:%u: %s\n", VG_STR_ARG(file), line, text);
}

static void
read_file(const char *path)
{
	struct vg_buf b = { 0 };
	FILE *in = fopen(path, "rb");
	int c;

	assert_non_null(in);
	while ((c = getc(in)) != EOF)
		vg_buf_putc(&b, (char)c);
	fclose(in);
	assert_int_equal(vg_rule_samples_read(&samples, vg_str_of(path), vg_buf_str(&b)), VG_OK);
	vg_buf_fini(&b);
}

static int
setup(void **state)
{
	struct vg_knowledge_options o = { .rules = &folder, .nrules = 1, .no_default_rules = true, .no_cache = true };
	char why[400], last[400] = "";

	(void)state;
	folder = getenv("VIGIE_RULES");
	assert_non_null(folder);
	assert_int_equal(vg_knowledge_load(&o, &k, why), VG_OK);
	vg_rule_samples_init(&samples, tell, NULL);
	for (uint32_t i = 0; i < k.program.nrule; i++) { /* rules of one file follow each other */
		vg_str file = vg_program_str(&k.program, k.program.rule[i].file);

		if (k.program.rule[i].kind == VG_RULE_CORRELATION && vg_str_find(file, VG_STR("/correlations/")) == VG_NPOS)
			continue;
		if (vg_str_eq(file, vg_str_of(last)))
			continue;
		snprintf(last, sizeof(last), "%.*s", VG_STR_ARG(file));
		read_file(last);
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	vg_rule_samples_fini(&samples);
	vg_knowledge_fini(&k);
	return 0;
}

static void
all_load_without_a_word(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < k.program.ndiag; i++) {
		vg_str t = vg_program_str(&k.program, k.program.diag[i].text), f = vg_program_str(&k.program, k.program.diag[i].file);

		print_error("%.*s:%u: %.*s\n", VG_STR_ARG(f), k.program.diag[i].line, VG_STR_ARG(t));
	}
	assert_int_equal(k.program.ndiag, 0);
	assert_int_equal(samples.bad, 0);
}

static void
each_finds_what_its_samples_say(void **state)
{
	struct vg_player *p = vg_player_new(&k);
	unsigned bad = 0;

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < samples.n; i++) {
		const struct vg_rule_sample *s = &samples.item[i];
		uint32_t rule = vg_rule_find(&k.program, s->rule);
		struct vg_played out;

		assert_true(rule != UINT32_MAX);
		assert_int_equal(vg_play(p, s, &out), VG_OK);
		if ((out.fired[rule] > 0) != s->fires || out.events < s->nrecord || out.unknown) {
			vg_str title = vg_program_str(&k.program, k.program.rule[rule].title);

			print_error("%.*s:%u: \"%.*s\" fires %u times, must %s; %u events, %u of no known log source\n", VG_STR_ARG(s->file), s->line,
				    VG_STR_ARG(title), out.fired[rule], s->fires ? "fire" : "not", out.events, out.unknown);
			bad++;
		}
	}
	vg_player_free(p);
	assert_int_equal(bad, 0);
}

static void
every_rule_has_one_that_fires_and_one_that_does_not(void **state)
{
	uint32_t *has = calloc(k.program.nrule, sizeof(*has)), correlations = 0;
	unsigned bad = 0;

	(void)state;
	assert_non_null(has);
	for (size_t i = 0; i < samples.n; i++) {
		uint32_t rule = vg_rule_find(&k.program, samples.item[i].rule);

		has[rule] |= samples.item[i].fires ? 1 : 2;
	}
	for (uint32_t i = 0; i < k.program.nrule; i++) {
		vg_str title = vg_program_str(&k.program, k.program.rule[i].title);

		correlations += k.program.rule[i].kind == VG_RULE_CORRELATION;
		if (has[i] == 3 || vg_str_eq(title, VG_STR("Indicator met"))) /* no record feeds that one: an indicator does */
			continue;
		print_error("\"%.*s\" has no sample that %s\n", VG_STR_ARG(title), has[i] & 1 ? "must not fire" : "fires");
		bad++;
	}
	print_message("%u rules, %u of them correlations, %zu samples\n", k.program.nrule, correlations, samples.n);
	free(has);
	assert_true(correlations >= 15);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_load_without_a_word),
		cmocka_unit_test(each_finds_what_its_samples_say),
		cmocka_unit_test(every_rule_has_one_that_fires_and_one_that_does_not),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
