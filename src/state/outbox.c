#include "state/outbox.h"

#include <stdio.h>
#include <string.h>

#include "state/migrate.h"

static const char *const steps[] = {
	"CREATE TABLE way (name TEXT PRIMARY KEY, tries INTEGER NOT NULL DEFAULT 0, next_ns INTEGER NOT NULL DEFAULT 0, sent_ns INTEGER NOT NULL DEFAULT 0,"
	" sent_level INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '') STRICT;"
	"CREATE TABLE due (way TEXT NOT NULL, taken INTEGER NOT NULL, tenant TEXT NOT NULL, kind INTEGER NOT NULL, title TEXT NOT NULL, level INTEGER NOT NULL,"
	" text TEXT NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, since_ns INTEGER NOT NULL, count INTEGER NOT NULL,"
	" PRIMARY KEY (way, taken, tenant, kind, title)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE known (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE told (n INTEGER PRIMARY KEY, way TEXT NOT NULL, failed INTEGER NOT NULL, told_ns INTEGER NOT NULL, tries INTEGER NOT NULL, why TEXT NOT NULL,"
	" tenant TEXT NOT NULL, kind INTEGER NOT NULL, title TEXT NOT NULL, level INTEGER NOT NULL, text TEXT NOT NULL, first_ns INTEGER NOT NULL,"
	" last_ns INTEGER NOT NULL, count INTEGER NOT NULL) STRICT;"
	"CREATE TABLE stamp (tenant TEXT PRIMARY KEY, what TEXT NOT NULL, asked_ns INTEGER NOT NULL, good_ns INTEGER NOT NULL, failures INTEGER NOT NULL) STRICT;",
};
/* Two rows of one group become one.  Texts are few: hosts. */
#define MERGE                                                                                                                                     \
	" ON CONFLICT (way, taken, tenant, kind, title) DO UPDATE SET level = max(level, excluded.level), count = count + excluded.count,"           \
	" first_ns = min(first_ns, excluded.first_ns), last_ns = max(last_ns, excluded.last_ns), since_ns = min(since_ns, excluded.since_ns),"       \
	" text = CASE WHEN text = '' THEN excluded.text WHEN excluded.text = '' OR instr(', ' || text || ', ', ', ' || excluded.text || ', ') OR" \
	" length(text) > 200 THEN text ELSE text || ', ' || excluded.text END"

vg_rc
vg_outbox_open(const char *path, bool read_only, char why[200], sqlite3 **out)
{
	return vg_db_open(path, read_only, steps, VG_COUNT(steps), why, out);
}

vg_rc
vg_outbox_vet(const char *path, char why[200])
{
	return vg_db_vet(path, "out.db", steps, VG_COUNT(steps), why);
}

static vg_rc
give_up(sqlite3 *db, const char *way, const char *why, int64_t now_ns, int64_t since_ns)
{
	vg_str w = vg_str_of(way);
	vg_rc rc = vg_db_do(db, "INSERT INTO told (way, failed, told_ns, tries, why, tenant, kind, title, level, text, first_ns, last_ns, count)"
				" SELECT way, 1, ?, coalesce((SELECT tries FROM way WHERE name = due.way), 0), ?, tenant, kind, title, level, text, first_ns, last_ns, count"
				" FROM due WHERE way = ? AND since_ns <= ? ORDER BY level DESC", "itti", now_ns, vg_str_of(why), w, since_ns);

	if (rc == VG_OK)
		rc = vg_db_do(db, "UPDATE way SET failed = failed + coalesce((SELECT sum(count) FROM due WHERE way = way.name AND since_ns <= ?), 0) WHERE name = ?", "it",
			      since_ns, w);
	return rc == VG_OK ? vg_db_do(db, "DELETE FROM due WHERE way = ? AND since_ns <= ?", "ti", w, since_ns) : rc;
}

/* ---- ways ---- */

#define GONE_MAX 64

struct gone {
	const char *const *way;
	size_t n, ngone;
	char name[GONE_MAX][80];
};

static vg_rc
look_if_gone(void *ctx, const struct vg_outbox_way *w)
{
	struct gone *g = ctx;

	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->way[i], w->name) == 0)
			return VG_OK;
	if (g->ngone < GONE_MAX)
		snprintf(g->name[g->ngone++], sizeof(g->name[0]), "%s", w->name);
	return VG_OK;
}

vg_rc
vg_outbox_ways(sqlite3 *db, const char *const *way, size_t n, int64_t now_ns)
{
	struct gone g = { .way = way, .n = n };
	vg_rc rc = vg_db_run(db, "BEGIN IMMEDIATE");

	if (rc != VG_OK)
		return rc;
	rc = vg_outbox_each_way(db, look_if_gone, &g);
	for (size_t i = 0; i < g.ngone && rc == VG_OK; i++)
		if ((rc = give_up(db, g.name[i], "this way is not in the settings any more", now_ns, INT64_MAX)) == VG_OK)
			rc = vg_db_do(db, "DELETE FROM way WHERE name = ?", "t", vg_str_of(g.name[i]));
	for (size_t i = 0; i < n && rc == VG_OK; i++) /* and those that are there are tried at once */
		rc = vg_db_do(db, "INSERT INTO way (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET next_ns = 0", "t", vg_str_of(way[i]));
	if (rc == VG_OK)
		rc = vg_db_run(db, "COMMIT");
	if (rc != VG_OK)
		vg_db_rollback(db);
	return rc;
}

static void
copy_text(sqlite3_stmt *st, int column, char *to, size_t room)
{
	snprintf(to, room, "%.*s", VG_STR_ARG(vg_db_text(st, column)));
}

#define WAY_SQL                                                                                                                              \
	"SELECT name, tries, next_ns, sent_ns, sent_level, sent, failed, why, coalesce(sum(count), 0), count(count), coalesce(max(level), 0)," \
	" coalesce(min(since_ns), 0) FROM way LEFT JOIN due ON way.name = due.way"

static void
take_way(sqlite3_stmt *st, struct vg_outbox_way *w)
{
	*w = (struct vg_outbox_way){ .tries = (uint32_t)sqlite3_column_int(st, 1), .next_ns = sqlite3_column_int64(st, 2), .sent_ns = sqlite3_column_int64(st, 3),
				     .sent_level = (uint8_t)sqlite3_column_int(st, 4), .sent = (uint64_t)sqlite3_column_int64(st, 5),
				     .failed = (uint64_t)sqlite3_column_int64(st, 6), .alarms = (uint64_t)sqlite3_column_int64(st, 8),
				     .groups = (uint64_t)sqlite3_column_int64(st, 9), .level = (uint8_t)sqlite3_column_int(st, 10), .since_ns = sqlite3_column_int64(st, 11) };
	copy_text(st, 0, w->name, sizeof(w->name));
	copy_text(st, 7, w->why, sizeof(w->why));
}

vg_rc
vg_outbox_way(sqlite3 *db, const char *way, struct vg_outbox_way *out)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, WAY_SQL " WHERE name = ? GROUP BY name", "t", vg_str_of(way));

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_db_rc(sqlite3_step(st))) == VG_OK)
		take_way(st, out);
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_E_NOTFOUND : rc;
}

vg_rc
vg_outbox_each_way(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_outbox_way *w), void *ctx)
{
	struct vg_outbox_way w;
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, WAY_SQL " GROUP BY name ORDER BY name", "");

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		take_way(st, &w);
		rc = each(ctx, &w);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

int64_t
vg_outbox_when(const struct vg_outbox_way *w, int64_t pause_ns, int64_t now_ns)
{
	int64_t gathered = w->since_ns + VG_OUTBOX_GATHER_NS, rested = w->level > w->sent_level ? 0 : w->sent_ns + pause_ns;
	int64_t when = gathered > rested ? gathered : rested;

	if (w->alarms == 0)
		return INT64_MAX;
	if (w->tries)
		when = w->next_ns;
	/* a clock that was set back makes nothing wait */
	return when > now_ns + VG_OUTBOX_RETRY_MAX_NS + pause_ns ? now_ns : when;
}

/* ---- taking ---- */

/* Cut between characters. */
static vg_str
cut(vg_str s)
{
	size_t n = s.n < VG_OUTBOX_TEXT_MAX ? s.n : VG_OUTBOX_TEXT_MAX;

	while (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return vg_str_cut(s, n);
}

static vg_rc
number_of(sqlite3 *db, const char *sql, vg_str text, int64_t *out)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, sql, "t", text);

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_db_rc(sqlite3_step(st))) == VG_OK)
		*out = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return rc;
}

/* Is it one more group, and one too many? */
static vg_rc
is_over(sqlite3 *db, const char *way, const struct vg_outbox_alarm *a, bool *over)
{
	sqlite3_stmt *st;
	int64_t n = 0;
	vg_rc rc = number_of(db, "SELECT count(*) FROM due WHERE way = ? AND taken = 0", vg_str_of(way), &n);

	*over = n >= VG_OUTBOX_GROUPS_MAX;
	if (rc != VG_OK || !*over)
		return rc;
	if ((rc = vg_db_prepare(db, &st, "SELECT 1 FROM due WHERE way = ? AND taken = 0 AND tenant = ? AND kind = ? AND title = ?", "ttit", vg_str_of(way),
				cut(a->tenant), (int64_t)a->kind, cut(a->title))) != VG_OK)
		return rc;
	rc = vg_db_rc(sqlite3_step(st));
	*over = rc == VG_E_STOP;
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

struct adding {
	sqlite3 *db;
	const struct vg_outbox_alarm *a;
	int64_t now_ns;
};

static vg_rc
add_to(void *ctx, const struct vg_outbox_way *w)
{
	const struct adding *x = ctx;
	const struct vg_outbox_alarm *a = x->a;
	bool over;
	vg_rc rc = is_over(x->db, w->name, a, &over);

	if (rc != VG_OK)
		return rc;
	return vg_db_do(x->db, "INSERT INTO due (way, taken, tenant, kind, title, level, text, first_ns, last_ns, since_ns, count)"
			       " VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, 1)" MERGE, "ttititiii", vg_str_of(w->name), over ? VG_NIL : cut(a->tenant),
			(int64_t)(over ? VG_OUTBOX_OTHERS : a->kind), over ? VG_NIL : cut(a->title), (int64_t)a->level, over ? VG_NIL : cut(a->text), a->time_ns, a->time_ns,
			x->now_ns);
}

vg_rc
vg_outbox_add(sqlite3 *db, const struct vg_outbox_alarm *a, int64_t now_ns, bool *new)
{
	struct adding x = { db, a, now_ns };
	vg_rc rc = vg_db_do(db, "INSERT OR IGNORE INTO known (id) VALUES (?)", "b", vg_str_mem(a->id, VG_OUTBOX_ID));

	*new = rc == VG_OK && sqlite3_changes(db) > 0;
	if (rc != VG_OK || !*new)
		return rc;
	if ((rc = vg_db_do(db, "DELETE FROM known WHERE n <= ?", "i", sqlite3_last_insert_rowid(db) - VG_OUTBOX_KNOWN_MAX)) != VG_OK)
		return rc;
	return vg_outbox_each_way(db, add_to, &x);
}

/* ---- telling ---- */

static vg_rc
each_due(sqlite3_stmt *st, vg_outbox_fn *each, void *ctx)
{
	vg_rc rc = VG_OK;

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_outbox_group g = { .way = vg_db_text(st, 0), .tenant = vg_db_text(st, 1), .kind = (uint8_t)sqlite3_column_int(st, 2), .title = vg_db_text(st, 3),
					     .level = (uint8_t)sqlite3_column_int(st, 4), .text = vg_db_text(st, 5), .first_ns = sqlite3_column_int64(st, 6),
					     .last_ns = sqlite3_column_int64(st, 7), .count = (uint64_t)sqlite3_column_int64(st, 8) };

		rc = each(ctx, &g);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

#define GROUP_SQL "SELECT way, tenant, kind, title, level, text, first_ns, last_ns, count FROM due "

vg_rc
vg_outbox_take(sqlite3 *db, const char *way, vg_outbox_fn *each, void *ctx)
{
	vg_str w = vg_str_of(way);
	sqlite3_stmt *st;
	vg_rc rc = vg_db_run(db, "BEGIN IMMEDIATE");

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_db_do(db, "INSERT INTO due (way, taken, tenant, kind, title, level, text, first_ns, last_ns, since_ns, count)"
			       " SELECT way, 1, tenant, kind, title, level, text, first_ns, last_ns, since_ns, count FROM due WHERE way = ? AND taken = 0" MERGE, "t", w)) == VG_OK &&
	    (rc = vg_db_do(db, "DELETE FROM due WHERE way = ? AND taken = 0", "t", w)) == VG_OK)
		rc = vg_db_run(db, "COMMIT");
	if (rc != VG_OK) {
		vg_db_rollback(db);
		return rc;
	}
	rc = vg_db_prepare(db, &st, GROUP_SQL "WHERE way = ? AND taken = 1 ORDER BY level DESC, count DESC, first_ns", "t", w);
	return rc == VG_OK ? each_due(st, each, ctx) : rc;
}

static vg_rc
drop_old(sqlite3 *db)
{
	return vg_db_do(db, "DELETE FROM told WHERE n <= (SELECT max(n) FROM told) - ?", "i", (int64_t)VG_OUTBOX_TOLD_MAX);
}

vg_rc
vg_outbox_told(sqlite3 *db, const char *way, int64_t now_ns)
{
	vg_str w = vg_str_of(way);
	vg_rc rc = vg_db_run(db, "BEGIN IMMEDIATE");

	if (rc != VG_OK)
		return rc;
	rc = vg_db_do(db, "INSERT INTO told (way, failed, told_ns, tries, why, tenant, kind, title, level, text, first_ns, last_ns, count)"
			  " SELECT way, 0, ?, coalesce((SELECT tries FROM way WHERE name = due.way), 0) + 1, '', tenant, kind, title, level, text, first_ns, last_ns, count"
			  " FROM due WHERE way = ? AND taken = 1 ORDER BY level DESC, count DESC", "it", now_ns, w);
	if (rc == VG_OK)
		rc = vg_db_do(db, "UPDATE way SET tries = 0, next_ns = 0, why = '', sent_ns = ?,"
				  " sent = sent + coalesce((SELECT sum(count) FROM due WHERE way = way.name AND taken = 1), 0),"
				  " sent_level = coalesce((SELECT max(level) FROM due WHERE way = way.name AND taken = 1), 0) WHERE name = ?", "it", now_ns, w);
	if (rc == VG_OK && (rc = vg_db_do(db, "DELETE FROM due WHERE way = ? AND taken = 1", "t", w)) == VG_OK && (rc = drop_old(db)) == VG_OK)
		rc = vg_db_run(db, "COMMIT");
	if (rc != VG_OK)
		vg_db_rollback(db);
	return rc;
}

vg_rc
vg_outbox_failed(sqlite3 *db, const char *way, const char *why, int64_t now_ns)
{
	vg_str w = vg_str_of(way);
	int64_t tries = 0, wait_ns = VG_OUTBOX_RETRY_NS;
	vg_rc rc = vg_db_run(db, "BEGIN IMMEDIATE");

	if (rc != VG_OK)
		return rc;
	rc = number_of(db, "SELECT tries FROM way WHERE name = ?", w, &tries);
	for (int64_t i = 0; i < tries && wait_ns < VG_OUTBOX_RETRY_MAX_NS; i++)
		wait_ns *= 2;
	if (wait_ns > VG_OUTBOX_RETRY_MAX_NS)
		wait_ns = VG_OUTBOX_RETRY_MAX_NS;
	if (rc == VG_OK)
		rc = vg_db_do(db, "UPDATE way SET tries = tries + 1, next_ns = ?, why = ? WHERE name = ?", "itt", now_ns + wait_ns, cut(vg_str_of(why)), w);
	if (rc == VG_OK && (rc = give_up(db, way, why, now_ns, now_ns - VG_OUTBOX_GIVE_UP_NS)) == VG_OK && (rc = drop_old(db)) == VG_OK)
		rc = vg_db_run(db, "COMMIT");
	if (rc != VG_OK)
		vg_db_rollback(db);
	return rc;
}

/* ---- for people ---- */

vg_rc
vg_outbox_each_waiting(sqlite3 *db, vg_outbox_fn *each, void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, GROUP_SQL "ORDER BY way, taken DESC, level DESC, count DESC", "");

	return rc == VG_OK ? each_due(st, each, ctx) : rc;
}

vg_rc
vg_outbox_each_told(sqlite3 *db, uint64_t limit, vg_outbox_fn *each, void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT * FROM (SELECT way, tenant, kind, title, level, text, first_ns, last_ns, count, n, failed, told_ns, tries, why"
					  " FROM told ORDER BY n DESC LIMIT ?) ORDER BY n", "i", limit ? (int64_t)limit : INT64_MAX);

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_outbox_group g = { .way = vg_db_text(st, 0), .tenant = vg_db_text(st, 1), .kind = (uint8_t)sqlite3_column_int(st, 2), .title = vg_db_text(st, 3),
					     .level = (uint8_t)sqlite3_column_int(st, 4), .text = vg_db_text(st, 5), .first_ns = sqlite3_column_int64(st, 6),
					     .last_ns = sqlite3_column_int64(st, 7), .count = (uint64_t)sqlite3_column_int64(st, 8), .n = (uint64_t)sqlite3_column_int64(st, 9),
					     .failed = sqlite3_column_int(st, 10) != 0, .told_ns = sqlite3_column_int64(st, 11), .tries = (uint32_t)sqlite3_column_int(st, 12),
					     .why = vg_db_text(st, 13) };

		rc = each(ctx, &g);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

/* ---- time stamps ---- */

vg_rc
vg_outbox_stamp(sqlite3 *db, vg_str tenant, bool good, vg_str what, int64_t now_ns)
{
	return vg_db_do(db, "INSERT INTO stamp (tenant, what, asked_ns, good_ns, failures) VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant) DO UPDATE SET what = excluded.what,"
			    " asked_ns = excluded.asked_ns, good_ns = max(good_ns, excluded.good_ns), failures = CASE excluded.failures WHEN 0 THEN 0 ELSE failures + 1 END",
			"ttiii", tenant, cut(what), now_ns, good ? now_ns : (int64_t)0, (int64_t)!good);
}

vg_rc
vg_outbox_each_stamp(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_outbox_stamp *s), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT tenant, what, asked_ns, good_ns, failures FROM stamp ORDER BY tenant", "");

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_outbox_stamp s = { .tenant = vg_db_text(st, 0), .what = vg_db_text(st, 1), .asked_ns = sqlite3_column_int64(st, 2),
					     .good_ns = sqlite3_column_int64(st, 3), .failures = (uint32_t)sqlite3_column_int(st, 4) };

		rc = each(ctx, &s);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}
