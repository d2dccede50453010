#include "basket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "net/tail.h"
#include "vault/record.h"

#define PATIENCE_NS INT64_C(8000000000)

struct world {
	char dir[64], glob[3][128];
	const char *globs[4];
	struct basket b;
	struct vg_loop *l;
	struct vg_tail *t;
	struct vg_buf places; /* saved when it was stopped */
	uint64_t first_bytes;
};

static void
begin(struct world *w)
{
	struct vg_tail_options o = { w->globs, VG_STR("acme"), VG_STR("host1"), w->first_bytes, NULL, NULL };

	assert_int_equal(vg_loop_new(&w->l), VG_OK);
	assert_int_equal(vg_tail_new(w->l, &w->b.gate, &o, vg_buf_str(&w->places), &w->t), VG_OK);
}

static void
end(struct world *w)
{
	vg_tail_free(w->t);
	vg_loop_free(w->l);
	w->t = NULL;
}

/* All is kept, and it ends in good order. */
static void
stop(struct world *w)
{
	vg_tail_kept(w->t, w->b.n);
	vg_tail_places(w->t, &w->places);
	assert_int_equal(w->places.rc, VG_OK);
	end(w);
}

static void
world_new(struct world *w)
{
	memset(w, 0, sizeof(*w));
	folder_new(w->dir);
	snprintf(w->glob[0], sizeof(w->glob[0]), "%s/*.log", w->dir);
	snprintf(w->glob[1], sizeof(w->glob[1]), "%s/wtmp", w->dir);
	snprintf(w->glob[2], sizeof(w->glob[2]), "%s/sub/*.log", w->dir);
	for (unsigned i = 0; i < 3; i++)
		w->globs[i] = w->glob[i];
	basket_init(&w->b);
}

static void
world_end(struct world *w)
{
	if (w->t)
		end(w);
	vg_buf_fini(&w->places);
	basket_fini(&w->b);
	folder_remove(w->dir);
}

/* Until there are @n records, and then a little: no more may come. */
static void
until(struct world *w, size_t n)
{
	int64_t end_ns = vg_monotonic_ns() + PATIENCE_NS;

	while (w->b.n < n && vg_monotonic_ns() < end_ns)
		assert_int_equal(vg_loop_turn(w->l, 50), VG_OK);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(vg_loop_turn(w->l, 12), VG_OK);
	if (w->b.n != n)
		for (size_t i = 0; i < w->b.n; i++)
			print_message("%s %.100s\n", w->b.r[i].id, w->b.r[i].raw);
	assert_int_equal(w->b.n, n);
}

static char *
path_of(const struct world *w, const char *name)
{
	static char path[2][200];
	static unsigned i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/%s", w->dir, name);
	return path[i];
}

static void
put_bytes(const struct world *w, const char *name, int flags, const void *p, size_t n)
{
	int fd = open(path_of(w, name), O_WRONLY | O_CREAT | flags, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	close(fd);
}

static void
append(const struct world *w, const char *name, const char *text)
{
	put_bytes(w, name, O_APPEND, text, strlen(text));
}

static void
overwrite(const struct world *w, const char *name, const char *text)
{
	put_bytes(w, name, O_TRUNC, text, strlen(text));
}

static void
move(const struct world *w, const char *from, const char *to)
{
	assert_int_equal(rename(path_of(w, from), path_of(w, to)), 0);
}

static void
expect_at(const struct world *w, size_t i, const char *raw)
{
	assert_true(i < w->b.n);
	assert_string_equal(w->b.r[i].raw, raw);
}

/* No two records of the same id, unless they say the same. */
static void
expect_ids_apart(const struct world *w)
{
	for (size_t i = 0; i < w->b.n; i++)
		for (size_t k = i + 1; k < w->b.n; k++)
			if (strcmp(w->b.r[i].id, w->b.r[k].id) == 0)
				assert_string_equal(w->b.r[i].raw, w->b.r[k].raw);
}

static void
lines_come_as_they_are_written(void **state)
{
	struct world w;
	char want[200];

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\ntwo\n\npart");
	append(&w, "b.txt", "not wanted\n");
	begin(&w);
	until(&w, 2);
	expect_at(&w, 0, "one");
	expect_at(&w, 1, "two");
	append(&w, "a.log", "ial\nthree\n");
	until(&w, 4);
	expect_at(&w, 2, "partial");
	expect_at(&w, 3, "three");
	append(&w, "new.log", "four\n");
	until(&w, 5);
	snprintf(want, sizeof(want), "acme|host1:%s/a.log|file", w.dir);
	assert_string_equal(w.b.source[w.b.r[0].source], want);
	snprintf(want, sizeof(want), "acme|host1:%s/new.log|file", w.dir);
	assert_string_equal(w.b.source[w.b.r[4].source], want);
	assert_int_equal(mkdir(path_of(&w, "sub"), 0755), 0);
	append(&w, "sub/c.log", "five\n");
	until(&w, 6);
	append(&w, "sub/c.log", "six\n");
	until(&w, 7);
	world_end(&w);
}

static void
a_line_waits_for_its_end(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "half");
	begin(&w);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(vg_loop_turn(w.l, 100), VG_OK);
	assert_int_equal(w.b.n, 0);
	stop(&w);
	begin(&w);
	append(&w, "a.log", " and half\n");
	until(&w, 1);
	expect_at(&w, 0, "half and half");
	world_end(&w);
}

static void
a_restart_goes_on_behind_what_was_kept(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\ntwo\n");
	begin(&w);
	until(&w, 2);
	vg_tail_kept(w.t, 2);
	append(&w, "a.log", "three\nfour\n");
	until(&w, 4); /* not kept */
	vg_tail_places(w.t, &w.places);
	end(&w);
	begin(&w);
	until(&w, 6);
	expect_at(&w, 4, "three");
	assert_string_equal(w.b.r[4].id, w.b.r[2].id);
	assert_string_equal(w.b.r[5].id, w.b.r[3].id);
	assert_string_not_equal(w.b.r[5].id, w.b.r[4].id);
	stop(&w);
	append(&w, "a.log", "five\n");
	begin(&w);
	until(&w, 7);
	expect_at(&w, 6, "five");
	world_end(&w);
}

/* The writer goes on in the old file for a while, as those do that are told later. */
static void
a_rotated_file_is_read_to_its_end(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\n");
	begin(&w);
	until(&w, 1);
	fd = open(path_of(&w, "a.log"), O_WRONLY | O_APPEND);
	move(&w, "a.log", "a.log.1");
	assert_int_equal(write(fd, "two\nhal", 7), 7);
	until(&w, 2);
	assert_int_equal(write(fd, "f\n", 2), 2);
	until(&w, 3);
	assert_int_equal(write(fd, "end", 3), 3); /* never to be ended */
	close(fd);
	append(&w, "a.log", "new\n");
	until(&w, 5);
	expect_at(&w, 1, "two");
	expect_at(&w, 2, "half");
	expect_at(&w, 3, "end");
	expect_at(&w, 4, "new");
	assert_int_equal(w.b.r[0].source, w.b.r[3].source);
	assert_int_equal(w.b.r[0].source, w.b.r[4].source);
	assert_null(basket_told(&w.b, ""));
	world_end(&w);
}

static void
what_was_rotated_meanwhile_is_found(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "1\n");
	begin(&w);
	until(&w, 1);
	stop(&w);
	append(&w, "a.log", "2\n");
	usleep(20000);
	move(&w, "a.log", "a.log.1");
	append(&w, "a.log", "3\n");
	usleep(20000);
	move(&w, "a.log.1", "a.log.2");
	move(&w, "a.log", "a.log.1");
	append(&w, "a.log", "4\n");
	begin(&w);
	until(&w, 4);
	expect_at(&w, 1, "2");
	expect_at(&w, 2, "3");
	expect_at(&w, 3, "4");
	stop(&w);
	begin(&w); /* and all of it is known */
	until(&w, 4);
	world_end(&w);
}

static void
copy_and_truncation_is_told_and_loses_nothing(void **state)
{
	struct world w;
	char command[300];

	(void)state;
	world_new(&w);
	append(&w, "a.log", "1 first\n2 second\n");
	begin(&w);
	until(&w, 2);
	stop(&w);
	append(&w, "a.log", "3 not seen yet\n");
	snprintf(command, sizeof(command), "cp %s/a.log %s/a.log.1 && : >%s/a.log", w.dir, w.dir, w.dir);
	assert_int_equal(system(command), 0);
	append(&w, "a.log", "4 new\n");
	begin(&w);
	until(&w, 5);
	assert_non_null(basket_told(&w.b, "\"what\":\"truncated\""));
	assert_non_null(basket_told(&w.b, "\"copy\":\"a.log.1\""));
	expect_at(&w, 3, "3 not seen yet");
	expect_at(&w, 4, "4 new");
	assert_int_equal(system(command), 0); /* while it looks */
	append(&w, "a.log", "5 new, and long enough to be past the place where it was\n");
	until(&w, 7);
	expect_at(&w, 6, "5 new, and long enough to be past the place where it was");
	assert_non_null(strstr(w.b.r[5].raw, "truncated"));
	expect_ids_apart(&w);
	world_end(&w);
}

static void
an_erased_file_is_told(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\ntwo\n");
	begin(&w);
	until(&w, 2);
	overwrite(&w, "a.log", "");
	until(&w, 3);
	assert_non_null(strstr(w.b.r[2].raw, "\"file-changed\""));
	assert_non_null(strstr(w.b.r[2].raw, "\"what\":\"truncated\",\"was\":{\"inode\":"));
	assert_non_null(strstr(w.b.r[2].raw, "\"read\":8}"));
	assert_string_equal(w.b.source[w.b.r[2].source], "acme|host1:vigie-tail|file");
	append(&w, "a.log", "one\n"); /* the same bytes at the same place, and yet another record */
	until(&w, 4);
	assert_string_not_equal(w.b.r[3].id, w.b.r[0].id);
	stop(&w);
	overwrite(&w, "a.log", "x\n"); /* while nobody looks */
	begin(&w);
	until(&w, 6);
	assert_non_null(strstr(w.b.r[4].raw, "\"truncated\""));
	expect_at(&w, 5, "x");
	move(&w, "a.log", "a.log.1");
	append(&w, "a.log", "y\n");
	until(&w, 7);
	stop(&w);
	overwrite(&w, "a.log", ""); /* also when there is another one to be read first */
	begin(&w);
	until(&w, 8);
	assert_non_null(strstr(w.b.r[7].raw, "\"truncated\""));
	expect_ids_apart(&w);
	world_end(&w);
}

static void
an_edit_in_place_is_told(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\nbad\n");
	begin(&w);
	until(&w, 2);
	put_bytes(&w, "a.log", 0, "one\nfed\n", 8); /* as long as it was */
	until(&w, 5);
	assert_non_null(strstr(w.b.r[2].raw, "\"what\":\"edited\""));
	expect_at(&w, 3, "one");
	expect_at(&w, 4, "fed");
	stop(&w);
	overwrite(&w, "a.log", "one\nthree and more\n");
	begin(&w);
	until(&w, 8);
	assert_non_null(strstr(w.b.r[5].raw, "\"what\":\"edited\""));
	stop(&w);
	begin(&w); /* told once */
	until(&w, 8);
	expect_ids_apart(&w);
	world_end(&w);
}

static void
a_file_that_was_replaced_is_told(void **state)
{
	struct world w;
	char command[300];

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\nbad\n");
	begin(&w);
	until(&w, 2);
	snprintf(command, sizeof(command), "sed -i /bad/d %s/a.log", w.dir);
	assert_int_equal(system(command), 0);
	until(&w, 4);
	assert_non_null(strstr(w.b.r[2].raw, "\"what\":\"replaced\""));
	expect_at(&w, 3, "one");
	stop(&w);
	append(&w, "a.log", "bad\nbad\nlast\n");
	assert_int_equal(system(command), 0);
	begin(&w);
	until(&w, 7);
	assert_non_null(strstr(w.b.r[4].raw, "\"what\":\"replaced\""));
	expect_at(&w, 5, "one");
	expect_at(&w, 6, "last");
	world_end(&w);
}

static void
a_deleted_file_is_told_and_still_read(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\n");
	begin(&w);
	until(&w, 1);
	fd = open(path_of(&w, "a.log"), O_WRONLY | O_APPEND);
	assert_int_equal(unlink(path_of(&w, "a.log")), 0);
	until(&w, 2);
	assert_non_null(strstr(w.b.r[1].raw, "\"what\":\"deleted\""));
	assert_int_equal(write(fd, "two\nend", 7), 7); /* its writer does not know */
	close(fd);
	until(&w, 4);
	expect_at(&w, 2, "two");
	expect_at(&w, 3, "end");
	append(&w, "a.log", "three\n");
	until(&w, 5);
	stop(&w);
	assert_int_equal(unlink(path_of(&w, "a.log")), 0);
	begin(&w);
	until(&w, 6);
	assert_non_null(strstr(w.b.r[5].raw, "\"what\":\"deleted\""));
	stop(&w);
	begin(&w);
	until(&w, 6);
	world_end(&w);
}

/* logrotate with "compress": the old file has become another one, which is no sign of anything. */
static void
a_compressed_file_is_a_rotated_one(void **state)
{
	struct world w;
	char command[300];

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\n");
	begin(&w);
	until(&w, 1);
	snprintf(command, sizeof(command), "mv %s/a.log %s/a.log.1 && gzip %s/a.log.1", w.dir, w.dir, w.dir);
	assert_int_equal(system(command), 0);
	append(&w, "a.log", "two\n");
	until(&w, 2);
	assert_null(basket_told(&w.b, ""));
	stop(&w);
	append(&w, "a.log", "never seen\n");
	snprintf(command, sizeof(command), "mv %s/a.log %s/a.log-20260401 && gzip %s/a.log-20260401", w.dir, w.dir, w.dir);
	assert_int_equal(system(command), 0);
	append(&w, "a.log", "three\n");
	begin(&w);
	until(&w, 4);
	assert_non_null(strstr(w.b.r[2].raw, "\"vigie\":\"file-gone\""));
	assert_non_null(strstr(w.b.r[2].raw, "\"read\":4}"));
	assert_non_null(strstr(w.b.r[2].raw, "\"copy\":\"a.log-20260401.gz\""));
	expect_at(&w, 3, "three");
	world_end(&w);
}

static void
zeros_are_told(void **state)
{
	struct world w;
	static char zeros[3000];
	struct vg_tail_counts c;

	(void)state;
	world_new(&w);
	append(&w, "a.log", "one\nhalf");
	put_bytes(&w, "a.log", O_APPEND, zeros, sizeof(zeros));
	append(&w, "a.log", "two\n");
	begin(&w);
	until(&w, 4);
	expect_at(&w, 1, "half");
	assert_non_null(strstr(w.b.r[2].raw, "\"vigie\":\"file-zeros\""));
	assert_non_null(strstr(w.b.r[2].raw, "\"offset\":8,\"bytes\":3000}"));
	expect_at(&w, 3, "two");
	vg_tail_count(w.t, &c);
	assert_int_equal(c.zeros, 3000);
	assert_int_equal(truncate(path_of(&w, "a.log"), INT64_C(1) << 40), 0); /* a hole of 1 TiB */
	until(&w, 5);
	append(&w, "a.log", "three\n");
	until(&w, 6);
	expect_at(&w, 5, "three");
	stop(&w);
	begin(&w);
	until(&w, 6);
	world_end(&w);
}

static void
long_lines_are_cut_and_counted(void **state)
{
	struct world w;
	size_t n = 3 * VG_RECORD_RAW_MAX;
	char *line = malloc(n + 1);

	(void)state;
	world_new(&w);
	memset(line, 'x', n);
	line[n] = '\n';
	put_bytes(&w, "a.log", O_APPEND, line, n);
	begin(&w);
	until(&w, 1);
	assert_int_equal(w.b.r[0].n, VG_RECORD_RAW_MAX);
	assert_int_equal(w.b.refused[VG_REFUSED_LONG], 1);
	stop(&w);
	begin(&w);
	append(&w, "a.log", "still the same\nnext\n");
	until(&w, 2);
	expect_at(&w, 1, "next");
	put_bytes(&w, "a.log", O_APPEND, line + n - VG_RECORD_RAW_MAX, VG_RECORD_RAW_MAX + 1);
	until(&w, 3);
	assert_int_equal(w.b.r[2].n, VG_RECORD_RAW_MAX);
	assert_int_equal(w.b.refused[VG_REFUSED_LONG], 1);
	world_end(&w);
	free(line);
}

static void
a_large_file_is_begun_near_its_end(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	w.first_bytes = 10;
	append(&w, "a.log", "one\ntwo\nthree\nfour\n");
	append(&w, "b.log", "in whole\n");
	begin(&w);
	until(&w, 3);
	assert_non_null(strstr(w.b.r[0].raw, "\"vigie\":\"file-skipped\""));
	assert_non_null(strstr(w.b.r[0].raw, "\"offset\":0,\"bytes\":9}"));
	assert_int_equal(basket_count(&w.b, "four"), 1);
	assert_int_equal(basket_count(&w.b, "in whole"), 1);
	move(&w, "a.log", "a.log.1"); /* what comes next was not there before: all of it is read */
	append(&w, "a.log", "longer than ten bytes\nand more\n");
	until(&w, 5);
	world_end(&w);
}

static void
wtmp_has_records(void **state)
{
	struct world w;
	char r[3 * 384];

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < sizeof(r); i++)
		r[i] = (char)(i / 384 + (i % 384 == 50 ? '\n' : 0));
	put_bytes(&w, "wtmp", O_APPEND, r, 384 + 100);
	begin(&w);
	until(&w, 1);
	put_bytes(&w, "wtmp", O_APPEND, r + 484, 668);
	until(&w, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(w.b.r[i].n, 384);
		assert_memory_equal(w.b.r[i].raw, r + 384 * i, 384);
	}
	memset(r + 384, 0, 384); /* as those tools do that hide a log-in */
	put_bytes(&w, "wtmp", 0, r, sizeof(r));
	until(&w, 7);
	assert_non_null(strstr(w.b.r[3].raw, "\"what\":\"edited\""));
	assert_memory_equal(w.b.r[5].raw, r + 384, 384);
	world_end(&w);
}

static void
many_files_have_their_turns(void **state)
{
	struct world w;
	struct vg_tail_counts c;
	char name[40], text[60];
	size_t n = 0;

	(void)state;
	world_new(&w);
	for (unsigned i = 0; i < 300; i++)
		for (unsigned k = 0; k < 3; k++) {
			snprintf(name, sizeof(name), "f%u.log", i);
			snprintf(text, sizeof(text), "%u of %u\n", k, i);
			append(&w, name, text);
			n++;
		}
	begin(&w);
	until(&w, n);
	w.b.max_source = w.b.nsource + 1; /* one more, and no more */
	append(&w, "g1.log", "x\n");
	until(&w, n + 1);
	append(&w, "g2.log", "x\n");
	until(&w, n + 1);
	vg_tail_count(w.t, &c);
	assert_int_equal(c.files, 301);
	assert_int_equal(c.over, 1);
	w.b.max_source = BASKET_SOURCES;
	append(&w, "g2.log", "y\n");
	until(&w, n + 3);
	world_end(&w);
}

static void
what_is_no_file_is_left_alone(void **state)
{
	struct world w;
	struct vg_tail_counts c;

	(void)state;
	world_new(&w);
	assert_int_equal(mkfifo(path_of(&w, "pipe.log"), 0644), 0);
	assert_int_equal(mkdir(path_of(&w, "dir.log"), 0755), 0);
	assert_int_equal(symlink("/nowhere", path_of(&w, "link.log")), 0);
	append(&w, "a.log", "x\n");
	assert_int_equal(symlink("a.log", path_of(&w, "b.log")), 0); /* one file, one name */
	begin(&w);
	until(&w, 1);
	vg_tail_count(w.t, &c);
	assert_int_equal(c.files, 1);
	stop(&w);
	w.places.p[w.places.n - 1] ^= 1;
	{
		struct vg_tail_options o = { w.globs, VG_STR("acme"), VG_STR("host1"), 0, NULL, NULL };

		assert_int_equal(vg_loop_new(&w.l), VG_OK);
		assert_int_equal(vg_tail_new(w.l, &w.b.gate, &o, vg_buf_str(&w.places), &w.t), VG_E_FORMAT);
		vg_loop_free(w.l);
		w.t = NULL;
	}
	world_end(&w);
}

/* ---- at random: VIGIE_TEST_SEED runs one, VIGIE_TEST_RUNS so many ---- */

struct random_run {
	struct world w;
	uint64_t random;
	unsigned next;       /* number of the next line */
	int fd;              /* the writer's */
	size_t kept;
	unsigned rotated;    /* files */
	bool by_copy;
};

static unsigned
draw(struct random_run *r, unsigned below)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (unsigned)((r->random >> 33) % below);
}

static void
put(struct random_run *r, const char *p, size_t n)
{
	assert_int_equal(write(r->fd, p, n), (ssize_t)n);
}

static void
write_line(struct random_run *r)
{
	size_t n = draw(r, 40) ? draw(r, 300) : draw(r, 400000);
	char *text = malloc(n + 40);
	int k = sprintf(text, "%u ", r->next++);

	memset(text + k, 'a' + (int)(r->next % 26), n);
	n += (size_t)k;
	text[n++] = '\n';
	if (draw(r, 4) == 0) {
		size_t half = 1 + draw(r, (unsigned)n - 1);

		put(r, text, half);
		if (r->w.t)
			(void)!vg_loop_turn(r->w.l, 0);
		put(r, text + half, n - half);
	} else {
		put(r, text, n);
	}
	free(text);
}

static void
reopen(struct random_run *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = open(path_of(&r->w, "a.log"), O_WRONLY | O_APPEND | O_CREAT, 0644);
	assert_true(r->fd >= 0);
}

static void
shift(struct random_run *r)
{
	char from[40], to[40];

	for (unsigned i = r->rotated; i > 0; i--) {
		snprintf(from, sizeof(from), "a.log.%u", i);
		snprintf(to, sizeof(to), "a.log.%u", i + 1);
		move(&r->w, from, to);
	}
	r->rotated++;
	usleep(6000); /* so that times differ */
}

static void
rotate_by_name(struct random_run *r)
{
	shift(r);
	move(&r->w, "a.log", "a.log.1");
	for (unsigned i = draw(r, 4); i > 0; i--)
		write_line(r); /* the writer does not know yet */
	if (draw(r, 2) && r->w.t)
		(void)!vg_loop_turn(r->w.l, 0);
	reopen(r);
}

static size_t
lines_seen(const struct random_run *r)
{
	char *seen = calloc(r->next + 1, 1);
	size_t n = 0;

	for (size_t i = 0; i < r->w.b.n; i++)
		if (vg_is_digit(r->w.b.r[i].raw[0])) {
			unsigned k = (unsigned)strtoul(r->w.b.r[i].raw, NULL, 10);

			assert_true(k < r->next);
			n += !seen[k];
			seen[k] = 1;
		}
	free(seen);
	return n;
}

/* Until every line was seen. */
static void
settle(struct random_run *r)
{
	int64_t end_ns = vg_monotonic_ns() + PATIENCE_NS;
	size_t had = r->w.b.n;

	r->w.b.room = SIZE_MAX;
	vg_tail_room(r->w.t);
	while (lines_seen(r) < r->next && vg_monotonic_ns() < end_ns) {
		(void)!vg_loop_turn(r->w.l, 20);
		for (had = r->w.b.n; vg_loop_turn(r->w.l, 0) == VG_OK && r->w.b.n != had;)
			had = r->w.b.n;
	}
	assert_int_equal(lines_seen(r), r->next);
}

static void
rotate_by_copy(struct random_run *r)
{
	char command[300];

	if (r->w.t) { /* of what nothing was read yet, nothing tells that it was truncated */
		write_line(r);
		settle(r);
		for (unsigned i = draw(r, 4); i > 0; i--)
			write_line(r);
	}
	shift(r);
	snprintf(command, sizeof(command), "cp %s/a.log %s/a.log.1", r->w.dir, r->w.dir);
	assert_int_equal(system(command), 0);
	usleep(6000);
	assert_int_equal(ftruncate(r->fd, 0), 0);
	usleep(6000);
}

static void
restart(struct random_run *r)
{
	if (r->w.t) {
		if (draw(r, 2)) {
			vg_tail_kept(r->w.t, r->w.b.n);
			vg_tail_places(r->w.t, &r->w.places);
		} /* else it dies, and what was saved last is what it has */
		end(&r->w);
	} else {
		begin(&r->w);
	}
}

static void
step(struct random_run *r)
{
	switch (draw(r, 12)) {
	case 0:
		if (r->by_copy)
			rotate_by_copy(r);
		else
			rotate_by_name(r);
		break;
	case 1:
		restart(r);
		break;
	case 2:
		r->w.b.taken_since = 0;
		r->w.b.room = draw(r, 10);
		if (r->w.t)
			vg_tail_room(r->w.t);
		break;
	case 3:
		r->w.b.room = SIZE_MAX;
		if (r->w.t)
			vg_tail_room(r->w.t);
		break;
	case 4:
		if (r->w.t) {
			if (r->kept < r->w.b.n)
				r->kept += draw(r, (unsigned)(r->w.b.n - r->kept) + 1);
			vg_tail_kept(r->w.t, r->kept);
			vg_tail_places(r->w.t, &r->w.places);
		}
		break;
	default:
		write_line(r);
	}
	if (r->w.t)
		(void)!vg_loop_turn(r->w.l, (int)draw(r, 3));
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct basket_record *)a)->id, ((const struct basket_record *)b)->id);
}

/* Every line once, when what has the same id counts as one. */
static void
expect_each_once(struct random_run *r)
{
	char *seen = calloc(r->next + 1, 1);
	const struct basket *b = &r->w.b;

	qsort(b->r, b->n, sizeof(*b->r), by_id);
	for (size_t i = 0; i < b->n; i++) {
		unsigned k = (unsigned)strtoul(b->r[i].raw, NULL, 10);

		if (i > 0 && strcmp(b->r[i].id, b->r[i - 1].id) == 0) {
			assert_true(strncmp(b->r[i].raw, "{", 1) == 0 || strcmp(b->r[i].raw, b->r[i - 1].raw) == 0);
			continue;
		}
		if (b->r[i].raw[0] == '{')
			continue;
		if (seen[k])
			print_message("line %u twice: %s\n", k, b->r[i].id);
		assert_false(seen[k]);
		seen[k] = 1;
		assert_true(b->r[i].n == 0 || b->r[i].raw[b->r[i].n - 1] == (char)('a' + (k + 1) % 26) || b->r[i].raw[b->r[i].n - 1] == ' ');
	}
	for (unsigned i = 0; i < r->next; i++)
		assert_true(seen[i]);
	free(seen);
}

/* Lines are seen first in the order they were written. */
static void
expect_in_order(const struct random_run *r)
{
	char *seen = calloc(r->next + 1, 1);
	unsigned next = 0;

	for (size_t i = 0; i < r->w.b.n; i++)
		if (r->w.b.r[i].raw[0] != '{') {
			unsigned k = (unsigned)strtoul(r->w.b.r[i].raw, NULL, 10);

			if (k != next && !seen[k])
				print_message("line %u before %u\n", k, next);
			assert_true(k == next || seen[k]);
			seen[k] = 1;
			next += k == next;
		}
	free(seen);
}

static void
one_run(uint64_t seed, bool by_copy)
{
	struct random_run r = { .random = seed * 0x9e3779b97f4a7c15u + 1, .fd = -1, .by_copy = by_copy };

	world_new(&r.w);
	reopen(&r);
	write_line(&r);
	begin(&r.w);
	settle(&r);
	vg_tail_kept(r.w.t, r.w.b.n);
	vg_tail_places(r.w.t, &r.w.places);
	for (unsigned i = 0; i < 150; i++)
		step(&r);
	if (r.w.t == NULL)
		begin(&r.w);
	settle(&r);
	expect_in_order(&r);
	expect_each_once(&r);
	if (!by_copy)
		assert_null(basket_told(&r.w.b, "file-"));
	close(r.fd);
	world_end(&r.w);
}

static void
runs(bool by_copy)
{
	const char *only = getenv("VIGIE_TEST_SEED"), *n = getenv("VIGIE_TEST_RUNS");
	uint64_t last = n ? strtoull(n, NULL, 10) : 25;

	if (only) {
		one_run(strtoull(only, NULL, 10), by_copy);
		return;
	}
	for (uint64_t seed = 1; seed <= last; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		one_run(seed, by_copy);
	}
}

static void
nothing_is_lost_or_doubled_when_renamed(void **state)
{
	(void)state;
	runs(false);
}

static void
nothing_is_lost_or_doubled_when_copied(void **state)
{
	(void)state;
	runs(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_as_they_are_written),
		cmocka_unit_test(a_line_waits_for_its_end),
		cmocka_unit_test(a_restart_goes_on_behind_what_was_kept),
		cmocka_unit_test(a_rotated_file_is_read_to_its_end),
		cmocka_unit_test(what_was_rotated_meanwhile_is_found),
		cmocka_unit_test(copy_and_truncation_is_told_and_loses_nothing),
		cmocka_unit_test(an_erased_file_is_told),
		cmocka_unit_test(an_edit_in_place_is_told),
		cmocka_unit_test(a_file_that_was_replaced_is_told),
		cmocka_unit_test(a_deleted_file_is_told_and_still_read),
		cmocka_unit_test(a_compressed_file_is_a_rotated_one),
		cmocka_unit_test(zeros_are_told),
		cmocka_unit_test(long_lines_are_cut_and_counted),
		cmocka_unit_test(a_large_file_is_begun_near_its_end),
		cmocka_unit_test(wtmp_has_records),
		cmocka_unit_test(many_files_have_their_turns),
		cmocka_unit_test(what_is_no_file_is_left_alone),
		cmocka_unit_test(nothing_is_lost_or_doubled_when_renamed),
		cmocka_unit_test(nothing_is_lost_or_doubled_when_copied),
	};

	cmocka_set_test_filter(getenv("VIGIE_TEST_ONLY")); /* NULL: all */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
