/* net/http_route.h - what a request's method and path ask for (facts of each client: Beats, Logstash, Fluent Bit, Vector, rsyslog and the
 * official clients).  A path prefix "/s/NAME" before any of them is the same as none. */
#ifndef VG_NET_HTTP_ROUTE_H
#define VG_NET_HTTP_ROUTE_H

#include "base/str.h"

#define VG_ROUTE_PATH_MAX 2048 /* bytes of a path */
#define VG_ROUTE_INDEX_MAX 255

enum vg_route {
	VG_ROUTE_NONE,
	VG_ROUTE_ROOT,    /* /: what we are */
	VG_ROUTE_LICENSE, /* /_license: an active one */
	VG_ROUTE_HEALTH,  /* /_cluster/health */
	VG_ROUTE_EMPTY,   /* policies, templates, pipelines and the like: {} */
	VG_ROUTE_BULK,    /* /_bulk, /INDEX/_bulk, /INDEX/TYPE/_bulk */
	VG_ROUTE_LINES,   /* /v1/lines */
	VG_ROUTES
};
/* What @path, as it came, asks for; VG_ROUTE_NONE: we have nothing there.  @index gets the decoded index of a bulk request's path,
 * and what it had no room for is not found. */
enum vg_route vg_route_of(vg_str path, char index[VG_ROUTE_INDEX_MAX], size_t *index_n);
/* The methods of a route, as Allow says them; "" for VG_ROUTE_NONE. */
const char *vg_route_methods(enum vg_route r);
bool vg_route_allows(enum vg_route r, vg_str method);

#endif
