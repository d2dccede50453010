/* role/parent_impl.h - the process that the others are children of, in parts: what each is given (parent_give.c), what they say (parent_hear.c), the
 * channels between them (parent_wire.c), how they begin, end and begin again (parent_spawn.c), sockets that are listened on (parent_bind.c), rules and
 * their reloads (parent_rules.c), databases and keys (parent_catalogue.c), what it says of itself (parent_status.c); parent.c is the beginning, and once
 * a second.  Of what it has to tell people: parent_alarm.h. */
#ifndef VG_ROLE_PARENT_IMPL_H
#define VG_ROLE_PARENT_IMPL_H

#include <sys/types.h>

#include "proc/role.h"
#include "role/indicators.h"
#include "role/messages.h"
#include "role/parent.h"
#include "role/parent_alarm.h"
#include "role/request.h"
#include "state/catalogue.h"

#define CHILDREN_MAX 80
#define LISTENERS_MAX 64

struct child {
	unsigned role, index;
	pid_t pid; /* 0: not running */
	struct vg_channel *channel;
	bool ready, stopping, gone, silent_ok;
	bool asked; /* to end, and to begin with new rules */
	bool resting;   /* there is nothing to do for it */
	uint64_t taken; /* the set of indicators that it uses */
	int64_t began_ms, heard_ms, next_ms;
	unsigned backoff_ms, restarts;
	struct vg_deaths deaths;
	struct vg_buf stats;
	bool lost[CHILDREN_MAX];         /* it said that its channel to that child ended */
	int64_t joined_ms[CHILDREN_MAX]; /* when such a one was last made anew */
};
struct bound { /* a listening socket */
	char name[64]; /* as the role gets it */
	unsigned role;
	int fd;
	vg_str tenant;
	char address[VG_ADDRESS_MAX];
	const struct vg_listener *l;
};
struct parent {
	const struct vg_serve_options *o;
	struct vg_loop *loop;
	struct child child[CHILDREN_MAX];
	size_t n;
	struct bound bound[LISTENERS_MAX];
	size_t nbound;
	int knowledge, progress[VG_ROLE_INDEX_MAX], folder_vault, folder_trace, folder_seal, folder_local, folder_learned, folder_out, look_page;
	struct vg_feed feed; /* of indicators */
	unsigned ndetect;
	struct vg_buf tenants, tenant_names, keys, cert, key, text;
	struct vg_requests *requests;
	struct vg_parent_alarms alarms;
	int64_t began_s;
	sqlite3 *db;
	int64_t keys_version;
	int signals;
	struct vg_watch *watch;
	int64_t valid_until_ns; /* then an exception ends, and the rules are made anew */
	struct vg_knowledge_summary rules; /* in use */
	int64_t rules_ns;       /* since then */
	int64_t refused_ns;     /* when a newer set was refused; 0: none was since */
	struct vg_buf reasons;  /* why, a line each */
	int drill;              /* the socket of drills; -1 */
	bool told_ready, stopping;
	int stage; /* of stopping */
	int64_t stop_ms;
	struct vg_buf status;
};

static inline int64_t
parent_now_ms(void)
{
	return vg_monotonic_ns() / 1000000;
}

/* ---- parent_give.c ---- */
void parent_give(struct child *c, uint16_t type, const char *name, vg_str text, int fd); /* @fd: -1: none; it stays the caller's */
void parent_give_all(struct parent *p, struct child *c); /* what it needs to begin */

/* ---- parent_status.c ---- */
void parent_write_status(struct parent *p);

/* ---- parent_hear.c ---- */
extern const struct vg_handler parent_handlers[]; /* what any role may say */
struct child *parent_child_of(struct parent *p, const struct vg_channel *c); /* NULL */
void parent_closed(void *ctx, struct vg_channel *c);

/* ---- parent_wire.c ---- */
void parent_connect_all(struct parent *p, struct child *c); /* with all that run and that it speaks to */
vg_rc parent_on_lost(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd);
void parent_rejoin(struct parent *p); /* make anew the channels that were said to be lost */

/* ---- parent_spawn.c ---- */
void parent_add_child(struct parent *p, unsigned role, unsigned index, bool silent_ok);
bool parent_may_spawn(const struct parent *p, const struct child *c, int64_t now);
void parent_spawn(struct parent *p, struct child *c);
void parent_reap(struct parent *p); /* those that ended */
void parent_on_supervise(void *ctx); /* @ctx: the parent, as below */
void parent_on_stopping(void *ctx);

/* ---- parent_bind.c ---- */
vg_rc parent_bind_all(struct parent *p) VG_MUST; /* told */
void parent_tell_listeners(const struct parent *p);

/* ---- parent_rules.c ---- */
vg_rc parent_prepare_rules(struct parent *p) VG_MUST; /* told */
void parent_reload(struct parent *p);

/* ---- parent_catalogue.c ---- */
vg_rc parent_open_catalogue(struct parent *p) VG_MUST; /* told */
vg_rc parent_look_at_databases(struct parent *p) VG_MUST; /* told */
void parent_look_at_keys(struct parent *p);

#endif
