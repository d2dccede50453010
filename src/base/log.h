/* base/log.h - one line for a person on standard error: "vigie: WARNING: text".  What came from outside
 * passes through vg_buf_safe, so that no escape sequence reaches the terminal. */
#ifndef VG_BASE_LOG_H
#define VG_BASE_LOG_H

#include "base/rc.h"

enum vg_log_level { VG_LOG_ERROR, VG_LOG_WARNING, VG_LOG_INFO };

void vg_log(enum vg_log_level level, const char *fmt, ...) VG_PRINTF(2, 3);

#endif
