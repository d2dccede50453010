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

/* Single lines, as they come from the network. */
enum vg_syslog_field {
	VG_SYSLOG_HOST, VG_SYSLOG_PROGRAM, VG_SYSLOG_PID, VG_SYSLOG_FACILITY, VG_SYSLOG_SEVERITY, VG_SYSLOG_MSGID, VG_SYSLOG_REPEAT,
	VG_SYSLOG_MESSAGE, VG_SYSLOG_FIELDS
};
/* What a line without year or zone is read with. */
struct vg_syslog_guess {
	int64_t latest_ns; /* no time without a year is after it; VG_TIME_NONE: unknown */
	int64_t latest_day;
	int latest_year;
	int zone_s;
	bool openvpn; /* the file's name says so */
};
struct vg_syslog {
	struct vg_syslog_guess guess;
	uint32_t key[VG_SYSLOG_FIELDS]; /* looked up once */
};
/* As the reader's ref_ns, zone_s and name. */
void vg_syslog_init(struct vg_syslog *s, const struct vg_keys *keys, int64_t ref_ns, int zone_s, vg_str name);
/* @line, without its end, into @e, which is empty; what has no year is near to @ref_ns.  VG_E_FORMAT: no header, @e is as it was.
 * VG_E_NOMEM. */
vg_rc vg_syslog_event(struct vg_syslog *s, vg_str line, int64_t ref_ns, struct vg_event *e) VG_MUST;
/* The @i-th text that stands in a field though not in the line, which has a number for it; { NULL, 0 } behind the last. */
vg_str vg_syslog_made(size_t i);

#endif
