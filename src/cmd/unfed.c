/* cmd/unfed.c - `vigie rule coverage` of a watch: which rules the sources that it has can never feed, and what it would take. */
#include "cmd/unfed.h"

#include <stdlib.h>

#include "base/map.h"
#include "cmd/common.h"
#include "cmd/watch.h"
#include "net/loop.h"
#include "state/seen.h"
#include "state/signals.h"

#define DAYS 30
#define DEPTH_MAX 64
#define KINDS_MAX 4096
#define GIVERS_MAX 3
#define STATE_BYTES ((size_t)64 << 20)

enum why { FED, NO_PACK, NO_SOURCE, NO_FIELD, NO_RULE /* of a correlation: one that it stands on */, WHYS };
static const char *const why_name[WHYS] = { "fed", "no-pack", "no-source", "no-field", "no-rule" };

struct kind { /* a log source that was seen */
	struct vg_logsource ls;
	uint8_t *has; /* a bit a key */
	uint32_t sources;
};
struct verdict {
	uint8_t why; /* enum why */
	uint32_t missing; /* NO_FIELD: the key */
};
struct unfed {
	const struct vg_knowledge *k;
	struct kind kind[KINDS_MAX];
	uint32_t nkind;
	struct vg_arena arena;
	struct verdict *verdict; /* one a rule; owned */
	uint32_t count[WHYS];
	struct vg_buf out;
};

/* ---- what a rule asks for ---- */

static bool
could(const struct vg_program *p, uint32_t node, const uint8_t *has, uint32_t *missing, unsigned depth)
{
	const struct vg_node *n = &p->node[node];
	bool any = false;

	if (depth > DEPTH_MAX)
		return true;
	switch ((enum vg_op)n->op) {
	case VG_OP_FALSE:
		return false;
	case VG_OP_TRUE:
	case VG_OP_NOT:
	case VG_OP_REF:
		return true;
	case VG_OP_ITEM: {
		const struct vg_item *it = &p->item[n->first];

		if (it->kind == VG_ITEM_KEYWORDS || it->kind == VG_ITEM_NULL || (has[it->key / 8] >> (it->key % 8) & 1))
			return true;
		*missing = it->key;
		return false;
	}
	case VG_OP_AND:
		for (uint32_t i = 0; i < n->n; i++)
			if (!could(p, p->child[n->first + i], has, missing, depth + 1))
				return false;
		return true;
	case VG_OP_OR:
		for (uint32_t i = 0; i < n->n && !any; i++)
			any = could(p, p->child[n->first + i], has, missing, depth + 1);
		return any;
	}
	return true;
}

bool
vg_rule_could(const struct vg_program *p, uint32_t rule, const uint8_t *has, uint32_t *missing)
{
	return could(p, p->rule[rule].root, has, missing, 0);
}

void
vg_put_rule_source(struct vg_buf *b, const struct vg_program *p, uint32_t rule)
{
	const struct vg_slice part[] = { p->rule[rule].product, p->rule[rule].category, p->rule[rule].service };

	for (size_t i = 0; i < VG_COUNT(part); i++) {
		if (i)
			vg_buf_putc(b, '/');
		vg_buf_safe(b, part[i].len ? vg_program_str(p, part[i]) : VG_STR("*"));
	}
}

/* ---- what was seen ---- */

static vg_rc
on_log(void *ctx, const struct vg_logsource *ls, uint32_t sources)
{
	struct unfed *u = ctx;
	struct kind *k = &u->kind[u->nkind];

	if (u->nkind == KINDS_MAX)
		return VG_E_LIMIT;
	*k = (struct kind){ { vg_str_dup(&u->arena, ls->product), vg_str_dup(&u->arena, ls->category), vg_str_dup(&u->arena, ls->service) },
			    vg_arena_zalloc(&u->arena, vg_keys_count(u->k->keys) / 8 + 1, 1), sources };
	u->nkind++;
	return k->has ? VG_OK : VG_E_NOMEM;
}

static vg_rc
on_field(void *ctx, const struct vg_logsource *ls, vg_str field)
{
	struct unfed *u = ctx;
	uint32_t key = vg_keys_find(u->k->keys, field);

	if (key == VG_KEY_NONE) /* no rule asks for it any more */
		return VG_OK;
	for (uint32_t i = 0; i < u->nkind; i++)
		if (vg_str_eq(u->kind[i].ls.product, ls->product) && vg_str_eq(u->kind[i].ls.category, ls->category) && vg_str_eq(u->kind[i].ls.service, ls->service))
			u->kind[i].has[key / 8] |= (uint8_t)(1u << (key % 8));
	return VG_OK;
}

/* ---- judging ---- */

static struct verdict
judge_base(const struct unfed *u, uint32_t rule)
{
	struct verdict v = { NO_SOURCE, VG_KEY_NONE };
	struct vg_event e = { .nls = 0 };
	size_t n;

	for (uint32_t i = 0; i < u->nkind; i++) {
		e.ls = &u->kind[i].ls;
		e.nls = 1;
		if (!vg_rule_applies(&u->k->program, rule, &e))
			continue;
		v.why = NO_FIELD;
		if (vg_rule_could(&u->k->program, rule, u->kind[i].has, &v.missing))
			return (struct verdict){ FED, VG_KEY_NONE };
	}
	e.ls = vg_packs_logsources(u->k->packs, &n);
	e.nls = (uint32_t)n;
	if (v.why == NO_SOURCE && !vg_rule_applies(&u->k->program, rule, &e))
		v.why = NO_PACK;
	return v;
}

/* One that needs all its rules needs all of them fed; others any. */
static struct verdict
judge_correlation(const struct unfed *u, const struct vg_corr *c)
{
	bool all = (c->type == VG_CORR_TEMPORAL || c->type == VG_CORR_TEMPORAL_ORDERED) && c->root == UINT32_MAX;
	uint32_t fed = 0;

	for (uint32_t i = 0; i < c->nref; i++)
		fed += u->verdict[u->k->program.refs[c->ref + i]].why == FED;
	return (struct verdict){ (all ? fed == c->nref : fed > 0) ? FED : NO_RULE, VG_KEY_NONE };
}

static vg_rc
judge(struct unfed *u, sqlite3 *signals)
{
	const struct vg_program *p = &u->k->program;
	int64_t since_ns = vg_clock_ns() - DAYS * VG_DAY;
	vg_rc rc;

	vg_arena_init(&u->arena, STATE_BYTES);
	if ((u->verdict = calloc(p->nrule + 1, sizeof(*u->verdict))) == NULL)
		return VG_E_NOMEM;
	if ((rc = vg_seen_logs(signals, since_ns, on_log, u)) != VG_OK || (rc = vg_seen_fields(signals, since_ns, on_field, u)) != VG_OK)
		return rc;
	for (uint32_t i = 0; i < p->nrule; i++)
		if (p->rule[i].kind == VG_RULE_BASE)
			u->verdict[i] = judge_base(u, i);
	for (uint32_t i = 0; i < p->ncorr; i++) /* in order of depth */
		u->verdict[p->corr[i].rule] = judge_correlation(u, &p->corr[i]);
	for (uint32_t i = 0; i < p->nrule; i++)
		u->count[u->verdict[i].why]++;
	return VG_OK;
}

static void
fini(struct unfed *u)
{
	if (u == NULL)
		return;
	free(u->verdict);
	vg_arena_fini(&u->arena);
	vg_buf_fini(&u->out);
	free(u);
}

/* ---- telling ---- */

/* Whose logs would feed it. */
static void
put_givers(struct vg_buf *b, const struct unfed *u, uint32_t rule)
{
	const struct vg_program *p = &u->k->program;
	const struct vg_rule *r = &p->rule[rule];
	struct vg_logsource want = { vg_program_str(p, r->product), vg_program_str(p, r->category), vg_program_str(p, r->service) };
	vg_str name[GIVERS_MAX + 1];
	size_t n = vg_packs_givers(u->k->packs, &want, name, GIVERS_MAX + 1);

	for (size_t i = 0; i < n && i < GIVERS_MAX; i++) {
		vg_buf_puts(b, i ? ", " : "");
		vg_buf_safe(b, name[i]);
	}
	if (n > GIVERS_MAX)
		vg_buf_puts(b, "...");
}

static void
put_lack(struct vg_buf *b, const struct unfed *u, uint32_t rule)
{
	const struct verdict *v = &u->verdict[rule];

	switch ((enum why)v->why) {
	case NO_PACK:
		vg_buf_puts(b, "no pack knows such logs");
		break;
	case NO_SOURCE:
		vg_buf_puts(b, "connect ");
		put_givers(b, u, rule);
		break;
	case NO_FIELD:
		vg_buf_puts(b, "none had the field ");
		vg_buf_safe(b, v->missing == VG_KEY_NONE ? VG_STR("that it needs") : vg_keys_name(u->k->keys, v->missing));
		break;
	case NO_RULE:
		vg_buf_puts(b, "stands on rules that cannot be fed");
		break;
	case FED:
	case WHYS:
		break;
	}
}

static void
put_json(struct unfed *u, uint32_t rule)
{
	const struct vg_program *p = &u->k->program;
	const struct vg_rule *r = &p->rule[rule];
	const struct verdict *v = &u->verdict[rule];
	const struct { const char *name; vg_str text; } part[] = {
		{ "title", vg_program_str(p, r->title) }, { "file", vg_program_str(p, r->file) }, { "product", vg_program_str(p, r->product) },
		{ "category", vg_program_str(p, r->category) }, { "service", vg_program_str(p, r->service) },
		{ "field", v->missing == VG_KEY_NONE ? VG_NIL : vg_keys_name(u->k->keys, v->missing) },
	};
	struct vg_buf givers = { 0 };

	if (v->why == NO_SOURCE)
		put_givers(&givers, u, rule);
	vg_buf_puts(&u->out, "{\"rule\":");
	vg_buf_json_str(&u->out, vg_program_str(p, r->id));
	for (size_t i = 0; i < VG_COUNT(part); i++) {
		vg_buf_printf(&u->out, ",\"%s\":", part[i].name);
		vg_buf_json_str(&u->out, part[i].text);
	}
	vg_buf_puts(&u->out, ",\"connect\":");
	vg_buf_json_str(&u->out, vg_buf_str(&givers));
	vg_buf_printf(&u->out, ",\"fed\":%s,\"why\":\"%s\",\"days\":%d}\n", v->why == FED ? "true" : "false", why_name[v->why], DAYS);
	vg_buf_fini(&givers);
}

struct lack { /* rules of one log source that lack the same */
	vg_str source, text, title; /* title: with --all, each its own */
	uint32_t n;
};

static int
lack_cmp(const void *a, const void *b)
{
	const struct lack *x = a, *y = b;
	int source = vg_str_cmp(x->source, y->source);

	return x->n != y->n ? (x->n < y->n ? 1 : -1) : source ? source : vg_str_cmp(x->text, y->text);
}

/* Rows of equal log source and lack, the most rules first; with @all, a row a rule. */
static uint32_t
gather(struct unfed *u, bool all, struct lack *lack)
{
	const struct vg_program *p = &u->k->program;
	struct vg_buf b = { 0 };
	struct vg_map map;
	uint32_t n = 0;

	vg_map_init(&map, STATE_BYTES);
	for (uint32_t i = 0; i < p->nrule; i++) {
		size_t half;
		uint32_t at = n;
		vg_str kept;

		if (u->verdict[i].why == FED)
			continue;
		vg_buf_clear(&b);
		if (p->rule[i].kind == VG_RULE_BASE)
			vg_put_rule_source(&b, p, i);
		else
			vg_buf_puts(&b, "(correlations)");
		half = b.n;
		put_lack(&b, u, i);
		if (all)
			vg_buf_printf(&b, "%c%u", 0, i);
		at = vg_map_add(&map, vg_buf_str(&b), n, &kept);
		if (at == VG_MAP_NONE)
			break;
		kept = vg_str_dup(&u->arena, vg_str_cut(kept, all ? vg_str_chr(kept, 0) : kept.n));
		if (at == n)
			lack[n++] = (struct lack){ vg_str_cut(kept, half), vg_str_skip(kept, half), all ? vg_program_str(p, p->rule[i].title) : VG_NIL, 0 };
		lack[at].n++;
	}
	vg_map_fini(&map);
	vg_buf_fini(&b);
	qsort(lack, n, sizeof(*lack), lack_cmp);
	return n;
}

static void
put_text(struct unfed *u, bool all)
{
	const struct vg_program *p = &u->k->program;
	struct lack *lack = calloc(p->nrule + 1, sizeof(*lack));
	uint32_t n = lack ? gather(u, all, lack) : 0;

	vg_buf_printf(&u->out, "%u of %u rules can be fed by what the sources sent in the last %d days\n", u->count[FED], p->nrule, DAYS);
	if (n)
		vg_buf_printf(&u->out, "%7u are for sources that nobody sent (a pack knows them)\n%7u are for log sources that no pack knows\n"
				       "%7u ask for a field that no record of their log source had\n%7u are correlations of such rules\n\n"
				       "  RULES  LOG SOURCE                     WHAT IT TAKES\n",
			      u->count[NO_SOURCE], u->count[NO_PACK], u->count[NO_FIELD], u->count[NO_RULE]);
	for (uint32_t i = 0; i < n; i++) {
		vg_buf_printf(&u->out, "%7u  %-29.*s  ", lack[i].n, VG_STR_ARG(lack[i].source));
		vg_buf_safe(&u->out, lack[i].text);
		if (lack[i].title.n) {
			vg_buf_puts(&u->out, ": ");
			vg_buf_safe(&u->out, lack[i].title);
		}
		vg_buf_putc(&u->out, '\n');
	}
	free(lack);
}

static int
open_and_judge(struct vg_house *h, const struct vg_knowledge *k, struct unfed **out)
{
	struct unfed *u = calloc(1, sizeof(*u));
	sqlite3 *db = NULL;
	int code = vg_state_signals(h, &db);
	vg_rc rc = u ? VG_OK : VG_E_NOMEM;

	if (code == VG_EXIT_OK && rc == VG_OK) {
		u->k = k;
		rc = judge(u, db);
	}
	if (code == VG_EXIT_OK && rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "what the sources sent cannot be read: %s", rc == VG_E_SYS ? sqlite3_errmsg(db) : vg_rc_name(rc));
		code = VG_EXIT_FAILED;
	}
	vg_db_close(db);
	if (code != VG_EXIT_OK) {
		fini(u);
		return code;
	}
	*out = u;
	return code;
}

void
vg_unfed_line(struct vg_buf *b, struct vg_house *h, const struct vg_knowledge *k)
{
	struct unfed *u;

	if (open_and_judge(h, k, &u) != VG_EXIT_OK)
		return;
	vg_buf_printf(b, "%u of %u rules cannot be fed by any source that sent something in the last %d days (`vigie rule coverage` says what it takes)\n",
		      k->program.nrule - u->count[FED], k->program.nrule, DAYS);
	fini(u);
}

static int
tell(struct unfed *u, bool jsonl, bool all)
{
	int code = VG_EXIT_OK;

	for (uint32_t i = 0; jsonl && i < u->k->program.nrule && code == VG_EXIT_OK; i++) {
		put_json(u, i);
		if (u->out.n > 65536)
			code = vg_print(&u->out);
	}
	if (!jsonl)
		put_text(u, all);
	return code == VG_EXIT_OK ? vg_print(&u->out) : code;
}

int
vg_unfed(const struct vg_args *a)
{
	struct vg_knowledge k = { .from_cache = false };
	struct vg_buf status = { 0 };
	struct vg_house h;
	struct unfed *u;
	int64_t pid;
	bool jsonl;
	int code;

	if (!vg_take_format(a, &jsonl) || !vg_of_watch("rule coverage", a, "a PATH"))
		return VG_EXIT_USAGE;
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	(void)vg_status_read(&h, &status, &pid); /* of a watch that is over it says what its settings were */
	if ((code = vg_watch_rules("rule coverage", &h, vg_buf_str(&status), false, &k)) == VG_EXIT_OK && (code = open_and_judge(&h, &k, &u)) == VG_EXIT_OK) {
		code = tell(u, jsonl, vg_arg_set(a, "--all"));
		fini(u);
	}
	vg_knowledge_fini(&k);
	vg_buf_fini(&status);
	vg_house_close(&h);
	return code;
}
