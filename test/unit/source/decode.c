#include "source/decode.h"

#include "collect.h"

static struct vg_decoder d;
static struct vg_buf out;

#define RECV_NS (INT64_C(1775203965) * VG_SEC) /* 2026-04-03 08:12:45 */

static vg_rc
on_decoded(void *ctx, struct vg_event *e)
{
	(void)ctx;
	collect_event(&out, e);
	return VG_OK;
}

/* From an exact heap copy, so that the sanitizer sees one byte too far. */
static const char *
decode(const char *text, size_t n)
{
	char *exact = malloc(n ? n : 1);

	assert_non_null(exact);
	memcpy(exact, text, n);
	vg_buf_clear(&out);
	assert_int_equal(vg_decoder_record(&d, vg_str_mem(exact, n), RECV_NS, on_decoded, NULL), VG_OK);
	vg_buf_putc(&out, 0);
	assert_int_equal(out.rc, VG_OK);
	free(exact);
	return out.p;
}

static const struct {
	enum vg_decoded kind;
	const char *text, *want;
} rows[] = {
	{ VG_DECODED_SYSLOG, "<86>Apr  3 08:12:45 srv1 sshd[77]: Accepted password for bob\n",
	  "[2026-04-03T08:12:45.000Z #0 srv1|sshd||] zone\nhostname=srv1\nprogram=sshd\npid=77\nfacility=authpriv\nseverity=info\nmessage=Accepted password for bob\n" },
	{ VG_DECODED_SYSLOG, "2026-04-03T08:12:45Z srv1 su: root",
	  "[2026-04-03T08:12:45.000Z #0 srv1|su||]\nhostname=srv1\nprogram=su\nmessage=root\n" },
	{ VG_DECODED_SYSLOG, "<13>Dec 31 23:00:00 srv1 su: last year's",
	  "[2025-12-31T23:00:00.000Z #0 srv1|su||] zone\nhostname=srv1\nprogram=su\nfacility=user\nseverity=notice\nmessage=last year's\n" },
	{ VG_DECODED_JSON, " {\"a\":{\"b\":1},\"c\":\"x\"}", "[- #1 |||]\na.b=1\nc=x\n" },
	{ VG_DECODED_JSON, "{\"Records\":[{\"a\":1},{\"a\":2}]}", "[- #1 |||]\na=1\n[- #2 |||]\na=2\n" },
	{ VG_DECODED_JSON, "{\"a\":1} {\"a\":2}", "[- #1 |||]\na=1\n[- #2 |||]\na=2\n" },
	{ VG_DECODED_JSON, "{\"a\":1}, [ {\"a\":2}]", "[- #1 |||]\na=1\n[- #2 |||]\na=2\n" },
	{ VG_DECODED_WINXML, "<Event><System><EventID>4624</EventID><Computer>pc1</Computer></System></Event>",
	  "[- #1 pc1|||4624]\nEventID=4624\nComputer=pc1\n" },
	{ VG_DECODED_JOURNAL, "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1775203965000000\nMESSAGE=hello\n_HOSTNAME=srv1\n\n",
	  "[2026-04-03T08:12:45.000Z #1 srv1|||]\n__CURSOR=s=1\n__REALTIME_TIMESTAMP=1775203965000000\nMESSAGE=hello\n_HOSTNAME=srv1\nhostname+=srv1\nmessage+=hello\n" },
	{ VG_DECODED_AUDITD, "type=USER_LOGIN msg=audit(1775203965.123:77): pid=9 res=success",
	  "[2026-04-03T08:12:45.123Z #1 |audit.log||USER_LOGIN]\nserial=77\ntype=USER_LOGIN\npid=9\nres=success\n" },
	{ VG_DECODED_PLAIN, "nothing that we know", "[- #0 |||]\nmessage=nothing that we know\n" },
	{ VG_DECODED_PLAIN, "[notice] child process ended", "[- #0 |||]\nmessage=[notice] child process ended\n" },
	{ VG_DECODED_PLAIN, "__init__ of type= failed", "[- #0 |||]\nmessage=__init__ of type= failed\n" },
	{ VG_DECODED_PLAIN, "", "[- #0 |||]\nmessage=\n" },
};

static void
what_a_record_is_is_told_from_its_first_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		assert_string_equal(decode(rows[i].text, strlen(rows[i].text)), rows[i].want);
		assert_int_equal(d.kind, rows[i].kind);
	}
}

static void
every_beginning_of_a_record_gives_an_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < VG_COUNT(rows); i++)
		for (size_t n = 0; n < strlen(rows[i].text); n++) {
			(void)decode(rows[i].text, n);
			assert_in_range(d.events, 1, 2);
		}
}

static void
an_object_that_is_cut_is_told(void **state)
{
	(void)state;
	(void)decode("{\"a\":1,\"b\":\"x", 13);
	assert_int_equal(d.kind, VG_DECODED_JSON);
	assert_true(d.event.flags & VG_EVENT_PARTIAL);
	assert_true(d.notes > 0);
}

static vg_rc
stop(void *ctx, struct vg_event *e)
{
	(void)e;
	++*(unsigned *)ctx;
	return VG_E_STOP;
}

static void
the_caller_ends_it(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(vg_decoder_record(&d, VG_STR("[{\"a\":1},{\"a\":2}]"), RECV_NS, stop, &n), VG_E_STOP);
	assert_int_equal(n, 1);
	assert_int_equal(vg_decoder_record(&d, VG_STR("text"), RECV_NS, stop, &n), VG_E_STOP);
	assert_int_equal(n, 2);
}

static void
a_claimed_time_is_believed_near_arrival_only(void **state)
{
	struct vg_event e = { .time_ns = VG_TIME_NONE };

	(void)state;
	assert_true(vg_event_when(&e, RECV_NS) == RECV_NS);
	e.time_ns = RECV_NS - 30 * VG_DAY;
	assert_true(vg_event_when(&e, RECV_NS) == e.time_ns);
	e.time_ns--;
	assert_true(vg_event_when(&e, RECV_NS) == RECV_NS);
	e.time_ns = RECV_NS + 5 * VG_MIN;
	assert_true(vg_event_when(&e, RECV_NS) == e.time_ns);
	e.time_ns++;
	assert_true(vg_event_when(&e, RECV_NS) == RECV_NS);
	e.time_ns = INT64_MAX;
	assert_true(vg_event_when(&e, -2) == -2);
}

static int
up(void **state)
{
	(void)collect_up(state);
	vg_decoder_init(&d, NULL, c.keys, 0);
	return 0;
}

static int
down(void **state)
{
	vg_decoder_fini(&d);
	vg_buf_fini(&out);
	return collect_down(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_record_is_is_told_from_its_first_bytes),
		cmocka_unit_test(every_beginning_of_a_record_gives_an_event),
		cmocka_unit_test(an_object_that_is_cut_is_told),
		cmocka_unit_test(the_caller_ends_it),
		cmocka_unit_test(a_claimed_time_is_believed_near_arrival_only),
	};

	return cmocka_run_group_tests(tests, up, down);
}
