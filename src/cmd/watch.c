#include "cmd/watch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "knowledge/knowledge.h"
#include "net/loop.h"
#include "state/signals.h"
#include "vault/disk.h"

#define STATUS_MAX ((size_t)4 << 20)
#define OLD_S 5 /* a status that is older: nobody writes it */

const char *
vg_state_path(const struct vg_args *a)
{
	const char *s = vg_arg(a, "--state");

	return s ? s : vg_house_default();
}

int
vg_state_open(const struct vg_args *a, struct vg_house *out)
{
	char why[300];

	if (vg_house_open(out, vg_state_path(a), false, why) == VG_OK)
		return VG_EXIT_OK;
	vg_log(VG_LOG_ERROR, "%s", why);
	return VG_EXIT_INPUT;
}

bool
vg_take_format(const struct vg_args *a, bool *jsonl)
{
	const char *f = vg_arg(a, "--format");

	*jsonl = f && strcmp(f, "jsonl") == 0;
	if (f == NULL || *jsonl || strcmp(f, "text") == 0)
		return true;
	vg_log(VG_LOG_ERROR, "--format %s: one of text, jsonl", f);
	return false;
}

vg_str
vg_status_value(vg_str text, const char *name)
{
	size_t n = strlen(name);
	vg_str line;

	while (vg_str_split(&text, '\n', &line))
		if (line.n > n && memcmp(line.p, name, n) == 0 && line.p[n] == ' ')
			return vg_str_skip(line, n + 1);
	return VG_NIL;
}

int64_t
vg_status_number(vg_str text, const char *role, unsigned index, const char *name, int64_t otherwise)
{
	char key[128];
	int64_t v;

	snprintf(key, sizeof(key), "%s.%u.%s", role, index, name);
	return vg_str_i64(vg_status_value(text, key), &v) ? v : otherwise;
}

bool
vg_status_read(struct vg_house *h, struct vg_buf *out, int64_t *pid)
{
	struct vg_disk d = { .dir = h->dir, .read_only = true };
	int64_t time_ns = 0;

	*pid = 0;
	if (vg_disk_slurp(&d, "status", STATUS_MAX, out) == VG_OK) {
		(void)vg_str_i64(vg_status_value(vg_buf_str(out), "time"), &time_ns);
		(void)vg_str_i64(vg_status_value(vg_buf_str(out), "pid"), pid);
	}
	return vg_clock_ns() - time_ns < OLD_S * VG_SEC && *pid > 0 && (kill((pid_t)*pid, 0) == 0 || errno == EPERM);
}

static int
open_db(struct vg_house *h, const char *name, bool read_only, vg_rc (*open)(const char *, bool, char *, sqlite3 **), sqlite3 **out)
{
	char path[4200], why[200];

	snprintf(path, sizeof(path), "%s/%s", h->path, name);
	if (open(path, read_only, why, out) == VG_OK)
		return VG_EXIT_OK;
	vg_log(VG_LOG_ERROR, "%s", why);
	return VG_EXIT_INPUT;
}

int
vg_with_catalogue(const struct vg_args *a, bool read_only, int (*fn)(const struct vg_args *a, struct vg_house *h, sqlite3 *db))
{
	struct vg_house h;
	sqlite3 *db;
	int code = vg_state_open(a, &h);

	if (code != VG_EXIT_OK)
		return code;
	if ((code = vg_state_catalogue(&h, read_only, &db)) == VG_EXIT_OK) {
		code = fn(a, &h, db);
		vg_db_close(db);
	}
	vg_house_close(&h);
	return code;
}

int
vg_catalogue_failed(sqlite3 *db)
{
	vg_log(VG_LOG_ERROR, "catalogue.db: %s", sqlite3_errmsg(db));
	return VG_EXIT_FAILED;
}

bool
vg_read_recovery_key(const char *path, uint8_t out[32])
{
	struct vg_buf b = { 0 };
	vg_str s;
	size_t n = 0;
	bool ok = path && vg_house_read(path, &b) == VG_OK;

	s = vg_str_trim(vg_buf_str(&b));
	if (!ok)
		vg_log(VG_LOG_ERROR, "--recovery-key %s: %s", path ? path : "", strerror(errno));
	else if (sodium_hex2bin(out, 32, s.p, s.n, " \n-", &n, NULL) != 0 || n != 32) {
		vg_log(VG_LOG_ERROR, "--recovery-key %s: 64 hexadecimal digits are wanted", path);
		ok = false;
	}
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_fini(&b);
	return ok;
}

bool
vg_take_recovery_key(const struct vg_args *a, uint8_t out[32])
{
	return vg_read_recovery_key(vg_arg(a, "--recovery-key"), out);
}

int
vg_state_catalogue(struct vg_house *h, bool read_only, sqlite3 **out)
{
	return open_db(h, "vault/catalogue.db", read_only, vg_catalogue_open, out);
}

int
vg_state_signals(struct vg_house *h, sqlite3 **out)
{
	return open_db(h, "trace/signals.db", true, vg_signals_open, out);
}

static void
tell(void *ctx, const struct vg_settings_problem *p)
{
	(void)ctx;
	vg_log(VG_LOG_ERROR, "%s", p->text);
}

vg_rc
vg_settings_find(const struct vg_args *a, const char *state, char path[PATH_MAX], struct vg_settings *out)
{
	const char *named = vg_arg(a, "--settings");
	char own[PATH_MAX];
	vg_rc rc;

	path = path ? path : own;
	if (named) {
		snprintf(path, PATH_MAX, "%s", named);
		if ((rc = vg_settings_read(named, tell, NULL, out)) == VG_E_NOTFOUND)
			vg_log(VG_LOG_ERROR, "--settings %s: there is no such file", named);
		return rc;
	}
	snprintf(path, PATH_MAX, "%s/vigie.yaml", state);
	if ((rc = vg_settings_read(path, tell, NULL, out)) != VG_E_NOTFOUND)
		return rc;
	snprintf(path, PATH_MAX, "/etc/vigie/vigie.yaml");
	if ((rc = vg_settings_read(path, tell, NULL, out)) != VG_E_NOTFOUND)
		return rc;
	path[0] = 0;
	return vg_settings_load(VG_STR(""), "defaults", NULL, tell, NULL, out);
}

vg_rc
vg_packs_find(struct vg_keys *keys, struct vg_buf *blob, struct vg_packs **out)
{
	struct vg_pack_texts texts;
	char why[400];
	vg_rc rc = vg_pack_texts_read(&texts, why);

	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s", why);
		return rc;
	}
	if ((rc = vg_packs_compile(texts.text, texts.n, blob, NULL, NULL)) == VG_OK)
		rc = vg_packs_load(vg_buf_str(blob), keys, out);
	vg_pack_texts_free(&texts);
	return rc;
}

static bool
grow(struct vg_name **p, size_t n)
{
	struct vg_name *q;

	if (n % 64)
		return true;
	if ((q = realloc(*p, (n + 64) * sizeof(*q))) == NULL)
		return false;
	*p = q;
	return true;
}

static vg_rc
on_tenant(void *ctx, uint32_t id, vg_str name)
{
	struct vg_names *n = ctx;

	if (!grow(&n->tenant, n->ntenant))
		return VG_E_NOMEM;
	n->tenant[n->ntenant++] = (struct vg_name){ .id = id, .name = strndup(name.p, name.n) };
	return VG_OK;
}

static vg_rc
on_source(void *ctx, const struct vg_source *s)
{
	struct vg_names *n = ctx;

	if (!grow(&n->source, n->nsource))
		return VG_E_NOMEM;
	n->source[n->nsource++] = (struct vg_name){ .id = s->id, .tenant = s->tenant, .proof = s->proof, .state = s->state, .name = strndup(s->name.p ? s->name.p : "", s->name.n),
						    .address = strndup(s->address.p ? s->address.p : "", s->address.n),
						    .listener = strndup(s->listener.p ? s->listener.p : "", s->listener.n) };
	return VG_OK;
}

vg_rc
vg_names_read(sqlite3 *catalogue, struct vg_names *out)
{
	vg_rc rc;

	*out = (struct vg_names){ .tenant = NULL };
	if ((rc = vg_catalogue_tenants(catalogue, on_tenant, out)) == VG_OK)
		rc = vg_catalogue_sources(catalogue, on_source, out);
	return rc;
}

void
vg_names_free(struct vg_names *n)
{
	for (size_t i = 0; i < n->ntenant; i++)
		free(n->tenant[i].name);
	for (size_t i = 0; i < n->nsource; i++) {
		free(n->source[i].name);
		free(n->source[i].address);
		free(n->source[i].listener);
	}
	free(n->tenant);
	free(n->source);
	*n = (struct vg_names){ .tenant = NULL };
}

static const struct vg_name *
by_id(const struct vg_name *x, size_t n, uint32_t id)
{
	size_t low = 0, high = n;

	while (low < high) { /* the catalogue gives them in order */
		size_t mid = low + (high - low) / 2;

		if (x[mid].id == id)
			return &x[mid];
		if (x[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct vg_name *
vg_names_tenant(const struct vg_names *n, uint32_t id)
{
	return by_id(n->tenant, n->ntenant, id);
}

const struct vg_name *
vg_names_tenant_named(const struct vg_names *n, const char *name)
{
	for (size_t i = 0; i < n->ntenant; i++)
		if (strcmp(n->tenant[i].name, name) == 0)
			return &n->tenant[i];
	return NULL;
}

const struct vg_name *
vg_names_source(const struct vg_names *n, uint32_t id)
{
	return by_id(n->source, n->nsource, id);
}

bool
vg_take_time(const char *option, const char *text, int64_t otherwise, int64_t *out)
{
	int64_t ago;

	*out = otherwise;
	if (text == NULL || (*out = vg_time_parse(vg_str_of(text), 0)) != VG_TIME_NONE)
		return true;
	if ((ago = vg_duration_parse(vg_str_of(text))) != VG_TIME_NONE) {
		*out = vg_clock_ns() - ago;
		return true;
	}
	vg_log(VG_LOG_ERROR, "%s %s: no time; such as 2026-04-03T08:12:45Z, 2026-04-03, or 2h for two hours ago", option, text);
	return false;
}
