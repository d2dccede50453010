/* cmd/self.h - `vigie self-backup` and its restore: which members there are, and what both need. */
#ifndef VG_CMD_SELF_H
#define VG_CMD_SELF_H

#include "cmd/watch.h"
#include "state/bundle.h"

#define VG_SELF_SETTINGS "vigie.yaml"
#define VG_SELF_CATALOGUE "vault/catalogue.db"
#define VG_SELF_SIGNALS "trace/signals.db"
#define VG_SELF_OUTBOX "out/out.db"
#define VG_SELF_LAST "self-backup.last" /* in the state folder: "time NANOSECONDS\nfile PATH\nsha256 HEX\n" */
#define VG_SELF_RESTORING "restoring"   /* a folder in the state folder, while a restore is not done */
#define VG_SELF_RESTORED "restored"     /* and what a restore brings that has no place in a watch's state */

/* Where a member goes to, below the state folder; false: this version knows no such member.  "rules/0/a.yml" has its place in "restored". */
bool vg_self_place(const char *member, char out[VG_BUNDLE_NAME_MAX + 16]);
/* What stands in the staging folder @dir for a member: its name there, which no member chooses. */
void vg_self_staged(const char *member, char out[48]);
/* Remove @name below @dir, a folder with all that is in it. */
void vg_self_remove(int dir, const char *name);

/* cmd/self_lost.c: sources that records of the vault name, from @next on, and that @catalogue does not know.  They get rows of their own, and are told.
 * VG_E_REFUSED: there are such records, and no key to read them; told. */
struct vg_self_lost {
	uint64_t sources, records;
	uint64_t erased_blocks; /* whose key was destroyed */
};
vg_rc vg_self_find_lost(struct vg_house *h, sqlite3 *catalogue, uint64_t next, struct vg_self_lost *out) VG_MUST;

#endif
