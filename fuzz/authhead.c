/* Any bytes as an Authorization header: no key is opened by what does not hold its secret, nor by one that is off. */
#include "net/auth.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "base/time.h"

#define SECRET "s3cret:token"

static struct vg_auth *
two_keys(void)
{
	struct vg_auth_key k[2] = { { .id = VG_STR("k1"), .tenant = VG_STR("t"), .source = VG_STR("dc1") },
				    { .id = VG_STR("k2"), .tenant = VG_STR("t"), .source = VG_STR("old"), .off = true } };
	struct vg_auth *a;

	SHA256((const unsigned char *)SECRET, sizeof(SECRET) - 1, k[0].sha256);
	SHA256((const unsigned char *)"revoked", 7, k[1].sha256);
	if (vg_auth_new(&a) != VG_OK || vg_auth_set(a, k, 2) != VG_OK)
		abort();
	return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vg_auth *a;
	static int64_t now = VG_DAY;
	static const uint8_t from[16] = { [10] = 0xff, [11] = 0xff, 10, 1, 2, 3 };
	vg_str header = vg_str_mem(data, size);
	const struct vg_auth_key *k;
	enum vg_auth_verdict v;

	if (a == NULL)
		a = two_keys();
	now += VG_SEC;
	v = vg_auth_check(a, header, from, now, &k);
	if ((v == VG_AUTH_RIGHT) != (k != NULL) || (v == VG_AUTH_NONE) != (size == 0))
		abort();
	/* what opens holds the secret as it is, or is of a scheme that may hold it in base64 */
	if (k && (!vg_str_eq(k->id, VG_STR("k1")) ||
		  (vg_str_find(header, VG_STR(SECRET)) == VG_NPOS && !vg_str_istarts(vg_str_trim(header), VG_STR("Basic ")) &&
		   !vg_str_istarts(vg_str_trim(header), VG_STR("ApiKey ")))))
		abort();
	return 0;
}
