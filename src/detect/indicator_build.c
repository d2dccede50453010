/* detect/indicator_build.c - entries to the blob of a set. */
#include <stdlib.h>
#include <sys/random.h>

#include "base/map.h"
#include "detect/indicator_blob.h"

#define RECENT 4096 /* notes that are remembered, to be written once */

struct row {
	struct vg_sip hash;
	uint32_t meta;
	uint8_t kind, pad[3];
};
struct vg_indicator_build {
	struct vg_indicator_head head;
	struct vg_buf row, meta, net, source, text;
	struct vg_map sources;   /* file, NUL, name -> row of source */
	uint32_t recent[RECENT]; /* place in text of a note with this hash */
	uint32_t merged, unnoted;
};

#define ROWS(b, type) ((uint32_t)((b).n / sizeof(type)))

struct vg_indicator_build *
vg_indicator_build_new(void)
{
	struct vg_indicator_build *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	memcpy(b->head.magic, VG_INDICATOR_MAGIC, sizeof(b->head.magic));
	vg_map_init(&b->sources, (size_t)64 << 20);
	vg_buf_le16(&b->text, 0); /* the empty text */
	if (b->text.rc != VG_OK || getrandom(b->head.key, sizeof(b->head.key), 0) != sizeof(b->head.key)) {
		vg_indicator_build_free(b);
		return NULL;
	}
	return b;
}

void
vg_indicator_build_free(struct vg_indicator_build *b)
{
	if (b == NULL)
		return;
	vg_buf_fini(&b->row);
	vg_buf_fini(&b->meta);
	vg_buf_fini(&b->net);
	vg_buf_fini(&b->source);
	vg_buf_fini(&b->text);
	vg_map_fini(&b->sources);
	free(b);
}

/* Where @s lies in the texts; 0, and counted, when there is no room. */
static uint32_t
put_text(struct vg_indicator_build *b, vg_str s)
{
	uint32_t at = (uint32_t)b->text.n, *seen;

	s = vg_str_cut(s, UINT16_MAX);
	if (s.n == 0)
		return 0;
	seen = &b->recent[vg_map_hash(s) % RECENT];
	if (*seen) {
		uint16_t n;

		memcpy(&n, b->text.p + *seen, 2);
		if (vg_str_eq(vg_str_mem(b->text.p + *seen + 2, n), s))
			return *seen;
	}
	if (b->text.n + 2 + s.n > VG_INDICATOR_TEXT_MAX) {
		b->unnoted++;
		return 0;
	}
	vg_buf_le16(&b->text, (uint16_t)s.n);
	vg_buf_put(&b->text, s);
	return *seen = at;
}

static uint32_t
put_source(struct vg_indicator_build *b, vg_str file, vg_str name)
{
	char key[4096 + VG_IOC_NOTE_MAX + 1];
	struct vg_indicator_source row;
	uint32_t at, next = ROWS(b->source, struct vg_indicator_source);

	file = vg_str_cut(file, 4096);
	name = vg_str_cut(name, VG_IOC_NOTE_MAX);
	memcpy(key, file.n ? file.p : "", file.n);
	key[file.n] = 0;
	memcpy(key + file.n + 1, name.n ? name.p : "", name.n);
	at = vg_map_find(&b->sources, vg_str_mem(key, file.n + 1 + name.n));
	if (at != VG_MAP_NONE)
		return at;
	if (next >= VG_INDICATOR_SOURCES_MAX - 1 && name.n) {
		b->unnoted++;
		return put_source(b, file, VG_NIL);
	}
	if (next >= VG_INDICATOR_SOURCES_MAX) {
		b->unnoted++;
		return 0;
	}
	row = (struct vg_indicator_source){ put_text(b, file), put_text(b, name) };
	vg_buf_mem(&b->source, &row, sizeof(row));
	if (vg_map_add(&b->sources, vg_str_mem(key, file.n + 1 + name.n), next, NULL) == VG_MAP_NONE)
		b->source.rc = VG_E_NOMEM;
	return next;
}

static void
set_bit(uint8_t *bits, uint32_t i)
{
	bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* What the matcher asks before it hashes. */
static void
learn(struct vg_indicator_head *h, const struct vg_ioc *i)
{
	unsigned labels = 0;

	if (i->kind == VG_IOC_DOMAIN) {
		(void)vg_ioc_domain_ok(i->value, &labels);
		h->labels = labels > h->labels ? labels : h->labels;
		set_bit(h->domain_ends, vg_indicator_end(vg_str_behind_last(i->value, '.')));
	} else if (i->kind == VG_IOC_FILE) {
		set_bit(h->file_ends, vg_indicator_end(vg_str_behind_last(i->value, '.')));
		h->paths |= vg_str_chr(i->value, '/') != VG_NPOS || vg_str_chr(i->value, '\\') != VG_NPOS;
	}
	if (i->kind >= VG_IOC_FILE)
		set_bit(h->sketch, vg_indicator_sketch(i->value));
	h->wide |= !vg_ascii(i->value);
}

static size_t
unhex(vg_str s, uint8_t *out)
{
	for (size_t i = 0; i < s.n / 2; i++) {
		unsigned a = (unsigned char)s.p[2 * i], b = (unsigned char)s.p[2 * i + 1];

		out[i] = (uint8_t)((a <= '9' ? a - '0' : a - 'a' + 10) << 4 | (b <= '9' ? b - '0' : b - 'a' + 10));
	}
	return s.n / 2;
}

vg_rc
vg_indicator_build_add(struct vg_indicator_build *b, vg_str file, const struct vg_ioc *i)
{
	uint32_t at = ROWS(b->meta, struct vg_indicator_meta);
	struct vg_indicator_meta m = { .next = VG_INDICATOR_NONE };
	struct row r = { .meta = at, .kind = (uint8_t)i->kind };
	uint8_t digest[64];

	if (at >= VG_INDICATORS_MAX)
		return VG_E_LIMIT;
	m.source = put_source(b, file, i->source);
	m.note = put_text(b, i->note);
	if (i->expires_ns != VG_TIME_NONE) { /* rounded up: it lasts until its time */
		int64_t s = i->expires_ns / VG_SEC + (i->expires_ns % VG_SEC > 0);

		m.expires_s = s < 1 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
	}
	vg_buf_mem(&b->meta, &m, sizeof(m));
	learn(&b->head, i);
	if (i->kind == VG_IOC_NET) {
		struct vg_indicator_net net = { .meta = at, .parent = VG_INDICATOR_NONE, .bits = (uint8_t)i->bits };

		memcpy(net.addr, i->addr, sizeof(net.addr));
		vg_buf_mem(&b->net, &net, sizeof(net));
	} else {
		vg_str what = i->kind == VG_IOC_IP ? vg_str_mem(i->addr, 16) :
			      i->kind >= VG_IOC_MD5 && i->kind <= VG_IOC_SHA512 ? vg_str_mem(digest, unhex(i->value, digest)) : i->value;

		r.hash = vg_indicator_hash(b->head.key, what);
		vg_buf_mem(&b->row, &r, sizeof(r));
	}
	return b->row.rc | b->meta.rc | b->net.rc | b->source.rc | b->text.rc ? VG_E_NOMEM : VG_OK;
}

static struct vg_indicator_meta *
meta_at(struct vg_indicator_build *b, uint32_t i)
{
	return (struct vg_indicator_meta *)(void *)b->meta.p + i;
}

/* One more source @add of what @first stands for: where its entry begins now. */
static uint32_t
chain(struct vg_indicator_build *b, uint32_t first, uint32_t add)
{
	struct vg_indicator_meta *a = meta_at(b, add);

	for (uint32_t i = first; i != VG_INDICATOR_NONE; i = meta_at(b, i)->next) {
		struct vg_indicator_meta *m = meta_at(b, i);

		if (m->source != a->source)
			continue;
		if (m->expires_s && (a->expires_s == 0 || a->expires_s > m->expires_s))
			m->expires_s = a->expires_s;
		b->merged++;
		return first;
	}
	a->next = first;
	return add;
}

static void
fill_slots(struct vg_indicator_build *b, struct vg_indicator_slot *slot, uint32_t nslot, uint64_t *filter, uint32_t nword)
{
	const struct row *row = (const struct row *)(const void *)b->row.p;

	for (uint32_t i = 0; i < nslot; i++)
		slot[i] = (struct vg_indicator_slot){ .meta = VG_INDICATOR_NONE };
	memset(filter, 0, nword * sizeof(*filter));
	for (uint32_t i = 0; i < ROWS(b->row, struct row); i++) {
		const struct row *r = &row[i];
		uint32_t at = vg_indicator_place(r->hash.lo, nslot);

		while (slot[at].meta != VG_INDICATOR_NONE && !(slot[at].check == r->hash.hi && slot[at].kind == r->kind))
			at = at + 1 == nslot ? 0 : at + 1;
		if (slot[at].meta != VG_INDICATOR_NONE) {
			slot[at].meta = chain(b, slot[at].meta, r->meta);
			continue;
		}
		slot[at] = (struct vg_indicator_slot){ .check = r->hash.hi, .meta = r->meta, .kind = r->kind };
		b->head.count[r->kind]++;
		filter[r->hash.lo & (nword - 1)] |= vg_indicator_bits(r->hash.hi);
	}
}

static int
net_cmp(const void *x, const void *y)
{
	const struct vg_indicator_net *a = x, *b = y;
	int c = memcmp(a->addr, b->addr, 16);

	return c ? c : a->bits != b->bits ? (a->bits > b->bits) - (a->bits < b->bits) : (a->meta > b->meta) - (a->meta < b->meta);
}

static bool
net_holds(const struct vg_indicator_net *wide, const uint8_t addr[16])
{
	unsigned n = wide->bits / 8u, rest = wide->bits % 8u;

	return memcmp(wide->addr, addr, n) == 0 && (rest == 0 || (wide->addr[n] ^ addr[n]) >> (8 - rest) == 0);
}

/* In order, equal ones as one, each with the next wider one around it. */
static void
order_nets(struct vg_indicator_build *b)
{
	struct vg_indicator_net *net = (struct vg_indicator_net *)(void *)b->net.p;
	uint32_t n = ROWS(b->net, struct vg_indicator_net), kept = 0;

	if (n == 0)
		return;
	qsort(net, n, sizeof(*net), net_cmp);
	for (uint32_t i = 0; i < n; i++) {
		struct vg_indicator_net *last = kept ? &net[kept - 1] : NULL;

		if (last && last->bits == net[i].bits && memcmp(last->addr, net[i].addr, 16) == 0) {
			last->meta = chain(b, last->meta, net[i].meta);
			continue;
		}
		net[kept] = net[i];
		net[kept].parent = kept ? kept - 1 : VG_INDICATOR_NONE;
		while (net[kept].parent != VG_INDICATOR_NONE && !net_holds(&net[net[kept].parent], net[kept].addr))
			net[kept].parent = net[net[kept].parent].parent;
		kept++;
	}
	b->net.n = kept * sizeof(*net);
	b->head.count[VG_IOC_NET] = kept;
}

/* Room for @n bytes of section @which, aligned; where they begin in @out. */
static size_t
section(struct vg_indicator_head *h, int which, size_t *end, size_t rows, size_t bytes)
{
	size_t at = (*end + 7) & ~(size_t)7;

	h->at[which] = at;
	h->n[which] = (uint32_t)rows;
	*end = at + bytes;
	return at;
}

vg_rc
vg_indicator_build_finish(struct vg_indicator_build *b, struct vg_buf *out, struct vg_indicator_made *made)
{
	struct vg_indicator_head *h = &b->head;
	uint32_t n = ROWS(b->row, struct row), nslot = n + n / 3 + 8, nword = 8;
	size_t end = sizeof(*h), base = out->n;

	while ((uint64_t)nword * 4 < n) /* 16 bits an entry or more */
		nword *= 2;
	order_nets(b);
	section(h, VG_IND_FILTER, &end, nword, nword * sizeof(uint64_t));
	section(h, VG_IND_SLOT, &end, nslot, (size_t)nslot * sizeof(struct vg_indicator_slot));
	section(h, VG_IND_META, &end, ROWS(b->meta, struct vg_indicator_meta), b->meta.n);
	section(h, VG_IND_NET, &end, ROWS(b->net, struct vg_indicator_net), b->net.n);
	section(h, VG_IND_SOURCE, &end, ROWS(b->source, struct vg_indicator_source), b->source.n);
	section(h, VG_IND_TEXT, &end, b->text.n, b->text.n);
	end = (end + 7) & ~(size_t)7;
	if (base % 8 || !vg_buf_reserve(out, end))
		return out->rc != VG_OK ? out->rc : VG_E_FORMAT;
	memset(out->p + base, 0, end);
	out->n += end;
	fill_slots(b, (struct vg_indicator_slot *)(void *)(out->p + base + h->at[VG_IND_SLOT]), nslot,
		   (uint64_t *)(void *)(out->p + base + h->at[VG_IND_FILTER]), nword);
	memcpy(out->p + base, h, sizeof(*h));
	memcpy(out->p + base + h->at[VG_IND_META], b->meta.n ? b->meta.p : "", b->meta.n);
	memcpy(out->p + base + h->at[VG_IND_NET], b->net.n ? b->net.p : "", b->net.n);
	memcpy(out->p + base + h->at[VG_IND_SOURCE], b->source.n ? b->source.p : "", b->source.n);
	memcpy(out->p + base + h->at[VG_IND_TEXT], b->text.p, b->text.n);
	*made = (struct vg_indicator_made){ ROWS(b->meta, struct vg_indicator_meta) - b->merged, b->merged, b->unnoted };
	return VG_OK;
}
