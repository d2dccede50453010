#include "role/vault_impl.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "role/drill.h"

#define LOG_KEY_FILE "log.pub"
#define EPOCH_FILE "epoch"
#define KEEP_BYTES ((size_t)4 << 20) /* for the stores, in one turn */
#define SAY_EVERY_NS (60 * INT64_C(1000000000))

/* ---- opening ---- */

/* The log's public key, beside the evidence that it vouches for.  Another one is taken only where a new epoch begins (vault_epoch()), and the
 * old one stays as log.EPOCH.pub. */
static vg_rc
publish_key(struct vault *v, struct vault_tenant *t)
{
	vg_str key = vg_role_text(v->env, "log-key");
	struct vg_buf was = { 0 };
	char old[VG_DISK_NAME_MAX];
	vg_rc rc = vg_disk_slurp(&t->dir, LOG_KEY_FILE, 4096, &was);

	if (rc == VG_E_NOTFOUND || (rc == VG_OK && t->epoch > vg_store_last(t->store)->epoch && !vg_str_eq(vg_str_trim(vg_buf_str(&was)), key))) {
		snprintf(old, sizeof(old), "log.%llu.pub", (unsigned long long)vg_store_last(t->store)->epoch);
		if (rc == VG_OK)
			rc = vg_disk_replace(&t->dir, old, vg_buf_str(&was));
		else
			rc = VG_OK;
		vg_buf_clear(&was);
		vg_buf_put(&was, key);
		vg_buf_putc(&was, '\n');
		if (rc == VG_OK)
			rc = vg_disk_replace(&t->dir, LOG_KEY_FILE, vg_buf_str(&was));
	} else if (rc == VG_OK && !vg_str_eq(vg_str_trim(vg_buf_str(&was)), key)) {
		vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: %s is another log's key than the one in seal/: this vault was written by another watch "
						  "(`vigie vault restore` takes one over)", t->name, LOG_KEY_FILE);
		rc = VG_E_REFUSED;
	}
	vg_buf_fini(&was);
	return rc;
}

/* The epoch that checkpoints are of: that of the last one, or a later one that a restore wrote down. */
static vg_rc
read_epoch(struct vault_tenant *t)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_disk_slurp(&t->dir, EPOCH_FILE, 32, &b);

	t->epoch = vg_store_last(t->store)->epoch;
	if (rc == VG_OK) {
		uint64_t n;

		if (!vg_str_u64(vg_str_trim(vg_buf_str(&b)), &n))
			rc = VG_E_FORMAT;
		else if (n > t->epoch)
			t->epoch = n;
	}
	vg_buf_fini(&b);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

static vg_rc
open_tenant(struct vault *v, vg_str name)
{
	struct vault_tenant *t = &v->tenant[v->ntenant];
	struct vg_store_damage damage;
	char given[96], origin[VG_ORIGIN_MAX];
	uint8_t key[32];
	vg_str hex;
	size_t n;
	vg_rc rc;

	*t = (struct vault_tenant){ .dir.dir = -1, .keys.dir = -1 };
	snprintf(t->name, sizeof(t->name), "%.*s", VG_STR_ARG(name));
	snprintf(given, sizeof(given), "tenant-key:%.40s", t->name);
	hex = vg_role_text(v->env, given);
	if (sodium_hex2bin(key, sizeof(key), hex.p ? hex.p : "", hex.n, NULL, &n, NULL) != 0 || n != sizeof(key)) {
		vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: its key is not there", t->name);
		return VG_E_REFUSED;
	}
	snprintf(origin, sizeof(origin), "%.*s/%s", VG_STR_ARG(vg_str_cut(vg_role_text(v->env, "node"), 60)), t->name);
	if ((rc = vg_catalogue_tenant(v->db, name, &t->id)) != VG_OK || (rc = vg_disk_folder(&v->root, t->name, &t->dir)) != VG_OK)
		return rc;
	rc = vg_store_open(&t->dir, origin, key, &damage, &t->store);
	sodium_memzero(key, sizeof(key));
	if (rc != VG_OK)
		vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: %s%s%s at byte %llu: %s (`vigie vault verify` tells more)", t->name, damage.name,
			    damage.what[0] ? ": " : "", damage.what, (unsigned long long)damage.at, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	else if ((rc = read_epoch(t)) == VG_OK && (rc = publish_key(v, t)) == VG_OK && (rc = vault_index_begin(v, t)) == VG_OK && (rc = vault_retain_begin(v, t)) == VG_OK) {
		vg_store_set_level(t->store, (int)vg_role_number(v->env, "compression", 0));
		v->ntenant++;
	}
	return rc;
}

vg_rc
vault_keep_open(struct vault *v)
{
	struct vg_intake_options o = { .first = 1 };
	struct vg_intake_damage damage;
	vg_str names = vg_role_text(v->env, "tenants"), name;
	vg_rc rc;

	if ((v->tenant = calloc(VAULT_TENANTS_MAX, sizeof(*v->tenant))) == NULL)
		return VG_E_NOMEM;
	while (vg_str_split(&names, '\n', &name))
		if (name.n && (v->ntenant == VAULT_TENANTS_MAX || (rc = open_tenant(v, name)) != VG_OK))
			return v->ntenant == VAULT_TENANTS_MAX ? VG_E_LIMIT : rc;
	if (v->ntenant == 0)
		return VG_E_NOTFOUND;
	for (size_t i = 0; i < v->ntenant; i++)
		if (vg_store_next(v->tenant[i].store) > o.first)
			o.first = vg_store_next(v->tenant[i].store);
	if ((rc = vg_disk_folder(&v->root, "intake", &v->intake_dir)) != VG_OK)
		return rc;
	rc = vg_intake_open(&v->intake_dir, &o, &damage, &v->intake);
	if (rc == VG_E_FORMAT)
		vg_role_say(v->env, VG_LOG_ERROR, "vault: intake/%s is damaged from byte %llu to %llu: records %llu to %llu", damage.name,
			    (unsigned long long)damage.at, (unsigned long long)damage.until, (unsigned long long)damage.seq, (unsigned long long)damage.until_seq);
	else if (rc == VG_E_UNSUP)
		vg_role_say(v->env, VG_LOG_ERROR, "vault: intake/%s is of a later version of Vigie: install that one, or a later one; nothing was changed", damage.name);
	if (rc != VG_OK)
		return rc;
	if (vg_intake_next(v->intake) < o.first) {
		vg_role_say(v->env, VG_LOG_ERROR, "vault: the segments hold records up to %llu, the intake journal ends before %llu: it is an older one", 
			    (unsigned long long)o.first - 1, (unsigned long long)vg_intake_next(v->intake));
		return VG_E_REFUSED;
	}
	v->cut = (struct vg_intake_cursor){ .seq = vg_intake_first(v->intake) };
	v->replay_seq = vg_intake_next(v->intake);
	return VG_OK;
}

struct vault_tenant *
vault_tenant_of(struct vault *v, uint32_t id)
{
	for (size_t i = 0; i < v->ntenant; i++)
		if (v->tenant[i].id == id)
			return &v->tenant[i];
	return NULL;
}

/* ---- from the journal to the stores ---- */

static vg_rc
keep_one(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	struct vault *v = ctx;
	struct vault_tenant *t = vault_tenant_of(v, tenant);

	if (vg_is_drill(tenant))
		return VG_OK; /* no evidence: it ends with the journal's part */
	if (t)
		return vg_store_add(t->store, r);
	if (v->orphan_seq == 0 || r->seq < v->orphan_seq) {
		if (v->orphan_seq == 0)
			vg_role_say(v->env, VG_LOG_ERROR, "vault: records from %llu on are of a tenant that the settings do not name any more: they stay in the "
							  "intake journal until it is named again", (unsigned long long)r->seq);
		v->orphan_seq = r->seq;
	}
	return VG_OK;
}

static void
say_failed(struct vault *v, struct vault_tenant *t, const char *what, vg_rc rc)
{
	int64_t now = vg_monotonic_ns();

	if (t->said_ns && now - t->said_ns < SAY_EVERY_NS)
		return;
	t->said_ns = now;
	vg_role_say(v->env, VG_LOG_ERROR, "vault: tenant %s: %s: %s; the intake journal keeps all of it", t->name, what, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
}

void
vault_keep(struct vault *v)
{
	vg_rc rc = vg_intake_walk(v->intake, &v->cut, KEEP_BYTES, keep_one, v);

	if (rc != VG_OK)
		say_failed(v, &v->tenant[0], "records cannot be put into segments", rc);
}

/* ---- checkpoints ---- */

static vg_rc
ask_seal(struct vault *v, struct vault_tenant *t)
{
	uint64_t old = t->seal_known ? t->seal_size : vg_store_last(t->store)->size;
	struct vg_checkpoint c = { .epoch = t->epoch, .time_ns = vg_clock_ns() };
	struct vg_buf text = { 0 };
	struct vg_proof p = { .n = 0 };
	struct vg_hash root;
	vg_rc rc;

	if ((rc = vg_store_root(t->store, &c)) != VG_OK || (rc = vg_store_prove(t->store, old, &root, &p)) != VG_OK)
		return rc;
	vg_checkpoint_print(&c, &text);
	vg_buf_clear(&v->out);
	vg_buf_le_str(&v->out, vg_str_of(t->name));
	vg_buf_le_str(&v->out, vg_buf_str(&text));
	vg_buf_le64(&v->out, old);
	vg_buf_mem(&v->out, root.b, VG_HASH_BYTES);
	vg_buf_le16(&v->out, (uint16_t)p.n);
	for (size_t i = 0; i < p.n; i++)
		vg_buf_mem(&v->out, p.h[i].b, VG_HASH_BYTES);
	rc = text.rc != VG_OK ? text.rc : v->out.rc;
	if (rc == VG_OK)
		vg_channel_send(v->seal, VG_MSG_SIGN, vg_buf_str(&v->out));
	vg_buf_fini(&text);
	t->asked = rc == VG_OK;
	return rc;
}

/* All that was taken so far is put on disk and under the trees, and the trees are signed. */
void
vault_checkpoint(struct vault *v)
{
	bool all = v->cut.seq == vg_intake_next(v->intake);
	vg_rc rc;

	for (size_t i = 0; i < v->ntenant; i++) {
		struct vault_tenant *t = &v->tenant[i];

		if ((rc = vg_store_cut(t->store)) != VG_OK)
			say_failed(v, t, "a block cannot be written", rc);
		else if (v->seal && !t->asked && v->cut.seq >= v->replay_seq && (rc = ask_seal(v, t)) != VG_OK)
			say_failed(v, t, "no checkpoint can be made", rc);
		all = all && rc == VG_OK;
	}
	v->checked_ns = vg_monotonic_ns();
	v->checked_seq = v->cut.seq;
	vault_drop(v);
}

void
vault_drop(struct vault *v)
{
	uint64_t seq = v->cut.seq;
	vg_rc rc;

	for (size_t i = 0; i < v->ntenant; i++)
		if (vg_store_waiting(v->tenant[i].store))
			return; /* after the next checkpoint */
	if (!v->trace_known)
		return;
	if (v->trace_sure < seq)
		seq = v->trace_sure;
	if (v->orphan_seq && v->orphan_seq < seq)
		seq = v->orphan_seq;
	if ((rc = vg_intake_drop(v->intake, seq)) != VG_OK)
		vg_role_say(v->env, VG_LOG_WARNING, "vault: an old part of the intake journal cannot be removed: %s", strerror(errno));
}

static vg_rc
on_signed(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct vault *v = ctx;
	uint32_t n = vg_cur_le32(body);
	vg_str name = vg_cur_bytes(body, n), note;
	uint64_t size;

	(void)from;
	n = vg_cur_le32(body);
	note = vg_cur_bytes(body, n);
	size = vg_cur_le64(body);
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	for (size_t i = 0; i < v->ntenant; i++) {
		struct vault_tenant *t = &v->tenant[i];
		vg_rc rc;
		bool again;

		if (!vg_str_eq(vg_str_of(t->name), name))
			continue;
		t->asked = false;
		again = note.n == 0 && !(t->seal_known && t->seal_size == size);
		t->seal_known = true; /* what it signed, which may never have come to our disk */
		t->seal_size = size;
		if (again && v->seal && (rc = ask_seal(v, t)) == VG_OK)
			continue;
		if (note.n == 0)
			say_failed(v, t, "the seal refused to sign: this tree does not continue the one that was signed before", VG_E_REFUSED);
		else if ((rc = vg_store_publish(t->store, note)) == VG_E_FORMAT)
			return VG_E_FORMAT;
		else if (rc != VG_OK)
			say_failed(v, t, "the checkpoint cannot be written", rc);
	}
	return VG_OK;
}

static void
seal_closed(void *ctx, struct vg_channel *c)
{
	struct vault *v = ctx;

	if (v->seal == c) {
		v->seal = NULL;
		vg_role_lost(v->env, VG_ROLE_SEAL, 0);
	}
	for (size_t i = 0; i < v->ntenant; i++)
		v->tenant[i].asked = v->tenant[i].certifying = false;
}

vg_rc
vault_seal_new(struct vault *v, int fd)
{
	static const struct vg_handler handlers[] = {
		{ VG_MSG_SIGNED, VG_NOTE_BYTES_MAX + 256, on_signed }, { VG_MSG_CERTIFIED, VG_NOTE_BYTES_MAX + 512, vault_on_certified }, { 0, 0, NULL },
	};
	struct vg_channel_ops ops = { handlers, seal_closed, v };
	struct vg_channel *c;
	vg_rc rc = vg_channel_new(v->env->loop, fd, &ops, &c);

	if (rc == VG_OK)
		v->seal = c;
	return rc;
}
