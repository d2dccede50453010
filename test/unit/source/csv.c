#include "collect.h"

#include "source/csv.h"

static void
cells_and_quotes(void **state)
{
	(void)state;
	collect_check(&c, "csv", "\xef\xbb\xbf\"a\",b c,\"d\"\r\n1,\"x \"\"y\"\"\nz\",\r\n\n4,5,6",
		      "[- #1 |||]\na=1\nb c=x \"y\"\nz\nd=\n[- #2 |||]\na=4\nb c=5\nd=6\n");
	collect_check(&c, "csv", "a;b\n1;2,3\n", "[- #1 |||]\na=1\nb=2,3\n");
	collect_check(&c, "csv", "a\tb\n1\t\"2\"\n", "[- #1 |||]\na=1\nb=2\n");
	collect_check(&c, "csv", "sep=|\na|b\n1|2\n", "[- #1 |||]\na=1\nb=2\n");
}

static void
rows_that_do_not_fit(void **state)
{
	(void)state;
	assert_string_equal(collect_read(&c, "csv", VG_STR("a,b\n1\n1,2,3\n"), "t", 0),
			    "[- #1 |||] partial\na=1\n[- #2 |||] partial\na=1\nb=2\n");
	assert_int_equal(c.note[VG_NOTE_RECORD_CUT], 2);
	assert_string_equal(collect_read(&c, "csv", VG_STR("a,b\n1,\"x\n3,4\n"), "t", 0),
			    "[- #1 |||] partial\na=1\nb=x\n[- #2 |||]\na=3\nb=4\n");
}

static void
exports_get_native_names(void **state)
{
	(void)state;
	collect_check(&c, "csv", /* Get-WinEvent | Export-Csv, French */
		"#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\n\"Message\";\"Id\";\"ProviderName\";\"LogName\";\"MachineName\";\"TimeCreated\";\"RecordId\"\n"
		"\"m\";\"4625\";\"P\";\"Security\";\"pc\";\"19/10/2020 12:28:44\";\"77\"\n",
		"[2020-10-19T12:28:44.000Z #77 pc|Security|P|4625] zone\nMessage=m\nId=4625\nProviderName=P\nLogName=Security\nMachineName=pc\nTimeCreated=19/10/2020 12:28:44\nRecordId=77\n"
		"Computer+=pc\nChannel+=Security\nProvider_Name+=P\nEventID+=4625\nEventRecordID+=77\n");
	collect_check(&c, "csv", /* EvtxECmd */
		"RecordNumber,EventRecordId,TimeCreated,EventId,Provider,Channel,Computer,PayloadData1,Payload\n"
		"1,88,2020-10-19 12:28:44.1234567,4625,P,Security,pc,Target: x,\"{\"\"EventData\"\":{\"\"Data\"\":[{\"\"@Name\"\":\"\"IpAddress\"\",\"\"#text\"\":\"\"1.2.3.4\"\"}]}}\"\n",
		"[2020-10-19T12:28:44.123Z #88 pc|Security|P|4625] zone\nRecordNumber=1\nEventRecordId=88\nTimeCreated=2020-10-19 12:28:44.1234567\nEventId=4625\nProvider=P\nChannel=Security\n"
		"Computer=pc\nPayloadData1=Target: x\nPayload={\"EventData\":{\"Data\":[{\"@Name\":\"IpAddress\",\"#text\":\"1.2.3.4\"}]}}\nIpAddress=1.2.3.4\nProvider_Name+=P\nEventID+=4625\nEventRecordID+=88\n");
}

static void
pairs(void **state)
{
	static const struct {
		const char *text, *want;
		char sep;
	} all[] = {
		{ "date=2020-01-01 devname=\"FG 1\" msg=\"a \\\"b\\\" c\" x=", "p.date=2020-01-01|p.devname=FG 1|p.msg=a \"b\" c|p.x=|", 0 },
		{ "type=A msg=audit(1:2): word pid=1 msg='op=x acct=\"root\"' res=1", "p.type=A|p.msg=audit(1:2):|p.pid=1|p.msg=op=x acct=\"root\"|p.res=1|", 0 },
		{ "path=\"C:\\new\\\\x\" open=\"never closed", "p.path=C:\\new\\x|p.open=never closed|", 0 },
		{ "a=1; b = two words ;c=\"x;y\";d", "p.a=1|p.b=two words|p.c=x;y|", ';' },
		{ "=x \"quoted\" k=v", "p.k=v|", 0 },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(all); i++) {
		struct vg_buf b = { 0 };

		vg_event_reset(&c.event);
		assert_int_equal(vg_kv_fields(vg_str_of(all[i].text), all[i].sep, VG_STR("p."), &c.event), VG_OK);
		for (uint32_t k = 0; k < c.event.nfield; k++)
			vg_buf_printf(&b, "%.*s=%.*s|", VG_STR_ARG(c.event.field[k].name),
				      VG_STR_ARG(c.event.field[k].value));
		vg_buf_putc(&b, 0);
		assert_string_equal(b.p, all[i].want);
		vg_buf_fini(&b);
		for (size_t n = 0; n < strlen(all[i].text); n++) {
			char *cut = malloc(n ? n : 1);

			memcpy(cut, all[i].text, n);
			vg_event_reset(&c.event);
			assert_int_equal(vg_kv_fields(vg_str_mem(cut, n), all[i].sep, VG_NIL, &c.event), VG_OK);
			free(cut);
		}
	}
}

static void
probes_tell(void **state)
{
#define PROBE(text, file) probe_name(text, sizeof(text) - 1, file)
	(void)state;
	assert_string_equal(PROBE("EventId,Channel,TimeCreated\n1,a,b\n", "x"), "csv");
	assert_string_equal(PROBE("a;b\n1;2\n", "x.csv"), "csv");
	assert_string_equal(PROBE("#TYPE X\n\"Id\",\"LogName\",\"TimeCreated\"\n\"1\",\"2\",\"3\"\n", "x"), "csv");
	assert_string_not_equal(PROBE("Hello, world, said he\nand went\n", "x.txt"), "csv");
	assert_string_not_equal(PROBE("Oct  1 00:00:00 host prog: a, b\nOct  1 00:00:00 host prog: c, d\n", "x"), "csv");
#undef PROBE
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_and_quotes),	    cmocka_unit_test(rows_that_do_not_fit),
		cmocka_unit_test(exports_get_native_names), cmocka_unit_test(pairs),
		cmocka_unit_test(probes_tell),
	};

	return cmocka_run_group_tests(tests, collect_up, collect_down);
}
