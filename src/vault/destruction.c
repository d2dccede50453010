#include "vault/destruction.h"

#include <sodium.h>
#include <stdio.h>

#include "base/time.h"

static const struct {
	const char *title, *suffix;
} kinds[VG_DESTRUCTION_KINDS] = {
	{ "vigie destruction announced", VG_DESTRUCTION_DUE }, { "vigie destruction ordered", VG_DESTRUCTION_ORDER }, { "vigie destruction", VG_DESTRUCTION_GONE },
};

const char *
vg_destruction_suffix(enum vg_destruction_kind kind)
{
	return kinds[kind].suffix;
}

void
vg_destroyed_add(struct vg_destroyed *e, const struct vg_block_head *h)
{
	if (e->blocks++ == 0 || h->first_seq < e->first_seq)
		e->first_seq = h->first_seq;
	if (h->last_seq >= e->next_seq)
		e->next_seq = h->last_seq + 1;
	e->records += h->count;
	e->stored += h->stored;
}

bool
vg_is_erased(vg_str stored)
{
	return stored.n && stored.p[0] == 0 && memcmp(stored.p, stored.p + 1, stored.n - 1) == 0;
}

static void
put_plain(struct vg_buf *b, const char *s, size_t max)
{
	for (size_t i = 0; i < max && s[i]; i++)
		vg_buf_putc(b, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i]);
}

static void
put_time(struct vg_buf *b, const char *word, int64_t ns)
{
	char when[VG_TIME_MAX];
	size_t n = vg_time_print(ns, 9, when);

	vg_buf_printf(b, "%s %.*s\n", word, (int)n, when);
}

void
vg_destruction_print(const struct vg_destruction *e, struct vg_buf *b)
{
	vg_buf_printf(b, "%s\n%s\nkey %u\nday %u\nclass %u ", kinds[e->kind].title, e->origin, e->key, e->day, e->class);
	put_plain(b, e->class_name, VG_DESTRUCTION_CLASS_MAX - 1);
	vg_buf_printf(b, "\nblocks %llu\nrecords %llu\nfirst %llu\nnext %llu\nheads ", (unsigned long long)e->of.blocks, (unsigned long long)e->of.records,
		      (unsigned long long)e->of.first_seq, (unsigned long long)e->of.next_seq);
	vg_buf_hex(b, e->of.heads.b, VG_HASH_BYTES, false);
	vg_buf_putc(b, '\n');
	put_time(b, "after", e->after_ns);
	put_time(b, "time", e->time_ns);
	vg_buf_puts(b, "why ");
	put_plain(b, e->why, VG_DESTRUCTION_WHY_MAX);
	vg_buf_putc(b, '\n');
}

/* The next line is @word, a blank, and what is given back; nil: it is not. */
static vg_str
take(vg_str *rest, const char *word)
{
	vg_str line, w = vg_str_of(word);

	if (!vg_str_split(rest, '\n', &line) || !vg_str_starts(line, w) || line.n <= w.n || line.p[w.n] != ' ')
		return VG_NIL;
	return vg_str_skip(line, w.n + 1);
}

static bool
take_u64(vg_str *rest, const char *word, uint64_t max, uint64_t *out)
{
	return vg_str_u64(take(rest, word), out) && *out <= max;
}

static bool
take_text(vg_str s, char *out, size_t size)
{
	if (s.p == NULL || s.n >= size || memchr(s.p, 0, s.n))
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = 0;
	return true;
}

static bool
take_all(vg_str rest, struct vg_destruction *e)
{
	uint64_t key, day, class;
	vg_str line, number = VG_NIL;
	size_t n = 0;

	if (!vg_str_split(&rest, '\n', &line))
		return false;
	for (e->kind = VG_DESTRUCTION_ANNOUNCED; e->kind < VG_DESTRUCTION_KINDS && !vg_str_eq(line, vg_str_of(kinds[e->kind].title));)
		e->kind++;
	if (e->kind == VG_DESTRUCTION_KINDS || !vg_str_split(&rest, '\n', &line) || line.n == 0 || !take_text(line, e->origin, sizeof(e->origin)) ||
	    !take_u64(&rest, "key", UINT32_MAX, &key) || !take_u64(&rest, "day", UINT32_MAX, &day))
		return false;
	line = take(&rest, "class");
	(void)vg_str_split(&line, ' ', &number);
	if (!vg_str_u64(number, &class) || class >= VG_CLASSES_MAX || !take_text(line, e->class_name, sizeof(e->class_name)) ||
	    !take_u64(&rest, "blocks", UINT64_MAX, &e->of.blocks) || !take_u64(&rest, "records", UINT64_MAX, &e->of.records) ||
	    !take_u64(&rest, "first", UINT64_MAX, &e->of.first_seq) || !take_u64(&rest, "next", UINT64_MAX, &e->of.next_seq))
		return false;
	line = take(&rest, "heads");
	if (line.n != 2 * VG_HASH_BYTES || sodium_hex2bin(e->of.heads.b, VG_HASH_BYTES, line.p, line.n, NULL, &n, NULL) != 0 || n != VG_HASH_BYTES)
		return false;
	e->key = (uint32_t)key;
	e->day = (uint32_t)day;
	e->class = (uint32_t)class;
	return (e->after_ns = vg_time_parse(take(&rest, "after"), 0)) != VG_TIME_NONE && (e->time_ns = vg_time_parse(take(&rest, "time"), 0)) != VG_TIME_NONE &&
	       take_text(take(&rest, "why"), e->why, sizeof(e->why)) && rest.n == 0;
}

vg_rc
vg_destruction_parse(vg_str text, struct vg_destruction *out)
{
	struct vg_destruction e = { .key = 0 };
	struct vg_buf again = { 0 };
	bool same;

	if (!take_all(text, &e) || e.key == 0)
		return VG_E_FORMAT;
	vg_destruction_print(&e, &again); /* there is one way to write it */
	same = again.rc == VG_OK && vg_str_eq(text, vg_buf_str(&again));
	vg_buf_fini(&again);
	if (same)
		*out = e;
	return same ? VG_OK : VG_E_FORMAT;
}

const char *
vg_destruction_wrong(const struct vg_destruction *gone, const struct vg_destruction *base)
{
	if (gone->kind != VG_DESTRUCTION_DONE || base->kind == VG_DESTRUCTION_DONE)
		return "is not what its name says";
	if (strcmp(gone->origin, base->origin) != 0 || gone->key != base->key || gone->day != base->day || gone->class != base->class)
		return "is about another key than the certificate";
	if (base->kind == VG_DESTRUCTION_ANNOUNCED && base->after_ns - base->time_ns < VG_DESTRUCTION_NOTICE_MIN)
		return "left less than a day between announcement and destruction";
	if (base->kind == VG_DESTRUCTION_ANNOUNCED && gone->time_ns < base->after_ns)
		return "announced it for later than it was done";
	if (gone->time_ns < base->time_ns)
		return "was signed after the certificate";
	return NULL;
}

/* ---- the recovery key ---- */

vg_rc
vg_recovery_signer(const uint8_t secret[32], struct vg_note_secret *out)
{
	return sodium_init() < 0 ? VG_E_SYS : vg_note_key_of_seed(VG_STR(VG_RECOVERY_NAME), secret, out);
}

vg_rc
vg_recovery_box(const uint8_t secret[32], uint8_t x_public[32], uint8_t x_secret[32])
{
	uint8_t public[crypto_sign_PUBLICKEYBYTES], both[crypto_sign_SECRETKEYBYTES];
	bool ok = sodium_init() >= 0 && crypto_sign_seed_keypair(public, both, secret) == 0 && crypto_sign_ed25519_sk_to_curve25519(x_secret, both) == 0 &&
		  crypto_sign_ed25519_pk_to_curve25519(x_public, public) == 0;

	sodium_memzero(both, sizeof(both));
	return ok ? VG_OK : VG_E_SYS;
}

vg_rc
vg_recovery_public(const struct vg_note_key *k, uint8_t x_public[32])
{
	return strcmp(k->name, VG_RECOVERY_NAME) == 0 && crypto_sign_ed25519_pk_to_curve25519(x_public, k->public) == 0 ? VG_OK : VG_E_FORMAT;
}

bool
vg_recovery_is(const struct vg_note_key *k, const uint8_t x_public[32])
{
	uint8_t mine[32];

	return vg_recovery_public(k, mine) == VG_OK && memcmp(mine, x_public, sizeof(mine)) == 0;
}
