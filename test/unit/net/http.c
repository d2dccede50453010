#include "http_rig.h"

#include <zlib.h>
#include <zstd.h>

#define TO "POST /_bulk HTTP/1.1\r\n"
#define PAIR "{\"create\":{\"_index\":\"logs\"}}\n{\"a\":1}\n"
#define DONE "\"errors\":false,\"items\":[{\"create\":{\"_index\":\"logs\",\"status\":201}}]}"

/* What each client asks before it sends, and its bulk request (Beats, Logstash, Vector, Fluent Bit, rsyslog, the JS client). */
static void
every_client_finds_what_it_asks_for(void **state)
{
	static const struct {
		const char *method, *path, *headers, *body;
		int status;
		const char *has;
	} rows[] = {
		{ "HEAD", "/", "", "", 200, "X-Elastic-Product: Elasticsearch\r\n" },
		{ "GET", "/", "", "", 200, "\"version\":{\"number\":\"8.19.0\",\"build_flavor\":\"default\"},\"tagline\":\"You Know, for Search\"}" },
		{ "GET", "/_license?human=false", "", "", 200, "{\"license\":{\"status\":\"active\",\"uid\":\"vigie\",\"type\":\"basic\"" },
		{ "GET", "/_license", "", "", 200, "\"status\":\"active\"" },
		{ "GET", "/_xpack", "", "", 200, "\r\n\r\n{}" },
		{ "GET", "/_ilm/policy/filebeat", "", "", 200, "\r\n\r\n{}" },
		{ "PUT", "/_ilm/policy/filebeat", "Content-Type: application/json\r\n", "{\"policy\":{}}", 200, "\r\n\r\n{}" },
		{ "HEAD", "/_index_template/filebeat-8.19.0", "", "", 200, "X-Elastic-Product" },
		{ "PUT", "/_index_template/filebeat-8.19.0", "", "{\"index_patterns\":[\"filebeat\"]}", 200, "{}" },
		{ "GET", "/_data_stream/filebeat-8.19.0", "", "", 200, "{}" },
		{ "PUT", "/_ingest/pipeline/x", "", "{}", 200, "{}" },
		{ "PUT", "/_template/logstash", "", "{}", 200, "{}" },
		{ "GET", "/_nodes/_all/http", "", "", 200, "{}" },
		{ "GET", "/_cluster/health", "", "", 200, "\"status\":\"green\"" },
		{ "POST", "/_bulk", "Content-Type: application/json; charset=UTF-8\r\n", PAIR, 200, DONE },
		{ "POST", "/_bulk?filter_path=errors%2Citems.%2A.error", "", PAIR, 200, DONE },
		{ "POST", "/_bulk?timeout=60s", "Accept-Encoding: identity\r\n", PAIR, 200, DONE },
		{ "POST", "/_bulk?pipeline=p", "Content-Type: application/x-ndjson\r\n", PAIR, 200, DONE },
		{ "POST", "/_bulk", "Content-Type: application/json; charset=utf-8\r\n", "\n" PAIR "\n", 200, DONE },
		{ "POST", "/_bulk", "Content-Type: application/vnd.elasticsearch+x-ndjson; compatible-with=9\r\n", PAIR, 200, DONE },
		{ "PUT", "/_bulk", "", PAIR, 200, DONE },
		{ "POST", "/logs/_bulk", "", "{\"create\":{}}\n{}\n", 200, DONE },
		{ "POST", "/s/office/_bulk", "", PAIR, 200, DONE },
		{ "POST", "/s/office/logs/_bulk", "", "{\"create\":{}}\n{}\n", 200, DONE },
		{ "POST", "/v1/lines", "Content-Type: application/x-ndjson\r\n", "{\"a\":1}\n{\"b\":2}", 200, "\r\n\r\n{\"taken\":2}" },
		{ "POST", "/v1/lines", "", "\n", 200, "{\"taken\":0}" },
		{ "POST", "/_bulk", "", "\n", 400, "\"status\":400" },
		{ "GET", "/_bulk", "", "", 405, "Allow: POST, PUT\r\n" },
		{ "DELETE", "/", "", "", 405, "Allow: GET, HEAD\r\n" },
		{ "GET", "/_search", "", "", 404, "X-Elastic-Product" },
		{ "GET", "/../../../etc/passwd", "", "", 404, "\"status\":404" },
		{ "POST", "/_bulk", "Content-Encoding: br\r\n", PAIR, 415, "Accept-Encoding: gzip, deflate, zstd\r\n" },
	};
	struct rig r;
	struct client c;
	struct vg_buf q = { 0 }, text = { 0 };
	int status;

	(void)state;
	rig_start(&r, NULL);
	client_open(&c, &r); /* all over one connection */
	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		request(&q, rows[i].method, rows[i].path, rows[i].headers, vg_str_of(rows[i].body));
		client_say(&c, vg_buf_str(&q), SIZE_MAX);
		status = client_hear(&c, strcmp(rows[i].method, "HEAD") == 0, &text);
		if (status != rows[i].status || !has(&text, rows[i].has))
			print_message("row %zu: %d %s\n", i, status, text.p);
		assert_int_equal(status, rows[i].status);
		assert_true(has(&text, rows[i].has));
		assert_true(has(&text, "X-Elastic-Product: Elasticsearch\r\n"));
	}
	assert_string_equal(r.address, "127.0.0.1");
	client_close(&c);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
	rig_stop(&r);
}

static void
documents_arrive_byte_for_byte(void **state)
{
	struct rig r;
	struct vg_buf q = { 0 }, text = { 0 };

	(void)state;
	for (size_t piece = 1; piece < 300; piece += 13) {
		rig_start(&r, NULL);
		request(&q, "POST", "/_bulk", "", VG_STR("{\"create\":{\"_index\":\"l\",\"_id\":\"7\"}}\n{ \"a\" : \"\\u00e9\xff\" }\r\n{\"index\":{}}\n{}\n"));
		assert_int_equal(ask(&r, vg_buf_str(&q), piece, &text), 200);
		assert_true(vg_str_eq(vg_buf_str(&r.records), VG_STR("dc1/acme/key l/7|{ \"a\" : \"\\u00e9\xff\" }\r\ndc1/acme/key |{}\n")));
		rig_stop(&r);
	}
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
a_version_of_ones_own(void **state)
{
	struct vg_http_options o = { .version = VG_STR("9.1.0") };
	struct rig r;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, &o);
	assert_int_equal(ask(&r, VG_STR("GET / HTTP/1.1\r\n" HOST KEY "\r\n"), SIZE_MAX, &text), 200);
	assert_true(has(&text, "\"number\":\"9.1.0\""));
	rig_stop(&r);
	vg_buf_fini(&text);
}

static void
nothing_is_told_without_a_key(void **state)
{
	static const char *const paths[] = { "GET /", "HEAD /", "GET /_license", "POST /_bulk", "POST /v1/lines", "GET /nothing", "DELETE /" };
	struct rig r;
	struct vg_buf q = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < VG_COUNT(paths); i++) {
		vg_buf_clear(&q);
		vg_buf_printf(&q, "%s HTTP/1.1\r\n" HOST "Content-Length: 8\r\n\r\n{\"a\":1}\n", paths[i]);
		assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 401);
		assert_true(has(&text, "WWW-Authenticate: Basic realm=\"vigie\""));
	}
	assert_int_equal(ask(&r, VG_STR("GET / HTTP/1.1\r\n" HOST "Authorization: Bearer nope\r\n\r\n"), SIZE_MAX, &text), 401);
	assert_int_equal(r.refused[VG_REFUSED_KEY], 1);
	for (unsigned i = 0; i < VG_AUTH_FAILURES_MAX; i++)
		(void)ask(&r, VG_STR("GET / HTTP/1.1\r\n" HOST "Authorization: Bearer nope\r\n\r\n"), SIZE_MAX, &text);
	assert_int_equal(status_of_text(vg_buf_str(&text)), 429);
	assert_true(has(&text, "Retry-After: "));
	/* no names are told apart, no key is needed to be told so */
	assert_int_equal(ask(&r, VG_STR("GET / HTTP/1.1\r\n" HOST KEY "\r\n"), SIZE_MAX, &text), 200);
	assert_int_equal(ask(&r, VG_STR("GET / HTTP/1.1\r\n" HOST "Authorization: ApiKey azE6czNjcmV0\r\n\r\n"), SIZE_MAX, &text), 200);
	assert_int_equal(ask(&r, VG_STR("GET / HTTP/1.1\r\n" HOST "Authorization: Basic azE6czNjcmV0\r\n\r\n"), SIZE_MAX, &text), 200);
	assert_int_equal(r.taken, 0);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
too_many_sources(void **state)
{
	struct rig r;
	struct vg_buf q = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	r.full_of_sources = true;
	request(&q, "POST", "/_bulk", "", VG_STR(PAIR));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 503);
	assert_int_equal(r.taken, 0);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
pack_gzip(vg_str s, struct vg_buf *out)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	vg_buf_clear(out);
	assert_true(vg_buf_reserve(out, deflateBound(&z, s.n) + 64));
	z.next_in = (Bytef *)(uintptr_t)s.p;
	z.avail_in = (uInt)s.n;
	z.next_out = (Bytef *)out->p;
	z.avail_out = (uInt)out->cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n = z.total_out;
	(void)deflateEnd(&z);
}

static void
pack_zstd(vg_str s, struct vg_buf *out)
{
	vg_buf_clear(out);
	assert_true(vg_buf_reserve(out, ZSTD_compressBound(s.n)));
	out->n = ZSTD_compress(out->p, out->cap, s.p, s.n, 3);
	assert_false(ZSTD_isError(out->n));
}

static void
coded_bodies(void **state)
{
	struct rig r;
	struct vg_buf q = { 0 }, body = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	pack_gzip(VG_STR(PAIR), &body);
	request(&q, "POST", "/_bulk", "Content-Encoding: gzip\r\n", vg_buf_str(&body));
	assert_int_equal(ask(&r, vg_buf_str(&q), 3, &text), 200);
	assert_true(has(&text, DONE));
	/* cut short, or broken, with nothing taken from it: all of it is refused */
	request(&q, "POST", "/_bulk", "Content-Encoding: gzip\r\n", vg_str_cut(vg_buf_str(&body), 20));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 400);
	request(&q, "POST", "/_bulk", "Content-Encoding: gzip\r\n", VG_STR(PAIR));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 400);
	assert_int_equal(r.refused[VG_REFUSED_FORMAT], 2);
	pack_zstd(VG_STR(PAIR), &body);
	request(&q, "POST", "/_bulk", "Content-Encoding: zstd\r\n", vg_buf_str(&body));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 200);
	assert_int_equal(r.taken, 2);
	/* two good ones, and then rubbish: those are told as taken, and one item more says that it broke */
	pack_gzip(VG_STR(PAIR PAIR), &body);
	vg_buf_puts(&body, "rubbish that is no gzip member");
	request(&q, "POST", "/_bulk", "Content-Encoding: gzip\r\n", vg_buf_str(&body));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 200);
	assert_true(has(&text, "\"errors\":true,\"items\":[{\"create\":{\"_index\":\"logs\",\"status\":201}},{\"create\":{\"_index\":\"logs\",\"status\":201}},"
			       "{\"create\":{\"_index\":\"\",\"status\":400,"));
	assert_int_equal(r.taken, 4);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&body);
	vg_buf_fini(&text);
}

static void
bombs_and_large_bodies(void **state)
{
	struct vg_http_options o = { .body_bytes = (uint64_t)32 << 20, .coded_bytes = 100000 };
	struct rig r;
	struct client c;
	struct vg_buf q = { 0 }, body = { 0 }, bomb = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, &o);
	vg_buf_puts(&body, "{\"create\":{}}\n");
	assert_true(vg_buf_reserve(&body, (size_t)30 << 20));
	memset(body.p + body.n, ' ', (size_t)30 << 20);
	body.n += (size_t)30 << 20;
	for (int zstd = 0; zstd < 2; zstd++) {
		(zstd ? pack_zstd : pack_gzip)(vg_buf_str(&body), &bomb);
		request(&q, "POST", "/_bulk", zstd ? "Content-Encoding: zstd\r\n" : "Content-Encoding: gzip\r\n", vg_buf_str(&bomb));
		assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 413);
	}
	assert_int_equal(r.refused[VG_REFUSED_LIMIT], 2);
	/* a length over the limit: at once */
	assert_int_equal(ask(&r, VG_STR("POST /_bulk HTTP/1.1\r\n" HOST KEY "Content-Length: 2000000\r\n\r\n"), SIZE_MAX, &text), 413);
	assert_int_equal(ask(&r, VG_STR("POST /_bulk HTTP/1.1\r\n" HOST KEY "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n"), SIZE_MAX, &text), 413);
	assert_int_equal(ask(&r, VG_STR("POST /_bulk HTTP/1.1\r\n" HOST KEY "Content-Length: 99999999999999999999\r\n\r\n"), SIZE_MAX, &text), 413);
	/* chunks without an end: read for a while so that the answer may be seen, then cut */
	client_open(&c, &r);
	client_say(&c, VG_STR("POST /_bulk HTTP/1.1\r\n" HOST KEY "Transfer-Encoding: chunked\r\n\r\n"), SIZE_MAX);
	for (int i = 0; i < 60 && !c.closed; i++) {
		client_say(&c, VG_STR("8000\r\n"), SIZE_MAX);
		client_say(&c, vg_str_cut(vg_str_skip(vg_buf_str(&body), 14), 0x8000), SIZE_MAX);
		client_say(&c, VG_STR("\r\n"), SIZE_MAX);
	}
	assert_true(client_is_closed(&c));
	client_close(&c);
	assert_int_equal(r.taken, 0);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&body);
	vg_buf_fini(&bomb);
	vg_buf_fini(&text);
}

static void
chunks_are_read_and_end_the_connection(void **state)
{
	struct rig r;
	struct client c;
	struct vg_buf text = { 0 };

	(void)state;
	for (size_t piece = 1; piece < 40; piece += 5) {
		rig_start(&r, NULL);
		client_open(&c, &r);
		client_say(&c, VG_STR("POST /_bulk HTTP/1.1\r\n" HOST KEY "Transfer-Encoding: chunked\r\n\r\n"
				      "5\r\n{\"cre\r\nB;ext=1\r\nate\":{\"_ind\r\n19\r\nex\":\"logs\"}}\n{\"a\":\"one\"}\n\r\n0\r\nTrailer: x\r\n\r\n"
				      "GET / HTTP/1.1\r\n" HOST KEY "\r\n"), piece);
		assert_int_equal(client_hear(&c, false, &text), 200);
		assert_true(has(&text, DONE));
		assert_true(has(&text, "Connection: close\r\n"));
		assert_true(client_is_closed(&c));
		assert_int_equal(c.got.n, 0); /* what came behind was not read as another request */
		assert_true(vg_str_eq(vg_buf_str(&r.records), VG_STR("dc1/acme/key |{\"a\":\"one\"}\n")));
		client_close(&c);
		rig_stop(&r);
	}
	vg_buf_fini(&text);
}

static void
an_answer_waits_until_all_is_kept(void **state)
{
	struct rig r;
	struct client a, b;
	struct vg_http_counts n;
	struct vg_buf q = { 0 }, text = { 0 };
	int64_t at;

	(void)state;
	rig_start(&r, NULL);
	r.keeps = false;
	client_open(&a, &r);
	client_open(&b, &r);
	request(&q, "POST", "/_bulk", "", VG_STR(PAIR PAIR));
	client_say(&a, vg_buf_str(&q), SIZE_MAX);
	assert_true(client_hears_nothing(&a));
	client_say(&b, vg_buf_str(&q), SIZE_MAX);
	assert_true(client_hears_nothing(&b));
	assert_int_equal(r.taken, 4);
	vg_http_count(r.h, &n);
	assert_int_equal(n.waiting, 2);
	assert_int_equal(n.connections, 2);
	assert_true(n.held_bytes > 0);
	vg_http_kept(r.h, 1);
	assert_true(client_hears_nothing(&a));
	vg_http_kept(r.h, 3);
	assert_int_equal(client_hear(&a, false, &text), 200);
	assert_true(client_hears_nothing(&b));
	at = vg_monotonic_ns();
	vg_http_kept(r.h, 4);
	assert_int_equal(client_hear(&b, false, &text), 200);
	assert_true(vg_monotonic_ns() - at < 100 * 1000000); /* at once, not with the next sweep */
	/* a body that brings nothing waits for nothing, and the connection goes on */
	request(&q, "POST", "/_bulk", "", VG_STR("{\"delete\":{}}\n"));
	client_say(&a, vg_buf_str(&q), SIZE_MAX);
	assert_int_equal(client_hear(&a, false, &text), 200);
	vg_http_count(r.h, &n);
	assert_int_equal(n.waiting, 0);
	assert_int_equal(n.held_bytes, 0);
	client_close(&a);
	client_close(&b);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
what_was_lost_is_told(void **state)
{
	struct rig r;
	struct client a, b;
	struct vg_buf q = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	r.keeps = false;
	client_open(&a, &r);
	client_open(&b, &r);
	request(&q, "POST", "/_bulk", "", VG_STR(PAIR PAIR));
	client_say(&a, vg_buf_str(&q), SIZE_MAX);
	client_say(&b, vg_str_cut(vg_buf_str(&q), q.n - 5), SIZE_MAX); /* in the middle of it: one was taken */
	assert_true(client_hears_nothing(&b));
	assert_int_equal(r.taken, 3);
	vg_http_lost(r.h);
	assert_int_equal(client_hear(&a, false, &text), 503);
	assert_true(has(&text, "Retry-After: 5\r\n"));
	client_say(&b, vg_str_skip(vg_buf_str(&q), q.n - 5), SIZE_MAX);
	assert_int_equal(client_hear(&b, false, &text), 503);
	request(&q, "POST", "/v1/lines", "", VG_STR("{}\n"));
	client_say(&b, vg_buf_str(&q), SIZE_MAX);
	assert_true(client_hears_nothing(&b));
	vg_http_lost(r.h);
	assert_int_equal(client_hear(&b, false, &text), 503);
	assert_true(has(&text, "{\"taken\":0,"));
	/* and it goes on */
	client_say(&a, vg_buf_str(&q), SIZE_MAX);
	assert_true(client_hears_nothing(&a));
	vg_http_kept(r.h, r.taken);
	assert_int_equal(client_hear(&a, false, &text), 200);
	client_close(&a);
	client_close(&b);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
where_there_is_no_room(void **state)
{
	struct rig r;
	struct vg_buf q = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	r.room = 1;
	request(&q, "POST", "/_bulk", "", VG_STR(PAIR PAIR PAIR));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 200);
	assert_true(has(&text, "\"errors\":true,\"items\":[{\"create\":{\"_index\":\"logs\",\"status\":201}},{\"create\":{\"_index\":\"logs\",\"status\":429,"));
	assert_int_equal(r.taken, 1);
	/* none of it: the whole is refused */
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 429);
	assert_true(has(&text, "Retry-After: 1\r\n"));
	r.room = 3;
	request(&q, "POST", "/v1/lines", "", VG_STR("1\n2\n3\n4\n"));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 429);
	assert_true(has(&text, "{\"taken\":2,"));
	assert_int_equal(r.taken, 3);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

/* rsyslog names no User-Agent, and would drop what it is told to send again. */
static void
who_would_drop_its_records_is_hung_up_on(void **state)
{
	static const char request[] = TO "Host: h\r\n" KEY "Content-Length: 72\r\n\r\n" PAIR PAIR;
	static const char no_key[] = TO "Host: h\r\nContent-Length: 72\r\n\r\n" PAIR PAIR;
	
	struct rig r;
	struct client c;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	for (uint64_t i = 0; i < 2; i++) { /* none is taken, one is */
		int64_t at = vg_monotonic_ns();

		r.room = i;
		client_open(&c, &r);
		client_say(&c, vg_str_of(request), SIZE_MAX);
		assert_int_equal(client_hear(&c, false, &text), 0);
		assert_true(vg_monotonic_ns() - at > 900 * 1000000); /* it would be back at once */
		client_close(&c);
	}
	assert_int_equal(r.taken, 1);
	r.room = 9;
	assert_int_equal(ask(&r, vg_str_of(request), SIZE_MAX, &text), 200);
	assert_int_equal(ask(&r, vg_str_of(no_key), SIZE_MAX, &text), 401);
	/* and the server may go away meanwhile */
	r.room = 0;
	client_open(&c, &r);
	client_say(&c, vg_str_of(request), SIZE_MAX);
	assert_true(client_hears_nothing(&c));
	rig_stop(&r);
	close(c.fd);
	vg_buf_fini(&c.got);
	vg_buf_fini(&text);
}

static void
memory_has_a_limit(void **state)
{
	struct vg_http_options o = { .memory_bytes = 300000 };
	struct rig r;
	struct vg_buf q = { 0 }, body = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, &o);
	/* a line of half a megabyte */
	vg_buf_puts(&body, PAIR "{\"create\":{}}\n");
	for (int i = 0; i < 500000; i++)
		vg_buf_putc(&body, 'a');
	request(&q, "POST", "/_bulk", "", vg_buf_str(&body));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 200);
	assert_true(has(&text, "\"status\":201}},{\"create\":{\"_index\":\"\",\"status\":429,"));
	assert_int_equal(r.taken, 1);
	/* and an answer that would be too large */
	vg_buf_clear(&body);
	for (int i = 0; i < 20000; i++)
		vg_buf_puts(&body, "x\n");
	request(&q, "POST", "/_bulk", "", vg_buf_str(&body));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 429);
	request(&q, "POST", "/_bulk", "", VG_STR(PAIR));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 200);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&body);
	vg_buf_fini(&text);
}

static void
refusals_are_counted(void **state)
{
	struct rig r;
	struct vg_buf q = { 0 }, body = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	vg_buf_puts(&body, "what\n{}\n{\"delete\":{}}\n{\"create\":{}}\n");
	for (int i = 0; i < (1 << 20) + 1; i++)
		vg_buf_putc(&body, 'a');
	vg_buf_puts(&body, "\n{\"create\":{}}\n");
	request(&q, "POST", "/_bulk", "", vg_buf_str(&body));
	assert_int_equal(ask(&r, vg_buf_str(&q), SIZE_MAX, &text), 200);
	assert_int_equal(r.refused[VG_REFUSED_FORMAT], 3);
	assert_int_equal(r.refused[VG_REFUSED_LONG], 1);
	assert_int_equal(r.taken, 1);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&body);
	vg_buf_fini(&text);
}

/* Requests that two readers could read differently, or that cost too much: refused, and the connection ends.  Behind each stands a
 * request that must not be answered.  (Where libmicrohttpd refuses a Content-Length itself it writes its answer's head twice.) */
#define BEHIND "POST /_bulk HTTP/1.1\r\n" HOST KEY "Content-Length: 36\r\n\r\n" PAIR
#define ANY "PUT /_ilm/x HTTP/1.1\r\n" /* which takes any body */
static void
ambiguous_requests_are_refused(void **state)
{
	static const struct {
		const char *request;
		int status; /* 0: closed without a word */
	} rows[] = {
		/* the body's length in two ways */
		{ ANY HOST KEY "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: 0\r\ncontent-length: 30\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: 0, 0\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: +5\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: -5\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: 0x5\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: 5 5\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length:\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length: 18446744073709551616\r\n\r\n", 413 },
		{ ANY HOST KEY "Content-Length : 0\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Length\t: 0\r\n\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: identity\r\n\r\n", 501 },
		{ ANY HOST KEY "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 },
		{ ANY HOST KEY "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501 },
		{ ANY HOST KEY "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501 },
		{ ANY HOST KEY "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400 },
		{ "PUT /_ilm/x HTTP/1.0\r\n" HOST KEY "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		/* folded lines */
		{ ANY HOST KEY "Content-Length:\r\n 0\r\n\r\n", 400 },
		{ ANY HOST KEY "X: a\r\n b\r\n\r\n", 400 },
		{ ANY HOST KEY "X: a\r\n\tContent-Length: 30\r\n\r\n", 400 },
		{ ANY " " HOST KEY "\r\n", 400 },
		/* bare LF, bare CR, NUL */
		{ "PUT /_ilm/x HTTP/1.1\n" HOST KEY "\r\n", 400 },
		{ ANY HOST KEY "X: a\nContent-Length: 0\r\n\r\n", 400 },
		{ ANY HOST KEY "X: a\n\r\n", 400 },
		{ ANY HOST KEY "X: a\r\n\n", 400 },
		{ ANY HOST KEY "X: a\rContent-Length: 30\r\n\r\n", 400 },
		{ ANY HOST KEY "X: a\r\r\n\r\n", 400 },
		/* names that are none */
		{ ANY HOST KEY "X Y: a\r\n\r\n", 400 },
		{ ANY HOST KEY ": a\r\n\r\n", 400 },
		{ ANY HOST KEY "no colon\r\n\r\n", 400 },
		{ ANY HOST KEY "X(: a\r\n\r\n", 400 },
		{ ANY HOST KEY "X\xc3\xa9: a\r\n\r\n", 400 },
		{ ANY HOST KEY "X: \x01\r\n\r\n", 400 },
		/* hosts */
		{ ANY KEY "Content-Length: 0\r\n\r\n", 400 },
		{ ANY "Host: g\r\n" HOST KEY "Content-Length: 0\r\n\r\n", 400 },
		{ ANY "Host: a b\r\n" KEY "Content-Length: 0\r\n\r\n", 400 },
		/* two of what there is one */
		{ ANY HOST KEY KEY "Content-Length: 0\r\n\r\n", 400 },
		{ ANY HOST KEY "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", 400 },
		{ ANY HOST KEY "Expect: what\r\nContent-Length: 0\r\n\r\n", 417 },
		/* the request line */
		{ "PUT  /_ilm/x HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PUT /_ilm/x  HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PUT /_ilm/x HTTP/1.1 \r\n" HOST KEY "\r\n", 400 },
		{ "PUT /_ilm/x\tHTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PUT /_ilm/a b HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PUT http://h/_ilm/x HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PUT h:443 HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "OPTIONS * HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PU(T /_ilm/x HTTP/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PUT /_ilm/x HTTP/1.2\r\n" HOST KEY "\r\n", 400 },
		{ "PUT /_ilm/x HTTP/2.0\r\n" HOST KEY "\r\n", 505 },
		{ "PUT /_ilm/x HTTP/0.9\r\n" HOST KEY "\r\n", 505 },
		{ "PUT /_ilm/x http/1.1\r\n" HOST KEY "\r\n", 400 },
		{ "PUT /_ilm/x HTTP/1.1x\r\n" HOST KEY "\r\n", 400 },
		{ "GET /\r\n\r\n", 400 },
		{ "GET\r\n\r\n", 0 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
		{ "\x16\x03\x01\x02", 400 },
		{ "\x16\x03\x01\x02\n", 0 },
		/* chunks */
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\n0x5\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\n 5\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\n5 \r\nabcde\r\n0\r\n\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\n\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n0\r\n\r\n", 400 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 413 },
		{ ANY HOST KEY "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 413 },
	};
	struct rig r;
	struct client c;
	struct vg_buf q = { 0 }, text = { 0 };
	bool ok = true;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(rows); i++)
		for (size_t piece = 1; piece <= 100000; piece *= 100000) {
			int status;
			bool closed;

			rig_start(&r, NULL);
			client_open(&c, &r);
			vg_buf_clear(&q);
			vg_buf_puts(&q, rows[i].request);
			vg_buf_puts(&q, BEHIND);
			client_say(&c, vg_buf_str(&q), piece);
			status = client_hear(&c, false, &text);
			closed = client_is_closed(&c);
			if ((status != rows[i].status && status != 0) || (piece > 1 && status != rows[i].status) || !closed || r.taken ||
			    vg_str_find(vg_buf_str(&c.got), VG_STR("HTTP/1.1 200")) != VG_NPOS) {
				print_message("row %zu, pieces of %zu: %d, closed %d, taken %d, then %.*s\n", i, piece, status, closed, (int)r.taken,
					      VG_STR_ARG(vg_buf_str(&c.got)));
				ok = false;
			}
			client_close(&c);
			rig_stop(&r);
		}
	assert_true(ok);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
a_nul_anywhere_in_the_head_is_refused(void **state)
{
	static const char good[] = TO HOST KEY "X: y\r\nContent-Length: 36\r\n\r\n" PAIR;
	size_t head = vg_str_find(VG_STR(TO HOST KEY "X: y\r\nContent-Length: 36\r\n\r\n"), VG_STR("\r\n\r\n")) + 4;
	struct rig r;
	struct vg_buf text = { 0 };

	(void)state;
	for (size_t i = 0; i < head; i++) {
		char bad[sizeof(good)];

		if (good[i] == '\r') /* net/http_head.h */
			continue;
		memcpy(bad, good, sizeof(good));
		bad[i] = 0;
		rig_start(&r, NULL);
		assert_int_not_equal(ask(&r, vg_str_mem(bad, sizeof(bad) - 1), SIZE_MAX, &text), 200);
		assert_int_equal(r.taken, 0);
		rig_stop(&r);
	}
	vg_buf_fini(&text);
}

static void
heads_have_limits(void **state)
{
	struct rig r;
	struct vg_buf q = { 0 }, text = { 0 };

	(void)state;
	for (size_t piece = 997; piece <= 1000000; piece *= 1000) {
		rig_start(&r, NULL);
		/* 30 KiB in one value, and in many headers, pass */
		vg_buf_clear(&q);
		vg_buf_puts(&q, "GET / HTTP/1.1\r\n" HOST KEY "X: ");
		while (q.n < 30720)
			vg_buf_putc(&q, 'x');
		vg_buf_puts(&q, "\r\n\r\n");
		assert_int_equal(ask(&r, vg_buf_str(&q), piece, &text), 200);
		vg_buf_clear(&q);
		vg_buf_puts(&q, "GET / HTTP/1.1\r\n" HOST KEY);
		for (int i = 0; i < 97; i++)
			vg_buf_printf(&q, "X-%d: %0300d\r\n", i, i);
		vg_buf_puts(&q, "\r\n");
		assert_int_equal(ask(&r, vg_buf_str(&q), piece, &text), 200);
		/* 33 KiB do not, nor 101 headers, nor a head without an end */
		vg_buf_clear(&q);
		vg_buf_puts(&q, "GET / HTTP/1.1\r\n" HOST KEY "X: ");
		while (q.n < 33 * 1024)
			vg_buf_putc(&q, 'x');
		vg_buf_puts(&q, "\r\n\r\n");
		assert_int_equal(ask(&r, vg_buf_str(&q), piece, &text), 431);
		vg_buf_clear(&q);
		vg_buf_puts(&q, "GET / HTTP/1.1\r\n" HOST KEY);
		for (int i = 0; i < 98; i++)
			vg_buf_printf(&q, "X-%d: 1\r\n", i);
		vg_buf_puts(&q, "\r\n");
		assert_int_equal(ask(&r, vg_buf_str(&q), piece, &text), 431);
		vg_buf_clear(&q);
		vg_buf_puts(&q, "GET / HTTP/1.1\r\n" HOST KEY "X: ");
		while (q.n < 70000)
			vg_buf_putc(&q, 'x');
		assert_int_equal(ask(&r, vg_buf_str(&q), piece, &text), 431);
		vg_buf_clear(&q);
		vg_buf_puts(&q, "GET /");
		while (q.n < 9000)
			vg_buf_putc(&q, 'x');
		vg_buf_puts(&q, " HTTP/1.1\r\n" HOST KEY "\r\n");
		assert_int_equal(ask(&r, vg_buf_str(&q), piece, &text), 414);
		rig_stop(&r);
	}
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
requests_may_follow_each_other_at_once(void **state)
{
	struct rig r;
	struct client c;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	r.keeps = false;
	client_open(&c, &r);
	client_say(&c, VG_STR(BEHIND BEHIND "GET / HTTP/1.1\r\n" HOST KEY "\r\n"), SIZE_MAX);
	assert_true(client_hears_nothing(&c));
	assert_int_equal(r.taken, 1); /* one after the other */
	vg_http_kept(r.h, 1);
	assert_int_equal(client_hear(&c, false, &text), 200);
	assert_true(client_hears_nothing(&c));
	vg_http_kept(r.h, 2);
	assert_int_equal(client_hear(&c, false, &text), 200);
	assert_int_equal(client_hear(&c, false, &text), 200);
	assert_true(has(&text, "You Know"));
	client_close(&c);
	rig_stop(&r);
	vg_buf_fini(&text);
}

/* A client that says all it has to say and shuts its side is answered still. */
static void
half_closed_connections_are_answered(void **state)
{
	struct rig r;
	struct client c;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	r.keeps = false;
	client_open(&c, &r);
	client_say(&c, VG_STR(BEHIND), SIZE_MAX);
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	assert_true(client_hears_nothing(&c));
	vg_http_kept(r.h, 1);
	assert_int_equal(client_hear(&c, false, &text), 200);
	client_close(&c);
	rig_stop(&r);
	vg_buf_fini(&text);
}

static void
clients_may_go_away_at_any_time(void **state)
{
	static const char request[] = BEHIND;
	struct vg_http_options o = { .head_ms = 500, .request_ms = 500, .idle_ms = 500 };
	struct rig r;
	struct client c;
	struct vg_http_counts n;
	int64_t until;

	(void)state;
	rig_start(&r, &o);
	r.keeps = false;
	for (size_t i = 0; i < sizeof(request); i += 3) {
		client_open(&c, &r);
		client_say(&c, vg_str_mem(request, i), SIZE_MAX);
		client_close(&c);
	}
	client_open(&c, &r);
	client_say(&c, VG_STR(BEHIND), SIZE_MAX);
	(void)client_hears_nothing(&c);
	client_close(&c); /* while it waits */
	vg_http_kept(r.h, r.taken);
	until = vg_monotonic_ns() + 3 * VG_SEC;
	do {
		rig_turn(&r);
		vg_http_count(r.h, &n);
	} while (n.connections && vg_monotonic_ns() < until);
	assert_int_equal(n.connections, 0);
	assert_int_equal(n.waiting, 0);
	assert_int_equal(n.held_bytes, 0);
	rig_stop(&r);
}

static void
the_server_may_go_away_at_any_time(void **state)
{
	static const char request[] = BEHIND;
	struct rig r;

	(void)state;
	for (size_t i = 0; i <= sizeof(request); i += 7) {
		struct client c;

		rig_start(&r, NULL);
		r.keeps = false;
		client_open(&c, &r);
		client_say(&c, vg_str_mem(request, i < sizeof(request) ? i : sizeof(request) - 1), SIZE_MAX);
		(void)client_hears_nothing(&c);
		rig_stop(&r);
		close(c.fd);
		vg_buf_fini(&c.got);
	}
}

/* Turn until the connection is closed: how many milliseconds. */
static int64_t
closes_after_ms(struct client *c, const char *drip, int every_ms)
{
	int64_t begin = vg_monotonic_ns(), next = begin;

	while (!c->closed && vg_monotonic_ns() < begin + 5 * VG_SEC) {
		if (drip && vg_monotonic_ns() >= next) {
			(void)!send(c->fd, drip, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			next += every_ms * INT64_C(1000000);
		}
		client_turn(c);
	}
	assert_true(c->closed);
	return (vg_monotonic_ns() - begin) / 1000000;
}

static void
slow_clients_are_cut(void **state)
{
	struct vg_http_options o = { .head_ms = 300, .request_ms = 1200, .idle_ms = 2000 };
	static const struct {
		const char *begin, *drip;
		int least_ms, most_ms;
		bool answered;
	} rows[] = {
		{ "", NULL, 200, 1000, false },                                                      /* says nothing */
		{ "", "G", 200, 1000, false },                                                       /* a request line, byte by byte */
		{ "GET / HTTP/1.1\r\nX: ", "x", 200, 1000, false },                                  /* a header */
		{ TO HOST KEY "Content-Length: 100000\r\n\r\n", "x", 1000, 2000, false },            /* a body */
		{ TO HOST "Content-Length: 100000\r\n\r\n", "x", 1000, 2000, false },                /* one that is refused */
		{ TO HOST KEY "Transfer-Encoding: chunked\r\n\r\n5;", "x", 1000, 2000, false },      /* a chunk's extension */
		{ "GET / HTTP/1.1\r\n" HOST KEY "\r\n", NULL, 1500, 3500, true },                    /* idle */
		{ "GET / HTTP/1.1\r\n" HOST KEY "\r\nG", NULL, 1500, 3500, true },                   /* the next request line */
		{ "GET / HTTP/1.1\r\n" HOST KEY "\r\nGET / HTTP/1.1\r\n", "x", 200, 1000, true },    /* the next head */
	};
	struct rig r;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, &o);
	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		struct client c;
		int64_t ms;

		client_open(&c, &r);
		client_say(&c, vg_str_of(rows[i].begin), SIZE_MAX);
		if (rows[i].answered)
			assert_int_equal(client_hear(&c, false, &text), 200);
		ms = closes_after_ms(&c, rows[i].drip, 50);
		if (ms < rows[i].least_ms || ms > rows[i].most_ms)
			print_message("row %zu: %lld ms\n", i, (long long)ms);
		assert_true(ms >= rows[i].least_ms && ms <= rows[i].most_ms);
		client_close(&c);
	}
	assert_int_equal(r.refused[VG_REFUSED_LIMIT], 7);
	rig_stop(&r);
	vg_buf_fini(&text);
}

static void
what_is_not_kept_in_time_is_to_be_sent_again(void **state)
{
	struct vg_http_options o = { .request_ms = 400 };
	struct rig r;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, &o);
	r.keeps = false;
	assert_int_equal(ask(&r, VG_STR(BEHIND), SIZE_MAX, &text), 503);
	rig_stop(&r);
	vg_buf_fini(&text);
}

/* An answer that nobody reads does not stay. */
static void
slow_readers_are_cut(void **state)
{
	struct vg_http_options o = { .request_ms = 600 };
	struct rig r;
	struct client c;
	struct vg_buf q = { 0 }, body = { 0 };
	struct vg_http_counts n;
	int64_t until;

	(void)state;
	rig_start(&r, &o);
	for (uint32_t i = 0; i < 99000; i++)
		vg_buf_puts(&body, "{\"create\":{}}\n{}\n");
	request(&q, "POST", "/a-rather-long-index-name-so-that-the-answer-is-large-and-larger-and-larger/_bulk", "", vg_buf_str(&body));
	client_open(&c, &r);
	for (vg_str s = vg_buf_str(&q); s.n;) { /* client_say() would read */
		ssize_t k = send(c.fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k > 0)
			s = vg_str_skip(s, (size_t)k);
		rig_turn(&r);
	}
	until = vg_monotonic_ns() + 4 * VG_SEC;
	do {
		rig_turn(&r);
		vg_http_count(r.h, &n);
	} while (n.connections && vg_monotonic_ns() < until);
	assert_int_equal(n.connections, 0);
	assert_int_equal(n.timeouts, 1);
	assert_int_equal(r.taken, 99000);
	client_close(&c);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&body);
}

static void
connections_have_limits(void **state)
{
	struct vg_http_options o = { .per_address = 5, .connections = 100 };
	struct client c[8];
	struct vg_http_counts n;
	struct rig r;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, &o);
	for (size_t i = 0; i < 8; i++) {
		client_open(&c[i], &r);
		client_turn(&c[i]);
	}
	for (size_t i = 5; i < 8; i++)
		assert_true(client_is_closed(&c[i]));
	vg_http_count(r.h, &n);
	assert_int_equal(n.connections, 5);
	assert_int_equal(r.refused[VG_REFUSED_LIMIT], 3);
	for (size_t i = 0; i < 8; i++)
		client_close(&c[i]);
	rig_stop(&r);

	/* of all together: the one that says nothing for the longest time makes room */
	o = (struct vg_http_options){ .per_address = 100, .connections = 3 };
	rig_start(&r, &o);
	r.keeps = false;
	client_open(&c[0], &r);
	client_say(&c[0], VG_STR(BEHIND), SIZE_MAX); /* waits for its records */
	assert_true(client_hears_nothing(&c[0]));
	for (size_t i = 1; i < 6; i++) {
		client_open(&c[i], &r);
		assert_true(client_hears_nothing(&c[i]));
	}
	for (size_t i = 1; i < 4; i++)
		assert_true(client_is_closed(&c[i]));
	client_say(&c[5], VG_STR("GET / HTTP/1.1\r\n" HOST KEY "\r\n"), SIZE_MAX);
	assert_int_equal(client_hear(&c[5], false, &text), 200);
	vg_http_kept(r.h, 1);
	assert_int_equal(client_hear(&c[0], false, &text), 200);
	vg_http_count(r.h, &n);
	assert_int_equal(n.evicted, 3);
	for (size_t i = 0; i < 6; i++)
		client_close(&c[i]);
	rig_stop(&r);
	vg_buf_fini(&text);
}

static void
expecting_clients(void **state)
{
	struct rig r;
	struct client c;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	client_open(&c, &r);
	client_say(&c, VG_STR(TO HOST KEY "Expect: 100-continue\r\nContent-Length: 36\r\n\r\n"), SIZE_MAX);
	assert_int_equal(client_hear(&c, true, &text), 100);
	client_say(&c, VG_STR(PAIR), SIZE_MAX);
	assert_int_equal(client_hear(&c, false, &text), 200);
	client_say(&c, VG_STR(TO HOST "Expect: 100-continue\r\nContent-Length: 36\r\n\r\n"), SIZE_MAX);
	assert_int_equal(client_hear(&c, false, &text), 401);
	assert_true(client_is_closed(&c));
	client_close(&c);
	rig_stop(&r);
	vg_buf_fini(&text);
}

/* A refused request of moderate size is read to its end, so that its answer arrives and the connection lives. */
static void
refused_bodies_are_drained(void **state)
{
	struct rig r;
	struct client c;
	struct vg_buf q = { 0 }, text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	client_open(&c, &r);
	for (int i = 0; i < 2; i++) {
		vg_buf_clear(&q);
		vg_buf_printf(&q, TO HOST "Content-Length: 600000\r\n\r\n");
		while (q.n < 600000 + sizeof(TO HOST "Content-Length: 600000\r\n\r\n") - 1)
			vg_buf_putc(&q, 'x');
		client_say(&c, vg_buf_str(&q), SIZE_MAX);
		assert_int_equal(client_hear(&c, false, &text), 401);
	}
	client_close(&c);
	rig_stop(&r);
	vg_buf_fini(&q);
	vg_buf_fini(&text);
}

static void
old_http_is_answered_and_closed(void **state)
{
	struct rig r;
	struct client c;
	struct vg_buf text = { 0 };

	(void)state;
	rig_start(&r, NULL);
	client_open(&c, &r);
	client_say(&c, VG_STR("GET / HTTP/1.0\r\n" KEY "\r\n"), SIZE_MAX);
	assert_int_equal(client_hear(&c, false, &text), 200);
	assert_true(client_is_closed(&c));
	client_close(&c);
	rig_stop(&r);
	vg_buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_client_finds_what_it_asks_for),
		cmocka_unit_test(documents_arrive_byte_for_byte),
		cmocka_unit_test(a_version_of_ones_own),
		cmocka_unit_test(nothing_is_told_without_a_key),
		cmocka_unit_test(too_many_sources),
		cmocka_unit_test(coded_bodies),
		cmocka_unit_test(bombs_and_large_bodies),
		cmocka_unit_test(chunks_are_read_and_end_the_connection),
		cmocka_unit_test(an_answer_waits_until_all_is_kept),
		cmocka_unit_test(what_was_lost_is_told),
		cmocka_unit_test(where_there_is_no_room),
		cmocka_unit_test(who_would_drop_its_records_is_hung_up_on),
		cmocka_unit_test(memory_has_a_limit),
		cmocka_unit_test(refusals_are_counted),
		cmocka_unit_test(ambiguous_requests_are_refused),
		cmocka_unit_test(a_nul_anywhere_in_the_head_is_refused),
		cmocka_unit_test(heads_have_limits),
		cmocka_unit_test(requests_may_follow_each_other_at_once),
		cmocka_unit_test(half_closed_connections_are_answered),
		cmocka_unit_test(clients_may_go_away_at_any_time),
		cmocka_unit_test(the_server_may_go_away_at_any_time),
		cmocka_unit_test(slow_clients_are_cut),
		cmocka_unit_test(what_is_not_kept_in_time_is_to_be_sent_again),
		cmocka_unit_test(slow_readers_are_cut),
		cmocka_unit_test(connections_have_limits),
		cmocka_unit_test(expecting_clients),
		cmocka_unit_test(refused_bodies_are_drained),
		cmocka_unit_test(old_http_is_answered_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
