#include "net/http_head.h"

#include "base/rc.h"

enum { HOST, LENGTH, TRANSFER, EXPECT, AUTHORIZATION, CODING, AGENT, ONCE };
static const vg_str once_names[ONCE] = { /* what may stand there once */
	[HOST] = VG_STR_INIT("Host"), [LENGTH] = VG_STR_INIT("Content-Length"), [TRANSFER] = VG_STR_INIT("Transfer-Encoding"),
	[EXPECT] = VG_STR_INIT("Expect"), [AUTHORIZATION] = VG_STR_INIT("Authorization"), [CODING] = VG_STR_INIT("Content-Encoding"),
	[AGENT] = VG_STR_INIT("User-Agent"),
};
struct walk {
	const char *at; /* where the next name begins */
	unsigned n, status;
	bool seen[ONCE];
	vg_str value[ONCE];
};

/* RFC 9110, 5.6.2. */
static bool
is_token(vg_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i], low = c | 0x20;

		if (!vg_is_digit((char)c) && (low < 'a' || low > 'z') && (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return s.n != 0;
}

/* No control byte; a tab where @tab says so, and a space too. */
static bool
is_clean(vg_str s, bool blanks)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < ' ' && !(blanks && c == '\t')) || (c == ' ' && !blanks) || c == 0x7f)
			return false;
	}
	return true;
}

bool
vg_http_uri_good(vg_str uri)
{
	return vg_str_starts(uri, VG_STR("/")) && is_clean(uri, false);
}

/* Only blanks between a name's colon, which is a NUL now, and its value. */
static bool
is_joined(vg_str name, vg_str value)
{
	const char *p = name.p + name.n;

	if (value.p <= p || *p != 0)
		return false;
	while (++p < value.p)
		if (*p != ' ' && *p != '\t')
			return false;
	return true;
}

static enum MHD_Result
on_header(void *ctx, enum MHD_ValueKind kind, const char *name_p, size_t name_n, const char *value_p, size_t value_n)
{
	struct walk *w = ctx;
	vg_str name = { name_p, name_n }, value = { value_p, value_n };

	(void)kind;
	if (++w->n > VG_HTTP_HEADERS_MAX) {
		w->status = 431;
		return MHD_NO;
	}
	if (name.p != w->at || !is_token(name) || !is_joined(name, value) || !is_clean(value, true)) {
		w->status = 400;
		return MHD_NO;
	}
	w->at = value.p + value.n + 2; /* over CR and LF */
	for (size_t i = 0; i < ONCE; i++)
		if (vg_str_ieq(name, once_names[i])) {
			if (w->seen[i])
				w->status = 400;
			w->seen[i] = true;
			w->value[i] = vg_str_trim(value);
		}
	return w->status ? MHD_NO : MHD_YES;
}

/* The request line: one space between its parts, nothing hidden behind a NUL, and no absolute URI. */
static unsigned
check_line(const struct vg_http_line *l)
{
	vg_str method = vg_str_of(l->method), uri = { l->uri, l->uri_n };

	if (uri.n > VG_HTTP_URI_MAX)
		return 414;
	if (!is_token(method) || l->uri != method.p + method.n + 1 || l->version != uri.p + uri.n + 1 || !l->uri_good)
		return 400;
	return strcmp(l->version, "HTTP/1.1") == 0 || strcmp(l->version, "HTTP/1.0") == 0 ? 0 : 400;
}

/* How long the body is must be said in one way. */
static unsigned
check_body(const struct walk *w, bool is_11, struct vg_http_head *out)
{
	vg_str length = w->value[LENGTH];

	if (w->seen[TRANSFER] && (w->seen[LENGTH] || !is_11))
		return 400;
	if (w->seen[TRANSFER] && !vg_str_ieq(w->value[TRANSFER], VG_STR("chunked")))
		return 501;
	if (w->seen[LENGTH] && (!vg_str_all_digits(length) || !vg_str_u64(length, &out->length)))
		return 400;
	if (w->seen[EXPECT] && !vg_str_ieq(w->value[EXPECT], VG_STR("100-continue")))
		return 417;
	out->chunked = w->seen[TRANSFER];
	out->expect = w->seen[EXPECT];
	return 0;
}

unsigned
vg_http_head_read(struct MHD_Connection *c, const struct vg_http_line *line, struct vg_http_head *out)
{
	const union MHD_ConnectionInfo *size = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	unsigned status = check_line(line);
	struct walk w = { .at = line->version + sizeof("HTTP/1.1") - 1 + 2 };
	bool is_11 = strcmp(line->version, "HTTP/1.1") == 0;

	*out = (struct vg_http_head){ 0 };
	if (status)
		return status;
	if (size == NULL || size->header_size > VG_HTTP_HEAD_MAX)
		return 431;
	(void)MHD_get_connection_values_n(c, MHD_HEADER_KIND, on_header, &w);
	if (w.status)
		return w.status;
	if (w.at + 2 != line->method + size->header_size) /* the empty line, of CR and LF */
		return 400;
	if ((is_11 && !w.seen[HOST]) || !is_clean(w.value[HOST], false))
		return 400;
	out->authorization = w.value[AUTHORIZATION];
	out->coding = w.value[CODING];
	out->agent = w.seen[AGENT];
	return check_body(&w, is_11, out);
}
