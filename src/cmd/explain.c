/* cmd/explain.c - `vigie rule explain`: step by step, why a rule matches an event or not; and for a correlation, which events each of
 * its rules takes, under which values they are grouped, and when it comes true. */
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
#include "detect/correlate.h"
#include "proc/pool.h"
#include "source/archive.h"
#include "source/evidence.h"

const struct vg_opt vg_explain_opts[] = {
	VG_RULE_OPTIONS,
	{ "--no-cache", VG_OPT_FLAG, NULL, "compile the rules anew, and keep nothing on disk" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

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
	struct vg_correlator *correlator; /* NULL: a rule of its own */
	bool *asked;                      /* one a rule: it is the correlation, or is what it stands on; owned */
	int64_t last_ns;
	uint64_t backwards;               /* events before the one before them */
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

/* ---- correlations ---- */

/* @rule and all that it refers to. */
static void
ask_for(struct explain *x, uint32_t rule)
{
	const struct vg_program *p = &x->k->program;

	if (x->asked[rule])
		return;
	x->asked[rule] = true;
	if (p->rule[rule].kind != VG_RULE_CORRELATION)
		return;
	for (uint32_t i = 0; i < p->corr[p->rule[rule].corr].nref; i++)
		ask_for(x, p->refs[p->corr[p->rule[rule].corr].ref + i]);
}

static void
put_rule(struct explain *x, uint32_t rule)
{
	const struct vg_program *p = &x->k->program;
	vg_str name = vg_program_str(p, p->rule[rule].name);

	vg_buf_safe(&x->out, name.n ? name : vg_program_str(p, p->rule[rule].title));
}

/* Under which values @rule's matches are grouped by the correlations asked for, in @e. */
static void
put_groups(struct explain *x, uint32_t rule, const struct vg_event *e)
{
	const struct vg_program *p = &x->k->program;

	for (uint32_t i = 0; i < p->ncorr; i++) {
		const struct vg_corr *c = &p->corr[i];

		for (uint32_t j = 0; x->asked[c->rule] && j < c->nref; j++) {
			if (p->refs[c->ref + j] != rule)
				continue;
			vg_buf_puts(&x->out, "    for ");
			put_rule(x, c->rule);
			vg_buf_puts(&x->out, c->nby ? ", grouped by" : ", not grouped");
			for (uint32_t k = 0; k < c->nby; k++) {
				uint32_t key = p->groupby[c->by + k * c->nref + j];
				const struct vg_field *f = vg_event_find(e, key);

				vg_buf_puts(&x->out, k ? ", " : " ");
				vg_buf_safe(&x->out, vg_keys_name(x->k->keys, key));
				vg_buf_puts(&x->out, f ? " = " : " which it has not: it does not take part");
				if (f)
					vg_buf_safe(&x->out, vg_str_cut(f->value, 200));
			}
			vg_buf_putc(&x->out, '\n');
		}
	}
}

static vg_rc
on_correlation(void *ctx, const struct vg_corr_hit *h)
{
	struct explain *x = ctx;

	if (!x->asked[h->rule])
		return VG_OK;
	x->matched += h->rule == x->rule;
	vg_buf_puts(&x->out, h->rule == x->rule ? "  => " : "  -> ");
	put_rule(x, h->rule);
	vg_buf_printf(&x->out, " came true with %llu matches in %.0f s\n", (unsigned long long)h->count,
		      (double)(h->last_ns - h->first_ns) / (double)VG_SEC);
	return VG_OK;
}

static vg_rc
on_event_of_many(void *ctx, struct vg_event *e)
{
	struct explain *x = ctx;
	const struct vg_program *p = &x->k->program;
	char when[VG_TIME_MAX];
	bool said = false;
	vg_rc rc = VG_OK;

	x->events++;
	for (uint32_t i = 0; i < p->nrule && rc == VG_OK; i++) {
		if (!x->asked[i] || p->rule[i].kind != VG_RULE_BASE || !vg_rule_applies(p, i, e) ||
		    !vg_eval(x->re, i, e, &x->scratch, NULL, NULL))
			continue;
		if (!said) {
			size_t n = vg_time_print(e->time_ns, 3, when);

			vg_buf_printf(&x->out, "event %llu, %.*s\n", (unsigned long long)x->events, (int)n, when);
		}
		said = true;
		vg_buf_puts(&x->out, "  matches ");
		put_rule(x, i);
		vg_buf_putc(&x->out, '\n');
		put_groups(x, i, e);
		if (e->time_ns == VG_TIME_NONE) {
			vg_buf_puts(&x->out, "    it has no time: correlations do not see it\n");
			continue;
		}
		if (x->last_ns != VG_TIME_NONE && e->time_ns < x->last_ns)
			x->backwards++;
		x->last_ns = e->time_ns;
		rc = vg_correlator_hit(x->correlator, i, e->time_ns, e, x->events);
	}
	vg_arena_reset(&x->scratch);
	if (rc != VG_OK)
		return rc;
	return vg_print(&x->out) == VG_EXIT_OK ? VG_OK : VG_E_STOP;
}

static vg_rc
begin_correlation(struct explain *x)
{
	x->asked = calloc(x->k->program.nrule + 1, sizeof(*x->asked));
	x->correlator = vg_correlator_new(&x->k->program, (size_t)64 << 20, on_correlation, x);
	if (x->asked == NULL || x->correlator == NULL)
		return VG_E_NOMEM;
	x->last_ns = VG_TIME_NONE;
	ask_for(x, x->rule);
	return VG_OK;
}

static vg_rc
end_correlation(struct explain *x)
{
	vg_rc rc = vg_correlator_end(x->correlator);

	if (x->backwards)
		vg_buf_printf(&x->out, "%llu events stand before the one before them: `vigie hunt` sorts, this does not\n",
			      (unsigned long long)x->backwards);
	vg_buf_printf(&x->out, "%llu events: ", (unsigned long long)x->events);
	put_rule(x, x->rule);
	vg_buf_puts(&x->out, x->matched ? " came true\n" : " did not come true\n");
	if (rc == VG_OK && vg_print(&x->out) != VG_EXIT_OK)
		rc = VG_E_STOP;
	return rc;
}

/* ---- the evidence ---- */

static vg_rc
on_stream(void *ctx, const struct vg_stream *s)
{
	struct explain *x = ctx;
	struct vg_event e;
	struct vg_sink sink = { x, x->correlator ? on_event_of_many : on_event, NULL };

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
	if (x->k->program.rule[x->rule].kind == VG_RULE_CORRELATION && (rc = begin_correlation(x)) != VG_OK)
		return rc;
	rc = vg_evidence_each(&e);
	if (rc == VG_OK && x->correlator)
		rc = end_correlation(x);
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

/* Of a file with several documents: the first that is no brick of another. */
static uint32_t
first_reported(const struct vg_program *p)
{
	for (uint32_t i = 0; i < p->nrule; i++)
		if (p->rule[i].flags & VG_RULE_REPORT)
			return i;
	return p->nrule ? 0 : UINT32_MAX;
}

/* The rules, and the one that is meant: of a file, that file alone; or, when it refers to rules that it does not hold, the one of that
 * id among all; or by id, name or title. */
static int
find_rule(const struct vg_args *a, struct vg_knowledge *k, uint32_t *out)
{
	const char *rule = a->operand[0];
	struct vg_args only = *a;
	struct stat st;
	bool is_file = stat(rule, &st) == 0 && S_ISREG(st.st_mode);
	char id[128] = "";
	int code;

	only.noperand = is_file ? 1 : 0;
	if ((code = vg_load_rules(&only, k)) != VG_EXIT_OK)
		return code;
	*out = is_file ? first_reported(&k->program) : rule_named(&k->program, vg_str_of(rule));
	for (uint32_t i = 0; is_file && i < k->program.ndiag && id[0] == 0; i++)
		if (k->program.diag[i].reason == VG_DIAG_REFERENCE)
			snprintf(id, sizeof(id), "%.*s", VG_STR_ARG(vg_program_str(&k->program, k->program.diag[i].id)));
	if (id[0]) {
		vg_knowledge_fini(k);
		only.noperand = 0;
		if ((code = vg_load_rules(&only, k)) != VG_EXIT_OK)
			return code;
		*out = rule_named(&k->program, vg_str_of(id));
	}
	if (*out != UINT32_MAX)
		return VG_EXIT_OK;
	vg_log(VG_LOG_ERROR, "%s: %s", rule,
	       id[0] ? "it refers to rules that are not in this file, and all of them together are not among those of --rules" :
	       is_file ? "the rule does not load; `vigie rule check` says why" :
			 "no rule has this id, name or title, and there is no such file");
	vg_knowledge_fini(k);
	return VG_EXIT_INPUT;
}

/* false: told why not. */
static bool
open_event(struct explain *x, const char *event)
{
	struct stat st;

	if (strcmp(event, "-") == 0) {
		x->fd = to_memory(STDIN_FILENO, &x->size);
		x->mtime_ns = (int64_t)time(NULL) * VG_SEC; /* a line without a year is of today */
	} else if ((x->fd = open(event, O_RDONLY | O_CLOEXEC)) >= 0 && fstat(x->fd, &st) == 0) {
		x->size = (uint64_t)st.st_size;
		x->mtime_ns = st.st_mtim.tv_sec * VG_SEC;
		if (S_ISDIR(st.st_mode)) {
			vg_log(VG_LOG_ERROR, "%s: a folder; name the file that holds the event", event);
			close(x->fd);
			return false;
		}
	}
	if (x->fd < 0)
		vg_log(VG_LOG_ERROR, "%s: %s", event, strerror(errno));
	return x->fd >= 0;
}

int
vg_cmd_rule_explain(const struct vg_args *a)
{
	static const struct vg_sandbox_limits limits = { .name = "explain", .data_bytes = (size_t)512 << 20 };
	const char *event = a->operand[1];
	struct vg_knowledge k;
	struct explain x = { .k = &k, .name = vg_str_of(event) };
	char why[160] = "";
	int code;
	vg_rc rc;

	if ((code = find_rule(a, &k, &x.rule)) != VG_EXIT_OK)
		return code;
	if (!open_event(&x, event)) {
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
