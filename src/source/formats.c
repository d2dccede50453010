#include "source/formats.h"

#include "source/evtx.h"

/* In the order that a tie is decided in. */
const struct vg_format vg_formats[] = {
	{ "evtx", vg_evtx_probe, vg_evtx_read, VG_SPLIT_CHUNKS, "libevtx, EVTX; MS-EVEN6 for the binary XML" },
	{ "auditd", vg_auditd_probe, vg_auditd_read, VG_SPLIT_NONE, "linux/audit.h; audit-documentation: RFE specs" },
	{ "syslog", vg_syslog_probe, vg_syslog_read, VG_SPLIT_LINES, "RFC 5424, RFC 3164" },
	{ NULL, NULL, NULL, VG_SPLIT_NONE, NULL },
};
