/* Binary XML to trees.  A template becomes a tree once and is kept from chunk to chunk; a record's own stream
 * is a node that points to it, and an array of values. */
#include "source/evtx_bin.h"

#include <stdlib.h>

#include "base/utf.h"

enum token {
	T_EOF, T_OPEN, T_CLOSE_START, T_CLOSE_EMPTY, T_END, T_VALUE, T_ATTR, T_CDATA, T_CHARREF, T_ENTITY,
	T_PI_TARGET, T_PI_DATA, T_INSTANCE, T_SUB, T_OPT, T_FRAGMENT
};
#define T_MORE 0x40

#define VARIANTS_MAX 16   /* kept templates of one GUID and size */
#define NAMES_MAX 65536

struct vg_bx_plan {
	struct vg_bx_plan *next;
	uint8_t guid[16];
	uint32_t n;
	const uint8_t *body; /* a copy */
	struct vg_bx_fix *fix;
	uint32_t nfix;
	bool shared; /* may be used in other chunks */
	const struct vg_bx_node *node;
};

struct px {
	struct vg_bx *x;
	struct vg_cur c; /* base: the chunk's first byte */
	struct vg_arena *a;
	bool in_template;
	struct vg_bx_fix *fix; /* NULL: nobody asks */
	uint32_t nfix;
	const uint8_t *body;
	bool unshared;
};

void
vg_bx_init(struct vg_bx *x, const struct vg_keys *keys)
{
	*x = (struct vg_bx){ .keys = keys, .gen = 1 };
	vg_arena_init(&x->keep, 2 * VG_BX_CACHE_BYTES);
	vg_map_init(&x->names, VG_BX_CACHE_BYTES);
}

void
vg_bx_fini(struct vg_bx *x)
{
	vg_arena_fini(&x->keep);
	vg_map_fini(&x->names);
	free(x->name);
}

void
vg_bx_chunk(struct vg_bx *x, const uint8_t *chunk, size_t n)
{
	x->chunk = chunk;
	x->chunk_n = n;
	x->gen++;
	x->nslot = 0;
	x->chunk_steps = VG_BX_CHUNK_STEPS;
	x->steps = 0;
	if (vg_arena_size(&x->keep) > VG_BX_CACHE_BYTES || x->nname > NAMES_MAX / 2) { /* begin again */
		vg_arena_reset(&x->keep);
		vg_map_fini(&x->names);
		vg_map_init(&x->names, VG_BX_CACHE_BYTES);
		x->nname = 0;
		memset(x->bucket, 0, sizeof(x->bucket));
	}
}

void
vg_bx_record(struct vg_bx *x, struct vg_arena *tmp)
{
	uint32_t most = VG_BX_RECORD_STEPS;

	x->chunk_steps += x->steps; /* what the record before left */
	if (most > x->chunk_steps)
		most = x->chunk_steps;
	x->chunk_steps -= most;
	x->steps = most;
	x->tmp = tmp;
	x->cut = x->limit = false;
}

static uint32_t
key_of(const struct vg_bx *x, vg_str name)
{
	return x->keys ? vg_keys_find(x->keys, name) : VG_KEY_NONE;
}

static void
no_memory(struct px *p)
{
	p->x->rc = vg_cur_fail(&p->c, VG_E_NOMEM);
}

static void *
alloc(struct px *p, size_t n)
{
	void *m = vg_arena_zalloc(p->a, 1, n);

	if (m == NULL)
		no_memory(p);
	return m;
}

/* @utf16 as UTF-8, in @a. */
static vg_str
text_of(struct px *p, vg_str utf16)
{
	size_t max = vg_bx_text_max(BX_STRING, utf16.n), n;
	char *t = vg_arena_alloc(p->a, max);

	if (t == NULL) {
		no_memory(p);
		return VG_NIL;
	}
	n = vg_bx_text(BX_STRING, (const uint8_t *)utf16.p, utf16.n, t);
	vg_arena_shrink(p->a, t, max, n);
	return vg_str_mem(t, n);
}

static uint8_t
name_is(vg_str s)
{
	static const struct {
		vg_str name;
		uint8_t is;
	} table[] = {
		{ VG_STR_INIT("Event"), BX_IS_EVENT },
		{ VG_STR_INIT("System"), BX_IS_SYSTEM },
		{ VG_STR_INIT("EventData"), BX_IS_EVENTDATA },
		{ VG_STR_INIT("UserData"), BX_IS_USERDATA },
		{ VG_STR_INIT("Data"), BX_IS_DATA },
		{ VG_STR_INIT("Name"), BX_IS_NAME },
		{ VG_STR_INIT("RenderingInfo"), BX_IS_RENDERING },
		{ VG_STR_INIT("Provider"), BX_IS_PROVIDER },
		{ VG_STR_INIT("EventID"), BX_IS_EVENTID },
		{ VG_STR_INIT("Channel"), BX_IS_CHANNEL },
		{ VG_STR_INIT("Computer"), BX_IS_COMPUTER },
		{ VG_STR_INIT("EventRecordID"), BX_IS_RECORDID },
		{ VG_STR_INIT("TimeCreated"), BX_IS_TIMECREATED },
		{ VG_STR_INIT("SystemTime"), BX_IS_SYSTEMTIME },
		{ VG_STR_INIT("Message"), BX_IS_MESSAGE },
	};

	for (size_t i = 0; i < VG_COUNT(table); i++)
		if (vg_str_eq(s, table[i].name))
			return table[i].is;
	return vg_str_eq(s, VG_STR("xmlns")) || vg_str_starts(s, VG_STR("xmlns:")) ? BX_IS_XMLNS :
										       BX_IS_OTHER;
}

static vg_str
json_key(struct vg_arena *a, vg_str name)
{
	struct vg_buf b = { 0 };
	vg_str s;

	vg_buf_json_str(&b, name);
	vg_buf_putc(&b, ':');
	s = b.rc == VG_OK ? vg_str_dup(a, vg_buf_str(&b)) : VG_NIL;
	vg_buf_fini(&b);
	return s;
}

/* The one name with that text. */
static const struct vg_bx_name *
name_intern(struct px *p, vg_str utf16)
{
	struct vg_bx *x = p->x;
	uint32_t i = vg_map_find(&x->names, utf16);
	struct vg_bx_name *m;
	struct px q = *p;

	if (i != VG_MAP_NONE)
		return x->name[i];
	if (x->nname == NAMES_MAX) {
		vg_cur_fail(&p->c, VG_E_LIMIT);
		return NULL;
	}
	if (x->nname == x->name_cap) {
		uint32_t cap = x->name_cap ? 2 * x->name_cap : 256;
		struct vg_bx_name **g = realloc(x->name, cap * sizeof(struct vg_bx_name *));

		if (g == NULL)
			goto nomem;
		x->name = g;
		x->name_cap = cap;
	}
	q.a = &x->keep;
	if ((m = alloc(&q, sizeof(*m))) == NULL)
		goto nomem;
	m->text = text_of(&q, utf16);
	m->json = json_key(&x->keep, m->text);
	if (m->json.p == NULL || vg_map_add(&x->names, utf16, x->nname, &m->utf16) == VG_MAP_NONE)
		goto nomem;
	m->key = key_of(x, m->text);
	m->is = name_is(m->text);
	x->name[x->nname++] = m;
	return m;
nomem:
	x->rc = vg_cur_fail(&p->c, VG_E_NOMEM);
	return NULL;
}

/* The UTF-16 of the name entry at @off: u32 link, u16 hash, u16 length, then it. */
static bool
name_at(const struct vg_bx *x, uint32_t off, vg_str *utf16)
{
	struct vg_cur c = vg_cur_of(x->chunk, x->chunk_n);
	uint16_t n;

	vg_cur_seek(&c, off);
	(void)vg_cur_le32(&c);
	(void)vg_cur_le16(&c);
	n = vg_cur_le16(&c);
	*utf16 = vg_cur_bytes(&c, 2 * (size_t)n);
	return c.rc == VG_OK;
}

static const struct vg_bx_name *
take_name(struct px *p)
{
	size_t at = vg_cur_at(&p->c);
	uint32_t off = vg_cur_le32(&p->c);
	const struct vg_bx_name *name;
	bool is_inline = off == vg_cur_at(&p->c);
	vg_str utf16;

	if (p->c.rc != VG_OK)
		return NULL;
	if (!name_at(p->x, off, &utf16)) {
		vg_cur_fail(&p->c, VG_E_FORMAT);
		return NULL;
	}
	if (is_inline)
		(void)vg_cur_take(&p->c, 4 + 2 + 2 + utf16.n + 2);
	if (p->c.rc != VG_OK || (name = name_intern(p, utf16)) == NULL)
		return NULL;
	if (p->fix) {
		if (p->nfix == VG_BX_FIX_MAX)
			p->unshared = true;
		else
			p->fix[p->nfix++] = (struct vg_bx_fix){ (uint32_t)(p->c.base + at - p->body), is_inline,
							  name };
	}
	return name;
}

static struct vg_bx_node *
new_node(struct px *p, enum vg_bx_node_kind kind, struct vg_bx_node ***tail)
{
	struct vg_bx_node *n;

	if (!vg_bx_step(p->x, 1)) {
		vg_cur_fail(&p->c, VG_E_LIMIT);
		return NULL;
	}
	if ((n = alloc(p, sizeof(*n))) == NULL)
		return NULL;
	n->kind = kind;
	**tail = n;
	*tail = &n->next;
	return n;
}

static bool
is_plain(vg_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '&' || c == '<' || c == '>')
			return false;
	}
	return true;
}

static void
take_value(struct px *p, struct vg_bx_node ***tail)
{
	static const uint8_t width[] = { 0, 0, 0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 4, 0, 16, 8, 8, 16, 0, 4, 8 };
	uint8_t type = vg_cur_u8(&p->c);
	struct vg_bx_node *n;
	size_t max;
	char *t;
	vg_str v;

	if (type == BX_STRING || type == BX_EVTXML)
		v = vg_cur_bytes(&p->c, 2 * (size_t)vg_cur_le16(&p->c));
	else if (type < sizeof(width) && width[type])
		v = vg_cur_bytes(&p->c, width[type]);
	else if (type == BX_NULL)
		v = VG_NIL;
	else
		v = vg_cur_bytes(&p->c, vg_cur_le16(&p->c));
	if (p->c.rc != VG_OK || (n = new_node(p, BX_LIT, tail)) == NULL)
		return;
	max = vg_bx_text_max(type, v.n);
	if ((t = vg_arena_alloc(p->a, max)) == NULL) {
		no_memory(p);
		return;
	}
	n->text = vg_str_mem(t, vg_bx_text(type, (const uint8_t *)v.p, v.n, t));
	n->plain = is_plain(n->text);
	vg_arena_shrink(p->a, t, max, n->text.n);
}

static void
take_text(struct px *p, vg_str utf8, struct vg_bx_node ***tail)
{
	struct vg_bx_node *n = new_node(p, BX_LIT, tail);

	if (n)
		n->text = utf8;
}

static void
take_charref(struct px *p, struct vg_bx_node ***tail)
{
	char *t = alloc(p, 4);
	uint16_t cp = vg_cur_le16(&p->c);

	if (t && p->c.rc == VG_OK)
		take_text(p, vg_str_mem(t, cp ? vg_utf8_put(cp, t) : 0), tail);
}

static void
take_entity(struct px *p, struct vg_bx_node ***tail)
{
	static const struct {
		vg_str name, text;
	} known[] = {
		{ VG_STR_INIT("amp"), VG_STR_INIT("&") },   { VG_STR_INIT("lt"), VG_STR_INIT("<") },
		{ VG_STR_INIT("gt"), VG_STR_INIT(">") },    { VG_STR_INIT("quot"), VG_STR_INIT("\"") },
		{ VG_STR_INIT("apos"), VG_STR_INIT("'") },
	};
	const struct vg_bx_name *name = take_name(p);
	vg_str text;

	if (name == NULL)
		return;
	text = vg_str_join(p->a, VG_STR("&"), vg_str_join(p->a, name->text, VG_STR(";")));
	for (size_t i = 0; i < VG_COUNT(known); i++)
		if (vg_str_eq(known[i].name, name->text))
			text = known[i].text;
	take_text(p, text, tail);
}

static void
take_sub(struct px *p, bool optional, struct vg_bx_node ***tail)
{
	uint16_t id = vg_cur_le16(&p->c);
	struct vg_bx_node *n;

	(void)vg_cur_u8(&p->c); /* the type: the value has its own */
	if (p->c.rc == VG_OK && (n = new_node(p, optional ? BX_OPT : BX_SUB, tail)))
		n->sub = id;
}

static void take_instance(struct px *p, int depth, struct vg_bx_node ***tail);

/* A piece of text, which may stand in an attribute and in an element, behind its @token.  false: it is none, and nothing was read. */
static bool
take_piece(struct px *p, unsigned token, struct vg_bx_node ***tail)
{
	switch (token) {
	case T_VALUE:
		take_value(p, tail);
		break;
	case T_CDATA:
		take_text(p, text_of(p, vg_cur_bytes(&p->c, 2 * (size_t)vg_cur_le16(&p->c))), tail);
		break;
	case T_CHARREF:
		take_charref(p, tail);
		break;
	case T_ENTITY:
		take_entity(p, tail);
		break;
	case T_SUB:
	case T_OPT:
		take_sub(p, token == T_OPT, tail);
		break;
	default:
		return false;
	}
	return true;
}

/* Nodes of an attribute's value: ends before what is none. */
static void
take_attr_value(struct px *p, struct vg_bx_node ***tail)
{
	while (p->c.p < p->c.end) {
		unsigned token = *p->c.p++ & ~T_MORE;

		if (!take_piece(p, token, tail)) {
			p->c.p--;
			return;
		}
	}
}

static vg_str
without_spaces(struct px *p, vg_str s)
{
	vg_str t = vg_str_without(p->a, s, ' ');

	if (t.p || s.n == 0)
		return t;
	no_memory(p);
	return s;
}

static vg_str
join3(struct px *p, vg_str a, vg_str b, vg_str c)
{
	vg_str t = vg_str_join3(p->a, a, b, c);

	if (t.p == NULL)
		no_memory(p);
	return t;
}

static void
take_attrs(struct px *p, struct vg_bx_elem *e, const struct vg_bx_elem *up)
{
	struct vg_bx_attr **tail = &e->attr;
	bool in_system = up && up->name->is == BX_IS_SYSTEM;

	(void)vg_cur_le32(&p->c); /* bytes of the list: it ends by its tokens */
	while (p->c.p < p->c.end && (*p->c.p & ~T_MORE) == T_ATTR) {
		struct vg_bx_attr *a;
		struct vg_bx_node **value;
		const struct vg_bx_name *name;

		p->c.p++;
		if ((name = take_name(p)) == NULL)
			return;
		if (!vg_bx_step(p->x, 1)) {
			vg_cur_fail(&p->c, VG_E_LIMIT);
			return;
		}
		if ((a = alloc(p, sizeof(*a))) == NULL)
			return;
		a->name = name;
		value = &a->node;
		take_attr_value(p, &value);
		*tail = a;
		tail = &a->next;
		if (e->is_data && name->is == BX_IS_NAME) {
			e->named = true;
			if (a->node == NULL) {
				e->named = false;
			} else if (a->node->kind == BX_LIT && a->node->next == NULL) {
				e->named_text = true;
				e->field = without_spaces(p, a->node->text);
				e->key = key_of(p->x, e->field);
				e->json = json_key(p->a, a->node->text);
			}
			continue;
		}
		if (name->is == BX_IS_XMLNS)
			continue;
		a->field = join3(p, e->name->text, VG_STR("_"), name->text);
		if (up && up->name->is == BX_IS_RENDERING)
			a->field = join3(p, VG_STR("RenderingInfo_"), a->field, VG_NIL);
		a->key = key_of(p->x, a->field);
		if (in_system && e->name->is == BX_IS_PROVIDER && name->is == BX_IS_NAME)
			a->what = BX_SYS_PROVIDER;
		else if (in_system && e->name->is == BX_IS_TIMECREATED && name->is == BX_IS_SYSTEMTIME)
			a->what = BX_SYS_TIME;
	}
}

static void
name_elem(struct px *p, struct vg_bx_elem *e, const struct vg_bx_elem *up)
{
	e->field = e->name->text;
	e->key = e->name->key;
	e->is_data = e->name->is == BX_IS_DATA;
	if (up == NULL)
		return;
	if (up->name->is == BX_IS_SYSTEM) {
		switch (e->name->is) {
		case BX_IS_EVENTID:
			e->what = BX_SYS_CODE;
			break;
		case BX_IS_CHANNEL:
			e->what = BX_SYS_CHANNEL;
			break;
		case BX_IS_COMPUTER:
			e->what = BX_SYS_HOST;
			break;
		case BX_IS_RECORDID:
			e->what = BX_SYS_RECORD;
			break;
		default:
			break;
		}
	} else if (up->name->is == BX_IS_RENDERING && e->name->is != BX_IS_MESSAGE) {
		/* its Level, Task... are words for the numbers of System: not under the same names */
		e->field = join3(p, VG_STR("RenderingInfo_"), e->name->text, VG_NIL);
		e->key = key_of(p->x, e->field);
	}
}

/* The name that a child has in JSON. */
static vg_str
shown_name(const struct vg_bx_elem *e)
{
	return e->named_text ? e->json : e->name->json;
}

/* Could two children have one name?  What is beyond a look at each pair of a few counts as yes. */
static bool
may_repeat(const struct vg_bx_elem *e)
{
	const struct vg_bx_elem *seen[96];
	uint32_t hash[VG_COUNT(seen)];
	size_t n = 0;
	bool other = false, positional = false;

	for (const struct vg_bx_node *k = e->node; k; k = k->next) {
		vg_str name;
		uint32_t h;

		if (k->kind != BX_ELEM || (k->elem->named && !k->elem->named_text)) {
			other |= k->kind != BX_LIT && k->kind != BX_PI;
			continue;
		}
		if (k->elem->is_data && !k->elem->named) { /* all of them are one */
			if (positional)
				continue;
			positional = true;
		}
		if (n == VG_COUNT(seen))
			return true;
		name = shown_name(k->elem);
		h = (uint32_t)name.n;
		for (size_t i = 0; i < name.n; i++)
			h = h * 31 + (unsigned char)name.p[i];
		for (size_t i = 0; i < n; i++)
			if (hash[i] == h && vg_str_eq(shown_name(seen[i]), name))
				return true;
		hash[n] = h;
		seen[n++] = k->elem;
	}
	return other;
}

static void take_content(struct px *p, struct vg_bx_elem *up, int depth, struct vg_bx_node ***tail);

/* With or without a dependency: by the context, and when that makes no sense the other way. */
static bool
dep_here(struct px *p)
{
	struct vg_cur c = p->c;
	uint32_t with, without;
	vg_str s;

	if (vg_cur_left(&c) < 8)
		return false;
	memcpy(&without, c.p + 4, 4);
	if (vg_cur_left(&c) < 10)
		return false;
	memcpy(&with, c.p + 6, 4);
	if (p->in_template) {
		if (with == vg_cur_at(&c) + 10)
			return true;
		return !(without == vg_cur_at(&c) + 8 ||
			 (!name_at(p->x, with, &s) && name_at(p->x, without, &s)));
	}
	if (without == vg_cur_at(&c) + 8)
		return false;
	return with == vg_cur_at(&c) + 10 ||
	       (name_at(p->x, with, &s) && !name_at(p->x, without, &s));
}

static void
take_elem(struct px *p, bool attrs, const struct vg_bx_elem *up, int depth, struct vg_bx_node ***tail)
{
	struct vg_bx_node *n, **inner;
	struct vg_bx_elem *e;
	uint8_t t;

	if (depth > VG_BX_DEPTH_MAX) {
		p->x->limit = true;
		vg_cur_fail(&p->c, VG_E_LIMIT);
		return;
	}
	if ((e = alloc(p, sizeof(*e))) == NULL)
		return;
	e->dep = dep_here(p) ? vg_cur_le16(&p->c) : VG_BX_NO_DEP;
	(void)vg_cur_le32(&p->c); /* its size: it ends by its tokens */
	if ((e->name = take_name(p)) == NULL || (n = new_node(p, BX_ELEM, tail)) == NULL)
		return;
	n->elem = e;
	if (up == NULL)
		e->dep = VG_BX_NO_DEP; /* a root is never left out */
	name_elem(p, e, up);
	if (attrs)
		take_attrs(p, e, up);
	t = vg_cur_u8(&p->c) & (uint8_t)~T_MORE;
	if (t == T_CLOSE_EMPTY || p->c.rc != VG_OK)
		return;
	if (t != T_CLOSE_START) {
		vg_cur_fail(&p->c, VG_E_FORMAT);
		return;
	}
	inner = &e->node;
	take_content(p, e, depth + 1, &inner);
	for (const struct vg_bx_node *k = e->node; k; k = k->next)
		e->has_elem |= k->kind == BX_ELEM || k->kind == BX_INST;
	e->repeats = may_repeat(e);
	e->simple = e->node && e->node->next == NULL && (e->node->kind == BX_SUB || e->node->kind == BX_OPT) &&
		    (e->is_data ? e->named_text && e->attr->next == NULL : e->attr == NULL);
}

/* What is in an element, or a whole stream when @up is NULL. */
static void
take_content(struct px *p, struct vg_bx_elem *up, int depth, struct vg_bx_node ***tail)
{
	while (p->c.p < p->c.end) {
		uint8_t raw = vg_cur_u8(&p->c);
		struct vg_bx_node *n;
		const struct vg_bx_name *name;
		vg_str data;

		switch (raw & ~T_MORE) {
		case T_EOF:
			if (up)
				vg_cur_fail(&p->c, VG_E_FORMAT);
			return;
		case T_OPEN:
			take_elem(p, raw & T_MORE, up, depth, tail);
			break;
		case T_END:
			if (up == NULL)
				vg_cur_fail(&p->c, VG_E_FORMAT);
			return;
		case T_PI_TARGET:
			name = take_name(p);
			data = VG_NIL;
			if (p->c.p < p->c.end && (*p->c.p & ~T_MORE) == T_PI_DATA) {
				p->c.p++;
				data = text_of(p, vg_cur_bytes(&p->c, 2 * (size_t)vg_cur_le16(&p->c)));
			}
			if (name && p->c.rc == VG_OK && (n = new_node(p, BX_PI, tail)))
				n->text = join3(p, name->text, VG_STR(" "), data);
			break;
		case T_INSTANCE:
			take_instance(p, depth, tail);
			break;
		case T_FRAGMENT:
			(void)vg_cur_take(&p->c, 3);
			break;
		default:
			if (!take_piece(p, raw & ~T_MORE, tail))
				vg_cur_fail(&p->c, VG_E_FORMAT);
			break;
		}
	}
	if (up && p->c.rc == VG_OK)
		vg_cur_fail(&p->c, VG_E_TRUNC);
}

static uint32_t
slot_of(uint32_t off)
{
	return (off * 2654435761u) >> 22;
}

static struct vg_bx_slot *
slot_find(struct vg_bx *x, uint32_t off)
{
	uint32_t i = slot_of(off);

	while (x->slot[i].gen == x->gen && x->slot[i].off != off)
		i = (i + 1) & (VG_COUNT(x->slot) - 1);
	return &x->slot[i];
}

/* Does the kept template @t say what the body at @off of this chunk says? */
static bool
same_plan(const struct vg_bx *x, const struct vg_bx_plan *t, uint32_t off)
{
	const uint8_t *body = x->chunk + off;
	uint32_t at = 0;

	for (uint32_t i = 0; i < t->nfix; i++) {
		const struct vg_bx_fix *f = &t->fix[i];
		uint32_t name_off;
		vg_str utf16;

		if (memcmp(body + at, t->body + at, f->at - at) != 0)
			return false;
		memcpy(&name_off, body + f->at, 4);
		at = f->at + 4;
		if ((name_off == off + at) != f->is_inline)
			return false;
		if (f->is_inline) {
			at += 4; /* the link */
			continue;
		}
		if (!name_at(x, name_off, &utf16) || !vg_str_eq(utf16, f->name->utf16))
			return false;
	}
	return memcmp(body + at, t->body + at, t->n - at) == 0;
}

/* The template whose definition is at @off; NULL when it cannot be read. */
static struct vg_bx_plan *
plan_at(struct px *p, uint32_t off, int depth)
{
	struct vg_bx *x = p->x;
	struct vg_bx_slot *slot = slot_find(x, off);
	struct vg_cur c = vg_cur_of(x->chunk, x->chunk_n);
	struct vg_bx_fix *fix = x->fix_busy ? NULL : x->fix; /* one template inside another is not kept */
	struct vg_bx_plan *t, **bucket;
	struct vg_bx_node *node = NULL, **tail = &node;
	struct px q;
	vg_str guid, body;
	uint32_t n, variants = 0;

	if (slot->gen == x->gen)
		return slot->plan;
	if (x->nslot == VG_COUNT(x->slot) / 2) {
		x->limit = true;
		return NULL;
	}
	x->nslot++;
	*slot = (struct vg_bx_slot){ off, x->gen, NULL }; /* a template in itself finds this */
	vg_cur_seek(&c, off);
	(void)vg_cur_le32(&c);
	guid = vg_cur_bytes(&c, 16);
	n = vg_cur_le32(&c);
	body = vg_cur_bytes(&c, n);
	if (c.rc != VG_OK)
		return NULL;
	off = (uint32_t)((const uint8_t *)body.p - x->chunk);
	bucket = &x->bucket[(uint8_t)(guid.p[0] ^ guid.p[1] ^ guid.p[5] ^ n)];
	for (t = *bucket; t; t = t->next) {
		if (t->n != n || memcmp(t->guid, guid.p, 16) != 0)
			continue;
		if (same_plan(x, t, off))
			return slot->plan = t;
		if (++variants == VARIANTS_MAX)
			break;
	}
	q = (struct px){ .x = x, .a = &x->keep, .in_template = true, .fix = fix, .unshared = fix == NULL,
			 .body = (const uint8_t *)body.p };
	q.c = vg_cur_of(x->chunk, off + n);
	vg_cur_seek(&q.c, off);
	x->fix_busy = true;
	take_content(&q, NULL, depth, &tail);
	x->fix_busy = fix == NULL;
	if (q.c.rc == VG_E_NOMEM || (t = alloc(&q, sizeof(*t))) == NULL)
		return NULL;
	if (q.c.rc != VG_OK) {
		x->cut = true;
		if (node == NULL)
			return NULL;
	}
	t->node = node;
	slot->plan = t;
	if (q.c.rc != VG_OK || q.unshared || variants == VARIANTS_MAX)
		return t;
	memcpy(t->guid, guid.p, 16);
	t->n = n;
	t->body = (const uint8_t *)vg_str_dup(q.a, body).p;
	t->fix = vg_arena_alloc(q.a, q.nfix * sizeof(*fix));
	if (t->body == NULL || (t->fix == NULL && q.nfix))
		return t;
	if (q.nfix)
		memcpy(t->fix, fix, q.nfix * sizeof(*fix));
	t->nfix = q.nfix;
	t->next = *bucket;
	*bucket = t;
	return t;
}

static void
take_instance(struct px *p, int depth, struct vg_bx_node ***tail)
{
	struct vg_bx_plan *plan;
	struct vg_bx_node *node;
	struct vg_bx_inst *in;
	struct vg_cur d;
	uint32_t off, n;

	if (depth > VG_BX_DEPTH_MAX) {
		p->x->limit = true;
		vg_cur_fail(&p->c, VG_E_LIMIT);
		return;
	}
	p->unshared = true; /* its values are in this chunk */
	(void)vg_cur_u8(&p->c);
	(void)vg_cur_le32(&p->c); /* its first bytes of the GUID */
	off = vg_cur_le32(&p->c);
	if (p->c.rc == VG_OK && off == vg_cur_at(&p->c)) { /* the definition is here */
		(void)vg_cur_take(&p->c, 20);
		(void)vg_cur_take(&p->c, vg_cur_le32(&p->c));
	}
	n = vg_cur_le32(&p->c);
	if (n > VG_BX_VALUES_MAX)
		vg_cur_fail(&p->c, VG_E_LIMIT);
	d = vg_cur_sub(&p->c, 4 * (size_t)n);
	if (p->c.rc != VG_OK || (node = new_node(p, BX_INST, tail)) == NULL ||
	    (in = alloc(p, sizeof(*in))) == NULL)
		return;
	node->inst = in;
	if ((in->value = vg_arena_alloc(p->a, (n ? n : 1) * sizeof(*in->value))) == NULL) {
		no_memory(p);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint16_t size = vg_cur_le16(&d);
		uint8_t type = vg_cur_u8(&d);
		const uint8_t *v;

		(void)vg_cur_u8(&d);
		if ((v = vg_cur_take(&p->c, size)) == NULL)
			break; /* the values before it stand */
		in->value[in->nvalue++] = (struct vg_bx_value){ v, size, type };
	}
	plan = plan_at(p, off, depth + 1);
	if (plan)
		in->node = plan->node;
	else
		p->x->cut = true;
}

const struct vg_bx_node *
vg_bx_stream(struct vg_bx *x, size_t at, size_t n, int depth, size_t *used)
{
	struct px p = { .x = x, .a = x->tmp };
	struct vg_bx_node *node = NULL, **tail = &node;

	*used = 0;
	if (at > x->chunk_n || n > x->chunk_n - at)
		return NULL;
	p.c = vg_cur_of(x->chunk, at + n);
	vg_cur_seek(&p.c, at);
	take_content(&p, NULL, depth, &tail);
	*used = vg_cur_at(&p.c) - at;
	if (p.c.rc != VG_OK)
		x->cut = true;
	if (p.c.rc == VG_E_LIMIT)
		x->limit = true;
	return node;
}
