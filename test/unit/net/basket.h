/* test/unit/net/basket.h - a gate that keeps what it takes, in order, and is full when the test wants it to be. */
#ifndef VG_TEST_BASKET_H
#define VG_TEST_BASKET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/gate.h"
#include "net/loop.h"

#define BASKET_SOURCES 2048

struct basket_record {
	uint32_t source;
	char id[256];
	char *raw; /* owned */
	size_t n;
};
struct basket {
	struct vg_gate gate;
	char *source[BASKET_SOURCES]; /* owned: "tenant|name|listener" */
	uint32_t nsource, max_source;
	struct basket_record *r; /* owned */
	size_t n, cap;
	uint64_t refused[VG_REFUSALS];
	size_t room;        /* how many it takes before it is full; SIZE_MAX: any */
	size_t taken_since; /* since it had room */
};

static inline uint32_t
basket_source(void *ctx, const struct vg_speaker *s)
{
	struct basket *b = (struct basket *)ctx;
	char name[6000];

	assert_int_equal(s->proof, VG_PROOF_LOCAL);
	assert_int_equal(s->address.n, 0);
	snprintf(name, sizeof(name), "%.*s|%.*s|%.*s", VG_STR_ARG(s->tenant), VG_STR_ARG(s->name), VG_STR_ARG(s->listener));
	for (uint32_t i = 0; i < b->nsource; i++)
		if (strcmp(b->source[i], name) == 0)
			return i;
	if (b->nsource == b->max_source)
		return VG_GATE_NONE;
	b->source[b->nsource] = strdup(name);
	return b->nsource++;
}

static inline bool
basket_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	struct basket *b = (struct basket *)ctx;
	struct basket_record *r;

	assert_true(source < b->nsource && recv_ns > 0 && id.n > 0 && id.n <= 255);
	if (b->taken_since >= b->room)
		return false;
	b->taken_since++;
	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->r = (struct basket_record *)realloc(b->r, b->cap * sizeof(*b->r));
	}
	r = &b->r[b->n++];
	r->source = source;
	snprintf(r->id, sizeof(r->id), "%.*s", VG_STR_ARG(id));
	r->n = raw.n;
	r->raw = (char *)malloc(raw.n + 1);
	memcpy(r->raw, raw.n ? raw.p : "", raw.n);
	r->raw[raw.n] = 0;
	return true;
}

static inline uint64_t
basket_taken(void *ctx)
{
	return ((struct basket *)ctx)->n;
}

static inline void
basket_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	(void)source;
	((struct basket *)ctx)->refused[why] += n;
}

static inline void
basket_init(struct basket *b)
{
	memset(b, 0, sizeof(*b));
	b->gate = (struct vg_gate){ b, basket_source, basket_take, basket_taken, basket_refused, NULL };
	b->room = SIZE_MAX;
	b->max_source = BASKET_SOURCES;
}

static inline void
basket_fini(struct basket *b)
{
	for (uint32_t i = 0; i < b->nsource; i++)
		free(b->source[i]);
	for (size_t i = 0; i < b->n; i++)
		free(b->r[i].raw);
	free(b->r);
}

/* How many records say @text (all of it), or, of ours, hold it. */
static inline size_t
basket_count(const struct basket *b, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += strcmp(b->r[i].raw, text) == 0;
	return n;
}

static inline const char *
basket_told(const struct basket *b, const char *text)
{
	for (size_t i = 0; i < b->n; i++)
		if (strncmp(b->r[i].raw, "{\"vigie\":", 9) == 0 && strstr(b->r[i].raw, text))
			return b->r[i].raw;
	return NULL;
}

static inline void
folder_new(char path[64])
{
	snprintf(path, 64, "/tmp/vigie-local-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static inline void
folder_remove(const char *path)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

#endif
