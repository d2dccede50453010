/* role/parent.h - `vigie serve`: reads settings, binds, opens, spawns and restarts; touches no outside byte. */
#ifndef VG_ROLE_PARENT_H
#define VG_ROLE_PARENT_H

#include "knowledge/knowledge.h"
#include "role/house.h"

struct vg_serve_options {
	struct vg_house *house;       /* locked */
	struct vg_settings *settings;
	const char *self;             /* the program, for roles */
	const char *settings_path;    /* the file that they were read from; empty: none */
	bool quiet;                   /* nothing but "ready" */
};
/* Run until SIGTERM or SIGINT.  VG_OK: stopped, and nothing was lost.  Else it was told. */
vg_rc vg_serve(const struct vg_serve_options *o) VG_MUST;
/* The rules, exceptions and packs as the settings say, behind @fd, which is the caller's.  What is wrong with them is told, each in a line, and, when
 * @reasons is not NULL, put there, a line each, what refuses them alone (then, with @quiet, nothing else is told); VG_E_REFUSED: something that the administrator gave is not in use. */
vg_rc vg_serve_rules(struct vg_house *h, const struct vg_settings *s, int *fd, struct vg_knowledge_summary *out, struct vg_buf *reasons, bool quiet) VG_MUST;

#endif
