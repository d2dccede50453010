/* stream.h - a rule set with every kind of correlation, and made-up matches for it, some of them in bursts.  Deterministic: a seed says it all. */
#ifndef VG_TEST_STREAM_H
#define VG_TEST_STREAM_H

#include <stdio.h>
#include <stdlib.h>

#include "detect/correlate.h"
#include "event/wire.h"
#include "rule/compile.h"

#define STREAM_T0 (20000 * VG_DAY)

struct stream_rules {
	char *blob;
	struct vg_keys *keys;
	struct vg_program p;
	struct vg_identity id;
	uint32_t base[3]; /* rows of a, b, c */
};

static const char stream_correlations[] =
	"title: count\nid: 1\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 1m, condition: {gte: 3}}\n"
	"---\ntitle: values\nid: 2\ncorrelation: {type: value_count, rules: [a, b], group-by: [u], timespan: 5m, condition: {field: v, gte: 3}}\n"
	"---\ntitle: both\nid: 3\ncorrelation: {type: temporal, rules: [a, b], group-by: [u], timespan: 1m}\n"
	"---\ntitle: without\nid: 4\ncorrelation: {type: temporal, rules: [a, b, c], group-by: [u], timespan: 2m, condition: a and b and not c}\n"
	"---\ntitle: order\nid: 5\ncorrelation: {type: temporal_ordered, rules: [a, b, c], group-by: [u], timespan: 5m}\n"
	"---\ntitle: sum\nid: 6\ncorrelation: {type: value_sum, rules: [a], group-by: [u], timespan: 2m, condition: {field: n, gte: 12.5}}\n"
	"---\ntitle: mean\nid: 7\ncorrelation: {type: value_avg, rules: [b], group-by: [v], timespan: 3m, condition: {field: n, gt: 6}}\n"
	"---\ntitle: median\nid: 8\ncorrelation: {type: value_median, rules: [c], group-by: [u], timespan: 20m, condition: {field: n, gt: 5}}\n"
	"---\ntitle: percent\nid: 9\ncorrelation: {type: value_percentile, rules: [b], group-by: [u], timespan: 20m, condition: {field: n, percentile: 80, gt: 8}}\n"
	"---\ntitle: few\nid: 10\ncorrelation: {type: event_count, rules: [c], group-by: [u], timespan: 3m, condition: {lt: 2}}\n"
	"---\ntitle: little\nid: 11\ncorrelation: {type: value_sum, rules: [a], group-by: [u, v], timespan: 4m, condition: {field: n, lte: 3}}\n"
	"---\ntitle: range\nid: 12\ncorrelation: {type: event_count, rules: [b], group-by: [v], timespan: 2m, condition: {gte: 3, lt: 5}}\n"
	"---\ntitle: flood\nid: 13\ncorrelation: {type: event_count, rules: [a, b, c], timespan: 1m, condition: {gte: 12}}\n"
	"---\ntitle: burst\nid: 14\nname: burst\ncorrelation: {type: event_count, rules: [a], group-by: [u, v], timespan: 2m, condition: {gte: 3}}\n"
	"---\ntitle: after\nid: 15\nname: after\ncorrelation: {type: temporal_ordered, rules: [burst, b], group-by: [who], timespan: 3m,\n"
	"  aliases: {who: {burst: u, b: u}}}\n"
	"---\ntitle: spread\nid: 16\ncorrelation: {type: value_count, rules: [after], timespan: 15m, condition: {field: who, gte: 2}}\n"
	"---\ntitle: quiet\nid: 17\nname: quiet\ncorrelation: {type: event_count, rules: [c], group-by: [u], timespan: 1m, condition: {lte: 1}}\n"
	"---\ntitle: broken\nid: 18\ncorrelation: {type: temporal_ordered, rules: [quiet, a], group-by: [u], timespan: 2m}\n"
	"---\ntitle: calm\nid: 19\ncorrelation: {type: event_count, rules: [quiet], timespan: 4m, condition: {lt: 3}}\n"
	"---\ntitle: much\nid: 20\ncorrelation: {type: event_count, rules: [a, b, c], group-by: [u], timespan: 20m, condition: {gte: 4}}\n";

static inline void
stream_rules_init(struct stream_rules *r, const char *correlations)
{
	struct vg_buf yaml = { 0 }, b = { 0 };
	struct vg_rule_text text = { VG_STR("test.yml"), VG_NIL, VG_NIL };

	for (const char *n = "abc"; *n; n++)
		vg_buf_printf(&yaml, "title: %c\nname: %c\nid: base-%c\nlogsource: {product: test}\n"
				     "detection: {s: {f: %c}, condition: s}\n---\n", *n, *n, *n, *n);
	vg_buf_puts(&yaml, correlations);
	text.yaml = vg_buf_str(&yaml);
	r->keys = vg_keys_new();
	if (r->keys == NULL || vg_rules_compile(&text, 1, NULL, 0, &b) != VG_OK)
		abort();
	r->blob = aligned_alloc(64, (b.n + 63) & ~(size_t)63);
	if (r->blob == NULL)
		abort();
	memcpy(r->blob, b.p, b.n);
	if (vg_program_load((vg_str){ r->blob, b.n }, r->keys, &r->p) != VG_OK || vg_identity_of(&r->p, &r->id) != VG_OK || r->p.ndiag) {
		for (uint32_t i = 0; i < r->p.ndiag; i++)
			fprintf(stderr, "%.*s\n", VG_STR_ARG(vg_program_str(&r->p, r->p.diag[i].text)));
		abort();
	}
	for (uint32_t i = 0; i < r->p.nrule; i++) {
		vg_str t = vg_program_str(&r->p, r->p.rule[i].title);

		if (t.n == 1 && t.p[0] >= 'a' && t.p[0] <= 'c')
			r->base[t.p[0] - 'a'] = i;
	}
	vg_buf_fini(&yaml);
	vg_buf_fini(&b);
}

static inline void
stream_rules_fini(struct stream_rules *r)
{
	vg_identity_fini(&r->id);
	vg_keys_free(r->keys);
	free(r->blob);
}

struct stream_hit {
	int64_t time_ns, arrives_ns;
	uint32_t index;          /* in order of time */
	uint8_t base, end;       /* rules that it matches, from and up to: 0..2 for a, b, c */
	char u[8], v[8], n[8];   /* empty: absent */
};

static inline uint64_t
stream_random(uint64_t *seed) /* splitmix64 */
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* @n matches in order of time, about one in @every_ns, no two at one time; each arrives at its time. */
static inline struct stream_hit *
stream_make(uint64_t seed, size_t n, int64_t every_ns)
{
	static const char *const user[] = { "bob", "Bob", "BOB", "eve", "Eve", "mallory", "h0", "h0", "zoe" };
	struct stream_hit *h = calloc(n, sizeof(*h));
	int64_t t = STREAM_T0;
	size_t burst = 0;

	for (size_t i = 0; h && i < n; i++) {
		uint64_t r = stream_random(&seed);

		if (burst == 0 && r % 40 == 0)
			burst = 3 + r / 64 % 10;
		t += 1 + (int64_t)(stream_random(&seed) % (uint64_t)(burst ? every_ns / 10 : 2 * every_ns));
		h[i] = (struct stream_hit){ .time_ns = t, .arrives_ns = t, .index = (uint32_t)i, .base = (uint8_t)(stream_random(&seed) % 3) };
		if (burst && i) { /* the same one again */
			memcpy(h[i].u, h[i - 1].u, sizeof(h[i].u));
			h[i].base = r % 5 ? h[i - 1].base : h[i].base;
			burst--;
		} else if (r % 31) {
			snprintf(h[i].u, sizeof(h[i].u), "%s", user[r / 1024 % VG_COUNT(user)]);
		}
		if (stream_random(&seed) % 17)
			snprintf(h[i].v, sizeof(h[i].v), "v%u", (unsigned)(stream_random(&seed) % 4));
		if (stream_random(&seed) % 13)
			snprintf(h[i].n, sizeof(h[i].n), "%u.%u", (unsigned)(stream_random(&seed) % 10), (unsigned)(stream_random(&seed) % 10));
		h[i].end = h[i].base < 2 && stream_random(&seed) % 20 == 0 ? (uint8_t)(h[i].base + 1) : h[i].base;
	}
	return h;
}

static inline void
stream_event(struct vg_event *e, const struct stream_hit *h)
{
	vg_rc rc = VG_OK;

	vg_event_reset(e);
	if (h->u[0])
		rc = vg_event_add(e, VG_STR("u"), VG_KIND_TEXT, vg_str_of(h->u));
	if (h->v[0] && rc == VG_OK)
		rc = vg_event_add(e, VG_STR("v"), VG_KIND_TEXT, vg_str_of(h->v));
	if (h->n[0] && rc == VG_OK)
		rc = vg_event_add(e, VG_STR("n"), VG_KIND_FLOAT, vg_str_of(h->n));
	if (rc != VG_OK)
		abort();
}

/* All matches of one record. */
static inline vg_rc
stream_feed(struct vg_correlator *c, const struct stream_rules *r, struct vg_event *e, const struct stream_hit *h, uint64_t token)
{
	vg_rc rc = VG_OK;

	stream_event(e, h);
	for (uint8_t b = h->base; b <= h->end && rc == VG_OK; b++)
		rc = vg_correlator_hit(c, r->base[b], h->time_ns, e, token);
	return rc;
}

/* A signal as a line, its evidence by index of the matches: @of[token] is one, @of NULL: the token less one. */
static inline char *
stream_line(const struct vg_program *p, const struct vg_corr_hit *h, const uint32_t *of, uint64_t less)
{
	struct vg_buf b = { 0 };

	vg_buf_put(&b, vg_program_str(p, p->rule[h->rule].title));
	for (uint32_t i = 0; i < h->nby; i++)
		vg_buf_printf(&b, " %.*s=%.*s", VG_STR_ARG(h->by_name[i]), VG_STR_ARG(h->by_value[i]));
	vg_buf_printf(&b, " %lld..%lld %llu %.12g", (long long)(h->first_ns - STREAM_T0), (long long)(h->last_ns - STREAM_T0),
		      (unsigned long long)h->count, h->value);
	for (uint32_t i = 0; i < h->nevidence; i++)
		vg_buf_printf(&b, " #%u", of ? of[h->evidence[i]] : (unsigned)(h->evidence[i] - less));
	vg_buf_u8(&b, 0);
	return b.p;
}

struct stream_lines { /* owned */
	char **line;
	size_t n, cap;
};

static inline void
stream_lines_add(struct stream_lines *l, char *line)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		if ((l->line = realloc(l->line, l->cap * sizeof(*l->line))) == NULL)
			abort();
	}
	l->line[l->n++] = line;
}

static inline void
stream_lines_fini(struct stream_lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i]);
	free(l->line);
	*l = (struct stream_lines){ 0 };
}

static inline int
stream_line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Are they the same, in whatever order? Says the first differences. */
static inline bool
stream_lines_same(struct stream_lines *got, struct stream_lines *want)
{
	unsigned told = 0;
	size_t i = 0, j = 0;

	if (got->n)
		qsort(got->line, got->n, sizeof(*got->line), stream_line_cmp);
	if (want->n)
		qsort(want->line, want->n, sizeof(*want->line), stream_line_cmp);
	while (i < got->n || j < want->n) {
		int c = i == got->n ? 1 : j == want->n ? -1 : strcmp(got->line[i], want->line[j]);

		if (c && told++ < 10)
			fprintf(stderr, "%s %s\n", c < 0 ? "too much:" : "missing: ", c < 0 ? got->line[i] : want->line[j]);
		i += c <= 0;
		j += c >= 0;
	}
	return told == 0;
}

#endif
