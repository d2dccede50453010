/* cmd/status.c - `vigie status`: is the watch well? */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "cmd/watch.h"
#include "net/loop.h"
#include "proc/role.h"
#include "vault/disk.h"

#define STATUS_MAX ((size_t)4 << 20)
#define OLD_S 5 /* a status that is older: nobody writes it */

const struct vg_opt vg_status_opts[] = {
	VG_STATE_OPTION,
	VG_FORMAT_OPTION,
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

/* The value of "NAME" in the lines of @text; empty when it is not there. */
static vg_str
value_of(vg_str text, const char *name)
{
	size_t n = strlen(name);
	vg_str line;

	while (vg_str_split(&text, '\n', &line))
		if (line.n > n && memcmp(line.p, name, n) == 0 && line.p[n] == ' ')
			return vg_str_skip(line, n + 1);
	return VG_NIL;
}

static int64_t
number_of(vg_str text, const char *role, unsigned index, const char *name, int64_t otherwise)
{
	char key[128];
	int64_t v;

	snprintf(key, sizeof(key), "%s.%u.%s", role, index, name);
	return vg_str_i64(value_of(text, key), &v) ? v : otherwise;
}

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
			int64_t pid = number_of(text, vg_role_name(r), i, "pid", -1), ready = number_of(text, vg_role_name(r), i, "ready", 0);
			int64_t restarts = number_of(text, vg_role_name(r), i, "restarts", 0);

			if (pid < 0)
				break;
			*well = *well && pid > 0 && ready;
			vg_buf_printf(b, "%-8s %u %-8lld %8lld  %s\n", vg_role_name(r), i, (long long)pid, (long long)restarts,
				      pid == 0 ? "begins again" : ready ? "runs" : "begins");
		}
}

static void
put_vault(struct vg_buf *b, vg_str text)
{
	int64_t next = number_of(text, "vault", 0, "next", 1), seen = number_of(text, "vault", 0, "examined", 1);
	int64_t free_bytes = number_of(text, "vault", 0, "disk_free_bytes", 0), aside = number_of(text, "vault", 0, "set_aside", 0);
	int64_t stored = number_of(text, "vault", 0, "segment_bytes", 0), journal = number_of(text, "vault", 0, "journal_bytes", 0);
	int64_t lost = number_of(text, "vault", 0, "unexamined", 0);

	vg_buf_printf(b, "\nrecords kept      %lld\nnot examined yet  %lld\nsegments          ", (long long)next - 1, (long long)(next - seen));
	put_bytes(b, (double)stored);
	vg_buf_puts(b, "\nintake journal    ");
	put_bytes(b, (double)journal);
	vg_buf_puts(b, "\ndisk free         ");
	put_bytes(b, (double)free_bytes);
	if (number_of(text, "vault", 0, "disk_full", 0))
		vg_buf_puts(b, "  FULL: senders are told to wait");
	vg_buf_printf(b, "\nset aside         %lld\n", (long long)aside);
	if (lost)
		vg_buf_printf(b, "never examined    %lld (they are kept; rules did not see them)\n", (long long)lost);
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

static int
print_jsonl(vg_str text, bool runs)
{
	struct vg_buf b = { 0 };
	vg_str line;

	vg_buf_printf(&b, "{\"running\":%s", runs ? "true" : "false");
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

int
vg_cmd_status(const struct vg_args *a)
{
	struct vg_house h;
	struct vg_disk d = { .read_only = true };
	struct vg_buf file = { 0 }, b = { 0 };
	int64_t time_ns = 0, pid = 0, now_ns = vg_clock_ns();
	bool jsonl, runs, well = true;
	int code;

	if (!vg_take_format(a, &jsonl))
		return VG_EXIT_USAGE;
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	d.dir = h.dir;
	if (vg_disk_slurp(&d, "status", STATUS_MAX, &file) == VG_OK) {
		(void)vg_str_i64(value_of(vg_buf_str(&file), "time"), &time_ns);
		(void)vg_str_i64(value_of(vg_buf_str(&file), "pid"), &pid);
	}
	runs = now_ns - time_ns < OLD_S * VG_SEC && pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
	if (jsonl) {
		code = print_jsonl(vg_buf_str(&file), runs);
	} else if (!runs) {
		vg_buf_printf(&b, "no watch runs on %s (`vigie serve --state %s` begins one)\n", h.path, h.path);
	} else {
		vg_buf_printf(&b, "the watch runs, process %lld, on %s\n", (long long)pid, h.path);
		put_listeners(&b, vg_buf_str(&file));
		put_roles(&b, vg_buf_str(&file), &well);
		put_vault(&b, vg_buf_str(&file));
		put_checkpoints(&b, vg_buf_str(&file), now_ns / VG_SEC);
		put_sources(&b, &h);
		vg_put_alarms(&b, &h, now_ns);
	}
	if (!jsonl)
		code = vg_print(&b);
	vg_buf_fini(&file);
	vg_buf_fini(&b);
	vg_house_close(&h);
	return code != VG_EXIT_OK ? code : runs && well ? VG_EXIT_OK : VG_EXIT_FOUND;
}
