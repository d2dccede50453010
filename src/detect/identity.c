#include "detect/identity.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "base/map.h"

#define NAMES_BYTES ((size_t)16 << 20)

static void
digest(const struct vg_buf *b, uint8_t out[SHA256_DIGEST_LENGTH])
{
	SHA256((const unsigned char *)b->p, b->n, out);
}

/* Rules that say the same of themselves are told apart by their order. */
static vg_rc
name_rule(const struct vg_program *p, uint32_t row, struct vg_map *seen, struct vg_buf *b, uint64_t *out)
{
	const struct vg_rule *r = &p->rule[row];
	uint8_t h[SHA256_DIGEST_LENGTH];

	for (uint32_t k = 0;; k++) {
		uint32_t at;

		vg_buf_clear(b);
		vg_buf_u8(b, r->kind);
		vg_buf_le32(b, k);
		vg_buf_le_str(b, vg_program_str(p, r->id));
		if (r->id.len == 0) {
			vg_buf_le_str(b, vg_program_str(p, r->title));
			vg_buf_le_str(b, vg_program_str(p, r->file));
		}
		if (b->rc != VG_OK)
			return b->rc;
		digest(b, h);
		memcpy(out, h, sizeof(*out));
		if ((at = vg_map_add(seen, vg_str_mem(out, sizeof(*out)), row, NULL)) == VG_MAP_NONE)
			return VG_E_NOMEM;
		if (at == row)
			return VG_OK;
	}
}

static void
put_node(struct vg_buf *b, const struct vg_program *p, uint32_t at, unsigned depth)
{
	const struct vg_node *n = &p->node[at];

	vg_buf_u8(b, n->op);
	if (n->op == VG_OP_REF)
		vg_buf_le32(b, n->first);
	if (n->op != VG_OP_AND && n->op != VG_OP_OR && n->op != VG_OP_NOT)
		return;
	vg_buf_le32(b, n->n);
	for (uint32_t i = 0; depth && i < n->n; i++)
		put_node(b, p, p->child[n->first + i], depth - 1);
}

static void
put_corr(struct vg_buf *b, const struct vg_program *p, const struct vg_corr *k, const struct vg_identity *id)
{
	vg_buf_le64(b, id->rule[k->rule]);
	vg_buf_u8(b, k->type);
	vg_buf_mem(b, k->cmp, sizeof(k->cmp));
	vg_buf_u8(b, k->percentile);
	vg_buf_mem(b, k->limit, sizeof(k->limit));
	vg_buf_le64(b, (uint64_t)k->span_ns);
	vg_buf_le32(b, k->nref);
	for (uint32_t i = 0; i < k->nref; i++) {
		uint32_t r = p->refs[k->ref + i];

		vg_buf_le64(b, id->rule[r]);
		if (p->rule[r].kind == VG_RULE_CORRELATION) /* it comes before this one */
			vg_buf_mem(b, id->corr[p->rule[r].corr], VG_CORR_ID_BYTES);
	}
	vg_buf_le32(b, k->nby);
	for (uint32_t i = 0; i < k->nby; i++) {
		vg_buf_le_str(b, vg_program_str(p, p->list[k->byname + i]));
		for (uint32_t j = 0; j < k->nref; j++)
			vg_buf_le_str(b, vg_program_str(p, p->key[p->groupby[k->by + i * k->nref + j]]));
	}
	vg_buf_le32(b, k->nfield);
	for (uint32_t i = 0; i < k->nfield; i++)
		vg_buf_le_str(b, vg_program_str(p, p->key[p->need[k->field + i]]));
	if (k->root != UINT32_MAX)
		put_node(b, p, k->root, 100);
}

vg_rc
vg_identity_of(const struct vg_program *p, struct vg_identity *out)
{
	struct vg_identity id = { calloc(p->nrule + 1, sizeof(*id.rule)), calloc(p->ncorr + 1, sizeof(*id.corr)) };
	uint8_t h[SHA256_DIGEST_LENGTH];
	struct vg_buf b = { 0 };
	struct vg_map seen;
	vg_rc rc = id.rule && id.corr ? VG_OK : VG_E_NOMEM;

	vg_map_init(&seen, NAMES_BYTES);
	for (uint32_t i = 0; i < p->nrule && rc == VG_OK; i++)
		rc = name_rule(p, i, &seen, &b, &id.rule[i]);
	for (uint32_t i = 0; i < p->ncorr && rc == VG_OK; i++) {
		vg_buf_clear(&b);
		put_corr(&b, p, &p->corr[i], &id);
		if ((rc = b.rc) == VG_OK) {
			digest(&b, h);
			memcpy(id.corr[i], h, VG_CORR_ID_BYTES);
		}
	}
	vg_map_fini(&seen);
	vg_buf_fini(&b);
	if (rc == VG_OK)
		*out = id;
	else
		vg_identity_fini(&id);
	return rc;
}

void
vg_identity_fini(struct vg_identity *id)
{
	free(id->rule);
	free(id->corr);
	*id = (struct vg_identity){ NULL, NULL };
}
