/* bench/day.h - the day that `search make` writes, its index and its fields beside it: its key, its files, and how long a search of it takes. */
#ifndef VG_BENCH_DAY_H
#define VG_BENCH_DAY_H

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "rule/selection.h"
#include "tool.h"
#include "vault/search.h"

#define DAY_ROUNDS 3

static const uint8_t the_key[VG_BLOCK_KEY] = { 1, 2, 3 };

static inline const uint8_t *
key_of(void *ctx, uint32_t number)
{
	(void)ctx;
	return number == 1 ? the_key : NULL;
}

static inline double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline int
open_in(const char *dir, const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((fd = open(path, flags | O_CLOEXEC, 0600)) < 0)
		die(path);
	return fd;
}

/* All of a file, which the program keeps as long as it runs. */
static inline vg_str
slurp(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *p = size < 0 ? NULL : malloc((size_t)size + 1);

	if (p == NULL || pread(fd, p, (size_t)size, 0) != size)
		die(path);
	close(fd);
	return vg_str_mem(p, (size_t)size);
}

/* Compiled: for one search, and for as long as the program runs. */
static inline void
day_selection(const char *selection, struct vg_keys *keys, struct vg_program *out)
{
	struct vg_buf blob = { 0 };
	struct vg_selection_error err;

	if (vg_selection_compile(vg_str_of(selection), &blob, &err) != VG_OK) {
		fprintf(stderr, BENCH_NAME ": %zu: %s\n", err.at, err.text);
		exit(1);
	}
	must(vg_program_load(vg_buf_str(&blob), keys, out), "program");
}

static inline vg_rc
day_match(void *ctx, const struct vg_search_match *m)
{
	(void)m;
	++*(uint64_t *)ctx;
	return VG_OK;
}

/* The best of DAY_ROUNDS, by @clock; how many match, in @n. */
static inline double
day_search(struct vg_search *s, clockid_t clock, uint64_t *n, struct vg_search_result *out)
{
	double best = 1e9;

	s->key = key_of;
	s->match = day_match;
	s->ctx = n;
	for (int i = 0; i < DAY_ROUNDS; i++) {
		double begin = seconds(clock);

		*n = 0;
		must(vg_search_run(s, out), "search");
		if (seconds(clock) - begin < best)
			best = seconds(clock) - begin;
	}
	return best;
}

#endif
