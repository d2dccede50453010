/* bench/verify.c - how fast evidence is verified: verify [MEGABYTES [DIR]].  It makes a tenant's folder of so many megabytes of syslog lines, and looks
 * through it with a warm page cache, on one core: without a key, and with every block opened.
 *	verify small [MINUTES [LEVEL]]: how well a company's lines pack that come at some rates, when a block is cut every ten seconds: each block alone, and as
 * the store writes them, behind the beginning of their segment; and what opening them all takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "logs.h"
#include "net/loop.h"
#include "vault/store.h"
#include "vault/verify.h"

static uint64_t
fill(struct vg_store *s, uint64_t want_bytes)
{
	uint64_t bytes = 0;

	for (uint64_t seq = 1; bytes < want_bytes; seq++) {
		uint32_t r = (uint32_t)(seq * 2654435761u);
		char text[256];
		int n = snprintf(text, sizeof(text), "<38>Apr  3 08:%02u:%02u srv%u sshd[%u]: %s for user%u from 10.0.%u.%u port %u ssh2: ED25519 SHA256:%08x%08x",
				 (unsigned)(seq / 60000 % 60), (unsigned)(seq / 1000 % 60), r >> 4 & 15, r & 32767, r & 512 ? "Accepted publickey" : "Failed password", r >> 8 & 127,
				 r >> 12 & 255, r >> 20 & 255, 1024 + (r >> 3 & 32767), r, r * 2246822519u);

		if (vg_store_add(s, &(struct vg_record){ .seq = seq, .recv_ns = INT64_C(1775203200000000000) + (int64_t)seq * 10000, .source = 1 + r % 5,
							 .raw = vg_str_mem(text, (size_t)n) }) != VG_OK)
			exit(1);
		bytes += (uint64_t)n;
	}
	if (vg_store_cut(s) != VG_OK)
		exit(1);
	return bytes;
}

static void
found(void *ctx, const struct vg_finding *f)
{
	(void)ctx;
	printf("%s: %s\n", f->file, f->what);
}

/* ---- small blocks ---- */

struct alone { /* what blocks would be without a prefix */
	uint64_t blocks, bytes;
	int level;
	struct vg_buf out;
};

static void
on_block(void *ctx, const struct vg_store_segment *g, const struct vg_segment_block *b, vg_str payload, const uint8_t *key)
{
	struct alone *a = ctx;

	(void)g;
	(void)key;
	vg_buf_clear(&a->out);
	if (!vg_buf_reserve(&a->out, ZSTD_compressBound(payload.n)))
		exit(1);
	a->bytes += VG_BLOCK_HEAD + 16 + ZSTD_compress(a->out.p, ZSTD_compressBound(payload.n), payload.p, payload.n, a->level);
	a->blocks += b->head.count > 0;
}

static void
small_blocks(unsigned rate, unsigned minutes, int level)
{
	static const uint8_t tenant[32] = { 7 };
	char folder[] = "/tmp/bench-verify-XXXXXX", command[64];
	struct alone alone = { .level = level };
	struct vg_buf line = { 0 };
	struct vg_store_damage damage;
	struct bench_logs logs;
	struct vg_verified v;
	struct vg_store *s;
	struct vg_disk d;
	uint64_t raw = 0, stored = 0;
	int64_t began;

	if (mkdtemp(folder) == NULL || vg_disk_open(&d, folder) != VG_OK || vg_store_open(&d, "bench/verify", tenant, &damage, &s) != VG_OK)
		exit(1);
	vg_store_set_level(s, level);
	vg_store_on_block(s, on_block, &alone);
	bench_logs_init(&logs, INT64_C(1775203200000000000));
	for (uint64_t seq = 1; seq <= (uint64_t)rate * minutes * 60; seq++) {
		struct vg_record r = { .seq = seq, .recv_ns = logs.time_ns, .source = 1 + (uint32_t)(logs.state >> 20) % 60 };

		vg_buf_clear(&line);
		bench_logs_next(&logs, VG_SEC / rate, &line);
		r.raw = vg_buf_str(&line);
		raw += line.n;
		if (vg_store_add(s, &r) != VG_OK || (seq % (10 * (uint64_t)rate) == 0 && vg_store_cut(s) != VG_OK))
			exit(1);
	}
	for (size_t i = 0; i < vg_store_segments(s); i++)
		stored += vg_store_segment(s, i)->bytes;
	vg_store_free(s);
	began = vg_monotonic_ns();
	if (vg_verify_tenant(d.dir, &(struct vg_verify_options){ .deep = true, .tenant_key = tenant, .found = found }, &v) != VG_OK || v.opened != alone.blocks)
		exit(1);
	printf("%4u events/s: a block has %4.0f KB; alone they pack %.2f:1, as they are written %.2f:1; %.1f ms to open one and check it\n", rate, (double)raw / 1e3 / (double)alone.blocks,
	       (double)raw / (double)alone.bytes, (double)raw / (double)stored, (double)(vg_monotonic_ns() - began) / 1e6 / (double)alone.blocks);
	vg_verified_fini(&v);
	vg_disk_close(&d);
	vg_buf_fini(&line);
	vg_buf_fini(&alone.out);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	(void)!system(command);
}

static int
many(int argc, char **argv)
{
	uint64_t megabytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000, raw;
	char made[] = "/tmp/bench-verify-XXXXXX";
	const char *folder = argc > 2 ? argv[2] : mkdtemp(made);
	static const uint8_t tenant[32] = { 7 };
	struct vg_store_damage damage;
	struct vg_store *s;
	struct vg_disk d;

	if (folder == NULL || vg_disk_open(&d, folder) != VG_OK || vg_store_open(&d, "bench/verify", tenant, &damage, &s) != VG_OK) {
		fprintf(stderr, "verify: %s: no store can be made in it: give a folder that is empty\n", folder ? folder : made);
		return 1;
	}
	raw = fill(s, megabytes * 1000000);
	vg_store_free(s);
	for (int deep = 0; deep < 2; deep++) {
		struct vg_verify_options o = { .deep = deep, .tenant_key = tenant, .found = found };
		struct vg_verified v;
		int64_t began = vg_monotonic_ns();
		double took_s;

		if (vg_verify_tenant(d.dir, &o, &v) != VG_OK)
			return 1;
		took_s = (double)(vg_monotonic_ns() - began) / 1e9;
		printf("%-10s %6.0f MB raw, %4.0f MB stored in %6.2f s: %7.0f MB raw/s, %5.0f MB stored/s, %llu damages\n", deep ? "deep" : "verify", (double)raw / 1e6,
		       (double)v.stored_bytes / 1e6, took_s, (double)raw / took_s / 1e6, (double)v.stored_bytes / took_s / 1e6, (unsigned long long)v.damages);
		vg_verified_fini(&v);
	}
	vg_disk_close(&d);
	printf("the folder %s stays\n", folder);
	return 0;
}

int
main(int argc, char **argv)
{
	static const unsigned rates[] = { 2, 6, 20, 50, 200 };

	if (argc < 2 || strcmp(argv[1], "small") != 0)
		return many(argc, argv);
	for (size_t i = 0; i < VG_COUNT(rates); i++)
		small_blocks(rates[i], argc > 2 ? (unsigned)atoi(argv[2]) : 30, argc > 3 ? atoi(argv[3]) : 6);
	return 0;
}
