/* Any bytes as what is asked of a published vault.  What is always true: whatever is answered is HTTP, nothing of a file that is not shared is in it, and
 * nothing at all of the vault without the token.  The first byte: 1, a token is asked; the size of the pieces above it. */
#include <arpa/inet.h>
#include <assert.h>
#include <sys/socket.h>

#include "folder.h"
#include "base/buf.h"
#include "witness/publish.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define TOKEN "0123456789abcdef"
#define PRIVATE "PRIVATE-BYTES"
#define SHARED "SHARED-BYTES"

static void
folders(void)
{
	static bool made;
	int dir = fuzz_folder();

	if (made)
		return;
	made = true;
	if (mkdirat(dir, "vault", 0700) < 0 || mkdirat(dir, "vault/acme", 0700) < 0 || mkdirat(dir, "vault/acme/keys", 0700) < 0 ||
	    mkdirat(dir, "vault/acme/tile", 0700) < 0 || mkdirat(dir, "vault/acme/tile/0", 0700) < 0 || mkdirat(dir, "vault/intake", 0700) < 0 ||
	    symlinkat("../../secret", dir, "vault/acme/stamps") < 0)
		abort();
	fuzz_file(dir, "secret", VG_STR(PRIVATE));
	fuzz_file(dir, "vault/secret", VG_STR(PRIVATE));
	fuzz_file(dir, "vault/catalogue.db", VG_STR(PRIVATE));
	fuzz_file(dir, "vault/intake/0000000000000001.vj", VG_STR(PRIVATE));
	fuzz_file(dir, "vault/acme/2026-04-03.0000.vi", VG_STR(PRIVATE));
	fuzz_file(dir, "vault/acme/epoch", VG_STR(PRIVATE));
	fuzz_file(dir, "vault/witness.pub", VG_STR(SHARED));
	fuzz_file(dir, "vault/acme/checkpoint", VG_STR(SHARED));
	fuzz_file(dir, "vault/acme/log.pub", VG_STR(SHARED));
	fuzz_file(dir, "vault/acme/2026-04-03.0000.vs", VG_STR(SHARED SHARED SHARED));
	fuzz_file(dir, "vault/acme/keys/00000001.key", VG_STR(SHARED));
	fuzz_file(dir, "vault/acme/tile/0/000", VG_STR(SHARED));
}

static void
turn(struct vg_loop *l, int fd, struct vg_buf *answers)
{
	char bytes[16384];
	ssize_t k;

	if (vg_loop_turn(l, 0) != VG_OK)
		abort();
	while ((k = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		vg_buf_put(answers, vg_str_mem(bytes, (size_t)k));
}

static void
talk(struct vg_loop *l, struct vg_publish *p, vg_str s, size_t piece, struct vg_buf *answers)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned full = 0;
	bool gone;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 ||
	    MHD_add_connection(p->daemon, sv[0], (struct sockaddr *)&from, sizeof(from)) != MHD_YES)
		abort();
	while (s.n) {
		ssize_t k = send(sv[1], s.p, s.n < piece ? s.n : piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k > 0)
			s = vg_str_skip(s, (size_t)k);
		gone = k < 0 && (errno != EAGAIN || full++ > 1000);
		turn(l, sv[1], answers);
		run(p);
		if (gone)
			break;
	}
	shutdown(sv[1], SHUT_WR);
	for (int i = 0; i < 6; i++) {
		run(p);
		turn(l, sv[1], answers);
	}
	close(sv[1]);
	run(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct vg_publish_options o = { .dir = -1 };
	struct vg_buf answers = { 0 };
	struct vg_publish *p;
	struct vg_loop *l;
	vg_str s, got;

	if (n < 1)
		return 0;
	folders();
	o.dir = openat(fuzz_folder(), "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	o.token = data[0] & 1 ? TOKEN : NULL;
	if ((o.listen = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0 || bind(o.listen, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(o.listen, 1) < 0 || vg_loop_new(&l) != VG_OK || vg_publish_new(l, &o, &p) != VG_OK)
		abort();
	s = vg_str_mem(data + 1, n - 1);
	talk(l, p, s, data[0] > 1 ? data[0] / 2u : SIZE_MAX, &answers);
	got = vg_buf_str(&answers);
	assert(got.n == 0 || vg_str_starts(got, VG_STR("HTTP/1.")));
	assert(vg_str_find(got, VG_STR(PRIVATE)) == VG_NPOS);
	if (o.token && vg_str_find(s, VG_STR(TOKEN)) == VG_NPOS)
		assert(vg_str_find(got, VG_STR(SHARED)) == VG_NPOS && vg_str_find(got, VG_STR("acme\n")) == VG_NPOS);
	vg_publish_free(p);
	vg_loop_free(l);
	close(o.dir);
	vg_buf_fini(&answers);
	return 0;
}
