#include "role/met.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define FIELD_MAX 200 /* bytes of a field's name */

vg_rc
vg_sealed_map(int fd, void **map, size_t *bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return VG_E_REFUSED;
	if (fstat(fd, &st) < 0)
		return VG_E_SYS;
	if (st.st_size <= 0)
		return VG_E_TRUNC;
	*bytes = (size_t)st.st_size;
	*map = mmap(NULL, *bytes, PROT_READ, MAP_SHARED, fd, 0);
	return *map == MAP_FAILED ? VG_E_SYS : VG_OK;
}

vg_rc
vg_met_open(struct vg_met_set *s, int fd)
{
	struct vg_met_set new;
	vg_rc rc = vg_sealed_map(fd, &new.map, &new.bytes);

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_indicators_load(vg_str_mem(new.map, new.bytes), &new.x)) != VG_OK) {
		(void)munmap(new.map, new.bytes);
		return rc;
	}
	vg_met_close(s);
	*s = new;
	return VG_OK;
}

void
vg_met_close(struct vg_met_set *s)
{
	if (s->bytes)
		(void)munmap(s->map, s->bytes);
	s->bytes = 0;
}

static void
end_last(struct vg_met_list *m)
{
	struct vg_met x = { .kind = m->kind, .expires_ns = m->expires_ns, .value = vg_buf_str(&m->value), .found = vg_buf_str(&m->found),
			    .field = vg_buf_str(&m->field), .file = vg_buf_str(&m->file), .source = vg_buf_str(&m->source), .note = vg_buf_str(&m->note) };

	if (!m->open)
		return;
	m->open = false;
	vg_met_put(&m->b, &x);
	m->n++;
}

static void
set_text(struct vg_buf *b, vg_str s, size_t max)
{
	vg_buf_clear(b);
	vg_buf_put(b, vg_str_cut(s, max));
}

/* One more name, when it is not there yet. */
static void
join(struct vg_buf *b, vg_str name)
{
	vg_str rest = vg_buf_str(b), have;

	if (name.n == 0 || b->n + name.n + 2 > VG_MET_TEXT_MAX)
		return;
	while (rest.n) {
		size_t at = vg_str_find(rest, VG_STR(", "));

		have = vg_str_cut(rest, at == VG_NPOS ? rest.n : at);
		if (vg_str_eq(have, name))
			return;
		rest = vg_str_skip(rest, at == VG_NPOS ? rest.n : at + 2);
	}
	vg_buf_puts(b, b->n ? ", " : "");
	vg_buf_put(b, name);
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, const struct vg_indicator_hit *h)
{
	struct vg_met_list *m = ctx;

	(void)e;
	if (m->open && m->kind == (uint8_t)h->kind && vg_str_eq(vg_buf_str(&m->value), h->value)) {
		join(&m->file, h->file);
		join(&m->source, h->source);
		if (m->expires_ns != VG_TIME_NONE && (h->expires_ns == VG_TIME_NONE || h->expires_ns > m->expires_ns))
			m->expires_ns = h->expires_ns;
		if (m->note.n == 0)
			set_text(&m->note, h->note, VG_IOC_NOTE_MAX);
		return VG_OK;
	}
	end_last(m);
	m->open = true;
	m->kind = (uint8_t)h->kind;
	m->expires_ns = h->expires_ns;
	set_text(&m->value, h->value, VG_IOC_BUF);
	set_text(&m->found, h->found, VG_MET_TEXT_MAX);
	set_text(&m->field, h->field ? h->field->name : VG_NIL, FIELD_MAX);
	vg_buf_clear(&m->file);
	vg_buf_clear(&m->source);
	join(&m->file, h->file);
	join(&m->source, h->source);
	set_text(&m->note, h->note, VG_IOC_NOTE_MAX);
	return m->value.rc | m->found.rc | m->field.rc | m->file.rc | m->source.rc | m->note.rc ? VG_E_NOMEM : VG_OK;
}

vg_rc
vg_met_event(struct vg_met_list *m, const struct vg_indicators *x, const struct vg_event *e, int64_t now_ns)
{
	vg_rc rc;

	m->n = 0;
	m->open = false;
	vg_buf_clear(&m->b);
	rc = vg_indicators_match(x, e, now_ns, on_hit, m);
	end_last(m);
	if (m->b.rc != VG_OK)
		m->n = 0;
	return rc != VG_OK ? rc : m->b.rc;
}

void
vg_met_fini(struct vg_met_list *m)
{
	struct vg_buf *all[] = { &m->b, &m->value, &m->found, &m->field, &m->file, &m->source, &m->note };

	for (size_t i = 0; i < VG_COUNT(all); i++)
		vg_buf_fini(all[i]);
}
