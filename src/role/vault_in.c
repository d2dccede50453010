#include "role/vault_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "role/drill.h"

#define HANDLES_MAX 200000 /* of one sender in one life */
#define LOOK_BYTES ((uint64_t)4 << 20) /* taken between two looks at the disk, besides the one each second */

/* ---- sources ---- */

static struct vault_tenant *
tenant_named(struct vault *v, vg_str name)
{
	for (size_t i = 0; i < v->ntenant; i++)
		if (vg_str_eq(vg_str_of(v->tenant[i].name), name))
			return &v->tenant[i];
	return NULL;
}

/* The place in v->source; UINT32_MAX: there is no room. */
static uint32_t
place_of(struct vault *v, const struct vg_source *s)
{
	for (uint32_t i = 0; i < v->nsource; i++)
		if (v->source[i].s.id == s->id)
			return i;
	if (v->nsource == v->capsource) {
		uint32_t cap = v->capsource ? 2 * v->capsource : 64;
		struct vault_source *p = realloc(v->source, cap * sizeof(*p));

		if (p == NULL)
			return UINT32_MAX;
		v->source = p;
		v->capsource = cap;
	}
	v->source[v->nsource] = (struct vault_source){ .s = { .id = s->id, .tenant = s->tenant, .proof = s->proof, .state = s->state } };
	snprintf(v->source[v->nsource].name, sizeof(v->source[v->nsource].name), "%.*s", VG_STR_ARG(s->name));
	vault_share_met(v, &v->source[v->nsource]);
	return v->nsource++;
}

static vg_str
take_string(struct vg_cur *c)
{
	uint32_t n = vg_cur_le32(c);

	return vg_cur_bytes(c, n);
}

static vg_rc
add_handle(struct vault_sender *x, struct vault_handle h)
{
	if (x->nsource == x->cap) {
		uint32_t cap = x->cap ? 2 * x->cap : 64;
		struct vault_handle *p = realloc(x->source, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		x->source = p;
		x->cap = cap;
	}
	x->source[x->nsource++] = h;
	return VG_OK;
}

static vg_rc
on_source(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	struct vault_sender *x = NULL;
	uint32_t handle = vg_cur_le32(body), at;
	struct vg_source s = { .proof = vg_cur_u8(body) };
	vg_str tenant = take_string(body);
	const struct vg_source_set *set;
	struct vault_tenant *t;
	vg_rc rc;

	s.name = take_string(body);
	s.address = take_string(body);
	s.listener = take_string(body);
	for (int i = 0; i < VAULT_SENDERS_MAX; i++)
		if (v->sender[i].channel == from)
			x = &v->sender[i];
	if (x && body->rc == VG_OK && handle == x->nsource && s.proof == VG_PROOF_LOCAL && vg_str_eq(tenant, VG_STR(VG_DRILL_TENANT)))
		return add_handle(x, (struct vault_handle){ UINT32_MAX, VG_DRILL_WORLDS }); /* none of the catalogue's */
	if (fd >= 0 || body->rc != VG_OK || x == NULL || handle != x->nsource || handle >= HANDLES_MAX || s.proof >= VG_PROOFS ||
	    s.name.n > VG_SPEAKER_NAME_MAX || s.address.n > VG_SPEAKER_NAME_MAX || s.listener.n > VG_SPEAKER_NAME_MAX || (t = tenant_named(v, tenant)) == NULL)
		return VG_E_FORMAT;
	s.tenant = t->id;
	s.state = vg_source_sets_state(&v->sets, tenant, &s);
	s.first_ns = s.last_ns = vg_clock_ns();
	rc = vg_source_sets_row(&v->sets, v->db, tenant, &s);
	at = rc == VG_OK ? place_of(v, &s) : UINT32_MAX; /* its records are kept all the same, as from source 0 */
	if (rc != VG_OK)
		vg_role_say(v->env, VG_LOG_WARNING, "vault: the source %.*s is not in the catalogue: %s", VG_STR_ARG(s.name),
			    rc == VG_E_LIMIT ? "there are too many" : vg_rc_name(rc));
	if (at != UINT32_MAX && (set = vg_source_set_of(&v->sets.s, tenant, s.name, s.address)) != NULL) {
		v->source[at].set = vg_str_eq(set->match.n ? set->match.item[0] : set->name, set->name) ? VG_NIL : set->name; /* else a pattern, and no name */
		v->source[at].class = (uint16_t)vault_class_of(t, set->class);
		v->source[at].share = set->share ? set->share : v->share;
	}
	if ((rc = add_handle(x, (struct vault_handle){ at, t->id })) != VG_OK)
		return rc;
	if (at != UINT32_MAX && v->source[at].over)
		vault_share_tell(v, x, handle);
	return VG_OK;
}

/* ---- records ---- */

static vg_rc
take_record(struct vault *v, struct vault_sender *x, struct vg_cur *c)
{
	uint32_t handle = vg_cur_le32(c), at;
	struct vg_record r = { .recv_ns = (int64_t)vg_cur_le64(c) };
	struct vault_source *s;
	uint32_t n, tenant;
	uint16_t id;
	uint64_t seq;
	vg_rc rc;

	r.flags = vg_cur_le16(c);
	id = vg_cur_le16(c);
	n = vg_cur_le32(c);
	r.id = vg_cur_bytes(c, id);
	r.raw = vg_cur_bytes(c, n);
	if (c->rc != VG_OK || handle >= x->nsource || (r.flags & ~VG_RECORD_FLAGS) || r.recv_ns < 0 /* no clock says that */)
		return VG_E_FORMAT;
	at = x->source[handle].at;
	tenant = x->source[handle].tenant;
	if (vg_is_drill(tenant) && !vg_drill_world(r.id, &tenant))
		return VG_E_FORMAT;
	if (at != UINT32_MAX) {
		s = &v->source[at];
		r.source = s->s.id;
		r.class = s->class;
		s->s.records++;
		s->s.bytes += r.raw.n;
		s->minute++;
		s->s.last_ns = r.recv_ns;
		s->changed = true;
	}
	v->records++;
	v->bytes += r.raw.n;
	while ((rc = vg_intake_add(v->intake, tenant, &r, &seq)) == VG_E_LIMIT && vg_intake_waiting(v->intake)) {
		vault_sync(v);
		if (vg_intake_waiting(v->intake)) /* the disk: the sender is told nothing, and comes again */
			return VG_E_SYS;
	}
	return rc;
}

static vg_rc
on_records(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	uint64_t number = vg_cur_le64(body);
	struct vault_sender *x = NULL;

	for (int i = 0; i < VAULT_SENDERS_MAX; i++)
		if (v->sender[i].channel == from)
			x = &v->sender[i];
	if (fd >= 0 || x == NULL || (number != x->taken + 1 && !x->fresh))
		return VG_E_FORMAT;
	while (vg_cur_left(body)) {
		vg_rc rc = take_record(v, x, body);

		if (rc != VG_OK)
			return rc;
	}
	x->taken = number;
	x->fresh = false;
	if (x->sender)
		vg_intake_set_mark(v->intake, (struct vg_intake_mark){ x->sender, number });
	if (vg_intake_waiting(v->intake) >= v->sync_bytes)
		vault_sync(v);
	if (v->bytes - v->looked_bytes >= LOOK_BYTES)
		vault_look(v);
	return VG_OK;
}

static vg_rc
on_refused(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	uint32_t handle = vg_cur_le32(body);
	unsigned why = vg_cur_u8(body);
	uint64_t n = vg_cur_le64(body);

	if (fd >= 0 || body->rc != VG_OK || why >= VG_REFUSALS || n > UINT32_MAX) /* sums stay what the catalogue can hold */
		return VG_E_FORMAT;
	if (why == VG_REFUSED_KERNEL)
		vault_lost(v, n);
	for (int i = 0; i < VAULT_SENDERS_MAX; i++) {
		struct vault_sender *x = &v->sender[i];

		if (x->channel == from && handle < x->nsource && x->source[handle].at != UINT32_MAX) {
			v->source[x->source[handle].at].s.refused += n;
			v->source[x->source[handle].at].changed = true;
		}
	}
	return VG_OK;
}

static void
tell(struct vault *v, struct vg_channel *to, uint16_t type, uint64_t number)
{
	vg_buf_clear(&v->out);
	vg_buf_le64(&v->out, number);
	if (v->out.rc == VG_OK)
		vg_channel_send(to, type, vg_buf_str(&v->out));
}

static vg_rc
on_hello(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	uint64_t sender = vg_cur_le64(body);
	struct vg_intake_mark m = vg_intake_mark(v->intake);

	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	for (int i = 0; i < VAULT_SENDERS_MAX; i++) {
		struct vault_sender *x = &v->sender[i];

		if (x->channel != from)
			continue;
		x->sender = sender;
		x->taken = x->told = sender && m.sender == sender ? m.number : 0;
		x->fresh = x->taken == 0;
		tell(v, from, VG_MSG_FROM, x->taken);
		vault_hold(v);
		return VG_OK;
	}
	return VG_E_FORMAT;
}

void
vault_hold(struct vault *v)
{
	bool wait = v->full || v->failed_syncs > 0;

	for (int i = 0; i < VAULT_SENDERS_MAX; i++) {
		struct vault_sender *x = &v->sender[i];

		if (x->channel == NULL || x->waits == wait)
			continue;
		x->waits = wait;
		vg_channel_pause(x->channel, wait);
		vg_channel_send(x->channel, VG_MSG_WAIT, wait ? VG_STR("\1") : vg_str_mem("", 1));
	}
}

void
vault_sync(struct vault *v)
{
	vg_rc rc;

	if (vg_intake_waiting(v->intake) == 0)
		return;
	if ((rc = vg_intake_sync(v->intake)) != VG_OK) {
		if (v->failed_syncs++ % 100 == 0)
			vg_role_say(v->env, VG_LOG_ERROR, "vault: the intake journal cannot be written: %s; senders are told to wait",
				    rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		vault_hold(v);
		return;
	}
	v->failed_syncs = 0;
	vault_hold(v);
	v->syncs++;
	for (int i = 0; i < VAULT_SENDERS_MAX; i++) {
		struct vault_sender *x = &v->sender[i];

		if (x->channel && x->taken != x->told)
			tell(v, x->channel, VG_MSG_KEPT, x->told = x->taken);
	}
}

void
vault_own(struct vault *v, uint32_t tenant, vg_str json)
{
	struct vg_record r = { .recv_ns = vg_clock_ns(), .raw = json };
	uint64_t seq;

	if (vg_intake_add(v->intake, tenant, &r, &seq) != VG_OK)
		vg_role_say(v->env, VG_LOG_ERROR, "vault: no room for a record of our own: %.*s", VG_STR_ARG(json));
}

/* ---- channels ---- */

static void
closed(void *ctx, struct vg_channel *c)
{
	struct vault *v = ctx;

	for (int i = 0; i < VAULT_SENDERS_MAX; i++)
		if (v->sender[i].channel == c) {
			free(v->sender[i].source);
			v->sender[i] = (struct vault_sender){ .channel = NULL };
		}
}

vg_rc
vault_sender_new(struct vault *v, unsigned role, int fd)
{
	static const struct vg_handler handlers[] = {
		{ VG_MSG_HELLO, 8, on_hello }, { VG_MSG_SOURCE, 2048, on_source }, { VG_MSG_RECORDS, VG_RECORDS_MAX, on_records },
		{ VG_MSG_REFUSED, 13, on_refused }, { 0, 0, NULL },
	};
	struct vg_channel_ops ops = { handlers, closed, v };

	for (int i = 0; i < VAULT_SENDERS_MAX; i++)
		if (v->sender[i].channel == NULL) {
			v->sender[i].role = role;
			return vg_channel_new(v->env->loop, fd, &ops, &v->sender[i].channel);
		}
	return VG_E_LIMIT;
}

void
vault_count(struct vault *v)
{
	bool any = false;

	for (uint32_t i = 0; i < v->nsource && !any; i++)
		any = v->source[i].changed;
	if (!any || vg_db_run(v->db, "BEGIN") != VG_OK)
		return;
	for (uint32_t i = 0; i < v->nsource; i++) {
		struct vault_source *s = &v->source[i];

		if (s->changed && vg_catalogue_count(v->db, &s->s) == VG_OK && vault_share_count(v, s) == VG_OK) {
			s->s.records = s->s.bytes = s->s.refused = s->s.unparsed = s->s.unknown = 0;
			s->changed = false;
		}
	}
	if (vg_db_run(v->db, "COMMIT") != VG_OK)
		vg_db_rollback(v->db);
}
