#include "detect/multi_impl.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define STATES_MAX (64u << 20)

/* ---- build ---- */

struct span { /* the literals that begin with a state's bytes: lit[lo..hi), of which @depth bytes are read */
	uint32_t lo, hi, depth;
};

struct trie {
	uint32_t n, cap;
	struct span *span;
	uint32_t *child, *fail, *out, *act, *link;
	uint8_t *byte;
};

static void
trie_fini(struct trie *t)
{
	free(t->span);
	free(t->child);
	free(t->fail);
	free(t->out);
	free(t->act);
	free(t->link);
	free(t->byte);
}

static uint32_t
trie_find(const uint32_t *child, const uint8_t *byte, uint32_t s, uint8_t c)
{
	uint32_t lo = child[s], hi = child[s + 1];

	while (hi - lo > 8) {
		uint32_t mid = (lo + hi) / 2;

		if (byte[mid] <= c)
			lo = mid;
		else
			hi = mid;
	}
	for (; lo < hi; lo++)
		if (byte[lo] == c)
			return lo;
	return 0;
}

/* Sorted literals with a common beginning stand side by side, so a state is a range of them and its children are the runs
 * of equal next bytes in it. */
static void
trie_states(struct trie *t, const vg_str *lit)
{
	t->n = 1;
	for (uint32_t s = 0; s < t->n; s++) {
		struct span sp = t->span[s];
		uint32_t i = sp.lo;

		t->child[s] = t->n;
		t->out[s] = NONE;
		if (i < sp.hi && lit[i].n == sp.depth)
			t->out[s] = i++;
		while (i < sp.hi) {
			uint8_t c = (uint8_t)lit[i].p[sp.depth];
			uint32_t from = i;

			while (i < sp.hi && (uint8_t)lit[i].p[sp.depth] == c)
				i++;
			t->byte[t->n] = c;
			t->fail[t->n] = s; /* its parent, for now */
			t->span[t->n++] = (struct span){ from, i, sp.depth + 1 };
		}
	}
	t->child[t->n] = t->n;
}

static void
trie_links(struct trie *t)
{
	for (uint32_t s = 1; s < t->n; s++) {
		uint32_t f = t->fail[s], to = 0;

		while (f) { /* from the parent's fallbacks on, one that goes on with this byte */
			f = t->fail[f];
			if ((to = trie_find(t->child, t->byte, f, t->byte[s])) != 0)
				break;
		}
		t->link[s] = t->fail[s] = to;
	}
	for (uint32_t s = 1; s < t->n; s++) {
		t->link[s] = t->act[t->fail[s]];
		t->act[s] = t->out[s] != NONE ? s : t->link[s];
	}
}

static uint32_t
trie_go(const struct trie *t, uint32_t s, uint8_t c)
{
	for (;;) {
		uint32_t to = trie_find(t->child, t->byte, s, c);

		if (to || s == 0)
			return to;
		s = t->fail[s];
	}
}

vg_rc
vg_ac_build(const vg_str *lit, uint32_t n, struct vg_buf *out)
{
	struct trie t = { 0 };
	uint64_t cap = 2;
	uint32_t ndense;

	for (uint32_t i = 0; i < n; i++)
		cap += lit[i].n;
	if (cap > STATES_MAX)
		return VG_E_LIMIT;
	t.cap = (uint32_t)cap;
	t.span = calloc(cap, sizeof(*t.span));
	t.child = calloc(cap + 1, sizeof(uint32_t));
	t.fail = calloc(cap, sizeof(uint32_t));
	t.out = calloc(cap, sizeof(uint32_t));
	t.act = calloc(cap, sizeof(uint32_t));
	t.link = calloc(cap, sizeof(uint32_t));
	t.byte = calloc(cap, 1);
	if (!t.span || !t.child || !t.fail || !t.out || !t.act || !t.link || !t.byte) {
		trie_fini(&t);
		return VG_E_NOMEM;
	}
	t.span[0] = (struct span){ 0, n, 0 };
	trie_states(&t, lit);
	trie_links(&t);
	ndense = t.child[1];
	vg_buf_le32(out, t.n);
	vg_buf_le32(out, ndense);
	for (uint32_t s = 0; s < ndense; s++)
		for (unsigned c = 0; c < 256; c++)
			vg_buf_le32(out, trie_go(&t, s, (uint8_t)c));
	vg_buf_mem(out, t.child, ((size_t)t.n + 1) * 4);
	vg_buf_mem(out, t.fail, (size_t)t.n * 4);
	vg_buf_mem(out, t.out, (size_t)t.n * 4);
	vg_buf_mem(out, t.act, (size_t)t.n * 4);
	vg_buf_mem(out, t.link, (size_t)t.n * 4);
	vg_buf_mem(out, t.byte, t.n);
	trie_fini(&t);
	return out->rc;
}

/* ---- load and scan ---- */

vg_rc
vg_ac_load(vg_str data, uint32_t nlit, struct vg_ac *out)
{
	struct vg_ac ac = { 0 };
	const uint32_t *w = (const uint32_t *)(const void *)data.p;
	uint64_t want;

	if (data.n < 8 || (uintptr_t)data.p % 4)
		return VG_E_TRUNC;
	ac.nstate = w[0];
	ac.ndense = w[1];
	if (ac.nstate == 0 || ac.nstate > STATES_MAX || ac.ndense == 0 || ac.ndense > 257 || ac.ndense > ac.nstate)
		return VG_E_FORMAT;
	want = 8 + 4 * (256 * (uint64_t)ac.ndense + 5 * (uint64_t)ac.nstate + 1) + ac.nstate;
	if (data.n != want)
		return VG_E_TRUNC;
	ac.dense = w + 2;
	ac.child = ac.dense + (size_t)256 * ac.ndense;
	ac.fail = ac.child + ac.nstate + 1;
	ac.out = ac.fail + ac.nstate;
	ac.act = ac.out + ac.nstate;
	ac.link = ac.act + ac.nstate;
	ac.byte = (const uint8_t *)(const void *)(ac.link + ac.nstate);
	for (uint32_t i = 0; i < ac.ndense * 256; i++)
		if (ac.dense[i] >= ac.nstate)
			return VG_E_FORMAT;
	if (ac.child[0] != 1 || ac.child[ac.nstate] != ac.nstate)
		return VG_E_FORMAT;
	for (uint32_t s = 0; s < ac.nstate; s++) {
		if (ac.child[s] <= s || ac.child[s] > ac.child[s + 1] || ac.child[s + 1] > ac.nstate)
			return VG_E_FORMAT;
		if (s ? ac.fail[s] >= s : ac.fail[s] != 0) /* they only go down: every walk ends */
			return VG_E_FORMAT;
		if (ac.out[s] != NONE && ac.out[s] >= nlit)
			return VG_E_FORMAT;
		if (ac.act[s] > s || (ac.act[s] && ac.out[ac.act[s]] == NONE))
			return VG_E_FORMAT;
		if (s ? ac.link[s] >= s : ac.link[s] != 0)
			return VG_E_FORMAT;
		if (ac.link[s] && ac.out[ac.link[s]] == NONE)
			return VG_E_FORMAT;
	}
	*out = ac;
	return VG_OK;
}

void
vg_ac_scan(const struct vg_ac *ac, uint32_t *seen, uint32_t epoch, vg_str text, vg_engine_found *found, void *ctx)
{
	const uint8_t *p = (const uint8_t *)text.p, *end = text.n ? p + text.n : p; /* an empty text may be NULL */
	uint32_t s = 0, ndense = ac->ndense;

	for (; p < end; p++) {
		uint32_t to = 0, a;

		while (s >= ndense && (to = trie_find(ac->child, ac->byte, s, *p)) == 0)
			s = ac->fail[s];
		s = s >= ndense ? to : ac->dense[s * 256 + *p];
		/* once a literal was seen in this text, so were those that end with it */
		for (a = ac->act[s]; a && seen[ac->out[a]] != epoch; a = ac->link[a]) {
			seen[ac->out[a]] = epoch;
			if (found(ctx, ac->out[a], false))
				return;
		}
	}
}
