/* vault/words.h - text as search sees it: words, pieces that are looked for, and when a record says more than its bytes show.
 *
 * A word is a longest run of ASCII letters and digits, in lower case.  A piece is text of safe bytes only: those that no decoder reads
 * out of an escape, so that whoever has the piece in a decoded value has it in the raw bytes too, in any case of its letters.  Records of
 * which this cannot be said are hidden ones (a letter written as \u0062, as &#98;, by a Kelvin sign): they are not many, and are
 * decoded whenever somebody searches. */
#ifndef VG_VAULT_WORDS_H
#define VG_VAULT_WORDS_H

#include "base/str.h"

/* Classes of a byte. */
enum vg_byte_class {
	VG_BYTE_WORD = 1,  /* letter or digit */
	VG_BYTE_DIGIT = 2,
	VG_BYTE_HEX = 4,   /* digit or a-f, A-F */
	VG_BYTE_SAFE = 8,
	VG_BYTE_HIDES = 16, /* something hidden may begin with it */
};
extern const uint8_t vg_byte_class[256];
static inline bool
vg_byte_is(char c, unsigned class)
{
	return vg_byte_class[(unsigned char)c] & class;
}

/* May decoding this record give text that is not in its bytes? */
bool vg_record_hides(vg_str raw);
/* Where the first escape of any format begins from @from on (a backslash, &, two double quotes); VG_NPOS. */
size_t vg_text_escape(vg_str s, size_t from);
/* An audit record: its decoder reads hexadecimal and writes names for numbers. */
bool vg_record_is_audit(vg_str raw);

/* Counters, times, hashes, addresses in memory: nearly every one of these words is seen once, so no dictionary holds them.  All
 * hexadecimal with a digit, 0x and hexadecimal, digits and a z. */
bool vg_word_is_number(vg_str w);
/* May some longer such word hold @part? */
bool vg_word_in_number(vg_str part);

/* Walks the words of a text. */
struct vg_words {
	vg_str text;
	size_t at;
	size_t begin[4], end[4]; /* of the last words, the newest last */
	unsigned chain;          /* how many of them stand before the newest, a point between each */
};
bool vg_words_next(struct vg_words *w, vg_str *out); /* as written, in any case */
/* When the newest word ends an address with points (four groups of digits): what it is indexed by, with the first @digits (1 to 3) of the
 * last group: the last digit of the first group, the two between, these digits.  Length, 0 when there is none; @out has room for
 * VG_ADDRESS_MAX. */
#define VG_ADDRESS_MAX 32
size_t vg_words_address(const struct vg_words *w, unsigned digits, char *out);
/* When the newest word and the one before are joined by one of . _ - @, as in first.last, host.domain, user@host: the last three letters of the one,
 * what joins them, the first three of the other, in lower case.  So a name is found whose parts are common.  false: they are not, or it is no
 * letters that meet there. */
#define VG_JOINT 7
bool vg_words_joint(const struct vg_words *w, char out[VG_JOINT]);
/* ASCII letters in lower case; @out has room for s.n. */
void vg_lower(vg_str s, char *out);

#endif
