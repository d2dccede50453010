/* Databases that somebody else gives us: catalogue.db and signals.db.  The first byte chooses: c and s, changes to a sound one, three bytes of place and one of
 * value, again and again; C and S, the file itself.  What is always true: each is opened, to be read and to be written to, or refused with a reason; what is
 * read is within what a row holds. */
#include <assert.h>
#include <stdio.h>

#include "base/buf.h"
#include "choose.h"
#include "folder.h"
#include "state/catalogue.h"
#include "state/hits.h"
#include "state/signals.h"
#include "vault/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct vg_buf catalogue_sound, signals_sound;
static size_t touched;

static void
touch(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		touched += (uint8_t)s.p[i];
}

static vg_rc
on_tenant(void *ctx, uint32_t id, vg_str name)
{
	(void)ctx;
	(void)id;
	touch(name);
	return VG_OK;
}

static vg_rc
on_source(void *ctx, const struct vg_source *s)
{
	(void)ctx;
	touch(s->name);
	touch(s->address);
	touch(s->listener);
	touch(s->pack);
	assert(vg_source_state_name(s->state));
	return VG_OK;
}

static vg_rc
on_key(void *ctx, const struct vg_key_row *k)
{
	(void)ctx;
	touch(k->tenant);
	touch(k->source);
	touch(k->hash);
	return VG_OK;
}

static vg_rc
on_signal(void *ctx, const struct vg_signal_row *s)
{
	(void)ctx;
	touch(s->rule);
	touch(s->title);
	touch(s->tags);
	touch(s->host);
	touch(s->fields);
	assert(s->nevidence <= VG_SIGNAL_EVIDENCE_MAX);
	return VG_OK;
}

static vg_rc
on_hit(void *ctx, const struct vg_live_hit *h)
{
	(void)ctx;
	touch(h->wire);
	return VG_OK;
}

static vg_rc
on_told(void *ctx, const struct vg_live_told *t)
{
	(void)ctx;
	touch(vg_str_mem(t->id, sizeof(t->id)));
	return VG_OK;
}

static const char *
path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", fuzz_folder_path, name);
	return path;
}

static void
use_catalogue(sqlite3 *db, bool write)
{
	struct vg_source s = { .tenant = 1, .proof = 1, .name = VG_STR("h9"), .address = VG_STR("192.0.2.9"), .listener = VG_STR("syslog"), .records = 3 };
	struct vg_key_row k = { .tenant = VG_STR("t"), .source = VG_STR("s"), .hash = VG_STR("01234567890123456789012345678901") };
	uint32_t id;
	int64_t n;

	(void)!vg_catalogue_tenants(db, on_tenant, NULL);
	(void)!vg_catalogue_sources(db, on_source, NULL);
	(void)!vg_catalogue_keys(db, on_key, NULL);
	(void)vg_catalogue_version(db);
	if (!write)
		return;
	(void)!vg_catalogue_tenant(db, VG_STR("acme"), &id);
	if (vg_catalogue_source(db, &s) == VG_OK)
		(void)!vg_catalogue_count(db, &s);
	(void)!vg_catalogue_set_state(db, 1, VG_SOURCE_ADOPTED);
	(void)!vg_catalogue_add_key(db, &k, &n);
	(void)!vg_catalogue_revoke_key(db, 1, 5);
}

static void
use_signals(sqlite3 *db, bool write)
{
	struct vg_signal_query q = { .newest = true, .id = VG_STR("00112233") };
	struct vg_signal_row s = { .tenant = 1, .id = { 7 }, .rule = VG_STR("r"), .evidence = { 1, 2 }, .nevidence = 2 };
	static const uint8_t identity[VG_HITS_IDENTITY] = { 3 };
	struct vg_live_store store;
	struct vg_hits *h;
	struct vg_buf b = { 0 };
	uint64_t rule = 9, n;
	bool is;

	(void)!vg_signals_each(db, &q, on_signal, NULL);
	q = (struct vg_signal_query){ .limit = 10 };
	(void)!vg_signals_each(db, &q, on_signal, NULL);
	(void)!vg_state_get(db, "next", &b);
	vg_buf_fini(&b);
	if (!write)
		return;
	(void)!vg_signal_put(db, &s, &is);
	(void)!vg_signal_withdraw(db, s.id);
	(void)!vg_state_set(db, "next", VG_STR("5"));
	if (vg_hits_open(db, &h) != VG_OK)
		return;
	store = vg_hits_store(h);
	(void)!store.each(store.ctx, 1, 0, INT64_MAX, &rule, 1, on_hit, NULL);
	(void)!store.each_told(store.ctx, 1, 0, INT64_MAX, on_told, NULL);
	(void)!store.count(store.ctx, 1, &n);
	(void)!vg_hits_known(h, 1, identity, 5, 6, &is);
	(void)!store.drop(store.ctx, 1, 50, &n);
	vg_hits_free(h);
}

static void
both_ways(vg_str file, vg_rc (*open_db)(const char *path, bool read_only, char why[200], sqlite3 **out), void (*use)(sqlite3 *db, bool write))
{
	char why[200];
	sqlite3 *db;

	for (int write = 0; write < 2; write++) {
		fuzz_empty(fuzz_folder());
		fuzz_file(fuzz_folder(), "a.db", file);
		if (open_db(path_of("a.db"), !write, why, &db) == VG_OK) {
			use(db, write);
			vg_db_close(db);
		} else {
			assert(why[0]);
		}
	}
}

static void catalogue(vg_str s) { both_ways(s, vg_catalogue_open, use_catalogue); }
static void signals(vg_str s) { both_ways(s, vg_signals_open, use_signals); }

static void
changed(vg_str how, vg_str sound, void (*use)(vg_str s))
{
	struct vg_buf b = { 0 };

	vg_buf_put(&b, sound);
	for (size_t i = 0; i + 4 <= how.n; i += 4)
		b.p[((size_t)(uint8_t)how.p[i] << 16 | (size_t)(uint8_t)how.p[i + 1] << 8 | (uint8_t)how.p[i + 2]) % b.n] = how.p[i + 3];
	use(vg_buf_str(&b));
	vg_buf_fini(&b);
}

static void catalogue_changed(vg_str s) { changed(s, vg_buf_str(&catalogue_sound), catalogue); }
static void signals_changed(vg_str s) { changed(s, vg_buf_str(&signals_sound), signals); }

static void
prepare(void)
{
	struct vg_disk d = { .dir = fuzz_folder() };
	struct vg_live_store store;
	struct vg_live_hit hit = { .tenant = 1, .time_ns = 60, .seq = 4, .rule = 9, .wire = VG_STR("wire") };
	struct vg_live_told told = { .last_ns = 70 };
	struct vg_hits *h;
	char why[200];
	sqlite3 *db;
	bool was;

	if (catalogue_sound.n)
		return;
	fuzz_empty(fuzz_folder());
	if (vg_catalogue_open(path_of("c.db"), false, why, &db) != VG_OK)
		abort();
	use_catalogue(db, true);
	(void)!vg_db_run(db, "PRAGMA journal_mode=DELETE");
	vg_db_close(db);
	if (vg_signals_open(path_of("s.db"), false, why, &db) != VG_OK)
		abort();
	use_signals(db, true);
	if (vg_hits_open(db, &h) != VG_OK)
		abort();
	store = vg_hits_store(h);
	if (store.put(store.ctx, &hit, &was) != VG_OK || store.tell(store.ctx, 1, &told, &was) != VG_OK)
		abort();
	vg_hits_free(h);
	(void)!vg_db_run(db, "UPDATE signal SET withdrawn = 0; PRAGMA journal_mode=DELETE");
	vg_db_close(db);
	if (vg_disk_slurp(&d, "c.db", 1 << 20, &catalogue_sound) != VG_OK || vg_disk_slurp(&d, "s.db", 1 << 20, &signals_sound) != VG_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'c', catalogue_changed }, { 's', signals_changed }, { 'C', catalogue }, { 'S', signals }, { 0, NULL } };

	prepare();
	return fuzz_choose(choices, data, n);
}
