#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct vg_arena arena;
static struct vg_yaml *root;
static struct vg_yaml_error err;

static vg_rc
parse(const char *text)
{
	vg_arena_reset(&arena);
	root = NULL;
	return vg_yaml_parse(vg_str_of(text), &arena, &root, &err);
}

static void
assert_text(vg_str s, const char *want)
{
	assert_int_equal(s.n, strlen(want));
	assert_memory_equal(s.p, want, s.n);
}

static void
documents_are_read_in_order(void **state)
{
	const struct vg_yaml *l;
	bool b = false;

	(void)state;
	assert_int_equal(parse("a: 1\nb: 'x\n  y'\nc:\n  - ~\n  - \"null\"\n  -\n  - k: v\nd: yes\n---\nz\n"), VG_OK);
	assert_int_equal(root->kind, VG_YAML_MAP);
	assert_int_equal(root->nchild, 4);
	assert_text(vg_yaml_text(root, "a"), "1");
	assert_text(vg_yaml_text(root, "b"), "x y");
	assert_null(vg_yaml_text(root, "c").p);
	assert_true(vg_yaml_bool(vg_yaml_get(root, VG_STR("d")), &b) && b);
	l = vg_yaml_get(root, VG_STR("c"));
	assert_int_equal(l->kind, VG_YAML_LIST);
	assert_int_equal(l->nchild, 4);
	l = l->child;
	assert_int_equal(l->kind, VG_YAML_NULL);
	assert_int_equal(l->line, 5);
	l = l->next;
	assert_int_equal(l->kind, VG_YAML_SCALAR);
	assert_true(l->quoted);
	assert_int_equal(l->next->kind, VG_YAML_NULL);
	assert_text(vg_yaml_text(l->next->next, "k"), "v");
	assert_int_equal(root->next->kind, VG_YAML_SCALAR);
	assert_int_equal(root->next->line, 11);
	assert_null(root->next->next);
}

static void
nothing_is_no_document(void **state)
{
	(void)state;
	assert_int_equal(parse(""), VG_OK);
	assert_null(root);
	assert_int_equal(parse("# only a comment\n"), VG_OK);
	assert_null(root);
}

static void
aliases_are_copied(void **state)
{
	(void)state;
	assert_int_equal(parse("a: &x [1, 2]\nb: *x\nc: {d: *x}\n"), VG_OK);
	assert_int_equal(vg_yaml_get(root, VG_STR("b"))->nchild, 2);
	assert_text(vg_yaml_get(vg_yaml_get(root, VG_STR("c")), VG_STR("d"))->child->next->text, "2");
	assert_int_equal(parse("a: *x\n"), VG_E_FORMAT);
	assert_int_equal(err.line, 1);
	assert_int_equal(parse("a: &x [ *x ]\n"), VG_E_FORMAT);
}

static void
a_billion_laughs_meet_the_limit(void **state)
{
	(void)state;
	assert_int_equal(parse("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
			       "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
			       "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"),
			 VG_E_LIMIT);
	assert_int_equal(err.line, 6);
}

static void
depth_meets_the_limit(void **state)
{
	char deep[VG_YAML_DEPTH_MAX + 2];

	(void)state;
	memset(deep, '[', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(parse(deep), VG_E_LIMIT);
	assert_string_equal(err.text, "nested deeper than 32");
}

static void
a_key_that_stands_twice_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse("a: 1\nb: 2\na: 3\n"), VG_E_FORMAT);
	assert_int_equal(err.line, 3);
	assert_int_equal(parse("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nk: 1\nl: 1\nm: 1\nb: 2\n"),
			 VG_E_FORMAT);
	assert_int_equal(err.line, 14);
	assert_string_equal(err.text, "the key \"b\" stands twice in the same map");
}

static void
bad_text_says_where(void **state)
{
	(void)state;
	assert_int_equal(parse("a: 1\nb: [1, 2\nc: 3\n"), VG_E_FORMAT);
	assert_true(err.line >= 2 && err.text[0] != '\0');
	assert_int_equal(parse("a: 'x\n"), VG_E_FORMAT);
	assert_int_equal(parse("? [a]\n: b\n"), VG_E_UNSUP);
	assert_int_equal(parse("a: 1\nb: \xff\n"), VG_E_FORMAT);
	assert_int_equal(err.line, 2);
	assert_int_equal(parse("---\n%YAML 1.2\n"), VG_E_UNSUP);
	assert_int_equal(err.line, 2);
}

static int
setup(void **state)
{
	(void)state;
	vg_arena_init(&arena, 64 << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	vg_arena_fini(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_read_in_order),
		cmocka_unit_test(nothing_is_no_document),
		cmocka_unit_test(aliases_are_copied),
		cmocka_unit_test(a_billion_laughs_meet_the_limit),
		cmocka_unit_test(depth_meets_the_limit),
		cmocka_unit_test(a_key_that_stands_twice_is_refused),
		cmocka_unit_test(bad_text_says_where),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
