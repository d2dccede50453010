/* detect/multi_impl.h - what multi.c and its two engines share.  An engine looks for distinct literals, none empty, by number;
 * Hyperscan also for expressions of bytes that may say yes too often. */
#ifndef VG_DETECT_MULTI_IMPL_H
#define VG_DETECT_MULTI_IMPL_H

#include "base/buf.h"

/* Literal @lit (expression @lit, when @re) occurs; true to stop. */
typedef bool vg_engine_found(void *ctx, uint32_t lit, bool re);

/* Aho-Corasick over states in breadth-first order: the children of a state stand side by side. */
struct vg_ac {
	uint32_t nstate, ndense; /* states 0..ndense-1 (the root and its children) have full rows */
	const uint32_t *dense;   /* [ndense * 256] */
	const uint32_t *child;   /* [nstate + 1]: children of s are child[s]..child[s + 1] - 1 */
	const uint32_t *fail, *out; /* out: the literal that ends here, UINT32_MAX when none does */
	const uint32_t *act, *link; /* nearest state with an out: here or along fail; beyond here.  0: none */
	const uint8_t *byte;     /* [nstate]: that leads to a state */
};
/* Append the automaton of @lit (ascending, distinct, not empty) to @out, at a multiple of 4. */
vg_rc vg_ac_build(const vg_str *lit, uint32_t n, struct vg_buf *out) VG_MUST;
vg_rc vg_ac_load(vg_str data, uint32_t nlit, struct vg_ac *out) VG_MUST;
/* Each literal is reported once: @seen[literal] is set to @epoch. */
void vg_ac_scan(const struct vg_ac *ac, uint32_t *seen, uint32_t epoch, vg_str text, vg_engine_found *found, void *ctx);

#ifdef VG_HAVE_HYPERSCAN
struct vg_hs;
struct hs_scratch;
/* What vg_hs_load() reads is the one and then the other.  @refused[i] is set for an expression that is of no use: Hyperscan
 * does not take it, or it is found everywhere.  VG_E_UNSUP: not on this processor. */
vg_rc vg_hs_put_expressions(char *const *re, uint32_t nre, bool *refused, struct vg_buf *out) VG_MUST;
vg_rc vg_hs_put_literals(const vg_str *lit, uint32_t nlit, struct vg_buf *out) VG_MUST;
vg_rc vg_hs_load(vg_str data, struct vg_hs **out) VG_MUST;
void vg_hs_free(struct vg_hs *h);
vg_rc vg_hs_scratch(const struct vg_hs *h, struct hs_scratch **out) VG_MUST;
void vg_hs_scratch_free(struct hs_scratch *s);
vg_rc vg_hs_scan(const struct vg_hs *h, struct hs_scratch *s, vg_str text, vg_engine_found *found, void *ctx) VG_MUST;
#endif

#endif
