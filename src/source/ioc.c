#include "source/ioc.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/ip.h"

/* The first name of a kind is ours.  MISP's types: misp-core-format, "type"; only those that a log can show. */
static const struct {
	const char *name;
	enum vg_ioc_kind kind;
} names[] = {
	{ "ip", VG_IOC_IP }, { "ipv4", VG_IOC_IP }, { "ipv6", VG_IOC_IP }, { "ip-src", VG_IOC_IP }, { "ip-dst", VG_IOC_IP },
	{ "ip_address", VG_IOC_IP }, { "ipv4-addr", VG_IOC_IP }, { "ipv6-addr", VG_IOC_IP }, { "ip:port", VG_IOC_IP },
	{ "network", VG_IOC_NET }, { "cidr", VG_IOC_NET }, { "net", VG_IOC_NET }, { "subnet", VG_IOC_NET },
	{ "domain", VG_IOC_DOMAIN }, { "hostname", VG_IOC_DOMAIN }, { "host", VG_IOC_DOMAIN }, { "fqdn", VG_IOC_DOMAIN },
	{ "domain-name", VG_IOC_DOMAIN },
	{ "url", VG_IOC_URL }, { "uri", VG_IOC_URL }, { "link", VG_IOC_URL },
	{ "email", VG_IOC_EMAIL }, { "e-mail", VG_IOC_EMAIL }, { "mail", VG_IOC_EMAIL }, { "email-src", VG_IOC_EMAIL },
	{ "email-dst", VG_IOC_EMAIL }, { "email-reply-to", VG_IOC_EMAIL }, { "email-addr", VG_IOC_EMAIL },
	{ "md5", VG_IOC_MD5 }, { "md5_hash", VG_IOC_MD5 }, { "filehash-md5", VG_IOC_MD5 }, { "x509-fingerprint-md5", VG_IOC_MD5 },
	{ "imphash", VG_IOC_IMPHASH },
	{ "sha1", VG_IOC_SHA1 }, { "sha-1", VG_IOC_SHA1 }, { "sha1_hash", VG_IOC_SHA1 }, { "filehash-sha1", VG_IOC_SHA1 },
	{ "x509-fingerprint-sha1", VG_IOC_SHA1 },
	{ "sha256", VG_IOC_SHA256 }, { "sha-256", VG_IOC_SHA256 }, { "sha256_hash", VG_IOC_SHA256 }, { "filehash-sha256", VG_IOC_SHA256 },
	{ "x509-fingerprint-sha256", VG_IOC_SHA256 },
	{ "sha512", VG_IOC_SHA512 }, { "sha-512", VG_IOC_SHA512 },
	{ "file", VG_IOC_FILE }, { "filename", VG_IOC_FILE }, { "file_name", VG_IOC_FILE }, { "filepath", VG_IOC_FILE }, { "path", VG_IOC_FILE },
	{ "user", VG_IOC_USER }, { "username", VG_IOC_USER }, { "user-name", VG_IOC_USER }, { "account", VG_IOC_USER },
	{ "user-account", VG_IOC_USER }, { "target-user", VG_IOC_USER },
	{ "text", VG_IOC_TEXT }, { "string", VG_IOC_TEXT }, { "mutex", VG_IOC_TEXT }, { "named pipe", VG_IOC_TEXT }, { "regkey", VG_IOC_TEXT },
	{ "user-agent", VG_IOC_TEXT }, { "windows-service-name", VG_IOC_TEXT }, { "windows-service-displayname", VG_IOC_TEXT },
	{ "windows-scheduled-task", VG_IOC_TEXT },
	{ "hash", VG_IOC_KINDS }, { "ioc", VG_IOC_KINDS }, { "indicator", VG_IOC_KINDS }, { "", VG_IOC_KINDS },
};

const char *
vg_ioc_kind_name(enum vg_ioc_kind kind)
{
	for (size_t i = 0; i < VG_COUNT(names); i++)
		if (names[i].kind == kind)
			return names[i].name;
	return "?";
}

bool
vg_ioc_kind_parse(vg_str name, enum vg_ioc_kind *out)
{
	for (size_t i = 0; i < VG_COUNT(names); i++)
		if (vg_str_ieq(name, vg_str_of(names[i].name))) {
			*out = names[i].kind;
			return true;
		}
	return false;
}

/* --- one way of writing --- */

/* What a pair of brackets hides: "[.]", "(dot)", "[:]//", "[at]". */
static const struct {
	const char *hidden;
	const char *open;
} brackets[] = { { ".", "." }, { "dot", "." }, { ":", ":" }, { "://", "://" }, { "@", "@" }, { "at", "@" }, { "/", "/" } };

static size_t
unbracket(vg_str s, char *out, size_t *used)
{
	char close = s.p[0] == '[' ? ']' : s.p[0] == '(' ? ')' : '}';

	for (size_t i = 0; i < VG_COUNT(brackets); i++) {
		vg_str hidden = vg_str_of(brackets[i].hidden);
		size_t n = strlen(brackets[i].open);

		if (s.n < hidden.n + 2 || s.p[hidden.n + 1] != close || !vg_str_istarts(vg_str_skip(s, 1), hidden))
			continue;
		memcpy(out, brackets[i].open, n);
		*used = hidden.n + 2;
		return n;
	}
	return 0;
}

/* Never longer than @s. */
static vg_str
refang(vg_str s, char *out)
{
	size_t n = 0, used, k;

	if (vg_str_istarts(s, VG_STR("hxxp"))) {
		memcpy(out, "http", 4);
		n = 4;
		s = vg_str_skip(s, 4);
	}
	while (s.n) {
		if ((s.p[0] == '[' || s.p[0] == '(' || s.p[0] == '{') && (k = unbracket(s, out + n, &used)) > 0) {
			n += k;
			s = vg_str_skip(s, used);
		} else {
			out[n++] = s.p[0];
			s = vg_str_skip(s, 1);
		}
	}
	return vg_str_mem(out, n);
}

static bool
label_byte(char c)
{
	return vg_is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '_' || (unsigned char)c >= 0x80;
}

bool
vg_ioc_domain_ok(vg_str s, unsigned *labels)
{
	unsigned n = 0;
	vg_str label = VG_NIL;

	if (s.n == 0 || s.n > VG_IOC_DOMAIN_MAX)
		return false;
	while (vg_str_split(&s, '.', &label)) {
		if (label.n == 0 || label.n > 63)
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!label_byte(label.p[i]))
				return false;
		n++;
	}
	if (labels)
		*labels = n;
	return n >= 2 && !vg_is_digit(label.p[0]); /* no top-level domain begins with a digit */
}

size_t
vg_ioc_url_key(vg_str url, char *out)
{
	size_t at = vg_str_find(url, VG_STR("://")), n, port;
	vg_str host, rest;

	if (at != VG_NPOS && at <= 16 && vg_str_find(vg_str_cut(url, at), VG_STR("/")) == VG_NPOS)
		url = vg_str_skip(url, at + 3);
	url = vg_str_cut(url, vg_str_chr(url, '#'));
	for (n = 0; n < url.n && url.p[n] != '/' && url.p[n] != '?'; n++)
		;
	host = vg_str_cut(url, n);
	rest = vg_str_skip(url, n);
	while ((at = vg_str_chr(host, '@')) != VG_NPOS)
		host = vg_str_skip(host, at + 1);
	port = vg_str_chr(host, ':');
	if (port != VG_NPOS && (vg_str_eq(vg_str_skip(host, port), VG_STR(":80")) || vg_str_eq(vg_str_skip(host, port), VG_STR(":443"))))
		host = vg_str_cut(host, port);
	while (host.n && host.p[host.n - 1] == '.')
		host.n--;
	while (rest.n && rest.p[rest.n - 1] == '/')
		rest.n--;
	if (host.n == 0)
		return 0;
	n = vg_fold(host, out);
	return n + vg_fold(rest, out + n);
}

static bool
mapped_v4(const uint8_t addr[16], unsigned bits)
{
	return bits >= 96 && memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

size_t
vg_ioc_address(const uint8_t addr[16], unsigned bits, char *buf)
{
	bool v4 = mapped_v4(addr, bits);
	char text[INET6_ADDRSTRLEN];
	int n;

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, addr + (v4 ? 12 : 0), text, sizeof(text)); /* there is room for any */
	n = bits == 128 ? snprintf(buf, VG_IOC_ADDRESS_MAX, "%s", text) :
			  snprintf(buf, VG_IOC_ADDRESS_MAX, "%s/%u", text, bits - (v4 ? 96 : 0));
	return (size_t)n;
}

static vg_rc
set_address(struct vg_ioc *i, vg_str s, char *buf)
{
	size_t colon = vg_str_chr(s, ':');

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = vg_str_mem(s.p + 1, s.n - 2);
	else if (colon != VG_NPOS && vg_str_chr(vg_str_cut(s, colon), '.') != VG_NPOS && vg_str_all_digits(vg_str_skip(s, colon + 1)))
		s = vg_str_cut(s, colon); /* a port */
	if (!vg_ip_network(s, i->addr, &i->bits))
		return VG_E_FORMAT;
	if (i->bits < (mapped_v4(i->addr, i->bits) ? 96 + VG_IOC_BITS_MIN_V4 : VG_IOC_BITS_MIN_V6))
		return VG_E_LIMIT;
	i->kind = i->bits == 128 ? VG_IOC_IP : VG_IOC_NET;
	i->value.n = vg_ioc_address(i->addr, i->bits, buf);
	return VG_OK;
}

static vg_rc
set_hash(struct vg_ioc *i, vg_str s, char *buf)
{
	static const size_t digits[VG_IOC_KINDS] = { [VG_IOC_MD5] = 32, [VG_IOC_IMPHASH] = 32, [VG_IOC_SHA1] = 40,
						     [VG_IOC_SHA256] = 64, [VG_IOC_SHA512] = 128 };

	if (s.n != digits[i->kind])
		return VG_E_FORMAT;
	for (size_t k = 0; k < s.n; k++)
		if (!vg_is_digit(s.p[k]) && !((s.p[k] | 32) >= 'a' && (s.p[k] | 32) <= 'f'))
			return VG_E_FORMAT;
	i->value.n = vg_fold(s, buf);
	return VG_OK;
}

static vg_rc
set_name(struct vg_ioc *i, vg_str s, char *buf)
{
	size_t at = vg_str_chr(s, '@');

	switch (i->kind) {
	case VG_IOC_DOMAIN:
		if (vg_str_starts(s, VG_STR("*.")))
			s = vg_str_skip(s, 2);
		while (s.n && s.p[0] == '.')
			s = vg_str_skip(s, 1);
		while (s.n && s.p[s.n - 1] == '.')
			s.n--;
		if (!vg_ioc_domain_ok(s, NULL))
			return VG_E_FORMAT;
		break;
	case VG_IOC_EMAIL:
		if (at == VG_NPOS || at == 0 || at > 64 || !vg_ioc_domain_ok(vg_str_skip(s, at + 1), NULL))
			return VG_E_FORMAT;
		break;
	case VG_IOC_URL:
		i->value.n = vg_ioc_url_key(s, buf);
		return i->value.n ? VG_OK : VG_E_FORMAT;
	default:
		if (s.n < VG_IOC_TEXT_MIN)
			return VG_E_LIMIT;
		break;
	}
	i->value.n = vg_fold(s, buf);
	return VG_OK;
}

/* Names that a system would run, and that read like domains otherwise. */
static const char *const endings[] = { ".exe", ".dll", ".sys", ".scr", ".bat", ".cmd", ".ps1", ".vbs", ".vbe", ".js", ".jse", ".wsf",
				       ".hta", ".msi", ".lnk", ".iso", ".img", ".jar", ".doc", ".docx", ".docm", ".xls", ".xlsx", ".xlsm",
				       ".ppt", ".pptx", ".rtf", ".pdf", ".rar", ".7z", ".cab", ".dat", ".tmp", ".bin", ".elf", ".php" };

static enum vg_ioc_kind
guess(vg_str s)
{
	uint8_t addr[16];
	unsigned bits;
	bool hex = s.n >= 32;

	for (size_t i = 0; i < s.n && hex; i++)
		hex = vg_is_digit(s.p[i]) || ((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'f');
	if (hex && (s.n == 32 || s.n == 40 || s.n == 64 || s.n == 128))
		return s.n == 32 ? VG_IOC_MD5 : s.n == 40 ? VG_IOC_SHA1 : s.n == 64 ? VG_IOC_SHA256 : VG_IOC_SHA512;
	if (vg_ip_network(s, addr, &bits))
		return VG_IOC_IP;
	if (vg_str_find(s, VG_STR("://")) != VG_NPOS)
		return VG_IOC_URL;
	for (size_t i = 0; i < VG_COUNT(endings); i++)
		if (s.n > strlen(endings[i]) && vg_str_ieq(vg_str_skip(s, s.n - strlen(endings[i])), vg_str_of(endings[i])) &&
		    vg_str_chr(s, '/') == VG_NPOS)
			return VG_IOC_FILE;
	if (vg_str_chr(s, '@') != VG_NPOS && vg_ioc_domain_ok(vg_str_skip(s, vg_str_chr(s, '@') + 1), NULL))
		return VG_IOC_EMAIL;
	if (vg_ioc_domain_ok(vg_str_starts(s, VG_STR("*.")) ? vg_str_skip(s, 2) : s, NULL))
		return VG_IOC_DOMAIN;
	if (vg_str_chr(s, '/') != VG_NPOS && vg_ioc_domain_ok(vg_str_cut(s, vg_str_chr(s, '/')), NULL))
		return VG_IOC_URL;
	return vg_str_chr(s, '\\') != VG_NPOS ? VG_IOC_FILE : VG_IOC_TEXT;
}

vg_rc
vg_ioc_set(struct vg_ioc *out, enum vg_ioc_kind kind, vg_str text, char buf[VG_IOC_BUF])
{
	char open[VG_IOC_VALUE_MAX];
	vg_str s;

	text = vg_str_trim(text);
	if (text.n > VG_IOC_VALUE_MAX)
		return VG_E_LIMIT;
	if (text.n == 0)
		return VG_E_FORMAT;
	s = refang(text, open);
	if (kind == VG_IOC_KINDS)
		kind = guess(s);
	out->kind = kind;
	out->value = vg_str_mem(buf, 0);
	switch (kind) {
	case VG_IOC_IP:
	case VG_IOC_NET:
		return set_address(out, s, buf);
	case VG_IOC_MD5:
	case VG_IOC_IMPHASH:
	case VG_IOC_SHA1:
	case VG_IOC_SHA256:
	case VG_IOC_SHA512:
		return set_hash(out, s, buf);
	case VG_IOC_DOMAIN:
	case VG_IOC_URL:
	case VG_IOC_EMAIL:
		return set_name(out, s, buf);
	default: /* brackets may be part of it */
		return set_name(out, text, buf);
	}
}

/* The whole octets of a v4 network, "10.1."; the whole groups of another, "2001:db8:". */
static bool
network_keyword(const struct vg_ioc *i, char *buf, vg_str *out)
{
	bool v4 = mapped_v4(i->addr, i->bits);
	unsigned whole = v4 ? (i->bits - 96) / 8 : i->bits / 16;
	size_t n = 0;

	for (unsigned k = 0; k < whole; k++) {
		unsigned group = v4 ? i->addr[12 + k] : (unsigned)i->addr[2 * k] << 8 | i->addr[2 * k + 1];

		if (!v4 && group == 0)
			break; /* it may be hidden in a "::" */
		n += (size_t)snprintf(buf + n, VG_IOC_BUF - n, v4 ? "%u." : k < 7 ? "%x:" : "%x", group);
	}
	*out = vg_str_mem(buf, n);
	return n > 0;
}

bool
vg_ioc_keyword(const struct vg_ioc *i, char buf[VG_IOC_BUF], vg_str *out)
{
	size_t cut;

	if (i->kind == VG_IOC_NET)
		return network_keyword(i, buf, out);
	*out = i->value;
	if (i->kind == VG_IOC_IP && vg_str_chr(i->value, ':') != VG_NPOS)
		return network_keyword(i, buf, out);
	if (i->kind == VG_IOC_URL && (cut = vg_str_chr(i->value, '/')) != VG_NPOS) /* a port, or parts of a log's line, may stand between */
		*out = vg_str_cut(i->value, cut);
	return out->n > 0;
}
