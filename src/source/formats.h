/* source/formats.h - the readers that vg_formats[] lists. */
#ifndef VG_SOURCE_FORMATS_H
#define VG_SOURCE_FORMATS_H

#include "source/format.h"
#include "source/auditd.h"
#include "source/syslog.h"

#endif
