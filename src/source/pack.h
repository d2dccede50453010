/* source/pack.h - what Vigie knows of products' logs, as data (packs/<name>.yaml): how a product's records are
 * recognised, taken apart, timed, named (ECS names beside native ones) and classed as Sigma log sources.
 * Packs are compiled once into a flat blob, which any process loads without parsing YAML.
 * CONTRIBUTING.md shows a pack; doc/packs.md has every key. */
#ifndef VG_SOURCE_PACK_H
#define VG_SOURCE_PACK_H

#include "base/buf.h"
#include "event/event.h"

struct vg_pack_text {
	vg_str path; /* for error messages */
	vg_str yaml;
};
struct vg_pack_problem {
	vg_str path;
	uint32_t line;
	char text[200];
};

/* Compile packs into @out.  A pack with a mistake is left out and told to @problem; the rest goes on.
 * VG_E_NOMEM or VG_E_LIMIT when nothing can be made at all. */
vg_rc vg_packs_compile(const struct vg_pack_text *text, size_t n, struct vg_buf *out,
		       void (*problem)(void *ctx, const struct vg_pack_problem *p), void *ctx) VG_MUST;

struct vg_packs;
/* Load a blob (checked, as any outside bytes; it must outlive the packs).  Names that packs speak of are added
 * to @keys.  VG_E_FORMAT, VG_E_TRUNC, VG_E_NOMEM. */
vg_rc vg_packs_load(vg_str blob, struct vg_keys *keys, struct vg_packs **out) VG_MUST;
void vg_packs_free(struct vg_packs *p);

/* Recognise @e and add what its pack says.  Leaves the event as it is when no pack knows it. */
vg_rc vg_packs_apply(const struct vg_packs *p, struct vg_event *e) VG_MUST;

/* Every log source that some pack can give; @n of them. */
const struct vg_logsource *vg_packs_logsources(const struct vg_packs *p, size_t *n);

/* Names of packs that can give a log source which has all the parts of @want that are not empty; at most @max.  Count. */
size_t vg_packs_givers(const struct vg_packs *p, const struct vg_logsource *want, vg_str *name, size_t max);

/* Is every value that a pack may give the field @key a part of the record's own text (escapes and case aside), not one that the pack made? */
bool vg_packs_copies(const struct vg_packs *p, uint32_t key);

/* Check the samples inside the packs' YAML: each sample line must give the events expected of it.  Calls @fail for each
 * difference; returns how many samples were run. */
size_t vg_packs_selftest(const struct vg_pack_text *text, size_t n,
			 void (*fail)(void *ctx, const struct vg_pack_problem *p), void *ctx);

#endif
