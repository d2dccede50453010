/* cmd/common.h - what several commands do. */
#ifndef VG_CMD_COMMON_H
#define VG_CMD_COMMON_H

#include "cmd/cmd.h"
#include "detect/indicator.h"
#include "hunt/hunt.h"

/* Which rules, and what fills their placeholders: what vg_load_knowledge() reads. */
#define VG_RULE_OPTIONS \
	{ "--rules", VG_OPT_LIST, "DIR", "rules to use besides ours and the SigmaHQ trees found (may be repeated)" }, \
	{ "--only-rules", VG_OPT_FLAG, NULL, "only the rules that --rules names" }, \
	{ "--exceptions", VG_OPT_LIST, "DIR", "filters that say who made them, why and until when (may be repeated)" }, \
	{ "--var", VG_OPT_LIST, "NAME=VALUE", "a value for %NAME% of rules that expand (may be repeated)" }, \
	{ "--vars", VG_OPT_TEXT, "FILE", "such values from a file, NAME=VALUE a line" }

/* Print @b to standard output, and empty it.  VG_EXIT_FAILED when it could not be, which was told; a reader that has enough is
 * no failure. */
int vg_print(struct vg_buf *b);
/* A file to write, which takes its name only when the run is done: what failed or was interrupted leaves an older one as it was. */
struct vg_output {
	const char *path; /* borrowed; NULL: none */
	char *tmp;        /* owned; NULL: written in place (a pipe, a device) */
	int fd;           /* -1: none */
};
/* false when it cannot be written, which was told. */
bool vg_output_open(struct vg_output *o, const char *path);
/* @keep: it takes its name; else it is removed.  false when it could not, which was told. */
bool vg_output_close(struct vg_output *o, bool keep);
/* Walk all operands.  VG_EXIT_OK, or another exit code when it was told why not. */
int vg_gather_files(const struct vg_args *a, struct vg_file_list *out);
/* Rules and packs, by --rules, --only-rules, --exceptions, --var, --vars, --no-cache, --portable.  As above. */
int vg_load_knowledge(const struct vg_args *a, struct vg_knowledge *out);
/* The same for a command whose operands are files or folders of rules: when there are any, only those are read. */
int vg_load_rules(const struct vg_args *a, struct vg_knowledge *out);
/* All of --indicators as one set, good as long as the process lives.  VG_EXIT_OK, or another exit code when it was told why not. */
int vg_load_indicators(const struct vg_args *a, struct vg_indicators *out);

#endif
