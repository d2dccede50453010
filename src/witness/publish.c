#include "witness/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vault/merkle.h"
#include "witness/names.h"

#define CONNECTIONS_MAX 64
#define CONNECTIONS_ADDRESS_MAX 32 /* of one address */
#define CONNECTION_IDLE_S 30
#define CONNECTION_MEMORY ((size_t)32 << 10) /* head of a request, and what is on its way */
#define RUNS_A_TURN 32                       /* then the loop serves others first */
#define BUSY_TURNS 64                        /* with something to do at once in each: then it is perhaps a buffer full of what cannot go on */
#define BUSY_RUNS 8
#define BUSY_NS 5000000                      /* and between two turns others have so long; files still go at 50 MB/s and more */

struct vg_publish {
	int dir;
	bool asks; /* a token is needed */
	struct vg_hash token;
	int64_t asked_ns; /* by who may */
	struct MHD_Daemon *daemon;
	int timer; /* when the daemon wants to run though nothing came */
	struct vg_watch *on_daemon, *on_timer;
	unsigned busy; /* turns, one after the other, that left something to do at once */
};

typedef enum MHD_Result answer;

/* ---- answers ---- */

static answer
send_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *r, const char *type)
{
	answer ok;

	if (r == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	(void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static answer
send_text(struct MHD_Connection *c, unsigned status, const char *text)
{
	return send_response(c, status, MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT), "text/plain");
}

/* What was printed; @b is taken. */
static answer
send_printed(struct MHD_Connection *c, vg_rc rc, struct vg_buf *b)
{
	answer ok;

	if (rc != VG_OK) {
		vg_buf_fini(b);
		return send_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "the folder cannot be read\n");
	}
	ok = send_response(c, MHD_HTTP_OK, MHD_create_response_from_buffer(b->n, b->p, MHD_RESPMEM_MUST_COPY), "text/plain; charset=utf-8");
	vg_buf_fini(b);
	return ok;
}

/* "bytes=A-" and "bytes=A-B", B being included; others are passed over, and all of it sent (RFC 9110, 14.2).  false: nothing of it is there. */
static bool
take_range(const char *header, uint64_t size, uint64_t *from, uint64_t *until, bool *partial)
{
	vg_str s = vg_str_of(header), a;
	uint64_t first, last = size ? size - 1 : 0;

	*from = 0;
	*until = size;
	*partial = false;
	if (!vg_str_starts(s, VG_STR("bytes=")))
		return true;
	s = vg_str_skip(s, 6);
	if (!vg_str_split(&s, '-', &a) || s.p == NULL || !vg_str_all_digits(a) || !vg_str_u64(a, &first) ||
	    (s.n && (!vg_str_all_digits(s) || !vg_str_u64(s, &last) || last < first)))
		return true;
	if (first >= size)
		return false;
	*partial = true;
	*from = first;
	*until = last < size ? last + 1 : size;
	return true;
}

static answer
send_file(struct MHD_Connection *c, int dir, const char *name)
{
	const char *range = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE);
	uint64_t size, from, until;
	struct MHD_Response *r;
	bool partial;
	char text[96];
	int fd;
	vg_rc rc = vg_shared_open(dir, name, &fd, &size);

	if (rc != VG_OK)
		return send_text(c, rc == VG_E_NOTFOUND ? MHD_HTTP_NOT_FOUND : MHD_HTTP_INTERNAL_SERVER_ERROR, "no such file\n");
	if (!take_range(range, size, &from, &until, &partial)) {
		close(fd);
		return send_text(c, MHD_HTTP_RANGE_NOT_SATISFIABLE, "nothing of it is there yet\n");
	}
	if ((r = MHD_create_response_from_fd_at_offset64(until - from, fd, from)) == NULL) {
		close(fd);
		return MHD_NO;
	}
	if (partial) {
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)from, (unsigned long long)(until - 1), (unsigned long long)size);
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_RANGE, text);
	}
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	return send_response(c, partial ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, r, "application/octet-stream");
}

/* ---- requests ---- */

static bool
may_read(const struct vg_publish *p, struct MHD_Connection *c)
{
	vg_str s = vg_str_of(MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION));
	struct vg_hash h;

	if (!p->asks)
		return true;
	if (!vg_str_istarts(s, VG_STR("Bearer ")))
		return false;
	vg_hash_of(vg_str_skip(s, 7), &h); /* of hashes, so that no time tells how much of it is right */
	return sodium_memcmp(h.b, p->token.b, VG_HASH_BYTES) == 0;
}

/* What is asked of one tenant: "checkpoint", "list" or "file/NAME". */
static answer
serve_tenant(const struct vg_publish *p, struct MHD_Connection *c, vg_str tenant, vg_str what)
{
	char name[VG_SHARED_NAME_MAX];
	struct vg_buf b = { 0 };
	answer ok;
	int dir;

	if (!vg_is_tenant_name(tenant))
		return send_text(c, MHD_HTTP_NOT_FOUND, "no such tenant\n");
	snprintf(name, sizeof(name), "%.*s", VG_STR_ARG(tenant));
	if ((dir = openat(p->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return send_text(c, MHD_HTTP_NOT_FOUND, "no such tenant\n");
	if (vg_str_eq(what, VG_STR("checkpoint"))) {
		ok = send_file(c, dir, VG_CHECKPOINT_FILE);
	} else if (vg_str_eq(what, VG_STR("list"))) {
		vg_rc rc = vg_list_print(dir, &b);

		ok = send_printed(c, rc, &b);
	} else if (vg_str_starts(what, VG_STR("file/")) && vg_shared_of(vg_str_skip(what, 5)) != VG_SHARED_NOT) {
		what = vg_str_skip(what, 5);
		snprintf(name, sizeof(name), "%.*s", VG_STR_ARG(what));
		ok = send_file(c, dir, name);
	} else {
		ok = send_text(c, MHD_HTTP_NOT_FOUND, "no such file\n");
	}
	close(dir);
	return ok;
}

static answer
serve(const struct vg_publish *p, struct MHD_Connection *c, vg_str path)
{
	struct vg_buf b = { 0 };
	vg_str tenant;
	vg_rc rc;

	if (vg_str_eq(path, VG_STR("/v1/"))) {
		rc = vg_tenants_print(p->dir, &b);
		return send_printed(c, rc, &b);
	}
	if (vg_str_eq(path, VG_STR("/v1/" VG_WITNESS_KEY_FILE)))
		return send_file(c, p->dir, VG_WITNESS_KEY_FILE);
	if (!vg_str_starts(path, VG_STR("/v1/")))
		return send_text(c, MHD_HTTP_NOT_FOUND, "no such page\n");
	path = vg_str_skip(path, 4);
	(void)vg_str_split(&path, '/', &tenant);
	return serve_tenant(p, c, tenant, path);
}

static answer
on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *data, size_t *n, void **state)
{
	static int begun;

	(void)version;
	(void)data;
	if (*state == NULL) { /* the head alone is there */
		*state = &begun;
		return MHD_YES;
	}
	if (*n) /* a body, which no request of ours has: the connection ends */
		return MHD_NO;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "this is only read\n");
	if (!may_read(ctx, c))
		return send_text(c, MHD_HTTP_UNAUTHORIZED, "a token is needed\n");
	((struct vg_publish *)ctx)->asked_ns = vg_clock_ns();
	return serve(ctx, c, vg_str_of(url));
}

/* No name of ours needs an escape: what comes as one stays one, and matches nothing. */
static size_t
unescape(void *ctx, struct MHD_Connection *c, char *s)
{
	(void)ctx;
	(void)c;
	return strlen(s);
}

/* ---- the loop ---- */

/* Let the timer ring when the daemon says that it has something to do: at once, or when a connection times out. */
static void
set_timer(struct vg_publish *p)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 1;
	struct itimerspec t = { .it_value = { .tv_sec = 0 } };

	if (MHD_get_timeout(p->daemon, &wait_ms) == MHD_YES) {
		t.it_value.tv_sec = (time_t)(wait_ms / 1000);
		t.it_value.tv_nsec = (long)(wait_ms % 1000) * 1000000 + 1; /* 0 would be never */
	}
	if (wait_ms)
		p->busy = 0;
	else if (p->busy < BUSY_TURNS)
		p->busy++;
	else
		t.it_value.tv_nsec = BUSY_NS;
	(void)timerfd_settime(p->timer, 0, &t, NULL);
}

static void
run(struct vg_publish *p)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 1;
	unsigned n = 0, most = p->busy < BUSY_TURNS ? RUNS_A_TURN : BUSY_RUNS;

	do
		(void)MHD_run(p->daemon);
	while (++n < most && MHD_get_timeout(p->daemon, &wait_ms) == MHD_YES && wait_ms == 0);
	set_timer(p);
}

static void
on_daemon(void *ctx, uint32_t events)
{
	(void)events;
	run(ctx);
}

static void
on_timer(void *ctx, uint32_t events)
{
	struct vg_publish *p = ctx;
	uint64_t n;

	(void)events;
	(void)!read(p->timer, &n, sizeof(n));
	run(p);
}

/* Are they a certificate and its key?  libmicrohttpd only says that it did not start. */
static bool
is_pair(const char *cert, const char *key)
{
	gnutls_datum_t c = { (unsigned char *)(uintptr_t)cert, (unsigned)strlen(cert) }, k = { (unsigned char *)(uintptr_t)key, (unsigned)strlen(key) };
	gnutls_certificate_credentials_t cred;
	bool ok;

	if (gnutls_certificate_allocate_credentials(&cred) < 0)
		return false;
	ok = gnutls_certificate_set_x509_key_mem(cred, &c, &k, GNUTLS_X509_FMT_PEM) >= 0;
	gnutls_certificate_free_credentials(cred);
	return ok;
}

static struct MHD_Daemon *
start(struct vg_publish *p, const struct vg_publish_options *o)
{
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->cert }, { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" }, { MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	return MHD_start_daemon(MHD_USE_EPOLL | (o->cert ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, p, MHD_OPTION_LISTEN_SOCKET, o->listen,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_ADDRESS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
				MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_ARRAY, o->cert ? tls : none, MHD_OPTION_END);
}

int64_t
vg_publish_asked_ns(const struct vg_publish *p)
{
	return p->asked_ns;
}

vg_rc
vg_publish_new(struct vg_loop *l, const struct vg_publish_options *o, struct vg_publish **out)
{
	const union MHD_DaemonInfo *info;
	struct vg_publish *p;
	vg_rc rc = VG_E_SYS;

	if (o->token && strlen(o->token) < VG_PUBLISH_TOKEN_MIN)
		return VG_E_LIMIT;
	if ((o->cert == NULL) != (o->key == NULL) || (o->cert && !is_pair(o->cert, o->key)))
		return VG_E_FORMAT;
	if (sodium_init() < 0 || (p = calloc(1, sizeof(*p))) == NULL)
		return VG_E_NOMEM;
	*p = (struct vg_publish){ .dir = o->dir, .asks = o->token != NULL, .timer = -1 };
	vg_hash_of(vg_str_of(o->token), &p->token);
	if ((p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0 || (p->daemon = start(p, o)) == NULL ||
	    (info = MHD_get_daemon_info(p->daemon, MHD_DAEMON_INFO_EPOLL_FD)) == NULL)
		goto fail;
	if ((rc = vg_watch_new(l, info->epoll_fd, EPOLLIN, on_daemon, p, &p->on_daemon)) != VG_OK ||
	    (rc = vg_watch_new(l, p->timer, EPOLLIN, on_timer, p, &p->on_timer)) != VG_OK)
		goto fail;
	*out = p;
	return VG_OK;
fail:
	vg_publish_free(p);
	return rc;
}

void
vg_publish_free(struct vg_publish *p)
{
	if (p == NULL)
		return;
	vg_watch_free(p->on_daemon);
	vg_watch_free(p->on_timer);
	if (p->daemon)
		MHD_stop_daemon(p->daemon);
	if (p->timer >= 0)
		close(p->timer);
	free(p);
}
