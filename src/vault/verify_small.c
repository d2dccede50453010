/* vault/verify_small.c - what is signed, or has its digest with it.  These are small: when one bit was flipped, it is found by trying. */
#include "vault/verify_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "vault/store.h"

#define SEEN_BYTES_MAX ((size_t)256 << 20)
#define MIDNIGHT_NS (10 * VG_MIN) /* a checkpoint may be signed so long after the time that it says */

/* ---- the checkpoint ---- */

struct note_check {
	struct vg_verify *v;
	vg_str note;
	struct vg_checkpoint c;
	const struct vg_day *day;
};

/* NULL: nothing is wrong with it. */
static const char *
wrong_with(struct note_check *n)
{
	const struct vg_verify_options *o = n->v->o;
	vg_str text;

	n->day = NULL;
	if (vg_note_text(n->note, &text) != VG_OK || vg_checkpoint_parse(text, &n->c) != VG_OK)
		return "is no checkpoint as the vault writes them";
	if (o->log_key && !vg_note_is_signed(n->note, o->log_key))
		return "is not signed by the log's key";
	if (o->days && (n->day = vg_days_signer(o->days, n->note)) == NULL)
		return "is not signed by the key of a day that days.log certifies";
	return NULL;
}

static bool
note_is_good(void *ctx)
{
	return wrong_with(ctx) == NULL;
}

/* The day's key is gone when the day is: a note that a later one signed was made later than it says. */
static void
check_day(struct vg_verify *v, const struct note_check *n)
{
	int64_t begins = (int64_t)n->day->day * VG_DAY;

	if (n->c.time_ns >= begins - MIDNIGHT_NS && n->c.time_ns < begins + VG_DAY)
		return;
	vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_WARNING, .file = VG_CHECKPOINT_FILE },
		       "the time that it says is not of the day whose key signed it (%s): a clock was set, or it was made at another time", n->day->key.name);
}

void
vg_verify_checkpoint(struct vg_verify *v)
{
	struct note_check n = { .v = v };
	const char *wrong;
	char was;
	size_t at;
	vg_rc rc = vg_disk_slurp(&v->d, VG_CHECKPOINT_FILE, VG_NOTE_BYTES_MAX, &v->note);

	if (rc == VG_E_NOTFOUND)
		return;
	v->out->has_checkpoint = true;
	vg_buf_putc(&v->note, 0); /* for people's tools that look for its lines */
	v->note.n -= v->note.rc == VG_OK;
	if (rc != VG_OK || v->note.rc != VG_OK) {
		(void)vg_verify_damage(v, VG_CHECKPOINT_FILE, 0, 0, "cannot be read");
		return;
	}
	n.note = vg_buf_str(&v->note);
	if ((wrong = wrong_with(&n)) != NULL) {
		struct vg_buf copy = { 0 };

		vg_buf_put(&copy, n.note);
		n.note = vg_buf_str(&copy);
		if (copy.rc == VG_OK && v->o->log_key && copy.n < 4096 && vg_flipped_bit(copy.p, copy.n, note_is_good, &n, &at)) {
			was = v->note.p[at];
			v->note.p[at] = copy.p[at];
			(void)vg_verify_damage(v, VG_CHECKPOINT_FILE, at, at + 1, "%s: one bit was flipped, it is 0x%02x and was 0x%02x", wrong, (uint8_t)was, (uint8_t)copy.p[at]);
		} else {
			(void)vg_verify_damage(v, VG_CHECKPOINT_FILE, 0, v->note.n, "%s", wrong);
		}
		vg_buf_fini(&copy);
		n.note = vg_buf_str(&v->note);
		wrong = wrong_with(&n);
	}
	v->out->checkpoint = n.c;
	v->out->log_signed = wrong == NULL && v->o->log_key;
	v->out->day_signed = wrong == NULL && n.day;
	v->out->cosigned = wrong == NULL && v->o->witness && vg_note_is_signed(n.note, v->o->witness);
	if (n.day)
		check_day(v, &n);
}

/* ---- keys ---- */

struct small { /* something whose own digest says whether it is whole */
	struct vg_buf *b;
	vg_rc (*check)(vg_str bytes);
};

static bool
small_is_good(void *ctx)
{
	struct small *s = ctx;

	return s->check(vg_buf_str(s->b)) == VG_OK;
}

static bool
check_small(struct vg_verify *v, const char *name, size_t size, vg_rc (*check)(vg_str), const char *what)
{
	struct small s = { &v->bytes, check };
	size_t at;

	if (!vg_verify_read(v, name, 4096))
		return false;
	if (check(vg_buf_str(&v->bytes)) == VG_OK)
		return true;
	if (v->bytes.n < size)
		return vg_verify_damage(v, name, v->bytes.n, size, "%s is cut off: %zu bytes of %zu", what, v->bytes.n, size);
	if (v->bytes.n > size)
		return vg_verify_damage(v, name, size, v->bytes.n, "there are bytes behind %s", what);
	if (vg_flipped_bit(v->bytes.p, v->bytes.n, small_is_good, &s, &at))
		return vg_verify_damage(v, name, at, at + 1, "one bit of %s was flipped: 0x%02x would be right", what, (uint8_t)v->bytes.p[at]);
	return vg_verify_damage(v, name, 0, size, "%s is not what its digest says", what);
}

static vg_rc
day_key_is(vg_str bytes)
{
	return vg_day_key_check(bytes, NULL);
}

void
vg_verify_key(struct vg_verify *v, const struct vg_verify_file *f)
{
	struct vg_day_key k;

	if (!check_small(v, f->name, VG_DAY_KEY_BYTES, day_key_is, "the wrapped key"))
		return;
	if (vg_day_key_check(vg_buf_str(&v->bytes), &k) == VG_OK && k.number != strtoul(f->name + 5, NULL, 10))
		(void)vg_verify_damage(v, f->name, 8, 12, "it is key %u: files were renamed", k.number);
}

void
vg_verify_sealed(struct vg_verify *v, const struct vg_verify_file *f)
{
	(void)check_small(v, f->name, VG_TENANT_SEALED_BYTES, vg_tenant_sealed_check, "the tenant's key, sealed for the recovery key,");
}

void
vg_verify_keys(struct vg_verify *v)
{
	if (v->o->watch && v->key_most && vg_verify_find(v, "keys/" VG_KEY_SEALED) == NULL)
		(void)vg_verify_damage(v, "keys/" VG_KEY_SEALED, 0, 0, "is missing: without it the recovery key opens nothing");
	if (v->o->watch && v->key_most && vg_verify_find(v, "keys/" VG_KEY_RECOVERY) == NULL)
		(void)vg_verify_damage(v, "keys/" VG_KEY_RECOVERY, 0, 0, "is missing: without it nothing that the recovery key signed can be verified; a witness's copy and a self-backup have it");
	if (v->o->watch && v->note.n && vg_verify_find(v, "log.pub") == NULL)
		(void)vg_verify_damage(v, "log.pub", 0, 0, "is missing: by it others verify a copy; the watch writes it anew when it starts");
	for (uint32_t n = 1; n <= v->key_most; n++) {
		char name[VG_VERIFY_NAME_MAX];

		if (v->key_seen[n])
			continue;
		snprintf(name, sizeof(name), "keys/%08u" VG_KEY_SUFFIX, n);
		vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_WARNING, .file = name }, "is missing; no block that is here needs it");
	}
}

static vg_rc
log_key_is(vg_str bytes)
{
	struct vg_note_key k;

	return bytes.n && bytes.p[bytes.n - 1] == '\n' ? vg_note_key_parse(vg_str_cut(bytes, bytes.n - 1), &k) : VG_E_FORMAT;
}

void
vg_verify_log_key(struct vg_verify *v, const struct vg_verify_file *f)
{
	struct vg_note_key k;

	if (!check_small(v, f->name, (size_t)f->size, log_key_is, "the log's key") || v->o->log_key == NULL)
		return;
	if (vg_note_key_parse(vg_str_cut(vg_buf_str(&v->bytes), v->bytes.n - 1), &k) != VG_OK || memcmp(&k, v->o->log_key, sizeof(k)) != 0)
		(void)vg_verify_damage(v, f->name, 0, v->bytes.n, "is another key than the one that this log was to be verified by");
}

/* ---- what others have seen: stamps, and a witness's notes ---- */

/* A checkpoint that the log signed once: what is here must have it in its past. */
static void
check_past(struct vg_verify *v, const char *file, uint64_t at, uint64_t until, const struct vg_checkpoint *c, vg_rc rc)
{
	char when[VG_TIME_MAX];

	if (rc == VG_OK || (v->broken && rc == VG_E_NOTFOUND))
		return;
	(void)vg_time_print(c->time_ns, 0, when);
	(void)vg_verify_damage(v, file, at, until, "this log signed %llu blocks on %s, %s", (unsigned long long)c->size, when,
			       rc == VG_E_NOTFOUND ? "and there are fewer here: it was rolled back" : "and those here are others: it was forked");
}

static void
believe(struct vg_verify *v, const struct vg_verify_file *f, vg_str note, vg_str response, const struct vg_checkpoint *c)
{
	char why[VG_STAMP_WHY];
	struct vg_stamp s;

	if (vg_stamp_verify(note, response, NULL, v->o->tsa_ca, &s, why) != VG_OK) {
		vg_verify_tell(v, &(struct vg_finding){ .grade = VG_GRADE_DAMAGE, .file = f->name, .at = 12 + note.n, .until = f->size,
							.advice = "if it is of another authority, give that one's certificate too" }, "the time stamp does not count: %s", why);
		return;
	}
	v->out->stamps_good++;
	if (!v->out->stamped || c->size > v->out->stamp_of.size || (c->size == v->out->stamp_of.size && s.time_ns > v->out->stamp.time_ns)) {
		v->out->stamped = true;
		v->out->stamp = s;
		v->out->stamp_of = *c;
	}
}

void
vg_verify_stamp(struct vg_verify *v, const struct vg_verify_file *f)
{
	vg_str note, response, text;
	struct vg_checkpoint c;
	char name[VG_STAMP_NAME_MAX];

	if (!vg_verify_read(v, f->name, VG_NOTE_BYTES_MAX + VG_STAMP_RESPONSE_MAX + 16))
		return;
	v->out->stamps++;
	if (vg_stamp_take(vg_buf_str(&v->bytes), &note, &response) != VG_OK || vg_note_text(note, &text) != VG_OK || vg_checkpoint_parse(text, &c) != VG_OK) {
		(void)vg_verify_damage(v, f->name, 0, f->size ? f->size : 1, "is no time stamp as the vault keeps them");
		return;
	}
	vg_stamp_name(c.size, name);
	if (strcmp(name, f->name + strlen("stamps/")) != 0)
		(void)vg_verify_damage(v, f->name, 12, 12 + note.n, "is over a checkpoint of %llu blocks: it was renamed or changed", (unsigned long long)c.size);
	else if (v->o->log_key && !vg_note_is_signed(note, v->o->log_key))
		(void)vg_verify_damage(v, f->name, 12, 12 + note.n, "is over a checkpoint that the log's key did not sign");
	else {
		check_past(v, f->name, 12, 12 + note.n, &c, v->undecided ? VG_OK : vg_verified_holds(v->out, c.size, &c.root));
		if (v->o->tsa_ca.n)
			believe(v, f, note, response, &c);
	}
}

/* One "NOTE BYTES\n" and the note at @at.  0: there is none. */
static size_t
take_seen(struct vg_verify *v, size_t at, vg_str *note, struct vg_checkpoint *c)
{
	vg_str rest = vg_str_skip(vg_buf_str(&v->bytes), at), text;
	size_t line = vg_str_chr(vg_str_cut(rest, 32), '\n');
	uint64_t n;

	if (line == VG_NPOS || !vg_str_starts(rest, VG_STR("NOTE ")) || !vg_str_u64(vg_str_mem(rest.p + 5, line - 5), &n) || n > VG_NOTE_BYTES_MAX || n > rest.n - line - 1)
		return 0;
	*note = vg_str_mem(rest.p + line + 1, (size_t)n);
	return vg_note_text(*note, &text) == VG_OK && vg_checkpoint_parse(text, c) == VG_OK && (v->o->log_key == NULL || vg_note_is_signed(*note, v->o->log_key)) ?
		       line + 1 + (size_t)n : 0;
}

void
vg_verify_seen(struct vg_verify *v, const struct vg_verify_file *f)
{
	struct vg_frontier tree = { .n = 0 };
	struct vg_checkpoint c;
	struct vg_hash root;
	vg_str note;
	size_t at = 0, n;

	if (!vg_verify_read(v, f->name, SEEN_BYTES_MAX))
		return;
	for (; at < v->bytes.n; at += n) {
		vg_rc rc = VG_OK;

		if ((n = take_seen(v, at, &note, &c)) == 0) {
			if (v->o->live) /* it is being written */
				return;
			(void)vg_verify_damage(v, f->name, at, v->bytes.n, "no checkpoint that the log's key signed stands here");
			return;
		}
		if (v->undecided || c.epoch != v->out->checkpoint.epoch)
			continue;
		if (c.size < tree.n)
			tree.n = 0;
		while (tree.n < c.size && tree.n < v->nleaf)
			vg_frontier_add(&tree, &v->out->leaf[tree.n]);
		vg_frontier_root(&tree, &root);
		if (tree.n < c.size || !vg_hash_eq(&root, &c.root))
			rc = tree.n < c.size ? VG_E_NOTFOUND : VG_E_REFUSED;
		check_past(v, f->name, at, at + n, &c, rc);
		if (rc != VG_OK)
			return;
	}
}

/* ---- the days ---- */

struct days_check {
	const struct vg_days *before;
	const struct vg_note_key *log;
	vg_str rest;
};

static bool
day_is_good(void *ctx)
{
	const struct days_check *c = ctx;
	size_t keep = c->before->n < VG_DAYS_UNUSED_MAX ? c->before->n : VG_DAYS_UNUSED_MAX, used; /* those before are not asked */
	struct vg_days d = { .n = keep, .cap = keep + 1 };
	bool good;

	if ((d.day = calloc(d.cap, sizeof(*d.day))) == NULL)
		return false;
	if (keep)
		memcpy(d.day, c->before->day + c->before->n - keep, keep * sizeof(*d.day));
	good = vg_days_take(&d, c->rest, c->log, &used) == VG_OK;
	vg_days_free(&d);
	return good;
}

vg_rc
vg_verify_days(vg_str bytes, const char *file, const struct vg_note_key *log, vg_finding_fn *found, void *ctx, struct vg_days *out, uint64_t *damages)
{
	struct vg_buf copy = { 0 };
	size_t bad, at, window;
	vg_rc rc;

	vg_buf_put(&copy, bytes);
	if (copy.rc != VG_OK)
		return copy.rc;
	while ((rc = vg_days_read(out, vg_str_cut(vg_buf_str(&copy), copy.n), log, &bad)) == VG_E_FORMAT) {
		struct vg_finding f = { .grade = VG_GRADE_DAMAGE, .file = file, .at = bad, .until = copy.n, .what = "no certificate of a day's key stands here, "
					"signed by the log's key and that of the day before" };
		struct days_check c = { out, log, vg_str_skip(vg_buf_str(&copy), bad) };
		bool repaired;

		window = c.rest.n < 1024 ? c.rest.n : 1024;
		repaired = vg_flipped_bit(copy.p + bad, window, day_is_good, &c, &at);
		if (repaired) {
			f.at = bad + at;
			f.until = f.at + 1;
			f.what = "one bit of a day's certificate was flipped";
		}
		++*damages;
		if (found)
			found(ctx, &f);
		if (!repaired)
			break;
		vg_days_free(out);
	}
	vg_buf_fini(&copy);
	return rc == VG_E_FORMAT ? VG_OK : rc;
}
