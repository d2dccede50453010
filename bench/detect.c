/* bench/detect.c - what detection costs, apart from reading:
 * detect [--portable] [--no-cache] [--check] [--times N] RULES INPUT...
 * Loads all rules below RULES, reads each INPUT (a file or a folder) in this process, and prints the time to be ready, the
 * time in vg_detect() and outside it, and the rules evaluated an event.  --times: all inputs again, with what was learnt.
 * --check: no figures, but each event's matches compared with those of every rule, evaluated plainly; exit code 1 when they
 * differ. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hunt/hunt.h"

#define HITS_MAX 4096
#define ARENA_BYTES ((size_t)96 << 20)
#define CACHE_BYTES ((size_t)16 << 20) /* as `vigie hunt` has it */

struct hits {
	uint32_t rule[HITS_MAX];
	uint32_t n;
};
struct bench {
	struct vg_knowledge k;
	struct vg_detector *d;
	struct vg_regexes *re;
	struct vg_arena arena, scratch;
	struct vg_event event;
	uint64_t bytes, detect_ns, differ;
	bool check;
	const char *file;
	struct hits got;
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, uint32_t rule)
{
	struct bench *b = ctx;

	(void)e;
	if (b->got.n < HITS_MAX)
		b->got.rule[b->got.n++] = rule;
	return VG_OK;
}

static void
compare(struct bench *b, const struct vg_event *e)
{
	const struct vg_program *p = &b->k.program;
	uint32_t at = 0;

	for (uint32_t r = 0; r < p->nrule; r++) {
		bool want, got = at < b->got.n && b->got.rule[at] == r;

		at += got;
		if (p->rule[r].kind != VG_RULE_BASE)
			continue;
		vg_arena_reset(&b->scratch);
		want = vg_rule_applies(p, r, e) && vg_eval(b->re, r, e, &b->scratch, NULL, NULL);
		if (want == got)
			continue;
		if (b->differ++ < 20)
			printf("%s, record %llu: %.*s %s\n", b->file, (unsigned long long)e->record,
			       VG_STR_ARG(vg_program_str(p, p->rule[r].title)), want ? "is missed" : "does not match");
	}
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct bench *b = ctx;
	uint64_t begin = now_ns();
	vg_rc rc;

	b->got.n = 0;
	rc = vg_detect(b->d, e, on_hit, b);
	b->detect_ns += now_ns() - begin;
	if (rc == VG_OK && b->check)
		compare(b, e);
	return rc;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	(void)ctx;
	(void)n;
}

static vg_rc
run_file(struct bench *b, const struct vg_input_file *file)
{
	vg_str name = vg_str_of(file->path);
	struct vg_sink sink = { b, on_event, on_note };
	struct vg_input in;
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &b->event, .packs = b->k.packs, .ref_ns = file->mtime_ns, .name = name,
			       .first = true };
	const struct vg_format *f;
	vg_rc rc = VG_OK;
	void *p;
	int fd;

	if (file->why_not || file->size == 0 || (fd = open(file->path, O_RDONLY | O_CLOEXEC)) < 0)
		return VG_OK;
	p = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return VG_E_SYS;
	b->file = file->path;
	vg_input_mem(&in, p, file->size);
	f = vg_format_probe(vg_str_cut(vg_str_mem(p, file->size), VG_PROBE_BYTES), file->size <= VG_PROBE_BYTES, name);
	if (f) {
		b->bytes += file->size;
		rc = f->read(&r);
	}
	munmap(p, file->size);
	return rc;
}

static void
report(const struct bench *b, uint64_t all_ns, uint64_t ready_ns)
{
	struct vg_detector_stats s;
	double n;

	vg_detector_stats(b->d, &s);
	n = s.events ? (double)s.events : 1;
	printf("rules %u, ready in %.3f s\n", b->k.program.nrule, (double)ready_ns / 1e9);
	printf("events %llu, routed %llu, matches %llu, rules evaluated an event %.2f, values cached %.1f %%\n",
	       (unsigned long long)s.events, (unsigned long long)s.routed, (unsigned long long)s.hits, (double)s.evaluated / n,
	       s.cache_asked ? 100.0 * (double)s.cache_hit / (double)s.cache_asked : 0.0);
	printf("detect %.3f s, %.2f us an event; reading %.3f s, %.2f us an event; both %.0f events/s, %.1f MB/s\n",
	       (double)b->detect_ns / 1e9, (double)b->detect_ns / 1e3 / n, (double)(all_ns - b->detect_ns) / 1e9,
	       (double)(all_ns - b->detect_ns) / 1e3 / n, n / ((double)all_ns / 1e9), (double)b->bytes / 1e6 / ((double)all_ns / 1e9));
}

int
main(int argc, char **argv)
{
	static struct bench b;
	struct vg_detector_options o = { .cache_bytes = CACHE_BYTES };
	struct vg_knowledge_options ko = { .no_default_rules = true, .no_cache = true, .nrules = 1 };
	struct vg_file_list files = { 0 };
	uint64_t begin, ready_ns;
	char why[400];
	int at = 1, times = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--portable") == 0)
			ko.portable = true;
		else if (strcmp(argv[at], "--no-cache") == 0)
			o.cache_bytes = 0;
		else if (strcmp(argv[at], "--check") == 0)
			b.check = true;
		else if (strcmp(argv[at], "--times") == 0 && at + 1 < argc && atoi(argv[at + 1]) > 0)
			times = atoi(argv[++at]);
		else
			at = argc;
	}
	if (argc - at < 2) {
		fprintf(stderr, "usage: detect [--portable] [--no-cache] [--check] [--times N] RULES INPUT...\n");
		return 2;
	}
	ko.rules = (const char *const *)&argv[at++];
	begin = now_ns();
	if (vg_knowledge_load(&ko, &b.k, why) != VG_OK) {
		fprintf(stderr, "detect: %s\n", why);
		return 1;
	}
	ready_ns = now_ns() - begin;
	for (; at < argc; at++)
		if (vg_files_add(&files, argv[at]) != VG_OK) {
			fprintf(stderr, "detect: %s: %s\n", argv[at], strerror(errno));
			return 1;
		}
	vg_files_sort(&files);
	vg_arena_init(&b.arena, ARENA_BYTES);
	vg_arena_init(&b.scratch, ARENA_BYTES);
	vg_event_init(&b.event, &b.arena, b.k.keys);
	b.re = vg_regexes_new(&b.k.program);
	if ((b.d = vg_detector_new(&b.k.program, b.k.index, &o)) == NULL || b.re == NULL) {
		fprintf(stderr, "detect: out of memory\n");
		return 1;
	}
	begin = now_ns();
	for (size_t i = 0; i < files.n * (size_t)times; i++) {
		vg_rc rc = run_file(&b, &files.file[i % files.n]);

		if (rc != VG_OK)
			fprintf(stderr, "detect: %s: %s\n", files.file[i % files.n].path, vg_rc_name(rc));
	}
	if (b.check)
		printf("%llu differences\n", (unsigned long long)b.differ);
	else
		report(&b, now_ns() - begin, ready_ns);
	vg_detector_free(b.d);
	vg_regexes_free(b.re);
	vg_arena_fini(&b.arena);
	vg_arena_fini(&b.scratch);
	vg_files_fini(&files);
	vg_knowledge_fini(&b.k);
	return b.differ != 0;
}
