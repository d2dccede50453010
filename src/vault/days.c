#include "vault/days.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"

#define TITLE "vigie day"

void
vg_days_free(struct vg_days *d)
{
	free(d->day);
	*d = (struct vg_days){ .day = NULL };
}

/* The text as there is one way to write it. */
static void
print_text(const struct vg_note_key *log, const struct vg_day *x, struct vg_buf *b)
{
	vg_buf_printf(b, TITLE "\n%s\nday %u\n", log->name, x->day);
	vg_note_key_print(&x->key, b);
	vg_buf_putc(b, '\n');
}

static bool
take_text(vg_str text, const struct vg_note_key *log, struct vg_day *out)
{
	vg_str rest = text, title, name, day, key;
	char date[VG_TIME_MAX], want[VG_NOTE_NAME_MAX];
	struct vg_buf again = { 0 };
	uint64_t n = 0;
	bool same;

	if (!vg_str_split(&rest, '\n', &title) || !vg_str_split(&rest, '\n', &name) || !vg_str_split(&rest, '\n', &day) || !vg_str_split(&rest, '\n', &key) ||
	    !vg_str_starts(day, VG_STR("day ")) || !vg_str_u64(vg_str_skip(day, 4), &n) || n == 0 || n > UINT32_MAX / 2 || vg_note_key_parse(key, &out->key) != VG_OK)
		return false;
	out->day = (uint32_t)n;
	(void)vg_time_print((int64_t)n * VG_DAY, 0, date);
	snprintf(want, sizeof(want), "%.60s/day/%.10s", log->name, date);
	print_text(log, out, &again);
	same = again.rc == VG_OK && vg_str_eq(vg_buf_str(&again), text) && strcmp(out->key.name, want) == 0;
	vg_buf_fini(&again);
	return same;
}

static size_t
lines_of(vg_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* Signed by the log's key and nothing else, or also by that of a day before it that can have been the one in use. */
static bool
is_signed(const struct vg_days *d, vg_str note, size_t signatures, const struct vg_note_key *log, struct vg_day *x)
{
	if (!vg_note_is_signed(note, log))
		return false;
	x->first = signatures == 1;
	if (x->first)
		return d->n == 0 || d->day[d->n - 1].first;
	for (size_t i = d->n; signatures == 2 && i-- > 0 && d->n - i <= VG_DAYS_UNUSED_MAX;)
		if (d->day[i].day < x->day && vg_note_is_signed(note, &d->day[i].key))
			return true;
	return false;
}

static vg_rc
keep(struct vg_days *d, const struct vg_day *x)
{
	size_t cap = d->cap ? 2 * d->cap : 64;
	struct vg_day *p;

	if (d->n == VG_DAYS_MAX)
		return VG_E_LIMIT;
	if (d->n == d->cap) {
		if ((p = realloc(d->day, cap * sizeof(*p))) == NULL)
			return VG_E_NOMEM;
		d->day = p;
		d->cap = cap;
	}
	d->day[d->n++] = *x;
	return VG_OK;
}

vg_rc
vg_days_take(struct vg_days *d, vg_str rest, const struct vg_note_key *log, size_t *used)
{
	size_t text = vg_str_find(rest, VG_STR("\n\n")), end;
	struct vg_day x = { .at = d->n ? d->day[d->n - 1].at + d->day[d->n - 1].bytes : 0 };
	vg_str signatures;

	if (text == VG_NPOS || text > VG_NOTE_BYTES_MAX)
		return VG_E_FORMAT;
	signatures = vg_str_skip(rest, text + 2);
	if ((end = vg_str_find(signatures, VG_STR("\n\n"))) == VG_NPOS || end > VG_NOTE_BYTES_MAX)
		return VG_E_FORMAT;
	signatures = vg_str_cut(signatures, end + 1);
	x.bytes = text + 2 + signatures.n + 1;
	if (!take_text(vg_str_cut(rest, text + 1), log, &x) || (d->n && x.day < d->day[d->n - 1].day) ||
	    !is_signed(d, vg_str_cut(rest, x.bytes - 1), lines_of(signatures), log, &x))
		return VG_E_FORMAT;
	*used = x.bytes;
	return keep(d, &x);
}

vg_rc
vg_days_read(struct vg_days *d, vg_str bytes, const struct vg_note_key *log, size_t *bad)
{
	size_t at = 0, used;
	vg_rc rc = bytes.n > VG_DAYS_BYTES_MAX ? VG_E_LIMIT : VG_OK;

	while (rc == VG_OK && at < bytes.n)
		if ((rc = vg_days_take(d, vg_str_skip(bytes, at), log, &used)) == VG_OK)
			at += used;
	*bad = at;
	return rc;
}

const struct vg_day *
vg_days_signer(const struct vg_days *d, vg_str note)
{
	for (size_t i = d->n; i-- > 0;)
		if (vg_note_is_signed(note, &d->day[i].key))
			return &d->day[i];
	return NULL;
}
