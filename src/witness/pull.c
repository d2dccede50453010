#include "witness/pull.h"

#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECT_S 10L
#define SLOW_BYTES 512L /* slower than that a second ... */
#define SLOW_S 15L      /* ... for so long is nothing */
#define TEXT_S 20

struct vg_pull {
	CURL *curl;
	struct curl_slist *headers;
	char *tls_ca;                  /* owned */
	char pin[sizeof("sha256//") + 64]; /* as curl has it; empty: none */
};
struct flow { /* of one job */
	CURL *curl;
	const struct vg_pull_job *job;
	uint64_t n;
	vg_rc rc;
};

static bool
take_pin(const char *hex, char *out, size_t room)
{
	uint8_t raw[32];
	size_t n = 0;

	if (strlen(hex) != 64 || sodium_hex2bin(raw, sizeof(raw), hex, 64, NULL, &n, NULL) != 0 || n != sizeof(raw))
		return false;
	memcpy(out, "sha256//", 8);
	(void)sodium_bin2base64(out + 8, room - 8, raw, sizeof(raw), sodium_base64_VARIANT_ORIGINAL);
	return true;
}

static bool
add_token(struct vg_pull *p, const char *token)
{
	struct vg_buf b = { 0 };
	struct curl_slist *more = NULL;

	vg_buf_puts(&b, "Authorization: Bearer ");
	vg_buf_puts(&b, token);
	vg_buf_putc(&b, 0);
	if (b.rc == VG_OK && (more = curl_slist_append(p->headers, b.p)) != NULL)
		p->headers = more;
	vg_buf_fini(&b);
	return more != NULL;
}

vg_rc
vg_pull_new(const struct vg_pull_options *o, struct vg_pull **out)
{
	struct vg_pull *p = calloc(1, sizeof(*p));
	vg_rc rc = VG_E_NOMEM;

	if (p == NULL || sodium_init() < 0 || (p->curl = curl_easy_init()) == NULL)
		goto fail;
	if (o->pin && !take_pin(o->pin, p->pin, sizeof(p->pin))) {
		rc = VG_E_FORMAT;
		goto fail;
	}
	if ((o->tls_ca && (p->tls_ca = strdup(o->tls_ca)) == NULL) || (o->token && !add_token(p, o->token)))
		goto fail;
	*out = p;
	return VG_OK;
fail:
	vg_pull_free(p);
	return rc;
}

void
vg_pull_free(struct vg_pull *p)
{
	if (p == NULL)
		return;
	curl_slist_free_all(p->headers);
	curl_easy_cleanup(p->curl);
	free(p->tls_ca);
	free(p);
}

bool
vg_is_url(const char *url)
{
	vg_str s = vg_str_of(url);
	size_t scheme = vg_str_starts(s, VG_STR("http://")) ? 7 : vg_str_starts(s, VG_STR("https://")) ? 8 : 0;

	if (scheme == 0 || s.n <= scheme || s.n >= VG_URL_MAX || s.p[scheme] == '/')
		return false;
	for (size_t i = scheme; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || strchr("@?#\"<>\\^`{|}", s.p[i]))
			return false;
	return true;
}

static size_t
on_bytes(char *p, size_t size, size_t count, void *ctx)
{
	struct flow *f = ctx;
	size_t n = size * count;
	long status = 0;

	(void)curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	if (f->job->from && status == 200)
		f->rc = VG_E_UNSUP; /* all of it, though only the rest was asked for */
	else if (n > f->job->limit - f->n)
		f->rc = VG_E_LIMIT;
	else if (status == 200 || status == 206)
		f->rc = f->job->take(f->job->ctx, vg_str_mem(p, n));
	f->n += n;
	return f->rc == VG_OK ? n : 0;
}

static void
set_tls(struct vg_pull *p)
{
	(void)curl_easy_setopt(p->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (p->tls_ca)
		(void)curl_easy_setopt(p->curl, CURLOPT_CAINFO, p->tls_ca);
	if (p->pin[0]) { /* the key itself is known: who signed for it does not matter */
		(void)curl_easy_setopt(p->curl, CURLOPT_PINNEDPUBLICKEY, p->pin);
		(void)curl_easy_setopt(p->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(p->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void
set_up(struct vg_pull *p, struct flow *f, char *error)
{
	CURL *c = p->curl;

	curl_easy_reset(c); /* its connections stay */
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)f->job->seconds);
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SLOW_S);
	(void)curl_easy_setopt(c, CURLOPT_USERAGENT, "vigie-witness");
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->headers);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	set_tls(p);
}

/* What a finished job comes to. */
static vg_rc
judge(struct flow *f, CURLcode code, const char *error, char *why)
{
	long status = 0;

	(void)curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	if (f->rc != VG_OK) {
		snprintf(why, VG_PULL_WHY, "%s: %s", f->job->path, f->rc == VG_E_LIMIT ? "more bytes than it may have" : vg_rc_name(f->rc));
		return f->rc;
	}
	if (code != CURLE_OK) {
		snprintf(why, VG_PULL_WHY, "%s: %s", f->job->path, error[0] ? error : curl_easy_strerror(code));
		return VG_E_SYS;
	}
	if (status == 200 || status == 206)
		return VG_OK;
	snprintf(why, VG_PULL_WHY, "%s: HTTP status %ld", f->job->path, status);
	return status == 404 || status == 416 ? VG_E_NOTFOUND : status == 401 ? VG_E_REFUSED : VG_E_SYS;
}

vg_rc
vg_pull_run(struct vg_pull *p, const struct vg_pull_job *j, char why[VG_PULL_WHY])
{
	struct flow f = { .curl = p->curl, .job = j, .rc = VG_OK };
	char url[VG_URL_MAX + 256], range[64], error[CURL_ERROR_SIZE] = "";
	size_t base = strlen(j->base);
	CURLcode code;

	while (base && j->base[base - 1] == '/')
		base--;
	if (!vg_is_url(j->base) || (size_t)snprintf(url, sizeof(url), "%.*s%s", (int)base, j->base, j->path) >= sizeof(url)) {
		snprintf(why, VG_PULL_WHY, "%s: not an address", j->path);
		return VG_E_FORMAT;
	}
	set_up(p, &f, error);
	(void)curl_easy_setopt(p->curl, CURLOPT_URL, url);
	if (j->count) {
		snprintf(range, sizeof(range), "%llu-%llu", (unsigned long long)j->from, (unsigned long long)(j->from + j->count - 1));
		(void)curl_easy_setopt(p->curl, CURLOPT_RANGE, range);
	}
	code = curl_easy_perform(p->curl);
	return judge(&f, code, error, why);
}

static vg_rc
take_text(void *ctx, vg_str bytes)
{
	struct vg_buf *b = ctx;

	vg_buf_put(b, bytes);
	return b->rc;
}

vg_rc
vg_pull_text(struct vg_pull *p, const char *base, const char *path, size_t limit, struct vg_buf *out, char why[VG_PULL_WHY])
{
	struct vg_pull_job j = { .base = base, .path = path, .limit = limit, .seconds = TEXT_S, .take = take_text, .ctx = out };

	vg_buf_clear(out);
	return vg_pull_run(p, &j, why);
}
