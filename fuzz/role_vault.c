/* The vault's process, and any bytes from collect, local, detect, trace and seal.  What is always true: it goes on; what it acknowledged can be
 * read back; what it wrote is sound when it is opened again. */
#include <assert.h>

#include "folder.h"
#include "role.h"
#include "role/roles.h"
#include "role/vault_index.c" /* whose state is its own, and is to be freed here */
#include "role/vault_out.c"   /* so is this one's */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define TENANT "t"
#define TENANT_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct vg_note_secret log_secret;

static struct vault *
the(struct fuzz_role *r)
{
	return r->env.ctx;
}

/* The body's first number. */
static void
put64(struct vg_buf *b, uint64_t n)
{
	while (b->n < sizeof(n))
		vg_buf_u8(b, 0);
	memcpy(b->p, &n, sizeof(n));
}

/* A checkpoint of the tree as it is, signed: the text is the vault's own, the signature what the seal would make. */
static void
sign(struct fuzz_role *r, struct vg_buf *body)
{
	const struct vg_note_secret *by[1] = { &log_secret };
	struct vault_tenant *t = &the(r)->tenant[0];
	struct vg_checkpoint c = { .epoch = t->epoch, .time_ns = vg_clock_ns() };
	struct vg_buf text = { 0 }, note = { 0 };

	if (vg_store_root(t->store, &c) != VG_OK)
		abort();
	vg_checkpoint_print(&c, &text);
	if (vg_note_sign(vg_buf_str(&text), by, 1, &note) != VG_OK)
		abort();
	vg_buf_clear(body);
	vg_buf_le_str(body, VG_STR(TENANT));
	vg_buf_le_str(body, vg_buf_str(&note));
	vg_buf_le64(body, c.size);
	vg_buf_fini(&text);
	vg_buf_fini(&note);
}

/* Numbers that only the conversation before tells. */
static void
good(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, struct vg_buf *body)
{
	struct vault *v = the(r);

	switch (type) {
	case VG_MSG_RECORDS:
		for (int i = 0; i < VAULT_SENDERS_MAX; i++)
			if (v->sender[i].channel && v->sender[i].role == p->role)
				put64(body, v->sender[i].taken + 1);
		break;
	case VG_MSG_SOURCE:
		for (int i = 0; i < VAULT_SENDERS_MAX; i++)
			if (v->sender[i].channel && v->sender[i].role == p->role && body->n >= 4)
				memcpy(body->p, &v->sender[i].nsource, 4);
		break;
	case VG_MSG_DONE:
		put64(body, v->detect[p->index].n ? v->detect[p->index].at_work[0].first : 0);
		break;
	case VG_MSG_CURSOR:
	case VG_MSG_AGAIN:
		if (body->n >= 16) {
			put64(body, v->trace_next + (uint8_t)body->p[0] % 4u);
			memset(body->p + 9, 0, 7);
		}
		break;
	case VG_MSG_SIGNED:
		sign(r, body);
		break;
	default:
		break;
	}
}

static void
step(struct fuzz_role *r, unsigned n)
{
	struct vault *v = the(r);

	switch (n % 6) {
	case 0:
		vault_sync(v);
		break;
	case 1:
		vault_sync(v);
		vault_keep(v);
		vault_feed(v);
		break;
	case 2:
		vault_checkpoint(v);
		break;
	case 3:
		vault_count(v);
		break;
	case 4:
		v->full = !v->full;
		vault_hold(v);
		break;
	default:
		r->impl->tick(&r->env);
		break;
	}
}

static vg_rc
count_record(void *ctx, uint32_t tenant, const struct vg_record *x)
{
	(void)tenant;
	(void)x;
	++*(uint64_t *)ctx;
	return VG_OK;
}

/* What is on disk: as many records as were taken, in a journal and a store that open. */
static void
is_sound(struct vault *v)
{
	uint64_t first = vg_intake_first(v->intake), next, n = 0;
	struct vg_intake_options o = { .first = 1 };
	struct vg_intake_damage damage;
	struct vg_store_damage bad;
	struct vg_store *store;
	struct vg_intake *j;
	uint8_t key[32];

	vault_sync(v);
	vault_keep(v);
	next = vg_intake_next(v->intake);
	assert(vg_intake_read(v->intake, first, count_record, &n) == VG_OK && n == next - first);
	vg_intake_free(v->intake);
	v->intake = NULL;
	assert(vg_intake_open(&v->intake_dir, &o, &damage, &j) == VG_OK && vg_intake_next(j) == next);
	vg_intake_free(j);
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	assert(vg_store_open(&v->tenant[0].dir, "node/" TENANT, key, &bad, &store) == VG_OK);
	vg_store_free(store);
}

static void
vault_fini(struct vault *v)
{
	size_t ntenant = v->ntenant;

	for (size_t i = 0; i < v->ntenant; i++) {
		struct vault_tenant *t = &v->tenant[i];

		for (unsigned c = 0; c < VG_CLASSES_MAX; c++)
			vg_tokens_builder_free(t->index->group[c].builder);
		vg_buf_fini(&t->index->out);
		free(t->index);
		vg_store_free(t->store);
		vg_disk_close(&t->keys);
		vg_disk_close(&t->dir);
	}
	free(v->tenant);
	free(v->source);
	for (int i = 0; i < VAULT_SENDERS_MAX; i++) {
		vg_channel_free(v->sender[i].channel);
		free(v->sender[i].source);
	}
	for (int i = 0; i < VAULT_DETECT_MAX; i++)
		vg_channel_free(v->detect[i].channel);
	vg_channel_free(v->trace);
	vg_channel_free(v->seal);
	vg_intake_free(v->intake);
	vg_disk_close(&v->intake_dir);
	vg_disk_close(&v->root);
	vg_db_close(v->db);
	vg_buf_fini(&v->out);
	vg_source_sets_fini(&v->sets);
	for (size_t i = 0; i < ntenant; i++)
		vg_buf_fini(&v->o->stamp[i].note);
	vg_buf_fini(&v->o->request_text);
	free(v->o->stamp);
	free(v->o->late);
	free(v->o);
	memset(v, 0, sizeof(*v));
}

static void
begin(struct fuzz_role *r)
{
	static const uint8_t seed[32] = { 1 };
	struct vg_buf key = { 0 };

	if (log_secret.key.name[0] == 0 && vg_note_key_of_seed(VG_STR("node"), seed, &log_secret) != VG_OK)
		abort();
	fuzz_empty(fuzz_folder());
	fuzz_role_init(r, &vg_vault_role);
	r->good = good;
	r->step = step;
	vg_note_key_print(&log_secret.key, &key);
	fuzz_give(r, "folder", VG_NIL, fuzz_folder());
	fuzz_give(r, "node", VG_STR("node"), -1);
	fuzz_give(r, "tenants", VG_STR(TENANT "\n"), -1);
	fuzz_give(r, "tenant-key:" TENANT, VG_STR(TENANT_KEY), -1);
	fuzz_give(r, "log-key", vg_buf_str(&key), -1);
	fuzz_give(r, "source-sets", vg_str_mem("\0\0\0\0", 4), -1); /* none */
	fuzz_give(r, "keep-free", VG_STR("0"), -1);
	fuzz_give(r, "sync-every-ms", VG_STR("3600000"), -1); /* when a step says so */
	fuzz_give(r, "compression", VG_STR("1"), -1);
	vg_buf_fini(&key);
	fuzz_begin(r, fuzz_folder());
	fuzz_add_peer(r, VG_ROLE_COLLECT, 0);
	fuzz_add_peer(r, VG_ROLE_LOCAL, 0);
	fuzz_add_peer(r, VG_ROLE_DETECT, 0);
	fuzz_add_peer(r, VG_ROLE_DETECT, 1);
	fuzz_add_peer(r, VG_ROLE_TRACE, 0);
	fuzz_add_peer(r, VG_ROLE_SEAL, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_role r;
	struct vault *v;

	begin(&r);
	v = the(&r);
	fuzz_steps(&r, data, n);
	is_sound(v);
	vault_fini(v);
	fuzz_role_fini(&r);
	return 0;
}
