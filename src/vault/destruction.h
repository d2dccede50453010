/* vault/destruction.h - what is written when a key of a day and class goes, and with it all that was kept under it (doc/vault-format.md, "Destruction").
 * Three notes, in the tenant's folder "keys", each named after the key's number:
 *   NNNNNNNN.due    announced: signed by the log's key and the day's, days before, so that whoever wants these records can say so
 *   NNNNNNNN.order  ordered at once: signed by the company's recovery key
 *   NNNNNNNN.gone   done: signed by the log's key and the day's; it stands in the place of NNNNNNNN.key
 * A certificate (.gone) rests on one of the two others, and names what was erased: so a destruction that nobody announced or ordered is none. */
#ifndef VG_VAULT_ERASURE_H
#define VG_VAULT_ERASURE_H

#include "vault/block.h"
#include "vault/checkpoint.h"
#include "vault/note.h"

#define VG_DESTRUCTION_DUE ".due"
#define VG_DESTRUCTION_ORDER ".order"
#define VG_DESTRUCTION_GONE ".gone"
#define VG_DESTRUCTION_WHY_MAX 200
#define VG_DESTRUCTION_CLASS_MAX 65
#define VG_DESTRUCTION_NOTICE_MIN ((int64_t)86400 * 1000000000) /* between announcement and destruction, at least */

enum vg_destruction_kind { VG_DESTRUCTION_ANNOUNCED, VG_DESTRUCTION_ORDERED, VG_DESTRUCTION_DONE, VG_DESTRUCTION_KINDS };
struct vg_destroyed { /* all blocks under one key */
	uint64_t blocks, records, first_seq, next_seq;
	uint64_t stored; /* bytes; not in the text */
	struct vg_hash heads; /* SHA-256 of their heads, in the order of the tree */
};
/* One more block; its head is the caller's to hash. */
void vg_destroyed_add(struct vg_destroyed *e, const struct vg_block_head *h);
/* Are all of them zero? */
bool vg_is_erased(vg_str stored);
struct vg_destruction {
	enum vg_destruction_kind kind;
	char origin[VG_ORIGIN_MAX];
	uint32_t key, day, class;
	char class_name[VG_DESTRUCTION_CLASS_MAX];
	struct vg_destroyed of;
	int64_t after_ns; /* announced: not before; done, ordered: 0 */
	int64_t time_ns;  /* of the note */
	char why[VG_DESTRUCTION_WHY_MAX + 1]; /* one line, for people */
};
const char *vg_destruction_suffix(enum vg_destruction_kind kind);
/* Control characters of @why and @class_name become blanks: a text is always made. */
void vg_destruction_print(const struct vg_destruction *e, struct vg_buf *b);
/* VG_E_FORMAT: none, or written in another way than print does. */
vg_rc vg_destruction_parse(vg_str text, struct vg_destruction *out) VG_MUST;
/* Does the certificate @gone rest on @base (an announcement or an order)?  Both were parsed of notes whose signatures are good.  NULL: it does;
 * else what is wrong, for a person. */
const char *vg_destruction_wrong(const struct vg_destruction *gone, const struct vg_destruction *base);

/* The recovery key is one secret of 32 bytes: the seed of an Ed25519 key, which signs orders and new epochs under the name "recovery"; and, by the
 * usual map between the curves (RFC 7748, 4.1; libsodium's ed25519_to_curve25519), the X25519 key that tenants' keys are sealed for. */
#define VG_RECOVERY_NAME "recovery"
vg_rc vg_recovery_signer(const uint8_t secret[32], struct vg_note_secret *out) VG_MUST;
vg_rc vg_recovery_box(const uint8_t secret[32], uint8_t x_public[32], uint8_t x_secret[32]) VG_MUST;
/* The X25519 half of @k.  VG_E_FORMAT: it has another name, or is no point that can have one. */
vg_rc vg_recovery_public(const struct vg_note_key *k, uint8_t x_public[32]) VG_MUST;
/* Is @k the key whose X25519 half is @x_public? */
bool vg_recovery_is(const struct vg_note_key *k, const uint8_t x_public[32]);

#endif
