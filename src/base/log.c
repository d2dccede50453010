#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"

void
vg_log(enum vg_log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "ERROR: ", "WARNING: ", "" };
	struct vg_buf out = { 0 };
	char text[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	vg_buf_puts(&out, "vigie: ");
	vg_buf_puts(&out, names[level]);
	vg_buf_safe(&out, vg_str_cut(vg_str_mem(text, (size_t)n), sizeof(text) - 1));
	vg_buf_putc(&out, '\n');
	if (out.rc == VG_OK && write(STDERR_FILENO, out.p, out.n) < 0)
		out.n = 0; /* nowhere left to say it */
	vg_buf_fini(&out);
}
