#include "vault/note.h"

#include <sodium.h>
#include <stdio.h>

#include "base/utf.h"
#include "vault/merkle.h"

#define DASH "\xe2\x80\x94 " /* em dash and a blank */
#define ED25519 1

/* ---- base64 ---- */

static void
put_base64(struct vg_buf *b, const uint8_t *p, size_t n)
{
	size_t room = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);

	if (!vg_buf_reserve(b, room))
		return;
	(void)sodium_bin2base64(b->p + b->n, room, p, n, sodium_base64_VARIANT_ORIGINAL);
	b->n += room - 1; /* without its NUL */
}

/* All of @s, to @n bytes; only the one way to write them is taken. */
static bool
take_base64(vg_str s, uint8_t *out, size_t n)
{
	const char *end = NULL;
	size_t got = 0;
	char again[256];

	if (s.n == 0 || s.n >= sizeof(again) || sodium_base642bin(out, n, s.p, s.n, NULL, &got, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    end != s.p + s.n || got != n)
		return false;
	(void)sodium_bin2base64(again, sizeof(again), out, n, sodium_base64_VARIANT_ORIGINAL);
	return vg_str_eq(vg_str_of(again), s);
}

/* ---- keys ---- */

static bool
is_name(vg_str s)
{
	if (s.n == 0 || s.n >= VG_NOTE_NAME_MAX || !vg_utf8_valid(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '+')
			return false;
	return vg_str_find(s, VG_STR("\xc2\x85")) == VG_NPOS && vg_str_find(s, VG_STR("\xc2\xa0")) == VG_NPOS; /* blanks too */
}

static void
make_id(struct vg_note_key *k)
{
	uint8_t all[VG_NOTE_NAME_MAX + 34];
	size_t n = strlen(k->name);
	struct vg_hash h;

	memcpy(all, k->name, n);
	all[n++] = '\n';
	all[n++] = ED25519;
	memcpy(all + n, k->public, sizeof(k->public));
	vg_hash_of(vg_str_mem(all, n + sizeof(k->public)), &h);
	memcpy(k->id, h.b, sizeof(k->id));
}

vg_rc
vg_note_key_of_seed(vg_str name, const uint8_t seed[32], struct vg_note_secret *out)
{
	if (sodium_init() < 0)
		return VG_E_SYS;
	if (!is_name(name))
		return VG_E_FORMAT;
	memset(out, 0, sizeof(*out));
	memcpy(out->key.name, name.p, name.n);
	if (crypto_sign_seed_keypair(out->key.public, out->secret, seed) != 0)
		return VG_E_SYS;
	make_id(&out->key);
	return VG_OK;
}

vg_rc
vg_note_key_new(vg_str name, struct vg_note_secret *out)
{
	uint8_t seed[32];
	vg_rc rc;

	if (sodium_init() < 0)
		return VG_E_SYS;
	randombytes_buf(seed, sizeof(seed));
	rc = vg_note_key_of_seed(name, seed, out);
	sodium_memzero(seed, sizeof(seed));
	return rc;
}

void
vg_note_secret_fini(struct vg_note_secret *s)
{
	sodium_memzero(s->secret, sizeof(s->secret));
}

void
vg_note_key_print(const struct vg_note_key *k, struct vg_buf *b)
{
	uint8_t typed[33] = { ED25519 };

	memcpy(typed + 1, k->public, sizeof(k->public));
	vg_buf_puts(b, k->name);
	vg_buf_putc(b, '+');
	vg_buf_hex(b, k->id, sizeof(k->id), false);
	vg_buf_putc(b, '+');
	put_base64(b, typed, sizeof(typed));
}

vg_rc
vg_note_key_parse(vg_str text, struct vg_note_key *out)
{
	vg_str rest = text, name, id;
	struct vg_note_key k = { .name = "" };
	struct vg_buf again = { 0 };
	uint8_t typed[33];
	bool same;

	if (!vg_str_split(&rest, '+', &name) || !vg_str_split(&rest, '+', &id) || rest.p == NULL || !is_name(name) || id.n != 8)
		return VG_E_FORMAT;
	if (sodium_init() < 0)
		return VG_E_SYS;
	if (!take_base64(rest, typed, sizeof(typed)))
		return VG_E_FORMAT;
	if (typed[0] != ED25519)
		return VG_E_UNSUP;
	memcpy(k.name, name.p, name.n);
	memcpy(k.public, typed + 1, sizeof(k.public));
	make_id(&k);
	vg_note_key_print(&k, &again);
	same = again.rc == VG_OK && vg_str_eq(vg_buf_str(&again), text); /* its id is right, and nothing is written another way */
	vg_buf_fini(&again);
	if (same)
		*out = k;
	return same ? VG_OK : VG_E_FORMAT;
}

/* ---- notes ---- */

static bool
is_text(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\n')
			return false;
	return s.n && s.p[s.n - 1] == '\n' && vg_utf8_valid(s);
}

/* Where the signatures begin: behind the last empty line.  The text keeps its last new line. */
static vg_rc
parts(vg_str note, vg_str *text, vg_str *signatures)
{
	size_t at = VG_NPOS;

	if (note.n > VG_NOTE_BYTES_MAX)
		return VG_E_LIMIT;
	for (size_t i = 0; i + 1 < note.n; i++)
		if (note.p[i] == '\n' && note.p[i + 1] == '\n')
			at = i;
	if (at == VG_NPOS || !is_text(note))
		return VG_E_FORMAT;
	*text = vg_str_cut(note, at + 1);
	*signatures = vg_str_skip(note, at + 2);
	return signatures->n ? VG_OK : VG_E_FORMAT;
}

struct signature {
	vg_str name;
	uint8_t id[4], sig[64];
};

/* The next line.  VG_E_FORMAT: it is no signature.  VG_E_UNSUP: one of another kind than ours, which is passed over. */
static vg_rc
take_signature(vg_str *rest, struct signature *out)
{
	uint8_t all[68];
	vg_str line;
	size_t blank;

	if (!vg_str_split(rest, '\n', &line) || !vg_str_starts(line, VG_STR(DASH)))
		return VG_E_FORMAT;
	line = vg_str_skip(line, strlen(DASH));
	blank = vg_str_chr(line, ' ');
	if (blank == VG_NPOS || !is_name(vg_str_cut(line, blank)))
		return VG_E_FORMAT;
	out->name = vg_str_cut(line, blank);
	if (!take_base64(vg_str_skip(line, blank + 1), all, sizeof(all)))
		return VG_E_UNSUP;
	memcpy(out->id, all, 4);
	memcpy(out->sig, all + 4, 64);
	return VG_OK;
}

static void
put_signature(vg_str text, const struct vg_note_secret *s, struct vg_buf *out)
{
	uint8_t all[68];

	memcpy(all, s->key.id, 4);
	(void)crypto_sign_detached(all + 4, NULL, (const unsigned char *)text.p, text.n, s->secret);
	vg_buf_puts(out, DASH);
	vg_buf_puts(out, s->key.name);
	vg_buf_putc(out, ' ');
	put_base64(out, all, sizeof(all));
	vg_buf_putc(out, '\n');
}

vg_rc
vg_note_sign(vg_str text, const struct vg_note_secret *const *secret, size_t n, struct vg_buf *out)
{
	if (!is_text(text) || n == 0 || n > VG_NOTE_SIGNATURES_MAX)
		return VG_E_FORMAT;
	vg_buf_put(out, text);
	vg_buf_putc(out, '\n');
	for (size_t i = 0; i < n; i++)
		put_signature(text, secret[i], out);
	return out->rc;
}

vg_rc
vg_note_cosign(vg_str note, const struct vg_note_secret *secret, struct vg_buf *out)
{
	vg_str text, signatures;
	vg_rc rc = parts(note, &text, &signatures);

	if (rc != VG_OK)
		return rc;
	vg_buf_put(out, note);
	put_signature(text, secret, out);
	return out->rc;
}

vg_rc
vg_note_text(vg_str note, vg_str *text)
{
	struct signature s;
	vg_str rest;
	vg_rc rc = parts(note, text, &rest);

	for (size_t n = 0; rc == VG_OK && rest.n; n++) {
		if (n == VG_NOTE_SIGNATURES_MAX)
			return VG_E_LIMIT;
		rc = take_signature(&rest, &s);
		rc = rc == VG_E_UNSUP ? VG_OK : rc;
	}
	return rc;
}

bool
vg_note_is_signed(vg_str note, const struct vg_note_key *k)
{
	vg_str text, rest;
	bool good = false;

	if (sodium_init() < 0 || vg_note_text(note, &text) != VG_OK || parts(note, &text, &rest) != VG_OK)
		return false;
	while (rest.n) {
		struct signature s;

		if (take_signature(&rest, &s) != VG_OK || !vg_str_eq(s.name, vg_str_of(k->name)) || memcmp(s.id, k->id, 4) != 0)
			continue;
		if (crypto_sign_verify_detached(s.sig, (const unsigned char *)text.p, text.n, k->public) != 0)
			return false;
		good = true;
	}
	return good;
}
