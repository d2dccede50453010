#include "detect/multi.h"

#include <stdlib.h>

#include "base/cur.h"
#include "base/map.h"
#include "detect/multi_impl.h"
#include "detect/regex.h"

#define PATTERNS_MAX 1000000
#define LONG_LITERAL 1024 /* a longer one is looked for by its beginning, and then confirmed */
#define LONG_KEEP    256
#define TRIGGER_MIN  2    /* bytes of a literal that stands guard over an expression */
#define VERSION      1
#define DIGEST_SEED  0x5649474d554c5449u

/* The blob: this head, then (each at a multiple of 8) the sections in the order of their counts, then the text, then, at
 * a multiple of 64, what the engine needs. */
struct head {
	char magic[8];
	uint32_t version, engine;
	uint64_t digest; /* of all behind the head */
	uint64_t nbytes; /* of the whole blob */
	uint32_t nlit, ntarget, nconfirm, nguard, nalways, ntext;
	uint64_t engine_at;
};
static const char magic[8] = { 'V', 'G', 'M', 'U', 'L', 'T', 'I', '1' };

/* What a literal that occurs says: an id, or that something is to be confirmed. */
struct target {
	uint32_t confirm; /* 1: value is an index of confirm */
	uint32_t value;
};

struct confirm {
	uint32_t off, len; /* of text */
	uint32_t flags;    /* VG_MULTI_* */
	uint32_t id;
};

struct vg_multi {
	uint32_t engine;
	uint32_t nlit, ntarget, nconfirm, nguard, nalways;
	const uint32_t *first;  /* [nlit + 1]: targets of literal i are first[i]..first[i + 1] - 1 */
	const struct target *target;
	const struct confirm *confirm;
	const uint32_t *guard;  /* expression i of the engine guards confirm guard[i] */
	const uint32_t *always; /* confirms that nothing guards */
	vg_str text;
	struct vg_ac ac;
#ifdef VG_HAVE_HYPERSCAN
	struct vg_hs *hs; /* owned */
#endif
};

struct vg_multi_scratch {
	const struct vg_multi *m;
	uint32_t epoch;
	uint32_t *seen;        /* [nlit]: epoch of the scan that saw it */
	uint32_t *asked;       /* [nconfirm]: epoch of the scan that listed it */
	uint32_t *todo, ntodo; /* confirms to run */
	struct vg_regex **re;  /* [nconfirm], owned; made at first need */
#ifdef VG_HAVE_HYPERSCAN
	struct hs_scratch *hs; /* owned */
#endif
	vg_multi_found *found; /* of the scan that runs */
	void *ctx;
	bool stop;
};

/* ---- build ---- */

struct want { /* a literal that the engine looks for, and why */
	vg_str lit;
	struct target t;
};

struct builder {
	struct vg_arena a;
	struct want *want;
	uint32_t nwant;
	struct confirm *confirm;
	uint32_t nconfirm;
	vg_str *source; /* of each confirm */
	uint32_t *guard, nguard, *always, nalways;
	vg_str *lit; /* distinct, ascending */
	uint32_t nlit, *first;
	struct target *target;
	char **wide; /* expressions for Hyperscan, as C strings */
	bool *refused;
};

static int
want_cmp(const void *a, const void *b)
{
	const struct want *x = a, *y = b;
	int c = vg_str_cmp(x->lit, y->lit);

	if (c)
		return c;
	if (x->t.confirm != y->t.confirm)
		return x->t.confirm < y->t.confirm ? -1 : 1;
	return x->t.value < y->t.value ? -1 : x->t.value > y->t.value;
}

static uint32_t
add_confirm(struct builder *b, const struct vg_multi_pattern *p)
{
	b->confirm[b->nconfirm] = (struct confirm){ .flags = p->flags, .id = p->id };
	b->source[b->nconfirm] = p->text;
	return b->nconfirm++;
}

/* Guard an expression by a literal that it must contain; without a good one it is always tried. */
static void
guard_by_literal(struct builder *b, uint32_t confirm)
{
	vg_str lit = vg_regex_literal(b->source[confirm], b->confirm[confirm].flags, &b->a);

	if (lit.n < TRIGGER_MIN)
		b->always[b->nalways++] = confirm;
	else
		b->want[b->nwant++] = (struct want){ lit, { 1, confirm } };
}

static vg_rc
collect(struct builder *b, const struct vg_multi_pattern *p, size_t n, enum vg_multi_engine engine)
{
	struct vg_buf wide = { 0 };
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < n && rc == VG_OK; i++) {
		uint32_t c;

		if (p[i].flags & VG_MULTI_RE) {
			char why[160];

			if ((rc = vg_regex_check(p[i].text, p[i].flags, why)) != VG_OK)
				break;
			c = add_confirm(b, &p[i]);
			if (engine == VG_MULTI_PORTABLE) {
				guard_by_literal(b, c);
				continue;
			}
			vg_buf_clear(&wide);
			if ((rc = vg_regex_widen(p[i].text, p[i].flags, &wide)) != VG_OK)
				break;
			b->wide[b->nguard] = (char *)(uintptr_t)vg_str_dup(&b->a, vg_buf_str(&wide)).p;
			if (b->wide[b->nguard] == NULL)
				rc = VG_E_NOMEM;
			b->guard[b->nguard++] = c;
		} else if (p[i].text.n == 0) {
			b->always[b->nalways++] = add_confirm(b, &p[i]);
		} else if (p[i].text.n > LONG_LITERAL) {
			c = add_confirm(b, &p[i]);
			b->want[b->nwant++] = (struct want){ vg_str_cut(p[i].text, LONG_KEEP), { 1, c } };
		} else {
			b->want[b->nwant++] = (struct want){ p[i].text, { 0, p[i].id } };
		}
	}
	vg_buf_fini(&wide);
	return rc;
}

static void
distinct(struct builder *b)
{
	qsort(b->want, b->nwant, sizeof(*b->want), want_cmp);
	for (uint32_t i = 0; i < b->nwant; i++) {
		if (i == 0 || !vg_str_eq(b->want[i].lit, b->want[i - 1].lit)) {
			b->first[b->nlit] = i;
			b->lit[b->nlit++] = b->want[i].lit;
		}
		b->target[i] = b->want[i].t;
	}
	b->first[b->nlit] = b->nwant;
}

#ifdef VG_HAVE_HYPERSCAN
/* Hyperscan first says which expressions it takes: the others get a literal to guard them. */
static vg_rc
build_hyperscan(struct builder *b, struct vg_buf *out)
{
	vg_rc rc = vg_hs_put_expressions(b->wide, b->nguard, b->refused, out);

	for (uint32_t i = 0; i < b->nguard && rc == VG_OK; i++)
		if (b->refused[i])
			guard_by_literal(b, b->guard[i]);
	distinct(b);
	return rc == VG_OK ? vg_hs_put_literals(b->lit, b->nlit, out) : rc;
}
#endif

static void
put_aligned(struct vg_buf *b, size_t base, const void *p, size_t n, size_t align)
{
	while ((b->n - base) % align)
		vg_buf_putc(b, 0);
	vg_buf_mem(b, p, n);
}

static vg_rc
write_blob(const struct builder *b, enum vg_multi_engine engine, vg_str data, struct vg_buf *out)
{
	struct head h = { .version = VERSION, .engine = engine, .nlit = b->nlit, .ntarget = b->nwant,
		.nconfirm = b->nconfirm, .nguard = b->nguard, .nalways = b->nalways };
	size_t base = out->n;
	uint64_t ntext = 0;

	memcpy(h.magic, magic, sizeof(magic));
	for (uint32_t i = 0; i < b->nconfirm; i++) {
		b->confirm[i].off = (uint32_t)ntext;
		b->confirm[i].len = (uint32_t)b->source[i].n;
		ntext += b->source[i].n;
		if (ntext > UINT32_MAX)
			return VG_E_LIMIT;
	}
	h.ntext = (uint32_t)ntext;
	vg_buf_mem(out, &h, sizeof(h));
	put_aligned(out, base, b->first, ((size_t)b->nlit + 1) * sizeof(*b->first), 8);
	put_aligned(out, base, b->target, (size_t)b->nwant * sizeof(*b->target), 8);
	put_aligned(out, base, b->confirm, (size_t)b->nconfirm * sizeof(*b->confirm), 8);
	put_aligned(out, base, b->guard, (size_t)b->nguard * sizeof(*b->guard), 8);
	put_aligned(out, base, b->always, (size_t)b->nalways * sizeof(*b->always), 8);
	put_aligned(out, base, NULL, 0, 8);
	for (uint32_t i = 0; i < b->nconfirm; i++)
		vg_buf_put(out, b->source[i]);
	put_aligned(out, base, NULL, 0, 64);
	h.engine_at = out->n - base;
	vg_buf_put(out, data);
	if (out->rc != VG_OK)
		return out->rc;
	h.nbytes = out->n - base;
	h.digest = vg_hash64(vg_str_mem(out->p + base + sizeof(h), (size_t)h.nbytes - sizeof(h)), DIGEST_SEED);
	memcpy(out->p + base, &h, sizeof(h));
	return VG_OK;
}

vg_rc
vg_multi_build(const struct vg_multi_pattern *p, size_t n, enum vg_multi_engine engine, struct vg_buf *out)
{
	struct builder b = { 0 };
	struct vg_buf data = { 0 };
	vg_rc rc = VG_E_NOMEM;

	if (n > PATTERNS_MAX)
		return VG_E_LIMIT;
#ifndef VG_HAVE_HYPERSCAN
	if (engine != VG_MULTI_PORTABLE)
		return VG_E_UNSUP;
#endif
	vg_arena_init(&b.a, (size_t)1 << 30);
	b.want = vg_arena_array(&b.a, struct want, n + 1);
	b.confirm = vg_arena_array(&b.a, struct confirm, n + 1);
	b.source = vg_arena_array(&b.a, vg_str, n + 1);
	b.guard = vg_arena_array(&b.a, uint32_t, n + 1);
	b.always = vg_arena_array(&b.a, uint32_t, n + 1);
	b.lit = vg_arena_array(&b.a, vg_str, n + 1);
	b.first = vg_arena_array(&b.a, uint32_t, n + 1);
	b.target = vg_arena_array(&b.a, struct target, n + 1);
	b.wide = vg_arena_array(&b.a, char *, n + 1);
	b.refused = vg_arena_array(&b.a, bool, n + 1);
	if (!b.want || !b.confirm || !b.source || !b.guard || !b.always || !b.lit || !b.first || !b.target || !b.wide ||
	    !b.refused)
		goto out;
	if ((rc = collect(&b, p, n, engine)) != VG_OK)
		goto out;
#ifdef VG_HAVE_HYPERSCAN
	if (engine == VG_MULTI_HYPERSCAN)
		rc = build_hyperscan(&b, &data);
#endif
	if (engine == VG_MULTI_PORTABLE) {
		distinct(&b);
		rc = vg_ac_build(b.lit, b.nlit, &data);
	}
	if (rc == VG_OK)
		rc = write_blob(&b, engine, vg_buf_str(&data), out);
out:
	vg_buf_fini(&data);
	vg_arena_fini(&b.a);
	return rc;
}

/* ---- load ---- */

/* @n things of @size bytes at the next multiple of 8; NULL and a failed cursor when they are not there. */
static const void *
section(struct vg_cur *c, uint64_t n, size_t size)
{
	vg_cur_take(c, -vg_cur_at(c) & 7);
	return vg_cur_take(c, (size_t)n * size);
}

static bool
below(const uint32_t *v, uint32_t n, uint32_t limit)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i] >= limit)
			return false;
	return true;
}

static vg_rc
load_sections(vg_str blob, const struct head *h, struct vg_multi *m)
{
	struct vg_cur c = vg_cur_of(blob.p, blob.n);

	vg_cur_take(&c, sizeof(*h));
	m->engine = h->engine;
	m->nlit = h->nlit;
	m->ntarget = h->ntarget;
	m->nconfirm = h->nconfirm;
	m->nguard = h->nguard;
	m->nalways = h->nalways;
	m->first = section(&c, (uint64_t)h->nlit + 1, sizeof(*m->first));
	m->target = section(&c, h->ntarget, sizeof(*m->target));
	m->confirm = section(&c, h->nconfirm, sizeof(*m->confirm));
	m->guard = section(&c, h->nguard, sizeof(*m->guard));
	m->always = section(&c, h->nalways, sizeof(*m->always));
	m->text = vg_str_mem(section(&c, h->ntext, 1), h->ntext);
	if (c.rc != VG_OK)
		return c.rc;
	if (h->engine_at % 64 || h->engine_at < vg_cur_at(&c) || h->engine_at > blob.n)
		return VG_E_FORMAT;
	if (m->first[0] != 0 || m->first[m->nlit] != m->ntarget)
		return VG_E_FORMAT;
	for (uint32_t i = 0; i < m->nlit; i++)
		if (m->first[i] > m->first[i + 1])
			return VG_E_FORMAT;
	for (uint32_t i = 0; i < m->ntarget; i++)
		if (m->target[i].confirm > 1 || (m->target[i].confirm && m->target[i].value >= m->nconfirm))
			return VG_E_FORMAT;
	for (uint32_t i = 0; i < m->nconfirm; i++)
		if (m->confirm[i].off > m->text.n || m->confirm[i].len > m->text.n - m->confirm[i].off)
			return VG_E_FORMAT;
	if (!below(m->guard, m->nguard, m->nconfirm) || !below(m->always, m->nalways, m->nconfirm))
		return VG_E_FORMAT;
	return VG_OK;
}

vg_rc
vg_multi_load(vg_str blob, struct vg_multi **out)
{
	struct vg_multi *m;
	struct head h;
	vg_str data;
	vg_rc rc;

	if (blob.n < sizeof(h) || (uintptr_t)blob.p % 8)
		return VG_E_TRUNC;
	memcpy(&h, blob.p, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0)
		return VG_E_FORMAT;
	if (h.version != VERSION)
		return VG_E_REFUSED;
	if (h.nbytes != blob.n)
		return VG_E_TRUNC;
	if (h.digest != vg_hash64(vg_str_skip(blob, sizeof(h)), DIGEST_SEED))
		return VG_E_FORMAT;
	if ((m = calloc(1, sizeof(*m))) == NULL)
		return VG_E_NOMEM;
	if ((rc = load_sections(blob, &h, m)) != VG_OK)
		goto fail;
	data = vg_str_skip(blob, (size_t)h.engine_at);
	if (h.engine == VG_MULTI_PORTABLE) {
		rc = m->nguard ? VG_E_FORMAT : vg_ac_load(data, m->nlit, &m->ac);
	} else if (h.engine == VG_MULTI_HYPERSCAN) {
#ifdef VG_HAVE_HYPERSCAN
		rc = vg_hs_load(data, &m->hs);
#else
		rc = VG_E_REFUSED;
#endif
	} else {
		rc = VG_E_REFUSED;
	}
	if (rc != VG_OK)
		goto fail;
	*out = m;
	return VG_OK;
fail:
	vg_multi_free(m);
	return rc;
}

void
vg_multi_free(struct vg_multi *m)
{
	if (m == NULL)
		return;
#ifdef VG_HAVE_HYPERSCAN
	vg_hs_free(m->hs);
#endif
	free(m);
}

/* ---- scan ---- */

struct vg_multi_scratch *
vg_multi_scratch_new(const struct vg_multi *m)
{
	struct vg_multi_scratch *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->m = m;
	s->seen = calloc((size_t)m->nlit + 1, sizeof(*s->seen));
	s->asked = calloc((size_t)m->nconfirm + 1, sizeof(*s->asked));
	s->todo = calloc((size_t)m->nconfirm + 1, sizeof(*s->todo));
	s->re = calloc((size_t)m->nconfirm + 1, sizeof(struct vg_regex *));
	if (!s->seen || !s->asked || !s->todo || !s->re)
		goto fail;
#ifdef VG_HAVE_HYPERSCAN
	if (m->hs && vg_hs_scratch(m->hs, &s->hs) != VG_OK)
		goto fail;
#endif
	return s;
fail:
	vg_multi_scratch_free(s);
	return NULL;
}

void
vg_multi_scratch_free(struct vg_multi_scratch *s)
{
	if (s == NULL)
		return;
	if (s->re)
		for (uint32_t i = 0; i < s->m->nconfirm; i++)
			vg_regex_free(s->re[i]);
#ifdef VG_HAVE_HYPERSCAN
	vg_hs_scratch_free(s->hs);
#endif
	free(s->seen);
	free(s->asked);
	free(s->todo);
	free(s->re);
	free(s);
}

static void
ask(struct vg_multi_scratch *s, uint32_t confirm)
{
	if (s->asked[confirm] == s->epoch)
		return;
	s->asked[confirm] = s->epoch;
	s->todo[s->ntodo++] = confirm;
}

static bool
on_engine(void *ctx, uint32_t i, bool re)
{
	struct vg_multi_scratch *s = ctx;
	const struct vg_multi *m = s->m;

	if (re) {
		if (i < m->nguard)
			ask(s, m->guard[i]);
		return false;
	}
	if (i >= m->nlit)
		return false;
	for (uint32_t t = m->first[i]; t < m->first[i + 1] && !s->stop; t++) {
		if (m->target[t].confirm)
			ask(s, m->target[t].value);
		else
			s->stop = s->found(s->ctx, m->target[t].value);
	}
	return s->stop;
}

static vg_rc
confirm(struct vg_multi_scratch *s, uint32_t i, vg_str text)
{
	const struct confirm *c = &s->m->confirm[i];
	vg_str source = { s->m->text.p + c->off, c->len };
	vg_rc rc;
	bool yes;

	if (c->flags & VG_MULTI_RE) {
		if (s->re[i] == NULL && (rc = vg_regex_new(source, c->flags, &s->re[i])) != VG_OK)
			return rc;
		yes = vg_regex_search(s->re[i], text);
	} else {
		yes = source.n == 0 || vg_str_find(text, source) != VG_NPOS;
	}
	if (yes)
		s->stop = s->found(s->ctx, c->id);
	return VG_OK;
}

vg_rc
vg_multi_scan(const struct vg_multi *m, struct vg_multi_scratch *s, vg_str text, vg_multi_found *found, void *ctx)
{
	vg_rc rc = VG_OK;

	if (text.n > UINT32_MAX)
		return VG_E_LIMIT;
	if (++s->epoch == 0) {
		memset(s->seen, 0, ((size_t)m->nlit + 1) * sizeof(*s->seen));
		memset(s->asked, 0, ((size_t)m->nconfirm + 1) * sizeof(*s->asked));
		s->epoch = 1;
	}
	s->found = found;
	s->ctx = ctx;
	s->stop = false;
	s->ntodo = 0;
#ifdef VG_HAVE_HYPERSCAN
	if (m->hs)
		rc = vg_hs_scan(m->hs, s->hs, text, on_engine, s);
	else
#endif
		vg_ac_scan(&m->ac, s->seen, s->epoch, text, on_engine, s);
	for (uint32_t i = 0; i < m->nalways && rc == VG_OK && !s->stop; i++)
		ask(s, m->always[i]);
	for (uint32_t i = 0; i < s->ntodo && rc == VG_OK && !s->stop; i++)
		rc = confirm(s, s->todo[i], text);
	return rc;
}
