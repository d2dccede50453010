#include "rule/selection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct vg_program prog;

/* A node as text: what it joins, in brackets; an item as key|test=value. */
static void
print(struct vg_buf *b, uint32_t at)
{
	static const char *const ops[] = { "false", "true", "and", "or", "not", "", "ref" };
	static const char *const tests[] = { "eq", "prefix", "suffix", "contains", "glob", "re", "cidr" };
	const struct vg_node *n = &prog.node[at];

	if (n->op == VG_OP_ITEM) {
		const struct vg_item *it = &prog.item[n->first];

		vg_buf_put(b, it->kind == VG_ITEM_KEYWORDS ? VG_STR("*") : vg_program_str(&prog, prog.key[it->key]));
		if (it->kind == VG_ITEM_NULL)
			vg_buf_puts(b, "=null");
		for (uint32_t i = 0; i < it->nvalue; i++) {
			const struct vg_value *v = &prog.value[it->value + i];

			vg_buf_printf(b, "%s%s=%.*s", i ? it->flags & VG_ITEM_ALL ? "&" : "," : "|", tests[v->test],
				      VG_STR_ARG(vg_program_str(&prog, v->text)));
		}
		return;
	}
	if (n->n == 1 && n->op == VG_OP_AND) { /* a selection of one */
		print(b, prog.child[n->first]);
		return;
	}
	vg_buf_printf(b, "%s(", ops[n->op]);
	for (uint32_t i = 0; i < n->n; i++) {
		if (i)
			vg_buf_putc(b, ' ');
		print(b, prog.child[n->first + i]);
	}
	vg_buf_putc(b, ')');
}

static void
means(const char *text, const char *want)
{
	struct vg_buf blob = { 0 }, out = { 0 };
	struct vg_keys *keys = vg_keys_new();
	struct vg_selection_error err;
	vg_rc rc = vg_selection_compile(vg_str_of(text), &blob, &err);

	if (rc != VG_OK)
		fail_msg("%s: %zu: %s", text, err.at, err.text);
	assert_int_equal(vg_program_load(vg_buf_str(&blob), keys, &prog), VG_OK);
	assert_int_equal(prog.nrule, 1);
	print(&out, prog.rule[0].root);
	vg_buf_putc(&out, 0);
	assert_string_equal(out.p, want);
	vg_buf_fini(&out);
	vg_buf_fini(&blob);
	vg_keys_free(keys);
}

static void
a_line_means_what_a_rule_would(void **state)
{
	(void)state;
	means("needle42", "*|contains=needle42");
	means("10.0.0.1:22", "*|contains=10.0.0.1:22");
	means("  'it''s \"so\"'  ", "*|contains=it's \"so\"");
	means("\"say \"\"hi\"\"\"", "*|contains=say \"hi\"");
	means("User: bob", "User|eq=bob");
	means("User: bob*", "User|prefix=bob");
	means("CommandLine|contains|all: (-enc, 'a, b')", "CommandLine|contains=-enc&contains=a, b");
	means("EventID: (4624, 4625)", "EventID|eq=4624,eq=4625");
	means("User: null", "User=null");
	means("null", "*|contains=null");
	means("User: ''", "User|eq=");
	means("|re: 'a[0-9]+\\d'", "*|re=a[0-9]+\\d");
	means("a b", "and(*|contains=a *|contains=b)");
	means("a or b c and d", "or(*|contains=a and(*|contains=b *|contains=c *|contains=d))");
	means("a and not (b or User: c)", "and(*|contains=a not(or(*|contains=b User|eq=c)))");
	means("not not a", "not(not(*|contains=a))");
	means("f(x) (g(y))", "and(*|contains=f(x) *|contains=g(y))");
	means("notable oracle", "and(*|contains=notable *|contains=oracle)");
	means("'not'", "*|contains=not");
	means("C:\\Windows\\x", "*|contains=c:\\windows\\x");
	means("caf\xc3\xa9", "*|contains=caf\xc3\xa9");
	means("'a\tb'", "*|contains=a\tb");
}

static void
wrong(const char *text, size_t at, vg_rc want, const char *say)
{
	struct vg_selection_error err;
	struct vg_buf blob = { 0 };

	assert_int_equal(vg_selection_compile(vg_str_of(text), &blob, &err), want);
	assert_int_equal(err.at, at);
	if (strstr(err.text, say) == NULL)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(blob.n, 0);
	vg_buf_fini(&blob);
}

static void
what_is_wrong_is_told_with_its_place(void **state)
{
	char deep[VG_SELECTION_DEPTH_MAX + 2], *longer = malloc(VG_SELECTION_BYTES_MAX + 2);

	(void)state;
	wrong("", 0, VG_E_FORMAT, "nothing to search");
	wrong("   ", 0, VG_E_FORMAT, "nothing to search");
	wrong("a and", 5, VG_E_FORMAT, "should stand here");
	wrong("or b", 0, VG_E_FORMAT, "before this");
	wrong("a or (b", 5, VG_E_FORMAT, "never closed");
	wrong("a)", 1, VG_E_FORMAT, "nothing is open");
	wrong("a 'b", 2, VG_E_FORMAT, "quote");
	wrong("User:", 5, VG_E_FORMAT, "value");
	wrong("User: (a b)", 9, VG_E_FORMAT, "comma");
	wrong("''", 0, VG_E_FORMAT, "empty text");
	wrong("a User|nonsense: b", 2, VG_E_FORMAT, "no such modifier: nonsense");
	wrong("a or |re: '('", 5, VG_E_FORMAT, "expression");
	wrong("a \xff", 2, VG_E_FORMAT, "UTF-8");
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	wrong(deep, VG_SELECTION_DEPTH_MAX, VG_E_LIMIT, "parentheses");
	assert_non_null(longer);
	memset(longer, 'a', VG_SELECTION_BYTES_MAX + 1);
	longer[VG_SELECTION_BYTES_MAX + 1] = 0;
	wrong(longer, VG_SELECTION_BYTES_MAX, VG_E_LIMIT, "bytes");
	free(longer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_means_what_a_rule_would),
		cmocka_unit_test(what_is_wrong_is_told_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
