/* What tells a later version from damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/magic.h"

static void
later_is_told_from_other(void **state)
{
	static const struct {
		vg_str bytes, magic;
		vg_rc rc;
	} row[] = {
		{ VG_STR_INIT("VGTAIL1\n and more"), VG_STR_INIT("VGTAIL1\n"), VG_OK },
		{ VG_STR_INIT("VGTAIL2\n and more"), VG_STR_INIT("VGTAIL1\n"), VG_E_UNSUP },
		{ VG_STR_INIT("VGTAIL9\n"), VG_STR_INIT("VGTAIL1\n"), VG_E_UNSUP },
		{ VG_STR_INIT("VGTAIL0\n"), VG_STR_INIT("VGTAIL1\n"), VG_E_FORMAT },
		{ VG_STR_INIT("VGTAIL2\r"), VG_STR_INIT("VGTAIL1\n"), VG_E_FORMAT },
		{ VG_STR_INIT("VGTAIL:\n"), VG_STR_INIT("VGTAIL1\n"), VG_E_FORMAT },
		{ VG_STR_INIT("VGTOIL2\n"), VG_STR_INIT("VGTAIL1\n"), VG_E_FORMAT },
		{ VG_STR_INIT("VGTAI"), VG_STR_INIT("VGTAIL1\n"), VG_E_TRUNC },
		{ VG_STR_INIT(""), VG_STR_INIT("VGTAIL1\n"), VG_E_TRUNC },
		{ VG_STR_INIT("VGX"), VG_STR_INIT("VGTAIL1\n"), VG_E_FORMAT },
		{ VG_STR_INIT("VGINDX10"), VG_STR_INIT("VGINDX02"), VG_E_UNSUP },
		{ VG_STR_INIT("VGINDX01"), VG_STR_INIT("VGINDX02"), VG_E_FORMAT },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++)
		assert_int_equal(vg_magic_check(row[i].bytes, row[i].magic), row[i].rc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(later_is_told_from_other) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
