#include "source/syslog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The last event's fields as "name=value" joined by "|", with all events counted. */
struct seen {
	char text[4096];
	char time[VG_TIME_MAX];
	uint64_t events, notes, strange;
	uint32_t flags;
	uint64_t record, offset;
};

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct seen *s = ctx;
	size_t n = 0;

	s->text[0] = 0;
	for (uint32_t i = 0; i < e->nfield; i++)
		n += (size_t)snprintf(s->text + n, sizeof(s->text) - n, "%s%.*s=%.*s", i ? "|" : "",
				      VG_STR_ARG(e->field[i].name), VG_STR_ARG(e->field[i].value));
	s->time[0] = 0;
	if (e->time_ns != VG_TIME_NONE)
		vg_time_print(e->time_ns, 6, s->time);
	s->flags = e->flags;
	s->record = e->record;
	s->offset = e->offset;
	s->events++;
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct seen *s = ctx;

	s->notes++;
	if (n->kind == VG_NOTE_UNKNOWN)
		s->strange += n->count;
}

static struct seen
read_named(const char *text, size_t n, int zone_s, const char *name)
{
	static struct seen s;
	char *copy = malloc(n ? n : 1); /* exact, so that the sanitizer sees one byte too far */
	struct vg_arena arena;
	struct vg_keys *keys = vg_keys_new();
	struct vg_event event;
	struct vg_input in;
	struct vg_sink sink = { &s, on_event, on_note };
	struct vg_reader r = {
		.in = &in, .sink = &sink, .event = &event, .zone_s = zone_s, .first = true
	};

	assert_non_null(copy);
	memcpy(copy, text, n);
	s = (struct seen){ .time = "" };
	vg_arena_init(&arena, 1 << 24);
	vg_event_init(&event, &arena, keys);
	vg_input_mem(&in, copy, n);
	r.ref_ns = vg_time_parse(VG_STR("2026-04-03T12:00:00Z"), 0);
	r.name = vg_str_of(name);
	assert_int_equal(vg_syslog_read(&r), VG_OK);
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	free(copy);
	return s;
}

static struct seen
read_line(const char *line)
{
	return read_named(line, strlen(line), 0, "syslog");
}

/* Each line, its time and its fields. */
static const struct {
	const char *line, *time, *fields;
} lines[] = {
	{ "Apr  3 08:12:45 gw sshd[123]: Accepted password for root", "2026-04-03T08:12:45.000000Z",
	  "hostname=gw|program=sshd|pid=123|message=Accepted password for root" },
	{ "Apr  4 11:59:00 gw cron: now", "2026-04-04T11:59:00.000000Z",
	  "hostname=gw|program=cron|message=now" },
	{ "Apr  5 08:12:45 gw cron: a year ago", "2025-04-05T08:12:45.000000Z",
	  "hostname=gw|program=cron|message=a year ago" },
	{ "Dec 31 23:59:59 gw cron: x", "2025-12-31T23:59:59.000000Z",
	  "hostname=gw|program=cron|message=x" },
	{ "Feb 29 01:02:03 gw cron: leap", "2024-02-29T01:02:03.000000Z",
	  "hostname=gw|program=cron|message=leap" },
	{ "Apr  3 08:12:45 =cmd|x sshd[1]: Accepted password", "2026-04-03T08:12:45.000000Z",
	  "hostname==cmd|x|program=sshd|pid=1|message=Accepted password" },
	{ "Apr  3 08:12:45 [\"<s>=1 sshd[1]: Accepted password", "2026-04-03T08:12:45.000000Z",
	  "hostname=[\"<s>=1|program=sshd|pid=1|message=Accepted password" },
	{ "2026-04-03T08:12:45.123456+02:00 host systemd-logind[1]: New session 5 of user x.",
	  "2026-04-03T06:12:45.123456Z",
	  "hostname=host|program=systemd-logind|pid=1|message=New session 5 of user x." },
	{ "2026-04-03T08:12:45Z host postfix/smtpd[9]: connect from a[10.0.0.1]",
	  "2026-04-03T08:12:45.000000Z",
	  "hostname=host|program=postfix/smtpd|pid=9|message=connect from a[10.0.0.1]" },
	{ "<86>Apr  3 08:12:45 host /usr/sbin/cron[88]: (root) CMD (x)",
	  "2026-04-03T08:12:45.000000Z",
	  "hostname=host|program=/usr/sbin/"
	  "cron|pid=88|facility=authpriv|severity=info|message=(root) CMD (x)" },
	{ "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' "
	  "failed",
	  "2003-10-11T22:14:15.003000Z",
	  "hostname=mymachine.example.com|program=su|facility=auth|severity=crit|msgid=ID47|"
	  "message='su root' failed" },
	{ "<165>1 2003-10-11T22:14:15.003Z h app 7 ID47 [a@1 iut=\"3\" t=\"A \\\"q\\\" \\]\"][b@1 "
	  "c=\"high\"] text",
	  "2003-10-11T22:14:15.003000Z",
	  "hostname=h|program=app|pid=7|facility=local4|severity=notice|msgid=ID47|sd.a@1.iut=3|sd."
	  "a@1.t=A \"q\" ]|"
	  "sd.b@1.c=high|message=text" },
	{ "1 2025-11-23T15:24:04+02:00 VBR Veeam_MP - - [origin enterpriseId=\"31023\"] [x "
	  "a=\"1\"]",
	  "2025-11-23T13:24:04.000000Z",
	  "hostname=VBR|program=Veeam_MP|sd.origin.enterpriseId=31023|message=[x a=\"1\"]" },
	{ "<14>1 - - - - - -", "", "facility=user|severity=info|message=" },
	{ "2022-09-05T10:05:15+02:00 bar rdpproxy 4597 - - [RDP Session] user=\"a\"",
	  "2022-09-05T08:05:15.000000Z",
	  "hostname=bar|program=rdpproxy|pid=4597|message=[RDP Session] user=\"a\"" },
	{ "2026-04-03T08:12:45 host CEF:0|Vendor|X|1|2|n|3|act=a", "2026-04-03T08:12:45.000000Z",
	  "hostname=host|message=CEF:0|Vendor|X|1|2|n|3|act=a" },
	{ "Apr  3 08:12:45 LEEF:1.0|V|X", "2026-04-03T08:12:45.000000Z", "message=LEEF:1.0|V|X" },
	{ "Jun 22 2022 13:29:11 single : %ASA-6-113039: Group <G>", "2022-06-22T13:29:11.000000Z",
	  "hostname=single|message=%ASA-6-113039: Group <G>" },
	{ "Jan  3 13:45:36 192.168.5.1 id=firewall sn=0", "2026-01-03T13:45:36.000000Z",
	  "hostname=192.168.5.1|message=id=firewall sn=0" },
	{ "Apr  3 08:12:45 h sshd[1]: message repeated 3 times: [ Failed password for x]",
	  "2026-04-03T08:12:45.000000Z",
	  "hostname=h|program=sshd|pid=1|repeat.count=3|message=Failed password for x" },
	{ "Apr  3 08:12:45 h last message repeated 2 times", "2026-04-03T08:12:45.000000Z",
	  "hostname=h|repeat.count=2|message=last message repeated 2 times" },
	{ "Apr  3 08:12:45 fe80::1 kernel: [82508.1] wg1: x", "2026-04-03T08:12:45.000000Z",
	  "hostname=fe80::1|program=kernel|message=[82508.1] wg1: x" },
	{ "2023-12-05T17:35:43.281Z In(38) sshd[105]: Connection from x",
	  "2023-12-05T17:35:43.281000Z",
	  "program=sshd|pid=105|facility=auth|severity=info|message=Connection from x" },
	{ "2026-04-03 08:12:45 us=123 1.2.3.4:5 TLS: Initial packet", "2026-04-03T08:12:45.000123Z",
	  "program=openvpn|message=1.2.3.4:5 TLS: Initial packet" },
	{ "Fri Apr  3 08:12:45 2026 bob/1.2.3.4:1194 MULTI: Learn: 10.8.0.6",
	  "2026-04-03T08:12:45.000000Z",
	  "program=openvpn|message=bob/1.2.3.4:1194 MULTI: Learn: 10.8.0.6" },
	{ "2026-04-03 08:12:45 status installed bash:amd64 5.2", "2026-04-03T08:12:45.000000Z",
	  "message=status installed bash:amd64 5.2" },
	{ "2026-02-25T11:07:18+01:00: authentication failure; rhost=x",
	  "2026-02-25T10:07:18.000000Z", "message=authentication failure; rhost=x" },
	{ "<13>hello", "", "facility=user|severity=notice|message=hello" },
};

static void
lines_are_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < VG_COUNT(lines); i++) {
		struct seen s = read_line(lines[i].line);

		assert_int_equal(s.events, 1);
		assert_string_equal(s.text, lines[i].fields);
		assert_string_equal(s.time, lines[i].time);
	}
}

static void
every_truncation_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < VG_COUNT(lines); i++)
		for (size_t n = 0; n < strlen(lines[i].line); n++)
			(void)read_named(lines[i].line, n, 0, "x");
}

static void
what_is_guessed_is_flagged(void **state)
{
	(void)state;
	assert_int_equal(read_line("Apr  3 08:12:45 h a: b").flags,
			 VG_EVENT_YEAR_INFERRED | VG_EVENT_ZONE_INFERRED);
	assert_int_equal(read_line("2026-04-03T08:12:45 h a: b").flags, VG_EVENT_ZONE_INFERRED);
	assert_int_equal(read_line("2026-04-03T08:12:45-01:00 h a: b").flags, 0);
	assert_int_equal(read_line("<13>x").flags, VG_EVENT_TIME_MISSING);
	assert_string_equal(read_named("Apr  3 08:12:45 h a: b", 22, 7200, "").time,
			    "2026-04-03T06:12:45.000000Z");
}

static void
strange_lines_are_one_note(void **state)
{
	static const char text[] =
	    "Apr  3 08:12:45 h a: b\n\tat x\n\tat y\r\n\nApr  3 08:12:46 h a: c\r\n";
	struct seen s = read_named(text, sizeof(text) - 1, 0, "syslog");

	(void)state;
	assert_int_equal(s.events, 2);
	assert_int_equal(s.notes, 1);
	assert_int_equal(s.strange, 2);
	assert_int_equal(s.record, 5);
	assert_int_equal(s.offset, 37);
	assert_string_equal(s.text, "hostname=h|program=a|message=c");
}

static void
the_probe_knows_its_own(void **state)
{
	(void)state;
	assert_true(vg_syslog_probe(VG_STR("Apr  3 08:12:45 h a: b\n"), true, VG_STR("x")) > 80);
	assert_true(vg_syslog_probe(VG_STR("Apr  3 08:12:45 h a: b\nApr  3 08:1"), false,
				    VG_STR("x")) > 80);
	assert_true(vg_syslog_probe(VG_STR("<13>1 2026-04-03T08:12:45Z h a - - - x"), true,
				    VG_STR("x")) > 80);
	assert_int_equal(vg_syslog_probe(VG_STR("{\"a\":1}\n"), true, VG_STR("x")), 0);
	assert_int_equal(
	    vg_syslog_probe(VG_STR("type=SYSCALL msg=audit(1.1:1): a=b\n"), true, VG_STR("x")), 0);
	assert_int_equal(
	    vg_syslog_probe(VG_STR("2022-07-20T21:28:50.530Z,0000,2\n"), true, VG_STR("x")), 0);
	assert_int_equal(vg_syslog_probe(VG_NIL, true, VG_STR("x")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_taken_apart),
		cmocka_unit_test(every_truncation_is_read),
		cmocka_unit_test(what_is_guessed_is_flagged),
		cmocka_unit_test(strange_lines_are_one_note),
		cmocka_unit_test(the_probe_knows_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
