/* detect/index.h - what vg_index_load() prepares and detectors read. */
#ifndef VG_DETECT_INDEX_H
#define VG_DETECT_INDEX_H

#include "detect/match.h"
#include "detect/multi.h"

/* Literals are looked for in two databases: most values need not be searched for keywords, and what keywords are searched
 * in (whole lines) need not be searched for all else. */
enum vg_family { VG_FAMILY_KEYED, VG_FAMILY_ANY, VG_FAMILIES };

#define VG_KEY_ANY UINT32_MAX /* an atom of a keyword: in any native value, or the raw text */

/* One required literal of one rule: the rule can only match if one of its atoms is seen. */
struct vg_atom {
	uint32_t rule, key;
	uint8_t shape; /* enum vg_shape */
	uint8_t pad[3];
	struct vg_slice text; /* folded; of the program's text, or behind it in the index's own */
};
enum vg_shape { VG_SHAPE_EXACT, VG_SHAPE_PREFIX, VG_SHAPE_SUFFIX, VG_SHAPE_LITERAL, VG_SHAPES };

/* A hash table of atoms by (key, shape, window): a chain for each slot. */
struct vg_atom_table {
	uint32_t *head; /* 1 + atom; owned */
	uint32_t *next; /* one an atom; owned */
	uint32_t mask;
};
/* Which windows of which shapes a key's atoms use: bit = window's place in vg_windows. */
struct vg_key_use {
	uint8_t exact, prefix, suffix, literal;
};
#define VG_WINDOWS 4
extern const uint8_t vg_windows[VG_WINDOWS]; /* bytes, ascending */

struct vg_index {
	const struct vg_program *p;
	const struct vg_atom *atom;
	uint32_t natom;
	const char *text;
	uint32_t ntext;
	const uint32_t *literal_first; /* by literal id: range of literal_atom */
	const uint32_t *literal_atom;
	uint32_t nliteral, nliteral_atom;
	struct vg_multi *multi[VG_FAMILIES]; /* NULL: no literals */
	struct vg_atom_table table;
	struct vg_key_use *use; /* one a key; owned */
	struct vg_key_use any;
	uint32_t *rule_atom;    /* range of atoms of rule r: from [r] to [r + 1]; empty: it is always tried; owned */
};

static inline vg_str
vg_atom_text(const struct vg_index *x, const struct vg_atom *a)
{
	return vg_str_mem(x->text + a->text.off, a->text.len);
}
/* The window that @n bytes of literal are looked up by; VG_WINDOWS when it is too short. */
unsigned vg_window_of(size_t n);
uint64_t vg_atom_hash(uint32_t key, enum vg_shape shape, const char *p, size_t n);

#endif
