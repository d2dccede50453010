#include "certs.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "net/loop.h"

struct world {
	struct test_cert ca, other, server, client, stranger, nameless;
	struct vg_tls_creds *open, *asking, *strict; /* no client certificates, those shown are checked, one is required */
};
static struct world w;

static struct vg_tls_creds *
creds(bool ca, bool require)
{
	struct vg_tls_settings s = { .cert = vg_str_of(w.server.pem), .key = vg_str_of(w.server.key_pem), .require_client = require };
	struct vg_tls_creds *c;
	char why[VG_TLS_WHY_MAX];

	if (ca)
		s.client_ca = vg_str_of(w.ca.pem);
	assert_int_equal(vg_tls_creds_new(&s, why, &c), VG_OK);
	return c;
}

static int
set_up(void **state)
{
	(void)state;
	assert_int_equal(vg_tls_init(), VG_OK);
	test_cert_make(&w.ca, "The CA", NULL, NULL);
	test_cert_make(&w.other, "The CA", NULL, NULL); /* the same name, another key */
	test_cert_make(&w.server, "vigie.example", NULL, &w.ca);
	test_cert_make(&w.client, "fw\x1b[31m1", "fw1.example", &w.ca);
	test_cert_make(&w.stranger, "fw1", NULL, &w.other);
	test_cert_make(&w.nameless, NULL, "nas.example", &w.ca);
	w.open = creds(false, false);
	w.asking = creds(true, false);
	w.strict = creds(true, true);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	vg_tls_creds_free(w.open);
	vg_tls_creds_free(w.asking);
	vg_tls_creds_free(w.strict);
	test_cert_free(&w.ca);
	test_cert_free(&w.other);
	test_cert_free(&w.server);
	test_cert_free(&w.client);
	test_cert_free(&w.stranger);
	test_cert_free(&w.nameless);
	return 0;
}

struct pair {
	int fd[2];
	struct vg_tls *t;
	struct test_client c;
};

static void
pair_open(struct pair *p, const struct vg_tls_creds *cr, const struct test_cert *own, const char *priorities)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd), 0);
	assert_int_equal(vg_tls_new(cr, p->fd[0], &p->t), VG_OK);
	test_client_open(&p->c, p->fd[1], own, priorities);
}

static void
pair_close(struct pair *p)
{
	vg_tls_free(p->t);
	test_client_close(&p->c);
	close(p->fd[0]);
	close(p->fd[1]);
}

/* Both sides take turns until neither waits. */
static enum vg_tls_is
shake(struct pair *p, int *client)
{
	enum vg_tls_is is = VG_TLS_WANT_READ;

	*client = GNUTLS_E_AGAIN;
	for (unsigned i = 0; i < 50 && (*client == GNUTLS_E_AGAIN || is == VG_TLS_WANT_READ); i++) {
		if (*client == GNUTLS_E_AGAIN)
			*client = gnutls_handshake(p->c.session);
		if (is == VG_TLS_WANT_READ)
			is = vg_tls_handshake(p->t);
	}
	return is;
}

static void
shakes(const struct vg_tls_creds *cr, const struct test_cert *own, const char *priorities, const char *peer)
{
	struct pair p;
	int client;

	pair_open(&p, cr, own, priorities);
	assert_int_equal(shake(&p, &client), VG_TLS_DONE);
	assert_int_equal(client, 0);
	assert_true(vg_str_eq(vg_tls_peer(p.t), vg_str_of(peer)));
	pair_close(&p);
}

static void
fails(const struct vg_tls_creds *cr, const struct test_cert *own, const char *priorities, const char *why)
{
	struct pair p;
	int client;

	pair_open(&p, cr, own, priorities);
	assert_int_equal(shake(&p, &client), VG_TLS_FAILED);
	assert_int_equal(vg_tls_peer(p.t).n, 0);
	if (why)
		assert_non_null(strstr(vg_tls_why(p.t), why));
	else
		assert_true(vg_tls_why(p.t)[0] != '\0');
	pair_close(&p);
}

#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static void
clients_are_known_by_their_certificates(void **state)
{
	static const char *const versions[] = { TLS12, TLS13 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		shakes(w.open, NULL, versions[i], "");
		shakes(w.open, &w.client, versions[i], ""); /* nobody asked */
		shakes(w.asking, NULL, versions[i], "");
		shakes(w.asking, &w.client, versions[i], "fw\\x1b[31m1"); /* nothing that a terminal acts on */
		shakes(w.strict, &w.nameless, versions[i], "nas.example");
		fails(w.strict, NULL, versions[i], NULL);
		fails(w.strict, &w.stranger, versions[i], "client certificate");
		fails(w.asking, &w.stranger, versions[i], "client certificate");
	}
}

static void
old_versions_are_refused(void **state)
{
	(void)state;
	fails(w.open, NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0", NULL);
}

static void
what_is_not_tls_is_refused(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, w.open, NULL, "NORMAL");
	assert_int_equal(write(p.fd[1], "<34>Oct 11 22:14:15 in the clear\n", 33), 33);
	assert_int_equal(vg_tls_handshake(p.t), VG_TLS_FAILED);
	pair_close(&p);
	pair_open(&p, w.open, NULL, "NORMAL");
	assert_int_equal(shutdown(p.fd[1], SHUT_WR), 0);
	assert_int_equal(vg_tls_handshake(p.t), VG_TLS_FAILED);
	pair_close(&p);
}

static void
a_handshake_has_a_time(void **state)
{
	struct pair p;
	int64_t now = vg_monotonic_ns();
	int client;

	(void)state;
	pair_open(&p, w.open, NULL, "NORMAL");
	assert_int_equal(vg_tls_handshake(p.t), VG_TLS_WANT_READ);
	assert_false(vg_tls_late(p.t, now + (VG_TLS_HANDSHAKE_MS - 100) * INT64_C(1000000)));
	assert_true(vg_tls_late(p.t, now + (VG_TLS_HANDSHAKE_MS + 1000) * INT64_C(1000000)));
	assert_int_equal(shake(&p, &client), VG_TLS_DONE);
	assert_false(vg_tls_late(p.t, now + (VG_TLS_HANDSHAKE_MS + 1000) * INT64_C(1000000)));
	pair_close(&p);
}

static void
bytes_come_and_go(void **state)
{
	static char big[100000], got[100000];
	struct pair p;
	size_t n, sent = 0, all = 0;
	int client;
	ssize_t k;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	pair_open(&p, w.open, NULL, "NORMAL");
	assert_int_equal(shake(&p, &client), VG_TLS_DONE);
	assert_int_equal(vg_tls_read(p.t, got, sizeof(got), &n), VG_TLS_WANT_READ);
	while (all < sizeof(big)) {
		if (sent < sizeof(big) && (k = gnutls_record_send(p.c.session, big + sent, sizeof(big) - sent)) > 0)
			sent += (size_t)k;
		while (all < sizeof(big) && vg_tls_read(p.t, got + all, sizeof(got) - all, &n) == VG_TLS_DONE)
			all += n;
	}
	assert_memory_equal(big, got, sizeof(big));
	assert_int_equal(vg_tls_write(p.t, VG_STR("taken"), &n), VG_TLS_DONE);
	assert_int_equal(n, 5);
	assert_int_equal(gnutls_record_recv(p.c.session, got, sizeof(got)), 5);
	assert_memory_equal(got, "taken", 5);
	assert_int_equal(gnutls_record_send(p.c.session, "last", 4), 4);
	assert_int_equal(gnutls_bye(p.c.session, GNUTLS_SHUT_WR), 0);
	assert_int_equal(vg_tls_read(p.t, got, sizeof(got), &n), VG_TLS_DONE);
	assert_int_equal(n, 4);
	assert_int_equal(vg_tls_read(p.t, got, sizeof(got), &n), VG_TLS_CLOSED);
	assert_int_equal(vg_tls_close(p.t), VG_TLS_DONE);
	assert_int_equal(gnutls_record_recv(p.c.session, got, sizeof(got)), 0);
	pair_close(&p);
}

static void
an_end_without_a_word_is_an_end(void **state)
{
	struct pair p;
	char got[100];
	size_t n;
	int client;

	(void)state;
	pair_open(&p, w.open, NULL, "NORMAL");
	assert_int_equal(shake(&p, &client), VG_TLS_DONE);
	assert_int_equal(gnutls_record_send(p.c.session, "last", 4), 4);
	assert_int_equal(shutdown(p.fd[1], SHUT_WR), 0);
	assert_int_equal(vg_tls_read(p.t, got, sizeof(got), &n), VG_TLS_DONE);
	assert_int_equal(n, 4);
	assert_int_equal(vg_tls_read(p.t, got, sizeof(got), &n), VG_TLS_CLOSED);
	pair_close(&p);
}

static void
bad_settings_are_named(void **state)
{
	struct vg_tls_settings s = { .cert = vg_str_of(w.server.pem), .key = vg_str_of(w.client.key_pem) };
	struct vg_tls_creds *c;
	char why[VG_TLS_WHY_MAX];

	(void)state;
	assert_int_equal(vg_tls_creds_new(&s, why, &c), VG_E_FORMAT);
	assert_non_null(strstr(why, "certificate and key"));
	s.key = vg_str_of(w.server.key_pem);
	s.client_ca = VG_STR("no PEM");
	assert_int_equal(vg_tls_creds_new(&s, why, &c), VG_E_FORMAT);
	assert_non_null(strstr(why, "client CA"));
	s.client_ca = VG_NIL;
	s.require_client = true; /* by whom? */
	assert_int_equal(vg_tls_creds_new(&s, why, &c), VG_E_FORMAT);
	s.cert = VG_NIL;
	assert_int_equal(vg_tls_creds_new(&s, why, &c), VG_E_FORMAT);
}

static void
a_certificate_of_ones_own_serves(void **state)
{
	static const char *const names[] = { "vigie.example", "192.0.2.7", "2001:db8::1" };

	(void)state;
	for (unsigned i = 0; i < VG_COUNT(names); i++) {
		struct vg_buf cert = { 0 }, key = { 0 };
		char why[VG_TLS_WHY_MAX];
		struct vg_tls_settings s;
		struct vg_tls_creds *c;
		gnutls_x509_crt_t crt;
		gnutls_datum_t pem;

		assert_int_equal(vg_tls_selfsigned(vg_str_of(names[i]), 825, &cert, &key), VG_OK);
		s = (struct vg_tls_settings){ .cert = vg_buf_str(&cert), .key = vg_buf_str(&key) };
		assert_int_equal(vg_tls_creds_new(&s, why, &c), VG_OK);
		shakes(c, NULL, TLS13, "");
		pem = (gnutls_datum_t){ (unsigned char *)cert.p, (unsigned)cert.n };
		assert_int_equal(gnutls_x509_crt_init(&crt), 0);
		assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
		assert_true(gnutls_x509_crt_check_hostname(crt, names[i]));
		assert_true(gnutls_x509_crt_get_expiration_time(crt) - time(NULL) > 824 * 86400);
		gnutls_x509_crt_deinit(crt);
		vg_tls_creds_free(c);
		vg_buf_fini(&cert);
		vg_buf_fini(&key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_are_known_by_their_certificates),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(what_is_not_tls_is_refused),
		cmocka_unit_test(a_handshake_has_a_time),
		cmocka_unit_test(bytes_come_and_go),
		cmocka_unit_test(an_end_without_a_word_is_an_end),
		cmocka_unit_test(bad_settings_are_named),
		cmocka_unit_test(a_certificate_of_ones_own_serves),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
