/* test/scenario/witness_run.c - for witness.py: a small log, its publisher, and a restore.
 *   add VAULT TENANT TEXT BLOCKS EPOCH [recovery]   add blocks whose records say TEXT, and sign a checkpoint; seeds of keys: log 1, recovery 2
 *   serve VAULT [TOKEN [CERT KEY]]                  publish it; prints the port
 *   restore URL VAULT [WITNESS-KEY]                 vg_restore()
 *   key                                             print the log's and the recovery key */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "net/loop.h"
#include "vault/checkpoint.h"
#include "vault/note.h"
#include "vault/segment.h"
#include "witness/publish.h"
#include "witness/restore.h"

#define BLOCKS_A_SEGMENT 4
#define RECORDS 10

static void
need(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "witness_run: %s\n", what);
		exit(1);
	}
}

static struct vg_note_secret
secret(const char *name, uint8_t first)
{
	uint8_t seed[32] = { first };
	struct vg_note_secret s;

	need(vg_note_key_of_seed(vg_str_of(name), seed, &s) == VG_OK, name);
	return s;
}

static void
put(const char *folder, const char *name, vg_str bytes)
{
	char tmp[4200], path[4200];
	int fd;

	snprintf(tmp, sizeof(tmp), "%s/%s.tmp", folder, name);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	need(fd >= 0 && vg_write_all(fd, bytes) == VG_OK && close(fd) == 0 && rename(tmp, path) == 0, path);
}

static void
segment_of(uint64_t block, char out[VG_DISK_NAME_MAX])
{
	vg_segment_name(1700000000 * INT64_C(1000000000), (unsigned)(block / BLOCKS_A_SEGMENT), out);
}

/* The leaves that are there already. */
static void
read_log(struct vg_disk *d, struct vg_frontier *tree)
{
	for (;;) {
		char name[VG_DISK_NAME_MAX];
		struct vg_segment_damage damage;
		struct vg_segment *s;
		struct vg_buf b = { 0 };
		size_t n;
		vg_rc rc;

		segment_of(tree->n, name);
		if ((rc = vg_segment_open(d, name, 0, &damage, &s)) == VG_E_NOTFOUND)
			return;
		need(rc == VG_OK, name);
		n = vg_segment_count(s);
		for (size_t i = 0; i < n; i++) {
			struct vg_hash leaf;

			need(vg_segment_read(s, i, &b) == VG_OK, name);
			vg_block_leaf(vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD), &leaf);
			vg_frontier_add(tree, &leaf);
		}
		vg_buf_fini(&b);
		vg_segment_free(s);
		if (n < BLOCKS_A_SEGMENT)
			return;
	}
}

static void
add_block(struct vg_disk *d, struct vg_frontier *tree, const char *text)
{
	struct vg_block_writer w = { .head = { .count = 0 } };
	char name[VG_DISK_NAME_MAX];
	struct vg_segment_damage damage;
	struct vg_buf block = { 0 };
	struct vg_segment *s;
	struct vg_hash leaf;
	vg_rc rc;

	vg_block_begin(&w);
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct vg_record r = { .seq = tree->n * RECORDS + i + 1, .recv_ns = (int64_t)i, .raw = vg_str_of(text) };

		need(vg_block_add(&w, &r) == VG_OK, "record");
	}
	w.head.leaf = tree->n;
	need(vg_block_finish(&w, NULL, 0, &block) == VG_OK, "block");
	segment_of(tree->n, name);
	if ((rc = vg_segment_open(d, name, 0, &damage, &s)) == VG_E_NOTFOUND)
		rc = vg_segment_create(d, name, &s);
	need(rc == VG_OK && vg_segment_add(s, vg_buf_str(&block)) == VG_OK, name);
	vg_block_leaf(vg_str_cut(vg_buf_str(&block), VG_BLOCK_HEAD), &leaf);
	vg_frontier_add(tree, &leaf);
	vg_segment_free(s);
	vg_buf_fini(&block);
	vg_block_writer_fini(&w);
}

static int
add(int argc, char **argv)
{
	char folder[4096], keys[4200];
	struct vg_note_secret log = secret("vigie.test/log", 1), recovery = secret("recovery", 2);
	const struct vg_note_secret *both[] = { &log, &recovery };
	struct vg_checkpoint c = { .origin = "vigie.test/log" };
	struct vg_frontier tree = { .n = 0 };
	struct vg_buf b = { 0 }, note = { 0 };
	struct vg_disk d;

	need(argc >= 7, "arguments");
	snprintf(folder, sizeof(folder), "%s/%s", argv[2], argv[3]);
	snprintf(keys, sizeof(keys), "%s/keys", folder);
	(void)mkdir(folder, 0700);
	(void)mkdir(keys, 0700);
	need(vg_disk_open(&d, folder) == VG_OK, folder);
	read_log(&d, &tree);
	for (int i = 0; i < atoi(argv[5]); i++)
		add_block(&d, &tree, argv[4]);
	c.size = tree.n;
	c.seq = tree.n * RECORDS + 1;
	c.epoch = (uint64_t)atoll(argv[6]);
	c.time_ns = vg_clock_ns();
	vg_frontier_root(&tree, &c.root);
	vg_checkpoint_print(&c, &b);
	need(vg_note_sign(vg_buf_str(&b), both, argc > 7 ? 2 : 1, &note) == VG_OK, "note");
	put(folder, "checkpoint", vg_buf_str(&note));
	vg_buf_clear(&b);
	vg_note_key_print(&log.key, &b);
	vg_buf_putc(&b, '\n');
	put(folder, "log.pub", vg_buf_str(&b));
	put(keys, "2023-11-14.0001", VG_STR("a wrapped key\n"));
	put(folder, "log.key", VG_STR("a private key, which is never served\n"));
	printf("%llu\n", (unsigned long long)c.size);
	vg_buf_fini(&b);
	vg_buf_fini(&note);
	vg_disk_close(&d);
	return 0;
}

static char *
text_of(const char *path)
{
	char *p = calloc(1, 65536);
	FILE *f = path ? fopen(path, "r") : NULL;

	need(p && f && fread(p, 1, 65535, f) > 0, path ? path : "no file");
	fclose(f);
	return p;
}

static int
serve(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct vg_publish_options o = { .dir = open(argv[2], O_RDONLY | O_DIRECTORY), .token = argc > 3 && *argv[3] ? argv[3] : NULL };
	socklen_t n = sizeof(at);
	struct vg_publish *p;
	struct vg_loop *l;

	o.listen = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	need(o.dir >= 0 && bind(o.listen, (struct sockaddr *)&at, n) == 0 && listen(o.listen, 64) == 0 && getsockname(o.listen, (struct sockaddr *)&at, &n) == 0, "listen");
	if (argc > 5) {
		o.cert = text_of(argv[4]);
		o.key = text_of(argv[5]);
	}
	need(vg_loop_new(&l) == VG_OK && vg_publish_new(l, &o, &p) == VG_OK, "publish");
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	return vg_loop_run(l) == VG_OK ? 0 : 1;
}

static void
on_report(void *ctx, enum vg_report what, const char *tenant, const char *text)
{
	(void)ctx;
	printf("%d %s %s\n", (int)what, tenant ? tenant : "-", text);
}

static int
restore(int argc, char **argv)
{
	struct vg_restore_options o = { .url = argv[2], .vault = open(argv[3], O_RDONLY | O_DIRECTORY), .report = on_report };
	struct vg_note_key key;
	char why[VG_RESTORE_WHY] = "";
	size_t n;
	vg_rc rc;

	if (argc > 4) {
		need(vg_note_key_parse(vg_str_of(argv[4]), &key) == VG_OK, "key");
		o.witness = &key;
	}
	rc = vg_restore(&o, &n, why);
	printf("%s: %zu tenants: %s\n", vg_rc_name(rc), n, why);
	return rc != VG_OK;
}

static int
print_keys(void)
{
	struct vg_note_secret log = secret("vigie.test/log", 1), recovery = secret("recovery", 2);
	struct vg_buf b = { 0 };

	vg_note_key_print(&log.key, &b);
	vg_buf_putc(&b, '\n');
	vg_note_key_print(&recovery.key, &b);
	printf("%.*s\n", (int)b.n, b.p);
	vg_buf_fini(&b);
	return 0;
}

int
main(int argc, char **argv)
{
	need(argc >= 2, "what?");
	if (strcmp(argv[1], "key") == 0)
		return print_keys();
	need(argc >= 3, "what?");
	if (strcmp(argv[1], "add") == 0)
		return add(argc, argv);
	return strcmp(argv[1], "serve") == 0 ? serve(argc, argv) : restore(argc, argv);
}
