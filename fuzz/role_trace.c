/* The process that remembers, and any bytes from the vault and from detect.  What is always true: it takes records in order, and what it keeps can be
 * loaded again; what fails is told, and ends it. */
#include <assert.h>

#include "knowledge.h"
#include "role.h"
#include "role/trace.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define T0 INT64_C(1790000000000000000)

static struct trace *
the(struct fuzz_role *r)
{
	return r->env.ctx;
}

static int64_t
when(uint64_t seq)
{
	return T0 + (int64_t)(seq % 100000) * VG_SEC;
}

/* A hit of six bytes: rules, user, value, seconds back, identity, flags. */
static void
put_hit(struct fuzz_role *r, const uint8_t *x, uint64_t seq, struct vg_buf *b)
{
	static struct vg_found f;
	struct trace *t = the(r);
	struct vg_buf wire = { 0 };
	char text[16];

	vg_arena_reset(&t->arena);
	vg_event_reset(&t->event);
	snprintf(text, sizeof(text), "u%u", x[1] % 8u);
	(void)!vg_event_add(&t->event, VG_STR("u"), VG_KIND_TEXT, vg_str_of(text));
	snprintf(text + 8, 8, "%u", x[2]);
	(void)!vg_event_add(&t->event, VG_STR("v"), VG_KIND_TEXT, vg_str_of(text + 8));
	(void)!vg_event_add(&t->event, VG_STR("n"), VG_KIND_INT, vg_str_of(text + 8));
	(void)!vg_event_add(&t->event, VG_STR("user.name"), VG_KIND_TEXT, VG_STR("eve"));
	vg_wire_encode(&wire, &t->event, NULL, 0);
	f = (struct vg_found){ .tenant = 1 + x[1] / 128u, .source = x[2] % 4u, .seq = seq, .recv_ns = when(seq), .time_ns = when(seq),
			       .place = x[5] >> 2, .flags = x[5] & 3, .wire = vg_buf_str(&wire) };
	f.time_ns -= (int64_t)x[3] * VG_SEC * (x[3] & 1 ? 60 : 1);
	f.identity[0] = x[4];
	for (uint32_t i = 0; i < 3 && i < t->k.program.nrule; i++)
		if (x[0] >> i & 1)
			f.rule[f.nrule++] = i;
	vg_found_put(b, &f);
	vg_buf_fini(&wire);
}

/* Found: of the generation, behind what there is; its hits are made of the body, or, when that begins with 255, are the rest of it. */
static void
good(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, struct vg_buf *body)
{
	struct trace *t = the(r);
	struct vg_buf b = { 0 };
	const uint8_t *x = (const uint8_t *)body->p;
	uint64_t first, at;

	(void)p;
	if (type != VG_MSG_FOUND || body->n < 2)
		return;
	first = t->next + (x[0] % 4u == 3 ? x[0] / 4u : 0); /* some come before their turn */
	vg_buf_le64(&b, t->generation);
	vg_buf_le64(&b, first);
	vg_buf_le64(&b, first + 1 + x[1] % 32u);
	vg_buf_le64(&b, (uint64_t)when(first));
	if (x[1] == 255)
		vg_buf_put(&b, vg_str_skip(vg_buf_str(body), 2));
	for (at = 2; x[1] != 255 && at + 6 <= body->n; at += 6)
		put_hit(r, x + at, first + (at / 6) % (1 + x[1] % 32u), &b);
	if (b.rc != VG_OK)
		abort();
	vg_buf_fini(body);
	*body = b;
}

static void
heard(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, vg_str body)
{
	struct vg_cur c = vg_cur_of(body.p, body.n);
	uint64_t next = vg_cur_le64(&c), sure = vg_cur_le64(&c);

	(void)r;
	if (p->role != VG_ROLE_VAULT)
		return;
	assert((type == VG_MSG_CURSOR || type == VG_MSG_AGAIN) && body.n == 16 && sure <= next);
}

static void
step(struct fuzz_role *r, unsigned n)
{
	struct trace *t = the(r);

	if (n % 2)
		t->saved_ns = 0; /* it saves now */
	on_commit(t);
	r->impl->tick(&r->env);
}

/* What is kept loads. */
static void
is_sound(struct trace *t)
{
	struct vg_live_out out = { t, on_correlation, on_withdraw };
	struct vg_live_options o = { 0 };
	struct vg_live_store store = vg_hits_store(t->hits);
	struct vg_live *again;
	struct vg_buf b = { 0 };
	uint64_t seq;

	if (t->rc != VG_OK || t->generation == 0)
		return;
	assert(save(t) == VG_OK && vg_db_run(t->db, "COMMIT") == VG_OK);
	assert(vg_live_new(&t->k.program, t->k.keys, &o, &store, &out, &again) == VG_OK);
	assert(vg_state_get(t->db, "live", &b) == VG_OK && vg_live_load(again, vg_buf_str(&b), &seq) == VG_OK);
	vg_live_free(again);
	vg_buf_fini(&b);
}

static void
trace_fini(struct trace *t)
{
	vg_trace_out_free(t->out);
	vg_channel_free(t->vault);
	for (int i = 0; i < VG_ROLE_INDEX_MAX; i++)
		vg_channel_free(t->detect[i]);
	vg_live_free(t->live);
	vg_hits_free(t->hits);
	vg_db_close(t->db);
	vg_regexes_free(t->regexes);
	while (t->nahead)
		free(t->ahead[--t->nahead].bytes);
	free(t->ahead);
	vg_identity_fini(&t->id);
	vg_arena_fini(&t->arena);
	vg_arena_fini(&t->scratch);
	free(t->world);
	vg_knowledge_fini(&t->k);
	vg_buf_fini(&t->fields);
	vg_buf_fini(&t->tags);
	vg_buf_fini(&t->wire);
	memset(t, 0, sizeof(*t));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int knowledge = fuzz_knowledge();
	struct fuzz_role r;

	fuzz_empty(fuzz_folder());
	fuzz_role_init(&r, &vg_trace_role);
	r.good = good;
	r.heard = heard;
	r.step = step;
	fuzz_give(&r, "folder", VG_NIL, fuzz_folder());
	fuzz_give(&r, "knowledge", VG_NIL, knowledge);
	fuzz_give(&r, "late-wait-ms", VG_STR("60000"), -1);
	fuzz_begin(&r, fuzz_folder());
	fuzz_add_peer(&r, VG_ROLE_VAULT, 0);
	fuzz_add_peer(&r, VG_ROLE_DETECT, 0);
	fuzz_add_peer(&r, VG_ROLE_DETECT, 1);
	fuzz_steps(&r, data, n);
	assert(the(&r)->records < UINT64_C(1) << 40); /* no few messages take it so far */
	is_sound(the(&r));
	trace_fini(the(&r));
	fuzz_role_fini(&r);
	return 0;
}
