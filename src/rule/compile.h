/* rule/compile.h - Sigma documents to a program: rules, correlations, filters. */
#ifndef VG_RULE_COMPILE_H
#define VG_RULE_COMPILE_H

#include "rule/program.h"

struct vg_rule_text {
	vg_str path; /* as shown to people */
	vg_str yaml;
	vg_str license; /* of the tree it came from: "DRL 1.1", "Apache-2.0"; empty: unknown.  A rule's own wins */
};
struct vg_rule_var { /* for `expand`: one name may have several values */
	vg_str name, value;
};

struct vg_rules_options {
	const struct vg_rule_var *var;
	size_t nvar;
	const uint8_t *origin; /* enum vg_origin, one a text; NULL: all are shipped */
	int64_t now_ns;        /* a filter that expired before is not applied; 0: none expires */
};

/* Compile all documents into a blob at the end of @out.  A document that cannot be loaded becomes a diagnostic in
 * the program and the rest goes on; VG_E_NOMEM or VG_E_LIMIT only when nothing can be made at all.
 *
 * Filters (Sigma specification 2.1.0, "Sigma Filters") name their rules by id, name or title, or say any.  One with `expires:
 * YYYY-MM-DD` (ours) is applied until the end of that day, UTC.  A text of VG_ORIGIN_EXCEPTION may hold nothing but filters that say
 * who made them, why and until when: author, description, expires. */
vg_rc vg_rules_compile_with(const struct vg_rule_text *text, size_t ntext, const struct vg_rules_options *o, struct vg_buf *out) VG_MUST;
/* The same with nothing but variables. */
vg_rc vg_rules_compile(const struct vg_rule_text *text, size_t ntext, const struct vg_rule_var *var, size_t nvar,
		       struct vg_buf *out) VG_MUST;

#endif
