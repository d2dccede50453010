#include "rule/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/time.h"

static struct vg_buf blob;
static struct vg_keys *keys;
static struct vg_program prog;

static void
compile_texts(const char *const *text, size_t n, const struct vg_rule_var *var, size_t nvar)
{
	struct vg_rule_text t[8];

	for (size_t i = 0; i < n; i++)
		t[i] = (struct vg_rule_text){ VG_STR("a.yml"), vg_str_of(text[i]), VG_STR("DRL 1.1") };
	vg_buf_clear(&blob);
	vg_keys_free(keys);
	keys = vg_keys_new();
	assert_int_equal(vg_rules_compile(t, n, var, nvar, &blob), VG_OK);
	assert_int_equal(vg_program_load(vg_buf_str(&blob), keys, &prog), VG_OK);
}

/* One rule with this detection. */
static void
compile(const char *detection)
{
	char text[8192];
	const char *one[] = { text };

	snprintf(text, sizeof(text), "title: t\nid: one\nlogsource: {product: windows}\ndetection:\n%s", detection);
	compile_texts(one, 1, NULL, 0);
}

static const char *
str(struct vg_slice s)
{
	static char out[4][256];
	static int at;

	at = (at + 1) % 4;
	snprintf(out[at], sizeof(out[at]), "%.*s", (int)s.len, prog.text + s.off);
	return out[at];
}

static void
assert_values(const char *detection, enum vg_test test, const char *const *want, size_t n)
{
	compile(detection);
	assert_int_equal(prog.ndiag, 0);
	assert_int_equal(prog.nitem, 1);
	assert_int_equal(prog.item[0].nvalue, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(prog.value[i].test, test);
		assert_string_equal(str(prog.value[i].text), want[i]);
	}
}
#define VALUES(detection, test, ...) \
	assert_values(detection, test, (const char *const[]){ __VA_ARGS__ }, VG_COUNT(((const char *const[]){ __VA_ARGS__ })))

static void
values_say_how_they_are_compared(void **state)
{
	(void)state;
	VALUES("  s: {a: 'ÄbC'}\n  condition: s\n", VG_TEST_EQ, "äbc");
	VALUES("  s: {a|cased: 'AbC'}\n  condition: s\n", VG_TEST_EQ, "AbC");
	VALUES("  s: {a: 4688}\n  condition: s\n", VG_TEST_EQ, "4688");
	VALUES("  s: {a: ''}\n  condition: s\n", VG_TEST_EQ, "");
	VALUES("  s: {a: 'x*'}\n  condition: s\n", VG_TEST_PREFIX, "x");
	VALUES("  s: {a: '*x'}\n  condition: s\n", VG_TEST_SUFFIX, "x");
	VALUES("  s: {a|contains: [x, '*y*']}\n  condition: s\n", VG_TEST_CONTAINS, "x", "y");
	VALUES("  s: {a|startswith: 'x?y'}\n  condition: s\n", VG_TEST_GLOB, "x\xfey\xff");
	VALUES("  s: {a: '*'}\n  condition: s\n", VG_TEST_GLOB, "\xff");
	VALUES("  s: {a: 'a\\*b\\?c\\\\d\\e'}\n  condition: s\n", VG_TEST_EQ, "a*b?c\\d\\e");
	VALUES("  s: {a: '\\\\*'}\n  condition: s\n", VG_TEST_PREFIX, "\\");
	VALUES("  s: {a|re: 'A.*\\\\B'}\n  condition: s\n", VG_TEST_RE, "A.*\\\\B");
	VALUES("  s: {a|gte: 10}\n  condition: s\n", VG_TEST_GTE, "10");
	VALUES("  s: {a|hour: 3}\n  condition: s\n", VG_TEST_TIME, "3");
	VALUES("  s: {a|endswith|windash: ' -x'}\n  condition: s\n", VG_TEST_SUFFIX, " -x", " /x", " –x", " —x", " ―x");
	/* RFC 4648: "foo" alone is Zm9v */
	VALUES("  s: {a|base64: foo}\n  condition: s\n", VG_TEST_EQ, "zm9v");
	VALUES("  s: {a|base64offset|contains|cased: foobar}\n  condition: s\n", VG_TEST_CONTAINS, "Zm9vYmFy", "Zvb2Jhc", "mb29iYX");
	VALUES("  s: {a|wide|base64|cased: ab}\n  condition: s\n", VG_TEST_EQ, "YQBiAA==");
	VALUES("  s:\n    - x\n    - 'y*'\n    - 12\n  condition: s\n", VG_TEST_CONTAINS, "x", "y", "12");
}

static void
networks_are_bytes(void **state)
{
	(void)state;
	compile("  s: {a|cidr: [10.1.2.3/8, 'fe80::/10']}\n  condition: s\n");
	assert_int_equal(prog.nvalue, 2);
	assert_memory_equal(prog.text + prog.value[0].text.off, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0\x68", 17);
	assert_memory_equal(prog.text + prog.value[1].text.off, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a", 17);
}

static void
assert_refused(const char *detection, enum vg_diag_reason why)
{
	compile(detection);
	assert_int_equal(prog.nrule, 0);
	assert_int_equal(prog.ndiag, 1);
	assert_int_equal(prog.diag[0].reason, why);
	assert_int_equal(prog.diag[0].fatal, 1);
	assert_true(prog.diag[0].text.len > 10);
}

static void
what_cannot_be_used_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text;
		enum vg_diag_reason why;
	} bad[] = {
		{ "  s: {a|contain: x}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|i: x}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|cidr: 10.0.0.0/33}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|lt: x}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|hour: x}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|base64: 'x*'}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|exists: maybe}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|fieldref: 'b*'}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: {a|contains: null}\n  condition: s\n", VG_DIAG_MODIFIER },
		{ "  s: [null]\n  condition: s\n", VG_DIAG_SCHEMA },
		{ "  s: {a: []}\n  condition: s\n", VG_DIAG_SCHEMA },
		{ "  s: {}\n  condition: s\n", VG_DIAG_SCHEMA },
		{ "  s: {a: 1}\n", VG_DIAG_SCHEMA },
		{ "  s: {a|re: '(?=x)'}\n  condition: s\n", VG_DIAG_REGEX },
		{ "  s: {a|re: '(x)\\1'}\n  condition: s\n", VG_DIAG_REGEX },
		{ "  s: {a|re: 'x++'}\n  condition: s\n", VG_DIAG_REGEX },
		{ "  s: {a|re: '(x'}\n  condition: s\n", VG_DIAG_REGEX },
		{ "  s: {a|expand: '%who%'}\n  condition: s\n", VG_DIAG_PLACEHOLDER },
		{ "  s: {a: 1}\n  condition: t\n", VG_DIAG_CONDITION },
		{ "  s: {a: 1}\n  condition: (s\n", VG_DIAG_CONDITION },
		{ "  s: {a: 1}\n  condition: s and\n", VG_DIAG_CONDITION },
		{ "  s: {a: 1}\n  condition: 2 of s*\n", VG_DIAG_CONDITION },
		{ "  s: {a: 1}\n  condition: s | near t\n", VG_DIAG_CONDITION },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++)
		assert_refused(bad[i].text, bad[i].why);
}

/* A value that grows without bound is refused; half of it would match what nobody meant. */
static void
a_value_of_many_dashes_is_refused(void **state)
{
	enum { N = 100000 };
	static const char head[] = "title: t\nlogsource: {product: x}\ndetection: {s: {a|windash: '", tail[] = "'}, condition: s}\n";
	char *text = malloc(sizeof(head) + sizeof(tail) + 3 * N), *p = text;
	const char *one[] = { text };

	(void)state;
	assert_non_null(text);
	p = stpcpy(p, head);
	for (int i = 0; i < N; i++)
		p = stpcpy(p, " -a");
	strcpy(p, tail);
	compile_texts(one, 1, NULL, 0);
	assert_int_equal(prog.nrule, 0);
	assert_int_equal(prog.diag[0].reason, VG_DIAG_LIMIT);
	free(text);
}

static void
placeholders_take_all_their_values(void **state)
{
	static const struct vg_rule_var var[] = { { VG_STR_INIT("who"), VG_STR_INIT("Ann*") }, { VG_STR_INIT("who"), VG_STR_INIT("%who%") } };
	const char *text[] = { "title: t\nlogsource: {product: x}\ndetection: {s: {a|expand: 'u\\%who%'}, condition: s}\n",
			       "title: t\nlogsource: {product: x}\ndetection: {s: {a: '%who%'}, condition: s}\n" };

	(void)state;
	compile_texts(text, 2, var, 2);
	assert_int_equal(prog.nrule, 2);
	assert_int_equal(prog.nvalue, 3);
	assert_string_equal(str(prog.value[0].text), "u\\ann");
	assert_int_equal(prog.value[0].test, VG_TEST_PREFIX);
	assert_string_equal(str(prog.value[1].text), "u\\%who%"); /* a value is not read again */
	assert_string_equal(str(prog.value[2].text), "%who%");
}

static void
print_node(uint32_t at, char *out, size_t size)
{
	const struct vg_node *n = &prog.node[at];
	size_t k;

	if (n->name.len && n->op != VG_OP_NOT) { /* a filter's NOT bears its title */
		snprintf(out + strlen(out), size - strlen(out), "%s", str(n->name));
		return;
	}
	k = strlen(out);
	snprintf(out + k, size - k, "%s", n->op == VG_OP_AND ? "&(" : n->op == VG_OP_OR ? "|(" : n->op == VG_OP_NOT ? "!(" : "?(");
	for (uint32_t i = 0; i < n->n; i++) {
		print_node(prog.child[n->first + i], out, size);
		k = strlen(out);
		snprintf(out + k, size - k, "%s", i + 1 < n->n ? " " : "");
	}
	k = strlen(out);
	snprintf(out + k, size - k, ")");
}

static void
conditions_bind_as_they_should(void **state)
{
	static const struct {
		const char *text, *want;
	} c[] = {
		{ "a or b and not c", "|(a &(b !(c)))" },
		{ "not a and b", "&(!(a) b)" },
		{ "(a or b) and c", "&(|(a b) c)" },
		{ "a AND NOT ( b OR c )", "&(a !(|(b c)))" },
		{ "1 of them", "|(a b c b-1.x)" },
		{ "all of b*", "&(b b-1.x)" },
		{ "not 1 of b* and a", "&(!(|(b b-1.x)) a)" },
		{ "any of *x or 1 of _d*", "|(b-1.x _d)" },
		{ "b-1.x", "b-1.x" },
		{ "[a, b and c]", "|(a &(b c))" },
	};
	char text[512], got[512];

	(void)state;
	for (size_t i = 0; i < VG_COUNT(c); i++) {
		snprintf(text, sizeof(text), "  a: {f: 1}\n  b: {f: 2}\n  c: {f: 3}\n  _d: {f: 4}\n  b-1.x: {f: 5}\n  condition: %s\n", c[i].text);
		compile(text);
		assert_int_equal(prog.nrule, 1);
		got[0] = '\0';
		print_node(prog.rule[0].root, got, sizeof(got));
		assert_string_equal(got, c[i].want);
	}
}

#define BASE(id, name) "title: " name "\nid: " id "\nname: " name "\nlogsource: {product: x}\ndetection: {s: {a: 1}, condition: s}\n"

static const struct vg_rule *
rule_of(const char *title)
{
	for (uint32_t i = 0; i < prog.nrule; i++)
		if (strcmp(str(prog.rule[i].title), title) == 0)
			return &prog.rule[i];
	return NULL;
}

static void
correlations_find_their_rules_across_texts(void **state)
{
	const char *text[] = {
		"title: chain\ncorrelation: {type: temporal_ordered, rules: [low, B], group-by: [user], timespan: 1h}\n",
		"title: low\nname: low\ncorrelation: {type: value_count, rules: [1], group-by: [user], timespan: 5m,\n"
		"  condition: {gte: 3, lt: 9, field: host}, aliases: {user: {A: SubjectUserName}}}\n---\n"
		"title: gone\ncorrelation: {type: event_count, rules: [nobody], timespan: 5m, condition: {gt: 1}}\n",
		BASE("1", "A") "---\n" BASE("2", "B") "---\n" BASE("1", "C"),
		"title: bool\ncorrelation: {type: temporal, rules: [A, B], timespan: 1d, condition: A and not B, generate: true}\n",
	};
	const struct vg_corr *low, *chain, *boolean;
	const struct vg_rule *a, *b;

	(void)state;
	compile_texts(text, 4, NULL, 0);
	assert_int_equal(prog.ncorr, 3);
	assert_null(rule_of("C")); /* its id is taken */
	assert_null(rule_of("gone"));
	assert_int_equal(prog.ndiag, 2);
	a = rule_of("A");
	b = rule_of("B");
	low = &prog.corr[rule_of("low")->corr];
	chain = &prog.corr[rule_of("chain")->corr];
	boolean = &prog.corr[rule_of("bool")->corr];
	assert_int_equal(low->depth, 0);
	assert_int_equal(chain->depth, 1);
	assert_true(chain > boolean);
	assert_int_equal(low->cmp[0], VG_CMP_GTE);
	assert_int_equal(low->cmp[1], VG_CMP_LT);
	assert_true(low->limit[1] > 8.9 && low->limit[1] < 9.1);
	assert_true(low->span_ns == INT64_C(300000000000));
	assert_string_equal(str(prog.key[prog.groupby[low->by]]), "SubjectUserName");
	assert_string_equal(str(prog.list[low->byname]), "user");
	assert_int_equal(a->nneed, 2); /* SubjectUserName, host */
	assert_int_equal(b->nneed, 1); /* user */
	assert_int_equal(a->flags, VG_RULE_FED | VG_RULE_REPORT); /* bool generates */
	assert_int_equal(rule_of("low")->flags, VG_RULE_FED);
	assert_int_equal(rule_of("chain")->flags, VG_RULE_REPORT);
	assert_int_not_equal(boolean->root, UINT32_MAX);
}

static void
circles_are_refused(void **state)
{
	const char *text[] = { "title: a\nname: a\ncorrelation: {type: temporal, rules: [b], timespan: 1h}\n---\n"
			       "title: b\nname: b\ncorrelation: {type: temporal, rules: [a], timespan: 1h}\n" };

	(void)state;
	compile_texts(text, 1, NULL, 0);
	assert_int_equal(prog.nrule, 0);
	assert_int_equal(prog.ndiag, 2);
	assert_int_equal(prog.diag[0].reason, VG_DIAG_REFERENCE);
}

static void
old_aggregations_become_correlations(void **state)
{
	const struct vg_corr *c;

	(void)state;
	compile("  s: {a: 1}\n  timeframe: 10m\n  condition: s | count(dst) by src, user >= 5\n");
	assert_int_equal(prog.nrule, 2);
	assert_int_equal(prog.ncorr, 1);
	c = &prog.corr[0];
	assert_int_equal(c->type, VG_CORR_VALUE_COUNT);
	assert_int_equal(c->nby, 2);
	assert_int_equal(c->cmp[0], VG_CMP_GTE);
	assert_int_equal(prog.rule[0].flags, VG_RULE_FED);
	assert_int_equal(prog.rule[0].nneed, 3);
	assert_string_equal(str(prog.rule[c->rule].id), "one");
}

static void
filters_meet_rules_of_their_log_source(void **state)
{
	const char *text[] = { "title: f\nlogsource: {product: x}\nfilter: {rules: any, f: {u: me}, condition: f}\n---\n"
			       "title: g\nlogsource: {product: other}\nfilter: {rules: [A], f: {u: me}, condition: f}\n",
			       BASE("1", "A") "---\n" BASE("2", "B") };
	char got[128] = "";

	(void)state;
	compile_texts(text, 2, NULL, 0);
	assert_int_equal(prog.nrule, 2);
	print_node(rule_of("A")->root, got, sizeof(got));
	assert_string_equal(got, "&(s !(f))");
	assert_int_equal(prog.ndiag, 1); /* g meets none */
	assert_int_equal(prog.diag[0].fatal, 0);
}

/* The first text is a file of exceptions. */
static void
compile_exceptions(const char *exceptions, const char *rules, int64_t now_ns)
{
	const struct vg_rule_text t[] = { { VG_STR("x.yml"), vg_str_of(exceptions), VG_NIL }, { VG_STR("a.yml"), vg_str_of(rules), VG_NIL } };
	static const uint8_t origin[] = { VG_ORIGIN_EXCEPTION, VG_ORIGIN_GIVEN };

	vg_buf_clear(&blob);
	vg_keys_free(keys);
	keys = vg_keys_new();
	assert_int_equal(vg_rules_compile_with(t, 2, &(struct vg_rules_options){ .origin = origin, .now_ns = now_ns }, &blob), VG_OK);
	assert_int_equal(vg_program_load(vg_buf_str(&blob), keys, &prog), VG_OK);
}

#define WHO "author: Ann\ndescription: the backup does this\ndate: 2026-01-02\n"
#define EXCEPTION(rules, head) "title: f\nid: fid\n" head "logsource: {product: x}\nfilter: {rules: " rules ", f: {u: me}, condition: f}\n"
#define SAME_TITLE "---\ntitle: A\nid: other\nlogsource: {product: x}\ndetection: {s: {a: 3}, condition: s}\n"

static void
exceptions_last_until_the_end_of_their_day(void **state)
{
	int64_t end = vg_time_parse(VG_STR("2026-03-01"), 0);
	char got[128] = "";

	(void)state;
	compile_exceptions(EXCEPTION("[A]", WHO "expires: 2026-02-28\n"), BASE("1", "A") "---\n" BASE("2", "B"), end - 1);
	assert_int_equal(prog.ndiag, 1);
	assert_int_equal(prog.diag[0].note, 1);
	assert_int_equal(prog.diag[0].fatal, 0);
	assert_int_equal(prog.diag[0].origin, VG_ORIGIN_EXCEPTION);
	assert_string_equal(str(prog.diag[0].text), "exception 'f' of Ann is applied to 1 rule until 2026-02-28: the backup does this");
	assert_int_equal(rule_of("A")->nfilter, 1);
	assert_int_equal(rule_of("B")->nfilter, 0);
	print_node(rule_of("A")->root, got, sizeof(got));
	assert_string_equal(got, "&(s !(f))");
	assert_int_equal(prog.nfilter, 1);
	assert_int_equal(prog.filter[0].nrule, 1);
	assert_string_equal(str(prog.filter[0].reason), "the backup does this");
	assert_string_equal(str(prog.filter[0].date), "2026-01-02");
	assert_true(prog.valid_until_ns == end && prog.valid_from_ns == INT64_MIN);

	compile_exceptions(EXCEPTION("[A]", WHO "expires: 2026-02-28\n"), BASE("1", "A"), end);
	assert_int_equal(prog.ndiag, 1);
	assert_int_equal(prog.diag[0].note + prog.diag[0].fatal, 0);
	assert_string_equal(str(prog.diag[0].text), "exception 'f' expired on 2026-02-28 and is not applied: remove it, or give it another day");
	assert_int_equal(rule_of("A")->nfilter, 0);
	assert_int_equal(prog.filter[0].expired, 1);
	assert_true(prog.valid_from_ns == end && prog.valid_until_ns == INT64_MAX);
}

static void
exceptions_say_who_why_and_until_when(void **state)
{
	static const struct {
		const char *text, *want;
	} bad[] = {
		{ EXCEPTION("[A]", "description: d\nexpires: 2026-02-28\n"), "an exception must say who made it (author: NAME)" },
		{ EXCEPTION("[A]", "author: ' '\ndescription: d\nexpires: 2026-02-28\n"), "an exception must say who made it (author: NAME)" },
		{ EXCEPTION("[A]", "author: a\nexpires: 2026-02-28\n"), "an exception must say why (description: REASON)" },
		{ EXCEPTION("[A]", "author: a\ndescription: d\n"), "an exception must say until when (expires: YYYY-MM-DD)" },
		{ EXCEPTION("[A]", WHO "expires: 2026-02-30\n"), "expires must be a day, YYYY-MM-DD" },
		{ EXCEPTION("[A]", WHO "expires: never\n"), "expires must be a day, YYYY-MM-DD" },
		{ EXCEPTION("[A]", WHO "expires: [2026-02-28]\n"), "expires must be a day, YYYY-MM-DD" },
		{ BASE("9", "C"), "a folder of exceptions holds filters and nothing else" },
		{ "title: c\ncorrelation: {type: temporal, rules: [A], timespan: 1h}\n", "a folder of exceptions holds filters and nothing else" },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		compile_exceptions(bad[i].text, BASE("1", "A"), 0);
		assert_int_equal(prog.nrule, 1);
		assert_int_equal(prog.ndiag, 1);
		assert_int_equal(prog.diag[0].fatal, 1);
		assert_int_equal(prog.diag[0].reason, VG_DIAG_EXCEPTION);
		assert_string_equal(str(prog.diag[0].text), bad[i].want);
		assert_int_equal(rule_of("A")->nfilter, 0);
	}
}

static void
exceptions_name_rules_by_id_name_or_title(void **state)
{
	(void)state;
	compile_exceptions(EXCEPTION("[1, A, Nothing]", WHO "expires: 2026-02-28\n") "---\n" EXCEPTION("any", WHO "expires: 2026-02-28\n"),
			   BASE("1", "A") SAME_TITLE, 0);
	assert_int_equal(prog.nrule, 2);
	assert_int_equal(prog.nfilter, 2);
	assert_int_equal(prog.filter[0].nrule, 1); /* named twice; and an id or name goes before a title */
	assert_int_equal(prog.filter[1].nrule, 2);
	assert_int_equal(rule_of("A")->nfilter, 2);
	assert_string_equal(str(prog.diag[0].text), "no rule has the id, name or title 'Nothing'");
	compile_exceptions(EXCEPTION("[T]", WHO "expires: 2026-02-28\n"), BASE("1", "A") SAME_TITLE
			   "---\ntitle: T\nid: t1\nlogsource: {product: x}\ndetection: {s: {a: 3}, condition: s}\n"
			   "---\ntitle: T\nid: t2\nlogsource: {product: x}\ndetection: {s: {a: 4}, condition: s}\n"
			   "---\ntitle: T\nid: t3\nlogsource: {product: x}\ndetection: {s: {a: 5}, condition: s | count() by u > 3, timeframe: 1m}\n", 0);
	assert_int_equal(prog.filter[0].nrule, 3);
	for (uint32_t i = 0; i < prog.nrule; i++)
		if (strcmp(str(prog.rule[i].title), "T") == 0)
			assert_int_equal(prog.rule[i].nfilter, 1);
		else
			assert_int_equal(prog.rule[i].nfilter, 0);
}

static void
heads_are_kept(void **state)
{
	const char *text[] = { "title: T\nid: i\nstatus: stable\nlevel: HIGH\nauthor: Ann\nlogsource: {product: Windows, service: Security}\n"
			       "tags: [attack.defense_evasion, attack.T1562.001]\nreferences: [r1, r2]\nfalsepositives: [none]\n"
			       "detection: {s: {a: 1}, condition: s}\n" };
	const struct vg_rule *r;

	(void)state;
	compile_texts(text, 1, NULL, 0);
	r = &prog.rule[0];
	assert_int_equal(r->level, VG_LEVEL_HIGH);
	assert_string_equal(vg_status_name(r->status), "stable");
	assert_string_equal(str(r->product), "windows");
	assert_string_equal(str(r->license), "DRL 1.1");
	assert_int_equal(r->ntag, 2);
	assert_string_equal(str(prog.list[r->tag]), "attack.defense-impairment");
	assert_string_equal(str(prog.list[r->tag + 1]), "attack.t1562.001");
	assert_int_equal(r->nref, 2);
}

/* A blob from a cache or a peer is refused or is sound, whatever its bytes. */
static void
damage_is_found(void **state)
{
	const char *text[] = { BASE("1", "A") "---\n" BASE("2", "B"),
			       "title: c\ncorrelation: {type: temporal, rules: [A, B], group-by: [u], timespan: 1d, condition: A and not B}\n" };
	struct vg_program p;
	size_t n, refused = 0;
	char *copy;

	(void)state;
	compile_texts(text, 2, NULL, 0);
	n = blob.n;
	copy = malloc(n);
	assert_non_null(copy);
	for (size_t cut = 0; cut < n; cut++) {
		struct vg_keys *k = vg_keys_new();
		char *part = malloc(cut + 1);

		assert_non_null(part);
		memcpy(part, blob.p, cut);
		assert_int_not_equal(vg_program_load(vg_str_mem(part, cut), k, &p), VG_OK);
		free(part);
		vg_keys_free(k);
	}
	for (size_t at = 0; at < n; at++) {
		struct vg_keys *k = vg_keys_new();

		memcpy(copy, blob.p, n);
		copy[at] ^= (char)0xff;
		refused += vg_program_load(vg_str_mem(copy, n), k, &p) != VG_OK;
		vg_keys_free(k);
	}
	assert_true(refused > n / 4);
	free(copy);
}

static int
teardown(void **state)
{
	(void)state;
	vg_buf_fini(&blob);
	vg_keys_free(keys);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_say_how_they_are_compared),
		cmocka_unit_test(networks_are_bytes),
		cmocka_unit_test(what_cannot_be_used_is_refused_with_a_reason),
		cmocka_unit_test(a_value_of_many_dashes_is_refused),
		cmocka_unit_test(placeholders_take_all_their_values),
		cmocka_unit_test(conditions_bind_as_they_should),
		cmocka_unit_test(correlations_find_their_rules_across_texts),
		cmocka_unit_test(circles_are_refused),
		cmocka_unit_test(old_aggregations_become_correlations),
		cmocka_unit_test(filters_meet_rules_of_their_log_source),
		cmocka_unit_test(exceptions_last_until_the_end_of_their_day),
		cmocka_unit_test(exceptions_say_who_why_and_until_when),
		cmocka_unit_test(exceptions_name_rules_by_id_name_or_title),
		cmocka_unit_test(heads_are_kept),
		cmocka_unit_test(damage_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
