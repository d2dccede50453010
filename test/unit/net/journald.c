/* The journals are written by systemd-journal-remote and compared with what journalctl prints, both of Debian. */
#include "basket.h"

#include "base/time.h"
#include "net/journald.h"
#include "vault/record.h"

#define REMOTE "/lib/systemd/systemd-journal-remote"
#define PATIENCE_NS INT64_C(8000000000)

struct world {
	char dir[64];
	struct basket b;
	struct vg_loop *l;
	struct vg_journald *j;
	char cursor[VG_JOURNALD_CURSOR_MAX + 1];
	unsigned said, next;
	char text[300];
};

static void
on_say(void *ctx, const char *text)
{
	struct world *w = ctx;

	w->said++;
	snprintf(w->text, sizeof(w->text), "%s", text);
}

static void
begin(struct world *w)
{
	struct vg_journald_options o = { VG_STR("acme"), VG_STR("host1"), w->dir, on_say, w };

	assert_int_equal(vg_loop_new(&w->l), VG_OK);
	assert_int_equal(vg_journald_new(w->l, &w->b.gate, &o, vg_str_of(w->cursor), &w->j), VG_OK);
}

static void
end(struct world *w)
{
	vg_str c = vg_journald_cursor(w->j);

	snprintf(w->cursor, sizeof(w->cursor), "%.*s", VG_STR_ARG(c));
	vg_journald_free(w->j);
	vg_loop_free(w->l);
	w->j = NULL;
}

static void
world_new(struct world *w)
{
	memset(w, 0, sizeof(*w));
	folder_new(w->dir);
	basket_init(&w->b);
}

static void
world_end(struct world *w)
{
	if (w->j)
		end(w);
	basket_fini(&w->b);
	folder_remove(w->dir);
}

static bool
have_tools(void)
{
	return access(REMOTE, X_OK) == 0 && system("journalctl --version >/dev/null 2>&1") == 0;
}

#define put_lit(f, lit) assert_int_equal(fwrite(lit, 1, sizeof(lit) - 1, f), sizeof(lit) - 1)

/* @n more entries in FILE.journal, the first of them @ago_s ago. */
static void
write_entries(struct world *w, const char *file, unsigned n, int64_t ago_s)
{
	char command[300];
	FILE *f;

	snprintf(command, sizeof(command), REMOTE " -o %s/%s.journal - >/dev/null 2>&1", w->dir, file);
	f = popen(command, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < n; i++, w->next++) {
		int64_t us = vg_clock_ns() / 1000 - ago_s * 1000000 + i * 10;

		fprintf(f, "__REALTIME_TIMESTAMP=%lld\n__MONOTONIC_TIMESTAMP=%u\n_BOOT_ID=0123456789abcdef0123456789abcdef\n", (long long)us, w->next + 1);
		fprintf(f, "MESSAGE=entry %u\tand more\nPRIORITY=6\n_HOSTNAME=host\nSYSLOG_IDENTIFIER=x%u\n", w->next, w->next % 3);
		if (w->next % 4 == 1)
			put_lit(f, "BINARY\n\4\0\0\0\0\0\0\0a\nb\0\n");
		if (w->next % 4 == 2)
			put_lit(f, "ESCAPES\n\5\0\0\0\0\0\0\0\33[31m\nUTF=\303\251t\303\251 \342\200\213\nBAD\n\2\0\0\0\0\0\0\0\377\376\n");
		if (w->next % 50 == 7) { /* journald compresses it */
			fputs("LONG=", f);
			for (unsigned k = 0; k < 20000; k++)
				fputc('a' + (int)(k % 23), f);
			fputc('\n', f);
		}
		fputc('\n', f);
	}
	assert_int_equal(pclose(f), 0);
}

static void
until(struct world *w, size_t n)
{
	int64_t end_ns = vg_monotonic_ns() + PATIENCE_NS;

	while (w->b.n < n && vg_monotonic_ns() < end_ns)
		assert_int_equal(vg_loop_turn(w->l, 50), VG_OK);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(vg_loop_turn(w->l, 10), VG_OK);
	assert_int_equal(w->b.n, n);
}

/* What journalctl prints of the folder. */
static void
exported(const struct world *w, struct vg_buf *out)
{
	char command[300], chunk[4096];
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "journalctl -o export --no-pager --directory=%s 2>/dev/null", w->dir);
	f = popen(command, "r");
	assert_non_null(f);
	vg_buf_clear(out);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		vg_buf_mem(out, chunk, n);
	pclose(f);
}

static void
entries_are_what_journalctl_exports(void **state)
{
	struct world w;
	struct vg_buf want = { 0 }, got = { 0 };

	(void)state;
	if (!have_tools())
		skip();
	world_new(&w);
	write_entries(&w, "a", 60, 600);
	begin(&w);
	until(&w, 60);
	write_entries(&w, "a", 20, 60);
	until(&w, 80);
	write_entries(&w, "b", 20, 30); /* another file */
	until(&w, 100);
	exported(&w, &want);
	for (size_t i = 0; i < w.b.n; i++) {
		char id[300];

		vg_buf_mem(&got, w.b.r[i].raw, w.b.r[i].n);
		snprintf(id, sizeof(id), "__CURSOR=%s\n", w.b.r[i].id);
		assert_int_equal(strncmp(w.b.r[i].raw, id, strlen(id)), 0);
	}
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
	assert_string_equal(w.b.source[0], "acme|host1|journal");
	assert_int_equal(w.said, 0);
	vg_buf_fini(&want);
	vg_buf_fini(&got);
	world_end(&w);
}

static void
only_the_last_day_is_read_at_first(void **state)
{
	struct world w;

	(void)state;
	if (!have_tools())
		skip();
	world_new(&w);
	write_entries(&w, "a", 10, 2 * VG_JOURNALD_FIRST_S);
	write_entries(&w, "a", 5, VG_JOURNALD_FIRST_S / 2);
	begin(&w);
	until(&w, 5);
	world_end(&w);
}

static void
it_goes_on_at_the_cursor(void **state)
{
	struct world w;

	(void)state;
	if (!have_tools())
		skip();
	world_new(&w);
	write_entries(&w, "a", 10, 100);
	begin(&w);
	until(&w, 10);
	end(&w); /* nothing was kept: all of it comes again */
	assert_string_equal(w.cursor, "");
	begin(&w);
	until(&w, 20);
	assert_string_equal(w.b.r[10].id, w.b.r[0].id);
	vg_journald_kept(w.j, 20);
	end(&w);
	assert_string_equal(w.cursor, w.b.r[19].id);
	begin(&w);
	until(&w, 20);
	end(&w);
	write_entries(&w, "a", 3, 10);
	begin(&w);
	until(&w, 23);
	assert_non_null(memmem(w.b.r[20].raw, w.b.r[20].n, "MESSAGE=entry 10\t", 17));
	world_end(&w);
}

static void
back_pressure_loses_nothing(void **state)
{
	struct world w;
	uint64_t random = 88172645463325252u;
	unsigned rounds = 0;

	(void)state;
	if (!have_tools())
		skip();
	world_new(&w);
	write_entries(&w, "a", 3000, 1000);
	w.b.room = 5;
	begin(&w);
	while (w.b.n < 3000) {
		assert_true(rounds++ < 3000);
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(vg_loop_turn(w.l, 0), VG_OK);
		vg_journald_kept(w.j, w.b.n - random % 5 % (w.b.n + 1));
		w.b.taken_since = 0;
		w.b.room = 1 + random % 300;
		if (random % 7 == 0) { /* a restart, and what was not kept again */
			size_t kept = 0;

			end(&w);
			for (size_t i = 0; i < w.b.n; i++)
				kept = strcmp(w.b.r[i].id, w.cursor) == 0 ? i + 1 : kept;
			for (size_t i = kept; i < w.b.n; i++)
				free(w.b.r[i].raw);
			w.b.n = kept;
			begin(&w);
			assert_int_equal(vg_loop_turn(w.l, 0), VG_OK);
		} else {
			vg_journald_room(w.j);
			assert_int_equal(vg_loop_turn(w.l, 0), VG_OK);
		}
	}
	for (size_t i = 0; i < 3000; i++) {
		char want[40];

		snprintf(want, sizeof(want), "MESSAGE=entry %zu\t", i);
		assert_non_null(memmem(w.b.r[i].raw, w.b.r[i].n, want, strlen(want)));
	}
	world_end(&w);
}

static void
a_gap_is_told(void **state)
{
	struct world w;
	char path[100], want[600];

	(void)state;
	if (!have_tools())
		skip();
	world_new(&w);
	write_entries(&w, "a", 4, 100);
	begin(&w);
	until(&w, 4);
	vg_journald_kept(w.j, 4);
	end(&w);
	snprintf(path, sizeof(path), "%s/a.journal", w.dir);
	assert_int_equal(unlink(path), 0);
	write_entries(&w, "c", 3, 10);
	begin(&w);
	until(&w, 8);
	snprintf(want, sizeof(want), "{\"vigie\":\"journal-gap\",\"was\":\"%s\",\"is\":\"%s\"}", w.b.r[3].id, w.b.r[5].id);
	assert_string_equal(w.b.r[4].raw, want);
	assert_string_equal(w.b.source[w.b.r[4].source], "acme|host1:vigie-journal|journal");
	vg_journald_kept(w.j, 8);
	end(&w);
	begin(&w); /* told once */
	until(&w, 8);
	end(&w);
	snprintf(w.cursor, sizeof(w.cursor), "no cursor at all");
	begin(&w);
	until(&w, 12);
	assert_non_null(strstr(w.b.r[8].raw, "journal-gap"));
	world_end(&w);
}

static void
too_long_an_entry_loses_fields_only(void **state)
{
	struct world w;
	char command[200];
	FILE *f;

	(void)state;
	if (!have_tools())
		skip();
	world_new(&w);
	snprintf(command, sizeof(command), REMOTE " -o %s/a.journal - >/dev/null 2>&1", w.dir);
	f = popen(command, "w");
	assert_non_null(f);
	fprintf(f, "__REALTIME_TIMESTAMP=%lld\n_BOOT_ID=0123456789abcdef0123456789abcdef\n", (long long)(vg_clock_ns() / 1000));
	for (unsigned k = 0; k < 3; k++) {
		fprintf(f, "BIG%u=", k);
		for (unsigned i = 0; i < 60000; i++)
			fprintf(f, "%010u", i * 7919 + k);
		fputc('\n', f);
	}
	fputs("MESSAGE=small\n\n", f);
	assert_int_equal(pclose(f), 0);
	begin(&w);
	until(&w, 1);
	assert_true(w.b.r[0].n <= VG_RECORD_RAW_MAX);
	assert_non_null(memmem(w.b.r[0].raw, w.b.r[0].n, "\nMESSAGE=small\n", 15));
	assert_int_equal(w.b.refused[VG_REFUSED_LONG], 2);
	world_end(&w);
}

static void
no_journal_is_said_once(void **state)
{
	struct world w;
	struct vg_journald_counts c;

	(void)state;
	world_new(&w);
	begin(&w);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(vg_loop_turn(w.l, 100), VG_OK);
	assert_int_equal(w.said, 1);
	assert_non_null(strstr(w.text, "no journal of systemd"));
	vg_journald_count(w.j, &c);
	assert_false(c.open);
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_what_journalctl_exports),
		cmocka_unit_test(only_the_last_day_is_read_at_first),
		cmocka_unit_test(it_goes_on_at_the_cursor),
		cmocka_unit_test(back_pressure_loses_nothing),
		cmocka_unit_test(a_gap_is_told),
		cmocka_unit_test(too_long_an_entry_loses_fields_only),
		cmocka_unit_test(no_journal_is_said_once),
	};

	cmocka_set_test_filter(getenv("VIGIE_TEST_ONLY")); /* NULL: all */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
