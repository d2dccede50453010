/* cmd/watch.h - what the commands that work on a watch's state share. */
#ifndef VG_CMD_WATCH_H
#define VG_CMD_WATCH_H

#include <limits.h>

#include "base/buf.h"
#include "cmd/cmd.h"
#include "role/house.h"
#include "source/pack.h"
#include "state/catalogue.h"

#define VG_STATE_OPTION \
	{ "--state", VG_OPT_TEXT, "DIR", "where the watch keeps its state (default: ./var for a user, /var/lib/vigie for the service)" }
#define VG_FORMAT_OPTION \
	{ "--format", VG_OPT_TEXT, "FORMAT", "text or jsonl (default: text)" }

#define VG_SETTINGS_OPTION \
	{ "--settings", VG_OPT_TEXT, "FILE", "the settings (default: vigie.yaml in the state folder, else /etc/vigie/vigie.yaml)" }

const char *vg_state_path(const struct vg_args *a);
/* Open the state folder; VG_EXIT_OK, or another exit code when it was told why not. */
int vg_state_open(const struct vg_args *a, struct vg_house *out);
/* Those of --settings, of the folder @state, of /etc, or the defaults.  What is wrong is told. */
vg_rc vg_settings_find(const struct vg_args *a, const char *state, char path[PATH_MAX], struct vg_settings *out) VG_MUST;
/* The packs of our own folder, compiled into @blob (which outlives them) and loaded; what is wrong is told. */
vg_rc vg_packs_find(struct vg_keys *keys, struct vg_buf *blob, struct vg_packs **out) VG_MUST;
/* --format: true for jsonl.  false: it is none of both, which was told. */
bool vg_take_format(const struct vg_args *a, bool *jsonl);
/* What the watch wrote last of how it is ("NAME VALUE" lines), at the end of @out, and its process.  false: no watch runs. */
bool vg_status_read(struct vg_house *h, struct vg_buf *out, int64_t *pid);
/* The value of "NAME" in such lines; empty when it is not there. */
vg_str vg_status_value(vg_str text, const char *name);
int64_t vg_status_number(vg_str text, const char *role, unsigned index, const char *name, int64_t otherwise);
/* Open vault/catalogue.db or trace/signals.db of it. */
int vg_state_catalogue(struct vg_house *h, bool read_only, sqlite3 **out);
int vg_state_signals(struct vg_house *h, sqlite3 **out);
/* Open the catalogue of --state, call, close; the exit code. */
int vg_with_catalogue(const struct vg_args *a, bool read_only, int (*fn)(const struct vg_args *a, struct vg_house *h, sqlite3 *db));
int vg_catalogue_failed(sqlite3 *db); /* tells why; VG_EXIT_FAILED */
/* The 32 bytes of the file that --recovery-key names; false: told. */
bool vg_take_recovery_key(const struct vg_args *a, uint8_t out[32]);
bool vg_read_recovery_key(const char *path, uint8_t out[32]); /* the same of the file @path, which may be NULL: not given */
/* The settings that it began with.  false: they cannot be read, which was told. */
bool vg_watch_settings(struct vg_house *h, struct vg_settings *out);
/* Options that choose rules go with @other: a watch has those of its settings.  false: one was given, which was told. */
bool vg_of_watch(const char *who, const struct vg_args *a, const char *other);
/* The rules that the watch has, by its settings; @status: its status file.  @same: they must be those that it runs with now. */
struct vg_knowledge;
int vg_watch_rules(const char *who, struct vg_house *h, vg_str status, bool same, struct vg_knowledge *out);
/* Ask the watch that runs for @verb (role/request.h), and print what it answers.  VG_EXIT_FOUND: it did not do it. */
int vg_ask_watch(const struct vg_args *a, const char *verb, const char *argument);
/* Lines of `vigie status` about alarms and time stamps. */
void vg_put_alarms(struct vg_buf *b, const struct vg_house *h, int64_t now_ns);
/* The names of tenants and sources, as the catalogue has them. */
struct vg_names {
	struct vg_name {
		uint32_t id, tenant;
		uint8_t proof, state;
		char *name, *address, *listener; /* owned */
	} *tenant, *source; /* owned */
	size_t ntenant, nsource;
};
vg_rc vg_names_read(sqlite3 *catalogue, struct vg_names *out) VG_MUST;
void vg_names_free(struct vg_names *n);
const struct vg_name *vg_names_tenant(const struct vg_names *n, uint32_t id); /* NULL */
const struct vg_name *vg_names_tenant_named(const struct vg_names *n, const char *name);
const struct vg_name *vg_names_source(const struct vg_names *n, uint32_t id);
/* "2026-04-03T08:12:45Z", or a duration before now ("2h"); VG_TIME_NONE: told.  NULL gives @otherwise. */
bool vg_take_time(const char *option, const char *text, int64_t otherwise, int64_t *out);

#endif
