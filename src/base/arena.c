#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK_MIN 65536

struct vg_arena_chunk {
	struct vg_arena_chunk *next;
	size_t size; /* of data */
	char data[] __attribute__((aligned(16)));
};

void
vg_arena_init(struct vg_arena *a, size_t limit_bytes)
{
	*a = (struct vg_arena){ .limit_bytes = limit_bytes };
}

void
vg_arena_fini(struct vg_arena *a)
{
	struct vg_arena_chunk *c, *next;

	for (c = a->chunk; c; c = next) {
		next = c->next;
		free(c);
	}
	vg_arena_init(a, a->limit_bytes);
}

void
vg_arena_reset(struct vg_arena *a)
{
	struct vg_arena_chunk *c = a->chunk, *next;

	if (c == NULL)
		return;
	for (; c->next; c = next) { /* the first one is the last in the list */
		next = c->next;
		free(c);
	}
	a->chunk = c;
	a->p = c->data;
	a->end = c->data + c->size;
	a->used_bytes = 0;
}

size_t
vg_arena_size(const struct vg_arena *a)
{
	return a->used_bytes + (a->chunk ? a->chunk->size : 0);
}

void *
vg_arena_grow(struct vg_arena *a, size_t n)
{
	size_t held = vg_arena_size(a), size = held < CHUNK_MIN ? CHUNK_MIN : held;
	struct vg_arena_chunk *c;

	if (n > a->limit_bytes || held > a->limit_bytes - n)
		return NULL;
	if (size > (size_t)4 << 20)
		size = (size_t)4 << 20;
	if (size < n + 8)
		size = n + 8;
	if ((c = malloc(sizeof(*c) + size)) == NULL)
		return NULL;
	c->next = a->chunk;
	c->size = size;
	a->used_bytes = held;
	a->chunk = c;
	a->p = c->data + ((n + 7) & ~(size_t)7);
	a->end = c->data + size;
	return c->data;
}

void *
vg_arena_zalloc(struct vg_arena *a, size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	if ((p = vg_arena_alloc(a, bytes)) != NULL)
		memset(p, 0, bytes);
	return p;
}

vg_str
vg_str_dup(struct vg_arena *a, vg_str s)
{
	return vg_str_join(a, s, VG_NIL);
}

vg_str
vg_str_join(struct vg_arena *arena, vg_str a, vg_str b)
{
	return vg_str_join3(arena, a, b, VG_NIL);
}

vg_str
vg_str_join3(struct vg_arena *arena, vg_str a, vg_str b, vg_str c)
{
	bool fits = a.n < SIZE_MAX - b.n && a.n + b.n < SIZE_MAX - c.n;
	char *p = fits ? vg_arena_alloc(arena, a.n + b.n + c.n + 1) : NULL;

	if (p == NULL)
		return VG_NIL;
	if (a.n)
		memcpy(p, a.p, a.n);
	if (b.n)
		memcpy(p + a.n, b.p, b.n);
	if (c.n)
		memcpy(p + a.n + b.n, c.p, c.n);
	p[a.n + b.n + c.n] = 0;
	return vg_str_mem(p, a.n + b.n + c.n);
}

vg_str
vg_str_without(struct vg_arena *arena, vg_str s, char c)
{
	char *p;
	size_t n = 0;

	if (vg_str_chr(s, c) == VG_NPOS)
		return s;
	if ((p = vg_arena_alloc(arena, s.n)) == NULL)
		return VG_NIL;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != c)
			p[n++] = s.p[i];
	return vg_str_mem(p, n);
}

vg_str
vg_arena_vprintf(struct vg_arena *a, const char *fmt, va_list ap)
{
	va_list ap2;
	char *p;
	int n;

	va_copy(ap2, ap);
	n = vsnprintf(NULL, 0, fmt, ap2);
	va_end(ap2);
	if (n < 0 || (p = vg_arena_alloc(a, (size_t)n + 1)) == NULL)
		return VG_NIL;
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return (vg_str){ p, (size_t)n };
}

vg_str
vg_arena_printf(struct vg_arena *a, const char *fmt, ...)
{
	va_list ap;
	vg_str s;

	va_start(ap, fmt);
	s = vg_arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}
