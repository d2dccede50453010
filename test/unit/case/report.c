/* With a folder as argument, writes there the reports of the made-up stories, for eyes and for
 * test/scenario/report_browser.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/utf.h"
#include "case/text.h"
#include "demo.h"
#include "rule/compile.h"

static struct vg_report_options
options(enum vg_lang lang)
{
	return (struct vg_report_options){ .lang = lang, .columns = 80, .rows = 24, .unicode = true, .version = "0.1.0" };
}

static vg_rc
to_buf(void *ctx, vg_str s)
{
	vg_buf_put(ctx, s);
	return ((struct vg_buf *)ctx)->rc;
}

typedef vg_rc report_fn(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out);

static struct vg_buf
written(report_fn *fn, const struct vg_story_view *v, struct vg_report_options o)
{
	struct vg_buf b = { 0 };
	struct vg_out out = { to_buf, &b };

	assert_int_equal(fn(v, &o, &out), VG_OK);
	return b;
}

static bool
has(const struct vg_buf *b, const char *z)
{
	return vg_str_find(vg_buf_str(b), vg_str_of(z)) != VG_NPOS;
}

/* A checker of JSON: where the value at @p ends, NULL when there is none. */
static const char *
json_end(const char *p, const char *end, int depth)
{
	while (p < end && strchr(" \n\r\t", *p))
		p++;
	if (p == end || depth > 32)
		return NULL;
	if (*p == '{' || *p == '[') {
		char close = *p == '{' ? '}' : ']';

		for (p++; p < end && *p != close;) {
			if (close == '}' && ((p = json_end(p, end, depth + 1)) == NULL || p == end || *p++ != ':'))
				return NULL;
			if ((p = json_end(p, end, depth + 1)) == NULL || p == end)
				return NULL;
			if (*p == ',' && p + 1 < end && p[1] != close)
				p++;
			else if (*p != close)
				return NULL;
		}
		p++;
	} else if (*p == '"') {
		for (p++; p < end && *p != '"'; p++) {
			if ((unsigned char)*p < 0x20)
				return NULL;
			p += *p == '\\';
		}
		p++;
	} else {
		const char *begin = p;

		while (p < end && strchr("-+.0123456789truefalsn", *p))
			p++;
		if (p == begin)
			return NULL;
	}
	while (p < end && strchr(" \n\r\t", *p))
		p++;
	return p <= end ? p : NULL;
}

static void
assert_json(vg_str s)
{
	assert_true(vg_utf8_valid(s));
	assert_ptr_equal(json_end(s.p, s.p + s.n, 0), s.p + s.n);
}

static void
every_text_is_there_in_each_language(void **state)
{
	(void)state;
	for (int l = 0; l < VG_LANGS; l++) {
		for (int t = 0; t < VG_TEXT_COUNT; t++) {
			const char *z = vg_text((enum vg_lang)l, (enum vg_text)t), *en = vg_text(VG_LANG_EN, (enum vg_text)t);

			assert_non_null(z);
			assert_true(*z != '\0' && vg_utf8_valid(vg_str_of(z)));
			assert_null(strpbrk(z, "<>\""));
			for (char c = '0'; c <= '9'; c++) { /* the same things are put in */
				const char hole[] = { '{', c, '}', '\0' };

				assert_int_equal(strstr(z, hole) != NULL, strstr(en, hole) != NULL);
			}
		}
		for (int t = 0; t < VG_PLURAL_COUNT; t++) {
			for (unsigned n = 0; n < 3; n++) {
				const char *z = vg_text_n((enum vg_lang)l, (enum vg_plural)t, n);

				assert_non_null(strstr(z, "{0}"));
			}
		}
	}
	assert_string_equal(vg_text_n(VG_LANG_FR, VG_N_FILES, 0), "{0} fichier");
	assert_string_equal(vg_text_n(VG_LANG_EN, VG_N_FILES, 0), "{0} files");
	assert_string_equal(vg_text_n(VG_LANG_EN, VG_N_FILES, 1), "{0} file");
}

static void
numbers_and_dates_are_written_as_people_do(void **state)
{
	char t[VG_DATE_MAX], n[VG_NUMBER_MAX];
	int64_t when = vg_time_parse(VG_STR("2026-04-01T02:14:07Z"), 0);

	(void)state;
	assert_true(vg_str_eq(vg_text_date(VG_LANG_FR, when, true, t), VG_STR("1er avril 2026 à 02:14 UTC")));
	assert_true(vg_str_eq(vg_text_date(VG_LANG_EN, when, false, t), VG_STR("1 April 2026")));
	assert_int_equal(vg_text_date(VG_LANG_EN, VG_TIME_NONE, true, t).n, 0);
	assert_true(vg_str_eq(vg_text_number(VG_LANG_EN, 1234567, n), VG_STR("1,234,567")));
	assert_true(vg_str_eq(vg_text_number(VG_LANG_EN, UINT64_MAX, n), VG_STR("18,446,744,073,709,551,615")));
	assert_true(vg_str_eq(vg_text_number(VG_LANG_FR, 12, n), VG_STR("12")));
	assert_int_equal(vg_lang_of("fr_FR.UTF-8"), VG_LANG_FR);
	assert_int_equal(vg_lang_of("fr"), VG_LANG_FR);
	assert_int_equal(vg_lang_of("frp_IT"), VG_LANG_EN);
	assert_int_equal(vg_lang_of("C"), VG_LANG_EN);
	assert_int_equal(vg_lang_of(NULL), VG_LANG_EN);
}

static void
assert_fits(const struct vg_buf *b, unsigned columns, unsigned rows)
{
	vg_str text = vg_buf_str(b), line;
	unsigned n = 0;

	while (vg_str_split(&text, '\n', &line) && (text.p || line.n)) {
		assert_true(vg_utf8_columns(line) <= columns);
		assert_true(vg_utf8_valid(line));
		n++;
	}
	assert_true(n < rows);
}

static void
the_summary_fits_the_screen(void **state)
{
	static const unsigned size[][2] = { { 80, 24 }, { 40, 20 }, { 132, 50 }, { 60, 24 } };
	struct demo *d = demo_begin(demo_rules, DEMO_RULES);
	const struct vg_story_view *v = demo_story(d);

	(void)state;
	for (int l = 0; l < VG_LANGS; l++) {
		for (size_t i = 0; i < VG_COUNT(size); i++) {
			for (int unicode = 0; unicode < 2; unicode++) {
				struct vg_report_options o = options((enum vg_lang)l);
				struct vg_buf b;

				o.columns = size[i][0];
				o.rows = size[i][1];
				o.unicode = unicode;
				b = written(vg_report_summary, v, o);
				assert_fits(&b, o.columns, o.rows);
				if (!unicode)
					assert_true(vg_ascii(vg_buf_str(&b)));
				assert_false(has(&b, "\x1b"));
				vg_buf_fini(&b);
			}
		}
	}
	demo_free(d);
}

static void
nothing_found_is_said_honestly(void **state)
{
	struct demo *d = demo_begin(demo_rules, DEMO_RULES);
	const struct vg_story_view *v;
	struct vg_buf b;

	(void)state;
	demo_totals(d, 90210);
	assert_int_equal(vg_story_seen(d->story, VG_STR("H"), VG_STR("vmkernel"), 12, 1, 2, false), VG_OK);
	v = vg_story_finish(d->story);
	b = written(vg_report_summary, v, options(VG_LANG_EN));
	assert_true(has(&b, "Nothing was found."));
	assert_true(has(&b, "90,210 events met 2,866 applicable rules (of 3,797 loaded)."));
	assert_true(has(&b, "No rule reads: vmkernel."));
	assert_fits(&b, 80, 24);
	vg_buf_fini(&b);
	b = written(vg_report_html, v, options(VG_LANG_FR));
	assert_true(has(&b, "<h1>Rien n’a été trouvé.</h1>"));
	assert_true(has(&b, "Cela ne prouve pas"));
	vg_buf_fini(&b);
	demo_free(d);
}

static void
matched_fields_are_marked(void **state)
{
	static const char yaml[] = "title: Tool in a temporary folder\nid: 0b0d3f0e-0000-4000-8000-000000000001\nauthor: Someone\n"
				   "level: high\nlogsource:\n  product: windows\ndetection:\n  sel:\n    Image|contains: '\\\\Temp\\\\'\n"
				   "  condition: sel\n";
	const struct vg_rule_text text = { VG_STR("t.yml"), vg_str_of(yaml), VG_STR("DRL 1.1") };
	struct vg_buf blob = { 0 }, b;
	struct demo d = { .keys = vg_keys_new() };
	struct vg_program p;

	(void)state;
	vg_arena_init(&d.arena, 1 << 20);
	assert_int_equal(vg_rules_compile(&text, 1, NULL, 0, &blob), VG_OK);
	assert_int_equal(vg_program_load(vg_buf_str(&blob), d.keys, &p), VG_OK);
	assert_int_equal(p.nrule, 1);
	d.story = vg_story_new(&p, (size_t)16 << 20);
	demo_signal(&d, 0, VG_DAY, "PC1", "bob", "10.0.0.1");
	b = written(vg_report_html, vg_story_finish(d.story), options(VG_LANG_EN));
	assert_true(has(&b, "<td><mark>C:\\Windows\\Temp\\svchost32.exe</mark></td>"));
	assert_false(has(&b, "<mark>powershell"));
	assert_true(has(&b, "<dd>Someone</dd>"));
	assert_true(has(&b, "<dd>DRL 1.1</dd>"));
	vg_buf_fini(&b);
	vg_story_free(d.story);
	vg_buf_fini(&blob);
	vg_keys_free(d.keys);
	vg_arena_fini(&d.arena);
}

/* Everything that a log may hold, in every place of the story. */
#define EVIL "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\xe2\x80\xae=cmd|'/c calc'!A1\r\n\xff\xfe&lt;"

static const struct vg_story_view *
evil_story(struct demo *d)
{
	static const struct vg_file_report file = { .path = VG_STR_INIT(EVIL), .format = VG_STR_INIT(EVIL), .why_not = VG_STR_INIT(EVIL),
						    .note = { 1, 2 }, .note_text = { VG_STR_INIT(EVIL) } };

	demo_totals(d, 5);
	assert_int_equal(vg_story_file(d->story, &file), VG_OK);
	assert_int_equal(vg_story_seen(d->story, VG_STR(EVIL), VG_STR(EVIL), 5, 1, 2, false), VG_OK);
	for (int k = VG_FACT_NONE + 1; k < VG_FACT_KINDS; k++)
		demo_fact(d, (struct vg_fact){ .kind = (uint8_t)k, .time_ns = k * VG_DAY, .host = VG_STR(EVIL), .channel = VG_STR(EVIL),
					       .user = VG_STR(EVIL "1"), .domain = VG_STR(EVIL), .target = VG_STR(EVIL), .member = VG_STR(EVIL),
					       .source_ip = VG_STR(EVIL), .source_host = VG_STR(EVIL), .session = VG_STR("1"),
					       .method = VG_STR(EVIL) });
	assert_int_equal(vg_story_gap(d->story, &(struct vg_erasure){ .kind = VG_ERASE_GAP, .host = VG_STR(EVIL), .log = VG_STR(EVIL),
									.user = VG_STR(EVIL), .file = VG_STR(EVIL), .missing = 3 }),
			 VG_OK);
	for (uint32_t r = 0; r < d->made->p.nrule; r++)
		demo_signal(d, r, r * VG_DAY, EVIL, EVIL, EVIL);
	return vg_story_finish(d->story);
}

static struct demo *
evil_begin(void)
{
	static const struct made_rule rule[] = {
		{ EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, "attack.t1490 " EVIL, VG_LEVEL_CRITICAL },
		{ EVIL "b", EVIL, EVIL, EVIL, EVIL, EVIL, "attack.t1486 " EVIL, VG_LEVEL_HIGH },
	};

	return demo_begin(rule, VG_COUNT(rule));
}

static void
nothing_hostile_reaches_html(void **state)
{
	struct demo *d = evil_begin();
	const struct vg_story_view *v = evil_story(d);

	(void)state;
	for (int l = 0; l < VG_LANGS; l++) {
		struct vg_buf b = written(vg_report_html, v, options((enum vg_lang)l));
		vg_str s = vg_buf_str(&b);
		size_t scripts = 0;

		assert_true(vg_utf8_valid(s));
		assert_false(has(&b, "<script>alert"));
		assert_false(has(&b, "<img"));
		assert_false(has(&b, "\"'>"));
		assert_false(has(&b, "\x1b"));
		assert_false(has(&b, "\xe2\x80\xae"));
		assert_false(has(&b, "\r"));
		assert_true(has(&b, "&lt;script&gt;alert(1)"));
		for (size_t at = 0; (at = vg_str_find(s, VG_STR("<script"))) != VG_NPOS; s = vg_str_skip(s, at + 1))
			scripts++;
		assert_int_equal(scripts, 1);
		assert_false(has(&b, " style="));
		/* a line feed in a name does not begin a sentence */
		assert_true(has(&b, "calc&#39;!A1\\x0d\\x0a"));
		assert_false(has(&b, "<li>\xef\xbf\xbd"));
		vg_buf_fini(&b);
	}
	demo_free(d);
}

static void
nothing_hostile_reaches_a_terminal(void **state)
{
	struct demo *d = evil_begin();
	const struct vg_story_view *v = evil_story(d);
	struct vg_buf b = written(vg_report_summary, v, options(VG_LANG_EN));

	(void)state;
	assert_fits(&b, 80, 24);
	for (vg_str s = vg_buf_str(&b); s.n;) {
		uint32_t cp;
		size_t n = vg_utf8_next(s, &cp);

		assert_true(n > 0 && (cp == '\n' || !vg_cp_hostile(cp)));
		s = vg_str_skip(s, n);
	}
	vg_buf_fini(&b);
	demo_free(d);
}

static void
exports_are_json(void **state)
{
	(void)state;
	for (int evil = 0; evil < 2; evil++) {
		struct demo *d = evil ? evil_begin() : demo_begin(demo_rules, DEMO_RULES);
		const struct vg_story_view *v = evil ? evil_story(d) : demo_story(d);

		for (int l = 0; l < VG_LANGS; l++) {
			struct vg_buf a = written(vg_report_stix, v, options((enum vg_lang)l));
			struct vg_buf again = written(vg_report_stix, v, options((enum vg_lang)l));
			struct vg_buf n = written(vg_report_navigator, v, options((enum vg_lang)l));

			assert_json(vg_buf_str(&a));
			assert_json(vg_buf_str(&n));
			assert_true(vg_str_eq(vg_buf_str(&a), vg_buf_str(&again)));
			assert_true(has(&n, "\"techniqueID\":\"T1490\""));
			vg_buf_fini(&a);
			vg_buf_fini(&again);
			vg_buf_fini(&n);
		}
		demo_free(d);
	}
}

static void
rows_are_safe(void **state)
{
	static const struct vg_row_matched m[] = {
		{ VG_STR_INIT("Image"), VG_STR_INIT(EVIL) }, { VG_STR_INIT("Image"), VG_STR_INIT("b") }, { VG_STR_INIT(EVIL), VG_STR_INIT("=1+1") },
	};
	static const vg_str by[] = { VG_STR_INIT("user.name") }, value[] = { VG_STR_INIT("@evil") };
	struct demo *d = evil_begin();
	struct vg_event e;
	struct vg_signal s = { .rule = 0, .time_ns = VG_DAY, .first_ns = VG_DAY, .count = 1, .event = &e, .file = VG_STR(EVIL),
			       .nby = 1, .by_name = by, .by_value = value };
	struct vg_buf b = { 0 };

	(void)state;
	vg_event_init(&e, &d->arena, d->keys);
	e.host = e.channel = e.code = VG_STR(EVIL);
	for (int correlation = 0; correlation < 2; correlation++) {
		d->made->rule[0].kind = correlation ? VG_RULE_CORRELATION : VG_RULE_BASE;
		vg_buf_clear(&b);
		vg_rows_signal(VG_ROWS_JSONL, &d->made->p, &s, m, VG_COUNT(m), &b);
		assert_json(vg_buf_str(&b));
		assert_int_equal(b.p[b.n - 1], '\n');
		assert_int_equal(vg_str_chr(vg_buf_str(&b), '\n'), b.n - 1);
		assert_true(has(&b, ",\"b\"]"));
		s.event = NULL;
		vg_rows_signal(VG_ROWS_JSONL, &d->made->p, &s, NULL, 0, &b);
		s.event = &e;
	}
	for (int f = VG_ROWS_TABLE; f <= VG_ROWS_TIMESKETCH; f++) {
		unsigned commas[2] = { 0, 0 };
		bool quoted = false;

		vg_buf_clear(&b);
		vg_rows_begin((enum vg_rows)f, &b);
		vg_rows_signal((enum vg_rows)f, &d->made->p, &s, m, VG_COUNT(m), &b);
		if (f == VG_ROWS_JSONL)
			continue;
		assert_true(vg_utf8_valid(vg_buf_str(&b)));
		assert_false(has(&b, "\x1b"));
		assert_false(has(&b, "\xe2\x80\xae"));
		if (f == VG_ROWS_TABLE)
			continue;
		for (size_t i = 0, row = 0; i < b.n && row < 2; i++) { /* the same columns in both lines */
			quoted ^= b.p[i] == '"';
			commas[row] += !quoted && b.p[i] == ',';
			row += !quoted && b.p[i] == '\n';
		}
		assert_int_equal(commas[0], commas[1]);
	}
	vg_buf_fini(&b);
	demo_free(d);
}

static void
dump(const char *dir, const char *name, const struct vg_buf *b)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((f = fopen(path, "wb")) == NULL || fwrite(b->p, 1, b->n, f) != b->n || fclose(f) != 0)
		abort();
}

static void
dump_all(const char *dir)
{
	static const struct {
		const char *suffix;
		report_fn *fn;
	} kind[] = { { "html", vg_report_html }, { "txt", vg_report_summary }, { "stix.json", vg_report_stix }, { "navigator.json", vg_report_navigator } };

	for (int what = 0; what < 3; what++) {
		struct demo *d = what == 1 ? evil_begin() : demo_begin(demo_rules, DEMO_RULES);
		const struct vg_story_view *v;

		if (what == 2)
			demo_totals(d, 90210);
		v = what == 0 ? demo_story(d) : what == 1 ? evil_story(d) : vg_story_finish(d->story);
		for (int l = 0; l < VG_LANGS; l++) {
			for (size_t k = 0; k < VG_COUNT(kind); k++) {
				static const char *const story[] = { "demo", "hostile", "zero" };
				struct vg_report_options o = options((enum vg_lang)l);
				char name[64];
				struct vg_buf b;

				o.colour = true;
				b = written(kind[k].fn, v, o);
				snprintf(name, sizeof(name), "%s-%s.%s", story[what], l == VG_LANG_FR ? "fr" : "en", kind[k].suffix);
				dump(dir, name, &b);
				vg_buf_fini(&b);
			}
		}
		demo_free(d);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_is_there_in_each_language),
		cmocka_unit_test(numbers_and_dates_are_written_as_people_do),
		cmocka_unit_test(the_summary_fits_the_screen),
		cmocka_unit_test(nothing_found_is_said_honestly),
		cmocka_unit_test(matched_fields_are_marked),
		cmocka_unit_test(nothing_hostile_reaches_html),
		cmocka_unit_test(nothing_hostile_reaches_a_terminal),
		cmocka_unit_test(exports_are_json),
		cmocka_unit_test(rows_are_safe),
	};

	if (argc > 1) {
		dump_all(argv[1]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
