#include "base/rc.h"

static const char *const names[VG_E_MAX] = {
	[VG_OK] = "ok",
	[VG_E_TRUNC] = "truncated",
	[VG_E_FORMAT] = "bad format",
	[VG_E_LIMIT] = "over a limit",
	[VG_E_NOMEM] = "out of memory",
	[VG_E_SYS] = "system error",
	[VG_E_NOTFOUND] = "not found",
	[VG_E_UNSUP] = "not supported",
	[VG_E_REFUSED] = "refused",
	[VG_E_STOP] = "stopped",
};

const char *
vg_rc_name(vg_rc rc)
{
	return (unsigned)rc < VG_E_MAX ? names[rc] : "unknown error";
}
