/* knowledge/knowledge.h - rules and packs, ready to run: found, read, compiled in a sandbox, kept in a cache on disk. */
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
	const struct vg_rule_var *var;
	size_t nvar;
	bool no_cache;
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
/* The same for other processes: a sealed descriptor of it, the caller's; -1 (errno).  And what they make of it. */
int vg_knowledge_share(const struct vg_knowledge *k);
vg_rc vg_knowledge_open(int fd, struct vg_knowledge *out, char why[400]) VG_MUST;
void vg_knowledge_fini(struct vg_knowledge *k);

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
