/* What `vigie hunt` hands from one of its processes to the next.  The first byte chooses: o, a worker's spool, as it is brought in order; h, the same, with hits that
 * are made of four bytes each: rule, user, time, digest; t, what is in order, as it is told in rows and reports; T, the same with events made so.  What is
 * always true: both come to an end, with an answer. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

#include "knowledge.h"

/* Both leave all that they hold to the end of their process: the first block of each is what that hangs on. */
static void *fuzz_held;

static void *
fuzz_hold(size_t n, size_t size)
{
	return fuzz_held = calloc(n, size);
}

static void *
fuzz_calloc(size_t n, size_t size)
{
	return fuzz_held ? calloc(n, size) : fuzz_hold(n, size);
}
#define calloc(n, size) fuzz_calloc(n, size)
#define fail order_fail
#define on_entry order_entry
#define send order_send
#define on_hit order_hit
#include "hunt/order.c"
#undef fail
#undef on_entry
#undef send
#undef on_hit
#define on_signal tell_signal
#define is_reported tell_reported
#include "hunt/tell.c"
#undef calloc

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FILES 2
#define T0 INT64_C(1790000000000000000)

static struct vg_knowledge knowledge;
static int spool_fd, sort_fd, out_fd;

static void
order_fini(void)
{
	struct order *o = fuzz_held;

	vg_buf_fini(&o->out);
	vg_buf_fini(&o->wire);
	vg_correlator_free(o->correlator);
	vg_sorter_free(o->sorter);
	vg_arena_fini(&o->arena);
	vg_map_fini(&o->same);
	free(o);
	fuzz_held = NULL;
}

static void
tell_fini(void)
{
	struct tell *f = fuzz_held;

	vg_story_free(f->story);
	vg_regexes_free(f->re);
	vg_arena_fini(&f->arena);
	vg_arena_fini(&f->scratch);
	vg_arena_fini(&f->names);
	vg_buf_fini(&f->rows);
	vg_buf_fini(&f->wire);
	free(f->line_base);
	free(f->applied);
	vg_map_fini(&f->member);
	free(f->member_name);
	vg_map_fini(&f->last);
	free(f);
	fuzz_held = NULL;
}

/* Four bytes each: rules, user, time, digest. */
static void
put_hits(const uint8_t *x, size_t n, enum vg_entry_type type, struct vg_buf *out)
{
	static struct vg_arena arena;
	static struct vg_event event;
	struct vg_buf wire = { 0 };
	char user[8];

	if (event.keys == NULL) {
		vg_arena_init(&arena, 1 << 20);
		vg_event_init(&event, &arena, knowledge.keys);
	}
	for (size_t i = 0; i + 4 <= n; i += 4) {
		struct vg_entry e = { .time_ns = x[i + 2] == 255 ? VG_TIME_NONE : x[i + 2] == 254 ? INT64_MAX : T0 + (int64_t)x[i + 2] * VG_SEC, .file = x[i] / 128u, .digest = x[i + 3],
				      .rule = x[i] % 16u, .offset = i, .type = (uint8_t)type, .last = 1 };

		vg_arena_reset(&arena);
		vg_event_reset(&event);
		snprintf(user, sizeof(user), "u%u", x[i + 1] % 8u);
		(void)!vg_event_add(&event, VG_STR("u"), VG_KIND_TEXT, vg_str_of(user));
		(void)!vg_event_add(&event, VG_STR("user.name"), VG_KIND_TEXT, VG_STR("eve"));
		vg_buf_clear(&wire);
		vg_wire_encode(&wire, &event, NULL, 0);
		vg_entry_put(out, &e, x[i + 1] & 0x80 ? VG_NIL : vg_buf_str(&wire));
		if (type == VG_ENTRY_EVENT) {
			e.type = VG_ENTRY_SIGNAL;
			vg_entry_put(out, &e, VG_NIL);
		}
	}
	vg_buf_fini(&wire);
}

static void
refill(int fd, vg_str s)
{
	if (ftruncate(fd, 0) < 0 || (s.n && pwrite(fd, s.p, s.n, 0) != (ssize_t)s.n) || lseek(fd, 0, SEEK_SET) < 0)
		abort();
}

static void
finish(bool tells, vg_str s)
{
	static const vg_str path[FILES] = { VG_STR_INIT("a.evtx"), VG_STR_INIT("b.log") };
	static const bool by_lines[FILES] = { false, true };
	struct vg_file_report report[FILES] = { { .path = path[0], .events = 500 }, { .path = path[1], .events = 3 } };
	struct vg_hunt_options o = { .from_ns = VG_TIME_NONE, .to_ns = VG_TIME_NONE, .rows_fd = out_fd, .html_fd = out_fd, .navigator_fd = out_fd, .stix_fd = out_fd,
				     .summary_fd = out_fd };
	struct vg_file_list files = { .n = FILES };
	struct vg_range range[FILES] = { { .file = 0, .n = s.n }, { .file = 1, .at = s.n, .lines = 5 } };
	struct vg_finish in = { .k = &knowledge, .o = &o, .files = &files, .report = report, .by_lines = by_lines, .range = range, .nrange = FILES, .spool = &spool_fd,
				.nspool = 1, .sort_fd = sort_fd, .result_fd = out_fd };
	vg_rc rc;

	refill(spool_fd, s);
	if (ftruncate(sort_fd, 0) < 0 || ftruncate(out_fd, 0) < 0 || lseek(out_fd, 0, SEEK_SET) < 0)
		abort();
	rc = tells ? vg_tell_run(&in, spool_fd) : vg_order_run(&in, out_fd);
	assert(rc <= VG_E_MAX);
	if (tells)
		tell_fini();
	else
		order_fini();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vg_entry end = { .type = VG_ENTRY_END };
	struct vg_buf b = { 0 };
	char why[400];

	if (knowledge.keys == NULL && (vg_knowledge_open(fuzz_knowledge(), &knowledge, why) != VG_OK || (spool_fd = memfd_create("spool", MFD_CLOEXEC)) < 0 ||
				       (sort_fd = memfd_create("sort", MFD_CLOEXEC)) < 0 || (out_fd = memfd_create("out", MFD_CLOEXEC)) < 0))
		abort();
	if (n == 0)
		return 0;
	if (data[0] == 'h' || data[0] == 'T')
		put_hits(data + 1, n - 1 < 2000 ? n - 1 : 2000, data[0] == 'h' ? VG_ENTRY_HIT : VG_ENTRY_EVENT, &b);
	else
		vg_buf_mem(&b, data + 1, n - 1);
	if (data[0] == 'T')
		vg_entry_put(&b, &end, vg_str_mem("0123456789abcdef", 16));
	finish(data[0] == 't' || data[0] == 'T', vg_buf_str(&b));
	vg_buf_fini(&b);
	return 0;
}
