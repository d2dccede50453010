#include "role/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/map.h"
#include "vault/record.h"

#define BATCHES_MAX 4096
#define NAMES_BYTES ((size_t)64 << 20)
#define RECORD_HEAD 20
#define SEND_AHEAD ((size_t)2 << 20)

struct batch {
	char *bytes; /* owned: the message */
	size_t n;
	uint64_t number, taken; /* records taken up to its end */
};
struct source {
	char *bytes; /* owned: its message */
	size_t n;
	uint64_t refused[VG_REFUSALS]; /* not told yet */
	bool changed;
	bool over, answers; /* it fills its share; its sender is answered, and told to wait instead */
};
struct vg_sender {
	struct vg_role_env *env;
	struct vg_sender_ops ops;
	struct vg_gate gate;
	struct vg_channel *vault;
	bool ready;          /* the vault said where it stands */
	bool full;
	bool wait;           /* the vault can keep nothing now */
	uint64_t sender;     /* our name for ourselves; 0: records have ids */
	uint64_t number;     /* of the last batch that was made */
	struct batch batch[BATCHES_MAX]; /* a ring: made and not kept */
	size_t first, n, sent; /* sent: of them, to this vault */
	size_t queued;       /* their bytes */
	struct vg_buf now;   /* the batch that is being filled */
	struct vg_buf out;
	struct vg_map names;
	struct source *source; /* owned */
	uint32_t nsource, cap, told; /* told: to this vault */
	struct vg_sender_counts count;
};

/* ---- to the vault ---- */

static void
tell_sources(struct vg_sender *s)
{
	for (; s->ready && s->told < s->nsource; s->told++)
		vg_channel_send(s->vault, VG_MSG_SOURCE, vg_str_mem(s->source[s->told].bytes, s->source[s->told].n));
}

static void
begin_batch(struct vg_sender *s)
{
	vg_buf_clear(&s->now);
	vg_buf_le64(&s->now, s->number + 1);
}

/* What is made goes, but no more of it waits in the channel than that keeps the vault at work. */
static void
push(struct vg_sender *s)
{
	tell_sources(s);
	while (s->ready && s->sent < s->n && vg_channel_queued(s->vault) < SEND_AHEAD) {
		const struct batch *b = &s->batch[(s->first + s->sent++) % BATCHES_MAX];

		vg_channel_send(s->vault, VG_MSG_RECORDS, vg_str_mem(b->bytes, b->n));
	}
}

/* What was filled becomes a batch, and goes. */
static void
flush(struct vg_sender *s)
{
	struct batch *b = &s->batch[(s->first + s->n) % BATCHES_MAX];

	if (s->now.n <= 8 || s->n == BATCHES_MAX)
		return;
	*b = (struct batch){ s->now.p, s->now.n, ++s->number, s->count.taken };
	s->n++;
	s->queued += b->n;
	s->now = (struct vg_buf){ 0 };
	begin_batch(s);
	push(s);
}

static void
tell_refused(struct vg_sender *s)
{
	for (uint32_t i = 0; s->ready && i < s->told; i++) {
		if (!s->source[i].changed)
			continue;
		for (unsigned w = 0; w < VG_REFUSALS; w++) {
			if (s->source[i].refused[w] == 0)
				continue;
			vg_buf_clear(&s->out);
			vg_buf_le32(&s->out, i);
			vg_buf_u8(&s->out, (uint8_t)w);
			vg_buf_le64(&s->out, s->source[i].refused[w]);
			vg_channel_send(s->vault, VG_MSG_REFUSED, vg_buf_str(&s->out));
			s->source[i].refused[w] = 0;
		}
		s->source[i].changed = false;
	}
}

/* ---- the gate ---- */

static uint32_t
on_source(void *ctx, const struct vg_speaker *x)
{
	struct vg_sender *s = ctx;
	struct vg_buf *b = &s->out;
	uint32_t at;
	vg_str kept;

	vg_buf_clear(b);
	vg_buf_le32(b, s->nsource);
	vg_buf_u8(b, x->proof);
	vg_buf_le_str(b, vg_str_cut(x->tenant, VG_SPEAKER_NAME_MAX));
	vg_buf_le_str(b, vg_str_cut(x->name, VG_SPEAKER_NAME_MAX));
	vg_buf_le_str(b, vg_str_cut(x->address, VG_SPEAKER_NAME_MAX));
	vg_buf_le_str(b, vg_str_cut(x->listener, VG_SPEAKER_NAME_MAX));
	if (b->rc != VG_OK)
		return VG_GATE_NONE;
	at = vg_map_find(&s->names, vg_str_skip(vg_buf_str(b), 4));
	if (at != VG_MAP_NONE)
		return at;
	if (s->nsource == VG_SENDER_SOURCES_MAX)
		return VG_GATE_NONE;
	if (s->nsource == s->cap) {
		uint32_t cap = s->cap ? 2 * s->cap : 64;
		struct source *p = realloc(s->source, cap * sizeof(*p));

		if (p == NULL)
			return VG_GATE_NONE;
		s->source = p;
		s->cap = cap;
	}
	s->source[s->nsource] = (struct source){ .bytes = malloc(b->n), .n = b->n, .answers = vg_str_eq(x->listener, VG_STR("https")) };
	if (s->source[s->nsource].bytes == NULL ||
	    vg_map_add(&s->names, vg_str_skip(vg_buf_str(b), 4), s->nsource, &kept) == VG_MAP_NONE) {
		free(s->source[s->nsource].bytes);
		return VG_GATE_NONE;
	}
	memcpy(s->source[s->nsource].bytes, b->p, b->n);
	return s->nsource++;
}

static void
on_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	struct vg_sender *s = ctx;

	s->count.refused[why] += n;
	if (source < s->nsource) {
		s->source[source].refused[why] += n;
		s->source[source].changed = true;
	}
}

static bool
on_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	struct vg_sender *s = ctx;
	struct vg_buf *b = &s->now;
	size_t size = RECORD_HEAD + id.n + raw.n;

	if (source >= s->nsource || raw.n > VG_RECORD_RAW_MAX || id.n > VG_RECORD_ID_MAX)
		return true; /* a listener's mistake; it cuts and counts such */
	if (s->source[source].over && !s->source[source].answers) {
		on_refused(s, source, VG_REFUSED_SHARE, 1);
		return true;
	}
	if (b->n > 8 && b->n + size > VG_RECORDS_BYTES)
		flush(s);
	if (s->wait || s->queued + b->n + size > VG_SENDER_QUEUE_MAX || s->n == BATCHES_MAX || !vg_buf_reserve(b, size + (b->cap ? 0 : VG_RECORDS_BYTES / 8))) {
		s->count.full += !s->full;
		s->full = true;
		return false;
	}
	vg_buf_le32(b, source);
	vg_buf_le64(b, (uint64_t)recv_ns);
	vg_buf_le16(b, 0);
	vg_buf_le16(b, (uint16_t)id.n);
	vg_buf_le32(b, (uint32_t)raw.n);
	vg_buf_put(b, id);
	vg_buf_put(b, raw);
	s->count.taken++;
	s->count.bytes += raw.n;
	return true;
}

static uint64_t
on_taken(void *ctx)
{
	return ((const struct vg_sender *)ctx)->count.taken;
}

/* ---- from the vault ---- */

static void
make_room(struct vg_sender *s)
{
	if (s->full && !s->wait && s->queued < VG_SENDER_QUEUE_MAX / 2) {
		s->full = false;
		s->ops.room(s->ops.ctx);
	}
}

static void
drop_kept(struct vg_sender *s, uint64_t number)
{
	uint64_t kept = s->count.kept;

	while (s->n && s->batch[s->first].number <= number) {
		struct batch *b = &s->batch[s->first];

		s->count.kept = b->taken;
		s->queued -= b->n;
		free(b->bytes);
		s->first = (s->first + 1) % BATCHES_MAX;
		s->n--;
		s->sent -= s->sent > 0;
	}
	if (s->count.kept != kept)
		s->ops.kept(s->ops.ctx, s->count.kept);
	make_room(s);
}

static vg_rc
on_kept(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vg_sender *s = ctx;
	uint64_t number = vg_cur_le64(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || number > s->number)
		return VG_E_FORMAT;
	drop_kept(s, number);
	push(s);
	return VG_OK;
}

static vg_rc
on_wait(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vg_sender *s = ctx;
	uint8_t wait = vg_cur_u8(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || wait > 1)
		return VG_E_FORMAT;
	s->wait = wait;
	make_room(s);
	return VG_OK;
}

static vg_rc
on_over(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vg_sender *s = ctx;
	uint32_t handle = vg_cur_le32(body);
	uint8_t over = vg_cur_u8(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || over > 1 || handle >= s->told)
		return VG_E_FORMAT;
	s->source[handle].over = over;
	return VG_OK;
}

static bool
is_over(void *ctx, uint32_t source)
{
	const struct vg_sender *s = ctx;

	return source < s->nsource && s->source[source].over;
}

static vg_rc
on_from(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vg_sender *s = ctx;
	uint64_t number = vg_cur_le64(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || s->ready || number > s->number)
		return VG_E_FORMAT;
	drop_kept(s, number);
	s->ready = true;
	s->sent = 0;
	push(s);
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct vg_sender *s = ctx;

	if (s->vault == c) {
		s->vault = NULL;
		s->ready = false;
		vg_role_lost(s->env, VG_ROLE_VAULT, 0);
	}
}

static void
on_timer(void *ctx)
{
	struct vg_sender *s = ctx;

	flush(s);
	push(s);
	tell_refused(s);
}

vg_rc
vg_sender_new(struct vg_role_env *e, bool has_ids, const struct vg_sender_ops *ops, struct vg_sender **out)
{
	struct vg_sender *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return VG_E_NOMEM;
	s->env = e;
	s->ops = *ops;
	s->gate = (struct vg_gate){ s, on_source, on_take, on_taken, on_refused, is_over };
	vg_map_init(&s->names, NAMES_BYTES);
	while (!has_ids && s->sender == 0)
		if (getrandom(&s->sender, sizeof(s->sender), 0) != sizeof(s->sender))
			return VG_E_SYS;
	begin_batch(s);
	*out = s;
	return vg_loop_every(e->loop, VG_SENDER_FLUSH_MS, on_timer, s);
}

const struct vg_gate *
vg_sender_gate(const struct vg_sender *s)
{
	return &s->gate;
}

vg_rc
vg_sender_vault(struct vg_sender *s, int fd)
{
	static const struct vg_handler handlers[] = { { VG_MSG_FROM, 8, on_from }, { VG_MSG_KEPT, 8, on_kept }, { VG_MSG_WAIT, 1, on_wait },
						      { VG_MSG_OVER, 5, on_over }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { handlers, closed, s };
	vg_rc rc;

	if (s->vault) {
		vg_channel_free(s->vault);
		s->vault = NULL;
	}
	s->ready = s->wait = false;
	s->told = 0;
	for (uint32_t i = 0; i < s->nsource; i++) /* it says anew */
		s->source[i].over = false;
	if ((rc = vg_channel_new(s->env->loop, fd, &ops, &s->vault)) != VG_OK)
		return rc;
	vg_buf_clear(&s->out);
	vg_buf_le64(&s->out, s->sender);
	vg_channel_send(s->vault, VG_MSG_HELLO, vg_buf_str(&s->out));
	return VG_OK;
}

uint64_t
vg_sender_waiting(const struct vg_sender *s)
{
	return s->count.taken - s->count.kept;
}

void
vg_sender_count(const struct vg_sender *s, struct vg_sender_counts *out)
{
	*out = s->count;
	out->sources = s->nsource;
}
