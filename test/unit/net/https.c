#include "http_rig.h"

#include <curl/curl.h>

#include "http_certs.h"

static struct cert server_ca, client_ca, other_ca, server, good, foreign, expired, for_servers;

static int
make_certs(void **state)
{
	(void)state;
	cert_make(&server_ca, "server ca", NULL, NULL, -60, 3600);
	cert_make(&client_ca, "client ca", NULL, NULL, -60, 3600);
	cert_make(&other_ca, "client ca", NULL, NULL, -60, 3600);
	cert_make(&server, "vigie.example", GNUTLS_KP_TLS_WWW_SERVER, &server_ca, -60, 3600);
	cert_make(&good, "pc-17.example", GNUTLS_KP_TLS_WWW_CLIENT, &client_ca, -60, 3600);
	cert_make(&foreign, "pc-18.example", GNUTLS_KP_TLS_WWW_CLIENT, &other_ca, -60, 3600);
	cert_make(&expired, "pc-19.example", GNUTLS_KP_TLS_WWW_CLIENT, &client_ca, -120, -60);
	cert_make(&for_servers, "pc-20.example", GNUTLS_KP_TLS_WWW_SERVER, &client_ca, -60, 3600);
	return (int)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int
free_certs(void **state)
{
	struct cert *all[] = { &server_ca, &client_ca, &other_ca, &server, &good, &foreign, &expired, &for_servers };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(all); i++)
		cert_free(all[i]);
	curl_global_cleanup();
	return 0;
}

static size_t
on_answer(char *p, size_t size, size_t n, void *ctx)
{
	vg_buf_mem(ctx, p, size * n);
	return size * n;
}

static struct curl_blob
blob(const struct vg_buf *b)
{
	return (struct curl_blob){ b->p, b->n, CURL_BLOB_NOCOPY };
}

/* POST @body to /_bulk with libcurl, a key if @key, a client certificate if @cert: the status, 0 when there is none. */
static long
post(struct rig *r, vg_str body, const char *key, const struct cert *cert, const char *suites, struct vg_buf *text)
{
	CURL *e = curl_easy_init();
	CURLM *m = curl_multi_init();
	struct curl_blob ca = blob(&server_ca.crt_pem), crt, k;
	struct curl_slist *h = key ? curl_slist_append(NULL, key) : NULL;
	char url[64];
	long status = 0;
	int running = 1;
	int64_t until = vg_monotonic_ns() + 10 * VG_SEC;

	assert_true(e && m);
	vg_buf_clear(text);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/_bulk", r->port);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, body.p);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)body.n);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, text);
	if (suites)
		curl_easy_setopt(e, CURLOPT_SSLVERSION, strcmp(suites, "1.1") == 0 ? CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1 :
				 CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2);
	if (cert) {
		crt = blob(&cert->crt_pem);
		k = blob(&cert->key_pem);
		curl_easy_setopt(e, CURLOPT_SSLCERT_BLOB, &crt);
		curl_easy_setopt(e, CURLOPT_SSLKEY_BLOB, &k);
	}
	assert_int_equal(curl_multi_add_handle(m, e), CURLM_OK);
	while (running && vg_monotonic_ns() < until) {
		assert_int_equal(curl_multi_perform(m, &running), CURLM_OK);
		rig_turn(r);
	}
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	vg_buf_putc(text, 0);
	curl_multi_remove_handle(m, e);
	curl_easy_cleanup(e);
	curl_multi_cleanup(m);
	curl_slist_free_all(h);
	for (int i = 0; i < 5; i++)
		rig_turn(r);
	return status;
}

static void
start(struct rig *r, vg_str tenant, bool clients)
{
	struct vg_http_options o = { .certificate = vg_buf_str(&server.crt_pem), .key = vg_buf_str(&server.key_pem), .tenant = tenant };

	if (clients)
		o.client_ca = vg_buf_str(&client_ca.crt_pem);
	rig_start(r, &o);
}

#define BULK VG_STR("{\"create\":{}}\n{\"a\":1}\n")
#define DC1 "Authorization: Bearer s3cret"
#define NAS "Authorization: Bearer s4cret"

static void
records_come_over_tls(void **state)
{
	struct rig r;
	struct vg_buf text = { 0 }, body = { 0 };

	(void)state;
	start(&r, VG_NIL, false);
	assert_int_equal(post(&r, BULK, DC1, NULL, NULL, &text), 200);
	assert_int_equal(post(&r, BULK, DC1, NULL, "1.2", &text), 200);
	assert_int_equal(post(&r, BULK, DC1, NULL, "1.1", &text), 0);
	assert_int_equal(post(&r, BULK, NULL, NULL, NULL, &text), 401);
	assert_string_equal(r.source, "dc1/acme/key");
	assert_int_equal(r.taken, 2);
	/* 8 MB in one request */
	for (int i = 0; i < 8000; i++)
		vg_buf_printf(&body, "{\"index\":{}}\n{\"n\":%d,\"pad\":\"%01000d\"}\n", i, i);
	assert_int_equal(post(&r, vg_buf_str(&body), DC1, NULL, NULL, &text), 200);
	assert_int_equal(r.taken, 8002);
	rig_stop(&r);
	vg_buf_fini(&text);
	vg_buf_fini(&body);
}

static void
a_certificate_proves_a_name(void **state)
{
	struct rig r;
	struct vg_buf text = { 0 };

	(void)state;
	start(&r, VG_STR("acme"), true);
	assert_int_equal(post(&r, BULK, NULL, &good, NULL, &text), 200);
	assert_string_equal(r.source, "pc-17.example/acme/certificate");
	assert_int_equal(post(&r, BULK, DC1, &good, NULL, &text), 200); /* with a key of the same tenant */
	assert_string_equal(r.source, "pc-17.example/acme/certificate");
	assert_int_equal(post(&r, BULK, NAS, &good, NULL, &text), 200); /* with one of another, which this CA does not vouch for */
	assert_string_equal(r.source, "nas/other/key");
	assert_int_equal(post(&r, BULK, DC1, NULL, NULL, &text), 200);
	assert_string_equal(r.source, "dc1/acme/key");
	assert_int_equal(post(&r, BULK, NULL, NULL, NULL, &text), 401);
	assert_int_equal(post(&r, BULK, "Authorization: Bearer nope", &good, NULL, &text), 401);
	assert_int_equal(r.taken, 4);
	rig_stop(&r);
	/* a listener without a tenant: a key is needed to know whose it is */
	start(&r, VG_NIL, true);
	assert_int_equal(post(&r, BULK, NULL, &good, NULL, &text), 401);
	assert_int_equal(post(&r, BULK, DC1, &good, NULL, &text), 200);
	assert_string_equal(r.source, "dc1/acme/key");
	rig_stop(&r);
	vg_buf_fini(&text);
}

static void
bad_certificates_are_refused(void **state)
{
	const struct cert *bad[] = { &foreign, &expired, &for_servers };
	struct rig r;
	struct vg_buf text = { 0 };

	(void)state;
	start(&r, VG_STR("acme"), true);
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		assert_int_equal(post(&r, BULK, NULL, bad[i], NULL, &text), 403);
		assert_int_equal(post(&r, BULK, DC1, bad[i], NULL, &text), 403);
	}
	assert_int_equal(r.taken, 0);
	assert_int_equal(r.refused[VG_REFUSED_KEY], 6);
	rig_stop(&r);
	vg_buf_fini(&text);
}

static void
bad_settings_are_told(void **state)
{
	const struct vg_http_options rows[] = {
		{ .certificate = VG_STR("what") },
		{ .certificate = VG_STR("what"), .key = VG_STR("what") },
		{ .certificate = vg_buf_str(&server.crt_pem), .key = vg_buf_str(&good.key_pem) },
		{ .certificate = vg_buf_str(&server.crt_pem), .key = vg_buf_str(&server.key_pem), .client_ca = VG_STR("what") },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		struct rig r;
		struct vg_http_options o = rows[i];
		struct vg_http *h = NULL;

		start(&r, VG_NIL, false);
		o.listen_fd = r.listen_fd;
		o.auth = r.auth;
		assert_int_equal(vg_http_new(r.l, &r.gate, &o, &h), VG_E_FORMAT);
		rig_stop(&r);
	}
}

/* A client that speaks no TLS, or stops in the middle of it. */
static void
what_is_no_tls_is_closed(void **state)
{
	struct vg_http_options o = { .certificate = vg_buf_str(&server.crt_pem), .key = vg_buf_str(&server.key_pem), .head_ms = 400 };
	struct rig r;
	struct client c;

	(void)state;
	rig_start(&r, &o);
	client_open(&c, &r);
	client_say(&c, VG_STR("GET / HTTP/1.1\r\n" HOST KEY "\r\n"), SIZE_MAX);
	assert_true(client_is_closed(&c));
	client_close(&c);
	client_open(&c, &r);
	client_say(&c, vg_str_mem("\x16\x03\x01\x02\x00\x01\x00", 7), SIZE_MAX);
	assert_true(client_is_closed(&c));
	client_close(&c);
	rig_stop(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_over_tls),
		cmocka_unit_test(a_certificate_proves_a_name),
		cmocka_unit_test(bad_certificates_are_refused),
		cmocka_unit_test(bad_settings_are_told),
		cmocka_unit_test(what_is_no_tls_is_closed),
	};

	return cmocka_run_group_tests(tests, make_certs, free_certs);
}
