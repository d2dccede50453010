#include "collect.h"

#include <stdio.h>

#include "source/json.h"
#include "source/shape.h"

static int
up(void **state)
{
	static const char *const names[] = { "Provider_Guid", "Execution_ProcessID", "CommandLine",
					     "ThreatName", "program" };

	(void)collect_up(state);
	for (size_t i = 0; i < VG_COUNT(names); i++)
		assert_int_not_equal(vg_keys_add(c.keys, vg_str_of(names[i])), VG_KEY_NONE);
	return 0;
}

static void
values_have_their_kind(void **state)
{
	static const struct {
		const char *text, *value;
		enum vg_kind kind;
	} all[] = {
		{ "\"a b\"", "a b", VG_KIND_TEXT },
		{ "\"\"", "", VG_KIND_TEXT },
		{ "-12", "-12", VG_KIND_INT },
		{ "1.50", "1.50", VG_KIND_FLOAT },
		{ "1e9", "1e9", VG_KIND_FLOAT },
		{ "true", "true", VG_KIND_BOOL },
		{ "null", "", VG_KIND_NULL },
		{ "[]", "", VG_KIND_NULL },
		{ "{}", "", VG_KIND_NULL },
		{ "NaN", "NaN", VG_KIND_FLOAT },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", VG_KIND_TEXT },
		{ "\"\\u00e9\\ud83d\\ude00\\ud83d\"", "\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd", VG_KIND_TEXT },
		{ "\"C:\\\\Users\\\\a long enough name to need a wide load\\\\x\"",
		  "C:\\Users\\a long enough name to need a wide load\\x", VG_KIND_TEXT },
		{ "\"\\q\\u12\"", "\\q\\u12", VG_KIND_TEXT },
		{ "\"\xff\xfe\"", "\xff\xfe", VG_KIND_TEXT },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(all); i++) {
		char text[256];
		int n = snprintf(text, sizeof(text), "{\"k\":%s}", all[i].text);

		vg_event_reset(&c.event);
		assert_int_equal(vg_json_event(vg_str_mem(text, (size_t)n), &c.event), VG_OK);
		assert_int_equal(c.event.nfield, 1);
		assert_true(vg_str_eq(c.event.field[0].name, VG_STR("k")));
		assert_true(vg_str_eq(c.event.field[0].value, vg_str_of(all[i].value)));
		assert_int_equal(c.event.field[0].kind, all[i].kind);
	}
}

static void
names_are_joined(void **state)
{
	(void)state;
	collect_check(&c, "jsonl",
		      "{\"a\":{\"b\":{\"c\":1,\"d\":[2,3]}},\"e\":[{\"f\":4},{\"f\":5}],\"a\":6,\"g h\":[[7],[8]],\"i\":{\"j\":{}}}\n",
		      "[- #1 |||]\na.b.c=1\na.b.d=2\na.b.d=3\ne.f=4\ne.f=5\na=6\ng h=7\ng h=8\ni.j=\n");
}

static void
lines_end_and_fail_alone(void **state)
{
	const char *s;

	(void)state;
	s = collect_read(&c, "jsonl", VG_STR("\xef\xbb\xbf{\"a\":1}\r\n\n{\"a\":\nnot json\n{\"a\":2}x\n{\"a\":3}"), "t", 0);
	assert_string_equal(s, "[- #1 |||]\na=1\n[- #3 |||] partial\nmessage={\"a\":\n"
			       "[- #4 |||] partial\nmessage=not json\n[- #5 |||] partial\na=2\n[- #6 |||]\na=3\n");
	assert_int_equal(c.note[VG_NOTE_RECORD_BAD], 2);
	assert_int_equal(c.note[VG_NOTE_RECORD_CUT], 1);
}

static void
other_containers(void **state)
{
	(void)state;
	collect_check(&c, "json", "[{\"a\":1},\n {\"a\":\"]}\\\"\"} ]", "[- #1 |||]\na=1\n[- #2 |||]\na=]}\"\n");
	collect_check(&c, "json", "{\n \"a\": 1\n}\n{\"a\":2}{\"a\":3}\n",
		      "[- #1 |||]\na=1\n[- #2 |||]\na=2\n[- #3 |||]\na=3\n");
	collect_check(&c, "json", "{\"Records\":[{\"a\":1},{\"a\":{\"Records\":[{\"b\":2}]}}],\"x\":{\"y\":1}}",
		      "[- #1 |||]\na=1\n[- #2 |||]\na.Records.b=2\n");
	collect_check(&c, "json", "{\"@odata.context\":\"https://x\",\"n\":[1],\"value\":[ {\"a\":1} ],\"z\":\"}\"}\n{\"value\":[{\"a\":2}]}",
		      "[- #1 |||]\na=1\n[- #2 |||]\na=2\n");
	collect_check(&c, "json",
		      "{\"took\":1,\"hits\":{\"total\":{\"value\":1},\"hits\":[{\"_index\":\"i\",\"_source\":{\"a\":{\"b\":1},\"c\":2}}]},\"x\":1}",
		      "[- #1 |||]\n_index=i\na.b=1\nc=2\n");
	assert_string_equal(collect_read(&c, "json", VG_STR("[{\"a\":1},{\"a\":2"), "t", 0),
			    "[- #1 |||]\na=1\n[- #2 |||] partial\na=2\n");
	assert_int_equal(c.note[VG_NOTE_TRUNCATED], 1);
}

static void
utf16_is_read(void **state)
{
	static const char text[] = "{\"a\":\"\xc3\xa9\"}";
	char wide[64] = { (char)0xff, (char)0xfe };
	size_t n = 2;

	(void)state;
	for (size_t i = 0; text[i]; i++) {
		if (text[i] == '\xc3') {
			wide[n++] = (char)0xe9;
			wide[n++] = 0;
			i++;
		} else {
			wide[n++] = text[i];
			wide[n++] = 0;
		}
	}
	assert_string_equal(probe_name(wide, n, "x"), "json");
	assert_string_equal(collect_read(&c, "json", vg_str_mem(wide, n), "t", 0), "[- #1 |||]\na=\xc3\xa9\n");
	assert_string_equal(collect_read(&c, "json", vg_str_mem(wide, n), "t", 3), "[- #1 |||]\na=\xc3\xa9\n");
	for (size_t i = 0; i < n; i++)
		(void)collect_read(&c, "json", vg_str_mem(wide, i), "t", 0);
}

static void
evtx_dump_gets_native_names(void **state)
{
	(void)state;
	collect_check(&c, "json",
		"{\"Event\":{\"#attributes\":{\"xmlns\":\"http://x\"},\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"P\",\"Guid\":\"G\"}},"
		"\"EventID\":{\"#attributes\":{\"Qualifiers\":16384},\"#text\":7045},\"Level\":4,\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2025-11-27T07:40:10.165324Z\"}},"
		"\"EventRecordID\":571,\"Correlation\":null,\"Execution\":{\"#attributes\":{\"ProcessID\":3544,\"ThreadID\":4272}},\"Channel\":\"System\",\"Computer\":\"pc\","
		"\"Security\":{\"#attributes\":{\"UserID\":\"S-1-5-18\"}}},\"EventData\":{\"Threat Name\":\"T\",\"Empty\":null,\"Data\":{\"#text\":[\"x\",\"y\"]}}}}",
		"[2025-11-27T07:40:10.165Z #571 pc|System|P|7045]\nProvider_Name=P\nProvider_Guid=G\nEventID_Qualifiers=16384\nEventID=7045\n"
		"Level=4\nTimeCreated_SystemTime=2025-11-27T07:40:10.165324Z\nEventRecordID=571\nExecution_ProcessID=3544\nExecution_ThreadID=4272\n"
		"Channel=System\nComputer=pc\nSecurity_UserID=S-1-5-18\nThreatName=T\nEmpty=\nData=x\nData=y\n");
	collect_check(&c, "json",
		"{\"Event\":{\"System\":{\"EventID\":104,\"EventID_attributes\":{\"Qualifiers\":0},\"Channel\":\"System\"},"
		"\"UserData\":{\"LogFileCleared\":{\"#attributes\":{\"xmlns\":\"u\"},\"SubjectUserName\":\"bob\",\"In\":{\"Deep\":1}}}}}",
		"[- #1 |System||104]\nEventID=104\nEventID_Qualifiers=0\nChannel=System\nSubjectUserName=bob\nDeep=1\n");
}

static void
shippers_get_native_names(void **state)
{
	(void)state;
	collect_check(&c, "jsonl", /* Winlogbeat */
		"{\"@timestamp\":\"2020-01-02T03:04:05.678Z\",\"host\":{\"name\":\"h\"},\"event\":{\"code\":\"4624\",\"provider\":\"P\"},\"winlog\":{\"channel\":\"Security\","
		"\"event_id\":4624,\"record_id\":12,\"computer_name\":\"pc.x\",\"provider_name\":\"P\",\"event_data\":{\"TargetUserName\":\"bob\"}}}\n",
		"[2020-01-02T03:04:05.678Z #12 pc.x|Security|P|4624]\n@timestamp=2020-01-02T03:04:05.678Z\nhost.name=h\nevent.code=4624\nevent.provider=P\n"
		"winlog.channel=Security\nwinlog.event_id=4624\nwinlog.record_id=12\nwinlog.computer_name=pc.x\nwinlog.provider_name=P\nTargetUserName=bob\n"
		"Computer+=pc.x\nChannel+=Security\nProvider_Name+=P\nEventID+=4624\nEventRecordID+=12\n");
	collect_check(&c, "jsonl", /* NXLog */
		"{\"EventTime\":\"2020-08-07 11:04:10\",\"Hostname\":\"H\",\"EventID\":1117,\"SourceName\":\"Defender\",\"ProviderGuid\":\"{G}\",\"RecordNumber\":9,"
		"\"Channel\":\"Op\",\"Threat Name\":\"T\"}\n",
		"[2020-08-07T11:04:10.000Z #9 H|Op|Defender|1117] zone\nEventTime=2020-08-07 11:04:10\nHostname=H\nEventID=1117\nSourceName=Defender\n"
		"ProviderGuid={G}\nRecordNumber=9\nChannel=Op\nThreatName=T\nComputer+=H\nProvider_Name+=Defender\nEventRecordID+=9\nProvider_Guid+={G}\n");
	collect_check(&c, "jsonl", /* NXLog with a time of arrival that says its zone */
		"{\"EventTime\":\"2020-08-07 11:04:10\",\"@timestamp\":\"2020-08-07T15:04:13.220Z\",\"a\":1}\n",
		"[2020-08-07T15:04:13.220Z #1 |||]\nEventTime=2020-08-07 11:04:10\n@timestamp=2020-08-07T15:04:13.220Z\na=1\n");
	collect_check(&c, "jsonl", /* Wazuh */
		"{\"timestamp\":\"2024-01-02T03:04:05.678+0000\",\"agent\":{\"name\":\"ag\"},\"data\":{\"srcip\":\"::1\",\"win\":{\"system\":{\"providerName\":\"P\",\"eventID\":\"4720\","
		"\"channel\":\"Security\",\"computer\":\"dc\",\"systemTime\":\"2024-01-02T03:04:04.5Z\",\"eventRecordID\":\"7\",\"severityValue\":\"x\"},\"eventdata\":{\"targetUserName\":\"eve\"}}}}\n",
		"[2024-01-02T03:04:04.500Z #7 dc|Security|P|4720]\ntimestamp=2024-01-02T03:04:05.678+0000\nagent.name=ag\ndata.srcip=::1\nProvider_Name=P\nEventID=4720\n"
		"Channel=Security\nComputer=dc\nTimeCreated_SystemTime=2024-01-02T03:04:04.5Z\nEventRecordID=7\nSeverityValue=x\nTargetUserName=eve\n");
	collect_check(&c, "jsonl", /* Velociraptor */
		"{\"System\":{\"Provider\":{\"Name\":\"P\"},\"EventID\":{\"Value\":4625},\"TimeCreated\":{\"SystemTime\":1600000000.5},\"Channel\":\"Security\",\"Computer\":\"c\"},\"EventData\":{\"IpAddress\":\"1.2.3.4\"}}\n",
		"[2020-09-13T12:26:40.500Z #1 c|Security|P|4625]\nProvider_Name=P\nEventID=4625\nTimeCreated_SystemTime=1600000000.5\nChannel=Security\nComputer=c\nIpAddress=1.2.3.4\n");
	collect_check(&c, "jsonl", /* journalctl -o json */
		"{\"__REALTIME_TIMESTAMP\":\"1600000000500000\",\"_HOSTNAME\":\"web1\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"MESSAGE\":\"hi\"}\n",
		"[2020-09-13T12:26:40.500Z #1 web1|sshd||]\n__REALTIME_TIMESTAMP=1600000000500000\n_HOSTNAME=web1\nSYSLOG_IDENTIFIER=sshd\nMESSAGE=hi\nprogram+=sshd\nmessage+=hi\n");
	collect_check(&c, "jsonl", /* CloudTrail */
		"{\"eventTime\":\"2020-09-14T00:44:23Z\",\"eventName\":\"GetObject\",\"eventSource\":\"s3.amazonaws.com\",\"eventID\":\"u\",\"userIdentity\":{\"type\":\"IAMUser\"}}\n",
		"[2020-09-14T00:44:23.000Z #1 ||s3.amazonaws.com|GetObject]\neventTime=2020-09-14T00:44:23Z\neventName=GetObject\neventSource=s3.amazonaws.com\neventID=u\nuserIdentity.type=IAMUser\n");
}

static void
text_inside_is_read(void **state)
{
	(void)state;
	collect_check(&c, "jsonl", /* Azure Monitor */
		"{\"TimeGenerated\":\"2022-05-13T08:54:05.21Z\",\"Computer\":\"W\",\"Channel\":\"Security\",\"EventID\":5156,\"EventSourceName\":\"A\","
		"\"EventData\":\"\\u003cEventData xmlns=\\\"x\\\"\\u003e\\r\\n \\u003cData Name=\\\"Dest Port\\\"\\u003e80\\u003c/Data\\u003e\\u003c/EventData\\u003e\"}\n",
		"[2022-05-13T08:54:05.210Z #1 W|Security|A|5156]\nTimeGenerated=2022-05-13T08:54:05.21Z\nComputer=W\nChannel=Security\nEventID=5156\nEventSourceName=A\n"
		"EventData=<EventData xmlns=\"x\">\r\n <Data Name=\"Dest Port\">80</Data></EventData>\nDestPort=80\nProvider_Name+=A\n");
	collect_check(&c, "jsonl", /* Sysmon for Linux through syslog */
		"{\"HostName\":\"u\",\"SyslogMessage\":\"<Event><System><Provider Name=\\\"Linux-Sysmon\\\"/><EventID>1</EventID><Channel>C</Channel><Computer>u5</Computer></System>"
		"<EventData><Data Name=\\\"Image\\\">/bin/id</Data></EventData></Event>\"}\n",
		"[- #1 u5|C|Linux-Sysmon|1]\nHostName=u\nSyslogMessage=<Event><System><Provider Name=\"Linux-Sysmon\"/><EventID>1</EventID><Channel>C</Channel><Computer>u5</Computer></System>"
		"<EventData><Data Name=\"Image\">/bin/id</Data></EventData></Event>\nProvider_Name=Linux-Sysmon\nEventID=1\nChannel=C\nComputer=u5\nImage=/bin/id\n");
	collect_check(&c, "jsonl", /* EvtxECmd */
		"{\"EventId\":4625,\"Channel\":\"Security\",\"Payload\":\"{\\\"EventData\\\":{\\\"Data\\\":[{\\\"@Name\\\":\\\"A B\\\",\\\"#text\\\":\\\"1\\\"},{\\\"@Name\\\":\\\"C\\\"},{\\\"#text\\\":\\\"2\\\"}]}}\"}\n",
		"[- #1 |Security||4625]\nEventId=4625\nChannel=Security\nPayload={\"EventData\":{\"Data\":[{\"@Name\":\"A B\",\"#text\":\"1\"},{\"@Name\":\"C\"},{\"#text\":\"2\"}]}}\n"
		"AB=1\nC=\nData=2\nEventID+=4625\n");
}

static void
times_of_all_kinds(void **state)
{
	static const struct {
		const char *text, *want;
		bool zoned;
	} all[] = {
		{ "2020-01-02T03:04:05.678Z", "2020-01-02T03:04:05.678Z", true },
		{ "2020-01-02 03:04:05", "2020-01-02T03:04:05.000Z", false },
		{ "2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05.000Z", true },
		{ "1600000000", "2020-09-13T12:26:40.000Z", true },
		{ "1600000000123", "2020-09-13T12:26:40.123Z", true },
		{ "1600000000123000", "2020-09-13T12:26:40.123Z", true },
		{ "1600000000123000000", "2020-09-13T12:26:40.123Z", true },
		{ "/Date(1600000000123)/", "2020-09-13T12:26:40.123Z", true },
		{ "19/10/2020 12:28:44", "2020-10-19T12:28:44.000Z", false },
		{ "10/19/2020 12:28:44 PM", "2020-10-19T12:28:44.000Z", false },
		{ "1/2/2020 1:02:03 PM", "2020-01-02T13:02:03.000Z", false },
		{ "01/02/2020 01:02:03", "2020-02-01T01:02:03.000Z", false },
		{ "yesterday", "-", false },
		{ "99999999999999999999", "-", false },
		{ "42/42/2020 10:00:00", "-", false },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(all); i++) {
		char t[VG_TIME_MAX] = "-";
		bool zoned;
		int64_t ns = vg_shape_time(vg_str_of(all[i].text), &zoned);

		if (ns != VG_TIME_NONE)
			vg_time_print(ns, 3, t);
		assert_string_equal(t, all[i].want);
		if (ns != VG_TIME_NONE)
			assert_int_equal(zoned, all[i].zoned);
	}
}

static void
limits_hold(void **state)
{
	struct vg_buf b = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		vg_buf_puts(&b, "{\"a\":");
	vg_event_reset(&c.event);
	assert_int_not_equal(vg_json_event(vg_buf_str(&b), &c.event), VG_OK);
	assert_true(c.event.flags & VG_EVENT_PARTIAL);
	(void)collect_read(&c, "json", vg_buf_str(&b), "t", 0);
	vg_buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		vg_buf_putc(&b, '[');
	(void)collect_read(&c, "json", vg_buf_str(&b), "t", 0);
	vg_buf_clear(&b); /* names of 1,000 bytes, nested */
	for (int i = 0; i < 60; i++) {
		vg_buf_puts(&b, "{\"");
		for (int k = 0; k < 100; k++)
			vg_buf_puts(&b, "0123456789");
		vg_buf_puts(&b, "\":");
	}
	vg_buf_putc(&b, '1');
	for (int i = 0; i < 60; i++)
		vg_buf_putc(&b, '}');
	vg_event_reset(&c.event);
	assert_int_equal(vg_json_event(vg_buf_str(&b), &c.event), VG_OK);
	assert_true(c.event.flags & VG_EVENT_PARTIAL);
	vg_buf_clear(&b); /* too many fields */
	vg_buf_puts(&b, "{\"a\":[1");
	for (int i = 0; i < VG_EVENT_FIELDS_MAX; i++)
		vg_buf_puts(&b, ",1");
	vg_buf_puts(&b, "]}");
	vg_event_reset(&c.event);
	assert_int_equal(vg_json_event(vg_buf_str(&b), &c.event), VG_OK);
	assert_int_equal(c.event.nfield, VG_EVENT_FIELDS_MAX);
	assert_int_equal(c.event.dropped, 1);
	vg_buf_clear(&b); /* quotes that are never closed, a line each */
	for (int i = 0; i < 2000; i++)
		vg_buf_puts(&b, "{\"a\":\"\n");
	(void)collect_read(&c, "json", vg_buf_str(&b), "t", 0);
	vg_buf_fini(&b);
}

static void
probes_tell(void **state)
{
#define PROBE(text, file) probe_name(text, sizeof(text) - 1, file)
	(void)state;
	assert_string_equal(PROBE("{\"a\":1}\n{\"a\":2}\n", "x.log"), "jsonl");
	assert_string_equal(PROBE("\xef\xbb\xbf{\"a\":1}\n", "x"), "jsonl");
	assert_string_equal(PROBE("[\n {\"a\":1}\n]", "x"), "json");
	assert_string_equal(PROBE("{\n\"a\":1\n}", "x"), "json");
	assert_string_equal(PROBE("{\"Records\":[{\"a\":1}]}", "x"), "json");
	assert_string_equal(PROBE("{\"a\":1}{\"a\":2}", "x"), "json");
	assert_string_not_equal(PROBE("[2020-01-02] hello", "x"), "json");
	assert_string_not_equal(PROBE("{not json}", "x"), "json");
#undef PROBE
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_have_their_kind),
		cmocka_unit_test(names_are_joined),
		cmocka_unit_test(lines_end_and_fail_alone),
		cmocka_unit_test(other_containers),
		cmocka_unit_test(utf16_is_read),
		cmocka_unit_test(evtx_dump_gets_native_names),
		cmocka_unit_test(shippers_get_native_names),
		cmocka_unit_test(text_inside_is_read),
		cmocka_unit_test(times_of_all_kinds),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(probes_tell),
	};

	return cmocka_run_group_tests(tests, up, collect_down);
}
