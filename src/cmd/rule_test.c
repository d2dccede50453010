/* cmd/rule_test.c - `vigie rule test`: does each rule find its own sample, and leave alone what is close to it?  Through the running watch, or
 * without one. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/common.h"
#include "cmd/rule_test.h"
#include "cmd/unfed.h"
#include "net/loop.h"
#include "role/house.h"
#include "vault/record.h"

#define INFO "/info.yml"
#define INFO_BYTES ((size_t)16 << 20)

const struct vg_opt vg_rule_test_opts[] = {
	VG_STATE_OPTION,
	VG_FORMAT_OPTION,
	{ "--offline", VG_OPT_FLAG, NULL, "without a watch: decode and match here" },
	{ "--data", VG_OPT_LIST, "DIR", "SigmaHQ's regression data: info.yml and JSON events beside it (may be repeated)" },
	VG_RULE_OPTIONS,
	{ "--no-cache", VG_OPT_FLAG, NULL, "compile the rules anew, and keep nothing on disk" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

struct test {
	const struct vg_args *a;
	struct vg_trial t;
	uint8_t *wanted;  /* one a rule; owned */
	uint8_t *has;     /* the same: it has samples */
	bool jsonl, offline;
	struct vg_buf out;
	uint32_t rules, without, failed, right, quiet;
	int64_t ms_sum, ms_most;
	uint32_t ms_n;
};

/* ---- which rules ---- */

/* Where a rule's file lies: ours are named from the folder of data on. */
static bool
path_of(vg_str file, char out[PATH_MAX])
{
	if (vg_str_starts(file, VG_STR("rules/"))) {
		snprintf(out, PATH_MAX, "%s/%.*s", vg_data_dir(), VG_STR_ARG(file));
		if (access(out, R_OK) == 0)
			return true;
	}
	snprintf(out, PATH_MAX, "%.*s", VG_STR_ARG(file));
	return access(out, R_OK) == 0;
}

static bool
lies_in(const char *path, const char *folder)
{
	char a[PATH_MAX], b[PATH_MAX];
	size_t n;

	if (realpath(path, a) == NULL || realpath(folder, b) == NULL)
		return false;
	n = strlen(b);
	return strncmp(a, b, n) == 0 && (a[n] == 0 || a[n] == '/');
}

/* The rules that one operand names.  Their count. */
static uint32_t
want(struct test *x, const char *operand)
{
	const struct vg_program *p = &x->t.k.program;
	uint32_t n = 0, row;
	char path[PATH_MAX];
	vg_str last = VG_NIL;
	bool in = false;

	for (uint32_t i = 0; access(operand, F_OK) == 0 && i < p->nrule; i++) {
		vg_str file = vg_program_str(p, p->rule[i].file);

		if (!vg_str_eq(file, last)) {
			last = file;
			in = path_of(file, path) && lies_in(path, operand);
		}
		x->wanted[i] |= in;
		n += in;
	}
	if (n == 0 && (row = vg_rule_find(p, vg_str_of(operand))) != UINT32_MAX) {
		x->wanted[row] = 1;
		n = 1;
	}
	return n;
}

static int
choose(struct test *x)
{
	size_t nrule = x->t.k.program.nrule;

	x->wanted = calloc(nrule + 1, 1);
	x->has = calloc(nrule + 1, 1);
	if (x->wanted == NULL || x->has == NULL)
		return VG_EXIT_FAILED;
	if (x->a->noperand == 0)
		memset(x->wanted, 1, nrule);
	for (size_t i = 0; i < x->a->noperand; i++)
		if (want(x, x->a->operand[i]) == 0) {
			vg_log(VG_LOG_ERROR, "rule test %s: %s", x->a->operand[i], x->offline ? "no rule that loads is of that file, folder, id, name or title" :
			       "the watch has no rule of that file, folder, id, name or title (rules.folders of its settings; `--offline` needs no watch)");
			return VG_EXIT_INPUT;
		}
	return VG_EXIT_OK;
}

/* ---- their samples ---- */

static void
on_bad(void *ctx, vg_str file, uint32_t line, const char *text)
{
	(void)ctx;
	vg_log(VG_LOG_ERROR, "%.*s:%u: %s", VG_STR_ARG(file), line, text);
}

static int
out_of_memory(void)
{
	vg_log(VG_LOG_ERROR, "rule test: the samples take more memory than there is for them (%zu MB)", VG_RULE_SAMPLE_BYTES_MAX >> 20);
	return VG_EXIT_FAILED;
}

static int
read_samples(struct test *x)
{
	const struct vg_program *p = &x->t.k.program;
	struct vg_buf b = { 0 };
	vg_str last = VG_NIL;
	int code = VG_EXIT_OK;
	char path[PATH_MAX];

	for (uint32_t i = 0; i < p->nrule && code == VG_EXIT_OK; i++) {
		vg_str file = vg_program_str(p, p->rule[i].file);

		if (!x->wanted[i] || vg_str_eq(file, last)) /* rules of one file may stand apart: what is read twice is taken out below */
			continue;
		last = file;
		vg_buf_clear(&b);
		if (!path_of(file, path) || vg_house_read(path, &b) != VG_OK)
			vg_log(VG_LOG_WARNING, "%s: cannot be read: %s", path, strerror(errno));
		else if (vg_rule_samples_read(&x->t.samples, file, vg_buf_str(&b)) != VG_OK)
			code = out_of_memory();
	}
	vg_buf_fini(&b);
	return code;
}

/* One info.yml: the JSON files beside it are each a record. */
static vg_rc
read_info(struct test *x, const struct vg_file_list *files, const char *info)
{
	size_t folder = strlen(info) - strlen(INFO);
	struct vg_buf b = { 0 };
	struct vg_arena a;
	vg_rc rc = VG_OK;
	uint32_t times;
	vg_str rule;

	vg_arena_init(&a, INFO_BYTES);
	if (vg_house_read(info, &b) != VG_OK || vg_rule_samples_info(vg_buf_str(&b), &a, &rule, &times) != VG_OK || rule.n == 0) {
		vg_log(VG_LOG_WARNING, "%s: names no rule", info);
		goto out;
	}
	rule = vg_str_dup(&a, rule);
	for (size_t i = 0; i < files->n && rc == VG_OK; i++) {
		const char *path = files->file[i].path;

		if (strncmp(path, info, folder + 1) != 0 || strchr(path + folder + 1, '/') || !vg_str_ends(vg_str_of(path), VG_STR(".json")))
			continue;
		vg_buf_clear(&b);
		if (vg_house_read(path, &b) != VG_OK || b.n > VG_RECORD_RAW_MAX)
			vg_log(VG_LOG_WARNING, "%s: %s", path, b.n > VG_RECORD_RAW_MAX ? "is over 1 MB: no record" : "cannot be read");
		else
			rc = vg_rule_samples_add(&x->t.samples, rule, vg_str_of(path), vg_buf_str(&b), times, vg_clock_ns());
	}
out:
	vg_arena_fini(&a);
	vg_buf_fini(&b);
	return rc;
}

static int
read_data(struct test *x)
{
	const struct vg_opt_value *data = vg_arg_list(x->a, "--data");
	struct vg_file_list files = { 0 };
	int code = VG_EXIT_OK;

	for (size_t i = 0; i < data->n && code == VG_EXIT_OK; i++)
		if (vg_files_add(&files, data->text[i]) != VG_OK) {
			vg_log(VG_LOG_ERROR, "--data %s: %s", data->text[i], strerror(errno));
			code = VG_EXIT_INPUT;
		}
	for (size_t i = 0; i < files.n && code == VG_EXIT_OK; i++)
		if (vg_str_ends(vg_str_of(files.file[i].path), VG_STR(INFO)) && read_info(x, &files, files.file[i].path) != VG_OK)
			code = out_of_memory();
	vg_files_fini(&files);
	return code;
}

static bool
is_twice(const struct test *x, const struct vg_rule_sample *s)
{
	for (size_t i = x->t.n; s->line && i-- > 0;)
		if (x->t.tried[i].s->line == s->line && vg_str_eq(x->t.tried[i].s->file, s->file))
			return true;
	return false;
}

/* Those of the wanted rules. */
static int
line_up(struct test *x)
{
	const struct vg_rule_samples *s = &x->t.samples;

	if ((x->t.tried = calloc(s->n + 1, sizeof(*x->t.tried))) == NULL)
		return VG_EXIT_FAILED;
	for (size_t i = 0; i < s->n; i++) {
		uint32_t rule = vg_rule_find(&x->t.k.program, s->item[i].rule);

		if (rule == UINT32_MAX || !x->wanted[rule] || is_twice(x, &s->item[i]))
			continue;
		x->t.tried[x->t.n++] = (struct vg_tried){ .s = &s->item[i], .rule = rule };
		x->has[rule] = 1;
	}
	return VG_EXIT_OK;
}

/* ---- what they do without a watch ---- */

static vg_rc
play_one(struct test *x, struct vg_player *p, struct vg_tried *v)
{
	struct vg_played out;
	vg_rc rc = vg_play(p, v->s, &out);

	if (rc != VG_OK)
		return rc;
	v->played = out.fired[v->rule];
	v->unknown = out.unknown == out.events;
	for (uint32_t i = 0; v->s->fires && v->played == 0 && v->exception.n == 0 && i < x->t.k.program.nrule; i++)
		if (x->t.k.program.rule[i].nfilter && vg_rule_stands_on(&x->t.k.program, v->rule, i))
			v->exception = vg_play_suppressed(p, v->s, i);
	return VG_OK;
}

static int
play_all(struct test *x)
{
	struct vg_player *p = vg_player_new(&x->t.k);
	vg_rc rc = p ? VG_OK : VG_E_NOMEM;

	for (size_t i = 0; i < x->t.n && rc == VG_OK; i++)
		rc = play_one(x, p, &x->t.tried[i]);
	vg_player_free(p);
	if (rc == VG_OK)
		return VG_EXIT_OK;
	vg_log(VG_LOG_ERROR, "rule test: %s", vg_rc_name(rc));
	return VG_EXIT_FAILED;
}

/* ---- telling ---- */

static uint32_t
fired(const struct test *x, const struct vg_tried *v)
{
	return x->offline ? v->played : v->fired;
}

static bool
is_right(const struct test *x, const struct vg_tried *v)
{
	if (!v->s->fires)
		return fired(x, v) == 0;
	return v->s->times ? fired(x, v) == v->s->times : fired(x, v) > 0;
}

static int64_t
ms_of(const struct vg_tried *v)
{
	return v->first_ns > v->sent_ns ? (v->first_ns - v->sent_ns) / 1000000 : 0;
}

static void
put_why(struct vg_buf *b, const struct test *x, const struct vg_tried *v)
{
	if (!v->s->fires)
		vg_buf_puts(b, "fires, and must not");
	else if (v->exception.n && fired(x, v) == 0) {
		vg_buf_puts(b, "would fire, but the exception '");
		vg_buf_safe(b, v->exception);
		vg_buf_puts(b, "' keeps it from that");
	} else if (v->unknown)
		vg_buf_puts(b, "no pack knows its records: no rule sees them");
	else if (fired(x, v))
		vg_buf_printf(b, "fires %u times, must %u times", fired(x, v), v->s->times);
	else if (v->played)
		vg_buf_puts(b, "does not fire in the watch, and does without it");
	else
		vg_buf_puts(b, "does not fire");
}

static void
put_json(struct test *x, const struct vg_tried *v)
{
	const struct vg_program *p = &x->t.k.program;
	const struct vg_rule *r = &p->rule[v->rule];
	struct vg_buf *b = &x->out;

	vg_buf_puts(b, "{\"rule\":");
	vg_buf_json_str(b, vg_program_str(p, r->id));
	vg_buf_puts(b, ",\"title\":");
	vg_buf_json_str(b, vg_program_str(p, r->title));
	vg_buf_puts(b, ",\"file\":");
	vg_buf_json_str(b, v->s->file);
	vg_buf_printf(b, ",\"line\":%u,\"kind\":\"%s\",\"expects\":\"%s\",\"through\":\"%s\",\"fired\":%u,\"ok\":%s", v->s->line,
		      r->kind == VG_RULE_CORRELATION ? "correlation" : "rule", v->s->fires ? "match" : "nomatch", x->offline ? "nothing" : "watch", fired(x, v),
		      is_right(x, v) ? "true" : "false");
	if (!x->offline && v->fired)
		vg_buf_printf(b, ",\"ms\":%lld", (long long)ms_of(v));
	if (v->exception.n) {
		vg_buf_puts(b, ",\"exception\":");
		vg_buf_json_str(b, v->exception);
	}
	if (!is_right(x, v)) {
		struct vg_buf why = { 0 };

		put_why(&why, x, v);
		vg_buf_puts(b, ",\"why\":");
		vg_buf_json_str(b, vg_buf_str(&why));
		vg_buf_fini(&why);
	}
	vg_buf_puts(b, "}\n");
}

/* The samples of one rule. */
static void
tell_rule(struct test *x, uint32_t rule)
{
	const struct vg_program *p = &x->t.k.program;
	int64_t ms = -1;
	bool right = true;

	for (size_t i = 0; i < x->t.n; i++) {
		const struct vg_tried *v = &x->t.tried[i];

		if (v->rule != rule)
			continue;
		right = right && is_right(x, v);
		x->right += v->s->fires && is_right(x, v);
		x->quiet += !v->s->fires && is_right(x, v);
		if (v->s->fires && v->fired && ms_of(v) > ms)
			ms = ms_of(v);
		if (x->jsonl)
			put_json(x, v);
	}
	if (ms >= 0) {
		x->ms_sum += ms;
		x->ms_n++;
		x->ms_most = ms > x->ms_most ? ms : x->ms_most;
	}
	x->rules++;
	x->failed += !right;
	if (x->jsonl)
		return;
	vg_buf_puts(&x->out, right ? "ok      " : "FAILED  ");
	if (!x->offline && ms >= 0)
		vg_buf_printf(&x->out, "%6lld ms  ", (long long)ms);
	else if (!x->offline)
		vg_buf_puts(&x->out, "           ");
	vg_buf_safe(&x->out, vg_program_str(p, p->rule[rule].title));
	vg_buf_putc(&x->out, '\n');
	for (size_t i = 0; i < x->t.n && !right; i++) {
		const struct vg_tried *v = &x->t.tried[i];

		if (v->rule != rule || is_right(x, v))
			continue;
		vg_buf_puts(&x->out, "          ");
		vg_buf_safe(&x->out, v->s->file);
		if (v->s->line)
			vg_buf_printf(&x->out, ":%u", v->s->line);
		vg_buf_puts(&x->out, ": ");
		put_why(&x->out, x, v);
		vg_buf_putc(&x->out, '\n');
	}
}

static int
tell_all(struct test *x)
{
	uint32_t nrule = x->t.k.program.nrule;

	for (uint32_t i = 0; i < nrule; i++) {
		x->without += x->wanted[i] && !x->has[i];
		if (x->has[i])
			tell_rule(x, i);
	}
	if (!x->jsonl) {
		vg_buf_printf(&x->out, "\n%u rules with samples: %u do as they say, %u do not; %u samples fire, %u are left alone%s\n", x->rules, x->rules - x->failed,
			      x->failed, x->right, x->quiet, x->offline ? " (without a watch)" : "");
		if (x->ms_n)
			vg_buf_printf(&x->out, "through the running watch in %lld ms, on average; the slowest in %lld ms\n", (long long)(x->ms_sum / x->ms_n),
				      (long long)x->ms_most);
		if (x->without)
			vg_buf_printf(&x->out, "%u rules have no sample\n", x->without);
		if (!x->offline)
			vg_unfed_line(&x->out, &x->t.house, &x->t.k);
	}
	return vg_print(&x->out);
}

/* ---- the rules ---- */

static int
find_watch(struct test *x)
{
	int64_t pid;
	int code = vg_state_open(x->a, &x->t.house);

	if (code != VG_EXIT_OK)
		return code;
	if (vg_status_read(&x->t.house, &x->t.status, &pid))
		return vg_watch_rules("rule test", &x->t.house, vg_buf_str(&x->t.status), true, &x->t.k);
	vg_log(VG_LOG_ERROR, "rule test: no watch runs on %s (--state says where; --offline needs none)", x->t.house.path);
	return VG_EXIT_INPUT;
}

/* Operands that are files or folders are the rules; others name some of those that are loaded anyway. */
static int
load_offline(struct test *x)
{
	struct vg_args a = *x->a;
	const char *path[VG_OPT_LIST_MAX];
	size_t n = 0;

	for (size_t i = 0; i < a.noperand && n < VG_OPT_LIST_MAX; i++)
		if (access(a.operand[i], F_OK) == 0)
			path[n++] = a.operand[i];
	a.operand = path;
	a.noperand = n;
	return vg_load_rules(&a, &x->t.k);
}

static int
run(struct test *x)
{
	int code = x->offline ? load_offline(x) : find_watch(x);

	if (code != VG_EXIT_OK || (code = choose(x)) != VG_EXIT_OK || (code = read_samples(x)) != VG_EXIT_OK || (code = read_data(x)) != VG_EXIT_OK ||
	    (code = line_up(x)) != VG_EXIT_OK || (code = play_all(x)) != VG_EXIT_OK || (!x->offline && (code = vg_trial_live(&x->t)) != VG_EXIT_OK))
		return code;
	code = tell_all(x);
	return code != VG_EXIT_OK ? code : x->failed || x->t.samples.bad ? VG_EXIT_FOUND : VG_EXIT_OK;
}

int
vg_cmd_rule_test(const struct vg_args *a)
{
	struct test x = { .a = a, .offline = vg_arg_set(a, "--offline"), .t = { .house = { .dir = -1, .lock = -1 } } };
	int code;

	if (!vg_take_format(a, &x.jsonl))
		return VG_EXIT_USAGE;
	if (!x.offline && !vg_of_watch("rule test", a, "--offline"))
		return VG_EXIT_USAGE;
	vg_rule_samples_init(&x.t.samples, on_bad, NULL);
	code = run(&x);
	vg_rule_samples_fini(&x.t.samples);
	vg_knowledge_fini(&x.t.k);
	vg_house_close(&x.t.house);
	vg_buf_fini(&x.t.status);
	vg_buf_fini(&x.out);
	free(x.t.tried);
	free(x.wanted);
	free(x.has);
	return code;
}
