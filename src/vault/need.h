/* vault/need.h - what the raw bytes of a record must hold so that a rule can match it, whatever decoding makes of them: a tree of pieces
 * (vault/words.h).  It never says no where the rule says yes, but for records that hide something and for audit records: those are not
 * its business. */
#ifndef VG_VAULT_NEED_H
#define VG_VAULT_NEED_H

#include "base/arena.h"
#include "rule/program.h"
#include "source/pack.h"

enum vg_need_op {
	VG_NEED_UNKNOWN, /* nothing can be said: any record may match */
	VG_NEED_NEVER,
	VG_NEED_AND, VG_NEED_OR,
	VG_NEED_PIECE,
	VG_NEED_RE, /* an expression; in a record with an escape (vg_text_escape) it may find what the escape made, unless it is safe */
};
struct vg_need {
	enum vg_need_op op;
	vg_str piece;   /* PIECE: lower case; RE: as vg_regex_widen() made it */
	bool safe;      /* RE: nothing but safe bytes can be in what it finds */
	uint32_t n;
	struct vg_need **child;
};
/* Lives in @a.  @packs: those that events are decoded with; may be NULL.  VG_E_NOMEM. */
vg_rc vg_need_of(const struct vg_program *p, uint32_t rule, const struct vg_packs *packs, struct vg_arena *a, struct vg_need **out) VG_MUST;
/* The same of one of the program's items, of a field whose value stands in the raw bytes as it is, whatever packs say. */
vg_rc vg_need_of_item(const struct vg_program *p, uint32_t item, struct vg_arena *a, struct vg_need **out) VG_MUST;
/* Does @raw, in lower case, hold what is needed?  Expressions are not tried. */
bool vg_need_holds(const struct vg_need *n, vg_str raw);
/* The cheapest patterns of which any record that matches has at least one: PIECE or RE each, at most @max; with @exact expressions rather
 * than their literals.  Count; 0: there are none that would tell records apart. */
size_t vg_need_cover(const struct vg_need *n, bool exact, const struct vg_need **out, size_t max);

/* Is it a rule of keywords alone, without a not?  Then raw bytes that meet it are enough.  @decides: and raw bytes without an escape that do
 * not meet it are the end of it, since decoded values are parts of them. */
bool vg_rule_is_of_keywords(const struct vg_program *p, uint32_t rule, const struct vg_need *need, bool *decides);
/* Is it one keyword, and this piece all of it?  Then whatever raw text has the piece in it meets the rule. */
bool vg_rule_is_piece(const struct vg_program *p, uint32_t rule, vg_str piece);

#endif
