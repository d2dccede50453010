#include "source/formats.h"

/* In the order that a tie is decided in. */
const struct vg_format vg_formats[] = {
	{ "syslog", vg_syslog_probe, vg_syslog_read, VG_SPLIT_LINES, "RFC 5424, RFC 3164" },
	{ NULL, NULL, NULL, VG_SPLIT_NONE, NULL },
};
