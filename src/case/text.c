#include "case/text.h"

#include <stdio.h>

static const struct {
	const char *in[VG_LANGS];
} texts[VG_TEXT_COUNT] = {
#define X(id, en, fr) [VG_T_##id] = { { en, fr } },
	VG_TEXTS(X)
#undef X
};
static const struct {
	const char *one[VG_LANGS], *many[VG_LANGS];
} plurals[VG_PLURAL_COUNT] = {
#define X(id, en1, en, fr1, fr) [VG_N_##id] = { { en1, fr1 }, { en, fr } },
	VG_PLURALS(X)
#undef X
};

enum vg_lang
vg_lang_of(const char *locale)
{
	vg_str s = vg_str_of(locale);

	return vg_str_istarts(s, VG_STR("fr")) && (s.n == 2 || s.p[2] == '_' || s.p[2] == '-' || s.p[2] == '.') ?
		       VG_LANG_FR :
		       VG_LANG_EN;
}

static enum vg_lang
lang_of(enum vg_lang l)
{
	return (unsigned)l < VG_LANGS ? l : VG_LANG_EN;
}

const char *
vg_text(enum vg_lang l, enum vg_text id)
{
	return (unsigned)id < VG_TEXT_COUNT ? texts[id].in[lang_of(l)] : "";
}

const char *
vg_text_n(enum vg_lang l, enum vg_plural id, uint64_t n)
{
	bool one = l == VG_LANG_FR ? n < 2 : n == 1;

	if ((unsigned)id >= VG_PLURAL_COUNT)
		return "";
	return one ? plurals[id].one[lang_of(l)] : plurals[id].many[lang_of(l)];
}

void
vg_text_put(struct vg_buf *b, const char *fmt, const vg_str *arg, size_t narg, vg_escape *escape)
{
	for (const char *c = fmt; *c;) {
		const char *open = strchr(c, '{');

		if (open == NULL || open[1] < '0' || open[1] > '9' || open[2] != '}') {
			size_t n = open ? (size_t)(open - c) + 1 : strlen(c);

			vg_buf_put(b, vg_str_mem(c, n));
			c += n;
			continue;
		}
		vg_buf_put(b, vg_str_mem(c, (size_t)(open - c)));
		if ((size_t)(open[1] - '0') < narg)
			escape(b, arg[open[1] - '0']);
		c = open + 3;
	}
}

vg_str
vg_text_number(enum vg_lang l, uint64_t n, char out[VG_NUMBER_MAX])
{
	const char *sep = l == VG_LANG_FR ? "\xe2\x80\xaf" : ",";
	char digit[24];
	int len = snprintf(digit, sizeof(digit), "%llu", (unsigned long long)n);
	size_t at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0) {
			memcpy(out + at, sep, strlen(sep));
			at += strlen(sep);
		}
		out[at++] = digit[i];
	}
	return vg_str_mem(out, at);
}

vg_str
vg_text_date(enum vg_lang l, int64_t time_ns, bool clock, char out[VG_DATE_MAX])
{
	vg_str months = vg_str_of(vg_text(l, VG_T_MONTHS)), month = VG_NIL;
	struct vg_civil c;
	char day[12], year[12], hm[16];
	struct vg_buf b = { .limit_bytes = VG_DATE_MAX };
	size_t n;

	if (time_ns == VG_TIME_NONE)
		return VG_NIL;
	vg_time_civil(time_ns, &c);
	for (int i = 0; i < c.month; i++)
		(void)vg_str_split(&months, ',', &month);
	snprintf(day, sizeof(day), l == VG_LANG_FR && c.day == 1 ? "1er" : "%d", c.day);
	snprintf(year, sizeof(year), "%d", c.year);
	snprintf(hm, sizeof(hm), "%02d:%02d", c.hour, c.min);
	VG_PUT(&b, vg_text(l, clock ? VG_T_DATE_TIME : VG_T_DATE), vg_buf_put, vg_str_of(day), month, vg_str_of(year),
	       vg_str_of(hm));
	n = b.n < VG_DATE_MAX ? b.n : VG_DATE_MAX;
	if (n)
		memcpy(out, b.p, n);
	vg_buf_fini(&b);
	return vg_str_mem(out, n);
}

enum vg_text
vg_text_chapter(unsigned chapter)
{
	return chapter < VG_CHAPTERS ? (enum vg_text)(VG_T_CH_ENTRY + chapter) : VG_T_CH_OTHER;
}

enum vg_text
vg_text_chapter_say(unsigned chapter)
{
	return (enum vg_text)(VG_T_CH_ENTRY_SAY + (chapter < VG_CHAPTERS ? chapter : 0));
}

enum vg_text
vg_text_level(unsigned level)
{
	return (enum vg_text)(VG_T_LEVEL_INFO + (level < VG_LEVELS ? level : 0));
}

enum vg_text
vg_text_erasure(unsigned kind)
{
	return (enum vg_text)(VG_T_ERASE_CLEARED + (kind <= VG_ERASE_AUDIT_OFF ? kind : 0));
}

enum vg_text
vg_text_deed(unsigned fact_kind)
{
	switch (fact_kind) {
	case VG_FACT_ACCOUNT_CREATED:
		return VG_T_DEED_CREATED;
	case VG_FACT_ACCOUNT_DELETED:
		return VG_T_DEED_DELETED;
	case VG_FACT_GROUP_ADDED:
		return VG_T_DEED_GROUP;
	case VG_FACT_SERVICE:
		return VG_T_DEED_SERVICE;
	case VG_FACT_TASK:
		return VG_T_DEED_TASK;
	default:
		return VG_T_DEED_CHANGED;
	}
}

const char *
vg_text_via(enum vg_lang l, vg_str via)
{
	static const struct {
		vg_str word;
		enum vg_text text;
	} row[] = { /* the words of trace/path.c */
		{ VG_STR_INIT("vpn"), VG_T_VIA_VPN },
		{ VG_STR_INIT("rdp"), VG_T_VIA_RDP },
		{ VG_STR_INIT("ssh"), VG_T_VIA_SSH },
		{ VG_STR_INIT("network"), VG_T_VIA_NETWORK },
		{ VG_STR_INIT("interactive"), VG_T_VIA_INTERACTIVE },
		{ VG_STR_INIT("batch"), VG_T_VIA_BATCH },
		{ VG_STR_INIT("service"), VG_T_VIA_SERVICE },
		{ VG_STR_INIT("unlock"), VG_T_VIA_UNLOCK },
		{ VG_STR_INIT("cleartext"), VG_T_VIA_CLEARTEXT },
		{ VG_STR_INIT("new-credentials"), VG_T_VIA_NEWCRED },
		{ VG_STR_INIT("run-as"), VG_T_VIA_RUNAS },
		{ VG_STR_INIT("kerberos"), VG_T_VIA_KERBEROS },
		{ VG_STR_INIT("ntlm"), VG_T_VIA_NTLM },
		{ VG_STR_INIT("sudo"), VG_T_VIA_SUDO },
		{ VG_STR_INIT("terminal"), VG_T_VIA_TERMINAL },
	};

	for (size_t i = 0; i < VG_COUNT(row); i++)
		if (vg_str_eq(via, row[i].word))
			return vg_text(l, row[i].text);
	return vg_text(l, VG_T_VIA_SIGN_IN);
}

const char *
vg_text_source(enum vg_lang l, vg_str source)
{
	if (source.n == 0)
		return vg_text(l, VG_T_SOURCE_UNKNOWN);
	return vg_str_eq(source, VG_STR("-")) ? vg_text(l, VG_T_SOURCE_LOCAL) : NULL;
}
