#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sample/evtx_write.h"
#include "source/evtx.h"
#include "source/evtx_bin.h"

#define T0 INT64_C(1700000000000000000) /* 2023-11-14T22:13:20Z */

/* What a read gave. */
struct got {
	unsigned events, carved, partial, notes[VG_NOTE_KINDS];
	uint64_t first_id, last_id;
	int64_t first_time;
	char host[64], channel[64], provider[64], code[64], fields[4096], gap[160];
};

static void
copy(char *to, size_t cap, vg_str s)
{
	snprintf(to, cap, "%.*s", VG_STR_ARG(s));
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct got *g = ctx;

	g->carved += (e->flags & VG_EVENT_CARVED) != 0;
	g->partial += (e->flags & VG_EVENT_PARTIAL) != 0;
	g->last_id = e->record;
	if (g->events++)
		return VG_OK;
	g->first_id = e->record;
	g->first_time = e->time_ns;
	copy(g->host, sizeof(g->host), e->host);
	copy(g->channel, sizeof(g->channel), e->channel);
	copy(g->provider, sizeof(g->provider), e->provider);
	copy(g->code, sizeof(g->code), e->code);
	for (uint32_t i = 0; i < e->nfield; i++) {
		size_t n = strlen(g->fields);

		snprintf(g->fields + n, sizeof(g->fields) - n, "%.*s=%.*s/%u\n", VG_STR_ARG(e->field[i].name),
			 VG_STR_ARG(e->field[i].value), (unsigned)e->field[i].kind);
	}
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct got *g = ctx;

	g->notes[n->kind] += n->count ? (unsigned)n->count : 1;
	if (n->kind == VG_NOTE_GAP)
		memcpy(g->gap, n->text, sizeof(g->gap));
}

static struct got
read_bytes(const uint8_t *bytes, size_t n, bool carve)
{
	struct got g = { 0 };
	struct vg_sink sink = { &g, on_event, on_note };
	struct vg_arena a;
	struct vg_event e;
	struct vg_input in;
	struct vg_keys *keys = vg_keys_new();
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &e, .first = true, .carve = carve };
	uint8_t *exact = malloc(n ? n : 1); /* ASan sees one byte too far */

	assert_non_null(keys);
	assert_non_null(exact);
	memcpy(exact, bytes, n);
	vg_arena_init(&a, (size_t)16 << 20);
	vg_event_init(&e, &a, keys);
	vg_input_mem(&in, exact, n);
	assert_int_equal(vg_evtx_read(&r), VG_OK);
	vg_arena_fini(&a);
	vg_keys_free(keys);
	free(exact);
	return g;
}

static vg_rc
keep(void *ctx, struct vg_buf *b)
{
	vg_buf_put(ctx, vg_buf_str(b));
	vg_buf_clear(b);
	return VG_OK;
}

static struct vg_buf
dump_bytes(const uint8_t *bytes, size_t n, bool xml)
{
	struct got g = { 0 };
	struct vg_sink sink = { &g, NULL, on_note };
	struct vg_input in;
	struct vg_reader r = { .in = &in, .sink = &sink, .first = true };
	struct vg_buf all = { 0 }, out = { 0 };

	vg_input_mem(&in, bytes, n);
	assert_int_equal(xml ? vg_evtx_dump_xml(&r, &out, keep, &all) : vg_evtx_dump_json(&r, &out, keep, &all),
			 VG_OK);
	vg_buf_fini(&out);
	vg_buf_putc(&all, 0);
	return all;
}

static void
add_logon(struct evtx_writer *w, int i)
{
	char user[64];
	const struct evtx_pair pair[] = {
		{ "Target User Name", user, EVTX_TEXT }, { "LogonType", "10", EVTX_U32 },
		{ "TargetLogonId", "0x3e7", EVTX_HEX64 }, { "Elevated", "true", EVTX_BOOL },
		{ "Nothing", NULL, EVTX_NULL },		  { NULL, "one|two", EVTX_STRINGS },
	};

	snprintf(user, sizeof(user), "user%d <\"\xc3\xa9\\\xf0\x9f\x98\x80", i);
	assert_true(evtx_add(w, T0 + i * VG_SEC, "Security", "Microsoft-Windows-Security-Auditing", "PC1", 4624, 0,
			     pair, VG_COUNT(pair)));
}

static struct evtx_writer *
logons(int n)
{
	struct evtx_writer *w = evtx_new();

	assert_non_null(w);
	for (int i = 0; i < n; i++)
		add_logon(w, i);
	return w;
}

static void
fields_have_the_names_of_sigma(void **state)
{
	struct evtx_writer *w = logons(1);
	size_t n;
	const uint8_t *p = evtx_bytes(w, &n);
	struct got g = read_bytes(p, n, false);

	(void)state;
	assert_int_equal(vg_evtx_probe(vg_str_mem(p, n), true, VG_STR("x")), 100);
	assert_int_equal(g.events, 1);
	assert_int_equal(g.first_id, 1);
	assert_true(g.first_time == T0);
	assert_string_equal(g.host, "PC1");
	assert_string_equal(g.channel, "Security");
	assert_string_equal(g.provider, "Microsoft-Windows-Security-Auditing");
	assert_string_equal(g.code, "4624");
	assert_string_equal(g.fields,
			    "Provider_Name=Microsoft-Windows-Security-Auditing/0\nEventID=4624/1\nVersion=0/1\n"
			    "Level=0/1\nTask=0/1\nOpcode=0/1\nKeywords=0x8000000000000000/1\n"
			    "TimeCreated_SystemTime=2023-11-14T22:13:20.0000000Z/0\nEventRecordID=1/1\n"
			    "Execution_ProcessID=4/1\nExecution_ThreadID=8/1\nChannel=Security/0\n"
			    "Computer=PC1/0\n"
			    "TargetUserName=user0 <\"\xc3\xa9\\\xf0\x9f\x98\x80/0\nLogonType=10/1\n"
			    "TargetLogonId=0x3e7/1\nElevated=true/3\nNothing=/4\nData=one/0\nData=two/0\n");
	for (int k = 0; k < VG_NOTE_KINDS; k++)
		assert_int_equal(g.notes[k], 0);
	evtx_free(w);
}

static void
user_data_gives_leaf_names(void **state)
{
	const struct evtx_pair pair[] = { { "SubjectUserName", "bob", EVTX_TEXT }, { "Channel", "System", EVTX_TEXT } };
	struct evtx_writer *w = evtx_new();
	struct got g;
	size_t n;

	(void)state;
	assert_true(evtx_add_user(w, T0, "Security", "Microsoft-Windows-Eventlog", "PC1", 1102, 4, "LogFileCleared",
				  pair, 2));
	(void)evtx_bytes(w, &n);
	g = read_bytes(evtx_bytes(w, &n), n, false);
	assert_non_null(strstr(g.fields, "SubjectUserName=bob/0\nChannel=System/0\n"));
	assert_string_equal(g.channel, "Security");
	evtx_free(w);
}

static void
dumps_have_the_common_shape(void **state)
{
	struct evtx_writer *w = logons(1);
	size_t n;
	const uint8_t *p = evtx_bytes(w, &n);
	struct vg_buf json = dump_bytes(p, n, false), xml = dump_bytes(p, n, true);

	(void)state;
	assert_non_null(strstr(json.p, "\"EventData\":{\"Target User Name\":\"user0 <\\\"\xc3\xa9\\\\\xf0\x9f\x98\x80\","
				       "\"LogonType\":10,\"TargetLogonId\":\"0x3e7\",\"Elevated\":true,"
				       "\"Nothing\":\"\",\"Data\":{\"#text\":[\"one\",\"two\"]}}}}\n"));
	assert_non_null(strstr(json.p, "{\"Event\":{\"#attributes\":{\"xmlns\":\"http://schemas.microsoft.com/win/"
				       "2004/08/events/event\"},\"System\":{\"Provider\":{\"#attributes\":"));
	assert_non_null(strstr(xml.p, "<Data Name=\"Target User Name\">user0 &lt;&quot;\xc3\xa9\\\xf0\x9f\x98\x80"
				      "</Data><Data Name=\"LogonType\">10</Data>"));
	assert_non_null(strstr(xml.p, "<Data>one</Data><Data>two</Data></EventData></Event>\n"));
	vg_buf_fini(&json);
	vg_buf_fini(&xml);
	evtx_free(w);
}

static void
chunks_are_counted_by_size(void **state)
{
	struct evtx_writer *w = logons(1000);
	size_t n;
	uint8_t *p;
	struct got g;

	(void)state;
	assert_non_null(evtx_bytes(w, &n));
	assert_true(n > VG_EVTX_HEADER + 2 * VG_EVTX_CHUNK);
	p = (uint8_t *)(uintptr_t)evtx_bytes(w, &n);
	memset(p + 8, 0xff, 60); /* every count in the header a lie */
	g = read_bytes(p, n, false);
	assert_int_equal(g.events, 1000);
	assert_int_equal(g.last_id, 1000);
	assert_int_equal(g.notes[VG_NOTE_CHECKSUM], 1);
	assert_int_equal(g.notes[VG_NOTE_GAP], 0);
	/* without the header, and with a chunk of nothing in front */
	memset(p, 0, VG_EVTX_HEADER);
	g = read_bytes(p, n, false);
	assert_int_equal(g.events, 1000);
	g = read_bytes(p + VG_EVTX_HEADER, n - VG_EVTX_HEADER, false);
	assert_int_equal(g.events, 1000);
	evtx_free(w);
}

static void
a_unit_begins_at_a_chunk_and_ends_at_stop(void **state)
{
	struct evtx_writer *w = logons(1000);
	size_t n;
	const uint8_t *p = evtx_bytes(w, &n);
	unsigned sum = 0;

	(void)state;
	for (size_t at = 0; at < n; at = at ? at + VG_EVTX_CHUNK : VG_EVTX_HEADER + VG_EVTX_CHUNK) {
		struct got g = { 0 };
		struct vg_sink sink = { &g, on_event, on_note };
		struct vg_arena a;
		struct vg_event e;
		struct vg_input in;
		struct vg_keys *keys = vg_keys_new();
		struct vg_reader r = { .in = &in, .sink = &sink, .event = &e, .first = at == 0 };

		vg_arena_init(&a, (size_t)16 << 20);
		vg_event_init(&e, &a, keys);
		vg_input_mem(&in, p, n);
		vg_input_skip(&in, at);
		in.stop = at ? at + VG_EVTX_CHUNK : VG_EVTX_HEADER + VG_EVTX_CHUNK;
		assert_int_equal(vg_evtx_read(&r), VG_OK);
		sum += g.events;
		vg_arena_fini(&a);
		vg_keys_free(keys);
	}
	assert_int_equal(sum, 1000);
	evtx_free(w);
}

static void
missing_numbers_are_a_gap(void **state)
{
	struct evtx_writer *w = logons(3);
	size_t n;
	struct got g;

	(void)state;
	evtx_gap(w, 7);
	add_logon(w, 60);
	(void)evtx_bytes(w, &n);
	g = read_bytes(evtx_bytes(w, &n), n, false);
	assert_int_equal(g.notes[VG_NOTE_GAP], 7);
	assert_string_equal(g.gap, "channel=Security; from=3 at 2023-11-14T22:13:22Z; to=11 at 2023-11-14T22:14:20Z");
	evtx_free(w);
}

static void
one_bad_record_does_not_end_the_chunk(void **state)
{
	struct evtx_writer *w = logons(20);
	size_t n, at = VG_EVTX_HEADER + 512;
	uint8_t *p;
	uint32_t size, zero = 0;
	struct got g;

	(void)state;
	(void)evtx_bytes(w, &n);
	p = (uint8_t *)(uintptr_t)evtx_bytes(w, &n);
	for (int i = 0; i < 5; i++) {
		memcpy(&size, p + at + 4, 4);
		at += size;
	}
	memcpy(p + at + 4, &zero, 4); /* a size of 0: no endless loop */
	g = read_bytes(p, n, false);
	assert_int_equal(g.events, 19);
	assert_int_equal(g.notes[VG_NOTE_RECORD_BAD], 1);
	assert_int_equal(g.notes[VG_NOTE_CHECKSUM], 1);
	assert_int_equal(g.notes[VG_NOTE_GAP], 0); /* damage, not erasure */
	evtx_free(w);
}

static void
what_was_deleted_is_carved_on_demand(void **state)
{
	struct evtx_writer *w = logons(20);
	size_t n, at = VG_EVTX_HEADER + 512;
	uint8_t *p;
	uint32_t size, end;
	struct got g;

	(void)state;
	(void)evtx_bytes(w, &n);
	p = (uint8_t *)(uintptr_t)evtx_bytes(w, &n);
	for (int i = 0; i < 9; i++) { /* the log ends after nine; one more is gone, ten are left in the slack */
		memcpy(&size, p + at + 4, 4);
		at += size;
	}
	end = (uint32_t)(at - VG_EVTX_HEADER);
	memcpy(p + VG_EVTX_HEADER + 48, &end, 4);
	memset(p + at, 'x', 8);
	g = read_bytes(p, n, false);
	assert_int_equal(g.events, 9);
	g = read_bytes(p, n, true);
	assert_int_equal(g.events, 19);
	assert_int_equal(g.carved, 10);
	/* no chunk at all */
	memset(p + VG_EVTX_HEADER, 0xaa, 512);
	memset(p + VG_EVTX_HEADER + 512, 0xaa, 8);
	g = read_bytes(p, n, false);
	assert_int_equal(g.events, 0);
	assert_int_equal(g.notes[VG_NOTE_CHUNK_BAD], 1);
	g = read_bytes(p, n, true);
	assert_int_equal(g.carved, 18);
	evtx_free(w);
}

static void
a_record_hidden_in_the_one_before_is_seen(void **state)
{
	struct evtx_writer *w = logons(6);
	size_t n, at = VG_EVTX_HEADER + 512;
	uint8_t *p;
	uint32_t size, next;
	struct got g;

	(void)state;
	(void)evtx_bytes(w, &n);
	p = (uint8_t *)(uintptr_t)evtx_bytes(w, &n);
	memcpy(&size, p + at + 4, 4);
	at += size;
	memcpy(&size, p + at + 4, 4);
	memcpy(&next, p + at + size + 4, 4);
	size += next;
	memcpy(p + at + 4, &size, 4);
	memcpy(p + at + size - 4, &size, 4);
	g = read_bytes(p, n, false);
	assert_int_equal(g.events, 5);
	assert_int_equal(g.notes[VG_NOTE_ERASED], 1);
	assert_int_equal(g.notes[VG_NOTE_GAP], 1);
	evtx_free(w);
}

static void
every_truncation_and_every_byte_changed_is_survived(void **state)
{
	struct evtx_writer *w = logons(4);
	size_t n;
	uint8_t *p;

	(void)state;
	(void)evtx_bytes(w, &n);
	p = (uint8_t *)(uintptr_t)evtx_bytes(w, &n);
	for (size_t cut = 0; cut < VG_EVTX_HEADER + 4096; cut += cut < VG_EVTX_HEADER + 500 ? 97 : 1)
		(void)read_bytes(p, cut, cut % 2);
	for (size_t at = VG_EVTX_HEADER + 512; at < VG_EVTX_HEADER + 3600; at++) {
		uint8_t was = p[at];
		struct vg_buf b;

		p[at] = at % 3 ? 0xff : (uint8_t)(was ^ 1);
		(void)read_bytes(p, VG_EVTX_HEADER + 8192, true);
		b = dump_bytes(p, VG_EVTX_HEADER + 8192, at % 2);
		vg_buf_fini(&b);
		p[at] = was;
	}
	evtx_free(w);
}

/* Text of every type as Windows writes it. */
static void
values_are_written_as_windows_does(void **state)
{
	static const struct {
		uint8_t type, n;
		const char *bytes, *text;
	} row[] = {
		{ BX_STRING, 6, "a\0\0\0b\0", "ab" },
		{ BX_STRING, 2, "\0\xd8", "\xef\xbf\xbd" },
		{ BX_ANSI, 3, "a\x80\0", "a\xe2\x82\xac" },
		{ BX_INT8, 1, "\xff", "-1" },
		{ BX_INT32, 4, "\0\0\0\x80", "-2147483648" },
		{ BX_UINT64, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615" },
		{ BX_REAL64, 8, "\0\0\0\0\0\0\xf0\x3f", "1.0" },
		{ BX_REAL32, 4, "\xcd\xcc\xcc\x3d", "0.1" },
		{ BX_REAL64, 8, "\0\0\0\0\0\0\xf0\x7f", "1.#INF" },
		{ BX_BOOL, 4, "\2\0\0\0", "2" },
		{ BX_BOOL, 4, "\1\0\0\0", "true" },
		{ BX_BINARY, 2, "\x0f\xa0", "0FA0" },
		{ BX_GUID, 16, "\x25\x96\x84\x54\x78\x54\x94\x49\xa5\xba\x3e\x3b\x03\x28\xc3\x0d",
		  "{54849625-5478-4994-a5ba-3e3b0328c30d}" },
		{ BX_SIZE, 4, "\xe7\3\0\0", "0x3e7" },
		{ BX_HEX64, 8, "\0\0\0\0\0\0\0\x80", "0x8000000000000000" },
		{ BX_FILETIME, 8, "\0\0\0\0\0\0\0\0", "1601-01-01T00:00:00.0000000Z" },
		{ BX_FILETIME, 8, "\x80\x51\x9c\x3e\x3e\xd3\x9d\1", "1969-12-13T01:02:38.6000000Z" },
		{ BX_FILETIME, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", "0000-00-00T00:00:00.0000000Z" },
		{ BX_SYSTEMTIME, 16, "\xea\7\4\0\5\0\3\0\x08\0\x0c\0\x2d\0\x7b\0", "2026-04-03T08:12:45.1230000Z" },
		{ BX_SID, 12, "\1\1\0\0\0\0\0\5\x12\0\0\0", "S-1-5-18" },
		{ BX_SID, 3, "\1\1\0", "S-?" },
		{ 0x33, 2, "\1\2", "0102" },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++) {
		size_t max = vg_bx_text_max(row[i].type, row[i].n), n;
		char *t = malloc(max + 1);

		n = vg_bx_text(row[i].type, (const uint8_t *)row[i].bytes, row[i].n, t);
		assert_true(n <= max);
		t[n] = 0;
		if (row[i].type == BX_FILETIME && row[i].bytes[0] == '\x80')
			assert_int_equal(n, 28);
		else
			assert_string_equal(t, row[i].text);
		free(t);
	}
}

static void
the_checksum_is_the_usual_one(void **state)
{
	uint8_t b[300];
	uint32_t slow = ~0u;

	(void)state;
	assert_int_equal(vg_evtx_crc(0, "123456789", 9), 0xcbf43926u);
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 7 + 3);
	for (size_t n = 0; n < sizeof(b); n++) { /* each length, by the definition */
		assert_int_equal(vg_evtx_crc(0, b, n), ~slow);
		slow ^= b[n];
		for (int k = 0; k < 8; k++)
			slow = slow & 1 ? slow >> 1 ^ 0xedb88320u : slow >> 1;
	}
	assert_int_equal(vg_evtx_crc(vg_evtx_crc(0, b, 100), b + 100, 200), ~slow);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_the_names_of_sigma),
		cmocka_unit_test(user_data_gives_leaf_names),
		cmocka_unit_test(dumps_have_the_common_shape),
		cmocka_unit_test(chunks_are_counted_by_size),
		cmocka_unit_test(a_unit_begins_at_a_chunk_and_ends_at_stop),
		cmocka_unit_test(missing_numbers_are_a_gap),
		cmocka_unit_test(one_bad_record_does_not_end_the_chunk),
		cmocka_unit_test(what_was_deleted_is_carved_on_demand),
		cmocka_unit_test(a_record_hidden_in_the_one_before_is_seen),
		cmocka_unit_test(every_truncation_and_every_byte_changed_is_survived),
		cmocka_unit_test(values_are_written_as_windows_does),
		cmocka_unit_test(the_checksum_is_the_usual_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
