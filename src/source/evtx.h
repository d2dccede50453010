/* source/evtx.h - Windows event logs: a header of 4096 bytes, then chunks of 65536, each with the records,
 * names and templates that its records need (libevtx, "Windows XML Event Log (EVTX)"; MS-EVEN6 for the
 * binary XML).  Nothing that a header counts is trusted: chunks are counted by the size of the input, and
 * the end of a chunk by its records. */
#ifndef VG_SOURCE_EVTX_H
#define VG_SOURCE_EVTX_H

#include "base/buf.h"
#include "source/format.h"

#define VG_EVTX_HEADER 4096
#define VG_EVTX_CHUNK 65536

int vg_evtx_probe(vg_str head, bool whole, vg_str filename);
/* Read the unit's records into events (doc/evtx.md).  Not VG_OK: the sink's error, VG_E_NOMEM, or
 * the input's. */
vg_rc vg_evtx_read(struct vg_reader *r) VG_MUST;

/* Write the unit's records as JSON, one object a line, or as XML, one <Event> a line.  @flush is called
 * whenever @out holds much, and at the end; it empties @out, and its error ends the writing.  The sink gets
 * notes only. */
typedef vg_rc vg_evtx_flush(void *ctx, struct vg_buf *b);
vg_rc vg_evtx_dump_json(struct vg_reader *r, struct vg_buf *out, vg_evtx_flush *flush, void *ctx) VG_MUST;
vg_rc vg_evtx_dump_xml(struct vg_reader *r, struct vg_buf *out, vg_evtx_flush *flush, void *ctx) VG_MUST;

#endif
