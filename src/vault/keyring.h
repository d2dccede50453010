/* vault/keyring.h - a tenant's keys: one a UTC day and class of retention, random, each wrapped under the tenant's key, which itself is sealed
 * for the company's recovery key.  What was written under a key whose file is gone can be read by nobody any more, in any copy.
 *
 * In the tenant's folder "keys": "NNNNNNNN.key", the key's number in eight digits, is "VGDAYK1\n", u32 number, u32 day (since 1970), u32 class, u32 0,
 * 24 bytes nonce, 48 bytes of XChaCha20-Poly1305 over the key (the 24 bytes before the nonce associated), SHA-256 of all before.  "tenant.sealed" is "VGTENK1\n",
 * 32 bytes of the recovery public key (X25519), 80 bytes of a sealed box (libsodium) over the tenant's key, SHA-256 of all before.
 * (doc/vault-format.md, "Keys") */
#ifndef VG_VAULT_KEYRING_H
#define VG_VAULT_KEYRING_H

#include "vault/block.h"
#include "vault/disk.h"

#define VG_KEY_SUFFIX ".key"
#define VG_KEY_GONE ".gone"
#define VG_KEY_SEALED "tenant.sealed"
#define VG_KEY_RECOVERY "recovery.pub" /* the recovery key's other half, as notes write keys: who signs orders to erase */
#define VG_DAY_KEY_BYTES 128
#define VG_TENANT_SEALED_BYTES 152
#define VG_KEYRING_MAX 100000 /* of one tenant: 270 years */

struct vg_day_key {
	uint32_t number; /* from 1 */
	uint32_t day;    /* UTC, since 1970 */
	uint32_t class;  /* of retention */
	uint8_t key[VG_BLOCK_KEY];
	bool going; /* its destruction was begun: no block takes it any more */
};
struct vg_keyring;
/* Those in @d's folder, opened with the tenant's key (copied, and wiped at the end).  VG_E_FORMAT, VG_E_REFUSED: one is damaged, or
 * another tenant's; @bad names it.  One whose destruction was begun is destroyed.  @d outlives the ring. */
vg_rc vg_keyring_open(struct vg_disk *d, const uint8_t tenant_key[32], char bad[VG_DISK_NAME_MAX], struct vg_keyring **out) VG_MUST;
void vg_keyring_free(struct vg_keyring *k);
/* That of @day and @class, made and synced when there is none.  @out is owned by the ring, good until the next call. */
vg_rc vg_keyring_of_day(struct vg_keyring *k, uint32_t day, uint32_t class, const struct vg_day_key **out) VG_MUST;
/* NULL: there is none of that number; it was destroyed. */
const struct vg_day_key *vg_keyring_find(const struct vg_keyring *k, uint32_t number);
size_t vg_keyring_count(const struct vg_keyring *k);
const struct vg_day_key *vg_keyring_at(const struct vg_keyring *k, size_t i); /* ascending by number; good until the next call that is not const */
/* Destroy key @number: @certificate takes its place as NNNNNNNN.gone, and its number is never given again.  VG_E_NOTFOUND: there is
 * none.  VG_E_SYS: try again; it may be done when the ring is next opened. */
vg_rc vg_keyring_destroy(struct vg_keyring *k, uint32_t number, vg_str certificate) VG_MUST;

/* Is a day key's file what its maker wrote?  Needs no secret.  VG_E_FORMAT, VG_E_TRUNC.  @out may be NULL; the key
 * itself is not in it. */
vg_rc vg_day_key_check(vg_str bytes, struct vg_day_key *out) VG_MUST;
/* Seal @tenant_key for the recovery key (its X25519 half, vault/destruction.h), and open it again with the whole secret. */
vg_rc vg_tenant_key_seal(const uint8_t tenant_key[32], const uint8_t recovery_public[32], struct vg_buf *out) VG_MUST;
vg_rc vg_tenant_key_open(vg_str sealed, const uint8_t recovery_secret[32], uint8_t tenant_key[32]) VG_MUST;
vg_rc vg_tenant_sealed_check(vg_str bytes) VG_MUST;

#endif
