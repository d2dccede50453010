/* base/arena.h - memory that is given back all at once.  Chunks from the heap, up to a limit; reset
 * keeps the first chunk, so a batch after a batch costs no malloc. */
#ifndef VG_BASE_ARENA_H
#define VG_BASE_ARENA_H

#include <stdarg.h>

#include "base/rc.h"
#include "base/str.h"

struct vg_arena_chunk;
struct vg_arena {
	char *p, *end;
	struct vg_arena_chunk *chunk; /* newest first; owned */
	size_t used_bytes;            /* in chunks before the newest */
	size_t limit_bytes;           /* over it allocations fail */
};

/* No memory is taken yet. */
void vg_arena_init(struct vg_arena *a, size_t limit_bytes);
void vg_arena_fini(struct vg_arena *a);
void vg_arena_reset(struct vg_arena *a);
size_t vg_arena_size(const struct vg_arena *a); /* bytes held from the heap */

void *vg_arena_grow(struct vg_arena *a, size_t n); /* the slow path of vg_arena_alloc */

/* @n bytes aligned to 8, not zeroed; NULL when the limit or the heap is reached. */
static inline void *
vg_arena_alloc(struct vg_arena *a, size_t n)
{
	size_t want = (n + 7) & ~(size_t)7;
	char *p = a->p;

	if (VG_UNLIKELY(want < n || want > (size_t)(a->end - p)))
		return vg_arena_grow(a, n);
	a->p = p + want;
	return p;
}

/* Give back the end of the newest allocation @p: it had @had bytes, and keeps @keep. */
static inline void
vg_arena_shrink(struct vg_arena *a, void *p, size_t had, size_t keep)
{
	if ((char *)p + ((had + 7) & ~(size_t)7) == a->p)
		a->p = (char *)p + ((keep + 7) & ~(size_t)7);
}

/* Zeroed; NULL as above, or when n * size does not fit. */
void *vg_arena_zalloc(struct vg_arena *a, size_t n, size_t size);
#define vg_arena_array(a, type, n) ((type *)vg_arena_zalloc((a), (n), sizeof(type)))
#define vg_arena_new(a, type) ((type *)vg_arena_zalloc((a), 1, sizeof(type)))

/* A copy of @s, with a NUL behind it that does not count; { NULL, 0 } when memory is out. */
vg_str vg_str_dup(struct vg_arena *a, vg_str s);
/* Printed text; { NULL, 0 } when memory is out. */
vg_str vg_arena_printf(struct vg_arena *a, const char *fmt, ...) VG_PRINTF(2, 3);
vg_str vg_arena_vprintf(struct vg_arena *a, const char *fmt, va_list ap) VG_PRINTF(2, 0);
/* @a and then @b. */
vg_str vg_str_join(struct vg_arena *arena, vg_str a, vg_str b);
vg_str vg_str_join3(struct vg_arena *arena, vg_str a, vg_str b, vg_str c);
/* @s without its bytes @c, which is @s itself when it has none; { NULL, 0 } when memory is out. */
vg_str vg_str_without(struct vg_arena *arena, vg_str s, char c);

#endif
