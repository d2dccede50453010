#include "detect/multi_impl.h"

#ifdef VG_HAVE_HYPERSCAN
#include <hs/hs.h>
#include <stdlib.h>

#include "base/cur.h"

/* "u64 length, database" twice: expressions, then literals; a length of 0 is no database. */
struct vg_hs {
	hs_database_t *lit, *re; /* owned; NULL when there are none */
};

static vg_rc
rc_of(hs_error_t e)
{
	switch (e) {
	case HS_SUCCESS:
	case HS_SCAN_TERMINATED:
		return VG_OK;
	case HS_NOMEM:
		return VG_E_NOMEM;
	case HS_DB_VERSION_ERROR:
	case HS_DB_PLATFORM_ERROR:
	case HS_DB_MODE_ERROR:
	case HS_ARCH_ERROR:
		return VG_E_REFUSED;
	default:
		return VG_E_FORMAT;
	}
}

static vg_rc
put_database(struct vg_buf *out, const hs_database_t *db)
{
	char *bytes = NULL;
	size_t n = 0;
	hs_error_t e = HS_SUCCESS;

	if (db)
		e = hs_serialize_database(db, &bytes, &n);
	if (e != HS_SUCCESS)
		return rc_of(e);
	vg_buf_le64(out, n);
	vg_buf_mem(out, bytes, n);
	free(bytes);
	return out->rc;
}

static vg_rc
compile_literals(const vg_str *lit, uint32_t n, hs_database_t **out)
{
	const char **p = calloc(n, sizeof(*p));
	size_t *len = calloc(n, sizeof(*len));
	unsigned *id = calloc(n, sizeof(*id)), *flag = calloc(n, sizeof(*flag));
	hs_compile_error_t *err = NULL;
	vg_rc rc = VG_E_NOMEM;

	if (!p || !len || !id || !flag)
		goto out;
	for (uint32_t i = 0; i < n; i++) {
		p[i] = lit[i].p;
		len[i] = lit[i].n;
		id[i] = i;
		flag[i] = HS_FLAG_SINGLEMATCH;
	}
	rc = VG_OK;
	if (hs_compile_lit_multi(p, flag, id, len, n, HS_MODE_BLOCK, NULL, out, &err) != HS_SUCCESS) {
		rc = VG_E_UNSUP;
		hs_free_compile_error(err);
	}
out:
	free(p);
	free(len);
	free(id);
	free(flag);
	return rc;
}

#define RE_FLAGS (HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL | HS_FLAG_PREFILTER)

static vg_rc
compile_expressions(char *const *re, uint32_t n, bool *refused, hs_database_t **out)
{
	const char **p = calloc(n, sizeof(*p));
	unsigned *id = calloc(n, sizeof(*id)), *flag = calloc(n, sizeof(*flag));
	vg_rc rc = VG_E_NOMEM;

	if (!p || !id || !flag)
		goto out;
	for (uint32_t i = 0; i < n; i++) {
		hs_expr_info_t *info = NULL;
		hs_compile_error_t *err = NULL;

		if (hs_expression_info(re[i], RE_FLAGS, &info, &err) != HS_SUCCESS) {
			refused[i] = true;
			hs_free_compile_error(err);
		} else {
			refused[i] = info->min_width == 0; /* found everywhere: of no use */
			free(info);
		}
	}
	for (;;) {
		hs_compile_error_t *err = NULL;
		uint32_t k = 0;
		int at;

		for (uint32_t i = 0; i < n; i++)
			if (!refused[i]) {
				p[k] = re[i];
				flag[k] = RE_FLAGS;
				id[k++] = i;
			}
		rc = VG_OK;
		if (k == 0 || hs_compile_multi(p, flag, id, k, HS_MODE_BLOCK, NULL, out, &err) == HS_SUCCESS)
			break;
		at = err->expression;
		hs_free_compile_error(err);
		for (uint32_t i = 0; i < k; i++) /* without the one it names, or without any */
			if (at < 0 || (uint32_t)at == i)
				refused[id[i]] = true;
		if (at >= 0 && (uint32_t)at >= k) {
			rc = VG_E_UNSUP;
			break;
		}
	}
out:
	free(p);
	free(id);
	free(flag);
	return rc;
}

vg_rc
vg_hs_put_expressions(char *const *re, uint32_t nre, bool *refused, struct vg_buf *out)
{
	hs_database_t *db = NULL;
	vg_rc rc = VG_OK;

	if (hs_valid_platform() != HS_SUCCESS)
		return VG_E_UNSUP;
	if (nre)
		rc = compile_expressions(re, nre, refused, &db);
	if (rc == VG_OK)
		rc = put_database(out, db);
	hs_free_database(db);
	return rc;
}

vg_rc
vg_hs_put_literals(const vg_str *lit, uint32_t nlit, struct vg_buf *out)
{
	hs_database_t *db = NULL;
	vg_rc rc = VG_OK;

	if (nlit)
		rc = compile_literals(lit, nlit, &db);
	if (rc == VG_OK)
		rc = put_database(out, db);
	hs_free_database(db);
	return rc;
}

static vg_rc
take_database(struct vg_cur *c, hs_database_t **out)
{
	uint64_t n = vg_cur_le64(c);
	const uint8_t *p = n > SIZE_MAX ? NULL : vg_cur_take(c, (size_t)n);

	if (p == NULL || n == 0)
		return c->rc;
	return rc_of(hs_deserialize_database((const char *)p, (size_t)n, out));
}

vg_rc
vg_hs_load(vg_str data, struct vg_hs **out)
{
	struct vg_cur c = vg_cur_of(data.p, data.n);
	struct vg_hs *h = calloc(1, sizeof(*h));
	vg_rc rc;

	if (h == NULL)
		return VG_E_NOMEM;
	if ((rc = take_database(&c, &h->re)) == VG_OK && (rc = take_database(&c, &h->lit)) == VG_OK &&
	    vg_cur_left(&c) == 0) {
		*out = h;
		return VG_OK;
	}
	vg_hs_free(h);
	return rc == VG_OK ? VG_E_FORMAT : rc;
}

void
vg_hs_free(struct vg_hs *h)
{
	if (h == NULL)
		return;
	hs_free_database(h->lit);
	hs_free_database(h->re);
	free(h);
}

vg_rc
vg_hs_scratch(const struct vg_hs *h, struct hs_scratch **out)
{
	hs_error_t e = HS_SUCCESS;

	*out = NULL;
	if (h->lit)
		e = hs_alloc_scratch(h->lit, out);
	if (e == HS_SUCCESS && h->re)
		e = hs_alloc_scratch(h->re, out);
	return rc_of(e);
}

void
vg_hs_scratch_free(struct hs_scratch *s)
{
	hs_free_scratch(s);
}

struct relay {
	vg_engine_found *found;
	void *ctx;
	bool re, stop;
};

static int
on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
	struct relay *r = ctx;

	(void)from;
	(void)to;
	(void)flags;
	r->stop = r->found(r->ctx, id, r->re);
	return r->stop;
}

vg_rc
vg_hs_scan(const struct vg_hs *h, struct hs_scratch *s, vg_str text, vg_engine_found *found, void *ctx)
{
	struct relay r = { found, ctx, false, false };
	hs_error_t e = HS_SUCCESS;

	if (h->lit)
		e = hs_scan(h->lit, text.p ? text.p : "", (unsigned)text.n, 0, s, on_match, &r);
	r.re = true;
	if (e == HS_SUCCESS && !r.stop && h->re)
		e = hs_scan(h->re, text.p ? text.p : "", (unsigned)text.n, 0, s, on_match, &r);
	return rc_of(e);
}

#endif
