#include "case/report.h"

#include "base/utf.h"

#define ROW_MATCHED_MAX 64 /* fields shown of one match */

static vg_str
event_field(const struct vg_signal *s, enum vg_known_key key)
{
	return s->event ? vg_event_get(s->event, key) : VG_NIL;
}

static void
put_time(struct vg_buf *b, int64_t time_ns, int digits)
{
	if (time_ns != VG_TIME_NONE)
		vg_buf_time(b, time_ns, digits);
}

static bool
is_correlation(const struct vg_rule *r)
{
	return r->kind == VG_RULE_CORRELATION;
}

/* JSON lines: one object a signal. */
static void
json_str(struct vg_buf *b, const char *name, vg_str value)
{
	vg_buf_puts(b, name);
	vg_buf_json_str(b, value);
}

static void
json_opt(struct vg_buf *b, const char *name, vg_str value)
{
	if (value.n)
		json_str(b, name, value);
}

/* Names and values as an object; a name that stands several times becomes a list. */
static void
json_pairs(struct vg_buf *b, const vg_str *name, const vg_str *value, size_t n)
{
	bool first = true;

	vg_buf_putc(b, '{');
	for (size_t i = 0; i < n; i++) {
		size_t same = 0;
		bool before = false;

		for (size_t k = 0; k < n; k++) {
			if (vg_str_eq(name[k], name[i])) {
				before |= k < i;
				same++;
			}
		}
		if (before)
			continue;
		if (!first)
			vg_buf_putc(b, ',');
		first = false;
		vg_buf_json_str(b, name[i]);
		vg_buf_puts(b, same > 1 ? ":[" : ":");
		vg_buf_json_str(b, value[i]);
		for (size_t k = i + 1; same > 1 && k < n; k++) {
			if (vg_str_eq(name[k], name[i])) {
				vg_buf_putc(b, ',');
				vg_buf_json_str(b, value[k]);
			}
		}
		if (same > 1)
			vg_buf_putc(b, ']');
	}
	vg_buf_putc(b, '}');
}

static void
row_jsonl(const struct vg_program *p, const struct vg_rule *r, const struct vg_signal *s, const vg_str *name,
	  const vg_str *value, size_t n, struct vg_buf *b)
{
	const struct vg_event *e = s->event;

	vg_buf_puts(b, is_correlation(r) ? "{\"kind\":\"correlation\",\"time\":" : "{\"kind\":\"signal\",\"time\":");
	if (s->time_ns == VG_TIME_NONE) {
		vg_buf_puts(b, "null");
	} else {
		vg_buf_putc(b, '"');
		put_time(b, s->time_ns, 9);
		vg_buf_putc(b, '"');
	}
	json_str(b, ",\"rule\":{\"id\":", vg_program_str(p, r->id));
	json_str(b, ",\"title\":", vg_program_str(p, r->title));
	json_str(b, ",\"level\":", vg_str_of(vg_level_name((enum vg_level)r->level)));
	json_str(b, ",\"author\":", vg_program_str(p, r->author));
	json_opt(b, ",\"license\":", vg_program_str(p, r->license));
	vg_buf_puts(b, ",\"tags\":[");
	for (uint32_t i = 0; i < r->ntag; i++) {
		if (i)
			vg_buf_putc(b, ',');
		vg_buf_json_str(b, vg_program_str(p, p->list[r->tag + i]));
	}
	json_str(b, "],\"file\":", vg_program_str(p, r->file));
	json_str(b, "},\"event\":{\"file\":", s->file);
	if (e) {
		vg_buf_puts(b, ",\"record\":");
		vg_buf_u64(b, e->record);
		json_str(b, ",\"host\":", e->host);
		json_str(b, ",\"channel\":", e->channel);
		json_opt(b, ",\"provider\":", e->provider);
		json_str(b, ",\"code\":", e->code);
		if (e->flags & VG_EVENT_CARVED)
			vg_buf_puts(b, ",\"carved\":true");
	}
	vg_buf_puts(b, "},\"matched\":");
	json_pairs(b, name, value, n);
	if (is_correlation(r)) {
		vg_buf_puts(b, ",\"count\":");
		vg_buf_u64(b, s->count);
		vg_buf_puts(b, ",\"first\":\"");
		put_time(b, s->first_ns, 9);
		vg_buf_puts(b, "\",\"by\":");
		json_pairs(b, s->by_name, s->by_value, s->nby);
	}
	vg_buf_puts(b, "}\n");
}

/* One cell of "name=value; name=value". */
static void
pairs_text(struct vg_buf *t, const vg_str *name, const vg_str *value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		vg_buf_puts(t, i ? "; " : "");
		vg_buf_put(t, name[i]);
		vg_buf_putc(t, '=');
		vg_buf_put(t, value[i]);
	}
}

static void
cell(struct vg_buf *b, vg_str s)
{
	vg_buf_putc(b, ',');
	vg_buf_csv(b, s);
}

static void
cell_u64(struct vg_buf *b, uint64_t v)
{
	vg_buf_putc(b, ',');
	vg_buf_u64(b, v);
}

static void
cell_tags(const struct vg_program *p, const struct vg_rule *r, struct vg_buf *t, struct vg_buf *b)
{
	vg_buf_clear(t);
	for (uint32_t i = 0; i < r->ntag; i++) {
		vg_buf_puts(t, i ? " " : "");
		vg_buf_put(t, vg_program_str(p, p->list[r->tag + i]));
	}
	cell(b, vg_buf_str(t));
}

/* Where it happened and to whom, as both kinds of CSV have it. */
static void
cells_place(struct vg_buf *b, const struct vg_signal *s)
{
	const struct vg_event *e = s->event;

	cell(b, e ? e->host : VG_NIL);
	cell(b, event_field(s, VG_K_USER_NAME));
	cell(b, event_field(s, VG_K_SOURCE_IP));
	cell(b, e ? e->channel : VG_NIL);
	cell(b, e ? e->code : VG_NIL);
	cell_u64(b, e ? e->record : 0);
	cell(b, s->file);
}

/* @t, which the cells were made in, is done with. */
static void
end_csv(struct vg_buf *b, struct vg_buf *t)
{
	vg_buf_puts(b, "\r\n"); /* RFC 4180 */
	if (t->rc != VG_OK && b->rc == VG_OK)
		b->rc = t->rc;
	vg_buf_fini(t);
}

static void
row_csv(const struct vg_program *p, const struct vg_rule *r, const struct vg_signal *s, const vg_str *name,
	const vg_str *value, size_t n, struct vg_buf *b)
{
	struct vg_buf t = { 0 };

	put_time(b, s->time_ns, 6);
	cell(b, vg_str_of(vg_level_name((enum vg_level)r->level)));
	cell(b, vg_program_str(p, r->title));
	cells_place(b, s);
	pairs_text(&t, name, value, n);
	cell(b, vg_buf_str(&t));
	cell_u64(b, s->count);
	vg_buf_clear(&t);
	pairs_text(&t, s->by_name, s->by_value, s->nby);
	cell(b, vg_buf_str(&t));
	cell(b, vg_program_str(p, r->id));
	cell(b, vg_program_str(p, r->author));
	cell(b, vg_program_str(p, r->license));
	cell_tags(p, r, &t, b);
	end_csv(b, &t);
}

static void
row_timesketch(const struct vg_program *p, const struct vg_rule *r, const struct vg_signal *s, const vg_str *name,
	       const vg_str *value, size_t n, struct vg_buf *b)
{
	struct vg_buf t = { 0 };
	char when[VG_TIME_MAX];
	int64_t time_ns = s->time_ns == VG_TIME_NONE ? 0 : s->time_ns; /* the column is not allowed to be empty */

	vg_buf_putc(&t, '[');
	vg_buf_puts(&t, vg_level_name((enum vg_level)r->level));
	vg_buf_puts(&t, "] ");
	vg_buf_put(&t, vg_program_str(p, r->title));
	if (n + s->nby) {
		vg_buf_puts(&t, ": ");
		pairs_text(&t, n ? name : s->by_name, n ? value : s->by_value, n ? n : s->nby);
	}
	vg_buf_csv(b, vg_buf_str(&t));
	/* Timesketch wants the offset in digits. */
	vg_buf_putc(b, ',');
	vg_buf_put(b, vg_str_mem(when, vg_time_print(time_ns, 6, when) - 1));
	vg_buf_puts(b, "+00:00");
	cell(b, s->time_ns == VG_TIME_NONE ? VG_STR("Time missing") : VG_STR("Event Logged"));
	cell(b, vg_str_of(vg_level_name((enum vg_level)r->level)));
	cell(b, vg_program_str(p, r->id));
	cell(b, vg_program_str(p, r->title));
	cell(b, vg_program_str(p, r->author));
	cell(b, vg_program_str(p, r->license));
	cells_place(b, s);
	cell_tags(p, r, &t, b);
	end_csv(b, &t);
}

/* A column of @width: cut or filled. */
static void
column(struct vg_buf *b, vg_str s, size_t width)
{
	struct vg_buf t = { 0 };
	size_t col = 0;
	vg_str left;

	vg_buf_safe(&t, vg_str_cut(s, 4 * width + 16));
	left = vg_buf_str(&t);
	while (left.n) {
		uint32_t cp;
		size_t n = vg_utf8_next(left, &cp), w = vg_utf8_columns(vg_str_cut(left, n ? n : 1));

		if (n == 0 || col + w > width)
			break;
		vg_buf_put(b, vg_str_cut(left, n));
		col += w;
		left = vg_str_skip(left, n);
	}
	for (; col < width; col++)
		vg_buf_putc(b, ' ');
	vg_buf_putc(b, ' ');
	vg_buf_fini(&t);
}

static void
row_table(const struct vg_program *p, const struct vg_rule *r, const struct vg_signal *s, const vg_str *name,
	  const vg_str *value, size_t n, struct vg_buf *b)
{
	struct vg_buf t = { 0 };
	char when[VG_TIME_MAX];
	size_t len = s->time_ns == VG_TIME_NONE ? 0 : vg_time_print(s->time_ns, 3, when);

	column(b, vg_str_mem(when, len), 24);
	column(b, vg_str_of(vg_level_name((enum vg_level)r->level)), 13);
	column(b, s->event ? s->event->host : VG_NIL, 20);
	column(b, vg_program_str(p, r->title), 48);
	if (s->count > 1) {
		vg_buf_putc(&t, 'x');
		vg_buf_u64(&t, s->count);
		vg_buf_putc(&t, ' ');
	}
	pairs_text(&t, n ? name : s->by_name, n ? value : s->by_value, n ? n : s->nby);
	vg_buf_safe(b, vg_str_cut(vg_buf_str(&t), 240));
	while (b->n && b->p[b->n - 1] == ' ')
		b->n--;
	vg_buf_putc(b, '\n');
	vg_buf_fini(&t);
}

void
vg_rows_begin(enum vg_rows f, struct vg_buf *b)
{
	switch (f) {
	case VG_ROWS_TABLE:
		vg_buf_printf(b, "%-24s %-13s %-20s %-48s %s\n", "TIME (UTC)", "LEVEL", "HOST", "RULE", "MATCHED");
		break;
	case VG_ROWS_CSV:
		vg_buf_puts(b, "time,level,rule,host,user,source_ip,channel,code,record,file,matched,count,group_by,"
			       "rule_id,author,license,tags\r\n");
		break;
	case VG_ROWS_TIMESKETCH:
		vg_buf_puts(b, "message,datetime,timestamp_desc,level,rule_id,rule_title,rule_author,rule_license,"
			       "computer_name,username,source_ip,channel,event_identifier,record_number,source_file,"
			       "tags\r\n");
		break;
	case VG_ROWS_JSONL:
		break;
	}
}

void
vg_rows_signal(enum vg_rows f, const struct vg_program *p, const struct vg_signal *s, const struct vg_row_matched *m,
	       size_t nm, struct vg_buf *b)
{
	vg_str name[ROW_MATCHED_MAX], value[ROW_MATCHED_MAX];
	const struct vg_rule *r = &p->rule[s->rule];

	if (nm > ROW_MATCHED_MAX)
		nm = ROW_MATCHED_MAX;
	for (size_t i = 0; i < nm; i++) {
		name[i] = m[i].name;
		value[i] = m[i].value;
	}
	switch (f) {
	case VG_ROWS_TABLE:
		row_table(p, r, s, name, value, nm, b);
		break;
	case VG_ROWS_JSONL:
		row_jsonl(p, r, s, name, value, nm, b);
		break;
	case VG_ROWS_CSV:
		row_csv(p, r, s, name, value, nm, b);
		break;
	case VG_ROWS_TIMESKETCH:
		row_timesketch(p, r, s, name, value, nm, b);
		break;
	}
}
