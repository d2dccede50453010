#include "detect/correlate.h"
#include <stdlib.h>
struct vg_correlator { int x; };
struct vg_correlator *vg_correlator_new(const struct vg_program *p, size_t l, vg_corr_fn *fn, void *ctx){(void)p;(void)l;(void)fn;(void)ctx;return calloc(1,sizeof(struct vg_correlator));}
void vg_correlator_free(struct vg_correlator *c){free(c);}
vg_rc vg_correlator_hit(struct vg_correlator *c, uint32_t rule, int64_t t, const struct vg_event *e, uint64_t token){(void)c;(void)rule;(void)t;(void)e;(void)token;return VG_OK;}
uint64_t vg_correlator_dropped(const struct vg_correlator *c){(void)c;return 0;}
