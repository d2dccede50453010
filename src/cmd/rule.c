/* cmd/rule.c - `vigie rule check`, `list` and `explain`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/common.h"
#include "proc/pool.h"
#include "source/archive.h"
#include "source/evidence.h"

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

/* Knowledge for a command whose operands are folders of rules: then only those are read. */
static int
load(const struct vg_args *a, bool operands_are_rules, struct vg_knowledge *k)
{
	struct vg_knowledge_options o = { .no_default_rules = true, .no_cache = vg_arg_set(a, "--no-cache") };
	char why[400];
	vg_rc rc;

	if (!operands_are_rules || a->noperand == 0)
		return vg_load_knowledge(a, k);
	o.rules = a->operand;
	o.nrules = a->noperand;
	if (vg_arg_set(a, "--var") || vg_arg_set(a, "--vars") || vg_arg_set(a, "--rules")) {
		/* the general way: the operands come as further --rules */
		struct vg_args b = *a;

		for (size_t i = 0; b.opt[i].name; i++) {
			if (strcmp(b.opt[i].name, "--rules") == 0)
				for (size_t j = 0; j < a->noperand && b.value[i].n < VG_OPT_LIST_MAX; j++)
					b.value[i].text[b.value[i].n++] = a->operand[j];
			if (strcmp(b.opt[i].name, "--only-rules") == 0)
				b.value[i].set = true;
		}
		return vg_load_knowledge(&b, k);
	}
	rc = vg_knowledge_load(&o, k, why);
	if (rc != VG_OK)
		vg_log(VG_LOG_ERROR, "%s", why[0] ? why : vg_rc_name(rc));
	return rc == VG_OK ? VG_EXIT_OK : rc == VG_E_NOTFOUND ? VG_EXIT_INPUT : VG_EXIT_FAILED;
}

int
vg_cmd_rule_check(const struct vg_args *a)
{
	struct vg_knowledge k;
	const struct vg_program *p = &k.program;
	struct vg_buf b = { 0 };
	uint32_t refused = 0, base = 0, corr = 0;
	int code = load(a, true, &k);

	if (code != VG_EXIT_OK)
		return code;
	for (uint32_t i = 0; i < p->ndiag; i++) {
		const struct vg_diag *d = &p->diag[i];

		refused += d->fatal;
		if (jsonl(a)) {
			json_member(&b, "file", vg_program_str(p, d->file), true);
			vg_buf_printf(&b, ",\"line\":%u,\"refused\":%s", d->line, d->fatal ? "true" : "false");
			json_member(&b, "id", vg_program_str(p, d->id), false);
			json_member(&b, "reason", vg_str_of(vg_diag_reason_name(d->reason)), false);
			json_member(&b, "text", vg_program_str(p, d->text), false);
			vg_buf_puts(&b, "}\n");
			continue;
		}
		vg_buf_safe(&b, vg_program_str(p, d->file));
		vg_buf_printf(&b, ":%u: %s: %s: ", d->line, d->fatal ? "refused" : "warning", vg_diag_reason_name(d->reason));
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
	int code = load(a, true, &k);

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

/* ---- explain ---- */

struct explain {
	const struct vg_knowledge *k;
	uint32_t rule;
	int fd;
	uint64_t size;
	int64_t mtime_ns;
	vg_str name;
	struct vg_buf out;
	uint64_t events, matched;
	struct vg_arena arena, scratch;
	struct vg_regexes *re;
};

static const char *const tests[VG_TESTS] = {
	[VG_TEST_EQ] = "is", [VG_TEST_PREFIX] = "begins with", [VG_TEST_SUFFIX] = "ends with",
	[VG_TEST_CONTAINS] = "contains", [VG_TEST_GLOB] = "is like", [VG_TEST_RE] = "matches the expression",
	[VG_TEST_CIDR] = "is in the network", [VG_TEST_LT] = "<", [VG_TEST_LTE] = "<=", [VG_TEST_GT] = ">",
	[VG_TEST_GTE] = ">=", [VG_TEST_FIELD_EQ] = "is the value of", [VG_TEST_FIELD_PREFIX] = "begins with the value of",
	[VG_TEST_FIELD_SUFFIX] = "ends with the value of", [VG_TEST_FIELD_CONTAINS] = "contains the value of",
	[VG_TEST_TIME] = "has the time part",
};

static void
put_value(struct vg_buf *b, const struct vg_program *p, const struct vg_keys *keys, const struct vg_value *v)
{
	vg_str t = vg_program_str(p, v->text);

	vg_buf_puts(b, tests[v->test]);
	vg_buf_puts(b, " '");
	if (v->test >= VG_TEST_FIELD_EQ && v->test <= VG_TEST_FIELD_CONTAINS) {
		vg_buf_safe(b, vg_keys_name(keys, v->aux));
	} else if (v->test == VG_TEST_CIDR && t.n == 17) {
		vg_buf_hex(b, t.p, 16, false);
		vg_buf_printf(b, "/%u", (unsigned char)t.p[16]);
	} else if (v->test == VG_TEST_GLOB) {
		for (size_t i = 0; i < t.n; i++) {
			if (t.p[i] == VG_GLOB_ANY)
				vg_buf_putc(b, '*');
			else if (t.p[i] == VG_GLOB_ONE)
				vg_buf_putc(b, '?');
			else
				vg_buf_safe(b, vg_str_mem(t.p + i, 1));
		}
	} else {
		vg_buf_safe(b, t);
	}
	vg_buf_putc(b, '\'');
}

static void
on_step(void *ctx, const struct vg_eval_step *s)
{
	struct explain *x = ctx;
	const struct vg_program *p = &x->k->program;
	const struct vg_node *n = &p->node[s->node];
	static const char *const ops[] = { "false", "true", "all of", "one of", "not", "", "" };
	struct vg_buf *b = &x->out;

	vg_buf_printf(b, "%*s%s ", (int)(2 * s->depth + 2), "", s->outcome ? "yes" : "no ");
	if (n->name.len) {
		vg_buf_safe(b, vg_program_str(p, n->name));
		vg_buf_puts(b, ": ");
	}
	if (s->item == UINT32_MAX) {
		vg_buf_puts(b, n->op < VG_COUNT(ops) ? ops[n->op] : "");
	} else {
		const struct vg_item *it = &p->item[s->item];

		vg_buf_safe(b, it->kind == VG_ITEM_KEYWORDS ? VG_STR("the event") : vg_keys_name(x->k->keys, it->key));
		vg_buf_putc(b, ' ');
		if (it->kind == VG_ITEM_NULL)
			vg_buf_puts(b, "is absent");
		else if (it->kind == VG_ITEM_EXISTS)
			vg_buf_puts(b, "is present");
		else if (s->value != UINT32_MAX)
			put_value(b, p, x->k->keys, &p->value[s->value]);
		else if (it->nvalue == 1)
			put_value(b, p, x->k->keys, &p->value[it->value]);
		else
			vg_buf_printf(b, "meets %s of its %u values", it->flags & VG_ITEM_ALL ? "all" : "any", it->nvalue);
		if (s->field) {
			vg_buf_puts(b, "   <- ");
			vg_buf_safe(b, s->field->name);
			vg_buf_puts(b, " = ");
			vg_buf_safe(b, vg_str_cut(s->field->value, 200));
		}
	}
	vg_buf_putc(b, '\n');
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct explain *x = ctx;
	const struct vg_program *p = &x->k->program;
	const struct vg_rule *r = &p->rule[x->rule];
	bool applies = vg_rule_applies(p, x->rule, e), match;

	vg_buf_printf(&x->out, "event %llu: host ", (unsigned long long)++x->events);
	vg_buf_safe(&x->out, e->host);
	vg_buf_puts(&x->out, ", channel ");
	vg_buf_safe(&x->out, e->channel);
	vg_buf_puts(&x->out, ", code ");
	vg_buf_safe(&x->out, e->code);
	vg_buf_puts(&x->out, "\n  log source asked for: ");
	vg_buf_safe(&x->out, vg_program_str(p, r->product));
	vg_buf_putc(&x->out, '/');
	vg_buf_safe(&x->out, vg_program_str(p, r->category));
	vg_buf_putc(&x->out, '/');
	vg_buf_safe(&x->out, vg_program_str(p, r->service));
	vg_buf_puts(&x->out, "; the event's:");
	for (uint32_t i = 0; i < e->nls; i++) {
		vg_buf_putc(&x->out, ' ');
		vg_buf_safe(&x->out, e->ls[i].product);
		vg_buf_putc(&x->out, '/');
		vg_buf_safe(&x->out, e->ls[i].category);
		vg_buf_putc(&x->out, '/');
		vg_buf_safe(&x->out, e->ls[i].service);
	}
	if (e->nls == 0)
		vg_buf_puts(&x->out, " none: no pack knows this event");
	vg_buf_puts(&x->out, applies ? ": it applies\n" : ": it does not apply\n");
	match = vg_eval(x->re, x->rule, e, &x->scratch, on_step, x);
	vg_arena_reset(&x->scratch);
	vg_buf_puts(&x->out, match && applies ? "  => match\n" : match ? "  => the condition holds, but the log source is another one: no match\n" : "  => no match\n");
	x->matched += match && applies;
	return vg_print(&x->out) == VG_EXIT_OK ? VG_OK : VG_E_STOP;
}

static vg_rc
on_stream(void *ctx, const struct vg_stream *s)
{
	struct explain *x = ctx;
	struct vg_event e;
	struct vg_sink sink = { x, on_event, NULL };

	vg_event_init(&e, &x->arena, x->k->keys);
	return s->format->read(&(struct vg_reader){ .in = s->in, .sink = &sink, .event = &e, .packs = x->k->packs,
						    .ref_ns = s->mtime_ns, .name = s->name, .first = true });
}

static void
on_refused(void *ctx, vg_str name, const char *why)
{
	(void)ctx;
	vg_log(VG_LOG_WARNING, "%.*s: %s", VG_STR_ARG(name), why);
}

static vg_rc
explain_child(void *ctx)
{
	struct explain *x = ctx;
	struct vg_evidence e = { .fd = x->fd, .size = x->size, .name = x->name, .mtime_ns = x->mtime_ns, .ctx = x,
				 .stream = on_stream, .refused = on_refused };
	vg_rc rc;

	vg_arena_init(&x->arena, (size_t)96 << 20);
	vg_arena_init(&x->scratch, (size_t)96 << 20);
	if ((x->re = vg_regexes_new(&x->k->program)) == NULL)
		return VG_E_NOMEM;
	rc = vg_evidence_each(&e);
	return rc != VG_OK ? rc : x->matched ? VG_OK : VG_E_NOTFOUND;
}

/* Standard input, or a file that cannot be read twice, as a file. */
static int
to_memory(int from, uint64_t *size)
{
	int fd = memfd_create("vigie-event", MFD_CLOEXEC);
	char buf[65536];
	ssize_t n;

	*size = 0;
	while (fd >= 0 && (n = read(from, buf, sizeof(buf))) > 0) {
		if (vg_write_all(fd, vg_str_mem(buf, (size_t)n)) != VG_OK)
			break;
		*size += (uint64_t)n;
	}
	return fd;
}

static uint32_t
rule_named(const struct vg_program *p, vg_str name)
{
	for (uint32_t i = 0; i < p->nrule; i++)
		if (vg_str_eq(vg_program_str(p, p->rule[i].id), name) || vg_str_ieq(vg_program_str(p, p->rule[i].title), name) ||
		    (p->rule[i].name.len && vg_str_eq(vg_program_str(p, p->rule[i].name), name)))
			return i;
	return UINT32_MAX;
}

int
vg_cmd_rule_explain(const struct vg_args *a)
{
	static const struct vg_sandbox_limits limits = { .data_bytes = (size_t)512 << 20 };
	const char *rule = a->operand[0], *event = a->operand[1];
	struct vg_args only = *a;
	struct vg_knowledge k;
	struct explain x = { .name = vg_str_of(event) };
	struct stat st;
	char why[160] = "";
	bool is_file = stat(rule, &st) == 0 && S_ISREG(st.st_mode);
	int code;
	vg_rc rc;

	only.noperand = is_file ? 1 : 0; /* the rule's file, or the rules that --rules and the defaults give */
	if ((code = load(&only, true, &k)) != VG_EXIT_OK)
		return code;
	x.k = &k;
	x.rule = is_file ? 0 : rule_named(&k.program, vg_str_of(rule));
	if (x.rule >= k.program.nrule || k.program.rule[x.rule].kind != VG_RULE_BASE) {
		vg_log(VG_LOG_ERROR, "%s: %s", rule,
		       k.program.ndiag && is_file ? "the rule does not load; `vigie rule check` says why" :
		       x.rule < k.program.nrule ? "a correlation: explain the rules it refers to" :
						  "no rule has this id, name or title, and there is no such file");
		vg_knowledge_fini(&k);
		return VG_EXIT_INPUT;
	}
	if (strcmp(event, "-") == 0) {
		x.fd = to_memory(STDIN_FILENO, &x.size);
		x.mtime_ns = (int64_t)time(NULL) * VG_SEC; /* a line without a year is of today */
	} else if ((x.fd = open(event, O_RDONLY | O_CLOEXEC)) >= 0 && fstat(x.fd, &st) == 0) {
		x.size = (uint64_t)st.st_size;
		x.mtime_ns = st.st_mtim.tv_sec * VG_SEC;
	}
	if (x.fd < 0) {
		vg_log(VG_LOG_ERROR, "%s: %s", event, strerror(errno));
		vg_knowledge_fini(&k);
		return VG_EXIT_INPUT;
	}
	vg_archive_init(); /* reads what the sandbox then hides */
	rc = vg_sandbox_run(explain_child, &x, &limits, 60, why);
	code = rc == VG_OK ? VG_EXIT_OK : rc == VG_E_NOTFOUND ? VG_EXIT_FOUND : VG_EXIT_INPUT;
	if (rc == VG_E_STOP) /* standard output, and told */
		code = VG_EXIT_FAILED;
	else if (code == VG_EXIT_INPUT)
		vg_log(VG_LOG_ERROR, "%s: %s", event, why[0] ? why : rc == VG_E_UNSUP ? "no known format" : vg_rc_name(rc));
	close(x.fd);
	vg_knowledge_fini(&k);
	return code;
}
