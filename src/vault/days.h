/* vault/days.h - the certificates of the days' keys, as the seal keeps them in "days.log" (doc/vault-format.md, "Days"): notes, one behind the
 * other, an empty line behind each.  The text of one is
 *   vigie day
 *   NAME        of the log
 *   day N       since 1970, ascending
 *   KEY         NAME/day/YYYY-MM-DD, as notes write keys
 * signed by the log's key, and by the key of the day before that signed until then; the first one by the log's alone.
 *
 * A certificate may stand there that was never used, because the power went before its secret was on disk: then the next one is signed by the
 * key before it, and may be of the same day. */
#ifndef VG_VAULT_DAYS_H
#define VG_VAULT_DAYS_H

#include "vault/note.h"

#define VG_DAYS_FILE "days.log"
#define VG_DAYS_BYTES_MAX ((size_t)32 << 20)
#define VG_DAYS_MAX 100000
#define VG_DAYS_UNUSED_MAX 16 /* of them in a row */

struct vg_day {
	uint32_t day;
	struct vg_note_key key;
	size_t at, bytes; /* where its certificate stands, with the empty line */
	bool first;       /* signed by the log's key alone */
};
struct vg_days {
	struct vg_day *day; /* owned */
	size_t n, cap;
};
/* The certificate that @rest begins with, which follows those in @d, is added to it.  VG_E_FORMAT: it is none, or not signed as it must be.
 * VG_E_LIMIT, VG_E_NOMEM. */
vg_rc vg_days_take(struct vg_days *d, vg_str rest, const struct vg_note_key *log, size_t *used) VG_MUST;
/* All of a file.  VG_E_FORMAT: @bad is where the first certificate stands that is not good; those before it are in @d. */
vg_rc vg_days_read(struct vg_days *d, vg_str bytes, const struct vg_note_key *log, size_t *bad) VG_MUST;
void vg_days_free(struct vg_days *d);
/* The newest day whose key signed @note.  NULL: none of them. */
const struct vg_day *vg_days_signer(const struct vg_days *d, vg_str note);

#endif
