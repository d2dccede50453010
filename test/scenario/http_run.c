/* http_run [--delay-ms N] [--room N] [--full-ms N] [--cert FILE --key FILE [--client-ca FILE]] - the HTTPS intake alone, on a port of
 * loopback that it prints first ("port 12345"), for real clients to be tried against.  Keys: id "k1", secret "s3cret", source "dc1", tenant "acme".
 * Each record is a line: source, tenant, proof, id, raw, with tabs between.  They are kept after --delay-ms; --room: so many are
 * taken, and --full-ms: none so long.  It ends with its standard input. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "net/http.h"

struct run {
	struct vg_loop *l;
	struct vg_http *h;
	uint64_t taken, room, told;
	int64_t delay_ns, since_ns, full_ns;
	char source[800];
};

static void
die(const char *what)
{
	fprintf(stderr, "http_run: %s\n", what);
	exit(1);
}

static uint32_t
on_source(void *ctx, const struct vg_speaker *s)
{
	struct run *r = ctx;

	snprintf(r->source, sizeof(r->source), "%.*s\t%.*s\t%s", VG_STR_ARG(s->name), VG_STR_ARG(s->tenant), vg_proof_name(s->proof));
	return 1; /* take() follows with the last one asked for: requests are not told apart here */
}

static bool
on_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	struct run *r = ctx;

	(void)source;
	(void)recv_ns;
	if (r->taken == r->room || vg_monotonic_ns() < r->full_ns)
		return false;
	printf("%s\t%.*s\t", r->source, VG_STR_ARG(id));
	fwrite(raw.p, 1, raw.n, stdout);
	putchar('\n');
	if (r->taken++ == r->told)
		r->since_ns = vg_monotonic_ns();
	return true;
}

static uint64_t
on_taken(void *ctx)
{
	return ((struct run *)ctx)->taken;
}

static void
on_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	(void)ctx;
	fprintf(stderr, "refused %s %llu%s\n", vg_refusal_name(why), (unsigned long long)n, source == VG_GATE_NONE ? "" : " of a source");
}

static void
on_timer(void *ctx)
{
	struct run *r = ctx;

	if (r->told == r->taken || vg_monotonic_ns() - r->since_ns < r->delay_ns)
		return;
	fflush(stdout);
	vg_http_kept(r->h, r->told = r->taken);
}

static void
on_stdin(void *ctx, uint32_t events)
{
	char b[256];

	(void)events;
	if (read(0, b, sizeof(b)) <= 0)
		vg_loop_stop(ctx);
}

static vg_str
file(const char *path)
{
	static struct vg_buf all[3];
	static size_t n;
	struct vg_buf *b = &all[n++];
	FILE *f = fopen(path, "rb");
	size_t got;

	if (f == NULL || !vg_buf_reserve(b, 1 << 20))
		die(path);
	got = fread(b->p, 1, 1 << 20, f);
	b->n = got;
	fclose(f);
	return vg_buf_str(b);
}

static void
options_read(int argc, char **argv, struct run *r, struct vg_http_options *o)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];

		if (strcmp(name, "--delay-ms") == 0)
			r->delay_ns = strtoll(value, NULL, 10) * 1000000;
		else if (strcmp(name, "--room") == 0)
			r->room = strtoull(value, NULL, 10);
		else if (strcmp(name, "--full-ms") == 0)
			r->full_ns = vg_monotonic_ns() + strtoll(value, NULL, 10) * 1000000;
		else if (strcmp(name, "--cert") == 0)
			o->certificate = file(value);
		else if (strcmp(name, "--key") == 0)
			o->key = file(value);
		else if (strcmp(name, "--client-ca") == 0)
			o->client_ca = file(value);
		else
			die(name);
	}
}

static int
listen_on_loopback(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 128) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		die("no port");
	printf("port %d\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

int
main(int argc, char **argv)
{
	struct run r = { .room = UINT64_MAX };
	struct vg_gate gate = { &r, on_source, on_take, on_taken, on_refused, NULL };
	struct vg_auth_key k = { .id = VG_STR("k1"), .tenant = VG_STR("acme"), .source = VG_STR("dc1") };
	struct vg_http_options o = { .tenant = VG_STR("acme") };
	struct vg_watch *in = NULL;
	vg_rc rc;

	options_read(argc, argv, &r, &o);
	SHA256((const unsigned char *)"s3cret", 6, k.sha256);
	o.listen_fd = listen_on_loopback();
	if (vg_auth_new(&o.auth) != VG_OK || vg_auth_set(o.auth, &k, 1) != VG_OK || vg_loop_new(&r.l) != VG_OK ||
	    vg_watch_new(r.l, 0, EPOLLIN, on_stdin, r.l, &in) != VG_OK || vg_loop_every(r.l, 10, on_timer, &r) != VG_OK)
		die("cannot begin");
	if ((rc = vg_http_new(r.l, &gate, &o, &r.h)) != VG_OK)
		die(vg_rc_name(rc));
	if (vg_loop_run(r.l) != VG_OK)
		die("loop");
	vg_http_free(r.h);
	vg_auth_free(o.auth);
	vg_watch_free(in);
	vg_loop_free(r.l);
	fflush(stdout);
	return 0;
}
