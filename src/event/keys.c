#include "event/keys.h"

#include <stdlib.h>

#include "base/map.h"

struct vg_keys {
	struct vg_map map;
	vg_str *name; /* owned; the text is the map's */
	uint32_t n, cap;
	uint64_t serial;
};

static uint64_t
next_serial(void)
{
	static uint64_t last;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

uint32_t
vg_keys_add(struct vg_keys *k, vg_str name)
{
	uint32_t key = vg_map_find(&k->map, name);
	vg_str kept;

	if (key != VG_MAP_NONE)
		return key;
	if (k->n == VG_KEYS_MAX)
		return VG_KEY_NONE;
	if (k->n == k->cap) {
		uint32_t cap = k->cap ? 2 * k->cap : 256;
		vg_str *p = realloc(k->name, cap * sizeof(*p));

		if (p == NULL)
			return VG_KEY_NONE;
		k->name = p;
		k->cap = cap;
	}
	if (vg_map_add(&k->map, name, k->n, &kept) == VG_MAP_NONE)
		return VG_KEY_NONE;
	k->name[k->n] = kept;
	k->serial = next_serial();
	return k->n++;
}

struct vg_keys *
vg_keys_new(void)
{
	static const vg_str known[] = {
#define X(id, text) VG_STR_INIT(text),
		VG_NAMES(X)
#undef X
	};
	struct vg_keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	vg_map_init(&k->map, (size_t)64 << 20);
	for (uint32_t i = 0; i < VG_COUNT(known); i++)
		if (vg_keys_add(k, known[i]) != i) {
			vg_keys_free(k);
			return NULL;
		}
	return k;
}

void
vg_keys_free(struct vg_keys *k)
{
	if (k == NULL)
		return;
	vg_map_fini(&k->map);
	free(k->name);
	free(k);
}

uint32_t
vg_keys_find(const struct vg_keys *k, vg_str name)
{
	return vg_map_find(&k->map, name); /* VG_MAP_NONE is VG_KEY_NONE */
}

_Static_assert(VG_KEY_NONE == VG_MAP_NONE, "a name not found has no key");

vg_str
vg_keys_name(const struct vg_keys *k, uint32_t key)
{
	return key < k->n ? k->name[key] : VG_NIL;
}

uint32_t
vg_keys_count(const struct vg_keys *k)
{
	return k->n;
}

uint64_t
vg_keys_serial(const struct vg_keys *k)
{
	return k->serial;
}
