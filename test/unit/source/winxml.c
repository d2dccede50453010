#include "collect.h"

#include "source/winxml.h"

#define SYSTEM                                                                                                       \
	"<System><Provider Name='P &amp; Q' Guid=\"{g}\"/><EventID Qualifiers=\"0\">4624</EventID><Level>0</Level>"   \
	"<TimeCreated SystemTime=\"2022-09-23T11:53:47.9077543Z\"/><EventRecordID>72207</EventRecordID><Correlation/>" \
	"<Execution ProcessID=\"588\" ThreadID=\"652\"/><Channel>Security</Channel><Computer>pc</Computer>"           \
	"<Security UserID=\"S-1-5-18\"/></System>"
#define SYSTEM_WANT                                                                                               \
	"Provider_Name=P & Q\nProvider_Guid={g}\nEventID_Qualifiers=0\nEventID=4624\nLevel=0\n"                   \
	"TimeCreated_SystemTime=2022-09-23T11:53:47.9077543Z\nEventRecordID=72207\nExecution_ProcessID=588\n"    \
	"Execution_ThreadID=652\nChannel=Security\nComputer=pc\nSecurity_UserID=S-1-5-18\n"
#define EVENT "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>"
#define HEAD "[2022-09-23T11:53:47.907Z #72207 pc|Security|P & Q|4624]"

static void
names_and_values(void **state)
{
	(void)state;
	collect_check(&c, "winxml",
		EVENT SYSTEM "<EventData><Data Name='Threat Name'>a &lt;b&gt; &#65;&#x42; &nope; &</Data><Data Name='Empty'/><Data Name='Blank'>  </Data>"
		"<Data>one</Data>\n<Data>two</Data><Binary>00FF</Binary></EventData></Event>\n",
		HEAD "\n" SYSTEM_WANT "ThreatName=a <b> AB &nope; &\nEmpty=\nBlank=  \nData=one\nData=two\nBinary=00FF\n");
}

static void
other_parts(void **state)
{
	(void)state;
	collect_check(&c, "winxml",
		"<?xml version=\"1.0\"?><!-- c --><Events>" EVENT SYSTEM
		"<UserData><LogFileCleared xmlns='u' x:y='z'><SubjectUserName>bob</SubjectUserName><A B='1'/></LogFileCleared></UserData>"
		"<RenderingInfo Culture='fr-FR'><Message>Bonjour</Message><Level>Info</Level><Keywords><Keyword>K1</Keyword><Keyword>K2</Keyword></Keywords></RenderingInfo>"
		"</Event></Events>",
		HEAD "\n" SYSTEM_WANT "SubjectUserName=bob\nA_B=1\nRenderingInfo_Culture=fr-FR\nMessage=Bonjour\nRenderingInfo_Level=Info\nKeyword=K1\nKeyword=K2\n");
}

static void
cdata_and_bad_characters(void **state)
{
	(void)state;
	collect_check(&c, "winxml",
		"<Event><System><EventID>1</EventID></System><EventData><Data Name='x'>a<![CDATA[<&\x01</Event>]]>b<!-- c -->&amp;d</Data><Data Name='y'><![CDATA[]]></Data></EventData></Event>",
		"[- #1 |||1]\nEventID=1\nx=a<&\x01</Event>b&d\ny=\n");
}

static void
pretty_and_many(void **state)
{
	(void)state;
	collect_check(&c, "winxml",
		"- <Event>\r\n- <System>\r\n  <EventID>1</EventID>\r\n </System>\r\n <EventData>\r\n  <Data Name=\"a\">1</Data>\r\n </EventData>\r\n</Event>\r\n"
		"<Event><System>\n<EventID>\n2\n</EventID></System></Event>",
		"[- #1 |||1]\nEventID=1\na=1\n[- #2 |||2]\nEventID=2\n");
}

static void
a_cut_event_does_not_take_the_next(void **state)
{
	const char *s;

	(void)state;
	s = collect_read(&c, "winxml",
			 VG_STR("<Event><System><EventID>1</EventID></System><EventData><Data Name='a'>x\n"
				"<Event><System><EventID>2</EventID></System></Event><Event><System><EventID>3</EventID>"),
			 "t", 0);
	assert_string_equal(s, "[- #1 |||1] partial\nEventID=1\na=x\n[- #2 |||2]\nEventID=2\n[- #3 |||3] partial\nEventID=3\n");
	assert_int_equal(c.note[VG_NOTE_RECORD_CUT], 2);
	assert_int_equal(c.note[VG_NOTE_TRUNCATED], 1);
}

static void
utf16_is_read(void **state)
{
	static const char text[] = "<Event><System><EventID>1</EventID></System></Event>";
	char wide[256];
	size_t n = 0;

	(void)state;
	for (int big = 0; big < 2; big++) {
		n = 0;
		wide[n++] = (char)(big ? 0xfe : 0xff);
		wide[n++] = (char)(big ? 0xff : 0xfe);
		for (size_t i = 0; text[i]; i++) {
			wide[n++] = big ? 0 : text[i];
			wide[n++] = big ? text[i] : 0;
		}
		assert_string_equal(probe_name(wide, n, "x"), "winxml");
		assert_string_equal(collect_read(&c, "winxml", vg_str_mem(wide, n), "t", 0), "[- #1 |||1]\nEventID=1\n");
		assert_string_equal(collect_read(&c, "winxml", vg_str_mem(wide, n), "t", 5), "[- #1 |||1]\nEventID=1\n");
		for (size_t i = 0; i < n; i++)
			(void)collect_read(&c, "winxml", vg_str_mem(wide, i), "t", 0);
	}
}

static void
limits_hold(void **state)
{
	struct vg_buf b = { 0 };

	(void)state;
	vg_buf_puts(&b, "<Event><EventData>");
	for (int i = 0; i < 10000; i++)
		vg_buf_puts(&b, "<a b='1'>");
	vg_buf_puts(&b, "</Event>");
	(void)collect_read(&c, "winxml", vg_buf_str(&b), "t", 0);
	assert_int_equal(c.events, 1);
	assert_int_equal(c.note[VG_NOTE_RECORD_CUT], 1);
	vg_buf_clear(&b);
	for (int i = 0; i < 20000; i++)
		vg_buf_puts(&b, "<Event >");
	(void)collect_read(&c, "winxml", vg_buf_str(&b), "t", 0);
	vg_buf_clear(&b);
	for (int i = 0; i < 20000; i++)
		vg_buf_puts(&b, "<Event><![CDATA[");
	(void)collect_read(&c, "winxml", vg_buf_str(&b), "t", 0);
	vg_buf_clear(&b);
	vg_buf_puts(&b, "<Event><EventData>");
	for (int i = 0; i < VG_EVENT_FIELDS_MAX + 10; i++)
		vg_buf_puts(&b, "<Data>1</Data>");
	vg_buf_puts(&b, "</EventData></Event>");
	(void)collect_read(&c, "winxml", vg_buf_str(&b), "t", 0);
	assert_int_equal(c.event.nfield, VG_EVENT_FIELDS_MAX);
	assert_int_equal(c.event.dropped, 10);
	vg_buf_fini(&b);
}

static void
probes_tell(void **state)
{
#define PROBE(text) probe_name(text, sizeof(text) - 1, "x")
	(void)state;
	assert_string_equal(PROBE(EVENT SYSTEM "</Event>"), "winxml");
	assert_string_equal(PROBE("<?xml version='1.0'?>\n<Events>" EVENT), "winxml");
	assert_string_equal(PROBE("- <Event><System></System></Event>"), "winxml");
	assert_string_not_equal(PROBE("<html><Event>x</Event></html>"), "winxml");
	assert_string_not_equal(PROBE("<13>Oct 1 00:00:00 h p: <Event><System>"), "winxml");
#undef PROBE
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_values),
		cmocka_unit_test(other_parts),
		cmocka_unit_test(cdata_and_bad_characters),
		cmocka_unit_test(pretty_and_many),
		cmocka_unit_test(a_cut_event_does_not_take_the_next),
		cmocka_unit_test(utf16_is_read),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(probes_tell),
	};

	return cmocka_run_group_tests(tests, collect_up, collect_down);
}
