/* detect/indicator.c - an event's values against a set.  A value is looked through once for what can begin an indicator: a dot, a
 * colon, sixteen hexadecimal digits in a row.  What is found there becomes a hash; hashes are looked up some at a time, so that
 * their places in memory are fetched together. */
#include "detect/indicator.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/ip.h"
#include "detect/indicator_blob.h"

#define ASKED_MAX 32
#define NAME_MAX_BYTES 1024  /* of a whole value that is looked up */
#define ADDRESS_BYTES 45     /* of an address as text: v6 with a v4 tail */
#define NESTED_MAX 8         /* URLs that begin inside one: each is hashed anew, and a megabyte of "a://" must not take a second */
#define LOCAL_MAX 64         /* of a mail address before its @ (RFC 5321, 4.5.3.1.1) */

#define KIND(k) (1u << VG_IOC_##k)
#define HASH_KINDS (KIND(MD5) | KIND(IMPHASH) | KIND(SHA1) | KIND(SHA256) | KIND(SHA512))
#define NAME_KINDS (KIND(FILE) | KIND(USER) | KIND(TEXT))

struct asked {
	struct vg_sip hash;
	uint32_t kinds;
	const struct vg_field *field;
	vg_str found;
};
struct pass {
	const struct vg_indicators *x;
	const struct vg_event *e;
	uint32_t now_s, kinds; /* kinds: that the set has */
	vg_indicator_fn *hit;
	void *ctx;
	vg_rc rc;
	const struct vg_field *field; /* that is looked through */
	struct asked *asked; /* ASKED_MAX */
	uint32_t nasked;
	uint32_t *given;     /* VG_INDICATOR_HITS_MAX entries */
	uint32_t ngiven;
	size_t url_end;  /* of the URL that was looked up last, in the value at hand */
	uint32_t nested; /* that began before it */
};

/* --- loading --- */

static bool
text_ok(const struct vg_indicators *x, uint32_t at)
{
	uint32_t total = x->head->n[VG_IND_TEXT];
	uint16_t n;

	if (at > total || total - at < 2)
		return false;
	memcpy(&n, x->text + at, 2);
	return n <= total - at - 2;
}

static vg_str
text_at(const struct vg_indicators *x, uint32_t at)
{
	uint16_t n;

	memcpy(&n, x->text + at, 2);
	return vg_str_mem(x->text + at + 2, n);
}

static bool
slots_ok(const struct vg_indicators *x)
{
	const struct vg_indicator_head *h = x->head;
	uint32_t empty = 0;

	for (uint32_t i = 0; i < h->n[VG_IND_SLOT]; i++) {
		if (x->slot[i].meta == VG_INDICATOR_NONE)
			empty++;
		else if (x->slot[i].meta >= h->n[VG_IND_META] || x->slot[i].kind >= VG_IOC_KINDS)
			return false;
	}
	return empty > 0; /* so that looking ends */
}

static bool
nets_ok(const struct vg_indicators *x)
{
	for (uint32_t i = 0; i < x->head->n[VG_IND_NET]; i++) {
		const struct vg_indicator_net *n = &x->net[i];

		if (n->bits > 128 || n->meta >= x->head->n[VG_IND_META] || (i && memcmp(x->net[i - 1].addr, n->addr, 16) > 0))
			return false;
		if (n->parent != VG_INDICATOR_NONE && (n->parent >= i || x->net[n->parent].bits >= n->bits))
			return false;
	}
	return true;
}

static bool
rows_ok(const struct vg_indicators *x)
{
	const struct vg_indicator_head *h = x->head;

	for (uint32_t i = 0; i < h->n[VG_IND_SOURCE]; i++)
		if (!text_ok(x, x->source[i].file) || !text_ok(x, x->source[i].name))
			return false;
	for (uint32_t i = 0; i < h->n[VG_IND_META]; i++)
		if (x->meta[i].source >= h->n[VG_IND_SOURCE] || !text_ok(x, x->meta[i].note) ||
		    (x->meta[i].next != VG_INDICATOR_NONE && x->meta[i].next >= i))
			return false;
	return true;
}

vg_rc
vg_indicators_load(vg_str blob, struct vg_indicators *out)
{
	static const size_t size[VG_IND_SECTIONS] = { sizeof(uint64_t), sizeof(struct vg_indicator_slot), sizeof(struct vg_indicator_meta),
						      sizeof(struct vg_indicator_net), sizeof(struct vg_indicator_source), 1 };
	const struct vg_indicator_head *h = (const struct vg_indicator_head *)(const void *)blob.p;
	struct vg_indicators x = { .head = h };

	if (blob.n < sizeof(*h))
		return VG_E_TRUNC;
	if ((uintptr_t)blob.p % 8 || memcmp(h->magic, VG_INDICATOR_MAGIC, sizeof(h->magic)) != 0)
		return VG_E_FORMAT;
	for (int i = 0; i < VG_IND_SECTIONS; i++)
		if (h->at[i] % 8 || h->at[i] < sizeof(*h) || h->at[i] > blob.n || (uint64_t)h->n[i] * size[i] > blob.n - h->at[i])
			return VG_E_FORMAT;
	if (h->n[VG_IND_FILTER] == 0 || h->n[VG_IND_FILTER] & (h->n[VG_IND_FILTER] - 1))
		return VG_E_FORMAT;
	x.filter = (const uint64_t *)(const void *)(blob.p + h->at[VG_IND_FILTER]);
	x.slot = (const struct vg_indicator_slot *)(const void *)(blob.p + h->at[VG_IND_SLOT]);
	x.meta = (const struct vg_indicator_meta *)(const void *)(blob.p + h->at[VG_IND_META]);
	x.net = (const struct vg_indicator_net *)(const void *)(blob.p + h->at[VG_IND_NET]);
	x.source = (const struct vg_indicator_source *)(const void *)(blob.p + h->at[VG_IND_SOURCE]);
	x.text = blob.p + h->at[VG_IND_TEXT];
	memcpy(x.count, h->count, sizeof(x.count));
	if (!slots_ok(&x) || !nets_ok(&x) || !rows_ok(&x))
		return VG_E_FORMAT;
	*out = x;
	return VG_OK;
}

/* --- hits --- */

static void
give(struct pass *p, uint32_t meta, const struct vg_indicator_hit *like)
{
	const struct vg_indicators *x = p->x;

	for (; meta != VG_INDICATOR_NONE && p->rc == VG_OK; meta = x->meta[meta].next) {
		const struct vg_indicator_meta *m = &x->meta[meta];
		struct vg_indicator_hit h = *like;
		uint32_t i = 0;

		if (m->expires_s && p->now_s >= m->expires_s)
			continue;
		while (i < p->ngiven && p->given[i] != meta)
			i++;
		if (i < p->ngiven)
			continue;
		if (p->ngiven == VG_INDICATOR_HITS_MAX) {
			p->rc = VG_E_LIMIT;
			return;
		}
		p->given[p->ngiven++] = meta;
		h.file = text_at(x, x->source[m->source].file);
		h.source = text_at(x, x->source[m->source].name);
		h.note = text_at(x, m->note);
		h.expires_ns = m->expires_s ? (int64_t)m->expires_s * VG_SEC : VG_TIME_NONE;
		p->rc = p->hit(p->ctx, p->e, &h);
	}
}

static void
probe(struct pass *p, const struct asked *a)
{
	const struct vg_indicators *x = p->x;
	uint32_t n = x->head->n[VG_IND_SLOT];
	char buf[VG_IOC_BUF];
	struct vg_ioc i;

	for (uint32_t at = vg_indicator_place(a->hash.lo, n); x->slot[at].meta != VG_INDICATOR_NONE; at = at + 1 == n ? 0 : at + 1) {
		struct vg_indicator_hit h = { .kind = (enum vg_ioc_kind)x->slot[at].kind, .field = a->field, .found = a->found };

		if (x->slot[at].check != a->hash.hi || !(a->kinds >> h.kind & 1))
			continue;
		h.value = vg_ioc_set(&i, h.kind, a->found, buf) == VG_OK ? i.value : a->found;
		give(p, x->slot[at].meta, &h);
	}
}

static void
flush(struct pass *p)
{
	const struct vg_indicators *x = p->x;
	uint64_t mask = x->head->n[VG_IND_FILTER] - 1;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->nasked; i++) {
		uint64_t bits = vg_indicator_bits(p->asked[i].hash.hi);

		if ((x->filter[p->asked[i].hash.lo & mask] & bits) != bits)
			continue;
		__builtin_prefetch(&x->slot[vg_indicator_place(p->asked[i].hash.lo, x->head->n[VG_IND_SLOT])]);
		p->asked[kept++] = p->asked[i];
	}
	p->nasked = 0;
	for (uint32_t i = 0; i < kept && p->rc == VG_OK; i++)
		probe(p, &p->asked[i]);
}

/* Is @bytes, one way of writing @found, an entry of one of @kinds? */
static void
ask(struct pass *p, vg_str bytes, uint32_t kinds, vg_str found)
{
	struct asked *a;

	if ((kinds &= p->kinds) == 0)
		return;
	if (p->nasked == ASKED_MAX)
		flush(p);
	a = &p->asked[p->nasked++];
	*a = (struct asked){ vg_indicator_hash(p->x->head->key, bytes), kinds, p->field, found };
	__builtin_prefetch(&p->x->filter[a->hash.lo & (p->x->head->n[VG_IND_FILTER] - 1)]);
}

/* --- addresses --- */

static void
ask_networks(struct pass *p, const uint8_t addr[16], vg_str found)
{
	const struct vg_indicator_net *net = p->x->net;
	uint32_t low = 0, high = p->x->head->n[VG_IND_NET];

	while (low < high) { /* the first that begins behind it */
		uint32_t mid = low + (high - low) / 2;

		if (memcmp(net[mid].addr, addr, 16) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (uint32_t i = low ? low - 1 : VG_INDICATOR_NONE; i != VG_INDICATOR_NONE; i = net[i].parent) {
		char text[VG_IOC_ADDRESS_MAX];
		struct vg_indicator_hit h = { .kind = VG_IOC_NET, .field = p->field, .found = found };

		if (!vg_ip_in(addr, net[i].addr, net[i].bits))
			continue;
		h.value = vg_str_mem(text, vg_ioc_address(net[i].addr, net[i].bits, text));
		give(p, net[i].meta, &h);
	}
}

static bool
ask_address(struct pass *p, vg_str s)
{
	uint8_t addr[16];

	if (s.n > ADDRESS_BYTES || !vg_ip_parse(s, addr))
		return false;
	ask(p, vg_str_mem(addr, 16), KIND(IP), s);
	if (p->kinds & KIND(NET))
		ask_networks(p, addr, s);
	return true;
}

/* --- names --- */

enum { C_DIGIT = 1, C_HEX = 2, C_LETTER = 4, C_LABEL = 8 /* of a host name */, C_LOCAL = 16 /* of a mail address */, C_URL = 32 };
static uint8_t class_of[256];

__attribute__((constructor)) static void
fill_classes(void)
{
	for (int c = 0; c < 256; c++) {
		bool digit = c >= '0' && c <= '9', letter = ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80;

		class_of[c] = (uint8_t)((digit ? C_DIGIT : 0) | (digit || ((c | 32) >= 'a' && (c | 32) <= 'f' && c < 0x80) ? C_HEX : 0) |
					(letter ? C_LETTER : 0) | (digit || letter || c == '-' || c == '_' ? C_LABEL | C_LOCAL : 0) |
					(c == '.' || c == '+' || c == '%' ? C_LOCAL : 0) |
					(c > ' ' && c != 0x7f && !strchr("\"'<>|^`{}\\", c) ? C_URL : 0));
	}
}

static inline bool
is(char c, int what)
{
	return class_of[(uint8_t)c] & what;
}

/* Fold @s and ask. */
static void
ask_name(struct pass *p, vg_str s, uint32_t kinds)
{
	char buf[VG_FOLD_MAX(NAME_MAX_BYTES)];

	ask(p, vg_str_mem(buf, vg_fold(s, buf)), kinds, s);
}

/* Could a name that ends so be there?  Of names that are not ASCII nothing is known. */
static bool
end_seen(const struct pass *p, const uint8_t *ends, vg_str label)
{
	return vg_bit_get(ends, vg_indicator_end(label)) || (p->x->head->wide && !vg_ascii(label));
}

/* A value, or its last part, as the name of a file, of a user, or as a text. */
static void
ask_whole(struct pass *p, vg_str s, uint32_t kinds)
{
	if (s.n < VG_IOC_TEXT_MIN || s.n > NAME_MAX_BYTES)
		return;
	if (!vg_bit_get(p->x->head->sketch, vg_indicator_sketch(s)) && !(p->x->head->wide && !vg_ascii(s)))
		return;
	if ((kinds &= p->kinds) & KIND(FILE) && !end_seen(p, p->x->head->file_ends, vg_str_behind_last(s, '.')))
		kinds &= ~KIND(FILE);
	if (kinds)
		ask_name(p, s, kinds);
}

static void
ask_domains(struct pass *p, vg_str s)
{
	vg_str at = s, label = vg_str_behind_last(s, '.');
	unsigned labels = 0;

	if (!end_seen(p, p->x->head->domain_ends, label) || !vg_ioc_domain_ok(s, &labels))
		return;
	for (; labels >= 2; labels--) {
		if (labels <= p->x->head->labels)
			ask_name(p, at, KIND(DOMAIN));
		at = vg_str_skip(at, vg_str_chr(at, '.') + 1);
	}
}

/* A URL, whose host begins at @from: as it stands, and without its query. */
static void
ask_url(struct pass *p, vg_str s, size_t from)
{
	char buf[VG_IOC_BUF];
	vg_str url = vg_str_skip(s, from);
	size_t n = 0, query;

	p->nested = from < p->url_end ? p->nested + 1 : 0;
	if (p->nested > NESTED_MAX)
		return;
	while (n < url.n && n < VG_IOC_VALUE_MAX && is(url.p[n], C_URL))
		n++;
	while (n && strchr(".,;:!?)]", url.p[n - 1]))
		n--;
	if (p->nested == 0)
		p->url_end = from + n;
	url = vg_str_cut(url, n);
	query = vg_str_chr(url, '?');
	if ((n = vg_ioc_url_key(url, buf)) > 0)
		ask(p, vg_str_mem(buf, n), KIND(URL), url);
	if (query != VG_NPOS && (n = vg_ioc_url_key(vg_str_cut(url, query), buf)) > 0)
		ask(p, vg_str_mem(buf, n), KIND(URL), vg_str_cut(url, query));
}

/* Does a path follow the host that ends at @to: "/", "?", ":8080/"? */
static bool
path_follows(vg_str s, size_t to)
{
	if (to < s.n && s.p[to] == ':')
		for (to++; to < s.n && vg_is_digit(s.p[to]); to++)
			;
	return to < s.n && (s.p[to] == '/' || s.p[to] == '?');
}

static void
ask_mail(struct pass *p, vg_str s, size_t at, size_t to)
{
	size_t from = at;

	while (from && at - from <= LOCAL_MAX && is(s.p[from - 1], C_LOCAL))
		from--;
	if (from < at && at - from <= LOCAL_MAX)
		ask_name(p, vg_str_mem(s.p + from, to - from), KIND(EMAIL));
}

/* --- what stands around a place --- */

/* "1.2.3.4" around the dot at @dot: where it ends, 0 when there is none. */
static size_t
v4_at(struct pass *p, vg_str s, size_t low, size_t dot)
{
	size_t from = dot, to = dot;

	if (dot == 0 || dot + 1 == s.n || !is(s.p[dot - 1], C_DIGIT) || !is(s.p[dot + 1], C_DIGIT))
		return 0;
	while (from > low && (is(s.p[from - 1], C_DIGIT) || s.p[from - 1] == '.'))
		from--;
	while (to < s.n && (is(s.p[to], C_DIGIT) || s.p[to] == '.'))
		to++;
	if (to < s.n && is(s.p[to], C_LETTER))
		return 0;
	if (from > low && is(s.p[from - 1], C_LETTER))
		return 0;
	while (from < dot && s.p[from] == '.')
		from++;
	while (to > dot && s.p[to - 1] == '.')
		to--;
	return to - from >= 7 && to - from <= 15 && ask_address(p, vg_str_mem(s.p + from, to - from)) ? to : 0;
}

/* The name around the dot at @dot, nothing before @low; where the next one may begin. */
static size_t
name_at(struct pass *p, vg_str s, size_t low, size_t dot)
{
	size_t from = dot, to = dot + 1, end;
	char before, after;
	vg_str name;

	if (p->kinds & (KIND(IP) | KIND(NET)) && (end = v4_at(p, s, low, dot)) > 0)
		return end;
	while (from > low && (is(s.p[from - 1], C_LABEL) || s.p[from - 1] == '.'))
		from--;
	while (to < s.n && (is(s.p[to], C_LABEL) || s.p[to] == '.'))
		to++;
	end = to;
	while (from < to && s.p[from] == '.')
		from++;
	while (to > from && s.p[to - 1] == '.')
		to--;
	before = from ? s.p[from - 1] : 0;
	after = to < s.n ? s.p[to] : 0;
	name = vg_str_mem(s.p + from, to - from);
	if (name.n < VG_IOC_TEXT_MIN || name.n > NAME_MAX_BYTES || after == '@')
		return end;
	if (p->kinds & KIND(FILE))
		ask_whole(p, name, KIND(FILE));
	if (is(name.p[name.n - 1], C_DIGIT) && is(vg_str_behind_last(name, '.').p[0], C_DIGIT))
		return end; /* a number, or a version */
	if (p->kinds & KIND(DOMAIN))
		ask_domains(p, name);
	if (before == '@' && p->kinds & KIND(EMAIL) && name.n <= VG_IOC_DOMAIN_MAX)
		ask_mail(p, s, from - 1, to);
	if (p->kinds & KIND(URL) && before != '/' && before != '\\' && before != '@' && path_follows(s, to))
		ask_url(p, s, from);
	return end;
}

/* What a colon at @at begins or is part of: "://", an address of v6. */
static size_t
colon_at(struct pass *p, vg_str s, size_t low, size_t at)
{
	size_t from = at, to = at, colons = 0;
	bool gap = false;

	if (s.n - at > 3 && s.p[at + 1] == '/' && s.p[at + 2] == '/') {
		if (p->kinds & KIND(URL) && at && is(s.p[at - 1], C_LETTER | C_DIGIT))
			ask_url(p, s, at + 3);
		return at + 3;
	}
	while (from > low && at - from <= 4 && is(s.p[from - 1], C_HEX)) /* the first colon of it: nothing but a group is before */
		from--;
	for (; to < s.n && to - from <= ADDRESS_BYTES && (is(s.p[to], C_HEX) || s.p[to] == ':' || s.p[to] == '.'); to++) {
		colons += s.p[to] == ':';
		gap = gap || (s.p[to] == ':' && to > from && s.p[to - 1] == ':');
	}
	if (!(p->kinds & (KIND(IP) | KIND(NET))) || colons < 2 || (!gap && colons < 6) || (from && is(s.p[from - 1], C_LABEL)) ||
	    (to < s.n && is(s.p[to], C_LABEL)))
		return at + 1;
	while (to > at + 1 && (s.p[to - 1] == '.' || (s.p[to - 1] == ':' && s.p[to - 2] != ':')))
		to--;
	return ask_address(p, vg_str_mem(s.p + from, to - from)) ? to : at + 1;
}

static unsigned
digit_of(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
}

/* The digits around @at; where they end. */
static size_t
digest_at(struct pass *p, vg_str s, size_t low, size_t at)
{
	size_t from = at, to = at, n;
	uint32_t kinds;
	uint8_t bytes[64];

	while (from > low && is(s.p[from - 1], C_HEX))
		from--;
	while (to < s.n && is(s.p[to], C_HEX))
		to++;
	n = to - from;
	kinds = n == 32 ? KIND(MD5) | KIND(IMPHASH) : n == 40 ? KIND(SHA1) : n == 64 ? KIND(SHA256) : n == 128 ? KIND(SHA512) : 0;
	if (kinds & p->kinds && !(from && is(s.p[from - 1], C_LETTER)) && !(to < s.n && is(s.p[to], C_LETTER))) {
		for (size_t i = 0; i < n / 2; i++)
			bytes[i] = (uint8_t)(digit_of(s.p[from + 2 * i]) << 4 | digit_of(s.p[from + 2 * i + 1]));
		ask(p, vg_str_mem(bytes, n / 2), kinds, vg_str_mem(s.p + from, n));
	}
	return to;
}

/* --- a value --- */

#define BLOCK 16

struct marks { /* a bit a byte */
	unsigned points;  /* dots and colons */
	unsigned slashes; /* both kinds */
	bool hex;         /* hexadecimal digits and nothing else */
};

#ifdef __SSE2__
typedef __m128i block;

static inline block
whole_block(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline block
block_of(uint64_t low, uint64_t high)
{
	return _mm_set_epi64x((int64_t)high, (int64_t)low);
}

static inline struct marks
marks_of(block v)
{
	__m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0')), letter = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(32)), _mm_set1_epi8('a'));
	struct marks m;

	m.points = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')), _mm_cmpeq_epi8(v, _mm_set1_epi8(':'))));
	m.slashes = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('/')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
	digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
	letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
	m.hex = _mm_movemask_epi8(_mm_or_si128(digit, letter)) == 0xffff;
	return m;
}
#else
typedef struct {
	char c[BLOCK];
} block;

static inline block
whole_block(const char *p)
{
	block v;

	memcpy(v.c, p, BLOCK);
	return v;
}

static inline block
block_of(uint64_t low, uint64_t high)
{
	block v;

	memcpy(v.c, &low, 8);
	memcpy(v.c + 8, &high, 8);
	return v;
}

static inline struct marks
marks_of(block v)
{
	struct marks m = { 0, 0, true };

	for (unsigned i = 0; i < BLOCK; i++) {
		m.points |= (unsigned)(v.c[i] == '.' || v.c[i] == ':') << i;
		m.slashes |= (unsigned)(v.c[i] == '/' || v.c[i] == '\\') << i;
		m.hex = m.hex && is(v.c[i], C_HEX);
	}
	return m;
}
#endif

/* Less than a block, and zeros behind it: two overlapping words, so that no byte behind @s is read. */
static inline block
short_block(vg_str s)
{
	uint64_t low = 0, high = 0;
	uint32_t a = 0, b = 0;

	if (s.n >= 8) {
		memcpy(&low, s.p, 8);
		memcpy(&high, s.p + s.n - 8, 8);
		high = s.n > 8 ? high >> (8 * (16 - s.n)) : 0;
	} else if (s.n >= 4) {
		memcpy(&a, s.p, 4);
		memcpy(&b, s.p + s.n - 4, 4);
		low = a | (uint64_t)b << (8 * (s.n - 4));
	} else {
		for (size_t i = 0; i < s.n; i++)
			low |= (uint64_t)(uint8_t)s.p[i] << (8 * i);
	}
	return block_of(low, high);
}

/* What is at @points, places counted from @at on. */
static size_t
at_points(struct pass *p, vg_str s, size_t at, unsigned points, size_t low)
{
	while (points && p->rc == VG_OK) {
		size_t here = at + (size_t)__builtin_ctz(points);

		points &= points - 1;
		if (here >= low)
			low = (s.p[here] == '.' ? name_at : colon_at)(p, s, low, here);
	}
	return low;
}

/* Look @s through; what is behind its last slash or backslash begins where this says. */
static size_t
scan(struct pass *p, vg_str s)
{
	size_t named = 0, hexed = 0, base = 0; /* named, hexed: what is before was looked at */

	p->url_end = 0;
	for (size_t at = 0; at < s.n && p->rc == VG_OK; at += BLOCK) {
		struct marks m = marks_of(s.n - at >= BLOCK ? whole_block(s.p + at) : short_block(vg_str_skip(s, at)));

		if (m.hex && at >= hexed && p->kinds & HASH_KINDS)
			hexed = digest_at(p, s, hexed, at);
		if (m.points)
			named = at_points(p, s, at, m.points, named);
		if (m.slashes)
			base = at + 32 - (size_t)__builtin_clz(m.slashes);
	}
	return base;
}

static void
look_through(struct pass *p, vg_str s)
{
	size_t base = scan(p, s);

	if (!(p->kinds & NAME_KINDS) || s.n > NAME_MAX_BYTES)
		return;
	ask_whole(p, vg_str_skip(s, base), NAME_KINDS);
	if (base && (p->x->head->paths || p->kinds & (KIND(USER) | KIND(TEXT))))
		ask_whole(p, s, NAME_KINDS);
}

static void
look_through_words(struct pass *p, vg_str s)
{
	for (size_t from = 0, i = 0; i <= s.n && p->rc == VG_OK; i++) {
		if (i < s.n && (uint8_t)s.p[i] > ' ' && !strchr(",;\"'=()<>[]{}", s.p[i]))
			continue;
		ask_whole(p, vg_str_mem(s.p + from, i - from), NAME_KINDS);
		from = i + 1;
	}
}

static void
look_through_fields(struct pass *p, uint8_t added)
{
	for (uint32_t i = 0; i < p->e->nfield && p->rc == VG_OK; i++) {
		const struct vg_field *f = &p->e->field[i];

		if ((f->flags & VG_FIELD_ADDED) != added || (f->kind != VG_KIND_TEXT && f->kind != VG_KIND_BYTES) || f->value.n < VG_IOC_TEXT_MIN)
			continue;
		p->field = f;
		look_through(p, f->value);
	}
}

vg_rc
vg_indicators_match(const struct vg_indicators *x, const struct vg_event *e, int64_t now_ns, vg_indicator_fn *hit, void *ctx)
{
	int64_t now_s = now_ns / VG_SEC;
	struct asked asked[ASKED_MAX]; /* not cleared: that would cost more than a lookup */
	uint32_t given[VG_INDICATOR_HITS_MAX];
	struct pass p = { .x = x, .e = e, .hit = hit, .ctx = ctx, .asked = asked, .given = given,
			  .now_s = now_s < 0 ? 0 : now_s > UINT32_MAX ? UINT32_MAX : (uint32_t)now_s };

	for (unsigned k = 0; k < VG_IOC_KINDS; k++)
		p.kinds |= (unsigned)(x->count[k] > 0) << k;
	if (p.kinds == 0)
		return VG_OK;
	look_through_fields(&p, VG_FIELD_ADDED);
	look_through_fields(&p, 0);
	if (e->nfield == 0) {
		(void)scan(&p, e->raw);
		if (p.kinds & NAME_KINDS)
			look_through_words(&p, e->raw);
	}
	if (p.rc == VG_OK)
		flush(&p);
	return p.rc;
}
