#include "detect/needle.h"

#include <stdlib.h>

#include "base/arena.h"

#ifdef VG_HAVE_HYPERSCAN
#include <hs/hs.h>

enum { LITERALS, EXPRESSIONS, DATABASES };

struct vg_needle {
	hs_database_t *db[DATABASES]; /* owned; NULL: none of the kind */
	hs_scratch_t *scratch;        /* owned */
	vg_needle_found *found;       /* of the scan at hand */
	void *ctx;
	vg_rc rc;
};

void
vg_needle_free(struct vg_needle *n)
{
	if (n == NULL)
		return;
	hs_free_scratch(n->scratch);
	for (int i = 0; i < DATABASES; i++)
		hs_free_database(n->db[i]);
	free(n);
}

static vg_rc
compile(struct vg_needle *n, const struct vg_needle_pattern *p, size_t count, bool expression)
{
	const char *text[VG_NEEDLE_PATTERNS_MAX];
	size_t len[VG_NEEDLE_PATTERNS_MAX], k = 0;
	unsigned flag[VG_NEEDLE_PATTERNS_MAX];
	hs_database_t **db = &n->db[expression ? EXPRESSIONS : LITERALS];
	hs_compile_error_t *err = NULL;
	struct vg_arena a;
	hs_error_t e = HS_SUCCESS;

	vg_arena_init(&a, (size_t)1 << 24);
	for (size_t i = 0; i < count; i++) {
		vg_str z = vg_str_dup(&a, p[i].text); /* with a NUL behind it */

		if (p[i].expression != expression)
			continue;
		text[k] = z.p ? z.p : "";
		len[k] = z.n;
		flag[k++] = expression ? HS_FLAG_DOTALL | HS_FLAG_PREFILTER : HS_FLAG_CASELESS;
	}
	if (k && expression)
		e = hs_compile_multi(text, flag, NULL, (unsigned)k, HS_MODE_BLOCK, NULL, db, &err);
	else if (k)
		e = hs_compile_lit_multi(text, flag, NULL, len, (unsigned)k, HS_MODE_BLOCK, NULL, db, &err);
	hs_free_compile_error(err);
	vg_arena_fini(&a);
	if (e == HS_SUCCESS && k)
		e = hs_alloc_scratch(*db, &n->scratch);
	return e == HS_SUCCESS ? VG_OK : e == HS_NOMEM ? VG_E_NOMEM : VG_E_UNSUP;
}

vg_rc
vg_needle_new(const struct vg_needle_pattern *p, size_t count, struct vg_needle **out)
{
	struct vg_needle *n;
	vg_rc rc;

	if (count > VG_NEEDLE_PATTERNS_MAX)
		return VG_E_LIMIT;
	if (hs_valid_platform() != HS_SUCCESS)
		return VG_E_UNSUP;
	if ((n = calloc(1, sizeof(*n))) == NULL)
		return VG_E_NOMEM;
	if ((rc = compile(n, p, count, false)) == VG_OK && (rc = compile(n, p, count, true)) == VG_OK) {
		*out = n;
		return VG_OK;
	}
	vg_needle_free(n);
	return rc;
}

static int
on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
	struct vg_needle *n = ctx;

	(void)id;
	(void)from;
	(void)flags;
	return (n->rc = n->found(n->ctx, (size_t)to)) != VG_OK;
}

vg_rc
vg_needle_scan(struct vg_needle *n, vg_str text, vg_needle_found *found, void *ctx)
{
	n->found = found;
	n->ctx = ctx;
	n->rc = VG_OK;
	for (int i = 0; i < DATABASES && n->rc == VG_OK; i++) {
		hs_error_t e = n->db[i] ? hs_scan(n->db[i], text.p ? text.p : "", (unsigned)text.n, 0, n->scratch, on_match, n) : HS_SUCCESS;

		if (e != HS_SUCCESS && e != HS_SCAN_TERMINATED)
			return e == HS_NOMEM ? VG_E_NOMEM : VG_E_SYS;
	}
	return n->rc;
}

#else

struct vg_needle {
	struct vg_arena a; /* the literals' text */
	vg_str literal[VG_NEEDLE_PATTERNS_MAX];
	size_t n;
};

void
vg_needle_free(struct vg_needle *n)
{
	if (n)
		vg_arena_fini(&n->a);
	free(n);
}

vg_rc
vg_needle_new(const struct vg_needle_pattern *p, size_t count, struct vg_needle **out)
{
	struct vg_needle *n;

	if (count > VG_NEEDLE_PATTERNS_MAX)
		return VG_E_LIMIT;
	for (size_t i = 0; i < count; i++)
		if (p[i].expression)
			return VG_E_UNSUP;
	if ((n = calloc(1, sizeof(*n))) == NULL)
		return VG_E_NOMEM;
	vg_arena_init(&n->a, (size_t)1 << 24);
	for (size_t i = 0; i < count; i++)
		if ((n->literal[n->n++] = vg_str_dup(&n->a, p[i].text)).p == NULL) {
			vg_needle_free(n);
			return VG_E_NOMEM;
		}
	*out = n;
	return VG_OK;
}

vg_rc
vg_needle_scan(struct vg_needle *n, vg_str text, vg_needle_found *found, void *ctx)
{
	for (size_t i = 0; i < n->n; i++)
		for (size_t at = 0; at < text.n;) {
			size_t hit = vg_str_ifind(vg_str_skip(text, at), n->literal[i]);
			vg_rc rc;

			if (hit == VG_NPOS)
				break;
			at += hit + 1;
			if ((rc = found(ctx, at - 1 + n->literal[i].n)) != VG_OK)
				return rc;
		}
	return VG_OK;
}

#endif
