/* net/kick.h - "go on when the others had their turn": work that was cut short is taken up again in the loop's next turn. */
#ifndef VG_NET_KICK_H
#define VG_NET_KICK_H

#include "net/loop.h"

struct vg_kick;
/* An eventfd in @l; @fn is called once, soon, after vg_kick(), however often that was called.  VG_E_SYS, VG_E_NOMEM. */
vg_rc vg_kick_new(struct vg_loop *l, vg_timer_fn *fn, void *ctx, struct vg_kick **out) VG_MUST;
void vg_kick(struct vg_kick *k);
void vg_kick_free(struct vg_kick *k); /* NULL is nothing */

#endif
