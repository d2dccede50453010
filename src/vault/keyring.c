#include "vault/keyring.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "vault/destruction.h"

#define DAY_MAGIC "VGDAYK1\n"
#define SEALED_MAGIC "VGTENK1\n"
#define HEAD 24
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define BOX (VG_BLOCK_KEY + crypto_aead_xchacha20poly1305_ietf_ABYTES)

struct vg_keyring {
	struct vg_disk *d;
	uint8_t tenant[32];
	struct vg_day_key *key; /* owned, wiped; ascending by number */
	size_t n, cap;
	uint32_t last;          /* the highest number that was ever given */
	char *bad;              /* while it is opened */
};

static void
name_of(uint32_t number, char out[VG_DISK_NAME_MAX])
{
	snprintf(out, VG_DISK_NAME_MAX, "%08u" VG_KEY_SUFFIX, number);
}

/* The last 32 bytes are the hash of those before. */
static bool
is_whole(vg_str s, size_t size, vg_str magic)
{
	struct vg_hash h;

	if (s.n != size || !vg_str_starts(s, magic))
		return false;
	vg_hash_of(vg_str_cut(s, size - VG_HASH_BYTES), &h);
	return memcmp(h.b, s.p + size - VG_HASH_BYTES, VG_HASH_BYTES) == 0;
}

static void
finish(struct vg_buf *b)
{
	struct vg_hash h;

	vg_hash_of(vg_buf_str(b), &h);
	vg_buf_mem(b, h.b, sizeof(h.b));
}

vg_rc
vg_day_key_check(vg_str bytes, struct vg_day_key *out)
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	struct vg_day_key k = { .going = false };
	uint32_t zero;

	if (!is_whole(bytes, VG_DAY_KEY_BYTES, VG_STR(DAY_MAGIC)))
		return bytes.n < VG_DAY_KEY_BYTES ? VG_E_TRUNC : VG_E_FORMAT;
	(void)vg_cur_bytes(&c, 8);
	k.number = vg_cur_le32(&c);
	k.day = vg_cur_le32(&c);
	k.class = vg_cur_le32(&c);
	zero = vg_cur_le32(&c);
	if (k.number == 0 || k.class >= VG_CLASSES_MAX || zero)
		return VG_E_FORMAT;
	if (out)
		*out = k;
	return VG_OK;
}

vg_rc
vg_tenant_sealed_check(vg_str bytes)
{
	return is_whole(bytes, VG_TENANT_SEALED_BYTES, VG_STR(SEALED_MAGIC)) ? VG_OK : VG_E_FORMAT;
}

vg_rc
vg_tenant_key_seal(const uint8_t tenant_key[32], const uint8_t recovery_public[32], struct vg_buf *out)
{
	unsigned char box[32 + crypto_box_SEALBYTES];
	struct vg_buf b = { 0 };

	if (sodium_init() < 0 || crypto_box_seal(box, tenant_key, 32, recovery_public) != 0)
		return VG_E_SYS;
	vg_buf_puts(&b, SEALED_MAGIC);
	vg_buf_mem(&b, recovery_public, 32);
	vg_buf_mem(&b, box, sizeof(box));
	finish(&b);
	vg_buf_put(out, vg_buf_str(&b));
	vg_buf_fini(&b);
	return out->rc;
}

vg_rc
vg_tenant_key_open(vg_str sealed, const uint8_t recovery_secret[32], uint8_t tenant_key[32])
{
	unsigned char public[32], secret[32];
	vg_rc rc;

	if (!is_whole(sealed, VG_TENANT_SEALED_BYTES, VG_STR(SEALED_MAGIC)))
		return VG_E_FORMAT;
	if ((rc = vg_recovery_box(recovery_secret, public, secret)) != VG_OK)
		return rc;
	if (memcmp(public, sealed.p + 8, 32) != 0 ||
	    crypto_box_seal_open(tenant_key, (const unsigned char *)sealed.p + 40, 32 + crypto_box_SEALBYTES, public, secret) != 0)
		rc = VG_E_REFUSED;
	sodium_memzero(secret, sizeof(secret));
	return rc;
}

static bool
room(struct vg_keyring *k)
{
	size_t cap = k->cap ? 2 * k->cap : 64;
	struct vg_day_key *p;

	if (k->n < k->cap)
		return true;
	if ((p = sodium_allocarray(cap, sizeof(*p))) == NULL) /* never swapped out, wiped when freed */
		return false;
	if (k->n)
		memcpy(p, k->key, k->n * sizeof(*p));
	sodium_free(k->key);
	k->key = p;
	k->cap = cap;
	return true;
}

static vg_rc
unwrap(const struct vg_keyring *k, vg_str s, struct vg_day_key *out)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned long long n;
	vg_rc rc = vg_day_key_check(s, out);

	if (rc != VG_OK)
		return rc;
	return crypto_aead_xchacha20poly1305_ietf_decrypt(out->key, &n, NULL, p + HEAD + NONCE, BOX, p, HEAD, p + HEAD, k->tenant) == 0 ? VG_OK :
																	  VG_E_REFUSED;
}

static vg_rc
on_name(void *ctx, const char *name)
{
	struct vg_keyring *k = ctx;
	char bytes[VG_DAY_KEY_BYTES], again[VG_DISK_NAME_MAX];
	struct vg_file f = { .fd = -1 };
	uint64_t size = 0;
	vg_rc rc;

	snprintf(k->bad, VG_DISK_NAME_MAX, "%.60s", name);
	if (k->n == VG_KEYRING_MAX)
		return VG_E_LIMIT;
	if (!room(k))
		return VG_E_NOMEM;
	k->key[k->n].going = false;
	if ((rc = vg_file_open(k->d, name, &f)) == VG_OK && (rc = vg_file_size(&f, &size)) == VG_OK && (rc = vg_file_read(&f, bytes, sizeof(bytes), 0)) == VG_OK)
		rc = size == sizeof(bytes) ? unwrap(k, vg_str_mem(bytes, sizeof(bytes)), &k->key[k->n]) : VG_E_FORMAT;
	vg_file_close(&f);
	if (rc == VG_E_NOTFOUND) /* destroyed since it was listed */
		return VG_OK;
	if (rc == VG_OK) {
		name_of(k->key[k->n].number, again);
		if (strcmp(again, name) != 0)
			rc = VG_E_FORMAT;
	}
	if (rc == VG_OK)
		k->n++;
	return rc;
}

static void
forget(struct vg_keyring *k, size_t i)
{
	sodium_memzero(&k->key[i], sizeof(k->key[i]));
	memmove(&k->key[i], &k->key[i + 1], (k->n - i - 1) * sizeof(*k->key));
	k->n--;
}

static vg_rc
remove_key(struct vg_keyring *k, uint32_t number)
{
	char name[VG_DISK_NAME_MAX];
	vg_rc rc;

	name_of(number, name);
	rc = vg_disk_remove(k->d, name);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

/* The certificate is there: a key beside it was to go when the power did. */
static vg_rc
on_gone(void *ctx, const char *name)
{
	struct vg_keyring *k = ctx;
	vg_str number = vg_str_cut(vg_str_of(name), 8);
	vg_rc rc = VG_OK;
	uint64_t n;

	if (strlen(name) != 8 + strlen(VG_KEY_GONE) || !vg_str_all_digits(number) || !vg_str_u64(number, &n))
		return VG_OK;
	if (n > k->last)
		k->last = (uint32_t)n;
	for (size_t i = k->n; i-- > 0 && rc == VG_OK;)
		if (k->key[i].number == n) {
			forget(k, i);
			rc = k->d->read_only ? VG_OK : remove_key(k, (uint32_t)n);
		}
	return rc;
}

static int
by_number(const void *a, const void *b)
{
	const struct vg_day_key *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

vg_rc
vg_keyring_open(struct vg_disk *d, const uint8_t tenant_key[32], char bad[VG_DISK_NAME_MAX], struct vg_keyring **out)
{
	struct vg_keyring *k;
	vg_rc rc;

	bad[0] = 0;
	if (sodium_init() < 0)
		return VG_E_SYS;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		return VG_E_NOMEM;
	k->d = d;
	k->bad = bad;
	memcpy(k->tenant, tenant_key, sizeof(k->tenant));
	if ((rc = vg_disk_each(d, VG_KEY_SUFFIX, on_name, k)) == VG_OK)
		rc = vg_disk_each(d, VG_KEY_GONE, on_gone, k);
	if (rc == VG_OK && !d->read_only) /* perhaps of a process that ended before it did: blocks will rest on these */
		rc = vg_disk_sync(d);
	k->bad = NULL;
	if (rc != VG_OK) {
		vg_keyring_free(k);
		return rc;
	}
	bad[0] = 0;
	if (k->n > 1)
		qsort(k->key, k->n, sizeof(*k->key), by_number);
	if (k->n && k->key[k->n - 1].number > k->last)
		k->last = k->key[k->n - 1].number;
	*out = k;
	return VG_OK;
}

void
vg_keyring_free(struct vg_keyring *k)
{
	int keep = errno;

	if (k == NULL)
		return;
	sodium_free(k->key);
	sodium_memzero(k->tenant, sizeof(k->tenant));
	free(k);
	errno = keep;
}

/* Written beside, synced, named: a key that has a name is whole. */
static vg_rc
write_key(struct vg_keyring *k, const struct vg_day_key *key)
{
	unsigned char nonce[NONCE], box[BOX];
	char name[VG_DISK_NAME_MAX];
	struct vg_buf b = { 0 };
	vg_rc rc;

	vg_buf_puts(&b, DAY_MAGIC);
	vg_buf_le32(&b, key->number);
	vg_buf_le32(&b, key->day);
	vg_buf_le32(&b, key->class);
	vg_buf_le32(&b, 0);
	if (b.rc != VG_OK)
		return b.rc;
	randombytes_buf(nonce, sizeof(nonce));
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(box, NULL, key->key, sizeof(key->key), (const unsigned char *)b.p, HEAD, NULL, nonce, k->tenant);
	vg_buf_mem(&b, nonce, sizeof(nonce));
	vg_buf_mem(&b, box, sizeof(box));
	finish(&b);
	name_of(key->number, name);
	rc = b.rc != VG_OK ? b.rc : vg_disk_replace(k->d, name, vg_buf_str(&b));
	vg_buf_fini(&b);
	return rc;
}

vg_rc
vg_keyring_of_day(struct vg_keyring *k, uint32_t day, uint32_t class, const struct vg_day_key **out)
{
	struct vg_day_key *x;
	vg_rc rc;

	for (size_t i = k->n; i-- > 0;)
		if (k->key[i].day == day && k->key[i].class == class && !k->key[i].going) {
			*out = &k->key[i];
			return VG_OK;
		}
	if (!room(k))
		return VG_E_NOMEM;
	x = &k->key[k->n];
	x->number = k->last + 1;
	x->day = day;
	x->class = class;
	x->going = false;
	randombytes_buf(x->key, sizeof(x->key));
	if ((rc = write_key(k, x)) != VG_OK)
		return rc;
	k->n++;
	k->last = x->number;
	*out = x;
	return VG_OK;
}

const struct vg_day_key *
vg_keyring_find(const struct vg_keyring *k, uint32_t number)
{
	size_t low = 0, high = k->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (k->key[mid].number == number)
			return &k->key[mid];
		if (k->key[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

size_t
vg_keyring_count(const struct vg_keyring *k)
{
	return k->n;
}

const struct vg_day_key *
vg_keyring_at(const struct vg_keyring *k, size_t i)
{
	return i < k->n ? &k->key[i] : NULL;
}

vg_rc
vg_keyring_destroy(struct vg_keyring *k, uint32_t number, vg_str certificate)
{
	char gone[VG_DISK_NAME_MAX];
	size_t i = 0;
	vg_rc rc;

	while (i < k->n && k->key[i].number != number)
		i++;
	if (i == k->n)
		return VG_E_NOTFOUND;
	k->key[i].going = true;
	snprintf(gone, sizeof(gone), "%08u" VG_KEY_GONE, k->key[i].number);
	if ((rc = vg_disk_replace(k->d, gone, certificate)) == VG_OK && (rc = remove_key(k, k->key[i].number)) == VG_OK && (rc = vg_disk_sync(k->d)) == VG_OK)
		forget(k, i);
	return rc;
}
