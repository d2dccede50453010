#include "source/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/buf.h"

/* Each event as "name=value|..." and a LF. */
struct seen {
	char text[65536];
	size_t n;
	uint64_t events, notes[VG_NOTE_KINDS], record;
	int64_t time_ns;
	size_t longest;
};
static struct seen seen;

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct seen *s = ctx;

	for (uint32_t i = 0; i < e->nfield; i++) {
		if (s->n < sizeof(s->text) - 256)
			s->n += (size_t)snprintf(s->text + s->n, 200, "%s%.*s=%.*s", i ? "|" : "",
						 VG_STR_ARG(e->field[i].name),
						 VG_STR_ARG(vg_str_cut(e->field[i].value, 60)));
		if (e->field[i].value.n > s->longest)
			s->longest = e->field[i].value.n;
	}
	s->text[s->n++] = '\n';
	s->text[s->n] = 0;
	s->time_ns = e->time_ns;
	s->record = e->record;
	s->events++;
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct seen *s = ctx;

	s->notes[n->kind] += n->count ? n->count : 1;
}

static void
read_bytes(const void *p, size_t n)
{
	char *copy = malloc(n ? n : 1);
	struct vg_arena arena;
	struct vg_keys *keys = vg_keys_new();
	struct vg_event event;
	struct vg_input in;
	struct vg_sink sink = { &seen, on_event, on_note };
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &event, .first = true };

	assert_non_null(copy);
	if (n)
		memcpy(copy, p, n);
	seen = (struct seen){ .n = 0 };
	vg_arena_init(&arena, 1 << 24);
	vg_event_init(&event, &arena, keys);
	vg_input_mem(&in, copy, n);
	assert_int_equal(vg_journal_read(&r), VG_OK);
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	free(copy);
}

static bool
says(const char *what)
{
	return strstr(seen.text, what) != NULL;
}

/* A writer of journal files: header, then objects. */
static void
put_zeros(struct vg_buf *b, size_t n)
{
	while (n--)
		vg_buf_u8(b, 0);
}

static void
patch(struct vg_buf *b, size_t at, uint64_t v)
{
	memcpy(b->p + at, &v, 8);
}

static void
begin_file(struct vg_buf *b, bool compact)
{
	vg_buf_clear(b);
	vg_buf_put(b, VG_STR("LPKSHHRH"));
	vg_buf_le32(b, 0);
	vg_buf_le32(b, compact ? 8 + 16 : 8);
	put_zeros(b, 272 - 16);
	patch(b, 88, 272);
}

static size_t
begin_object(struct vg_buf *b, uint8_t type, uint8_t flags)
{
	size_t at;

	while (b->n % 8)
		vg_buf_u8(b, 0);
	at = b->n;
	patch(b, 136, at);
	vg_buf_u8(b, type);
	vg_buf_u8(b, flags);
	put_zeros(b, 14);
	return at;
}

static size_t
put_data(struct vg_buf *b, bool compact, uint8_t flags, const void *p, size_t n)
{
	size_t at = begin_object(b, 1, flags);

	put_zeros(b, (compact ? 72 : 64) - 16);
	vg_buf_mem(b, p, n);
	patch(b, at + 8, b->n - at);
	return at;
}

static void
put_entry(struct vg_buf *b, bool compact, uint64_t seqnum, uint64_t realtime_us, const size_t *data,
	  size_t n)
{
	size_t at = begin_object(b, 3, 0);
	uint64_t entries;

	vg_buf_le64(b, seqnum);
	vg_buf_le64(b, realtime_us);
	put_zeros(b, 32);
	for (size_t i = 0; i < n; i++) {
		if (compact) {
			vg_buf_le32(b, (uint32_t)data[i]);
		} else {
			vg_buf_le64(b, data[i]);
			vg_buf_le64(b, 0);
		}
	}
	patch(b, at + 8, b->n - at);
	memcpy(&entries, b->p + 152, 8);
	patch(b, 152, entries + 1);
}

static const char lz4[] =
    "\x0c\0\0\0\0\0\0\0" /* the length, then four bytes, and two of them four times */
    "\x44"
    "L=ab"
    "\x02\0";

/* Three entries; the second's message is compressed by zstd; one value by lz4. */
static void
sample(struct vg_buf *b, bool compact)
{
	static const char pid[] = "_PID=77", host[] = "_HOSTNAME=gw",
			  id[] = "SYSLOG_IDENTIFIER=sshd";
	char longer[3000], packed[4000];
	size_t d[8], n;

	begin_file(b, compact);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "MESSAGE=", 8);
	n = ZSTD_compress(packed, sizeof(packed), longer, sizeof(longer), 3);
	d[0] = put_data(b, compact, 0, "MESSAGE=hello", 13);
	d[1] = put_data(b, compact, 0, pid, sizeof(pid) - 1);
	d[2] = put_data(b, compact, 0, host, sizeof(host) - 1);
	d[3] = put_data(b, compact, 0, id, sizeof(id) - 1);
	put_entry(b, compact, 5, UINT64_C(1775203965123456), d, 4);
	d[0] = put_data(b, compact, 4, packed, n);
	d[4] = put_data(b, compact, 2, lz4, sizeof(lz4) - 1);
	put_entry(b, compact, 6, UINT64_C(1775203966123456), d, 5);
	put_entry(b, compact, 9, UINT64_C(1775203967123456), d + 1, 3);
}

static void
files_are_read(void **state)
{
	(void)state;
	for (int compact = 0; compact < 2; compact++) {
		struct vg_buf b = { 0 };

		sample(&b, compact);
		put_zeros(&b, 4096); /* set aside by journald */
		read_bytes(b.p, b.n);
		assert_int_equal(seen.events, 3);
		assert_true(says("__REALTIME_TIMESTAMP=1775203965123456|MESSAGE=hello|_PID=77|_"
				 "HOSTNAME=gw|SYSLOG_IDENTIFIER=sshd|"
				 "hostname=gw|program=sshd|pid=77|message=hello\n"));
		assert_true(says("|MESSAGE=xxxxx"));
		assert_true(says("|L=ababababab|"));
		assert_int_equal(seen.longest, 3000 - 8);
		assert_int_equal(seen.record, 9);
		assert_true(seen.time_ns == INT64_C(1775203967123456000));
		assert_int_equal(seen.notes[VG_NOTE_GAP], 2);
		assert_int_equal(seen.notes[VG_NOTE_RECORD_BAD] + seen.notes[VG_NOTE_ERASED] +
				     seen.notes[VG_NOTE_DIRTY],
				 0);
		vg_buf_fini(&b);
	}
}

static void
damage_is_told_and_passed(void **state)
{
	struct vg_buf b = { 0 };
	uint64_t tail;

	(void)state;
	sample(&b, false);
	memcpy(&tail, b.p + 136, 8);
	memset(b.p + 272, 0, 80); /* the first value is wiped */
	read_bytes(b.p, b.n);
	assert_int_equal(seen.events, 3);
	assert_int_equal(seen.notes[VG_NOTE_ERASED], 1);
	assert_int_equal(seen.notes[VG_NOTE_RECORD_CUT], 1);
	memset(b.p + tail, 0, b.n - tail); /* and the last entry */
	b.p[16] = 1;
	read_bytes(b.p, b.n);
	assert_int_equal(seen.events, 2);
	assert_int_equal(seen.notes[VG_NOTE_ERASED], 3);
	assert_int_equal(seen.notes[VG_NOTE_DIRTY], 1);
	vg_buf_fini(&b);
}

static void
every_truncation_and_flip_is_read(void **state)
{
	struct vg_buf b = { 0 };

	(void)state;
	sample(&b, true);
	for (size_t n = 0; n < b.n; n++)
		read_bytes(b.p, n);
	for (size_t i = 8; i < b.n; i++) {
		b.p[i] = (char)~b.p[i];
		read_bytes(b.p, b.n);
		b.p[i] = (char)~b.p[i];
	}
	vg_buf_fini(&b);
}

/* A small file whose entries all say the same long value. */
static void
shared_values_have_a_budget(void **state)
{
	struct vg_buf b = { 0 };
	char *big = malloc(1 << 20);
	size_t d[2000];

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 1 << 20);
	memcpy(big, "A=", 2);
	begin_file(&b, true);
	d[0] = put_data(&b, true, 0, big, 1 << 20);
	for (size_t i = 1; i < VG_COUNT(d); i++)
		d[i] = d[0];
	put_entry(&b, true, 1, 1, d, VG_COUNT(d));
	read_bytes(b.p, b.n);
	assert_int_equal(seen.events, 1);
	assert_true(seen.notes[VG_NOTE_LIMIT] > 1000);
	free(big);
	vg_buf_fini(&b);
}

static void
the_export_format_is_read(void **state)
{
	static const char text[] =
	    "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1775203965123456\n_COMM=cron\nMESSAGE\n"
	    "\x09\0\0\0\0\0\0\0two\nlines\n_PID=5\n\n"
	    "__CURSOR=s=2\n__REALTIME_TIMESTAMP=1775203966123456\nMESSAGE=last\n";

	(void)state;
	assert_true(vg_journal_probe(vg_str_mem(text, sizeof(text) - 1), true, VG_NIL) > 90);
	read_bytes(text, sizeof(text) - 1);
	assert_int_equal(seen.events, 2);
	assert_string_equal(
	    seen.text,
	    "__CURSOR=s=1|__REALTIME_TIMESTAMP=1775203965123456|_COMM=cron|MESSAGE=two\nlines|_PID="
	    "5|"
	    "program=cron|pid=5|message=two\nlines\n"
	    "__CURSOR=s=2|__REALTIME_TIMESTAMP=1775203966123456|MESSAGE=last|message=last\n");
	assert_true(seen.time_ns == INT64_C(1775203966123456000));
	for (size_t n = 0; n < sizeof(text); n++)
		read_bytes(text, n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(damage_is_told_and_passed),
		cmocka_unit_test(every_truncation_and_flip_is_read),
		cmocka_unit_test(shared_values_have_a_budget),
		cmocka_unit_test(the_export_format_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
