#include "event/event.h"

void
vg_event_init(struct vg_event *e, struct vg_arena *a, const struct vg_keys *keys)
{
	*e = (struct vg_event){ .arena = a, .keys = keys };
	vg_event_reset(e);
}

void
vg_event_reset(struct vg_event *e)
{
	struct vg_arena *a = e->arena;
	const struct vg_keys *keys = e->keys;

	vg_arena_reset(a);
	*e = (struct vg_event){ .arena = a, .keys = keys, .time_ns = VG_TIME_NONE };
}

vg_rc
vg_event_grow(struct vg_event *e)
{
	uint32_t cap = e->cap ? e->cap * 2 : 64;
	struct vg_field *f;

	if (e->cap >= VG_EVENT_FIELDS_MAX) {
		e->dropped++;
		return VG_E_LIMIT;
	}
	if ((f = vg_arena_alloc(e->arena, cap * sizeof(*f))) == NULL)
		return VG_E_NOMEM;
	if (e->nfield)
		memcpy(f, e->field, e->nfield * sizeof(*f));
	e->field = f;
	e->cap = cap;
	return VG_OK;
}

vg_rc
vg_event_add(struct vg_event *e, vg_str name, enum vg_kind kind, vg_str value)
{
	return vg_event_add_key(e, name, vg_keys_find(e->keys, name), kind, 0, value);
}

const struct vg_field *
vg_event_find(const struct vg_event *e, uint32_t key)
{
	for (uint32_t i = 0; i < e->nfield; i++)
		if (e->field[i].key == key)
			return &e->field[i];
	return NULL;
}

vg_rc
vg_event_add_known(struct vg_event *e, enum vg_known_key key, enum vg_kind kind, vg_str value)
{
	const struct vg_field *f = vg_event_find(e, key);

	if (f && f->value.n)
		return VG_OK;
	return vg_event_add_key(e, vg_keys_name(e->keys, key), key, kind, VG_FIELD_ADDED, value);
}

const struct vg_field *
vg_event_find_name(const struct vg_event *e, vg_str name)
{
	for (uint32_t i = 0; i < e->nfield; i++)
		if (vg_str_eq(e->field[i].name, name))
			return &e->field[i];
	return NULL;
}

vg_str
vg_event_get(const struct vg_event *e, uint32_t key)
{
	const struct vg_field *f = vg_event_find(e, key);

	return f ? f->value : VG_NIL;
}
