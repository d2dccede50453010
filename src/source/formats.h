/* source/formats.h - the readers that vg_formats[] lists. */
#ifndef VG_SOURCE_FORMATS_H
#define VG_SOURCE_FORMATS_H

#include "source/auditd.h"
#include "source/csv.h"
#include "source/format.h"
#include "source/json.h"
#include "source/journal.h"
#include "source/syslog.h"
#include "source/utmp.h"
#include "source/winxml.h"

#endif
