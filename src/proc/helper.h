/* proc/helper.h - a small process that a role makes before its own sandbox closes, for one thing which that sandbox refuses: it gets
 * bytes, does its one work with them, and answers with bytes, one after the other.  It holds nothing but its end of the channel, and ends with who made it. */
#ifndef VG_PROC_HELPER_H
#define VG_PROC_HELPER_H

#include "base/buf.h"
#include "net/loop.h"
#include "proc/sandbox.h"

#define VG_HELPER_BYTES_MAX ((size_t)256 << 10) /* of what is asked, and of an answer */

struct vg_helper;
struct vg_helper_options {
	const char *name; /* of the process */
	void (*first)(void *ctx); /* in the helper, before its sandbox closes: forget what it needs not know; NULL: nothing */
	/* In the helper, with a copy of @ctx.  It may take its time. */
	void (*work)(void *ctx, vg_str ask, struct vg_buf *answer);
	const struct vg_sandbox_limits *limits; /* NULL: its work is what a sandbox refuses */
	/* Here.  ended(): there will be no answer any more, nor another such process; the helper is freed behind it. */
	void (*answered)(void *ctx, vg_str answer);
	void (*ended)(void *ctx);
	void *ctx;
};
vg_rc vg_helper_new(struct vg_loop *l, const struct vg_helper_options *o, struct vg_helper **out) VG_MUST;
/* One thing at a time: not while it is busy. */
void vg_helper_ask(struct vg_helper *h, vg_str ask);
bool vg_helper_is_busy(const struct vg_helper *h);

#endif
