/* cmd/vault_node.c - what a node holds beside its tenants' evidence: the log's key and the days', what the seal signed last, the intake journal,
 * and databases that can be made again. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/vault.h"
#include "vault/destruction.h"
#include "vault/intake.h"

#define SECRET 32
#define RECOVERY "keys/recovery.secret"
#define DAY_SECRET 36

static void
at_top(struct vg_check *c)
{
	c->prefix[0] = 0;
}

static vg_rc
slurp(const struct vg_check *c, const char *name, size_t max, struct vg_buf *out)
{
	struct vg_disk d = { .dir = c->house.dir, .read_only = true };

	return vg_disk_slurp(&d, name, max, out);
}

/* ---- keys ---- */

/* The public key that belongs to the seal's secret and the node's name: what signed the first day's certificate.  When it did not, and a bit of the secret
 * or the name is what was changed, that is told, and the true key is used. */
struct seal_key {
	struct vg_buf seed, name, days;
	struct vg_note_secret s;
};

static bool
signed_first_day(void *ctx)
{
	struct seal_key *k = ctx;
	struct vg_days d = { .n = 0 };
	size_t used;
	bool good = vg_note_key_of_seed(vg_str_cut(vg_buf_str(&k->name), 60), (const uint8_t *)k->seed.p, &k->s) == VG_OK &&
		    vg_days_take(&d, vg_buf_str(&k->days), &k->s.key, &used) == VG_OK;

	vg_days_free(&d);
	return good;
}

/* Which of the two was changed? */
static void
blame(struct vg_check *c, struct seal_key *k)
{
	vg_str rest = vg_buf_str(&k->days), title, name = VG_NIL;
	struct vg_buf was = k->name;
	size_t at = 0;

	(void)vg_str_split(&rest, '\n', &title);
	(void)vg_str_split(&rest, '\n', &name);
	while (at < name.n && at < was.n && name.p[at] == was.p[at])
		at++;
	k->name = (struct vg_buf){ 0 };
	vg_buf_put(&k->name, name);
	if (at < (name.n > was.n ? name.n : was.n) && signed_first_day(k)) {
		vg_check_damage(c, "seal/node", at, at + 1, "is another name than the one that the seal signs under");
		vg_buf_fini(&was);
		return;
	}
	vg_buf_fini(&k->name);
	k->name = was;
	if (vg_flipped_bit(k->seed.p, SECRET, signed_first_day, k, &at))
		vg_check_damage(c, "seal/log.secret", at, at + 1, "one bit of the log's secret key was flipped");
	else
		(void)signed_first_day(k); /* days.log is what is wrong, and is told there */
}

static vg_rc
key_of_seal(struct vg_check *c, struct vg_note_key *out)
{
	struct seal_key k = { .seed = { 0 } };
	vg_rc rc = slurp(c, "seal/log.secret", 4096, &k.seed);

	if (rc == VG_OK && (rc = slurp(c, "seal/node", 4096, &k.name)) == VG_OK)
		rc = k.seed.n == SECRET ? VG_OK : VG_E_TRUNC;
	if (rc == VG_OK && slurp(c, "seal/" VG_DAYS_FILE, VG_DAYS_BYTES_MAX, &k.days) == VG_OK && !signed_first_day(&k) && k.days.n)
		blame(c, &k);
	if (rc == VG_OK && k.days.n == 0)
		rc = vg_note_key_of_seed(vg_str_cut(vg_buf_str(&k.name), 60), (const uint8_t *)k.seed.p, &k.s);
	if (rc == VG_OK && k.s.key.name[0] == 0)
		rc = VG_E_FORMAT;
	if (rc == VG_OK)
		*out = k.s.key;
	vg_note_secret_fini(&k.s);
	if (k.seed.p)
		sodium_memzero(k.seed.p, k.seed.cap);
	vg_buf_fini(&k.seed);
	vg_buf_fini(&k.name);
	vg_buf_fini(&k.days);
	return rc;
}

void
vg_node_key(struct vg_check *c)
{
	struct vg_note_key seal;
	vg_rc rc = c->watch ? key_of_seal(c, &seal) : VG_E_NOTFOUND;

	at_top(c);
	if (rc == VG_E_TRUNC || rc == VG_E_FORMAT || rc == VG_E_LIMIT)
		vg_check_damage(c, "seal/log.secret", 0, SECRET, "is no key of %d bytes", SECRET);
	else if (rc == VG_E_NOTFOUND && c->watch)
		vg_check_warn(c, "seal/log.secret", "or seal/node is not here: the watch cannot sign without");
	else if (rc == VG_OK && c->log_given && memcmp(&seal, &c->log, sizeof(seal)) != 0)
		vg_check_damage(c, "seal/log.secret", 0, SECRET, "is another key than --log-key");
	if (rc == VG_OK && !c->has_log) {
		c->log = seal;
		c->has_log = true;
		c->log_from = "the seal";
	}
}

vg_rc
vg_node_days(struct vg_check *c)
{
	struct vg_buf text = { 0 }, b = { 0 };
	uint64_t damages = 0;
	vg_rc rc = VG_OK;

	at_top(c);
	if (c->has_log) {
		vg_note_key_print(&c->log, &text);
		vg_buf_putc(&text, 0);
		if (text.rc == VG_OK)
			vg_check_say(c, "key", "the log's key, of %s: %s", c->log_from, text.p);
		vg_buf_fini(&text);
		rc = slurp(c, "seal/" VG_DAYS_FILE, VG_DAYS_BYTES_MAX, &b);
	}
	if (c->has_log && rc == VG_OK) {
		rc = vg_verify_days(vg_buf_str(&b), "seal/" VG_DAYS_FILE, &c->log, vg_check_found, c, &c->days, &damages);
		c->has_days = rc == VG_OK;
	} else if (rc == VG_E_NOTFOUND) {
		if (c->watch)
			vg_check_damage(c, "seal/" VG_DAYS_FILE, 0, 0, "is missing: the certificates of the days' keys");
		rc = VG_OK;
	}
	vg_buf_fini(&b);
	return rc;
}

bool
vg_node_tenant_key(struct vg_check *c, const char *tenant, uint8_t key[32])
{
	char name[VG_DISK_NAME_MAX + 8];
	struct vg_buf b = { 0 };
	bool ok;

	snprintf(name, sizeof(name), "keys/%.48s.key", tenant);
	ok = slurp(c, name, SECRET, &b) == VG_OK && b.n == SECRET;
	if (ok)
		memcpy(key, b.p, SECRET);
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_fini(&b);
	return ok;
}

/* ---- what the seal knows ---- */

static void
tell_last(struct vg_check *c, const char *checkpoint, const char *file, const struct vg_checkpoint *last, const struct vg_verified *v)
{
	const struct vg_checkpoint *now = &v->checkpoint;
	char then[VG_TIME_MAX], when[VG_TIME_MAX] = "never";
	vg_rc rc = vg_verified_holds(v, last->size, &last->root);

	(void)vg_time_print(last->time_ns, 0, then);
	if (v->has_checkpoint)
		(void)vg_time_print(now->time_ns, 0, when);
	if (!v->has_checkpoint && last->size && !c->live)
		vg_check_damage(c, checkpoint, 0, 0, "is missing: the seal signed %llu blocks on %s", (unsigned long long)last->size, then);
	else if (rc == VG_E_NOTFOUND && v->damages == 0)
		vg_check_damage(c, file, 0, 0, "rolled back: the seal signed %llu blocks on %s, and %llu are here, signed on %s: the vault was put back, and the seal was not",
				(unsigned long long)last->size, then, (unsigned long long)v->size, when);
	else if (rc == VG_E_REFUSED && v->damages == 0)
		vg_check_damage(c, file, 0, 0, "forked: the %llu blocks that the seal signed on %s are others than those here", (unsigned long long)last->size, then);
	else if (v->damages == 0 && last->size < now->size && !c->live)
		vg_check_damage(c, file, 0, 0, "the checkpoint has %llu blocks, and the seal knows that it signed %llu: the seal's own memory was put back",
				(unsigned long long)now->size, (unsigned long long)last->size);
	else if (v->damages == 0 && last->size == now->size && (last->seq != now->seq || last->epoch != now->epoch || strcmp(last->origin, now->origin) != 0))
		vg_check_damage(c, file, 0, 0, "is not what the seal signed: the checkpoint says otherwise");
}

static bool
is_exactly(vg_str text, struct vg_checkpoint *out)
{
	struct vg_buf again = { 0 };
	bool same = vg_checkpoint_parse(text, out) == VG_OK;

	if (same)
		vg_checkpoint_print(out, &again);
	same = same && again.rc == VG_OK && vg_str_eq(vg_buf_str(&again), text);
	vg_buf_fini(&again);
	return same;
}

void
vg_node_last(struct vg_check *c, const char *tenant, struct vg_node_last *out)
{
	char name[VG_DISK_NAME_MAX];

	*out = (struct vg_node_last){ .rc = VG_E_NOTFOUND };
	if (!c->watch)
		return;
	snprintf(name, sizeof(name), "seal/%.50s.last", tenant);
	out->rc = slurp(c, name, 4096, &out->text);
}

/* Its other half, until somebody took it away: it must belong to some tenant's. */
struct recovery {
	struct vg_buf secret;
	const struct vg_note_key *key;
};

static bool
is_half_of(void *ctx)
{
	struct recovery *r = ctx;
	struct vg_note_secret s;
	bool good = vg_recovery_signer((const uint8_t *)r->secret.p, &s) == VG_OK && memcmp(s.key.public, r->key->public, sizeof(s.key.public)) == 0;

	vg_note_secret_fini(&s);
	return good;
}

static vg_rc
read_recovery(struct vg_check *c, struct vg_buf *out)
{
	vg_rc rc = slurp(c, RECOVERY, 4096, out);

	return rc == VG_OK && out->n != SECRET ? VG_E_TRUNC : rc;
}

static void
forget(struct vg_buf *secret)
{
	if (secret->p)
		sodium_memzero(secret->p, secret->cap);
	vg_buf_fini(secret);
}

static void
meet_recovery_key(struct vg_check *c, const char *tenant)
{
	struct vg_buf text = { 0 };
	struct vg_note_key key;
	struct recovery r = { .key = &key };
	char name[VG_DISK_NAME_MAX + 32];

	snprintf(name, sizeof(name), "vault/%.64s/keys/" VG_KEY_RECOVERY, tenant);
	if (slurp(c, name, 4096, &text) == VG_OK && vg_note_key_parse(vg_str_trim(vg_buf_str(&text)), &key) == VG_OK) {
		if (!c->has_recovery)
			c->recovery = key;
		c->has_recovery = true;
		if (read_recovery(c, &r.secret) == VG_OK)
			c->recovery_fits |= is_half_of(&r);
	}
	forget(&r.secret);
	vg_buf_fini(&text);
}

static void
check_recovery_secret(struct vg_check *c)
{
	struct recovery r = { .key = &c->recovery };
	vg_rc rc = read_recovery(c, &r.secret);
	size_t at;

	if (rc == VG_E_TRUNC || rc == VG_E_LIMIT)
		vg_check_damage(c, RECOVERY, 0, SECRET, "is no key of %d bytes", SECRET);
	else if (rc == VG_OK && c->has_recovery && !c->recovery_fits && vg_flipped_bit(r.secret.p, SECRET, is_half_of, &r, &at))
		vg_check_damage(c, RECOVERY, at, at + 1, "one bit of the recovery key was flipped");
	else if (rc == VG_OK && c->has_recovery && !c->recovery_fits)
		vg_check_damage(c, RECOVERY, 0, SECRET, "is not the other half of any tenant's recovery.pub: it opens nothing here");
	forget(&r.secret);
}

void
vg_node_tenant(struct vg_check *c, const char *tenant, const struct vg_node_last *l, const struct vg_verified *v)
{
	char name[VG_DISK_NAME_MAX], checkpoint[VG_DISK_NAME_MAX + 32];
	struct vg_checkpoint last;
	struct vg_buf b = { 0 };
	vg_rc rc;

	at_top(c);
	if (c->watch)
		meet_recovery_key(c, tenant);
	snprintf(checkpoint, sizeof(checkpoint), "vault/%.64s/" VG_CHECKPOINT_FILE, tenant);
	snprintf(name, sizeof(name), "keys/%.48s.key", tenant);
	if (v->key_refused)
		vg_check_damage(c, name, 0, SECRET, "does not open the tenant's day keys: it is another key");
	if (!c->watch)
		return;
	rc = slurp(c, name, 4096, &b);
	if (rc != VG_E_NOTFOUND && b.n != SECRET)
		vg_check_damage(c, name, b.n < SECRET ? b.n : SECRET, b.n < SECRET ? SECRET : b.n, "is no key of %d bytes", SECRET);
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_clear(&b);
	if (rc == VG_E_NOTFOUND)
		vg_check_warn(c, name, "is missing: the watch cannot read its own evidence without it; the recovery key opens vault/%s/keys/%s", tenant, VG_KEY_SEALED);
	snprintf(name, sizeof(name), "seal/%.50s.last", tenant);
	rc = l->rc;
	if (rc == VG_E_NOTFOUND && v->has_checkpoint && v->checkpoint.size && !c->live)
		vg_check_damage(c, name, 0, 0, "is missing: what the seal signed last, by which it refuses to sign a smaller tree");
	else if (rc == VG_OK && !is_exactly(vg_buf_str(&l->text), &last))
		vg_check_damage(c, name, 0, l->text.n ? l->text.n : 1, "is no checkpoint");
	else if (rc == VG_OK)
		tell_last(c, checkpoint, name, &last, v);
	vg_buf_fini(&b);
}

/* The secret of the day must be the one that the last certificate names. */
static void
check_day_secret(struct vg_check *c)
{
	struct vg_buf b = { 0 };
	bool found = false;
	vg_rc rc = slurp(c, "seal/day.secret", DAY_SECRET, &b);

	if (rc == VG_OK && b.n == DAY_SECRET && c->has_days && c->days.n) {
		struct vg_cur number = vg_cur_of(b.p + SECRET, 4);
		uint32_t day = vg_cur_le32(&number);

		for (size_t i = c->days.n; i-- > 0 && c->days.n - i <= VG_DAYS_UNUSED_MAX;) {
			struct vg_note_secret s;

			if (vg_note_key_of_seed(vg_str_of(c->days.day[i].key.name), (const uint8_t *)b.p, &s) == VG_OK)
				found = found || (memcmp(s.key.public, c->days.day[i].key.public, 32) == 0 && c->days.day[i].day == day);
			vg_note_secret_fini(&s);
		}
	}
	if (rc == VG_E_NOTFOUND && c->days.n)
		vg_check_damage(c, "seal/day.secret", 0, 0, "is missing: the secret of the day's key");
	else if (rc != VG_E_NOTFOUND && !found && c->has_days)
		vg_check_damage(c, "seal/day.secret", 0, DAY_SECRET, "is not the key that days.log certifies");
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_fini(&b);
}

/* ---- the intake journal ---- */

static vg_rc
journal(struct vg_check *c, uint64_t *first, uint64_t *next, struct vg_intake_damage *torn)
{
	struct vg_intake_options o = { .first = 1 };
	struct vg_disk vault = { .dir = openat(c->house.dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .read_only = true }, d;
	struct vg_intake_damage bad;
	struct vg_intake *j;
	vg_rc rc = vault.dir < 0 ? VG_E_SYS : vg_disk_folder(&vault, "intake", &d);

	if (rc == VG_OK) {
		for (int tries = 0; tries < 5; tries++) { /* a watch drops files that it has done with */
			rc = vg_intake_open(&d, &o, &bad, &j);
			if (rc != VG_E_NOTFOUND)
				break;
		}
		if (rc == VG_OK) {
			if (bad.name[0])
				*torn = bad;
			*first = vg_intake_first(j);
			*next = vg_intake_next(j);
			vg_intake_free(j);
		} else if (rc == VG_E_FORMAT || rc == VG_E_UNSUP) { /* what a later version wrote, this one cannot vouch for */
			char name[VG_DISK_NAME_MAX + 16];

			snprintf(name, sizeof(name), "vault/intake/%s", bad.name);
			vg_check_found(c, &(struct vg_finding){ .grade = VG_GRADE_DAMAGE, .file = name, .at = bad.at, .until = bad.until > bad.at ? bad.until : bad.at + 1,
								.seq = bad.seq, .until_seq = bad.until_seq, .what = "no whole batch of records stands here",
								.advice = "records that stand in segments are not concerned" });
		}
		vg_disk_close(&d);
	}
	vg_disk_close(&vault);
	return rc;
}

static void
check_journal(struct vg_check *c)
{
	uint64_t first = 0, next = 0;
	struct vg_intake_damage torn = { .at = 0 };
	char name[VG_DISK_NAME_MAX + 16] = "vault/intake";
	vg_rc rc = journal(c, &first, &next, &torn);

	if (rc == VG_E_NOTFOUND)
		vg_check_damage(c, "vault/intake", 0, 0, "is missing: the records that stand in no segment yet");
	else if (rc == VG_E_SYS || rc == VG_E_NOMEM) {
		vg_log(VG_LOG_ERROR, "vault verify: vault/intake: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		c->unseen = true;
	}
	if (rc != VG_OK)
		return;
	if (torn.name[0])
		snprintf(name, sizeof(name), "vault/intake/%s", torn.name);
	if (next < c->next_seq)
		vg_check_damage(c, name, torn.at, torn.until, "the segments hold records up to %llu, and the intake journal ends %s%llu: it was cut off, changed, or is an older one",
				(unsigned long long)c->next_seq - 1, next == 1 ? "before " : "with ", (unsigned long long)(next == 1 ? 1 : next - 1));
	else if (torn.name[0] && !c->live)
		vg_check_say(c, "note", "%s ends at byte %llu in a batch that was never finished, nor acknowledged", name, (unsigned long long)torn.at);
	if (first > c->next_seq)
		vg_check_found(c, &(struct vg_finding){ .grade = VG_GRADE_DAMAGE, .file = "vault/intake", .seq = c->next_seq, .until_seq = first,
							.what = "files of it are missing: neither a segment nor the journal holds these records" });
	if (c->torn_seq && !c->live && (first > c->torn_seq || next <= c->torn_seq))
		vg_check_damage(c, c->torn, c->torn_at, c->torn_at + 1, "no whole block stands here, and the intake journal does not hold its records");
	else if (c->torn_seq && !c->live)
		vg_check_say(c, "note", "%s ends at byte %llu in a block that was never finished; the intake journal holds its records", c->torn, (unsigned long long)c->torn_at);
}

/* ---- databases ---- */

static void
check_db(struct vg_check *c, const char *name)
{
	char path[4200];
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	const char *says = NULL;
	int rc;

	if (faccessat(c->house.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		vg_check_damage(c, name, 0, 0, "is missing (it can be made again from the vault, but for what people decided)");
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", c->house.path, name);
	rc = vg_db_open_read(path, &db);
	if (rc == SQLITE_OK)
		(void)sqlite3_busy_timeout(db, 5000);
	if (rc == SQLITE_OK && (rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL)) == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		says = (const char *)sqlite3_column_text(st, 0);
		rc = says && strcmp(says, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
	}
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_ERROR)
		vg_check_damage(c, name, 0, 0, "is damaged: %.200s (no evidence: it can be made again from the vault, but for what people decided)", says ? says : sqlite3_errmsg(db));
	else if (rc != SQLITE_OK)
		vg_check_warn(c, name, "could not be looked at: %s", db ? sqlite3_errmsg(db) : "out of memory");
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
}

void
vg_node_rest(struct vg_check *c)
{
	static const char *const databases[] = { "vault/catalogue.db", "trace/signals.db" };

	at_top(c);
	if (!c->watch) {
		if (c->torn_seq && !c->live)
			vg_check_damage(c, c->torn, c->torn_at, c->torn_at + 1, "no whole block stands here");
		return;
	}
	check_day_secret(c);
	check_recovery_secret(c);
	check_journal(c);
	for (size_t i = 0; i < VG_COUNT(databases); i++)
		check_db(c, databases[i]);
}
