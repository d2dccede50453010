#include "base/map.h"

#include <stdlib.h>
#include <sys/random.h>

/* A short multiply-fold hash in the manner of wyhash (public domain idea): two 64-bit words a step,
 * mixed by a 128-bit product. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t
load64(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

uint64_t
vg_hash64(vg_str s, uint64_t seed)
{
	const uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xc2b2ae3d27d4eb4fu, k2 = 0x165667b19e3779f9u;
	uint64_t h = seed ^ mix(s.n ^ k0, k1);
	size_t i = 0;

	for (; s.n - i > 16; i += 16)
		h = mix(load64(s.p + i, 8) ^ k1 ^ h, load64(s.p + i + 8, 8) ^ k2);
	if (s.n - i >= 8) {
		h = mix(load64(s.p + i, 8) ^ k2 ^ h, load64(s.p + s.n - 8, 8) ^ k0);
	} else if (s.n - i) {
		h = mix(load64(s.p + i, s.n - i) ^ k0 ^ h, k1);
	}
	return mix(h ^ k0, k2 ^ s.n);
}

uint64_t
vg_map_hash(vg_str s)
{
	static uint64_t seed;

	while (seed == 0)
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed) || seed == 0)
			seed = (uint64_t)(uintptr_t)&seed * 0x9e3779b97f4a7c15u;
	return vg_hash64(s, seed);
}

/* Before a sandbox closes. */
__attribute__((constructor)) static void
seed_early(void)
{
	(void)vg_map_hash(VG_NIL);
}

void
vg_map_init(struct vg_map *m, size_t limit_bytes)
{
	*m = (struct vg_map){ 0 };
	vg_arena_init(&m->keys, limit_bytes);
}

void
vg_map_fini(struct vg_map *m)
{
	free(m->slot);
	vg_arena_fini(&m->keys);
	m->slot = NULL;
	m->cap = m->n = 0;
}

static size_t
probe(const struct vg_map *m, uint64_t hash, vg_str key)
{
	size_t i = hash & (m->cap - 1);

	while (m->slot[i].value != VG_MAP_NONE &&
	       !(m->slot[i].hash == hash && vg_str_eq(m->slot[i].key, key)))
		i = (i + 1) & (m->cap - 1);
	return i;
}

uint32_t
vg_map_find(const struct vg_map *m, vg_str key)
{
	return m->n ? m->slot[probe(m, vg_map_hash(key), key)].value : VG_MAP_NONE;
}

static bool
rehash(struct vg_map *m)
{
	size_t cap = m->cap ? 2 * m->cap : 64;
	struct vg_map_slot *old = m->slot, *s = calloc(cap, sizeof(*s));
	size_t oldcap = m->cap;

	if (s == NULL)
		return false;
	for (size_t i = 0; i < cap; i++)
		s[i].value = VG_MAP_NONE;
	m->slot = s;
	m->cap = cap;
	for (size_t i = 0; i < oldcap; i++)
		if (old[i].value != VG_MAP_NONE)
			s[probe(m, old[i].hash, old[i].key)] = old[i];
	free(old);
	return true;
}

uint32_t
vg_map_add(struct vg_map *m, vg_str key, uint32_t value, vg_str *kept)
{
	uint64_t hash = vg_map_hash(key);
	struct vg_map_slot *s;
	vg_str copy;

	if (m->n * 3 >= m->cap * 2 && !rehash(m))
		return VG_MAP_NONE;
	s = &m->slot[probe(m, hash, key)];
	if (s->value == VG_MAP_NONE) {
		copy = vg_str_dup(&m->keys, key);
		if (copy.p == NULL || value == VG_MAP_NONE)
			return VG_MAP_NONE;
		*s = (struct vg_map_slot){ hash, copy, value };
		m->n++;
	}
	if (kept)
		*kept = s->key;
	return s->value;
}
