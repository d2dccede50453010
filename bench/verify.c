/* bench/verify.c - how fast evidence is verified: verify [MEGABYTES [DIR]].  It makes a tenant's folder of so many megabytes of syslog lines, and looks
 * through it with a warm page cache, on one core: without a key, and with every block opened. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

int
main(int argc, char **argv)
{
	uint64_t megabytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000, raw;
	char made[] = "/tmp/bench-verify-XXXXXX";
	const char *folder = argc > 2 ? argv[2] : mkdtemp(made);
	static const uint8_t tenant[32] = { 7 };
	struct vg_store_damage damage;
	struct vg_store *s;
	struct vg_disk d;

	if (folder == NULL || vg_disk_open(&d, folder) != VG_OK || vg_store_open(&d, "bench/verify", tenant, &damage, &s) != VG_OK)
		return 1;
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
