/* source/auditd.h - audit.log of Linux: the records of one event, which share time and serial number, are joined to
 * one event with a `type` for each.  Native names; what the kernel wrote in hexadecimal is decoded, as are the
 * enriched part (upper-case names) and the user-space part (msg='...').  Added: execve, the arguments
 * joined; SYSCALL, the call's name, where the record has its number only; laddr and lport from saddr. */
#ifndef VG_SOURCE_AUDITD_H
#define VG_SOURCE_AUDITD_H

#include "source/format.h"

#define VG_AUDITD_RECORDS_MAX 64             /* records joined to one event */
#define VG_AUDITD_OPEN_MAX 32                /* events that wait for more records; then the oldest is given */
#define VG_AUDITD_EVENT_BYTES_MAX ((size_t)1 << 20) /* of one event's records; more begin another event */

int vg_auditd_probe(vg_str head, bool whole, vg_str filename);
vg_rc vg_auditd_read(struct vg_reader *r) VG_MUST;

#endif
