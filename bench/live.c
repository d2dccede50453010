/* bench/live.c [hits] [hits a second of their own time] - the live correlations (trace/live.h over state/hits.h, on disk): hits a second in
 * order, shuffled within ten minutes, and with one user three days late.  Time passes as the hits say; repairs are paced by the real
 * clock, as in the watch. */
#include "trace/live.h"

#include <time.h>
#include <unistd.h>

#include "../test/unit/detect/stream.h"
#include "state/hits.h"

#define USERS 300

static const char rules[] =
	"title: count\nid: 1\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 1m, condition: {gte: 5}}\n"
	"---\ntitle: values\nid: 2\ncorrelation: {type: value_count, rules: [a, b], group-by: [u], timespan: 5m, condition: {field: v, gte: 4}}\n"
	"---\ntitle: order\nid: 5\ncorrelation: {type: temporal_ordered, rules: [a, b, c], group-by: [u], timespan: 5m}\n"
	"---\ntitle: few\nid: 10\ncorrelation: {type: event_count, rules: [c], group-by: [u], timespan: 3m, condition: {lt: 2}}\n"
	"---\ntitle: burst\nid: 14\nname: burst\ncorrelation: {type: event_count, rules: [a], group-by: [u, v], timespan: 2m, condition: {gte: 3}}\n"
	"---\ntitle: after\nid: 15\ncorrelation: {type: temporal_ordered, rules: [burst, b], group-by: [u], timespan: 3m}\n";

static uint64_t signals, withdrawn;

static vg_rc
on_signal(void *ctx, const struct vg_live_signal *s)
{
	(void)ctx;
	(void)s;
	signals++;
	return VG_OK;
}

static vg_rc
on_withdraw(void *ctx, uint32_t tenant, const uint8_t id[VG_LIVE_ID_BYTES])
{
	(void)ctx;
	(void)tenant;
	(void)id;
	withdrawn++;
	return VG_OK;
}

static int64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * VG_SEC + t.tv_nsec;
}

static int
by_arrival(const void *a, const void *b)
{
	const struct stream_hit *x = a, *y = b;

	return (x->arrives_ns > y->arrives_ns) - (x->arrives_ns < y->arrives_ns);
}

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
play(const char *what, const struct stream_rules *r, struct stream_hit *h, size_t n)
{
	char path[] = "/tmp/bench_live_XXXXXX", extra[64];
	int fd = mkstemp(path);
	struct vg_live_out out = { NULL, on_signal, on_withdraw };
	struct vg_live_counts c;
	struct vg_buf wire = { 0 };
	struct vg_arena arena;
	struct vg_event e;
	struct vg_hits *hits = NULL;
	struct vg_live_store store;
	struct vg_live *l;
	sqlite3 *db = NULL;
	int64_t begin_ns, last_ns = 0, worst_ns = 0;

	must(fd >= 0 && sqlite3_open(path, &db) == SQLITE_OK && vg_hits_open(db, &hits) == VG_OK);
	close(fd);
	store = vg_hits_store(hits);
	must(vg_live_new(&r->p, r->keys, NULL, &store, &out, &l) == VG_OK);
	vg_arena_init(&arena, 1 << 20);
	vg_event_init(&e, &arena, r->keys);
	qsort(h, n, sizeof(*h), by_arrival);
	signals = withdrawn = 0;
	begin_ns = clock_ns();
	must(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
	for (size_t i = 0; i < n; i++) {
		stream_event(&e, &h[i]);
		vg_buf_clear(&wire);
		vg_wire_encode(&wire, &e, NULL, 0);
		must(vg_live_hit(l, 1, r->base[h[i].base], h[i].time_ns, i + 1, vg_buf_str(&wire)) == VG_OK);
		if (i % 1000 == 999) { /* a batch */
			int64_t now_ns = clock_ns();

			must(sqlite3_exec(db, "COMMIT; BEGIN", NULL, NULL, NULL) == SQLITE_OK);
			if (now_ns - last_ns < VG_SEC / 4)
				continue;
			last_ns = now_ns;
			must(vg_live_tick(l, h[i].arrives_ns, now_ns) == VG_OK);
			if (clock_ns() - now_ns > worst_ns)
				worst_ns = clock_ns() - now_ns;
		}
	}
	for (int i = 1; i < 4; i++) /* what is left to do */
		must(vg_live_tick(l, h[n - 1].arrives_ns + i * VG_HOUR, INT64_MAX / 2 + i * VG_DAY) == VG_OK);
	must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
	begin_ns = clock_ns() - begin_ns;
	vg_live_counts(l, &c);
	printf("%-24s %8.0f hits/s; longest tick %lld ms; %llu told, %llu withdrawn; %llu out of order, %llu late, %llu read again\n", what,
	       (double)n * 1e9 / (double)begin_ns, (long long)(worst_ns / 1000000), (unsigned long long)signals, (unsigned long long)withdrawn,
	       (unsigned long long)c.disorder, (unsigned long long)c.late, (unsigned long long)c.replayed);
	vg_live_free(l);
	vg_hits_free(hits);
	must(sqlite3_close(db) == SQLITE_OK);
	unlink(path);
	snprintf(extra, sizeof(extra), "%s-wal", path);
	unlink(extra);
	snprintf(extra, sizeof(extra), "%s-shm", path);
	unlink(extra);
	vg_arena_fini(&arena);
	vg_buf_fini(&wire);
}

int
main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000;
	int64_t rate = argc > 2 ? atoll(argv[2]) : 100;
	struct stream_hit *h = stream_make(1, n, VG_SEC / rate);
	uint64_t seed = 2;
	struct stream_rules r;

	must(h != NULL && n > 0);
	stream_rules_init(&r, rules);
	for (size_t i = 0; i < n; i++)
		snprintf(h[i].u, sizeof(h[i].u), "u%u", (unsigned)(stream_random(&seed) % USERS));
	play("in order", &r, h, n);
	for (size_t i = 0; i < n; i++)
		h[i].arrives_ns = h[i].time_ns + (int64_t)(stream_random(&seed) % (uint64_t)(2 * VG_SEC));
	play("clocks 2 s apart", &r, h, n);
	for (size_t i = 0; i < n; i++)
		h[i].arrives_ns = h[i].time_ns + (int64_t)(stream_random(&seed) % (uint64_t)(10 * VG_MIN));
	play("shuffled within 10 min", &r, h, n);
	for (size_t i = 0; i < n; i++)
		h[i].arrives_ns = h[i].time_ns + (strcmp(h[i].u, "u7") == 0 ? 3 * VG_DAY : 0);
	play("one user 3 days late", &r, h, n);
	stream_rules_fini(&r);
	free(h);
	return 0;
}
