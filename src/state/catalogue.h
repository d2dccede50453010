/* state/catalogue.h - tenants and sources: who sends, how the name is proved, since when, how much.  catalogue.db, written by the vault's
 * process; people's decisions (adopt, refuse, keys, holds) are written by commands. */
#ifndef VG_STATE_CATALOGUE_H
#define VG_STATE_CATALOGUE_H

#include "state/db.h"

#define VG_SOURCES_MAX 100000
#define VG_SOURCES_UNPROVED_MAX 10000 /* that nothing proves (UDP): a flood of made-up addresses cannot fill the table */

enum vg_source_state { VG_SOURCE_NEW, VG_SOURCE_ADOPTED, VG_SOURCE_REFUSED };
const char *vg_source_state_name(unsigned state); /* "new"... */

struct vg_source { /* strings are good until the callback returns, or as long as the caller's */
	uint32_t id, tenant;
	uint8_t proof, state;
	vg_str name, address, listener, pack;
	int64_t first_ns, last_ns;
	uint64_t records, bytes, refused, unparsed, unknown;
	int64_t skew_ns; /* its clock less ours, of late; 0 unknown */
};
/* catalogue.db in the working folder or at @path. */
vg_rc vg_catalogue_open(const char *path, bool read_only, char why[200], sqlite3 **out) VG_MUST;
/* vg_db_vet() of one that comes from elsewhere. */
vg_rc vg_catalogue_vet(const char *path, char why[200]) VG_MUST;
/* The number of a tenant, made when it is new. */
vg_rc vg_catalogue_tenant(sqlite3 *db, vg_str name, uint32_t *out) VG_MUST;
vg_rc vg_catalogue_tenants(sqlite3 *db, vg_rc (*each)(void *ctx, uint32_t id, vg_str name), void *ctx) VG_MUST;
/* The row of a source with that tenant, name, proof, address and listener; made and synced when it is new: @s->state and times are then what it
 * begins with.  VG_E_LIMIT: there are too many. */
vg_rc vg_catalogue_source(sqlite3 *db, struct vg_source *s) VG_MUST;
/* Add what was counted since (records, bytes, refused, unparsed, unknown); last_ns, skew_ns and a pack that is not empty replace. */
vg_rc vg_catalogue_count(sqlite3 *db, const struct vg_source *s) VG_MUST;
vg_rc vg_catalogue_sources(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_source *s), void *ctx) VG_MUST;
/* A source that records name by its number, and this catalogue does not know: s->id gets a row of its own (s->tenant, s->name, times and counts), so that no
 * other source is ever given the number. */
vg_rc vg_catalogue_unknown(sqlite3 *db, const struct vg_source *s) VG_MUST;
/* VG_E_NOTFOUND. */
vg_rc vg_catalogue_set_state(sqlite3 *db, uint32_t source, unsigned state) VG_MUST;

/* Keys that senders prove themselves with. */
struct vg_key_row {
	int64_t id;
	vg_str tenant, source; /* names */
	vg_str hash;           /* SHA-256 of the secret */
	int64_t made_ns, revoked_ns; /* 0: not revoked */
};
vg_rc vg_catalogue_add_key(sqlite3 *db, const struct vg_key_row *k, int64_t *id) VG_MUST;
vg_rc vg_catalogue_revoke_key(sqlite3 *db, int64_t id, int64_t now_ns) VG_MUST;
vg_rc vg_catalogue_keys(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_key_row *k), void *ctx) VG_MUST;
/* Classes of retention have a number each, which records and blocks carry; 0 is "default".  VG_E_LIMIT: VG_CLASSES_MAX others are there. */
vg_rc vg_catalogue_class(sqlite3 *db, vg_str name, uint32_t most, uint32_t *out) VG_MUST;

/* What may not be destroyed, whatever retention says: all that came on these days.  Releasing it takes two. */
#define VG_HOLD_TEXT_MAX 200
struct vg_hold {
	int64_t id;
	vg_str tenant;             /* its name; empty: all */
	uint32_t from_day, to_day; /* since 1970, both included */
	vg_str reason;
	struct vg_hold_act {       /* who, by which account of this machine (or "recovery key"), when; ns 0: not yet */
		vg_str who, account;
		int64_t ns;
	} set, asked, released;    /* asked: to be released, by a first one */
};
vg_rc vg_catalogue_add_hold(sqlite3 *db, const struct vg_hold *h, int64_t *id) VG_MUST;
/* The first one asks, the second one releases.  VG_E_NOTFOUND; VG_E_REFUSED: the same person or account as asked; VG_E_STOP: it is released already.
 * @done: it is released now. */
vg_rc vg_catalogue_release_hold(sqlite3 *db, int64_t id, const struct vg_hold_act *by, bool *done) VG_MUST;
vg_rc vg_catalogue_holds(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_hold *h), void *ctx) VG_MUST;
vg_rc vg_catalogue_is_held(sqlite3 *db, vg_str tenant, uint32_t day, bool *out) VG_MUST;

/* Bytes on disk of a source's records, by day and class of retention: what a share is reckoned from. */
vg_rc vg_catalogue_use(sqlite3 *db, uint32_t source, uint32_t day, uint32_t class, uint64_t bytes) VG_MUST; /* more of them */
vg_rc vg_catalogue_used(sqlite3 *db, uint32_t source /* 0: all */, uint64_t *out) VG_MUST;
/* What comes a day, of the last seven whole days; before there is one, of the day so far.  0: too little is known. */
vg_rc vg_catalogue_pace(sqlite3 *db, int64_t now_ns, uint64_t *out) VG_MUST;
vg_rc vg_catalogue_freed(sqlite3 *db, uint32_t tenant, uint32_t day, uint32_t class) VG_MUST; /* they are destroyed */

/* Changes when another process wrote. */
int64_t vg_catalogue_version(sqlite3 *db);

#endif
