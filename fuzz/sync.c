/* What a watch serves to a witness, or a witness to a new watch: any bytes for each thing that is asked for, round after round.  What is always true: the
 * copy holds what the log signed and nothing else: it opens again at the checkpoint that was accepted last, whose tree never shrinks within an
 * epoch; the served bytes name no file outside the tenant's folder.
 *
 * The input is a row of answers, u8 what, u16 bytes, bytes.  What: 0 a status (404 and the like) instead; 1 the bytes; 2 the sound answer, changed:
 * three bytes of place, one of value, each; 3 the sound answer; 4, 5: of the vault as it was with one or two blocks less; 6: of another epoch, 7: of one that
 * the recovery key vouches for.  When the row is over all is sound.  Behind the first round the copy's own files are changed, when the first byte says so. */
#include <assert.h>
#include <stdio.h>

#include "folder.h"
#include "base/cur.h"
#include "base/time.h"
#include "vault/store.h"
#include "witness/copy.h"
#include "witness/sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define BLOCKS 5
#define ROUNDS 3
#define SEGMENT "2026-04-03.0000.vs"
#define T0 INT64_C(1775203200000000000)

static struct sound {
	struct vg_note_secret log, self, recovery;
	struct vg_buf segment, note[3][BLOCKS + 1], key; /* note: of each epoch, and of so many blocks */
	size_t end[BLOCKS + 1];                        /* of the segment then */
} good;
static struct vg_cur row; /* answers that are left */
static bool all_sound;
static unsigned less, epoch; /* blocks that the sound answers do not have; 2: one that is vouched for */

/* ---- a sound vault ---- */

static void
add_block(struct vg_store *s, unsigned i)
{
	const struct vg_note_secret *by[2] = { &good.log, &good.recovery };
	struct vg_record r = { .seq = i + 1, .recv_ns = T0 + (int64_t)i * VG_SEC, .raw = VG_STR("a line of a log") };
	struct vg_checkpoint c = { .epoch = 0, .time_ns = T0 + (int64_t)i * VG_SEC };
	struct vg_buf text = { 0 };

	if (i && (vg_store_add(s, &r) != VG_OK || vg_store_cut(s) != VG_OK))
		abort();
	if (vg_store_root(s, &c) != VG_OK)
		abort();
	for (unsigned e = 0; e < 3; e++) {
		c.epoch = e;
		vg_buf_clear(&text);
		vg_checkpoint_print(&c, &text);
		if (vg_note_sign(vg_buf_str(&text), by, e == 2 ? 2 : 1, &good.note[e][i]) != VG_OK)
			abort();
	}
	good.end[i] = i ? vg_store_segment(s, 0)->bytes : 0;
	vg_buf_fini(&text);
}

static void
prepare(void)
{
	static const uint8_t seed[32] = { 1 }, other[32] = { 2 }, third[32] = { 3 };
	struct vg_store_damage damage;
	struct vg_store *s;
	struct vg_disk d;

	if (good.segment.n)
		return;
	if (vg_note_key_of_seed(VG_STR("log"), seed, &good.log) != VG_OK || vg_note_key_of_seed(VG_STR("witness"), other, &good.self) != VG_OK ||
	    vg_note_key_of_seed(VG_STR("recovery"), third, &good.recovery) != VG_OK)
		abort();
	fuzz_empty(fuzz_folder());
	d = (struct vg_disk){ .dir = fuzz_folder() };
	if (vg_store_open(&d, "log/acme", NULL, &damage, &s) != VG_OK)
		abort();
	for (unsigned i = 0; i <= BLOCKS; i++)
		add_block(s, i);
	vg_store_free(s);
	if (vg_disk_slurp(&d, SEGMENT, 1 << 20, &good.segment) != VG_OK)
		abort();
	vg_note_key_print(&good.log.key, &good.key);
	vg_buf_putc(&good.key, '\n');
}

/* ---- answers ---- */

static void
sound_answer(const char *path, struct vg_buf *out)
{
	unsigned n = BLOCKS - less;

	if (strcmp(path, "/v1/") == 0)
		vg_buf_puts(out, "acme\n");
	else if (strcmp(path, "/v1/acme/checkpoint") == 0)
		vg_buf_put(out, vg_buf_str(&good.note[epoch][n]));
	else if (strcmp(path, "/v1/acme/list") == 0)
		vg_buf_printf(out, "%zu " SEGMENT "\n7 keys/00000001.key\n%zu log.pub\n", good.end[n], good.key.n);
	else if (strcmp(path, "/v1/acme/file/log.pub") == 0)
		vg_buf_put(out, vg_buf_str(&good.key));
	else if (strcmp(path, "/v1/acme/file/" SEGMENT) == 0)
		vg_buf_put(out, vg_str_mem(good.segment.p, good.end[n]));
	else if (strcmp(path, "/v1/acme/file/keys/00000001.key") == 0)
		vg_buf_puts(out, "wrapped");
}

static void
change(struct vg_buf *b, vg_str how)
{
	for (size_t i = 0; b->n && i + 4 <= how.n; i += 4)
		b->p[((size_t)(uint8_t)how.p[i] << 16 | (size_t)(uint8_t)how.p[i + 1] << 8 | (uint8_t)how.p[i + 2]) % b->n] = how.p[i + 3];
}

/* In place of witness/pull.c, whose requests the paths are. */
vg_rc
vg_pull_run(struct vg_pull *p, const struct vg_pull_job *j, char why[VG_PULL_WHY])
{
	struct vg_buf b = { 0 };
	unsigned what = all_sound || vg_cur_left(&row) == 0 ? 3 : vg_cur_u8(&row) % 8;
	uint16_t n = what < 3 ? vg_cur_le16(&row) : 0;
	vg_str bytes = vg_cur_bytes(&row, n < vg_cur_left(&row) ? n : vg_cur_left(&row)), s;
	vg_rc rc = VG_OK;

	(void)p;
	assert(strncmp(j->path, "/v1/", 4) == 0 && strstr(j->path, "/.") == NULL && strchr(j->path, '\n') == NULL);
	snprintf(why, VG_PULL_WHY, "%s: fuzzed", j->path);
	if (what == 0)
		return n % 2 ? VG_E_NOTFOUND : VG_E_SYS;
	less = what == 4 || what == 5 ? what - 3 : less;
	epoch = what > 5 ? what - 5 : epoch;
	if (what == 1)
		vg_buf_put(&b, bytes);
	else
		sound_answer(j->path, &b);
	if (what == 2)
		change(&b, bytes);
	s = j->from < b.n && what != 1 ? vg_str_skip(vg_buf_str(&b), j->from) : what == 1 ? vg_buf_str(&b) : VG_NIL;
	if (j->count)
		s = vg_str_cut(s, j->count);
	if (s.n > j->limit)
		rc = VG_E_LIMIT;
	else if (s.n)
		rc = j->take(j->ctx, s);
	vg_buf_fini(&b);
	return rc;
}

static vg_rc
take_text(void *ctx, vg_str bytes)
{
	vg_buf_put(ctx, bytes);
	return VG_OK;
}

vg_rc
vg_pull_text(struct vg_pull *p, const char *base, const char *path, size_t limit, struct vg_buf *out, char why[VG_PULL_WHY])
{
	struct vg_pull_job j = { .base = base, .path = path, .limit = limit, .take = take_text, .ctx = out };

	vg_buf_clear(out);
	return vg_pull_run(p, &j, why);
}

vg_rc vg_pull_new(const struct vg_pull_options *o, struct vg_pull **out) { (void)o; *out = NULL; return VG_OK; }
void vg_pull_free(struct vg_pull *p) { (void)p; }

/* ---- rounds ---- */

static void
on_report(void *ctx, enum vg_report what, const char *tenant, const char *text)
{
	(void)ctx;
	(void)tenant;
	assert(what < VG_REPORTS && text);
}

/* What is on disk opens, at a checkpoint that the log signed. */
static void
is_sound(int vault, struct vg_checkpoint *was)
{
	char why[VG_COPY_WHY];
	struct vg_copy *c;

	if (faccessat(vault, "acme", F_OK, 0) < 0)
		return;
	assert(vg_copy_open(vault, "acme", &c, why) == VG_OK);
	if (c->has_last) {
		assert(vg_note_is_signed(vg_buf_str(&c->note), &good.log.key) || c->key.name[0]);
		assert(c->last.epoch > was->epoch || c->last.size >= was->size);
		*was = c->last;
	}
	vg_copy_free(c);
}

static int
folder(const char *name)
{
	int fd;

	if (mkdirat(fuzz_folder(), name, 0700) < 0 || (fd = openat(fuzz_folder(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	return fd;
}

/* One of the copy's files becomes other bytes, or has one changed: the next life of the witness finds it so. */
static void
damage(int vault)
{
	static const char *const name[] = { "checkpoint", "log.pub", SEGMENT, "accepted", "pending", "keys/00000001.key", SEGMENT ".part", "seen" };
	struct vg_disk d = { .dir = openat(vault, "acme", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	struct vg_buf b = { 0 };
	const char *which = name[vg_cur_u8(&row) % VG_COUNT(name)];
	uint8_t how = vg_cur_u8(&row);
	vg_str bytes = vg_cur_bytes(&row, 4);
	int fd;

	if (d.dir >= 0 && vg_disk_slurp(&d, which, 1 << 20, &b) == VG_OK) {
		if (how & 1)
			change(&b, bytes);
		else
			b.n = b.n * how / 256;
	} else {
		vg_buf_put(&b, bytes);
	}
	if (d.dir >= 0 && (fd = openat(d.dir, which, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) >= 0) {
		(void)!write(fd, b.p, b.n);
		close(fd);
	}
	vg_buf_fini(&b);
	vg_disk_close(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vg_sync_options o = { .url = "http://w", .forks = -1, .epochs = -1, .poll_ns = INT64_MAX, .report = on_report };
	struct vg_checkpoint was = { .size = 0 };
	size_t tenants, ok;
	uint64_t accepted;
	struct vg_sync *s;

	prepare();
	if (n == 0)
		return 0;
	fuzz_empty(fuzz_folder());
	o.vault = folder("vault");
	o.self = data[0] & 1 ? &good.self : NULL;
	o.log_key = &good.log.key;
	o.nlog_key = data[0] >> 1 & 1; /* else the first one that is met */
	o.recovery = data[0] & 8 ? &good.recovery.key : NULL;
	if (data[0] & 4) {
		o.forks = folder("forks");
		o.epochs = folder("epochs");
	}
	row = vg_cur_of(data + 1, n - 1);
	less = data[0] >> 4 & 3;
	epoch = 0;
	all_sound = false;
	if (vg_sync_new(&o, &s) != VG_OK)
		abort();
	for (int i = 0; i < ROUNDS; i++) {
		if (i == ROUNDS - 1) {
			all_sound = true;
			less = 0;
		}
		(void)!vg_sync_round(s, &tenants, &ok);
		if (i == 0 && data[0] & 64)
			(void)!vg_sync_accept(o.vault, "acme", &accepted);
		if (i == 0 && data[0] & 128 && vg_cur_left(&row) > 8) {
			vg_sync_free(s);
			damage(o.vault);
			if (vg_sync_new(&o, &s) != VG_OK)
				abort();
		}
	}
	vg_sync_free(s);
	if (!(data[0] & 128))
		is_sound(o.vault, &was);
	close(o.vault);
	if (o.forks >= 0)
		close(o.forks);
	if (o.epochs >= 0)
		close(o.epochs);
	return 0;
}
