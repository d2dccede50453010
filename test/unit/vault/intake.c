#include "power.h"

#include "vault/intake.h"

#define FILE_BYTES 6000

/* What record @seq says: of a length of its own. */
static vg_str
text_of(uint64_t seq, char out[1200])
{
	size_t n = (size_t)snprintf(out, 1200, "record %llu ", (unsigned long long)seq), want = n + (size_t)(seq * 37 % 700);

	for (; n < want; n++)
		out[n] = (char)('a' + (seq + n) % 26);
	return vg_str_mem(out, n);
}

struct seen {
	uint64_t next;
	uint64_t n;
};

static vg_rc
on_record(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	struct seen *s = ctx;
	char text[1200];

	assert_int_equal(r->seq, s->next);
	assert_int_equal(tenant, r->seq % 3);
	assert_int_equal(r->source, r->seq % 5);
	assert_int_equal(r->recv_ns, (int64_t)r->seq * 1000);
	assert_true(vg_str_eq(r->raw, text_of(r->seq, text)));
	s->next++;
	s->n++;
	return VG_OK;
}

static vg_rc
open_at(struct vg_disk *d, struct vg_intake **out)
{
	static const struct vg_intake_options o = { .first = 1, .file_bytes = FILE_BYTES };
	struct vg_intake_damage damage;

	return vg_intake_open(d, &o, &damage, out);
}

static vg_rc
add(struct vg_intake *j, uint64_t want)
{
	char text[1200];
	uint64_t seq;
	struct vg_record r = { .recv_ns = (int64_t)want * 1000, .source = (uint32_t)(want % 5), .raw = text_of(want, text) };
	vg_rc rc = vg_intake_add(j, (uint32_t)(want % 3), &r, &seq);

	vg_intake_set_mark(j, (struct vg_intake_mark){ 7, want });

	if (rc == VG_OK)
		assert_int_equal(seq, want);
	return rc;
}

/* All from @from to the last one are there, as they were. */
static void
check_from(struct vg_intake *j, uint64_t from, uint64_t next)
{
	struct seen s = { .next = from };

	assert_int_equal(vg_intake_next(j), next);
	assert_int_equal(vg_intake_read(j, from, on_record, &s), VG_OK);
	assert_int_equal(s.next, next);
}

static void
what_is_synced_is_read(void **state)
{
	struct vg_intake *j;
	struct vg_disk d;
	char path[64];
	uint64_t seq = 1;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	for (int turn = 0; turn < 4; turn++) {
		assert_int_equal(open_at(&d, &j), VG_OK);
		check_from(j, 1, seq);
		for (int b = 0; b < 20; b++) {
			for (int i = 0; i <= b % 4; i++)
				assert_int_equal(add(j, seq++), VG_OK);
			assert_true(vg_intake_waiting(j) > 0);
			assert_int_equal(vg_intake_next(j), seq - 1 - (uint64_t)(b % 4));
			assert_int_equal(vg_intake_sync(j), VG_OK);
			assert_int_equal(vg_intake_waiting(j), 0);
		}
		check_from(j, seq / 2, seq);
		assert_int_equal(vg_intake_sync(j), VG_OK); /* of nothing */
		assert_int_equal(add(j, seq), VG_OK);        /* lost: never synced */
		vg_intake_free(j);
	}
	vg_disk_close(&d);
	folder_free(path);
}

static void
what_was_dropped_is_not(void **state)
{
	struct vg_intake *j;
	struct vg_disk d;
	char path[64];
	struct seen s = { .next = 1 };

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(open_at(&d, &j), VG_OK);
	for (uint64_t i = 1; i <= 200; i++) {
		assert_int_equal(add(j, i), VG_OK);
		assert_int_equal(vg_intake_sync(j), VG_OK);
	}
	assert_int_equal(vg_intake_drop(j, 150), VG_OK);
	assert_int_equal(vg_intake_read(j, 1, on_record, &s), VG_E_NOTFOUND);
	check_from(j, 150, 201);
	vg_intake_free(j);
	assert_int_equal(open_at(&d, &j), VG_OK); /* it begins where it begins */
	check_from(j, 150, 201);
	assert_int_equal(add(j, 201), VG_OK);
	assert_int_equal(vg_intake_sync(j), VG_OK);
	assert_int_equal(vg_intake_drop(j, 1000), VG_OK); /* never the last file */
	check_from(j, 201, 202);
	vg_intake_free(j);
	vg_disk_close(&d);
	folder_free(path);
}

static void
limits(void **state)
{
	char *big = calloc(1, VG_RECORD_RAW_MAX + 1);
	struct vg_intake *j;
	struct vg_disk d;
	char path[64];
	uint64_t seq;
	int n = 0;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(open_at(&d, &j), VG_OK);
	assert_int_equal(vg_intake_add(j, 0, &(struct vg_record){ .raw = vg_str_mem(big, VG_RECORD_RAW_MAX + 1) }, &seq), VG_E_LIMIT);
	while (vg_intake_add(j, 0, &(struct vg_record){ .raw = vg_str_mem(big, VG_RECORD_RAW_MAX) }, &seq) == VG_OK)
		n++;
	assert_int_equal(n, 7); /* heads take the rest */
	assert_int_equal(vg_intake_sync(j), VG_OK);
	assert_int_equal(vg_intake_next(j), 8);
	assert_int_equal(vg_intake_add(j, 0, &(struct vg_record){ .source = 0 }, &seq), VG_OK);
	assert_int_equal(seq, 8);
	assert_int_equal(vg_intake_sync(j), VG_OK);
	vg_intake_free(j);
	vg_disk_close(&d);
	folder_free(path);
	free(big);
}

/* ---- the power fails ---- */

#define WORK_RECORDS 90
struct work {
	struct power power;
	uint64_t sure[1 << 12]; /* by number of changes: the next record that was not acknowledged; dropped before: */
	uint64_t begin[1 << 12];
};

/* Some batches, over several files, and the oldest ones dropped. */
static void
do_work(struct work *w)
{
	struct vg_intake *j;
	struct vg_disk d;
	char path[64];
	uint64_t seq = 1, begin = 1;
	size_t known = 0;

	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	d.watch = power_watch;
	d.ctx = &w->power;
	w->power.random = 88172645463325252u;
	assert_int_equal(open_at(&d, &j), VG_OK);
	while (seq <= WORK_RECORDS) {
		uint64_t before = seq;

		for (uint64_t i = 0; i <= before % 5; i++)
			assert_int_equal(add(j, seq++), VG_OK);
		assert_int_equal(vg_intake_sync(j), VG_OK);
		for (; known < w->power.n; known++) {
			w->sure[known] = before;
			w->begin[known] = begin;
		}
		if (seq > 75 && begin == 1) {
			begin = 70;
			assert_int_equal(vg_intake_drop(j, begin), VG_OK);
		}
		assert_true(w->power.n < VG_COUNT(w->sure));
	}
	for (; known <= w->power.n; known++) {
		w->sure[known] = seq;
		w->begin[known] = begin;
	}
	vg_intake_free(j);
	vg_disk_close(&d);
	folder_free(path);
}

/* Open what is left after @n changes.  false: something acknowledged is gone, or it cannot be opened. */
static bool
survives(struct work *w, size_t n, int how)
{
	uint64_t sure = n ? w->sure[n - 1] : 1, begin = n ? w->begin[n] : 1;
	struct vg_intake *j;
	struct vg_disk d;
	char path[64];
	bool ok;

	if (n == w->power.n)
		sure = w->sure[n];
	folder_new(path);
	power_build(&w->power, n, how, path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	ok = open_at(&d, &j) == VG_OK;
	if (ok) {
		uint64_t next = vg_intake_next(j);

		ok = next >= sure;
		if (ok && next > begin)
			check_from(j, begin, next);
		if (ok && next > 1) { /* and it goes on from there */
			assert_int_equal(add(j, next), VG_OK);
			assert_int_equal(vg_intake_sync(j), VG_OK);
			vg_intake_free(j);
			assert_int_equal(open_at(&d, &j), VG_OK);
			check_from(j, begin < next ? begin : next, next + 1);
		}
		vg_intake_free(j);
	}
	vg_disk_close(&d);
	folder_free(path);
	return ok;
}

static void
nothing_acknowledged_is_lost(void **state)
{
	static struct work w;

	(void)state;
	do_work(&w);
	for (size_t n = 0; n <= w.power.n; n++)
		for (int turn = 0; turn < 8; turn++)
			if (!survives(&w, n, turn < 2 ? turn : 2))
				fail_msg("after %zu of %zu changes, turn %d", n, w.power.n, turn);
	power_fini(&w.power);
}

/* The power fails again while the journal is made sound, or soon after. */
static void
nor_the_second_time(void **state)
{
	static struct work w;

	(void)state;
	do_work(&w);
	for (int turn = 0; turn < 60; turn++) {
		size_t n = power_draw(&w.power, (uint32_t)w.power.n + 1), begun;
		struct work again = { .power = { .random = w.power.random } };
		struct vg_intake *j;
		struct vg_disk d;
		char path[64];
		uint64_t next;

		folder_new(path);
		power_build(&w.power, n, 2, path);
		assert_int_equal(vg_disk_open(&d, path), VG_OK);
		power_seed(&again.power, &d, ".vj");
		d.watch = power_watch;
		d.ctx = &again.power;
		begun = again.power.n;
		assert_int_equal(open_at(&d, &j), VG_OK);
		next = vg_intake_next(j);
		for (size_t i = 0; i <= again.power.n; i++) {
			again.sure[i] = next;
			again.begin[i] = n ? w.begin[n] : 1;
		}
		for (int b = 0; b < 6; b++) {
			size_t before = again.power.n;
			uint64_t had = vg_intake_next(j);

			assert_int_equal(add(j, had), VG_OK);
			assert_int_equal(vg_intake_sync(j), VG_OK);
			for (size_t i = before; i <= again.power.n; i++) {
				again.sure[i] = i == again.power.n ? had + 1 : had;
				again.begin[i] = n ? w.begin[n] : 1;
			}
		}
		vg_intake_free(j);
		vg_disk_close(&d);
		folder_free(path);
		for (size_t k = begun; k <= again.power.n; k++)
			for (int how = 0; how < 4; how++)
				if (!survives(&again, k, how < 2 ? how : 2))
					fail_msg("after %zu changes, then %zu", n, k);
		power_fini(&again.power);
	}
	power_fini(&w.power);
}

/* Without the syncs of one kind the same test finds something missing: it would see one that was left out of the code. */
static void
every_sync_is_needed(void **state)
{
	static const enum vg_disk_what kinds[] = { VG_DISK_SYNC, VG_DISK_SYNC_DIR };

	(void)state;
	for (size_t k = 0; k < VG_COUNT(kinds); k++) {
		static struct work w;
		bool lost = false;

		w = (struct work){ .power = { .n = 0 } };
		do_work(&w);
		w.power.ignore = 1u << kinds[k];
		for (size_t n = 0; n <= w.power.n && !lost; n++)
			lost = !survives(&w, n, 0);
		assert_true(lost);
		power_fini(&w.power);
	}
}

/* ---- the disk is full ---- */

static void
no_space_loses_nothing(void **state)
{
	(void)state;
	for (size_t fail_at = 1; fail_at < 60; fail_at++) {
		struct power p = { .fail_at = fail_at, .random = 1 };
		struct vg_intake *j;
		struct vg_disk d;
		char path[64];
		uint64_t seq = 1, refused = 0;

		folder_new(path);
		assert_int_equal(vg_disk_open(&d, path), VG_OK);
		d.watch = power_watch;
		d.ctx = &p;
		assert_int_equal(open_at(&d, &j), VG_OK);
		while (seq <= 40) {
			assert_int_equal(add(j, seq++), VG_OK);
			if (vg_intake_sync(j) == VG_OK)
				continue;
			assert_int_equal(errno, ENOSPC);
			refused++;
			check_from(j, 1, seq - 1); /* what was acknowledged is there all the same */
			if (refused == 3)
				p.fail_at = 0; /* there is room again: what waited goes on */
			seq--;
			assert_true(refused < 10);
			while (vg_intake_sync(j) != VG_OK)
				if (++refused >= 3)
					p.fail_at = 0;
			seq++;
		}
		assert_true(refused > 0 || fail_at > p.n);
		check_from(j, 1, 41);
		vg_intake_free(j);
		d.watch = NULL;
		assert_int_equal(open_at(&d, &j), VG_OK);
		check_from(j, 1, 41);
		vg_intake_free(j);
		vg_disk_close(&d);
		folder_free(path);
		power_fini(&p);
	}
}

/* ---- damage ---- */

static vg_rc
first_name(void *ctx, const char *name)
{
	char *least = ctx;

	if (least[0] == 0 || strcmp(name, least) < 0)
		snprintf(least, VG_DISK_NAME_MAX, "%s", name);
	return VG_OK;
}

/* Any byte of acknowledged records changed is told, and nothing is cut off; only in the very last batch can it pass for a write that
 * was never finished. */
static void
damage_is_told(void **state)
{
	static const struct vg_intake_options o = { .first = 1, .file_bytes = FILE_BYTES };
	struct vg_intake_damage damage;
	struct vg_intake *j;
	struct vg_disk d;
	struct vg_file f;
	char path[64], least[VG_DISK_NAME_MAX] = "";
	uint64_t size, told = 0;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(open_at(&d, &j), VG_OK);
	for (uint64_t i = 1; i <= 60; i++) {
		assert_int_equal(add(j, i), VG_OK);
		assert_int_equal(vg_intake_sync(j), VG_OK);
	}
	vg_intake_free(j);
	assert_int_equal(vg_disk_each(&d, ".vj", first_name, least), VG_OK);
	assert_int_equal(vg_file_open(&d, least, &f), VG_OK);
	assert_int_equal(vg_file_size(&f, &size), VG_OK);
	for (uint64_t at = 0; at < size; at += 7) {
		char was, now;

		assert_int_equal(vg_file_read(&f, &was, 1, at), VG_OK);
		now = (char)(was ^ 0x10);
		assert_int_equal(vg_file_write(&d, &f, vg_str_mem(&now, 1), at), VG_OK);
		assert_int_equal(vg_intake_open(&d, &o, &damage, &j), VG_E_FORMAT);
		assert_string_equal(damage.name, least);
		assert_true(damage.at <= at && at < damage.until);
		told++;
		assert_int_equal(vg_file_write(&d, &f, vg_str_mem(&was, 1), at), VG_OK);
	}
	assert_true(told > 800);
	vg_file_close(&f);
	assert_int_equal(open_at(&d, &j), VG_OK);
	check_from(j, 1, 61);
	vg_intake_free(j);
	assert_int_equal(unlinkat(d.dir, least, 0), 0); /* the oldest file is gone: as if dropped, which the tree will tell */
	assert_int_equal(open_at(&d, &j), VG_OK);
	vg_intake_free(j);
	vg_disk_close(&d);
	folder_free(path);
}

/* A file that a later program began, with records that it acknowledged, is not one that was begun and never used. */
static void
a_later_version_is_left_alone(void **state)
{
	static const struct vg_intake_options o = { .first = 1, .file_bytes = FILE_BYTES };
	struct vg_intake_damage damage;
	struct vg_intake *j;
	struct vg_disk d;
	struct vg_file f;
	char path[64], head[32] = "VGJRNL2\n";
	uint64_t size;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_file_create(&d, "0000000000000001.vj", &f), VG_OK);
	assert_int_equal(vg_file_write(&d, &f, vg_str_mem(head, sizeof(head)), 0), VG_OK);
	assert_int_equal(vg_file_write(&d, &f, VG_STR("records in a way that nobody knows yet"), sizeof(head)), VG_OK);
	assert_int_equal(vg_intake_open(&d, &o, &damage, &j), VG_E_UNSUP);
	assert_string_equal(damage.name, "0000000000000001.vj");
	assert_int_equal(vg_file_size(&f, &size), VG_OK);
	assert_int_equal(size, 70);
	vg_file_close(&f);
	vg_disk_close(&d);
	folder_free(path);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_synced_is_read), cmocka_unit_test(what_was_dropped_is_not), cmocka_unit_test(limits),
		cmocka_unit_test(nothing_acknowledged_is_lost), cmocka_unit_test(nor_the_second_time), cmocka_unit_test(every_sync_is_needed),
		cmocka_unit_test(no_space_loses_nothing), cmocka_unit_test(damage_is_told), cmocka_unit_test(a_later_version_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
