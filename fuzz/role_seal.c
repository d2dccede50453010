/* The process that signs, and any bytes from the vault.  What is always true: of one tenant it never signs a smaller tree, nor another one of the same
 * size, whatever it is told and however often it begins anew; and it signs with both its keys. */
#include <assert.h>

#include "folder.h"
#include "role.h"
#include "role/seal.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define TENANTS 3
#define LEAVES 16

static struct signed_of { /* what was signed of a tenant's tree */
	bool any;
	struct vg_checkpoint c;
} was[TENANTS];

static struct seal *
the(struct fuzz_role *r)
{
	return r->env.ctx;
}

/* A tree whose leaves are numbers, and forks of it: leaf i is i, or, from @fork on, another one. */
static void
leaf(unsigned i, unsigned fork, struct vg_hash *out)
{
	char c[2] = { (char)i, (char)(i >= fork) };

	vg_hash_of(vg_str_mem(c, 2), out);
}

struct leaves {
	unsigned fork;
};

static vg_rc
subtree(void *ctx, unsigned level, uint64_t index, struct vg_hash *out)
{
	const struct leaves *l = ctx;
	struct vg_frontier f = { .n = 0 };
	struct vg_hash h;

	for (uint64_t i = index << level; i < (index + 1) << level; i++) {
		leaf((unsigned)i, l->fork, &h);
		vg_frontier_add(&f, &h);
	}
	vg_frontier_root(&f, out);
	return VG_OK;
}

/* Six bytes: tenant, old size, new size, fork, epoch, seq. */
static void
good(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, struct vg_buf *body)
{
	const uint8_t *x = (const uint8_t *)body->p;
	struct vg_checkpoint c = { .origin = "node/a" };
	struct vg_buf b = { 0 }, text = { 0 };
	struct vg_proof proof = { .n = 0 };
	struct vg_hash root;
	struct leaves l;
	uint64_t old;

	(void)r;
	(void)p;
	if (type != VG_MSG_SIGN || body->n < 6)
		return;
	l.fork = x[3] % 4u ? LEAVES : x[3] / 4u % LEAVES;
	c.origin[5] = (char)('a' + x[0] % TENANTS);
	c.size = x[2] % (LEAVES + 1u);
	c.epoch = x[4] % 2u;
	c.seq = c.size + x[5] % 3u;
	c.time_ns = INT64_C(1790000000000000000);
	old = x[1] % (LEAVES + 1u);
	if (vg_tree_root(c.size, subtree, &l, &c.root) != VG_OK || vg_tree_root(old, subtree, &l, &root) != VG_OK ||
	    (old <= c.size && vg_prove_consistency(old, c.size, subtree, &l, &proof) != VG_OK))
		abort();
	vg_checkpoint_print(&c, &text);
	vg_buf_le_str(&b, vg_str_mem(c.origin + 5, 1));
	vg_buf_le_str(&b, vg_buf_str(&text));
	vg_buf_le64(&b, old);
	vg_buf_mem(&b, root.b, VG_HASH_BYTES);
	vg_buf_le16(&b, (uint16_t)proof.n);
	for (size_t i = 0; i < proof.n; i++)
		vg_buf_mem(&b, proof.h[i].b, VG_HASH_BYTES);
	vg_buf_fini(&text);
	if (b.rc != VG_OK)
		abort();
	vg_buf_fini(body);
	*body = b;
}

static void
heard(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, vg_str body)
{
	struct vg_cur c = vg_cur_of(body.p, body.n);
	uint32_t n = vg_cur_le32(&c);
	vg_str tenant = vg_cur_bytes(&c, n), note, text;
	struct vg_checkpoint is;
	struct signed_of *w;

	(void)p;
	n = vg_cur_le32(&c);
	note = vg_cur_bytes(&c, n);
	(void)vg_cur_le64(&c);
	assert(type == VG_MSG_SIGNED && c.rc == VG_OK && vg_cur_left(&c) == 0);
	if (note.n == 0)
		return;
	assert(vg_note_text(note, &text) == VG_OK && vg_checkpoint_parse(text, &is) == VG_OK);
	assert(vg_note_is_signed(note, &the(r)->log.key) && vg_note_is_signed(note, &the(r)->day.key));
	if (tenant.n != 1 || tenant.p[0] < 'a' || tenant.p[0] >= 'a' + TENANTS)
		return;
	w = &was[tenant.p[0] - 'a'];
	assert(!w->any || (is.epoch >= w->c.epoch && is.size >= w->c.size && is.seq >= w->c.seq && strcmp(is.origin, w->c.origin) == 0));
	assert(!w->any || is.size > w->c.size || vg_hash_eq(&is.root, &w->c.root));
	*w = (struct signed_of){ true, is };
}

static void
seal_fini(struct seal *s)
{
	vg_channel_free(s->vault);
	vg_note_secret_fini(&s->log);
	vg_note_secret_fini(&s->day);
	vg_disk_close(&s->d);
	free(s->last);
	memset(s, 0, sizeof(*s));
}

static void
begin_seal(struct fuzz_role *r)
{
	fuzz_role_init(r, &vg_seal_role);
	r->good = good;
	r->heard = heard;
	fuzz_give(r, "folder", VG_NIL, fuzz_folder());
	fuzz_give(r, "node", VG_STR("node"), -1);
	fuzz_begin(r, fuzz_folder());
	fuzz_add_peer(r, VG_ROLE_VAULT, 0);
}

/* Both halves of the input are said to a process of its own, with the same disk. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t half = n ? 1 + data[0] * (n - 1) / 256 : 0;
	struct fuzz_role r;

	memset(was, 0, sizeof(was));
	fuzz_empty(fuzz_folder());
	fuzz_file(fuzz_folder(), "log.secret", VG_STR("0123456789abcdef0123456789abcdef"));
	for (int turn = 0; n && turn < 2; turn++) {
		begin_seal(&r);
		fuzz_steps(&r, turn ? data + half : data + 1, turn ? n - half : half - 1);
		seal_fini(the(&r));
		fuzz_role_fini(&r);
	}
	return 0;
}
