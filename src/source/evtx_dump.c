/* EVTX records as JSON lines and as XML, written straight from the trees.  The JSON has the shape that
 * evtx_dump -o jsonl made common: attributes in "#attributes", text beside them in "#text", <Data Name="X">
 * as "X", a second name of the same text with _1 behind it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/utf.h"
#include "source/evtx_bin.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FLUSH_BYTES ((size_t)256 << 10)

struct seen_name {
	struct seen_name *next;
	vg_str name;
	uint32_t times;
};
/* An object that is being written. */
struct obj {
	bool first;
	bool track; /* its names may repeat */
	bool data_done;
	struct seen_name *seen;
};
struct dump {
	struct vg_evtx_walk *w;
	struct vg_buf *out;
	vg_evtx_flush *flush;
	void *flush_ctx;
	struct vg_arena tmp;
};

static bool
step(struct dump *d, size_t bytes)
{
	return vg_bx_step(&d->w->bx, 1 + (uint32_t)(bytes / 64));
}

/* --- text --- */

static const char hex[] = "0123456789ABCDEF";

static size_t
put_u(uint32_t unit, char *o)
{
	memcpy(o, "\\u", 2);
	for (int i = 0; i < 4; i++)
		o[2 + i] = hex[unit >> (12 - 4 * i) & 15];
	return 6;
}

static size_t
json_unit(uint32_t c, char *o)
{
	switch (c) {
	case 0:
		return 0; /* NULs are left out */
	case '"':
	case '\\':
		o[0] = '\\';
		o[1] = (char)c;
		return 2;
	case '\n':
		memcpy(o, "\\n", 2);
		return 2;
	case '\r':
		memcpy(o, "\\r", 2);
		return 2;
	case '\t':
		memcpy(o, "\\t", 2);
		return 2;
	default:
		if (c >= 0xd800 && c < 0xe000) /* half a pair */
			c = 0xfffd;
		if (!vg_cp_hostile(c))
			return vg_utf8_put(c, o);
		if (c < 0x10000)
			return put_u(c, o);
		(void)put_u(0xd800 + ((c - 0x10000) >> 10), o); /* RFC 8259, 7 */
		return 6 + put_u(0xdc00 + (c & 0x3ff), o + 6);
	}
}

static size_t
xml_unit(uint32_t c, char *o)
{
	const char *e;

	switch (c) {
	case 0:
		return 0;
	case '&':
		e = "&amp;";
		break;
	case '<':
		e = "&lt;";
		break;
	case '>':
		e = "&gt;";
		break;
	case '"':
		e = "&quot;";
		break;
	case '\n':
		e = "&#10;"; /* an event is a line */
		break;
	case '\r':
		e = "&#13;";
		break;
	case '\t':
		e = "&#9;";
		break;
	default:
		if (c < 0x20 || c == 0xfffe || c == 0xffff) {
			e = "_"; /* XML has no such character; so does Windows */
			break;
		}
		if (c >= 0xd800 && c < 0xe000)
			c = 0xfffd;
		if (!vg_cp_hostile(c))
			return vg_utf8_put(c, o);
		return (size_t)sprintf(o, "&#%u;", c); /* it would act on a terminal */
	}
	memcpy(o, e, strlen(e));
	return strlen(e);
}

#define UNIT_MAX 8 /* bytes that one unit of UTF-16 becomes: "&#65279;" */

typedef size_t unit_fn(uint32_t c, char *o);

static inline uint32_t
unit_at(const uint8_t *p, size_t i)
{
	return (uint32_t)p[2 * i] | (uint32_t)p[2 * i + 1] << 8;
}

/* UTF-16 to UTF-8 with escapes, sixteen units a step while they are ASCII; what is behind the value is looked
 * at, up to the chunk's @end, and left out. */
static inline void
put_utf16(struct vg_buf *b, const uint8_t *p, size_t n, const uint8_t *end, unit_fn *unit, bool xml)
{
	size_t units = n / 2, i = 0;
	char *o;

	while (units && p[2 * units - 2] == 0 && p[2 * units - 1] == 0)
		units--;
	if (!vg_buf_reserve(b, UNIT_MAX * units + 32)) /* a whole step may be written at the last unit */
		return;
	o = b->p + b->n;
	while (i < units) {
		uint32_t c;

#ifdef __SSE2__
		while (i < units && (size_t)(end - p) - 2 * i >= 32) {
			__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i));
			__m128i u = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i + 16));
			/* saturated: over 0xff is 0xff, over 0x7fff is 0, and both are special */
			__m128i t = _mm_packus_epi16(v, u), bad;
			unsigned mask;

			bad = _mm_cmplt_epi8(t, _mm_set1_epi8(0x20)); /* signed: over 0x7f too */
			if (xml) {
				bad = _mm_or_si128(bad, _mm_cmpeq_epi8(t, _mm_set1_epi8('&')));
				bad = _mm_or_si128(bad, _mm_cmpeq_epi8(t, _mm_set1_epi8('<')));
				bad = _mm_or_si128(bad, _mm_cmpeq_epi8(t, _mm_set1_epi8('>')));
			} else {
				bad = _mm_or_si128(bad, _mm_cmpeq_epi8(t, _mm_set1_epi8('\\')));
			}
			bad = _mm_or_si128(bad, _mm_cmpeq_epi8(t, _mm_set1_epi8('"')));
			mask = (unsigned)_mm_movemask_epi8(bad);
			if (units - i < 16)
				mask |= 1u << (units - i);
			_mm_storeu_si128((__m128i *)(void *)o, t);
			if (mask == 0) {
				o += 16;
				i += 16;
				continue;
			}
			mask = (unsigned)__builtin_ctz(mask);
			o += mask;
			i += mask;
			break;
		}
		if (i == units)
			break;
#endif
		c = unit_at(p, i++);
		if (c >= 0xd800 && c < 0xdc00 && i < units && (unit_at(p, i) & 0xfc00) == 0xdc00)
			c = 0x10000 + ((c - 0xd800) << 10) + (unit_at(p, i++) - 0xdc00);
		if (c > '\\' && c < 0x7f)
			*o++ = (char)c;
		else
			o += unit(c, o);
	}
	b->n = (size_t)(o - b->p);
}

static void
put_text(struct vg_buf *b, vg_str s, unit_fn *unit)
{
	char *o;

	if (!vg_buf_reserve(b, UNIT_MAX * s.n + 16))
		return;
	o = b->p + b->n;
	for (size_t i = 0; i < s.n;) {
		uint32_t c = (unsigned char)s.p[i];
		size_t n = 1;

		if (c > '\\' && c < 0x7f) {
			*o++ = (char)c;
			i++;
			continue;
		}

		if (c >= 0x80 && (n = vg_utf8_next(vg_str_skip(s, i), &c)) == 0) {
			n = 1;
			c = 0xfffd;
		}
		o += unit(c, o);
		i += n;
	}
	b->n = (size_t)(o - b->p);
}

static void
put_literal(struct vg_buf *b, const struct vg_bx_node *k, bool xml)
{
	if (k->plain)
		vg_buf_put(b, k->text);
	else
		put_text(b, k->text, xml ? xml_unit : json_unit);
}

/* One item's text, escaped. */
static void
put_value(struct dump *d, struct vg_bx_value v, bool xml)
{
	struct vg_buf *b = d->out;
	size_t max;

	if (!step(d, v.n))
		return;
	if (v.type == BX_STRING || v.type == BX_EVTXML) {
		const uint8_t *end = d->w->bx.chunk + d->w->bx.chunk_n;

		if (xml)
			put_utf16(b, v.p, v.n, end, xml_unit, true);
		else
			put_utf16(b, v.p, v.n, end, json_unit, false);
		return;
	}
	max = vg_bx_text_max(v.type, v.n);
	if (v.type == BX_ANSI) {
		char *t = vg_arena_alloc(&d->tmp, max);

		if (t)
			put_text(b, vg_str_mem(t, vg_bx_text(v.type, v.p, v.n, t)), xml ? xml_unit : json_unit);
	} else if (vg_buf_reserve(b, max)) {
		b->n += vg_bx_text(v.type, v.p, v.n, b->p + b->n);
	}
}

/* Is its text a JSON number or boolean? */
static bool
is_bare(struct vg_bx_value v)
{
	if (v.n == 0)
		return false;
	if ((v.type >= BX_INT8 && v.type <= BX_UINT64) || v.type == BX_BOOL)
		return true;
	if (v.type == BX_REAL32 && v.n >= 4)
		return (v.p[3] & 0x7f) != 0x7f || (v.p[2] & 0x80) == 0;
	if (v.type == BX_REAL64 && v.n >= 8)
		return (v.p[7] & 0x7f) != 0x7f || (v.p[6] & 0xf0) != 0xf0;
	return false;
}

static void
json_value(struct dump *d, struct vg_bx_value v)
{
	if (is_bare(v)) {
		put_value(d, v, false);
		return;
	}
	vg_buf_putc(d->out, '"');
	put_value(d, v, false);
	vg_buf_putc(d->out, '"');
}

/* Nodes without elements as the inside of a string. */
static void
put_nodes_text(struct dump *d, const struct vg_bx_node *k, const struct vg_bx_inst *in, bool xml)
{
	for (; k; k = k->next) {
		struct vg_bx_value v, item;
		bool first = true;

		if (k->kind == BX_LIT && step(d, k->text.n)) {
			put_literal(d->out, k, xml);
		} else if (k->kind == BX_SUB || k->kind == BX_OPT) {
			v = vg_bx_value(in, k->sub);
			if (v.type == BX_BINXML || v.type == BX_NULL)
				continue;
			if (!(v.type & BX_ARRAY)) {
				put_value(d, v, xml);
				continue;
			}
			while (vg_bx_item(&v, &item) && step(d, 0)) {
				if (!first)
					vg_buf_putc(d->out, ',');
				first = false;
				put_value(d, item, xml);
			}
		}
	}
}

/* Is there nothing that an attribute would show? */
static bool
is_empty(const struct vg_bx_node *k, const struct vg_bx_inst *in)
{
	for (; k; k = k->next) {
		struct vg_bx_value v;

		if (k->kind == BX_LIT && k->text.n)
			return false;
		if (k->kind != BX_SUB && k->kind != BX_OPT)
			continue;
		v = vg_bx_value(in, k->sub);
		if (v.n && v.type != BX_NULL && !(v.type == BX_STRING && v.p[0] == 0 && (v.n < 2 || v.p[1] == 0)))
			return false;
	}
	return true;
}

/* --- JSON --- */

static void json_nodes(struct dump *d, struct obj *o, const struct vg_bx_node *k, const struct vg_bx_inst *in,
		       int depth);

static void
put_key(struct dump *d, struct obj *o, vg_str json, vg_str name)
{
	struct seen_name *s;
	uint32_t looked = 0;

	if (!o->first)
		vg_buf_putc(d->out, ',');
	o->first = false;
	(void)step(d, json.n);
	if (VG_LIKELY(!o->track)) {
		vg_buf_put(d->out, json);
		return;
	}
	for (s = o->seen; s && !vg_str_eq(s->name, name); s = s->next)
		looked++;
	(void)vg_bx_step(&d->w->bx, looked / 16);
	if (s == NULL && (s = vg_arena_new(&d->tmp, struct seen_name)) != NULL) {
		*s = (struct seen_name){ o->seen, name, 0 };
		o->seen = s;
	}
	if (s == NULL || s->times++ == 0) {
		vg_buf_put(d->out, json);
		return;
	}
	vg_buf_put(d->out, vg_str_cut(json, json.n - 2));
	vg_buf_putc(d->out, '_');
	vg_buf_u64(d->out, s->times - 1);
	vg_buf_put(d->out, VG_STR("\":"));
}

/* The single value that is all of an element or attribute; NULL when there are several nodes or none. */
static const struct vg_bx_node *
only_sub(const struct vg_bx_node *k)
{
	return k && k->next == NULL && (k->kind == BX_SUB || k->kind == BX_OPT) ? k : NULL;
}

static bool
json_attrs(struct dump *d, const struct vg_bx_elem *el, const struct vg_bx_inst *in)
{
	bool any = false;

	for (const struct vg_bx_attr *a = el->attr; a && step(d, a->name->json.n); a = a->next) {
		const struct vg_bx_node *k = only_sub(a->node);

		if (is_empty(a->node, in) || (el->is_data && a->name->is == BX_IS_NAME))
			continue;
		vg_buf_put(d->out, any ? VG_STR(",") : VG_STR("{\"#attributes\":{"));
		any = true;
		vg_buf_put(d->out, a->name->json);
		if (k && !(vg_bx_value(in, k->sub).type & BX_ARRAY) &&
		    vg_bx_value(in, k->sub).type != BX_BINXML) {
			json_value(d, vg_bx_value(in, k->sub));
		} else {
			vg_buf_putc(d->out, '"');
			put_nodes_text(d, a->node, in, false);
			vg_buf_putc(d->out, '"');
		}
	}
	if (any)
		vg_buf_putc(d->out, '}');
	return any;
}

/* Does the content hold elements, now that the values are known? */
static bool
has_elements(const struct vg_bx_elem *el, const struct vg_bx_inst *in)
{
	if (el->has_elem)
		return true;
	for (const struct vg_bx_node *k = el->node; k; k = k->next)
		if ((k->kind == BX_SUB || k->kind == BX_OPT) && vg_bx_value(in, k->sub).type == BX_BINXML)
			return true;
	return false;
}

/* NULL, or a string of nothing. */
static bool
no_text(struct vg_bx_value v)
{
	return v.type == BX_NULL || (v.n == 0 && !(v.type & BX_ARRAY)) ||
	       (v.type == BX_STRING && v.n == 2 && v.p[0] == 0 && v.p[1] == 0);
}

/* The value of an element; @item instead of its content when it is not NULL. */
static void
json_elem(struct dump *d, const struct vg_bx_elem *el, const struct vg_bx_inst *in, const struct vg_bx_value *item,
	  int depth)
{
	const struct vg_bx_node *k = only_sub(el->node);
	bool attrs = json_attrs(d, el, in);
	struct vg_bx_value v = { 0 };
	size_t mark;

	if (item == NULL && has_elements(el, in) && depth < VG_BX_DEPTH_MAX) {
		struct obj o = { .first = !attrs, .track = el->repeats };

		mark = d->out->n;
		if (!attrs)
			vg_buf_putc(d->out, '{');
		json_nodes(d, &o, el->node, in, depth + 1);
		if (o.first) { /* all of it was left out */
			d->out->n = mark < d->out->n ? mark : d->out->n;
			vg_buf_put(d->out, VG_STR("null"));
		} else {
			vg_buf_putc(d->out, '}');
		}
		return;
	}
	if (k)
		v = vg_bx_value(in, k->sub);
	if (item)
		v = *item;
	if ((k || item) ? no_text(v) : el->node == NULL) {
		vg_buf_put(d->out, attrs ? VG_STR("}") : VG_STR("null"));
		return;
	}
	if (attrs)
		vg_buf_put(d->out, VG_STR(",\"#text\":"));
	if ((k || item) && !(v.type & BX_ARRAY)) {
		json_value(d, v);
	} else {
		vg_buf_putc(d->out, '"');
		put_nodes_text(d, el->node, in, false);
		vg_buf_putc(d->out, '"');
	}
	if (attrs)
		vg_buf_putc(d->out, '}');
}

/* The content of a <Data>: a value, or an array of them. */
static void
json_data(struct dump *d, const struct vg_bx_elem *el, const struct vg_bx_inst *in, bool inside_array, bool *first,
	  int depth)
{
	const struct vg_bx_node *k = only_sub(el->node);
	struct vg_bx_value v, item;

	v = k ? vg_bx_value(in, k->sub) : (struct vg_bx_value){ 0 };
	if (inside_array && !*first)
		vg_buf_putc(d->out, ',');
	*first = false;
	if (k && (v.type & BX_ARRAY)) {
		bool begin = true;

		if (v.n == 0) {
			vg_buf_put(d->out, VG_STR("\"\""));
			return;
		}
		while (vg_bx_item(&v, &item) && step(d, 0)) {
			if (!begin)
				vg_buf_putc(d->out, ',');
			begin = false;
			json_value(d, item);
		}
	} else if (k && v.type == BX_NULL) {
		vg_buf_put(d->out, VG_STR("\"\""));
	} else if (k && v.type != BX_BINXML) {
		json_value(d, v);
	} else if (el->node == NULL) {
		vg_buf_put(d->out, VG_STR("\"\""));
	} else if (has_elements(el, in)) {
		json_elem(d, el, in, NULL, depth);
	} else {
		vg_buf_putc(d->out, '"');
		put_nodes_text(d, el->node, in, false);
		vg_buf_putc(d->out, '"');
	}
}

static bool
left_out(const struct vg_bx_elem *el, const struct vg_bx_inst *in)
{
	return el->dep != VG_BX_NO_DEP && vg_bx_value(in, el->dep).type == BX_NULL;
}

/* Is the content of a Data several items? */
static bool
several(const struct vg_bx_elem *el, const struct vg_bx_inst *in)
{
	const struct vg_bx_node *k = only_sub(el->node);
	struct vg_bx_value v, item;

	if (k == NULL || !((v = vg_bx_value(in, k->sub)).type & BX_ARRAY))
		return false;
	return vg_bx_item(&v, &item) && vg_bx_item(&v, &item);
}

/* All unnamed Data from @k on, as one array. */
static void
json_positional(struct dump *d, struct obj *o, const struct vg_bx_node *k, const struct vg_bx_inst *in, int depth)
{
	bool first = true, many = several(k->elem, in);

	for (const struct vg_bx_node *m = k->next; m && !many; m = m->next)
		many = m->kind == BX_ELEM && m->elem->is_data && !m->elem->named && !left_out(m->elem, in);
	put_key(d, o, VG_STR("\"Data\":"), VG_STR("Data"));
	vg_buf_put(d->out, many ? VG_STR("{\"#text\":[") : VG_STR("{\"#text\":"));
	for (; k && step(d, 0); k = k->next)
		if (k->kind == BX_ELEM && k->elem->is_data && !k->elem->named && !left_out(k->elem, in))
			json_data(d, k->elem, in, many, &first, depth);
	vg_buf_put(d->out, many ? VG_STR("]}") : VG_STR("}"));
	o->data_done = true;
}

static void
json_named(struct dump *d, struct obj *o, const struct vg_bx_elem *el, const struct vg_bx_inst *in, int depth)
{
	bool first = true, many = several(el, in);

	if (el->named_text) {
		put_key(d, o, el->json, el->json);
	} else { /* the name is a value */
		const struct vg_bx_attr *a = el->attr;
		struct vg_buf name = { 0 }, *out = d->out;
		vg_str kept;

		while (a && a->name->is != BX_IS_NAME)
			a = a->next;
		vg_buf_putc(&name, '"');
		d->out = &name;
		put_nodes_text(d, a ? a->node : NULL, in, false);
		d->out = out;
		vg_buf_puts(&name, "\":");
		kept = vg_str_dup(&d->tmp, vg_buf_str(&name));
		vg_buf_fini(&name);
		if (kept.n)
			put_key(d, o, kept.n == 3 ? VG_STR("\"Data\":") : kept, kept);
	}
	if (many)
		vg_buf_putc(d->out, '[');
	json_data(d, el, in, false, &first, depth);
	if (many)
		vg_buf_putc(d->out, ']');
}

static void
json_binxml(struct dump *d, struct obj *o, struct vg_bx_value v, int depth)
{
	struct vg_bx *bx = &d->w->bx;
	size_t used;

	if (v.n == 0)
		return;
	if (depth >= VG_BX_DEPTH_MAX) {
		bx->limit = bx->cut = true;
		return;
	}
	json_nodes(d, o, vg_bx_stream(bx, (size_t)(v.p - bx->chunk), v.n, depth, &used), NULL, depth + 1);
}

/* The common case: "name":value, in an object whose names do not repeat.  false: it is not the common case. */
static bool
json_simple(struct dump *d, struct obj *o, const struct vg_bx_elem *el, struct vg_bx_value v)
{
	struct vg_buf *b = d->out;
	vg_str key = el->is_data ? el->json : el->name->json;
	char *q;

	if ((v.type & BX_ARRAY) || v.type == BX_BINXML || v.type == BX_ANSI || o->track ||
	    !step(d, key.n + v.n) || !vg_buf_reserve(b, key.n + 8 + 2 * (size_t)v.n + 800))
		return false;
	q = b->p + b->n;
	if (!o->first)
		*q++ = ',';
	o->first = false;
	memcpy(q, key.p, key.n);
	q += key.n;
	if (no_text(v)) {
		vg_str nothing = el->is_data ? VG_STR("\"\"") : VG_STR("null");

		memcpy(q, nothing.p, nothing.n);
		q += nothing.n;
	} else if (v.type == BX_STRING || v.type == BX_EVTXML) {
		*q++ = '"';
		b->n = (size_t)(q - b->p);
		put_utf16(b, v.p, v.n, d->w->bx.chunk + d->w->bx.chunk_n, json_unit, false);
		vg_buf_putc(b, '"');
		return true;
	} else if (is_bare(v)) {
		q += vg_bx_text(v.type, v.p, v.n, q);
	} else {
		if (v.type == BX_SID && v.n > 200) { /* never seen so long: the room above is not for it */
			b->n = (size_t)(q - b->p);
			json_value(d, v);
			return true;
		}
		*q++ = '"';
		q += vg_bx_text(v.type, v.p, v.n, q);
		*q++ = '"';
	}
	b->n = (size_t)(q - b->p);
	return true;
}

static void
json_nodes(struct dump *d, struct obj *o, const struct vg_bx_node *k, const struct vg_bx_inst *in, int depth)
{
	for (; k && step(d, 0); k = k->next) {
		const struct vg_bx_elem *el = k->elem;
		struct vg_bx_value v, item;
		const struct vg_bx_node *sub;

		switch (k->kind) {
		case BX_ELEM:
			if (left_out(el, in) ||
			    (el->simple && json_simple(d, o, el, vg_bx_value(in, el->node->sub))))
				break;
			if (el->is_data && el->named) {
				json_named(d, o, el, in, depth);
				break;
			}
			if (el->is_data) {
				if (!o->data_done)
					json_positional(d, o, k, in, depth);
				break;
			}
			sub = only_sub(el->node);
			v = sub ? vg_bx_value(in, sub->sub) : (struct vg_bx_value){ 0 };
			if (!(v.type & BX_ARRAY) || v.n == 0) {
				put_key(d, o, el->name->json, el->name->text);
				json_elem(d, el, in, NULL, depth);
				break;
			}
			while (vg_bx_item(&v, &item) && step(d, 0)) { /* an element an item */
				o->track = true;
				put_key(d, o, el->name->json, el->name->text);
				json_elem(d, el, in, &item, depth);
			}
			break;
		case BX_INST:
			if (depth < VG_BX_DEPTH_MAX)
				json_nodes(d, o, k->inst->node, k->inst, depth + 1);
			break;
		case BX_SUB:
		case BX_OPT:
			v = vg_bx_value(in, k->sub);
			if (v.type == BX_BINXML)
				json_binxml(d, o, v, depth + 1);
			else if (v.type != BX_NULL && v.n) {
				put_key(d, o, VG_STR("\"#text\":"), VG_STR("#text"));
				o->track = true;
				json_value(d, (v.type & BX_ARRAY) ?
						      (struct vg_bx_value){ v.p, v.n, BX_BINARY } : v);
			}
			break;
		case BX_LIT:
			if (k->text.n == 0)
				break;
			o->track = true;
			put_key(d, o, VG_STR("\"#text\":"), VG_STR("#text"));
			vg_buf_putc(d->out, '"');
			put_literal(d->out, k, false);
			vg_buf_putc(d->out, '"');
			break;
		case BX_PI:
			break;
		}
	}
}

static vg_rc
end_record(struct dump *d, size_t mark)
{
	vg_rc rc = d->out->rc;

	if (rc == VG_E_LIMIT) { /* the caller's buffer is bounded: this record goes, the next may fit */
		d->out->rc = VG_OK;
		d->out->n = mark;
		return VG_OK;
	}
	if (rc == VG_OK && d->out->n >= FLUSH_BYTES)
		rc = d->flush(d->flush_ctx, d->out);
	return rc;
}

static vg_rc
json_record(struct vg_evtx_walk *w, const struct vg_bx_node *tree)
{
	struct dump *d = w->ctx;
	struct obj o = { .first = true, .track = tree->next != NULL };
	size_t mark = d->out->n;

	vg_buf_putc(d->out, '{');
	json_nodes(d, &o, tree, NULL, 0);
	if (w->carved)
		vg_buf_put(d->out, o.first ? VG_STR("\"carved\":true") : VG_STR(",\"carved\":true"));
	vg_buf_put(d->out, VG_STR("}\n"));
	return end_record(d, mark);
}

/* --- XML --- */

static void xml_nodes(struct dump *d, const struct vg_bx_node *k, const struct vg_bx_inst *in, int depth);

static void
xml_one(struct dump *d, const struct vg_bx_elem *el, const struct vg_bx_inst *in, const struct vg_bx_value *item,
	int depth)
{
	vg_str name = el->name->text;
	size_t mark;

	(void)step(d, 2 * name.n);
	vg_buf_putc(d->out, '<');
	put_text(d->out, name, xml_unit);
	for (const struct vg_bx_attr *a = el->attr; a && step(d, a->name->text.n); a = a->next) {
		if (is_empty(a->node, in))
			continue;
		vg_buf_putc(d->out, ' ');
		put_text(d->out, a->name->text, xml_unit);
		vg_buf_put(d->out, VG_STR("=\""));
		put_nodes_text(d, a->node, in, true);
		vg_buf_putc(d->out, '"');
	}
	mark = d->out->n;
	vg_buf_putc(d->out, '>');
	if (item)
		put_value(d, *item, true);
	else
		xml_nodes(d, el->node, in, depth + 1);
	if (d->out->rc == VG_OK && d->out->n == mark + 1) {
		d->out->n = mark;
		vg_buf_put(d->out, VG_STR("/>"));
		return;
	}
	vg_buf_put(d->out, VG_STR("</"));
	put_text(d->out, name, xml_unit);
	vg_buf_putc(d->out, '>');
}

static void
xml_nodes(struct dump *d, const struct vg_bx_node *k, const struct vg_bx_inst *in, int depth)
{
	struct vg_bx *bx = &d->w->bx;

	if (depth >= VG_BX_DEPTH_MAX) {
		bx->limit = bx->cut = true;
		return;
	}
	for (; k && step(d, 0); k = k->next) {
		const struct vg_bx_node *sub;
		struct vg_bx_value v, item;
		size_t used;

		switch (k->kind) {
		case BX_ELEM:
			if (left_out(k->elem, in))
				break;
			sub = only_sub(k->elem->node);
			v = sub ? vg_bx_value(in, sub->sub) : (struct vg_bx_value){ 0 };
			if (!(v.type & BX_ARRAY) || v.n == 0) {
				xml_one(d, k->elem, in, NULL, depth);
				break;
			}
			while (vg_bx_item(&v, &item) && step(d, 0))
				xml_one(d, k->elem, in, &item, depth);
			break;
		case BX_INST:
			xml_nodes(d, k->inst->node, k->inst, depth + 1);
			break;
		case BX_SUB:
		case BX_OPT:
			v = vg_bx_value(in, k->sub);
			if (v.type == BX_BINXML && v.n)
				xml_nodes(d, vg_bx_stream(bx, (size_t)(v.p - bx->chunk), v.n, depth, &used),
					  NULL, depth + 1);
			else if (v.type != BX_BINXML)
				put_nodes_text(d, &(struct vg_bx_node){ .kind = BX_SUB, .sub = k->sub }, in, true);
			break;
		case BX_LIT:
			if (step(d, k->text.n))
				put_literal(d->out, k, true);
			break;
		case BX_PI:
			break;
		}
	}
}

static vg_rc
xml_record(struct vg_evtx_walk *w, const struct vg_bx_node *tree)
{
	struct dump *d = w->ctx;
	size_t mark = d->out->n;

	xml_nodes(d, tree, NULL, 0);
	vg_buf_put(d->out, w->carved ? VG_STR("<!-- carved -->\n") : VG_STR("\n"));
	return end_record(d, mark);
}

static vg_rc
dump(struct vg_reader *r, struct vg_buf *out, vg_evtx_flush *flush, void *ctx,
     vg_rc (*record)(struct vg_evtx_walk *w, const struct vg_bx_node *tree))
{
	struct vg_evtx_walk *w = calloc(1, sizeof(*w));
	struct dump d = { .w = w, .out = out, .flush = flush, .flush_ctx = ctx };
	vg_rc rc, last = VG_OK;

	if (w == NULL)
		return VG_E_NOMEM;
	vg_arena_init(&d.tmp, (size_t)16 << 20);
	w->r = r;
	w->tmp = &d.tmp;
	w->record = record;
	w->ctx = &d;
	rc = vg_evtx_walk(w);
	if (out->rc == VG_OK && out->n)
		last = flush(ctx, out);
	vg_arena_fini(&d.tmp);
	vg_buf_fini(&w->join);
	free(w);
	return rc != VG_OK ? rc : last;
}

vg_rc
vg_evtx_dump_json(struct vg_reader *r, struct vg_buf *out, vg_evtx_flush *flush, void *ctx)
{
	return dump(r, out, flush, ctx, json_record);
}

vg_rc
vg_evtx_dump_xml(struct vg_reader *r, struct vg_buf *out, vg_evtx_flush *flush, void *ctx)
{
	return dump(r, out, flush, ctx, xml_record);
}
