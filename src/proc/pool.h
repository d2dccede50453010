/* proc/pool.h - sandboxed workers that do one task after the other.  The parent gives each a descriptor and some
 * bytes, and gets bytes back; a worker that dies or takes too long costs its task, is reported, and is replaced. */
#ifndef VG_PROC_POOL_H
#define VG_PROC_POOL_H

#include "base/buf.h"
#include "proc/sandbox.h"

#define VG_POOL_WORKERS_MAX 64
#define VG_POOL_MESSAGE_MAX ((size_t)1 << 20)

struct vg_pool_ops {
	void *ctx;
	/* In the worker, once, before the sandbox closes.  Not VG_OK ends the worker. */
	vg_rc (*start)(void *ctx, unsigned worker);
	/* In the worker: do @task with @fd (-1: none; closed by the pool); append the answer to @reply. */
	void (*work)(void *ctx, int fd, vg_str task, struct vg_buf *reply);
	/* In the parent: the next task for a free worker.  @fd is open or -1; the pool closes it.  false: no task is
	 * ready now.  @token comes back with the answer. */
	bool (*next)(void *ctx, unsigned worker, struct vg_buf *task, int *fd, uint64_t *token);
	/* In the parent: the answer.  It comes from a process that read hostile bytes: parse it with a cursor. */
	void (*done)(void *ctx, unsigned worker, uint64_t token, vg_str reply);
	/* In the parent: the worker ended without one; @why in words ("killed by signal 11 (Segmentation fault)"). */
	void (*died)(void *ctx, unsigned worker, uint64_t token, const char *why);
	/* In the parent, some times a second; may be NULL. */
	void (*tick)(void *ctx);
	const volatile int *stop; /* becomes not 0 when the user asks to stop; may be NULL */
};

/* Run until no task is left.  VG_E_SYS: no worker could be started (errno); VG_E_STOP: asked to. */
vg_rc vg_pool_run(const struct vg_pool_ops *ops, unsigned workers, const struct vg_sandbox_limits *limits,
		  unsigned task_timeout_s) VG_MUST;

/* Run @work once in a sandboxed child, and wait.  Its answer is what it returns; VG_E_SYS with @why when it died. */
vg_rc vg_sandbox_run(vg_rc (*work)(void *ctx), void *ctx, const struct vg_sandbox_limits *limits, unsigned timeout_s,
		     char why[160]) VG_MUST;
/* Run both at once, each in a sandboxed child: @first writes to the pipe that @second reads, and each is to answer VG_E_TRUNC when the
 * other one went away.  What they answer, the reason before its consequence; VG_E_SYS with @why when one died. */
vg_rc vg_sandbox_pair(vg_rc (*first)(void *ctx, int to), vg_rc (*second)(void *ctx, int from), void *ctx,
		      const struct vg_sandbox_limits *limits, char why[160]) VG_MUST;

#endif
