/* The databases' versions: what an earlier Vigie wrote is read by today's, what a later one wrote is refused, and whoever is killed while a file
 * is brought up to date leaves it whole. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "state/catalogue.h"
#include "state/hits.h"
#include "state/migrate.h"
#include "state/signals.h"

/* ---- version 1 as it stood when versions began: never to be changed ---- */

static const char catalogue_1[] =
	"CREATE TABLE tenant (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE source (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL REFERENCES tenant, name TEXT NOT NULL, proof INTEGER NOT NULL,"
	" address TEXT NOT NULL, listener TEXT NOT NULL, state INTEGER NOT NULL, pack TEXT NOT NULL DEFAULT '', first_ns INTEGER NOT NULL,"
	" last_ns INTEGER NOT NULL, records INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,"
	" unparsed INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0, skew_ns INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (tenant, name, proof, address, listener)) STRICT;"
	"CREATE TABLE key (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, source TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, made_ns INTEGER NOT NULL,"
	" revoked_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE aside (seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL) STRICT;"
	"INSERT INTO tenant VALUES (1, 'acme'), (4, 'globex');"
	"INSERT INTO source VALUES (3, 1, 'dc1', 1, '10.0.0.5', 'https', 1, 'windows', 100, 900, 77, 7700, 1, 2, 3, -5),"
	" (9, 4, 'fw', 0, '10.0.0.1', 'syslog-udp', 0, '', 200, 800, 5, 500, 0, 0, 0, 0);"
	"INSERT INTO key VALUES (2, 'acme', 'dc1', x'00112233', 50, 0), (6, 'acme', 'old', x'44', 40, 60);"
	"INSERT INTO aside VALUES (41, 1234);"
	"PRAGMA user_version = 1;";
static const char signals_1[] =
	"CREATE TABLE signal (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, tenant INTEGER NOT NULL, source INTEGER NOT NULL, level INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, rule TEXT NOT NULL, title TEXT NOT NULL, tags TEXT NOT NULL, host TEXT NOT NULL, fields TEXT NOT NULL,"
	" time_ns INTEGER NOT NULL, first_ns INTEGER NOT NULL, recv_ns INTEGER NOT NULL, made_ns INTEGER NOT NULL, count INTEGER NOT NULL,"
	" evidence BLOB NOT NULL, withdrawn INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE state (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO signal VALUES (5, x'000102030405060708090a0b0c0d0e0f', 1, 3, 4, 1, 'rule-id', 'A title', 'attack.t1070', 'dc1', '{\"a\":1}', 10, 11, 12,"
	" 13, 2, x'2a000000000000002b00000000000000', 0), (7, x'100102030405060708090a0b0c0d0e0f', 1, 3, 4, 0, 'r', 't', '', '', '{}', 1, 1, 1, 1, 1, x'', 1);"
	"INSERT INTO state VALUES ('next', x'3433');"
	"PRAGMA user_version = 1;";
/* It had these beside it, once the process that correlates had begun. */
static const char hits_1[] =
	"CREATE TABLE live_hit(tenant INTEGER NOT NULL, time_ns INTEGER NOT NULL, seq INTEGER NOT NULL, rule INTEGER NOT NULL,"
	" wire BLOB NOT NULL, PRIMARY KEY(tenant, time_ns, seq, rule)) WITHOUT ROWID;"
	"CREATE TABLE live_told(tenant INTEGER NOT NULL, last_ns INTEGER NOT NULL, id BLOB NOT NULL, corr BLOB NOT NULL,"
	" grp BLOB NOT NULL, PRIMARY KEY(tenant, last_ns, id)) WITHOUT ROWID;"
	"CREATE TABLE live_known(tenant INTEGER NOT NULL, identity BLOB NOT NULL, time_ns INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" PRIMARY KEY(tenant, identity)) WITHOUT ROWID;"
	"CREATE INDEX live_known_time ON live_known(tenant, time_ns);"
	"INSERT INTO live_hit VALUES (1, 1000, 42, 99, x'aabb');"
	"INSERT INTO live_told VALUES (1, 2000, x'01', x'02', x'03');"
	"INSERT INTO live_known VALUES (1, x'00112233445566778899aabbccddeeff', 1000, 42);";

/* ---- helpers ---- */

struct place {
	char dir[64], path[100], why[200];
};

static void
place_make(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/vigie-migrate-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/x.db", p->dir);
}

static void
place_drop(struct place *p)
{
	static const char *const end[] = { "", "-wal", "-shm", "-journal" };
	char path[120];

	for (size_t i = 0; i < VG_COUNT(end); i++) {
		snprintf(path, sizeof(path), "%s%s", p->path, end[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(p->dir), 0);
}

static void
raw(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=WAL; BEGIN", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A place with what an earlier program wrote. */
static void
place_with(struct place *p, const char *sql)
{
	place_make(p);
	raw(p->path, sql);
}

/* Everything that @sql gives, as text. */
static void
ask_db(sqlite3 *db, const char *sql, struct vg_buf *out)
{
	sqlite3_stmt *st;
	int r;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	while ((r = sqlite3_step(st)) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(st); i++)
			vg_buf_printf(out, "%s%c", sqlite3_column_text(st, i) ? (const char *)sqlite3_column_text(st, i) : "", i + 1 < sqlite3_column_count(st) ? '|' : ';');
	assert_int_equal(r, SQLITE_DONE);
	(void)sqlite3_finalize(st);
}

static void
expect(const char *path, const char *sql, const char *answer)
{
	struct vg_buf b = { 0 };
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	ask_db(db, sql, &b);
	vg_buf_putc(&b, 0);
	assert_string_equal(b.p, answer);
	vg_buf_fini(&b);
	(void)sqlite3_close(db);
}

static void
bytes_of(const char *path, struct vg_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(vg_buf_reserve(out, (size_t)st.st_size + 1));
	assert_int_equal(read(fd, out->p, (size_t)st.st_size), st.st_size);
	out->n = (size_t)st.st_size;
	close(fd);
}

/* Tables, columns and indexes; not their words. */
static const char shape[] = "SELECT m.type, m.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM sqlite_schema m LEFT JOIN pragma_table_xinfo(m.name) c"
			    " ORDER BY 1, 2, 3";

/* ---- what earlier programs wrote ---- */

static vg_rc
see_source(void *ctx, const struct vg_source *s)
{
	struct vg_buf *b = ctx;

	vg_buf_printf(b, "%u %u %.*s %u %.*s %.*s %u %.*s %lld %lld %llu %llu %llu %llu %llu %lld;", s->id, s->tenant, VG_STR_ARG(s->name), s->proof, VG_STR_ARG(s->address),
		      VG_STR_ARG(s->listener), s->state, VG_STR_ARG(s->pack), (long long)s->first_ns, (long long)s->last_ns, (unsigned long long)s->records,
		      (unsigned long long)s->bytes, (unsigned long long)s->refused, (unsigned long long)s->unparsed, (unsigned long long)s->unknown, (long long)s->skew_ns);
	return b->rc;
}

static vg_rc
see_key(void *ctx, const struct vg_key_row *k)
{
	struct vg_buf *b = ctx;

	vg_buf_printf(b, "%lld %.*s %.*s ", (long long)k->id, VG_STR_ARG(k->tenant), VG_STR_ARG(k->source));
	vg_buf_hex(b, k->hash.p, k->hash.n, false);
	vg_buf_printf(b, " %lld %lld;", (long long)k->made_ns, (long long)k->revoked_ns);
	return b->rc;
}

static void
see_catalogue(sqlite3 *db, struct vg_buf *out)
{
	vg_buf_clear(out);
	assert_int_equal(vg_catalogue_sources(db, see_source, out), VG_OK);
	assert_int_equal(vg_catalogue_keys(db, see_key, out), VG_OK);
	ask_db(db, "SELECT * FROM aside", out);
	ask_db(db, "SELECT * FROM tenant ORDER BY id", out);
	vg_buf_putc(out, 0);
}

static const char catalogue_says[] = "3 1 dc1 1 10.0.0.5 https 1 windows 100 900 77 7700 1 2 3 -5;9 4 fw 0 10.0.0.1 syslog-udp 0  200 800 5 500 0 0 0 0;"
				     "2 acme dc1 00112233 50 0;6 acme old 44 40 60;41|1234;1|acme;4|globex;";

static const struct vg_source new_source = { .tenant = 4, .name = VG_STR_INIT("new"), .address = VG_STR_INIT("a"), .listener = VG_STR_INIT("l"), .first_ns = 1,
					     .last_ns = 1 };

static void
a_first_catalogue_is_read_whole(void **state)
{
	struct vg_source s = new_source;
	struct vg_buf b = { 0 };
	struct place p;
	sqlite3 *db;

	(void)state;
	place_with(&p, catalogue_1);
	assert_int_equal(vg_catalogue_open(p.path, true, p.why, &db), VG_OK); /* by who may only read */
	see_catalogue(db, &b);
	assert_string_equal(b.p, catalogue_says);
	vg_db_close(db);
	expect(p.path, "PRAGMA user_version", "1;"); /* and changed nothing */
	assert_int_equal(vg_catalogue_open(p.path, false, p.why, &db), VG_OK);
	see_catalogue(db, &b);
	assert_string_equal(b.p, catalogue_says);
	assert_int_equal(vg_catalogue_source(db, &s), VG_OK); /* numbers go on behind those given out */
	assert_int_equal(s.id, 10);
	vg_db_close(db);
	vg_buf_fini(&b);
	place_drop(&p);
}

static vg_rc
see_signal(void *ctx, const struct vg_signal_row *s)
{
	struct vg_buf *b = ctx;

	vg_buf_printf(b, "%llu %u %u %u %u %.*s|%.*s|%.*s|%.*s|%.*s %lld %lld %lld %lld %llu", (unsigned long long)s->n, s->tenant, s->source, s->level, s->flags,
		      VG_STR_ARG(s->rule), VG_STR_ARG(s->title), VG_STR_ARG(s->tags), VG_STR_ARG(s->host), VG_STR_ARG(s->fields), (long long)s->time_ns,
		      (long long)s->first_ns, (long long)s->recv_ns, (long long)s->made_ns, (unsigned long long)s->count);
	for (uint32_t i = 0; i < s->nevidence; i++)
		vg_buf_printf(b, " #%llu", (unsigned long long)s->evidence[i]);
	vg_buf_putc(b, ';');
	return b->rc;
}

static void
first_signals(bool with_hits)
{
	static const uint8_t identity[VG_HITS_IDENTITY] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	struct vg_signal_query q = { .after = 0 };
	struct vg_buf b = { 0 };
	struct vg_hits *h;
	struct place p;
	sqlite3 *db;
	bool copy;

	place_with(&p, signals_1);
	if (with_hits)
		raw(p.path, hits_1);
	assert_int_equal(vg_signals_open(p.path, false, p.why, &db), VG_OK);
	assert_non_null(strstr(p.why, "from version 1 to"));
	assert_int_equal(vg_signals_each(db, &q, see_signal, &b), VG_OK);
	assert_int_equal(vg_state_get(db, "next", &b), VG_OK);
	ask_db(db, "SELECT count(*), sum(withdrawn) FROM signal", &b);
	ask_db(db, "SELECT tenant, time_ns, seq, rule, hex(wire) FROM live_hit", &b);
	vg_buf_putc(&b, 0);
	assert_string_equal(b.p, with_hits ? "5 1 3 4 1 rule-id|A title|attack.t1070|dc1|{\"a\":1} 10 11 12 13 2 #42 #43;432|1;1|1000|42|99|AABB;" :
					     "5 1 3 4 1 rule-id|A title|attack.t1070|dc1|{\"a\":1} 10 11 12 13 2 #42 #43;432|1;");
	assert_int_equal(vg_hits_open(db, &h), VG_OK);
	assert_int_equal(vg_hits_known(h, 1, identity, 1000, 50, &copy), VG_OK);
	assert_int_equal(copy, with_hits);
	vg_hits_free(h);
	vg_db_close(db);
	vg_buf_fini(&b);
	place_drop(&p);
}

static void
first_signals_are_read_whole(void **state)
{
	(void)state;
	first_signals(true);
	first_signals(false); /* a watch that was stopped before it correlated anything */
}

static void
old_files_become_what_new_ones_are(void **state)
{
	static const struct {
		const char *sql;
		vg_rc (*open)(const char *, bool, char *, sqlite3 **);
	} kind[] = { { catalogue_1, vg_catalogue_open }, { signals_1, vg_signals_open } };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(kind); i++) {
		struct vg_buf b[2] = { { 0 }, { 0 } };

		for (int old = 0; old < 2; old++) {
			struct place p;
			sqlite3 *db;

			place_make(&p);
			if (old)
				raw(p.path, kind[i].sql);
			assert_int_equal(kind[i].open(p.path, false, p.why, &db), VG_OK);
			ask_db(db, shape, &b[old]);
			ask_db(db, "PRAGMA user_version", &b[old]);
			vg_db_close(db);
			place_drop(&p);
		}
		assert_true(vg_str_eq(vg_buf_str(&b[0]), vg_buf_str(&b[1])));
		vg_buf_fini(&b[0]);
		vg_buf_fini(&b[1]);
	}
}

/* ---- what is refused ---- */

static const char *const two[] = {
	"CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT) STRICT; CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a) STRICT",
	"ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 5; UPDATE a SET y = id * 2; CREATE INDEX a_y ON a(y)",
};
static const char rows_1[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO a (id, x) SELECT i, 'text ' || i FROM n;"
			     "INSERT INTO b (id, a) SELECT id, id FROM a";

static void
make_1(struct place *p)
{
	sqlite3 *db;

	place_make(p);
	assert_int_equal(vg_db_open(p->path, false, two, 1, p->why, &db), VG_OK);
	assert_string_equal(p->why, ""); /* a new file is nothing to tell of */
	assert_int_equal(vg_db_run(db, rows_1), VG_OK);
	vg_db_close(db);
}

static void
refused(const char *sql, bool read_only, vg_rc as, const char *says)
{
	struct vg_buf before = { 0 }, after = { 0 };
	struct place p;
	sqlite3 *db = NULL;

	place_make(&p);
	assert_int_equal(sqlite3_open(p.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	bytes_of(p.path, &before);
	assert_int_equal(vg_db_open(p.path, read_only, two, 2, p.why, &db), as);
	if (strstr(p.why, says) == NULL)
		fail_msg("%s: \"%s\" is not in it", p.why, says);
	bytes_of(p.path, &after);
	assert_true(vg_str_eq(vg_buf_str(&before), vg_buf_str(&after)));
	vg_buf_fini(&before);
	vg_buf_fini(&after);
	place_drop(&p);
}

static void
later_and_foreign_files_are_refused_and_left(void **state)
{
	(void)state;
	for (int read_only = 0; read_only < 2; read_only++) {
		refused("CREATE TABLE z(q); PRAGMA user_version = 3", read_only, VG_E_UNSUP, "version 3, of a later Vigie; this one");
		refused("CREATE TABLE z(q); PRAGMA user_version = 3", read_only, VG_E_UNSUP, "knows up to 2: install the one that wrote it");
		refused("CREATE TABLE z(q); PRAGMA user_version = 2147483647", read_only, VG_E_UNSUP, "version 2147483647");
		refused("CREATE TABLE z(q)", read_only, VG_E_UNSUP, "no database of Vigie");
		refused("CREATE TABLE z(q); PRAGMA user_version = -1", read_only, VG_E_UNSUP, "and -1 for a version");
	}
	refused("", true, VG_E_NOTFOUND, "empty");
}

static void
what_is_no_database_is_refused(void **state)
{
	struct place p;
	sqlite3 *db;
	int fd;

	(void)state;
	place_make(&p);
	assert_int_equal(vg_db_open(p.path, true, two, 2, p.why, &db), VG_E_NOTFOUND);
	fd = open(p.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < 200; i++)
		assert_int_equal(write(fd, "no database, but some text\n", 27), 27);
	close(fd);
	for (int read_only = 0; read_only < 2; read_only++) {
		assert_int_equal(vg_db_open(p.path, read_only, two, 2, p.why, &db), VG_E_FORMAT);
		assert_non_null(strstr(p.why, "not a database"));
	}
	place_drop(&p);
}

static void
a_step_that_fails_leaves_the_file_whole(void **state)
{
	static const char *const bad[][2] = {
		{ "CREATE TABLE c (x); UPDATE a SET x = 'lost'; SELECT no_such_function()", "no such function" },
		{ "DELETE FROM a WHERE id = 7", "refer to nothing" },
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		const char *steps[3] = { two[0], bad[i][0], "CREATE TABLE never (x)" };
		struct place p;
		sqlite3 *db;

		make_1(&p);
		assert_int_not_equal(vg_db_open(p.path, false, steps, 3, p.why, &db), VG_OK);
		assert_non_null(strstr(p.why, "stays at version 1, it cannot be brought to 2"));
		assert_non_null(strstr(p.why, bad[i][1]));
		expect(p.path, "PRAGMA user_version", "1;");
		expect(p.path, "SELECT count(*), min(x), max(id) FROM a", "200|text 1|200;");
		expect(p.path, "SELECT count(*) FROM sqlite_schema", "2;");
		assert_int_equal(vg_db_open(p.path, false, two, 2, p.why, &db), VG_OK); /* the mended program goes on */
		vg_db_close(db);
		expect(p.path, "SELECT count(*), sum(y) FROM a", "200|40200;");
		place_drop(&p);
	}
}

static void
a_step_may_not_end_its_transaction(void **state)
{
	static const char *const steps[] = { "CREATE TABLE c (x); COMMIT" };
	struct place p;
	sqlite3 *db;

	(void)state;
	place_make(&p);
	assert_int_equal(vg_db_open(p.path, false, steps, 1, p.why, &db), VG_E_FORMAT);
	expect(p.path, "PRAGMA user_version", "0;");
	place_drop(&p);
}

static void
a_failure_later_keeps_the_steps_before(void **state)
{
	const char *steps[3] = { two[0], two[1], "SELECT no_such_function()" };
	struct place p;
	sqlite3 *db;

	(void)state;
	make_1(&p);
	assert_int_not_equal(vg_db_open(p.path, false, steps, 3, p.why, &db), VG_OK);
	assert_non_null(strstr(p.why, "stays at version 2, it cannot be brought to 3"));
	expect(p.path, "PRAGMA user_version", "2;");
	expect(p.path, "SELECT count(*), sum(y) FROM a", "200|40200;");
	place_drop(&p);
}

/* ---- killed ---- */

static long die_after; /* instructions of SQLite's machine */

static int
on_progress(void *ctx)
{
	(void)ctx;
	if (die_after-- == 0)
		(void)kill(getpid(), SIGKILL);
	return 0;
}

static int
watch_connection(sqlite3 *db, char **why, const struct sqlite3_api_routines *api)
{
	(void)why;
	(void)api;
	sqlite3_progress_handler(db, 1, on_progress, NULL);
	return SQLITE_OK;
}

/* true: it lived to the end. */
static bool
migrate_and_die(const char *path, long after)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		char why[200];
		sqlite3 *db;

		die_after = after;
		(void)sqlite3_auto_extension((void (*)(void))watch_connection);
		_exit(vg_db_open(path, false, two, 2, why, &db) == VG_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
	return WIFEXITED(status);
}

static void
whoever_is_killed_leaves_it_whole(void **state)
{
	unsigned kills = 0, old = 0;
	bool lived = false;

	(void)state;
	for (long after = 0; !lived; after += 1 + after / 24) {
		struct vg_buf version = { 0 };
		struct place p;
		sqlite3 *db;

		make_1(&p);
		lived = migrate_and_die(p.path, after);
		kills += !lived;
		assert_int_equal(sqlite3_open(p.path, &db), SQLITE_OK);
		ask_db(db, "PRAGMA user_version", &version);
		ask_db(db, "PRAGMA integrity_check", &version);
		ask_db(db, "SELECT count(*), sum(length(x)) FROM a", &version);
		(void)sqlite3_close(db);
		vg_buf_putc(&version, 0);
		old += version.p[0] == '1';
		assert_string_equal(version.p, version.p[0] == '1' ? "1;ok;200|1492;" : "2;ok;200|1492;");
		expect(p.path, "SELECT count(*) FROM pragma_table_info('a') WHERE name = 'y'", version.p[0] == '1' ? "0;" : "1;");
		assert_int_equal(vg_db_open(p.path, false, two, 2, p.why, &db), VG_OK); /* the next start */
		vg_db_close(db);
		expect(p.path, "SELECT count(*), sum(y) FROM a", "200|40200;");
		vg_buf_fini(&version);
		place_drop(&p);
	}
	assert_true(kills > 40 && old > 40);
}

static void
many_at_once_do_it_once(void **state)
{
	struct place p;
	pid_t pid[6];
	int status;

	(void)state;
	make_1(&p);
	for (size_t i = 0; i < VG_COUNT(pid); i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0) {
			sqlite3 *db;

			_exit(vg_db_open(p.path, false, two, 2, p.why, &db) == VG_OK ? 0 : 1);
		}
	}
	for (size_t i = 0; i < VG_COUNT(pid); i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	expect(p.path, "SELECT count(*), sum(y) FROM a", "200|40200;");
	place_drop(&p);
}

/* ---- read only ---- */

static void
an_old_one_is_read_without_touching_it(void **state)
{
	struct vg_buf before = { 0 }, after = { 0 }, b = { 0 };
	struct place p;
	sqlite3 *db;

	(void)state;
	make_1(&p);
	bytes_of(p.path, &before);
	assert_int_equal(vg_db_open(p.path, true, two, 2, p.why, &db), VG_OK);
	ask_db(db, "SELECT count(*), sum(y) FROM a", &b);
	vg_buf_putc(&b, 0);
	assert_string_equal(b.p, "200|40200;");
	vg_db_close(db);
	bytes_of(p.path, &after);
	assert_true(vg_str_eq(vg_buf_str(&before), vg_buf_str(&after)));
	raw(p.path, "INSERT INTO a VALUES (1000, CAST(zeroblob(66 << 20) AS TEXT))");
	assert_int_equal(vg_db_open(p.path, true, two, 2, p.why, &db), VG_E_UNSUP);
	assert_non_null(strstr(p.why, "has version 1, this Vigie reads version 2: `vigie serve` brings it up to date"));
	vg_buf_fini(&before);
	vg_buf_fini(&after);
	vg_buf_fini(&b);
	place_drop(&p);
}

/* ---- files that come from elsewhere, and go there ---- */

static void
vetted(const char *sql, unsigned version, vg_rc as, const char *says)
{
	struct place p;
	sqlite3 *db;

	place_make(&p);
	assert_int_equal(vg_db_open(p.path, false, two, version, p.why, &db), VG_OK);
	assert_int_equal(vg_db_run(db, rows_1), VG_OK);
	assert_int_equal(vg_db_run(db, sql), VG_OK);
	vg_db_close(db);
	assert_int_equal(vg_db_vet(p.path, "x.db", two, 2, p.why), as);
	if (strstr(p.why, says) == NULL)
		fail_msg("%s: \"%s\" is not in it", p.why, says);
	place_drop(&p);
}

static void
what_comes_from_elsewhere_is_looked_at(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		vetted("", version, VG_OK, "");
		vetted("ANALYZE", version, VG_E_REFUSED, "does not have"); /* we never run it */
		vetted("CREATE TABLE c (x)", version, VG_E_REFUSED, "tables, triggers or views that version");
		vetted("CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END", version, VG_E_REFUSED, "does not have");
		vetted("CREATE VIEW v AS SELECT 1", version, VG_E_REFUSED, "does not have");
		vetted("CREATE INDEX i ON a(x)", version, VG_E_REFUSED, "does not have");
		vetted("ALTER TABLE a ADD COLUMN z TEXT", version, VG_E_REFUSED, "does not have");
		vetted("DROP TABLE b", version, VG_E_REFUSED, "does not have");
		vetted("PRAGMA foreign_keys=OFF; DELETE FROM a WHERE id = 5", version, VG_E_FORMAT, "x.db");
		vetted("PRAGMA user_version=3", version, VG_E_UNSUP, "later Vigie");
		vetted("PRAGMA user_version=0", version, VG_E_UNSUP, "no database of Vigie");
	}
	vetted("PRAGMA user_version=2", 1, VG_E_REFUSED, "does not have"); /* it says so, and is not */
}

static void
a_damaged_one_is_told(void **state)
{
	struct place p;
	sqlite3 *db;
	int fd;

	(void)state;
	make_1(&p);
	assert_int_equal(vg_db_open(p.path, false, two, 2, p.why, &db), VG_OK);
	vg_db_close(db);
	fd = open(p.path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "damaged here", 12, 4096 + 100), 12); /* in a table's cells */
	assert_int_equal(pwrite(fd, "and here", 8, 4096), 8);
	close(fd);
	assert_int_equal(vg_db_vet(p.path, "x.db", two, 2, p.why), VG_E_FORMAT);
	assert_non_null(strstr(p.why, "x.db"));
	place_drop(&p);
}

/* A writer that commits two rows at a time, all the while. */
static void
a_snapshot_is_of_one_moment(void **state)
{
	struct place p;
	char to[120], why[VG_DB_WHY];
	pid_t pid;
	sqlite3 *db;
	int status;

	(void)state;
	make_1(&p);
	snprintf(to, sizeof(to), "%s/copy.db", p.dir);
	assert_int_equal(sqlite3_open(p.path, &db), SQLITE_OK);
	assert_int_equal(vg_db_run(db, "DELETE FROM b; DELETE FROM a"), VG_OK);
	(void)sqlite3_close(db);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || vg_db_open(p.path, false, two, 1, p.why, &db) != VG_OK)
			_exit(1);
		for (;;)
			if (vg_db_run(db, "BEGIN; INSERT INTO a (x) VALUES ('one'); INSERT INTO b (a) VALUES (last_insert_rowid()); COMMIT") != VG_OK)
				_exit(1);
	}
	for (int i = 0; i < 40; i++) {
		struct vg_buf b = { 0 };

		usleep(2000);
		assert_int_equal(vg_db_snapshot(p.path, to, why), VG_OK);
		assert_int_equal(vg_db_vet(to, "copy.db", two, 2, why), VG_OK);
		assert_int_equal(sqlite3_open(to, &db), SQLITE_OK);
		ask_db(db, "SELECT (SELECT count(*) FROM a) = (SELECT count(*) FROM b), (SELECT count(*) FROM a) >= 0", &b);
		ask_db(db, "PRAGMA journal_mode", &b);
		vg_buf_putc(&b, 0);
		assert_string_equal(b.p, "1|1;delete;"); /* one file is all of it */
		(void)sqlite3_close(db);
		vg_buf_fini(&b);
		assert_int_not_equal(vg_db_snapshot(p.path, to, why), VG_OK); /* nothing is written over */
		assert_int_equal(unlink(to), 0);
	}
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0); /* it was never in the writer's way */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_not_equal(vg_db_snapshot("/nowhere/x.db", to, why), VG_OK);
	place_drop(&p);
}

static void
unknown_sources_keep_their_numbers(void **state)
{
	struct vg_source s = { .id = 40, .tenant = 1, .name = VG_STR("unknown-40"), .first_ns = 5, .last_ns = 6, .records = 7, .bytes = 8 };
	struct vg_source n = new_source;
	struct vg_buf b = { 0 };
	struct place p;
	sqlite3 *db;

	(void)state;
	place_with(&p, catalogue_1);
	assert_int_equal(vg_catalogue_open(p.path, false, p.why, &db), VG_OK);
	assert_int_equal(vg_catalogue_unknown(db, &s), VG_OK);
	s.id = 3; /* one that is known stays what it is */
	assert_int_equal(vg_catalogue_unknown(db, &s), VG_OK);
	assert_int_equal(vg_catalogue_source(db, &n), VG_OK);
	assert_int_equal(n.id, 41);
	assert_int_equal(vg_catalogue_sources(db, see_source, &b), VG_OK);
	vg_buf_putc(&b, 0);
	assert_non_null(strstr(b.p, "3 1 dc1 1 10.0.0.5"));
	assert_non_null(strstr(b.p, "40 1 unknown-40 0  restored 2  5 6 7 8 0 0 0 0;"));
	vg_db_close(db);
	vg_buf_fini(&b);
	place_drop(&p);
}

static void
the_next_number_is_behind_all_that_are_named(void **state)
{
	struct place p;
	uint64_t next;
	sqlite3 *db;

	(void)state;
	place_make(&p);
	assert_int_equal(vg_signals_open(p.path, false, p.why, &db), VG_OK);
	assert_int_equal(vg_signals_next(db, &next), VG_OK);
	assert_int_equal(next, 1);
	assert_int_equal(vg_state_set(db, "next", VG_STR("43")), VG_OK);
	assert_int_equal(vg_signals_next(db, &next), VG_OK);
	assert_int_equal(next, 43);
	vg_db_close(db);
	place_drop(&p);
	place_with(&p, signals_1);
	assert_int_equal(vg_signals_open(p.path, false, p.why, &db), VG_OK);
	assert_int_equal(vg_signals_next(db, &next), VG_OK);
	assert_int_equal(next, 0x2c); /* behind the second one of the evidence */
	vg_db_close(db);
	place_drop(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_catalogue_is_read_whole),
		cmocka_unit_test(first_signals_are_read_whole),
		cmocka_unit_test(old_files_become_what_new_ones_are),
		cmocka_unit_test(later_and_foreign_files_are_refused_and_left),
		cmocka_unit_test(what_is_no_database_is_refused),
		cmocka_unit_test(a_step_that_fails_leaves_the_file_whole),
		cmocka_unit_test(a_step_may_not_end_its_transaction),
		cmocka_unit_test(a_failure_later_keeps_the_steps_before),
		cmocka_unit_test(whoever_is_killed_leaves_it_whole),
		cmocka_unit_test(many_at_once_do_it_once),
		cmocka_unit_test(an_old_one_is_read_without_touching_it),
		cmocka_unit_test(what_comes_from_elsewhere_is_looked_at),
		cmocka_unit_test(a_damaged_one_is_told),
		cmocka_unit_test(a_snapshot_is_of_one_moment),
		cmocka_unit_test(unknown_sources_keep_their_numbers),
		cmocka_unit_test(the_next_number_is_behind_all_that_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
