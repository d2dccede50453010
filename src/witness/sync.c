#include "witness/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/time.h"
#include "net/loop.h"
#include "witness/copy.h"
#include "witness/destroy.h"
#include "witness/judge.h"

#define CHUNK_BYTES ((uint64_t)32 << 20) /* of a segment, in one request */
#define CHUNK_S 600
#define RELIST_NS (60 * VG_SEC) /* keys and stamps may come without a new block */
#define PENDING_FILE "pending"
#define ACCEPTED_FILE "accepted"
#define PROOFS_MAX 10000 /* files under forks/ */
#define FULL_PERCENT 5

struct tenant {
	char name[VG_TENANT_NAME_MAX];
	struct vg_copy *copy;      /* NULL: not open */
	bool has_seen, good;
	struct vg_checkpoint seen; /* the newest that the log signed */
	int64_t listed_ns;         /* monotonic; 0: never */
	int64_t kept_said_ns;      /* when it was last said what is kept though the watch destroyed it */
	bool kept;
};
struct vg_sync {
	struct vg_sync_options o;
	struct tenant *tenant; /* owned */
	size_t n, cap;
	struct vg_buf note, list;
	struct tenant *now; /* whose files are fetched */
	int64_t polled_ns;  /* monotonic */
	bool small;         /* of the list: small files, not segments */
	char why[VG_COPY_WHY + VG_PULL_WHY];
};

static void
report(struct vg_sync *s, enum vg_report what, const struct tenant *t, const char *text)
{
	s->o.report(s->o.ctx, what, t ? t->name : NULL, text);
}

vg_rc
vg_sync_new(const struct vg_sync_options *o, struct vg_sync **out)
{
	struct vg_sync *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return VG_E_NOMEM;
	s->o = *o;
	*out = s;
	return VG_OK;
}

void
vg_sync_free(struct vg_sync *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		vg_copy_free(s->tenant[i].copy);
	free(s->tenant);
	vg_buf_fini(&s->note);
	vg_buf_fini(&s->list);
	free(s);
}

vg_rc
vg_disk_is_low(int dir, uint64_t free_bytes, bool *low, uint64_t *free_now)
{
	struct statvfs v;

	if (fstatvfs(dir, &v) < 0)
		return VG_E_SYS;
	*free_now = (uint64_t)v.f_bavail * v.f_frsize;
	*low = *free_now < free_bytes || *free_now < (uint64_t)v.f_blocks * v.f_frsize / 100 * FULL_PERCENT;
	return VG_OK;
}

/* ---- proofs ---- */

static vg_rc
write_new(int dir, const char *name, vg_str bytes)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	vg_rc rc;

	if (fd < 0)
		return errno == EEXIST ? VG_OK : VG_E_SYS;
	rc = vg_write_all(fd, bytes);
	if (rc == VG_OK && (fsync(fd) < 0 || fsync(dir) < 0))
		rc = VG_E_SYS;
	close(fd);
	return rc;
}

static vg_rc
count_name(void *ctx, const char *name)
{
	(void)name;
	*(size_t *)ctx += 1;
	return VG_OK;
}

/* Both notes: what the log signs now, under its digest, and what it signed before.  Each is kept once however often it comes. */
static void
keep_proof(struct vg_sync *s, const struct tenant *t, vg_str came)
{
	struct vg_disk d = { .dir = s->o.forks };
	char base[VG_TENANT_NAME_MAX + 40], name[VG_TENANT_NAME_MAX + 64];
	struct vg_buf hex = { 0 };
	struct vg_hash h;
	size_t n = 0;
	vg_rc rc;

	if (s->o.forks < 0)
		return;
	vg_hash_of(came, &h);
	vg_buf_hex(&hex, h.b, 16, false);
	vg_buf_putc(&hex, 0);
	if ((rc = hex.rc) == VG_OK) {
		snprintf(base, sizeof(base), "%s.%s", t->name, hex.p);
		snprintf(name, sizeof(name), "%s.held", base);
		rc = vg_disk_each(&d, ".came", count_name, &n);
		if (rc == VG_OK && n >= PROOFS_MAX)
			rc = VG_E_LIMIT;
		if (rc == VG_OK && t->copy->has_last && faccessat(s->o.forks, name, F_OK, 0) < 0)
			rc = write_new(s->o.forks, name, vg_buf_str(&t->copy->note));
		snprintf(name, sizeof(name), "%s.came", base);
		if (rc == VG_OK)
			rc = write_new(s->o.forks, name, came);
	}
	vg_buf_fini(&hex);
	if (rc != VG_OK)
		report(s, VG_REPORT_COPY, t, rc == VG_E_LIMIT ? "too many proofs of forks are kept already: this one is not" : "a proof could not be kept");
}

static void
bad(struct vg_sync *s, struct tenant *t, const char *text)
{
	t->good = false;
	keep_proof(s, t, vg_buf_str(&s->note));
	report(s, VG_REPORT_BAD, t, text);
}

/* The copy did not take something.  It is opened anew in the next round. */
static void
copy_failed(struct vg_sync *s, struct tenant *t, vg_rc rc, const char *what)
{
	char text[sizeof(s->why) + 64];

	snprintf(text, sizeof(text), "%s: %s", what, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	vg_copy_free(t->copy);
	t->copy = NULL;
	t->good = false;
	report(s, VG_REPORT_COPY, t, text);
}

/* ---- checkpoints ---- */

static void
path_of(const struct tenant *t, const char *what, char out[256])
{
	snprintf(out, 256, "/v1/%s/%s", t->name, what);
}

/* The newest checkpoint into s->note. */
static vg_rc
fetch_note(struct vg_sync *s, const struct tenant *t)
{
	char path[256];

	path_of(t, VG_CHECKPOINT_FILE, path);
	s->polled_ns = vg_monotonic_ns();
	return vg_pull_text(s->o.pull, s->o.url, path, VG_NOTE_BYTES_MAX - 4096, &s->note, s->why);
}

static bool
is_newer(const struct tenant *t, const struct vg_checkpoint *c)
{
	const struct vg_checkpoint *s = &t->seen;

	if (!t->has_seen)
		return true;
	if (c->epoch != s->epoch)
		return c->epoch > s->epoch;
	return c->size >= s->size && c->seq >= s->seq && (c->size > s->size || c->seq > s->seq || c->time_ns > s->time_ns);
}

/* A checkpoint that the log signed.  Its arrival counts, whatever comes of it. */
static void
see(struct vg_sync *s, struct tenant *t, const struct vg_checkpoint *c)
{
	if (!is_newer(t, c))
		return;
	t->seen = *c;
	t->has_seen = true;
	report(s, VG_REPORT_SEEN, t, "");
}

static bool
read_note(const struct vg_sync *s, const struct tenant *t, vg_str note, struct vg_checkpoint *out)
{
	vg_str text;

	return vg_note_text(note, &text) == VG_OK && vg_note_is_signed(note, &t->copy->key) &&
	       (s->o.witness == NULL || vg_note_is_signed(note, s->o.witness)) && vg_checkpoint_parse(text, out) == VG_OK;
}

/* While much is fetched: is the log still there?  What is not good is left to the next round. */
static void
poll_note(struct vg_sync *s, struct tenant *t)
{
	struct vg_buf kept = s->note;
	struct vg_checkpoint c;

	if (vg_monotonic_ns() - s->polled_ns < s->o.poll_ns)
		return;
	s->note = (struct vg_buf){ 0 };
	if (fetch_note(s, t) == VG_OK && read_note(s, t, vg_buf_str(&s->note), &c) && !vg_verdict_is_proof(vg_judge(&t->copy->last, &c)))
		see(s, t, &c);
	vg_buf_fini(&s->note);
	s->note = kept;
}

/* ---- the log's key ---- */

static void
met_key(struct vg_sync *s, struct tenant *t, const char *how)
{
	struct vg_buf b = { 0 };

	vg_buf_printf(&b, "the log's key, %s: ", how);
	vg_note_key_print(&t->copy->key, &b);
	vg_buf_putc(&b, 0);
	report(s, VG_REPORT_NOTE, t, b.rc == VG_OK ? b.p : how);
	vg_buf_fini(&b);
}

/* VG_E_STOP: there is none, which was told. */
static vg_rc
find_key(struct vg_sync *s, struct tenant *t)
{
	struct vg_buf b = { 0 };
	struct vg_note_key k;
	char path[256];
	vg_rc rc = VG_E_NOTFOUND;

	for (size_t i = 0; i < s->o.nlog_key && rc != VG_OK; i++)
		if (vg_note_is_signed(vg_buf_str(&s->note), &s->o.log_key[i])) {
			k = s->o.log_key[i];
			rc = VG_OK;
		}
	if (s->o.nlog_key == 0) {
		path_of(t, "file/" VG_LOG_KEY_FILE, path);
		rc = vg_pull_text(s->o.pull, s->o.url, path, 4096, &b, s->why);
		if (rc == VG_OK && (rc = vg_note_key_parse(vg_str_trim(vg_buf_str(&b)), &k)) != VG_OK)
			snprintf(s->why, sizeof(s->why), "%s: not a key", path);
		vg_buf_fini(&b);
		if (rc != VG_OK) {
			report(s, VG_REPORT_TROUBLE, t, s->why);
			return VG_E_STOP;
		}
	} else if (rc != VG_OK) {
		bad(s, t, "the checkpoint is not signed by any of the logs' keys that this witness was given");
		return VG_E_STOP;
	}
	if ((rc = vg_copy_set_key(t->copy, &k)) != VG_OK) {
		copy_failed(s, t, rc, VG_LOG_KEY_FILE);
		return VG_E_STOP;
	}
	met_key(s, t, s->o.nlog_key ? "as it was given" : "trusted because it was met first: compare it with the watch's");
	return VG_OK;
}

/* ---- files ---- */

struct segment_flow {
	struct vg_copy *copy;
	struct vg_copy_segment *segment;
	vg_rc copy_rc; /* what the copy said, as opposed to the network */
};

static vg_rc
take_bytes(void *ctx, vg_str bytes)
{
	struct segment_flow *f = ctx;

	f->copy_rc = vg_copy_add_part(f->copy, f->segment, bytes);
	return f->copy_rc;
}

/* VG_E_STOP: it cannot be gone on with, which was told. */
static vg_rc
room_left(struct vg_sync *s, struct tenant *t)
{
	uint64_t free_now;
	bool low;

	if (vg_disk_is_low(s->o.vault, s->o.free_bytes, &low, &free_now) == VG_OK && !low)
		return VG_OK;
	report(s, VG_REPORT_COPY, t, "the disk is nearly full: nothing more is fetched");
	return VG_E_STOP;
}

static vg_rc
fetch_segment(struct vg_sync *s, struct tenant *t, vg_str name, uint64_t size)
{
	struct vg_copy_segment *g = vg_copy_segment(t->copy, name);
	char path[256], what[VG_SHARED_NAME_MAX + 8];

	if (g == NULL)
		return VG_E_NOMEM;
	t->copy->resumed |= g->part > 0;
	snprintf(what, sizeof(what), "file/%s", g->name);
	path_of(t, what, path);
	while (g->bytes + g->part < size) {
		uint64_t from = g->bytes + g->part, left = size - from, n = left < CHUNK_BYTES ? left : CHUNK_BYTES;
		struct segment_flow f = { t->copy, g, VG_OK };
		struct vg_pull_job j = { s->o.url, path, from, n, n, CHUNK_S, take_bytes, &f };
		vg_rc rc = room_left(s, t);

		if (rc == VG_OK && (rc = vg_pull_run(s->o.pull, &j, s->why)) != VG_OK && f.copy_rc != VG_OK) {
			copy_failed(s, t, rc, path);
			return VG_E_STOP;
		}
		if (rc == VG_OK && g->bytes + g->part == from) {
			snprintf(s->why, sizeof(s->why), "%s: nothing came", path);
			rc = VG_E_SYS;
		}
		if (rc != VG_OK)
			return rc;
		poll_note(s, t);
	}
	return VG_OK;
}

/* One that is written once.  Under another name or size it would be another file: that is no trouble of the network. */
static vg_rc
fetch_small(struct vg_sync *s, struct tenant *t, vg_str name, uint64_t size)
{
	char path[256], what[VG_SHARED_NAME_MAX + 8];
	struct vg_buf b = { 0 };
	uint64_t have;
	vg_rc rc;
	int fd;

	snprintf(what, sizeof(what), "file/%.*s", VG_STR_ARG(name));
	if (vg_shared_open(t->copy->d.dir, what + 5, &fd, &have) == VG_OK) {
		close(fd);
		if (have != size) {
			snprintf(s->why, sizeof(s->why), "%s: a file that is written once has another size than before", what + 5);
			bad(s, t, s->why);
		}
		return VG_OK;
	}
	if ((rc = room_left(s, t)) != VG_OK)
		return rc;
	path_of(t, what, path);
	rc = vg_pull_text(s->o.pull, s->o.url, path, VG_SHARED_SMALL_MAX, &b, s->why);
	if (rc == VG_OK && (rc = vg_copy_keep(t->copy, what + 5, vg_buf_str(&b))) != VG_OK) {
		copy_failed(s, t, rc, path);
		rc = VG_E_STOP;
	}
	vg_buf_fini(&b);
	return rc;
}

static vg_rc
on_listed(void *ctx, vg_str name, enum vg_shared what, uint64_t size)
{
	struct vg_sync *s = ctx;

	if (s->small)
		return what == VG_SHARED_SEGMENT ? VG_OK : fetch_small(s, s->now, name, size);
	return what == VG_SHARED_SEGMENT ? fetch_segment(s, s->now, name, size) : VG_OK;
}

/* What is listed and not held: small files first, since they say which blocks were destroyed, then segments.  VG_E_STOP: it was told why not. */
static vg_rc
fetch_listed(struct vg_sync *s, struct tenant *t, bool segments)
{
	char path[256];
	vg_rc rc;

	path_of(t, "list", path);
	s->now = t;
	s->small = true;
	s->why[0] = 0;
	if ((rc = vg_pull_text(s->o.pull, s->o.url, path, VG_LIST_BYTES_MAX, &s->list, s->why)) == VG_OK)
		rc = vg_list_parse(vg_buf_str(&s->list), on_listed, s);
	if (rc == VG_OK && segments) {
		s->small = false;
		rc = vg_list_parse(vg_buf_str(&s->list), on_listed, s);
	}
	if (rc == VG_OK || rc == VG_E_STOP)
		return rc;
	if (s->why[0] == 0)
		snprintf(s->why, sizeof(s->why), "%s: %s", path, vg_rc_name(rc));
	report(s, VG_REPORT_TROUBLE, t, s->why);
	return VG_E_STOP;
}

/* ---- a larger tree ---- */

/* Fetch what @c counts, and see whether it begins with what is held.  VG_E_REFUSED: it does not (s->why).  VG_E_STOP: told. */
static vg_rc
grow(struct vg_sync *s, struct tenant *t, const struct vg_checkpoint *c)
{
	bool resumed;
	vg_rc rc = fetch_listed(s, t, true);

	if (rc != VG_OK)
		return rc;
	resumed = t->copy->resumed;
	if ((rc = vg_copy_grow(t->copy, c, s->why)) == VG_OK)
		return VG_OK;
	if (rc != VG_E_REFUSED) {
		copy_failed(s, t, rc, "segments");
		return VG_E_STOP;
	}
	vg_copy_drop_parts(t->copy);
	if (!resumed)
		return VG_E_REFUSED;
	report(s, VG_REPORT_TROUBLE, t, "what was fetched in several rounds does not fit together; it is fetched anew");
	return VG_E_STOP;
}

/* ---- epochs ---- */

static bool
is_accepted(struct vg_sync *s, const struct tenant *t, const struct vg_checkpoint *c)
{
	struct vg_buf b = { 0 };
	uint64_t epoch;
	bool yes;

	if (s->o.recovery && vg_note_is_signed(vg_buf_str(&s->note), s->o.recovery))
		return true;
	yes = vg_copy_read(t->copy, ACCEPTED_FILE, &b) == VG_OK && vg_str_u64(vg_str_trim(vg_buf_str(&b)), &epoch) && epoch == c->epoch;
	vg_buf_fini(&b);
	return yes;
}

/* The copy of the earlier epoch goes aside, whole, and a new one begins. */
static vg_rc
set_aside(struct vg_sync *s, struct tenant *t)
{
	struct vg_note_key key = t->copy->key;
	char name[VG_TENANT_NAME_MAX + 64];
	vg_rc rc;

	snprintf(name, sizeof(name), "%s.epoch-%llu.size-%llu", t->name, (unsigned long long)t->copy->last.epoch, (unsigned long long)t->copy->last.size);
	if (s->o.epochs < 0) {
		bad(s, t, "the epoch changed");
		return VG_E_STOP;
	}
	if (renameat(s->o.vault, t->name, s->o.epochs, name) < 0 || fsync(s->o.vault) < 0 || fsync(s->o.epochs) < 0) {
		copy_failed(s, t, VG_E_SYS, name);
		return VG_E_STOP;
	}
	vg_copy_free(t->copy);
	t->copy = NULL;
	t->has_seen = false;
	if ((rc = vg_copy_open(s->o.vault, t->name, &t->copy, s->why)) == VG_OK && (rc = vg_copy_set_key(t->copy, &key)) == VG_OK)
		return VG_OK;
	copy_failed(s, t, rc, name);
	return VG_E_STOP;
}

/* A checkpoint of a new epoch.  VG_OK: its tree is that of the copy now. */
static vg_rc
new_epoch(struct vg_sync *s, struct tenant *t, const struct vg_checkpoint *c)
{
	vg_rc rc;

	if (!is_accepted(s, t, c)) {
		if ((rc = vg_copy_write(t->copy, PENDING_FILE, vg_buf_str(&s->note))) != VG_OK) {
			copy_failed(s, t, rc, PENDING_FILE);
			return VG_E_STOP;
		}
		snprintf(s->why, sizeof(s->why), "%s (epoch %llu, after %llu): `vigie witness accept %s`", vg_verdict_text(VG_VERDICT_EPOCH),
			 (unsigned long long)c->epoch, (unsigned long long)t->copy->last.epoch, t->name);
		t->good = false;
		report(s, VG_REPORT_EPOCH, t, s->why);
		return VG_E_STOP;
	}
	if (c->size == t->copy->last.size && vg_hash_eq(&c->root, &t->copy->last.root))
		return VG_OK;
	if (c->size > t->copy->last.size && (rc = grow(s, t, c)) != VG_E_REFUSED)
		return rc;
	if ((rc = set_aside(s, t)) != VG_OK)
		return rc;
	rc = c->size ? grow(s, t, c) : VG_OK;
	if (rc == VG_E_REFUSED) {
		bad(s, t, s->why);
		rc = VG_E_STOP;
	}
	return rc;
}

vg_rc
vg_sync_accept(int vault, const char *tenant, uint64_t *epoch)
{
	struct vg_copy c = { .d = { .dir = -1 } };
	struct vg_buf note = { 0 }, b = { 0 };
	struct vg_checkpoint cp;
	vg_str text;
	vg_rc rc;

	if (!vg_is_tenant_name(vg_str_of(tenant)))
		return VG_E_NOTFOUND;
	if ((c.d.dir = openat(vault, tenant, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS;
	if ((rc = vg_copy_read(&c, PENDING_FILE, &note)) == VG_OK && (rc = vg_note_text(vg_buf_str(&note), &text)) == VG_OK &&
	    (rc = vg_checkpoint_parse(text, &cp)) == VG_OK) {
		vg_buf_printf(&b, "%llu\n", (unsigned long long)cp.epoch);
		*epoch = cp.epoch;
		rc = b.rc != VG_OK ? b.rc : vg_copy_write(&c, ACCEPTED_FILE, vg_buf_str(&b));
	}
	vg_buf_fini(&note);
	vg_buf_fini(&b);
	vg_disk_close(&c.d);
	return rc;
}

/* ---- a tenant ---- */

static void
accept_note(struct vg_sync *s, struct tenant *t, const struct vg_checkpoint *c)
{
	struct vg_buf b = { 0 };
	vg_rc rc = VG_OK;

	if (s->o.self)
		rc = vg_note_cosign(vg_buf_str(&s->note), s->o.self, &b);
	else
		vg_buf_put(&b, vg_buf_str(&s->note));
	if (rc == VG_OK && (rc = b.rc) == VG_OK)
		rc = vg_copy_accept(t->copy, vg_buf_str(&b), c, s->o.self != NULL, vg_clock_ns());
	vg_buf_fini(&b);
	if (rc != VG_OK) {
		copy_failed(s, t, rc, VG_CHECKPOINT_FILE);
		return;
	}
	t->good = true;
	report(s, VG_REPORT_GOOD, t, "");
}

/* What is in s->note.  VG_E_STOP: it changes nothing, or is told. */
static vg_rc
take_note(struct vg_sync *s, struct tenant *t)
{
	enum vg_verdict v;
	struct vg_checkpoint c;
	vg_rc rc = VG_OK;

	if (!t->copy->has_key && (rc = find_key(s, t)) != VG_OK)
		return rc;
	if (!read_note(s, t, vg_buf_str(&s->note), &c)) {
		bad(s, t, s->o.witness ? "not a checkpoint that the log and the witness signed" : "not a checkpoint that the log signed");
		return VG_E_STOP;
	}
	v = vg_judge(t->copy->has_last ? &t->copy->last : NULL, &c);
	if (vg_verdict_is_proof(v)) {
		bad(s, t, vg_verdict_text(v));
		return VG_E_STOP;
	}
	see(s, t, &c);
	if (v == VG_VERDICT_SAME || v == VG_VERDICT_STALE)
		return VG_E_STOP;
	rc = v == VG_VERDICT_GROWN ? grow(s, t, &c) : v == VG_VERDICT_EPOCH ? new_epoch(s, t, &c) : VG_OK;
	if (rc == VG_E_REFUSED)
		bad(s, t, s->why);
	if (rc != VG_OK)
		return VG_E_STOP;
	accept_note(s, t, &c);
	if (v != VG_VERDICT_LATER)
		t->listed_ns = 0;
	return VG_OK;
}

static void
on_destroy(void *ctx, bool done, const char *text)
{
	struct vg_sync *s = ctx;

	if (done || s->now->kept_said_ns == 0 || vg_monotonic_ns() - s->now->kept_said_ns > VG_DAY)
		report(s, VG_REPORT_NOTE, s->now, text);
	s->now->kept |= !done;
}

/* What the watch destroyed; what is kept all the same is said once a day. */
static void
destroy(struct vg_sync *s, struct tenant *t)
{
	struct vg_destroy_rule r = { vg_clock_ns(), s->o.keep_ns };
	vg_rc rc;

	if (s->o.keep_ns == INT64_MAX)
		return;
	s->now = t;
	if ((rc = vg_copy_destroy(t->copy, &r, on_destroy, s)) != VG_OK)
		report(s, VG_REPORT_COPY, t, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	if (t->kept && (t->kept_said_ns == 0 || vg_monotonic_ns() - t->kept_said_ns > VG_DAY))
		t->kept_said_ns = vg_monotonic_ns();
}

static void
sync_tenant(struct vg_sync *s, struct tenant *t)
{
	int64_t now_ns = vg_monotonic_ns();
	vg_rc rc;

	if (t->copy == NULL && (rc = vg_copy_open(s->o.vault, t->name, &t->copy, s->why)) != VG_OK) {
		report(s, VG_REPORT_COPY, t, s->why);
		return;
	}
	if (fetch_note(s, t) != VG_OK) {
		report(s, VG_REPORT_TROUBLE, t, s->why);
		return;
	}
	(void)!take_note(s, t); /* all of it is reported */
	if (t->copy == NULL || !t->good || (t->listed_ns && now_ns - t->listed_ns < RELIST_NS))
		return;
	if (fetch_listed(s, t, false) != VG_OK) {
		t->good = false;
		return;
	}
	t->listed_ns = now_ns;
	destroy(s, t);
}

/* ---- the round ---- */

static vg_rc
on_tenant(void *ctx, vg_str name)
{
	struct vg_sync *s = ctx;

	for (size_t i = 0; i < s->n; i++)
		if (vg_str_eq(vg_str_of(s->tenant[i].name), name))
			return VG_OK;
	if (s->n == VG_TENANTS_MAX)
		return VG_E_LIMIT;
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 8;
		struct tenant *p = realloc(s->tenant, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		s->tenant = p;
		s->cap = cap;
	}
	s->tenant[s->n] = (struct tenant){ .copy = NULL };
	snprintf(s->tenant[s->n].name, sizeof(s->tenant[s->n].name), "%.*s", VG_STR_ARG(name));
	s->n++;
	return VG_OK;
}

vg_rc
vg_sync_round(struct vg_sync *s, size_t *tenants, size_t *good)
{
	vg_rc rc = vg_pull_text(s->o.pull, s->o.url, "/v1/", VG_TENANTS_MAX * VG_TENANT_NAME_MAX, &s->list, s->why);

	*tenants = *good = 0;
	if (rc == VG_OK && (rc = vg_tenants_parse(vg_buf_str(&s->list), on_tenant, s)) != VG_OK)
		snprintf(s->why, sizeof(s->why), "/v1/: not a list of tenants");
	if (rc != VG_OK) {
		report(s, VG_REPORT_TROUBLE, NULL, s->why);
		return rc;
	}
	for (size_t i = 0; i < s->n; i++) {
		sync_tenant(s, &s->tenant[i]);
		*good += s->tenant[i].good;
	}
	*tenants = s->n;
	return VG_OK;
}
