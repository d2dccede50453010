/* vault/verify_gone.c - what was destroyed, and whether it was done as it must be: a certificate, signed by the log's key and that of the day,
 * that rests on an announcement days before or on an order of the recovery key, and that counts just the blocks that are under the key. */
#include "vault/verify_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"

#define SLACK_NS (10 * VG_MIN) /* a note may be signed so long after the time that it says, over midnight too */

struct vg_verify_gone *
vg_verify_gone_of(struct vg_verify *v, uint32_t key)
{
	struct vg_verify_gone *p;

	for (size_t i = v->ngone; i-- > 0;)
		if (v->gone[i].key == key)
			return &v->gone[i];
	if ((p = realloc(v->gone, (v->ngone + 1) * sizeof(*p))) == NULL) {
		v->rc = VG_E_NOMEM;
		return NULL;
	}
	v->gone = p;
	p = &v->gone[v->ngone++];
	*p = (struct vg_verify_gone){ .key = key };
	(void)crypto_hash_sha256_init(&p->heads);
	return p;
}

/* ---- the notes ---- */

/* The recovery key as its file says, which must be the other half of what tenants' keys are sealed for. */
static bool
recovery_key(struct vg_verify *v, struct vg_note_key *out)
{
	struct vg_buf pub = { 0 }, sealed = { 0 };
	bool ok = vg_disk_slurp(&v->d, "keys/" VG_KEY_RECOVERY, 4096, &pub) == VG_OK && vg_note_key_parse(vg_str_trim(vg_buf_str(&pub)), out) == VG_OK &&
		  vg_disk_slurp(&v->d, "keys/" VG_KEY_SEALED, 4096, &sealed) == VG_OK && vg_tenant_sealed_check(vg_buf_str(&sealed)) == VG_OK &&
		  vg_recovery_is(out, (const uint8_t *)sealed.p + 8);

	vg_buf_fini(&pub);
	vg_buf_fini(&sealed);
	return ok;
}

void
vg_verify_recovery(struct vg_verify *v, const struct vg_verify_file *f)
{
	struct vg_buf pub = { 0 }, sealed = { 0 };
	struct vg_note_key k;
	bool other = vg_disk_slurp(&v->d, "keys/" VG_KEY_SEALED, 4096, &sealed) == VG_OK && vg_tenant_sealed_check(vg_buf_str(&sealed)) == VG_OK &&
		     !recovery_key(v, &k); /* one that is damaged itself says nothing of this one */
	bool cut = vg_disk_slurp(&v->d, f->name, 4096, &pub) == VG_OK && (pub.n == 0 || pub.p[pub.n - 1] != '\n');

	vg_buf_fini(&pub);
	vg_buf_fini(&sealed);
	if (cut)
		(void)vg_verify_damage(v, f->name, f->size ? f->size - 1 : 0, f->size ? f->size : 1, "ends without the end of its line");
	else if (other)
		(void)vg_verify_damage(v, f->name, 0, f->size ? f->size : 1, "is not the key that the tenant's key is sealed for (keys/" VG_KEY_SEALED ")");
}

/* NULL: the signatures of the note are those that one of its kind must have. */
static const char *
unsigned_by(struct vg_verify *v, vg_str note, const struct vg_destruction *e)
{
	const struct vg_verify_options *o = v->o;
	const struct vg_day *day;
	struct vg_note_key k;
	int64_t begins;

	if (e->kind == VG_DESTRUCTION_ORDERED)
		return recovery_key(v, &k) && vg_note_is_signed(note, &k) ? NULL : "is not signed by the recovery key";
	if (o->log_key && !vg_note_is_signed(note, o->log_key))
		return "is not signed by the log's key";
	if (o->days == NULL)
		return NULL;
	if ((day = vg_days_signer(o->days, note)) == NULL)
		return "is not signed by the key of a day that days.log certifies";
	begins = (int64_t)day->day * VG_DAY;
	if (e->time_ns < begins - SLACK_NS || e->time_ns >= begins + VG_DAY)
		return "says another day than that whose key signed it: it was made at another time";
	return NULL;
}

/* NULL: the note of file @name is good; else what is wrong. */
static const char *
judge(struct vg_verify *v, const char *name, vg_str note, struct vg_destruction *e)
{
	vg_str text;

	if (vg_note_text(note, &text) != VG_OK || vg_destruction_parse(text, e) != VG_OK || !vg_str_ends(vg_str_of(name), vg_str_of(vg_destruction_suffix(e->kind))))
		return "is no note about a key that goes";
	if (e->key != strtoul(name + strlen("keys/"), NULL, 10))
		return "is about another key than its name says";
	if (v->out->has_checkpoint && strcmp(e->origin, v->out->checkpoint.origin) != 0)
		return "is another log's";
	return unsigned_by(v, note, e);
}

static const char *
take(struct vg_verify *v, const char *name, struct vg_buf *note, struct vg_destruction *e)
{
	vg_buf_clear(note);
	return vg_disk_slurp(&v->d, name, VG_NOTE_BYTES_MAX, note) == VG_OK ? judge(v, name, vg_buf_str(note), e) : "cannot be read";
}

struct again {
	struct vg_verify *v;
	const char *name;
};

static bool
note_is_good(void *ctx)
{
	struct again *a = ctx;
	struct vg_destruction e;

	return judge(a->v, a->name, vg_buf_str(&a->v->bytes), &e) == NULL;
}

/* The note in v->bytes is not good. */
static void
bad(struct vg_verify *v, const char *name, const char *wrong)
{
	struct again a = { v, name };
	size_t at;

	if (v->bytes.n && v->bytes.n < 4096 && v->o->log_key && !note_is_good(&a) && vg_flipped_bit(v->bytes.p, v->bytes.n, note_is_good, &a, &at))
		(void)vg_verify_damage(v, name, at, at + 1, "%s: one bit was flipped, 0x%02x would be right", wrong, (uint8_t)v->bytes.p[at]);
	else
		(void)vg_verify_damage(v, name, 0, v->bytes.n ? v->bytes.n : 1, "%s", wrong);
}

void
vg_verify_due(struct vg_verify *v, const struct vg_verify_file *f)
{
	struct vg_destruction e;
	const char *wrong = take(v, f->name, &v->bytes, &e);

	if (wrong)
		bad(v, f->name, wrong);
	else
		v->out->keys_due += e.key < VG_KEYS_SEEN_MAX && v->key_seen[e.key] != 2;
}

/* What the certificate rests on. */
static const char *
rests_on(struct vg_verify *v, const struct vg_destruction *gone)
{
	struct vg_buf note = { 0 };
	const char *wrong = "rests on nothing: nobody announced it, and nobody with the recovery key ordered it";

	for (int kind = VG_DESTRUCTION_ANNOUNCED; kind <= VG_DESTRUCTION_ORDERED; kind++) {
		struct vg_destruction base;
		char name[VG_VERIFY_NAME_MAX];

		snprintf(name, sizeof(name), "keys/%08u%s", gone->key, vg_destruction_suffix((enum vg_destruction_kind)kind));
		if (vg_verify_find(v, name) == NULL)
			continue;
		if ((wrong = take(v, name, &note, &base)) == NULL && (wrong = vg_destruction_wrong(gone, &base)) == NULL)
			break;
	}
	vg_buf_fini(&note);
	return wrong;
}

/* Are the blocks under the key those that it counts?  Their heads are here, also when the rest is not. */
static bool
is_all(struct vg_verify *v, const struct vg_destruction *e)
{
	struct vg_verify_gone *g = vg_verify_gone_of(v, e->key);
	crypto_hash_sha256_state sha;
	struct vg_hash heads;

	if (g == NULL)
		return true; /* told by v->rc */
	sha = g->heads;
	(void)crypto_hash_sha256_final(&sha, heads.b);
	return g->of.blocks == e->of.blocks && g->of.records == e->of.records && g->of.first_seq == e->of.first_seq && g->of.next_seq == e->of.next_seq &&
	       vg_hash_eq(&heads, &e->of.heads);
}

void
vg_verify_gone(struct vg_verify *v, const struct vg_verify_file *f)
{
	char key[VG_VERIFY_NAME_MAX];
	struct vg_destruction e;
	const char *wrong = take(v, f->name, &v->bytes, &e);

	if (wrong == NULL)
		wrong = rests_on(v, &e);
	if (wrong) {
		bad(v, f->name, wrong);
		return;
	}
	snprintf(key, sizeof(key), "%.*s" VG_KEY_SUFFIX, (int)strlen("keys/########"), f->name);
	if (vg_verify_find(v, key)) {
		if (v->o->watch && !v->o->live)
			vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_WARNING, .file = key, .advice = "remove it; the watch does when it starts" },
				       "is here, though it was said to be destroyed");
		return; /* a witness may keep what it was not shown to be due */
	}
	if (!v->broken && !is_all(v, &e))
		bad(v, f->name, "counts other blocks than those that are under its key");
	else
		v->out->keys_gone++;
}
