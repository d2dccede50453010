/* knowledge/knowledge.h - rules and packs, ready to run: found, read, compiled in a sandbox, kept in a cache on disk.  What is made is
 * one blob behind a descriptor: a parent makes it, and processes that it starts open it. */
#ifndef VG_KNOWLEDGE_KNOWLEDGE_H
#define VG_KNOWLEDGE_KNOWLEDGE_H

#include "base/buf.h"
#include "detect/detect.h"
#include "event/keys.h"
#include "rule/compile.h"
#include "source/pack.h"

#define VG_KNOWLEDGE_FILES_MAX 100000
#define VG_KNOWLEDGE_BYTES_MAX ((size_t)256 << 20)

struct vg_knowledge_options {
	const char *const *rules; /* folders or files of --rules */
	size_t nrules;
	bool no_default_rules;    /* only what --rules names */
	const char *const *packs; /* folders or files of packs, asked before ours */
	size_t npacks;
	const char *const *exceptions; /* folders or files of filters with author, reason and expiry (rule/compile.h) */
	size_t nexceptions;
	int64_t now_ns;           /* filters that expired before are not applied; 0: none expires */
	const struct vg_rule_var *var;
	size_t nvar;
	bool no_cache;
	bool sealed;              /* vg_knowledge_make(): in memory that nobody can change, not the file of the cache */
	bool portable;            /* no Hyperscan */
};
struct vg_knowledge {
	vg_str blob;              /* all sections, mapped; owned */
	struct vg_keys *keys;
	struct vg_program program;
	struct vg_index *index;
	struct vg_packs *packs;
	bool from_cache;
	bool ours_only;           /* no rules but ours were found, and none were asked for */
};

/* VG_E_NOTFOUND: a folder of --rules is not there; other errors likewise told in @why, one line for a person.  VG_OK with @why: some
 * file could not be read, and the rest is used. */
vg_rc vg_knowledge_load(const struct vg_knowledge_options *o, struct vg_knowledge *out, char why[400]) VG_MUST;
void vg_knowledge_fini(struct vg_knowledge *k);

/* What was made. */
struct vg_knowledge_summary {
	uint32_t rules, correlations, filters /* applied */;
	uint32_t refused, warnings, notes; /* diagnostics of the program */
	uint32_t refused_given;            /* of those refused: of files that were given (rules, exceptions) */
	uint32_t unread, unread_given;     /* files that could not be read */
	uint32_t pack_problems, packs_given_wrong; /* mistakes in packs; in those that were given */
	uint8_t sum[32]; /* of all that it is made of: two that are equal are the same rules and packs */
	int64_t valid_until_ns;            /* then a filter expires, and it should be made anew; INT64_MAX: none does */
	bool from_cache;
};
/* Is all that was given in use?  If not, the set before should be kept as a whole. */
static inline bool
vg_knowledge_whole(const struct vg_knowledge_summary *s)
{
	return s->refused_given == 0 && s->unread_given == 0 && s->packs_given_wrong == 0;
}
/* Make the blob and leave it behind @fd, which is the caller's; errors as above. */
vg_rc vg_knowledge_make(const struct vg_knowledge_options *o, int *fd, struct vg_knowledge_summary *out, char why[400]) VG_MUST;
/* Each diagnostic of the blob behind @fd: what was refused, and why. */
typedef void vg_knowledge_diag_fn(void *ctx, const struct vg_program *p, const struct vg_diag *d);
vg_rc vg_knowledge_diags(int fd, vg_knowledge_diag_fn *told, void *ctx) VG_MUST;
/* What is wrong with packs that were given, "FILE:LINE: WHY\n" each, at the end of @out. */
vg_rc vg_knowledge_pack_problems(int fd, struct vg_buf *out) VG_MUST;
/* Map the blob behind @fd, which stays the caller's and may be closed, and load it; checked, as any outside bytes. */
vg_rc vg_knowledge_open(int fd, struct vg_knowledge *out, char why[400]) VG_MUST;

/* The texts of our packs alone, for whoever compiles them itself, in a sandbox.  @text and @bytes are the caller's to free
 * (vg_pack_texts_free); the texts borrow from @bytes. */
struct vg_pack_texts {
	struct vg_pack_text *text;
	size_t n;
	struct vg_buf bytes;
};
vg_rc vg_pack_texts_read(struct vg_pack_texts *out, char why[400]) VG_MUST;
void vg_pack_texts_free(struct vg_pack_texts *t);

/* The folder with packs/ and rules/: $VIGIE_DATA, beside the program, or where it was installed; "" when there is none. */
const char *vg_data_dir(void);

#endif
