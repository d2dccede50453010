/* event/keys.h - field names as numbers.  The names that the code, a rule or a pack speaks of get a key
 * once, when the rule set is loaded; then the table never grows, whatever the input holds. */
#ifndef VG_EVENT_KEYS_H
#define VG_EVENT_KEYS_H

#include "base/rc.h"
#include "base/str.h"
#include "event/names.h"

#define VG_KEY_NONE UINT32_MAX /* a name that nobody speaks of */
#define VG_KEYS_MAX 65536

struct vg_keys; /* immutable once frozen */

/* Holds the known names.  NULL when memory is out. */
struct vg_keys *vg_keys_new(void);
void vg_keys_free(struct vg_keys *k);
/* The key of @name, which is added when new; VG_KEY_NONE when the table is full or memory out. */
uint32_t vg_keys_add(struct vg_keys *k, vg_str name);
/* The key of @name, case and all; VG_KEY_NONE when nobody speaks of it. */
uint32_t vg_keys_find(const struct vg_keys *k, vg_str name);
vg_str vg_keys_name(const struct vg_keys *k, uint32_t key); /* { NULL, 0 } when out of range */
uint32_t vg_keys_count(const struct vg_keys *k);
/* Another number for another table, and after each name added: what was looked up under the same number still
 * holds.  Never 0. */
uint64_t vg_keys_serial(const struct vg_keys *k);

#endif
