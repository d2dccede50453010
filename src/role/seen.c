#include "role/seen.h"

#include <stdlib.h>

#include "role/messages.h"

#define SLOTS (2 * VG_SEEN_KINDS_MAX)
#define TELL_NS VG_SEC
#define AGAIN_NS (10 * VG_MIN) /* while it comes */

struct kind {
	const struct vg_logsource *ls; /* packs give the same pointer for the same kind of event */
	uint32_t nls, tenant, source;
	int64_t recv_ns;        /* newest */
	int64_t told_recv_ns, told_ns; /* what was told last, and when (monotonic); 0: nothing */
	uint64_t *has, *told;   /* a bit a key; owned, in one piece */
	bool changed;           /* it has some that was not told */
};
struct vg_seen {
	const struct vg_keys *keys;
	uint32_t nkey, nword;
	struct kind kind[VG_SEEN_KINDS_MAX];
	uint32_t nkind;
	uint32_t slot[SLOTS];   /* 1 + place in kind, by hash; 0: free */
	int64_t looked_ns, day_ns;
	uint64_t over;
	struct vg_buf out;
};

struct vg_seen *
vg_seen_new(const struct vg_keys *k, uint32_t nkey)
{
	struct vg_seen *s = calloc(1, sizeof(*s));

	if (s) {
		s->keys = k;
		s->nkey = nkey;
		s->nword = nkey / 64 + 1;
		s->day_ns = vg_monotonic_ns();
	}
	return s;
}

void
vg_seen_free(struct vg_seen *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->nkind; i++)
		free(s->kind[i].has);
	vg_buf_fini(&s->out);
	free(s);
}

static struct kind *
kind_of(struct vg_seen *s, uint32_t tenant, uint32_t source, const struct vg_event *e)
{
	uint64_t h = ((uint64_t)(uintptr_t)e->ls ^ ((uint64_t)source << 20)) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t at = (uint32_t)(h >> 40) % SLOTS;
	struct kind *k;

	for (; s->slot[at]; at = (at + 1) % SLOTS) {
		k = &s->kind[s->slot[at] - 1];
		if (k->ls == e->ls && k->nls == e->nls && k->source == source && k->tenant == tenant)
			return k;
	}
	if (s->nkind == VG_SEEN_KINDS_MAX || e->nls > VG_SEEN_LOGS_MAX)
		return NULL;
	k = &s->kind[s->nkind];
	*k = (struct kind){ .ls = e->ls, .nls = e->nls, .tenant = tenant, .source = source, .recv_ns = INT64_MIN, .has = calloc(2 * s->nword, sizeof(*k->has)) };
	if (k->has == NULL)
		return NULL;
	k->told = k->has + s->nword;
	s->slot[at] = ++s->nkind;
	return k;
}

void
vg_seen_event(struct vg_seen *s, uint32_t tenant, uint32_t source, int64_t recv_ns, const struct vg_event *e)
{
	struct kind *k = kind_of(s, tenant, source, e);

	if (k == NULL) {
		s->over++;
		return;
	}
	if (recv_ns > k->recv_ns)
		k->recv_ns = recv_ns;
	for (uint32_t i = 0; i < e->nfield; i++) {
		uint32_t key = e->field[i].key;
		uint64_t bit = UINT64_C(1) << (key % 64);

		if (key >= s->nkey || (k->has[key / 64] & bit))
			continue;
		k->has[key / 64] |= bit;
		k->changed = true;
	}
}

/* ---- telling ---- */

static void
put_fields(struct vg_seen *s, struct kind *k)
{
	uint32_t n = 0;

	k->changed = false;
	for (uint32_t key = 0; key < s->nkey; key++) {
		uint64_t bit = UINT64_C(1) << (key % 64);

		if (!(k->has[key / 64] & ~k->told[key / 64] & bit))
			continue;
		if (n++ == VG_SEEN_FIELDS_MAX || s->out.n > VG_SEEN_BYTES_MAX / 2) {
			k->changed = true; /* the rest next time */
			return;
		}
		k->told[key / 64] |= bit;
		vg_buf_le_str(&s->out, vg_str_cut(vg_keys_name(s->keys, key), VG_SEEN_NAME_MAX));
	}
}

static void
tell_kind(struct vg_seen *s, struct kind *k, struct vg_channel *trace, int64_t mono_ns)
{
	vg_buf_clear(&s->out);
	vg_buf_le32(&s->out, k->tenant);
	vg_buf_le32(&s->out, k->source);
	vg_buf_le64(&s->out, (uint64_t)k->recv_ns);
	vg_buf_le16(&s->out, (uint16_t)k->nls);
	for (uint32_t i = 0; i < k->nls; i++) {
		vg_buf_le_str(&s->out, vg_str_cut(k->ls[i].product, VG_SEEN_NAME_MAX));
		vg_buf_le_str(&s->out, vg_str_cut(k->ls[i].category, VG_SEEN_NAME_MAX));
		vg_buf_le_str(&s->out, vg_str_cut(k->ls[i].service, VG_SEEN_NAME_MAX));
	}
	put_fields(s, k);
	k->told_ns = mono_ns;
	k->told_recv_ns = k->recv_ns;
	if (s->out.rc == VG_OK)
		vg_channel_send(trace, VG_MSG_SEEN, vg_buf_str(&s->out));
}

/* Fields are those of a day: what stopped coming is not told any more. */
static void
begin_day(struct vg_seen *s, int64_t mono_ns)
{
	s->day_ns = mono_ns;
	for (uint32_t i = 0; i < s->nkind; i++)
		memset(s->kind[i].has, 0, 2 * s->nword * sizeof(*s->kind[i].has));
}

void
vg_seen_tell(struct vg_seen *s, struct vg_channel *trace, int64_t mono_ns)
{
	if (mono_ns - s->looked_ns < TELL_NS)
		return;
	s->looked_ns = mono_ns;
	for (uint32_t i = 0; i < s->nkind; i++) {
		struct kind *k = &s->kind[i];

		if (k->changed || k->told_ns == 0 || (k->recv_ns != k->told_recv_ns && mono_ns - k->told_ns > AGAIN_NS))
			tell_kind(s, k, trace, mono_ns);
	}
	if (mono_ns - s->day_ns > VG_DAY)
		begin_day(s, mono_ns);
}

void
vg_seen_again(struct vg_seen *s)
{
	for (uint32_t i = 0; i < s->nkind; i++) {
		memset(s->kind[i].told, 0, s->nword * sizeof(*s->kind[i].told));
		s->kind[i].told_ns = 0;
	}
	s->looked_ns = 0;
}

uint64_t
vg_seen_over(const struct vg_seen *s)
{
	return s->over;
}

/* ---- taking ---- */

static vg_str
take_name(struct vg_cur *c)
{
	uint32_t n = vg_cur_le32(c);

	if (n > VG_SEEN_NAME_MAX) {
		(void)vg_cur_fail(c, VG_E_LIMIT);
		return VG_NIL;
	}
	return vg_cur_bytes(c, n);
}

vg_rc
vg_seen_take(struct vg_cur *c, struct vg_seen_row *out)
{
	out->tenant = vg_cur_le32(c);
	out->source = vg_cur_le32(c);
	out->last_ns = (int64_t)vg_cur_le64(c);
	out->nls = vg_cur_le16(c);
	out->nfield = 0;
	if (out->nls > VG_SEEN_LOGS_MAX)
		return vg_cur_fail(c, VG_E_LIMIT);
	for (uint32_t i = 0; i < out->nls; i++) {
		out->ls[i].product = take_name(c);
		out->ls[i].category = take_name(c);
		out->ls[i].service = take_name(c);
	}
	while (vg_cur_left(c)) {
		if (out->nfield == VG_SEEN_FIELDS_MAX)
			return vg_cur_fail(c, VG_E_LIMIT);
		out->field[out->nfield++] = take_name(c);
	}
	return c->rc;
}
