/* detect/regex.h - regular expressions in linear time: the subset of PCRE that Sigma allows (literals, classes, \d\w\s\b,
 * groups, alternation, greedy and lazy repeats, bounded repeats, ^ $ \A \z, inline flags (?ims-ims) and (?i:...)); no
 * look-around, no back-references (refused with a reason).  Works on UTF-8; invalid bytes match . and negated classes one by
 * one.  A lazy DFA over Thompson's NFA, with a bounded state cache.  No capture: only "is it there". */
#ifndef VG_DETECT_REGEX_H
#define VG_DETECT_REGEX_H

#include "base/arena.h"
#include "base/buf.h"

#define VG_REGEX_SOURCE_MAX 8192
#define VG_REGEX_REPEAT_MAX 1000  /* of one bounded repeat */
#define VG_REGEX_STATES_MAX 50000 /* NFA states of one expression */

/* Is it one we can run?  VG_E_FORMAT, VG_E_UNSUP, VG_E_LIMIT with @why in words. @flags: VG_MULTI_RE_*. */
vg_rc vg_regex_check(vg_str source, unsigned flags, char why[160]) VG_MUST;

struct vg_regex;
vg_rc vg_regex_new(vg_str source, unsigned flags, struct vg_regex **out) VG_MUST;
void vg_regex_free(struct vg_regex *r);
/* Does it occur in @text?  Linear in text; @r keeps its state cache between calls, so it is not for two threads. */
bool vg_regex_search(struct vg_regex *r, vg_str text);

/* A literal that every match must contain (bytes, folded; the longest that can be proved), { NULL, 0 } when there is none. */
vg_str vg_regex_required(vg_str source, unsigned flags, struct vg_arena *a);
/* The same in the text's own bytes, nothing folded. */
vg_str vg_regex_literal(vg_str source, unsigned flags, struct vg_arena *a);
/* For engines that know bytes only: append an expression in PCRE's syntax that is found wherever this one is, and maybe
 * elsewhere.  It has no assertions, and is to be read with "dot matches all" and no other flag.  Errors of vg_regex_check(). */
vg_rc vg_regex_widen(vg_str source, unsigned flags, struct vg_buf *out) VG_MUST;

#endif
