/* bench/fields.c - the cache of decoded fields of what `search make` made (bench/search.c): what it costs, takes, and gains.  bench/fields.py runs both.
 *
 *	fields make DIR PACKS...            DIR/day.vf; what each part takes on disk, as JSON
 *	fields print DIR N PACKS...         the fields of the first N lines, a line each, name and value; an empty line before each record
 *	fields ask DIR WITH SELECTION PACKS...   matches, seconds (the best of three) and what was skipped, as JSON; WITH: 1 with the cache, 0 without
 */
#define BENCH_NAME "fields"
#include "base/io.h"
#include "day.h"
#include "vault/disk.h"
#include "vault/fields.h"
#include "vault/opener.h"

#define CLOCK CLOCK_PROCESS_CPUTIME_ID /* all files are in the cache: on a quiet machine it is the time */

/* Compiled, and loaded into @keys. */
static struct vg_packs *
load_packs(char **path, size_t n, struct vg_keys *keys, uint8_t stamp[VG_FIELDS_STAMP])
{
	struct vg_pack_text *text = calloc(n + 1, sizeof(*text));
	struct vg_buf blob = { 0 };
	struct vg_packs *packs;

	for (size_t i = 0; i < n; i++)
		text[i] = (struct vg_pack_text){ vg_str_of(path[i]), slurp(path[i]) };
	must(vg_packs_compile(text, n, &blob, NULL, NULL), "packs");
	must(vg_packs_load(vg_buf_str(&blob), keys, &packs), "packs");
	vg_fields_stamp(vg_buf_str(&blob), 0, stamp);
	return packs;
}

/* ---- make ---- */

struct maker {
	int blocks, cache;
	struct vg_fields_builder *b;
	struct vg_buf out, stored, payload;
	struct vg_opener opener;
	uint64_t bytes, records, raw;
	double spent_s;
};

static void
finish_group(struct maker *m)
{
	double begin = seconds(CLOCK);

	vg_buf_clear(&m->out);
	must(vg_fields_finish(m->b, the_key, &m->out), "group");
	m->spent_s += seconds(CLOCK) - begin;
	must(vg_write_all(m->cache, vg_buf_str(&m->out)), "write");
	m->bytes += m->out.n;
}

/* The block at @at; bytes of it. */
static uint64_t
add_block(struct maker *m, uint64_t at)
{
	struct vg_file f = { .fd = m->blocks };
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	double begin;

	must(vg_file_read(&f, head, sizeof(head), at), "read");
	must(vg_block_head_take(vg_str_mem(head, sizeof(head)), &h), "head");
	vg_buf_clear(&m->stored);
	if (!vg_buf_reserve(&m->stored, h.stored))
		die("memory");
	must(vg_file_read(&f, m->stored.p, h.stored, at + VG_BLOCK_HEAD), "read");
	must(vg_opener_open(&m->opener, &f, at, &h, vg_str_mem(head, sizeof(head)), vg_str_mem(m->stored.p, h.stored), the_key, &m->payload), "open");
	begin = seconds(CLOCK);
	must(vg_fields_add(m->b, at, &h, vg_buf_str(&m->payload)), "add");
	m->spent_s += seconds(CLOCK) - begin;
	m->records += h.count;
	m->raw += h.payload;
	if (vg_fields_blocks(m->b) == VG_FIELDS_BLOCKS)
		finish_group(m);
	return VG_BLOCK_HEAD + h.stored;
}

/* Bytes of each kind of part, and how many there are of what, from the file. */
static void
count_parts(const char *dir, uint64_t *tables, uint64_t *parts, unsigned *classes, unsigned *names, unsigned *listed)
{
	struct vg_fields *f;

	*tables = *parts = 0;
	*classes = *names = *listed = 0;
	must(vg_fields_open(open_in(dir, "day.vf", O_RDONLY), key_of, NULL, &f), "open");
	for (size_t i = 0; i < f->ngroup; i++) {
		must(vg_fields_need(f, i), "tables");
		*tables += f->group[i].tables_stored;
		for (uint32_t k = 0; k < f->group[i].nblock; k++)
			*parts += f->group[i].row[k].part;
		*classes += f->group[i].nclass;
		*names += f->group[i].nname;
		for (uint32_t k = 0; k < f->group[i].nname; k++)
			*listed += f->group[i].name[k].listed;
	}
	vg_fields_close(f);
}

static void
make(const char *dir, char **pack, size_t npack)
{
	struct maker m = { .blocks = open_in(dir, "day.vs", O_RDONLY), .cache = open_in(dir, "day.vf", O_WRONLY | O_CREAT | O_TRUNC) };
	struct vg_keys *keys = vg_keys_new();
	uint8_t stamp[VG_FIELDS_STAMP];
	struct vg_packs *packs = load_packs(pack, npack, keys, stamp);
	uint64_t size = (uint64_t)lseek(m.blocks, 0, SEEK_END), tables, parts;
	unsigned classes, names, listed;

	if ((m.b = vg_fields_builder_new(packs, keys, 0, stamp)) == NULL)
		die("memory");
	for (uint64_t at = 0; at < size;)
		at += add_block(&m, at);
	if (vg_fields_blocks(m.b))
		finish_group(&m);
	count_parts(dir, &tables, &parts, &classes, &names, &listed);
	printf("{\"records\": %llu, \"raw\": %llu, \"segment\": %llu, \"cache\": %llu, \"tables\": %llu, \"parts\": %llu, \"classes\": %u, \"names\": %u, \"listed\": %u, \"seconds\": %.3f}\n",
	       (unsigned long long)m.records, (unsigned long long)m.raw, (unsigned long long)size, (unsigned long long)m.bytes, (unsigned long long)tables,
	       (unsigned long long)parts, classes, names, listed, m.spent_s);
}

/* ---- print ---- */

static vg_rc
print_event(void *ctx, struct vg_event *e)
{
	(void)ctx;
	for (uint32_t i = 0; i < e->nfield; i++) {
		printf("%.*s\t", VG_STR_ARG(e->field[i].name));
		for (size_t k = 0; k < e->field[i].value.n; k++)
			putchar(e->field[i].value.p[k] == '\n' ? ' ' : e->field[i].value.p[k]);
		putchar('\n');
	}
	return VG_OK;
}

static void
print(const char *dir, unsigned long n, char **pack, size_t npack)
{
	struct vg_keys *keys = vg_keys_new();
	uint8_t stamp[VG_FIELDS_STAMP];
	struct vg_packs *packs = load_packs(pack, npack, keys, stamp);
	char path[4096];
	struct vg_decoder d;
	vg_str all, line;

	snprintf(path, sizeof(path), "%s/lines", dir);
	all = slurp(path);
	vg_decoder_init(&d, packs, keys, 0);
	for (; n && vg_str_split(&all, '\n', &line); n--) {
		putchar('\n');
		must(vg_decoder_record(&d, line, INT64_C(1775203965) * VG_SEC, print_event, NULL), "decode");
	}
}

/* ---- ask ---- */

static void
ask(const char *dir, bool with, const char *selection, char **pack, size_t npack)
{
	struct vg_search_segment g = { open_in(dir, "day.vs", O_RDONLY), open_in(dir, "day.vi", O_RDONLY), with ? open_in(dir, "day.vf", O_RDONLY) : -1 };
	struct vg_keys *keys = vg_keys_new();
	struct vg_program p;
	uint8_t stamp[VG_FIELDS_STAMP];
	uint64_t n = 0;
	struct vg_search s = { .program = &p, .keys = keys, .fields_stamp = stamp, .segment = &g, .nsegment = 1, .from_ns = VG_TIME_NONE,
			       .to_ns = VG_TIME_NONE, .by_arrival = true };
	struct vg_search_result r;
	double best;

	day_selection(selection, keys, &p);
	s.packs = load_packs(pack, npack, keys, stamp);
	best = day_search(&s, CLOCK, &n, &r);
	if (r.stats.old_fields || r.stats.bad_fields)
		die("the cache is not that of these packs");
	printf("{\"matches\": %llu, \"seconds\": %.5f, \"blocks\": %llu, \"by_index\": %llu, \"by_fields\": %llu, \"by_scan\": %llu, \"decoded\": %llu, \"fields\": %llu}\n", (unsigned long long)n, best,
	       (unsigned long long)r.stats.blocks, (unsigned long long)r.stats.by_index, (unsigned long long)r.stats.by_fields, (unsigned long long)r.stats.by_scan,
	       (unsigned long long)r.stats.decoded, (unsigned long long)r.stats.fields_bytes);
}

int
main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "make") == 0)
		make(argv[2], argv + 3, (size_t)argc - 3);
	else if (argc > 4 && strcmp(argv[1], "print") == 0)
		print(argv[2], strtoul(argv[3], NULL, 10), argv + 4, (size_t)argc - 4);
	else if (argc > 5 && strcmp(argv[1], "ask") == 0)
		ask(argv[2], *argv[3] == '1', argv[4], argv + 5, (size_t)argc - 5);
	else {
		fprintf(stderr, "usage: fields make DIR PACK... | print DIR N PACK... | ask DIR 0|1 SELECTION PACK...\n");
		return 2;
	}
	return 0;
}
