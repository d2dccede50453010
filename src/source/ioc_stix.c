/* source/ioc_stix.c - STIX patterns of the simple kinds (STIX 2.1, 9.2: [path = 'value' OR ...] OR [...]). */
#include "base/arena.h"
#include "base/cur.h"
#include "source/ioc.h"

#define PATH_MAX_BYTES 256
#define NEST_MAX 16 /* of parentheses */

struct pattern {
	struct vg_cur c;
	struct vg_arena *a;
	struct vg_stix_arm *arm;
	size_t n;
	bool asks_more; /* well formed as far as it was read, and more than this reads */
};

static void
space(struct vg_cur *c)
{
	while (vg_cur_left(c) && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\n'))
		c->p++;
}

static bool
take(struct pattern *p, char what)
{
	space(&p->c);
	if (vg_cur_left(&p->c) == 0 || *p->c.p != (uint8_t)what)
		return false;
	p->c.p++;
	return true;
}

/* A word of letters at the cursor, not taken. */
static vg_str
word(struct pattern *p)
{
	size_t n = 0;

	space(&p->c);
	while (n < vg_cur_left(&p->c) && (p->c.p[n] | 32) >= 'a' && (p->c.p[n] | 32) <= 'z')
		n++;
	return vg_str_mem(p->c.p, n);
}

static bool
take_word(struct pattern *p, const char *what)
{
	vg_str w = word(p);

	if (!vg_str_eq(w, vg_str_of(what)))
		return false;
	p->c.p += w.n;
	return true;
}

/* 'text', with \' and \\ in it. */
static bool
literal(struct pattern *p, vg_str *out)
{
	char *t, c;
	size_t n = 0;

	if (!take(p, '\''))
		return false;
	if ((t = vg_arena_alloc(p->a, vg_cur_left(&p->c) + 1)) == NULL) {
		vg_cur_fail(&p->c, VG_E_NOMEM);
		return false;
	}
	while (p->c.rc == VG_OK) {
		c = (char)vg_cur_u8(&p->c);
		if (c == '\'' && p->c.rc == VG_OK) {
			*out = vg_str_mem(t, n);
			return true;
		}
		t[n++] = c == '\\' ? (char)vg_cur_u8(&p->c) : c;
	}
	return false;
}

/* "file:hashes.'SHA-256'": up to the blank or the sign behind it, with the quoted parts in it. */
static vg_str
object_path(struct pattern *p)
{
	const uint8_t *from;
	bool quoted = false;

	space(&p->c);
	for (from = p->c.p; vg_cur_left(&p->c); p->c.p++) {
		uint8_t c = *p->c.p;

		if (c == '\'' || c == '"')
			quoted = !quoted;
		else if (!quoted && (c <= ' ' || strchr("=<>!()[]", c)))
			break;
	}
	return vg_str_mem(from, (size_t)(p->c.p - from));
}

static enum vg_ioc_kind
kind_of(vg_str path)
{
	static const struct {
		const char *path;
		enum vg_ioc_kind kind;
	} paths[] = {
		{ "ipv4-addr:value", VG_IOC_IP }, { "ipv6-addr:value", VG_IOC_IP }, { "domain-name:value", VG_IOC_DOMAIN },
		{ "url:value", VG_IOC_URL }, { "email-addr:value", VG_IOC_EMAIL }, { "email-message:from_ref.value", VG_IOC_EMAIL },
		{ "email-message:sender_ref.value", VG_IOC_EMAIL },
		{ "network-traffic:dst_ref.value", VG_IOC_IP }, { "network-traffic:src_ref.value", VG_IOC_IP },
		{ "file:name", VG_IOC_FILE }, { "user-account:user_id", VG_IOC_USER }, { "user-account:account_login", VG_IOC_USER },
		{ "mutex:name", VG_IOC_TEXT }, { "windows-registry-key:key", VG_IOC_TEXT },
	};
	enum vg_ioc_kind kind;
	vg_str name;

	for (size_t i = 0; i < VG_COUNT(paths); i++)
		if (vg_str_eq(path, vg_str_of(paths[i].path)))
			return paths[i].kind;
	if (!vg_str_starts(path, VG_STR("file:hashes.")))
		return VG_IOC_KINDS;
	name = vg_str_skip(path, 12);
	if (name.n > 2 && (name.p[0] == '\'' || name.p[0] == '"') && name.p[name.n - 1] == name.p[0])
		name = vg_str_mem(name.p + 1, name.n - 2);
	return vg_ioc_kind_parse(name, &kind) && kind >= VG_IOC_MD5 && kind <= VG_IOC_SHA512 ? kind : VG_IOC_KINDS;
}

static bool
put(struct pattern *p, enum vg_ioc_kind kind, vg_str path, vg_str value)
{
	if (p->n == VG_IOC_ARMS_MAX) {
		vg_cur_fail(&p->c, VG_E_LIMIT);
		return false;
	}
	p->arm[p->n++] = (struct vg_stix_arm){ kind, path, value };
	return true;
}

/* path = 'x', path IN ('x', 'y'), path ISSUBSET 'net' */
static bool
comparison(struct pattern *p)
{
	vg_str path = object_path(p), value = VG_NIL;
	enum vg_ioc_kind kind = kind_of(path);

	if (path.n == 0 || path.n > PATH_MAX_BYTES)
		return false;
	if (take(p, '=') || take_word(p, "ISSUBSET"))
		return literal(p, &value) ? put(p, kind, path, value) : false;
	if (take_word(p, "IN")) {
		if (!take(p, '('))
			return false;
		do {
			if (!literal(p, &value) || !put(p, kind, path, value))
				return false;
		} while (take(p, ','));
		return take(p, ')');
	}
	space(&p->c);
	p->asks_more = word(p).n > 0 || (vg_cur_left(&p->c) && strchr("!<>", *p->c.p));
	return false;
}

/* What is joined by OR, within parentheses or without. */
static bool
arms(struct pattern *p, unsigned depth)
{
	do {
		if (take(p, '(')) {
			if (depth == NEST_MAX) {
				vg_cur_fail(&p->c, VG_E_LIMIT);
				return false;
			}
			if (!arms(p, depth + 1) || !take(p, ')'))
				return false;
		} else if (vg_str_eq(word(p), VG_STR("NOT"))) {
			p->asks_more = true;
			return false;
		} else if (!comparison(p)) {
			return false;
		}
	} while (take_word(p, "OR"));
	if (word(p).n) /* AND */
		p->asks_more = true;
	return !p->asks_more;
}

static bool
observations(struct pattern *p, unsigned depth)
{
	do {
		if (take(p, '(')) {
			if (depth == NEST_MAX) {
				vg_cur_fail(&p->c, VG_E_LIMIT);
				return false;
			}
			if (!observations(p, depth + 1) || !take(p, ')'))
				return false;
		} else if (!take(p, '[') || !arms(p, 0) || !take(p, ']')) {
			return false;
		}
	} while (take_word(p, "OR"));
	if (word(p).n) /* AND, FOLLOWEDBY, WITHIN, REPEATS, START */
		p->asks_more = true;
	return !p->asks_more;
}

vg_rc
vg_stix_pattern(vg_str pattern, struct vg_arena *a, struct vg_stix_arm arm[VG_IOC_ARMS_MAX], size_t *n)
{
	struct pattern p = { .c = vg_cur_of(pattern.p, pattern.n), .a = a, .arm = arm };
	bool ok = observations(&p, 0);

	*n = 0;
	space(&p.c);
	if (p.c.rc == VG_E_LIMIT || p.c.rc == VG_E_NOMEM)
		return p.c.rc;
	if (p.asks_more)
		return VG_E_UNSUP;
	if (!ok || vg_cur_left(&p.c))
		return VG_E_FORMAT;
	*n = p.n;
	return VG_OK;
}
