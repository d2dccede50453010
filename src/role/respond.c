/* role/respond.c - does what people ask for, and nothing else: fixed verbs, each recorded in the vault before it is done.  The table has none
 * yet, so that what is asked is recorded, and refused.  It holds no descriptor but its channels. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "role/request.h"
#include "role/roles.h"
#include "role/messages.h"

#define ASKED_MAX 16

struct asked { /* recorded, and waits until the vault has it */
	uint64_t number; /* 0: free */
	char id[VG_REQUEST_ID + 1];
};
struct respond {
	struct vg_role_env *env;
	struct vg_channel *vault;
	struct vg_buf json, message;
	struct asked asked[ASKED_MAX];
	uint64_t number, refused;
};

static void
answer(struct respond *r, const char *id, const char *text)
{
	vg_role_answer(r->env, vg_str_of(id), false, vg_str_of(text));
}

static void
put_record(struct respond *r, const struct vg_request *q)
{
	size_t sp = vg_str_chr(q->argument, ' ');
	struct vg_buf *b = &r->json;

	vg_buf_clear(b);
	vg_buf_puts(b, "{\"vigie\":{\"event\":\"respond\",\"verb\":");
	vg_buf_json_str(b, vg_str_cut(q->argument, sp));
	vg_buf_puts(b, ",\"argument\":");
	vg_buf_json_str(b, vg_str_skip(q->argument, sp == VG_NPOS ? q->argument.n : sp + 1));
	vg_buf_printf(b, ",\"user\":%u,\"outcome\":\"refused\",\"why\":\"there is no such verb\"}}", q->user);
}

static void
on_request(struct respond *r)
{
	struct vg_request q;
	struct asked *a = r->asked;

	if (vg_request_take(vg_role_text(r->env, "request"), &q) != VG_OK || !vg_str_eq(q.verb, VG_STR("respond")))
		return;
	while (a < r->asked + ASKED_MAX && a->number)
		a++;
	if (r->vault == NULL || a == r->asked + ASKED_MAX) {
		vg_role_answer(r->env, q.id, false, VG_STR("refused: it cannot be recorded now\n"));
		return;
	}
	put_record(r, &q);
	vg_buf_clear(&r->message);
	vg_buf_le64(&r->message, ++r->number);
	vg_buf_le_str(&r->message, vg_role_text(r->env, "tenant"));
	vg_buf_le_str(&r->message, vg_buf_str(&r->json));
	if (r->json.rc != VG_OK || r->message.rc != VG_OK) {
		vg_role_answer(r->env, q.id, false, VG_STR("refused: out of memory\n"));
		return;
	}
	a->number = r->number;
	snprintf(a->id, sizeof(a->id), "%.*s", VG_STR_ARG(q.id));
	r->refused++;
	vg_channel_send(r->vault, VG_MSG_OWN, vg_buf_str(&r->message));
}

static vg_rc
on_own_kept(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct respond *r = ctx;
	uint64_t number = vg_cur_le64(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	for (size_t i = 0; i < ASKED_MAX; i++)
		if (r->asked[i].number && r->asked[i].number == number) {
			answer(r, r->asked[i].id, "refused, and recorded: there is no such verb\n");
			r->asked[i].number = 0;
		}
	return VG_OK;
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct respond the_respond;

	the_respond.env = e;
	e->ctx = &the_respond;
	limits->may = VG_MAY_LOOP;
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)128 << 20);
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct respond *r = ctx;

	if (r->vault != c)
		return;
	r->vault = NULL;
	vg_role_lost(r->env, VG_ROLE_VAULT, 0);
	for (size_t i = 0; i < ASKED_MAX; i++)
		if (r->asked[i].number) {
			answer(r, r->asked[i].id, "refused; whether it was recorded is not known: the vault began anew\n");
			r->asked[i].number = 0;
		}
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	static const struct vg_handler handlers[] = { { VG_MSG_OWN_KEPT, 8, on_own_kept }, { 0, 0, NULL } };
	struct respond *r = e->ctx;
	struct vg_channel_ops ops = { handlers, closed, r };
	struct vg_channel *old = r->vault;

	(void)index;
	if (role != VG_ROLE_VAULT)
		return VG_E_FORMAT;
	r->vault = NULL;
	vg_channel_free(old);
	return vg_channel_new(e->loop, fd, &ops, &r->vault);
}

static void
news(struct vg_role_env *e, const char *name)
{
	if (strcmp(name, "request") == 0)
		on_request(e->ctx);
}

static void
tick(struct vg_role_env *e)
{
	struct respond *r = e->ctx;
	struct vg_buf b = { 0 };

	vg_buf_printf(&b, "refused %llu\n", (unsigned long long)r->refused);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

const struct vg_role_impl vg_respond_role = { VG_ROLE_RESPOND, prepare, NULL, peer, news, tick, NULL };
