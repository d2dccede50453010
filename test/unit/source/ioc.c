#include "source/ioc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

static char buf[VG_IOC_BUF];

static void
assert_set(enum vg_ioc_kind kind, const char *text, enum vg_ioc_kind want, const char *value)
{
	struct vg_ioc i;

	assert_int_equal(vg_ioc_set(&i, kind, vg_str_of(text), buf), VG_OK);
	assert_int_equal(i.kind, want);
	assert_int_equal(i.value.n, strlen(value));
	assert_memory_equal(i.value.p, value, i.value.n);
}

static void
values_are_written_one_way(void **state)
{
	(void)state;
	assert_set(VG_IOC_IP, " 192[.]0[.]2(.)1 ", VG_IOC_IP, "192.0.2.1");
	assert_set(VG_IOC_IP, "192.0.2.1:8443", VG_IOC_IP, "192.0.2.1");
	assert_set(VG_IOC_IP, "192.0.2.77/24", VG_IOC_NET, "192.0.2.0/24");
	assert_set(VG_IOC_NET, "192.0.2.77/32", VG_IOC_IP, "192.0.2.77");
	assert_set(VG_IOC_IP, "[2001:0DB8:0::1]", VG_IOC_IP, "2001:db8::1");
	assert_set(VG_IOC_IP, "::ffff:192.0.2.1", VG_IOC_IP, "192.0.2.1");
	assert_set(VG_IOC_NET, "2001:db8::/32", VG_IOC_NET, "2001:db8::/32");
	assert_set(VG_IOC_DOMAIN, "*.Evil[.]Example.", VG_IOC_DOMAIN, "evil.example");
	assert_set(VG_IOC_DOMAIN, "evil[dot]example", VG_IOC_DOMAIN, "evil.example");
	assert_set(VG_IOC_DOMAIN, "BÜCHER.example", VG_IOC_DOMAIN, "bücher.example");
	assert_set(VG_IOC_URL, "hXXps[://]user:pw@Evil[.]Example:443/A/b/#top", VG_IOC_URL, "evil.example/a/b");
	assert_set(VG_IOC_URL, "evil.example:8080/?q=1", VG_IOC_URL, "evil.example:8080/?q=1");
	assert_set(VG_IOC_EMAIL, "Bob[@]Evil(.)example", VG_IOC_EMAIL, "bob@evil.example");
	assert_set(VG_IOC_MD5, "D41D8CD98F00B204E9800998ECF8427E", VG_IOC_MD5, "d41d8cd98f00b204e9800998ecf8427e");
	assert_set(VG_IOC_FILE, "C:\\Temp\\Evil[1].EXE", VG_IOC_FILE, "c:\\temp\\evil[1].exe");
	assert_set(VG_IOC_USER, "CONTOSO\\Bob", VG_IOC_USER, "contoso\\bob");
}

static void
what_is_no_such_value_is_refused(void **state)
{
	static const struct {
		enum vg_ioc_kind kind;
		const char *text;
		vg_rc rc;
	} bad[] = {
		{ VG_IOC_IP, "256.1.1.1", VG_E_FORMAT }, { VG_IOC_IP, "", VG_E_FORMAT }, { VG_IOC_IP, "evil.example", VG_E_FORMAT },
		{ VG_IOC_NET, "0.0.0.0/0", VG_E_LIMIT }, { VG_IOC_NET, "10.0.0.0/7", VG_E_LIMIT }, { VG_IOC_NET, "::/0", VG_E_LIMIT },
		{ VG_IOC_NET, "2000::/3", VG_E_LIMIT }, { VG_IOC_NET, "10.0.0.0/33", VG_E_FORMAT },
		{ VG_IOC_DOMAIN, "localhost", VG_E_FORMAT }, { VG_IOC_DOMAIN, "a..example", VG_E_FORMAT }, { VG_IOC_DOMAIN, "a b.example", VG_E_FORMAT },
		{ VG_IOC_DOMAIN, "1.2.3.4", VG_E_FORMAT }, { VG_IOC_URL, "https:///x", VG_E_FORMAT },
		{ VG_IOC_EMAIL, "@evil.example", VG_E_FORMAT }, { VG_IOC_EMAIL, "bob@evil", VG_E_FORMAT },
		{ VG_IOC_MD5, "d41d8cd98f00b204e9800998ecf8427", VG_E_FORMAT }, { VG_IOC_SHA1, "d41d8cd98f00b204e9800998ecf8427e", VG_E_FORMAT },
		{ VG_IOC_MD5, "g41d8cd98f00b204e9800998ecf8427e", VG_E_FORMAT }, { VG_IOC_TEXT, "ab", VG_E_LIMIT },
	};
	static char long_text[VG_IOC_VALUE_MAX + 2];
	struct vg_ioc i;

	(void)state;
	for (size_t k = 0; k < VG_COUNT(bad); k++)
		if (vg_ioc_set(&i, bad[k].kind, vg_str_of(bad[k].text), buf) != bad[k].rc)
			fail_msg("%s", bad[k].text);
	memset(long_text, 'x', sizeof(long_text) - 1);
	assert_int_equal(vg_ioc_set(&i, VG_IOC_TEXT, vg_str_of(long_text), buf), VG_E_LIMIT);
}

static void
kinds_are_guessed(void **state)
{
	(void)state;
	assert_set(VG_IOC_KINDS, "192[.]0.2.1", VG_IOC_IP, "192.0.2.1");
	assert_set(VG_IOC_KINDS, "192.0.2.0/24", VG_IOC_NET, "192.0.2.0/24");
	assert_set(VG_IOC_KINDS, "evil[.]example", VG_IOC_DOMAIN, "evil.example");
	assert_set(VG_IOC_KINDS, "hxxp://evil.example/x", VG_IOC_URL, "evil.example/x");
	assert_set(VG_IOC_KINDS, "evil.example/x.php", VG_IOC_URL, "evil.example/x.php");
	assert_set(VG_IOC_KINDS, "bob@evil.example", VG_IOC_EMAIL, "bob@evil.example");
	assert_set(VG_IOC_KINDS, "da39a3ee5e6b4b0d3255bfef95601890afd80709", VG_IOC_SHA1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	assert_set(VG_IOC_KINDS, "invoice.docm", VG_IOC_FILE, "invoice.docm");
	assert_set(VG_IOC_KINDS, "Global\\Mutex1", VG_IOC_FILE, "global\\mutex1");
	assert_set(VG_IOC_KINDS, "supportuser", VG_IOC_TEXT, "supportuser");
}

static void
keywords_find_raw_records(void **state)
{
	static const struct {
		enum vg_ioc_kind kind;
		const char *text, *keyword; /* NULL: none */
	} all[] = {
		{ VG_IOC_IP, "192.0.2.1", "192.0.2.1" }, { VG_IOC_NET, "10.1.0.0/20", "10.1." }, { VG_IOC_NET, "10.0.0.0/9", "10." },
		{ VG_IOC_IP, "2001:db8::1", "2001:db8:" }, { VG_IOC_IP, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6" }, { VG_IOC_IP, "::1", NULL },
		{ VG_IOC_NET, "2001:db8::/32", "2001:db8:" }, { VG_IOC_URL, "http://Evil.example/x/y", "evil.example" },
		{ VG_IOC_DOMAIN, "Evil.example", "evil.example" },
	};
	char out[VG_IOC_BUF];
	struct vg_ioc i;
	vg_str got;

	(void)state;
	for (size_t k = 0; k < VG_COUNT(all); k++) {
		assert_int_equal(vg_ioc_set(&i, all[k].kind, vg_str_of(all[k].text), buf), VG_OK);
		assert_int_equal(vg_ioc_keyword(&i, out, &got), all[k].keyword != NULL);
		if (all[k].keyword && !vg_str_eq(got, vg_str_of(all[k].keyword)))
			fail_msg("%s: %.*s", all[k].text, VG_STR_ARG(got));
	}
}

/* --- files --- */

static struct vg_buf seen;

static vg_rc
on_entry(void *ctx, const struct vg_ioc *i)
{
	char t[VG_TIME_MAX];

	(void)ctx;
	vg_buf_printf(&seen, "%s %.*s", vg_ioc_kind_name(i->kind), VG_STR_ARG(i->value));
	if (i->source.n)
		vg_buf_printf(&seen, " by %.*s", VG_STR_ARG(i->source));
	if (i->note.n)
		vg_buf_printf(&seen, " (%.*s)", VG_STR_ARG(i->note));
	if (i->expires_ns != VG_TIME_NONE) {
		vg_time_print(i->expires_ns, 0, t);
		vg_buf_printf(&seen, " until %s", t);
	}
	vg_buf_putc(&seen, '\n');
	return VG_OK;
}

static void
on_problem(void *ctx, const struct vg_ioc_problem *p)
{
	(void)ctx;
	vg_buf_printf(&seen, "! %llu %.*s: %s\n", (unsigned long long)p->at, VG_STR_ARG(p->id), p->text);
}

static struct vg_ioc_reader reader;

static vg_rc
read_text(const char *text, size_t n, bool all)
{
	char *exact = malloc(n ? n : 1); /* so that a read past its end is seen */
	vg_rc rc;

	memcpy(exact, text, n);
	vg_buf_clear(&seen);
	reader = (struct vg_ioc_reader){ .text = vg_str_mem(exact, n), .all = all, .expires_ns = VG_TIME_NONE, .entry = on_entry,
					 .problem = on_problem };
	rc = vg_ioc_read(&reader);
	vg_buf_putc(&seen, 0);
	free(exact);
	return rc;
}

static void
assert_read(const char *text, const char *want)
{
	assert_int_equal(read_text(text, strlen(text), false), VG_OK);
	assert_string_equal(seen.p, want);
}

static void
lines(void **state)
{
	(void)state;
	assert_read("\xef\xbb\xbf# a list\r\nevil[.]example\r\n\n192.0.2.0/24\n\"invoice.docm\"\n  # end\nxy\n0.0.0.0/0",
		    "domain evil.example\nnetwork 192.0.2.0/24\nfile invoice.docm\n"
		    "! 7 : 'xy' is too long, too short or too wide to be used\n! 8 : '0.0.0.0/0' is too long, too short or too wide to be used\n");
	assert_int_equal(reader.n.taken, 3);
	assert_int_equal(reader.n.bad, 2);
	assert_read("", "");
	assert_read("# nothing\n", "");
}

static void
tables(void **state)
{
	(void)state;
	assert_read("# by the CERT\nType,Value,source,expires,comment\nip,192.0.2.1,CERT,2026-12-31,\"beacon, \"\"stage 2\"\"\nmore\"\n"
		    "domain,evil[.]example,,2026-01-01T10:00:00Z,\n# a comment,in,between\nbitcoin,1abc,,,\nip,nonsense,,,\nmd5,,,,\n"
		    "hash,da39a3ee5e6b4b0d3255bfef95601890afd80709,,soon,\n,evil2.example,,1767225600,\n",
		    "ip 192.0.2.1 by CERT (beacon, \"stage 2\") until 2027-01-01T00:00:00Z\n"
		    "domain evil.example until 2026-01-01T10:00:00Z\n"
		    "! 4 : type 'bitcoin' is not one that is matched\n! 5 : 'nonsense' is no ip\n! 6 : a row without a value\n"
		    "! 7 : 'soon' is no time: the entry is kept as if it named none\n"
		    "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709\ndomain evil2.example until 2026-01-01T00:00:00Z\n");
	assert_int_equal(reader.n.taken, 4);
	assert_int_equal(reader.n.unknown, 1);
	assert_int_equal(reader.n.bad, 2);
	assert_read("value;type\nevil.example;domain\n", "domain evil.example\n");
	assert_read("ioc\nevil.example\n192.0.2.1\n", "domain evil.example\nip 192.0.2.1\n");
}

static void
utf16(void **state)
{
	const char *text = "evil.example\n";
	char wide[64] = "\xff\xfe";
	size_t n = 2;

	(void)state;
	for (const char *c = text; *c; c++) {
		wide[n++] = *c;
		wide[n++] = 0;
	}
	assert_int_equal(read_text(wide, n, false), VG_OK);
	assert_string_equal(seen.p, "domain evil.example\n");
	assert_int_equal(read_text("a\0b", 3, false), VG_E_FORMAT);
}

#define ATTR(type, value, ids) "{\"uuid\":\"u1\",\"type\":\"" type "\",\"to_ids\":" ids ",\"value\":\"" value "\",\"Tag\":[{\"name\":\"x\",\"value\":\"no\"}]}"

static void
misp(void **state)
{
	static const char event[] = "{\"Event\":{\"id\":\"1\",\"Attribute\":[" ATTR("ip-dst|port", "192.0.2.1|443", "true") "," ATTR("domain", "off.example", "false") ","
				    ATTR("filename|sha1", "a.exe|da39a3ee5e6b4b0d3255bfef95601890afd80709", "true") "],"
				    "\"Object\":[{\"name\":\"file\",\"Attribute\":[{\"type\":\"md5\",\"to_ids\":\"1\",\"value\":\"d41d8cd98f00b204e9800998ecf8427e\","
				    "\"comment\":\"dropper\\nsecond line\"}," ATTR("btc", "1x", "true") "]}],\"info\":\"Campaign \\\"X\\\"\"}}";
	static const char want[] = "ip 192.0.2.1 (Campaign \"X\")\nsha1 da39a3ee5e6b4b0d3255bfef95601890afd80709 (Campaign \"X\")\n"
				   "md5 d41d8cd98f00b204e9800998ecf8427e (dropper)\n! 5 u1: type 'btc' is not one that is matched\n";
	char text[8192];

	(void)state;
	assert_read(event, want);
	assert_int_equal(reader.n.passed, 1);
	assert_int_equal(reader.n.unknown, 1);
	snprintf(text, sizeof(text), "{\"response\":[%s]}", event);
	assert_read(text, want);
	snprintf(text, sizeof(text), "[%s]", event);
	assert_read(text, want);
	assert_read("{\"response\":{\"Attribute\":[" ATTR("domain|ip", "evil.example|192.0.2.9", "true") "]}}",
		    "domain evil.example\nip 192.0.2.9\n");
	assert_int_equal(read_text(event, sizeof(event) - 1, true), VG_OK);
	assert_non_null(strstr(seen.p, "domain off.example"));
	assert_read("{\"Attribute\":[{\"type\":\"domain\",\"to_ids\":true,\"deleted\":true,\"value\":\"evil.example\"}]}", "");
}

#define IND(id, pattern) "{\"type\":\"indicator\",\"spec_version\":\"2.1\",\"id\":\"indicator--" id "\",\"pattern_type\":\"stix\",\"pattern\":\"" pattern "\",\"name\":\"N\",\"valid_until\":\"2026-06-01T00:00:00Z\"}"
#define UNTIL " (N) until 2026-06-01T00:00:00Z\n"

static void
stix(void **state)
{
	(void)state;
	assert_read("{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[" IND("1", "[ipv4-addr:value = '192.0.2.1'] OR [url:value='http://evil.example/x']") ","
		    IND("2", "[file:hashes.'SHA-256' = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' OR file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']") ","
		    "{\"type\":\"malware\",\"id\":\"malware--1\"}," IND("3", "[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'a.example']") ","
		    IND("4", "[process:name = 'x' OR domain-name:value IN ('a.example', 'b.example')]") "," IND("5", "[ipv4-addr:value = ") ","
		    IND("6", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']") "," IND("7", "[file:name LIKE 'a%']") "," IND("8", "[email-addr:value = 'o\\\\'x@evil.example']") ","
		    IND("9", "[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example']") ","
		    "{\"type\":\"indicator\",\"id\":\"indicator--10\",\"revoked\":true,\"pattern\":\"[domain-name:value = 'r.example']\"},"
		    "{\"type\":\"indicator\",\"id\":\"indicator--11\",\"pattern_type\":\"yara\",\"pattern\":\"rule x\"}]}",
		    "ip 192.0.2.1" UNTIL "url evil.example/x" UNTIL
		    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" UNTIL "md5 d41d8cd98f00b204e9800998ecf8427e" UNTIL
		    "! 4 indicator--3: its pattern asks for more than values joined by OR\n"
		    "! 5 indicator--4: 'process:name' is not matched\ndomain a.example" UNTIL "domain b.example" UNTIL
		    "! 6 indicator--5: its pattern cannot be read: bad format\nnetwork 198.51.100.0/24" UNTIL
		    "! 8 indicator--7: its pattern asks for more than values joined by OR\nemail o'x@evil.example" UNTIL
		    "! 10 indicator--9: its pattern asks for more than values joined by OR\n"
		    "! 12 indicator--11: a pattern of type 'yara', not stix\n");
	assert_int_equal(reader.n.passed, 2);
	assert_int_equal(reader.n.unknown, 5);
	assert_int_equal(reader.n.bad, 1);
	assert_read(IND("1", "[domain-name:value = 'a.example']"), "domain a.example" UNTIL);
	assert_read("[" IND("1", "([domain-name:value = 'a.example'])") "]", "domain a.example" UNTIL);
}

static void
json_that_breaks_off_keeps_what_came_before(void **state)
{
	static const char text[] = "{\"objects\":[" IND("1", "[domain-name:value = 'a.example']") "," IND("2", "[domain-name:value = 'b.example']") "]}";
	char deep[400];

	(void)state;
	for (size_t n = 1; n < sizeof(text) - 1; n++)
		assert_int_equal(read_text(text, n, false), VG_E_FORMAT);
	assert_int_equal(read_text(text, sizeof(text) - 4, false), VG_E_FORMAT);
	assert_int_equal(reader.n.taken, 1);
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "[{}", 3);
	memset(deep + 3, '[', sizeof(deep) - 3);
	assert_int_equal(read_text(deep, sizeof(deep), false), VG_E_FORMAT);
}

static void
problems_are_told_up_to_a_limit_and_counted_beyond(void **state)
{
	struct vg_buf b = { 0 };
	size_t told = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * VG_IOC_PROBLEMS_MAX; i++)
		vg_buf_puts(&b, "xy\n");
	assert_int_equal(read_text(b.p, b.n, false), VG_OK);
	for (const char *p = seen.p; (p = strchr(p, '!')) != NULL; p++)
		told++;
	assert_int_equal(told, VG_IOC_PROBLEMS_MAX);
	assert_int_equal(reader.n.bad, 3 * VG_IOC_PROBLEMS_MAX);
	vg_buf_fini(&b);
}

static int
teardown(void **state)
{
	(void)state;
	vg_buf_fini(&seen);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_written_one_way),
		cmocka_unit_test(what_is_no_such_value_is_refused),
		cmocka_unit_test(kinds_are_guessed),
		cmocka_unit_test(keywords_find_raw_records),
		cmocka_unit_test(lines),
		cmocka_unit_test(tables),
		cmocka_unit_test(utf16),
		cmocka_unit_test(misp),
		cmocka_unit_test(stix),
		cmocka_unit_test(json_that_breaks_off_keeps_what_came_before),
		cmocka_unit_test(problems_are_told_up_to_a_limit_and_counted_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
