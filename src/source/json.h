/* source/json.h - JSON (RFC 8259) as logs hold it: one object a line, an array of objects, objects one after
 * another, or a wrapper around an array ("Records" of CloudTrail, "value" of Microsoft Graph, "hits.hits" of
 * Elasticsearch...).  What is beyond the RFC and harmless is read: a byte order mark, bytes that are not UTF-8,
 * control bytes in strings, NaN, a comma too many. */
#ifndef VG_SOURCE_JSON_H
#define VG_SOURCE_JSON_H

#include "source/format.h"

#define VG_JSON_DEPTH_MAX 64
#define VG_JSON_NAME_MAX 1024                   /* bytes of a joined name; what is under a longer one is dropped */
#define VG_JSON_OBJECT_MAX ((size_t)16 << 20)   /* bytes of one object that is not a line */

/* One object a line. */
int vg_jsonl_probe(vg_str head, bool whole, vg_str filename);
vg_rc vg_jsonl_read(struct vg_reader *r) VG_MUST;
/* All other ways. */
int vg_json_probe(vg_str head, bool whole, vg_str filename);
vg_rc vg_json_read(struct vg_reader *r) VG_MUST;

/* Is @text, with nothing before it, one of the known wrappers around an array of objects? */
bool vg_json_is_wrapper(vg_str text);
/* vg_json_event() is in source/format.h.  It returns VG_E_TRUNC when @text ends inside the object and VG_E_FORMAT
 * when it is not JSON: what was read before stands, flagged VG_EVENT_PARTIAL; VG_E_NOMEM. */

#endif
