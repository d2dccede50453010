/* detect/identity.h - names for rules and correlations that stay the same over restarts and other rule sets: what is stored names a rule
 * by them, since its row changes whenever rules come and go.
 *
 * A rule is SHA-256 over its kind and id (where it has none: title and file) and, of several alike, which of them; a correlation is
 * SHA-256 over its rule's name and all that decides what it counts: type, condition, span, fields, and the rules it refers to, of
 * correlations with what they are. */
#ifndef VG_DETECT_IDENTITY_H
#define VG_DETECT_IDENTITY_H

#include "rule/program.h"

#define VG_CORR_ID_BYTES 16

struct vg_identity {
	uint64_t *rule;                     /* one a rule; owned */
	uint8_t (*corr)[VG_CORR_ID_BYTES];  /* one a correlation; owned */
};
/* VG_E_NOMEM. */
vg_rc vg_identity_of(const struct vg_program *p, struct vg_identity *out) VG_MUST;
void vg_identity_fini(struct vg_identity *id);

#endif
