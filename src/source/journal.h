/* source/journal.h - the journal of systemd: its files (JOURNAL_FILE_FORMAT.md of systemd; regular and compact, values
 * compressed by zstd, lz4 or xz) and the export format (JOURNAL_EXPORT_FORMATS.md).  Fields have their
 * native names; added are hostname, program, pid and message, as of syslog.  A file's objects are walked
 * from its begin to its end, not along its chains, so that damage costs what is damaged and no loop is
 * possible. */
#ifndef VG_SOURCE_JOURNAL_H
#define VG_SOURCE_JOURNAL_H

#include "source/format.h"

#define VG_JOURNAL_BYTES_MAX ((size_t)256 << 20) /* of a file; journald begins another at 128 MiB */
#define VG_JOURNAL_VALUE_MAX ((size_t)1 << 20)   /* of one value; it is cut to that */
#define VG_JOURNAL_NAME_MAX 128                  /* journald takes 64 */
/* Entries share values.  So that a small file cannot be made to say terabytes: bytes of values given for each
 * byte of the file, over a grace. */
#define VG_JOURNAL_RATIO_MAX 200
#define VG_JOURNAL_GRACE_BYTES ((uint64_t)64 << 20)

int vg_journal_probe(vg_str head, bool whole, vg_str filename);
vg_rc vg_journal_read(struct vg_reader *r) VG_MUST;

#endif
