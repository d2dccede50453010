#include "state/migrate.h"

#include <stdio.h>
#include <string.h>

#define NAME_SHOWN 60
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
