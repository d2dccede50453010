/* A tenant's folder, or a case folder that was exported from it, as somebody else gives it to us: files changed, cut, exchanged, added, gone.  What is always
 * true: `verify` comes to its end, tells of the sound one nothing, and of one byte changed something; a store that opens is sound to it, and search and
 * export go through whatever there is.
 *
 * The first byte says what is done: low 2 bits 0 verify, 1 verify as of a witness, without keys, 2 open, search and export, 3 verify the case folder; bit 2: digests are
 * made good after the changes.  Then changes: u8 file, u8 kind, u24 place, u8 value, or u16 bytes and they. */
#include <assert.h>
#include <stdio.h>

#include "folder.h"
#include "base/time.h"
#include "rule/compile.h"
#include "vault/export.h"
#include "vault/search.h"
#include "vault/store.h"
#include "vault/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define DAY0 (INT64_C(20546) * VG_DAY)
#define DAYS 3
#define FILES_MAX 64
#define CHANGES_MAX 16

struct file {
	char name[96];
	struct vg_buf sound, now;
	bool there;
};
struct files {
	struct file file[FILES_MAX];
	size_t n;
};
static struct files vault, exported;
static struct vg_note_secret log_key, day_key[DAYS];
static struct vg_buf days_text;
static struct vg_days days;
static const uint8_t tenant[32] = { 9 };
static struct vg_keys *keys;
static struct vg_program program;

/* ---- what is sound ---- */

static void
make_days(void)
{
	uint8_t seed[32] = { 1 };
	size_t bad;

	if (vg_note_key_of_seed(VG_STR("node"), seed, &log_key) != VG_OK)
		abort();
	for (uint32_t i = 0; i < DAYS; i++) {
		const struct vg_note_secret *by[2] = { &log_key, i ? &day_key[i - 1] : NULL };
		char name[VG_NOTE_NAME_MAX], date[VG_TIME_MAX];
		struct vg_buf text = { 0 };

		(void)vg_time_print(DAY0 + i * VG_DAY, 0, date);
		snprintf(name, sizeof(name), "node/day/%.10s", date);
		seed[0] = (uint8_t)(2 + i);
		if (vg_note_key_of_seed(vg_str_of(name), seed, &day_key[i]) != VG_OK)
			abort();
		vg_buf_printf(&text, "vigie day\nnode\nday %u\n", (unsigned)(DAY0 / VG_DAY) + i);
		vg_note_key_print(&day_key[i].key, &text);
		vg_buf_putc(&text, '\n');
		if (vg_note_sign(vg_buf_str(&text), by, i ? 2 : 1, &days_text) != VG_OK)
			abort();
		vg_buf_putc(&days_text, '\n');
		vg_buf_fini(&text);
	}
	if (vg_days_read(&days, vg_buf_str(&days_text), &log_key.key, &bad) != VG_OK || days.n != DAYS)
		abort();
}

static void
publish(struct vg_store *s, unsigned day)
{
	const struct vg_note_secret *by[2] = { &log_key, &day_key[day] };
	struct vg_checkpoint c = { .time_ns = DAY0 + day * VG_DAY + VG_HOUR };
	struct vg_buf text = { 0 }, note = { 0 };

	if (vg_store_root(s, &c) != VG_OK)
		abort();
	vg_checkpoint_print(&c, &text);
	if (vg_note_sign(vg_buf_str(&text), by, 2, &note) != VG_OK || vg_store_publish(s, vg_buf_str(&note)) != VG_OK)
		abort();
	vg_buf_fini(&text);
	vg_buf_fini(&note);
}

static void
on_block(void *ctx, const struct vg_store_segment *g, const struct vg_segment_block *b, vg_str payload, const uint8_t *key)
{
	struct vg_tokens_builder *t = vg_tokens_builder_new();
	struct vg_buf out = { 0 };
	char name[96];
	int fd;

	(void)ctx;
	snprintf(name, sizeof(name), "vault/%.*s" VG_TOKENS_SUFFIX, (int)strlen(g->name) - 3, g->name);
	if (t == NULL || vg_tokens_add(t, b->at, &b->head, payload) != VG_OK || vg_tokens_finish(t, key, &out) != VG_OK ||
	    (fd = openat(fuzz_folder(), name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0 || write(fd, out.p, out.n) != (ssize_t)out.n)
		abort();
	close(fd);
	vg_tokens_builder_free(t);
	vg_buf_fini(&out);
}

static int
folder_of(const char *name)
{
	return openat(fuzz_folder(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Of a day without a record: announced, and destroyed two days later. */
static void
destroy_a_key(struct vg_disk *d)
{
	struct vg_disk k = { .dir = openat(d->dir, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	const struct vg_note_secret *first[2] = { &log_key, &day_key[0] }, *last[2] = { &log_key, &day_key[DAYS - 1] };
	struct vg_destruction e = { .origin = "node/acme", .day = 9, .class_name = "default", .time_ns = DAY0 + VG_HOUR, .after_ns = DAY0 + VG_HOUR + VG_DAY, .why = "it was time" };
	char bad[VG_DISK_NAME_MAX], name[VG_DISK_NAME_MAX];
	const struct vg_day_key *day;
	struct vg_buf text = { 0 }, note = { 0 };
	struct vg_keyring *ring;

	if (vg_keyring_open(&k, tenant, bad, &ring) != VG_OK || vg_keyring_of_day(ring, e.day, 0, &day) != VG_OK)
		abort();
	e.key = day->number;
	vg_hash_of(VG_NIL, &e.of.heads);
	vg_destruction_print(&e, &text);
	snprintf(name, sizeof(name), "%08u" VG_DESTRUCTION_DUE, e.key);
	if (vg_note_sign(vg_buf_str(&text), first, 2, &note) != VG_OK || vg_disk_put(&k, name, vg_buf_str(&note)) != VG_OK)
		abort();
	vg_buf_clear(&text);
	vg_buf_clear(&note);
	e.kind = VG_DESTRUCTION_DONE;
	e.time_ns += (DAYS - 1) * VG_DAY;
	vg_destruction_print(&e, &text);
	if (vg_note_sign(vg_buf_str(&text), last, 2, &note) != VG_OK || vg_keyring_destroy(ring, e.key, vg_buf_str(&note)) != VG_OK)
		abort();
	vg_buf_fini(&text);
	vg_buf_fini(&note);
	vg_keyring_free(ring);
	vg_disk_close(&k);
}

/* A stamp that is none, and checkpoints seen: only a witness's folder has them here. */
static void
for_a_witness(struct vg_disk *d)
{
	struct vg_buf note = { 0 }, b = { 0 };

	if (mkdirat(d->dir, "stamps", 0700) < 0 || mkdirat(d->dir, "seen", 0700) < 0 || vg_disk_slurp(d, VG_CHECKPOINT_FILE, 1 << 16, &note) != VG_OK)
		abort();
	vg_stamp_put(vg_buf_str(&note), VG_STR("0\x03\x02\x01\x01"), &b);
	fuzz_file(d->dir, "stamps/6.tsr", vg_buf_str(&b));
	vg_buf_clear(&b);
	vg_buf_printf(&b, "NOTE %zu\n", note.n);
	vg_buf_put(&b, vg_buf_str(&note));
	fuzz_file(d->dir, "seen/2026-04-05.notes", vg_buf_str(&b));
	vg_buf_fini(&b);
	vg_buf_fini(&note);
}

static void
fill(void)
{
	struct vg_disk d = { .dir = folder_of("vault") };
	static const uint8_t recovery[32] = { 8 };
	uint8_t public[32], unused[32];
	struct vg_buf key = { 0 }, sealed = { 0 };
	struct vg_note_secret signer;
	struct vg_store_damage damage;
	struct vg_store *s;
	uint64_t seq = 1;

	if (vg_store_open(&d, "node/acme", tenant, &damage, &s) != VG_OK)
		abort();
	vg_store_on_block(s, on_block, NULL);
	for (unsigned day = 0; day < DAYS; day++) {
		for (unsigned b = 0; b < 2; b++) {
			for (unsigned i = 0; i < 3; i++, seq++) {
				char text[64];
				int n = snprintf(text, sizeof(text), "record %llu needle%u of host", (unsigned long long)seq, day);
				struct vg_record r = { .seq = seq, .recv_ns = DAY0 + day * VG_DAY + (int64_t)seq, .source = b, .raw = vg_str_mem(text, (size_t)n),
						       .id = i ? VG_STR("id") : VG_NIL };

				if (vg_store_add(s, &r) != VG_OK)
					abort();
			}
			if (vg_store_cut(s) != VG_OK)
				abort();
		}
		publish(s, day);
	}
	vg_store_free(s);
	vg_note_key_print(&log_key.key, &key);
	vg_buf_putc(&key, '\n');
	fuzz_file(d.dir, "log.pub", vg_buf_str(&key));
	if (vg_recovery_signer(recovery, &signer) != VG_OK || vg_recovery_box(recovery, public, unused) != VG_OK || vg_tenant_key_seal(tenant, public, &sealed) != VG_OK)
		abort();
	vg_buf_clear(&key);
	vg_note_key_print(&signer.key, &key);
	vg_note_secret_fini(&signer);
	vg_buf_putc(&key, '\n');
	fuzz_file(d.dir, "keys/" VG_KEY_RECOVERY, vg_buf_str(&key));
	fuzz_file(d.dir, "keys/" VG_KEY_SEALED, vg_buf_str(&sealed));
	destroy_a_key(&d);
	for_a_witness(&d);
	vg_buf_fini(&key);
	vg_buf_fini(&sealed);
	vg_disk_close(&d);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void
remember(struct files *all, int dir, const char *below)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	struct dirent *e;

	while ((e = readdir(d)) != NULL) {
		struct file *f = &all->file[all->n];
		struct vg_disk disk = { .dir = dir };
		int sub;

		if (e->d_name[0] == '.')
			continue;
		if (all->n == FILES_MAX || snprintf(f->name, sizeof(f->name), "%s%.60s", below, e->d_name) < 0)
			abort();
		if ((sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
			char more[97];

			snprintf(more, sizeof(more), "%s/", f->name);
			remember(all, sub, more);
			close(sub);
		} else if (vg_disk_slurp(&disk, e->d_name, 1 << 20, &f->sound) != VG_OK) {
			abort();
		} else {
			all->n++;
		}
	}
	closedir(d);
}

static const char *
source_name(void *ctx, uint32_t source)
{
	(void)ctx;
	return source ? "other" : "self";
}

static vg_rc
export(const char *from, const char *to)
{
	struct vg_export_options o = { .from = folder_of(from), .to = folder_of(to), .tenant = "acme", .node = "node", .log_key = &log_key.key, .days = &days,
				       .days_text = vg_buf_str(&days_text), .tenant_key = tenant, .first_seq = 2, .last_seq = 1000, .from_ns = INT64_MIN, .until_ns = INT64_MAX,
				       .source_name = source_name, .who = "who", .host = "host", .vault = "vault", .now_ns = DAY0 };
	struct vg_exported x;
	char why[VG_EXPORT_WHY];
	vg_rc rc = vg_export(&o, &x, why);

	assert(rc == VG_OK || why[0]);
	close(o.from);
	close(o.to);
	return rc;
}

static void
make_program(void)
{
	struct vg_rule_text text = { VG_STR("a.yml"), VG_STR("title: a\nid: a\nlogsource: {product: x}\ndetection: {k: [needle1, 'h?st'], condition: k}\n"), VG_STR("x") };
	struct vg_buf b = { 0 };
	char *blob;

	if ((keys = vg_keys_new()) == NULL || vg_rules_compile(&text, 1, NULL, 0, &b) != VG_OK || (blob = aligned_alloc(64, (b.n + 63) & ~(size_t)63)) == NULL)
		abort();
	memcpy(blob, b.p, b.n);
	if (vg_program_load(vg_str_mem(blob, b.n), keys, &program) != VG_OK || program.nrule != 1)
		abort();
	vg_buf_fini(&b);
}

static void
prepare(void)
{
	int dir = fuzz_folder(), fd;

	if (vault.n)
		return;
	make_days();
	make_program();
	if (mkdirat(dir, "vault", 0700) < 0 || mkdirat(dir, "export", 0700) < 0)
		abort();
	fill();
	if (export("vault", "export") != VG_OK)
		abort();
	fd = folder_of("vault");
	remember(&vault, fd, "");
	close(fd);
	fd = folder_of("export");
	remember(&exported, fd, "");
	close(fd);
	qsort(vault.file, vault.n, sizeof(*vault.file), by_name);
	qsort(exported.file, exported.n, sizeof(*exported.file), by_name);
}

/* ---- changes ---- */

static void
change(struct files *all, struct vg_cur *c, unsigned *one_byte)
{
	struct file *f = &all->file[vg_cur_u8(c) % all->n], *other;
	unsigned kind = vg_cur_u8(c) % 6;
	size_t at = vg_cur_le16(c);
	uint8_t value;
	vg_str bytes;

	at |= (size_t)vg_cur_u8(c) << 16;
	value = vg_cur_u8(c);
	other = &all->file[value % all->n];
	bytes = kind == 2 || kind == 3 ? vg_cur_bytes(c, at % 512 < vg_cur_left(c) ? at % 512 : vg_cur_left(c)) : VG_NIL;
	switch (kind) {
	case 0:
		if (f->now.n && f->there && (uint8_t)f->now.p[at % f->now.n] != value) {
			f->now.p[at % f->now.n] = (char)value;
			*one_byte += 1;
			return;
		}
		break;
	case 1:
		f->now.n = f->now.n ? at % f->now.n : 0;
		break;
	case 2:
		vg_buf_put(&f->now, bytes);
		break;
	case 3:
		vg_buf_clear(&f->now);
		vg_buf_put(&f->now, bytes);
		break;
	case 4:
		f->there = false;
		break;
	default:
		vg_buf_clear(&f->now);
		vg_buf_put(&f->now, vg_buf_str(&other->sound));
		break;
	}
	*one_byte += 2;
}

static bool
is_like(const struct file *f, const char *end)
{
	return vg_str_ends(vg_str_of(f->name), vg_str_of(end));
}

/* The digest of each block's stored bytes; the last hash of a key's file. */
static void
make_good(struct file *f)
{
	struct vg_hash h;

	if (is_like(f, VG_SEGMENT_SUFFIX)) {
		for (size_t at = 0; f->now.n - at >= VG_BLOCK_HEAD;) {
			uint64_t stored;

			memcpy(&stored, f->now.p + at + 56, sizeof(stored));
			if (stored > f->now.n - at - VG_BLOCK_HEAD)
				stored = f->now.n - at - VG_BLOCK_HEAD;
			memcpy(f->now.p + at, "VGBLOCK1", 8);
			memcpy(f->now.p + at + 56, &stored, sizeof(stored));
			vg_hash_of(vg_str_mem(f->now.p + at + VG_BLOCK_HEAD, (size_t)stored), &h);
			memcpy(f->now.p + at + 112, h.b, VG_HASH_BYTES);
			at += VG_BLOCK_HEAD + (size_t)stored;
		}
	} else if ((is_like(f, VG_KEY_SUFFIX) || is_like(f, VG_KEY_SEALED)) && f->now.n > VG_HASH_BYTES) {
		vg_hash_of(vg_str_cut(vg_buf_str(&f->now), f->now.n - VG_HASH_BYTES), &h);
		memcpy(f->now.p + f->now.n - VG_HASH_BYTES, h.b, VG_HASH_BYTES);
	}
}

/* Rows of the manifest as its files are now. */
static void
make_manifest(struct files *all)
{
	struct file *m = NULL;

	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->file[i].name, VG_EXPORT_MANIFEST) == 0)
			m = &all->file[i];
	if (m == NULL)
		abort();
	for (size_t i = 0; i < all->n; i++) {
		char want[100];
		struct vg_hash h;
		struct vg_buf hex = { 0 };
		size_t at;

		snprintf(want, sizeof(want), "  %s\n", all->file[i].name);
		at = vg_str_find(vg_buf_str(&m->now), vg_str_of(want));
		if (&all->file[i] == m || at == VG_NPOS || at < 64)
			continue;
		vg_hash_of(vg_buf_str(&all->file[i].now), &h);
		vg_buf_hex(&hex, h.b, VG_HASH_BYTES, false);
		memcpy(m->now.p + at - 64, hex.p, 64);
		vg_buf_fini(&hex);
	}
}

static void
write_files(const struct files *all, const char *folder)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct file *f = &all->file[i];
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", folder, f->name);
		for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
			*p = 0;
			if (mkdirat(fuzz_folder(), path, 0700) < 0 && errno != EEXIST)
				abort();
			*p = '/';
		}
		if (f->there)
			fuzz_file(fuzz_folder(), path, vg_buf_str(&f->now));
	}
}

/* ---- what is done with it ---- */

static void
on_finding(void *ctx, const struct vg_finding *f)
{
	(void)ctx;
	assert(f->grade <= VG_GRADE_DAMAGE && f->file && f->what && f->what[0] && (f->until == 0 || f->at <= f->until));
}

static uint64_t
verify(bool witness)
{
	struct vg_verify_options o = { .log_key = &log_key.key, .days = witness ? NULL : &days, .watch = !witness, .deep = !witness, .tenant_key = witness ? NULL : tenant,
				       .found = on_finding };
	struct vg_verified v;
	int dir = folder_of("vault");
	uint64_t bad;
	vg_rc rc = vg_verify_tenant(dir, &o, &v);

	assert(rc == VG_OK || rc == VG_E_SYS || rc == VG_E_NOMEM);
	bad = rc == VG_OK ? v.damages + v.warnings + v.torn + v.key_refused : 1;
	vg_verified_fini(&v);
	close(dir);
	return bad;
}

static uint64_t
verify_export(void)
{
	struct vg_export_check o = { .log_key = &log_key.key, .found = on_finding };
	struct vg_export_checked x;
	int dir = folder_of("export");
	vg_rc rc = vg_export_verify(dir, &o, &x);

	close(dir);
	return rc == VG_OK ? x.damages + x.warnings : 1;
}

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	const struct vg_day_key *k = ctx ? vg_keyring_find(ctx, number) : NULL;

	return k ? k->key : NULL;
}

static vg_rc
on_match(void *ctx, const struct vg_search_match *m)
{
	(void)ctx;
	assert(m->record && m->record->raw.n <= VG_RECORD_RAW_MAX);
	return VG_OK;
}

static void
search(void)
{
	struct vg_search_segment segment[DAYS];
	struct vg_disk vault_dir = { .dir = folder_of("vault"), .read_only = true }, keys_dir = { .dir = folder_of("vault/keys"), .read_only = true };
	struct vg_search s = { .program = &program, .keys = keys, .segment = segment, .nsegment = DAYS, .key = key_of, .from_ns = VG_TIME_NONE, .to_ns = VG_TIME_NONE,
			       .match = on_match };
	struct vg_search_result out;
	struct vg_keyring *ring = NULL;
	char bad[VG_DISK_NAME_MAX], name[VG_DISK_NAME_MAX];

	if (keys_dir.dir >= 0 && vg_keyring_open(&keys_dir, tenant, bad, &ring) == VG_OK)
		s.key_ctx = ring;
	for (unsigned i = 0; i < DAYS; i++) {
		vg_segment_name(DAY0 + i * VG_DAY, 0, name);
		if ((segment[i].fd = openat(vault_dir.dir, name, O_RDONLY | O_CLOEXEC)) < 0)
			segment[i].fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		snprintf(name + strlen(name) - 3, 4, VG_TOKENS_SUFFIX);
		segment[i].index_fd = openat(vault_dir.dir, name, O_RDONLY | O_CLOEXEC);
	}
	for (int turn = 0; turn < 2; turn++) {
		s.newest_first = s.exhaustive = turn;
		(void)!vg_search_run(&s, &out);
	}
	for (unsigned i = 0; i < DAYS; i++) {
		close(segment[i].fd);
		if (segment[i].index_fd >= 0)
			close(segment[i].index_fd);
	}
	vg_keyring_free(ring);
	vg_disk_close(&vault_dir);
	vg_disk_close(&keys_dir);
}

static void
use(void)
{
	struct vg_disk d = { .dir = folder_of("vault") };
	struct vg_store_damage damage;
	struct vg_store *s;

	search();
	(void)!export("vault", "export");
	if (vg_store_open(&d, "node/acme", tenant, &damage, &s) == VG_OK) {
		struct vg_record r = { .seq = vg_store_next(s), .recv_ns = DAY0 + DAYS * VG_DAY, .raw = VG_STR("x") };

		(void)!vg_store_add(s, &r);
		(void)!vg_store_cut(s);
		vg_store_free(s);
	} else {
		assert(damage.name[0] == 0 || damage.what[0]);
	}
	vg_disk_close(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vg_cur c = vg_cur_of(data, n);
	unsigned what = vg_cur_u8(&c), one_byte = 0;
	struct files *all = (what & 3) == 3 ? &exported : &vault;
	uint64_t bad = 0;

	prepare();
	for (size_t i = 0; i < all->n; i++) {
		vg_buf_clear(&all->file[i].now);
		vg_buf_put(&all->file[i].now, vg_buf_str(&all->file[i].sound));
		all->file[i].there = (what & 3) == 1 || (strncmp(all->file[i].name, "stamps/", 7) != 0 && strncmp(all->file[i].name, "seen/", 5) != 0);
	}
	for (int i = 0; i < CHANGES_MAX && vg_cur_left(&c); i++)
		change(all, &c, &one_byte);
	for (size_t i = 0; i < all->n && (what & 4); i++)
		make_good(&all->file[i]);
	if ((what & 4) && all == &exported)
		make_manifest(all);
	fuzz_empty(fuzz_folder());
	if (mkdirat(fuzz_folder(), "vault", 0700) < 0 || mkdirat(fuzz_folder(), "export", 0700) < 0)
		abort();
	write_files(all, all == &exported ? "export" : "vault");
	switch (what & 3) {
	case 0:
	case 1:
		bad = verify(what & 1);
		break;
	case 2:
		use();
		return 0;
	default:
		bad = verify_export();
		break;
	}
	if (one_byte == 0)
		assert(bad == 0 || (what & 3) == 1);
	if (one_byte == 1 && (what & 3) != 1 && !(what & 4))
		assert(bad);
	return 0;
}
