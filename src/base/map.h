/* base/map.h - a hash table from bytes to a 32-bit number, keyed with a random seed a process, so that
 * hostile keys cannot choose where they fall.  The table copies its keys. */
#ifndef VG_BASE_MAP_H
#define VG_BASE_MAP_H

#include "base/arena.h"

#define VG_MAP_NONE UINT32_MAX

/* 64 bits of hash.  Not for storage: the seed of vg_map_hash differs from run to run. */
uint64_t vg_hash64(vg_str s, uint64_t seed);
uint64_t vg_map_hash(vg_str s);

struct vg_map_slot {
	uint64_t hash;
	vg_str key;
	uint32_t value;
};
struct vg_map {
	struct vg_map_slot *slot; /* owned; open addressing */
	size_t cap, n;
	struct vg_arena keys;
};

void vg_map_init(struct vg_map *m, size_t limit_bytes /* for the keys */);
void vg_map_fini(struct vg_map *m);
/* The value of @key, VG_MAP_NONE when it has none. */
uint32_t vg_map_find(const struct vg_map *m, vg_str key);
/* The value of @key: the one it has, else @value, which is stored.  VG_MAP_NONE when memory or the limit
 * is out.  @kept, if given, is the table's own copy of the key. */
uint32_t vg_map_add(struct vg_map *m, vg_str key, uint32_t value, vg_str *kept);

#endif
