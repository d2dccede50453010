/* cmd/status.c - `vigie status`: is the watch well? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "cmd/indicator.h"
#include "cmd/self.h"
#include "cmd/watch.h"
#include "cmd/weaker.h"
#include "net/loop.h"
#include "proc/role.h"
#include "vault/disk.h"

#define LAST_MAX ((size_t)16 << 10)
#define COLUMNS 80
#define NAME_COLUMNS 18 /* of a row */

const struct vg_opt vg_status_opts[] = {
	VG_STATE_OPTION,
	VG_FORMAT_OPTION,
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

static void
put_bytes(struct vg_buf *b, double n)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	for (; n >= 1024 && u + 1 < VG_COUNT(unit); u++)
		n /= 1024;
	vg_buf_printf(b, u ? "%.1f %s" : "%.0f %s", n, unit[u]);
}

static void
put_roles(struct vg_buf *b, vg_str text, bool *well)
{
	vg_buf_puts(b, "\nROLE       PID      RESTARTS  STATE\n");
	for (unsigned r = 0; r < VG_ROLES; r++)
		for (unsigned i = 0; i < VG_ROLE_INDEX_MAX; i++) {
			int64_t pid = vg_status_number(text, vg_role_name(r), i, "pid", -1), ready = vg_status_number(text, vg_role_name(r), i, "ready", 0);
			int64_t restarts = vg_status_number(text, vg_role_name(r), i, "restarts", 0);

			if (pid < 0)
				break;
			if (vg_status_number(text, vg_role_name(r), i, "resting", 0)) {
				vg_buf_printf(b, "%-8s %u %-8s %8lld  rests\n", vg_role_name(r), i, "-", (long long)restarts);
				continue;
			}
			*well = *well && pid > 0 && ready;
			vg_buf_printf(b, "%-8s %u %-8lld %8lld  %s\n", vg_role_name(r), i, (long long)pid, (long long)restarts,
				      pid == 0 ? "begins again" : ready ? "runs" : "begins");
		}
}

/* What @role has taken, and the vault has not said to be kept. */
static int64_t
queue_of(vg_str text, const char *role)
{
	return vg_status_number(text, role, 0, "records", 0) - vg_status_number(text, role, 0, "kept", 0);
}

static void
put_vault(struct vg_buf *b, vg_str text)
{
	int64_t next = vg_status_number(text, "vault", 0, "next", 1), seen = vg_status_number(text, "vault", 0, "examined", 1);
	int64_t free_bytes = vg_status_number(text, "vault", 0, "disk_free_bytes", 0), aside = vg_status_number(text, "vault", 0, "set_aside", 0);
	int64_t stored = vg_status_number(text, "vault", 0, "segment_bytes", 0), journal = vg_status_number(text, "vault", 0, "journal_bytes", 0);
	int64_t lost = vg_status_number(text, "vault", 0, "unexamined", 0);

	vg_buf_printf(b, "\nrecords kept      %lld\nqueues            %lld wait to be kept, %lld of this machine, %lld kept ones for the rules\nsegments          ",
		      (long long)next - 1, (long long)queue_of(text, "collect"), (long long)queue_of(text, "local"), (long long)(next - seen));
	put_bytes(b, (double)stored);
	vg_buf_puts(b, "\nintake journal    ");
	put_bytes(b, (double)journal);
	vg_buf_puts(b, "\ndisk free         ");
	put_bytes(b, (double)free_bytes);
	if (vg_status_number(text, "vault", 0, "disk_full", 0))
		vg_buf_puts(b, "  FULL: senders are told to wait");
	vg_buf_printf(b, "\nset aside         %lld\n", (long long)aside);
	if (lost)
		vg_buf_printf(b, "never examined    %lld (they are kept; rules did not see them)\n", (long long)lost);
}

/* How long the disk lasts, as things go. */
static void
put_days_left(struct vg_buf *b, vg_str text, struct vg_house *h, int64_t now_ns)
{
	int64_t room = vg_status_number(text, "vault", 0, "disk_free_bytes", 0) - vg_status_number(text, "vault", 0, "disk_keep_free_bytes", 0);
	uint64_t pace = 0;
	sqlite3 *db;

	if (vg_state_catalogue(h, true, &db) != VG_EXIT_OK)
		return;
	vg_buf_puts(b, "days left         ");
	if (vg_catalogue_pace(db, now_ns, &pace) != VG_OK || pace == 0) {
		vg_buf_puts(b, "not known before an hour of records\n");
	} else {
		vg_buf_printf(b, "%.0f, at ", room > 0 ? (double)room / (double)pace : 0.0);
		put_bytes(b, (double)pace);
		vg_buf_puts(b, " a day; retention is not reckoned\n");
	}
	vg_db_close(db);
}

static void
put_witness(struct vg_buf *b, vg_str text, int64_t now_s)
{
	int64_t s = vg_status_number(text, "publish", 0, "witness_seconds", 0);

	if (s)
		vg_buf_printf(b, "witness           asked %lld s ago\n", (long long)(now_s > s ? now_s - s : 0));
	else
		vg_buf_puts(b, "witness           none has asked since the watch began\n");
}

static void
put_checkpoints(struct vg_buf *b, vg_str text, int64_t now_s)
{
	vg_str line, head = VG_STR("vault.0.checkpoint_seconds{tenant=\"");

	while (vg_str_split(&text, '\n', &line)) {
		size_t quote, sp = vg_str_chr(line, ' ');
		int64_t s;

		if (!vg_str_starts(line, head) || sp == VG_NPOS || !vg_str_i64(vg_str_skip(line, sp + 1), &s))
			continue;
		line = vg_str_skip(line, head.n);
		quote = vg_str_chr(line, '"');
		vg_buf_printf(b, "checkpoint        %.*s: ", VG_STR_ARG(vg_str_cut(line, quote)));
		if (s)
			vg_buf_printf(b, "%lld s ago\n", (long long)(now_s - s));
		else
			vg_buf_puts(b, "none yet\n");
	}
}

/* The rules at work, and why a newer set is not. */
static void
put_rules(struct vg_buf *b, vg_str text)
{
	vg_str refused = vg_status_value(text, "rules.refused"), line;
	int64_t refused_ns, since_ns;
	char t[VG_TIME_MAX];

	if (!vg_str_i64(vg_status_value(text, "rules.since"), &since_ns))
		return;
	(void)vg_time_print(since_ns, 0, t);
	vg_buf_printf(b, "rules             %.*s, %.*s correlations, %.*s exceptions, since %s\n", VG_STR_ARG(vg_status_value(text, "rules.base")),
		      VG_STR_ARG(vg_status_value(text, "rules.correlations")), VG_STR_ARG(vg_status_value(text, "rules.exceptions")), t);
	if (!vg_str_i64(refused, &refused_ns))
		return;
	(void)vg_time_print(refused_ns, 0, t);
	vg_buf_printf(b, "  a newer set was REFUSED at %s, the one above works on%s:\n", t,
		      vg_status_value(text, "rules.overdue").n ? ", with an exception that is over" : "");
	while (vg_str_split(&text, '\n', &line))
		if (vg_str_starts(line, VG_STR("rules.refused."))) {
			vg_buf_puts(b, "    ");
			vg_buf_safe(b, vg_str_skip(line, vg_str_chr(line, ' ') + 1));
			vg_buf_putc(b, '\n');
		}
}

static void
put_listeners(struct vg_buf *b, vg_str text)
{
	vg_str line;

	vg_buf_puts(b, "\nLISTENS ON\n");
	while (vg_str_split(&text, '\n', &line))
		if (vg_str_starts(line, VG_STR("listen."))) {
			size_t sp = vg_str_chr(line, ' ');

			vg_buf_printf(b, "%-24.*s %.*s\n", VG_STR_ARG(vg_str_cut(vg_str_skip(line, 7), sp - 7)), VG_STR_ARG(vg_str_skip(line, sp + 1)));
		}
}

static vg_rc
on_refused(void *ctx, const struct vg_learned *l)
{
	struct vg_buf *b = ctx;

	if (l->refused.n == 0)
		return VG_OK;
	vg_buf_puts(b, "                  refused: ");
	vg_buf_safe(b, l->name);
	vg_buf_puts(b, ": ");
	vg_buf_safe(b, l->refused);
	vg_buf_puts(b, l->loaded_ns != VG_TIME_NONE ? "; what it said before is used\n" : "\n");
	return b->rc;
}

static void
put_indicators(struct vg_buf *b, vg_str text, struct vg_house *h)
{
	int64_t done = vg_status_number(text, "look", 0, "done_percent", -1), waiting = vg_status_number(text, "learn", 0, "waiting", 0);

	vg_buf_printf(b, "indicators        %lld, of %lld files (`vigie indicator list`)\n", (long long)vg_status_number(text, "learn", 0, "entries", 0),
		      (long long)vg_status_number(text, "learn", 0, "files", 0));
	if (vg_status_number(text, "learn", 0, "searching", 0))
		vg_buf_printf(b, "                  older records are looked through for new ones: %lld %%\n", (long long)(done < 0 ? 0 : done));
	if (waiting)
		vg_buf_printf(b, "                  %lld more wait for that to end\n", (long long)waiting);
	if (vg_status_number(text, "learn", 0, "refused_files", 0))
		(void)!vg_indicator_each(h, on_refused, b);
}

static vg_rc
count_source(void *ctx, const struct vg_source *s)
{
	uint64_t *n = ctx;

	n[0]++;
	n[1] += s->state == VG_SOURCE_NEW;
	n[2] += s->unparsed;
	n[3] += s->refused;
	return VG_OK;
}

static void
put_sources(struct vg_buf *b, struct vg_house *h)
{
	uint64_t n[4] = { 0 };
	sqlite3 *db;

	if (vg_state_catalogue(h, true, &db) != VG_EXIT_OK)
		return;
	if (vg_catalogue_sources(db, count_source, n) == VG_OK)
		vg_buf_printf(b, "sources           %llu, %llu new (`vigie source list`); %llu records not understood, %llu refused\n", (unsigned long long)n[0],
			      (unsigned long long)n[1], (unsigned long long)n[2], (unsigned long long)n[3]);
	vg_db_close(db);
}

/* When `vigie self-backup` last wrote one; 0: never. */
static int64_t
last_backup(struct vg_disk *d, struct vg_buf *text)
{
	int64_t time_ns = 0;

	vg_buf_clear(text);
	if (vg_disk_slurp(d, VG_SELF_LAST, LAST_MAX, text) != VG_OK || !vg_str_i64(vg_status_value(vg_buf_str(text), "time"), &time_ns))
		return 0;
	return time_ns;
}

static void
put_backup(struct vg_buf *b, struct vg_disk *d, int64_t now_ns)
{
	struct vg_buf text = { 0 };
	int64_t time_ns = last_backup(d, &text);

	if (time_ns) {
		int64_t h = (now_ns - time_ns) / VG_HOUR;

		vg_buf_printf(b, h < 48 ? "self-backup       %lld h ago, " : "self-backup       %lld days ago, ", (long long)(h < 48 ? h : h / 24));
		vg_buf_safe(b, vg_status_value(vg_buf_str(&text), "file"));
		vg_buf_putc(b, '\n');
	} else {
		vg_buf_puts(b, "self-backup       never (`vigie self-backup --to FILE`: names, keys and signals are in no copy of the evidence)\n");
	}
	vg_buf_fini(&text);
}

static int
print_jsonl(vg_str text, bool runs, const struct vg_house *h)
{
	struct vg_disk d = { .dir = h->dir, .read_only = true };
	struct vg_buf b = { 0 }, last = { 0 };
	vg_str line;

	vg_buf_printf(&b, "{\"running\":%s,\"self_backup_seconds\":%lld", runs ? "true" : "false", (long long)(last_backup(&d, &last) / VG_SEC));
	vg_buf_fini(&last);
	if (runs) {
		vg_buf_puts(&b, ",\"weaker\":");
		vg_put_weaker_json(&b, text, h, vg_clock_ns());
	}
	while (vg_str_split(&text, '\n', &line)) {
		size_t sp = vg_str_chr(line, ' ');
		vg_str value = vg_str_skip(line, sp == VG_NPOS ? line.n : sp + 1);

		if (sp == VG_NPOS)
			continue;
		vg_buf_putc(&b, ',');
		vg_buf_json_str(&b, vg_str_cut(line, sp));
		vg_buf_putc(&b, ':');
		if (vg_str_all_digits(value) && value.n < 16)
			vg_buf_put(&b, value);
		else
			vg_buf_json_str(&b, value);
	}
	vg_buf_puts(&b, "}\n");
	return vg_print(&b);
}

/* Rows that are longer than a terminal go on below their texts. */
static int
print_folded(vg_str text)
{
	struct vg_buf b = { 0 };
	vg_str line;

	while (text.n && vg_str_split(&text, '\n', &line)) {
		if (line.n <= COLUMNS) {
			vg_buf_put(&b, line);
			vg_buf_putc(&b, '\n');
			continue;
		}
		vg_buf_put(&b, vg_str_cut(line, NAME_COLUMNS));
		vg_buf_wrap(&b, vg_str_skip(line, NAME_COLUMNS), NAME_COLUMNS, NAME_COLUMNS, COLUMNS);
	}
	return vg_print(&b);
}

int
vg_cmd_status(const struct vg_args *a)
{
	struct vg_house h;
	struct vg_disk d = { .dir = -1, .read_only = true };
	struct vg_buf file = { 0 }, b = { 0 };
	int64_t pid, now_ns = vg_clock_ns();
	bool jsonl, runs, well = true;
	int code;

	if (!vg_take_format(a, &jsonl))
		return VG_EXIT_USAGE;
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	d.dir = h.dir;
	runs = vg_status_read(&h, &file, &pid);
	if (jsonl) {
		code = print_jsonl(vg_buf_str(&file), runs, &h);
	} else if (!runs) {
		vg_buf_printf(&b, "no watch runs on %s (`vigie serve --state %s` begins one)\n", h.path, h.path);
	} else {
		vg_buf_printf(&b, "the watch runs, process %lld, on %s\n", (long long)pid, h.path);
		put_listeners(&b, vg_buf_str(&file));
		put_roles(&b, vg_buf_str(&file), &well);
		put_vault(&b, vg_buf_str(&file));
		put_days_left(&b, vg_buf_str(&file), &h, now_ns);
		put_checkpoints(&b, vg_buf_str(&file), now_ns / VG_SEC);
		put_witness(&b, vg_buf_str(&file), now_ns / VG_SEC);
		put_sources(&b, &h);
		put_indicators(&b, vg_buf_str(&file), &h);
		put_backup(&b, &d, now_ns);
		put_rules(&b, vg_buf_str(&file));
		vg_put_alarms(&b, &h, now_ns);
		vg_put_weaker(&b, vg_buf_str(&file), &h, now_ns);
	}
	if (!jsonl)
		code = print_folded(vg_buf_str(&b));
	vg_buf_fini(&file);
	vg_buf_fini(&b);
	vg_house_close(&h);
	return code != VG_EXIT_OK ? code : runs && well ? VG_EXIT_OK : VG_EXIT_FOUND;
}
