/* drill/play.h - a sample through the code that decodes and matches, without a watch: what the whole set of rules says of its records. */
#ifndef VG_DRILL_PLAY_H
#define VG_DRILL_PLAY_H

#include "drill/sample.h"
#include "knowledge/knowledge.h"

struct vg_player;
/* @k outlives it.  NULL: out of memory. */
struct vg_player *vg_player_new(const struct vg_knowledge *k);
void vg_player_free(struct vg_player *p);

struct vg_played {
	uint32_t events, unknown; /* decoded; of them, that no pack knows: no rule sees those */
	const uint32_t *fired;    /* how often, one a rule (row of the program); good until the next one is played */
};
/* Each sample is a world of its own: nothing of the one before is remembered. */
vg_rc vg_play(struct vg_player *p, const struct vg_rule_sample *s, struct vg_played *out) VG_MUST;
/* The exception that keeps @rule, a base rule, from a record of @s that it would fire on; its title, good as long as the knowledge.  Empty: none does. */
vg_str vg_play_suppressed(struct vg_player *p, const struct vg_rule_sample *s, uint32_t rule);
/* The row of the rule with that id, name, or title; UINT32_MAX. */
uint32_t vg_rule_find(const struct vg_program *p, vg_str name);
/* Does rule @of, a correlation, stand on @rule, or is it the same? */
bool vg_rule_stands_on(const struct vg_program *p, uint32_t of, uint32_t rule);

#endif
