/* load.h - settings from a text, and the problems that were told, one a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/ip.h"
#include "base/time.h"
#include "rule/program.h"
#include "settings/table.h"

static struct vg_settings got;
static struct vg_buf told;
static struct vg_settings_problem last;

static void
tell(void *ctx, const struct vg_settings_problem *p)
{
	(void)ctx;
	last = *p;
	last.key = last.text = NULL;
	vg_buf_puts(&told, p->text);
	vg_buf_putc(&told, '\n');
}

static vg_rc
load(const char *text)
{
	vg_settings_fini(&got);
	vg_buf_clear(&told);
	return vg_settings_load(vg_str_of(text), "vigie.yaml", NULL, tell, NULL, &got);
}

static const char *
told_text(void)
{
	vg_buf_putc(&told, '\0');
	assert_int_equal(told.rc, VG_OK);
	told.n--;
	return told.p;
}

static void
assert_str(vg_str s, const char *want)
{
	assert_true(vg_str_eq(s, vg_str_of(want)));
}
