/* bench/search.c - a vault of company logs, and how fast it is searched; bench/search.py asks ClickHouse the same in the same run.
 *
 *	search make DIR MEGABYTES|FILE [LEVEL]    DIR/lines, DIR/rows.tsv (arrival, source, line), DIR/day.vs, DIR/day.vi; what each part takes on disk, as
 *	                                          JSON.  So many megabytes of lines of our own, or those of FILE
 *	search ask DIR SELECTION     matches, seconds (the best of three) and what was skipped, as JSON
 *	search decode DIR PACKS...   how many lines a second become events, with these packs
 */
#define BENCH_NAME "search"
#include "base/io.h"
#include "day.h"
#include "logs.h"
#include "source/decode.h"

#define CLOCK CLOCK_MONOTONIC
#define BASE_NS (INT64_C(1775203965) * VG_SEC)
#define STEP_NS 150000000

/* ---- make ---- */

struct maker {
	int lines, rows, blocks, index;
	struct vg_block_writer w;
	struct vg_tokens_builder *t;
	struct vg_buf text, row, out, payload, group;
	struct vg_block_opener opener;
	uint64_t at, raw, columns, index_bytes, nblock, seq;
	double pack_s, index_s;
};

static void
finish_group(struct maker *m)
{
	double begin = seconds(CLOCK);

	vg_buf_clear(&m->group);
	must(vg_tokens_finish(m->t, the_key, &m->group), "index");
	must(vg_write_all(m->index, vg_buf_str(&m->group)), "write");
	m->index_bytes += m->group.n;
	m->index_s += seconds(CLOCK) - begin;
}

static void
finish_block(struct maker *m)
{
	struct vg_block_head h;
	vg_str head;
	double begin = seconds(CLOCK);

	vg_buf_clear(&m->out);
	for (int i = 0; i < VG_COLUMNS; i++)
		m->columns += m->w.column[i].n;
	must(vg_block_finish(&m->w, the_key, 1, &m->out), "block");
	m->pack_s += seconds(CLOCK) - begin;
	must(vg_write_all(m->blocks, vg_buf_str(&m->out)), "write");
	head = vg_str_cut(vg_buf_str(&m->out), VG_BLOCK_HEAD);
	must(vg_block_head_take(head, &h), "head");
	must(vg_block_opener_open(&m->opener, &h, head, vg_str_skip(vg_buf_str(&m->out), VG_BLOCK_HEAD), the_key, &m->payload), "open");
	begin = seconds(CLOCK);
	must(vg_tokens_add(m->t, m->at, &h, vg_buf_str(&m->payload)), "index");
	m->index_s += seconds(CLOCK) - begin;
	m->at += m->out.n;
	m->nblock++;
	if (vg_tokens_blocks(m->t) == VG_TOKENS_BLOCKS)
		finish_group(m);
	vg_block_begin(&m->w);
}

/* As ClickHouse's TabSeparated has it. */
static void
put_row(struct vg_buf *b, const struct vg_record *r)
{
	vg_buf_printf(b, "%lld.%09lld\t%u\t", (long long)(r->recv_ns / VG_SEC), (long long)(r->recv_ns % VG_SEC), r->source);
	for (size_t i = 0; i < r->raw.n; i++) {
		if (r->raw.p[i] == '\\')
			vg_buf_putc(b, '\\');
		vg_buf_putc(b, r->raw.p[i]);
	}
	vg_buf_putc(b, '\n');
}

static void
write_out(int fd, struct vg_buf *b)
{
	must(b->rc, "memory");
	must(vg_write_all(fd, vg_buf_str(b)), "write");
	vg_buf_clear(b);
}

/* Where lines come from. */
struct lines {
	struct bench_logs l;
	uint64_t plain, left; /* bytes that are still wanted */
	vg_str file;          /* NULL: of our own */
};

static bool
next_line(struct lines *x, struct vg_buf *line)
{
	vg_str s = VG_NIL;

	vg_buf_clear(line);
	if (x->file.p) {
		while (s.n == 0)
			if (!vg_str_split(&x->file, '\n', &s))
				return false;
		vg_buf_put(line, s.p[s.n - 1] == '\r' ? vg_str_cut(s, s.n - 1) : s);
		x->l.time_ns += STEP_NS;
		x->l.state += UINT64_C(0x9e3779b97f4a7c15);
		return true;
	}
	if (x->left == 0)
		return false;
	bench_logs_next(&x->l, STEP_NS, line);
	if (line->p[line->n - 1] != '}' && ++x->plain % 80 == 50)
		vg_buf_puts(line, " quarantined");
	if (line->p[line->n - 1] != '}' && x->plain % 200000 == 1000)
		vg_buf_puts(line, " needle42");
	x->left -= line->n < x->left ? line->n : x->left;
	return true;
}

static void
make(const char *dir, struct lines *from, int level)
{
	struct maker m = { .lines = open_in(dir, "lines", O_WRONLY | O_CREAT | O_TRUNC), .rows = open_in(dir, "rows.tsv", O_WRONLY | O_CREAT | O_TRUNC),
			   .blocks = open_in(dir, "day.vs", O_WRONLY | O_CREAT | O_TRUNC),
			   .index = open_in(dir, "day.vi", O_WRONLY | O_CREAT | O_TRUNC), .t = vg_tokens_builder_new() };
	struct vg_buf line = { 0 };

	if (m.t == NULL)
		die("memory");
	bench_logs_init(&from->l, BASE_NS);
	m.w.level = level;
	vg_block_begin(&m.w);
	while (next_line(from, &line)) {
		struct vg_record r = { .recv_ns = from->l.time_ns + 3000000 + (int64_t)(from->l.state % 2000000) };

		r.seq = ++m.seq;
		r.source = 1 + (uint32_t)(from->l.state % 60);
		r.raw = vg_buf_str(&line);
		must(vg_block_add(&m.w, &r), "record");
		put_row(&m.row, &r);
		m.raw += line.n;
		vg_buf_put(&m.text, vg_buf_str(&line));
		vg_buf_putc(&m.text, '\n');
		if (vg_block_is_full(&m.w)) {
			write_out(m.lines, &m.text);
			write_out(m.rows, &m.row);
			finish_block(&m);
		}
	}
	write_out(m.lines, &m.text);
	write_out(m.rows, &m.row);
	if (m.w.head.count)
		finish_block(&m);
	if (vg_tokens_blocks(m.t))
		finish_group(&m);
	printf("{\"raw\": %llu, \"lines\": %llu, \"blocks\": %llu, \"blocks_bytes\": %llu, \"heads_bytes\": %llu, \"columns_raw\": %llu, \"index_bytes\": %llu, \"pack_s\": %.3f, \"index_s\": %.3f}\n",
	       (unsigned long long)m.raw, (unsigned long long)m.seq, (unsigned long long)m.nblock, (unsigned long long)m.at, (unsigned long long)m.nblock * VG_BLOCK_HEAD, (unsigned long long)m.columns,
	       (unsigned long long)m.index_bytes, m.pack_s, m.index_s);
}

/* ---- ask ---- */

static void
ask(const char *dir, const char *selection)
{
	struct vg_search_segment g = { .fd = open_in(dir, "day.vs", O_RDONLY), .index_fd = open_in(dir, "day.vi", O_RDONLY) };
	struct vg_keys *keys = vg_keys_new();
	struct vg_program p;
	uint64_t n = 0;
	struct vg_search s = { .program = &p, .keys = keys, .segment = &g, .nsegment = 1, .from_ns = VG_TIME_NONE, .to_ns = VG_TIME_NONE, .by_arrival = true,
			       .raw_only = true };
	struct vg_search_result r;
	double best;

	day_selection(selection, keys, &p);
	best = day_search(&s, CLOCK, &n, &r);
	printf("{\"matches\": %llu, \"seconds\": %.5f, \"blocks\": %llu, \"by_index\": %llu, \"by_scan\": %llu, \"candidates\": %llu, \"decoded\": %llu, \"raw\": %llu, \"read\": %llu, \"index\": %llu, \"repeated\": %llu}\n",
	       (unsigned long long)n, best, (unsigned long long)r.stats.blocks, (unsigned long long)r.stats.by_index, (unsigned long long)r.stats.by_scan, (unsigned long long)r.stats.candidates,
	       (unsigned long long)r.stats.decoded, (unsigned long long)r.stats.raw_bytes, (unsigned long long)r.stats.read_bytes, (unsigned long long)r.stats.index_bytes, (unsigned long long)r.stats.repeated);
}

/* ---- decode ---- */

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	*(uint64_t *)ctx += e->nls != 0;
	return VG_OK;
}

static void
decode(const char *dir, char **pack, size_t npack)
{
	struct vg_pack_text *text = calloc(npack + 1, sizeof(*text));
	vg_str all, line, rest;
	struct vg_keys *keys = vg_keys_new();
	struct vg_packs *packs = NULL;
	struct vg_buf blob = { 0 };
	struct vg_decoder d;
	uint64_t known = 0, n = 0;
	char path[4096], *aligned;
	double begin;

	snprintf(path, sizeof(path), "%s/lines", dir);
	all = vg_str_cut(slurp(path), (size_t)200 << 20);
	for (size_t i = 0; i < npack; i++)
		text[i] = (struct vg_pack_text){ vg_str_of(pack[i]), slurp(pack[i]) };
	must(vg_packs_compile(text, npack, &blob, NULL, NULL), "packs");
	if (posix_memalign((void **)&aligned, 64, blob.n + 64))
		die("memory");
	memcpy(aligned, blob.p, blob.n);
	must(vg_packs_load(vg_str_mem(aligned, blob.n), keys, &packs), "packs");
	vg_decoder_init(&d, packs, keys, 0);
	for (int kind = 0; kind < 2; kind++) {
		begin = seconds(CLOCK);
		rest = all;
		for (n = known = 0; vg_str_split(&rest, '\n', &line);) {
			if ((line.n && *line.p == '{') != kind)
				continue;
			n++;
			must(vg_decoder_record(&d, line, BASE_NS, on_event, &known), "decode");
		}
		printf("{\"%s\": %llu, \"known\": %llu, \"per_second\": %.0f}\n", kind ? "json" : "syslog", (unsigned long long)n, (unsigned long long)known, (double)n / (seconds(CLOCK) - begin));
	}
}

int
main(int argc, char **argv)
{
	struct lines from = { .plain = 0 };

	if ((argc == 4 || argc == 5) && strcmp(argv[1], "make") == 0) {
		if ((from.left = strtoull(argv[3], NULL, 10) * 1000000) == 0)
			from.file = slurp(argv[3]);
		make(argv[2], &from, argc == 5 ? atoi(argv[4]) : 0);
	}
	else if (argc == 4 && strcmp(argv[1], "ask") == 0)
		ask(argv[2], argv[3]);
	else if (argc > 3 && strcmp(argv[1], "decode") == 0)
		decode(argv[2], argv + 3, (size_t)argc - 3);
	else {
		fprintf(stderr, "usage: search make DIR MEGABYTES|FILE [LEVEL] | ask DIR SELECTION | decode DIR PACK...\n");
		return 2;
	}
	return 0;
}
