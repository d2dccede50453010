/* detect/multi.h - many literals and regular expressions looked for in one pass.  Two engines with the same answers:
 * Hyperscan where it is built in, and a portable one (Aho-Corasick for literals, detect/regex.h for
 * expressions).  Built once into a blob, then loaded by any process. */
#ifndef VG_DETECT_MULTI_H
#define VG_DETECT_MULTI_H

#include "base/buf.h"

enum vg_multi_flag {
	VG_MULTI_RE = 1,       /* text is a regular expression; else a literal, any bytes */
	VG_MULTI_RE_I = 2,     /* expressions: caseless, multi-line, dot matches newline */
	VG_MULTI_RE_M = 4,
	VG_MULTI_RE_S = 8,
};
struct vg_multi_pattern {
	vg_str text;
	uint32_t flags;
	uint32_t id; /* given to the callback; the same id may stand for several patterns */
};
enum vg_multi_engine { VG_MULTI_PORTABLE, VG_MULTI_HYPERSCAN };

/* Append a blob to @out.  Expressions must have passed vg_regex_check().  VG_E_UNSUP: the engine is not built in. */
vg_rc vg_multi_build(const struct vg_multi_pattern *p, size_t n, enum vg_multi_engine engine, struct vg_buf *out) VG_MUST;

struct vg_multi;
/* @blob, aligned to 64, outlives it.  VG_E_REFUSED: made for another processor or version. */
vg_rc vg_multi_load(vg_str blob, struct vg_multi **out) VG_MUST;
void vg_multi_free(struct vg_multi *m);

/* What one thread needs to scan. */
struct vg_multi_scratch;
struct vg_multi_scratch *vg_multi_scratch_new(const struct vg_multi *m);
void vg_multi_scratch_free(struct vg_multi_scratch *s);

/* Call @found with each id that occurs anywhere in @text, at least once each (the same id may come again).  Literals are
 * compared byte by byte: fold both sides before for caseless search.  @found returns true to stop. */
typedef bool vg_multi_found(void *ctx, uint32_t id);
vg_rc vg_multi_scan(const struct vg_multi *m, struct vg_multi_scratch *s, vg_str text, vg_multi_found *found, void *ctx) VG_MUST;

#endif
