/* role/out_stamp.c - time stamps: the vault's note is asked for, and what answers is looked at before the vault gets it.  The hostile
 * bytes are parsed here, in a process that holds no evidence and no key. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "role/out_impl.h"
#include "vault/note.h"

vg_rc
out_stamp_read(struct out *o)
{
	vg_str url = vg_role_text(o->env, "stamp-url"), policy = vg_role_text(o->env, "stamp-policy");

	o->stamp_place = -1;
	o->stamp_url = url.n ? url.p : NULL;
	o->stamp_policy = policy.n ? policy.p : NULL;
	o->stamp_ca = vg_role_text(o->env, "stamp-ca");
	if (url.n && (o->stamp_place = out_place_of(o, url.p)) < 0)
		return VG_E_FORMAT;
	if (url.n && o->proxy >= 0)
		o->stamp_place = o->proxy;
	return VG_OK;
}

static void
answer_vault(struct out *o, uint64_t number, vg_str response, vg_str what)
{
	struct vg_buf b = { 0 };

	vg_buf_le64(&b, number);
	vg_buf_le_str(&b, response);
	vg_buf_le_str(&b, what);
	if (b.rc == VG_OK && o->vault) /* one that began anew asks anew */
		vg_channel_send(o->vault, VG_MSG_STAMPED, vg_buf_str(&b));
	vg_buf_fini(&b);
}

static void
on_response(struct out *o, struct out_errand *e, vg_rc rc, vg_str answer, const char *why)
{
	struct vg_stamp_want want = { e->digest, e->nonce, o->stamp_policy, o->stamp_ca };
	char no[VG_STAMP_WHY] = "";
	struct vg_stamp s;
	vg_str what;

	if (rc == VG_OK) {
		rc = vg_stamp_check(answer, &want, vg_clock_ns(), &s, no);
		why = no;
	}
	what = vg_str_of(rc == VG_OK ? s.signer : why);
	o->stamps += rc == VG_OK;
	o->stamps_failed += rc != VG_OK;
	if (vg_outbox_stamp(o->db, vg_str_of(e->tenant), rc == VG_OK, what, vg_clock_ns()) != VG_OK)
		vg_role_say(o->env, VG_LOG_ERROR, "out: out.db cannot be written: %s", sqlite3_errmsg(o->db));
	if (rc != VG_OK)
		vg_role_say(o->env, VG_LOG_ERROR, "out: no time stamp for %s: %s", e->tenant, why);
	answer_vault(o, e->number, rc == VG_OK ? answer : VG_NIL, what);
}

vg_rc
out_on_stamp(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct out *o = ctx;
	uint64_t number = vg_cur_le64(body);
	uint32_t n = vg_cur_le32(body);
	vg_str tenant = vg_cur_bytes(body, n), note;
	struct out_errand *e;

	(void)from;
	n = vg_cur_le32(body);
	note = vg_cur_bytes(body, n);
	if (fd >= 0 || body->rc != VG_OK || vg_cur_left(body) || tenant.n == 0 || tenant.n > 64 || note.n > VG_NOTE_BYTES_MAX)
		return VG_E_FORMAT;
	if (o->db == NULL)
		return VG_OK;
	if (o->stamp_place < 0 || (e = out_errand_new(o)) == NULL) {
		answer_vault(o, number, VG_NIL, o->stamp_place < 0 ? VG_STR("stamps.url is not set") : VG_STR("too much is under way"));
		return VG_OK;
	}
	e->number = number;
	snprintf(e->tenant, sizeof(e->tenant), "%.*s", VG_STR_ARG(tenant));
	vg_hash_of(note, &e->digest);
	if (vg_stamp_request(&e->digest, o->stamp_policy, &e->body, e->nonce) != VG_OK) {
		vg_buf_fini(&e->body);
		answer_vault(o, number, VG_NIL, VG_STR("the request could not be made"));
		return VG_OK;
	}
	e->place = o->stamp_place;
	e->job = (struct vg_outward_job){ .url = o->stamp_url, .type = "application/timestamp-query", .answer_bytes = VG_STAMP_RESPONSE_MAX };
	e->done = on_response;
	out_errand_go(e);
	return VG_OK;
}
