/* cmd/vault_export.c - `vigie vault export`: a case folder that proves itself (vault/export.h). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/apart.h"
#include "cmd/common.h"
#include "cmd/limits.h"
#include "cmd/vault.h"
#include "net/loop.h"
#include "vault/export.h"
#include "witness/names.h"

const struct vg_opt vg_vault_export_opts[] = {
	VG_STATE_OPTION,
	VG_SETTINGS_OPTION,
	{ "--to", VG_OPT_TEXT, "FOLDER", "where the case folder is made (needed); it must not be there, or be empty" },
	{ "--tenant", VG_OPT_TEXT, "NAME", "whose records; needed when there are several tenants" },
	{ "--from", VG_OPT_TEXT, "TIME", "records that came from then on: a time, or a duration before now" },
	{ "--to-time", VG_OPT_TEXT, "TIME", "and before then" },
	{ "--seq", VG_OPT_TEXT, "A-B", "records with these numbers" },
	VG_FORMAT_OPTION,
	VG_QUERY_OPTIONS,
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

#define LATE_S 30 /* it looks at the time itself: so long after it, it is ended */

static volatile sig_atomic_t expired;

struct run {
	const struct vg_args *a;
	struct vg_query_limits limits;
	struct vg_check c; /* for the log's key and the days' */
	struct vg_names names;
	struct vg_export_options o;
	char who[200];
	bool jsonl;
};

static const char *
source_name(void *ctx, uint32_t source)
{
	struct run *r = ctx;
	const struct vg_name *n = source ? vg_names_source(&r->names, source) : NULL;

	return n && n->name ? n->name : source ? "" : "vigie";
}

static bool
take_seq(const char *text, uint64_t *first, uint64_t *last)
{
	vg_str s = vg_str_of(text), a, b;
	size_t dash = vg_str_chr(s, '-');

	if (text == NULL)
		return true;
	a = dash == VG_NPOS ? s : vg_str_cut(s, dash);
	b = dash == VG_NPOS ? s : vg_str_skip(s, dash + 1);
	if (vg_str_all_digits(a) && vg_str_all_digits(b) && vg_str_u64(a, first) && vg_str_u64(b, last) && *first <= *last)
		return true;
	vg_log(VG_LOG_ERROR, "vault export: --seq %s: a number, or two as 120-180", text);
	return false;
}

/* The tenant that is meant: the only one, or the one that was named. */
static bool
find_tenant(struct run *r, int vault, char out[VG_TENANT_NAME_MAX])
{
	const char *only = vg_arg(r->a, "--tenant");
	struct vg_buf list = { 0 };
	vg_str rest, line;
	size_t n = 0;

	if (only && vg_is_tenant_name(vg_str_of(only))) {
		snprintf(out, VG_TENANT_NAME_MAX, "%s", only);
		return true;
	}
	if (only == NULL && vg_tenants_print(vault, &list) == VG_OK) {
		rest = vg_buf_str(&list);
		while (rest.n && vg_str_split(&rest, '\n', &line)) {
			snprintf(out, VG_TENANT_NAME_MAX, "%.*s", VG_STR_ARG(line));
			n++;
		}
	}
	vg_buf_fini(&list);
	if (n != 1)
		vg_log(VG_LOG_ERROR, only ? "vault export: --tenant %s: that is no tenant's name" : n ? "vault export: there are several tenants%s: say whose records, by --tenant" :
		       "vault export: there is no tenant%s", only ? only : "");
	return n == 1;
}

static void
say_text(const char *folder, const struct vg_exported *x, struct vg_buf *b)
{
	vg_buf_printf(b, "%llu records, %llu bytes, numbers %llu to %llu, of %llu blocks are in ", (unsigned long long)x->records, (unsigned long long)x->bytes,
		      (unsigned long long)x->first_seq, (unsigned long long)x->last_seq, (unsigned long long)x->blocks);
	vg_buf_safe(b, vg_str_of(folder));
	vg_buf_putc(b, '\n');
	if (x->unreadable)
		vg_buf_printf(b, "%llu blocks could not be read: their keys were destroyed, or are not here\n", (unsigned long long)x->unreadable);
	if (x->unsealed)
		vg_buf_printf(b, "up to %llu records are not sealed yet, and are not in it: come again after the next checkpoint\n", (unsigned long long)x->unsealed);
	vg_buf_puts(b, "SHA-256 of " VG_EXPORT_MANIFEST ", to be written on the sheet (" VG_EXPORT_PAGE "): ");
	vg_buf_hex(b, x->manifest.b, sizeof(x->manifest.b), false);
	vg_buf_puts(b, "\nprint the sheet, and check the folder by `vigie vault verify --export`\n");
}

static int
say(struct run *r, const char *folder, const struct vg_exported *x)
{
	struct vg_buf b = { 0 };
	int code;

	if (r->jsonl) {
		vg_buf_puts(&b, "{\"folder\":");
		vg_buf_json_str(&b, vg_str_of(folder));
		vg_buf_printf(&b, ",\"records\":%llu,\"bytes\":%llu,\"blocks\":%llu,\"first_seq\":%llu,\"last_seq\":%llu,\"unreadable_blocks\":%llu,\"unsealed_records\":%llu,\"stamped\":%s,"
				  "\"manifest\":\"", (unsigned long long)x->records, (unsigned long long)x->bytes, (unsigned long long)x->blocks, (unsigned long long)x->first_seq,
			      (unsigned long long)x->last_seq, (unsigned long long)x->unreadable, (unsigned long long)x->unsealed, x->stamped ? "true" : "false");
		vg_buf_hex(&b, x->manifest.b, sizeof(x->manifest.b), false);
		vg_buf_puts(&b, "\"}\n");
	} else {
		say_text(folder, x, &b);
	}
	code = vg_print(&b);
	vg_buf_fini(&b);
	return code;
}

static void
who_am_i(char out[200])
{
	const struct passwd *p = getpwuid(getuid());

	snprintf(out, 200, "%.80s (uid %u)%s%.80s", p && p->pw_name ? p->pw_name : "?", (unsigned)getuid(), p && p->pw_gecos && p->pw_gecos[0] ? ", " : "",
		 p && p->pw_gecos ? p->pw_gecos : "");
}

static int
write_to(struct run *r, const char *tenant, int from, const char *folder, struct vg_export_options *o)
{
	char why[VG_EXPORT_WHY], limit[VG_QUERY_WHY];
	struct vg_disk seal = { .dir = r->c.house.dir, .read_only = true };
	struct vg_buf days = { 0 };
	struct vg_exported x;
	uint8_t key[32];
	int code = VG_EXIT_OK;
	vg_rc rc;

	o->from = from;
	o->tenant = tenant;
	if (vg_disk_slurp(&seal, "seal/" VG_DAYS_FILE, VG_DAYS_BYTES_MAX, &days) == VG_OK)
		o->days_text = vg_buf_str(&days);
	if (vg_node_tenant_key(&r->c, tenant, key))
		o->tenant_key = key;
	if ((rc = vg_export(o, &x, why)) == VG_OK) {
		code = say(r, folder, &x);
	} else {
		if (rc == VG_E_STOP || rc == VG_E_NOMEM || rc == VG_E_LIMIT) {
			vg_query_limit_met(&r->limits, rc == VG_E_STOP ? VG_QUERY_TIME : rc == VG_E_NOMEM ? VG_QUERY_MEMORY : VG_QUERY_READ, limit);
			vg_log(VG_LOG_ERROR, "vault export: vault of %s: nothing was made: %s", tenant, limit);
		} else {
			vg_log(VG_LOG_ERROR, "vault export: %s: %s", folder, why);
		}
		code = rc == VG_E_NOTFOUND ? VG_EXIT_INPUT : VG_EXIT_FAILED;
	}
	sodium_memzero(key, sizeof(key));
	vg_buf_fini(&days);
	return code;
}

static int
export(struct run *r, struct vg_export_options *o)
{
	char tenant[VG_TENANT_NAME_MAX], place[PATH_MAX];
	struct vg_check *c = &r->c;
	int vault = openat(c->house.dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), from = -1, code = VG_EXIT_INPUT;
	sqlite3 *db;
	vg_rc rc;

	if (vault < 0 || !find_tenant(r, vault, tenant)) {
		if (vault >= 0)
			close(vault);
		return VG_EXIT_USAGE;
	}
	if ((from = openat(vault, tenant, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		vg_log(VG_LOG_ERROR, "vault export: %s: %s", tenant, strerror(errno));
	else if (vg_check_log_key(c, from) != VG_OK || (rc = vg_node_days(c)) != VG_OK)
		vg_log(VG_LOG_ERROR, "vault export: the log's key is not here");
	else {
		if (faccessat(vault, "catalogue.db", F_OK, 0) == 0 && vg_state_catalogue(&c->house, true, &db) == VG_EXIT_OK) {
			if (vg_names_read(db, &r->names) != VG_OK)
				vg_log(VG_LOG_WARNING, "vault export: the catalogue cannot be read: sources have numbers and no names");
			vg_db_close(db);
		}
		o->log_key = &c->log;
		o->days = c->has_days ? &c->days : NULL;
		o->node = c->log.name;
		o->host = c->house.host;
		o->vault = realpath(c->house.path, place) ? place : c->house.path;
		o->live = c->live;
		code = write_to(r, tenant, from, vg_arg(r->a, "--to"), o);
	}
	if (from >= 0)
		close(from);
	close(vault);
	return code;
}

static void
on_alarm(int sig)
{
	(void)sig;
	expired = 1;
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(LATE_S);
}

/* In the process apart: evidence is read there, and written to the folder that it holds. */
static int
export_apart(void *ctx)
{
	struct run *r = ctx;
	int code;

	(void)signal(SIGALRM, on_alarm);
	(void)alarm(vg_query_seconds(&r->limits));
	r->o.max_bytes = r->limits.is[VG_QUERY_READ];
	r->o.cancel = &expired;
	if ((code = vg_state_open(r->a, &r->c.house)) == VG_EXIT_OK) {
		vg_check_open(&r->c);
		code = export(r, &r->o);
		vg_house_close(&r->c.house);
	}
	return code;
}

static int
write_apart(struct run *r)
{
	const char *folder = vg_arg(r->a, "--to");
	bool made = mkdir(folder, 0700) == 0;
	struct vg_apart apart = { .limits = { .name = "export", .may = VG_MAY_READ | VG_MAY_WRITE } };
	int code;

	if ((r->o.to = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		vg_log(VG_LOG_ERROR, "vault export: %s: %s", folder, strerror(errno));
		return VG_EXIT_INPUT;
	}
	apart.limits.data_bytes = (size_t)r->limits.is[VG_QUERY_MEMORY];
	who_am_i(r->who);
	r->o.who = r->who;
	apart.limits.dir = r->o.to;
	vg_apart_see(&apart, vg_state_path(r->a), NULL);
	code = vg_apart_run(&apart, export_apart, r);
	close(r->o.to);
	if (made && code != VG_EXIT_OK)
		(void)rmdir(folder); /* when nothing is in it */
	return code;
}

int
vg_cmd_vault_export(const struct vg_args *a)
{
	struct run *r = calloc(1, sizeof(*r));
	int code = VG_EXIT_USAGE;

	if (r == NULL || sodium_init() < 0) {
		free(r);
		return VG_EXIT_FAILED;
	}
	r->a = r->c.a = a;
	r->c.silent = true;
	r->o = (struct vg_export_options){ .last_seq = UINT64_MAX, .source_name = source_name, .ctx = r, .now_ns = vg_clock_ns() };
	if (vg_arg(a, "--to") == NULL || a->noperand)
		vg_log(VG_LOG_ERROR, "vault export: --to FOLDER says where; it takes options only");
	else if (vg_take_format(a, &r->jsonl) && vg_take_time("--from", vg_arg(a, "--from"), INT64_MIN, &r->o.from_ns) &&
		 vg_take_time("--to-time", vg_arg(a, "--to-time"), INT64_MAX, &r->o.until_ns) && take_seq(vg_arg(a, "--seq"), &r->o.first_seq, &r->o.last_seq) &&
		 vg_take_query_limits(a, vg_state_path(a), &r->limits))
		code = write_apart(r);
	vg_days_free(&r->c.days);
	vg_names_free(&r->names);
	vg_buf_fini(&r->c.out);
	free(r);
	return code;
}
