#include "source/formats.h"

#include "source/evtx.h"

/* In the order that a tie is decided in. */
const struct vg_format vg_formats[] = {
	{ "evtx", vg_evtx_probe, vg_evtx_read, VG_SPLIT_CHUNKS, "libevtx, EVTX; MS-EVEN6 for the binary XML" },
	{ "journal", vg_journal_probe, vg_journal_read, VG_SPLIT_NONE, "systemd: JOURNAL_FILE_FORMAT, JOURNAL_EXPORT_FORMATS" },
	{ "auditd", vg_auditd_probe, vg_auditd_read, VG_SPLIT_NONE, "linux/audit.h; audit-documentation: RFE specs" },
	{ "winxml", vg_winxml_probe, vg_winxml_read, VG_SPLIT_NONE, "MS-EVEN6 2.2.13" },
	{ "jsonl", vg_jsonl_probe, vg_jsonl_read, VG_SPLIT_LINES, "RFC 8259, one object a line" },
	{ "json", vg_json_probe, vg_json_read, VG_SPLIT_NONE, "RFC 8259" },
	{ "utmp", vg_utmp_probe, vg_utmp_read, VG_SPLIT_NONE, "utmp(5)" },
	{ "csv", vg_csv_probe, vg_csv_read, VG_SPLIT_NONE, "RFC 4180" },
	{ "syslog", vg_syslog_probe, vg_syslog_read, VG_SPLIT_LINES, "RFC 5424, RFC 3164" },
	{ NULL, NULL, NULL, VG_SPLIT_NONE, NULL },
};
