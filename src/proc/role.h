/* proc/role.h - one process of the watch.  The parent re-executes the program for each (argv: "vigie", "role", NAME, INDEX), with one
 * channel to itself at descriptor 3.  Over it come, by name, what the role works on: descriptors (listeners, a folder, the
 * rules), texts (its part of the settings), and channels to other roles, at the start and whenever one of those begins anew.  Then the
 * role closes its sandbox and goes on. */
#ifndef VG_PROC_ROLE_H
#define VG_PROC_ROLE_H

#include "proc/channel.h"
#include "proc/sandbox.h"

enum vg_role {
	VG_ROLE_PARENT, VG_ROLE_COLLECT, VG_ROLE_LOCAL, VG_ROLE_VAULT, VG_ROLE_DETECT, VG_ROLE_TRACE, VG_ROLE_SEAL, VG_ROLE_PUBLISH,
	VG_ROLE_OUT, VG_ROLE_RESPOND, VG_ROLE_QUERY, VG_ROLE_LEARN, VG_ROLE_LOOK, VG_ROLES
};
const char *vg_role_name(unsigned role); /* "collect"... */
#define VG_ROLE_INDEX_MAX 64 /* processes of one role */

/* From the parent to a role. */
enum vg_parent_msg { VG_MSG_GIVE = 1 /* string name, string text; perhaps a descriptor */, VG_MSG_PEER /* u16 role, u16 index; descriptor */,
		     VG_MSG_GO, VG_MSG_STOP, VG_MSG_NEW /* as GIVE, while it runs: rules, keys */,
		     /* from a role to the parent */ VG_MSG_READY, VG_MSG_STATS /* one line "name value" each */, VG_MSG_SAY /* u8 level, string */, VG_MSG_GONE,
		     VG_MSG_LOST /* u16 role, u16 index: a channel to it ended */, VG_MSG_TOOK /* string name: what was given anew under it is on disk */,
		     VG_MSG_ANSWER /* string id, u8 done or not, string text: what became of a request (role/request.h) */ };

#define VG_GIVEN_MAX 128
struct vg_given { /* what the parent gave */
	char name[64];
	vg_str text; /* owned */
	int fd;      /* owned; -1: none */
};
struct vg_role_env {
	unsigned role, index;
	struct vg_loop *loop;
	struct vg_channel *parent;
	struct vg_given given[VG_GIVEN_MAX];
	size_t ngiven;
	void *ctx; /* the role's own */
};
/* NULL: it was not given. */
const struct vg_given *vg_role_given(const struct vg_role_env *e, const char *name);
vg_str vg_role_text(const struct vg_role_env *e, const char *name); /* empty when it was not given */
int vg_role_fd(const struct vg_role_env *e, const char *name);       /* -1 */
uint64_t vg_role_number(const struct vg_role_env *e, const char *name, uint64_t otherwise);

/* A line for people, printed by the parent.  Made safe there. */
void vg_role_say(struct vg_role_env *e, int level /* enum vg_log_level */, const char *fmt, ...) VG_PRINTF(3, 4);
/* The channel to another role ended: there will be a new one, whether that role begins anew or not. */
void vg_role_lost(struct vg_role_env *e, unsigned role, unsigned index);
/* What was given as news is on disk here. */
void vg_role_took(struct vg_role_env *e, const char *name);
/* What became of the request @id, in words. */
void vg_role_answer(struct vg_role_env *e, vg_str id, bool done, vg_str text);
/* Statistics for the parent, once a second: "name value" lines in @b. */
void vg_role_stats(struct vg_role_env *e, struct vg_buf *b);
/* A line of those, NAME{LABEL="TEXT"} 1; what a label may not hold of @text is a question mark there. */
void vg_role_stat_labelled(struct vg_buf *b, const char *name, const char *label, const char *text);

struct vg_role_impl {
	unsigned role;
	/* Prepare what needs more than the sandbox gives, make e->ctx, and say in @limits how it closes.  Not VG_OK ends the role (it said why). */
	vg_rc (*prepare)(struct vg_role_env *e, struct vg_sandbox_limits *limits);
	/* In the sandbox, before the loop. */
	vg_rc (*begin)(struct vg_role_env *e);
	/* A channel to another role: the first one, or a new one.  The role makes it into a vg_channel; @fd is its own. */
	vg_rc (*peer)(struct vg_role_env *e, unsigned role, unsigned index, int fd);
	/* Something was given anew while it runs. */
	void (*news)(struct vg_role_env *e, const char *name);
	/* Once a second. */
	void (*tick)(struct vg_role_env *e);
	/* Asked to stop: finish what was begun; call vg_role_done() when nothing is left.  NULL: it ends at once. */
	void (*stop)(struct vg_role_env *e);
};
/* Run it; what the process exits with. */
int vg_role_run(const struct vg_role_impl *impl, unsigned index, int parent_fd);
void vg_role_done(struct vg_role_env *e);

#endif
