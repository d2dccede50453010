/* vault/note.h - signed notes: a text that people can read, an empty line, and signature lines (C2SP signed-note, as Go's sumdb has
 * them).  A signature line is "— NAME BASE64", the base64 being four bytes of key id and an Ed25519 signature of the text.
 * The key id is the first four bytes of SHA-256(NAME "\n" 0x01 PUBLIC-KEY).  A key is written "NAME+ID+BASE64(0x01 PUBLIC-KEY)". */
#ifndef VG_VAULT_NOTE_H
#define VG_VAULT_NOTE_H

#include "base/buf.h"

#define VG_NOTE_BYTES_MAX ((size_t)64 << 10)
#define VG_NOTE_SIGNATURES_MAX 32
#define VG_NOTE_NAME_MAX 128

struct vg_note_key { /* what checks */
	char name[VG_NOTE_NAME_MAX];
	uint8_t public[32];
	uint8_t id[4];
};
struct vg_note_secret { /* what signs; wiped by vg_note_secret_fini() */
	struct vg_note_key key;
	uint8_t secret[64]; /* as libsodium has it: seed, then public key */
};
/* A name: not empty, no blanks, no '+', no control characters.  VG_E_FORMAT when it is none. */
vg_rc vg_note_key_new(vg_str name, struct vg_note_secret *out) VG_MUST;
vg_rc vg_note_key_of_seed(vg_str name, const uint8_t seed[32], struct vg_note_secret *out) VG_MUST;
void vg_note_secret_fini(struct vg_note_secret *s);
void vg_note_key_print(const struct vg_note_key *k, struct vg_buf *b);
/* VG_E_FORMAT; VG_E_UNSUP: a key of another kind. */
vg_rc vg_note_key_parse(vg_str text, struct vg_note_key *out) VG_MUST;

/* Append the text and @n signatures.  VG_E_FORMAT: the text does not end in a new line, or holds control characters. */
vg_rc vg_note_sign(vg_str text, const struct vg_note_secret *const *secret, size_t n, struct vg_buf *out) VG_MUST;
/* Append one more signature to a whole note (a witness does). */
vg_rc vg_note_cosign(vg_str note, const struct vg_note_secret *secret, struct vg_buf *out) VG_MUST;
/* The text of a note, which borrows from it.  VG_E_FORMAT: it is none.  VG_E_LIMIT. */
vg_rc vg_note_text(vg_str note, vg_str *text) VG_MUST;
/* Did the owner of @k sign it?  A signature of that name and id that is not good makes it false, whatever stands beside it. */
bool vg_note_is_signed(vg_str note, const struct vg_note_key *k);

#endif
