/* base/yaml.h - YAML text as a tree, for rules, packs and settings.  libfyaml reads it; here are its limits
 * and the shape the rest of Vigie sees.  Nodes and text live in the arena given. */
#ifndef VG_BASE_YAML_H
#define VG_BASE_YAML_H

#include "base/arena.h"

#define VG_YAML_DEPTH_MAX 32      /* nesting */
#define VG_YAML_NODES_MAX 200000  /* nodes in one text, all documents counted; aliases are refused past it */
#define VG_YAML_BYTES_MAX 8388608 /* bytes of one text */

enum vg_yaml_kind {
	VG_YAML_NULL, /* empty, ~, null */
	VG_YAML_SCALAR,
	VG_YAML_LIST,
	VG_YAML_MAP,
};

struct vg_yaml {
	enum vg_yaml_kind kind;
	bool quoted;           /* a scalar in quotes or a block: text whatever it looks like */
	uint32_t line;         /* from 1; of the key, under a map */
	vg_str key;            /* under a map; a key that stands twice is refused */
	vg_str text;           /* of a scalar */
	uint32_t nchild;
	struct vg_yaml *child; /* of a list or a map, in order */
	struct vg_yaml *next;  /* the next child of the same parent; of a root: the next document */
};

struct vg_yaml_error {
	uint32_t line, column; /* from 1; 0 when unknown */
	char text[200];
};

/* Parse all documents of @text; @out is the first root, NULL when there is none.  On failure @err says
 * why, in words for a person. */
vg_rc vg_yaml_parse(vg_str text, struct vg_arena *a, struct vg_yaml **out, struct vg_yaml_error *err)
	VG_MUST;

/* The child of map @m named @key; NULL when @m is no map or has none. */
const struct vg_yaml *vg_yaml_get(const struct vg_yaml *m, vg_str key);
/* The text of that child when it is a scalar; else { NULL, 0 }. */
vg_str vg_yaml_text(const struct vg_yaml *m, const char *key);
/* A plain (not quoted) scalar that YAML 1.1 or 1.2 reads as a boolean: true, yes, on...; @out. */
bool vg_yaml_bool(const struct vg_yaml *n, bool *out);

#endif
