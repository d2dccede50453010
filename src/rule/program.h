/* rule/program.h - a set of Sigma rules, compiled: flat tables that refer to each other by index, so that
 * the whole is one blob which is written to a cache, handed to another process, and mapped.  The compiler
 * (rule/compile.h) makes it; detect/ runs it; `vigie rule` shows it.  Sigma specification 2.1.0. */
#ifndef VG_RULE_PROGRAM_H
#define VG_RULE_PROGRAM_H

#include "base/buf.h"
#include "event/keys.h"

#define VG_PROGRAM_VERSION 2
#define VG_RULES_MAX 100000

struct vg_slice { /* into vg_program.text */
	uint32_t off, len;
};

enum vg_level { VG_LEVEL_INFO, VG_LEVEL_LOW, VG_LEVEL_MEDIUM, VG_LEVEL_HIGH, VG_LEVEL_CRITICAL, VG_LEVELS };
const char *vg_level_name(enum vg_level l); /* "informational"... */
bool vg_level_parse(vg_str s, enum vg_level *out);

/* How one value is compared with one value of an event.  Text of values that are not VG_VALUE_CASED is folded
 * (vg_fold) here already; compare it with the folded event value. */
enum vg_test {
	VG_TEST_EQ,       /* the whole value; '' is a value that is present and empty */
	VG_TEST_PREFIX,
	VG_TEST_SUFFIX,
	VG_TEST_CONTAINS,
	VG_TEST_GLOB,     /* the whole value against text with VG_GLOB_ANY and VG_GLOB_ONE in it */
	VG_TEST_RE,       /* a regular expression found anywhere; text is its source, never folded */
	VG_TEST_CIDR,     /* text: 16 bytes of network (v4 mapped into v6), 1 byte of prefix length (of 128) */
	VG_TEST_LT, VG_TEST_LTE, VG_TEST_GT, VG_TEST_GTE, /* numbers; text is the number */
	VG_TEST_FIELD_EQ, VG_TEST_FIELD_PREFIX, VG_TEST_FIELD_SUFFIX, VG_TEST_FIELD_CONTAINS, /* aux: key of the other field */
	VG_TEST_TIME,     /* part of a time value (vg_value.part) equal to the number in text */
	VG_TESTS
};
#define VG_GLOB_ANY ((char)0xff) /* any run of characters; no byte of UTF-8 */
#define VG_GLOB_ONE ((char)0xfe) /* exactly one character (code point) */

enum vg_value_flag {
	VG_VALUE_CASED = 1,
	VG_VALUE_RE_I = 2, VG_VALUE_RE_M = 4, VG_VALUE_RE_S = 8,
};
enum vg_time_part { VG_PART_NONE, VG_PART_MINUTE, VG_PART_HOUR, VG_PART_DAY, VG_PART_WEEK, VG_PART_MONTH, VG_PART_YEAR };

struct vg_value {
	uint8_t test;  /* enum vg_test */
	uint8_t flags; /* enum vg_value_flag */
	uint8_t part;  /* enum vg_time_part; with LT..GTE too */
	uint8_t pad;
	uint32_t aux;
	struct vg_slice text;
};

enum vg_item_kind {
	VG_ITEM_VALUES, /* any (or, with VG_ITEM_ALL, each) of the values matches some value of the field */
	VG_ITEM_NULL,   /* the field is absent, or null */
	VG_ITEM_EXISTS, /* the field is present, whatever its value */
	VG_ITEM_KEYWORDS, /* the values are looked for in every native value and in the raw text; key is VG_KEY_NONE;
	                   * VG_TEST_CONTAINS (or GLOB anchored nowhere, RE...) */
};
enum vg_item_flag { VG_ITEM_ALL = 1 };

struct vg_item {
	uint32_t key;   /* of vg_program.keys: the field's name */
	uint8_t kind;   /* enum vg_item_kind */
	uint8_t flags;
	uint16_t pad;
	uint32_t value, nvalue; /* range of vg_program.value */
};

enum vg_op { VG_OP_FALSE, VG_OP_TRUE, VG_OP_AND, VG_OP_OR, VG_OP_NOT, VG_OP_ITEM, VG_OP_REF };
struct vg_node {
	uint8_t op;        /* enum vg_op */
	uint8_t pad[3];
	uint32_t first, n; /* AND, OR, NOT: range of vg_program.child, each an index of vg_program.node, always smaller
	                    * than this node's own index (so there is no loop); ITEM: first is an index of item; REF
	                    * (conditions of correlations): first is a place in that correlation's refs */
	struct vg_slice name; /* the selection's name, where this node is one; the title of the filter whose NOT it is; else empty */
};

enum vg_rule_kind { VG_RULE_BASE, VG_RULE_CORRELATION };
enum vg_rule_flag {
	VG_RULE_REPORT = 1,  /* its matches are signals; without it they only feed correlations */
	VG_RULE_FED = 2,     /* some correlation refers to it */
};
struct vg_rule {
	struct vg_slice id, title, name, author, date, description, license, file; /* license: "DRL 1.1"... */
	struct vg_slice product, category, service; /* the log source it asks for; empty: any */
	uint32_t line;       /* of its document in the file, from 1 */
	uint8_t kind, level, flags, status; /* status: index of vg_status_name() */
	uint32_t root;       /* BASE: index of vg_program.node */
	uint32_t corr;       /* CORRELATION: index of vg_program.corr; else UINT32_MAX */
	uint32_t tag, ntag;  /* range of vg_program.list: slices such as "attack.t1059.001", mapped to ATT&CK v19 */
	uint32_t ref, nref;  /* range of list: references */
	uint32_t fp, nfp;    /* range of list: false positives it names */
	uint32_t need, nneed; /* range of vg_program.need: ascending keys that correlations read from its matches */
	uint32_t nfilter;    /* that are applied to it */
};
const char *vg_status_name(unsigned status);

enum vg_corr_type {
	VG_CORR_EVENT_COUNT, VG_CORR_VALUE_COUNT, VG_CORR_TEMPORAL, VG_CORR_TEMPORAL_ORDERED,
	VG_CORR_VALUE_SUM, VG_CORR_VALUE_AVG, VG_CORR_VALUE_PERCENTILE, VG_CORR_VALUE_MEDIAN,
	VG_CORR_TYPES
};
enum vg_cmp { VG_CMP_NONE, VG_CMP_GT, VG_CMP_GTE, VG_CMP_LT, VG_CMP_LTE, VG_CMP_EQ, VG_CMP_NEQ };
struct vg_corr {
	uint32_t rule;        /* this correlation's own row */
	uint8_t type;         /* enum vg_corr_type */
	uint8_t cmp[2];       /* enum vg_cmp; both must hold */
	uint8_t percentile;   /* 0..100 */
	double limit[2];
	int64_t span_ns;
	uint32_t ref, nref;   /* range of vg_program.refs: rows of rules, in the order named */
	uint32_t by, nby;     /* range of vg_program.groupby: nby rows of nref keys each: the key that group-by name b has in
	                       * the matches of ref r is groupby[by + b * nref + r] (aliases are resolved here) */
	uint32_t byname;      /* range of list: the nby names as written */
	uint32_t field, nfield; /* range of vg_program.need: keys counted or summed */
	uint32_t root;        /* TEMPORAL with a condition over its rules: node of VG_OP_REF leaves; else UINT32_MAX */
	uint8_t depth;        /* 0 when all refs are base rules, else 1 + the deepest ref: evaluate in this order */
	uint8_t pad[7];
};

/* A filter document that was understood: an exception. */
struct vg_filter {
	struct vg_slice id, title, author, reason, date, file; /* reason: its description */
	uint32_t line;
	uint32_t nrule;     /* rules that it is applied to */
	int64_t expires_ns; /* INT64_MAX: never */
	uint8_t expired;    /* then, and not applied */
	uint8_t pad[7];
};

/* Where a text came from. */
enum vg_origin {
	VG_ORIGIN_SHIPPED,   /* with Vigie */
	VG_ORIGIN_FOUND,     /* a tree of others' rules that was found: SigmaHQ's */
	VG_ORIGIN_GIVEN,     /* by whoever runs Vigie */
	VG_ORIGIN_EXCEPTION, /* by them, in a folder of exceptions */
	VG_ORIGINS
};

/* What did not load, loaded in part, or should be known of it: `vigie rule check` prints it. */
struct vg_diag {
	struct vg_slice file, id, text; /* text: one line, for a person: what, and what to do */
	uint32_t line;
	uint8_t fatal; /* the rule was refused */
	uint8_t reason; /* enum vg_diag_reason */
	uint8_t note;   /* nothing is wrong */
	uint8_t origin; /* enum vg_origin */
};
enum vg_diag_reason {
	VG_DIAG_YAML, VG_DIAG_SCHEMA, VG_DIAG_MODIFIER, VG_DIAG_CONDITION, VG_DIAG_PLACEHOLDER, VG_DIAG_REGEX,
	VG_DIAG_REFERENCE, VG_DIAG_DUPLICATE, VG_DIAG_LIMIT, VG_DIAG_EXCEPTION, VG_DIAG_REASONS
};
const char *vg_diag_reason_name(unsigned reason);

struct vg_program {
	const char *text; size_t ntext;
	const struct vg_slice *key; uint32_t nkey; /* names; index = key in this program's vg_keys (see load) */
	const struct vg_rule *rule; uint32_t nrule;
	const struct vg_node *node; uint32_t nnode;
	const uint32_t *child; uint32_t nchild;
	const struct vg_item *item; uint32_t nitem;
	const struct vg_value *value; uint32_t nvalue;
	const struct vg_corr *corr; uint32_t ncorr;   /* ascending depth */
	const uint32_t *refs; uint32_t nrefs;
	const uint32_t *groupby; uint32_t ngroupby;
	const uint32_t *need; uint32_t nneed;
	const struct vg_slice *list; uint32_t nlist;
	const struct vg_diag *diag; uint32_t ndiag;
	const struct vg_filter *filter; uint32_t nfilter;
	int64_t valid_from_ns, valid_until_ns; /* compiled at any time from the one to before the other, it would be the same: filters expire */
};

static inline vg_str
vg_program_str(const struct vg_program *p, struct vg_slice s)
{
	return (vg_str){ p->text + s.off, s.len };
}

/* Load a blob that vg_rules_compile() wrote: every index and slice is checked.  @blob, aligned to 8, outlives
 * the program.  The program's names are added to @keys, which must hold only the known names: then key i of
 * the program is key i of @keys.  VG_E_FORMAT, VG_E_TRUNC, VG_E_LIMIT, VG_E_NOMEM. */
vg_rc vg_program_load(vg_str blob, struct vg_keys *keys, struct vg_program *out) VG_MUST;

#endif
