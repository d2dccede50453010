#include "net/auth.h"

#include <openssl/sha.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/time.h"

#define WAYS 8 /* places that an address may stand at */

struct failing { /* an address that failed */
	uint8_t address[16];
	int64_t since_ns, until_ns; /* of its window; of its pause */
	uint32_t n;                 /* 0: the place is free */
};
struct table { /* of keys; replaced as a whole */
	struct vg_arena arena;
	struct vg_auth_key *key;
	size_t n;
};
struct vg_auth {
	struct table keys;
	struct failing failing[VG_AUTH_ADDRESSES];
};

vg_rc
vg_auth_new(struct vg_auth **out)
{
	struct vg_auth *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return VG_E_NOMEM;
	vg_arena_init(&a->keys.arena, SIZE_MAX);
	*out = a;
	return VG_OK;
}

void
vg_auth_free(struct vg_auth *a)
{
	if (a == NULL)
		return;
	vg_arena_fini(&a->keys.arena);
	free(a);
}

static bool
copy_key(struct vg_arena *a, const struct vg_auth_key *from, struct vg_auth_key *to)
{
	*to = *from;
	to->id = vg_str_dup(a, from->id);
	to->tenant = vg_str_dup(a, from->tenant);
	to->source = vg_str_dup(a, from->source);
	return to->id.p && to->tenant.p && to->source.p;
}

vg_rc
vg_auth_set(struct vg_auth *a, const struct vg_auth_key *key, size_t n)
{
	struct table t = { .n = n };
	bool ok;

	if (n > VG_AUTH_KEYS_MAX)
		return VG_E_LIMIT;
	vg_arena_init(&t.arena, SIZE_MAX);
	if (n)
		t.key = vg_arena_array(&t.arena, struct vg_auth_key, n);
	ok = t.key != NULL || n == 0;
	for (size_t i = 0; ok && i < n; i++)
		ok = copy_key(&t.arena, &key[i], &t.key[i]);
	if (!ok) {
		vg_arena_fini(&t.arena);
		return VG_E_NOMEM;
	}
	vg_arena_fini(&a->keys.arena);
	a->keys = t;
	return VG_OK;
}

/* The key that is on and whose secret this is; @name, unless it is NULL, must be its id or its source.  Every key is looked at, wherever it
 * stands, and digests are compared in constant time. */
static const struct vg_auth_key *
key_of(const struct table *t, const vg_str *name, vg_str secret)
{
	const struct vg_auth_key *found = NULL;
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)(secret.p ? secret.p : ""), secret.n, digest);
	for (size_t i = 0; i < t->n; i++) {
		const struct vg_auth_key *k = &t->key[i];
		bool same = sodium_memcmp(digest, k->sha256, sizeof(digest)) == 0;
		bool named = name == NULL || vg_str_eq(*name, k->id) || vg_str_eq(*name, k->source);

		if (same & named & !k->off)
			found = k;
	}
	return found;
}

/* @token as base64(name:secret).  false: it is not. */
static bool
name_and_secret(vg_str token, char text[VG_AUTH_TOKEN_MAX], vg_str *name, vg_str *secret)
{
	size_t n;

	if (sodium_base642bin((unsigned char *)text, VG_AUTH_TOKEN_MAX, token.p, token.n, NULL, &n, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	*secret = vg_str_mem(text, n);
	return vg_str_split(secret, ':', name) && secret->p != NULL;
}

static const struct vg_auth_key *
key_of_header(const struct table *t, vg_str authorization)
{
	const struct vg_auth_key *k = NULL;
	vg_str token = vg_str_trim(authorization), scheme, name, secret;
	char text[VG_AUTH_TOKEN_MAX];

	if (!vg_str_split(&token, ' ', &scheme))
		return NULL;
	token = vg_str_trim(token);
	if (token.n == 0 || token.n > VG_AUTH_TOKEN_MAX)
		return NULL;
	if ((vg_str_ieq(scheme, VG_STR("Basic")) || vg_str_ieq(scheme, VG_STR("ApiKey"))) && name_and_secret(token, text, &name, &secret))
		k = key_of(t, &name, secret);
	if (k == NULL && (vg_str_ieq(scheme, VG_STR("ApiKey")) || vg_str_ieq(scheme, VG_STR("Bearer"))))
		k = key_of(t, NULL, token);
	sodium_memzero(text, sizeof(text));
	return k;
}

/* The place of this address: the one it has, else a free one, else that of the one which failed longest ago. */
static struct failing *
failing_at(struct vg_auth *a, const uint8_t address[16])
{
	uint8_t key[16] = { 0 };
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	struct failing *oldest = NULL;
	uint64_t h;

	memcpy(key, address, memcmp(address, v4, sizeof(v4)) == 0 ? 16 : 8);
	h = vg_map_hash(vg_str_mem(key, sizeof(key)));
	for (size_t i = 0; i < WAYS; i++) {
		struct failing *f = &a->failing[(h + i) % VG_AUTH_ADDRESSES];

		if (f->n && memcmp(f->address, key, sizeof(key)) == 0)
			return f;
		if (oldest == NULL || (oldest->n && (f->n == 0 || f->since_ns < oldest->since_ns)))
			oldest = f;
	}
	*oldest = (struct failing){ .n = 0 };
	memcpy(oldest->address, key, sizeof(key));
	return oldest;
}

/* Count a failure.  true: there were too many. */
static bool
must_wait(struct vg_auth *a, const uint8_t address[16], int64_t now_ns)
{
	struct failing *f = failing_at(a, address);

	if (now_ns < f->until_ns)
		return true;
	if (f->n == 0 || now_ns - f->since_ns >= VG_AUTH_WINDOW_S * VG_SEC) {
		f->n = 0;
		f->since_ns = now_ns;
	}
	if (++f->n <= VG_AUTH_FAILURES_MAX)
		return false;
	f->until_ns = now_ns + VG_AUTH_PAUSE_S * VG_SEC;
	f->n = 1;
	return true;
}

enum vg_auth_verdict
vg_auth_check(struct vg_auth *a, vg_str authorization, const uint8_t address[16], int64_t now_ns, const struct vg_auth_key **key)
{
	*key = NULL;
	if (authorization.n == 0)
		return VG_AUTH_NONE;
	if ((*key = key_of_header(&a->keys, authorization)) != NULL)
		return VG_AUTH_RIGHT;
	return must_wait(a, address, now_ns) ? VG_AUTH_WAIT : VG_AUTH_WRONG;
}
