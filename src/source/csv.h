/* source/csv.h - tables with a line of names (RFC 4180): separated by comma, semicolon, tab or bar, cells in
 * quotes with line ends in them; "#TYPE" and "sep=" lines of PowerShell and Excel before the names.  Columns of
 * known exports (Get-WinEvent | Export-Csv, EvtxECmd, event viewer) are brought to native names by source/shape.h. */
#ifndef VG_SOURCE_CSV_H
#define VG_SOURCE_CSV_H

#include "source/format.h"

#define VG_CSV_COLUMNS_MAX 1024
#define VG_CSV_RECORD_MAX VG_LINE_MAX /* bytes of one record, its line ends included */

int vg_csv_probe(vg_str head, bool whole, vg_str filename);
vg_rc vg_csv_read(struct vg_reader *r) VG_MUST;

#endif
