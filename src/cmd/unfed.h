/* cmd/unfed.h - rules that nothing can ever feed: by what they ask of a log source and its fields. */
#ifndef VG_CMD_UNFED_H
#define VG_CMD_UNFED_H

#include "base/buf.h"
#include "cmd/cmd.h"
#include "knowledge/knowledge.h"
#include "role/house.h"

/* Could base rule @rule become true with the fields that are there?  @has: a bit a key.  @missing: the first name that stands against it. */
bool vg_rule_could(const struct vg_program *p, uint32_t rule, const uint8_t *has, uint32_t *missing);
/* "windows / process_creation / *": product, category, service that it asks for. */
void vg_put_rule_source(struct vg_buf *b, const struct vg_program *p, uint32_t rule);
/* `vigie rule coverage` without PATH: what the sources of a watch can feed. */
int vg_unfed(const struct vg_args *a);
/* A line of how many rules they cannot feed; nothing when that is not known. */
void vg_unfed_line(struct vg_buf *b, struct vg_house *h, const struct vg_knowledge *k);

#endif
