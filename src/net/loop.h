/* net/loop.h - one thread waits for many descriptors (epoll), and for time to pass. */
#ifndef VG_NET_LOOP_H
#define VG_NET_LOOP_H

#include "base/rc.h"

#include <stdint.h>

struct vg_loop;
struct vg_watch; /* one descriptor; owned by the loop */
/* @events: of epoll(7), as they came.  A watch may be removed from within any callback, its own too. */
typedef void vg_watch_fn(void *ctx, uint32_t events);
typedef void vg_timer_fn(void *ctx);

vg_rc vg_loop_new(struct vg_loop **out) VG_MUST;
void vg_loop_free(struct vg_loop *l);
/* Watch @fd, level-triggered; the caller keeps it, and closes it after vg_watch_free().  @events may be 0: errors only. */
vg_rc vg_watch_new(struct vg_loop *l, int fd, uint32_t events, vg_watch_fn *fn, void *ctx, struct vg_watch **out) VG_MUST;
void vg_watch_set(struct vg_watch *w, uint32_t events);
void vg_watch_free(struct vg_watch *w); /* NULL is nothing */
/* Call @fn every @every_ms, from now on, as long as the loop lives.  At most 16 of them. */
vg_rc vg_loop_every(struct vg_loop *l, unsigned every_ms, vg_timer_fn *fn, void *ctx) VG_MUST;
/* Run until vg_loop_stop().  VG_E_SYS: epoll failed. */
vg_rc vg_loop_run(struct vg_loop *l) VG_MUST;
/* Wait once, at most @wait_ms, and serve what came. */
vg_rc vg_loop_turn(struct vg_loop *l, int wait_ms) VG_MUST;
void vg_loop_stop(struct vg_loop *l);
int64_t vg_clock_ns(void);     /* CLOCK_REALTIME: arrival */
int64_t vg_monotonic_ns(void); /* CLOCK_MONOTONIC: how long */

#endif
