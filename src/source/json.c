#include "source/json.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf.h"
#include "source/shape.h"
#include "source/wide.h"

/* --- names: looked up once, remembered by the thread --- */

#define NAMES 512
#define NAME_KEPT 52

struct name {
	uint32_t key;
	uint8_t row; /* of the table of shapes */
	uint8_t n;   /* bytes of text; 0: empty */
	char text[NAME_KEPT];
};
static _Thread_local struct {
	uint64_t serial; /* of the keys that it speaks of */
	struct name name[NAMES];
} names;

static inline uint32_t
name_hash(vg_str s)
{
	uint64_t a = 0, b = 0;

	if (s.n >= 8) {
		memcpy(&a, s.p, 8);
		memcpy(&b, s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		uint32_t x, y;

		memcpy(&x, s.p, 4);
		memcpy(&y, s.p + s.n - 4, 4);
		a = x;
		b = y;
	} else {
		for (size_t i = 0; i < s.n; i++)
			a = a << 8 | (uint8_t)s.p[i];
	}
	a = (a ^ (b << 23 | b >> 41) ^ s.n) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(a >> 55);
}
_Static_assert(NAMES == 512, "nine bits of hash");

static void
look_up(const struct vg_event *e, vg_str s, uint32_t *key, uint8_t *row)
{
	struct name *m;

	if (s.n == 0 || s.n > NAME_KEPT) {
		*key = vg_keys_find(e->keys, s);
		*row = 0;
		return;
	}
	m = &names.name[name_hash(s)];
	if (m->n != s.n || memcmp(m->text, s.p, s.n) != 0) {
		m->key = vg_keys_find(e->keys, s);
		m->row = vg_shape_row(s);
		m->n = (uint8_t)s.n;
		memcpy(m->text, s.p, s.n);
	}
	*key = m->key;
	*row = m->row;
}

/* --- one object --- */

struct js {
	const char *p, *end;
	struct vg_event *e;
	vg_rc rc;
	int depth;
	char *out; /* where the next unescaped text goes; NULL: no room was taken yet */
	struct vg_shape shape;
	size_t npath;
	char path[VG_JSON_NAME_MAX]; /* names of the objects around, each with its dot */
};

/* Where names are made. */
struct at {
	enum vg_shape_at at;
	vg_str tag; /* the element that attributes and text belong to */
};

static void
fail(struct js *j, vg_rc rc)
{
	if (j->rc == VG_OK)
		j->rc = rc;
	j->end = j->p;
}

static inline void
skip_space(struct js *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
		j->p++;
}

/* The first quote or backslash from @p on; @end when there is none. */
static inline const char *
string_stop(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\');

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		int m = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, back)));

		if (m)
			return p + __builtin_ctz((unsigned)m);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

static int
hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* "\uXXXX" with j->p behind the u. */
static size_t
unescape_u(struct js *j, char *out)
{
	int u = hex4(j->p, j->end), low;

	if (u < 0) { /* not one: kept as it stands */
		out[0] = '\\';
		out[1] = 'u';
		return 2;
	}
	j->p += 4;
	if (u < 0xd800 || u > 0xdfff)
		return vg_utf8_put((uint32_t)u, out);
	if (u < 0xdc00 && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u' &&
	    (low = hex4(j->p + 2, j->end)) >= 0xdc00 && low <= 0xdfff) {
		j->p += 6;
		return vg_utf8_put(0x10000 + ((uint32_t)(u - 0xd800) << 10) + (uint32_t)(low - 0xdc00), out);
	}
	return vg_utf8_put(0xfffd, out);
}

/* The rest of a string that has escapes; @from is where it began, j->p at its first backslash.  What comes out
 * is never longer than what goes in, so room for all that is left of the text is enough for all strings. */
static vg_str
unescape(struct js *j, const char *from)
{
	char *begin, *o;

	if (j->out == NULL &&
	    (j->out = vg_arena_alloc(j->e->arena, (size_t)(j->end - from) + 32)) == NULL) {
		fail(j, VG_E_NOMEM);
		return VG_NIL;
	}
	begin = o = j->out;
	memcpy(o, from, (size_t)(j->p - from));
	o += j->p - from;
	while (j->p < j->end) {
		char c = *j->p;

		if (c == '"') {
			j->p++;
			j->out = o;
			return vg_str_mem(begin, (size_t)(o - begin));
		}
		if (c == '\\') {
			if (++j->p == j->end)
				break;
			c = *j->p++;
			switch (c) {
			case 'n':
				*o++ = '\n';
				break;
			case 't':
				*o++ = '\t';
				break;
			case 'r':
				*o++ = '\r';
				break;
			case 'b':
				*o++ = '\b';
				break;
			case 'f':
				*o++ = '\f';
				break;
			case 'u':
				o += unescape_u(j, o);
				break;
			case '"':
			case '\\':
			case '/':
				*o++ = c;
				break;
			default: /* RFC 8259, 7 knows no other: kept as it stands */
				*o++ = '\\';
				*o++ = c;
			}
			continue;
		}
#ifdef __SSE2__
		if (j->end - j->p >= 16) { /* copy and look in one go: there is room for 16 behind o */
			const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\');
			__m128i v = _mm_loadu_si128((const __m128i *)(const void *)j->p);
			int m = _mm_movemask_epi8(
				_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, back)));
			int n = m ? __builtin_ctz((unsigned)m) : 16;

			_mm_storeu_si128((__m128i *)(void *)o, v);
			o += n;
			j->p += n;
			continue;
		}
#endif
		*o++ = c;
		j->p++;
	}
	j->out = o;
	fail(j, VG_E_TRUNC);
	return vg_str_mem(begin, (size_t)(o - begin));
}

/* A string; j->p behind its first quote. */
static inline vg_str
string(struct js *j)
{
	const char *from = j->p;

	j->p = string_stop(from, j->end);
	if (VG_LIKELY(j->p < j->end && *j->p == '"')) {
		j->p++;
		return vg_str_mem(from, (size_t)(j->p - 1 - from));
	}
	if (j->p < j->end)
		return unescape(j, from);
	fail(j, VG_E_TRUNC);
	return vg_str_mem(from, (size_t)(j->p - from));
}

static vg_str
without_spaces(struct js *j, vg_str s)
{
	vg_str t = vg_str_without(j->e->arena, s, ' ');

	if (t.p || s.n == 0)
		return t;
	fail(j, VG_E_NOMEM);
	return s;
}

static vg_str
join(struct js *j, vg_str a, char sep, vg_str b)
{
	char *t;

	if (a.n + b.n > VG_JSON_NAME_MAX) {
		j->e->flags |= VG_EVENT_PARTIAL;
		return VG_NIL;
	}
	if ((t = vg_arena_alloc(j->e->arena, a.n + b.n + 1)) == NULL) {
		fail(j, VG_E_NOMEM);
		return VG_NIL;
	}
	if (a.n)
		memcpy(t, a.p, a.n);
	t[a.n] = sep;
	if (b.n)
		memcpy(t + a.n + 1, b.p, b.n);
	return vg_str_mem(t, a.n + b.n + 1);
}

static vg_str
first_upper(struct js *j, vg_str s)
{
	vg_str t;

	if (s.n == 0 || s.p[0] < 'a' || s.p[0] > 'z')
		return s;
	t = vg_str_dup(j->e->arena, s);
	if (t.n == 0)
		fail(j, VG_E_NOMEM);
	else
		*(char *)(uintptr_t)t.p = (char)(t.p[0] - 32);
	return t;
}

static vg_str
wazuh_system(struct js *j, vg_str key)
{
	vg_str native = vg_shape_wazuh_system(key);

	return native.n ? native : first_upper(j, key);
}

/* The name of the value of @key; empty: it is left out. */
static vg_str
name_of(struct js *j, const struct at *a, vg_str key)
{
	switch (a->at) {
	case VG_AT_ROOT:
		if (VG_UNLIKELY(key.n > 12 && (key.p[0] == 'w' || key.p[0] == 'E' || key.p[0] == 'e' ||
					       key.p[0] == 'd'))) {
			vg_str rest = key;
			enum vg_shape_at flat = vg_shape_flat(&rest);

			if (flat == VG_AT_LEAF)
				return without_spaces(j, rest);
			if (flat == VG_AT_WAZUH_DATA)
				return first_upper(j, rest);
			if (flat == VG_AT_WAZUH_SYSTEM)
				return wazuh_system(j, rest);
		}
		return key;
	case VG_AT_DOTTED:
	case VG_AT_EVENT:
	case VG_AT_WINLOG:
	case VG_AT_DATA:
	case VG_AT_DATA_WIN:
		if (j->npath == 0)
			return VG_NIL; /* a path that was too long */
		return join(j, vg_str_mem(j->path, j->npath - 1), '.', key);
	case VG_AT_SYSTEM:
		return key;
	case VG_AT_TAG:
		if (vg_str_eq(key, VG_STR("#text")) || vg_str_eq(key, VG_STR("Value")))
			return a->tag;
		/* fall through */
	case VG_AT_ATTR:
		if (vg_str_starts(key, VG_STR("@")))
			key = vg_str_skip(key, 1);
		return vg_str_starts(key, VG_STR("xmlns")) ? VG_NIL : join(j, a->tag, '_', key);
	case VG_AT_LEAF:
		if (vg_str_eq(key, VG_STR("#text")))
			return without_spaces(j, a->tag);
		if (key.n && key.p[0] == '@') {
			key = vg_str_skip(key, 1);
			return vg_str_starts(key, VG_STR("xmlns")) ? VG_NIL : join(j, a->tag, '_', key);
		}
		return without_spaces(j, key);
	case VG_AT_RENDER:
		return vg_str_eq(key, VG_STR("Message")) ? key : join(j, VG_STR("RenderingInfo"), '_', key);
	case VG_AT_WAZUH_SYSTEM:
		return wazuh_system(j, key);
	case VG_AT_WAZUH_DATA:
		return first_upper(j, key);
	case VG_AT_IGNORE:
		break;
	}
	return VG_NIL;
}

static void
add(struct js *j, vg_str name, enum vg_kind kind, vg_str value)
{
	uint32_t key;
	uint8_t row;
	vg_rc rc;

	look_up(j->e, name, &key, &row);
	rc = vg_event_add_key(j->e, name, key, kind, 0, value);
	if (VG_UNLIKELY(rc != VG_OK)) {
		if (rc != VG_E_LIMIT)
			fail(j, rc);
		return;
	}
	if (row && value.n)
		vg_shape_seen(&j->shape, row, j->e->nfield - 1);
}

/* A number or a word, as the text says it. */
static vg_str
bare(struct js *j, enum vg_kind *kind)
{
	const char *from = j->p;
	vg_str s;

	*kind = VG_KIND_INT;
	for (; j->p < j->end; j->p++) {
		unsigned char c = (unsigned char)*j->p;

		if (c >= '0' && c <= '9')
			continue;
		if (c == '.' || c == '+' || (c | 32) == 'e')
			*kind = VG_KIND_FLOAT;
		else if (c != '-' && !((c | 32) >= 'a' && (c | 32) <= 'z'))
			break;
	}
	s = vg_str_mem(from, (size_t)(j->p - from));
	if (s.n == 0) {
		fail(j, j->p == j->end ? VG_E_TRUNC : VG_E_FORMAT);
		return s;
	}
	if (s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9'))
		return s;
	if (vg_str_eq(s, VG_STR("true")) || vg_str_eq(s, VG_STR("false"))) {
		*kind = VG_KIND_BOOL;
	} else if (vg_str_eq(s, VG_STR("null")) || vg_str_eq(s, VG_STR("undefined"))) {
		*kind = VG_KIND_NULL;
		s = VG_STR("");
	} else if (vg_str_eq(s, VG_STR("NaN")) || vg_str_eq(s, VG_STR("Infinity"))) {
		*kind = VG_KIND_FLOAT;
	} else {
		fail(j, j->p == j->end ? VG_E_TRUNC : VG_E_FORMAT);
		s = VG_NIL;
	}
	return s;
}

static void object(struct js *j, const struct at *a, vg_str key);

/* Is the object at j->p a System, not something of the same name? */
static bool
system_begins(const struct js *j)
{
	vg_str s = vg_str_trim(vg_str_mem(j->p + 1, (size_t)(j->end - j->p - 1) > 64 ?
							   64 : (size_t)(j->end - j->p - 1)));

	return vg_str_starts(s, VG_STR("\"Provider\""));
}

/* A value in the place @a under @key.  @name: made already, for the items of an array. */
static void
value(struct js *j, const struct at *a, vg_str key, const vg_str *made)
{
	enum vg_kind kind;
	vg_str name, v;

	skip_space(j);
	if (j->p == j->end) {
		fail(j, VG_E_TRUNC);
		return;
	}
	if (*j->p == '{') {
		object(j, a, key);
		return;
	}
	name = made ? *made : name_of(j, a, key);
	if (*j->p == '[') {
		uint32_t before = j->e->nfield;

		if (j->depth >= VG_JSON_DEPTH_MAX) {
			j->e->flags |= VG_EVENT_PARTIAL;
			fail(j, VG_E_LIMIT);
			return;
		}
		j->depth++;
		j->p++;
		for (;;) {
			skip_space(j);
			if (j->p < j->end && *j->p == ']') {
				j->p++;
				break;
			}
			value(j, a, key, &name);
			skip_space(j);
			if (j->p < j->end && *j->p == ',')
				j->p++;
			else if (j->p == j->end || *j->p != ']') {
				fail(j, j->p == j->end ? VG_E_TRUNC : VG_E_FORMAT);
				return;
			}
		}
		j->depth--;
		if (j->e->nfield == before && name.n && a->at != VG_AT_SYSTEM && a->at != VG_AT_TAG)
			add(j, name, VG_KIND_NULL, VG_STR(""));
		return;
	}
	if (*j->p == '"') {
		j->p++;
		v = string(j);
		kind = VG_KIND_TEXT;
	} else {
		v = bare(j, &kind);
		if (j->rc != VG_OK)
			return;
	}
	if (name.n == 0 || (kind == VG_KIND_NULL && (a->at == VG_AT_SYSTEM || a->at == VG_AT_TAG)))
		return;
	add(j, name, kind, v);
}

/* {"@Name": "X", "#text": "y"} was read as Data_Name and Data: it is X. */
static void
pair_up(struct js *j, uint32_t from)
{
	struct vg_event *e = j->e;
	uint32_t n = from, key;
	uint8_t row;
	vg_str name = VG_NIL;

	for (uint32_t i = from; i < e->nfield && name.n == 0; i++)
		if (vg_str_eq(e->field[i].name, VG_STR("Data_Name")))
			name = without_spaces(j, e->field[i].value);
	if (name.n == 0)
		return;
	look_up(e, name, &key, &row);
	for (uint32_t i = from; i < e->nfield; i++) {
		struct vg_field f = e->field[i];

		if (vg_str_eq(f.name, VG_STR("Data_Name")))
			continue;
		if (vg_str_eq(f.name, VG_STR("Data"))) {
			f.name = name;
			f.key = key;
		}
		e->field[n++] = f;
	}
	if (n == from) /* no text: an empty one */
		e->field[n++] = (struct vg_field){ name, VG_STR(""), key, VG_KIND_TEXT, 0 };
	e->nfield = n;
}

/* The members of an object; j->p at its brace. */
static void
members(struct js *j, const struct at *a)
{
	j->p++;
	for (;;) {
		vg_str key;

		skip_space(j);
		if (j->p == j->end)
			break;
		if (*j->p == '}') {
			j->p++;
			return;
		}
		if (*j->p != '"') {
			fail(j, VG_E_FORMAT);
			return;
		}
		j->p++;
		key = string(j);
		skip_space(j);
		if (j->p == j->end)
			break;
		if (*j->p != ':') {
			fail(j, VG_E_FORMAT);
			return;
		}
		j->p++;
		value(j, a, key, NULL);
		skip_space(j);
		if (j->p < j->end && *j->p == ',') {
			j->p++;
		} else if (j->p < j->end && *j->p != '}') {
			fail(j, VG_E_FORMAT);
			return;
		}
	}
	fail(j, VG_E_TRUNC);
}

/* A nested object under @key, inside one that is @a; j->p at its brace. */
static void
object(struct js *j, const struct at *a, vg_str key)
{
	struct at in = { vg_shape_enter(a->at, key), key };
	size_t had = j->npath;
	uint32_t before = j->e->nfield;

	if (j->depth >= VG_JSON_DEPTH_MAX) {
		j->e->flags |= VG_EVENT_PARTIAL;
		fail(j, VG_E_LIMIT);
		return;
	}
	if (a->at == VG_AT_ROOT && in.at == VG_AT_SYSTEM && !system_begins(j))
		in.at = VG_AT_DOTTED;
	switch (in.at) {
	case VG_AT_ATTR: /* they belong to the element around */
		in.tag = a->tag;
		if (vg_str_ends(key, VG_STR("_attributes")))
			in.tag = vg_str_cut(key, key.n - 11);
		break;
	case VG_AT_DOTTED:
	case VG_AT_EVENT:
	case VG_AT_WINLOG:
	case VG_AT_DATA:
	case VG_AT_DATA_WIN:
		if ((had == 0 && a->at != VG_AT_ROOT) || key.n + 1 > sizeof(j->path) - had) {
			j->e->flags |= VG_EVENT_PARTIAL;
			j->npath = 0; /* nothing below has a name */
			break;
		}
		if (key.n)
			memcpy(j->path + had, key.p, key.n);
		j->path[had + key.n] = '.';
		j->npath = had + key.n + 1;
		break;
	default:
		break;
	}
	j->depth++;
	members(j, &in);
	j->depth--;
	j->npath = had;
	if (j->rc == VG_OK && j->e->nfield == before &&
	    (in.at == VG_AT_DOTTED || (in.at == VG_AT_LEAF && a->at == VG_AT_LEAF))) {
		vg_str name = name_of(j, a, key);

		if (name.n)
			add(j, name, VG_KIND_NULL, VG_STR(""));
	} else if (in.at == VG_AT_LEAF && j->e->nfield > before && vg_str_eq(key, VG_STR("Data"))) {
		pair_up(j, before);
	}
}

vg_rc
vg_json_event(vg_str text, struct vg_event *e)
{
	struct js j;
	struct at root = { VG_AT_ROOT, VG_NIL };
	uint64_t serial = vg_keys_serial(e->keys);
	vg_rc rc;

	if (names.serial != serial) {
		memset(&names, 0, sizeof(names));
		names.serial = serial;
	}
	j.p = text.p;
	j.end = text.p ? text.p + text.n : text.p;
	j.e = e;
	j.rc = VG_OK;
	j.depth = 1;
	j.out = NULL;
	j.npath = 0;
	memset(&j.shape, 0, sizeof(j.shape));
	if (e->raw.p == NULL)
		e->raw = text;
	skip_space(&j);
	if (j.p == j.end)
		return VG_E_TRUNC;
	if (*j.p != '{')
		return VG_E_FORMAT;
	members(&j, &root);
	if (j.rc == VG_OK) {
		skip_space(&j);
		if (j.p < j.end)
			j.rc = VG_E_FORMAT; /* something behind the object */
	}
	if (j.rc == VG_E_NOMEM)
		return j.rc;
	if (j.rc != VG_OK || e->dropped)
		e->flags |= VG_EVENT_PARTIAL;
	if ((rc = vg_shape_finish(&j.shape, e)) != VG_OK)
		return rc;
	return j.rc == VG_E_LIMIT ? VG_E_FORMAT : j.rc;
}

/* --- where objects begin and end --- */

struct scan {
	size_t at;
	int depth;
	bool str;
};

/* Move s->at past what is behind it until the depth is 0 again; false: the text ended before. */
static bool
scan_on(struct scan *s, const char *p, size_t n)
{
	const char *end = p + n, *q = p + s->at;

	while (q < end) {
		if (s->str) {
			q = string_stop(q, end);
			if (q == end)
				break;
			if (*q == '\\') {
				if (end - q < 2)
					break; /* with its second half next time */
				q += 2;
				continue;
			}
			s->str = false;
			q++;
			continue;
		}
		switch (*q++) {
		case '"':
			s->str = true;
			break;
		case '{':
		case '[':
			s->depth++;
			break;
		case '}':
		case ']':
			if (--s->depth <= 0) {
				s->at = (size_t)(q - p);
				return true;
			}
			break;
		default:
			break;
		}
	}
	s->at = (size_t)(q - p);
	return false;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t
space_from(vg_str s, size_t at)
{
	while (at < s.n && is_space(s.p[at]))
		at++;
	return at;
}

/* Names of arrays that objects are wrapped in; @nest: in an object of the same name. */
static const struct {
	vg_str name;
	bool nest;
} wraps[] = {
	{ VG_STR_INIT("Records"), false }, /* CloudTrail */
	{ VG_STR_INIT("records"), false }, /* Azure diagnostic settings */
	{ VG_STR_INIT("value"), false },   /* Microsoft Graph */
	{ VG_STR_INIT("events"), false },
	{ VG_STR_INIT("Events"), false },
	{ VG_STR_INIT("hits"), true },     /* Elasticsearch */
};

/* Does the object that @s begins with wrap others?  Then where the first of them begins, else 0.  @depth: open
 * objects around the array. */
static size_t
wrapped_at(vg_str s, int *depth)
{
	size_t at = space_from(s, 0);
	vg_str nest = VG_NIL;

	*depth = 1;
	if (at >= s.n || s.p[at] != '{')
		return 0;
	at++;
	for (unsigned keys = 0; keys < 32; keys++) {
		struct scan sc = { 0 };
		size_t from;
		vg_str key;

		at = space_from(s, at);
		if (at >= s.n || s.p[at] != '"')
			return 0;
		from = ++at;
		while (at < s.n && s.p[at] != '"' && s.p[at] != '\\')
			at++;
		if (at >= s.n || s.p[at] != '"')
			return 0;
		key = vg_str_mem(s.p + from, at - from);
		at = space_from(s, at + 1);
		if (at >= s.n || s.p[at] != ':')
			return 0;
		at = space_from(s, at + 1);
		if (at >= s.n)
			return 0;
		for (size_t i = 0; i < VG_COUNT(wraps); i++) {
			if (!vg_str_eq(key, wraps[i].name))
				continue;
			if (s.p[at] == '[') {
				size_t first = space_from(s, at + 1);

				if (first < s.n && (s.p[first] == '{' || s.p[first] == ']') &&
				    (nest.n || !wraps[i].nest))
					return at + 1;
			} else if (wraps[i].nest && s.p[at] == '{' && nest.n == 0) {
				nest = key;
			}
		}
		if (nest.n && *depth == 1) {
			*depth = 2;
			at++;
			continue;
		}
		/* a value of a wrapper is short: a name, a count, a link */
		if (s.p[at] == '{' || s.p[at] == '[') {
			if (!scan_on(&sc, s.p + at, s.n - at))
				return 0;
			at += sc.at;
		} else if (s.p[at] == '"') {
			for (at++; at < s.n && s.p[at] != '"'; at++)
				if (s.p[at] == '\\')
					at++;
			at++;
		} else {
			while (at < s.n && s.p[at] != ',' && s.p[at] != '}')
				at++;
		}
		at = space_from(s, at);
		if (at >= s.n || s.p[at] != ',')
			return 0;
		at++;
	}
	return 0;
}

bool
vg_json_is_wrapper(vg_str text)
{
	int depth;

	return wrapped_at(text, &depth) != 0;
}

/* --- reading --- */

/* One object, or what is left of it, as an event.  VG_OK also when there was nothing in it to give. */
static vg_rc
give(struct vg_reader *r, vg_str text, uint64_t at, uint64_t number, bool cut)
{
	struct vg_event *e = r->event;
	vg_rc rc;

	vg_event_reset(e);
	e->offset = at;
	e->raw = text;
	rc = vg_json_event(text, e);
	if (rc == VG_E_NOMEM) {
		vg_reader_note(r, VG_NOTE_LIMIT, at, "an object is too large for the memory of one event");
		return VG_OK;
	}
	if (rc != VG_OK && e->nfield == 0) { /* keep the evidence: rules may search its text */
		vg_reader_note(r, VG_NOTE_RECORD_BAD, at, "not a JSON object (%s)", vg_rc_name(rc));
		if ((rc = vg_event_add(e, VG_STR("message"), VG_KIND_TEXT, text)) != VG_OK)
			return VG_OK;
		e->flags |= VG_EVENT_PARTIAL | VG_EVENT_TIME_MISSING;
	} else if (rc != VG_OK || cut) {
		vg_reader_note(r, VG_NOTE_RECORD_CUT, at, "a JSON object is read in part (%s)",
			       vg_rc_name(rc == VG_OK ? VG_E_LIMIT : rc));
		e->flags |= VG_EVENT_PARTIAL;
	}
	if (e->dropped)
		vg_reader_note(r, VG_NOTE_LIMIT, at, "%u fields over %d are left out", (unsigned)e->dropped,
			       VG_EVENT_FIELDS_MAX);
	if ((e->flags & VG_EVENT_ZONE_INFERRED) && e->time_ns != VG_TIME_NONE)
		e->time_ns -= (int64_t)r->zone_s * VG_SEC;
	if (e->record == 0)
		e->record = number;
	return vg_reader_emit(r);
}

static vg_str
without_bom(vg_str s)
{
	return vg_str_starts(s, VG_STR("\xef\xbb\xbf")) ? vg_str_skip(s, 3) : s;
}

vg_rc
vg_jsonl_read(struct vg_reader *r)
{
	vg_str line;
	uint64_t at;
	bool cut;
	vg_rc rc = VG_OK;

	while (rc == VG_OK && vg_input_line(r->in, VG_LINE_MAX, &line, &at, &cut)) {
		line = vg_str_trim(without_bom(line));
		if (cut)
			vg_reader_note(r, VG_NOTE_LINE_LONG, at, "a line over %zu bytes is cut", VG_LINE_MAX);
		if (line.n)
			rc = give(r, line, at, r->in->lines, cut);
	}
	return rc != VG_OK ? rc : r->in->rc;
}

#define LOST_MAX 64 /* objects without an end that are looked behind */

struct walk {
	struct vg_reader *r;
	uint64_t number;
	unsigned lost;
	bool stop;
	int open; /* arrays that the next object is in */
	int wrap[VG_JSON_DEPTH_MAX]; /* objects around each of them */
};

/* Skip until @depth objects are closed again. */
static void
skip_rest(struct vg_input *in, int depth)
{
	struct scan s = { .depth = depth };
	size_t n;

	while ((n = vg_input_peek(in, 65536)) > 0) {
		bool done = scan_on(&s, (const char *)in->p, n);
		size_t used = s.at ? s.at : n; /* a lone backslash at the end of the input */

		vg_input_skip(in, used);
		s.at = 0;
		if (done)
			return;
	}
}

/* Skip to behind the next end of line. */
static void
skip_line(struct vg_input *in)
{
	size_t n;

	while ((n = vg_input_peek(in, 1)) > 0) {
		const uint8_t *lf = memchr(in->p, '\n', n);

		vg_input_skip(in, lf ? (size_t)(lf - in->p) + 1 : n);
		if (lf)
			return;
	}
}

static vg_rc
one_object(struct walk *w)
{
	struct vg_input *in = w->r->in;
	struct scan s = { 0 };
	size_t want = 65536, n;
	uint64_t at = in->offset;
	bool whole;
	vg_rc rc;

	for (;;) {
		n = vg_input_peek(in, want);
		whole = scan_on(&s, (const char *)in->p, n < VG_JSON_OBJECT_MAX ? n : VG_JSON_OBJECT_MAX);
		if (whole || n < want || want >= VG_JSON_OBJECT_MAX)
			break;
		want = n * 2 < VG_JSON_OBJECT_MAX ? n * 2 : VG_JSON_OBJECT_MAX;
	}
	w->number++;
	if (whole) {
		rc = give(w->r, vg_str_mem(in->p, s.at), at, w->number, false);
		vg_input_skip(in, s.at);
		return rc;
	}
	if (n > VG_JSON_OBJECT_MAX)
		n = VG_JSON_OBJECT_MAX;
	else
		vg_reader_note(w->r, VG_NOTE_TRUNCATED, at, "the file ends inside an object");
	rc = give(w->r, vg_str_mem(in->p, n), at, w->number, true);
	if (++w->lost > LOST_MAX) {
		vg_reader_note(w->r, VG_NOTE_LIMIT, at, "%d objects have no end: the rest is not read", LOST_MAX);
		w->stop = true;
		return rc;
	}
	skip_line(in); /* a quote too many, perhaps: the next line may be sound */
	return rc;
}

static vg_rc
one_token(struct walk *w, char c)
{
	struct vg_input *in = w->r->in;
	size_t n, at;
	int depth;

	switch (c) {
	case '[':
		if (w->open >= VG_JSON_DEPTH_MAX) {
			vg_reader_note(w->r, VG_NOTE_LIMIT, in->offset, "arrays nested too deep");
			skip_line(in);
			return VG_OK;
		}
		w->wrap[w->open++] = 0;
		vg_input_skip(in, 1);
		return VG_OK;
	case ']':
		vg_input_skip(in, 1);
		if (w->open > 0 && w->wrap[--w->open] > 0)
			skip_rest(in, w->wrap[w->open]);
		return VG_OK;
	case '{':
		n = vg_input_peek(in, VG_PROBE_BYTES);
		at = w->open > 0 && w->number > 0 ?
			     0 :
			     wrapped_at(vg_str_mem(in->p, n < VG_PROBE_BYTES ? n : VG_PROBE_BYTES), &depth);
		if (at && w->open < VG_JSON_DEPTH_MAX) {
			w->wrap[w->open++] = depth;
			vg_input_skip(in, at);
			return VG_OK;
		}
		return one_object(w);
	default:
		vg_reader_note(w->r, VG_NOTE_UNKNOWN, in->offset, "something that is not an object");
		skip_line(in);
		return VG_OK;
	}
}

vg_rc
vg_json_read(struct vg_reader *r)
{
	struct vg_wide wide;
	struct vg_input *plain = r->in;
	struct walk *w;
	vg_rc rc = VG_OK;

	if ((rc = vg_wide_open(&wide, plain, &r->in)) != VG_OK)
		return rc;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		rc = VG_E_NOMEM;
	else
		w->r = r;
	if (vg_input_peek(r->in, 3) >= 3 && memcmp(r->in->p, "\xef\xbb\xbf", 3) == 0)
		vg_input_skip(r->in, 3);
	while (rc == VG_OK && !w->stop) {
		size_t n = vg_input_peek(r->in, 1), i = 0;

		if (n == 0)
			break;
		while (i < n && (is_space((char)r->in->p[i]) || r->in->p[i] == ',' || r->in->p[i] == 0x1e))
			i++; /* 0x1e: RFC 7464 */
		if (i > 0) {
			vg_input_skip(r->in, i);
			continue;
		}
		rc = one_token(w, (char)r->in->p[0]);
	}
	free(w);
	if (rc == VG_OK)
		rc = r->in->rc;
	vg_wide_close(&wide);
	r->in = plain;
	return rc;
}

/* --- probes --- */

static bool
named(vg_str filename, vg_str ext)
{
	return filename.n > ext.n && vg_str_ieq(vg_str_skip(filename, filename.n - ext.n), ext);
}

static bool
json_name(vg_str f)
{
	return named(f, VG_STR(".json")) || named(f, VG_STR(".jsonl")) || named(f, VG_STR(".ndjson")) ||
	       named(f, VG_STR(".jsonlines"));
}

/* An object with a name and a colon, or nothing in it. */
static bool
object_begins(vg_str s)
{
	size_t at = space_from(s, 0);

	if (at >= s.n || s.p[at] != '{')
		return false;
	at = space_from(s, at + 1);
	if (at < s.n && s.p[at] == '}')
		return true;
	if (at >= s.n || s.p[at] != '"')
		return false;
	for (at++; at < s.n && s.p[at] != '"'; at++)
		if (s.p[at] == '\\')
			at++;
	at = space_from(s, at + 1);
	return at < s.n && s.p[at] == ':';
}

int
vg_jsonl_probe(vg_str head, bool whole, vg_str filename)
{
	struct scan s = { 0 };
	size_t at, lf;
	int depth;

	head = without_bom(head);
	head = vg_str_skip(head, space_from(head, 0));
	if (!object_begins(head) || wrapped_at(head, &depth) || !scan_on(&s, head.p, head.n))
		return 0;
	if (vg_str_chr(vg_str_cut(head, s.at), '\n') != VG_NPOS)
		return 0;
	lf = vg_str_chr(vg_str_skip(head, s.at), '\n');
	at = space_from(head, s.at);
	if (at == head.n)
		return whole || lf != VG_NPOS ? 88 + (json_name(filename) ? 4 : 0) : 0;
	if (lf == VG_NPOS || at < s.at + lf || head.p[at] != '{')
		return 0;
	return 90 + (json_name(filename) ? 4 : 0);
}

int
vg_json_probe(vg_str head, bool whole, vg_str filename)
{
	char narrow[4096];
	size_t n;

	(void)whole;
	if ((n = vg_wide_head(head, narrow, sizeof(narrow))) > 0)
		head = vg_str_mem(narrow, n);
	head = without_bom(head);
	n = space_from(head, 0);
	for (unsigned i = 0; i < 4 && n < head.n && head.p[n] == '['; i++)
		n = space_from(head, n + 1);
	head = vg_str_skip(head, n);
	if (!object_begins(head))
		return 0;
	return 70 + (json_name(filename) ? 10 : 0);
}
