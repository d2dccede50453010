/* net/mail.h - a letter as it is sent: RFC 5322, plain text, all of it ASCII on the way (RFC 2045, RFC 2047), lines that end in "\n". */
#ifndef VG_NET_MAIL_H
#define VG_NET_MAIL_H

#include "base/buf.h"

struct vg_letter {
	const char *from;
	const char *const *to;
	size_t nto;
	vg_str subject, text; /* UTF-8 */
	vg_str id;            /* of the Message-ID, before '@': the same for the same letter sent again; empty: none */
	const char *host;     /* and behind it */
	int64_t now_ns;
};
/* Control characters of the subject become blanks: nobody adds a header. */
void vg_letter_print(const struct vg_letter *l, struct vg_buf *out);
bool vg_is_mail_address(const char *s); /* one that cannot be taken for anything else, in a header or as an argument */

#endif
