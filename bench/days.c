/* bench/days.c - a company's logs of many days as the watch would have kept them, a day at a time, so that bench/days.py can have several made at
 * once: each day in a folder of its own, and all under the same keys.
 *
 *	days keys DIR TENANT-KEY FIRST-DAY DAYS                        DIR/keys, a key a day
 *	days day DIR TENANT-KEY DAY EVENTS FIRST-SEQ FIRST-LEAF SECONDS [USER COUNT]...   DIR/YYYY-MM-DD.0000.vs and .vi; a block is cut when it is full, and
 *	                                                               every SECONDS, as a checkpoint does (0: never).  COUNT events are of USER,
 *	                                                               who has no others.  What was made, as JSON
 *	days count ...                                                 the same, and nothing is made: how many leaves it would be
 * Days count from 1970.  TENANT-KEY is the file of a state folder. */
#define BENCH_NAME "days"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "logs.h"
#include "tool.h"
#include "vault/opener.h"
#include "vault/store.h"
#include "vault/tokens.h"

#define ORIGIN "bench/days" /* no checkpoint is written, so nothing says it */
#define LEVEL 6             /* vault.compression */
#define SOURCES 60
#define USERS_MAX 8

struct planted {
	const char *user;
	uint64_t count, done;
};
struct day {
	struct vg_disk disk, keys_dir;
	struct vg_keyring *keys;
	const struct vg_day_key *key;
	struct vg_segment *segment;
	char name[VG_DISK_NAME_MAX];
	struct vg_block_writer block;
	struct vg_opener opener;
	bool any, count_only;
	uint64_t leaf, leaves, at; /* of the next block: which leaf, how many before it, its place in the segment */
	struct vg_tokens_builder *builder;
	struct vg_buf out, bytes;
	uint64_t raw;
	int64_t cut_every_ns; /* 0: only full blocks */
};

/* The whole set is made again when the power fails. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static void
read_key(const char *path, uint8_t out[32])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, out, 32) != 32)
		must(VG_E_SYS, path);
	close(fd);
}

/* ---- the index, as role/vault_index.c has it ---- */

static void
finish_group(struct day *d)
{
	char name[VG_DISK_NAME_MAX];
	int fd;

	if (vg_tokens_blocks(d->builder) == 0)
		return;
	vg_buf_clear(&d->out);
	must(vg_tokens_finish(d->builder, d->key->key, &d->out), "index");
	snprintf(name, sizeof(name), "%.*s" VG_TOKENS_SUFFIX, (int)strlen(d->name) - (int)strlen(VG_SEGMENT_SUFFIX), d->name);
	if ((fd = openat(d->disk.dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0 || vg_write_all(fd, vg_buf_str(&d->out)) != VG_OK)
		must(VG_E_SYS, name);
	close(fd);
}

static void
cut(struct day *d)
{
	if (!d->any)
		return;
	d->any = false;
	d->leaves++;
	d->block.head.leaf = d->leaf++;
	if (d->count_only)
		return;
	vg_buf_clear(&d->bytes);
	must(vg_opener_prefix(&d->opener, vg_segment_file(d->segment), d->at, d->key->number, d->key->key, 8, &d->block.prefix), "prefix"); /* as vault/store.c */
	must(vg_block_finish(&d->block, d->key->key, d->key->number, &d->bytes), "block");
	must(vg_segment_add(d->segment, vg_buf_str(&d->bytes)), "segment");
	must(vg_tokens_add(d->builder, d->at, &d->block.head, vg_buf_str(&d->block.payload)), "index");
	d->at += d->bytes.n;
	if (vg_tokens_blocks(d->builder) == VG_TOKENS_BLOCKS)
		finish_group(d);
}

static void
add(struct day *d, const struct vg_record *r)
{
	if (d->any && vg_block_is_full(&d->block))
		cut(d);
	if (!d->any)
		vg_block_begin(&d->block);
	must(vg_block_add(&d->block, r), "record");
	d->any = true;
}

/* ---- a day ---- */

/* The line of event @i of @n: one of a planted user where it is time for one. */
static void
next_line(struct bench_logs *l, struct planted *p, size_t nplanted, uint64_t i, uint64_t n, int64_t step_ns, struct vg_buf *line)
{
	vg_buf_clear(line);
	for (size_t k = 0; k < nplanted; k++)
		if (p[k].done < p[k].count && i >= (2 * p[k].done + 1) * n / (2 * p[k].count)) {
			p[k].done++;
			bench_logs_of(l, p[k].user, line);
			l->time_ns += step_ns;
			return;
		}
	bench_logs_next(l, step_ns, line);
}

static void
fill(struct day *d, uint32_t day, uint64_t n, uint64_t seq, struct planted *p, size_t nplanted)
{
	int64_t begin_ns = (int64_t)day * VG_DAY, cut_ns = begin_ns, step_ns = (VG_DAY - VG_MIN) / (int64_t)n;
	struct vg_buf line = { 0 };
	struct bench_logs l;

	bench_logs_init(&l, begin_ns);
	l.state ^= (uint64_t)day * 0xff51afd7ed558ccdu; /* each day is another */
	for (size_t i = 0; i < VG_COUNT(l.record); i++) /* their logs go on: a record with a known number would be a resent one */
		l.record[i] = day * 50000;
	for (uint64_t i = 0; i < n; i++) {
		struct vg_record r = { .seq = seq + i, .recv_ns = l.time_ns + 3000000 + (int64_t)(l.state % 2000000), .source = 1 + (uint32_t)(l.state >> 20) % SOURCES };

		if (d->cut_every_ns && r.recv_ns - cut_ns >= d->cut_every_ns) {
			cut(d);
			cut_ns = r.recv_ns;
		}
		next_line(&l, p, nplanted, i, n, step_ns, &line);
		must(line.rc, "memory");
		r.raw = vg_buf_str(&line);
		d->raw += line.n;
		add(d, &r);
	}
	cut(d);
	if (!d->count_only)
		finish_group(d);
	for (size_t k = 0; k < nplanted; k++)
		if (p[k].done != p[k].count)
			must(VG_E_LIMIT, p[k].user);
	vg_buf_fini(&line);
}

static void
open_day(struct day *d, char **argv)
{
	uint32_t day = (uint32_t)atoi(argv[4]);
	char bad[VG_DISK_NAME_MAX];
	uint8_t key[32];

	read_key(argv[3], key);
	must(vg_disk_open(&d->disk, argv[2]), argv[2]);
	must(vg_disk_folder(&d->disk, "keys", &d->keys_dir), "keys");
	must(vg_keyring_open(&d->keys_dir, key, bad, &d->keys), "keys");
	must(vg_keyring_of_day(d->keys, day, 0, &d->key), "key");
	vg_segment_name((int64_t)day * VG_DAY, 0, d->name);
	must(vg_segment_create(&d->disk, d->name, &d->segment), d->name);
	if ((d->builder = vg_tokens_builder_new()) == NULL)
		must(VG_E_NOMEM, "index");
	d->block.level = LEVEL;
}

static int
make_day(int argc, char **argv)
{
	struct day d = { .disk.dir = -1, .keys_dir.dir = -1, .count_only = strcmp(argv[1], "count") == 0 };
	struct planted p[USERS_MAX];
	size_t nplanted = 0;

	for (int i = 9; i + 1 < argc && nplanted < USERS_MAX; i += 2)
		p[nplanted++] = (struct planted){ argv[i], strtoull(argv[i + 1], NULL, 10), 0 };
	if (!d.count_only)
		open_day(&d, argv);
	d.leaf = strtoull(argv[7], NULL, 10);
	d.cut_every_ns = atoi(argv[8]) * VG_SEC;
	fill(&d, (uint32_t)atoi(argv[4]), strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10), p, nplanted);
	if (d.count_only)
		printf("%llu\n", (unsigned long long)d.leaves);
	else
		printf("{\"events\": %s, \"raw\": %llu, \"segments\": 1, \"stored\": %llu, \"leaves\": %llu}\n", argv[5], (unsigned long long)d.raw, (unsigned long long)d.at,
		       (unsigned long long)d.leaves);
	vg_segment_free(d.segment);
	vg_keyring_free(d.keys);
	vg_block_writer_fini(&d.block);
	vg_tokens_builder_free(d.builder);
	vg_buf_fini(&d.out);
	vg_buf_fini(&d.bytes);
	vg_disk_close(&d.keys_dir);
	vg_disk_close(&d.disk);
	return 0;
}

static int
make_keys(char **argv)
{
	uint32_t first = (uint32_t)atoi(argv[4]), n = (uint32_t)atoi(argv[5]);
	const struct vg_day_key *key;
	struct vg_store_damage damage;
	struct vg_store *s;
	struct vg_disk disk;
	uint8_t tenant[32];

	read_key(argv[3], tenant);
	must(vg_disk_open(&disk, argv[2]), argv[2]);
	must(vg_store_open(&disk, ORIGIN, tenant, &damage, &s), "store");
	for (uint32_t i = 0; i < n; i++)
		must(vg_keyring_of_day(vg_store_keys(s), first + i, 0, &key), "key");
	vg_store_free(s);
	vg_disk_close(&disk);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "keys") == 0)
		return make_keys(argv);
	if (argc >= 9 && argc % 2 == 1 && (strcmp(argv[1], "day") == 0 || strcmp(argv[1], "count") == 0))
		return make_day(argc, argv);
	fprintf(stderr, "usage: days keys DIR TENANT-KEY FIRST-DAY DAYS | day|count DIR TENANT-KEY DAY EVENTS FIRST-SEQ FIRST-LEAF SECONDS [USER COUNT]...\n");
	return 2;
}
