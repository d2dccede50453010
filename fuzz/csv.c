/* Any bytes as a table, and as key=value pairs. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
pairs(const uint8_t *data, size_t size)
{
	static struct vg_keys *keys;
	struct fuzz_reader seen = { 0 };
	struct vg_arena arena;
	struct vg_event e;

	if (keys == NULL && (keys = vg_keys_new()) == NULL)
		abort();
	vg_arena_init(&arena, (size_t)256 << 20);
	vg_event_init(&e, &arena, keys);
	if (vg_kv_fields(vg_str_mem(data + 1, size - 1), data[0] & 1 ? ';' : 0, VG_NIL, &e) == VG_OK)
		(void)fuzz_event(&seen, &e);
	vg_arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_reader(&(struct fuzz_reader){ 0 }, "csv", data, size);
	if (size)
		pairs(data, size);
	return 0;
}
