/* test/scenario/vault_write.c - a journal for vault_read.py to read: N records into DIR, a batch every third.  Their text, times and
 * tenants follow from their numbers, and vault_read.py knows how. */
#include <stdio.h>
#include <stdlib.h>

#include "vault/intake.h"

int
main(int argc, char **argv)
{
	struct vg_intake_options o = { .first = 1, .file_bytes = 20000 };
	struct vg_intake_damage damage;
	struct vg_intake *j;
	struct vg_disk d;

	if (argc != 3 || vg_disk_open(&d, argv[1]) != VG_OK || vg_intake_open(&d, &o, &damage, &j) != VG_OK)
		return 2;
	for (int i = 1; i <= atoi(argv[2]); i++) {
		char text[64];
		uint64_t seq;
		int n = snprintf(text, sizeof(text), "record %d%*s", i, i % 20, "");

		if (vg_intake_add(j, (uint32_t)(i % 4), i * 1000, (uint32_t)(i % 7), vg_str_mem(text, (size_t)n), &seq) != VG_OK ||
		    (i % 3 == 0 && vg_intake_sync(j) != VG_OK))
			return 1;
	}
	if (vg_intake_sync(j) != VG_OK)
		return 1;
	vg_intake_free(j);
	vg_disk_close(&d);
	return 0;
}
