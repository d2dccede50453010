/* cmd/watch.h - what the commands that work on a watch's state share. */
#ifndef VG_CMD_WATCH_H
#define VG_CMD_WATCH_H

#include "base/buf.h"
#include "cmd/cmd.h"
#include "role/house.h"
#include "state/catalogue.h"

#define VG_STATE_OPTION \
	{ "--state", VG_OPT_TEXT, "DIR", "where the watch keeps its state (default: ./var for a user, /var/lib/vigie for the service)" }
#define VG_FORMAT_OPTION \
	{ "--format", VG_OPT_TEXT, "FORMAT", "text or jsonl (default: text)" }

const char *vg_state_path(const struct vg_args *a);
/* Open the state folder; VG_EXIT_OK, or another exit code when it was told why not. */
int vg_state_open(const struct vg_args *a, struct vg_house *out);
/* --format: true for jsonl.  false: it is none of both, which was told. */
bool vg_take_format(const struct vg_args *a, bool *jsonl);
/* Open vault/catalogue.db or trace/signals.db of it. */
int vg_state_catalogue(struct vg_house *h, bool read_only, sqlite3 **out);
int vg_state_signals(struct vg_house *h, sqlite3 **out);
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
