/* cmd/signal.c - `vigie signal list`, `vigie signal show`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "cmd/watch.h"
#include "net/gate.h"
#include "rule/program.h"
#include "state/signals.h"

const struct vg_opt vg_signal_list_opts[] = {
	VG_STATE_OPTION,
	VG_FORMAT_OPTION,
	{ "--level", VG_OPT_TEXT, "LEVEL", "this level and over (informational, low, medium, high, critical)" },
	{ "--tenant", VG_OPT_TEXT, "NAME", "of one tenant" },
	{ "--after", VG_OPT_TEXT, "N", "made behind number N: what a script saw last" },
	{ "--limit", VG_OPT_TEXT, "N", "at most so many, the newest (default: 100 as text, all as jsonl)" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};
const struct vg_opt vg_signal_show_opts[] = { VG_STATE_OPTION, VG_FORMAT_OPTION, { NULL, VG_OPT_FLAG, NULL, NULL } };

#define LIMIT_TEXT 100

struct list {
	struct vg_names names;
	struct vg_buf out;
	bool jsonl;
	uint64_t n;
	int code;
};

static void
put_json_name(struct vg_buf *b, const char *key, const struct vg_name *n)
{
	vg_buf_printf(b, ",\"%s\":", key);
	vg_buf_json_str(b, n ? vg_str_of(n->name) : VG_NIL);
}

static const char *
kind_of(const struct vg_signal_row *s)
{
	return s->flags & VG_SIGNAL_CORRELATION ? "correlation" : s->flags & VG_SIGNAL_INDICATOR ? "indicator" : "rule";
}

static void
put_json(struct list *l, const struct vg_signal_row *s)
{
	struct vg_buf *b = &l->out;
	const struct vg_name *source = vg_names_source(&l->names, s->source);
	vg_str tags = s->tags, tag;

	vg_buf_printf(b, "{\"n\":%llu,\"id\":\"", (unsigned long long)s->n);
	vg_buf_hex(b, s->id, sizeof(s->id), false);
	vg_buf_puts(b, "\",\"time\":\"");
	vg_buf_time(b, s->time_ns, 9);
	vg_buf_puts(b, "\",\"first\":\"");
	vg_buf_time(b, s->first_ns, 9);
	vg_buf_puts(b, "\",\"arrival\":\"");
	vg_buf_time(b, s->recv_ns, 9);
	vg_buf_puts(b, "\",\"made\":\"");
	vg_buf_time(b, s->made_ns, 9);
	vg_buf_printf(b, "\",\"level\":\"%s\",\"kind\":\"%s\",\"rule\":", vg_level_name((enum vg_level)s->level),
		      kind_of(s));
	vg_buf_json_str(b, s->rule);
	vg_buf_puts(b, ",\"title\":");
	vg_buf_json_str(b, s->title);
	put_json_name(b, "tenant", vg_names_tenant(&l->names, s->tenant));
	put_json_name(b, "source", source);
	vg_buf_printf(b, ",\"proof\":\"%s\",\"adopted\":%s,\"host\":", source ? vg_proof_name(source->proof) : "", source && source->state == VG_SOURCE_ADOPTED ? "true" : "false");
	vg_buf_json_str(b, s->host);
	vg_buf_printf(b, ",\"count\":%llu,\"late\":%s,\"backwards\":%s,\"resent\":%s,\"time_is_arrival\":%s,\"fields\":", (unsigned long long)s->count,
		      s->flags & VG_SIGNAL_LATE ? "true" : "false", s->flags & VG_SIGNAL_BACKWARDS ? "true" : "false", s->flags & VG_SIGNAL_RESENT ? "true" : "false", s->flags & VG_SIGNAL_CLAIM ? "true" : "false");
	vg_buf_put(b, s->fields); /* made by trace: JSON */
	vg_buf_puts(b, ",\"tags\":[");
	for (bool first = true; tags.n && vg_str_split(&tags, ',', &tag); first = false) {
		if (!first)
			vg_buf_putc(b, ',');
		vg_buf_json_str(b, tag);
	}
	vg_buf_puts(b, "],\"evidence\":[");
	for (uint32_t i = 0; i < s->nevidence; i++)
		vg_buf_printf(b, "%s%llu", i ? "," : "", (unsigned long long)s->evidence[i]);
	vg_buf_puts(b, "]}\n");
}

static void
put_text(struct list *l, const struct vg_signal_row *s)
{
	struct vg_buf *b = &l->out;

	vg_buf_time(b, s->time_ns, 0);
	vg_buf_printf(b, "  %-8.8s ", vg_level_name((enum vg_level)s->level));
	vg_buf_hex(b, s->id, 4, false);
	vg_buf_puts(b, "  ");
	vg_buf_safe(b, s->title);
	if (s->host.n) {
		vg_buf_puts(b, " on ");
		vg_buf_safe(b, s->host);
	}
	if (s->count > 1)
		vg_buf_printf(b, " (%llu)", (unsigned long long)s->count);
	vg_buf_putc(b, '\n');
}

static vg_rc
on_signal(void *ctx, const struct vg_signal_row *s)
{
	struct list *l = ctx;

	l->n++;
	(l->jsonl ? put_json : put_text)(l, s);
	if (l->out.n > 65536 && (l->code = vg_print(&l->out)) != VG_EXIT_OK)
		return VG_E_STOP;
	return l->out.rc;
}

/* Names, the query, what was printed. */
static int
run(const struct vg_args *a, struct list *l, struct vg_signal_query *q, vg_rc (*each)(void *ctx, const struct vg_signal_row *s))
{
	const char *tenant = vg_arg(a, "--tenant");
	const struct vg_name *t;
	struct vg_house h;
	sqlite3 *catalogue = NULL, *signals = NULL;
	int code = vg_state_open(a, &h);

	if (code != VG_EXIT_OK)
		return code;
	if ((code = vg_state_catalogue(&h, true, &catalogue)) != VG_EXIT_OK || (code = vg_state_signals(&h, &signals)) != VG_EXIT_OK)
		goto out;
	code = VG_EXIT_FAILED;
	if (vg_names_read(catalogue, &l->names) != VG_OK)
		goto out;
	if (tenant && (t = vg_names_tenant_named(&l->names, tenant)) == NULL) {
		vg_log(VG_LOG_ERROR, "--tenant %s: there is no such tenant", tenant);
		code = VG_EXIT_USAGE;
		goto out;
	}
	if (tenant)
		q->tenant = t->id;
	if (vg_signals_each(signals, q, each, l) != VG_OK && l->code == VG_EXIT_OK)
		vg_log(VG_LOG_ERROR, "signals cannot be read: %s", sqlite3_errmsg(signals));
	else
		code = vg_print(&l->out);
out:
	vg_db_close(catalogue);
	vg_db_close(signals);
	vg_house_close(&h);
	return code;
}

static bool
take_number(const struct vg_args *a, const char *option, uint64_t *out)
{
	const char *text = vg_arg(a, option);

	if (text == NULL || vg_str_u64(vg_str_of(text), out))
		return true;
	vg_log(VG_LOG_ERROR, "%s %s: no number", option, text);
	return false;
}

int
vg_cmd_signal_list(const struct vg_args *a)
{
	struct list l = { .jsonl = false };
	struct vg_signal_query q = { .newest = false };
	const char *level = vg_arg(a, "--level");
	enum vg_level at = VG_LEVEL_INFO;
	int code;

	if (!vg_take_format(a, &l.jsonl) || !take_number(a, "--after", &q.after) || !take_number(a, "--limit", &q.limit))
		return VG_EXIT_USAGE;
	if (level && !vg_level_parse(vg_str_of(level), &at)) {
		vg_log(VG_LOG_ERROR, "--level %s: one of informational, low, medium, high, critical", level);
		return VG_EXIT_USAGE;
	}
	q.level = (uint8_t)at;
	if (!l.jsonl && q.limit == 0)
		q.limit = LIMIT_TEXT;
	q.newest = q.limit != 0;
	code = run(a, &l, &q, on_signal);
	if (code == VG_EXIT_OK && !l.jsonl && l.n == 0)
		puts("no signal: nothing that a rule knows was seen (`vigie status` says what is watched)");
	vg_names_free(&l.names);
	vg_buf_fini(&l.out);
	return code;
}

static vg_rc
on_one(void *ctx, const struct vg_signal_row *s)
{
	struct list *l = ctx;
	struct vg_buf *b = &l->out;
	const struct vg_name *source = vg_names_source(&l->names, s->source), *tenant = vg_names_tenant(&l->names, s->tenant);

	if (l->n++ || l->jsonl) {
		if (l->jsonl)
			put_json(l, s);
		return b->rc;
	}
	vg_buf_safe(b, s->title);
	vg_buf_puts(b, "\n\nid        ");
	vg_buf_hex(b, s->id, sizeof(s->id), false);
	vg_buf_printf(b, "\nlevel     %s\nrule      ", vg_level_name((enum vg_level)s->level));
	vg_buf_safe(b, s->rule);
	vg_buf_puts(b, "\ntime      ");
	vg_buf_time(b, s->time_ns, 3);
	if (s->first_ns != s->time_ns) {
		vg_buf_puts(b, ", from ");
		vg_buf_time(b, s->first_ns, 3);
	}
	if (s->flags & VG_SIGNAL_CLAIM)
		vg_buf_puts(b, " (of arrival: the record's own time cannot be right)");
	vg_buf_puts(b, "\narrival   ");
	vg_buf_time(b, s->recv_ns, 3);
	if (s->flags & VG_SIGNAL_BACKWARDS)
		vg_buf_puts(b, " (before the indicator was known)");
	vg_buf_puts(b, "\nhost      ");
	vg_buf_safe(b, s->host);
	vg_buf_puts(b, "\ntenant    ");
	vg_buf_safe(b, tenant ? vg_str_of(tenant->name) : VG_NIL);
	if (source) {
		vg_buf_puts(b, "\nsource    ");
		vg_buf_safe(b, vg_str_of(source->name));
		vg_buf_printf(b, " (proved by %s%s)", vg_proof_name(source->proof), source->state == VG_SOURCE_NEW ? ", not adopted" : "");
	}
	vg_buf_printf(b, "\ncount     %llu%s%s\nfields    ", (unsigned long long)s->count, s->flags & VG_SIGNAL_LATE ? ", some came late" : "",
		      (s->flags & VG_SIGNAL_INDICATOR) && s->count == VG_SIGNAL_EVIDENCE_MAX ? " or more (it is not counted further)" : "");
	vg_buf_safe(b, s->fields);
	vg_buf_puts(b, "\ntags      ");
	vg_buf_safe(b, s->tags);
	vg_buf_puts(b, "\nevidence  records");
	for (uint32_t i = 0; i < s->nevidence; i++)
		vg_buf_printf(b, "%s %llu", i ? "," : "", (unsigned long long)s->evidence[i]);
	if (s->nevidence)
		vg_buf_printf(b, "\n\n`vigie vault export --seq %llu-%llu` takes them out with their proofs.\n", (unsigned long long)s->evidence[0],
			      (unsigned long long)s->evidence[s->nevidence - 1]);
	else
		vg_buf_putc(b, '\n');
	return b->rc;
}

int
vg_cmd_signal_show(const struct vg_args *a)
{
	struct list l = { .jsonl = false };
	struct vg_signal_query q = { .id = vg_str_of(a->operand[0]), .limit = 2 };
	int code;

	if (!vg_take_format(a, &l.jsonl))
		return VG_EXIT_USAGE;
	if (q.id.n < 8 || q.id.n > 32 || strspn(a->operand[0], "0123456789abcdef") != q.id.n) {
		vg_log(VG_LOG_ERROR, "signal show %s: an id is 8 to 32 hexadecimal digits, as `vigie signal list` shows them", a->operand[0]);
		return VG_EXIT_USAGE;
	}
	code = run(a, &l, &q, on_one);
	if (code == VG_EXIT_OK && l.n == 0) {
		vg_log(VG_LOG_ERROR, "signal show %s: there is no such signal", a->operand[0]);
		code = VG_EXIT_INPUT;
	} else if (code == VG_EXIT_OK && l.n > 1) {
		vg_log(VG_LOG_WARNING, "signal show %s: there is more than one; give more digits", a->operand[0]);
	}
	vg_names_free(&l.names);
	vg_buf_fini(&l.out);
	return code;
}
