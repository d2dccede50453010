#include "settings/table.h"

#include <stdio.h>

#include "base/ip.h"
#include "base/time.h"
#include "base/utf.h"
#include "vault/destruction.h"

#define URL_HOST_MAX 255

struct unit {
	vg_str name;
	uint64_t n;
	bool print; /* else only taken: another name of the same, or one that people do not count in */
};
/* The largest first. */
static const struct unit sizes[] = {
	{ VG_STR_INIT("TiB"), (uint64_t)1 << 40, true }, { VG_STR_INIT("GiB"), (uint64_t)1 << 30, true },
	{ VG_STR_INIT("MiB"), (uint64_t)1 << 20, true }, { VG_STR_INIT("KiB"), (uint64_t)1 << 10, true },
	{ VG_STR_INIT("B"), 1, true },
};
static const struct unit times[] = {
	{ VG_STR_INIT("w"), (uint64_t)(7 * VG_DAY), false }, { VG_STR_INIT("d"), (uint64_t)VG_DAY, true },
	{ VG_STR_INIT("h"), (uint64_t)VG_HOUR, true },       { VG_STR_INIT("min"), (uint64_t)VG_MIN, true },
	{ VG_STR_INIT("m"), (uint64_t)VG_MIN, false },       { VG_STR_INIT("s"), (uint64_t)VG_SEC, true },
	{ VG_STR_INIT("ms"), 1000000, true },
};

/* ---- numbers ---- */

/* Take digits; NULL, or what is wrong. */
static const char *
take_number(vg_str *s, uint64_t *out)
{
	size_t n = 0;

	while (n < s->n && vg_is_digit(s->p[n]))
		n++;
	if (n == 0)
		return s->n && s->p[0] == '-' ? "is too small" : "is not one";
	if (!vg_str_u64(vg_str_cut(*s, n), out))
		return "is too large";
	*s = vg_str_skip(*s, n);
	return NULL;
}

static const char *
take_unit(vg_str *s, const struct unit *u, size_t nu, uint64_t *out)
{
	size_t n = 0;
	vg_str name;

	*s = vg_str_trim(*s);
	while (n < s->n && ((s->p[n] | 0x20) >= 'a' && (s->p[n] | 0x20) <= 'z'))
		n++;
	name = vg_str_cut(*s, n);
	if (s->n == 0)
		return "has no unit";
	for (size_t i = 0; i < nu; i++)
		if (vg_str_eq(u[i].name, name)) {
			*out = u[i].n;
			*s = vg_str_trim(vg_str_skip(*s, n));
			return NULL;
		}
	return n ? "has a unit that is not known" : "is not one";
}

/* "512 MiB", "1 h 30 min"; 0 needs no unit. */
static const char *
amount(vg_str s, const struct unit *u, size_t nu, uint64_t *out)
{
	uint64_t total = 0, n, unit;
	const char *why;

	if (vg_str_eq(s, VG_STR("0"))) {
		*out = 0;
		return NULL;
	}
	do {
		if ((why = take_number(&s, &n)) != NULL || (why = take_unit(&s, u, nu, &unit)) != NULL)
			return why;
		if (__builtin_mul_overflow(n, unit, &n) || __builtin_add_overflow(total, n, &total))
			return "is too large";
	} while (s.n);
	*out = total;
	return NULL;
}

static void
print_amount(uint64_t n, const struct unit *u, size_t nu, struct vg_buf *out)
{
	size_t i = 0;

	while (i + 1 < nu && (!u[i].print || n % u[i].n || n == 0))
		i++;
	vg_buf_u64(out, n / u[i].n);
	vg_buf_putc(out, ' ');
	vg_buf_put(out, u[i].name);
}

static const char *
in_range(const struct vg_setting *r, uint64_t n)
{
	return n < r->min ? "is too small" : n > r->max ? "is too large" : NULL;
}

static const char *
parse_number(const struct vg_setting *r, vg_str s, void *out)
{
	uint64_t n;
	const char *why;

	if ((r->flags & VG_SET_AUTO) && vg_str_eq(s, VG_STR("auto"))) {
		*(uint64_t *)out = 0;
		return NULL;
	}
	if (r->type == VG_SET_SIZE) {
		why = amount(s, sizes, VG_COUNT(sizes), &n);
	} else if (r->type == VG_SET_DURATION) {
		why = amount(s, times, VG_COUNT(times), &n);
	} else {
		why = take_number(&s, &n);
		if (r->type == VG_SET_PERCENT && vg_str_eq(vg_str_trim(s), VG_STR("%")))
			s = VG_NIL;
		if (why == NULL && s.n)
			why = "is not one";
	}
	if (why == NULL && (why = in_range(r, n)) == NULL)
		*(uint64_t *)out = n; /* of a duration too: max is within int64_t */
	return why;
}

/* ---- words ---- */

bool
vg_setting_word(const char *words, size_t i, vg_str *out)
{
	vg_str rest = vg_str_of(words);

	while (vg_str_split(&rest, ' ', out))
		if (i-- == 0)
			return true;
	return false;
}

static const char *
parse_bool(vg_str s, bool *out)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (size_t i = 0; i < VG_COUNT(words); i++)
		if (vg_str_ieq(s, vg_str_of(words[i]))) {
			*out = i & 1;
			return NULL;
		}
	return "is neither";
}

static const char *
parse_word(const struct vg_setting *r, vg_str s, uint32_t *out)
{
	vg_str w;

	for (uint32_t i = 0; vg_setting_word(r->words, i, &w); i++)
		if (vg_str_eq(w, s)) {
			*out = i;
			return NULL;
		}
	return "is none of them";
}

/* ---- addresses ---- */

static bool
parse_port(vg_str s, uint16_t *out)
{
	uint64_t n;

	if (s.n > 5 || !vg_str_all_digits(s) || !vg_str_u64(s, &n) || n > 65535)
		return false;
	*out = (uint16_t)n;
	return true;
}

bool
vg_address_parse(vg_str s, struct vg_address *out)
{
	struct vg_address a = { .given = true };
	size_t colon = s.n;
	vg_str host;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !parse_port(vg_str_skip(s, colon), &a.port))
		return false;
	host = vg_str_cut(s, colon - 1);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host = vg_str_cut(vg_str_skip(host, 1), host.n - 2);
		if (vg_str_chr(host, ':') == VG_NPOS)
			return false;
	} else if (vg_str_chr(host, ':') != VG_NPOS) {
		return false;
	}
	if (!vg_ip_parse(host, a.ip))
		return false;
	*out = a;
	return true;
}

bool
vg_setting_is_v4(const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

void
vg_address_print(const struct vg_address *a, char out[VG_ADDRESS_MAX])
{
	const uint8_t *p = a->ip;
	size_t n = 0, gap = 8, len = 0; /* the longest run of zeros, at least two (RFC 5952, 4.2) */

	if (a->off || !a->given) {
		snprintf(out, VG_ADDRESS_MAX, a->off ? "off" : "ADDRESS:PORT");
		return;
	}
	if (vg_setting_is_v4(p)) {
		snprintf(out, VG_ADDRESS_MAX, "%u.%u.%u.%u:%u", p[12], p[13], p[14], p[15], a->port);
		return;
	}
	for (size_t i = 0; i < 8; i++) {
		size_t j = i;

		while (j < 8 && p[2 * j] == 0 && p[2 * j + 1] == 0)
			j++;
		if (j - i > len && j - i > 1) {
			gap = i;
			len = j - i;
		}
	}
	out[n++] = '[';
	for (size_t i = 0; i < 8; i++) {
		if (i == gap) {
			n += (size_t)snprintf(out + n, VG_ADDRESS_MAX - n, "::");
			i += len - 1;
			continue;
		}
		n += (size_t)snprintf(out + n, VG_ADDRESS_MAX - n, "%s%x", i && i != gap + len ? ":" : "", (unsigned)(p[2 * i] << 8 | p[2 * i + 1]));
	}
	snprintf(out + n, VG_ADDRESS_MAX - n, "]:%u", a->port);
}

bool
vg_address_local(const struct vg_address *a)
{
	static const uint8_t loop6[16] = { [15] = 1 };

	return vg_setting_is_v4(a->ip) ? a->ip[12] == 127 : memcmp(a->ip, loop6, sizeof(loop6)) == 0;
}

static const char *
parse_address(const struct vg_setting *r, vg_str s, bool any_port, struct vg_address *out)
{
	struct vg_address a;
	uint8_t ip[16];
	uint16_t port;

	if ((r->flags & VG_SET_OFF) && (vg_str_ieq(s, VG_STR("off")) || vg_str_ieq(s, VG_STR("no")))) {
		*out = (struct vg_address){ .off = true, .given = true };
		return NULL;
	}
	if (!vg_address_parse(s, &a)) {
		if (parse_port(s, &port) || (s.n && s.p[0] == ':' && parse_port(vg_str_skip(s, 1), &port)))
			return "has no address (0.0.0.0 is all networks, 127.0.0.1 this machine)";
		if (vg_str_chr(s, '.') != VG_NPOS && vg_ip_parse(s, ip))
			return "has no port";
		return "is not one";
	}
	if (a.port == 0 && !any_port)
		return "has port 0";
	*out = a;
	return NULL;
}

/* ---- texts ---- */

bool
vg_setting_printable(vg_str s)
{
	uint32_t cp;

	while (s.n) {
		size_t n = vg_utf8_next(s, &cp);

		if (n == 0 || vg_cp_hostile(cp))
			return false;
		s = vg_str_skip(s, n);
	}
	return true;
}

static bool
word_char(char c)
{
	return vg_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_';
}

static bool
is_name(vg_str s)
{
	if (s.n == 0 || s.n > VG_SETTINGS_NAME_MAX || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!word_char(s.p[i]))
			return false;
	return true;
}

bool
vg_setting_name_ok(const struct vg_setting *map, vg_str name)
{
	if (map->flags & VG_SET_FREE)
		return name.n > 0 && name.n <= 255 && vg_setting_printable(name);
	return is_name(name);
}

/* 0-2, then 0-39 below the first two arcs, then any (X.660). */
static bool
is_oid(vg_str s)
{
	uint64_t n, first = 0;
	size_t i = 0;
	vg_str part;

	while (vg_str_split(&s, '.', &part)) {
		if (!vg_str_all_digits(part) || part.n > 10 || (part.n > 1 && part.p[0] == '0') || !vg_str_u64(part, &n))
			return false;
		if (i == 0 ? n > 2 : i == 1 && first < 2 && n > 39)
			return false;
		first = i++ == 0 ? n : first;
	}
	return i >= 2;
}

static bool
no_blank(vg_str s)
{
	return vg_str_chr(s, ' ') == VG_NPOS;
}

static const char *
check_recovery(vg_str s)
{
	struct vg_note_key k;
	uint8_t half[32];
	size_t hex = 0;

	for (size_t i = 0; i < s.n; i++)
		hex += vg_is_digit(s.p[i]) || ((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'f');
	if (hex == 64 && vg_str_chr(s, '+') == VG_NPOS)
		return "is the secret half, which has no place on this machine";
	if (vg_note_key_parse(s, &k) != VG_OK)
		return "is not one, or was not copied whole";
	return vg_recovery_public(&k, half) == VG_OK ? NULL : "is a key of another kind";
}

static bool
is_mail(vg_str s)
{
	size_t at = vg_str_chr(s, '@');

	return at != VG_NPOS && at > 0 && at + 1 < s.n && vg_str_chr(vg_str_skip(s, at + 1), '@') == VG_NPOS && no_blank(s) &&
	       vg_str_chr(s, '<') == VG_NPOS && vg_str_chr(s, '>') == VG_NPOS;
}

/* One of the row's schemes, a host, and no user in it: secrets have settings of their own. */
static const char *
check_url(const struct vg_setting *r, vg_str s)
{
	vg_str w, host;

	for (size_t i = 0; vg_setting_word(r->words, i, &w); i++) {
		if (!vg_str_istarts(s, w))
			continue;
		host = vg_str_skip(s, w.n);
		for (size_t j = 0; j < host.n; j++)
			if (host.p[j] == '/' || host.p[j] == '?' || host.p[j] == '#')
				host.n = j;
		if (host.n == 0 || host.n > URL_HOST_MAX || host.p[0] == ':')
			return "has no host";
		if (vg_str_chr(host, '@') != VG_NPOS)
			return "has a user in it";
		return no_blank(s) ? NULL : "has a space in it";
	}
	return "is not one";
}

bool
vg_setting_pattern_ok(vg_str s)
{
	uint8_t net[16];
	unsigned bits;

	return vg_str_chr(s, '/') == VG_NPOS || vg_ip_network(s, net, &bits);
}

static const char *
check_text(const struct vg_setting *r, vg_str s)
{
	if (s.n == 0 && r->standard && r->standard[0] == '\0' && !(r->flags & VG_SET_LIST))
		return NULL; /* the default may be written */
	if (s.n > r->max)
		return "is too long";
	if (!vg_setting_printable(s))
		return "has characters that do not print";
	switch (r->type) {
	case VG_SET_NAME:
		return is_name(s) ? NULL : "is not one";
	case VG_SET_SECRET:
		return s.n < r->min ? "is too short" : no_blank(s) ? NULL : "has a space in it";
	case VG_SET_URL:
		return check_url(r, s);
	case VG_SET_OID:
		return is_oid(s) ? NULL : "is not one";
	case VG_SET_MAIL:
		return is_mail(s) ? NULL : "is not one";
	case VG_SET_RECOVERY:
		return check_recovery(s);
	case VG_SET_PATTERN:
		return s.n == 0 ? "is empty" : vg_setting_pattern_ok(s) ? NULL : "is not a network";
	default:
		return s.n ? NULL : "is empty";
	}
}

static const char *
parse_text(const struct vg_setting *r, vg_str s, const struct vg_setting_in *in, vg_str *out)
{
	const char *why = check_text(r, s);

	if (why)
		return why;
	if (r->type == VG_SET_PATH && s.n && s.p[0] != '/' && in->folder.n)
		*out = vg_arena_printf(in->a, "%.*s/%.*s", VG_STR_ARG(in->folder), VG_STR_ARG(s));
	else
		*out = vg_str_dup(in->a, s);
	return out->p ? NULL : "does not fit in memory";
}

/* ---- any ---- */

const char *
vg_setting_parse(const struct vg_setting *r, vg_str text, const struct vg_setting_in *in, void *out)
{
	switch (r->type) {
	case VG_SET_BOOL:
		return parse_bool(text, out);
	case VG_SET_INTEGER:
	case VG_SET_SIZE:
	case VG_SET_DURATION:
	case VG_SET_PERCENT:
		return parse_number(r, text, out);
	case VG_SET_WORD:
		return parse_word(r, text, out);
	case VG_SET_ADDRESS:
		return parse_address(r, text, in->any_port, out);
	default:
		return parse_text(r, text, in, out);
	}
}

size_t
vg_setting_size(const struct vg_setting *r)
{
	switch (r->type) {
	case VG_SET_BOOL:
		return sizeof(bool);
	case VG_SET_WORD:
		return sizeof(uint32_t);
	case VG_SET_ADDRESS:
		return sizeof(struct vg_address);
	default:
		return r->type >= VG_SET_TEXT ? sizeof(vg_str) : sizeof(uint64_t);
	}
}

void
vg_setting_print(const struct vg_setting *r, const void *value, struct vg_buf *out)
{
	char address[VG_ADDRESS_MAX];
	uint64_t n = 0;
	vg_str w = VG_NIL;

	if (r->type == VG_SET_INTEGER || r->type == VG_SET_SIZE || r->type == VG_SET_DURATION || r->type == VG_SET_PERCENT)
		memcpy(&n, value, sizeof(n));
	switch (r->type) {
	case VG_SET_BOOL:
		vg_buf_puts(out, *(const bool *)value ? "yes" : "no");
		return;
	case VG_SET_INTEGER:
		if ((r->flags & VG_SET_AUTO) && n == 0)
			vg_buf_puts(out, "auto");
		else
			vg_buf_u64(out, n);
		return;
	case VG_SET_SIZE:
		print_amount(n, sizes, VG_COUNT(sizes), out);
		return;
	case VG_SET_DURATION:
		print_amount(n, times, VG_COUNT(times), out);
		return;
	case VG_SET_PERCENT:
		vg_buf_u64(out, n);
		vg_buf_puts(out, " %");
		return;
	case VG_SET_WORD:
		(void)vg_setting_word(r->words, *(const uint32_t *)value, &w);
		vg_buf_put(out, w);
		return;
	case VG_SET_ADDRESS:
		vg_address_print(value, address);
		vg_buf_puts(out, address);
		return;
	default:
		vg_buf_put(out, *(const vg_str *)value);
	}
}

/* What a value may be: {0} and {1} stand for the least and the most, {w} for the words. */
static const struct allowed {
	const char *text[VG_LANGS];
} allowed[VG_SET_TYPES] = {
	[VG_SET_GROUP] = { { "settings under it", "des réglages en dessous" } },
	[VG_SET_OBJECT] = { { "settings under it", "des réglages en dessous" } },
	[VG_SET_BOOL] = { { "yes or no", "yes (oui) ou no (non)" } },
	[VG_SET_INTEGER] = { { "a number from {0} to {1}", "un nombre de {0} à {1}" } },
	[VG_SET_SIZE] = { { "a size from {0} to {1} (B, KiB, MiB, GiB, TiB)", "une taille de {0} à {1} (B, KiB, MiB, GiB, TiB)" } },
	[VG_SET_DURATION] = { { "a duration from {0} to {1} (ms, s, min, h, d, w)", "une durée de {0} à {1} (ms, s, min, h, d, w)" } },
	[VG_SET_PERCENT] = { { "a percentage from {0} to {1}", "un pourcentage de {0} à {1}" } },
	[VG_SET_WORD] = { { "one of {w}", "un de {w}" } },
	[VG_SET_ADDRESS] = { { "ADDRESS:PORT, an IPv6 address in brackets", "ADRESSE:PORT, une adresse IPv6 entre crochets" } },
	[VG_SET_TEXT] = { { "text of at most {1} bytes", "un texte d’au plus {1} octets" } },
	[VG_SET_SECRET] = { { "a secret of {0} to {1} bytes without spaces", "un secret de {0} à {1} octets sans espace" } },
	[VG_SET_NAME] = { { "a name of at most 64 letters, digits, - and _", "un nom d’au plus 64 lettres, chiffres, - et _" } },
	[VG_SET_PATH] = { { "a path, or one from the folder of this file", "un chemin, ou un à partir du dossier de ce fichier" } },
	[VG_SET_URL] = { { "a URL that begins with {w}, without a user", "une URL qui commence par {w}, sans utilisateur" } },
	[VG_SET_OID] = { { "an object identifier, as 1.2.3.4", "un identifiant d’objet, comme 1.2.3.4" } },
	[VG_SET_MAIL] = { { "a mail address, as name@example.org", "une adresse de courriel, comme nom@example.org" } },
	[VG_SET_RECOVERY] = { { "a public key recovery+ID+BASE64, as `vigie vault recovery-key --new` makes one",
				"une clé publique recovery+ID+BASE64, comme en crée `vigie vault recovery-key --new`" } },
	[VG_SET_PATTERN] = { { "a source's name (* and ? stand for others), or a network as 10.1.0.0/16",
			       "le nom d’une source (* et ? en remplacent), ou un réseau comme 10.1.0.0/16" } },
};

static void
print_words(const struct vg_setting *r, enum vg_lang l, struct vg_buf *out)
{
	vg_str w, next;

	for (size_t i = 0; vg_setting_word(r->words, i, &w); i++) {
		if (i)
			vg_buf_puts(out, vg_setting_word(r->words, i + 1, &next) ? ", " : l == VG_LANG_FR ? " ou " : " or ");
		vg_buf_put(out, w);
	}
}

static void
print_bound(const struct vg_setting *r, uint64_t n, struct vg_buf *out)
{
	if (r->type >= VG_SET_TEXT)
		vg_buf_u64(out, n);
	else
		vg_setting_print(r, &n, out);
}

void
vg_setting_allowed(const struct vg_setting *r, enum vg_lang l, struct vg_buf *out)
{
	bool fr = l == VG_LANG_FR;

	if (r->flags & VG_SET_LIST)
		vg_buf_puts(out, fr ? "une liste ; chacun : " : "a list; each: ");
	for (const char *p = allowed[r->type].text[l]; *p; p++) {
		if (*p != '{') {
			vg_buf_putc(out, *p);
			continue;
		}
		if (p[1] == 'w')
			print_words(r, l, out);
		else
			print_bound(r, p[1] == '0' ? r->min : r->max, out);
		p += 2;
	}
	if (r->flags & VG_SET_AUTO)
		vg_buf_puts(out, fr ? ", ou auto" : ", or auto");
	if (r->flags & VG_SET_OFF)
		vg_buf_puts(out, fr ? ", ou off" : ", or off");
}
