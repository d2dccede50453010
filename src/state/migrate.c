#include "state/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define NAME_SHOWN 60
#define SNAPSHOT_BUSY_MS 10000
#define COPY_MAX ((int64_t)64 << 20)

/* The end of a long path says what it is. */
static const char *
short_name(const char *name)
{
	size_t n = strlen(name);

	return n > NAME_SHOWN ? name + n - NAME_SHOWN : name;
}

/* The first column of the first row.  VG_E_STOP: none. */
static vg_rc
number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = NULL;
	vg_rc rc = vg_db_prepare(db, &st, sql, "");

	if (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK)
		*out = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return rc;
}

/* Within the transaction: no other process comes between. */
static vg_rc
step_inside(sqlite3 *db, const char *step, unsigned to)
{
	char set[64];
	int64_t broken;
	vg_rc rc;

	snprintf(set, sizeof(set), "PRAGMA user_version = %u", to);
	if ((rc = vg_db_run(db, step)) != VG_OK)
		return rc;
	if (sqlite3_get_autocommit(db)) /* the step ended the transaction by itself: a mistake of ours */
		return VG_E_FORMAT;
	if ((rc = number(db, "PRAGMA foreign_key_check", &broken)) != VG_E_STOP)
		return rc == VG_OK ? VG_E_REFUSED : rc;
	return vg_db_run(db, set);
}

static vg_rc
refuse_later(const char *name, unsigned version, unsigned known, char why[VG_DB_WHY])
{
	snprintf(why, VG_DB_WHY,
		 "%s has version %u, of a later Vigie; this one (" VIGIE_VERSION ") knows up to %u: install the one that wrote it, or a later one; nothing was changed",
		 short_name(name), version, known);
	return VG_E_UNSUP;
}

/* One step, unless another process took it meanwhile.  @at: the version it has then. */
static vg_rc
take_step(sqlite3 *db, const char *name, const char *const *step, unsigned nstep, unsigned *at, char why[VG_DB_WHY])
{
	int64_t version;
	vg_rc rc = vg_db_run(db, "BEGIN IMMEDIATE");

	if (rc == VG_OK && (rc = number(db, "PRAGMA user_version", &version)) == VG_OK) {
		*at = (unsigned)version;
		if (*at > nstep)
			rc = refuse_later(name, *at, nstep, why);
		else if (*at < nstep && (rc = step_inside(db, step[*at], *at + 1)) == VG_OK && (rc = vg_db_run(db, "COMMIT")) == VG_OK)
			++*at;
	}
	if (rc != VG_OK && why[0] == 0)
		snprintf(why, VG_DB_WHY, "%s stays at version %u, it cannot be brought to %u: %.80s", short_name(name), *at, *at + 1,
			 rc == VG_E_REFUSED ? "a row would refer to nothing" : sqlite3_errmsg(db));
	if (!sqlite3_get_autocommit(db))
		vg_db_rollback(db);
	return rc;
}

/* Version and tables of one moment. */
static vg_rc
look(sqlite3 *db, const char *name, int64_t *version, int64_t *tables, char why[VG_DB_WHY])
{
	vg_rc rc = vg_db_run(db, "BEGIN");

	why[0] = 0;
	*version = *tables = 0;
	if (rc == VG_OK && (rc = number(db, "PRAGMA user_version", version)) == VG_OK)
		rc = number(db, "SELECT count(*) FROM sqlite_schema", tables);
	if (rc != VG_OK)
		snprintf(why, VG_DB_WHY, "%s: %.90s", short_name(name), sqlite3_errmsg(db));
	if (!sqlite3_get_autocommit(db))
		vg_db_rollback(db);
	return rc;
}

vg_rc
vg_db_check(sqlite3 *db, const char *name, unsigned nstep, unsigned *version, char why[VG_DB_WHY])
{
	int64_t n, tables;
	vg_rc rc = look(db, name, &n, &tables, why);

	*version = 0;
	if (rc != VG_OK)
		return rc;
	if (n < 0 || (n == 0 && tables)) { /* tables without a version are another program's */
		snprintf(why, VG_DB_WHY, "%s is no database of Vigie: it has tables, and %lld for a version; nothing was changed", short_name(name), (long long)n);
		return VG_E_UNSUP;
	}
	*version = (unsigned)n;
	return *version > nstep ? refuse_later(name, *version, nstep, why) : VG_OK;
}

vg_rc
vg_db_migrate(sqlite3 *db, const char *name, const char *const *step, unsigned nstep, unsigned *version, char why[VG_DB_WHY])
{
	vg_rc rc = vg_db_check(db, name, nstep, version, why);

	if (rc != VG_OK || *version == nstep)
		return rc;
	if ((rc = vg_db_run(db, "PRAGMA foreign_keys=OFF")) == VG_OK)
		while (rc == VG_OK && *version < nstep)
			rc = take_step(db, name, step, nstep, version, why);
	return rc == VG_OK ? vg_db_run(db, "PRAGMA foreign_keys=ON") : rc;
}

static vg_rc
copy_all(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int r = b ? sqlite3_backup_step(b, -1) : sqlite3_errcode(to);

	(void)sqlite3_backup_finish(b);
	return r == SQLITE_DONE ? VG_OK : vg_db_rc(r);
}

vg_rc
vg_db_migrate_copy(sqlite3 *db, const char *name, const char *const *step, unsigned nstep, char why[VG_DB_WHY], sqlite3 **out)
{
	sqlite3 *copy = NULL;
	unsigned version;
	int64_t pages = 0, page = 0;
	vg_rc rc = vg_db_check(db, name, nstep, &version, why);

	if (rc == VG_OK && (rc = number(db, "PRAGMA page_count", &pages)) == VG_OK)
		rc = number(db, "PRAGMA page_size", &page);
	if (rc == VG_OK && pages > COPY_MAX / page) {
		snprintf(why, VG_DB_WHY, "%s has version %u, this Vigie reads version %u: `vigie serve` brings it up to date when it starts", short_name(name), version, nstep);
		rc = VG_E_UNSUP;
	}
	if (rc == VG_OK && (rc = vg_db_rc(sqlite3_open(":memory:", &copy))) == VG_OK && (rc = copy_all(db, copy)) == VG_OK)
		rc = vg_db_migrate(copy, name, step, nstep, &version, why);
	if (rc != VG_OK && why[0] == 0)
		snprintf(why, VG_DB_WHY, "%s: %.90s", short_name(name), sqlite3_errmsg(copy ? copy : db));
	vg_db_close(db);
	if (rc != VG_OK) {
		vg_db_close(copy);
		return rc;
	}
	*out = copy;
	return VG_OK;
}

/* ---- files that come from elsewhere, and go there ---- */

/* All that the schema has, a row after the other. */
static vg_rc
schema_of(sqlite3 *db, struct vg_buf *out)
{
	sqlite3_stmt *st = NULL;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT type || char(31) || name || char(31) || tbl_name || char(31) || coalesce(sql, '') FROM sqlite_schema ORDER BY 1", "");

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		vg_buf_putc(out, 30);
		vg_buf_put(out, vg_db_text(st, 0));
		vg_buf_putc(out, 30);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? out->rc : rc;
}

static vg_rc
schema_at(const char *const *step, unsigned version, struct vg_buf *out)
{
	sqlite3 *db = NULL;
	vg_rc rc = vg_db_rc(sqlite3_open(":memory:", &db));

	for (unsigned i = 0; rc == VG_OK && i < version; i++)
		rc = vg_db_run(db, step[i]);
	if (rc == VG_OK)
		rc = schema_of(db, out);
	vg_db_close(db);
	return rc;
}

/* Each row of @a stands in @b, or in @c. */
static bool
stand_in(vg_str a, vg_str b, vg_str c)
{
	vg_str row;

	while (vg_str_split(&a, 30, &row)) {
		vg_str whole = row.n ? vg_str_mem(row.p - 1, row.n + 2) : VG_NIL; /* with what is on both its sides */

		if (row.n && vg_str_find(b, whole) == VG_NPOS && vg_str_find(c, whole) == VG_NPOS)
			return false;
	}
	return true;
}

/* What its version has must be there; what a later one adds may be, as signals.db had it from the first. */
static vg_rc
vet_schema(sqlite3 *db, const char *const *step, unsigned version, unsigned nstep)
{
	struct vg_buf have = { 0 }, least = { 0 }, most = { 0 };
	vg_rc rc = schema_of(db, &have);

	if (rc == VG_OK && (rc = schema_at(step, version, &least)) == VG_OK)
		rc = schema_at(step, nstep, &most);
	if (rc == VG_OK && (!stand_in(vg_buf_str(&have), vg_buf_str(&least), vg_buf_str(&most)) || !stand_in(vg_buf_str(&least), vg_buf_str(&have), VG_NIL)))
		rc = VG_E_REFUSED;
	vg_buf_fini(&have);
	vg_buf_fini(&least);
	vg_buf_fini(&most);
	return rc;
}

static vg_rc
is_sound(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	vg_rc rc = vg_db_prepare(db, &st, "PRAGMA integrity_check(1)", "");

	if (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK && !vg_str_eq(vg_db_text(st, 0), VG_STR("ok")))
		rc = VG_E_FORMAT;
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_E_FORMAT : rc;
}

vg_rc
vg_db_vet(const char *path, const char *name, const char *const *step, unsigned nstep, char why[VG_DB_WHY])
{
	sqlite3 *db = NULL;
	unsigned version = 0;
	int64_t broken;
	vg_rc rc = vg_db_rc(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL));

	why[0] = 0;
	if (rc == VG_OK && sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK && sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) == SQLITE_OK)
		rc = vg_db_check(db, name, nstep, &version, why);
	if (rc == VG_OK && version == 0)
		rc = VG_E_FORMAT;
	if (rc == VG_OK && (rc = vet_schema(db, step, version, nstep)) == VG_E_REFUSED)
		snprintf(why, VG_DB_WHY, "%s has tables, triggers or views that version %u does not have", short_name(name), version);
	if (rc == VG_OK && (rc = is_sound(db)) == VG_OK && (rc = number(db, "PRAGMA foreign_key_check", &broken)) == VG_E_STOP)
		rc = VG_OK;
	else if (rc == VG_OK)
		rc = VG_E_FORMAT;
	if (rc != VG_OK && why[0] == 0)
		snprintf(why, VG_DB_WHY, "%s is damaged, or no database of Vigie: %.60s", short_name(name), db ? sqlite3_errmsg(db) : "out of memory");
	vg_db_close(db);
	return rc;
}

/* SQLite would take one that is there. */
static vg_rc
make_new(const char *path, char why[VG_DB_WHY])
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		snprintf(why, VG_DB_WHY, "%s: %s", short_name(path), strerror(errno));
		return VG_E_SYS;
	}
	close(fd);
	return VG_OK;
}

vg_rc
vg_db_snapshot(const char *from, const char *to, char why[VG_DB_WHY])
{
	sqlite3 *a = NULL, *b = NULL;
	vg_rc rc = vg_db_rc(sqlite3_open_v2(from, &a, SQLITE_OPEN_READONLY, NULL));

	why[0] = 0;
	if (rc == VG_OK) {
		(void)sqlite3_busy_timeout(a, SNAPSHOT_BUSY_MS);
		rc = make_new(to, why);
	}
	if (rc == VG_OK)
		rc = vg_db_rc(sqlite3_open_v2(to, &b, SQLITE_OPEN_READWRITE, NULL));
	/* nobody else sees @to: it needs no journal, and one file is all of it */
	if (rc == VG_OK && (rc = vg_db_run(b, "PRAGMA synchronous=OFF")) == VG_OK && (rc = copy_all(a, b)) == VG_OK)
		rc = vg_db_run(b, "PRAGMA journal_mode=DELETE");
	if (rc == VG_OK && (rc = is_sound(b)) == VG_E_FORMAT)
		snprintf(why, VG_DB_WHY, "%s is damaged", short_name(from));
	if (rc != VG_OK && why[0] == 0)
		snprintf(why, VG_DB_WHY, "%s: %.80s", short_name(from), b && sqlite3_errcode(b) != SQLITE_OK ? sqlite3_errmsg(b) : a ? sqlite3_errmsg(a) : "out of memory");
	vg_db_close(b);
	vg_db_close(a);
	return rc;
}
