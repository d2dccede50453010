#include "role/source_set.h"

#include "base/cur.h"
#include "base/ip.h"
#include "net/gate.h"

#define SETS_BYTES ((size_t)64 << 20)

void
vg_source_sets_print(const struct vg_settings *s, struct vg_buf *out)
{
	vg_buf_le32(out, (uint32_t)s->sources.n);
	for (size_t i = 0; i < s->sources.n; i++) {
		const struct vg_source_set *x = &s->sources.item[i];

		vg_buf_le_str(out, x->name);
		vg_buf_le_str(out, x->tenant);
		vg_buf_le_str(out, x->class);
		vg_buf_u8(out, x->adopted);
		vg_buf_u8(out, (uint8_t)x->share);
		vg_buf_le32(out, (uint32_t)x->match.n);
		for (size_t j = 0; j < x->match.n; j++)
			vg_buf_le_str(out, x->match.item[j]);
	}
}

static vg_str
take_text(struct vg_cur *c, struct vg_arena *a)
{
	uint32_t n = vg_cur_le32(c);
	vg_str s = vg_str_dup(a, vg_cur_bytes(c, n));

	if (c->rc == VG_OK && s.p == NULL)
		(void)vg_cur_fail(c, VG_E_NOMEM);
	return s;
}

static vg_rc
take_set(struct vg_cur *c, struct vg_arena *a, struct vg_source_set *x)
{
	uint8_t adopted;

	x->name = take_text(c, a);
	x->tenant = take_text(c, a);
	x->class = take_text(c, a);
	adopted = vg_cur_u8(c);
	x->share = vg_cur_u8(c);
	x->adopted = adopted == 1;
	x->match.n = vg_cur_le32(c);
	if (c->rc != VG_OK || adopted > 1 || x->share > 100)
		return c->rc != VG_OK ? c->rc : VG_E_FORMAT;
	if (x->match.n > VG_SETTINGS_ITEMS_MAX)
		return VG_E_LIMIT;
	if ((x->match.item = vg_arena_array(a, vg_str, x->match.n + 1)) == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < x->match.n; i++)
		x->match.item[i] = take_text(c, a);
	return c->rc;
}

vg_rc
vg_source_sets_read(struct vg_source_sets *out, vg_str bytes)
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	uint32_t n = vg_cur_le32(&c);
	struct vg_settings *s = &out->s;
	vg_rc rc = c.rc;

	*out = (struct vg_source_sets){ .s.language = 0 };
	if (rc != VG_OK)
		return rc;
	if (n > VG_SETTINGS_ELEMENTS_MAX)
		return VG_E_LIMIT;
	vg_arena_init(&s->arena, SETS_BYTES);
	if ((s->sources.item = vg_arena_array(&s->arena, struct vg_source_set, n + 1)) == NULL)
		rc = VG_E_NOMEM;
	for (; rc == VG_OK && s->sources.n < n; s->sources.n++)
		rc = take_set(&c, &s->arena, &s->sources.item[s->sources.n]);
	if (rc == VG_OK && vg_cur_left(&c))
		rc = VG_E_FORMAT;
	if (rc != VG_OK)
		vg_source_sets_fini(out);
	return rc;
}

void
vg_source_sets_fini(struct vg_source_sets *x)
{
	vg_arena_fini(&x->s.arena);
	*x = (struct vg_source_sets){ .s.language = 0 };
}

const struct vg_source_set *
vg_source_set_of(const struct vg_settings *s, vg_str tenant, vg_str name, vg_str address)
{
	uint8_t ip[16];
	bool known = vg_ip_parse(address, ip) || vg_ip_parse(name, ip);

	return vg_settings_source(s, tenant, name, known ? ip : NULL);
}

uint8_t
vg_source_sets_state(const struct vg_source_sets *x, vg_str tenant, const struct vg_source *s)
{
	const struct vg_source_set *set = vg_source_set_of(&x->s, tenant, s->name, s->address);

	return (set ? set->adopted : s->proof >= VG_PROOF_KEY) ? VG_SOURCE_ADOPTED : VG_SOURCE_NEW;
}

vg_rc
vg_source_sets_row(const struct vg_source_sets *x, sqlite3 *db, vg_str tenant, struct vg_source *s)
{
	const struct vg_source_set *set = vg_source_set_of(&x->s, tenant, s->name, s->address);
	vg_rc rc = vg_catalogue_source(db, s);

	if (rc != VG_OK || s->state != VG_SOURCE_NEW || set == NULL || !set->adopted)
		return rc;
	s->state = VG_SOURCE_ADOPTED;
	return vg_catalogue_set_state(db, s->id, s->state);
}
