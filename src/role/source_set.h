/* role/source_set.h - sets of sources that the settings name, for the vault: which new senders are known and wanted, how long
 * what they send is kept, and how much of it.  The first set that matches a
 * source counts (settings/find.c).  The parent prints them, the vault reads them: u32 sets, then a set: strings name, tenant, class, u8 adopted,
 * u8 share, u32 patterns, a string each. */
#ifndef VG_ROLE_SOURCE_SET_H
#define VG_ROLE_SOURCE_SET_H

#include "settings/settings.h"
#include "state/catalogue.h"

struct vg_source_sets {
	struct vg_settings s; /* its sources alone, and the arena that owns them */
};
void vg_source_sets_print(const struct vg_settings *s, struct vg_buf *out);
/* VG_E_FORMAT, VG_E_TRUNC, VG_E_LIMIT, VG_E_NOMEM: @out holds nothing. */
vg_rc vg_source_sets_read(struct vg_source_sets *out, vg_str bytes) VG_MUST;
void vg_source_sets_fini(struct vg_source_sets *x);
/* What a source that is new begins as: what its set says; where no set matches, adopted when a key, a certificate or this machine proves it. */
uint8_t vg_source_sets_state(const struct vg_source_sets *x, vg_str tenant, const struct vg_source *s);
/* vg_catalogue_source(); and one that was kept apart is adopted when a set says so now.  What people decided stays. */
vg_rc vg_source_sets_row(const struct vg_source_sets *x, sqlite3 *db, vg_str tenant, struct vg_source *s) VG_MUST;
/* The set of a source in @s, which may be any settings; NULL: none. */
const struct vg_source_set *vg_source_set_of(const struct vg_settings *s, vg_str tenant, vg_str name, vg_str address);

#endif
