#include "state/catalogue.h"

#include "base/time.h"
#include "state/migrate.h"

static const char *const steps[] = {
	"CREATE TABLE tenant (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE source (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL REFERENCES tenant, name TEXT NOT NULL, proof INTEGER NOT NULL,"
	" address TEXT NOT NULL, listener TEXT NOT NULL, state INTEGER NOT NULL, pack TEXT NOT NULL DEFAULT '', first_ns INTEGER NOT NULL,"
	" last_ns INTEGER NOT NULL, records INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,"
	" unparsed INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0, skew_ns INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (tenant, name, proof, address, listener)) STRICT;"
	"CREATE TABLE key (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, source TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, made_ns INTEGER NOT NULL,"
	" revoked_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE aside (seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL) STRICT;",
	"CREATE TABLE class (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
	"INSERT INTO class (id, name) VALUES (0, 'default');"
	"CREATE TABLE hold (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, from_day INTEGER NOT NULL, to_day INTEGER NOT NULL, reason TEXT NOT NULL,"
	" set_by TEXT NOT NULL, set_account TEXT NOT NULL, set_ns INTEGER NOT NULL, asked_by TEXT NOT NULL DEFAULT '', asked_account TEXT NOT NULL DEFAULT '',"
	" asked_ns INTEGER NOT NULL DEFAULT 0, released_by TEXT NOT NULL DEFAULT '', released_account TEXT NOT NULL DEFAULT '',"
	" released_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE usage (source INTEGER NOT NULL, day INTEGER NOT NULL, class INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (source, day, class))"
	" STRICT, WITHOUT ROWID;",
};

const char *
vg_source_state_name(unsigned state)
{
	static const char *const name[] = { "new", "adopted", "refused" };

	return state < VG_COUNT(name) ? name[state] : "unknown";
}

vg_rc
vg_catalogue_open(const char *path, bool read_only, char why[200], sqlite3 **out)
{
	return vg_db_open(path, read_only, steps, VG_COUNT(steps), why, out);
}

vg_rc
vg_catalogue_vet(const char *path, char why[200])
{
	return vg_db_vet(path, "catalogue.db", steps, VG_COUNT(steps), why);
}

/* The first column of the first row.  VG_E_STOP: none. */
static vg_rc
number(sqlite3_stmt *st, int64_t *out)
{
	vg_rc rc = vg_db_rc(sqlite3_step(st));

	if (rc == VG_OK)
		*out = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return rc;
}

vg_rc
vg_catalogue_tenant(sqlite3 *db, vg_str name, uint32_t *out)
{
	sqlite3_stmt *st;
	int64_t id;
	vg_rc rc;

	for (int turn = 0; turn < 2; turn++) {
		if ((rc = vg_db_prepare(db, &st, "SELECT id FROM tenant WHERE name = ?", "t", name)) != VG_OK)
			return rc;
		if ((rc = number(st, &id)) == VG_OK) {
			*out = (uint32_t)id;
			return VG_OK;
		}
		if (rc != VG_E_STOP || (rc = vg_db_do(db, "INSERT INTO tenant (name) VALUES (?)", "t", name)) != VG_OK)
			return rc;
	}
	return VG_E_SYS;
}

vg_rc
vg_catalogue_tenants(sqlite3 *db, vg_rc (*each)(void *ctx, uint32_t id, vg_str name), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT id, name FROM tenant ORDER BY id", "");

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK)
		rc = each(ctx, (uint32_t)sqlite3_column_int64(st, 0), vg_db_text(st, 1));
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

static vg_rc
find_source(sqlite3 *db, struct vg_source *s)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT id, state FROM source WHERE tenant = ? AND name = ? AND proof = ? AND address = ? AND listener = ?", "ititt",
				 (int64_t)s->tenant, s->name, (int64_t)s->proof, s->address, s->listener);

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		s->id = (uint32_t)sqlite3_column_int64(st, 0);
		s->state = (uint8_t)sqlite3_column_int(st, 1);
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static vg_rc
is_room(sqlite3 *db, const struct vg_source *s)
{
	sqlite3_stmt *st;
	int64_t n;
	vg_rc rc = vg_db_prepare(db, &st, s->proof ? "SELECT count(*) FROM source" : "SELECT count(*) FROM source WHERE proof = 0", "");

	if (rc != VG_OK || (rc = number(st, &n)) != VG_OK)
		return rc;
	return n < (s->proof ? VG_SOURCES_MAX : VG_SOURCES_UNPROVED_MAX) ? VG_OK : VG_E_LIMIT;
}

vg_rc
vg_catalogue_source(sqlite3 *db, struct vg_source *s)
{
	vg_rc rc = find_source(db, s);

	if (rc != VG_E_STOP)
		return rc;
	if ((rc = is_room(db, s)) != VG_OK)
		return rc;
	rc = vg_db_do(db, "INSERT INTO source (tenant, name, proof, address, listener, state, first_ns, last_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "itittiii",
		      (int64_t)s->tenant, s->name, (int64_t)s->proof, s->address, s->listener, (int64_t)s->state, s->first_ns, s->last_ns);
	return rc != VG_OK ? rc : find_source(db, s);
}

vg_rc
vg_catalogue_count(sqlite3 *db, const struct vg_source *s)
{
	return vg_db_do(db, "UPDATE source SET records = records + ?, bytes = bytes + ?, refused = refused + ?, unparsed = unparsed + ?, unknown = unknown + ?,"
			    " last_ns = max(last_ns, ?), skew_ns = ?, pack = CASE ? WHEN '' THEN pack ELSE ? END WHERE id = ?", "iiiiiiitti",
			(int64_t)s->records, (int64_t)s->bytes, (int64_t)s->refused, (int64_t)s->unparsed, (int64_t)s->unknown, s->last_ns, s->skew_ns,
			s->pack, s->pack, (int64_t)s->id);
}

vg_rc
vg_catalogue_sources(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_source *s), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT id, tenant, name, proof, address, listener, state, pack, first_ns, last_ns, records, bytes, refused,"
					  " unparsed, unknown, skew_ns FROM source ORDER BY id", "");

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_source s = { .id = (uint32_t)sqlite3_column_int64(st, 0), .tenant = (uint32_t)sqlite3_column_int64(st, 1),
				       .name = vg_db_text(st, 2), .proof = (uint8_t)sqlite3_column_int(st, 3), .address = vg_db_text(st, 4),
				       .listener = vg_db_text(st, 5), .state = (uint8_t)sqlite3_column_int(st, 6), .pack = vg_db_text(st, 7),
				       .first_ns = sqlite3_column_int64(st, 8), .last_ns = sqlite3_column_int64(st, 9),
				       .records = (uint64_t)sqlite3_column_int64(st, 10), .bytes = (uint64_t)sqlite3_column_int64(st, 11),
				       .refused = (uint64_t)sqlite3_column_int64(st, 12), .unparsed = (uint64_t)sqlite3_column_int64(st, 13),
				       .unknown = (uint64_t)sqlite3_column_int64(st, 14), .skew_ns = sqlite3_column_int64(st, 15) };

		rc = each(ctx, &s);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

vg_rc
vg_catalogue_unknown(sqlite3 *db, const struct vg_source *s)
{
	return vg_db_do(db, "INSERT OR IGNORE INTO source (id, tenant, name, proof, address, listener, state, first_ns, last_ns, records, bytes)"
			    " VALUES (?, ?, ?, 0, '', 'restored', ?, ?, ?, ?, ?)", "iitiiiii", (int64_t)s->id, (int64_t)s->tenant, s->name, (int64_t)VG_SOURCE_REFUSED,
			s->first_ns, s->last_ns, (int64_t)s->records, (int64_t)s->bytes);
}

vg_rc
vg_catalogue_set_state(sqlite3 *db, uint32_t source, unsigned state)
{
	vg_rc rc = vg_db_do(db, "UPDATE source SET state = ? WHERE id = ?", "ii", (int64_t)state, (int64_t)source);

	return rc != VG_OK ? rc : sqlite3_changes(db) ? VG_OK : VG_E_NOTFOUND;
}

vg_rc
vg_catalogue_add_key(sqlite3 *db, const struct vg_key_row *k, int64_t *id)
{
	vg_rc rc = vg_db_do(db, "INSERT INTO key (tenant, source, hash, made_ns) VALUES (?, ?, ?, ?)", "ttbi", k->tenant, k->source, k->hash, k->made_ns);

	*id = sqlite3_last_insert_rowid(db);
	return rc;
}

vg_rc
vg_catalogue_revoke_key(sqlite3 *db, int64_t id, int64_t now_ns)
{
	vg_rc rc = vg_db_do(db, "UPDATE key SET revoked_ns = ? WHERE id = ? AND revoked_ns = 0", "ii", now_ns, id);

	return rc != VG_OK ? rc : sqlite3_changes(db) ? VG_OK : VG_E_NOTFOUND;
}

vg_rc
vg_catalogue_keys(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_key_row *k), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT id, tenant, source, hash, made_ns, revoked_ns FROM key ORDER BY id", "");

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_key_row k = { .id = sqlite3_column_int64(st, 0), .tenant = vg_db_text(st, 1), .source = vg_db_text(st, 2), .hash = vg_db_text(st, 3),
					.made_ns = sqlite3_column_int64(st, 4), .revoked_ns = sqlite3_column_int64(st, 5) };

		rc = each(ctx, &k);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

int64_t
vg_catalogue_version(sqlite3 *db)
{
	sqlite3_stmt *st;
	int64_t v = 0;

	if (vg_db_prepare(db, &st, "PRAGMA data_version", "") == VG_OK)
		(void)number(st, &v);
	return v;
}

/* ---- classes ---- */

vg_rc
vg_catalogue_class(sqlite3 *db, vg_str name, uint32_t most, uint32_t *out)
{
	sqlite3_stmt *st;
	int64_t id;
	vg_rc rc;

	for (int turn = 0; turn < 2; turn++) {
		if ((rc = vg_db_prepare(db, &st, "SELECT id FROM class WHERE name = ?", "t", name)) != VG_OK)
			return rc;
		if ((rc = number(st, &id)) == VG_OK) {
			*out = (uint32_t)id;
			return VG_OK;
		}
		if (rc != VG_E_STOP || turn || (rc = vg_db_prepare(db, &st, "SELECT count(*) FROM class", "")) != VG_OK || (rc = number(st, &id)) != VG_OK)
			return rc == VG_E_STOP ? VG_E_SYS : rc;
		if (id >= most)
			return VG_E_LIMIT;
		if ((rc = vg_db_do(db, "INSERT INTO class (name) VALUES (?)", "t", name)) != VG_OK)
			return rc;
	}
	return VG_E_SYS;
}

/* ---- usage ---- */

vg_rc
vg_catalogue_use(sqlite3 *db, uint32_t source, uint32_t day, uint32_t class, uint64_t bytes)
{
	return vg_db_do(db, "INSERT INTO usage (source, day, class, bytes) VALUES (?, ?, ?, ?) ON CONFLICT (source, day, class) DO UPDATE SET bytes = bytes + excluded.bytes",
			"iiii", (int64_t)source, (int64_t)day, (int64_t)class, (int64_t)bytes);
}

vg_rc
vg_catalogue_used(sqlite3 *db, uint32_t source, uint64_t *out)
{
	sqlite3_stmt *st;
	int64_t n = 0;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT ifnull(sum(bytes), 0) FROM usage WHERE ?1 = 0 OR source = ?1", "i", (int64_t)source);

	if (rc == VG_OK)
		rc = number(st, &n);
	*out = (uint64_t)n;
	return rc;
}

/* Bytes of the days @from to @to, and how long those go back: to the first of them, or to when the first source was seen. */
static vg_rc
pace_of(sqlite3 *db, int64_t from, int64_t to, int64_t now_ns, uint64_t *out)
{
	sqlite3_stmt *st;
	int64_t bytes = 0, first_ns = 0, end_ns = (to + 1) * VG_DAY < now_ns ? (to + 1) * VG_DAY : now_ns;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT ifnull(sum(bytes), 0), max(ifnull(min(day), 0) * ?, (SELECT ifnull(min(first_ns), 0) FROM source)) FROM usage"
					  " WHERE day BETWEEN ? AND ?", "iii", (int64_t)VG_DAY, from, to);

	if (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		bytes = sqlite3_column_int64(st, 0);
		first_ns = sqlite3_column_int64(st, 1);
	}
	(void)sqlite3_finalize(st);
	*out = rc == VG_OK && bytes > 0 && end_ns - first_ns >= VG_HOUR ? (uint64_t)((double)bytes / (double)(end_ns - first_ns) * (double)VG_DAY) : 0;
	return rc;
}

vg_rc
vg_catalogue_pace(sqlite3 *db, int64_t now_ns, uint64_t *out)
{
	int64_t today = now_ns / VG_DAY;
	vg_rc rc = pace_of(db, today - 7, today - 1, now_ns, out);

	return rc != VG_OK || *out ? rc : pace_of(db, today, today, now_ns, out);
}

vg_rc
vg_catalogue_freed(sqlite3 *db, uint32_t tenant, uint32_t day, uint32_t class)
{
	return vg_db_do(db, "DELETE FROM usage WHERE day = ? AND class = ? AND source IN (SELECT id FROM source WHERE tenant = ?)", "iii", (int64_t)day, (int64_t)class,
			(int64_t)tenant);
}

/* ---- holds ---- */

vg_rc
vg_catalogue_add_hold(sqlite3 *db, const struct vg_hold *h, int64_t *id)
{
	vg_rc rc = vg_db_do(db, "INSERT INTO hold (tenant, from_day, to_day, reason, set_by, set_account, set_ns) VALUES (?, ?, ?, ?, ?, ?, ?)", "tiittti", h->tenant,
			    (int64_t)h->from_day, (int64_t)h->to_day, h->reason, h->set.who, h->set.account, h->set.ns);

	*id = sqlite3_last_insert_rowid(db);
	return rc;
}

#define HOLD_COLUMNS "id, tenant, from_day, to_day, reason, set_by, set_account, set_ns, asked_by, asked_account, asked_ns, released_by, released_account, released_ns"

static void
take_hold(sqlite3_stmt *st, struct vg_hold *h)
{
	struct vg_hold_act *const act[] = { &h->set, &h->asked, &h->released };

	*h = (struct vg_hold){ sqlite3_column_int64(st, 0), vg_db_text(st, 1), (uint32_t)sqlite3_column_int64(st, 2), (uint32_t)sqlite3_column_int64(st, 3),
			       .reason = vg_db_text(st, 4) };
	for (int i = 0; i < 3; i++)
		*act[i] = (struct vg_hold_act){ vg_db_text(st, 5 + 3 * i), vg_db_text(st, 6 + 3 * i), sqlite3_column_int64(st, 7 + 3 * i) };
}

vg_rc
vg_catalogue_holds(sqlite3 *db, vg_rc (*each)(void *ctx, const struct vg_hold *h), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT " HOLD_COLUMNS " FROM hold ORDER BY id", "");

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_hold h;

		take_hold(st, &h);
		rc = each(ctx, &h);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

vg_rc
vg_catalogue_release_hold(sqlite3 *db, int64_t id, const struct vg_hold_act *by, bool *done)
{
	sqlite3_stmt *st;
	struct vg_hold h;
	vg_rc rc;

	*done = false;
	if ((rc = vg_db_run(db, "BEGIN IMMEDIATE")) != VG_OK)
		return rc;
	if ((rc = vg_db_prepare(db, &st, "SELECT " HOLD_COLUMNS " FROM hold WHERE id = ?", "i", id)) == VG_OK) {
		if ((rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
			take_hold(st, &h);
			if (h.released.ns)
				rc = VG_E_STOP;
			else if (h.asked.ns && (vg_str_ieq(h.asked.who, by->who) || vg_str_eq(h.asked.account, by->account)))
				rc = VG_E_REFUSED;
			else
				*done = h.asked.ns != 0;
		} else if (rc == VG_E_STOP) {
			rc = VG_E_NOTFOUND;
		}
		(void)sqlite3_finalize(st);
	}
	if (rc == VG_OK)
		rc = vg_db_do(db, *done ? "UPDATE hold SET released_by = ?, released_account = ?, released_ns = ? WHERE id = ?" :
					  "UPDATE hold SET asked_by = ?, asked_account = ?, asked_ns = ? WHERE id = ?", "ttii", by->who, by->account, by->ns, id);
	if (rc == VG_OK && (rc = vg_db_run(db, "COMMIT")) == VG_OK)
		return VG_OK;
	vg_db_rollback(db);
	return rc;
}

vg_rc
vg_catalogue_is_held(sqlite3 *db, vg_str tenant, uint32_t day, bool *out)
{
	sqlite3_stmt *st;
	int64_t n = 0;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT count(*) FROM hold WHERE released_ns = 0 AND tenant IN ('', ?1) AND ?2 BETWEEN from_day AND to_day", "ti", tenant, (int64_t)day);

	if (rc == VG_OK)
		rc = number(st, &n);
	*out = n > 0;
	return rc;
}
