/* A folder's version: one that a later program wrote is refused with words, and left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/format.h"

static void
put(struct vg_disk *d, const char *text)
{
	assert_int_equal(vg_disk_replace(d, VG_FORMAT_FILE, vg_str_of(text)), VG_OK);
}

static void
versions_are_checked(void **state)
{
	static const struct {
		const char *text, *says;
		vg_rc rc;
	} row[] = {
		{ "vigie state 1 3012dbee\n", "", VG_OK },
		{ "vigie state 2 e8c02ffd\n", "", VG_OK }, /* known is 2 */
		{ "vigie state 3 05b96344\n", "of format 3, of a later Vigie; this one (" VIGIE_VERSION ") knows up to 2: install the one that wrote", VG_E_UNSUP },
		{ "vigie state 12345 de681a0d\n", "12345", VG_E_UNSUP },
		{ "vigie witness 1 7148ca34\n", "is the folder of a witness, not of a state", VG_E_REFUSED },
		{ "", "damaged", VG_E_FORMAT },
		{ "vigie state 0 e8c31b72\n", "damaged", VG_E_FORMAT },
		{ "vigie state 01 71e3e50b\n", "damaged", VG_E_FORMAT },
		{ "vigie state 1 3012dbee", "damaged", VG_E_FORMAT },
		{ "vigie state 1 3012dbee\n\n", "damaged", VG_E_FORMAT },
		{ "vigie state 1 3012dbee\nx", "damaged", VG_E_FORMAT },
		{ "vigie state 3 3012dbee\n", "damaged", VG_E_FORMAT },
		{ "vigie state 1\n", "damaged", VG_E_FORMAT },
		{ "vigie state 26fcde4c\n", "damaged", VG_E_FORMAT },
		{ "vigie state -1 40ab6e3f\n", "damaged", VG_E_FORMAT },
		{ "vigie state 99999999999999999999 63b6bbb2\n", "damaged", VG_E_FORMAT },
		{ "vigie state 1 3012dbee                                                                      \n", "damaged", VG_E_FORMAT },
		{ "vigie state 1 3012DBEE\n", "damaged", VG_E_FORMAT },
	};
	char path[] = "/tmp/vigie-format-XXXXXX", why[300];
	struct vg_disk d;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_format_check(&d, path, "state", 1, why), VG_OK); /* a folder of the first version has none */
	for (size_t i = 0; i < VG_COUNT(row); i++) {
		why[0] = 0;
		put(&d, row[i].text);
		assert_int_equal(vg_format_check(&d, path, "state", 2, why), row[i].rc);
		if (strstr(why, row[i].says) == NULL)
			fail_msg("%s: \"%s\" is not in it", why, row[i].says);
	}
	assert_int_equal(vg_format_write(&d, "state", 1), VG_OK); /* what is there stays */
	assert_int_equal(vg_format_check(&d, path, "state", 1, why), VG_E_FORMAT);
	assert_int_equal(vg_disk_remove(&d, VG_FORMAT_FILE), VG_OK);
	assert_int_equal(vg_format_write(&d, "state", 1), VG_OK);
	assert_int_equal(vg_format_check(&d, path, "state", 1, why), VG_OK);
	assert_int_equal(vg_disk_remove(&d, VG_FORMAT_FILE), VG_OK);
	vg_disk_close(&d);
	assert_int_equal(rmdir(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(versions_are_checked) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
