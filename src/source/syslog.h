/* source/syslog.h - lines of syslog files: RFC 3164 and its relatives (a month and a day, or an ISO time as rsyslog
 * writes since Debian 12), RFC 5424 with structured data, an optional <PRI>, ESXi's severity for the host,
 * and the logs that OpenVPN writes by itself.  Fields: hostname, program, pid, facility, severity, msgid,
 * sd.<id>.<name>, repeat.count, message. */
#ifndef VG_SOURCE_SYSLOG_H
#define VG_SOURCE_SYSLOG_H

#include "source/format.h"

#define VG_SYSLOG_SD_MAX 256 /* parameters of structured data in one line; more stay in the message */

int vg_syslog_probe(vg_str head, bool whole, vg_str filename);
/* Not VG_OK: the sink's error, VG_E_NOMEM, or the input's.  Lines without a header are counted into one note. */
vg_rc vg_syslog_read(struct vg_reader *r) VG_MUST;

#endif
