#include "net/outward.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define TURN_MS 50
#define CONNECT_S 10L

struct socket {
	struct vg_outward *o;
	int fd;
	struct vg_watch *watch;
};
struct transfer {
	struct vg_outward *o;
	struct vg_outward_job job;
	CURL *curl;
	struct curl_slist *headers, *to, *resolve;
	vg_str left; /* of the body */
	struct vg_buf answer;
	bool long_answer;
	char error[CURL_ERROR_SIZE];
	struct transfer *next;
};
struct vg_outward {
	struct vg_loop *loop;
	struct vg_outward_options o;
	char *ca; /* owned */
	CURLM *multi;
	int64_t due_ns; /* when libcurl wants to be called; -1: not */
	struct transfer *first; /* owned */
};

/* ---- the loop ---- */

static void
transfer_free(struct transfer *t)
{
	curl_easy_cleanup(t->curl);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->to);
	curl_slist_free_all(t->resolve);
	vg_buf_fini(&t->answer);
	free(t);
}

static void
unlink_transfer(struct vg_outward *o, struct transfer *t)
{
	struct transfer **p = &o->first;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
}

/* What libcurl's code means to a person. */
static const char *
words_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "its name is not known";
	case CURLE_COULDNT_CONNECT:
		return "nobody answers there";
	case CURLE_OPERATION_TIMEDOUT:
		return "no answer in time";
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		return "its certificate is not good";
	case CURLE_SSL_CONNECT_ERROR:
		return "no TLS with it";
	case CURLE_USE_SSL_FAILED:
		return "it offers no TLS, and the password is not sent without";
	case CURLE_LOGIN_DENIED:
		return "it refuses user name or password";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return "the connection broke";
	default:
		return "it did not take it";
	}
}

static vg_rc
judge(struct transfer *t, CURLcode code, char why[VG_OUTWARD_WHY])
{
	long status = 0;

	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->long_answer)
		snprintf(why, VG_OUTWARD_WHY, "its answer is longer than %zu bytes", t->job.answer_bytes);
	else if (t->job.nto && code != CURLE_OK && code != CURLE_LOGIN_DENIED && status >= 400)
		snprintf(why, VG_OUTWARD_WHY, "the mail server refuses it: %.180s", t->error[0] ? t->error : curl_easy_strerror(code));
	else if (code != CURLE_OK)
		snprintf(why, VG_OUTWARD_WHY, "%s%s%.180s", words_of(code), t->error[0] ? ": " : "", t->error);
	else if (t->job.nto == 0 && status / 100 == 3)
		snprintf(why, VG_OUTWARD_WHY, "it sends us elsewhere (status %ld), where we do not go", status);
	else if (t->job.nto == 0 && status / 100 != 2)
		snprintf(why, VG_OUTWARD_WHY, "it answers with status %ld", status);
	else
		return VG_OK;
	return VG_E_SYS;
}

static void
collect(struct vg_outward *o)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(o->multi, &left)) != NULL) {
		char why[VG_OUTWARD_WHY] = "";
		struct transfer *t;
		vg_rc rc;

		if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t) != CURLE_OK)
			continue;
		rc = judge(t, m->data.result, why);
		(void)curl_multi_remove_handle(o->multi, t->curl);
		unlink_transfer(o, t);
		t->job.done(t->job.ctx, rc, vg_buf_str(&t->answer), why);
		transfer_free(t);
	}
}

static void
turn(struct vg_outward *o, int fd, int events)
{
	int running;

	(void)curl_multi_socket_action(o->multi, fd, events, &running);
	collect(o);
}

static void
on_ready(void *ctx, uint32_t events)
{
	struct socket *s = ctx;

	turn(s->o, s->fd, (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) | (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct vg_outward *o = ctx;
	struct socket *s = socket_ctx;
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s) {
			vg_watch_free(s->watch);
			free(s);
		}
		return 0;
	}
	if (s) {
		vg_watch_set(s->watch, events);
		return 0;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -1;
	*s = (struct socket){ .o = o, .fd = fd };
	if (vg_watch_new(o->loop, fd, events, on_ready, s, &s->watch) != VG_OK || curl_multi_assign(o->multi, fd, s) != CURLM_OK) {
		vg_watch_free(s->watch);
		free(s);
		return -1;
	}
	return 0;
}

static int
on_due(CURLM *multi, long in_ms, void *ctx)
{
	struct vg_outward *o = ctx;

	(void)multi;
	o->due_ns = in_ms < 0 ? -1 : vg_monotonic_ns() + in_ms * INT64_C(1000000);
	return 0;
}

static void
on_timer(void *ctx)
{
	struct vg_outward *o = ctx;

	if (o->due_ns >= 0 && vg_monotonic_ns() >= o->due_ns) {
		o->due_ns = -1;
		turn(o, CURL_SOCKET_TIMEOUT, 0);
	}
}

vg_rc
vg_outward_new(struct vg_loop *l, const struct vg_outward_options *options, struct vg_outward **out)
{
	struct vg_outward *o = calloc(1, sizeof(*o));
	vg_rc rc = VG_E_NOMEM;

	if (o == NULL)
		return VG_E_NOMEM;
	*o = (struct vg_outward){ .loop = l, .o = *options, .due_ns = -1 };
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK || (o->multi = curl_multi_init()) == NULL)
		goto fail;
	if (options->ca.n && (o->ca = malloc(options->ca.n)) == NULL)
		goto fail;
	if (options->ca.n)
		memcpy(o->ca, options->ca.p, options->ca.n);
	(void)curl_multi_setopt(o->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(o->multi, CURLMOPT_SOCKETDATA, o);
	(void)curl_multi_setopt(o->multi, CURLMOPT_TIMERFUNCTION, on_due);
	(void)curl_multi_setopt(o->multi, CURLMOPT_TIMERDATA, o);
	if ((rc = vg_loop_every(l, TURN_MS, on_timer, o)) != VG_OK)
		goto fail;
	*out = o;
	return VG_OK;
fail:
	vg_outward_free(o);
	return rc;
}

void
vg_outward_free(struct vg_outward *o)
{
	if (o == NULL)
		return;
	while (o->first) {
		struct transfer *t = o->first;

		o->first = t->next;
		(void)curl_multi_remove_handle(o->multi, t->curl);
		transfer_free(t);
	}
	(void)curl_multi_cleanup(o->multi);
	free(o->ca);
	free(o);
}

/* ---- one of them ---- */

static size_t
on_answer(char *p, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t n = size * count;

	if (t->job.nto) /* what a mail server says is told by its code */
		return n;
	if (n > t->job.answer_bytes - t->answer.n) {
		t->long_answer = true;
		return 0;
	}
	vg_buf_mem(&t->answer, p, n);
	return t->answer.rc == VG_OK ? n : 0;
}

static size_t
on_read(char *to, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	vg_str part = vg_str_cut(t->left, size * count);

	if (part.n)
		memcpy(to, part.p, part.n);
	t->left = vg_str_skip(t->left, part.n);
	return part.n;
}

static bool
add(struct curl_slist **list, const char *text)
{
	struct curl_slist *more = curl_slist_append(*list, text);

	if (more)
		*list = more;
	return more != NULL;
}

static void
set_common(struct transfer *t)
{
	CURL *c = t->curl;

	(void)curl_easy_setopt(c, CURLOPT_PRIVATE, (char *)t);
	(void)curl_easy_setopt(c, CURLOPT_URL, t->job.url);
	(void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)t->job.seconds);
	(void)curl_easy_setopt(c, CURLOPT_USERAGENT, t->o->o.agent);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_answer);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(c, CURLOPT_READDATA, t);
	(void)curl_easy_setopt(c, CURLOPT_RESOLVE, t->resolve);
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (t->o->ca) {
		struct curl_blob ca = { t->o->ca, t->o->o.ca.n, CURL_BLOB_NOCOPY };

		(void)curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
		(void)curl_easy_setopt(c, CURLOPT_PROXY_CAINFO_BLOB, &ca);
	}
}

static bool
set_post(struct transfer *t)
{
	CURL *c = t->curl;
	char type[128];

	snprintf(type, sizeof(type), "Content-Type: %s", t->job.type);
	if (!add(&t->headers, type) || !add(&t->headers, "Expect:"))
		return false;
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(c, CURLOPT_PROXY, t->o->o.proxy ? t->o->o.proxy : "");
	(void)curl_easy_setopt(c, CURLOPT_NOPROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->job.body.p ? t->job.body.p : "");
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->job.body.n);
	return true;
}

static bool
set_letter(struct transfer *t)
{
	CURL *c = t->curl;
	bool secret = t->job.password != NULL;

	for (size_t i = 0; i < t->job.nto; i++)
		if (!add(&t->to, t->job.to[i]))
			return false;
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_USE_SSL, (long)(secret ? CURLUSESSL_ALL : CURLUSESSL_TRY));
	if (!secret && vg_str_starts(vg_str_of(t->job.url), VG_STR("smtp:"))) {
		(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (secret) {
		(void)curl_easy_setopt(c, CURLOPT_USERNAME, t->job.user);
		(void)curl_easy_setopt(c, CURLOPT_PASSWORD, t->job.password);
	}
	(void)curl_easy_setopt(c, CURLOPT_MAIL_FROM, t->job.from);
	(void)curl_easy_setopt(c, CURLOPT_MAIL_RCPT, t->to);
	(void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(c, CURLOPT_CRLF, 1L);
	return true;
}

vg_rc
vg_outward_start(struct vg_outward *o, const struct vg_outward_job *j)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return VG_E_NOMEM;
	t->o = o;
	t->job = *j;
	t->left = j->body;
	if ((t->curl = curl_easy_init()) == NULL || (j->resolve && !add(&t->resolve, j->resolve))) {
		transfer_free(t);
		return VG_E_NOMEM;
	}
	set_common(t);
	if (!(j->nto ? set_letter(t) : set_post(t)) || curl_multi_add_handle(o->multi, t->curl) != CURLM_OK) {
		transfer_free(t);
		return VG_E_NOMEM;
	}
	t->next = o->first;
	o->first = t;
	return VG_OK;
}

bool
vg_outward_place(const char *url, char host[VG_OUTWARD_HOST_MAX], char port[8])
{
	CURLU *u = curl_url();
	char *h = NULL, *p = NULL;
	bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &h, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_PORT, &p, CURLU_DEFAULT_PORT) == CURLUE_OK && strlen(h) < VG_OUTWARD_HOST_MAX && strlen(p) < 8;

	if (ok) {
		snprintf(host, VG_OUTWARD_HOST_MAX, "%s", h);
		snprintf(port, 8, "%s", p);
	}
	curl_free(h);
	curl_free(p);
	curl_url_cleanup(u);
	return ok;
}
