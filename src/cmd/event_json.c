#include "cmd/event_json.h"

#include "base/map.h"

static void
value(struct vg_buf *b, const struct vg_field *f)
{
	int64_t i;

	switch ((enum vg_kind)f->kind) {
	case VG_KIND_NULL:
		vg_buf_puts(b, "null");
		return;
	case VG_KIND_INT: /* hexadecimal and what does not fit stay text */
		if (vg_str_i64(f->value, &i) && f->value.n < 16 && f->value.p[0] != '0' && f->value.p[0] != '+') {
			vg_buf_put(b, f->value);
			return;
		}
		if (vg_str_eq(f->value, VG_STR("0"))) {
			vg_buf_putc(b, '0');
			return;
		}
		break;
	case VG_KIND_BOOL:
		if (vg_str_eq(f->value, VG_STR("true")) || vg_str_eq(f->value, VG_STR("false"))) {
			vg_buf_put(b, f->value);
			return;
		}
		break;
	case VG_KIND_TEXT:
	case VG_KIND_FLOAT:
	case VG_KIND_BYTES:
		break;
	}
	vg_buf_json_str(b, f->value);
}

/* The fields whose ADDED flag is @added, each name once. */
static void
fields(struct vg_buf *b, const struct vg_event *e, uint8_t added)
{
	struct vg_map first; /* name -> 1 + its last place, 0 when written */
	uint32_t next[VG_EVENT_FIELDS_MAX], head[VG_EVENT_FIELDS_MAX];
	bool comma = false;

	vg_map_init(&first, (size_t)16 << 20);
	for (uint32_t i = 0; i < e->nfield && i < VG_EVENT_FIELDS_MAX; i++) {
		uint32_t at;

		next[i] = UINT32_MAX;
		head[i] = UINT32_MAX;
		if ((e->field[i].flags & VG_FIELD_ADDED) != added)
			continue;
		at = vg_map_add(&first, e->field[i].name, i, NULL);
		if (at == VG_MAP_NONE)
			continue;
		if (at != i) { /* append to the chain that begins at @at; head[at] is its end */
			next[head[at]] = i;
			head[at] = i;
		} else {
			head[i] = i;
		}
	}
	for (uint32_t i = 0; i < e->nfield && i < VG_EVENT_FIELDS_MAX; i++) {
		if ((e->field[i].flags & VG_FIELD_ADDED) != added || vg_map_find(&first, e->field[i].name) != i)
			continue;
		if (comma)
			vg_buf_putc(b, ',');
		comma = true;
		vg_buf_json_str(b, e->field[i].name);
		vg_buf_putc(b, ':');
		if (next[i] == UINT32_MAX) {
			value(b, &e->field[i]);
			continue;
		}
		for (uint32_t j = i; j != UINT32_MAX; j = next[j]) {
			vg_buf_putc(b, j == i ? '[' : ',');
			value(b, &e->field[j]);
		}
		vg_buf_putc(b, ']');
	}
	vg_map_fini(&first);
}

static void
flag_names(struct vg_buf *b, uint32_t flags)
{
	static const struct { uint32_t flag; const char *name; } names[] = {
		{ VG_EVENT_CARVED, "carved" }, { VG_EVENT_PARTIAL, "partial" },
		{ VG_EVENT_YEAR_INFERRED, "year-inferred" }, { VG_EVENT_ZONE_INFERRED, "zone-inferred" },
		{ VG_EVENT_TIME_MISSING, "time-missing" },
	};
	const char *sep = ",\"flags\":[";

	for (size_t i = 0; i < VG_COUNT(names); i++)
		if (flags & names[i].flag) {
			vg_buf_printf(b, "%s\"%s\"", sep, names[i].name);
			sep = ",";
		}
	if (flags)
		vg_buf_putc(b, ']');
}

void
vg_event_json(struct vg_buf *b, const struct vg_event *e, vg_str file)
{
	char t[VG_TIME_MAX];

	vg_buf_puts(b, "{\"time\":");
	if (e->time_ns == VG_TIME_NONE)
		vg_buf_puts(b, "null");
	else
		vg_buf_json_str(b, vg_str_mem(t, vg_time_print(e->time_ns, 9, t)));
	vg_buf_puts(b, ",\"file\":");
	vg_buf_json_str(b, file);
	vg_buf_printf(b, ",\"record\":%llu", (unsigned long long)e->record);
	vg_buf_puts(b, ",\"host\":");
	vg_buf_json_str(b, e->host);
	vg_buf_puts(b, ",\"channel\":");
	vg_buf_json_str(b, e->channel);
	vg_buf_puts(b, ",\"code\":");
	vg_buf_json_str(b, e->code);
	if (e->pack) {
		vg_buf_puts(b, ",\"pack\":");
		vg_buf_json_str(b, vg_str_of(e->pack));
	}
	for (uint32_t i = 0; i < e->nls; i++) {
		vg_buf_puts(b, i ? ",{" : ",\"logsource\":[{");
		vg_buf_puts(b, "\"product\":");
		vg_buf_json_str(b, e->ls[i].product);
		vg_buf_puts(b, ",\"category\":");
		vg_buf_json_str(b, e->ls[i].category);
		vg_buf_puts(b, ",\"service\":");
		vg_buf_json_str(b, e->ls[i].service);
		vg_buf_puts(b, i + 1 == e->nls ? "}]" : "}");
	}
	flag_names(b, e->flags & 31);
	vg_buf_puts(b, ",\"fields\":{");
	fields(b, e, 0);
	vg_buf_puts(b, "},\"added\":{");
	fields(b, e, VG_FIELD_ADDED);
	vg_buf_puts(b, "}}\n");
}
