/* role/house.h - the state folder of a watch: what lies where, and what is made at the first start.
 *
 *   format             which version its files are of (state/format.h)
 *   lock               held by `vigie serve`
 *   status             what the roles said last, a line "ROLE.INDEX.NAME VALUE" each; written anew each second
 *   keys/              private: TENANT.key (32 bytes), recovery.secret until somebody took it away (of tenants whose settings name no other)
 *   seal/              private: the log's and the day's key, what was signed last; days.log, which is not secret
 *   tls/               cert.pem, key.pem, made when no others are given
 *   vault/             evidence, and catalogue.db; a folder a tenant
 *   trace/             signals.db
 *   out/               out.db: alarms that wait to be told, and what was told
 *   requests/          what commands ask of the watch while it runs (role/request.h)
 *   local/             the places that this machine's logs were read to
 *   exceptions/, indicators/   what people put there */
#ifndef VG_ROLE_HOUSE_H
#define VG_ROLE_HOUSE_H

#include "base/buf.h"
#include "settings/settings.h"
#include "vault/note.h"

struct vg_house {
	char path[4096];
	int dir;
	int lock; /* -1: not held */
	char node[65];
	char host[65];
	struct vg_note_key log; /* public */
	bool fresh; /* made just now */
};
/* The folder of --state, else ./var for a user and /var/lib/vigie for root under systemd. */
const char *vg_house_default(void);
/* Open it.  @make: make what is missing; else VG_E_NOTFOUND when it is no state folder.  VG_E_UNSUP: a later Vigie's.  @why: one line for a person. */
vg_rc vg_house_open(struct vg_house *h, const char *path, bool make, char why[300]) VG_MUST;
/* Hold it: VG_E_REFUSED when another watch does. */
vg_rc vg_house_lock(struct vg_house *h, char why[300]) VG_MUST;
void vg_house_close(struct vg_house *h);
/* The node's name and the log's key; made when they are not there. */
vg_rc vg_house_keys(struct vg_house *h, const struct vg_settings *s, char why[300]) VG_MUST;
/* A tenant's key in hexadecimal, made (and sealed for its recovery key) when it is not there. */
vg_rc vg_house_tenant_key(struct vg_house *h, const struct vg_tenant *t, struct vg_buf *hex, char why[300]) VG_MUST;
/* Are the tenants whose recovery keys @s names sealed for these, or not at all yet?  VG_E_REFUSED: one is sealed for another, and stays so; VG_E_FORMAT: what
 * it is sealed for cannot be told; VG_E_SYS. */
vg_rc vg_house_check_recovery(struct vg_house *h, const struct vg_settings *s, char why[300]) VG_MUST;
/* The public half of the recovery key that the tenant's key is sealed for.  VG_E_NOTFOUND; VG_E_REFUSED: it is another one's. */
vg_rc vg_house_recovery(struct vg_house *h, const char *tenant, struct vg_buf *out) VG_MUST;
/* The same as bytes, of one that is there. */
vg_rc vg_house_read_key(struct vg_house *h, const char *tenant, uint8_t out[32]) VG_MUST;
/* Certificate and key, PEM: the self-signed ones, made when they are not there. */
vg_rc vg_house_tls(struct vg_house *h, struct vg_buf *cert, struct vg_buf *key, char why[300]) VG_MUST;
/* A folder in it, made when it is not there; -1. */
int vg_house_folder(struct vg_house *h, const char *name);
/* The first record's number that no checkpoint of the vault counts; 1: there is no vault.  VG_E_FORMAT, VG_E_SYS. */
vg_rc vg_house_vault_next(struct vg_house *h, uint64_t *out) VG_MUST;
/* Append a file that people named; at most 1 MiB. */
vg_rc vg_house_read(const char *path, struct vg_buf *out) VG_MUST;

#endif
