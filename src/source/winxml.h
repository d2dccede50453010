/* source/winxml.h - Windows events as XML: the event schema (MS-EVEN6 2.2.13) as the event viewer, wevtutil,
 * WEF and Sysmon for Linux write it.  Not an XML parser: no DTD, no entity but the five of XML and numbers, no
 * validation; what is not well-formed is read as far as it makes sense.  Names are those of source/evtx.h:
 * element, or element_attribute; EventData by its Name, without spaces. */
#ifndef VG_SOURCE_WINXML_H
#define VG_SOURCE_WINXML_H

#include "source/format.h"

#define VG_WINXML_DEPTH_MAX 64
#define VG_WINXML_EVENT_MAX ((size_t)16 << 20) /* bytes of one event */

int vg_winxml_probe(vg_str head, bool whole, vg_str filename);
vg_rc vg_winxml_read(struct vg_reader *r) VG_MUST;

/* vg_winxml_event() is in source/format.h.  It takes an <Event>, or an <EventData>, <UserData> or <System> alone.
 * VG_E_TRUNC when @text ends inside it, VG_E_FORMAT when it has none of them, VG_E_LIMIT when it is nested too
 * deep: what was read stands, flagged VG_EVENT_PARTIAL; VG_E_NOMEM. */

#endif
