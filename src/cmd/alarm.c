/* cmd/alarm.c - `vigie alarm list`, `vigie alarm test`, and what `vigie status` says of alarms and time stamps. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/common.h"
#include "cmd/watch.h"
#include "net/loop.h"
#include "role/alarm_text.h"
#include "role/request.h"
#include "rule/program.h"

const struct vg_opt vg_alarm_list_opts[] = {
	VG_STATE_OPTION,
	VG_FORMAT_OPTION,
	{ "--limit", VG_OPT_TEXT, "N", "of those that were told, the newest N (default: 100 as text, all as jsonl)" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};
const struct vg_opt vg_alarm_test_opts[] = { VG_STATE_OPTION, { NULL, VG_OPT_FLAG, NULL, NULL } };

#define LIMIT_TEXT 100
#define NOBODY "nobody" /* role/out_way.c */

struct list {
	struct vg_buf out, title;
	bool jsonl;
	uint64_t n;
};

/* ---- the list ---- */

static const char *
state_of(const struct vg_outbox_group *g)
{
	return g->told_ns == 0 ? "waiting" : g->failed ? "failed" : vg_str_eq(g->way, VG_STR(NOBODY)) ? "nobody" : "told";
}

static void
put_json(struct list *l, const struct vg_outbox_group *g)
{
	struct vg_buf *b = &l->out;

	vg_buf_printf(b, "{\"state\":\"%s\",\"way\":", state_of(g));
	vg_buf_json_str(b, g->way);
	vg_buf_printf(b, ",\"kind\":\"%s\",\"level\":\"%s\",\"tenant\":", vg_role_alarm_name(g->kind), g->level < VG_LEVELS ? vg_level_name((enum vg_level)g->level) : "critical");
	vg_buf_json_str(b, g->tenant);
	vg_buf_puts(b, ",\"title\":");
	vg_buf_json_str(b, vg_buf_str(&l->title));
	vg_buf_puts(b, ",\"text\":");
	vg_buf_json_str(b, g->text);
	vg_buf_printf(b, ",\"count\":%llu,\"first\":\"", (unsigned long long)g->count);
	vg_buf_time(b, g->first_ns, 0);
	vg_buf_puts(b, "\",\"last\":\"");
	vg_buf_time(b, g->last_ns, 0);
	vg_buf_putc(b, '"');
	if (g->told_ns) {
		vg_buf_puts(b, ",\"told\":\"");
		vg_buf_time(b, g->told_ns, 0);
		vg_buf_printf(b, "\",\"tries\":%u,\"why\":", g->tries);
		vg_buf_json_str(b, g->why);
	}
	vg_buf_puts(b, "}\n");
}

static void
put_text(struct list *l, const struct vg_outbox_group *g)
{
	struct vg_buf *b = &l->out;

	vg_buf_time(b, g->told_ns ? g->told_ns : g->last_ns, 0);
	vg_buf_printf(b, "  %-8s %-9.9s ", state_of(g), g->level < VG_LEVELS ? vg_level_name((enum vg_level)g->level) : "critical");
	vg_buf_safe(b, vg_str_cut(g->way, 40));
	vg_buf_puts(b, "  ");
	vg_buf_put(b, vg_buf_str(&l->title));
	if (g->kind == VG_ROLE_ALARM_SIGNAL && g->text.n) {
		vg_buf_puts(b, " on ");
		vg_buf_safe(b, g->text);
	}
	if (g->count > 1)
		vg_buf_printf(b, " (%llu)", (unsigned long long)g->count);
	if (g->failed) {
		vg_buf_puts(b, ": ");
		vg_buf_safe(b, g->why);
	}
	vg_buf_putc(b, '\n');
}

static vg_rc
on_group(void *ctx, const struct vg_outbox_group *g)
{
	struct list *l = ctx;

	l->n++;
	vg_buf_clear(&l->title);
	vg_alarm_title(VG_LANG_EN, g, &l->title);
	(l->jsonl ? put_json : put_text)(l, g);
	if (l->out.n > 65536 && vg_print(&l->out) != VG_EXIT_OK)
		return VG_E_STOP;
	return l->out.rc != VG_OK ? l->out.rc : l->title.rc;
}

/* VG_E_NOTFOUND: no watch ran yet. */
static vg_rc
open_outbox(const struct vg_house *h, char why[200], sqlite3 **db)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/out/out.db", h->path);
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		snprintf(why, 200, "%.150s: no watch ran there yet", h->path);
		return VG_E_NOTFOUND;
	}
	return vg_outbox_open(path, true, why, db);
}

int
vg_cmd_alarm_list(const struct vg_args *a)
{
	struct list l = { .jsonl = false };
	const char *limit = vg_arg(a, "--limit");
	uint64_t n = 0;
	sqlite3 *db = NULL;
	struct vg_house h;
	char why[200];
	int code;

	if (!vg_take_format(a, &l.jsonl))
		return VG_EXIT_USAGE;
	if (limit && !vg_str_u64(vg_str_of(limit), &n)) {
		vg_log(VG_LOG_ERROR, "--limit %s: no number", limit);
		return VG_EXIT_USAGE;
	}
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	if (open_outbox(&h, why, &db) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s", why);
		code = VG_EXIT_INPUT;
	} else if (vg_outbox_each_told(db, n || l.jsonl ? n : LIMIT_TEXT, on_group, &l) != VG_OK || vg_outbox_each_waiting(db, on_group, &l) != VG_OK) {
		vg_log(VG_LOG_ERROR, "alarms cannot be read: %s", sqlite3_errmsg(db));
		code = VG_EXIT_FAILED;
	} else {
		code = vg_print(&l.out);
		if (code == VG_EXIT_OK && !l.jsonl && l.n == 0)
			puts("no alarm yet (`vigie alarm test` tries the ways that are set)");
	}
	vg_db_close(db);
	vg_house_close(&h);
	vg_buf_fini(&l.out);
	vg_buf_fini(&l.title);
	return code;
}

/* ---- asking the watch that runs ---- */

int
vg_ask_watch(const struct vg_args *a, const char *verb, const char *argument)
{
	struct vg_buf text = { 0 };
	struct vg_house h;
	char why[300];
	bool done = false;
	int code = vg_state_open(a, &h);

	if (code != VG_EXIT_OK)
		return code;
	if (vg_request_ask(&h, verb, argument, &done, &text, why) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s", why);
		code = VG_EXIT_INPUT;
	} else {
		code = vg_print(&text);
		if (code == VG_EXIT_OK && !done)
			code = VG_EXIT_FOUND;
	}
	vg_buf_fini(&text);
	vg_house_close(&h);
	return code;
}

int
vg_cmd_alarm_test(const struct vg_args *a)
{
	return vg_ask_watch(a, "alarm-test", "");
}

/* ---- status ---- */

struct status {
	struct vg_buf *b;
	int64_t now_ns;
	unsigned n;
};

static vg_rc
on_way(void *ctx, const struct vg_outbox_way *w)
{
	struct status *s = ctx;
	struct vg_buf *b = s->b;

	vg_buf_puts(b, s->n++ ? "                  " : "alarms            ");
	if (strcmp(w->name, NOBODY) == 0) {
		vg_buf_puts(b, "nobody is told: set alarm.mail, alarm.webhooks or alarm.command; ");
		vg_buf_u64(b, w->sent + w->alarms);
		vg_buf_puts(b, " so far (`vigie alarm list`)\n");
		return b->rc;
	}
	vg_buf_safe(b, vg_str_of(w->name));
	vg_buf_printf(b, ": %llu told, %llu waiting", (unsigned long long)w->sent, (unsigned long long)w->alarms);
	if (w->alarms)
		vg_buf_printf(b, " since %lld s", (long long)((s->now_ns - w->since_ns) / VG_SEC));
	if (w->failed)
		vg_buf_printf(b, ", %llu given up", (unsigned long long)w->failed);
	if (w->why[0]) {
		vg_buf_puts(b, "; the last try failed: ");
		vg_buf_safe(b, vg_str_of(w->why));
	}
	vg_buf_putc(b, '\n');
	return b->rc;
}

static vg_rc
on_stamp(void *ctx, const struct vg_outbox_stamp *t)
{
	struct status *s = ctx;
	struct vg_buf *b = s->b;

	vg_buf_puts(b, "time stamp        ");
	vg_buf_safe(b, t->tenant);
	if (t->good_ns)
		vg_buf_printf(b, ": %lld s ago", (long long)((s->now_ns - t->good_ns) / VG_SEC));
	else
		vg_buf_puts(b, ": none yet");
	if (t->failures) {
		vg_buf_printf(b, "; the last %u times failed: ", t->failures);
		vg_buf_safe(b, t->what);
	} else if (t->good_ns) {
		vg_buf_puts(b, ", of ");
		vg_buf_safe(b, t->what);
	}
	vg_buf_putc(b, '\n');
	return b->rc;
}

void
vg_put_alarms(struct vg_buf *b, const struct vg_house *h, int64_t now_ns)
{
	struct status s = { b, now_ns, 0 };
	sqlite3 *db = NULL;
	char why[200];
	vg_rc rc = open_outbox(h, why, &db);

	if (rc == VG_OK)
		rc = vg_outbox_each_way(db, on_way, &s);
	if (rc == VG_OK)
		rc = vg_outbox_each_stamp(db, on_stamp, &s);
	if (rc != VG_OK && rc != VG_E_NOTFOUND)
		vg_buf_printf(b, "alarms            cannot be read: %s\n", db ? sqlite3_errmsg(db) : why);
	vg_db_close(db);
}
