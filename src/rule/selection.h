/* rule/selection.h - what a person types to search, as a program of one rule: the same conditions as in a rule, on one line.
 *
 *	needle42                                  a word: looked for in every native value and in the raw text
 *	"failed password" and not user: root      quotes hold a text together; a name, its colon and a blank make a condition
 *	CommandLine|contains|all: (-enc, bypass)  modifiers of Sigma; values in parentheses: any of them, or with |all each
 *	(a or b) c                                terms side by side must all hold; or < and < not
 *
 * Wildcards and escapes are those of Sigma.  In quotes a backslash stays a backslash, and the quote itself is written twice. */
#ifndef VG_RULE_SELECTION_H
#define VG_RULE_SELECTION_H

#include "rule/program.h"

#define VG_SELECTION_BYTES_MAX 8192
#define VG_SELECTION_TERMS_MAX 256
#define VG_SELECTION_DEPTH_MAX 64 /* parentheses and nots */

struct vg_selection_error {
	size_t at;      /* byte of the text */
	char text[240]; /* for a person, one line */
};
/* Append the program's blob to @blob: vg_program_load() reads it, and its rule 0 is the selection.  VG_E_FORMAT, VG_E_LIMIT: @err says what is wrong and
 * where.  VG_E_NOMEM. */
vg_rc vg_selection_compile(vg_str text, struct vg_buf *blob, struct vg_selection_error *err) VG_MUST;

#endif
