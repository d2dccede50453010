/* role/parent.h - `vigie serve`: reads settings, binds, opens, spawns and restarts; touches no outside byte. */
#ifndef VG_ROLE_PARENT_H
#define VG_ROLE_PARENT_H

#include "knowledge/knowledge.h"
#include "role/house.h"

struct vg_serve_options {
	struct vg_house *house;       /* locked */
	struct vg_settings *settings;
	const char *self;             /* the program, for roles */
	bool quiet;                   /* nothing but "ready" */
};
/* Run until SIGTERM or SIGINT.  VG_OK: stopped, and nothing was lost.  Else it was told. */
vg_rc vg_serve(const struct vg_serve_options *o) VG_MUST;
/* The rules as the settings say; told when it cannot be. */
vg_rc vg_serve_rules(const struct vg_settings *s, struct vg_knowledge *out) VG_MUST;

#endif
