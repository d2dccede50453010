#include "power.h"

#include <sodium.h>

#include "vault/destruction.h"
#include "vault/keyring.h"

static const uint8_t tenant[32] = { 7, 1 }, other[32] = { 7, 2 };

static void
what_is_made_is_found(void **state)
{
	const struct vg_day_key *k;
	struct vg_keyring *ring;
	uint8_t first[VG_BLOCK_KEY], second[VG_BLOCK_KEY];
	char path[64], bad[VG_DISK_NAME_MAX];
	struct vg_disk d;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_OK);
	assert_null(vg_keyring_find(ring, 1));
	assert_int_equal(vg_keyring_of_day(ring, 20000, 0, &k), VG_OK);
	assert_true(k->number == 1 && k->day == 20000);
	memcpy(first, k->key, sizeof(first));
	assert_int_equal(vg_keyring_of_day(ring, 20001, 0, &k), VG_OK);
	assert_int_equal(k->number, 2);
	memcpy(second, k->key, sizeof(second));
	assert_memory_not_equal(first, second, sizeof(first));
	for (uint32_t day = 20000; day < 20100; day++) /* the first ones again, and many */
		assert_int_equal(vg_keyring_of_day(ring, day, 0, &k), VG_OK);
	assert_int_equal(k->number, 100);
	for (int turn = 0; turn < 2; turn++) {
		assert_memory_equal(vg_keyring_find(ring, 1)->key, first, sizeof(first));
		assert_memory_equal(vg_keyring_find(ring, 2)->key, second, sizeof(second));
		assert_null(vg_keyring_find(ring, 101));
		assert_null(vg_keyring_find(ring, 0));
		vg_keyring_free(ring);
		d.read_only = turn == 0;
		assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_OK);
	}
	vg_keyring_free(ring);
	vg_disk_close(&d);
	folder_burn(path);
}

static void
what_is_destroyed_is_gone(void **state)
{
	const struct vg_day_key *k;
	struct vg_keyring *ring;
	struct vg_buf b = { 0 };
	char path[64], bad[VG_DISK_NAME_MAX];
	struct vg_disk d;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_OK);
	assert_int_equal(vg_keyring_destroy(ring, 5, VG_STR("c")), VG_E_NOTFOUND);
	for (uint32_t day = 5; day < 8; day++)
		assert_int_equal(vg_keyring_of_day(ring, day, 0, &k), VG_OK);
	assert_int_equal(vg_keyring_destroy(ring, 3, VG_STR("of the seventh")), VG_OK);
	assert_int_equal(vg_keyring_destroy(ring, 3, VG_STR("c")), VG_E_NOTFOUND);
	assert_null(vg_keyring_find(ring, 3));
	assert_non_null(vg_keyring_find(ring, 2));
	vg_keyring_free(ring);
	assert_int_equal(faccessat(d.dir, "00000003.key", F_OK, 0), -1);
	assert_int_equal(vg_disk_slurp(&d, "00000003.gone", 100, &b), VG_OK);
	assert_true(vg_str_eq(vg_buf_str(&b), VG_STR("of the seventh")));
	assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_OK);
	assert_null(vg_keyring_find(ring, 3));
	assert_int_equal(vg_keyring_of_day(ring, 7, 0, &k), VG_OK); /* of the same day, and another key: the number never comes again */
	assert_int_equal(k->number, 4);
	vg_keyring_free(ring);
	vg_buf_fini(&b);
	vg_disk_close(&d);
	folder_burn(path);
}

static void
write_file(struct vg_disk *d, const char *name, vg_str bytes)
{
	assert_int_equal(vg_disk_swap(d, name, bytes), VG_OK);
}

static void
damage_is_told(void **state)
{
	const struct vg_day_key *k;
	struct vg_keyring *ring;
	struct vg_buf b = { 0 };
	char path[64], bad[VG_DISK_NAME_MAX];
	struct vg_disk d;
	struct vg_day_key is;

	(void)state;
	folder_new(path);
	assert_int_equal(vg_disk_open(&d, path), VG_OK);
	assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_OK);
	assert_int_equal(vg_keyring_of_day(ring, 300, 0, &k), VG_OK);
	assert_int_equal(vg_keyring_of_day(ring, 301, 0, &k), VG_OK);
	vg_keyring_free(ring);
	assert_int_equal(vg_keyring_open(&d, other, bad, &ring), VG_E_REFUSED);
	assert_non_null(strstr(bad, ".key"));
	assert_int_equal(vg_disk_slurp(&d, "00000002.key", 4096, &b), VG_OK);
	assert_int_equal(b.n, VG_DAY_KEY_BYTES);
	assert_int_equal(vg_day_key_check(vg_buf_str(&b), &is), VG_OK);
	assert_true(is.number == 2 && is.day == 301 && is.class == 0);
	for (size_t i = 0; i < b.n; i++) {
		assert_int_equal(vg_day_key_check(vg_str_cut(vg_buf_str(&b), i), NULL), VG_E_TRUNC);
		b.p[i] ^= 4;
		assert_int_equal(vg_day_key_check(vg_buf_str(&b), NULL), VG_E_FORMAT);
		write_file(&d, "00000002.key", vg_buf_str(&b));
		assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_E_FORMAT);
		assert_string_equal(bad, "00000002.key");
		b.p[i] ^= 4;
	}
	write_file(&d, "00000002.key", vg_buf_str(&b));
	assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_OK);
	assert_int_equal(bad[0], 0);
	vg_keyring_free(ring);
	write_file(&d, "00000003.key", vg_buf_str(&b)); /* another's name */
	assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_E_FORMAT);
	assert_string_equal(bad, "00000003.key");
	vg_buf_put(&b, VG_STR("x"));
	write_file(&d, "00000003.key", vg_buf_str(&b));
	assert_int_equal(vg_keyring_open(&d, tenant, bad, &ring), VG_E_FORMAT);
	vg_buf_fini(&b);
	vg_disk_close(&d);
	folder_burn(path);
}

static void
a_sealed_key_opens_for_one(void **state)
{
	unsigned char public[32], secret[32] = { 7 }, wrong[32] = { 8 }, unused[32];
	struct vg_buf b = { 0 }, again = { 0 };
	uint8_t key[32] = { 0 };

	(void)state;
	assert_true(sodium_init() >= 0);
	assert_int_equal(vg_recovery_box(secret, public, unused), VG_OK);
	assert_int_equal(vg_tenant_key_seal(tenant, public, &b), VG_OK);
	assert_int_equal(b.n, VG_TENANT_SEALED_BYTES);
	assert_int_equal(vg_tenant_sealed_check(vg_buf_str(&b)), VG_OK);
	assert_int_equal(vg_tenant_key_open(vg_buf_str(&b), secret, key), VG_OK);
	assert_memory_equal(key, tenant, sizeof(key));
	assert_int_equal(vg_tenant_key_open(vg_buf_str(&b), wrong, key), VG_E_REFUSED);
	assert_int_equal(vg_tenant_key_seal(tenant, public, &again), VG_OK);
	assert_false(vg_str_eq(vg_buf_str(&b), vg_buf_str(&again)));
	for (size_t i = 0; i < b.n; i++) {
		assert_int_equal(vg_tenant_sealed_check(vg_str_cut(vg_buf_str(&b), i)), VG_E_FORMAT);
		b.p[i] ^= 1;
		assert_int_equal(vg_tenant_sealed_check(vg_buf_str(&b)), VG_E_FORMAT);
		assert_int_equal(vg_tenant_key_open(vg_buf_str(&b), secret, key), VG_E_FORMAT);
		b.p[i] ^= 1;
	}
	vg_buf_fini(&b);
	vg_buf_fini(&again);
}

/* ---- the power fails ---- */

#define DAYS 6
static struct vg_day_key made[64]; /* by number: those that blocks were written under */

struct promise {
	uint32_t sure; /* keys up to this number were given out */
	uint64_t gone; /* bits: numbers that were destroyed; and begun to be */
	uint64_t going;
};
static struct promise promised[512], now;
static size_t known;

static void
promise(const struct power *p, struct promise next)
{
	for (; known < p->n; known++)
		promised[known] = now;
	promised[p->n] = now = next;
}

/* Keys are made day by day, and some are destroyed; each that is refused is tried again. */
static void
do_work(struct power *p, const char *path)
{
	const struct vg_day_key *k;
	struct vg_keyring *ring;
	char bad[VG_DISK_NAME_MAX];
	struct vg_disk root, d;
	vg_rc rc;

	p->random = 88172645463325252u;
	known = 0;
	now = (struct promise){ .sure = 0 };
	assert_int_equal(vg_disk_open(&root, path), VG_OK);
	root.watch = power_watch;
	root.ctx = p;
#define AGAIN(what)                                       \
	while ((rc = (what)) != VG_OK) {                  \
		assert_int_equal(rc, VG_E_SYS);           \
		assert_int_equal(errno, ENOSPC);          \
		if (power_draw(p, 3) == 0)                \
			p->fail_at = 0;                   \
	}
	AGAIN(vg_disk_folder(&root, "keys", &d));
	AGAIN(vg_keyring_open(&d, tenant, bad, &ring));
	for (uint32_t day = 1; day <= DAYS; day++) {
		struct promise next = now;

		promise(p, now);
		AGAIN(vg_keyring_of_day(ring, day, 0, &k));
		assert_int_equal(k->day, day);
		made[k->number] = *k;
		next.sure = k->number;
		promise(p, next);
		if (day % 2 == 0) {
			next.going |= (uint64_t)1 << made[day - 1].number;
			promise(p, next);
			AGAIN(vg_keyring_destroy(ring, made[day - 1].number, VG_STR("certificate")));
			assert_null(vg_keyring_find(ring, made[day - 1].number));
			next.gone = next.going;
			promise(p, next);
		}
	}
	promise(p, now);
	vg_keyring_free(ring);
	vg_disk_close(&d);
	vg_disk_close(&root);
}

static bool
is_there(struct vg_disk *d, uint32_t number)
{
	char name[VG_DISK_NAME_MAX];

	snprintf(name, sizeof(name), "%08u" VG_KEY_SUFFIX, number);
	return faccessat(d->dir, name, F_OK, 0) == 0;
}

static bool
is_certified(struct vg_disk *d, uint32_t number)
{
	char name[VG_DISK_NAME_MAX];
	struct vg_buf b = { 0 };
	bool ok;

	snprintf(name, sizeof(name), "%08u" VG_KEY_GONE, number);
	ok = vg_disk_slurp(d, name, 100, &b) == VG_OK && vg_str_eq(vg_buf_str(&b), VG_STR("certificate"));
	vg_buf_fini(&b);
	return ok;
}

/* Keys that were given out open what they closed; those that were destroyed are nowhere, and their numbers are not given again. */
static bool
holds(const char *path, const struct promise *p)
{
	const struct vg_day_key *k;
	struct vg_keyring *ring = NULL;
	char bad[VG_DISK_NAME_MAX];
	struct vg_disk root, d;
	bool ok = true;

	assert_int_equal(vg_disk_open(&root, path), VG_OK);
	assert_int_equal(vg_disk_folder(&root, "keys", &d), VG_OK);
	for (uint32_t i = 1; i <= p->sure; i++)
		ok = ok && (!(p->gone >> i & 1) || !is_there(&d, i)); /* before anybody opens it */
	ok = ok && vg_keyring_open(&d, tenant, bad, &ring) == VG_OK;
	for (uint32_t i = 1; ok && i <= p->sure; i++)
		if ((k = vg_keyring_find(ring, i)) == NULL)
			ok = p->going >> i & 1 && !is_there(&d, i) && is_certified(&d, i);
		else
			ok = !(p->gone >> i & 1) && k->day == made[i].day && memcmp(k->key, made[i].key, VG_BLOCK_KEY) == 0;
	if (ok) {
		assert_int_equal(vg_keyring_of_day(ring, 1000, 0, &k), VG_OK);
		ok = k->number > p->sure;
	}
	vg_keyring_free(ring);
	vg_disk_close(&d);
	vg_disk_close(&root);
	return ok;
}

static bool
survives(struct power *p, size_t n, int how)
{
	char path[64];
	bool ok;

	folder_new(path);
	power_build(p, n, how, path);
	ok = holds(path, &promised[n]);
	folder_burn(path);
	return ok;
}

static void
nothing_is_lost(void **state)
{
	static const char *const syncs[] = {
		"folder . behind mkdir keys", "keys/#.key.tmp: first sync", "folder keys behind rename keys/#.key.tmp", "keys/#.gone.tmp: first sync",
		"folder keys behind rename keys/#.gone.tmp", "folder keys behind remove keys/#.key",
	};
	struct power p = { .n = 0 };
	char path[64];

	(void)state;
	folder_new(path);
	do_work(&p, path);
	folder_burn(path);
	for (size_t n = 0; n <= p.n; n++)
		for (int turn = 0; turn < 30; turn++)
			if (!survives(&p, n, turn < 2 ? turn : 2))
				fail_msg("after %zu of %zu changes, turn %d", n, p.n, turn);
	for (size_t k = 0; k < VG_COUNT(syncs); k++) {
		bool lost = false;

		p.lie = syncs[k]; /* that one is left out of the code */
		for (size_t n = 0; n <= p.n && !lost; n++)
			for (int turn = 0; turn < 12 && !lost; turn++)
				lost = !survives(&p, n, turn ? 2 : 0);
		if (!lost)
			fail_msg("nothing is lost without the sync \"%s\"", syncs[k]);
	}
	power_fini(&p);
}

static void
no_space_loses_nothing(void **state)
{
	(void)state;
	for (size_t at = 1; at < 110; at++)
		for (int once = 0; once < 2; once++) {
			struct power p = { .fail_at = once ? 0 : at, .fail_once = once ? at : 0 };
			char path[64];

			folder_new(path);
			do_work(&p, path);
			assert_true(holds(path, &now));
			folder_burn(path);
			for (size_t n = at > 3 ? at - 3 : 0; n <= p.n && n < at + 8; n++)
				assert_true(survives(&p, n, 2));
			power_fini(&p);
		}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_found), cmocka_unit_test(what_is_destroyed_is_gone), cmocka_unit_test(damage_is_told),
		cmocka_unit_test(a_sealed_key_opens_for_one), cmocka_unit_test(nothing_is_lost), cmocka_unit_test(no_space_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
