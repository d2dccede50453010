/* Any bytes as what a client of the HTTP listener sends, whole and in pieces.  What is always true: the same records are taken however it is cut, none without
 * a key of ours, and no more than there is room for; whatever is answered is HTTP; nothing stays behind.
 *
 * Three bytes lead: how many records there is room for (255: all), 1 when what is taken is not kept at once but at the end, or 2 when it is lost;
 * the size of the pieces.  NEXT in the rest ends a connection, and the next one begins. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/http_in.h"
#include "vault/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CONNS_MAX 4
#define NEXT "\0\xff"
#define SECRET "s3cret"

struct rig {
	struct vg_loop *l;
	struct vg_auth *auth;
	struct vg_gate gate;
	struct vg_http *h;
	int listen_fd;
	unsigned room, later;
	uint64_t taken;
	struct vg_buf records, answers;
};

static uint32_t
on_source(void *ctx, const struct vg_speaker *s)
{
	(void)ctx;
	assert(s->proof == VG_PROOF_KEY && vg_str_eq(s->tenant, VG_STR("acme")) && vg_str_eq(s->name, VG_STR("dc1")));
	return 5;
}

static bool
on_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	struct rig *r = ctx;

	assert(source == 5 && recv_ns > 0 && raw.n && raw.n <= VG_RECORD_RAW_MAX && id.n <= VG_RECORD_ID_MAX);
	if (r->room != 255 && r->taken >= r->room)
		return false;
	r->taken++;
	vg_buf_le_str(&r->records, id);
	vg_buf_le_str(&r->records, raw);
	return true;
}

static uint64_t
on_taken(void *ctx)
{
	return ((struct rig *)ctx)->taken;
}

static void
on_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	(void)ctx;
	assert((source == 5 || source == VG_GATE_NONE) && why < VG_REFUSALS && n);
}

static void
start(struct rig *r)
{
	static int listen_fd = -1; /* nobody connects there */
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct vg_auth_key k = { VG_STR("k1"), { 0 }, VG_STR("acme"), VG_STR("dc1"), false };
	struct vg_http_options o = { .body_bytes = 1 << 20, .coded_bytes = 1 << 18, .memory_bytes = 1 << 20 };

	if (listen_fd < 0 && ((listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0 || bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
			      listen(listen_fd, 1) < 0))
		abort();
	SHA256((const unsigned char *)SECRET, sizeof(SECRET) - 1, k.sha256);
	r->gate = (struct vg_gate){ r, on_source, on_take, on_taken, on_refused, NULL };
	o.listen_fd = listen_fd;
	if (vg_auth_new(&r->auth) != VG_OK || vg_auth_set(r->auth, &k, 1) != VG_OK || vg_loop_new(&r->l) != VG_OK)
		abort();
	o.auth = r->auth;
	if (vg_http_new(r->l, &r->gate, &o, &r->h) != VG_OK)
		abort();
}

static void
turn(struct rig *r, int fd)
{
	char bytes[16384];
	ssize_t k;

	if (vg_loop_turn(r->l, 0) != VG_OK)
		abort();
	if (r->later == 0)
		vg_http_kept(r->h, r->taken);
	while ((k = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		vg_buf_put(&r->answers, vg_str_mem(bytes, (size_t)k));
}

/* What is answered begins with a status; interim ones may lead. */
static void
check_answers(struct rig *r)
{
	vg_str s = vg_buf_str(&r->answers);

	if (s.n)
		assert(s.n > 13 && vg_str_starts(s, VG_STR("HTTP/1.")) && s.p[9] >= '1' && s.p[9] <= '5');
	vg_buf_clear(&r->answers);
}

/* What was taken is kept, or lost. */
static void
settle(struct rig *r)
{
	if (r->later == 2)
		vg_http_lost(r->h);
	vg_http_kept(r->h, r->taken);
}

static void
connection(struct rig *r, vg_str s, size_t piece, unsigned place)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001 + place) };
	unsigned full = 0;
	bool gone;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 ||
	    MHD_add_connection(r->h->d, sv[0], (struct sockaddr *)&from, sizeof(from)) != MHD_YES)
		abort();
	turn(r, sv[1]);
	while (s.n) {
		ssize_t k = send(sv[1], s.p, s.n < piece ? s.n : piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k > 0)
			s = vg_str_skip(s, (size_t)k);
		gone = k < 0 && errno != EAGAIN;
		full = k < 0 && !gone ? full + 1 : 0;
		if (full) /* it waits for what it has said before */
			settle(r);
		turn(r, sv[1]);
		if (gone || full > 1000)
			break;
	}
	for (int i = 0; i < 8; i++)
		turn(r, sv[1]);
	settle(r);
	for (int i = 0; i < 8; i++)
		turn(r, sv[1]);
	shutdown(sv[1], SHUT_WR);
	for (int i = 0; i < 4; i++)
		turn(r, sv[1]);
	check_answers(r);
	close(sv[1]);
	for (int i = 0; i < 4; i++)
		(void)!vg_loop_turn(r->l, 0);
}

static void
run(struct rig *r, vg_str s, size_t piece)
{
	start(r);
	for (unsigned n = 0; n < CONNS_MAX && s.n; n++) {
		size_t end = vg_str_find(s, VG_STR(NEXT));

		connection(r, vg_str_cut(s, end), piece, n);
		s = vg_str_skip(s, end == VG_NPOS ? s.n : end + sizeof(NEXT) - 1);
	}
	vg_http_free(r->h);
	vg_auth_free(r->auth);
	vg_loop_free(r->l);
	vg_buf_fini(&r->answers);
}

static bool
holds(vg_str s, vg_str what)
{
	for (; s.n >= what.n; s = vg_str_skip(s, 1))
		if (vg_str_istarts(s, what))
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rig whole = { .room = 255 }, cut = { .room = 255 };
	vg_str s;

	if (n < 3)
		return 0;
	whole.room = cut.room = data[0];
	whole.later = cut.later = data[1] % 3;
	s = vg_str_mem(data + 3, n - 3);
	run(&whole, s, SIZE_MAX);
	run(&cut, s, 1u + data[2]);
	if (!holds(s, VG_STR("encoding"))) /* of a coded body that is broken more or less may have been unpacked */
		assert(vg_str_eq(vg_buf_str(&whole.records), vg_buf_str(&cut.records)));
	assert(whole.taken == 0 || holds(s, VG_STR(SECRET)) || holds(s, VG_STR("basic")) || holds(s, VG_STR("apikey"))); /* in base64 */
	vg_buf_fini(&whole.records);
	vg_buf_fini(&cut.records);
	return 0;
}
