/* The socket of drills: records go to the gate with the number of their world, wait while it is full, and are acknowledged when they are kept. */
#include "role/drill.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct rig {
	struct vg_gate gate;
	struct vg_loop *loop;
	struct vg_drill *drill;
	struct vg_channel *client; /* NULL: it ended */
	int dir, listen;
	char path[64];
	bool full;
	uint64_t taken, told;
	uint32_t world;    /* of the last record */
	uint64_t recv_ns;
	char raw[64];
	uint8_t id[VG_DRILL_ID_BYTES], id_before[VG_DRILL_ID_BYTES];
};

static uint32_t
on_source(void *ctx, const struct vg_speaker *s)
{
	(void)ctx;
	assert_true(vg_str_eq(s->tenant, VG_STR(VG_DRILL_TENANT)));
	return 7;
}

static bool
on_take(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw)
{
	struct rig *r = ctx;

	assert_int_equal(source, 7);
	if (r->full)
		return false;
	memcpy(r->id_before, r->id, sizeof(r->id));
	assert_int_equal(id.n, sizeof(r->id));
	memcpy(r->id, id.p, id.n);
	assert_true(vg_drill_world(id, &r->world));
	r->recv_ns = (uint64_t)recv_ns;
	snprintf(r->raw, sizeof(r->raw), "%.*s", VG_STR_ARG(raw));
	r->taken++;
	return true;
}

static uint64_t
on_taken(void *ctx)
{
	return ((struct rig *)ctx)->taken;
}

static void
on_refused(void *ctx, uint32_t source, enum vg_refusal why, uint64_t n)
{
	(void)ctx;
	(void)source;
	(void)why;
	(void)n;
}

static vg_rc
on_drilled(void *ctx, struct vg_channel *c, struct vg_cur *body, int fd)
{
	(void)c;
	assert_int_equal(fd, -1);
	((struct rig *)ctx)->told = vg_cur_le64(body);
	return body->rc;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	(void)c;
	((struct rig *)ctx)->client = NULL;
}

static void
turn(struct rig *r)
{
	for (int i = 0; i < 10; i++)
		assert_int_equal(vg_loop_turn(r->loop, 5), VG_OK);
}

static void
begin(struct rig *r)
{
	static const struct vg_handler handlers[] = { { VG_MSG_DRILLED, 8, on_drilled }, { 0, 0, NULL } };
	struct vg_channel_ops ops = { handlers, closed, r };
	struct stat st;

	*r = (struct rig){ .gate = { r, on_source, on_take, on_taken, on_refused, NULL } };
	snprintf(r->path, sizeof(r->path), "/tmp/vigie-drill-XXXXXX");
	assert_non_null(mkdtemp(r->path));
	assert_true((r->dir = open(r->path, O_RDONLY | O_DIRECTORY)) >= 0);
	assert_int_equal(vg_drill_connect(r->dir), -1); /* nobody is there */
	assert_true((r->listen = vg_drill_listen(r->dir)) >= 0);
	close(r->listen); /* one that died leaves its name */
	assert_true((r->listen = vg_drill_listen(r->dir)) >= 0);
	assert_int_equal(fstatat(r->dir, VG_DRILL_SOCKET, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(vg_loop_new(&r->loop), VG_OK);
	assert_int_equal(vg_drill_new(r->loop, &r->gate, r->listen, &r->drill), VG_OK);
	assert_int_equal(vg_channel_new(r->loop, vg_drill_connect(r->dir), &ops, &r->client), VG_OK);
}

static void
end(struct rig *r)
{
	vg_channel_free(r->client);
	turn(r); /* the other end goes too */
	vg_drill_free(r->drill);
	vg_loop_free(r->loop);
	close(r->listen);
	unlinkat(r->dir, VG_DRILL_SOCKET, 0);
	close(r->dir);
	rmdir(r->path);
}

static void
send(struct rig *r, uint32_t world, uint64_t recv_ns, const char *raw)
{
	struct vg_buf b = { 0 };

	vg_buf_le32(&b, world);
	vg_buf_le64(&b, recv_ns);
	vg_buf_puts(&b, raw);
	vg_channel_send(r->client, VG_MSG_DRILL, vg_buf_str(&b));
	vg_buf_fini(&b);
}

static void
records_are_taken_and_acknowledged(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	send(&r, VG_DRILL_WORLDS | 5, 77, "first");
	send(&r, VG_DRILL_WORLDS | 6, 78, "second");
	turn(&r);
	assert_int_equal(r.taken, 2);
	assert_int_equal(r.world, VG_DRILL_WORLDS | 6);
	assert_int_equal(r.recv_ns, 78);
	assert_string_equal(r.raw, "second");
	assert_memory_not_equal(r.id, r.id_before, sizeof(r.id)); /* each record its own */
	assert_int_equal(r.told, 0);
	vg_drill_kept(r.drill, 1);
	turn(&r);
	assert_int_equal(r.told, 0);
	vg_drill_kept(r.drill, 2);
	turn(&r);
	assert_int_equal(r.told, 2);
	end(&r);
}

static void
they_wait_while_there_is_no_room(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	r.full = true;
	send(&r, VG_DRILL_WORLDS, 1, "first");
	send(&r, VG_DRILL_WORLDS, 2, "second");
	turn(&r);
	assert_int_equal(r.taken, 0);
	vg_drill_room(r.drill); /* and it is full again at once */
	assert_int_equal(r.taken, 0);
	r.full = false;
	vg_drill_room(r.drill);
	turn(&r);
	assert_int_equal(r.taken, 2);
	assert_string_equal(r.raw, "second");
	end(&r);
}

static void
what_is_no_drill_ends_the_connection(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	send(&r, 1, 1, "a company's");
	turn(&r);
	assert_null(r.client);
	assert_int_equal(r.taken, 0);
	end(&r);
	begin(&r);
	vg_channel_send(r.client, VG_MSG_DRILL, VG_STR("\1\2"));
	turn(&r);
	assert_null(r.client);
	end(&r);
	begin(&r);
	vg_channel_send(r.client, VG_MSG_DRILLED, VG_STR("12345678"));
	turn(&r);
	assert_null(r.client);
	end(&r);
}

static void
ids_say_their_world(void **state)
{
	uint32_t w;

	(void)state;
	assert_true(vg_drill_world(VG_STR("\1\0\0\x80zzzz"), &w));
	assert_int_equal(w, 0x80000001);
	assert_false(vg_drill_world(VG_STR("\1\0\0\0zzzz"), &w));
	assert_false(vg_drill_world(VG_STR("\1\0\0\x80zzz"), &w));
	assert_false(vg_drill_world(VG_STR("\1\0\0\x80zzzzz"), &w));
	assert_false(vg_drill_world(VG_NIL, &w));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_taken_and_acknowledged),
		cmocka_unit_test(they_wait_while_there_is_no_room),
		cmocka_unit_test(what_is_no_drill_ends_the_connection),
		cmocka_unit_test(ids_say_their_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
