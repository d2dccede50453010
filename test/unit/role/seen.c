/* What detect sees of sources is told once, again after a while, and read back as it was. */
#include "role/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "role/messages.h"

static struct vg_keys *keys;
static uint32_t key[3], nkey;
static struct vg_loop *loop;
static struct vg_channel *here, *there;
static unsigned rows;
static struct vg_seen_row last;
static char first_field[64];
static char wire[4096];
static size_t nwire;

static vg_rc
on_seen(void *ctx, struct vg_channel *c, struct vg_cur *body, int fd)
{
	(void)ctx;
	(void)c;
	assert_int_equal(fd, -1);
	nwire = vg_cur_left(body);
	assert_true(nwire <= sizeof(wire));
	memcpy(wire, body->p, nwire);
	assert_int_equal(vg_seen_take(body, &last), VG_OK);
	snprintf(first_field, sizeof(first_field), "%.*s", VG_STR_ARG(last.nfield ? last.field[0] : VG_NIL));
	rows++;
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	(void)ctx;
	(void)c;
}

static int
setup(void **state)
{
	static const struct vg_handler handlers[] = { { VG_MSG_SEEN, VG_SEEN_BYTES_MAX, on_seen }, { 0, 0, NULL } }, none[] = { { 0, 0, NULL } };
	struct vg_channel_ops to = { handlers, closed, NULL }, from = { none, closed, NULL };
	static const char *const name[] = { "Image", "CommandLine", "nobody.asks" };
	int sv[2];

	(void)state;
	keys = vg_keys_new();
	for (size_t i = 0; i < 3; i++)
		key[i] = vg_keys_add(keys, vg_str_of(name[i]));
	nkey = key[2]; /* rules know the first two */
	assert_int_equal(vg_loop_new(&loop), VG_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(vg_channel_new(loop, sv[0], &from, &here), VG_OK);
	assert_int_equal(vg_channel_new(loop, sv[1], &to, &there), VG_OK);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	vg_channel_free(here);
	vg_channel_free(there);
	vg_loop_free(loop);
	vg_keys_free(keys);
	return 0;
}

static unsigned
told(struct vg_seen *s, int64_t mono_ns)
{
	rows = 0;
	vg_seen_tell(s, here, mono_ns);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vg_loop_turn(loop, 5), VG_OK);
	return rows;
}

static void
event(struct vg_seen *s, uint32_t source, int64_t recv_ns, uint32_t a, uint32_t b)
{
	static const struct vg_logsource ls[] = { { VG_STR_INIT("linux"), VG_STR_INIT("process_creation"), VG_STR_INIT("") },
						  { VG_STR_INIT("linux"), VG_STR_INIT(""), VG_STR_INIT("auditd") } };
	struct vg_field f[2] = { { .key = a }, { .key = b } };
	struct vg_event e = { .ls = ls, .nls = 2, .field = f, .nfield = 2 };

	vg_seen_event(s, 3, source, recv_ns, &e);
}

static void
each_is_told_when_it_is_new(void **state)
{
	struct vg_seen *s = vg_seen_new(keys, nkey);
	int64_t now = vg_monotonic_ns();

	(void)state;
	assert_non_null(s);
	event(s, 9, 1000, key[0], key[2]);
	event(s, 9, 2000, key[0], VG_KEY_NONE);
	assert_int_equal(told(s, now), 1);
	assert_int_equal(last.tenant, 3);
	assert_int_equal(last.source, 9);
	assert_int_equal(last.last_ns, 2000);
	assert_int_equal(last.nls, 2);
	assert_int_equal(last.nfield, 1); /* the other is no rule's */
	assert_string_equal(first_field, "Image");
	event(s, 9, 3000, key[0], key[0]);
	assert_int_equal(told(s, now + 2 * VG_SEC), 0); /* nothing new */
	event(s, 9, 4000, key[1], key[0]);
	assert_int_equal(told(s, now + 2 * VG_SEC + 1), 0); /* not twice a second */
	assert_int_equal(told(s, now + 4 * VG_SEC), 1);
	assert_int_equal(last.nfield, 1);
	assert_string_equal(first_field, "CommandLine");
	event(s, 9, 5000, key[0], key[0]);
	event(s, 10, 5000, key[0], key[0]); /* another source */
	assert_int_equal(told(s, now + 6 * VG_SEC), 1);
	assert_int_equal(last.source, 10);
	event(s, 9, 6000, key[0], key[0]);
	assert_int_equal(told(s, now + 11 * VG_MIN), 1); /* it still comes; the other does not */
	assert_int_equal(last.source, 9);
	assert_int_equal(last.nfield, 0);
	vg_seen_again(s); /* whoever heard it is gone */
	assert_int_equal(told(s, now + 12 * VG_MIN), 2);
	event(s, 9, 7000, key[1], key[1]);
	assert_int_equal(told(s, now + 25 * VG_HOUR), 1); /* of the day before */
	event(s, 9, 8000, key[1], key[1]);
	assert_int_equal(told(s, now + 26 * VG_HOUR), 1); /* a new day: its fields alone */
	assert_int_equal(last.nfield, 1);
	assert_int_equal(vg_seen_over(s), 0);
	vg_seen_free(s);
}

static void
there_is_room_for_so_many(void **state)
{
	struct vg_seen *s = vg_seen_new(keys, nkey);

	(void)state;
	for (uint32_t i = 0; i < VG_SEEN_KINDS_MAX + 5; i++)
		event(s, i, 1, key[0], key[0]);
	assert_int_equal(vg_seen_over(s), 5);
	vg_seen_free(s);
}

static void
every_truncation_is_refused(void **state)
{
	static struct vg_seen_row row;
	struct vg_seen *s = vg_seen_new(keys, nkey);
	struct vg_cur c;

	(void)state;
	event(s, 9, 1000, key[0], key[1]);
	assert_int_equal(told(s, vg_monotonic_ns()), 1);
	for (size_t n = 0; n < nwire; n++) {
		char *cut = malloc(n + 1); /* what is left of the last fields may be none: a list without them is whole */
		vg_rc rc;

		memcpy(cut, wire, n);
		c = vg_cur_of(cut, n);
		rc = vg_seen_take(&c, &row);
		assert_true(rc == VG_E_TRUNC || row.nfield < 2);
		free(cut);
	}
	wire[16] = (char)0xff; /* log sources */
	c = vg_cur_of(wire, nwire);
	assert_int_equal(vg_seen_take(&c, &row), VG_E_LIMIT);
	vg_seen_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_told_when_it_is_new),
		cmocka_unit_test(there_is_room_for_so_many),
		cmocka_unit_test(every_truncation_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
