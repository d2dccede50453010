/* base/cur.h - the cursor that every byte from outside goes through.  One bounds check, a sticky
 * first error: after it every read gives zero or nothing, so that loops end. */
#ifndef VG_BASE_CUR_H
#define VG_BASE_CUR_H

#include "base/rc.h"
#include "base/str.h"

struct vg_cur {
	const uint8_t *base, *p, *end;
	vg_rc rc; /* the first error, VG_OK while there is none */
};

static inline struct vg_cur
vg_cur_of(const void *p, size_t n)
{
	const uint8_t *b = p ? (const uint8_t *)p : (const uint8_t *)""; /* NULL + 0 is nothing that C knows */

	return (struct vg_cur){ b, b, b + (p ? n : 0), VG_OK };
}

static inline vg_rc
vg_cur_fail(struct vg_cur *c, vg_rc rc)
{
	if (c->rc == VG_OK)
		c->rc = rc;
	c->end = c->p; /* whatever is read next is nothing */
	return c->rc;
}

static inline size_t
vg_cur_left(const struct vg_cur *c)
{
	return (size_t)(c->end - c->p);
}

static inline size_t
vg_cur_at(const struct vg_cur *c)
{
	return (size_t)(c->p - c->base);
}

static inline const uint8_t *
vg_cur_take(struct vg_cur *c, size_t n)
{
	const uint8_t *p = c->p;

	if (VG_UNLIKELY(n > (size_t)(c->end - p))) { /* subtract: an addition could wrap */
		vg_cur_fail(c, VG_E_TRUNC);
		return NULL;
	}
	c->p += n;
	return p;
}

static inline uint8_t
vg_cur_u8(struct vg_cur *c)
{
	const uint8_t *p = vg_cur_take(c, 1);

	return p ? *p : 0;
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "base/cur.h reads little-endian formats on little-endian machines only"
#endif
#define VG_CUR_LE(name, type)                             \
	static inline type vg_cur_##name(struct vg_cur *c) \
	{                                                  \
		const uint8_t *p = vg_cur_take(c, sizeof(type)); \
		type v = 0;                                \
		if (p)                                     \
			memcpy(&v, p, sizeof(v));          \
		return v;                                  \
	}
VG_CUR_LE(le16, uint16_t)
VG_CUR_LE(le32, uint32_t)
VG_CUR_LE(le64, uint64_t)
#undef VG_CUR_LE

static inline vg_str
vg_cur_bytes(struct vg_cur *c, size_t n)
{
	const uint8_t *p = vg_cur_take(c, n);

	return p ? vg_str_mem(p, n) : VG_NIL;
}

/* A cursor over the next @n bytes, which cannot see past them; @c moves behind them.  When they are
 * not there both fail. */
static inline struct vg_cur
vg_cur_sub(struct vg_cur *c, size_t n)
{
	const uint8_t *p = vg_cur_take(c, n);
	struct vg_cur s = vg_cur_of(p, p ? n : 0);

	s.rc = c->rc;
	return s;
}

/* Move to byte @at of the input; past its end is VG_E_TRUNC. */
static inline void
vg_cur_seek(struct vg_cur *c, size_t at)
{
	if (c->rc != VG_OK)
		return;
	if (at > (size_t)(c->end - c->base)) {
		vg_cur_fail(c, VG_E_TRUNC);
		return;
	}
	c->p = c->base + at;
}

#endif
