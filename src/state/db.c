#include "state/db.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 5000

vg_rc
vg_db_rc(int sqlite)
{
	switch (sqlite & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
		return VG_OK;
	case SQLITE_DONE:
		return VG_E_STOP;
	case SQLITE_NOMEM:
		return VG_E_NOMEM;
	case SQLITE_CANTOPEN:
		return VG_E_NOTFOUND;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return VG_E_FORMAT;
	default:
		return VG_E_SYS;
	}
}

vg_rc
vg_db_run(sqlite3 *db, const char *sql)
{
	return vg_db_rc(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

void
vg_db_rollback(sqlite3 *db)
{
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

static vg_rc
version_of(sqlite3 *db, unsigned *out)
{
	sqlite3_stmt *st = NULL;
	int r = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);

	if (r == SQLITE_OK && (r = sqlite3_step(st)) == SQLITE_ROW)
		*out = (unsigned)sqlite3_column_int(st, 0);
	(void)sqlite3_finalize(st);
	return vg_db_rc(r);
}

/* Where nothing can be made beside it, and nobody works on it: what others would share, the index of its log, is not there.  Then that is
 * made in memory; and without a log there is nothing to read but the database itself. */
static int
open_alone(const char *path, sqlite3 **db)
{
	char beside[4300], uri[3 * 4300] = "file:";
	size_t n = strlen(uri);
	bool log;
	int r;

	if ((size_t)snprintf(beside, sizeof(beside), "%s-shm", path) >= sizeof(beside) || access(beside, F_OK) == 0)
		return SQLITE_CANTOPEN;
	snprintf(beside, sizeof(beside), "%s-wal", path);
	log = access(beside, F_OK) == 0;
	for (const char *p = path; *p; p++) {
		if (strchr("%?#", *p))
			n += (size_t)snprintf(uri + n, 4, "%%%02x", (unsigned char)*p);
		else
			uri[n++] = *p;
	}
	snprintf(uri + n, sizeof(uri) - n, "%s", log ? "" : "?immutable=1");
	r = sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, log ? "unix-none" : NULL); /* a lock to write would be asked for */
	return r == SQLITE_OK && log ? sqlite3_exec(*db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL) : r;
}

int
vg_db_open_read(const char *path, sqlite3 **db)
{
	unsigned version;
	int r = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY, NULL);

	if (r == SQLITE_OK && version_of(*db, &version) != VG_OK && (sqlite3_errcode(*db) == SQLITE_CANTOPEN || sqlite3_errcode(*db) == SQLITE_READONLY)) {
		sqlite3 *alone = NULL;

		if (open_alone(path, &alone) == SQLITE_OK) {
			(void)sqlite3_close(*db);
			*db = alone;
		} else {
			(void)sqlite3_close(alone);
		}
	}
	return r;
}

static vg_rc
migrate(sqlite3 *db, unsigned from, const char *const *step, unsigned nstep)
{
	char set[64];
	vg_rc rc = VG_OK;

	for (unsigned i = from; i < nstep && rc == VG_OK; i++) {
		snprintf(set, sizeof(set), "PRAGMA user_version = %u", i + 1);
		if ((rc = vg_db_run(db, "BEGIN IMMEDIATE")) != VG_OK)
			break;
		if ((rc = vg_db_run(db, step[i])) != VG_OK || (rc = vg_db_run(db, set)) != VG_OK || (rc = vg_db_run(db, "COMMIT")) != VG_OK)
			vg_db_rollback(db);
	}
	return rc;
}

vg_rc
vg_db_open(const char *path, bool read_only, const char *const *step, unsigned nstep, char why[200], sqlite3 **out)
{
	sqlite3 *db = NULL;
	unsigned version = 0;
	vg_rc rc = vg_db_rc(read_only ? vg_db_open_read(path, &db) : sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL));

	why[0] = 0;
	if (rc == VG_OK) {
		(void)sqlite3_busy_timeout(db, BUSY_MS);
		rc = read_only ? VG_OK : vg_db_run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY");
	}
	if (rc == VG_OK && (rc = version_of(db, &version)) == VG_OK && version > nstep) {
		snprintf(why, 200, "%.100s was made by a later version of Vigie (%u; this one knows %u)", path, version, nstep);
		rc = VG_E_UNSUP;
	} else if (rc == VG_OK && read_only && version == 0) {
		snprintf(why, 200, "%.100s is empty", path);
		rc = VG_E_NOTFOUND;
	} else if (rc == VG_OK && !read_only) {
		rc = migrate(db, version, step, nstep);
	}
	if (rc != VG_OK && why[0] == 0)
		snprintf(why, 200, "%.100s: %.90s", path, db ? sqlite3_errmsg(db) : "out of memory");
	if (rc != VG_OK) {
		vg_db_close(db);
		return rc;
	}
	*out = db;
	return VG_OK;
}

void
vg_db_close(sqlite3 *db)
{
	(void)sqlite3_close_v2(db);
}

static vg_rc
prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, const char *types, va_list ap)
{
	int r = sqlite3_prepare_v2(db, sql, -1, out, NULL);

	for (int i = 1; r == SQLITE_OK && *types; i++, types++) {
		if (*types == 'i') {
			r = sqlite3_bind_int64(*out, i, va_arg(ap, int64_t));
		} else {
			vg_str s = va_arg(ap, vg_str);

			r = *types == 't' ? sqlite3_bind_text64(*out, i, s.p ? s.p : "", s.n, SQLITE_TRANSIENT, SQLITE_UTF8) :
					    sqlite3_bind_blob64(*out, i, s.p ? s.p : "", s.n, SQLITE_TRANSIENT);
		}
	}
	if (r != SQLITE_OK) {
		(void)sqlite3_finalize(*out);
		*out = NULL;
	}
	return vg_db_rc(r);
}

vg_rc
vg_db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, const char *types, ...)
{
	va_list ap;
	vg_rc rc;

	va_start(ap, types);
	rc = prepare(db, out, sql, types, ap);
	va_end(ap);
	return rc;
}

vg_rc
vg_db_do(sqlite3 *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st = NULL;
	va_list ap;
	vg_rc rc;

	va_start(ap, types);
	rc = prepare(db, &st, sql, types, ap);
	va_end(ap);
	while (rc == VG_OK)
		rc = vg_db_rc(sqlite3_step(st));
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

vg_str
vg_db_text(sqlite3_stmt *st, int column)
{
	const char *p = (const char *)sqlite3_column_blob(st, column);

	return vg_str_mem(p, p ? (size_t)sqlite3_column_bytes(st, column) : 0);
}
