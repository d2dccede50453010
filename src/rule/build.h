/* rule/build.h - what the files of rule/ share while they compile: growing tables, one a section of the program. */
#ifndef VG_RULE_BUILD_H
#define VG_RULE_BUILD_H

#include "base/arena.h"
#include "base/map.h"
#include "base/time.h"
#include "base/yaml.h"
#include "rule/compile.h"

#define VG_VALUES_MAX 20000   /* of one rule, variants counted */
#define VG_CONDITION_DEPTH 64 /* of parentheses */
#define VG_SELECTIONS_MAX 512 /* of one rule */
#define VG_NODE_DEPTH_MAX 180 /* of the nodes below a root: who walks them may recurse */
#define VG_REFS_MAX 256          /* rules, names and fields of one correlation */
#define VG_BY_MAX 16
#define VG_FIELDS_MAX 16
#define VG_FILTERED_MAX 2000000 /* pairs of a filter and a rule */
#define VG_CHAIN_MAX 15       /* correlations that stand on one another */
#define VG_VARIANTS_MAX 625   /* that modifiers make of one value */

struct vg_build {
	struct vg_buf text, key, rule, node, child, item, value, corr, refs, groupby, need, list, diag;
	struct vg_buf filtered; /* compile.c: filters of base rules */
	struct vg_buf filter, titled; /* filters; titled: compile.c, rules by title */
	struct vg_map strings;  /* text -> offset in text */
	struct vg_map byname;   /* id or name -> rule row */
	struct vg_map bytitle;  /* title -> first rule row that has it */
	struct vg_keys *keys;
	struct vg_map items;    /* what an item is -> its row */
	struct vg_arena tmp;    /* of the text at hand */
	struct vg_arena scratch; /* of the item at hand */
	const struct vg_rule_var *var;
	size_t nvar;
	int64_t now_ns, valid_from_ns, valid_until_ns;
	vg_rc rc;               /* memory; checked at the end */

	/* the document at hand */
	size_t ntext; /* which text it stands in */
	vg_str file, id;
	uint32_t line;
	uint32_t nvalue;        /* values of its items */
	enum vg_origin origin;
	bool refused;           /* told once a document */
};

#define VG_ROWS(b, type) ((uint32_t)((b).n / sizeof(type)))
static inline struct vg_rule *
vg_build_rule(struct vg_build *b, uint32_t i)
{
	return (struct vg_rule *)(void *)b->rule.p + i;
}

struct vg_slice vg_build_text(struct vg_build *b, vg_str s); /* one copy of equal texts */
vg_str vg_build_str(const struct vg_build *b, struct vg_slice s);
uint32_t vg_build_node(struct vg_build *b, enum vg_op op, const uint32_t *child, uint32_t n, vg_str name);
uint32_t vg_build_leaf(struct vg_build *b, enum vg_op op, uint32_t first);
/* Refuse the document: once, with words.  Gives VG_E_FORMAT. */
vg_rc vg_build_refuse(struct vg_build *b, enum vg_diag_reason why, uint32_t line, const char *fmt, ...) VG_PRINTF(4, 5);
/* Nothing is wrong, and it should be known. */
void vg_build_note(struct vg_build *b, enum vg_diag_reason why, const char *fmt, ...) VG_PRINTF(3, 4);
void vg_build_warn(struct vg_build *b, enum vg_diag_reason why, uint32_t line, const char *fmt, ...) VG_PRINTF(4, 5);

/* value.c: "Field|modifier..." and its value to a node. */
vg_rc vg_build_item(struct vg_build *b, vg_str key, const struct vg_yaml *v, uint32_t *node) VG_MUST;
/* condition.c */
struct vg_selection { vg_str name; uint32_t node; };
vg_rc vg_build_condition(struct vg_build *b, vg_str text, uint32_t line, const struct vg_selection *sel, size_t nsel,
			 uint32_t *root) VG_MUST;
/* compile.c: a `detection:` map to its root, and what follows a pipe in the condition. */
vg_rc vg_build_detection(struct vg_build *b, const struct vg_yaml *d, uint32_t *root, vg_str *aggregation) VG_MUST;
uint32_t vg_build_list(struct vg_build *b, const struct vg_yaml *n, uint32_t *count);
vg_rc vg_build_head(struct vg_build *b, const struct vg_yaml *doc, struct vg_rule *r) VG_MUST;
/* correlation.c */
vg_rc vg_build_correlation(struct vg_build *b, const struct vg_yaml *doc, const struct vg_rule *head, bool *later) VG_MUST;
vg_rc vg_build_aggregation(struct vg_build *b, vg_str text, vg_str timeframe, uint32_t line, uint32_t base,
			   const struct vg_rule *head) VG_MUST;
/* When all is loaded: needs, which matches are signals, and the order of depth. */
void vg_build_finish_correlations(struct vg_build *b);
/* program.c: the blob of all tables. */
vg_rc vg_program_write(struct vg_build *b, struct vg_buf *out) VG_MUST;
/* tags.c */
bool vg_tags_impair(const struct vg_yaml *tags); /* does some technique of the rule impair defenses? */
struct vg_slice vg_build_tag(struct vg_build *b, vg_str tag, bool impair);

#endif
