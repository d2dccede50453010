/* Any bytes as one record: it gives at least one event, whose fields are those of the table of keys. */
#include "source/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	uint64_t *sum = (uint64_t *)ctx;

	if (e->nfield > VG_EVENT_FIELDS_MAX)
		abort();
	for (uint32_t i = 0; i < e->nfield; i++) {
		if (e->field[i].key != vg_keys_find(e->keys, e->field[i].name))
			abort();
		for (size_t k = 0; k < e->field[i].value.n; k++)
			*sum += (uint8_t)e->field[i].value.p[k];
	}
	for (size_t k = 0; k < e->raw.n; k++)
		*sum += (uint8_t)e->raw.p[k];
	return VG_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_decoder d;
	uint64_t sum = 0;

	if (keys == NULL)
		abort();
	vg_decoder_init(&d, NULL, keys, 0);
	if (vg_decoder_record(&d, vg_str_mem(data, size), INT64_C(1775000000) * VG_SEC, on_event, &sum) == VG_OK && d.events == 0)
		abort();
	vg_decoder_fini(&d);
	vg_keys_free(keys);
	return 0;
}
