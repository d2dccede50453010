#include "power.h"

#include "base/time.h"
#include "vault/intake.h"
#include "vault/opener.h"
#include "vault/store.h"

#define TENANTS 2
#define JOURNAL_BYTES 1800
#define SEGMENT_BYTES 2000
#define RECORDS_MAX 4096

static const uint8_t key_of_acme[32] = { 1, 2, 3 };
static const struct { const char *name; const uint8_t *key; } tenants[TENANTS] = { { "acme", key_of_acme }, { "plain", NULL } };
static struct vg_note_secret log_key;

/* ---- records: all of one follows from its number ---- */

static unsigned
tenant_of(uint64_t seq)
{
	return seq % 3 == 0;
}

/* The clock goes over midnight, back again, and on. */
static int64_t
time_of(uint64_t seq)
{
	static const struct { uint64_t until; int64_t day; } days[] = { { 25, 0 }, { 40, 1 }, { 46, 0 }, { 60, 1 }, { 90, 2 }, { UINT64_MAX, 3 } };
	size_t i = 0;

	while (seq >= days[i].until)
		i++;
	return (20000 + days[i].day) * VG_DAY + (int64_t)seq * 1000;
}

static vg_str
text_of(uint64_t seq, char out[400])
{
	size_t n = (size_t)snprintf(out, 400, "record %llu ", (unsigned long long)seq), want = n + (size_t)(seq * 37 % 250);
	uint64_t x = seq * 0x9e3779b97f4a7c15u | 1;

	for (; n < want; n++) { /* nothing that compresses well */
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		out[n] = (char)(x >> 40);
	}
	return vg_str_mem(out, n);
}

static bool one_class; /* of retention */

static uint16_t
class_of(uint64_t seq)
{
	return one_class ? 0 : seq % 7 == 0 ? 2 : seq % 11 == 0;
}

static struct vg_record
record_of(uint64_t seq, char text[400])
{
	return (struct vg_record){ .seq = seq, .recv_ns = time_of(seq), .source = (uint32_t)(seq % 5), .class = class_of(seq), .id = seq % 4 ? VG_STR("") : VG_STR("id"),
				   .raw = text_of(seq, text) };
}

static bool
is_record(const struct vg_record *r)
{
	char text[400];
	struct vg_record want = record_of(r->seq, text);

	return r->recv_ns == want.recv_ns && r->source == want.source && vg_str_eq(r->id, want.id) && vg_str_eq(r->raw, want.raw);
}

/* ---- what role/vault_keep.c does ---- */

struct promise { /* to those outside */
	uint64_t acknowledged;                /* records below it */
	struct vg_checkpoint signed_[TENANTS]; /* by the seal, who keeps it elsewhere */
	uint64_t published[TENANTS];
};
struct work {
	struct power power;
	struct promise now, old;
	struct promise *at; /* owned; by number of changes */
	size_t known, cap;
	size_t kill_at; /* the process ends when it would make this change; the machine goes on */
	bool tiles; /* a run over many blocks, and nothing else */
	size_t begun; /* changes before that: what was there */
};
struct house {
	struct vg_disk root, intake_dir, dir[TENANTS];
	struct vg_intake *intake;
	struct vg_store *store[TENANTS];
	struct vg_intake_cursor cut;
	uint64_t want; /* the number of the next record */
	struct vg_store_damage damage;
};

/* What is promised now holds from the last change on. */
static void
promise(struct work *w)
{
	if (w->power.n + 1 > w->cap) {
		w->cap = 2 * w->power.n + 1024;
		assert_non_null(w->at = realloc(w->at, w->cap * sizeof(*w->at)));
	}
	for (; w->known < w->power.n; w->known++)
		w->at[w->known] = w->old;
	w->at[w->power.n] = w->old = w->now;
}

static void
work_fini(struct work *w)
{
	power_fini(&w->power);
	free(w->at);
}

static void
house_close(struct house *h)
{
	vg_intake_free(h->intake);
	vg_disk_close(&h->intake_dir);
	for (int t = 0; t < TENANTS; t++) {
		vg_store_free(h->store[t]);
		vg_disk_close(&h->dir[t]);
	}
	vg_disk_close(&h->root);
}

static vg_rc
open_parts(struct house *h)
{
	struct vg_intake_options o = { .first = 1, .file_bytes = JOURNAL_BYTES };
	struct vg_intake_damage damage;
	vg_rc rc;

	for (int t = 0; t < TENANTS; t++) {
		char origin[32];

		snprintf(origin, sizeof(origin), "vigie.test/%s", tenants[t].name);
		if ((rc = vg_disk_folder(&h->root, tenants[t].name, &h->dir[t])) != VG_OK ||
		    (rc = vg_store_open(&h->dir[t], origin, tenants[t].key, &h->damage, &h->store[t])) != VG_OK)
			return rc;
		vg_store_set_segment_bytes(h->store[t], SEGMENT_BYTES);
		if (vg_store_next(h->store[t]) > o.first)
			o.first = vg_store_next(h->store[t]);
	}
	if ((rc = vg_disk_folder(&h->root, "intake", &h->intake_dir)) != VG_OK || (rc = vg_intake_open(&h->intake_dir, &o, &damage, &h->intake)) != VG_OK)
		return rc;
	if (vg_intake_next(h->intake) < o.first)
		return VG_E_REFUSED; /* the stores hold what the journal never had */
	h->cut = (struct vg_intake_cursor){ .seq = vg_intake_first(h->intake) };
	h->want = vg_intake_next(h->intake);
	return VG_OK;
}

static vg_rc
house_open(struct house *h, const char *path, struct power *p)
{
	vg_rc rc;

	*h = (struct house){ .root.dir = -1, .intake_dir.dir = -1 };
	for (int t = 0; t < TENANTS; t++)
		h->dir[t].dir = -1;
	assert_int_equal(vg_disk_open(&h->root, path), VG_OK);
	if (p) {
		h->root.watch = power_watch;
		h->root.ctx = p;
		p->opening = true;
	}
	rc = open_parts(h);
	if (p)
		p->opening = false;
	if (rc != VG_OK)
		house_close(h);
	return rc;
}

/* Take @n records, and acknowledge them. */
static vg_rc
take(struct house *h, struct promise *p, uint64_t n)
{
	char text[400];
	vg_rc rc;

	for (; n; n--, h->want++) {
		struct vg_record r = record_of(h->want, text);
		uint64_t seq;

		assert_int_equal(vg_intake_add(h->intake, tenant_of(h->want), &r, &seq), VG_OK);
		assert_int_equal(seq, h->want);
	}
	if ((rc = vg_intake_sync(h->intake)) == VG_OK)
		p->acknowledged = vg_intake_next(h->intake);
	return rc;
}

static vg_rc
keep_one(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	struct house *h = ctx;

	return vg_store_add(h->store[tenant], r);
}

static vg_rc
keep(struct house *h)
{
	return vg_intake_walk(h->intake, &h->cut, 4 << 20, keep_one, h);
}

/* The seal signs what adds to what it signed before. */
static vg_rc
sign(struct house *h, int t, struct vg_checkpoint *last, struct vg_buf *note)
{
	const struct vg_note_secret *by = &log_key;
	struct vg_checkpoint c = { .time_ns = 1 };
	struct vg_proof proof = { .n = 0 };
	struct vg_buf text = { 0 };
	struct vg_hash was;
	vg_rc rc;

	assert_int_equal(vg_store_root(h->store[t], &c), VG_OK);
	if (last->origin[0]) {
		if ((rc = vg_store_prove(h->store[t], last->size, &was, &proof)) != VG_OK)
			return rc;
		if (c.size == last->size ? !vg_hash_eq(&c.root, &last->root) : !vg_check_consistency(last->size, &last->root, c.size, &c.root, &proof))
			return VG_E_REFUSED;
	}
	*last = c;
	vg_checkpoint_print(&c, &text);
	assert_int_equal(vg_note_sign(vg_buf_str(&text), &by, 1, note), VG_OK);
	vg_buf_fini(&text);
	return VG_OK;
}

static vg_rc
checkpoint(struct house *h, struct work *w, struct promise *p)
{
	vg_rc rc = VG_OK, one;
	bool waits = false;
	int keep = 0;

	for (int t = 0; t < TENANTS; t++) {
		struct vg_buf note = { 0 };

		if ((one = vg_store_cut(h->store[t])) == VG_OK && (one = sign(h, t, &p->signed_[t], &note)) == VG_OK) {
			if (w)
				promise(w);
			one = vg_store_publish(h->store[t], vg_buf_str(&note));
		}
		if (one == VG_OK)
			p->published[t] = p->signed_[t].size;
		else {
			rc = one;
			keep = errno;
		}
		vg_buf_fini(&note);
		waits |= vg_store_waiting(h->store[t]) > 0;
	}
	if (!waits && (one = vg_intake_drop(h->intake, h->cut.seq)) != VG_OK) {
		rc = one;
		keep = errno;
	}
	errno = keep;
	return rc;
}

/* ---- what is there ---- */

struct found {
	uint8_t *in_block, *in_journal; /* by number */
	uint64_t last[VG_CLASSES_MAX];
	unsigned tenant, class;
	bool ok;
};

static vg_rc
on_block_record(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct found *f = ctx;

	(void)at;
	f->ok = f->ok && r->seq > f->last[f->class] && f->class == class_of(r->seq) && r->seq < RECORDS_MAX && tenant_of(r->seq) == f->tenant && is_record(r);
	if (f->ok)
		f->in_block[r->seq] = 1;
	f->last[f->class] = r->seq;
	return VG_OK;
}

static vg_rc
on_journal_record(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	struct found *f = ctx;

	f->ok = f->ok && r->seq < RECORDS_MAX && tenant == tenant_of(r->seq) && r->class == class_of(r->seq) && is_record(r);
	if (f->ok)
		f->in_journal[r->seq] = 1;
	return VG_OK;
}

static const char *
look_at_segment(struct vg_disk *d, const struct vg_store_segment *g, struct vg_keyring *keys, struct vg_frontier *tree, struct found *f)
{
	static struct vg_opener opener;
	struct vg_disk reader = { .dir = d->dir, .read_only = true };
	struct vg_segment_damage bad;
	struct vg_buf b = { 0 }, payload = { 0 };
	struct vg_segment *s;
	const char *why = NULL;

	if (vg_segment_open(&reader, g->name, g->leaves, &bad, &s) != VG_OK)
		return "a segment is not whole";
	/* more may stand there: one that was refused is tried again */
	if (vg_segment_count(s) < g->leaves || g->first_leaf != tree->n)
		why = "a segment has other blocks";
	for (size_t i = 0; i < g->leaves && !why; i++) {
		const struct vg_segment_block *k = vg_segment_at(s, i);
		const struct vg_day_key *key = keys ? vg_keyring_find(keys, k->head.key) : NULL;
		struct vg_hash leaf;
		vg_str head;

		if (vg_segment_read(s, i, &b) != VG_OK)
			why = "a block is not what it was";
		else if (keys && key == NULL)
			why = "a block's key is lost";
		if (why)
			break;
		head = vg_str_cut(vg_buf_str(&b), VG_BLOCK_HEAD);
		vg_block_leaf(head, &leaf);
		vg_frontier_add(tree, &leaf);
		vg_buf_clear(&payload);
		f->class = k->head.class;
		if (vg_opener_open(&opener, vg_segment_file(s), k->at, &k->head, head, vg_str_skip(vg_buf_str(&b), VG_BLOCK_HEAD), key ? key->key : NULL, &payload) != VG_OK ||
		    vg_block_each(&k->head, vg_buf_str(&payload), on_block_record, f) != VG_OK)
			why = "a block cannot be read";
	}
	vg_opener_fini(&opener);
	vg_buf_fini(&b);
	vg_buf_fini(&payload);
	vg_segment_free(s);
	return why;
}

static const char *
look_at_store(struct vg_disk *d, struct vg_store *s, unsigned tenant, const struct promise *p, struct found *f)
{
	struct vg_frontier tree = { .n = 0 };
	struct vg_checkpoint c;
	struct vg_hash root;
	const char *why;

	f->tenant = tenant;
	memset(f->last, 0, sizeof(f->last));
	for (size_t i = 0; i < vg_store_segments(s); i++)
		if ((why = look_at_segment(d, vg_store_segment(s, i), vg_store_keys(s), &tree, f)) != NULL)
			return why;
	vg_frontier_root(&tree, &root);
	if (vg_store_root(s, &c) != VG_OK || c.size != tree.n || !vg_hash_eq(&c.root, &root))
		return "the tree is not that of the blocks";
	for (unsigned i = 0; i < VG_CLASSES_MAX; i++)
		if (f->last[i] + 1 > vg_store_next(s))
			return "a record is behind the last one";
	if (vg_store_last(s)->size < p->published[tenant] || vg_store_last(s)->size > tree.n)
		return "a checkpoint that was published is gone";
	if (p->signed_[tenant].origin[0] && vg_store_is_grown(s, p->signed_[tenant].size, &p->signed_[tenant].root) != VG_OK)
		return "what was signed is not there";
	return NULL;
}

/* NULL: all that was promised holds. */
static const char *
look(struct house *h, const struct promise *p)
{
	static uint8_t in_block[RECORDS_MAX], in_journal[RECORDS_MAX];
	struct found f = { .in_block = in_block, .in_journal = in_journal, .ok = true };
	const char *why;

	memset(in_block, 0, sizeof(in_block));
	memset(in_journal, 0, sizeof(in_journal));
	if (vg_intake_next(h->intake) < p->acknowledged)
		return "the journal ends before what was acknowledged";
	for (unsigned t = 0; t < TENANTS; t++)
		if ((why = look_at_store(&h->dir[t], h->store[t], t, p, &f)) != NULL)
			return why;
	if (vg_intake_read(h->intake, vg_intake_first(h->intake), on_journal_record, &f) != VG_OK)
		return "the journal cannot be read";
	for (uint64_t i = 1; i < vg_intake_next(h->intake); i++)
		if (!in_block[i] && !in_journal[i])
			return "an acknowledged record is gone";
	return f.ok ? NULL : "a record is not what it was";
}

static const char *
rc_text(const struct house *h, vg_rc rc)
{
	static char text[300];

	snprintf(text, sizeof(text), "it cannot be opened: %s, %s at %llu: %s", vg_rc_name(rc), h->damage.name, (unsigned long long)h->damage.at, h->damage.what);
	return text;
}

/* Open what is left in @path, look, go on from there, and look again. */
static const char *
goes_on(const char *path, const struct promise *then)
{
	struct promise p = *then;
	struct house h;
	const char *why;
	vg_rc rc = house_open(&h, path, NULL);

	if (rc != VG_OK)
		return rc_text(&h, rc);
	if ((why = look(&h, &p)) == NULL) {
		if (take(&h, &p, 3) != VG_OK || keep(&h) != VG_OK || (rc = checkpoint(&h, NULL, &p)) != VG_OK || take(&h, &p, 2) != VG_OK || keep(&h) != VG_OK)
			why = rc == VG_E_REFUSED ? "the tree does not continue what was signed" : "it does not go on";
		else
			why = look(&h, &p);
	}
	house_close(&h);
	if (why || (rc = house_open(&h, path, NULL)) != VG_OK)
		return why ? why : rc_text(&h, rc);
	why = look(&h, &p);
	house_close(&h);
	return why;
}

/* ---- the work ---- */

static void
begin_tiles(struct work *w, const char *path)
{
	struct house h;

	assert_int_equal(house_open(&h, path, NULL), VG_OK);
	while (vg_store_root(h.store[0], &w->now.signed_[0]) == VG_OK && w->now.signed_[0].size < VG_TILE_HASHES - 3) {
		assert_int_equal(take(&h, &w->now, 1), VG_OK);
		assert_int_equal(keep(&h), VG_OK);
		for (int t = 0; t < TENANTS; t++)
			assert_int_equal(vg_store_cut(h.store[t]), VG_OK);
	}
	assert_int_equal(checkpoint(&h, NULL, &w->now), VG_OK);
	power_seed(&w->power, &h.root, "");
	house_close(&h);
	w->begun = w->power.n;
	promise(w);
}

/* The process ended between two changes: what it wrote is there, and not more sure than it was. */
static bool
was_killed(struct work *w, struct house *h, const char *path)
{
	if (!w->power.fail_at || w->power.n + 1 < w->power.fail_at)
		return false;
	w->power.fail_at = 0;
	house_close(h);
	assert_int_equal(house_open(h, path, &w->power), VG_OK);
	return true;
}

#define STEPS 46
/* All of it in folder @path, recorded; several days, journal files and segments; checkpoints; it ends and begins again. */
static void
do_work_in(struct work *w, const char *path)
{
	int steps = w->tiles ? 10 : STEPS;
	struct house h;
	vg_rc rc = VG_OK;

	w->power.random = 88172645463325252u;
	w->known = 0;
	if (w->tiles)
		begin_tiles(w, path);
	w->power.fail_at = w->kill_at;
	if (house_open(&h, path, &w->power) != VG_OK) { /* killed while it begins */
		w->power.fail_at = 0;
		assert_int_equal(house_open(&h, path, &w->power), VG_OK);
	}
	for (int i = 0; i < steps; i++) {
		promise(w);
		if ((rc = take(&h, &w->now, 1 + (uint64_t)i % 4)) == VG_OK) {
			promise(w);
			if ((i % 3 == 1 || w->tiles) && (rc = keep(&h)) == VG_OK && (i % 6 == 4 || w->tiles))
				rc = checkpoint(&h, w, &w->now);
		}
		if (rc == VG_OK && i % 17 == 16) {
			house_close(&h);
			if ((rc = house_open(&h, path, &w->power)) != VG_OK) {
				assert_true(w->power.fail_at && w->power.n + 1 >= w->power.fail_at);
				w->power.fail_at = 0;
				assert_int_equal((rc = house_open(&h, path, &w->power)), VG_OK);
			}
		}
		assert_true(rc == VG_OK || was_killed(w, &h, path));
	}
	promise(w);
	house_close(&h);
}

static void
do_work(struct work *w)
{
	char path[64];

	folder_new(path);
	do_work_in(w, path);
	folder_burn(path);
}

/* NULL: what is left after @n changes holds all that was promised by then. */
static const char *
survives(struct work *w, size_t n, int how)
{
	const char *why;
	char path[64];

	folder_new(path);
	power_build(&w->power, n, how, path);
	why = goes_on(path, &w->at[n]);
	folder_burn(path);
	return why;
}

static void
all_survive(struct work *w, size_t from, size_t to, size_t step, int turns)
{
	for (size_t n = from; n <= to && n <= w->power.n; n += step)
		for (int turn = 0; turn < turns; turn++) {
			const char *why = survives(w, n, turn < 2 ? turn : 2);

			if (why)
				fail_msg("after %zu of %zu changes, turn %d, killed at %zu: %s", n, w->power.n, turn, w->kill_at, why);
		}
}

static void
nothing_is_lost(void **state)
{
	struct work w = { .kill_at = 0 };

	(void)state;
	do_work(&w);
	assert_true(w.now.published[0] > 10 && w.now.published[1] > 5);
	all_survive(&w, 0, w.power.n, 1, 4);
	work_fini(&w);
}

static void
nor_from_the_tree(void **state)
{
	struct work w = { .tiles = true };

	(void)state;
	do_work(&w);
	assert_true(w.now.published[0] > VG_TILE_HASHES);
	all_survive(&w, w.begun, w.power.n, 2, 4);
	work_fini(&w);
}

static size_t
changes_of_work(void)
{
	struct work w = { .kill_at = 0 };
	size_t n;

	do_work(&w);
	n = w.power.n;
	work_fini(&w);
	return n;
}

/* The process is killed; the next one goes on; then the power fails.  What the first one wrote and did not sync is read by the second. */
static void
nor_when_killed_before(void **state)
{
	size_t changes = changes_of_work();

	(void)state;
	for (size_t at = 1; at <= changes; at += 3) {
		struct work w = { .kill_at = at };

		do_work(&w);
		all_survive(&w, at - 1 + at % 5, at + 80, 11, 1);
		all_survive(&w, at + at % 11, at + 30, 17, 3);
		work_fini(&w);
	}
}

/* The power fails, and again while all is made sound or soon after. */
static void
nor_the_second_time(void **state)
{
	struct work w = { .kill_at = 0 };

	(void)state;
	do_work(&w);
	for (int turn = 0; turn < 20; turn++) {
		size_t n = power_draw(&w.power, (uint32_t)w.power.n + 1), begun;
		struct work again = { .power = { .random = w.power.random }, .now = w.at[n] };
		struct vg_disk root;
		struct house h;
		char path[64];

		folder_new(path);
		power_build(&w.power, n, 2, path);
		assert_int_equal(vg_disk_open(&root, path), VG_OK);
		power_seed(&again.power, &root, "");
		vg_disk_close(&root);
		begun = again.power.n;
		promise(&again);
		assert_int_equal(house_open(&h, path, &again.power), VG_OK);
		for (int i = 0; i < 3; i++) {
			promise(&again);
			assert_int_equal(take(&h, &again.now, 2), VG_OK);
			promise(&again);
			assert_int_equal(keep(&h), VG_OK);
			assert_int_equal(checkpoint(&h, &again, &again.now), VG_OK);
		}
		promise(&again);
		house_close(&h);
		folder_burn(path);
		all_survive(&again, begun, again.power.n, 1 + (size_t)turn % 3, 3);
		work_fini(&again);
	}
	work_fini(&w);
}

/* ---- every sync is needed ---- */

static bool
loses(struct work *w, const char *kind, size_t from, size_t to, size_t step, int turns)
{
	const char *why = NULL;

	w->power.lie = kind;
	for (int turn = 0; turn < turns && !why; turn++)
		for (size_t n = from; n <= to && n <= w->power.n && !why; n += step)
			why = survives(w, n, turn ? 2 : 0);
	w->power.lie = NULL;
	return why != NULL;
}

static bool
loses_when_killed(const char *kind, size_t changes)
{
	bool lost = false;

	for (size_t at = 1; at <= changes && !lost; at++) {
		struct work w = { .kill_at = at };

		do_work(&w);
		lost = loses(&w, kind, at + at % 9, at + 130, 9, 2);
		work_fini(&w);
	}
	return lost;
}

static size_t
kinds_of(const struct work *w, const char *kind[], size_t n)
{
	for (size_t i = w->begun; i < w->power.n; i++) {
		size_t k = 0;

		while (k < n && strcmp(kind[k], w->power.op[i].kind) != 0)
			k++;
		if (k == n && w->power.op[i].kind[0]) {
			assert_true(n < 100);
			kind[n++] = w->power.op[i].kind;
		}
	}
	return n;
}

/* Each sync of the code, told by what it is for, left out alone: something is lost. */
static void
every_sync_is_needed(void **state)
{
	struct work w = { .kill_at = 0 }, tiles = { .tiles = true };
	const char *kind[100];
	size_t changes, n;

	(void)state;
	do_work(&w);
	changes = w.power.n;
	do_work(&tiles);
	n = kinds_of(&tiles, kind, kinds_of(&w, kind, 0));
	for (size_t k = 0; k < n; k++) {
		if (strcmp(kind[k], "open: folder acme behind  ") == 0)
			continue; /* that of vg_disk_folder(), as is the one of the root's folder */
		if (!(strncmp(kind[k], "open: ", 6) == 0 ? loses_when_killed(kind[k], changes) : strstr(kind[k], "/tile/") ?
		      loses(&tiles, kind[k], tiles.begun, tiles.power.n, 1, 3) : loses(&w, kind[k], 0, w.power.n, 1, 3)))
			fail_msg("nothing is lost without the sync \"%s\"", kind[k]);
	}
	assert_true(n >= 18);
	work_fini(&w);
	work_fini(&tiles);
}

/* ---- the disk is full ---- */

/* Refused, for want of room and nothing else; what was promised before holds all the same.  After some there is room again. */
static bool
is_refused(struct work *w, struct house *h, vg_rc rc, unsigned *refused)
{
	const char *why;

	if (rc == VG_OK)
		return false;
	assert_int_equal(rc, VG_E_SYS);
	assert_int_equal(errno, ENOSPC);
	if (h && (why = look(h, &w->now)) != NULL)
		fail_msg("refused %u times: %s", *refused, why);
	if (++*refused == 5)
		w->power.fail_at = 0;
	return true;
}

static unsigned
work_on_a_full_disk(struct work *w, const char *path)
{
	unsigned refused = 0;
	struct house h;

	w->power.random = 88172645463325252u;
	while (is_refused(w, NULL, house_open(&h, path, &w->power), &refused))
		promise(w);
	for (int i = 0; i < STEPS; i++) {
		promise(w);
		(void)is_refused(w, &h, take(&h, &w->now, 1 + (uint64_t)i % 4), &refused);
		promise(w);
		if (i % 3 == 1)
			(void)is_refused(w, &h, keep(&h), &refused);
		if (i % 6 == 4)
			(void)is_refused(w, &h, checkpoint(&h, w, &w->now), &refused);
		if (i % 17 == 16) {
			house_close(&h);
			while (is_refused(w, NULL, house_open(&h, path, &w->power), &refused))
				promise(w);
		}
	}
	promise(w);
	w->power.fail_at = w->power.fail_once = 0;
	assert_int_equal(take(&h, &w->now, 1), VG_OK); /* what waited goes with it */
	assert_int_equal(w->now.acknowledged, h.want);
	assert_int_equal(keep(&h), VG_OK);
	assert_int_equal(checkpoint(&h, w, &w->now), VG_OK);
	promise(w);
	house_close(&h);
	return refused;
}

static void
no_space_loses_nothing(void **state)
{
	size_t changes = changes_of_work();

	(void)state;
	for (size_t at = 1; at <= changes; at++)
		for (int once = 0; once < 2; once++) {
			struct work w = { .power = { .fail_at = once ? 0 : at, .fail_once = once ? at : 0 } };
			const char *why;
			char path[64];

			folder_new(path);
			assert_true(work_on_a_full_disk(&w, path) > 0 || once); /* one that is to remove what is of no use any more may fail */
			if ((why = goes_on(path, &w.now)) != NULL)
				fail_msg("no room at %zu: %s", at, why);
			folder_burn(path);
			all_survive(&w, at - 1 + at % 7, at + 60, 19, 3); /* and then the power fails */
			work_fini(&w);
		}
}

/* ---- those that only read ---- */

static vg_rc
nothing_may_change(void *ctx, const struct vg_disk_op *op)
{
	(void)ctx;
	fail_msg("a reader changes %s%s", op->dir, op->name);
	return VG_E_REFUSED;
}

/* Another process opens the store as it is now; it finds what was published, changes nothing, and can prove. */
static void
read_beside(struct house *h, const struct promise *p, uint64_t leaves)
{
	struct vg_disk d = { .dir = h->dir[0].dir, .read_only = true, .watch = nothing_may_change };
	struct vg_store_damage damage;
	struct vg_checkpoint c, now;
	struct vg_store *s;
	struct vg_proof proof;
	struct vg_hash was;

	assert_int_equal(vg_store_open(&d, "vigie.test/acme", tenants[0].key, &damage, &s), VG_OK);
	assert_true(vg_store_last(s)->size >= p->published[0]);
	assert_int_equal(vg_store_root(s, &c), VG_OK);
	assert_int_equal(c.size, leaves);
	assert_int_equal(vg_store_root(h->store[0], &now), VG_OK);
	assert_true(vg_hash_eq(&c.root, &now.root));
	if (p->published[0]) {
		assert_int_equal(vg_store_is_grown(s, p->signed_[0].size, &p->signed_[0].root), VG_OK);
		assert_int_equal(vg_store_prove(s, p->signed_[0].size, &was, &proof), VG_OK);
		assert_true(vg_hash_eq(&was, &p->signed_[0].root));
		assert_true(vg_check_consistency(p->signed_[0].size, &p->signed_[0].root, c.size, &c.root, &proof));
		now.root.b[3] ^= 1;
		assert_int_equal(vg_store_is_grown(s, now.size, &now.root), VG_E_REFUSED);
		assert_int_equal(vg_store_is_grown(s, now.size + 1, &now.root), VG_E_REFUSED);
		assert_int_equal(vg_store_prove(s, now.size + 1, &was, &proof), VG_E_NOTFOUND);
	}
	vg_store_free(s);
}

static void
readers_change_nothing(void **state)
{
	struct promise p = { .acknowledged = 0 };
	uint64_t leaves = 0;
	char path[64], tile[96];
	struct house h;

	(void)state;
	folder_new(path);
	assert_int_equal(house_open(&h, path, NULL), VG_OK);
	while (leaves < VG_TILE_HASHES + 20) {
		struct vg_checkpoint c;

		assert_int_equal(take(&h, &p, 1), VG_OK);
		assert_int_equal(keep(&h), VG_OK);
		if (leaves % 16 == 3 || leaves > VG_TILE_HASHES - 4)
			assert_int_equal(checkpoint(&h, NULL, &p), VG_OK);
		else
			assert_int_equal(vg_store_cut(h.store[0]), VG_OK);
		assert_int_equal(vg_store_root(h.store[0], &c), VG_OK);
		leaves = c.size;
		if (leaves % 8 == 1 || leaves > VG_TILE_HASHES - 4)
			read_beside(&h, &p, leaves);
	}
	/* a tile that power took is made in memory */
	snprintf(tile, sizeof(tile), "%s/acme/tile", path);
	folder_burn(tile);
	read_beside(&h, &p, leaves);
	house_close(&h);
	assert_int_equal(house_open(&h, path, NULL), VG_OK);
	assert_null(look(&h, &p));
	assert_int_equal(access(tile, F_OK), 0); /* and made anew by who may */
	house_close(&h);
	folder_burn(path);
}

/* ---- records, days, parts ---- */

static void
what_is_there_is_passed_over(void **state)
{
	struct vg_disk d;
	struct vg_store_damage damage;
	struct vg_store *s;
	char path[64], text[400];

	(void)state;
	one_class = true;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	for (int turn = 0; turn < 3; turn++) { /* the journal is walked from the beginning after each begin */
		assert_int_equal(vg_store_open(&d, "o", key_of_acme, &damage, &s), VG_OK);
		for (uint64_t i = 1; i <= 70; i++) {
			struct vg_record r = record_of(i, text);

			assert_int_equal(vg_store_add(s, &r), VG_OK);
			assert_int_equal(vg_store_add(s, &r), VG_OK);
		}
		assert_int_equal(vg_store_waiting(s), turn ? 0 : 70 - 59);
		assert_int_equal(vg_store_next(s), turn ? 71 : 60);
		assert_int_equal(vg_store_cut(s), VG_OK);
		assert_int_equal(vg_store_cut(s), VG_OK); /* of nothing */
		assert_int_equal(vg_store_next(s), 71);
		/* a day, the next one, the clock goes back, forth, and on: parts of the same days */
		assert_int_equal(vg_store_segments(s), 5);
		assert_string_equal(vg_store_segment(s, 0)->name, "2024-10-04.0000.vs");
		assert_string_equal(vg_store_segment(s, 1)->name, "2024-10-05.0000.vs");
		assert_string_equal(vg_store_segment(s, 2)->name, "2024-10-04.0001.vs");
		assert_string_equal(vg_store_segment(s, 3)->name, "2024-10-05.0001.vs");
		assert_string_equal(vg_store_segment(s, 4)->name, "2024-10-06.0000.vs");
		assert_null(vg_store_segment(s, 5));
		for (size_t i = 0; i < 5; i++) {
			const struct vg_store_segment *g = vg_store_segment(s, i);

			assert_true(g->first_leaf == i && g->leaves == 1);
			assert_true(g->first_ns == time_of(g->first_seq) && g->last_ns == time_of(g->last_seq));
		}
		vg_store_free(s);
	}
	assert_int_equal(vg_store_open(&d, "o", tenants[0].key, &damage, &s), VG_OK);
	vg_store_free(s);
	{
		static const uint8_t other[32] = { 9 };

		assert_int_equal(vg_store_open(&d, "o", other, &damage, &s), VG_E_REFUSED);
		assert_non_null(strstr(damage.name, ".key"));
	}
	vg_disk_close(&d);
	folder_burn(path);
	one_class = false;
}

/* What was published and is not there any more is damage, told; nothing is cut or removed then. */
static void
damage_is_told(void **state)
{
	char path[64], segment[160];
	struct promise p = { .acknowledged = 0 };
	struct stat before, after;
	struct house h;

	(void)state;
	one_class = true;
	folder_new(path);
	assert_int_equal(house_open(&h, path, NULL), VG_OK);
	assert_int_equal(take(&h, &p, 20), VG_OK);
	assert_int_equal(keep(&h), VG_OK);
	assert_int_equal(checkpoint(&h, NULL, &p), VG_OK);
	snprintf(segment, sizeof(segment), "%s/acme/%s", path, vg_store_segment(h.store[0], 0)->name);
	house_close(&h);
	assert_int_equal(stat(segment, &before), 0);
	assert_int_equal(truncate(segment, before.st_size - 1), 0);
	assert_int_equal(house_open(&h, path, NULL), VG_E_FORMAT);
	assert_non_null(strstr(segment, h.damage.name));
	assert_int_equal(h.damage.at, 0);
	assert_int_equal(stat(segment, &after), 0);
	assert_int_equal(after.st_size, before.st_size - 1);
	assert_int_equal(unlink(segment), 0);
	assert_int_equal(house_open(&h, path, NULL), VG_E_FORMAT);
	assert_string_equal(h.damage.name, VG_CHECKPOINT_FILE);
	folder_burn(path);
	one_class = false;
}

int
main(int argc, char **argv)
{
	static const uint8_t seed[32] = { 9 };
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost), cmocka_unit_test(nor_from_the_tree), cmocka_unit_test(nor_when_killed_before),
		cmocka_unit_test(nor_the_second_time), cmocka_unit_test(every_sync_is_needed),
		cmocka_unit_test(no_space_loses_nothing), cmocka_unit_test(readers_change_nothing), cmocka_unit_test(what_is_there_is_passed_over),
		cmocka_unit_test(damage_is_told),
	};

	if (vg_note_key_of_seed(VG_STR("vigie.test"), seed, &log_key) != VG_OK)
		return 1;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
