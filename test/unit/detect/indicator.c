#include "detect/indicator.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "detect/indicator_blob.h"

static struct vg_indicators set;
static char *blob; /* an exact copy */
static size_t nblob;
static struct vg_indicator_made made;
static struct vg_buf seen;
static struct vg_keys *keys;
static struct vg_arena arena;
static struct vg_event event;

struct add {
	enum vg_ioc_kind kind;
	const char *text, *file, *note;
	int64_t expires_ns;
};

static void
build(const struct add *add, size_t n)
{
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_buf out = { 0 };

	assert_non_null(b);
	for (size_t k = 0; k < n; k++) {
		char buf[VG_IOC_BUF];
		struct vg_ioc i = { .note = vg_str_of(add[k].note), .expires_ns = add[k].expires_ns ? add[k].expires_ns : VG_TIME_NONE };

		assert_int_equal(vg_ioc_set(&i, add[k].kind, vg_str_of(add[k].text), buf), VG_OK);
		assert_int_equal(vg_indicator_build_add(b, vg_str_of(add[k].file ? add[k].file : "f"), &i), VG_OK);
	}
	assert_int_equal(vg_indicator_build_finish(b, &out, &made), VG_OK);
	vg_indicator_build_free(b);
	free(blob);
	nblob = out.n;
	assert_non_null(blob = malloc(nblob));
	memcpy(blob, out.p, nblob);
	vg_buf_fini(&out);
	assert_int_equal(vg_indicators_load(vg_str_mem(blob, nblob), &set), VG_OK);
}
#define BUILD(...) build((const struct add[]){ __VA_ARGS__ }, VG_COUNT(((const struct add[]){ __VA_ARGS__ })))

static vg_rc
on_hit(void *ctx, const struct vg_event *e, const struct vg_indicator_hit *h)
{
	(void)ctx;
	(void)e;
	vg_buf_printf(&seen, "%s %.*s", vg_ioc_kind_name(h->kind), VG_STR_ARG(h->value));
	if (h->field)
		vg_buf_printf(&seen, " in %.*s", VG_STR_ARG(h->field->name));
	if (!vg_str_eq(h->file, VG_STR("f")))
		vg_buf_printf(&seen, " of %.*s", VG_STR_ARG(h->file));
	if (h->note.n)
		vg_buf_printf(&seen, " (%.*s)", VG_STR_ARG(h->note));
	vg_buf_putc(&seen, ';');
	return VG_OK;
}

static vg_rc
match_at(int64_t now_ns)
{
	vg_rc rc;

	vg_buf_clear(&seen);
	rc = vg_indicators_match(&set, &event, now_ns, on_hit, NULL);
	vg_buf_putc(&seen, 0);
	return rc;
}

/* One field of the value, in an exact copy. */
static void
assert_hits(const char *value, const char *want)
{
	size_t n = strlen(value);
	char *copy = malloc(n ? n : 1);

	memcpy(copy, value, n);
	vg_event_reset(&event);
	assert_int_equal(vg_event_add(&event, VG_STR("x"), VG_KIND_TEXT, vg_str_mem(copy, n)), VG_OK);
	assert_int_equal(match_at(0), VG_OK);
	if (strcmp(seen.p, want) != 0)
		fail_msg("%s: %s", value, seen.p);
	free(copy);
}

static void
siphash_is_the_published_one(void **state)
{
	unsigned char in[64], key[16], want[16];
	uint64_t k[2];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		key[i] = (unsigned char)i;
	memcpy(k, key, 16);
	for (unsigned n = 0; n < sizeof(in); n++) {
		struct vg_sip got = vg_sip128(vg_str_mem(in, n), k, 2, 4);

		assert_int_equal(crypto_shorthash_siphashx24(want, in, n, key), 0);
		assert_memory_equal(&got, want, 16);
		in[n] = (unsigned char)n;
	}
}

static void
addresses_are_found_wherever_they_stand(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_IP, .text = "192.0.2.1" }, { .kind = VG_IOC_IP, .text = "2001:db8::1" });
	assert_hits("192.0.2.1", "ip 192.0.2.1 in x;");
	assert_hits("192.0.2.1:443", "ip 192.0.2.1 in x;");
	assert_hits("::ffff:192.0.2.1", "ip 192.0.2.1 in x;");
	assert_hits("from 192.0.2.1.", "ip 192.0.2.1 in x;");
	assert_hits("192.0.2.9->192.0.2.1", "ip 192.0.2.1 in x;");
	assert_hits("192.0.2.9-192.0.2.1", "ip 192.0.2.1 in x;");
	assert_hits("http://192.0.2.1/x", "ip 192.0.2.1 in x;");
	assert_hits("2001:DB8:0:0:0:0:0:1", "ip 2001:db8::1 in x;");
	assert_hits("ip:2001:db8::1", "ip 2001:db8::1 in x;");
	assert_hits("to [2001:db8::1]:443 and back", "ip 2001:db8::1 in x;");
	assert_hits("2001:db8::1%eth0", "ip 2001:db8::1 in x;");
	assert_hits("1192.0.2.1", "");
	assert_hits("192.0.2.10", "");
	assert_hits("a192.0.2.1", "");
	assert_hits("192.0.2.1.5", "");
	assert_hits("10:20:30 2001:db8::2 ::", "");
	assert_hits("", "");
}

static void
networks_hold_their_addresses(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_NET, .text = "10.0.0.0/8" }, { .kind = VG_IOC_NET, .text = "10.1.0.0/16" }, { .kind = VG_IOC_NET, .text = "10.1.2.128/25" }, { .kind = VG_IOC_NET, .text = "192.0.2.0/24" },
	      { .kind = VG_IOC_NET, .text = "2001:db8::/32" }, { .kind = VG_IOC_NET, .text = "10.1.0.0/16", .file = "g" });
	assert_int_equal(made.entries, 6);
	assert_int_equal(set.count[VG_IOC_NET], 5);
	assert_hits("10.1.2.129", "network 10.1.2.128/25 in x;network 10.1.0.0/16 in x of g;network 10.1.0.0/16 in x;network 10.0.0.0/8 in x;");
	assert_hits("10.1.2.127", "network 10.1.0.0/16 in x of g;network 10.1.0.0/16 in x;network 10.0.0.0/8 in x;");
	assert_hits("10.255.255.255", "network 10.0.0.0/8 in x;");
	assert_hits("11.0.0.0 9.255.255.255 192.0.3.0 192.0.1.255", "");
	assert_hits("192.0.2.0 192.0.2.255", "network 192.0.2.0/24 in x;");
	assert_hits("2001:db8:ffff::1", "network 2001:db8::/32 in x;");
	assert_hits("2001:db9::", "");
}

static void
names_of_hosts_and_all_below_them(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_DOMAIN, .text = "evil.example" }, { .kind = VG_IOC_DOMAIN, .text = "c2.bad.test" }, { .kind = VG_IOC_DOMAIN, .text = "bücher.example" });
	assert_hits("evil.example", "domain evil.example in x;");
	assert_hits("EVIL.Example.", "domain evil.example in x;");
	assert_hits("a.b.c.d.evil.example", "domain evil.example in x;");
	assert_hits("cmd /c curl -s https://www.evil.example:8443/a.php?x=1", "domain evil.example in x;");
	assert_hits("bob@evil.example", "domain evil.example in x;");
	assert_hits("type=A query=\"c2.bad.test\"", "domain c2.bad.test in x;");
	assert_hits("BÜCHER.example", "domain bücher.example in x;");
	assert_hits("www.bücher.example", "domain bücher.example in x;");
	assert_hits("notevil.example", "");
	assert_hits("evil.example.com", "");
	assert_hits("bad.test", "");
	assert_hits("evil.example@corp.local", "");
	assert_hits("...evil..example", "");
}

static void
urls_with_and_without_query(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_URL, .text = "http://evil.example/gate.php" }, { .kind = VG_IOC_URL, .text = "https://evil.example/q?id=7" }, { .kind = VG_IOC_URL, .text = "http://host.test/" });
	assert_hits("http://evil.example/gate.php", "url evil.example/gate.php in x;");
	assert_hits("HTTPS://EVIL.example:443/gate.php?x=1#y", "url evil.example/gate.php in x;");
	assert_hits("powershell iwr 'hxxp://x' ; iwr 'http://u:p@evil.example/gate.php'", "url evil.example/gate.php in x;");
	assert_hits("GET evil.example/gate.php HTTP/1.1", "url evil.example/gate.php in x;");
	assert_hits("(see http://evil.example/gate.php).", "url evil.example/gate.php in x;");
	assert_hits("https://evil.example/q?id=7", "url evil.example/q?id=7 in x;");
	assert_hits("https://evil.example/q?id=8", "");
	assert_hits("https://evil.example/q", "");
	assert_hits("http://host.test", "url host.test in x;");
	assert_hits("host.test", ""); /* a URL's host is not the URL */
	assert_hits("http://host.test/other", "");
	assert_hits("http://a.evil.example/gate.php", "");
	assert_hits("https://proxy.test/?to=http://evil.example/gate.php", "url evil.example/gate.php in x;");
	assert_hits("a://b a://b a://b a://b a://b a://b a://b a://b a://b a://b http://evil.example/gate.php", "url evil.example/gate.php in x;");
}

/* What an outsider sends must not cost more than its bytes. */
static void
hostile_text_is_done_in_time(void **state)
{
	static const char *const parts[] = { "a://", "a.b/,", "1.1.", "a.", "::", "a:", "a@a.b", "0123456789abcdef", "a.b?", "1.1.1.1-", "http://a.b/?" };
	enum { N = 1 << 20 };
	char *text = malloc(N);

	(void)state;
	BUILD({ .kind = VG_IOC_IP, .text = "192.0.2.1" }, { .kind = VG_IOC_NET, .text = "10.0.0.0/8" }, { .kind = VG_IOC_DOMAIN, .text = "x.b" },
	      { .kind = VG_IOC_URL, .text = "http://x.b/y" }, { .kind = VG_IOC_EMAIL, .text = "x@x.b" }, { .kind = VG_IOC_MD5, .text = "d41d8cd98f00b204e9800998ecf8427e" },
	      { .kind = VG_IOC_FILE, .text = "x.b" }, { .kind = VG_IOC_USER, .text = "a.b" });
	for (size_t k = 0; k < VG_COUNT(parts); k++) {
		size_t n = strlen(parts[k]);
		clock_t begin = clock();

		for (size_t i = 0; i < N; i++)
			text[i] = parts[k][i % n];
		vg_event_reset(&event);
		assert_int_equal(vg_event_add(&event, VG_STR("x"), VG_KIND_TEXT, vg_str_mem(text, N)), VG_OK);
		assert_int_equal(match_at(0), VG_OK);
		vg_event_reset(&event);
		event.raw = vg_str_mem(text, N);
		assert_int_equal(match_at(0), VG_OK);
		if (clock() - begin > CLOCKS_PER_SEC * 3 / 2) /* 0.1 s without sanitizers */
			fail_msg("%s: %.2f s", parts[k], (double)(clock() - begin) / CLOCKS_PER_SEC);
	}
	free(text);
}

static void
digests_mail_and_names(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_MD5, .text = "d41d8cd98f00b204e9800998ecf8427e" }, { .kind = VG_IOC_SHA256, .text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	      { .kind = VG_IOC_IMPHASH, .text = "00112233445566778899aabbccddeeff" }, { .kind = VG_IOC_EMAIL, .text = "bob.x@evil.example" }, { .kind = VG_IOC_FILE, .text = "Evil Tool.exe" },
	      { .kind = VG_IOC_FILE, .text = "mimi.exe" }, { .kind = VG_IOC_FILE, .text = "C:\\ProgramData\\a.dat" }, { .kind = VG_IOC_USER, .text = "backdoor$" }, { .kind = VG_IOC_TEXT, .text = "Global\\Mtx 7" });
	assert_hits("MD5=D41D8CD98F00B204E9800998ECF8427E,SHA256=E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855,IMPHASH=00112233445566778899AABBCCDDEEFF",
		    "md5 d41d8cd98f00b204e9800998ecf8427e in x;sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 in x;"
		    "imphash 00112233445566778899aabbccddeeff in x;");
	assert_hits("d41d8cd98f00b204e9800998ecf8427e", "md5 d41d8cd98f00b204e9800998ecf8427e in x;");
	assert_hits("xd41d8cd98f00b204e9800998ecf8427e d41d8cd98f00b204e9800998ecf8427ea d41d8cd98f00b204e9800998ecf8427", "");
	assert_hits("from=<Bob.X@Evil.Example>", "email bob.x@evil.example in x;");
	assert_hits("abob.x@evil.example", "");
	assert_hits("\"C:\\Users\\x\\mimi.exe\" privilege::debug", "file mimi.exe in x;");
	assert_hits("C:\\Users\\x\\EVIL TOOL.EXE", "file evil tool.exe in x;");
	assert_hits("/tmp/mimi.exe", "file mimi.exe in x;");
	assert_hits("c:\\programdata\\A.DAT", "file c:\\programdata\\a.dat in x;");
	assert_hits("a.dat", "");
	assert_hits("CONTOSO\\Backdoor$", "user backdoor$ in x;");
	assert_hits("backdoor$", "user backdoor$ in x;");
	assert_hits("the backdoor$ user", "");
	assert_hits("global\\mtx 7", "text global\\mtx 7 in x;");
}

static void
raw_text_is_looked_through_when_there_are_no_fields(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_USER, .text = "backdoor" }, { .kind = VG_IOC_IP, .text = "192.0.2.1" }, { .kind = VG_IOC_DOMAIN, .text = "evil.example" });
	vg_event_reset(&event);
	event.raw = VG_STR("Failed password for invalid user backdoor from 192.0.2.1 (evil.example)");
	assert_int_equal(match_at(0), VG_OK);
	assert_non_null(strstr(seen.p, "user backdoor;"));
	assert_non_null(strstr(seen.p, "ip 192.0.2.1;"));
	assert_non_null(strstr(seen.p, "domain evil.example;"));
}

static void
expired_entries_do_not_match(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_IP, .text = "192.0.2.1", .expires_ns = 1000 * VG_SEC }, { .kind = VG_IOC_NET, .text = "192.0.2.0/24", .expires_ns = 2000 * VG_SEC });
	vg_event_reset(&event);
	assert_int_equal(vg_event_add(&event, VG_STR("x"), VG_KIND_TEXT, VG_STR("192.0.2.1")), VG_OK);
	assert_int_equal(match_at(1000 * VG_SEC - 1), VG_OK);
	assert_string_equal(seen.p, "network 192.0.2.0/24 in x;ip 192.0.2.1 in x;");
	assert_int_equal(match_at(1000 * VG_SEC), VG_OK);
	assert_string_equal(seen.p, "network 192.0.2.0/24 in x;");
	assert_int_equal(match_at(2000 * VG_SEC), VG_OK);
	assert_string_equal(seen.p, "");
}

static void
each_source_is_named_once_an_event(void **state)
{
	(void)state;
	BUILD({ .kind = VG_IOC_IP, .text = "192.0.2.1", .file = "a.csv", .note = "first" }, { .kind = VG_IOC_IP, .text = "192.0.2.1", .file = "b.csv", .note = "second" },
	      { .kind = VG_IOC_IP, .text = "192.0.2.1", .file = "a.csv", .note = "again", .expires_ns = 5 * VG_SEC });
	assert_int_equal(made.entries, 2);
	assert_int_equal(made.merged, 1);
	assert_int_equal(set.count[VG_IOC_IP], 1);
	vg_event_reset(&event);
	assert_int_equal(vg_event_add(&event, VG_STR("IpAddress"), VG_KIND_TEXT, VG_STR("192.0.2.1")), VG_OK);
	assert_int_equal(vg_event_add(&event, VG_STR("other"), VG_KIND_TEXT, VG_STR("192.0.2.1")), VG_OK);
	assert_int_equal(vg_event_add_known(&event, VG_K_SOURCE_IP, VG_KIND_TEXT, VG_STR("192.0.2.1")), VG_OK);
	assert_int_equal(match_at(9 * VG_SEC), VG_OK); /* the later expiry of the two counts: never */
	assert_string_equal(seen.p, "ip 192.0.2.1 in source.ip of b.csv (second);ip 192.0.2.1 in source.ip of a.csv (first);");
}

static void
too_many_in_one_event_are_told(void **state)
{
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_buf out = { 0 }, text = { 0 };
	struct vg_indicators x;
	char buf[VG_IOC_BUF], ip[32];
	size_t n = 0;

	(void)state;
	for (unsigned k = 0; k <= VG_INDICATOR_HITS_MAX; k++) {
		struct vg_ioc i = { .expires_ns = VG_TIME_NONE };

		snprintf(ip, sizeof(ip), "192.0.2.%u", k);
		vg_buf_printf(&text, "%s ", ip);
		assert_int_equal(vg_ioc_set(&i, VG_IOC_IP, vg_str_of(ip), buf), VG_OK);
		assert_int_equal(vg_indicator_build_add(b, VG_STR("f"), &i), VG_OK);
	}
	assert_int_equal(vg_indicator_build_finish(b, &out, &made), VG_OK);
	assert_int_equal(vg_indicators_load(vg_buf_str(&out), &x), VG_OK);
	vg_event_reset(&event);
	assert_int_equal(vg_event_add(&event, VG_STR("x"), VG_KIND_TEXT, vg_buf_str(&text)), VG_OK);
	vg_buf_clear(&seen);
	assert_int_equal(vg_indicators_match(&x, &event, 0, on_hit, NULL), VG_E_LIMIT);
	vg_buf_putc(&seen, 0);
	for (const char *p = seen.p; (p = strchr(p, ';')) != NULL; p++)
		n++;
	assert_int_equal(n, VG_INDICATOR_HITS_MAX);
	vg_buf_fini(&text);
	vg_buf_fini(&out);
	vg_indicator_build_free(b);
}

/* All of a larger set is found, and nothing that is not in it. */
static void
a_set_holds_what_was_put_in_and_no_more(void **state)
{
	enum { N = 20000 };
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_buf out = { 0 };
	struct vg_indicators x;
	char buf[VG_IOC_BUF], text[64];

	(void)state;
	for (unsigned k = 0; k < N; k++) {
		struct vg_ioc i = { .expires_ns = VG_TIME_NONE };

		snprintf(text, sizeof(text), "h%u.example", 2 * k);
		assert_int_equal(vg_ioc_set(&i, VG_IOC_DOMAIN, vg_str_of(text), buf), VG_OK);
		assert_int_equal(vg_indicator_build_add(b, VG_STR("f"), &i), VG_OK);
	}
	assert_int_equal(vg_indicator_build_finish(b, &out, &made), VG_OK);
	assert_int_equal(vg_indicators_load(vg_buf_str(&out), &x), VG_OK);
	for (unsigned k = 0; k < 2 * N; k++) {
		snprintf(text, sizeof(text), "h%u.example", k);
		vg_event_reset(&event);
		assert_int_equal(vg_event_add(&event, VG_STR("x"), VG_KIND_TEXT, vg_str_of(text)), VG_OK);
		vg_buf_clear(&seen);
		assert_int_equal(vg_indicators_match(&x, &event, 0, on_hit, NULL), VG_OK);
		assert_int_equal(seen.n > 0, k % 2 == 0);
	}
	vg_buf_fini(&out);
	vg_indicator_build_free(b);
}

static void
an_empty_set_matches_nothing(void **state)
{
	(void)state;
	build(NULL, 0);
	assert_hits("192.0.2.1 evil.example", "");
}

static void
every_truncation_of_a_blob_is_refused(void **state)
{
	struct vg_indicators x;

	(void)state;
	BUILD({ .kind = VG_IOC_IP, .text = "192.0.2.1" }, { .kind = VG_IOC_NET, .text = "10.0.0.0/8" }, { .kind = VG_IOC_TEXT, .text = "abc", .file = "f", .note = "note" });
	for (size_t n = 0; n + 8 < nblob; n += n < sizeof(struct vg_indicator_head) ? 61 : 1) {
		char *cut = malloc(n ? n : 1);

		memcpy(cut, blob, n);
		assert_int_not_equal(vg_indicators_load(vg_str_mem(cut, n), &x), VG_OK);
		free(cut);
	}
}

static int
setup(void **state)
{
	(void)state;
	keys = vg_keys_new();
	vg_arena_init(&arena, (size_t)64 << 20);
	vg_event_init(&event, &arena, keys);
	return sodium_init() < 0;
}

static int
teardown(void **state)
{
	(void)state;
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	vg_buf_fini(&seen);
	free(blob);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_is_the_published_one),
		cmocka_unit_test(addresses_are_found_wherever_they_stand),
		cmocka_unit_test(networks_hold_their_addresses),
		cmocka_unit_test(names_of_hosts_and_all_below_them),
		cmocka_unit_test(urls_with_and_without_query),
		cmocka_unit_test(hostile_text_is_done_in_time),
		cmocka_unit_test(digests_mail_and_names),
		cmocka_unit_test(raw_text_is_looked_through_when_there_are_no_fields),
		cmocka_unit_test(expired_entries_do_not_match),
		cmocka_unit_test(each_source_is_named_once_an_event),
		cmocka_unit_test(too_many_in_one_event_are_told),
		cmocka_unit_test(a_set_holds_what_was_put_in_and_no_more),
		cmocka_unit_test(an_empty_set_matches_nothing),
		cmocka_unit_test(every_truncation_of_a_blob_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
