#include "net/mail.h"

#include <sodium.h>
#include <string.h>
#include <time.h>


#define WORD_BYTES 39    /* of text in one encoded word: at most 75 characters (RFC 2047, 2) */
#define LINE_BYTES 57    /* of text in one line of base64: 76 characters */
#define SUBJECT_BYTES 300

static bool
is_plain(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x7f || ((unsigned char)s.p[i] < ' ' && s.p[i] != '\n'))
			return false;
	return true;
}

static void
put_base64(struct vg_buf *out, const char *p, size_t n)
{
	char text[4 * ((LINE_BYTES + 2) / 3) + 1];

	(void)sodium_bin2base64(text, sizeof(text), (const unsigned char *)p, n, sodium_base64_VARIANT_ORIGINAL);
	vg_buf_puts(out, text);
}

/* How much of @s, at most @max bytes, ends where a character does. */
static size_t
whole(vg_str s, size_t max)
{
	size_t n = s.n < max ? s.n : max;

	while (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return n ? n : s.n < max ? s.n : max;
}

static void
put_subject(struct vg_buf *out, vg_str s)
{
	struct vg_buf one = { 0 };

	s = vg_str_cut(s, whole(s, SUBJECT_BYTES));
	vg_buf_put(&one, s);
	for (size_t i = 0; i < one.n; i++)
		if ((unsigned char)one.p[i] < ' ' || one.p[i] == 0x7f)
			one.p[i] = ' ';
	vg_buf_puts(out, "Subject: ");
	if (is_plain(vg_buf_str(&one)) && one.n < 60) {
		vg_buf_put(out, vg_buf_str(&one));
	} else {
		for (vg_str left = vg_buf_str(&one); left.n;) {
			size_t n = whole(left, WORD_BYTES);

			vg_buf_puts(out, "=?utf-8?B?");
			put_base64(out, left.p, n);
			vg_buf_puts(out, left.n > n ? "?=\n " : "?=");
			left = vg_str_skip(left, n);
		}
	}
	if (one.rc != VG_OK)
		out->rc = one.rc;
	vg_buf_putc(out, '\n');
	vg_buf_fini(&one);
}

static void
put_body(struct vg_buf *out, vg_str text)
{
	vg_buf_puts(out, "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nAuto-Submitted: auto-generated\n");
	if (is_plain(text)) {
		vg_buf_puts(out, "Content-Transfer-Encoding: 7bit\n\n");
		vg_buf_put(out, text);
		return;
	}
	vg_buf_puts(out, "Content-Transfer-Encoding: base64\n\n");
	for (; text.n; text = vg_str_skip(text, LINE_BYTES)) {
		put_base64(out, text.p, text.n < LINE_BYTES ? text.n : LINE_BYTES);
		vg_buf_putc(out, '\n');
	}
}

void
vg_letter_print(const struct vg_letter *l, struct vg_buf *out)
{
	time_t now = (time_t)(l->now_ns / 1000000000);
	char date[64];
	struct tm tm;

	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &tm)); /* RFC 5322, 3.3; the locale is C */
	vg_buf_printf(out, "From: %s\nTo: ", l->from);
	for (size_t i = 0; i < l->nto; i++)
		vg_buf_printf(out, "%s%s", i ? ",\n " : "", l->to[i]);
	vg_buf_printf(out, "\nDate: %s\n", date);
	if (l->id.n)
		vg_buf_printf(out, "Message-ID: <%.*s@%s>\n", VG_STR_ARG(l->id), l->host);
	put_subject(out, l->subject);
	put_body(out, l->text);
}

bool
vg_is_mail_address(const char *s)
{
	const char *at = strchr(s, '@');

	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("<>,;:\"\\", *p))
			return false;
	return at && at != s && at[1] && strchr(at + 1, '@') == NULL && strlen(s) < 255 && s[0] != '-';
}
