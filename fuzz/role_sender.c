/* What collect and local send to the vault, and any bytes from the vault.  What is always true: what is told to be kept was taken, its count only
 * grows, and each record that was taken and not kept is sent again to the next vault, in order. */
#include <assert.h>

#include "role.h"
#include "role/sender.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct vg_sender *sender;
static uint64_t kept, sent; /* records; number of the last batch that this vault was sent */
static bool told;           /* where this vault stands */

static void
on_room(void *ctx)
{
	(void)ctx;
}

static void
on_more_kept(void *ctx, uint64_t taken)
{
	(void)ctx;
	assert(taken > kept && taken <= sender->count.taken);
	kept = taken;
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	struct vg_sender_ops ops = { NULL, on_room, on_more_kept };

	(void)limits;
	return vg_sender_new(e, false, &ops, &sender);
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	(void)e;
	(void)role;
	(void)index;
	told = false;
	return vg_sender_vault(sender, fd);
}

static const struct vg_role_impl impl = { VG_ROLE_COLLECT, prepare, NULL, peer, NULL, NULL, NULL };

static void
good(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, struct vg_buf *body)
{
	uint64_t n = sender->number ? (body->n ? (uint8_t)body->p[0] : 0) % (sender->number + 1) : 0;

	(void)r;
	(void)p;
	if (type != VG_MSG_FROM && type != VG_MSG_KEPT)
		return;
	vg_buf_clear(body);
	vg_buf_le64(body, n);
}

static void
heard(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, vg_str body)
{
	struct vg_cur c = vg_cur_of(body.p, body.n);
	uint64_t number = vg_cur_le64(&c);

	(void)r;
	(void)p;
	if (type == VG_MSG_HELLO) {
		assert(number == sender->sender && !told);
		sent = 0;
		told = true;
	}
	if (type != VG_MSG_RECORDS)
		return;
	assert(sent == 0 || number == sent + 1);
	sent = number;
	while (vg_cur_left(&c)) {
		uint32_t source = vg_cur_le32(&c), id, raw;

		(void)vg_cur_bytes(&c, 10);
		id = vg_cur_le16(&c);
		raw = vg_cur_le32(&c);
		(void)vg_cur_bytes(&c, id);
		(void)vg_cur_bytes(&c, raw);
		assert(c.rc == VG_OK && source < sender->nsource);
	}
}

/* A listener: sources, records, refusals; and the timer. */
static void
step(struct fuzz_role *r, unsigned n)
{
	static const char line[5000];
	const struct vg_gate *g = vg_sender_gate(sender);
	struct vg_speaker s = { .tenant = VG_STR("t"), .name = vg_str_mem("abcdefgh", 1 + n % 4u), .address = VG_STR("192.0.2.7"), .listener = VG_STR("syslog") };
	uint32_t source = g->source(g->ctx, &s);

	(void)r;
	if (n % 4 == 3)
		g->refused(g->ctx, source, VG_REFUSED_LONG, n);
	else
		(void)g->take(g->ctx, source, vg_clock_ns(), n % 2 ? VG_STR("id") : VG_NIL, vg_str_mem(line, 1 + n * 150u));
	if (n >= 16)
		on_timer(sender);
}

static void
sender_fini(void)
{
	vg_channel_free(sender->vault);
	for (; sender->n; sender->n--, sender->first = (sender->first + 1) % BATCHES_MAX)
		free(sender->batch[sender->first].bytes);
	for (uint32_t i = 0; i < sender->nsource; i++)
		free(sender->source[i].bytes);
	free(sender->source);
	vg_map_fini(&sender->names);
	vg_buf_fini(&sender->now);
	vg_buf_fini(&sender->out);
	free(sender);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_role r;

	kept = sent = 0;
	told = false;
	fuzz_role_init(&r, &impl);
	r.good = good;
	r.heard = heard;
	r.step = step;
	fuzz_begin(&r, -1);
	fuzz_add_peer(&r, VG_ROLE_VAULT, 0);
	fuzz_steps(&r, data, n);
	sender_fini();
	fuzz_role_fini(&r);
	return 0;
}
