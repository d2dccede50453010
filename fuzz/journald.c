/* Fields of the machine's journal, which any local user writes: what is made of an entry reads back as one entry, with these fields and no others.  The input
 * is a row of fields: u16 bytes, and they. */
#include <assert.h>

#include "base/cur.h"
#include "net/journald.c"
#include "source/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct vg_cur fields; /* of the entry that the journal stands at */
static vg_str row;

/* ---- a journal of one entry, in place of libsystemd's ---- */

int
sd_journal_get_realtime_usec(sd_journal *j, uint64_t *out)
{
	(void)j;
	*out = UINT64_C(1790000000000000);
	return 0;
}

int
sd_journal_get_monotonic_usec(sd_journal *j, uint64_t *out, sd_id128_t *boot)
{
	(void)j;
	*out = 5;
	*boot = (sd_id128_t){ .bytes = { 1 } };
	return 0;
}

int
sd_journal_get_cursor(sd_journal *j, char **out)
{
	(void)j;
	*out = strdup("s=1;i=2");
	return *out ? 0 : -ENOMEM;
}

void
sd_journal_restart_data(sd_journal *j)
{
	(void)j;
	fields = vg_cur_of(row.p, row.n);
}

int
sd_journal_enumerate_available_data(sd_journal *j, const void **p, size_t *n)
{
	uint16_t size;
	vg_str s;

	(void)j;
	if (vg_cur_left(&fields) < 2)
		return 0;
	size = vg_cur_le16(&fields);
	s = vg_cur_bytes(&fields, size < vg_cur_left(&fields) ? size : vg_cur_left(&fields));
	*p = s.p;
	*n = s.n;
	return 1;
}

/* ---- what it reads back as ---- */

static unsigned events;

/* Those that stand in the entry: in this order, each with its value. */
static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	const struct vg_journald *j = ctx;
	uint32_t at = 0;
	const void *p;
	size_t n;

	(void)j;
	events++;
	sd_journal_restart_data(NULL);
	while (sd_journal_enumerate_available_data(NULL, &p, &n) > 0) {
		vg_str field = vg_str_mem(p, n), name, value;
		size_t eq = vg_str_chr(field, '=');

		if (eq == VG_NPOS || !is_name(vg_str_cut(field, eq)) || vg_str_starts(field, VG_STR("_BOOT_ID=")) || vg_str_starts(field, VG_STR("__")))
			continue;
		name = vg_str_cut(field, eq);
		value = vg_str_skip(field, eq + 1);
		while (at < e->nfield && !(vg_str_eq(e->field[at].name, name) && vg_str_eq(e->field[at].value, value)))
			at++;
		assert(at < e->nfield || e->nfield == VG_EVENT_FIELDS_MAX);
	}
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	(void)ctx;
	(void)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct vg_keys *keys;
	const struct vg_format *format = vg_format_find(VG_STR("journal"));
	char cursor[VG_JOURNALD_CURSOR_MAX + 1];
	struct vg_journald j = { .full = false };
	struct vg_sink sink = { &j, on_event, on_note };
	struct vg_arena arena;
	struct vg_event e;
	struct vg_input in;
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &e, .first = true, .name = VG_STR("x") };
	uint64_t over;

	if (keys == NULL && (keys = vg_keys_new()) == NULL)
		abort();
	row = vg_str_mem(data, n);
	if (format == NULL || take_entry(&j, cursor, &over) < 0)
		abort();
	assert(j.entry.n <= VG_RECORD_RAW_MAX + 1000);
	events = 0;
	vg_arena_init(&arena, (size_t)64 << 20);
	vg_event_init(&e, &arena, keys);
	vg_input_mem(&in, (const uint8_t *)j.entry.p, j.entry.n);
	assert(format->read(&r) == VG_OK && events == 1);
	vg_arena_fini(&arena);
	vg_buf_fini(&j.entry);
	return 0;
}
