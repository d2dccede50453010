/* What our own processes send each other, and what spools hold.  The first byte chooses: e, an event; f, a fact; s, entries of a
 * spool.  What is always true: what decodes can be encoded, and then decodes to the same bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "event/wire.h"
#include "hunt/spool.h"
#include "trace/fact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
event(vg_str s)
{
	static struct vg_keys *keys;
	struct vg_cur in = vg_cur_of(s.p, s.n), again;
	struct vg_buf one = { 0 }, two = { 0 };
	struct vg_arena a;
	struct vg_event e;

	if (keys == NULL && (keys = vg_keys_new()) == NULL)
		abort();
	vg_arena_init(&a, (size_t)64 << 20);
	vg_event_init(&e, &a, keys);
	while (vg_cur_left(&in) && vg_wire_decode(&in, &e) == VG_OK) {
		assert(e.nfield <= VG_EVENT_FIELDS_MAX);
		vg_buf_clear(&one);
		vg_buf_clear(&two);
		vg_wire_encode(&one, &e, NULL, 0);
		again = vg_cur_of(one.p, one.n);
		assert(vg_wire_decode(&again, &e) == VG_OK);
		vg_wire_encode(&two, &e, NULL, 0);
		assert(vg_str_eq(vg_buf_str(&one), vg_buf_str(&two)));
	}
	vg_buf_fini(&one);
	vg_buf_fini(&two);
	vg_arena_fini(&a);
}

static void
fact(vg_str s)
{
	struct vg_cur in = vg_cur_of(s.p, s.n);
	struct vg_buf b = { 0 };
	struct vg_fact f;

	while (vg_cur_left(&in)) {
		size_t at = vg_cur_at(&in);

		if (vg_fact_decode(&in, &f) != VG_OK)
			break;
		assert(f.kind < VG_FACT_KINDS && vg_fact_name((enum vg_fact_kind)f.kind));
		vg_buf_clear(&b);
		vg_fact_encode(&b, &f);
		assert(vg_str_eq(vg_buf_str(&b), vg_str_mem(s.p + at, vg_cur_at(&in) - at)));
	}
	vg_buf_fini(&b);
}

static void
spool(vg_str s)
{
	struct vg_cur in = vg_cur_of(s.p, s.n);
	struct vg_entry e;
	struct vg_buf b = { 0 };
	vg_str payload;

	while (vg_cur_left(&in)) {
		size_t at = vg_cur_at(&in);

		if (vg_entry_take(&in, &e, &payload) != VG_OK)
			break;
		assert(payload.n <= VG_SPOOL_ENTRY_MAX && e.type < VG_ENTRY_TYPES);
		vg_buf_clear(&b);
		vg_entry_put(&b, &e, payload);
		assert(vg_str_eq(vg_buf_str(&b), vg_str_mem(s.p + at, vg_cur_at(&in) - at)));
	}
	vg_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'e', event }, { 'f', fact }, { 's', spool }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
