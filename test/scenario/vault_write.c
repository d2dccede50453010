/* test/scenario/vault_write.c - for vault_document.py to read: N records into a journal in DIR, a batch every third, and the same into four
 * blocks, DIR/blocks, each but the first one behind what is before it.  Their text, times and tenants follow from their numbers, and vault_document.py knows how. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "vault/block.h"
#include "vault/intake.h"

int
main(int argc, char **argv)
{
	struct vg_intake_options o = { .first = 1, .file_bytes = 20000 };
	struct vg_intake_damage damage;
	struct vg_intake *j;
	struct vg_block_writer w = { .head = { .count = 0 } };
	struct vg_buf blocks = { 0 }, raw = { 0 };
	char path[4096];
	struct vg_disk d;
	int fd, count = argc == 3 ? atoi(argv[2]) : 0;

	if (argc != 3 || vg_disk_open(&d, argv[1]) != VG_OK || vg_intake_open(&d, &o, &damage, &j) != VG_OK)
		return 2;
	vg_block_begin(&w);
	for (int i = 1; i <= count; i++) {
		char text[64];
		uint64_t seq;
		int n = snprintf(text, sizeof(text), "record %d%*s", i, i % 20, "");
		struct vg_record r = { .recv_ns = i * 1000, .source = (uint32_t)(i % 7), .flags = i % 5 == 0,
				       .id = vg_str_mem(text, (size_t)(i % 8)), .raw = vg_str_mem(text, (size_t)n) };

		if (vg_intake_add(j, (uint32_t)(i % 4), &r, &seq) != VG_OK ||
		    (i % 3 == 0 && vg_intake_sync(j) != VG_OK) ||
		    (r.seq = seq, vg_block_add(&w, &r) != VG_OK))
			return 1;
		if (i % (count / 4) == 0) {
			w.prefix = vg_buf_str(&raw);
			if (vg_block_finish(&w, NULL, 0, &blocks) != VG_OK)
				return 1;
			vg_buf_put(&raw, vg_buf_str(&w.raw));
			vg_block_begin(&w);
		}
	}
	snprintf(path, sizeof(path), "%s/blocks", argv[1]);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || vg_write_all(fd, vg_buf_str(&blocks)) != VG_OK)
		return 1;
	close(fd);
	vg_buf_fini(&blocks);
	vg_buf_fini(&raw);
	vg_block_writer_fini(&w);
	if (vg_intake_sync(j) != VG_OK)
		return 1;
	vg_intake_free(j);
	vg_disk_close(&d);
	return 0;
}
